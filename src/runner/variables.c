/* Variables of a dispatch become text (runner.md §6.4). */
#include "runner/dispatch_inside.h"
#include "runner/settings_check.h"

/* Blanks between the parts of a JSON text go; those inside of strings stay. */
static str compact(struct arena *mem, str raw)
{
    struct buf b;
    bool in_string = false;
    buf_init(&b, mem, raw.len + 1);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            continue;
        buf_char(&b, c);
        if (in_string && c == '\\' && i + 1 < raw.len)
            buf_char(&b, raw.ptr[++i]);
        else if (c == '"')
            in_string = !in_string;
    }
    return buf_str(&b);
}

static str text_of(struct arena *mem, struct json v)
{
    switch (json_kind(v)) {
    case JSON_ABSENT: case JSON_NULL:
        return STR("");
    case JSON_STRING:
        return json_str(v, mem);
    case JSON_BOOL: case JSON_NUMBER:
        return json_raw(v);
    case JSON_ARRAY: case JSON_OBJECT:
        return compact(mem, json_raw(v));
    }
    return STR("");
}

static bool has_control(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f)
            return true;
    }
    return false;
}

static const char *wrong_name(str name)
{
    if (dispatch_unresolved(name))
        return "unresolved_interpolation: {{ }} is still in the name";
    if (!variable_name_valid(name))
        return "must have a name of letters, digits and _, at most 64, that does not begin with a "
               "digit";
    return NULL;
}

static const char *wrong_value(str value, bool templates_allowed)
{
    if (value.len > VARIABLE_BYTES_MAX)
        return "is longer than 16 KiB";
    if (has_control(value))
        return "holds a control character";
    if (!templates_allowed && dispatch_unresolved(value))
        return "unresolved_interpolation: holds {{ or }}, which Atmos may evaluate "
               "(ALLOW_TEMPLATE_VALUES allows it)";
    return NULL;
}

/* What is quoted back is short and harmless whatever was sent. */
static str field_name(struct arena *mem, str name)
{
    str shown = str_clip(name, 64);
    for (size_t i = 0; i < shown.len; i++)
        if ((unsigned char)shown.ptr[i] < ' ')
            return STR("vars");
    return arena_print(mem, "vars." PRI_STR, FMT_STR(shown));
}

void variables_read(struct arena *mem, struct json vars, bool templates_allowed,
                    struct dispatch *out, struct dispatch_refusal *no)
{
    size_t bytes = 0;
    str name;
    struct json v;
    if (json_kind(vars) != JSON_OBJECT) {
        dispatch_refuse(no, STR("vars"), STR("must be an object"));
        return;
    }
    if (json_count(vars) > VARIABLES_MAX) {
        dispatch_refuse(no, STR("vars"), STR("has more than 100 variables"));
        return;
    }
    out->variables = arena_make(mem, struct variable, json_count(vars) + 1);
    for (struct json_iter it = json_iter(vars); json_next(&it, mem, &name, &v);) {
        struct variable *to = &out->variables[out->variable_count++];
        *to = (struct variable){ name, text_of(mem, v) };
        const char *why = wrong_name(name);
        why = why ? why : wrong_value(to->value, templates_allowed);
        if (why)
            dispatch_refuse(no, field_name(mem, name), str_of(why));
        bytes += name.len + to->value.len;
    }
    if (bytes > VARIABLES_BYTES_MAX)
        dispatch_refuse(no, STR("vars"), STR("is larger than 64 KiB"));
}

bool name_is_secret(str name)
{
    static const char *const words[] = { "secret", "token", "password", "key", "credential" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_has_nocase(name, str_of(words[i])))
            return true;
    return false;
}
