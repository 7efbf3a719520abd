/* repo: list, show, set, permissions, add. */
#include "base/buf.h"
#include "cli/inside.h"
#include "domain/settings.h"

const struct option page_options[] = {PAGE_OPTIONS, OPTIONS_END};
const struct option permissions_options[] = {
    {"add", 0, "PERMISSION", "Add a row, e.g. 'Locks Create'.", false},
    {"workflow", 'f', "PATTERN", "Of the new row: workflow file (default *).", false},
    {"branch", 0, "PATTERN", "Of the new row: branch (default *).", false},
    {"environment", 0, "PATTERN", "Of the new row: GitHub environment (default *).", false},
    {"remove", 0, "ID", "Remove a row.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option add_options[] = {
    {"forge-id", 0, "N", "GitHub's number of the repository.", false},
    {"installation", 0, "N", "Number of the App's installation.", false},
    {"host", 0, "NAME", "Host of the forge (default github.com).", false},
    {"branch", 0, "NAME", "The default branch (default main).", false},
    OPTIONS_END};

int verb_repo_list(struct cli *c)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_NUMBER},
        {"OWNER", "owner", CELL_TEXT},
        {"NAME", "name", CELL_TEXT},
        {"BRANCH", "defaultBranch", CELL_TEXT},
        {"FORGE", "forge", CELL_TEXT},
        {"HOST", "host", CELL_TEXT},
        {"INSTALLATION", "installationId", CELL_NUMBER},
        {"SINCE", "createdAt", CELL_AGO},
    };
    struct list l = {.path = STR("/api/v1/repositories"),
                     .columns = columns,
                     .column_count = COUNT(columns),
                     .nothing = "There is no repository yet: install the GitHub App on one, or see "
                                "signalbox help repo add"};
    return list_show(c, &l);
}

static bool repo_path(struct cli *c, const char *rest, str *path)
{
    int64_t id;
    if (!repo_id(c, c->argument[0], &id))
        return false;
    *path = arena_print(c->mem, "/api/v1/repositories/%lld%s", (long long)id, rest);
    return true;
}

/* --- settings --- */

static const struct {
    const char *name, *doc;
    enum { I64, BOOL, EXECUTOR, NAME } kind;
} settings[] = {
#define X(field, kind, otherwise, least, most, group, text) {#field, text, kind},
    REPO_SETTINGS(X)
#undef X
};

static void show_settings(struct cli *c, struct json s)
{
    struct json_iter it = json_iter(s);
    struct json v;
    str key;
    while (json_next(&it, c->mem, &key, &v)) {
        const char *doc = "";
        for (size_t i = 0; i < COUNT(settings); i++)
            if (str_eq(key, str_of(settings[i].name)))
                doc = settings[i].doc;
        if (c->plain)
            put(c, "settings." PRI_STR "\t" PRI_STR "\n", FMT_STR(safe(c, key)),
                FMT_STR(safe(c, json_raw(v))));
        else
            put(c, "%-24s %-6s %s%s%s\n", arena_z(c->mem, safe(c, key)),
                arena_z(c->mem, safe(c, json_raw(v))), paint(c, "2"), doc, paint(c, "0"));
    }
}

/* What is kept in git, and what is wrong with it. */
static void show_file(struct cli *c, struct json file)
{
    struct json_iter it = json_iter(json_get(file, STR("settings")));
    struct json v;
    str key, names = STR(""), wrong = safe_z(c, file, "wrong");
    while (json_next(&it, c->mem, &key, &v))
        names = arena_print(c->mem, PRI_STR "%s" PRI_STR, FMT_STR(names), names.len ? ", " : "",
                            FMT_STR(safe(c, key)));
    if (names.len)
        put(c, c->plain ? "file\t" PRI_STR "\n" : "\nKept in .github/signalbox.yaml: " PRI_STR "\n",
            FMT_STR(names));
    if (wrong.len)
        put(c, c->plain ? "file wrong\t" PRI_STR "\n"
                        : "\n.github/signalbox.yaml is not used: " PRI_STR "\n",
            FMT_STR(wrong));
}

