/*
 * feedback: what people see on the forge, as pure functions of what the database holds
 * (atmos-pro.md §15, peers.md §5.4). Rendering twice gives the same bytes: no clock but the times
 * that are passed in, no order that depends on chance.
 */
#ifndef SIGNALBOX_DOMAIN_FEEDBACK_H
#define SIGNALBOX_DOMAIN_FEEDBACK_H
#include "domain/command.h"
#include "domain/join.h"
#include "domain/node.h"

/* One node as it is to be shown. Everything in it is hostile text until escaped. */
struct node_view {
    str             stack, component, workflow;
    enum node_state state;
    enum command    badge;
    str             inert;              /* "deleted", "disabled", "no_workflow" or empty */
    str             run_url;            /* of the forge; empty before there is one */
    str             error_code, error_text;    /* dispatchError and its sentence */
    /* when NODE_BLOCKED by a lock */
    str             lock_message; int64_t lock_expires_ms; str lock_actor;
    /* when NODE_BLOCKED by a live run of the same instance: "apply of #12" */
    str             blocked_by;
    int64_t         started_ms, ended_ms, expected_ms;
    bool            learned;            /* expected_ms: from runs, not a guess */
    uint32_t        level;
    /* For explain.h; 0 or empty where the view was not made for it. */
    int64_t         changed_ms;         /* in this state since */
    int64_t         sent_ms;            /* the forge took the dispatch */
    int64_t         not_before_ms;      /* READY and put back: not sent before */
    int64_t         attempt, tries;     /* runs of this node; dispatch calls put back in a row */
    bool            waits_for_budget;   /* BLOCKED: the installation's budget gives it no call yet */
    int64_t         budget_until_ms;    /* … and when it is given out again; 0: not known */
    str             blocked_url;        /* of the run in blocked_by */
    str             waits_for_runner;   /* BLOCKED: this registered runner is full */
    str             call_note;          /* DISPATCHING: what came of the call so far */
    int64_t         call_tries, call_at_ms;     /* tries of it; when the next one is due */
    /* plan counts, when the CLI reported them */
    bool            has_counts; int64_t create, change, replace, destroy;
    bool            has_exit; int64_t exit_code;
    const uint32_t *parents; uint32_t parent_count;    /* indexes of nodes it waits for */
};

struct hold;                            /* domain/hold.h */
/* A hold that a person has lifted, with the numbers of then. */
struct release_view { const struct hold *hold; str by; int64_t at_ms; };

struct batch_view {
    str              id, url;           /* its page */
    str              repository;        /* owner/name, for commands to copy */
    const struct hold *hold; size_t hold_count;     /* what stands, in the order of the enum */
    const struct release_view *released; size_t released_count;     /* in the order of the enum */
    str              forecast;          /* budget_forecast_text, or empty */
    enum change_kind kind;
    str              activity;          /* opened, synchronize, merged, published … */
    str              head_sha;
    const char      *state;             /* batch_state_name */
    const char      *verdict;           /* batch_verdict_name; "" while open */
    str              error;             /* why it could not be planned (a loop …), or empty */
    const struct node_view *node; uint32_t count;
    int64_t          forecast_ms;       /* expected time left, 0 unknown */
    int64_t          as_of_ms;          /* the newest change among what is shown: the only "now" */
    /* squash merge of a branch that was behind: applied head is not what is on the base branch */
    bool             tree_differs;
    str              superseded_by;     /* batch id or empty */
    /* For explain.h; 0 or empty where the view was not made for it. */
    int64_t          created_ms, started_ms, ended_ms;
    str              ref;               /* its workflow files are read there */
    const struct file_view *file; uint32_t file_count;  /* while preparing */
    int64_t          slots;             /* dispatch calls at once in this repository … */
    int64_t          slots_busy;        /* … of them under way */
    int64_t          ready_before;      /* ready nodes of batches that go first */
    int64_t          run_timeout_ms;    /* a run without a result is given up after so long */
    bool             strict;            /* plans behind a failed plan are skipped */
    bool             on_runner;         /* its nodes run on a registered runner, not at GitHub */
    bool             app_gone;          /* the App is removed or suspended: nothing is sent */
    bool             cancelled;
    str              stopped_by; int64_t stopped_ms;    /* who cancelled it, when it was a person */
    /* Who skipped the wait of the node that is explained (view_skip), and what the audit says of it. */
    str              skipped_by, skipped_what; int64_t skipped_ms;
};

