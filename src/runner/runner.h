/*
 * runner: `signalbox runner`, the self-hosted executor, and the names that its two kinds of
 * processes share. The service (runner_main) speaks HTTP, keeps the journal and the queue, and
 * starts one job process a run (runner_job_main, job.h), which clones and runs atmos. Service and
 * job talk over a socket, which is descriptor JOB_FD in the job: one JSON object a line.
 */
#ifndef SIGNALBOX_RUNNER_RUNNER_H
#define SIGNALBOX_RUNNER_RUNNER_H

/* argv without the program's name and the subcommand; the exit code. */
int runner_main(int argc, char **argv);

enum {
    JOB_FD = 3,
    JOB_ORDER_BYTES_MAX = 1 << 20,      /* the first line, service → job */
    JOB_EVENT_BYTES_MAX = 64 << 10,     /* a line, job → service */
    JOB_ERROR_CHARS_MAX = 2000,
    JOB_TAIL_BYTES_MAX = 4 << 10,
    JOB_KILL_AFTER_MS = 10000,          /* from TERM to KILL (runner.md §6.7) */
};

/* What the service orders after the first line: {"order": …} */
#define JOB_ORDER_CANCEL "cancel"
#define JOB_ORDER_STOP   "stop"

/* {"event": …} of the job. Nothing follows `ended`; a job that ends without it died. */
#define JOB_EVENT_CLONING "cloning"
#define JOB_EVENT_CLONED  "cloned"
#define JOB_EVENT_STARTED "started"
#define JOB_EVENT_ENDED   "ended"

/* "reason" of `ended`; empty when it succeeded (runner.md §6.6). */
#define RUN_REASONS(X) \
    X(RUN_OK,           "") \
    X(RUN_EXIT_CODE,    "exit_code") \
    X(RUN_SIGNAL,       "signal") \
    X(RUN_TIMEOUT,      "timeout") \
    X(RUN_CANCELLED,    "cancelled") \
    X(RUN_CLONE_FAILED, "clone_failed") \
    X(RUN_STOPPED,      "stopped") \
    X(RUN_INTERNAL,     "internal")

enum run_reason {
#define X(name, text) name,
    RUN_REASONS(X)
#undef X
    RUN_REASON_COUNT
};

#endif
