#include "api/uploads.h"

#include "base/log.h"
#include "base/pack.h"
#include "domain/graph.h"
#include "domain/text.h"
#include "base/id.h"

enum { SHA_BYTES_MAX = 200, RETRY_MS = 15 * 60 * 1000, PART_BYTES_MAX = 256 << 20 };

static bool read_chunk(struct upload_call *u, const char *kind)
{
    struct call *c = u->call;
    u->chunk =
        (struct chunk){.repository_id = u->repo.id, .kind = str_of(kind), .received_ms = c->now_ms};
    if (!read_text(c, "batch_id", false, 100, &u->chunk.transport_id))
        return false;
    u->chunked = u->chunk.transport_id.len > 0;
    if (!u->chunked) {
        if (json_present(json_get(c->body, STR("batch_total"))) ||
            json_present(json_get(c->body, STR("batch_index"))))
            return fail(&c->err, ERR_INVALID, "batch_index and batch_total need a batch_id");
        return true;
    }
    return read_int(c, "batch_total", 1, CHUNK_TOTAL_MAX, true, &u->chunk.total)
        && read_int(c, "batch_index", 0, u->chunk.total - 1, true, &u->chunk.position);
}

bool upload_begin(struct upload_call *u, const char *kind, const char *items_name)
{
    struct call *c = u->call;
    str owner, name;
    u->items_name = items_name;
    u->items = json_get(c->body, str_of(items_name));
    if (json_present(u->items) && json_kind(u->items) != JSON_ARRAY)
        return fail(&c->err, ERR_INVALID, "%s must be a list", items_name);
    if (json_kind(u->items) == JSON_ABSENT)
        return fail(&c->err, ERR_INVALID, "%s is missing", items_name);
    if (!read_text(c, "repo_owner", false, 200, &owner) ||
        !read_text(c, "repo_name", false, 200, &name))
        return false;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = call_repository(c, db, owner, name, &u->repo) && call_permitted(c, db, u->repo.id);
    engine_read_done(c->api->config.engine, db);
    return ok && read_chunk(u, kind);
}

static bool chunk_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct upload_call *u = arg;
    int64_t id;
    str body;
    /*
     * The answer to the last chunk was lost and it came again: its set is gone, but its fact is
     * there.
     */
    if (!facts_by_key(db, mem, u->key, 0, &id, &body, e))
        return false;
    u->known = id != 0;
    u->complete = false;
    return u->known || chunks_put(db, mem, &u->chunk, &u->complete, e);
}

static bool read_parts(struct upload_call *u)
{
    struct call *c = u->call;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = chunks_read(db, c->mem, &u->chunk, &u->part, &u->parts, &c->err);
    engine_read_done(c->api->config.engine, db);
    for (size_t i = 0; ok && i < u->parts; i++)
        ok = unpack(c->mem, u->part[i], PART_BYTES_MAX, &u->part[i], &c->err);
    if (ok && (int64_t)u->parts != u->chunk.total)      /* a second last chunk was faster */
        u->known = true;
    return ok;
}

bool upload_collect(struct upload_call *u)
{
    struct call *c = u->call;
    str plain = json_kind(u->items) == JSON_ARRAY ? json_raw(u->items) : STR("[]");
    if (!u->chunked) {
        u->complete = true;
        u->part = arena_make(c->mem, str, 1);
        u->part[0] = plain;
        u->parts = 1;
        return true;
    }
    u->chunk.body = pack(c->mem, plain);
    u->key = arena_print(c->mem, "upload:" PRI_STR ":%lld:" PRI_STR, FMT_STR(u->chunk.kind),
                         (long long)u->repo.id, FMT_STR(u->chunk.transport_id));
    if (!engine_write_wait(c->api->config.engine, chunk_body, u, &c->err))
        return false;
    return u->known || !u->complete || read_parts(u);
}

/* --- affected stacks --- */

struct affected {
    struct upload_call u;
    struct upload_new  row;
    bool               stored;
};

/* The graph's own reader is the check, so what is stored can be planned. */
static bool check_items(struct call *c, struct upload_new *row, const str *part, size_t parts)
{
    struct graph g;
    struct graph_builder *b = graph_begin(c->mem);
    for (size_t i = 0; i < parts; i++) {
        struct json v;
        if (!json_parse(c->mem, part[i], 0, &v, &c->err))
            return false;
        if (!graph_add(b, v, &c->err)) {
            if (c->err.code == ERR_LIMIT)
                /* smaller chunks would not help, which 413 says to the CLI */
                c->err.code = ERR_INVALID;
            return false;
        }
    }
    graph_finish(b, &g);
    row->instances = g.count;
    row->affected = 0;
    for (uint32_t i = 0; i < g.count; i++) {
        const struct instance *v = &g.instance[i];
        if (!text_clean(c, "a component's name", v->component) ||
            !text_clean(c, "a stack's name", v->stack))
            return false;
        row->affected += v->affected;
    }
    return true;
}

struct refused { const struct upload_new *row; str note; };

static bool refused_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    struct refused *x = arg;
    return uploads_add_refused(db, x->row, x->note, e);
}

/* What cannot be used is told to who sent it; people who wonder why nothing came find it, too. */
static void keep_refused(struct affected *x)
{
    struct call *c = x->u.call;
    struct err ignored = { 0 };
    struct upload_new row = {.id = id_new(c->mem, "upl_", c->now_ms),
                             .repository_id = x->u.repo.id,
                             .head_sha = x->row.head_sha,
                             .base_sha = x->row.base_sha,
                             .session = x->row.session,
                             .body = pack(c->mem, STR("[]")),
                             .received_ms = c->now_ms};
    str note = str_of(c->err.text);
    for (unsigned i = 0; i < c->err.details && i < 3; i++)
        note = arena_print(c->mem, PRI_STR "; %s", FMT_STR(note), c->err.detail[i]);
    struct refused r = { &row, text_plain(c->mem, note, 1000) };
    if (c->err.code == ERR_INVALID &&
        !engine_write_wait(c->api->config.engine, refused_body, &r, &ignored))
        log_warn("a refused upload could not be kept", LZ("why", ignored.text));
}

