/*
 * job_child: one program of the job under supervision: its output, its time, its end, and the end
 * of all that it has started (runner.md §6.7). git and atmos run the same way.
 *
 * To stop: INT to the process group, after the grace TERM, 10 s later KILL. When the program has
 * ended, whatever it left behind is killed: nobody outlives a run.
 */
#ifndef SIGNALBOX_RUNNER_JOB_CHILD_H
#define SIGNALBOX_RUNNER_JOB_CHILD_H
#include "base/err.h"
#include "runner/job_line.h"
#include "runner/job_sandbox.h"

struct child_plan {
    const char *const *argv, *const *env;       /* end in NULL; argv[0] is a path */
    const char        *cwd;
    const struct sandbox *box;                  /* NULL: none */
    struct mask_set   *wipe;                    /* overwritten in the child's memory */
    int                inherit_fd;              /* stays open in the program under its number; -1 */
    int64_t            until_mono_ms;           /* of clock_mono_ms */
    int64_t            grace_ms, kill_ms;       /* INT → TERM → KILL */
    void             (*output)(void *to, str bytes);    /* of standard output and error */
    void              *to;
    void             (*started)(void *to, int pid);     /* may be NULL */
};

enum child_stop { STOP_NOT, STOP_TIME, STOP_CANCEL, STOP_SERVICE, STOP_GONE };

struct child_end {
    int             status;         /* of waitpid */
    enum child_stop stopped;        /* why it was told to stop, if it was */
    bool            in_namespaces;
    char            box_refused[200]; /* why it is not, where it was to be */
};

/* Once, before the first child: subreaper, no new privileges, not to be traced, signals. */
bool child_ready(struct err *e) MUST_CHECK;
/* Starts it and waits for its end. False: it could not be started; nothing is left of it. */
bool child_run(const struct child_plan *plan, struct job_line *line, struct child_end *out,
               struct err *e) MUST_CHECK;

#endif
