/* batch.h at random and at its limits: loading, the cost of a step, 50,000 nodes. */
#include <time.h>

#include "batch_words.h"

static uint64_t rng;
static uint32_t roll(uint32_t n)        /* 0 … n-1 */
{
    rng += 0x9e3779b97f4a7c15u;
    uint64_t z = rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static struct node_message any_message(const struct batch *b)
{
    uint32_t          node = roll(b->count);
    static const enum node_event common[] = {
        NODE_SEND,        NODE_SEND,          NODE_SEND,          NODE_ACCEPTED,
        NODE_RUN_STARTED, NODE_RUN_SUCCEEDED, NODE_RUN_SUCCEEDED, NODE_RUN_FAILED,
        NODE_PUT_BACK,    NODE_RERUN,         NODE_RUN_AGAIN};
    return (struct node_message){
        .event = roll(4) ? common[roll(COUNT(common))] : (enum node_event)roll(NODE_EVENT_COUNT),
        .node = node, .attempt = b->node[node].attempt - (roll(8) == 0), .now_ms = 1000,
        .not_before_ms = roll(2) ? roll(2000) : 0 };
}

static enum node_verdict do_anything(struct batch *b, uint32_t dice, struct node_message m,
                                     struct decisions *out)
{
    switch (dice) {
    case 0: batch_cancel(b, 1000, out); return NODE_MOVE;
    case 1: batch_supersede(b, m.node % 2, 1000, out); return NODE_MOVE;
    case 2: case 3: return batch_retry(b, 1000, out) > 0 ? NODE_MOVE : NODE_STALE;
    case 4: return batch_hold(b, 1000, out) ? NODE_MOVE : NODE_STALE;
    case 5: case 6: case 7: batch_start(b, 1000, out); return NODE_MOVE;
    default: return batch_step(b, m, out);
    }
}

/*
 * One batch is stepped on and on; its twin is loaded again from the rows every now and then, with
 * the edges in another order.
 */
static void a_loaded_batch_goes_on_like_the_one_that_was_stepped(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        rng = seed * 1000003;
        struct arena     *mem = arena_new(1 << 30, (size_t)2 << 30);
        struct batch_node node[24] = { 0 };
        struct batch_edge edge[200];
        uint32_t          count = 1 + roll(24);
        size_t            edges = 0;
        for (uint32_t i = 0; i < count; i++) {
            node[i] = (struct batch_node){ .state = roll(8) ? NODE_WAITING : NODE_INERT,
                .run_class = roll(3) ? RUN_APPLY : RUN_PLAN, .expected_ms = roll(9) };
            for (uint32_t n = i ? roll(4) : 0; n > 0; n--)
                edge[edges++] = (struct batch_edge){ roll(i), i };
        }
        bool strict = roll(2);
        struct batch *a = batch_new(mem, node, count, edge, edges, strict),
                     *b = loaded(mem, a, edge, edges);
        for (int k = 0; k < 120; k++) {
            struct node_message m = any_message(a);
            uint32_t            dice = roll(200);
            struct decisions    oa = { .mem = mem }, ob = { .mem = mem };
            bool same = do_anything(a, dice, m, &oa) == do_anything(b, dice, m, &ob) &&
                        oa.count == ob.count;
            for (size_t d = 0; same && d < oa.count; d++)
                same = oa.at[d].kind == ob.at[d].kind && oa.at[d].node == ob.at[d].node;
            if (!same)
                print_error("seed %llu, step %d: not the same decisions\n",
                            (unsigned long long)seed, k);
            assert_true(same);
            must_be_the_same("by chance", a, b);
            for (size_t x = edges; roll(4) == 0 && x > 1; x--) {
                struct batch_edge keep = edge[x - 1];
                size_t            y = roll((uint32_t)x);
                edge[x - 1] = edge[y];
                edge[y] = keep;
            }
            if (roll(3) == 0)
                b = loaded(mem, a, edge, edges);
        }
        arena_free(mem);
    }
}

static uint32_t nodes_changed(const struct batch *b, const struct batch_node *before)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct batch_node now = b->node[i];
        now.heap_at = before[i].heap_at;    /* a heap moves log n of its members */
        n += memcmp(&now, &before[i], sizeof now) != 0;
    }
    return n;
}

