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

/*
 * On SQLite `returning` fills a table in memory that is made for each statement; there nobody else
 * writes while our transaction is open, so that the row is read before it changes. On PostgreSQL
 * one statement decides.
 */
static bool reads_first(const struct db *db) { return db_kind(db) == DB_SQLITE; }

static bool lock_read(struct db *db, struct arena *mem, str workspace_id, str folded,
                      struct lock *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " LOCK_COLUMNS " from lock where workspace_id = $1 and folded = $2",
                  ARGS(A(workspace_id), A(folded))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = lock_row(&r, 0);
    return true;
}

static bool is_held(const struct lock *l, int64_t now_ms)
{
    return !l->deleted_ms && l->expires_ms > now_ms;
}

#define TAKE                                                                                     \
    "insert into lock (id, workspace_id, key, folded, message, properties, actor, token, "       \
    "created_ms, updated_ms, expires_ms, session_repository, session_ref) values ($1, $2, $3, "  \
    "$4, $5, $6, $7, 1, $8, $8, $9, $10, $11) on conflict (workspace_id, folded) do update set " \
    "id = excluded.id, key = excluded.key, message = excluded.message, properties = "            \
    "excluded.properties, actor = excluded.actor, token = lock.token + 1, created_ms = "         \
    "excluded.created_ms, updated_ms = excluded.updated_ms, expires_ms = excluded.expires_ms, "  \
    "deleted_ms = null, session_repository = excluded.session_repository, session_ref = "        \
    "excluded.session_ref where lock.deleted_ms is not null or lock.expires_ms <= "              \
    "excluded.created_ms"

bool locks_take(struct db *db, struct arena *mem, struct lock *l, int64_t now_ms, bool *taken,
                struct err *e)
{
    struct db_rows r = { 0 };
    struct lock before = { 0 };
    bool found = false;
    if (reads_first(db) &&
        !lock_read(db, mem, l->workspace_id, l->folded, &before, &found, e))
        return false;
    if (found && is_held(&before, now_ms)) {
        *taken = false;
        *l = before;
        return true;
    }
    l->id = id_new(mem, "lock_", now_ms);
    l->created_ms = l->updated_ms = now_ms;
    l->deleted_ms = 0;
    l->token = before.token + 1;
    const struct arg row[] = {A(l->id), A(l->workspace_id), A(l->key), A(l->folded),
                              A(text(l->message)),
                              A(l->properties.len ? l->properties : STR("{}")), A(text(l->actor)),
                              A(now_ms), A(l->expires_ms), A(l->session_repository),
                              A(text(l->session_ref))};
    size_t n = sizeof row / sizeof row[0];
    *taken = true;
    db_note_workspace(db, l->workspace_id);
    if (reads_first(db))
        return db_exec(db, e, NULL, TAKE, row, n);
    if (!db_query(db, mem, e, &r, TAKE " returning token", row, n))
        return false;
    *taken = r.count > 0;
    if (*taken) {
        l->token = row_i64(&r, 0, 0);
        return true;
    }
    if (!lock_read(db, mem, l->workspace_id, l->folded, l, &found, e))
        return false;
    /* released between the two statements by another server */
    return (found && !l->deleted_ms) ||
           fail(e, ERR_BUSY, "the lock was released this moment: try again");
}

#define RELEASE                                                                                  \
    "update lock set deleted_ms = $3, updated_ms = $3 where workspace_id = $1 and folded = $2 "  \
    "and deleted_ms is null and expires_ms > $3 and ($4 = 0 or token = $4)"

bool locks_release(struct db *db, struct arena *mem, str workspace_id, str folded, int64_t token,
                   int64_t now_ms, struct lock *out, bool *found, struct err *e)
{
    struct db_rows r;
    const struct arg which[] = {A(workspace_id), A(folded), A(now_ms), A(token)};
    db_note_workspace(db, workspace_id);
    if (!reads_first(db)) {
        if (!db_query(db, mem, e, &r, RELEASE " returning " LOCK_COLUMNS, which, 4))
            return false;
        *found = r.count > 0;
        if (*found)
            *out = lock_row(&r, 0);
        if (*found || !token)
            return true;
    }
    if (!lock_read(db, mem, workspace_id, folded, out, found, e))
        return false;
    *found = *found && is_held(out, now_ms);
    if (!*found || (token && out->token != token))
        return true;
    out->deleted_ms = out->updated_ms = now_ms;
    return db_exec(db, e, NULL, RELEASE, which, 4);
}
