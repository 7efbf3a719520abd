#include "given.h"
#include "domain/graph.h"
#include "domain/text.h"

static bool build_raw(str text, struct graph *g, struct err *e)
{
    struct graph_builder *b = graph_begin(mem);
    bool ok = graph_add(b, given_raw(text), e);
    graph_finish(b, g);
    return ok;
}

static bool build(const char *text, struct graph *g, struct err *e)
{
    struct graph_builder *b = graph_begin(mem);
    bool ok = graph_add(b, given_json(text), e);
    graph_finish(b, g);
    return ok;
}

static struct graph given_graph(const char *text)
{
    struct graph g;
    struct err e = { 0 };
    if (!build(text, &g, &e))
        wrong("expected a graph, got %s: %s", err_tag(e.code), e.text);
    return g;
}

/* "vpc>eks vpc>rds": the edges in order, as component names. */
static void then_edges(const struct graph *g, const char *want)
{
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (size_t i = 0; i < g->edge_count; i++) {
        str p = g->instance[g->edge[i].parent].component,
            c = g->instance[g->edge[i].child].component;
        buf_print(&b, "%s" PRI_STR ">" PRI_STR, i ? " " : "", FMT_STR(p), FMT_STR(c));
    }
    then_text(buf_str(&b), want);
}

static void then_names(const struct graph *g, const char *want)
{
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (uint32_t i = 0; i < g->count; i++)
        buf_print(&b, "%s" PRI_STR "@" PRI_STR "%s", i ? " " : "", FMT_STR(g->instance[i].component),
                  FMT_STR(g->instance[i].stack), g->instance[i].affected ? "!" : "");
    then_text(buf_str(&b), want);
}

static void shapes_become_instances_and_edges(void **state)
{
    static const struct { const char *why, *text, *names, *edges;
    } row[] = {
        {"an empty upload", "[]", "", ""},
        {"a null upload", "null", "", ""},
        {"one root", "[{'stack':'p','component':'a'}]", "a@p!", ""},
        {"null dependents and settings",
         "[{'stack':'p','component':'a','dependents':null,'settings':null}]", "a@p!", ""},
        {"a nested dependent",
         "[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'}]}]", "a@p! b@p",
         "a>b"},
        {"a dependent that is a root elsewhere is one instance, whatever the flags say",
         "[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b','included_in_"
         "dependents':true}]},{'stack':'p','component':'b','included_in_dependents':true}]",
         "a@p! b@p!", "a>b"},
        {"a root that is met again below another stays a root",
         "[{'stack':'p','component':'a'},{'stack':'p','component':'b','dependents':[{'stack':'p','"
         "component':'a'}]}]",
         "a@p! b@p!", "b>a"},
        {"the same edge twice is one edge",
         "[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'},{'stack':'p','"
         "component':'b'}]}]",
         "a@p! b@p", "a>b"},
        {"a diamond",
         "[{'stack':'p','component':'a','dependents':["
         "{'stack':'p','component':'b','dependents':[{'stack':'p','component':'d'}]},"
         "{'stack':'p','component':'c','dependents':[{'stack':'p','component':'d'}]}]}]",
         "a@p! b@p d@p c@p", "a>b b>d a>c c>d"},
        {"equal components in two stacks are two",
         "[{'stack':'p','component':'a'},{'stack':'q','component':'a'}]", "a@p! a@q!", ""},
        {"slug twins stay apart: a/b and a-b",
         "[{'stack':'p','component':'a/b'},{'stack':'p','component':'a-b'}]", "a/b@p! a-b@p!", ""},
        {"names that only differ in where one ends: (ab, c) and (a, bc)",
         "[{'stack':'ab','component':'c'},{'stack':'a','component':'bc'}]", "c@ab! bc@a!", ""},
        {"escapes are decoded before comparing",
         "[{'stack':'p','component':'a'},{'stack':'p','component':'\\u0061'}]", "a@p!", ""},
        {"unknown keys of old and future CLIs are ignored",
         "[{'stack':'p','component':'a','file':'x','spacelift_stack':[],'zzz':{'stack':'q'},'"
         "affected_all':null}]",
         "a@p!", ""},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct graph g = given_graph(row[i].text);
        then_names(&g, row[i].names);
        then_edges(&g, row[i].edges);
    }
}

