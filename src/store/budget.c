#include "store/budget.h"

#include "store/rows.h"

enum { HOUR_MS = 60 * 60 * 1000 };

static int64_t hour_of(int64_t now_ms) { return now_ms - now_ms % HOUR_MS; }

/* ---- the quota ------------------------------------------------------------------------------- */

static struct budget budget_row(const struct db_rows *r)
{
    return (struct budget){ .limit = row_i64(r, 0, 0),
                            .remaining = row_i64(r, 0, 1),
                            .reset_ms = row_i64(r, 0, 2),
                            .blocked_until_ms = row_i64(r, 0, 3),
                            .observed_ms = row_i64(r, 0, 4),
                            .known = row_bool(r, 0, 5) };
}

/*
 * Spent is only asked for while nothing current is known: the hours of the ledger are not the forge's
 * windows, so this one and the one before it are taken, which is too much rather than too little.
 */
bool budget_sum(struct db *db, struct arena *mem, int64_t installation_id, int64_t now_ms,
                        struct budget *b, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select coalesce(sum(left_over), 0) from claim where installation_id = $1 and "
                  "left_over > 0",
                  ARGS(A(installation_id))))
        return false;
    b->claimed = row_i64(&r, 0, 0);
    if (budget_current(b, now_ms))
        return true;
    if (!db_query(db, mem, e, &r,
                  "select coalesce(sum(calls), 0) from spend where installation_id = $1 and "
                  "hour_ms >= $2 and purpose <> 'quota'",
                  ARGS(A(installation_id), A(hour_of(now_ms) - HOUR_MS))))
        return false;
    b->spent = row_i64(&r, 0, 0);
    return true;
}

bool budget_lock(struct db *db, struct arena *mem, int64_t installation_id, struct budget *out,
                 struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "insert into quota (installation_id, resource, limit_count, remaining, reset_ms, "
                  "observed_ms) values ($1, 'core', 0, 0, 0, 0) on conflict (installation_id, "
                  "resource) do update set resource = excluded.resource returning limit_count, "
                  "remaining, reset_ms, blocked_until_ms, observed_ms, known",
                  ARGS(A(installation_id))))
        return false;
    *out = budget_row(&r);
    return true;
}

bool budget_look(struct db *db, struct arena *mem, int64_t installation_id, int64_t now_ms,
                 struct budget *out, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select limit_count, remaining, reset_ms, blocked_until_ms, observed_ms, known "
                  "from quota where installation_id = $1 and resource = 'core'",
                  ARGS(A(installation_id))))
        return false;
    *out = r.count ? budget_row(&r) : (struct budget){ .known = false };
    return budget_sum(db, mem, installation_id, now_ms, out, e);
}

bool budget_save(struct db *db, int64_t installation_id, const struct budget *b, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update quota set limit_count = $2, remaining = $3, reset_ms = $4, "
                   "blocked_until_ms = $5, observed_ms = $6, known = $7 where installation_id = $1 "
                   "and resource = 'core'",
                   ARGS(A(installation_id), A(b->limit), A(b->remaining), A(b->reset_ms),
                        A(b->blocked_until_ms), A(b->observed_ms), A(b->known)));
}

bool budget_blocked(struct db *db, struct arena *mem, int64_t installation_id, int64_t *until_ms,
                    struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select blocked_until_ms from quota where installation_id = $1 and resource = "
                  "'core'",
                  ARGS(A(installation_id))))
        return false;
    *until_ms = r.count ? row_i64(&r, 0, 0) : 0;
    return true;
}

bool budget_waits(struct db *db, struct arena *mem, int64_t now_ms, struct budget_wait **out,
                  size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select installation_id, blocked_until_ms from quota where resource = 'core' and "
                  "blocked_until_ms > $1",
                  ARGS(A(now_ms))))
        return false;
    *count = r.count;
    *out = arena_make(mem, struct budget_wait, r.count + 1);
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct budget_wait){ row_i64(&r, i, 0), row_i64(&r, i, 1) };
    return true;
}

