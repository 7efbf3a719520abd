/*
 * explain: the chain of reasons why something has not run (or has ended as it did), in order, each
 * with its numbers, its time and what would change it. Pure: the same state gives the same words, in
 * the API, on the command line, in a comment and on the page.
 *
 * The order: what decides about the whole, what needs a person, what waits and will go on by itself,
 * what is under way, what went wrong. A node that waits is followed to what it really waits for.
 */
#ifndef SIGNALBOX_DOMAIN_EXPLAIN_H
#define SIGNALBOX_DOMAIN_EXPLAIN_H
#include "domain/feedback.h"
#include "domain/hold.h"

/* code, stable, for programs; what it says */
#define REASONS(X) \
    X(WAITS_FOR_UPLOAD,   "waits_for_upload",   "The head waits for its list of affected stacks.") \
    X(NO_UPLOAD,          "no_upload",          "No list of affected stacks came in time.") \
    X(NOTHING_AFFECTED,   "nothing_affected",   "Nothing affected has a workflow for this event.") \
    X(FORK,               "fork",               "The commit comes from a fork.") \
    X(CLOSED,             "closed",             "The pull request was closed without a merge.") \
    X(EVENT_WITHOUT_WORK, "event_without_work", "An event that started nothing, and why.") \
    X(OLDER_HEAD,         "older_head",         "What follows is about an older head.") \
    X(NO_BATCH,           "no_batch",           "Nothing has started for this head.") \
    X(PREPARING,          "preparing",          "The batch's workflow files are being read.") \
    X(APP_GONE,           "app_gone",           "The App is removed or suspended: nothing is sent.") \
    X(HELD,               "held",               "The batch is held; its reasons are not known here.") \
    X(HELD_DRAFT,         "held_draft",         "Held: the pull request is a draft.") \
    X(HELD_RAPID_PUSH,    "held_rapid_push",    "Held: too many pushes in quick succession.") \
    X(HELD_THRESHOLD,     "held_threshold",     "Held: more stacks than the threshold.") \
    X(HELD_RATE_LIMIT,    "held_rate_limit",    "Held: no room in the installation's budget.") \
    X(RELEASED,           "released",           "A person lifted what held it.") \
    X(FORECAST,           "forecast",           "What the batch will cost when it goes.") \
    X(NOT_PLANNED,        "not_planned",        "A loop, or an upload that cannot be read.") \
    X(EMPTY,              "empty",              "Nothing in the batch can be dispatched.") \
    X(BATCH_SUPERSEDED,   "batch_superseded",   "A newer head took the place of the batch.") \
    X(PROGRESS,           "progress",           "How far the batch is.") \
    X(BATCH_ENDED,        "batch_ended",        "How the batch ended.") \
    X(WAITS_FOR_BATCH,    "waits_for_batch",    "The node waits for its batch to start.") \
    X(WAITS_FOR_PARENT,   "waits_for_parent",   "The node waits for others, and for which first.") \
    X(WAITS_FOR_SLOT,     "waits_for_slot",     "Ready: all dispatch calls at once are in use.") \
    X(PUT_BACK,           "put_back",           "Ready: its dispatch was put back for a while.") \
    X(READY,              "ready",              "Ready: it goes with the next step.") \
    X(LOCKED,             "locked",             "Somebody holds a lock on the instance.") \
    X(WAIT_SKIPPED,       "wait_skipped",       "A person ended the lock that it waited for.") \
    X(LIVE_RUN,           "live_run",           "A run of the same instance is live elsewhere.") \
    X(WAITS_FOR_BUDGET,   "waits_for_budget",   "The batch goes in parts; its share is used up.") \
    X(RUNNER_FULL,        "runner_full",        "Its runner takes no more runs at the moment.") \
    X(DISPATCHING,        "dispatching",        "The dispatch call is under way.") \
    X(CALL_LOST,          "call_lost",          "The answer was lost: its run is looked for.") \
    X(QUEUED,             "queued",             "The forge has it; no runner has taken it.") \
    X(RUNNING,            "running",            "It runs.") \
    X(APPROVAL,           "approval",           "Its run waits for a reviewer.") \
    X(CANCELLING,         "cancelling",         "Told to stop, not gone yet.") \
    X(SUCCEEDED,          "succeeded",          "It succeeded.") \
    X(FAILED,             "failed",             "Its run failed.") \
    X(TIMED_OUT,          "timed_out",          "Its run gave no result in time.") \
    X(CANCELLED,          "cancelled",          "It was cancelled.") \
    X(SKIPPED,            "skipped",            "Something that it waits for did not succeed.") \
    X(SUPERSEDED,         "superseded",         "A newer head came before it started.") \
    X(DISPATCH_ERROR,     "dispatch_error",     "It could not be dispatched.") \
    X(DELETED,            "deleted",            "Gone from the configuration: never dispatched.") \
    X(DISABLED,           "disabled",           "Disabled in the configuration.") \
    X(NO_WORKFLOW,        "no_workflow",        "It has no workflow for this event.") \
    X(NOT_DISPATCHED,     "not_dispatched",     "Nodes of the batch that are never dispatched.") \
    X(MORE,               "more",               "More of the same kind, only counted.")
enum reason_code {
#define X(id, ...) REASON_##id,
    REASONS(X)
#undef X
    REASON_CODE_COUNT
};
const char *reason_code_name(enum reason_code k);

struct reason {
    enum reason_code code;
    str         text;           /* "waits for network/vpc in prod, running since 14:02 UTC …" */
    str         change;         /* what would change it, or empty */
    int64_t     since_ms;       /* 0: not known */
    int64_t     until_ms;       /* when it ends by itself, or is expected to; 0: not known */
    str         numbers;        /* JSON object: the figures in the text, and ids to follow */
    str         url;            /* where to look, or empty */
};
struct reasons { struct arena *mem; struct reason *at; size_t count, cap; };

/*
 * now_ms is for "3 min left" and for times of another day: everything else comes from the view.
 * Each appends at least one reason, and about twenty at the most, whatever the size of the batch.
 */
void explain_batch(const struct change_view *c, const struct batch_view *b, int64_t now_ms,
                   struct reasons *out);
/* node < b->count, or nothing is appended. */
void explain_node(const struct change_view *c, const struct batch_view *b, uint32_t node,
                  int64_t now_ms, struct reasons *out);
/* A pull request or other change: its head, what it waits for, then its newest batch. */
void explain_change(const struct change_view *c, int64_t now_ms, struct reasons *out);

str  reasons_json(struct arena *mem, const struct reasons *r);      /* an array */
/* Numbered lines for a comment or a terminal; markdown: escaped for a forge. */
str  reasons_text(struct arena *mem, const struct reasons *r, bool markdown);

#endif
