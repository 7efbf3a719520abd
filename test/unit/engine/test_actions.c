/*
 * Actions end to end: what is set off, what a runner in memory is told, and what time does to it.
 * On both databases. Hours go by in a moment: `later` moves the clock of the engine.
 */
#include "pretend_runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/scope.h"
#include "base/secret.h"
#include "domain/action_run.h"
#include "store/actions.h"
#include "store/secrets.h"

/* ---- the world ---- */

static struct world world;
#define GIVEN(w) struct world *w = &world; given(w, *state)

#define RUN "0198c7a0-1111-4abc-8def-0123456789ab"
#define PENDING "select count(*) from action_run where state = 'pending'"
#define RUNNING "select count(*) from action_run where state = 'running'"
#define IN(s)   "select count(*) from action_run where state = '" s "'"

#define ACTION(retry) \
    "{\"parameters\":[{\"name\":\"id\"}],\"trigger\":{\"type\":\"atmos-workflow\",\"workflow\":\"w\"," \
    "\"stack\":\"t-{{ parameters.id }}\",\"vars\":{\"key\":\"{{ secrets.value }}\"},\"runner\":{" \
    "\"endpoint\":\"https://runner.example/dispatch\",\"auth\":{\"type\":\"bearer\",\"token\":" \
    "\"{{ secrets.token }}\"}}" retry "},\"timeout\":30}"

