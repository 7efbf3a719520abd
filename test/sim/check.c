/*
 * The invariants of architecture.md §7, as far as one repository's batches go, from rows and truth
 * alone: nothing here asks the domain's counters, tables or queues.
 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

bool row_live(enum node_state s)
{
    return s == NODE_DISPATCHING || s == NODE_QUEUED || s == NODE_RUNNING || s == NODE_APPROVAL ||
           s == NODE_CANCELLING;
}

bool row_ended(enum node_state s)
{
    return s != NODE_WAITING && s != NODE_READY && s != NODE_BLOCKED && !row_live(s);
}

static bool lenient(const struct batch_row *b, uint32_t i)
{
    return b->node[i].run_class == RUN_PLAN && !b->strict;
}

static bool good(enum node_state s) { return s == NODE_SUCCEEDED || s == NODE_INERT; }

/* Invariant 1, for one node. */
static bool parents_allow(const struct batch_row *b, uint32_t i)
{
    for (size_t e = 0; e < b->edges; e++) {
        enum node_state p = b->node[b->edge[e].parent].state;
        if (b->edge[e].child == i && !(lenient(b, i) ? row_ended(p) : good(p)))
            return false;
    }
    return true;
}

static bool parents_forbid(const struct batch_row *b, uint32_t i)
{
    for (size_t e = 0; e < b->edges; e++) {
        enum node_state p = b->node[b->edge[e].parent].state;
        if (b->edge[e].child == i && !lenient(b, i) && row_ended(p) && !good(p))
            return true;
    }
    return false;
}

bool instance_taken(const struct world *w, uint32_t batch, uint32_t node)
{
    const struct node_row *me = &w->batch[batch].node[node];

    for (uint32_t k = 0; k < w->batches; k++) {
        for (uint32_t i = 0; i < w->batch[k].count; i++) {
            const struct node_row *n = &w->batch[k].node[i];
            if (n != me && n->instance == me->instance && n->run_class == RUN_APPLY &&
                me->run_class == RUN_APPLY && row_live(n->state))
                return true;
        }
    }
    return false;
}

static uint32_t decided(const struct decisions *out, enum decision_kind kind, uint32_t node)
{
    uint32_t n = 0;
    for (size_t d = 0; d < out->count; d++)
        n += out->at[d].kind == kind &&
             (kind == DO_SAVE_BATCH || kind == DO_REPORT || out->at[d].node == node);
    return n;
}

static void check_decisions(const struct world *w, const struct batch_row *b,
                            const struct decisions *out)
{
    if (out->count == 0)
        return;
    MUST(out->at[out->count - 1].kind == DO_REPORT && decided(out, DO_REPORT, 0) == 1,
         "one report, last", out->count, 0);
    MUST(decided(out, DO_SAVE_BATCH, 0) <= 1, "one save of the batch", out->count, 0);
    for (uint32_t i = 0; i < b->count; i++)
        MUST(decided(out, DO_SAVE_NODE, i) <= 1, "one save a node and step", i,
             decided(out, DO_SAVE_NODE, i));
    (void)w;
}

/* Nothing is changed in memory that was not saved: a crash right now loses nothing. */
static void check_saved(const struct world *w, uint32_t batch)
{
    const struct batch     *hot = w->hot[batch];
    const struct batch_row *row = &w->batch[batch];

    MUST(hot->state == row->state && hot->cancelled == row->cancelled &&
             hot->superseded == row->superseded,
         "the batch is saved", hot->state, row->state);
    for (uint32_t i = 0; i < row->count; i++) {
        const struct batch_node *h = &hot->node[i];
        const struct node_row   *r = &row->node[i];
        MUST(h->state == r->state && h->attempt == r->attempt &&
                 h->cancel_wanted == r->cancel_wanted && h->not_before_ms == r->not_before_ms,
             "the node is saved", i, h->state);
    }
}

static void check_sent(struct world *w, uint32_t batch, const struct batch_row *was, uint32_t i)
{
    const struct batch_row *b = &w->batch[batch];

    MUST(b->node[i].attempt == was->node[i].attempt + 1, "attempts count up and none is used twice",
         i, b->node[i].attempt);
    MUST(was->state == BATCH_RUNNING, "a held batch dispatches nothing", i, was->state);
    MUST(was->node[i].state == NODE_READY && b->node[i].state == NODE_DISPATCHING,
         "ready nodes are sent", i, was->node[i].state);
    MUST(parents_allow(was, i), "a node starts only when all it waits for allows it", i, 0);
    MUST(was->node[i].not_before_ms <= w->now_ms, "put back means not before its time", i,
         was->node[i].not_before_ms);
    MUST(w->lock_until_ms[b->node[i].instance] <= w->now_ms,
         "never a dispatch onto a locked instance", i, 0);
    MUST(!instance_taken(w, batch, i), "never two live applies on one instance", i,
         b->node[i].instance);
}

