/* A node that has ended: how, why, and what would send it again. */
#include "base/rfc3339.h"
#include "domain/explain_parts.h"

/* A command that can be pasted: positions and batch ids are ours and need no quoting. */
static str rerun_command(const struct telling *t, uint32_t node)
{
    return arena_print(t->mem, "signalbox rerun " PRI_STR " %u", FMT_STR(t->b->id), node);
}

static bool is_over_for_good(const struct telling *t) { return t->b->superseded_by.len > 0; }

static str again(const struct telling *t, uint32_t node, const char *first)
{
    if (is_over_for_good(t))
        return STR("nothing: a newer head took the place of this batch");
    if (!t->b->started_ms)
        return STR("push again, or run the workflow that uploads again: this batch never started");
    return arena_print(t->mem, "%s" PRI_STR PRI_STR, first, FMT_STR(rerun_command(t, node)),
                       FMT_STR(t->s.behind[node]
                                   ? STR("; what was skipped behind it follows by itself")
                                   : STR("")));
}

/* " at 14:05 UTC after 3 min" */
static str ended_text(const struct telling *t, const struct node_view *v)
{
    int64_t at_ms = v->ended_ms ? v->ended_ms : v->changed_ms;
    str at = at_ms > 0 ? arena_print(t->mem, " at " PRI_STR, FMT_STR(plain_time(t, at_ms)))
                       : STR("");
    if (v->started_ms <= 0 || v->ended_ms < v->started_ms)
        return at;
    return arena_print(t->mem, PRI_STR " after " PRI_STR, FMT_STR(at),
                       FMT_STR(duration_write(t->mem, v->ended_ms - v->started_ms)));
}

static str exit_text(const struct telling *t, const struct node_view *v)
{
    return v->has_exit ? arena_print(t->mem, " (exit code %lld)", (long long)v->exit_code)
                       : STR("");
}

static str error_text(const struct telling *t, const struct node_view *v)
{
    str what = v->error_text.len ? v->error_text : v->error_code;
    return what.len ? arena_print(t->mem, ": " PRI_STR, FMT_STR(plain_note(t->mem, what)))
                    : STR("");
}

static void say_succeeded(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    str counts = STR("");
    if (v->has_counts)
        counts = arena_print(t->mem, ": " PRI_STR,
                             FMT_STR(words_changes(t->mem, node_changes(v),
                                                   badge_applies(v->badge))));
    struct reason *r = tell_about(t, node, REASON_SUCCEEDED,
                           arena_print(t->mem, "succeeded" PRI_STR PRI_STR,
                                       FMT_STR(ended_text(t, v)), FMT_STR(counts)),
                           &n);
    r->since_ms = v->ended_ms ? v->ended_ms : v->changed_ms;
    number_put(&n, "tookMs", v->ended_ms >= v->started_ms && v->started_ms > 0
                                 ? v->ended_ms - v->started_ms : -1);
    r->numbers = numbers_end(&n);
}

static str skipped_behind(const struct telling *t, uint32_t node)
{
    return behind_text(t, node, "was skipped behind it", "were skipped behind it");
}

/* GitHub's own word, or our limit. */
static bool gave_up(const struct telling *t, const struct node_view *v)
{
    return t->b->run_timeout_ms > 0 && v->sent_ms > 0 &&
           v->ended_ms - v->sent_ms >= t->b->run_timeout_ms;
}

static void say_failed(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    bool late = v->state == NODE_TIMED_OUT, ours = late && gave_up(t, v);
    str how = !late ? STR("failed")
              : ours ? arena_print(t->mem, "gave no result within " PRI_STR
                                   " (setting run_timeout_minutes) and was given up",
                                   FMT_STR(duration_write(t->mem, t->b->run_timeout_ms)))
                     : t->b->on_runner ? STR("was stopped by the runner because its time was over")
                                       : STR("was stopped by GitHub because its time was over");
    struct reason *r = tell_about(t, node, late ? REASON_TIMED_OUT : REASON_FAILED,
                           arena_print(t->mem, PRI_STR PRI_STR PRI_STR PRI_STR PRI_STR,
                                       FMT_STR(how), FMT_STR(ended_text(t, v)),
                                       FMT_STR(exit_text(t, v)), FMT_STR(error_text(t, v)),
                                       FMT_STR(skipped_behind(t, node))),
                           &n);
    r->since_ms = v->ended_ms ? v->ended_ms : v->changed_ms;
    r->change = again(t, node, "read the run's log, mend it, then: ");
    if (v->has_exit && v->exit_code >= 0)
        number_put(&n, "exitCode", v->exit_code);
    number_text(&n, "errorCode", v->error_code);
    r->numbers = numbers_end(&n);
}

static void say_error(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    str hint = plain_hint(t->mem, v->error_code);
    struct reason *r = tell_about(t, node, REASON_DISPATCH_ERROR,
                           arena_print(t->mem, "could not be dispatched" PRI_STR PRI_STR,
                                       FMT_STR(error_text(t, v)), FMT_STR(skipped_behind(t, node))),
                           &n);
    r->change = again(t, node, hint.len ? arena_print(t->mem, PRI_STR ", then: ",
                                                      FMT_STR(hint)).ptr
                                        : "mend it, then: ");
    number_text(&n, "errorCode", v->error_code);
    r->numbers = numbers_end(&n);
}

