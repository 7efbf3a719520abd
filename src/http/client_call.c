/*
 * One call as curl sees it: options, what arrives, what is known when nothing does.
 */
#include "http/client_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/parse.h"

#define CALL_HARD_BYTES ((size_t)64 << 20)
#define BODY_MAX_DEFAULT ((size_t)8 << 20)

/* Memory for what is sent: the caller's body, and room for headers on both sides. */
struct flight *flight_new(const struct http_call *call)
{
    struct flight *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->mem = arena_new(CALL_HARD_BYTES + call->body.len, CALL_HARD_BYTES + call->body.len);
    f->call = *call;
    f->call.url = arena_copy(f->mem, call->url);
    struct http_header *headers = arena_make(f->mem, struct http_header, call->header_count + 1);
    for (size_t i = 0; i < call->header_count; i++) {
        headers[i].name = arena_copy(f->mem, call->headers[i].name);
        headers[i].value = arena_copy(f->mem, call->headers[i].value);
    }
    f->call.headers = headers;
    if (call->body.ptr)
        f->call.body = arena_copy(f->mem, call->body);
    if (f->call.timeout_ms <= 0)
        f->call.timeout_ms = CALL_MS_DEFAULT;
    if (!f->call.body_max)
        f->call.body_max = BODY_MAX_DEFAULT;
    f->began_ms = clock_mono_ms();
    f->end_ms = f->began_ms + f->call.timeout_ms;
    return f;
}

void flight_free(struct flight *f)
{
    assert(!f->easy);
    curl_slist_free_all(f->send_headers);
    free(f->body);
    arena_free(f->mem);
    free(f);
}

/* ---- what curl calls ---- */

static bool repeatable(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS;
}

/* Called when a connection stands and the request is about to be written, also when curl sends it a
 * second time by itself: it does that when a reused connection dies without an answer. Whether the
 * first one took effect nobody knows then, so for calls that change something the second one is
 * stopped here (CURLOPT_FORBID_REUSE or a fresh connection each would cost a TLS handshake a call).
 */
