/*
 * The life of a job: request, answer, what the answer means in general, and on to the step that
 * knows what it means in particular.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/secret.h"
#include "forge/inside.h"

#define JOB_SOFT_BYTES ((size_t)64 << 20)
#define JOB_HARD_BYTES ((size_t)512 << 20)
#define RESULT_MAX_BYTES ((size_t)60 << 20)
enum { MESSAGE_MAX_BYTES = 2000 };

/* ---- begin and end ---- */

static str kept(struct arena *mem, str s) { return s.len ? arena_copy(mem, s) : STR(""); }

static void call_copy(struct arena *mem, const struct forge_call *from, struct forge_call *to)
{
    *to = *from;
    str *all[] = { &to->owner, &to->name, &to->file, &to->ref, &to->path, &to->etag, &to->text,
                   &to->marker, &to->body, &to->sha, &to->login, &to->review };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = kept(mem, *all[i]);
    struct forge_input *inputs = arena_make(mem, struct forge_input, from->input_count + 1);
    for (size_t i = 0; i < from->input_count; i++)
        inputs[i] = (struct forge_input){ kept(mem, from->inputs[i].name),
                                          kept(mem, from->inputs[i].value) };
    to->inputs = inputs;
}

struct job *job_new(struct github *g, const struct forge_call *c, void (*begin)(struct job *),
                    forge_done *done, void *ctx)
{
    struct arena *mem = arena_new(JOB_SOFT_BYTES, JOB_HARD_BYTES);
    struct job *j = arena_make(mem, struct job, 1);
    *j = (struct job){ .g = g, .mem = mem, .begin = begin, .done = done, .ctx = ctx,
                       .began_mono_ms = clock_mono_ms(), .auth = AUTH_INSTALLATION };
    call_copy(mem, c, &j->call);
    return j;
}

static void arrived(void *ctx, const struct http_answer *a)
{
    struct job *j = ctx;
    j->begin(j);
}

/* The client answers an address it cannot call at once, and on its own thread: exactly what is
 * needed to get there. */
bool client_post(struct github *g, void (*there)(void *, const struct http_answer *), void *ctx)
{
    pthread_mutex_t *held = lock_mutex(&g->identity);       /* by then the job may be gone */
    bool stopped = g->stopped;
    if (!stopped)
        http_call_start(g->client, &(struct http_call){ .method = HTTP_GET, .url = STR("none:"),
                                                        .done = there, .ctx = ctx });
    pthread_mutex_unlock(held);
    return !stopped;
}

void job_post(struct job *j)
{
    if (!client_post(j->g, arrived, j))
        job_fail(j, FORGE_NOT_SENT, 0, STR("not sent: the server is stopping"));
}

static void job_end(struct job *j, struct forge_answer *a)
{
    struct arena *mem = j->mem;
    struct github *g = j->g;
    struct party *p = j->turn ? job_party(j) : NULL;    /* else perhaps on another thread */
    a->message = str_clip(a->message.ptr ? a->message : STR(""), MESSAGE_MAX_BYTES);
    if (!a->result.len)
        a->result = STR("{}");
    a->quota = j->quota;
    if (!a->quota.resource.ptr)
        a->quota.resource = STR("");
    a->calls = j->calls;
    a->took_ms = clock_mono_ms() - j->began_mono_ms;
    j->done(j->ctx, a);
    if (p)
        pace_returns(j, p, false, false);
    arena_free(mem);
    if (p)
        line_drain(g, p);
}

void job_ok(struct job *j, str result)
{
    job_end(j, &(struct forge_answer){ .outcome = FORGE_OK, .status = 200, .result = result });
}

void job_fail(struct job *j, enum forge_outcome outcome, int64_t status, str message)
{
    job_end(j, &(struct forge_answer){ .outcome = outcome, .status = status, .message = message });
}

void job_limited(struct job *j, int64_t status, str message, int64_t wait_ms)
{
    struct github *g = j->g;
    job_end(j, &(struct forge_answer){ .outcome = FORGE_LIMITED, .status = status,
                                       .message = message,
                                       .not_before_ms = g->now_ms(g->now_self) + wait_ms });
}

