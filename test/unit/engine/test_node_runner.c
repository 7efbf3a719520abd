/*
 * Batches on a registered runner: what it is told, what it says, and what is done when it says
 * nothing. On both databases, with a runner in memory.
 */
#include "pretend_runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "domain/action_run.h"
#include "store/actions.h"
#include "store/secrets.h"

static struct world world;
#define GIVEN(w) struct world *w = &world; given(w, *state)

#define ON_RUNNER "{\"executor\":\"runner\",\"runner\":\"eu-1\""
#define NODES(s) "select count(*) from node where state = '" s "'"
#define ENDED(v) "select count(*) from batch where state = 'ended' and verdict = '" v "'"

/* ---- the world ---- */

static bool furnish(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct world *w = arg;
    static const struct runner_row row = { STR_INIT("eu-1"), STR_INIT("https://runner.example/dispatch"),
                                           STR_INIT("token") };
    bool is_new;
    return runners_put(db, mem, 1, &row, STR("t"), 1, &is_new, e) &&
           secrets_put(db, mem, w->key, 1, STR("token"), STR("runner-5ecret"), STR(""), STR("t"), 1,
                       &is_new, e);
}

static void given(struct world *w, struct both *b)
{
    struct err e = { 0 };
    world_start_with(w, b, runner_fresh());
    memset(w->key, 7, sizeof w->key);
    if (!engine_write_wait(w->engine, furnish, w, &e))
        stop_test("furnish: %s\n", e.text);
    world_settings(w, ON_RUNNER "}", NULL);
}

static void planned(struct world *w)
{
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, world_chain);
}

/* Planned while nobody looked; merged now: the roots of the apply are under way. */
static void merged(struct world *w)
{
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_pull(w, "closed", 7, "aaaa111", true, 2);
    world_upload(w, "upl_2", "aaaa111", world_merge_session, world_chain);
}

/* The newest run of a component, as the runner knows it; it waits until the runner has it. */
static const char *run_of(struct world *w, const char *component)
{
    for (int tries = 0; tries < UNTIL_TRIES; tries++) {
        str id = world_text(w, arena_print(w->both->mem,
                                           "select coalesce((select runner_run from run where component = "
                                           "'%s' and state <> 'dispatching' order by created_ms desc, id "
                                           "desc limit 1), '')", component).ptr);
        if (id.len)
            return arena_z(w->both->mem, id);
        world_moment();
    }
    stop_test("no run of %s\n", component);
    return "";
}

static void says(struct world *w, const char *component, const char *rest, bool want_refused)
{
    bool refused;
    str json = arena_print(w->both->mem, "{\"run\":\"%s\",%s}", run_of(w, component), rest);
    str note = world_fact(w, "callback", json.ptr, &refused);
    if (refused != want_refused)
        stop_test("%s: " PRI_STR "\n", json.ptr, FMT_STR(note));
}

#define SUCCEEDED "\"status\":\"succeeded\",\"metadata\":{\"exitCode\":0}"
#define FAILED    "\"status\":\"failed\",\"error\":\"step apply: exit 3\",\"metadata\":{\"exitCode\":3,\"reason\":\"exit_code\"}"
#define STOPPED   "\"status\":\"failed\",\"error\":\"it was cancelled\",\"metadata\":{\"reason\":\"cancelled\"}"

static void then_text(str got, const char *part)
{
    if (!str_has(got, str_of(part)))
        stop_test("no \"%s\" in " PRI_STR "\n", part, FMT_STR(got));
}

static void then_heard(int nth, const char *part)
{
    if (!strstr(runner.heard[nth].body, part))
        stop_test("no %s in %s\n", part, runner.heard[nth].body);
}

/* ---- stories ---- */

