/* The quota: what may be claimed, what nonsense does to it, and who goes first when it is given out. */
#include "given.h"

#include <string.h>
#include <time.h>

#include "domain/budget.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
#define NOW INT64_C(1795000000000)

static struct budget given_budget(int64_t limit, int64_t remaining, int64_t reset_ms)
{
    struct budget b = { 0 };
    struct quota_seen q = { limit, remaining, reset_ms, NOW };
    budget_observe(&b, &q);
    assert_true(b.known);
    return b;
}

/* ---- what the forge says --------------------------------------------------------------------- */

static void the_safe_budget_is_three_quarters_of_what_remains(void **state)
{
    static const struct { int64_t limit, remaining, claimed, safe, reserved, possible; } row[] = {
        { 5000, 5000, 0, 3750, 1250, 3750 },
        { 5000, 4000, 0, 3000, 1000, 3750 },
        { 5000, 4000, 2999, 1, 1000, 3750 },
        { 5000, 4000, 3000, 0, 1000, 3750 },
        { 5000, 4000, 9999, 0, 1000, 3750 },       /* claims of before a reset: never negative */
        { 5000, 1, 0, 0, 1, 3750 },
        { 5000, 2, 0, 1, 1, 3750 },
        { 5000, 0, 0, 0, 0, 3750 },
        { 1, 1, 0, 0, 1, 0 },
        { 12500, 12500, 0, 9375, 3125, 9375 },
        { INT64_MAX, INT64_MAX, 0, INT64_C(6917529027641081855), INT64_C(2305843009213693952), INT64_C(6917529027641081855) },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct budget b = given_budget(row[i].limit, row[i].remaining, NOW + HOUR);
        b.claimed = row[i].claimed;
        assert_int_equal(budget_safe(&b, NOW), row[i].safe);
        assert_int_equal(budget_reserved(&b), row[i].reserved);
        assert_int_equal(budget_possible(&b), row[i].possible);
        assert_true(budget_fits(&b, row[i].safe, NOW));
        assert_false(budget_fits(&b, row[i].safe + 1, NOW));
    }
}

static void headers_that_make_no_sense_are_not_known(void **state)
{
    static const struct { const char *what; int64_t limit, remaining, reset_in_ms; } row[] = {
        { "nothing said", -1, -1, INT64_MIN },
        { "no limit", -1, 100, HOUR },
        { "no remaining", 5000, -1, HOUR },
        { "no reset", 5000, 100, INT64_MIN },
        { "limit of 0", 0, 0, HOUR },
        { "more remains than there is", 5000, 5001, HOUR },
        { "a reset at the beginning of time", 5000, 100, -NOW },
        { "a reset in three hours", 5000, 100, 3 * HOUR },
        { "a reset in a thousand years", 5000, 100, INT64_C(31536000000000) },
        { "an earlier reset than the one that is not over", 5000, 100, 30 * MINUTE },
        { "a huge number", INT64_MAX, INT64_MIN, HOUR },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        /* given a sane word before: 4000 remain for 40 minutes */
        struct budget b = given_budget(5000, 4000, NOW + 40 * MINUTE);
        int64_t reset_ms = row[i].reset_in_ms == INT64_MIN ? -1 : NOW + row[i].reset_in_ms;
        struct quota_seen q = { row[i].limit, row[i].remaining, reset_ms, NOW };
        if (!budget_observe(&b, &q) || b.known)
            wrong("%s was believed", row[i].what);
        /* then little is assumed, and never more than was known */
        assert_int_equal(budget_safe(&b, NOW), 750);
        b.spent = 990;
        assert_int_equal(budget_safe(&b, NOW), 7);
        struct budget poor = given_budget(5000, 8, NOW + 40 * MINUTE);
        budget_observe(&poor, &q);
        assert_int_equal(budget_safe(&poor, NOW), 6);
        /* and the next sane word counts again */
        assert_true(budget_observe(&b, &(struct quota_seen){ 5000, 3999, NOW + 40 * MINUTE, NOW }));
        assert_true(b.known);
        assert_int_equal(b.remaining, 3999);
    }
}

