/*
 * join: which event an upload belongs to (atmos-pro.md §10.1). Pure rules; the engine supplies what
 * is known.
 */
#ifndef SIGNALBOX_DOMAIN_JOIN_H
#define SIGNALBOX_DOMAIN_JOIN_H
#include "domain/pro.h"

enum change_kind {
    CHANGE_PULL_REQUEST,
    CHANGE_RELEASE,
    CHANGE_MERGE_GROUP,
    CHANGE_MANUAL,
    CHANGE_DRIFT
};
const char *change_kind_name(enum change_kind k);

/* What the session of an upload says (OIDC claims; empty with a static token). */
struct session_facts { str event_name, ref, head_ref, base_ref, run_id, workflow_ref; };

/* refs/pull/N/merge or /head → N; 0 otherwise. */
int64_t join_pull_number(str ref);
/* gh-readonly-queue/<base>/pr-<N>-<sha>, with or without refs/heads/: base and number. */
bool join_queue_branch(str ref, str *base, int64_t *number);

/* refs/tags/<tag> → the tag; empty otherwise. */
str join_tag(str ref);

/*
 * Activities that a CI workflow answers with an upload of its own; others look at what was uploaded
 * for the head before.
 */
bool join_brings_upload(str activity);

/*
 * An event of a change that may want an upload, or had one. Those that were ignored, superseded or
 * that expired are not passed.
 */
struct waiting_event { str activity, head_sha; int64_t at_ms; bool joined; };
struct known_change  {
    enum change_kind kind; str head_sha; bool open, merged, draft; int64_t merged_ms;
    /* oldest first; at most JOIN_EVENTS_MAX, older ones are not looked at */
    const struct waiting_event *events; size_t event_count;
};
struct upload_facts  { str head_sha, base_sha; int64_t received_ms; struct session_facts session; };
/* Earlier uploads for the same head that were joined already. */
struct earlier_upload { str base_sha, run_id; int64_t received_ms; bool joined; };

enum join_kind {
    JOIN_EVENTS,        /* join the events whose bit is set */
    /*
     * no event waits, yet there is something to do: a re-run of an upload (§24 no. 36), or a lost
     * webhook
     */
    JOIN_AGAIN,
    /* read the change from the forge first: it may have been merged (or its webhook may be lost) */
    JOIN_ASK,
    JOIN_WAIT,          /* keep it; the event has not come yet */
    JOIN_NONE           /* can never belong to an event: store and show only */
};
/*
 * events: bit i stands for c->events[i] (of more than JOIN_EVENTS_MAX events the newest are looked
 * at, and bit 0 is the first of those). activity: what the new batch is for. Of several events the
 * newest one's, of a release the oldest one's; the engine may make a batch for each. JOIN_AGAIN
 * also stands for an event whose webhook is missing after the forge was asked; when it comes after
 * all, it has its batch already. why: the rule that decided, as a sentence for the upload's note.
 */
enum { JOIN_EVENTS_MAX = 64 };
struct join { enum join_kind kind; uint64_t events; str activity; const char *why; };
/*
 * asked: the change was read from the forge after this upload arrived. c NULL: no change is known
 * for it (yet).
 */
struct join join_upload(const struct known_change *c, const struct upload_facts *u,
                        const struct earlier_upload *earlier, size_t earlier_count, bool asked);

/*
 * The forge was asked so often about the event that an upload lacks, without learning of it: how
 * long to wait before the next time. asked ≥ 1.
 */
int64_t join_ask_again_ms(int64_t asked);

/*
 * published and released of one release are one batch: the first that has workflows wins (§8.2, §24
 * no. 28).
 */
enum {
    JOIN_EVENT_EXPIRES_MS = 60 * 60 * 1000,
    JOIN_UPLOAD_EXPIRES_MS = 24 * 3600 * 1000,
    JOIN_CHUNKS_EXPIRE_MS = 15 * 60 * 1000
};

#endif
