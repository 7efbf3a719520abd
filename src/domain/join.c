#include "domain/join.h"

const char *change_kind_name(enum change_kind k)
{
    static const char *const name[] = { [CHANGE_PULL_REQUEST] = "pull_request",
                                        [CHANGE_RELEASE] = "release",
                                        [CHANGE_MERGE_GROUP] = "merge_group",
                                        [CHANGE_MANUAL] = "manual",
                                        [CHANGE_DRIFT] = "drift" };
    return name[k];
}

/* ---- refs ---- */

int64_t join_pull_number(str ref)
{
    str prefix = STR("refs/pull/"), rest;
    int64_t n;
    if (!str_starts(ref, prefix))
        return 0;
    str number = str_cut(str_sub(ref, prefix.len, ref.len), '/', &rest);
    bool ours = str_eq(rest, STR("merge")) || str_eq(rest, STR("head"));
    return ours && str_to_i64(number, 1, INT64_MAX, &n) ? n : 0;
}

static bool is_sha(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len >= 7 && s.len <= 64;
}

bool join_queue_branch(str ref, str *base, int64_t *number)
{
    str heads = STR("refs/heads/"), queue = STR("gh-readonly-queue/"), sha;
    if (str_starts(ref, heads))
        ref = str_sub(ref, heads.len, ref.len);
    if (!str_starts(ref, queue))
        return false;
    ref = str_sub(ref, queue.len, ref.len);
    str last = str_after_last(ref, '/');
    if (last.len + 1 >= ref.len || !str_starts(last, STR("pr-")))
        return false;
    str digits = str_cut(str_sub(last, 3, last.len), '-', &sha);
    int64_t n;
    if (!is_sha(sha) || !str_to_i64(digits, 1, INT64_MAX, &n))
        return false;
    *base = str_sub(ref, 0, ref.len - last.len - 1);
    *number = n;
    return true;
}

str join_tag(str ref)
{
    str tags = STR("refs/tags/");
    return str_starts(ref, tags) ? str_sub(ref, tags.len, ref.len) : STR_NONE;
}

bool join_brings_upload(str activity)
{
    static const str loud[] = { STR_INIT("opened"),    STR_INIT("synchronize"),
                                STR_INIT("reopened"),  STR_INIT("merged"),
                                STR_INIT("published"), STR_INIT("released"),
                                STR_INIT("checks_requested") };
    for (size_t i = 0; i < sizeof loud / sizeof *loud; i++)
        if (str_eq(activity, loud[i]))
            return true;
    return false;
}

/* ---- what is known, seen from one head ---- */

static const str MERGED = STR_INIT("merged"), CLOSED = STR_INIT("closed");

struct seen {
    const struct known_change *c;
    const struct upload_facts *u;
    bool     asked;
    uint64_t waiting; /* events of this head that still want an upload, but the merge */
    uint64_t merge;                 /* the merge, when it still wants one */
    uint64_t closing;               /* of those that wait: the end without a merge */
    bool     any;                   /* there is an event of this head at all */
    bool     merge_served;          /* the merge had its upload */
    bool     merged;                /* by the change itself or by an event */
    int64_t  merged_ms;             /* 0: not known when */
    str      newest_waiting, oldest_waiting, newest_joined;
    const struct earlier_upload *same_run;  /* an earlier upload of the same workflow run */
};

static bool of_head(const struct seen *s, const struct waiting_event *v)
{
    /* A release is found by its tag; what sha its webhook carried, if any, does not matter then. */
    bool by_tag = s->c->kind == CHANGE_RELEASE &&
                  (v->head_sha.len == 0 || join_tag(s->u->session.ref).len);
    return by_tag || str_eq(v->head_sha, s->u->head_sha);
}

static void event_see(struct seen *s, const struct waiting_event *v, uint64_t bit)
{
    if (!of_head(s, v))
        return;
    bool merge = str_eq(v->activity, MERGED);
    s->any = true;
    if (merge) {
        s->merge |= v->joined ? 0 : bit;
        s->merge_served |= v->joined;
        s->merged = true;
        if (s->merged_ms == 0)
            s->merged_ms = v->at_ms;
    } else if (v->joined) {
        s->newest_joined = v->activity;
    } else {
        s->waiting |= bit;
        s->closing |= str_eq(v->activity, CLOSED) ? bit : 0;
        s->newest_waiting = v->activity;
        if (s->oldest_waiting.len == 0)
            s->oldest_waiting = v->activity;
    }
}

