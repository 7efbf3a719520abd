/*
 * feedback_check: the composite check of a head, and the review (atmos-pro.md §15.2, §15.4). A
 * check always comes to an end, and one that has nothing to show teaches what to look at.
 */
#include "domain/feedback_parts.h"

static const struct page_limits summary_limits = {
    .failed = 50, .waiting = 50, .changes = 25, .running = 25, .bytes = CHECK_SUMMARY_BYTES_MAX
};

/* ---- texts for a head without a batch ---- */

static const char no_upload_text[] =
    "The forge told of this commit, but no list of affected stacks came for it, so nothing was "
    "dispatched. What to check, in this order:\n"
    "\n"
    "1. A workflow runs for this event (for pull requests: `opened`, `synchronize`, `reopened` "
    "and, for applies, `closed`) and calls "
    "`atmos describe affected --upload`. For a merge queue it must run on `merge_group` too.\n"
    "2. Its job has `permissions: id-token: write` and `contents: read`.\n"
    "3. `ATMOS_PRO_BASE_URL` names this server, and `ATMOS_PRO_WORKSPACE_ID` names your "
    "workspace here.\n"
    "4. The job has checked out the head commit of the pull request: an upload is matched by "
    "that commit.\n"
    "5. The log of that job: a refused upload says why, in one line, with a trace id.\n"
    "\n"
    "Then run that workflow again, or push again.";

static const char fork_text[] =
    "This commit comes from a fork. The forge gives workflows of forks no identity token, so "
    "they cannot upload what is affected; and "
    "dispatching would run their code with this repository's secrets.\n"
    "\n"
    "To go on, a person with write access reads the code and pushes it to a branch of this "
    "repository. Whoever trusts all forks can turn on "
    "`fork_dispatch` in the repository's settings.";

static const char nothing_text[] =
    "No component of any stack is affected by this commit, or none of those affected has a "
    "workflow for this event.\n"
    "\n"
    "If you expected some: run `atmos describe affected` on this branch and see whether they are "
    "listed, and look at "
    "`settings.pro` of the component for the workflows of this event.";

static const char closed_text[] =
    "The pull request is closed. Nothing more will be dispatched for it.";

static void finish(struct check_view *out, const char *conclusion)
{
    out->status = "completed";
    out->conclusion = conclusion;
}

static str upload_text(struct arena *mem, const struct change_view *c)
{
    str until = STR("");
    if (c->wait_until_ms > 0)
        until = arena_print(
            mem, " If none arrives until %s, this check ends neutral and says what to look at.",
            z(words_time(mem, c->wait_until_ms, 0)));
    return arena_print(
        mem,
        "The forge told of this commit; the list of its affected stacks has not arrived yet. A "
        "workflow of this repository makes "
        "and sends it with `atmos describe affected --upload`.%s",
        z(until));
}

static void check_wait(struct arena *mem, const struct change_view *c, struct check_view *out)
{
    switch (c->wait) {
    case WAIT_NONE:
    case WAIT_UPLOAD:
        out->status = "queued";
        out->title = STR("Waiting for the affected stacks");
        out->summary = upload_text(mem, c);
        return;
    case WAIT_NO_UPLOAD:
        finish(out, "neutral");
        out->title = STR("No list of affected stacks arrived");
        out->summary = str_of(no_upload_text);
        return;
    case WAIT_NOTHING_AFFECTED:
        finish(out, "neutral");
        out->title = STR("No affected stacks with a workflow");
        out->summary = str_of(nothing_text);
        return;
    case WAIT_FORK:
        finish(out, "neutral");
        out->title = STR("Not dispatched: this comes from a fork");
        out->summary = str_of(fork_text);
        return;
    case WAIT_CLOSED:
        finish(out, "neutral");
        out->title = STR("Closed: nothing to dispatch");
        out->summary = str_of(closed_text);
        return;
    }
}

/* ---- a head with a batch ---- */

static const char *conclusion_of(const struct summary *s)
{
    if (s->failed || s->b->error.len)
        return "failure";
    if (s->total == 0 || s->by_state[NODE_SUPERSEDED] || s->b->superseded_by.len)
        return "neutral";
    if (s->by_state[NODE_CANCELLED])
        return "cancelled";
    return s->by_state[NODE_SKIPPED] ? "failure" : "success";
}

/* "3 of 24 done, 1 failed": titles are plain text, seen in a list, so numbers come first. */
static str title_of(struct arena *mem, const struct summary *s)
{
    if (s->b->error.len)
        return STR("Not planned: the configuration needs mending");
    if (s->total == 0)
        return STR("No affected stacks with a workflow");
    if (summary_ended(s))
        return words_states(mem, s->by_state);
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    if (summary_held(s) && s->b->hold_count)
        return words_holds_title(mem, s);
    if (summary_held(s))
        buf_add(&out, STR("Held: a person must let it go. "));
    buf_print(&out, "%s of %s done", z(text_number(mem, s->ended)),
              z(text_number(mem, s->total)));
    static const enum node_state told[] = { NODE_FAILED,    NODE_TIMED_OUT, NODE_ERROR,
                                            NODE_CANCELLED, NODE_SKIPPED,   NODE_APPROVAL,
                                            NODE_BLOCKED };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (s->by_state[told[i]])
            buf_print(&out, ", %s %s", z(text_number(mem, s->by_state[told[i]])),
                      state_word(told[i]));
    return buf_str(&out);
}

