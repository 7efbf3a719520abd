/*
 * The loop, its start and its end.
 *
 * Ours and not libmicrohttpd because Debian's answers malformed HTTP with pages of its own instead
 * of the API's envelope and knows no absolute deadlines. It also lags its upstream's fixes for
 * request smuggling, which here can be fixed the same day.
 */
#include "http/inside.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS_MAX = 256, LOOP_STACK_BYTES = 2 * WORKER_STACK_BYTES, DRAIN_WAIT_MS = 20, SPIN_US = 60 };

_Thread_local struct http_server *server_of_this_loop;

/* ---- what conn.c asks for ---- */

struct arena *server_arena(struct http_server *s)
{
    if (s->spare_arena_count)
        return s->spare_arenas[--s->spare_arena_count];
    return arena_new(REQUEST_SOFT_BYTES, REQUEST_HARD_BYTES);
}

void server_arena_back(struct http_server *s, struct arena *a)
{
    /* One that had grown would keep its size for ever. */
    if (arena_used(a) > ARENA_KEPT_BYTES_MAX || s->spare_arena_count == ARENAS_KEPT) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    s->spare_arenas[s->spare_arena_count++] = a;
}

void server_wake(struct http_server *s)
{
    uint64_t one = 1;
    while (write(s->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void server_again(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->again)
        return;
    c->again = true;
    c->again_next = NULL;
    *s->again_last = c;
    s->again_last = &c->again_next;
}

void server_conn_gone(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (c->peer)
        peer_leave(s, c->peer);
    c->peer = NULL;
    s->conn_count--;
    atomic_store_explicit(&s->counts.open, s->conn_count, memory_order_relaxed);
    c->queue_next = s->graveyard;
    s->graveyard = c;
}

void server_conn_new(struct http_server *s, int fd, struct peer *p)
{
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    if (!c || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev)) {
        free(c);
        close(fd);
        peer_leave(s, p);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->peer = p;
    c->slot = -1;
    c->writable = true;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->conn_count++;
    atomic_store_explicit(&s->counts.open, s->conn_count, memory_order_relaxed);
    wheel_set(&s->wheel, c, s->now_ms, s->now_ms + s->config.idle_ms);
}

/* ---- the round ---- */

/* Past connections_max nobody is accepted: new ones wait in the kernel's backlog. */
static void listen_if_room(struct http_server *s)
{
    bool want = s->listener >= 0 && s->conn_count < s->config.connections_max &&
                s->now_ms >= s->listen_again_ms;
    if (want)
        s->listen_again_ms = 0;
    if (want == s->listening || s->listener < 0)
        return;
    struct epoll_event ev = { .events = want ? EPOLLIN : 0, .data.ptr = &s->listener };
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listener, &ev);
    s->listening = want;
}

static void replies_take(struct http_server *s)
{
    uint64_t n;
    while (read(s->wake, &n, sizeof n) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&s->reply_lock);
    struct conn *c = s->replies;
    s->replies = NULL;
    s->replies_last = &s->replies;
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->reply_lock);
    for (struct conn *next; c; c = next) {
        next = c->queue_next;
        c->queue_next = NULL;
        conn_replied(c);
    }
    streams_told(s);
    if (stopping && !s->draining) {
        s->draining = true;
        s->drain_end_ms = s->now_ms + s->stop_grace_ms;
    }
}

