/*
 * locks: advisory claims on keys (atmos-pro.md §12, seed 003). One row for each (workspace, folded
 * key) that was ever locked, taken and released in place, so that its token can only rise; the
 * audit has the history.
 */
#ifndef SIGNALBOX_STORE_LOCKS_H
#define SIGNALBOX_STORE_LOCKS_H
#include "db/db.h"

struct lock {
    str     id, workspace_id, key, folded, message, properties /* JSON object */, actor;
    int64_t token;              /* rises with every grant of the key */
    int64_t session_repository; /* of the workflow session that takes it; 0: no session */
    /*
     * its ref, or "run/<id>" of a dispatched run: closing a pull request drops its locks (in only)
     */
    str     session_ref;
    int64_t created_ms, updated_ms, expires_ms, deleted_ms;
};

/*
 * In: workspace_id, key, folded, message, properties, actor, expires_ms. An expired lock is absent:
 * its row gets a new id.
 * *taken false: somebody holds it, and *l is that lock; nothing has changed.
 */
bool locks_take(struct db *db, struct arena *mem, struct lock *l, int64_t now_ms, bool *taken,
                struct err *e) MUST_CHECK;
/*
 * token: release only this grant; 0: whichever. *found false: no active lock. Else *out is the
 * released one, or the one that stays because it has another token.
 */
bool locks_release(struct db *db, struct arena *mem, str workspace_id, str folded, int64_t token,
                   int64_t now_ms, struct lock *out, bool *found, struct err *e) MUST_CHECK;
#endif
