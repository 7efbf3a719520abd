#include "store/instances.h"

#include "store/rows.h"

enum { ROWS_AT_ONCE = 500, COLUMNS = 8 };

#define INSTANCE_UPSERT \
    "insert into instance (repository_id, stack, component, component_type, settings, enabled, " \
    "drift_enabled, created_ms, updated_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $8) on " \
    "conflict (repository_id, stack, component) do update set component_type = " \
    "excluded.component_type, settings = excluded.settings, enabled = excluded.enabled, " \
    "disabled_ms = case when excluded.enabled = 1 then null when instance.enabled = 1 then " \
    "excluded.updated_ms else instance.disabled_ms end, drift_enabled = excluded.drift_enabled, " \
    "drift_status = case when instance.drift_enabled = 1 and excluded.drift_enabled = 0 then " \
    "'disabled' when instance.drift_status = 'disabled' and excluded.drift_enabled = 1 then " \
    "'unknown' else instance.drift_status end, orphaned = 0, updated_ms = excluded.updated_ms"

bool instances_put(struct db *db, struct arena *mem, int64_t repository_id,
                   const struct instance_new *at, size_t count, int64_t now_ms, struct err *e)
{
    struct arg *args =
        arena_make(mem, struct arg, (count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE) * COLUMNS + 1);
    for (size_t from = 0; from < count; from += ROWS_AT_ONCE) {
        size_t n = count - from < ROWS_AT_ONCE ? count - from : ROWS_AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            const struct instance_new *v = &at[from + i];
            const struct arg row[COLUMNS] = {A(repository_id),
                                             A(v->stack),
                                             A(v->component),
                                             A(text(v->type)),
                                             A(v->settings.len ? v->settings : STR("{}")),
                                             A(v->enabled),
                                             A(v->drift_enabled),
                                             A(now_ms)};
            memcpy(args + i * COLUMNS, row, sizeof row);
        }
        if (!db_exec_many(db, e, INSTANCE_UPSERT, args, COLUMNS, n))
            return false;
    }
    return true;
}

bool instances_known(struct db *db, struct arena *mem, int64_t repository_id, int64_t *count,
                     struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select count(*) from instance where repository_id = $1 and orphaned = 0",
                  ARGS(A(repository_id))))
        return false;
    *count = row_i64(&r, 0, 0);
    return true;
}

bool instances_orphan(struct db *db, int64_t repository_id, int64_t now_ms, int64_t *orphaned,
                      struct err *e)
{
    return db_exec(db, e, orphaned,
                   "update instance set orphaned = 1, updated_ms = $2 where repository_id = $1 and "
                   "orphaned = 0 and updated_ms < $2",
                   ARGS(A(repository_id), A(now_ms)));
}

#define INSTANCE_COLUMNS "id, stack, component, drift_status, drift_enabled, last_run_ms"

static struct instance_row instance_row(const struct db_rows *r, size_t i)
{
    return (struct instance_row){.id = row_i64(r, i, 0),
                                 .stack = row_str(r, i, 1),
                                 .component = row_str(r, i, 2),
                                 .drift_status = row_str(r, i, 3),
                                 .drift_enabled = row_bool(r, i, 4),
                                 .last_run_ms = row_i64(r, i, 5)};
}

/* Which component this run of the forge was dispatched for; empty when it is not ours. */
static bool component_of_run(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                             int64_t forge_run_id, str *component, struct err *e)
{
    struct db_rows r;
    *component = STR("");
    if (!forge_run_id)
        return true;
    if (!db_query(db, mem, e, &r,
                  "select component from run where repository_id = $1 and forge_run_id = $2 and "
                  "stack = $3",
                  ARGS(A(repository_id), A(forge_run_id), A(stack))))
        return false;
    if (r.count)
        *component = row_str(&r, 0, 0);
    return true;
}

bool instances_find(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                    str component, int64_t forge_run_id, struct instance_row *out, bool *found,
                    struct err *e)
{
    struct db_rows r;
    str dispatched;
    if (!db_query(db, mem, e, &r,
                  "select " INSTANCE_COLUMNS
                  " from instance where repository_id = $1 and stack = $2 and component = $3",
                  ARGS(A(repository_id), A(stack), A(component))))
        return false;
    *found = r.count > 0;
    if (*found) {
        *out = instance_row(&r, 0);
        return true;
    }
    if (!component_of_run(db, mem, repository_id, stack, forge_run_id, &dispatched, e) ||
        !db_query(db, mem, e, &r,
                  "select " INSTANCE_COLUMNS
                  " from instance where repository_id = $1 and stack = $2",
                  ARGS(A(repository_id), A(stack))))
        return false;
    str end = arena_print(mem, "/" PRI_STR, FMT_STR(component));
    size_t hits = 0;
    for (size_t i = 0; i < r.count; i++) {
        struct instance_row v = instance_row(&r, i);
        if (!str_ends(v.component, end))
            continue;
        hits++;
        *out = v;
        if (str_eq(v.component, dispatched)) {
            hits = 1;
            break;
        }
    }
    *found = hits == 1;
    return true;
}

bool instances_run(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                   str component, int64_t forge_run_id, str *run_id, struct err *e)
{
    struct db_rows r;
    *run_id = STR("");
    if (!forge_run_id)
        return true;
    if (!db_query(db, mem, e, &r,
                  "select id from run where repository_id = $1 and forge_run_id = $2 and stack = "
                  "$3 and component = $4",
                  ARGS(A(repository_id), A(forge_run_id), A(stack), A(component))))
        return false;
    if (r.count)
        *run_id = row_str(&r, 0, 0);
    return true;
}

bool instances_report(struct db *db, int64_t id, const struct instance_result *r, int64_t now_ms,
                      bool *older, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "update instance set drift_status = $2, last_command = $3, last_exit_code = $4, "
                 "last_source = $5, last_run_ms = $6, updated_ms = $7 where id = $1 and "
                 "coalesce(last_run_ms, 0) <= $6",
                 ARGS(A(id), A(r->drift_status), A(text(r->command)),
                      r->has_exit ? A(r->exit_code) : (struct arg){0}, A(text(r->source)),
                      A(r->run_ms), A(now_ms))))
        return false;
    *older = changed == 0;
    return true;
}