static void nodes_go_to_the_runner_in_their_order(void **state)
{
    GIVEN(w);
    planned(w);
    until_called(w, "/dispatch", 2);                    /* vpc and dns: the roots */
    until(w, 2, NODES("queued"));
    assert_string_equal(runner.heard[0].url, "https://runner.example/dispatch");
    assert_string_equal(runner.heard[0].token, "runner-5ecret");
    then_heard(0, "\"workflow\":\"plan\",\"stack\":\"prod\",\"vars\":{\"sha\":\"aaaa111\",\"atmos_component\":\"vpc\","
                  "\"atmos_stack\":\"prod\",\"atmos_pro_run_id\":\"run_");
    then_heard(0, "\"component\":\"vpc\",\"stack\":\"prod\"}");
    then_heard(0, "\"waitForCompletion\":true,\"ref\":\"aaaa111\",\"timeoutMinutes\":385,\"progress\":true,"
                  "\"project\":\"acme/infra\"");
    then_heard(0, "\"callbackUrl\":\"https://box.example/action-runs/");
    says(w, "vpc", "\"status\":\"running\",\"metadata\":{\"phase\":\"cloning\"}", false);
    until(w, 1, NODES("running"));
    says(w, "vpc", SUCCEEDED, false);
    until_called(w, "/dispatch", 3);
    says(w, "eks", SUCCEEDED, false);
    says(w, "app", SUCCEEDED, false);
    says(w, "dns", SUCCEEDED, false);
    until(w, 1, ENDED("success"));
    until(w, 0, "select count(*) from effect where state = 0");
    until_so(w, strstr(w->last_check, "\"conclusion\":\"success\"") != NULL);
    /* GitHub was asked for no workflow, no run, and got no dispatch. */
    assert_int_equal(w->dispatch_calls, 0);
    until(w, 0, "select count(*) from effect where kind in ('read_workflow', 'dispatch', 'find_runs')");
    until(w, 4, "select count(*) from run where exit_code = 0 and runner = 'eu-1' and forge_run_id is null "
                "and url = 'https://box.example/runs/' || id");
    until(w, 0, "select count(*) from effect where body like '%5ecret%'");
    world_stop(w);
}

static void what_fails_skips_what_waits_for_it(void **state)
{
    GIVEN(w);
    merged(w);
    until_called(w, "/dispatch", 2);
    then_heard(0, "\"workflow\":\"apply\"");
    says(w, "vpc", FAILED, false);
    until(w, 2, NODES("skipped"));
    says(w, "dns", SUCCEEDED, false);
    until(w, 1, ENDED("failure"));
    until(w, 1, "select count(*) from run where state = 'failure' and exit_code = 3 and error_code = 'exit_code'");
    until_so(w, strstr(w->last_comment, "step apply: exit 3") != NULL);
    assert_int_equal(calls("/dispatch"), 2);
    says(w, "vpc", SUCCEEDED, true);                    /* it has ended: 409 */
    until(w, 1, ENDED("failure"));
    world_stop(w);
}

static void a_cancel_reaches_the_runner(void **state)
{
    GIVEN(w);
    bool refused;
    planned(w);
    until_called(w, "/dispatch", 2);
    until(w, 2, NODES("queued"));
    str batch = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}", FMT_STR(batch)).ptr,
                &refused);
    assert_false(refused);
    until_called(w, "/cancel", 2);
    until(w, 2, NODES("cancelling"));
    says(w, "vpc", STOPPED, false);
    says(w, "dns", SUCCEEDED, false);                   /* it was faster: what is true is said */
    until(w, 1, ENDED("cancelled"));
    until(w, 1, NODES("success"));
    until(w, 3, NODES("cancelled"));
    world_stop(w);
}

