/*
 * The one gate: every request goes through here, in this order: trace id → route → media type →
 * caller → rights → body → handler → envelope → log line. A handler therefore contains only its own
 * work.
 */
#include "api/call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"

enum {
    BODY_MS = 30000,
    BODY_UPLOAD_MS = 60000,
    BODY_UPLOAD_DEFAULT = 32 << 20,
    BODY_UPLOAD_LEAST = 8 << 20,
    DATA_BYTES_MAX = 64 << 20
};

/* --- matching --- */

/* parts: undecoded. Most templates differ from the path in some letter: found without a call. */
bool path_matches(const char *template, str path, str parts[PATH_PARTS_MAX])
{
    size_t n = 0, at = 0;
    for (const char *want = template; *want;) {
        if (*want != '{') {
            if (at == path.len || path.ptr[at++] != *want++)
                return false;
            continue;
        }
        want = strchr(want, '}') + 1;
        bool rest = want[-2] == '*';
        size_t end = rest ? path.len : str_find(path, '/', at);
        if (end == at)
            return false;
        parts[n++] = str_sub(path, at, end);
        at = end;
    }
    return at == path.len;
}

static enum http_method method_of(const struct http_request *r)
{
    return r->method == HTTP_HEAD ? HTTP_GET : r->method;
}

/* *allowed: bits of the methods that the path knows, when none matches. */
static const struct route *route_of(const struct http_request *r, str parts[PATH_PARTS_MAX],
                                    unsigned *allowed)
{
    *allowed = 0;
    for (size_t i = 0; i < route_count; i++) {
        memset(parts, 0, PATH_PARTS_MAX * sizeof *parts);       /* of routes that matched half */
        if (!path_matches(routes[i].path, r->path, parts))
            continue;
        if (routes[i].method == method_of(r))
            return &routes[i];
        *allowed |= 1u << routes[i].method;
    }
    memset(parts, 0, PATH_PARTS_MAX * sizeof *parts);
    if (*allowed || !(page_known(r->path) || page_for_unknown(r)))
        return NULL;
    (void)path_matches(page_route.path, r->path, parts);
    *allowed = 1u << HTTP_GET | 1u << HTTP_HEAD;
    return method_of(r) == HTTP_GET ? &page_route : NULL;
}

static void classify(void *app, const struct http_request *r, struct http_class *out)
{
    struct api *a = app;
    str parts[PATH_PARTS_MAX];
    unsigned allowed;
    const struct route *route = route_of(r, parts, &allowed);
    size_t max = route && route->body_max ? route->body_max : BODY_DEFAULT;
    bool upload = max == BODY_UPLOAD;
    out->body_max = upload ? a->config.upload_bytes_max : max;
    out->body_ms = upload || max == BODY_WEBHOOK ? BODY_UPLOAD_MS : BODY_MS;
    out->on_loop = route == &page_route ? page_on_loop(r)
                                        : route && route->on_loop && route->on_loop(a, r);
    out->user = (void *)(uintptr_t)route;
}

/* --- the steps --- */

