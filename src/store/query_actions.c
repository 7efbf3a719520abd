/* What can be set off, by which runners, with which secrets' names, and what became of it. */
#include "store/query.h"
#include "store/rows.h"

/* ---- things of one repository, by name ------------------------------------------------------- */

enum { OF_TEXT, OF_JSON, OF_SET };
struct column { const char *name; int kind; };
enum { COLUMNS_MAX = 4 };

/*
 * A page: the columns that stand in the table, in the order of the select, then when it was made, and
 * when and by whom it was changed.
 */
static bool named_page(const struct query *q, struct arena *mem, const struct db_rows *r,
                       const struct column column[COLUMNS_MAX], struct json_out *w, str *next)
{
    size_t n = query_shown(q, r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        json_begin_object(w);
        for (; k < COLUMNS_MAX && column[k].name; k++)
            if (column[k].kind == OF_SET)
                json_field_bool(w, str_of(column[k].name), !row_null(r, i, k));
            else
                (column[k].kind == OF_JSON ? query_json : query_str)(w, column[k].name,
                                                                     db_at(r, i, k));
        query_time(w, "createdAt", db_at(r, i, k));
        query_time(w, "updatedAt", db_at(r, i, k + 1));
        query_str(w, "updatedBy", db_at(r, i, k + 2));
        json_end_object(w);
    }
    return true;
}

#define NAMED_ARGS                                                                        \
    ARGS(A(q->repository_id), A(query_after_text(q, STR(""))), A(text(q->action)), \
         A(q->limit + 1))

bool query_secrets(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    static const struct column column[COLUMNS_MAX] = { { "name", OF_TEXT },
                                                       { "description", OF_TEXT } };
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select name, description, created_ms, updated_ms, updated_by from secret where "
                    "repository_id = $1 and name > $2 and ($3 = '' or name = $3) order by name "
                    "limit $4",
                    NAMED_ARGS) &&
           named_page(q, mem, &r, column, w, next);
}

bool query_runners(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    static const struct column column[COLUMNS_MAX] = { { "name", OF_TEXT },
                                                       { "endpoint", OF_TEXT },
                                                       { "tokenSecret", OF_TEXT },
                                                       { "tokenIsSet", OF_SET } };
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select r.name, r.endpoint, r.token_secret, s.name, r.created_ms, "
                    "r.updated_ms, r.updated_by from runner r left join secret s on "
                    "s.repository_id = r.repository_id and s.name = r.token_secret where "
                    "r.repository_id = $1 and r.name > $2 and ($3 = '' or r.name = $3) order by "
                    "r.name limit $4",
                    NAMED_ARGS) &&
           named_page(q, mem, &r, column, w, next);
}

bool query_actions(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    static const struct column column[COLUMNS_MAX] = { { "name", OF_TEXT },
                                                       { "source", OF_TEXT },
                                                       { "definition", OF_JSON } };
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select a.name, a.source, a.definition, a.created_ms, a.updated_ms, "
                    "a.updated_by from action a where a.repository_id = $1 and a.name > $2 and ($3 "
                    "= '' or a.name = $3) and not exists (select 1 from action f where "
                    "f.repository_id = a.repository_id and f.name = a.name and f.source > a.source) "
                    "order by a.name limit $4",
                    NAMED_ARGS) &&
           named_page(q, mem, &r, column, w, next);
}

/* ---- runs of actions ------------------------------------------------------------------------- */

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
