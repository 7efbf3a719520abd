/*
 * Stories of orders: each race of people, events and crashes ends in one application or none, and in
 * a comment that is right again.
 */
#include <stdlib.h>

#include "stage.h"

#define THRESHOLD "{\"threshold_hold\":true,\"threshold\":2}"
#define RELEASED                                                                                   \
    "select count(*) from audit where action = 'dispatch.released' and actor <> 'signalbox'"
#define REFUSED "select count(*) from audit where action = 'order_refused'"
#define DENIED  "select count(*) from audit where action = 'order_denied'"

static struct pull *pull;

/* Pull request 1 would dispatch three, and two are allowed. */
static struct paper *given_held(void)
{
    given(THRESHOLD);
    pull = opens(1, false, 3);
    rest();
    is(1, HELD);
    comment_says(1, "- [ ] **Dispatch all 3 stacks anyway**");
    assert_int_equal(now->runs, 0);
    return paper_like(true, STR("signalbox:change:1"));
}

static void comment_is_right(void)
{
    const struct paper *p = paper_like(true, STR("signalbox:change:1"));
    assert_non_null(p);
    assert_null(strstr(p->text, "- [x]"));
    assert_null(strstr(p->text, "vandal"));
}

static void dispatched_once(void)
{
    rest();
    assert_int_equal(now->runs, 3);
    is(1, RELEASED);
    comment_is_right();
}

static void nothing_went(void)
{
    rest();
    assert_int_equal(now->runs, 0);
    is(0, RELEASED);
    is(1, HELD);
    comment_is_right();
}

/* ---- ticks ----------------------------------------------------------------------------------- */

static void a_tick_by_who_may_write_dispatches_once(void **state)
{
    (void)state;
    assert_true(person_ticks(given_held(), "ana", 0, NULL));
    dispatched_once();
    comment_says(1, "☑️ `dispatch` by ana at ");
}

static void a_readers_tick_is_undone_and_says_why(void **state)
{
    (void)state;
    struct paper *p = given_held();
    person_ticks(p, "eve", 0, NULL);
    nothing_went();
    comment_says(1, "🚫 `dispatch` by eve");
    comment_says(1, "it takes write access to this repository, they have read");
    person_ticks(p, "mallory", 0, NULL);
    nothing_went();
    comment_says(1, "they have none");
    person_ticks(p, "kim", 0, NULL);
    nothing_went();
    is(3, DENIED);
    person_ticks(p, "max", 0, NULL);
    dispatched_once();
}

static void two_people_tick_at_once(void **state)
{
    (void)state;
    person_ticks(given_held(), "ana", 0, "bob");
    dispatched_once();
    is(1, REFUSED);
}

static void a_writer_and_a_reader_tick_at_once(void **state)
{
    (void)state;
    person_ticks(given_held(), "eve", 0, "bob");
    dispatched_once();
    is(1, DENIED);
}

static void a_tick_and_an_order_by_api_at_once(void **state)
{
    (void)state;
    struct paper *p = given_held();
    orders("release", 1);
    person_ticks(p, "ana", 0, NULL);
    dispatched_once();
    is(1, REFUSED);
}

static void a_redelivered_tick_counts_once(void **state)
{
    (void)state;
    person_ticks(given_held(), "ana", 0, NULL);
    struct mail *m = &now->mail[now->mails - 1];
    dispatched_once();
    m->again = true; /* the same delivery */
    dispatched_once();
    mail_send("issue_comment", str_of(m->body)); /* the same event under another id */
    dispatched_once();
    is(1, "select count(*) from fact where kind = 'asked'");
}

static void a_stale_tick_orders_nothing(void **state)
{
    (void)state;
    struct paper *p = given_held();
    char *old = strdup(p->text);
    pushes(pull, 3);
    rest();
    is(1, HELD);
    /* on a page that still shows the head before */
    memcpy(strstr(old, "- [ ]"), "- [x]", 5);
    person_edits(p, "ana", old);
    free(old);
    nothing_went();
    is(1, "select count(*) from batch where verdict = 'superseded'");
}

static void a_tick_that_names_another_pull_request_is_refused(void **state)
{
    (void)state;
    struct paper *p = given_held();
    opens(2, false, 3);
    rest();
    str other = ask_text("select b.id from batch b join change c on c.id = b.change_id where "
                         "c.number = 2");
    str forged =
        arena_print(now->mem, "- [ ] a <!-- signalbox:dispatch " PRI_STR " -->", FMT_STR(other));
    person_edits(p, "eve", forged.ptr);
    memcpy((char *)(uintptr_t)strstr(forged.ptr, "- [ ]"), "- [x]", 5);
    person_edits(p, "ana", forged.ptr);
    rest();
    assert_int_equal(now->runs, 0);
    is(2, HELD);
    is(0, RELEASED);
    is(1, REFUSED);
    comment_is_right();
}

