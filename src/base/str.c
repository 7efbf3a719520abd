#include "base/str.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool str_eq_nocase_(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

int str_cmp(str a, str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c != 0)
        return c < 0 ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

bool str_has(str s, str part)
{
    return part.len == 0 || (s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL);
}

bool str_has_nocase(str s, str part)
{
    for (size_t i = 0; i + part.len <= s.len; i++)
        if (str_eq_nocase(str_sub(s, i, i + part.len), part))
            return true;
    return false;
}

size_t str_find(str s, char c, size_t from)
{
    if (from >= s.len)
        return s.len;
    const char *at = memchr(s.ptr + from, c, s.len - from);
    return at ? (size_t)(at - s.ptr) : s.len;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

str str_trim(str s)
{
    size_t from = 0, to = s.len;
    while (from < to && is_space(s.ptr[from]))
        from++;
    while (to > from && is_space(s.ptr[to - 1]))
        to--;
    return str_sub(s, from, to);
}

str str_cut(str s, char sep, str *rest)
{
    size_t at = str_find(s, sep, 0);
    *rest = at < s.len ? str_sub(s, at + 1, s.len) : STR_NONE;
    return str_sub(s, 0, at);
}

str str_after_last(str s, char sep)
{
    const char *at = s.len ? memrchr(s.ptr, sep, s.len) : NULL;
    return at ? (str){ at + 1, (size_t)(s.ptr + s.len - at) - 1 } : s;
}

bool str_to_i64(str s, int64_t min, int64_t max, int64_t *out)
{
    bool minus = s.len > 0 && s.ptr[0] == '-';
    if (s.len == (minus ? 1u : 0u))
        return false;
    /* Built downwards, because the negative side is the longer one. */
    int64_t n = 0;
    for (size_t i = minus ? 1 : 0; i < s.len; i++) {
        int digit = s.ptr[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)digit, &n))
            return false;
    }
    if (!minus && __builtin_sub_overflow((int64_t)0, n, &n))
        return false;
    if (n < min || n > max)
        return false;
    *out = n;
    return true;
}

/* Length of the valid sequence at p, 0 when there is none (Unicode 15, table 3-7). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char a = p[0];
    if (a < 0x80)
        return 1;
    if (a < 0xc2 || a > 0xf4)
        return 0;
    size_t n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (left < n)
        return 0;
    unsigned char low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    unsigned char high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

str str_digits(char to[DIGITS_MAX], int64_t n)
{
    size_t at = DIGITS_MAX;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        to[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (n < 0)
        to[--at] = '-';
    return (str){ to + at, DIGITS_MAX - at };
}

bool str_is_utf8(str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        uint64_t eight;
        if (s.len - i >= sizeof eight) {
            memcpy(&eight, p + i, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = sequence(p + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t str_utf8_step(str s, size_t at)
{
    return at < s.len ? sequence((const unsigned char *)s.ptr + at, s.len - at) : 0;
}

uint32_t str_utf8_char(str s, size_t at, size_t step)
{
    static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t c = (unsigned char)s.ptr[at] & lead[step];
    for (size_t i = 1; i < step; i++)
        c = c << 6 | ((unsigned char)s.ptr[at + i] & 0x3f);
    return c;
}

str str_clip(str s, size_t max)
{
    if (s.len <= max)
        return s;
    size_t n = max;
    while (n > 0 && max - n < 4 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
        n--;
    return str_sub(s, 0, n);
}

/* Wraps on purpose: that is what FNV is. */
uint64_t str_hash(str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return h;
}
