/*
 * explain: the chain of reasons why something has not run (or has ended as it did), in order, each
 * with its numbers, its time and what would change it. Pure: the same state gives the same words, in
 * the API, on the command line, in a comment and on the page.
 */
#ifndef SIGNALBOX_DOMAIN_EXPLAIN_H
#define SIGNALBOX_DOMAIN_EXPLAIN_H
#include "domain/feedback.h"
#include "domain/hold.h"

struct reason {
    const char *code;           /* stable, for programs: "held_threshold", "waits_for_parent" … */
    str         text;           /* "waits for network/vpc in prod, running since 14:02, usually 3 min" */
    str         change;         /* what would change it, or empty */
    int64_t     since_ms;       /* 0: not known */
    int64_t     until_ms;       /* when it ends by itself, or is expected to; 0: not known */
    str         numbers;        /* JSON object: the figures in the text, and ids to follow */
    str         url;            /* where to look, or empty */
};
struct reasons { struct arena *mem; struct reason *at; size_t count, cap; };

/* now_ms is only for "3 min left": everything else comes from the view. */
void explain_batch(const struct change_view *c, const struct batch_view *b, int64_t now_ms,
                   struct reasons *out);
void explain_node(const struct change_view *c, const struct batch_view *b, uint32_t node,
                  int64_t now_ms, struct reasons *out);
/* A pull request or other change: its head, what it waits for, then its newest batch. */
void explain_change(const struct change_view *c, int64_t now_ms, struct reasons *out);

str  reasons_json(struct arena *mem, const struct reasons *r);
/* Numbered lines for a terminal or a comment; markdown: escaped for a forge. */
str  reasons_text(struct arena *mem, const struct reasons *r, bool markdown);

#endif
