/*
 * feedback_sections: the parts of the comment, one function each. A section stops at its lines or
 * its bytes, whichever comes first, and then says how many more there are and where.
 */
#include "base/rfc3339.h"
#include "domain/feedback_parts.h"

void page_init(struct page *p, struct arena *mem, size_t bytes)
{
    *p = (struct page){ .mem = mem, .end = bytes };
    buf_init(&p->out, mem, SIZE_MAX);
}

bool page_line(struct page *p, str line)
{
    if (p->out.len + line.len + 1 > p->end)
        return false;
    buf_add(&p->out, line);
    buf_char(&p->out, '\n');
    return true;
}

bool page_print(struct page *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str line = arena_vprint(p->mem, fmt, ap);
    va_end(ap);
    return page_line(p, line);
}

typedef str line_of(struct arena *mem, const struct summary *s, const struct stories *t,
                    const struct story *one);

static uint32_t nodes_from(const struct stories *t, uint32_t from)
{
    uint32_t n = 0;
    for (uint32_t i = from; i < t->count; i++)
        n += t->at[i].count;
    return n;
}

/* At most max lines and `bytes` bytes, then one line about the rest. */
static void list(struct page *p, const struct summary *s, const struct stories *t, uint32_t max,
                 size_t bytes, line_of *line)
{
    if (t->count == max + 1)
        max++; /* the last one takes no more room than a line that there is one more */
    size_t page_end = p->end;
    if (p->out.len + bytes < page_end)
        p->end = p->out.len + bytes;
    uint32_t shown = 0;
    while (shown < t->count && shown < max && page_line(p, line(p->mem, s, t, &t->at[shown])))
        shown++;
    p->end = page_end;
    if (shown < t->count)
        page_print(p, "- … and %s more: %s", z(text_number(p->mem, nodes_from(t, shown))),
                   z(markdown_link(p->mem, STR("see all"), s->b->url)));
}

/* ", 40 dependents skipped" */
static str tail_behind(struct arena *mem, uint32_t behind, const char *one, const char *many)
{
    if (behind == 0)
        return STR("");
    return arena_print(mem, " %s %s.", z(text_number(mem, behind)), behind == 1 ? one : many);
}

static str tail_hint(struct arena *mem, str code)
{
    const char *hint = words_hint(code);
    return *hint ? arena_print(mem, " %s", hint) : STR("");
}

/* " after 3 min (exit code 1)" */
static str how_it_ended(struct arena *mem, const struct node_view *n)
{
    str took = STR(""), code = STR("");
    if (n->started_ms > 0 && n->ended_ms >= n->started_ms)
        took = arena_print(mem, " after %s", z(duration_write(mem, n->ended_ms - n->started_ms)));
    if (n->has_exit)
        code = arena_print(mem, " (exit code %lld)", (long long)n->exit_code);
    return arena_print(mem, "%s%s", z(took), z(code));
}

static str link_after(struct arena *mem, const char *text, str url)
{
    str safe;
    if (!markdown_url(mem, url, &safe))
        return STR("");
    return arena_print(mem, " [%s](%s).", text, z(safe));
}

static str error_of(struct arena *mem, const struct node_view *n)
{
    if (n->error_text.len)
        return arena_print(mem, ": %s", z(words_sentence(mem, n->error_text, ERROR_CHARS_MAX)));
    if (n->error_code.len)
        return arena_print(mem, ": %s", z(markdown_code(mem, n->error_code, NAME_CHARS_MAX)));
    return STR("");
}

/* ---- failures, and what could not be dispatched ---- */

static str failed_line(struct arena *mem, const struct summary *s, const struct stories *t,
                       const struct story *one)
{
    const uint32_t *at = t->node + one->first;
    const struct node_view *n = &s->b->node[*at];
    str behind = tail_behind(mem, one->behind, "dependent skipped", "dependents skipped");
    str hint = tail_hint(mem, n->error_code);
    if (one->count == 1)
        return arena_print(mem, "- %s %s %s%s%s.%s%s%s", state_icon(n->state),
                           z(words_node(mem, s, *at)), state_word(n->state),
                           z(how_it_ended(mem, n)), z(error_of(mem, n)), z(hint),
                           z(link_after(mem, "Run", n->run_url)), z(behind));
    bool same = n->error_text.len || n->error_code.len;
    return arena_print(mem, "- %s %s %s%s%s. %s.%s%s%s", state_icon(n->state),
                       z(text_number(mem, one->count)), state_word(n->state),
                       same ? " with one error" : "", z(error_of(mem, n)),
                       z(words_nodes(mem, s, at, one->count, 3)), z(hint),
                       z(link_after(mem, "First run", n->run_url)), z(behind));
}

