#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

int64_t raw_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void classify(void *app, const struct http_request *r, struct http_class *out)
{
    out->on_loop = !str_starts(r->path, STR("/work"));
    out->body_max = str_eq(r->path, STR("/large"))    ? 26214400
                    : str_eq(r->path, STR("/nobody")) ? 0
                                                      : 1 << 20;
    out->body_ms = str_eq(r->path, STR("/slow-body")) ? 300 : 20000;
    if (str_eq(r->path, STR("/stranger"))) {
        out->refuse = 401;
        out->why = "who are you?";
    }
}

static void reply_text(struct http_request *r, str body)
{
    http_reply(r, &(struct http_response){
                      .status = 200, .content_type = STR("text/plain"), .body = body });
}

static void echo(struct http_request *r)
{
    reply_text(r, arena_print(r->mem, PRI_STR " " PRI_STR " [" PRI_STR "] " PRI_STR,
                              FMT_STR(r->method_text), FMT_STR(r->path), FMT_STR(r->query),
                              FMT_STR(r->body)));
}

static atomic_int latecomers;

static void *answer_later(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
    echo(arg);
    atomic_fetch_sub(&latecomers, 1);
    return NULL;
}

void rig_latecomers_wait(void)
{
    for (int i = 0; i < PATIENCE_MS / 10 && atomic_load(&latecomers); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    assert_int_equal(atomic_load(&latecomers), 0);
}

static void later(struct http_request *r)
{
    pthread_t t;
    atomic_fetch_add(&latecomers, 1);
    assert_int_equal(pthread_create(&t, NULL, answer_later, r), 0);
    pthread_detach(t);
}

static void large(struct http_request *r)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < r->body.len; i++)
        sum += (unsigned char)r->body.ptr[i];
    reply_text(r, arena_print(r->mem, "%zu bytes, sum %lu", r->body.len, sum));
}

static void download(struct http_request *r)
{
    size_t n = 8 << 20;
    char *text = arena_make(r->mem, char, n);
    memset(text, 'x', n);
    reply_text(r, (str){ text, n });
}

static void inject(struct http_request *r)
{
    struct http_header h = { STR("X-From-Outside"), STR("a\r\nX-Planted: yes\r\n\r\nbody") };
    http_reply(r, &(struct http_response){
                      .status = 200, .headers = &h, .header_count = 1, .body = STR("{}") });
}

static void park(struct rig *rig, struct http_request *r)
{
    pthread_mutex_lock(&rig->lock);
    rig->parked = r;
    pthread_mutex_unlock(&rig->lock);
}

static void handle(void *app, struct http_request *r)
{
    struct rig *rig = app;
    atomic_fetch_add(&rig->handled, 1);
    if (str_eq(r->path, STR("/hello")))
        http_reply(r, &(struct http_response){ .status = 200, .body = STR("{\"ok\":true}") });
    else if (str_eq(r->path, STR("/company")) || str_eq(r->path, STR("/work/company")))
        reply_text(r, http_round_events(r) == 0   ? STR("not on the loop")
                      : http_round_events(r) == 1 ? STR("alone")
                                                  : STR("with others"));
    else if (str_eq(r->path, STR("/later")))
        later(r);
    else if (str_eq(r->path, STR("/large")))
        large(r);
    else if (str_eq(r->path, STR("/download")))
        download(r);
    else if (str_eq(r->path, STR("/inject")))
        inject(r);
    else if (str_eq(r->path, STR("/park")))
        park(rig, r);
    else if (str_eq(r->path, STR("/empty")))
        http_reply(r, &(struct http_response){ .status = 204 });
    else
        echo(r);
}

static void refuse(void *app, struct arena *mem, int status, const char *why,
                   struct http_response *out)
{
    struct rig *rig = app;
    atomic_fetch_add(&rig->refused, 1);
    out->body =
        arena_print(mem, "{\"success\":false,\"status\":%d,\"errorMessage\":\"%s\"}", status, why);
}

