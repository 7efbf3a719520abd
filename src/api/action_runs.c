/*
 * Runs of actions: set off, stopped, and what a runner says of them (runner.md §5, §8.4). A callback
 * is under no other right than its token.
 */
#include "api/call.h"

#include "domain/action.h"
#include "domain/action_run.h"
#include "domain/mask.h"
#include "store/actions.h"
#include "store/batches.h"
#include "store/lanes.h"
#include "store/secrets.h"

enum { CALLBACK_BYTES_MAX = 256 << 10, CALLBACK_DEPTH_MAX = 16, TOKEN_BYTES_MAX = 256 };

/* of_node: the run of a node, which a runner reports like those of actions. */
static bool show_run(struct call *c, str workspace_id, str id, bool of_node)
{
    struct query q = { .workspace_id = workspace_id };
    bool found = false;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = of_node ? query_run(db, c->mem, &q, id, &c->data, &found, &c->err)
                      : query_action_run(db, c->mem, &q, id, &c->data, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    return ok && (found || fail(&c->err, ERR_NOT_FOUND, "the run is gone"));
}

/* What the fact came to: the run, or what call_fact has said already. */
static enum outcome shown(struct call *c, enum outcome o, str note, str workspace_id, int status)
{
    struct json v;
    if (o != ANSWERED || !note.len)
        return o;
    if (!json_parse(c->mem, note, 0, &v, &c->err))
        return FAILED;
    str node_run = json_str(json_get(v, STR("nodeRun")), c->mem);
    if (!show_run(c, workspace_id,
                  node_run.len ? node_run : json_str(json_get(v, STR("run")), c->mem),
                  node_run.len > 0))
        return FAILED;
    c->status = status;
    return ANSWERED;
}

/* ---- setting off, and stopping ---- */

/* In the lane's words it would only be a conflict: here each parameter that is wrong is named. */
static bool check_values(struct call *c, struct db *db, int64_t repository_id, struct json given)
{
    struct action_row row;
    struct action a;
    struct json v;
    str ignored;
    bool found;
    if (!actions_get(db, c->mem, repository_id, c->path[1], &row, &found, &c->err))
        return false;
    if (!found)
        return fail(&c->err, ERR_NOT_FOUND, "the repository has no action of this name");
    return json_parse(c->mem, row.definition, ACTION_DEPTH_MAX, &v, &c->err) &&
           action_read(c->mem, row.name, v, &a, &c->err) &&
           action_values(c->mem, &a, given, &ignored, &c->err);
}

static str new_run_id(struct arena *mem)
{
    uint8_t b[16];
    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);     /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    str hex = hex_write(mem, (str){ (const char *)b, sizeof b });
    return arena_print(mem, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.ptr, hex.ptr + 8, hex.ptr + 12,
                       hex.ptr + 16, hex.ptr + 20);
}

enum outcome api_action_start(struct call *c)
{
    static const char *const known[] = { "parameters", NULL };
    struct repository r;
    struct buf body;
    struct json given = json_get(c->body, STR("parameters"));
    str note;
    if (!only_known(c, known) || !call_path_repository(c, &r))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = check_values(c, db, r.id, given);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    struct json_out w = order_begin(c, &body, "action_run");
    json_field_str(&w, STR("run"), new_run_id(c->mem));
    json_field_str(&w, STR("action"), c->path[1]);
    json_field_raw(&w, STR("parameters"), json_present(given) ? json_raw(given) : STR("{}"));
    json_end_object(&w);
    enum outcome o = call_fact(c, r.id, "order", buf_str(&body), &note);
    return shown(c, o, note, c->who.workspace_id, 201);
}

static bool find_run(struct call *c, struct db *db, struct action_run_row *run)
{
    struct repository r;
    bool found;
    if (!action_runs_get(db, c->mem, c->path[0], run, &found, &c->err) ||
        (found && !repositories_get(db, c->mem, c->who.workspace_id, run->repository_id, &r, &found,
                                    &c->err)))
        return false;
    return (found && (!c->who.repository_id || c->who.repository_id == run->repository_id)) ||
           fail(&c->err, ERR_NOT_FOUND,
                "there is no such run of an action, or the token does not cover it");
}

enum outcome api_action_stop(struct call *c)
{
    struct action_run_row run;
    struct buf body;
    str note;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = find_run(c, db, &run);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    struct json_out w = order_begin(c, &body, "action_cancel");
    json_field_str(&w, STR("run"), run.id);
    json_end_object(&w);
    enum outcome o = call_fact(c, run.repository_id, "order", buf_str(&body), &note);
    return shown(c, o, note, c->who.workspace_id, 200);
}

/* ---- callbacks ---- */

