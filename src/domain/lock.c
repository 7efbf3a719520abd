#include "domain/lock.h"

#include "base/rfc3339.h"

enum { ACTOR_BYTES_MAX = 60 };

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Where the third part of a key of at least four begins; 0 when it has fewer. */
static size_t head_len(str key)
{
    size_t slash = 0, end = 0;
    for (size_t i = 0; i < key.len && slash < 3; i++) {
        if (key.ptr[i] == '/' && ++slash == 2)
            end = i + 1;
    }
    return slash == 3 ? end : 0;
}

static str fold_head(struct arena *mem, str key, size_t head)
{
    char *out = arena_take(mem, key.len + 1, 1);
    for (size_t i = 0; i < key.len; i++)
        out[i] = i < head ? lower(key.ptr[i]) : key.ptr[i];
    return (str){ out, key.len };
}

bool lock_key_fold(struct arena *mem, str key, str *folded, struct err *e)
{
    if (key.len == 0)
        return fail(e, ERR_INVALID, "the lock's key is empty; give owner/repo/stack/component");
    if (key.len > LOCK_KEY_BYTES_MAX)
        return fail(e, ERR_INVALID, "the lock's key has %zu bytes; at most %d are allowed", key.len,
                    LOCK_KEY_BYTES_MAX);
    for (size_t i = 0; i < key.len; i++)
        if (is_control(key.ptr[i]))
            return fail(e, ERR_INVALID,
                        "the lock's key has a control character at byte %zu; remove it", i + 1);
    if (!str_is_utf8(key))
        return fail(e, ERR_INVALID, "the lock's key is not UTF-8 text");
    *folded = fold_head(mem, key, head_len(key));
    return true;
}

str lock_key_of(struct arena *mem, str owner, str repo, str stack, str component)
{
    str key = arena_print(mem, PRI_STR "/" PRI_STR "/" PRI_STR "/" PRI_STR, FMT_STR(owner),
                          FMT_STR(repo), FMT_STR(stack), FMT_STR(component));
    return fold_head(mem, key, owner.len + 1 + repo.len);
}

bool lock_ttl_check(int64_t ttl_s, struct err *e)
{
    if (ttl_s < LOCK_TTL_MIN_S || ttl_s > LOCK_TTL_MAX_S)
        return fail(e, ERR_INVALID,
                    "a lock's time to live must be between %d and %d seconds (30 days), got %lld",
                    LOCK_TTL_MIN_S, LOCK_TTL_MAX_S, (long long)ttl_s);
    return true;
}

str lock_words(struct arena *mem, str actor, int64_t expires_ms, str message,
               size_t message_bytes_max)
{
    return arena_print(mem, "%s" PRI_STR " until " PRI_STR "%s" PRI_STR, actor.len ? " by " : "",
                       FMT_STR(str_clip(actor, ACTOR_BYTES_MAX)),
                       FMT_STR(rfc3339_write(mem, expires_ms)), message.len ? ": " : "",
                       FMT_STR(str_clip(message, message_bytes_max)));
}
