/*
 * job_clone: the clone of a run (runner.md §4): fresh, shallow, by git itself.
 *
 * The token of https is in no argument, address, file or configuration: git's askpass is our own
 * program, which reads it from an inherited descriptor and gives it to the host of the address
 * alone. The key of ssh lies in the private folder while git runs; host keys are always checked.
 * Errors of the network are tried three times, nothing else is.
 */
#ifndef SIGNALBOX_RUNNER_JOB_CLONE_H
#define SIGNALBOX_RUNNER_JOB_CLONE_H
#include "runner/job_child.h"
#include "runner/job_order.h"
#include "runner/job_workspace.h"

/*
 * §4: https://host/path, ssh://[user@]host[:port]/path, user@host:path; with `local` also paths and
 * file://. ERR_INVALID says what is wrong with it.
 */
bool repo_address_check(str url, bool local, struct err *e) MUST_CHECK;

struct cloned {
    char            commit[65];
    enum child_stop stopped;        /* the service or the deadline ended it; the err says nothing then */
};
/* The err says what to do, for whoever set up the runner. Nothing of the private folder is left. */
bool job_clone(struct arena *mem, const struct job_order *o, const struct workspace *w,
               struct job_line *line, int64_t deadline_mono_ms, struct cloned *out,
               struct err *e) MUST_CHECK;

#endif
