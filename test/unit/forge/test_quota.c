/*
 * The quota: asked for, told along with every answer, and believed only when it makes sense
 * (forges.md §2.12).
 */
#include "rig.h"

#define READ ((struct forge_call){ .kind = FORGE_READ_REPO })
#define QUOTA ((struct forge_call){ .kind = FORGE_READ_QUOTA })
enum { NOW_S = 1767225600, SOON_S = NOW_S + 1800 };
#define NOW_MS ((int64_t)NOW_S * 1000)

static const char REPO_BODY[] = "{\"id\":1,\"name\":\"infra\"}";

/* ---- asked for ---- */

static const struct { const char *name; int status; const char *body; enum forge_outcome outcome;
                      const char *result; } ASKED[] = {
    {"as documented", 200,
     "{\"resources\":{\"core\":{\"limit\":5000,\"used\":679,\"remaining\":4321,\"reset\":1767227400},"
     "\"search\":{\"limit\":30,\"used\":0,\"remaining\":30,\"reset\":1767225660}}}",
     FORGE_OK, "{\"limit\":5000,\"remaining\":4321,\"reset_ms\":1767227400000}"},
    {"used up", 200,
     "{\"resources\":{\"core\":{\"limit\":5000,\"remaining\":0,\"reset\":1767227400}}}", FORGE_OK,
     "{\"limit\":5000,\"remaining\":0,\"reset_ms\":1767227400000}"},
    {"a host without limits", 404, "{\"message\":\"Rate limiting is not enabled.\"}", FORGE_OK,
     "{\"unlimited\":true}"},
    {"no numbers", 200, "{\"resources\":{\"core\":{}}}", FORGE_OK, "{}"},
    {"negative", 200,
     "{\"resources\":{\"core\":{\"limit\":5000,\"remaining\":-1,\"reset\":1767227400}}}", FORGE_OK,
     "{}"},
    {"absurd", 200,
     "{\"resources\":{\"core\":{\"limit\":1152921504606846976,\"remaining\":1152921504606846976,"
     "\"reset\":1152921504606846976}}}",
     FORGE_OK, "{}"},
    {"text", 200,
     "{\"resources\":{\"core\":{\"limit\":\"NaN\",\"remaining\":null,\"reset\":[]}}}", FORGE_OK, "{}"},
    {"broken", 200,
     "{\"resources\":{\"core\":{\"limit\":5000.5,\"remaining\":1e3,\"reset\":1767227400}}}",
     FORGE_OK, "{}"},
    {"reset in the past", 200,
     "{\"resources\":{\"core\":{\"limit\":5000,\"remaining\":5,\"reset\":1767220000}}}", FORGE_OK,
     "{}"},
    {"reset a year away", 200,
     "{\"resources\":{\"core\":{\"limit\":5000,\"remaining\":5,\"reset\":1798761600}}}", FORGE_OK,
     "{}"},
    {"no quota at all", 200, "{\"resources\":[]}", FORGE_NOT_SENT, "{}"},
    {"suspended", 403, "{\"message\":\"This installation has been suspended\"}", FORGE_NO_ACCESS,
     "{}"},
};

static void the_quota_can_be_asked_for(void **state)
{
    for (size_t i = 0; i < COUNT(ASKED); i++) {
        if (i) {
            rig_teardown(state);
            rig_setup(state);
        }
        rig_when("GET", "=/rate_limit", ASKED[i].status, ASKED[i].body);
        struct forge_answer a = rig_ask(QUOTA);
        if (a.outcome != ASKED[i].outcome || !str_eq(a.result, str_of(ASKED[i].result)))
            fail_msg("%s: %s, %.*s", ASKED[i].name, forge_outcome_name(a.outcome),
                     FMT_STR(a.result));
        assert_has(rig_request(0), STR("Authorization: Bearer ghs_token1\r\n"));
    }
}

static void its_answer_is_told_as_the_quota_of_the_answer(void **state)
{
    rig_when("GET", "=/rate_limit", 200, ASKED[0].body);
    struct forge_quota q = rig_ask(QUOTA).quota;
    assert_true(q.said && q.known);
    assert_str(q.resource, STR("core"));
    assert_int_equal(q.remaining, 4321);
}

static void it_is_not_asked_for_while_told_to_wait(void **state)
{
    rig_when("GET", "/repos", 429, "{}", "Retry-After: 60\r\n");
    rig_when("GET", "=/rate_limit", 200, ASKED[0].body);
    assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
    struct forge_answer a = rig_ask(QUOTA);
    assert_int_equal(a.outcome, FORGE_LIMITED);
    assert_int_equal(a.not_before_ms, NOW_MS + 60000);
    assert_int_equal(rig_seen("/rate_limit"), 0);
}

