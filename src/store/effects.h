/*
 * effects: the outbox. Written in the transaction that decided them, carried out after the commit,
 * ended by the answer.
 */
#ifndef SIGNALBOX_STORE_EFFECTS_H
#define SIGNALBOX_STORE_EFFECTS_H
#include "db/db.h"

struct effect {
    int64_t id, lane, attempts, wanted, not_before_ms, created_ms;
    str     kind, key, body;
    int64_t status;             /* of the answer that just came, for the log; never stored */
};

/*
 * One open effect per (lane, kind, key). A second wish raises `wanted`, takes the newer body, and
 * keeps the earlier of the two times (after an attempt: the time of its next one).
 * Out: id, attempts, not_before_ms and wanted of the open effect; wanted 1: it is new.
 */
bool effects_want(struct db *db, struct arena *mem, struct effect *f, struct err *e) MUST_CHECK;
bool effects_get(struct db *db, struct arena *mem, int64_t id, struct effect *out, bool *open,
                 struct err *e) MUST_CHECK;
/*
 * Open effects of a lane whose time has come, oldest first; *next_ms: when the next one is due (0:
 * none).
 */
bool effects_due(struct db *db, struct arena *mem, int64_t lane, int64_t now_ms,
                 struct effect **out, size_t *count, int64_t *next_ms, struct err *e) MUST_CHECK;
bool effects_done(struct db *db, int64_t id, bool given_up, str note, int64_t now_ms,
                  struct err *e) MUST_CHECK;
/* Another try later. */
bool effects_later(struct db *db, int64_t id, int64_t not_before_ms, str note,
                   struct err *e) MUST_CHECK;
/* Found to have had no effect: it begins anew, as if it had just been written. */
bool effects_restart(struct db *db, int64_t id, int64_t now_ms, struct err *e) MUST_CHECK;
/*
 * Calls of each kind to an installation that may have left since then: of effects that ended, with
 * their last tries, and of new ones that are due. In order of installation and kind.
 */
struct effects_sent { int64_t installation_id, calls; str kind; };
bool effects_sent_since(struct db *db, struct arena *mem, int64_t since_ms, int64_t now_ms,
                        struct effects_sent **out, size_t *count, struct err *e) MUST_CHECK;
bool effects_lanes(struct db *db, struct arena *mem, int64_t **lanes, size_t *count,
                   struct err *e) MUST_CHECK;
bool effects_purge(struct db *db, int64_t before_ms, struct err *e) MUST_CHECK;

#endif
