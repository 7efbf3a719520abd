/*
 * view: what there is to show of a change and its batches, made from rows: for check and comment in
 * a lane, and for an explanation on any connection that reads. Changes nothing.
 */
#ifndef SIGNALBOX_ENGINE_VIEW_H
#define SIGNALBOX_ENGINE_VIEW_H
#include "domain/batch.h"
#include "domain/feedback.h"
#include "domain/settings.h"
#include "store/batches.h"
#include "store/changes.h"
#include "store/lanes.h"
#include "store/nodes.h"

enum { EXPECTED_DEFAULT_MS = 60 * 1000 };       /* of a node that never ran */

/* What a batch is when it is loaded; edges are in b. */
struct batch_whole {
    struct batch_row row;
    struct node_row *node;
    uint32_t         count;
    struct batch    *b;
};
/* ERR_NOT_FOUND when the repository has no such batch. Everything in mem. */
bool batch_whole_read(struct db *db, struct arena *mem, int64_t repository_id, int64_t seq,
                      struct batch_whole *out, struct err *e) MUST_CHECK;

/* Who looks. */
struct view {
    struct db    *db;
    struct arena *mem;
    str           public_url;
    struct lane_repo     repo;
    struct repo_settings settings;
    bool          deep;             /* also what only explain.h tells … */
    int64_t       now_ms;           /* … at this time */
    /* NULL: a batch is read. A lane gives what it has in memory. */
    bool        (*whole)(void *ctx, int64_t seq, struct batch_whole *out, struct err *e);
    void         *ctx;
};
/* Of a repository by its id, with its settings, deep. ERR_NOT_FOUND when there is none. */
bool view_open(struct view *v, struct db *db, struct arena *mem, str public_url,
               int64_t repository_id, int64_t now_ms, struct err *e) MUST_CHECK;
bool view_batch(const struct view *v, const struct change *c, const struct batch_row *row,
                struct batch_view *out, struct err *e) MUST_CHECK;
/* Who skipped the wait of this node last, into skipped_… of its batch; nobody: they stay empty. */
bool view_skip(const struct view *v, int64_t node, struct batch_view *b, struct err *e) MUST_CHECK;
/* What there is to say about a change's present head: it, and its newest batches. */
bool view_change(const struct view *v, const struct change *c, struct change_view *out,
                 struct err *e) MUST_CHECK;
/* Without its batches. */
bool view_change_alone(const struct view *v, const struct change *c, struct change_view *out,
                       struct err *e) MUST_CHECK;
/*
 * Settings as they count for a repository: what differs from the defaults. Stored ones that are out
 * of bounds count as the defaults; *why says so (empty: nothing wrong).
 */
void view_settings(struct arena *mem, const struct lane_repo *r, struct repo_settings *out,
                   struct err *why);

#endif
