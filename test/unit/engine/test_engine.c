/*
 * The engine as a specification: what comes in, what goes out, what is never lost and never done
 * twice. On both databases.
 */
#include "world.h"

#include <stdatomic.h>
#include <string.h>

#include "base/pack.h"

static struct world world;

#define GIVEN(w) struct world *w = &world; world_start(w, *state)

#define RUNNING "select count(*) from node where state in ('queued', 'running')"

/* A node is queued when its row says so; the call leaves after that. */
static void runs_are(struct world *w, int want)
{
    until_so(w, w->runs - w->before >= want);
    assert_int_equal(w->runs - w->before, want);
}

static int run_of(struct world *w, const char *component)
{
    for (int try = 0; try < UNTIL_TRIES; try++) {
        for (int i = w->runs; i-- > w->before;)
            if (!strcmp(w->run[i].component, component))
                return i;
        world_moment();
    }
    stop_test("no run for %s\n", component);
    return -1;
}

static void finish(struct world *w, const char *component, const char *conclusion)
{
    world_run_webhook(w, run_of(w, component), "completed", conclusion, 1);
}

static void open_and_upload(struct world *w)
{
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, world_chain);
}

/* Planned before, merged now: the roots of the apply are under way. */
static void merge_and_upload(struct world *w)
{
    open_and_upload(w);
    until(w, 2, RUNNING);
    finish(w, "vpc", "success");
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    finish(w, "eks", "success");
    until(w, 1, "select count(*) from node where component = 'app' and state = 'queued'");
    finish(w, "app", "success");
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    w->before = w->runs;
    world_pull(w, "closed", 7, "aaaa111", true, 2);
    world_upload(w, "upl_2", "aaaa111", world_merge_session, world_chain);
    until(w, 2, RUNNING);
    assert_string_equal(w->run[w->before].file, "apply.yaml");
}

static void plans_go_out_in_dependency_order(void **state)
{
    GIVEN(w);
    open_and_upload(w);
    until(w, 2, RUNNING);                               /* vpc and dns: the roots */
    runs_are(w, 2);
    assert_string_equal(w->run[0].component, "vpc");    /* the longest path first */
    finish(w, "vpc", "success");
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    runs_are(w, 3);
    finish(w, "eks", "success");
    until(w, 1, "select count(*) from node where component = 'app' and state = 'queued'");
    finish(w, "app", "success");
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from batch where state = 'ended' and verdict = 'success'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"success\""));
    assert_non_null(strstr(w->last_comment, "4 succeeded"));
    world_stop(w);
}

static void the_upload_may_come_before_the_event(void **state)
{
    GIVEN(w);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, world_chain);
    assert_int_equal(w->runs, 0);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    until(w, 2, RUNNING);
    world_stop(w);
}

static void a_delivery_that_comes_twice_counts_once(void **state)
{
    GIVEN(w);
    open_and_upload(w);
    until(w, 2, RUNNING);
    world_pull(w, "opened", 7, "aaaa111", false, 1);    /* a new delivery id, the same event */
    until(w, 1, "select count(*) from batch");
    runs_are(w, 2);
    world_stop(w);
}

static void applies_stop_behind_a_failure_and_go_on_after_a_rerun(void **state)
{
    GIVEN(w);
    bool refused;
    merge_and_upload(w);
    finish(w, "vpc", "failure");
    until(w, 2, "select count(*) from node where state = 'skipped'");
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from batch where verdict = 'failure'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"failure\""));

    str id = world_text(w, "select id from batch where activity = 'merged'");
    str note = world_order(
        w,
        arena_print(w->both->mem, "{\"order\":\"retry\",\"batch\":\"" PRI_STR "\"}", FMT_STR(id))
            .ptr,
        &refused);
    assert_false(refused);
    assert_non_null(strstr(arena_copy(w->both->mem, note).ptr, "\"again\":1"));
    until(w, 7, "select count(*) from run where forge_run_id is not null");
    finish(w, "vpc", "success");
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    finish(w, "eks", "success");
    until(w, 1, "select count(*) from node where component = 'app' and state = 'queued'");
    finish(w, "app", "success");
    until(w, 2, "select count(*) from batch where verdict = 'success'");
    world_stop(w);
}

static void a_lost_answer_never_makes_a_second_run(void **state)
{
    GIVEN(w);
    w->mood = LOSES_ANSWER_AFTER;
    w->mood_left = 2;
    open_and_upload(w);
    until(w, 2, RUNNING);
    assert_int_equal(w->dispatch_calls, 2);
    runs_are(w, 2);
    assert_true(w->find_calls >= 2);
    world_stop(w);
}

static void a_dispatch_that_never_arrived_is_sent_again_under_the_same_id(void **state)
{
    GIVEN(w);
    w->mood = LOSES_ANSWER_BEFORE;
    w->mood_left = 1;
    open_and_upload(w);
    until(w, 2, RUNNING);
    runs_are(w, 2);
    assert_int_equal(w->dispatch_calls, 3);
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

/* Cancelled while its run is looked for: there is none, and there will be none. */
static void what_is_cancelled_while_it_is_looked_for_is_not_sent_again(void **state)
{
    GIVEN(w);
    bool refused;
    w->mood = LOSES_ANSWER_BEFORE;
    w->mood_left = 2;
    open_and_upload(w);
    until_so(w, w->dispatch_calls == 2);
    str id = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}",
                                 FMT_STR(id)).ptr, &refused);
    assert_false(refused);
    until(w, 4, "select count(*) from node where state = 'cancelled' and error_code = ''");
    until(w, 1, "select count(*) from batch where verdict = 'cancelled'");
    until(w, 0, "select count(*) from run");
    assert_int_equal(w->dispatch_calls, 2);
    assert_int_equal(w->runs, 0);
    world_stop(w);
}

