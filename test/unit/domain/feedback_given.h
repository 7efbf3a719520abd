/*
 * feedback_given: batches to render, made from a few words. Deterministic: the same words give the
 * same batch.
 */
#ifndef SIGNALBOX_TEST_FEEDBACK_GIVEN_H
#define SIGNALBOX_TEST_FEEDBACK_GIVEN_H
#include "domain/feedback.h"

#define MINUTE_MS INT64_C(60000)
#define NOON_MS   INT64_C(1789992000000)    /* 2026-09-21T12:00:00Z */

struct given {
    struct arena      *mem;
    struct node_view  *node;
    uint32_t           count;
    struct batch_view  batch[3];        /* [0] shows node[0..count) */
    struct change_view change;          /* pull request 12, with batch[0] alone */
};

/*
 * `count` nodes in `levels` levels, each (past the first level) waiting for one or two of the level
 * before; all WAITING, badge apply when merged.
 */
void given_batch(struct given *g, struct arena *mem, uint32_t count, uint32_t levels,
                 const char *activity);
/*
 * Everything up to `ended` (exclusive) has succeeded, the next `running` run; whatever waits for a
 * node that did not succeed stays as it is.
 */
void given_progress(struct given *g, uint32_t ended, uint32_t running);
/* Node i ended so, and all that wait for it, directly or not, are skipped. */
void given_failed(struct given *g, uint32_t i, enum node_state state, const char *error_text);
void given_counts(struct given *g, uint32_t i, int64_t create, int64_t change, int64_t replace,
                  int64_t destroy);
/* The same batch with its nodes in another order. */
void given_shuffled(struct given *g, uint64_t seed);
void given_batches(struct given *g, uint32_t count);

bool given_has(str s, const char *part);
size_t given_times(str s, const char *part);
/*
 * Lines a reader sees before he unfolds anything: neither empty, nor the marker, nor inside closed
 * details.
 */
size_t given_visible_lines(str comment);

#endif
