/*
 * The client's thread: it alone touches curl. Others hand calls over and wake it. curl is told of
 * the one socket where something happened: asked to look for itself, it goes through every call
 * under way for each answer.
 */
#include "http/client_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/inside.h"

enum { CLIENT_STACK_BYTES = 512 << 10, POLL_MS = 60000, CLIENT_EVENTS_MAX = 64 };

static void wake(struct http_client *c)
{
    uint64_t one = 1;
    while (write(c->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* curl tells what it waits for on a socket. known: it was told before. */
static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct http_client *c = ctx;
    if (what == CURL_POLL_REMOVE) {
        /* It may be closed already, and gone with that. */
        epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event ev = { .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                                        (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
                              .data.fd = fd };
    int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int second = known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(c->epoll, first, fd, &ev) && epoll_ctl(c->epoll, second, fd, &ev))
        return -1;
    curl_multi_assign(c->multi, fd, c);
    return 0;
}

/* ---- flights on the thread ---- */

static CURL *handle_take(struct http_client *c)
{
    if (c->handle_count)
        return c->handles[--c->handle_count];
    CURL *easy = curl_easy_init();
    if (!easy)
        abort();
    return easy;
}

static void handle_back(struct http_client *c, struct flight *f)
{
    curl_easy_reset(f->easy);
    if (c->handle_count < HANDLES_KEPT)
        c->handles[c->handle_count++] = f->easy;
    else
        curl_easy_cleanup(f->easy);
    f->easy = NULL;
}

static void list_add(struct http_client *c, struct flight *f)
{
    f->prev = NULL;
    f->next = c->flying;
    if (f->next)
        f->next->prev = f;
    c->flying = f;
}

static void list_drop(struct http_client *c, struct flight *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        c->flying = f->next;
    if (f->next)
        f->next->prev = f->prev;
}

/* Delivers and ends it. Out of the multi handle, and never inside one of curl's callbacks. */
static void land(struct http_client *c, struct flight *f, CURLcode rc)
{
    struct http_answer a;
    flight_answer(f, rc, clock_mono_ms(), &a);
    f->call.done(f->call.ctx, &a);
    if (f->easy)
        handle_back(c, f);
    flight_free(f);
}

static void launch(struct http_client *c, struct flight *f)
{
    if (!f->easy)
        f->easy = handle_take(c);
    if (!flight_prepare(c, f, clock_mono_ms())) {
        land(c, f, CURLE_BAD_FUNCTION_ARGUMENT);
        return;
    }
    CURLMcode rc = curl_multi_add_handle(c->multi, f->easy);
    if (rc) {
        f->unfit = curl_multi_strerror(rc);
        land(c, f, CURLE_FAILED_INIT);
        return;
    }
    list_add(c, f);
}

static void finished_take(struct http_client *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = m->data.result;
        CURL *easy = m->easy_handle;
        char *private = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        struct flight *f = (struct flight *)(void *)private;
        assert(f && f->easy == easy);
        curl_multi_remove_handle(c->multi, easy);
        list_drop(c, f);
        if (rc == CURLE_OK && flight_redirected(f)) {
            curl_easy_reset(easy);
            launch(c, f);
        } else {
            land(c, f, rc);
        }
    }
}

static struct flight *queue_take(struct http_client *c, bool *stop)
{
    pthread_mutex_lock(&c->lock);
    struct flight *f = c->queue;
    c->queue = NULL;
    c->queue_last = &c->queue;
    *stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return f;
}

static void ground(struct http_client *c, struct flight *f)
{
    if (f->easy)
        curl_multi_remove_handle(c->multi, f->easy);
    snprintf(f->why, sizeof f->why, "%s", "the program is stopping");
    land(c, f, CURLE_ABORTED_BY_CALLBACK);
}

static void ground_all(struct http_client *c)
{
    while (c->flying) {
        struct flight *f = c->flying;
        list_drop(c, f);
        ground(c, f);
    }
    bool stop;
    for (struct flight *f; (f = queue_take(c, &stop));)
        for (struct flight *next; f; f = next) {
            next = f->next;
            ground(c, f);
        }
}

static void ring(struct http_client *c, bool stopping)
{
    c->alarm_ms = 0;
    c->rang(c->rang_ctx, stopping);
}

/* How long nothing is due: neither the alarm nor one of curl's own times. */
static int poll_ms(struct http_client *c)
{
    int64_t left_ms = c->alarm_ms ? c->alarm_ms - clock_mono_ms() : POLL_MS;
    long curl_ms = -1;
    curl_multi_timeout(c->multi, &curl_ms);
    if (curl_ms >= 0 && curl_ms < left_ms)
        left_ms = curl_ms;
    return left_ms < 0 ? 0 : left_ms < POLL_MS ? (int)left_ms : POLL_MS;
}

static void event_take(struct http_client *c, const struct epoll_event *ev)
{
    int running;
    if (ev->data.fd == c->wake) {
        uint64_t n;
        while (read(c->wake, &n, sizeof n) < 0 && errno == EINTR)
            ;
        return;
    }
    int what = (ev->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (ev->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (ev->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(c->multi, ev->data.fd, what, &running);
}

/* What has come, and what is due; begun calls are due at once. */
static void look(struct http_client *c)
{
    struct epoll_event events[CLIENT_EVENTS_MAX];
    int running;
    int n = epoll_wait(c->epoll, events, CLIENT_EVENTS_MAX, poll_ms(c));
    for (int i = 0; i < n; i++)
        event_take(c, &events[i]);
    long curl_ms = -1;
    curl_multi_timeout(c->multi, &curl_ms);
    if (curl_ms == 0)
        curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finished_take(c);
}

static void *fly(void *arg)
{
    struct http_client *c = arg;
    for (bool stop = false; !stop;) {
        for (struct flight *f = queue_take(c, &stop), *next; f; f = next) {
            next = f->next;
            if (stop)
                ground(c, f);
            else
                launch(c, f);
        }
        if (stop)
            break;
        look(c);
        if (c->alarm_ms && clock_mono_ms() >= c->alarm_ms)
            ring(c, false);
    }
    if (c->alarm_ms)
        ring(c, true);
    ground_all(c);
    for (size_t i = 0; i < c->handle_count; i++)
        curl_easy_cleanup(c->handles[i]);
    curl_multi_cleanup(c->multi);
    c->multi = NULL;
    return NULL;
}

/* ---- the outside ---- */

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_ALL))
        abort();
}

static bool copy_text(char *to, size_t room, const char *from, const char *what, struct err *e)
{
    str s = str_of(from);
    if (s.len >= room)
        return fail(e, ERR_INVALID, "%s is longer than %zu bytes", what, room - 1);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
    return true;
}

/* Said at the start, not by every call that fails for it. */
static bool trust_check(const struct http_client *c, struct err *e)
{
    if (c->ca_file[0] && access(c->ca_file, R_OK)) {
        const char *why = strerrordesc_np(errno);
        return fail(e, ERR_INVALID, "the CA file %s cannot be read: %s", c->ca_file, why);
    }
    return true;
}

static bool multi_start(struct http_client *c, struct err *e)
{
    long per_host = c->config.per_host_max ? (long)c->config.per_host_max : 100L;
    struct epoll_event ev = { .events = EPOLLIN };
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ev.data.fd = c->wake;
    if (c->epoll < 0 || c->wake < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &ev))
        return fail_errno(e, "cannot create the descriptors of the HTTP client");
    c->multi = curl_multi_init();
    c->share = curl_share_init();
    if (!c->multi || !c->share ||
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_changed) ||
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ||
        curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host) ||
        curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX) ||
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT) ||
        curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX))
        return fail(e, ERR_INTERNAL, "cannot set up the HTTP client");
    return thread_start(&c->thread, CLIENT_STACK_BYTES, "http-client", fly, c, e);
}

