/*
 * Orders of people on the forge as a specification: each race ends in one application or none, and
 * a comment that is right again. On both databases.
 */
#include "world.h"

#include <string.h>

#define PRO                                                                                        \
    "\"settings\":{\"pro\":{\"enabled\":true,\"pull_request\":{"                                   \
    "\"opened\":{\"workflows\":{\"plan.yaml\":{\"inputs\":{\"component\":\"{{ .atmos_component "   \
    "}}\",\"stack\":\"{{ .atmos_stack }}\"}}}},"                                                   \
    "\"synchronize\":{\"workflows\":{\"plan.yaml\":{\"inputs\":{\"component\":\"{{ "               \
    ".atmos_component }}\",\"stack\":\"{{ .atmos_stack }}\"}}}}}}}"
#define NODE(c) "{\"component\":\"" c "\",\"stack\":\"prod\"," PRO ",\"dependents\":[]}"
#define SESSION(run) \
    "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"" run "\"}"
static const char *const three = "[" NODE("vpc") "," NODE("eks") "," NODE("dns") "]";

static struct world world;

/* over there, too: a row alone is there before its call has left */
#define STARTED  "select count(*) from run where forge_run_id is not null"
#define RUNNING  "select count(*) from node where state in ('queued', 'running')"
#define HELD     "select count(*) from batch where state = 'held'"
#define RELEASED \
    "select count(*) from audit where action = 'dispatch.released' and actor <> 'signalbox'"

static bool threshold_of_two(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "update repository set settings = '{\"threshold_hold\":true,\"threshold\":2}' "
                   "where id = 1",
                   NO_ARGS);
}

/* ana and bob may write, max maintains, eve may only read; nobody knows mallory. */
static struct world *given_world(void **state)
{
    struct world *w = &world;
    struct err e = { 0 };
    world_start(w, *state);
    static const struct pretend_person people[] = {
        { "ana", "write" }, { "bob", "admin" }, { "max", "maintain" }, { "eve", "read" },
    };
    memcpy(w->person, people, sizeof people);
    if (!engine_write_wait(w->engine, threshold_of_two, NULL, &e))
        stop_test("settings: %s\n", e.text);
    engine_settings_changed(w->engine, 1);
    return w;
}

/* Pull request 7 would dispatch three, and two are allowed: held, with a control in the comment. */
static struct world *given_held(void **state)
{
    struct world *w = given_world(state);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", SESSION("501"), three);
    until(w, 1, HELD);
    world_rests(w);
    until_so(w, strstr(w->comment[0].text, "- [ ] **Dispatch all 3 stacks anyway**") != NULL);
    assert_int_equal(w->runs, 0);
    return w;
}

static void comment_has(struct world *w, int i, const char *part)
{
    for (int tries = 0;; tries++) {
        pthread_mutex_lock(&w->mutex);
        bool there = strstr(w->comment[i].text, part) != NULL;
        pthread_mutex_unlock(&w->mutex);
        if (there)
            return;
        if (tries == UNTIL_TRIES)
            stop_test("the comment has no \"%s\":\n%s\n", part, w->comment[i].text);
        world_moment();
    }
}

static void write_text(struct world *w, int i, const char *text)
{
    pthread_mutex_lock(&w->mutex);
    snprintf(w->comment[i].text, sizeof w->comment[i].text, "%s", text);
    pthread_mutex_unlock(&w->mutex);
}

/* No box is ticked in it, and it is what a fresh rendering gives: nothing is left to write. */
static void comment_is_right(struct world *w, int i)
{
    const struct pretend_comment *c = &w->comment[i];
    world_rests(w);
    until_so(w, !strstr(c->text, "- [x]") && !strstr(c->text, "vandal"));
    until_so(w, strstr(c->text, "<!-- signalbox:change:7 -->") != NULL && !c->deleted);
}

static void dispatched_once(struct world *w)
{
    until(w, 3, RUNNING);
    world_rests(w);
    assert_int_equal(w->runs, 3);
    assert_int_equal(w->dispatch_calls, 3);
    assert_int_equal(now_is(w, RELEASED), 1);
}

static void nothing_went(struct world *w)
{
    world_rests(w);
    assert_int_equal(w->runs, 0);
    assert_int_equal(now_is(w, RELEASED), 0);
}

/* ---- ticks ---- */

static void a_tick_by_a_writer_dispatches_once(void **state)
{
    struct world *w = given_held(state);
    world_tick(w, "dispatch", "ana", NULL);
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by ana at ");
    assert_int_equal(w->permission_calls, 1);
    assert_int_equal(now_is(w, "select count(*) from audit where action = 'dispatch.released' and "
                               "actor = 'ana' and description like '%checkbox%'"), 1);
    world_stop(w);
}

