#include "domain/action.h"

#include "domain/text.h"

/* ---- what is wrong, each thing in a line ---- */

struct reader {
    struct arena *mem;
    struct err   *e;
    const char   *at;               /* "trigger." */
};

__attribute__((format(printf, 2, 3))) static void refuse(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    fail(r->e, ERR_INVALID, "the action cannot be used like this; nothing was changed");
    va_start(ap, fmt);
    err_detail(r->e, arena_vprint(r->mem, fmt, ap).ptr);
    va_end(ap);
}

static str short_of(struct reader *r, struct json v)
{
    return text_plain(r->mem, json_raw(v), 40);
}

static void only(struct reader *r, struct json v, const char *const *names)
{
    struct json member;
    str key;
    for (struct json_iter it = json_iter(v); json_next(&it, r->mem, &key, &member);) {
        size_t i = 0;
        while (names[i] && !str_eq(str_of(names[i]), key))
            i++;
        if (!names[i])
            refuse(r, "there is no field %s" PRI_STR, r->at, FMT_STR(text_plain(r->mem, key, 60)));
    }
}

static str text_of(struct reader *r, struct json v, const char *name, bool required, size_t max)
{
    str s = json_str(v, r->mem);
    if (!json_present(v) || (json_kind(v) == JSON_STRING && !s.len)) {
        if (required)
            refuse(r, "%s%s is missing", r->at, name);
        return STR("");
    }
    if (json_kind(v) != JSON_STRING)
        refuse(r, "%s%s must be a text, got " PRI_STR, r->at, name, FMT_STR(short_of(r, v)));
    else if (s.len > max)
        refuse(r, "%s%s is longer than %zu bytes", r->at, name, max);
    else if (!str_eq(text_plain(r->mem, s, s.len), s))
        refuse(r, "%s%s has a character that cannot be shown", r->at, name);
    return s.ptr ? s : STR("");
}

static bool bool_of(struct reader *r, struct json v, const char *name, bool otherwise)
{
    if (json_present(v) && json_kind(v) != JSON_BOOL)
        refuse(r, "%s%s must be true or false, got " PRI_STR, r->at, name, FMT_STR(short_of(r, v)));
    return json_bool_or(v, otherwise);
}

static int64_t int_of(struct reader *r, struct json v, const char *name, int64_t min, int64_t max,
                      int64_t otherwise)
{
    int64_t n = otherwise;
    if (json_present(v) && (!json_i64(v, &n) || n < min || n > max))
        refuse(r, "%s%s must be a whole number between %lld and %lld, got " PRI_STR, r->at, name,
               (long long)min, (long long)max, FMT_STR(short_of(r, v)));
    return n;
}

/* ---- parameters ---- */

enum value_kind { VALUE_STRING, VALUE_NUMBER, VALUE_BOOLEAN, VALUE_KIND_COUNT };
static const char *const value_kinds[] = { "string", "number", "boolean" };

/* \w of the grammar of paths, and a name that a workflow's variable may have (§6.4). */
static bool parameter_name_ok(str name)
{
    return interpolate_name_ok(name) && !(name.ptr[0] >= '0' && name.ptr[0] <= '9');
}

static enum value_kind kind_of(struct arena *mem, struct json parameter)
{
    str type = json_str(json_get(parameter, STR("type")), mem);
    for (unsigned i = 0; i < VALUE_KIND_COUNT; i++)
        if (str_eq(type, str_of(value_kinds[i])))
            return (enum value_kind)i;
    return type.len ? VALUE_KIND_COUNT : VALUE_STRING;
}

static bool value_fits(struct arena *mem, struct json v, enum value_kind kind)
{
    static const enum json_kind want[] = { JSON_STRING, JSON_NUMBER, JSON_BOOL };
    str text = json_str(v, mem);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\t' && text.ptr[i] != '\n')
            return false;
    return kind < VALUE_KIND_COUNT && json_kind(v) == want[kind] &&
           json_raw(v).len <= ACTION_VALUE_BYTES_MAX;
}

