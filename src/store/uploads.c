#include "store/uploads.h"

#include "store/rows.h"

static struct upload upload_row(const struct db_rows *r, size_t i)
{
    return (struct upload){.id = row_str(r, i, 0),
                           .repository_id = row_i64(r, i, 1),
                           .head_sha = row_str(r, i, 2),
                           .base_sha = row_str(r, i, 3),
                           .state = row_str(r, i, 4),
                           .session = row_str(r, i, 5),
                           .change_id = row_i64(r, i, 6),
                           .received_ms = row_i64(r, i, 7),
                           .note = row_str(r, i, 8),
                           .asked = row_i64(r, i, 9),
                           .ask_ms = row_i64(r, i, 10),
                           .body = r->columns > 11 ? row_str(r, i, 11) : STR("")};
}

static void upload_rows(const struct db_rows *r, struct arena *mem, struct upload **out,
                        size_t *count)
{
    *out = arena_make(mem, struct upload, r->count + 1);
    *count = r->count;
    for (size_t i = 0; i < r->count; i++)
        (*out)[i] = upload_row(r, i);
}

#define UPLOAD_COLUMNS \
    "id, repository_id, head_sha, base_sha, state, session, change_id, received_ms, note, asked, ask_ms"

bool uploads_get(struct db *db, struct arena *mem, str id, struct upload *out, bool *found,
                 struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select " UPLOAD_COLUMNS ", body from upload where id = $1",
                  ARGS(A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = upload_row(&r, 0);
    return true;
}

bool uploads_of_head(struct db *db, struct arena *mem, int64_t repository_id, str head_sha,
                     struct upload **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " UPLOAD_COLUMNS " from upload where repository_id = $1 and head_sha = "
                                           "$2 and state <> 'refused' order by received_ms desc, "
                                           "id desc limit 30",
                  ARGS(A(repository_id), A(head_sha))))
        return false;
    upload_rows(&r, mem, out, count);
    return true;
}

bool uploads_end(struct db *db, str id, str state, int64_t change_id, str note, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update upload set state = $2, change_id = $3, note = $4 where id = $1",
                   ARGS(A(id), A(state), change_id ? A(change_id) : (struct arg){0}, A(note)));
}

bool uploads_asked(struct db *db, str id, int64_t asked, int64_t ask_ms, str note, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update upload set asked = $2, ask_ms = $3, note = $4 where id = $1",
                   ARGS(A(id), A(asked), A(ask_ms), A(note)));
}

bool uploads_unjoined(struct db *db, struct arena *mem, int64_t repository_id, int64_t before_ms,
                      int64_t now_ms, struct upload **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "select " UPLOAD_COLUMNS
            " from upload where repository_id = $1 and state = 'complete' and received_ms < $2"
            " and ask_ms <= $3 order by received_ms limit 50",
            ARGS(A(repository_id), A(before_ms), A(now_ms))))
        return false;
    upload_rows(&r, mem, out, count);
    return true;
}

bool uploads_purge_chunks(struct db *db, int64_t before_ms, struct err *e)
{
    return db_exec(db, e, NULL, "delete from upload_chunk where received_ms < $1",
                   ARGS(A(before_ms)));
}
