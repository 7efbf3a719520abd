#include "given.h"

#include <time.h>

#include "base/rfc3339.h"

static void times_are_written_in_whole_seconds(void **state)
{
    GIVEN_ARENA(a);
    assert_str(rfc3339_write(a, 0), STR("1970-01-01T00:00:00Z"));
    assert_str(rfc3339_write(a, 1787306400999), STR("2026-08-21T10:00:00Z"));
    assert_str(rfc3339_write(a, 253402300799999), STR("9999-12-31T23:59:59Z"));
    assert_str(rfc3339_write(a, -5), STR("1970-01-01T00:00:00Z"));
    assert_str(rfc3339_write(a, INT64_MAX), STR("9999-12-31T23:59:59Z"));
}

/* Oracle: the C library's calendar. */
static void every_day_agrees_with_gmtime(void **state)
{
    GIVEN_ARENA(a);
    for (int64_t day = 0; day < 2932896; day++) {
        int64_t ms = day * 86400000 + (day * 7919 % 86400) * 1000;
        struct rfc3339_parts p = rfc3339_parts(ms);
        if (day % 13 != 0 && p.day > 2 && p.day < 27)
            continue;
        time_t t = (time_t)(ms / 1000);
        struct tm tm;
        gmtime_r(&t, &tm);
        if (p.year != tm.tm_year + 1900 || p.month != tm.tm_mon + 1 || p.day != tm.tm_mday ||
            p.hour != tm.tm_hour || p.minute != tm.tm_min || p.second != tm.tm_sec)
            fail_msg("day %lld", (long long)day);
        int64_t back;
        if (!rfc3339_read(rfc3339_write(a, ms), &back) || back != ms)
            fail_msg("day %lld does not come back", (long long)day);
        if (day % 4096 == 0)
            arena_reset(a);
    }
}

static void reading(void **state)
{
    static const struct { const char *text; bool ok; int64_t ms; } rows[] = {
        { "1970-01-01T00:00:00Z", true, 0 },
        { "2026-08-21T10:00:00Z", true, 1787306400000 },
        { "2026-08-21t10:00:00z", true, 1787306400000 },
        { "2026-08-21 10:00:00Z", true, 1787306400000 },
        { "2026-08-21T10:00:00.1Z", true, 1787306400100 },
        { "2026-08-21T10:00:00.123456789Z", true, 1787306400123 },
        { "2026-08-21T12:00:00+02:00", true, 1787306400000 },
        { "2026-08-21T04:30:00-05:30", true, 1787306400000 },
        { "2024-02-29T00:00:00Z", true, 1709164800000 },
        { "2000-02-29T00:00:00Z", true, 951782400000 },
        { "2016-12-31T23:59:60Z", true, 1483228799000 },
        { "9999-12-31T23:59:59.999Z", true, 253402300799999 },
        { "1970-01-01T01:00:00+01:00", true, 0 },
        { "1970-01-01T00:00:00+01:00", false, 0 },
        { "1969-12-31T23:59:59Z", false, 0 },
        { "9999-12-31T23:59:59-01:00", false, 0 },
        { "2023-02-29T00:00:00Z", false, 0 },
        { "1900-02-29T00:00:00Z", false, 0 },
        { "2026-13-01T00:00:00Z", false, 0 },
        { "2026-00-01T00:00:00Z", false, 0 },
        { "2026-04-31T00:00:00Z", false, 0 },
        { "2026-01-00T00:00:00Z", false, 0 },
        { "2026-01-01T24:00:00Z", false, 0 },
        { "2026-01-01T00:60:00Z", false, 0 },
        { "2026-01-01T00:00:61Z", false, 0 },
        { "2026-01-01T00:00:00", false, 0 },
        { "2026-01-01T00:00:00+0100", false, 0 },
        { "2026-01-01T00:00:00+24:00", false, 0 },
        { "2026-01-01T00:00:00+01:60", false, 0 },
        { "2026-01-01T00:00:00.Z", false, 0 },
        { "2026-01-01T00:00Z", false, 0 },
        { "2026-01-01", false, 0 },
        { "26-01-01T00:00:00Z", false, 0 },
        { "2026-1-01T00:00:00Z", false, 0 },
        { "2026-01-01T00:00:00Zx", false, 0 },
        { " 2026-01-01T00:00:00Z", false, 0 },
        { "+2026-01-01T00:00:00Z", false, 0 },
        { "2026-01-01T0/:00:00Z", false, 0 },
        { "", false, 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -7;
        bool ok = rfc3339_read(str_of(rows[i].text), &ms);
        if (ok != rows[i].ok || ms != (ok ? rows[i].ms : -7))
            fail_msg("\"%s\": ok %d, %lld ms", rows[i].text, ok, (long long)ms);
    }
}

static void durations_are_read(void **state)
{
    static const struct { const char *text; int64_t unit_ms; bool ok; int64_t ms; } rows[] = {
        { "90", 1000, true, 90000 },      { "90", 60000, true, 5400000 },
        { "30s", 1, true, 30000 },        { "5m", 1, true, 300000 },
        { "2h", 1, true, 7200000 },       { "3d", 1, true, 259200000 },
        { "250ms", 1000, true, 250 },     { "0", 1000, true, 0 },
        { "", 1000, false, 0 },           { "s", 1000, false, 0 },
        { "-1s", 1000, false, 0 },        { "1.5h", 1000, false, 0 },
        { "1w", 1000, false, 0 },         { "5 m", 1000, false, 0 },
        { "1S", 1000, false, 0 },         { "9223372036854775807", 1, true, INT64_MAX },
        { "9223372036854775807s", 1, false, 0 }, { "9223372036854775808", 1, false, 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -7;
        bool ok = duration_read(str_of(rows[i].text), rows[i].unit_ms, &ms);
        if (ok != rows[i].ok || ms != (ok ? rows[i].ms : -7))
            fail_msg("\"%s\": ok %d, %lld ms", rows[i].text, ok, (long long)ms);
    }
}

static void durations_are_written_for_people(void **state)
{
    static const struct { int64_t ms; const char *want; } rows[] = {
        { 0, "0s" },               { 999, "0s" },             { 45000, "45s" },
        { 59999, "59s" },          { 60000, "1 min" },        { 180000, "3 min" },
        { 3600000, "1 h" },        { 7500000, "2 h 5 min" },  { 86400000, "1 d" },
        { 93600000, "1 d 2 h" },   { -5, "0s" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(duration_write(a, rows[i].ms), str_of(rows[i].want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_whole_seconds),
        cmocka_unit_test(every_day_agrees_with_gmtime),
        cmocka_unit_test(reading),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(durations_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