static void nothing_known_means_the_smallest_quota_that_is_documented(void **state)
{
    struct budget b = { 0 };
    assert_int_equal(budget_safe(&b, NOW), 750);
    assert_int_equal(budget_possible(&b), 750);
    assert_int_equal(budget_wake_ms(&b, NOW), 0);
    b.spent = 1000;
    assert_int_equal(budget_safe(&b, NOW), 0);
    b.spent = INT64_MAX;
    assert_int_equal(budget_safe(&b, NOW), 0);
}

static void within_a_window_what_remains_only_falls(void **state)
{
    static const struct { int64_t remaining, reset_in_ms, want, want_reset_in_ms; bool changed; } row[] = {
        { 3990, HOUR, 3990, HOUR, true },
        { 3995, HOUR, 3990, HOUR, false },          /* an answer that was overtaken */
        { 3980, HOUR + 1000, 3980, HOUR + 1000, true },     /* another machine of the forge */
        { 3985, HOUR, 3980, HOUR + 1000, false },
        { 5000, 2 * HOUR, 5000, 2 * HOUR, true },   /* the next window */
        { 4999, 2 * HOUR, 4999, 2 * HOUR, true },
    };
    struct budget b = given_budget(5000, 4000, NOW + HOUR);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct quota_seen q = { 5000, row[i].remaining, NOW + row[i].reset_in_ms, NOW };
        assert_int_equal(budget_observe(&b, &q), row[i].changed);
        assert_true(b.known);
        assert_int_equal(b.remaining, row[i].want);
        assert_int_equal(b.reset_ms, NOW + row[i].want_reset_in_ms);
    }
    /* a raised limit is another window */
    assert_true(budget_observe(&b, &(struct quota_seen){ 12500, 12400, NOW + 2 * HOUR, NOW }));
    assert_int_equal(b.remaining, 12400);
}

static void after_the_reset_only_what_is_assumed_may_be_claimed(void **state)
{
    struct budget b = given_budget(5000, 10, NOW + MINUTE);
    assert_int_equal(budget_safe(&b, NOW + MINUTE - 1), 7);
    assert_int_equal(budget_wake_ms(&b, NOW), NOW + MINUTE);
    assert_false(budget_current(&b, NOW + MINUTE));
    b.spent = 600;
    assert_int_equal(budget_safe(&b, NOW + MINUTE), 300);
    b.spent = 5000;
    assert_int_equal(budget_safe(&b, NOW + MINUTE), 0);
    assert_int_equal(budget_wake_ms(&b, NOW + MINUTE), 0);
    /* a late answer of the old window says nothing of the new one */
    int64_t late = NOW + MINUTE + 5000;
    assert_false(budget_observe(&b, &(struct quota_seen){ 5000, 9, NOW + MINUTE, late }));
    assert_true(budget_observe(&b, &(struct quota_seen){ 5000, 5000, NOW + MINUTE + HOUR, late }));
    assert_int_equal(budget_safe(&b, late), 3750);
    /* and neither does one that comes when the new one is known */
    assert_false(budget_observe(&b, &(struct quota_seen){ 5000, 8, NOW + MINUTE, late }));
    assert_int_equal(budget_safe(&b, late), 3750);
}

/* Our clock an hour ahead: every window is over before it begins. An hour behind: it lasts two. */
static void a_clock_that_is_an_hour_off_stops_nothing(void **state)
{
    struct budget ahead = { 0 }, behind = { 0 };
    for (int64_t minute = 0; minute < 180; minute++) {
        int64_t forge_ms = NOW + minute * MINUTE, reset_ms = NOW + (minute / 60 + 1) * HOUR;
        int64_t remaining = 5000 - minute % 60;
        budget_observe(&ahead, &(struct quota_seen){ 5000, remaining, reset_ms, forge_ms + HOUR });
        budget_observe(&behind, &(struct quota_seen){ 5000, remaining, reset_ms, forge_ms - HOUR });
        assert_int_equal(budget_safe(&ahead, forge_ms + HOUR), 750);
        assert_true(behind.known);
        assert_int_equal(budget_safe(&behind, forge_ms - HOUR), remaining * 3 / 4);
    }
    /* the clock is set while a window is known: two minutes of late answers at most, then unknown */
    struct budget b = given_budget(5000, 4000, NOW + 30 * MINUTE);
    budget_observe(&b, &(struct quota_seen){ 5000, 3000, NOW + 30 * MINUTE, NOW + HOUR });
    assert_false(b.known);
    assert_int_equal(budget_safe(&b, NOW + HOUR), 750);
    /* little remains over there: then little is assumed, whatever the clock says */
    budget_observe(&b, &(struct quota_seen){ 5000, 4, NOW + 30 * MINUTE, NOW + HOUR });
    assert_int_equal(budget_safe(&b, NOW + HOUR), 3);
}

