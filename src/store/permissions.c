#include "store/permissions.h"

#include "store/audit.h"
#include "store/rows.h"

static const struct { str name; bool is_default;
} names[] = {
    {STR_INIT("Affected Stacks Create"), true}, {STR_INIT("Instances Create"), true},
    {STR_INIT("Instances Update"), true},       {STR_INIT("Locks Create"), true},
    {STR_INIT("Locks Delete"), true},           {STR_INIT("Deployments Create"), false},
};

bool permission_name_known(str name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(names[i].name, name))
            return true;
    return false;
}

bool permissions_of(struct db *db, struct arena *mem, int64_t repository_id, str name,
                    struct permission_row **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select name, workflow, branch, environment from permission where repository_id "
                  "= $1 and ($2 = '' or name = $2)"
                  " order by id",
                  ARGS(A(repository_id), A(text(name)))))
        return false;
    *out = arena_make(mem, struct permission_row, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = (struct permission_row){row_str(&r, i, 0), row_str(&r, i, 1), row_str(&r, i, 2),
                                            row_str(&r, i, 3)};
    return true;
}

static bool permission_insert(struct db *db, struct arena *mem, const struct repository *r,
                              const struct permission_row *p, str actor, int64_t now_ms,
                              int64_t *id, struct err *e)
{
    struct db_rows rows;
    if (!db_query(db, mem, e, &rows,
                  "insert into permission (repository_id, name, workflow, branch, environment, "
                  "created_ms, created_by)"
                  " values ($1, $2, $3, $4, $5, $6, $7) returning id",
                  ARGS(A(r->id), A(p->name), A(p->workflow), A(p->branch), A(p->environment),
                       A(now_ms), A(text(actor)))))
        return false;
    *id = row_i64(&rows, 0, 0);
    return true;
}

static bool permission_audit(struct db *db, struct arena *mem, const struct repository *r,
                             str action, const struct permission_row *p, str actor_type, str actor,
                             int64_t now_ms, struct err *e)
{
    struct audit_entry a = {
        .workspace_id = r->workspace_id,
        .repository_id = r->id,
        .action = action,
        .actor_type = actor_type,
        .actor = actor,
        .target_type = STR("permission"),
        .target = p->name,
        .description =
            arena_print(mem, "workflow " PRI_STR ", branch " PRI_STR ", environment " PRI_STR,
                        FMT_STR(p->workflow), FMT_STR(p->branch), FMT_STR(p->environment))};
    return audit_add(db, mem, &a, now_ms, e);
}

static bool check(str what, str pattern, struct err *e)
{
    if (pattern_check(pattern, e))
        return true;
    return fail_ctx(e, "the %s pattern cannot be used", what.ptr);
}

bool permissions_add(struct db *db, struct arena *mem, const struct repository *r,
                     const struct permission_row *row, str actor_type, str actor, int64_t now_ms,
                     int64_t *id, struct err *e)
{
    if (!permission_name_known(row->name))
        return fail(e, ERR_INVALID,
                    "there is no permission of this name: the description of the API lists them");
    return check(STR("workflow"), row->workflow, e) && check(STR("branch"), row->branch, e) &&
           check(STR("environment"), row->environment, e) &&
           permission_insert(db, mem, r, row, actor, now_ms, id, e) &&
           permission_audit(db, mem, r, STR("permission.assigned"), row, actor_type, actor, now_ms,
                            e);
}

bool permissions_remove(struct db *db, struct arena *mem, const struct repository *r, int64_t id,
                        str actor_type, str actor, int64_t now_ms, bool *found, struct err *e)
{
    struct db_rows rows;
    if (!db_query(db, mem, e, &rows,
                  "delete from permission where id = $1 and repository_id = $2 returning name, "
                  "workflow, branch, environment",
                  ARGS(A(id), A(r->id))))
        return false;
    *found = rows.count > 0;
    if (!*found)
        return true;
    struct permission_row p = {row_str(&rows, 0, 0), row_str(&rows, 0, 1), row_str(&rows, 0, 2),
                               row_str(&rows, 0, 3)};
    return permission_audit(db, mem, r, STR("permission.removed"), &p, actor_type, actor, now_ms,
                            e);
}

bool permissions_default(struct db *db, struct arena *mem, const struct repository *r,
                         str actor_type, str actor, int64_t now_ms, struct err *e)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct permission_row p = { names[i].name, STR("*"), STR("*"), STR("*") };
        int64_t id;
        if (names[i].is_default && (!permission_insert(db, mem, r, &p, actor, now_ms, &id, e) ||
                                    !permission_audit(db, mem, r, STR("permission.default_created"),
                                                      &p, actor_type, actor, now_ms, e)))
            return false;
    }
    return true;
}