/* ---- told along ---- */

static struct forge_quota told(const char *limit, const char *remaining, int64_t reset_s)
{
    char headers[512];
    snprintf(headers, sizeof headers,
             "X-RateLimit-Limit: %s\r\nX-RateLimit-Remaining: %s\r\nX-RateLimit-Reset: %lld\r\n",
             limit, remaining, (long long)reset_s);
    rig_forget();
    rig_when("GET", "/repos", 200, REPO_BODY, headers);
    return rig_ask(READ).quota;
}

static void each_kind_of_nonsense_is_unknown(void **state)
{
    static const struct { const char *name, *limit, *remaining; int64_t reset_s; } row[] = {
        { "negative limit", "-5000", "10", SOON_S },
        { "no limit", "0", "0", SOON_S },
        { "negative rest", "5000", "-1", SOON_S },
        { "more than all", "5000", "5001", SOON_S },
        { "2^60 of 2^60", "1152921504606846976", "1152921504606846976", SOON_S },
        { "2^60 left", "5000", "1152921504606846976", SOON_S },
        { "no number", "NaN", "NaN", SOON_S },
        { "half a number", "5000", "12.5", SOON_S },
        { "two numbers", "5000", "12, 13", SOON_S },
        { "empty", "", "", SOON_S },
        { "reset at the beginning of time", "5000", "10", 0 },
        { "reset before time", "5000", "10", -1 },
        { "reset an hour ago", "5000", "10", NOW_S - 3600 },
        { "reset in three hours", "5000", "10", NOW_S + 3 * 3600 },
        { "reset in a year", "5000", "10", NOW_S + 365 * 86400 },
        { "reset at 2^60", "5000", "10", INT64_C(1) << 60 },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct forge_quota q = told(row[i].limit, row[i].remaining, row[i].reset_s);
        if (q.known || !q.said || q.limit || q.remaining || q.reset_ms)
            fail_msg("%s was believed: %lld of %lld", row[i].name, (long long)q.remaining,
                     (long long)q.limit);
    }
    assert_true(told("5000", "10", SOON_S).known);      /* and a sane one after all that is sane */
}

static void an_answer_that_cannot_know_says_nothing(void **state)
{
    rig_when("GET", "/repos", 502, "<html>", .times = 1);
    rig_when("GET", "/repos", CLOSES, "", .times = 1);
    rig_when("GET", "/repos", 200, REPO_BODY);
    assert_false(rig_ask(READ).quota.said);     /* of a proxy in between */
    assert_false(rig_ask(READ).quota.said);
    struct forge_quota q = rig_ask(READ).quota;
    assert_true(q.said);                        /* GitHub itself, without a word about it */
    assert_false(q.known);
}

/* Each step: so many seconds later an answer says … */
static const struct {
    const char *name;
    struct { int64_t after_s, limit, remaining, reset_s; bool known; } step[6];
} TOLD[] = {
    {"what is spent is spent",
     {{0, 5000, 4000, SOON_S, true}, {0, 5000, 3999, SOON_S, true}, {5, 5000, 10, SOON_S, true},
      {0, 5000, 0, SOON_S, true}}},
    {"answers overtake each other",
     {{0, 5000, 4000, SOON_S, true}, {0, 5000, 3950, SOON_S, true}, {0, 5000, 3999, SOON_S, true},
      {0, 5000, 3901, SOON_S, true}}},
    {"spent calls come back: not believed, until it is said again",
     {{0, 5000, 1000, SOON_S, true}, {0, 5000, 5000, SOON_S, false}, {1, 5000, 4999, SOON_S, true},
      {0, 5000, 4998, SOON_S, true}}},
    {"spent calls come back once",
     {{0, 5000, 1000, SOON_S, true}, {0, 5000, 5000, SOON_S, false}, {0, 5000, 999, SOON_S, true},
      {0, 5000, 5000, SOON_S, false}, {0, 5000, 998, SOON_S, true}}},
    {"a window ends earlier than it was said to",
     {{0, 5000, 1000, SOON_S, true}, {0, 5000, 999, SOON_S - 600, false},
      {0, 5000, 998, SOON_S, true}}},
    {"it really does",
     {{0, 5000, 1000, SOON_S, true}, {0, 5000, 999, SOON_S - 600, false},
      {0, 5000, 998, SOON_S - 600, true}, {0, 5000, 997, SOON_S - 600, true}}},
    {"a new window",
     {{0, 5000, 3, SOON_S, true}, {1801, 5000, 4999, SOON_S + 3600, true},
      {0, 5000, 4998, SOON_S + 3600, true}}},
    {"the window of before, said late",
     {{0, 5000, 3, SOON_S, true}, {1810, 5000, 4999, SOON_S + 3600, true},
      {0, 5000, 2, SOON_S, false}, {0, 5000, 4998, SOON_S + 3600, true}}},
    {"a larger quota from now on",
     {{0, 5000, 3, SOON_S, true}, {0, 12500, 7503, SOON_S, false}, {0, 12500, 7502, SOON_S, true}}},
};