static int before_request(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct flight *f = ctx;
    f->twice = f->begun && !repeatable(f->call.method);
    f->begun = true;
    return f->twice ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t take_body(char *bytes, size_t one, size_t n, void *ctx)
{
    struct flight *f = ctx;
    f->body_began = true;
    size_t room = f->call.body_max - f->body_len;
    size_t part = n < room ? n : room;
    if (f->body_len + part > f->body_cap) {
        size_t cap = f->body_cap * 2 < 4096 ? 4096 : f->body_cap * 2;
        f->body_cap = cap < f->body_len + part ? f->body_len + part : cap;
        f->body = realloc(f->body, f->body_cap);
        if (!f->body)
            abort();
    }
    memcpy(f->body + f->body_len, bytes, part);
    f->body_len += part;
    f->cut = part < n;
    return f->cut ? CURL_WRITEFUNC_ERROR : n;
}

static size_t take_header(char *bytes, size_t one, size_t n, void *ctx)
{
    struct flight *f = ctx;
    str line = str_trim((str){ bytes, n });
    /* A new status line: what came before was a 100, or a proxy's. */
    if (str_starts(line, STR("HTTP/"))) {
        f->header_count = 0;
        return n;
    }
    if (f->body_began || !line.len)
        return n;
    f->header_bytes += n;
    if (f->header_count == ANSWER_HEADERS_MAX || f->header_bytes > ANSWER_HEADER_BYTES_MAX)
        return 0;
    str value;
    str name = str_trim(str_cut(line, ':', &value));
    f->headers[f->header_count++] =
        (struct http_header){ arena_copy(f->mem, name), arena_copy(f->mem, str_trim(value)) };
    return n;
}

/* ---- options ---- */

static bool has_control(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool is_https(const struct flight *f) { return str_starts(f->call.url, STR("https://")); }

static const char *why_unfit(const struct flight *f)
{
    if (!is_https(f) && !str_starts(f->call.url, STR("http://")))
        return "the address must begin with https:// or http://";
    if (has_control(f->call.url))
        return "the address holds a blank or a control character";
    if (f->call.method == HTTP_OTHER)
        return "this method cannot be sent";
    for (size_t i = 0; i < f->call.header_count; i++)
        if (!http_token_valid(f->call.headers[i].name) ||
            !http_value_valid(f->call.headers[i].value))
            return "a header to be sent holds a character that must not stand there";
    return NULL;
}

static bool add_header(struct flight *f, const char *line)
{
    struct curl_slist *longer = curl_slist_append(f->send_headers, line);
    if (longer)
        f->send_headers = longer;
    return longer != NULL;
}

static bool set_headers(struct flight *f)
{
    curl_slist_free_all(f->send_headers);
    f->send_headers = NULL;
    /* Off: curl would hold a large body back for a second, and send it twice after a 417. */
    bool ok = add_header(f, "Expect:");
    /* Also off unless the caller gave one: curl would call every body a form. */
    bool typed = false;
    for (size_t i = 0; i < f->call.header_count; i++)
        typed |= str_eq_nocase(f->call.headers[i].name, STR("content-type"));
    ok = ok && (typed || add_header(f, "Content-Type:"));
    for (size_t i = 0; i < f->call.header_count; i++) {
        const struct http_header *h = &f->call.headers[i];
        /* curl's way to say: present but empty. */
        str line = h->value.len ? arena_print(f->mem, PRI_STR ": " PRI_STR, FMT_STR(h->name),
                                              FMT_STR(h->value))
                                : arena_print(f->mem, PRI_STR ";", FMT_STR(h->name));
        ok = ok && add_header(f, line.ptr);
    }
    return ok && !curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->send_headers);
}

static const char *method_name(enum http_method m)
{
    switch (m) {
    case HTTP_GET:     return "GET";
    case HTTP_HEAD:    return "HEAD";
    case HTTP_POST:    return "POST";
    case HTTP_PUT:     return "PUT";
    case HTTP_PATCH:   return "PATCH";
    case HTTP_DELETE:  return "DELETE";
    case HTTP_OPTIONS: return "OPTIONS";
    case HTTP_OTHER:   break;
    }
    return "GET";
}

static bool set_method(struct flight *f)
{
    bool ok = true;
    bool wants_body =
        f->call.method == HTTP_POST || f->call.method == HTTP_PUT || f->call.method == HTTP_PATCH;
    if (f->call.method == HTTP_HEAD)
        return !curl_easy_setopt(f->easy, CURLOPT_NOBODY, 1L);
    if (f->call.body.ptr || wants_body) {
        ok =
            !curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->call.body.len) &&
            !curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS,
                              f->call.body.ptr ? f->call.body.ptr : "");
    }
    return ok && !curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, method_name(f->call.method));
}

#define SET(option, value) (!curl_easy_setopt(f->easy, (option), (value)))

static bool set_trust(const struct http_client *c, struct flight *f)
{
    /* Said although it is the default: there is no way to reach a call without it. CURLOPT_CAPATH
     * stays the system's. */
    return SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (!c->ca_file[0] || SET(CURLOPT_CAINFO, c->ca_file));
}

/* The address is looked at when a socket is opened: a kept connection or a proxy would hide it. */
static bool set_where(struct flight *f)
{
    bool ok = SET(CURLOPT_OPENSOCKETFUNCTION, socket_open) && SET(CURLOPT_OPENSOCKETDATA, f);
    if (f->call.public_only)
        ok = ok && SET(CURLOPT_PROXY, "") && SET(CURLOPT_FRESH_CONNECT, 1L) &&
             SET(CURLOPT_FORBID_REUSE, 1L);
    return ok;
}

static bool set_limits(struct flight *f, int64_t now_ms)
{
    int64_t left = f->end_ms - now_ms;
    left = left < 1 ? 1 : left;
    return SET(CURLOPT_TIMEOUT_MS, (long)left) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(left < CONNECT_MS_MAX ? left : CONNECT_MS_MAX)) &&
           SET(CURLOPT_LOW_SPEED_LIMIT, 1L) && SET(CURLOPT_LOW_SPEED_TIME, 60L) &&
           SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
}