static void check_status(const struct summary *s, bool upload_due, struct check_view *out)
{
    bool ended = summary_ended(s) || s->total == 0 || s->b->error.len;
    if (ended && !upload_due)
        finish(out, conclusion_of(s));
    else if (summary_held(s))
        finish(out, "action_required");
    else
        out->status = s->ended || s->by_state[NODE_RUNNING] || s->by_state[NODE_QUEUED] ||
                              s->by_state[NODE_APPROVAL]
                          ? "in_progress"
                          : "queued";
}

static str summary_text(struct arena *mem, const struct summary *s, const struct page_limits *l)
{
    struct page p;
    page_init(&p, mem, l->bytes - TABLE_TAIL_BYTES);
    page_print(&p, "**%s**", z(words_verdict(mem, s)));
    section_holds(&p, s, false);
    section_released(&p, s);
    section_notes(&p, s);
    section_failed(&p, s, l);
    section_waiting(&p, s, l);
    section_changes(&p, s, l);
    section_running(&p, s, l);
    return buf_str(&p.out);
}

static str table_text(struct arena *mem, const struct summary *s)
{
    struct page p;
    page_init(&p, mem, CHECK_TEXT_BYTES_MAX - TABLE_TAIL_BYTES);
    section_table(&p, s, 500);
    return buf_str(&p.out);
}

static void check_batch(struct arena *mem, const struct change_view *c, const struct batch_view *b,
                        struct check_view *out)
{
    struct summary s;
    summary_make(mem, b, &s);
    bool upload_due = c->wait == WAIT_UPLOAD;
    check_status(&s, upload_due, out);
    out->title = title_of(mem, &s);
    if (upload_due)
        out->title = arena_print(mem, "Waiting for the affected stacks; before: %s", z(out->title));
    out->summary = summary_text(mem, &s, &summary_limits);
    if (c->settings_wrong.len)
        out->summary = arena_print(
            mem, "%s\n⚠️ `.github/signalbox.yaml` is not used: %s\n",
            z(str_clip(out->summary, CHECK_SUMMARY_BYTES_MAX - TABLE_TAIL_BYTES)),
            z(markdown_text(mem, c->settings_wrong, ERROR_CHARS_MAX)));
    out->text = b->count ? table_text(mem, &s) : STR("");
    if (b->url.len)
        out->details_url = b->url;
}

/* The batch that the check of this head tells about: never one of another head while this one
 * waits. */
static const struct batch_view *batch_of_head(const struct change_view *c)
{
    const struct batch_view *lead = change_lead(c);
    if (!lead || c->wait == WAIT_NONE)
        return lead;
    return str_eq(lead->head_sha, c->head_sha) ? lead : NULL;
}

void feedback_check(struct arena *mem, const struct change_view *c, struct check_view *out)
{
    *out = (struct check_view){ .details_url = c->page_url };
    const struct batch_view *b = batch_of_head(c);
    if (b) {
        check_batch(mem, c, b, out);
    } else if (c->wait == WAIT_NONE && c->batch_count) {
        struct change_view nothing = *c;
        nothing.wait = WAIT_NOTHING_AFFECTED;
        check_wait(mem, &nothing, out);
    } else {
        check_wait(mem, c, out);
    }
}

/* ---- the review ---- */

static bool after_merge(str activity)
{
    return str_eq(activity, STR("merged")) || str_eq(activity, STR("closed"));
}

static str review_body(struct arena *mem, const struct summary *s)
{
    static const struct page_limits limits = { .failed = 50,
                                               .waiting = 50,
                                               .bytes = COMMENT_BYTES_MAX };
    struct page p;
    page_init(&p, mem, limits.bytes);
    page_print(&p, "%s", z(words_verdict(mem, s)));
    section_failed(&p, s, &limits);
    section_waiting(&p, s, &limits);
    page_print(&p, "\n%s", z(markdown_link(mem, STR("The batch"), s->b->url)));
    return buf_str(&p.out);
}

/* Nothing at all is affected: no instance, deployable or not. */
static bool touches_nothing(const struct change_view *c)
{
    if (c->wait == WAIT_NOTHING_AFFECTED)
        return c->batch_count == 0 || !str_eq(c->batch[0].head_sha, c->head_sha) ||
               c->batch[0].count == 0;
    return c->wait == WAIT_NONE && c->batch_count && c->batch[0].count == 0 &&
           !c->batch[0].error.len;
}

const char *feedback_review(struct arena *mem, const struct change_view *c, str *body)
{
    *body = STR("");
    if (c->kind != CHANGE_PULL_REQUEST || c->draft ||
        (c->wait != WAIT_NONE && c->wait != WAIT_NOTHING_AFFECTED))
        return NULL;
    if (touches_nothing(c)) {
        *body = arena_print(mem, "✅ nothing is affected by %s.", z(words_sha(mem, c->head_sha)));
        return "APPROVE";
    }
    const struct batch_view *b = batch_of_head(c);
    if (!b || after_merge(b->activity) || b->superseded_by.len || !str_eq(b->head_sha, c->head_sha))
        return NULL;
    struct summary s;
    summary_make(mem, b, &s);
    if (!b->error.len && (!summary_ended(&s) || str_eq(str_of(b->state), STR("held"))))
        return NULL;
    const char *conclusion = conclusion_of(&s);
    *body = review_body(mem, &s);
    if (strcmp(conclusion, "failure") == 0)
        return "REQUEST_CHANGES";
    if (strcmp(conclusion, "success") == 0)
        return "APPROVE";
    *body = STR("");
    return NULL;
}
