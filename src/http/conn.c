/*
 * One connection: its states, its bytes, its deadlines. Runs on the loop's thread and never waits.
 */
#include "http/inside.h"

#include <assert.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"

enum { TURNS_MAX = 64, BODY_FIRST_BYTES = 4096, BODY_STEP_BYTES = 256 << 10 };

static void deadline(struct conn *c, int64_t ms_from_now)
{
    wheel_set(&c->server->wheel, c, c->server->now_ms, c->server->now_ms + ms_from_now);
}

/* ---- buffers ---- */

static void body_free(struct conn *c)
{
    c->server->body_bytes -= c->body_cap;
    block_free(c->body, c->body_cap);
    c->body = NULL;
    c->body_len = c->body_cap = c->body_want = 0;
}

void conn_free_buffers(struct conn *c)
{
    block_free(c->in, c->in_cap);
    block_free(c->body, c->body_cap);
    arena_free(c->mem);
    stream_closed(c);
    c->in = NULL;
    c->body = NULL;
    c->in_cap = c->body_cap = 0;
    c->mem = NULL;
}

static void in_reserve(struct conn *c, size_t cap)
{
    if (cap <= c->in_cap)
        return;
    size_t want = c->in_cap * 2 < 1024 ? 1024 : c->in_cap * 2;
    want = cap > want ? cap : want;
    c->in = block_grow(c->in, c->in_cap, want);
    c->in_cap = want;
}

/* Keeps `rest`, which may stand inside the buffer itself; nothing to keep gives the buffer back. */
static void in_keep(struct conn *c, str rest)
{
    if (!rest.len) {
        block_free(c->in, c->in_cap);
        c->in = NULL;
        c->in_len = c->in_cap = 0;
        return;
    }
    if (!c->in_len)
        in_reserve(c, rest.len);
    memmove(c->in, rest.ptr, rest.len);
    c->in_len = rest.len;
}

/* ---- closing and refusing ---- */

static void request_end(struct conn *c)
{
    if (c->mem)
        server_arena_back(c->server, c->mem);
    c->mem = NULL;
    body_free(c);
    c->out_head = c->out_body = STR_NONE;
    c->head_only = false;
}

void conn_close(struct conn *c)
{
    assert(c->state != CONN_HANDLED);
    if (c->state == CONN_CLOSED)
        return;
    request_end(c);
    stream_closed(c);
    in_keep(c, STR_NONE);
    wheel_drop(&c->server->wheel, c);
    close(c->fd);
    c->fd = -1;
    c->state = CONN_CLOSED;
    server_conn_gone(c);
}

static void write_begin(struct conn *c)
{
    if (stream_begun(c)) {
        request_end(c);
        in_keep(c, STR_NONE);
        /* The application let it in, and counts them: behind a proxy all are one peer. */
        peer_leave(c->server, c->peer);
        c->peer = NULL;
        c->state = CONN_STREAM;
        deadline(c, c->server->config.write_ms);
        return;
    }
    c->state = CONN_WRITE;
    c->out_sent = 0;
    c->write_end_ms = c->server->now_ms + c->server->config.write_ms * WRITE_ROUNDS_MAX;
    deadline(c, c->server->config.write_ms);
}

static void refuse(struct conn *c, int status, const char *why)
{
    struct http_server *s = c->server;
    if (!c->mem)
        c->mem = server_arena(s);
    count_add(&s->counts.refused, 1);
    c->keep = false;
    struct http_response out = { .status = status };
    s->hooks.refuse(s->hooks.app, c->mem, status, why, &out);
    out.close = true;
    body_free(c);
    in_keep(c, STR_NONE);
    reply_prepare(c, &out);
    write_begin(c);
}

/* A plain close would reset the connection while the client still sends, and destroy the answer on
 * its way. */
static void linger(struct conn *c)
{
    request_end(c);
    in_keep(c, STR_NONE);
    if (c->eof || c->broken || shutdown(c->fd, SHUT_WR)) {
        conn_close(c);
        return;
    }
    c->state = CONN_LINGER;
    deadline(c, LINGER_MS);
}

