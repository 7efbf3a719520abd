/*
 * job_env: the environment of a run, from nothing (runner.md §6.2, §6.5), and the command line of
 * atmos (§6.3). Neither ever goes through a shell.
 */
#ifndef SIGNALBOX_RUNNER_JOB_ENV_H
#define SIGNALBOX_RUNNER_JOB_ENV_H
#include "runner/job_order.h"
#include "runner/job_workspace.h"

#define JOB_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct env_list { const char **items; size_t count, cap; struct arena *mem; };
void env_put(struct env_list *env, const char *name, const char *value);    /* the last one wins */
const char *env_get(const struct job_vars *of, const char *name);           /* NULL: not there */
/* PATH of what was passed, else JOB_PATH. */
const char *env_path(const struct job_order *o);

const char *const *env_of_atmos(struct arena *mem, const struct job_order *o,
                                const struct workspace *w);
/* argv[0] is the link in the workspace. */
const char *const *argv_of_atmos(struct arena *mem, const struct job_order *o,
                                 const struct workspace *w);
/* What ATMOS_RUNNER_VARS_FILE names: all variables as one JSON object. */
str vars_json(struct arena *mem, const struct job_order *o);

/*
 * The step that failed, from the resume command that atmos prints at its end (§9.7); STR_NONE when
 * it says none. The terminal's line breaks in it are undone.
 */
str failed_step(struct arena *mem, str output_end);

#endif
