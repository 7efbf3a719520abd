/* The HTTP contract as one table (runner.md §3.1). */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/scope.h"
#include "runner/service.h"

enum { LOG_PART_BYTES_MAX = 1 << 20, HEADERS_MAX = 4 };

struct call {
    struct service      *service;
    struct http_request *request;
    str                  id;            /* of a run, where the path has one */
    struct http_response answer;
    struct http_header   headers[HEADERS_MAX];
};

enum right { RIGHT_NONE, RIGHT_BEARER, RIGHT_METRICS };
struct route {
    enum http_method method;
    const char      *path;              /* {id} stands for one run's */
    enum right       right;
    size_t           body_max;
    bool             on_loop;           /* answers whatever the workers wait for */
    bool           (*run)(struct call *c);      /* false: it is answered later */
};

static bool get_health(struct call *c);
static bool get_ready(struct call *c);
static bool post_dispatch(struct call *c);
static bool get_runs(struct call *c);
static bool get_run(struct call *c);
static bool get_log(struct call *c);
static bool post_cancel(struct call *c);
static bool get_metrics(struct call *c);

static const struct route routes[] = {
    { HTTP_GET, "/healthz", RIGHT_NONE, 0, true, get_health },
    { HTTP_GET, "/readyz", RIGHT_NONE, 0, false, get_ready },
    { HTTP_POST, "/dispatch", RIGHT_BEARER, DISPATCH_BODY_BYTES_MAX, false, post_dispatch },
    { HTTP_GET, "/runs", RIGHT_BEARER, 0, false, get_runs },
    { HTTP_GET, "/runs/{id}", RIGHT_BEARER, 0, false, get_run },
    { HTTP_GET, "/runs/{id}/logs", RIGHT_BEARER, 0, false, get_log },
    { HTTP_POST, "/runs/{id}/cancel", RIGHT_BEARER, 4096, false, post_cancel },
    { HTTP_GET, "/metrics", RIGHT_METRICS, 0, false, get_metrics },
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

/* ---- answers ---- */

static void header(struct call *c, const char *name, str value)
{
    assert(c->answer.header_count < HEADERS_MAX);
    c->headers[c->answer.header_count++] = (struct http_header){ str_of(name), value };
}

static bool answer(struct call *c, int status, str body)
{
    c->answer.status = status;
    c->answer.body = body;
    return true;
}

static str error_body(struct arena *mem, const char *error, const char *message)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("error"), str_of(error));
    if (message)
        json_field_str(&w, STR("message"), str_of(message));
    json_end_object(&w);
    return buf_str(&b);
}

static bool answer_error(struct call *c, int status, const char *error, const char *message)
{
    return answer(c, status, error_body(c->request->mem, error, message));
}

/* ---- health ---- */

static bool get_health(struct call *c)
{
    return answer(c, 200, STR("{\"status\":\"ok\"}"));
}

static bool get_ready(struct call *c)
{
    const char *why = service_unready(c->service);
    if (!why)
        return answer(c, 200, STR("{\"status\":\"ready\"}"));
    header(c, "Retry-After", STR("10"));
    return answer(c, 503, arena_print(c->request->mem,
                                      "{\"status\":\"not ready\",\"reasons\":[\"%s\"]}", why));
}

static bool get_metrics(struct call *c)
{
    pthread_mutex_lock(&c->service->lock);
    str text = metrics_view(c->service, c->request->mem);
    pthread_mutex_unlock(&c->service->lock);
    c->answer.content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    return answer(c, 200, text);
}

/* ---- dispatch ---- */

static bool is_json(str type)
{
    str rest;
    return str_eq_nocase(str_trim(str_cut(type, ';', &rest)), STR("application/json"));
}

static bool post_dispatch(struct call *c)
{
    struct arena *mem = c->request->mem;
    str coding = http_header_get(c->request, STR("Content-Encoding"));
    if (!is_json(http_header_get(c->request, STR("Content-Type"))) ||
        (coding.len && !str_eq_nocase(coding, STR("identity"))))
        return answer_error(c, 415, "unsupported_media_type",
                            "the body must be application/json, as it is");
    struct accept_answer a = service_accept(c->service, mem, c->request->body, clock_utc_ms());
    if (a.retry_after_s)
        header(c, "Retry-After", arena_print(mem, "%lld", (long long)a.retry_after_s));
    return answer(c, a.status, a.body);
}

/* ---- runs ---- */

static bool get_runs(struct call *c)
{
    pthread_mutex_lock(&c->service->lock);
    str text = runs_view(c->service, c->request->mem);
    pthread_mutex_unlock(&c->service->lock);
    return answer(c, 200, text);
}

static bool no_run(struct call *c)
{
    return answer_error(c, 404, "unknown_run", "no run with this id is known");
}