static struct seen see(const struct known_change *c, const struct upload_facts *u,
                       const struct earlier_upload *earlier, size_t count, bool asked)
{
    struct seen s = {
        .c = c, .u = u, .asked = asked, .merged = c->merged, .merged_ms = c->merged_ms
    };
    size_t first = c->event_count > JOIN_EVENTS_MAX ? c->event_count - JOIN_EVENTS_MAX : 0;
    for (size_t i = first; i < c->event_count; i++)
        event_see(&s, &c->events[i], (uint64_t)1 << (i - first));
    for (size_t i = 0; i < count; i++)
        if (earlier[i].joined && u->session.run_id.len &&
            str_eq(earlier[i].run_id, u->session.run_id))
            s.same_run = &earlier[i];
    return s;
}

static struct join answer(enum join_kind kind, uint64_t events, str activity, const char *why)
{
    return (struct join){ .kind = kind, .events = events, .activity = activity, .why = why };
}
static struct join none(const char *why) { return answer(JOIN_NONE, 0, STR_NONE, why); }
static struct join wait(const char *why) { return answer(JOIN_WAIT, 0, STR_NONE, why); }
static struct join ask(const char *why) { return answer(JOIN_ASK, 0, STR_NONE, why); }

/* ---- the rules ---- */

/* What this head is for when no event of it is known, or none that says so. */
static str usual_activity(const struct seen *s)
{
    switch (s->c->kind) {
    case CHANGE_RELEASE:
        return STR("published");
    case CHANGE_MERGE_GROUP:
        return STR("checks_requested");
    case CHANGE_PULL_REQUEST:
    case CHANGE_MANUAL:
    case CHANGE_DRIFT:
        break;
    }
    return s->merged ? MERGED : s->c->event_count ? STR("synchronize") : STR("opened");
}

static str served_activity(const struct seen *s)
{
    /* The word of it is still on its way. */
    if (s->c->open && str_eq(s->newest_joined, CLOSED))
        return STR("reopened");
    return s->newest_joined.len ? s->newest_joined : usual_activity(s);
}

static bool is_given_up(const struct seen *s)
{
    return s->c->kind == CHANGE_PULL_REQUEST && !s->merged && !s->c->open;
}

/* No event of this head. */
static struct join join_unknown_head(const struct seen *s)
{
    /* Upload first: the push's webhook is still on its way. */
    if (!str_eq(s->u->head_sha, s->c->head_sha))
        return wait("the event of this commit has not come yet");
    /* The head is known, its event is not: a webhook was lost, or the App is new here. */
    if (!s->asked)
        return ask("the commit is known, but the event that belongs to the upload is missing");
    if (is_given_up(s))
        return none("the pull request was closed");
    return answer(JOIN_AGAIN, 0, usual_activity(s), "the webhook of the event is missing");
}

/* The same workflow run uploads again: somebody re-ran it (§24 no. 36). */
static struct join join_same_run(const struct seen *s)
{
    if (!s->merged)
        return answer(JOIN_AGAIN, 0, served_activity(s),
                      "the workflow run that uploaded before was run again");
    /* §10.1, the trap: a plan's run that is re-run after the merge must not look like the merge. */
    if (s->merged_ms == 0 || s->same_run->received_ms < s->merged_ms)
        return none("a workflow run from before the merge was run again after it");
    return answer(JOIN_AGAIN, 0, MERGED, "the merge's workflow run was run again");
}

/* The merge has come, by webhook or by asking the forge. */
static struct join join_merged(const struct seen *s, bool before_merge)
{
    /* A run on refs/pull/N/merge began before the merge, and planning is over. Only when nothing
     * but the merge waits, it is taken for a forge that keeps that ref. */
    if (before_merge && (s->waiting || !s->merge))
        return none("the upload belongs to a workflow run from before the merge");
    if (s->merge)
        return answer(JOIN_EVENTS, s->merge, MERGED, "the pull request was merged");
    /* Never apply a merge twice: only its own run, re-run, may do that (above). */
    if (s->merge_served)
        return none("the merge was joined to another upload");
    if (!s->asked)
        return ask("the pull request is merged, but the event of the merge is missing");
    return answer(JOIN_AGAIN, 0, MERGED, "the webhook of the merge is missing");
}

/* Nothing goes for what was given up (§24 no. 24), but what is configured for the closing itself. */
static struct join join_closed(const struct seen *s)
{
    if (s->closing && !s->same_run)
        return answer(JOIN_EVENTS, s->closing, CLOSED, "the upload was expected");
    if (s->same_run && str_eq(s->newest_joined, CLOSED))
        return join_same_run(s);
    if (!s->asked)
        return ask("the pull request is closed; it may have been opened again");
    return none("the pull request was closed");
}

static struct join join_pull(const struct seen *s)
{
    const struct session_facts *f = &s->u->session;
    bool of_pull = str_eq(f->event_name, STR("pull_request")) && f->ref.len;
    bool before_merge = of_pull && str_starts(f->ref, STR("refs/pull/"));

