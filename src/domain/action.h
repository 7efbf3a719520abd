/*
 * action: something that people can set off in a repository, and what sets it off: a trigger
 * (runner.md §8.2). Written in .github/signalbox.yaml under `actions:`, or put by API:
 *
 *     provision-tenant:
 *       parameters:
 *         - name: customer_id
 *           required: true
 *       trigger:
 *         type: atmos-workflow
 *         workflow: provision-tenant
 *         stack: "tenant-{{ parameters.customer_id }}"
 *         vars: { customer: "{{ parameters.customer_id }}" }
 *         runner:
 *           endpoint: https://runner.example.com/dispatch
 *           auth: { type: bearer, token: "{{ secrets.atmos-runner-token }}" }
 *         waitForCompletion: true
 *       timeout: 60
 *
 * `runner: production` names a registered one instead.
 */
#ifndef SIGNALBOX_DOMAIN_ACTION_H
#define SIGNALBOX_DOMAIN_ACTION_H
#include "base/json.h"
#include "domain/interpolate.h"

enum {
    ACTION_JSON_BYTES_MAX = 64 << 10,       /* of one definition */
    ACTION_DEPTH_MAX = 16,
    ACTIONS_MAX = 200,                      /* of one repository */
    ACTION_PARAMETERS_MAX = 100,
    ACTION_VALUE_BYTES_MAX = 16 << 10,      /* of one parameter; all of them 64 KiB (§6.4) */
    ACTION_VALUES_BYTES_MAX = 64 << 10,
    ACTION_TIMEOUT_MAX_MINUTES = 1440, ACTION_TIMEOUT_MINUTES = 60,
    ACTION_TOKEN_SPARE_MS = 2 * 60 * 1000,  /* a token outlives the timeout (§10 no. 12) */
    ENDPOINT_BYTES_MAX = 2048,
};

enum action_trigger { TRIGGER_ATMOS_WORKFLOW, TRIGGER_NOOP };

/* How a delivery that failed for a passing reason is repeated (§8.3). */
struct action_retry { int64_t attempts, delay_ms; bool fixed; };

struct action {
    str         name, title, description;
    struct json parameters;         /* list of {name, type, required, default, enum, description} */
    enum action_trigger type;
    struct json trigger;            /* as written, before interpolation */
    str         runner;             /* name of a registered one; empty: the trigger has its own */
    int64_t     timeout_ms;
    bool        wait;               /* waitForCompletion */
    struct action_retry retry;
};

/*
 * ERR_INVALID with a detail for each thing that is wrong ("trigger.workflow is missing"). The JSON
 * must outlive the action.
 */
bool action_read(struct arena *mem, str name, struct json v, struct action *out,
                 struct err *e) MUST_CHECK;
/*
 * Values that somebody gives for the parameters: *out is a JSON object of all that have one, defaults
 * included. ERR_INVALID with a detail for each that is missing, not known, or of another type.
 */
bool action_values(struct arena *mem, const struct action *a, struct json given, str *out,
                   struct err *e) MUST_CHECK;

/*
 * Where a runner is: https:// or http://, a host that is written out (a value that a member gives
 * never decides who gets the token), no user, no fragment. ERR_INVALID.
 */
bool endpoint_check(str endpoint, struct err *e) MUST_CHECK;
/* host[:port] of an address that was checked; host alone, lower case left to the caller. */
str  endpoint_host(str endpoint);
/* The address of another route of the same runner: the last part of the path is replaced. */
str  endpoint_route(struct arena *mem, str endpoint, str route);
/* Is the host one of a blank-separated list? Each exact, or "*.suffix"; case does not matter. */
bool endpoint_host_in(str host, str list);

/* One dispatch, ready to leave. Holds secrets in clear: it never meets a database or a log. */
struct action_dispatch { str endpoint, token, body; };
struct action_send {
    str     run_id, callback_url, callback_token, action, repository;
    str     values;                 /* JSON object of action_values */
    /* of the registered runner that the trigger names */
    str     runner_endpoint, runner_token_secret;
};
/*
 * The trigger with its values, as the runner's dispatch payload (§3.3). in->roots is made here.
 * ERR_NOT_FOUND: a secret is missing; ERR_INVALID: what it came to cannot be sent.
 */
bool action_dispatch(struct arena *mem, const struct action *a, const struct action_send *s,
                     struct interpolation *in, struct action_dispatch *out,
                     struct err *e) MUST_CHECK;

/* After so many attempts that failed in passing: how long to wait; chance: any number. */
int64_t action_retry_ms(const struct action_retry *r, int64_t attempts, uint64_t chance);

#endif