void conn_timed_out(struct conn *c)
{
    if (c->state == CONN_HANDLED || c->state == CONN_CLOSED)
        return;
    bool half = c->state == CONN_HEAD || c->state == CONN_BODY;
    if (half || c->state == CONN_WRITE || c->state == CONN_STREAM)
        count_add(&c->server->counts.timed_out, 1);
    if (!half) {
        conn_close(c);
        return;
    }
    refuse(c, 408, c->state == CONN_HEAD ? "the request header took too long to arrive"
                                         : "the request body took too long to arrive");
    conn_run(c);
}

/* ---- reading ---- */

/* Bytes read; 0 when there is nothing now, or nothing ever again (eof, broken). */
static size_t receive(struct conn *c, char *to, size_t n)
{
    while (c->readable && !c->eof && !c->broken) {
        ssize_t got = recv(c->fd, to, n, 0);
        if (got > 0) {
            count_add(&c->server->counts.bytes_in, (uint64_t)got);
            /* A short read emptied the socket (epoll(7)), unless its end was announced: then it
             * shows only by reading. */
            if ((size_t)got < n && !c->rdhup)
                c->readable = false;
            return (size_t)got;
        }
        if (got < 0 && errno == EINTR)
            continue;
        c->readable = false;
        c->eof = got == 0;
        c->broken = got < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
    }
    return 0;
}

static str head_bytes_next(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->fresh) {
        c->fresh = false;
        return (str){ c->in, c->in_len };
    }
    if (!c->in_len)
        return (str){ s->scratch, receive(c, s->scratch, sizeof s->scratch) };
    in_reserve(c, c->in_len + 1);
    size_t got = receive(c, c->in + c->in_len, c->in_cap - c->in_len);
    c->in_len += got;
    return (str){ c->in, got ? c->in_len : 0 };
}

static bool nothing_came(struct conn *c)
{
    if (!c->eof && !c->broken)
        return false;
    if (c->broken || c->state == CONN_IDLE)
        conn_close(c);
    else
        refuse(c, 400, "the connection ended in the middle of the request");
    return true;
}

static str moved(str s, const char *from, const char *to)
{
    return s.ptr ? (str){ to + (s.ptr - from), s.len } : s;
}

/* The head leaves the loop's buffer for the request's own memory. */
static void request_fill(struct conn *c, str bytes)
{
    const struct http_head *h = &c->server->head;
    struct http_request *r = &c->request;
    c->mem = server_arena(c->server);
    str own = arena_copy(c->mem, str_sub(bytes, 0, h->bytes));
    struct http_header *fields = arena_make(c->mem, struct http_header, h->field_count + 1);
    for (size_t i = 0; i < h->field_count; i++) {
        fields[i].name = moved(h->fields[i].name, bytes.ptr, own.ptr);
        fields[i].value = moved(h->fields[i].value, bytes.ptr, own.ptr);
    }
    *r = (struct http_request){
        .method = h->method,
        .method_text = moved(h->method_text, bytes.ptr, own.ptr),
        .target = moved(h->target, bytes.ptr, own.ptr),
        .path = moved(h->path, bytes.ptr, own.ptr),
        .query = moved(h->query, bytes.ptr, own.ptr),
        .headers = fields,
        .header_count = h->field_count,
        .peer = str_of(c->peer->text),
        .began_mono_us = clock_mono_us(),
        .mem = c->mem,
    };
    c->keep = h->keep;
    c->chunked = h->chunked;
    c->head_only = h->method == HTTP_HEAD;
    c->body_want = h->has_length ? (size_t)h->length : 0;
}

static bool go_on(struct conn *c)
{
    static const char LINE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    /* Nothing else is on its way out, so the socket's buffer has room; a client where it has not is
     * not worth the care. */
    return send(c->fd, LINE, sizeof LINE - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof LINE - 1);
}

/* Room for n more bytes of body. False: refused. */
static bool body_reserve(struct conn *c, size_t n)
{
    struct http_server *s = c->server;
    size_t need = c->body_len + n;
    if (need <= c->body_cap)
        return true;
    if (need > c->body_max) {
        refuse(c, 413, "the body is larger than this call accepts");
        return false;
    }
    size_t most = c->chunked ? c->body_max : c->body_want;
    size_t cap = c->body_cap * 2 < BODY_FIRST_BYTES ? BODY_FIRST_BYTES : c->body_cap * 2;
    cap = cap < need ? need : cap;
    cap = cap > most ? most : cap;
    if (cap - c->body_cap > s->config.bodies_bytes_max - s->body_bytes) {
        refuse(c, 503, "too many large requests at once: try again in a moment");
        return false;
    }
    s->body_bytes += cap - c->body_cap;
    c->body = block_grow(c->body, c->body_cap, cap);
    c->body_cap = cap;
    return true;
}