bool flight_prepare(struct http_client *c, struct flight *f, int64_t now_ms)
{
    f->unfit = why_unfit(f);
    if (f->unfit)
        return false;
    f->header_count = f->header_bytes = f->body_len = 0;
    f->begun = f->twice = f->body_began = f->cut = f->private_target = false;
    bool ok = SET(CURLOPT_NOSIGNAL, 1L) &&
              SET(CURLOPT_PROTOCOLS_STR, is_https(f) ? "https" : "http") &&
              SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
              SET(CURLOPT_PATH_AS_IS, 1L) && SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
              SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) &&
              SET(CURLOPT_PIPEWAIT, is_https(f) ? 1L : 0L) && SET(CURLOPT_ERRORBUFFER, f->why) &&
              SET(CURLOPT_PRIVATE, f) && SET(CURLOPT_PREREQFUNCTION, before_request) &&
              SET(CURLOPT_PREREQDATA, f) && SET(CURLOPT_WRITEFUNCTION, take_body) &&
              SET(CURLOPT_WRITEDATA, f) && SET(CURLOPT_HEADERFUNCTION, take_header) &&
              SET(CURLOPT_HEADERDATA, f) && SET(CURLOPT_HTTP09_ALLOWED, 0L) &&
              SET(CURLOPT_SHARE, c->share) && SET(CURLOPT_USERAGENT, c->user_agent) &&
              SET(CURLOPT_URL, f->call.url.ptr) && set_limits(f, now_ms) && set_where(f) &&
              set_trust(c, f) && set_method(f) && set_headers(f);
    if (!ok)
        f->unfit = "the HTTP library refused an option of this call";
    return ok;
}

/* ---- afterwards ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
    char *x = NULL;
    char *y = NULL;
    bool same = !curl_url_get(a, part, &x, flags) && !curl_url_get(b, part, &y, flags) &&
                str_eq_nocase(str_of(x), str_of(y));
    curl_free(x);
    curl_free(y);
    return same;
}

static bool same_origin(const char *here, const char *there)
{
    CURLU *a = curl_url();
    CURLU *b = curl_url();
    bool same = a && b && !curl_url_set(a, CURLUPART_URL, here, 0) &&
                !curl_url_set(b, CURLUPART_URL, there, 0) && same_part(a, b, CURLUPART_SCHEME, 0) &&
                same_part(a, b, CURLUPART_HOST, 0) &&
                same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

/* RFC 9110 §15.4, the careful reading: a call that changes something is repeated only where the
 * method must be kept. */
static bool may_follow(struct flight *f, long status)
{
    if (!f->call.follow || f->redirects == REDIRECTS_MAX)
        return false;
    if (status == 307 || status == 308)
        return true;
    if (status == 303 && !repeatable(f->call.method)) {
        f->call.method = HTTP_GET;
        f->call.body = STR_NONE;
        return true;
    }
    return (status == 301 || status == 302 || status == 303) && repeatable(f->call.method);
}

bool flight_redirected(struct flight *f)
{
    long status = 0;
    char *there = NULL;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &there);
    if (!there || status < 300 || status > 399 || !same_origin(f->call.url.ptr, there) ||
        !may_follow(f, status))
        return false;
    f->call.url = arena_copy(f->mem, str_of(there));
    f->redirects++;
    return true;
}

static void say_why(struct flight *f, CURLcode rc, struct http_answer *out)
{
    const char *why = f->unfit ? f->unfit : f->why[0] ? f->why : curl_easy_strerror(rc);
    if (f->private_target)
        why = "the address is not a public one";
    if (f->twice)
        why = "the connection died before an answer came; not sent again: it may have taken effect";
    snprintf(out->why, sizeof out->why, "%.199s", why);
}

void flight_answer(struct flight *f, CURLcode rc, int64_t now_ms, struct http_answer *out)
{
    long status = 0;
    if (f->easy)
        curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    *out = (struct http_answer){ .outcome = HTTP_NOT_SENT, .took_ms = now_ms - f->began_ms };
    if ((rc == CURLE_OK || f->cut) && status >= 200 && !f->unfit) {
        out->outcome = HTTP_ANSWERED;
        out->status = (int)status;
        out->body = (str){ f->body, f->body_len };
        out->cut = f->cut;
        out->headers = f->headers;
        out->header_count = f->header_count;
        return;
    }
    /* Sound, not sharp: once the request was about to be written, something may have left. */
    if (f->begun || f->redirects)
        out->outcome = HTTP_UNKNOWN;
    say_why(f, rc, out);
}

str http_answer_header(const struct http_answer *a, str name)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (str_eq_nocase(a->headers[i].name, name))
            return a->headers[i].value;
    return STR_NONE;
}
