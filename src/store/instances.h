/*
 * instances: the inventory and what is known of each (component, stack) (atmos-pro.md §1.2, §13).
 */
#ifndef SIGNALBOX_STORE_INSTANCES_H
#define SIGNALBOX_STORE_INSTANCES_H
#include "db/db.h"

struct instance_new {
    str stack, component, type, settings /* JSON object */;
    bool enabled, drift_enabled;
};

/*
 * Upsert that sees transitions: enabled true → false stamps disabled_ms, drift on → off makes the
 * status `disabled`, off → on makes it `unknown`; one that was an orphan is none any more. The last
 * of doubles wins.
 */
bool instances_put(struct db *db, struct arena *mem, int64_t repository_id,
                   const struct instance_new *at, size_t count, int64_t now_ms,
                   struct err *e) MUST_CHECK;
/* How many are no orphans now. */
bool instances_known(struct db *db, struct arena *mem, int64_t repository_id, int64_t *count,
                     struct err *e) MUST_CHECK;
/* Those not seen by an inventory of now_ms become orphans; they keep their history (§13.4). */
bool instances_orphan(struct db *db, int64_t repository_id, int64_t now_ms, int64_t *orphaned,
                      struct err *e) MUST_CHECK;

struct instance_row {
    int64_t id, last_run_ms;
    str     stack, component, drift_status;
    bool    drift_enabled;
};
/*
 * Exact; else the one instance of the stack that ends in "/" + component, best the one that this
 * forge run was dispatched for (atmos-pro.md §4.5: CLIs before the fix of #3102 cut nested names).
 */
bool instances_find(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                    str component, int64_t forge_run_id, struct instance_row *out, bool *found,
                    struct err *e) MUST_CHECK;

/*
 * Our run that this run of the forge is, when it was dispatched for this instance; empty:
 * somebody's own workflow.
 */
bool instances_run(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                   str component, int64_t forge_run_id, str *run_id, struct err *e) MUST_CHECK;

struct instance_result {
    str drift_status, command, source;
    bool has_exit;
    int64_t exit_code, run_ms;
};
/* *older: a newer result is stored already, nothing changed. */
bool instances_report(struct db *db, int64_t id, const struct instance_result *r, int64_t now_ms,
                      bool *older, struct err *e) MUST_CHECK;

#endif