static bool body_add(struct conn *c, str piece)
{
    if (!piece.len)
        return true;
    if (!body_reserve(c, piece.len))
        return false;
    memcpy(c->body + c->body_len, piece.ptr, piece.len);
    c->body_len += piece.len;
    return true;
}

/* HTTP_BAD: it has been refused. Bytes behind the body stay in *rest. */
static enum http_step body_take(struct conn *c, str *rest)
{
    if (!c->chunked) {
        str piece = str_sub(*rest, 0, c->body_want - c->body_len);
        *rest = str_sub(*rest, piece.len, rest->len);
        if (!body_add(c, piece))
            return HTTP_BAD;
        return c->body_len == c->body_want ? HTTP_DONE : HTTP_MORE;
    }
    for (;;) {
        str piece;
        enum http_step step = http_chunks_read(&c->chunks, rest, &piece);
        if (step == HTTP_BAD)
            refuse(c, 400, c->chunks.why);
        else if (!body_add(c, piece))
            return HTTP_BAD;
        if (step != HTTP_MORE || !rest->len)
            return step;
    }
}

/* ---- handing over ---- */

/* Returns whether the connection has more to do at once. */
static bool dispatch(struct conn *c)
{
    struct http_server *s = c->server;
    c->request.body = (str){ c->body, c->body_len };
    c->request.began_mono_us = clock_mono_us();
    c->answered = false;
    c->state = CONN_HANDLED;
    c->keep = c->keep && !s->draining;
    wheel_set(&s->wheel, c, s->now_ms, NEVER_MS);
    count_add(&s->counts.requests, 1);
    if (!c->on_loop) {
        workers_put(s, c);
        return false;
    }
    s->handling = c;
    s->hooks.handle(s->hooks.app, &c->request);
    s->asked_last = c;
    bool answered = !s->handling;
    s->handling = NULL;
    /* Not answered here: it may be on its way back already, or with another thread. Hands off. */
    if (answered) {
        s->alone = s->round_events == 1;
        write_begin(c);
    }
    return answered;
}

static bool body_begin(struct conn *c, str rest, int64_t body_ms)
{
    struct http_server *s = c->server;
    if (!c->chunked && c->body_want > c->body_max) {
        refuse(c, 413, "the body is larger than this call accepts");
        return true;
    }
    c->state = CONN_BODY;
    c->chunks = (struct http_chunks){ 0 };
    deadline(c, body_ms > 0 ? body_ms : BODY_MS_DEFAULT);
    if (s->head.expects_continue && !rest.len && !go_on(c)) {
        conn_close(c);
        return true;
    }
    enum http_step step = body_take(c, &rest);
    if (step == HTTP_BAD)
        return true;
    in_keep(c, rest);
    return step == HTTP_DONE ? dispatch(c) : true;
}

static bool request_begin(struct conn *c, str bytes)
{
    struct http_server *s = c->server;
    request_fill(c, bytes);
    struct http_class class = { .body_max = 0 };
    s->hooks.classify(s->hooks.app, &c->request, &class);
    c->body_max = class.body_max;
    c->on_loop = class.on_loop;
    c->request.user = class.user;
    if (class.refuse) {
        refuse(c, class.refuse, class.why);
        return true;
    }
    str rest = str_sub(bytes, s->head.bytes, bytes.len);
    if (c->chunked || c->body_want)
        return body_begin(c, rest, class.body_ms);
    in_keep(c, rest);
    return dispatch(c);
}

/* ---- turns: each does one thing and says whether there may be more ---- */

static bool head_turn(struct conn *c)
{
    struct http_server *s = c->server;
    str bytes = head_bytes_next(c);
    if (!bytes.len)
        return nothing_came(c);
    if (c->state == CONN_IDLE) {
        c->state = CONN_HEAD;
        c->in_seen = 0;
        deadline(c, s->config.header_ms);
    }
    enum http_step step = http_head_read(bytes, s->config.header_bytes_max, &c->in_seen, &s->head);
    if (step == HTTP_DONE)
        return request_begin(c, bytes);
    if (step == HTTP_BAD)
        refuse(c, s->head.status, s->head.why);
    else
        in_keep(c, bytes);
    return true;
}

