/*
 * Holds end to end: a batch that may not go, what is seen of it meanwhile, who lets it go, and what
 * becomes of it when the world changes around it. On both databases.
 *
 * Pushes have the forge's times, which the tests choose: nothing here waits for a clock.
 */
#include "world.h"

#include <string.h>

static const char *const merge_session =
    "{\"event_name\":\"pull_request\",\"ref\":\"refs/heads/main\",\"run_id\":\"777\"}";

static struct world world;
#define GIVEN(w) struct world *w = &world; world_start(w, *state)

#define THRESHOLD "{\"threshold_hold\":true,\"threshold\":2}"
#define RAPID     "{\"rapid_push_hold\":true}"
#define HELD      "select count(*) from batch where state = 'held'"
#define GOING     "select count(*) from node where state in ('queued', 'running')"
#define STANDING  "select count(*) from hold where lifted_ms is null"
#define CALM      "select count(*) from effect where state = 0"

static int uploads;

static void upload(struct world *w, const char *head, int stacks)
{
    int n = ++uploads;
    world_upload(w, arena_print(w->both->mem, "upl_%d", n).ptr, head,
                 arena_print(w->both->mem,
                             "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\","
                             "\"run_id\":\"%d\"}",
                             500 + n)
                     .ptr,
                 world_stacks(w, stacks));
}

/* A minute between two pushes, each with its list of stacks. */
static void open_with(struct world *w, int stacks)
{
    world_pull(w, "opened", 7, "head0", false, 60);
    upload(w, "head0", stacks);
}

#define RUNS "select count(*) from run"

/* A push whose dispatches are under way before the next thing happens. */
static void push(struct world *w, int minute, int stacks);
static void push_runs(struct world *w, int minute, int64_t runs)
{
    push(w, minute, 1);
    until(w, runs, RUNS);
}

static void push(struct world *w, int minute, int stacks)
{
    char head[16];
    snprintf(head, sizeof head, "head%d", minute);
    world_pull(w, "synchronize", 7, head, false, 60 + minute * 60);
    if (stacks)
        upload(w, head, stacks);
}

/* {"command":"release","batch":…} with a batch that has this state. */
static str order(struct world *w, const char *command, const char *state, bool *refused)
{
    str id = world_text(w, arena_print(w->both->mem,
                                       "select id from batch where state = '%s' order by seq desc "
                                       "limit 1",
                                       state)
                               .ptr);
    return world_order(w,
                         arena_print(w->both->mem, "{\"order\":\"%s\",\"batch\":\"" PRI_STR "\"}",
                                     command, FMT_STR(id))
                             .ptr,
                         refused);
}

static void obeyed(struct world *w, const char *command)
{
    bool refused;
    str note = order(w, command, "held", &refused);
    if (refused)
        stop_test("%s was refused: " PRI_STR "\n", command, FMT_STR(note));
}

static void then_refused(struct world *w, const char *command, const char *state, const char *why)
{
    bool refused;
    str note = order(w, command, state, &refused);
    if (!refused || !str_has(note, str_of(why)))
        stop_test("%s was not refused because of \"%s\": " PRI_STR "\n", command, why,
                  FMT_STR(note));
}

static void resume(struct world *w)
{
    bool refused;
    str note = world_order(w, "{\"order\":\"resume\",\"change\":1}", &refused);
    if (refused)
        stop_test("resume was refused: " PRI_STR "\n", FMT_STR(note));
}

/* The check ends with action_required at the batch's page, the comment says why. */
static void then_shown(struct world *w, const char *words, const char *control)
{
    until(w, 0, CALM);
    str page = world_text(w, "select 'https://box.example/batches/' || id from batch where state = "
                             "'held' order by seq desc limit 1");
    assert_non_null(strstr(w->last_check, "\"status\":\"completed\""));
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"action_required\""));
    assert_non_null(strstr(w->last_check, arena_print(w->both->mem, "\"details_url\":\"" PRI_STR "\"",
                                                      FMT_STR(page)).ptr));
    assert_non_null(strstr(w->last_check, words));
    assert_non_null(strstr(w->last_comment, words));
    assert_non_null(strstr(w->last_comment, control));
}

