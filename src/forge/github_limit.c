/*
 * Limits: what the headers and words of an answer order, and who has been told to wait
 * (forges.md §2.12). Whoever goes on calling may be banned, so being told is remembered for every
 * call of the same installation.
 */
#include "forge/inside.h"

static int64_t header_number(const struct http_answer *a, str name, int64_t max)
{
    int64_t n;
    return str_to_i64(str_trim(http_answer_header(a, name)), 0, max, &n) ? n : -1;
}

static void quota_read(const struct http_answer *a, int64_t now_ms, struct forge_quota *q)
{
    q->limit = header_number(a, STR("x-ratelimit-limit"), INT32_MAX);
    q->remaining = header_number(a, STR("x-ratelimit-remaining"), INT32_MAX);
    int64_t reset_s = header_number(a, STR("x-ratelimit-reset"), INT32_MAX * INT64_C(2));
    q->reset_ms = reset_s < 0 ? -1 : reset_s * 1000;
    q->resource = http_answer_header(a, STR("x-ratelimit-resource"));
    q->known = q->limit > 0 && q->remaining >= 0 && q->remaining <= q->limit &&
               q->reset_ms > now_ms - LIMIT_FIRST_MS && q->reset_ms <= now_ms + RESET_SANE_MS;
    if (!q->known)
        *q = (struct forge_quota){ .known = false, .resource = STR("") };
}

static bool says_limit(str message)
{
    return str_has_nocase(message, STR("secondary rate limit")) ||
           str_has_nocase(message, STR("abuse")) || str_has_nocase(message, STR("rate limit"));
}

void limit_read(const struct http_answer *a, str message, int64_t now_ms, struct limit_order *out)
{
    *out = (struct limit_order){ .is_limit = false };
    quota_read(a, now_ms, &out->quota);
    int64_t remaining = header_number(a, STR("x-ratelimit-remaining"), INT32_MAX);
    int64_t reset_s = header_number(a, STR("x-ratelimit-reset"), INT32_MAX * INT64_C(2));
    int64_t retry_s = header_number(a, STR("retry-after"), RETRY_SANE_S);
    bool reset_sane =
        reset_s >= 0 && reset_s * 1000 > now_ms && reset_s * 1000 <= now_ms + RESET_SANE_MS;
    bool spent = remaining == 0 && reset_sane;

    bool core = !out->quota.resource.len || str_eq(out->quota.resource, STR("core"));
    if (a->status < 300 && spent && core && out->quota.known)
        out->spent_until_ms = reset_s * 1000 + 1000;
    if (a->status != 403 && a->status != 429)
        return;
    out->is_limit = a->status == 429 || retry_s >= 0 || remaining == 0 || says_limit(message);
    if (out->is_limit && retry_s >= 0)
        out->until_ms = now_ms + (retry_s ? retry_s * 1000 : 1000);
    else if (out->is_limit && spent)
        out->until_ms = reset_s * 1000 + 1000;
}

bool party_limited(const struct party *p, int64_t now_ms) { return p->limited_until_ms > now_ms; }

int64_t party_told(struct party *p, const struct limit_order *o, bool success, int64_t now_ms)
{
    if (!o->is_limit) {
        if (success)
            p->strikes = 0;
        if (o->spent_until_ms > p->limited_until_ms)
            p->limited_until_ms = o->spent_until_ms;
        return 0;
    }
    int64_t until_ms = o->until_ms;
    if (!until_ms) {
        /* Those that were on their way when the first one was refused are no further strikes. */
        if (party_limited(p, now_ms))
            return p->limited_until_ms;
        int64_t wait_ms = LIMIT_FIRST_MS;
        for (unsigned i = 0; i < p->strikes && wait_ms < LIMIT_LAST_MS; i++)
            wait_ms *= 2;
        p->strikes++;
        until_ms = now_ms + (wait_ms < LIMIT_LAST_MS ? wait_ms : LIMIT_LAST_MS);
    }
    if (until_ms > p->limited_until_ms)
        p->limited_until_ms = until_ms;
    return p->limited_until_ms;
}