static bool trace_sane(str s)
{
    if (!s.len || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static str trace_of(struct arena *mem, const struct http_request *r, int64_t now_ms)
{
    str given = r ? http_header_get(r, STR("X-Request-Id")) : STR_NONE;
    return trace_sane(given) ? given : id_new(mem, "req_", now_ms);
}

static const char *const method_names[] = {"GET",   "HEAD",   "POST",    "PUT",
                                           "PATCH", "DELETE", "OPTIONS", "?"};

static bool no_route(struct call *c, unsigned allowed)
{
    if (!allowed)
        return fail(&c->err, ERR_NOT_FOUND,
                    "there is nothing at this path: docs/openapi.yaml lists what there is");
    struct buf b;
    buf_init(&b, c->mem, 100);
    for (unsigned m = 0; m < HTTP_OTHER; m++)
        if (allowed & (1u << m))
            buf_print(&b, "%s%s", b.len ? ", " : "", method_names[m]);
    call_header(c, STR("Allow"), buf_str(&b));
    return fail(&c->err, ERR_METHOD, "this path does not know the method: it takes " PRI_STR,
                FMT_STR(buf_str(&b)));
}

static bool decode_parts(struct call *c)
{
    for (size_t i = 0; i < PATH_PARTS_MAX && c->path[i].ptr; i++)
        if (!http_decode(c->mem, c->path[i], false, &c->path[i]))
            return fail(&c->err, ERR_INVALID,
                        "the path has a broken percent escape or is not UTF-8");
        else if (!text_clean(c, "the path", c->path[i]))
            return false;
    return true;
}

static bool media_is_json(str type)
{
    str rest, name = str_trim(str_cut(type, ';', &rest));
    return !name.len || str_eq_nocase(name, STR("application/json")) ||
           (str_starts(name, STR("application/")) && str_ends(name, STR("+json")));
}

static bool check_media(struct call *c)
{
    str coding = http_header_get(c->request, STR("Content-Encoding"));
    if (!media_is_json(http_header_get(c->request, STR("Content-Type"))))
        return fail(&c->err, ERR_MEDIA,
                    "the body must be application/json: say so in Content-Type");
    return !coding.len || str_eq_nocase(coding, STR("identity")) ||
           fail(&c->err, ERR_MEDIA,
                "the body must come as it is: send it without Content-Encoding");
}

static bool read_body(struct call *c)
{
    if (!c->route->json)
        return true;
    if (!c->request->body.len)
        return fail(&c->err, ERR_INVALID, "the request has no body: send a JSON object");
    if (!json_parse(c->mem, c->request->body, 0, &c->body, &c->err)) {
        /* too deep is a wrong document, not one that is too large */
        if (c->err.code == ERR_LIMIT)
            c->err.code = ERR_INVALID;
        return fail_ctx(&c->err, "the body is not JSON that can be read");
    }
    if (json_kind(c->body) != JSON_OBJECT)
        return fail(&c->err, ERR_INVALID, "the body must be a JSON object");
    return true;
}

static bool check_rights(struct call *c)
{
    static const char *const needs[] = {"", "a session or a token", "a session or a token",
                                        "an API token", "an admin's API token"};
    if (c->route->needs == RIGHT_NOTHING)
        return true;
    if (!authenticate(c))
        return false;
    if (c->who.kind == CALLER_PERSON && c->route->needs == RIGHT_SESSION &&
        c->who.right < (c->route->people ? RIGHT_OPERATE : RIGHT_ADMIN))
        return fail(&c->err, ERR_DENIED,
                    c->route->people ? "your account reads only: somebody with write access may do "
                                       "this"
                                     : "this is what workflows call");
    if (c->who.right < c->route->needs && c->who.kind == CALLER_PERSON)
        return fail(&c->err, ERR_DENIED, "%s",
                    c->route->needs == RIGHT_ADMIN
                        ? "this needs an owner or an admin of the workspace"
                        : "your account reads only: somebody with write access may do this");
    if (c->who.right < c->route->needs)
        return fail(&c->err, ERR_DENIED, "this needs %s, and the one you sent may not do it",
                    needs[c->route->needs]);
    return true;
}

static enum outcome run(struct call *c)
{
    unsigned allowed;
    c->route = c->request->user;            /* what classify found */
    if (c->route)
        (void)path_matches(c->route->path, c->request->path, c->path);
    else
        c->route = route_of(c->request, c->path, &allowed);
    if (!c->route)
        return no_route(c, allowed) ? ANSWERED : FAILED;
    if (c->route->json && !check_media(c))
        return FAILED;
    if (!decode_parts(c) || !check_rights(c) || !read_body(c))
        return FAILED;
    enum outcome o = c->route->run(c);
    if (o == ANSWERED && (arena_over(c->mem) || !buf_ok(&c->buf))) {
        (void)fail(
            &c->err, ERR_LIMIT,
            "this needs more memory than one request may have: send or ask for less at once");
        return FAILED;
    }
    return o;
}

static void handle(void *app, struct http_request *r)
{
    struct call *c = arena_make(r->mem, struct call, 1);
    c->api = app;
    c->request = r;
    c->mem = r->mem;
    c->now_ms = engine_now_ms(c->api->config.engine);
    c->trace = trace_of(c->mem, r, c->now_ms);
    c->status = 200;
    buf_init(&c->buf, c->mem, DATA_BYTES_MAX);
    json_out_init(&c->data, &c->buf);
    enum outcome o = run(c);
    if (o != LATER)
        call_answer(c, o == ANSWERED);
}

/* --- the answer --- */

void call_header(struct call *c, str name, str value)
{
    if (c->header_count < sizeof c->headers / sizeof c->headers[0])
        c->headers[c->header_count++] = (struct http_header){ name, value };
}

static void put_error(struct json_out *w, const struct err *e, str context)
{
    bool ours = e->code == ERR_INTERNAL;
    json_field_bool(w, STR("success"), false);
    json_field_str(w, STR("errorTag"), str_of(err_tag(e->code)));
    json_field_str(w, STR("errorMessage"),
                   ours ? STR("something went wrong on our side: ask the operator to look for the "
                              "trace id in the log")
                        : str_of(e->text));
    if (context.len)
        json_field_raw(w, STR("context"), context);
    json_key(w, STR("data"));
    if (!e->details || ours) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    json_key(w, STR("validationErrors"));
    json_begin_array(w);
    for (unsigned i = 0; i < e->details; i++)
        json_put_str(w, str_of(e->detail[i]));
    json_end_array(w);
    json_end_object(w);
}

/* §3: the same fields whatever happened. */
static str envelope(struct arena *mem, str trace, int status, const struct err *e, str data,
                    str top, str context)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)DATA_BYTES_MAX * 2);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("request"), trace);
    json_field_i64(&w, STR("status"), status);
    if (e) {
        put_error(&w, e, context);
    } else {
        json_field_bool(&w, STR("success"), true);
        if (data.len)
            json_field_raw(&w, STR("data"), data);
    }
    json_field_str(&w, STR("traceId"), trace);
    json_end_object(&w);
    if (top.len && !e) {        /* fields beside data, made by us: before the last brace */
        b.len--;
        buf_char(&b, ',');
        buf_add(&b, top);
        buf_char(&b, '}');
    }
    return buf_str(&b);
}

