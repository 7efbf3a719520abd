/* The engine, pretended: rows, inbox, gates and slots around the real domain. */
#include <assert.h>

#include "world.h"

static struct batch *hot(struct world *w, uint32_t k)
{
    if (w->hot[k])
        return w->hot[k];
    const struct batch_row *row = &w->batch[k];
    struct batch_node       node[NODES] = { 0 };
    for (uint32_t i = 0; i < row->count; i++)
        node[i] = (struct batch_node){.state = row->node[i].state,
                                      .run_class = row->node[i].run_class,
                                      .attempt = row->node[i].attempt,
                                      .expected_ms = row->node[i].expected_ms,
                                      .cancel_wanted = row->node[i].cancel_wanted,
                                      .not_before_ms = row->node[i].not_before_ms};
    w->hot_mem[k] = arena_new(1 << 24, 1 << 28);
    w->hot[k] = batch_load(w->hot_mem[k], node, row->count, row->edge, row->edges, row->strict,
                           row->state, row->cancelled, row->superseded);
    return w->hot[k];
}

static void forget(struct world *w, uint32_t k)
{
    arena_free(w->hot_mem[k]);
    w->hot[k] = NULL;
    w->hot_mem[k] = NULL;
}

void engine_crash(struct world *w)
{
    tell(w, "crash");
    w->crashes++;
    for (uint32_t k = 0; k < BATCHES; k++)
        forget(w, k);
}

static void add_effect(struct world *w, bool stop, uint32_t batch, uint32_t node, uint32_t attempt)
{
    assert(w->effects < EFFECTS);
    for (uint32_t e = 0; !stop && e < w->effects; e++)
        MUST(w->effect[e].stop || w->effect[e].batch != batch || w->effect[e].node != node ||
                 w->effect[e].attempt != attempt,
             "an attempt is dispatched once", node, attempt);
    w->effect[w->effects++] =
        (struct effect){.stop = stop, .batch = batch, .node = node, .attempt = attempt};
}

static void save_node(struct world *w, uint32_t batch, uint32_t i)
{
    const struct batch_node *n = &w->hot[batch]->node[i];
    struct node_row         *row = &w->batch[batch].node[i];

    if (n->attempt != row->attempt)
        row->run_attempt = 1;
    tell(w, "  batch %u node %u: %s -> %s, attempt %u%s", batch, i, node_state_name(row->state), node_state_name(n->state),
         n->attempt, n->cancel_wanted ? ", cancel wanted" : "");
    row->state = n->state;
    row->attempt = n->attempt;
    row->cancel_wanted = n->cancel_wanted;
    row->not_before_ms = n->not_before_ms;
}

static void save_batch(struct world *w, uint32_t batch)
{
    const struct batch *b = w->hot[batch];
    struct batch_row   *row = &w->batch[batch];

    tell(w, "  batch %u: %s -> %s%s%s", batch, batch_state_name(row->state), batch_state_name(b->state),
         b->cancelled ? ", cancelled" : "", b->superseded ? ", superseded" : "");
    row->state = b->state;
    row->cancelled = b->cancelled;
    row->superseded = b->superseded;
    row->ever_cancelled |= b->cancelled;
    row->ever_started |= b->state == BATCH_RUNNING;
}

/* One transaction: all of the decisions, or (a crash before the commit) none. */
static bool commit(struct world *w, uint32_t batch, const struct decisions *out,
                   uint32_t run_attempt, uint32_t of_node)
{
    struct batch_row was = w->batch[batch];

    if (chance(w, 2)) {
        engine_crash(w);
        return false;
    }
    for (size_t d = 0; d < out->count; d++) {
        uint32_t i = out->at[d].node;
        switch (out->at[d].kind) {
        case DO_SAVE_NODE:  save_node(w, batch, i); break;
        case DO_DISPATCH:   add_effect(w, false, batch, i, w->hot[batch]->node[i].attempt); break;
        case DO_CANCEL_RUN: add_effect(w, true, batch, i, w->hot[batch]->node[i].attempt); break;
        case DO_SAVE_BATCH: save_batch(w, batch); break;
        case DO_REPORT:     break;
        }
    }
    if (run_attempt)
        w->batch[batch].node[of_node].run_attempt = run_attempt;
    check_turn(w, batch, &was, out);
    return true;
}

