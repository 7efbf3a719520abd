/*
 * POST /instances (atmos-pro.md §4.4, §13): the inventory of a repository; and PATCH …/instances
 * (§4.5): the result of one run.
 */
#include "api/uploads.h"

#include "base/pack.h"
#include "base/rfc3339.h"
#include "domain/lock.h"
#include "domain/command.h"
#include "domain/pro.h"
#include "store/audit.h"
#include "store/instances.h"

enum { NAME_BYTES_MAX = 1024, ITEMS_MAX = 200000, ORPHAN_CLI_MAJOR = 1, ORPHAN_CLI_MINOR = 221 };

struct inventory {
    struct upload_call   u;
    struct instance_new *row;
    size_t               count;
    bool                 may_orphan;        /* as far as session and CLI go */
    int64_t              orphaned;
    /* too few of them to be the whole: nothing was orphaned */
    bool                 shrunk;
};

/* "atmos/1.221.0 (linux; amd64)" */
static bool cli_is_new(struct call *c)
{
    str agent = http_header_get(c->request, STR("User-Agent")), rest, minor_text, patch;
    int64_t major, minor;
    if (!str_starts(agent, STR("atmos/")))
        return false;
    str version = str_cut(str_sub(agent, 6, agent.len), ' ', &rest);
    if (str_starts(version, STR("v")))
        version = str_sub(version, 1, version.len);
    str major_text = str_cut(version, '.', &minor_text);
    return str_to_i64(major_text, 0, 1000, &major) &&
           str_to_i64(str_cut(minor_text, '.', &patch), 0, 100000, &minor) &&
           (major > ORPHAN_CLI_MAJOR || (major == ORPHAN_CLI_MAJOR && minor >= ORPHAN_CLI_MINOR));
}

static bool of_default_branch(struct call *c, const struct repository *r)
{
    str ref = json_str(json_get(c->who.claims, STR("ref")), c->mem);
    return str_eq(ref, arena_print(c->mem, "refs/heads/" PRI_STR, FMT_STR(r->default_branch)));
}

static void item_problem(struct call *c, size_t i, const char *what)
{
    (void)fail(&c->err, ERR_INVALID, "some of the instances cannot be read; nothing was stored");
    err_detail(&c->err, arena_print(c->mem, "instances[%zu]: %s", i, what).ptr);
}

static bool name_ok(str s)
{
    if (!s.len || s.len > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return true;
}

static void read_item(struct inventory *x, size_t i, struct json v)
{
    struct call *c = x->u.call;
    struct json settings = json_get(v, STR("settings")), pro = json_get(settings, STR("pro"));
    struct instance_new *row = &x->row[x->count];
    *row = (struct instance_new){.stack = json_str(json_get(v, STR("stack")), c->mem),
                                 .component = json_str(json_get(v, STR("component")), c->mem),
                                 .type = json_str(json_get(v, STR("component_type")), c->mem),
                                 .settings = json_kind(settings) == JSON_OBJECT ? json_raw(settings)
                                                                                : STR("{}"),
                                 .enabled = pro_enabled(pro),
                                 .drift_enabled = pro_drift_enabled(pro)};
    if (!name_ok(row->stack) || !name_ok(row->component)) {
        item_problem(
            c, i,
            "stack and component must be texts of 1 to 1024 bytes without control characters");
        return;
    }
    if (row->type.len && !name_ok(row->type)) {
        item_problem(c, i, "component_type has a control character");
        return;
    }
    if (row->drift_enabled)
        (void)pro_drift_check(c->mem, row->stack, row->component, pro, &c->err);
    x->count++;
}

/* §13.5: the whole upload is refused for one that is wrong. */
static bool read_items(struct inventory *x, const str *part, size_t parts)
{
    struct call *c = x->u.call;
    size_t total = 0, i = 0;
    struct json *doc = arena_make(c->mem, struct json, parts + 1);
    for (size_t k = 0; k < parts; k++) {
        if (!json_parse(c->mem, part[k], 0, &doc[k], &c->err))
            return false;
        total += json_count(doc[k]);
    }
    if (total > ITEMS_MAX)
        return fail(&c->err, ERR_INVALID, "an inventory has at most %d instances", ITEMS_MAX);
    x->row = arena_make(c->mem, struct instance_new, total + 1);
    x->count = 0;
    for (size_t k = 0; k < parts; k++) {
        struct json_iter it = json_iter(doc[k]);
        struct json v;
        str key;
        while (json_next(&it, c->mem, &key, &v))
            read_item(x, i++, v);
    }
    return c->err.code == ERR_NONE;
}

static bool inventory_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct inventory *x = arg;
    struct call *c = x->u.call;
    int64_t known = 0;
    bool gone = false;
    x->orphaned = 0;
    if (x->u.chunked && (!chunks_drop(db, &x->u.chunk, &gone, e) || gone)) {
        x->u.known = gone;
        return gone;
    }
    if (!instances_known(db, mem, x->u.repo.id, &known, e) ||
        !instances_put(db, mem, x->u.repo.id, x->row, x->count, c->now_ms, e))
        return false;
    /* §24 no. 12: less than half of what was known is more likely a filter than a clean-up. */
    x->shrunk = (int64_t)x->count * 2 < known;
    return !x->may_orphan || x->shrunk ||
           instances_orphan(db, x->u.repo.id, c->now_ms, &x->orphaned, e);
}

