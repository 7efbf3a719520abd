/* A batch as a whole: what withholds it, then its stories, each told once with a count. */
#include "base/rfc3339.h"
#include "domain/explain_parts.h"

bool batch_is(const struct telling *t, const char *state)
{
    return str_eq(str_of(t->b->state), str_of(state));
}

static struct reason *about_batch(struct telling *t, enum reason_code code, str text,
                                  struct numbers *n)
{
    struct reason *r = tell(t, code, text);
    r->url = t->b->url;
    numbers_begin(n, t->mem);
    number_text(n, "batch", t->b->id);
    return r;
}

/* ---- what withholds the whole ---------------------------------------------------------------- */

void tell_app_gone(struct telling *t)
{
    struct numbers n;
    str repo = t->c->repository.len ? text_plain(t->mem, t->c->repository, NAME_CHARS_MAX)
                                    : STR("the repository");
    struct reason *r = about_batch(t, REASON_APP_GONE,
                                   arena_print(t->mem, "nothing is sent: the GitHub App is removed "
                                               "from " PRI_STR ", or suspended", FMT_STR(repo)),
                                   &n);
    r->change = STR("install the App on it again; what waits goes on by itself");
    number_text(&n, "repository", t->c->repository);
    r->numbers = numbers_end(&n);
}

static str file_names(const struct telling *t, bool known, uint32_t *count)
{
    struct buf out;
    buf_init(&out, t->mem, SIZE_MAX);
    *count = 0;
    for (uint32_t i = 0; i < t->b->file_count; i++) {
        const struct file_view *f = &t->b->file[i];
        if (f->known != known)
            continue;
        if (++*count > NAMES_TOLD)
            continue;
        buf_print(&out, "%s" PRI_STR, out.len ? ", " : "",
                  FMT_STR(text_plain(t->mem, f->name, NAME_CHARS_MAX)));
    }
    if (*count > NAMES_TOLD)
        buf_print(&out, " and " PRI_STR " more",
                  FMT_STR(text_number(t->mem, *count - NAMES_TOLD)));
    return buf_str(&out);
}

/* What came of the tries so far, of the first file that has a word about it. */
static str file_note(const struct telling *t, int64_t *next_ms)
{
    for (uint32_t i = 0; i < t->b->file_count; i++) {
        const struct file_view *f = &t->b->file[i];
        if (f->known || !f->note.len)
            continue;
        *next_ms = f->next_ms > t->now_ms ? f->next_ms : 0;
        return arena_print(t->mem, "; the last try: " PRI_STR,
                           FMT_STR(plain_note(t->mem, f->note)));
    }
    *next_ms = 0;
    return STR("");
}

static void tell_preparing(struct telling *t)
{
    uint32_t missing, known;
    int64_t next_ms;
    str names = file_names(t, false, &missing), note = file_note(t, &next_ms);
    (void)file_names(t, true, &known);
    str ref = t->b->ref.len ? arena_print(t->mem, " on " PRI_STR,
                                          FMT_STR(text_plain(t->mem, t->b->ref, NAME_CHARS_MAX)))
                            : STR("");
    str text = missing
                   ? arena_print(t->mem, "the batch is being prepared: " PRI_STR
                                 " still to be read" PRI_STR "%s" PRI_STR PRI_STR,
                                 FMT_STR(text_count(t->mem, missing, "workflow file is",
                                                    "workflow files are")),
                                 FMT_STR(ref), names.len ? ": " : "", FMT_STR(names), FMT_STR(note))
                   : plain_cat(t->mem, STR("the batch is being prepared: its workflow files are being "
                                     "read"), ref);
    struct numbers n;
    struct reason *r = about_batch(t, REASON_PREPARING, text, &n);
    r->since_ms = t->b->created_ms;
    r->until_ms = next_ms;
    r->change = STR("GitHub answers (it takes seconds); then the batch starts by itself");
    number_put(&n, "missing", missing);
    number_put(&n, "known", known);
    r->numbers = numbers_end(&n);
}

