#include <endian.h>

#include "base/pack.h"
#include "domain/batch.h"
#include "store/budget.h"
#include "store/holds.h"
#include "store/query.h"
#include "store/rows.h"

enum { EDGES_BYTES_MAX = BATCH_EDGES_MAX * 8 };

/*
 * Read newest first by their key. The + keeps SQLite from choosing the index of the repository and
 * sorting everything.
 */
#define BATCH_SELECT                                                                               \
    "select b.seq, b.id, b.repository_id, r.owner || '/' || r.name, b.upload_id, b.event, "        \
    "b.activity, b.head_sha, b.base_sha, b.ref,"                                                   \
    " b.state, b.verdict, b.error, b.actor, b.node_count, b.dispatchable, b.cancelled, "           \
    "b.superseded_by, b.created_ms, b.started_ms,"                                                 \
    " b.ended_ms, b.updated_ms, c.id, c.kind, c.key, c.number, c.title, c.author, c.url, "         \
    "c.state, c.head_sha, c.head_ref, c.base_ref"                                                  \
    " from batch b join repository r on r.id = +b.repository_id left join change c on c.id = "     \
    "b.change_id"

static void change_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    static const char *const names[] = {"id",  "kind",  "key",     "number",  "title",  "author",
                                        "url", "state", "headSha", "headRef", "baseRef"};
    json_key(w, STR("change"));
    if (row_null(r, i, 22)) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        if (k == 0 || k == 3)
            query_i64(w, names[k], db_at(r, i, 22 + k));
        else
            query_str(w, names[k], db_at(r, i, 22 + k));
    json_end_object(w);
}

static void batch_fields(struct json_out *w, const struct db_rows *r, size_t i)
{
    static const char *const texts[] = {"uploadId", "event", "activity", "headSha", "baseSha",
                                        "ref",      "state", "verdict",  "error",   "actor"};
    query_str(w, "id", db_at(r, i, 1));
    query_i64(w, "repositoryId", db_at(r, i, 2));
    query_str(w, "repository", db_at(r, i, 3));
    change_object(w, r, i);
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
        query_str(w, texts[k], db_at(r, i, 4 + k));
    query_i64(w, "nodeCount", db_at(r, i, 14));
    query_i64(w, "dispatchable", db_at(r, i, 15));
    json_field_bool(w, STR("cancelled"), row_bool(r, i, 16));
    query_str(w, "supersededBy", db_at(r, i, 17));
    query_time(w, "createdAt", db_at(r, i, 18));
    query_time(w, "startedAt", db_at(r, i, 19));
    query_time(w, "endedAt", db_at(r, i, 20));
    query_time(w, "updatedAt", db_at(r, i, 21));
}

bool query_batches(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            BATCH_SELECT " where r.workspace_id = $1 and ($2 = 0 or +b.repository_id = $2) and "
                         "b.seq < $3 and ($4 = '' or b.state = $4) and ($5 = '' or b.head_sha = "
                         "$5) and ($6 = '' or c.key = $6) order by b.seq desc limit $7",
            ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, INT64_MAX)),
                 A(text(q->state)), A(text(q->head_sha)), A(text(q->change)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        batch_fields(w, &r, i);
        json_end_object(w);
    }
    return true;
}

static bool batch_counts(struct db *db, struct arena *mem, int64_t seq, struct json_out *w,
                         struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "select state, count(*) from node where batch_seq = $1 group by state order by state",
            ARGS(A(seq))))
        return false;
    json_key(w, STR("counts"));
    json_begin_object(w);
    for (size_t i = 0; i < r.count; i++)
        json_field_i64(w, row_str(&r, i, 0), row_i64(&r, i, 1));
    json_end_object(w);
    return true;
}

/* Who let it go, and what had held it. */
static void batch_released(struct arena *mem, const struct hold_rows *rows, struct json_out *w)
{
    json_key(w, STR("released"));
    json_begin_array(w);
    for (size_t i = 0; i < rows->count; i++) {
        const struct hold_row *r = &rows->at[i];
        if (!hold_row_released(r))
            continue;
        json_begin_object(w);
        json_field_str(w, STR("kind"), str_of(hold_rule(r->hold.kind)->name));
        json_field_str(w, STR("text"), hold_named_text(mem, &r->hold));
        json_field_str(w, STR("by"), r->lifted_by);
        json_field_time(w, STR("at"), r->lifted_ms);
        json_field_raw(w, STR("numbers"), hold_json(mem, &r->hold));
        json_end_object(w);
    }
    json_end_array(w);
}

