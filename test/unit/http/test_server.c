/*
 * What the server does over time and under load: deadlines, limits, threads, hang-ups, its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

#define HOST "Host: a\r\n"
#define HELLO "GET /hello HTTP/1.1\r\n" HOST "\r\n"

/* Under a sanitizer malloc is another one and cannot be asked. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED true
#elif defined(__has_feature)
#define WATCHED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define WATCHED false
#endif

static struct raw_answer answer;

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

static int first_status(const struct raw_answer *a)
{
    int status = 0;
    raw_responses(a, &status, 1);
    return status;
}

/* Of one whole response; 0: closed without a word. */
static int read_status(int fd)
{
    answer.len = 0;
    raw_read_answers(fd, 1, &answer);
    return first_status(&answer);
}

static bool open_becomes(const struct rig *rig, uint64_t want)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (rig_counts(rig).open == want)
            return true;
        pause_ms(10);
    }
    return false;
}

static bool cut_becomes(const struct rig *rig, uint64_t want)
{
    for (int i = 0; i < PATIENCE_MS / 10 && rig_counts(rig).timed_out != want; i++)
        pause_ms(10);
    return rig_counts(rig).timed_out == want;
}

static bool bytes_become(const struct rig *rig, uint64_t least)
{
    for (int i = 0; i < PATIENCE_MS / 10 && rig_counts(rig).bytes_in < least; i++)
        pause_ms(10);
    return rig_counts(rig).bytes_in >= least;
}

/* ---- deadlines ---- */

/* Long enough for a client of a machine under load to say its first word, or its next, in time. */
static const struct http_server_config HASTY = {
    .header_ms = 1500, .idle_ms = 4000, .write_ms = 2000, .workers = 2
};

struct slow {
    const char *given;
    const char *at_once;
    const char *dripped;        /* a byte every 40 ms, repeated without end */
    int         status;         /* 0: closed without a word */
};

static const struct slow SLOW[] = {
    { "a connection that says nothing", "", NULL, 0 },
    { "half a header, then nothing", "GET /hello HTTP/1.1\r\nHos", NULL, 408 },
    { "a header that drips", "GET /hello HTTP/1.1\r\nX-A: ", "abcdefgh", 408 },
    { "a body that never comes", "POST /slow-body HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n",
      NULL, 408 },
    { "a body that drips", "POST /slow-body HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n",
      "abcdefgh", 408 },
    { "chunks that drip", "POST /slow-body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
      "1\r\nx\r\n", 408 },
    { "trailers that drip",
      "POST /slow-body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n",
      408 },
    { "empty lines that drip", "\r\n", NULL, 408 },
};

static void slow_clients_are_cut_at_an_absolute_deadline(void **state)
{
    struct rig rig;
    rig_start(&rig, &HASTY);
    for (size_t i = 0; i < sizeof SLOW / sizeof *SLOW; i++) {
        const struct slow *s = &SLOW[i];
        int64_t began = raw_ms();
        int fd = raw_connect(rig.port);
        raw_send(fd, str_of(s->at_once));
        answer.len = 0;
        for (size_t k = 0; !answer.len && raw_ms() - began < PATIENCE_MS; k++) {
            if (s->dripped)
                raw_send(fd, str_sub(str_of(s->dripped), k % strlen(s->dripped),
                                     k % strlen(s->dripped) + 1));
            raw_read(fd, 40, &answer);
            if (answer.closed)
                break;
        }
        raw_read(fd, PATIENCE_MS, &answer);
        int64_t took = raw_ms() - began;
        close(fd);
        int64_t least_ms = strstr(s->at_once, "/slow-body") ? 250 : HASTY.header_ms - 50;
        if (!answer.closed || took < least_ms)
            fail_msg("%s: %s after %d ms", s->given, answer.closed ? "closed" : "open", (int)took);
        if (first_status(&answer) != s->status)
            fail_msg("%s: %d and not %d", s->given, first_status(&answer), s->status);
    }
    assert_int_equal(atomic_load(&rig.handled), 0);
    assert_int_equal(rig_counts(&rig).timed_out, 7);
    rig_stop(&rig);
}

