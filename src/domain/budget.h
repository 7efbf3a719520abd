/*
 * budget: what an installation may spend at its forge. Two things, both pure:
 *
 *   - the quota (calls an hour): how much of it a batch may claim before it starts, what is kept for
 *     checks, comments, reconciliation and approvals, who goes first when it is given out again
 *     (atmos-pro.md §14, seed 002);
 *   - the pace (calls a minute and at once): slower before a limit, stopped at it (forges.md §2.12).
 *
 * Numbers of the forge that are missing, negative, absurd or run backwards are "not known", and not
 * known is treated as little.
 */
#ifndef SIGNALBOX_DOMAIN_BUDGET_H
#define SIGNALBOX_DOMAIN_BUDGET_H
#include "base/arena.h"
#include "base/str.h"

/* ---- the quota ---------------------------------------------------------------------------- */

enum {
    BUDGET_SAFE_PERCENT = 75,           /* of what remains; the rest is for follow-up work */
    BUDGET_WINDOW_MS = 60 * 60 * 1000,  /* GitHub's */
    BUDGET_UNKNOWN_LIMIT = 1000,        /* calls an hour assumed where nothing is told: the smallest
                                           documented quota (forges.md §2.12) */
    BUDGET_UNLIMITED = 1000 * 1000 * 1000,  /* limit and remaining where a forge keeps no count */
};

/* What a forge's answer said. Negative: the header was missing. */
struct quota_seen { int64_t limit, remaining, reset_ms; int64_t at_ms; };

struct budget {
    bool    known;              /* limit, remaining, reset_ms are the forge's last sane word */
    int64_t limit, remaining, reset_ms;
    int64_t observed_ms;
    int64_t blocked_until_ms;   /* told to wait: nothing may be claimed before; 0: no */
    int64_t claimed;            /* given to batches and not yet spent, as far as we know */
    int64_t spent;              /* by us in the last hour; asked for while nothing is current */
};

/*
 * Takes what an answer said. Later answers may come first: within one window `remaining` only falls
 * (the lower one is kept), a later reset_ms opens a new window. Nonsense (limit < 1, remaining < 0
 * or > limit, reset further than two windows from at_ms, a window that closes earlier than one known
 * and not over) makes it unknown until a sane one comes. True when something changed.
 */
bool budget_observe(struct budget *b, const struct quota_seen *q);
/* The forge ordered to wait. Never shortens an order. */
void budget_block(struct budget *b, int64_t until_ms);

/* The forge's last word is sane, and its window is not over. */
bool budget_current(const struct budget *b, int64_t now_ms);
/* As far as we know; what is assumed while nothing current is known. */
int64_t budget_remaining(const struct budget *b, int64_t now_ms);
/*
 * Calls that a batch may still claim now: 75 % of what remains, less what is claimed. 0 while
 * blocked. Without a current word: of what is assumed, which is what BUDGET_UNKNOWN_LIMIT leaves
 * after what was spent in the last hour, and no more than was known last of a window that is not
 * over. (The scheduler reads the quota before it gives anything to those that wait.)
 */
int64_t budget_safe(const struct budget *b, int64_t now_ms);
/*
 * The same for a batch that goes by parts: it never takes of the last quarter of the limit, which
 * looking again and again at three quarters of what remains would wear away.
 */
int64_t budget_safe_parts(const struct budget *b, int64_t now_ms);
int64_t budget_reserved(const struct budget *b);        /* what is kept back of `remaining` */
/* The most that could ever be safe: 75 % of the limit. */
int64_t budget_possible(const struct budget *b);
bool    budget_fits(const struct budget *b, int64_t cost, int64_t now_ms);
/* When another look makes sense: the reset or the end of the order. 0: now. */
int64_t budget_wake_ms(const struct budget *b, int64_t now_ms);

/* A batch that waits for budget. */
struct budget_held {
    int64_t batch_seq, repository_id, change_id;
    int64_t cost;               /* calls */
    int64_t since_ms;
    bool    apply;              /* merges go before plans */
    bool    by_parts;           /* a person agreed that it may go in dependency levels */
};
struct budget_grant { int64_t batch_seq, repository_id, calls; };
/*
 * Hands out what is safe now: merges before plans, round robin over repositories, the oldest of a
 * pull request first; a batch is granted whole or (by_parts) as much as is left, never more than
 * budget_safe in all. One that does not fit is passed over and does not stop smaller ones behind it,
 * but keeps its turn. O(n log n); grants in mem.
 */