bool budget_foresee(struct db *db, struct arena *mem, int64_t installation_id, int64_t dispatches,
                    int64_t files, int64_t now_ms, struct budget_forecast *out, struct err *e)
{
    struct budget b;
    struct pace_limits l;
    if (!budget_look(db, mem, installation_id, now_ms, &b, e))
        return false;
    pace_limits_written(&l);
    budget_forecast(&b, &l, dispatches, files, now_ms, out);
    return true;
}

/* ---- claims ---------------------------------------------------------------------------------- */

bool claims_get(struct db *db, struct arena *mem, int64_t batch_seq, struct claim *out,
                bool *by_parts, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select c.installation_id, c.calls, c.left_over, c.granted_ms, c.wanted, "
                  "c.wanted_ms, b.by_parts from batch b left join claim c on c.batch_seq = b.seq "
                  "where b.seq = $1",
                  ARGS(A(batch_seq))))
        return false;
    *found = r.count > 0 && !row_null(&r, 0, 0);
    *by_parts = r.count > 0 && row_bool(&r, 0, 6);
    *out = (struct claim){ .batch_seq = batch_seq };
    if (*found)
        *out = (struct claim){ .batch_seq = batch_seq,
                               .installation_id = row_i64(&r, 0, 0),
                               .calls = row_i64(&r, 0, 1),
                               .left_over = row_i64(&r, 0, 2),
                               .granted_ms = row_i64(&r, 0, 3),
                               .wanted = row_i64(&r, 0, 4),
                               .wanted_ms = row_i64(&r, 0, 5) };
    return true;
}

enum { CLAIM_ARGS = 6 };
#define ADD_CLAIM                                                                                  \
    "insert into claim (batch_seq, installation_id, calls, left_over, granted_ms, wanted, "        \
    "wanted_ms) values ($1, $2, $3, $4, $6, $5, $6) on conflict (batch_seq) do update set "        \
    "installation_id = excluded.installation_id, calls = claim.calls + excluded.calls, left_over " \
    "= case when claim.left_over + excluded.left_over > 0 then claim.left_over + "                 \
    "excluded.left_over else 0 end, granted_ms = case when excluded.calls > 0 then "               \
    "excluded.granted_ms else claim.granted_ms end, wanted = excluded.wanted"

bool claims_add(struct db *db, int64_t batch_seq, int64_t installation_id, int64_t granted,
                int64_t left, int64_t wanted, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL, ADD_CLAIM,
                   ARGS(A(batch_seq), A(installation_id), A(granted), A(left), A(wanted),
                        A(now_ms)));
}

bool claims_add_many(struct db *db, struct arena *mem, int64_t installation_id,
                     const struct claim_change *change, size_t count, int64_t now_ms,
                     struct err *e)
{
    struct arg *args = arena_make(mem, struct arg, count * CLAIM_ARGS + 1);
    for (size_t i = 0; i < count; i++) {
        struct arg row[CLAIM_ARGS] = { A(change[i].batch_seq), A(installation_id),
                                       A(change[i].granted),   A(change[i].left),
                                       A(change[i].wanted),    A(now_ms) };
        memcpy(args + i * CLAIM_ARGS, row, sizeof row);
    }
    return db_exec_many(db, e, ADD_CLAIM, args, CLAIM_ARGS, count);
}

