/*
 * Long-lived answers. A handle lies between whoever sends and the connection: either may go first.
 * One lock for all handles: it is held for moments, and a piece for a thousand listeners takes it
 * once.
 */
#include "http/inside.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PIECES_AT_ONCE = 16 };

struct http_bytes {
    atomic_uint refs;
    size_t len;
    char text[];
};

/* All under streams_lock, but for `sent`, which is the loop's. */
struct http_stream {
    struct conn *conn; /* NULL: closed */
    struct http_stream *told_next;
    bool told;             /* listed by its server as having something to do */
    bool ending;           /* nothing more is taken */
    bool cut;              /* it lagged behind: what waits is not sent any more */
    unsigned refs;         /* the caller's, the connection's */
    unsigned first, count; /* of the ring */
    size_t bytes;          /* not sent yet, the piece under way counted whole */
    size_t sent;           /* of the first piece */
    struct http_bytes *piece[STREAM_PIECES_MAX];
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- bytes ---- */

struct http_bytes *http_bytes_new(str copied)
{
    struct http_bytes *b = malloc(sizeof *b + copied.len);
    if (!b)
        abort();
    atomic_init(&b->refs, 1);
    b->len = copied.len;
    if (copied.len)
        memcpy(b->text, copied.ptr, copied.len);
    return b;
}

struct http_bytes *http_bytes_keep(struct http_bytes *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void http_bytes_drop(struct http_bytes *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

str http_bytes_text(const struct http_bytes *b)
{
    return (str){b->text, b->len};
}

/* ---- the sending side; the lock is held ---- */

static void piece_pop(struct http_stream *s)
{
    struct http_bytes *b = s->piece[s->first];
    s->bytes -= b->len;
    s->first = (s->first + 1) % STREAM_PIECES_MAX;
    s->count--;
    s->sent = 0;
    http_bytes_drop(b);
}

static void unref(struct http_stream *s)
{
    if (--s->refs)
        return;
    while (s->count)
        piece_pop(s);
    free(s);
}

/* The loop looks at it soon. Returns whether it has to be woken. */
static bool tell(struct http_stream *s)
{
    struct http_server *server = s->conn->server;
    if (s->told)
        return false;
    s->told = true;
    s->told_next = server->told;
    server->told = s;
    return !s->told_next;
}

/* One that lags behind gets no more; the loop, which may be sending what waits, closes it. */
static void piece_push(struct http_stream *s, struct http_bytes *b)
{
    bool full = s->count == STREAM_PIECES_MAX || (s->count && s->bytes + b->len > STREAM_BYTES_MAX);
    if (full) {
        s->ending = s->cut = true;
        return;
    }
    s->piece[(s->first + s->count) % STREAM_PIECES_MAX] = http_bytes_keep(b);
    s->count++;
    s->bytes += b->len;
}

struct http_stream *http_stream_begin(struct http_request *r, const struct http_response *head)
{
    struct conn *c = (struct conn *)r;
    struct http_stream *s = calloc(1, sizeof *s);
    assert(!c->answered && !c->stream);
    if (!s)
        abort();
    s->conn = c;
    s->refs = 2;
    c->stream = s;
    reply_prepare(c, head);
    struct http_bytes *b = http_bytes_new(c->out_head);
    piece_push(s, b);
    http_bytes_drop(b);
    reply_send(c);
    return s;
}

bool http_stream_send(struct http_stream *s, struct http_bytes *b)
{
    struct http_stream *const one[1] = {s};
    http_stream_send_all(one, 1, b);
    return http_stream_open(s);
}

void http_stream_send_all(struct http_stream *const *s, size_t count, struct http_bytes *b)
{
    struct http_server *woken = NULL;
    pthread_mutex_lock(&streams_lock);
    for (size_t i = 0; i < count; i++) {
        if (!s[i]->conn || s[i]->ending)
            continue;
        piece_push(s[i], b);
        struct http_server *server = s[i]->conn->server;
        if (tell(s[i]) && server != woken)
            server_wake(woken = server);
    }
    pthread_mutex_unlock(&streams_lock);
}

bool http_stream_open(struct http_stream *s)
{
    pthread_mutex_lock(&streams_lock);
    bool open = s->conn && !s->ending;
    pthread_mutex_unlock(&streams_lock);
    return open;
}

void http_stream_end(struct http_stream *s)
{
    pthread_mutex_lock(&streams_lock);
    s->ending = true;
    if (s->conn && tell(s))
        server_wake(s->conn->server);
    unref(s);
    pthread_mutex_unlock(&streams_lock);
}

/* ---- the loop's side ---- */

bool stream_begun(struct conn *c)
{
    return c->stream != NULL;
}

bool stream_waits(const struct conn *c)
{
    pthread_mutex_lock(&streams_lock);
    bool waits = c->stream->count > 0;
    pthread_mutex_unlock(&streams_lock);
    return waits;
}

void stream_closed(struct conn *c)
{
    struct http_stream *s = c->stream;
    if (!s)
        return;
    pthread_mutex_lock(&streams_lock);
    if (s->told) {
        struct http_stream **at = &c->server->told;
        while (*at != s)
            at = &(*at)->told_next;
        *at = s->told_next;
        s->told = false;
    }
    s->conn = NULL;
    c->stream = NULL;
    while (s->count)
        piece_pop(s);
    unref(s);
    pthread_mutex_unlock(&streams_lock);
}

void streams_told(struct http_server *server)
{
    for (;;) {
        pthread_mutex_lock(&streams_lock);
        struct http_stream *s = server->told;
        struct conn *c = NULL;
        if (s) {
            server->told = s->told_next;
            s->told = false;
            c = s->conn;
        }
        pthread_mutex_unlock(&streams_lock);
        if (!s)
            return;
        conn_stream(c);
    }
}

/* Pieces stay where they are while the lock is not held: the loop alone takes them out. */
static size_t gather(struct http_stream *s, struct iovec *parts, bool *cut)
{
    size_t n = 0;
    pthread_mutex_lock(&streams_lock);
    *cut = s->cut;
    for (; n < s->count && n < PIECES_AT_ONCE; n++) {
        struct http_bytes *b = s->piece[(s->first + n) % STREAM_PIECES_MAX];
        size_t from = n ? 0 : s->sent;
        parts[n] = (struct iovec){b->text + from, b->len - from};
    }
    pthread_mutex_unlock(&streams_lock);
    return n;
}

static bool went_out(struct http_stream *s, size_t n, bool *over)
{
    pthread_mutex_lock(&streams_lock);
    while (s->count && n >= s->piece[s->first]->len - s->sent) {
        n -= s->piece[s->first]->len - s->sent;
        piece_pop(s);
    }
    s->sent += n;
    bool more = s->count > 0;
    *over = !more && s->ending;
    pthread_mutex_unlock(&streams_lock);
    return more;
}

/* What waits has to move. */
static void hurry(struct conn *c)
{
    struct http_server *server = c->server;
    int64_t until_ms = server->now_ms + server->config.write_ms;
    if (c->deadline_ms > until_ms)
        wheel_set(&server->wheel, c, server->now_ms, until_ms);
}

bool stream_write(struct conn *c, bool *over)
{
    struct http_server *server = c->server;
    struct iovec parts[PIECES_AT_ONCE];
    bool cut;
    size_t count = gather(c->stream, parts, &cut);
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n = 0;
    *over = cut;
    if (cut)
        return true;
    if (count && c->writable)
        n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        c->writable = false;
    else if (n < 0 && errno != EINTR)
        *over = true;
    if (count && (n < 0 || !c->writable)) {
        hurry(c);
        return c->writable;
    }
    count_add(&server->counts.bytes_out, (uint64_t)n);
    bool more = went_out(c->stream, (size_t)n, over);
    /* Who has nothing to read may be silent for ever. */
    wheel_set(&server->wheel, c, server->now_ms,
              more ? server->now_ms + server->config.write_ms : NEVER_MS);
    return more;
}
