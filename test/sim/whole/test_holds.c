/*
 * Stories of the holds (domain/hold.h), a row of its table each, and what may happen meanwhile.
 */
#include "stage.h"

#define PLAIN     "{}"
#define THRESHOLD "{\"threshold_hold\":true,\"threshold\":2}"
#define FIFTY     "{\"threshold_hold\":true}"
#define RAPID     "{\"rapid_push_hold\":true}"
#define BOTH      "{\"rapid_push_hold\":true,\"threshold_hold\":true,\"threshold\":2}"
#define MINUTE    60000

/* ---- draft ----------------------------------------------------------------------------------- */

static void a_draft_goes_by_itself_when_it_is_ready(void **state)
{
    (void)state;
    given("{\"reviews\":true}");
    struct pull *p = opens(1, true, 3);
    later(3 * 3600000);
    is(1, HELD);
    assert_int_equal(now->runs, 0);
    check_says(p, "\"conclusion\":\"action_required\"");
    comment_says(1, "the pull request is a draft");
    comment_says(1, "- [ ] **Dispatch anyway** <!-- signalbox:dispatch batch_");
    tells(p, "ready_for_review");
    rest();
    is(3, GOING);
    is(0, STANDING);
    is(1, "select count(*) from audit where action = 'dispatch.released' and actor = 'signalbox'");
}

static void a_person_lets_a_draft_go(void **state)
{
    (void)state;
    given(PLAIN);
    struct pull *p = opens(1, true, 2);
    rest();
    orders("release", 1);
    rest();
    is(2, GOING);
    tells(p, "edited");
    rest();
    is(0, HELD);
    is(1, "select count(*) from audit where action = 'dispatch.released' and actor = 'bo'");
}

static void what_goes_is_not_stopped_by_becoming_a_draft(void **state)
{
    (void)state;
    given(PLAIN);
    struct pull *p = opens(1, false, 2);
    rest();
    tells(p, "converted_to_draft");
    rest();
    is(2, GOING);
    is(0, STANDING);
}

/* ---- a burst of pushes ----------------------------------------------------------------------- */

static void a_burst_pauses_and_only_the_newest_head_resumes(void **state)
{
    (void)state;
    given(RAPID);
    struct pull *p = opens(1, false, 2);
    rest();
    assert_int_equal(now->runs, 2);
    for (int i = 0; i < 3; i++) {
        pushes(p, 2);
        later(10000);
    }
    assert_int_equal(now->runs, 8);
    pushes(p, 2);
    later(10000);
    is(1, HELD);
    pushes(p, 2); /* while paused they gather, and do not go */
    rest();
    is(1, HELD);
    assert_int_equal(now->runs, 8);
    comment_says(1, "5 pushes within 10 minutes, the limit is 3");
    comment_says(1, "- [ ] **Resume dispatches** <!-- signalbox:resume batch_");
    later(60 * MINUTE); /* time alone does not end it */
    is(1, HELD);
    orders("resume", 1);
    rest();
    assert_int_equal(now->runs, 10);
    is(0, "select count(*) from run r join batch b on b.seq = r.batch_seq where b.head_sha = "
          "'c0ffee0104'");
    is(2, "select count(*) from run r join batch b on b.seq = r.batch_seq where b.head_sha = "
          "'c0ffee0105'");
}

static void only_a_fresh_burst_trips_again(void **state)
{
    (void)state;
    given("{\"rapid_push_hold\":true,\"rapid_pushes\":1}");
    struct pull *p = opens(1, false, 1);
    pushes(p, 1);
    pushes(p, 1);
    rest();
    is(1, HELD);
    orders("resume", 1);
    rest();
    is(0, HELD);
    pushes(p, 1);
    rest();
    is(0, HELD);
    pushes(p, 1);
    rest();
    is(1, HELD);
}

static void slow_pushes_never_pause(void **state)
{
    (void)state;
    given(RAPID);
    struct pull *p = opens(1, false, 1);
    for (int i = 0; i < 5; i++) {
        later(4 * MINUTE);
        pushes(p, 1);
    }
    rest();
    is(0, HELD);
    is(0, "select count(*) from hold");
}

/* ---- the threshold --------------------------------------------------------------------------- */

static void fifty_pass_and_fifty_one_are_held(void **state)
{
    (void)state;
    given(FIFTY);
    opens(1, false, 50);
    opens(2, false, 51);
    later(5 * MINUTE);
    assert_int_equal(now->runs, 50);
    is(1, HELD);
    comment_says(2, "would dispatch 51 stacks, the threshold is 50");
    comment_says(2, "- [ ] **Dispatch all 51 stacks anyway**");
    orders("release", 2);
    later(5 * MINUTE);
    assert_int_equal(now->runs, 101);
}

