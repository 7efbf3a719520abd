/*
 * feedback_table: every node by level, in the folded part. Past the limit each level keeps its most
 * telling rows and its counts.
 */
#include "base/rfc3339.h"
#include "domain/feedback_parts.h"

/* Rows are ordered by level, then by what a reader looks for first. What is not dispatched stands
 * last, in a level of its own. */
enum { LEVELS_MAX = 40, NOT_DISPATCHED = UINT32_MAX };

static uint32_t level_of(const struct node_view *n)
{
    return n->state == NODE_INERT ? (uint32_t)NOT_DISPATCHED : n->level;
}

static int urgency(enum node_state s)
{
    static const int order[NODE_STATE_COUNT] = {
        [NODE_FAILED] = 0,      [NODE_TIMED_OUT] = 1, [NODE_ERROR] = 2,       [NODE_CANCELLED] = 3,
        [NODE_APPROVAL] = 4,    [NODE_BLOCKED] = 5,   [NODE_RUNNING] = 6,     [NODE_CANCELLING] = 7,
        [NODE_DISPATCHING] = 8, [NODE_QUEUED] = 9,    [NODE_READY] = 10,      [NODE_WAITING] = 11,
        [NODE_SUCCEEDED] = 12,  [NODE_SKIPPED] = 13,  [NODE_SUPERSEDED] = 14, [NODE_INERT] = 15,
    };
    return order[s];
}

static int by_row(const void *ctx, uint32_t a, uint32_t b)
{
    const struct summary *s = ctx;
    const struct node_view *x = &s->b->node[a], *y = &s->b->node[b];
    int c = order_number(level_of(x), level_of(y));
    if (c == 0)
        c = order_number(urgency(x->state), urgency(y->state));
    return c ? c : order_number(s->rank[a], s->rank[b]);
}

static str inert_words(const struct node_view *n)
{
    if (node_is_deleted(n))
        return STR("🗑️ removed from the configuration: not dispatched; destroy by hand");
    if (str_eq(n->inert, STR("disabled")))
        return STR("➖ not dispatched: disabled");
    if (str_eq(n->inert, STR("no_workflow")))
        return STR("➖ not dispatched: no workflow for this event");
    return STR("➖ not dispatched");
}

static const char *badge_words(enum command c)
{
    static const char *const words[] = { [COMMAND_UNKNOWN] = "",
                                         [COMMAND_PLAN] = "plan ",
                                         [COMMAND_APPLY] = "apply ",
                                         [COMMAND_DETECT] = "detect ",
                                         [COMMAND_REMEDIATE] = "remediate " };
    return words[c];
}

str table_cell_status(struct arena *mem, const struct summary *s, uint32_t node)
{
    const struct node_view *n = &s->b->node[node];
    if (n->state == NODE_INERT)
        return inert_words(n);
    str status = arena_print(mem, "%s %s%s", state_icon(n->state), badge_words(n->badge),
                             state_word(n->state));
    uint32_t cause = s->cause[node];
    if (cause != NO_NODE && n->state == NODE_WAITING)
        return arena_print(mem, "%s for %s", z(status), z(words_node(mem, s, cause)));
    if (cause != NO_NODE && n->state == NODE_SKIPPED)
        return arena_print(mem, "%s: %s %s", z(status), z(words_node(mem, s, cause)),
                           state_word(s->b->node[cause].state));
    if (n->state == NODE_BLOCKED && n->blocked_by.len)
        return arena_print(mem, "🔒 %swaits for %s", badge_words(n->badge),
                           z(words_sentence(mem, n->blocked_by, NAME_CHARS_MAX)));
    if (n->state == NODE_BLOCKED && n->waits_for_runner.len)
        return arena_print(mem, "⏳ %swaits for a full runner", badge_words(n->badge));
    return markdown_link(mem, status, n->run_url);
}

