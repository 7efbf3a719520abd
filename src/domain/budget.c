#include "domain/budget.h"

#include <stdlib.h>

#include "domain/text.h"

enum {
    SAME_WINDOW_MS = 2000,          /* the forge's machines disagree about the second of a reset */
    LATE_ANSWER_MS = 2 * 60 * 1000, /* how long after its reset a window's last answers may come */
};

/* ---- what is known --------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* No product: a forge's limit may be any number. */
static int64_t safe_part(int64_t calls)
{
    return calls / 100 * BUDGET_SAFE_PERCENT + calls % 100 * BUDGET_SAFE_PERCENT / 100;
}

static bool window_open(const struct budget *b, int64_t now_ms)
{
    return b->limit > 0 && b->reset_ms > now_ms;
}

bool budget_current(const struct budget *b, int64_t now_ms)
{
    return b->known && (b->limit == BUDGET_UNLIMITED || b->reset_ms > now_ms);
}

static bool numbers_sane(const struct quota_seen *q)
{
    return q->limit >= 1 && q->remaining >= 0 && q->remaining <= q->limit && q->reset_ms > 0 &&
           (q->reset_ms <= q->at_ms || q->reset_ms - q->at_ms <= 2 * (int64_t)BUDGET_WINDOW_MS);
}

static bool same_window(const struct budget *b, const struct quota_seen *q)
{
    return b->limit == q->limit && q->reset_ms - b->reset_ms <= SAME_WINDOW_MS &&
           b->reset_ms - q->reset_ms <= SAME_WINDOW_MS;
}

/*
 * The last numbers stay until their window is over, as an upper bound of what is assumed: not
 * knowing must never allow more than knowing did.
 */
static bool now_unknown(struct budget *b, const struct quota_seen *q)
{
    bool changed = b->known;
    b->known = false;
    b->observed_ms = q->at_ms;
    if (b->reset_ms <= q->at_ms)
        b->limit = b->remaining = b->reset_ms = 0;
    return changed;
}

/*
 * A window that is over by our clock. Right after its reset that is an answer that comes late;
 * otherwise one of the two clocks is wrong, and then the end of the window is not known.
 */
static bool observe_past(struct budget *b, const struct quota_seen *q)
{
    if (b->known && (b->reset_ms > q->at_ms || q->at_ms - q->reset_ms <= LATE_ANSWER_MS))
        return false;
    bool changed = b->limit != q->limit || b->remaining != q->remaining || b->known;
    b->limit = q->limit;
    b->remaining = q->remaining;
    b->reset_ms = q->at_ms + BUDGET_WINDOW_MS;
    now_unknown(b, q);
    return changed;
}

/* A forge that keeps no count says nothing in its answers. */
static bool silent(const struct budget *b, const struct quota_seen *q)
{
    return q->limit < 0 && q->remaining < 0 && b->known && b->limit == BUDGET_UNLIMITED;
}

bool budget_observe(struct budget *b, const struct quota_seen *q)
{
    if (silent(b, q))
        return false;
    if (!numbers_sane(q))
        return now_unknown(b, q);
    if (q->reset_ms <= q->at_ms)
        return observe_past(b, q);
    bool same = same_window(b, q);
    if (b->known && !same && window_open(b, q->at_ms) && q->reset_ms < b->reset_ms)
        return now_unknown(b, q);
    int64_t remaining = same ? least(b->remaining, q->remaining) : q->remaining;
    int64_t reset_ms = same ? most(b->reset_ms, q->reset_ms) : q->reset_ms;
    bool changed = !b->known || b->limit != q->limit || b->remaining != remaining ||
                   b->reset_ms != reset_ms;
    b->known = true;
    b->limit = q->limit;
    b->remaining = remaining;
    b->reset_ms = reset_ms;
    b->observed_ms = q->at_ms;
    return changed;
}

void budget_block(struct budget *b, int64_t until_ms)
{
    b->blocked_until_ms = most(b->blocked_until_ms, until_ms);
}

/* Not known is treated as little: what is assumed, and not more than is known of it. */
static int64_t assumed_remaining(const struct budget *b, int64_t now_ms)
{
    int64_t assumed = most(BUDGET_UNKNOWN_LIMIT - b->spent, 0);
    if (window_open(b, now_ms))
        return least(assumed, b->remaining);
    return b->limit > 0 ? least(assumed, b->limit) : assumed;
}

