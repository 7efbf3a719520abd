/* A change with its batches. */
#include "store/query_inside.h"

enum { BATCHES_SHOWN = 50 };

static void change_fields(struct json_out *w, const struct db_rows *r)
{
    static const struct { const char *name; bool number; } field[] = {
        { "id", true },      { "kind", false },    { "key", false },     { "number", true },
        { "title", false },  { "author", false },  { "url", false },     { "state", false },
        { "headSha", false }, { "headRef", false }, { "baseRef", false },
        { "repositoryId", true }, { "repository", false },
    };
    size_t k = 0;
    for (; k < sizeof field / sizeof field[0]; k++)
        (field[k].number ? query_i64 : query_str)(w, field[k].name, db_at(r, 0, k));
    json_field_bool(w, STR("draft"), row_bool(r, 0, k));
    query_time(w, "mergedAt", db_at(r, 0, k + 1));
    query_time(w, "createdAt", db_at(r, 0, k + 2));
    query_time(w, "updatedAt", db_at(r, 0, k + 3));
}

bool query_change(struct db *db, struct arena *mem, const struct query *q, str id,
                  struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r, b;
    int64_t number;
    *found = false;
    if (!str_to_i64(id, 1, INT64_MAX, &number))
        return true;
    if (!db_query(db, mem, e, &r,
                  "select c.id, c.kind, c.key, c.number, c.title, c.author, c.url, c.state, "
                  "c.head_sha, c.head_ref, c.base_ref, r.id, r.owner || '/' || r.name, c.draft, "
                  "c.merged_ms, c.created_ms, c.updated_ms from change c join repository r on r.id "
                  "= c.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and c.id = "
                  "$3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(number))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    if (!db_query(db, mem, e, &b,
                  BATCH_SELECT " where r.workspace_id = $1 and b.change_id = $2 order by b.seq "
                               "desc limit $3",
                  ARGS(A(q->workspace_id), A(number), A((int64_t)BATCHES_SHOWN))))
        return false;
    json_begin_object(w);
    change_fields(w, &r);
    json_key(w, STR("batches"));
    json_begin_array(w);
    if (!query_put_batches(db, mem, q, &b, b.count, w, e))
        return false;
    json_end_array(w);
    json_end_object(w);
    return true;
}
