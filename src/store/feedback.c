#include "store/feedback.h"

#include "store/rows.h"

#define FORGOTTEN "edited by others"

bool feedback_get(struct db *db, struct arena *mem, int64_t repository_id, str kind, str key,
                  struct feedback_row *out, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select forge_object, sent_hash, sent_digest, sent_ms, note from feedback where "
                  "repository_id = $1 and kind = $2 and key = $3",
                  ARGS(A(repository_id), A(kind), A(key))))
        return false;
    *out = (struct feedback_row){ .sent_hash = STR(""), .sent_digest = STR("") };
    if (r.count)
        *out = (struct feedback_row){.forge_object = row_i64(&r, 0, 0),
                                     .sent_hash = row_str(&r, 0, 1),
                                     .sent_digest = row_str(&r, 0, 2),
                                     .sent_ms = row_i64(&r, 0, 3),
                                     .anew = str_eq(row_str(&r, 0, 4), STR(FORGOTTEN))};
    return true;
}

bool feedback_forget(struct db *db, int64_t repository_id, str kind, str key, bool gone,
                     struct err *e)
{
    return db_exec(
        db, e, NULL,
        "insert into feedback (repository_id, kind, key, note) values ($1, $2, $3, $4) on conflict "
        "(repository_id, kind, key) do update set sent_hash = '', note = excluded.note, "
        "forge_object = case when $5 = 1 then null else feedback.forge_object end",
        ARGS(A(repository_id), A(kind), A(key), A(STR(FORGOTTEN)), A((int64_t)gone)));
}

bool feedback_sent(struct db *db, int64_t repository_id, str kind, str key,
                   const struct feedback_row *row, str note, struct err *e)
{
    return db_exec(
        db, e, NULL,
        "insert into feedback (repository_id, kind, key, forge_object, sent_hash, sent_digest, "
        "sent_ms, note)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (repository_id, kind, key) do update "
        "set forge_object = excluded.forge_object, sent_hash = excluded.sent_hash, sent_digest = "
        "excluded.sent_digest, sent_ms = excluded.sent_ms, note = excluded.note",
        ARGS(A(repository_id), A(kind), A(key),
             row->forge_object ? A(row->forge_object) : (struct arg){0}, A(text(row->sent_hash)),
             A(text(row->sent_digest)), A(row->sent_ms), A(note)));
}

bool workflows_get(struct db *db, struct arena *mem, int64_t repository_id, str ref, str file,
                   struct workflow_row *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select blob, body, etag, read_ms, stale from workflow_file where repository_id "
                  "= $1 and ref = $2 and file = $3",
                  ARGS(A(repository_id), A(ref), A(file))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = (struct workflow_row){.blob = row_str(&r, 0, 0),
                                     .body = row_str(&r, 0, 1),
                                     .etag = row_str(&r, 0, 2),
                                     .read_ms = row_i64(&r, 0, 3),
                                     .stale = row_bool(&r, 0, 4)};
    return true;
}

bool workflows_put(struct db *db, int64_t repository_id, str ref, str file,
                   const struct workflow_row *w, struct err *e)
{
    return db_exec(
        db, e, NULL,
        "insert into workflow_file (repository_id, ref, file, blob, body, etag, read_ms, stale)"
        " values ($1, $2, $3, $4, $5, $6, $7, 0) on conflict (repository_id, ref, file) do update "
        "set blob = excluded.blob, body = excluded.body, etag = excluded.etag, read_ms = "
        "excluded.read_ms, stale = 0",
        ARGS(A(repository_id), A(ref), A(file), A(text(w->blob)), A(text(w->body)),
             A(text(w->etag)), A(w->read_ms)));
}

bool workflows_stale(struct db *db, int64_t repository_id, str ref, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update workflow_file set stale = 1 where repository_id = $1 and ref = $2",
                   ARGS(A(repository_id), A(ref)));
}
