/* One node: its own reason, for every state that it can be in until it has ended. */
#include "base/rfc3339.h"
#include "domain/explain_parts.h"

/* ---- pieces of a sentence -------------------------------------------------------------------- */

static str usually(const struct telling *t, const struct node_view *n)
{
    if (!n->learned || n->expected_ms <= 1)
        return STR("");
    return arena_print(t->mem, ", usually " PRI_STR,
                       FMT_STR(duration_write(t->mem, n->expected_ms)));
}

static str lock_text(const struct telling *t, const struct node_view *n)
{
    str by = STR(""), until = STR("");
    if (n->lock_actor.len)
        by = arena_print(t->mem, " by " PRI_STR,
                         FMT_STR(text_plain(t->mem, n->lock_actor, NAME_CHARS_MAX)));
    if (n->lock_expires_ms > 0)
        until = arena_print(t->mem, " until " PRI_STR, FMT_STR(plain_time(t, n->lock_expires_ms)));
    return arena_print(t->mem, "locked" PRI_STR PRI_STR, FMT_STR(by), FMT_STR(until));
}

static bool is_put_back(const struct telling *t, const struct node_view *n)
{
    return n->not_before_ms > t->now_ms;
}

static bool is_lock(const struct node_view *n)
{
    return !n->blocked_by.len && !n->waits_for_budget && !n->waits_for_runner.len;
}

static const char *where(const struct telling *t)
{
    return t->b->on_runner ? "the runner" : "GitHub";
}

str state_text(const struct telling *t, uint32_t node)
{
    const struct node_view *n = &t->b->node[node];
    str since = since_text(t, n->changed_ms);
    switch (n->state) {
    case NODE_RUNNING:
        return arena_print(t->mem, ", running" PRI_STR PRI_STR,
                           FMT_STR(since_text(t, n->started_ms)), FMT_STR(usually(t, n)));
    case NODE_QUEUED:
        return arena_print(t->mem, ", queued at %s" PRI_STR, where(t), FMT_STR(since));
    case NODE_DISPATCHING: return plain_cat(t->mem, STR(", being dispatched"), since);
    case NODE_CANCELLING: return plain_cat(t->mem, STR(", being cancelled"), since);
    case NODE_APPROVAL: return plain_cat(t->mem, STR(", waiting for a reviewer"), since);
    case NODE_READY:
        if (!is_put_back(t, n))
            return plain_cat(t->mem, STR(", ready"), since);
        return arena_print(t->mem, ", put back until " PRI_STR,
                           FMT_STR(plain_time(t, n->not_before_ms)));
    case NODE_BLOCKED:
        if (n->waits_for_budget)
            return STR(", waiting for budget");
        if (n->waits_for_runner.len)
            return STR(", waiting for a full runner");
        if (!is_lock(n))
            return arena_print(t->mem, ", behind a live run of " PRI_STR,
                               FMT_STR(text_plain(t->mem, n->blocked_by, NAME_CHARS_MAX)));
        return arena_print(t->mem, ", " PRI_STR, FMT_STR(lock_text(t, n)));
    case NODE_WAITING:
    case NODE_SUCCEEDED:
    case NODE_FAILED:
    case NODE_CANCELLED:
    case NODE_TIMED_OUT:
    case NODE_SKIPPED:
    case NODE_SUPERSEDED:
    case NODE_ERROR:
    case NODE_INERT:
    case NODE_STATE_COUNT: break;
    }
    return arena_print(t->mem, ", %s", state_word(n->state));
}

str behind_text(const struct telling *t, uint32_t node, const char *one, const char *many)
{
    uint32_t n = t->s.behind[node];
    return n ? arena_print(t->mem, "; " PRI_STR, FMT_STR(text_count(t->mem, n, one, many)))
             : STR("");
}
static str waits_behind(const struct telling *t, uint32_t node)
{
    return behind_text(t, node, "waits behind it", "wait behind it");
}

