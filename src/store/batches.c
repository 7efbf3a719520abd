#include "store/batches.h"

#include "store/rows.h"

#define BATCH_COLUMNS \
    "seq, id, repository_id, change_id, upload_id, event, activity, head_sha, base_sha, ref, " \
    "state, verdict, error, superseded_by, actor, files, strict_plans, cancelled, tree_differs, " \
    "node_count, dispatchable, edges, created_ms, started_ms, ended_ms, updated_ms, executor, runner"

static struct arg time_or_null(int64_t ms) { return ms ? arg_i64(ms) : (struct arg){ 0 }; }

static struct batch_row batch_row(const struct db_rows *r, size_t i)
{
    return (struct batch_row){
        .seq = row_i64(r, i, 0),
        .id = row_str(r, i, 1),
        .repository_id = row_i64(r, i, 2),
        .change_id = row_i64(r, i, 3),
        .upload_id = row_str(r, i, 4),
        .event = row_str(r, i, 5),
        .activity = row_str(r, i, 6),
        .head_sha = row_str(r, i, 7),
        .base_sha = row_str(r, i, 8),
        .ref = row_str(r, i, 9),
        .state = row_str(r, i, 10),
        .verdict = row_str(r, i, 11),
        .error = row_str(r, i, 12),
        .superseded_by = row_str(r, i, 13),
        .actor = row_str(r, i, 14),
        .files = row_str(r, i, 15),
        .strict_plans = row_bool(r, i, 16),
        .cancelled = row_bool(r, i, 17),
        .tree_differs = row_bool(r, i, 18),
        .node_count = row_i64(r, i, 19),
        .dispatchable = row_i64(r, i, 20),
        .edges = row_str(r, i, 21),
        .created_ms = row_i64(r, i, 22),
        .started_ms = row_i64(r, i, 23),
        .ended_ms = row_i64(r, i, 24),
        .updated_ms = row_i64(r, i, 25),
        .executor = row_str(r, i, 26),
        .runner = row_str(r, i, 27),
    };
}

bool batches_add(struct db *db, struct arena *mem, const struct batch_row *b, int64_t *seq,
                 struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "insert into batch (id, repository_id, change_id, upload_id, event, activity, "
            "head_sha, base_sha, ref, state, verdict, error, strict_plans, actor, node_count, "
            "dispatchable, edges, files, tree_differs, created_ms, updated_ms, ended_ms, made, "
            "executor, runner)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
            "$18, $19, $20, $20, $21, $22, $23, $24)"
            " returning seq",
            ARGS(A(b->id), A(b->repository_id), time_or_null(b->change_id), A(b->upload_id),
                 A(b->event), A(b->activity), A(b->head_sha), A(text(b->base_sha)), A(text(b->ref)),
                 A(b->state), A(text(b->verdict)), A(text(b->error)), A(b->strict_plans),
                 A(text(b->actor)), A(b->node_count), A(b->dispatchable), arg_blob(text(b->edges)),
                 A(text(b->files)), A(b->tree_differs), A(b->created_ms),
                 time_or_null(b->ended_ms), arg_blob(b->made), A(text(b->executor)),
                 A(text(b->runner)))))
        return false;
    *seq = row_i64(&r, 0, 0);
    db_note(db, DB_NOTE_REPOSITORY, b->repository_id);
    db_note(db, DB_NOTE_BATCH, *seq);
    return true;
}

bool batches_save(struct db *db, const struct batch_row *b, int64_t now_ms, struct err *e)
{
    db_note(db, DB_NOTE_REPOSITORY, b->repository_id);
    db_note(db, DB_NOTE_BATCH, b->seq);
    return db_exec(
        db, e, NULL,
        "update batch set state = $2, verdict = $3, error = $4, cancelled = $5, superseded_by = "
        "$6, files = $7, started_ms = $8, ended_ms = $9, updated_ms = $10, counts = $11 where seq "
        "= $1",
        ARGS(A(b->seq), A(b->state), A(text(b->verdict)), A(text(b->error)), A(b->cancelled),
             b->superseded_by.len ? A(b->superseded_by) : (struct arg){0}, A(text(b->files)),
             time_or_null(b->started_ms), time_or_null(b->ended_ms), A(now_ms), A(text(b->counts))));
}

bool batches_tree_differs(struct db *db, int64_t seq, struct err *e)
{
    db_note(db, DB_NOTE_BATCH, seq);
    return db_exec(db, e, NULL, "update batch set tree_differs = 1 where seq = $1", ARGS(A(seq)));
}

static bool one_batch(const struct db_rows *r, struct batch_row *out, bool *found)
{
    *found = r->count > 0;
    if (*found)
        *out = batch_row(r, 0);
    return true;
}

bool batches_by_id(struct db *db, struct arena *mem, str id, struct batch_row *out, bool *found,
                   struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " BATCH_COLUMNS " from batch where id = $1",
                    ARGS(A(id))) &&
           one_batch(&r, out, found);
}