static void what_is_superseded_while_it_is_looked_for_is_not_sent_again(void **state)
{
    GIVEN(w);
    w->mood = LOSES_ANSWER_BEFORE;
    w->mood_left = 2;
    open_and_upload(w);
    until_so(w, w->dispatch_calls == 2);
    world_pull(w, "synchronize", 7, "bbbb222", false, 5);
    until(w, 4, "select count(*) from node where state = 'superseded'");
    assert_int_equal(w->dispatch_calls, 2);
    assert_int_equal(w->runs, 0);
    world_stop(w);
}

static const char *const wide = "[" WORLD_NODE("a", "") "," WORLD_NODE("b", "") "," WORLD_NODE("c", "") "," WORLD_NODE(
    "d", "") "," WORLD_NODE("e", "") "," WORLD_NODE("f", "") "," WORLD_NODE("g", "") "," WORLD_NODE("h", "") "]";

/*
 * Their answers come together, while others of them are due to be looked for: each is sent by one
 * of both.
 */
static void many_dispatches_that_never_arrived_are_each_sent_again_once(void **state)
{
    GIVEN(w);
    w->mood = LOSES_ANSWER_BEFORE;
    w->mood_left = 8;
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, wide);
    until(w, 8, RUNNING);
    runs_are(w, 8);
    assert_int_equal(w->dispatch_calls, 16);
    world_stop(w);
}

static void an_unreachable_forge_is_tried_again(void **state)
{
    GIVEN(w);
    w->mood = UNREACHABLE;
    w->mood_left = 2;
    open_and_upload(w);
    until(w, 2, RUNNING);
    runs_are(w, 2);
    until(w, 2, "select count(*) from run");
    world_stop(w);
}

static void a_limit_is_waited_out(void **state)
{
    GIVEN(w);
    w->mood = LIMITS;
    w->mood_left = 1;
    open_and_upload(w);
    until(w, 2, RUNNING);
    assert_int_equal(w->dispatch_calls, 3);
    world_stop(w);
}

static void a_refusal_is_an_error_of_that_node_alone(void **state)
{
    GIVEN(w);
    w->mood = REFUSES;
    w->mood_left = 1;
    open_and_upload(w);
    until(w, 1,
          "select count(*) from node where component = 'vpc' and state = 'error' and error_code = "
          "'refused_by_forge'");
    until(w, 1, "select count(*) from node where component = 'dns' and state = 'queued'");
    world_stop(w);
}

static void a_missing_workflow_is_said_clearly(void **state)
{
    GIVEN(w);
    w->workflow_text = NULL;
    open_and_upload(w);
    until(w, 4,
          "select count(*) from node where state = 'error' and error_code = 'workflow_not_found'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_int_equal(w->dispatch_calls, 0);
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"failure\""));
    world_stop(w);
}

static void a_webhook_may_overtake_the_answer(void **state)
{
    GIVEN(w);
    /* the answer is still under way, as far as anyone here knows */
    w->mood = LOSES_ANSWER_AFTER;
    w->mood_left = 1;
    open_and_upload(w);
    until(w, 2, "select count(*) from run");
    finish(w, "vpc", "success");
    until(w, 1, "select count(*) from node where component = 'vpc' and state = 'success'");
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    runs_are(w, 3);
    world_stop(w);
}

static void a_new_head_supersedes_what_has_not_started(void **state)
{
    GIVEN(w);
    open_and_upload(w);
    until(w, 2, RUNNING);
    world_pull(w, "synchronize", 7, "bbbb222", false, 5);
    until(w, 2, "select count(*) from node where state = 'superseded'");
    world_upload(
        w, "upl_3", "bbbb222",
        "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"502\"}",
        world_chain);
    until(w, 2, "select count(*) from batch");
    /* Plans do not stand in each other's way. */
    until(w, 2,
          "select count(*) from node n join batch b on b.seq = n.batch_seq where b.head_sha = "
          "'bbbb222' and n.state = 'queued'");
    world_stop(w);
}

static bool lock_eks(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    int64_t *until_ms = arg;
    return db_exec(db, e, NULL,
                   "insert into lock (id, workspace_id, key, folded, message, actor, token, "
                   "created_ms, updated_ms, expires_ms)"
                   " values ('lock_1', 'ws_test', 'acme/infra/prod/eks', 'acme/infra/prod/eks', "
                   "'hands off', 'bo', 1, 1, 1, $1)",
                   ARGS(A(*until_ms)));
}

static bool unlock_eks(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL, "update lock set deleted_ms = 2 where id = 'lock_1'", NO_ARGS);
}

static bool shorten_eks(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    int64_t *until_ms = arg;
    return db_exec(db, e, NULL, "update lock set expires_ms = $1 where id = 'lock_1'",
                   ARGS(A(*until_ms)));
}