static void event_take(struct http_server *s, const struct epoll_event *ev)
{
    if (ev->data.ptr == &s->listener) {
        listen_accept(s);
        return;
    }
    if (ev->data.ptr == &s->wake) {
        replies_take(s);
        return;
    }
    struct conn *c = ev->data.ptr;
    if (c->state == CONN_CLOSED)
        return;
    c->rdhup |= (ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    c->readable |= (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    c->writable |= (ev->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    conn_run(c);
}

static void again_run(struct http_server *s)
{
    struct conn *c = s->again_first;
    s->again_first = NULL;
    s->again_last = &s->again_first;
    for (struct conn *next; c; c = next) {
        next = c->again_next;
        c->again = false;
        conn_run(c);
    }
}

static void bury(struct http_server *s)
{
    struct conn **at = &s->graveyard;
    while (*at) {
        struct conn *c = *at;
        /* Still listed for the next round: freed after that. */
        if (c->again) {
            at = &c->queue_next;
            continue;
        }
        *at = c->queue_next;
        free(c);
    }
}

static int wait_ms(const struct http_server *s)
{
    if (s->again_first)
        return 0;
    int wait = wheel_wait_ms(&s->wheel, s->now_ms);
    int bound = s->draining ? DRAIN_WAIT_MS : s->listen_again_ms ? WHEEL_TICK_MS : -1;
    return bound >= 0 && (wait < 0 || wait > bound) ? bound : wait;
}

/* Whether everything that had been handed over is answered and sent. */
static bool drained(struct http_server *s)
{
    listen_stop(s);
    bool busy = false;
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->state == CONN_HANDLED || c->state == CONN_WRITE ||
            (c->state == CONN_STREAM && stream_waits(c)))
            busy = true;
        else if (c->state != CONN_LINGER)
            conn_close(c);
    }
    return !busy || s->now_ms >= s->drain_end_ms;
}

/* From here on whoever replies frees what it answered. */
static void loop_end(struct http_server *s)
{
    pthread_mutex_lock(&s->reply_lock);
    s->closed = true;
    for (struct conn *c = s->replies; c; c = c->queue_next)
        c->state = CONN_WRITE;
    s->replies = NULL;
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->state != CONN_HANDLED) {
            conn_close(c);
            continue;
        }
        close(c->fd);
        s->orphans++;
    }
    s->conns = NULL;
    pthread_mutex_unlock(&s->reply_lock);
    for (struct conn *c = s->again_first; c; c = c->again_next)
        c->again = false;
    bury(s);
}

/*
 * A client that has the server for itself asks again at once: to look for it a moment longer costs
 * less than to fall asleep and be woken.
 */
static int next_events(struct http_server *s, struct epoll_event *events)
{
    int n = 0;
    if (s->alone && !s->again_first) {
        int64_t until = clock_mono_us() + SPIN_US;
        do
            n = epoll_wait(s->epoll, events, EVENTS_MAX, 0);
        while (n == 0 && clock_mono_us() < until);
    }
    return n ? n : epoll_wait(s->epoll, events, EVENTS_MAX, wait_ms(s));
}

static void *loop(void *arg)
{
    struct http_server *s = arg;
    server_of_this_loop = s;
    struct epoll_event events[EVENTS_MAX];
    do {
        int n = next_events(s, events);
        s->now_ms = clock_mono_ms();
        s->round_events = n;
        s->alone = false;
        for (int i = 0; i < n; i++)
            event_take(s, &events[i]);
        again_run(s);
        for (struct conn *c; (c = wheel_due(&s->wheel, s->now_ms));)
            conn_timed_out(c);
        if (s->hooks.round_end)
            s->hooks.round_end(s->hooks.app);
        bury(s);
        listen_if_room(s);
    } while (!s->draining || !drained(s));
    loop_end(s);
    return NULL;
}

/* ---- start and end ---- */

static void defaults(struct http_server_config *c)
{
    if (!c->workers)
        c->workers = 4;
    if (!c->connections_max)
        c->connections_max = 4096;
    if (!c->connections_per_peer_max)
        c->connections_per_peer_max = 1024;
    if (!c->header_ms)
        c->header_ms = 10000;
    if (!c->idle_ms)
        c->idle_ms = 60000;
    if (!c->write_ms)
        c->write_ms = 30000;
    if (!c->header_bytes_max)
        c->header_bytes_max = HTTP_HEAD_BYTES_DEFAULT;
    if (!c->bodies_bytes_max)
        c->bodies_bytes_max = (size_t)256 << 20;
}

