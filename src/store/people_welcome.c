/* How people come in: invitations, and what keeps those out who guess. */
#include "base/id.h"
#include "store/people.h"
#include "store/rows.h"

bool invitations_add(struct db *db, struct arena *mem, struct invitation *i, int64_t now_ms,
                     struct err *e)
{
    i->id = id_new(mem, "inv_", now_ms);
    i->created_ms = now_ms;
    return db_exec(db, e, NULL,
                   "insert into invitation (id, workspace_id, role, login, folded, first_start, "
                   "created_ms, created_by, expires_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                   ARGS(A(i->id), A(i->workspace_id), A(role_name(i->role)), A(text(i->login)),
                        A(login_fold(mem, i->login)), A(i->first_start), A(now_ms),
                        A(text(i->created_by)), i->expires_ms ? A(i->expires_ms) : (struct arg){0}));
}

static struct invitation invitation_of(const struct db_rows *r, size_t i)
{
    return (struct invitation){.id = row_str(r, i, 0),
                               .workspace_id = row_str(r, i, 1),
                               .role = role_read(row_str(r, i, 2)),
                               .login = row_str(r, i, 3),
                               .created_by = row_str(r, i, 4),
                               .first_start = row_bool(r, i, 5),
                               .created_ms = row_i64(r, i, 6),
                               .expires_ms = row_i64(r, i, 7)};
}

static void invitation_row(const struct db_rows *r, struct invitation *out, bool *found)
{
    *found = r->count > 0;
    if (*found)
        *out = invitation_of(r, 0);
}
#define INVITATION                                                                               \
    "select id, workspace_id, role, login, created_by, first_start, created_ms, expires_ms from " \
    "invitation where used_ms is null and revoked_ms is null and (expires_ms is null or "         \
    "expires_ms > $2) and "

bool invitations_get(struct db *db, struct arena *mem, str id, int64_t now_ms,
                     struct invitation *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, INVITATION "id = $1", ARGS(A(id), A(now_ms))))
        return false;
    invitation_row(&r, out, found);
    return true;
}

bool invitations_open(struct db *db, struct arena *mem, str workspace_id, int64_t now_ms,
                      struct invitation **at, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  INVITATION "workspace_id = $1 order by created_ms desc, id desc limit 500",
                  ARGS(A(workspace_id), A(now_ms))))
        return false;
    *count = r.count;
    *at = arena_make(mem, struct invitation, r.count + 1);
    for (size_t i = 0; i < r.count; i++)
        (*at)[i] = invitation_of(&r, i);
    return true;
}

bool invitations_of_login(struct db *db, struct arena *mem, str login, int64_t now_ms,
                          struct invitation *out, bool *found, struct err *e)
{
    struct db_rows r;
    *found = false;
    if (!login.len)
        return true;
    if (!db_query(db, mem, e, &r, INVITATION "folded = $1 order by created_ms limit 1",
                  ARGS(A(login_fold(mem, login)), A(now_ms))))
        return false;
    invitation_row(&r, out, found);
    return true;
}

bool invitations_use(struct db *db, str id, str person_id, int64_t now_ms, bool *found,
                     struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "update invitation set used_ms = $3, used_by = $2 where id = $1 and used_ms is "
                 "null and revoked_ms is null",
                 ARGS(A(id), A(person_id), A(now_ms))))
        return false;
    *found = changed > 0;
    return true;
}

bool invitations_revoke(struct db *db, str workspace_id, str id, int64_t now_ms, bool *found,
                        struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "update invitation set revoked_ms = $3 where workspace_id = $1 and id = $2 and "
                 "used_ms is null and revoked_ms is null",
                 ARGS(A(workspace_id), A(id), A(now_ms))))
        return false;
    *found = changed > 0;
    return true;
}

bool invitations_first(struct db *db, struct arena *mem, str workspace_id, bool anew,
                       int64_t now_ms, struct invitation *out, struct err *e)
{
    struct db_rows r;
    bool found = false;
    if (anew && !db_exec(db, e, NULL,
                         "update invitation set revoked_ms = $1 where first_start = 1 and used_ms "
                         "is null and revoked_ms is null",
                         ARGS(A(now_ms))))
        return false;
    if (!db_query(db, mem, e, &r, INVITATION "first_start = 1 and workspace_id = $1 limit 1",
                  ARGS(A(workspace_id), A(now_ms))))
        return false;
    invitation_row(&r, out, &found);
    if (found)
        return true;
    *out = (struct invitation){.workspace_id = workspace_id,
                               .role = ROLE_OWNER,
                               .first_start = true,
                               .created_by = STR("signalbox")};
    return invitations_add(db, mem, out, now_ms, e);
}

/* --- codes --- */

static str sign(struct arena *mem, const uint8_t key[SHA256_BYTES], str id)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256((str){ (const char *)key, SHA256_BYTES }, arena_print(mem, "welcome " PRI_STR, FMT_STR(id)),
                mac);
    return base64url_write(mem, (str){ (const char *)mac, sizeof mac });
}

str invitation_code(struct arena *mem, const uint8_t key[SHA256_BYTES], str id)
{
    return arena_print(mem, PRI_STR "." PRI_STR, FMT_STR(str_sub(id, 4, id.len)),
                       FMT_STR(sign(mem, key, id)));
}

bool invitation_code_read(struct arena *mem, const uint8_t key[SHA256_BYTES], str code, str *id)
{
    str mac, name = str_cut(code, '.', &mac);
    if (code.len > 200)
        return false;
    *id = arena_print(mem, "inv_" PRI_STR, FMT_STR(name));
    return id_valid(*id, "inv_") && secret_equal(mac, sign(mem, key, *id));
}

/* --- failed attempts --- */

bool sign_in_until(struct db *db, struct arena *mem, str key, int64_t *until_ms, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select until_ms from sign_in_failure where key = $1",
                  ARGS(A(key))))
        return false;
    *until_ms = r.count ? row_i64(&r, 0, 0) : 0;
    return true;
}

bool sign_in_failed(struct db *db, struct arena *mem, str key, int64_t now_ms, int64_t free,
                    int64_t *until_ms, struct err *e)
{
    struct db_rows r;
    *until_ms = 0;
    /* Half an hour of peace, and it begins anew. */
    if (!db_query(db, mem, e, &r,
                  "insert into sign_in_failure (key, failures, last_ms, until_ms) values ($1, 1, "
                  "$2, 0) on conflict (key) do update set failures = case when "
                  "sign_in_failure.last_ms < $3 then 1 else sign_in_failure.failures + 1 end, "
                  "last_ms = $2 returning failures",
                  ARGS(A(key), A(now_ms), A(now_ms - 30 * 60 * 1000))))
        return false;
    int64_t wait_ms = sign_in_wait_ms(row_i64(&r, 0, 0), free);
    if (!wait_ms)
        return true;
    *until_ms = now_ms + wait_ms;
    return db_exec(db, e, NULL, "update sign_in_failure set until_ms = $2 where key = $1",
                   ARGS(A(key), A(*until_ms)));
}

bool sign_in_forgotten(struct db *db, str key, struct err *e)
{
    return db_exec(db, e, NULL, "delete from sign_in_failure where key = $1", ARGS(A(key)));
}
