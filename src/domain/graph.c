#include "domain/graph.h"

#include <assert.h>

#include "domain/table.h"
#include "domain/text.h"

enum { NAME_CHARS = 60 };

/* Each level is an object in an array; what is around and inside them is not deeper than this. */
_Static_assert(2 * GRAPH_DEPTH_MAX + 24 <= JSON_DEPTH_DEFAULT,
               "the reader of JSON lets through what may be nested");

struct frame {
    struct json_iter it;            /* the entries still to come at this level */
    uint32_t         parent;        /* whose dependents they are; NO_PARENT for roots */
    size_t           index;         /* of the entry under way, for messages */
};

#define NO_PARENT UINT32_MAX

struct graph_builder {
    struct arena    *mem;
    struct table     names, pairs;
    struct instance *instance;
    str             *type;          /* component_type as first seen, by instance */
    bool            *merged;
    uint32_t         instances_cap;
    struct batch_edge *edge;
    size_t           edge_cap;
    uint32_t         merged_types;
    uint64_t         bad;           /* entries that cannot be used */
};

/* One affected or dependent entry as the wire has it; what is missing is empty. */
struct entry {
    str         stack, component, type, deletion_type;
    str         namespace_, tenant, environment, stage;
    struct json pro, settings, dependents;
    bool        deleted;
};

struct graph_builder *graph_begin(struct arena *mem)
{
    struct graph_builder *g = arena_make(mem, struct graph_builder, 1);
    g->mem = mem;
    g->instances_cap = 64;
    g->edge_cap = 64;
    g->instance = arena_make(mem, struct instance, g->instances_cap);
    g->type = arena_make(mem, str, g->instances_cap);
    g->merged = arena_make(mem, bool, g->instances_cap);
    g->edge = arena_make(mem, struct batch_edge, g->edge_cap);
    table_init(&g->names, mem);
    table_init(&g->pairs, mem);
    return g;
}

static bool is_block(struct json v) { return json_kind(v) == JSON_OBJECT && json_count(v) > 0; }

/* §8.5: whole block, never merged. */
static struct json pro_of(const struct entry *n)
{
    struct json inner = json_get(n->settings, STR("pro"));
    return is_block(n->pro) ? n->pro : is_block(inner) ? inner : (struct json){ 0 };
}

static struct entry entry_read(struct arena *mem, struct json v)
{
    struct entry n = { 0 };
    struct { str key; str *text; struct json *value; } field[] = {
        { STR("stack"), &n.stack, NULL },
        { STR("component"), &n.component, NULL },
        { STR("dependents"), NULL, &n.dependents },
        { STR("settings"), NULL, &n.settings },
        { STR("pro"), NULL, &n.pro },
        { STR("component_type"), &n.type, NULL },
        { STR("deletion_type"), &n.deletion_type, NULL },
        { STR("namespace"), &n.namespace_, NULL },
        { STR("tenant"), &n.tenant, NULL },
        { STR("environment"), &n.environment, NULL },
        { STR("stage"), &n.stage, NULL },
    };
    str key;
    struct json value;
    for (struct json_iter it = json_iter(v); json_next(&it, mem, &key, &value);) {
        if (str_eq(key, STR("deleted"))) {
            n.deleted = json_bool_or(value, false);
            continue;
        }
        for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
            if (!str_eq(key, field[i].key))
                continue;
            if (field[i].text)
                *field[i].text = json_str(value, mem);
            else
                *field[i].value = value;
            break;
        }
    }
    return n;
}

static void keep_first(str *kept, str next)
{
    if (kept->len == 0)
        *kept = next;
}

static void instances_grow(struct graph_builder *g)
{
    uint32_t old = g->instances_cap, cap = old * 2;
    g->instance = arena_grow(g->mem, g->instance, old, cap, sizeof *g->instance);
    g->type = arena_grow(g->mem, g->type, old, cap, sizeof *g->type);
    g->merged = arena_grow(g->mem, g->merged, old, cap, sizeof *g->merged);
    g->instances_cap = cap;
}