bool claims_waiting(struct db *db, struct arena *mem, int64_t installation_id,
                    struct claim_waiting **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.seq, b.id, b.repository_id, coalesce(b.change_id, 0), c.wanted, "
                  "c.wanted_ms, case when b.event = 'pull_request' and b.activity <> 'merged' then "
                  "0 else 1 end, b.by_parts from claim c join batch b on b.seq = c.batch_seq join "
                  "repository r on r.id = b.repository_id left join installation i on i.id = "
                  "r.installation_id where c.installation_id = $1 and c.wanted > 0 and b.state <> "
                  "'ended' and r.removed_ms is null and coalesce(i.suspended, 0) = 0 and "
                  "i.deleted_ms is null and not exists (select 1 from hold h where h.batch_seq = "
                  "b.seq and h.lifted_ms is null and h.kind <> 'rate_limit') order by b.seq",
                  ARGS(A(installation_id))))
        return false;
    *out = arena_make(mem, struct claim_waiting, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct claim_waiting){ .held = { .batch_seq = row_i64(&r, i, 0),
                                                      .repository_id = row_i64(&r, i, 2),
                                                      .change_id = row_i64(&r, i, 3),
                                                      .cost = row_i64(&r, i, 4),
                                                      .since_ms = row_i64(&r, i, 5),
                                                      .apply = row_bool(&r, i, 6),
                                                      .by_parts = row_bool(&r, i, 7) },
                                            .batch_id = row_str(&r, i, 1) };
    return true;
}

bool claims_beside(struct db *db, struct arena *mem, int64_t installation_id,
                   struct claim_beside **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.seq, b.repository_id from hold l join batch b on b.seq = l.batch_seq "
                  "join repository r on r.id = b.repository_id left join installation i on i.id = "
                  "r.installation_id where l.kind = 'rate_limit' and l.lifted_ms is null and "
                  "r.installation_id = $1 and b.state = 'held' and r.removed_ms is null and "
                  "coalesce(i.suspended, 0) = 0 and i.deleted_ms is null and exists (select 1 from "
                  "hold h where h.batch_seq = b.seq and h.lifted_ms is null and h.kind <> "
                  "'rate_limit') order by b.seq",
                  ARGS(A(installation_id))))
        return false;
    *out = arena_make(mem, struct claim_beside, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct claim_beside){ row_i64(&r, i, 0), row_i64(&r, i, 1) };
    return true;
}

bool claims_over(struct db *db, int64_t batch_seq, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update claim set left_over = 0, wanted = 0 where batch_seq = $1 and (left_over > "
                   "0 or wanted > 0)",
                   ARGS(A(batch_seq)));
}

bool claims_others_wait(struct db *db, struct arena *mem, int64_t installation_id,
                        int64_t batch_seq, bool *wait, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select 1 from claim where installation_id = $1 and wanted > 0 and batch_seq <> "
                  "$2 limit 1",
                  ARGS(A(installation_id), A(batch_seq))))
        return false;
    *wait = r.count > 0;
    return true;
}

bool claims_installations(struct db *db, struct arena *mem, int64_t **ids, size_t *count,
                          struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select distinct installation_id from claim where wanted > 0",
                  NO_ARGS))
        return false;
    *ids = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*ids)[i] = row_i64(&r, i, 0);
    return true;
}

/* ---- the ledger ------------------------------------------------------------------------------ */

static const char *const purposes[SPEND_PURPOSE_COUNT] = {
    [SPEND_DISPATCH] = "dispatch", [SPEND_COMMENT] = "comment",       [SPEND_CHECK] = "check",
    [SPEND_REVIEW] = "review",     [SPEND_POLL] = "poll",             [SPEND_READ] = "read",
    [SPEND_QUOTA] = "quota",       [SPEND_PERMISSION] = "permission",
};

const char *spend_purpose_name(enum spend_purpose p) { return purposes[p]; }

bool spend_add(struct db *db, int64_t installation_id, enum spend_purpose p, int64_t calls,
               int64_t refused, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into spend (installation_id, hour_ms, purpose, calls, refused) values "
                   "($1, $2, $3, $4, $5) on conflict (installation_id, hour_ms, purpose) do update "
                   "set calls = spend.calls + excluded.calls, refused = spend.refused + "
                   "excluded.refused",
                   ARGS(A(installation_id), A(hour_of(now_ms)), A(str_of(purposes[p])), A(calls),
                        A(refused)));
}

bool spend_purge(struct db *db, int64_t before_ms, struct err *e)
{
    return db_exec(db, e, NULL, "delete from spend where hour_ms < $1", ARGS(A(before_ms)));
}
