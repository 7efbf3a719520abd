/*
 * Installation tokens: fetched once for many, kept, renewed, dropped (forges.md §2.2).
 */
#include <unistd.h>

#include "base/secret.h"
#include "rig.h"

#define READ ((struct forge_call){ .kind = FORGE_READ_REPO })
#define TOKENS "POST /app/installations/5/access_tokens"
static const char REPO_BODY[] = "{\"id\":1,\"name\":\"infra\"}";

static void forward_ms(int64_t ms) { atomic_fetch_add(&rig.now_ms, ms); }

static void a_token_is_fetched_once_and_used_until_five_minutes_remain(void **state)
{
    rig_when("GET", "/repos", 200, REPO_BODY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    assert_int_equal(rig_seen(TOKENS), 1);
    assert_int_equal(rig_seen("Authorization: Bearer ghs_token1\r\n"), 3);

    forward_ms(55 * 60000);                     /* five minutes remain */
    rig_ask(READ);
    assert_int_equal(rig_seen(TOKENS), 1);
    forward_ms(1);
    rig_ask(READ);
    assert_int_equal(rig_seen(TOKENS), 2);
    assert_int_equal(rig_seen("Authorization: Bearer ghs_token2\r\n"), 1);
}

static void installations_do_not_share_tokens(void **state)
{
    struct forge_call other = READ;
    other.installation_id = 69;                 /* the same place in the table */
    rig_when("GET", "/repos", 200, REPO_BODY);
    rig_ask(READ);
    rig_ask(other);
    rig_ask(READ);
    assert_int_equal(rig_seen("POST /app/installations/69/access_tokens"), 1);
    assert_int_equal(rig_seen(TOKENS), 1);
    assert_int_equal(rig_seen("Bearer ghs_token1\r\n"), 2);
    assert_int_equal(rig_seen("Bearer ghs_token2\r\n"), 1);
}

/* ---- many at once ---- */

struct crowd { atomic_int answered, good; };
static void crowd_done(void *ctx, const struct forge_answer *a)
{
    struct crowd *c = ctx;
    if (a->outcome == FORGE_OK)
        atomic_fetch_add(&c->good, 1);
    atomic_fetch_add(&c->answered, 1);
}

static void *crowd_asks(void *ctx)
{
    struct forge_call c = {
        .kind = FORGE_READ_REPO, .owner = STR("acme"), .name = STR("infra"), .installation_id = 5};
    for (int i = 0; i < 25; i++)
        rig.forge.call(rig.forge.self, &c, crowd_done, ctx);
    return NULL;
}

static void a_hundred_calls_from_four_threads_fetch_one_token(void **state)
{
    struct crowd crowd = { 0 };
    pthread_t t[4];
    rig_when("GET", "/repos", 200, REPO_BODY);
    for (size_t i = 0; i < COUNT(t); i++)
        pthread_create(&t[i], NULL, crowd_asks, &crowd);
    for (size_t i = 0; i < COUNT(t); i++)
        pthread_join(t[i], NULL);
    while (atomic_load(&crowd.answered) < 100)
        usleep(1000);
    assert_int_equal(atomic_load(&crowd.good), 100);
    assert_int_equal(rig_seen(TOKENS), 1);
}

static void all_that_wait_are_told_when_no_token_is_to_be_had(void **state)
{
    struct crowd crowd = { 0 };
    rig_when("POST", "/app/installations", 403,
             "{\"message\":\"This installation has been suspended\"}");
    crowd_asks(&crowd);
    while (atomic_load(&crowd.answered) < 25)
        usleep(1000);
    assert_int_equal(atomic_load(&crowd.good), 0);
    assert_int_equal(rig_seen("GET /repos"), 0);
}

static void calls_that_are_under_way_when_the_client_stops_are_answered(void **state)
{
    struct crowd crowd = { 0 };
    struct err e = { 0 };
    rig_when("GET", "/repos", 200, REPO_BODY);
    crowd_asks(&crowd);
    http_client_stop(rig.client);
    assert_int_equal(atomic_load(&crowd.answered), 25);
    assert_true(
        http_client_start(&(struct http_client_config){.user_agent = "again"}, &rig.client, &e));
}

static void after_the_stop_calls_are_answered_without_the_client(void **state)
{
    struct crowd crowd = { 0 };
    rig_when("GET", "/repos", 200, REPO_BODY);
    crowd_asks(&crowd);
    github_stop(rig.github);
    crowd_asks(&crowd);                     /* answered here and now, or under way already */
    assert_true(atomic_load(&crowd.answered) >= 25);
    http_client_stop(rig.client);
    crowd_asks(&crowd);
    assert_int_equal(atomic_load(&crowd.answered), 75);
    struct err e = { 0 };
    assert_true(
        http_client_start(&(struct http_client_config){.user_agent = "again"}, &rig.client, &e));
}

/* ---- 401 ---- */

static void a_refused_token_is_dropped_and_the_call_repeated_with_a_fresh_one(void **state)
{
    rig_when("GET", "/repos", 401, "{\"message\":\"Bad credentials\"}", .times = 1);
    rig_when("GET", "/repos", 200, REPO_BODY);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    assert_int_equal(rig_seen(TOKENS), 2);
    assert_has(rig_request(0), STR("Bearer ghs_token2\r\n"));
}

static void a_second_401_is_no_access(void **state)
{
    rig_when("GET", "/repos", 401, "{\"message\":\"Bad credentials\"}");
    struct forge_answer a = rig_ask(READ);
    assert_int_equal(a.outcome, FORGE_NO_ACCESS);
    assert_str(a.message, STR("Bad credentials"));
    assert_int_equal(rig_seen("GET /repos"), 2);
    assert_int_equal(rig_seen(TOKENS), 2);
}

static void a_refused_dispatch_is_sent_again_only_after_the_401(void **state)
{
    rig_when("POST", "/repos", 401, "{}", .times = 1);
    rig_when("POST", "/repos", CLOSES);
    struct forge_call c = { .kind = FORGE_DISPATCH, .file = STR("a.yaml"), .ref = STR("m") };
    assert_int_equal(rig_ask(c).outcome, FORGE_LOST);
    assert_int_equal(rig_seen("POST /repos"), 2);
}

static void what_can_go_wrong_with_a_token(void **state)
{
    static const struct { const char *name; int status; const char *body; enum forge_outcome outcome; } table[] = {
        { "suspended", 403, "{\"message\":\"This installation has been suspended\"}", FORGE_NO_ACCESS },
        { "removed", 404, "{\"message\":\"Not Found\"}", FORGE_NO_ACCESS },
        { "more permissions than it has", 422, "{\"message\":\"no\"}", FORGE_NO_ACCESS },
        { "another key", 401, "{\"message\":\"A JSON web token could not be decoded\"}", FORGE_NO_ACCESS },
        { "server error", 500, "{}", FORGE_NOT_SENT },
        { "cut", CLOSES, "", FORGE_NOT_SENT },
        { "HTML", 201, "<html>", FORGE_NOT_SENT },
        { "no token", 201, "{}", FORGE_NOT_SENT },
        { "a token with a line break", 201, "{\"token\":\"a\\r\\nX: y\"}", FORGE_NOT_SENT },
        { "an empty token", 201, "{\"token\":\"\"}", FORGE_NOT_SENT },
        { "limited", 429, "{\"message\":\"slow down\"}", FORGE_LIMITED },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        rig_forget();
        forward_ms(3600000);
        rig_when("POST", "/app/installations", table[i].status, table[i].body);
        struct forge_answer a = rig_ask(
            (struct forge_call){.kind = FORGE_DISPATCH, .file = STR("a.yaml"), .ref = STR("m")});
        if (a.outcome != table[i].outcome || rig_seen("/dispatches"))
            fail_msg("%s: %s", table[i].name, forge_outcome_name(a.outcome));
    }
}

static void a_token_that_cannot_be_sent_is_not_kept(void **state)
{
    rig_when("POST", "/app/installations", 201,
             "{\"token\":\"a\\r\\nX: y\",\"expires_at\":\"2026-01-01T01:00:00Z\"}", .times = 1);
    rig_when("GET", "/repos", 200, REPO_BODY);
    assert_int_equal(rig_ask(READ).outcome, FORGE_NOT_SENT);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
}

static void a_token_may_have_any_length(void **state)
{
    char *body = malloc(8300), *at = body + sprintf(body, "{\"token\":\"ghs_");
    memset(at, 'x', 8000);
    strcpy(at + 8000, "\",\"expires_at\":\"2026-01-01T01:00:00Z\"}");
    rig_when("POST", "/app/installations", 201, body);
    rig_when("GET", "/repos", 200, REPO_BODY);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    assert_has(rig_request(0), arena_print(rig.mem, "Bearer ghs_%.8000s\r\n", at));
    free(body);
}

static void without_an_installation_nothing_is_sent(void **state)
{
    struct forge_call c = READ;
    c.installation_id = -1;
    rig_when("POST", "/app", 404, "{}");
    assert_int_equal(rig_ask(c).outcome, FORGE_NO_ACCESS);
    assert_int_equal(rig_seen("GET /repos"), 0);
}

/* ---- the App's own token ---- */

static void the_app_signs_for_nine_minutes_and_began_one_ago(void **state)
{
    rig_when("GET", "/app/installations", 200, "[]");
    rig_ask((struct forge_call){ .kind = FORGE_LIST_INSTALLATIONS });
    str text = rig_request(0), bearer = STR("Authorization: Bearer ");
    const char *at = strstr(text.ptr, bearer.ptr) + bearer.len;
    str token = { at, (size_t)(strstr(at, "\r\n") - at) };
    struct err e = { 0 };
    struct jwt_key *key;
    struct json claims;
    assert_true(jwt_key_from_jwk(rig_json(rig_jwk("k")), rig.mem, &key, &e));
    if (!jwt_verify(rig.mem, key, token, &claims, &e))
        fail_msg("%s", e.text);
    int64_t now_s = atomic_load(&rig.now_ms) / 1000;
    assert_int_equal(json_i64_or(json_get(claims, STR("iss")), 0), 4242);
    assert_int_equal(json_i64_or(json_get(claims, STR("iat")), 0), now_s - 60);
    assert_int_equal(json_i64_or(json_get(claims, STR("exp")), 0), now_s + 540);
    jwt_key_free(key);

    rig_ask((struct forge_call){ .kind = FORGE_LIST_INSTALLATIONS });
    assert_int_equal(rig_seen(arena_print(rig.mem, PRI_STR "\r\n", FMT_STR(token)).ptr), 2);
    forward_ms(9 * 60000);
    rig_ask((struct forge_call){ .kind = FORGE_LIST_INSTALLATIONS });
    assert_int_equal(rig_seen(arena_print(rig.mem, PRI_STR "\r\n", FMT_STR(token)).ptr), 2);
}

static void another_app_forgets_the_tokens_of_the_first(void **state)
{
    struct err e = { 0 };
    rig_when("GET", "/repos", 200, REPO_BODY);
    rig_ask(READ);
    assert_true(github_reconfigure(rig.github, 77, STR("other"), str_of(rig_pem()), &e));
    rig_ask(READ);
    assert_int_equal(rig_seen(TOKENS), 2);
    assert_false(github_reconfigure(rig.github, 77, STR("other"), STR("no key"), &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    e = (struct err){ 0 };
    assert_false(github_reconfigure(rig.github, 0, STR("other"), str_of(rig_pem()), &e));
}

static void before_there_is_an_app_calls_say_so(void **state)
{
    struct github *g;
    struct err e = { 0 };
    struct github_config c = { .api_base = str_of(rig.base) };
    struct forge_answer a = rig_ask_other(c, READ);
    assert_int_equal(a.outcome, FORGE_NO_ACCESS);
    assert_has(a.message, STR("no private key"));
    c.client = rig.client;
    c.api_base = STR("ftp://x");
    assert_false(github_new(&c, &g, &e));
    assert_int_equal(e.code, ERR_INVALID);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_token_is_fetched_once_and_used_until_five_minutes_remain),
        T(installations_do_not_share_tokens),
        T(a_hundred_calls_from_four_threads_fetch_one_token),
        T(all_that_wait_are_told_when_no_token_is_to_be_had),
        T(calls_that_are_under_way_when_the_client_stops_are_answered),
        T(after_the_stop_calls_are_answered_without_the_client),
        T(a_refused_token_is_dropped_and_the_call_repeated_with_a_fresh_one),
        T(a_second_401_is_no_access),
        T(a_refused_dispatch_is_sent_again_only_after_the_401),
        T(what_can_go_wrong_with_a_token),
        T(a_token_that_cannot_be_sent_is_not_kept),
        T(a_token_may_have_any_length),
        T(without_an_installation_nothing_is_sent),
        T(the_app_signs_for_nine_minutes_and_began_one_ago),
        T(another_app_forgets_the_tokens_of_the_first),
        T(before_there_is_an_app_calls_say_so),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
