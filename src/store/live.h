/*
 * live: what the stream of changes reads (api/live.c): where something changed, and a watched batch
 * as far as it moves.
 */
#ifndef SIGNALBOX_STORE_LIVE_H
#define SIGNALBOX_STORE_LIVE_H
#include "db/db.h"
#include "domain/node.h"

/* *workspace_id STR_NONE: no such repository. */
bool live_repository(struct db *db, struct arena *mem, int64_t id, str *workspace_id,
                     struct err *e) MUST_CHECK;
/* *id STR_NONE: no such batch. */
bool live_batch_place(struct db *db, struct arena *mem, int64_t seq, str *id,
                      int64_t *repository_id, struct err *e) MUST_CHECK;

struct live_node {
    int64_t position, attempt, started_ms, ended_ms;    /* times 0: not yet */
    str     state, reason, run_id;                      /* empty: none */
};
struct live_batch {
    str               state, hold;                      /* hold empty: it is not held */
    int64_t           counts[NODE_STATE_COUNT];
    struct live_node *node;                             /* those that have moved, by position */
    size_t            count, nodes;                     /* nodes: all there are */
};
bool live_batch_read(struct db *db, struct arena *mem, int64_t seq, struct live_batch *out,
                     struct err *e) MUST_CHECK;

#endif
