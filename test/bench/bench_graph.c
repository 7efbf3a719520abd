/*
 * From the bytes of an upload to the nodes of a batch, at 100, 1,000 and 10,000 instances, nested 8
 * deep: medians of the three steps, and what one instance costs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "domain/plan.h"

enum { ROUNDS = 21, DEPTH = 8 };

static const char entry_text[] =
    "{\"component\":\"network/vpc-%d\",\"component_type\":\"\",\"component_path\":\"\","
    "\"stack\":\"plat-ue1-%d\",\"stack_slug\":\"\",\"affected\":\"\",\"affected_all\":null,"
    "\"included_in_dependents\":false,\"settings\":{\"pro\":{\"enabled\":true,\"pull_request\":{"
    "\"opened\":{\"workflows\":{\"atmos-terraform-plan.yaml\":{\"inputs\":{"
    "\"component\":\"network/vpc\",\"stack\":\"plat\"}}}},\"synchronize\":{\"workflows\":{"
    "\"atmos-terraform-plan.yaml\":{\"inputs\":{\"component\":\"network/vpc\"}}}}}}},\"dependents\":[";

static str upload_text(struct arena *mem, int instances)
{
    struct buf b;
    buf_init(&b, mem, 1u << 28);
    buf_char(&b, '[');
    for (int i = 0; i < instances; i++) {
        int depth = i % (DEPTH + 1);
        if (i && depth == 0)
            buf_char(&b, ',');
        buf_print(&b, entry_text, i, i % 97);
        if (depth == DEPTH || i == instances - 1)
            for (int k = 0; k <= depth; k++)
                buf_add(&b, STR("]}"));
    }
    buf_char(&b, ']');
    return buf_str(&b);
}

struct times { int64_t parse_us, graph_us, plan_us; uint32_t nodes; size_t edges, bytes; };

static bool round_run(str text, struct times *t, struct err *e)
{
    struct arena *mem = arena_new(1u << 30, 1u << 30);
    struct json stacks;
    struct graph g;
    struct plan p;
    int64_t start = clock_mono_us();
    bool ok = json_parse(mem, text, 0, &stacks, e);
    int64_t parsed = clock_mono_us();
    struct graph_builder *b = graph_begin(mem);
    ok = ok && graph_add(b, stacks, e);
    graph_finish(b, &g);
    int64_t built = clock_mono_us();
    struct trigger trigger = { STR("pull_request"), STR("synchronize") };
    ok = ok && plan_make(mem, &g, trigger, &p, e);
    if (ok)
        *t = (struct times){ parsed - start, built - parsed, clock_mono_us() - built, p.count,
                             p.edge_count, arena_used(mem) };
    arena_free(mem);
    return ok;
}

static int by_whole(const void *a, const void *b)
{
    const struct times *x = a, *y = b;
    int64_t l = x->parse_us + x->graph_us + x->plan_us, r = y->parse_us + y->graph_us + y->plan_us;
    return (l > r) - (l < r);
}

int main(void)
{
    static const int sizes[] = { 100, 1000, 10000 };
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct arena *mem = arena_new(1u << 30, 1u << 30);
        str text = upload_text(mem, sizes[s]);
        struct times t[ROUNDS];
        struct err e = { .code = ERR_NONE };
        for (int i = 0; i < ROUNDS; i++) {
            if (!round_run(text, &t[i], &e)) {
                fprintf(stderr, "%s\n", e.text);
                return 1;
            }
        }
        qsort(t, ROUNDS, sizeof t[0], by_whole);
        struct times m = t[ROUNDS / 2];
        printf("%6u nodes %6zu edges %5.2f MB: parse %6.2f ms, graph %6.2f ms, plan %6.2f ms; "
               "a node %.2f us, %.1f KB\n",
               m.nodes, m.edges, (double)text.len / 1e6, (double)m.parse_us / 1e3,
               (double)m.graph_us / 1e3, (double)m.plan_us / 1e3,
               (double)(m.parse_us + m.graph_us + m.plan_us) / m.nodes,
               (double)m.bytes / 1e3 / m.nodes);
        arena_free(mem);
    }
    return 0;
}