static enum outcome answer_inventory(struct inventory *x)
{
    struct json_out *w = &x->u.call->data;
    bool stored = x->u.complete || x->u.known;
    json_begin_object(w);
    json_field_i64(w, STR("received"), (int64_t)x->count);
    json_field_str(w, STR("state"), stored ? STR("stored") : STR("waiting_for_chunks"));
    if (stored)
        json_field_i64(w, STR("orphaned"), x->orphaned);
    if (stored && x->may_orphan && x->shrunk)
        json_field_str(w, STR("note"),
                       STR("less than half of the known instances were uploaded: none was marked "
                           "as orphaned"));
    json_end_object(w);
    return ANSWERED;
}

enum outcome api_instances(struct call *c)
{
    struct inventory *x = arena_make(c->mem, struct inventory, 1);
    x->u.call = c;
    if (!upload_begin(&x->u, "instances", "instances"))
        return FAILED;
    str mine = json_kind(x->u.items) == JSON_ARRAY ? json_raw(x->u.items) : STR("[]");
    if (!read_items(x, &mine, 1) || !upload_collect(&x->u))
        return FAILED;
    if (!x->u.complete || x->u.known)
        return answer_inventory(x);
    if (x->u.chunked && !read_items(x, x->u.part, x->u.parts))
        return FAILED;
    x->may_orphan =
        c->who.kind == CALLER_SESSION && cli_is_new(c) && of_default_branch(c, &x->u.repo);
    return engine_write_wait(c->api->config.engine, inventory_body, x, &c->err)
               ? answer_inventory(x)
               : FAILED;
}

/* --- the result of one run --- */

struct report {
    struct call        *call;
    struct repository   repo;
    str                 stack, component, command_text, legacy, last_run_text, metadata, counts;
    enum command        command;
    int64_t             exit_code, last_run_ms, lock_token;
    bool                has_exit, default_branch, older;
    struct instance_row instance;           /* texts: only inside the body */
    enum drift          drift;
    str                 status_now;         /* in call->mem */
};

static bool report_audit(struct report *x, struct db *db, struct arena *mem, enum drift before,
                         struct err *e)
{
    struct audit_entry a = {
        .workspace_id = x->repo.workspace_id,
        .repository_id = x->repo.id,
        .action = STR("instance.drift_status_updated"),
        .actor_type = x->call->who.type,
        .actor = x->call->who.name,
        .target_type = STR("instance"),
        .target = arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(x->instance.stack),
                              FMT_STR(x->instance.component)),
        .description = arena_print(mem, "%s → %s", drift_name(before), drift_name(x->drift))};
    return before == x->drift || audit_add(db, mem, &a, x->call->now_ms, e);
}