void rig_start(struct rig *rig, const struct http_server_config *config)
{
    memset(rig, 0, sizeof *rig);
    pthread_mutex_init(&rig->lock, NULL);
    struct http_server_config c = *config;
    if (!c.address.len)
        c.address = STR("127.0.0.1");
    rig->hooks =
        (struct http_hooks){ .app = rig, .classify = classify, .handle = handle, .refuse = refuse };
    struct err e = { 0 };
    if (!http_server_start(&c, &rig->hooks, &rig->server, &e))
        fail_msg("the server does not start: %s", e.text);
    rig->port = http_server_port(rig->server);
}

const struct http_hooks *rig_hooks(struct rig *rig) { return &rig->hooks; }

void rig_stop(struct rig *rig)
{
    http_server_stop(rig->server, 2000);
    pthread_mutex_destroy(&rig->lock);
}

bool rig_parked(struct rig *rig)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        pthread_mutex_lock(&rig->lock);
        bool there = rig->parked != NULL;
        pthread_mutex_unlock(&rig->lock);
        if (there)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return false;
}

void rig_unpark(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    struct http_request *r = rig->parked;
    rig->parked = NULL;
    pthread_mutex_unlock(&rig->lock);
    assert_non_null(r);
    echo(r);
}

struct http_counts rig_counts(const struct rig *rig)
{
    struct http_counts n;
    http_server_counts(rig->server, &n);
    return n;
}

/* ---- the raw client ---- */

int raw_connect_try(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int raw_connect(uint16_t port)
{
    int fd = raw_connect_try(port);
    if (fd < 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

void raw_send(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        bytes = (str){ bytes.ptr + n, bytes.len - (size_t)n };
    }
}

/* False: nothing came, or nothing will ever come. */
static bool read_some(int fd, int quiet_ms, struct raw_answer *out)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (out->len == sizeof out->text - 1 || poll(&p, 1, quiet_ms) <= 0)
        return false;
    ssize_t n = recv(fd, out->text + out->len, sizeof out->text - 1 - out->len, 0);
    out->closed = n <= 0;
    out->len += n > 0 ? (size_t)n : 0;
    out->text[out->len] = 0;
    return n > 0;
}

void raw_read(int fd, int quiet_ms, struct raw_answer *out)
{
    out->closed = false;
    out->text[out->len] = 0;
    while (read_some(fd, quiet_ms, out))
        ;
}

/* Where the response at `at` ends, perhaps beyond what has come; NULL: its head is not whole. */
static const char *response_end(const char *at)
{
    const char *end = strncmp(at, "HTTP/1.1 ", 9) == 0 ? strstr(at, "\r\n\r\n") : NULL;
    if (!end)
        return NULL;
    const char *length = strstr(at, "Content-Length: ");
    return end + 4 + (length && length < end ? (size_t)strtoul(length + 16, NULL, 10) : 0);
}

static size_t whole_responses(const struct raw_answer *a)
{
    size_t count = 0;
    const char *end = a->text + a->len;
    for (const char *at = a->text; at < end && (at = response_end(at)) && at <= end;)
        count++;
    return count;
}

void raw_read_answers(int fd, size_t want, struct raw_answer *out)
{
    out->closed = false;
    out->text[out->len] = 0;
    while (whole_responses(out) < want && read_some(fd, PATIENCE_MS, out))
        ;
}

size_t raw_responses(const struct raw_answer *a, int *statuses, size_t max)
{
    size_t count = 0;
    const char *at = a->text;
    for (const char *end; count < max && (end = response_end(at)); at = end) {
        statuses[count++] = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
        if (end > a->text + a->len)
            break;
    }
    return count;
}

str raw_body(const struct raw_answer *a)
{
    const char *end = strstr(a->text, "\r\n\r\n");
    if (!end)
        return STR_NONE;
    return (str){ end + 4, (size_t)(a->text + a->len - (end + 4)) };
}
