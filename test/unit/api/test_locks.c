/* Locks (atmos-pro.md §12, seed 003): exactly one holder, by key, until released or expired. */
#include "rig.h"

#define LOCKS "/api/v1/locks"
#define KEY "acme/infra/plat-ue2-dev/eks/cluster"

static struct answer take(struct rig *g, const char *key, int ttl_s, const char *message)
{
    return ask(g, "POST", LOCKS, g->member,
               arena_print(g->mem, "{\"key\":\"%s\",\"ttl\":%d,\"lockMessage\":\"%s\"}", key, ttl_s,
                           message)
                   .ptr);
}

static struct answer release(struct rig *g, const char *key)
{
    return ask(g, "DELETE", LOCKS, g->member, arena_print(g->mem, "{\"key\":\"%s\"}", key).ptr);
}

static void test_a_lock_is_answered_as_the_cli_reads_it(void **state)
{
    struct rig *g = *state;
    struct answer a = take(g, KEY, 3600, "db migration");
    expect(a, 200, NULL);
    assert_text(at(g, a, "data.key"), KEY);
    assert_text(at(g, a, "data.workspaceId"), WS);
    assert_text(at(g, a, "data.lockMessage"), "db migration");
    assert_text(at(g, a, "data.createdAt"), "2026-09-21T14:13:20Z");
    assert_text(at(g, a, "data.expiresAt"), "2026-09-21T15:13:20Z");
    assert_true(str_starts(at(g, a, "data.id"), STR("lock_")));
    /* never "": Go could not read it */
    assert_int_equal(json_kind(json_path(a.body, "data.deletedAt")), JSON_NULL);
    assert_int_equal(num(a, "data.token"), 1);
    assert_int_equal(g->engine.lock_changes, 1);
}

static void test_the_loser_sees_message_expiry_and_actor(void **state)
{
    struct rig *g = *state;
    expect(take(g, KEY, 3600, "db migration"), 200, NULL);
    struct answer a = ask(g, "POST", LOCKS, g->session,
                          "{\"key\":\"" KEY "\",\"ttl\":60,\"lockMessage\":\"me too\"}");
    expect(a, 409, "LockAlreadyExists");
    assert_true(str_has(at(g, a, "errorMessage"), STR("db migration")));
    assert_true(str_has(at(g, a, "errorMessage"), STR("laptop")));
    assert_true(str_has(at(g, a, "errorMessage"), STR("2026-09-21T15:13:20Z")));
    assert_text(at(g, a, "context.locked_by"), "laptop");
    assert_text(at(g, a, "context.locked_at"), "2026-09-21T14:13:20Z");
    assert_text(at(g, a, "context.expires_at"), "2026-09-21T15:13:20Z");
    assert_text(at(g, a, "context.message"), "db migration");
    assert_int_equal(num(a, "context.token"), 1);
    assert_int_equal(count_rows(g, "select count(*) from lock"), 1);
    assert_int_equal(g->engine.lock_changes, 1);
}

static void test_an_expired_lock_is_absent(void **state)
{
    struct rig *g = *state;
    struct answer first = take(g, KEY, 10, "short");
    g->engine.now_ms += 9999;
    expect(take(g, KEY, 10, "early"), 409, "LockAlreadyExists");
    g->engine.now_ms += 1;
    expect(release(g, KEY), 404, "LockNotFound");
    struct answer second = take(g, KEY, 10, "late");
    expect(second, 200, NULL);
    assert_false(str_eq(at(g, first, "data.id"), at(g, second, "data.id")));
    /* a refused call gives no token: the counter went back */
    assert_int_equal(num(second, "data.token"), 2);
}

static void test_unlocking_frees_the_key_once(void **state)
{
    struct rig *g = *state;
    expect(release(g, KEY), 404, "LockNotFound");
    expect(take(g, KEY, 60, ""), 200, NULL);
    struct answer a = release(g, KEY);
    expect(a, 200, NULL);
    assert_true(at(g, a, "data.deletedAt").len > 0);
    expect(release(g, KEY), 404, "LockNotFound");
    struct answer again = take(g, KEY, 60, "");
    expect(again, 200, NULL);
    assert_int_equal(num(again, "data.token"), 2);      /* rises over releases too */
    assert_int_equal(json_kind(json_path(again.body, "data.deletedAt")), JSON_NULL);
    assert_int_equal(count_rows(g, "select count(*) from audit where action = 'lock.created'"), 2);
    assert_int_equal(count_rows(g, "select count(*) from audit where action = 'lock.deleted'"), 1);
}

static void test_owner_and_repository_are_compared_without_case(void **state)
{
    struct rig *g = *state;
    expect(take(g, "Acme/Infra/dev/vpc", 60, ""), 200, NULL);
    expect(take(g, "acme/infra/dev/vpc", 60, ""), 409, NULL);
    /* a stack is a name of its own */
    expect(take(g, "acme/infra/Dev/vpc", 60, ""), 200, NULL);
}