static void a_reader_sees_the_tick_undone_and_why(void **state)
{
    struct world *w = given_held(state);
    world_tick(w, "dispatch", "eve", NULL);
    until(w, 1, "select count(*) from audit where action = 'order_denied' and actor = 'eve'");
    nothing_went(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "🚫 `dispatch` by eve");
    comment_has(w, 0, "it takes write access to this repository, they have read");
    comment_has(w, 0, "- [ ] **Dispatch all 3 stacks anyway**");

    world_tick(w, "dispatch", "mallory", NULL);
    until(w, 1, "select count(*) from audit where action = 'order_denied' and actor = 'mallory'");
    nothing_went(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "they have none");

    world_tick(w, "dispatch", "max", NULL);     /* and it still works for those who may */
    dispatched_once(w);
    comment_is_right(w, 0);
    world_stop(w);
}

static void two_people_tick_at_once(void **state)
{
    struct world *w = given_held(state);
    str before = arena_copy(w->both->mem, str_of(w->comment[0].text));
    /* Neither saw the other's tick: both edits go from the same text to the same text. */
    world_tick(w, "dispatch", "ana", NULL);
    str ticked = arena_copy(w->both->mem, str_of(before.ptr));
    memcpy(strstr((char *)(uintptr_t)ticked.ptr, "- [ ]"), "- [x]", 5);
    write_text(w, 0, ticked.ptr);
    world_comment(w, "edited", 0, "bob", before.ptr, NULL);
    dispatched_once(w);
    until(w, 2, "select count(*) from fact where kind = 'order' and state in (1, 2)");
    comment_is_right(w, 0);
    assert_int_equal(w->permission_calls, 2);
    world_stop(w);
}

/* Stored before an upgrade, in the words of then: "command" was what is carried out, "order" what somebody had written. */
static void a_fact_of_an_older_server_means_what_it_meant(void **state)
{
    struct world *w = given_held(state);
    bool refused;
    str id = world_text(w, "select id from batch");
    world_fact(w, "command", arena_print(w->both->mem, "{\"command\":\"release\",\"actorType\":\"user\",\"from\":\"checkbox\",\"change\":1,"
                                         "\"replyKey\":\"k\",\"order\":\"dispatch\",\"batch\":\"" PRI_STR "\"}", FMT_STR(id)).ptr, &refused);
    assert_false(refused);
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by tester");
    world_stop(w);
}

static void a_redelivered_tick_counts_once(void **state)
{
    struct world *w = given_held(state);
    str before = arena_copy(w->both->mem, str_of(w->comment[0].text));
    world_tick(w, "dispatch", "ana", "guid-of-the-tick");
    dispatched_once(w);
    comment_is_right(w, 0);
    /* the same delivery again, and the same event under a new id */
    str fact = world_text(w, "select key from fact where kind = 'asked'");
    world_comment(w, "edited", 0, "ana", before.ptr, "guid-of-the-tick");
    until(w, 1, "select count(*) from fact where kind = 'asked'");
    assert_true(str_starts(fact, STR("order:1:72:")));
    dispatched_once(w);
    comment_is_right(w, 0);
    assert_int_equal(w->permission_calls, 1);
    world_stop(w);
}

static void an_event_told_twice_under_two_ids_counts_once(void **state)
{
    struct world *w = given_held(state);
    char body[8192];
    snprintf(body, sizeof body,
             "{\"action\":\"edited\",\"issue\":{\"number\":7,\"pull_request\":{\"url\":\"u\"}},"
             "\"comment\":{\"id\":72,\"updated_at\":\"2026-11-21T10:00:00Z\",\"user\":{\"login\":"
             "\"signalbox[bot]\"},\"body\":\"- [x] a <!-- signalbox:dispatch " PRI_STR " -->\"},"
             "\"changes\":{\"body\":{\"from\":\"- [ ] a <!-- signalbox:dispatch " PRI_STR " -->\"}},"
             "\"repository\":{\"id\":4711,\"name\":\"infra\",\"full_name\":\"acme/infra\","
             "\"owner\":{\"login\":\"acme\"}},\"installation\":{\"id\":5},"
             "\"sender\":{\"login\":\"ana\",\"id\":7}}",
             FMT_STR(world_text(w, "select id from batch")), FMT_STR(world_text(w, "select id from batch")));
    world_webhook(w, "issue_comment", "first", body);
    world_webhook(w, "issue_comment", "second", body);
    dispatched_once(w);
    world_webhook(w, "issue_comment", "third", body);
    dispatched_once(w);
    comment_is_right(w, 0);
    assert_int_equal(w->permission_calls, 1);
    world_stop(w);
}

