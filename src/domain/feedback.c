/*
 * feedback: the sticky comment. The order of its parts is the order of a reader's questions
 * (peers.md §5.4): how does it stand, what failed, what waits and who can help, what changes, what
 * runs, and only then, folded, everything.
 */
#include "base/rfc3339.h"
#include "domain/feedback_parts.h"
#include "domain/hold.h"

/* 40 visible lines in the worst case: verdict 1, notes 2, wait 2, failed 1+7+2, waiting 1+6+5,
 * changes 2+6+1, running 1+3+1, fold 1, before 2, footer 1. */
static const struct page_limits comment_limits = {
    .failed = 6, .waiting = 5, .changes = 5, .running = 3, .rows = 150, .bytes = COMMENT_BYTES_MAX
};

enum {
    OPEN_TABLE_MAX =
        5, /* up to here the table stands open: folding five rows hides more than it tidies */
    BEFORE_MAX = 2
};

str feedback_marker(struct arena *mem, int64_t number)
{
    return arena_print(mem, "<!-- signalbox:change:%lld -->", (long long)number);
}

int64_t feedback_debounce_ms(uint32_t nodes, bool terminal)
{
    enum { SMALL = 20, LARGE = 500, LEAST_MS = 10000, MOST_MS = 30000 };
    if (terminal)
        return 0;
    if (nodes <= SMALL)
        return LEAST_MS;
    if (nodes >= LARGE)
        return MOST_MS;
    return LEAST_MS + (int64_t)(nodes - SMALL) * (MOST_MS - LEAST_MS) / (LARGE - SMALL);
}

/* A newer head than the batch shown, or the same head after another event: one line, so that the
 * rest is not taken for it. */
static str wait_line(struct arena *mem, const struct change_view *c, int64_t as_of_ms)
{
    str sha = words_sha(mem, c->head_sha);
    switch (c->wait) {
    case WAIT_NONE: return STR("");
    case WAIT_UPLOAD:
        if (c->wait_until_ms > 0)
            return arena_print(mem, "⏳ waiting for the affected stacks of %s, until %s", z(sha),
                               z(words_time(mem, c->wait_until_ms, as_of_ms)));
        return arena_print(mem, "⏳ waiting for the affected stacks of %s", z(sha));
    case WAIT_NO_UPLOAD:
        return arena_print(
            mem,
            "⚠️ warning: no list of affected stacks arrived for %s; the check says what to look at",
            z(sha));
    case WAIT_NOTHING_AFFECTED: return arena_print(mem, "✅ nothing is affected by %s", z(sha));
    case WAIT_FORK: return arena_print(mem, "➖ not dispatched: %s comes from a fork", z(sha));
    case WAIT_CLOSED: return STR("➖ closed: nothing more will be dispatched");
    }
    return STR("");
}

static void before_lines(struct page *p, const struct change_view *c, const struct batch_view *lead)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < c->batch_count && told < BEFORE_MAX; i++) {
        const struct batch_view *b = &c->batch[i];
        if (b <= lead || !batch_speaks(b))
            continue;
        struct summary s;
        summary_make(p->mem, b, &s);
        str changes = STR("");
        if (s.counted)
            changes = arena_print(p->mem, ": %s", z(words_changes(p->mem, s.changes, s.applied)));
        page_print(p, "\nBefore: %s%s. %s", z(words_verdict(p->mem, &s)), z(changes),
                   z(markdown_link(p->mem, STR("Batch"), b->url)));
        told++;
    }
}

static str footer(struct arena *mem, const struct change_view *c, const struct batch_view *b)
{
    str product =
        c->product.len ? markdown_text(mem, c->product, NAME_CHARS_MAX) : STR("Signalbox");
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    buf_print(&out, "\n<sub>%s · commit %s", z(product), z(words_sha(mem, b->head_sha)));
    if (b->as_of_ms > 0)
        buf_print(&out, " · as of %s", z(words_time(mem, b->as_of_ms, 0)));
    const struct {
        const char *text;
        str url;
    } link[] = { { "batch", b->url }, { "pull request", c->page_url } };
    for (size_t i = 0; i < sizeof link / sizeof *link; i++) {
        str safe;
        if (markdown_url(mem, link[i].url, &safe))
            buf_print(&out, " · [%s](%s)", link[i].text, z(safe));
    }
    buf_add(&out, STR("</sub>"));
    return buf_str(&out);
}