static str fact_key(struct affected *x, int64_t bucket)
{
    struct call *c = x->u.call;
    return arena_print(c->mem, "upload:affected:%lld:" PRI_STR ":" PRI_STR "/" PRI_STR ":%lld",
                       (long long)x->u.repo.id, FMT_STR(sha256_hex(c->mem, c->request->body)),
                       FMT_STR(json_str(json_get(c->who.claims, STR("run_id")), c->mem)),
                       FMT_STR(json_str(json_get(c->who.claims, STR("run_attempt")), c->mem)),
                       (long long)bucket);
}

/* A retry sends the same bytes within 15 minutes: this quarter's key, or the one before. */
static bool find_retry(struct affected *x, struct db *db, struct arena *mem, struct err *e)
{
    struct call *c = x->u.call;
    int64_t bucket = c->now_ms / RETRY_MS, id = 0;
    str body, plain;
    struct json v;
    x->u.known = false;
    for (int64_t back = 0; back < 2 && !id; back++)
        if (!facts_by_key(db, mem, fact_key(x, bucket - back), c->now_ms - RETRY_MS, &id, &body, e))
            return false;
    if (!id)
        return true;
    x->u.known = true;
    if (!unpack(mem, body, 4096, &plain, e) || !json_parse(mem, plain, 0, &v, e))
        return false;
    x->row.id = arena_copy(c->mem, json_str(json_get(v, STR("upload")), mem));
    return true;
}

static bool affected_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct affected *x = arg;
    struct call *c = x->u.call;
    enum fact_fate fate;
    bool gone = false;
    int64_t id;
    if (!x->u.chunked && (!find_retry(x, db, mem, e) || x->u.known))
        return x->u.known;
    if (x->u.chunked && (!chunks_drop(db, &x->u.chunk, &gone, e) || gone)) {
        x->u.known = gone;
        return gone;
    }
    x->row.id = id_new(c->mem, "upl_", c->now_ms);
    struct fact_new f = {.lane = x->u.repo.id,
                         .kind = "upload.affected",
                         .key = x->u.key,
                         .actor = c->who.name,
                         .trace = c->trace,
                         .body =
                             arena_print(mem, "{\"upload\":\"" PRI_STR "\"}", FMT_STR(x->row.id))};
    return uploads_add(db, mem, &x->row, e) &&
           engine_store_fact(c->api->config.engine, db, mem, &f, &fate, &id, e);
}

static void answer_received(struct call *c, str id, const char *state)
{
    json_begin_object(&c->data);
    json_key(&c->data, STR("id"));
    if (id.len)
        json_put_str(&c->data, id);
    else
        json_put_null(&c->data);
    json_field_str(&c->data, STR("state"), str_of(state));
    json_end_object(&c->data);
}

static str joined(struct arena *mem, const str *part, size_t parts)
{
    struct buf b;
    size_t total = 2;
    for (size_t i = 0; i < parts; i++)
        total += part[i].len + 1;
    buf_init(&b, mem, total + 1);
    buf_char(&b, '[');
    for (size_t i = 0; i < parts; i++) {
        if (i)
            buf_char(&b, ',');
        buf_add(&b, part[i]);
    }
    buf_char(&b, ']');
    return buf_str(&b);
}

static enum outcome store_affected(struct affected *x)
{
    struct call *c = x->u.call;
    if (x->u.known) {
        answer_received(c, STR(""), "duplicate");
        return ANSWERED;
    }
    if (!check_items(c, &x->row, x->u.part, x->u.parts)) {
        keep_refused(x);
        return FAILED;
    }
    x->row.repository_id = x->u.repo.id;
    x->row.body = pack(c->mem, joined(c->mem, x->u.part, x->u.parts));
    x->row.received_ms = c->now_ms;
    if (!x->u.chunked)
        x->u.key = fact_key(x, c->now_ms / RETRY_MS);
    if (!engine_write_wait(c->api->config.engine, affected_body, x, &c->err))
        return FAILED;
    if (!x->u.known)
        engine_poke(c->api->config.engine, x->u.repo.id);
    answer_received(c, x->row.id, x->u.known ? "duplicate" : "stored");
    return ANSWERED;
}

enum outcome api_affected(struct call *c)
{
    struct affected *x = arena_make(c->mem, struct affected, 1);
    x->u.call = c;
    if (!read_text(c, "head_sha", true, SHA_BYTES_MAX, &x->row.head_sha) ||
        !read_text(c, "base_sha", false, SHA_BYTES_MAX, &x->row.base_sha) ||
        !upload_begin(&x->u, "affected", "stacks"))
        return FAILED;
    x->row.session = c->who.kind == CALLER_SESSION ? call_session_json(c) : STR("{}");
    x->u.chunk.head_sha = x->row.head_sha;
    x->u.chunk.base_sha = x->row.base_sha;
    str mine = json_kind(x->u.items) == JSON_ARRAY ? json_raw(x->u.items) : STR("[]");
    /* a chunk that cannot be used is refused when it comes */
    if (x->u.chunked && !check_items(c, &x->row, &mine, 1)) {
        keep_refused(x);
        return FAILED;
    }
    if (!upload_collect(&x->u))
        return FAILED;
    if (!x->u.complete && !x->u.known) {
        answer_received(c, STR(""), "waiting_for_chunks");
        return ANSWERED;
    }
    return store_affected(x);
}
