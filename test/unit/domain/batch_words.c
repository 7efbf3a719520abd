#include "batch_words.h"

static const char letter[] = "wrbdqoagSFCTKPEI";
static const char batch_letter[] = {
    [BATCH_PREPARING] = 'p', [BATCH_HELD] = 'h', [BATCH_RUNNING] = 'r', [BATCH_ENDED] = 'e'};

struct given given_batch(const char *name, const char *classes, const char *edges, bool strict)
{
    struct given      g = { .mem = arena_new(64 << 20, 256 << 20), .name = name };
    struct batch_node node[16] = { 0 };
    uint32_t          count = (uint32_t)strlen(classes);

    for (uint32_t i = 0; i < count; i++) {
        node[i].state = classes[i] == 'I' ? NODE_INERT : NODE_WAITING;
        node[i].run_class = classes[i] == 'P' ? RUN_PLAN : RUN_APPLY;
        node[i].expected_ms = 1000;
    }
    for (const char *e = edges; *e; e += e[2] ? 3 : 2)
        g.edge[g.edges++] = (struct batch_edge){ (uint32_t)(e[0] - '0'), (uint32_t)(e[1] - '0') };
    g.b = batch_new(g.mem, node, count, g.edge, g.edges, strict);
    return g;
}

void must_be_the_same(const char *name, const struct batch *a, const struct batch *b)
{
    bool same = a->state == b->state && a->cancelled == b->cancelled &&
                a->superseded == b->superseded && a->ready_count == b->ready_count &&
                memcmp(a->by_state, b->by_state, sizeof a->by_state) == 0 &&
                memcmp(a->order, b->order, a->count * sizeof a->order[0]) == 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct batch_node *x = &a->node[i], *y = &b->node[i];
        same = same && x->state == y->state && x->run_class == y->run_class &&
               x->attempt == y->attempt && x->expected_ms == y->expected_ms &&
               x->cancel_wanted == y->cancel_wanted && x->retry == y->retry &&
               x->not_before_ms == y->not_before_ms && x->parents_open == y->parents_open &&
               x->parents_bad == y->parents_bad && x->tail_ms == y->tail_ms &&
               x->child_count == y->child_count && x->first_child == y->first_child &&
               (x->heap_at != 0) == (y->heap_at != 0) && x->told == y->told && !x->queued &&
               !y->queued;
        for (uint32_t k = 0; same && k < x->child_count; k++)
            same = a->children[x->first_child + k] == b->children[y->first_child + k];
    }
    uint32_t *ax = arena_make(a->mem, uint32_t, a->count + 1),
             *bx = arena_make(a->mem, uint32_t, a->count + 1);
    int64_t   aw, bw;
    uint32_t an = batch_next(a, a->count, 1000, ax, &aw),
             bn = batch_next(b, a->count, 1000, bx, &bw);
    same = same && an == bn && aw == bw && memcmp(ax, bx, an * sizeof ax[0]) == 0;
    if (!same)
        print_error("%s: the loaded batch differs from the one that was stepped\n", name);
    assert_true(same);
}

struct batch *loaded(struct arena *mem, const struct batch *b, const struct batch_edge *edges,
                     size_t n)
{
    /* Only what is stored: whatever else is in the rows must not matter. */
    struct batch_node *rows = arena_make(mem, struct batch_node, b->count);
    for (uint32_t i = 0; i < b->count; i++)
        rows[i] = (struct batch_node){ .state = b->node[i].state, .run_class = b->node[i].run_class,
            .attempt = b->node[i].attempt, .expected_ms = b->node[i].expected_ms,
            .cancel_wanted = b->node[i].cancel_wanted, .not_before_ms = b->node[i].not_before_ms,
            .parents_open = 77, .heap_at = 3, .tail_ms = 9 };
    return batch_load(mem, rows, b->count, edges, n, b->strict, b->state, b->cancelled,
                      b->superseded);
}

