/* What can be asked of a batch. */
#include <stdlib.h>

#include "domain/batch_core.h"

uint32_t batch_live(const struct batch *b)
{
    uint32_t live = 0;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++)
        live += node_is_live((enum node_state)s) ? b->by_state[s] : 0;
    return live;
}

bool batch_done(const struct batch *b)
{
    uint32_t ended = 0;
    for (unsigned s = 0; s < NODE_STATE_COUNT; s++)
        ended += node_is_final((enum node_state)s) ? b->by_state[s] : 0;
    return ended == b->count;
}

enum batch_verdict batch_verdict(const struct batch *b)
{
    const uint32_t *n = b->by_state;

    if (!batch_done(b))
        return VERDICT_NONE;
    if (n[NODE_INERT] == b->count)
        return VERDICT_EMPTY;
    if (n[NODE_FAILED] + n[NODE_ERROR] + n[NODE_TIMED_OUT] > 0)
        return VERDICT_FAILURE;
    if (n[NODE_SUPERSEDED] > 0)
        return VERDICT_SUPERSEDED;
    if (n[NODE_CANCELLED] > 0)
        return VERDICT_CANCELLED;
    if (n[NODE_SKIPPED] > 0)        /* only a cancel or a newer head keeps one from being revived */
        return b->superseded ? VERDICT_SUPERSEDED : VERDICT_CANCELLED;
    return VERDICT_SUCCESS;
}

const char *batch_state_name(enum batch_state s)
{
    switch (s) {
    case BATCH_PREPARING: return "preparing";
    case BATCH_HELD:      return "held";
    case BATCH_RUNNING:   return "running";
    case BATCH_ENDED:     return "ended";
    }
    abort();
}

const char *batch_verdict_name(enum batch_verdict v)
{
    switch (v) {
    case VERDICT_NONE:       return "none";
    case VERDICT_EMPTY:      return "empty";
    case VERDICT_SUCCESS:    return "success";
    case VERDICT_FAILURE:    return "failure";
    case VERDICT_CANCELLED:  return "cancelled";
    case VERDICT_SUPERSEDED: return "superseded";
    }
    abort();
}

static int64_t add_ms(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int64_t batch_forecast_ms(const struct batch *b, uint32_t slots)
{
    int64_t path = 0, work = 0, *left = b->scratch_ms;

    for (uint32_t k = b->count; k-- > 0;) {
        uint32_t                 i = b->order[k];
        const struct batch_node *n = &b->node[i];
        left[i] = 0;
        if (node_is_final(n->state))
            continue;
        for (uint32_t c = 0; c < n->child_count; c++) {
            int64_t child = left[b->children[n->first_child + c]];
            left[i] = child > left[i] ? child : left[i];
        }
        left[i] = add_ms(left[i], n->expected_ms);
        path = left[i] > path ? left[i] : path;
        work = add_ms(work, n->expected_ms);
    }
    int64_t side_by_side = slots > 1 ? work / slots + (work % slots != 0) : work;
    return path > side_by_side ? path : side_by_side;
}

static uint32_t longer(const struct batch *b, uint32_t best, uint32_t i)
{
    return best == UINT32_MAX || b->node[i].tail_ms > b->node[best].tail_ms ? i : best;
}

uint32_t batch_longest(const struct batch *b, uint32_t *nodes)
{
    uint32_t at = UINT32_MAX, n = 0;

    /* Any node with the longest tail has no parent: with one, that one's would be longer. */
    for (uint32_t i = 0; i < b->count; i++)
        at = longer(b, at, i);
    while (at != UINT32_MAX) {
        const struct batch_node *from = &b->node[at];
        nodes[n++] = at;
        at = UINT32_MAX;
        for (uint32_t k = 0; k < from->child_count; k++)
            at = longer(b, at, b->children[from->first_child + k]);
    }
    return n;
}
