#include "domain/batch.h"

#include <assert.h>

#include "domain/batch_core.h"

enum node_end node_end(enum node_state s)
{
    return !node_is_final(s) ? END_OPEN : node_is_good(s) ? END_GOOD : END_BAD;
}

enum batch_gate batch_gate(const struct batch *b, uint32_t i)
{
    const struct batch_node *n = &b->node[i];
    bool lenient = n->run_class == RUN_PLAN && !b->strict;

    if (n->parents_bad > 0 && !lenient)
        return GATE_BROKEN;
    return n->parents_open > 0 ? GATE_CLOSED : GATE_OPEN;
}

static void decide(struct decisions *out, enum decision_kind kind, uint32_t node)
{
    if (out->count == out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 16;
        out->at = arena_grow(out->mem, out->at, out->cap, cap, sizeof out->at[0]);
        out->cap = cap;
    }
    out->at[out->count++] = (struct decision){ kind, node };
}

struct turn turn_begin(struct batch *b, struct decisions *out)
{
    assert(b->queue_count == 0);
    b->turn++;
    return (struct turn){ .b = b, .out = out };
}

static void save_node(struct turn *t, uint32_t i)
{
    struct batch_node *n = &t->b->node[i];

    t->shown = true;
    if (n->saved_in == t->b->turn)
        return;
    n->saved_in = t->b->turn;
    decide(t->out, DO_SAVE_NODE, i);
}

/* A node waits in the queue at most once: the queue never needs more than one place a node. */
static void tell_children_later(struct batch *b, uint32_t i)
{
    struct batch_node *n = &b->node[i];

    if (n->child_count == 0)
        n->told = (uint8_t)node_end(n->state);
    if (n->queued || n->told == node_end(n->state))
        return;
    n->queued = true;
    b->queue[(b->queue_head + b->queue_count) % b->count] = i;
    b->queue_count++;
}

static void set_not_before(struct batch_node *n, int64_t at_ms)
{
    n->not_before_ms = at_ms > 0 ? at_ms : 0;
    n->retry = n->not_before_ms != 0;
}

/* Everything that is true because a node is now in `to`, in one place. */
static void turn_enter(struct turn *t, uint32_t i, enum node_state to)
{
    struct batch      *b = t->b;
    struct batch_node *n = &b->node[i];
    enum node_state    from = n->state;

    save_node(t, i);
    if (to == from)
        return;
    n->state = to;
    b->by_state[from]--;
    b->by_state[to]++;
    if (to != NODE_DISPATCHING)
        n->cancel_wanted = false;
    if (node_is_live(to) || node_is_final(to))
        set_not_before(n, 0);
    if (from == NODE_READY)
        ready_remove(b, i);
    if (to == NODE_READY)
        ready_add(b, i);
    if (to == NODE_DISPATCHING)
        decide(t->out, DO_DISPATCH, i);
    if (to == NODE_CANCELLING)
        decide(t->out, DO_CANCEL_RUN, i);
    if (b->state == BATCH_ENDED && !node_is_final(to)) {
        b->state = BATCH_RUNNING;
        t->batch_changed = true;
    }
    tell_children_later(b, i);
}

/* What the dependency gate wants of the node now; NODE_EVENT_COUNT: nothing. */
static enum node_event gate_event(const struct batch *b, uint32_t i)
{
    enum batch_gate gate = batch_gate(b, i);

    switch (b->node[i].state) {
    case NODE_WAITING:
        if (gate == GATE_BROKEN)
            return NODE_BREAK;
        return gate == GATE_OPEN && b->state == BATCH_RUNNING ? NODE_OPEN : NODE_EVENT_COUNT;
    case NODE_READY:
    case NODE_BLOCKED:
        return gate != GATE_OPEN ? NODE_CLOSE : NODE_EVENT_COUNT;
    case NODE_SKIPPED:
        if (gate == GATE_BROKEN || b->cancelled || b->superseded)
            return NODE_EVENT_COUNT;
        return NODE_REVIVE;
    case NODE_DISPATCHING: case NODE_QUEUED: case NODE_RUNNING: case NODE_APPROVAL:
    case NODE_CANCELLING: case NODE_SUCCEEDED: case NODE_FAILED: case NODE_CANCELLED:
    case NODE_TIMED_OUT: case NODE_SUPERSEDED: case NODE_ERROR: case NODE_INERT:
    case NODE_STATE_COUNT:
        return NODE_EVENT_COUNT;
    }
    return NODE_EVENT_COUNT;
}

void turn_settle(struct turn *t, uint32_t i)
{
    t->b->touched++;
    /* ready → waiting → skipped and skipped → waiting → ready are the longest ways. */
    for (int moves = 0;; moves++) {
        enum node_event ev = gate_event(t->b, i);
        if (ev == NODE_EVENT_COUNT)
            return;
        struct node_edge edge = node_edge(t->b->node[i].state, ev);
        assert(edge.verdict == NODE_MOVE);
        assert(moves < 2);
        turn_enter(t, i, edge.to);
    }
}