/* No forge that talks nonsense for ever may hold a batch for ever. */
static void nonsense_for_ever_still_gives_the_assumed_quota(void **state)
{
    struct budget b = given_budget(5000, 0, NOW + 30 * MINUTE);
    struct quota_seen q = { -1, -1, -1, NOW };
    budget_observe(&b, &q);
    assert_int_equal(budget_safe(&b, NOW), 0);
    q.at_ms = NOW + 31 * MINUTE;
    budget_observe(&b, &q);
    assert_int_equal(budget_safe(&b, q.at_ms), 750);
    assert_int_equal(budget_wake_ms(&b, q.at_ms), 0);
}

static void a_forge_that_keeps_no_count_needs_to_say_it_once(void **state)
{
    struct budget b = given_budget(BUDGET_UNLIMITED, BUDGET_UNLIMITED, NOW + HOUR);
    assert_false(budget_observe(&b, &(struct quota_seen){ -1, -1, -1, NOW + 5 * HOUR }));
    assert_true(budget_fits(&b, 50000, NOW + 5 * HOUR));
    /* until it begins to count */
    assert_true(budget_observe(&b, &(struct quota_seen){ 60, 59, NOW + 6 * HOUR, NOW + 5 * HOUR }));
    assert_int_equal(budget_safe(&b, NOW + 5 * HOUR), 44);
}

static void an_order_to_wait_is_never_shortened(void **state)
{
    struct budget b = given_budget(5000, 5000, NOW + HOUR);
    budget_block(&b, NOW + 5 * MINUTE);
    budget_block(&b, NOW + MINUTE);
    assert_int_equal(b.blocked_until_ms, NOW + 5 * MINUTE);
    assert_int_equal(budget_safe(&b, NOW + 5 * MINUTE - 1), 0);
    assert_false(budget_fits(&b, 1, NOW));
    assert_int_equal(budget_wake_ms(&b, NOW), NOW + 5 * MINUTE);
    assert_int_equal(budget_safe(&b, NOW + 5 * MINUTE), 3750);
    /* a word about the quota is no leave to go on */
    budget_observe(&b, &(struct quota_seen){ 5000, 4990, NOW + HOUR, NOW });
    assert_int_equal(budget_safe(&b, NOW), 0);
    budget_block(&b, NOW + 2 * HOUR);
    assert_int_equal(budget_wake_ms(&b, NOW), NOW + 2 * HOUR);
}

/* ---- giving it out --------------------------------------------------------------------------- */

/* "a3" is a batch of repository a that costs 3; a capital letter merges; "*" goes by parts. */
static size_t given_line(const char *text, struct budget_held *held)
{
    size_t n = 0;
    for (const char *p = text; *p;) {
        while (*p == ' ')
            p++;
        if (!*p)
            break;
        struct budget_held *h = &held[n];
        *h = (struct budget_held){ .batch_seq = (int64_t)n + 1, .since_ms = NOW - HOUR + (int64_t)n };
        h->apply = *p >= 'A' && *p <= 'Z';
        h->repository_id = (*p | 0x20) - 'a' + 1;
        h->change_id = h->repository_id * 100 + (int64_t)n;
        p++;
        if (*p == '/') {            /* "a/7:3": pull request 7 */
            h->change_id = h->repository_id * 100 + strtol(p + 1, (char **)&p, 10);
            p++;
        }
        h->cost = strtol(p, (char **)&p, 10);
        if (*p == '*') {
            h->by_parts = true;
            p++;
        }
        n++;
    }
    return n;
}

