/*
 * Stories of the budget: what does not fit is held whole and goes by itself, nobody calls while told
 * to wait, however it is told and whatever the forge's clock shows, and nothing is granted twice.
 */
#include <stdlib.h>

#include "stage.h"

#define MINUTE  60000
#define HOUR    (60 * MINUTE)
#define RATE    "select count(*) from hold where lifted_ms is null and kind = 'rate_limit'"
#define LEFT    "select coalesce(sum(left_over), 0) from claim"
#define GRANTED "select coalesce(sum(calls), 0) from claim"
#define UNTIL   "select blocked_until_ms from quota"

/* The forge has said what remains: a small batch has gone. */
static void given_quota(int64_t limit, int64_t remaining)
{
    now->quota.limit = limit;
    given("{}");
    opens(3, false, 1);
    rest();
    assert_int_equal(now->runs, 1);
    now->quota.remaining = remaining + 1;
    opens(2, false, 0); /* a check is written, and its answer tells */
    later(10000);
    is(remaining, "select remaining from quota");
}

static void the_window_ends(void)
{
    int64_t ms = now->quota.reset_ms - machine.now_ms;
    later((ms > 0 ? ms : 0) + 5000);
}

/* ---- the rate limit's row -------------------------------------------------------------------- */

static void what_fits_goes(void **state)
{
    (void)state;
    given_quota(1000, 300);
    opens(1, false, 200);
    later(5 * MINUTE);
    assert_int_equal(now->runs, 201);
    is(0, "select count(*) from hold");
    is(0, LEFT);
}

static void what_does_not_fit_is_held_whole_and_goes_by_itself_at_the_reset(void **state)
{
    (void)state;
    given_quota(1000, 70);
    struct pull *p = opens(1, false, 60);
    rest();
    is(1, RATE);
    is(1, HELD);
    check_says(p, "\"conclusion\":\"action_required\"");
    comment_says(1, "would dispatch 60 stacks, the safe budget is ");
    comment_says(1, "are kept back for checks, comments and approvals");
    later(20 * MINUTE);
    assert_int_equal(now->runs, 1);
    orders("release", 1); /* nobody may lift it */
    rest();
    is(1, HELD);
    the_window_ends();
    rest();
    assert_int_equal(now->runs, 61);
    is(0, RATE);
    is(1, "select count(*) from hold where lifted_by = 'signalbox'");
}

static void merges_and_orders_go_by_the_budget_too_and_first(void **state)
{
    (void)state;
    given_quota(100, 10);
    struct pull *p = opens(1, false, 0);
    opens(2, false, 50);
    rest();
    merges(p, 50);
    rest();
    is(2, HELD);
    the_window_ends();
    later(5 * MINUTE);
    is(1, HELD);
    is(1, "select count(*) from batch where state = 'held' and activity = 'opened'");
    the_window_ends();
    later(5 * MINUTE);
    is(0, HELD);
}

static void one_that_never_fits_goes_in_levels_when_somebody_agreed(void **state)
{
    (void)state;
    given_quota(100, 80);
    opens(1, false, 120);
    later(3 * HOUR);
    is(1, HELD);
    assert_int_equal(now->runs, 1);
    comment_says(1, "- [ ] **Dispatch in dependency levels** <!-- signalbox:parts batch_");
    orders("parts", 1);
    rest();
    for (int window = 0; window < 6 && now->runs < 121; window++) {
        int64_t before = now->quota.dispatches;
        the_window_ends();
        later(10 * MINUTE);
        assert_true(now->quota.dispatches - before <= 75);
        runs_end("success");
    }
    assert_int_equal(now->runs, 121);
    is(0, RATE);
}

