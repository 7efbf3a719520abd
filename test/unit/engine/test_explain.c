/*
 * Explanations as they come out of real rows: what only the database knows (calls under way, files
 * that are missing, places in use, who stopped it), seen on a reading connection while the engine
 * works. On both databases.
 */
#include "world.h"

#include <string.h>

#include "domain/explain.h"
#include "engine/view.h"

static struct world world;
#define GIVEN(w) struct world *w = &world; world_start(w, *state)

static const char *const of_pull =
    "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"555\","
    "\"workflow_ref\":\"acme/infra/.github/workflows/atmos-affected.yaml@refs/heads/main\"}";

/* ---- looking --------------------------------------------------------------------------------- */

/* Of pull request 7. */
static struct change_view seen(struct world *w, int64_t now_ms)
{
    struct err e = { 0 };
    struct view v;
    struct change c;
    struct change_view cv = { 0 };
    bool found;
    struct arena *mem = w->both->mem;
    struct db *db = engine_read(w->engine, &e);
    if (!db || !view_open(&v, db, mem, STR("https://box.example"), 1, now_ms, &e) ||
        !changes_by_key(db, mem, 1, STR("pull_request"), STR("7"), &c, &found, &e) ||
        !view_change(&v, &c, &cv, &e))
        stop_test("%s\n", e.text);
    engine_read_done(w->engine, db);
    return cv;
}

static struct batch_view with_skip(struct world *w, const struct batch_view *b, int64_t node, int64_t now_ms)
{
    struct err e = { 0 };
    struct view v;
    struct batch_view with = *b;
    struct db *db = engine_read(w->engine, &e);
    if (!db || !view_open(&v, db, w->both->mem, STR("https://box.example"), 1, now_ms, &e) ||
        !view_skip(&v, node, &with, &e))
        stop_test("%s\n", e.text);
    engine_read_done(w->engine, db);
    return with;
}

/* node -1: the whole of it. */
static struct reasons explain_at(struct world *w, int64_t node, int64_t now_ms)
{
    struct change_view cv = seen(w, now_ms);
    struct batch_view b = { 0 };
    if (node >= 0)
        b = with_skip(w, &cv.batch[0], node, now_ms);
    struct reasons r = { .mem = w->both->mem };
    if (node < 0)
        explain_change(&cv, now_ms, &r);
    else
        explain_node(&cv, &b, (uint32_t)node, now_ms, &r);
    return r;
}

static struct reasons explain_now(struct world *w, int64_t node)
{
    return explain_at(w, node, engine_now_ms(w->engine));
}

static const struct reason *find(const struct reasons *r, enum reason_code code)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->at[i].code == code)
            return &r->at[i];
    return NULL;
}

static const struct reason *has(struct world *w, const struct reasons *r, enum reason_code code,
                                const char *text)
{
    const struct reason *found = find(r, code);
    if (!found || !str_has(found->text, str_of(text)))
        stop_test("no %s with \"%s\" in\n" PRI_STR, reason_code_name(code), text,
                  FMT_STR(reasons_text(w->both->mem, r, false)));
    return found;
}

/* The engine works meanwhile, and what is looked for may be away for a moment. */
static struct reason soon(struct world *w, int64_t node, enum reason_code code, int64_t now_ms)
{
    for (int i = 0; i < UNTIL_TRIES; i++) {
        struct reasons r = explain_at(w, node, now_ms ? now_ms : engine_now_ms(w->engine));
        const struct reason *one = find(&r, code);
        if (one)
            return *one;
        world_moment();
    }
    stop_test("no %s\n", reason_code_name(code));
    return (struct reason){ 0 };
}

static int64_t figure(struct world *w, const struct reason *r, const char *name)
{
    struct json v;
    struct err e = { 0 };
    if (!json_parse(w->both->mem, r->numbers, 0, &v, &e))
        stop_test("%s\n", e.text);
    return json_i64_or(json_get(v, str_of(name)), -1);
}

static void opened(struct world *w) { world_pull(w, "opened", 7, "head1", false, 60); }
static void uploaded(struct world *w, int stacks)
{
    world_upload(w, "upl_1", "head1", of_pull, world_stacks(w, stacks));
}

/* ---- before there is a batch ----------------------------------------------------------------- */

