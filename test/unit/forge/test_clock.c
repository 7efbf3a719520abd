/*
 * Clocks: the forge's may be hours away from ours, and ours may be set while we run. What is waited
 * for, searched and signed must come out the same.
 */
#include <unistd.h>

#include "base/secret.h"
#include "rig.h"

#define READ ((struct forge_call){ .kind = FORGE_READ_REPO })
#define FIND ((struct forge_call){ .kind = FORGE_FIND_RUNS, .since_ms = NOW_MS })
enum { NOW_S = 1767225600, HOUR_S = 3600 };
#define NOW_MS ((int64_t)NOW_S * 1000)
#define HOUR_MS ((int64_t)HOUR_S * 1000)

static const char REPO_BODY[] = "{\"id\":1,\"name\":\"infra\"}";

/* What the forge's clock shows at NOW. */
static const struct { const char *name, *date; int64_t ahead_s; } CLOCKS[] = {
    {"right", "Thu, 01 Jan 2026 00:00:00 GMT", 0},
    {"a second off, which is only its resolution", "Thu, 01 Jan 2026 00:00:01 GMT", 0},
    {"an hour ahead", "Thu, 01 Jan 2026 01:00:00 GMT", HOUR_S},
    {"an hour behind", "Wed, 31 Dec 2025 23:00:00 GMT", -HOUR_S},
    {"absurd, and so not believed", "Fri, 01 Jan 2100 00:00:00 GMT", 0},
    {"long gone, and so not believed", "Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"no date", "yesterday", 0},
    {"none", "", 0},
};
static bool is_off(size_t i) { return CLOCKS[i].ahead_s != 0; }

/* Numbers that are exact but for the second that a date rounds away. */
static void then_about(const char *name, int64_t got_ms, int64_t want_ms)
{
    if (got_ms < want_ms - 1000 || got_ms > want_ms + 1000)
        fail_msg("%s: %lld, want %lld", name, (long long)got_ms, (long long)want_ms);
}

static const char *dated(size_t i, const char *more)
{
    str text = arena_print(rig.mem, "%s%s%s%s", CLOCKS[i].date[0] ? "Date: " : "", CLOCKS[i].date,
                           CLOCKS[i].date[0] ? "\r\n" : "", more);
    return arena_z(rig.mem, text);
}

static void dates_are_read_as_they_are_sent(void **state)
{
    static const struct { const char *text; int64_t utc_ms; } row[] = {
        { "Thu, 01 Jan 2026 00:00:00 GMT", NOW_MS },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
        { "Tue, 29 Feb 2028 23:59:59 GMT", 1835481599000 },
        { "Thu, 01 Dec 2022 12:00:00 GMT", 1669896000000 },
        { "Thu, 30 Feb 2026 00:00:00 GMT", -1 },
        { "Thu, 01 Foo 2026 00:00:00 GMT", -1 },
        { "Thu, 01 Jan 2026 24:01:00 GMT", -1 },
        { "Thu, 01 Jan 2026 00:00:00 UTC", -1 },
        { "Thu, 1 Jan 2026 00:00:00 GMT", -1 },
        { "Thu, 01 Jan 2026 00:00:00 GMT ", -1 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", -1 },
        { "2026-01-01T00:00:00Z", -1 },
        { "", -1 },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        int64_t got = -1;
        if (!http_date_read(str_of(row[i].text), &got))
            got = -1;
        if (got != row[i].utc_ms)
            fail_msg("\"%s\": %lld", row[i].text, (long long)got);
    }
}

static void a_reset_is_told_in_our_time(void **state)
{
    for (size_t i = 0; i < COUNT(CLOCKS); i++) {
        rig_teardown(state);
        rig_setup(state);
        str limits = arena_print(rig.mem,
                                 "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 9\r\n"
                                 "X-RateLimit-Reset: %lld\r\n",
                                 (long long)(NOW_S + CLOCKS[i].ahead_s + 1800));
        rig_when("GET", "/repos", 200, REPO_BODY, dated(i, arena_z(rig.mem, limits)));
        struct forge_quota q = rig_ask(READ).quota;
        if (!q.known)
            fail_msg("%s: not known", CLOCKS[i].name);
        then_about(CLOCKS[i].name, q.reset_ms, NOW_MS + 1800000);
    }
}

static void a_wait_until_a_reset_is_as_long_as_over_there(void **state)
{
    for (size_t i = 0; i < COUNT(CLOCKS); i++) {
        rig_teardown(state);
        rig_setup(state);
        str limits = arena_print(rig.mem, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: %lld\r\n",
                                 (long long)(NOW_S + CLOCKS[i].ahead_s + 300));
        rig_when("GET", "/repos", 403, "{}", dated(i, arena_z(rig.mem, limits)), .times = 1);
        rig_when("GET", "/repos", 200, REPO_BODY);
        struct forge_answer a = rig_ask(READ);
        assert_int_equal(a.outcome, FORGE_LIMITED);
        then_about(CLOCKS[i].name, a.not_before_ms, NOW_MS + 301000);
        atomic_fetch_add(&rig.now_ms, 299000);
        assert_int_equal(rig_ask(READ).outcome, FORGE_LIMITED);
        atomic_fetch_add(&rig.now_ms, 4000);
        assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    }
}

static void setting_our_clock_makes_no_wait_longer_or_shorter(void **state)
{
    static const int64_t shifts_ms[] = { HOUR_MS, -HOUR_MS };
    for (size_t i = 0; i < COUNT(shifts_ms); i++) {
        rig_teardown(state);
        rig_setup(state);
        rig_when("GET", "/repos", 429, "{}", "Retry-After: 60\r\n", .times = 1);
        rig_when("GET", "/repos", 200, REPO_BODY);
        assert_int_equal(rig_ask(READ).not_before_ms, NOW_MS + 60000);
        atomic_store(&rig.shift_ms, shifts_ms[i]);
        struct forge_answer a = rig_ask(READ);
        assert_int_equal(a.outcome, FORGE_LIMITED);
        assert_int_equal(a.not_before_ms, NOW_MS + shifts_ms[i] + 60000);
        atomic_fetch_add(&rig.now_ms, 60000);
        assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
    }
}

/* ---- tokens ---- */

static int64_t issued_s(str request)
{
    str text = STR_NONE, rest, jwt = STR("Authorization: Bearer ");
    for (size_t at = 0; at + jwt.len < request.len; at++)
        if (str_starts(str_sub(request, at, request.len), jwt)) {
            str_cut(str_sub(request, at + jwt.len, request.len), '.', &rest);
            assert_true(base64url_read(rig.mem, str_cut(rest, '.', &rest), &text));
            break;
        }
    return json_i64_or(json_get(rig_json(text), STR("iat")), 0);
}

static void the_app_signs_by_the_forges_clock_once_it_was_refused_by_ours(void **state)
{
    for (size_t i = 0; i < COUNT(CLOCKS); i++) {
        rig_teardown(state);
        rig_setup(state);
        rig_when("GET", "/app/installations", 401, "{\"message\":\"'Issued at' is in the future\"}",
                 dated(i, ""), .times = 1);
        rig_when("GET", "/app/installations", 200, "[]", dated(i, ""));
        struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_LIST_INSTALLATIONS });
        assert_int_equal(a.outcome, FORGE_OK);
        assert_int_equal(issued_s(rig_request(1)), NOW_S - 60);
        then_about(CLOCKS[i].name, issued_s(rig_request(0)) * 1000,
                   NOW_MS + CLOCKS[i].ahead_s * 1000 - 60000);
    }
}

