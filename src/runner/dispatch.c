#include "runner/dispatch.h"

#include "base/json.h"
#include "runner/dispatch_inside.h"
#include "runner/settings_check.h"

enum { WORKFLOW_CHARS_MAX = 128, STACK_CHARS_MAX = 255, FILE_CHARS_MAX = 255,
       TOKEN_SECRET_MIN = 32, TOKEN_SECRET_MAX = 128, TIMEOUT_MINUTES_MAX = 1440 };

/* ---- the fields, and what platforms may call them ---- */

enum field { F_RUN_ID, F_WORKFLOW, F_STACK, F_VARS, F_URL, F_TOKEN, F_WAIT, F_FILE, F_REF,
             F_TIMEOUT, F_DRY_RUN, F_PROGRESS, FIELD_COUNT };

enum { NAMES_MAX = 5 };
static const char *const names[FIELD_COUNT][NAMES_MAX] = {
    [F_RUN_ID]   = { "runId", "run.id", "run_id", "actionRunId" },
    [F_WORKFLOW] = { "workflow", "workflowName" },
    [F_STACK]    = { "stack", "stackName" },
    [F_VARS]     = { "vars", "variables", "parameters" },
    [F_URL]      = { "callbackUrl", "callback.url", "callback_url", "run.callbackUrl" },
    [F_TOKEN]    = { "callbackToken", "callback.token", "callback_token", "run.callbackToken" },
    [F_WAIT]     = { "waitForCompletion" },
    [F_FILE]     = { "workflowFile", "file" },
    [F_REF]      = { "ref", "sha" },
    [F_TIMEOUT]  = { "timeoutMinutes", "timeout" },
    [F_DRY_RUN]  = { "dryRun" },
    [F_PROGRESS] = { "progress" },
};
/* For people who look at what was sent; nothing depends on them. */
static const char *const context[] = { "action", "entity", "environment", "project", "callback",
                                       "run" };

struct reading {
    struct arena *mem;
    const struct runner_settings *settings;
    struct json body;
    struct dispatch *out;
    struct dispatch_refusal *no;
    int64_t now_ms;
};

static bool refuse(struct reading *r, const char *name, const char *reason)
{
    return dispatch_refuse(r->no, str_of(name), str_of(reason));
}

bool dispatch_refuse(struct dispatch_refusal *no, str name, str reason)
{
    no->status = 422;
    if (no->field_count < REFUSED_FIELDS_MAX) {
        no->fields[no->field_count].name = name;
        no->fields[no->field_count++].reason = reason;
    }
    return false;
}

/* Absent when it is null, too. Two names for one thing must not say different things. */
static bool find(struct reading *r, enum field f, struct json *out)
{
    bool ok = true;
    *out = (struct json){ 0 };
    for (size_t i = 0; i < NAMES_MAX && names[f][i]; i++) {
        struct json v = json_path(r->body, names[f][i]);
        if (!json_present(v))
            continue;
        if (json_present(*out) && !str_eq(json_raw(*out), json_raw(v)))
            ok = refuse(r, names[f][0], "is said twice, under two names, and differently");
        if (!json_present(*out))
            *out = v;
    }
    return ok;
}

static bool find_str(struct reading *r, enum field f, bool must, str *out)
{
    struct json v;
    *out = STR_NONE;
    if (!find(r, f, &v))
        return false;
    if (!json_present(v))
        return must ? refuse(r, names[f][0], "is missing") : false;
    if (json_kind(v) != JSON_STRING)
        return refuse(r, names[f][0], "must be a string");
    *out = json_str(v, r->mem);
    return true;
}

static bool find_flag(struct reading *r, enum field f, bool other)
{
    struct json v;
    if (!find(r, f, &v) || !json_present(v))
        return other;
    if (json_kind(v) != JSON_BOOL)
        refuse(r, names[f][0], "must be true or false");
    return json_bool_or(v, other);
}

