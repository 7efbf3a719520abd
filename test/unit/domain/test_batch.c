/*
 * batch.h: a graph of nodes, one event at a time.
 *
 * Histories are written as words: an event letter and a node digit, or a letter alone for the whole batch.
 *   s start   h hold   c cancel   p newer head   k newer head, stop live runs   y retry
 *   S send  a accepted  q queued  w waits for approval  r started  + succeeded  ! failed  x cancelled  t timed out  g runs again
 *   b put back  e refused  L lock closed  U lock open  C cancel  P superseded  R re-run  and  o = S a r +   f = S a r !
 * A word that ends in '.' must be stale, in '-' illegal; every other must move. Outcomes are written as one letter a node:
 *   w waiting r ready b locked d dispatching q queued o running a approval g cancelling
 *   S success F failure C cancelled T timed out K skipped P superseded E error I inert
 * After every word the batch is loaded again from what is stored of it, and must not differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#undef fail                 /* cmocka's; err.h has its own */

#include "domain/batch.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char letter[] = "wrbdqoagSFCTKPEI";
static const char batch_letter[] = { [BATCH_PREPARING] = 'p', [BATCH_HELD] = 'h', [BATCH_RUNNING] = 'r', [BATCH_ENDED] = 'e' };

struct given {
    struct arena     *mem;
    struct batch     *b;
    struct batch_edge edge[64];
    size_t            edges;
    const char       *name;
    struct decisions  out;      /* of the last word */
};

/* classes: one letter a node: A apply, P plan, I inert. edges: "01 12": node 0 before node 1, 1 before 2. */
static struct given given_batch(const char *name, const char *classes, const char *edges, bool strict)
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

static void must_be_the_same(const char *name, const struct batch *a, const struct batch *b)
{
    bool same = a->state == b->state && a->cancelled == b->cancelled && a->superseded == b->superseded &&
                a->ready_count == b->ready_count && memcmp(a->by_state, b->by_state, sizeof a->by_state) == 0 &&
                memcmp(a->order, b->order, a->count * sizeof a->order[0]) == 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct batch_node *x = &a->node[i], *y = &b->node[i];
        same = same && x->state == y->state && x->run_class == y->run_class && x->attempt == y->attempt &&
               x->expected_ms == y->expected_ms && x->cancel_wanted == y->cancel_wanted && x->retry == y->retry &&
               x->not_before_ms == y->not_before_ms && x->parents_open == y->parents_open &&
               x->parents_bad == y->parents_bad && x->tail_ms == y->tail_ms && x->child_count == y->child_count &&
               x->first_child == y->first_child && (x->heap_at != 0) == (y->heap_at != 0) && x->told == y->told &&
               !x->queued && !y->queued;
        for (uint32_t k = 0; same && k < x->child_count; k++)
            same = a->children[x->first_child + k] == b->children[y->first_child + k];
    }
    uint32_t *ax = arena_make(a->mem, uint32_t, a->count + 1), *bx = arena_make(a->mem, uint32_t, a->count + 1);
    int64_t   aw, bw;
    uint32_t  an = batch_next(a, a->count, 1000, ax, &aw), bn = batch_next(b, a->count, 1000, bx, &bw);
    same = same && an == bn && aw == bw && memcmp(ax, bx, an * sizeof ax[0]) == 0;
    if (!same)
        print_error("%s: the loaded batch differs from the one that was stepped\n", name);
    assert_true(same);
}

static struct batch *loaded(struct arena *mem, const struct batch *b, const struct batch_edge *edges, size_t n)
{
    /* Only what is stored: whatever else is in the rows must not matter. */
    struct batch_node *rows = arena_make(mem, struct batch_node, b->count);
    for (uint32_t i = 0; i < b->count; i++)
        rows[i] = (struct batch_node){ .state = b->node[i].state, .run_class = b->node[i].run_class,
            .attempt = b->node[i].attempt, .expected_ms = b->node[i].expected_ms,
            .cancel_wanted = b->node[i].cancel_wanted, .not_before_ms = b->node[i].not_before_ms,
            .parents_open = 77, .heap_at = 3, .tail_ms = 9 };
    return batch_load(mem, rows, b->count, edges, n, b->strict, b->state, b->cancelled, b->superseded);
}

static const struct { char word; enum node_event ev; } words[] = {
    { 'S', NODE_SEND }, { 'a', NODE_ACCEPTED }, { 'q', NODE_RUN_QUEUED }, { 'w', NODE_RUN_APPROVAL },
    { 'r', NODE_RUN_STARTED }, { '+', NODE_RUN_SUCCEEDED }, { '!', NODE_RUN_FAILED }, { 'x', NODE_RUN_CANCELLED },
    { 't', NODE_RUN_TIMED_OUT }, { 'g', NODE_RUN_AGAIN }, { 'b', NODE_PUT_BACK }, { 'e', NODE_REFUSED },
    { 'L', NODE_BLOCK }, { 'U', NODE_UNBLOCK }, { 'C', NODE_CANCEL }, { 'P', NODE_SUPERSEDE }, { 'R', NODE_RERUN },
};

static enum node_verdict step(struct given *g, char word, uint32_t node, int64_t not_before_ms)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (words[i].word == word)
            return batch_step(g->b, (struct node_message){ .event = words[i].ev, .node = node,
                .attempt = g->b->node[node].attempt, .now_ms = 1000, .not_before_ms = not_before_ms }, &g->out);
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

