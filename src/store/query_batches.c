#include <endian.h>
#include <stdlib.h>

#include "base/pack.h"
#include "domain/batch.h"
#include "store/budget.h"
#include "store/holds.h"
#include "store/query_inside.h"

enum { EDGES_BYTES_MAX = BATCH_EDGES_MAX * 8, NODE_COLUMNS = 18, NODES_READ_MAX = 100000 };

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

/* A node without a row is as it was made: inert for good, or waiting. */
static bool batch_counts(struct db *db, struct arena *mem, const struct db_rows *b, size_t row,
                         struct json_out *w, struct err *e)
{
    struct db_rows r;
    int64_t seq = row_i64(b, row, 0), nodes = row_i64(b, row, 14),
            inert = nodes - row_i64(b, row, 15);
    int64_t by_state[NODE_STATE_COUNT] = { 0 }, untouched = nodes;
    enum node_state state;
    if (row_str(b, row, 33).len) {
        json_field_raw(w, STR("counts"), row_str(b, row, 33));
        return true;
    }
    if (!db_query(db, mem, e, &r,
                  "select state, count(*) from node where batch_seq = $1 group by state",
                  ARGS(A(seq))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        untouched -= row_i64(&r, i, 1);
        if (node_state_read(row_str(&r, i, 0), &state))
            by_state[state] = row_i64(&r, i, 1);
    }
    if (untouched > 0) {
        int64_t still = inert - by_state[NODE_INERT];
        by_state[NODE_INERT] += still;
        by_state[NODE_WAITING] += untouched - still;
    }
    json_key(w, STR("counts"));
    json_begin_object(w);
    for (int k = 0; k < NODE_STATE_COUNT; k++)
        if (by_state[k])
            json_field_i64(w, str_of(node_state_name((enum node_state)k)), by_state[k]);
    json_end_object(w);
    return true;
}

/* Why it is held, all reasons in one text; or null. */
static bool batch_held(struct db *db, struct arena *mem, const struct db_rows *b, size_t row,
                       struct json_out *w, struct err *e)
{
    struct hold_rows rows = { 0 };
    struct buf text;
    bool held = str_eq(row_str(b, row, 10), STR("held"));
    if (held && !holds_of(db, mem, row_i64(b, row, 0), &rows, e))
        return false;
    buf_init(&text, mem, 4096);
    for (size_t i = 0; i < rows.count; i++)
        if (!rows.at[i].lifted_ms) {
            buf_add(&text, text.len ? STR("; ") : STR(""));
            buf_add(&text, hold_text(mem, &rows.at[i].hold));
        }
    json_field_str(w, STR("heldText"), text.len ? buf_str(&text) : STR_NONE);
    return true;
}

/* Only for what runs: its nodes have to be read. `*nodes_left`: how many may be, for a whole page. */
static bool batch_expected(struct db *db, struct arena *mem, const struct query *q,
                           const struct db_rows *b, size_t row, int64_t *nodes_left,
                           struct json_out *w, struct err *e)
{
    struct drawn d;
    bool found = false;
    int64_t nodes = row_i64(b, row, 14), end_ms = 0;
    if (str_eq(row_str(b, row, 10), STR("running")) && nodes <= *nodes_left) {
        *nodes_left -= nodes;
        if (!drawn_read(db, mem, q, row_str(b, row, 1), &d, &found, e))
            return false;
        end_ms = found ? drawn_expected_end_ms(mem, &d, q->now_ms) : 0;
    }
    json_field_time(w, STR("expectedEndAt"), end_ms);
    return true;
}

static bool batch_standing(struct db *db, struct arena *mem, const struct query *q,
                           const struct db_rows *b, size_t row, int64_t *nodes_left,
                           struct json_out *w, struct err *e)
{
    batch_fields(w, b, row);
    return batch_counts(db, mem, b, row, w, e) && batch_held(db, mem, b, row, w, e) &&
           batch_expected(db, mem, q, b, row, nodes_left, w, e);
}

bool query_put_batches(struct db *db, struct arena *mem, const struct query *q,
                       const struct db_rows *r, size_t count, struct json_out *w, struct err *e)
{
    int64_t nodes_left = NODES_READ_MAX;
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        if (!batch_standing(db, mem, q, r, i, &nodes_left, w, e))
            return false;
        json_end_object(w);
    }
    return true;
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
    return query_put_batches(db, mem, q, &r, n, w, e);
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

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static bool count_files(struct db *db, struct arena *mem, int64_t seq, int64_t *files,
                        struct err *e)
{
    struct node_row *n;
    size_t count;
    if (!nodes_of(db, mem, seq, &n, &count, e))
        return false;
    str *file = arena_make(mem, str, count + 1);
    for (size_t i = 0; i < count; i++)
        file[i] = n[i].workflow;
    qsort(file, count, sizeof *file, by_text);
    *files = 0;
    for (size_t i = 0; i < count; i++)
        *files += file[i].len && (i == 0 || !str_eq(file[i], file[i - 1]));
    return true;
}

/* What it will cost, until the first run was sent. */
static bool batch_forecast(struct db *db, struct arena *mem, int64_t seq, int64_t now_ms,
                           struct json_out *w, struct err *e)
{
    struct db_rows r;
    struct budget_forecast f;
    int64_t files;
    json_key(w, STR("forecast"));
    if (!db_query(db, mem, e, &r,
                  "select r.installation_id, b.dispatchable from batch b join repository r on r.id "
                  "= b.repository_id where b.seq = $1 and b.started_ms is null and b.state <> "
                  "'ended' and r.installation_id is not null",
                  ARGS(A(seq))))
        return false;
    if (r.count == 0) {
        json_put_raw(w, STR("null"));
        return true;
    }
    if (!count_files(db, mem, seq, &files, e) ||
        !budget_foresee(db, mem, row_i64(&r, 0, 0), row_i64(&r, 0, 1), files, now_ms, &f, e))
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
    bool ended = str_eq(row_str(&r, 0, 10), STR("ended"));
    int64_t nodes_left = INT64_MAX;
    bool ok = batch_standing(db, mem, q, &r, 0, &nodes_left, w, e) &&
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
    struct node_row *n;
    size_t nodes;
    if (!nodes_of(db, mem, seq, &n, &nodes, e))
        return false;
    *positions = arena_make(mem, int64_t, nodes + 1);
    *count = 0;
    for (size_t i = 0; i < nodes; i++)
        if (str_eq(n[i].stack, stack) && str_eq(n[i].component, component) &&
            (!workflow.len || str_eq(n[i].workflow, workflow)))
            (*positions)[(*count)++] = (int64_t)i;
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

void query_node_fields(struct json_out *w, int64_t position, const struct node_row *n, str run_url)
{
    json_field_i64(w, STR("position"), position);
    json_field_str(w, STR("stack"), text(n->stack));
    json_field_str(w, STR("component"), text(n->component));
    json_field_str(w, STR("workflow"), text(n->workflow));
    json_field_str(w, STR("state"), str_of(node_state_name(n->state)));
    json_field_str(w, STR("class"), n->run_class == RUN_PLAN ? STR("plan") : STR("apply"));
    json_field_i64(w, STR("level"), n->level);
    json_field_str(w, STR("inert"), text(n->inert));
    json_field_raw(w, STR("inputs"), n->inputs.len ? n->inputs : STR("null"));
    json_field_str(w, STR("guess"), text(n->guess));
    json_field_i64(w, STR("attempt"), n->attempt);
    json_field_str(w, STR("runId"), n->run_id.len ? n->run_id : STR_NONE);
    json_field_raw(w, STR("gate"), n->gate.len ? n->gate : STR("null"));
    json_field_i64(w, STR("expectedMs"), n->expected_ms);
    json_field_str(w, STR("errorCode"), text(n->error_code));
    json_field_str(w, STR("errorText"), text(n->error_text));
    json_field_time(w, STR("changedAt"), n->changed_ms);
    json_field_str(w, STR("runUrl"), run_url);
}

static void node_object(struct json_out *w, const struct db_rows *r, size_t i,
                        const struct parents *p)
{
    struct node_row n = { .stack = row_str(r, i, 1),      .component = row_str(r, i, 2),
                          .workflow = row_str(r, i, 3),   .run_class = row_i64(r, i, 5),
                          .level = row_i64(r, i, 6),      .inert = row_str(r, i, 7),
                          .inputs = row_str(r, i, 8),     .guess = row_str(r, i, 9),
                          .attempt = row_i64(r, i, 10),   .run_id = row_str(r, i, 11),
                          .gate = row_str(r, i, 12),      .expected_ms = row_i64(r, i, 13),
                          .error_code = row_str(r, i, 14), .error_text = row_str(r, i, 15),
                          .changed_ms = row_i64(r, i, 16) };
    (void)node_state_read(row_str(r, i, 4), &n.state);
    json_begin_object(w);
    query_node_fields(w, row_i64(r, i, 0), &n, row_null(r, i, 17) ? STR_NONE : row_str(r, i, 17));
    json_key(w, STR("waitsFor"));
    json_begin_array(w);
    for (size_t k = p->start[i]; k < p->start[i + 1]; k++)
        json_put_i64(w, p->parent[k]);
    json_end_array(w);
    json_end_object(w);
}

/* The columns of a node's row, for one that has none. */
static void made_row(struct db_value *to, int64_t position, const struct node_row *n)
{
    struct db_value row[NODE_COLUMNS] = {
        { .i = position },      { .s = n->stack },
        { .s = n->component },  { .s = n->workflow },
        { .s = str_of(node_state_name(n->state)) },
        { .i = n->run_class },  { .i = n->level },
        { .s = n->inert },      { .s = n->inputs },
        { .s = n->guess },      { .i = 0 },
        { .null = true },       { .s = STR("") },
        { .i = n->expected_ms }, { .s = STR("") },
        { .s = STR("") },       { .i = n->changed_ms },
        { .null = true },
    };
    memcpy(to, row, sizeof row);
}

/* What never changes stands in the packed piece alone. */
static void as_made(struct db_value *row, const struct node_row *n)
{
    row[6] = (struct db_value){ .i = n->level };
    row[7] = (struct db_value){ .s = n->inert };
    row[8] = (struct db_value){ .s = n->inputs };
    row[9] = (struct db_value){ .s = n->guess };
    row[13] = (struct db_value){ .i = n->expected_ms };
}

/* Nodes as they were made, and which of them have a row. */
struct made { struct node_row *node; size_t count; struct db_rows touched; int64_t from; };

static bool made_read(struct db *db, struct arena *mem, const struct query *q, int64_t seq,
                      struct made *m, struct err *e)
{
    int64_t after = query_after_i64(q, -1), last = INT64_MAX;
    *m = (struct made){ .from = after < 0 ? 0 : after < INT64_MAX ? after + 1 : after };
    if (!nodes_made(db, mem, seq, &m->node, &m->count, e))
        return false;
    if (m->count == 0)
        return true;
    if (!q->state.len && m->from <= (int64_t)m->count)
        last = m->from + q->limit;      /* a page of all has at most these */
    return db_query(db, mem, e, &m->touched,
                    "select position from node where batch_seq = $1 and position >= $2 and "
                    "position <= $3 order by position",
                    ARGS(A(seq), A(m->from), A(last)));
}

static int64_t next_untouched(const struct made *m, const struct query *q, int64_t at, size_t *t)
{
    for (; at < (int64_t)m->count; at++) {
        while (*t < m->touched.count && row_i64(&m->touched, *t, 0) < at)
            ++*t;
        if (*t < m->touched.count && row_i64(&m->touched, *t, 0) == at)
            continue;
        if (!q->state.len || str_eq(q->state, str_of(node_state_name(m->node[at].state))))
            return at;
    }
    return INT64_MAX;
}

/* A page of those with a row and those without; one that got its row just now is shown by that. */
static struct db_rows merge(struct arena *mem, const struct query *q, const struct made *m,
                            const struct db_rows *r)
{
    size_t most = (size_t)q->limit + 1, n = 0, i = 0, t = 0;
    struct db_value *out = arena_make(mem, struct db_value, most * NODE_COLUMNS);
    int64_t free_at = next_untouched(m, q, m->from, &t);
    while (n < most && (i < r->count || free_at < INT64_MAX)) {
        int64_t row_at = i < r->count ? row_i64(r, i, 0) : INT64_MAX;
        struct db_value *to = out + n++ * NODE_COLUMNS;
        if (row_at <= free_at) {
            memcpy(to, db_at(r, i++, 0), NODE_COLUMNS * sizeof *to);
            if (row_at < (int64_t)m->count)
                as_made(to, &m->node[row_at]);
        } else {
            made_row(to, free_at, &m->node[free_at]);
        }
        if (row_at >= free_at)
            free_at = next_untouched(m, q, free_at + 1, &t);
    }
    return (struct db_rows){ .count = n, .columns = NODE_COLUMNS, .values = out };
}

bool query_nodes(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows b, r;
    struct made m;
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
    if (!made_read(db, mem, q, row_i64(&b, 0, 0), &m, e) ||
        !db_query(db, mem, e, &r,
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
    if (m.count)
        r = merge(mem, q, &m, &r);
    size_t n = query_shown(q, &r, 0, mem, next);
    struct parents p = parents_of(mem, edges, &r, n, row_i64(&b, 0, 2));
    for (size_t i = 0; i < n; i++)
        node_object(w, &r, i, &p);
    return true;
}
