/* Facts are kept for a time; what nobody has decided on yet is kept until somebody did. */
#include "both.h"

#include "base/secret.h"
#include "store/facts.h"

enum { FACTS = 2500, OLD = 2300 };      /* more than are deleted at once */

static void add(struct both *b, int64_t received_ms, bool applied)
{
    int64_t id;
    struct fact f = {.lane = 1,
                     .kind = STR("webhook.push"),
                     .key = arena_print(b->mem, "key-%lld", (long long)received_ms),
                     .body = STR("x"),
                     .received_ms = received_ms,
                     .note = applied ? STR("done") : STR_NONE};
    good(b, facts_add(b->db, b->mem, &f, &id, &b->e));
    assert_int_not_equal(id, 0);
}

static void what_is_old_and_applied_goes_the_rest_stays(void **state)
{
    struct both *b = *state;
    good(b, secret_start(&b->e));
    good(b, db_migrate(b->db, 1, &b->e));
    good(b, db_begin(b->db, &b->e));
    for (int64_t at = 1; at <= FACTS; at++)
        add(b, at, at % 500 != 3);
    good(b, facts_purge(b->db, OLD, &b->e));
    good(b, db_commit(b->db, &b->e));
    assert_int_equal(number(b, "select count(*) from fact where received_ms < 2300", NO_ARGS), 5);
    assert_int_equal(
        number(b, "select count(*) from fact where received_ms < 2300 and state <> 0", NO_ARGS), 0);
    assert_int_equal(number(b, "select count(*) from fact where received_ms >= 2300", NO_ARGS),
                     FACTS - OLD + 1);
    good(b, facts_purge(b->db, OLD, &b->e));
    assert_int_equal(number(b, "select count(*) from fact", NO_ARGS), FACTS - OLD + 1 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(what_is_old_and_applied_goes_the_rest_stays)};
    return cmocka_run_group_tests_name("store facts", tests, NULL, NULL);
}