void section_failed(struct page *p, const struct summary *s, const struct page_limits *l)
{
    struct stories t = stories_of(p->mem, s, STORIES_FAILED);
    uint32_t told = 0;
    for (uint32_t i = 0; i < s->b->count; i++)
        told += s->b->node[i].state == NODE_SKIPPED && s->cause[i] != NO_NODE;
    uint32_t untold = s->by_state[NODE_SKIPPED] - told;
    if (t.count == 0 && untold == 0)
        return;
    bool failed = s->by_state[NODE_FAILED] || s->by_state[NODE_TIMED_OUT];
    page_print(p, "\n**%s**%s", failed ? "Failed" : "Stopped",
               failed && summary_ended(s) ? " — to try again, press *Re-run* on the check" : "");
    list(p, s, &t, l->failed, l->bytes / 3, failed_line);
    if (untold)
        page_print(p, "- ⏭️ %s skipped: something before them did not succeed.",
                   z(text_number(p->mem, untold)));
}

/* ---- what waits for what ---- */

enum { UNLOCKS_TOLD = 3 };

static str unlock_hint(struct arena *mem, const struct summary *s, const uint32_t *at,
                       uint32_t count)
{
    str ways = words_unlock(mem, s->b, s->b->repository, at, count, UNLOCKS_TOLD, "`");
    return ways.len ? arena_print(mem, "To go on now: %s", z(ways))
                    : STR("To go on now, release the lock");
}

static str lock_words(struct arena *mem, const struct summary *s, const uint32_t *at,
                      uint32_t count)
{
    const struct node_view *n = &s->b->node[*at];
    if (n->blocked_by.len)
        return arena_print(mem, "%s for %s to end, then %s by %s.", count == 1 ? "waits" : "wait",
                           z(words_sentence(mem, n->blocked_by, NAME_CHARS_MAX)),
                           count == 1 ? "goes on" : "go on", count == 1 ? "itself" : "themselves");
    if (n->waits_for_runner.len)
        return arena_print(mem, "%s for runner %s, which is full, then %s by %s.",
                           count == 1 ? "waits" : "wait",
                           z(markdown_code(mem, n->waits_for_runner, NAME_CHARS_MAX)),
                           count == 1 ? "goes on" : "go on", count == 1 ? "itself" : "themselves");
    str until = STR(""), actor = STR(""), message = STR("");
    if (n->lock_expires_ms > 0)
        until =
            arena_print(mem, " until %s", z(words_time(mem, n->lock_expires_ms, s->b->as_of_ms)));
    if (n->lock_actor.len)
        actor = arena_print(mem, " by %s", z(markdown_text(mem, n->lock_actor, NAME_CHARS_MAX)));
    if (n->lock_message.len)
        message =
            arena_print(mem, ": “%s”", z(markdown_text(mem, n->lock_message, ERROR_CHARS_MAX)));
    return arena_print(mem, "%s locked%s%s%s. %s.", count == 1 ? "is" : "are", z(until), z(actor),
                       z(message), z(unlock_hint(mem, s, at, count)));
}

static str waiting_line(struct arena *mem, const struct summary *s, const struct stories *t,
                        const struct story *one)
{
    const uint32_t *at = t->node + one->first;
    const struct node_view *n = &s->b->node[*at];
    if (n->state == NODE_ERROR)
        return failed_line(mem, s, t, one);
    str behind = tail_behind(mem, one->behind, "waits behind it", "wait behind it");
    str names = words_nodes(mem, s, at, one->count, 3);
    if (n->state == NODE_APPROVAL)
        return arena_print(mem, "- ✋ %s is waiting for approval.%s%s", z(names),
                           z(link_after(mem, "Review it", n->run_url)), z(behind));
    return arena_print(mem, "- 🔒 %s %s%s", z(names), z(lock_words(mem, s, at, one->count)),
                       z(behind));
}

/* The node with the most behind it among those that no other line tells about. */
static uint32_t widest_open(const struct summary *s)
{
    uint32_t best = NO_NODE;
    for (uint32_t i = 0; i < s->b->count; i++) {
        uint32_t node = s->order[i];
        enum node_state state = s->b->node[node].state;
        if ((state != NODE_READY && state != NODE_DISPATCHING && state != NODE_QUEUED) ||
            s->behind[node] == 0)
            continue;
        if (best == NO_NODE || s->behind[node] > s->behind[best])
            best = node;
    }
    return best;
}

static void queue_lines(struct page *p, const struct summary *s)
{
    uint32_t ready = s->by_state[NODE_READY], widest = widest_open(s);
    if (widest != NO_NODE)
        page_print(p, "- %s %s is %s.%s", state_icon(s->b->node[widest].state),
                   z(words_node(p->mem, s, widest)), state_word(s->b->node[widest].state),
                   z(tail_behind(p->mem, s->behind[widest], "waits behind it", "wait behind it")));
    if (ready)
        page_print(p, "- ⏳ %s ready, waiting for a free place.", z(text_number(p->mem, ready)));
}