static bool same_value(struct arena *mem, struct json a, struct json b)
{
    return json_kind(a) == json_kind(b) &&
           (json_kind(a) == JSON_STRING ? str_eq(json_str(a, mem), json_str(b, mem))
                                        : str_eq(json_raw(a), json_raw(b)));
}

static bool is_listed(struct arena *mem, struct json list, struct json v)
{
    struct json one;
    str key;
    if (!json_present(list))
        return true;
    for (struct json_iter it = json_iter(list); json_next(&it, mem, &key, &one);)
        if (same_value(mem, one, v))
            return true;
    return false;
}

static void read_parameter(struct reader *r, struct json p, size_t number)
{
    static const char *const known[] = { "name", "type", "required", "default", "enum",
                                         "description", NULL };
    struct reader in = { r->mem, r->e,
                         arena_print(r->mem, "parameters[%zu].", number).ptr };
    struct json list = json_get(p, STR("enum")), first = json_get(p, STR("default")), one;
    str name, key;
    if (json_kind(p) != JSON_OBJECT) {
        refuse(r, "parameters[%zu] must be an object with a name", number);
        return;
    }
    only(&in, p, known);
    name = text_of(&in, json_get(p, STR("name")), "name", true, 64);
    if (name.len && !parameter_name_ok(name))
        refuse(&in, "%sname must be letters, digits, _ and -, got " PRI_STR, in.at,
               FMT_STR(text_plain(r->mem, name, 40)));
    text_of(&in, json_get(p, STR("description")), "description", false, 1000);
    bool_of(&in, json_get(p, STR("required")), "required", false);
    enum value_kind kind = kind_of(r->mem, p);
    if (kind == VALUE_KIND_COUNT) {
        refuse(&in, "%stype must be string, number or boolean", in.at);
        return;
    }
    if (json_present(list) && (json_kind(list) != JSON_ARRAY || json_count(list) == 0))
        refuse(&in, "%senum must be a list of values", in.at);
    for (struct json_iter it = json_iter(list); json_next(&it, r->mem, &key, &one);)
        if (!value_fits(r->mem, one, kind))
            refuse(&in, "%senum has a value that is no %s: " PRI_STR, in.at, value_kinds[kind],
                   FMT_STR(short_of(r, one)));
    if (json_present(first) &&
        (!value_fits(r->mem, first, kind) || !is_listed(r->mem, list, first)))
        refuse(&in, "%sdefault must be a %s%s, got " PRI_STR, in.at, value_kinds[kind],
               json_present(list) ? " of its enum" : "", FMT_STR(short_of(r, first)));
}

static struct json parameter_of(struct arena *mem, struct json list, str name, size_t *count)
{
    struct json p, found = { 0 };
    str key;
    *count = 0;
    for (struct json_iter it = json_iter(list); json_next(&it, mem, &key, &p);)
        if (str_eq(json_str(json_get(p, STR("name")), mem), name)) {
            found = p;
            ++*count;
        }
    return found;
}

static void read_parameters(struct reader *r, struct json list)
{
    struct json p;
    str key;
    size_t number = 0, same;
    if (json_present(list) && json_kind(list) != JSON_ARRAY) {
        refuse(r, "parameters must be a list");
        return;
    }
    if (json_count(list) > ACTION_PARAMETERS_MAX) {
        refuse(r, "there are more than %d parameters", ACTION_PARAMETERS_MAX);
        return;
    }
    for (struct json_iter it = json_iter(list); json_next(&it, r->mem, &key, &p); number++) {
        str name = json_str(json_get(p, STR("name")), r->mem);
        read_parameter(r, p, number);
        (void)parameter_of(r->mem, list, name, &same);
        if (name.len && same > 1)
            refuse(r, "parameters[%zu].name is there twice: " PRI_STR, number,
                   FMT_STR(text_plain(r->mem, name, 40)));
    }
}

/* ---- where a runner is ---- */

static size_t scheme_bytes(str s)
{
    return str_starts(s, STR("https://")) ? 8 : str_starts(s, STR("http://")) ? 7 : 0;
}

static str authority(str endpoint)
{
    size_t from = scheme_bytes(endpoint), to = from;
    while (to < endpoint.len && !strchr("/?#\\", endpoint.ptr[to]))
        to++;
    return str_sub(endpoint, from, to);
}