static str report_json(struct report *x, struct arena *mem)
{
    struct buf b;
    struct json_out w;
    struct call *c = x->call;
    buf_init(&b, mem, 4 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("repository"), x->repo.id);
    json_field_str(&w, STR("stack"), x->instance.stack);
    json_field_str(&w, STR("component"), x->instance.component);
    json_field_str(&w, STR("command"), x->command_text);
    json_key(&w, STR("exitCode"));
    if (x->has_exit)
        json_put_i64(&w, x->exit_code);
    else
        json_put_null(&w);
    json_field_str(&w, STR("status"), x->legacy);
    json_field_time(&w, STR("lastRun"), x->last_run_ms);
    if (x->metadata.len)
        json_field_raw(&w, STR("metadata"), x->metadata);
    if (x->counts.len)
        json_field_raw(&w, STR("counts"), x->counts);
    json_field_raw(&w, STR("session"),
                   c->who.kind == CALLER_SESSION ? call_session_json(c) : STR("{}"));
    json_end_object(&w);
    return buf_str(&b);
}

/*
 * What makes a repeated report the same one: the bytes, and the attempt of the run that they come
 * from.
 */
static str report_key(struct report *x, struct arena *mem)
{
    struct call *c = x->call;
    str what = arena_print(mem, PRI_STR " " PRI_STR " " PRI_STR "/" PRI_STR " " PRI_STR,
                           FMT_STR(x->instance.stack), FMT_STR(x->instance.component),
                           FMT_STR(json_str(json_get(c->who.claims, STR("run_id")), mem)),
                           FMT_STR(json_str(json_get(c->who.claims, STR("run_attempt")), mem)),
                           FMT_STR(c->request->body));
    return arena_print(mem, "report:%lld:" PRI_STR, (long long)x->repo.id,
                       FMT_STR(sha256_hex(mem, what)));
}

/*
 * A result under an older token is refused: somebody else was given the instance since (fences; the
 * run's own, and that of a lock if it is named).
 */
static bool report_fenced(struct report *x, struct db *db, struct arena *mem, str run,
                          struct err *e)
{
    struct db_rows r;
    if (run.len) {
        if (!db_query(db, mem, e, &r,
                      "select run.fence, instance.fence from run join instance on instance.id = $2 "
                      "where run.id = $1",
                      ARGS(A(run), A(x->instance.id))))
            return false;
        if (r.count && db_at(&r, 0, 0)->i < db_at(&r, 0, 1)->i)
            return fail(e, ERR_CONFLICT,
                        "this run holds token %lld, but an apply under token %lld began since: its "
                        "result is refused",
                        (long long)db_at(&r, 0, 0)->i, (long long)db_at(&r, 0, 1)->i);
    }
    if (!x->lock_token)
        return true;
    str key =
        lock_key_of(mem, x->repo.owner, x->repo.name, x->instance.stack, x->instance.component);
    if (!db_query(db, mem, e, &r, "select token from lock where workspace_id = $1 and folded = $2",
                  ARGS(A(x->repo.workspace_id), A(key))))
        return false;
    if (r.count && db_at(&r, 0, 0)->i > x->lock_token)
        return fail(e, ERR_CONFLICT,
                    "the lock was given under token %lld since, not %lld: this result is refused",
                    (long long)db_at(&r, 0, 0)->i, (long long)x->lock_token);
    return true;
}

static bool report_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct report *x = arg;
    struct call *c = x->call;
    bool found;
    enum drift before = DRIFT_UNKNOWN;
    enum fact_fate fate;
    int64_t id;
    str run;
    if (!instances_find(db, mem, x->repo.id, x->stack, x->component, call_forge_run(c),
                        &x->instance, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_INSTANCE_UNKNOWN,
                    "there is no instance of component " PRI_STR " in stack " PRI_STR
                    ": upload the inventory with `atmos list instances --upload`",
                    FMT_STR(x->component), FMT_STR(x->stack));
    if (!instances_run(db, mem, x->repo.id, x->instance.stack, x->instance.component,
                       call_forge_run(c), &run, e) ||
        !report_fenced(x, db, mem, run, e))
        return false;
    (void)drift_read(x->instance.drift_status, &before);
    x->drift = drift_after(before, x->instance.drift_enabled, x->command, x->exit_code, x->legacy,
                           x->default_branch);
    struct instance_result r = {.drift_status = str_of(drift_name(x->drift)),
                                .command = str_of(command_name(x->command)),
                                .source = run.len ? run : STR("external"),
                                .has_exit = x->has_exit,
                                .exit_code = x->exit_code,
                                .run_ms = x->last_run_ms};
    struct fact_new f = {.lane = x->repo.id,
                         .kind = "report",
                         .key = report_key(x, mem),
                         .body = report_json(x, mem),
                         .actor = c->who.name,
                         .trace = c->trace};
    x->status_now = arena_copy(c->mem, x->instance.drift_status);
    if (!instances_report(db, x->instance.id, &r, c->now_ms, &x->older, e) ||
        (!x->older && !report_audit(x, db, mem, before, e)))
        return false;
    return engine_store_fact(c->api->config.engine, db, mem, &f, &fate, &id, e);
}

