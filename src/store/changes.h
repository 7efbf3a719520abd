/*
 * changes: pull requests, merge groups, releases; and their activities that want an upload.
 */
#ifndef SIGNALBOX_STORE_CHANGES_H
#define SIGNALBOX_STORE_CHANGES_H
#include "db/db.h"

struct change {
    int64_t id, repository_id, number, merged_ms, forge_updated_ms;
    str     kind, key, title, author, url, state, head_sha, head_ref, base_sha, base_ref, merge_sha;
    bool    draft, from_fork;
    str     notice;                     /* what came of the last order of a person: JSON, or empty */
};

struct change_event {
    int64_t id, change_id, at_ms, expires_ms;
    str     activity, head_sha, state, batch_id, note;
};

/*
 * Inserts or updates; an older object version (forge_updated_ms) changes nothing. *out is the row
 * as it stands afterwards.
 */
bool changes_put(struct db *db, struct arena *mem, const struct change *c, int64_t now_ms,
                 struct change *out, struct err *e) MUST_CHECK;
/*
 * A release's webhook says no commit; the upload that belongs to it does. Nothing happens when the
 * head is known.
 */
bool changes_learn_head(struct db *db, int64_t id, str head_sha, struct err *e) MUST_CHECK;
bool changes_get(struct db *db, struct arena *mem, int64_t id, struct change *out, bool *found,
                 struct err *e) MUST_CHECK;
bool changes_by_key(struct db *db, struct arena *mem, int64_t repository_id, str kind, str key,
                    struct change *out, bool *found, struct err *e) MUST_CHECK;
/* Empty: there is nothing to say any more. */
bool changes_notice(struct db *db, int64_t id, str notice, struct err *e) MUST_CHECK;
/* The release of a tag (head_ref). */
bool changes_by_tag(struct db *db, struct arena *mem, int64_t repository_id, str tag,
                    struct change *out, bool *found, struct err *e) MUST_CHECK;
/* Newest first; of any kind. */
bool changes_by_head(struct db *db, struct arena *mem, int64_t repository_id, str head_sha,
                     struct change **out, size_t *count, struct err *e) MUST_CHECK;

bool change_events_add(struct db *db, struct arena *mem, const struct change_event *v, int64_t *id,
                       struct err *e) MUST_CHECK;
/* All events of a change, oldest first (the newest 60). */
bool change_events_of(struct db *db, struct arena *mem, int64_t change_id,
                      struct change_event **out, size_t *count, struct err *e) MUST_CHECK;
bool change_events_end(struct db *db, int64_t id, str state, str batch_id, str note,
                       struct err *e) MUST_CHECK;
/* Waiting events of older heads of a change stop waiting. */
bool change_events_supersede(struct db *db, int64_t change_id, str head_sha,
                             struct err *e) MUST_CHECK;
/* Waiting events of a repository that have waited long enough. */
bool change_events_expired(struct db *db, struct arena *mem, int64_t repository_id, int64_t now_ms,
                           struct change_event **out, size_t *count, struct err *e) MUST_CHECK;
bool change_events_next_ms(struct db *db, struct arena *mem, int64_t repository_id,
                           int64_t *next_ms, struct err *e) MUST_CHECK;

#endif