struct reason *tell_about(struct telling *t, uint32_t node, enum reason_code code, str text,
                          struct numbers *n)
{
    const struct node_view *v = &t->b->node[node];
    struct reason *r =
        tell(t, code, arena_print(t->mem, PRI_STR " " PRI_STR, FMT_STR(plain_node(t, node)),
                                  FMT_STR(text)));
    r->since_ms = v->changed_ms;
    r->url = v->run_url;
    numbers_begin(n, t->mem);
    number_node(n, t, node);
    return r;
}

/* ---- it has not started ---------------------------------------------------------------------- */

static const char *put_back_why(str code)
{
    return str_eq(code, STR("runner_away"))  ? "the runner could not be reached"
         : str_eq(code, STR("rate_limited")) ? "GitHub limits our calls"
                                             : "GitHub could not be reached";
}

static void say_put_back(struct telling *t, uint32_t node, struct numbers *n)
{
    const struct node_view *v = &t->b->node[node];
    str note = plain_note(t->mem, v->error_text);
    struct reason *r = tell_about(
        t, node, REASON_PUT_BACK,
        arena_print(t->mem, "is put back until " PRI_STR " after " PRI_STR ": %s" "%s" PRI_STR "%s"
                    PRI_STR,
                    FMT_STR(plain_time(t, v->not_before_ms)),
                    FMT_STR(text_count(t->mem, v->tries > 0 ? v->tries : 1, "try", "tries")),
                    put_back_why(v->error_code), note.len ? " (" : "", FMT_STR(note),
                    note.len ? ")" : "", FMT_STR(waits_behind(t, node))),
        n);
    r->until_ms = v->not_before_ms;
    r->change = STR("its dispatch is tried again then, by itself");
    number_put(n, "tries", v->tries > 0 ? v->tries : 1);
    number_text(n, "errorCode", v->error_code);
    r->numbers = numbers_end(n);
}

static void say_slot(struct telling *t, uint32_t node, struct numbers *n)
{
    const struct batch_view *b = t->b;
    const struct node_view *v = &b->node[node];
    int64_t before = b->ready_before + ready_before(t, node);
    str line = before ? arena_print(t->mem, ", and " PRI_STR,
                                    FMT_STR(text_count(t->mem, before, "ready one goes before it",
                                                       "ready ones go before it")))
                      : STR("");
    struct reason *r = tell_about(
        t, node, REASON_WAITS_FOR_SLOT,
        arena_print(t->mem, "is ready" PRI_STR " and waits for a free place: " PRI_STR " of "
                    PRI_STR " dispatch calls at once are under way" PRI_STR PRI_STR,
                    FMT_STR(since_text(t, v->changed_ms)),
                    FMT_STR(text_number(t->mem, b->slots_busy)),
                    FMT_STR(text_number(t->mem, b->slots)), FMT_STR(line),
                    FMT_STR(waits_behind(t, node))),
        n);
    r->change = STR("a call is answered (it takes seconds), or an admin raises the repository's "
                    "setting dispatch_concurrency");
    number_put(n, "slots", b->slots);
    number_put(n, "busy", b->slots_busy);
    number_put(n, "before", before);
    r->numbers = numbers_end(n);
}

static void say_ready(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    if (is_put_back(t, v)) {
        say_put_back(t, node, &n);
    } else if (t->b->slots > 0 && t->b->slots_busy >= t->b->slots) {
        say_slot(t, node, &n);
    } else {
        struct reason *r = tell_about(t, node, REASON_READY,
                               arena_print(t->mem, "is ready" PRI_STR
                                           ": it is dispatched with the next step" PRI_STR,
                                           FMT_STR(since_text(t, v->changed_ms)),
                                           FMT_STR(waits_behind(t, node))),
                               &n);
        r->numbers = numbers_end(&n);
    }
}

