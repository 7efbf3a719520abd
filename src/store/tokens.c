#include "store/tokens.h"

#include "base/id.h"
#include "store/rows.h"

enum { TOKEN_SECRET_BYTES = 32 };

bool token_split(str s, str *id, str *secret)
{
    if (!str_starts(s, STR("sbx_tok_")) || s.len > 200)
        return false;
    *secret = str_after_last(s, '_');
    *id = str_sub(s, 4, s.len - secret->len - 1);
    return secret->len == 2 * TOKEN_SECRET_BYTES && id_valid(*id, "tok_");
}

bool tokens_create(struct db *db, struct arena *mem, struct token *t, int64_t now_ms,
                   str *secret_text, struct err *e)
{
    uint8_t bytes[TOKEN_SECRET_BYTES], hash[SHA256_BYTES];
    if (!str_eq(t->role, STR("member")) && !str_eq(t->role, STR("admin")))
        return fail(e, ERR_INVALID, "the role of a token is member or admin");
    if (!t->name.len || t->name.len > 200)
        return fail(
            e, ERR_INVALID,
            "a token needs a name of 1 to 200 bytes, to know it by when it is to be revoked");
    random_bytes(bytes, sizeof bytes);
    str secret = hex_write(mem, (str){ (const char *)bytes, sizeof bytes });
    sha256(secret, hash);
    t->id = id_new(mem, "tok_", now_ms);
    t->hash = arena_copy(mem, (str){ (const char *)hash, sizeof hash });
    t->created_ms = now_ms;
    *secret_text = arena_print(mem, "sbx_" PRI_STR "_" PRI_STR, FMT_STR(t->id), FMT_STR(secret));
    return db_exec(db, e, NULL,
                   "insert into api_token (id, workspace_id, repository_id, name, role, hash, "
                   "created_ms, created_by, expires_ms)"
                   " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                   ARGS(A(t->id), A(t->workspace_id),
                        t->repository_id ? A(t->repository_id) : (struct arg){0}, A(t->name),
                        A(t->role), arg_blob(t->hash), A(now_ms), A(text(t->created_by)),
                        t->expires_ms ? A(t->expires_ms) : (struct arg){0}));
}

bool tokens_get(struct db *db, struct arena *mem, str id, struct token *out, bool *found,
                struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id, workspace_id, repository_id, name, role, hash, created_by, "
                  "created_ms, expires_ms, revoked_ms"
                  " from api_token where id = $1",
                  ARGS(A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = (struct token){.id = row_str(&r, 0, 0),
                              .workspace_id = row_str(&r, 0, 1),
                              .repository_id = row_i64(&r, 0, 2),
                              .name = row_str(&r, 0, 3),
                              .role = row_str(&r, 0, 4),
                              .hash = row_str(&r, 0, 5),
                              .created_by = row_str(&r, 0, 6),
                              .created_ms = row_i64(&r, 0, 7),
                              .expires_ms = row_i64(&r, 0, 8),
                              .revoked_ms = row_i64(&r, 0, 9)};
    return true;
}

bool tokens_revoke(struct db *db, str workspace_id, str id, int64_t now_ms, bool *found,
                   struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "update api_token set revoked_ms = $3 where id = $1 and workspace_id = $2 and "
                 "revoked_ms is null",
                 ARGS(A(id), A(workspace_id), A(now_ms))))
        return false;
    *found = changed > 0;
    return true;
}

bool tokens_used(struct db *db, str id, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL, "update api_token set used_ms = $2 where id = $1",
                   ARGS(A(id), A(now_ms)));
}

bool oidc_use(struct db *db, str jti, int64_t expires_ms, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(
            db, e, &changed,
            "insert into oidc_used (jti, expires_ms) values ($1, $2) on conflict (jti) do nothing",
            ARGS(A(jti), A(expires_ms))))
        return false;
    if (!changed)
        return fail(e, ERR_TOKEN_REPLAYED,
                    "this GitHub OIDC token was exchanged before, and each is accepted once: "
                    "request a new one in the job");
    return true;
}

bool oidc_purge(struct db *db, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL, "delete from oidc_used where expires_ms < $1", ARGS(A(now_ms)));
}

bool app_value_put(struct db *db, struct arena *mem, str name, str value, const uint8_t *key,
                   int64_t now_ms, struct err *e)
{
    str stored = key ? secret_seal(mem, key, value) : text(value);
    return db_exec(db, e, NULL,
                   "insert into app_value (name, value, secret, updated_ms) values ($1, $2, $3, $4)"
                   " on conflict (name) do update set value = excluded.value, secret = "
                   "excluded.secret, updated_ms = excluded.updated_ms",
                   ARGS(A(name), arg_blob(stored), A(key != NULL), A(now_ms)));
}

bool app_value_get(struct db *db, struct arena *mem, str name, const uint8_t *key, str *value,
                   bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select value, secret from app_value where name = $1",
                  ARGS(A(name))))
        return false;
    *found = r.count > 0;
    *value = STR("");
    if (!*found)
        return true;
    str stored = row_str(&r, 0, 0);
    if (!row_bool(&r, 0, 1)) {
        *value = stored;
        return true;
    }
    if (!key)
        return fail(e, ERR_INTERNAL,
                    "the value " PRI_STR " is sealed and there is no key to open it",
                    FMT_STR(name));
    return secret_open(mem, key, stored, value, e);
}