static void play(struct given *g, const char *history)
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

/* "SFw e": the nodes and the batch. */
static void then_it_is(struct given *g, const char *want)
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

struct history { const char *name, *classes, *edges, *history, *then; bool strict; };

static void play_all(const struct history *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct given g = given_batch(h[i].name, h[i].classes, h[i].edges, h[i].strict);
        play(&g, h[i].history);
        then_it_is(&g, h[i].then);
        arena_free(g.mem);
    }
}

static void a_start_opens_the_roots(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "nothing before the start", "AAA", "01 12",    "",      "www p", false },
        { "a chain",                  "AAA", "01 12",    "s",     "rww r", false },
        { "no edges",                 "APA", "",         "s",     "rrr r", false },
        { "a second start",           "AA",  "01",       "s s",   "rw r",  false },
        { "behind an inert node",     "IA",  "01",       "s",     "Ir r",  false },
        { "inert nodes alone",        "II",  "",         "s",     "II e",  false },
        { "held, then released",      "AA",  "",         "h s",   "rr r",  false },
        { "held after the start",     "AA",  "01",       "s h",   "rw h",  false },
        { "a held one sends nothing", "AA",  "01",       "s h S0-", "rw h", false },
        { "one not started neither",  "AA",  "01",       "S0-",   "ww p",  false },
        { "hold comes too late",      "AA",  "",         "s S0 h", "dr r", false },
        { "not even when put back",   "AA",  "",         "s S0 b0 h", "rr r", false },
        { "lock gate while held",     "AA",  "01",       "s L0 h U0 s S0", "dw r", false },
    };
    play_all(h, COUNT(h));
}

static void an_end_settles_what_waited_for_it(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "chain, first succeeds",          "AAA",   "01 12",       "s o0",         "Srw r",   false },
        { "chain, all succeed",             "AAA",   "01 12",       "s o0 o1 o2",   "SSS e",   false },
        { "chain, first fails",             "AAA",   "01 12",       "s f0",         "FKK e",   false },
        { "siblings go on",                 "AAAA",  "01 02 13",    "s o0 f1",      "SFrK r",  false },
        { "diamond tip waits for both",     "AAAA",  "01 02 13 23", "s o0 o1",      "SSrw r",  false },
        { "diamond, both",                  "AAAA",  "01 02 13 23", "s o0 o1 o2",   "SSSr r",  false },
        { "skipped at the first bad parent","AAAA",  "01 02 13 23", "s o0 f1",      "SFrK r",  false },
        { "refused",                        "AA",    "01",          "s S0 e0",      "EK e",    false },
        { "cancelled over there",           "AA",    "01",          "s S0 a0 x0",   "CK e",    false },
        { "timed out",                      "AA",    "01",          "s S0 a0 t0",   "TK e",    false },
        { "cancelled here before it went",  "AA",    "01",          "s C0",         "CK e",    false },
        { "superseded",                     "AA",    "01",          "s P0",         "PK e",    false },
        { "cancelled before the start",     "AAA",   "01",          "C0 s",         "CKr r",   false },
        { "plans go on",                    "PP",    "01",          "s f0",         "Fr r",    false },
        { "plans wait for all ends",        "PPP",   "02 12",       "s f0",         "Frw r",   false },
        { "plans after a skip",             "AAP",   "01 12",       "s f0",         "FKr r",   false },
        { "strict plans do not",            "PPP",   "01 12",       "s f0",         "FKK e",   true },
        { "an apply behind a failed plan",  "PA",    "01",          "s f0",         "FK e",    false },
        { "a plan behind a failed apply",   "AP",    "01",          "s f0",         "Fr r",    false },
        { "inert child of a failed one",    "AI",    "01",          "s f0",         "FI e",    false },
        { "cancelling is not an end",       "AA",    "01",          "s S0 a0 C0",   "gw r",    false },
        { "an edge twice",                  "AA",    "01 01",       "s o0",         "Sr r",    false },
    };
    play_all(h, COUNT(h));
}