    if (!s->any && !s->same_run && !(s->merged && str_eq(s->u->head_sha, s->c->head_sha)))
        return join_unknown_head(s);
    /* An older head: its plans would be superseded in the moment they are made. */
    if (s->c->head_sha.len && !str_eq(s->u->head_sha, s->c->head_sha))
        return none("a newer commit of the pull request has taken this one's place");
    if (is_given_up(s))
        return join_closed(s);
    if (s->same_run)
        return join_same_run(s);
    if (s->merged)
        return join_merged(s, before_merge);
    /* GitHub runs the workflow of a merged pull request on the base branch: the merge is known
     * before its webhook. */
    if (of_pull && !before_merge && !s->asked)
        return ask("the workflow ran on the base branch, as after a merge, but the pull request is "
                   "not known to be merged");
    /* opened, synchronize, reopened, labeled …: everything that waits at this head is served by one
     * upload. */
    if (s->waiting)
        return answer(JOIN_EVENTS, s->waiting, s->newest_waiting, "the upload was expected");
    /* Everything is served: another activity, or the merge, whose webhook is late. */
    if (!s->asked)
        return ask("all events of this commit are joined; the pull request may have been merged");
    return answer(JOIN_AGAIN, 0, served_activity(s),
                  "another workflow run uploaded for the same commit");
}

static struct join join_merge_group(const struct seen *s)
{
    if (s->same_run)
        return join_same_run(s);
    if (!s->any)
        return join_unknown_head(s);
    if (s->waiting)
        return answer(JOIN_EVENTS, s->waiting, s->newest_waiting, "the upload was expected");
    return answer(JOIN_AGAIN, 0, served_activity(s),
                  "another workflow run uploaded for the same merge group");
}

static struct join join_release(const struct seen *s)
{
    if (s->same_run)
        return join_same_run(s);
    if (!s->any)
        return join_unknown_head(s);
    /* §24 no. 28: published and released of one release are one batch; the first that has workflows
     * wins. */
    if (s->waiting && s->newest_joined.len == 0)
        return answer(JOIN_EVENTS, s->waiting, s->oldest_waiting, "the upload was expected");
    /* A workflow that listens to both runs twice; the second upload must not apply again. */
    return none("the release was joined to another upload");
}

/* Which kind of change a session's workflow ran for. */
enum session_kind { SESSION_ANY, SESSION_PULL, SESSION_GROUP, SESSION_RELEASE, SESSION_OTHER };

static enum session_kind session_kind(str event_name)
{
    static const struct { str name; enum session_kind kind; } table[] = {
        { STR_INIT(""), SESSION_ANY }, /* a static token: only the commit tells */
        { STR_INIT("pull_request"), SESSION_PULL },
        { STR_INIT("pull_request_target"), SESSION_PULL },
        { STR_INIT("merge_group"), SESSION_GROUP },
        { STR_INIT("release"), SESSION_RELEASE },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (str_eq(table[i].name, event_name))
            return table[i].kind;
    return SESSION_OTHER;
}

struct join join_upload(const struct known_change *c, const struct upload_facts *u,
                        const struct earlier_upload *earlier, size_t earlier_count, bool asked)
{
    enum session_kind k = session_kind(u->session.event_name);
    /* push, workflow_dispatch, schedule …: stored and shown, never dispatched. */
    if (k == SESSION_OTHER)
        return none(
            "the uploading workflow did not run for a pull request, a merge group or a release");
    if (!c)
        return wait("no pull request, merge group or release is known for this commit yet");
    struct seen s = see(c, u, earlier, earlier_count, asked);
    switch (c->kind) {
    case CHANGE_PULL_REQUEST:
        return k == SESSION_ANY || k == SESSION_PULL
                   ? join_pull(&s)
                   : wait("the pull request is not what the upload is for");
    case CHANGE_MERGE_GROUP:
        return k == SESSION_ANY || k == SESSION_GROUP
                   ? join_merge_group(&s)
                   : wait("the merge group is not what the upload is for");
    case CHANGE_RELEASE:
        return k == SESSION_ANY || k == SESSION_RELEASE
                   ? join_release(&s)
                   : wait("the release is not what the upload is for");
    case CHANGE_MANUAL:
    case CHANGE_DRIFT:
        break;
    }
    return none("manual and drift batches take no uploads");
}

int64_t join_ask_again_ms(int64_t asked)
{
    static const int64_t minutes[] = { 1, 2, 5, 15, 60 };
    enum { LAST = sizeof minutes / sizeof minutes[0] };
    return minutes[asked < 1 ? 0 : asked > LAST ? LAST - 1 : asked - 1] * 60 * 1000;
}