/* ---- names ---- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One of the first characters, then at most max - 1 of these, and nowhere two dots together. */
static bool is_made_of(str s, const char *first_also, const char *also, size_t max)
{
    if (!s.len || s.len > max || str_has(s, STR("..")))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!c || (!is_letter_or_digit(c) && !strchr(i ? also : first_also, c)))
            return false;
    }
    return true;
}

bool dispatch_unresolved(str s) { return str_has(s, STR("{{")) || str_has(s, STR("}}")); }

#define UNRESOLVED "unresolved_interpolation: {{ }} is still in it, so the platform did not find what stands there"

static void read_workflow(struct reading *r)
{
    str s;
    if (!find_str(r, F_WORKFLOW, true, &s))
        return;
    s = str_trim(s);
    r->out->workflow = s;
    if (dispatch_unresolved(s))
        refuse(r, "workflow", UNRESOLVED);
    else if (!is_made_of(s, "", " ._/{}-", WORKFLOW_CHARS_MAX))
        refuse(r, "workflow", "must be a name of letters, digits, blanks and ._/{}-, at most 128, "
                              "that begins with a letter or a digit and holds no two dots together");
    else if (str_eq(s, STR("help")))
        refuse(r, "workflow", "must not be help: atmos would print its help and succeed");
    else if (!list_matches(r->settings->allowed_workflows.text, s))
        refuse(r, "workflow", "is not among ALLOWED_WORKFLOWS");
}

static void read_stack(struct reading *r)
{
    str s;
    if (!find_str(r, F_STACK, true, &s))
        return;
    r->out->stack = s;
    if (dispatch_unresolved(s))
        refuse(r, "stack", UNRESOLVED);
    else if (!is_made_of(s, "", "._/-", STACK_CHARS_MAX))
        refuse(r, "stack", "must be a name of letters, digits and ._/-, at most 255, that begins "
                           "with a letter or a digit and holds no two dots together");
    else if (!list_matches(r->settings->allowed_stacks.text, s))
        refuse(r, "stack", "is not among ALLOWED_STACKS");
}

static void read_file(struct reading *r)
{
    str s;
    if (!find_str(r, F_FILE, false, &s))
        return;
    r->out->workflow_file = s;
    if (dispatch_unresolved(s))
        refuse(r, "workflowFile", UNRESOLVED);
    else if (!is_made_of(s, "_.", " ._/-", FILE_CHARS_MAX) || str_has(s, STR("//")))
        refuse(r, "workflowFile", "must be a path inside the folder of workflows: letters, digits "
                                  "and ._/-, no .., not beginning with / or -");
}

static void read_ref(struct reading *r)
{
    str s;
    if (!find_str(r, F_REF, false, &s))
        return;
    r->out->ref = s;
    if (!ref_valid(s))
        refuse(r, "ref", "is no branch, tag or commit");
    else if (!list_matches(r->settings->allowed_refs.text, s))
        refuse(r, "ref", "is not among ALLOWED_REFS");
}

/* ---- the run and its callback ---- */

bool run_id_valid(str id)
{
    if (id.len != RUN_ID_CHARS)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = id.ptr[i];
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

str callback_token_secret(str token)
{
    return str_after_last(token, ':');
}

static bool is_signature(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.ptr[i]) && !strchr("+/=_-", s.ptr[i]))
            return false;
    return s.len >= TOKEN_SECRET_MIN && s.len <= TOKEN_SECRET_MAX;
}

static void read_token(struct reading *r)
{
    str token, rest, secret;
    if (!find_str(r, F_TOKEN, true, &token))
        return;
    str id = str_cut(token, ':', &rest), end = str_cut(rest, ':', &secret);
    if (!run_id_valid(id) || end.len < 10 || end.len > 16 ||
        !str_to_i64(end, 0, INT64_MAX, &r->out->expires_ms) || !is_signature(secret)) {
        refuse(r, "callbackToken", "must be RUN_ID:EXPIRES_AT_MS:SIGNATURE");
        return;
    }
    r->out->callback_token = token;
    if (r->out->run_id.len && !str_eq(id, r->out->run_id))
        refuse(r, "callbackToken", "belongs to another run");
    else if (r->out->expires_ms <= r->now_ms)
        refuse(r, "callbackToken", "has expired already");
}

