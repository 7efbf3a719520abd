/*
 * feedback_model: one batch counted and put in order, so that the sections only have to write.
 */
#include "domain/feedback_parts.h"

void sort_indexes(struct arena *mem, uint32_t *at, uint32_t count, node_order *order,
                  const void *ctx)
{
    uint32_t *from = at, *to = arena_make(mem, uint32_t, (size_t)count + 1);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t lo = 0; lo < count; lo += 2 * width) {
            size_t mid = lo + width < count ? lo + width : count;
            size_t hi = lo + 2 * width < count ? lo + 2 * width : count;
            for (size_t a = lo, b = mid, k = lo; k < hi; k++)
                to[k] = a < mid && (b >= hi || order(ctx, from[a], from[b]) <= 0) ? from[a++]
                                                                                  : from[b++];
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != at && count)
        memcpy(at, from, count * sizeof *at);
}

bool node_is_deleted(const struct node_view *n)
{
    return n->state == NODE_INERT && str_eq(n->inert, STR("deleted"));
}

bool batch_speaks(const struct batch_view *b)
{
    if (b->error.len)
        return true;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->node[i].state != NODE_INERT || node_is_deleted(&b->node[i]))
            return true;
    return false;
}

const struct batch_view *change_lead(const struct change_view *c)
{
    for (uint32_t i = 0; i < c->batch_count; i++)
        if (batch_speaks(&c->batch[i]))
            return &c->batch[i];
    return NULL;
}

static int same_instance(const struct node_view *a, const struct node_view *b)
{
    int c = str_cmp(a->component, b->component);
    return c ? c : str_cmp(a->stack, b->stack);
}

static int by_name(const void *ctx, uint32_t a, uint32_t b)
{
    const struct node_view *node = ctx;
    int c = same_instance(&node[a], &node[b]);
    if (c == 0)
        c = str_cmp(node[a].workflow, node[b].workflow);
    if (c == 0)
        c = order_number(node[a].state, node[b].state);
    return c ? c : order_number(a, b);
}