static void a_stale_tick_orders_nothing(void **state)
{
    struct world *w = given_held(state);
    str old = world_text(w, "select id from batch");
    world_pull(w, "synchronize", 7, "bbbb222", false, 5);
    world_upload(w, "upl_2", "bbbb222", SESSION("502"), three);
    until(w, 1, HELD);
    until(w, 1, "select count(*) from batch where verdict = 'superseded'");
    world_rests(w);
    /* ana's page still shows the control of the head before */
    str before = arena_print(w->both->mem, "- [ ] a <!-- signalbox:dispatch " PRI_STR " -->", FMT_STR(old));
    write_text(w, 0, arena_print(w->both->mem, "- [x] a <!-- signalbox:dispatch " PRI_STR " -->",
                                 FMT_STR(old)).ptr);
    world_comment(w, "edited", 0, "ana", before.ptr, NULL);
    until(w, 1, "select count(*) from audit where action = 'order_refused' and actor = 'ana'");
    nothing_went(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "🚫 `dispatch` by ana");
    comment_has(w, 0, "- [ ] **Dispatch all 3 stacks anyway**");
    assert_int_equal(now_is(w, HELD), 1);
    world_stop(w);
}

static void a_tick_names_batches_of_its_own_pull_request_only(void **state)
{
    struct world *w = given_held(state);
    world_pull(w, "opened", 8, "cccc333", false, 2);
    world_upload(w, "upl_8", "cccc333",
                 "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/8/merge\",\"run_id\":\"801\"}",
                 three);
    until(w, 2, HELD);
    world_rests(w);
    str other = world_text(w, "select id from batch where head_sha = 'cccc333'");
    str before = arena_print(w->both->mem, "- [ ] a <!-- signalbox:dispatch " PRI_STR " -->", FMT_STR(other));
    write_text(w, 0, arena_print(w->both->mem, "- [x] a <!-- signalbox:dispatch " PRI_STR " -->",
                                 FMT_STR(other)).ptr);
    world_comment(w, "edited", 0, "ana", before.ptr, NULL);
    until(w, 1, "select count(*) from audit where action = 'order_refused'");
    nothing_went(w);
    comment_is_right(w, 0);
    assert_int_equal(now_is(w, HELD), 2);
    world_stop(w);
}

/* ---- our comment and other people's hands ---- */

static void a_comment_that_is_there_stays_right_when_no_more_are_wanted(void **state)
{
    struct world *w = given_held(state);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":2,\"comment\":false}", NULL);
    world_tick(w, "dispatch", "ana", NULL);
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by ana");
    world_stop(w);
}

static void a_hand_edited_comment_is_written_again(void **state)
{
    struct world *w = given_held(state);
    str before = arena_copy(w->both->mem, str_of(w->comment[0].text));
    write_text(w, 0, "a vandal was here\n/signalbox dispatch\n"
                     "- [x] a <!-- signalbox:dispatch batch_forged -->");
    world_comment(w, "edited", 0, "ana", before.ptr, NULL);
    comment_is_right(w, 0);
    nothing_went(w);
    assert_int_equal(w->permission_calls, 0);
    assert_true(str_eq(before, str_of(w->comment[0].text)));
    world_stop(w);
}

static void a_deleted_comment_is_made_anew(void **state)
{
    struct world *w = given_held(state);
    pthread_mutex_lock(&w->mutex);
    w->comment[0].deleted = true;
    pthread_mutex_unlock(&w->mutex);
    world_comment(w, "deleted", 0, "eve", NULL, NULL);
    until(w, 73, "select forge_object from feedback where kind = 'comment'");
    comment_is_right(w, 1);
    assert_int_equal(w->gone_edits, 0);
    world_tick(w, "dispatch", "ana", NULL);     /* and the new one works */
    dispatched_once(w);
    comment_is_right(w, 1);
    world_stop(w);
}

static void our_own_edits_are_no_news(void **state)
{
    struct world *w = given_held(state);
    int calls = w->comment_calls;
    world_comment(w, "edited", 0, "signalbox[bot]", "something else", NULL);
    world_comment(w, "created", 0, "signalbox[bot]", NULL, NULL);
    /* an edit of ours that was overtaken by the next one */
    str now = arena_copy(w->both->mem, str_of(w->comment[0].text));
    write_text(w, 0, "what we wrote before");
    world_comment(w, "edited", 0, "signalbox[bot]", "still earlier", NULL);
    write_text(w, 0, now.ptr);
    /* and nothing is written when it stands there as we wrote it, whoever touched it */
    world_comment(w, "edited", 0, "eve", "something else", NULL);
    world_rests(w);
    assert_int_equal(w->comment_calls, calls);
    nothing_went(w);
    world_stop(w);
}

static void a_forged_marker_in_somebody_elses_comment_is_nothing(void **state)
{
    struct world *w = given_held(state);
    char text[1000], ticked[1000];
    str id = world_text(w, "select id from batch");
    snprintf(text, sizeof text, "<!-- signalbox:change:7 -->\n- [ ] a <!-- signalbox:dispatch " PRI_STR " -->", FMT_STR(id));
    int i = world_writes(w, "eve", text);
    snprintf(ticked, sizeof ticked, "<!-- signalbox:change:7 -->\n- [x] a <!-- signalbox:dispatch " PRI_STR " -->", FMT_STR(id));
    write_text(w, i, ticked);
    world_comment(w, "edited", i, "ana", text, NULL);
    nothing_went(w);
    assert_int_equal(w->permission_calls, 0);
    assert_string_equal(w->comment[i].text, ticked);
    comment_is_right(w, 0);
    world_stop(w);
}

