#include "domain/mask.h"

#include "base/secret.h"

static str blot(struct arena *mem, str text, str value)
{
    struct buf b;
    if (value.len < MASK_BYTES_MIN || !str_has(text, value))
        return text;
    buf_init(&b, mem, SIZE_MAX);
    for (size_t at = 0; at < text.len;) {
        if (str_starts(str_sub(text, at, text.len), value)) {
            buf_add(&b, STR(MASKED));
            at += value.len;
        } else {
            buf_char(&b, text.ptr[at++]);
        }
    }
    return buf_str(&b);
}

str mask_out(struct arena *mem, str text, const str *values, size_t count)
{
    for (size_t i = 0; i < count && text.len; i++) {
        text = blot(mem, text, values[i]);
        for (str rest = values[i]; rest.len;)
            text = blot(mem, text, str_trim(str_cut(rest, '\n', &rest)));
        if (values[i].len >= MASK_BYTES_MIN)
            text = blot(mem, text, base64_write(mem, values[i]));
    }
    return text;
}

struct masker { struct arena *mem; const str *values; size_t count; bool by_name; };

static bool is_secret_name(str name)
{
    static const str parts[] = { STR_INIT("secret"),      STR_INIT("token"),
                                 STR_INIT("password"),    STR_INIT("passwd"),
                                 STR_INIT("private_key"), STR_INIT("credential"),
                                 STR_INIT("authorization"), STR_INIT("api_key") };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (str_has_nocase(name, parts[i]))
            return true;
    return false;
}

static void put(const struct masker *m, struct json v, struct json_out *w)
{
    struct json_iter it = json_iter(v);
    struct json member;
    str key;
    enum json_kind kind = json_kind(v);
    if (kind == JSON_STRING) {
        json_put_str(w, mask_out(m->mem, json_str(v, m->mem), m->values, m->count));
    } else if (kind == JSON_OBJECT) {
        json_begin_object(w);
        while (json_next(&it, m->mem, &key, &member)) {
            /* a name that holds one is left out: two of them would be the same name */
            if (!str_eq(mask_out(m->mem, key, m->values, m->count), key))
                continue;
            json_key(w, key);
            if (m->by_name && json_kind(member) == JSON_STRING && is_secret_name(key))
                json_put_str(w, STR(MASKED));
            else
                put(m, member, w);
        }
        json_end_object(w);
    } else if (kind == JSON_ARRAY) {
        json_begin_array(w);
        while (json_next(&it, m->mem, &key, &member))
            put(m, member, w);
        json_end_array(w);
    } else if (kind == JSON_ABSENT) {
        json_put_null(w);
    } else {
        json_put_raw(w, json_raw(v));
    }
}

static str masked(const struct masker *m, struct json v)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, m->mem, SIZE_MAX);
    json_out_init(&w, &b);
    put(m, v, &w);
    return buf_str(&b);
}

str mask_out_json(struct arena *mem, struct json v, const str *values, size_t count)
{
    return masked(&(struct masker){ .mem = mem, .values = values, .count = count }, v);
}

str mask_out_named(struct arena *mem, struct json v, const str *values, size_t count)
{
    return masked(
        &(struct masker){ .mem = mem, .values = values, .count = count, .by_name = true }, v);
}
