/*
 * Limits: what the headers and words of an answer order, who has been told to wait, and what is
 * believed of the numbers (forges.md §2.12). Whoever goes on calling may be banned, so being told
 * is remembered for every call of the same installation. Waiting is measured on our steady clock;
 * the times that GitHub tells are of its own clock (github_clock.c).
 */
#include <stdlib.h>

#include "forge/inside.h"

enum {
    LIMIT_FIRST_MS = 60 * 1000, LIMIT_LAST_MS = 15 * 60 * 1000,
    RESET_SANE_MS = 2 * 60 * 60 * 1000, /* a window is an hour; further away is nonsense */
    RESET_PAST_MS = 5 * 1000,           /* just over: the answer was on its way */
    RETRY_SANE_S = 24 * 60 * 60,
    AFTER_RESET_MS = 1000,
    SAME_WINDOW_MS = 5 * 1000,
    OVERTAKEN_MAX = 100,                /* answers that may come in another order */
};

/* ---- numbers ---- */

static int64_t header_number(const struct http_answer *a, str name, int64_t max)
{
    int64_t n;
    return str_to_i64(str_trim(http_answer_header(a, name)), 0, max, &n) ? n : -1;
}

static int64_t between_ms(int64_t a, int64_t b) { return a > b ? a - b : b - a; }

static bool agrees(const struct quota_word *w, const struct quota_word *said)
{
    return w->limit > 0 && between_ms(w->reset_ms, said->reset_ms) <= SAME_WINDOW_MS &&
           said->remaining <= w->remaining + OVERTAKEN_MAX;
}

/*
 * A window does not end earlier than it was said to, and what is spent does not come back: who says
 * so is not believed until it is said a second time.
 */
static bool is_backwards(struct party *p, const struct quota_word *said, int64_t now_ms)
{
    const struct quota_word *w = &p->quota;
    bool open = w->limit > 0 && w->reset_ms > now_ms;
    bool later = said->reset_ms > w->reset_ms + SAME_WINDOW_MS;
    if (!open || later || agrees(w, said) || agrees(&p->doubt, said)) {
        p->doubt = (struct quota_word){ 0 };
        return false;
    }
    p->doubt = *said;
    return true;
}

void quota_judge(struct job *j, int64_t limit, int64_t remaining, int64_t reset_s, str resource,
                 struct forge_quota *out)
{
    const struct github *g = j->g;
    struct party *p = job_party(j);
    int64_t now_ms = g->now_ms(g->now_self);
    struct quota_word said = { limit, remaining, reset_s * 1000 - g->ahead_ms };
    bool core = !resource.len || str_eq(resource, STR("core"));
    *out = (struct forge_quota){ .said = true, .resource = STR("") };
    if (limit < 1 || remaining < 0 || remaining > limit || reset_s < 0 ||
        said.reset_ms < now_ms - RESET_PAST_MS || said.reset_ms > now_ms + RESET_SANE_MS)
        return;
    if (core && is_backwards(p, &said, now_ms))
        return;
    if (core && between_ms(p->quota.reset_ms, said.reset_ms) <= SAME_WINDOW_MS) {
        said.reset_ms = p->quota.reset_ms;
        p->quota.limit = limit;
        if (remaining < p->quota.remaining || remaining > p->quota.remaining + OVERTAKEN_MAX)
            p->quota.remaining = remaining;
    } else if (core) {
        p->quota = said;
    }
    *out = (struct forge_quota){ .said = true, .known = true, .resource = resource, .limit = limit,
                                 .remaining = remaining, .reset_ms = said.reset_ms };
}

/* ---- what an answer orders ---- */

/* Seconds, or a date of the forge's clock. 0: not said, or nonsense. */
static int64_t retry_after_ms(const struct github *g, const struct http_answer *a)
{
    str text = str_trim(http_answer_header(a, STR("retry-after")));
    int64_t n;
    if (str_to_i64(text, 0, RETRY_SANE_S, &n))
        return n ? n * 1000 : 1000;
    if (!http_date_read(text, &n))
        return 0;
    n -= clock_there_ms(g);
    return n <= 0 ? 1000 : n <= RETRY_SANE_S * INT64_C(1000) ? n : 0;
}

static bool says_secondary(str message)
{
    return str_has_nocase(message, STR("secondary rate limit")) ||
           str_has_nocase(message, STR("abuse"));
}

