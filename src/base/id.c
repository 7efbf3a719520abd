#include "base/id.h"

#include <assert.h>

#include "base/secret.h"

enum { TIME_CHARS = 10, RANDOM_CHARS = 18 };

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static void put_time(char *to, int64_t now_ms)
{
    uint64_t n = (uint64_t)now_ms;
    for (size_t i = TIME_CHARS; i-- > 0; n /= 36)
        to[i] = digits[n % 36];
}

/*
 * Each thread asks the kernel for many bytes at once and forgets each one as it is used. Those from
 * 252 up are thrown away: 36 does not divide 256, and a bias would cost strength.
 */
static void put_random(char *to)
{
    static _Thread_local uint8_t pool[512];
    static _Thread_local size_t at = sizeof pool;
    for (size_t i = 0; i < RANDOM_CHARS;) {
        if (at == sizeof pool) {
            random_bytes(pool, sizeof pool);
            at = 0;
        }
        uint8_t b = pool[at];
        pool[at++] = 0;
        if (b < 252)
            to[i++] = digits[b % 36];
    }
}

str id_new(struct arena *mem, const char *prefix, int64_t now_ms)
{
    assert(now_ms >= 0);
    size_t n = strlen(prefix);
    char *p = arena_take(mem, n + TIME_CHARS + RANDOM_CHARS + 1, 1);
    memcpy(p, prefix, n);
    put_time(p + n, now_ms);
    put_random(p + n + TIME_CHARS);
    return (str){ p, n + TIME_CHARS + RANDOM_CHARS };
}

str id_least(struct arena *mem, const char *prefix, int64_t now_ms)
{
    assert(now_ms >= 0);
    size_t n = strlen(prefix);
    char *p = arena_take(mem, n + TIME_CHARS + 1, 1);
    memcpy(p, prefix, n);
    put_time(p + n, now_ms);
    return (str){ p, n + TIME_CHARS };
}

bool id_valid(str id, const char *prefix)
{
    str head = str_of(prefix);
    if (!str_starts(id, head) || id.len != head.len + TIME_CHARS + RANDOM_CHARS)
        return false;
    for (size_t i = head.len; i < id.len; i++)
        if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'z')))
            return false;
    return true;
}
