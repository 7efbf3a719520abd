/*
 * POST /atmos/exec and /atmos/exec/data (atmos-pro.md §4.9, §4.10): what newer CLIs tell about
 * every execution.
 */
#include "api/call.h"

#include "base/pack.h"
#include "domain/mask.h"
#include "store/exec.h"

enum { EXEC_BYTES_MAX = 64 << 20, MASK_BYTES_FOR_ONE = 16 };

struct exec_call {
    struct call *call;
    struct repository repo;
    struct exec_new row;
    struct mask_set *mask;
    str data_id, packed;
};

static bool exec_repository(struct exec_call *x)
{
    struct call *c = x->call;
    str owner, name;
    if (!read_text(c, "repo_owner", false, 200, &owner) ||
        !read_text(c, "repo_name", false, 200, &name))
        return false;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = call_repository(c, db, owner, name, &x->repo) &&
              call_masks(c, db, x->repo.id, x->mask);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

/* Packed, without what must not be kept: a run says more than its workflow meant to. */
static str masked(struct exec_call *x, struct json v)
{
    size_t room = json_raw(v).len * MASK_BYTES_FOR_ONE + ((size_t)16 << 20);
    SCOPED(arena) struct arena *mem = arena_new(room, 2 * room);
    return pack(x->call->mem, mask_json_logs(mem, x->mask, v));
}

/* The first shape had no execution id: the bytes (or the chunk) are the identity. */
static bool exec_identity(struct exec_call *x)
{
    struct call *c = x->call;
    int64_t index = 0;
    str batch;
    if (!read_text(c, "execution_id", false, 100, &x->row.execution_id) ||
        !read_text(c, "batch_id", false, 100, &batch) ||
        !read_int(c, "batch_index", 0, INT32_MAX, false, &index))
        return false;
    if (!x->row.execution_id.len)
        x->row.execution_id =
            batch.len
                ? arena_print(c->mem, "batch:" PRI_STR ":%lld", FMT_STR(batch), (long long)index)
                : arena_print(c->mem, "body:" PRI_STR,
                              FMT_STR(sha256_hex(c->mem, c->request->body)));
    return true;
}

/*
 * A text is the handle that /atmos/exec/data gave; no other address is ever fetched, so no other is
 * taken.
 */
static bool check_data(struct call *c)
{
    struct json data = json_get(c->body, STR("data"));
    str prefix = arena_print(c->mem, PRI_STR "/api/v1/atmos/exec/data/exd_",
                             FMT_STR(c->api->config.public_url));
    if (!json_present(data) || json_kind(data) == JSON_OBJECT)
        return true;
    if (json_kind(data) == JSON_STRING && str_starts(json_str(data, c->mem), prefix))
        return true;
    return fail(&c->err, ERR_INVALID,
                "data must be an object, or the url that /atmos/exec/data answered");
}

static bool exec_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct exec_call *x = arg;
    struct call *c = x->call;
    struct buf b;
    struct json_out w;
    enum fact_fate fate;
    int64_t id;
    buf_init(&b, mem, 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("executionId"), x->row.execution_id);
    json_end_object(&w);
    struct fact_new f = {.lane = x->repo.id,
                         .kind = "exec",
                         .actor = c->who.name,
                         .trace = c->trace,
                         .body = buf_str(&b),
                         .key = arena_print(mem, "exec:%lld:" PRI_STR ":" PRI_STR,
                                            (long long)x->repo.id, FMT_STR(x->row.execution_id),
                                            FMT_STR(sha256_hex(mem, c->request->body)))};
    return exec_put(db, mem, &x->row, e) &&
           engine_store_fact(c->api->config.engine, db, mem, &f, &fate, &id, e);
}

enum outcome api_exec(struct call *c)
{
    SCOPED(mask_set) struct mask_set masks = { 0 };
    struct exec_call *x = arena_make(c->mem, struct exec_call, 1);
    x->call = c;
    x->mask = &masks;
    if (!read_text(c, "command", true, 4096, &x->row.command) ||
        !read_int(c, "exit_code", INT32_MIN, INT32_MAX, true, &x->row.exit_code) ||
        !read_text(c, "atmos_pro_run_id", false, 100, &x->row.run_id) || !exec_identity(x) ||
        !check_data(c) || !exec_repository(x))
        return FAILED;
    x->row.repository_id = x->repo.id;
    x->row.received_ms = c->now_ms;
    x->row.forge_run_id = call_forge_run(c);
    x->row.command = mask_text(c->mem, x->mask, x->row.command);
    x->row.body = masked(x, c->body);
    if (!engine_write_wait(c->api->config.engine, exec_body, x, &c->err))
        return FAILED;
    engine_poke(c->api->config.engine, x->repo.id);
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("executionId"), x->row.execution_id);
    json_end_object(&c->data);
    return ANSWERED;
}

static bool data_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct exec_call *x = arg;
    str id;
    if (!exec_data_add(db, mem, x->repo.id, x->row.execution_id, x->packed, x->call->now_ms, &id,
                       e))
        return false;
    x->data_id = arena_copy(x->call->mem, id);
    return true;
}

enum outcome api_exec_data(struct call *c)
{
    struct exec_call *x = arena_make(c->mem, struct exec_call, 1);
    struct json data = json_get(c->body, STR("data"));
    SCOPED(mask_set) struct mask_set masks = { 0 };
    x->call = c;
    x->mask = &masks;
    if (!json_present(data)) {
        (void)fail(&c->err, ERR_INVALID, "data is missing");
        return FAILED;
    }
    if (!read_text(c, "execution_id", false, 100, &x->row.execution_id) || !exec_repository(x))
        return FAILED;
    x->packed = masked(x, data);
    if (!engine_write_wait(c->api->config.engine, data_body, x, &c->err))
        return FAILED;
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, 4096);
    json_out_init(&w, &b);
    json_put_str(&w, arena_print(c->mem, PRI_STR "/api/v1/atmos/exec/data/" PRI_STR,
                                 FMT_STR(c->api->config.public_url), FMT_STR(x->data_id)));
    c->top = arena_print(c->mem, "\"url\":" PRI_STR, FMT_STR(buf_str(&b)));
    return ANSWERED;
}

enum outcome api_exec_read(struct call *c)
{
    str execution, packed, plain;
    bool found;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = exec_data_get(db, c->mem, c->who.workspace_id, c->who.repository_id, c->path[0],
                            &execution, &packed, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && !found)
        ok = fail(&c->err, ERR_NOT_FOUND, "there is no such data");
    if (!ok || !unpack(c->mem, packed, EXEC_BYTES_MAX, &plain, &c->err))
        return FAILED;
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("executionId"), execution);
    json_field_raw(&c->data, STR("data"), plain);
    json_end_object(&c->data);
    return ANSWERED;
}