static void pro_is_taken_as_a_whole_block(void **state)
{
    static const struct { const char *why, *entry, *pro; } row[] = {
        { "neither", "'settings':null", "" },
        { "settings without pro", "'settings':{'x':1}", "" },
        { "settings.pro", "'settings':{'pro':{'a':1}}", "{\"a\":1}" },
        { "pro wins over settings.pro, never merged", "'pro':{'b':2},'settings':{'pro':{'a':1}}", "{\"b\":2}" },
        { "an empty pro does not win", "'pro':{},'settings':{'pro':{'a':1}}", "{\"a\":1}" },
        { "a pro of another type does not win", "'pro':true,'settings':{'pro':{'a':1}}", "{\"a\":1}" },
        { "an empty settings.pro is none", "'settings':{'pro':{}}", "" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct graph g =
            given_graph(arena_print(mem, "[{'stack':'p','component':'a',%s}]", row[i].entry).ptr);
        then_text(json_raw(g.instance[0].pro), row[i].pro);
    }
    struct graph g = given_graph("[{'stack':'p','component':'a'},{'stack':'p','component':'a','pro'"
                                 ":{'k':1}},{'stack':'p','component':'a','pro':{'k':2}}]");
    then_text(json_raw(g.instance[0].pro), "{\"k\":1}");
}

static void occurrences_are_merged(void **state)
{
    struct graph g =
        given_graph("[{'stack':'p','component':'a','component_type':'terraform','deleted':true,'"
                    "deletion_type':'stack','namespace':'n','stage':'s'},{'stack':'p','component':'"
                    "a','component_type':'helmfile','tenant':'t','stage':'other'},{'stack':'p','"
                    "component':'a','component_type':'packer','environment':'e'}]");
    then_names(&g, "a@p!");
    assert_true(g.instance[0].deleted);
    then_text(g.instance[0].deletion_type, "stack");
    then_text(g.instance[0].namespace_, "n");
    then_text(g.instance[0].tenant, "t");
    then_text(g.instance[0].environment, "e");
    then_text(g.instance[0].stage, "s");
    assert_int_equal(g.merged_types, 1);
}

static void chunks_are_joined(void **state)
{
    struct graph_builder *b = graph_begin(mem);
    struct err e = { 0 };
    assert_true(graph_add(
        b,
        given_json("[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'}]}]"),
        &e));
    assert_true(graph_add(b, given_json("[]"), &e));
    assert_true(graph_add(
        b,
        given_json("[{'stack':'p','component':'b','dependents':[{'stack':'p','component':'c'}]}]"),
        &e));
    struct graph g;
    graph_finish(b, &g);
    then_names(&g, "a@p! b@p! c@p");
    then_edges(&g, "a>b b>c");
}

static void bad_entries_are_all_named(void **state)
{
    static const struct { const char *text, *detail;
    } row[] = {
        {"[1]", "stacks[0]: must be an object"},
        {"[{'stack':'p','component':'a'},{'component':'a'}]", "stacks[1]: `stack` is missing"},
        {"[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'}]},{'component':"
         "'a'}]",
         "stacks[1]: `stack` is missing"},
        {"[{'stack':'p','component':''}]", "stacks[0]: `component` is missing"},
        {"[{'stack':7,'component':'a'}]", "stacks[0]: `stack` is missing or not a text"},
        {"[{'stack':'p','component':'a','dependents':{}}]",
         "stacks[0]: `dependents` must be an array"},
        {"[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'},{'stack':'p','"
         "component':'c','dependents':[null]}]}]",
         "stacks[0].dependents[1].dependents[0]: must be an object"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct graph g;
        struct err e = { 0 };
        assert_false(build(row[i].text, &g, &e));
        then_error(&e, ERR_INVALID, "`stacks`");
        assert_int_equal(e.details, 1);
        then_detail(&e, 0, row[i].detail);
    }
    struct graph g;
    struct err e = { 0 };
    assert_false(build("[null,{'stack':'p','component':'a'},[],{}]", &g, &e));
    assert_int_equal(e.details, 3);
    then_detail(&e, 2, "stacks[3]: `stack`");

    err_clear(&e);
    assert_false(build("{}", &g, &e));
    then_error(&e, ERR_INVALID, "`stacks` must be an array");

    struct buf many;
    buf_init(&many, mem, 1 << 20);
    buf_char(&many, '[');
    for (int i = 0; i < 500; i++)
        buf_add(&many, i ? STR(",0") : STR("0"));
    buf_char(&many, ']');
    err_clear(&e);
    assert_false(build(buf_str(&many).ptr, &g, &e));
    assert_int_equal(e.details, ERR_DETAILS_MAX);
    then_detail(&e, ERR_DETAILS_MAX - 1, "and more");
}

/* A chain c0 → c1 → … with `levels` nestings below the root. */
static str given_chain(int levels)
{
    struct buf b;
    buf_init(&b, mem, 1 << 24);
    buf_char(&b, '[');
    for (int i = 0; i <= levels; i++)
        buf_print(&b, "%s{\"stack\":\"p\",\"component\":\"c%d\"", i ? ",\"dependents\":[" : "", i);
    for (int i = 0; i <= levels; i++)
        buf_add(&b, i < levels ? STR("}]") : STR("}"));
    buf_char(&b, ']');
    return buf_str(&b);
}

static void nesting_is_bounded(void **state)
{
    static const struct { int levels; bool ok; } row[] = { { 0, true }, { 64, true }, { 99, true }, { 100, true }, { 101, false }, { 115, false } };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct graph g;
        struct err e = { 0 };
        assert_int_equal(build_raw(given_chain(row[i].levels), &g, &e), row[i].ok);
        if (row[i].ok)
            assert_int_equal(g.count, row[i].levels + 1);
        else
            then_error(&e, ERR_LIMIT, "deeper than 100");
    }
}

static void counts_are_bounded(void **state)
{
    static const struct { int roots; bool ok; } row[] = { { BATCH_NODES_MAX, true }, { BATCH_NODES_MAX + 1, false } };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct buf b;
        buf_init(&b, mem, 1 << 24);
        buf_char(&b, '[');
        for (int k = 0; k < row[i].roots; k++)
            buf_print(&b, "%s{\"stack\":\"s%d\",\"component\":\"c\"}", k ? "," : "", k);
        buf_char(&b, ']');
        struct graph g;
        struct err e = { 0 };
        assert_int_equal(build_raw(buf_str(&b), &g, &e), row[i].ok);
        if (row[i].ok)
            assert_int_equal(g.count, BATCH_NODES_MAX);
        else
            then_error(&e, ERR_LIMIT, "more than 50000 instances");
    }
}

