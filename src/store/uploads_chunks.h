/*
 * uploads_chunks: chunks of an upload until all are there (atmos-pro.md §4.14), and making an
 * upload row of them.
 */
#ifndef SIGNALBOX_STORE_UPLOADS_CHUNKS_H
#define SIGNALBOX_STORE_UPLOADS_CHUNKS_H
#include "db/db.h"

enum { CHUNK_TOTAL_MAX = 10000 };

struct chunk {
    int64_t repository_id, position, total, received_ms;
    str     kind;                   /* "affected", "instances" */
    str     transport_id;           /* the CLI's batch_id: a detail of transport, shown to nobody */
    str     head_sha, base_sha;
    str     body;                   /* packed JSON array: the items of this chunk */
};

/*
 * Stores one chunk; the last write of a position wins. *complete: all `total` are there.
 * ERR_BATCH_MISMATCH when the chunk's total, head or base is another one than that of the chunks
 * before it.
 */
bool chunks_put(struct db *db, struct arena *mem, const struct chunk *c, bool *complete,
                struct err *e) MUST_CHECK;
/* The packed bodies of c's set, in order. */
bool chunks_read(struct db *db, struct arena *mem, const struct chunk *c, str **bodies,
                 size_t *count, struct err *e) MUST_CHECK;
/*
 * The set was processed: it goes, and so do unfinished sets of the same kind and head that were
 * given up. *gone: somebody did so before.
 */
bool chunks_drop(struct db *db, const struct chunk *c, bool *gone, struct err *e) MUST_CHECK;

struct upload_new {
    int64_t repository_id, instances, affected, received_ms;
    str     id, head_sha, base_sha, session, body /* packed: array of the chunks' arrays */;
};
/* An upload that was refused, for people to see: with its reason, and without its content. */
bool uploads_add_refused(struct db *db, const struct upload_new *u, str note,
                         struct err *e) MUST_CHECK;
/*
 * Stores a complete upload; older ones of the same head and base that met no event yet are
 * superseded.
 */
bool uploads_add(struct db *db, struct arena *mem, const struct upload_new *u,
                 struct err *e) MUST_CHECK;

/* A fact of this key, received not before since_ms; *id 0: none. *body is packed. */
bool facts_by_key(struct db *db, struct arena *mem, str key, int64_t since_ms, int64_t *id,
                  str *body, struct err *e) MUST_CHECK;

/*
 * Makes an ended fact pending again; *state is what it was before, -1: there is none in the
 * workspace.
 */
bool facts_replay(struct db *db, struct arena *mem, str workspace_id, int64_t id, int64_t *lane,
                  int64_t *state, struct err *e) MUST_CHECK;

#endif
