#include "store/secrets.h"

#include "store/rows.h"

static str place(struct arena *mem, int64_t repository_id, str name)
{
    return arena_print(mem, "%lld:" PRI_STR ":", (long long)repository_id, FMT_STR(name));
}

static bool open_value(struct arena *mem, const uint8_t *key, int64_t repository_id, str name,
                       str sealed, str *value, struct err *e)
{
    str plain, front = place(mem, repository_id, name);
    if (!key)
        return fail(e, ERR_INTERNAL, "there is no key to open the secret " PRI_STR " with",
                    FMT_STR(name));
    if (!secret_open(mem, key, sealed, &plain, e))
        return fail_ctx(e, "the secret " PRI_STR, FMT_STR(name));
    if (!str_starts(plain, front))
        return fail(e, ERR_INTERNAL, "the stored secret " PRI_STR " is another one's value",
                    FMT_STR(name));
    *value = str_sub(plain, front.len, plain.len);
    return true;
}

bool secrets_put(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                 str name, str value, str description, str by, int64_t now_ms, bool *is_new,
                 struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select count(*), coalesce(sum(case when name = $2 then 1 else 0 end), 0) from "
                  "secret where repository_id = $1",
                  ARGS(A(repository_id), A(name))))
        return false;
    *is_new = row_i64(&r, 0, 1) == 0;
    if (*is_new && row_i64(&r, 0, 0) >= SECRETS_OF_REPOSITORY_MAX)
        return fail(e, ERR_LIMIT, "the repository has %d secrets already: remove one first",
                    SECRETS_OF_REPOSITORY_MAX);
    str sealed = secret_seal(mem, key, arena_print(mem, PRI_STR PRI_STR,
                                                   FMT_STR(place(mem, repository_id, name)),
                                                   FMT_STR(value)));
    return db_exec(db, e, NULL,
                   "insert into secret (repository_id, name, sealed, description, created_ms, "
                   "updated_ms, updated_by) values ($1, $2, $3, coalesce($4, ''), $5, $5, $6) on "
                   "conflict (repository_id, name) do update set sealed = excluded.sealed, "
                   "description = coalesce($4, secret.description), updated_ms = "
                   "excluded.updated_ms, updated_by = excluded.updated_by",
                   ARGS(A(repository_id), A(name), arg_blob(sealed), A(description), A(now_ms),
                        A(text(by))));
}

bool secrets_get(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                 str name, str *value, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select sealed from secret where repository_id = $1 and name = $2",
                  ARGS(A(repository_id), A(name))))
        return false;
    *found = r.count > 0;
    return !*found || open_value(mem, key, repository_id, name, row_str(&r, 0, 0), value, e);
}

bool secrets_values(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                    str **values, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select name, sealed from secret where repository_id = $1",
                  ARGS(A(repository_id))))
        return false;
    *values = arena_make(mem, str, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        if (!open_value(mem, key, repository_id, row_str(&r, i, 0), row_str(&r, i, 1), &(*values)[i],
                        e))
            return false;
    return true;
}

bool secrets_remove(struct db *db, int64_t repository_id, str name, bool *found, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed, "delete from secret where repository_id = $1 and name = $2",
                 ARGS(A(repository_id), A(name))))
        return false;
    *found = changed > 0;
    return true;
}
