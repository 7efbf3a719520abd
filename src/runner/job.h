/*
 * job: one run in a process of its own, `signalbox runner-job`: clone, `atmos workflow`, report.
 *
 * The service starts it with a socketpair as descriptor 3 and speaks JSON lines with it (job_order.h
 * has the first line, job_link.h the events). It knows no HTTP and has no threads; it starts git and
 * atmos, and is the subreaper of all that they leave behind. When descriptor 3 ends, the service
 * has died: the job stops its children, removes the workspace and leaves.
 */
#ifndef SIGNALBOX_RUNNER_JOB_H
#define SIGNALBOX_RUNNER_JOB_H
#include "base/arena.h"
#include "base/err.h"

/* The exit code of the process: 0 when the end was told or nobody is left to be told. */
int runner_job_main(void);

/*
 * git starts our own program, under names that end in these, as its askpass and ssh: no shell and
 * no file with a token is needed then. First thing in main: true when it was one of them, with the
 * exit code in *code.
 */
bool runner_job_helper(int argc, char **argv, int *code);

#endif
