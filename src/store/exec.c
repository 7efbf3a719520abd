#include "store/exec.h"

#include "base/id.h"
#include "store/rows.h"

static bool run_of(struct db *db, struct arena *mem, const struct exec_new *x, struct arg *run,
                   struct err *e)
{
    struct db_rows r;
    *run = (struct arg){ 0 };
    if (x->run_id.len) {
        if (!db_query(db, mem, e, &r, "select id from run where id = $1 and repository_id = $2",
                      ARGS(A(x->run_id), A(x->repository_id))))
            return false;
        if (r.count) {
            *run = A(x->run_id);
            return true;
        }
    }
    if (!x->forge_run_id)
        return true;
    if (!db_query(db, mem, e, &r,
                  "select id from run where repository_id = $1 and forge_run_id = $2",
                  ARGS(A(x->repository_id), A(x->forge_run_id))))
        return false;
    if (r.count)
        *run = A(row_str(&r, 0, 0));
    return true;
}

bool exec_put(struct db *db, struct arena *mem, const struct exec_new *x, struct err *e)
{
    struct arg run;
    return run_of(db, mem, x, &run, e) &&
           db_exec(db, e, NULL,
                   "insert into exec_record (execution_id, repository_id, run_id, command, "
                   "exit_code, body, received_ms)"
                   " values ($1, $2, $3, $4, $5, $6, $7) on conflict (repository_id, execution_id) "
                   "do update set run_id = excluded.run_id, command = excluded.command, exit_code "
                   "= excluded.exit_code, body = excluded.body, received_ms = excluded.received_ms",
                   ARGS(A(x->execution_id), A(x->repository_id), run, A(text(x->command)),
                        A(x->exit_code), arg_blob(x->body), A(x->received_ms)));
}

bool exec_data_add(struct db *db, struct arena *mem, int64_t repository_id, str execution_id,
                   str packed, int64_t now_ms, str *id, struct err *e)
{
    *id = id_new(mem, "exd_", now_ms);
    return db_exec(
        db, e, NULL,
        "insert into exec_data (id, repository_id, execution_id, body, received_ms) values ($1, "
        "$2, $3, $4, $5)",
        ARGS(A(*id), A(repository_id), A(text(execution_id)), arg_blob(packed), A(now_ms)));
}

bool exec_data_get(struct db *db, struct arena *mem, str workspace_id, int64_t repository_id,
                   str id, str *execution_id, str *packed, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select d.execution_id, d.body from exec_data d join repository r on r.id = "
                  "d.repository_id"
                  " where d.id = $1 and r.workspace_id = $2 and ($3 = 0 or r.id = $3)",
                  ARGS(A(id), A(workspace_id), A(repository_id))))
        return false;
    *found = r.count > 0;
    *execution_id = *found ? row_str(&r, 0, 0) : STR("");
    *packed = *found ? row_str(&r, 0, 1) : STR("");
    return true;
}
