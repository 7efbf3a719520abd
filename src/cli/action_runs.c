/* actions run; action-runs: what was set off, and what became of it. */
#include "base/buf.h"
#include "cli/inside.h"

enum { EVERY_MS = 1000, SILENT_TRIES = 30 };

const struct option actions_run_options[] = {
    {"repo", 'r', "OWNER/NAME",
     "The repository (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one there is).",
     false},
    {"param", 'p', "NAME=VALUE",
     "A parameter. true, false and numbers are those where the action wants them. May be given again.",
     true},
    {"wait", 'w', NULL, "Stay until the run has ended; the exit code tells how.", false},
    OPTIONS_END};
const struct option action_runs_options[] = {
    {"repo", 'r', "OWNER/NAME", "Of this repository.", false},
    {"action", 0, "NAME", "Of this action.", false},
    {"state", 0, "STATE", "pending, running, succeeded, failed, cancelled or timed_out.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option wait_options[] = {
    {"wait", 'w', NULL, "Stay until the run has ended; the exit code tells how.", false},
    OPTIONS_END};

/* --- following one --- */

static int state_exit(str state)
{
    return str_eq(state, STR("succeeded")) ? 0 : str_eq(state, STR("cancelled")) ? 10 : 1;
}

static bool ended(str state)
{
    return !str_eq(state, STR("pending")) && !str_eq(state, STR("running"));
}

static str run_path(struct cli *c, str id)
{
    return arena_print(c->mem, "/api/v1/action-runs/" PRI_STR, FMT_STR(path_part(c->mem, id)));
}

static void say_state(struct cli *c, struct json run, str state)
{
    str error = safe_z(c, run, "error"), phase = safe_z(c, run, "metadata.phase");
    say(c, PRI_STR "%s" PRI_STR "%s" PRI_STR "\n", FMT_STR(coloured_state(c, state)),
        phase.len && !ended(state) ? ": " : "", FMT_STR(ended(state) ? STR("") : phase),
        error.len ? ": " : "", FMT_STR(error));
}

struct waiting { str id, was; unsigned silent; struct arena *keep; };

/* The exit code when it has ended, else -1. */
static int look(struct cli *c, struct waiting *w)
{
    struct reply r;
    if (!get_data(c, run_path(c, w->id), &r)) {
        if (++w->silent > SILENT_TRIES || (r.status && r.status < 500))
            return report(c);
        err_clear(&c->err);
        return -1;
    }
    str state = safe_z(c, r.data, "state"), phase = safe_z(c, r.data, "metadata.phase");
    str now = arena_print(c->mem, PRI_STR " " PRI_STR, FMT_STR(state), FMT_STR(phase));
    w->silent = 0;
    if (!str_eq(now, w->was)) {
        w->was = arena_copy(w->keep, now);
        if (!c->json)
            say_state(c, r.data, state);
    }
    if (!ended(state))
        return -1;
    if (c->json)
        json_show(c, json_raw(r.data));
    return state_exit(state);
}

/* Until it has ended. A server that is away for a while is waited for. */
static int wait_run(struct cli *c, str id)
{
    struct arena *own = c->mem, *each = arena_new((size_t)16 << 20, (size_t)64 << 20);
    struct waiting w = {.id = id, .was = STR(""), .keep = own};
    int code;
    c->mem = each;
    while ((code = look(c, &w)) < 0) {
        c->edge->sleep_ms(c->edge->ctx, EVERY_MS);
        arena_reset(each);
    }
    c->mem = own;
    arena_free(each);
    return code;
}

/* --- setting off --- */

/* A number or a truth, where the definition says so; else text. */
static bool is_plain(struct json definition, struct arena *mem, str name, str value)
{
    struct json list = json_get(definition, STR("parameters")), p;
    str key;
    int64_t n;
    for (struct json_iter it = json_iter(list); json_next(&it, mem, &key, &p);) {
        str type = json_str(json_get(p, STR("type")), mem);
        if (!str_eq(json_str(json_get(p, STR("name")), mem), name))
            continue;
        if (str_eq(type, STR("boolean")))
            return str_eq(value, STR("true")) || str_eq(value, STR("false"));
        struct json v;
        struct err ignored = {0};
        return str_eq(type, STR("number")) &&
               (str_to_i64(value, INT64_MIN, INT64_MAX, &n) ||
                (json_parse(mem, value, 1, &v, &ignored) && json_kind(v) == JSON_NUMBER));
    }
    return false;
}

static bool put_parameters(struct cli *c, struct json definition, struct json_out *w)
{
    json_key(w, STR("parameters"));
    json_begin_object(w);
    for (size_t i = 0; i < c->given_count; i++) {
        str value, given = c->given[i].value, name = str_cut(given, '=', &value);
        if (!str_eq(str_of(c->given[i].option->name), STR("param")))
            continue;
        if (!name.len || str_find(given, '=', 0) == given.len)
            return fail(&c->err, ERR_INVALID, "--param must be NAME=VALUE, got " PRI_STR,
                        FMT_STR(safe(c, str_sub(given, 0, 60))));
        for (size_t k = 0; k < i; k++)
            if (str_eq(str_of(c->given[k].option->name), STR("param")) &&
                str_starts(c->given[k].value, str_sub(given, 0, name.len + 1)))
                return fail(&c->err, ERR_INVALID, "the parameter " PRI_STR " is given twice",
                            FMT_STR(safe(c, name)));
        if (is_plain(definition, c->mem, name, value))
            json_field_raw(w, name, value);
        else
            json_field_str(w, name, value.ptr ? value : STR(""));
    }
    json_end_object(w);
    return true;
}

int verb_actions_run(struct cli *c)
{
    struct buf b;
    struct json_out w;
    struct reply r;
    struct ask a = {.method = HTTP_POST, .once = true};
    str path;
    if (!below_repo(c, "actions", c->argument[0], &path))
        return failed(c);
    if (!get_data(c, path, &r))
        return report(c);
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    if (!put_parameters(c, json_get(r.data, STR("definition")), &w))
        return failed(c);
    json_end_object(&w);
    a.body = buf_str(&b);
    a.path = arena_print(c->mem, PRI_STR "/runs", FMT_STR(path));
    if (!call_server(c, &a, &r))
        return report(c);
    str id = json_str(json_get(r.data, STR("id")), c->mem);
    if (!id.len) {
        say(c, "The server has it, and is still working on it: look with signalbox action-runs list\n");
        return 0;
    }
    if (opt_given(c, "wait"))
        return wait_run(c, id);
    if (c->json)
        json_show(c, json_raw(r.data));
    else if (c->plain)
        put(c, PRI_STR "\n", FMT_STR(safe(c, id)));
    else
        say(c, "Run " PRI_STR ". To follow it: signalbox action-runs show " PRI_STR " --wait\n",
            FMT_STR(safe(c, id)), FMT_STR(safe(c, id)));
    return 0;
}

/* --- looking, and stopping --- */

int verb_action_runs_list(struct cli *c)
{
    static const struct column columns[] = {
        {"RUN", "id", CELL_TEXT},           {"REPOSITORY", "repository", CELL_TEXT},
        {"ACTION", "action", CELL_TEXT},    {"STATE", "state", CELL_STATE},
        {"CREATED", "createdAt", CELL_AGO}, {"ENDED", "endedAt", CELL_AGO},
        {"BY", "actor", CELL_TEXT},         {"ERROR", "error", CELL_TEXT},
    };
    static const char *const filters[] = {"repo", "repo", "action", "action", "state", "state", NULL};
    struct list l = {STR("/api/v1/action-runs"), filters, columns, COUNT(columns),
                     "There is no such run"};
    return list_show(c, &l);
}

static void show_run(struct cli *c, struct json run)
{
    static const struct column columns[] = {
        {"run", "id", CELL_TEXT},
        {"repository", "repository", CELL_TEXT},
        {"action", "action", CELL_TEXT},
        {"parameters", "parameters", CELL_TEXT},
        {"state", "state", CELL_STATE},
        {"error", "error", CELL_TEXT},
        {"metadata", "metadata", CELL_TEXT},
        {"by", "actor", CELL_TEXT},
        {"created", "createdAt", CELL_AGO},
        {"taken", "takenAt", CELL_AGO},
        {"ended", "endedAt", CELL_AGO},
        {"over at", "deadlineAt", CELL_UNTIL},
        {"stop asked", "stopAskedAt", CELL_AGO},
        {"stop asked by", "stopAskedBy", CELL_TEXT},
    };
    if (c->json)
        json_show(c, json_raw(run));
    else
        record_show(c, run, columns, COUNT(columns));
}

int verb_action_runs_show(struct cli *c)
{
    struct reply r;
    if (opt_given(c, "wait"))
        return wait_run(c, c->argument[0]);
    if (!get_data(c, run_path(c, c->argument[0]), &r))
        return report(c);
    show_run(c, r.data);
    return 0;
}

int verb_action_runs_cancel(struct cli *c)
{
    struct reply r;
    struct ask a = {.method = HTTP_POST,
                    .path = arena_print(c->mem, PRI_STR "/cancel",
                                        FMT_STR(run_path(c, c->argument[0]))),
                    .once = true};
    if (!call_server(c, &a, &r))
        return report(c);
    if (opt_given(c, "wait"))
        return wait_run(c, c->argument[0]);
    if (c->json)
        json_show(c, json_raw(r.data));
    else if (str_eq(safe_z(c, r.data, "state"), STR("running")))
        say(c, "Its runner is told to stop it: until then it is running\n");
    else
        say(c, "It is " PRI_STR "\n", FMT_STR(safe_z(c, r.data, "state")));
    return 0;
}
