/*
 * apply_house: what concerns the App and not one repository: installations, and which repositories
 * they bring.
 */
#include "base/log.h"
#include "engine/inside.h"
#include "store/repositories.h"

/* Its lane reads what the repository says of itself. */
static bool read_settings(struct step *s, int64_t lane, struct err *e)
{
    enum fact_fate fate;
    int64_t id;
    return engine_store_fact(
        s->en, s->db, s->mem,
        &(struct fact_new){ .lane = lane, .kind = "settings", .body = STR("{}") }, &fate, &id, e);
}

static bool import_one(struct step *s, int64_t installation_id, str host, int64_t forge_id,
                       str owner, str name, str branch, struct err *e)
{
    struct repository r = {.forge_id = forge_id,
                           .installation_id = installation_id,
                           .workspace_id = s->en->workspace_id,
                           .forge = STR("github"),
                           .host = host.len ? host : STR("github.com"),
                           .owner = owner,
                           .name = name,
                           .default_branch = branch.len ? branch : STR("main"),
                           .settings = STR("{}")};
    bool is_new;
    if (!forge_id || !owner.len || !name.len)
        return true;
    if (!repositories_import(s->db, s->mem, &r, STR("system"), STR("github"), s->now_ms, &is_new,
                             e) ||
        !lanes_ensure(s->db, r.id, e))
        return false;
    if (is_new && !read_settings(s, r.id, e))
        return false;
    if (is_new)
        log_info("repository imported", LS("owner", owner), LS("name", name), LI("lane", r.id));
    push_i64(s->mem, &s->poke, &s->poke_count, &s->poke_cap, r.id);
    return true;
}

bool house_import(struct step *s, str installation_id, struct json repos, struct err *e)
{
    struct json_iter it = json_iter(repos);
    struct json v;
    str key;
    int64_t installation;
    if (!str_to_i64(installation_id, 1, INT64_MAX, &installation))
        return fail(e, ERR_INVALID, "an installation without a number");
    while (json_next(&it, s->mem, &key, &v))
        if (!import_one(s, installation, STR(""), json_i64_or(json_get(v, STR("id")), 0),
                        json_str(json_get(v, STR("owner")), s->mem),
                        json_str(json_get(v, STR("name")), s->mem),
                        json_str(json_get(v, STR("default_branch")), s->mem), e))
            return false;
    return true;
}

static bool put_installation(struct step *s, const struct forge_event *v, bool deleted,
                             struct err *e)
{
    return db_exec(
        s->db, e, NULL,
        "insert into installation (id, account, suspended, deleted_ms, permissions, updated_ms)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (id) do update set account = "
        "excluded.account, suspended = excluded.suspended, deleted_ms = excluded.deleted_ms, "
        "permissions = excluded.permissions, updated_ms = excluded.updated_ms",
        ARGS(A(v->installation_id), A(v->account.ptr ? v->account : STR("")), A(v->suspended),
             deleted ? A(s->now_ms) : (struct arg){0},
             A(v->permissions.len ? v->permissions : STR("{}")), A(s->now_ms)));
}

/* Lanes look at their repository again: an App that came back lets the outbox go on. */
static bool reload_lanes(struct step *s, int64_t installation_id, struct err *e)
{
    struct db_rows r;
    if (!db_query(s->db, s->mem, e, &r, "select id from repository where installation_id = $1",
                  ARGS(A(installation_id))))
        return false;
    for (size_t i = 0; i < r.count; i++)
        push_i64(s->mem, &s->poke, &s->poke_count, &s->poke_cap, db_at(&r, i, 0)->i);
    if (installation_id > 0)
        push_i64(s->mem, &s->poke, &s->poke_count, &s->poke_cap, -installation_id);
    s->reload_poked = true;
    return true;
}

static bool apply_installation(struct step *s, const struct forge_event *v, str *note,
                               struct err *e)
{
    bool deleted = str_eq(v->action, STR("deleted"));
    *note = arena_print(s->mem, "installation " PRI_STR, FMT_STR(v->action));
    if (!put_installation(s, v, deleted, e) || !reload_lanes(s, v->installation_id, e))
        return false;
    /* The payload's repositories lack the default branch: they are listed by API as well. */
    for (size_t i = 0; i < v->repo_count; i++)
        if (!import_one(s, v->installation_id, v->repos[i].host, v->repos[i].id, v->repos[i].owner,
                        v->repos[i].name, v->repos[i].default_branch, e))
            return false;
    return deleted || v->suspended || !v->installation_id ||
           step_effect(s, "list_repos", arena_print(s->mem, "%lld", (long long)v->installation_id),
                       STR("{}"), 0, e);
}

static bool apply_installation_repos(struct step *s, const struct forge_event *v, str *note,
                                     struct err *e)
{
    *note = STR("repositories of the installation changed");
    for (size_t i = 0; i < v->repo_count; i++)
        if (!import_one(s, v->installation_id, v->repos[i].host, v->repos[i].id, v->repos[i].owner,
                        v->repos[i].name, v->repos[i].default_branch, e))
            return false;
    for (size_t i = 0; i < v->removed_count; i++)
        if (!db_exec(
                s->db, e, NULL,
                "update repository set removed_ms = $3 where forge_id = $1 and workspace_id = $2",
                ARGS(A(v->removed[i]), A(s->en->workspace_id), A(s->now_ms))))
            return false;
    if (!reload_lanes(s, v->installation_id, e))
        return false;
    return v->repo_count == 0 ||
           step_effect(s, "list_repos", arena_print(s->mem, "%lld", (long long)v->installation_id),
                       STR("{}"), 0, e);
}

bool apply_house(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    if (v->kind == FORGE_INSTALLATION)
        return apply_installation(s, v, note, e);
    if (v->kind == FORGE_INSTALLATION_REPOS)
        return apply_installation_repos(s, v, note, e);
    *note = v->has_repo
                ? arena_print(s->mem, PRI_STR "/" PRI_STR " is not a repository of this server",
                              FMT_STR(v->repo.owner), FMT_STR(v->repo.name))
                : STR("nothing to do");
    return true;
}
