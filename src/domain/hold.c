#include "domain/hold.h"

#include "base/buf.h"
#include "base/rfc3339.h"
#include "domain/text.h"

static const struct hold_rule rules[HOLD_KIND_COUNT] = {
    [HOLD_DRAFT] = { "draft", RELEASE_BY_PERSON, "dispatch",
                     "The pull request is a draft. Always on; marking it ready for review lets it go." },
    [HOLD_RAPID_PUSH] = { "rapid_push", RELEASE_BY_PERSON, "resume",
                          "Too many pushes in quick succession. Opt-in; the pull request stays paused "
                          "until somebody resumes it, and then only its newest head goes." },
    [HOLD_THRESHOLD] = { "threshold", RELEASE_BY_PERSON, "dispatch",
                         "More stacks than the repository's threshold. Opt-in; somebody dispatches anyway, "
                         "or the threshold is raised." },
    [HOLD_RATE_LIMIT] = { "rate_limit", RELEASE_BY_SCHEDULER, "parts",
                          "The forge's quota has no room for the whole batch. Always on; it goes on by "
                          "itself when there is." },
};

const struct hold_rule *hold_rule(enum hold_kind k) { return &rules[k]; }

bool hold_kind_read(str name, enum hold_kind *out)
{
    for (int k = 0; k < HOLD_KIND_COUNT; k++)
        if (str_eq(name, str_of(rules[k].name))) {
            *out = (enum hold_kind)k;
            return true;
        }
    return false;
}

/* ---- the four questions ---------------------------------------------------------------------- */

/* Pushes in the window that ends with this one: the clock is the forge's alone, ours may differ. */
static int64_t pushes_until(const struct hold_question *q, int64_t end_ms, int64_t window_ms)
{
    int64_t n = 0;
    for (size_t i = 0; i < q->push_count; i++)
        n += q->push_ms[i] > q->resumed_ms && q->push_ms[i] <= end_ms &&
             q->push_ms[i] > end_ms - window_ms;
    return n;
}

/*
 * The breaker trips on the newest push; one that has tripped stays so although time goes by, but not
 * when the settings of now would never have let it trip.
 */
static int64_t pushes_counted(const struct hold_question *q, int64_t window_ms)
{
    int64_t newest = INT64_MIN, most = 0;
    for (size_t i = 0; i < q->push_count; i++)
        newest = q->push_ms[i] > newest ? q->push_ms[i] : newest;
    if (!q->paused)
        return q->push_count ? pushes_until(q, newest, window_ms) : 0;
    for (size_t i = 0; i < q->push_count; i++) {
        int64_t n = pushes_until(q, q->push_ms[i], window_ms);
        most = n > most ? n : most;
    }
    return most;
}

static bool rapid_push(const struct hold_question *q, struct hold *h)
{
    h->window_ms = q->settings->rapid_push_minutes * 60 * 1000;
    h->pushes_max = q->settings->rapid_pushes;
    if (!q->pull_request || !q->settings->rapid_push_hold)
        return false;
    h->pushes = pushes_counted(q, h->window_ms);
    return h->pushes > h->pushes_max;
}

static bool draft(const struct hold_question *q, struct hold *h)
{
    (void)h;
    return q->pull_request && q->draft;
}

static bool threshold(const struct hold_question *q, struct hold *h)
{
    h->dispatches = q->dispatchable;
    h->threshold = q->settings->threshold;
    return q->pull_request && q->settings->threshold_hold && h->dispatches > h->threshold;
}

struct hold hold_of_budget(const struct budget *b, int64_t cost, bool by_parts, int64_t now_ms)
{
    return (struct hold){
        .kind = HOLD_RATE_LIMIT,
        .since_ms = now_ms,
        .dispatches = cost,
        .safe = budget_safe(b, now_ms),
        .reserved = b->known ? budget_reserved(b) : -1,
        .remaining = b->known ? b->remaining : -1,
        .quota = b->known ? b->limit : -1,
        .until_ms = budget_wake_ms(b, now_ms),
        .never_fits = b->known && !by_parts && cost > budget_possible(b),
    };
}

static bool rate_limit(const struct hold_question *q, struct hold *h)
{
    if (!q->budget || q->has_claim || q->cost <= 0 || budget_fits(q->budget, q->cost, q->now_ms))
        return false;
    *h = hold_of_budget(q->budget, q->cost, q->by_parts, q->now_ms);
    return true;
}