static void settings_reach_what_is_held_at_once(void **state)
{
    (void)state;
    given(THRESHOLD);
    opens(1, false, 5);
    rest();
    is(1, HELD);
    settings_change(STR("{\"threshold_hold\":true,\"threshold\":4}"));
    later(5000);
    is(1, HELD);
    settings_change(STR("{\"threshold_hold\":true,\"threshold\":5}"));
    later(5000);
    is(0, HELD);
    assert_int_equal(now->runs, 5);
}

static void merges_and_orders_of_people_know_no_threshold(void **state)
{
    (void)state;
    given("{\"threshold_hold\":true,\"threshold\":1,\"rapid_push_hold\":true,\"rapid_pushes\":1}");
    struct pull *p = opens(1, false, 3);
    rest();
    is(1, HELD);
    merges(p, 3);
    later(3 * MINUTE);
    is(0, HELD);
    assert_int_equal(now->runs, 3);
    is(0, "select count(*) from run r join node n on n.batch_seq = r.batch_seq and n.position = "
          "r.position where n.run_class = 0");
    command("{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"x\",\"workflow\":"
            "\"plan.yaml\",\"inputs\":{\"component\":\"x\"}}");
    rest();
    assert_int_equal(now->runs, 4);
}

/* ---- several, and the bad days --------------------------------------------------------------- */

static void all_are_shown_and_a_release_lifts_what_people_may_lift(void **state)
{
    (void)state;
    given("{\"rapid_push_hold\":true,\"rapid_pushes\":1,\"threshold_hold\":true,\"threshold\":2}");
    struct pull *p = opens(1, true, 3);
    pushes(p, 3);
    pushes(p, 3);
    rest();
    is(3, STANDING);
    comment_says(1, "the pull request is a draft");
    comment_says(1, "2 pushes within");
    comment_says(1, "would dispatch 3 stacks, the threshold is 2");
    tells(p, "ready_for_review");
    rest();
    is(2, STANDING);
    orders("resume", 1);
    rest();
    is(1, STANDING);
    assert_int_equal(now->runs, 0);
    orders("release", 1);
    rest();
    assert_int_equal(now->runs, 3);
}

static void a_server_that_dies_keeps_what_is_held(void **state)
{
    (void)state;
    given(BOTH);
    opens(1, false, 3);
    later(5000);
    dies();
    rest();
    is(1, HELD);
    dies();
    later(60 * MINUTE);
    is(1, HELD);
    orders("release", 1);
    dies(); /* before anybody heard of it */
    rest();
    orders("release", 1);
    rest();
    assert_int_equal(now->runs, 3);
    is(1, "select count(*) from audit where action = 'dispatch.released' and actor = 'bo'");
}

static void what_was_closed_while_held_is_held_when_it_comes_back(void **state)
{
    (void)state;
    given(THRESHOLD);
    struct pull *p = opens(1, false, 3);
    rest();
    tells(p, "closed");
    rest();
    is(0, HELD);
    /* it is open again, and the upload comes before the event */
    tells(p, "reopened");
    struct mail *m = some_mail();
    m->state = MAIL_STORED;
    uploads(p, 3);
    rest();
    m->state = MAIL_SENT;
    rest();
    is(1, HELD);
    assert_int_equal(now->runs, 0);
}

static void what_was_stopped_before_it_was_sent_is_no_way_around(void **state)
{
    (void)state;
    given("{\"dispatch_concurrency\":1}");
    struct pull *p = opens(1, false, 3);
    /* given one that has begun, and of which nothing was sent: somebody holds the locks */
    for (uint32_t i = 0; i < 3; i++)
        some_lock_of(arena_print(now->mem, "m%u", i).ptr);
    rest();
    is(3, "select count(*) from node where state = 'locked'");
    tells(p, "converted_to_draft");
    rest();
    is(1, HELD);
    orders("cancel", 1);
    rest();
    later(30 * MINUTE);
    orders("retry", 1);
    rest();
    assert_int_equal(now->runs, 0);
    is(1, "select count(*) from fact where kind = 'order' and state = 2");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest stories[] = {
        STORY(a_draft_goes_by_itself_when_it_is_ready),
        STORY(a_person_lets_a_draft_go),
        STORY(what_goes_is_not_stopped_by_becoming_a_draft),
        STORY(a_burst_pauses_and_only_the_newest_head_resumes),
        STORY(only_a_fresh_burst_trips_again),
        STORY(slow_pushes_never_pause),
        STORY(fifty_pass_and_fifty_one_are_held),
        STORY(settings_reach_what_is_held_at_once),
        STORY(merges_and_orders_of_people_know_no_threshold),
        STORY(all_are_shown_and_a_release_lifts_what_people_may_lift),
        STORY(a_server_that_dies_keeps_what_is_held),
        STORY(what_was_closed_while_held_is_held_when_it_comes_back),
        STORY(what_was_stopped_before_it_was_sent_is_no_way_around),
    };
    return cmocka_run_group_tests_name("stories of holds", stories, NULL, NULL);
}