str unlock_way(const struct telling *t, const uint32_t *at, uint32_t count)
{
    str repo = t->c->repository;
    str ways = text_is_word(repo, NAME_CHARS_MAX)
                   ? words_unlock(t->mem, t->b, repo, at, count, UNLOCKS_TOLD, "")
                   : STR("");
    if (!ways.len)
        return STR("it goes by itself when the lock is released or has expired; signalbox locks "
                   "lists it");
    return arena_print(t->mem, "%s, or at once after: " PRI_STR,
                       count == 1 ? "it goes by itself when the lock has expired"
                                  : "each goes by itself when its lock has expired",
                       FMT_STR(ways));
}

bool is_locked(const struct telling *t, uint32_t node)
{
    return t->b->node[node].state == NODE_BLOCKED && is_lock(&t->b->node[node]);
}

static void say_locked(struct telling *t, uint32_t node, struct numbers *n)
{
    const struct node_view *v = &t->b->node[node];
    str message = text_plain(t->mem, str_trim(v->lock_message), NOTE_CHARS_MAX);
    struct reason *r = tell_about(t, node, REASON_LOCKED,
                           arena_print(t->mem, "is " PRI_STR "%s" PRI_STR "%s" PRI_STR,
                                       FMT_STR(lock_text(t, v)), message.len ? ": “" : "",
                                       FMT_STR(message), message.len ? "”" : "",
                                       FMT_STR(waits_behind(t, node))),
                           n);
    r->until_ms = v->lock_expires_ms;
    r->change = unlock_way(t, &node, 1);
    number_text(n, "actor", v->lock_actor);
    number_text(n, "message", v->lock_message);
    r->numbers = numbers_end(n);
}

static void say_full(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    struct reason *r = tell_about(
        t, node, REASON_RUNNER_FULL,
        arena_print(t->mem, "waits for runner " PRI_STR ", which has as many runs waiting as it "
                    "takes" PRI_STR,
                    FMT_STR(text_plain(t->mem, v->waits_for_runner, NAME_CHARS_MAX)),
                    FMT_STR(waits_behind(t, node))),
        &n);
    r->change = STR("it goes by itself when the runner takes runs again, which is tried every few "
                    "seconds; its settings MAX_CONCURRENT_RUNS and MAX_QUEUE say how many");
    number_text(&n, "runner", v->waits_for_runner);
    r->numbers = numbers_end(&n);
}

static void say_blocked(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    if (v->waits_for_runner.len) {
        say_full(t, node);
        return;
    }
    if (is_lock(v)) {
        say_locked(t, node, &n);
        return;
    }
    bool budget = v->waits_for_budget;
    int64_t until_ms = budget && v->budget_until_ms > t->now_ms ? v->budget_until_ms : 0;
    str when = until_ms ? arena_print(t->mem, " until " PRI_STR, FMT_STR(plain_time(t, until_ms)))
                        : STR("");
    str what = budget ? arena_print(t->mem, "waits for budget" PRI_STR ": its batch's share of the "
                                    "installation's calls is used up", FMT_STR(when))
                      : arena_print(t->mem, "waits for a live run of " PRI_STR
                                    " on the same instance to end",
                                    FMT_STR(text_plain(t->mem, v->blocked_by, NAME_CHARS_MAX)));
    struct reason *r = tell_about(t, node, budget ? REASON_WAITS_FOR_BUDGET : REASON_LIVE_RUN,
                           plain_cat(t->mem, what, waits_behind(t, node)), &n);
    r->url = budget ? STR("") : v->blocked_url;
    r->until_ms = until_ms;
    r->change = budget ? STR("it goes by itself when the scheduler has calls to give again, at the "
                             "latest after the reset of GitHub's quota")
                       : STR("it goes by itself when that run ends; two runs never touch one "
                             "instance at once");
    if (!budget)
        number_text(&n, "blockedBy", v->blocked_by);
    r->numbers = numbers_end(&n);
}

/* ---- it is under way ------------------------------------------------------------------------- */

static bool is_lost(const struct node_view *v)
{
    return str_has(v->call_note, STR("looking for the run"));
}

