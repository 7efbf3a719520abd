/*
 * uploads: complete affected sets as the CLI sent them, and which event they were joined to.
 */
#ifndef SIGNALBOX_STORE_UPLOADS_H
#define SIGNALBOX_STORE_UPLOADS_H
#include "db/db.h"

struct upload {
    str id, head_sha, base_sha, state, session, body /* packed JSON array of the chunks' stacks */,
        note;
    int64_t repository_id, change_id, received_ms;
    int64_t asked;              /* how often the forge was asked about the event that it lacks */
    int64_t ask_ms;             /* when it is looked at next; 0: it never was */
};

bool uploads_get(struct db *db, struct arena *mem, str id, struct upload *out, bool *found,
                 struct err *e) MUST_CHECK;
/* Of one head, newest first, without bodies. */
bool uploads_of_head(struct db *db, struct arena *mem, int64_t repository_id, str head_sha,
                     struct upload **out, size_t *count, struct err *e) MUST_CHECK;
bool uploads_end(struct db *db, str id, str state, int64_t change_id, str note,
                 struct err *e) MUST_CHECK;
/* It was looked at and lacks its event, still: asked is what was counted so far. */
bool uploads_asked(struct db *db, str id, int64_t asked, int64_t ask_ms, str note,
                   struct err *e) MUST_CHECK;
/* Complete ones that found no event, received before `before_ms` and to be looked at by now. */
bool uploads_unjoined(struct db *db, struct arena *mem, int64_t repository_id, int64_t before_ms,
                      int64_t now_ms, struct upload **out, size_t *count,
                      struct err *e) MUST_CHECK;
bool uploads_purge_chunks(struct db *db, int64_t before_ms, struct err *e) MUST_CHECK;

#endif