static bool is_effect(const struct job *j) { return j->method != HTTP_GET; }

/* No answer, or none that says whether it happened: reading can be repeated, writing only after
 * somebody has looked. */
static void job_unknown(struct job *j, int64_t status, str message)
{
    job_fail(j, is_effect(j) ? FORGE_LOST : FORGE_NOT_SENT, status, message);
}

void job_garbage(struct job *j, int64_t status, const char *what)
{
    job_unknown(j, status,
                arena_print(j->mem, "GitHub's answer is not %s; a proxy in between?", what));
}

/* ---- sending ---- */

static void job_request(struct job *j, enum http_method method, str url, str body, job_take *take)
{
    j->method = method;
    j->url = str_starts(url, STR("/")) ? arena_print(j->mem, PRI_STR PRI_STR,
                                                     FMT_STR(j->g->api_base), FMT_STR(url))
                                       : arena_copy(j->mem, url);
    j->body = body;
    j->take = take;
    j->fresh_token = false;
    j->redirects = 0;
    if (!url.len || (j->auth == AUTH_INSTALLATION && !j->call.installation_id)) {
        job_fail(j, FORGE_REFUSED, 0, url.len ? STR("the repository has no installation of the App")
                                              : STR("a name in this call is too long"));
        return;
    }
    line_up(j);
}

void job_say(struct job *j, bool last_word, str url, str body, job_take *take)
{
    j->class = last_word ? CALL_LAST_WORD : CALL_CONTENT;
    job_request(j, HTTP_POST, url, body, take);
}

void job_send(struct job *j, enum http_method method, str url, str body, job_take *take)
{
    j->class = method == HTTP_GET ? CALL_READ : CALL_CHANGE;
    job_request(j, method, url, body, take);
}

/* At the last moment: whoever has been told to wait meanwhile does not call. */
void job_depart(struct job *j, struct party *p)
{
    int64_t now_ms = j->g->steady_ms(j->g->now_self);
    if (party_limited(p, now_ms)) {
        job_limited(j, 0, STR("not sent: GitHub has told us to wait"),
                    p->limited_until_ms - now_ms);
    } else {
        pace_leaves(j, p);
        auth_then_send(j);
    }
}

static bool header_value_ok(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] > '~')
            return false;
    return s.len > 0;
}

static void job_answered(void *ctx, const struct http_answer *a);

void job_send_now(struct job *j)
{
    struct http_header h[6];
    size_t n = 0;
    str token = STR_NONE, bearer = STR_NONE;
    struct err e = { .code = ERR_NONE };
    if (j->auth == AUTH_APP && !auth_app_token(j->g, &token, &e)) {
        job_fail(j, FORGE_NO_ACCESS, 0, arena_copy(j->mem, str_of(e.text)));
        return;
    }
    if (j->auth == AUTH_INSTALLATION) {
        const struct party *p = job_party(j);
        token = (str){ p->token, p->token_len };
    }
    if (token.len) {
        bearer = arena_print(j->mem, "Bearer " PRI_STR, FMT_STR(token));
        h[n++] = (struct http_header){ STR("Authorization"), bearer };
    }
    h[n++] = (struct http_header){
        STR("Accept"), STR("application/vnd.github+json, application/json;q=0.9") };
    h[n++] = (struct http_header){ STR("X-GitHub-Api-Version"), j->g->api_version };
    if (header_value_ok(j->etag))
        h[n++] = (struct http_header){ STR("If-None-Match"), j->etag };
    if (j->body.ptr)
        h[n++] = (struct http_header){ STR("Content-Type"), STR("application/json") };
    j->calls++;
    http_call_start(j->g->client, &(struct http_call){
        .method = j->method, .url = j->url, .headers = h, .header_count = n, .body = j->body,
        .timeout_ms = CALL_MS, .done = job_answered, .ctx = j });
    if (bearer.len)
        secret_wipe((char *)bearer.ptr, bearer.len);
}