static void an_answer_that_is_lost_makes_no_second_run(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.next[runner.nexts++] = RUNNER_LOST;
    planned(w);
    until(w, 1, "select count(*) from effect where kind = 'runner_dispatch' and state = 0 and attempts = 1");
    until(w, 1, "select count(*) from run where state = 'dispatching'");
    later(2);
    until_called(w, "/dispatch", 3);                    /* the same again, then the second root */
    assert_string_equal(runner.heard[0].body, runner.heard[1].body);
    until(w, 2, NODES("queued"));
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

/* Too many calls: a proxy says so, or the guard against guessed tokens, and looks for no run. */
static void too_many_calls_after_a_lost_answer_is_no_word_of_the_run(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.nexts = 2;
    runner.next[0] = RUNNER_LOST;
    runner.next[1] = RUNNER_BUSY;
    runner.wait_ms = 1000;
    planned(w);
    until(w, 1, "select count(*) from effect where kind = 'runner_dispatch' and state = 0 and attempts = 1");
    later(2);
    until(w, 1, "select count(*) from effect where kind = 'runner_dispatch' and state = 0 and attempts = 2");
    later(6);
    until_called(w, "/dispatch", 4);                    /* the same a third time, then the second root */
    assert_string_equal(runner.heard[0].body, runner.heard[1].body);
    assert_string_equal(runner.heard[0].body, runner.heard[2].body);
    until(w, 2, NODES("queued"));
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

static void a_crash_before_the_answer_sends_the_same_again(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.silent = true;
    planned(w);
    until_called(w, "/dispatch", 1);
    free(runner.ctx);
    runner.silent = false;
    world_crash(w);
    until_called(w, "/dispatch", 3);
    assert_string_equal(runner.heard[0].body, runner.heard[1].body);
    until(w, 2, NODES("queued"));
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

static void a_callback_may_overtake_the_answer(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.silent = true;
    planned(w);
    until_called(w, "/dispatch", 1);
    bool refused;
    str id = world_text(w, "select runner_run from run");
    world_fact(w, "callback", arena_print(w->both->mem, "{\"run\":\"" PRI_STR "\"," SUCCEEDED "}", FMT_STR(id)).ptr,
               &refused);
    assert_false(refused);
    until(w, 1, NODES("success"));
    until(w, 2, NODES("queued"));                       /* dns, and eks behind it */
    answers(RUNNER_OK);
    until(w, 0, "select count(*) from effect where kind = 'runner_dispatch' and state = 0");
    until(w, 1, NODES("success"));
    world_stop(w);
}

static void cancel_all(struct world *w)
{
    bool refused;
    str batch = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}", FMT_STR(batch)).ptr,
                &refused);
    assert_false(refused);
}

/* Its answer was lost, and then somebody cancelled: the call that may have arrived is told to stop. */
static void cancelled_while_it_may_be_there(struct world *w, const char *code)
{
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.code = code;
    runner.nexts = 2;
    runner.next[0] = RUNNER_LOST;
    runner.next[1] = RUNNER_NOT_FOUND;
    planned(w);
    until(w, 1, "select count(*) from effect where kind = 'runner_dispatch' and state = 0 and attempts = 1");
    cancel_all(w);
    later(2);
    until_called(w, "/cancel", 1);
}

/* A 404 without the runner's words: of a proxy, or of a runner that has no such route. */
static void a_page_that_is_not_there_does_not_say_that_a_run_is_not(void **state)
{
    GIVEN(w);
    cancelled_while_it_may_be_there(w, NULL);
    until(w, 1, "select count(*) from run where state = 'error' and error_code = 'refused_by_runner'");
    until(w, 1, "select count(*) from batch where state = 'ended'");
    world_stop(w);
}

static void a_stop_that_finds_no_page_has_stopped_nothing(void **state)
{
    GIVEN(w);
    planned(w);
    until(w, 2, NODES("queued"));
    runner.nexts = 2;
    runner.next[0] = runner.next[1] = RUNNER_NOT_FOUND;
    cancel_all(w);
    until(w, 2, "select count(*) from effect where kind = 'runner_cancel' and state <> 0");
    until(w, 2, NODES("cancelling"));
    says(w, "vpc", SUCCEEDED, false);
    says(w, "dns", STOPPED, false);
    until(w, 1, ENDED("cancelled"));
    until(w, 1, NODES("success"));
    world_stop(w);
}

static void what_is_not_wanted_any_more_is_not_sent_again(void **state)
{
    GIVEN(w);
    cancelled_while_it_may_be_there(w, "unknown_run");  /* had it arrived, it would stop; it had not */
    until(w, 1, ENDED("cancelled"));
    assert_int_equal(calls("/dispatch"), 1);
    world_stop(w);
}

static void a_full_runner_is_waited_for(void **state)
{
    GIVEN(w);
    runner.nexts = 2;
    runner.next[0] = runner.next[1] = RUNNER_BUSY;
    runner.wait_ms = 5 * 60000;
    planned(w);
    until(w, 2, "select count(*) from node where state = 'locked' and gate = '{\"kind\":\"runner\",\"runner\":\"eu-1\"}'");
    until(w, 0, "select count(*) from run");
    later(1);                                           /* a comment is not written all the time */
    until_so(w, strstr(w->last_comment, "for runner `eu-1`, which is full") != NULL);
    int before = calls("/dispatch");
    runner.next[runner.nexts++] = RUNNER_BUSY;          /* still full: only one was let go to try */
    later(5);
    until_called(w, "/dispatch", before + 1);
    until(w, 2, NODES("locked"));
    later(6);
    until_called(w, "/dispatch", before + 3);           /* it has room: now the other, too */
    until(w, 2, NODES("queued"));
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

static void a_runner_that_is_away_is_tried_for_a_while(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"dispatch_concurrency\":1}", NULL);
    runner.nexts = 40;
    for (int i = 0; i < 40; i++)
        runner.next[i] = RUNNER_NOT_SENT;
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, "[" WORLD_NODE("vpc", "") "]");
    until(w, 1, "select count(*) from node where state = 'ready' and error_code = 'runner_away'");
    for (int i = 2; i <= 16; i++) {
        until(w, i - 1, "select tries from node where state = 'ready'");
        later(2);
        until_called(w, "/dispatch", i);
    }
    until(w, 1, NODES("error"));
    then_text(world_text(w, "select error_text from node where state = 'error'"),
              "runner eu-1 cannot be reached: as the test says; look whether it runs");
    until(w, 1, ENDED("failure"));
    world_stop(w);
}