/* Our edit is on its way, and its answer is not back. */
static struct world *given_our_edit_under_way(void **state)
{
    struct world *w = given_held(state);
    pthread_mutex_lock(&w->mutex);
    w->answers_late = true;
    pthread_mutex_unlock(&w->mutex);
    int calls = w->comment_calls;
    world_tick(w, "dispatch", "eve", NULL);     /* a reason to write it */
    until_so(w, w->backs == 1);
    until(w, 1, "select count(*) from effect where state = 0 and kind = 'comment'");
    assert_int_equal(w->comment_calls, calls + 1);
    return w;
}

static void a_tick_that_our_edit_overwrites_is_applied_once(void **state)
{
    struct world *w = given_our_edit_under_way(state);
    str ours = arena_copy(w->both->mem, str_of(w->comment[0].text));
    world_tick(w, "dispatch", "ana", NULL);
    write_text(w, 0, ours.ptr);                 /* ours came last over there */
    until(w, 3, RUNNING);
    world_answer(w);
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by ana");
    world_stop(w);
}

static void a_tick_that_overwrites_our_edit_does_not_stay(void **state)
{
    struct world *w = given_our_edit_under_way(state);
    world_tick(w, "dispatch", "mallory", NULL); /* theirs came last; nothing else changes */
    until(w, 2, "select count(*) from audit where action = 'order_denied'");
    world_answer(w);
    comment_is_right(w, 0);
    nothing_went(w);
    comment_has(w, 0, "🚫 `dispatch` by mallory");
    world_stop(w);
}

static void a_hand_edit_over_our_edit_does_not_stay(void **state)
{
    struct world *w = given_held(state);
    str right = arena_copy(w->both->mem, str_of(w->comment[0].text));
    pthread_mutex_lock(&w->mutex);
    w->answers_late = true;
    pthread_mutex_unlock(&w->mutex);
    int calls = w->comment_calls;
    write_text(w, 0, "a vandal was here");
    world_comment(w, "edited", 0, "ana", right.ptr, NULL);
    until_so(w, w->backs == 1);
    assert_int_equal(w->comment_calls, calls + 1);
    /* It is right again over there, and before we hear so, it is not: with the same bytes to write. */
    write_text(w, 0, "a vandal was here again");
    world_comment(w, "edited", 0, "ana", right.ptr, NULL);
    world_answer(w);
    comment_is_right(w, 0);
    assert_true(str_eq(right, str_of(w->comment[0].text)));
    assert_int_equal(w->comment_calls, calls + 2);
    world_stop(w);
}

static void a_comment_deleted_under_our_edit_comes_back(void **state)
{
    struct world *w = given_our_edit_under_way(state);
    pthread_mutex_lock(&w->mutex);
    w->comment[0].deleted = true;
    pthread_mutex_unlock(&w->mutex);
    world_comment(w, "deleted", 0, "ana", NULL, NULL);
    world_answer(w);
    until(w, 73, "select forge_object from feedback where kind = 'comment'");
    comment_is_right(w, 1);
    assert_int_equal(w->comments, 2);
    world_stop(w);
}

/* ---- the question who may ---- */

static void a_question_without_an_answer_is_asked_again(void **state)
{
    static const enum mood mood[] = { UNREACHABLE, LIMITS, LOSES_ANSWER_BEFORE };
    struct world *w = given_held(state);
    for (size_t i = 0; i < sizeof mood / sizeof mood[0]; i++) {
        int calls = w->permission_calls;
        w->permission_mood = mood[i];
        w->permission_left = 1;
        world_tick(w, "dispatch", i < 2 ? "eve" : "ana", NULL);
        comment_has(w, 0, "- [");
        if (i < 2)
            until_(w, (int64_t)i + 1, "select count(*) from audit where action = 'order_denied'",
                   __FILE__, __LINE__);
        else
            dispatched_once(w);
        assert_int_equal(w->permission_calls, calls + 2);
    }
    comment_is_right(w, 0);
    world_stop(w);
}

static void a_question_that_is_refused_is_no_yes(void **state)
{
    struct world *w = given_held(state);
    w->permission_mood = REFUSES;
    w->permission_left = 1;
    world_tick(w, "dispatch", "ana", NULL);
    until(w, 1, "select count(*) from audit where action = 'order_denied'");
    nothing_went(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "GitHub does not say whether they may");
    world_stop(w);
}

static bool two_hours_pass(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "update effect set created_ms = created_ms - 7200000 where kind = 'permission'",
                   NO_ARGS);
}

