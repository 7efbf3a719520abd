/*
 * Limits: who is told to wait waits, and nobody calls meanwhile (forges.md §2.12).
 */
#include <unistd.h>

#include "rig.h"

#define READ ((struct forge_call){ .kind = FORGE_READ_REPO })
#define DISPATCH ((struct forge_call){ .kind = FORGE_DISPATCH, .file = STR("a.yaml"), .ref = STR("m") })
enum { NOW_S = 1767225600, AT_ONCE = 90 };
#define NOW_MS ((int64_t)NOW_S * 1000)

static const char REPO_BODY[] = "{\"id\":1,\"name\":\"infra\"}";
static const char SECONDARY[] =
    "{\"message\":\"You have exceeded a secondary rate limit. Please wait a few minutes.\"}";

static const struct {
    const char *name;
    int status;
    const char *body, *headers;
    enum forge_outcome outcome;
    int64_t wait_ms;
} TOLD[] = {
    {"403 with retry-after", 403, SECONDARY, "Retry-After: 17\r\n", FORGE_LIMITED, 17000},
    {"429 with retry-after", 429, "{}", "Retry-After: 17\r\n", FORGE_LIMITED, 17000},
    {"429 with nothing", 429, "", "", FORGE_LIMITED, 60000},
    {"429 in HTML", 429, "<html>slow", "", FORGE_LIMITED, 60000},
    {"403 with retry-after of nothing", 403, "{}", "Retry-After: 0\r\n", FORGE_LIMITED, 1000},
    {"403, quota used up", 403, "{\"message\":\"API rate limit exceeded for installation.\"}",
     "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767225700\r\n",
     FORGE_LIMITED, 101000},
    {"403, retry-after wins over reset", 403, SECONDARY,
     "Retry-After: 5\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767225700\r\n",
     FORGE_LIMITED, 5000},
    {"403, quota used up, reset in the past", 403, "{}",
     "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767225000\r\n", FORGE_LIMITED, 60000},
    {"403, quota used up, reset absurd", 403, "{}",
     "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 99999999999999\r\n", FORGE_LIMITED, 60000},
    {"403, quota used up, reset next year", 403, "{}",
     "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1798761600\r\n", FORGE_LIMITED, 60000},
    {"403, negative retry-after, but it says so", 403, SECONDARY, "Retry-After: -5\r\n",
     FORGE_LIMITED, 60000},
    {"403, the words alone", 403, SECONDARY, "", FORGE_LIMITED, 60000},
    {"403, older words", 403, "{\"message\":\"You have triggered an abuse detection mechanism.\"}",
     "", FORGE_LIMITED, 60000},
    {"403 that is no limit", 403, "{\"message\":\"Resource not accessible by integration\"}",
     "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4999\r\nX-RateLimit-Reset: 1767225700\r\n",
     FORGE_NO_ACCESS, 0},
};

static void limits_are_recognised_in_all_their_forms(void **state)
{
    for (size_t i = 0; i < COUNT(TOLD); i++) {
        if (i) {
            rig_teardown(state);
            rig_setup(state);
        }
        rig_when("POST", "/repos", TOLD[i].status, TOLD[i].body, TOLD[i].headers);
        struct forge_answer a = rig_ask(DISPATCH);
        int64_t wait_ms = a.not_before_ms ? a.not_before_ms - NOW_MS : 0;
        if (a.outcome != TOLD[i].outcome || wait_ms != TOLD[i].wait_ms)
            fail_msg("%s: %s, wait %lld ms", TOLD[i].name, forge_outcome_name(a.outcome),
                     (long long)wait_ms);
    }
}

static void while_told_to_wait_nothing_of_that_installation_is_sent(void **state)
{
    struct forge_call other = READ;
    other.installation_id = 6;
    rig_when("GET", "/repos", 403, SECONDARY, "Retry-After: 17\r\n", .times = 1);
    rig_when("GET", "/repos", 200, REPO_BODY);
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    int before = rig_requests();
    struct forge_answer a = rig_ask(DISPATCH);
    assert_int_equal(a.outcome, FORGE_LIMITED);
    assert_int_equal(a.not_before_ms, NOW_MS + 17000);
    assert_int_equal(a.calls, 0);
    assert_int_equal(rig_requests(), before);
    assert_int_equal(rig_ask(other).outcome, FORGE_OK);         /* another one is not meant */

    atomic_fetch_add(&rig.now_ms, 16999);
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    atomic_fetch_add(&rig.now_ms, 1);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
}