/* A workflow file that a batch needs before it starts. */
struct file_view { str name; bool known; str note; int64_t since_ms, next_ms; };
/* Something that happened to a change, and what came of it. */
struct event_view {
    str     activity, head_sha, state, note, batch_id;
    int64_t at_ms, expires_ms;
};

/* The state of a head for which nothing runs (yet). */
enum wait_kind {
    WAIT_NONE,
    WAIT_UPLOAD,
    WAIT_NO_UPLOAD,
    WAIT_NOTHING_AFFECTED,
    WAIT_FORK,
    WAIT_CLOSED
};

/* What came of the last order of a person, until the next one or a newer head. */
struct notice_view {
    str     who, what;                  /* login; "dispatch", or what was written */
    str     why;                        /* of a refusal, or empty */
    bool    ok;
    int64_t at_ms;
};

struct change_view {
    str               product;          /* "Signalbox" */
    enum change_kind  kind; int64_t number; str title;
    str               head_sha;
    enum wait_kind    wait;
    int64_t           wait_until_ms;
    /* For explain.h; 0 or empty where the view was not made for it. */
    int64_t           wait_since_ms;
    str               wait_activity;    /* the event that wants the upload */
    str               uploader;         /* workflow file of the repository's newest upload */
    int64_t           uploader_ms;
    const struct event_view *event; uint32_t event_count;   /* newest first */
    str               repository;       /* owner/name */
    str               state;            /* open, closed, merged */
    bool              draft;
    int64_t           paused_ms;        /* rapid pushes: paused since; 0: not */
    /* newest first: current one, then e.g. the plan batch behind an apply batch */
    const struct batch_view *batch; uint32_t batch_count;
    str               page_url;         /* of the change */
    const struct notice_view *notice;   /* NULL: none */
    str               settings_wrong;   /* of the repository's file of settings, or empty */
};

struct check_view {
    const char *status;                 /* "queued", "in_progress", "completed" */
    /* NULL unless completed: success, failure, neutral, action_required, cancelled */
    const char *conclusion;
    /* ≤ 255, ≤ 65,535, ≤ 65,535 bytes, cut on a UTF-8 boundary with a line that says so */
    str         title, summary, text;
    str         details_url;
};

void feedback_check(struct arena *mem, const struct change_view *c, struct check_view *out);
/*
 * The sticky comment; empty when none is to be made (no batch with anything to tell, §5.4; not a
 * pull request). When a newer head waits for its upload, or affects nothing, the batches behind it
 * are still told about, under a first line that says so: a comment that exists stays true. At most
 * 60,000 bytes, about 40 lines at any size, begins with the hidden marker feedback_marker().
 */
str  feedback_comment(struct arena *mem, const struct change_view *c);
str  feedback_marker(struct arena *mem, int64_t number);
/*
 * What came of an apply, for the record: a short comment of its own (peers.md §5.4), one for each
 * batch, which says something else only when the batch is run again. The batch it is about; NULL:
 * none has ended that applied anything.
 */
const struct batch_view *feedback_result_batch(const struct change_view *c);
str  feedback_result(struct arena *mem, const struct change_view *c, const struct batch_view *b);
str  feedback_result_marker(struct arena *mem, str batch_id);
/* One line of Markdown. */
str  feedback_notice(struct arena *mem, const struct notice_view *n);
/* As it is stored: {"who","what","why","ok","atMs"}. False: none. */
bool notice_read(struct arena *mem, str stored, struct notice_view *out);
/*
 * The tone of the first line, the failures, and what needs a person, as 16 hex digits: an edit of
 * the comment is urgent when this changed, else it may be debounced. Counts of what runs or
 * succeeded are not in it: they change with every node.
 */
str  feedback_digest(struct arena *mem, const struct change_view *c);
/*
 * Wait between two edits of one comment, by the size of the batch: 10 s up to 20 nodes … 30 s from
 * 500 (§10.7, peers.md §5.4). Terminal states go at once.
 */
int64_t feedback_debounce_ms(uint32_t nodes, bool terminal);

/* Review (§15.4): "APPROVE", "REQUEST_CHANGES" or NULL when none is due; body for it. */
const char *feedback_review(struct arena *mem, const struct change_view *c, str *body);

/*
 * Escapes hostile text for Markdown inside a table cell or line: no mentions (@ → zero-width
 * joined), links, HTML, tables, code fences, line breaks; control and bidirectional characters
 * shown as U+FFFD; cut to max characters with an ellipsis.
 */
str  markdown_text(struct arena *mem, str s, size_t max_chars);
str  markdown_code(struct arena *mem, str s, size_t max_chars);     /* `…` with enough backticks */

#endif