bool hold_tripped(const struct hold_question *q, struct hold *out)
{
    *out = (struct hold){ .kind = HOLD_RAPID_PUSH, .since_ms = q->now_ms };
    return rapid_push(q, out);
}

void hold_evaluate(const struct hold_question *q, struct holds *out)
{
    static bool (*const stands[HOLD_KIND_COUNT])(const struct hold_question *, struct hold *) = {
        [HOLD_DRAFT] = draft,
        [HOLD_RAPID_PUSH] = rapid_push,
        [HOLD_THRESHOLD] = threshold,
        [HOLD_RATE_LIMIT] = rate_limit,
    };
    out->count = 0;
    for (int k = 0; k < HOLD_KIND_COUNT; k++) {
        struct hold h = { .kind = (enum hold_kind)k, .since_ms = q->now_ms };
        bool lifted = q->lifted[k] && rules[k].release == RELEASE_BY_PERSON;
        if (!lifted && stands[k](q, &h))
            out->at[out->count++] = h;
    }
}

/* ---- stored form ----------------------------------------------------------------------------- */

/* Which number belongs to which kind, under which name. */
static const struct {
    enum hold_kind kind;
    str            name;
    size_t         at;
} numbers[] = {
    { HOLD_RAPID_PUSH, STR_INIT("pushes"), offsetof(struct hold, pushes) },
    { HOLD_RAPID_PUSH, STR_INIT("pushesMax"), offsetof(struct hold, pushes_max) },
    { HOLD_RAPID_PUSH, STR_INIT("windowMs"), offsetof(struct hold, window_ms) },
    { HOLD_THRESHOLD, STR_INIT("dispatches"), offsetof(struct hold, dispatches) },
    { HOLD_THRESHOLD, STR_INIT("threshold"), offsetof(struct hold, threshold) },
    { HOLD_RATE_LIMIT, STR_INIT("dispatches"), offsetof(struct hold, dispatches) },
    { HOLD_RATE_LIMIT, STR_INIT("safe"), offsetof(struct hold, safe) },
    { HOLD_RATE_LIMIT, STR_INIT("reserved"), offsetof(struct hold, reserved) },
    { HOLD_RATE_LIMIT, STR_INIT("remaining"), offsetof(struct hold, remaining) },
    { HOLD_RATE_LIMIT, STR_INIT("quota"), offsetof(struct hold, quota) },
    { HOLD_RATE_LIMIT, STR_INIT("untilMs"), offsetof(struct hold, until_ms) },
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static int64_t *number_of(struct hold *h, size_t i)
{
    return (int64_t *)((char *)h + numbers[i].at);
}

str hold_json(struct arena *mem, const struct hold *h)
{
    struct hold copy = *h;
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].kind == h->kind)
            json_field_i64(&w, numbers[i].name, *number_of(&copy, i));
    if (h->kind == HOLD_RATE_LIMIT)
        json_field_bool(&w, STR("neverFits"), h->never_fits);
    json_end_object(&w);
    return buf_str(&b);
}

bool hold_read(struct arena *mem, str kind, str text, int64_t since_ms, struct hold *out)
{
    struct json v = { 0 };
    struct err ignored = { 0 };
    *out = (struct hold){ .since_ms = since_ms };
    if (!hold_kind_read(kind, &out->kind))
        return false;
    if (!json_parse(mem, text, 0, &v, &ignored))
        return true;
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].kind == out->kind)
            *number_of(out, i) = json_i64_or(json_get(v, numbers[i].name), 0);
    out->never_fits = json_bool_or(json_get(v, STR("neverFits")), false);
    return true;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* 14:02 UTC; with its date when that is another day than the hold's. */
static str clock_text(struct arena *mem, int64_t at_ms, int64_t near_ms)
{
    struct rfc3339_parts a = rfc3339_parts(at_ms), n = rfc3339_parts(near_ms);
    bool same = a.year == n.year && a.month == n.month && a.day == n.day;
    str day = same ? STR("")
                   : arena_print(mem, "%04lld-%02lld-%02lld ", (long long)a.year,
                                 (long long)a.month, (long long)a.day);
    return arena_print(mem, PRI_STR "%02lld:%02lld UTC", FMT_STR(day), (long long)a.hour,
                       (long long)a.minute);
}

