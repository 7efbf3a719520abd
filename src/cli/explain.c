/* explain: the reasons of a batch, a node or a pull request, as a person reads them. */
#include "base/buf.h"
#include "base/rfc3339.h"
#include "cli/inside.h"

enum { PATH_BYTES_MAX = 8 << 10, LABEL_WIDTH = 8, LINE_LEAST = 40 };

const struct option explain_options[] = {
    {"component", 'c', "NAME", "With --stack: one node of the batch.", false},
    {"stack", 's', "NAME", "With --component.", false},
    {"workflow", 'f', "FILE", "When the batch has several nodes of the instance.", false},
    {"repo", 'r', "OWNER/NAME",
     "Repository of #<number> (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one).",
     false},
    OPTIONS_END};

/* --- what is asked about --- */

static bool pull_path(struct cli *c, str what, str *path)
{
    int64_t id;
    str number;
    if (!pull_read(c, what, &id, &number))
        return false;
    *path = arena_print(c->mem, "/api/v1/repositories/%lld/pulls/" PRI_STR "/explain",
                        (long long)id, FMT_STR(number));
    return true;
}

static bool batch_path(struct cli *c, str what, str *path)
{
    str position, id = str_cut(what, '/', &position);
    int64_t at;
    bool by_name;
    struct buf b;
    if (!instance_named(c, &by_name))
        return false;
    if (by_name && position.len)
        return fail(&c->err, ERR_INVALID, "give a position, or --component and --stack, not both");
    if (position.ptr && !position_read(c, position, &at))
        return false;
    buf_init(&b, c->mem, PATH_BYTES_MAX);
    buf_print(&b, "/api/v1/batches/" PRI_STR, FMT_STR(path_part(c->mem, id)));
    if (position.len)
        buf_print(&b, "/nodes/%lld", (long long)at);
    buf_add(&b, STR("/explain"));
    query_add(&b, "component", opt_text(c, "component"));
    query_add(&b, "stack", opt_text(c, "stack"));
    query_add(&b, "workflow", opt_text(c, "workflow"));
    *path = buf_str(&b);
    return true;
}

/* --- showing it --- */

/* Red: it went wrong. Yellow: a person can change it. Cyan: under way. The rest waits by itself. */
static const char *reason_colour(str code)
{
    static const struct {
        const char *code, *colour;
    } table[] = {{"no_upload", "31"},      {"not_planned", "31"}, {"dispatch_error", "31"},
                 {"failed", "31"},         {"timed_out", "31"},   {"app_gone", "31"},
                 {"locked", "33"},         {"approval", "33"},    {"fork", "33"},
                 {"cancelled", "33"},      {"progress", "36"},    {"running", "36"},
                 {"dispatching", "36"},    {"queued", "36"},      {"preparing", "36"},
                 {"succeeded", "32"}};
    for (size_t i = 0; i < COUNT(table); i++)
        if (str_eq(code, str_of(table[i].code)))
            return table[i].colour;
    return str_starts(code, STR("held")) ? "33" : "1";
}

/* Words of `text`, broken between them where the terminal ends; the following lines are indented. */
static void put_wrapped(struct cli *c, str text, size_t indent)
{
    size_t columns = c->edge->columns, used = indent;
    bool first = true;
    while (text.len) {
        str word = str_cut(text, ' ', &text);
        size_t cells = text_width(word);
        bool breaks = columns >= LINE_LEAST && !first && used + 1 + cells > columns;
        if (breaks)
            put(c, "\n%*s" PRI_STR, (int)indent, "", FMT_STR(word));
        else
            put(c, "%s" PRI_STR, first ? "" : " ", FMT_STR(word));
        used = breaks ? indent + cells : used + cells + (first ? 0 : 1);
        first = false;
    }
    put(c, "\n");
}