int verb_repo_show(struct cli *c)
{
    static const struct column columns[] = {
        {"id", "id", CELL_NUMBER},
        {"owner", "owner", CELL_TEXT},
        {"name", "name", CELL_TEXT},
        {"branch", "defaultBranch", CELL_TEXT},
        {"forge", "forge", CELL_TEXT},
        {"host", "host", CELL_TEXT},
        {"forge id", "forgeId", CELL_NUMBER},
        {"installation", "installationId", CELL_NUMBER},
        {"since", "createdAt", CELL_AGO},
    };
    struct reply r, s;
    str path;
    if (!repo_path(c, "", &path))
        return failed(c);
    if (!get_data(c, path, &r))
        return report(c);
    if (!get_data(c, arena_print(c->mem, PRI_STR "/settings", FMT_STR(path)), &s))
        return report(c);
    if (c->json) {
        json_show(c, arena_print(c->mem, "{\"repository\":" PRI_STR ",\"settings\":" PRI_STR "}",
                                 FMT_STR(json_raw(r.data)), FMT_STR(json_raw(s.data))));
        return 0;
    }
    record_show(c, r.data, columns, COUNT(columns));
    if (!c->plain)
        put(c, "\n");
    show_settings(c, s.data);
    show_file(c, json_get(r.data, STR("settingsFile")));
    return 0;
}

static bool truth_of(str s, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
                                                                                "off", "0"};
    for (size_t i = 0; i < COUNT(yes); i++) {
        *out = str_eq(s, str_of(yes[i]));
        if (*out || str_eq(s, str_of(no[i])))
            return true;
    }
    return false;
}

static bool put_setting(struct cli *c, struct json_out *w, str given)
{
    str value, name = str_cut(given, '=', &value), names[COUNT(settings)];
    int64_t n;
    bool yes;
    if (str_find(given, '=', 0) == given.len)
        return fail(&c->err, ERR_INVALID, "settings are given as name=value, got " PRI_STR,
                    FMT_STR(safe(c, str_sub(given, 0, 60))));
    for (size_t i = 0; i < COUNT(settings); i++) {
        names[i] = str_of(settings[i].name);
        if (!str_eq(name, names[i]))
            continue;
        bool flag = settings[i].kind == BOOL, number = settings[i].kind == I64;
        if ((flag && !truth_of(value, &yes)) ||
            (number && !str_to_i64(value, INT64_MIN, INT64_MAX, &n)))
            return fail(&c->err, ERR_INVALID, "%s must be %s, got " PRI_STR, settings[i].name,
                        flag ? "true or false" : "a whole number",
                        FMT_STR(safe(c, str_sub(value, 0, 60))));
        if (flag)
            json_field_bool(w, name, yes);
        else if (number)
            json_field_i64(w, name, n);
        else
            json_field_str(w, name, value);     /* the server knows what it may be */
        return true;
    }
    str near = nearest_word(name, names, COUNT(names));
    return fail(&c->err, ERR_INVALID, "there is no setting " PRI_STR "%s" PRI_STR "%s",
                FMT_STR(safe(c, str_sub(name, 0, 60))), near.len ? ": did you mean " : "",
                FMT_STR(near), near.len ? "?" : ": signalbox repo show lists them");
}

int verb_repo_set(struct cli *c)
{
    struct buf b;
    struct json_out w;
    struct reply r;
    str path;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 1; i < c->argument_count; i++)
        if (!put_setting(c, &w, c->argument[i]))
            return usage(c, "%s", c->err.text);
    json_end_object(&w);
    if (!repo_path(c, "/settings", &path))
        return failed(c);
    struct ask a = {.method = HTTP_PATCH, .path = path, .body = buf_str(&b)};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        show_settings(c, r.data);
    return 0;
}

/* --- permissions --- */

