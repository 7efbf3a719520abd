/* batches, batch, cancel, retry, rerun, skip-wait, release, resume. */
#include "base/buf.h"
#include "base/rfc3339.h"
#include "cli/inside.h"

const struct option batches_options[] = {
    {"repo", 'r', "OWNER/NAME", "Of this repository.", false},
    {"change", 0, "KEY", "Of this change, as `batch` shows it.", false},
    {"state", 0, "STATE", "preparing, held, running or ended.", false},
    {"sha", 0, "SHA", "Of this head.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option batch_options[] = {
    {"watch", 'w', NULL, "Stay until it has ended; the exit code tells how.", false},
    {"nodes", 0, NULL, "List its nodes.", false},
    {"state", 0, "STATE", "With --nodes: only those in this state.", false},
    PAGE_OPTIONS,
    OPTIONS_END};
const struct option watch_options[] = {
    {"watch", 'w', NULL, "Stay until the batch has ended; the exit code tells how.", false},
    OPTIONS_END};
const struct option release_options[] = {
    {"parts", 0, NULL, "It is larger than any budget can be: let it go in dependency levels.",
     false},
    {"watch", 'w', NULL, "Stay until the batch has ended; the exit code tells how.", false},
    OPTIONS_END};
const struct option resume_options[] = {
    {"repo", 'r', "OWNER/NAME",
     "Repository of #<number> (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one).",
     false},
    OPTIONS_END};
/* A node of a batch is said by its position, or by its instance. */
const struct option node_options[] = {
    {"component", 'c', "NAME", "With --stack, instead of a position.", false},
    {"stack", 's', "NAME", "With --component.", false},
    {"workflow", 'f', "FILE", "When the batch has several nodes of the instance.", false},
    {"watch", 'w', NULL, "Stay until the batch has ended; the exit code tells how.", false},
    OPTIONS_END};

int verb_batches(struct cli *c)
{
    static const struct column columns[] = {
        {"BATCH", "id", CELL_TEXT},
        {"REPOSITORY", "repository", CELL_TEXT},
        {"CHANGE", "change.number", CELL_NUMBER},
        {"EVENT", "event", CELL_TEXT},
        {"ACTIVITY", "activity", CELL_TEXT},
        {"HEAD", "headSha", CELL_SHA},
        {"NODES", "nodeCount", CELL_NUMBER},
        {"STATE", "state", CELL_STATE},
        {"VERDICT", "verdict", CELL_STATE},
        {"CREATED", "createdAt", CELL_AGO},
    };
    static const char *const filters[] = {"repo",  "repo", "change",   "change", "state",
                                          "state", "sha",  "head_sha", NULL};
    struct list l = {STR("/api/v1/batches"), filters, columns, COUNT(columns),
                     "There is no such batch"};
    return list_show(c, &l);
}

/* --- one batch --- */

static str batch_path(struct cli *c, str id, const char *rest)
{
    return arena_print(c->mem, "/api/v1/batches/" PRI_STR "%s", FMT_STR(path_part(c->mem, id)),
                       rest);
}

static const struct column node_columns[] = {
    {"#", "position", CELL_NUMBER},        {"STACK", "stack", CELL_TEXT},
    {"COMPONENT", "component", CELL_TEXT}, {"WORKFLOW", "workflow", CELL_TEXT},
    {"STATE", "state", CELL_STATE},        {"CHANGED", "changedAt", CELL_AGO},
    {"WHY", "errorText", CELL_TEXT},       {"RUN", "runUrl", CELL_TEXT},
};

static int show_nodes(struct cli *c)
{
    static const char *const filters[] = {"state", "state", NULL};
    struct list l = {batch_path(c, c->argument[0], "/nodes"), filters, node_columns,
                     COUNT(node_columns), "There is no such node"};
    return list_show(c, &l);
}

static void show_counts(struct cli *c, struct json counts)
{
    struct json_iter it = json_iter(counts);
    struct json n;
    str state;
    bool any = false;
    const char *head = arena_print(c->mem, "%snodes%s        ", paint(c, "2"), paint(c, "0")).ptr;
    while (json_next(&it, c->mem, &state, &n)) {
        str name = safe(c, state);
        if (c->plain)
            put(c, "count." PRI_STR "\t" PRI_STR "\n", FMT_STR(name), FMT_STR(json_raw(n)));
        else
            put(c, "%s" PRI_STR " " PRI_STR, any ? ", " : head, FMT_STR(json_raw(n)),
                FMT_STR(coloured_state(c, name)));
        any = true;
    }
    if (any && !c->plain)
        put(c, "\n");
}

/* What somebody may want to act on; the rest are numbers. */
static const char *const notable[] = {"failure", "error", "timed_out", "locked",
                                      "waiting_approval"};
enum { NOTABLE_SHOWN = 20 };

static bool see_node(void *ctx, struct json item)
{
    table_add(ctx, item);
    return true;
}

static bool show_notable(struct cli *c, str id, struct json counts)
{
    struct table *t = table_new(c, node_columns, COUNT(node_columns));
    size_t rows = 0;
    for (size_t i = 0; i < COUNT(notable); i++) {
        struct page p;
        if (json_i64_or(json_get(counts, str_of(notable[i])), 0) == 0)
            continue;
        if (!list_walk(c, batch_path(c, id, arena_print(c->mem, "/nodes?state=%s", notable[i]).ptr),
                       NOTABLE_SHOWN, see_node, t, &p))
            return false;
        rows += p.seen;
    }
    if (rows) {
        put(c, "\n");
        table_show(t);
    }
    return true;
}

static const struct column batch_record[] = {
    {"batch", "id", CELL_TEXT},
    {"repository", "repository", CELL_TEXT},
    {"change", "change.key", CELL_TEXT},
    {"title", "change.title", CELL_TEXT},
    {"author", "change.author", CELL_TEXT},
    {"url", "change.url", CELL_TEXT},
    {"event", "event", CELL_TEXT},
    {"activity", "activity", CELL_TEXT},
    {"head", "headSha", CELL_TEXT},
    {"state", "state", CELL_STATE},
    {"verdict", "verdict", CELL_STATE},
    {"error", "error", CELL_TEXT},
    {"actor", "actor", CELL_TEXT},
    {"replaced by", "supersededBy", CELL_TEXT},
    {"created", "createdAt", CELL_AGO},
    {"started", "startedAt", CELL_AGO},
    {"ended", "endedAt", CELL_AGO},
};

/* "held  threshold: would dispatch 247 stacks, the threshold is 50" */
static void show_holds(struct cli *c, struct json holds)
{
    struct json_iter it = json_iter(holds);
    struct json h;
    str key;
    while (json_next(&it, c->mem, &key, &h)) {
        if (c->plain) {
            put(c, "hold." PRI_STR "\t" PRI_STR "\n", FMT_STR(safe_z(c, h, "kind")),
                FMT_STR(safe_z(c, h, "text")));
            continue;
        }
        put(c, "\n%sheld%s: " PRI_STR "\n", paint(c, "1;33"), paint(c, "0"),
            FMT_STR(safe_z(c, h, "text")));
        put(c, "  → " PRI_STR "\n", FMT_STR(safe_z(c, h, "wayOut")));
    }
}

/* "released by alice 3 min ago (threshold: would dispatch 247 stacks, the threshold is 50)" */
static void show_released(struct cli *c, struct json released)
{
    struct json_iter it = json_iter(released);
    struct json r;
    str key;
    while (json_next(&it, c->mem, &key, &r)) {
        str by = safe_z(c, r, "by"), text = safe_z(c, r, "text");
        int64_t at_ms = time_of(c, json_get(r, STR("at")));
        if (c->plain)
            put(c, "released." PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\n",
                FMT_STR(safe_z(c, r, "kind")), FMT_STR(by),
                FMT_STR(at_ms ? rfc3339_write(c->mem, at_ms) : STR("")), FMT_STR(text));
        else
            put(c, "\nreleased by " PRI_STR " " PRI_STR " (" PRI_STR ")\n", FMT_STR(by),
                FMT_STR(at_ms ? ago(c, at_ms) : STR("")), FMT_STR(text));
    }
}

int verb_batch(struct cli *c)
{
    struct reply r;
    str id = c->argument[0];
    if (opt_given(c, "watch"))
        return watch_batch(c, id);
    if (opt_given(c, "nodes"))
        return show_nodes(c);
    if (!get_data(c, batch_path(c, id, ""), &r))
        return report(c);
    if (c->json) {
        json_show(c, json_raw(r.data));
        return 0;
    }
    struct json counts = json_get(r.data, STR("counts"));
    record_show(c, r.data, batch_record, COUNT(batch_record));
    show_counts(c, counts);
    show_holds(c, json_get(r.data, STR("holds")));
    show_released(c, json_get(r.data, STR("released")));
    if (c->plain)
        return 0;
    if (!show_notable(c, id, counts))
        return report(c);
    say(c, "All its nodes: signalbox batch " PRI_STR " --nodes\n", FMT_STR(safe(c, id)));
    return 0;
}

/* --- orders --- */

static int order(struct cli *c, str path, str body, const char *done)
{
    struct reply r;
    struct ask a = {.method = HTTP_POST, .path = path, .body = body, .once = true};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json && !opt_given(c, "watch"))
        json_show(c, json_raw(r.data));
    else if (r.status == 202)
        say(c,
            "The server has it, and is still working on it: look with signalbox batch " PRI_STR
            "\n",
            FMT_STR(safe(c, c->argument[0])));
    else
        say(c, "%s\n", done);
    return opt_given(c, "watch") ? watch_batch(c, c->argument[0]) : 0;
}