size_t budget_share(struct arena *mem, const struct budget *b, const struct budget_held *held,
                    size_t count, int64_t now_ms, struct budget_grant **out);

/* ---- the pace ----------------------------------------------------------------------------- */

/*
 * How fast calls may leave for the forge: never more in any minute or hour than it has written down,
 * and less for a while whenever it says that it was too much (forges.md §2.12). Its own count is
 * never higher than ours: a call counts from its departure until a window after its answer, and the
 * forge counted it some time in between.
 */
enum call_class {
    CALL_READ,
    CALL_CHANGE,
    CALL_CONTENT,           /* a change that notifies people: a new comment, a review … */
    CALL_LAST_WORD,         /* … and one that says how it ended */
    CALL_CLASS_COUNT
};

/* 0: not limited. */
struct pace_limits {
    int64_t points_per_minute;          /* a read costs 1, the others 5 */
    int64_t content_per_minute, content_per_hour;
    int64_t concurrent;
    int64_t window_ms;                  /* "a minute", a sixtieth of "an hour"; shorter in tests */
};
void pace_limits_written(struct pace_limits *out);      /* GitHub's documents */
/* What is left to one of several that share the limits; 0: all are lifted but `concurrent`. */
void pace_limits_share(struct pace_limits *l, int64_t percent);

struct pace;                            /* of one installation; some 20 KB, whatever happens */
struct pace *pace_new(struct arena *mem, const struct pace_limits *l);
/*
 * Who leaves next? turn[c]: the place in line of the first that waits for a call of class c, 0:
 * nobody. The one with the lowest turn goes; only what waits for content to be allowed is passed
 * by. False: nobody now; *at_ms is when to ask again, INT64_MAX: when an answer has come. All
 * times of a pace are of one clock; one that is set back stands still meanwhile. O(1) amortised.
 */
bool pace_pick(struct pace *p, const uint64_t turn[CALL_CLASS_COUNT], int64_t now_ms,
               enum call_class *out, int64_t *at_ms);
/* A call that left. Each comes back once, by pace_answered or pace_not_sent. */
struct pace_call { enum call_class kind; uint32_t drops; };
struct pace_call pace_left(struct pace *p, enum call_class c, int64_t now_ms);
/*
 * There is an answer, or there will be none. refused: the forge said that it was too much: the pace
 * is halved, and comes back by a twentieth of the whole for each window that brings a good answer.
 * Refusals of calls that left before it was halved say nothing new.
 */
void pace_answered(struct pace *p, struct pace_call c, bool refused, int64_t now_ms);
void pace_not_sent(struct pace *p, struct pace_call c);     /* it did not reach the forge */
/*
 * An earlier life made so many calls within the last window, and when is not known: they count as
 * answered just now. (Of an hour's content nothing is remembered.)
 */
void pace_recall(struct pace *p, enum call_class c, int64_t calls, int64_t now_ms);
/*
 * So many draw on the limits, each its part. More: at once. Fewer: when a window has passed since,
 * for what the others sent still counts.
 */
void pace_divide(struct pace *p, int64_t parts, int64_t now_ms);
struct pace_state { int64_t level_percent, points, points_max, under_way, under_way_max; };
void pace_look(struct pace *p, int64_t now_ms, struct pace_state *out);

/* ---- the forecast ------------------------------------------------------------------------- */

struct budget_forecast {
    int64_t writes, reads;              /* calls that the batch will make */
    int64_t pace_ms;                    /* how long the pace makes the dispatches take */
    int64_t remaining_after;            /* of the quota; -1 not known */
    int64_t windows;                    /* quota windows it needs: 1, or more by levels */
};
void budget_forecast(const struct budget *b, const struct pace_limits *l, int64_t dispatches,
                     int64_t files, int64_t now_ms, struct budget_forecast *out);
/* "2,000 writes, about 11 minutes at the written limit; 3,000 remain for approvals" */
str  budget_forecast_text(struct arena *mem, const struct budget_forecast *f);

#endif
