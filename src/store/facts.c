#include "store/facts.h"

#include "store/rows.h"

enum { PURGED_AT_ONCE = 1000, FACT_ARGS = 10 };
#define ADD_FACT                                                                                   \
    "insert into fact (lane, kind, key, body, actor, trace, received_ms, state, note, applied_ms)" \
    " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (key) do nothing"

static void fact_args(const struct fact *f, struct arg to[FACT_ARGS])
{
    bool applied = f->note.len > 0;
    struct arg row[FACT_ARGS] = { A(f->lane),
                                  A(f->kind),
                                  A(f->key),
                                  arg_blob(f->body),
                                  A(text(f->actor)),
                                  A(text(f->trace)),
                                  A(f->received_ms),
                                  A((int)(applied ? FACT_APPLIED : FACT_PENDING)),
                                  A(applied ? f->note : STR_NONE),
                                  applied ? A(f->received_ms) : (struct arg){ .kind = ARG_NULL } };
    memcpy(to, row, sizeof row);
}

bool facts_add(struct db *db, struct arena *mem, const struct fact *f, int64_t *id, struct err *e)
{
    struct arg args[FACT_ARGS];
    fact_args(f, args);
    if (f->lane > 0)
        db_note(db, DB_NOTE_REPOSITORY, f->lane);
    return db_insert(db, mem, e, id, ADD_FACT, args, (size_t)FACT_ARGS);
}

bool facts_add_many(struct db *db, struct arena *mem, const struct fact *f, size_t count,
                    struct err *e)
{
    struct arg *args = arena_make(mem, struct arg, count * FACT_ARGS + 1);
    for (size_t i = 0; i < count; i++) {
        fact_args(&f[i], args + i * FACT_ARGS);
        if (f[i].lane > 0)
            db_note(db, DB_NOTE_REPOSITORY, f[i].lane);
    }
    return db_exec_many(db, e, ADD_FACT, args, FACT_ARGS, count);
}

bool facts_some(struct db *db, struct arena *mem, int64_t lane, bool *some, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select 1 from fact where lane = $1 and state = 0 limit 1",
                  ARGS(A(lane))))
        return false;
    *some = r.count > 0;
    return true;
}

bool facts_pending(struct db *db, struct arena *mem, int64_t lane, size_t max, struct fact **out,
                   size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
            "select id, kind, key, body, actor, trace, received_ms, tries from fact"
            " where lane = $1 and state = 0 order by id limit $2", ARGS(A(lane), A((int64_t)max))))
        return false;
    *out = arena_make(mem, struct fact, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct fact){.id = row_i64(&r, i, 0),
                                  .lane = lane,
                                  .kind = row_str(&r, i, 1),
                                  .key = row_str(&r, i, 2),
                                  .body = row_str(&r, i, 3),
                                  .actor = row_str(&r, i, 4),
                                  .trace = row_str(&r, i, 5),
                                  .received_ms = row_i64(&r, i, 6),
                                  .tries = row_i64(&r, i, 7)};
    return true;
}

bool facts_end(struct db *db, int64_t id, enum fact_state state, str note, int64_t now_ms,
               struct err *e)
{
    return db_exec(db, e, NULL,
                   "update fact set state = $2, note = $3, applied_ms = $4 where id = $1",
                   ARGS(A(id), A((int64_t)state), A(note), A(now_ms)));
}

bool facts_tried(struct db *db, int64_t id, struct err *e)
{
    return db_exec(db, e, NULL, "update fact set tries = tries + 1 where id = $1", ARGS(A(id)));
}

bool facts_lanes(struct db *db, struct arena *mem, int64_t **lanes, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select distinct lane from fact where state = 0", NO_ARGS))
        return false;
    *lanes = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*lanes)[i] = row_i64(&r, i, 0);
    return true;
}

/* Ids rise with time, so that the oldest are the first: no index of times has to be kept. */
bool facts_purge(struct db *db, int64_t before_ms, struct err *e)
{
    int64_t gone = 0;
    do {
        if (!db_exec(db, e, &gone,
                     "delete from fact where received_ms < $1 and id in (select id from fact where "
                     "state <> 0 order by id limit $2)",
                     ARGS(A(before_ms), A((int64_t)PURGED_AT_ONCE))))
            return false;
    } while (gone == PURGED_AT_ONCE);
    return true;
}
