/*
 * Who is let in (atmos-pro.md §6): sessions of workflows, static tokens, and what neither may do.
 */
#include "rig.h"

#include "store/tokens.h"

#define EXCHANGE "/api/v1/auth/github-oidc"

static struct answer exchange(struct rig *g, str token, const char *workspace)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, g->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("token"), token);
    json_field_str(&w, STR("workspaceId"), str_of(workspace));
    json_end_object(&w);
    return ask(g, "POST", EXCHANGE, STR(""), buf_str(&b).ptr);
}

static void test_a_token_is_exchanged_once(void **state)
{
    struct rig *g = *state;
    str token = oidc_token(g, "once", "");
    expect(exchange(g, token, WS), 200, NULL);
    expect(exchange(g, token, WS), 401, "TokenReplayed");
    assert_int_equal(count_rows(g, "select count(*) from oidc_used where jti = 'once'"), 1);
    assert_int_equal(
        count_rows(g,
                   "select count(*) from audit where action = 'auth.oidc_token_exchange_failure'"),
        1);
}

static void test_the_session_is_a_jwt_with_a_numeric_end(void **state)
{
    struct rig *g = *state;
    struct json claims;
    str rest, payload, first = str_cut(g->session, '.', &rest), text;
    assert_true(first.len > 0);
    payload = str_cut(rest, '.', &rest);
    assert_true(base64url_read(g->mem, payload, &text));
    good(g->b, json_parse(g->mem, text, 0, &claims, &g->b->e));
    assert_int_equal(json_i64_or(json_get(claims, STR("exp")), 0), g->engine.now_ms / 1000 + 3600);
    assert_text(json_str(json_get(claims, STR("typ")), g->mem), "ws:gh:action");
    assert_text(json_str(json_path(claims, "github.run_id"), g->mem), "555");
}

static void test_who_is_not_let_in(void **state)
{
    struct rig *g = *state;
    const struct { str token; const char *workspace; int status; const char *tag; } table[] = {
        { STR("nonsense"), WS, 401, "InvalidToken" },
        { STR("keys-unreachable"), WS, 503, "UpstreamError" },
        { oidc_token(g, "j1", ""), "ws_unknown", 404, "WorkspaceNotFound" },
        { oidc_token(g, "j2", ""), WS_OTHER, 403, "RepositoryNotInWorkspace" },
        { STR(""), WS, 400, "ValidationError" }, { oidc_token(g, "j3", ""), "", 400, "ValidationError" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        expect(exchange(g, table[i].token, table[i].workspace), table[i].status,
               table[i].status == 503 ? NULL : table[i].tag);
    /* that of the rig's own session: a refusal uses nothing up */
    assert_int_equal(count_rows(g, "select count(*) from oidc_used"), 1);
}

static void test_sessions_end_and_keys_rotate(void **state)
{
    struct rig *g = *state;
    str now, before, bad, token;
    struct jwt_key *other;
    str claims = arena_print(g->mem,
                             "{\"typ\":\"ws:gh:action\",\"exp\":%lld,\"workspace\":\"" WS
                             "\",\"repository\":%lld,\"github\":{}}",
                             (long long)(g->engine.now_ms / 1000 + 60), (long long)g->repo);
    good(g->b, jwt_key_from_secret(STR("another secret of 32 bytes ....."), &other, &g->b->e));
    good(g->b, jwt_sign(g->mem, g->key, STR(""), claims, &now, &g->b->e));
    good(g->b, jwt_sign(g->mem, g->key_before, STR(""), claims, &before, &g->b->e));
    good(g->b, jwt_sign(g->mem, other, STR(""), claims, &bad, &g->b->e));
    good(g->b, jwt_sign(g->mem, g->key, STR(""),
                        arena_print(g->mem, "{\"typ\":\"other\",\"exp\":%lld}",
                                    (long long)(g->engine.now_ms / 1000 + 60)),
                        &token, &g->b->e));
    expect(ask(g, "GET", "/api/v1/runs", now, NULL), 200, NULL);
    expect(ask(g, "GET", "/api/v1/runs", before, NULL), 200, NULL);
    expect(ask(g, "GET", "/api/v1/runs", bad, NULL), 401, "InvalidToken");
    expect(ask(g, "GET", "/api/v1/runs", token, NULL), 400, "NotGitHubActionsSession");
    g->engine.now_ms += 70 * 1000;
    expect(ask(g, "GET", "/api/v1/runs", now, NULL), 401, "TokenExpired");
    jwt_key_free(other);
}

static void test_a_revoked_token_is_refused_at_once(void **state)
{
    struct rig *g = *state;
    str id, secret;
    assert_true(token_split(g->member, &id, &secret));
    expect(ask(g, "GET", "/api/v1/runs", g->member, NULL), 200, NULL);
    expect(ask(g, "DELETE", arena_print(g->mem, "/api/v1/tokens/" PRI_STR, FMT_STR(id)).ptr,
               g->admin, NULL),
           200, NULL);
    expect(ask(g, "GET", "/api/v1/runs", g->member, NULL), 401, "InvalidToken");
    expect(ask(g, "DELETE", arena_print(g->mem, "/api/v1/tokens/" PRI_STR, FMT_STR(id)).ptr,
               g->admin, NULL),
           404, "NotFound");
}

static void test_a_wrong_secret_is_no_token(void **state)
{
    struct rig *g = *state;
    char *wrong = arena_take(g->mem, g->member.len + 1, 1);
    memcpy(wrong, g->member.ptr, g->member.len);
    wrong[g->member.len - 1] = wrong[g->member.len - 1] == '0' ? '1' : '0';
    expect(ask(g, "GET", "/api/v1/runs", (str){ wrong, g->member.len }, NULL), 401, "InvalidToken");
    expect(ask(g, "GET", "/api/v1/runs", g->member, NULL), 200, NULL);
    expect(ask(g, "GET", "/api/v1/runs", (str){ wrong, g->member.len }, NULL), 401, "InvalidToken");
}

static void test_tokens_expire(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(g, "POST", "/api/v1/tokens", g->admin, "{\"name\":\"short\",\"ttl\":60}");
    expect(a, 201, NULL);
    str token = at(g, a, "data.token");
    expect(ask(g, "GET", "/api/v1/runs", token, NULL), 200, NULL);
    g->engine.now_ms += 61000;
    expect(ask(g, "GET", "/api/v1/runs", token, NULL), 401, "TokenExpired");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_a_token_is_exchanged_once), API_BOTH(test_the_session_is_a_jwt_with_a_numeric_end), API_BOTH(test_who_is_not_let_in),
        API_BOTH(test_sessions_end_and_keys_rotate), API_BOTH(test_a_revoked_token_is_refused_at_once), API_BOTH(test_a_wrong_secret_is_no_token),
        API_BOTH(test_tokens_expire),
    };
    return cmocka_run_group_tests_name("api sessions", tests, NULL, NULL);
}
