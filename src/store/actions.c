#include "store/actions.h"

#include "store/rows.h"

enum { PURGED_AT_ONCE = 1000 };

static struct action_row action_row_of(const struct db_rows *r, size_t i)
{
    return (struct action_row){ .name = row_str(r, i, 0),
                                .source = row_str(r, i, 1),
                                .definition = row_str(r, i, 2) };
}

bool actions_get(struct db *db, struct arena *mem, int64_t repository_id, str name,
                 struct action_row *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select name, source, definition from action where repository_id = $1 and name = "
                  "$2 order by source desc limit 1",
                  ARGS(A(repository_id), A(name))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = action_row_of(&r, 0);
    return true;
}

bool actions_of(struct db *db, struct arena *mem, int64_t repository_id, str source,
                struct action_row **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select name, source, definition from action where repository_id = $1 and source "
                  "= $2 order by name",
                  ARGS(A(repository_id), A(source))))
        return false;
    *out = arena_make(mem, struct action_row, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = action_row_of(&r, i);
    return true;
}

bool actions_put(struct db *db, struct arena *mem, int64_t repository_id,
                 const struct action_row *a, str by, int64_t now_ms, bool *is_new, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select count(*), coalesce(sum(case when name = $2 then 1 else 0 end), 0) from "
                  "action where repository_id = $1 and source = $3",
                  ARGS(A(repository_id), A(a->name), A(a->source))))
        return false;
    *is_new = row_i64(&r, 0, 1) == 0;
    if (*is_new && row_i64(&r, 0, 0) >= ACTIONS_MAX)
        return fail(e, ERR_LIMIT, "the repository has %d actions already: remove one first",
                    ACTIONS_MAX);
    return db_exec(db, e, NULL,
                   "insert into action (repository_id, name, source, definition, created_ms, "
                   "updated_ms, updated_by) values ($1, $2, $3, $4, $5, $5, $6) on conflict "
                   "(repository_id, name, source) do update set definition = excluded.definition, "
                   "updated_ms = excluded.updated_ms, updated_by = excluded.updated_by",
                   ARGS(A(repository_id), A(a->name), A(a->source), A(a->definition), A(now_ms),
                        A(text(by))));
}

bool actions_remove(struct db *db, int64_t repository_id, str name, str source, bool *found,
                    struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "delete from action where repository_id = $1 and name = $2 and source = $3",
                 ARGS(A(repository_id), A(name), A(source))))
        return false;
    *found = changed > 0;
    return true;
}

/* ---- registered runners ---- */

bool runners_get(struct db *db, struct arena *mem, int64_t repository_id, str name,
                 struct runner_row *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select name, endpoint, token_secret from runner where repository_id = $1 and "
                  "name = $2",
                  ARGS(A(repository_id), A(name))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = (struct runner_row){ .name = row_str(&r, 0, 0),
                                    .endpoint = row_str(&r, 0, 1),
                                    .token_secret = row_str(&r, 0, 2) };
    return true;
}

bool runners_put(struct db *db, struct arena *mem, int64_t repository_id,
                 const struct runner_row *x, str by, int64_t now_ms, bool *is_new, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select count(*), coalesce(sum(case when name = $2 then 1 else 0 end), 0) from "
                  "runner where repository_id = $1",
                  ARGS(A(repository_id), A(x->name))))
        return false;
    *is_new = row_i64(&r, 0, 1) == 0;
    if (*is_new && row_i64(&r, 0, 0) >= RUNNERS_OF_REPOSITORY_MAX)
        return fail(e, ERR_LIMIT, "the repository has %d runners already: remove one first",
                    RUNNERS_OF_REPOSITORY_MAX);
    return db_exec(db, e, NULL,
                   "insert into runner (repository_id, name, endpoint, token_secret, created_ms, "
                   "updated_ms, updated_by) values ($1, $2, $3, $4, $5, $5, $6) on conflict "
                   "(repository_id, name) do update set endpoint = excluded.endpoint, token_secret "
                   "= excluded.token_secret, updated_ms = excluded.updated_ms, updated_by = "
                   "excluded.updated_by",
                   ARGS(A(repository_id), A(x->name), A(x->endpoint), A(x->token_secret), A(now_ms),
                        A(text(by))));
}

bool runners_remove(struct db *db, int64_t repository_id, str name, bool *found, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed, "delete from runner where repository_id = $1 and name = $2",
                 ARGS(A(repository_id), A(name))))
        return false;
    *found = changed > 0;
    return true;
}

