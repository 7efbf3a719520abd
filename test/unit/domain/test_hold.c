/*
 * The table of the holds: what each looks at, its edges, who lifts it, and what it says.
 */
#include "given.h"
#include "domain/hold.h"

enum { MINUTE_MS = 60 * 1000 };
static const int64_t NOW_MS = 1795262520000;        /* 2026-11-21 12:02 UTC */

static struct repo_settings settings;
static struct budget budget;

/* A pull request that nothing holds: every breaker is on, nothing of it is reached. */
static struct hold_question given_pull_request(uint32_t dispatchable)
{
    settings_default(&settings);
    settings.threshold_hold = settings.rapid_push_hold = 1;
    budget = (struct budget){ .known = true, .limit = 5000, .remaining = 5000,
                              .reset_ms = NOW_MS + 30 * MINUTE_MS, .observed_ms = NOW_MS };
    return (struct hold_question){ .pull_request = true, .dispatchable = dispatchable,
                                   .settings = &settings, .budget = &budget,
                                   .cost = dispatchable, .now_ms = NOW_MS };
}

/* "draft threshold": the kinds that stand, in their order. */
static void then_holds(const struct hold_question *q, const char *want)
{
    struct holds h;
    struct buf b;
    buf_init(&b, mem, 1000);
    hold_evaluate(q, &h);
    for (size_t i = 0; i < h.count; i++)
        buf_print(&b, "%s%s", i ? " " : "", hold_rule(h.at[i].kind)->name);
    then_text(buf_str(&b), want);
}

static struct hold the_hold(const struct hold_question *q)
{
    struct holds h;
    hold_evaluate(q, &h);
    assert_int_equal(h.count, 1);
    return h.at[0];
}

/* ---- draft ---- */

static void a_draft_is_always_held(void **state)
{
    struct hold_question q = given_pull_request(1);
    then_holds(&q, "");
    q.draft = true;
    then_holds(&q, "draft");
    settings.threshold_hold = settings.rapid_push_hold = 0;     /* no setting turns it off */
    then_holds(&q, "draft");
    q.draft = false;                                            /* ready for review */
    then_holds(&q, "");
}

/* ---- threshold ---- */

static void fifty_pass_and_fifty_one_are_held(void **state)
{
    static const struct { int64_t on, threshold; uint32_t dispatchable; const char *want; } row[] = {
        { 1, 50, 0, "" },   { 1, 50, 50, "" },  { 1, 50, 51, "threshold" },
        { 1, 1, 1, "" },    { 1, 1, 2, "threshold" }, { 1, 247, 247, "" },
        { 1, 246, 247, "threshold" }, { 0, 50, 247, "" },   /* opt-in */
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct hold_question q = given_pull_request(row[i].dispatchable);
        settings.threshold_hold = row[i].on;
        settings.threshold = row[i].threshold;
        then_holds(&q, row[i].want);
    }
    struct repo_settings fresh;
    settings_default(&fresh);
    assert_int_equal(fresh.threshold, 50);
    assert_int_equal(fresh.threshold_hold, 0);
}

static void the_threshold_tells_its_numbers(void **state)
{
    struct hold_question q = given_pull_request(247);
    struct hold h = the_hold(&q);
    assert_int_equal(h.dispatches, 247);
    assert_int_equal(h.threshold, 50);
    assert_int_equal(h.since_ms, NOW_MS);
    then_text(hold_text(mem, &h), "would dispatch 247 stacks, the threshold is 50");
    then_text(hold_control(mem, &h), "Dispatch all 247 stacks anyway");
}

/* ---- rapid push ---- */

#define AT(minutes) (NOW_MS + (int64_t)(minutes) * MINUTE_MS)

