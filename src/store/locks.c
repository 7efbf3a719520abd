#include "store/locks.h"

#include "base/id.h"
#include "store/rows.h"

#define LOCK_COLUMNS \
    "id, workspace_id, key, folded, message, properties, actor, token, created_ms, updated_ms, " \
    "expires_ms, deleted_ms"

static struct lock lock_row(const struct db_rows *r, size_t i)
{
    return (struct lock){.id = row_str(r, i, 0),
                         .workspace_id = row_str(r, i, 1),
                         .key = row_str(r, i, 2),
                         .folded = row_str(r, i, 3),
                         .message = row_str(r, i, 4),
                         .properties = row_str(r, i, 5),
                         .actor = row_str(r, i, 6),
                         .token = row_i64(r, i, 7),
                         .created_ms = row_i64(r, i, 8),
                         .updated_ms = row_i64(r, i, 9),
                         .expires_ms = row_i64(r, i, 10),
                         .deleted_ms = row_i64(r, i, 11)};
}

static bool lock_holder(struct db *db, struct arena *mem, struct lock *l, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " LOCK_COLUMNS
                  " from lock where workspace_id = $1 and folded = $2 and deleted_ms is null",
                  ARGS(A(l->workspace_id), A(l->folded))))
        return false;
    if (!r.count)       /* released between the two statements by another server */
        return fail(e, ERR_BUSY, "the lock was released this moment: try again");
    *l = lock_row(&r, 0);
    return true;
}

bool locks_take(struct db *db, struct arena *mem, struct lock *l, int64_t now_ms, bool *taken,
                struct err *e)
{
    struct db_rows r;
    l->id = id_new(mem, "lock_", now_ms);
    l->created_ms = l->updated_ms = now_ms;
    l->deleted_ms = 0;
    if (!db_query(
            db, mem, e, &r,
            "insert into lock (id, workspace_id, key, folded, message, properties, actor, token, "
            "created_ms, updated_ms, expires_ms, session_repository, session_ref) values ($1, $2, "
            "$3, $4, $5, $6, $7, 1, $8, $8, $9, $10, $11)"
            " on conflict (workspace_id, folded) do update set id = excluded.id, key = "
            "excluded.key, message = excluded.message, properties = excluded.properties, actor = "
            "excluded.actor, token = lock.token + 1, created_ms = excluded.created_ms, updated_ms "
            "= excluded.updated_ms, expires_ms = excluded.expires_ms, deleted_ms = null, "
            "session_repository = excluded.session_repository, session_ref = excluded.session_ref"
            " where lock.deleted_ms is not null or lock.expires_ms <= excluded.created_ms "
            "returning token",
            ARGS(A(l->id), A(l->workspace_id), A(l->key), A(l->folded), A(text(l->message)),
                 A(l->properties.len ? l->properties : STR("{}")), A(text(l->actor)), A(now_ms),
                 A(l->expires_ms), A(l->session_repository), A(text(l->session_ref)))))
        return false;
    *taken = r.count > 0;
    if (*taken)
        l->token = row_i64(&r, 0, 0);
    return *taken || lock_holder(db, mem, l, e);
}

bool locks_release(struct db *db, struct arena *mem, str workspace_id, str folded, int64_t token,
                   int64_t now_ms, struct lock *out, bool *found, struct err *e)
{
    struct db_rows r;
    const struct arg which[] = {A(workspace_id), A(folded), A(now_ms), A(token)};
    if (!db_query(db, mem, e, &r,
                  "update lock set deleted_ms = $3, updated_ms = $3 where workspace_id = $1 and "
                  "folded = $2 and deleted_ms is null and expires_ms > $3 and ($4 = 0 or token = "
                  "$4) returning " LOCK_COLUMNS,
                  which, 4))
        return false;
    if (!r.count && token &&
        !db_query(db, mem, e, &r,
                  "select " LOCK_COLUMNS " from lock where workspace_id = $1 and folded = $2 and "
                  "deleted_ms is null and expires_ms > $3 and token <> $4",
                  which, 4))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = lock_row(&r, 0);
    return true;
}
