/* Home: what needs somebody, what runs, and what came last. */
#include "store/query_inside.h"

enum { SHOWN = 20, EVENTS_LOOKED_AT = 400 };
static const int64_t hour_ms = 3600 * 1000, week_ms = 7 * 24 * 3600 * (int64_t)1000;

/* How many each list has beyond those that are shown. */
struct more { int64_t held, approvals, failed, locks, refused, running, next; };

static size_t shown(const struct db_rows *r) { return r->count < SHOWN ? r->count : SHOWN; }

/* ---- batches --------------------------------------------------------------------------------- */

/*
 * Open ones of a state: the open ones are few, and stand in an index of their own (the plus keeps
 * SQLite from reading all of them in their order instead).
 */
static bool put_open(struct db *db, struct arena *mem, const struct query *q, const char *key,
                     const char *state, struct json_out *w, int64_t *more, struct err *e)
{
    struct db_rows r, n;
    if (!db_query(db, mem, e, &r,
                  BATCH_SELECT " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.state "
                               "<> 'ended' and b.state = $3 order by +b.seq desc limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(str_of(state)),
                       A((int64_t)SHOWN))) ||
        !db_query(db, mem, e, &n,
                  "select count(*) from batch b join repository r on r.id = b.repository_id where "
                  "r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.state <> 'ended' and b.state "
                  "= $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(str_of(state)))))
        return false;
    *more = row_i64(&n, 0, 0) - (int64_t)r.count;
    json_key(w, str_of(key));
    json_begin_array(w);
    if (!query_put_batches(db, mem, q, &r, r.count, w, e))
        return false;
    json_end_array(w);
    return true;
}

/* Nothing newer of the change took their place. */
#define FAILED_WHERE                                                                               \
    " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.verdict = 'failure' and "          \
    "b.created_ms >= $3 and not exists (select 1 from batch n where n.change_id = b.change_id and " \
    "n.seq > b.seq)"

static bool put_failed(struct db *db, struct arena *mem, const struct query *q,
                       struct json_out *w, int64_t *more, struct err *e)
{
    struct db_rows r, n;
    if (!db_query(db, mem, e, &r, BATCH_SELECT FAILED_WHERE " order by +b.seq desc limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(q->now_ms - week_ms),
                       A((int64_t)SHOWN))) ||
        !db_query(db, mem, e, &n,
                  "select count(*) from batch b join repository r on r.id = b.repository_id"
                  FAILED_WHERE,
                  ARGS(A(q->workspace_id), A(q->repository_id), A(q->now_ms - week_ms))))
        return false;
    *more = row_i64(&n, 0, 0) - (int64_t)r.count;
    json_key(w, STR("failed"));
    json_begin_array(w);
    if (!query_put_batches(db, mem, q, &r, r.count, w, e))
        return false;
    json_end_array(w);
    return true;
}

/* ---- the rest of what needs somebody --------------------------------------------------------- */

static bool put_approvals(struct db *db, struct arena *mem, const struct query *q,
                          struct json_out *w, int64_t *more, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT
                  " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and run.id in (select id "
                  "from run where repository_id > 0 and ended_ms is null and state = "
                  "'waiting_approval') order by run.id desc",
                  ARGS(A(q->workspace_id), A(q->repository_id))))
        return false;
    size_t n = shown(&r);
    *more = (int64_t)(r.count - n);
    json_key(w, STR("approvals"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        query_run_object(w, &r, i, q->now_ms);
    json_end_array(w);
    return true;
}

static bool put_locks(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                      int64_t *more, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  LOCK_SELECT " where workspace_id = $1 and deleted_ms is null and expires_ms > $2 "
                              "and expires_ms <= $3 order by expires_ms, folded",
                  ARGS(A(q->workspace_id), A(q->now_ms), A(q->now_ms + hour_ms))))
        return false;
    size_t n = shown(&r);
    *more = (int64_t)(r.count - n);
    json_key(w, STR("locks"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        query_lock_object(w, &r, i);
    json_end_array(w);
    return true;
}

static bool put_refused(struct db *db, struct arena *mem, const struct query *q,
                        struct json_out *w, int64_t *more, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  UPLOAD_SELECT " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and "
                                "u.received_ms >= $3 and u.state = 'refused' order by "
                                "u.received_ms desc, u.id desc",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(q->now_ms - week_ms))))
        return false;
    size_t n = shown(&r);
    *more = (int64_t)(r.count - n);
    json_key(w, STR("refused"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        query_upload_object(w, &r, i);
    json_end_array(w);
    return true;
}

/* ---- what came last -------------------------------------------------------------------------- */

/* What came from outside; answers to calls of our own are no events. */
static bool put_last(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                     struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select f.kind, f.received_ms, f.note, f.actor, f.name from (select f.id, f.kind, "
                  "f.received_ms, f.note, f.actor, r.owner || '/' || r.name as name from fact f "
                  "join repository r on r.id = f.lane where r.workspace_id = $1 and ($2 = 0 or r.id "
                  "= $2) order by f.id desc limit $3) f where f.note <> '' and (f.kind like "
                  "'webhook.%' or f.kind like 'upload%' or f.kind in ('order', 'report')) order by "
                  "f.id desc limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A((int64_t)EVENTS_LOOKED_AT),
                       A((int64_t)SHOWN))))
        return false;
    json_field_time(w, STR("lastEventAt"), r.count ? row_i64(&r, 0, 1) : 0);
    json_key(w, STR("last"));
    json_begin_array(w);
    for (size_t i = 0; i < r.count; i++) {
        json_begin_object(w);
        query_time(w, "at", db_at(&r, i, 1));
        query_str(w, "kind", db_at(&r, i, 0));
        query_str(w, "text", db_at(&r, i, 2));
        query_str(w, "actor", db_at(&r, i, 3));
        query_str(w, "repository", db_at(&r, i, 4));
        json_field_str(w, STR("batchId"), query_batch_in(row_str(&r, i, 2)));
        json_end_object(w);
    }
    json_end_array(w);
    return true;
}

static void put_more(struct json_out *w, const struct more *m)
{
    const struct { const char *name; int64_t n; } all[] = {
        { "held", m->held },       { "approvals", m->approvals }, { "failed", m->failed },
        { "locks", m->locks },     { "refused", m->refused },     { "running", m->running },
        { "next", m->next },
    };
    json_key(w, STR("more"));
    json_begin_object(w);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        json_field_i64(w, str_of(all[i].name), all[i].n);
    json_end_object(w);
}

bool query_home(struct db *db, struct arena *mem, const struct query *q, str id,
                struct json_out *w, bool *found, struct err *e)
{
    struct more m = { 0 };
    (void)id;
    *found = true;
    json_begin_object(w);
    json_key(w, STR("needs"));
    json_begin_object(w);
    if (!put_open(db, mem, q, "held", "held", w, &m.held, e) ||
        !put_approvals(db, mem, q, w, &m.approvals, e) ||
        !put_failed(db, mem, q, w, &m.failed, e) || !put_locks(db, mem, q, w, &m.locks, e) ||
        !put_refused(db, mem, q, w, &m.refused, e))
        return false;
    json_end_object(w);
    if (!put_open(db, mem, q, "running", "running", w, &m.running, e) ||
        !put_open(db, mem, q, "next", "preparing", w, &m.next, e) || !put_last(db, mem, q, w, e))
        return false;
    put_more(w, &m);
    json_end_object(w);
    return true;
}
