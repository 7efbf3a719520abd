/* One node whole, and what the CLI reported of a run. */
#include "base/pack.h"
#include "base/secret.h"
#include "domain/lock.h"
#include "store/query_inside.h"

enum { EXEC_BYTES_MAX = 64 << 20, OUTPUT_SHOWN = 256 << 10, LISTED_MAX = 500 };
#define EXEC_DATA_PREFIX "exd_"

/* ---- what the CLI reported ------------------------------------------------------------------- */

/* The executions of a run, oldest first, and of each the part that is about its instance. */
struct output { struct db_rows executions; struct json *part; str text; };

/* The data itself: inline, or stored before under the handle that stands at the end of the URL. */
static bool exec_data(struct db *db, struct arena *mem, int64_t repository_id, struct json data,
                      struct json *out, struct err *e)
{
    struct db_rows r;
    str plain;
    *out = data;
    if (json_kind(data) != JSON_STRING)
        return true;
    str id = str_after_last(json_str(data, mem), '/');
    *out = (struct json){ 0 };
    if (!str_starts(id, STR(EXEC_DATA_PREFIX)))
        return true;
    if (!db_query(db, mem, e, &r,
                  "select body from exec_data where id = $1 and repository_id = $2",
                  ARGS(A(id), A(repository_id))))
        return false;
    return r.count == 0 || (unpack(mem, row_str(&r, 0, 0), EXEC_BYTES_MAX, &plain, e) &&
                            json_parse(mem, plain, 0, out, e));
}

/* The entry of this instance; the only one there is, when it names none. */
static struct json part_of(struct arena *mem, struct json data, str stack, str component)
{
    struct json list = json_get(data, STR("components")), v, only = { 0 };
    struct json_iter it = json_iter(list);
    str key;
    while (json_next(&it, mem, &key, &v)) {
        str in = json_str(json_get(v, STR("stack")), mem),
            name = json_str(json_get(v, STR("component")), mem);
        if (str_eq(in, stack) && str_eq(name, component))
            return v;
        if (!in.len && !name.len && json_count(list) == 1)
            only = v;
    }
    return only;
}

static void add_log(struct arena *mem, struct buf *b, struct json part)
{
    str plain, log = json_str(json_get(part, STR("logs")), mem);
    if (!log.len || !base64_read(mem, log, &plain))
        return;
    buf_add(b, plain);
    if (plain.len && plain.ptr[plain.len - 1] != '\n')
        buf_char(b, '\n');
}

static bool output_read(struct db *db, struct arena *mem, str run_id, int64_t repository_id,
                        str stack, str component, struct output *out, struct err *e)
{
    struct buf b;
    struct json body, data;
    str plain;
    if (!db_query(db, mem, e, &out->executions,
                  "select execution_id, command, exit_code, received_ms, body from exec_record "
                  "where run_id = $1 order by received_ms, execution_id",
                  ARGS(A(run_id))))
        return false;
    size_t n = out->executions.count;
    out->part = arena_make(mem, struct json, n + 1);
    buf_init(&b, mem, EXEC_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!unpack(mem, row_str(&out->executions, i, 4), EXEC_BYTES_MAX, &plain, e) ||
            !json_parse(mem, plain, 0, &body, e) ||
            !exec_data(db, mem, repository_id, json_get(body, STR("data")), &data, e))
            return false;
        out->part[i] = part_of(mem, data, stack, component);
        add_log(mem, &b, out->part[i]);
    }
    out->text = buf_str(&b);
    return true;
}

static void put_texts(struct arena *mem, struct json_out *w, const char *name,
                      const struct output *o)
{
    size_t listed = 0;
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < o->executions.count; i++) {
        struct json v;
        str key;
        for (struct json_iter it = json_iter(json_get(o->part[i], str_of(name)));
             json_next(&it, mem, &key, &v);)
            if (json_kind(v) == JSON_STRING && listed++ < LISTED_MAX)
                json_put_str(w, json_str(v, mem));
    }
    json_end_array(w);
}

static void put_changes(struct arena *mem, struct json_out *w, const struct output *o)
{
    size_t listed = 0;
    json_key(w, STR("changes"));
    json_begin_array(w);
    for (size_t i = 0; i < o->executions.count; i++) {
        struct json v;
        str key;
        for (struct json_iter it = json_iter(json_get(o->part[i], STR("changes")));
             json_next(&it, mem, &key, &v);) {
            str action = json_str(json_get(v, STR("action")), mem);
            str address = json_str(json_get(v, STR("address")), mem);
            if (listed++ >= LISTED_MAX)
                continue;
            json_begin_object(w);
            json_field_str(w, STR("action"), action.ptr ? action : STR(""));
            json_field_str(w, STR("address"), address.ptr ? address : STR(""));
            json_end_object(w);
        }
    }
    json_end_array(w);
}

/* The end of a text, from the beginning of a line of it. */
static str tail(str s, size_t max)
{
    if (s.len <= max)
        return s;
    str t = str_sub(s, s.len - max, s.len);
    size_t line = str_find(t, '\n', 0);
    return line < t.len ? str_sub(t, line + 1, t.len) : t;
}

