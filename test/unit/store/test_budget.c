/* The rows of the budget: one lock an installation, claims by differences, and the ledger. */
#include "both.h"

#include <pthread.h>

#include "base/secret.h"
#include "store/budget.h"
#include "store/repositories.h"

enum { HOUR_MS = 60 * 60 * 1000, NOW_MS = 100 * HOUR_MS + 1234, OURS = 5, OTHER = 6 };

static void prepare(struct both *b)
{
    good(b, secret_start(&b->e));
    good(b, db_migrate(b->db, 1, &b->e));
    good(b, workspaces_ensure(b->db, STR("ws_a"), STR("a"), 1, &b->e));
    run(b, "insert into installation (id, account, updated_ms) values (5, 'acme', 1), (6, 'other', 1)",
        NO_ARGS);
    run(b,
        "insert into repository (workspace_id, forge_id, host, owner, name, installation_id, "
        "created_ms) values ('ws_a', 1, 'h', 'acme', 'one', 5, 1), ('ws_a', 2, 'h', 'acme', 'two', "
        "5, 1), ('ws_a', 3, 'h', 'other', 'three', 6, 1)",
        NO_ARGS);
}

static void given_batch(struct both *b, int64_t seq, int64_t repository, const char *activity,
                        const char *state)
{
    run(b,
        "insert into batch (seq, id, repository_id, event, activity, head_sha, state, edges, "
        "created_ms, updated_ms) values ($1, $2, $3, 'pull_request', $4, 's', $5, $6, 1, 1)",
        ARGS(A(seq), A(arena_print(b->mem, "batch_%lld", (long long)seq)), A(repository),
             A(str_of(activity)), A(str_of(state)), arg_blob(STR(""))));
}

static struct budget look(struct both *b, int64_t installation)
{
    struct budget out;
    good(b, budget_look(b->db, b->mem, installation, NOW_MS, &out, &b->e));
    return out;
}

static void what_the_forge_said_is_kept(void **state)
{
    struct both *b = *state;
    struct budget in, out;
    prepare(b);
    /* nobody has said anything yet */
    out = look(b, OURS);
    assert_false(out.known);
    assert_int_equal(out.limit, 0);
    assert_int_equal(number(b, "select count(*) from quota", NO_ARGS), 0);
    good(b, budget_lock(b->db, b->mem, OURS, &in, &b->e));
    assert_false(in.known);
    in = (struct budget){ .known = true, .limit = 5000, .remaining = 4321,
                          .reset_ms = NOW_MS + HOUR_MS, .observed_ms = NOW_MS,
                          .blocked_until_ms = NOW_MS + 60 };
    good(b, budget_save(b->db, OURS, &in, &b->e));
    good(b, budget_lock(b->db, b->mem, OURS, &out, &b->e));
    assert_true(out.known);
    assert_int_equal(out.limit, 5000);
    assert_int_equal(out.remaining, 4321);
    assert_int_equal(out.reset_ms, NOW_MS + HOUR_MS);
    assert_int_equal(out.blocked_until_ms, NOW_MS + 60);
    assert_false(look(b, OTHER).known);
    /* who was told to wait, and who is through with it */
    int64_t until_ms;
    struct budget_wait *wait;
    size_t count;
    good(b, budget_blocked(b->db, b->mem, OURS, &until_ms, &b->e));
    assert_int_equal(until_ms, NOW_MS + 60);
    good(b, budget_waits(b->db, b->mem, NOW_MS, &wait, &count, &b->e));
    assert_int_equal(count, 1);
    good(b, budget_waits(b->db, b->mem, NOW_MS + 60, &wait, &count, &b->e));
    assert_int_equal(count, 0);
}