static bool caused_by_rerun(const struct world *w, uint32_t i)
{
    return w->cause.kind == FACT_RETRY ||
           (w->cause.kind == FACT_NODE && w->cause.event == NODE_RERUN && w->cause.node == i);
}

/* Whatever we had wished for: a run that ended over there is said to have ended so. */
static void check_end_is_told(const struct world *w, uint32_t i, const struct node_row *from,
                              const struct node_row *to)
{
    static const enum node_state ends[NODE_EVENT_COUNT] = {[NODE_RUN_SUCCEEDED] = NODE_SUCCEEDED,
                                                           [NODE_RUN_FAILED] = NODE_FAILED,
                                                           [NODE_RUN_CANCELLED] = NODE_CANCELLED,
                                                           [NODE_RUN_TIMED_OUT] = NODE_TIMED_OUT};

    if (w->cause.kind == FACT_NODE && w->cause.node == i && ends[w->cause.event] &&
        row_live(from->state) && !row_live(to->state))
        MUST(to->state == ends[w->cause.event], "say what is true", i, to->state);
}

static void check_move(struct world *w, uint32_t batch, const struct batch_row *was, uint32_t i,
                       const struct decisions *out)
{
    struct batch_row      *b = &w->batch[batch];
    const struct node_row *from = &was->node[i], *to = &b->node[i];
    bool                   sent = to->attempt != from->attempt;

    MUST(from->state != NODE_INERT || to->state == NODE_INERT, "inert nodes stay", i, to->state);
    MUST(decided(out, DO_DISPATCH, i) == sent, "sent is dispatched, and nothing else is", i, sent);
    MUST(decided(out, DO_CANCEL_RUN, i) == (to->state == NODE_CANCELLING && from->state != NODE_CANCELLING),
         "who is to stop is told", i, to->state);
    if (sent)
        check_sent(w, batch, was, i);
    else if (row_live(to->state) && !row_live(from->state))
        MUST(to->run_attempt > from->run_attempt, "only a re-run over there wakes what had ended",
             i, to->state);
    check_end_is_told(w, i, from, to);
    if (from->cancel_wanted && to->state != from->state)
        MUST(row_ended(to->state) || to->state == NODE_CANCELLING, "a cancel is remembered", i,
             to->state);
    if (!row_ended(from->state) || row_ended(to->state) || row_live(to->state))
        return;
    MUST(!b->cancelled && !b->superseded, "nothing comes back after a cancel or a newer head", i,
         to->state);
    if (from->state == NODE_SKIPPED)
        return;
    MUST(caused_by_rerun(w, i), "what has run is not run again unless somebody asks", i,
         from->state);
    b->may_run[i]++;
}

void check_turn(struct world *w, uint32_t batch, const struct batch_row *was,
                const struct decisions *out)
{
    check_decisions(w, &w->batch[batch], out);
    check_saved(w, batch);
    for (uint32_t i = 0; i < was->count; i++)
        check_move(w, batch, was, i, out);
}

static int64_t tail(const struct batch_row *b, uint32_t i, int64_t *memo)
{
    if (memo[i])
        return memo[i];
    int64_t longest = 0;
    for (size_t e = 0; e < b->edges; e++) {
        if (b->edge[e].parent != i)
            continue;
        int64_t t = tail(b, b->edge[e].child, memo);
        longest = t > longest ? t : longest;
    }
    return memo[i] = longest + b->node[i].expected_ms;
}

