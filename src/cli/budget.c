/* budget: what the App may spend at the forge, who has a claim on it, who waits, who spent it. */
#include "base/buf.h"
#include "cli/inside.h"

static const struct column installation_columns[] = {
    {"INSTALLATION", "id", CELL_NUMBER}, {"ACCOUNT", "account", CELL_TEXT},
    {"REMAINING", "remaining", CELL_NUMBER}, {"LIMIT", "limit", CELL_NUMBER},
    {"SAFE", "safe", CELL_NUMBER},       {"CLAIMED", "claimed", CELL_NUMBER},
    {"WAITING", "waiting", CELL_NUMBER}, {"RESET", "resetAt", CELL_UNTIL},
};
static const struct column budget_record[] = {
    {"installation", "id", CELL_NUMBER},    {"account", "account", CELL_TEXT},
    {"suspended", "suspended", CELL_BOOL},  {"known", "known", CELL_BOOL},
    {"remaining", "remaining", CELL_NUMBER}, {"limit", "limit", CELL_NUMBER},
    {"resets", "resetAt", CELL_UNTIL},      {"safe", "safe", CELL_NUMBER},
    {"kept back", "reserved", CELL_NUMBER}, {"claimed", "claimed", CELL_NUMBER},
    {"waiting", "waiting", CELL_NUMBER},    {"told to wait", "blockedUntil", CELL_UNTIL},
    {"heard", "observedAt", CELL_AGO},
};
static const struct column spent_columns[] = {
    {"SPENT ON", "purpose", CELL_TEXT}, {"CALLS", "calls", CELL_NUMBER},
    {"REFUSED", "refused", CELL_NUMBER},
};
static const struct column claim_columns[] = {
    {"CLAIMED BY", "batch", CELL_TEXT}, {"REPOSITORY", "repository", CELL_TEXT},
    {"GRANTED", "granted", CELL_NUMBER}, {"LEFT", "left", CELL_NUMBER},
    {"SINCE", "grantedAt", CELL_AGO},
};
static const struct column held_columns[] = {
    {"WAITS", "batch", CELL_TEXT},     {"REPOSITORY", "repository", CELL_TEXT},
    {"WANTED", "wanted", CELL_NUMBER}, {"BY PARTS", "byParts", CELL_BOOL},
    {"SINCE", "since", CELL_AGO},
};

static void show_part(struct cli *c, struct json items, const struct column *columns, size_t count)
{
    struct table *t = table_new(c, columns, count);
    struct json_iter it = json_iter(items);
    struct json item;
    str key;
    if (json_count(items) == 0)
        return;
    while (json_next(&it, c->mem, &key, &item))
        table_add(t, item);
    put(c, "\n");
    table_show(t);
}

static int show_budget(struct cli *c, str id)
{
    struct reply r;
    str path = arena_print(c->mem, "/api/v1/installations/" PRI_STR "/budget",
                           FMT_STR(path_part(c->mem, id)));
    if (!get_data(c, path, &r))
        return report(c);
    if (c->json) {
        json_show(c, json_raw(r.data));
        return 0;
    }
    record_show(c, r.data, budget_record, COUNT(budget_record));
    show_part(c, json_get(r.data, STR("spent")), spent_columns, COUNT(spent_columns));
    show_part(c, json_get(r.data, STR("claims")), claim_columns, COUNT(claim_columns));
    show_part(c, json_get(r.data, STR("held")), held_columns, COUNT(held_columns));
    return 0;
}

int verb_budget(struct cli *c)
{
    struct list l = {.path = STR("/api/v1/installations"),
                     .columns = installation_columns,
                     .column_count = COUNT(installation_columns),
                     .nothing = "The App is not installed anywhere yet"};
    return c->argument_count ? show_budget(c, c->argument[0]) : list_show(c, &l);
}