/* What stands in its way, with the words that check and comment use. */
static bool batch_holds(struct db *db, struct arena *mem, int64_t seq, bool ended,
                        struct json_out *w, struct err *e)
{
    struct hold_rows rows = { 0 };
    if (!holds_of(db, mem, seq, &rows, e))
        return false;
    batch_released(mem, &rows, w);
    json_key(w, STR("holds"));
    json_begin_array(w);
    for (size_t i = 0; i < rows.count; i++) {
        const struct hold *h = &rows.at[i].hold;
        if (ended || rows.at[i].lifted_ms)
            continue;
        json_begin_object(w);
        json_field_str(w, STR("kind"), str_of(hold_rule(h->kind)->name));
        json_field_str(w, STR("text"), hold_text(mem, h));
        json_field_str(w, STR("wayOut"), hold_way_out(mem, h));
        json_field_str(w, STR("control"), hold_control(mem, h));
        json_field_time(w, STR("since"), h->since_ms);
        json_field_time(w, STR("until"), h->until_ms);
        json_field_raw(w, STR("numbers"), hold_json(mem, h));
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

/* What it will cost, until the first run was sent. */
static bool batch_forecast(struct db *db, struct arena *mem, int64_t seq, int64_t now_ms,
                           struct json_out *w, struct err *e)
{
    struct db_rows r;
    struct budget_forecast f;
    json_key(w, STR("forecast"));
    if (!db_query(db, mem, e, &r,
                  "select r.installation_id, b.dispatchable, (select count(distinct workflow) from "
                  "node n where n.batch_seq = b.seq) from batch b join repository r on r.id = "
                  "b.repository_id where b.seq = $1 and b.started_ms is null and b.state <> 'ended' "
                  "and r.installation_id is not null",
                  ARGS(A(seq))))
        return false;
    if (r.count == 0) {
        json_put_raw(w, STR("null"));
        return true;
    }
    if (!budget_foresee(db, mem, row_i64(&r, 0, 0), row_i64(&r, 0, 1), row_i64(&r, 0, 2), now_ms,
                        &f, e))
        return false;
    json_begin_object(w);
    json_field_i64(w, STR("writes"), f.writes);
    json_field_i64(w, STR("reads"), f.reads);
    json_field_i64(w, STR("paceMs"), f.pace_ms);
    json_field_i64(w, STR("windows"), f.windows);
    json_key(w, STR("remainingAfter"));
    if (f.remaining_after < 0)
        json_put_raw(w, STR("null"));
    else
        json_put_i64(w, f.remaining_after);
    json_field_str(w, STR("text"), budget_forecast_text(mem, &f));
    json_end_object(w);
    return true;
}

bool query_batch(struct db *db, struct arena *mem, const struct query *q, str id,
                 struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  BATCH_SELECT " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    json_begin_object(w);
    batch_fields(w, &r, 0);
    bool ended = str_eq(row_str(&r, 0, 10), STR("ended"));
    bool ok = batch_counts(db, mem, row_i64(&r, 0, 0), w, e) &&
              batch_forecast(db, mem, row_i64(&r, 0, 0), q->now_ms, w, e) &&
              batch_holds(db, mem, row_i64(&r, 0, 0), ended, w, e);
    json_end_object(w);
    return ok;
}

bool query_batch_key(struct db *db, struct arena *mem, const struct query *q, str id, int64_t *seq,
                     int64_t *repository_id, int64_t *nodes, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.seq, b.repository_id, b.node_count from batch b join repository r on "
                  "r.id = b.repository_id"
                  " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (*found) {
        *seq = row_i64(&r, 0, 0);
        *repository_id = row_i64(&r, 0, 1);
        *nodes = row_i64(&r, 0, 2);
    }
    return true;
}

bool query_batch_positions(struct db *db, struct arena *mem, int64_t seq, str stack, str component,
                           str workflow, int64_t **positions, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select position from node where batch_seq = $1 and stack = $2 and component = "
                  "$3 and ($4 = '' or workflow = $4)"
                  " order by position",
                  ARGS(A(seq), A(stack), A(component), A(text(workflow)))))
        return false;
    *positions = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*positions)[i] = row_i64(&r, i, 0);
    return true;
}

/* --- nodes --- */

