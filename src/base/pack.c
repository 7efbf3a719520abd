#include "base/pack.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

/* The first byte tells the form. */
enum { FORM_PLAIN = 0, FORM_ZSTD = 1, SMALL_BYTES = 128 };

static str plain_form(struct arena *mem, str plain)
{
    char *p = arena_take(mem, plain.len + 1, 1);
    p[0] = FORM_PLAIN;
    if (plain.len)
        memcpy(p + 1, plain.ptr, plain.len);
    return (str){ p, plain.len + 1 };
}

/*
 * A context is half a megabyte that has to be cleared before its first use, which costs more than
 * packing a small body. Each thread keeps its own for small bodies; large ones get a new one, so
 * that no thread keeps much.
 */
/* -3: half the time, a third larger */
enum { KEPT_BYTES_MAX = 64 << 10, LEVEL_SMALL = -3, LEVEL_LARGE = 1 };

struct kept { ZSTD_CCtx *pack; ZSTD_DCtx *unpack; };

static pthread_key_t  kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void kept_free(void *p)
{
    struct kept *k = p;
    ZSTD_freeCCtx(k->pack);
    ZSTD_freeDCtx(k->unpack);
    free(k);
}

static void kept_start(void)
{
    if (pthread_key_create(&kept_key, kept_free))
        abort();
}

static struct kept *kept(void)
{
    pthread_once(&kept_once, kept_start);
    struct kept *k = pthread_getspecific(kept_key);
    if (k)
        return k;
    k = calloc(1, sizeof *k);
    if (!k || pthread_setspecific(kept_key, k))
        abort();
    return k;
}

static size_t compress(char *to, size_t room, str plain)
{
    if (plain.len > KEPT_BYTES_MAX)
        return ZSTD_compress(to, room, plain.ptr, plain.len, LEVEL_LARGE);
    struct kept *k = kept();
    if (!k->pack && !(k->pack = ZSTD_createCCtx()))
        abort();
    return ZSTD_compressCCtx(k->pack, to, room, plain.ptr, plain.len, LEVEL_SMALL);
}

static size_t decompress(char *to, size_t room, str packed)
{
    if (room > KEPT_BYTES_MAX)
        return ZSTD_decompress(to, room, packed.ptr, packed.len);
    struct kept *k = kept();
    if (!k->unpack && !(k->unpack = ZSTD_createDCtx()))
        abort();
    return ZSTD_decompressDCtx(k->unpack, to, room, packed.ptr, packed.len);
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
    size_t n = compress(work, bound, plain);
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
    size_t got = decompress(out, (size_t)n, body);
    if (ZSTD_isError(got) || got != n)
        return fail(e, ERR_INTERNAL, "a stored body is damaged: %s",
                    ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it is shorter than it says");
    *plain = (str){ out, got };
    return true;
}