static struct decisions no_decisions(struct world *w)
{
    arena_reset(w->turn_mem);
    return (struct decisions){ .mem = w->turn_mem };
}

static enum node_verdict step(struct world *w, const struct fact *f, enum node_event event,
                              struct decisions *out)
{
    enum node_verdict v = batch_step(hot(w, f->batch),
                                     (struct node_message){.event = event,
                                                           .node = f->node,
                                                           .attempt = f->attempt,
                                                           .now_ms = w->now_ms,
                                                           .not_before_ms = f->not_before_ms},
                                     out);
    tell(w, "  %s: %s", node_event_name(event),
         v == NODE_MOVE    ? "moves"
         : v == NODE_STALE ? "stale"
                           : "illegal");
    if (v == NODE_MOVE)
        w->moves++;
    else
        w->stales++;
    return v;
}

/*
 * News of a later run_attempt mean that somebody re-ran it over there; news of an earlier one are
 * old. Two turns of the domain may be one transaction.
 */
static bool take_node_fact(struct world *w, const struct fact *f)
{
    const struct node_row *row = &w->batch[f->batch].node[f->node];
    bool forge = node_sender(f->event) == BY_FORGE, mine = forge && f->attempt == row->attempt;
    struct decisions       out = no_decisions(w);

    if (mine && f->run_attempt && f->run_attempt < row->run_attempt)
        return true;
    if (mine && f->run_attempt > row->run_attempt) {
        step(w, f, NODE_RUN_AGAIN, &out);
        if (!commit(w, f->batch, &out, f->run_attempt, f->node))
            return false;
        out = no_decisions(w);
    }
    enum node_state   before = row->state;
    enum node_verdict v = step(w, f, f->event, &out);
    if (!commit(w, f->batch, &out, 0, 0))
        return false;
    if (f->event == NODE_CANCEL && v == NODE_MOVE)
        MUST(row_ended(row->state) || row->state == NODE_CANCELLING || row->cancel_wanted,
             "a cancel shows", f->node, row->state);
    if (f->event == NODE_RERUN && v == NODE_MOVE)
        MUST(before != row->state, "a re-run goes somewhere", f->node, row->state);
    return true;
}

static bool take_order(struct world *w, const struct fact *f)
{
    struct decisions out = no_decisions(w);
    struct batch    *b = hot(w, f->batch);

    switch (f->kind) {
    case FACT_START:              batch_start(b, w->now_ms, &out); break;
    case FACT_HOLD:               batch_hold(b, w->now_ms, &out); break;
    case FACT_CANCEL:             batch_cancel(b, w->now_ms, &out); break;
    case FACT_SUPERSEDE:          batch_supersede(b, false, w->now_ms, &out); break;
    case FACT_STOP_AND_SUPERSEDE: batch_supersede(b, true, w->now_ms, &out); break;
    case FACT_RETRY:              batch_retry(b, w->now_ms, &out); break;
    case FACT_NODE:               assert(f->kind != FACT_NODE); break;
    }
    return commit(w, f->batch, &out, 0, 0);
}

void engine_put_fact(struct world *w, struct fact f)
{
    if (f.id == 0)
        f.id = ++w->ids;
    assert(f.id < FACTS + MAIL);
    if (w->id_seen[f.id])
        return;
    assert(w->inbox_count < FACTS);
    w->id_seen[f.id] = true;
    w->inbox[w->inbox_count++] = f;
}