static void then_nothing_was_sent(struct world *w, int runs)
{
    until(w, 0, "select count(*) from fact where state = 0");
    assert_int_equal(w->runs, runs);
    assert_int_equal(w->dispatch_calls, runs);
}

/* ---- draft ---- */

static void a_draft_is_held_and_goes_by_itself_when_it_is_ready(void **state)
{
    GIVEN(w);
    world_settings(w, "{\"reviews\":true}", NULL);
    w->draft = true;
    open_with(w, 2);
    until(w, 1, HELD);
    then_shown(w, "the pull request is a draft", "- [ ] **Dispatch anyway** <!-- signalbox:dispatch batch_");
    then_nothing_was_sent(w, 0);
    assert_int_equal(w->review_calls, 0);

    w->draft = false;
    world_pull(w, "ready_for_review", 7, "head0", false, 120);
    until(w, 2, GOING);
    until(w, 0, STANDING);
    until(w, 1, "select count(*) from hold where kind = 'draft' and lifted_by = 'signalbox'");
    until(w, 1, "select count(*) from audit where action = 'dispatch.held' and actor = 'signalbox'");
    until(w, 1, "select count(*) from audit where action = 'dispatch.released' and description like '%by itself'");
    world_stop(w);
}

static void a_person_lets_a_draft_go(void **state)
{
    GIVEN(w);
    w->draft = true;
    open_with(w, 2);
    until(w, 1, HELD);
    obeyed(w, "release");
    until(w, 2, GOING);
    world_pull(w, "edited", 7, "head0", false, 130);    /* still a draft: it is not held again */
    until(w, 2, GOING);
    until(w, 0, HELD);
    world_stop(w);
}

static void a_pull_request_that_becomes_a_draft_holds_what_has_not_started(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    w->draft = true;
    world_pull(w, "converted_to_draft", 7, "head0", false, 120);
    until(w, 2, STANDING);
    w->draft = false;
    world_pull(w, "ready_for_review", 7, "head0", false, 130);
    until(w, 1, STANDING);                              /* the threshold stands */
    then_nothing_was_sent(w, 0);
    world_stop(w);
}

static void what_goes_already_is_not_held_by_a_draft(void **state)
{
    GIVEN(w);
    open_with(w, 2);
    until(w, 2, GOING);
    w->draft = true;
    world_pull(w, "converted_to_draft", 7, "head0", false, 120);
    until(w, 0, HELD);
    until(w, 0, STANDING);
    world_stop(w);
}

static void a_draft_while_the_workflow_files_are_being_read(void **state)
{
    GIVEN(w);
    w->files_away = true;
    open_with(w, 2);
    until(w, 1, "select count(*) from batch where state = 'preparing'");
    w->draft = true;
    world_pull(w, "converted_to_draft", 7, "head0", false, 120);
    until(w, 1, HELD);                                  /* at once, not when they have come */
    w->files_away = false;
    until(w, 1, "select count(*) from effect where kind = 'read_workflow' and state = 1");
    until(w, 1, HELD);
    then_nothing_was_sent(w, 0);
    w->draft = false;
    world_pull(w, "ready_for_review", 7, "head0", false, 130);
    until(w, 2, GOING);
    world_stop(w);
}

static void a_released_batch_waits_for_its_workflow_files(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    w->files_away = true;
    open_with(w, 3);
    until(w, 1, HELD);                                  /* no file is needed to hold it */
    obeyed(w, "release");
    until(w, 1, "select count(*) from batch where state = 'preparing'");
    then_nothing_was_sent(w, 0);
    w->files_away = false;
    until(w, 3, GOING);
    world_stop(w);
}

/* ---- threshold ---- */

