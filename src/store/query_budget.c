/* What installations may spend, who has a claim on it, who waits, and who spent it this hour. */
#include "store/budget.h"
#include "store/query.h"
#include "store/rows.h"

enum { HOUR_MS = 60 * 60 * 1000, BATCHES_SHOWN = 100 };

static void number_or_null(struct json_out *w, const char *name, bool known, int64_t n)
{
    json_key(w, str_of(name));
    if (known)
        json_put_i64(w, n);
    else
        json_put_raw(w, STR("null"));
}

/* The figures of the budget, into an open object. */
static void budget_fields(struct json_out *w, const struct budget *b, int64_t now_ms)
{
    bool current = budget_current(b, now_ms), counted = current && b->limit != BUDGET_UNLIMITED;
    json_field_bool(w, STR("known"), current);
    json_field_bool(w, STR("unlimited"), current && !counted);
    number_or_null(w, "limit", counted, b->limit);
    number_or_null(w, "remaining", counted, b->remaining);
    json_field_time(w, STR("resetAt"), counted ? b->reset_ms : 0);
    number_or_null(w, "safe", counted || !current, budget_safe(b, now_ms));
    number_or_null(w, "reserved", counted, budget_reserved(b));
    json_field_i64(w, STR("claimed"), b->claimed);
    json_field_time(w, STR("blockedUntil"),
                    b->blocked_until_ms > now_ms ? b->blocked_until_ms : 0);
    json_field_time(w, STR("observedAt"), b->observed_ms);
}

static bool one_installation(struct db *db, struct arena *mem, const struct query *q,
                             const struct db_rows *r, size_t i, struct json_out *w, struct err *e)
{
    struct budget b;
    int64_t id = row_i64(r, i, 0);
    if (!budget_look(db, mem, id, q->now_ms, &b, e))
        return false;
    json_field_i64(w, STR("id"), id);
    query_str(w, "account", db_at(r, i, 1));
    json_field_bool(w, STR("suspended"), row_bool(r, i, 2));
    query_i64(w, "repositories", db_at(r, i, 3));
    query_i64(w, "waiting", db_at(r, i, 4));
    budget_fields(w, &b, q->now_ms);
    return true;
}

/* Of the scope: those that a repository of it belongs to. */
static bool read_installations(struct db *db, struct arena *mem, const struct query *q,
                               int64_t only, int64_t after, struct db_rows *r, struct err *e)
{
    return db_query(db, mem, e, r,
                    "select r.installation_id, max(coalesce(i.account, '')), max(case when "
                    "coalesce(i.suspended, 0) = 1 or i.deleted_ms is not null then 1 else 0 end), "
                    "count(*), (select count(*) from claim c where c.installation_id = "
                    "r.installation_id and c.wanted > 0) from repository r left join installation i "
                    "on i.id = r.installation_id where r.workspace_id = $1 and ($2 = 0 or r.id = "
                    "$2) and r.removed_ms is null and r.installation_id > $4 and ($3 = 0 or "
                    "r.installation_id = $3) group by r.installation_id order by r.installation_id "
                    "limit $5",
                    ARGS(A(q->workspace_id), A(q->repository_id), A(only), A(after),
                         A(q->limit + 1)));
}

bool query_installations(struct db *db, struct arena *mem, const struct query *q,
                         struct json_out *w, str *next, struct err *e)
{
    struct db_rows r;
    if (!read_installations(db, mem, q, 0, query_after_i64(q, 0), &r, e))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        if (!one_installation(db, mem, q, &r, i, w, e))
            return false;
        json_end_object(w);
    }
    return true;
}

/* ---- the ledger ------------------------------------------------------------------------------ */

static bool put_spent(struct db *db, struct arena *mem, int64_t id, int64_t now_ms,
                      struct json_out *w, struct err *e)
{
    struct db_rows r;
    int64_t hour_ms = now_ms - now_ms % HOUR_MS;
    if (!db_query(db, mem, e, &r,
                  "select purpose, calls, refused from spend where installation_id = $1 and hour_ms "
                  "= $2 order by calls desc, purpose",
                  ARGS(A(id), A(hour_ms))))
        return false;
    json_field_time(w, STR("spentSince"), hour_ms);
    json_key(w, STR("spent"));
    json_begin_array(w);
    for (size_t i = 0; i < r.count; i++) {
        json_begin_object(w);
        query_str(w, "purpose", db_at(&r, i, 0));
        query_i64(w, "calls", db_at(&r, i, 1));
        query_i64(w, "refused", db_at(&r, i, 2));
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

/* Batches of the scope with a claim, or that wait for one; the longest first. */
static bool put_batches(struct db *db, struct arena *mem, const struct query *q, int64_t id,
                        bool waiting, struct json_out *w, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.id, r.owner || '/' || r.name, c.calls, c.left_over, c.wanted, "
                  "c.granted_ms, c.wanted_ms, b.by_parts, b.event, b.activity from claim c join "
                  "batch b on b.seq = c.batch_seq join repository r on r.id = b.repository_id where "
                  "c.installation_id = $1 and (($2 = 1 and c.wanted > 0) or ($2 = 0 and c.left_over "
                  "> 0)) and r.workspace_id = $3 and ($4 = 0 or r.id = $4) order by c.wanted_ms, "
                  "c.batch_seq limit $5",
                  ARGS(A(id), A(waiting), A(q->workspace_id), A(q->repository_id),
                       A((int64_t)BATCHES_SHOWN))))
        return false;
    json_key(w, waiting ? STR("held") : STR("claims"));
    json_begin_array(w);
    for (size_t i = 0; i < r.count; i++) {
        json_begin_object(w);
        query_str(w, "batch", db_at(&r, i, 0));
        query_str(w, "repository", db_at(&r, i, 1));
        query_str(w, "event", db_at(&r, i, 8));
        query_str(w, "activity", db_at(&r, i, 9));
        if (waiting) {
            query_i64(w, "wanted", db_at(&r, i, 4));
            query_time(w, "since", db_at(&r, i, 6));
            json_field_bool(w, STR("byParts"), row_bool(&r, i, 7));
        } else {
            query_i64(w, "granted", db_at(&r, i, 2));
            query_i64(w, "left", db_at(&r, i, 3));
            query_time(w, "grantedAt", db_at(&r, i, 5));
        }
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

bool query_budget(struct db *db, struct arena *mem, const struct query *q, str id,
                  struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    int64_t number;
    struct query one = *q;
    one.limit = 1;
    *found = false;
    if (!str_to_i64(id, 1, INT64_MAX, &number))
        return true;
    if (!read_installations(db, mem, &one, number, 0, &r, e))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    json_begin_object(w);
    if (!one_installation(db, mem, q, &r, 0, w, e) ||
        !put_batches(db, mem, q, number, false, w, e) ||
        !put_batches(db, mem, q, number, true, w, e) ||
        !put_spent(db, mem, number, q->now_ms, w, e))
        return false;
    json_end_object(w);
    return true;
}
