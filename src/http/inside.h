/*
 * http/inside: what the server's files share. Nobody else includes it.
 *
 * A connection is touched by the loop's thread alone, but for its request while the application has
 * it: then `request`, `mem` and the `out_` fields belong to whoever will reply, until the
 * connection comes back through the queue.
 */
#ifndef SIGNALBOX_HTTP_INSIDE_H
#define SIGNALBOX_HTTP_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "http/parse.h"

enum {
    WHEEL_SLOTS = 1024, WHEEL_TICK_MS = 100,
    SCRATCH_BYTES = 16384,
    PEER_BUCKETS = 256,
    ARENAS_KEPT = 32, ARENA_KEPT_BYTES_MAX = 65536,
    WORKER_STACK_BYTES = 256 << 10,
    LINGER_MS = 10000,          /* a refused client may still be sending: let it read the answer */
    BODY_MS_DEFAULT = 60000,
    WRITE_ROUNDS_MAX = 20,      /* a response has at most so many times write_ms in all */
};
#define NEVER_MS (INT64_MAX / 2)
#define REQUEST_SOFT_BYTES ((size_t)64 << 20)
#define REQUEST_HARD_BYTES ((size_t)512 << 20)

enum conn_state {
    CONN_IDLE,          /* between requests: no buffers */
    CONN_HEAD,          /* some bytes of a head have come */
    CONN_BODY,
    CONN_HANDLED,       /* the application has the request */
    CONN_WRITE,
    CONN_STREAM,        /* a long-lived answer: pieces come from other threads (stream.c) */
    CONN_LINGER,        /* answered and shut down; what still comes is thrown away */
    CONN_CLOSED,        /* freed at the end of the loop's round */
};

struct peer {
    struct peer *next;
    uint8_t      key[16];
    unsigned     count;
    char         text[48];
};

struct conn {
    struct http_request request;    /* first: http_reply gets back from here */
    struct http_server *server;
    struct conn *prev, *next;       /* all connections */
    struct conn *timer_prev, *timer_next;
    struct conn *queue_next;        /* of the replies, the threads' work, or the graveyard */
    struct conn *again_next;
    int64_t      deadline_ms, write_end_ms;   /* monotonic */
    int          slot;              /* of the wheel; -1: not in it */
    int          fd;
    enum conn_state state;
    bool readable, writable;        /* as far as the kernel has told */
    bool eof, broken;               /* the other side ended its half; the connection failed */
    bool again;                     /* listed by the loop as having more to do */
    bool fresh;                     /* `in` holds bytes not yet looked at */
    bool keep, head_only, chunked;
    bool rdhup;                     /* the kernel announced the end: read until it shows */
    bool out_close, answered;       /* written by whoever replies */
    struct peer *peer;

    char  *in;                      /* an unfinished head, or what was sent ahead */
    size_t in_len, in_cap, in_seen;

    char  *body;
    size_t body_len, body_cap, body_want;     /* want: from Content-Length */
    size_t body_max;
    bool   on_loop;                 /* from the application's class */
    struct http_chunks chunks;

    struct http_stream *stream;     /* from http_stream_begin on; the connection's reference */

    struct arena *mem;              /* while a request is under way */
    str    out_head, out_body;
    size_t out_sent;
};

struct wheel {
    struct conn *slots[WHEEL_SLOTS];
    uint64_t     used[WHEEL_SLOTS / 64];
    int64_t      tick;              /* all slots before this one have been looked at */
    size_t       count;
};

struct work_queue {
    pthread_mutex_t lock;
    pthread_cond_t  some;
    struct conn    *first, **last;
    bool            stop;
    pthread_t      *threads;
    unsigned        thread_count;
};

struct counters {
    _Atomic uint64_t accepted, requests, refused, timed_out, open, bytes_in, bytes_out;
};

struct http_server {
    struct http_server_config config;
    struct http_hooks hooks;
    char      address_text[128];
    int       listener, epoll, wake;
    int       spare;                /* given up to shed a connection when descriptors run out */
    bool      is_unix, listening;
    uint16_t  port;
    pthread_t loop;
    int64_t   now_ms;               /* monotonic, once a round */
    int       round_events;
    struct conn *asked_last;        /* compared, never followed */
    bool      alone;                /* the only event of the last round was answered in it */
    int64_t   listen_again_ms;      /* 0: not waiting */
    bool      draining;             /* the loop has seen `stopping` */
    int64_t   drain_end_ms;