static const struct { char word; enum node_event ev; } words[] = {
    { 'S', NODE_SEND }, { 'a', NODE_ACCEPTED }, { 'q', NODE_RUN_QUEUED }, { 'w', NODE_RUN_APPROVAL },
    { 'r', NODE_RUN_STARTED }, { '+', NODE_RUN_SUCCEEDED }, { '!', NODE_RUN_FAILED }, { 'x', NODE_RUN_CANCELLED },
    { 't', NODE_RUN_TIMED_OUT }, { 'g', NODE_RUN_AGAIN }, { 'b', NODE_PUT_BACK }, { 'e', NODE_REFUSED },
    { 'L', NODE_BLOCK }, { 'U', NODE_UNBLOCK }, { 'C', NODE_CANCEL }, { 'P', NODE_SUPERSEDE }, { 'R', NODE_RERUN },
};

enum node_verdict step(struct given *g, char word, uint32_t node, int64_t not_before_ms)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (words[i].word == word)
            return batch_step(g->b,
                              (struct node_message){.event = words[i].ev,
                                                    .node = node,
                                                    .attempt = g->b->node[node].attempt,
                                                    .now_ms = 1000,
                                                    .not_before_ms = not_before_ms},
                              &g->out);
    print_error("%s: no such word: %c\n", g->name, word);
    abort();
}

static void order(struct given *g, char word)
{
    switch (word) {
    case 's': batch_start(g->b, 1000, &g->out); return;
    case 'h': batch_hold(g->b, 1000, &g->out); return;
    case 'c': batch_cancel(g->b, 1000, &g->out); return;
    case 'p': batch_supersede(g->b, false, 1000, &g->out); return;
    case 'k': batch_supersede(g->b, true, 1000, &g->out); return;
    case 'y': batch_retry(g->b, 1000, &g->out); return;
    default: print_error("%s: no such order: %c\n", g->name, word); abort();
    }
}

/* One word; returns what stands behind it. */
static const char *play_word(struct given *g, const char *w)
{
    g->out = (struct decisions){ .mem = g->mem };
    if (w[1] < '0' || w[1] > '9') {
        order(g, w[0]);
        return w + 1;
    }
    uint32_t          node = (uint32_t)(w[1] - '0');
    enum node_verdict want = w[2] == '.' ? NODE_STALE : w[2] == '-' ? NODE_ILLEGAL : NODE_MOVE;
    const char       *all = w[0] == 'o' ? "Sar+" : w[0] == 'f' ? "Sar!" : NULL;
    if (!all) {
        size_t before = g->out.count;
        enum node_verdict got = step(g, w[0], node, 0);
        if (got != want)
            print_error("%s: at \"%s\": verdict %d, want %d\n", g->name, w, (int)got, (int)want);
        assert_int_equal(got, want);
        assert_int_equal(got == NODE_MOVE, g->out.count > before);
    }
    for (; all && *all; all++)
        assert_int_equal(step(g, *all, node, 0), NODE_MOVE);
    return w + 2 + (want != NODE_MOVE);
}

void play(struct given *g, const char *history)
{
    for (const char *w = history; *w;) {
        if (*w == ' ') {
            w++;
            continue;
        }
        w = play_word(g, w);
        must_be_the_same(g->name, g->b, loaded(g->mem, g->b, g->edge, g->edges));
    }
}

void then_it_is(struct given *g, const char *want)
{
    char got[32] = { 0 };
    for (uint32_t i = 0; i < g->b->count; i++)
        got[i] = letter[g->b->node[i].state];
    got[g->b->count] = ' ';
    got[g->b->count + 1] = batch_letter[g->b->state];
    if (strcmp(got, want) != 0)
        print_error("%s:\n", g->name);
    assert_string_equal(got, want);
}

void play_all(const struct history *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct given g = given_batch(h[i].name, h[i].classes, h[i].edges, h[i].strict);
        play(&g, h[i].history);
        then_it_is(&g, h[i].then);
        arena_free(g.mem);
    }
}