static str release_way(const struct telling *t, const struct hold *h)
{
    const struct hold_rule *rule = hold_rule(h->kind);
    str way = hold_way_out(t->mem, h), control = hold_control(t->mem, h), command = STR("");
    if (!control.len)
        return way;
    if (h->kind == HOLD_RAPID_PUSH && t->c->number > 0 && t->c->repository.len)
        command = arena_print(t->mem, "signalbox resume " PRI_STR "#%lld",
                              FMT_STR(text_plain(t->mem, t->c->repository, 2 * NAME_CHARS_MAX)),
                              (long long)t->c->number);
    else if (rule->release == RELEASE_BY_PERSON || h->never_fits)
        command = arena_print(t->mem, "signalbox release " PRI_STR "%s", FMT_STR(t->b->id),
                              h->never_fits ? " --parts" : "");
    return arena_print(t->mem, PRI_STR " (tick “" PRI_STR "” in the comment%s" PRI_STR ")",
                       FMT_STR(way), FMT_STR(control), command.len ? ", or: " : "",
                       FMT_STR(command));
}

static void tell_hold(struct telling *t, const struct hold *h)
{
    static const enum reason_code code[HOLD_KIND_COUNT] = {
        [HOLD_DRAFT] = REASON_HELD_DRAFT,
        [HOLD_RAPID_PUSH] = REASON_HELD_RAPID_PUSH,
        [HOLD_THRESHOLD] = REASON_HELD_THRESHOLD,
        [HOLD_RATE_LIMIT] = REASON_HELD_RATE_LIMIT,
    };
    struct reason *r = tell(t, code[h->kind],
                            arena_print(t->mem, "the whole batch is held: " PRI_STR,
                                        FMT_STR(hold_text(t->mem, h))));
    r->since_ms = h->since_ms;
    r->until_ms = h->kind == HOLD_RATE_LIMIT ? h->until_ms : 0;
    r->change = release_way(t, h);
    r->numbers = hold_json(t->mem, h);
    r->url = t->b->url;
}

/* Who let it go, and what had held it. */
static void tell_released(struct telling *t)
{
    for (size_t i = 0; i < t->b->released_count; i++) {
        const struct release_view *r = &t->b->released[i];
        str by = text_plain(t->mem, r->by, NAME_CHARS_MAX);
        struct reason *told = tell(t, REASON_RELEASED,
                                   arena_print(t->mem, "released by " PRI_STR " at " PRI_STR
                                               " (" PRI_STR ")",
                                               FMT_STR(by), FMT_STR(plain_time(t, r->at_ms)),
                                               FMT_STR(hold_named_text(t->mem, r->hold))));
        told->since_ms = r->at_ms;
        told->numbers = hold_json(t->mem, r->hold);
        told->url = t->b->url;
    }
}

static void tell_held(struct telling *t)
{
    struct numbers n;
    for (size_t i = 0; i < t->b->hold_count; i++)
        tell_hold(t, &t->b->hold[i]);
    tell_released(t);
    if (t->b->hold_count && t->b->forecast.len) {
        str cost = plain_note(t->mem, t->b->forecast);
        struct reason *r = about_batch(t, REASON_FORECAST,
                                       arena_print(t->mem, "when it goes, it will make " PRI_STR,
                                                   FMT_STR(cost)), &n);
        r->url = STR("");
        number_put(&n, "dispatches", t->s.total);
        r->numbers = numbers_end(&n);
    }
    if (t->b->hold_count)
        return;
    struct reason *r =
        about_batch(t, REASON_HELD, STR("the whole batch is held, and is being looked at"), &n);
    r->change = STR("it starts by itself when nothing stands in its way any more");
    r->numbers = numbers_end(&n);
}

bool tell_standstill(struct telling *t)
{
    if (batch_is(t, "preparing"))
        tell_preparing(t);
    else if (batch_is(t, "held"))
        tell_held(t);
    else
        return false;
    return true;
}

/* ---- stories --------------------------------------------------------------------------------- */

