/*
 * feedback: the line about the last order of a person: they see that it was carried out, or why not,
 * where they gave it.
 */
#include "base/json.h"
#include "domain/feedback_parts.h"

enum { WHY_CHARS_MAX = 400 };

bool notice_read(struct arena *mem, str stored, struct notice_view *out)
{
    struct json v;
    struct err ignored = { 0 };
    if (!stored.len || !json_parse(mem, stored, 0, &v, &ignored) || json_kind(v) != JSON_OBJECT)
        return false;
    *out = (struct notice_view){ .who = json_str(json_get(v, STR("who")), mem),
                                 .what = json_str(json_get(v, STR("what")), mem),
                                 .why = json_str(json_get(v, STR("why")), mem),
                                 .ok = json_bool_or(json_get(v, STR("ok")), false),
                                 .at_ms = json_i64_or(json_get(v, STR("atMs")), 0) };
    return out->who.len > 0;
}

str feedback_notice(struct arena *mem, const struct notice_view *n)
{
    str why = words_sentence(mem, n->why, WHY_CHARS_MAX);
    return arena_print(mem, "%s %s by %s at %s%s%s%s", n->ok ? "☑️" : "🚫",
                       z(markdown_code(mem, n->what, NAME_CHARS_MAX)),
                       z(markdown_text(mem, n->who, NAME_CHARS_MAX)),
                       z(words_time(mem, n->at_ms, n->at_ms)),
                       n->ok ? "" : " was not carried out", why.len ? ": " : "", z(why));
}
