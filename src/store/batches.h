/*
 * batches: batches, and the runs of their nodes.
 */
#ifndef SIGNALBOX_STORE_BATCHES_H
#define SIGNALBOX_STORE_BATCHES_H
#include "db/db.h"
#include "domain/batch.h"

struct batch_row {
    int64_t seq, repository_id, change_id, created_ms, started_ms, ended_ms, updated_ms;
    str id, upload_id, event, activity, head_sha, base_sha, ref, state, verdict, error,
        superseded_by, actor, files;
    /* "runner", or empty: GitHub Actions. Fixed when the batch is made; runner: whose name was set then */
    str     executor, runner;
    bool    strict_plans, cancelled, tree_differs;
    int64_t node_count, dispatchable;
    str     counts;         /* batches_save: nodes by state, JSON, when it has ended; else empty */
    str     edges;          /* packed */
    str     made;           /* nodes_pack; written once, and read by nodes.h alone */
};

struct run_row {
    str id, stack, component, workflow, ref, sha, inputs, trigger_event, guess, reported, url,
        error_code, error_text, counts;
    /* Of a run on a registered runner: which, its UUID there, and what it said of the end (JSON). */
    str runner, runner_run, metadata;
    int64_t         batch_seq, position, attempt, repository_id, fence, forge_run_id, forge_attempt;
    int64_t         created_ms, dispatched_ms, started_ms, ended_ms, seen_ms, exit_code;
    bool            has_exit, findable;
    enum node_state state;
};

bool batches_add(struct db *db, struct arena *mem, const struct batch_row *b, int64_t *seq,
                 struct err *e) MUST_CHECK;
/* state, verdict, error, cancelled, superseded_by, files, started, ended, counts. */
bool batches_save(struct db *db, const struct batch_row *b, int64_t now_ms,
                  struct err *e) MUST_CHECK;
bool batches_tree_differs(struct db *db, int64_t seq, struct err *e) MUST_CHECK;
bool batches_by_id(struct db *db, struct arena *mem, str id, struct batch_row *out, bool *found,
                   struct err *e) MUST_CHECK;
bool batches_by_seq(struct db *db, struct arena *mem, int64_t seq, struct batch_row *out,
                    bool *found, struct err *e) MUST_CHECK;
/* Open ones of a repository, oldest first (seq only). */
bool batches_open(struct db *db, struct arena *mem, int64_t repository_id, int64_t **seq,
                  size_t *count, struct err *e) MUST_CHECK;
/* Of a change, newest first, at most max. */
bool batches_of_change(struct db *db, struct arena *mem, int64_t change_id, size_t max,
                       struct batch_row **out, size_t *count, struct err *e) MUST_CHECK;

bool runs_add(struct db *db, const struct run_row *r, struct err *e) MUST_CHECK;
bool runs_get(struct db *db, struct arena *mem, str id, struct run_row *out, bool *found,
              struct err *e) MUST_CHECK;
bool runs_by_forge(struct db *db, struct arena *mem, int64_t repository_id, int64_t forge_run_id,
                   struct run_row *out, bool *found, struct err *e) MUST_CHECK;
/* By its UUID on a runner. */
bool runs_by_runner(struct db *db, struct arena *mem, str runner_run, struct run_row *out,
                    bool *found, struct err *e) MUST_CHECK;
bool runs_save(struct db *db, const struct run_row *r, struct err *e) MUST_CHECK;
/* Runs of a batch's present attempts, by position (to render). */
bool runs_of_batch(struct db *db, struct arena *mem, int64_t batch_seq, struct run_row **out,
                   size_t *count, struct err *e) MUST_CHECK;
/* Sent to the forge, not ended, and the forge's run is not known: candidates for a run that names no id. */
bool runs_unmatched(struct db *db, struct arena *mem, int64_t repository_id, str workflow,
                    struct run_row **out, size_t *count, struct err *e) MUST_CHECK;
/* Live runs of a repository whose last word is older than seen_before_ms. */
bool runs_silent(struct db *db, struct arena *mem, int64_t repository_id, int64_t seen_before_ms,
                 struct run_row **out, size_t *count, struct err *e) MUST_CHECK;
/*
 * A live run of the same instance that stands in the way: an apply for plans; any live run for
 * applies. Also an earlier run of the same node, when somebody re-ran it over there.
 */
bool runs_in_way(struct db *db, struct arena *mem, int64_t repository_id, str stack, str component,
                 bool for_apply, struct run_row *out, bool *found, struct err *e) MUST_CHECK;
/*
 * The fence token of an instance; grant: an apply begins, so it rises. A run carries the token of
 * its start: a result under an older one than the instance's is refused. The instance row is made
 * when there is none (atmos-pro.md §24 no. 38).
 */
bool instance_fence(struct db *db, struct arena *mem, int64_t repository_id, str stack,
                    str component, bool grant, int64_t now_ms, int64_t *fence,
                    struct err *e) MUST_CHECK;

/* Learned durations: an exponential mean (a quarter of the weight to the newest). */
bool durations_learn(struct db *db, int64_t repository_id, str stack, str component, str workflow,
                     int64_t took_ms, struct err *e) MUST_CHECK;
/* stack, component, workflow, mean_ms */
bool durations_of(struct db *db, struct arena *mem, int64_t repository_id, struct db_rows *out,
                  struct err *e) MUST_CHECK;

#endif
