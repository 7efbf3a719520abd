/*
 * What admins do: settings, permission rows, importing repositories, tokens, replaying facts. Every
 * change is audited in its own transaction.
 */
#include "api/call.h"

#include "domain/settings_file.h"
#include "store/audit.h"
#include "store/permissions.h"
#include "store/tokens.h"
#include "store/uploads_chunks.h"

struct audit_entry audit_of(struct call *c, int64_t repository_id, str action, str target_type,
                            str target)
{
    /* Logins change hands, and a local account may be called like one of a forge. */
    str metadata = c->who.kind == CALLER_PERSON
                       ? arena_print(c->mem, "{\"personId\":\"" PRI_STR "\"}",
                                     FMT_STR(c->who.person_id))
                       : STR_NONE;
    return (struct audit_entry){.workspace_id = c->who.workspace_id,
                                .repository_id = repository_id,
                                .action = action,
                                .actor_type = c->who.type,
                                .actor = c->who.name,
                                .target_type = target_type,
                                .target = target,
                                .metadata = metadata};
}

bool call_path_repository(struct call *c, struct repository *r)
{
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = call_find_repository(c, db, c->path[0], r);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

static enum outcome show_repository(struct call *c, int64_t id)
{
    struct query q = { .workspace_id = c->who.workspace_id };
    bool found = false;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = query_repository(db, c->mem, &q, arena_print(c->mem, "%lld", (long long)id), &c->data,
                               &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    return ok && found ? ANSWERED : FAILED;
}

/* --- settings --- */

static bool settings_of(struct arena *mem, str stored, struct repo_settings *s, struct err *e)
{
    struct json v;
    settings_default(s);
    return !stored.len || (json_parse(mem, stored, 0, &v, e) && settings_merge(mem, v, s, e));
}

/* What the repository's file names counts (domain/settings_file.h). */
static bool add_file(struct arena *mem, str file, struct repo_settings *s, struct err *e)
{
    struct json v;
    return !file.len || (json_parse(mem, file, 0, &v, e) && settings_merge(mem, v, s, e));
}

/* What is kept in git is changed in git. */
static bool not_in_file(struct call *c, str file, struct err *e)
{
    struct json kept, v;
    str key;
    if (!json_parse(c->mem, file.len ? file : STR("{}"), 0, &kept, e))
        return false;
    for (struct json_iter it = json_iter(kept); json_next(&it, c->mem, &key, &v);)
        if (json_present(json_get(c->body, key)))
            return fail(e, ERR_CONFLICT,
                        PRI_STR " is kept in " SETTINGS_FILE " on the default branch: change it "
                                "there, or take it out of the file",
                        FMT_STR(key));
    return true;
}

enum outcome api_settings_get(struct call *c)
{
    struct repository r;
    struct repo_settings s;
    if (!call_path_repository(c, &r) || !settings_of(c->mem, r.settings, &s, &c->err) ||
        !add_file(c->mem, r.file_settings, &s, &c->err))
        return FAILED;
    json_put_raw(&c->data, settings_json(c->mem, &s));
    return ANSWERED;
}

struct settings_call { struct call *call; struct repository repo; struct repo_settings now; };

static bool settings_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct settings_call *x = arg;
    struct call *c = x->call;
    bool found;
    /* Read again: two admins may change different fields at once. */
    if (!repositories_get(db, mem, c->who.workspace_id, x->repo.id, &x->repo, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "the repository was removed this moment");
    if (!not_in_file(c, x->repo.file_settings, e) ||
        !settings_of(mem, x->repo.settings, &x->now, e) ||
        !settings_merge(c->mem, c->body, &x->now, e))
        return false;
    struct audit_entry a = audit_of(
        c, x->repo.id, STR("repository.settings_changed"), STR("repository"),
        arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(x->repo.owner), FMT_STR(x->repo.name)));
    a.metadata = json_raw(c->body);
    return repositories_set_settings(db, x->repo.id, settings_changed_json(mem, &x->now), e) &&
           audit_add(db, mem, &a, c->now_ms, e) &&
           add_file(mem, x->repo.file_settings, &x->now, e);
}

enum outcome api_settings_set(struct call *c)
{
    struct settings_call x = { .call = c };
    if (!call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, settings_body, &x, &c->err))
        return FAILED;
    engine_settings_changed(c->api->config.engine, x.repo.id);
    json_put_raw(&c->data, settings_json(c->mem, &x.now));
    return ANSWERED;
}

/* --- permission rows --- */

struct permission_call {
    struct call *call;
    struct repository repo;
    struct permission_row row;
    int64_t id;
    bool found;
};

static bool permission_add_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct permission_call *x = arg;
    struct call *c = x->call;
    return permissions_add(db, mem, &x->repo, &x->row, c->who.type, c->who.name, c->now_ms, &x->id,
                           e);
}