static void more_than_the_threshold_is_held_whole_and_released_whole(void **state)
{
    GIVEN(w);
    world_settings(w, "{\"threshold_hold\":true}", NULL);
    open_with(w, 51);
    until(w, 1, HELD);
    then_shown(w, "would dispatch 51 stacks, the threshold is 50",
               "- [ ] **Dispatch all 51 stacks anyway** <!-- signalbox:dispatch batch_");
    then_nothing_was_sent(w, 0);
    assert_non_null(strstr(w->last_comment, "When it goes: 51 writes, about"));
    obeyed(w, "release");
    until(w, 51, GOING);
    until(w, 1, "select count(*) from hold where kind = 'threshold' and lifted_by = 'tester' and lifted_from = 'api'");
    until(w, 1, "select count(*) from audit where action = 'dispatch.released' and actor = 'tester' and actor_type = 'token' "
                "and metadata = '{\"from\":\"api\"}' and target_type = 'batch'");
    then_refused(w, "release", "running", "nothing holds this batch");
    until(w, 0, CALM);
    assert_non_null(strstr(w->last_comment, "☑️ Released by tester at "));
    assert_non_null(strstr(w->last_comment, " (threshold: would dispatch 51 stacks, the threshold is 50)"));
    assert_non_null(strstr(w->last_check, "Released by tester at "));
    world_stop(w);
}

static void fifty_pass(void **state)
{
    GIVEN(w);
    world_settings(w, "{\"threshold_hold\":true}", NULL);
    open_with(w, 50);
    until(w, 50, GOING);
    until(w, 0, "select count(*) from hold");
    world_stop(w);
}

static void the_threshold_is_opt_in(void **state)
{
    GIVEN(w);
    open_with(w, 60);
    until(w, 60, GOING);
    until(w, 0, "select count(*) from hold");
    world_stop(w);
}

static void a_raised_threshold_frees_what_is_held_at_once(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 4);
    until(w, 1, HELD);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":3}", NULL);
    until(w, 1, "select count(*) from hold where numbers like '%\"threshold\":3%'");
    then_nothing_was_sent(w, 0);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":4}", NULL);
    until(w, 4, GOING);
    assert_int_equal(w->find_calls, 0);                 /* nothing of it was ever sent: nothing to look for */
    world_stop(w);
}

static void a_restart_keeps_what_is_held_and_sees_settings_of_meanwhile(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    world_crash(w);
    until(w, 1, HELD);
    until(w, 1, "select count(*) from audit where action = 'dispatch.held'");
    then_nothing_was_sent(w, 0);
    world_settings(w, "{}", NULL);
    world_crash(w);
    until(w, 3, GOING);
    assert_int_equal(w->runs, 3);
    world_stop(w);
}

static void an_app_that_is_away_frees_nothing_until_it_is_back(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    world_settings(w, "{}", "update repository set removed_ms = 5 where id = 1");
    world_pull(w, "edited", 7, "head0", false, 120);
    until(w, 1, HELD);
    then_nothing_was_sent(w, 0);
    world_settings(w, NULL, "update repository set removed_ms = null where id = 1");
    until(w, 3, GOING);
    world_stop(w);
}

/* ---- rapid push ---- */

static void the_fourth_push_pauses_and_only_the_newest_head_resumes(void **state)
{
    GIVEN(w);
    world_settings(w, RAPID, NULL);
    open_with(w, 1);
    until(w, 1, RUNS);
    for (int i = 1; i <= 3; i++)
        push_runs(w, i, i + 1);
    push(w, 4, 1);
    until(w, 1, HELD);
    then_shown(w, "4 pushes within 10 minutes, the limit is 3", "- [ ] **Resume dispatches** <!-- signalbox:resume batch_");
    until(w, 1, "select count(*) from change where paused_ms > 0");
    push(w, 5, 1);                                      /* pushes accumulate */
    push(w, 6, 1);
    until(w, 1, HELD);
    until(w, 2, "select count(*) from batch where state = 'ended' and verdict = 'superseded' and started_ms is null");
    then_nothing_was_sent(w, 4);

    resume(w);
    until(w, 5, RUNS);
    until(w, 1, "select count(*) from run where sha = 'head6'");
    until(w, 1, "select count(*) from audit where action = 'dispatch.paused' and target = 'acme/infra#7'");
    until(w, 1, "select count(*) from audit where action = 'dispatch.resumed' and actor = 'tester'");
    until(w, 1, "select count(*) from hold where kind = 'rapid_push' and lifted_by = 'tester' and lifted_from = 'signalbox'");
    for (int i = 7; i <= 9; i++)                        /* the clock has been set back … */
        push_runs(w, i, i - 1);
    push(w, 10, 1);                                     /* … and a fresh burst trips it again */
    until(w, 1, HELD);
    then_nothing_was_sent(w, 8);
    world_stop(w);
}