static void put_in_order(struct arena *mem, struct summary *s)
{
    uint32_t n = s->b->count;
    const struct node_view *node = s->b->node;
    s->order = arena_make(mem, uint32_t, (size_t)n + 1);
    s->rank = arena_make(mem, uint32_t, (size_t)n + 1);
    s->twin = arena_make(mem, bool, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        s->order[i] = i;
    sort_indexes(mem, s->order, n, by_name, node);
    for (uint32_t i = 0; i < n; i++) {
        s->rank[s->order[i]] = i;
        if (i && same_instance(&node[s->order[i - 1]], &node[s->order[i]]) == 0)
            s->twin[s->order[i - 1]] = s->twin[s->order[i]] = true;
    }
}

/* ---- causes ---- */

/* How much a node explains of those that are skipped or wait behind it; the lowest is told. 0:
 * nothing. */
static int explains(enum node_state of, enum node_state parent)
{
    static const int skipped[NODE_STATE_COUNT] = {
        [NODE_FAILED] = 1,    [NODE_TIMED_OUT] = 1,  [NODE_ERROR] = 2,
        [NODE_CANCELLED] = 3, [NODE_SUPERSEDED] = 4,
    };
    static const int waiting[NODE_STATE_COUNT] = {
        [NODE_APPROVAL] = 1,    [NODE_BLOCKED] = 2, [NODE_CANCELLING] = 3, [NODE_RUNNING] = 3,
        [NODE_DISPATCHING] = 4, [NODE_QUEUED] = 4,  [NODE_READY] = 5,
    };
    return of == NODE_SKIPPED ? skipped[parent] : waiting[parent];
}

static void offer(const struct summary *s, uint32_t node, uint32_t cause)
{
    uint32_t had = s->cause[node];
    if (cause == NO_NODE || had == cause)
        return;
    enum node_state of = s->b->node[node].state;
    int better = had == NO_NODE
                     ? -1
                     : explains(of, s->b->node[cause].state) - explains(of, s->b->node[had].state);
    if (better < 0 || (better == 0 && s->rank[cause] < s->rank[had]))
        s->cause[node] = cause;
}

struct step {
    uint32_t node, next;
};

static bool is_behind(enum node_state s) { return s == NODE_SKIPPED || s == NODE_WAITING; }

/* Walks from `start` up through parents in the same state; depth first, without recursion. A loop
 * in the view ends at `seen`. */
static void find_causes(const struct summary *s, uint32_t start, bool *seen, struct step *stack)
{
    const struct node_view *node = s->b->node;
    enum node_state state = node[start].state;
    uint32_t depth = 0;
    stack[depth++] = (struct step){ start, 0 };
    seen[start] = true;
    while (depth) {
        struct step *at = &stack[depth - 1];
        if (at->next == node[at->node].parent_count) {
            depth--;
            if (depth)
                offer(s, stack[depth - 1].node, s->cause[at->node]);
            continue;
        }
        uint32_t parent = node[at->node].parents[at->next++];
        if (parent >= s->b->count)
            continue;
        if (explains(state, node[parent].state))
            offer(s, at->node, parent);
        else if (node[parent].state == state && seen[parent])
            offer(s, at->node, s->cause[parent]);
        else if (node[parent].state == state) {
            seen[parent] = true;
            stack[depth++] = (struct step){ parent, 0 };
        }
    }
}

static void attribute(struct arena *mem, struct summary *s)
{
    uint32_t n = s->b->count;
    bool *seen = arena_make(mem, bool, (size_t)n + 1);
    struct step *stack = arena_make(mem, struct step, (size_t)n + 1);
    s->cause = arena_make(mem, uint32_t, (size_t)n + 1);
    s->behind = arena_make(mem, uint32_t, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        s->cause[i] = NO_NODE;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = s->order[i];
        if (is_behind(s->b->node[node].state) && !seen[node])
            find_causes(s, node, seen, stack);
    }
    for (uint32_t i = 0; i < n; i++)
        if (s->cause[i] != NO_NODE)
            s->behind[s->cause[i]]++;
}

/* ---- counts ---- */

static int64_t at_least_0(int64_t n) { return n > 0 ? n : 0; }

static int64_t sum(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

struct changes node_changes(const struct node_view *n)
{
    return (struct changes){ at_least_0(n->create), at_least_0(n->change), at_least_0(n->replace),
                             at_least_0(n->destroy) };
}

bool changes_any(struct changes c) { return c.create || c.change || c.replace || c.destroy; }

bool badge_applies(enum command c) { return c == COMMAND_APPLY || c == COMMAND_REMEDIATE; }

static void count_changes(struct summary *s, const struct node_view *n)
{
    if (!n->has_counts) {
        s->uncounted += n->has_exit && n->exit_code == 2 && !badge_applies(n->badge);
        return;
    }
    struct changes c = node_changes(n);
    s->changes =
        (struct changes){ sum(s->changes.create, c.create), sum(s->changes.change, c.change),
                          sum(s->changes.replace, c.replace), sum(s->changes.destroy, c.destroy) };
    s->applied = badge_applies(n->badge) && (s->counted == 0 || s->applied);
    s->counted++;
    s->changed += changes_any(c);
}

static void count_nodes(struct summary *s)
{
    for (uint32_t i = 0; i < s->b->count; i++) {
        const struct node_view *n = &s->b->node[i];
        s->by_state[n->state]++;
        s->deleted += node_is_deleted(n);
        s->total += n->state != NODE_INERT;
        s->ended += n->state >= NODE_SUCCEEDED && n->state != NODE_INERT;
        count_changes(s, n);
    }
    s->failed = s->by_state[NODE_FAILED] + s->by_state[NODE_TIMED_OUT] + s->by_state[NODE_ERROR];
}

bool summary_ended(const struct summary *s) { return s->total > 0 && s->ended == s->total; }

void summary_make(struct arena *mem, const struct batch_view *b, struct summary *s)
{
    *s = (struct summary){ .b = b };
    put_in_order(mem, s);
    count_nodes(s);
    attribute(mem, s);
}

/* ---- stories ---- */

static int by_text(str a, str b) { return str_cmp(a, b); }

static int by_error(const struct node_view *a, const struct node_view *b)
{
    int c = by_text(a->error_text, b->error_text);
    return c ? c : by_text(a->error_code, b->error_code);
}

static int by_lock(const struct node_view *a, const struct node_view *b)
{
    int c = by_text(a->blocked_by, b->blocked_by);
    if (c == 0)
        c = by_text(a->waits_for_runner, b->waits_for_runner);
    if (c == 0)
        c = order_number(a->lock_expires_ms, b->lock_expires_ms);
    if (c == 0)
        c = by_text(a->lock_message, b->lock_message);
    return c ? c : by_text(a->lock_actor, b->lock_actor);
}

/* Which stories are told first. */
static const int weight[NODE_STATE_COUNT] = {
    [NODE_FAILED] = 1,    [NODE_TIMED_OUT] = 2, [NODE_ERROR] = 3,
    [NODE_CANCELLED] = 4, [NODE_APPROVAL] = 5,  [NODE_BLOCKED] = 6,
};

/* 0: the two tell one story. A failure without words, and an approval, stand alone: each has a page
 * of its own to look at. */
static int by_story(const struct summary *s, uint32_t a, uint32_t b)
{
    const struct node_view *x = &s->b->node[a], *y = &s->b->node[b];
    if (x->state != y->state)
        return order_number(weight[x->state], weight[y->state]);
    if (x->state == NODE_CANCELLED)
        return 0;
    if (x->state == NODE_BLOCKED)
        return by_lock(x, y);
    int c = x->state == NODE_APPROVAL ? 0 : by_error(x, y);
    bool alone = x->state == NODE_APPROVAL || (x->error_text.len == 0 && x->error_code.len == 0);
    return c ? c : alone ? order_number(s->rank[a], s->rank[b]) : 0;
}

static int by_story_then_name(const void *ctx, uint32_t a, uint32_t b)
{
    const struct summary *s = ctx;
    int c = by_story(s, a, b);
    return c ? c : order_number(s->rank[a], s->rank[b]);
}

struct stories_in {
    const struct summary *s;
    const struct stories *t;
};

static int by_weight(const void *ctx, uint32_t a, uint32_t b)
{
    const struct stories_in *in = ctx;
    const struct story *x = &in->t->at[a], *y = &in->t->at[b];
    uint32_t i = in->t->node[x->first], j = in->t->node[y->first];
    int c = order_number(weight[in->s->b->node[i].state], weight[in->s->b->node[j].state]);
    if (c == 0)
        c = order_number((int64_t)y->count + y->behind, (int64_t)x->count + x->behind);
    return c ? c : order_number(in->s->rank[i], in->s->rank[j]);
}

static void rank_stories(struct arena *mem, const struct summary *s, struct stories *t)
{
    uint32_t *order = arena_make(mem, uint32_t, (size_t)t->count + 1);
    for (uint32_t i = 0; i < t->count; i++)
        order[i] = i;
    sort_indexes(mem, order, t->count, by_weight, &(struct stories_in){ s, t });
    struct story *sorted = arena_make(mem, struct story, (size_t)t->count + 1);
    for (uint32_t i = 0; i < t->count; i++)
        sorted[i] = t->at[order[i]];
    t->at = sorted;
}

/* Room for every node; the caller picks. */
static struct stories stories_new(struct arena *mem, const struct summary *s)
{
    return (struct stories){ .node = arena_make(mem, uint32_t, (size_t)s->b->count + 1),
                             .at = arena_make(mem, struct story, (size_t)s->b->count + 1) };
}

struct stories stories_of(struct arena *mem, const struct summary *s, uint32_t states)
{
    struct stories t = stories_new(mem, s);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->b->count; i++)
        if (states & STATE_BIT(s->b->node[i].state))
            t.node[n++] = i;
    sort_indexes(mem, t.node, n, by_story_then_name, s);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || by_story(s, t.node[i - 1], t.node[i]) != 0)
            t.at[t.count++] = (struct story){ .first = i };
        t.at[t.count - 1].count++;
        t.at[t.count - 1].behind += s->behind[t.node[i]];
    }
    rank_stories(mem, s, &t);
    return t;
}

