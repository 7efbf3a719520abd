/*
 * Percent-decoding and look-ups; the wheel of deadlines in virtual time.
 */
#include <stdlib.h>

#include "rig.h"

#include "http/inside.h"

static const struct { str in; bool plus; bool ok; str out; } DECODE[] = {
    { STR_INIT(""), false, true, STR_INIT("") },
    { STR_INIT("plain"), false, true, STR_INIT("plain") },
    { STR_INIT("a%20b%2Fc"), false, true, STR_INIT("a b/c") },
    { STR_INIT("%c3%AB"), false, true, STR_INIT("\xc3\xab") },
    { STR_INIT("a+b"), true, true, STR_INIT("a b") },
    { STR_INIT("a+b"), false, true, STR_INIT("a+b") },
    { STR_INIT("%2b"), true, true, STR_INIT("+") },
    { STR_INIT("%"), false, false, STR_INIT("") },
    { STR_INIT("%4"), false, false, STR_INIT("") },
    { STR_INIT("%g1"), false, false, STR_INIT("") },
    { STR_INIT("%4 "), false, false, STR_INIT("") },
    { STR_INIT("a%00b"), false, false, STR_INIT("") },
    { STR_INIT("%ff"), false, false, STR_INIT("") },
    { STR_INIT("%c0%80"), false, false, STR_INIT("") },
    { STR_INIT("%ed%a0%80"), false, false, STR_INIT("") },
    { STR_INIT("%252e"), false, true, STR_INIT("%2e") },
};

static void percent_escapes_are_decoded_once_and_strictly(void **state)
{
    struct arena *mem = arena_new(1 << 20, 1 << 20);
    for (size_t i = 0; i < sizeof DECODE / sizeof *DECODE; i++) {
        str out = STR_NONE;
        bool ok = http_decode(mem, DECODE[i].in, DECODE[i].plus, &out);
        if (ok != DECODE[i].ok || (ok && !str_eq(out, DECODE[i].out)))
            fail_msg("row %zu (%s): %d, " PRI_STR, i, DECODE[i].in.ptr, ok, FMT_STR(out));
    }
    arena_free(mem);
}

static const struct { str query; bool ok; str out; } QUERY[] = {
    { STR_INIT("n=1"), true, STR_INIT("1") },
    { STR_INIT("a=b&n=2&n=3"), true, STR_INIT("2") },
    { STR_INIT("nn=1&%6e=4"), true, STR_INIT("4") },
    { STR_INIT("n=a+b%26"), true, STR_INIT("a b&") },
    { STR_INIT("n=a=b"), true, STR_INIT("a=b") },
    { STR_INIT("n"), true, STR_INIT("") },
    { STR_INIT("&&n=&"), true, STR_INIT("") },
    { STR_INIT("%zz=1&n=5"), true, STR_INIT("5") },
    { STR_INIT("n=%zz"), false, STR_INIT("") },
    { STR_INIT("N=1"), false, STR_INIT("") },
    { STR_INIT(""), false, STR_INIT("") },
};

static void query_parameters_are_found_by_name(void **state)
{
    struct arena *mem = arena_new(1 << 20, 1 << 20);
    for (size_t i = 0; i < sizeof QUERY / sizeof *QUERY; i++) {
        struct http_request r = { .query = QUERY[i].query, .mem = mem };
        str out = STR_NONE;
        bool ok = http_query_get(&r, STR("n"), &out);
        if (ok != QUERY[i].ok || (ok && !str_eq(out, QUERY[i].out)))
            fail_msg("row %zu (%s): %d, " PRI_STR, i, QUERY[i].query.ptr, ok, FMT_STR(out));
    }
    struct http_request none = { .mem = mem };
    str out;
    assert_false(http_query_get(&none, STR("n"), &out));
    arena_free(mem);
}

static void headers_are_found_in_any_case_of_letters_the_first_one(void **state)
{
    struct http_header headers[] = { { STR("X-A"), STR("1") },
                                     { STR("x-b"), STR("2") },
                                     { STR("X-B"), STR("3") } };
    struct http_request r = { .headers = headers, .header_count = 3 };
    assert_true(str_eq(http_header_get(&r, STR("X-b")), STR("2")));
    assert_null(http_header_get(&r, STR("X")).ptr);
}

/* ---- the wheel ---- */

static struct wheel wheel;

/* Random deadlines, set, moved, dropped over four virtual minutes: never early, never more than a
 * tick late, none forgotten. */
static void deadlines_come_up_in_time_whatever_is_moved(void **state)
{
    enum { N = 400 };
    static struct conn conns[N];
    uint64_t seed = 42;
    int64_t now = 1234567;
    size_t fired = 0;
    memset(&wheel, 0, sizeof wheel);
    for (size_t i = 0; i < N; i++)
        conns[i].slot = -1;
    for (int round = 0; round < 60000; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct conn *c = &conns[(seed >> 33) % N];
        uint64_t what = (seed >> 20) % 16;
        if (what < 8)
            wheel_set(&wheel, c, now, now + (int64_t)((seed >> 40) % 20000));
        else if (what == 8)
            wheel_drop(&wheel, c);
        else if (what == 9)
            wheel_set(&wheel, c, now, NEVER_MS);
        int wait = wheel_wait_ms(&wheel, now);
        assert_true(wait == -1 ? wheel.count == 0 : wait >= 1);
        int64_t next = now + (int64_t)((seed >> 50) % 9);
        for (struct conn *due; (due = wheel_due(&wheel, next));) {
            assert_true(due->deadline_ms <= next);
            assert_true(due->deadline_ms > now - 2 * WHEEL_TICK_MS);
            assert_int_equal(due->slot, -1);
            fired++;
        }
        now = next;
        for (size_t i = 0; i < N; i++)
            if (conns[i].slot >= 0)
                assert_true(conns[i].deadline_ms > now - 2 * WHEEL_TICK_MS);
    }
    assert_true(fired > 1000);
}

static void an_empty_wheel_that_slept_long_is_right_at_once(void **state)
{
    static struct conn c;
    memset(&wheel, 0, sizeof wheel);
    c.slot = -1;
    for (int64_t now = 1000; now < INT64_C(1) << 50; now *= 7) {
        wheel_set(&wheel, &c, now, now + 5000);
        assert_in_range(wheel_wait_ms(&wheel, now), 5000, 5000 + WHEEL_TICK_MS);
        assert_null(wheel_due(&wheel, now + 4999));
        assert_ptr_equal(wheel_due(&wheel, now + 5000 + WHEEL_TICK_MS), &c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_escapes_are_decoded_once_and_strictly),
        cmocka_unit_test(query_parameters_are_found_by_name),
        cmocka_unit_test(headers_are_found_in_any_case_of_letters_the_first_one),
        cmocka_unit_test(deadlines_come_up_in_time_whatever_is_moved),
        cmocka_unit_test(an_empty_wheel_that_slept_long_is_right_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