int verb_cancel(struct cli *c)
{
    return order(c, batch_path(c, c->argument[0], "/cancel"), STR_NONE,
                 "Told to stop: nothing more is dispatched, and live runs are cancelled");
}

int verb_retry(struct cli *c)
{
    return order(c, batch_path(c, c->argument[0], "/retry"), STR_NONE, "What failed goes again");
}

int verb_release(struct cli *c)
{
    if (opt_given(c, "parts"))
        return order(c, batch_path(c, c->argument[0], "/parts"), STR_NONE,
                     "It goes in dependency levels, as the budget allows");
    return order(c, batch_path(c, c->argument[0], "/release"), STR_NONE,
                 "Released: what a person may lift is lifted");
}

int verb_resume(struct cli *c)
{
    struct reply r;
    int64_t id;
    str number;
    if (!pull_read(c, c->argument[0], &id, &number))
        return failed(c);
    struct ask a = {.method = HTTP_POST,
                    .path = arena_print(c->mem,
                                        "/api/v1/repositories/%lld/pulls/" PRI_STR "/resume",
                                        (long long)id, FMT_STR(number)),
                    .once = true};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else
        say(c, "Resumed: the newest commit of #" PRI_STR " goes on\n", FMT_STR(safe(c, number)));
    return 0;
}

