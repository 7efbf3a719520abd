#include "domain/workflow.h"

#include <assert.h>

#include "domain/node_dispatch.h"
#include "domain/text.h"

enum { PAYLOAD_CHARS_MAX = 65535, VALUE_BYTES_MAX = 1 << 20, SHOWN_CHARS = 80 };

/* What one call works on. */
struct filling {
    struct arena           *mem;
    const struct workflow  *w;
    const struct instance  *i;
    str                     sha;
    struct dispatch_inputs *out;
    str                    *why;
};

static enum dispatch_error refuse(struct filling *f, enum dispatch_error d, str why)
{
    *f->why = why;
    return d;
}

static const struct workflow_input *declared(const struct workflow *w, str name)
{
    for (size_t i = 0; i < w->input_count; i++)
        if (str_eq(w->input[i].name, name))
            return &w->input[i];
    return NULL;
}

/* ---- the second rendering pass (§8.3): these names and nothing else ---- */

static str template_value(const struct filling *f, str name)
{
    const struct { str name, value; } known[] = {
        { STR(".atmos_component"), f->i->component },
        { STR(".atmos_stack"), f->i->stack },
        { STR(".sha"), f->sha },
        { STR(".vars.namespace"), f->i->namespace_ },
        { STR(".vars.tenant"), f->i->tenant },
        { STR(".vars.environment"), f->i->environment },
        { STR(".vars.stage"), f->i->stage },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(known[i].name, name))
            return known[i].value;
    return STR_NONE;
}

/* Index of the two bytes at or after `from`; s.len when there are none. */
static size_t find_two(str s, char c, size_t from)
{
    for (size_t i = str_find(s, c, from); i < s.len; i = str_find(s, c, i + 1))
        if (i + 1 < s.len && s.ptr[i + 1] == c)
            return i;
    return s.len;
}

static bool render(const struct filling *f, str text, str *out)
{
    size_t open = find_two(text, '{', 0);
    *out = text;
    if (open == text.len)
        return true;
    struct buf b;
    buf_init(&b, f->mem, VALUE_BYTES_MAX);
    size_t done = 0;
    while (open < text.len) {
        size_t close = find_two(text, '}', open + 2);
        if (close == text.len)
            break;
        str value = template_value(f, str_trim(str_sub(text, open + 2, close)));
        buf_add(&b, str_sub(text, done, open));
        buf_add(&b, value.len ? value : str_sub(text, open, close + 2));
        done = close + 2;
        open = find_two(text, '{', done);
    }
    buf_add(&b, str_sub(text, done, text.len));
    *out = buf_str(&b);
    return buf_ok(&b);
}

/* ---- one value ---- */

