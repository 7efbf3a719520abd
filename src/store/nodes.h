/*
 * nodes: the nodes of a batch. As they were made they are one packed piece of their batch's row, and
 * a row of `node` is what became of one since: nothing is written ten thousand times for a batch
 * that waits. Of batches older than migration 0008 every node has its row, and there is no piece.
 */
#ifndef SIGNALBOX_STORE_NODES_H
#define SIGNALBOX_STORE_NODES_H
#include "db/db.h"
#include "domain/batch.h"

struct node_row {
    /* As it was made. */
    str     stack, component, workflow, inert, inputs, guess;
    int64_t run_class, level, expected_ms;
    /* What became of it. */
    str             run_id, gate, error_code, error_text;
    enum node_state state;
    int64_t         attempt, not_before_ms, tries, changed_ms;
    bool            cancel_wanted;
};

/*
 * For batch_row.made. ERR_INVALID when a text is none for the databases (a NUL byte), as if each had
 * its row.
 */
bool nodes_pack(struct arena *mem, const struct node_row *n, size_t count, str *made,
                struct err *e) MUST_CHECK;
/* All of them as they were made, by position; count 0 when every node has its row. */
bool nodes_made(struct db *db, struct arena *mem, int64_t batch_seq, struct node_row **out,
                size_t *count, struct err *e) MUST_CHECK;
/* All of them as they are now, by position. */
bool nodes_of(struct db *db, struct arena *mem, int64_t batch_seq, struct node_row **out,
              size_t *count, struct err *e) MUST_CHECK;
/* What became of one of them. */
bool nodes_save(struct db *db, int64_t batch_seq, int64_t position, const struct node_row *n,
                int64_t now_ms, struct err *e) MUST_CHECK;

#endif