static void numbers_that_run_backwards_are_doubted(void **state)
{
    for (size_t i = 0; i < COUNT(TOLD); i++) {
        rig_teardown(state);
        rig_setup(state);
        for (size_t n = 0; n < COUNT(TOLD[i].step) && TOLD[i].step[n].limit; n++) {
            char limit[24], remaining[24];
            atomic_fetch_add(&rig.now_ms, TOLD[i].step[n].after_s * 1000);
            snprintf(limit, sizeof limit, "%lld", (long long)TOLD[i].step[n].limit);
            snprintf(remaining, sizeof remaining, "%lld", (long long)TOLD[i].step[n].remaining);
            struct forge_quota q = told(limit, remaining, TOLD[i].step[n].reset_s);
            if (q.known != TOLD[i].step[n].known)
                fail_msg("%s, step %zu: known %d", TOLD[i].name, n + 1, q.known);
            assert_int_equal(q.remaining, q.known ? TOLD[i].step[n].remaining : 0);
            if (TOLD[i].step[n].remaining == 0)
                break;
        }
    }
}

static void the_end_of_a_window_does_not_wobble(void **state)
{
    static const int64_t said_s[] = { SOON_S, SOON_S + 1, SOON_S - 1, SOON_S + 3, SOON_S - 4 };
    for (size_t i = 0; i < COUNT(said_s); i++)
        assert_int_equal(told("5000", "4000", said_s[i]).reset_ms, (int64_t)SOON_S * 1000);
}

static void another_resource_is_another_window(void **state)
{
    told("5000", "4000", SOON_S);
    rig_forget();
    rig_when("GET", "/repos", 200, REPO_BODY,
             "X-RateLimit-Limit: 30\r\nX-RateLimit-Remaining: 29\r\nX-RateLimit-Reset: "
             "1767225660\r\nX-RateLimit-Resource: search\r\n");
    struct forge_quota q = rig_ask(READ).quota;
    assert_true(q.known);
    assert_str(q.resource, STR("search"));
    assert_true(told("5000", "3999", SOON_S).known);
}

/* ---- orders that make no sense ---- */

static const struct { const char *name, *headers; int64_t wait_ms; } ORDERS[] = {
    {"a year", "Retry-After: 31536000\r\n", 60000},
    {"for ever", "Retry-After: 1152921504606846976\r\n", 60000},
    {"negative", "Retry-After: -3600\r\n", 60000},
    {"text", "Retry-After: soon\r\n", 60000},
    {"a date", "Retry-After: Thu, 01 Jan 2026 00:02:00 GMT\r\n", 120000},
    {"a date that is over", "Retry-After: Wed, 31 Dec 2025 23:00:00 GMT\r\n", 1000},
    {"a date in a year", "Retry-After: Fri, 01 Jan 2027 00:00:00 GMT\r\n", 60000},
    {"until a reset that is absurd",
     "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1152921504606846976\r\n", 60000},
    {"until a reset that is over", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767220000\r\n",
     60000},
    {"until a reset that is negative", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: -5\r\n", 60000},
    {"until a reset", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1767226200\r\n", 601000},
};

static void nobody_waits_for_a_year(void **state)
{
    for (size_t i = 0; i < COUNT(ORDERS); i++) {
        rig_teardown(state);
        rig_setup(state);
        rig_when("GET", "/repos", 429, "{}", ORDERS[i].headers);
        struct forge_answer a = rig_ask(READ);
        if (a.outcome != FORGE_LIMITED || a.not_before_ms - NOW_MS != ORDERS[i].wait_ms)
            fail_msg("%s: waits %lld ms", ORDERS[i].name, (long long)(a.not_before_ms - NOW_MS));
        int before = rig_requests();
        assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
        assert_int_equal(rig_requests(), before);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_quota_can_be_asked_for),
        T(its_answer_is_told_as_the_quota_of_the_answer),
        T(it_is_not_asked_for_while_told_to_wait),
        T(each_kind_of_nonsense_is_unknown),
        T(an_answer_that_cannot_know_says_nothing),
        T(numbers_that_run_backwards_are_doubted),
        T(the_end_of_a_window_does_not_wobble),
        T(another_resource_is_another_window),
        T(nobody_waits_for_a_year),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