static void three_pushes_pass_and_the_fourth_in_the_window_trips(void **state)
{
    static const struct { const char *what; int64_t push_ms[6]; size_t count; const char *want; } row[] = {
        { "no push: just opened", { 0 }, 0, "" },
        { "three", { AT(0), AT(1), AT(2) }, 3, "" },
        { "the fourth", { AT(0), AT(1), AT(2), AT(3) }, 4, "rapid_push" },
        { "in any order", { AT(3), AT(0), AT(2), AT(1) }, 4, "rapid_push" },
        { "all at once", { AT(0), AT(0), AT(0), AT(0) }, 4, "rapid_push" },
        { "the first just inside", { AT(0) + 1, AT(1), AT(2), AT(10) }, 4, "rapid_push" },
        { "the first just outside", { AT(0), AT(1), AT(2), AT(10) }, 4, "" },
        { "a burst of long ago that nobody was held for", { AT(-90), AT(-89), AT(-88), AT(-87), AT(0) }, 5, "" },
        { "slowly, all day long", { AT(0), AT(5), AT(10), AT(15), AT(20), AT(25) }, 6, "" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct hold_question q = given_pull_request(1);
        q.push_ms = row[i].push_ms;
        q.push_count = row[i].count;
        print_message("    %s\n", row[i].what);
        then_holds(&q, row[i].want);
        settings.rapid_push_hold = 0;                           /* opt-in */
        then_holds(&q, "");
    }
}

/* Ours may be an hour off: only the forge's times are compared with each other. */
static void our_clock_does_not_matter_to_the_pushes(void **state)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3) };
    for (int hours = -1; hours <= 1; hours++) {
        struct hold_question q = given_pull_request(1);
        q.push_ms = pushes;
        q.push_count = 4;
        q.budget = NULL;
        q.now_ms = NOW_MS + hours * 60 * MINUTE_MS;
        then_holds(&q, "rapid_push");
    }
}

static void a_tripped_breaker_stays_until_somebody_resumes(void **state)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3), AT(60) };
    struct hold_question q = given_pull_request(1);
    q.push_ms = pushes;
    q.push_count = 5;
    q.paused = true;                            /* it tripped at the fourth; the fifth came an hour later */
    then_holds(&q, "rapid_push");
    assert_int_equal(the_hold(&q).pushes, 4);
    q.paused = false;
    q.resumed_ms = AT(60);
    then_holds(&q, "");
}

static void pushes_before_a_resume_count_no_more(void **state)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7) };
    struct hold_question q = given_pull_request(1);
    q.push_ms = pushes;
    q.resumed_ms = AT(3);                       /* up to then, and then itself */
    for (size_t n = 4; n <= 7; n++) {
        q.push_count = n;
        then_holds(&q, "");
    }
    q.push_count = 8;                           /* a fresh burst of four after it */
    then_holds(&q, "rapid_push");
}

static void a_paused_pull_request_goes_when_the_settings_would_never_have_paused_it(void **state)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3) };
    struct hold_question q = given_pull_request(1);
    q.push_ms = pushes;
    q.push_count = 4;
    q.paused = true;
    settings.rapid_pushes = 4;
    then_holds(&q, "");
    settings.rapid_pushes = 3;
    settings.rapid_push_minutes = 3;            /* the four are more than three minutes apart */
    then_holds(&q, "");
    settings.rapid_push_minutes = 4;
    then_holds(&q, "rapid_push");
}

static void the_breaker_tells_its_numbers(void **state)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3), AT(4) };
    struct hold_question q = given_pull_request(1);
    q.push_ms = pushes;
    q.push_count = 5;
    struct hold h = the_hold(&q);
    assert_int_equal(h.pushes, 5);
    assert_int_equal(h.pushes_max, 3);
    assert_int_equal(h.window_ms, 10 * MINUTE_MS);
    then_text(hold_text(mem, &h), "5 pushes within 10 minutes, the limit is 3");
    then_text(hold_control(mem, &h), "Resume dispatches");
}

/* ---- rate limit ---- */

