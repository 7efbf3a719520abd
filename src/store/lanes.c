#include "store/lanes.h"

#include "store/rows.h"

bool lanes_repo(struct db *db, struct arena *mem, int64_t lane, struct lane_repo *out, bool *found,
                struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select r.id, r.forge_id, r.installation_id, r.workspace_id, r.host, r.owner, "
                  "r.name, r.default_branch, r.settings, r.removed_ms, coalesce(i.suspended, 0), "
                  "i.deleted_ms, r.file_settings, r.file_note from repository r"
                  " left join installation i on i.id = r.installation_id where r.id = $1",
                  ARGS(A(lane))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = (struct lane_repo){.id = row_i64(&r, 0, 0),
                                  .forge_id = row_i64(&r, 0, 1),
                                  .installation_id = row_i64(&r, 0, 2),
                                  .workspace_id = row_str(&r, 0, 3),
                                  .host = row_str(&r, 0, 4),
                                  .owner = row_str(&r, 0, 5),
                                  .name = row_str(&r, 0, 6),
                                  .default_branch = row_str(&r, 0, 7),
                                  .settings = row_str(&r, 0, 8),
                                  .file_settings = row_str(&r, 0, 12),
                                  .file_note = row_str(&r, 0, 13),
                                  .removed = !row_null(&r, 0, 9),
                                  .suspended = row_bool(&r, 0, 10) || !row_null(&r, 0, 11)};
    return true;
}

static void id_column(const struct db_rows *r, struct arena *mem, size_t column, int64_t **out,
                      size_t *count)
{
    *out = arena_make(mem, int64_t, r->count + 1);
    *count = r->count;
    for (size_t i = 0; i < r->count; i++)
        (*out)[i] = row_i64(r, i, column);
}

bool lanes_of_forge_repo(struct db *db, struct arena *mem, int64_t forge_id, int64_t **lanes,
                         size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id from repository where forge = 'github' and forge_id = $1 and "
                  "removed_ms is null",
                  ARGS(A(forge_id))))
        return false;
    id_column(&r, mem, 0, lanes, count);
    return true;
}

bool lanes_ensure(struct db *db, int64_t lane, struct err *e)
{
    return db_exec(db, e, NULL, "insert into lane (id) values ($1) on conflict (id) do nothing",
                   ARGS(A(lane)));
}

bool lanes_take_all(struct db *db, struct arena *mem, str server, struct err *e)
{
    (void)mem;
    return db_exec(db, e, NULL,
                   "insert into lane (id) select id from repository where true on conflict (id) do "
                   "nothing",
                   NO_ARGS) &&
           db_exec(db, e, NULL, "update lane set owner = $1, epoch = epoch + 1, lease_ms = 0",
                   ARGS(A(server)));
}

bool lanes_claim(struct db *db, struct arena *mem, str server, int64_t now_ms, int64_t lease_ms,
                 size_t max, int64_t **lanes, int64_t **epochs, size_t *count, struct err *e)
{
    struct db_rows r;
    /*
     * SKIP LOCKED is the one word of SQL that SQLite does not know, and SQLite never shares lanes.
     */
    if (!db_query(db, mem, e, &r,
                  "update lane set owner = $1, epoch = epoch + 1, lease_ms = $3 where id in"
                  " (select id from lane where lease_ms < $2 order by id limit $4 for update skip "
                  "locked) returning id, epoch",
                  ARGS(A(server), A(now_ms), A(now_ms + lease_ms), A((int64_t)max))))
        return false;
    id_column(&r, mem, 0, lanes, count);
    id_column(&r, mem, 1, epochs, count);
    return true;
}

bool lanes_renew(struct db *db, str server, int64_t lease_until_ms, struct err *e)
{
    return db_exec(db, e, NULL, "update lane set lease_ms = $2 where owner = $1 and lease_ms > 0",
                   ARGS(A(server), A(lease_until_ms)));
}

bool lanes_release(struct db *db, str server, int64_t lane, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update lane set owner = null, lease_ms = 0 where id = $2 and owner = $1",
                   ARGS(A(server), A(lane)));
}

bool lanes_release_all(struct db *db, str server, struct err *e)
{
    return db_exec(db, e, NULL, "update lane set owner = null, lease_ms = 0 where owner = $1",
                   ARGS(A(server))) &&
           db_exec(db, e, NULL, "delete from server where id = $1", ARGS(A(server)));
}

bool lanes_fence(struct db *db, str server, int64_t lane, int64_t epoch, bool *mine, struct err *e)
{
    int64_t changed;
    if (!db_exec(db, e, &changed,
                 "update lane set owner = $2 where id = $1 and owner = $2 and epoch = $3",
                 ARGS(A(lane), A(server), A(epoch))))
        return false;
    *mine = changed == 1;
    return true;
}

bool lanes_count(struct db *db, struct arena *mem, int64_t now_ms, int64_t alive_ms, int64_t *lanes,
                 int64_t *servers, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
            "select (select count(*) from lane), (select count(*) from server where seen_ms > $1)",
            ARGS(A(now_ms - alive_ms))))
        return false;
    *lanes = row_i64(&r, 0, 0);
    *servers = row_i64(&r, 0, 1);
    return true;
}

bool servers_seen(struct db *db, str server, str version, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into server (id, started_ms, seen_ms, version) values ($1, $2, $2, $3)"
                   " on conflict (id) do update set seen_ms = excluded.seen_ms",
                   ARGS(A(server), A(now_ms), A(version)));
}

bool lanes_now_ms(struct db *db, struct arena *mem, int64_t ours_ms, int64_t *now_ms, struct err *e)
{
    struct db_rows r;
    *now_ms = ours_ms;
    if (db_kind(db) == DB_SQLITE)
        return true;
    if (!db_query(db, mem, e, &r,
                  "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)", NO_ARGS))
        return false;
    *now_ms = row_i64(&r, 0, 0);
    return true;
}
