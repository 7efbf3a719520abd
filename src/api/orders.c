/*
 * What people do: cancel, retry, re-run, release, resume, dispatch. Each is a fact of kind "order", applied by the
 * engine in the lane of the repository; the caller waits for what came of it. Its body:
 *     {"order":"cancel","batch":"batch_…"}, with "node":3 of one node alone
 *     {"order":"retry","batch":"batch_…"}
 *     {"order":"rerun","batch":"batch_…","node":3}
 *     {"order":"skip_wait","batch":"batch_…","node":3,"token":7}
 *     {"order":"release","batch":"batch_…"}
 *     {"order":"parts","batch":"batch_…"}
 *     {"order":"resume","change":7}
 *     {"order":"dispatch","stack","component","workflow","inputs":{},"sha","withDependents","dryRun"}
 * An `Idempotency-Key` header makes a repeated request the same order.
 */
#include "api/call.h"

#include "domain/node_dispatch.h"
#include "domain/workflow.h"
#include "store/changes.h"
#include "store/uploads_chunks.h"

struct order_call { struct call *call; struct fact_new fact; int64_t id; enum fact_fate fate; };

static bool order_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct order_call *x = arg;
    str body;
    if (!engine_store_fact(x->call->api->config.engine, db, mem, &x->fact, &x->fate, &x->id, e))
        return false;
    /* the outcome of the first is the answer */
    return x->fate == FACT_STORED || facts_by_key(db, mem, x->fact.key, 0, &x->id, &body, e);
}

static bool idempotency_key(struct call *c, str *key)
{
    str given = http_header_get(c->request, STR("Idempotency-Key"));
    *key = STR_NONE;
    if (!given.len)
        return true;
    if (given.len > 100)
        return fail(&c->err, ERR_INVALID, "Idempotency-Key is longer than 100 bytes");
    if (!str_is_utf8(given) || !text_clean(c, "Idempotency-Key", given))
        return fail(&c->err, ERR_INVALID, "Idempotency-Key must be plain text");
    /* As it was always stored: what is repeated after an upgrade is the same, still. */
    *key = arena_print(c->mem, "command:" PRI_STR ":" PRI_STR, FMT_STR(c->who.workspace_id),
                       FMT_STR(given));
    return true;
}

static enum outcome pending(struct call *c, int64_t id)
{
    c->status = 202;
    json_begin_object(&c->data);
    json_field_i64(&c->data, STR("factId"), id);
    json_field_str(&c->data, STR("state"), STR("pending"));
    json_end_object(&c->data);
    return ANSWERED;
}

/* The engine's note is JSON of its own, or a sentence. */
static enum outcome outcome_of(struct call *c, str note, bool refused)
{
    struct json v;
    struct err ignored = { 0 };
    bool is_json =
        note.len && json_parse(c->mem, note, 0, &v, &ignored) && json_kind(v) == JSON_OBJECT;
    if (refused) {
        str message = is_json ? json_str(json_get(v, STR("message")), c->mem) : note;
        (void)fail(&c->err, ERR_CONFLICT, PRI_STR,
                   FMT_STR(message.len ? message : STR("this cannot be done now")));
        return FAILED;
    }
    if (is_json) {
        json_put_raw(&c->data, note);
        return ANSWERED;
    }
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("note"), note.ptr ? note : STR(""));
    json_end_object(&c->data);
    return ANSWERED;
}

/* Stores the fact and waits for what comes of it in its lane; *applied false: that takes longer. */
static bool apply(struct call *c, struct order_call *x, str *note, bool *refused, bool *applied)
{
    if (!call_may_operate(c, x->fact.lane) ||
        !engine_write_wait(c->api->config.engine, order_body, x, &c->err))
        return false;
    engine_poke(c->api->config.engine, x->fact.lane);
    *applied = engine_fact_wait(c->api->config.engine, x->id, c->api->config.outcome_ms, c->mem,
                                note, refused);
    return true;
}

static struct order_call order_of(struct call *c, int64_t lane, const char *kind, str body)
{
    return (struct order_call){ .call = c,
                                  .fact = { .lane = lane,
                                            .kind = kind,
                                            .body = body,
                                            .actor = c->who.name,
                                            .trace = c->trace } };
}

static enum outcome order(struct call *c, int64_t lane, str body)
{
    struct order_call x = order_of(c, lane, "order", body);
    str note = STR("");
    bool refused = false, applied;
    if (!idempotency_key(c, &x.fact.key) || !apply(c, &x, &note, &refused, &applied))
        return FAILED;
    return applied ? outcome_of(c, note, refused) : pending(c, x.id);
}