static int permission_list(struct cli *c, str path)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_NUMBER},
        {"PERMISSION", "name", CELL_TEXT},
        {"WORKFLOW", "workflow", CELL_TEXT},
        {"BRANCH", "branch", CELL_TEXT},
        {"ENVIRONMENT", "environment", CELL_TEXT},
        {"SINCE", "createdAt", CELL_AGO},
        {"BY", "createdBy", CELL_TEXT},
    };
    struct list l = {
        .path = path,
        .columns = columns,
        .column_count = COUNT(columns),
        .nothing =
            "There is no permission row: no workflow of this repository may do anything here"};
    return list_show(c, &l);
}

static int permission_add(struct cli *c, str path)
{
    static const char *const patterns[] = {"workflow", "branch", "environment"};
    struct buf b;
    struct json_out w;
    struct reply r;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("name"), opt_text(c, "add"));
    for (size_t i = 0; i < COUNT(patterns); i++)
        if (opt_given(c, patterns[i]))
            json_field_str(&w, str_of(patterns[i]), opt_text(c, patterns[i]));
    json_end_object(&w);
    struct ask a = {.method = HTTP_POST, .path = path, .body = buf_str(&b)};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        put(c, c->plain ? "%.0s" PRI_STR "\n" : "%s" PRI_STR "\n", "Added row ",
            FMT_STR(safe_z(c, r.data, "id")));
    return 0;
}

static int permission_remove(struct cli *c, str path)
{
    struct reply r;
    int64_t id = 0;
    if (!opt_i64(c, "remove", 1, INT64_MAX, &id))
        return usage(c, "%s", c->err.text);
    struct ask a = {.method = HTTP_DELETE,
                    .path = arena_print(c->mem, PRI_STR "/%lld", FMT_STR(path), (long long)id)};
    if (!call_server(c, &a, &r))
        return report(c);
    say(c, "Row %lld is gone\n", (long long)id);
    return 0;
}

int verb_repo_permissions(struct cli *c)
{
    bool adds = opt_given(c, "add");
    str path;
    if (adds && opt_given(c, "remove"))
        return usage(c, "one thing at a time: --add or --remove");
    if (!adds &&
        (opt_given(c, "workflow") || opt_given(c, "branch") || opt_given(c, "environment")))
        return usage(c, "--workflow, --branch and --environment belong to --add");
    if (!repo_path(c, "/permissions", &path))
        return failed(c);
    return adds                     ? permission_add(c, path)
           : opt_given(c, "remove") ? permission_remove(c, path)
                                    : permission_list(c, path);
}

/* --- importing --- */

int verb_repo_add(struct cli *c)
{
    struct buf b;
    struct json_out w;
    struct reply r;
    str name, owner = str_cut(c->argument[0], '/', &name);
    int64_t forge_id = 0, installation = 0;
    if (!name_ok(owner) || !name_ok(name))
        return usage(c, "the repository must be owner/name");
    if (!opt_given(c, "forge-id"))
        return usage(c, "--forge-id is missing: `gh api repos/owner/name --jq .id` prints it");
    if (!opt_i64(c, "forge-id", 1, INT64_MAX, &forge_id) ||
        !opt_i64(c, "installation", 1, INT64_MAX, &installation))
        return usage(c, "%s", c->err.text);
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("owner"), owner);
    json_field_str(&w, STR("name"), name);
    json_field_i64(&w, STR("forgeId"), forge_id);
    if (installation)
        json_field_i64(&w, STR("installationId"), installation);
    if (opt_given(c, "host"))
        json_field_str(&w, STR("host"), opt_text(c, "host"));
    if (opt_given(c, "branch"))
        json_field_str(&w, STR("defaultBranch"), opt_text(c, "branch"));
    json_end_object(&w);
    struct ask a = {.method = HTTP_POST, .path = STR("/api/v1/repositories"), .body = buf_str(&b)};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        put(c, c->plain ? "%.0s" PRI_STR "\n" : "%s" PRI_STR "\n", "Imported as repository ",
            FMT_STR(safe_z(c, r.data, "id")));
    return 0;
}
