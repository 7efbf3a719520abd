/* Which run is next, and what is forgotten (runner.md §3.5). */
#include "given.h"

#include "runner/queue.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct run *given_run(struct arena *mem, struct queue *q, int n, const char *stack)
{
    str id = arena_print(mem, "0e2a8f3c-%04d-4222-8333-444455556666", n);
    struct run *r = run_new(id, STR("w"), str_of(stack), STR(DIGEST));
    r->sequence = n;
    queue_add(q, r);
    return r;
}

static void the_first_to_come_is_the_first_to_go(void **state)
{
    GIVEN_ARENA(mem);
    struct queue q = { 0 };
    struct run *b = given_run(mem, &q, 2, "b"), *a = given_run(mem, &q, 1, "a");
    assert_ptr_equal(queue_next(&q, 2), a);
    run_stage_set(&q, a, RUN_STARTED);
    queue_busy_add(&q, a);
    assert_ptr_equal(queue_next(&q, 2), b);
    assert_null(queue_next(&q, 1));
    queue_busy_remove(&q, a);
    queue_free(&q);
}

static void a_stack_has_one_run_until_nothing_of_it_is_left(void **state)
{
    GIVEN_ARENA(mem);
    struct queue q = { 0 };
    struct run *first = given_run(mem, &q, 1, "prod"), *second = given_run(mem, &q, 2, "prod"),
               *other = given_run(mem, &q, 3, "dev");
    run_stage_set(&q, first, RUN_STARTED);
    queue_busy_add(&q, first);
    assert_ptr_equal(queue_next(&q, 8), other);
    run_stage_set(&q, first, RUN_ENDED);        /* its process still clears up */
    assert_ptr_equal(queue_next(&q, 8), other);
    queue_busy_remove(&q, first);
    assert_ptr_equal(queue_next(&q, 8), second);
    queue_free(&q);
}

static void a_place_in_the_queue_is_how_many_wait_before(void **state)
{
    GIVEN_ARENA(mem);
    struct queue q = { 0 };
    struct run *a = given_run(mem, &q, 1, "a");
    struct run *b = given_run(mem, &q, 2, "b"), *c = given_run(mem, &q, 3, "c");
    assert_int_equal(queue_position(&q, c), 2);
    run_stage_set(&q, a, RUN_STARTED);
    assert_int_equal(queue_position(&q, c), 1);
    assert_int_equal(queue_position(&q, b), 0);
    assert_int_equal(q.by_stage[RUN_QUEUED], 2);
    queue_free(&q);
}

static void only_what_is_closed_is_forgotten_the_oldest_first(void **state)
{
    GIVEN_ARENA(mem);
    struct queue q = { 0 };
    struct run *runs[4];
    for (int i = 0; i < 4; i++) {
        runs[i] = given_run(mem, &q, i, "a");
        runs[i]->outcome.finished_ms = 1000 + i;
        run_stage_set(&q, runs[i], i == 0 ? RUN_ENDED : RUN_CLOSED);
    }
    assert_null(queue_stale(&q, 3, 0));
    assert_ptr_equal(queue_stale(&q, 2, 0), runs[1]);
    assert_ptr_equal(queue_stale(&q, 100, 1002), runs[1]);
    assert_null(queue_stale(&q, 100, 1001));
    runs[1]->in_flight = true;
    assert_ptr_equal(queue_stale(&q, 2, 0), runs[2]);
    runs[1]->in_flight = false;
    queue_remove(&q, runs[1]);
    assert_null(queue_find(&q, STR("0e2a8f3c-0001-4222-8333-444455556666")));
    assert_ptr_equal(queue_find(&q, STR("0e2a8f3c-0003-4222-8333-444455556666")), runs[3]);
    queue_remove(&q, runs[3]);
    struct run *last = given_run(mem, &q, 9, "a");
    assert_ptr_equal(runs[2]->next, last);
    queue_free(&q);
}

static void people_read_what_a_run_does(void **state)
{
    static const struct { enum run_stage stage; enum run_phase phase; bool ok; const char *name; } row[] = {
        { RUN_QUEUED, PHASE_WAITING, false, "queued" },
        { RUN_STARTED, PHASE_STARTING, false, "cloning" },
        { RUN_STARTED, PHASE_CLONING, false, "cloning" },
        { RUN_STARTED, PHASE_RUNNING, false, "running" },
        { RUN_STARTED, PHASE_STOPPING, false, "stopping" },
        { RUN_LOST, PHASE_WAITING, false, "stopping" },
        { RUN_ENDED, PHASE_WAITING, true, "succeeded" },
        { RUN_CLOSED, PHASE_WAITING, false, "failed" },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct run r = { .stage = row[i].stage, .phase = row[i].phase };
        r.outcome.succeeded = row[i].ok;
        assert_string_equal(run_state_name(&r), row[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_come_is_the_first_to_go),
        cmocka_unit_test(a_stack_has_one_run_until_nothing_of_it_is_left),
        cmocka_unit_test(a_place_in_the_queue_is_how_many_wait_before),
        cmocka_unit_test(only_what_is_closed_is_forgotten_the_oldest_first),
        cmocka_unit_test(people_read_what_a_run_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