/* ---- runs ---- */

static struct arg or_null(int64_t ms) { return ms ? A(ms) : (struct arg){ 0 }; }

bool action_runs_add(struct db *db, const struct action_run_row *r, bool *is_new, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed,
                 "insert into action_run (id, repository_id, action, definition, parameters, state, "
                 "actor, actor_type, created_ms, deadline_ms, expires_ms, ended_ms) values ($1, $2, "
                 "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (id) do nothing",
                 ARGS(A(r->id), A(r->repository_id), A(r->action), A(r->definition),
                      A(r->parameters), A(r->state), A(text(r->actor)), A(text(r->actor_type)),
                      A(r->created_ms), A(r->deadline_ms), A(r->expires_ms), or_null(r->ended_ms))))
        return false;
    *is_new = changed > 0;
    return true;
}

bool action_runs_get(struct db *db, struct arena *mem, str id, struct action_run_row *out,
                     bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id, action, definition, parameters, state, error, metadata, actor, "
                  "actor_type, stop_by, repository_id, created_ms, deadline_ms, expires_ms, sent_ms, "
                  "taken_ms, ended_ms, stop_ms from action_run where id = $1",
                  ARGS(A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        *out = (struct action_run_row){ .id = row_str(&r, 0, 0),
                                        .action = row_str(&r, 0, 1),
                                        .definition = row_str(&r, 0, 2),
                                        .parameters = row_str(&r, 0, 3),
                                        .state = row_str(&r, 0, 4),
                                        .error = row_str(&r, 0, 5),
                                        .metadata = row_str(&r, 0, 6),
                                        .actor = row_str(&r, 0, 7),
                                        .actor_type = row_str(&r, 0, 8),
                                        .stop_by = row_str(&r, 0, 9),
                                        .repository_id = row_i64(&r, 0, 10),
                                        .created_ms = row_i64(&r, 0, 11),
                                        .deadline_ms = row_i64(&r, 0, 12),
                                        .expires_ms = row_i64(&r, 0, 13),
                                        .sent_ms = row_i64(&r, 0, 14),
                                        .taken_ms = row_i64(&r, 0, 15),
                                        .ended_ms = row_i64(&r, 0, 16),
                                        .stop_ms = row_i64(&r, 0, 17) };
    return true;
}

bool action_runs_save(struct db *db, const struct action_run_row *r, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update action_run set state = $2, error = $3, metadata = $4, sent_ms = $5, "
                   "taken_ms = $6, ended_ms = $7, deadline_ms = $8, stop_ms = $9, stop_by = $10 "
                   "where id = $1",
                   ARGS(A(r->id), A(r->state), A(text(r->error)), A(text(r->metadata)),
                        or_null(r->sent_ms), or_null(r->taken_ms), or_null(r->ended_ms),
                        A(r->deadline_ms), or_null(r->stop_ms), A(text(r->stop_by))));
}

bool action_runs_over(struct db *db, struct arena *mem, int64_t repository_id, int64_t now_ms,
                      str **ids, size_t *count, int64_t *next_ms, struct err *e)
{
    struct db_rows r, n;
    if (!db_query(db, mem, e, &r,
                  "select id from action_run where repository_id = $1 and ended_ms is null and "
                  "deadline_ms <= $2 order by seq",
                  ARGS(A(repository_id), A(now_ms))) ||
        !db_query(db, mem, e, &n,
                  "select min(deadline_ms) from action_run where repository_id = $1 and ended_ms is "
                  "null and deadline_ms > $2",
                  ARGS(A(repository_id), A(now_ms))))
        return false;
    *ids = arena_make(mem, str, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*ids)[i] = row_str(&r, i, 0);
    *next_ms = n.count && !row_null(&n, 0, 0) ? row_i64(&n, 0, 0) : 0;
    return true;
}

bool action_runs_purge(struct db *db, int64_t before_ms, struct err *e)
{
    int64_t gone = 0;
    do {
        if (!db_exec(db, e, &gone,
                     "delete from action_run where id in (select id from action_run where ended_ms < "
                     "$1 order by ended_ms limit $2)",
                     ARGS(A(before_ms), A((int64_t)PURGED_AT_ONCE))))
            return false;
    } while (gone == PURGED_AT_ONCE);
    return true;
}
