/* secrets, runners, actions: what a repository can set off, with what, and where. */
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/yaml.h"
#include "cli/inside.h"

enum { VALUE_BYTES_MAX = 64 << 10, FILE_BYTES_MAX = 1 << 20 };

#define OF_REPO                                                                                    \
    {                                                                                              \
        "repo", 'r', "OWNER/NAME",                                                                 \
            "The repository (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one there "\
            "is).",                                                                                \
            false                                                                                  \
    }

const struct option secrets_set_options[] = {
    OF_REPO,
    {"project", 0, "OWNER/NAME", "The same.", false},
    {"value", 0, "TEXT", "The value. Others on this machine can see it while the command runs.",
     false},
    {"file", 'f', "FILE", "Read the value from there (default: standard input).", false},
    {"description", 0, "TEXT", "What it is for.", false},
    OPTIONS_END};
const struct option of_repo_options[] = {OF_REPO, OPTIONS_END};
const struct option of_repo_list_options[] = {OF_REPO, PAGE_OPTIONS, OPTIONS_END};
const struct option runners_set_options[] = {
    OF_REPO,
    {"endpoint", 0, "URL", "Where it takes dispatches: https://HOST/dispatch.", false},
    {"token-secret", 0, "NAME", "The secret that holds its token.", false},
    OPTIONS_END};
const struct option actions_set_options[] = {
    OF_REPO,
    {"file", 'f', "FILE", "The definition, YAML or JSON (default: standard input).", false},
    OPTIONS_END};

/* /api/v1/repositories/{id}/KIND[/NAME] */
bool below_repo(struct cli *c, const char *kind, str name, str *path)
{
    str owner, repo, full = opt_text(c, "project");
    int64_t id;
    if (!full.len) {
        if (!repo_read(c, &owner, &repo))
            return false;
        full = arena_print(c->mem, PRI_STR "/" PRI_STR, FMT_STR(owner), FMT_STR(repo));
    }
    if (!repo_id(c, full, &id))
        return false;
    *path = arena_print(c->mem, "/api/v1/repositories/%lld/%s%s" PRI_STR, (long long)id, kind,
                        name.len ? "/" : "", FMT_STR(name.len ? path_part(c->mem, name) : STR("")));
    return true;
}

static int below_list(struct cli *c, const char *kind, const struct column *columns, size_t count,
                      const char *nothing)
{
    struct list l = {.columns = columns, .column_count = count, .nothing = nothing};
    return below_repo(c, kind, STR_NONE, &l.path) ? list_show(c, &l) : failed(c);
}

static int below_remove(struct cli *c, const char *kind)
{
    struct ask a = {.method = HTTP_DELETE};
    struct reply r;
    if (!below_repo(c, kind, c->argument[0], &a.path))
        return failed(c);
    if (!call_server(c, &a, &r))
        return report(c);
    say(c, "It is gone\n");
    return 0;
}

static int below_put(struct cli *c, const char *kind, str body, const char *what)
{
    struct ask a = {.method = HTTP_PUT, .body = body};
    struct reply r;
    if (!below_repo(c, kind, c->argument[0], &a.path))
        return failed(c);
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        say(c, "%s " PRI_STR " is %s\n", what, FMT_STR(safe(c, c->argument[0])),
            r.status == 201 ? "set" : "changed");
    return 0;
}

static bool read_input(struct cli *c, size_t max, str *out)
{
    str file = opt_text(c, "file");
    bool none = !file.len || str_eq(file, STR("-"));
    return none ? io_read_open(c->mem, STDIN_FILENO, "standard input", max, out, &c->err)
                : io_read_file(c->mem, arena_z(c->mem, file), max, out, &c->err);
}

/* --- secrets --- */

static bool secret_value(struct cli *c, str *value)
{
    *value = opt_text(c, "value");
    if (opt_given(c, "value") && opt_given(c, "file"))
        return fail(&c->err, ERR_INVALID, "one of --value and --file");
    if (opt_given(c, "value"))
        return true;
    if (!read_input(c, VALUE_BYTES_MAX + 2, value))
        return false;
    /* the end of the line that was typed or echoed is none of the secret; a key keeps its own */
    if (str_find(*value, '\n', 0) + 1 == value->len)
        *value = str_trim(*value);
    return true;
}