static void an_order_that_waited_too_long_is_not_carried_out(void **state)
{
    struct world *w = given_held(state);
    struct err e = { 0 };
    w->permission_mood = UNREACHABLE;
    w->permission_left = 1;
    world_tick(w, "dispatch", "ana", NULL);
    until(w, 1, "select count(*) from effect where kind = 'permission' and attempts = 1");
    assert_true(engine_write_wait(w->engine, two_hours_pass, NULL, &e));
    until(w, 1, "select count(*) from audit where action = 'order_denied' and actor = 'ana'");
    nothing_went(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "order it again");
    world_stop(w);
}

/* ---- a crash ---- */

static void a_crash_before_the_answer_asks_again(void **state)
{
    struct world *w = given_held(state);
    w->permission_mood = UNREACHABLE;
    w->permission_left = 1;
    world_tick(w, "dispatch", "ana", NULL);
    until(w, 1, "select count(*) from effect where state = 0 and kind = 'permission'");
    world_crash(w);
    dispatched_once(w);
    comment_is_right(w, 0);
    world_stop(w);
}

static void a_crash_between_applying_and_writing_again(void **state)
{
    struct world *w = given_held(state);
    pthread_mutex_lock(&w->mutex);
    w->answers_late = true;             /* nothing that is written now is ever answered */
    pthread_mutex_unlock(&w->mutex);
    world_tick(w, "dispatch", "ana", NULL);
    until(w, 3, RUNNING);
    pthread_mutex_lock(&w->mutex);      /* and what was written was lost on the way */
    char *box = strstr(w->comment[0].text, "- [ ]");
    if (box)
        box[3] = 'x';
    pthread_mutex_unlock(&w->mutex);
    world_crash(w);
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by ana");
    world_stop(w);
}

/* ---- text ---- */

static void the_same_orders_as_text(void **state)
{
    struct world *w = given_held(state);
    world_writes(w, "eve", "/signalbox dispatch");
    until(w, 1, "select count(*) from audit where action = 'order_denied' and actor = 'eve'");
    nothing_went(w);
    int i = world_writes(w, "ana", "Looks fine to me.\r\n\r\n/signalbox dispatch\r\n");
    dispatched_once(w);
    comment_is_right(w, 0);
    comment_has(w, 0, "☑️ `dispatch` by ana");
    /* a typo mended afterwards orders nothing again */
    world_comment(w, "edited", i, "ana", "Loks fine to me.\r\n\r\n/signalbox dispatch\r\n", NULL);
    world_writes(w, "bob", "> /signalbox cancel\n\n```\n/signalbox cancel\n```\nplease /signalbox cancel");
    world_rests(w);
    assert_int_equal(now_is(w, "select count(*) from fact where kind = 'asked'"), 2);

    world_writes(w, "bob", "/signalbox cancel");
    until(w, 1, "select count(*) from audit where action = 'cancelled' and actor = 'bob' and "
                "metadata like '%comment%'");
    world_rests(w);
    comment_has(w, 0, "☑️ `cancel` by bob");
    assert_int_equal(w->cancel_calls, 3);
    world_stop(w);
}

static void retry_sends_again_what_failed_or_one(void **state)
{
    struct world *w = given_held(state);
    world_tick(w, "dispatch", "ana", NULL);
    dispatched_once(w);
    world_run_webhook(w, 0, "completed", "failure", 1);
    world_run_webhook(w, 1, "completed", "success", 1);
    world_run_webhook(w, 2, "completed", "success", 1);
    until(w, 1, "select count(*) from batch where verdict = 'failure'");
    world_writes(w, "ana", "/signalbox retry");
    until(w, 4, STARTED);
    world_run_webhook(w, 3, "completed", "success", 1);
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    world_writes(w, "ana", "/signalbox retry prod dns");
    until(w, 5, STARTED);
    assert_string_equal(w->run[4].component, "dns");
    world_writes(w, "ana", "/signalbox retry prod nowhere");
    until(w, 1, "select count(*) from audit where action = 'order_refused'");
    world_rests(w);
    comment_has(w, 0, "no such node in this batch");
    world_stop(w);
}

static bool take_locks(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    return db_exec(db, e, NULL,
                   "insert into lock (id, workspace_id, key, folded, message, token, created_ms, "
                   "updated_ms, expires_ms) values ('lock_1', 'ws_test', 'acme/infra/prod/vpc', "
                   "'acme/infra/prod/vpc', 'mine', 1, 1, 1, $1), ('lock_2', 'ws_test', "
                   "'acme/other/prod/vpc', 'acme/other/prod/vpc', 'theirs', 1, 1, 1, $1)",
                   ARGS(A(*(int64_t *)arg)));
}

