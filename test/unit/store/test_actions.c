/* Runs of actions are kept for a time; what has not ended is kept until it has. */
#include "both.h"

#include "store/actions.h"

enum { RUNS = 2500, OLD = 2300 };       /* more than are deleted at once */

static void add(struct both *b, int64_t at_ms, bool ended)
{
    bool is_new;
    struct action_run_row r = { .id = arena_print(b->mem, "run-%lld", (long long)at_ms),
                                .repository_id = 1,
                                .action = STR("provision"),
                                .definition = STR("{}"),
                                .parameters = STR("{}"),
                                .state = ended ? STR("succeeded") : STR("running"),
                                .created_ms = at_ms,
                                .deadline_ms = at_ms,
                                .expires_ms = at_ms,
                                .ended_ms = ended ? at_ms : 0 };
    good(b, action_runs_add(b->db, &r, &is_new, &b->e));
    assert_true(is_new);
}

static void what_is_old_and_over_goes_the_rest_stays(void **state)
{
    struct both *b = *state;
    good(b, db_migrate(b->db, 1, &b->e));
    good(b, db_begin(b->db, &b->e));
    good(b, db_exec(b->db, &b->e, NULL, "insert into workspace (id, name, created_ms) values ('ws_t', 't', 1)", NO_ARGS));
    good(b, db_exec(b->db, &b->e, NULL,
                    "insert into repository (id, workspace_id, forge_id, host, owner, name, created_ms) "
                    "values (1, 'ws_t', 1, 'h', 'o', 'n', 1)", NO_ARGS));
    for (int64_t at = 1; at <= RUNS; at++)
        add(b, at, at % 500 != 3);
    good(b, action_runs_purge(b->db, OLD, &b->e));
    good(b, db_commit(b->db, &b->e));
    assert_int_equal(number(b, "select count(*) from action_run where created_ms < 2300", NO_ARGS), 5);
    assert_int_equal(number(b, "select count(*) from action_run where created_ms >= 2300", NO_ARGS), RUNS - OLD + 1);
    good(b, action_runs_purge(b->db, OLD, &b->e));
    assert_int_equal(number(b, "select count(*) from action_run", NO_ARGS), RUNS - OLD + 1 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BOTH(what_is_old_and_over_goes_the_rest_stays) };
    return cmocka_run_group_tests_name("store actions", tests, NULL, NULL);
}