int verb_secrets_set(struct cli *c)
{
    struct buf b;
    struct json_out w;
    str value;
    if (!secret_value(c, &value))
        return failed(c);
    if (!str_is_utf8(value))
        return usage(c, "the value must be text");
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("value"), value);
    if (opt_given(c, "description"))
        json_field_str(&w, STR("description"), opt_text(c, "description"));
    json_end_object(&w);
    return below_put(c, "secrets", buf_str(&b), "Secret");
}

int verb_secrets_list(struct cli *c)
{
    static const struct column columns[] = {
        {"NAME", "name", CELL_TEXT},
        {"DESCRIPTION", "description", CELL_TEXT},
        {"CREATED", "createdAt", CELL_AGO},
        {"CHANGED", "updatedAt", CELL_AGO},
        {"BY", "updatedBy", CELL_TEXT},
    };
    return below_list(c, "secrets", columns, COUNT(columns), "There is no secret");
}

int verb_secrets_rm(struct cli *c) { return below_remove(c, "secrets"); }

/* --- runners --- */

int verb_runners_set(struct cli *c)
{
    struct buf b;
    struct json_out w;
    if (!opt_text(c, "endpoint").len || !opt_text(c, "token-secret").len)
        return usage(c, "--endpoint and --token-secret are needed");
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("endpoint"), opt_text(c, "endpoint"));
    json_field_str(&w, STR("tokenSecret"), opt_text(c, "token-secret"));
    json_end_object(&w);
    return below_put(c, "runners", buf_str(&b), "Runner");
}

int verb_runners_list(struct cli *c)
{
    static const struct column columns[] = {
        {"NAME", "name", CELL_TEXT},
        {"ENDPOINT", "endpoint", CELL_TEXT},
        {"TOKEN SECRET", "tokenSecret", CELL_TEXT},
        {"SET", "tokenIsSet", CELL_BOOL},
        {"CHANGED", "updatedAt", CELL_AGO},
        {"BY", "updatedBy", CELL_TEXT},
    };
    return below_list(c, "runners", columns, COUNT(columns), "There is no registered runner");
}

int verb_runners_rm(struct cli *c) { return below_remove(c, "runners"); }

/* --- actions --- */

int verb_actions_set(struct cli *c)
{
    struct json v;
    str text;
    if (!read_input(c, FILE_BYTES_MAX, &text) || !yaml_parse(c->mem, text, &v, &c->err))
        return failed(c);
    if (json_kind(v) != JSON_OBJECT)
        return usage(c, "the definition must be an object with a trigger");
    return below_put(c, "actions", json_raw(v), "Action");
}

int verb_actions_list(struct cli *c)
{
    static const struct column columns[] = {
        {"NAME", "name", CELL_TEXT},
        {"SOURCE", "source", CELL_TEXT},
        {"TYPE", "definition.trigger.type", CELL_TEXT},
        {"WORKFLOW", "definition.trigger.workflow", CELL_TEXT},
        {"STACK", "definition.trigger.stack", CELL_TEXT},
        {"CHANGED", "updatedAt", CELL_AGO},
        {"BY", "updatedBy", CELL_TEXT},
    };
    return below_list(c, "actions", columns, COUNT(columns), "There is no action");
}

int verb_actions_show(struct cli *c)
{
    static const struct column columns[] = {
        {"action", "name", CELL_TEXT},
        {"title", "definition.displayName", CELL_TEXT},
        {"description", "definition.description", CELL_TEXT},
        {"source", "source", CELL_TEXT},
        {"parameters", "definition.parameters", CELL_TEXT},
        {"trigger", "definition.trigger", CELL_TEXT},
        {"timeout", "definition.timeout", CELL_NUMBER},
        {"created", "createdAt", CELL_AGO},
        {"changed", "updatedAt", CELL_AGO},
        {"by", "updatedBy", CELL_TEXT},
    };
    struct reply r;
    str path;
    if (!below_repo(c, "actions", c->argument[0], &path))
        return failed(c);
    if (!get_data(c, path, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        record_show(c, r.data, columns, COUNT(columns));
    return 0;
}

int verb_actions_rm(struct cli *c) { return below_remove(c, "actions"); }
