/* POST /webhooks/github (forges.md §1.1): signed, on disk before the answer, once. */
#include "rig.h"

#include "base/pack.h"

#define PULL "{\"action\":\"opened\",\"repository\":{\"id\":9001},\"sender\":{\"login\":\"octocat\"}}"

static int64_t facts(struct rig *g) { return count_rows(g, "select count(*) from fact"); }

static void test_a_delivery_is_stored_as_it_came(void **state)
{
    struct rig *g = *state;
    struct db_rows r;
    str plain;
    struct answer a = deliver(g, "pull_request", "guid-1", "new-secret", PULL);
    expect(a, 202, NULL);
    assert_text(at(g, a, "data.state"), "stored");
    good(g->b, db_query(g->b->db, g->mem, &g->b->e, &r,
                        "select lane, kind, key, body, actor, trace from fact", NO_ARGS));
    assert_int_equal(r.count, 1);
    assert_int_equal(db_at(&r, 0, 0)->i, g->repo);
    assert_text(db_at(&r, 0, 1)->s, "webhook.pull_request");
    assert_text(db_at(&r, 0, 2)->s, "github:guid-1");
    good(g->b, unpack(g->mem, db_at(&r, 0, 3)->s, 1 << 20, &plain, &g->b->e));
    assert_text(plain, PULL);
    assert_text(db_at(&r, 0, 4)->s, "octocat");
    assert_true(str_eq(db_at(&r, 0, 5)->s, at(g, a, "traceId")));
}

static void test_a_duplicate_is_accepted_and_not_stored(void **state)
{
    struct rig *g = *state;
    /* the first looks the lane up, the others find it in the cache */
    for (int i = 0; i < 4; i++)
        expect(deliver(g, "pull_request", "same", "new-secret", PULL), 202, NULL);
    assert_int_equal(facts(g), 1);
    assert_text(at(g, deliver(g, "pull_request", "same", "new-secret", PULL), "data.state"),
                "duplicate");
    expect(deliver(g, "pull_request", "next", "new-secret", PULL), 202, NULL);
    assert_int_equal(facts(g), 2);
}

static void test_two_secrets_during_rotation_and_no_others(void **state)
{
    struct rig *g = *state;
    expect(deliver(g, "push", "1", "new-secret", PULL), 202, NULL);
    expect(deliver(g, "push", "2", "old-secret", PULL), 202, NULL);
    expect(deliver(g, "push", "3", "third-secret", PULL), 401, "InvalidSignature");
    api_set_webhook_secrets(g->api, (const str[]){ STR("third-secret") }, 1);
    expect(deliver(g, "push", "4", "third-secret", PULL), 202, NULL);
    expect(deliver(g, "push", "5", "new-secret", PULL), 401, "InvalidSignature");
    api_set_webhook_secrets(g->api, NULL, 0);
    expect(deliver(g, "push", "6", "third-secret", PULL), 404, "NotFound");
    assert_int_equal(facts(g), 3);
}

static void test_what_is_refused_leaves_no_row(void **state)
{
    struct rig *g = *state;
    const struct http_header unsigned_[] = {{STR("X-GitHub-Event"), STR("push")},
                                            {STR("X-GitHub-Delivery"), STR("1")}};
    expect(ask_with(g, "POST", "/webhooks/github", unsigned_, 2, STR(PULL)), 401,
           "InvalidSignature");
    expect(deliver(g, "push", "a b", "new-secret", PULL), 400, "ValidationError");
    expect(deliver(g, "", "1", "new-secret", PULL), 400, "ValidationError");
    expect(deliver(g, "push\x01", "1", "new-secret", PULL), 400, "ValidationError");
    expect(deliver(g, "push", "1", "new-secret", "{\"a\":"), 400, "ValidationError");
    expect(deliver(g, "push", "1", "new-secret", "[]"), 400, "ValidationError");
    expect(deliver(g, "push", "1", "new-secret", ""), 400, "ValidationError");
    assert_int_equal(facts(g), 0);
}