static str who_stopped(const struct telling *t)
{
    const struct batch_view *b = t->b;
    if (!b->cancelled)
        return t->b->on_runner ? STR(": its run was cancelled on the runner")
                               : STR(": its run was cancelled on GitHub");
    if (b->stopped_by.len)
        return arena_print(t->mem, ": " PRI_STR " cancelled the batch",
                           FMT_STR(text_plain(t->mem, b->stopped_by, NAME_CHARS_MAX)));
    return str_eq(t->c->state, STR("closed")) ? STR(": the pull request was closed")
                                              : STR(": its batch was cancelled");
}

static void say_stopped(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    struct numbers n;
    bool newer = v->state == NODE_SUPERSEDED;
    str when = v->started_ms ? ended_text(t, v)
                             : plain_cat(t->mem, STR(" before it started"), ended_text(t, v));
    str text = newer ? plain_cat(t->mem, STR("was left to a newer head"), when)
                     : arena_print(t->mem, "was cancelled" PRI_STR PRI_STR, FMT_STR(when),
                                   FMT_STR(who_stopped(t)));
    struct reason *r = tell_about(t, node, newer ? REASON_SUPERSEDED : REASON_CANCELLED,
                           plain_cat(t->mem, text, skipped_behind(t, node)), &n);
    r->change = newer ? STR("nothing: look at the batch of the newer head") : again(t, node, "");
    number_text(&n, "supersededBy", t->b->superseded_by);
    r->numbers = numbers_end(&n);
}

/* How many skipped ones stand between a node and the one that is to blame. */
static uint32_t skipped_between(const struct telling *t, uint32_t node, uint32_t cause)
{
    uint32_t n = t->b->count, head = 0, tail = 0;
    uint32_t *queue = arena_make(t->mem, uint32_t, (size_t)n + 1);
    uint32_t *far = arena_make(t->mem, uint32_t, (size_t)n + 1);    /* distance + 1; 0: not seen */
    queue[tail++] = node;
    far[node] = 1;
    while (head < tail && !far[cause]) {
        uint32_t at = queue[head++];
        const struct node_view *v = &t->b->node[at];
        for (uint32_t k = 0; k < v->parent_count; k++) {
            uint32_t p = v->parents[k];
            if (p < n && !far[p] && (p == cause || t->b->node[p].state == NODE_SKIPPED)) {
                far[p] = far[at] + 1;
                queue[tail++] = p;
            }
        }
    }
    return far[cause] > 2 ? far[cause] - 2 : 0;
}

static const char *ended_word(enum node_state s)
{
    return s == NODE_FAILED      ? "failed"
           : s == NODE_TIMED_OUT ? "timed out"
           : s == NODE_CANCELLED ? "was cancelled"
           : s == NODE_ERROR     ? "could not be dispatched"
                                 : "did not succeed";
}

static void say_skipped(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    uint32_t cause = t->s.cause[node], between = 0;
    struct numbers n;
    str text = STR("was skipped: something that it waits for did not succeed");
    if (cause != NO_NODE) {
        between = skipped_between(t, node, cause);
        str gap = between ? arena_print(t->mem, "; " PRI_STR " between, skipped too",
                                        FMT_STR(text_count(t->mem, between, "other stands",
                                                           "others stand")))
                          : STR("");
        text = arena_print(t->mem, "was skipped because " PRI_STR " %s" PRI_STR PRI_STR,
                           FMT_STR(plain_node(t, cause)), ended_word(t->b->node[cause].state),
                           FMT_STR(ended_text(t, &t->b->node[cause])), FMT_STR(gap));
    }
    struct reason *r = tell_about(t, node, REASON_SKIPPED, text, &n);
    r->change = is_over_for_good(t) ? STR("nothing: a newer head took the place of this batch")
                                    : STR("it goes by itself when that one is run again and "
                                          "succeeds");
    if (v->badge == COMMAND_PLAN && t->b->strict)
        r->change = plain_cat(t->mem, r->change,
                        STR(" (plans behind a failed plan are skipped here: setting strict_plans)"));
    if (cause != NO_NODE) {
        number_put(&n, "cause", cause);
        number_put(&n, "between", between);
    }
    r->numbers = numbers_end(&n);
    if (cause != NO_NODE)
        tell_node(t, cause);
}

static void say_inert(struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    static const struct {
        const char *inert;
        enum reason_code code;
        const char *text, *change;
    } kinds[] = {
        { "deleted", REASON_DELETED,
          "is gone from the configuration: it is shown, and never dispatched",
          "destroy it by hand if its resources are still there" },
        { "disabled", REASON_DISABLED, "is not dispatched: it is disabled in the configuration",
          "set settings.pro.enabled to true in the stack, and push" },
        { "no_workflow", REASON_NO_WORKFLOW,
          "is not dispatched: it has no workflow for this event",
          "name a workflow for this event in settings.pro of the component, and push" },
    };
    size_t k = 0;
    while (k < 2 && !str_eq(v->inert, str_of(kinds[k].inert)))
        k++;
    struct numbers n;
    struct reason *r = tell_about(t, node, kinds[k].code, str_of(kinds[k].text), &n);
    r->change = str_of(kinds[k].change);
    number_text(&n, "activity", t->b->activity);
    r->numbers = numbers_end(&n);
}

void tell_ended(struct telling *t, uint32_t node)
{
    enum node_state state = t->b->node[node].state;
    if (state == NODE_SUCCEEDED)
        say_succeeded(t, node);
    else if (state == NODE_FAILED || state == NODE_TIMED_OUT)
        say_failed(t, node);
    else if (state == NODE_CANCELLED || state == NODE_SUPERSEDED)
        say_stopped(t, node);
    else if (state == NODE_SKIPPED)
        say_skipped(t, node);
    else if (state == NODE_ERROR)
        say_error(t, node);
    else
        say_inert(t, node);
}