static void lock_and_reach_eks(struct world *w, int64_t until_ms)
{
    struct err e = { 0 };
    assert_true(engine_write_wait(w->engine, lock_eks, &until_ms, &e));
    open_and_upload(w);
    until(w, 2, RUNNING);
    finish(w, "vpc", "success");
    until(w, 1,
          "select count(*) from node where component = 'eks' and state = 'locked' and gate like "
          "'%hands off%'");
    runs_are(w, 2);
}

static void a_lock_holds_back_and_its_release_lets_go(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    lock_and_reach_eks(w, engine_now_ms(w->engine) + 3600000);
    assert_true(engine_write_wait(w->engine, unlock_eks, NULL, &e));
    engine_lock_changed(w->engine, STR("ws_test"), STR("acme/infra/prod/eks"));
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    world_stop(w);
}

static void a_lock_that_expires_lets_go(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    lock_and_reach_eks(w, engine_now_ms(w->engine) + 3600000);
    int64_t soon_ms = engine_now_ms(w->engine) + 300;
    assert_true(engine_write_wait(w->engine, shorten_eks, &soon_ms, &e));
    engine_lock_changed(w->engine, STR("ws_test"), STR("acme/infra/prod/eks"));
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    world_stop(w);
}

static void one_live_apply_per_instance(void **state)
{
    GIVEN(w);
    merge_and_upload(w);
    world_pull(w, "opened", 8, "cccc333", false, 3);
    world_upload(
        w, "upl_3", "cccc333",
        "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/8/merge\",\"run_id\":\"880\"}", "[]");
    world_pull(w, "closed", 8, "cccc333", true, 4);
    world_upload(w, "upl_4", "cccc333",
                 "{\"event_name\":\"pull_request\",\"ref\":\"refs/heads/main\",\"run_id\":\"888\"}",
                 world_chain);
    until(w, 2, "select count(*) from node where state = 'locked' and gate like '%\"run\"%'");
    runs_are(w, 2);
    /* The wait for a run is no lock that somebody could end. */
    bool refused;
    str second = world_text(w, "select id from batch order by seq desc limit 1");
    str skip = arena_print(w->both->mem, "{\"order\":\"skip_wait\",\"batch\":\"" PRI_STR "\",\"node\":%lld,\"token\":1}",
                           FMT_STR(second),
                           (long long)now_is(w, "select min(position) from node where state = 'locked'"));
    assert_true(str_has(world_order(w, skip.ptr, &refused), STR("does not wait for a lock, but for something else")));
    assert_true(refused);
    finish(w, "dns", "success");
    until(w, 3, "select count(*) from run where component = 'dns'");
    /* dns of the second batch; its vpc still waits */
    runs_are(w, 3);
    world_stop(w);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    GIVEN(w);
    open_and_upload(w);
    until(w, 2, RUNNING);
    world_crash(w);
    finish(w, "vpc", "success");
    until(w, 1, "select count(*) from node where component = 'eks' and state = 'queued'");
    world_crash(w);
    finish(w, "eks", "success");
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from node where component = 'app' and state = 'queued'");
    finish(w, "app", "success");
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    runs_are(w, 4);
    assert_int_equal(w->dispatch_calls, 4);
    world_stop(w);
}

/* Wherever the database fails while it starts: the next start finds everything, and goes on. */
static void a_start_that_fails_is_done_again(void **state)
{
    GIVEN(w);
    int faults = 0;
    open_and_upload(w);
    until(w, 2, RUNNING);
    while (world_start_fails(w, faults + 1))
        faults++;
    assert_in_range(faults, 6, 80);
    finish(w, "vpc", "success");
    finish(w, "eks", "success");
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from node where component = 'app' and state = 'queued'");
    runs_are(w, 4);
    assert_int_equal(w->dispatch_calls, 4);
    world_stop(w);
}

static bool event_is_late(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL, "update change_event set expires_ms = 1", NO_ARGS);
}

/* Nothing but the event is open then: no fact, no effect, no batch. */
static bool upload_is_older(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    return db_exec(db, e, NULL, "update upload set received_ms = received_ms - $1",
                   ARGS(A(*(int64_t *)arg)));
}

static bool upload_is_due(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL, "update upload set ask_ms = 1", NO_ARGS);
}

/* Its webhook is lost, and the forge does not know the pull request either. */
static void an_upload_without_an_event_asks_less_and_less_often(void **state)
{
    GIVEN(w);
    static const int64_t minutes[] = { 1, 2, 5, 15, 60, 60 };
    struct err e = { 0 };
    int64_t half_a_minute_ms = 30000, day_ms = 24 * 3600 * 1000;
    world_upload(w, "upl_1", "aaaa111", world_pull_session, world_chain);
    assert_true(engine_write_wait(w->engine, upload_is_older, &half_a_minute_ms, &e));
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        /* once, however often it is swept; and until the answer has come the next one would be the same */
        until(w, (int64_t)i + 1, "select count(*) from effect where kind = 'read_pull' and state = 1");
        until(w, (int64_t)i + 1, "select asked from upload");
        assert_int_equal(now_is(w, "select ask_ms - (select max(created_ms) from effect where kind = 'read_pull') from upload"),
                         minutes[i] * 60 * 1000);
        assert_true(str_eq(world_text(w, "select state || ': ' || note from upload"),
                           STR("complete: no pull request, merge group or release is known for this commit yet")));
        assert_true(engine_write_wait(w->engine, upload_is_due, NULL, &e));
    }
    until(w, 7, "select asked from upload");
    assert_true(engine_write_wait(w->engine, upload_is_older, &day_ms, &e));
    assert_true(engine_write_wait(w->engine, upload_is_due, NULL, &e));
    until(w, 1, "select count(*) from upload where state = 'expired'");
    world_stop(w);
}

