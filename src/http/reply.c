/*
 * Responses: the head as text, and the way back to the loop.
 */
#include "http/inside.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static const struct { int status; const char *reason; } REASONS[] = {
    { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
    { 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
    { 303, "See Other" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
    { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
    { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" }, { 423, "Locked" }, { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
    { 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return "Status";
}

/* ---- text ---- */

struct text { char *ptr; size_t len, cap; };

static void put(struct text *t, str s)
{
    assert(s.len <= t->cap - t->len);
    if (s.len)
        memcpy(t->ptr + t->len, s.ptr, s.len);
    t->len += s.len;
}

static void put_number(struct text *t, uint64_t n, size_t digits_least)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n || sizeof digits - at < digits_least);
    put(t, (str){ digits + at, sizeof digits - at });
}

/* A value that came from outside must not end its line: control characters become blanks. */
static void put_value(struct text *t, str s)
{
    assert(s.len <= t->cap - t->len);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        t->ptr[t->len++] = (c < 0x20 && c != '\t') || c == 0x7f ? ' ' : s.ptr[i];
    }
}

/* RFC 9110 §5.6.7, without the C library's locale and time zone; the calendar after Howard
 * Hinnant's days_from_civil. */
static void put_date(struct text *t, int64_t utc_s)
{
    static const char DAYS[] = "ThuFriSatSunMonTueWed";
    static const char MONTHS[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    int64_t days = utc_s / 86400;
    int64_t second = utc_s % 86400;
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    put(t, (str){ DAYS + days % 7 * 3, 3 });
    put(t, STR(", "));
    put_number(t, (uint64_t)(doy - (153 * mp + 2) / 5 + 1), 2);
    put(t, STR(" "));
    put(t, (str){ MONTHS + mp * 3, 3 });
    put(t, STR(" "));
    put_number(t, (uint64_t)(yoe + era * 400 + (mp >= 10)), 4);
    put(t, STR(" "));
    put_number(t, (uint64_t)(second / 3600), 2);
    put(t, STR(":"));
    put_number(t, (uint64_t)(second / 60 % 60), 2);
    put(t, STR(":"));
    put_number(t, (uint64_t)(second % 60), 2);
    put(t, STR(" GMT\r\n"));
}

static str date_line(void)
{
    static _Thread_local int64_t at_s = -1;
    static _Thread_local char line[48];
    static _Thread_local size_t len;
    int64_t now_s = clock_utc_ms() / 1000;
    if (now_s != at_s) {
        struct text t = { line, 0, sizeof line };
        put(&t, STR("Date: "));
        put_date(&t, now_s);
        at_s = now_s;
        len = t.len;
    }
    return (str){ line, len };
}

/* ---- the head ---- */

static bool has_header(const struct http_response *a, str name)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (str_eq_nocase(a->headers[i].name, name))
            return true;
    return false;
}

static void check_headers(const struct http_response *a)
{
    for (size_t i = 0; i < a->header_count; i++) {
        assert(http_token_valid(a->headers[i].name));
        /* The server's own: two opinions about where a message ends is how smuggling begins. */
        assert(!str_eq_nocase(a->headers[i].name, STR("content-length")));
        assert(!str_eq_nocase(a->headers[i].name, STR("transfer-encoding")));
        assert(!str_eq_nocase(a->headers[i].name, STR("connection")));
    }
}

static size_t head_bytes(const struct http_response *a, str type)
{
    size_t n = 320 + type.len;
    for (size_t i = 0; i < a->header_count; i++)
        n += a->headers[i].name.len + a->headers[i].value.len + 4;
    return n;
}

static void put_type(struct text *t, const struct http_response *a, str type)
{
    put(t, STR("Content-Type: "));
    put_value(t, type);
    put(t, STR("\r\n"));
    /* Answers about state are not for caches, unless the handler says so. */
    if (str_starts(type, STR("application/json")) && !has_header(a, STR("cache-control")))
        put(t, STR("Cache-Control: no-store\r\n"));
}

void reply_prepare(struct conn *c, const struct http_response *a)
{
    assert(a->status >= 200 && a->status <= 599);
    check_headers(a);
    str type = a->content_type.len ? a->content_type : STR("application/json");
    bool bodiless = a->status == 204 || a->status == 304;
    size_t cap = head_bytes(a, type);
    struct text t = { arena_make(c->mem, char, cap), 0, cap };
    c->out_close = a->close || !c->keep || c->stream;
    put(&t, STR("HTTP/1.1 "));
    put_number(&t, (uint64_t)a->status, 3);
    put(&t, STR(" "));
    put(&t, str_of(reason_of(a->status)));
    put(&t, STR("\r\n"));
    put(&t, date_line());
    if (!bodiless) {
        put_type(&t, a, type);
        /* A stream ends with its connection. */
        if (!c->stream) {
            put(&t, STR("Content-Length: "));
            put_number(&t, a->body.len, 1);
            put(&t, STR("\r\n"));
        }
    }
    put(&t, STR("X-Content-Type-Options: nosniff\r\n"));
    put(&t, c->out_close ? STR("Connection: close\r\n") : STR("Connection: keep-alive\r\n"));
    for (size_t i = 0; i < a->header_count; i++) {
        put(&t, a->headers[i].name);
        put(&t, STR(": "));
        put_value(&t, a->headers[i].value);
        put(&t, STR("\r\n"));
    }
    put(&t, STR("\r\n"));
    c->out_head = (str){ t.ptr, t.len };
    c->out_body = bodiless || c->head_only ? STR_NONE : a->body;
}

/* ---- the way back ---- */

/* The server has gone; whoever answers the last request turns off the light. Called with the lock
 * held, gives it back. */
static void orphan_end(struct http_server *s, struct conn *c)
{
    assert(s->orphans);
    bool last = --s->orphans == 0 && s->abandoned;
    pthread_mutex_unlock(&s->reply_lock);
    conn_free_buffers(c);
    free(c);
    if (last)
        server_free(s);
}

void http_reply_prepare(struct http_request *r, const struct http_response *a)
{
    struct conn *c = (struct conn *)r;
    assert(!c->answered);
    reply_prepare(c, a);
}

void http_reply_send(struct http_request *r) { reply_send((struct conn *)r); }

void http_reply(struct http_request *r, const struct http_response *a)
{
    http_reply_prepare(r, a);
    http_reply_send(r);
}

void reply_send(struct conn *c)
{
    struct http_server *s = c->server;
    c->answered = true;
    if (server_of_this_loop == s && s->handling == c) {
        s->handling = NULL;
        return;
    }
    pthread_mutex_lock(&s->reply_lock);
    if (s->closed) {
        orphan_end(s, c);
        return;
    }
    bool first = !s->replies;
    c->queue_next = NULL;
    *s->replies_last = c;
    s->replies_last = &c->queue_next;
    /* Inside the lock: afterwards a stopping server may have closed the descriptor. */
    if (first)
        server_wake(s);
    pthread_mutex_unlock(&s->reply_lock);
}
