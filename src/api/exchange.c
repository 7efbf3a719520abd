/*
 * POST /auth/github-oidc (atmos-pro.md §6.1): a GitHub Actions OIDC token becomes a session of
 * ours, once.
 */
#include "api/call.h"

#include "store/audit.h"
#include "store/tokens.h"

struct exchange {
    struct call *call;
    str workspace_id, jti, token;
    int64_t expires_ms;
    struct repository repo;
};

static bool use_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct exchange *x = arg;
    struct call *c = x->call;
    struct audit_entry a = {.workspace_id = x->workspace_id,
                            .repository_id = x->repo.id,
                            .action = STR("auth.oidc_token_exchange_success"),
                            .actor_type = STR("workflow"),
                            .actor = json_str(json_get(c->who.claims, STR("actor")), mem),
                            .target_type = STR("repository"),
                            .target = json_str(json_get(c->who.claims, STR("repository")), mem),
                            .metadata = call_session_json(c)};
    return oidc_use(db, x->jti, x->expires_ms, e) && audit_add(db, mem, &a, c->now_ms, e);
}

/* A refusal is worth a row only when GitHub signed the token: strangers cannot fill the table. */
static bool refused_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct exchange *x = arg;
    struct call *c = x->call;
    struct audit_entry a = {.workspace_id = x->workspace_id,
                            .action = STR("auth.oidc_token_exchange_failure"),
                            .actor_type = STR("workflow"),
                            .actor = json_str(json_get(c->who.claims, STR("actor")), mem),
                            .target_type = STR("repository"),
                            .target = json_str(json_get(c->who.claims, STR("repository")), mem),
                            .description = str_of(c->err.text),
                            .metadata = call_session_json(c)};
    return audit_add(db, mem, &a, c->now_ms, e);
}

static bool find_repository(struct call *c, struct exchange *x)
{
    bool found = false;
    int64_t forge_id = 0;
    struct json id = json_get(c->who.claims, STR("repository_id"));
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = workspaces_exists(db, c->mem, x->workspace_id, &found, &c->err);
    if (ok && !found) {
        x->workspace_id = STR("");      /* the audit row can stand in none */
        ok = fail(&c->err, ERR_WORKSPACE_UNKNOWN,
                  "there is no workspace of this id: check ATMOS_PRO_WORKSPACE_ID");
    }
    if (ok && !json_i64(id, &forge_id) &&
        !str_to_i64(json_str(id, c->mem), 1, INT64_MAX, &forge_id))
        ok = fail(&c->err, ERR_TOKEN, "the token has no repository_id");
    ok = ok &&
         repositories_by_forge(db, c->mem, x->workspace_id, forge_id, &x->repo, &found, &c->err);
    if (ok && !found)
        ok = fail(&c->err, ERR_REPO_FOREIGN,
                  "the workspace has no access to the repository " PRI_STR
                  ": import it, or install the GitHub App on it",
                  FMT_STR(json_str(json_get(c->who.claims, STR("repository")), c->mem)));
    engine_read_done(c->api->config.engine, db);
    return ok;
}

enum outcome api_exchange(struct call *c)
{
    struct exchange x = { .call = c };
    struct json claims;
    str token;
    struct err ignored = { 0 };
    if (!read_text(c, "token", true, 16 << 10, &token) ||
        !read_text(c, "workspaceId", true, 127, &x.workspace_id))
        return FAILED;
    if (!c->api->config.oidc) {
        (void)fail(
            &c->err, ERR_BUSY,
            "this server accepts no GitHub OIDC tokens: its operator must configure an issuer");
        return FAILED;
    }
    if (!oidc_verify(c->api->config.oidc, c->mem, token, c->now_ms, &claims, &c->err)) {
        if (c->err.code == ERR_UPSTREAM)        /* the CLI repeats 503, and nothing was used up */
            c->err.code = ERR_BUSY;
        return FAILED;
    }
    c->who.claims = claims;
    c->who.name = json_str(json_get(claims, STR("actor")), c->mem);
    x.jti = json_str(json_get(claims, STR("jti")), c->mem);
    x.expires_ms = (json_i64_or(json_get(claims, STR("exp")), c->now_ms / 1000) + 120) * 1000;
    if (!find_repository(c, &x) ||
        !engine_write_wait(c->api->config.engine, use_body, &x, &c->err)) {
        if (c->err.code != ERR_STORAGE && c->err.code != ERR_BUSY &&
            !engine_write_wait(c->api->config.engine, refused_body, &x, &ignored))
            c->note = STR("the refusal could not be audited");
        return FAILED;
    }
    if (!session_mint(c, x.workspace_id, x.repo.id, claims, &token))
        return FAILED;
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("token"), token);
    json_end_object(&c->data);
    return ANSWERED;
}