static void folded(struct page *p, const struct summary *s, uint32_t rows)
{
    static const str end = STR_INIT("\n</details>");
    if (s->b->count == 0)
        return;
    if (!page_print(p, "\n<details%s><summary>All %s %s</summary>\n",
                    s->b->count <= OPEN_TABLE_MAX ? " open" : "",
                    z(text_number(p->mem, s->b->count)),
                    s->b->count == 1 ? "component" : "components"))
        return;
    section_table(p, s, rows);
    p->end += end.len + 1;
    page_line(p, end);
}

static bool goes_to_comment(const struct change_view *c)
{
    return (c->kind == CHANGE_PULL_REQUEST || c->kind == CHANGE_MERGE_GROUP) && c->number > 0;
}

/* The first line is the verdict of the head as it is now. While a newer head waits, the batch below
 * it is history and says so. */
static void head_lines(struct page *p, const struct change_view *c, const struct summary *s)
{
    str verdict = words_verdict(p->mem, s), wait = wait_line(p->mem, c, s->b->as_of_ms);
    if (wait.len && c->wait != WAIT_CLOSED && !str_eq(c->head_sha, s->b->head_sha)) {
        page_print(p, "### %s", z(wait));
        page_print(p, "\nThe head before it: %s", z(verdict));
        return;
    }
    page_print(p, "### %s", z(verdict));
    if (wait.len)
        page_print(p, "\n%s", z(wait));
}

static void body(struct page *p, const struct change_view *c, const struct summary *s,
                 const struct page_limits *l)
{
    page_line(p, feedback_marker(p->mem, c->number));
    head_lines(p, c, s);
    section_holds(p, s, c->wait != WAIT_CLOSED && str_eq(c->head_sha, s->b->head_sha));
    section_released(p, s);
    if (c->notice)
        page_print(p, "\n%s", z(feedback_notice(p->mem, c->notice)));
    section_notes(p, s);
    section_failed(p, s, l);
    section_waiting(p, s, l);
    section_changes(p, s, l);
    section_running(p, s, l);
    folded(p, s, l->rows);
}

str feedback_comment(struct arena *mem, const struct change_view *c)
{
    const struct batch_view *lead = change_lead(c);
    if (!lead || !goes_to_comment(c))
        return STR("");
    struct summary s;
    summary_make(mem, lead, &s);
    struct page tail, p; /* the tail first: its room is kept back, whatever comes before it */
    page_init(&tail, mem, COMMENT_BYTES_MAX / 6);
    before_lines(&tail, c, lead);
    page_line(&tail, footer(mem, c, lead));
    page_init(&p, mem, COMMENT_BYTES_MAX - TABLE_TAIL_BYTES - tail.out.len);
    body(&p, c, &s, &comment_limits);
    buf_add(&p.out, buf_str(&tail.out));
    return buf_str(&p.out);
}

/* ---- the record of an apply ---- */

/* About 15 lines, however large the batch: who wants to know more opens it. */
static const struct page_limits result_limits = { .failed = 5, .bytes = COMMENT_BYTES_MAX };

str feedback_result_marker(struct arena *mem, str batch_id)
{
    return arena_print(mem, "<!-- signalbox:result:%s -->",
                       z(markdown_text(mem, batch_id, NAME_CHARS_MAX)));
}

static bool has_applied(const struct batch_view *b)
{
    uint32_t ran = STATE_BIT(NODE_SUCCEEDED) | STATE_BIT(NODE_FAILED) | STATE_BIT(NODE_TIMED_OUT);
    for (uint32_t i = 0; i < b->count; i++)
        if (badge_applies(b->node[i].badge) && (STATE_BIT(b->node[i].state) & ran))
            return true;
    return false;
}