static bool read_report(struct report *x)
{
    struct call *c = x->call;
    struct json exit_code = json_get(c->body, STR("exit_code")),
                metadata = json_get(c->body, STR("metadata"));
    if (!read_text(c, "command", false, 200, &x->command_text) ||
        !read_text(c, "status", false, 40, &x->legacy) ||
        !read_text(c, "last_run", false, 64, &x->last_run_text) ||
        !read_int(c, "exit_code", INT32_MIN, INT32_MAX, false, &x->exit_code) ||
        !read_int(c, "lock_token", 1, INT64_MAX, false, &x->lock_token))
        return false;
    x->has_exit = json_present(exit_code);
    if (!x->command_text.len && !x->legacy.len)
        return fail(&c->err, ERR_INVALID,
                    "the report needs command and exit_code (or the older status)");
    if (x->command_text.len && !x->has_exit)
        return fail(&c->err, ERR_INVALID, "exit_code is missing");
    if (x->legacy.len && !str_eq(x->legacy, STR("in_sync")) && !str_eq(x->legacy, STR("drifted")))
        return fail(&c->err, ERR_INVALID, "status must be in_sync or drifted");
    x->command = command_read(x->command_text);
    if (x->command_text.len && x->command == COMMAND_UNKNOWN)
        return fail(&c->err, ERR_INVALID, "command must end in plan, apply, deploy or remediate");
    x->last_run_ms = c->now_ms;
    if (x->last_run_text.len && !rfc3339_read(x->last_run_text, &x->last_run_ms))
        return fail(&c->err, ERR_INVALID, "last_run is not a time like 2026-08-21T10:00:00Z");
    if (json_kind(metadata) == JSON_OBJECT)
        x->metadata = json_raw(metadata);
    if (json_kind(json_get(metadata, STR("resource_counts"))) == JSON_OBJECT)
        x->counts = json_raw(json_get(metadata, STR("resource_counts")));
    return true;
}

static enum outcome report_run(struct call *c, str stack, str component)
{
    struct report *x = arena_make(c->mem, struct report, 1);
    *x = (struct report){ .call = c, .stack = stack, .component = component };
    if (!stack.len || !component.len) {
        (void)fail(&c->err, ERR_INVALID, "the query must name stack and component");
        return FAILED;
    }
    if (!read_report(x))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_repository(c, db, c->path[0], c->path[1], &x->repo) &&
              call_permitted(c, db, x->repo.id);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    x->default_branch = c->who.kind == CALLER_TOKEN || of_default_branch(c, &x->repo);
    if (!engine_write_wait(c->api->config.engine, report_body, x, &c->err))
        return FAILED;
    engine_poke(c->api->config.engine, x->repo.id);
    json_begin_object(&c->data);
    json_field_i64(&c->data, STR("instanceId"), x->instance.id);
    json_field_str(&c->data, STR("driftStatus"),
                   x->older ? x->status_now : str_of(drift_name(x->drift)));
    json_end_object(&c->data);
    return ANSWERED;
}

enum outcome api_report(struct call *c)
{
    str stack, component;
    if (!query_text(c, "stack", &stack) || !query_text(c, "component", &component))
        return FAILED;
    return report_run(c, stack, component);
}

enum outcome api_report_old(struct call *c)
{
    call_header(c, STR("Deprecation"), STR("true"));
    return report_run(c, c->path[2], c->path[3]);
}