static void say_dispatching(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    bool lost = is_lost(v);
    str tries = v->call_tries > 1
                    ? arena_print(t->mem, ", try %lld", (long long)v->call_tries) : STR("");
    str text = lost ? arena_print(t->mem, "was dispatched at " PRI_STR ", but GitHub's answer "
                                  "was lost: its run is looked for before anything is sent again"
                                  PRI_STR, FMT_STR(plain_time(t, v->changed_ms)),
                                  FMT_STR(waits_behind(t, node)))
                    : arena_print(t->mem, "is being dispatched" PRI_STR PRI_STR PRI_STR,
                                  FMT_STR(since_text(t, v->changed_ms)), FMT_STR(tries),
                                  FMT_STR(waits_behind(t, node)));
    struct reason *r = tell_about(t, node, lost ? REASON_CALL_LOST : REASON_DISPATCHING, text, &n);
    r->until_ms = v->call_at_ms > t->now_ms ? v->call_at_ms : 0;
    r->change = lost ? STR("the run is found, or it is sure that there is none: then it is sent "
                           "again under the same id")
                     : t->b->on_runner
                           ? STR("the runner's answer; until then it is sent again as it was, and runs once")
                           : STR("GitHub's answer, which takes seconds");
    number_put(&n, "tries", v->call_tries > 0 ? v->call_tries : -1);
    r->numbers = numbers_end(&n);
}

static void say_queued(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    int64_t since_ms = v->sent_ms ? v->sent_ms : v->changed_ms;
    struct reason *r =
        tell_about(t, node, REASON_QUEUED,
            arena_print(t->mem, "is queued at %s" PRI_STR ": %s" PRI_STR, where(t),
                        FMT_STR(since_text(t, since_ms)),
                        t->b->on_runner ? "others run there, or its stack is taken"
                                        : "no runner has taken it yet",
                        FMT_STR(waits_behind(t, node))),
            &n);
    r->since_ms = since_ms;
    r->change = t->b->on_runner
                    ? STR("a run ends there: its setting MAX_CONCURRENT_RUNS says how many go at once, "
                          "and of one stack only one does")
                    : STR("a runner with the labels of its workflow becomes free; also look at the "
                          "workflow's concurrency group");
    r->numbers = numbers_end(&n);
}

static void say_running(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    str left = STR("");
    int64_t took_ms = v->started_ms > 0 ? t->now_ms - v->started_ms : 0;
    int64_t until_ms = 0;
    if (v->learned && v->started_ms > 0 && took_ms >= 0) {
        bool late = took_ms > v->expected_ms;
        int64_t diff_ms = late ? took_ms - v->expected_ms : v->expected_ms - took_ms;
        left = arena_print(t->mem, late ? " (" PRI_STR " longer than usual)"
                                        : " (about " PRI_STR " left)",
                           FMT_STR(duration_write(t->mem, diff_ms)));
        until_ms = late ? 0 : v->started_ms + v->expected_ms;
        left = late && diff_ms * 4 < v->expected_ms ? STR("") : left;
    }
    struct reason *r = tell_about(t, node, REASON_RUNNING,
                           arena_print(t->mem, "is running" PRI_STR PRI_STR PRI_STR PRI_STR,
                                       FMT_STR(since_text(t, v->started_ms)),
                                       FMT_STR(usually(t, v)), FMT_STR(left),
                                       FMT_STR(waits_behind(t, node))),
                           &n);
    r->since_ms = v->started_ms ? v->started_ms : v->changed_ms;
    r->until_ms = until_ms;
    r->change = STR("it ends by itself");
    if (t->b->run_timeout_ms > 0 && v->sent_ms > 0)
        r->change = arena_print(t->mem, "it ends by itself; without a result it is given up at "
                                PRI_STR,
                                FMT_STR(plain_time(t, v->sent_ms + t->b->run_timeout_ms)));
    number_put(&n, "expectedMs", v->learned ? v->expected_ms : -1);
    number_put(&n, "tookMs", v->started_ms > 0 ? took_ms : -1);
    r->numbers = numbers_end(&n);
}