bool endpoint_check(str endpoint, struct err *e)
{
    str host = authority(endpoint);
    if (endpoint.len > ENDPOINT_BYTES_MAX)
        return fail(e, ERR_INVALID, "the endpoint is longer than %d bytes", ENDPOINT_BYTES_MAX);
    for (size_t i = 0; i < endpoint.len; i++)
        if ((unsigned char)endpoint.ptr[i] < 0x20 || endpoint.ptr[i] == 0x7f)
            return fail(e, ERR_INVALID, "the endpoint has a control character");
    if (!scheme_bytes(endpoint) || !host.len)
        return fail(e, ERR_INVALID,
                    "the endpoint must be an address like https://runner.example.com/dispatch");
    if (interpolate_marks(host))
        return fail(e, ERR_INVALID,
                    "the host of the endpoint must be written out: whoever gives a parameter would "
                    "decide who gets the token");
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!name && !strchr(".-_:[]", c))
            return fail(e, ERR_INVALID, c == '@' ? "the endpoint must not name a user"
                                                 : "the endpoint's host is none");
    }
    if (str_has(endpoint, STR("#")))
        return fail(e, ERR_INVALID, "the endpoint must not have a fragment");
    return true;
}

str endpoint_host(str endpoint)
{
    str host = authority(endpoint), rest;
    if (str_starts(host, STR("[")))
        return str_sub(host, 1, str_find(host, ']', 0));
    return str_cut(host, ':', &rest);
}

str endpoint_route(struct arena *mem, str endpoint, str route)
{
    str rest, address = str_cut(endpoint, '?', &rest), last = str_after_last(address, '/');
    size_t front = scheme_bytes(address) + authority(address).len;
    size_t keep = last.len < address.len ? address.len - last.len : address.len;
    if (keep <= front)              /* no path at all */
        return arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(str_sub(address, 0, front)),
                           FMT_STR(route));
    return arena_print(mem, PRI_STR PRI_STR, FMT_STR(str_sub(address, 0, keep)), FMT_STR(route));
}

bool endpoint_host_in(str host, str list)
{
    while (list.len) {
        str item = str_trim(str_cut(list, ' ', &list));
        if (!item.len)
            continue;
        if (str_eq_nocase(item, host))
            return true;
        str suffix = str_sub(item, 1, item.len);
        if (str_starts(item, STR("*.")) && suffix.len > 1 && host.len > suffix.len &&
            str_eq_nocase(str_sub(host, host.len - suffix.len, host.len), suffix))
            return true;
    }
    return false;
}

/* ---- the trigger ---- */

static void read_runner(struct reader *r, struct json v, struct action *a)
{
    static const char *const known[] = { "endpoint", "auth", NULL };
    static const char *const of_auth[] = { "type", "token", NULL };
    struct json auth = json_get(v, STR("auth"));
    struct err why = { 0 };
    if (json_kind(v) == JSON_STRING) {
        a->runner = text_of(r, v, "runner", true, 64);
        if (a->runner.len && !interpolate_name_ok(a->runner))
            refuse(r, "trigger.runner must be the name of a registered runner, or an object with "
                      "endpoint and auth");
        return;
    }
    if (json_kind(v) != JSON_OBJECT) {
        refuse(r, "trigger.runner is missing: the name of a registered runner, or an object with "
                  "endpoint and auth");
        return;
    }
    r->at = "trigger.runner.";
    only(r, v, known);
    str endpoint = text_of(r, json_get(v, STR("endpoint")), "endpoint", true, ENDPOINT_BYTES_MAX);
    if (endpoint.len && !endpoint_check(endpoint, &why))
        refuse(r, "trigger.runner: %s", why.text);
    r->at = "trigger.runner.auth.";
    only(r, auth, of_auth);
    str type = text_of(r, json_get(auth, STR("type")), "type", true, 20);
    if (type.len && !str_eq(type, STR("bearer")))
        refuse(r, "trigger.runner.auth.type must be bearer");
    str token = text_of(r, json_get(auth, STR("token")), "token", true, 1000);
    if (token.len && !interpolate_has(token, STR("secrets")))
        refuse(r, "trigger.runner.auth.token must come from a secret, as in "
                  "\"{{ secrets.atmos-runner-token }}\"");
    r->at = "trigger.";
}