static void a_head_without_an_upload_waits_for_it_whatever_else_happens(void **state)
{
    GIVEN(w);
    opened(w);
    struct reasons r = explain_now(w, -1);
    has(w, &r, REASON_WAITS_FOR_UPLOAD, "opened of head1 waits for its list of affected stacks");
    world_pull(w, "labeled", 7, "head1", false, 61);
    r = explain_now(w, -1);
    has(w, &r, REASON_WAITS_FOR_UPLOAD, "opened of head1");
    has(w, &r, REASON_EVENT_WITHOUT_WORK, "labeled of head1");
    assert_int_equal(r.count, 2);
    world_stop(w);
}

static void a_label_after_the_batch_does_not_say_that_nothing_is_affected(void **state)
{
    GIVEN(w);
    opened(w);
    uploaded(w, 1);
    until(w, 1, "select count(*) from node where state = 'queued'");
    world_pull(w, "labeled", 7, "head1", false, 62);
    struct reasons r = explain_now(w, -1);
    has(w, &r, REASON_PROGRESS, "0 of 1 ended");
    assert_null(find(&r, REASON_NOTHING_AFFECTED));
    struct change_view cv = seen(w, engine_now_ms(w->engine));
    assert_false(str_has(feedback_comment(w->both->mem, &cv), STR("nothing is affected")));
    world_stop(w);
}

static void the_next_upload_is_expected_from_the_workflow_of_the_last(void **state)
{
    GIVEN(w);
    opened(w);
    uploaded(w, 1);
    world_pull(w, "synchronize", 7, "head2", false, 120);
    struct reasons r = explain_now(w, -1);
    has(w, &r, REASON_WAITS_FOR_UPLOAD, "atmos-affected.yaml must send it (it sent one last at ");
    has(w, &r, REASON_OLDER_HEAD, "head1");
    world_stop(w);
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void files_that_cannot_be_read_are_named(void **state)
{
    GIVEN(w);
    w->files_away = true;
    opened(w);
    uploaded(w, 2);
    until(w, 1, "select count(*) from batch where state = 'preparing'");
    until(w, 1, "select count(*) from effect where kind = 'read_workflow' and note is not null");
    struct reasons r = explain_now(w, -1);
    const struct reason *one = has(w, &r, REASON_PREPARING, "still to be read on main: plan.yaml");
    assert_int_equal(figure(w, one, "missing"), 1);
    r = explain_now(w, 1);
    has(w, &r, REASON_WAITS_FOR_BATCH, "its batch is being prepared");
    assert_non_null(find(&r, REASON_PREPARING));
    world_stop(w);
}

/* ---- calls under way, and places ------------------------------------------------------------- */

static void one_place_and_an_answer_that_was_lost(void **state)
{
    GIVEN(w);
    world_settings(w, "{\"dispatch_concurrency\":1}", NULL);
    w->mood = LOSES_ANSWER_BEFORE;
    w->mood_left = 1000;
    opened(w);
    uploaded(w, 3);
    until(w, 2, "select count(*) from node where state = 'ready'");
    until(w, 1, "select count(*) from node where state = 'dispatching'");
    struct reason one = soon(w, -1, REASON_CALL_LOST, 0);
    assert_true(str_has(one.text, STR("its run is looked for")));
    one = soon(w, -1, REASON_WAITS_FOR_SLOT, 0);
    assert_true(str_has(one.text, STR("1 of 1 dispatch calls at once are under way")));
    assert_int_equal(figure(w, &one, "busy"), 1);
    one = soon(w, now_is(w, "select max(position) from node where state = 'ready'"),
               REASON_WAITS_FOR_SLOT, 0);
    assert_true(str_has(one.text, STR("1 ready one goes before it")));
    assert_int_equal(figure(w, &one, "before"), 1);
    world_stop(w);
}

static void a_dispatch_that_was_put_back_says_until_when_and_why(void **state)
{
    GIVEN(w);
    w->mood = UNREACHABLE;
    w->mood_left = 1000;
    opened(w);
    uploaded(w, 1);
    until(w, 1, "select count(*) from node where state = 'ready' and tries > 0");
    int64_t until_ms = now_is(w, "select not_before_ms from node");
    struct reason one = soon(w, 0, REASON_PUT_BACK, until_ms - 1000);
    assert_true(str_has(one.text, STR("GitHub could not be reached")));
    assert_true(one.until_ms >= until_ms);
    assert_true(figure(w, &one, "tries") >= 1);
    world_stop(w);
}

/* ---- people, and the App --------------------------------------------------------------------- */

static void who_stopped_a_batch_is_named(void **state)
{
    GIVEN(w);
    bool refused;
    opened(w);
    uploaded(w, 2);
    until(w, 2, "select count(*) from node where state = 'queued'");
    str id = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}",
                                 FMT_STR(id)).ptr, &refused);
    assert_false(refused);
    for (int i = 0; i < 2; i++)
        world_run_webhook(w, i, "completed", "cancelled", 1);
    until(w, 1, "select count(*) from batch where state = 'ended'");
    struct reasons r = explain_now(w, -1);
    has(w, &r, REASON_BATCH_ENDED, "2 cancelled; tester cancelled it at ");
    has(w, &r, REASON_CANCELLED, "tester cancelled the batch");
    world_stop(w);
}

