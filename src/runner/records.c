/* The text of the journal's files: JSON, times as milliseconds UTC. */
#include "runner/journal_inside.h"

enum { RECORD_BYTES_MAX = 2 << 20 };

static const char *const stages[] = {
    [RUN_QUEUED] = "queued", [RUN_STARTED] = "started", [RUN_LOST] = "started",
    [RUN_ENDED] = "ended",   [RUN_CLOSED] = "closed",
};
static const char *const callbacks[] = {
    [CALLBACK_WAITING] = "waiting",
    [CALLBACK_DELIVERED] = "delivered",
    [CALLBACK_REFUSED] = "refused",
    [CALLBACK_EXPIRED] = "expired",
};

static void begin(struct buf *b, struct json_out *w, struct arena *mem)
{
    buf_init(b, mem, RECORD_BYTES_MAX);
    json_out_init(w, b);
    json_begin_object(w);
}

static str end(struct buf *b, struct json_out *w)
{
    json_end_object(w);
    buf_char(b, '\n');
    return buf_str(b);
}

/* What both files say of a run, so that either is enough to know it. */
static void put_run(struct json_out *w, const struct run *r)
{
    json_field_str(w, STR("runId"), str_of(r->id));
    json_field_str(w, STR("digest"), str_of(r->digest));
    json_field_str(w, STR("workflow"), str_of(r->workflow));
    json_field_str(w, STR("stack"), str_of(r->stack));
    json_field_i64(w, STR("sequence"), r->sequence);
    json_field_i64(w, STR("acceptedMs"), r->accepted_ms);
    json_field_i64(w, STR("expiresMs"), r->expires_ms);
    json_field_bool(w, STR("dryRun"), r->dry_run);
    json_field_bool(w, STR("progress"), r->progress);
}

static bool get_run(struct arena *mem, struct json v, struct run **out, struct err *e)
{
    str id = json_str(json_get(v, STR("runId")), mem);
    str digest = json_str(json_get(v, STR("digest")), mem);
    str workflow = json_str(json_get(v, STR("workflow")), mem);
    str stack = json_str(json_get(v, STR("stack")), mem);
    if (!run_id_valid(id) || digest.len != 64 || !workflow.len || !stack.len)
        return fail(e, ERR_INVALID, "it is no record of a run");
    struct run *r = *out ? *out : run_new(id, workflow, stack, digest);
    r->sequence = json_i64_or(json_get(v, STR("sequence")), 0);
    r->accepted_ms = json_i64_or(json_get(v, STR("acceptedMs")), 0);
    r->expires_ms = json_i64_or(json_get(v, STR("expiresMs")), 0);
    r->dry_run = json_bool_or(json_get(v, STR("dryRun")), false);
    r->progress = json_bool_or(json_get(v, STR("progress")), false);
    *out = r;
    return true;
}

/* ---- what was accepted ---- */

str accepted_text(struct arena *mem, const struct run *r, const struct dispatch *d)
{
    struct buf b;
    struct json_out w;
    begin(&b, &w, mem);
    put_run(&w, r);
    json_field_str(&w, STR("workflowFile"), d->workflow_file.ptr ? d->workflow_file : STR(""));
    json_field_str(&w, STR("ref"), d->ref.ptr ? d->ref : STR(""));
    json_field_i64(&w, STR("timeoutMs"), d->timeout_ms);
    json_field_str(&w, STR("callbackUrl"), d->callback_url);
    json_field_str(&w, STR("callbackToken"), d->callback_token);
    json_key(&w, STR("vars"));
    json_begin_object(&w);
    for (size_t i = 0; i < d->variable_count; i++)
        json_field_str(&w, d->variables[i].name, d->variables[i].value);
    json_end_object(&w);
    return end(&b, &w);
}

static void get_variables(struct arena *mem, struct json v, struct dispatch *d)
{
    str name;
    struct json value;
    d->variables = arena_make(mem, struct variable, json_count(v) + 1);
    for (struct json_iter it = json_iter(v); json_next(&it, mem, &name, &value);)
        d->variables[d->variable_count++] = (struct variable){ name, json_str(value, mem) };
}

bool accepted_read(struct arena *mem, struct json v, struct accepted *out, struct err *e)
{
    struct dispatch *d = &out->d;
    *out = (struct accepted){ .variables = json_get(v, STR("vars")) };
    d->run_id = json_str(json_get(v, STR("runId")), mem);
    d->workflow = json_str(json_get(v, STR("workflow")), mem);
    d->stack = json_str(json_get(v, STR("stack")), mem);
    d->workflow_file = json_str(json_get(v, STR("workflowFile")), mem);
    d->ref = json_str(json_get(v, STR("ref")), mem);
    d->callback_url = json_str(json_get(v, STR("callbackUrl")), mem);
    d->callback_token = json_str(json_get(v, STR("callbackToken")), mem);
    d->timeout_ms = json_i64_or(json_get(v, STR("timeoutMs")), 0);
    d->expires_ms = json_i64_or(json_get(v, STR("expiresMs")), 0);
    d->dry_run = json_bool_or(json_get(v, STR("dryRun")), false);
    d->progress = json_bool_or(json_get(v, STR("progress")), false);
    get_variables(mem, out->variables, d);
    return d->callback_url.len && d->callback_token.len
               ? true
               : fail(e, ERR_INVALID, "it is no record of a dispatch");
}

