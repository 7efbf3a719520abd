/*
 * What happens next: a hostile time in which everything does, then kind days in which all must come
 * to an end.
 */
#include <assert.h>

#include "world.h"

static uint64_t state;

uint32_t roll(uint32_t n)
{
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

bool chance(const struct world *w, uint32_t percent) { return !w->kind && roll(100) < percent; }

static void fill_batch(struct batch_row *b)
{
    uint32_t place[NODES], mix = roll(7);

    b->count = 1 + roll(NODES);
    b->strict = roll(3) == 0;
    for (uint32_t i = 0; i < b->count; i++) {
        b->node[i] = (struct node_row){.state = roll(9) ? NODE_WAITING : NODE_INERT,
                                       .expected_ms = 1 + roll(20),
                                       .run_class = mix < 4   ? RUN_APPLY
                                                    : mix < 5 ? RUN_PLAN
                                                    : roll(2) ? RUN_APPLY
                                                              : RUN_PLAN,
                                       .instance = roll(INSTANCES)};
        b->may_run[i] = 1;
        /* parents need not stand before their children in the table */
        uint32_t k = roll(i + 1);
        place[i] = place[k];
        place[k] = i;
    }
    for (uint32_t i = 1; i < b->count; i++)
        for (uint32_t n = roll(4); n > 0 && b->edges < EDGES; n--)
            b->edge[b->edges++] = (struct batch_edge){ place[roll(i)], place[i] };
}

void world_new_batch(struct world *w)
{
    if (w->batches == BATCHES)
        return;
    uint32_t          k = w->batches++;
    struct batch_row *b = &w->batch[k];
    struct batch_node node[NODES] = { 0 };

    fill_batch(b);
    for (uint32_t i = 0; i < b->count; i++)
        node[i] = (struct batch_node){ .state = b->node[i].state, .run_class = b->node[i].run_class,
                                       .expected_ms = b->node[i].expected_ms };
    w->hot_mem[k] = arena_new(1 << 24, 1 << 28);
    w->hot[k] = batch_new(w->hot_mem[k], node, b->count, b->edge, b->edges, b->strict);
    tell(w, "batch %u: %u nodes, %zu edges%s", k, b->count, b->edges, b->strict ? ", strict" : "");
    engine_put_fact(w, (struct fact){ .kind = roll(4) ? FACT_START : FACT_HOLD, .batch = k });
    if (k > 0 && roll(3) == 0)
        engine_put_fact(w, (struct fact){.kind = roll(3) ? FACT_SUPERSEDE : FACT_STOP_AND_SUPERSEDE,
                                         .batch = roll(k)});
}

static void a_person(struct world *w)
{
    uint32_t k = roll(w->batches), i = roll(w->batch[k].count), dice = roll(100);
    bool     tired = w->batch[k].node[i].attempt >= ATTEMPTS / 2;

    for (uint32_t x = 0; x < w->batch[k].count; x++)
        tired |= w->batch[k].node[x].attempt >= ATTEMPTS / 2;
    struct fact f = { .kind = FACT_NODE, .batch = k, .node = i };
    if (dice < 45)
        f.event = NODE_RERUN;
    else if (dice < 60)
        f.event = NODE_CANCEL;
    else if (dice < 63)
        f.event = NODE_SUPERSEDE;
    else
        f.kind = dice < 72   ? FACT_RETRY
                 : dice < 75 ? FACT_CANCEL
                 : dice < 83 ? FACT_HOLD
                 : dice < 98 ? FACT_START
                             : FACT_SUPERSEDE;
    if (!tired || (f.kind != FACT_RETRY && f.event != NODE_RERUN))
        engine_put_fact(w, f);
}

static void any_run(struct world *w, bool again)
{
    uint32_t k = roll(w->batches), i = roll(w->batch[k].count), last = w->batch[k].node[i].attempt;

    if (again)
        forge_run_again(w, k, i, last && roll(6) == 0 ? roll(last) : last);
    else
        forge_advance(w, k, i, last);
}

/* Runs of earlier attempts that somebody re-ran go on as well. */
static void advance_all(struct world *w)
{
    for (uint32_t k = 0; k < w->batches; k++)
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            for (uint32_t a = 1; a <= w->batch[k].node[i].attempt; a++)
                forge_advance(w, k, i, a);
}

static void sweep_all(struct world *w)
{
    for (uint32_t k = 0; k < w->batches; k++)
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            forge_sweep(w, k, i);
}

static void something_happens(struct world *w)
{
    uint32_t dice = roll(100);

    if (dice < 24)
        engine_take_fact(w);
    else if (dice < 38)
        engine_pump(w);
    else if (dice < 52 && w->effects > w->effects_open)
        effect_perform(w, &w->effect[w->effects_open + roll(w->effects - w->effects_open)]);
    else if (dice < 66 && w->mails)
        network_deliver(w, roll(w->mails));
    else if (dice < 82)
        any_run(w, false);
    else if (dice < 84)
        w->lock_until_ms[roll(INSTANCES)] = w->now_ms + roll(60000);
    else if (dice < 88)
        forge_sweep(w, 0, roll(w->batch[0].count));
    else if (dice < 89)
        sweep_all(w);
    else if (dice < 90)
        engine_crash(w);
    else if (dice < 94)
        a_person(w);
    else if (dice < 95)
        world_new_batch(w);
    else if (dice < 97)
        any_run(w, true);
    else if (dice < 99)
        engine_confused(w);
    else
        w->now_ms += 30000;
    w->now_ms += roll(2000);
}

static bool all_quiet(const struct world *w)
{
    bool quiet = w->mails == 0 && w->inbox_head == w->inbox_count && w->effects_open == w->effects;

    for (uint32_t k = 0; k < w->batches; k++) {
        quiet = quiet && w->batch[k].state == BATCH_ENDED;
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            for (uint32_t a = 1; a <= w->batch[k].node[i].attempt; a++)
                quiet = quiet && !run_live(&w->run[k][i][a]);
    }
    return quiet;
}

static void take_all(struct world *w)
{
    while (w->inbox_head < w->inbox_count) {
        engine_take_fact(w);
        check_world(w);
    }
}

static void a_kind_day(struct world *w)
{
    for (uint32_t k = 0; k < w->batches; k++)
        if (w->batch[k].state == BATCH_PREPARING || w->batch[k].state == BATCH_HELD)
            engine_put_fact(w, (struct fact){ .kind = FACT_START, .batch = k });
    for (uint32_t i = 0; i < INSTANCES; i++)
        w->lock_until_ms[i] = 0;
    while (w->mails)
        network_deliver(w, roll(w->mails));
    take_all(w);
    engine_pump(w);
    for (uint32_t e = w->effects_open; e < w->effects; e++)
        effect_perform(w, &w->effect[e]);
    take_all(w);
    advance_all(w);
    if (roll(3) == 0)
        sweep_all(w);
    take_all(w);
    check_world(w);
    w->now_ms += 30000;
}

void world_run(struct world *w)
{
    uint32_t steps = 800 + roll(2400), days = 0;

    state = w->seed * 1000003;
    w->slots = 1 + roll(6);
    w->now_ms = 1700000000000;
    world_new_batch(w);
    for (w->step = 0; w->step < steps; w->step++) {
        something_happens(w);
        check_world(w);
    }
    tell(w, "kind days");
    w->kind = true;
    do {
        a_kind_day(w);
        w->step++;
        MUST(++days < 1000, "every batch ends, or says what it waits for", days, 0);
        if (all_quiet(w))
            /* the last chance of what the network had dropped */
            sweep_all(w);
    } while (!all_quiet(w));
    check_end(w);
}