/* token → its run is the path's → expiry → HMAC: every mistake is the same 401, but for its words. */
static bool check_token(struct call *c, str id)
{
    str rest, run_id, header = str_trim(http_header_get(c->request, STR("Authorization")));
    str scheme = str_cut(header, ' ', &rest), token = str_trim(rest);
    int64_t expires_ms;
    const uint8_t *key = c->api->config.callback_key;
    if (!str_eq_nocase(scheme, STR("Bearer")) || token.len > TOKEN_BYTES_MAX ||
        !action_token_read(token, &run_id, &expires_ms))
        return fail(&c->err, ERR_SIGNATURE,
                    "a callback needs the token of its dispatch as Authorization: Bearer");
    if (!str_eq(run_id, id))
        return fail(&c->err, ERR_SIGNATURE, "the token is for another run");
    if (expires_ms <= c->now_ms)
        return fail(&c->err, ERR_TOKEN_EXPIRED, "the time of this run is over");
    return (key && secret_equal(token, action_token(c->mem, (str){ (const char *)key, SHA256_BYTES },
                                                    run_id, expires_ms))) ||
           fail(&c->err, ERR_SIGNATURE, "the token is not one of ours");
}

static bool check_body(struct call *c)
{
    struct json metadata;
    str status;
    if (c->request->body.len > CALLBACK_BYTES_MAX)
        return fail(&c->err, ERR_LIMIT, "a callback has at most %d bytes", CALLBACK_BYTES_MAX);
    if (!json_parse(c->mem, c->request->body, CALLBACK_DEPTH_MAX, &c->body, &c->err)) {
        c->err.code = ERR_INVALID;
        return fail_ctx(&c->err, "the body is not JSON that can be read");
    }
    metadata = json_get(c->body, STR("metadata"));
    status = json_str(json_get(c->body, STR("status")), c->mem);
    if (!str_eq(status, STR("succeeded")) && !str_eq(status, STR("failed")) &&
        !str_eq(status, STR("running")))
        return fail(&c->err, ERR_INVALID, "status must be succeeded, failed or running");
    return !json_present(metadata) || json_kind(metadata) == JSON_OBJECT ||
           fail(&c->err, ERR_INVALID, "metadata must be an object");
}

struct callback {
    str id, workspace_id;
    int64_t repository_id;
    struct mask_set *mask;
};

/* The run of an action, or of a node: their ids are of one kind, and of no run twice. */
static bool find_reported(struct call *c, struct db *db, str id, int64_t *repository_id)
{
    struct action_run_row run;
    struct run_row node;
    enum action_state state;
    bool found;
    if (!action_runs_get(db, c->mem, id, &run, &found, &c->err))
        return false;
    if (found) {
        *repository_id = run.repository_id;
        return (action_state_read(run.state, &state) && !action_state_ended(state)) ||
               fail(&c->err, ERR_CONFLICT, "the run has ended: it is " PRI_STR, FMT_STR(run.state));
    }
    if (!runs_by_runner(db, c->mem, id, &node, &found, &c->err))
        return false;
    if (!found)
        return fail(&c->err, ERR_NOT_FOUND, "there is no such run");
    *repository_id = node.repository_id;
    return !node.ended_ms || fail(&c->err, ERR_CONFLICT, "the run has ended: it is %s",
                                  node_state_name(node.state));
}

static bool read_callback(struct call *c, struct db *db, str id, struct callback *x)
{
    struct lane_repo repo;
    bool found;
    x->id = id;
    if (!find_reported(c, db, id, &x->repository_id) ||
        !lanes_repo(db, c->mem, x->repository_id, &repo, &found, &c->err) ||
        !call_masks(c, db, x->repository_id, x->mask))
        return false;
    x->workspace_id = repo.workspace_id;
    return true;
}

/* What the runner says, without what must not be kept, whether or not it took care itself. */
static str callback_fact(struct call *c, const struct callback *x)
{
    static const char *const texts[] = { "status", "error" };
    struct json metadata = json_get(c->body, STR("metadata"));
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, (size_t)CALLBACK_BYTES_MAX * 8);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("run"), x->id);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        json_field_str(&w, str_of(texts[i]),
                       mask_text(c->mem, x->mask,
                                 json_str(json_get(c->body, str_of(texts[i])), c->mem)));
    if (json_kind(metadata) == JSON_OBJECT)
        json_field_raw(&w, STR("metadata"), mask_json(c->mem, x->mask, metadata));
    json_end_object(&w);
    return buf_str(&b);
}

enum outcome api_callback(struct call *c)
{
    SCOPED(mask_set) struct mask_set masks = { 0 };
    struct callback x = { .mask = &masks };
    str note, id = c->path[3].ptr ? c->path[3] : c->path[0];
    if (!check_token(c, id) || !check_body(c))
        return FAILED;
    c->who.name = STR("runner");
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = read_callback(c, db, id, &x);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    enum outcome o =
        call_fact(c, x.repository_id, "callback", callback_fact(c, &x), &note);
    return shown(c, o, note, x.workspace_id, 200);
}
