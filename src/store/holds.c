#include "store/holds.h"

#include "store/rows.h"

bool holds_of(struct db *db, struct arena *mem, int64_t batch_seq, struct hold_rows *out,
              struct err *e)
{
    struct db_rows r;
    struct hold_row read[HOLD_KIND_COUNT];
    bool has[HOLD_KIND_COUNT] = { false };
    if (!db_query(db, mem, e, &r,
                  "select kind, numbers, since_ms, lifted_ms, lifted_by, lifted_from from hold "
                  "where batch_seq = $1",
                  ARGS(A(batch_seq))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        struct hold_row row = {.lifted_ms = row_i64(&r, i, 3),
                               .lifted_by = row_str(&r, i, 4),
                               .lifted_from = row_str(&r, i, 5)};
        if (!hold_read(mem, row_str(&r, i, 0), row_str(&r, i, 1), row_i64(&r, i, 2), &row.hold))
            continue;                   /* of a newer version */
        read[row.hold.kind] = row;
        has[row.hold.kind] = true;
    }
    out->count = 0;
    for (int k = 0; k < HOLD_KIND_COUNT; k++)
        if (has[k])
            out->at[out->count++] = read[k];
    return true;
}

bool hold_row_released(const struct hold_row *r)
{
    return r->lifted_ms && r->lifted_by.len && !str_eq(r->lifted_by, STR("signalbox"));
}

bool holds_put(struct db *db, struct arena *mem, int64_t batch_seq, const struct hold *h,
               struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into hold (batch_seq, kind, numbers, since_ms, until_ms) values ($1, $2, "
                   "$3, $4, $5) on conflict (batch_seq, kind) do update set numbers = "
                   "excluded.numbers, until_ms = excluded.until_ms, since_ms = case when "
                   "hold.lifted_ms is null then hold.since_ms else excluded.since_ms end, lifted_ms "
                   "= null, lifted_by = null, lifted_from = null",
                   ARGS(A(batch_seq), A(str_of(hold_rule(h->kind)->name)), A(hold_json(mem, h)),
                        A(h->since_ms), A(h->until_ms)));
}

bool holds_lifted(struct db *db, int64_t batch_seq, enum hold_kind kind, str by, str from,
                  int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update hold set lifted_ms = $3, lifted_by = $4, lifted_from = $5 where "
                   "batch_seq = $1 and kind = $2 and lifted_ms is null",
                   ARGS(A(batch_seq), A(str_of(hold_rule(kind)->name)), A(now_ms), A(text(by)),
                        A(text(from))));
}

bool holds_resumed(struct db *db, int64_t change_id, str by, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update hold set lifted_by = $2 where kind = 'rapid_push' and lifted_ms = $3 and "
                   "batch_seq in (select seq from batch where change_id = $1)",
                   ARGS(A(change_id), A(text(by)), A(now_ms)));
}

bool holds_by_parts(struct db *db, int64_t batch_seq, struct err *e)
{
    return db_exec(db, e, NULL, "update batch set by_parts = 1 where seq = $1", ARGS(A(batch_seq)));
}

bool holds_over(struct db *db, int64_t batch_seq, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update hold set lifted_ms = $2, lifted_by = 'signalbox', lifted_from = "
                   "'signalbox' where batch_seq = $1 and lifted_ms is null",
                   ARGS(A(batch_seq), A(now_ms)));
}

bool pauses_get(struct db *db, struct arena *mem, int64_t change_id, struct pause_row *out,
                struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select paused_ms, resumed_ms from change where id = $1",
                  ARGS(A(change_id))))
        return false;
    *out = (struct pause_row){ 0 };
    if (r.count)
        *out = (struct pause_row){ row_i64(&r, 0, 0), row_i64(&r, 0, 1) };
    return true;
}

bool pauses_save(struct db *db, int64_t change_id, const struct pause_row *p, struct err *e)
{
    return db_exec(db, e, NULL, "update change set paused_ms = $2, resumed_ms = $3 where id = $1",
                   ARGS(A(change_id), A(p->paused_ms), A(p->resumed_ms)));
}

bool pauses_pushes(struct db *db, struct arena *mem, int64_t change_id, int64_t since_ms,
                   size_t max, int64_t **at_ms, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select at_ms from change_event where change_id = $1 and activity = 'synchronize' "
                  "and at_ms > $2 order by id desc limit $3",
                  ARGS(A(change_id), A(since_ms), A((int64_t)max))))
        return false;
    *at_ms = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*at_ms)[i] = row_i64(&r, i, 0);
    return true;
}
