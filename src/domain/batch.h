/*
 * batch: a graph of nodes behind gates, advanced one event at a time. The heart of the house.
 *
 * batch_step() and its siblings read nothing but their arguments: no clock, no database, no
 * network, no randomness, no logging. Same batch + same event = same decisions, in production, in
 * the simulation and in a replay. A step costs O(dependents of the node), not O(batch), but for the
 * whole-batch orders (cancel, supersede, hold).
 *
 * The rules of the dependency gate (atmos-pro.md §10.5, §10.6), each child judged by its own class:
 *   - an APPLY goes when all parents succeeded; one that ended otherwise skips it, and what waits
 *     for it, at once;
 *   - a PLAN goes when all parents ended, however they did (strict: like an APPLY);
 *   - what was skipped is waiting again as soon as nothing it waits for stands ended without
 *     success; what had run keeps its result;
 *   - a gate may close again (a parent is re-run) until the node is sent.
 * After a cancel nothing is revived until a person re-runs something; after a newer head nothing is
 * revived or re-run any more.
 *
 * Memory: everything lives in the arena given to batch_new; a batch in memory is a cache of its
 * rows and can be rebuilt from them.
 */
#ifndef SIGNALBOX_DOMAIN_BATCH_H
#define SIGNALBOX_DOMAIN_BATCH_H
#include "base/arena.h"
#include "domain/node.h"

enum { BATCH_NODES_MAX = 50000,     /* atmos-pro.md §9.3: bound of one upload's walk */
       BATCH_EDGES_MAX = 1000000 };

/* plan, detect: PLAN. apply, remediate, anything unknown: APPLY (never two live on one instance) */
enum run_class { RUN_PLAN, RUN_APPLY };

struct batch_node {
    /* Stored with the node's row; batch_new and batch_load read these. */
    enum node_state state;
    enum run_class  run_class;
    /* how often it was sent; the fence: events of another attempt are stale. Never used twice */
    uint32_t attempt;
    int64_t  expected_ms;       /* learned duration of this node; less than 1 counts as 1 */
    /* cancelled while dispatching: stop the run as soon as it is known */
    bool     cancel_wanted;
    int64_t  not_before_ms;     /* put back: not to be sent before; 0: at any time */
    /* Derived. */
    bool     retry;             /* not_before_ms != 0 */
    uint32_t parents_open;      /* parents that have not ended */
    uint32_t parents_bad;       /* parents that ended without success */
    int64_t  tail_ms;           /* expected_ms + the longest tail of its children: the priority */
    uint32_t first_child, child_count;      /* into batch.children */
    uint32_t heap_at;           /* place in the ready heap + 1; 0: not in it */
    /* The core's own. */
    uint8_t  told;              /* what its children's counters know of it: open, good or bad */
    bool     queued;            /* its children are about to be told */
    uint64_t saved_in;          /* the turn that last decided DO_SAVE_NODE */
};

enum batch_state { BATCH_PREPARING, BATCH_HELD, BATCH_RUNNING, BATCH_ENDED };

struct batch {
    struct arena      *mem;
    uint32_t           count;
    struct batch_node *node;
    uint32_t          *children;        /* ascending within a parent */
    uint32_t          *order;           /* all nodes, parents before children */
    enum batch_state   state;
    /* dependents of a failed PLAN are skipped too (atmos-pro.md §10.6) */
    bool               strict;
    bool               cancelled, superseded;
    uint32_t           by_state[NODE_STATE_COUNT];   /* counts, kept by every step */
    /* heap of READY nodes: longest tail first, then lowest index */
    uint32_t          *ready;
    uint32_t           ready_count;
    /* The core's own. */
    /* nodes whose end (or new start) their children have to be told */
    uint32_t          *queue, queue_head, queue_count;
    int64_t           *scratch_ms;
    uint64_t           turn;
    /* nodes looked at by all turns: what a test of "O(dependents)" measures */
    uint64_t           touched;
};

struct batch_edge { uint32_t parent, child; };

/*
 * Builds the batch: counts parents, computes tails (the edges must be acyclic: graph.h has refused
 * loops before), state PREPARING. Nodes arrive with state NODE_WAITING or NODE_INERT, run_class and
 * expected_ms set. edges must already skip over inert nodes (plan.h does that); an edge from an
 * inert parent counts as satisfied. Linear time.
 */
struct batch *batch_new(struct arena *mem, const struct batch_node *nodes, uint32_t count,
                        const struct batch_edge *edges, size_t edge_count, bool strict);
/*
 * Rebuilds the derived parts (parents_open, parents_bad, heap, by_state) from the states after
 * loading rows: the same batch as the one whose DO_SAVE_* were stored, whatever the order of the
 * edges.
 */