static str node_path(struct cli *c, int64_t position, const char *rest)
{
    return batch_path(c, c->argument[0],
                      arena_print(c->mem, "/nodes/%lld%s", (long long)position, rest).ptr);
}

static str rerun_body(struct cli *c)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("stack"), opt_text(c, "stack"));
    json_field_str(&w, STR("component"), opt_text(c, "component"));
    if (opt_given(c, "workflow"))
        json_field_str(&w, STR("workflow"), opt_text(c, "workflow"));
    json_end_object(&w);
    return buf_str(&b);
}

/* Which node is meant; *position -1: the one of the instance that the options name. */
static bool read_which(struct cli *c, int64_t *position)
{
    bool by_name;
    *position = -1;
    if (!instance_named(c, &by_name))
        return false;
    if (by_name == (c->argument_count == 2))
        return fail(&c->err, ERR_INVALID,
                    "which node? Give its position (signalbox batch <id> --nodes), or --component "
                    "and --stack");
    return by_name || position_read(c, c->argument[1], position);
}

int verb_rerun(struct cli *c)
{
    int64_t position;
    if (!read_which(c, &position))
        return failed(c);
    if (position < 0)
        return order(c, batch_path(c, c->argument[0], "/rerun"), rerun_body(c), "It goes again");
    return order(c, node_path(c, position, "/rerun"), STR_NONE, "It goes again");
}

