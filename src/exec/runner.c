#include "exec/runner.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/secret.h"
#include "domain/action.h"
#include "domain/mask.h"
#include "domain/text.h"

enum { CALL_MS = 30000, ANSWER_BYTES_MAX = 64 << 10, WAIT_MAX_S = 3600, MESSAGE_CHARS = 300, CODE_CHARS = 40 };

struct runners {
    struct http_client *client;
    struct arena *mem;
    str private_hosts;
    atomic_bool stopped;
};

/* A call under way: what its answer is judged with. */
struct flight {
    runner_done *done;
    void *ctx;
    struct arena *mem;
    struct mask_set mask;
    bool read;
    str code, result;
};

static struct flight *flight_new(const struct runner_call *c, runner_done *done, void *ctx)
{
    struct arena *mem = arena_new((size_t)4 << 20, (size_t)64 << 20);
    struct flight *f = arena_make(mem, struct flight, 1);
    *f = (struct flight){ .done = done, .ctx = ctx, .mem = mem, .read = c->read,
                          .mask = mask_of(c->mask, c->mask_count) };
    return f;
}

static void flight_free(struct flight *f)
{
    mask_free(&f->mask);
    arena_free(f->mem);
}

static void finish(struct flight *f, enum runner_outcome outcome, int64_t status, str message,
                   int64_t wait_ms, int64_t took_ms)
{
    struct runner_answer a = {
        .outcome = outcome,
        .status = status,
        .message = text_plain(f->mem, mask_text(f->mem, &f->mask, message), MESSAGE_CHARS),
        .code = f->code.ptr ? f->code : STR(""),
        .result = f->result.ptr ? f->result : STR(""),
        .wait_ms = wait_ms,
        .took_ms = took_ms,
    };
    f->done(f->ctx, &a);
    flight_free(f);
}

/* ---- what an answer means ---- */

static enum runner_outcome outcome_of(int status)
{
    if (status >= 200 && status < 300)
        return RUNNER_OK;
    if (status == 429)
        return RUNNER_BUSY;
    if (status >= 500)
        return RUNNER_LOST;
    return status == 404                    ? RUNNER_NOT_FOUND
         : status == 401 || status == 403   ? RUNNER_NO_ACCESS
         : status == 409                    ? RUNNER_CONFLICT
                                            : RUNNER_REFUSED;
}

/* {"error":"invalid","message":"…","fields":{"stack":"…"}}; anything else is shown as it is. */
static str words_of(struct flight *f, str body)
{
    struct err ignored = { 0 };
    struct json v, member;
    str key, error, message;
    if (!json_parse(f->mem, body, 8, &v, &ignored) || json_kind(v) != JSON_OBJECT)
        return str_clip(str_trim(body), 200);
    error = json_str(json_get(v, STR("error")), f->mem);
    f->code = text_plain(f->mem, mask_text(f->mem, &f->mask, error), CODE_CHARS);
    message = json_str(json_get(v, STR("message")), f->mem);
    str text = error.len && message.len ? arena_print(f->mem, PRI_STR ": " PRI_STR, FMT_STR(error),
                                                      FMT_STR(message))
             : error.len ? error : message;
    struct json fields = json_get(v, STR("fields"));
    for (struct json_iter it = json_iter(fields); json_next(&it, f->mem, &key, &member);)
        text = arena_print(f->mem, PRI_STR "; " PRI_STR ": " PRI_STR, FMT_STR(text), FMT_STR(key),
                           FMT_STR(json_kind(member) == JSON_STRING ? json_str(member, f->mem)
                                                                    : json_raw(member)));
    return text;
}

/* What was asked for; anything but an object is an answer that nobody can use. */
static enum runner_outcome read_result(struct flight *f, str body)
{
    struct err ignored = { 0 };
    struct json v;
    if (!json_parse(f->mem, body, 8, &v, &ignored) || json_kind(v) != JSON_OBJECT)
        return RUNNER_REFUSED;
    f->result = mask_json(f->mem, &f->mask, v);
    return RUNNER_OK;
}