static bool body_turn(struct conn *c)
{
    struct http_server *s = c->server;
    enum http_step step;
    if (c->chunked) {
        str rest = { s->scratch, receive(c, s->scratch, sizeof s->scratch) };
        if (!rest.len)
            return nothing_came(c);
        step = body_take(c, &rest);
        if (step != HTTP_BAD)
            in_keep(c, rest);
    } else {
        size_t left = c->body_want - c->body_len;
        if (c->body_len == c->body_cap &&
            !body_reserve(c, left < BODY_FIRST_BYTES ? left : BODY_FIRST_BYTES))
            return true;
        size_t room = c->body_cap - c->body_len;
        size_t got =
            receive(c, c->body + c->body_len, room < BODY_STEP_BYTES ? room : BODY_STEP_BYTES);
        if (!got)
            return nothing_came(c);
        c->body_len += got;
        step = c->body_len == c->body_want ? HTTP_DONE : HTTP_MORE;
    }
    return step == HTTP_DONE ? dispatch(c) : true;
}

static bool written(struct conn *c)
{
    if (c->out_close || c->server->draining) {
        linger(c);
        return true;
    }
    request_end(c);
    c->state = CONN_IDLE;
    c->fresh = c->in_len > 0;
    deadline(c, c->server->config.idle_ms);
    return true;
}

static bool write_turn(struct conn *c)
{
    struct http_server *s = c->server;
    if (!c->writable)
        return false;
    size_t head_left = c->out_sent < c->out_head.len ? c->out_head.len - c->out_sent : 0;
    size_t body_sent = c->out_sent > c->out_head.len ? c->out_sent - c->out_head.len : 0;
    size_t body_left = c->out_body.len - body_sent;
    struct iovec parts[2] = {
        { (void *)(uintptr_t)(c->out_head.ptr + (c->out_head.len - head_left)), head_left },
        { (void *)(uintptr_t)(body_left ? c->out_body.ptr + body_sent : NULL), body_left },
    };
    struct msghdr m = { .msg_iov = parts + (head_left ? 0 : 1),
                        .msg_iovlen = (head_left ? 1U : 0U) + (body_left ? 1U : 0U) };
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            c->writable = false;
        else if (errno != EINTR)
            conn_close(c);
        return true;
    }
    count_add(&s->counts.bytes_out, (uint64_t)n);
    c->out_sent += (size_t)n;
    if (c->out_sent == c->out_head.len + c->out_body.len)
        return written(c);
    int64_t until_ms = s->now_ms + s->config.write_ms;
    wheel_set(&s->wheel, c, s->now_ms, until_ms < c->write_end_ms ? until_ms : c->write_end_ms);
    return true;
}

/* A listener has nothing to say; what it says is thrown away, its end is noticed. */
static bool stream_turn(struct conn *c)
{
    struct http_server *s = c->server;
    bool over;
    if (receive(c, s->scratch, sizeof s->scratch))
        return true;
    if (c->eof || c->broken) {
        conn_close(c);
        return false;
    }
    bool more = stream_write(c, &over);
    if (!over)
        return more;
    stream_closed(c);
    linger(c);
    return true;
}

void conn_stream(struct conn *c)
{
    if (c->state == CONN_STREAM)
        conn_run(c);
}

static bool linger_turn(struct conn *c)
{
    struct http_server *s = c->server;
    if (receive(c, s->scratch, sizeof s->scratch))
        return true;
    if (c->eof || c->broken)
        conn_close(c);
    return false;
}

static bool turn(struct conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        return head_turn(c);
    case CONN_BODY:
        return body_turn(c);
    case CONN_WRITE:
        return write_turn(c);
    case CONN_STREAM:
        return stream_turn(c);
    case CONN_LINGER:
        return linger_turn(c);
    case CONN_HANDLED:
    case CONN_CLOSED:
        return false;
    }
    assert(false && "a connection without a state");
    return false;
}

void conn_run(struct conn *c)
{
    for (int i = 0; i < TURNS_MAX; i++)
        if (!turn(c))
            return;
    /* Others wait too: the rest in the next round. */
    server_again(c);
}

void conn_replied(struct conn *c)
{
    assert(c->state == CONN_HANDLED);
    write_begin(c);
    conn_run(c);
}