static void count_parent(struct batch_node *child, enum node_end was, enum node_end is)
{
    assert(was != END_OPEN || child->parents_open > 0);
    assert(was != END_BAD || child->parents_bad > 0);
    child->parents_open -= was == END_OPEN;
    child->parents_bad -= was == END_BAD;
    child->parents_open += is == END_OPEN;
    child->parents_bad += is == END_BAD;
}

void turn_spread(struct turn *t)
{
    struct batch *b = t->b;

    while (b->queue_count > 0) {
        struct batch_node *n = &b->node[b->queue[b->queue_head]];
        b->queue_head = (b->queue_head + 1) % b->count;
        b->queue_count--;
        enum node_end was = (enum node_end)n->told, is = node_end(n->state);
        n->queued = false;
        n->told = (uint8_t)is;
        for (uint32_t k = 0; k < n->child_count && was != is; k++) {
            uint32_t child = b->children[n->first_child + k];
            count_parent(&b->node[child], was, is);
            turn_settle(t, child);
        }
    }
}

void turn_end(struct turn *t)
{
    struct batch *b = t->b;

    assert(b->queue_count == 0);
    if (b->state != BATCH_ENDED && (t->shown || t->batch_changed) && batch_done(b)) {
        b->state = BATCH_ENDED;
        t->batch_changed = true;
    }
    if (t->batch_changed)
        decide(t->out, DO_SAVE_BATCH, 0);
    if (t->batch_changed || t->shown)
        decide(t->out, DO_REPORT, 0);
}

/* Where the table's edge really leads: what was wished for during the call is done now. */
static enum node_state wished_end(const struct batch *b, const struct batch_node *n,
                                  enum node_event ev, enum node_state to)
{
    if (n->state != NODE_DISPATCHING)
        return to;
    if (ev == NODE_PUT_BACK)
        return n->cancel_wanted ? NODE_CANCELLED : b->superseded ? NODE_SUPERSEDED : to;
    if (n->cancel_wanted && node_is_live(to))
        return NODE_CANCELLING;
    return to;
}

void turn_take(struct turn *t, uint32_t i, enum node_event ev, int64_t not_before_ms)
{
    struct batch      *b = t->b;
    struct batch_node *n = &b->node[i];
    struct node_edge   edge = node_edge(n->state, ev);

    assert(edge.verdict == NODE_MOVE);
    enum node_state to = wished_end(b, n, ev, edge.to);
    b->touched++;
    if (ev == NODE_SEND) {
        assert(n->attempt < UINT32_MAX);
        n->attempt++;
    }
    if (ev == NODE_CANCEL && n->state == NODE_DISPATCHING)
        n->cancel_wanted = true;
    if (ev == NODE_PUT_BACK && to == NODE_READY)
        set_not_before(n, not_before_ms);
    if (ev == NODE_RERUN && b->cancelled) {
        b->cancelled = false;
        t->batch_changed = true;
    }
    turn_enter(t, i, to);
    turn_settle(t, i);
    turn_spread(t);
}

/* What the table cannot know because it looks at one node only. */
static enum node_verdict batch_guard(const struct batch *b, struct node_message m)
{
    const struct batch_node *n = &b->node[m.node];

    if (m.event == NODE_SEND) {
        if (b->state != BATCH_RUNNING || batch_gate(b, m.node) != GATE_OPEN)
            return NODE_ILLEGAL;
        if (m.now_ms < n->not_before_ms)
            return NODE_STALE;
    }
    if (m.event == NODE_RERUN && (b->superseded || batch_gate(b, m.node) == GATE_BROKEN))
        return NODE_ILLEGAL;
    if (m.event == NODE_CANCEL && n->cancel_wanted)
        return NODE_STALE;
    return NODE_MOVE;
}

enum node_verdict batch_step(struct batch *b, struct node_message m, struct decisions *out)
{
    assert(m.node < b->count);
    assert(m.event < NODE_EVENT_COUNT);
    const struct batch_node *n = &b->node[m.node];
    struct node_edge         edge = node_edge(n->state, m.event);

    if (node_sender(m.event) == BY_CORE)
        return NODE_ILLEGAL;                    /* only the dependency gate may say so */
    if (node_sender(m.event) == BY_FORGE && (m.attempt != n->attempt || m.attempt == 0))
        return NODE_STALE;
    if (edge.verdict != NODE_MOVE)
        return edge.verdict;
    enum node_verdict guard = batch_guard(b, m);
    if (guard != NODE_MOVE)
        return guard;

    struct turn t = turn_begin(b, out);
    turn_take(&t, m.node, m.event, m.not_before_ms);
    turn_end(&t);
    return NODE_MOVE;
}
