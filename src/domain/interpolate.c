#include "domain/interpolate.h"

enum { NAME_BYTES_MAX = 64 };

struct expression { size_t end; str path; };

static bool is_path(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static size_t blanks(str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || (s.ptr[at] >= '\t' && s.ptr[at] <= '\r')))
        at++;
    return at;
}

/* \{\{\s*([A-Za-z0-9_.-]+)\s*\}\} at this place. */
static bool expression_at(str s, size_t at, struct expression *x)
{
    if (!str_starts(str_sub(s, at, at + 2), STR("{{")))
        return false;
    size_t from = blanks(s, at + 2), to = from;
    while (to < s.len && is_path(s.ptr[to]))
        to++;
    x->path = str_sub(s, from, to);
    x->end = blanks(s, to) + 2;
    return to > from && x->end <= s.len && str_eq(str_sub(s, x->end - 2, x->end), STR("}}"));
}

/* Names with a meaning of their own where paths are walked by an interpreter. */
static bool never_resolves(str segment)
{
    return str_eq(segment, STR("__proto__")) || str_eq(segment, STR("constructor")) ||
           str_eq(segment, STR("prototype"));
}

bool interpolate_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_path(name.ptr[i]) || name.ptr[i] == '.')
            return false;
    return name.len > 0 && name.len <= NAME_BYTES_MAX && name.ptr[0] != '-' &&
           !never_resolves(name);
}

bool interpolate_marks(str text)
{
    return str_has(text, STR("{{")) || str_has(text, STR("}}"));
}

bool interpolate_has(str text, str root)
{
    struct expression x;
    str rest;
    for (size_t at = 0; at + 1 < text.len; at++)
        if (expression_at(text, at, &x) && (!root.len || str_eq(str_cut(x.path, '.', &rest), root)))
            return true;
    return false;
}

static struct json look_up(struct json v, str path)
{
    while (path.ptr) {
        str segment = str_cut(path, '.', &path);
        if (!segment.len || never_resolves(segment))
            return (struct json){ 0 };
        v = json_get(v, segment);
    }
    return v;
}

/* *found false: it has no value here, and stays as it is. */
static bool value_of(struct arena *mem, const struct interpolation *in, str path, str *value,
                     bool *found, struct err *e)
{
    str name, root = str_cut(path, '.', &name);
    *found = false;
    if (str_eq(root, STR("secrets")) && name.len) {
        if (in->secret && interpolate_name_ok(name) && !in->secret(in->ctx, name, value, found, e))
            return false;
        return *found || fail(e, ERR_NOT_FOUND,
                              "the secret " PRI_STR " is not set: signalbox secrets set " PRI_STR,
                              FMT_STR(str_sub(name, 0, 100)), FMT_STR(str_sub(name, 0, 100)));
    }
    struct json v = look_up(in->roots, path);
    *found = json_present(v);
    *value = json_kind(v) == JSON_STRING ? json_str(v, mem) : json_raw(v);
    return true;
}

/*
 * One walk does both passes: each expression of the text is replaced by its value, and no value is
 * looked at again. A text that only becomes an expression through a value stays text.
 */
bool interpolate_text(struct arena *mem, const struct interpolation *in, str text, str *out,
                      struct err *e)
{
    struct expression x;
    struct buf b;
    size_t from = 0;
    *out = text;
    if (!interpolate_marks(text))
        return true;
    buf_init(&b, mem, INTERPOLATE_BYTES_MAX);
    for (size_t at = 0; at < text.len;) {
        str value = STR("");
        bool found = false;
        if (!expression_at(text, at, &x)) {
            at++;
            continue;
        }
        if (!value_of(mem, in, x.path, &value, &found, e))
            return false;
        if (found) {
            buf_add(&b, str_sub(text, from, at));
            buf_add(&b, value);
            from = x.end;
        }
        at = x.end;
    }
    buf_add(&b, str_sub(text, from, text.len));
    *out = buf_str(&b);
    return buf_ok(&b) || fail(e, ERR_LIMIT, "a field becomes longer than %d bytes with its values",
                              INTERPOLATE_BYTES_MAX);
}

static bool put(struct arena *mem, const struct interpolation *in, struct json v,
                struct json_out *w, struct err *e);

static bool put_members(struct arena *mem, const struct interpolation *in, struct json v,
                        struct json_out *w, struct err *e)
{
    struct json_iter it = json_iter(v);
    struct json member;
    str key;
    while (json_next(&it, mem, &key, &member)) {
        if (it.object)
            json_key(w, key);
        if (!put(mem, in, member, w, e))
            return false;
    }
    return true;
}

static bool put(struct arena *mem, const struct interpolation *in, struct json v,
                struct json_out *w, struct err *e)
{
    enum json_kind kind = json_kind(v);
    str text;
    if (kind == JSON_STRING) {
        if (!interpolate_text(mem, in, json_str(v, mem), &text, e))
            return false;
        json_put_str(w, text);
    } else if (kind == JSON_OBJECT) {
        json_begin_object(w);
        if (!put_members(mem, in, v, w, e))
            return false;
        json_end_object(w);
    } else if (kind == JSON_ARRAY) {
        json_begin_array(w);
        if (!put_members(mem, in, v, w, e))
            return false;
        json_end_array(w);
    } else if (kind == JSON_ABSENT) {
        json_put_null(w);
    } else {
        json_put_raw(w, json_raw(v));
    }
    return true;
}

bool interpolate_json(struct arena *mem, const struct interpolation *in, struct json v, str *out,
                      struct err *e)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, INTERPOLATE_BYTES_MAX);
    json_out_init(&w, &b);
    if (!put(mem, in, v, &w, e))
        return false;
    *out = buf_str(&b);
    return buf_ok(&b) || fail(e, ERR_LIMIT, "the fields become longer than %d bytes with their values",
                              INTERPOLATE_BYTES_MAX);
}
