/*
 * order: what a person asks for on the forge, read out of comments (atmos-pro.md §14, seed 002).
 * Pure: who the person is and whether they may is not known here. All text is hostile: anybody can
 * write comments, and many can edit ours.
 *
 *   - a tick: a control of our own comment that went from "[ ]" to "[x]" between two versions.
 *         - [ ] **Dispatch all 247 stacks anyway** <!-- signalbox:dispatch batch_01… -->
 *   - text: a line that begins with "/signalbox", outside of code, quotes and what is not shown.
 *         /signalbox retry plat-ue1-prod vpc
 */
#ifndef SIGNALBOX_DOMAIN_ORDER_H
#define SIGNALBOX_DOMAIN_ORDER_H
#include "base/arena.h"
#include "base/str.h"

enum order_kind {
    ORDER_DISPATCH,         /* what a person may lift is lifted from the held batch */
    ORDER_RESUME,           /* a paused pull request goes on with its newest head */
    ORDER_PARTS,            /* a batch larger than any budget goes in dependency levels */
    ORDER_CANCEL,
    ORDER_RETRY,            /* what failed; with stack and component: that node alone */
    ORDER_UNLOCK,           /* an advisory lock of this repository */
    ORDER_EXPLAIN,
    ORDER_HELP,             /* asked for, or an order that is none: `word` is what was written */
    ORDER_KIND_COUNT
};

enum { ORDERS_MAX = 8, ORDER_BATCH_BYTES_MAX = 64, ORDER_ARGUMENT_BYTES_MAX = 1024 };

/* Borrows from the comment. Unused fields are empty. */
struct order {
    enum order_kind kind;
    str batch;              /* a tick: the id in its marker */
    str stack, component;   /* retry */
    str key;                /* unlock */
    str word;               /* help: what stood where an order was expected; may be empty */
};
/* In the order they were written, each once. What is beyond ORDERS_MAX is left out. */
struct orders { struct order at[ORDERS_MAX]; size_t count; };

struct order_rule {
    const char *name;       /* "dispatch" … */
    const char *usage;      /* "retry [stack component]" */
    const char *summary;    /* one line for help and documentation */
    bool        tick;       /* exists as a control of the comment */
};
const struct order_rule *order_rule(enum order_kind k);
bool order_kind_read(str name, enum order_kind *out);
bool order_eq(const struct order *a, const struct order *b);

/*
 * The ticks that an edit of our comment made. A control counts when it stood in the earlier
 * version, unticked wherever it stood, and is ticked in the later one: what an edit writes in
 * itself (a forged control) and what was ticked before are no orders. An empty `before` gives none.
 */
void orders_of_tick(str before, str after, struct orders *out);
/*
 * Orders in the text of a comment. after an edit, `before` is the earlier text: what stood there is
 * not ordered again. ORDER_HELP for words that are no orders and arguments that do not fit.
 */
void orders_of_text(str before, str after, struct orders *out);

/* "dispatch, resume, …": the usages, for a sentence. */
str  order_usages(struct arena *mem);

#endif