static struct stories one_each(struct arena *mem, const struct summary *s,
                               bool (*pick)(const struct node_view *), node_order *order)
{
    struct stories t = stories_new(mem, s);
    for (uint32_t i = 0; i < s->b->count; i++)
        if (pick(&s->b->node[i]))
            t.node[t.count++] = i;
    sort_indexes(mem, t.node, t.count, order, s);
    for (uint32_t i = 0; i < t.count; i++)
        t.at[i] = (struct story){ i, 1, s->behind[t.node[i]] };
    return t;
}

static bool is_changed(const struct node_view *n)
{
    return n->has_counts && changes_any(node_changes(n));
}

static int by_danger(const void *ctx, uint32_t a, uint32_t b)
{
    const struct summary *s = ctx;
    struct changes x = node_changes(&s->b->node[a]), y = node_changes(&s->b->node[b]);
    int c = order_number(y.destroy, x.destroy);
    if (c == 0)
        c = order_number(y.replace, x.replace);
    if (c == 0)
        c = order_number(y.change, x.change);
    if (c == 0)
        c = order_number(y.create, x.create);
    return c ? c : order_number(s->rank[a], s->rank[b]);
}

struct stories stories_changed(struct arena *mem, const struct summary *s)
{
    return one_each(mem, s, is_changed, by_danger);
}

static bool is_running(const struct node_view *n)
{
    return n->state == NODE_RUNNING || n->state == NODE_CANCELLING;
}

static int by_weight_behind(const void *ctx, uint32_t a, uint32_t b)
{
    const struct summary *s = ctx;
    int64_t x = s->b->node[a].started_ms, y = s->b->node[b].started_ms;
    int c = order_number(s->behind[b], s->behind[a]);
    if (c == 0)
        c = order_number(x > 0 ? x : INT64_MAX, y > 0 ? y : INT64_MAX);
    return c ? c : order_number(s->rank[a], s->rank[b]);
}

struct stories stories_running(struct arena *mem, const struct summary *s)
{
    return one_each(mem, s, is_running, by_weight_behind);
}
