/*
 * http/server: complete, bounded requests in; one response out, from any thread, at any time.
 * Knows HTTP, no domain.
 *
 * One epoll thread owns all sockets: it accepts, parses strictly, enforces limits and absolute
 * deadlines, and writes answers. A request whose class says `on_loop` is handled right there (it
 * must not block: it hands work over and replies later); every other one goes to the worker
 * threads, where a handler is straight-line code that may block.
 *
 * Refused by default (400, connection closed, in the application's envelope): two length headers,
 * Content-Length with Transfer-Encoding, any transfer coding but a single final `chunked`, blanks
 * before a colon, bare CR or LF, NUL, folded headers, signs or blanks in numbers, missing or double
 * Host in HTTP/1.1, unknown versions, targets that are neither origin form nor `*` (which is
 * OPTIONS' alone). Over a limit: 413, 414, 431. An expectation other than 100-continue: 417.
 * Too slow: 408. Too many bodies at once: 503.
 */
#ifndef SIGNALBOX_HTTP_SERVER_H
#define SIGNALBOX_HTTP_SERVER_H
#include "base/arena.h"
#include "base/err.h"

enum http_method {
    HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER
};

struct http_header { str name, value; };

/* Belongs to the server; valid from `handle` until http_reply has been called for it (the caller
 * must not touch it afterwards). */
struct http_request {
    enum http_method          method;
    str                       method_text;
    str                       target;        /* as sent: path and query, undecoded */
    str                       path;          /* undecoded, begins with '/'; "*" for OPTIONS alone */
    str                       query;         /* undecoded, without '?' */
    const struct http_header *headers;
    size_t                    header_count;
    str                       body;          /* whole, de-chunked */
    str                       peer;          /* address of the other side, text; or "unix" */
    int64_t                   began_mono_us; /* when the last byte of the request had arrived */
    struct arena             *mem;           /* dies with the response; one thread at a time;
                                                soft 64 MiB, hard 512 MiB */
    void                     *user;          /* the application's, e.g. its trace id */
};

struct http_response {
    int                       status;        /* 200 … 599 */
    str                       content_type;  /* default application/json */
    str                       body;          /* in request->mem, or constant: lives until sent */
    const struct http_header *headers;       /* extra ones; copied */
    size_t                    header_count;
    bool                      close;
};

/* Decided when the header block is complete, before a byte of the body is read. */
struct http_class {
    size_t  body_max;         /* 413 past it, at once when Content-Length says so */
    int64_t body_ms;          /* absolute deadline for the whole body; default 60 s */
    bool    on_loop;
    void   *user;             /* for http_request.user */
    int     refuse;           /* not 0: `refuse` is called with this status and `why` at once, no */
    const char *why;          /* body is read, and the connection is closed */
};

struct http_hooks {
    void *app;
    /* On the loop; the body is not there yet. */
    void (*classify)(void *app, const struct http_request *r, struct http_class *out);
    void (*handle)(void *app, struct http_request *r);
    /* The answer to something that is not a request: status, why, and an arena to build the
     * envelope in. On the loop. out->status is set, and the connection is closed after it. */
    void (*refuse)(void *app, struct arena *mem, int status, const char *why,
                   struct http_response *out);
    /* May be NULL. On the loop, when everything that had come was handled, before it waits. */
    void (*round_end)(void *app);
};

struct http_server_config {
    str      address;                 /* "127.0.0.1", "0.0.0.0", "::1" … or "unix:/path" */
    uint16_t port;                    /* 0: any free one */
    unsigned workers;                 /* threads for requests not on_loop; default 4 */
    unsigned connections_max;         /* past it new ones wait in the backlog; default 4096 */
    unsigned connections_per_peer_max;/* past it closed at once; default 1024; not for unix, and
                                         streams do not count */
    int64_t  header_ms, idle_ms, write_ms;  /* defaults 10 s, 60 s, 30 s (write: no progress) */
    size_t   header_bytes_max;        /* default 16 KiB, 100 fields, 8 KiB target */
    size_t   bodies_bytes_max;        /* of all bodies at once; past it 503; default 256 MiB */
};

struct http_server;
bool     http_server_start(const struct http_server_config *c, const struct http_hooks *h,
                           struct http_server **out, struct err *e) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);
/* Stop accepting, let handled requests finish (up to grace_ms), close, join threads, free. Handlers
 * on worker threads are waited for without limit. A request that nobody has answered by then may
 * still be answered later: its answer goes nowhere. */
void     http_server_stop(struct http_server *s, int64_t grace_ms);

/* Exactly once for each handled request, from any thread. Afterwards r is gone. Control characters
 * in header values become blanks; Content-Length, Transfer-Encoding and Connection are the server's
 * own (asserted). JSON gets Cache-Control: no-store unless the response says otherwise. */
void http_reply(struct http_request *r, const struct http_response *a);
/* The same in two steps. What is prepared is copied, but for the body; until it is sent another may
 * be prepared in its place. */
void http_reply_prepare(struct http_request *r, const struct http_response *a);
void http_reply_send(struct http_request *r);

/*
 * Long-lived answers (server-sent events). The head goes out at once, then whatever is sent, from any
 * thread, until somebody ends it; the connection closes with it. Bytes are shared: what a thousand
 * listeners are sent is in memory once. No deadline cuts a stream that has nothing to say; one whose
 * listener does not read is closed when STREAM_PIECES_MAX pieces or STREAM_BYTES_MAX bytes wait for
 * it, or when none of them moved for write_ms.
 */
enum { STREAM_PIECES_MAX = 64, STREAM_BYTES_MAX = 4 << 20 };
struct http_bytes;
struct http_bytes *http_bytes_new(str copied);              /* with one reference: the caller's */
struct http_bytes *http_bytes_keep(struct http_bytes *b);   /* one more; returns b */
void http_bytes_drop(struct http_bytes *b);                 /* NULL is fine */
str  http_bytes_text(const struct http_bytes *b);

struct http_stream;
/*
 * Instead of http_reply: r is gone afterwards. The body of `head` is not sent. The handle is the
 * caller's until http_stream_end; the server may be gone by then.
 */
struct http_stream *http_stream_begin(struct http_request *r, const struct http_response *head);
/* False: it has been closed, by whomever; what was sent then goes nowhere. */
bool http_stream_send(struct http_stream *s, struct http_bytes *b);
/* The same piece to many, at the price of one. */
void http_stream_send_all(struct http_stream *const *s, size_t count, struct http_bytes *b);
bool http_stream_open(struct http_stream *s);
/* What was sent goes out, then the connection closes. The handle is gone. */
void http_stream_end(struct http_stream *s);

/*
 * In a handler on the loop: how many events came with this one, itself included. 1: nobody waits
 * for a handler that takes a moment, and nobody else asked last, who might ask again in that moment.
 * 0: the handler is not on the loop.
 */
int  http_round_events(const struct http_request *r);

/* Helpers on requests. STR_NONE when absent; the first when repeated. */
str  http_header_get(const struct http_request *r, str name);
/* Percent-decoding; plus_is_blank for queries. False for malformed escapes, NUL, invalid UTF-8. */
bool http_decode(struct arena *mem, str s, bool plus_is_blank, str *out);
/* Decoded into r->mem; false when absent or malformed. */
bool http_query_get(const struct http_request *r, str name, str *out);

struct http_counts { uint64_t accepted, requests, refused, timed_out, open, bytes_in, bytes_out; };
void http_server_counts(const struct http_server *s, struct http_counts *out);

#endif
