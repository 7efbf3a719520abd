/* What can be set off, by which runners, with which secrets' names, and what became of it. */
#include "store/query.h"
#include "store/rows.h"

bool query_secrets(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select name, description, created_ms, updated_ms, updated_by from secret where "
                  "repository_id = $1 and name > $2 and ($3 = '' or name = $3) order by name limit $4",
                  ARGS(A(q->repository_id), A(query_after_text(q, STR(""))), A(text(q->action)),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_str(w, "name", db_at(&r, i, 0));
        query_str(w, "description", db_at(&r, i, 1));
        query_time(w, "createdAt", db_at(&r, i, 2));
        query_time(w, "updatedAt", db_at(&r, i, 3));
        query_str(w, "updatedBy", db_at(&r, i, 4));
        json_end_object(w);
    }
    return true;
}

bool query_runners(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select r.name, r.endpoint, r.token_secret, r.created_ms, r.updated_ms, "
                  "r.updated_by, s.name from runner r left join secret s on s.repository_id = "
                  "r.repository_id and s.name = r.token_secret where r.repository_id = $1 and r.name "
                  "> $2 and ($3 = '' or r.name = $3) order by r.name limit $4",
                  ARGS(A(q->repository_id), A(query_after_text(q, STR(""))), A(text(q->action)),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_str(w, "name", db_at(&r, i, 0));
        query_str(w, "endpoint", db_at(&r, i, 1));
        query_str(w, "tokenSecret", db_at(&r, i, 2));
        json_field_bool(w, STR("tokenIsSet"), !row_null(&r, i, 6));
        query_time(w, "createdAt", db_at(&r, i, 3));
        query_time(w, "updatedAt", db_at(&r, i, 4));
        query_str(w, "updatedBy", db_at(&r, i, 5));
        json_end_object(w);
    }
    return true;
}

bool query_actions(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select a.name, a.source, a.definition, a.created_ms, a.updated_ms, a.updated_by "
                  "from action a where a.repository_id = $1 and a.name > $2 and ($3 = '' or a.name = "
                  "$3) and not exists (select 1 from action f where f.repository_id = "
                  "a.repository_id and f.name = a.name and f.source > a.source) order by a.name "
                  "limit $4",
                  ARGS(A(q->repository_id), A(query_after_text(q, STR(""))), A(text(q->action)),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        query_str(w, "name", db_at(&r, i, 0));
        query_str(w, "source", db_at(&r, i, 1));
        query_json(w, "definition", db_at(&r, i, 2));
        query_time(w, "createdAt", db_at(&r, i, 3));
        query_time(w, "updatedAt", db_at(&r, i, 4));
        query_str(w, "updatedBy", db_at(&r, i, 5));
        json_end_object(w);
    }
    return true;
}

#define ACTION_RUN_SELECT \
    "select a.seq, a.id, a.repository_id, r.owner || '/' || r.name, a.action, a.state, a.error, " \
    "a.parameters, a.metadata, a.actor, a.actor_type, a.stop_by, a.created_ms, a.sent_ms, " \
    "a.taken_ms, a.ended_ms, a.deadline_ms, a.stop_ms from action_run a join repository r on r.id " \
    "= a.repository_id"

static void run_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    static const char *const texts[] = { "repository", "action", "state", "error" };
    static const char *const times[] = { "createdAt", "sentAt", "takenAt", "endedAt", "deadlineAt",
                                         "stopAskedAt" };
    json_begin_object(w);
    query_str(w, "id", db_at(r, i, 1));
    query_i64(w, "repositoryId", db_at(r, i, 2));
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
        query_str(w, texts[k], db_at(r, i, 3 + k));
    query_json(w, "parameters", db_at(r, i, 7));
    query_json(w, "metadata", db_at(r, i, 8));
    query_str(w, "actor", db_at(r, i, 9));
    query_str(w, "actorType", db_at(r, i, 10));
    query_str(w, "stopAskedBy", db_at(r, i, 11));
    for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
        query_time(w, times[k], db_at(r, i, 12 + k));
    json_end_object(w);
}

bool query_action_runs(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                       str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  ACTION_RUN_SELECT
                  " where r.workspace_id = $1 and ($2 = 0 or a.repository_id = $2) and a.seq < $3 "
                  "and ($4 = '' or a.state = $4) and ($5 = '' or a.action = $5) order by a.seq desc "
                  "limit $6",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_i64(q, INT64_MAX)),
                       A(text(q->state)), A(text(q->action)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        run_object(w, &r, i);
    return true;
}

bool query_action_run(struct db *db, struct arena *mem, const struct query *q, str id,
                      struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  ACTION_RUN_SELECT " where r.workspace_id = $1 and ($2 = 0 or a.repository_id = "
                                    "$2) and a.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        run_object(w, &r, 0);
    return true;
}