/* The instance's index, new or known. */
static bool instance_find(struct graph_builder *g, str stack, str component, uint32_t *out,
                          struct err *e)
{
    uint64_t hash = table_mix(&g->names, table_hash(&g->names, stack),
                              table_hash(&g->names, component));
    uint32_t at;
    for (uint32_t i = table_first(&g->names, hash, &at); i != TABLE_END;
         i = table_next(&g->names, hash, &at)) {
        if (str_eq(g->instance[i].stack, stack) && str_eq(g->instance[i].component, component)) {
            *out = i;
            return true;
        }
    }
    if (g->names.count == BATCH_NODES_MAX)
        return fail(e, ERR_LIMIT,
                    "the upload has more than %d instances (affected and dependents together); "
                    "upload fewer at a time, for example with --stack", BATCH_NODES_MAX);
    if (g->names.count == g->instances_cap)
        instances_grow(g);
    *out = g->names.count;
    g->instance[*out] = (struct instance){ .stack = stack, .component = component };
    table_put(&g->names, hash);
    return true;
}

static void instance_merge(struct graph_builder *g, uint32_t index, const struct entry *n,
                           bool root)
{
    struct instance *i = &g->instance[index];
    if (!i->pro.doc)
        i->pro = pro_of(n);
    i->deleted |= n->deleted;
    i->affected |= root;
    keep_first(&i->deletion_type, n->deletion_type);
    keep_first(&i->namespace_, n->namespace_);
    keep_first(&i->tenant, n->tenant);
    keep_first(&i->environment, n->environment);
    keep_first(&i->stage, n->stage);
    keep_first(&g->type[index], n->type);
    if (n->type.len && !str_eq(g->type[index], n->type) && !g->merged[index]) {
        g->merged[index] = true;
        g->merged_types++;
    }
}

static bool edge_add(struct graph_builder *g, uint32_t parent, uint32_t child, struct err *e)
{
    uint64_t hash = table_mix(&g->pairs, parent, child);
    uint32_t at;
    for (uint32_t i = table_first(&g->pairs, hash, &at); i != TABLE_END;
         i = table_next(&g->pairs, hash, &at))
        if (g->edge[i].parent == parent && g->edge[i].child == child)
            return true;
    size_t count = g->pairs.count;
    if (count == BATCH_EDGES_MAX)
        return fail(e, ERR_LIMIT,
                    "the upload has more than %d dependencies; upload fewer stacks at a time",
                    BATCH_EDGES_MAX);
    if (count == g->edge_cap) {
        g->edge = arena_grow(g->mem, g->edge, count, count * 2, sizeof *g->edge);
        g->edge_cap = count * 2;
    }
    g->edge[count] = (struct batch_edge){ .parent = parent, .child = child };
    table_put(&g->pairs, hash);
    return true;
}

/* "stacks[3].dependents[0]": where the entry under way stands. */
static str place_text(struct arena *mem, const struct frame *frame, size_t depth)
{
    struct buf b;
    buf_init(&b, mem, 4096);
    buf_add(&b, STR("stacks"));
    for (size_t i = 0; i <= depth; i++)
        buf_print(&b, "%s[%zu]", i ? ".dependents" : "", frame[i].index);
    return buf_str(&b);
}

static bool entry_bad(struct graph_builder *g, const struct frame *frame, size_t depth,
                      const char *problem, struct err *e)
{
    if (g->bad++ == 0)
        fail(e, ERR_INVALID, "entries of `stacks` cannot be used; nothing of the upload was taken");
    if (e->details < ERR_DETAILS_MAX) {
        str place = place_text(g->mem, frame, depth);
        err_detail(e, arena_print(g->mem, PRI_STR ": %s", FMT_STR(place), problem).ptr);
    }
    return false;
}

/* What is wrong with an entry, or NULL. */
static const char *entry_problem(struct json v, const struct entry *n)
{
    enum json_kind below = json_kind(n->dependents);
    if (json_kind(v) != JSON_OBJECT)
        return "must be an object";
    if (n->stack.len == 0)
        return "`stack` is missing or not a text";
    if (n->component.len == 0)
        return "`component` is missing or not a text";
    if (below != JSON_ARRAY && below != JSON_NULL && below != JSON_ABSENT)
        return "`dependents` must be an array";
    return NULL;
}