void check_next(const struct world *w, uint32_t batch, const uint32_t *nodes, uint32_t n,
                uint32_t max, int64_t wake_ms)
{
    const struct batch_row *b = &w->batch[batch];
    int64_t                 memo[NODES] = { 0 }, wake = 0;
    bool                    chosen[NODES] = { false };
    uint32_t                due = 0;

    for (uint32_t x = 0; x < n; x++) {
        MUST(b->node[nodes[x]].state == NODE_READY && !chosen[nodes[x]], "ready ones, each once",
             nodes[x], n);
        chosen[nodes[x]] = true;
        if (x > 0)
            MUST(tail(b, nodes[x - 1], memo) >= tail(b, nodes[x], memo), "longest path first",
                 nodes[x - 1], nodes[x]);
    }
    for (uint32_t i = 0; i < b->count && b->state == BATCH_RUNNING; i++) {
        if (b->node[i].state != NODE_READY)
            continue;
        if (b->node[i].not_before_ms > w->now_ms) {
            MUST(!chosen[i], "not before its time", i, b->node[i].not_before_ms);
            wake = wake && wake < b->node[i].not_before_ms ? wake : b->node[i].not_before_ms;
            continue;
        }
        due++;
        if (!chosen[i] && n > 0)
            MUST(tail(b, i, memo) <= tail(b, nodes[n - 1], memo), "nobody better is left out", i,
                 nodes[n - 1]);
    }
    MUST(n == (due < max ? due : max), "as many as may go", n, due);
    if (n < max)
        MUST(wake_ms == wake, "when to ask again", wake_ms, wake);
}

void check_created(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt)
{
    const struct node_row *me = &w->batch[batch].node[node];

    for (uint32_t k = 0; k < w->batches && me->run_class == RUN_APPLY; k++) {
        for (uint32_t i = 0; i < w->batch[k].count; i++) {
            const struct node_row *n = &w->batch[k].node[i];
            for (uint32_t a = 0; a < ATTEMPTS; a++) {
                const struct run *r = &w->run[k][i][a];
                if ((k == batch && i == node && a == attempt) || n->instance != me->instance ||
                    n->run_class != RUN_APPLY)
                    continue;
                MUST(!run_live(r) || r->run_attempt > 1,
                     "the forge never has two live applies of ours on one instance", i,
                     a); /* what somebody re-ran over there is theirs */
            }
        }
    }
    MUST(w->runs_created[batch][node] <= w->batch[batch].may_run[node],
         "a released batch dispatches each node once", node, w->runs_created[batch][node]);
}

static bool dispatch_is_under_way(const struct world *w, uint32_t batch, uint32_t node)
{
    for (uint32_t e = w->effects_open; e < w->effects; e++)
        if (!w->effect[e].stop && w->effect[e].batch == batch && w->effect[e].node == node &&
            w->effect[e].state != EFFECT_DONE)
            return true;
    for (uint32_t f = w->inbox_head; f < w->inbox_count; f++)
        if (w->inbox[f].batch == batch && w->inbox[f].node == node)
            return true;
    return false;
}

static void check_gates(const struct batch_row *b, uint32_t i)
{
    enum node_state s = b->node[i].state;
    bool            open = s == NODE_READY || s == NODE_BLOCKED;

    if (open || s == NODE_WAITING)
        MUST(!b->cancelled && !b->superseded, "a cancel and a newer head leave nothing open", i, s);
    if (open)
        MUST(b->ever_started && parents_allow(b, i), "ready means that all it waits for allows it",
             i, s);
    if (s == NODE_WAITING)
        MUST(!parents_forbid(b, i) && (b->state != BATCH_RUNNING || !parents_allow(b, i)),
             "waiting means that there is something to wait for", i, s);
    if (s == NODE_SKIPPED)
        MUST(parents_forbid(b, i) || b->superseded || b->ever_cancelled,
             "skipped means that a parent stands badly", i, s);
    if (b->node[i].cancel_wanted)
        MUST(s == NODE_DISPATCHING, "a wish to cancel is for what cannot be stopped yet", i, s);
    if (b->node[i].not_before_ms)
        MUST(open || s == NODE_WAITING, "only what is to be sent has a time to be sent", i, s);
    if (!b->ever_started)
        MUST(b->node[i].attempt == 0, "nothing is sent before the start", i, s);
}

/*
 * What the row says of its present attempt is true over there, or news of a later run_attempt are
 * on their way.
 */
