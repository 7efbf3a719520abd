/*
 * batch_core: what the files of batch.h share among themselves. Nobody else includes this.
 *
 * A turn is one call from outside: it moves nodes (turn_enter), tells their children (turn_spread)
 * and says at the end what else follows (turn_end). Every change of a node's state goes through
 * turn_enter.
 */
#ifndef SIGNALBOX_DOMAIN_BATCH_CORE_H
#define SIGNALBOX_DOMAIN_BATCH_CORE_H
#include "domain/batch.h"

/* What a node is to its children. */
enum node_end { END_OPEN, END_GOOD, END_BAD };
enum node_end node_end(enum node_state s);

enum batch_gate { GATE_OPEN, GATE_CLOSED, GATE_BROKEN };
enum batch_gate batch_gate(const struct batch *b, uint32_t i);

struct turn {
    struct batch     *b;
    struct decisions *out;
    bool              shown;            /* something a person sees changed */
    bool              batch_changed;
};
struct turn turn_begin(struct batch *b, struct decisions *out);
/* The event is taken as if its guards had passed; the table must say NODE_MOVE. */
void turn_take(struct turn *t, uint32_t i, enum node_event ev, int64_t not_before_ms);
/* Moves the node as its dependency gate demands, if at all. */
void turn_settle(struct turn *t, uint32_t i);
/* Tells the children of every node that ended or opened again, and theirs, until all is quiet. */
void turn_spread(struct turn *t);
void turn_end(struct turn *t);

void ready_add(struct batch *b, uint32_t i);
void ready_remove(struct batch *b, uint32_t i);

#endif