static void what_was_skipped_is_revived(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "at once when the parent is re-run",    "AAA",  "01 12",       "s f0 R0",               "rww r",  false },
        { "and goes when it succeeds",            "AAA",  "01 12",       "s f0 R0 o0 o1 o2",      "SSS e",  false },
        { "and is skipped again when it fails",   "AAA",  "01 12",       "s f0 R0 f0",            "FKK e",  false },
        { "when the forge re-runs the parent",    "AAA",  "01 12",       "s f0 g0",               "qww r",  false },
        { "and that succeeds",                    "AAA",  "01 12",       "s f0 g0 r0 +0",         "Srw r",  false },
        { "not while another parent stands bad",  "AAA",  "02 12",       "s f0 f1 R0",            "rFK r",  false },
        { "with the last of the bad parents",     "AAA",  "02 12",       "s f0 f1 R0 R1",         "rrw r",  false },
        { "once for two ways to it",              "AAAA", "01 02 13 23", "s f0 R0",               "rwww r", false },
        { "what had run keeps its result",        "AAA",  "01 12",       "s o0 o1 f2 R0",         "rSF r",  false },
        { "a child that could have gone waits",   "AA",   "01",          "s o0 R0",               "rw r",   false },
        { "a locked child waits",                 "AA",   "01",          "s o0 L1 R0",            "rw r",   false },
        { "and is looked at anew",                "AA",   "01",          "s o0 L1 R0 U1. o0",     "Sr r",   false },
        { "a live child goes on",                 "AA",   "01",          "s o0 S1 a1 R0",         "rq r",   false },
        { "a child put back meanwhile waits",     "AA",   "01",          "s o0 S1 R0 b1",         "rw r",   false },
        { "or is skipped",                        "AA",   "01",          "s o0 S1 R0 f0 b1",      "FK e",   false },
        { "a cancelled child stays",              "AA",   "01",          "s C1 f0 R0",            "rC r",   false },
        { "a plan that had gone on stays",        "PP",   "01",          "s f0 o1 R0",            "rS r",   false },
        { "a plan that could go waits again",     "PP",   "01",          "s f0 R0",               "rw r",   false },
        { "behind a revived one, across a plan",  "APA",  "01 12",       "s f0 f1 R0",            "rFK r",  false },
        { "re-run of a skipped one: not that way","AA",   "01",          "s f0 R1-",              "FK e",   false },
        { "re-run behind a failed parent: no",    "AA",   "01",          "s o0 f1 R0 f0 R1-",     "FF e",   false },
        { "re-run behind one under way: waits",   "AA",   "01",          "s o0 f1 R0 R1",         "rw r",   false },
        { "a success may be re-run",              "AA",   "01",          "s o0 o1 R1",            "Sr r",   false },
        { "a re-run not yet sent gives way",      "AA",   "01",          "s f0 R0 g0",            "qw r",   false },
    };
    play_all(h, COUNT(h));
}

static void messages_overtake_each_other(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "the end before anything",          "AA", "01", "s S0 +0 a0. r0. q0.",         "Sr r", false },
        { "started before accepted",          "A",  "",   "s S0 r0 a0. q0.",             "o r",  false },
        { "an end twice",                     "A",  "",   "s S0 a0 r0 !0 !0. +0.",       "F e",  false },
        { "late start after the end",         "A",  "",   "s S0 a0 +0 r0.",              "S e",  false },
        { "late put back after a sign of life","A", "",   "s S0 r0 b0.",                 "o r",  false },
        { "old news while it is ready again", "A",  "",   "s f0 R0 !0. r0. +0.",         "r r",  false },
        { "approval, then its end",           "A",  "",   "s S0 a0 w0 q0. r0 w0 !0",     "F e",  false },
        { "re-run over there, end missed",    "A",  "",   "s S0 a0 r0 g0",               "q r",  false },
        { "nothing of it was ever sent",      "A",  "",   "s +0. r0. g0. a0.",           "r r",  false },
        { "sent twice",                       "A",  "",   "s S0 S0-",                    "d r",  false },
        { "blocked nodes are not sent",       "A",  "",   "s L0 S0- L0. U0 U0. S0",      "d r",  false },
    };
    play_all(h, COUNT(h));
}

static void news_of_another_attempt_are_stale(void **state)
{
    (void)state;
    struct given g = given_batch("the fence", "A", "", false);
    play(&g, "s S0 b0 S0 a0");
    assert_int_equal(g.b->node[0].attempt, 2);
    for (unsigned ev = 0; ev < NODE_EVENT_COUNT; ev++) {
        if (node_sender((enum node_event)ev) != BY_FORGE)
            continue;
        for (uint32_t attempt = 0; attempt < 4; attempt += attempt == 1 ? 2 : 1) {
            struct decisions out = { .mem = g.mem };
            assert_int_equal(batch_step(g.b, (struct node_message){ .event = (enum node_event)ev, .attempt = attempt }, &out),
                             NODE_STALE);
            assert_int_equal(out.count, 0);
        }
    }
    then_it_is(&g, "q r");
    arena_free(g.mem);
}

static void core_events_from_outside_are_refused(void **state)
{
    (void)state;
    static const enum node_event core[] = { NODE_OPEN, NODE_BREAK, NODE_REVIVE, NODE_CLOSE };
    struct given g = given_batch("core events", "AAA", "01", false);
    play(&g, "s f0");
    for (size_t k = 0; k < COUNT(core); k++) {
        for (uint32_t i = 0; i < 3; i++) {
            struct decisions out = { .mem = g.mem };
            assert_int_equal(batch_step(g.b, (struct node_message){ .event = core[k], .node = i }, &out), NODE_ILLEGAL);
            assert_int_equal(out.count, 0);
        }
    }
    then_it_is(&g, "FKr r");
    arena_free(g.mem);
}

