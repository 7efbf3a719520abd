/*
 * node: the life of one node of a batch, as a table (state by event).
 *
 * A node is one instance (component in a stack) and one workflow file to dispatch for it. Networks
 * repeat and reorder, so late messages are normal and are taken in silence (NODE_STALE); messages
 * that make no sense are refused (NODE_ILLEGAL).
 */
#ifndef SIGNALBOX_DOMAIN_NODE_H
#define SIGNALBOX_DOMAIN_NODE_H
#include <stdbool.h>
#include "base/str.h"

/*    state              name on the wire     final  live: the forge may be working on it */
#define NODE_STATES(X) \
    X(NODE_WAITING,      "waiting",           false, false) /* behind the dependency gate                    */ \
    X(NODE_READY,        "ready",             false, false) /* all gates open but the slot                   */ \
    X(NODE_BLOCKED,      "locked",            false, false) /* behind the lock gate: a lock, or a live run of the same instance */ \
    X(NODE_DISPATCHING,  "dispatching",       false, true)  /* intent committed; the call is under way or its outcome is being found out */ \
    X(NODE_QUEUED,       "queued",            false, true)  /* the forge has it, no runner yet               */ \
    X(NODE_RUNNING,      "running",           false, true) \
    X(NODE_APPROVAL,     "waiting_approval",  false, true)  /* the forge waits for a reviewer                */ \
    X(NODE_CANCELLING,   "cancelling",        false, true)  /* told to stop, not gone yet                    */ \
    X(NODE_SUCCEEDED,    "success",           true,  false) \
    X(NODE_FAILED,       "failure",           true,  false) \
    X(NODE_CANCELLED,    "cancelled",         true,  false) \
    X(NODE_TIMED_OUT,    "timed_out",         true,  false) \
    X(NODE_SKIPPED,      "skipped",           true,  false) /* a node that it waits for did not succeed      */ \
    X(NODE_SUPERSEDED,   "superseded",        true,  false) /* a newer head took its place before it started */ \
    X(NODE_ERROR,        "error",             true,  false) /* could not be dispatched; dispatchError says why */ \
    X(NODE_INERT,        "not_dispatched",    true,  false) /* deleted, disabled, or no workflow: shown only */

enum node_state {
#define X(id, ...) id,
    NODE_STATES(X)
#undef X
    NODE_STATE_COUNT
};

enum node_sender { BY_CORE, BY_ENGINE, BY_FORGE, BY_PERSON };

/* event               name               who may say so */
#define NODE_EVENTS(X) \
    X(NODE_OPEN,          "open",            BY_CORE)   /* everything it waits for ended as it must          */ \
    X(NODE_BREAK,         "break",           BY_CORE)   /* something it waits for did not                    */ \
    X(NODE_REVIVE,        "revive",          BY_CORE)   /* skipped, and now what it waits for is under way again */ \
    X(NODE_CLOSE,         "close",           BY_CORE)   /* could have gone, but what it waits for is under way again */ \
    X(NODE_SEND,          "send",            BY_ENGINE) /* slot and gates given: a new attempt begins        */ \
    X(NODE_BLOCK,         "block",           BY_ENGINE) /* lock gate closed                                  */ \
    X(NODE_UNBLOCK,       "unblock",         BY_ENGINE) /* lock gate open again                              */ \
    X(NODE_ACCEPTED,      "accepted",        BY_FORGE)  /* the dispatch took effect                          */ \
    X(NODE_PUT_BACK,      "put_back",        BY_FORGE)  /* surely no effect, worth another try: back to ready, same attempt number spent */ \
    X(NODE_REFUSED,       "refused",         BY_FORGE)  /* final: the forge or a check of ours said no       */ \
    X(NODE_RUN_QUEUED,    "run_queued",      BY_FORGE) \
    X(NODE_RUN_APPROVAL,  "run_approval",    BY_FORGE) \
    X(NODE_RUN_STARTED,   "run_started",     BY_FORGE) \
    X(NODE_RUN_SUCCEEDED, "run_succeeded",   BY_FORGE) \
    X(NODE_RUN_FAILED,    "run_failed",      BY_FORGE) \
    X(NODE_RUN_CANCELLED, "run_cancelled",   BY_FORGE) \
    X(NODE_RUN_TIMED_OUT, "run_timed_out",   BY_FORGE) \
    X(NODE_RUN_AGAIN,     "run_again",       BY_FORGE)  /* somebody re-ran it over there: a higher run_attempt. Said once, before any
                                                           other news of that run_attempt; news of lower ones are not passed on */ \
    X(NODE_CANCEL,        "cancel",          BY_PERSON) \
    X(NODE_SUPERSEDE,     "supersede",       BY_ENGINE) \
    X(NODE_RERUN,         "rerun",           BY_PERSON) /* a new run row, the next attempt, behind its gates again */

enum node_event {
#define X(id, ...) id,
    NODE_EVENTS(X)
#undef X
    NODE_EVENT_COUNT
};

enum node_verdict { NODE_ILLEGAL, NODE_MOVE, NODE_STALE };
struct node_edge { enum node_verdict verdict; enum node_state to; };

struct node_edge node_edge(enum node_state from, enum node_event ev);
enum node_sender node_sender(enum node_event ev);
const char *node_state_name(enum node_state s);
const char *node_event_name(enum node_event ev);
bool node_state_read(str name, enum node_state *out);
bool node_is_final(enum node_state s);
bool node_is_live(enum node_state s);
/*
 * What counts as "ended as it must" for a dependent: success; inert counts too (its place is taken
 * by what stands before it).
 */
bool node_is_good(enum node_state s);

#endif