static void an_event_without_an_upload_expires_after_a_restart(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    until(w, 0, "select count(*) from effect where state = 0");
    assert_true(engine_write_wait(w->engine, event_is_late, NULL, &e));
    world_crash(w);
    until(w, 1, "select count(*) from change_event where state = 'expired'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"neutral\""));
    world_stop(w);
}

/* The squash merge of a branch that was behind (atmos-pro.md §10.2). */
static void a_merge_whose_tree_is_another_warns(void **state)
{
    GIVEN(w);
    w->merge_tree = "another";
    merge_and_upload(w);
    until(w, 1, "select count(*) from batch where tree_differs = 1 and activity = 'merged'");
    until(w, 0, "select count(*) from effect where state = 0 and kind = 'comment'");
    assert_non_null(strstr(w->last_comment, "is not what is on the base branch now"));
    world_stop(w);
}

static void a_merge_whose_tree_is_the_same_does_not(void **state)
{
    GIVEN(w);
    merge_and_upload(w);
    until(w, 2, "select count(*) from effect where state = 1 and kind = 'read_commit'");
    assert_int_equal(now_is(w, "select count(*) from batch where tree_differs = 1"), 0);
    world_stop(w);
}

static int comments_with(struct world *w, const char *part)
{
    int n = 0;
    pthread_mutex_lock(&w->mutex);
    for (int i = 0; i < w->comments; i++)
        n += strstr(w->comment[i].text, part) != NULL;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

static void finish_the_applies(struct world *w)
{
    finish(w, "vpc", "success");
    until(w, 2, "select count(*) from run where component = 'eks' and forge_run_id is not null");
    finish(w, "eks", "success");
    until(w, 2, "select count(*) from run where component = 'app' and forge_run_id is not null");
    finish(w, "app", "success");
    finish(w, "dns", "success");
    until(w, 2, "select count(*) from batch where verdict = 'success'");
    until(w, 0, "select count(*) from effect where state = 0");
}

static void what_came_of_an_apply_is_a_comment_of_its_own(void **state)
{
    GIVEN(w);
    merge_and_upload(w);
    assert_int_equal(comments_with(w, "<!-- signalbox:result:"), 0);
    finish_the_applies(w);
    assert_int_equal(comments_with(w, "<!-- signalbox:result:"), 1);
    assert_int_equal(comments_with(w, "<!-- signalbox:change:7 -->"), 1);
    world_stop(w);
}

static bool comments_off(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "update repository set settings = '{\"comment\":false}' where id = 1", NO_ARGS);
}

static void who_wants_no_comment_gets_no_result_either(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    assert_true(engine_write_wait(w->engine, comments_off, NULL, &e));
    engine_settings_changed(w->engine, 1);
    merge_and_upload(w);
    finish_the_applies(w);
    assert_int_equal(comments_with(w, "<!-- signalbox:"), 0);
    world_stop(w);
}

static void a_loop_is_refused_by_name(void **state)
{
    GIVEN(w);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session,
                 "[" WORLD_NODE("vpc", WORLD_NODE("eks", WORLD_NODE("vpc", ""))) "]");
    until(w, 1, "select count(*) from batch where verdict = 'failure' and error like '%vpc%eks%'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"failure\""));
    assert_int_equal(w->dispatch_calls, 0);
    world_stop(w);
}

static void nothing_affected_is_neutral_and_makes_no_comment(void **state)
{
    GIVEN(w);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, "[]");
    until(w, 1, "select count(*) from change_event where state = 'ignored'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"neutral\""));
    assert_int_equal(w->comment_calls, 0);
    world_stop(w);
}

/*
 * Four sessions took a lock: the pull request's own workflow, a run that we dispatched for it,
 * another pull request's, a person's token.
 */
static bool take_four_locks(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    const int64_t *forge_run = arg;
    str ref[] = {STR("refs/pull/7/merge"), arena_print(mem, "run/%lld", (long long)*forge_run),
                 STR("refs/pull/8/merge"), STR("")};
    for (int i = 0; i < 4; i++) {
        str id = arena_print(mem, "lock_%d", i);
        if (!db_exec(db, e, NULL,
                     "insert into lock (id, workspace_id, key, folded, message, token, created_ms, "
                     "updated_ms, expires_ms, session_repository, session_ref) values ($1, "
                     "'ws_test', $1, $1, '', 1, 1, 1, 9000000000000, $2, $3)",
                     ARGS(A(id), A((int64_t)(ref[i].len ? 1 : 0)), A(ref[i]))))
            return false;
    }
    return true;
}

static void closing_cancels_and_drops_the_locks(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    open_and_upload(w);
    until(w, 2, RUNNING);
    assert_true(engine_write_wait(w->engine, take_four_locks, &w->run[0].id, &e));
    world_pull(w, "closed", 7, "aaaa111", false, 9);
    until(w, 2, "select count(*) from lock where deleted_ms is not null");
    assert_int_equal(
        now_is(w,
               "select count(*) from lock where deleted_ms is null and id in ('lock_2', 'lock_3')"),
        2);
    until(w, 2, "select count(*) from node where state = 'cancelled'");
    until(w, 2, "select count(*) from node where state = 'cancelling'");
    until(w, 0, "select count(*) from effect where state = 0 and kind = 'cancel_run'");
    assert_int_equal(w->cancel_calls, 2);
    finish(w, "vpc", "cancelled");
    finish(w, "dns", "success");                        /* it was faster: say what is true */
    until(w, 1, "select count(*) from batch where state = 'ended'");
    world_stop(w);
}

