/*
 * mask: replaces secrets in a stream of bytes, also where a secret is cut by the end of a chunk.
 * Each secret is known as it is, line by line when it has many, and in base64, base64url (at any
 * offset in what was encoded) and percent-encoding.
 */
#ifndef SIGNALBOX_BASE_MASK_H
#define SIGNALBOX_BASE_MASK_H
#include "base/arena.h"
#include "base/scope.h"

#define MASK_TEXT "***"
/* Shorter secrets are not looked for: to mask every "1" hides nothing and spoils the log. */
enum { MASK_LEAST_BYTES = 4 };

struct mask { char *bytes; size_t len; };
struct mask_set {
    struct mask *items;             /* by first byte, the longest first */
    size_t       count, cap, longest;
    size_t       start[257];        /* items of first byte b: [start[b], start[b + 1]) */
};

void mask_add(struct mask_set *set, str secret);
void mask_ready(struct mask_set *set);      /* after the last mask_add, before the first stream */
/* Overwrites the secrets: of a copy of this memory in a child. The set then masks nothing. */
void mask_wipe(struct mask_set *set);
void mask_free(struct mask_set *set);       /* wipes, too */
static inline void scope_mask_set(struct mask_set *set) { mask_free(set); }
/* Ready. The values are copied; the caller frees the set. */
struct mask_set mask_of(const str *values, size_t count);

typedef void mask_sink(void *to, str text);
struct mask_stream {
    const struct mask_set *set;
    mask_sink             *sink;
    void                  *to;
    char                  *held;    /* a beginning that may become a secret */
    size_t                 len, cap;
};
void mask_feed(struct mask_stream *m, str bytes);
/* The stream has ended: what was held goes out, masked when much of it is a secret's beginning. */
void mask_flush(struct mask_stream *m);     /* frees what was held */

/* A text as a whole; the same one when there is nothing to mask. */
str mask_text(struct arena *mem, const struct mask_set *set, str text);

#endif
