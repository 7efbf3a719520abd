/* Any upload: a graph and a plan whose order is sound, or an error with a reason. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void plan_check(struct arena *mem, const struct graph *g)
{
    struct err e = { .code = ERR_NONE };
    struct plan p;
    uint32_t *loop;
    size_t length = graph_cycle(mem, g, &loop);
    if (!plan_make(mem, g, (struct trigger){STR("merge_group"), STR("checks_requested")}, &p, &e)) {
        assert(e.code == ERR_LIMIT || (e.code == ERR_CONFLICT && length >= 2));
        return;
    }
    assert(length == 0);
    for (size_t i = 0; i < p.edge_count; i++) {
        struct batch_edge edge = p.edge[i];
        assert(edge.parent < p.count && edge.child < p.count);
        assert(p.node[edge.parent].inert == INERT_NO && p.node[edge.child].inert == INERT_NO);
        assert(p.node[edge.parent].level < p.node[edge.child].level);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 512 << 20);
    struct err e = { .code = ERR_NONE };
    struct json v;
    if (json_parse(mem, (str){ (const char *)data, n }, 0, &v, &e)) {
        struct graph_builder *b = graph_begin(mem);
        struct graph g;
        if (graph_add(b, v, &e)) {
            graph_finish(b, &g);
            plan_check(mem, &g);
        } else {
            assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
            assert(e.text[0] != '\0');
        }
    }
    arena_free(mem);
    return 0;
}