/* Neither an upload that comes late nor a label: the comment says that nothing more goes. */
static void nothing_goes_for_what_was_closed(void **state)
{
    GIVEN(w);
    open_and_upload(w);
    until(w, 2, RUNNING);
    world_pull(w, "closed", 7, "aaaa111", false, 9);
    finish(w, "vpc", "cancelled");
    finish(w, "dns", "cancelled");
    until(w, 1, "select count(*) from batch where state = 'ended'");
    w->pull_json = "{\"number\":7,\"title\":\"t\",\"author\":\"ana\",\"url\":\"u\",\"state\":"
                   "\"closed\",\"draft\":false,\"from_fork\":false,\"head_sha\":\"aaaa111\","
                   "\"head_ref\":\"topic\",\"base_sha\":\"ba5e\",\"base_ref\":\"main\","
                   "\"updated_ms\":1795000009000}";
    world_upload(w, "upl_late", "aaaa111",
                 "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"502\"}",
                 "[" WORLD_NODE("vpc", "") "]");
    world_pull(w, "labeled", 7, "aaaa111", false, 8);
    world_pull(w, "synchronize", 7, "aaaa111", false, 8);
    until(w, 1, "select count(*) from upload where id = 'upl_late' and state = 'expired'");
    until(w, 0, "select count(*) from change_event where state = 'waiting'");
    assert_int_equal(now_is(w, "select count(*) from batch"), 1);
    world_stop(w);
}

static void a_run_without_our_id_is_matched_when_only_one_fits(void **state)
{
    GIVEN(w);
    w->title_has_id = w->answers_run_id = false;
    w->workflow_text = "on:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n  "
                       "    stack: {type: string}\njobs: {}\n";
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, "[" WORLD_NODE("vpc", "") "]");
    until(w, 1, RUNNING);
    world_run_webhook(w, 0, "completed", "success", 1);
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    world_stop(w);
}

static void a_manual_dispatch_can_be_tried_dry_and_done(void **state)
{
    GIVEN(w);
    bool refused;
    str note =
        world_order(w,
                      "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\","
                      "\"workflow\":\"plan.yaml\","
                      "\"inputs\":{\"component\":\"vpc\",\"stack\":\"prod\"},\"dryRun\":true}",
                      &refused);
    assert_false(refused);
    assert_non_null(strstr(arena_copy(w->both->mem, note).ptr, "\"dispatches\":1"));
    assert_int_equal(now_is(w, "select count(*) from batch"), 0);
    world_order(w,
                  "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":"
                  "\"plan.yaml\","
                  "\"inputs\":{\"component\":\"vpc\",\"stack\":\"prod\"}}",
                  &refused);
    assert_false(refused);
    until(w, 1, RUNNING);
    world_order(
        w,
        "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"../x\"}",
        &refused);
    assert_true(refused);
    world_stop(w);
}

static void github_reruns_are_followed(void **state)
{
    GIVEN(w);
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, "[" WORLD_NODE("vpc", "") "]");
    until(w, 1, RUNNING);
    finish(w, "vpc", "failure");
    until(w, 1, "select count(*) from batch where verdict = 'failure'");
    world_run_webhook(w, 0, "in_progress", NULL, 2);
    until(w, 1, "select count(*) from batch where state = 'running'");
    world_run_webhook(w, 0, "completed", "success", 2);
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    world_run_webhook(w, 0, "completed", "failure", 1); /* late: about the first attempt */
    assert_int_equal(now_is(w, "select count(*) from batch where verdict = 'success'"), 1);
    world_stop(w);
}

static void release(struct world *w, const char *action, int at_s)
{
    str json = arena_print(w->both->mem,
                           "{\"action\":\"%s\",\"release\":{\"id\":31,\"tag_name\":\"v1\",\"target_"
                           "commitish\":\"main\",\"name\":\"one\",\"draft\":false,"
                           "\"prerelease\":false,\"html_url\":\"u\",\"author\":{\"login\":\"ana\","
                           "\"id\":7},\"created_at\":\"2026-11-01T10:00:00Z\","
                           "\"updated_at\":\"2026-11-01T10:00:%02dZ\",\"published_at\":\"2026-11-"
                           "01T10:00:00Z\"},\"repository\":{\"id\":4711,"
                           "\"name\":\"infra\",\"full_name\":\"acme/"
                           "infra\",\"owner\":{\"login\":\"acme\"},\"default_branch\":\"main\"},"
                           "\"installation\":{\"id\":5},\"sender\":{\"login\":\"ana\",\"id\":7}}",
                           action, at_s);
    world_webhook(w, "release", NULL, json.ptr);
}