static void edges_are_bounded(void **state)
{
    struct buf b;
    buf_init(&b, mem, 1 << 26);
    buf_char(&b, '[');
    for (int p = 0; p < 1001; p++) {
        buf_print(&b, "%s{\"stack\":\"p\",\"component\":\"r%d\",\"dependents\":[", p ? "," : "", p);
        for (int c = 0; c < 1000; c++)
            buf_print(&b, "%s{\"stack\":\"p\",\"component\":\"%d\"}", c ? "," : "", c);
        buf_add(&b, STR("]}"));
    }
    buf_char(&b, ']');
    struct graph g;
    struct err e = { 0 };
    assert_true(buf_ok(&b));
    assert_false(build_raw(buf_str(&b), &g, &e));
    then_error(&e, ERR_LIMIT, "more than 1000000 dependencies");
}

static void then_loop(const char *edges_text, const char *want)
{
    struct graph g = given_graph(edges_text);
    uint32_t *loop;
    size_t n = graph_cycle(mem, &g, &loop);
    then_text(graph_loop_text(mem, &g, loop, n), want);
}

static void loops_are_found_and_named(void **state)
{
    then_loop("[]", "");
    then_loop("[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b'}]}]", "");
    then_loop("[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'b','"
              "dependents':[{'stack':'p','component':'d'}]},{'stack':'p','component':'c','"
              "dependents':[{'stack':'p','component':'d'}]}]}]",
              "");
    then_loop("[{'stack':'p','component':'a','dependents':[{'stack':'p','component':'a'}]}]",
              "a in p → a in p");
    then_loop("[{'stack':'p','component':'network/"
              "vpc','dependents':[{'stack':'p','component':'eks','dependents':[{'stack':'p','"
              "component':'network/vpc'}]}]}]",
              "network/vpc in p → eks in p → network/vpc in p");
    /* The way into the loop is no part of it, and a short way round is named before a long one. */
    then_loop("[{'stack':'p','component':'in','dependents':[{'stack':'p','component':'a','"
              "dependents':[{'stack':'p','component':'x','dependents':[{'stack':'p','component':'y'"
              ",'dependents':[{'stack':'p','component':'a'}]}]},{'stack':'p','component':'z','"
              "dependents':[{'stack':'p','component':'a'}]}]}]}]",
              "a in p → z in p → a in p");
}

