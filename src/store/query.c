#include "store/query_inside.h"

void query_time(struct json_out *w, const char *key, const struct db_value *v)
{
    json_field_time(w, str_of(key), v->null ? 0 : v->i);
}

void query_i64(struct json_out *w, const char *key, const struct db_value *v)
{
    json_key(w, str_of(key));
    if (v->null)
        json_put_null(w);
    else
        json_put_i64(w, v->i);
}

void query_str(struct json_out *w, const char *key, const struct db_value *v)
{
    json_key(w, str_of(key));
    if (v->null)
        json_put_null(w);
    else
        json_put_str(w, v->s.ptr ? v->s : STR(""));
}

void query_json(struct json_out *w, const char *key, const struct db_value *v)
{
    json_key(w, str_of(key));
    if (v->null || !v->s.len)
        json_put_null(w);
    else
        json_put_raw(w, v->s);
}

int64_t query_after_i64(const struct query *q, int64_t first)
{
    int64_t n;
    return q->after.len && str_to_i64(q->after, INT64_MIN, INT64_MAX, &n) ? n : first;
}

str query_after_text(const struct query *q, str first)
{
    return q->after.len ? q->after : first;
}

size_t query_shown(const struct query *q, const struct db_rows *r, size_t key_column,
                   struct arena *mem, str *next)
{
    *next = STR("");
    if (r->count <= (size_t)q->limit)
        return r->count;
    const struct db_value *v = db_at(r, (size_t)q->limit - 1, key_column);
    *next = v->s.ptr ? v->s : arena_print(mem, "%lld", (long long)v->i);
    return (size_t)q->limit;
}

/* ---- times as keys --------------------------------------------------------------------------- */

enum { CLOCKS_APART_MS = 10 * 60 * 1000 };

/* The first row at or after a key, and its time; none: INT64_MAX. */
static bool row_at(struct db *db, struct arena *mem, enum query_table t, int64_t key,
                   int64_t *found, int64_t *at_ms, struct err *e)
{
    struct db_rows r;
    bool ok = t == QUERY_FACTS
                  ? db_query(db, mem, e, &r,
                             "select id, received_ms from fact where id >= $1 order by id limit 1",
                             ARGS(A(key)))
                  : db_query(db, mem, e, &r,
                             "select seq, at_ms from audit where seq >= $1 order by seq limit 1",
                             ARGS(A(key)));
    if (ok) {
        *found = r.count ? row_i64(&r, 0, 0) : INT64_MAX;
        *at_ms = r.count ? row_i64(&r, 0, 1) : INT64_MAX;
    }
    return ok;
}

static bool last_key(struct db *db, struct arena *mem, enum query_table t, int64_t *last,
                     struct err *e)
{
    struct db_rows r;
    bool ok = t == QUERY_FACTS
                  ? db_query(db, mem, e, &r, "select coalesce(max(id), 0) from fact", NO_ARGS)
                  : db_query(db, mem, e, &r, "select coalesce(max(seq), 0) from audit", NO_ARGS);
    *last = ok ? row_i64(&r, 0, 0) : 0;
    return ok;
}

/* The first key whose time is not before that, by halves: no index of times has to be kept. */
static bool key_of(struct db *db, struct arena *mem, enum query_table t, int64_t ms, int64_t *key,
                   struct err *e)
{
    int64_t from = 1, to;
    if (!last_key(db, mem, t, &to, e))
        return false;
    to++;
    while (from < to) {
        int64_t middle = from + (to - from) / 2, found, at_ms;
        if (!row_at(db, mem, t, middle, &found, &at_ms, e))
            return false;
        if (at_ms >= ms)
            to = middle;
        else
            from = found + 1;
    }
    *key = from;
    return true;
}