/* "and 12 more like it: …", for the others of one story. */
static void tell_likewise(struct telling *t, const struct stories *all, const struct story *one)
{
    if (one->count < 2)
        return;
    struct reason *r = &t->out->at[t->out->count - 1];
    r->text = arena_print(t->mem, PRI_STR "; and " PRI_STR " likewise: " PRI_STR,
                          FMT_STR(r->text),
                          FMT_STR(text_count(t->mem, one->count - 1, "other", "others")),
                          FMT_STR(plain_nodes(t, all->node + one->first + 1, one->count - 1,
                                              NAMES_TOLD)));
    if (is_locked(t, all->node[one->first]))
        r->change = unlock_way(t, all->node + one->first, one->count);
}

static void tell_more(struct telling *t, const struct stories *all, uint32_t from,
                      const char *what)
{
    uint32_t nodes = 0;
    struct numbers n;
    for (uint32_t i = from; i < all->count; i++)
        nodes += all->at[i].count;
    if (nodes == 0)
        return;
    struct reason *r = about_batch(t, REASON_MORE,
                                   arena_print(t->mem, "and " PRI_STR " more %s",
                                               FMT_STR(text_number(t->mem, nodes)), what), &n);
    r->change = arena_print(t->mem, "each by itself: signalbox explain " PRI_STR "/<position>",
                            FMT_STR(t->b->id));
    number_put(&n, "more", nodes);
    r->numbers = numbers_end(&n);
}

static void tell_stories(struct telling *t, const struct stories *all, const char *what)
{
    uint32_t told = 0;
    for (; told < all->count && told < STORIES_TOLD; told++) {
        tell_node(t, all->node[all->at[told].first]);
        tell_likewise(t, all, &all->at[told]);
    }
    tell_more(t, all, told, what);
}

/* Nodes in one state are one story, told by the one with the most behind it. */
static void tell_kind(struct telling *t, bool (*pick)(const struct telling *, const struct node_view *))
{
    uint32_t best = NO_NODE, count = 0;
    for (uint32_t i = 0; i < t->b->count; i++) {
        uint32_t node = t->s.order[i];
        if (!pick(t, &t->b->node[node]))
            continue;
        count++;
        if (best == NO_NODE || t->s.behind[node] > t->s.behind[best])
            best = node;
    }
    if (best == NO_NODE)
        return;
    tell_node(t, best);
    if (count > 1) {
        struct reason *r = &t->out->at[t->out->count - 1];
        r->text = arena_print(t->mem, PRI_STR "; and " PRI_STR " likewise", FMT_STR(r->text),
                              FMT_STR(text_count(t->mem, count - 1, "other", "others")));
    }
}

static bool is_put_back(const struct telling *t, const struct node_view *n)
{
    return n->state == NODE_READY && n->not_before_ms > t->now_ms;
}
static bool is_ready(const struct telling *t, const struct node_view *n)
{
    return n->state == NODE_READY && n->not_before_ms <= t->now_ms;
}
static bool is_lost(const struct telling *t, const struct node_view *n)
{
    (void)t;
    return n->state == NODE_DISPATCHING && str_has(n->call_note, STR("looking for the run"));
}
static bool is_dispatching(const struct telling *t, const struct node_view *n)
{
    return n->state == NODE_DISPATCHING && !is_lost(t, n);
}
static bool is_queued(const struct telling *t, const struct node_view *n)
{
    (void)t;
    return n->state == NODE_QUEUED;
}

/* ---- the batch itself ------------------------------------------------------------------------ */

static void tell_not_planned(struct telling *t)
{
    struct numbers n;
    struct reason *r =
        about_batch(t, REASON_NOT_PLANNED,
                    arena_print(t->mem, "the batch could not be planned: " PRI_STR,
                                FMT_STR(text_plain(t->mem, str_trim(t->b->error),
                                                   2 * NOTE_CHARS_MAX))), &n);
    r->since_ms = t->b->created_ms;
    r->change = STR("mend the configuration that it names, and push again");
    r->numbers = numbers_end(&n);
}