static bool no_runner(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    bool found;
    (void)mem;
    (void)arg;
    return runners_remove(db, 1, STR("eu-1"), &found, e);
}

static void a_runner_that_is_gone_is_named(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    assert_true(engine_write_wait(w->engine, no_runner, NULL, &e));
    merged(w);
    until(w, 2, NODES("error"));
    assert_int_equal(calls(""), 0);
    then_text(world_text(w, "select min(error_text) from node where state = 'error'"),
              "the repository has no registered runner eu-1: signalbox runners set eu-1");
    assert_true(engine_write_wait(w->engine, furnish, w, &e));
    bool refused;
    str batch = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"retry\",\"batch\":\"" PRI_STR "\"}", FMT_STR(batch)).ptr,
                &refused);
    assert_false(refused);
    until(w, 2, NODES("queued"));
    world_stop(w);
}

static void a_runner_that_refuses_is_quoted(void **state)
{
    GIVEN(w);
    runner.nexts = 2;
    runner.next[0] = runner.next[1] = RUNNER_REFUSED;
    planned(w);
    until(w, 2, "select count(*) from node where state = 'error' and error_code = 'refused_by_runner' and "
                "error_text = 'runner eu-1 refused the dispatch: as the test says'");
    world_stop(w);
}

/* Two minutes of silence: the runner is asked, once a sweep. */
static void silence(void) { later(3); }

static void a_callback_that_is_lost_is_asked_for(void **state)
{
    GIVEN(w);
    runner.result = "{\"state\":\"succeeded\",\"exitCode\":0}";
    planned(w);
    until(w, 2, NODES("queued"));
    runner.result = "{\"state\":\"running\"}";
    silence();
    until(w, 2, NODES("running"));
    assert_true(runner.heard[2].read);
    runner.result = "{\"state\":\"succeeded\",\"exitCode\":0}";
    silence();
    until(w, 2, NODES("success"));
    runner.result = "{\"state\":\"failed\",\"exitCode\":9,\"reason\":\"exit_code\",\"error\":\"step x\"}";
    until_called(w, "/dispatch", 3);
    until(w, 1, NODES("queued"));
    silence();
    until(w, 1, "select count(*) from run where component = 'eks' and state = 'failure' and exit_code = 9 and "
                "error_text = 'step x'");
    assert_int_equal(w->find_calls, 0);                 /* GitHub is not asked for these */
    world_stop(w);
}