static str cell_changes(struct arena *mem, const struct node_view *n)
{
    if (n->has_counts)
        return words_changes(mem, node_changes(n), badge_applies(n->badge));
    if (n->has_exit && !badge_applies(n->badge) && (n->exit_code == 0 || n->exit_code == 2))
        return n->exit_code == 2 ? STR("changes") : STR("no changes");
    return STR("");
}

static str cell_time(struct arena *mem, const struct node_view *n)
{
    if (n->started_ms > 0 && n->ended_ms >= n->started_ms)
        return duration_write(mem, n->ended_ms - n->started_ms);
    if (n->state < NODE_SUCCEEDED && n->expected_ms > 1)
        return arena_print(mem, "usually %s", z(duration_write(mem, n->expected_ms)));
    return STR("");
}

static bool row(struct page *p, const struct summary *s, uint32_t node)
{
    const struct node_view *n = &s->b->node[node];
    str name = markdown_code(p->mem, n->component, NAME_CHARS_MAX);
    if (s->twin[node] && n->workflow.len)
        name = arena_print(p->mem, "%s by %s", z(name),
                           z(markdown_code(p->mem, n->workflow, NAME_CHARS_MAX)));
    return page_print(p, "| %s | %s | %s | %s | %s |", z(name),
                      z(markdown_code(p->mem, n->stack, NAME_CHARS_MAX)),
                      z(table_cell_status(p->mem, s, node)), z(cell_changes(p->mem, n)),
                      z(cell_time(p->mem, n)));
}

struct level {
    uint32_t first, count;
};

static uint32_t split_levels(const struct summary *s, const uint32_t *order, struct level *level)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->b->count; i++) {
        if (i == 0 || level_of(&s->b->node[order[i - 1]]) != level_of(&s->b->node[order[i]]))
            level[n++].first = i;
        level[n - 1].count++;
    }
    return n;
}

static bool level_row(struct page *p, const struct summary *s, const uint32_t *order,
                      const struct level *l, uint32_t number)
{
    uint32_t by_state[NODE_STATE_COUNT] = { 0 };
    for (uint32_t i = 0; i < l->count; i++)
        by_state[s->b->node[order[l->first + i]].state]++;
    str size = text_number(p->mem, l->count);
    if (by_state[NODE_INERT])
        return page_print(p, "| **Not dispatched** (%s) | | | | |", z(size));
    return page_print(p, "| **Level %s** (%s) | | %s | | |", z(text_number(p->mem, number)),
                      z(size), z(words_states(p->mem, by_state)));
}

void section_table(struct page *p, const struct summary *s, uint32_t rows)
{
    uint32_t n = s->b->count, *order = arena_make(p->mem, uint32_t, (size_t)n + 1);
    struct level *level = arena_make(p->mem, struct level, (size_t)n + 1);
    memcpy(order, s->order, n * sizeof *order);
    sort_indexes(p->mem, order, n, by_row, s);
    uint32_t levels = split_levels(s, order, level),
             shown_levels = levels < LEVELS_MAX ? levels : (uint32_t)LEVELS_MAX;
    uint32_t each = n <= rows ? n : rows / (shown_levels ? shown_levels : 1), shown = 0;
    bool room = page_line(p, STR("| Component | Stack | Status | Changes | Time |")) &&
                page_line(p, STR("|---|---|---|---|---|"));
    for (uint32_t i = 0; room && i < shown_levels; i++) {
        room = levels == 1 || level_row(p, s, order, &level[i], i + 1);
        uint32_t most = level[i].count < each ? level[i].count : each ? each : 1;
        for (uint32_t k = 0; room && k < most; k++) {
            room = row(p, s, order[level[i].first + k]);
            shown += room;
        }
    }
    if (shown < n) {
        p->end += TABLE_TAIL_BYTES - 64;
        page_print(p, "\n… and %s more: %s", z(text_number(p->mem, n - shown)),
                   z(markdown_link(p->mem, STR("see all"), s->b->url)));
    }
}