static void read_retry(struct reader *r, struct json v, struct action_retry *out)
{
    static const char *const known[] = { "maxAttempts", "backoff", "initialDelayMs", NULL };
    *out = (struct action_retry){ .attempts = 3, .delay_ms = 1000 };
    if (!json_present(v))
        return;
    if (json_kind(v) != JSON_OBJECT) {
        refuse(r, "trigger.retry must be an object");
        return;
    }
    r->at = "trigger.retry.";
    only(r, v, known);
    out->attempts = int_of(r, json_get(v, STR("maxAttempts")), "maxAttempts", 1, 10, 3);
    out->delay_ms = int_of(r, json_get(v, STR("initialDelayMs")), "initialDelayMs", 100, 30000, 1000);
    str backoff = text_of(r, json_get(v, STR("backoff")), "backoff", false, 20);
    out->fixed = str_eq(backoff, STR("fixed"));
    if (backoff.len && !out->fixed && !str_eq(backoff, STR("exponential")))
        refuse(r, "trigger.retry.backoff must be exponential or fixed");
    r->at = "trigger.";
}

static void read_atmos(struct reader *r, struct json t, struct action *a)
{
    static const char *const known[] = { "type", "workflow", "stack", "workflowFile", "vars", "ref",
                                         "runner", "waitForCompletion", "dryRun", "retry", NULL };
    struct json vars = json_get(t, STR("vars"));
    only(r, t, known);
    text_of(r, json_get(t, STR("workflow")), "workflow", true, 500);
    text_of(r, json_get(t, STR("stack")), "stack", true, 500);
    text_of(r, json_get(t, STR("workflowFile")), "workflowFile", false, 500);
    text_of(r, json_get(t, STR("ref")), "ref", false, 500);
    bool_of(r, json_get(t, STR("dryRun")), "dryRun", false);
    a->wait = bool_of(r, json_get(t, STR("waitForCompletion")), "waitForCompletion", true);
    if (json_present(vars) && json_kind(vars) != JSON_OBJECT)
        refuse(r, "trigger.vars must be an object of names and values");
    else if (json_count(vars) > ACTION_PARAMETERS_MAX)
        refuse(r, "trigger.vars has more than %d names", ACTION_PARAMETERS_MAX);
    read_runner(r, json_get(t, STR("runner")), a);
    read_retry(r, json_get(t, STR("retry")), &a->retry);
}

static void read_trigger(struct reader *r, struct json t, struct action *a)
{
    static const char *const of_noop[] = { "type", NULL };
    if (json_kind(t) != JSON_OBJECT) {
        refuse(r, "trigger is missing");
        return;
    }
    r->at = "trigger.";
    str type = text_of(r, json_get(t, STR("type")), "type", true, 40);
    if (str_eq(type, STR("atmos-workflow"))) {
        a->type = TRIGGER_ATMOS_WORKFLOW;
        read_atmos(r, t, a);
    } else if (str_eq(type, STR("noop"))) {
        a->type = TRIGGER_NOOP;
        only(r, t, of_noop);
    } else if (type.len) {
        refuse(r, "trigger.type must be atmos-workflow or noop, got " PRI_STR,
               FMT_STR(text_plain(r->mem, type, 40)));
    }
    r->at = "";
}