    struct conn *conns, *graveyard, *again_first, **again_last;
    size_t    conn_count, handled;
    size_t    body_bytes;           /* of all bodies held */
    struct peer *peers[PEER_BUCKETS];
    struct wheel wheel;
    struct arena *spare_arenas[ARENAS_KEPT];
    size_t    spare_arena_count;
    struct conn *handling;          /* whose handler runs on the loop right now */
    struct http_head head;          /* the one being parsed */
    char      scratch[SCRATCH_BYTES];

    struct http_stream *told;       /* under streams_lock: pieces wait for them (stream.c) */

    pthread_mutex_t reply_lock;
    struct conn *replies, **replies_last;
    bool      stopping;             /* under reply_lock */
    bool      closed;               /* under reply_lock: the loop has ended, replies free */
    bool      abandoned;            /* under reply_lock: http_server_stop has returned */
    size_t    orphans;              /* under reply_lock: not answered when the loop ended */
    int64_t   stop_grace_ms;
    struct work_queue work;
    struct counters counts;
};

/* Only the loop counts, so no locked instruction is needed. */
static inline void count_add(_Atomic uint64_t *n, uint64_t by)
{
    uint64_t now = atomic_load_explicit(n, memory_order_relaxed);
    atomic_store_explicit(n, now + by, memory_order_relaxed);
}

/* conn.c: runs on the loop's thread */
void conn_run(struct conn *c);                  /* as far as it goes without waiting */
void conn_timed_out(struct conn *c);
void conn_close(struct conn *c);
void conn_replied(struct conn *c);              /* its answer has come back through the queue */
void conn_free_buffers(struct conn *c);         /* any thread that owns c */
struct arena *server_arena(struct http_server *s);
void server_arena_back(struct http_server *s, struct arena *a);

void conn_stream(struct conn *c);               /* something waits to be sent on it, or its end */

/* stream.c: on the loop's thread, but for stream_closed */
/* The answer of c has come: is it the head of a stream? Then it is one from now on. */
bool stream_begun(struct conn *c);
/* Sends what waits. False: nothing more for now. *over: nothing more for ever. */
bool stream_write(struct conn *c, bool *over);
bool stream_waits(const struct conn *c);        /* something is not sent yet */
void stream_closed(struct conn *c);             /* any thread that owns c */
void streams_told(struct http_server *s);       /* conn_stream for each that was sent something */

/* listen.c */
bool listen_start(struct http_server *s, struct err *e) MUST_CHECK;
void listen_stop(struct http_server *s);
void listen_accept(struct http_server *s);
void peer_leave(struct http_server *s, struct peer *p);

/* server.c */
void server_conn_new(struct http_server *s, int fd, struct peer *p);
void server_wake(struct http_server *s);         /* any thread */
void server_conn_gone(struct conn *c);          /* the descriptor is closed: bury it */
void server_again(struct conn *c);
extern _Thread_local struct http_server *server_of_this_loop;

/* reply.c */
void reply_prepare(struct conn *c, const struct http_response *a);  /* → out_head, out_body */
void reply_send(struct conn *c);                /* what was prepared goes back to the loop */
void server_free(struct http_server *s);        /* server.c: the last one to leave calls it */

/* block.c: memory for bodies; the sizes are the caller's to remember. Never NULL. */
char *block_grow(char *old, size_t old_bytes, size_t new_bytes);
void  block_free(char *p, size_t bytes);

/* wheel.c */
void wheel_set(struct wheel *w, struct conn *c, int64_t now_ms, int64_t deadline_ms);
void wheel_drop(struct wheel *w, struct conn *c);
/* Takes out and returns one whose deadline has passed, else NULL. */
struct conn *wheel_due(struct wheel *w, int64_t now_ms);
int  wheel_wait_ms(const struct wheel *w, int64_t now_ms);           /* -1: for ever */

/* workers.c */
bool workers_start(struct http_server *s, struct err *e) MUST_CHECK;
void workers_put(struct http_server *s, struct conn *c);
void workers_stop(struct http_server *s);       /* runs what is queued, then joins */
bool thread_start(pthread_t *out, size_t stack_bytes, const char *name, void *(*run)(void *),
                  void *arg, struct err *e) MUST_CHECK;

#endif