/* Takes one entry; a false return without an error set means: it was bad, go on to find the other
 * bad ones. */
static bool entry_take(struct graph_builder *g, struct json v, struct frame *frame, size_t *depth,
                       struct err *e)
{
    struct entry n = entry_read(g->mem, v);
    const char *problem = entry_problem(v, &n);
    if (problem) {
        entry_bad(g, frame, *depth, problem, e);
        return true;
    }
    uint32_t parent = frame[*depth].parent, index = 0;
    if (!instance_find(g, n.stack, n.component, &index, e))
        return false;
    instance_merge(g, index, &n, parent == NO_PARENT);
    if (parent != NO_PARENT && !edge_add(g, parent, index, e))
        return false;
    if (json_count(n.dependents) == 0)
        return true;
    if (*depth == GRAPH_DEPTH_MAX) {
        fail(e, ERR_LIMIT,
             "dependents are nested deeper than %d levels below a stack of the upload",
             GRAPH_DEPTH_MAX);
        return false;
    }
    frame[++*depth] = (struct frame){ .it = json_iter(n.dependents), .parent = index };
    return true;
}

bool graph_add(struct graph_builder *g, struct json stacks, struct err *e)
{
    if (json_kind(stacks) != JSON_ARRAY && json_kind(stacks) != JSON_NULL)
        return fail(e, ERR_INVALID, "`stacks` must be an array");
    struct frame *frame = arena_make(g->mem, struct frame, GRAPH_DEPTH_MAX + 1);
    frame[0] = (struct frame){ .it = json_iter(stacks), .parent = NO_PARENT };
    size_t depth = 0;
    for (;;) {
        str key;
        struct json v;
        if (json_next(&frame[depth].it, g->mem, &key, &v)) {
            size_t here = depth;
            if (!entry_take(g, v, frame, &depth, e))
                return false;
            if (here == depth)
                frame[here].index++;
        } else if (depth == 0) {
            break;
        } else {
            frame[--depth].index++;
        }
    }
    return g->bad == 0;
}

void graph_finish(struct graph_builder *g, struct graph *out)
{
    *out = (struct graph){ .instance = g->instance, .count = g->names.count, .edge = g->edge,
                           .edge_count = g->pairs.count, .merged_types = g->merged_types };
}

/* ---- loops ---- */

struct graph_links graph_links(struct arena *mem, const struct graph *g, bool parents)
{
    struct graph_links l = { arena_make(mem, uint32_t, (size_t)g->count + 2),
                             arena_make(mem, uint32_t, g->edge_count + 1) };
    for (size_t i = 0; i < g->edge_count; i++)
        l.first[(parents ? g->edge[i].child : g->edge[i].parent) + 2]++;
    for (size_t i = 2; i < (size_t)g->count + 2; i++)
        l.first[i] += l.first[i - 1];
    for (size_t i = 0; i < g->edge_count; i++) {
        struct batch_edge e = g->edge[i];
        l.to[l.first[(parents ? e.child : e.parent) + 1]++] = parents ? e.parent : e.child;
    }
    return l;
}

/* Tarjan's strongly connected components, with the call stack spelled out: 50,000 instances in a
 * row must not be 50,000 calls. */
struct tarjan {
    struct graph_links l;
    uint32_t    *order, *low, *next;    /* order 0: not seen */
    bool        *open;                  /* on `stack` */
    uint32_t    *stack, *path;
    uint32_t     stacked, depth, seen;
};

static void tarjan_enter(struct tarjan *t, uint32_t v)
{
    t->order[v] = t->low[v] = ++t->seen;
    t->next[v] = t->l.first[v];
    t->open[v] = true;
    t->stack[t->stacked++] = v;
    t->path[t->depth++] = v;
}

