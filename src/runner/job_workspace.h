/*
 * job_workspace: the folder of one run (runner.md §6.8): made private, removed whatever the workflow
 * left in it. Links are never followed, on no way.
 */
#ifndef SIGNALBOX_RUNNER_JOB_WORKSPACE_H
#define SIGNALBOX_RUNNER_JOB_WORKSPACE_H
#include "base/arena.h"
#include "base/err.h"

struct workspace {
    const char *dir;        /* <WORK_DIR>/<runId> */
    const char *repo;       /* the clone */
    const char *home, *tmp;
    const char *bin;        /* `atmos` is a link here: an atmos step looks for it in PATH */
    const char *vars_file;
    const char *private_dir; /* of the clone alone: keys; gone before the workflow starts */
};

/* Mode 0700, with its folders. What an earlier job of the same run left there is removed first. */
bool workspace_make(struct arena *mem, const char *dir, struct workspace *out,
                    struct err *e) MUST_CHECK;
/*
 * The program's path, without links. `name` is a path, or looked up in `path`; ERR_NOT_FOUND says
 * where, and which setting names it.
 */
bool program_find(struct arena *mem, const char *name, const char *path, const char *setting,
                  const char **out, struct err *e) MUST_CHECK;
/*
 * Removes a folder and all in it, also folders without permissions and of any depth. True when
 * nothing is left, or never was. It may go on while somebody still writes: it tries for a while.
 */
bool workspace_remove(const char *dir, struct err *e) MUST_CHECK;
#endif