static str shared(const struct budget *b, const char *line)
{
    struct budget_held held[64];
    struct budget_grant *g;
    size_t n = given_line(line, held), count = budget_share(mem, b, held, n, NOW, &g);
    str out = STR("");
    for (size_t i = 0; i < count; i++)
        out = arena_print(mem, PRI_STR "%s%lld:%lld", FMT_STR(out), i ? " " : "",
                          (long long)g[i].batch_seq, (long long)g[i].calls);
    return out;
}

static void budget_goes_in_a_fair_order(void **state)
{
    static const struct { const char *why; int64_t safe; const char *line, *want; } row[] = {
        { "all fit", 100, "a10 a10 b10", "1:10 3:10 2:10" },
        { "nobody waits", 100, "", "" },
        { "nothing is safe", 0, "a1 B1", "" },
        { "merges before plans", 10, "a10 a10 B10", "3:10" },
        { "round robin over repositories", 40, "a10 a10 a10 a10 b10 c10", "1:10 5:10 6:10 2:10" },
        { "the repository that waits longest is first", 10, "b10 a10", "1:10" },
        { "one that does not fit does not stop smaller ones", 30, "a50 b10 c20 d1", "2:10 3:20" },
        { "whole or not at all", 49, "a50", "" },
        { "to the last call", 50, "a50 b1", "1:50" },
        { "oldest first within a pull request", 30, "a/7:50 a/7:10 a/8:20", "3:20" },
        { "one that never fits does not stop its pull request", 30, "a/7:9999 a/7:10", "2:10" },
        { "its merge does not wait for its plan", 30, "a/7:50 A/7:10", "2:10" },
        { "by parts: what is left", 30, "a50*", "1:30" },
        { "by parts: half of it while others wait", 30, "a50* b10", "1:20 2:10" },
        { "by parts: behind those before it", 30, "b25 a50*", "1:25 2:5" },
        { "by parts: whole when it fits", 30, "a20* b10", "1:20 2:10" },
        { "by parts: the last call", 1, "a50* b1", "1:1" },
        { "nothing to send costs nothing", 10, "a0 b10", "2:10" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct budget b = given_budget(8000, 8000, NOW + HOUR);
        b.claimed = 6000 - row[i].safe;
        str got = shared(&b, row[i].line);
        if (!str_eq(got, str_of(row[i].want)))
            wrong("%s: \"%s\" gave \"%.*s\", not \"%s\"", row[i].why, row[i].line, (int)got.len,
                  got.ptr, row[i].want);
    }
}

/* 1,000 an hour: what was claimed and spent makes nothing of the last 250 safe for parts. */
static void parts_leave_the_reserve_alone(void **state)
{
    static const struct { int64_t remaining, claimed, safe, parts; } row[] = {
        { 1000, 0, 750, 750 }, { 990, 0, 742, 740 }, { 400, 0, 300, 150 }, { 250, 0, 187, 0 },
        { 10, 0, 7, 0 },       { 1000, 740, 10, 10 }, { 500, 250, 125, 0 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct budget b = given_budget(1000, row[i].remaining, NOW + HOUR);
        b.claimed = row[i].claimed;
        assert_int_equal(budget_safe(&b, NOW), row[i].safe);
        assert_int_equal(budget_safe_parts(&b, NOW), row[i].parts);
    }
    /* a whole one may have what is not for parts */
    struct budget b = given_budget(1000, 400, NOW + HOUR);
    then_text(shared(&b, "a900* b100 c50"), "1:75 2:100 3:50");
}

static uint64_t dice = 1;
static int64_t roll(int64_t below)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((dice >> 33) % (uint64_t)below);
}

static size_t given_crowd(struct budget_held *held, size_t count, int64_t cost_max)
{
    for (size_t i = 0; i < count; i++)
        held[i] = (struct budget_held){ .batch_seq = (int64_t)i + 1,
                                        .repository_id = 1 + roll(12),
                                        .change_id = 1 + roll(60),
                                        .cost = 1 + roll(cost_max),
                                        .since_ms = NOW - roll(HOUR),
                                        .apply = roll(4) == 0,
                                        .by_parts = roll(10) == 0 };
    return count;
}

/* Whatever waits: never more than is safe, whole or by parts, each once; same question, same answer. */
static void grants_never_exceed_the_safe_budget(void **state)
{
    struct budget_held held[200], again[200];
    struct budget_grant *g, *g2;
    for (int round = 0; round < 2000; round++) {
        size_t n = given_crowd(held, (size_t)roll(200), 1 + roll(300));
        struct budget b = given_budget(5000, roll(5001), NOW + HOUR);
        int64_t sum = 0, safe = budget_safe(&b, NOW);
        bool seen[201] = { false };
        size_t count = budget_share(mem, &b, held, n, NOW, &g);
        for (size_t i = 0; i < count; i++) {
            const struct budget_held *h = &held[g[i].batch_seq - 1];
            assert_false(seen[g[i].batch_seq]);
            seen[g[i].batch_seq] = true;
            assert_true(g[i].calls > 0 && g[i].calls <= h->cost);
            assert_true(g[i].calls == h->cost || h->by_parts);
            assert_int_equal(g[i].repository_id, h->repository_id);
            sum += g[i].calls;
        }
        assert_true(sum <= safe);
        /* no merge that fits into what is left is passed over, but behind an older one of its own */
        for (size_t i = 0; i < n; i++) {
            bool behind = false;
            for (size_t k = 0; k < n; k++)
                behind = behind || (k != i && held[k].change_id == held[i].change_id &&
                                    held[k].repository_id == held[i].repository_id &&
                                    held[k].apply == held[i].apply && held[k].since_ms <= held[i].since_ms);
            if (!seen[i + 1] && !behind)
                assert_true(held[i].cost > safe - sum);
        }
        /* the order in which they are told does not matter */
        for (size_t i = 0; i < n; i++)
            again[i] = held[n - 1 - i];
        assert_int_equal(budget_share(mem, &b, again, n, NOW, &g2), count);
        for (size_t i = 0; i < count; i++)
            assert_true(g[i].batch_seq == g2[i].batch_seq && g[i].calls == g2[i].calls);
        if (round % 100 == 0)
            arena_reset(mem);
    }
}

/*
 * Window after window, with new small ones all the time: everybody who can ever fit goes, and the
 * large ones not last.
 */
static void nobody_starves_over_repeated_windows(void **state)
{
    enum { FIRST = 60, MORE = 12, WINDOWS = 60, ALL = FIRST + MORE * WINDOWS };
    static struct budget_held held[ALL];
    int64_t window_of[ALL + 1] = { 0 };
    size_t n = given_crowd(held, FIRST, 400);
    held[7].cost = 3750;                        /* as large as can be */
    held[9].cost = 20000;                       /* several windows, and somebody agreed */
    held[9].by_parts = true;
    held[7].apply = held[9].apply = false;
    for (int64_t w = 1; w <= WINDOWS; w++) {
        int64_t now_ms = NOW + w * HOUR;
        struct budget b = { 0 };
        budget_observe(&b, &(struct quota_seen){ 5000, 5000, now_ms + HOUR, now_ms });
        struct budget_held *line = arena_make(mem, struct budget_held, ALL);
        struct budget_grant *g;
        size_t waiting = 0;
        for (size_t i = 0; i < n; i++)
            if (held[i].cost > 0)
                line[waiting++] = held[i];
        size_t count = budget_share(mem, &b, line, waiting, now_ms, &g);
        for (size_t i = 0; i < count; i++) {
            struct budget_held *h = &held[g[i].batch_seq - 1];
            h->cost -= g[i].calls;
            if (h->cost == 0)
                window_of[g[i].batch_seq] = w;
        }
        for (int k = 0; k < MORE && n < ALL; k++, n++)
            held[n] = (struct budget_held){ .batch_seq = (int64_t)n + 1,
                                            .repository_id = 1 + roll(12),
                                            .change_id = (int64_t)n + 100,
                                            .cost = 1 + roll(200),
                                            .since_ms = now_ms + k };
    }
    for (size_t i = 0; i < FIRST; i++)
        if (!window_of[i + 1] || window_of[i + 1] > 30)
            wrong("batch %zu of the first went in window %lld", i + 1, (long long)window_of[i + 1]);
}

static void five_hundred_batches_are_planned_in_no_time(void **state)
{
    static struct budget_held held[500];
    struct budget b = given_budget(15000, 15000, NOW + HOUR);
    struct budget_grant *g;
    struct timespec from, to;
    given_crowd(held, 500, 60);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    size_t count = budget_share(mem, &b, held, 500, NOW, &g);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    int64_t took_us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
    assert_true(count > 100);
    print_message("500 batches shared out in %lld us\n", (long long)took_us);
    assert_true(took_us < 20000);
}

/* ---- the forecast ---------------------------------------------------------------------------- */

static void a_forecast_says_calls_time_and_what_remains(void **state)
{
    static const struct { int64_t limit, remaining, dispatches, files; const char *want; } row[] = {
        { 5000, 5000, 2000, 0,
          "2,000 writes, about 11 minutes at the written limit; 3,000 remain for approvals" },
        { 5000, 5000, 2000, 2,
          "2,000 writes, about 11 minutes at the written limit; 2,998 remain for approvals" },
        { 5000, 61, 60, 0, "60 writes, about 20 seconds at the written limit; 1 remains for approvals" },
        { 5000, 50, 60, 0, "60 writes, about 20 seconds at the written limit; 0 remain for approvals" },
        { 5000, 5000, 1, 1, "1 write, a second at the written limit; 4,998 remain for approvals" },
        { 5000, 5000, 10000, 1,
          "10,000 writes, about 56 minutes at the written limit; more than the quota of one window, it needs 3 of them" },
        { 0, 0, 50, 1,
          "50 writes, about 17 seconds at the written limit; what remains of the quota is not known" },
        { 5000, 5000, 50000, 1,
          "50,000 writes, about 5 hours at the written limit; more than the quota of one window, it needs 14 of them" },
    };
    struct pace_limits l = { .points_per_minute = 900, .window_ms = MINUTE };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct budget b = { 0 };
        struct budget_forecast f;
        if (row[i].limit)
            b = given_budget(row[i].limit, row[i].remaining, NOW + HOUR);
        budget_forecast(&b, &l, row[i].dispatches, row[i].files, NOW, &f);
        assert_int_equal(f.writes, row[i].dispatches);
        then_text(budget_forecast_text(mem, &f), row[i].want);
    }
    /* no pace, no time */
    struct budget b = given_budget(5000, 5000, NOW + HOUR);
    struct budget_forecast f;
    budget_forecast(&b, &(struct pace_limits){ 0 }, 10, 0, NOW, &f);
    then_text(budget_forecast_text(mem, &f), "10 writes; 4,990 remain for approvals");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_safe_budget_is_three_quarters_of_what_remains),
        TEST(headers_that_make_no_sense_are_not_known),
        TEST(nothing_known_means_the_smallest_quota_that_is_documented),
        TEST(within_a_window_what_remains_only_falls),
        TEST(after_the_reset_only_what_is_assumed_may_be_claimed),
        TEST(a_clock_that_is_an_hour_off_stops_nothing),
        TEST(nonsense_for_ever_still_gives_the_assumed_quota),
        TEST(a_forge_that_keeps_no_count_needs_to_say_it_once),
        TEST(an_order_to_wait_is_never_shortened),
        TEST(budget_goes_in_a_fair_order),
        TEST(parts_leave_the_reserve_alone),
        TEST(grants_never_exceed_the_safe_budget),
        TEST(nobody_starves_over_repeated_windows),
        TEST(five_hundred_batches_are_planned_in_no_time),
        TEST(a_forecast_says_calls_time_and_what_remains),
    };
    return cmocka_run_group_tests_name("domain budget", tests, NULL, NULL);
}
