/*
 * node_dispatch: a node of a batch becomes what a registered runner is sent (runner.md §3.3). The
 * node's workflow file names a workflow of the atmos CLI, without its ending; its inputs are the
 * variables.
 */
#ifndef SIGNALBOX_DOMAIN_NODE_DISPATCH_H
#define SIGNALBOX_DOMAIN_NODE_DISPATCH_H
#include "domain/workflow.h"

enum {
    RUNNER_MINUTES_MAX = 1440,          /* of one run (§3.3) */
    VARIABLES_MAX = 100, VARIABLE_NAME_MAX = 64,        /* §6.4 */
    /*
     * The token of a dispatch outlives the time of its run: the call may be repeated for long
     * before somebody takes it.
     */
    NODE_TOKEN_SPARE_MS = 60 * 60 * 1000,
};

/* "plan-vpc.yaml" → "plan-vpc". False: no name that a runner takes (§6.3). */
bool node_workflow(str file, str *name);

/*
 * The run's id where a UUID is asked for: always the same for the same run, and like nothing that
 * chance makes (version 8).
 */
str node_run_uuid(struct arena *mem, str run_id);

/*
 * The configured inputs as an object of texts, rendered as for a workflow file (workflow.h), and
 * sha, atmos_component, atmos_stack and atmos_pro_run_id. DISPATCH_OK, or *why not.
 */
enum dispatch_error node_variables(struct arena *mem, const struct instance *i,
                                   struct json configured, str sha, str run_id, str *out, str *why);

/* What does not change between two tries of one dispatch. */
struct node_order {
    str     workflow, stack, ref, vars, project;        /* vars: JSON object; ref: a commit, or empty */
    int64_t minutes;
};
struct node_send { const struct node_order *order; str run_id, callback_url, callback_token; };
/* False: longer than a runner reads (256 KiB). */
bool node_dispatch_body(struct arena *mem, const struct node_send *s, str *out);

/*
 * A runner ends a run before its time is over here, so that its word comes and not silence: 55
 * minutes of 60 (§10 no. 12).
 */
int64_t runner_minutes(int64_t timeout_ms);

#endif