/* ---- our comment under other people's hands -------------------------------------------------- */

static void a_hand_edited_comment_is_written_again(void **state)
{
    (void)state;
    struct paper *p = given_held();
    person_edits(
        p, "ana",
        "a vandal was here\n/signalbox dispatch\n- [x] a <!-- signalbox:dispatch batch_x -->");
    nothing_went();
    is(0, "select count(*) from fact where kind = 'asked'");
}

static void a_deleted_comment_is_made_anew_and_works(void **state)
{
    (void)state;
    person_deletes(given_held(), "eve");
    nothing_went();
    struct paper *fresh = paper_like(true, STR("signalbox:change:1"));
    assert_non_null(fresh);
    person_ticks(fresh, "ana", 0, NULL);
    dispatched_once();
}

static void a_forged_marker_in_somebody_elses_comment_is_nothing(void **state)
{
    (void)state;
    given_held();
    str id = ask_text("select id from batch");
    struct remark *c = person_writes(
        1, "eve",
        arena_print(now->mem,
                    "<!-- signalbox:change:1 -->\n- [ ] a <!-- signalbox:dispatch " PRI_STR " -->",
                    FMT_STR(id))
            .ptr);
    rest();
    person_rewrites(
        c, "ana",
        arena_print(now->mem,
                    "<!-- signalbox:change:1 -->\n- [x] a <!-- signalbox:dispatch " PRI_STR " -->",
                    FMT_STR(id))
            .ptr);
    nothing_went();
    is(0, "select count(*) from fact where kind = 'asked'");
}

/* ---- while our own edit is under way --------------------------------------------------------- */

/* A reason to write it, and our call has left. */
static struct call *given_our_edit_under_way(struct paper **p)
{
    *p = given_held();
    person_ticks(*p, "eve", 0, NULL);
    for (int i = 0; i < 50; i++) {
        struct mail *m = some_mail();
        if (m)
            mail_deliver(m);
        turns(1000);
        struct call *c = forge_waiting(0);
        if (c && c->c.kind == FORGE_PUT_COMMENT)
            return c;
        if (c)
            forge_answer(c);
        machine.now_ms += 1000;
        machine_tick();
    }
    print_error("our edit never leaves\n");
    _fail(__FILE__, __LINE__);
    return NULL;
}

static void a_tick_that_our_edit_overwrites_is_applied_once(void **state)
{
    struct paper *p;
    (void)state;
    struct call *ours = given_our_edit_under_way(&p);
    p->text[strstr(p->text, "- [x]") - p->text + 3] = ' ';
    person_ticks(p, "ana", 0, NULL);
    mail_deliver(some_mail());
    turns(1000);
    forge_answer(ours); /* comes last over there */
    dispatched_once();
    comment_says(1, "☑️ `dispatch` by ana");
}

static void a_tick_that_overwrites_our_edit_does_not_stay(void **state)
{
    struct paper *p;
    (void)state;
    struct call *ours = given_our_edit_under_way(&p);
    forge_answer(ours); /* it is there, and we have not heard of it */
    person_ticks(p, "mallory", 0, NULL);
    mail_deliver(some_mail());
    nothing_went();
    comment_says(1, "🚫 `dispatch` by mallory");
}

static void a_comment_deleted_under_our_edit_comes_back(void **state)
{
    struct paper *p;
    (void)state;
    struct call *ours = given_our_edit_under_way(&p);
    person_deletes(p, "ana");
    mail_deliver(some_mail());
    turns(1000);
    forge_answer(ours);
    nothing_went();
}

/* ---- orders as text -------------------------------------------------------------------------- */

