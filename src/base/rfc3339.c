#include "base/rfc3339.h"

enum { DAY_MS = 86400000 };

/* Days since 1970-01-01 of a civil date, and back: Howard Hinnant's method, eras of 400 years
 * starting in March. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
    days += 719468;
    int64_t era = days / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

static const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */

/* At most four: the parts of a time. */
static void put_digits(char *to, int64_t n, size_t width)
{
    uint32_t left = (uint32_t)n;
    for (size_t i = width; i-- > 0; left /= 10)
        to[i] = (char)('0' + left % 10);
}

struct rfc3339_parts rfc3339_parts(int64_t utc_ms)
{
    if (utc_ms < 0)
        utc_ms = 0;
    if (utc_ms > last_ms)
        utc_ms = last_ms;
    struct rfc3339_parts t;
    int64_t s = utc_ms % DAY_MS / 1000;
    date_of(utc_ms / DAY_MS, &t.year, &t.month, &t.day);
    t.hour = s / 3600;
    t.minute = s / 60 % 60;
    t.second = s % 60;
    return t;
}

/* Clamped, not asserted: a time from a forge's payload must not be able to stop the process. */
str rfc3339_write(struct arena *mem, int64_t utc_ms)
{
    struct rfc3339_parts t = rfc3339_parts(utc_ms);
    char *p = arena_take(mem, sizeof "0000-00-00T00:00:00Z", 1);
    memcpy(p, "0000-00-00T00:00:00Z", sizeof "0000-00-00T00:00:00Z");
    put_digits(p, t.year, 4);
    put_digits(p + 5, t.month, 2);
    put_digits(p + 8, t.day, 2);
    put_digits(p + 11, t.hour, 2);
    put_digits(p + 14, t.minute, 2);
    put_digits(p + 17, t.second, 2);
    return (str){ p, sizeof "0000-00-00T00:00:00Z" - 1 };
}

/* Exactly `width` digits at *at. */
static bool digits(str s, size_t *at, size_t width, int64_t *out)
{
    int64_t n = 0;
    if (s.len - *at < width)
        return false;
    for (size_t i = 0; i < width; i++) {
        char c = s.ptr[(*at)++];
        if (c < '0' || c > '9')
            return false;
        n = n * 10 + (c - '0');
    }
    *out = n;
    return true;
}

static bool one_of(str s, size_t *at, const char *set)
{
    if (*at >= s.len || s.ptr[*at] == '\0' || !strchr(set, s.ptr[*at]))
        return false;
    (*at)++;
    return true;
}

static int64_t days_in(int64_t y, int64_t m)
{
    static const int64_t table[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    return m == 2 && leap ? 29 : table[m - 1];
}

/* ".123456" → 123; nothing there → 0. */
static bool fraction_ms(str s, size_t *at, int64_t *ms)
{
    *ms = 0;
    if (!one_of(s, at, "."))
        return true;
    size_t from = *at;
    int64_t unit = 100;
    for (; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9'; (*at)++, unit /= 10)
        *ms += (s.ptr[*at] - '0') * unit;
    return *at > from;
}

static bool offset_min(str s, size_t *at, int64_t *minutes)
{
    *minutes = 0;
    if (one_of(s, at, "Zz"))
        return true;
    bool west = *at < s.len && s.ptr[*at] == '-';
    int64_t h, m;
    if (!one_of(s, at, "+-") || !digits(s, at, 2, &h) || !one_of(s, at, ":") ||
        !digits(s, at, 2, &m))
        return false;
    *minutes = (h * 60 + m) * (west ? -1 : 1);
    return h < 24 && m < 60;
}

bool rfc3339_read(str s, int64_t *utc_ms)
{
    size_t at = 0;
    int64_t y, mo, d, h, mi, sec, ms, off;
    if (!digits(s, &at, 4, &y) || !one_of(s, &at, "-") || !digits(s, &at, 2, &mo) ||
        !one_of(s, &at, "-") || !digits(s, &at, 2, &d) || !one_of(s, &at, "Tt ") ||
        !digits(s, &at, 2, &h) || !one_of(s, &at, ":") || !digits(s, &at, 2, &mi) ||
        !one_of(s, &at, ":") || !digits(s, &at, 2, &sec) || !fraction_ms(s, &at, &ms) ||
        !offset_min(s, &at, &off) || at != s.len)
        return false;
    /* A leap second is taken for the second before it: our clock has none. */
    if (mo < 1 || mo > 12 || d < 1 || d > days_in(y, mo) || h > 23 || mi > 59 || sec > 60)
        return false;
    sec = sec == 60 ? 59 : sec;
    int64_t t = days_of(y, mo, d) * DAY_MS + ((h * 60 + mi - off) * 60 + sec) * 1000 + ms;
    if (t < 0 || t > last_ms)
        return false;
    *utc_ms = t;
    return true;
}

static bool unit_of(str suffix, int64_t plain_ms, int64_t *unit_ms)
{
    static const struct { str name; int64_t ms; } units[] = {
        { STR_INIT("ms"), 1 },        { STR_INIT("s"), 1000 },     { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },   { STR_INIT("d"), DAY_MS },
    };
    *unit_ms = plain_ms;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_eq(suffix, units[i].name)) {
            *unit_ms = units[i].ms;
            return true;
        }
    return suffix.len == 0;
}

bool duration_read(str s, int64_t unit_ms, int64_t *out_ms)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    int64_t number, unit, product;
    if (!str_to_i64(str_sub(s, 0, n), 0, INT64_MAX, &number) ||
        !unit_of(str_sub(s, n, s.len), unit_ms, &unit) ||
        __builtin_mul_overflow(number, unit, &product))
        return false;
    *out_ms = product;
    return true;
}

str duration_write(struct arena *mem, int64_t ms)
{
    long long s = ms < 0 ? 0 : ms / 1000, min = s / 60, h = min / 60, d = h / 24;
    if (s < 60)
        return arena_print(mem, "%llds", s);
    if (min < 60)
        return arena_print(mem, "%lld min", min);
    if (h < 24)
        return min % 60 ? arena_print(mem, "%lld h %lld min", h, min % 60)
                        : arena_print(mem, "%lld h", h);
    return h % 24 ? arena_print(mem, "%lld d %lld h", d, h % 24) : arena_print(mem, "%lld d", d);
}
