#include "domain/settings.h"

#include <stddef.h>

#include "domain/interpolate.h"
#include "domain/text.h"

enum kind { I64, BOOL, EXECUTOR, NAME };

static const struct {
    str       name;
    enum kind kind;
    int64_t   first, min, max;
    size_t    at;
    str       group, doc;
} table[] = {
#define X(name, kind, first, min, max, group, doc)                                  \
    { STR_INIT(#name), kind, first, min, max, offsetof(struct repo_settings, name), \
      STR_INIT(group), STR_INIT(doc) },
    REPO_SETTINGS(X)
#undef X
};
enum { SETTINGS = sizeof table / sizeof table[0] };

static int64_t *value_of(struct repo_settings *s, size_t i)
{
    return (int64_t *)(void *)((char *)s + table[i].at);
}

static struct setting_name *name_of(struct repo_settings *s, size_t i)
{
    return (struct setting_name *)(void *)((char *)s + table[i].at);
}

const char *executor_name(enum executor x)
{
    return x == EXECUTOR_RUNNER ? "runner" : "github_actions";
}

/* Whole, so that the same settings are the same bytes. */
void settings_default(struct repo_settings *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < SETTINGS; i++)
        if (table[i].kind != NAME)
            *value_of(out, i) = table[i].first;
}

static void refuse(struct err *e, str detail)
{
    fail(e, ERR_INVALID, "the settings cannot be changed like this; nothing was changed");
    err_detail(e, detail.ptr);
}

static bool executor_read(str text, int64_t *out)
{
    for (int x = 0; x < EXECUTOR_COUNT; x++)
        if (str_eq(text, str_of(executor_name((enum executor)x)))) {
            *out = x;
            return true;
        }
    return false;
}

static void text_merge(struct arena *mem, size_t i, struct json v, str raw, struct repo_settings *s,
                       struct err *e)
{
    str text = json_str(v, mem);
    bool is_text = json_kind(v) == JSON_STRING;
    if (table[i].kind == EXECUTOR) {
        if (!is_text || !executor_read(text, value_of(s, i)))
            refuse(e, arena_print(mem, "%s must be github_actions or runner, got " PRI_STR,
                                  table[i].name.ptr, FMT_STR(raw)));
    } else if (is_text && text.len <= SETTING_NAME_BYTES_MAX &&
               (!text.len || interpolate_name_ok(text))) {
        *name_of(s, i) = (struct setting_name){ 0 };
        if (text.len)
            memcpy(name_of(s, i)->text, text.ptr, text.len);
    } else {
        refuse(e, arena_print(mem, "%s must be a name of letters, digits, _ and -, got " PRI_STR,
                              table[i].name.ptr, FMT_STR(raw)));
    }
}

static void setting_merge(struct arena *mem, size_t i, struct json v, struct repo_settings *s,
                          struct err *e)
{
    const char *name = table[i].name.ptr;
    str raw = text_plain(mem, json_raw(v), 40);
    int64_t n;
    if (table[i].kind == EXECUTOR || table[i].kind == NAME) {
        text_merge(mem, i, v, raw, s, e);
    } else if (table[i].kind == BOOL) {
        if (json_kind(v) == JSON_BOOL)
            *value_of(s, i) = json_bool_or(v, false);
        else
            refuse(e,
                   arena_print(mem, "%s must be true or false, got " PRI_STR, name, FMT_STR(raw)));
    } else if (json_i64(v, &n) && n >= table[i].min && n <= table[i].max) {
        *value_of(s, i) = n;
    } else {
        refuse(e, arena_print(mem, "%s must be %s %lld and %lld, got " PRI_STR, name,
                              json_kind(v) == JSON_NUMBER ? "between" : "a whole number between",
                              (long long)table[i].min, (long long)table[i].max, FMT_STR(raw)));
    }
}

bool settings_merge(struct arena *mem, struct json changes, struct repo_settings *s, struct err *e)
{
    if (json_kind(changes) != JSON_OBJECT)
        return fail(e, ERR_INVALID, "settings must be an object of names and values");
    struct repo_settings next = *s;
    str key;
    struct json v;
    for (struct json_iter it = json_iter(changes); json_next(&it, mem, &key, &v);) {
        size_t i = 0;
        while (i < SETTINGS && !str_eq(table[i].name, key))
            i++;
        if (i < SETTINGS) {
            setting_merge(mem, i, v, &next, e);
        } else {
            str name = text_plain(mem, key, 60);
            refuse(e, arena_print(mem, "there is no setting " PRI_STR, FMT_STR(name)));
        }
    }
    if (e->code != ERR_NONE)
        return false;
    *s = next;
    return true;
}

static void value_write(struct json_out *w, size_t i, struct repo_settings *s)
{
    switch (table[i].kind) {
    case I64: json_put_i64(w, *value_of(s, i)); break;
    case BOOL: json_put_bool(w, *value_of(s, i) != 0); break;
    case EXECUTOR: json_put_str(w, str_of(executor_name((enum executor)*value_of(s, i)))); break;
    case NAME: json_put_str(w, str_of(name_of(s, i)->text)); break;
    }
}

static bool is_first(struct repo_settings *s, size_t i)
{
    return table[i].kind == NAME ? !name_of(s, i)->text[0] : *value_of(s, i) == table[i].first;
}

static str write(struct arena *mem, const struct repo_settings *s, bool all)
{
    struct buf b;
    struct json_out w;
    struct repo_settings copy = *s;
    buf_init(&b, mem, 16 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < SETTINGS; i++)
        if (all || !is_first(&copy, i)) {
            json_key(&w, table[i].name);
            value_write(&w, i, &copy);
        }
    json_end_object(&w);
    return buf_str(&b);
}

static const char *type_of(enum kind k)
{
    static const char *const types[] = { [I64] = "integer", [BOOL] = "boolean",
                                         [EXECUTOR] = "choice", [NAME] = "name" };
    return types[k];
}

static void row_json(struct json_out *w, size_t i)
{
    struct repo_settings first;
    bool number = table[i].kind == I64;
    settings_default(&first);
    json_begin_object(w);
    json_field_str(w, STR("name"), table[i].name);
    json_field_str(w, STR("type"), str_of(type_of(table[i].kind)));
    json_key(w, STR("default"));
    value_write(w, i, &first);
    json_key(w, STR("min"));
    if (number)
        json_put_i64(w, table[i].min);
    else
        json_put_null(w);
    json_key(w, STR("max"));
    if (number)
        json_put_i64(w, table[i].max);
    else
        json_put_null(w);
    json_key(w, STR("options"));
    json_begin_array(w);
    for (int x = 0; table[i].kind == EXECUTOR && x < EXECUTOR_COUNT; x++)
        json_put_str(w, str_of(executor_name((enum executor)x)));
    json_end_array(w);
    json_field_str(w, STR("doc"), table[i].doc);
    json_field_str(w, STR("group"), table[i].group);
    json_end_object(w);
}

str settings_table_json(struct arena *mem)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_array(&w);
    for (size_t i = 0; i < SETTINGS; i++)
        row_json(&w, i);
    json_end_array(&w);
    return buf_str(&b);
}

str settings_json(struct arena *mem, const struct repo_settings *s) { return write(mem, s, true); }

str settings_changed_json(struct arena *mem, const struct repo_settings *s)
{
    return write(mem, s, false);
}
