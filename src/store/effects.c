#include "store/effects.h"

#include "store/rows.h"

bool effects_want(struct db *db, struct arena *mem, struct effect *f, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "insert into effect (lane, kind, key, body, not_before_ms, created_ms) values "
                  "($1, $2, $3, $4, $5, $6)"
                  " on conflict (lane, kind, key) where state = 0 do update set wanted = "
                  "effect.wanted + 1, body = excluded.body, not_before_ms = case when "
                  "excluded.not_before_ms < effect.not_before_ms and effect.attempts = 0 then "
                  "excluded.not_before_ms else effect.not_before_ms end"
                  " returning id, attempts, not_before_ms, wanted",
                  ARGS(A(f->lane), A(f->kind), A(f->key), A(text(f->body)), A(f->not_before_ms),
                       A(f->created_ms))))
        return false;
    f->id = row_i64(&r, 0, 0);
    f->attempts = row_i64(&r, 0, 1);
    f->not_before_ms = row_i64(&r, 0, 2);
    f->wanted = row_i64(&r, 0, 3);
    return true;
}

static struct effect effect_row(const struct db_rows *r, size_t i, int64_t lane)
{
    return (struct effect){.id = row_i64(r, i, 0),
                           .lane = lane,
                           .kind = row_str(r, i, 1),
                           .key = row_str(r, i, 2),
                           .body = row_str(r, i, 3),
                           .attempts = row_i64(r, i, 4),
                           .wanted = row_i64(r, i, 5),
                           .not_before_ms = row_i64(r, i, 6),
                           .created_ms = row_i64(r, i, 7)};
}

bool effects_get(struct db *db, struct arena *mem, int64_t id, struct effect *out, bool *open,
                 struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id, kind, key, body, attempts, wanted, not_before_ms, created_ms, lane, "
                  "state from effect where id = $1",
                  ARGS(A(id))))
        return false;
    if (r.count == 0)
        return fail(e, ERR_NOT_FOUND, "no effect %lld", (long long)id);
    *out = effect_row(&r, 0, row_i64(&r, 0, 8));
    *open = row_i64(&r, 0, 9) == 0;
    return true;
}

bool effects_due(struct db *db, struct arena *mem, int64_t lane, int64_t now_ms,
                 struct effect **out, size_t *count, int64_t *next_ms, struct err *e)
{
    struct db_rows r, n;
    if (!db_query(
            db, mem, e, &r,
            "select id, kind, key, body, attempts, wanted, not_before_ms, created_ms from effect"
            " where lane = $1 and state = 0 and not_before_ms <= $2 order by id",
            ARGS(A(lane), A(now_ms))) ||
        !db_query(db, mem, e, &n,
                  "select min(not_before_ms) from effect where lane = $1 and state = 0 and "
                  "not_before_ms > $2",
                  ARGS(A(lane), A(now_ms))))
        return false;
    *out = arena_make(mem, struct effect, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = effect_row(&r, i, lane);
    *next_ms = n.count && !row_null(&n, 0, 0) ? row_i64(&n, 0, 0) : 0;
    return true;
}

bool effects_done(struct db *db, int64_t id, bool given_up, str note, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update effect set state = $2, note = $3, done_ms = $4, attempts = attempts + 1 "
                   "where id = $1",
                   ARGS(A(id), A((int64_t)(given_up ? 2 : 1)), A(note), A(now_ms)));
}

bool effects_later(struct db *db, int64_t id, int64_t not_before_ms, str note, struct err *e)
{
    return db_exec(
        db, e, NULL,
        "update effect set not_before_ms = $2, note = $3, attempts = attempts + 1 where id = $1",
        ARGS(A(id), A(not_before_ms), A(note)));
}

bool effects_restart(struct db *db, int64_t id, int64_t now_ms, struct err *e)
{
    return db_exec(
        db, e, NULL,
        "update effect set attempts = 0, created_ms = $2, not_before_ms = $2 where id = $1",
        ARGS(A(id), A(now_ms)));
}

bool effects_sent_since(struct db *db, struct arena *mem, int64_t since_ms, int64_t now_ms,
                        struct effects_sent **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select r.installation_id, f.kind, sum(f.calls) from (select lane, kind, case when "
                  "attempts > 3 then 3 when attempts < 1 then 1 else attempts end as calls from "
                  "effect where state <> 0 and done_ms >= $1 union all select lane, kind, 1 from "
                  "effect where state = 0 and created_ms >= $1 and not_before_ms <= $2) f join "
                  "repository r on r.id = f.lane where r.installation_id is not null group by "
                  "r.installation_id, f.kind order by r.installation_id, f.kind",
                  ARGS(A(since_ms), A(now_ms))))
        return false;
    *out = arena_make(mem, struct effects_sent, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct effects_sent){ .installation_id = row_i64(&r, i, 0),
                                           .kind = row_str(&r, i, 1),
                                           .calls = row_i64(&r, i, 2) };
    return true;
}

bool effects_lanes(struct db *db, struct arena *mem, int64_t **lanes, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select distinct lane from effect where state = 0", NO_ARGS))
        return false;
    *lanes = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*lanes)[i] = row_i64(&r, i, 0);
    return true;
}

bool effects_purge(struct db *db, int64_t before_ms, struct err *e)
{
    return db_exec(db, e, NULL, "delete from effect where state <> 0 and done_ms < $1",
                   ARGS(A(before_ms)));
}
