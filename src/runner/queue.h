/*
 * queue: the runs that the service knows, in the order of their arrival, and which of them is next.
 * No clock, no file, no lock: service.h says who may touch it when.
 *
 *     queued ──▶ started ──▶ ended ──▶ closed
 *        │          │          ▲
 *        │          └─▶ lost ──┤      the service died while it ran
 *        └─────────────────────┘      cancelled, or too late
 */
#ifndef SIGNALBOX_RUNNER_QUEUE_H
#define SIGNALBOX_RUNNER_QUEUE_H
#include "runner/dispatch.h"
#include "runner/runner.h"

enum run_stage {
    RUN_QUEUED,
    RUN_STARTED,        /* it has a job process */
    RUN_LOST,           /* of an earlier life of the service: its job may still be stopping */
    RUN_ENDED,          /* the outcome is known and stored; the platform has not taken it yet */
    RUN_CLOSED,         /* delivered, or given up: nothing secret of it is left */
};
enum run_phase { PHASE_WAITING, PHASE_STARTING, PHASE_CLONING, PHASE_RUNNING, PHASE_STOPPING };
enum callback_state { CALLBACK_WAITING, CALLBACK_DELIVERED, CALLBACK_REFUSED, CALLBACK_EXPIRED };

/* How it ended. The texts are malloc'd, or NULL. */
struct outcome {
    bool     succeeded, has_exit_code;
    enum run_reason reason;
    int64_t  exit_code;
    int64_t  started_ms, finished_ms, clone_ms;     /* UTC; 0: never */
    char     signal[16];
    char     commit[65];
    char    *error, *failed_step, *tail;
};

struct job_link;
struct run {
    struct run *next, *busy_next;
    char     id[RUN_ID_CHARS + 1];
    char     digest[65];            /* of the dispatch's body, hex */
    char    *workflow, *stack;      /* malloc'd */
    int64_t  sequence;              /* order of arrival, also across restarts */
    int64_t  accepted_ms, started_ms, expires_ms;
    bool     dry_run, progress;
    enum run_stage stage;
    enum run_phase phase;
    _Atomic bool cancel;            /* somebody asked for it */
    struct outcome outcome;

    enum callback_state callback;
    int64_t  attempts, attempt_ms;  /* attempt_ms: when the next one is due */
    char     answer[200];           /* what came of the last one */
    bool     in_flight;
    enum run_phase told;            /* the last phase that a progress callback told */

    struct job_link *job;
    int64_t  kill_ms;               /* past it the job itself is killed */
    int64_t  write_again_ms;        /* what could not be stored is tried again then; 0: all is */
};

struct queue {
    struct run *first, *last;
    struct run *busy;           /* those that hold a place and their stack */
    size_t   busy_count;
    size_t   count, by_stage[RUN_CLOSED + 1];
    int64_t  sequence;
};

/* id, workflow, stack and digest are copied. The run is not in the queue yet. */
struct run *run_new(str id, str workflow, str stack, str digest_hex);
void run_free(struct run *r);
void text_set(char **to, str text);         /* a malloc'd copy; the old one is freed */

void queue_add(struct queue *q, struct run *r);         /* at its place by sequence */
void queue_remove(struct queue *q, struct run *r);      /* and frees it */
void queue_free(struct queue *q);
struct run *queue_find(const struct queue *q, str id);
void run_stage_set(struct queue *q, struct run *r, enum run_stage stage);
/* From before its job starts until nothing of that is left, which is later than its outcome. */
void queue_busy_add(struct queue *q, struct run *r);
void queue_busy_remove(struct queue *q, struct run *r);
/* The first one that waits and whose stack nobody works on; NULL when there is none, or no room. */
struct run *queue_next(const struct queue *q, size_t concurrent_max);
/* How many wait before it. */
size_t queue_position(const struct queue *q, const struct run *r);
/* The oldest closed run that is to be forgotten, or NULL. */
struct run *queue_stale(const struct queue *q, size_t keep, int64_t before_ms);

/* What people and programs read: queued, cloning, running, stopping, succeeded, failed. */
const char *run_state_name(const struct run *r);
const char *run_reason_name(enum run_reason reason);
bool run_reason_read(str name, enum run_reason *out);

#endif
