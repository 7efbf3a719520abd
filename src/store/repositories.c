#include "store/repositories.h"

#include "store/audit.h"
#include "store/permissions.h"
#include "store/rows.h"

bool workspaces_ensure(struct db *db, str id, str name, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into workspace (id, name, created_ms) values ($1, $2, $3) on conflict "
                   "(id) do nothing",
                   ARGS(A(id), A(text(name)), A(now_ms)));
}

bool workspaces_exists(struct db *db, struct arena *mem, str id, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select 1 from workspace where id = $1", ARGS(A(id))))
        return false;
    *found = r.count > 0;
    return true;
}

#define REPOSITORY_COLUMNS \
    "id, workspace_id, forge, forge_id, host, owner, name, default_branch, installation_id, " \
    "settings, created_ms, removed_ms, file_settings, file_note"

static void repository_row(const struct db_rows *r, struct repository *out, bool *found)
{
    *found = r->count > 0;
    if (*found)
        *out = (struct repository){.id = row_i64(r, 0, 0),
                                   .workspace_id = row_str(r, 0, 1),
                                   .forge = row_str(r, 0, 2),
                                   .forge_id = row_i64(r, 0, 3),
                                   .host = row_str(r, 0, 4),
                                   .owner = row_str(r, 0, 5),
                                   .name = row_str(r, 0, 6),
                                   .default_branch = row_str(r, 0, 7),
                                   .installation_id = row_i64(r, 0, 8),
                                   .settings = row_str(r, 0, 9),
                                   .created_ms = row_i64(r, 0, 10),
                                   .removed_ms = row_i64(r, 0, 11),
                                   .file_settings = row_str(r, 0, 12),
                                   .file_note = row_str(r, 0, 13)};
}

bool repositories_get(struct db *db, struct arena *mem, str workspace_id, int64_t id,
                      struct repository *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " REPOSITORY_COLUMNS
                  " from repository where id = $1 and workspace_id = $2 and removed_ms is null",
                  ARGS(A(id), A(workspace_id))))
        return false;
    repository_row(&r, out, found);
    return true;
}

bool repositories_by_forge(struct db *db, struct arena *mem, str workspace_id, int64_t forge_id,
                           struct repository *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " REPOSITORY_COLUMNS
                  " from repository where workspace_id = $1 and forge = 'github' and forge_id = $2 "
                  "and removed_ms is null",
                  ARGS(A(workspace_id), A(forge_id))))
        return false;
    repository_row(&r, out, found);
    return true;
}

bool repositories_by_name(struct db *db, struct arena *mem, str workspace_id, str owner, str name,
                          struct repository *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " REPOSITORY_COLUMNS
                  " from repository where workspace_id = $1 and lower(owner) = lower($2) and "
                  "lower(name) = lower($3) and removed_ms is null order by id",
                  ARGS(A(workspace_id), A(owner), A(name))))
        return false;
    repository_row(&r, out, found);
    return true;
}

bool repositories_import(struct db *db, struct arena *mem, struct repository *r, str actor_type,
                         str actor, int64_t now_ms, bool *is_new, struct err *e)
{
    struct db_rows rows;
    if (!db_query(
            db, mem, e, &rows,
            "select id from repository where workspace_id = $1 and forge = $2 and forge_id = $3",
            ARGS(A(r->workspace_id), A(r->forge), A(r->forge_id))))
        return false;
    *is_new = rows.count == 0;
    if (!*is_new) {
        r->id = row_i64(&rows, 0, 0);
        return db_exec(db, e, NULL,
            "update repository set host = $2, owner = $3, name = $4, default_branch = $5,"
            " installation_id = coalesce($6, installation_id), removed_ms = null where id = $1",
            ARGS(A(r->id), A(r->host), A(r->owner), A(r->name), A(r->default_branch),
                 r->installation_id ? A(r->installation_id) : (struct arg){ 0 }));
    }
    if (!db_query(db, mem, e, &rows,
                  "insert into repository (workspace_id, forge, forge_id, host, owner, name, "
                  "default_branch, installation_id, created_ms)"
                  " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id",
                  ARGS(A(r->workspace_id), A(r->forge), A(r->forge_id), A(r->host), A(r->owner),
                       A(r->name), A(r->default_branch),
                       r->installation_id ? A(r->installation_id) : (struct arg){0}, A(now_ms))))
        return false;
    r->id = row_i64(&rows, 0, 0);
    r->created_ms = now_ms;
    struct audit_entry a = {
        .workspace_id = r->workspace_id,
        .repository_id = r->id,
        .action = STR("repository.imported"),
        .actor_type = actor_type,
        .actor = actor,
        .target_type = STR("repository"),
        .target = arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(r->owner), FMT_STR(r->name))};
    return audit_add(db, mem, &a, now_ms, e) &&
           permissions_default(db, mem, r, actor_type, actor, now_ms, e);
}

bool repositories_set_file(struct db *db, int64_t id, str settings, str note, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update repository set file_settings = $2, file_note = $3 where id = $1",
                   ARGS(A(id), A(text(settings)), A(text(note))));
}

bool repositories_set_settings(struct db *db, int64_t id, str settings, struct err *e)
{
    return db_exec(db, e, NULL, "update repository set settings = $2 where id = $1",
                   ARGS(A(id), A(settings)));
}