void engine_take_fact(struct world *w)
{
    static const char *const kinds[] = {
        "node", "start", "hold", "cancel", "supersede", "stop and supersede", "retry"};

    if (w->inbox_head == w->inbox_count)
        return;
    struct fact f = w->inbox[w->inbox_head];
    w->cause = f;
    tell(w, "fact %llu: %s %s, batch %u node %u attempt %u.%u", (unsigned long long)f.id,
         kinds[f.kind], f.kind == FACT_NODE ? node_event_name(f.event) : "", f.batch, f.node,
         f.attempt, f.run_attempt);
    if (f.kind == FACT_NODE ? take_node_fact(w, &f) : take_order(w, &f))
        w->inbox_head++;
}

static void say(struct world *w, uint32_t batch, uint32_t node, enum node_event event)
{
    struct fact      f = { .event = event, .batch = batch, .node = node };
    struct decisions out = no_decisions(w);

    w->cause = f;
    tell(w, "engine: %s, batch %u node %u", node_event_name(event), batch, node);
    enum node_verdict v = step(w, &f, event, &out);
    MUST(v == NODE_MOVE, "the engine sends, blocks and unblocks only what it may", event, node);
    commit(w, batch, &out, 0, 0);
}

static bool lock_gate_open(const struct world *w, uint32_t batch, uint32_t node)
{
    return w->lock_until_ms[w->batch[batch].node[node].instance] <= w->now_ms &&
           !instance_taken(w, batch, node);
}

static uint32_t live_rows(const struct world *w)
{
    uint32_t live = 0;
    for (uint32_t k = 0; k < w->batches; k++)
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            live += row_live(w->batch[k].node[i].state);
    return live;
}

static void pump_batch(struct world *w, uint32_t k)
{
    for (;;) {
        uint32_t nodes[NODES], live = live_rows(w), max = live < w->slots ? w->slots - live : 0;
        int64_t  wake_ms;
        max = max < NODES ? max : NODES;
        uint32_t n = batch_next(hot(w, k), max, w->now_ms, nodes, &wake_ms);
        check_next(w, k, nodes, n, max, wake_ms);
        if (n == 0)
            return;
        for (uint32_t x = 0; x < n; x++) {
            say(w, k, nodes[x], lock_gate_open(w, k, nodes[x]) ? NODE_SEND : NODE_BLOCK);
            if (!w->hot[k])
                return;                         /* crashed */
        }
    }
}

void engine_pump(struct world *w)
{
    for (uint32_t k = 0; k < w->batches; k++) {
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            if (w->batch[k].node[i].state == NODE_BLOCKED && lock_gate_open(w, k, i))
                say(w, k, i, NODE_UNBLOCK);
        pump_batch(w, k);
    }
}

/* What a bug of the engine, or somebody outside who can post facts, might try. */
void engine_confused(struct world *w)
{
    static const enum node_event core[] = { NODE_OPEN, NODE_BREAK, NODE_REVIVE, NODE_CLOSE };
    uint32_t                k = roll(w->batches), i = roll(w->batch[k].count);
    const struct batch_row *row = &w->batch[k];
    struct decisions        out = no_decisions(w);
    struct fact             f = { .batch = k, .node = i, .attempt = row->node[i].attempt };

    MUST(step(w, &f, core[roll(4)], &out) == NODE_ILLEGAL, "core events are the core's", k, i);
    if (row->state != BATCH_RUNNING || row->node[i].state != NODE_READY)
        MUST(step(w, &f, NODE_SEND, &out) == NODE_ILLEGAL,
             "only ready nodes of a running batch are sent", k, i);
    if (row->superseded)
        MUST(step(w, &f, NODE_RERUN, &out) != NODE_MOVE, "nothing is re-run after a newer head", k,
             i);
    /* a late word of an earlier attempt, whatever it says */
    if (row->node[i].attempt > 1) {
        f.attempt = roll(row->node[i].attempt);
        f.event = (enum node_event)(NODE_ACCEPTED + roll(NODE_RUN_AGAIN - NODE_ACCEPTED + 1));
        MUST(step(w, &f, f.event, &out) == NODE_STALE, "the fence", f.attempt, f.event);
    }
    MUST(out.count == 0, "what does not move decides nothing", k, out.count);
}