/* The second order fails in the step in which the batch ends, and what is in memory is forgotten. */
static void a_batch_that_ends_before_an_order_that_fails_keeps_no_budget(void **state)
{
    (void)state;
    given_quota(1000, 1);
    many_orders(1); /* nobody looks at it later, as is done for a comment */
    rest();
    is(1, RATE);
    orders("cancel", 0);
    orders("cancel", 0);
    turns(1000);
    is(1, "select count(*) from fact where kind = 'order' and state = 2");
    is(0, "select count(*) from claim where wanted > 0 or left_over > 0");
    is(0, HELD);
}

/* ---- told to wait ---------------------------------------------------------------------------- */

static const struct {
    enum told_form form;
    int64_t skew_ms, at_least_ms;
} told[] = {
    {TOLD_429_SECONDS, 0, 10 * MINUTE},    {TOLD_403_SECONDS, 0, 10 * MINUTE},
    {TOLD_DATE, 0, 10 * MINUTE},           {TOLD_DATE, HOUR, 10 * MINUTE},
    {TOLD_DATE, -HOUR, 10 * MINUTE},       {TOLD_RESET, 0, 10 * MINUTE},
    {TOLD_RESET, HOUR, 10 * MINUTE},       {TOLD_RESET, -HOUR, 10 * MINUTE},
    {TOLD_429_SECONDS, HOUR, 10 * MINUTE}, {TOLD_NOTHING, 0, MINUTE},
    {TOLD_NOTHING, -HOUR, MINUTE},
};

static void who_is_told_to_wait_waits_and_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (i) {
            stage_end(NULL);
            stage_begin(NULL);
        }
        now->skew_ms = told[i].skew_ms;
        now->quota.form = told[i].form;
        given_quota(5000, 4900);
        now->quota.tell_next = 1;
        now->quota.tell_ms = told[i].at_least_ms;
        opens(1, false, 30);
        opens(2, false, 20);
        later(20000);
        int64_t calls = now->quota.calls, until_ms = ask(UNTIL);
        assert_true(until_ms + 1000 >= now->quota.told_until_ms);
        assert_true(until_ms <= now->quota.told_until_ms + 5000);
        later(until_ms - machine.now_ms - 5000);
        assert_int_equal(now->quota.calls, calls);
        later(3 * MINUTE);
        assert_int_equal(now->runs, 51);
        assert_int_equal(now->quota.refused, 1);
        is(0, RATE);
        is(0, LEFT);
    }
}

static void a_server_that_dies_while_told_to_wait_remembers(void **state)
{
    (void)state;
    given_quota(5000, 4900);
    now->quota.tell_next = 1;
    now->quota.tell_ms = 10 * MINUTE;
    opens(1, false, 20);
    later(20000);
    int64_t calls = now->quota.calls;
    for (int i = 0; i < 5; i++) {
        dies();
        later(MINUTE);
    }
    assert_int_equal(now->quota.calls, calls);
    later(10 * MINUTE);
    assert_int_equal(now->runs, 21);
    assert_int_equal(now->quota.refused, 1);
}

/* Also when the answer was only stored, and is applied by the next life. */
static void wherever_it_dies_nobody_calls_while_told_to_wait(void **state)
{
    (void)state;
    for (uint32_t commit = 1; commit <= 12; commit++) {
        if (commit > 1) {
            stage_end(NULL);
            stage_begin(NULL);
        }
        given_quota(5000, 4900);
        now->quota.tell_next = 1;
        now->quota.tell_ms = 10 * MINUTE;
        now->state += commit * 977;
        now->die_at = commit;
        now->die_how = COMMIT_KILLED_AFTER;
        opens(1, false, 12);
        later(5 * MINUTE); /* the checks look at every call that leaves */
        now->die_at = 0;
        for (int i = 0; i < 6 && now->runs < 13; i++)
            later(10 * MINUTE);
        assert_int_equal(now->runs, 13);
    }
}

/* ---- odd numbers ----------------------------------------------------------------------------- */