bool action_read(struct arena *mem, str name, struct json v, struct action *out, struct err *e)
{
    static const char *const known[] = { "kind", "name", "displayName", "description", "parameters",
                                         "trigger", "timeout", NULL };
    struct reader r = { mem, e, "" };
    struct json kind = json_get(v, STR("kind")), own = json_get(v, STR("name"));
    *out = (struct action){ .name = name, .wait = true };
    if (json_kind(v) != JSON_OBJECT)
        refuse(&r, "it must be an object with a trigger");
    if (!interpolate_name_ok(name))
        refuse(&r, "the name of an action must be letters, digits, _ and -, at most 64");
    only(&r, v, known);
    if (json_present(kind) && !str_eq(json_str(kind, mem), STR("Action")))
        refuse(&r, "kind must be Action");
    if (json_present(own) && !str_eq(json_str(own, mem), name))
        refuse(&r, "name must be " PRI_STR ", as where it stands",
               FMT_STR(text_plain(mem, name, 64)));
    if (json_raw(v).len > ACTION_JSON_BYTES_MAX)
        refuse(&r, "it is longer than %d bytes", ACTION_JSON_BYTES_MAX);
    out->title = text_of(&r, json_get(v, STR("displayName")), "displayName", false, 200);
    out->description = text_of(&r, json_get(v, STR("description")), "description", false, 1000);
    out->parameters = json_get(v, STR("parameters"));
    read_parameters(&r, out->parameters);
    out->trigger = json_get(v, STR("trigger"));
    read_trigger(&r, out->trigger, out);
    out->timeout_ms = int_of(&r, json_get(v, STR("timeout")), "timeout", 1,
                             ACTION_TIMEOUT_MAX_MINUTES, ACTION_TIMEOUT_MINUTES) *
                      60000;
    return e->code == ERR_NONE;
}

/* ---- values ---- */

static void refuse_value(struct reader *r, str detail)
{
    fail(r->e, ERR_INVALID, "the action cannot be run with these parameters");
    err_detail(r->e, detail.ptr);
}

static void put_value(struct reader *r, struct json p, struct json given, struct json_out *w)
{
    str name = json_str(json_get(p, STR("name")), r->mem);
    struct json list = json_get(p, STR("enum")), v = json_get(given, name);
    enum value_kind kind = kind_of(r->mem, p);
    if (!json_present(v)) {
        v = json_get(p, STR("default"));
        if (!json_present(v) && json_bool_or(json_get(p, STR("required")), false))
            refuse_value(r, arena_print(r->mem, PRI_STR " is missing", FMT_STR(name)));
        if (!json_present(v))
            return;
    }
    if (!value_fits(r->mem, v, kind))
        refuse_value(r, arena_print(r->mem, PRI_STR " must be a %s%s, got " PRI_STR, FMT_STR(name),
                                    value_kinds[kind],
                                    kind == VALUE_STRING ? " of at most 16 KiB without control characters" : "",
                                    FMT_STR(short_of(r, v))));
    else if (!is_listed(r->mem, list, v))
        refuse_value(r, arena_print(r->mem, PRI_STR " must be one of " PRI_STR ", got " PRI_STR,
                                    FMT_STR(name), FMT_STR(text_plain(r->mem, json_raw(list), 200)),
                                    FMT_STR(short_of(r, v))));
    else
        json_field_raw(w, name, json_raw(v));
}

bool action_values(struct arena *mem, const struct action *a, struct json given, str *out,
                   struct err *e)
{
    struct reader r = { mem, e, "" };
    struct json p;
    struct buf b;
    struct json_out w;
    str key;
    size_t count;
    if (json_present(given) && json_kind(given) != JSON_OBJECT)
        return fail(e, ERR_INVALID, "parameters must be an object of names and values");
    for (struct json_iter it = json_iter(given); json_next(&it, mem, &key, &p);)
        if (!json_present(parameter_of(mem, a->parameters, key, &count)))
            refuse_value(&r, arena_print(mem, "the action has no parameter " PRI_STR,
                                         FMT_STR(text_plain(mem, key, 60))));
    buf_init(&b, mem, ACTION_VALUES_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (struct json_iter it = json_iter(a->parameters); json_next(&it, mem, &key, &p);)
        put_value(&r, p, given, &w);
    json_end_object(&w);
    *out = buf_str(&b);
    if (!buf_ok(&b))
        refuse_value(&r, arena_print(mem, "they are longer than %d bytes together",
                                     ACTION_VALUES_BYTES_MAX));
    return e->code == ERR_NONE;
}

int64_t action_retry_ms(const struct action_retry *r, int64_t attempts, uint64_t chance)
{
    int64_t ms = r->delay_ms;
    for (int64_t i = 1; i < attempts && !r->fixed && ms < 30000; i++)
        ms *= 2;
    return ms + (int64_t)(chance % (uint64_t)(ms / 2 + 1));
}