static void an_idle_connection_is_kept_a_while_and_then_closed(void **state)
{
    struct rig rig;
    rig_start(&rig, &HASTY);
    int fd = raw_connect(rig.port);
    for (int i = 0; i < 4; i++) {
        raw_send(fd, STR(HELLO));
        assert_int_equal(read_status(fd), 200);
        assert_false(answer.closed);
        pause_ms(300);
    }
    answer.len = 0;
    raw_read(fd, PATIENCE_MS, &answer);
    assert_true(answer.closed);
    assert_int_equal(answer.len, 0);
    close(fd);
    rig_stop(&rig);
}

static void a_request_that_is_handled_has_no_deadline_of_ours(void **state)
{
    struct rig rig;
    rig_start(&rig, &HASTY);
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /park HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(rig_parked(&rig));
    answer.len = 0;
    raw_read(fd, 5000, &answer);
    assert_false(answer.closed);
    rig_unpark(&rig);
    assert_int_equal(read_status(fd), 200);
    close(fd);
    rig_stop(&rig);
}

static size_t read_slowly(int fd, size_t step, int pause)
{
    char *to = malloc(step);
    size_t total = 0;
    for (;;) {
        ssize_t n = recv(fd, to, step, 0);
        if (n <= 0)
            break;
        total += (size_t)n;
        pause_ms(pause);
    }
    free(to);
    return total;
}