void section_waiting(struct page *p, const struct summary *s, const struct page_limits *l)
{
    bool held = summary_held(s) && !s->b->hold_count;
    struct stories t = stories_of(p->mem, s, STORIES_WAITING);
    if (summary_held(s) && !held && !t.count)
        return;                         /* the callout has told it all */
    if (!held && !s->b->error.len && !t.count && !s->by_state[NODE_READY] &&
        widest_open(s) == NO_NODE)
        return;
    bool errors = s->by_state[NODE_ERROR] || s->b->error.len, waits = !summary_ended(s) && s->total;
    page_print(p, "\n**%s**",
               errors && waits ? "Waiting, or needs mending"
               : errors        ? "Needs mending"
                               : "Waiting");
    if (s->b->error.len)
        page_print(
            p,
            "- ❌ not planned: %s. Nothing was dispatched. Correct the configuration and push "
            "again.",
            z(words_sentence(p->mem, s->b->error, 2 * ERROR_CHARS_MAX)));
    if (held)
        page_print(p, "- ✋ held: nothing is dispatched until a person lets it go. %s",
                   z(markdown_link(p->mem, STR("Open the batch"), s->b->url)));
    list(p, s, &t, l->waiting, l->bytes / 4, waiting_line);
    queue_lines(p, s);
}

/* ---- changes ---- */

static str changes_line(struct arena *mem, const struct summary *s, const struct stories *t,
                        const struct story *one)
{
    uint32_t at = t->node[one->first];
    const struct node_view *n = &s->b->node[at];
    struct changes c = node_changes(n);
    str words = words_changes(mem, c, badge_applies(n->badge));
    return arena_print(mem, "- %s%s: %s.%s", c.destroy || c.replace ? "⚠️ " : "",
                       z(words_node(mem, s, at)), z(words), z(link_after(mem, "Run", n->run_url)));
}

static void deleted_line(struct page *p, const struct summary *s)
{
    uint32_t *gone = arena_make(p->mem, uint32_t, (size_t)s->deleted + 1), n = 0;
    for (uint32_t i = 0; i < s->b->count; i++)
        if (node_is_deleted(&s->b->node[s->order[i]]))
            gone[n++] = s->order[i];
    page_print(p,
               "\n🗑️ **Removed from the configuration: not dispatched; destroy by hand.** %s.",
               z(words_nodes(p->mem, s, gone, n, 3)));
}

void section_changes(struct page *p, const struct summary *s, const struct page_limits *l)
{
    if (s->counted || s->uncounted) {
        str of = STR(""), more = STR("");
        if (s->counted)
            of = arena_print(
                p->mem, "%s in %s of %s", z(words_changes(p->mem, s->changes, s->applied)),
                z(text_number(p->mem, s->changed)), z(text_number(p->mem, s->counted)));
        if (s->counted && s->changed == 0)
            of = arena_print(p->mem, "none in %s", z(text_number(p->mem, s->counted)));
        if (s->uncounted)
            more = arena_print(p->mem, "%s%s with changes, not counted", s->counted ? "; " : "",
                               z(text_number(p->mem, s->uncounted)));
        page_print(p, "\n**Changes**: %s%s", z(of), z(more));
        struct stories t = stories_changed(p->mem, s);
        list(p, s, &t, l->changes, l->bytes / 6, changes_line);
    }
    if (s->deleted)
        deleted_line(p, s);
}

/* ---- running ---- */

static str running_line(struct arena *mem, const struct summary *s, const struct stories *t,
                        const struct story *one)
{
    uint32_t at = t->node[one->first];
    const struct node_view *n = &s->b->node[at];
    str since = STR(""), usual = STR("");
    if (n->started_ms > 0)
        since = arena_print(mem, " since %s", z(words_time(mem, n->started_ms, s->b->as_of_ms)));
    if (n->expected_ms > 1)
        usual = arena_print(mem, ", usually %s", z(duration_write(mem, n->expected_ms)));
    return arena_print(mem, "- %s %s %s%s%s.%s%s", state_icon(n->state), z(words_node(mem, s, at)),
                       state_word(n->state), z(since), z(usual),
                       z(link_after(mem, "Run", n->run_url)),
                       z(tail_behind(mem, one->behind, "waits for it", "wait for it")));
}

void section_running(struct page *p, const struct summary *s, const struct page_limits *l)
{
    struct stories t = stories_running(p->mem, s);
    if (t.count == 0)
        return;
    page_print(p, "\n**Running**");
    list(p, s, &t, l->running, l->bytes / 8, running_line);
}

/* ---- what puts the whole in another light ---- */

void section_notes(struct page *p, const struct summary *s)
{
    if (s->b->tree_differs)
        page_print(
            p,
            "\n⚠️ **Warning:** what is applied (%s) is not what is on the base branch now: the "
            "pull request was behind it when "
            "it was merged. Look at the changes of others before you trust this apply.",
            z(words_sha(p->mem, s->b->head_sha)));
    if (s->b->superseded_by.len)
        page_print(p, "\n⏩ Superseded by batch %s: what had not started was left to it.",
                   z(markdown_code(p->mem, s->b->superseded_by, NAME_CHARS_MAX)));
}