/* 100 parents of 99 children each, all in one batch. */
static void a_step_costs_its_dependents_not_the_batch(void **state)
{
    (void)state;
    enum { PARENTS = 100, CHILDREN = 99, NODES = PARENTS * (CHILDREN + 1) };
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, NODES),
                      *before = arena_make(mem, struct batch_node, NODES);
    struct batch_edge *edge = arena_make(mem, struct batch_edge, NODES);
    struct decisions   out = { .mem = mem };
    size_t             edges = 0;

    for (uint32_t i = 0; i < NODES; i++)
        node[i].run_class = RUN_APPLY;
    for (uint32_t i = PARENTS; i < NODES; i++)
        edge[edges++] = (struct batch_edge){ i % PARENTS, i };
    struct batch *b = batch_new(mem, node, NODES, edge, edges, false);
    batch_start(b, 0, &out);
    static const struct { enum node_event ev; uint32_t at_most; } steps[] = {
        { NODE_SEND, 2 }, { NODE_ACCEPTED, 2 }, { NODE_RUN_STARTED, 2 }, { NODE_RUN_FAILED, 2 + CHILDREN },
        { NODE_RERUN, 2 + CHILDREN }, { NODE_SEND, 2 }, { NODE_RUN_SUCCEEDED, 2 + CHILDREN },
    };
    for (size_t k = 0; k < COUNT(steps); k++) {
        uint64_t touched = b->touched;
        memcpy(before, b->node, NODES * sizeof before[0]);
        assert_int_equal(batch_step(b, (struct node_message){ .event = steps[k].ev, .node = 7,
            .attempt = b->node[7].attempt }, &out), NODE_MOVE);
        assert_in_range(b->touched - touched, 1, steps[k].at_most);
        assert_in_range(nodes_changed(b, before), 1, steps[k].at_most);
    }
    arena_free(mem);
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void the_largest_batch_is_built_and_run_in_no_time(void **state)
{
    (void)state;
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, BATCH_NODES_MAX);
    struct batch_edge *edge = arena_make(mem, struct batch_edge, 8 * BATCH_NODES_MAX);
    size_t             edges = 0;

    rng = 7;
    for (uint32_t i = 0; i < BATCH_NODES_MAX; i++) {
        node[i].run_class = RUN_APPLY;
        node[i].expected_ms = 1 + roll(100000);
        for (uint32_t k = i ? roll(8) : 0; k > 0; k--)
            edge[edges++] = (struct batch_edge){ roll(i), i };
    }
    int64_t       begin = cpu_ms();
    struct batch *b = batch_new(mem, node, BATCH_NODES_MAX, edge, edges, false);
    assert_in_range(cpu_ms() - begin, 0, 999);

    /* A chain of 50,000 that breaks at its head: no recursion, one pass. */
    for (uint32_t i = 1; i < BATCH_NODES_MAX; i++)
        edge[i - 1] = (struct batch_edge){ i, i - 1 };
    begin = cpu_ms();
    b = batch_new(mem, node, BATCH_NODES_MAX, edge, BATCH_NODES_MAX - 1, false);
    struct decisions out = { .mem = mem };
    batch_start(b, 0, &out);
    struct node_message m = { .event = NODE_CANCEL, .node = BATCH_NODES_MAX - 1 };
    assert_int_equal(batch_step(b, m, &out), NODE_MOVE);
    assert_int_equal(b->by_state[NODE_SKIPPED], BATCH_NODES_MAX - 1);
    assert_int_equal(b->state, BATCH_ENDED);
    assert_in_range(cpu_ms() - begin, 0, 999);
    arena_free(mem);
}

/* 50,000 roots, ten slots, first to last: the ready heap carries it. */
static void a_wide_batch_drains_in_order(void **state)
{
    (void)state;
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, BATCH_NODES_MAX);
    struct decisions   out = { .mem = mem };
    int64_t            last = INT64_MAX, wake, begin = cpu_ms();
    uint32_t           next[10], ended = 0;

    rng = 9;
    for (uint32_t i = 0; i < BATCH_NODES_MAX; i++)
        node[i].expected_ms = 1 + roll(1000);
    struct batch *b = batch_new(mem, node, BATCH_NODES_MAX, NULL, 0, false);
    batch_start(b, 0, &out);
    for (uint32_t n; (n = batch_next(b, 10, 0, next, &wake)) > 0; ended += n) {
        for (uint32_t k = 0; k < n; k++) {
            assert_true(b->node[next[k]].tail_ms <= last);
            last = b->node[next[k]].tail_ms;
            out.count = 0;
            batch_step(b, (struct node_message){ .event = NODE_SEND, .node = next[k] }, &out);
            batch_step(
                b,
                (struct node_message){.event = NODE_RUN_SUCCEEDED, .node = next[k], .attempt = 1},
                &out);
        }
    }
    assert_int_equal(ended, BATCH_NODES_MAX);
    assert_int_equal(batch_verdict(b), VERDICT_SUCCESS);
    assert_in_range(cpu_ms() - begin, 0, 2000);
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_batch_goes_on_like_the_one_that_was_stepped),
        cmocka_unit_test(a_step_costs_its_dependents_not_the_batch),
        cmocka_unit_test(the_largest_batch_is_built_and_run_in_no_time),
        cmocka_unit_test(a_wide_batch_drains_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