static void test_another_workspace_has_keys_of_its_own(void **state)
{
    struct rig *g = *state;
    expect(take(g, KEY, 60, ""), 200, NULL);
    run(g->b, "update api_token set workspace_id = $1 where name = 'laptop'",
        ARGS(A(STR(WS_OTHER))));
    api_forget_cached(g->api);
    expect(take(g, KEY, 60, ""), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from lock where deleted_ms is null"), 2);
}

static void test_bounds(void **state)
{
    struct rig *g = *state;
    const struct { const char *body; int status; } table[] = {
        { "{\"key\":\"k0\",\"ttl\":0}", 400 },       { "{\"key\":\"k1\",\"ttl\":1}", 200 },
        { "{\"key\":\"k2\",\"ttl\":2592000}", 200 }, { "{\"key\":\"k3\",\"ttl\":2592001}", 400 },
        { "{\"key\":\"k4\",\"ttl\":-5}", 400 },      { "{\"key\":\"k5\",\"ttl\":1.5}", 400 },
        { "{\"key\":\"k6\",\"ttl\":\"60\"}", 400 },  { "{\"key\":\"\",\"ttl\":60}", 400 },
        { "{\"key\":\"k7\",\"ttl\":99999999999999999999}", 400 }, { "{\"key\":\"k8\"}", 400 },
        { "{\"key\":\"k9\",\"ttl\":60,\"lockMessage\":5}", 400 }, { "{\"key\":\"ka\",\"ttl\":60,\"properties\":5}", 400 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        expect(ask(g, "POST", LOCKS, g->member, table[i].body), table[i].status, NULL);
    assert_int_equal(count_rows(g, "select count(*) from lock"), 2);
}

static void test_the_older_form_works_under_both_paths(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(g, "POST", "/api/locks", g->member,
                          "{\"key\":\"weekend\",\"ttl\":172800,\"message\":\"frozen\","
                          "\"properties\":[{\"key\":\"by\",\"value\":\"ana\"}]}");
    expect(a, 200, NULL);
    assert_text(at(g, a, "data.lockMessage"), "frozen");
    assert_text(at(g, a, "data.properties.by"), "ana");
    expect(ask(g, "POST", LOCKS, g->member, "{\"key\":\"weekend\",\"ttl\":5}"), 409, NULL);
    expect(ask(g, "DELETE", "/api/locks", g->member, "{\"key\":\"weekend\"}"), 200, NULL);
}

static void test_active_locks_are_listed_with_their_token(void **state)
{
    struct rig *g = *state;
    expect(take(g, "acme/infra/dev/a", 10, "one"), 200, NULL);
    expect(take(g, "acme/infra/dev/b", 3600, "two"), 200, NULL);
    expect(take(g, "other", 3600, "three"), 200, NULL);
    expect(release(g, "other"), 200, NULL);
    g->engine.now_ms += 11000;
    struct answer a = ask(g, "GET", LOCKS, g->member, NULL);
    expect(a, 200, NULL);
    assert_int_equal(json_count(json_path(a.body, "data.items")), 1);
    assert_true(str_has(a.text, STR("\"lockMessage\":\"two\"")));
    assert_int_equal(json_count(json_path(
                         ask(g, "GET", LOCKS "?key=acme%2Finfra%2Fdev%2Fb", g->member, NULL).body,
                         "data.items")),
                     1);
    assert_int_equal(json_count(json_path(
                         ask(g, "GET", LOCKS "?prefix=acme%2Finfra%2Fprod", g->member, NULL).body,
                         "data.items")),
                     0);
}

static void test_a_workflow_needs_the_permission_row(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", LOCKS, g->session, "{\"key\":\"a\",\"ttl\":5}"), 200, NULL);
    run(g->b, "delete from permission where name = 'Locks Create'", NO_ARGS);
    struct answer a = ask(g, "POST", LOCKS, g->session, "{\"key\":\"b\",\"ttl\":5}");
    expect(a, 403, "PermissionDenied");
    assert_true(str_has(at(g, a, "errorMessage"), STR("Locks Create")));
    expect(ask(g, "DELETE", LOCKS, g->session, "{\"key\":\"a\"}"), 200, NULL);
    expect(take(g, "b", 5, "tokens need no row"), 200, NULL);
}

static void test_only_known_tokens_stay_on_the_loop(void **state)
{
    struct rig *g = *state;
    const struct http_header h[] = {
        {STR("Authorization"), arena_print(g->mem, "Bearer " PRI_STR, FMT_STR(g->admin))},
        {STR("Content-Length"), STR("30")}};
    struct http_request r = {
        .method = HTTP_POST, .path = STR(LOCKS), .headers = h, .header_count = 2};
    struct http_class before = { 0 }, after = { 0 }, large = { 0 };
    g->hooks.classify(g->hooks.app, &r, &before);
    expect(ask(g, "GET", LOCKS, g->admin, NULL), 200, NULL);
    g->hooks.classify(g->hooks.app, &r, &after);
    r.headers = (const struct http_header[]){ h[0], { STR("Content-Length"), STR("900000") } };
    g->hooks.classify(g->hooks.app, &r, &large);
    assert_false(before.on_loop);       /* the database would have to be asked */
    assert_true(after.on_loop);
    assert_false(large.on_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_a_lock_is_answered_as_the_cli_reads_it), API_BOTH(test_the_loser_sees_message_expiry_and_actor),
        API_BOTH(test_an_expired_lock_is_absent), API_BOTH(test_unlocking_frees_the_key_once),
        API_BOTH(test_owner_and_repository_are_compared_without_case), API_BOTH(test_another_workspace_has_keys_of_its_own),
        API_BOTH(test_bounds), API_BOTH(test_the_older_form_works_under_both_paths), API_BOTH(test_active_locks_are_listed_with_their_token),
        API_BOTH(test_a_workflow_needs_the_permission_row), API_BOTH(test_only_known_tokens_stay_on_the_loop),
    };
    return cmocka_run_group_tests_name("api locks", tests, NULL, NULL);
}
