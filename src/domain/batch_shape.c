/* A batch from its nodes and edges, new or loaded: all in linear time. */
#include <assert.h>

#include "domain/batch_core.h"

static int64_t add_ms(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Where each node's share begins in an array that is sorted by one end of the edges. */
static void share_starts(uint32_t *start, uint32_t count, const struct batch_edge *edges, size_t n,
                         bool by_child)
{
    for (size_t k = 0; k < n; k++)
        start[(by_child ? edges[k].child : edges[k].parent) + 1]++;
    for (uint32_t i = 0; i < count; i++)
        start[i + 1] += start[i];
}

/* Sorted twice (by child, then keeping that order by parent), so that the order of the edges in a
 * table does not matter. */
static void link_children(struct batch *b, const struct batch_edge *edges, size_t n)
{
    struct batch_edge *sorted = arena_make(b->mem, struct batch_edge, n);
    uint32_t          *at = arena_make(b->mem, uint32_t, (size_t)b->count + 1);

    share_starts(at, b->count, edges, n, true);
    for (size_t k = 0; k < n; k++)
        sorted[at[edges[k].child]++] = edges[k];

    uint32_t *by_parent = arena_make(b->mem, uint32_t, (size_t)b->count + 1);
    share_starts(by_parent, b->count, edges, n, false);
    for (uint32_t i = 0; i < b->count; i++) {
        b->node[i].first_child = by_parent[i];
        b->node[i].child_count = by_parent[i + 1] - by_parent[i];
    }
    for (size_t k = 0; k < n; k++)
        b->children[by_parent[sorted[k].parent]++] = sorted[k].child;
}

static void order_nodes(struct batch *b, const struct batch_edge *edges, size_t n)
{
    uint32_t *missing = b->queue, placed = 0;       /* parents not yet placed; the queue is idle */

    for (size_t k = 0; k < n; k++)
        missing[edges[k].child]++;
    for (uint32_t i = 0; i < b->count; i++)
        if (missing[i] == 0)
            b->order[placed++] = i;
    for (uint32_t done = 0; done < placed; done++) {
        const struct batch_node *p = &b->node[b->order[done]];
        for (uint32_t k = 0; k < p->child_count; k++) {
            uint32_t child = b->children[p->first_child + k];
            if (--missing[child] == 0)
                b->order[placed++] = child;
        }
    }
    assert(placed == b->count);                     /* no loops: graph.h has refused them */
}

static void compute_tails(struct batch *b)
{
    for (uint32_t k = b->count; k-- > 0;) {
        struct batch_node *n = &b->node[b->order[k]];
        int64_t            longest = 0;
        for (uint32_t c = 0; c < n->child_count; c++) {
            int64_t tail = b->node[b->children[n->first_child + c]].tail_ms;
            longest = tail > longest ? tail : longest;
        }
        n->tail_ms = add_ms(n->expected_ms, longest);
    }
}

static void derive(struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct batch_node *n = &b->node[i];
        enum node_end      end = node_end(n->state);
        n->told = (uint8_t)end;
        b->by_state[n->state]++;
        for (uint32_t k = 0; k < n->child_count; k++) {
            struct batch_node *child = &b->node[b->children[n->first_child + k]];
            child->parents_open += end == END_OPEN;
            child->parents_bad += end == END_BAD;
        }
        if (n->state == NODE_READY)
            ready_add(b, i);
    }
}

static void copy_stored(struct batch_node *to, const struct batch_node *from)
{
    assert(from->state < NODE_STATE_COUNT);
    *to = (struct batch_node){
        .state = from->state, .run_class = from->run_class, .attempt = from->attempt,
        .expected_ms = from->expected_ms > 0 ? from->expected_ms : 1,
        .cancel_wanted = from->cancel_wanted,
        .not_before_ms = from->not_before_ms, .retry = from->not_before_ms != 0,
    };
}

struct batch *batch_load(struct arena *mem, const struct batch_node *nodes, uint32_t count,
                         const struct batch_edge *edges, size_t edge_count, bool strict,
                         enum batch_state state, bool cancelled, bool superseded)
{
    assert(count <= BATCH_NODES_MAX);
    assert(edge_count <= BATCH_EDGES_MAX);
    for (size_t k = 0; k < edge_count; k++)
        assert(edges[k].parent < count && edges[k].child < count);

    struct batch *b = arena_make(mem, struct batch, 1);
    *b = (struct batch){
        .mem = mem, .count = count, .state = state, .strict = strict,
        .cancelled = cancelled, .superseded = superseded,
        .node = arena_make(mem, struct batch_node, count),
        .children = arena_make(mem, uint32_t, edge_count),
        .order = arena_make(mem, uint32_t, count), .ready = arena_make(mem, uint32_t, count),
        .queue = arena_make(mem, uint32_t, count), .scratch_ms = arena_make(mem, int64_t, count),
    };
    for (uint32_t i = 0; i < count; i++)
        copy_stored(&b->node[i], &nodes[i]);
    link_children(b, edges, edge_count);
    order_nodes(b, edges, edge_count);
    compute_tails(b);
    derive(b);
    return b;
}

struct batch *batch_new(struct arena *mem, const struct batch_node *nodes, uint32_t count,
                        const struct batch_edge *edges, size_t edge_count, bool strict)
{
    for (uint32_t i = 0; i < count; i++) {
        assert(nodes[i].state == NODE_WAITING || nodes[i].state == NODE_INERT);
        assert(nodes[i].attempt == 0);
    }
    return batch_load(mem, nodes, count, edges, edge_count, strict, BATCH_PREPARING, false, false);
}
