/* dispatch: by hand (seed 000). */
#include "base/buf.h"
#include "base/rfc3339.h"
#include "cli/inside.h"
#include "domain/workflow.h"

const struct option dispatch_options[] = {
    {"repo", 'r', "OWNER/NAME",
     "The repository (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one there is).",
     false},
    {"stack", 's', "NAME", "Where.", false},
    {"component", 'c', "NAME", "What.", false},
    {"workflow", 'f', "FILE", "The workflow: a file name under .github/workflows.", false},
    {"input", 'i', "NAME=VALUE",
     "An input of the workflow; component and stack go by themselves. May be given again.", true},
    {"sha", 0, "SHA", "Commit to check out (default: the tip of the default branch).", false},
    {"with-dependents", 0, NULL, "Also everything that depends on it, in order.", false},
    {"dry-run", 0, NULL,
     "Send nothing: say what would go, in which order, how long and how many API calls.", false},
    {"watch", 'w', NULL, "Stay until the batch has ended; the exit code tells how.", false},
    OPTIONS_END};

static bool put_inputs(struct cli *c, struct json_out *w)
{
    json_key(w, STR("inputs"));
    json_begin_object(w);
    for (size_t i = 0; i < c->given_count; i++) {
        str value, name, given = c->given[i].value;
        if (!str_eq(str_of(c->given[i].option->name), STR("input")))
            continue;
        name = str_cut(given, '=', &value);
        if (!name.len || str_find(given, '=', 0) == given.len)
            return fail(&c->err, ERR_INVALID, "--input must be NAME=VALUE, got " PRI_STR,
                        FMT_STR(safe(c, str_sub(given, 0, 60))));
        for (size_t k = 0; k < i; k++)
            if (str_eq(str_of(c->given[k].option->name), STR("input")) &&
                str_starts(c->given[k].value, str_sub(given, 0, name.len + 1)))
                return fail(&c->err, ERR_INVALID, "the input " PRI_STR " is given twice",
                            FMT_STR(safe(c, name)));
        json_field_str(w, name, value.ptr ? value : STR(""));
    }
    json_end_object(w);
    return true;
}

static bool dispatch_body(struct cli *c, str *body)
{
    static const char *const needed[] = {"stack", "component", "workflow"};
    struct buf b;
    struct json_out w;
    str owner, name;
    for (size_t i = 0; i < COUNT(needed); i++)
        if (!opt_text(c, needed[i]).len)
            return fail(&c->err, ERR_INVALID, "--%s is missing", needed[i]);
    if (!workflow_name_ok(opt_text(c, "workflow")))
        return fail(
            &c->err, ERR_INVALID,
            "--workflow must be the bare name of a .yml or .yaml file under .github/workflows");
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    if (!put_inputs(c, &w) || !repo_read(c, &owner, &name))
        return false;
    json_field_str(&w, STR("repo"),
                   arena_print(c->mem, PRI_STR "/" PRI_STR, FMT_STR(owner), FMT_STR(name)));
    for (size_t i = 0; i < COUNT(needed); i++)
        json_field_str(&w, str_of(needed[i]), opt_text(c, needed[i]));
    if (opt_text(c, "sha").len)
        json_field_str(&w, STR("sha"), opt_text(c, "sha"));
    json_field_bool(&w, STR("withDependents"), opt_given(c, "with-dependents"));
    json_field_bool(&w, STR("dryRun"), opt_given(c, "dry-run"));
    json_end_object(&w);
    *body = buf_str(&b);
    return buf_ok(&b) || fail(&c->err, ERR_LIMIT,
                              "the inputs are larger than a dispatch may be: GitHub takes 64 KiB");
}

static int show_dry_run(struct cli *c, struct json data)
{
    static const struct column columns[] = {{"WAVE", "level", CELL_NUMBER},
                                            {"STACK", "stack", CELL_TEXT},
                                            {"COMPONENT", "component", CELL_TEXT},
                                            {"WORKFLOW", "workflow", CELL_TEXT},
                                            {"EXPECTED", "expectedMs", CELL_MS}};
    struct table *t = table_new(c, columns, COUNT(columns));
    struct json_iter it = json_iter(json_get(data, STR("order")));
    struct json item;
    str key;
    while (json_next(&it, c->mem, &key, &item))
        table_add(t, item);
    table_show(t);
    say(c,
        "Nothing was sent. It would be " PRI_STR " dispatches, about " PRI_STR
        ", and about " PRI_STR " calls to the API of the forge\n",
        FMT_STR(safe_z(c, data, "dispatches")),
        FMT_STR(duration_write(c->mem, json_i64_or(json_get(data, STR("forecastMs")), 0))),
        FMT_STR(safe_z(c, data, "apiCalls")));
    str forecast = safe_z(c, data, "forecast");
    if (forecast.len)
        say(c, "Forecast: " PRI_STR "\n", FMT_STR(forecast));
    return 0;
}

int verb_dispatch(struct cli *c)
{
    struct reply r;
    str body;
    if (opt_given(c, "watch") && opt_given(c, "dry-run"))
        return usage(c, "with --dry-run there is nothing to watch");
    if (!dispatch_body(c, &body))
        return failed(c);
    struct ask a = {
        .method = HTTP_POST, .path = STR("/api/v1/dispatch"), .body = body, .once = true};
    if (!call_server(c, &a, &r))
        return report(c);
    str batch = safe_z(c, r.data, "batch");
    if (c->json && !opt_given(c, "watch"))
        json_show(c, json_raw(r.data));
    else if (json_bool_or(json_get(r.data, STR("dryRun")), false))
        return show_dry_run(c, r.data);
    else if (!batch.len)
        say(c, "The server has it, and is still working on it: look with signalbox batches\n");
    else if (c->plain && !opt_given(c, "watch"))
        put(c, PRI_STR "\n", FMT_STR(batch));
    else
        say(c,
            "Batch " PRI_STR " with " PRI_STR " dispatches. To follow it: signalbox batch " PRI_STR
            " --watch\n",
            FMT_STR(batch), FMT_STR(safe_z(c, r.data, "dispatches")), FMT_STR(batch));
    return opt_given(c, "watch") && batch.len ? watch_batch(c, batch) : 0;
}
