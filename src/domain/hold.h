/*
 * hold: why a whole batch may not go, with numbers (atmos-pro.md §14, seed 002). Four reasons, one
 * table; evaluated in the order of the enum, shown all, and each lifted by whom the table says.
 *
 * A hold is of the batch, never of a part of it. Batches of merged changes, releases, merge groups,
 * drift and people's orders know only the rate limit.
 */
#ifndef SIGNALBOX_DOMAIN_HOLD_H
#define SIGNALBOX_DOMAIN_HOLD_H
#include "domain/budget.h"
#include "domain/join.h"
#include "domain/settings.h"

enum hold_kind { HOLD_DRAFT, HOLD_RAPID_PUSH, HOLD_THRESHOLD, HOLD_RATE_LIMIT, HOLD_KIND_COUNT };

/* Who ends it, besides what ends it by itself. */
enum hold_release { RELEASE_BY_PERSON, RELEASE_BY_SCHEDULER };

struct hold_rule {
    const char       *name;             /* "draft", "rapid_push", "threshold", "rate_limit" */
    enum hold_release release;
    const char       *order;            /* of the checkbox and of /signalbox: "dispatch", "resume" */
    const char       *summary;          /* one line for documentation and explain */
};
const struct hold_rule *hold_rule(enum hold_kind k);
bool hold_kind_read(str name, enum hold_kind *out);

/* What stands in the way, with the numbers of the moment it was looked at. Unused ones are 0. */
struct hold {
    enum hold_kind kind;
    int64_t since_ms;
    int64_t dispatches;         /* threshold, rate limit: would be dispatched */
    int64_t threshold;          /* threshold */
    int64_t pushes, pushes_max, window_ms;      /* rapid push */
    int64_t safe, reserved, remaining, quota;   /* rate limit; -1: not known */
    int64_t until_ms;           /* rate limit: the reset or retry time the forge reported; 0: none */
    bool    never_fits;         /* rate limit: larger than any safe budget can be */
};

struct hold_question {
    bool     pull_request;              /* a batch of an open pull request */
    bool     draft;
    uint32_t dispatchable;
    const struct repo_settings *settings;
    const int64_t *push_ms; size_t push_count;  /* pushes to the pull request, any order */
    int64_t  resumed_ms;                /* pushes up to then count no more; 0: never resumed. All times
                                           of pushes are the forge's: its clock alone counts */
    bool     paused;                    /* the breaker has tripped and nobody has resumed */
    bool     lifted[HOLD_KIND_COUNT];   /* a person has lifted it for this batch */
    const struct budget *budget;        /* of the installation; NULL: no forge behind it */
    int64_t  cost;                      /* calls of the batch that draw on the safe budget */
    bool     has_claim;                 /* the budget was given to it already */
    bool     by_parts;                  /* somebody agreed that it goes in dependency levels */
    int64_t  now_ms;
};
struct holds { struct hold at[HOLD_KIND_COUNT]; size_t count; };
/* In the order of the enum; count 0: it may go. */
void hold_evaluate(const struct hold_question *q, struct holds *out);

/* The numbers of a rate limit: this many calls are wanted and do not fit, however far they have come. */
struct hold hold_of_budget(const struct budget *b, int64_t cost, bool by_parts, int64_t now_ms);

/* The rapid-push breaker alone, whatever was lifted: its numbers, and whether it has tripped. */
bool hold_tripped(const struct hold_question *q, struct hold *out);

/* Stored form: a JSON object of the numbers that the kind uses; read leniently. */
str  hold_json(struct arena *mem, const struct hold *h);
bool hold_read(struct arena *mem, str kind, str numbers, int64_t since_ms, struct hold *out);

/*
 * For people, plain text without Markdown: "would dispatch 247 stacks, the threshold is 50";
 * and what ends it: "somebody with write access dispatches anyway, or the threshold is raised".
 */
str  hold_text(struct arena *mem, const struct hold *h);
/* The same with its kind: "threshold: would dispatch 247 stacks, the threshold is 50". */
str  hold_named_text(struct arena *mem, const struct hold *h);
str  hold_way_out(struct arena *mem, const struct hold *h);
/* The label of its control: "Dispatch all 247 stacks anyway"; empty when no person may lift it. */
str  hold_control(struct arena *mem, const struct hold *h);

#endif
