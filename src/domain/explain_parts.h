/*
 * explain_parts: what the files of explain share. Private to explain*.c.
 */
#ifndef SIGNALBOX_DOMAIN_EXPLAIN_PARTS_H
#define SIGNALBOX_DOMAIN_EXPLAIN_PARTS_H
#include "base/json.h"
#include "domain/explain.h"
#include "domain/feedback_parts.h"
#include "domain/text.h"

enum {
    STORIES_TOLD = 4,           /* of one kind, in a batch */
    ROOTS_TOLD = 3,             /* that a node waits for */
    EVENTS_TOLD = 4,
    NAMES_TOLD = 3,
    UNLOCKS_TOLD = 12,
    NOTE_CHARS_MAX = 300
};

/* One explanation while it is made. */
struct telling {
    struct arena             *mem;
    const struct change_view *c;
    const struct batch_view  *b;
    struct summary            s;
    int64_t                   now_ms;
    struct reasons           *out;
};
struct telling telling_of(const struct change_view *c, const struct batch_view *b, int64_t now_ms,
                          struct reasons *out);

/* Appends; the caller fills in the rest before the next one is appended. */
struct reason *tell(struct telling *t, enum reason_code code, str text);

/* The figures of a reason: numbers_…, then r->numbers = numbers_end(&n). */
struct numbers { struct buf b; struct json_out w; };
void numbers_begin(struct numbers *n, struct arena *mem);
void number_put(struct numbers *n, const char *name, int64_t v);    /* negative: left out */
void number_text(struct numbers *n, const char *name, str s);       /* empty: left out */
void number_node(struct numbers *n, const struct telling *t, uint32_t node);
str  numbers_end(struct numbers *n);

/* Plain text. "network/vpc in prod", with its workflow where that belongs to the name */
str  plain_node(const struct telling *t, uint32_t node);
str  plain_nodes(const struct telling *t, const uint32_t *at, uint32_t count, uint32_t max);
str  plain_time(const struct telling *t, int64_t at_ms);    /* 14:02 UTC */
str  plain_sha(struct arena *mem, str sha);
str  plain_note(struct arena *mem, str hostile);            /* without a full stop at its end */
str  plain_hint(struct arena *mem, str error_code);         /* no Markdown, no full stop */
str  since_text(const struct telling *t, int64_t at_ms);    /* " since 14:02 UTC", or empty */
str  plain_cat(struct arena *mem, str a, str b);

/* explain_node.c: what is to be said of one node by itself, without what it waits for. */
void tell_node(struct telling *t, uint32_t node);
/* ", running since 14:02 UTC, usually 3 min": after a name */
str  state_text(const struct telling *t, uint32_t node);
/* A reason of one node: its text begins with the name. */
struct reason *tell_about(struct telling *t, uint32_t node, enum reason_code code, str text,
                   struct numbers *n);
/* Behind locks, and what would free them: a command each. */
bool is_locked(const struct telling *t, uint32_t node);
str  unlock_way(const struct telling *t, const uint32_t *at, uint32_t count);
/* "; 12 wait behind it", or empty */
str  behind_text(const struct telling *t, uint32_t node, const char *one, const char *many);
/* explain_ended.c */
void tell_ended(struct telling *t, uint32_t node);
/* explain_batch.c */
void tell_batch(struct telling *t);
bool tell_standstill(struct telling *t);        /* preparing or held: true, and told */
bool batch_is(const struct telling *t, const char *state);
void tell_app_gone(struct telling *t);
/* explain_wait.c: a waiting node and the roots that it waits for */
void tell_waiting(struct telling *t, uint32_t node);
/* Ready nodes of the batch that go before this one: longest expected path, then position. */
uint32_t ready_before(const struct telling *t, uint32_t node);

#endif