/* Walks one child of the instance on top of the path; false when it has none left. */
static bool tarjan_child(struct tarjan *t, uint32_t v, bool *self)
{
    if (t->next[v] == t->l.first[v + 1])
        return false;
    uint32_t c = t->l.to[t->next[v]++];
    *self |= c == v;
    if (t->order[c] == 0)
        tarjan_enter(t, c);
    else if (t->open[c] && t->order[c] < t->low[v])
        t->low[v] = t->order[c];
    return true;
}

/* From a root: stops at the first component that holds a loop, whose members are left `open` above
 * *from. */
static bool tarjan_loop(struct tarjan *t, uint32_t root, uint32_t *from)
{
    bool self = false;
    tarjan_enter(t, root);
    while (t->depth) {
        uint32_t v = t->path[t->depth - 1];
        if (tarjan_child(t, v, &self)) {
            if (self) {
                *from = v;
                return true;
            }
            continue;
        }
        t->depth--;
        if (t->depth && t->low[v] < t->low[t->path[t->depth - 1]])
            t->low[t->path[t->depth - 1]] = t->low[v];
        if (t->low[v] != t->order[v])
            continue;
        if (t->stack[t->stacked - 1] != v) {
            *from = v;
            return true;
        }
        t->open[t->stack[--t->stacked]] = false;
    }
    return false;
}

/* The shortest way from `from` back to itself (breadth first). Any way back stays in the component
 * by itself. */
static size_t loop_path(struct arena *mem, const struct graph_links *l, uint32_t count,
                        uint32_t from, uint32_t **loop)
{
    uint32_t *came = arena_make(mem, uint32_t, count);      /* + 1 */
    uint32_t *queue = arena_make(mem, uint32_t, count);
    uint32_t head = 0, tail = 0, last = TABLE_END;
    queue[tail++] = from;
    while (last == TABLE_END) {
        assert(head < tail);
        uint32_t v = queue[head++];
        for (uint32_t i = l->first[v]; i < l->first[v + 1] && last == TABLE_END; i++) {
            uint32_t c = l->to[i];
            if (c == from) {
                last = v;
            } else if (came[c] == 0) {
                came[c] = v + 1;
                queue[tail++] = c;
            }
        }
    }
    size_t n = 2;
    for (uint32_t v = last; v != from; v = came[v] - 1)
        n++;
    *loop = arena_make(mem, uint32_t, n);
    (*loop)[n - 1] = from;
    size_t at = n - 2;
    for (uint32_t v = last; v != from; v = came[v] - 1)
        (*loop)[at--] = v;
    (*loop)[0] = from;
    return n;
}

size_t graph_cycle(struct arena *mem, const struct graph *g, uint32_t **loop)
{
    struct tarjan t = { .l = graph_links(mem, g, false) };
    t.order = arena_make(mem, uint32_t, g->count);
    t.low = arena_make(mem, uint32_t, g->count);
    t.next = arena_make(mem, uint32_t, g->count);
    t.open = arena_make(mem, bool, g->count);
    t.stack = arena_make(mem, uint32_t, g->count);
    t.path = arena_make(mem, uint32_t, g->count);
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t from;
        if (t.order[i] == 0 && tarjan_loop(&t, i, &from))
            return loop_path(mem, &t.l, g->count, from, loop);
    }
    *loop = NULL;
    return 0;
}

static void name_add(struct arena *mem, struct buf *b, const struct instance *i)
{
    str component = text_plain(mem, i->component, NAME_CHARS),
        stack = text_plain(mem, i->stack, NAME_CHARS);
    buf_print(b, PRI_STR " in " PRI_STR, FMT_STR(component), FMT_STR(stack));
}

str graph_loop_text(struct arena *mem, const struct graph *g, const uint32_t *loop, size_t n)
{
    enum { NAMES_MAX = 8, TEXT_MAX = 16 << 10 };
    struct buf b;
    buf_init(&b, mem, TEXT_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add(&b, STR(" → "));
        if (n > NAMES_MAX && i == NAMES_MAX - 2) {
            buf_print(&b, "… %zu more → ", n - NAMES_MAX + 1);
            i = n - 1;
        }
        name_add(mem, &b, &g->instance[loop[i]]);
    }
    return buf_str(&b);
}
