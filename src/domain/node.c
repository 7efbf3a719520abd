#include "domain/node.h"

#include <assert.h>

#include "domain/text.h"

#define GO(s) { NODE_MOVE, NODE_##s }
#define LATE  { NODE_STALE, 0 }

/* What networks bring late or twice, and what a second click means: nothing to do. */
#define LATE_NEWS                                                                               \
    [NODE_ACCEPTED] = LATE, [NODE_PUT_BACK] = LATE, [NODE_REFUSED] = LATE,                      \
    [NODE_RUN_QUEUED] = LATE, [NODE_RUN_APPROVAL] = LATE, [NODE_RUN_STARTED] = LATE,            \
    [NODE_RUN_SUCCEEDED] = LATE, [NODE_RUN_FAILED] = LATE, [NODE_RUN_CANCELLED] = LATE,         \
    [NODE_RUN_TIMED_OUT] = LATE

/* The run over there ended, and we believe it whatever we had heard before. */
#define RUN_ENDS                                                                                \
    [NODE_RUN_SUCCEEDED] = GO(SUCCEEDED), [NODE_RUN_FAILED] = GO(FAILED),                       \
    [NODE_RUN_CANCELLED] = GO(CANCELLED), [NODE_RUN_TIMED_OUT] = GO(TIMED_OUT)

/* An earlier attempt that goes on over there takes the place of the one we were about to send:
 * else two runs of one instance would be live. */
#define NOT_SENT                                                                                \
    LATE_NEWS, [NODE_RUN_AGAIN] = GO(QUEUED), [NODE_RERUN] = LATE,                              \
    [NODE_CANCEL] = GO(CANCELLED), [NODE_SUPERSEDE] = GO(SUPERSEDED)

#define ENDED                                                                                   \
    LATE_NEWS, [NODE_RUN_AGAIN] = GO(QUEUED), [NODE_UNBLOCK] = LATE, [NODE_CANCEL] = LATE,      \
    [NODE_SUPERSEDE] = LATE