static void it_trips_also_while_nothing_was_uploaded(void **state)
{
    GIVEN(w);
    bool refused;
    world_settings(w, RAPID, NULL);
    world_pull(w, "opened", 7, "head0", false, 60);
    for (int i = 1; i <= 3; i++)
        push(w, i, 0);
    world_order(w, "{\"order\":\"resume\",\"change\":1}", &refused);
    assert_true(refused);
    push(w, 4, 0);
    until(w, 1, "select count(*) from change where paused_ms > 0");
    push(w, 60, 1);                                     /* an hour later: nobody has resumed it */
    until(w, 1, HELD);
    resume(w);
    until(w, 1, GOING);
    world_stop(w);
}

static void slow_pushes_never_pause(void **state)
{
    GIVEN(w);
    world_settings(w, RAPID, NULL);
    open_with(w, 1);
    until(w, 1, RUNS);
    for (int i = 1; i <= 8; i++)
        push_runs(w, i * 4, i + 1);
    until(w, 0, "select count(*) from hold");
    world_stop(w);
}

static void a_release_lets_this_head_go_and_the_pause_stands(void **state)
{
    GIVEN(w);
    world_settings(w, RAPID, NULL);
    world_pull(w, "opened", 7, "head0", false, 60);
    for (int i = 1; i <= 3; i++)
        push(w, i, 0);
    push(w, 4, 1);
    until(w, 1, HELD);
    obeyed(w, "release");
    until(w, 1, GOING);
    push(w, 5, 1);
    until(w, 1, HELD);
    then_nothing_was_sent(w, 1);
    world_stop(w);
}

static void the_pause_ends_with_the_setting_that_made_it(void **state)
{
    GIVEN(w);
    world_settings(w, RAPID, NULL);
    world_pull(w, "opened", 7, "head0", false, 60);
    for (int i = 1; i <= 3; i++)
        push(w, i, 0);
    push(w, 4, 2);
    until(w, 1, HELD);
    world_settings(w, "{\"rapid_push_hold\":true,\"rapid_pushes\":4}", NULL);
    until(w, 2, GOING);
    until(w, 0, "select count(*) from change where paused_ms > 0");
    world_stop(w);
}

/* ---- several at once ---- */

static void several_are_shown_and_lifted_one_by_one(void **state)
{
    GIVEN(w);
    bool refused;
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":1,\"rapid_push_hold\":true,\"rapid_pushes\":1}", NULL);
    w->draft = true;
    world_pull(w, "opened", 7, "head0", false, 60);
    push(w, 1, 0);
    push(w, 2, 3);
    until(w, 3, STANDING);
    then_shown(w, "2 pushes within 10 minutes, the limit is 1", "- [ ] **Dispatch all 3 stacks anyway** <!-- signalbox:dispatch batch_");
    assert_non_null(strstr(w->last_comment, "- [ ] **Resume dispatches** <!-- signalbox:resume batch_"));
    assert_non_null(strstr(w->last_check, "Held for 3 reasons: the pull request is a draft; and 2 more"));
    str id = world_text(w, "select id from batch where state = 'held'");
    str note = world_order(
        w, arena_print(w->both->mem, "{\"order\":\"release\",\"kind\":\"threshold\",\"batch\":\"" PRI_STR "\"}", FMT_STR(id)).ptr,
        &refused);
    assert_false(refused);
    assert_true(str_has(note, STR("\"lifted\":[\"threshold\"],\"standing\":[\"draft\",\"rapid_push\"]")));
    then_nothing_was_sent(w, 0);
    resume(w);
    until(w, 1, STANDING);
    then_nothing_was_sent(w, 0);
    w->draft = false;
    world_pull(w, "ready_for_review", 7, "head2", false, 300);
    until(w, 3, GOING);
    world_stop(w);
}

