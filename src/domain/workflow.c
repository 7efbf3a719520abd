#include "domain/workflow.h"

#include "base/yaml.h"

const char *dispatch_error_name(enum dispatch_error d)
{
    static const char *const name[DISPATCH_ERROR_COUNT] = {
#define X(id, text) [id] = text,
        DISPATCH_ERRORS(X)
#undef X
    };
    return name[d];
}

bool workflow_name_ok(str file)
{
    if (file.len == 0 || file.len > 255 || file.ptr[0] == '.' || file.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < file.len; i++)
        if (file.ptr[i] <= ' ' || file.ptr[i] > '~' || file.ptr[i] == '/' || file.ptr[i] == '\\')
            return false;
    return str_ends(file, STR(".yml")) || str_ends(file, STR(".yaml"));
}

/* ---- expressions: only as much of ${{ … }} as it takes to recognise an input ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Does the expression name the input? `inputs.x` and `github.event.inputs.x`, any case, as the
 * forge reads it. */
static bool names_input(str expression, str wanted)
{
    for (size_t i = 0; i + wanted.len <= expression.len; i++) {
        if (!str_eq_nocase(str_sub(expression, i, i + wanted.len), wanted))
            continue;
        size_t end = i + wanted.len;
        bool begins = i == 0 || !is_word(expression.ptr[i - 1]);
        if (begins && (end == expression.len || !is_word(expression.ptr[end])))
            return true;
    }
    return false;
}

/* The next ${{ … }} at or after *at: its inside, blanks cut off. False when there is none. */
static bool expression_next(str text, size_t *at, str *inside)
{
    for (size_t i = *at; i + 3 <= text.len; i++) {
        if (!str_eq(str_sub(text, i, i + 3), STR("${{")))
            continue;
        for (size_t k = i + 3; k + 2 <= text.len; k++) {
            if (text.ptr[k] == '}' && text.ptr[k + 1] == '}') {
                *inside = str_trim(str_sub(text, i + 3, k));
                *at = k + 2;
                return true;
            }
        }
        return false;
    }
    return false;
}

static bool has_run_id(str run_name)
{
    str inside;
    for (size_t at = 0; expression_next(run_name, &at, &inside);)
        if (names_input(inside, STR("inputs.atmos_pro_run_id")))
            return true;
    return false;
}

/* The x of a text that is nothing but ${{ inputs.x }}; else empty. */
static str input_of(str text)
{
    static const str before[] = { STR_INIT("inputs."), STR_INIT("github.event.inputs.") };
    str inside, all = str_trim(text);
    size_t at = 0;
    if (!str_starts(all, STR("${{")) || !expression_next(all, &at, &inside) || at != all.len)
        return STR_NONE;
    for (size_t i = 0; i < 2; i++) {
        if (!str_starts(inside, before[i]))
            continue;
        str name = str_sub(inside, before[i].len, inside.len);
        for (size_t k = 0; k < name.len; k++)
            if (!is_word(name.ptr[k]))
                return STR_NONE;
        return name;
    }
    return STR_NONE;
}

/* ---- the file ---- */

/* A scalar as the text that the forge would take it for. */
static str scalar_text(struct arena *mem, struct json v)
{
    enum json_kind k = json_kind(v);
    return k == JSON_STRING                     ? json_str(v, mem)
           : k == JSON_BOOL || k == JSON_NUMBER ? json_raw(v)
                                                : STR_NONE;
}

static void options_read(struct arena *mem, struct json list, struct workflow_input *in)
{
    if (json_kind(list) != JSON_ARRAY)
        return;
    in->options = arena_make(mem, str, json_count(list) + 1);
    struct json v;
    for (struct json_iter it = json_iter(list); json_next(&it, mem, NULL, &v);)
        in->options[in->option_count++] = scalar_text(mem, v);
}

static bool inputs_read(struct arena *mem, struct json inputs, struct workflow *out, struct err *e)
{
    size_t count = json_kind(inputs) == JSON_OBJECT ? json_count(inputs) : 0;
    if (count > WORKFLOW_INPUTS_MAX)
        return fail(e, ERR_INVALID,
                    "the workflow declares %zu inputs; at most %d make sense to the forge", count,
                    WORKFLOW_INPUTS_MAX);
    out->input = arena_make(mem, struct workflow_input, count + 1);
    if (count == 0)
        return true;
    str name;
    struct json v;
    for (struct json_iter it = json_iter(inputs); json_next(&it, mem, &name, &v);) {
        struct workflow_input *in = &out->input[out->input_count++];
        in->name = name;
        in->required = json_bool_or(json_get(v, STR("required")), false);
        in->has_default = json_present(json_get(v, STR("default")));
        in->type = json_str(json_get(v, STR("type")), mem);
        if (in->type.len == 0)
            in->type = STR("string");
        options_read(mem, json_get(v, STR("options")), in);
    }
    return true;
}

static const str TRIGGER = STR_INIT("workflow_dispatch");

/* `on: x`, `on: [x, y]`, `on: {x: …}`. */
static bool triggers_read(struct arena *mem, struct json on, struct workflow *out, struct err *e)
{
    struct json v = { 0 };
    str key;
    switch (json_kind(on)) {
    case JSON_STRING:
        out->dispatchable = str_eq(json_str(on, mem), TRIGGER);
        break;
    case JSON_ARRAY:
        for (struct json_iter it = json_iter(on); json_next(&it, mem, NULL, &v);)
            out->dispatchable |= str_eq(json_str(v, mem), TRIGGER);
        break;
    case JSON_OBJECT:
        for (struct json_iter it = json_iter(on); json_next(&it, mem, &key, &v);) {
            if (!str_eq(key, TRIGGER))
                continue;
            out->dispatchable = true;
            if (!inputs_read(mem, json_get(v, STR("inputs")), out, e))
                return false;
        }
        break;
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_NUMBER:
        break;
    }
    return true;
}

static str environment_read(struct arena *mem, struct json jobs)
{
    struct json job;
    str key;
    if (json_kind(jobs) != JSON_OBJECT)
        return STR_NONE;
    for (struct json_iter it = json_iter(jobs); json_next(&it, mem, &key, &job);) {
        struct json env = json_get(job, STR("environment"));
        str name = input_of(
            json_str(json_kind(env) == JSON_OBJECT ? json_get(env, STR("name")) : env, mem));
        if (name.len)
            return name;
    }
    return STR_NONE;
}

bool workflow_read(struct arena *mem, str yaml_text, struct workflow *out, struct err *e)
{
    *out = (struct workflow){ 0 };
    struct json file;
    if (!yaml_parse(mem, yaml_text, &file, e))
        return false;
    if (json_kind(file) != JSON_OBJECT)
        return fail(e, ERR_INVALID,
                    "the file is not a workflow: its top level must be a map with `on` and `jobs`");
    if (!triggers_read(mem, json_get(file, STR("on")), out, e))
        return false;
    out->run_name_has_id = has_run_id(json_str(json_get(file, STR("run-name")), mem));
    out->environment_input = environment_read(mem, json_get(file, STR("jobs")));
    return true;
}