int64_t budget_remaining(const struct budget *b, int64_t now_ms)
{
    return budget_current(b, now_ms) ? b->remaining : assumed_remaining(b, now_ms);
}

int64_t budget_safe(const struct budget *b, int64_t now_ms)
{
    if (b->blocked_until_ms > now_ms)
        return 0;
    return most(safe_part(budget_remaining(b, now_ms)) - b->claimed, 0);
}

int64_t budget_reserved(const struct budget *b) { return b->remaining - safe_part(b->remaining); }

int64_t budget_possible(const struct budget *b)
{
    return safe_part(b->limit > 0 ? b->limit : BUDGET_UNKNOWN_LIMIT);
}

int64_t budget_safe_parts(const struct budget *b, int64_t now_ms)
{
    int64_t limit = b->limit > 0 ? b->limit : BUDGET_UNKNOWN_LIMIT;
    int64_t above = budget_remaining(b, now_ms) - b->claimed - (limit - safe_part(limit));
    return most(least(budget_safe(b, now_ms), above), 0);
}

bool budget_fits(const struct budget *b, int64_t cost, int64_t now_ms)
{
    return cost <= budget_safe(b, now_ms);
}

int64_t budget_wake_ms(const struct budget *b, int64_t now_ms)
{
    if (b->blocked_until_ms > now_ms)
        return b->blocked_until_ms;
    return window_open(b, now_ms) ? b->reset_ms : 0;
}

/* ---- giving it out --------------------------------------------------------------------------- */

struct turn {
    const struct budget_held *held;
    size_t  repo;               /* place of its repository's first batch in the order of age */
    size_t  round;              /* how many of its repository and class go before it */
    size_t  change;             /* batches of one pull request and class have the same */
    int64_t given;
};

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_age(const struct budget_held *a, const struct budget_held *b)
{
    int c = compare(a->since_ms, b->since_ms);
    return c ? c : compare(a->batch_seq, b->batch_seq);
}

/* Merges first; then what belongs together, oldest first. */
static int by_repository(const void *x, const void *y)
{
    const struct budget_held *a = ((const struct turn *)x)->held, *b = ((const struct turn *)y)->held;
    int c = compare(b->apply, a->apply);
    c = c ? c : compare(a->repository_id, b->repository_id);
    return c ? c : by_age(a, b);
}

static int by_change(const void *x, const void *y)
{
    const struct turn *a = *(const struct turn *const *)x, *b = *(const struct turn *const *)y;
    int c = compare(b->held->apply, a->held->apply);
    c = c ? c : compare(a->held->repository_id, b->held->repository_id);
    c = c ? c : compare(a->held->change_id, b->held->change_id);
    return c ? c : by_age(a->held, b->held);
}

/* One of each repository, then the second of each …; the repository that waits longest first. */
static int by_turn(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;
    int c = compare(b->held->apply, a->held->apply);
    c = c ? c : compare((int64_t)a->round, (int64_t)b->round);
    return c ? c : by_age(a->held, b->held);
}

static bool same_repository(const struct turn *a, const struct turn *b)
{
    return a->held->apply == b->held->apply && a->held->repository_id == b->held->repository_id;
}

static void number_changes(struct arena *mem, struct turn *t, size_t count)
{
    struct turn **p = arena_make(mem, struct turn *, count + 1);
    size_t change = 0;
    for (size_t i = 0; i < count; i++)
        p[i] = &t[i];
    qsort(p, count, sizeof *p, by_change);
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && same_repository(p[i], p[i - 1]) &&
                    p[i]->held->change_id == p[i - 1]->held->change_id && p[i]->held->change_id;
        p[i]->change = same ? change : ++change;
    }
}

static struct turn *turns_in_order(struct arena *mem, const struct budget_held *held, size_t count)
{
    struct turn *t = arena_make(mem, struct turn, count + 1);
    for (size_t i = 0; i < count; i++)
        t[i].held = &held[i];
    qsort(t, count, sizeof *t, by_repository);
    for (size_t i = 1; i < count; i++)
        t[i].round = same_repository(&t[i], &t[i - 1]) ? t[i - 1].round + 1 : 0;
    number_changes(mem, t, count);
    qsort(t, count, sizeof *t, by_turn);
    return t;
}

/*
 * Whole ones in their turn; one that goes by parts takes at most half of what is there for such
 * while others wait, so that a batch of many windows does not stop everybody for as long.
 */
