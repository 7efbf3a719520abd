/*
 * feedback_parts: what the comment, the check and the review are made of. Private to feedback*.c
 * and markdown.c.
 *
 * A summary is one batch, counted and put in order once: by name, by cause, by story. Sections
 * write lines of it onto a page that has a maximum of bytes. Every order ends in the rank by name,
 * so that the order of the input never shows.
 */
#ifndef SIGNALBOX_DOMAIN_FEEDBACK_PARTS_H
#define SIGNALBOX_DOMAIN_FEEDBACK_PARTS_H
#include "base/buf.h"
#include "domain/feedback.h"
#include "domain/text.h"

enum { NO_NODE = UINT32_MAX };

enum { COMMENT_BYTES_MAX = 60000,           /* GitHub: 65,536 characters (forges.md §0 no. 13) */
       CHECK_TITLE_BYTES_MAX = 255, CHECK_SUMMARY_BYTES_MAX = 65535, CHECK_TEXT_BYTES_MAX = 65535,
       NAME_CHARS_MAX = 60, ERROR_CHARS_MAX = 240, URL_BYTES_MAX = 600,
       /* kept back for the line after a cut table, and its link */
       TABLE_TAIL_BYTES = 1024 };

struct changes { int64_t create, change, replace, destroy; };

struct summary {
    const struct batch_view *b;
    uint32_t      *order;       /* node indexes by component, stack, workflow */
    uint32_t      *rank;        /* place of a node in order */
    /* another node has the same component and stack: its workflow belongs to its name */
    bool          *twin;
    /* SKIPPED: the failed node behind it; WAITING: the open node it waits for; else NO_NODE */
    uint32_t      *cause;
    uint32_t      *behind;      /* how many nodes have this one as their cause */
    uint32_t       by_state[NODE_STATE_COUNT];
    uint32_t       total;       /* all but inert ones */
    uint32_t       ended;       /* of total */
    uint32_t       deleted;     /* inert because they are gone from the configuration */
    uint32_t       failed;      /* failed, timed out, could not be dispatched */
    struct changes changes;     /* sums, over nodes that were counted */
    /* nodes with counts; of these with changes; with changes but no counts */
    uint32_t       counted, changed, uncounted;
    /* every counted node is an apply: the changes are done, not planned */
    bool           applied;
};

static inline int order_number(int64_t a, int64_t b) { return (a > b) - (a < b); }

void summary_make(struct arena *mem, const struct batch_view *b, struct summary *s);
/* every node final, and at least one to dispatch */
bool summary_ended(const struct summary *s);
/* Something holds it, wholly or (limited by the forge half-way) what is left of it. */
bool summary_has_holds(const struct summary *s);
/* It is held, and nothing of it moves. */
bool summary_held(const struct summary *s);
/* "Held: would dispatch 247 stacks, the threshold is 50": plain text. */
str  words_holds_title(struct arena *mem, const struct summary *s);
/*
 * Is there something to tell: work, an error, or a component that is gone. False: nothing affected
 * (peers.md §5.4: no comment).
 */
bool batch_speaks(const struct batch_view *b);
bool node_is_deleted(const struct node_view *n);
/* The batch to tell about: the newest that speaks, NULL when none does. */
const struct batch_view *change_lead(const struct change_view *c);

/* Stable merge sort of indexes: no allocation but the arena's, unlike qsort. */
typedef int node_order(const void *ctx, uint32_t a, uint32_t b);
void sort_indexes(struct arena *mem, uint32_t *at, uint32_t count, node_order *order,
                  const void *ctx);

/*
 * Nodes that tell one story are one line: a failed node alone, or all with one identical error
 * text, one lock, one cancellation.
 */
/* nodes [first, first + count) of stories.node; dependents of all of them */
struct story   { uint32_t first, count, behind; };
struct stories { uint32_t *node; struct story *at; uint32_t count; };
/*
 * Those whose state is in the set (bits 1 << state), worst first: kind, then how many nodes it
 * concerns, then name.
 */