static str stacks(struct arena *mem, int64_t n) { return text_count(mem, n, "stack", "stacks"); }

static str rate_limit_text(struct arena *mem, const struct hold *h)
{
    str head = arena_print(mem, "would dispatch " PRI_STR ", the safe budget is " PRI_STR,
                           FMT_STR(stacks(mem, h->dispatches)),
                           FMT_STR(text_count(mem, h->safe, "call", "calls")));
    if (h->remaining < 0)
        head = arena_print(mem, PRI_STR " while GitHub's quota is not known", FMT_STR(head));
    else
        head = arena_print(mem, PRI_STR " (" PRI_STR " of " PRI_STR " remain; " PRI_STR
                           " are kept back for checks, comments and approvals)",
                           FMT_STR(head), FMT_STR(text_number(mem, h->remaining)),
                           FMT_STR(text_number(mem, h->quota)),
                           FMT_STR(text_number(mem, h->reserved)));
    return h->until_ms ? arena_print(mem, PRI_STR ", until " PRI_STR, FMT_STR(head),
                                     FMT_STR(clock_text(mem, h->until_ms, h->since_ms)))
                       : head;
}

str hold_text(struct arena *mem, const struct hold *h)
{
    switch (h->kind) {
    case HOLD_DRAFT:
        return STR("the pull request is a draft");
    case HOLD_RAPID_PUSH:
        return arena_print(mem, PRI_STR " within " PRI_STR ", the limit is " PRI_STR,
                           FMT_STR(text_count(mem, h->pushes, "push", "pushes")),
                           FMT_STR(text_count(mem, h->window_ms / 60000, "minute", "minutes")),
                           FMT_STR(text_number(mem, h->pushes_max)));
    case HOLD_THRESHOLD:
        return arena_print(mem, "would dispatch " PRI_STR ", the threshold is " PRI_STR,
                           FMT_STR(stacks(mem, h->dispatches)),
                           FMT_STR(text_number(mem, h->threshold)));
    case HOLD_RATE_LIMIT:
        return rate_limit_text(mem, h);
    case HOLD_KIND_COUNT:
        break;
    }
    return STR("");
}

str hold_named_text(struct arena *mem, const struct hold *h)
{
    static const char *const name[HOLD_KIND_COUNT] = {
        [HOLD_DRAFT] = "draft",
        [HOLD_RAPID_PUSH] = "rapid pushes",
        [HOLD_THRESHOLD] = "threshold",
        [HOLD_RATE_LIMIT] = "rate limit",
    };
    return arena_print(mem, "%s: " PRI_STR, name[h->kind], FMT_STR(hold_text(mem, h)));
}

str hold_way_out(struct arena *mem, const struct hold *h)
{
    switch (h->kind) {
    case HOLD_DRAFT:
        return STR("it goes on by itself when it is marked ready for review, or somebody with write access "
                   "dispatches anyway");
    case HOLD_RAPID_PUSH:
        return STR("somebody with write access resumes dispatches, and then only the newest commit goes");
    case HOLD_THRESHOLD:
        return STR("somebody with write access dispatches anyway, or the threshold is raised");
    case HOLD_RATE_LIMIT:
        if (h->never_fits)
            return STR("it is larger than the safe budget can ever be: somebody with write access lets it go "
                       "in dependency levels");
        if (!h->until_ms)
            return STR("it goes on by itself as soon as the budget has room for the whole batch");
        return arena_print(mem, "it goes on by itself after " PRI_STR
                           ", as soon as the budget has room for the whole batch",
                           FMT_STR(clock_text(mem, h->until_ms, h->since_ms)));
    case HOLD_KIND_COUNT:
        break;
    }
    return STR("");
}

str hold_control(struct arena *mem, const struct hold *h)
{
    switch (h->kind) {
    case HOLD_DRAFT:
        return STR("Dispatch anyway");
    case HOLD_RAPID_PUSH:
        return STR("Resume dispatches");
    case HOLD_THRESHOLD:
        return arena_print(mem, "Dispatch all " PRI_STR " anyway", FMT_STR(stacks(mem, h->dispatches)));
    case HOLD_RATE_LIMIT:
        return h->never_fits ? STR("Dispatch in dependency levels") : STR("");
    case HOLD_KIND_COUNT:
        break;
    }
    return STR("");
}
