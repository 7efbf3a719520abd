/* Instances: the inventory, and one of it whole. */
#include "domain/lock.h"
#include "store/query_inside.h"

enum { RUNS_SHOWN = 20 };
#define INSTANCE_SELECT                                                                            \
    "select i.id, i.repository_id, r.owner || '/' || r.name, i.stack, i.component, "               \
    "i.component_type, i.settings, i.enabled, i.disabled_ms, i.drift_enabled, i.drift_status, "    \
    "i.orphaned, i.last_run_ms, i.last_command, i.last_exit_code, i.last_source, i.fence, "        \
    "i.created_ms, i.updated_ms from instance i join repository r on r.id = +i.repository_id"

static void instance_fields(struct json_out *w, const struct db_rows *r, size_t i)
{
    query_i64(w, "id", db_at(r, i, 0));
    query_i64(w, "repositoryId", db_at(r, i, 1));
    query_str(w, "repository", db_at(r, i, 2));
    query_str(w, "stack", db_at(r, i, 3));
    query_str(w, "component", db_at(r, i, 4));
    query_str(w, "componentType", db_at(r, i, 5));
    query_json(w, "settings", db_at(r, i, 6));
    json_field_bool(w, STR("enabled"), row_bool(r, i, 7));
    query_time(w, "disabledAt", db_at(r, i, 8));
    json_field_bool(w, STR("driftEnabled"), row_bool(r, i, 9));
    query_str(w, "driftStatus", db_at(r, i, 10));
    json_field_bool(w, STR("orphaned"), row_bool(r, i, 11));
    query_time(w, "lastRunAt", db_at(r, i, 12));
    query_str(w, "lastCommand", db_at(r, i, 13));
    query_i64(w, "lastExitCode", db_at(r, i, 14));
    query_str(w, "lastSource", db_at(r, i, 15));
    query_i64(w, "fence", db_at(r, i, 16));
    query_time(w, "createdAt", db_at(r, i, 17));
    query_time(w, "updatedAt", db_at(r, i, 18));
}

bool query_instances(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                     str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  INSTANCE_SELECT
                  " where r.workspace_id = $1 and ($2 = 0 or +i.repository_id = $2) and i.id > $3 "
                  "and ($4 = '' or i.stack = $4) and ($5 = '' or i.component = $5) and ($6 = '' or "
                  "i.drift_status = $6) and ($7 < 0 or i.orphaned = $7)"
                  " order by i.id limit $8",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, 0)),
                       A(text(q->stack)), A(text(q->component)), A(text(q->drift)), A(q->orphaned),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        instance_fields(w, &r, i);
        json_end_object(w);
    }
    return true;
}


/* ---- one of them ----------------------------------------------------------------------------- */

static bool put_runs(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                     str *batch_id, int64_t *position, struct err *e)
{
    struct db_rows r;
    str counts = STR_NONE;
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT " where run.repository_id = $1 and run.stack = $2 and run.component = "
                             "$3 order by run.created_ms desc, run.id desc limit $4",
                  ARGS(A(q->repository_id), A(q->stack), A(q->component),
                       A((int64_t)RUNS_SHOWN))))
        return false;
    json_key(w, STR("runs"));
    json_begin_array(w);
    for (size_t i = 0; i < r.count; i++) {
        query_run_object(w, &r, i, q->now_ms);
        counts = counts.len ? counts : row_str(&r, i, 23);
    }
    json_end_array(w);
    json_field_raw(w, STR("counts"), counts.len ? counts : STR("null"));
    *batch_id = r.count ? row_str(&r, 0, 1) : STR_NONE;
    *position = r.count ? row_i64(&r, 0, 2) : 0;
    return true;
}

static void put_neighbours(struct json_out *w, const char *key, const struct drawn *d,
                           int64_t position, bool parents)
{
    json_key(w, str_of(key));
    json_begin_array(w);
    for (size_t i = 0; i < d->edge_count; i++) {
        const struct batch_edge *edge = &d->edge[i];
        if ((parents ? edge->child : edge->parent) != position)
            continue;
        const struct node_row *n = &d->node[parents ? edge->parent : edge->child];
        json_begin_object(w);
        json_field_str(w, STR("stack"), n->stack);
        json_field_str(w, STR("component"), n->component);
        json_end_object(w);
    }
    json_end_array(w);
}

bool query_instance(struct db *db, struct arena *mem, const struct query *q, str id,
                    struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    struct drawn d = { 0 };
    str batch_id, name, owner;
    int64_t position;
    bool drawn = false;
    (void)id;
    if (!db_query(db, mem, e, &r,
                  INSTANCE_SELECT " where r.workspace_id = $1 and r.id = $2 and i.repository_id = "
                                  "$2 and i.stack = $3 and i.component = $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(q->stack), A(q->component))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    owner = str_cut(row_str(&r, 0, 2), '/', &name);
    str key = lock_key_of(mem, owner, name, q->stack, q->component);
    json_begin_object(w);
    instance_fields(w, &r, 0);
    json_field_str(w, STR("lockKey"), key);
    json_key(w, STR("lock"));
    if (!query_put_lock(db, mem, q, key, w, e) ||
        !put_runs(db, mem, q, w, &batch_id, &position, e) ||
        (batch_id.len && !drawn_read(db, mem, q, batch_id, &d, &drawn, e)))
        return false;
    put_neighbours(w, "dependsOn", &d, position, true);
    put_neighbours(w, "dependents", &d, position, false);
    json_end_object(w);
    return true;
}