str call_peer(const struct call *c)
{
    const struct proxies *p = &c->api->config.proxies;
    const struct http_request *r = c->request;
    if (!p->count && !p->on_socket)
        return r->peer;
    return forwarded_client(c->mem, p, r->peer, r->headers, r->header_count);
}

static void log_call(struct call *c, int status, const struct err *e, int64_t took_us)
{
    const struct http_request *r = c->request;
    enum log_level level = status >= 500 ? LOG_ERROR : LOG_INFO;
    str path = c->route ? str_of(c->route->path) : str_sub(r->path, 0, 200);
    size_t slot =
        c->route && c->route != &page_route ? (size_t)(c->route - routes) : ROUTES_MAX;
    atomic_fetch_add_explicit(&c->api->counts[slot].by_class[status / 100 < 6 ? status / 100 : 5],
                              1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->api->counts[slot].micros, (uint64_t)(took_us > 0 ? took_us : 0),
                              memory_order_relaxed);
    if (e)
        log_at(level, "request", LS("method", r->method_text), LS("path", path),
               LI("status", status), LI("us", took_us), LI("bytes", r->body.len),
               LS("who", c->who.name), LS("peer", call_peer(c)), LS("trace", c->trace),
               LZ("error", err_tag(e->code)), LZ("why", e->text), LZ("where", e->where),
               LS("note", c->note));
    else
        log_at(level, "request", LS("method", r->method_text), LS("path", path),
               LI("status", status), LI("us", took_us), LI("bytes", r->body.len),
               LS("who", c->who.name), LS("peer", call_peer(c)), LS("trace", c->trace),
               LS("note", c->note));
}