/* The webhook names a branch, no commit: the upload knows it (§16). */
static void a_release_is_one_batch_with_a_check_at_the_commit_of_its_tag(void **state)
{
    GIVEN(w);
    release(w, "published", 1);
    world_upload(w, "upl_1", "ccc333",
                 "{\"event_name\":\"release\",\"ref\":\"refs/tags/v1\",\"run_id\":\"901\"}",
                 "[{\"component\":\"dns\",\"stack\":\"prod\",\"dependents\":[],\"settings\":{"
                 "\"pro\":{\"release\":{"
                 "\"published\":{\"workflows\":{\"apply.yaml\":{\"inputs\":{\"component\":\"dns\","
                 "\"stack\":\"prod\"}}}},"
                 "\"released\":{\"workflows\":{\"apply.yaml\":{\"inputs\":{\"component\":\"dns\","
                 "\"stack\":\"prod\"}}}}}}}}]");
    until(w, 1, RUNNING);
    release(w, "released", 2);
    assert_int_equal(now_is(w, "select count(*) from batch"), 1);
    assert_int_equal(now_is(w, "select count(*) from change where head_sha = 'ccc333'"), 1);
    finish(w, "dns", "success");
    until(w, 1, "select count(*) from batch where verdict = 'success'");
    until(w, 0, "select count(*) from effect where state = 0 and kind = 'check'");
    assert_non_null(strstr(w->last_check, "\"head_sha\":\"ccc333\""));
    assert_non_null(strstr(w->last_check, "\"conclusion\":\"success\""));
    world_stop(w);
}

static void a_release_that_is_withdrawn_is_no_closed_pull_request(void **state)
{
    GIVEN(w);
    release(w, "published", 1);
    release(w, "unpublished", 2);
    until(w, 1, "select count(*) from change where kind = 'release' and state = 'closed'");
    until(w, 1, "select count(*) from change_event where activity = 'unpublished' and note like 'no upload for this head yet%'");
    world_stop(w);
}

static void a_lost_merge_webhook_is_found_by_asking(void **state)
{
    GIVEN(w);
    w->pull_json = "{\"number\":7,\"title\":\"t\",\"author\":\"ana\",\"url\":\"u\",\"state\":"
                   "\"merged\",\"draft\":false,\"from_fork\":false,"
                   "\"head_sha\":\"aaaa111\",\"head_ref\":\"topic\",\"base_sha\":\"ba5e\",\"base_"
                   "ref\":\"main\",\"merge_sha\":\"dddd\","
                   "\"merged_ms\":1795000100000,\"updated_ms\":1795000100000}";
    open_and_upload(w);
    until(w, 2, RUNNING);
    finish(w, "vpc", "success");
    /* a second run of the CLI, and no word of a merge */
    world_upload(w, "upl_2", "aaaa111", world_merge_session, world_chain);
    until(w, 1, "select count(*) from batch where activity = 'merged'");
    world_stop(w);
}

static void an_answer_that_cannot_be_stored_makes_no_second_run(void **state)
{
    GIVEN(w);
    w->fault_after_dispatch = true;
    open_and_upload(w);
    until(w, 2, RUNNING);
    assert_int_equal(w->dispatch_calls, 2);
    runs_are(w, 2);
    assert_true(w->find_calls >= 1);
    world_stop(w);
}

static bool store_exec(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct world *w = arg;
    enum fact_fate fate;
    int64_t id;
    str body = pack(
        mem,
        STR("{\"order\":\"terraform "
            "plan\",\"exit_code\":2,\"data\":{\"version\":1,\"components\":[{\"stack\":\"prod\","
            "\"component\":\"vpc\",\"exit_code\":2,\"resource_counts\":{\"create\":3,\"change\":1,"
            "\"replace\":0,\"destroy\":2}}]}}"));
    return db_exec(db, e, NULL,
                   "insert into exec_record (execution_id, repository_id, run_id, command, "
                   "exit_code, body, received_ms) select 'x1', 1, id, 'terraform plan', 2, $1, 1 "
                   "from run where component = 'vpc'",
                   ARGS(arg_blob(body))) &&
           engine_store_fact(w->engine, db, mem,
                             &(struct fact_new){.lane = 1,
                                                .kind = "exec",
                                                .body = STR("{\"executionId\":\"x1\"}")},
                             &fate, &id, e);
}

static void execution_records_give_plan_counts(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    open_and_upload(w);
    until(w, 2, RUNNING);
    assert_true(engine_write_wait(w->engine, store_exec, w, &e));
    engine_poke(w->engine, 1);
    until(w, 1,
          "select count(*) from run where component = 'vpc' and reported = 'plan' and exit_code = "
          "2 and counts like '%\"destroy\":2%'");
    world_stop(w);
}

struct two_pushes { struct world *w; bool one_waits, embedded; };

static bool push_fact(struct db *db, struct arena *mem, struct world *w, const char *key,
                      str stale_ref, struct err *e)
{
    enum fact_fate fate;
    int64_t id;
    struct fact_new f = { .lane = 1,
                          .kind = "webhook.push",
                          .key = str_of(key),
                          .body = STR("{\"ref\":\"refs/heads/main\"}"),
                          .rest = { stale_ref.len ? STR("at rest") : STR_NONE, stale_ref } };
    return engine_store_fact(w->engine, db, mem, &f, &fate, &id, e);
}