/* The scheduler and the batch's lane both write: nobody's difference is lost, nothing is below 0. */
static void claims_are_differences(void **state)
{
    static const struct { int64_t granted, left, wanted, calls, left_over; } row[] = {
        { 0, 0, 60, 0, 0 },         /* it waits */
        { 60, 60, 0, 60, 60 },      /* the scheduler grants */
        { 0, -20, 0, 60, 40 },      /* the lane spends what it knew of */
        { 5, 5, 0, 65, 45 },
        { 0, -100, 7, 65, 0 },      /* more than there is */
        { 0, 3, 0, 65, 3 },
    };
    struct both *b = *state;
    struct claim c;
    bool found, by_parts;
    prepare(b);
    given_batch(b, 1, 1, "opened", "held");
    good(b, claims_get(b->db, b->mem, 1, &c, &by_parts, &found, &b->e));
    assert_false(found);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        good(b, claims_add(b->db, 1, OURS, row[i].granted, row[i].left, row[i].wanted,
                           NOW_MS + (int64_t)i, &b->e));
        good(b, claims_get(b->db, b->mem, 1, &c, &by_parts, &found, &b->e));
        assert_true(found && !by_parts);
        assert_int_equal(c.calls, row[i].calls);
        assert_int_equal(c.left_over, row[i].left_over);
        assert_int_equal(c.wanted, row[i].wanted);
        assert_int_equal(look(b, OURS).claimed, row[i].left_over);
        assert_int_equal(c.wanted_ms, NOW_MS);          /* its turn is of when it first waited */
    }
    assert_int_equal(c.granted_ms, NOW_MS + 3);
    assert_int_equal(look(b, OTHER).claimed, 0);
}

static void many_claims_come_together_as_each_would_alone(void **state)
{
    struct both *b = *state;
    struct claim_change change[] = { { 1, 5, 5, 0 }, { 2, 7, 7, 3 }, { 1, 2, -100, 9 } };
    struct claim c;
    bool found, by_parts;
    prepare(b);
    given_batch(b, 1, 1, "opened", "held");
    given_batch(b, 2, 2, "merged", "held");
    good(b, claims_add_many(b->db, b->mem, OURS, change, 0, NOW_MS, &b->e));
    good(b, claims_add_many(b->db, b->mem, OURS, change, 3, NOW_MS, &b->e));
    good(b, claims_get(b->db, b->mem, 1, &c, &by_parts, &found, &b->e));
    assert_true(c.calls == 7 && c.left_over == 0 && c.wanted == 9);
    good(b, claims_get(b->db, b->mem, 2, &c, &by_parts, &found, &b->e));
    assert_true(c.calls == 7 && c.left_over == 7 && c.wanted == 3);
    /* one that cannot be stored: none of them is */
    change[2].batch_seq = 99;
    bad(b, ERR_CONFLICT, claims_add_many(b->db, b->mem, OURS, change, 3, NOW_MS, &b->e));
    assert_int_equal(look(b, OURS).claimed, 7);
}

static void only_those_wait_that_nothing_else_holds(void **state)
{
    struct both *b = *state;
    struct claim_waiting *w;
    int64_t *ids;
    size_t count;
    bool wait;
    prepare(b);
    given_batch(b, 1, 1, "opened", "held");
    given_batch(b, 2, 2, "merged", "held");
    given_batch(b, 3, 1, "opened", "ended");
    given_batch(b, 4, 1, "opened", "held");
    given_batch(b, 5, 3, "opened", "held");
    given_batch(b, 6, 1, "opened", "running");
    for (int64_t seq = 1; seq <= 6; seq++)
        good(b, claims_add(b->db, seq, seq == 5 ? OTHER : OURS, 0, 0, seq == 6 ? 0 : 10 * seq,
                           NOW_MS, &b->e));
    run(b, "insert into hold (batch_seq, kind, since_ms) values (4, 'threshold', 1), (1, "
           "'rate_limit', 1)", NO_ARGS);
    run(b, "insert into hold (batch_seq, kind, since_ms, lifted_ms) values (1, 'draft', 1, 2)",
        NO_ARGS);
    good(b, claims_waiting(b->db, b->mem, OURS, &w, &count, &b->e));
    assert_int_equal(count, 2);
    assert_int_equal(w[0].held.batch_seq, 1);
    assert_int_equal(w[0].held.cost, 10);
    assert_false(w[0].held.apply);
    assert_text(w[0].batch_id, "batch_1");
    assert_int_equal(w[1].held.batch_seq, 2);
    assert_true(w[1].held.apply);
    assert_int_equal(w[1].held.repository_id, 2);
    good(b, claims_others_wait(b->db, b->mem, OTHER, 5, &wait, &b->e));
    assert_false(wait);
    good(b, claims_others_wait(b->db, b->mem, OTHER, 1, &wait, &b->e));
    assert_true(wait);
    good(b, claims_installations(b->db, b->mem, &ids, &count, &b->e));
    assert_int_equal(count, 2);
    /* out of the App's reach: it waits for that */
    run(b, "update repository set removed_ms = 1 where id = 1", NO_ARGS);
    good(b, claims_waiting(b->db, b->mem, OURS, &w, &count, &b->e));
    assert_int_equal(count, 1);
    run(b, "update installation set suspended = 1 where id = 5", NO_ARGS);
    good(b, claims_waiting(b->db, b->mem, OURS, &w, &count, &b->e));
    assert_int_equal(count, 0);
}