static void a_cancel_stops_what_it_can(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "waiting, ready and locked ones at once", "AAA", "01",    "s L2 c",              "CCC e", false },
        { "a whole chain is cancelled, not skipped","AAA", "01 12", "s c",                 "CCC e", false },
        { "before the start",                       "AA",  "01",    "c s",                 "CC e",  false },
        { "while held",                             "AA",  "01",    "h c s",               "CC e",  false },
        { "live ones are asked to stop",            "AA",  "01",    "s S0 a0 r0 c",        "gC r",  false },
        { "and end as the forge says: cancelled",   "AA",  "01",    "s S0 a0 r0 c x0",     "CC e",  false },
        { "failed",                                 "A",   "",      "s S0 a0 r0 c !0",     "F e",   false },
        { "or had been faster than the stop",       "AA",  "01",    "s S0 a0 r0 C0 +0",    "Sr r",  false },
        { "while dispatching it is remembered",     "A",   "",      "s S0 C0 C0.",         "d r",   false },
        { "stopped when accepted",                  "A",   "",      "s S0 C0 a0 a0.",      "g r",   false },
        { "stopped when it was seen",               "A",   "",      "s S0 C0 r0",          "g r",   false },
        { "stopped when it waits for approval",     "A",   "",      "s S0 C0 w0",          "g r",   false },
        { "cancelled when put back",                "A",   "",      "s S0 C0 b0",          "C e",   false },
        { "an error when refused",                  "A",   "",      "s S0 C0 e0",          "E e",   false },
        { "a success when it was over already",     "A",   "",      "s S0 C0 +0",          "S e",   false },
        { "from waiting for approval",              "A",   "",      "s S0 w0 C0 x0",       "C e",   false },
        { "twice",                                  "A",   "",      "s S0 a0 C0 C0. c",    "g r",   false },
        { "what had ended keeps its result",        "AAA", "01",    "s f0 c",              "FKC e", false },
        { "an ended batch is not cancelled",        "A",   "",      "s o0 c R0",           "r r",   false },
        { "nothing is revived after it",            "AAA", "01",    "s f0 c g0 r0 +0",     "SKC e", false },
        { "until a person re-runs",                 "AAA", "01",    "s f0 c R0 o0",        "SrC r", false },
        { "or asks for the skipped one",            "AAA", "01",    "s f0 c g0 +0 R1",     "SrC r", false },
        { "a wish is not inherited by a re-run",    "A",   "",      "s S0 C0 e0 R0 S0 a0", "q r",   false },
    };
    play_all(h, COUNT(h));
}

static void a_newer_head_takes_the_place(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "of what was never sent",             "AAA",  "01 12", "s p",             "PPP e",  false },
        { "ready, locked, waiting",             "AAA",  "12",    "s L0 p",          "PPP e",  false },
        { "before the start",                   "AA",   "01",    "p s",             "PP e",   false },
        { "live runs are left alone",           "AAA",  "01",    "s S0 a0 S2 p",    "qPd r",  false },
        { "and end as they end",                "AAA",  "01",    "s S0 a0 S2 p +0 r2 !2", "SPF e", false },
        { "put back: superseded",               "AA",   "01",    "s S0 p b0",       "PP e",   false },
        { "cancelled and put back: cancelled",  "A",    "",      "s S0 C0 p b0",    "C e",    false },
        { "live runs are stopped when asked",   "AAAA", "03",    "s S0 a0 r0 S1 a1 w1 S2 k", "ggdP r", false },
        { "those under way, when known",        "A",    "",      "s S0 k a0 x0",    "C e",    false },
        { "no re-run after it",                 "AAA",  "01",    "s f0 p R0- R1- R2-", "FKP e", false },
        { "no retry either",                    "AA",   "",      "s f0 p y",        "FP e",   false },
        { "not even of an ended batch",         "A",    "",      "s f0 p R0-",      "F e",    false },
        { "a re-run over there is true",        "AA",   "01",    "s f0 p g0",       "qK r",   false },
        { "but revives nothing",                "AA",   "01",    "s f0 p g0 r0 +0", "SK e",   false },
        { "twice, then with a stop",            "A",    "",      "s S0 a0 p p k",   "g r",    false },
    };
    play_all(h, COUNT(h));
}

static void a_retry_sends_every_failure_again(void **state)
{
    (void)state;
    static const struct history h[] = {
        { "a chain from its head",        "AAA",  "01 12",    "s f0 y",              "rww r",  false },
        { "whatever the order of rows",   "AAA",  "21 10",    "s f2 y",              "wwr r",  false },
        { "successes stay",               "AAA",  "01 12",    "s o0 f1 y",           "Srw r",  false },
        { "error, cancelled, timed out",  "AAAA", "",         "s S0 e0 C1 S2 t2 o3 y", "rrrS r", false },
        { "after a cancel, all of it",    "AAA",  "01 12",    "s S0 a0 c x0 y",      "rww r",  false },
        { "what a cancel kept skipped",   "AAA",  "01",       "s f0 c g0 +0 y",      "Srr r",  false },
        { "nothing to do",                "AA",   "01",       "s o0 o1 y",           "SS e",   false },
        { "superseded ones stay",         "AA",   "01",       "s P0 y",              "PK e",   false },
        { "while others still run",       "AA",   "",         "s f0 S1 y",           "rd r",   false },
    };
    play_all(h, COUNT(h));

    struct given g = given_batch("counts", "AAAA", "01 12", false);
    play(&g, "s f0 S3 e3");
    assert_int_equal(batch_retry(g.b, 0, &g.out), 2);
    assert_int_equal(batch_retry(g.b, 0, &g.out), 0);
    arena_free(g.mem);
}