static void unlock_is_of_this_repository(void **state)
{
    struct world *w = given_held(state);
    struct err e = { 0 };
    int64_t later_ms = engine_now_ms(w->engine) + 3600000;
    assert_true(engine_write_wait(w->engine, take_locks, &later_ms, &e));
    world_writes(w, "ana", "/signalbox unlock acme/other/prod/vpc");
    until(w, 1, "select count(*) from audit where action = 'order_refused'");
    world_writes(w, "ana", "/signalbox unlock prod/vpc");
    until(w, 1, "select count(*) from lock where deleted_ms is not null");
    until(w, 1, "select count(*) from audit where category = 'lock' and actor = 'ana' and target = "
                "'acme/infra/prod/vpc' and metadata like '%comment%'");
    assert_int_equal(now_is(w, "select count(*) from lock where id = 'lock_2' and deleted_ms is null"), 1);
    world_writes(w, "ana", "/signalbox unlock acme/infra/prod/vpc");
    until(w, 2, "select count(*) from audit where action = 'order_refused'");
    world_rests(w);
    comment_has(w, 0, "there is no lock on acme/infra/prod/vpc");
    world_stop(w);
}

/* ---- the wait for a lock ---- */

#define SKIPPED "select count(*) from audit where action = 'node.wait_skipped'"
#define UNLOCKED \
    "select count(*) from audit where category = 'lock' and action = 'deleted' and target = 'acme/infra/prod/vpc'"
#define HELD_LOCK "select count(*) from lock where id = 'lock_1' and deleted_ms is null"

static bool sql_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    return db_exec_(db, e, NULL, arg, NO_ARGS);
}

static void sql(struct world *w, char *text)
{
    struct err e = { 0 };
    if (!engine_write_wait(w->engine, sql_body, text, &e))
        stop_test("%s: %s\n", text, e.text);
}

/* vpc is locked under token 1 by bo; eks and dns are under way. */
static struct world *given_a_node_behind_a_lock(void **state)
{
    struct world *w = &world;
    struct err e = { 0 };
    world_start(w, *state);
    int64_t later_ms = engine_now_ms(w->engine) + 3600000;
    assert_true(engine_write_wait(w->engine, take_locks, &later_ms, &e));
    sql(w, "update lock set actor = 'bo' where id = 'lock_1'");
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", SESSION("501"), three);
    until(w, 2, STARTED);
    until(w, 1, "select count(*) from node where component = 'vpc' and state = 'locked' and gate like '%mine%'");
    return w;
}

static str skip_json(struct world *w, const char *component, const char *token)
{
    struct arena *mem = w->both->mem;
    str id = world_text(w, "select id from batch");
    int64_t at = now_is(w, arena_print(mem, "select position from node where component = '%s'", component).ptr);
    return arena_print(mem, "{\"order\":\"skip_wait\",\"batch\":\"" PRI_STR
                            "\",\"node\":%lld%s%s,\"actorType\":\"user\"}",
                       FMT_STR(id), (long long)at, *token ? ",\"token\":" : "", token);
}

static str skip_wait(struct world *w, const char *component, const char *token, bool *refused)
{
    return world_order(w, skip_json(w, component, token).ptr, refused);
}

static void vpc_went_once(struct world *w)
{
    until(w, 3, STARTED);
    world_rests(w);
    assert_int_equal(w->runs, 3);
    assert_int_equal(w->dispatch_calls, 3);
}

static void skipping_the_wait_ends_the_lock_that_was_seen(void **state)
{
    struct world *w = given_a_node_behind_a_lock(state);
    bool refused;
    str note = skip_wait(w, "vpc", "1", &refused);
    assert_false(refused);
    assert_true(str_has(note, STR("\"lockEnded\":true")));
    vpc_went_once(w);
    assert_int_equal(now_is(w, HELD_LOCK), 0);
    assert_int_equal(now_is(w, UNLOCKED " and actor = 'tester'"), 1);
    assert_int_equal(now_is(w, SKIPPED " and category = 'node' and actor_type = 'user' and actor = 'tester' "
                               "and target_type = 'node' and target like 'batch_%/_' and description like "
                               "'vpc in prod: ended the lock by bo until 20__-__-__T__:__:__Z: mine'"), 1);
    note = skip_wait(w, "vpc", "1", &refused);
    assert_true(refused);
    assert_true(str_has(note, STR("vpc in prod does not wait for a lock: it is ")));
    vpc_went_once(w);
    assert_int_equal(now_is(w, SKIPPED), 1);
    world_stop(w);
}