bool query_span_of(struct db *db, struct arena *mem, const struct query *q, enum query_table t,
                   struct query_span *out, struct err *e)
{
    int64_t until = INT64_MAX;
    *out = (struct query_span){ .before = query_after_i64(q, INT64_MAX) };
    if (q->since_ms > CLOCKS_APART_MS &&
        !key_of(db, mem, t, q->since_ms - CLOCKS_APART_MS, &out->from, e))
        return false;
    if (q->until_ms && !key_of(db, mem, t, q->until_ms + CLOCKS_APART_MS, &until, e))
        return false;
    out->before = until < out->before ? until : out->before;
    return true;
}

/* --- workspaces, repositories, permissions --- */

bool query_workspaces(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                      str *next, struct err *e)
{
    struct db_rows r;
    *next = STR("");
    if (!db_query(db, mem, e, &r, "select id, name, created_ms from workspace where id = $1",
                  ARGS(A(q->workspace_id))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        json_begin_object(w);
        query_str(w, "id", db_at(&r, i, 0));
        query_str(w, "name", db_at(&r, i, 1));
        query_time(w, "createdAt", db_at(&r, i, 2));
        json_end_object(w);
    }
    return true;
}

#define REPOSITORY_COLUMNS \
    "id, workspace_id, forge, forge_id, host, owner, name, default_branch, installation_id, " \
    "created_ms, removed_ms, file_settings, file_note"

static void repository_fields(struct json_out *w, const struct db_rows *r, size_t i)
{
    static const char *const texts[] = { "forge", NULL, "host", "owner", "name", "defaultBranch" };
    query_i64(w, "id", db_at(r, i, 0));
    query_str(w, "workspaceId", db_at(r, i, 1));
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
        if (texts[k])
            query_str(w, texts[k], db_at(r, i, k + 2));
        else
            query_i64(w, "forgeId", db_at(r, i, k + 2));
    query_i64(w, "installationId", db_at(r, i, 8));
    query_time(w, "createdAt", db_at(r, i, 9));
    query_time(w, "removedAt", db_at(r, i, 10));
    json_key(w, STR("settingsFile"));
    json_begin_object(w);
    json_field_raw(w, STR("settings"), row_str(r, i, 11));
    query_str(w, "wrong", db_at(r, i, 12));
    json_end_object(w);
}

bool query_repositories(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                        str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " REPOSITORY_COLUMNS
                  " from repository where workspace_id = $1 and ($2 = 0 or id = $2) and removed_ms "
                  "is null and id > $3 order by id limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, 0)),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        repository_fields(w, &r, i);
        json_end_object(w);
    }
    return true;
}

bool query_repository(struct db *db, struct arena *mem, const struct query *q, str id,
                      struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    int64_t n;
    *found = false;
    if (!str_to_i64(id, 1, INT64_MAX, &n))
        return true;
    if (!db_query(db, mem, e, &r,
                  "select " REPOSITORY_COLUMNS " from repository where workspace_id = $1 and ($2 = "
                                               "0 or id = $2) and removed_ms is null and id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(n))))
        return false;
    *found = r.count > 0;
    if (*found) {
        json_begin_object(w);
        repository_fields(w, &r, 0);
        json_end_object(w);
    }
    return true;
}

bool query_permissions(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                       str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select p.id, p.name, p.workflow, p.branch, p.environment, p.created_ms, "
                  "p.created_by from permission p"
                  " join repository r on r.id = p.repository_id where r.workspace_id = $1 and r.id "
                  "= $2 and p.id > $3 order by p.id limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, 0)),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_i64(w, "id", db_at(&r, i, 0));
        query_str(w, "name", db_at(&r, i, 1));
        query_str(w, "workflow", db_at(&r, i, 2));
        query_str(w, "branch", db_at(&r, i, 3));
        query_str(w, "environment", db_at(&r, i, 4));
        query_time(w, "createdAt", db_at(&r, i, 5));
        query_str(w, "createdBy", db_at(&r, i, 6));
        json_end_object(w);
    }
    return true;
}