/* ---- what an answer means in general ---- */

static void add_words(struct buf *b, str words)
{
    if (!words.len)
        return;
    if (b->len)
        buf_add(b, STR("; "));
    buf_add(b, words);
}

/* {message, errors: ["…"] or [{resource, field, code, message}]} (forges.md §2.1) */
static str message_of(struct arena *mem, struct json body, int status)
{
    struct buf b;
    struct json_iter it = json_iter(json_get(body, STR("errors")));
    struct json v;
    str key;
    buf_init(&b, mem, 64 << 10);
    add_words(&b, json_str(json_get(body, STR("message")), mem));
    while (json_next(&it, mem, &key, &v)) {
        str words = json_kind(v) == JSON_STRING ? json_str(v, mem)
                                                : json_str(json_get(v, STR("message")), mem);
        if (!words.len && json_kind(v) == JSON_OBJECT)
            words = arena_print(mem, PRI_STR " " PRI_STR ": " PRI_STR,
                                FMT_STR(json_str(json_get(v, STR("resource")), mem)),
                                FMT_STR(json_str(json_get(v, STR("field")), mem)),
                                FMT_STR(json_str(json_get(v, STR("code")), mem)));
        add_words(&b, words);
    }
    return b.len ? buf_str(&b) : arena_print(mem, "GitHub answered %d without saying why", status);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 307 || status == 308;
}

/* A renamed repository answers every method so, without any effect; the method is kept. */
static void job_follow(struct job *j, const struct http_answer *a)
{
    str there = http_answer_header(a, STR("location"));
    if (str_starts(there, STR("/")) && !str_starts(there, STR("//")))
        there = arena_print(j->mem, PRI_STR PRI_STR, FMT_STR(j->g->origin), FMT_STR(there));
    if (++j->redirects > REDIRECTS_FOLLOWED_MAX || !address_same_origin(there, j->g->origin)) {
        job_fail(j, FORGE_REFUSED, a->status,
                 j->redirects > REDIRECTS_FOLLOWED_MAX
                     ? STR("GitHub redirects in a circle")
                     : STR("GitHub redirects to another host; the credentials stay here"));
        return;
    }
    j->url = arena_copy(j->mem, there);
    line_up(j);
}

static void job_401(struct job *j, const struct reply *r)
{
    if (j->auth == AUTH_NONE || j->fresh_token) {
        job_refused(j, r);
        return;
    }
    j->fresh_token = true;
    auth_drop(j);
    line_up(j);
}

void job_refused(struct job *j, const struct reply *r)
{
    str needed = http_answer_header(r->http, STR("x-accepted-github-permissions"));
    str message = arena_copy(j->mem, r->message);
    enum forge_outcome o = FORGE_REFUSED;
    if (r->status == 404 || r->status == 410)
        o = FORGE_NOT_FOUND;
    if (r->status == 401 || r->status == 403)
        o = FORGE_NO_ACCESS;
    if (r->status == 403 && needed.len)
        message =
            arena_print(j->mem, PRI_STR " (needs " PRI_STR ")", FMT_STR(message), FMT_STR(needed));
    job_fail(j, o, r->status, message);
}

static bool body_read(const struct http_answer *a, struct reply *r)
{
    struct err ignored = { .code = ERR_NONE };
    return !str_trim(a->body).len ||
           (!a->cut && json_parse(r->mem, a->body, 0, &r->body, &ignored));
}

