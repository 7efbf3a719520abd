/*
 * action_dispatch: a trigger and the values it was set off with become what is sent to a runner
 * (runner.md §3.3). What is made here has secrets in clear.
 */
#include "domain/action.h"
#include "domain/node_dispatch.h"
#include "domain/text.h"

static str roots_of(struct arena *mem, const struct action *a, const struct action_send *s)
{
    struct buf b;
    struct json_out w;
    str name, owner = str_cut(s->repository, '/', &name);
    buf_init(&b, mem, (size_t)ACTION_VALUES_BYTES_MAX * 2);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_raw(&w, STR("parameters"), s->values.len ? s->values : STR("{}"));
    json_key(&w, STR("run"));
    json_begin_object(&w);
    json_field_str(&w, STR("id"), s->run_id);
    json_field_str(&w, STR("callbackUrl"), s->callback_url);
    json_field_str(&w, STR("callbackToken"), s->callback_token);
    json_end_object(&w);
    json_key(&w, STR("action"));
    json_begin_object(&w);
    json_field_str(&w, STR("name"), a->name);
    json_end_object(&w);
    json_key(&w, STR("repository"));
    json_begin_object(&w);
    json_field_str(&w, STR("owner"), owner);
    json_field_str(&w, STR("name"), name.ptr ? name : STR(""));
    json_end_object(&w);
    json_end_object(&w);
    return buf_str(&b);
}

/* A registered runner, in the words of a trigger that brings its own. */
static str runner_of(struct arena *mem, const struct action_send *s)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 16 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("endpoint"), s->runner_endpoint);
    json_key(&w, STR("auth"));
    json_begin_object(&w);
    json_field_str(&w, STR("token"), arena_print(mem, "{{ secrets." PRI_STR " }}",
                                                 FMT_STR(s->runner_token_secret)));
    json_end_object(&w);
    json_end_object(&w);
    return buf_str(&b);
}

static bool resolved(struct arena *mem, const struct interpolation *in, struct json v,
                     struct json *out, struct err *e)
{
    str text;
    return interpolate_json(mem, in, v, &text, e) && json_parse(mem, text, 0, out, e);
}

static void field_text(struct arena *mem, struct json_out *w, struct json t, const char *name)
{
    str text = json_str(json_get(t, str_of(name)), mem);
    if (text.len)
        json_field_str(w, str_of(name), text);
}

static str body_of(struct arena *mem, const struct action *a, const struct action_send *s,
                   struct json t, bool *fits)
{
    struct json vars = json_get(t, STR("vars"));
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 256 << 10);           /* a runner reads no more (§3.3) */
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("runId"), s->run_id);
    field_text(mem, &w, t, "workflow");
    field_text(mem, &w, t, "stack");
    json_field_raw(&w, STR("vars"), json_present(vars) ? json_raw(vars) : STR("{}"));
    json_field_str(&w, STR("callbackUrl"), s->callback_url);
    json_field_str(&w, STR("callbackToken"), s->callback_token);
    json_field_bool(&w, STR("waitForCompletion"), a->wait);
    field_text(mem, &w, t, "workflowFile");
    field_text(mem, &w, t, "ref");
    if (json_bool_or(json_get(t, STR("dryRun")), false))
        json_field_bool(&w, STR("dryRun"), true);
    json_field_i64(&w, STR("timeoutMinutes"), runner_minutes(a->timeout_ms));
    json_field_bool(&w, STR("progress"), true);
    json_field_str(&w, STR("action"), a->name);
    json_field_str(&w, STR("project"), s->repository);
    json_end_object(&w);
    *fits = buf_ok(&b);
    return buf_str(&b);
}

/* A bearer token is one word (§3.2): anything else would be another header. */
static bool token_check(str token, struct err *e)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] <= ' ' || token.ptr[i] >= 0x7f)
            return fail(e, ERR_INVALID,
                        "the token for the runner must be one word of plain characters: set its "
                        "secret again");
    return token.len > 0 || fail(e, ERR_INVALID, "the token for the runner is empty");
}

bool action_dispatch(struct arena *mem, const struct action *a, const struct action_send *s,
                     struct interpolation *in, struct action_dispatch *out, struct err *e)
{
    struct json t, runner;
    bool fits;
    if (!json_parse(mem, roots_of(mem, a, s), 0, &in->roots, e) ||
        !resolved(mem, in, a->trigger, &t, e))
        return false;
    runner = json_get(t, STR("runner"));
    if (a->runner.len && (!json_parse(mem, runner_of(mem, s), 0, &runner, e) ||
                          !resolved(mem, in, runner, &runner, e)))
        return false;
    out->endpoint = json_str(json_get(runner, STR("endpoint")), mem);
    out->token = json_str(json_path(runner, "auth.token"), mem);
    if (!endpoint_check(out->endpoint, e) || !token_check(out->token, e))
        return false;
    out->body = body_of(mem, a, s, t, &fits);
    return fits || fail(e, ERR_INVALID, "with its values the dispatch is longer than 256 KiB");
}
