#include "given.h"
#include <time.h>
#include "domain/plan.h"

static const struct trigger PLAN_TRIGGER = { STR_INIT("pull_request"), STR_INIT("synchronize") };
static const struct trigger MERGED = { STR_INIT("pull_request"), STR_INIT("merged") };

static struct json pro_with(const char *activity, const char *files)
{
    return given_json(
        arena_print(mem, "{'pull_request':{'%s':{'workflows':{%s}}}}", activity, files).ptr);
}

/*
 * One letter an instance, in order: o one workflow, 2 two workflows, x disabled, d deleted, n no
 * workflow for this event. Edges as "ab bc": a before b, b before c.
 */
static struct graph given_graph(const char *kinds, const char *edges)
{
    struct graph g = { .count = (uint32_t)strlen(kinds) };
    g.instance = arena_make(mem, struct instance, g.count);
    g.edge = arena_make(mem, struct batch_edge, strlen(edges));
    for (uint32_t i = 0; i < g.count; i++) {
        struct instance *n = &g.instance[i];
        *n =
            (struct instance){.stack = STR("p"), .component = arena_print(mem, "%c", 'a' + (int)i)};
        n->pro = kinds[i] == '2'   ? pro_with("synchronize", "'plan.yml':{},'other.yml':{}")
                 : kinds[i] == 'x' ? given_json("{'enabled':false,'pull_request':{'synchronize':{'"
                                                "workflows':{'plan.yml':{}}}}}")
                 : kinds[i] == 'n' ? pro_with("opened", "'plan.yml':{}")
                                   : pro_with("synchronize", "'plan.yml':{}");
        n->deleted = kinds[i] == 'd';
    }
    for (const char *p = edges; *p; p += p[2] ? 3 : 2)
        g.edge[g.edge_count++] =
            (struct batch_edge){(uint32_t)(p[0] - 'a'), (uint32_t)(p[1] - 'a')};
    return g;
}