static bool get_run(struct call *c)
{
    str text = STR_NONE;
    pthread_mutex_lock(&c->service->lock);
    const struct run *r = queue_find(&c->service->queue, c->id);
    if (r)
        text = run_view(c->service, c->request->mem, r);
    pthread_mutex_unlock(&c->service->lock);
    return r ? answer(c, 200, text) : no_run(c);
}

static bool post_cancel(struct call *c)
{
    struct service *s = c->service;
    str text = STR_NONE;
    bool known = false, ended = false;
    pthread_mutex_lock(&s->lock);
    struct run *r = queue_find(&s->queue, c->id);
    if (r) {
        known = true;
        ended = r->stage == RUN_ENDED || r->stage == RUN_CLOSED;
        if (r->stage == RUN_QUEUED || r->stage == RUN_STARTED)
            r->cancel = true;
        text = run_view(s, c->request->mem, r);
    }
    pthread_mutex_unlock(&s->lock);
    if (!known)
        return no_run(c);
    if (ended)
        return answer_error(c, 409, "conflict", "the run has ended already");
    log_info("a run is to be cancelled", LS("run", c->id), LS("peer", c->request->peer));
    service_wake(s);
    return answer(c, 202, text);
}

/* ---- logs ---- */

/* Bytes from `from` on, at most one part; *size is what there is in all. */
static str log_part(struct service *s, struct arena *mem, str id, int64_t from, int64_t *size)
{
    struct stat st;
    SCOPED(fd) int fd =
        open(journal_log_path(&s->journal, mem, id).ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *size = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
    if (*size <= from)
        return STR("");
    size_t want = *size - from > LOG_PART_BYTES_MAX ? LOG_PART_BYTES_MAX : (size_t)(*size - from);
    char *bytes = arena_take(mem, want, 1);
    ssize_t n = pread(fd, bytes, want, from);
    return (str){ bytes, n > 0 ? (size_t)n : 0 };
}

/* No more will come. */
static bool log_is_over(struct service *s, str id, bool *known)
{
    pthread_mutex_lock(&s->lock);
    const struct run *r = queue_find(&s->queue, id);
    bool over = !r || r->stage == RUN_ENDED || r->stage == RUN_CLOSED;
    *known = r != NULL;
    pthread_mutex_unlock(&s->lock);
    return over;
}

static void log_answer(struct http_request *r, str part, int64_t from, bool over, int64_t size)
{
    int64_t next = from + (int64_t)part.len;
    struct http_header headers[] = {
        { STR("Log-Next"), arena_print(r->mem, "%lld", (long long)next) },
        { STR("Log-Complete"), over && next >= size ? STR("true") : STR("false") },
        { STR("Cache-Control"), STR("no-store") },
        { STR("X-Content-Type-Options"), STR("nosniff") },
    };
    http_reply(r, &(struct http_response){ .status = 200,
                                           .content_type = STR("text/plain; charset=utf-8"),
                                           .body = part,
                                           .headers = headers,
                                           .header_count = 4 });
}

static bool follow(struct service *s, struct http_request *r, str id, int64_t from)
{
    struct follower *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    *f = (struct follower){ .request = r, .from = from, .until_ms = clock_mono_ms() + FOLLOW_MS };
    memcpy(f->id, id.ptr, id.len);
    pthread_mutex_lock(&s->lock);
    bool room = s->follower_count < FOLLOWERS_MAX && !atomic_load(&s->draining);
    if (room) {
        f->next = s->followers;
        s->followers = f;
        s->follower_count++;
    }
    pthread_mutex_unlock(&s->lock);
    if (room)
        service_wake(s);
    else
        free(f);
    return room;
}

static bool get_log(struct call *c)
{
    struct service *s = c->service;
    struct http_request *r = c->request;
    str text, wait;
    int64_t from = 0, size;
    bool known;
    if (http_query_get(r, STR("after"), &text) && !str_to_i64(text, 0, INT64_MAX, &from))
        return answer_error(c, 400, "bad_request", "after must be a number of bytes");
    bool over = log_is_over(s, c->id, &known);
    if (!known)
        return no_run(c);
    bool wants_more = http_query_get(r, STR("follow"), &wait) && str_eq(wait, STR("1"));
    str part = log_part(s, r->mem, c->id, from, &size);
    if (wants_more && !part.len && !over && follow(s, r, c->id, from))
        return false;
    log_answer(r, part, from, over, size);
    return false;
}

/* True when it was answered. */
static bool follower_served(struct service *s, struct follower *f, bool now)
{
    int64_t size;
    bool known, over = log_is_over(s, str_of(f->id), &known);
    str part = log_part(s, f->request->mem, str_of(f->id), f->from, &size);
    if (!now && !part.len && !over && clock_mono_ms() < f->until_ms)
        return false;
    log_answer(f->request, part, f->from, over, size);
    return true;
}

void followers_tend(struct service *s, bool all)
{
    struct follower *first, *kept = NULL;
    size_t left = 0;
    pthread_mutex_lock(&s->lock);
    first = s->followers;
    s->followers = NULL;
    pthread_mutex_unlock(&s->lock);
    for (struct follower *f = first, *next; f; f = next) {
        next = f->next;
        if (follower_served(s, f, all)) {
            free(f);
            left++;
            continue;
        }
        f->next = kept;
        kept = f;
    }
    pthread_mutex_lock(&s->lock);
    s->follower_count -= left;
    while (kept) {
        struct follower *f = kept;
        kept = f->next;
        f->next = s->followers;
        s->followers = f;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- the gate ---- */

static bool path_matches(str path, const char *want, str *id)
{
    str w = str_of(want);
    size_t brace = str_find(w, '{', 0);
    *id = STR_NONE;
    if (brace == w.len)
        return str_eq(path, w);
    if (!str_starts(path, str_sub(w, 0, brace)))
        return false;
    str rest = str_sub(path, brace, path.len);
    size_t slash = str_find(rest, '/', 0);
    *id = str_sub(rest, 0, slash);
    return id->len && str_eq(str_sub(rest, slash, rest.len), str_sub(w, brace + 4, w.len));
}

static const struct route *route_of(const struct http_request *r, str *id, const char **allow)
{
    enum http_method method = r->method == HTTP_HEAD ? HTTP_GET : r->method;
    *allow = NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(r->path, routes[i].path, id))
            continue;
        if (routes[i].method == method)
            return &routes[i];
        *allow = routes[i].method == HTTP_GET ? "GET, HEAD" : "POST";
    }
    return NULL;
}

/* Who may not is told so before a byte of the body is read, and the same whatever was wrong. */
static void classify(void *app, const struct http_request *r, struct http_class *out)
{
    struct service *s = app;
    const char *allow;
    str id;
    const struct route *route = route_of(r, &id, &allow);
    out->body_ms = 10000;
    out->user = (void *)(uintptr_t)route;
    if (!route) {
        out->on_loop = true;
        out->body_max = 4096;
        return;
    }
    out->body_max = route->body_max;
    out->on_loop = route->on_loop;
    bool needs = route->right == RIGHT_BEARER ||
                 (route->right == RIGHT_METRICS && !s->settings.metrics_open.n);
    enum bearer_verdict v = needs ? bearer_check(&s->bearer, r, clock_mono_ms()) : BEARER_OK;
    if (v == BEARER_OK)
        return;
    COUNT_UP(s, unauthorized, 1);
    log_warn("a call without the right token", LS("peer", r->peer), LZ("path", route->path),
             LI("too_often", v == BEARER_TOO_OFTEN));
    out->refuse = v == BEARER_TOO_OFTEN ? 429 : 401;
    out->why = "unauthorized";
}

static void handle(void *app, struct http_request *r)
{
    struct call c = { .service = app, .request = r };
    const char *allow;
    const struct route *route = route_of(r, &c.id, &allow);
    c.answer.headers = c.headers;
    if (!route && allow) {
        header(&c, "Allow", str_of(allow));
        answer_error(&c, 405, "method_not_allowed", "this path takes another method");
    } else if (!route) {
        answer_error(&c, 404, "not_found", "there is nothing at this path");
    } else if (c.id.ptr && !run_id_valid(c.id)) {
        no_run(&c);
    } else if (!route->run(&c)) {
        return;
    }
    log_debug("request", LS("method", r->method_text), LS("path", r->path),
              LI("status", c.answer.status), LS("peer", r->peer));
    http_reply(r, &c.answer);
}

static void refuse(void *app, struct arena *mem, int status, const char *why,
                   struct http_response *out)
{
    static const struct http_header challenge = { STR_INIT("WWW-Authenticate"),
                                                  STR_INIT("Bearer") };
    static const struct http_header later = { STR_INIT("Retry-After"), STR_INIT("60") };
    out->status = status;
    if (status == 401) {
        out->headers = &challenge;
        out->header_count = 1;
        out->body = STR("{\"error\":\"unauthorized\"}");
    } else if (status == 429) {
        out->headers = &later;
        out->header_count = 1;
        out->body = STR("{\"error\":\"too_many_failures\"}");
    } else {
        out->body = error_body(mem, status == 413 ? "too_large" : "bad_request", why);
    }
}

struct http_hooks service_hooks(struct service *s)
{
    return (struct http_hooks){ .app = s, .classify = classify, .handle = handle,
                                .refuse = refuse };
}