static void number_states(struct numbers *n, const struct telling *t)
{
    for (int s = 0; s < NODE_STATE_COUNT; s++)
        if (t->s.by_state[s])
            number_put(n, node_state_name((enum node_state)s), t->s.by_state[s]);
}

static void tell_superseded(struct telling *t)
{
    struct numbers n;
    str by = t->b->superseded_by;
    bool named = str_starts(by, STR("batch_"));
    struct reason *r =
        about_batch(t, REASON_BATCH_SUPERSEDED,
                    arena_print(t->mem, "a newer head took the place of this batch%s" PRI_STR
                                ": what had not started was left to it",
                                named ? ", in " : "",
                                FMT_STR(named ? text_plain(t->mem, by, NAME_CHARS_MAX) : STR(""))),
                    &n);
    r->since_ms = t->b->ended_ms;
    r->change = named ? arena_print(t->mem, "nothing here; go on with: signalbox explain " PRI_STR,
                                    FMT_STR(text_plain(t->mem, by, NAME_CHARS_MAX)))
                      : STR("nothing here; look at the newest batch of the change");
    number_text(&n, "supersededBy", by);
    r->numbers = numbers_end(&n);
}

static void tell_empty(struct telling *t)
{
    struct numbers n;
    struct reason *r = about_batch(
        t, REASON_EMPTY,
        arena_print(t->mem, "nothing in the batch can be dispatched: " PRI_STR " affected, none "
                    "has a workflow for " PRI_STR, FMT_STR(text_number(t->mem, t->b->count)),
                    FMT_STR(text_plain(t->mem, t->b->activity, NAME_CHARS_MAX))), &n);
    r->change = STR("name a workflow for this event in settings.pro of the components, and push");
    number_put(&n, "affected", t->b->count);
    r->numbers = numbers_end(&n);
}

static void tell_progress(struct telling *t)
{
    struct numbers n;
    str left = STR("");
    if (t->b->forecast_ms > 0)
        left = arena_print(t->mem, "; about " PRI_STR " left",
                           FMT_STR(duration_write(t->mem, t->b->forecast_ms)));
    struct reason *r = about_batch(
        t, REASON_PROGRESS,
        arena_print(t->mem, "the batch is under way" PRI_STR ": " PRI_STR " of " PRI_STR
                    " ended; " PRI_STR PRI_STR, FMT_STR(since_text(t, t->b->started_ms)),
                    FMT_STR(text_number(t->mem, t->s.ended)),
                    FMT_STR(text_number(t->mem, t->s.total)),
                    FMT_STR(words_states(t->mem, t->s.by_state)), FMT_STR(left)), &n);
    r->since_ms = t->b->started_ms;
    if (t->b->forecast_ms > 0 &&
        __builtin_add_overflow(t->now_ms, t->b->forecast_ms, &r->until_ms))
        r->until_ms = 0;
    number_put(&n, "ended", t->s.ended);
    number_put(&n, "of", t->s.total);
    number_states(&n, t);
    r->numbers = numbers_end(&n);
}

static str stopped_text(const struct telling *t)
{
    if (!t->b->cancelled)
        return STR("");
    if (!t->b->stopped_by.len)
        return str_eq(t->c->state, STR("closed"))
                   ? STR("; it was cancelled because the pull request was closed")
                   : STR("; it was cancelled");
    return arena_print(t->mem, "; " PRI_STR " cancelled it%s" PRI_STR,
                       FMT_STR(text_plain(t->mem, t->b->stopped_by, NAME_CHARS_MAX)),
                       t->b->stopped_ms ? " at " : "",
                       FMT_STR(t->b->stopped_ms ? plain_time(t, t->b->stopped_ms) : STR("")));
}

