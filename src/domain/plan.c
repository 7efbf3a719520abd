#include "domain/plan.h"

#include "domain/table.h"

enum { SCANNED_MAX = 32 * 1000 * 1000,      /* steps over inert middles: a fraction of a second */
       BRIDGED_MAX = 4 * BATCH_EDGES_MAX }; /* entries kept for them: 16 MB */

const char *inert_reason_name(enum inert_reason r)
{
    static const char *const name[] = { [INERT_NO] = "",
                                        [INERT_DELETED] = "deleted",
                                        [INERT_DISABLED] = "disabled",
                                        [INERT_NO_WORKFLOW] = "no_workflow" };
    return name[r];
}

/* What stands before an inert instance: its nearest dispatchable ancestors. Instances with equal
 * sets share one. */
struct set { uint32_t *at; uint32_t count; };

struct planner {
    struct arena       *mem;
    const struct graph *g;
    struct trigger      t;
    struct plan        *out;
    struct err         *e;
    uint32_t           *first;          /* by instance: its first node, */
    uint32_t           *runs;           /* and how many of them are dispatchable (0: inert) */
    uint32_t           *level;
    uint32_t            node_cap;
    size_t              edge_cap, file_cap;
    struct table        files;

    struct graph_links  parents;
    struct set         *set;            /* distinct sets; 0 is the empty one */
    struct table        sets;
    uint32_t           *set_of;         /* by inert instance */
    uint32_t           *seen, *set_seen, round;
    uint32_t           *found, found_count;
    uint64_t            scanned, bridged;
};

/* ---- nodes ---- */

static void file_note(struct planner *p, str file)
{
    uint64_t hash = table_hash(&p->files, file);
    uint32_t at;
    for (uint32_t i = table_first(&p->files, hash, &at); i != TABLE_END;
         i = table_next(&p->files, hash, &at))
        if (str_eq(p->out->files[i], file))
            return;
    if (p->out->file_count == p->file_cap) {
        size_t cap = p->file_cap ? p->file_cap * 2 : 8;
        p->out->files = arena_grow(p->mem, p->out->files, p->file_cap, cap, sizeof(str));
        p->file_cap = cap;
    }
    p->out->files[p->out->file_count++] = file;
    table_put(&p->files, hash);
}

static bool node_add(struct planner *p, struct plan_node n)
{
    if (p->out->count == BATCH_NODES_MAX)
        return fail(p->e, ERR_LIMIT,
                    "the upload asks for more than %d workflow runs (instances and their workflow "
                    "files together); upload fewer stacks at a time",
                    BATCH_NODES_MAX);
    if (p->out->count == p->node_cap) {
        uint32_t cap = p->node_cap ? p->node_cap * 2 : 64;
        p->out->node = arena_grow(p->mem, p->out->node, p->node_cap, cap, sizeof n);
        p->node_cap = cap;
    }
    p->out->node[p->out->count++] = n;
    return true;
}

static bool instance_nodes(struct planner *p, uint32_t index)
{
    const struct instance *i = &p->g->instance[index];
    struct plan_node n = { .instance = index, .run_class = command_class(p->t, COMMAND_UNKNOWN) };
    struct pro_workflow *w = NULL;
    size_t count = i->deleted ? 0 : pro_workflows(p->mem, i->pro, p->t, &w);
    p->first[index] = p->out->count;
    if (count == 0) {
        n.inert = i->deleted            ? INERT_DELETED
                  : pro_enabled(i->pro) ? INERT_NO_WORKFLOW
                                        : INERT_DISABLED;
        return node_add(p, n);
    }
    for (size_t k = 0; k < count; k++) {
        n.workflow = w[k].file;
        n.inputs = w[k].inputs;
        n.guess = command_guess(n.workflow);
        n.run_class = command_class(p->t, n.guess);
        if (!node_add(p, n))
            return false;
        file_note(p, n.workflow);
    }
    p->runs[index] = (uint32_t)count;
    p->out->dispatchable += (uint32_t)count;
    return true;
}

/* ---- order ---- */

/* Parents before children; false when there is a loop. */
static bool order_make(struct planner *p, uint32_t *order)
{
    struct graph_links children = graph_links(p->mem, p->g, false);
    uint32_t *open = arena_make(p->mem, uint32_t, p->g->count);
    uint32_t head = 0, tail = 0;
    for (uint32_t i = 0; i < p->g->count; i++) {
        open[i] = p->parents.first[i + 1] - p->parents.first[i];
        if (open[i] == 0)
            order[tail++] = i;
    }
    while (head < tail) {
        uint32_t v = order[head++];
        for (uint32_t k = children.first[v]; k < children.first[v + 1]; k++)
            if (--open[children.to[k]] == 0)
                order[tail++] = children.to[k];
    }
    return tail == p->g->count;
}

static bool loop_fail(struct planner *p)
{
    uint32_t *loop;
    size_t n = graph_cycle(p->mem, p->g, &loop);
    str text = graph_loop_text(p->mem, p->g, loop, n);
    return fail(
        p->e, ERR_CONFLICT,
        "the dependencies form a loop, so nothing was dispatched; remove one of them: " PRI_STR,
        FMT_STR(text));
}

/* ---- edges ---- */

static void found_add(struct planner *p, uint32_t instance)
{
    if (p->seen[instance] == p->round)
        return;
    p->seen[instance] = p->round;
    p->found[p->found_count++] = instance;
}

