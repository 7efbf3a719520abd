/*
 * dispatch: what POST /dispatch says, read strictly and by name (runner.md §3.3, §6.3, §6.4). Bytes
 * and settings in, a dispatch or a refusal out: no clock, no file, no network.
 */
#ifndef SIGNALBOX_RUNNER_DISPATCH_H
#define SIGNALBOX_RUNNER_DISPATCH_H
#include "runner/address.h"

enum {
    DISPATCH_BODY_BYTES_MAX = 256 << 10,
    DISPATCH_DEPTH_MAX = 16,
    RUN_ID_CHARS = 36,
    VARIABLES_MAX = 100,
    VARIABLES_BYTES_MAX = 64 << 10,
    VARIABLE_BYTES_MAX = 16 << 10,
    REFUSED_FIELDS_MAX = 24,
};

struct variable { str name, value; };       /* the value as text */

struct dispatch {
    str run_id, workflow, stack;
    str workflow_file, ref;                 /* empty: not named */
    str callback_url, callback_token;
    struct callback_place place;
    int64_t expires_ms;                     /* the token's end, UTC */
    int64_t timeout_ms;                     /* 0: not named */
    struct variable *variables;
    size_t variable_count;
    bool dry_run, progress, wait;
    size_t unknown_fields;
};

/* status 400: message; status 422: fields. */
struct dispatch_refusal {
    int status;
    str message;
    struct { str name, reason; } fields[REFUSED_FIELDS_MAX];
    size_t field_count;
};

/* Everything in out and refusal lives in mem or in body. */
bool dispatch_read(struct arena *mem, const struct runner_settings *s, str body, int64_t now_ms,
                   struct dispatch *out, struct dispatch_refusal *refusal) MUST_CHECK;
bool run_id_valid(str id);                  /* a lower-case UUID */
/* The part of a callback token that must never be shown. */
str  callback_token_secret(str token);
/* secret, token, password, key, credential: what such a variable holds is masked (§6.9). */
bool name_is_secret(str name);

#endif
