/* Orders for the whole batch: each looks at every node once. */
#include "domain/batch_core.h"

static void set_state(struct turn *t, enum batch_state to)
{
    t->b->state = to;
    t->batch_changed = true;
}

static void set_flag(struct turn *t, bool *flag)
{
    t->batch_changed |= !*flag;
    *flag = true;
}

void batch_start(struct batch *b, int64_t now_ms, struct decisions *out)
{
    if (b->state != BATCH_PREPARING && b->state != BATCH_HELD)
        return;
    struct turn t = turn_begin(b, out);
    set_state(&t, BATCH_RUNNING);
    for (uint32_t i = 0; i < b->count; i++)
        turn_settle(&t, i);
    turn_spread(&t);
    turn_end(&t);
}

bool batch_hold(struct batch *b, int64_t now_ms, struct decisions *out)
{
    if (b->state == BATCH_ENDED)
        return false;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->node[i].attempt > 0)
            return false;
    if (b->state == BATCH_HELD)
        return true;
    struct turn t = turn_begin(b, out);
    set_state(&t, BATCH_HELD);
    turn_end(&t);
    return true;
}

void batch_prepare(struct batch *b, struct decisions *out)
{
    if (b->state != BATCH_HELD)
        return;
    struct turn t = turn_begin(b, out);
    set_state(&t, BATCH_PREPARING);
    turn_end(&t);
}

static void take_if_it_moves(struct turn *t, uint32_t i, enum node_event ev)
{
    const struct batch_node *n = &t->b->node[i];

    if (node_edge(n->state, ev).verdict != NODE_MOVE || (ev == NODE_CANCEL && n->cancel_wanted))
        return;
    turn_take(t, i, ev, 0);
}

void batch_cancel(struct batch *b, int64_t now_ms, struct decisions *out)
{
    if (b->state == BATCH_ENDED)
        return;
    struct turn t = turn_begin(b, out);
    set_flag(&t, &b->cancelled);
    /* Children first: what a person stopped is cancelled, not skipped because its parent was. */
    for (uint32_t k = b->count; k-- > 0;)
        take_if_it_moves(&t, b->order[k], NODE_CANCEL);
    turn_end(&t);
}

void batch_supersede(struct batch *b, bool stop_live, int64_t now_ms, struct decisions *out)
{
    struct turn t = turn_begin(b, out);

    set_flag(&t, &b->superseded);
    for (uint32_t k = b->count; k-- > 0;) {
        take_if_it_moves(&t, b->order[k], NODE_SUPERSEDE);
        if (stop_live && node_is_live(b->node[b->order[k]].state))
            take_if_it_moves(&t, b->order[k], NODE_CANCEL);
    }
    turn_end(&t);
}

/* A skipped one is revived with its parents; what a cancel had kept from that is asked for here. */
static bool wants_retry(enum node_state s)
{
    return s == NODE_FAILED || s == NODE_ERROR || s == NODE_CANCELLED || s == NODE_TIMED_OUT ||
           s == NODE_SKIPPED;
}

uint32_t batch_retry(struct batch *b, int64_t now_ms, struct decisions *out)
{
    uint32_t sent = 0;

    if (b->superseded)
        return 0;
    struct turn t = turn_begin(b, out);
    /* Parents first: a child may be re-run only when what it waits for stands well. */
    for (uint32_t k = 0; k < b->count; k++) {
        uint32_t i = b->order[k];
        if (wants_retry(b->node[i].state) && batch_gate(b, i) != GATE_BROKEN) {
            turn_take(&t, i, NODE_RERUN, 0);
            sent++;
        }
    }
    turn_end(&t);
    return sent;
}