static int64_t give(struct turn *t, int64_t left, int64_t parts_left, bool alone)
{
    int64_t cost = t->held->cost;
    if (cost <= left)
        return cost;
    if (!t->held->by_parts)
        return 0;
    return alone ? parts_left : (parts_left + 1) / 2;
}

size_t budget_share(struct arena *mem, const struct budget *b, const struct budget_held *held,
                    size_t count, int64_t now_ms, struct budget_grant **out)
{
    int64_t left = budget_safe(b, now_ms), possible = budget_possible(b);
    /* of what is safe, this much is not for parts */
    int64_t whole_only = left - budget_safe_parts(b, now_ms);
    struct turn *t = turns_in_order(mem, held, count);
    bool *passed_over = arena_make(mem, bool, count + 2);   /* pull requests */
    size_t granted = 0;

    *out = arena_make(mem, struct budget_grant, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (t[i].held->cost < 1 || passed_over[t[i].change])
            continue;
        t[i].given = give(&t[i], left, most(left - whole_only, 0), count == 1);
        left -= t[i].given;
        /* one that never fits must not hold up what comes after it in its pull request */
        if (t[i].given < t[i].held->cost && (t[i].held->cost <= possible || t[i].held->by_parts))
            passed_over[t[i].change] = true;
    }
    for (size_t i = 0; i < count && left > whole_only; i++)
        if (t[i].held->by_parts && t[i].given < t[i].held->cost && t[i].given > 0) {
            int64_t more = least(left - whole_only, t[i].held->cost - t[i].given);
            t[i].given += more;
            left -= more;
        }
    for (size_t i = 0; i < count; i++)
        if (t[i].given > 0)
            (*out)[granted++] = (struct budget_grant){ t[i].held->batch_seq,
                                                       t[i].held->repository_id, t[i].given };
    return granted;
}

/* ---- the forecast ---------------------------------------------------------------------------- */

enum { POINTS_OF_A_WRITE = 5, WRITES_SANE = 100 * 1000 * 1000 };

void budget_forecast(const struct budget *b, const struct pace_limits *l, int64_t dispatches,
                     int64_t files, int64_t now_ms, struct budget_forecast *out)
{
    int64_t possible = most(budget_possible(b), 1);
    bool current = budget_current(b, now_ms);
    *out = (struct budget_forecast){.writes = most(dispatches, 0),
                                    .reads = most(files, 0),
                                    .remaining_after = -1,
                                    .windows = 1};
    if (l->points_per_minute > 0)
        out->pace_ms = least(out->writes, WRITES_SANE) * POINTS_OF_A_WRITE *
                       least(l->window_ms, BUDGET_WINDOW_MS) / l->points_per_minute;
    if (out->writes > possible)
        out->windows = (out->writes + possible - 1) / possible;
    if (current && out->windows == 1)
        out->remaining_after = most(b->remaining - out->writes - out->reads, 0);
}

static str duration_text(struct arena *mem, int64_t ms)
{
    int64_t seconds = (ms + 500) / 1000, minutes = (ms + 30000) / 60000;
    if (seconds < 90)
        return seconds <= 1 ? STR("a second")
                            : arena_print(mem, "about %lld seconds", (long long)seconds);
    if (minutes < 120)
        return arena_print(mem, "about %lld minutes", (long long)minutes);
    return arena_print(mem, "about %lld hours", (long long)((minutes + 30) / 60));
}

str budget_forecast_text(struct arena *mem, const struct budget_forecast *f)
{
    str writes = text_number(mem, f->writes), remain = text_number(mem, f->remaining_after);
    const char *noun = f->writes == 1 ? "write" : "writes";
    str first = f->pace_ms > 0
                    ? arena_print(mem, PRI_STR " %s, " PRI_STR " at the written limit",
                                  FMT_STR(writes), noun, FMT_STR(duration_text(mem, f->pace_ms)))
                    : arena_print(mem, PRI_STR " %s", FMT_STR(writes), noun);
    if (f->windows > 1)
        return arena_print(mem, PRI_STR "; more than the quota of one window, it needs %lld of them",
                           FMT_STR(first), (long long)f->windows);
    if (f->remaining_after < 0)
        return arena_print(mem, PRI_STR "; what remains of the quota is not known", FMT_STR(first));
    return arena_print(mem, PRI_STR "; " PRI_STR " %s for approvals", FMT_STR(first),
                       FMT_STR(remain), f->remaining_after == 1 ? "remains" : "remain");
}
