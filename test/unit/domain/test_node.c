/* node.h: the table, pair by pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "domain/node.h"

static const char letter[] = "wrbdqoagSFCTKPEI";    /* one per state, in order; capitals are ends */
_Static_assert(sizeof letter == NODE_STATE_COUNT + 1, "a letter per state");

static char letter_of(struct node_edge e)
{
    return e.verdict == NODE_MOVE ? letter[e.to] : e.verdict == NODE_STALE ? '.' : '-';
}

/* Every (state, event) pair, so that a changed edge is a changed line in review. */
static void the_table_is_exactly_this(void **state)
{
    (void)state;
    static const char *const want[NODE_STATE_COUNT] = {
        /* . stale   - illegal */
        /*
         * core ------------------- engine -------- forge: dispatch -- forge: the run
         * ----------------------------  person ---------- open break revive close send block unbl
         * acc  back refused qued appr start ok   bad  canc time again cancel super rerun
         */
        [NODE_WAITING] = "r    K     -      -     -    -     .     .    .    .       .    .    .   "
                         "  .    .    .    .    q     C      P     .",
        [NODE_READY] = "-    -     -      w     d    b     .     .    .    .       .    .    .     "
                       ".    .    .    .    q     C      P     .",
        [NODE_BLOCKED] = "-    -     -      w     -    .     r     .    .    .       .    .    .   "
                         "  .    .    .    .    q     C      P     .",
        [NODE_DISPATCHING] = "-    -     -      -     -    -     .     q    r    E       q    a    "
                             "o     S    F    C    T    q     d      .     .",
        [NODE_QUEUED] = "-    -     -      -     -    -     .     .    .    .       .    a    o    "
                        " S    F    C    T    .     g      .     -",
        [NODE_RUNNING] = "-    -     -      -     -    -     .     .    .    .       .    a    .   "
                         "  S    F    C    T    q     g      .     -",
        [NODE_APPROVAL] = "-    -     -      -     -    -     .     .    .    .       .    .    o  "
                          "   S    F    C    T    q     g      .     -",
        [NODE_CANCELLING] = "-    -     -      -     -    -     .     .    .    .       .    .    "
                            ".     S    F    C    T    q     .      .     -",
        [NODE_SUCCEEDED] = "-    -     -      -     -    -     .     .    .    .       .    .    . "
                           "    .    .    .    .    q     .      .     w",
        [NODE_FAILED] = "-    -     -      -     -    -     .     .    .    .       .    .    .    "
                        " .    .    .    .    q     .      .     w",
        [NODE_CANCELLED] = "-    -     -      -     -    -     .     .    .    .       .    .    . "
                           "    .    .    .    .    q     .      .     w",
        [NODE_TIMED_OUT] = "-    -     -      -     -    -     .     .    .    .       .    .    . "
                           "    .    .    .    .    q     .      .     w",
        [NODE_SKIPPED] = "-    -     w      -     -    -     .     .    .    .       .    .    .   "
                         "  .    .    .    .    q     .      .     w",
        [NODE_SUPERSEDED] = "-    -     -      -     -    -     .     .    .    .       .    .    "
                            ".     .    .    .    .    q     .      .     -",
        [NODE_ERROR] = "-    -     -      -     -    -     .     .    .    .       .    .    .     "
                       ".    .    .    .    q     .      .     w",
        [NODE_INERT] = "-    -     -      -     -    -     -     -    -    -       -    -    -     "
                       "-    -    -    -    -     .      .     -",
    };
    int wrong = 0;

    for (unsigned s = 0; s < NODE_STATE_COUNT; s++) {
        const char *w = want[s];
        for (unsigned ev = 0; ev < NODE_EVENT_COUNT; ev++, w++) {
            w += strspn(w, " ");
            char got = letter_of(node_edge((enum node_state)s, (enum node_event)ev));
            if (got != *w) {
                print_error("%s + %s: got %c, want %c\n", node_state_name((enum node_state)s),
                            node_event_name((enum node_event)ev), got, *w);
                wrong++;
            }
        }
        assert_int_equal(*w, 0);
    }
    assert_int_equal(wrong, 0);
}

static void only_a_person_the_core_or_a_rerun_over_there_moves_an_end(void **state)
{
    (void)state;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++)
        for (unsigned ev = 0; ev < NODE_EVENT_COUNT; ev++)
            if (node_is_final((enum node_state)s) && ev != NODE_RERUN && ev != NODE_REVIVE &&
                ev != NODE_RUN_AGAIN)
                assert_int_not_equal(node_edge((enum node_state)s, (enum node_event)ev).verdict,
                                     NODE_MOVE);
}

static void a_state_is_live_or_final_or_neither(void **state)
{
    (void)state;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++) {
        assert_false(node_is_live((enum node_state)s) && node_is_final((enum node_state)s));
        assert_int_equal(node_is_good((enum node_state)s), s == NODE_SUCCEEDED || s == NODE_INERT);
        assert_int_equal(node_is_final((enum node_state)s), s >= NODE_SUCCEEDED);
        assert_int_equal(node_is_live((enum node_state)s),
                         s >= NODE_DISPATCHING && s <= NODE_CANCELLING);
    }
}

static void only_sending_makes_a_node_live_out_of_nothing(void **state)
{
    (void)state;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++) {
        for (unsigned ev = 0; ev < NODE_EVENT_COUNT; ev++) {
            struct node_edge e = node_edge((enum node_state)s, (enum node_event)ev);
            if (e.verdict == NODE_MOVE && node_is_live(e.to) && !node_is_live((enum node_state)s))
                assert_true(ev == NODE_RUN_AGAIN || (s == NODE_READY && ev == NODE_SEND));
        }
    }
}

static void names_read_back(void **state)
{
    (void)state;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++) {
        enum node_state got = NODE_STATE_COUNT;
        assert_true(node_state_read(str_of(node_state_name((enum node_state)s)), &got));
        assert_int_equal(got, s);
    }
    static const char *const strange[] = { "", "succes", "successs", "SUCCESS", " success" };
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        enum node_state got = NODE_READY;
        assert_false(node_state_read(str_of(strange[i]), &got));
        assert_int_equal(got, NODE_READY);
    }
}

static void every_event_has_one_sender(void **state)
{
    (void)state;
    static const struct { enum node_event ev; enum node_sender who; } cases[] = {
        { NODE_OPEN, BY_CORE }, { NODE_CLOSE, BY_CORE }, { NODE_REVIVE, BY_CORE }, { NODE_BREAK, BY_CORE },
        { NODE_SEND, BY_ENGINE }, { NODE_BLOCK, BY_ENGINE }, { NODE_SUPERSEDE, BY_ENGINE },
        { NODE_ACCEPTED, BY_FORGE }, { NODE_RUN_AGAIN, BY_FORGE }, { NODE_RUN_TIMED_OUT, BY_FORGE },
        { NODE_CANCEL, BY_PERSON }, { NODE_RERUN, BY_PERSON },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(node_sender(cases[i].ev), cases[i].who);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_exactly_this),
        cmocka_unit_test(only_a_person_the_core_or_a_rerun_over_there_moves_an_end),
        cmocka_unit_test(a_state_is_live_or_final_or_neither),
        cmocka_unit_test(only_sending_makes_a_node_live_out_of_nothing),
        cmocka_unit_test(names_read_back),
        cmocka_unit_test(every_event_has_one_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
