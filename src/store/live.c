#include "store/live.h"

#include "domain/node_words.h"
#include "store/holds.h"
#include "store/rows.h"

bool live_repository(struct db *db, struct arena *mem, int64_t id, str *workspace_id, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select workspace_id from repository where id = $1", ARGS(A(id))))
        return false;
    *workspace_id = r.count ? row_str(&r, 0, 0) : STR_NONE;
    return true;
}

bool live_batch_place(struct db *db, struct arena *mem, int64_t seq, str *id,
                      int64_t *repository_id, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select id, repository_id from batch where seq = $1",
                  ARGS(A(seq))))
        return false;
    *id = r.count ? row_str(&r, 0, 0) : STR_NONE;
    *repository_id = r.count ? row_i64(&r, 0, 1) : 0;
    return true;
}

static bool batch_hold(struct db *db, struct arena *mem, int64_t seq, str *text, struct err *e)
{
    struct hold_rows rows = {0};
    struct buf b;
    if (!holds_of(db, mem, seq, &rows, e))
        return false;
    buf_init(&b, mem, 4096);
    for (size_t i = 0; i < rows.count; i++)
        if (!rows.at[i].lifted_ms) {
            buf_add(&b, b.len ? STR("; ") : STR(""));
            buf_add(&b, hold_text(mem, &rows.at[i].hold));
        }
    *text = buf_str(&b);
    return true;
}

/* A node without a row is as it was made: inert for good, or waiting. */
static void count_rest(struct live_batch *b, int64_t inert)
{
    int64_t rest = (int64_t)(b->nodes - b->count), still = inert - b->counts[NODE_INERT];
    if (rest <= 0)
        return;
    still = still < 0 ? 0 : still > rest ? rest : still;
    b->counts[NODE_INERT] += still;
    b->counts[NODE_WAITING] += rest - still;
}

bool live_batch_read(struct db *db, struct arena *mem, int64_t seq, struct live_batch *out,
                     struct err *e)
{
    struct db_rows b, r;
    *out = (struct live_batch){0};
    if (!db_query(db, mem, e, &b,
                  "select state, node_count, dispatchable from batch where seq = $1",
                  ARGS(A(seq))) ||
        !db_query(db, mem, e, &r,
                  "select n.position, n.state, n.inert, n.gate, n.error_text, n.attempt, n.run_id, "
                  "run.started_ms, run.ended_ms from node n left join run on run.id = n.run_id "
                  "where n.batch_seq = $1 order by n.position",
                  ARGS(A(seq))))
        return false;
    if (!b.count)
        return fail(e, ERR_NOT_FOUND, "there is no such batch");
    out->state = row_str(&b, 0, 0);
    out->nodes = (size_t)row_i64(&b, 0, 1);
    out->count = r.count;
    out->node = arena_make(mem, struct live_node, r.count + 1);
    for (size_t i = 0; i < r.count; i++) {
        enum node_state state;
        if (!node_state_read(row_str(&r, i, 1), &state))
            return fail(e, ERR_INTERNAL, "node %lld of batch %lld has an unknown state",
                        (long long)row_i64(&r, i, 0), (long long)seq);
        out->counts[state]++;
        out->node[i] = (struct live_node){
            .position = row_i64(&r, i, 0),
            .state = row_str(&r, i, 1),
            .reason =
                node_reason(mem, state, row_str(&r, i, 2), row_str(&r, i, 3), row_str(&r, i, 4)),
            .attempt = row_i64(&r, i, 5),
            .run_id = row_str(&r, i, 6),
            .started_ms = row_i64(&r, i, 7),
            .ended_ms = row_i64(&r, i, 8),
        };
    }
    count_rest(out, row_i64(&b, 0, 1) - row_i64(&b, 0, 2));
    return !str_eq(out->state, STR("held")) || batch_hold(db, mem, seq, &out->hold, e);
}
