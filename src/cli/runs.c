/* runs, run, instances, uploads. */
#include "cli/inside.h"

#define OF_REPO                                                                                    \
    {                                                                                              \
        "repo", 'r', "OWNER/NAME", "Of this repository.", false                                    \
    }
#define OF_INSTANCE                                                                                \
    {"stack", 's', "NAME", "Of this stack.", false},                                               \
    {                                                                                              \
        "component", 'c', "NAME", "Of this component.", false                                      \
    }

const struct option runs_options[] = {
    OF_REPO,
    OF_INSTANCE,
    {"command", 0, "NAME", "plan, apply, detect, remediate …", false},
    {"state", 0, "STATE", "queued, running, success, failure …", false},
    {"batch", 'b', "BATCH", "Of this batch.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option instances_options[] = {
    OF_REPO,
    OF_INSTANCE,
    {"drift", 0, "STATUS", "unknown, in_sync, drifted, error or disabled.", false},
    {"orphaned", 0, "true|false", "No longer in the inventory, or still in it.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option uploads_options[] = {
    OF_REPO, {"sha", 0, "SHA", "Of this head.", false}, PAGE_OPTIONS, OPTIONS_END};

int verb_runs(struct cli *c)
{
    static const struct column columns[] = {
        {"RUN", "id", CELL_TEXT},           {"REPOSITORY", "repository", CELL_TEXT},
        {"STACK", "stack", CELL_TEXT},      {"COMPONENT", "component", CELL_TEXT},
        {"COMMAND", "command", CELL_TEXT},  {"STATE", "state", CELL_STATE},
        {"EXIT", "exitCode", CELL_NUMBER},  {"ATTEMPT", "attempt", CELL_NUMBER},
        {"CREATED", "createdAt", CELL_AGO}, {"URL", "url", CELL_TEXT},
    };
    static const char *const filters[] = {"repo",      "repo",    "stack",   "stack", "component",
                                          "component", "command", "command", "state", "state",
                                          "batch",     "batch",   NULL};
    struct list l = {STR("/api/v1/runs"), filters, columns, COUNT(columns), "There is no such run"};
    return list_show(c, &l);
}

int verb_run(struct cli *c)
{
    static const struct column columns[] = {
        {"run", "id", CELL_TEXT},
        {"batch", "batchId", CELL_TEXT},
        {"position", "position", CELL_NUMBER},
        {"repository", "repository", CELL_TEXT},
        {"stack", "stack", CELL_TEXT},
        {"component", "component", CELL_TEXT},
        {"workflow", "workflow", CELL_TEXT},
        {"ref", "ref", CELL_TEXT},
        {"sha", "sha", CELL_TEXT},
        {"inputs", "inputs", CELL_TEXT},
        {"trigger", "trigger", CELL_TEXT},
        {"guessed", "guess", CELL_TEXT},
        {"reported", "reported", CELL_TEXT},
        {"state", "state", CELL_STATE},
        {"exit code", "exitCode", CELL_NUMBER},
        {"attempt", "attempt", CELL_NUMBER},
        {"token", "fence", CELL_NUMBER},
        {"url", "url", CELL_TEXT},
        {"error", "errorText", CELL_TEXT},
        {"counts", "counts", CELL_TEXT},
        {"created", "createdAt", CELL_AGO},
        {"dispatched", "dispatchedAt", CELL_AGO},
        {"started", "startedAt", CELL_AGO},
        {"ended", "endedAt", CELL_AGO},
    };
    struct reply r;
    if (!get_data(c,
                  arena_print(c->mem, "/api/v1/runs/" PRI_STR,
                              FMT_STR(path_part(c->mem, c->argument[0]))),
                  &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        record_show(c, r.data, columns, COUNT(columns));
    return 0;
}

int verb_instances(struct cli *c)
{
    static const struct column columns[] = {
        {"REPOSITORY", "repository", CELL_TEXT}, {"STACK", "stack", CELL_TEXT},
        {"COMPONENT", "component", CELL_TEXT},   {"DRIFT", "driftStatus", CELL_STATE},
        {"ENABLED", "enabled", CELL_BOOL},       {"LAST COMMAND", "lastCommand", CELL_TEXT},
        {"EXIT", "lastExitCode", CELL_NUMBER},   {"LAST RUN", "lastRunAt", CELL_AGO},
    };
    static const char *const filters[] = {"repo",      "repo",      "stack", "stack",
                                          "component", "component", "drift", "drift",
                                          "orphaned",  "orphaned",  NULL};
    struct list l = {STR("/api/v1/instances"), filters, columns, COUNT(columns),
                     "There is no such instance"};
    return list_show(c, &l);
}

int verb_uploads(struct cli *c)
{
    static const struct column columns[] = {
        {"UPLOAD", "id", CELL_TEXT},           {"REPOSITORY", "repository", CELL_TEXT},
        {"HEAD", "headSha", CELL_SHA},         {"BASE", "baseSha", CELL_SHA},
        {"STATE", "state", CELL_STATE},        {"INSTANCES", "instances", CELL_NUMBER},
        {"AFFECTED", "affected", CELL_NUMBER}, {"RECEIVED", "receivedAt", CELL_AGO},
        {"NOTE", "note", CELL_TEXT},
    };
    static const char *const filters[] = {"repo", "repo", "sha", "head_sha", NULL};
    struct list l = {STR("/api/v1/uploads"), filters, columns, COUNT(columns),
                     "There is no such upload"};
    return list_show(c, &l);
}