static void one_release_lifts_all_that_a_person_may_lift(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    w->draft = true;
    open_with(w, 3);
    until(w, 2, STANDING);
    obeyed(w, "release");
    until(w, 3, GOING);
    until(w, 2, "select count(*) from hold where lifted_by = 'tester'");
    world_stop(w);
}

/* ---- settings kept in git ---- */

static void push_to_main(struct world *w, const char *file)
{
    world_webhook(w, "push", NULL,
                  arena_print(w->both->mem,
                              "{\"ref\":\"refs/heads/main\",\"commits\":[{\"modified\":[\"%s\"]}],\"repository\":{\"id\":4711,"
                              "\"name\":\"infra\",\"owner\":{\"login\":\"acme\"},\"default_branch\":\"main\"},\"installation\":{"
                              "\"id\":5}}",
                              file)
                      .ptr);
}

static void a_file_of_the_default_branch_sets_what_it_names(void **state)
{
    GIVEN(w);
    w->settings_file = "threshold_hold: true\nthreshold: 2\n";
    push_to_main(w, "main.tf");                         /* another file: nothing is read */
    until(w, 0, CALM);
    until(w, 1, "select count(*) from repository where file_settings = '{}'");
    push_to_main(w, ".github/signalbox.yaml");
    until(w, 1, "select count(*) from repository where file_settings = '{\"threshold_hold\":true,\"threshold\":2}'");
    until(w, 1, "select count(*) from audit where action = 'repository.settings_changed' and actor = 'signalbox'");
    open_with(w, 3);
    until(w, 1, HELD);

    w->settings_file = "threshold_hold: true\nthreshold: 0\n";     /* wrong: nothing changes, and the check says so */
    push_to_main(w, ".github/signalbox.yaml");
    until(w, 1, "select count(*) from repository where file_settings = '{\"threshold_hold\":true,\"threshold\":2}' and "
                "file_note = 'threshold must be between 1 and 50000, got 0'");
    world_pull(w, "edited", 7, "head0", false, 120);
    then_nothing_was_sent(w, 0);
    world_settings(w, "{\"threshold\":9}", NULL);        /* what the file names is the file's */
    until(w, 0, CALM);
    until(w, 1, HELD);

    w->settings_file = NULL;                            /* it is gone: what was set otherwise counts again */
    push_to_main(w, ".github/signalbox.yaml");
    until(w, 3, GOING);
    until(w, 1, "select count(*) from repository where file_settings = '{}' and file_note = ''");
    world_stop(w);
}

/* ---- what else may happen to a held batch ---- */

static void a_held_batch_is_cancelled_and_cannot_be_sent_again(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    then_refused(w, "retry", "held", "it is held (would dispatch 3 stacks, the threshold is 2)");
    obeyed(w, "cancel");
    until(w, 1, "select count(*) from batch where verdict = 'cancelled'");
    until(w, 0, STANDING);
    then_refused(w, "release", "ended", "the batch has ended (cancelled)");
    until(w, 0, CALM);
    assert_null(strstr(w->last_comment, "- [ ]"));
    then_nothing_was_sent(w, 0);
    world_stop(w);
}

static void a_newer_head_takes_the_place_of_a_held_one(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    str old = world_text(w, "select id from batch");
    push(w, 1, 3);
    until(w, 1, HELD);
    until(w, 1, "select count(*) from batch where verdict = 'superseded'");
    until(w, 1, STANDING);
    bool refused;
    str note = world_order(
        w, arena_print(w->both->mem, "{\"order\":\"release\",\"batch\":\"" PRI_STR "\"}", FMT_STR(old)).ptr, &refused);
    assert_true(refused && str_has(note, STR("a newer head took the place of this batch")));
    push(w, 2, 2);                                      /* two stacks: below the threshold */
    until(w, 2, GOING);
    world_stop(w);
}

static void the_merge_of_a_held_pull_request_is_applied(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    world_pull(w, "closed", 7, "head0", true, 120);
    until(w, 1, "select count(*) from batch where verdict = 'superseded'");
    world_upload(w, "upl_merge", "head0", merge_session, world_stacks(w, 3));
    until(w, 3, GOING);
    assert_string_equal(w->run[0].file, "apply.yaml");
    assert_int_equal(w->runs, 3);
    world_stop(w);
}