const struct batch_view *feedback_result_batch(const struct change_view *c)
{
    for (uint32_t i = 0; i < c->batch_count && goes_to_comment(c); i++)
        if (str_eq(str_of(c->batch[i].state), STR("ended")) && has_applied(&c->batch[i]))
            return &c->batch[i];
    return NULL;
}

static void took(struct page *p, const struct batch_view *b)
{
    int64_t from = 0, to = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->node[i].started_ms && (!from || b->node[i].started_ms < from))
            from = b->node[i].started_ms;
        if (b->node[i].ended_ms > to)
            to = b->node[i].ended_ms;
    }
    if (from && to > from)
        page_print(p, "\nTook %s.", z(duration_write(p->mem, to - from)));
}

str feedback_result(struct arena *mem, const struct change_view *c, const struct batch_view *b)
{
    struct summary s;
    struct page p;
    summary_make(mem, b, &s);
    page_init(&p, mem, COMMENT_BYTES_MAX - TABLE_TAIL_BYTES);
    page_line(&p, feedback_result_marker(mem, b->id));
    page_print(&p, "### %s", z(words_verdict(mem, &s)));
    section_notes(&p, &s);
    section_failed(&p, &s, &result_limits);
    if (s.counted)
        page_print(&p, "\n**Changes**: %s.", z(words_changes(mem, s.changes, s.applied)));
    took(&p, b);
    p.end += TABLE_TAIL_BYTES;
    page_line(&p, footer(mem, c, b));
    return buf_str(&p.out);
}

/* ---- the digest ---- */

/* Field by field: the names of 50,000 nodes need not be in memory twice. The multiplier is odd, so
 * nothing is lost. */
static void mix(uint64_t *h, str field)
{
    *h = (*h ^ str_hash(field)) * UINT64_C(0x9e3779b97f4a7c15);
    *h ^= *h >> 29;
}

static void mix_number(uint64_t *h, int64_t n) { mix(h, (str){ (const char *)&n, sizeof n }); }

/* What a reader should know at once: the tone of the first line, who failed and why, what needs a
 * person. Not the counts of what succeeded or runs: they change with every node and may wait. */
static void digest_node(uint64_t *h, const struct node_view *n)
{
    uint32_t told = (uint32_t)STORIES_FAILED | (uint32_t)STORIES_WAITING;
    /* whoever waits for a full runner is let go to try, and comes back: that may wait */
    if (!(told & STATE_BIT(n->state)) || n->waits_for_runner.len)
        return;
    const str field[] = { n->component,  n->stack,        n->workflow,  n->error_code,
                          n->error_text, n->lock_message, n->blocked_by };
    mix_number(h, n->state);
    mix_number(h, n->lock_expires_ms);
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        mix(h, field[i]);
}

static void digest_batch(struct arena *mem, uint64_t *h, const struct batch_view *b)
{
    struct summary s;
    summary_make(mem, b, &s);
    const str field[] = { b->id, str_of(summary_icon(&s)), str_of(b->state), b->error,
                          b->superseded_by };
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        mix(h, field[i]);
    mix_number(h, summary_ended(&s));
    for (size_t i = 0; i < b->hold_count; i++)
        mix(h, hold_text(mem, &b->hold[i]));
    for (uint32_t i = 0; i < b->count; i++)
        digest_node(h, &b->node[s.order[i]]);
}

str feedback_digest(struct arena *mem, const struct change_view *c)
{
    const struct batch_view *lead = change_lead(c);
    uint64_t h = 0;
    mix_number(&h, c->wait);
    if (c->wait != WAIT_NONE)
        mix(&h, c->head_sha);
    if (lead)
        digest_batch(mem, &h, lead);
    return arena_print(mem, "%016llx", (unsigned long long)h);
}
