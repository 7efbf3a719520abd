#include "store/uploads_chunks.h"

#include "store/rows.h"

/* No other repository of the workspace has chunks under this id. */
static bool chunk_alone(struct db *db, struct arena *mem, const struct chunk *c, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select 1 from repository r join upload_chunk u on u.repository_id = r.id where "
                  "u.kind = $1 and u.transport_id = $2 and r.id <> $3 and r.workspace_id = (select "
                  "workspace_id from repository where id = $3) limit 1",
                  ARGS(A(c->kind), A(c->transport_id), A(c->repository_id))))
        return false;
    return !r.count || fail(e, ERR_BATCH_MISMATCH,
                            "the chunks of this upload are of different repositories: start again "
                            "with a new batch_id");
}

static bool chunk_fits(struct db *db, struct arena *mem, const struct chunk *c, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select total, head_sha, base_sha from upload_chunk where repository_id = $1 and "
                  "kind = $2 and transport_id = $3 limit 1",
                  ARGS(A(c->repository_id), A(c->kind), A(c->transport_id))))
        return false;
    if (!r.count)
        return chunk_alone(db, mem, c, e);
    if (row_i64(&r, 0, 0) != c->total)
        return fail(e, ERR_BATCH_MISMATCH,
                    "the chunks of this upload disagree about batch_total (%lld before, %lld now): "
                    "start again with a new batch_id",
                    (long long)row_i64(&r, 0, 0), (long long)c->total);
    if (!str_eq(row_str(&r, 0, 1), c->head_sha) || !str_eq(row_str(&r, 0, 2), c->base_sha))
        return fail(e, ERR_BATCH_MISMATCH,
                    "the chunks of this upload disagree about head_sha or base_sha: start again "
                    "with a new batch_id");
    return true;
}

bool chunks_put(struct db *db, struct arena *mem, const struct chunk *c, bool *complete,
                struct err *e)
{
    struct db_rows r;
    if (!chunk_fits(db, mem, c, e) ||
        !db_exec(db, e, NULL,
                 "insert into upload_chunk (repository_id, kind, transport_id, position, total, "
                 "head_sha, base_sha, body, received_ms)"
                 " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (repository_id, kind, "
                 "transport_id, position) do update set body = excluded.body, received_ms = "
                 "excluded.received_ms",
                 ARGS(A(c->repository_id), A(c->kind), A(c->transport_id), A(c->position),
                      A(c->total), A(text(c->head_sha)), A(text(c->base_sha)), arg_blob(c->body),
                      A(c->received_ms))) ||
        !db_query(db, mem, e, &r,
                  "select count(*) from upload_chunk where repository_id = $1 and kind = $2 and "
                  "transport_id = $3",
                  ARGS(A(c->repository_id), A(c->kind), A(c->transport_id))))
        return false;
    *complete = row_i64(&r, 0, 0) == c->total;
    return true;
}

bool chunks_read(struct db *db, struct arena *mem, const struct chunk *c, str **bodies,
                 size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select body from upload_chunk where repository_id = $1 and kind = $2 and "
                  "transport_id = $3 order by position",
                  ARGS(A(c->repository_id), A(c->kind), A(c->transport_id))))
        return false;
    *bodies = arena_make(mem, str, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*bodies)[i] = row_str(&r, i, 0);
    return true;
}

bool chunks_drop(struct db *db, const struct chunk *c, bool *gone, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(
            db, e, &changed,
            "delete from upload_chunk where repository_id = $1 and kind = $2 and transport_id = $3",
            ARGS(A(c->repository_id), A(c->kind), A(c->transport_id))))
        return false;
    *gone = changed == 0;
    /*
     * After a 413 the CLI begins anew under another id: what it gave up would only lie there
     * (§4.14).
     */
    return !c->head_sha.len ||
           db_exec(
               db, e, NULL,
               "delete from upload_chunk where repository_id = $1 and kind = $2 and head_sha = $3",
               ARGS(A(c->repository_id), A(c->kind), A(c->head_sha)));
}

bool uploads_add(struct db *db, struct arena *mem, const struct upload_new *u, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update upload set state = 'superseded', note = $4 where repository_id = $1 and "
                   "head_sha = $2 and base_sha = $3 and state = 'complete'",
                   ARGS(A(u->repository_id), A(u->head_sha), A(text(u->base_sha)),
                        A(arena_print(mem, "replaced by " PRI_STR, FMT_STR(u->id))))) &&
           db_exec(db, e, NULL,
                   "insert into upload (id, repository_id, head_sha, base_sha, state, instances, "
                   "affected, session, body, received_ms)"
                   " values ($1, $2, $3, $4, 'complete', $5, $6, $7, $8, $9)",
                   ARGS(A(u->id), A(u->repository_id), A(u->head_sha), A(text(u->base_sha)),
                        A(u->instances), A(u->affected), A(u->session.len ? u->session : STR("{}")),
                        arg_blob(u->body), A(u->received_ms)));
}

bool uploads_add_refused(struct db *db, const struct upload_new *u, str note, struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into upload (id, repository_id, head_sha, base_sha, state, session, "
                   "body, note, received_ms) values ($1, $2, $3, $4, 'refused', $5, $6, $7, $8)",
                   ARGS(A(u->id), A(u->repository_id), A(u->head_sha), A(text(u->base_sha)),
                        A(u->session.len ? u->session : STR("{}")), arg_blob(u->body), A(note),
                        A(u->received_ms)));
}

bool facts_by_key(struct db *db, struct arena *mem, str key, int64_t since_ms, int64_t *id,
                  str *body, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select id, body from fact where key = $1 and received_ms >= $2",
                  ARGS(A(key), A(since_ms))))
        return false;
    *id = r.count ? row_i64(&r, 0, 0) : 0;
    *body = r.count ? row_str(&r, 0, 1) : STR("");
    return true;
}

bool facts_replay(struct db *db, struct arena *mem, str workspace_id, int64_t id, int64_t *lane,
                  int64_t *state, struct err *e)
{
    struct db_rows r;
    *state = -1;
    if (!db_query(db, mem, e, &r,
                  "select lane, state from fact where id = $1 and (lane = 0 or lane in (select id "
                  "from repository where workspace_id = $2))",
                  ARGS(A(id), A(workspace_id))))
        return false;
    if (!r.count)
        return true;
    *lane = row_i64(&r, 0, 0);
    *state = row_i64(&r, 0, 1);
    return *state == 0 ||
           db_exec(
               db, e, NULL,
               "update fact set state = 0, tries = 0, note = null, applied_ms = null where id = $1",
               ARGS(A(id)));
}
