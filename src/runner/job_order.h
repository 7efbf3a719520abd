/*
 * job_order: the first line that the service sends, read and checked: one JSON object,
 *   {"runId", "workflow", "stack", "workflowFile": "" or a file, "dryRun": bool, "vars": {name: text},
 *    "workDir", "logFile", "lockFile": absolute paths; the folder of the first must not be another's,
 *    "repo": {"url", "branch", "ref": "", "depth": 1, "submodules", "knownHosts", "sshKey",
 *             "httpsToken", "allowLocal"},
 *    "atmos", "git": paths, or names for the PATH of "env" (or JOB_PATH),
 *    "varsMode": "env", "flag" or "both", "exportPlain": [names], "tfvar": bool,
 *    "env": {name: text}, "mask": [texts], "deadlineMs": UTC, "stopGraceMs", "killMs",
 *    "cloneTimeoutMs", "logMaxBytes", "limits": {"memoryBytes", "processes", "fileBytes"},
 *    "keepWorkspace": "never" or "on-failure",
 *    "hide": [paths that the workflow must not see: state, other clones, files of keys],
 *    "sandbox": true (all that there is), "landlock" (no namespaces) or false}
 * What it may say later: {"order": "cancel"} and {"order": "stop"}.
 *
 * Secrets of it are copied to where they are needed and wiped from where they came: what a child
 * of the job inherits of its memory must not hold them (job_sandbox.c).
 */
#ifndef SIGNALBOX_RUNNER_JOB_ORDER_H
#define SIGNALBOX_RUNNER_JOB_ORDER_H
#include "base/arena.h"
#include "base/err.h"
#include "base/mask.h"

struct job_var { const char *name, *value; };
struct job_vars { struct job_var *items; size_t count; };

struct job_repo {
    const char *url, *branch, *ref;             /* ref: of the payload, or empty */
    const char *known_hosts;
    char       *ssh_key, *https_token;          /* wiped after the clone */
    int64_t     depth;                          /* 0: all of the history */
    bool        submodules, allow_local;
};

struct job_limits { int64_t memory_bytes, processes, file_bytes; };     /* 0: none */

struct job_order {
    const char     *run_id, *workflow, *stack, *workflow_file;
    const char     *work_dir, *log_file, *lock_file;
    const char     *atmos, *git;
    bool            dry_run, vars_env, vars_flag, tfvar, keep_failed;
    bool            namespaces, landlock;       /* to be tried */
    struct job_vars vars, env;
    const char    **export_plain, **hide;       /* end in NULL */
    struct job_repo repo;
    struct job_limits limits;
    int64_t         deadline_ms;                /* UTC */
    int64_t         stop_grace_ms, kill_ms, clone_timeout_ms, log_max_bytes;
};

/*
 * `line` is wiped where secrets stood in it. Everything else lives in mem, the texts that must not
 * leave in *masks. ERR_INVALID names the field.
 */
bool job_order_read(struct arena *mem, str line, struct job_order *out, struct mask_set *masks,
                    struct err *e) MUST_CHECK;
/* runner.md §6.9: does the value of a variable of that name have to be masked? */
bool job_name_is_secret(str name);

#endif
