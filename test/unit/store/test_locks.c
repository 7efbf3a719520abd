/* Locks under races: many connections, one key, one holder (atmos-pro.md §12.3). */
#include "both.h"

#include <pthread.h>

#include "base/secret.h"
#include "store/locks.h"
#include "store/repositories.h"

enum { RACERS = 8, ROUNDS = 20, NOW_MS = 1000000, ROUND_MS = 5000 };

struct racer { pthread_t thread; struct db *db; int round; bool taken, broken; int64_t token; };

static void *race(void *arg)
{
    struct racer *x = arg;
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    int64_t now_ms = NOW_MS + x->round * ROUND_MS;
    struct lock l = {.workspace_id = STR("ws_a"),
                     .key = STR("K"),
                     .folded = STR("k"),
                     .message = STR("mine"),
                     .expires_ms = now_ms + ROUND_MS};
    for (int tries = 0; tries < 100; tries++) {
        struct err e = { 0 };
        x->broken = !db_begin(x->db, &e) || !locks_take(x->db, mem, &l, now_ms, &x->taken, &e) ||
                    !db_commit(x->db, &e);
        if (!x->broken)
            break;
        db_rollback(x->db);
        if (e.code != ERR_BUSY)
            break;
    }
    x->token = l.token;
    arena_free(mem);
    return NULL;
}

static void prepare(struct both *b)
{
    good(b, secret_start(&b->e));
    good(b, db_migrate(b->db, 1, &b->e));
    good(b, workspaces_ensure(b->db, STR("ws_a"), STR("a"), 1, &b->e));
    good(b, workspaces_ensure(b->db, STR("ws_b"), STR("b"), 1, &b->e));
}

static void test_of_many_at_once_exactly_one_wins(void **state)
{
    struct both *b = *state;
    struct racer r[RACERS] = { 0 };
    prepare(b);
    for (int i = 0; i < RACERS; i++)
        r[i].db = both_open(b, false);
    /* each round begins when the lock of the one before has just expired */
    for (int round = 0; round < ROUNDS; round++) {
        int winners = 0;
        for (int i = 0; i < RACERS; i++) {
            r[i].round = round;
            assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
        }
        for (int i = 0; i < RACERS; i++)
            pthread_join(r[i].thread, NULL);
        for (int i = 0; i < RACERS; i++) {
            assert_false(r[i].broken);
            winners += r[i].taken;
            assert_int_equal(r[i].token, round + 1);    /* the loser reads the winner's */
        }
        assert_int_equal(winners, 1);
    }
    for (int i = 0; i < RACERS; i++)
        db_close(r[i].db);
    assert_int_equal(number(b, "select count(*) from lock", NO_ARGS), 1);
}

static bool take(struct both *b, const char *workspace, int64_t now_ms, int64_t ttl_ms,
                 struct lock *l)
{
    bool taken;
    *l = (struct lock){.workspace_id = str_of(workspace),
                       .key = STR("K"),
                       .folded = STR("k"),
                       .expires_ms = now_ms + ttl_ms};
    good(b, locks_take(b->db, b->mem, l, now_ms, &taken, &b->e));
    return taken;
}

static bool release(struct both *b, const char *workspace, int64_t now_ms)
{
    struct lock l;
    bool found;
    good(b, locks_release(b->db, b->mem, str_of(workspace), STR("k"), 0, now_ms, &l, &found, &b->e));
    return found;
}

static void test_the_life_of_a_lock(void **state)
{
    struct both *b = *state;
    struct lock l, first;
    prepare(b);
    assert_false(release(b, "ws_a", 10));
    assert_true(take(b, "ws_a", 10, 100, &first));
    assert_true(take(b, "ws_b", 10, 100, &l));          /* another workspace */
    assert_false(take(b, "ws_a", 109, 100, &l));
    assert_true(str_eq(l.id, first.id));                /* the holder's lock is shown */
    assert_true(take(b, "ws_a", 110, 100, &l));         /* expired at its very millisecond */
    assert_false(str_eq(l.id, first.id));
    assert_int_equal(l.token, 2);
    assert_true(release(b, "ws_a", 209));
    assert_false(release(b, "ws_a", 209));
    assert_true(take(b, "ws_a", 209, 100, &l));
    assert_int_equal(l.token, 3);
    /* an expired lock cannot be released: it is absent */
    assert_false(release(b, "ws_a", 309));
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(test_of_many_at_once_exactly_one_wins),
                                       BOTH(test_the_life_of_a_lock)};
    return cmocka_run_group_tests_name("store locks", tests, NULL, NULL);
}
