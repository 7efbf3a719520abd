/*
 * The pace: sums over sliding windows, and a level that falls when the forge complains.
 *
 * From four fifths of a minute's points on, calls leave one by one instead of in bursts. The steps
 * are small (CALM), because each window hands its gaps on to the next: at the mean rate itself the
 * last call of a long batch would be most of a window late. Comments and reviews that say how
 * something ended, and those that do not, leave a fifth to each other.
 */
#include <assert.h>

#include "domain/budget.h"

enum {
    READ_POINTS = 1, CHANGE_POINTS = 5,
    GRAINS = 256, RING = GRAINS + 2,    /* of a window: what was spent in one is kept as one */
    HOUR_WINDOWS = 60,
    FIFTH = 5, HEADROOM = 10,           /* of the concurrency a tenth stays free */
    CALM = 16,                          /* times the mean rate */
    LEVEL_FULL = 1000, LEVEL_LEAST = LEVEL_FULL / 32, LEVEL_STEP = LEVEL_FULL / 20,
};

struct tally {
    int64_t  window_ms, grain_ms;
    int64_t  out, sum;                  /* under way; answered less than a window ago */
    uint32_t first, count;
    struct { int64_t at_ms, amount; } spent[RING];      /* the latter, oldest first */
};

enum { PROGRESS, ENDS, KINDS };

struct pace {
    struct pace_limits limits;
    struct tally points, minute[KINDS], hour[KINDS];
    int64_t  under_way;
    int64_t  calm_ms;                   /* from four fifths on, nothing leaves before */
    int64_t  level, stepped_ms;
    int64_t  parts, parts_ms;           /* parts_ms: when there were last so many */
    uint32_t drops;
    int64_t  now_ms, shift_ms;          /* our clock, which never goes back; ours less theirs */
};

void pace_limits_written(struct pace_limits *out)
{
    *out = (struct pace_limits){ .points_per_minute = 900, .content_per_minute = 80,
                                 .content_per_hour = 500, .concurrent = 100, .window_ms = 60000 };
}

static int64_t at_least_one(int64_t n) { return n > 1 ? n : 1; }

void pace_limits_share(struct pace_limits *l, int64_t percent)
{
    int64_t *all[] = { &l->points_per_minute, &l->content_per_minute, &l->content_per_hour };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] = percent > 0 && *all[i] ? at_least_one(*all[i] * percent / 100) : 0;
    if (percent > 0 && l->concurrent)
        l->concurrent = at_least_one(l->concurrent * percent / 100);
}

/* ---- a window ---- */

static void tally_init(struct tally *t, int64_t window_ms)
{
    t->window_ms = at_least_one(window_ms);
    t->grain_ms = (t->window_ms + GRAINS - 1) / GRAINS;
}

static void tally_forget(struct tally *t, int64_t now_ms)
{
    while (t->count && t->spent[t->first].at_ms + t->window_ms <= now_ms) {
        t->sum -= t->spent[t->first].amount;
        t->first = (t->first + 1) % RING;
        t->count--;
    }
}

static int64_t tally_used(const struct tally *t) { return t->out + t->sum; }

/* Remembered a little too long rather than too short. */
static void tally_add(struct tally *t, int64_t amount, int64_t now_ms)
{
    int64_t at_ms = (now_ms + t->grain_ms - 1) / t->grain_ms * t->grain_ms;
    uint32_t last = (t->first + t->count + RING - 1) % RING;
    tally_forget(t, now_ms);
    t->sum += amount;
    if (t->count && t->spent[last].at_ms == at_ms) {
        t->spent[last].amount += amount;
        return;
    }
    assert(t->count < RING);
    t->spent[(t->first + t->count) % RING].at_ms = at_ms;
    t->spent[(t->first + t->count++) % RING].amount = amount;
}

static void tally_answered(struct tally *t, int64_t amount, int64_t now_ms)
{
    t->out -= amount;
    tally_add(t, amount, now_ms);
}

/* When something comes back. */
static int64_t tally_wake_ms(const struct tally *t)
{
    return t->count ? t->spent[t->first].at_ms + t->window_ms : INT64_MAX;
}