static void answered(void *ctx, const struct http_answer *a)
{
    struct flight *f = ctx;
    int64_t wait_s = 0;
    if (a->outcome != HTTP_ANSWERED) {
        finish(f, a->outcome == HTTP_NOT_SENT ? RUNNER_NOT_SENT : RUNNER_LOST, 0,
               arena_print(f->mem, "no answer from the runner: %s", a->why), 0, a->took_ms);
        return;
    }
    enum runner_outcome outcome = outcome_of(a->status);
    str words = outcome == RUNNER_OK && f->read ? STR("") : words_of(f, a->body);
    if (outcome == RUNNER_OK && f->read)
        outcome = read_result(f, a->body);
    if (!str_to_i64(str_trim(http_answer_header(a, STR("Retry-After"))), 0, WAIT_MAX_S, &wait_s))
        wait_s = 0;
    if (a->status >= 300 && a->status < 400)
        words = STR("a redirect, and these are not followed");
    finish(f, outcome, a->status,
           arena_print(f->mem, "the runner answered %d%s" PRI_STR, a->status, words.len ? ": " : "",
                       FMT_STR(words)),
           wait_s * 1000, a->took_ms);
}

/* ---- leaving ---- */

static void runner_call(void *self, const struct runner_call *c, runner_done *done, void *ctx)
{
    struct runners *r = self;
    struct flight *f = flight_new(c, done, ctx);
    struct err why = { 0 };
    bool named = endpoint_host_in(endpoint_host(c->url), r->private_hosts);
    if (atomic_load(&r->stopped)) {
        finish(f, RUNNER_NOT_SENT, 0, STR("the server is stopping"), 0, 0);
        return;
    }
    if (!endpoint_check(c->url, &why)) {
        finish(f, RUNNER_REFUSED, 0, str_of(why.text), 0, 0);
        return;
    }
    if (!str_starts(c->url, STR("https://")) && !named) {
        finish(f, RUNNER_REFUSED, 0,
               STR("the endpoint must be https://: http:// is for hosts of the setting runner_hosts"),
               0, 0);
        return;
    }
    str bearer = arena_print(f->mem, "Bearer " PRI_STR, FMT_STR(c->token));
    const struct http_header headers[] = {
        { STR_INIT("Authorization"), bearer },
        { STR_INIT("Content-Type"), STR_INIT("application/json") },
        { STR_INIT("Accept"), STR_INIT("application/json") },
    };
    struct http_call call = {
        .method = c->read ? HTTP_GET : HTTP_POST,
        .url = c->url,
        .headers = headers,
        .header_count = sizeof headers / sizeof headers[0],
        .body = c->read ? STR("") : c->body.len ? c->body : STR("{}"),
        .timeout_ms = CALL_MS,
        .body_max = ANSWER_BYTES_MAX,
        .public_only = true,
        .private_allowed = named,       /* but never where clouds tell of their machines */
        .done = answered,
        .ctx = f,
    };
    http_call_start(r->client, &call);
    /* f may be gone: only what is ours alone is touched */
}

struct runner_port runners_port(struct runners *r)
{
    return (struct runner_port){ .self = r, .call = runner_call };
}

/* ---- its life ---- */

struct runners *runners_new(struct http_client *client, str private_hosts)
{
    struct arena *mem = arena_new(64 << 10, 1 << 20);
    struct runners *r = arena_make(mem, struct runners, 1);
    r->client = client;
    r->mem = mem;
    r->private_hosts = arena_copy(mem, private_hosts);
    atomic_init(&r->stopped, false);
    return r;
}

void runners_stop(struct runners *r)
{
    if (r)
        atomic_store(&r->stopped, true);
}

void runners_free(struct runners *r)
{
    if (r)
        arena_free(r->mem);
}