bool batches_by_seq(struct db *db, struct arena *mem, int64_t seq, struct batch_row *out,
                    bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " BATCH_COLUMNS " from batch where seq = $1",
                    ARGS(A(seq))) &&
           one_batch(&r, out, found);
}

bool batches_open(struct db *db, struct arena *mem, int64_t repository_id, int64_t **seq,
                  size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "select seq from batch where repository_id = $1 and state <> 'ended' order by seq",
            ARGS(A(repository_id))))
        return false;
    *seq = arena_make(mem, int64_t, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*seq)[i] = row_i64(&r, i, 0);
    return true;
}

bool batches_of_change(struct db *db, struct arena *mem, int64_t change_id, size_t max,
                       struct batch_row **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " BATCH_COLUMNS
                  " from batch where change_id = $1 order by seq desc limit $2",
                  ARGS(A(change_id), A((int64_t)max))))
        return false;
    *out = arena_make(mem, struct batch_row, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = batch_row(&r, i);
    return true;
}

#define RUN_COLUMNS \
    "id, batch_seq, position, attempt, repository_id, stack, component, workflow, ref, sha, " \
    "inputs, trigger_event, guess, reported, exit_code, state, fence, forge_run_id, " \
    "forge_attempt, url, findable, error_code, error_text, counts, created_ms, dispatched_ms, " \
    "started_ms, ended_ms, seen_ms, runner, runner_run, metadata"

static bool run_row(const struct db_rows *r, size_t i, struct run_row *out, struct err *e)
{
    *out = (struct run_row){
        .id = row_str(r, i, 0),
        .batch_seq = row_i64(r, i, 1),
        .position = row_i64(r, i, 2),
        .attempt = row_i64(r, i, 3),
        .repository_id = row_i64(r, i, 4),
        .stack = row_str(r, i, 5),
        .component = row_str(r, i, 6),
        .workflow = row_str(r, i, 7),
        .ref = row_str(r, i, 8),
        .sha = row_str(r, i, 9),
        .inputs = row_str(r, i, 10),
        .trigger_event = row_str(r, i, 11),
        .guess = row_str(r, i, 12),
        .reported = row_str(r, i, 13),
        .exit_code = row_i64(r, i, 14),
        .has_exit = !row_null(r, i, 14),
        .fence = row_i64(r, i, 16),
        .forge_run_id = row_i64(r, i, 17),
        .forge_attempt = row_i64(r, i, 18),
        .url = row_str(r, i, 19),
        .findable = row_bool(r, i, 20),
        .error_code = row_str(r, i, 21),
        .error_text = row_str(r, i, 22),
        .counts = row_str(r, i, 23),
        .created_ms = row_i64(r, i, 24),
        .dispatched_ms = row_i64(r, i, 25),
        .started_ms = row_i64(r, i, 26),
        .ended_ms = row_i64(r, i, 27),
        .seen_ms = row_i64(r, i, 28),
        .runner = row_str(r, i, 29),
        .runner_run = row_str(r, i, 30),
        .metadata = row_str(r, i, 31),
    };
    if (!node_state_read(row_str(r, i, 15), &out->state))
        return fail(e, ERR_INTERNAL, "run " PRI_STR " has an unknown state", FMT_STR(out->id));
    return true;
}

bool runs_add(struct db *db, const struct run_row *r, struct err *e)
{
    db_note(db, DB_NOTE_REPOSITORY, r->repository_id);
    db_note(db, DB_NOTE_BATCH, r->batch_seq);
    return db_exec(
        db, e, NULL,
        "insert into run (id, batch_seq, position, attempt, repository_id, stack, component, "
        "workflow, ref, sha, inputs, trigger_event, guess, state, fence, findable, created_ms, "
        "seen_ms, runner, runner_run, url)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, "
        "$18, $19, $20)",
        ARGS(A(r->id), A(r->batch_seq), A(r->position), A(r->attempt), A(r->repository_id),
             A(r->stack), A(r->component), A(r->workflow), A(text(r->ref)), A(text(r->sha)),
             A(text(r->inputs)), A(text(r->trigger_event)), A(text(r->guess)),
             A(str_of(node_state_name(r->state))), A(r->fence), A(r->findable), A(r->created_ms),
             A(text(r->runner)), r->runner_run.len ? A(r->runner_run) : (struct arg){0},
             A(text(r->url))));
}

static bool one_run(const struct db_rows *r, struct run_row *out, bool *found, struct err *e)
{
    *found = r->count > 0;
    return !*found || run_row(r, 0, out, e);
}

static bool many_runs(const struct db_rows *r, struct arena *mem, struct run_row **out,
                      size_t *count, struct err *e)
{
    *out = arena_make(mem, struct run_row, r->count + 1);
    *count = r->count;
    for (size_t i = 0; i < r->count; i++)
        if (!run_row(r, i, &(*out)[i], e))
            return false;
    return true;
}

bool runs_get(struct db *db, struct arena *mem, str id, struct run_row *out, bool *found,
              struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " RUN_COLUMNS " from run where id = $1", ARGS(A(id))) &&
           one_run(&r, out, found, e);
}