static bool push_behind(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct two_pushes *x = arg;
    x->embedded = db_kind(db) == DB_SQLITE;
    return db_exec(db, e, NULL,
                   "insert into workflow_file (repository_id, ref, file, read_ms) values (1, "
                   "'main', 'a.yml', 1) on conflict do nothing", NO_ARGS) &&
           (!x->one_waits || push_fact(db, mem, x->w, "first", STR_NONE, e)) &&
           push_fact(db, mem, x->w, x->one_waits ? "behind" : "alone", STR("main"), e);
}

static bool two_files(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct two_pushes *x = arg;
    (void)mem;
    x->embedded = db_kind(db) == DB_SQLITE;
    return db_exec(db, e, NULL,
                   "insert into workflow_file (repository_id, ref, file, read_ms) values (1, "
                   "'main', 'a.yml', 1), (1, 'other', 'a.yml', 1)", NO_ARGS);
}

/* An answer that waits may hold files as they were before the push. */
static void a_push_rests_on_arrival_unless_something_waits_in_its_lane(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    struct two_pushes x = { .w = w };
    assert_true(engine_write_wait(w->engine, push_behind, &x, &e));
    if (x.embedded) {
        assert_int_equal(now_is(w, "select state from fact where key = 'alone'"), 1);
        assert_int_equal(now_is(w, "select stale from workflow_file"), 1);
    }
    engine_poke(w->engine, 1);
    until(w, 0, "select count(*) from fact where state = 0");
    until(w, 1, "select stale from workflow_file");

    x.one_waits = true;
    assert_true(engine_write_wait(w->engine, push_behind, &x, &e));
    engine_poke(w->engine, 1);
    until(w, 2, "select count(*) from fact where state = 1 and key in ('first', 'behind')");
    /* The lane has words of its own for what it applies. */
    assert_int_equal(now_is(w, "select count(*) from fact where note = 'at rest'"), x.embedded);
    assert_int_equal(now_is(w, "select count(*) from fact where note like 'workflow files%'"),
                     x.embedded ? 2 : 3);
    world_stop(w);
}

struct came { atomic_int stored, duplicates, failed, waiting; };

static void it_came(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    struct came *c = arg;
    atomic_fetch_add(e ? &c->failed : fate == FACT_STORED ? &c->stored : &c->duplicates, 1);
    assert_true(e || (id > 0) == (fate == FACT_STORED));
    atomic_fetch_sub(&c->waiting, 1);
}

/* The second one waits in the lane; what comes behind it must not overtake it. */
static void facts_that_go_together_do_not_overtake_each_other(void **state)
{
    static const struct { const char *key, *note, *ref; } rows[] = {
        { "a", "at rest", "main" },
        { "b", "at rest", "main" },
        { "c", "at rest", "other" },
        { "waits", NULL, "main" },
        { "d", "at rest", "main" },
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    GIVEN(w);
    struct came came = { .waiting = ROWS };
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    struct err e = { 0 };
    struct two_pushes files = { .w = w };
    assert_true(engine_write_wait(w->engine, two_files, &files, &e));
    for (size_t i = 0; i < ROWS; i++)
        engine_submit_soon(w->engine, mem,
                           &(struct fact_new){ .lane = 1, .kind = "webhook.push",
                                               .key = str_of(rows[i].key),
                                               .body = arena_print(
                                                   mem, "{\"ref\":\"refs/heads/%s\"}", rows[i].ref),
                                               .rest = { rows[i].note ? str_of(rows[i].note)
                                                                      : STR_NONE,
                                                         str_of(rows[i].ref) } },
                           it_came, &came);
    engine_submit_kept(w->engine);
    until(w, ROWS, "select count(*) from fact where state = 1 and key in ('a', 'b', 'c', 'd', 'waits')");
    until(w, 2, "select count(*) from workflow_file where stale = 1");
    /* The lane has words of its own for what it applies. */
    assert_int_equal(now_is(w, "select count(*) from fact where note = 'at rest'"),
                     files.embedded ? 3 : 0);
    world_stop(w);
    arena_free(mem);
}

static void facts_that_go_together_fail_each_for_itself(void **state)
{
    static const char *const keys[] = { "one", "two", "broken \xff", "one", "three" };
    GIVEN(w);
    struct came came = { .waiting = 5 };
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    for (size_t i = 0; i < 5; i++)
        engine_submit_soon(w->engine, mem,
                           &(struct fact_new){ .lane = 1, .kind = "webhook.push",
                                               .key = str_of(keys[i]), .body = STR("{}") },
                           it_came, &came);
    assert_int_equal(atomic_load(&came.waiting), 5);
    engine_submit_kept(w->engine);
    engine_submit_kept(w->engine);      /* nothing is kept any more */
    while (atomic_load(&came.waiting))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_int_equal(atomic_load(&came.stored), 3);
    assert_int_equal(atomic_load(&came.duplicates), 1);
    assert_int_equal(atomic_load(&came.failed), 1);
    until(w, 3, "select count(*) from fact where state = 1 and key in ('one', 'two', 'three')");
    arena_free(mem);
    world_stop(w);
}

static void what_a_webhook_comes_to_is_read_from_its_payload(void **state)
{
    static const struct { const char *event, *payload, *note, *ref; } rows[] = {
        { "push", "{\"ref\":\"refs/heads/main\"}", "workflow files", "main" },
        { "push", "{\"ref\":\"refs/tags/v1\"}", "workflow files", "refs/tags/v1" },
        { "push", "{}", "", "" },
        { "workflow_run", "{\"workflow_run\":{\"id\":7,\"event\":\"push\"}}", "not a", "" },
        { "workflow_run", "{\"workflow_run\":{\"id\":7,\"event\":\"workflow_dispatch\"}}", "",
          "" },
        { "workflow_run", "{\"workflow_run\":{\"id\":7}}", "", "" },
        { "workflow_run", "{\"workflow_run\":{\"event\":\"push\"}}", "", "" },
        { "pull_request", "{\"ref\":\"refs/heads/main\"}", "", "" },
    };
    struct arena *mem = arena_new(1 << 20, 1 << 22);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json v;
        struct err e = { 0 };
        struct fact_rest r;
        assert_true(json_parse(mem, str_of(rows[i].payload), 0, &v, &e));
        webhook_rest(mem, str_of(rows[i].event), v, &r);
        assert_true(str_starts(r.note, str_of(rows[i].note)) && !r.note.len == !rows[i].note[0]);
        assert_true(str_eq(r.stale_ref, str_of(rows[i].ref)));
    }
    arena_free(mem);
}

