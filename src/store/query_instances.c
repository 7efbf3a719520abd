/* Instances: the inventory, and one of it whole. */
#include "store/query_inside.h"

static void instance_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    json_begin_object(w);
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
    json_end_object(w);
}

bool query_instances(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                     str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select i.id, i.repository_id, r.owner || '/' || r.name, i.stack, i.component, "
                  "i.component_type, i.settings, i.enabled, i.disabled_ms, i.drift_enabled, "
                  "i.drift_status, i.orphaned, i.last_run_ms, i.last_command, i.last_exit_code, "
                  "i.last_source, i.fence, i.created_ms, i.updated_ms from instance i join "
                  "repository r on r.id = +i.repository_id"
                  " where r.workspace_id = $1 and ($2 = 0 or +i.repository_id = $2) and i.id > $3 "
                  "and ($4 = '' or i.stack = $4) and ($5 = '' or i.component = $5) and ($6 = '' or "
                  "i.drift_status = $6) and ($7 < 0 or i.orphaned = $7)"
                  " order by i.id limit $8",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, 0)),
                       A(text(q->stack)), A(text(q->component)), A(text(q->drift)), A(q->orphaned),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        instance_object(w, &r, i);
    return true;
}