bool accepted_run(struct arena *mem, struct json v, const struct accepted *a, struct run **out,
                  struct err *e)
{
    *out = NULL;
    return get_run(mem, v, out, e);
}

/* ---- how far it is ---- */

static void put_outcome(struct json_out *w, const struct outcome *o, bool with_tail)
{
    json_field_bool(w, STR("succeeded"), o->succeeded);
    json_field_str(w, STR("reason"), str_of(run_reason_name(o->reason)));
    json_key(w, STR("exitCode"));
    if (o->has_exit_code)
        json_put_i64(w, o->exit_code);
    else
        json_put_null(w);
    json_field_i64(w, STR("startedMs"), o->started_ms);
    json_field_i64(w, STR("finishedMs"), o->finished_ms);
    json_field_i64(w, STR("cloneMs"), o->clone_ms);
    json_field_str(w, STR("signal"), str_of(o->signal));
    json_field_str(w, STR("commit"), str_of(o->commit));
    json_field_str(w, STR("error"), str_of(o->error));
    json_field_str(w, STR("failedStep"), str_of(o->failed_step));
    if (with_tail)
        json_field_str(w, STR("logTail"), str_of(o->tail));
}

str run_text(struct arena *mem, const struct run *r)
{
    struct buf b;
    struct json_out w;
    begin(&b, &w, mem);
    put_run(&w, r);
    json_field_str(&w, STR("stage"), str_of(stages[r->stage]));
    json_field_i64(&w, STR("startedMs"), r->started_ms);
    json_field_str(&w, STR("callback"), str_of(callbacks[r->callback]));
    json_field_i64(&w, STR("attempts"), r->attempts);
    json_field_str(&w, STR("answer"), str_of(r->answer));
    if (r->stage == RUN_ENDED || r->stage == RUN_CLOSED) {
        json_key(&w, STR("outcome"));
        json_begin_object(&w);
        put_outcome(&w, &r->outcome, r->stage == RUN_ENDED);
        json_end_object(&w);
    }
    return end(&b, &w);
}

static void get_fixed(struct arena *mem, struct json v, char *to, size_t room)
{
    str s = str_clip(json_str(v, mem), room - 1);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
}

static void get_text(struct arena *mem, struct json v, char **to)
{
    if (json_present(v))
        text_set(to, json_str(v, mem));
}

static void get_outcome(struct arena *mem, struct json v, struct outcome *o)
{
    o->succeeded = json_bool_or(json_get(v, STR("succeeded")), false);
    if (!run_reason_read(json_str(json_get(v, STR("reason")), mem), &o->reason))
        o->reason = RUN_INTERNAL;
    o->has_exit_code = json_i64(json_get(v, STR("exitCode")), &o->exit_code);
    o->started_ms = json_i64_or(json_get(v, STR("startedMs")), 0);
    o->finished_ms = json_i64_or(json_get(v, STR("finishedMs")), 0);
    o->clone_ms = json_i64_or(json_get(v, STR("cloneMs")), 0);
    get_fixed(mem, json_get(v, STR("signal")), o->signal, sizeof o->signal);
    get_fixed(mem, json_get(v, STR("commit")), o->commit, sizeof o->commit);
    get_text(mem, json_get(v, STR("error")), &o->error);
    get_text(mem, json_get(v, STR("failedStep")), &o->failed_step);
    get_text(mem, json_get(v, STR("logTail")), &o->tail);
}

static size_t index_of(str name, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !str_eq(name, str_of(names[i])))
        i++;
    return i;
}

bool run_read(struct arena *mem, struct json v, str id, struct run **r, enum run_stage *stage,
              struct err *e)
{
    size_t s = index_of(json_str(json_get(v, STR("stage")), mem), stages, RUN_CLOSED + 1);
    size_t c = index_of(json_str(json_get(v, STR("callback")), mem), callbacks,
                        CALLBACK_EXPIRED + 1);
    if (s > RUN_CLOSED || c > CALLBACK_EXPIRED ||
        !str_eq(json_str(json_get(v, STR("runId")), mem), id))
        return fail(e, ERR_INVALID, "it is no record of this run");
    if (!get_run(mem, v, r, e))
        return false;
    *stage = (enum run_stage)s;
    (*r)->callback = (enum callback_state)c;
    (*r)->started_ms = json_i64_or(json_get(v, STR("startedMs")), 0);
    (*r)->attempts = json_i64_or(json_get(v, STR("attempts")), 0);
    get_fixed(mem, json_get(v, STR("answer")), (*r)->answer, sizeof (*r)->answer);
    get_outcome(mem, json_get(v, STR("outcome")), &(*r)->outcome);
    return true;
}