static void put_label(struct cli *c, const char *label, str text)
{
    if (!text.len)
        return;
    put(c, "   %s%s%s%*s", paint(c, "2"), label, paint(c, "0"),
        LABEL_WIDTH - (int)text_width(str_of(label)), "");
    put_wrapped(c, text, 3 + LABEL_WIDTH);
}

static str exact(struct cli *c, str relative, int64_t at_ms)
{
    return arena_print(c->mem, PRI_STR " (" PRI_STR ")", FMT_STR(relative),
                       FMT_STR(rfc3339_write(c->mem, at_ms)));
}

static void put_reason(struct cli *c, struct json one, size_t number)
{
    str code = safe_z(c, one, "code"), text = safe_z(c, one, "text"), change = safe_z(c, one, "change");
    int64_t since = time_of(c, json_get(one, STR("since"))),
            end = time_of(c, json_get(one, STR("until")));
    const char *head = arena_print(c->mem, "%zu.", number).ptr;
    if (c->plain) {
        put(c, "%zu\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\n",
            number, FMT_STR(code), FMT_STR(since ? rfc3339_write(c->mem, since) : STR("")),
            FMT_STR(end ? rfc3339_write(c->mem, end) : STR("")), FMT_STR(text), FMT_STR(change),
            FMT_STR(safe_z(c, one, "url")));
        return;
    }
    put(c, "%s%-3s%s", paint(c, reason_colour(code)), head, paint(c, "0"));
    put_wrapped(c, text, 3);
    if (change.len)
        put_label(c, "→", change);
    if (since)
        put_label(c, "since", exact(c, ago(c, since), since));
    if (end > c->now_ms)
        put_label(c, "until", exact(c, until(c, end), end));
    put_label(c, "look", safe_z(c, one, "url"));
}

/* "acme/infra#12  app in dev  batch_01…  running" */
static void put_subject(struct cli *c, struct json d)
{
    str repository = safe_z(c, d, "repository"), number = safe_z(c, d, "change.number");
    str id = safe_z(c, d, "batch.id"), component = safe_z(c, d, "node.component");
    put(c, "%s" PRI_STR "%s" PRI_STR "%s", paint(c, "1"), FMT_STR(repository),
        number.len && !str_eq(number, STR("null")) ? "#" : "", FMT_STR(number), paint(c, "0"));
    if (component.len)
        put(c, "  " PRI_STR " in " PRI_STR, FMT_STR(component),
            FMT_STR(safe_z(c, d, "node.stack")));
    if (id.len)
        put(c, "  " PRI_STR "  " PRI_STR, FMT_STR(id),
            FMT_STR(coloured_state(c, safe_z(c, d, "batch.state"))));
    if (json_bool_or(json_path(d, "change.draft"), false))
        put(c, "  %sdraft%s", paint(c, "33"), paint(c, "0"));
    str title = safe_z(c, d, "change.title");
    if (title.len)
        put(c, "  %s" PRI_STR "%s", paint(c, "2"), FMT_STR(title), paint(c, "0"));
    put(c, "\n\n");
}

int verb_explain(struct cli *c)
{
    str what = c->argument[0], path, key;
    struct reply r;
    struct json one;
    bool pull = str_find(what, '#', 0) < what.len || str_has(what, STR("/pull/"));
    if (!(pull ? pull_path(c, what, &path) : batch_path(c, what, &path)))
        return failed(c);
    if (!get_data(c, path, &r))
        return report(c);
    if (c->json) {
        json_show(c, json_raw(r.data));
        return 0;
    }
    /* Its clock counts: "3 min ago" is of the server's time. */
    int64_t as_of = time_of(c, json_get(r.data, STR("asOf")));
    c->now_ms = as_of ? as_of : c->now_ms;
    if (!c->plain)
        put_subject(c, r.data);
    struct json_iter it = json_iter(json_get(r.data, STR("reasons")));
    for (size_t n = 1; json_next(&it, c->mem, &key, &one); n++)
        put_reason(c, one, n);
    return 0;
}
