/*
 * action_run: the life of one run of an action, as a table (state by event; runner.md §8.4), and the
 * token with which whoever runs it may report (§5.3).
 *
 * Networks repeat and reorder: what comes late is taken in silence (ACTION_STALE), what makes no
 * sense any more is refused (ACTION_REFUSED: 409).
 */
#ifndef SIGNALBOX_DOMAIN_ACTION_RUN_H
#define SIGNALBOX_DOMAIN_ACTION_RUN_H
#include "base/arena.h"

/*    state              name on the wire   ended */
#define ACTION_STATES(X) \
    X(ACTION_PENDING,    "pending",         false) /* fired; not known to have reached a runner */ \
    X(ACTION_RUNNING,    "running",         false) /* a runner has it                           */ \
    X(ACTION_SUCCEEDED,  "succeeded",       true) \
    X(ACTION_FAILED,     "failed",          true) \
    X(ACTION_CANCELLED,  "cancelled",       true) \
    X(ACTION_TIMED_OUT,  "timed_out",       true)  /* no word within its timeout                */

enum action_state {
#define X(id, ...) id,
    ACTION_STATES(X)
#undef X
    ACTION_STATE_COUNT
};

/*    event                name */
#define ACTION_EVENTS(X) \
    X(ACTION_ACCEPTED,     "accepted")     /* the runner took it, and its outcome is waited for */ \
    X(ACTION_DONE,         "done")         /* taken, and nothing is waited for; or there was nothing to run */ \
    X(ACTION_UNDELIVERED,  "undelivered")  /* no runner took it, for good */ \
    X(ACTION_UNPREPARED,   "unprepared")   /* it could not be put together: a secret is missing */ \
    X(ACTION_PROGRESS,     "progress")     /* the runner says that it is at work */ \
    X(ACTION_SUCCEED,      "succeed")      /* the runner says how it ended */ \
    X(ACTION_FAIL,         "fail") \
    X(ACTION_STOPPED,      "stopped")      /* it was stopped because a person said so */ \
    X(ACTION_CANCEL,       "cancel")       /* a person wants it stopped */ \
    X(ACTION_REAP,         "reap")         /* its time is over */

enum action_event {
#define X(id, ...) id,
    ACTION_EVENTS(X)
#undef X
    ACTION_EVENT_COUNT
};

enum action_verdict { ACTION_REFUSED, ACTION_MOVE, ACTION_STALE };
struct action_edge { enum action_verdict verdict; enum action_state to; };

struct action_edge action_edge(enum action_state from, enum action_event ev);
const char *action_state_name(enum action_state s);
const char *action_event_name(enum action_event ev);
bool action_state_read(str name, enum action_state *out);
bool action_state_ended(enum action_state s);

/* Canonical lower case, as the API types it: 8-4-4-4-12. */
bool action_run_id_ok(str id);

/*
 * "{runId}:{expiresAtMs}:{mac}": HMAC-SHA-256 over all that stands before the last colon, base64url.
 * The key is one that serves nothing else.
 */
str action_token(struct arena *mem, str key, str run_id, int64_t expires_ms);
/* What a token says of itself; false when it is none. Whether it is true is asked of action_token. */
bool action_token_read(str token, str *run_id, int64_t *expires_ms);

#endif
