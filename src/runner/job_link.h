/*
 * job_link: the service's end of a job process: starts it, sends orders, takes its events (the names
 * are in runner.h). One thread.
 */
#ifndef SIGNALBOX_RUNNER_JOB_LINK_H
#define SIGNALBOX_RUNNER_JOB_LINK_H
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "runner/runner.h"

enum job_event_kind { JOB_CLONING, JOB_CLONED, JOB_STARTED, JOB_ENDED };
struct job_event {              /* texts live in the arena that was given */
    enum job_event_kind kind;
    str     commit;             /* of cloned and ended */
    bool    succeeded, has_exit_code;
    enum run_reason reason;
    int64_t exit_code, started_ms, finished_ms, clone_ms;
    str     signal, error, failed_step, tail;
};

struct job_link;
/* program: what is started as `runner-job`; order: its first line, without the line's end. */
bool job_link_start(const char *program, str order, struct job_link **out, struct err *e) MUST_CHECK;
void job_link_free(struct job_link *l);                 /* the process has to be reaped by then */
pid_t job_link_pid(const struct job_link *l);
int  job_link_fd(const struct job_link *l);             /* -1 when the other side has closed */
bool job_link_wants_write(const struct job_link *l);
void job_link_write(struct job_link *l);                /* as much as goes */
void job_link_order(struct job_link *l, const char *name);      /* JOB_ORDER_… */
/* Reads what there is. Then job_link_next gives event after event, until it is false. */
void job_link_read(struct job_link *l);
bool job_link_next(struct job_link *l, struct arena *mem, struct job_event *out);
void job_link_kill(struct job_link *l, int signal);
/* The process has ended with this wait status. */
void job_link_reaped(struct job_link *l, int status);
bool job_link_is_reaped(const struct job_link *l, int *status);

#endif