bool runs_by_forge(struct db *db, struct arena *mem, int64_t repository_id, int64_t forge_run_id,
                   struct run_row *out, bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " RUN_COLUMNS
                    " from run where repository_id = $1 and forge_run_id = $2",
                    ARGS(A(repository_id), A(forge_run_id))) &&
           one_run(&r, out, found, e);
}

bool runs_by_runner(struct db *db, struct arena *mem, str runner_run, struct run_row *out,
                    bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " RUN_COLUMNS " from run where runner_run = $1",
                    ARGS(A(runner_run))) &&
           one_run(&r, out, found, e);
}

bool runs_save(struct db *db, const struct run_row *r, struct err *e)
{
    db_note(db, DB_NOTE_REPOSITORY, r->repository_id);
    db_note(db, DB_NOTE_BATCH, r->batch_seq);
    return db_exec(db, e, NULL,
                   "update run set state = $2, reported = $3, exit_code = $4, forge_run_id = $5, "
                   "forge_attempt = $6, url = $7, error_code = $8, error_text = $9, counts = $10, "
                   "dispatched_ms = $11, started_ms = $12, ended_ms = $13, seen_ms = $14, inputs = "
                   "$15, metadata = $16 where id = $1",
                   ARGS(A(r->id), A(str_of(node_state_name(r->state))), A(text(r->reported)),
                        r->has_exit ? A(r->exit_code) : (struct arg){0},
                        time_or_null(r->forge_run_id), A(r->forge_attempt), A(text(r->url)),
                        A(text(r->error_code)), A(text(r->error_text)),
                        r->counts.len ? A(r->counts) : (struct arg){0},
                        time_or_null(r->dispatched_ms), time_or_null(r->started_ms),
                        time_or_null(r->ended_ms), A(r->seen_ms), A(text(r->inputs)),
                        A(text(r->metadata))));
}

bool runs_of_batch(struct db *db, struct arena *mem, int64_t batch_seq, struct run_row **out,
                   size_t *count, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " RUN_COLUMNS
                    " from run where batch_seq = $1 order by position, attempt",
                    ARGS(A(batch_seq))) &&
           many_runs(&r, mem, out, count, e);
}

bool runs_unmatched(struct db *db, struct arena *mem, int64_t repository_id, str workflow,
                    struct run_row **out, size_t *count, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " RUN_COLUMNS
                    " from run where repository_id = $1 and workflow = $2 and ended_ms is null and "
                    "forge_run_id is null and runner = '' order by created_ms limit 200",
                    ARGS(A(repository_id), A(workflow))) &&
           many_runs(&r, mem, out, count, e);
}

bool runs_silent(struct db *db, struct arena *mem, int64_t repository_id, int64_t seen_before_ms,
                 struct run_row **out, size_t *count, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " RUN_COLUMNS
                    " from run where repository_id = $1 and ended_ms is null and seen_ms < $2"
                    " order by seen_ms limit 500",
                    ARGS(A(repository_id), A(seen_before_ms))) &&
           many_runs(&r, mem, out, count, e);
}

bool runs_in_way(struct db *db, struct arena *mem, int64_t repository_id, str stack, str component,
                 bool for_apply, struct run_row *out, bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(
               db, mem, e, &r,
               "select " RUN_COLUMNS
               " from run where repository_id = $1 and stack = $2 and component = $3 and ended_ms "
               "is null and ($4 = 1 or exists (select 1 from node n where n.batch_seq = "
               "run.batch_seq and n.position = run.position and n.run_class = 1)) order by "
               "created_ms limit 1",
               ARGS(A(repository_id), A(stack), A(component), A((int64_t)for_apply))) &&
           one_run(&r, out, found, e);
}

bool instance_fence(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                    str component, bool grant, int64_t now_ms, int64_t *fence, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "insert into instance (repository_id, stack, component, fence, created_ms, "
                  "updated_ms) values ($1, $2, $3, $5, $4, $4)"
                  " on conflict (repository_id, stack, component) do update set fence = "
                  "instance.fence + excluded.fence returning fence",
                  ARGS(A(repository_id), A(stack), A(component), A(now_ms), A((int64_t)grant))))
        return false;
    *fence = row_i64(&r, 0, 0);
    return true;
}

bool durations_learn(struct db *db, int64_t repository_id, str stack, str component, str workflow,
                     int64_t took_ms, struct err *e)
{
    return db_exec(
        db, e, NULL,
        "insert into duration (repository_id, stack, component, workflow, mean_ms, samples)"
        " values ($1, $2, $3, $4, $5, 1) on conflict (repository_id, stack, component, workflow) "
        "do update set mean_ms = (duration.mean_ms * 3 + excluded.mean_ms) / 4, samples = "
        "duration.samples + 1",
        ARGS(A(repository_id), A(stack), A(component), A(workflow), A(took_ms)));
}

bool durations_of(struct db *db, struct arena *mem, int64_t repository_id, struct db_rows *out,
                  struct err *e)
{
    return db_query(
        db, mem, e, out,
        "select stack, component, workflow, mean_ms from duration where repository_id = $1",
        ARGS(A(repository_id)));
}