static void prepare(struct call *c, const struct err *e)
{
    struct http_response a = { .status = e ? err_http(e->code) : c->status };
    size_t own_headers = c->header_count;
    if (e && (e->code == ERR_TOKEN || e->code == ERR_TOKEN_EXPIRED))
        call_header(c, STR("WWW-Authenticate"), STR("Bearer"));
    if (e && err_retry(e->code) && a.status == 503)
        call_header(c, STR("Retry-After"), STR("1"));
    call_header(c, STR("X-Request-Id"), c->trace);
    if (!e && c->raw.ptr) {
        a.body = c->raw;
        a.content_type = c->raw_type;
    } else {
        a.body = envelope(c->mem, c->trace, a.status, e, buf_str(&c->buf), c->top, c->context);
    }
    a.headers = c->headers;
    a.header_count = c->header_count;
    http_reply_prepare(c->request, &a);
    c->header_count = own_headers;
    c->prepared = a.status;
}

void call_prepare(struct call *c) { prepare(c, NULL); }

void call_answer(struct call *c, bool ok)
{
    const struct err *e = ok ? NULL : &c->err;
    if (e || !c->prepared)
        prepare(c, e);
    log_call(c, c->prepared, e, clock_mono_us() - c->request->began_mono_us);
    http_reply_send(c->request);
}

struct http_stream *call_stream(struct call *c, str type)
{
    call_header(c, STR("X-Request-Id"), c->trace);
    call_header(c, STR("Cache-Control"), STR("no-store"));
    /* A proxy that gathers what it passes on would hold back what happens now. */
    call_header(c, STR("X-Accel-Buffering"), STR("no"));
    struct http_response a = { .status = 200, .content_type = type, .headers = c->headers,
                               .header_count = c->header_count };
    log_call(c, a.status, NULL, clock_mono_us() - c->request->began_mono_us);
    return http_stream_begin(c->request, &a);
}

/* What is not even a request gets the envelope too (§3 no. 5). */
static enum err_code code_of_status(int status)
{
    switch (status) {
    case 404: return ERR_NOT_FOUND;
    case 405: return ERR_METHOD;
    case 408: return ERR_TIMEOUT;
    case 413: return ERR_LIMIT;
    case 415: return ERR_MEDIA;
    case 414: case 431: return ERR_HEADERS;
    case 503: return ERR_BUSY;
    default: return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
    }
}

static void refuse(void *app, struct arena *mem, int status, const char *why,
                   struct http_response *out)
{
    struct api *a = app;
    struct err e = { 0 };
    str trace = trace_of(mem, NULL, engine_now_ms(a->config.engine));
    (void)fail(&e, code_of_status(status), "%s", why);
    out->status = status;
    out->body = envelope(mem, trace, status, &e, STR_NONE, STR_NONE, STR_NONE);
    int class = status / 100;
    atomic_fetch_add_explicit(&a->counts[ROUTES_MAX].by_class[class > 0 && class < 6 ? class : 5],
                              1, memory_order_relaxed);
    log_info("request refused", LI("status", status), LZ("why", why), LS("trace", trace));
}

/* --- life --- */