static void the_same_orders_as_text(void **state)
{
    (void)state;
    given_held();
    person_writes(1, "eve", "/signalbox dispatch");
    rest();
    is(1, DENIED);
    struct remark *c = person_writes(1, "ana", "Fine with me.\r\n\r\n/signalbox dispatch\r\n");
    dispatched_once();
    person_rewrites(c, "ana", "Fine with me!\r\n\r\n/signalbox dispatch\r\n");
    person_writes(1, "bob",
                  "> /signalbox cancel\n\n```\n/signalbox cancel\n```\nplease /signalbox cancel");
    rest();
    is(2, "select count(*) from fact where kind = 'asked'");
    runs_end("failure");
    rest();
    person_writes(1, "bob", "/signalbox retry");
    rest();
    assert_int_equal(now->runs, 6);
    runs_end("success");
    rest();
    person_writes(1, "max", "/signalbox retry prod m1");
    rest();
    assert_int_equal(now->runs, 7);
    person_writes(1, "ana", "/signalbox cancel");
    rest();
    is(1, "select count(*) from audit where action = 'cancelled' and actor = 'ana'");
    person_writes(1, "ana", "/signalbox explain");
    rest();
    is(1, "select count(*) from audit where action = 'explained' and actor = 'ana'");
    assert_non_null(paper_like(true, STR("signalbox:reply:")));
    some_lock_of("m2");
    person_writes(1, "bob", "/signalbox unlock prod/m2");
    rest();
    is(1, "select count(*) from audit where category = 'lock' and actor = 'bob'");
    person_writes(1, "ana", "/signalbox deploy now");
    rest();
    comment_says(1, "there is no such order");
}

static void resume_as_text(void **state)
{
    (void)state;
    given("{\"rapid_push_hold\":true,\"rapid_pushes\":1}");
    struct pull *p = opens(1, false, 2);
    pushes(p, 2);
    pushes(p, 2);
    rest();
    is(1, HELD);
    person_writes(1, "ana", "/signalbox resume");
    rest();
    is(0, HELD);
    is(1, "select count(*) from audit where action = 'dispatch.resumed' and actor = 'ana'");
}

/* ---- the question who may -------------------------------------------------------------------- */

static void an_order_that_waited_too_long_is_not_carried_out(void **state)
{
    (void)state;
    person_ticks(given_held(), "ana", 0, NULL);
    mail_deliver(some_mail());
    for (int i = 0; i < 20; i++) {
        struct call *c;
        turns(1000);
        for (uint32_t k = 0; (c = forge_waiting(k)); k++)
            if (c->c.kind == FORGE_PERMISSION)
                break;
        if (c)
            break;
        machine.now_ms += 1000;
        machine_tick();
    }
    machine.now_ms += 61 * 60000;
    nothing_went();
    is(1, DENIED);
    comment_says(1, "order it again");
}

/* ---- a server that dies ---------------------------------------------------------------------- */

/* Before or after the nth commit that follows the tick: between applying and writing again, too. */
static void wherever_the_server_dies(const char *who, enum commit_fate fate, uint32_t commit,
                                     uint32_t runs)
{
    person_ticks(given_held(), who, 0, NULL);
    now->state += commit * 977; /* other calls arrive, others do not */
    now->die_at = commit;
    now->die_how = fate;
    rest();
    now->die_at = 0;
    rest();
    assert_int_equal(now->runs, runs);
    is(runs ? 1 : 0, RELEASED);
    is(runs ? 0 : 1, HELD);
    comment_is_right();
}

static void every_death(const char *who, uint32_t runs)
{
    for (uint32_t commit = 1; commit <= 16; commit++)
        for (int after = 0; after < 2; after++) {
            if (commit > 1 || after) {
                stage_end(NULL);
                stage_begin(NULL);
            }
            wherever_the_server_dies(who, after ? COMMIT_KILLED_AFTER : COMMIT_KILLED_BEFORE,
                                     commit, runs);
        }
}

static void a_tick_survives_every_death(void **state)
{
    (void)state;
    every_death("ana", 3);
}

static void a_readers_tick_is_undone_after_every_death(void **state)
{
    (void)state;
    every_death("eve", 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest stories[] = {
        STORY(a_tick_by_who_may_write_dispatches_once),
        STORY(a_readers_tick_is_undone_and_says_why),
        STORY(two_people_tick_at_once),
        STORY(a_writer_and_a_reader_tick_at_once),
        STORY(a_tick_and_an_order_by_api_at_once),
        STORY(a_redelivered_tick_counts_once),
        STORY(a_stale_tick_orders_nothing),
        STORY(a_tick_that_names_another_pull_request_is_refused),
        STORY(a_hand_edited_comment_is_written_again),
        STORY(a_deleted_comment_is_made_anew_and_works),
        STORY(a_forged_marker_in_somebody_elses_comment_is_nothing),
        STORY(a_tick_that_our_edit_overwrites_is_applied_once),
        STORY(a_tick_that_overwrites_our_edit_does_not_stay),
        STORY(a_comment_deleted_under_our_edit_comes_back),
        STORY(the_same_orders_as_text),
        STORY(resume_as_text),
        STORY(an_order_that_waited_too_long_is_not_carried_out),
        STORY(a_tick_survives_every_death),
        STORY(a_readers_tick_is_undone_after_every_death),
    };
    return cmocka_run_group_tests_name("stories of orders", stories, NULL, NULL);
}