static void an_ended_batch_says_how(void **state)
{
    (void)state;
    static const struct { const char *name, *classes, *edges, *history, *verdict; } cases[] = {
        { "under way",           "AA", "01", "s o0",        "none" },
        { "not begun",           "AA", "01", "",            "none" },
        { "all well",            "AI", "",   "s o0",        "success" },
        { "nothing to do",       "II", "",   "s",           "empty" },
        { "nothing at all",      "",   "",   "s",           "empty" },
        { "a failure",           "AA", "01", "s f0",        "failure" },
        { "an error",            "A",  "",   "s S0 e0",     "failure" },
        { "a time-out",          "A",  "",   "s S0 t0",     "failure" },
        { "cancelled",           "AA", "",   "s o0 c",      "cancelled" },
        { "cancelled, and a failure", "AA", "", "s f0 c",   "failure" },
        { "superseded",          "AA", "",   "s o0 p",      "superseded" },
        { "superseded and cancelled", "AA", "", "s C0 p",   "superseded" },
        { "ended well, then a newer head", "A", "", "s o0 p", "success" },
        { "kept skipped",        "AAA", "01", "s f0 S2 c +2 g0 +0", "cancelled" },
        { "kept skipped by a newer head", "AA", "01", "s f0 p g0 +0", "superseded" },
        { "one re-run to the end", "AA", "01", "s f0 R0 o0 o1", "success" },
        { "re-run, not yet",     "AA", "01", "s f0 R0",     "none" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct given g = given_batch(cases[i].name, cases[i].classes, cases[i].edges, false);
        play(&g, cases[i].history);
        if (strcmp(batch_verdict_name(batch_verdict(g.b)), cases[i].verdict) != 0)
            print_error("%s:\n", cases[i].name);
        assert_string_equal(batch_verdict_name(batch_verdict(g.b)), cases[i].verdict);
        assert_int_equal(batch_done(g.b), batch_verdict(g.b) != VERDICT_NONE);
        arena_free(g.mem);
    }
}

static void decisions_come_in_this_order(void **state)
{
    (void)state;
    static const struct { const char *name, *classes, *edges, *before, *word, *want; } cases[] = {
        { "start",            "AAA", "02",    "",                "s",  "save0 save1 batch report" },
        { "send",             "A",   "",      "s",               "S0", "save0 dispatch0 report" },
        { "success",          "AAA", "01 02", "s S0 a0",         "+0", "save0 save1 save2 report" },
        { "failure, a chain", "AAA", "01 12", "s S0 a0",         "!0", "save0 save1 save2 batch report" },
        { "stop",             "A",   "",      "s S0 a0",         "C0", "save0 stop0 report" },
        { "stop, remembered", "A",   "",      "s S0",            "C0", "save0 report" },
        { "stop, now",        "A",   "",      "s S0 C0",         "a0", "save0 stop0 report" },
        { "stop all",         "AAA", "01",    "s S0 a0 S2",      "c",  "save1 save2 save0 stop0 batch report" },
        { "re-run",           "AA",  "01",    "s f0",            "R0", "save0 save1 batch report" },
        { "back and skipped", "AA",  "01",    "s o0 S1 R0 f0",   "b1", "save1 batch report" },
        { "late",             "A",   "",      "s o0",            "r0.", "" },
        { "refused",          "A",   "",      "",                "S0-", "" },
        { "hold",             "A",   "",      "",                "h",  "batch report" },
        { "held again",       "A",   "",      "h",               "h",  "" },
        { "newer head",       "AA",  "",      "s S1 a1",         "k",  "save1 stop1 save0 batch report" },
        { "newer head again", "A",   "",      "s S0 a0 p",       "p",  "" },
        { "locked",           "A",   "",      "s",               "L0", "save0 report" },
        { "retry",            "AA",  "01",    "s f0",            "y",  "save0 save1 batch report" },
    };
    static const char *const kind[] = { [DO_SAVE_NODE] = "save", [DO_DISPATCH] = "dispatch", [DO_CANCEL_RUN] = "stop",
                                        [DO_SAVE_BATCH] = "batch", [DO_REPORT] = "report" };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[200] = "";
        struct given g = given_batch(cases[i].name, cases[i].classes, cases[i].edges, false);
        play(&g, cases[i].before);
        play(&g, cases[i].word);
        for (size_t k = 0, at = 0; k < g.out.count; k++) {
            const struct decision *d = &g.out.at[k];
            bool of_node = d->kind != DO_SAVE_BATCH && d->kind != DO_REPORT;
            at += (size_t)snprintf(got + at, sizeof got - at, of_node ? "%s%s%u" : "%s%s", k ? " " : "", kind[d->kind], d->node);
        }
        if (strcmp(got, cases[i].want) != 0)
            print_error("%s:\n", cases[i].name);
        assert_string_equal(got, cases[i].want);
        arena_free(g.mem);
    }
}

static void next_text(const struct batch *b, uint32_t max, int64_t now_ms, char *to, size_t size)
{
    uint32_t nodes[16];
    int64_t  wake;
    uint32_t n = batch_next(b, max, now_ms, nodes, &wake);
    size_t   at = 0;

    to[0] = 0;
    for (uint32_t k = 0; k < n; k++)
        at += (size_t)snprintf(to + at, size - at, "%u ", nodes[k]);
    snprintf(to + at, size - at, "wake %lld", (long long)wake);
}

