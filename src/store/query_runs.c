#include "store/query.h"
#include "store/rows.h"

#define RUN_SELECT                                                                                 \
    "select run.id, b.id, run.position, run.attempt, run.repository_id, r.owner || '/' || "        \
    "r.name, run.stack, run.component,"                                                            \
    " run.workflow, run.ref, run.sha, run.inputs, run.trigger_event, run.guess, run.reported, "    \
    "run.exit_code, run.state, run.fence,"                                                         \
    " run.forge_run_id, run.forge_attempt, run.url, run.error_code, run.error_text, run.counts, "  \
    "run.created_ms, run.dispatched_ms,"                                                           \
    " run.started_ms, run.ended_ms, run.seen_ms from run join batch b on b.seq = run.batch_seq "   \
    "join repository r on r.id = +run.repository_id"

static void run_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    enum { TEXT, NUMBER, JSON, TIME };
    static const struct { const char *name; int kind;
    } field[] = {{"id", TEXT},
                 {"batchId", TEXT},
                 {"position", NUMBER},
                 {"attempt", NUMBER},
                 {"repositoryId", NUMBER},
                 {"repository", TEXT},
                 {"stack", TEXT},
                 {"component", TEXT},
                 {"workflow", TEXT},
                 {"ref", TEXT},
                 {"sha", TEXT},
                 {"inputs", JSON},
                 {"trigger", TEXT},
                 {"guess", TEXT},
                 {"reported", TEXT},
                 {"exitCode", NUMBER},
                 {"state", TEXT},
                 {"fence", NUMBER},
                 {"forgeRunId", NUMBER},
                 {"forgeAttempt", NUMBER},
                 {"url", TEXT},
                 {"errorCode", TEXT},
                 {"errorText", TEXT},
                 {"counts", JSON},
                 {"createdAt", TIME},
                 {"dispatchedAt", TIME},
                 {"startedAt", TIME},
                 {"endedAt", TIME},
                 {"seenAt", TIME}};

    json_begin_object(w);
    for (size_t k = 0; k < sizeof field / sizeof field[0]; k++)
        (field[k].kind == TEXT     ? query_str
         : field[k].kind == NUMBER ? query_i64
         : field[k].kind == JSON   ? query_json
                                   : query_time)(w, field[k].name, db_at(r, i, k));
    str reported = row_str(r, i, 14);
    json_field_str(w, STR("command"), reported.len ? reported : row_str(r, i, 13));
    json_end_object(w);
}

bool query_runs(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                str *next, struct err *e)
{
    struct db_rows r;
    /*
     * The + keeps SQLite on the primary key, newest first, instead of an index of the repository
     * and a sort of everything.
     */
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT
                  " where r.workspace_id = $1 and ($2 = 0 or +run.repository_id = $2) and run.id < "
                  "$3 and ($4 = '' or run.stack = $4) and ($5 = '' or run.component = $5) and ($6 "
                  "= '' or run.state = $6) and ($7 = '' or run.reported = $7 or (run.reported = '' "
                  "and run.guess = $7)) and ($8 = '' or b.id = $8)"
                  " order by run.id desc limit $9",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_text(q, STR("~"))),
                       A(text(q->stack)), A(text(q->component)), A(text(q->state)),
                       A(text(q->command)), A(text(q->batch_id)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        run_object(w, &r, i);
    return true;
}

bool query_run(struct db *db, struct arena *mem, const struct query *q, str id, struct json_out *w,
               bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and run.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        run_object(w, &r, 0);
    return true;
}

/* --- instances --- */

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

/* --- uploads --- */

bool query_uploads(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    static const char *const names[] = {"id",      "repositoryId", "repository", "headSha",
                                        "baseSha", "state",        "instances",  "affected",
                                        "session", "changeId",     "note",       "asked"};
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select u.id, u.repository_id, r.owner || '/' || r.name, u.head_sha, u.base_sha, "
                  "u.state, u.instances, u.affected, u.session, u.change_id, u.note, u.asked, "
                  "case when u.state = 'complete' and u.ask_ms > 0 then u.ask_ms end, u.received_ms "
                  "from upload u join repository r on r.id = +u.repository_id"
                  " where r.workspace_id = $1 and ($2 = 0 or +u.repository_id = $2) and u.id < $3 "
                  "and ($4 = '' or u.head_sha = $4)"
                  " order by u.id desc limit $5",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_text(q, STR("~"))),
                       A(text(q->head_sha)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            (k == 8                                            ? query_json
             : k == 1 || k == 6 || k == 7 || k == 9 || k == 11 ? query_i64
                                                               : query_str)(w, names[k],
                                                                            db_at(&r, i, k));
        query_time(w, "askAt", db_at(&r, i, 12));
        query_time(w, "receivedAt", db_at(&r, i, 13));
        json_end_object(w);
    }
    return true;
}