static bool reviews_on(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "update repository set settings = '{\"reviews\":true}' where id = 1", NO_ARGS);
}

static void a_review_is_left_only_where_it_was_asked_for(void **state)
{
    GIVEN(w);
    struct err e = { 0 };
    world_pull(w, "opened", 7, "aaaa111", false, 1);
    world_upload(w, "upl_1", "aaaa111", world_pull_session, "[" WORLD_NODE("vpc", "") "]");
    until(w, 1, RUNNING);
    finish(w, "vpc", "failure");
    until(w, 1, "select count(*) from batch where verdict = 'failure'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_int_equal(w->review_calls, 0);

    assert_true(engine_write_wait(w->engine, reviews_on, NULL, &e));
    engine_settings_changed(w->engine, 1);
    world_pull(w, "synchronize", 7, "bbbb222", false, 5);
    world_upload(
        w, "upl_2", "bbbb222",
        "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"502\"}",
        "[" WORLD_NODE("vpc", "") "]");
    until(w, 1, RUNNING);
    finish(w, "vpc", "failure");
    until(w, 2, "select count(*) from batch where verdict = 'failure'");
    until(w, 0, "select count(*) from effect where state = 0");
    assert_int_equal(w->review_calls, 1);
    assert_string_equal(w->last_review, "REQUEST_CHANGES");
    world_stop(w);
}

/* One argument: only the tests whose names match it (* and ?). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(plans_go_out_in_dependency_order),
        BOTH(the_upload_may_come_before_the_event),
        BOTH(a_delivery_that_comes_twice_counts_once),
        BOTH(applies_stop_behind_a_failure_and_go_on_after_a_rerun),
        BOTH(a_lost_answer_never_makes_a_second_run),
        BOTH(many_dispatches_that_never_arrived_are_each_sent_again_once),
        BOTH(a_dispatch_that_never_arrived_is_sent_again_under_the_same_id),
        BOTH(what_is_cancelled_while_it_is_looked_for_is_not_sent_again),
        BOTH(what_is_superseded_while_it_is_looked_for_is_not_sent_again),
        BOTH(an_unreachable_forge_is_tried_again),
        BOTH(a_limit_is_waited_out),
        BOTH(a_refusal_is_an_error_of_that_node_alone),
        BOTH(a_missing_workflow_is_said_clearly),
        BOTH(a_webhook_may_overtake_the_answer),
        BOTH(a_new_head_supersedes_what_has_not_started),
        BOTH(a_lock_holds_back_and_its_release_lets_go),
        BOTH(a_lock_that_expires_lets_go),
        BOTH(one_live_apply_per_instance),
        BOTH(a_restart_goes_on_where_it_was),
        BOTH(a_start_that_fails_is_done_again),
        BOTH(an_upload_without_an_event_asks_less_and_less_often),
        BOTH(an_event_without_an_upload_expires_after_a_restart),
        BOTH(a_merge_whose_tree_is_another_warns),
        BOTH(a_merge_whose_tree_is_the_same_does_not),
        BOTH(what_came_of_an_apply_is_a_comment_of_its_own),
        BOTH(who_wants_no_comment_gets_no_result_either),
        BOTH(a_loop_is_refused_by_name),
        BOTH(nothing_affected_is_neutral_and_makes_no_comment),
        BOTH(closing_cancels_and_drops_the_locks),
        BOTH(nothing_goes_for_what_was_closed),
        BOTH(a_run_without_our_id_is_matched_when_only_one_fits),
        BOTH(a_manual_dispatch_can_be_tried_dry_and_done),
        BOTH(github_reruns_are_followed),
        BOTH(a_lost_merge_webhook_is_found_by_asking),
        BOTH(an_answer_that_cannot_be_stored_makes_no_second_run),
        BOTH(execution_records_give_plan_counts),
        BOTH(a_push_rests_on_arrival_unless_something_waits_in_its_lane),
        BOTH(facts_that_go_together_do_not_overtake_each_other),
        BOTH(facts_that_go_together_fail_each_for_itself),
        cmocka_unit_test(what_a_webhook_comes_to_is_read_from_its_payload),
        BOTH(a_review_is_left_only_where_it_was_asked_for),
        BOTH(a_release_is_one_batch_with_a_check_at_the_commit_of_its_tag),
        BOTH(a_release_that_is_withdrawn_is_no_closed_pull_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