void server_free(struct http_server *s)
{
    listen_stop(s);
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->wake >= 0)
        close(s->wake);
    if (s->spare >= 0)
        close(s->spare);
    for (size_t i = 0; i < s->spare_arena_count; i++)
        arena_free(s->spare_arenas[i]);
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (struct peer *p = s->peers[i], *next; p; p = next) {
            next = p->next;
            free(p);
        }
    pthread_mutex_destroy(&s->reply_lock);
    pthread_mutex_destroy(&s->work.lock);
    pthread_cond_destroy(&s->work.some);
    free(s);
}

static bool watch(struct http_server *s, int *fd, struct err *e)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = fd };
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, *fd, &ev))
        return fail_errno(e, "cannot watch a descriptor of the HTTP server");
    return true;
}

static bool begin(struct http_server *s, struct err *e)
{
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (s->epoll < 0 || s->wake < 0 || s->spare < 0)
        return fail_errno(e, "cannot create the descriptors of the HTTP server");
    if (!listen_start(s, e) || !watch(s, &s->listener, e) || !watch(s, &s->wake, e))
        return false;
    s->listening = true;
    s->now_ms = clock_mono_ms();
    return workers_start(s, e) && thread_start(&s->loop, LOOP_STACK_BYTES, "http-loop", loop, s, e);
}

bool http_server_start(const struct http_server_config *c, const struct http_hooks *h,
                       struct http_server **out, struct err *e)
{
    assert(h->classify && h->handle && h->refuse);
    struct http_server *s = calloc(1, sizeof *s);
    if (!s || c->address.len >= sizeof s->address_text) {
        free(s);
        return fail(e, ERR_INVALID, "the address to listen on is too long");
    }
    s->config = *c;
    s->hooks = *h;
    defaults(&s->config);
    if (c->address.len)
        memcpy(s->address_text, c->address.ptr, c->address.len);
    s->config.address = str_of(s->address_text);
    s->listener = s->epoll = s->wake = s->spare = -1;
    s->again_last = &s->again_first;
    s->replies_last = &s->replies;
    pthread_mutex_init(&s->reply_lock, NULL);
    pthread_mutex_init(&s->work.lock, NULL);
    pthread_cond_init(&s->work.some, NULL);
    if (!begin(s, e)) {
        workers_stop(s);
        server_free(s);
        return false;
    }
    *out = s;
    return true;
}

uint16_t http_server_port(const struct http_server *s) { return s->port; }

void http_server_stop(struct http_server *s, int64_t grace_ms)
{
    if (!s)
        return;
    assert(server_of_this_loop != s);
    pthread_mutex_lock(&s->reply_lock);
    s->stopping = true;
    s->stop_grace_ms = grace_ms;
    server_wake(s);
    pthread_mutex_unlock(&s->reply_lock);
    pthread_join(s->loop, NULL);
    workers_stop(s);
    pthread_mutex_lock(&s->reply_lock);
    s->abandoned = true;
    bool last = s->orphans == 0;
    pthread_mutex_unlock(&s->reply_lock);
    if (last)
        server_free(s);
}

int http_round_events(const struct http_request *r)
{
    const struct http_server *s = ((const struct conn *)r)->server;
    if (server_of_this_loop != s)
        return 0;
    bool others = s->again_first || s->asked_last != (const struct conn *)r;
    return others ? EVENTS_MAX : s->round_events;
}

void http_server_counts(const struct http_server *s, struct http_counts *out)
{
    const struct counters *n = &s->counts;
    *out = (struct http_counts){
        .accepted = atomic_load_explicit(&n->accepted, memory_order_relaxed),
        .requests = atomic_load_explicit(&n->requests, memory_order_relaxed),
        .refused = atomic_load_explicit(&n->refused, memory_order_relaxed),
        .timed_out = atomic_load_explicit(&n->timed_out, memory_order_relaxed),
        .open = atomic_load_explicit(&n->open, memory_order_relaxed),
        .bytes_in = atomic_load_explicit(&n->bytes_in, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&n->bytes_out, memory_order_relaxed),
    };
}