/* 0: there is room. What is larger than the whole goes alone. */
static int64_t tally_wait_ms(const struct tally *t, int64_t amount, int64_t max)
{
    int64_t used = tally_used(t);
    return !max || !used || used + amount <= max ? 0 : tally_wake_ms(t);
}

/* ---- the pace ---- */

struct pace *pace_new(struct arena *mem, const struct pace_limits *l)
{
    struct pace *p = arena_make(mem, struct pace, 1);
    p->limits = *l;
    p->level = LEVEL_FULL;
    p->parts = 1;
    tally_init(&p->points, l->window_ms);
    for (int kind = 0; kind < KINDS; kind++) {
        tally_init(&p->minute[kind], l->window_ms);
        tally_init(&p->hour[kind], l->window_ms * HOUR_WINDOWS);
    }
    return p;
}

/* Their time as ours. */
static int64_t pace_now_ms(struct pace *p, int64_t now_ms)
{
    if (now_ms + p->shift_ms < p->now_ms)
        p->shift_ms = p->now_ms - now_ms;
    p->now_ms = now_ms + p->shift_ms;
    return p->now_ms;
}

static int64_t cost_of(enum call_class c) { return c == CALL_READ ? READ_POINTS : CHANGE_POINTS; }

static int kind_of(enum call_class c)
{
    return c == CALL_CONTENT ? PROGRESS : c == CALL_LAST_WORD ? ENDS : KINDS;
}