static void odd_numbers_are_little(void **state)
{
    (void)state;
    given_quota(5000, 4900);
    now->kind = false; /* for the headers alone: every other chance is none */
    now->nonsense = 100;
    the_window_ends();
    opens(1, false, 60);
    later(5 * MINUTE);
    assert_int_equal(now->runs, 61);
    is(0, "select known from quota");
    opens(2, false, 700);
    later(5 * MINUTE);
    is(1, RATE);
    assert_int_equal(now->runs, 61);
    now->kind = true;
    orders("cancel", 2);
    rest();
}

static void a_clock_that_is_an_hour_off_changes_nothing(void **state)
{
    (void)state;
    static const int64_t skews[] = {HOUR, -HOUR};
    for (size_t i = 0; i < 2; i++) {
        if (i) {
            stage_end(NULL);
            stage_begin(NULL);
        }
        now->skew_ms = skews[i];
        given_quota(1000, 70);
        opens(1, false, 60);
        later(20 * MINUTE);
        is(1, HELD);
        assert_true(llabs(ask("select until_ms from hold where lifted_ms is null") -
                          now->quota.reset_ms) < 2000);
        the_window_ends();
        rest();
        assert_int_equal(now->runs, 61);
        assert_int_equal(now->quota.refused, 0);
    }
}

/* ---- many, and servers that die -------------------------------------------------------------- */

static void many_at_one_reset(void **state)
{
    (void)state;
    given_quota(150, 1);
    many_orders(120);
    rest();
    is(120, HELD);
    is(120, "select count(*) from claim where wanted = 1");
    assert_int_equal(now->runs, 1);
    int64_t refused = now->quota.refused;
    for (int window = 0; window < 4 && now->runs < 121; window++) {
        the_window_ends();
        later(2 * MINUTE);
    }
    assert_int_equal(now->runs, 121);
    assert_int_equal(now->quota.refused, refused);
    is(121, GRANTED);
    is(0, LEFT);
}

static void a_server_that_dies_at_the_reset_grants_once(void **state)
{
    (void)state;
    for (uint32_t commit = 1; commit <= 12; commit++) {
        if (commit > 1) {
            stage_end(NULL);
            stage_begin(NULL);
        }
        given_quota(200, 1);
        many_orders(20);
        opens(1, false, 30);
        rest();
        is(21, HELD);
        now->state += commit * 977;
        now->die_at = commit;
        now->die_how = commit % 2 ? COMMIT_KILLED_AFTER : COMMIT_KILLED_BEFORE;
        the_window_ends();
        now->die_at = 0;
        later(2 * MINUTE);
        for (int window = 0; window < 3 && now->runs < 51; window++)
            the_window_ends();
        rest();
        assert_int_equal(now->runs, 51);
        is(0, HELD);
        is(0, LEFT);
    }
}

static void the_ledger_is_what_left(void **state)
{
    (void)state;
    given_quota(5000, 4900);
    opens(1, false, 25);
    rest();
    is(26, "select coalesce(sum(calls), 0) from spend where purpose = 'dispatch'");
    assert_int_equal(ask("select sum(calls) from spend"), now->quota.calls);
    assert_int_equal(ask("select remaining from quota"), now->quota.remaining);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest stories[] = {
        STORY(what_fits_goes),
        STORY(what_does_not_fit_is_held_whole_and_goes_by_itself_at_the_reset),
        STORY(merges_and_orders_go_by_the_budget_too_and_first),
        STORY(one_that_never_fits_goes_in_levels_when_somebody_agreed),
        STORY(a_batch_that_ends_before_an_order_that_fails_keeps_no_budget),
        STORY(who_is_told_to_wait_waits_and_goes_on),
        STORY(a_server_that_dies_while_told_to_wait_remembers),
        STORY(wherever_it_dies_nobody_calls_while_told_to_wait),
        STORY(odd_numbers_are_little),
        STORY(a_clock_that_is_an_hour_off_changes_nothing),
        STORY(many_at_one_reset),
        STORY(a_server_that_dies_at_the_reset_grants_once),
        STORY(the_ledger_is_what_left),
    };
    return cmocka_run_group_tests_name("stories of the budget", stories, NULL, NULL);
}