static void tell_verdict(struct telling *t)
{
    struct numbers n;
    str at = t->b->ended_ms ? arena_print(t->mem, " at " PRI_STR,
                                          FMT_STR(plain_time(t, t->b->ended_ms)))
                            : STR("");
    str took = STR("");
    if (t->b->started_ms && t->b->ended_ms > t->b->started_ms)
        took = arena_print(t->mem, " after " PRI_STR,
                           FMT_STR(duration_write(t->mem, t->b->ended_ms - t->b->started_ms)));
    struct reason *r = about_batch(
        t, REASON_BATCH_ENDED,
        arena_print(t->mem, "the batch ended" PRI_STR PRI_STR ": " PRI_STR PRI_STR, FMT_STR(at),
                    FMT_STR(took), FMT_STR(words_states(t->mem, t->s.by_state)),
                    FMT_STR(stopped_text(t))), &n);
    r->since_ms = t->b->ended_ms;
    bool bad = t->s.failed || t->s.by_state[NODE_CANCELLED] || t->s.by_state[NODE_SKIPPED];
    if (bad && !t->b->superseded_by.len)
        r->change = t->b->started_ms
                        ? arena_print(t->mem, "signalbox retry " PRI_STR " sends again what did "
                                      "not succeed", FMT_STR(t->b->id))
                        : STR("push again, or run the workflow that uploads again: this batch "
                              "never started");
    number_text(&n, "verdict", str_of(t->b->verdict));
    number_states(&n, t);
    r->numbers = numbers_end(&n);
    tell_released(t);
}

static void tell_inert(struct telling *t)
{
    uint32_t deleted = 0, disabled = 0, none = 0;
    struct numbers n;
    for (uint32_t i = 0; i < t->b->count; i++) {
        const struct node_view *v = &t->b->node[i];
        if (v->state != NODE_INERT)
            continue;
        deleted += str_eq(v->inert, STR("deleted"));
        disabled += str_eq(v->inert, STR("disabled"));
        none += !str_eq(v->inert, STR("deleted")) && !str_eq(v->inert, STR("disabled"));
    }
    if (deleted + disabled + none == 0)
        return;
    const struct { uint32_t n; const char *what; } part[] = {
        { deleted, "gone from the configuration" },
        { disabled, "disabled" },
        { none, "without a workflow for this event" },
    };
    struct buf out;
    buf_init(&out, t->mem, SIZE_MAX);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i].n)
            buf_print(&out, "%s" PRI_STR " %s", out.len ? ", " : "never dispatched here: ",
                      FMT_STR(text_number(t->mem, part[i].n)), part[i].what);
    struct reason *r = about_batch(t, REASON_NOT_DISPATCHED, buf_str(&out), &n);
    r->change = STR("the stack's configuration (settings.pro)");
    number_put(&n, "deleted", deleted);
    number_put(&n, "disabled", disabled);
    number_put(&n, "noWorkflow", none);
    r->numbers = numbers_end(&n);
}

static void tell_open(struct telling *t)
{
    struct stories people =
        stories_of(t->mem, &t->s, STATE_BIT(NODE_APPROVAL) | STATE_BIT(NODE_BLOCKED));
    tell_progress(t);
    tell_released(t);
    tell_stories(t, &people, "are locked or wait for a reviewer");
    tell_kind(t, is_put_back);
    tell_kind(t, is_ready);
    tell_kind(t, is_lost);
    tell_kind(t, is_dispatching);
    tell_kind(t, is_queued);
    struct stories running = stories_running(t->mem, &t->s);
    tell_stories(t, &running, "are running");
}

void tell_batch(struct telling *t)
{
    bool ended = summary_ended(&t->s) || batch_is(t, "ended");
    if (t->b->superseded_by.len)
        tell_superseded(t);
    if (t->b->error.len) {
        tell_not_planned(t);
        return;
    }
    if (!ended && t->b->app_gone)
        tell_app_gone(t);
    if (!ended && tell_standstill(t))
        return;
    if (t->s.total == 0)
        tell_empty(t);
    else if (ended)
        tell_verdict(t);
    else
        tell_open(t);
    struct stories bad = stories_of(t->mem, &t->s,
                                    STATE_BIT(NODE_FAILED) | STATE_BIT(NODE_TIMED_OUT) |
                                        STATE_BIT(NODE_ERROR) | STATE_BIT(NODE_CANCELLED));
    tell_stories(t, &bad, "did not succeed");
    tell_inert(t);
}
