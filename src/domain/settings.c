#include "domain/settings.h"

#include <stddef.h>

#include "domain/text.h"

enum kind { I64, BOOL };

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
    return (int64_t *)((char *)s + table[i].at);
}

void settings_default(struct repo_settings *out)
{
    for (size_t i = 0; i < SETTINGS; i++)
        *value_of(out, i) = table[i].first;
}

static void refuse(struct err *e, str detail)
{
    fail(e, ERR_INVALID, "the settings cannot be changed like this; nothing was changed");
    err_detail(e, detail.ptr);
}

static void setting_merge(struct arena *mem, size_t i, struct json v, struct repo_settings *s,
                          struct err *e)
{
    const char *name = table[i].name.ptr;
    str raw = text_plain(mem, json_raw(v), 40);
    int64_t n;
    if (table[i].kind == BOOL) {
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

str settings_json(struct arena *mem, const struct repo_settings *s)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    struct repo_settings copy = *s;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (table[i].kind == BOOL)
            json_field_bool(&w, table[i].name, *value_of(&copy, i) != 0);
        else
            json_field_i64(&w, table[i].name, *value_of(&copy, i));
    }
    json_end_object(&w);
    return buf_str(&b);
}

static void row_json(struct json_out *w, size_t i)
{
    bool yes_no = table[i].kind == BOOL;
    json_begin_object(w);
    json_field_str(w, STR("name"), table[i].name);
    json_field_str(w, STR("type"), yes_no ? STR("boolean") : STR("integer"));
    if (yes_no) {
        json_field_bool(w, STR("default"), table[i].first != 0);
        json_field_raw(w, STR("min"), STR("null"));
        json_field_raw(w, STR("max"), STR("null"));
    } else {
        json_field_i64(w, STR("default"), table[i].first);
        json_field_i64(w, STR("min"), table[i].min);
        json_field_i64(w, STR("max"), table[i].max);
    }
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
