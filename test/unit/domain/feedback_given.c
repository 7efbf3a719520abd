#include "feedback_given.h"

static const char *const components[] = {"network/vpc", "iam/roles", "eks/cluster", "rds/main",
                                         "dns/zone",    "s3/logs",   "alb/public",  "ecr/images"};
static const char *const regions[] = { "ue1", "ue2", "uw2", "ew1" };
static const char *const stages[] = { "prod", "staging", "dev" };

static void name_node(struct arena *mem, struct node_view *n, uint32_t i)
{
    uint32_t kinds = sizeof components / sizeof *components, round = i / kinds;
    n->component = str_of(components[i % kinds]);
    n->stack = arena_print(mem, "plat-%s-%s%s", regions[round % 4], stages[round / 4 % 3],
                           round < 12 ? "" : arena_print(mem, "-%u", round / 12).ptr);
}

static void give_parents(struct arena *mem, struct node_view *node, uint32_t i, uint32_t count,
                         uint32_t levels)
{
    uint32_t wide = (count + levels - 1) / levels, level = i / wide;
    node[i].level = level;
    if (level == 0)
        return;
    uint32_t *parent = arena_make(mem, uint32_t, 2), above = (level - 1) * wide;
    parent[0] = above + i * 7 % wide;
    parent[1] = above + i * 3 % wide;
    node[i].parents = parent;
    node[i].parent_count = i % 3 == 0 && parent[0] != parent[1] ? 2 : 1;
}

void given_batch(struct given *g, struct arena *mem, uint32_t count, uint32_t levels,
                 const char *activity)
{
    bool merged = strcmp(activity, "merged") == 0;
    *g = (struct given){
        .mem = mem, .count = count, .node = arena_make(mem, struct node_view, (size_t)count + 1)};
    for (uint32_t i = 0; i < count; i++) {
        struct node_view *n = &g->node[i];
        name_node(mem, n, i);
        n->badge = merged ? COMMAND_APPLY : COMMAND_PLAN;
        n->workflow = merged ? STR("apply.yaml") : STR("plan.yaml");
        n->expected_ms = 4 * MINUTE_MS;
        give_parents(mem, g->node, i, count, levels);
    }
    g->batch[0] = (struct batch_view){
        .id = STR("bat_1"),
        .url = STR("https://box.example/batches/bat_1"),
        .repository = STR("acme/infra"),
        .kind = CHANGE_PULL_REQUEST,
        .activity = str_of(activity),
        .head_sha = STR("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"),
        .state = "running",
        .verdict = "",
        .node = g->node,
        .count = count,
        .as_of_ms = NOON_MS,
    };
    g->change = (struct change_view){
        .product = STR("Signalbox"),
        .kind = CHANGE_PULL_REQUEST,
        .number = 12,
        .title = STR("Larger cluster"),
        .head_sha = g->batch[0].head_sha,
        .page_url = STR("https://box.example/changes/12"),
    };
    given_batches(g, 1);
}

void given_batches(struct given *g, uint32_t count)
{
    g->change.batch = g->batch;
    g->change.batch_count = count;
}

static void run_url(struct given *g, uint32_t i)
{
    g->node[i].run_url = arena_print(g->mem, "https://github.example/acme/infra/actions/runs/%u", 7000 + i);
}

static bool parents_good(const struct given *g, uint32_t i)
{
    for (uint32_t k = 0; k < g->node[i].parent_count; k++)
        if (g->node[g->node[i].parents[k]].state != NODE_SUCCEEDED)
            return false;
    return true;
}

void given_progress(struct given *g, uint32_t ended, uint32_t running)
{
    for (uint32_t i = 0; i < g->count && (ended || running); i++) {
        struct node_view *n = &g->node[i];
        if (n->state != NODE_WAITING || !parents_good(g, i))
            continue;
        if (i >= ended && !running)
            continue;
        run_url(g, i);
        n->started_ms = NOON_MS - (int64_t)(5 + i % 7) * MINUTE_MS;
        if (i < ended) {
            n->state = NODE_SUCCEEDED;
            n->ended_ms = n->started_ms + (int64_t)(100 + i % 50) * 1000;
        } else {
            running--;
            n->state = NODE_RUNNING;
        }
    }
}

static void skip_behind(struct given *g, uint32_t bad)
{
    for (uint32_t i = bad + 1; i < g->count; i++)
        for (uint32_t k = 0; k < g->node[i].parent_count; k++) {
            uint32_t parent = g->node[i].parents[k];
            if (parent == bad || g->node[parent].state == NODE_SKIPPED)
                g->node[i].state = NODE_SKIPPED;
        }
}

void given_failed(struct given *g, uint32_t i, enum node_state state, const char *error_text)
{
    struct node_view *n = &g->node[i];
    n->state = state;
    n->error_text = str_of(error_text);
    if (state != NODE_ERROR) {
        run_url(g, i);
        n->started_ms = NOON_MS - 4 * MINUTE_MS;
        n->ended_ms = NOON_MS - MINUTE_MS;
        n->has_exit = true;
        n->exit_code = 1;
    }
    skip_behind(g, i);
}

void given_counts(struct given *g, uint32_t i, int64_t create, int64_t change, int64_t replace,
                  int64_t destroy)
{
    struct node_view *n = &g->node[i];
    n->has_counts = true;
    n->create = create;
    n->change = change;
    n->replace = replace;
    n->destroy = destroy;
}

void given_shuffled(struct given *g, uint64_t seed)
{
    uint32_t *to = arena_make(g->mem, uint32_t, (size_t)g->count + 1);
    struct node_view *node = arena_make(g->mem, struct node_view, (size_t)g->count + 1);
    for (uint32_t i = 0; i < g->count; i++)
        to[i] = i;
    for (uint32_t i = g->count; i > 1; i--) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t j = (uint32_t)(seed >> 33) % i, swap = to[i - 1];
        to[i - 1] = to[j];
        to[j] = swap;
    }
    for (uint32_t i = 0; i < g->count; i++) {
        struct node_view n = g->node[i];
        uint32_t *parents = arena_make(g->mem, uint32_t, (size_t)n.parent_count + 1);
        for (uint32_t k = 0; k < n.parent_count; k++)
            parents[n.parent_count - 1 - k] = to[n.parents[k]];
        n.parents = parents;
        node[to[i]] = n;
    }
    g->node = node;
    g->batch[0].node = node;
}

bool given_has(str s, const char *part) { return str_has(s, str_of(part)); }

size_t given_times(str s, const char *part)
{
    size_t n = 0, len = strlen(part);
    for (size_t i = 0; i + len <= s.len; i++)
        n += memcmp(s.ptr + i, part, len) == 0;
    return n;
}

size_t given_visible_lines(str comment)
{
    size_t n = 0;
    bool folded = false;
    for (str line, rest = comment; rest.len;) {
        line = str_cut(rest, '\n', &rest);
        if (str_starts(line, STR("</details>")))
            folded = false;
        else if (line.len && !folded && !str_starts(line, STR("<!--")))
            n++;
        if (str_starts(line, STR("<details><summary>")))
            folded = true;
    }
    return n;
}
