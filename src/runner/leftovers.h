/* leftovers: what a job that was killed could not clear up itself. */
#ifndef SIGNALBOX_RUNNER_LEFTOVERS_H
#define SIGNALBOX_RUNNER_LEFTOVERS_H
#include <sys/types.h>

#include "base/err.h"

/*
 * Kills (KILL) our children that are no jobs of ours: the service is the subreaper of all that a job
 * started, so they come to it when the job dies. And every process whose working folder, root,
 * program or environment lies in dir, for jobs of an earlier life. Returns how many were there.
 */
size_t leftovers_end(const char *dir, bool (*is_job)(void *ctx, pid_t pid), void *ctx);

#endif
