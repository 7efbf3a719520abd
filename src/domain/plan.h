/*
 * plan: from a graph and a trigger to the nodes and edges of a batch. Pure; the result is what gets
 * stored.
 */
#ifndef SIGNALBOX_DOMAIN_PLAN_H
#define SIGNALBOX_DOMAIN_PLAN_H
#include "domain/command.h"
#include "domain/graph.h"
#include "domain/pro.h"

enum inert_reason { INERT_NO, INERT_DELETED, INERT_DISABLED, INERT_NO_WORKFLOW };
/* "deleted", "disabled", "no_workflow" */
const char *inert_reason_name(enum inert_reason r);

struct plan_node {
    uint32_t          instance;         /* index into the graph */
    str               workflow;         /* file; empty for inert nodes */
    struct json       inputs;           /* configured inputs, not yet rendered */
    enum inert_reason inert;
    enum command      guess;
    enum run_class    run_class;
    /* 0 for roots; longest distance from a root over dispatchable nodes */
    uint32_t          level;
};
struct plan {
    struct plan_node  *node;
    uint32_t           count, dispatchable;
    /*
     * between dispatchable nodes only: an inert middle is skipped over, its parents count for its
     * children (§9.3 no. 5)
     */
    struct batch_edge *edge;
    size_t             edge_count;
    str               *files;           /* distinct workflow files */
    size_t             file_count;
};

/*
 * One node per (instance, workflow file); inert nodes are kept, to be shown. A child waits for
 * every file of a parent. Transitive edges through inert nodes are made without blow-up (linear in
 * edges plus what they bridge; capped at BATCH_EDGES_MAX: ERR_LIMIT). ERR_CONFLICT for a loop among
 * the instances, with graph_loop_text in the message.
 */
bool plan_make(struct arena *mem, const struct graph *g, struct trigger t, struct plan *out,
               struct err *e) MUST_CHECK;

#endif
