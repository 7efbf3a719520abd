/*
 * settings: what `signalbox runner` can be told, as one table (runner.md §7). They come from the
 * environment under these very names; a SECRET also from the file that NAME_FILE names. Read once,
 * at the start: what is secret is then taken out of the environment, so that no child sees it.
 */
#ifndef SIGNALBOX_RUNNER_SETTINGS_H
#define SIGNALBOX_RUNNER_SETTINGS_H
#include "base/arena.h"
#include "base/err.h"

/* field                 name                        kind      default   least  most  documentation */
#define RUNNER_SETTINGS(X) \
    X(auth_token,          RUNNER_AUTH_TOKEN,          SECRET,   "", 0, 0, "Bearer token of those who may dispatch, at least 32 characters (openssl rand -hex 32). Must be set.") \
    X(auth_token_previous, RUNNER_AUTH_TOKEN_PREVIOUS, SECRET,   "", 0, 0, "The token before that, accepted while rotating.") \
    X(repo_url,            ATMOS_REPO_URL,             TEXT,     "", 0, 0, "The repository to clone: https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH. Must be set.") \
    X(repo_branch,         ATMOS_REPO_BRANCH,          TEXT,     "main", 0, 0, "The branch to clone.") \
    X(repo_known_hosts,    ATMOS_REPO_KNOWN_HOSTS,     TEXTFILE, "", 0, 0, "Host keys of the SSH server, as in a known_hosts file. Must be set for an SSH address.") \
    X(ssh_key,             GIT_SSH_KEY,                SECRET,   "", 0, 0, "Private key for SSH, without a passphrase. Must be set for an SSH address.") \
    X(https_token,         GIT_HTTPS_TOKEN,            SECRET,   "", 0, 0, "Token for a private repository over https.") \
    X(clone_depth,         ATMOS_CLONE_DEPTH,          NUMBER,   "1", 0, 1000000, "Commits to clone; 0: all of them.") \
    X(clone_submodules,    ATMOS_CLONE_SUBMODULES,     FLAG,     "false", 0, 0, "Clone submodules, too.") \
    X(allowed_refs,        ALLOWED_REFS,               LIST,     "", 0, 0, "Branches, tags and commits that a dispatch may name instead of the branch, as globs. Empty: none.") \
    X(allow_local_repo,    ALLOW_LOCAL_REPO,           FLAG,     "false", 0, 0, "Let ATMOS_REPO_URL be a path or file://. For demonstrations and tests.") \
    X(bind_address,        BIND_ADDRESS,               TEXT,     "0.0.0.0", 0, 0, "Address to listen on.") \
    X(port,                PORT,                       NUMBER,   "8080", 0, 65535, "Port to listen on; 0: any free one.") \
    X(atmos_bin,           ATMOS_BIN,                  TEXT,     "atmos", 0, 0, "The atmos program: a path, or a name that is looked up in PATH.") \
    X(git_bin,             GIT_BIN,                    TEXT,     "git", 0, 0, "The git program, likewise.") \
    X(work_dir,            WORK_DIR,                   TEXT,     "/run/atmos-runner/work", 0, 0, "Folder of the clones. Each run has one of its own there, and it is removed when the run ends.") \
    X(state_dir,           STATE_DIR,                  TEXT,     "/var/lib/atmos-runner", 0, 0, "Folder of what must survive a restart: accepted runs, results that nobody has taken yet, logs.") \
    X(max_concurrent_runs, MAX_CONCURRENT_RUNS,        NUMBER,   "2", 1, 64, "Runs at the same time; of one stack never more than one.") \
    X(max_queue,           MAX_QUEUE,                  NUMBER,   "100", 1, 10000, "Accepted runs that wait; past it a dispatch is answered 429.") \
    X(run_timeout,         RUN_TIMEOUT,                DURATION, "55m", 1000, 86400000, "How long a run may take, from its start.") \
    X(stop_grace,          STOP_GRACE,                 DURATION, "120s", 0, 3600000, "How long a run that is interrupted may take to end; then it is terminated, and 10 s later killed.") \
    X(clone_timeout,       CLONE_TIMEOUT,              DURATION, "5m", 1000, 3600000, "How long cloning may take.") \
    X(drain_timeout,       DRAIN_TIMEOUT,              DURATION, "10m", 0, 86400000, "How long runs may go on after SIGTERM before they are stopped.") \
    X(log_max,             LOG_MAX,                    SIZE,     "10M", 65536, 1073741824, "Largest log of one run; past it its beginning and its end are kept.") \
    X(memory_max,          MEMORY_MAX,                 SIZE,     "0", 0, 1125899906842624, "Memory that each process of a run may have for its data; 0: no limit.") \
    X(processes_max,       PROCESSES_MAX,              NUMBER,   "0", 0, 1000000, "Processes of the runner's user while a run lasts; 0: no limit.") \
    X(file_size_max,       FILE_SIZE_MAX,              SIZE,     "0", 0, 1125899906842624, "Largest file that a run may write; 0: no limit.") \
    X(vars_mode,           VARS_MODE,                  CHOICE,   "env|flag|both", 0, 0, "How variables reach the workflow: env (ATMOS_RUNNER_VAR_name and a file), flag (--vars, which the real CLI does not have), both.") \
    X(vars_export_plain,   VARS_EXPORT_PLAIN,          LIST,     "", 0, 0, "Variables that are also exported under their bare names.") \
    X(vars_tfvar,          VARS_TFVAR,                 FLAG,     "false", 0, 0, "Also export each variable as TF_VAR_name.") \
    X(allow_template_values, ALLOW_TEMPLATE_VALUES,    FLAG,     "false", 0, 0, "Accept {{ and }} in values of variables, which Atmos may evaluate as templates.") \
    X(pass_env,            PASS_ENV,                   LIST,     "AWS_*,GOOGLE_*,ARM_*,HTTPS_PROXY,NO_PROXY", 0, 0, "Environment variables of the runner that its runs get, as globs.") \
    X(callback_hosts,      CALLBACK_ALLOWED_HOSTS,     LIST,     "", 0, 0, "Hosts that callbacks may go to: names, addresses, or *.suffix. Empty: every public one.") \
    X(callback_ports,      CALLBACK_ALLOWED_PORTS,     LIST,     "443", 0, 0, "Ports that callbacks may go to; *: any.") \
    X(private_callback,    ALLOW_PRIVATE_CALLBACK,     FLAG,     "false", 0, 0, "Let the hosts in CALLBACK_ALLOWED_HOSTS have private and loopback addresses. Metadata services stay refused.") \
    X(http_callback,       ALLOW_HTTP_CALLBACK,        FLAG,     "false", 0, 0, "Let callbacks go over http. To loopback addresses they may without it.") \
    X(callback_style,      CALLBACK_STYLE,             CHOICE,   "v1", 0, 0, "Names of the fields of a callback.") \
    X(ca_file,             CA_FILE,                    TEXT,     "", 0, 0, "More certificate authorities (PEM) for callbacks, for a platform with a private one.") \
    X(allowed_workflows,   ALLOWED_WORKFLOWS,          LIST,     "*", 0, 0, "Workflows that may be run, as globs.") \
    X(allowed_stacks,      ALLOWED_STACKS,             LIST,     "*", 0, 0, "Stacks that may be named, as globs.") \
    X(metrics_open,        METRICS_OPEN,               FLAG,     "false", 0, 0, "Answer /metrics without a token.") \
    X(keep_workspace,      KEEP_WORKSPACE,             CHOICE,   "never|on-failure", 0, 0, "When the folder of a run stays, to look at it.") \
    X(keep_runs,           KEEP_RUNS,                  NUMBER,   "200", 1, 100000, "Ended runs that are remembered, with their logs.") \
    X(keep_time,           KEEP_TIME,                  DURATION, "7d", 60000, 31536000000, "How long ended runs are remembered.") \
    X(disk_free_min,       DISK_FREE_MIN,              SIZE,     "64M", 0, 1125899906842624, "Below this much free space for clones or state, dispatches are answered 503.") \
    X(allow_root,          ALLOW_ROOT,                 FLAG,     "false", 0, 0, "Start as root, too. Workflows would then be root.") \
    X(log_level,           LOG_LEVEL,                  CHOICE,   "info|debug|warn|error", 0, 0, "The least that is logged.") \
    X(log_format,          LOG_FORMAT,                 CHOICE,   "json|text", 0, 0, "Log lines as JSON or as key=value.")

