/*
 * feedback: what we keep on the forge (one check a head, one comment a change), and workflow files
 * read from it.
 */
#ifndef SIGNALBOX_STORE_FEEDBACK_H
#define SIGNALBOX_STORE_FEEDBACK_H
#include "db/db.h"

struct feedback_row {
    int64_t forge_object, sent_ms;
    str     sent_hash, sent_digest;
    bool    anew;                       /* feedback_forget since it was sent */
};

bool feedback_get(struct db *db, struct arena *mem, int64_t repository_id, str kind, str key,
                  struct feedback_row *out, struct err *e) MUST_CHECK;
bool feedback_sent(struct db *db, int64_t repository_id, str kind, str key,
                   const struct feedback_row *row, str note, struct err *e) MUST_CHECK;

/*
 * Somebody else wrote there: what we sent last is not what stands there. gone: nothing does. Stays
 * so until feedback_sent, also when a write of ours is under way.
 */
bool feedback_forget(struct db *db, int64_t repository_id, str kind, str key, bool gone,
                     struct err *e) MUST_CHECK;

struct workflow_row { str blob, body, etag; int64_t read_ms; bool stale; };
bool workflows_get(struct db *db, struct arena *mem, int64_t repository_id, str ref, str file,
                   struct workflow_row *out, bool *found, struct err *e) MUST_CHECK;
bool workflows_put(struct db *db, int64_t repository_id, str ref, str file,
                   const struct workflow_row *w, struct err *e) MUST_CHECK;
/* A push to the ref came: read again before the next dispatch. */
bool workflows_stale(struct db *db, int64_t repository_id, str ref, struct err *e) MUST_CHECK;

#endif