static void what_others_were_told_counts(void **state)
{
    static const struct { const char *name; int64_t wait_ms; bool believed; } row[] = {
        { "a minute", 60000, true }, { "over", -1, false }, { "a year", INT64_C(365) * 86400000, false },
        { "for ever", INT64_MAX - NOW_MS, false },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct forge_call other = READ;
        other.installation_id = 6;
        rig_teardown(state);
        rig_setup(state);
        rig_when("GET", "/repos", 200, REPO_BODY);
        rig.forge.told(rig.forge.self, 5, NOW_MS + row[i].wait_ms);
        struct forge_answer a = rig_ask(READ);
        if ((a.outcome == FORGE_LIMITED) != row[i].believed)
            fail_msg("%s: %s", row[i].name, forge_outcome_name(a.outcome));
        if (row[i].believed)
            assert_int_equal(a.not_before_ms, NOW_MS + row[i].wait_ms);
        assert_int_equal(rig_ask(other).outcome, FORGE_OK);
    }
}

static void what_others_were_told_shortens_nothing(void **state)
{
    rig_when("GET", "/repos", 429, "{}", "Retry-After: 60\r\n", .times = 1);
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    rig.forge.told(rig.forge.self, 5, NOW_MS + 1000);
    assert_int_equal(rig_ask(READ).not_before_ms, NOW_MS + 60000);
}

struct crowd { atomic_int answered, good, limited; };
static void crowd_done(void *ctx, const struct forge_answer *a)
{
    struct crowd *c = ctx;
    atomic_fetch_add(a->outcome == FORGE_OK ? &c->good : &c->limited,
                     a->outcome == FORGE_OK || a->outcome == FORGE_LIMITED);
    atomic_fetch_add(&c->answered, 1);
}

static void of_a_thousand_calls_only_those_on_their_way_meet_the_limit(void **state)
{
    enum { MANY = 1000, GOOD = 10 };
    struct crowd crowd = { 0 };
    struct forge_call c = {
        .kind = FORGE_READ_REPO, .owner = STR("acme"), .name = STR("infra"), .installation_id = 5};
    rig_when("GET", "/repos", 200, REPO_BODY, .times = GOOD);
    rig_when("GET", "/repos", 403, SECONDARY);
    for (int i = 0; i < MANY; i++)
        rig.forge.call(rig.forge.self, &c, crowd_done, &crowd);
    while (atomic_load(&crowd.answered) < MANY)
        usleep(1000);
    assert_int_equal(atomic_load(&crowd.good), GOOD);
    assert_int_equal(atomic_load(&crowd.limited), MANY - GOOD);
    assert_in_range(rig_seen("GET /repos"), GOOD + 1, GOOD + AT_ONCE);
    atomic_fetch_add(&rig.now_ms, 60000);
    int before = rig_seen("GET /repos");        /* and the slots are free again */
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    assert_int_equal(rig_seen("GET /repos"), before + 1);
}

static void a_limit_between_two_pages_stops_there(void **state)
{
    rig_when(
        "GET", "=/repos/acme/infra/pulls?state=open&per_page=100", 200, "[]",
        "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767225700\r\n"
        "Link: <{BASE}/page2>; rel=\"next\"\r\n");
    struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_LIST_PULLS });
    assert_int_equal(a.outcome, FORGE_LIMITED);
    assert_int_equal(a.not_before_ms, NOW_MS + 101000);
    assert_int_equal(rig_seen("/page2"), 0);
}

static void without_a_hint_the_wait_doubles_up_to_a_quarter_of_an_hour(void **state)
{
    static const int64_t waits_ms[] = { 60000, 120000, 240000, 480000, 900000, 900000 };
    struct rule *refuse = rig_when("GET", "/repos", 403, SECONDARY);
    rig_when("GET", "/repos", 200, REPO_BODY);
    for (size_t i = 0; i < COUNT(waits_ms); i++) {
        int64_t now_ms = atomic_load(&rig.now_ms);
        struct forge_answer a = rig_ask(READ);
        assert_int_equal(a.not_before_ms - now_ms, waits_ms[i]);
        atomic_store(&rig.now_ms, a.not_before_ms);
    }
    /* used up: the next one passes, and all is forgiven */
    refuse->times = 1;
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    refuse->times = 0;
    int64_t now_ms = atomic_load(&rig.now_ms);
    assert_int_equal(rig_ask(READ).not_before_ms - now_ms, 60000);
}

