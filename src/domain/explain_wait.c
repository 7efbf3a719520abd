/*
 * A node that waits, followed to its roots: the nodes that have not ended and wait for no other
 * node. Everything here is linear in the nodes and edges above it, and ends also in a loop.
 */
#include "domain/explain_parts.h"

/* The open nodes above one, found breadth first: `next` leads back down on a shortest path. */
struct above {
    uint32_t *at, count;            /* at[0] is the node itself */
    uint32_t *next, *root;
    uint32_t  root_count, waiting;
    bool     *seen;
    int64_t  *end_ms;               /* expected; 0: not known */
};

static bool is_open(const struct telling *t, uint32_t node)
{
    return !node_is_final(t->b->node[node].state);
}

static struct above find_above(const struct telling *t, uint32_t node)
{
    uint32_t n = t->b->count;
    struct above a = { .at = arena_make(t->mem, uint32_t, (size_t)n + 1),
                       .next = arena_make(t->mem, uint32_t, (size_t)n + 1),
                       .root = arena_make(t->mem, uint32_t, (size_t)n + 1),
                       .seen = arena_make(t->mem, bool, (size_t)n + 1),
                       .end_ms = arena_make(t->mem, int64_t, (size_t)n + 1) };
    a.at[a.count++] = node;
    a.seen[node] = true;
    for (uint32_t head = 0; head < a.count; head++) {
        const struct node_view *v = &t->b->node[a.at[head]];
        if (head && v->state != NODE_WAITING) {
            a.root[a.root_count++] = a.at[head];
            continue;
        }
        a.waiting += head > 0;
        for (uint32_t k = 0; k < v->parent_count; k++) {
            uint32_t p = v->parents[k];
            if (p >= n || a.seen[p] || !is_open(t, p))
                continue;
            a.seen[p] = true;
            a.next[p] = a.at[head];
            a.at[a.count++] = p;
        }
    }
    return a;
}

/* ---- when it could go ------------------------------------------------------------------------ */

/* 0: nobody can say (a person, another batch, the budget). */
static int64_t root_end_ms(const struct telling *t, const struct node_view *n)
{
    int64_t from_ms = t->now_ms, end_ms;
    switch (n->state) {
    case NODE_RUNNING:
        if (__builtin_add_overflow(n->started_ms, n->expected_ms, &end_ms))
            return 0;
        return end_ms > t->now_ms ? end_ms : t->now_ms;
    case NODE_CANCELLING: return t->now_ms;
    case NODE_BLOCKED:
        if (n->lock_expires_ms <= 0)
            return 0;
        from_ms = n->lock_expires_ms > from_ms ? n->lock_expires_ms : from_ms;
        break;
    case NODE_READY:
        from_ms = n->not_before_ms > from_ms ? n->not_before_ms : from_ms;
        break;
    case NODE_DISPATCHING:
    case NODE_QUEUED: break;
    case NODE_WAITING:
    case NODE_APPROVAL:
    case NODE_SUCCEEDED:
    case NODE_FAILED:
    case NODE_CANCELLED:
    case NODE_TIMED_OUT:
    case NODE_SKIPPED:
    case NODE_SUPERSEDED:
    case NODE_ERROR:
    case NODE_INERT:
    case NODE_STATE_COUNT: return 0;
    }
    return __builtin_add_overflow(from_ms, n->expected_ms, &end_ms) ? 0 : end_ms;
}

struct frame { uint32_t node, parent; int64_t start_ms; };