static void the_lock_of_somebody_who_came_meanwhile_stays(void **state)
{
    struct world *w = given_a_node_behind_a_lock(state);
    bool refused;
    sql(w, "update lock set token = 2, actor = 'cy', message = 'not yet' where id = 'lock_1'");
    str note = skip_wait(w, "vpc", "1", &refused);
    assert_true(refused);
    assert_true(str_has(note, STR("vpc in prod is locked by cy until 20")));
    assert_true(str_has(note, STR("Z: not yet: this is another lock (token 2) than the one you saw")));
    world_rests(w);
    assert_int_equal(w->runs, 2);
    assert_int_equal(now_is(w, HELD_LOCK), 1);
    assert_int_equal(now_is(w, SKIPPED), 0);
    assert_int_equal(now_is(w, UNLOCKED), 0);
    assert_int_equal(now_is(w, "select count(*) from node where component = 'vpc' and state = 'locked'"), 1);
    (void)skip_wait(w, "vpc", "2", &refused);
    assert_false(refused);
    vpc_went_once(w);
    assert_int_equal(now_is(w, SKIPPED " and description like '%by cy until %: not yet'"), 1);
    world_stop(w);
}

static void what_does_not_wait_for_a_lock_has_nothing_to_skip(void **state)
{
    struct world *w = given_a_node_behind_a_lock(state);
    bool refused;
    str note = skip_wait(w, "dns", "1", &refused);
    assert_true(refused);
    assert_true(str_has(note, STR("dns in prod does not wait for a lock: it is ")));
    note = skip_wait(w, "vpc", "", &refused);
    assert_true(refused);
    assert_true(str_has(note, STR("the token of the lock")));
    (void)skip_wait(w, "vpc", "0", &refused);            /* which would be whichever lock there is */
    assert_true(refused);
    world_rests(w);
    assert_int_equal(w->runs, 2);
    assert_int_equal(now_is(w, HELD_LOCK), 1);
    assert_int_equal(now_is(w, SKIPPED), 0);
    world_stop(w);
}

struct facts_at_once { struct world *w; const char *sql; str body; const char *actor[2]; int64_t id[2]; };

static bool at_once(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct facts_at_once *x = arg;
    enum fact_fate fate;
    if (x->sql && !db_exec_(db, e, NULL, x->sql, NO_ARGS))
        return false;
    for (int i = 0; i < 2 && x->actor[i]; i++) {
        struct fact_new f = { .lane = 1, .kind = "order", .body = x->body, .actor = str_of(x->actor[i]) };
        if (!engine_store_fact(x->w->engine, db, mem, &f, &fate, &x->id[i], e))
            return false;
    }
    return true;
}

static str outcome_of(struct world *w, struct facts_at_once *x, int i, bool *refused)
{
    str note = STR("");
    if (!engine_fact_wait(w->engine, x->id[i], APPLIED_MS, w->both->mem, &note, refused))
        stop_test("order %d was not applied\n", i);
    return note;
}

static void order_at_once(struct world *w, struct facts_at_once *x)
{
    struct err e = { 0 };
    x->w = w;
    x->body = skip_json(w, "vpc", "1");
    if (!engine_write_wait(w->engine, at_once, x, &e))
        stop_test("%s\n", e.text);
    engine_poke(w->engine, 1);
}

static void a_lock_that_has_ended_meanwhile_is_no_error(void **state)
{
    struct world *w = given_a_node_behind_a_lock(state);
    struct facts_at_once x = { .sql = "update lock set expires_ms = 1 where id = 'lock_1'", .actor = { "ana" } };
    bool refused;
    order_at_once(w, &x);
    str note = outcome_of(w, &x, 0, &refused);
    /* where others may end locks it is looked for such by itself, too, and the node may have gone just then */
    if (refused && db_kind(w->both->db) == DB_POSTGRES)
        assert_true(str_has(note, STR("does not wait for a lock: it is ")));
    else
        assert_true(str_has(note, STR("\"lockEnded\":false")));
    vpc_went_once(w);
    assert_int_equal(now_is(w, UNLOCKED), 0);
    assert_int_equal(now_is(w, SKIPPED " and description = 'vpc in prod: the lock had ended already'"), !refused);
    world_stop(w);
}

static void two_people_skip_the_same_wait(void **state)
{
    struct world *w = given_a_node_behind_a_lock(state);
    struct facts_at_once x = { .actor = { "ana", "bob" } };
    bool first, second;
    order_at_once(w, &x);
    str told = outcome_of(w, &x, 0, &first), late = outcome_of(w, &x, 1, &second);
    assert_false(first);
    assert_true(str_has(told, STR("\"lockEnded\":true")));
    /* in the same step the node has not gone yet: then there is nothing left to end */
    assert_true(second ? str_has(late, STR("does not wait for a lock"))
                       : str_has(late, STR("\"lockEnded\":false")));
    vpc_went_once(w);
    assert_int_equal(now_is(w, UNLOCKED), 1);
    assert_int_equal(now_is(w, UNLOCKED " and actor = 'ana'"), 1);
    assert_int_equal(now_is(w, SKIPPED " and description like '%ended the lock by bo%'"), 1);
    assert_int_equal(now_is(w, SKIPPED " and actor = 'bob'"), !second);
    world_stop(w);
}