static char letter(const struct plan *p, uint32_t node)
{
    return (char)('a' + (int)p->node[node].instance);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The edges sorted, as "ab bc"; the file's number follows where an instance has two. */
static str edges_text(const struct plan *p)
{
    const char **at = arena_make(mem, const char *, p->edge_count + 1);
    for (size_t i = 0; i < p->edge_count; i++)
        at[i] =
            arena_print(mem, "%c%c", letter(p, p->edge[i].parent), letter(p, p->edge[i].child)).ptr;
    qsort(at, p->edge_count, sizeof *at, by_text);
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (size_t i = 0; i < p->edge_count; i++)
        buf_print(&b, "%s%s", i ? " " : "", at[i]);
    return buf_str(&b);
}

static str levels_text(const struct plan *p)
{
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (uint32_t i = 0; i < p->count; i++)
        buf_print(&b, "%u", p->node[i].level);
    return buf_str(&b);
}

static void edges_skip_what_is_not_dispatched(void **state)
{
    static const struct { const char *why, *kinds, *edges, *want, *levels; uint32_t dispatchable; } row[] = {
        { "nothing", "", "", "", "", 0 },
        { "one", "o", "", "", "0", 1 },
        { "a chain", "ooo", "ab bc", "ab bc", "012", 3 },
        { "a disabled middle keeps the order", "oxo", "ab bc", "ac", "011", 2 },
        { "two in a row", "oxno", "ab bc cd", "ad", "0111", 2 },
        { "a deleted root holds nobody up", "do", "ab", "", "00", 1 },
        { "a disabled root neither", "xo", "ab", "", "00", 1 },
        { "a leaf without workflow waits for nothing", "on", "ab", "", "01", 1 },
        { "both ways, direct and through an inert middle, are one edge", "oxo", "ab bc ac", "ac", "011", 2 },
        { "a diamond of inert middles is one edge", "oxxo", "ab ac bd cd", "ad", "0111", 2 },
        { "ancestors from several inert parents are united", "ooxxo", "ac bd ce de", "ae be", "00111", 3 },
        { "a child waits for every file of its parent, and each of its files does", "22", "ab", "ab ab ab ab", "0011", 4 },
        { "the middle of two files each side", "2x2", "ab bc", "ac ac ac ac", "00111", 4 },
        { "levels count the longest way", "oooo", "ab bc cd ad", "ab ad bc cd", "0123", 4 },
        { "children that stand before their parents", "oxo", "cb ba", "ca", "110", 2 },
        { "all inert", "xdn", "ab bc", "", "000", 0 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct graph g = given_graph(row[i].kinds, row[i].edges);
        struct plan p;
        struct err e = { 0 };
        assert_true(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
        then_text(edges_text(&p), row[i].want);
        then_text(levels_text(&p), row[i].levels);
        assert_int_equal(p.dispatchable, row[i].dispatchable);
    }
}

static void inert_nodes_say_why(void **state)
{
    static const struct { char kind; enum inert_reason reason; const char *name; } row[] = {
        { 'o', INERT_NO, "" }, { 'd', INERT_DELETED, "deleted" }, { 'x', INERT_DISABLED, "disabled" },
        { 'n', INERT_NO_WORKFLOW, "no_workflow" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char kinds[2] = { row[i].kind, 0 };
        struct graph g = given_graph(kinds, "");
        struct plan p;
        struct err e = { 0 };
        assert_true(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
        assert_int_equal(p.count, 1);
        assert_int_equal(p.node[0].inert, row[i].reason);
        assert_string_equal(inert_reason_name(p.node[0].inert), row[i].name);
        then_text(p.node[0].workflow, row[i].reason == INERT_NO ? "plan.yml" : "");
        assert_int_equal(p.file_count, row[i].reason == INERT_NO ? 1 : 0);
    }
    /*
     * No pro block at all is disabled (§24 no. 8); a deleted one is deleted before it is disabled.
     */
    struct graph g = given_graph("xd", "");
    g.instance[0].pro = (struct json){ 0 };
    g.instance[1].pro = (struct json){ 0 };
    struct plan p;
    struct err e = { 0 };
    assert_true(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
    assert_int_equal(p.node[0].inert, INERT_DISABLED);
    assert_int_equal(p.node[1].inert, INERT_DELETED);
}

static void nodes_carry_file_inputs_and_class(void **state)
{
    struct graph g = { .count = 2, .instance = arena_make(mem, struct instance, 2) };
    g.instance[0].pro =
        pro_with("merged", "'atmos-terraform-apply.yaml':{'inputs':{'x':'1'}},'plan.yml':{}");
    g.instance[1].pro = pro_with("merged", "'plan.yml':null");
    struct plan p;
    struct err e = { 0 };
    assert_true(plan_make(mem, &g, MERGED, &p, &e));
    assert_int_equal(p.count, 3);
    then_text(p.node[0].workflow, "atmos-terraform-apply.yaml");
    then_text(json_raw(p.node[0].inputs), "{\"x\":\"1\"}");
    assert_int_equal(p.node[0].guess, COMMAND_APPLY);
    assert_int_equal(p.node[0].run_class, RUN_APPLY);
    assert_int_equal(p.node[1].guess, COMMAND_PLAN);
    assert_int_equal(p.node[1].run_class, command_class(MERGED, COMMAND_PLAN));
    assert_int_equal(json_kind(p.node[1].inputs), JSON_ABSENT);
    assert_int_equal(p.node[2].instance, 1);
    assert_int_equal(p.file_count, 2);
    then_text(p.files[0], "atmos-terraform-apply.yaml");
    then_text(p.files[1], "plan.yml");
}

static void loops_are_refused_by_name(void **state)
{
    static const struct { const char *kinds, *edges, *loop; } row[] = {
        { "oo", "ab ba", "a in p → b in p → a in p" },
        { "o", "aa", "a in p → a in p" },
        { "oxo", "ab bc ca", "a in p → b in p → c in p → a in p" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct graph g = given_graph(row[i].kinds, row[i].edges);
        struct plan p;
        struct err e = { 0 };
        assert_false(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
        then_error(&e, ERR_CONFLICT, row[i].loop);
        then_error(&e, ERR_CONFLICT, "remove one");
    }
}

static struct graph given_layers(const uint32_t *width, const bool *inert, size_t layers)
{
    struct graph g = { 0 };
    size_t edges = 0;
    for (size_t l = 0; l < layers; l++) {
        g.count += width[l];
        edges += l ? (size_t)width[l - 1] * width[l] : 0;
    }
    g.instance = arena_make(mem, struct instance, g.count);
    g.edge = arena_make(mem, struct batch_edge, edges + 1);
    struct json on = pro_with("synchronize", "'plan.yml':{}");
    uint32_t first = 0;
    for (size_t l = 0; l < layers; first += width[l++]) {
        for (uint32_t i = 0; i < width[l]; i++) {
            if (!inert[l])
                g.instance[first + i].pro = on;
            for (uint32_t k = 0; l && k < width[l - 1]; k++)
                g.edge[g.edge_count++] = (struct batch_edge){ first - width[l - 1] + k, first + i };
        }
    }
    return g;
}

static void wide_inert_layers_do_not_blow_up(void **state)
{
    static const struct { const char *why; uint32_t width[4]; bool inert[4]; size_t layers, edges; const char *limit; } row[] = {
        { "600 × 600 × 600 with an inert middle", { 600, 600, 600 }, { 0, 1, 0 }, 3, 360000, NULL },
        { "two inert middles", { 500, 500, 500, 500 }, { 0, 1, 1, 0 }, 4, 250000, NULL },
        { "one inert instance between 1,000 and 1,000 reaches the bound", { 1000, 1, 1000 }, { 0, 1, 0 }, 3, 1000000, NULL },
        { "and past it", { 1001, 1, 1000 }, { 0, 1, 0 }, 3, 0, "more than 1000000 dependencies" },
        { "an inert fan of 49,998", { 1, 49998, 1 }, { 0, 1, 0 }, 3, 1, NULL },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct graph g = given_layers(row[i].width, row[i].inert, row[i].layers);
        struct plan p;
        struct err e = { 0 };
        bool ok = plan_make(mem, &g, PLAN_TRIGGER, &p, &e);
        if (row[i].limit)
            then_error(&e, ERR_LIMIT, row[i].limit);
        else
            assert_int_equal(p.edge_count, row[i].edges);
        assert_int_equal(ok, row[i].limit == NULL);
    }
}

static void diverse_inert_layers_hit_a_limit_with_numbers(void **state)
{
    /*
     * 1,000 roots, 1,000 inert ones below that each wait for another half of them, and 20,000 inert
     * ones further down with as many sets.
     */
    enum { ROOTS = 1000, MIDDLE = 1000, DEEP = 20000 };
    struct graph g = { .count = ROOTS + MIDDLE + DEEP };
    g.instance = arena_make(mem, struct instance, g.count);
    g.edge = arena_make(mem, struct batch_edge, BATCH_EDGES_MAX);
    struct json on = pro_with("synchronize", "'plan.yml':{}");
    for (uint32_t i = 0; i < ROOTS; i++)
        g.instance[i].pro = on;
    for (uint32_t m = 0; m < MIDDLE; m++)
        for (uint32_t k = 0; k < 500; k++)
            g.edge[g.edge_count++] = (struct batch_edge){ (m * 7 + k) % ROOTS, ROOTS + m };
    for (uint32_t d = 0; d < DEEP; d++)
        for (uint32_t k = 0; k < 20; k++)
            g.edge[g.edge_count++] = (struct batch_edge){
                ROOTS + (d * 31 + k * 17 + d / 1000 * k) % MIDDLE, ROOTS + MIDDLE + d};
    struct plan p;
    struct err e = { 0 };
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_false(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    then_error(&e, ERR_LIMIT, "22000 instances, 900000 dependencies");
    assert_true(b.tv_sec - a.tv_sec < 10);
}

static void too_many_runs_are_refused(void **state)
{
    struct buf b;
    buf_init(&b, mem, 1 << 22);
    for (int i = 0; i <= 500; i++)
        buf_print(&b, "%s'f%d.yml':{}", i ? "," : "", i);
    struct graph g = { .count = 100, .instance = arena_make(mem, struct instance, 100) };
    for (uint32_t i = 0; i < g.count; i++)
        g.instance[i].pro = pro_with("synchronize", buf_str(&b).ptr);
    struct plan p;
    struct err e = { 0 };
    assert_false(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
    then_error(&e, ERR_LIMIT, "more than 50000 workflow runs");
}

/* The simple truth about who waits for whom: look up through inert parents, by recursion. */
static void truth(const struct graph *g, const struct plan *p, uint32_t v, bool *found)
{
    for (size_t i = 0; i < g->edge_count; i++) {
        if (g->edge[i].child != v)
            continue;
        if (p->node[g->edge[i].parent].inert == INERT_NO)
            found[g->edge[i].parent] = true;
        else
            truth(g, p, g->edge[i].parent, found);
    }
}

static void random_graphs_agree_with_the_simple_truth(void **state)
{
    uint64_t seed = 42;
    for (int round = 0; round < 3000; round++) {
        char kinds[9] = { 0 }, edges[200];
        size_t n = 1 + (size_t)round % 8, at = 0;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            kinds[i] = "ooxdn"[(seed >> 33) % 5];
            for (size_t k = 0; k < i; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                if ((seed >> 33) % 3 == 0) {
                    edges[at++] = (char)('a' + (int)k);
                    edges[at++] = (char)('a' + (int)i);
                    edges[at++] = ' ';
                }
            }
        }
        edges[at ? at - 1 : 0] = 0;
        struct graph g = given_graph(kinds, edges);
        struct plan p;
        struct err e = { 0 };
        assert_true(plan_make(mem, &g, PLAN_TRIGGER, &p, &e));
        size_t want = 0;
        for (uint32_t v = 0; v < n; v++) {
            bool found[8] = { false };
            if (p.node[v].inert == INERT_NO)
                truth(&g, &p, v, found);
            for (uint32_t u = 0; u < n; u++) {
                bool there = false;
                for (size_t k = 0; k < p.edge_count; k++)
                    there |= p.edge[k].parent == u && p.edge[k].child == v;
                assert_int_equal(there, found[u]);
                if (found[u])
                    assert_true(p.node[u].level < p.node[v].level);
                want += found[u];
            }
        }
        assert_int_equal(p.edge_count, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(edges_skip_what_is_not_dispatched), TEST(inert_nodes_say_why), TEST(nodes_carry_file_inputs_and_class),
        TEST(loops_are_refused_by_name), TEST(wide_inert_layers_do_not_blow_up),
        TEST(diverse_inert_layers_hit_a_limit_with_numbers), TEST(too_many_runs_are_refused),
        TEST(random_graphs_agree_with_the_simple_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