static void refusals_of_one_moment_are_one_strike(void **state)
{
    struct party p = { .id = 1 };
    struct limit_order silent = { .is_limit = true };
    assert_int_equal(party_told(&p, &silent, false, 1000), 61000);
    assert_int_equal(party_told(&p, &silent, false, 1001), 61000);
    assert_int_equal(party_told(&p, &silent, false, 61000), 61000 + 120000);
    struct limit_order told = { .is_limit = true, .wait_ms = 8000 };
    assert_int_equal(party_told(&p, &told, false, 62000), 181000);      /* the later one stands */
}

static const struct { const char *name, *headers; bool known; int64_t limit, remaining, reset_ms;
} QUOTAS[] = {
    {"as documented",
     "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4321\r\nX-RateLimit-Reset: 1767229200\r\n"
     "X-RateLimit-Resource: core\r\n",
     true, 5000, 4321, 1767229200000},
    {"none", "", false, 0, 0, 0},
    {"negative",
     "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: -1\r\nX-RateLimit-Reset: 1767229200\r\n",
     false, 0, 0, 0},
    {"more left than there is",
     "X-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 51\r\nX-RateLimit-Reset: 1767229200\r\n",
     false, 0, 0, 0},
    {"reset long ago",
     "X-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: 1767220000\r\n",
     false, 0, 0, 0},
    {"reset far away",
     "X-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: 1798761600\r\n",
     false, 0, 0, 0},
    {"no number",
     "X-RateLimit-Limit: many\r\nX-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: 1767229200\r\n",
     false, 0, 0, 0},
    {"overflow",
     "X-RateLimit-Limit: 99999999999999999999\r\nX-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: "
     "1767229200\r\n",
     false, 0, 0, 0},
};

static void the_quota_is_known_only_from_numbers_that_make_sense(void **state)
{
    for (size_t i = 0; i < COUNT(QUOTAS); i++) {
        rig_forget();
        rig_when("GET", "/repos", 200, REPO_BODY, QUOTAS[i].headers);
        struct forge_quota q = rig_ask(READ).quota;
        if (q.known != QUOTAS[i].known || q.limit != QUOTAS[i].limit ||
            q.remaining != QUOTAS[i].remaining || q.reset_ms != QUOTAS[i].reset_ms ||
            (q.known && !str_eq(q.resource, STR("core"))))
            fail_msg("%s: known %d, %lld of %lld", QUOTAS[i].name, q.known, (long long)q.remaining,
                     (long long)q.limit);
    }
}

static void the_last_call_of_a_quota_stops_the_next_one(void **state)
{
    rig_when(
        "GET", "/repos", 200, REPO_BODY,
        "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767225700\r\n");
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    assert_int_equal(rig_seen("GET /repos"), 1);
    atomic_store(&rig.now_ms, NOW_MS + 101000);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
}

static void the_end_of_another_resource_stops_nobody(void **state)
{
    rig_when("GET", "/repos", 200, REPO_BODY,
             "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: "
             "1767225700\r\nX-RateLimit-Resource: search\r\n");
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(limits_are_recognised_in_all_their_forms),
        T(while_told_to_wait_nothing_of_that_installation_is_sent),
        T(what_others_were_told_counts),
        T(what_others_were_told_shortens_nothing),
        T(of_a_thousand_calls_only_those_on_their_way_meet_the_limit),
        T(a_limit_between_two_pages_stops_there),
        T(without_a_hint_the_wait_doubles_up_to_a_quarter_of_an_hour),
        cmocka_unit_test(refusals_of_one_moment_are_one_strike),
        T(the_quota_is_known_only_from_numbers_that_make_sense),
        T(the_last_call_of_a_quota_stops_the_next_one),
        T(the_end_of_another_resource_stops_nobody),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