/* The nearest dispatchable ancestors of an instance, into p->found. */
static bool ancestors_find(struct planner *p, uint32_t instance)
{
    p->round++;
    p->found_count = 0;
    for (uint32_t k = p->parents.first[instance]; k < p->parents.first[instance + 1]; k++) {
        uint32_t parent = p->parents.to[k];
        p->scanned++;
        if (p->runs[parent]) {
            found_add(p, parent);
            continue;
        }
        uint32_t s = p->set_of[parent];
        if (p->set_seen[s] == p->round)
            continue;
        p->set_seen[s] = p->round;
        p->scanned += p->set[s].count;
        for (uint32_t i = 0; i < p->set[s].count; i++)
            found_add(p, p->set[s].at[i]);
        if (p->scanned > SCANNED_MAX)
            return fail(p->e, ERR_LIMIT,
                        "the dependencies through deleted, disabled or unconfigured instances take "
                        "more than %d steps to follow (%u instances, %zu dependencies); upload "
                        "fewer stacks at a time",
                        SCANNED_MAX, p->g->count, p->g->edge_count);
    }
    return true;
}

/* The one set that holds exactly p->found. */
static bool set_keep(struct planner *p, uint32_t instance)
{
    uint64_t hash = p->found_count;
    for (uint32_t i = 0; i < p->found_count; i++)
        hash += table_mix(&p->sets, p->found[i], 1);
    uint32_t at;
    for (uint32_t s = table_first(&p->sets, hash, &at); s != TABLE_END;
         s = table_next(&p->sets, hash, &at)) {
        uint32_t same = 0;
        while (same < p->set[s].count && p->seen[p->set[s].at[same]] == p->round)
            same++;
        if (same == p->found_count && same == p->set[s].count) {
            p->set_of[instance] = s;
            return true;
        }
    }
    p->bridged += p->found_count;
    if (p->bridged > BRIDGED_MAX)
        return fail(
            p->e, ERR_LIMIT,
            "the dependencies through deleted, disabled or unconfigured instances need more "
            "than %d entries (%u instances, %zu dependencies); upload fewer stacks at a time",
            BRIDGED_MAX, p->g->count, p->g->edge_count);
    uint32_t s = p->sets.count;
    p->set[s] = (struct set){ arena_make(p->mem, uint32_t, p->found_count), p->found_count };
    for (uint32_t i = 0; i < p->found_count; i++)
        p->set[s].at[i] = p->found[i];
    table_put(&p->sets, hash);
    p->set_of[instance] = s;
    return true;
}

static bool edges_room(struct planner *p, uint64_t more)
{
    uint64_t need = p->out->edge_count + more;
    if (need > BATCH_EDGES_MAX)
        return fail(p->e, ERR_LIMIT,
                    "the batch would need more than %d dependencies between its %u workflow runs "
                    "(deleted, disabled or unconfigured instances between them are skipped over); "
                    "upload fewer stacks at a time",
                    BATCH_EDGES_MAX, p->out->dispatchable);
    if (need <= p->edge_cap)
        return true;
    size_t cap = p->edge_cap ? p->edge_cap : 64;
    while (cap < need)
        cap *= 2;
    p->out->edge = arena_grow(p->mem, p->out->edge, p->edge_cap, cap, sizeof *p->out->edge);
    p->edge_cap = cap;
    return true;
}

/* Each file of a parent before each file of the child. */
static bool edges_add(struct planner *p, uint32_t child)
{
    uint64_t more = 0;
    for (uint32_t i = 0; i < p->found_count; i++)
        more += (uint64_t)p->runs[p->found[i]] * p->runs[child];
    if (!edges_room(p, more))
        return false;
    for (uint32_t i = 0; i < p->found_count; i++)
        for (uint32_t a = 0; a < p->runs[p->found[i]]; a++)
            for (uint32_t b = 0; b < p->runs[child]; b++)
                p->out->edge[p->out->edge_count++] = (struct batch_edge){ p->first[p->found[i]] + a,
                                                                          p->first[child] + b };
    return true;
}

static bool instance_wire(struct planner *p, uint32_t index)
{
    if (!ancestors_find(p, index))
        return false;
    for (uint32_t i = 0; i < p->found_count; i++)
        if (p->level[index] <= p->level[p->found[i]])
            p->level[index] = p->level[p->found[i]] + 1;
    if (p->runs[index] == 0) {
        p->out->node[p->first[index]].level = p->level[index];
        return set_keep(p, index);
    }
    for (uint32_t k = 0; k < p->runs[index]; k++)
        p->out->node[p->first[index] + k].level = p->level[index];
    return edges_add(p, index);
}

static void planner_make(struct planner *p)
{
    size_t n = (size_t)p->g->count + 1;
    p->first = arena_make(p->mem, uint32_t, n);
    p->runs = arena_make(p->mem, uint32_t, n);
    p->level = arena_make(p->mem, uint32_t, n);
    p->set = arena_make(p->mem, struct set, n);
    p->set_of = arena_make(p->mem, uint32_t, n);
    p->seen = arena_make(p->mem, uint32_t, n);
    p->set_seen = arena_make(p->mem, uint32_t, n);
    p->found = arena_make(p->mem, uint32_t, n);
    p->parents = graph_links(p->mem, p->g, true);
    table_init(&p->files, p->mem);
    table_init(&p->sets, p->mem);
    table_put(&p->sets, 0);
}

bool plan_make(struct arena *mem, const struct graph *g, struct trigger t, struct plan *out,
               struct err *e)
{
    struct planner p = { .mem = mem, .g = g, .t = t, .out = out, .e = e };
    *out = (struct plan){ 0 };
    planner_make(&p);
    uint32_t *order = arena_make(mem, uint32_t, (size_t)g->count + 1);
    if (!order_make(&p, order))
        return loop_fail(&p);
    for (uint32_t i = 0; i < g->count; i++)
        if (!instance_nodes(&p, i))
            return false;
    for (uint32_t i = 0; i < g->count; i++)
        if (!instance_wire(&p, order[i]))
            return false;
    return true;
}