static void a_batch_has_to_fit_the_safe_budget_whole(void **state)
{
    static const struct { int64_t remaining, claimed, cost; const char *want; } row[] = {
        { 1000, 0, 750, "" },       { 1000, 0, 751, "rate_limit" }, { 1000, 690, 60, "" },
        { 1000, 691, 60, "rate_limit" }, { 0, 0, 1, "rate_limit" }, { 0, 0, 0, "" },
        { 1000, 5000, 1, "rate_limit" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct hold_question q = given_pull_request(1);
        budget.remaining = row[i].remaining;
        budget.claimed = row[i].claimed;
        q.cost = row[i].cost;
        then_holds(&q, row[i].want);
    }
}

static void the_rate_limit_tells_its_numbers(void **state)
{
    struct hold_question q = given_pull_request(1);
    q.cost = 247;
    budget.remaining = 160;
    struct hold h = the_hold(&q);
    assert_int_equal(h.dispatches, 247);
    assert_int_equal(h.safe, 120);
    assert_int_equal(h.reserved, 40);
    assert_int_equal(h.remaining, 160);
    assert_int_equal(h.quota, 5000);
    assert_int_equal(h.until_ms, budget.reset_ms);
    assert_false(h.never_fits);
    then_text(hold_text(mem, &h),
              "would dispatch 247 stacks, the safe budget is 120 calls (160 of 5,000 remain; 40 are kept "
              "back for checks, comments and approvals), until 12:32 UTC");
    then_text(hold_way_out(mem, &h), "it goes on by itself after 12:32 UTC, as soon as the budget has room for "
                                     "the whole batch");
    then_text(hold_control(mem, &h), "");       /* no person may lift it */
}

static void who_has_the_budget_already_is_not_held_by_it(void **state)
{
    struct hold_question q = given_pull_request(1);
    budget.remaining = 0;
    then_holds(&q, "rate_limit");
    q.has_claim = true;
    then_holds(&q, "");
    q.has_claim = false;
    q.budget = NULL;                            /* no forge behind it */
    then_holds(&q, "");
}

static void what_is_larger_than_any_safe_budget_is_offered_in_levels(void **state)
{
    struct hold_question q = given_pull_request(1);
    q.cost = 3750;                              /* 75 % of 5,000 */
    budget.remaining = 4000;
    struct hold h = the_hold(&q);
    assert_false(h.never_fits);
    q.cost = 3751;
    h = the_hold(&q);
    assert_true(h.never_fits);
    then_text(hold_control(mem, &h), "Dispatch in dependency levels");
    q.by_parts = true;                          /* somebody has agreed already */
    h = the_hold(&q);
    assert_false(h.never_fits);
    then_text(hold_control(mem, &h), "");
}

static void a_batch_under_way_says_the_same_as_one_that_has_not_begun(void **state)
{
    struct hold_question q = given_pull_request(1);
    q.cost = 3751;
    const struct budget budgets[] = { budget, { 0 } };
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        budget = budgets[i];
        struct hold before = the_hold(&q), after = hold_of_budget(&budget, q.cost, false, q.now_ms);
        then_text(hold_json(mem, &after), arena_z(mem, hold_json(mem, &before)));
        then_text(hold_text(mem, &after), arena_z(mem, hold_text(mem, &before)));
    }
}

static void while_nothing_is_known_little_is_safe_and_nothing_is_final(void **state)
{
    struct hold_question q = given_pull_request(1);
    budget = (struct budget){ 0 };
    q.cost = 750;
    then_holds(&q, "");
    q.cost = 751;
    struct hold h = the_hold(&q);
    assert_int_equal(h.safe, 750);
    assert_int_equal(h.remaining, -1);
    assert_false(h.never_fits);                 /* the quota may turn out to be larger */
    then_text(hold_text(mem, &h),
              "would dispatch 751 stacks, the safe budget is 750 calls while GitHub's quota is not known");
}

static void told_to_wait_nothing_fits_until_then(void **state)
{
    struct hold_question q = given_pull_request(1);
    budget.blocked_until_ms = AT(2);
    struct hold h = the_hold(&q);
    assert_int_equal(h.safe, 0);
    assert_int_equal(h.until_ms, AT(2));
}

/* ---- several, and lifting ---- */

static struct hold_question given_all_four(void)
{
    static const int64_t pushes[] = { AT(0), AT(1), AT(2), AT(3) };
    struct hold_question q = given_pull_request(247);
    q.draft = true;
    q.push_ms = pushes;
    q.push_count = 4;
    budget.remaining = 10;
    return q;
}

static void several_are_all_shown_in_their_order(void **state)
{
    struct hold_question q = given_all_four();
    then_holds(&q, "draft rapid_push threshold rate_limit");
}

static void a_person_lifts_only_what_a_person_may_lift(void **state)
{
    struct hold_question q = given_all_four();
    q.lifted[HOLD_THRESHOLD] = true;
    then_holds(&q, "draft rapid_push rate_limit");
    for (int k = 0; k < HOLD_KIND_COUNT; k++)
        q.lifted[k] = true;
    then_holds(&q, "rate_limit");
}

static void merges_releases_drift_and_orders_know_the_rate_limit_alone(void **state)
{
    struct hold_question q = given_all_four();
    q.pull_request = false;
    then_holds(&q, "rate_limit");
    budget.remaining = 5000;
    then_holds(&q, "");
}

/* ---- the table, the stored form, the words ---- */

