/*
 * Actions of a repository, and the runners that they can name. What the repository's own file says
 * of an action is changed there.
 */
#include "api/call.h"

#include "domain/action.h"
#include "domain/settings_file.h"
#include "store/actions.h"

struct action_call {
    struct call *call;
    struct repository repo;
    struct action_row row;
    struct runner_row runner;
    bool is_new, found;
};

/* ---- actions ---- */

enum outcome api_action_get(struct call *c)
{
    struct repository r;
    return call_path_repository(c, &r) && call_show_named(c, query_actions, r.id, c->path[1]) ? ANSWERED
                                                                                         : FAILED;
}

static bool not_of_the_file(struct db *db, struct arena *mem, struct action_call *x, struct err *e)
{
    struct action_row there;
    if (!actions_get(db, mem, x->repo.id, x->row.name, &there, &x->found, e))
        return false;
    return !x->found || !str_eq(there.source, STR(ACTION_FROM_FILE)) ||
           fail(e, ERR_CONFLICT,
                "the action is kept in " SETTINGS_FILE " on the default branch: change it there, or "
                "take it out of the file");
}

static bool action_put_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct action_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a = audit_of(c, x->repo.id, STR("action.set"), STR("action"), x->row.name);
    a.metadata = x->row.definition;
    return not_of_the_file(db, mem, x, e) &&
           actions_put(db, mem, x->repo.id, &x->row, c->who.name, c->now_ms, &x->is_new, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

/* Parsed once more, with the bounds of a definition. */
static bool read_action(struct call *c, struct action_row *row)
{
    struct json v;
    struct action a;
    row->name = c->path[1];
    row->source = STR(ACTION_FROM_API);
    row->definition = json_raw(c->body);
    if (!json_parse(c->mem, row->definition, ACTION_DEPTH_MAX, &v, &c->err)) {
        c->err.code = ERR_INVALID;
        return fail_ctx(&c->err, "the action");
    }
    return action_read(c->mem, row->name, v, &a, &c->err);
}

enum outcome api_action_put(struct call *c)
{
    struct action_call x = { .call = c };
    if (!read_action(c, &x.row) || !call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, action_put_body, &x, &c->err))
        return FAILED;
    c->status = x.is_new ? 201 : 200;
    return call_show_named(c, query_actions, x.repo.id, x.row.name) ? ANSWERED : FAILED;
}

static bool action_remove_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct action_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a =
        audit_of(c, x->repo.id, STR("action.removed"), STR("action"), x->row.name);
    return not_of_the_file(db, mem, x, e) &&
           actions_remove(db, x->repo.id, x->row.name, STR(ACTION_FROM_API), &x->found, e) &&
           (!x->found || audit_add(db, mem, &a, c->now_ms, e));
}

static enum outcome removed(struct call *c, const struct action_call *x, const char *what)
{
    if (x->found)
        return ANSWERED;
    (void)fail(&c->err, ERR_NOT_FOUND, "the repository has no %s of this name", what);
    return FAILED;
}

enum outcome api_action_remove(struct call *c)
{
    struct action_call x = { .call = c, .row.name = c->path[1] };
    if (!call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, action_remove_body, &x, &c->err))
        return FAILED;
    return removed(c, &x, "action");
}

/* ---- runners ---- */

static bool runner_put_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct action_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a =
        audit_of(c, x->repo.id, STR("runner.set"), STR("runner"), x->runner.name);
    a.description = x->runner.endpoint;
    return runners_put(db, mem, x->repo.id, &x->runner, c->who.name, c->now_ms, &x->is_new, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

static bool read_runner(struct call *c, struct runner_row *r)
{
    static const char *const known[] = { "endpoint", "tokenSecret", NULL };
    r->name = c->path[1];
    if (!only_known(c, known) || !call_name_ok(c, r->name) ||
        !read_text(c, "endpoint", true, ENDPOINT_BYTES_MAX, &r->endpoint) ||
        !endpoint_check(r->endpoint, &c->err) ||
        !read_text(c, "tokenSecret", true, 64, &r->token_secret) ||
        !call_name_ok(c, r->token_secret))
        return false;
    return !interpolate_marks(r->endpoint) ||
           fail(&c->err, ERR_INVALID, "the endpoint of a registered runner is written out");
}

enum outcome api_runner_put(struct call *c)
{
    struct action_call x = { .call = c };
    if (!read_runner(c, &x.runner) || !call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, runner_put_body, &x, &c->err))
        return FAILED;
    c->status = x.is_new ? 201 : 200;
    return call_show_named(c, query_runners, x.repo.id, x.runner.name) ? ANSWERED : FAILED;
}

static bool runner_remove_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct action_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a =
        audit_of(c, x->repo.id, STR("runner.removed"), STR("runner"), x->runner.name);
    return runners_remove(db, x->repo.id, x->runner.name, &x->found, e) &&
           (!x->found || audit_add(db, mem, &a, c->now_ms, e));
}

enum outcome api_runner_remove(struct call *c)
{
    struct action_call x = { .call = c, .runner.name = c->path[1] };
    if (!call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, runner_remove_body, &x, &c->err))
        return FAILED;
    return removed(c, &x, "runner");
}