static struct graph given_edges(uint32_t count, const struct batch_edge *edge, size_t edges)
{
    struct graph g = { .count = count, .edge_count = edges };
    g.instance = arena_make(mem, struct instance, count);
    for (uint32_t i = 0; i < count; i++)
        g.instance[i] =
            (struct instance){.stack = STR("p"), .component = arena_print(mem, "c%u", i)};
    g.edge = arena_make(mem, struct batch_edge, edges);
    for (size_t i = 0; i < edges; i++)
        g.edge[i] = edge[i];
    return g;
}

/*
 * The simple truth: a graph has a loop when taking away parentless instances stops before the end.
 */
static bool has_loop(const struct graph *g)
{
    bool gone[8] = { false };
    for (uint32_t round = 0; round < g->count; round++)
        for (uint32_t v = 0; v < g->count; v++) {
            bool free_ = true;
            for (size_t i = 0; i < g->edge_count; i++)
                free_ &= g->edge[i].child != v || gone[g->edge[i].parent];
            gone[v] |= free_;
        }
    for (uint32_t v = 0; v < g->count; v++)
        if (!gone[v])
            return true;
    return false;
}

static void then_real_loop(const struct graph *g, const uint32_t *loop, size_t n)
{
    assert_true(n >= 2);
    assert_int_equal(loop[0], loop[n - 1]);
    for (size_t i = 0; i + 1 < n; i++) {
        bool there = false;
        for (size_t k = 0; k < g->edge_count; k++)
            there |= g->edge[k].parent == loop[i] && g->edge[k].child == loop[i + 1];
        assert_true(there);
    }
}

static void every_small_graph_is_judged_right(void **state)
{
    /* All 65,536 graphs of four instances, with self edges. */
    for (uint32_t bits = 0; bits < 1u << 16; bits++) {
        struct batch_edge edge[16];
        size_t edges = 0;
        for (uint32_t i = 0; i < 16; i++)
            if (bits >> i & 1)
                edge[edges++] = (struct batch_edge){ i / 4, i % 4 };
        if (bits % 512 == 0) {
            drop_mem(state);
            setup_mem(state);
        }
        struct graph g = given_edges(4, edge, edges);
        uint32_t *loop;
        size_t n = graph_cycle(mem, &g, &loop);
        assert_int_equal(n > 0, has_loop(&g));
        if (n)
            then_real_loop(&g, loop, n);
    }
}

