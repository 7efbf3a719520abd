#include "api/call.h"

#include "base/log.h"

bool text_clean(struct call *c, const char *name, str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char b = (unsigned char)s.ptr[i];
        if (b < 0x20 || b == 0x7f ||
            (b == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0 &&
             (unsigned char)s.ptr[i + 1] >= 0x80))
            return fail(&c->err, ERR_INVALID, "%s has a control character: take it out", name);
    }
    return true;
}

static bool text_of(struct call *c, const char *name, struct json v, bool required, size_t max,
                    str *out)
{
    *out = STR("");
    if (!json_present(v) && !required)
        return true;
    if (json_kind(v) != JSON_STRING)
        return fail(&c->err, ERR_INVALID, json_present(v) ? "%s must be a text" : "%s is missing",
                    name);
    *out = json_str(v, c->mem);
    if (!out->len && required)
        return fail(&c->err, ERR_INVALID, "%s is empty", name);
    if (out->len > max)
        return fail(&c->err, ERR_INVALID, "%s is longer than %zu bytes", name, max);
    return true;
}

bool read_text(struct call *c, const char *name, bool required, size_t max, str *out)
{
    return text_of(c, name, json_get(c->body, str_of(name)), required, max, out) &&
           text_clean(c, name, *out);
}

bool read_int(struct call *c, const char *name, int64_t min, int64_t max, bool required,
              int64_t *out)
{
    struct json v = json_get(c->body, str_of(name));
    if (!json_present(v))
        return !required || fail(&c->err, ERR_INVALID, "%s is missing", name);
    if (!json_i64(v, out) || *out < min || *out > max)
        return fail(&c->err, ERR_INVALID, "%s must be a whole number between %lld and %lld", name,
                    (long long)min, (long long)max);
    return true;
}

bool query_text(struct call *c, const char *name, str *out)
{
    *out = STR("");
    str needle = arena_print(c->mem, "%s=", name);
    if (!str_has(c->request->query, needle))
        return true;
    if (!http_query_get(c->request, str_of(name), out)) {
        *out = STR("");
        if (str_starts(c->request->query, needle) ||
            str_has(c->request->query, arena_print(c->mem, "&%s=", name)))
            return fail(&c->err, ERR_INVALID,
                        "the query's %s has a broken percent escape or is not UTF-8", name);
        return true;
    }
    return text_clean(c, name, *out);
}

bool only_known(struct call *c, const char *const *names)
{
    struct json_iter it = json_iter(c->body);
    struct json v;
    str key;
    while (json_next(&it, c->mem, &key, &v)) {
        size_t i = 0;
        while (names[i] && !str_eq(str_of(names[i]), key))
            i++;
        if (!names[i])
            return fail(&c->err, ERR_INVALID,
                        "there is no field " PRI_STR " here: the description of the API lists them",
                        FMT_STR(str_sub(key, 0, 80)));
    }
    return true;
}

void log_unknown_once(struct api *a, const char *what, str name)
{
    uint64_t mark = str_hash(name) ^ str_hash(str_of(what));
    pthread_mutex_lock(&a->lock);
    bool seen = a->unknown_count == UNKNOWN_NAMES;      /* then somebody is playing: be silent */
    for (size_t i = 0; !seen && i < a->unknown_count; i++)
        seen = a->unknown[i] == mark;
    if (!seen)
        a->unknown[a->unknown_count++] = mark;
    pthread_mutex_unlock(&a->lock);
    if (!seen)
        log_info("unknown, ignored, said once", LZ("what", what),
                 LS("name", str_sub(name, 0, 100)));
}