static void a_run_that_the_runner_has_forgotten_has_failed(void **state)
{
    GIVEN(w);
    merged(w);
    until(w, 2, NODES("queued"));
    runner.code = "unknown_run";
    runner.nexts = 2;
    runner.next[0] = runner.next[1] = RUNNER_NOT_FOUND;
    silence();
    until(w, 2, NODES("failure"));
    then_text(world_text(w, "select min(error_text) from run"), "does not know this run any more");
    world_stop(w);
}

static void silence_ends_a_run(void **state)
{
    GIVEN(w);
    world_settings(w, ON_RUNNER ",\"run_timeout_minutes\":10}", NULL);
    runner.result = "{\"state\":\"running\"}";
    merged(w);
    until(w, 2, NODES("queued"));
    later(11);
    until(w, 2, NODES("timed_out"));
    until_called(w, "/cancel", 2);                      /* what still runs there is stopped */
    until(w, 1, ENDED("failure"));
    world_stop(w);
}

/* Two applies of one instance: the second waits for the first, wherever that runs. */
static void a_live_apply_is_waited_for(void **state)
{
    GIVEN(w);
    bool refused;
    world_order(w, "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"apply\"}", &refused);
    assert_false(refused);
    until(w, 1, NODES("queued"));
    world_order(w, "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"apply.yaml\"}", &refused);
    assert_false(refused);
    until(w, 1, NODES("locked"));
    assert_int_equal(calls("/dispatch"), 1);
    says(w, "vpc", SUCCEEDED, false);
    until_called(w, "/dispatch", 2);
    until(w, 2, "select max(fence) from run");
    world_stop(w);
}

static void a_name_that_no_runner_takes_is_refused(void **state)
{
    GIVEN(w);
    bool refused;
    static const char *const names[] = { "help", "-x", "a;b", "../x", ".yaml" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        world_order(w, arena_print(w->both->mem, "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\","
                                                 "\"workflow\":\"%s\"}", names[i]).ptr, &refused);
        assert_true(refused);
    }
    assert_int_equal(calls(""), 0);
    world_stop(w);
}

/* The choice is made when a batch is made: what is under way stays where it is. */
static void a_changed_setting_counts_for_the_next_batch(void **state)
{
    GIVEN(w);
    planned(w);
    until(w, 2, NODES("queued"));
    world_settings(w, "{}", NULL);
    says(w, "vpc", SUCCEEDED, false);
    until_called(w, "/dispatch", 3);
    says(w, "eks", SUCCEEDED, false);
    says(w, "app", SUCCEEDED, false);
    says(w, "dns", SUCCEEDED, false);
    until(w, 1, ENDED("success"));
    world_pull(w, "closed", 7, "aaaa111", true, 2);
    world_upload(w, "upl_2", "aaaa111", world_merge_session, world_chain);
    until_so(w, w->dispatch_calls == 2);
    assert_int_equal(calls("/dispatch"), 4);
    world_stop(w);
}

/* One argument: only the tests whose names match it (* and ?). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(nodes_go_to_the_runner_in_their_order),
        BOTH(what_fails_skips_what_waits_for_it),
        BOTH(a_cancel_reaches_the_runner),
        BOTH(an_answer_that_is_lost_makes_no_second_run),
        BOTH(too_many_calls_after_a_lost_answer_is_no_word_of_the_run),
        BOTH(a_crash_before_the_answer_sends_the_same_again),
        BOTH(a_callback_may_overtake_the_answer),
        BOTH(what_is_not_wanted_any_more_is_not_sent_again),
        BOTH(a_page_that_is_not_there_does_not_say_that_a_run_is_not),
        BOTH(a_stop_that_finds_no_page_has_stopped_nothing),
        BOTH(a_full_runner_is_waited_for),
        BOTH(a_runner_that_is_away_is_tried_for_a_while),
        BOTH(a_runner_that_is_gone_is_named),
        BOTH(a_runner_that_refuses_is_quoted),
        BOTH(a_callback_that_is_lost_is_asked_for),
        BOTH(a_run_that_the_runner_has_forgotten_has_failed),
        BOTH(silence_ends_a_run),
        BOTH(a_live_apply_is_waited_for),
        BOTH(a_name_that_no_runner_takes_is_refused),
        BOTH(a_changed_setting_counts_for_the_next_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