/* Row: where the node is. Column: what happened. A pair that is not here is illegal. */
static const struct node_edge edges[NODE_STATE_COUNT][NODE_EVENT_COUNT] = {
    [NODE_WAITING] = {
        NOT_SENT,
        [NODE_OPEN]          = GO(READY),
        [NODE_BREAK]         = GO(SKIPPED),
        [NODE_UNBLOCK]       = LATE,
    },
    [NODE_READY] = {
        NOT_SENT,
        [NODE_CLOSE]         = GO(WAITING),
        [NODE_SEND]          = GO(DISPATCHING),
        [NODE_BLOCK]         = GO(BLOCKED),
        [NODE_UNBLOCK]       = LATE,
    },
    [NODE_BLOCKED] = {
        NOT_SENT,
        [NODE_CLOSE]         = GO(WAITING),
        [NODE_BLOCK]         = LATE,
        [NODE_UNBLOCK]       = GO(READY),
    },
    [NODE_DISPATCHING] = {
        RUN_ENDS,                               /* the webhook overtook the answer to our call */
        [NODE_ACCEPTED]      = GO(QUEUED),
        [NODE_PUT_BACK]      = GO(READY),
        [NODE_REFUSED]       = GO(ERROR),
        [NODE_RUN_QUEUED]    = GO(QUEUED),
        [NODE_RUN_APPROVAL]  = GO(APPROVAL),
        [NODE_RUN_STARTED]   = GO(RUNNING),
        [NODE_RUN_AGAIN]     = GO(QUEUED),
        [NODE_UNBLOCK]       = LATE,
        [NODE_CANCEL]        = GO(DISPATCHING), /* remembered: nothing to stop yet */
        [NODE_SUPERSEDE]     = LATE,
        [NODE_RERUN]         = LATE,
    },
    [NODE_QUEUED] = {
        RUN_ENDS,
        [NODE_ACCEPTED]      = LATE,
        [NODE_PUT_BACK]      = LATE,
        [NODE_REFUSED]       = LATE,
        [NODE_RUN_QUEUED]    = LATE,
        [NODE_RUN_APPROVAL]  = GO(APPROVAL),
        [NODE_RUN_STARTED]   = GO(RUNNING),
        [NODE_RUN_AGAIN]     = LATE,
        [NODE_UNBLOCK]       = LATE,
        [NODE_CANCEL]        = GO(CANCELLING),
        [NODE_SUPERSEDE]     = LATE,
    },
    [NODE_RUNNING] = {
        RUN_ENDS,
        [NODE_ACCEPTED]      = LATE,
        [NODE_PUT_BACK]      = LATE,
        [NODE_REFUSED]       = LATE,
        [NODE_RUN_QUEUED]    = LATE,
        [NODE_RUN_APPROVAL]  = GO(APPROVAL),    /* its next job has a gate of its own */
        [NODE_RUN_STARTED]   = LATE,
        [NODE_RUN_AGAIN]     = GO(QUEUED),      /* we missed the end */
        [NODE_UNBLOCK]       = LATE,
        [NODE_CANCEL]        = GO(CANCELLING),
        [NODE_SUPERSEDE]     = LATE,
    },
    [NODE_APPROVAL] = {
        RUN_ENDS,
        [NODE_ACCEPTED]      = LATE,
        [NODE_PUT_BACK]      = LATE,
        [NODE_REFUSED]       = LATE,
        [NODE_RUN_QUEUED]    = LATE,            /* else late news hide that a reviewer is asked */
        [NODE_RUN_APPROVAL]  = LATE,
        [NODE_RUN_STARTED]   = GO(RUNNING),
        [NODE_RUN_AGAIN]     = GO(QUEUED),
        [NODE_UNBLOCK]       = LATE,
        [NODE_CANCEL]        = GO(CANCELLING),
        [NODE_SUPERSEDE]     = LATE,
    },
    [NODE_CANCELLING] = {
        RUN_ENDS,               /* it may have been faster than the stop: say what is true */
        [NODE_ACCEPTED]      = LATE,
        [NODE_PUT_BACK]      = LATE,
        [NODE_REFUSED]       = LATE,
        [NODE_RUN_QUEUED]    = LATE,
        [NODE_RUN_APPROVAL]  = LATE,
        [NODE_RUN_STARTED]   = LATE,
        [NODE_RUN_AGAIN]     = GO(QUEUED),
        [NODE_UNBLOCK]       = LATE,
        [NODE_CANCEL]        = LATE,
        [NODE_SUPERSEDE]     = LATE,
    },
    [NODE_SUCCEEDED]  = { ENDED, [NODE_RERUN] = GO(WAITING) },
    [NODE_FAILED]     = { ENDED, [NODE_RERUN] = GO(WAITING) },
    [NODE_CANCELLED]  = { ENDED, [NODE_RERUN] = GO(WAITING) },
    [NODE_TIMED_OUT]  = { ENDED, [NODE_RERUN] = GO(WAITING) },
    [NODE_SKIPPED]    = { ENDED, [NODE_RERUN] = GO(WAITING), [NODE_REVIVE] = GO(WAITING) },
    [NODE_SUPERSEDED] = { ENDED },              /* not run again: the newer head is what counts */
    [NODE_ERROR]      = { ENDED, [NODE_RERUN] = GO(WAITING) },
    [NODE_INERT]      = { [NODE_CANCEL] = LATE, [NODE_SUPERSEDE] = LATE },
};

_Static_assert(NODE_ILLEGAL == 0, "a pair that the table leaves out is illegal");

static const struct { const char *name; bool final, live; } states[NODE_STATE_COUNT] = {
#define X(id, wire, is_final, is_live) [id] = { wire, is_final, is_live },
    NODE_STATES(X)
#undef X
};

static const struct { const char *name; enum node_sender sender; } events[NODE_EVENT_COUNT] = {
#define X(id, wire, who) [id] = { wire, who },
    NODE_EVENTS(X)
#undef X
};

struct node_edge node_edge(enum node_state from, enum node_event ev)
{
    assert(from < NODE_STATE_COUNT);
    assert(ev < NODE_EVENT_COUNT);
    return edges[from][ev];
}

enum node_sender node_sender(enum node_event ev)
{
    assert(ev < NODE_EVENT_COUNT);
    return events[ev].sender;
}

const char *node_state_name(enum node_state s)
{
    assert(s < NODE_STATE_COUNT);
    return states[s].name;
}

const char *node_event_name(enum node_event ev)
{
    assert(ev < NODE_EVENT_COUNT);
    return events[ev].name;
}

bool node_state_read(str name, enum node_state *out)
{
    unsigned at;
    if (!text_row(name, states, sizeof states[0], NODE_STATE_COUNT, &at))
        return false;
    *out = (enum node_state)at;
    return true;
}

bool node_is_final(enum node_state s)
{
    assert(s < NODE_STATE_COUNT);
    return states[s].final;
}

bool node_is_live(enum node_state s)
{
    assert(s < NODE_STATE_COUNT);
    return states[s].live;
}

bool node_is_good(enum node_state s) { return s == NODE_SUCCEEDED || s == NODE_INERT; }