static void job_judge(struct job *j, const struct http_answer *a, struct reply *r)
{
    struct limit_order order;
    struct github *g = j->g;
    struct party *p = job_party(j);
    int64_t now_ms = g->steady_ms(g->now_self);
    bool readable = body_read(a, r), good = a->status < 300 || a->status == 304;
    r->message = message_of(r->mem, r->body, a->status);
    clock_learn(g, a);
    limit_read(j, a, r->message, &order);
    j->quota = order.quota;
    j->quota.resource = kept(j->mem, order.quota.resource);
    int64_t until_ms = party_told(p, &order, good, now_ms);
    pace_returns(j, p, true, order.too_fast);
    log_debug("GitHub answered", LS("url", j->url), LI("status", a->status),
              LS("request", http_answer_header(a, STR("x-github-request-id"))));
    if (order.is_limit)
        log_warn("GitHub has told us to wait", LI("installation", j->call.installation_id),
                 LI("ms", until_ms - now_ms), LI("pace_percent", pace_percent(p, now_ms)),
                 LS("why", r->message));
    if (order.is_limit)
        job_limited(j, a->status, arena_copy(j->mem, r->message), until_ms - now_ms);
    else if (is_redirect(a->status))
        job_follow(j, a);
    else if (a->status == 401)
        job_401(j, r);
    else if (a->status >= 500 || a->status == 408)
        job_unknown(j, a->status, arena_copy(j->mem, r->message));
    else if (a->status < 300 && !readable)
        job_garbage(j, a->status, "JSON");
    else
        j->take(j, r);
}

static void job_answered(void *ctx, const struct http_answer *a)
{
    struct job *j = ctx;
    struct github *g = j->g;
    struct party *p = job_party(j);
    if (a->outcome != HTTP_ANSWERED) {
        str why = arena_print(j->mem, "GitHub could not be reached: %s", a->why);
        pace_returns(j, p, a->outcome != HTTP_NOT_SENT, false);
        if (a->outcome == HTTP_NOT_SENT)
            job_fail(j, FORGE_NOT_SENT, 0, why);
        else
            job_unknown(j, 0, why);
        return;
    }
    struct reply r = { .mem = arena_new((size_t)64 << 20, (size_t)256 << 20), .status = a->status,
                       .http = a };
    job_judge(j, a, &r);
    arena_free(r.mem);
    line_drain(g, p);
}

/* ---- results and lists ---- */

void result_begin(struct job *j)
{
    buf_init(&j->buf, j->mem, RESULT_MAX_BYTES);
    json_out_init(&j->out, &j->buf);
    json_begin_object(&j->out);
}

void result_end(struct job *j)
{
    json_end_object(&j->out);
    if (buf_ok(&j->buf))
        job_ok(j, buf_str(&j->buf));
    else
        job_fail(j, FORGE_REFUSED, 0, STR("GitHub's answer is larger than this server takes"));
}

void list_finish(struct job *j, bool more)
{
    json_end_array(&j->out);
    if (more)
        json_field_bool(&j->out, STR("more"), true);
    result_end(j);
}

static void page_take(struct job *j, const struct reply *r)
{
    struct json array = j->list->array.len ? json_get(r->body, j->list->array) : r->body, v;
    struct json_iter it = json_iter(array);
    bool enough = false;
    str key;
    if (!reply_ok(r)) {
        if (!j->list->missing || !j->list->missing(j, r))
            job_refused(j, r);
        return;
    }
    if (json_kind(array) != JSON_ARRAY) {
        job_garbage(j, r->status, "a list");
        return;
    }
    j->total = json_i64_or(json_get(r->body, STR("total_count")), 0);
    while (!enough && json_next(&it, r->mem, &key, &v)) {
        j->seen++;
        enough = !j->list->item(j, r->mem, v);
    }
    str next = address_next_page(http_answer_header(r->http, STR("link")));
    j->pages++;
    if (enough || !next.len || j->pages >= PAGES_MAX) {
        (j->list->end ? j->list->end : list_finish)(j, !enough && next.len);
        return;
    }
    if (address_same_origin(next, j->g->origin))
        job_send(j, HTTP_GET, next, STR_NONE, page_take);
    else
        job_garbage(j, r->status, "a list whose next page is on the same host");
}

void list_begin(struct job *j, const struct job_list *l, str url)
{
    if (!j->list) {
        result_begin(j);
        json_key(&j->out, l->name);
        json_begin_array(&j->out);
    }
    j->list = l;
    job_send(j, HTTP_GET, url, STR_NONE, page_take);
}