static bool read_pattern(struct call *c, const char *name, str *out)
{
    if (!read_text(c, name, false, 200, out))
        return false;
    if (!out->len)
        *out = STR("*");
    return true;
}

enum outcome api_permission_add(struct call *c)
{
    static const char *const known[] = { "name", "workflow", "branch", "environment", NULL };
    struct permission_call x = { .call = c };
    if (!only_known(c, known) || !read_text(c, "name", true, 100, &x.row.name) ||
        !read_pattern(c, "workflow", &x.row.workflow) ||
        !read_pattern(c, "branch", &x.row.branch) ||
        !read_pattern(c, "environment", &x.row.environment) || !call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, permission_add_body, &x, &c->err))
        return FAILED;
    c->status = 201;
    json_begin_object(&c->data);
    json_field_i64(&c->data, STR("id"), x.id);
    json_field_str(&c->data, STR("name"), x.row.name);
    json_field_str(&c->data, STR("workflow"), x.row.workflow);
    json_field_str(&c->data, STR("branch"), x.row.branch);
    json_field_str(&c->data, STR("environment"), x.row.environment);
    json_field_time(&c->data, STR("createdAt"), c->now_ms);
    json_field_str(&c->data, STR("createdBy"), c->who.name);
    json_end_object(&c->data);
    return ANSWERED;
}

static bool permission_remove_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct permission_call *x = arg;
    struct call *c = x->call;
    return permissions_remove(db, mem, &x->repo, x->id, c->who.type, c->who.name, c->now_ms,
                              &x->found, e);
}

enum outcome api_permission_remove(struct call *c)
{
    struct permission_call x = { .call = c };
    if (!call_path_repository(c, &x.repo))
        return FAILED;
    if (str_to_i64(c->path[1], 1, INT64_MAX, &x.id) &&
        !engine_write_wait(c->api->config.engine, permission_remove_body, &x, &c->err))
        return FAILED;
    if (!x.found) {
        (void)fail(&c->err, ERR_NOT_FOUND, "the repository has no permission row of this number");
        return FAILED;
    }
    return ANSWERED;
}

/* --- importing --- */

struct import_call { struct call *call; struct repository repo; bool is_new; };

static bool import_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct import_call *x = arg;
    struct call *c = x->call;
    enum fact_fate fate;
    int64_t id;
    /* Its lane reads what the repository says of itself. */
    return repositories_import(db, mem, &x->repo, c->who.type, c->who.name, c->now_ms, &x->is_new,
                               e) &&
           (!x->is_new || !x->repo.installation_id ||
            engine_store_fact(c->api->config.engine, db, mem,
                              &(struct fact_new){ .lane = x->repo.id, .kind = "settings",
                                                  .body = STR("{}") },
                              &fate, &id, e));
}

static bool read_name(struct call *c, const char *name, const char *otherwise, str *out)
{
    if (!read_text(c, name, otherwise == NULL, 200, out))
        return false;
    if (!out->len)
        *out = str_of(otherwise);
    return !memchr(out->ptr, '/', out->len) || strcmp(name, "defaultBranch") == 0
        || fail(&c->err, ERR_INVALID, "%s must not have a slash", name);
}

static bool whole_workspace(struct call *c)
{
    return !c->who.repository_id ||
           fail(&c->err, ERR_DENIED,
                "this needs a token of the whole workspace, and yours is for one repository");
}

enum outcome api_import(struct call *c)
{
    static const char *const known[] = {"owner",         "name",           "forgeId", "host",
                                        "defaultBranch", "installationId", NULL};
    struct import_call x = {.call = c,
                            .repo = {.workspace_id = c->who.workspace_id,
                                     .forge = STR("github"),
                                     .settings = STR("{}")}};
    if (!whole_workspace(c) || !only_known(c, known) ||
        !read_name(c, "owner", NULL, &x.repo.owner) || !read_name(c, "name", NULL, &x.repo.name) ||
        !read_name(c, "host", "github.com", &x.repo.host) ||
        !read_name(c, "defaultBranch", "main", &x.repo.default_branch) ||
        !read_int(c, "forgeId", 1, INT64_MAX, true, &x.repo.forge_id) ||
        !read_int(c, "installationId", 1, INT64_MAX, false, &x.repo.installation_id) ||
        !engine_write_wait(c->api->config.engine, import_body, &x, &c->err))
        return FAILED;
    forget_lanes(c->api);
    engine_settings_changed(c->api->config.engine, x.repo.id);
    c->status = 201;
    return show_repository(c, x.repo.id);
}

/* --- tokens --- */

struct token_call { struct call *call; struct token token; str text; bool found; };