static void the_ledger_counts_by_the_hour(void **state)
{
    struct both *b = *state;
    prepare(b);
    good(b, spend_add(b->db, OURS, SPEND_DISPATCH, 20, 0, NOW_MS, &b->e));
    good(b, spend_add(b->db, OURS, SPEND_DISPATCH, 5, 1, NOW_MS + 1, &b->e));
    good(b, spend_add(b->db, OURS, SPEND_CHECK, 3, 0, NOW_MS - HOUR_MS, &b->e));
    good(b, spend_add(b->db, OURS, SPEND_POLL, 100, 0, NOW_MS - 2 * HOUR_MS, &b->e));
    good(b, spend_add(b->db, OURS, SPEND_QUOTA, 50, 0, NOW_MS, &b->e));       /* costs nothing */
    good(b, spend_add(b->db, OTHER, SPEND_DISPATCH, 7, 0, NOW_MS, &b->e));
    assert_int_equal(number(b, "select calls from spend where purpose = 'dispatch' and "
                               "installation_id = 5", NO_ARGS), 25);
    assert_int_equal(number(b, "select refused from spend where purpose = 'dispatch' and "
                               "installation_id = 5", NO_ARGS), 1);
    /* what stands in for what remains while nothing is known: this hour and the one before */
    assert_int_equal(look(b, OURS).spent, 28);
    assert_int_equal(look(b, OTHER).spent, 7);
    good(b, spend_purge(b->db, NOW_MS - HOUR_MS, &b->e));
    assert_int_equal(number(b, "select count(*) from spend where purpose = 'poll'", NO_ARGS), 0);
}

/* ---- many servers, one row ------------------------------------------------------------------- */

enum { RACERS = 6, TURNS = 20, ENOUGH = 50 };

struct racer { pthread_t thread; struct db *db; int64_t batch, got; bool broken; };

/* Claims one call at a time while anything is safe: 75 % of 67 are 50, for all of them together. */
static void *race(void *arg)
{
    struct racer *x = arg;
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    for (int turn = 0; turn < TURNS && !x->broken; turn++)
        for (int tries = 0;; tries++) {
            struct err e = { 0 };
            struct budget got;
            bool ok = db_begin(x->db, &e) && budget_lock(x->db, mem, OURS, &got, &e) &&
                      budget_sum(x->db, mem, OURS, NOW_MS, &got, &e);
            bool fits = ok && budget_fits(&got, 1, NOW_MS);
            if (ok && (!fits || claims_add(x->db, x->batch, OURS, 1, 1, 0, NOW_MS, &e)) &&
                db_commit(x->db, &e)) {
                x->got += fits;
                break;
            }
            db_rollback(x->db);
            x->broken = e.code != ERR_BUSY || tries > 200;
            if (x->broken)
                break;
        }
    arena_free(mem);
    return NULL;
}

static void nobody_claims_the_same_call(void **state)
{
    struct both *b = *state;
    struct racer r[RACERS] = { 0 };
    int64_t all = 0;
    prepare(b);
    good(b, budget_lock(b->db, b->mem, OURS, &(struct budget){ 0 }, &b->e));
    good(b, budget_save(b->db, OURS,
                        &(struct budget){ .known = true, .limit = 5000, .remaining = 67,
                                          .reset_ms = NOW_MS + HOUR_MS }, &b->e));
    for (int i = 0; i < RACERS; i++) {
        given_batch(b, i + 1, 1, "opened", "held");
        r[i] = (struct racer){ .db = both_open(b, false), .batch = i + 1 };
    }
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
    for (int i = 0; i < RACERS; i++) {
        pthread_join(r[i].thread, NULL);
        assert_false(r[i].broken);
        all += r[i].got;
        db_close(r[i].db);
    }
    assert_int_equal(all, ENOUGH);
    assert_int_equal(look(b, OURS).claimed, ENOUGH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_the_forge_said_is_kept), BOTH(claims_are_differences),
        BOTH(many_claims_come_together_as_each_would_alone),
        BOTH(only_those_wait_that_nothing_else_holds), BOTH(the_ledger_counts_by_the_hour),
        BOTH(nobody_claims_the_same_call),
    };
    return cmocka_run_group_tests_name("store budget", tests, NULL, NULL);
}