static bool lock_c0(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    int64_t *until_ms = arg;
    return db_exec(db, e, NULL,
                   "insert into lock (id, workspace_id, key, folded, message, actor, token, created_ms, "
                   "updated_ms, expires_ms) values ('lock_1', 'ws_test', 'acme/infra/prod/c0', "
                   "'acme/infra/prod/c0', 'hands off', 'bo', 7, 1, 1, $1)",
                   ARGS(A(*until_ms)));
}

static void who_skipped_a_wait_is_named_about_that_node_alone(void **state)
{
    GIVEN(w);
    bool refused;
    struct err e = { 0 };
    int64_t later_ms = engine_now_ms(w->engine) + 3600000;
    assert_true(engine_write_wait(w->engine, lock_c0, &later_ms, &e));
    opened(w);
    uploaded(w, 2);
    until(w, 1, "select count(*) from node where state = 'locked'");
    int64_t at = now_is(w, "select position from node where state = 'locked'");
    struct reasons r = explain_now(w, at);
    has(w, &r, REASON_LOCKED, "hands off");
    assert_null(find(&r, REASON_WAIT_SKIPPED));
    str id = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"skip_wait\",\"batch\":\"" PRI_STR
                               "\",\"node\":%lld,\"token\":7}", FMT_STR(id), (long long)at).ptr, &refused);
    assert_false(refused);
    until(w, 2, "select count(*) from node where state = 'queued'");
    r = explain_now(w, at);
    has(w, &r, REASON_WAIT_SKIPPED, "c0 in prod did not wait for a lock: tester skipped that at ");
    has(w, &r, REASON_WAIT_SKIPPED, " and ended the lock by bo until 20");
    r = explain_now(w, 1 - at);
    assert_null(find(&r, REASON_WAIT_SKIPPED));
    world_stop(w);
}

static void without_the_app_nothing_is_sent_and_that_is_said_first(void **state)
{
    GIVEN(w);
    w->files_away = true;
    opened(w);
    uploaded(w, 1);
    world_settings(w, NULL, "update repository set removed_ms = 5 where id = 1");
    struct reasons r = explain_now(w, -1);
    assert_int_equal(r.at[0].code, REASON_APP_GONE);
    has(w, &r, REASON_APP_GONE, "removed from acme/infra");
    world_stop(w);
}

/* ---- holds ----------------------------------------------------------------------------------- */

static void a_hold_has_its_figures_and_its_way_out(void **state)
{
    GIVEN(w);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":2}", NULL);
    opened(w);
    uploaded(w, 3);
    until(w, 1, "select count(*) from batch where state = 'held'");
    struct reasons r = explain_now(w, -1);
    const struct reason *one =
        has(w, &r, REASON_HELD_THRESHOLD, "would dispatch 3 stacks, the threshold is 2");
    assert_int_equal(figure(w, one, "threshold"), 2);
    assert_true(str_has(one->change, STR("signalbox release batch_")));
    assert_true(one->since_ms > 0);
    r = explain_now(w, 0);
    has(w, &r, REASON_WAITS_FOR_BATCH, "its batch is held");
    has(w, &r, REASON_HELD_THRESHOLD, "would dispatch 3 stacks");
    world_stop(w);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(a_head_without_an_upload_waits_for_it_whatever_else_happens),
        BOTH(a_label_after_the_batch_does_not_say_that_nothing_is_affected),
        BOTH(the_next_upload_is_expected_from_the_workflow_of_the_last),
        BOTH(files_that_cannot_be_read_are_named),
        BOTH(one_place_and_an_answer_that_was_lost),
        BOTH(a_dispatch_that_was_put_back_says_until_when_and_why),
        BOTH(who_stopped_a_batch_is_named),
        BOTH(who_skipped_a_wait_is_named_about_that_node_alone),
        BOTH(without_the_app_nothing_is_sent_and_that_is_said_first),
        BOTH(a_hold_has_its_figures_and_its_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