static bool furnish(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct world *w = arg;
    bool is_new;
    static const struct action_row row[] = {
        { STR_INIT("provision"), STR_INIT(ACTION_FROM_API), STR_INIT(ACTION("")) },
        { STR_INIT("patient"), STR_INIT(ACTION_FROM_API),
          STR_INIT(ACTION(",\"retry\":{\"initialDelayMs\":30000}")) },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (!actions_put(db, mem, 1, &row[i], STR("t"), 1, &is_new, e))
            return false;
    return secrets_put(db, mem, w->key, 1, STR("token"), STR("runner-5ecret"), STR(""), STR("t"), 1, &is_new, e) &&
           secrets_put(db, mem, w->key, 1, STR("value"), STR("value-5ecret"), STR(""), STR("t"), 1, &is_new, e);
}

static void given(struct world *w, struct both *b)
{
    struct err e = { 0 };
    world_start_with(w, b, runner_fresh());
    memset(w->key, 7, sizeof w->key);
    if (!engine_write_wait(w->engine, furnish, w, &e))
        stop_test("furnish: %s\n", e.text);
}

static void set_off_this(struct world *w, const char *action)
{
    bool refused;
    str json = arena_print(w->both->mem, "{\"order\":\"action_run\",\"action\":\"%s\",\"run\":\"" RUN
                                         "\",\"parameters\":{\"id\":\"7\"}}", action);
    str note = world_order(w, json.ptr, &refused);
    if (refused)
        stop_test("not set off: " PRI_STR "\n", FMT_STR(note));
}

static void set_off(struct world *w) { set_off_this(w, "provision"); }

static void stop_run(struct world *w, bool want_refused)
{
    bool refused;
    str note = world_order(w, "{\"order\":\"action_cancel\",\"run\":\"" RUN "\"}", &refused);
    if (refused != want_refused)
        stop_test("stop: " PRI_STR "\n", FMT_STR(note));
}

static void reports(struct world *w, const char *status, bool want_refused)
{
    bool refused;
    str json = arena_print(w->both->mem, "{\"run\":\"" RUN "\",\"status\":\"%s\"}", status);
    str note = world_fact(w, "callback", json.ptr, &refused);
    if (refused != want_refused)
        stop_test("%s: " PRI_STR "\n", status, FMT_STR(note));
}

static void then_error(struct world *w, const char *part)
{
    str error = world_text(w, "select error from action_run");
    if (!str_has(error, str_of(part)))
        stop_test("the error is \"" PRI_STR "\", want %s\n", FMT_STR(error), part);
}

/* ---- stories ---- */

static void a_runner_is_told_and_reports(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    assert_string_equal(runner.heard[0].url, "https://runner.example/dispatch");
    assert_string_equal(runner.heard[0].token, "runner-5ecret");
    assert_non_null(strstr(runner.heard[0].body, "\"stack\":\"t-7\",\"vars\":{\"key\":\"value-5ecret\"}"));
    assert_non_null(strstr(runner.heard[0].body, "\"callbackUrl\":\"https://box.example/action-runs/" RUN "/callback\""));
    until(w, 0, "select count(*) from effect where body like '%5ecret%' or note like '%5ecret%'");
    reports(w, "succeeded", false);
    until(w, 1, IN("succeeded"));
    reports(w, "failed", true);
    until(w, 1, IN("succeeded"));
    world_stop(w);
}

static void the_token_lives_two_minutes_longer_than_the_run(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    struct json v;
    struct err e = { 0 };
    str id;
    int64_t expires_ms;
    assert_true(json_parse(w->both->mem, str_of(runner.heard[0].body), 0, &v, &e));
    str token = json_str(json_get(v, STR("callbackToken")), w->both->mem);
    assert_true(action_token_read(token, &id, &expires_ms));
    assert_true(str_eq(token, action_token(w->both->mem, (str){ (const char *)w->key, sizeof w->key },
                                           id, expires_ms)));
    until(w, expires_ms, "select expires_ms from action_run");
    until(w, 32 * 60000, "select expires_ms - created_ms from action_run");
    world_stop(w);
}

static void silence_ends_a_run(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    later(20);
    reports(w, "running", false);               /* a word of its progress is no reason to wait longer */
    until(w, 1, RUNNING);
    later(11);
    until(w, 1, IN("timed_out"));
    then_error(w, "no word of its end within 30 minutes");
    until_called(w, "/runs/" RUN "/cancel", 1); /* what still runs there is stopped */
    reports(w, "succeeded", true);
    stop_run(w, true);
    until(w, 1, IN("timed_out"));
    world_stop(w);
}

static void silence_is_noticed_after_a_crash(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    until(w, 0, "select count(*) from effect where state = 0");
    world_crash(w);
    until(w, 1, RUNNING);
    later(31);
    until(w, 1, IN("timed_out"));
    world_stop(w);
}

static void a_run_that_was_over_while_nobody_looked(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    later(31);
    world_crash(w);
    until(w, 1, IN("timed_out"));
    world_stop(w);
}

static void a_dispatch_without_an_answer_is_over_its_time_too(void **state)
{
    GIVEN(w);
    runner.silent = true;
    set_off(w);
    until_called(w, "/dispatch", 1);
    until(w, 1, PENDING);
    later(31);
    until(w, 1, IN("timed_out"));
    assert_int_equal(calls("/cancel"), 0);
    answers(RUNNER_OK);                         /* and then it was taken after all */
    until_called(w, "/runs/" RUN "/cancel", 1);
    until(w, 1, IN("timed_out"));
    world_stop(w);
}

static void time_counts_from_the_dispatch(void **state)
{
    GIVEN(w);
    runner.next[runner.nexts++] = RUNNER_BUSY;
    runner.wait_ms = 20 * 60000;
    set_off(w);
    until_called(w, "/dispatch", 1);
    /* it asked for 20 minutes; it gets half of one */
    until(w, 1, "select count(*) from effect f, action_run r where f.state = 0 and f.attempts = 1 and "
                "f.not_before_ms - r.created_ms between 30000 and 600000");
    later(11);
    until(w, 1, RUNNING);
    until(w, 30 * 60000, "select deadline_ms - taken_ms from action_run");
    world_stop(w);
}

static void three_attempts_and_each_waits_longer(void **state)
{
    GIVEN(w);
    runner.nexts = 3;
    runner.next[0] = RUNNER_NOT_SENT;
    runner.next[1] = RUNNER_BUSY;
    runner.next[2] = RUNNER_NOT_SENT;
    set_off(w);
    until(w, 1, IN("failed"));
    assert_int_equal(calls("/dispatch"), 3);
    assert_int_equal(calls("/cancel"), 0);      /* nothing can have arrived */
    then_error(w, "[delivery] no runner took it: as the test says");
    assert_string_equal(runner.heard[0].body, runner.heard[2].body);
    until(w, 1, "select case when ended_ms - sent_ms >= 3000 then 1 else 0 end from action_run");
    world_stop(w);
}

static void what_may_have_arrived_is_taken_back(void **state)
{
    GIVEN(w);
    runner.nexts = 3;
    runner.next[0] = runner.next[1] = runner.next[2] = RUNNER_LOST;
    set_off(w);
    until(w, 1, IN("failed"));
    until_called(w, "/runs/" RUN "/cancel", 1);
    world_stop(w);
}

static void an_answer_that_is_lost_in_a_crash_is_asked_for_again(void **state)
{
    GIVEN(w);
    runner.silent = true;
    set_off(w);
    until_called(w, "/dispatch", 1);
    free(runner.ctx);                           /* nobody will ever hear of it */
    runner.silent = false;
    world_crash(w);
    until_called(w, "/dispatch", 2);            /* the runner knows its runs: the same body again */
    until(w, 1, RUNNING);
    assert_string_equal(runner.heard[0].body, runner.heard[1].body);
    world_stop(w);
}

static void a_stop_waits_for_the_answer_to_the_dispatch(void **state)
{
    GIVEN(w);
    runner.silent = true;
    set_off(w);
    until_called(w, "/dispatch", 1);
    stop_run(w, false);
    until(w, 1, IN("cancelled"));
    assert_int_equal(calls("/cancel"), 0);
    answers(RUNNER_OK);
    until_called(w, "/runs/" RUN "/cancel", 1);
    until(w, 1, IN("cancelled"));
    world_stop(w);
}

static void a_stop_between_two_attempts_sends_no_third(void **state)
{
    GIVEN(w);
    runner.next[runner.nexts++] = RUNNER_LOST;
    set_off_this(w, "patient");
    until(w, 1, "select count(*) from effect where kind = 'action_dispatch' and attempts = 1");
    stop_run(w, false);
    until(w, 1, IN("cancelled"));
    later(1);
    until_called(w, "/runs/" RUN "/cancel", 1);
    assert_int_equal(calls("/dispatch"), 1);
    until(w, 1, IN("cancelled"));
    world_stop(w);
}

static void a_stop_is_repeated_until_somebody_hears_it(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    runner.nexts = 2;
    runner.next[0] = RUNNER_LOST;
    runner.next[1] = RUNNER_NOT_SENT;
    stop_run(w, false);
    until(w, 1, RUNNING);
    for (int i = 0; i < 3; i++)
        later(1);
    until_called(w, "/runs/" RUN "/cancel", 3);
    stop_run(w, false);                         /* once more: it is asked once more */
    until_called(w, "/runs/" RUN "/cancel", 4);
    reports(w, "failed", false);
    until(w, 1, IN("cancelled"));
    world_stop(w);
}

static void a_run_that_was_lost_over_there_ends_with_the_stop(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    runner.code = "unknown_run";
    runner.next[runner.nexts++] = RUNNER_NOT_FOUND;
    stop_run(w, false);
    until(w, 1, IN("cancelled"));
    world_stop(w);
}

/* A 404 without the runner's words: of a proxy, or of a runner that has no such route. */
static void a_stop_that_finds_no_page_has_stopped_nothing(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    runner.next[runner.nexts++] = RUNNER_NOT_FOUND;
    stop_run(w, false);
    until(w, 1, "select count(*) from effect where kind = 'action_cancel' and state <> 0");
    until(w, 1, RUNNING);
    reports(w, "succeeded", false);
    until(w, 0, RUNNING);
    until(w, 0, IN("cancelled"));
    world_stop(w);
}

static bool drop_secret(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    bool found;
    (void)mem;
    (void)arg;
    return secrets_remove(db, 1, STR("value"), &found, e);
}

static bool other_key(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    static const uint8_t other[32] = { 1 };
    bool is_new;
    (void)arg;
    return secrets_put(db, mem, other, 1, STR("value"), STR("x"), STR(""), STR("t"), 1, &is_new, e);
}

static void fails_before_anything_leaves(struct both *b, engine_body *spoil, const char *why)
{
    struct world *w = &world;
    struct err e = { 0 };
    given(w, b);
    if (!engine_write_wait(w->engine, spoil, NULL, &e))
        stop_test("%s\n", e.text);
    set_off(w);
    until(w, 1, IN("failed"));
    then_error(w, why);
    assert_int_equal(calls(""), 0);
    until(w, 0, "select count(*) from effect where state = 0");
    world_stop(w);
}

static void a_run_without_its_secret_fails(void **state)
{
    fails_before_anything_leaves(*state, drop_secret, "the secret value is not set");
}

static void a_secret_that_was_sealed_with_another_key_fails_its_run(void **state)
{
    fails_before_anything_leaves(*state, other_key, "the secret value");
}

static void the_same_order_twice_is_one_run(void **state)
{
    GIVEN(w);
    set_off(w);
    until(w, 1, RUNNING);
    set_off(w);
    until(w, 0, "select count(*) from fact where state = 0");
    until(w, 1, "select count(*) from action_run");
    assert_int_equal(calls("/dispatch"), 1);
    world_stop(w);
}

/* One argument: only the tests whose names match it (* and ?). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(a_runner_is_told_and_reports),
        BOTH(the_token_lives_two_minutes_longer_than_the_run),
        BOTH(silence_ends_a_run),
        BOTH(silence_is_noticed_after_a_crash),
        BOTH(a_run_that_was_over_while_nobody_looked),
        BOTH(a_dispatch_without_an_answer_is_over_its_time_too),
        BOTH(time_counts_from_the_dispatch),
        BOTH(three_attempts_and_each_waits_longer),
        BOTH(what_may_have_arrived_is_taken_back),
        BOTH(an_answer_that_is_lost_in_a_crash_is_asked_for_again),
        BOTH(a_stop_waits_for_the_answer_to_the_dispatch),
        BOTH(a_stop_between_two_attempts_sends_no_third),
        BOTH(a_stop_is_repeated_until_somebody_hears_it),
        BOTH(a_run_that_was_lost_over_there_ends_with_the_stop),
        BOTH(a_stop_that_finds_no_page_has_stopped_nothing),
        BOTH(a_run_without_its_secret_fails),
        BOTH(a_secret_that_was_sealed_with_another_key_fails_its_run),
        BOTH(the_same_order_twice_is_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