static void a_token_is_kept_as_long_as_the_forge_keeps_it(void **state)
{
    for (size_t i = 0; i < COUNT(CLOCKS); i++) {
        rig_teardown(state);
        rig_setup(state);
        int64_t ends_ms = NOW_MS + CLOCKS[i].ahead_s * 1000 + HOUR_MS;
        str body = arena_print(rig.mem, "{\"token\":\"ghs_1\",\"expires_at\":\"" PRI_STR "\"}",
                               FMT_STR(rig_time(ends_ms)));
        rig_when("POST", "/app/installations/", 201, arena_z(rig.mem, body), dated(i, ""));
        rig_when("GET", "/repos", 200, REPO_BODY);
        for (int n = 0; n < 3; n++)
            assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
        if (rig_seen("access_tokens") != 1)
            fail_msg("%s: %d tokens", CLOCKS[i].name, rig_seen("access_tokens"));
        atomic_fetch_add(&rig.now_ms, HOUR_MS - 4 * 60000);
        assert_int_equal(rig_ask(READ).outcome, FORGE_OK);
        assert_int_equal(rig_seen("access_tokens"), 2);
    }
}

/* ---- searching ---- */

static void runs_are_searched_and_told_by_the_right_clock(void **state)
{
    for (size_t i = 0; i < COUNT(CLOCKS); i++) {
        rig_teardown(state);
        rig_setup(state);
        int64_t there_ms = NOW_MS + CLOCKS[i].ahead_s * 1000;
        str body = arena_print(rig.mem,
                               "{\"total_count\":1,\"workflow_runs\":[{\"id\":9,\"created_at\":\"" PRI_STR
                               "\",\"event\":\"workflow_dispatch\",\"status\":\"queued\"}]}",
                               FMT_STR(rig_time(there_ms + 5000)));
        rig_when("GET", "=/rate_limit", 200, "{}", dated(i, ""));
        rig_when("GET", "/repos/acme/infra/actions/runs", 200, arena_z(rig.mem, body), dated(i, ""));
        struct forge_answer a = rig_ask(FIND);
        assert_int_equal(a.outcome, FORGE_OK);
        struct json_iter it = json_iter(json_get(rig_json(a.result), STR("runs")));
        struct json run;
        str key;
        assert_true(json_next(&it, rig.mem, &key, &run));
        then_about(CLOCKS[i].name, json_i64_or(json_get(run, STR("created_ms")), 0), NOW_MS + 5000);
        assert_int_equal(json_i64_or(json_get(run, STR("started_ms")), -1), 0);
        /* two minutes before, over there; the half second of a date is rounded down */
        int64_t since_ms = there_ms - 120000 + (is_off(i) ? 500 : 0);
        str since = str_sub(rig_time(since_ms), 0, 13);
        assert_has(rig_request(0), since);
    }
}

static void the_clock_is_asked_for_once_before_a_search(void **state)
{
    rig_when("GET", "=/rate_limit", 200, "{}", "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n");
    rig_when("GET", "/repos/acme/infra/actions/runs", 200, "{\"workflow_runs\":[]}");
    assert_int_equal(rig_ask(FIND).outcome, FORGE_OK);
    assert_int_equal(rig_ask(FIND).outcome, FORGE_OK);
    assert_int_equal(rig_seen("/rate_limit"), 1);
    assert_int_equal(rig_seen("/actions/runs"), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_as_they_are_sent),
        T(a_reset_is_told_in_our_time),
        T(a_wait_until_a_reset_is_as_long_as_over_there),
        T(setting_our_clock_makes_no_wait_longer_or_shorter),
        T(the_app_signs_by_the_forges_clock_once_it_was_refused_by_ours),
        T(a_token_is_kept_as_long_as_the_forge_keeps_it),
        T(runs_are_searched_and_told_by_the_right_clock),
        T(the_clock_is_asked_for_once_before_a_search),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