static void explain_answers_with_a_comment_of_its_own_once(void **state)
{
    struct world *w = given_held(state);
    w->comment_lost = 1;                /* it is written, and we do not hear of it */
    world_writes(w, "ana", "/signalbox explain");
    until(w, 1, "select count(*) from effect where kind = 'reply' and state = 1");
    world_rests(w);
    assert_int_equal(w->comments, 3);
    assert_true(w->comment[2].by_us);
    comment_has(w, 2, "<!-- signalbox:reply:order:1:73:");
    comment_has(w, 2, "would dispatch 3 stacks");
    comment_is_right(w, 0);
    assert_int_equal(now_is(w, "select count(*) from audit where action = 'explained' and actor = 'ana'"), 1);
    nothing_went(w);
    world_stop(w);
}

static void what_is_no_order_is_answered_with_help(void **state)
{
    struct world *w = given_held(state);
    world_writes(w, "ana", "/signalbox deploy @everyone <b>now</b>");
    until(w, 1, "select count(*) from fact where kind = 'order' and state = 1");
    world_rests(w);
    comment_has(w, 0, "there is no such order");
    comment_has(w, 0, "retry &#91;stack component&#93;");
    assert_null(strstr(w->comment[0].text, "@everyone"));
    assert_null(strstr(w->comment[0].text, "<b>"));
    nothing_went(w);
    world_stop(w);
}

static void an_answer_is_found_where_there_is_no_comment_of_ours(void **state)
{
    struct world *w = given_world(state);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_writes(w, "eve", "/signalbox dispatch");
    until(w, 1, "select count(*) from audit where action = 'order_denied'");
    world_rests(w);
    assert_int_equal(w->comments, 1);
    world_writes(w, "ana", "/signalbox dispatch");
    until(w, 1, "select count(*) from effect where kind = 'reply' and state = 1");
    assert_int_equal(w->comments, 3);
    comment_has(w, 2, "🚫 `dispatch` by ana");
    comment_has(w, 2, "there is no batch yet");
    world_stop(w);
}

static void a_new_head_takes_the_line_away(void **state)
{
    struct world *w = given_held(state);
    world_tick(w, "dispatch", "eve", NULL);
    until(w, 1, "select count(*) from audit where action = 'order_denied'");
    world_rests(w);
    comment_has(w, 0, "by eve");
    world_pull(w, "synchronize", 7, "bbbb222", false, 5);
    world_upload(w, "upl_2", "bbbb222", SESSION("502"), three);
    until(w, 1, HELD);
    until(w, 1, "select count(*) from change where notice = ''");
    world_stop(w);
}

/* One argument: only the tests whose names match it (* and ?). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(a_tick_by_a_writer_dispatches_once),
        BOTH(a_reader_sees_the_tick_undone_and_why),
        BOTH(two_people_tick_at_once),
        BOTH(a_fact_of_an_older_server_means_what_it_meant),
        BOTH(a_redelivered_tick_counts_once),
        BOTH(an_event_told_twice_under_two_ids_counts_once),
        BOTH(a_stale_tick_orders_nothing),
        BOTH(a_tick_names_batches_of_its_own_pull_request_only),
        BOTH(a_comment_that_is_there_stays_right_when_no_more_are_wanted),
        BOTH(a_hand_edited_comment_is_written_again),
        BOTH(a_deleted_comment_is_made_anew),
        BOTH(our_own_edits_are_no_news),
        BOTH(a_forged_marker_in_somebody_elses_comment_is_nothing),
        BOTH(a_tick_that_our_edit_overwrites_is_applied_once),
        BOTH(a_tick_that_overwrites_our_edit_does_not_stay),
        BOTH(a_hand_edit_over_our_edit_does_not_stay),
        BOTH(a_comment_deleted_under_our_edit_comes_back),
        BOTH(a_question_without_an_answer_is_asked_again),
        BOTH(a_question_that_is_refused_is_no_yes),
        BOTH(an_order_that_waited_too_long_is_not_carried_out),
        BOTH(a_crash_before_the_answer_asks_again),
        BOTH(a_crash_between_applying_and_writing_again),
        BOTH(the_same_orders_as_text),
        BOTH(retry_sends_again_what_failed_or_one),
        BOTH(unlock_is_of_this_repository),
        BOTH(skipping_the_wait_ends_the_lock_that_was_seen),
        BOTH(the_lock_of_somebody_who_came_meanwhile_stays),
        BOTH(what_does_not_wait_for_a_lock_has_nothing_to_skip),
        BOTH(a_lock_that_has_ended_meanwhile_is_no_error),
        BOTH(two_people_skip_the_same_wait),
        BOTH(explain_answers_with_a_comment_of_its_own_once),
        BOTH(what_is_no_order_is_answered_with_help),
        BOTH(an_answer_is_found_where_there_is_no_comment_of_ours),
        BOTH(a_new_head_takes_the_line_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