enum outcome call_fact(struct call *c, int64_t lane, const char *kind, str body, str *note)
{
    struct order_call x = order_of(c, lane, kind, body);
    bool refused = false, applied;
    *note = STR("");
    if (str_eq(str_of(kind), STR("order")) && !idempotency_key(c, &x.fact.key))
        return FAILED;
    if (!apply(c, &x, note, &refused, &applied))
        return FAILED;
    if (applied && !refused)
        return ANSWERED;
    enum outcome o = applied ? outcome_of(c, *note, true) : pending(c, x.id);
    *note = STR("");
    return o;
}

struct json_out order_begin(struct call *c, struct buf *b, const char *name)
{
    struct json_out w;
    buf_init(b, c->mem, 1 << 20);
    json_out_init(&w, b);
    json_begin_object(&w);
    json_field_str(&w, STR("order"), str_of(name));
    json_field_str(&w, STR("actor"), c->who.name);
    json_field_str(&w, STR("actorType"), c->who.type);
    return w;
}

/* --- of a batch --- */

struct found_batch { int64_t seq, lane, nodes; };

static bool find_batch(struct call *c, struct db *db, struct found_batch *b)
{
    struct query q = { .workspace_id = c->who.workspace_id, .repository_id = c->who.repository_id };
    bool found;
    if (!query_batch_key(db, c->mem, &q, c->path[0], &b->seq, &b->lane, &b->nodes, &found, &c->err))
        return false;
    return found || fail(&c->err, ERR_NOT_FOUND,
                         "there is no such batch in the workspace, or the token does not cover it");
}

