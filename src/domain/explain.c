/* A change: its head and what that waits for, what happened without effect, its newest batch. */
#include "domain/explain_parts.h"

static struct reason *about_head(struct telling *t, enum reason_code code, str text,
                                 struct numbers *n)
{
    struct reason *r = tell(t, code, text);
    r->since_ms = t->c->wait_since_ms;
    r->url = t->c->page_url;
    numbers_begin(n, t->mem);
    number_text(n, "headSha", t->c->head_sha);
    number_text(n, "activity", t->c->wait_activity);
    return r;
}

/* "synchronize of 1a2b3c4" */
static str head_text(const struct telling *t)
{
    const struct change_view *c = t->c;
    str sha = plain_sha(t->mem, c->head_sha);
    if (!c->wait_activity.len)
        return sha;
    return arena_print(t->mem, PRI_STR " of " PRI_STR,
                       FMT_STR(text_plain(t->mem, c->wait_activity, NAME_CHARS_MAX)), FMT_STR(sha));
}

static str uploader_text(const struct telling *t)
{
    const struct change_view *c = t->c;
    if (!c->uploader.len)
        return STR("a workflow of this repository that runs on this event must send it with "
                   "atmos describe affected --upload (none has sent one yet)");
    str when = c->uploader_ms ? arena_print(t->mem, " (it sent one last at " PRI_STR ")",
                                            FMT_STR(plain_time(t, c->uploader_ms)))
                              : STR("");
    return arena_print(t->mem, PRI_STR " must send it" PRI_STR,
                       FMT_STR(text_plain(t->mem, c->uploader, NAME_CHARS_MAX)), FMT_STR(when));
}

static void tell_waits_for_upload(struct telling *t)
{
    const struct change_view *c = t->c;
    struct numbers n;
    str until = c->wait_until_ms > 0
                    ? arena_print(t->mem, ", until " PRI_STR, FMT_STR(plain_time(t, c->wait_until_ms)))
                    : STR("");
    struct reason *r =
        about_head(t, REASON_WAITS_FOR_UPLOAD,
                   arena_print(t->mem, PRI_STR " waits for its list of affected stacks" PRI_STR
                               PRI_STR ": " PRI_STR, FMT_STR(head_text(t)),
                               FMT_STR(since_text(t, c->wait_since_ms)), FMT_STR(until),
                               FMT_STR(uploader_text(t))), &n);
    r->until_ms = c->wait_until_ms;
    r->change = STR("the list arrives, also after that time: then its batch starts by itself; "
                    "without it the check ends neutral");
    number_text(&n, "uploader", c->uploader);
    r->numbers = numbers_end(&n);
}

static void tell_no_upload(struct telling *t)
{
    struct numbers n;
    str until = t->c->wait_until_ms > 0
                    ? arena_print(t->mem, " until " PRI_STR, FMT_STR(plain_time(t, t->c->wait_until_ms)))
                    : STR("");
    struct reason *r =
        about_head(t, REASON_NO_UPLOAD,
                   arena_print(t->mem, "no list of affected stacks came for " PRI_STR PRI_STR ": "
                               PRI_STR, FMT_STR(head_text(t)), FMT_STR(until),
                               FMT_STR(uploader_text(t))), &n);
    r->change = STR("run that workflow again, or push; did it run on this event, with id-token: "
                    "write and ATMOS_PRO_BASE_URL of this server, and what does its log say?");
    number_text(&n, "uploader", t->c->uploader);
    r->numbers = numbers_end(&n);
}

static bool started_nothing(const struct event_view *v)
{
    return str_eq(v->state, STR("ignored")) || str_eq(v->state, STR("expired"));
}

/* tell_head has told of it. */
static bool is_told(const struct telling *t, const struct event_view *v)
{
    return t->c->wait != WAIT_NONE && t->c->wait != WAIT_CLOSED &&
           str_eq(v->head_sha, t->c->head_sha) && str_eq(v->activity, t->c->wait_activity) &&
           v->at_ms == t->c->wait_since_ms;
}

/* The note of the event that was ignored for this head, with its counts. */
static str head_note(const struct telling *t)
{
    for (uint32_t i = 0; i < t->c->event_count; i++) {
        const struct event_view *v = &t->c->event[i];
        if (is_told(t, v) && str_eq(v->state, STR("ignored")) && v->note.len)
            return arena_print(t->mem, ": " PRI_STR, FMT_STR(plain_note(t->mem, v->note)));
    }
    return STR("");
}

static void tell_nothing_affected(struct telling *t)
{
    struct numbers n;
    struct reason *r =
        about_head(t, REASON_NOTHING_AFFECTED,
                   arena_print(t->mem, "nothing is to be done for " PRI_STR PRI_STR,
                               FMT_STR(head_text(t)), FMT_STR(head_note(t))), &n);
    r->change = STR("a commit that affects a component with a workflow for this event; look with "
                    "atmos describe affected, and at settings.pro of the component");
    r->numbers = numbers_end(&n);
}

