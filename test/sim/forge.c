/* The forge (the truth about runs), the network, and the workers that carry effects out. */
#include <assert.h>

#include "world.h"

struct run *run_of(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt)
{
    assert(attempt < ATTEMPTS);
    return &w->run[batch][node][attempt];
}

bool run_live(const struct run *r) { return r->state != RUN_NONE && r->state != RUN_IS_ENDED; }

static struct fact news(uint32_t batch, uint32_t node, uint32_t attempt, const struct run *r)
{
    static const enum node_event says[] = {[RUN_IS_QUEUED] = NODE_RUN_QUEUED,
                                           [RUN_IS_APPROVAL] = NODE_RUN_APPROVAL,
                                           [RUN_IS_RUNNING] = NODE_RUN_STARTED};
    return (struct fact){.event = r->state == RUN_IS_ENDED ? r->end : says[r->state],
                         .batch = batch,
                         .node = node,
                         .attempt = attempt,
                         .run_attempt = r->run_attempt};
}

static void post(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt)
{
    assert(w->mails < MAIL);
    w->mail[w->mails] = news(batch, node, attempt, run_of(w, batch, node, attempt));
    w->mail[w->mails++].id = ++w->ids;
}

void network_deliver(struct world *w, uint32_t at)
{
    struct fact f = w->mail[at];

    /* twice: under the same delivery id, or under a new one */
    if (chance(w, 20)) {
        engine_put_fact(w, f);
        if (chance(w, 50))
            f.id = 0;
        engine_put_fact(w, f);
        if (chance(w, 30))
            return;                             /* and a third time, later */
    } else if (!chance(w, 12)) {
        engine_put_fact(w, f);
    } else {
        tell(w, "network: drops %s, batch %u node %u", node_event_name(f.event), f.batch, f.node);
    }
    w->mail[at] = w->mail[--w->mails];
}

static void forge_create(struct world *w, const struct effect *e)
{
    struct run *r = run_of(w, e->batch, e->node, e->attempt);

    tell(w, "forge: creates run %u.%u.%u", e->batch, e->node, e->attempt);
    MUST(r->state == RUN_NONE, "at most one run for one run id", e->node, e->attempt);
    r->state = RUN_IS_QUEUED;
    r->run_attempt = 1;
    w->runs_created[e->batch][e->node]++;
    check_created(w, e->batch, e->node, e->attempt);
    post(w, e->batch, e->node, e->attempt);
}

static void forge_end(struct run *r)
{
    static const enum node_event ends[] = {
        NODE_RUN_SUCCEEDED, NODE_RUN_SUCCEEDED, NODE_RUN_SUCCEEDED, NODE_RUN_SUCCEEDED,
        NODE_RUN_FAILED,    NODE_RUN_FAILED,    NODE_RUN_TIMED_OUT, NODE_RUN_CANCELLED};
    r->state = RUN_IS_ENDED;
    r->end = r->stop && roll(3) ? NODE_RUN_CANCELLED : ends[roll(8)];
    r->ends_seen |= 1u << r->end;
}

void forge_advance(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt)
{
    struct run *r = run_of(w, batch, node, attempt);

    if (!run_live(r))
        return;
    if (r->state == RUN_IS_RUNNING ? roll(8) : r->stop || roll(12) == 0)
        forge_end(r);
    else if (r->state != RUN_IS_APPROVAL && roll(8) == 0)
        r->state = RUN_IS_APPROVAL;
    else if (r->state != RUN_IS_RUNNING)
        r->state = RUN_IS_RUNNING;
    post(w, batch, node, attempt);
}

void forge_run_again(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt)
{
    struct run *r = run_of(w, batch, node, attempt);

    if (r->state != RUN_IS_ENDED || r->run_attempt >= 4)
        return;
    tell(w, "forge: somebody re-runs %u.%u.%u", batch, node, attempt);
    w->reruns_there++;
    r->state = RUN_IS_QUEUED;
    r->run_attempt++;
    r->stop = false;
    post(w, batch, node, attempt);
}

/* Reads the truth about the present attempt of a node and puts it into the inbox. */
void forge_sweep(struct world *w, uint32_t batch, uint32_t node)
{
    const struct node_row *row = &w->batch[batch].node[node];
    const struct run      *r = run_of(w, batch, node, row->attempt);

    if (row->attempt == 0 || r->state == RUN_NONE || w->ids + 10 > FACTS)
        return;
    if (row_live(row->state) || r->run_attempt > row->run_attempt)
        engine_put_fact(w, news(batch, node, row->attempt, r));
}

static void answer(struct world *w, struct effect *e, enum node_event event)
{
    int64_t later = event == NODE_PUT_BACK && roll(2) ? w->now_ms + 1000 + roll(60000) : 0;

    engine_put_fact(w, (struct fact){.event = event,
                                     .batch = e->batch,
                                     .node = e->node,
                                     .attempt = e->attempt,
                                     .run_attempt = event == NODE_ACCEPTED,
                                     .not_before_ms = later});
    e->state = EFFECT_DONE;
}

/* A call whose outcome we do not know was made before: look for the run first. */
static bool found_before(struct world *w, struct effect *e)
{
    if (e->state != EFFECT_TRIED || run_of(w, e->batch, e->node, e->attempt)->state == RUN_NONE)
        return false;
    answer(w, e, NODE_ACCEPTED);
    return true;
}

static void perform_dispatch(struct world *w, struct effect *e)
{
    const struct node_row *row = &w->batch[e->batch].node[e->node];

    if (found_before(w, e))
        return;
    MUST(row->state == NODE_DISPATCHING && row->attempt == e->attempt,
         "an unanswered dispatch keeps its node dispatching", e->node, row->state);
    if ((row->cancel_wanted && chance(w, 50)) || chance(w, 8)) {     /* surely no effect: give up */
        answer(w, e, NODE_PUT_BACK);
        return;
    }
    e->state = EFFECT_TRIED;
    e->not_before_ms = w->now_ms + FORGE_LAG_MS;
    if (chance(w, 8)) {
        answer(w, e, NODE_REFUSED);
        return;
    }
    if (chance(w, 8))
        return;                                 /* never arrived there, and no answer */
    forge_create(w, e);
    if (chance(w, 3))
        engine_crash(w);
    else if (!chance(w, 10))
        answer(w, e, NODE_ACCEPTED);
}

void effect_perform(struct world *w, struct effect *e)
{
    if (e->state == EFFECT_DONE || w->now_ms < e->not_before_ms)
        return;
    tell(w, "effect: %s %u.%u.%u%s", e->stop ? "stop" : "dispatch", e->batch, e->node, e->attempt,
         e->state == EFFECT_TRIED ? ", again" : "");
    if (!e->stop) {
        perform_dispatch(w, e);
        return;
    }
    struct run *r = run_of(w, e->batch, e->node, e->attempt);
    MUST(r->state != RUN_NONE, "only a run that is known is stopped", e->node, e->attempt);
    if (chance(w, 20))
        return;
    r->stop |= run_live(r);
    e->state = EFFECT_DONE;
}