/* What a limit allows us at the present level. 0 stays "not limited". */
static int64_t level_of(const struct pace *p, int64_t limit)
{
    return limit ? at_least_one(limit * p->level / LEVEL_FULL / p->parts) : 0;
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

/* One window of content: a kind may fill four fifths of it, both together all of it. */
static int64_t content_window_ms(struct tally both[KINDS], int kind, int64_t max, int64_t now_ms)
{
    tally_forget(&both[PROGRESS], now_ms);
    tally_forget(&both[ENDS], now_ms);
    int64_t used = tally_used(&both[PROGRESS]) + tally_used(&both[ENDS]);
    int64_t own_max = max ? at_least_one(max - max / FIFTH) : 0;
    int64_t own_ms = tally_wait_ms(&both[kind], 1, own_max);
    int64_t both_ms = !max || used + 1 <= max ? 0 : sooner(tally_wake_ms(&both[PROGRESS]),
                                                          tally_wake_ms(&both[ENDS]));
    return later(own_ms, both_ms);
}

static int64_t content_wait_ms(struct pace *p, enum call_class c, int64_t now_ms)
{
    int kind = kind_of(c);
    if (kind == KINDS)
        return 0;
    return later(
        content_window_ms(p->minute, kind, level_of(p, p->limits.content_per_minute), now_ms),
        content_window_ms(p->hour, kind, level_of(p, p->limits.content_per_hour), now_ms));
}

static int64_t at_once_max(const struct pace *p)
{
    return level_of(p, p->limits.concurrent - p->limits.concurrent / HEADROOM);
}

/* What all calls share: points and places. */
static int64_t shared_wait_ms(struct pace *p, enum call_class c, int64_t now_ms)
{
    int64_t max = level_of(p, p->limits.points_per_minute), places = at_once_max(p);
    tally_forget(&p->points, now_ms);
    int64_t wait_ms = tally_wait_ms(&p->points, cost_of(c), max);
    bool near = max && tally_used(&p->points) + cost_of(c) > max - max / FIFTH;
    if (near && p->calm_ms > now_ms)
        wait_ms = later(wait_ms, p->calm_ms);
    return places && p->under_way >= places ? INT64_MAX : wait_ms;
}

bool pace_pick(struct pace *p, const uint64_t turn[CALL_CLASS_COUNT], int64_t their_now_ms,
               enum call_class *out, int64_t *at_ms)
{
    int64_t now_ms = pace_now_ms(p, their_now_ms), wake_ms = INT64_MAX;
    int first = CALL_CLASS_COUNT;
    for (int c = 0; c < CALL_CLASS_COUNT; c++) {
        int64_t wait_ms = turn[c] ? content_wait_ms(p, (enum call_class)c, now_ms) : INT64_MAX;
        if (wait_ms)
            wake_ms = sooner(wake_ms, wait_ms);
        else if (first == CALL_CLASS_COUNT || turn[c] < turn[first])
            first = c;
    }
    if (first < CALL_CLASS_COUNT) {
        int64_t wait_ms = shared_wait_ms(p, (enum call_class)first, now_ms);
        *out = (enum call_class)first;
        if (!wait_ms)
            return true;
        wake_ms = sooner(wake_ms, wait_ms);
    }
    *at_ms = wake_ms == INT64_MAX ? INT64_MAX : wake_ms - p->shift_ms;
    return false;
}

struct pace_call pace_left(struct pace *p, enum call_class c, int64_t their_now_ms)
{
    int64_t now_ms = pace_now_ms(p, their_now_ms);
    int64_t max = level_of(p, p->limits.points_per_minute);
    int kind = kind_of(c);
    p->under_way++;
    p->points.out += cost_of(c);
    if (max)
        p->calm_ms = now_ms + p->points.window_ms * cost_of(c) / max / CALM;
    if (kind < KINDS) {
        p->minute[kind].out++;
        p->hour[kind].out++;
    }
    return (struct pace_call){ c, p->drops };
}

static void level_move(struct pace *p, struct pace_call c, bool refused, int64_t now_ms)
{
    if (c.drops != p->drops)
        return;
    if (refused) {
        p->level = later(p->level / 2, LEVEL_LEAST);
        p->drops++;
        p->stepped_ms = now_ms;
    } else if (p->level < LEVEL_FULL && now_ms - p->stepped_ms >= p->points.window_ms) {
        p->level = sooner(p->level + LEVEL_STEP, LEVEL_FULL);
        p->stepped_ms = now_ms;
    }
}

void pace_answered(struct pace *p, struct pace_call c, bool refused, int64_t their_now_ms)
{
    int64_t now_ms = pace_now_ms(p, their_now_ms);
    int kind = kind_of(c.kind);
    assert(p->under_way > 0);
    p->under_way--;
    tally_answered(&p->points, cost_of(c.kind), now_ms);
    if (kind < KINDS) {
        tally_answered(&p->minute[kind], 1, now_ms);
        tally_answered(&p->hour[kind], 1, now_ms);
    }
    level_move(p, c, refused, now_ms);
}

void pace_not_sent(struct pace *p, struct pace_call c)
{
    int kind = kind_of(c.kind);
    assert(p->under_way > 0);
    p->under_way--;
    p->calm_ms = 0;
    p->points.out -= cost_of(c.kind);
    if (kind < KINDS) {
        p->minute[kind].out--;
        p->hour[kind].out--;
    }
}

void pace_recall(struct pace *p, enum call_class c, int64_t calls, int64_t their_now_ms)
{
    int64_t now_ms = pace_now_ms(p, their_now_ms);
    if (calls <= 0)
        return;
    calls = sooner(calls, INT32_MAX);
    tally_add(&p->points, calls * cost_of(c), now_ms);
    if (kind_of(c) < KINDS)
        tally_add(&p->minute[kind_of(c)], calls, now_ms);
}

void pace_divide(struct pace *p, int64_t parts, int64_t their_now_ms)
{
    int64_t now_ms = pace_now_ms(p, their_now_ms);
    if (parts < p->parts && now_ms - p->parts_ms < p->points.window_ms)
        return;
    p->parts = at_least_one(parts);
    p->parts_ms = now_ms;
}

void pace_look(struct pace *p, int64_t their_now_ms, struct pace_state *out)
{
    tally_forget(&p->points, pace_now_ms(p, their_now_ms));
    *out = (struct pace_state){
        .level_percent = p->level * 100 / LEVEL_FULL,
        .points = tally_used(&p->points),
        .points_max = level_of(p, p->limits.points_per_minute),
        .under_way = p->under_way,
        .under_way_max = at_once_max(p),
    };
}