static void a_reader_without_progress_is_cut_and_a_slow_one_is_not(void **state)
{
    struct rig rig;
    rig_start(&rig, &HASTY);
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /download HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_true(cut_becomes(&rig, 1));
    assert_true(open_becomes(&rig, 0));
    assert_true(read_slowly(fd, 65536, 0) < (8 << 20));
    close(fd);

    int64_t began = raw_ms();
    fd = raw_connect(rig.port);
    int small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_send(fd, STR("GET /download HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_true(read_slowly(fd, 400000, 100) > (8 << 20));
    assert_true(raw_ms() - began > HASTY.write_ms);
    assert_int_equal(rig_counts(&rig).timed_out, 1);
    close(fd);
    rig_stop(&rig);
}

/* ---- bodies ---- */

static void send_zeros(int fd, size_t n)
{
    char *block = calloc(1, 65536);
    memset(block, 1, 65536);
    for (size_t sent = 0; sent < n; sent += 65536)
        raw_send(fd, (str){ block, n - sent < 65536 ? n - sent : 65536 });
    free(block);
}

static void a_body_of_25_MB_arrives_whole(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 26214400\r\n\r\n"));
    send_zeros(fd, 26214400);
    assert_int_equal(read_status(fd), 200);
    assert_non_null(strstr(answer.text, "26214400 bytes, sum 26214400"));
    /* and the same in chunks, on the same connection */
    raw_send(fd, STR("POST /large HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 400; i++) {
        raw_send(fd, STR("10000\r\n"));
        send_zeros(fd, 65536);
        raw_send(fd, STR("\r\n"));
    }
    raw_send(fd, STR("0\r\n\r\n"));
    assert_int_equal(read_status(fd), 200);
    assert_non_null(strstr(answer.text, "26214400 bytes, sum 26214400"));
    close(fd);
    rig_stop(&rig);
}

static size_t resident_bytes(void)
{
    char text[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    str rest;
    int64_t pages = 0;
    str_cut(str_of(text), ' ', &rest);
    assert_true(str_to_i64(str_cut(rest, ' ', &rest), 0, INT32_MAX, &pages));
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void the_memory_of_large_bodies_goes_back_to_the_machine(void **state)
{
    if (WATCHED)
        skip();
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    size_t before = 0;
    for (int i = 0; i < 4; i++) {
        int fd = raw_connect(rig.port);
        raw_send(fd, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 26214400\r\n\r\n"));
        send_zeros(fd, 26214400);
        assert_int_equal(read_status(fd), 200);
        close(fd);
        before = i ? before : resident_bytes();
    }
    assert_true(open_becomes(&rig, 0));
    size_t now = resident_bytes();
    for (int i = 0; i < PATIENCE_MS / 10 && now >= before + (4 << 20); i++) {
        pause_ms(10);
        now = resident_bytes();
    }
    assert_true(now < before + (4 << 20));
    rig_stop(&rig);
}

static void a_client_that_sends_too_much_can_still_read_why(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 27000000\r\n\r\n"));
    send_zeros(fd, 27000000);
    assert_int_equal(read_status(fd), 413);
    close(fd);
    fd = raw_connect(rig.port);
    raw_send(fd,
             STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n200000\r\n"));
    send_zeros(fd, 0x200000);
    assert_int_equal(read_status(fd), 413);
    close(fd);
    assert_int_equal(atomic_load(&rig.handled), 0);
    rig_stop(&rig);
}

static void all_bodies_together_are_bounded(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1, .bodies_bytes_max = 1 << 20 });
    int first = raw_connect(rig.port);
    raw_send(first, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n"));
    send_zeros(first, 690000);
    assert_true(bytes_become(&rig, 690000));
    int second = raw_connect(rig.port);
    raw_send(second, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n"));
    send_zeros(second, 700000);
    assert_int_equal(read_status(second), 503);
    close(second);
    send_zeros(first, 10000);
    assert_int_equal(read_status(first), 200);
    /* what was held is given back */
    raw_send(first, STR("POST /large HTTP/1.1\r\n" HOST "Content-Length: 700000\r\n\r\n"));
    send_zeros(first, 700000);
    assert_int_equal(read_status(first), 200);
    close(first);
    rig_stop(&rig);
}

static void expect_100_is_answered_before_the_body_is_sent(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST
                     "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n"));
    assert_int_equal(read_status(fd), 100);
    assert_string_equal(answer.text, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(atomic_load(&rig.handled), 0);
    raw_send(fd, STR("hi"));
    assert_int_equal(read_status(fd), 200);
    close(fd);
    rig_stop(&rig);
}

/* ---- threads and hang-ups ---- */

static void a_client_that_hangs_up_while_handled_hurts_nobody(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /park HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(rig_parked(&rig));
    struct linger reset = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    pause_ms(50);
    rig_unpark(&rig);
    assert_true(open_becomes(&rig, 0));
    fd = raw_connect(rig.port);
    raw_send(fd, STR(HELLO));
    assert_int_equal(read_status(fd), 200);
    close(fd);
    rig_stop(&rig);
}

static void what_is_sent_ahead_waits_while_a_request_is_handled(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /park HTTP/1.1\r\n" HOST "\r\n" HELLO HELLO));
    assert_true(rig_parked(&rig));
    pause_ms(50);
    raw_send(fd, STR(HELLO));
    pause_ms(50);
    assert_int_equal(atomic_load(&rig.handled), 1);
    rig_unpark(&rig);
    answer.len = 0;
    raw_read_answers(fd, 4, &answer);
    int statuses[8];
    assert_int_equal(raw_responses(&answer, statuses, 8), 4);
    close(fd);
    rig_stop(&rig);
}

enum { CALLERS = 8, CALLS_EACH = 300 };

static void *call_often(void *arg)
{
    struct rig *rig = arg;
    char text[1024];
    size_t bad = 0;
    int fd = raw_connect(rig->port);
    for (int i = 0; i < CALLS_EACH; i++) {
        char want[32];
        snprintf(want, sizeof want, "[n=%d]", i);
        int n = snprintf(text, sizeof text, "GET /%s?n=%d HTTP/1.1\r\n" HOST "\r\n",
                         i % 50 ? "work" : "later", i);
        raw_send(fd, (str){ text, (size_t)n });
        ssize_t got = recv(fd, text, sizeof text - 1, 0);
        text[got > 0 ? got : 0] = 0;
        bad += got <= 0 || !strstr(text, want);
    }
    close(fd);
    return (void *)bad;
}

static void many_clients_get_each_its_own_answer_from_worker_threads(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 4 });
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, call_often, &rig), 0);
    for (int i = 0; i < CALLERS; i++) {
        void *bad;
        pthread_join(callers[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(rig_counts(&rig).requests, CALLERS * CALLS_EACH);
    rig_stop(&rig);
}

/* ---- limits on connections ---- */

static void connections_of_one_peer_are_limited(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1, .connections_per_peer_max = 2 });
    int first = raw_connect(rig.port);
    int second = raw_connect(rig.port);
    assert_true(open_becomes(&rig, 2));
    int third = raw_connect(rig.port);
    read_status(third);
    assert_true(answer.closed);
    close(third);
    close(first);
    assert_true(open_becomes(&rig, 1));
    third = raw_connect(rig.port);
    raw_send(third, STR(HELLO));
    assert_int_equal(read_status(third), 200);
    close(third);
    close(second);
    rig_stop(&rig);
}

static void past_the_most_connections_new_ones_wait(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1, .connections_max = 2 });
    int first = raw_connect(rig.port);
    int second = raw_connect(rig.port);
    assert_true(open_becomes(&rig, 2));
    int third = raw_connect(rig.port);
    raw_send(third, STR(HELLO));
    answer.len = 0;
    raw_read(third, 200, &answer);
    assert_true(!answer.len && !answer.closed);
    close(first);
    assert_int_equal(read_status(third), 200);
    close(second);
    close(third);
    rig_stop(&rig);
}

static void without_descriptors_the_server_sheds_and_recovers(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fds[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1 };
    fds[1] = dup(fds[0]);       /* the highest number in use; the limit goes just past it */
    struct rlimit before, tight;
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = (rlim_t)fds[1] + 1;
    close(fds[1]);
    fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setrlimit(RLIMIT_NOFILE, &tight);
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(rig.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(connect(fds[0], (struct sockaddr *)&a, sizeof a), 0);
    read_status(fds[0]);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(answer.closed);
    close(fds[0]);
    close(fds[1]);
    int fd = raw_connect(rig.port);
    raw_send(fd, STR(HELLO));
    assert_int_equal(read_status(fd), 200);
    close(fd);
    rig_stop(&rig);
}

enum { IDLE = 1000 };

static void idle_connections_cost_less_than_2_KB_each(void **state)
{
    if (WATCHED)
        skip();
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    static int fds[IDLE];
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < IDLE; i++) {
        fds[i] = raw_connect(rig.port);
        raw_send(fds[i], STR("POST /work HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"));
        char text[512];
        assert_true(recv(fds[i], text, sizeof text, 0) > 0);
    }
    size_t each = (mallinfo2().uordblks - before) / IDLE;
    for (int i = 0; i < PATIENCE_MS / 10 && each >= 2048; i++) {
        pause_ms(10);
        each = (mallinfo2().uordblks - before) / IDLE;
    }
    print_message("           an idle connection holds %zu bytes\n", each);
    assert_true(each > 100 && each < 2048);
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    assert_true(open_becomes(&rig, 0));
    rig_stop(&rig);
}

/* ---- beginnings and ends ---- */

static void *unpark_soon(void *arg)
{
    pause_ms(200);
    rig_unpark(arg);
    return NULL;
}

static void stopping_lets_handled_requests_finish(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int busy = raw_connect(rig.port);
    int idle = raw_connect(rig.port);
    raw_send(busy, STR("GET /park HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(rig_parked(&rig));
    pthread_t t;
    pthread_create(&t, NULL, unpark_soon, &rig);
    int64_t began = raw_ms();
    http_server_stop(rig.server, 2 * PATIENCE_MS);
    assert_true(raw_ms() - began < PATIENCE_MS);
    pthread_join(t, NULL);
    assert_int_equal(read_status(busy), 200);
    assert_non_null(strstr(answer.text, "Connection: "));
    read_status(idle);
    assert_true(answer.closed && !answer.len);
    close(busy);
    close(idle);
}

static void an_answer_after_the_end_goes_nowhere(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /park HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(rig_parked(&rig));
    int64_t began = raw_ms();
    http_server_stop(rig.server, 150);
    assert_true(raw_ms() - began >= 140 && raw_ms() - began < PATIENCE_MS);
    read_status(fd);
    assert_true(answer.closed && !answer.len);
    rig_unpark(&rig);           /* AddressSanitizer watches that nothing is touched or left */
    close(fd);
}

static void a_port_in_use_is_said_so(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1 });
    const struct http_hooks *hooks = rig_hooks(&rig);
    struct http_server *other;
    struct err e = { 0 };
    assert_false(http_server_start(
        &(struct http_server_config){ .address = STR("127.0.0.1"), .port = rig.port }, hooks,
        &other, &e));
    assert_non_null(strstr(e.text, "cannot listen on 127.0.0.1"));
    e = (struct err){ 0 };
    assert_false(http_server_start(&(struct http_server_config){ .address = STR("localhost") },
                                   hooks, &other, &e));
    assert_non_null(strstr(e.text, "localhost"));
    rig_stop(&rig);
}

static int unix_connect(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void a_unix_socket_works_and_a_dead_one_is_replaced(void **state)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/test_http_%d.sock", (int)getpid());
    char address[80];
    snprintf(address, sizeof address, "unix:%s", path);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    memcpy(a.sun_path, path, strlen(path));
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&a, sizeof a), 0);
    close(dead);
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 1, .address = str_of(address) });
    int fd = unix_connect(path);
    raw_send(fd, STR(HELLO));
    assert_int_equal(read_status(fd), 200);
    close(fd);
    struct http_server *other;
    struct err e = { 0 };
    assert_false(http_server_start(&(struct http_server_config){ .address = str_of(address) },
                                   rig_hooks(&rig), &other, &e));
    rig_stop(&rig);
    struct stat st;
    assert_true(stat(path, &st) != 0 && errno == ENOENT);
}

