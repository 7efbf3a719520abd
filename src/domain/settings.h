/*
 * settings: what can be set per repository, as one table (name, type, default, bounds, doc), from
 * which parsing, the API and the documentation come.
 */
#ifndef SIGNALBOX_DOMAIN_SETTINGS_H
#define SIGNALBOX_DOMAIN_SETTINGS_H
#include "base/json.h"

/* field                    kind   default  min max      group, documentation */
#define REPO_SETTINGS(X) \
    X(dispatch_concurrency,     I64,   20, 1, 100,   "Dispatching", "Dispatch calls under way at once for this repository.") \
    X(strict_plans,             BOOL,  0, 0, 1,      "Dispatching", "Skip the plans of dependents when a plan fails.") \
    X(plan_on_head_branch,      BOOL,  0, 0, 1,      "Dispatching", "Dispatch pull request plans on the head branch instead of the default branch.") \
    X(apply_merge_commit,       BOOL,  0, 0, 1,      "Dispatching", "Apply the merge commit instead of the uploaded head of the pull request.") \
    X(cancel_superseded_runs,   BOOL,  0, 0, 1,      "Dispatching", "Cancel live runs of a head that a newer push replaced.") \
    X(reviews,                  BOOL,  0, 0, 1,      "Feedback", "Leave a formal review when a pull request's batch has ended.") \
    X(comment,                  BOOL,  1, 0, 1,      "Feedback", "Keep one comment on the pull request, and leave one with the result of each apply.") \
    X(fork_dispatch,            BOOL,  0, 0, 1,      "Dispatching", "Dispatch for pull requests from forks (their code runs with secrets).") \
    X(run_timeout_minutes,      I64,   420, 5, 50400, "Limits of time", "A run without a result for so long is timed_out.") \
    X(event_wait_minutes,       I64,   60, 1, 1440,  "Limits of time", "How long an event waits for its upload before the check concludes neutral.") \
    X(threshold_hold,           BOOL,  0, 0, 1,      "Threshold", "Hold a pull request's batch that would dispatch more stacks than the threshold.") \
    X(threshold,                I64,   50, 1, 50000, "Threshold", "Stacks that a pull request's batch may dispatch without a person's word.") \
    X(rapid_push_hold,          BOOL,  0, 0, 1,      "Rapid pushes", "Pause a pull request that is pushed to in quick succession.") \
    X(rapid_pushes,             I64,   3, 1, 100,    "Rapid pushes", "Pushes within the window that do not pause yet.") \
    X(rapid_push_minutes,       I64,   10, 1, 1440,  "Rapid pushes", "The window in which pushes are counted.") \
    X(executor,                 EXECUTOR, 0, 0, 1,   "Dispatching", "Where nodes run: github_actions dispatches workflows there, runner sends them to the repository's runner.") \
    X(runner,                   NAME,  0, 0, 64,     "Dispatching", "Name of the registered runner that nodes are sent to when executor is runner.")

enum executor { EXECUTOR_GITHUB_ACTIONS, EXECUTOR_RUNNER, EXECUTOR_COUNT };
const char *executor_name(enum executor x);     /* "github_actions", "runner" */

enum { SETTING_NAME_BYTES_MAX = 64 };
/* Ends in NUL, and is filled with them; empty: none. */
struct setting_name { char text[SETTING_NAME_BYTES_MAX + 1]; };

#define SETTING_IS_I64(name)      int64_t name;
#define SETTING_IS_BOOL(name)     int64_t name;
#define SETTING_IS_EXECUTOR(name) int64_t name;
#define SETTING_IS_NAME(name)     struct setting_name name;
struct repo_settings {
#define X(name, kind, ...) SETTING_IS_##kind(name)
    REPO_SETTINGS(X)
#undef X
};

void settings_default(struct repo_settings *out);
/*
 * Merges a JSON object of changes into *s. Unknown names, wrong types and values out of bounds:
 * ERR_INVALID with one detail each ("dispatch_concurrency must be between 1 and 100, got 500"), and
 * nothing is changed.
 */
bool settings_merge(struct arena *mem, struct json changes, struct repo_settings *s,
                    struct err *e) MUST_CHECK;
str  settings_json(struct arena *mem, const struct repo_settings *s);
/* Only what differs from the defaults, so that a better default reaches everybody who did not choose. */
str  settings_changed_json(struct arena *mem, const struct repo_settings *s);
/* The table itself: a JSON array of {name, type, default, min, max, options, doc, group}. */
str  settings_table_json(struct arena *mem);

#endif