/* Ends of all open nodes above, depth first without recursion. What leads back to itself is 0. */
static int64_t expected_start(const struct telling *t, struct above *a, uint32_t node)
{
    struct frame *stack = arena_make(t->mem, struct frame, (size_t)a->count + 1);
    bool *begun = arena_make(t->mem, bool, (size_t)t->b->count + 1);
    uint32_t depth = 0;
    int64_t start_ms = 0;
    stack[depth++] = (struct frame){ node, 0, t->now_ms };
    begun[node] = true;
    while (depth) {
        struct frame *f = &stack[depth - 1];
        const struct node_view *v = &t->b->node[f->node];
        bool root = f->node != node && v->state != NODE_WAITING;
        uint32_t p = root || f->parent == v->parent_count ? NO_NODE : v->parents[f->parent++];
        if (p == NO_NODE) {
            start_ms = f->start_ms;
            int64_t end_ms = root ? root_end_ms(t, v) : start_ms;
            if (!root && start_ms && __builtin_add_overflow(start_ms, v->expected_ms, &end_ms))
                end_ms = 0;
            a->end_ms[f->node] = end_ms;
            depth--;
            if (depth) {
                struct frame *below = &stack[depth - 1];
                if (end_ms == 0 || below->start_ms == 0)
                    below->start_ms = 0;
                else if (end_ms > below->start_ms)
                    below->start_ms = end_ms;
            }
        } else if (p < t->b->count && a->seen[p] && !begun[p]) {
            begun[p] = true;
            stack[depth++] = (struct frame){ p, 0, t->now_ms };
        } else if (p < t->b->count && a->seen[p] && f->start_ms) {
            int64_t end_ms = a->end_ms[p];
            f->start_ms = end_ms == 0 ? 0 : end_ms > f->start_ms ? end_ms : f->start_ms;
        }
    }
    return start_ms;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* What needs a person first, then what ends last. */
static int root_weight(enum node_state s)
{
    static const int weight[NODE_STATE_COUNT] = {
        [NODE_APPROVAL] = 1, [NODE_BLOCKED] = 2, [NODE_READY] = 4, [NODE_DISPATCHING] = 3,
        [NODE_QUEUED] = 3,   [NODE_RUNNING] = 3, [NODE_CANCELLING] = 5,
    };
    return weight[s];
}

struct roots { const struct telling *t; const struct above *a; };

static int by_urgency(const void *ctx, uint32_t x, uint32_t y)
{
    const struct roots *r = ctx;
    const struct node_view *node = r->t->b->node;
    int c = order_number(root_weight(node[x].state), root_weight(node[y].state));
    if (c == 0)
        c = order_number(r->a->end_ms[y], r->a->end_ms[x]);
    return c ? c : order_number(r->t->s.rank[x], r->t->s.rank[y]);
}

/* "; 2 others stand between: eks/cluster in prod, dns/zone in prod" */
static str between_text(const struct telling *t, const struct above *a, uint32_t root,
                        uint32_t *between)
{
    uint32_t *path = arena_make(t->mem, uint32_t, (size_t)a->count + 1);
    *between = 0;
    for (uint32_t i = a->next[root]; i != a->at[0]; i = a->next[i])
        path[(*between)++] = i;
    if (*between == 0)
        return STR("");
    return arena_print(t->mem, "; " PRI_STR " between: " PRI_STR,
                       FMT_STR(text_count(t->mem, *between, "other stands", "others stand")),
                       FMT_STR(plain_nodes(t, path, *between, NAMES_TOLD)));
}

static void waits_for(struct telling *t, uint32_t node, struct above *a, int64_t start_ms)
{
    uint32_t root = a->root[0], between;
    str gap = between_text(t, a, root, &between);
    str rest = STR(""), when = STR("");
    if (a->root_count > 1)
        rest = arena_print(t->mem, "; and for " PRI_STR,
                           FMT_STR(text_count(t->mem, a->root_count - 1, "more", "more")));
    if (start_ms > t->now_ms)
        when = arena_print(t->mem, "; it could go at about " PRI_STR,
                           FMT_STR(plain_time(t, start_ms)));
    struct reason *r = tell(t, REASON_WAITS_FOR_PARENT,
                            arena_print(t->mem, PRI_STR " waits for " PRI_STR PRI_STR PRI_STR
                                        PRI_STR PRI_STR,
                                        FMT_STR(plain_node(t, node)), FMT_STR(plain_node(t, root)),
                                        FMT_STR(state_text(t, root)), FMT_STR(gap), FMT_STR(rest),
                                        FMT_STR(when)));
    const struct node_view *n = &t->b->node[node];
    struct numbers f;
    numbers_begin(&f, t->mem);
    number_node(&f, t, node);
    number_put(&f, "parents", n->parent_count);
    number_put(&f, "open", a->count - 1);
    number_put(&f, "between", between);
    number_put(&f, "roots", a->root_count);
    number_put(&f, "root", root);
    number_text(&f, "rootComponent", t->b->node[root].component);
    number_text(&f, "rootStack", t->b->node[root].stack);
    r->numbers = numbers_end(&f);
    r->since_ms = n->changed_ms;
    r->until_ms = start_ms > t->now_ms ? start_ms : 0;
    bool plan = !badge_applies(n->badge) && n->badge != COMMAND_UNKNOWN && !t->b->strict;
    r->change = plan ? STR("it goes by itself when all that it waits for has ended, however it ends")
                     : STR("it goes by itself when all that it waits for has succeeded; it is "
                           "skipped when one of them does not");
}

/* The others that it waits for, and of those that are locked, what would free them. */
static void tell_more_roots(struct telling *t, const uint32_t *root, uint32_t count)
{
    uint32_t *locked = arena_make(t->mem, uint32_t, (size_t)count + 1), locked_count = 0;
    struct numbers f;
    struct reason *r = tell(t, REASON_MORE,
                            arena_print(t->mem, "and " PRI_STR " that it waits for: " PRI_STR,
                                        FMT_STR(text_count(t->mem, count, "more", "more")),
                                        FMT_STR(plain_nodes(t, root, count, NAMES_TOLD))));
    for (uint32_t i = 0; i < count; i++)
        if (is_locked(t, root[i]))
            locked[locked_count++] = root[i];
    if (locked_count)
        r->change = unlock_way(t, locked, locked_count);
    numbers_begin(&f, t->mem);
    number_put(&f, "more", count);
    if (locked_count)
        number_put(&f, "locked", locked_count);
    r->numbers = numbers_end(&f);
}

void tell_waiting(struct telling *t, uint32_t node)
{
    struct above a = find_above(t, node);
    int64_t start_ms = expected_start(t, &a, node);
    if (a.root_count == 0) {            /* a loop in the view, or about to be told */
        struct reason *r = tell(t, REASON_READY,
                                arena_print(t->mem, PRI_STR " waits for nothing that is known: it "
                                            "goes with the next step",
                                            FMT_STR(plain_node(t, node))));
        r->since_ms = t->b->node[node].changed_ms;
        return;
    }
    sort_indexes(t->mem, a.root, a.root_count, by_urgency, &(struct roots){ t, &a });
    waits_for(t, node, &a, start_ms);
    for (uint32_t i = 0; i < a.root_count && i < ROOTS_TOLD; i++)
        tell_node(t, a.root[i]);
    if (a.root_count > ROOTS_TOLD)
        tell_more_roots(t, a.root + ROOTS_TOLD, a.root_count - ROOTS_TOLD);
}

/* ---- the place in the line of those that are ready ------------------------------------------- */

/* As the core counts it (batch.h, tail_ms): what a node takes, and the longest path behind it. */
static int64_t *tails(const struct telling *t)
{
    uint32_t n = t->b->count, queued = 0;
    const struct node_view *node = t->b->node;
    int64_t *tail = arena_make(t->mem, int64_t, (size_t)n + 1);
    uint32_t *children = arena_make(t->mem, uint32_t, (size_t)n + 1);
    uint32_t *queue = arena_make(t->mem, uint32_t, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < node[i].parent_count; k++)
            children[node[i].parents[k] < n ? node[i].parents[k] : n]++;
    for (uint32_t i = 0; i < n; i++)
        if (children[i] == 0)
            queue[queued++] = i;
    for (uint32_t head = 0; head < queued; head++) {
        uint32_t i = queue[head];
        int64_t own = node[i].expected_ms > 0 ? node[i].expected_ms : 1;
        if (__builtin_add_overflow(tail[i], own, &tail[i]))
            tail[i] = INT64_MAX;
        for (uint32_t k = 0; k < node[i].parent_count; k++) {
            uint32_t p = node[i].parents[k];
            if (p >= n)
                continue;
            tail[p] = tail[i] > tail[p] ? tail[i] : tail[p];
            if (--children[p] == 0)
                queue[queued++] = p;
        }
    }
    return tail;
}

uint32_t ready_before(const struct telling *t, uint32_t node)
{
    const int64_t *tail = tails(t);
    uint32_t before = 0;
    for (uint32_t i = 0; i < t->b->count; i++) {
        const struct node_view *n = &t->b->node[i];
        if (n->state == NODE_READY && n->not_before_ms <= t->now_ms)
            before += tail[i] > tail[node] || (tail[i] == tail[node] && i < node);
    }
    return before;
}