static void check_truth(struct world *w, uint32_t batch, uint32_t i)
{
    const struct node_row *n = &w->batch[batch].node[i];
    const struct run      *r = &w->run[batch][i][n->attempt];

    if (n->attempt == 0) {
        MUST(!row_live(n->state) && n->state != NODE_SUCCEEDED && n->state != NODE_FAILED &&
                 n->state != NODE_TIMED_OUT && n->state != NODE_ERROR,
             "what was never sent never ran", i, n->state);
        return;
    }
    if (row_live(n->state) && n->state != NODE_DISPATCHING)
        MUST(r->state != RUN_NONE, "a live node has a run", i, n->state);
    if (n->state == NODE_DISPATCHING)
        MUST(dispatch_is_under_way(w, batch, i), "dispatching says what it waits for", i,
             n->attempt);
    if (!row_live(n->state) && run_live(r))
        MUST(r->run_attempt > n->run_attempt, "a node at rest has no live run", i, n->state);
    if (n->state == NODE_SUCCEEDED)
        MUST(r->ends_seen >> NODE_RUN_SUCCEEDED & 1, "success is true", i, n->attempt);
    if (n->state == NODE_FAILED)
        MUST(r->ends_seen >> NODE_RUN_FAILED & 1, "failure is true", i, n->attempt);
    if (n->state == NODE_TIMED_OUT)
        MUST(r->ends_seen >> NODE_RUN_TIMED_OUT & 1, "time-out is true", i, n->attempt);
    if (n->state == NODE_ERROR)
        MUST(r->state == RUN_NONE, "a refused run does not exist", i, n->attempt);
}

void check_world(struct world *w)
{
    uint32_t applies[INSTANCES] = { 0 };

    while (w->effects_open < w->effects && w->effect[w->effects_open].state == EFFECT_DONE)
        w->effects_open++;
    for (uint32_t k = 0; k < w->batches; k++) {
        const struct batch_row *b = &w->batch[k];
        uint32_t                ended = 0, inert = 0;
        for (uint32_t i = 0; i < b->count; i++) {
            const struct node_row *n = &b->node[i];
            check_gates(b, i);
            check_truth(w, k, i);
            ended += row_ended(n->state);
            inert += n->state == NODE_INERT;
            if (row_live(n->state) && n->run_class == RUN_APPLY && n->run_attempt == 1)
                MUST(++applies[n->instance] == 1, "never two live applies on one instance", i,
                     n->instance);
        }
        if (ended == b->count)
            MUST(b->state == BATCH_ENDED || (inert == b->count && b->state == BATCH_PREPARING),
                 "all ended: the batch too", k, b->state);
        else
            MUST(b->state != BATCH_ENDED, "a batch with something open has not ended", k, b->state);
    }
}

static enum batch_verdict verdict_of(const struct batch_row *b)
{
    uint32_t bad = 0, superseded = 0, cancelled = 0, skipped = 0, inert = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        enum node_state s = b->node[i].state;
        bad += s == NODE_FAILED || s == NODE_ERROR || s == NODE_TIMED_OUT;
        superseded += s == NODE_SUPERSEDED;
        cancelled += s == NODE_CANCELLED;
        skipped += s == NODE_SKIPPED;
        inert += s == NODE_INERT;
    }
    return inert == b->count ? VERDICT_EMPTY
           : bad             ? VERDICT_FAILURE
           : superseded      ? VERDICT_SUPERSEDED
           : cancelled       ? VERDICT_CANCELLED
           : !skipped        ? VERDICT_SUCCESS
           : b->superseded   ? VERDICT_SUPERSEDED
                             : VERDICT_CANCELLED;
}

/*
 * After the kind days: every batch ended, in memory and from its rows, and the last word of each
 * node is the forge's.
 */
void check_end(struct world *w)
{
    static const enum node_event said[NODE_STATE_COUNT] = {[NODE_SUCCEEDED] = NODE_RUN_SUCCEEDED,
                                                           [NODE_FAILED] = NODE_RUN_FAILED,
                                                           [NODE_TIMED_OUT] = NODE_RUN_TIMED_OUT};
    for (uint32_t k = 0; k < w->batches; k++) {
        const struct batch_row *b = &w->batch[k];
        MUST(b->state == BATCH_ENDED, "every batch ends", k, b->state);
        if (w->hot[k])
            MUST(batch_done(w->hot[k]) && batch_live(w->hot[k]) == 0 &&
                     batch_forecast_ms(w->hot[k], 1) == 0 &&
                     batch_verdict(w->hot[k]) == verdict_of(b),
                 "the verdict", k, batch_verdict(w->hot[k]));
        for (uint32_t i = 0; i < b->count; i++) {
            const struct run *r = &w->run[k][i][b->node[i].attempt];
            if (said[b->node[i].state])
                MUST(r->state == RUN_IS_ENDED && r->end == said[b->node[i].state],
                     "the last word is the forge's", i, b->node[i].state);
        }
    }
}