/* One setting: its text, and what the text means (a number, bytes, milliseconds, 1 for true). */
struct setting_value { str text; int64_t n; };

struct runner_settings {
#define X(field, ...) struct setting_value field;
    RUNNER_SETTINGS(X)
#undef X
};

/*
 * From the environment; every value lives in mem. False: e->detail holds one sentence a problem.
 * Secrets are read, too, but stay in the environment until settings_forget_environment.
 */
bool settings_read(struct arena *mem, struct runner_settings *out, struct err *e) MUST_CHECK;
/* The auth tokens again, from their files; a setting without a file keeps its value. */
bool settings_read_tokens(struct arena *mem, struct runner_settings *s, struct err *e) MUST_CHECK;
/* The files that secrets come from, one after the other by *i from 0; NULL at the end. */
const char *settings_secret_file(struct arena *mem, size_t *i);
/* Overwrites the secrets in the environment that the process was started with, and unsets them. */
void settings_forget_environment(void);
str  settings_help(struct arena *mem);

/* Items of a LIST, one after the other: separated by commas, blanks around them taken off. */
bool list_next(str *list, str *item);
/* Globs: * stands for any bytes, ? for one. */
bool glob_match(str pattern, str text);
bool list_matches(str list, str text);      /* any of its globs */

#endif
