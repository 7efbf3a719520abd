/*
 * gate: why a node that is ready may not go yet, as its row keeps it: a JSON object of ours. Its
 * first field is its kind, which is asked of every blocked node, and so is known without reading
 * the rest.
 */
#ifndef SIGNALBOX_DOMAIN_GATE_H
#define SIGNALBOX_DOMAIN_GATE_H
#include "base/json.h"

/*          field of the kind   what stands in it */
#define GATE_TABLE(X) \
    X(GATE_LOCK,   "lock")   /* message, actor, expiresMs */ \
    X(GATE_RUN,    "run")    /* a live run of the instance: run, workflow, url */ \
    X(GATE_BUDGET, "budget") /* waiting, safe, untilMs */ \
    X(GATE_RUNNER, "runner") /* runner: the name of the one that is full */

enum gate_kind {
    GATE_NONE,
#define X(kind, name) kind,
    GATE_TABLE(X)
#undef X
};

/* Begins the object in b; the writer adds the fields and ends it. */
struct json_out gate_begin(struct arena *mem, struct buf *b, enum gate_kind kind);
/* Of what gate_begin wrote; GATE_NONE for nothing, and for what is no gate. */
enum gate_kind gate_kind(str gate);
/* The same with all fields; GATE_NONE, too, when they cannot be read. */
enum gate_kind gate_read(struct arena *mem, str gate, struct json *fields);

#endif