/*
 * Parents of the nodes [from, from + count), as lists in one array: start[i] … start[i + 1] of
 * `parent`.
 */
struct parents { size_t *start; uint32_t *parent; };

static struct parents parents_of(struct arena *mem, str edges, const struct db_rows *r,
                                 size_t count, int64_t nodes)
{
    struct parents p = {arena_make(mem, size_t, count + 2),
                        arena_make(mem, uint32_t, edges.len / 8 + 1)};
    uint32_t *slot = arena_make(mem, uint32_t, (size_t)nodes + 1);      /* position → row + 1 */
    for (size_t i = 0; i < count; i++)
        if (row_i64(r, i, 0) < nodes)
            slot[row_i64(r, i, 0)] = (uint32_t)i + 1;
    for (int fill = 0; fill < 2; fill++) {
        for (size_t k = 0; k + 8 <= edges.len; k += 8) {
            uint32_t ends[2];
            memcpy(ends, edges.ptr + k, 8);
            uint32_t child = le32toh(ends[1]), row = child < nodes ? slot[child] : 0;
            if (!row)
                continue;
            if (fill)
                p.parent[p.start[row]++] = le32toh(ends[0]);
            else
                p.start[row + 1]++;
        }
        /*
         * After counting: prefix sums, shifted by one so that filling moves each start to its end.
         */
        for (size_t i = 1; !fill && i <= count + 1; i++)
            p.start[i] += p.start[i - 1];
    }
    return p;
}

static void node_object(struct json_out *w, const struct db_rows *r, size_t i,
                        const struct parents *p)
{
    json_begin_object(w);
    query_i64(w, "position", db_at(r, i, 0));
    query_str(w, "stack", db_at(r, i, 1));
    query_str(w, "component", db_at(r, i, 2));
    query_str(w, "workflow", db_at(r, i, 3));
    query_str(w, "state", db_at(r, i, 4));
    json_field_str(w, STR("class"), row_i64(r, i, 5) == RUN_PLAN ? STR("plan") : STR("apply"));
    query_i64(w, "level", db_at(r, i, 6));
    query_str(w, "inert", db_at(r, i, 7));
    query_json(w, "inputs", db_at(r, i, 8));
    query_str(w, "guess", db_at(r, i, 9));
    query_i64(w, "attempt", db_at(r, i, 10));
    query_str(w, "runId", db_at(r, i, 11));
    query_json(w, "gate", db_at(r, i, 12));
    query_i64(w, "expectedMs", db_at(r, i, 13));
    query_str(w, "errorCode", db_at(r, i, 14));
    query_str(w, "errorText", db_at(r, i, 15));
    query_time(w, "changedAt", db_at(r, i, 16));
    query_str(w, "runUrl", db_at(r, i, 17));
    json_key(w, STR("waitsFor"));
    json_begin_array(w);
    for (size_t k = p->start[i]; k < p->start[i + 1]; k++)
        json_put_i64(w, p->parent[k]);
    json_end_array(w);
    json_end_object(w);
}

bool query_nodes(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows b, r;
    str edges;
    *next = STR("");
    if (!db_query(db, mem, e, &b,
                  "select b.seq, b.edges, b.node_count from batch b join repository r on r.id = "
                  "b.repository_id"
                  " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(q->batch_id))))
        return false;
    if (!b.count)
        return fail(e, ERR_NOT_FOUND, "there is no such batch");
    if (!db_query(db, mem, e, &r,
                  "select n.position, n.stack, n.component, n.workflow, n.state, n.run_class, "
                  "n.level, n.inert, n.inputs, n.guess, n.attempt, n.run_id, n.gate, "
                  "n.expected_ms, n.error_code, n.error_text, n.changed_ms, run.url from node n"
                  " left join run on run.id = n.run_id where n.batch_seq = $1 and n.position > $2 "
                  "and ($3 = '' or n.state = $3)"
                  " order by n.position limit $4",
                  ARGS(A(row_i64(&b, 0, 0)), A(query_after_i64(q, -1)), A(text(q->state)),
                       A(q->limit + 1))) ||
        !unpack(mem, row_str(&b, 0, 1), EDGES_BYTES_MAX, &edges, e))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    struct parents p = parents_of(mem, edges, &r, n, row_i64(&b, 0, 2));
    for (size_t i = 0; i < n; i++)
        node_object(w, &r, i, &p);
    return true;
}
