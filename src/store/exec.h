/*
 * exec: execution records of newer CLIs and their large parts (atmos-pro.md §4.9, §4.10).
 */
#ifndef SIGNALBOX_STORE_EXEC_H
#define SIGNALBOX_STORE_EXEC_H
#include "db/db.h"

struct exec_new {
    int64_t repository_id, exit_code, received_ms;
    str     execution_id, run_id /* ours, as told; empty: none */, command, body /* packed */;
    /* of the session: finds our run when run_id is empty or unknown; 0: none */
    int64_t forge_run_id;
};

/* The last record of an execution wins. */
bool exec_put(struct db *db, struct arena *mem, const struct exec_new *x, struct err *e) MUST_CHECK;
bool exec_data_add(struct db *db, struct arena *mem, int64_t repository_id, str execution_id,
                   str packed, int64_t now_ms, str *id, struct err *e) MUST_CHECK;
/* Of a repository of the workspace (repository_id 0: of any). */
bool exec_data_get(struct db *db, struct arena *mem, str workspace_id, int64_t repository_id,
                   str id, str *execution_id, str *packed, bool *found, struct err *e) MUST_CHECK;

#endif