void limit_read(struct job *j, const struct http_answer *a, str message, struct limit_order *out)
{
    const struct github *g = j->g;
    int64_t remaining = header_number(a, STR("x-ratelimit-remaining"), INT32_MAX);
    int64_t reset_s = header_number(a, STR("x-ratelimit-reset"), INT32_MAX * INT64_C(2));
    int64_t retry_ms = retry_after_ms(g, a);
    int64_t reset_wait_ms = reset_s < 0 ? 0 : reset_s * 1000 - clock_there_ms(g);
    bool refused = a->status == 403 || a->status == 429;
    bool spent = remaining == 0 && reset_wait_ms > 0 && reset_wait_ms <= RESET_SANE_MS;
    *out = (struct limit_order){ .is_limit = false };
    if (a->status < 500)
        quota_judge(j, header_number(a, STR("x-ratelimit-limit"), INT32_MAX), remaining, reset_s,
                    http_answer_header(a, STR("x-ratelimit-resource")), &out->quota);
    bool core = !out->quota.resource.len || str_eq(out->quota.resource, STR("core"));
    if (a->status < 300 && spent && core && out->quota.known)
        out->spent_ms = reset_wait_ms + AFTER_RESET_MS;
    if (!refused)
        return;
    out->is_limit = a->status == 429 || retry_ms || remaining == 0 || says_secondary(message) ||
                    str_has_nocase(message, STR("rate limit"));
    /* The end of the hour's quota says nothing about the pace. */
    out->too_fast = out->is_limit && (remaining != 0 || retry_ms || says_secondary(message));
    if (out->is_limit)
        out->wait_ms = retry_ms ? retry_ms : spent ? reset_wait_ms + AFTER_RESET_MS : 0;
}

bool party_limited(const struct party *p, int64_t steady_ms)
{
    return p->limited_until_ms > steady_ms;
}

int64_t party_told(struct party *p, const struct limit_order *o, bool success, int64_t steady_ms)
{
    if (!o->is_limit) {
        if (success)
            p->strikes = 0;
        if (o->spent_ms && steady_ms + o->spent_ms > p->limited_until_ms)
            p->limited_until_ms = steady_ms + o->spent_ms;
        return 0;
    }
    int64_t wait_ms = o->wait_ms;
    if (!wait_ms) {
        /* Those that were on their way when the first one was refused are no further strikes. */
        if (party_limited(p, steady_ms))
            return p->limited_until_ms;
        wait_ms = LIMIT_FIRST_MS;
        for (unsigned i = 0; i < p->strikes && wait_ms < LIMIT_LAST_MS; i++)
            wait_ms *= 2;
        p->strikes++;
        wait_ms = wait_ms < LIMIT_LAST_MS ? wait_ms : LIMIT_LAST_MS;
    }
    if (steady_ms + wait_ms > p->limited_until_ms)
        p->limited_until_ms = steady_ms + wait_ms;
    return p->limited_until_ms;
}

/* ---- what others were told ---- */

struct hearsay { struct github *g; int64_t installation_id, until_ms; };

static void heard(void *ctx, const struct http_answer *a)
{
    struct hearsay *h = ctx;
    struct github *g = h->g;
    struct party *p = party_of(g, h->installation_id);
    int64_t steady_ms = g->steady_ms(g->now_self);
    int64_t wait_ms = h->until_ms - g->now_ms(g->now_self);
    if (wait_ms > 0 && wait_ms <= RETRY_SANE_S * INT64_C(1000) &&
        steady_ms + wait_ms > p->limited_until_ms)
        p->limited_until_ms = steady_ms + wait_ms;
    line_drain(g, p);
    free(h);
}

void limit_post(struct github *g, int64_t installation_id, int64_t until_ms)
{
    struct hearsay *h = malloc(sizeof *h);
    if (!h)
        abort();
    *h = (struct hearsay){ g, installation_id, until_ms };
    if (!client_post(g, heard, h))
        free(h);
}

/* ---- the quota, asked for ---- */

static int64_t count_of(struct json core, str name)
{
    int64_t n = json_i64_or(json_get(core, name), -1);
    return n >= 0 && n <= INT32_MAX * INT64_C(2) ? n : -1;
}

static void quota_take(struct job *j, const struct reply *r)
{
    struct json core = json_path(r->body, "resources.core");
    if (r->status == 404) {                 /* Enterprise Servers keep no limits unless told to */
        job_ok(j, STR("{\"unlimited\":true}"));
        return;
    }
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    if (json_kind(core) != JSON_OBJECT) {
        job_garbage(j, r->status, "a quota");
        return;
    }
    quota_judge(j, count_of(core, STR("limit")), count_of(core, STR("remaining")),
                count_of(core, STR("reset")), STR("core"), &j->quota);
    result_begin(j);
    if (j->quota.known) {
        json_field_i64(&j->out, STR("limit"), j->quota.limit);
        json_field_i64(&j->out, STR("remaining"), j->quota.remaining);
        json_field_i64(&j->out, STR("reset_ms"), j->quota.reset_ms);
    }
    result_end(j);
}

void begin_read_quota(struct job *j)
{
    job_send(j, HTTP_GET, STR("/rate_limit"), STR_NONE, quota_take);
}
