/*
 * batch_words: batches and their histories, written short.
 *
 * Histories are written as words: an event letter and a node digit, or a letter alone for the whole
 * batch.
 *   s start   h hold   c cancel   p newer head   k newer head, stop live runs   y retry
 *   S send  a accepted  q queued  w waits for approval  r started  + succeeded  ! failed  x
 *   cancelled  t timed out  g runs again
 *   b put back  e refused  L lock closed  U lock open  C cancel  P superseded  R re-run  and  o = S
 *   a r +   f = S a r !
 * A word that ends in '.' must be stale, in '-' illegal; every other must move. Outcomes are
 * written as one letter a node:
 *   w waiting r ready b locked d dispatching q queued o running a approval g cancelling
 *   S success F failure C cancelled T timed out K skipped P superseded E error I inert
 * After every word the batch is loaded again from what is stored of it, and must not differ.
 */
#ifndef SIGNALBOX_TEST_UNIT_DOMAIN_BATCH_WORDS_H
#define SIGNALBOX_TEST_UNIT_DOMAIN_BATCH_WORDS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#undef fail                 /* cmocka's; err.h has its own */

#include "domain/batch.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct given {
    struct arena     *mem;
    struct batch     *b;
    struct batch_edge edge[64];
    size_t            edges;
    const char       *name;
    struct decisions  out;      /* of the last word */
};

/*
 * classes: one letter a node: A apply, P plan, I inert. edges: "01 12": node 0 before node 1, 1
 * before 2.
 */
struct given given_batch(const char *name, const char *classes, const char *edges, bool strict);
void play(struct given *g, const char *history);
/* The event of one letter, whatever comes of it. */
enum node_verdict step(struct given *g, char word, uint32_t node, int64_t not_before_ms);
/* "SFw e": the nodes and the batch. */
void then_it_is(struct given *g, const char *want);

struct history { const char *name, *classes, *edges, *history, *then; bool strict; };
void play_all(const struct history *h, size_t n);

/* Only what is stored of it, loaded again; and that this makes no difference. */
struct batch *loaded(struct arena *mem, const struct batch *b, const struct batch_edge *edges,
                     size_t n);
void must_be_the_same(const char *name, const struct batch *a, const struct batch *b);

#endif
