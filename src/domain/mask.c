#include "domain/mask.h"

#include "base/secret.h"

enum fields { AS_ANY, BY_NAME, WITH_LOGS };
struct masker { struct arena *mem; const struct mask_set *set; enum fields fields; };

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

/* Masked as it was written: in its coded form the rest of it could not be read any more. */
static str masked_log(const struct masker *m, str log)
{
    str plain;
    if (!base64_read(m->mem, log, &plain))
        return mask_text(m->mem, m->set, log);
    str masked = mask_text(m->mem, m->set, plain);
    return str_eq(masked, plain) ? log : base64_write(m->mem, masked);
}

/* The text of a field; `key` is empty in a list. */
static str masked_text(const struct masker *m, str key, str text)
{
    if (m->fields == BY_NAME && is_secret_name(key))
        return STR(MASK_TEXT);
    if (m->fields == WITH_LOGS && str_eq(key, STR("logs")))
        return masked_log(m, text);
    return mask_text(m->mem, m->set, text);
}

static void put(const struct masker *m, str name, struct json v, struct json_out *w)
{
    struct json_iter it = json_iter(v);
    struct json member;
    str key;
    enum json_kind kind = json_kind(v);
    if (kind == JSON_STRING) {
        json_put_str(w, masked_text(m, name, json_str(v, m->mem)));
    } else if (kind == JSON_OBJECT) {
        json_begin_object(w);
        while (json_next(&it, m->mem, &key, &member)) {
            /* a name that holds one is left out: two of them would be the same name */
            if (!str_eq(mask_text(m->mem, m->set, key), key))
                continue;
            json_key(w, key);
            put(m, key, member, w);
        }
        json_end_object(w);
    } else if (kind == JSON_ARRAY) {
        json_begin_array(w);
        while (json_next(&it, m->mem, &key, &member))
            put(m, STR(""), member, w);
        json_end_array(w);
    } else if (kind == JSON_ABSENT) {
        json_put_null(w);
    } else {
        json_put_raw(w, json_raw(v));
    }
}

static str masked(struct arena *mem, const struct mask_set *set, enum fields fields, struct json v)
{
    struct masker m = { .mem = mem, .set = set, .fields = fields };
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, SIZE_MAX);
    json_out_init(&w, &b);
    put(&m, STR(""), v, &w);
    return buf_str(&b);
}

str mask_json(struct arena *mem, const struct mask_set *set, struct json v)
{
    return masked(mem, set, AS_ANY, v);
}

str mask_json_named(struct arena *mem, const struct mask_set *set, struct json v)
{
    return masked(mem, set, BY_NAME, v);
}

str mask_json_logs(struct arena *mem, const struct mask_set *set, struct json v)
{
    return masked(mem, set, WITH_LOGS, v);
}