static str company(int fd, const char *path)
{
    char request[100];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    raw_send(fd, (str){ request, (size_t)n });
    answer.len = 0;
    raw_read_answers(fd, 1, &answer);
    return raw_body(&answer);
}

/* The loop's thread may take its time for somebody only while it has nobody else. */
static void only_who_asks_and_asks_again_is_alone(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ 0 });
    int one = raw_connect(rig.port), other = raw_connect(rig.port);
    bool alone = false;
    assert_true(str_eq(company(one, "/company"), STR("with others")));
    for (int i = 0; i < 100 && !alone; i++)
        alone = str_eq(company(one, "/company"), STR("alone"));
    assert_true(alone);
    for (int i = 0; i < 10; i++) {
        assert_true(str_eq(company(other, "/company"), STR("with others")));
        assert_true(str_eq(company(one, "/company"), STR("with others")));
    }
    assert_true(str_eq(company(one, "/work/company"), STR("not on the loop")));
    close(one);
    close(other);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_clients_are_cut_at_an_absolute_deadline),
        cmocka_unit_test(an_idle_connection_is_kept_a_while_and_then_closed),
        cmocka_unit_test(a_request_that_is_handled_has_no_deadline_of_ours),
        cmocka_unit_test(a_reader_without_progress_is_cut_and_a_slow_one_is_not),
        cmocka_unit_test(a_body_of_25_MB_arrives_whole),
        cmocka_unit_test(the_memory_of_large_bodies_goes_back_to_the_machine),
        cmocka_unit_test(a_client_that_sends_too_much_can_still_read_why),
        cmocka_unit_test(all_bodies_together_are_bounded),
        cmocka_unit_test(expect_100_is_answered_before_the_body_is_sent),
        cmocka_unit_test(a_client_that_hangs_up_while_handled_hurts_nobody),
        cmocka_unit_test(what_is_sent_ahead_waits_while_a_request_is_handled),
        cmocka_unit_test(many_clients_get_each_its_own_answer_from_worker_threads),
        cmocka_unit_test(connections_of_one_peer_are_limited),
        cmocka_unit_test(past_the_most_connections_new_ones_wait),
        cmocka_unit_test(without_descriptors_the_server_sheds_and_recovers),
        cmocka_unit_test(idle_connections_cost_less_than_2_KB_each),
        cmocka_unit_test(only_who_asks_and_asks_again_is_alone),
        cmocka_unit_test(stopping_lets_handled_requests_finish),
        cmocka_unit_test(an_answer_after_the_end_goes_nowhere),
        cmocka_unit_test(a_port_in_use_is_said_so),
        cmocka_unit_test(a_unix_socket_works_and_a_dead_one_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