static void put_output(struct arena *mem, struct json_out *w, const struct output *o)
{
    str shown = tail(o->text, OUTPUT_SHOWN);
    json_key(w, STR("output"));
    if (o->executions.count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    json_field_str(w, STR("text"), shown.ptr ? shown : STR(""));
    json_field_i64(w, STR("bytes"), (int64_t)o->text.len);
    json_field_bool(w, STR("cut"), shown.len < o->text.len);
    json_key(w, STR("executions"));
    json_begin_array(w);
    for (size_t i = 0; i < o->executions.count; i++) {
        json_begin_object(w);
        query_str(w, "executionId", db_at(&o->executions, i, 0));
        query_str(w, "command", db_at(&o->executions, i, 1));
        query_i64(w, "exitCode", db_at(&o->executions, i, 2));
        query_time(w, "receivedAt", db_at(&o->executions, i, 3));
        json_end_object(w);
    }
    json_end_array(w);
    put_texts(mem, w, "warnings", o);
    put_texts(mem, w, "errors", o);
    put_changes(mem, w, o);
    json_end_object(w);
}

bool query_run_output(struct db *db, struct arena *mem, const struct query *q, str id, str *text,
                      bool *found, struct err *e)
{
    struct db_rows r;
    struct output o;
    *text = STR("");
    if (!db_query(db, mem, e, &r,
                  "select run.repository_id, run.stack, run.component from run join repository r "
                  "on r.id = run.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) "
                  "and run.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    if (!output_read(db, mem, id, row_i64(&r, 0, 0), row_str(&r, 0, 1), row_str(&r, 0, 2), &o, e))
        return false;
    *text = o.text;
    return true;
}

/* ---- the node -------------------------------------------------------------------------------- */

static bool put_runs(struct db *db, struct arena *mem, const struct query *q,
                     const struct drawn *d, int64_t position, struct json_out *w, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT " where run.batch_seq = $1 and run.position = $2 order by run.attempt "
                             "desc limit 100",
                  ARGS(A(d->seq), A(position))))
        return false;
    json_key(w, STR("runs"));
    json_begin_array(w);
    for (size_t i = 0; i < r.count; i++) {
        struct output o = { 0 };
        if (!output_read(db, mem, row_str(&r, i, 0), d->repository_id, row_str(&r, i, 6),
                         row_str(&r, i, 7), &o, e))
            return false;
        json_begin_object(w);
        query_run_fields(w, &r, i, q->now_ms);
        put_output(mem, w, &o);
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

/* A live run of the same instance that is not of this node. */
static bool put_in_the_way(struct db *db, struct arena *mem, const struct drawn *d,
                           int64_t position, struct json_out *w, struct err *e)
{
    const struct node_row *n = &d->node[position];
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select run.id, b.id, run.position, run.workflow, run.state, run.url from run "
                  "join batch b on b.seq = run.batch_seq where run.repository_id = $1 and run.stack "
                  "= $2 and run.component = $3 and run.ended_ms is null and (run.batch_seq <> $4 or "
                  "run.position <> $5) order by run.created_ms limit 1",
                  ARGS(A(d->repository_id), A(text(n->stack)), A(text(n->component)), A(d->seq),
                       A(position))))
        return false;
    json_key(w, STR("inTheWay"));
    if (!r.count) {
        json_put_null(w);
        return true;
    }
    json_begin_object(w);
    query_str(w, "runId", db_at(&r, 0, 0));
    query_str(w, "batchId", db_at(&r, 0, 1));
    query_i64(w, "position", db_at(&r, 0, 2));
    query_str(w, "workflow", db_at(&r, 0, 3));
    query_str(w, "state", db_at(&r, 0, 4));
    query_str(w, "url", db_at(&r, 0, 5));
    json_end_object(w);
    return true;
}

static void put_neighbours(struct json_out *w, const struct drawn *d, int64_t position,
                           bool children)
{
    json_key(w, children ? STR("children") : STR("waitsFor"));
    json_begin_array(w);
    for (size_t i = 0; i < d->edge_count; i++) {
        uint32_t here = children ? d->edge[i].parent : d->edge[i].child;
        if (here == position)
            json_put_i64(w, children ? d->edge[i].child : d->edge[i].parent);
    }
    json_end_array(w);
}

bool query_node(struct db *db, struct arena *mem, const struct query *q, str id,
                struct json_out *w, bool *found, struct err *e)
{
    struct drawn d;
    int64_t at;
    if (!drawn_read(db, mem, q, id, &d, found, e) || !*found)
        return e->code == ERR_NONE;
    if (!str_to_i64(q->part, 0, (int64_t)d.count - 1, &at))
        return fail(e, ERR_NOT_FOUND,
                    "the batch has no node " PRI_STR ": it has %zu, counted from 0",
                    FMT_STR(str_sub(q->part, 0, 20)), d.count);
    const struct node_row *n = &d.node[at];
    str reason = node_reason(mem, n->state, n->inert, n->gate, n->error_text);
    json_begin_object(w);
    query_node_fields(w, at, n, d.took[at].run_id.len ? d.took[at].url : STR_NONE);
    put_neighbours(w, &d, at, false);
    put_neighbours(w, &d, at, true);
    json_field_str(w, STR("batchId"), d.id);
    json_field_i64(w, STR("repositoryId"), d.repository_id);
    json_field_str(w, STR("repository"), d.repository);
    json_field_str(w, STR("command"), drawn_command(&d, (size_t)at));
    json_field_str(w, STR("reason"), reason.len ? reason : STR_NONE);
    json_key(w, STR("lock"));
    bool ok = query_put_lock(db, mem, q, lock_key_of(mem, d.owner, d.name, n->stack, n->component),
                             w, e) &&
              put_in_the_way(db, mem, &d, at, w, e) && put_runs(db, mem, q, &d, at, w, e);
    json_end_object(w);
    return ok;
}