static void the_longest_path_goes_first(void **state)
{
    (void)state;
    static const struct { const char *name, *edges; int64_t expected[6]; uint32_t max; const char *want; } cases[] = {
        { "longest of equals by place", "",         { 5, 5, 5, 5, 5, 5 },   6, "0 1 2 3 4 5 wake 0" },
        { "longest duration",           "",         { 1, 9, 3, 7, 5, 8 },   6, "1 5 3 4 2 0 wake 0" },
        { "longest chain",              "12 23 45", { 5, 5, 5, 5, 5, 5 },   6, "1 4 0 wake 0" },
        { "one slow child outweighs",   "01 23",    { 1, 99, 9, 9, 50, 1 }, 6, "0 4 2 5 wake 0" },
        { "only so many",               "",         { 1, 9, 3, 7, 5, 8 },   2, "1 5 wake 0" },
        { "none",                       "",         { 1, 9, 3, 7, 5, 8 },   0, "wake 0" },
        { "nothing learned is one",     "01",       { 0, 0, -5, 1, 3, 2 },  6, "4 0 5 2 3 wake 0" },
        { "does not overflow",          "01 12",    { INT64_MAX, INT64_MAX, 1, 1, 1, 1 }, 2, "0 3 wake 0" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char              got[100];
        struct batch_edge edge[8];
        size_t            edges = 0;
        struct batch_node node[6] = { 0 };
        struct arena     *mem = arena_new(1 << 20, 64 << 20);
        struct decisions  out = { .mem = mem };
        for (const char *e = cases[i].edges; *e; e += e[2] ? 3 : 2)
            edge[edges++] = (struct batch_edge){ (uint32_t)(e[0] - '0'), (uint32_t)(e[1] - '0') };
        for (int k = 0; k < 6; k++)
            node[k].expected_ms = cases[i].expected[k];
        struct batch *b = batch_new(mem, node, 6, edge, edges, false);
        next_text(b, cases[i].max, 0, got, sizeof got);
        assert_string_equal(got, "wake 0");                 /* not started */
        batch_start(b, 0, &out);
        next_text(b, cases[i].max, 0, got, sizeof got);
        if (strcmp(got, cases[i].want) != 0)
            print_error("%s:\n", cases[i].name);
        assert_string_equal(got, cases[i].want);
        arena_free(mem);
    }
}

static void what_was_put_back_waits_for_its_time(void **state)
{
    (void)state;
    static const struct { int64_t now; const char *want; } cases[] = {
        { 1000, "2 wake 5000" }, { 4999, "2 wake 5000" }, { 5000, "1 2 wake 9000" }, { 9000, "0 1 2 wake 0" },
    };
    char         got[100];
    struct given g = given_batch("put back", "AAA", "", false);

    play(&g, "s S0 S1");
    assert_int_equal(step(&g, 'b', 0, 9000), NODE_MOVE);
    assert_int_equal(step(&g, 'b', 1, 5000), NODE_MOVE);
    for (size_t i = 0; i < COUNT(cases); i++) {
        next_text(g.b, 3, cases[i].now, got, sizeof got);
        assert_string_equal(got, cases[i].want);
    }
    struct node_message send = { .event = NODE_SEND, .node = 0, .now_ms = 8999 };
    assert_int_equal(batch_step(g.b, send, &g.out), NODE_STALE);
    send.now_ms = 9000;
    assert_int_equal(batch_step(g.b, send, &g.out), NODE_MOVE);
    assert_int_equal(g.b->node[0].attempt, 2);
    assert_false(g.b->node[0].retry);
    then_it_is(&g, "drr r");
    arena_free(g.mem);
}

static void an_end_forgets_the_time_of_a_put_back(void **state)
{
    (void)state;        /* seed 1074 of the simulation: skipped, and revived with an old time */
    struct given g = given_batch("put back behind a parent that failed meanwhile", "AA", "01", false);
    play(&g, "s o0 S1 R0 f0");
    assert_int_equal(step(&g, 'b', 1, 9000), NODE_MOVE);
    then_it_is(&g, "FK e");
    assert_int_equal(g.b->node[1].not_before_ms, 0);
    play(&g, "R0 o0 S1");
    then_it_is(&g, "Sd r");
    arena_free(g.mem);
}

static void a_forecast_is_the_longer_of_path_and_work(void **state)
{
    (void)state;        /* every node takes 1000 ms */
    static const struct { const char *name, *classes, *edges, *history; uint32_t slots; int64_t want; } cases[] = {
        { "a chain",            "AAA",    "01 12", "s",        9, 3000 },
        { "side by side",       "AAAA",   "",      "s",        4, 1000 },
        { "two slots",          "AAAA",   "",      "s",        2, 2000 },
        { "not evenly",         "AAAAA",  "",      "s",        2, 2500 },
        { "no slots is one",    "AAAA",   "",      "s",        0, 4000 },
        { "half done",          "AAA",    "01 12", "s o0",     9, 2000 },
        { "live counts whole",  "AAA",    "01 12", "s S0 a0",  9, 3000 },
        { "skipped is nothing", "AAAA",   "01 12", "s f0",     9, 1000 },
        { "done",               "A",      "",      "s o0",     1, 0 },
        { "inert is nothing",   "AII",    "",      "s",        1, 1000 },
        { "not begun",          "AA",     "01",    "",         1, 2000 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct given g = given_batch(cases[i].name, cases[i].classes, cases[i].edges, false);
        play(&g, cases[i].history);
        if (batch_forecast_ms(g.b, cases[i].slots) != cases[i].want)
            print_error("%s:\n", cases[i].name);
        assert_int_equal(batch_forecast_ms(g.b, cases[i].slots), cases[i].want);
        arena_free(g.mem);
    }
}

/* --- chance and size --- */

static uint64_t rng;
static uint32_t roll(uint32_t n)        /* 0 … n-1 */
{
    rng += 0x9e3779b97f4a7c15u;
    uint64_t z = rng;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static struct node_message any_message(const struct batch *b)
{
    uint32_t          node = roll(b->count);
    static const enum node_event common[] = { NODE_SEND, NODE_SEND, NODE_SEND, NODE_ACCEPTED, NODE_RUN_STARTED, NODE_RUN_SUCCEEDED,
                                              NODE_RUN_SUCCEEDED, NODE_RUN_FAILED, NODE_PUT_BACK, NODE_RERUN, NODE_RUN_AGAIN };
    return (struct node_message){
        .event = roll(4) ? common[roll(COUNT(common))] : (enum node_event)roll(NODE_EVENT_COUNT),
        .node = node, .attempt = b->node[node].attempt - (roll(8) == 0), .now_ms = 1000,
        .not_before_ms = roll(2) ? roll(2000) : 0 };
}

static enum node_verdict do_anything(struct batch *b, uint32_t dice, struct node_message m, struct decisions *out)
{
    switch (dice) {
    case 0: batch_cancel(b, 1000, out); return NODE_MOVE;
    case 1: batch_supersede(b, m.node % 2, 1000, out); return NODE_MOVE;
    case 2: case 3: return batch_retry(b, 1000, out) > 0 ? NODE_MOVE : NODE_STALE;
    case 4: return batch_hold(b, 1000, out) ? NODE_MOVE : NODE_STALE;
    case 5: case 6: case 7: batch_start(b, 1000, out); return NODE_MOVE;
    default: return batch_step(b, m, out);
    }
}

/* One batch is stepped on and on; its twin is loaded again from the rows every now and then, with the edges in another order. */
static void a_loaded_batch_goes_on_like_the_one_that_was_stepped(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        rng = seed * 1000003;
        struct arena     *mem = arena_new(1 << 30, (size_t)2 << 30);
        struct batch_node node[24] = { 0 };
        struct batch_edge edge[200];
        uint32_t          count = 1 + roll(24);
        size_t            edges = 0;
        for (uint32_t i = 0; i < count; i++) {
            node[i] = (struct batch_node){ .state = roll(8) ? NODE_WAITING : NODE_INERT,
                .run_class = roll(3) ? RUN_APPLY : RUN_PLAN, .expected_ms = roll(9) };
            for (uint32_t n = i ? roll(4) : 0; n > 0; n--)
                edge[edges++] = (struct batch_edge){ roll(i), i };
        }
        bool strict = roll(2);
        struct batch *a = batch_new(mem, node, count, edge, edges, strict), *b = loaded(mem, a, edge, edges);
        for (int k = 0; k < 120; k++) {
            struct node_message m = any_message(a);
            uint32_t            dice = roll(200);
            struct decisions    oa = { .mem = mem }, ob = { .mem = mem };
            bool same = do_anything(a, dice, m, &oa) == do_anything(b, dice, m, &ob) && oa.count == ob.count;
            for (size_t d = 0; same && d < oa.count; d++)
                same = oa.at[d].kind == ob.at[d].kind && oa.at[d].node == ob.at[d].node;
            if (!same)
                print_error("seed %llu, step %d: not the same decisions\n", (unsigned long long)seed, k);
            assert_true(same);
            must_be_the_same("by chance", a, b);
            for (size_t x = edges; roll(4) == 0 && x > 1; x--) {
                struct batch_edge keep = edge[x - 1];
                size_t            y = roll((uint32_t)x);
                edge[x - 1] = edge[y];
                edge[y] = keep;
            }
            if (roll(3) == 0)
                b = loaded(mem, a, edge, edges);
        }
        arena_free(mem);
    }
}

static uint32_t nodes_changed(const struct batch *b, const struct batch_node *before)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct batch_node now = b->node[i];
        now.heap_at = before[i].heap_at;    /* a heap moves log n of its members */
        n += memcmp(&now, &before[i], sizeof now) != 0;
    }
    return n;
}

