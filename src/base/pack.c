#include "base/pack.h"

#include <stdlib.h>
#include <zstd.h>

/* The first byte tells the form. */
enum { FORM_PLAIN = 0, FORM_ZSTD = 1, SMALL_BYTES = 128, LEVEL = 1 };

static str plain_form(struct arena *mem, str plain)
{
    char *p = arena_take(mem, plain.len + 1, 1);
    p[0] = FORM_PLAIN;
    if (plain.len)
        memcpy(p + 1, plain.ptr, plain.len);
    return (str){ p, plain.len + 1 };
}

/* The worst case of zstd is larger than its input, so the work is done beside the arena and only
 * the result goes in. */
str pack(struct arena *mem, str plain)
{
    if (plain.len <= SMALL_BYTES)
        return plain_form(mem, plain);
    size_t bound = ZSTD_compressBound(plain.len);
    char *work = malloc(bound);
    if (!work)
        abort();
    size_t n = ZSTD_compress(work, bound, plain.ptr, plain.len, LEVEL);
    str out;
    if (ZSTD_isError(n) || n >= plain.len) {
        out = plain_form(mem, plain);
    } else {
        char *p = arena_take(mem, n + 1, 1);
        p[0] = FORM_ZSTD;
        memcpy(p + 1, work, n);
        out = (str){ p, n + 1 };
    }
    free(work);
    return out;
}

bool unpack(struct arena *mem, str packed, size_t max, str *plain, struct err *e)
{
    if (packed.len == 0 || (packed.ptr[0] != FORM_PLAIN && packed.ptr[0] != FORM_ZSTD))
        return fail(e, ERR_INTERNAL,
                    "a stored body is damaged: its first byte names no known form");
    str body = str_sub(packed, 1, packed.len);
    bool zstd = packed.ptr[0] == FORM_ZSTD;
    unsigned long long n = zstd ? ZSTD_getFrameContentSize(body.ptr, body.len) : body.len;
    if (n == ZSTD_CONTENTSIZE_ERROR || n == ZSTD_CONTENTSIZE_UNKNOWN)
        return fail(e, ERR_INTERNAL, "a stored body is damaged: it has no zstd header");
    if (n > max)
        return fail(e, ERR_LIMIT, "a stored body has %llu bytes, at most %zu are read here", n,
                    max);
    if (!zstd) {
        *plain = arena_copy(mem, body);
        return true;
    }
    char *out = arena_take(mem, (size_t)n + 1, 1);
    size_t got = ZSTD_decompress(out, (size_t)n, body.ptr, body.len);
    if (ZSTD_isError(got) || got != n)
        return fail(e, ERR_INTERNAL, "a stored body is damaged: %s",
                    ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it is shorter than it says");
    *plain = (str){ out, got };
    return true;
}
