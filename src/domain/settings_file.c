#include "domain/settings_file.h"

#include "base/yaml.h"

bool settings_file_read(struct arena *mem, str text, str *out, struct err *e)
{
    struct json file, all, v;
    struct repo_settings s;
    struct buf b;
    struct json_out w;
    str key;
    *out = STR("{}");
    if (!yaml_parse(mem, text, &file, e))
        return false;
    if (json_kind(file) == JSON_NULL)
        return true;
    settings_default(&s);
    if (!settings_merge(mem, file, &s, e) || !json_parse(mem, settings_json(mem, &s), 0, &all, e))
        return false;
    buf_init(&b, mem, 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (struct json_iter it = json_iter(file); json_next(&it, mem, &key, &v);)
        json_field_raw(&w, key, json_raw(json_get(all, key)));
    json_end_object(&w);
    *out = buf_str(&b);
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
