/*
 * workflow: what a workflow file declares, and the inputs of one dispatch (atmos-pro.md §8.3,
 * §8.4).
 */
#ifndef SIGNALBOX_DOMAIN_WORKFLOW_H
#define SIGNALBOX_DOMAIN_WORKFLOW_H
#include "base/json.h"
#include "domain/graph.h"

struct workflow_input {
    str name;
    bool required, has_default;
    str type;
    str *options;
    size_t option_count;
};
struct workflow {
    bool                   dispatchable;    /* has a workflow_dispatch trigger */
    struct workflow_input *input;
    size_t                 input_count;
    /* run-name contains inputs.atmos_pro_run_id: the run can be found by its title */
    bool                   run_name_has_id;
    /* name of the input used as a job's environment, or empty */
    str                    environment_input;
};

enum { WORKFLOW_INPUTS_MAX = 100 };     /* declared in one file; the forge itself takes 25 */

/*
 * Reads a workflow file (YAML). ERR_INVALID with the YAML error's place, or when it declares more
 * inputs than that.
 */
bool workflow_read(struct arena *mem, str yaml_text, struct workflow *out,
                   struct err *e) MUST_CHECK;

/* dispatchError codes (also in the API's documentation). */
#define DISPATCH_ERRORS(X) \
    X(DISPATCH_OK,                   "") \
    X(DISPATCH_WORKFLOW_NOT_FOUND,   "workflow_not_found") \
    X(DISPATCH_NOT_DISPATCHABLE,     "workflow_not_dispatchable") \
    X(DISPATCH_WORKFLOW_UNREADABLE,  "workflow_unreadable") \
    X(DISPATCH_BAD_WORKFLOW_NAME,    "bad_workflow_name") \
    X(DISPATCH_UNRENDERED,           "unrendered_template") \
    X(DISPATCH_MISSING_INPUT,        "missing_required_input") \
    X(DISPATCH_BAD_CHOICE,           "input_not_an_option") \
    X(DISPATCH_TOO_MANY_INPUTS,      "too_many_inputs") \
    X(DISPATCH_INPUTS_TOO_LARGE,     "inputs_too_large") \
    X(DISPATCH_REFUSED,              "refused_by_forge") \
    X(DISPATCH_NO_ACCESS,            "no_access") \
    X(DISPATCH_OUTCOME_UNKNOWN,      "outcome_unknown") \
    X(DISPATCH_BAD_ATMOS_WORKFLOW,   "bad_atmos_workflow") \
    X(DISPATCH_BAD_VARIABLE,         "bad_variable") \
    X(DISPATCH_NO_RUNNER,            "no_runner") \
    X(DISPATCH_RUNNER_AWAY,          "runner_unreachable") \
    X(DISPATCH_REFUSED_BY_RUNNER,    "refused_by_runner")
enum dispatch_error {
#define X(id, ...) id,
    DISPATCH_ERRORS(X)
#undef X
    DISPATCH_ERROR_COUNT
};
const char *dispatch_error_name(enum dispatch_error d);

struct dispatch_input { str name, value; };
struct dispatch_inputs {
    struct dispatch_input *at;
    size_t                 count;
    /* configured, but the file does not declare them: warned about, not sent */
    str                   *dropped;
    size_t                 dropped_count;
    bool                   carries_run_id;  /* atmos_pro_run_id is declared and was added */
};

/*
 * Renders, stringifies, filters and checks. Configured values: strings with the small second
 * rendering pass for exactly .atmos_component, .atmos_stack, .sha,
 * .vars.namespace|tenant|environment|stage (blanks inside the braces free); booleans and numbers
 * become text; null "". Left-over "{{" or "<no value>" is DISPATCH_UNRENDERED. Adds sha and
 * atmos_pro_run_id where declared. inputs_max 25 (10 on GHES before return details). Configured
 * values of these two names give way to ours. A null for a required input is no value. Lists and
 * maps are DISPATCH_BAD_CHOICE.
 * *why: one sentence for a person when the result is not DISPATCH_OK, naming the input and what to
 * change.
 */
enum dispatch_error workflow_inputs(struct arena *mem, const struct workflow *w,
                                    const struct instance *i, struct json configured, str sha,
                                    str run_id, size_t inputs_max, struct dispatch_inputs *out,
                                    str *why);

/*
 * A bare file name under .github/workflows/ that ends in .yml or .yaml, no slash, no leading dot or
 * dash, printable ASCII, ≤ 255.
 */
bool workflow_name_ok(str file);

#endif
