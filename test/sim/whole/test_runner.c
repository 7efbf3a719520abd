/*
 * Stories of nodes on a self-hosted runner: whatever is lost between the two, and whoever of them
 * dies, one run over there for one run here, and never two live applies of one instance.
 */
#include <stdlib.h>

#include "stage.h"

#define ON_RUNNER  "{\"executor\":\"runner\",\"runner\":\"eu-1\",\"dispatch_concurrency\":1}"
#define ENDED(v)   "select count(*) from batch where state = 'ended' and verdict = '" v "'"
#define RUNS_KNOWN "select count(*) from run"
#define SENDING    "select count(*) from effect where kind = 'runner_dispatch' and state = 0"

static struct pull *pull;

/* The apply of that many stacks is on its way to the runner. */
static void given_applies(uint32_t stacks)
{
    given(ON_RUNNER);
    pull = opens(1, false, 0);
    rest();
    merges(pull, stacks);
}

static uint32_t live(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < now->runs; i++)
        n += run_is_live(&now->run[i]);
    return n;
}

static void all_begin(void)
{
    for (uint32_t i = 0; i < now->runs; i++)
        if (now->run[i].state == RUN_QUEUED)
            run_advance(&now->run[i]);
}

/* One run there, known here, and it ends well. */
static void ran_once(void)
{
    later(4 * 60000);
    assert_int_equal(now->runs, 1);
    is(1, RUNS_KNOWN);
    is(1, GOING);
    is(0, SENDING);
    runs_end("success");
    rest();
    is(1, ENDED("success"));
    assert_int_equal(now->runs, 1);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void what_was_taken_and_not_answered_is_sent_again_and_runs_once(void **state)
{
    (void)state;
    runner_will(RUNNER_UNHEARD);
    runner_will(RUNNER_CUT);
    runner_will(RUNNER_AWAY);
    runner_will(RUNNER_TWICE);
    given_applies(1);
    ran_once();
}

/* Who answers so may not have looked at it: a proxy, or the guard against guessed tokens. */
static void too_many_calls_does_not_say_that_an_earlier_one_is_not_there(void **state)
{
    (void)state;
    runner_will(RUNNER_UNHEARD);
    runner_will(RUNNER_TOO_OFTEN);
    given_applies(1);
    ran_once();
}

static void a_full_runner_takes_all_in_the_end(void **state)
{
    (void)state;
    given_applies(5);
    now->room = 1;
    rest();
    for (int i = 0; i < 20 && ask("select count(*) from batch where state = 'running'"); i++) {
        assert_true(live() <= 1);
        runs_end("success");
        rest();
    }
    is(1, ENDED("success"));
    assert_int_equal(now->runs, 5);
    is(5, RUNS_KNOWN);
}

/* It is there, we do not know of it, and a person wants none of it. */
static void given_one_that_is_not_wanted_any_more(void)
{
    given_applies(1);
    while (!now->runs) {
        struct mail *m = some_mail();
        struct call *c = forge_waiting(0);
        struct talk *t = runner_waiting(0);
        if (t)
            runner_answers(t, RUNNER_UNHEARD);
        else if (m)
            mail_deliver(m);
        else if (c)
            forge_answer(c);
        else
            some_upload();
        turns(1000);
    }
    orders("cancel", 0);
    turns(1000);
}

static void what_is_not_wanted_any_more_is_stopped_wherever_it_is(void **state)
{
    (void)state;
    given_one_that_is_not_wanted_any_more();
    runner_will(RUNNER_CUT);
    later(5 * 60000);
    assert_int_equal(now->runs, 1);
    assert_true(now->run[0].stop);
    is(1, "select count(*) from node where state = 'cancelling'");
    runs_end("cancelled");
    rest();
    is(1, ENDED("cancelled"));
    assert_int_equal(now->runs, 1);
}

/* 404 of something between the two, or of a runner that cannot stop a run: it says nothing of it. */
static void a_page_that_is_not_there_is_no_run_that_is_not_there(void **state)
{
    (void)state;
    given_one_that_is_not_wanted_any_more();
    runner_will(RUNNER_ELSEWHERE);
    later(5 * 60000);
    is(1, RUNS_KNOWN);
    is(1, "select count(*) from node where state = 'error' and error_code = 'refused_by_runner'");
    runs_end("success");
    rest();
}

static void a_stop_that_finds_no_page_stops_nothing(void **state)
{
    (void)state;
    given_applies(1);
    rest();
    all_begin();
    rest();
    orders("cancel", 0);
    runner_will(RUNNER_ELSEWHERE);
    rest();
    is(1, "select count(*) from node where state = 'cancelling'");
    runs_end("success");
    rest();
    is(1, "select count(*) from node where state = 'success'");
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void an_end_that_is_never_told_is_asked_for(void **state)
{
    (void)state;
    given_applies(1);
    rest();
    all_begin();
    rest();
    runs_end("failure");
    now->report[now->reports - 1].waits = false;
    rest();
    is(0, ENDED("failure"));
    later(5 * 60000);
    is(1, ENDED("failure"));
    is(1, "select count(*) from run where error_code = 'exit_code' and exit_code = 3");
}

static void what_it_says_twice_or_late_changes_nothing(void **state)
{
    (void)state;
    given_applies(1);
    rest();
    all_begin();
    struct report *begun = &now->report[now->reports - 1];
    begun->waits = false;
    runs_end("success");
    struct report *ended = &now->report[now->reports - 1];
    rest();
    is(1, ENDED("success"));
    for (int i = 0; i < 4; i++) {
        begun->waits = ended->waits = true;
        rest();
    }
    is(1, ENDED("success"));
    is(1, "select count(*) from run where state = 'success'");
    assert_int_equal(now->runs, 1);
}

/* ---- who dies -------------------------------------------------------------------------------- */

static void a_runner_that_dies_has_failed_what_ran(void **state)
{
    (void)state;
    given_applies(1);
    rest();
    all_begin();
    rest();
    runner_dies(0);
    rest();
    is(1, ENDED("failure"));
    is(1, "select count(*) from run where error_code = 'restarted'");
    orders("retry", 0);
    rest();
    assert_int_equal(now->runs, 2);
    assert_int_equal(live(), 1);
}

static void a_runner_that_has_lost_its_disk_runs_nothing_twice(void **state)
{
    (void)state;
    given_applies(1);
    rest();
    all_begin();
    rest();
    runner_forgets();
    later(5 * 60000);
    is(1, ENDED("failure"));
    assert_int_equal(now->runs, 1);
    orders("retry", 0);
    rest();
    assert_int_equal(now->runs, 2);
    assert_int_equal(live(), 1);
}

/* Before or after the nth commit that follows, with an answer that is lost, and then with none. */
static void wherever_the_server_dies(enum commit_fate fate, uint32_t commit, enum runner_way then)
{
    runner_will(RUNNER_UNHEARD);
    runner_will(then);
    given_applies(1);
    now->state += commit * 977; /* other calls arrive, others do not */
    now->die_at = commit;
    now->die_how = fate;
    rest();
    now->die_at = 0;
    ran_once();
}

static void a_dispatch_survives_every_death(void **state)
{
    (void)state;
    for (uint32_t commit = 11; commit <= 21; commit++)
        for (int after = 0; after < 2; after++) {
            if (commit > 11 || after) {
                stage_end(NULL);
                stage_begin(NULL);
            }
            wherever_the_server_dies(after ? COMMIT_KILLED_AFTER : COMMIT_KILLED_BEFORE, commit,
                                     commit % 2 ? RUNNER_TOO_OFTEN : RUNNER_AWAY);
        }
}

/* ---- two places ------------------------------------------------------------------------------ */

#define APPLY_OF_M0                                                                                \
    "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"m0\",\"workflow\":\"apply.yaml\"," \
    "\"inputs\":{\"component\":\"m0\"}}"

static void an_apply_waits_for_one_that_runs_elsewhere(void **state)
{
    (void)state;
    given("{}");
    now->settings = ON_RUNNER;
    for (int turn = 0; turn < 2; turn++) {
        command(APPLY_OF_M0);
        rest();
        assert_int_equal(live(), 1);
        settings_change(turn ? STR("{}") : str_of(ON_RUNNER));
        rest();
        command(APPLY_OF_M0);
        rest();
        assert_int_equal(live(), 1);
        is(1, "select count(*) from node where state = 'locked'");
        runs_end("success");
        rest();
        assert_int_equal(live(), 1);
        runs_end("success");
        rest();
        settings_change(turn ? STR("{}") : str_of(ON_RUNNER));
        rest();
    }
    assert_int_equal(now->runs, 4);
    assert_int_equal(now->on_runner, 2);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest stories[] = {
        STORY(what_was_taken_and_not_answered_is_sent_again_and_runs_once),
        STORY(too_many_calls_does_not_say_that_an_earlier_one_is_not_there),
        STORY(a_full_runner_takes_all_in_the_end),
        STORY(what_is_not_wanted_any_more_is_stopped_wherever_it_is),
        STORY(a_page_that_is_not_there_is_no_run_that_is_not_there),
        STORY(a_stop_that_finds_no_page_stops_nothing),
        STORY(an_end_that_is_never_told_is_asked_for),
        STORY(what_it_says_twice_or_late_changes_nothing),
        STORY(a_runner_that_dies_has_failed_what_ran),
        STORY(a_runner_that_has_lost_its_disk_runs_nothing_twice),
        STORY(a_dispatch_survives_every_death),
        STORY(an_apply_waits_for_one_that_runs_elsewhere),
    };
    return cmocka_run_group_tests_name("stories of runners", stories, NULL, NULL);
}
