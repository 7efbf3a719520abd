/* What belongs to the house: locks and tokens. */
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
