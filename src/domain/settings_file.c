#include "domain/settings_file.h"

#include "base/yaml.h"
#include "domain/action.h"
#include "domain/text.h"

/* Each as it will be read when it is set off. */
static void check_actions(struct arena *mem, struct json actions, struct err *e)
{
    struct json v, again;
    struct action a;
    str name;
    if (!json_present(actions))
        return;
    if (json_kind(actions) != JSON_OBJECT) {
        fail(e, ERR_INVALID, "actions must be an object of names and definitions");
        err_detail(e, "actions must be an object of names and definitions");
        return;
    }
    if (json_count(actions) > ACTIONS_MAX) {
        fail(e, ERR_INVALID, "there are more than %d actions in the file", ACTIONS_MAX);
        err_detail(e, arena_print(mem, "there are more than %d actions", ACTIONS_MAX).ptr);
        return;
    }
    for (struct json_iter it = json_iter(actions); json_next(&it, mem, &name, &v);) {
        struct err why = { 0 };
        if (json_parse(mem, json_raw(v), ACTION_DEPTH_MAX, &again, &why) &&
            action_read(mem, name, again, &a, &why))
            continue;
        fail(e, ERR_INVALID, "an action in the file cannot be used");
        for (unsigned i = 0; i < why.details; i++)
            err_detail(e, arena_print(mem, "action " PRI_STR ": %s",
                                      FMT_STR(text_plain(mem, name, 64)), why.detail[i]).ptr);
        if (!why.details)
            err_detail(e, arena_print(mem, "action " PRI_STR ": %s",
                                      FMT_STR(text_plain(mem, name, 64)), why.text).ptr);
    }
}

/* The members of the file, as JSON: all but `actions`, with the settings' values for those named. */
static str members(struct arena *mem, struct json file, struct json values)
{
    struct buf b;
    struct json_out w;
    struct json v;
    str key;
    buf_init(&b, mem, 1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (struct json_iter it = json_iter(file); json_next(&it, mem, &key, &v);)
        if (!str_eq(key, STR("actions")))
            json_field_raw(&w, key, json_raw(json_present(values) ? json_get(values, key) : v));
    json_end_object(&w);
    return buf_str(&b);
}

bool settings_file_read(struct arena *mem, str text, str *out, struct json *actions, struct err *e)
{
    struct json file, named, all;
    struct repo_settings s;
    *out = STR("{}");
    *actions = (struct json){ 0 };
    if (!yaml_parse(mem, text, &file, e))
        return false;
    if (json_kind(file) == JSON_NULL)
        return true;
    settings_default(&s);
    if (json_kind(file) != JSON_OBJECT)
        return settings_merge(mem, file, &s, e);
    if (!json_parse(mem, members(mem, file, (struct json){ 0 }), 0, &named, e))
        return false;
    bool ok = settings_merge(mem, named, &s, e);
    check_actions(mem, json_get(file, STR("actions")), e);
    if (!ok || e->code != ERR_NONE || !json_parse(mem, settings_json(mem, &s), 0, &all, e))
        return false;
    *out = members(mem, file, all);
    *actions = json_get(file, STR("actions"));
    return true;
}

str settings_file_wrong(struct arena *mem, const struct err *e)
{
    str text = str_of(e->text);
    if (!e->details)
        return arena_copy(mem, text);
    text = STR("");
    for (unsigned i = 0; i < e->details; i++)
        text = arena_print(mem, PRI_STR "%s%s", FMT_STR(text), i ? "; " : "", e->detail[i]);
    return text;
}

bool settings_file_touched(struct arena *mem, struct json push)
{
    static const char *const lists[] = { "added", "modified", "removed" };
    struct json commits = json_get(push, STR("commits")), commit, path;
    str key;
    if (json_bool_or(json_get(push, STR("forced")), false) || json_count(commits) == 0 ||
        json_count(commits) >= SETTINGS_FILE_COMMITS)
        return true;
    for (struct json_iter it = json_iter(commits); json_next(&it, mem, &key, &commit);)
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
            for (struct json_iter k = json_iter(json_get(commit, str_of(lists[i])));
                 json_next(&k, mem, &key, &path);)
                if (str_eq(json_str(path, mem), STR(SETTINGS_FILE)))
                    return true;
    return false;
}