static void client_free(struct http_client *c)
{
    if (c->multi)
        curl_multi_cleanup(c->multi);
    if (c->share)
        curl_share_cleanup(c->share);
    if (c->epoll >= 0)
        close(c->epoll);
    if (c->wake >= 0)
        close(c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool http_client_start(const struct http_client_config *config, struct http_client **out,
                       struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct http_client *c = calloc(1, sizeof *c);
    if (!c)
        return fail(e, ERR_INTERNAL, "no memory for the HTTP client");
    pthread_mutex_init(&c->lock, NULL);
    c->config = *config;
    c->queue_last = &c->queue;
    c->epoll = c->wake = -1;
    if (!copy_text(c->ca_file, sizeof c->ca_file, config->ca_file, "the name of the CA file", e) ||
        !copy_text(c->user_agent, sizeof c->user_agent,
                   config->user_agent ? config->user_agent : "signalbox", "the user agent", e) ||
        !trust_check(c, e) || !multi_start(c, e)) {
        client_free(c);
        return false;
    }
    *out = c;
    return true;
}

void http_client_stop(struct http_client *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    wake(c);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    client_free(c);
}

void http_call_start(struct http_client *c, const struct http_call *call)
{
    assert(call->done);
    struct flight *f = flight_new(call);
    pthread_mutex_lock(&c->lock);
    bool first = !c->queue;
    *c->queue_last = f;
    c->queue_last = &f->next;
    if (first)
        wake(c);
    pthread_mutex_unlock(&c->lock);
}

void http_client_alarm(struct http_client *c, int64_t at_mono_ms,
                       void (*rang)(void *ctx, bool stopping), void *ctx)
{
    assert(pthread_equal(pthread_self(), c->thread));
    c->alarm_ms = at_mono_ms > 0 ? at_mono_ms : 1;
    c->rang = rang;
    c->rang_ctx = ctx;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t  done;
    bool            is_done;
    struct arena   *mem;
    struct http_answer *out;
};

static void wait_done(void *ctx, const struct http_answer *a)
{
    struct waiter *w = ctx;
    pthread_mutex_lock(&w->lock);
    struct http_header *headers = arena_make(w->mem, struct http_header, a->header_count + 1);
    for (size_t i = 0; i < a->header_count; i++) {
        headers[i].name = arena_copy(w->mem, a->headers[i].name);
        headers[i].value = arena_copy(w->mem, a->headers[i].value);
    }
    *w->out = *a;
    w->out->headers = headers;
    w->out->body = arena_copy(w->mem, a->body);
    w->is_done = true;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

void http_call_wait(struct http_client *c, struct arena *mem, const struct http_call *call,
                    struct http_answer *out)
{
    assert(!pthread_equal(pthread_self(), c->thread));
    struct waiter w = { .mem = mem, .out = out };
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.done, NULL);
    struct http_call with = *call;
    with.done = wait_done;
    with.ctx = &w;
    http_call_start(c, &with);
    pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        pthread_cond_wait(&w.done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.done);
}