/* 100 parents of 99 children each, all in one batch. */
static void a_step_costs_its_dependents_not_the_batch(void **state)
{
    (void)state;
    enum { PARENTS = 100, CHILDREN = 99, NODES = PARENTS * (CHILDREN + 1) };
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, NODES), *before = arena_make(mem, struct batch_node, NODES);
    struct batch_edge *edge = arena_make(mem, struct batch_edge, NODES);
    struct decisions   out = { .mem = mem };
    size_t             edges = 0;

    for (uint32_t i = 0; i < NODES; i++)
        node[i].run_class = RUN_APPLY;
    for (uint32_t i = PARENTS; i < NODES; i++)
        edge[edges++] = (struct batch_edge){ i % PARENTS, i };
    struct batch *b = batch_new(mem, node, NODES, edge, edges, false);
    batch_start(b, 0, &out);
    static const struct { enum node_event ev; uint32_t at_most; } steps[] = {
        { NODE_SEND, 2 }, { NODE_ACCEPTED, 2 }, { NODE_RUN_STARTED, 2 }, { NODE_RUN_FAILED, 2 + CHILDREN },
        { NODE_RERUN, 2 + CHILDREN }, { NODE_SEND, 2 }, { NODE_RUN_SUCCEEDED, 2 + CHILDREN },
    };
    for (size_t k = 0; k < COUNT(steps); k++) {
        uint64_t touched = b->touched;
        memcpy(before, b->node, NODES * sizeof before[0]);
        assert_int_equal(batch_step(b, (struct node_message){ .event = steps[k].ev, .node = 7,
            .attempt = b->node[7].attempt }, &out), NODE_MOVE);
        assert_in_range(b->touched - touched, 1, steps[k].at_most);
        assert_in_range(nodes_changed(b, before), 1, steps[k].at_most);
    }
    arena_free(mem);
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void the_largest_batch_is_built_and_run_in_no_time(void **state)
{
    (void)state;
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, BATCH_NODES_MAX);
    struct batch_edge *edge = arena_make(mem, struct batch_edge, 8 * BATCH_NODES_MAX);
    size_t             edges = 0;

    rng = 7;
    for (uint32_t i = 0; i < BATCH_NODES_MAX; i++) {
        node[i].run_class = RUN_APPLY;
        node[i].expected_ms = 1 + roll(100000);
        for (uint32_t k = i ? roll(8) : 0; k > 0; k--)
            edge[edges++] = (struct batch_edge){ roll(i), i };
    }
    int64_t       begin = cpu_ms();
    struct batch *b = batch_new(mem, node, BATCH_NODES_MAX, edge, edges, false);
    assert_in_range(cpu_ms() - begin, 0, 999);

    /* A chain of 50,000 that breaks at its head: no recursion, one pass. */
    for (uint32_t i = 1; i < BATCH_NODES_MAX; i++)
        edge[i - 1] = (struct batch_edge){ i, i - 1 };
    begin = cpu_ms();
    b = batch_new(mem, node, BATCH_NODES_MAX, edge, BATCH_NODES_MAX - 1, false);
    struct decisions out = { .mem = mem };
    batch_start(b, 0, &out);
    struct node_message m = { .event = NODE_CANCEL, .node = BATCH_NODES_MAX - 1 };
    assert_int_equal(batch_step(b, m, &out), NODE_MOVE);
    assert_int_equal(b->by_state[NODE_SKIPPED], BATCH_NODES_MAX - 1);
    assert_int_equal(b->state, BATCH_ENDED);
    assert_in_range(cpu_ms() - begin, 0, 999);
    arena_free(mem);
}