static void the_table_names_who_releases_and_how(void **state)
{
    static const struct { const char *name; enum hold_release by; const char *command; } want[] = {
        { "draft", RELEASE_BY_PERSON, "dispatch" },     { "rapid_push", RELEASE_BY_PERSON, "resume" },
        { "threshold", RELEASE_BY_PERSON, "dispatch" }, { "rate_limit", RELEASE_BY_SCHEDULER, "parts" },
    };
    enum hold_kind k;
    for (int i = 0; i < HOLD_KIND_COUNT; i++) {
        const struct hold_rule *r = hold_rule((enum hold_kind)i);
        assert_string_equal(r->name, want[i].name);
        assert_int_equal(r->release, want[i].by);
        assert_string_equal(r->order, want[i].command);
        assert_true(strlen(r->summary) > 10);
        assert_true(hold_kind_read(str_of(want[i].name), &k));
        assert_int_equal(k, i);
    }
    assert_false(hold_kind_read(STR("Draft"), &k));
    assert_false(hold_kind_read(STR(""), &k));
}

static void what_is_stored_reads_back(void **state)
{
    struct hold_question q = given_all_four();
    struct holds h;
    hold_evaluate(&q, &h);
    for (size_t i = 0; i < h.count; i++) {
        struct hold back;
        h.at[i].never_fits = h.at[i].kind == HOLD_RATE_LIMIT;
        str json = hold_json(mem, &h.at[i]);
        assert_true(hold_read(mem, str_of(hold_rule(h.at[i].kind)->name), json, NOW_MS, &back));
        then_text(hold_text(mem, &back), arena_z(mem, hold_text(mem, &h.at[i])));
        then_text(hold_control(mem, &back), arena_z(mem, hold_control(mem, &h.at[i])));
        then_text(hold_json(mem, &back), arena_z(mem, json));
    }
}

static void what_is_stored_badly_is_read_leniently(void **state)
{
    static const char *const texts[] = { "", "{", "[]", "{}", "{\"threshold\":\"x\",\"dispatches\":null}", "7" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hold h;
        assert_true(hold_read(mem, STR("threshold"), str_of(texts[i]), 5, &h));
        assert_int_equal(h.since_ms, 5);
        then_text(hold_text(mem, &h), "would dispatch 0 stacks, the threshold is 0");
    }
    struct hold h;
    assert_false(hold_read(mem, STR("moon"), STR("{}"), 5, &h));
}

static void words_count_one_as_one_and_tell_another_day(void **state)
{
    struct hold one = { .kind = HOLD_THRESHOLD, .dispatches = 1, .threshold = 0 };
    then_text(hold_control(mem, &one), "Dispatch all 1 stack anyway");
    struct hold many = { .kind = HOLD_THRESHOLD, .dispatches = 10000, .threshold = 5000 };
    then_text(hold_text(mem, &many), "would dispatch 10,000 stacks, the threshold is 5,000");
    struct hold next_day = { .kind = HOLD_RATE_LIMIT, .since_ms = NOW_MS,
                             .until_ms = NOW_MS + 24 * 60 * MINUTE_MS };
    then_text(hold_way_out(mem, &next_day),
              "it goes on by itself after 2026-11-22 12:02 UTC, as soon as the budget has room for the whole "
              "batch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_draft_is_always_held),
        TEST(fifty_pass_and_fifty_one_are_held),
        TEST(the_threshold_tells_its_numbers),
        TEST(three_pushes_pass_and_the_fourth_in_the_window_trips),
        TEST(our_clock_does_not_matter_to_the_pushes),
        TEST(a_tripped_breaker_stays_until_somebody_resumes),
        TEST(pushes_before_a_resume_count_no_more),
        TEST(a_paused_pull_request_goes_when_the_settings_would_never_have_paused_it),
        TEST(the_breaker_tells_its_numbers),
        TEST(a_batch_has_to_fit_the_safe_budget_whole),
        TEST(the_rate_limit_tells_its_numbers),
        TEST(who_has_the_budget_already_is_not_held_by_it),
        TEST(what_is_larger_than_any_safe_budget_is_offered_in_levels),
        TEST(a_batch_under_way_says_the_same_as_one_that_has_not_begun),
        TEST(while_nothing_is_known_little_is_safe_and_nothing_is_final),
        TEST(told_to_wait_nothing_fits_until_then),
        TEST(several_are_all_shown_in_their_order),
        TEST(a_person_lifts_only_what_a_person_may_lift),
        TEST(merges_releases_drift_and_orders_know_the_rate_limit_alone),
        TEST(the_table_names_who_releases_and_how),
        TEST(what_is_stored_reads_back),
        TEST(what_is_stored_badly_is_read_leniently),
        TEST(words_count_one_as_one_and_tell_another_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