static void tell_fork(struct telling *t)
{
    struct numbers n;
    struct reason *r =
        about_head(t, REASON_FORK,
                   arena_print(t->mem, PRI_STR " comes from a fork: its code would run with this "
                               "repository's secrets", FMT_STR(head_text(t))), &n);
    r->change = STR("somebody with write access reads it and pushes it to a branch of this "
                    "repository, or an admin turns on the setting fork_dispatch");
    r->numbers = numbers_end(&n);
}

static void tell_closed(struct telling *t)
{
    struct numbers n;
    struct reason *r = about_head(t, REASON_CLOSED,
                                  STR("it was closed without a merge: nothing more is dispatched"),
                                  &n);
    r->since_ms = 0;
    r->change = STR("reopen it");
    r->numbers = numbers_end(&n);
}

static void tell_head(struct telling *t)
{
    switch (t->c->wait) {
    case WAIT_NONE: return;
    case WAIT_UPLOAD: tell_waits_for_upload(t); return;
    case WAIT_NO_UPLOAD: tell_no_upload(t); return;
    case WAIT_NOTHING_AFFECTED: tell_nothing_affected(t); return;
    case WAIT_FORK: tell_fork(t); return;
    case WAIT_CLOSED: tell_closed(t); return;
    }
}

/* ---- events without effect ------------------------------------------------------------------- */

static void tell_event(struct telling *t, const struct event_view *v)
{
    struct numbers n;
    str why = plain_note(t->mem, v->note);
    if (!why.len)
        why = str_eq(v->state, STR("expired")) ? STR("no list of affected stacks came for it")
                                               : STR("nothing was to be done for it");
    struct reason *r =
        tell(t, REASON_EVENT_WITHOUT_WORK,
             arena_print(t->mem, PRI_STR " of " PRI_STR " at " PRI_STR " started nothing: " PRI_STR,
                         FMT_STR(text_plain(t->mem, v->activity, NAME_CHARS_MAX)),
                         FMT_STR(plain_sha(t->mem, v->head_sha)), FMT_STR(plain_time(t, v->at_ms)),
                         FMT_STR(why)));
    r->since_ms = v->at_ms;
    numbers_begin(&n, t->mem);
    number_text(&n, "activity", v->activity);
    number_text(&n, "headSha", v->head_sha);
    r->numbers = numbers_end(&n);
}

static void tell_events(struct telling *t)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < t->c->event_count; i++) {
        const struct event_view *v = &t->c->event[i];
        if (!started_nothing(v) || is_told(t, v) || !str_eq(v->head_sha, t->c->head_sha))
            continue;
        if (++told <= EVENTS_TOLD)
            tell_event(t, v);
    }
    if (told <= EVENTS_TOLD)
        return;
    struct numbers n;
    struct reason *r = tell(t, REASON_MORE,
                            arena_print(t->mem, "and " PRI_STR " more events that started nothing",
                                        FMT_STR(text_number(t->mem, told - EVENTS_TOLD))));
    numbers_begin(&n, t->mem);
    number_put(&n, "more", told - EVENTS_TOLD);
    r->numbers = numbers_end(&n);
}

/* ---- the batch ------------------------------------------------------------------------------- */

static void tell_older_head(struct telling *t, const struct batch_view *b)
{
    struct numbers n;
    struct reason *r =
        about_head(t, REASON_OLDER_HEAD,
                   arena_print(t->mem, "what follows is about an older head, " PRI_STR,
                               FMT_STR(plain_sha(t->mem, b->head_sha))), &n);
    r->since_ms = b->created_ms;
    number_text(&n, "batch", b->id);
    r->numbers = numbers_end(&n);
}

static void tell_no_batch(struct telling *t)
{
    struct numbers n;
    if (t->out->count)
        return;
    struct reason *r = about_head(t, REASON_NO_BATCH,
                                  arena_print(t->mem, "nothing has started for " PRI_STR
                                              ": GitHub has told of no event that starts something",
                                              FMT_STR(head_text(t))), &n);
    r->change = STR("push, or run the workflow that uploads again; are the App's deliveries green "
                    "at GitHub?");
    r->numbers = numbers_end(&n);
}

void explain_change(const struct change_view *c, int64_t now_ms, struct reasons *out)
{
    struct telling t = telling_of(c, NULL, now_ms, out);
    const struct batch_view *b = c->batch_count ? &c->batch[0] : NULL;
    tell_head(&t);
    tell_events(&t);
    if (!b) {
        tell_no_batch(&t);
        return;
    }
    if (c->head_sha.len && !str_eq(b->head_sha, c->head_sha) && !str_eq(c->state, STR("merged")))
        tell_older_head(&t, b);
    explain_batch(c, b, now_ms, out);
}

void explain_batch(const struct change_view *c, const struct batch_view *b, int64_t now_ms,
                   struct reasons *out)
{
    struct telling t = telling_of(c, b, now_ms, out);
    tell_batch(&t);
}