static void say_passing(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    bool approval = v->state == NODE_APPROVAL;
    str text = arena_print(t->mem, "%s" PRI_STR PRI_STR,
                           approval ? "waits for a reviewer of its environment on GitHub"
                                    : "was told to stop, and has not stopped yet",
                           FMT_STR(since_text(t, v->changed_ms)), FMT_STR(waits_behind(t, node)));
    struct reason *r = tell_about(t, node, approval ? REASON_APPROVAL : REASON_CANCELLING, text, &n);
    r->change = approval ? STR("somebody who may review that environment approves or rejects it")
                         : STR("its run ends");
    r->numbers = numbers_end(&n);
}

/* ---- all states ------------------------------------------------------------------------------ */

void tell_node(struct telling *t, uint32_t node)
{
    switch (t->b->node[node].state) {
    case NODE_WAITING: tell_waiting(t, node); return;
    case NODE_READY: say_ready(t, node); return;
    case NODE_BLOCKED: say_blocked(t, node); return;
    case NODE_DISPATCHING: say_dispatching(t, node); return;
    case NODE_QUEUED: say_queued(t, node); return;
    case NODE_RUNNING: say_running(t, node); return;
    case NODE_APPROVAL:
    case NODE_CANCELLING: say_passing(t, node); return;
    case NODE_SUCCEEDED:
    case NODE_FAILED:
    case NODE_CANCELLED:
    case NODE_TIMED_OUT:
    case NODE_SKIPPED:
    case NODE_SUPERSEDED:
    case NODE_ERROR:
    case NODE_INERT: tell_ended(t, node); return;
    case NODE_STATE_COUNT: return;
    }
}

/* Why it did not wait, or not only, for whoever wonders that it ran while somebody had it locked. */
static void tell_skip(struct telling *t, uint32_t node)
{
    const struct batch_view *b = t->b;
    struct numbers n;
    if (!b->skipped_by.len)
        return;
    str what = plain_note(t->mem, b->skipped_what);
    struct reason *r = tell_about(
        t, node, REASON_WAIT_SKIPPED,
        arena_print(t->mem, "did not wait for a lock: " PRI_STR " skipped that at " PRI_STR
                            "%s" PRI_STR,
                    FMT_STR(text_plain(t->mem, b->skipped_by, NAME_CHARS_MAX)),
                    FMT_STR(plain_time(t, b->skipped_ms)), what.len ? " and " : "", FMT_STR(what)),
        &n);
    r->since_ms = b->skipped_ms;
    r->url = STR("");
    number_text(&n, "by", b->skipped_by);
    r->numbers = numbers_end(&n);
}

static bool leaves_with_the_app(enum node_state s)
{
    return s == NODE_WAITING || s == NODE_READY || s == NODE_BLOCKED || s == NODE_DISPATCHING;
}

void explain_node(const struct change_view *c, const struct batch_view *b, uint32_t node,
                  int64_t now_ms, struct reasons *out)
{
    if (node >= b->count)
        return;
    struct telling t = telling_of(c, b, now_ms, out);
    enum node_state state = b->node[node].state;
    if (b->app_gone && leaves_with_the_app(state))
        tell_app_gone(&t);
    if (state == NODE_WAITING && !batch_is(&t, "running")) {
        struct numbers n;
        struct reason *r = tell_about(&t, node, REASON_WAITS_FOR_BATCH,
                               arena_print(t.mem, "has not started: its batch is %s",
                                           batch_is(&t, "preparing") ? "being prepared"
                                                                     : b->state),
                               &n);
        r->since_ms = b->created_ms;
        r->numbers = numbers_end(&n);
        if (tell_standstill(&t))
            return;
    }
    tell_node(&t, node);
    tell_skip(&t, node);
}
