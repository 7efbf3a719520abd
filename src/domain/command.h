/*
 * command: which Atmos command a run stands for (seed 000, atmos-pro.md §10.8). Trigger, guess and
 * report are kept apart; the badge is derived. Never a base for safety decisions but one: what is
 * not surely a plan counts as an apply.
 */
#ifndef SIGNALBOX_DOMAIN_COMMAND_H
#define SIGNALBOX_DOMAIN_COMMAND_H
#include "domain/batch.h"
#include "domain/pro.h"

enum command { COMMAND_UNKNOWN, COMMAND_PLAN, COMMAND_APPLY, COMMAND_DETECT, COMMAND_REMEDIATE };
const char *command_name(enum command c);                   /* "" for unknown */
/* Keywords in the file name, in this priority: remediate, detect/drift, apply, plan (any case). */
enum command command_guess(str workflow_file);
/*
 * What the CLI reports: "plan", "terraform plan", "apply", "deploy" (= apply), "remediate"; the
 * last word counts.
 */
enum command command_read(str reported);
/*
 * reported overwrites the guess, but plan under the drift trigger shows detect, apply under
 * remediate shows remediate.
 */
enum command command_badge(struct trigger t, enum command guess, enum command reported);
/*
 * PLAN only when the trigger cannot apply (pull_request other than merged/closed, merge_group,
 * drift detect) or, for the rest, the guess says plan/detect.
 */
enum run_class command_class(struct trigger t, enum command guess);

enum result { RESULT_OK, RESULT_CHANGES, RESULT_FAILED };
/* plan: 0 ok, 2 changes, else failed; apply: 0 ok, else failed (§13.3). */
enum result command_result(enum command c, int64_t exit_code);

enum drift { DRIFT_UNKNOWN, DRIFT_IN_SYNC, DRIFT_DRIFTED, DRIFT_ERROR, DRIFT_DISABLED };
const char *drift_name(enum drift d);                       /* "unknown", "in_sync" … */
bool drift_read(str name, enum drift *out);
/*
 * The instance's new drift status after a report (§13.3): a plan that was not made of the default
 * branch never says drifted. legacy: the old `status` text or empty.
 */
enum drift drift_after(enum drift before, bool drift_enabled, enum command c, int64_t exit_code,
                       str legacy, bool of_default_branch);

#endif