static void closing_ends_what_is_held(void **state)
{
    GIVEN(w);
    world_settings(w, THRESHOLD, NULL);
    open_with(w, 3);
    until(w, 1, HELD);
    world_pull(w, "closed", 7, "head0", false, 120);
    until(w, 1, "select count(*) from batch where verdict = 'cancelled'");
    until(w, 0, STANDING);
    then_nothing_was_sent(w, 0);
    world_stop(w);
}

static void an_order_of_a_person_is_not_held(void **state)
{
    GIVEN(w);
    bool refused;
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":1}", NULL);
    open_with(w, 2);
    until(w, 1, HELD);
    world_order(w, "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"c1\",\"workflow\":\"plan.yaml\",\"sha\":\"head0\","
                     "\"inputs\":{\"component\":\"{{ .atmos_component }}\",\"stack\":\"{{ .atmos_stack }}\"}}", &refused);
    assert_false(refused);
    until(w, 1, GOING);
    until(w, 1, HELD);
    world_stop(w);
}

/* What they are is not guessed from where they ordered it. */
static void the_audit_says_what_they_are_who_lift_something(void **state)
{
    GIVEN(w);
    bool refused;
    world_settings(w, "{\"rapid_push_hold\":true,\"rapid_pushes\":1,\"threshold_hold\":true,\"threshold\":2}", NULL);
    open_with(w, 3);
    push(w, 1, 3);
    push(w, 2, 3);
    until(w, 2, STANDING);
    world_order(w, "{\"order\":\"resume\",\"change\":1,\"actorType\":\"workflow\"}", &refused);
    assert_false(refused);
    str id = world_text(w, "select id from batch where state = 'held'");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"release\",\"batch\":\"" PRI_STR "\",\"actorType\":\"workflow\"}",
                                 FMT_STR(id)).ptr, &refused);
    assert_false(refused);
    until(w, 3, GOING);
    assert_int_equal(now_is(w, "select count(*) from audit where actor = 'tester' and actor_type = 'workflow' and "
                               "metadata = '{\"from\":\"api\"}' and action in ('dispatch.resumed', 'dispatch.released')"), 2);
    assert_int_equal(now_is(w, "select count(*) from audit where actor_type = 'token'"), 0);
    world_stop(w);
}

/* One argument: only the tests whose names match it (* and ?). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(a_draft_is_held_and_goes_by_itself_when_it_is_ready),
        BOTH(a_person_lets_a_draft_go),
        BOTH(a_pull_request_that_becomes_a_draft_holds_what_has_not_started),
        BOTH(what_goes_already_is_not_held_by_a_draft),
        BOTH(a_draft_while_the_workflow_files_are_being_read),
        BOTH(a_released_batch_waits_for_its_workflow_files),
        BOTH(more_than_the_threshold_is_held_whole_and_released_whole),
        BOTH(fifty_pass),
        BOTH(the_threshold_is_opt_in),
        BOTH(a_raised_threshold_frees_what_is_held_at_once),
        BOTH(a_restart_keeps_what_is_held_and_sees_settings_of_meanwhile),
        BOTH(an_app_that_is_away_frees_nothing_until_it_is_back),
        BOTH(the_fourth_push_pauses_and_only_the_newest_head_resumes),
        BOTH(it_trips_also_while_nothing_was_uploaded),
        BOTH(slow_pushes_never_pause),
        BOTH(a_release_lets_this_head_go_and_the_pause_stands),
        BOTH(the_pause_ends_with_the_setting_that_made_it),
        BOTH(several_are_shown_and_lifted_one_by_one),
        BOTH(one_release_lifts_all_that_a_person_may_lift),
        BOTH(a_file_of_the_default_branch_sets_what_it_names),
        BOTH(a_held_batch_is_cancelled_and_cannot_be_sent_again),
        BOTH(a_newer_head_takes_the_place_of_a_held_one),
        BOTH(the_merge_of_a_held_pull_request_is_applied),
        BOTH(closing_ends_what_is_held),
        BOTH(an_order_of_a_person_is_not_held),
        BOTH(the_audit_says_what_they_are_who_lift_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