bool api_new(const struct api_config *config, struct api **out, struct err *e)
{
    struct api *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    if (config->session_key == NULL) {
        free(a);
        return fail(e, ERR_INVALID, "the API needs a key to sign sessions with");
    }
    a->mem = arena_new((size_t)1 << 20, (size_t)16 << 20);
    a->config = *config;
    struct api_config *c = &a->config;
    c->default_workspace = arena_copy(a->mem, config->default_workspace);
    c->public_url = arena_copy(a->mem, config->public_url);
    c->app_name = arena_copy(a->mem, config->app_name.len ? config->app_name : STR("signalbox"));
    c->forge_web = arena_copy(a->mem, config->forge_web.len ? config->forge_web : STR("https://github.com"));
    c->setup_code = arena_copy(a->mem, config->setup_code);
    c->github_client_id = arena_copy(a->mem, config->github_client_id);
    c->github_client_secret = arena_copy(a->mem, config->github_client_secret);
    c->github_private_key = arena_copy(a->mem, config->github_private_key);
    c->version = arena_copy(a->mem, config->version);
    c->app_slug = arena_copy(a->mem, config->app_slug);
    if (!c->upload_bytes_max)
        c->upload_bytes_max = BODY_UPLOAD_DEFAULT;
    if (c->upload_bytes_max < BODY_UPLOAD_LEAST)
        c->upload_bytes_max = BODY_UPLOAD_LEAST;
    if (!c->session_ms)
        c->session_ms = 3600 * 1000;
    if (!c->outcome_ms)
        c->outcome_ms = 10 * 1000;
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->password_lock, NULL);
    pthread_cond_init(&a->password_free, NULL);
    if (config->people_key)
        memcpy(a->people_key, config->people_key, sizeof a->people_key);
    else
        random_bytes(a->people_key, sizeof a->people_key);
    atomic_init(&a->app_ready, config->app_ready);
    random_bytes(a->state_key, sizeof a->state_key);
    a->pages = pages_new();
    a->live = live_new(a);
    api_set_webhook_secrets(a, config->webhook_secrets, config->webhook_secret_count);
    *out = a;
    return true;
}

void api_set_github_app(struct api *a, str client_id, str client_secret, str private_key)
{
    pthread_mutex_lock(&a->lock);
    a->config.github_client_id = arena_copy(a->mem, client_id);
    a->config.github_client_secret = arena_copy(a->mem, client_secret);
    a->config.github_private_key = arena_copy(a->mem, private_key);
    pthread_mutex_unlock(&a->lock);
}

void api_set_webhook_secrets(struct api *a, const str *secrets, size_t count)
{
    struct secrets *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    for (size_t i = 0; i < count && s->count < SECRETS_MAX; i++)
        if (secrets[i].len) {
            char *copy = malloc(secrets[i].len);
            if (!copy)
                abort();
            memcpy(copy, secrets[i].ptr, secrets[i].len);
            s->at[s->count++] = (str){ copy, secrets[i].len };
        }
    pthread_mutex_lock(&a->lock);
    s->next = atomic_load(&a->secrets);
    atomic_store(&a->secrets, s);
    pthread_mutex_unlock(&a->lock);
}

void api_say_bye(struct api *a)
{
    if (a)
        live_say_bye(a->live);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    for (struct secrets *s = atomic_load(&a->secrets), *next; s; s = next) {
        next = s->next;
        for (size_t i = 0; i < s->count; i++) {
            secret_wipe((void *)(uintptr_t)s->at[i].ptr, s->at[i].len);
            free((void *)(uintptr_t)s->at[i].ptr);
        }
        free(s);
    }
    secret_wipe(a->token, sizeof a->token);
    live_free(a->live);
    pages_free(a->pages);
    secret_wipe(a->people_key, sizeof a->people_key);
    pthread_cond_destroy(&a->password_free);
    pthread_mutex_destroy(&a->password_lock);
    pthread_mutex_destroy(&a->lock);
    arena_free(a->mem);
    free(a);
}

void api_forget_cached(struct api *a)
{
    token_forget(a, STR_NONE);
    person_forget(a, STR_NONE);
    forget_lanes(a);
}

static void round_end(void *app)
{
    struct api *a = app;
    engine_submit_kept(a->config.engine);
}

struct http_hooks api_hooks(struct api *a)
{
    return (struct http_hooks){.app = a,
                               .classify = classify,
                               .handle = handle,
                               .refuse = refuse,
                               .round_end = round_end};
}

void api_set_public_url(struct api *a, str url) { a->config.public_url = arena_copy(a->mem, url); }

void api_attach(struct api *a, struct http_server *s)
{
    a->server = s;
}