/* 50,000 roots, ten slots, first to last: the ready heap carries it. */
static void a_wide_batch_drains_in_order(void **state)
{
    (void)state;
    struct arena      *mem = arena_new(1 << 30, (size_t)2 << 30);
    struct batch_node *node = arena_make(mem, struct batch_node, BATCH_NODES_MAX);
    struct decisions   out = { .mem = mem };
    int64_t            last = INT64_MAX, wake, begin = cpu_ms();
    uint32_t           next[10], ended = 0;

    rng = 9;
    for (uint32_t i = 0; i < BATCH_NODES_MAX; i++)
        node[i].expected_ms = 1 + roll(1000);
    struct batch *b = batch_new(mem, node, BATCH_NODES_MAX, NULL, 0, false);
    batch_start(b, 0, &out);
    for (uint32_t n; (n = batch_next(b, 10, 0, next, &wake)) > 0; ended += n) {
        for (uint32_t k = 0; k < n; k++) {
            assert_true(b->node[next[k]].tail_ms <= last);
            last = b->node[next[k]].tail_ms;
            out.count = 0;
            batch_step(b, (struct node_message){ .event = NODE_SEND, .node = next[k] }, &out);
            batch_step(b, (struct node_message){ .event = NODE_RUN_SUCCEEDED, .node = next[k], .attempt = 1 }, &out);
        }
    }
    assert_int_equal(ended, BATCH_NODES_MAX);
    assert_int_equal(batch_verdict(b), VERDICT_SUCCESS);
    assert_in_range(cpu_ms() - begin, 0, 2000);
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_opens_the_roots),
        cmocka_unit_test(an_end_settles_what_waited_for_it),
        cmocka_unit_test(what_was_skipped_is_revived),
        cmocka_unit_test(messages_overtake_each_other),
        cmocka_unit_test(news_of_another_attempt_are_stale),
        cmocka_unit_test(core_events_from_outside_are_refused),
        cmocka_unit_test(a_cancel_stops_what_it_can),
        cmocka_unit_test(a_newer_head_takes_the_place),
        cmocka_unit_test(a_retry_sends_every_failure_again),
        cmocka_unit_test(an_ended_batch_says_how),
        cmocka_unit_test(decisions_come_in_this_order),
        cmocka_unit_test(the_longest_path_goes_first),
        cmocka_unit_test(what_was_put_back_waits_for_its_time),
        cmocka_unit_test(an_end_forgets_the_time_of_a_put_back),
        cmocka_unit_test(a_forecast_is_the_longer_of_path_and_work),
        cmocka_unit_test(a_loaded_batch_goes_on_like_the_one_that_was_stepped),
        cmocka_unit_test(a_step_costs_its_dependents_not_the_batch),
        cmocka_unit_test(the_largest_batch_is_built_and_run_in_no_time),
        cmocka_unit_test(a_wide_batch_drains_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
