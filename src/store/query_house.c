#include "store/facts.h"
#include "store/query_inside.h"

void query_lock_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    json_begin_object(w);
    query_str(w, "id", db_at(r, i, 1));
    query_str(w, "workspaceId", db_at(r, i, 2));
    query_str(w, "key", db_at(r, i, 3));
    query_str(w, "lockMessage", db_at(r, i, 4));
    query_json(w, "properties", db_at(r, i, 5));
    query_str(w, "actor", db_at(r, i, 6));
    query_i64(w, "token", db_at(r, i, 7));
    query_time(w, "createdAt", db_at(r, i, 8));
    query_time(w, "updatedAt", db_at(r, i, 9));
    query_time(w, "expiresAt", db_at(r, i, 10));
    json_field_time(w, STR("deletedAt"), 0);
    json_end_object(w);
}

bool query_locks(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  LOCK_SELECT
                  " where workspace_id = $1 and deleted_ms is null and expires_ms > $2 and folded "
                  "> $3 and ($4 = '' or folded = $4) and ($5 = '' or substr(folded, 1, length($5)) "
                  "= $5) order by folded limit $6",
                  ARGS(A(q->workspace_id), A(q->now_ms), A(query_after_text(q, STR(""))),
                       A(text(q->key)), A(text(q->prefix)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        query_lock_object(w, &r, i);
    return true;
}

bool query_put_lock(struct db *db, struct arena *mem, const struct query *q, str folded,
                    struct json_out *w, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  LOCK_SELECT " where workspace_id = $1 and folded = $2 and deleted_ms is null and "
                              "expires_ms > $3",
                  ARGS(A(q->workspace_id), A(folded), A(q->now_ms))))
        return false;
    if (r.count)
        query_lock_object(w, &r, 0);
    else
        json_put_null(w);
    return true;
}

static const str fact_states[] = {STR_INIT("pending"), STR_INIT("applied"), STR_INIT("set_aside"),
                                  STR_INIT("dropped")};
enum { FACT_STATES = sizeof fact_states / sizeof fact_states[0] };

static int64_t fact_state_of(str name)
{
    for (int64_t i = 0; i < FACT_STATES; i++)
        if (str_eq(fact_states[i], name))
            return i;
    return -1;
}

static void fact_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    int64_t state = row_i64(r, i, 6);
    json_begin_object(w);
    query_i64(w, "id", db_at(r, i, 0));
    query_i64(w, "lane", db_at(r, i, 1));
    query_str(w, "kind", db_at(r, i, 2));
    query_str(w, "key", db_at(r, i, 3));
    query_str(w, "actor", db_at(r, i, 4));
    query_str(w, "traceId", db_at(r, i, 5));
    json_field_str(w, STR("state"),
                   state >= 0 && state < FACT_STATES ? fact_states[state] : STR("pending"));
    query_i64(w, "tries", db_at(r, i, 7));
    query_str(w, "note", db_at(r, i, 8));
    query_time(w, "receivedAt", db_at(r, i, 9));
    query_time(w, "appliedAt", db_at(r, i, 10));
    json_end_object(w);
}

bool query_facts(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows r;
    bool prefix = str_ends(q->kind, STR("."));
    if (!db_query(
            db, mem, e, &r,
            "select id, lane, kind, key, actor, trace, state, tries, note, received_ms, applied_ms "
            "from fact"
            " where ((lane = 0 and $1 = 1) or (lane in (select id from repository where "
            "workspace_id = $2) and ($3 = 0 or +lane = $3))) and id < $4 and ($5 = '' or kind = "
            "$5) and ($6 = '' or substr(kind, 1, length($6)) = $6) and ($7 < 0 or state = $7)"
            " order by id desc limit $8",
            ARGS(A(q->house && !q->repository_id), A(q->workspace_id), A(q->repository_id),
                 A(query_after_i64(q, INT64_MAX)), A(prefix ? STR("") : text(q->kind)),
                 A(prefix ? q->kind : STR("")), A(q->state.len ? fact_state_of(q->state) : -1),
                 A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        fact_object(w, &r, i);
    return true;
}

static void pair_object(struct json_out *w, const char *name, const struct db_value *type,
                        const struct db_value *id)
{
    json_key(w, str_of(name));
    json_begin_object(w);
    query_str(w, "type", type);
    query_str(w, "id", id);
    json_end_object(w);
}

bool query_audit(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select seq, id, at_ms, category, action, actor_type, actor, target_type, "
                  "target, repository_id, description, metadata"
                  " from audit where workspace_id = $1 and ($2 = 0 or repository_id = $2) and seq "
                  "< $3 and ($4 = '' or action = $4) and ($5 = '' or category = $5) order by seq "
                  "desc limit $6",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, INT64_MAX)),
                       A(text(q->action)), A(text(q->category)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_str(w, "id", db_at(&r, i, 1));
        query_time(w, "at", db_at(&r, i, 2));
        query_str(w, "category", db_at(&r, i, 3));
        query_str(w, "action", db_at(&r, i, 4));
        pair_object(w, "actor", db_at(&r, i, 5), db_at(&r, i, 6));
        pair_object(w, "target", db_at(&r, i, 7), db_at(&r, i, 8));
        query_i64(w, "repositoryId", db_at(&r, i, 9));
        query_str(w, "description", db_at(&r, i, 10));
        query_json(w, "metadata", db_at(&r, i, 11));
        json_end_object(w);
    }
    return true;
}

bool query_tokens(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                  str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id, name, role, repository_id, created_ms, created_by, expires_ms, "
                  "used_ms, revoked_ms from api_token"
                  " where workspace_id = $1 and ($2 = 0 or repository_id = $2) and id > $3 order "
                  "by id limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_text(q, STR(""))),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_str(w, "id", db_at(&r, i, 0));
        query_str(w, "name", db_at(&r, i, 1));
        query_str(w, "role", db_at(&r, i, 2));
        query_i64(w, "repositoryId", db_at(&r, i, 3));
        query_time(w, "createdAt", db_at(&r, i, 4));
        query_str(w, "createdBy", db_at(&r, i, 5));
        query_time(w, "expiresAt", db_at(&r, i, 6));
        query_time(w, "usedAt", db_at(&r, i, 7));
        query_time(w, "revokedAt", db_at(&r, i, 8));
        json_end_object(w);
    }
    return true;
}