static void test_events_without_use_are_counted_and_dropped(void **state)
{
    struct rig *g = *state;
    const struct { const char *event, *payload; const char *fate;
    } table[] = {{"ping", "{\"zen\":\"x\"}", "dropped"},
                 {"star", "{}", "dropped"},
                 {"workflow_job", "{\"action\":\"queued\"}", "dropped"},
                 {"workflow_job", "{\"action\":\"waiting\"}", "stored"},
                 {"check_run", "{\"action\":\"completed\"}", "dropped"},
                 {"check_run", "{\"action\":\"rerequested\"}", "stored"},
                 {"installation", "{\"action\":\"created\"}", "stored"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answer a = deliver(g, table[i].event, arena_print(g->mem, "d%zu", i).ptr,
                                  "new-secret", table[i].payload);
        expect(a, 202, NULL);
        assert_text(at(g, a, "data.state"), table[i].fate);
    }
    assert_int_equal(facts(g), 3);
    /* none of them names a repository */
    assert_int_equal(count_rows(g, "select count(*) from fact where lane <> 0"), 0);
}

static void test_a_repository_in_two_workspaces_gets_it_in_both(void **state)
{
    struct rig *g = *state;
    struct repository r = {.workspace_id = STR(WS_OTHER),
                           .forge = STR("github"),
                           .forge_id = 9001,
                           .host = STR("github.com"),
                           .owner = STR("acme"),
                           .name = STR("infra"),
                           .default_branch = STR("main")};
    bool is_new;
    good(g->b, repositories_import(g->b->db, g->mem, &r, STR("system"), STR("test"),
                                   g->engine.now_ms, &is_new, &g->b->e));
    for (int i = 0; i < 3; i++)
        expect(deliver(g, "push", "both", "new-secret", PULL), 202, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact"), 2);
    assert_int_equal(count_rows(g, "select count(distinct lane) from fact"), 2);
    /* One nobody knows goes to the house, where it can be seen. */
    expect(deliver(g, "push", "unknown", "new-secret", "{\"repository\":{\"id\":4}}"), 202, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact where lane = 0"), 1);
}

static void test_an_import_counts_at_once(void **state)
{
    struct rig *g = *state;
    expect(deliver(g, "push", "before", "new-secret", "{\"repository\":{\"id\":77}}"), 202, NULL);
    expect(ask(g, "POST", "/api/v1/repositories", g->admin,
               "{\"owner\":\"acme\",\"name\":\"new\",\"forgeId\":77}"),
           201, NULL);
    expect(deliver(g, "push", "after", "new-secret", "{\"repository\":{\"id\":77}}"), 202, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact f join repository r on r.id = f.lane "
                                   "where f.key = 'github:after' and r.name = 'new'"),
                     1);
}

static void test_a_form_is_accepted(void **state)
{
    struct rig *g = *state;
    str body =
        STR("payload=%7B%22action%22%3A%22opened%22%2C%22repository%22%3A%7B%22id%22%3A9001%7D%7D");
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(STR("new-secret"), body, mac);
    struct http_header h[] = {
        {STR("Content-Type"), STR("application/x-www-form-urlencoded")},
        {STR("X-GitHub-Event"), STR("pull_request")},
        {STR("X-GitHub-Delivery"), STR("form")},
        {STR("X-Hub-Signature-256"),
         arena_print(g->mem, "sha256=" PRI_STR,
                     FMT_STR(hex_write(g->mem, (str){(const char *)mac, sizeof mac})))}};
    expect(ask_with(g, "POST", "/webhooks/github", h, 4, body), 202, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact f join repository r on r.id = f.lane "
                                   "where r.name = 'infra'"),
                     1);
    h[0].value = STR("text/plain");
    expect(ask_with(g, "POST", "/webhooks/github", h, 4, body), 415, "UnsupportedMediaType");
}

static void test_nothing_is_accepted_without_a_database(void **state)
{
    struct rig *g = *state;
    g->engine.database_gone = true;
    expect(deliver(g, "push", "1", "new-secret", PULL), 503, "StorageUnavailable");
    g->engine.database_gone = false;
    assert_int_equal(facts(g), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_a_delivery_is_stored_as_it_came), API_BOTH(test_a_duplicate_is_accepted_and_not_stored),
        API_BOTH(test_two_secrets_during_rotation_and_no_others), API_BOTH(test_what_is_refused_leaves_no_row),
        API_BOTH(test_events_without_use_are_counted_and_dropped), API_BOTH(test_a_repository_in_two_workspaces_gets_it_in_both),
        API_BOTH(test_an_import_counts_at_once), API_BOTH(test_a_form_is_accepted), API_BOTH(test_nothing_is_accepted_without_a_database),
    };
    return cmocka_run_group_tests_name("api webhooks", tests, NULL, NULL);
}