static str skip_body(struct cli *c, int64_t token)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("token"), token);
    json_end_object(&w);
    return buf_str(&b);
}

struct locked { struct cli *c; int64_t position; size_t count; };

static bool see_locked(void *ctx, struct json item)
{
    struct locked *l = ctx;
    static const char *const names[] = {"stack", "component", "workflow"};
    for (size_t i = 0; i < COUNT(names); i++) {
        str name = json_str(json_get(item, str_of(names[i])), l->c->mem);
        if (opt_given(l->c, names[i]) && !str_eq(opt_text(l->c, names[i]), name))
            return true;
    }
    l->position = json_i64_or(json_get(item, STR("position")), -1);
    l->count++;
    return true;
}

/* Of the nodes that are locked, the one of the instance that the options name. */
static bool find_locked(struct cli *c, int64_t *position)
{
    struct locked l = {.c = c};
    struct page p;
    str component = safe(c, opt_text(c, "component")), stack = safe(c, opt_text(c, "stack"));
    if (!list_walk(c, batch_path(c, c->argument[0], "/nodes?state=locked"), 0, see_locked, &l, &p))
        return false;
    *position = l.position;
    if (l.count == 0)
        return fail(&c->err, ERR_CONFLICT,
                    PRI_STR " in " PRI_STR " does not wait for a lock in this batch. What it waits "
                            "for: signalbox explain " PRI_STR " --component " PRI_STR
                            " --stack " PRI_STR,
                    FMT_STR(component), FMT_STR(stack), FMT_STR(safe(c, c->argument[0])),
                    FMT_STR(component), FMT_STR(stack));
    return l.count == 1 ||
           fail(&c->err, ERR_CONFLICT,
                "%zu nodes of this instance wait for a lock: give the workflow, too", l.count);
}

/* Shows the lock that it ends; one that somebody takes after that stays. */
int verb_skip_wait(struct cli *c)
{
    int64_t position, token;
    struct reply r;
    if (!read_which(c, &position))
        return failed(c);
    if (position < 0 && !find_locked(c, &position))
        return report(c);
    if (!get_data(c, node_path(c, position, ""), &r))
        return report(c);
    struct json lock = json_get(r.data, STR("lock"));
    if (!json_i64(json_get(lock, STR("token")), &token)) {
        (void)fail(&c->err, ERR_CONFLICT,
                   PRI_STR " in " PRI_STR " is not locked; it is " PRI_STR
                           ". What it waits for: signalbox explain " PRI_STR "/%lld",
                   FMT_STR(safe_z(c, r.data, "component")), FMT_STR(safe_z(c, r.data, "stack")),
                   FMT_STR(safe_z(c, r.data, "state")), FMT_STR(safe(c, c->argument[0])),
                   (long long)position);
        return report(c);
    }
    str by = safe_z(c, lock, "actor"), message = safe_z(c, lock, "lockMessage");
    say(c, "The lock%s" PRI_STR "%s" PRI_STR " ends\n", by.len ? " of " : "", FMT_STR(by),
        message.len ? ": " : "", FMT_STR(message));
    return order(c, node_path(c, position, "/skip-wait"), skip_body(c, token),
                 "It goes on, through whatever else it waits for");
}