struct stories stories_of(struct arena *mem, const struct summary *s, uint32_t states);
/* one node each: destroy first, then replace … */
struct stories stories_changed(struct arena *mem, const struct summary *s);
/* one node each: most behind it first, then the longest running */
struct stories stories_running(struct arena *mem, const struct summary *s);
#define STATE_BIT(s) (1u << (unsigned)(s))
enum {
    STORIES_FAILED =
        (int)(STATE_BIT(NODE_FAILED) | STATE_BIT(NODE_TIMED_OUT) | STATE_BIT(NODE_CANCELLED)),
    STORIES_WAITING =
        (int)(STATE_BIT(NODE_ERROR) | STATE_BIT(NODE_APPROVAL) | STATE_BIT(NODE_BLOCKED))
};

/*
 * Words. All results are safe Markdown, in mem, and end in NUL like all text made here: z() gives
 * it to a format.
 */
static inline const char *z(str s) { return s.ptr ? s.ptr : ""; }
const char *state_icon(enum node_state s);
const char *state_word(enum node_state s);
const char *summary_icon(const struct summary *s);
/* "2 failed, 8 succeeded"; empty: none */
str  words_states(struct arena *mem, const uint32_t by_state[NODE_STATE_COUNT]);
/* "2 to destroy, 1 to create"; "no changes" */
str  words_changes(struct arena *mem, struct changes c, bool applied);
str  words_subject(struct arena *mem, const struct summary *s);            /* "apply of 1a2b3c4" */
/* the first line without its heading mark */
str  words_verdict(struct arena *mem, const struct summary *s);
/* `network/vpc` in `prod` */
str  words_node(struct arena *mem, const struct summary *s, uint32_t node);
str words_nodes(struct arena *mem, const struct summary *s, const uint32_t *at, uint32_t count,
                uint32_t max);
/* 13:05 UTC, with its date when that is another day */
str  words_time(struct arena *mem, int64_t at_ms, int64_t as_of_ms);
str  words_sha(struct arena *mem, str sha);                                 /* seven digits */
/* escaped, without a full stop at its end */
str  words_sentence(struct arena *mem, str hostile, size_t max_chars);
/*
 * What to type so that these locked nodes go, each has a lock of its own: "signalbox unlock …;
 * signalbox unlock …; and 3 more". With a mark before and after each command there are commas
 * between them. Empty when none of them has words for a shell.
 */
str  words_unlock(struct arena *mem, const struct batch_view *b, str repository,
                  const uint32_t *at, uint32_t count, uint32_t max, const char *mark);
/* what to do about a dispatchError; "" when unknown */
const char *words_hint(str error_code);
struct changes node_changes(const struct node_view *n);
bool changes_any(struct changes c);
bool badge_applies(enum command c);

/* [text](url) when the URL is a plain http(s) one, else only the text. */
str  markdown_link(struct arena *mem, str text, str url);
bool markdown_url(struct arena *mem, str url, str *safe);

/* A page: lines, until its bytes are used up. */
struct page { struct arena *mem; struct buf out; size_t end; };
struct page_limits { uint32_t failed, waiting, changes, running, rows; size_t bytes; };

void page_init(struct page *p, struct arena *mem, size_t bytes);
/* false, and nothing written, when it does not fit */
bool page_line(struct page *p, str line);
bool page_print(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void section_failed(struct page *p, const struct summary *s, const struct page_limits *l);
void section_waiting(struct page *p, const struct summary *s, const struct page_limits *l);
void section_changes(struct page *p, const struct summary *s, const struct page_limits *l);
void section_running(struct page *p, const struct summary *s, const struct page_limits *l);
void section_notes(struct page *p, const struct summary *s);
/* Why it is held, and the controls that let it go. */
void section_holds(struct page *p, const struct summary *s, bool controls);
/* Who let it go. */
void section_released(struct page *p, const struct summary *s);
/* The table by level; rows beyond the limit are counted with a link. */
void section_table(struct page *p, const struct summary *s, uint32_t rows);
str  table_cell_status(struct arena *mem, const struct summary *s, uint32_t node);

#endif
