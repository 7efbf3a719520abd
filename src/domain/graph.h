/*
 * graph: from the affected entries of an upload to instances and edges (atmos-pro.md §9).
 */
#ifndef SIGNALBOX_DOMAIN_GRAPH_H
#define SIGNALBOX_DOMAIN_GRAPH_H
#include "base/json.h"
#include "domain/batch.h"

struct instance {
    str         stack, component;
    /* `pro` when it is a non-empty object, else settings.pro; absent when neither (§8.5) */
    struct json pro;
    bool        deleted;
    str         deletion_type;  /* "component", "stack" or empty */
    bool        affected;       /* a root of the upload: changed itself; false: only a dependent */
    str         namespace_, tenant, environment, stage;    /* only from CLIs before 1.206.1 */
};

struct graph {
    struct instance   *instance;
    uint32_t           count;
    struct batch_edge *edge;        /* unique, parent must come before child */
    size_t             edge_count;
    uint32_t           merged_types;/* same (stack, component) seen with different component_type */
};

/*
 * Levels of dependents below a stack of the upload. The walk needs a bound (atmos-pro.md §9.3 names
 * 64), and 100 levels have to be read (§25 no. 8): so 100 it is, and the next one is refused.
 */
enum { GRAPH_DEPTH_MAX = 100 };

/*
 * `stacks` is the array of the upload document (chunks are concatenated by calling graph_add for
 * each, then graph_finish). ERR_INVALID with one detail per bad entry (missing stack or component
 * …), ERR_LIMIT past 50,000 instances, 1,000,000 edges, or dependents nested deeper than
 * GRAPH_DEPTH_MAX. After a failure the builder is of no more use. Texts are borrowed from the document.
 */
struct graph_builder;
struct graph_builder *graph_begin(struct arena *mem);
bool graph_add(struct graph_builder *g, struct json stacks, struct err *e) MUST_CHECK;
void graph_finish(struct graph_builder *g, struct graph *out);

/*
 * Neighbours side by side: those of instance i are to[first[i]] … to[first[i + 1] - 1], in the
 * order of the edges.
 */
struct graph_links { uint32_t *first, *to; };
struct graph_links graph_links(struct arena *mem, const struct graph *g, bool parents);

/*
 * The first loop found (Tarjan; the shortest one through its first instance), as instance indexes
 * in order, its first repeated at the end; 0 when the graph is acyclic. Linear time, no recursion.
 */
size_t graph_cycle(struct arena *mem, const struct graph *g, uint32_t **loop);
/* "network/vpc in prod → eks/cluster in prod → network/vpc in prod" (cut after 8 names). */
str graph_loop_text(struct arena *mem, const struct graph *g, const uint32_t *loop, size_t n);

#endif