static void long_loops_are_cut_and_need_no_deep_stack(void **state)
{
    enum { N = 50000 };
    struct batch_edge *edge = arena_make(mem, struct batch_edge, N);
    for (uint32_t i = 0; i < N; i++)
        edge[i] = (struct batch_edge){ i, (i + 1) % N };
    struct graph g = given_edges(N, edge, N);
    uint32_t *loop;
    size_t n = graph_cycle(mem, &g, &loop);
    assert_int_equal(n, N + 1);
    then_text(graph_loop_text(mem, &g, loop, n),
              "c0 in p → c1 in p → c2 in p → c3 in p → c4 in p → c5 in p → … 49994 more → c0 in p");
    g.edge_count = N - 1;
    assert_int_equal(graph_cycle(mem, &g, &loop), 0);
}

static void loop_of_eight_is_whole(void **state)
{
    struct batch_edge edge[8];
    for (uint32_t i = 0; i < 8; i++)
        edge[i] = (struct batch_edge){ i, (i + 1) % 7 };
    struct graph g = given_edges(8, edge, 7);
    uint32_t *loop;
    size_t n = graph_cycle(mem, &g, &loop);
    then_text(graph_loop_text(mem, &g, loop, n),
              "c0 in p → c1 in p → c2 in p → c3 in p → c4 in p → c5 in p → c6 in p → c0 in p");
}

static void hostile_names_do_not_reach_the_sentence(void **state)
{
    struct batch_edge self = { 0, 0 };
    struct graph g = given_edges(1, &self, 1);
    char *big = arena_take(mem, 4096, 1);
    memset(big, 'x', 4096);
    static const char *const name[] = {"a\nb",           "a\r\n\x1b[31mred", "\u202egnp.exe",
                                       "a\u200b\u2028b", "\xff\xfe",         ""};
    for (size_t i = 0; i <= sizeof name / sizeof name[0]; i++) {
        str s = i < sizeof name / sizeof name[0] ? str_of(name[i]) : (str){ big, 4096 };
        g.instance[0].component = g.instance[0].stack = s;
        uint32_t *loop;
        size_t n = graph_cycle(mem, &g, &loop);
        str text = graph_loop_text(mem, &g, loop, n);
        then_plain(text);
        assert_in_range(text.len, 1, 600);
    }
}

static void text_is_made_plain(void **state)
{
    static const struct { const char *in; size_t max; const char *out; } row[] = {
        { "", 5, "" }, { "abc", 3, "abc" }, { "abcd", 3, "ab…" }, { "äöü€", 4, "äöü€" }, { "äöü€x", 4, "äöü…" },
        { "a\tb\x7f", 9, "a\xef\xbf\xbd" "b\xef\xbf\xbd" }, { "\xc2\x85x", 9, "\xef\xbf\xbdx" },
        { "\xc3", 9, "\xef\xbf\xbd" }, { "\xf0\x9f\x98", 9, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, { "😀😀", 1, "…" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        then_text(text_plain(mem, str_of(row[i].in), row[i].max), row[i].out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shapes_become_instances_and_edges), TEST(pro_is_taken_as_a_whole_block), TEST(occurrences_are_merged),
        TEST(chunks_are_joined), TEST(bad_entries_are_all_named), TEST(nesting_is_bounded), TEST(counts_are_bounded),
        TEST(edges_are_bounded), TEST(loops_are_found_and_named), TEST(every_small_graph_is_judged_right),
        TEST(long_loops_are_cut_and_need_no_deep_stack), TEST(loop_of_eight_is_whole),
        TEST(hostile_names_do_not_reach_the_sentence), TEST(text_is_made_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