static size_t digits(str s, size_t *at)
{
    size_t from = *at;
    while (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9')
        ++*at;
    return *at - from;
}

static bool is_number(str s)
{
    size_t at = s.len && s.ptr[0] == '-' ? 1 : 0;
    if (digits(s, &at) == 0)
        return false;
    if (at < s.len && s.ptr[at] == '.') {
        at++;
        if (digits(s, &at) == 0)
            return false;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
            at++;
        if (digits(s, &at) == 0)
            return false;
    }
    return at == s.len;
}

static str options_text(struct arena *mem, const struct workflow_input *in)
{
    struct buf b;
    buf_init(&b, mem, 1 << 12);
    for (size_t i = 0; i < in->option_count && i < 8; i++) {
        str o = text_plain(mem, in->options[i], 40);
        buf_print(&b, "%s" PRI_STR, i ? ", " : "", FMT_STR(o));
    }
    if (in->option_count > 8)
        buf_print(&b, " and %zu more", in->option_count - 8);
    return buf_str(&b);
}

static enum dispatch_error type_check(struct filling *f, const struct workflow_input *in, str value)
{
    str wanted = STR_NONE;
    if (str_eq(in->type, STR("boolean"))) {
        if (!str_eq(value, STR("true")) && !str_eq(value, STR("false")))
            wanted = STR("true or false");
    } else if (str_eq(in->type, STR("number"))) {
        if (!is_number(value))
            wanted = STR("a number");
    } else if (str_eq(in->type, STR("choice"))) {
        for (size_t i = 0; i < in->option_count; i++)
            if (str_eq(in->options[i], value))
                return DISPATCH_OK;
        str all = options_text(f->mem, in);
        wanted = arena_print(f->mem, "one of " PRI_STR, FMT_STR(all));
    }
    if (wanted.len == 0)
        return DISPATCH_OK;
    str name = text_plain(f->mem, in->name, SHOWN_CHARS),
        shown = text_plain(f->mem, value, SHOWN_CHARS);
    return refuse(f, DISPATCH_BAD_CHOICE,
                  arena_print(f->mem,
                              "Input \"" PRI_STR "\" is \"" PRI_STR
                              "\", but the workflow takes " PRI_STR
                              "; change the value in settings.pro or the workflow's declaration.",
                              FMT_STR(name), FMT_STR(shown), FMT_STR(wanted)));
}

static enum dispatch_error leftover_check(struct filling *f, str name, str value)
{
    bool template = str_has(value, STR("{{"));
    if (!template && !str_has(value, STR("<no value>")))
        return DISPATCH_OK;
    str n = text_plain(f->mem, name, SHOWN_CHARS), v = text_plain(f->mem, value, SHOWN_CHARS);
    return refuse(
        f, DISPATCH_UNRENDERED,
        arena_print(
            f->mem,
            template
                ? "Input \"" PRI_STR "\" still holds a template: \"" PRI_STR
                  "\". Switch templating on in "
                  "atmos.yaml (templates.settings.enabled: true), so that the atmos CLI renders it."
                : "Input \"" PRI_STR "\" is \"" PRI_STR
                  "\": its template names something that the stack does "
                  "not have. Correct the template in settings.pro.",
            FMT_STR(n), FMT_STR(v)));
}

/* The configured value as the text to send; DISPATCH_OK or what is wrong with it. */
static enum dispatch_error value_make(struct filling *f, const struct workflow_input *in,
                                      struct json v, str *out)
{
    str name = text_plain(f->mem, in->name, SHOWN_CHARS);
    switch (json_kind(v)) {
    case JSON_STRING:
        if (!render(f, json_str(v, f->mem), out))
            return refuse(f, DISPATCH_INPUTS_TOO_LARGE,
                          arena_print(f->mem,
                                      "Input \"" PRI_STR
                                      "\" is longer than the forge takes (%d characters in "
                                      "all); shorten it.",
                                      FMT_STR(name), PAYLOAD_CHARS_MAX));
        break;
    case JSON_BOOL:
    case JSON_NUMBER:
        *out = json_raw(v);
        break;
    case JSON_ABSENT:
    case JSON_NULL:
        *out = STR("");
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return refuse(f, DISPATCH_BAD_CHOICE,
                      arena_print(f->mem,
                                  "Input \"" PRI_STR
                                  "\" is %s in settings.pro; workflow inputs are texts, "
                                  "numbers or true and false.",
                                  FMT_STR(name), json_kind(v) == JSON_ARRAY ? "a list" : "a map"));
    }
    enum dispatch_error d = leftover_check(f, in->name, *out);
    return d == DISPATCH_OK ? type_check(f, in, *out) : d;
}

/* ---- all of them ---- */

static void put(struct filling *f, str name, str value)
{
    f->out->at[f->out->count++] = (struct dispatch_input){ name, value };
}

/* What we add ourselves (§8.4); a configured value of such a name gives way. */
static bool is_ours(str name)
{
    return str_eq(name, STR("sha")) || str_eq(name, STR("atmos_pro_run_id"));
}

static enum dispatch_error configured_fill(struct filling *f, struct json configured)
{
    str name;
    struct json v;
    if (json_kind(configured) != JSON_OBJECT)
        return DISPATCH_OK;
    for (struct json_iter it = json_iter(configured); json_next(&it, f->mem, &name, &v);) {
        const struct workflow_input *in = declared(f->w, name);
        if (!in) {
            f->out->dropped[f->out->dropped_count++] = name;
            continue;
        }
        str value;
        bool nothing = json_kind(v) == JSON_NULL && in->required;
        if (is_ours(name) || nothing)
            continue;
        enum dispatch_error d = value_make(f, in, v, &value);
        if (d != DISPATCH_OK)
            return d;
        put(f, name, value);
    }
    return DISPATCH_OK;
}

static bool is_filled(const struct dispatch_inputs *out, str name)
{
    for (size_t i = 0; i < out->count; i++)
        if (str_eq(out->at[i].name, name))
            return true;
    return false;
}

static enum dispatch_error required_check(struct filling *f)
{
    for (size_t i = 0; i < f->w->input_count; i++) {
        const struct workflow_input *in = &f->w->input[i];
        if (!in->required || in->has_default || is_filled(f->out, in->name))
            continue;
        str name = text_plain(f->mem, in->name, SHOWN_CHARS);
        return refuse(f, DISPATCH_MISSING_INPUT,
                      arena_print(f->mem,
                                  "The workflow requires input \"" PRI_STR
                                  "\" and has no default for it; add it "
                                  "to the workflow's inputs in settings.pro, or give it a default.",
                                  FMT_STR(name)));
    }
    return DISPATCH_OK;
}

static size_t chars(str s)
{
    size_t n = 0;
    for (size_t at = 0; at < s.len; n++) {
        size_t step = str_utf8_step(s, at);
        at += step ? step : 1;
    }
    return n;
}

static enum dispatch_error size_check(struct filling *f, size_t inputs_max)
{
    size_t sum = 0;
    for (size_t i = 0; i < f->out->count; i++)
        sum += chars(f->out->at[i].name) + chars(f->out->at[i].value);
    if (f->out->count > inputs_max)
        return refuse(
            f, DISPATCH_TOO_MANY_INPUTS,
            arena_print(
                f->mem,
                "%zu inputs would be sent, but the forge takes at most %zu; remove some from "
                "the workflow or from settings.pro.",
                f->out->count, inputs_max));
    if (sum > PAYLOAD_CHARS_MAX)
        return refuse(
            f, DISPATCH_INPUTS_TOO_LARGE,
            arena_print(f->mem,
                        "The inputs have %zu characters in all, but the forge takes at most %d; "
                        "shorten them.",
                        sum, PAYLOAD_CHARS_MAX));
    return DISPATCH_OK;
}

enum dispatch_error workflow_inputs(struct arena *mem, const struct workflow *w,
                                    const struct instance *i, struct json configured, str sha,
                                    str run_id, size_t inputs_max, struct dispatch_inputs *out,
                                    str *why)
{
    struct filling f = { .mem = mem, .w = w, .i = i, .sha = sha, .out = out, .why = why };
    *out = (struct dispatch_inputs){ 0 };
    *why = STR_NONE;
    if (!w->dispatchable)
        return refuse(&f, DISPATCH_NOT_DISPATCHABLE,
                      STR("The workflow has no workflow_dispatch trigger; add it under "
                          "`on:` on the default branch."));
    out->at = arena_make(mem, struct dispatch_input, w->input_count + 1);
    out->dropped = arena_make(mem, str, json_count(configured) + 1);
    enum dispatch_error d = configured_fill(&f, configured);
    if (d != DISPATCH_OK)
        return d;
    if (sha.len && declared(w, STR("sha")))
        put(&f, STR("sha"), sha);
    out->carries_run_id = run_id.len && declared(w, STR("atmos_pro_run_id"));
    if (out->carries_run_id)
        put(&f, STR("atmos_pro_run_id"), run_id);
    assert(out->count <= w->input_count);
    d = required_check(&f);
    return d == DISPATCH_OK ? size_check(&f, inputs_max) : d;
}

/* ---- variables of a runner: nothing declares them -------------------------------------------- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool variable_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i]) || (i == 0 && name.ptr[i] >= '0' && name.ptr[i] <= '9'))
            return false;
    return name.len > 0 && name.len <= VARIABLE_NAME_MAX;
}

static enum dispatch_error variable_put(struct filling *f, str name, struct json v,
                                        struct json_out *w)
{
    const struct workflow_input in = { .name = name, .type = STR_INIT("string") };
    str value;
    if (!variable_name_ok(name))
        return refuse(f, DISPATCH_BAD_VARIABLE,
                      arena_print(f->mem,
                                  "Input \"" PRI_STR "\" cannot be a variable on a runner: its name must "
                                  "be of letters, digits and _, at most %d, and not begin with a "
                                  "digit. Rename it in settings.pro.",
                                  FMT_STR(text_plain(f->mem, name, SHOWN_CHARS)), VARIABLE_NAME_MAX));
    enum dispatch_error d = value_make(f, &in, v, &value);
    if (d == DISPATCH_OK)
        json_field_str(w, name, value);
    return d;
}

enum dispatch_error node_variables(struct arena *mem, const struct instance *i,
                                   struct json configured, str sha, str run_id, str *out, str *why)
{
    const struct { str name, value; } ours[] = {
        { STR("sha"), sha },
        { STR("atmos_component"), i->component },
        { STR("atmos_stack"), i->stack },
        { STR("atmos_pro_run_id"), run_id },
    };
    enum { OURS = sizeof ours / sizeof ours[0] };
    struct filling f = { .mem = mem, .i = i, .sha = sha, .why = why };
    struct buf b;
    struct json_out w;
    struct json v;
    str name;
    *why = STR_NONE;
    if (json_count(configured) > VARIABLES_MAX - OURS)
        return refuse(&f, DISPATCH_TOO_MANY_INPUTS,
                      arena_print(mem, "%zu inputs are configured, but a runner takes at most %d; "
                                  "remove some from settings.pro.",
                                  json_count(configured), VARIABLES_MAX - OURS));
    buf_init(&b, mem, VALUE_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t k = 0; k < OURS; k++)
        if (ours[k].value.len)
            json_field_str(&w, ours[k].name, ours[k].value);
    bool any = json_kind(configured) == JSON_OBJECT;
    for (struct json_iter it = json_iter(configured); any && json_next(&it, mem, &name, &v);) {
        bool taken = false;
        for (size_t k = 0; k < OURS; k++)
            taken = taken || str_eq(name, ours[k].name);
        enum dispatch_error d = taken ? DISPATCH_OK : variable_put(&f, name, v, &w);
        if (d != DISPATCH_OK)
            return d;
    }
    json_end_object(&w);
    *out = buf_str(&b);
    return b.len <= PAYLOAD_CHARS_MAX
               ? DISPATCH_OK
               : refuse(&f, DISPATCH_INPUTS_TOO_LARGE,
                        arena_print(mem, "The variables have more than %d bytes in all; shorten the "
                                    "inputs in settings.pro.", PAYLOAD_CHARS_MAX));
}