static void read_id(struct reading *r)
{
    str id;
    if (!find_str(r, F_RUN_ID, true, &id))
        return;
    if (run_id_valid(id))
        r->out->run_id = id;
    else
        refuse(r, "runId", "must be a UUID in lower case");
}

static void read_url(struct reading *r)
{
    str url;
    if (!find_str(r, F_URL, true, &url))
        return;
    const char *why = dispatch_unresolved(url)
                          ? UNRESOLVED
                          : callback_place(r->mem, r->settings, url, &r->out->place);
    r->out->callback_url = url;
    if (why)
        refuse(r, "callbackUrl", why);
}

static void read_timeout(struct reading *r)
{
    struct json v;
    int64_t minutes = 0;
    if (!find(r, F_TIMEOUT, &v) || !json_present(v))
        return;
    if (json_kind(v) != JSON_NUMBER || !json_i64(v, &minutes) || minutes < 1 ||
        minutes > TIMEOUT_MINUTES_MAX)
        refuse(r, "timeoutMinutes", "must be a whole number from 1 to 1440");
    r->out->timeout_ms = minutes * 60000;
}

static void read_vars(struct reading *r)
{
    struct json v;
    if (find(r, F_VARS, &v) && json_present(v))
        variables_read(r->mem, v, r->settings->allow_template_values.n, r->out, r->no);
}

/* ---- all of it ---- */

static bool is_known(str key)
{
    str rest;
    for (size_t i = 0; i < sizeof context / sizeof *context; i++)
        if (str_eq(key, str_of(context[i])))
            return true;
    for (size_t f = 0; f < FIELD_COUNT; f++)
        for (size_t i = 0; i < NAMES_MAX && names[f][i]; i++)
            if (str_eq(key, str_cut(str_of(names[f][i]), '.', &rest)))
                return true;
    return false;
}

static size_t count_unknown(struct reading *r)
{
    size_t n = 0;
    str key;
    struct json value;
    for (struct json_iter it = json_iter(r->body); json_next(&it, r->mem, &key, &value);)
        n += !is_known(key);
    return n;
}

static void read_all(struct reading *r)
{
    read_id(r);
    read_workflow(r);
    read_stack(r);
    read_file(r);
    read_ref(r);
    read_url(r);
    read_token(r);
    read_timeout(r);
    read_vars(r);
    r->out->dry_run = find_flag(r, F_DRY_RUN, false);
    r->out->progress = find_flag(r, F_PROGRESS, false);
    r->out->wait = find_flag(r, F_WAIT, true);
    r->out->unknown_fields = count_unknown(r);
}

bool dispatch_read(struct arena *mem, const struct runner_settings *s, str body, int64_t now_ms,
                   struct dispatch *out, struct dispatch_refusal *refusal)
{
    struct reading r = { .mem = mem, .settings = s, .out = out, .no = refusal, .now_ms = now_ms };
    struct err e = { 0 };
    *out = (struct dispatch){ 0 };
    *refusal = (struct dispatch_refusal){ 0 };
    if (!json_parse(mem, body, DISPATCH_DEPTH_MAX, &r.body, &e)) {
        refusal->status = 400;
        refusal->message = arena_print(mem, "the body is not JSON that can be read: %s", e.text);
        return false;
    }
    if (json_kind(r.body) != JSON_OBJECT) {
        refusal->status = 400;
        refusal->message = STR("the body must be a JSON object");
        return false;
    }
    read_all(&r);
    return refusal->status == 0;
}