static bool token_create_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct token_call *x = arg;
    struct call *c = x->call;
    if (!tokens_create(db, c->mem, &x->token, c->now_ms, &x->text, e))
        return false;
    struct audit_entry a =
        audit_of(c, x->token.repository_id, STR("token.created"), STR("token"), x->token.id);
    a.description =
        arena_print(mem, PRI_STR " (" PRI_STR ")", FMT_STR(x->token.name), FMT_STR(x->token.role));
    return audit_add(db, mem, &a, c->now_ms, e);
}

static bool read_token(struct call *c, struct token *t)
{
    static const char *const known[] = { "name", "role", "repositoryId", "ttl", NULL };
    struct repository r;
    int64_t ttl_s = 0;
    if (!only_known(c, known) || !read_text(c, "name", true, 200, &t->name) ||
        !read_text(c, "role", false, 20, &t->role) ||
        !read_int(c, "repositoryId", 1, INT64_MAX, false, &t->repository_id) ||
        !read_int(c, "ttl", 60, 315360000, false, &ttl_s))
        return false;
    if (!t->role.len)
        t->role = STR("member");
    t->workspace_id = c->who.workspace_id;
    t->created_by = c->who.name;
    t->expires_ms = ttl_s ? c->now_ms + ttl_s * 1000 : 0;
    if (!t->repository_id)
        return whole_workspace(c);
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok =
        call_find_repository(c, db, arena_print(c->mem, "%lld", (long long)t->repository_id), &r);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

enum outcome api_token_create(struct call *c)
{
    struct token_call x = { .call = c };
    if (!read_token(c, &x.token) ||
        !engine_write_wait(c->api->config.engine, token_create_body, &x, &c->err))
        return FAILED;
    const struct token *t = &x.token;
    c->status = 201;
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("id"), t->id);
    json_field_str(&c->data, STR("name"), t->name);
    json_field_str(&c->data, STR("role"), t->role);
    json_key(&c->data, STR("repositoryId"));
    if (t->repository_id)
        json_put_i64(&c->data, t->repository_id);
    else
        json_put_null(&c->data);
    json_field_time(&c->data, STR("createdAt"), t->created_ms);
    json_field_str(&c->data, STR("createdBy"), t->created_by);
    json_field_time(&c->data, STR("expiresAt"), t->expires_ms);
    json_field_time(&c->data, STR("usedAt"), 0);
    json_field_time(&c->data, STR("revokedAt"), 0);
    json_field_str(&c->data, STR("token"), x.text);
    json_end_object(&c->data);
    return ANSWERED;
}

static bool token_revoke_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct token_call *x = arg;
    struct call *c = x->call;
    struct token t;
    if (!tokens_get(db, mem, c->path[0], &t, &x->found, e))
        return false;
    x->found = x->found && (!c->who.repository_id || t.repository_id == c->who.repository_id);
    if (!x->found || !tokens_revoke(db, c->who.workspace_id, c->path[0], c->now_ms, &x->found, e) ||
        !x->found)
        return e->code == ERR_NONE;
    struct audit_entry a =
        audit_of(c, t.repository_id, STR("token.revoked"), STR("token"), c->path[0]);
    a.description = t.name;
    return audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_token_revoke(struct call *c)
{
    struct token_call x = { .call = c };
    if (!engine_write_wait(c->api->config.engine, token_revoke_body, &x, &c->err))
        return FAILED;
    if (!x.found) {
        (void)fail(&c->err, ERR_NOT_FOUND, "there is no such token, or it was revoked already");
        return FAILED;
    }
    token_forget(c->api, c->path[0]);
    return ANSWERED;
}

/* --- facts --- */

struct replay_call { struct call *call; int64_t id, lane, state; };

static bool replay_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct replay_call *x = arg;
    struct call *c = x->call;
    if (!facts_replay(db, mem, c->who.workspace_id, x->id, &x->lane, &x->state, e))
        return false;
    if (x->state < 0)
        return fail(e, ERR_NOT_FOUND, "there is no such fact in the workspace");
    if (x->state == 0)
        return fail(e, ERR_CONFLICT,
                    "the fact has not been applied yet, so there is nothing to repeat");
    struct audit_entry a = audit_of(c, x->lane, STR("fact.replayed"), STR("fact"), c->path[0]);
    return audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_replay(struct call *c)
{
    struct replay_call x = { .call = c };
    if (!whole_workspace(c))
        return FAILED;
    if (!str_to_i64(c->path[0], 1, INT64_MAX, &x.id)) {
        (void)fail(&c->err, ERR_NOT_FOUND, "there is no such fact in the workspace");
        return FAILED;
    }
    if (!engine_write_wait(c->api->config.engine, replay_body, &x, &c->err))
        return FAILED;
    engine_poke(c->api->config.engine, x.lane);
    json_begin_object(&c->data);
    json_field_i64(&c->data, STR("factId"), x.id);
    json_end_object(&c->data);
    return ANSWERED;
}