static bool read_batch(struct call *c, struct found_batch *b)
{
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = find_batch(c, db, b);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

static enum outcome batch_order(struct call *c, const char *name, const struct found_batch *b,
                                  int64_t position)
{
    struct buf body;
    struct json_out w = order_begin(c, &body, name);
    json_field_str(&w, STR("batch"), c->path[0]);
    if (position >= 0)
        json_field_i64(&w, STR("node"), position);
    json_end_object(&w);
    return order(c, b->lane, buf_str(&body));
}

static enum outcome whole_batch(struct call *c, const char *name)
{
    struct found_batch b;
    return read_batch(c, &b) ? batch_order(c, name, &b, -1) : FAILED;
}

enum outcome api_cancel(struct call *c) { return whole_batch(c, "cancel"); }

enum outcome api_retry(struct call *c) { return whole_batch(c, "retry"); }

enum outcome api_release(struct call *c) { return whole_batch(c, "release"); }

enum outcome api_parts(struct call *c) { return whole_batch(c, "parts"); }

static bool find_pull(struct call *c, struct db *db, int64_t *lane, struct change *change)
{
    struct repository r;
    int64_t number;
    bool found = false;
    if (!call_find_repository(c, db, c->path[0], &r) ||
        (str_to_i64(c->path[1], 1, INT64_MAX, &number) &&
         !changes_by_key(db, c->mem, r.id, STR("pull_request"), c->path[1], change, &found,
                         &c->err)))
        return false;
    *lane = r.id;
    return found || fail(&c->err, ERR_NOT_FOUND, "no event of pull request " PRI_STR " has come yet",
                         FMT_STR(str_sub(c->path[1], 0, 20)));
}

enum outcome api_resume(struct call *c)
{
    struct change change;
    struct buf body;
    int64_t lane = 0;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = find_pull(c, db, &lane, &change);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    struct json_out w = order_begin(c, &body, "resume");
    json_field_i64(&w, STR("change"), change.id);
    json_end_object(&w);
    return order(c, lane, buf_str(&body));
}

static bool read_node(struct call *c, struct found_batch *b, int64_t *position)
{
    return read_batch(c, b) &&
           (str_to_i64(c->path[1], 0, b->nodes - 1, position) ||
            fail(&c->err, ERR_NOT_FOUND,
                 "the batch has no node " PRI_STR ": it has %lld, counted from 0",
                 FMT_STR(str_sub(c->path[1], 0, 20)), (long long)b->nodes));
}

static enum outcome node_order(struct call *c, const char *name)
{
    struct found_batch b;
    int64_t position;
    return read_node(c, &b, &position) ? batch_order(c, name, &b, position) : FAILED;
}

enum outcome api_rerun(struct call *c) { return node_order(c, "rerun"); }

enum outcome api_cancel_node(struct call *c) { return node_order(c, "cancel"); }

/* Its lock lies in the repository of the batch: who may operate there may end it (call_may_lock). */
enum outcome api_skip_wait(struct call *c)
{
    static const char *const known[] = { "token", NULL };
    struct found_batch b;
    struct buf body;
    int64_t position, token;
    if (!only_known(c, known) || !read_int(c, "token", 1, INT64_MAX, true, &token) ||
        !read_node(c, &b, &position))
        return FAILED;
    struct json_out w = order_begin(c, &body, "skip_wait");
    json_field_str(&w, STR("batch"), c->path[0]);
    json_field_i64(&w, STR("node"), position);
    json_field_i64(&w, STR("token"), token);
    json_end_object(&w);
    return order(c, b.lane, buf_str(&body));
}

enum outcome api_rerun_instance(struct call *c)
{
    static const char *const known[] = { "stack", "component", "workflow", NULL };
    struct found_batch b;
    str stack, component, workflow;
    int64_t *at = NULL;
    size_t n = 0;
    if (!only_known(c, known) || !read_text(c, "stack", true, 1024, &stack) ||
        !read_text(c, "component", true, 1024, &component) ||
        !read_text(c, "workflow", false, 255, &workflow))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = find_batch(c, db, &b) && query_batch_positions(db, c->mem, b.seq, stack, component,
                                                             workflow, &at, &n, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && n == 0)
        ok = fail(&c->err, ERR_NOT_FOUND, "the batch has no such node");
    if (ok && n > 1)
        ok = fail(&c->err, ERR_INVALID,
                  "the batch has %zu nodes of this instance: name the workflow too", n);
    return ok ? batch_order(c, "rerun", &b, at[0]) : FAILED;
}

/* --- by hand --- */

static bool check_inputs(struct call *c, struct json inputs)
{
    struct json_iter it = json_iter(inputs);
    struct json v;
    str key;
    if (json_present(inputs) && json_kind(inputs) != JSON_OBJECT)
        return fail(&c->err, ERR_INVALID, "inputs must be an object of names and values");
    while (json_next(&it, c->mem, &key, &v))
        if (json_kind(v) == JSON_OBJECT || json_kind(v) == JSON_ARRAY)
            return fail(&c->err, ERR_INVALID,
                        "the input " PRI_STR " must be a text, a number or true or false",
                        FMT_STR(str_sub(key, 0, 80)));
    return true;
}

static bool read_flag(struct call *c, const char *name, bool *out)
{
    struct json v = json_get(c->body, str_of(name));
    *out = json_bool_or(v, false);
    return !json_present(v) || json_kind(v) == JSON_BOOL ||
           fail(&c->err, ERR_INVALID, "%s must be true or false", name);
}

struct dispatch_ask {
    str repo, stack, component, workflow, sha;
    bool dependents, dry_run;
    struct json inputs;
};

static bool read_dispatch(struct call *c, struct dispatch_ask *d)
{
    static const char *const known[] = {"repo", "stack",          "component", "workflow", "inputs",
                                        "sha",  "withDependents", "dryRun",    NULL};
    str ignored;
    d->inputs = json_get(c->body, STR("inputs"));
    if (!only_known(c, known) || !read_text(c, "repo", true, 300, &d->repo) ||
        !read_text(c, "stack", true, 1024, &d->stack) ||
        !read_text(c, "component", true, 1024, &d->component) ||
        !read_text(c, "workflow", true, 255, &d->workflow) ||
        !read_text(c, "sha", false, 64, &d->sha) ||
        !read_flag(c, "withDependents", &d->dependents) || !read_flag(c, "dryRun", &d->dry_run) ||
        !check_inputs(c, d->inputs))
        return false;
    /* Which of the two it has to be, the lane knows. */
    return workflow_name_ok(d->workflow) || node_workflow(d->workflow, &ignored) ||
           fail(&c->err, ERR_INVALID,
                "workflow must be the bare name of a .yml or .yaml file under .github/workflows, or "
                "of a workflow of the atmos CLI");
}

enum outcome api_dispatch(struct call *c)
{
    struct dispatch_ask d = { 0 };
    struct repository r;
    struct buf body;
    if (!read_dispatch(c, &d))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_find_repository(c, db, d.repo, &r);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    struct json_out w = order_begin(c, &body, "dispatch");
    json_field_str(&w, STR("stack"), d.stack);
    json_field_str(&w, STR("component"), d.component);
    json_field_str(&w, STR("workflow"), d.workflow);
    json_field_str(&w, STR("sha"), d.sha);
    json_field_bool(&w, STR("withDependents"), d.dependents);
    json_field_bool(&w, STR("dryRun"), d.dry_run);
    json_field_raw(&w, STR("inputs"), json_present(d.inputs) ? json_raw(d.inputs) : STR("{}"));
    json_end_object(&w);
    return order(c, r.id, buf_str(&body));
}
