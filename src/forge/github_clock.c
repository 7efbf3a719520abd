/*
 * The forge's clock, which its `date` header shows: it may be hours away from ours. By it go the
 * App's tokens, the ends of windows, and searches by time.
 */
#include "base/rfc3339.h"
#include "forge/inside.h"

enum {
    STEP_MS = 2 * 1000,                 /* `date` has whole seconds, and takes its time to come */
    SANE_MS = 26 * 60 * 60 * 1000,
};

static bool has_shape(str s, str shape)
{
    for (size_t i = 0; i < s.len; i++) {
        bool digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        if (shape.ptr[i] == '0' ? !digit : shape.ptr[i] == 'a' ? digit : s.ptr[i] != shape.ptr[i])
            return false;
    }
    return true;
}

bool http_date_read(str s, int64_t *utc_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] = "0000-00-00T00:00:00Z";
    int month = 0;
    str shape = STR("aaa, 00 aaa 0000 00:00:00 GMT");
    if (s.len != shape.len || !has_shape(s, shape))
        return false;
    while (month < 12 && memcmp(months + 3 * month, s.ptr + 8, 3) != 0)
        month++;
    memcpy(text, s.ptr + 12, 4);
    text[5] = (char)('0' + (month + 1) / 10);
    text[6] = (char)('0' + (month + 1) % 10);
    memcpy(text + 8, s.ptr + 5, 2);
    memcpy(text + 11, s.ptr + 17, 8);
    return month < 12 && rfc3339_read(str_of(text), utc_ms);
}

void clock_learn(struct github *g, const struct http_answer *a)
{
    int64_t there_ms, now_ms = g->now_ms(g->now_self);
    if (!http_date_read(str_trim(http_answer_header(a, STR("date"))), &there_ms))
        return;
    int64_t ahead_ms = there_ms + 500 - now_ms, step_ms = ahead_ms - g->ahead_ms;
    if (ahead_ms < -SANE_MS || ahead_ms > SANE_MS)
        return;
    g->clock_known = true;
    if (step_ms < -STEP_MS || step_ms > STEP_MS)
        g->ahead_ms = ahead_ms >= -STEP_MS && ahead_ms <= STEP_MS ? 0 : ahead_ms;
}

int64_t clock_there_ms(const struct github *g) { return g->now_ms(g->now_self) + g->ahead_ms; }

int64_t clock_ours_ms(const struct github *g, int64_t there_ms)
{
    return there_ms ? there_ms - g->ahead_ms : 0;
}