struct batch *batch_load(struct arena *mem, const struct batch_node *nodes, uint32_t count,
                         const struct batch_edge *edges, size_t edge_count, bool strict,
                         enum batch_state state, bool cancelled, bool superseded);

enum decision_kind {
    /*
     * its row changed (state, attempt …): once per node and step, in the order of first change;
     * save what it is after the step
     */
    DO_SAVE_NODE,
    /*
     * begin attempt node.attempt: write the run row and the dispatch effect; after that node's save
     */
    DO_DISPATCH,
    /* ask the forge to cancel the run of this attempt; after that node's save */
    DO_CANCEL_RUN,
    DO_SAVE_BATCH,      /* its state, cancelled or superseded changed; after all nodes */
    /*
     * something a person sees changed: feedback may be rendered again; at most once a step, always
     * last
     */
    DO_REPORT,
};
struct decision { enum decision_kind kind; uint32_t node; };
/* zero it, set mem */
struct decisions { struct arena *mem; struct decision *at; size_t count, cap; };

struct node_message {
    enum node_event event;
    uint32_t        node;
    uint32_t        attempt;        /* for BY_FORGE events: which attempt they speak of */
    int64_t         now_ms;         /* the only clock the core ever sees */
    int64_t         not_before_ms;  /* NODE_PUT_BACK: when another try makes sense; ≤ 0: at once */
};

/*
 * One event for one node. Appends to *out, and only when the verdict is NODE_MOVE.
 * NODE_STALE: late or twice, nothing to do. NODE_ILLEGAL: makes no sense; core events from outside;
 * SEND unless the batch is RUNNING; RERUN after a newer head, or behind a parent that ended without
 * success (that one has to be re-run first). BY_FORGE events of another attempt than the node's are
 * stale. A RERUN in a cancelled batch ends the cancel: a person wants it to go on.
 */
enum node_verdict batch_step(struct batch *b, struct node_message m, struct decisions *out);

/*
 * Workflow files are known, nothing holds it: PREPARING or HELD → RUNNING, roots become ready
 * (nothing dispatchable: ENDED at once).
 */
void batch_start(struct batch *b, int64_t now_ms, struct decisions *out);
/*
 * Withholds the whole batch (only while nothing of it was ever sent: else false and nothing
 * changes).
 */
bool batch_hold(struct batch *b, int64_t now_ms, struct decisions *out);
/* Nothing holds it any more, but its workflow files are not known yet: HELD → PREPARING. */
void batch_prepare(struct batch *b, struct decisions *out);
/* A person stops it: what has not started is cancelled, what is live is asked to stop. */
void batch_cancel(struct batch *b, int64_t now_ms, struct decisions *out);
/*
 * A newer head took its place: what has not been sent is superseded; live runs are left alone
 * (unless stop_live).
 */
void batch_supersede(struct batch *b, bool stop_live, int64_t now_ms, struct decisions *out);
/*
 * Every ended node without success is sent again (error, failure, cancelled, timed out; skipped
 * ones follow by themselves). Returns how many.
 * 0 after a newer head.
 */
uint32_t batch_retry(struct batch *b, int64_t now_ms, struct decisions *out);

/*
 * The nodes that should go next, best first: longest expected path, at most `max`, only those whose
 * not_before_ms has come. Does not change the batch: the engine looks at the lock gate of each and
 * answers with NODE_SEND or NODE_BLOCK. Returns how many; fewer than `max`: there are no more.
 * *wake_ms: when to ask again because of not_before_ms (0: no need; exact when fewer than `max`
 * came back). Empty unless RUNNING.
 */
uint32_t batch_next(const struct batch *b, uint32_t max, int64_t now_ms, uint32_t *nodes,
                    int64_t *wake_ms);

uint32_t batch_live(const struct batch *b);             /* nodes in a live state */
bool     batch_done(const struct batch *b);             /* every node final */

enum batch_verdict {
    VERDICT_NONE,
    VERDICT_EMPTY,
    VERDICT_SUCCESS,
    VERDICT_FAILURE,
    VERDICT_CANCELLED,
    VERDICT_SUPERSEDED
};
/*
 * VERDICT_NONE while not done; EMPTY: nothing was dispatchable; else the worst that is true:
 * failure, superseded, cancelled, success.
 */
enum batch_verdict batch_verdict(const struct batch *b);
const char *batch_state_name(enum batch_state s);
const char *batch_verdict_name(enum batch_verdict v);

/*
 * Expected time until the last node ends if every live and open node takes its expected_ms and
 * `slots` run side by side: max(critical path, work / slots). For "about 12 min left".
 */
int64_t batch_forecast_ms(const struct batch *b, uint32_t slots);

/*
 * The longest expected path from its first node to its last: what the batch cannot be quicker than.
 * `nodes` has room for all of them; returns how many. Of equal ones that of the lowest index.
 */
uint32_t batch_longest(const struct batch *b, uint32_t *nodes);

#endif
