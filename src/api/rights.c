/*
 * What a caller may touch: the repository of a call (atmos-pro.md §6.2) and the permission rows of
 * workflows (§17.1).
 */
#include "api/call.h"

#include "domain/join.h"
#include "store/permissions.h"

struct db *call_read(struct call *c)
{
    return engine_read(c->api->config.engine, &c->err);
}

static bool same_name(str owner, str name, str full)
{
    str rest, first = str_cut(full, '/', &rest);
    return str_eq_nocase(first, owner) && str_eq_nocase(rest, name);
}

/*
 * A renamed repository has its new name in the session before the webhook of the rename has come:
 * both count.
 */
static bool names_fit(struct call *c, str owner, str name, const struct repository *r)
{
    return (!owner.len && !name.len) ||
           (str_eq_nocase(owner, r->owner) && str_eq_nocase(name, r->name)) ||
           same_name(owner, name, json_str(json_get(c->who.claims, STR("repository")), c->mem));
}

bool call_repository(struct call *c, struct db *db, str owner, str name, struct repository *out)
{
    bool found = false;
    if (c->who.repository_id) {
        if (!repositories_get(db, c->mem, c->who.workspace_id, c->who.repository_id, out, &found,
                              &c->err))
            return false;
        if (!found)
            return fail(&c->err, ERR_REPO_FOREIGN,
                        "the workspace has no access to the repository any more: import it again");
        if (!names_fit(c, owner, name, out))
            return fail(&c->err, ERR_REPO_MISMATCH,
                        "the request is about " PRI_STR "/" PRI_STR
                        ", but its token is for " PRI_STR "/" PRI_STR,
                        FMT_STR(owner), FMT_STR(name), FMT_STR(out->owner), FMT_STR(out->name));
        return true;
    }
    if (!owner.len || !name.len)
        return fail(&c->err, ERR_INVALID,
                    "the token is for a whole workspace, so the request must name repo_owner and "
                    "repo_name");
    if (!repositories_by_name(db, c->mem, c->who.workspace_id, owner, name, out, &found, &c->err))
        return false;
    return found || fail(&c->err, ERR_REPO_FOREIGN,
                         "the workspace has no access to the repository " PRI_STR "/" PRI_STR
                         ": import it, or install the GitHub App on it",
                         FMT_STR(owner), FMT_STR(name));
}

bool call_find_repository(struct call *c, struct db *db, str text, struct repository *out)
{
    bool found = false;
    int64_t id;
    if (str_to_i64(text, 1, INT64_MAX, &id)) {
        if (!repositories_get(db, c->mem, c->who.workspace_id, id, out, &found, &c->err))
            return false;
    } else {
        str name, owner = str_cut(text, '/', &name);
        if (!repositories_by_name(db, c->mem, c->who.workspace_id, owner, name, out, &found,
                                  &c->err))
            return false;
    }
    if (!found || (c->who.repository_id && c->who.repository_id != out->id))
        return fail(&c->err, ERR_NOT_FOUND,
                    "there is no repository " PRI_STR
                    " in the workspace, or the token does not cover it",
                    FMT_STR(text));
    return true;
}

/* --- permission rows --- */

static str claim(struct call *c, const char *name)
{
    return json_str(json_get(c->who.claims, str_of(name)), c->mem);
}

static str workflow_of(struct call *c)
{
    str ref = claim(c, "workflow_ref"), rest;
    return str_after_last(str_cut(ref, '@', &rest), '/');
}

static str without_prefix(str ref)
{
    static const str prefixes[] = {STR_INIT("refs/heads/"), STR_INIT("refs/tags/"),
                                   STR_INIT("refs/")};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (str_starts(ref, prefixes[i]))
            return str_sub(ref, prefixes[i].len, ref.len);
    return ref;
}

/*
 * §17.1: uploads are held against the base of what they propose, everything else against the branch
 * it runs on.
 */
static str branch_of(struct call *c)
{
    str base, ref = claim(c, "ref"), head = claim(c, "head_ref");
    int64_t number;
    if (str_eq(str_of(c->route->permission), STR("Affected Stacks Create"))) {
        if (claim(c, "base_ref").len)
            return without_prefix(claim(c, "base_ref"));
        if (join_queue_branch(ref, &base, &number))
            return base;
    }
    return head.len ? head : without_prefix(ref);
}

bool call_permitted(struct call *c, struct db *db, int64_t repository_id)
{
    struct permission_row *rows;
    size_t count;
    str why = STR("");
    if (c->who.kind != CALLER_SESSION || !c->route->permission)
        return true;
    struct permission_ask ask = {.name = str_of(c->route->permission),
                                 .workflow = workflow_of(c),
                                 .branch = branch_of(c),
                                 .environment = claim(c, "environment"),
                                 .has_environment =
                                     json_present(json_get(c->who.claims, STR("environment")))};
    if (!permissions_of(db, c->mem, repository_id, ask.name, &rows, &count, &c->err))
        return false;
    if (permission_granted(c->mem, rows, count, &ask, &why))
        return true;
    return fail(&c->err, ERR_DENIED, PRI_STR, FMT_STR(why));
}

/* --- sessions --- */

str call_session_json(struct call *c)
{
    static const char *const kept[] = {"repository",
                                       "repository_id",
                                       "repository_owner",
                                       "ref",
                                       "ref_type",
                                       "head_ref",
                                       "base_ref",
                                       "sha",
                                       "workflow_ref",
                                       "job_workflow_ref",
                                       "event_name",
                                       "environment",
                                       "actor",
                                       "run_id",
                                       "run_number",
                                       "run_attempt",
                                       "jti",
                                       "sub"};
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct json v = json_get(c->who.claims, str_of(kept[i]));
        if (json_kind(v) == JSON_STRING)
            json_field_str(&w, str_of(kept[i]), json_str(v, c->mem));
        else if (json_kind(v) == JSON_NUMBER)       /* GitHub sends them as text; we keep text */
            json_field_str(&w, str_of(kept[i]), json_raw(v));
    }
    json_end_object(&w);
    return buf_ok(&b) ? buf_str(&b) : STR("{}");
}

int64_t call_forge_run(const struct call *c)
{
    int64_t n;
    return str_to_i64(json_str(json_get(c->who.claims, STR("run_id")), c->mem), 1, INT64_MAX, &n)
               ? n
               : 0;
}
