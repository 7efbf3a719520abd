#include "base/mask.h"

#include <stdlib.h>

#include "base/secret.h"

enum { CODED_LEAST_BYTES = 8, LINE_LEAST_BYTES = 8, HELD_IS_SECRET_BYTES = 8 };

static void *must_grow(void *p, size_t bytes)
{
    void *grown = realloc(p, bytes);
    if (!grown)
        abort();
    return grown;
}

static void keep(struct mask_set *set, str bytes, size_t least)
{
    if (bytes.len < least)
        return;
    if (set->count == set->cap) {
        set->cap = set->cap ? set->cap * 2 : 32;
        set->items = must_grow(set->items, set->cap * sizeof *set->items);
    }
    char *copy = must_grow(NULL, bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    set->items[set->count++] = (struct mask){copy, bytes.len};
}

/*
 * A secret in the middle of something encoded ("user:token") begins at any of three offsets. What
 * does not depend on its neighbours is kept: without the characters that hold bits of them.
 */
static void keep_base64(struct mask_set *set, str secret)
{
    static const size_t lead[] = {0, 2, 3};
    for (size_t offset = 0; offset < 3; offset++) {
        struct arena *mem = arena_new(SIZE_MAX / 2, SIZE_MAX / 2);
        char *shifted = arena_take(mem, offset + secret.len, 1);
        memcpy(shifted + offset, secret.ptr, secret.len);
        str whole = {shifted, offset + secret.len};
        str forms[] = {base64_write(mem, whole), base64url_write(mem, whole)};
        size_t end = whole.len * 8 / 6;
        for (size_t i = 0; i < 2; i++) {
            keep(set, str_sub(forms[i], lead[offset], end), CODED_LEAST_BYTES);
            if (offset == 0)        /* by itself: to the last character, with its padding */
                keep(set, forms[i], CODED_LEAST_BYTES);
            secret_wipe((char *)(uintptr_t)forms[i].ptr, forms[i].len);
        }
        secret_wipe(shifted, whole.len);
        arena_free(mem);
    }
}

static bool needs_percent(unsigned char c)
{
    return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '-' || c == '.' || c == '_' || c == '~');
}

static void keep_percent(struct mask_set *set, str secret)
{
    static const char digits[2][17] = {"0123456789ABCDEF", "0123456789abcdef"};
    for (int kind = 0; kind < 2; kind++) {
        char *to = must_grow(NULL, secret.len * 3 + 1);
        size_t n = 0;
        for (size_t i = 0; i < secret.len; i++) {
            unsigned char c = (unsigned char)secret.ptr[i];
            if (!needs_percent(c)) {
                to[n++] = (char)c;
                continue;
            }
            to[n++] = '%';
            to[n++] = digits[kind][c >> 4];
            to[n++] = digits[kind][c & 15];
        }
        keep(set, (str){to, n}, MASK_LEAST_BYTES);
        secret_wipe(to, n);
        free(to);
    }
}

static void keep_forms(struct mask_set *set, str secret, size_t least)
{
    if (secret.len < least)
        return;
    keep(set, secret, least);
    keep_base64(set, secret);
    keep_percent(set, secret);
}

void mask_add(struct mask_set *set, str secret)
{
    secret = str_trim(secret);
    keep_forms(set, secret, MASK_LEAST_BYTES);
    if (str_find(secret, '\n', 0) == secret.len)
        return;
    for (str rest = secret; rest.len > 0;)
        keep_forms(set, str_trim(str_cut(rest, '\n', &rest)), LINE_LEAST_BYTES);
}

static int mask_cmp(const void *a, const void *b)
{
    const struct mask *x = a, *y = b;
    unsigned char cx = (unsigned char)x->bytes[0], cy = (unsigned char)y->bytes[0];
    if (cx != cy)
        return cx < cy ? -1 : 1;
    if (x->len != y->len)
        return x->len > y->len ? -1 : 1;
    return memcmp(x->bytes, y->bytes, x->len);
}

/* Many forms of a secret are the same bytes: they lie side by side. */
static void drop_doubles(struct mask_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (n > 0 && mask_cmp(&set->items[n - 1], &set->items[i]) == 0) {
            secret_wipe(set->items[i].bytes, set->items[i].len);
            free(set->items[i].bytes);
            continue;
        }
        set->items[n++] = set->items[i];
    }
    set->count = n;
}

void mask_ready(struct mask_set *set)
{
    if (set->count > 0)
        qsort(set->items, set->count, sizeof *set->items, mask_cmp);
    drop_doubles(set);
    size_t at = 0;
    for (size_t b = 0; b < 256; b++) {
        set->start[b] = at;
        while (at < set->count && (unsigned char)set->items[at].bytes[0] == b) {
            if (set->items[at].len > set->longest)
                set->longest = set->items[at].len;
            at++;
        }
    }
    set->start[256] = at;
}

void mask_wipe(struct mask_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        secret_wipe(set->items[i].bytes, set->items[i].len);
    memset(set->start, 0, sizeof set->start);
}

void mask_free(struct mask_set *set)
{
    mask_wipe(set);
    for (size_t i = 0; i < set->count; i++)
        free(set->items[i].bytes);
    free(set->items);
    *set = (struct mask_set){0};
}

struct mask_set mask_of(const str *values, size_t count)
{
    struct mask_set set = { 0 };
    for (size_t i = 0; i < count; i++)
        mask_add(&set, values[i]);
    mask_ready(&set);
    return set;
}

/*
 * What starts at `at`: the length of a secret there, 0 for none. *waits is set when the bytes to
 * come decide it: a longer secret may be about to be, although a shorter one is already there.
 */
static size_t secret_at(const struct mask_set *set, str text, size_t at, bool *waits)
{
    unsigned char first = (unsigned char)text.ptr[at];
    size_t left = text.len - at;
    for (size_t i = set->start[first]; i < set->start[first + 1]; i++) {
        const struct mask *m = &set->items[i];
        size_t n = m->len < left ? m->len : left;
        if (memcmp(m->bytes, text.ptr + at, n) != 0)
            continue;
        if (m->len <= left)
            return m->len;
        *waits = true;
        return 0;
    }
    return 0;
}

/* Returns how much of the text is done; the rest waits for more. */
static size_t scan(const struct mask_set *set, str text, mask_sink *sink, void *to)
{
    size_t plain = 0, at = 0;
    while (at < text.len) {
        bool waits = false;
        size_t n = secret_at(set, text, at, &waits);
        if (waits)
            break;
        if (n == 0) {
            at++;
            continue;
        }
        if (at > plain)
            sink(to, str_sub(text, plain, at));
        sink(to, STR(MASK_TEXT));
        plain = at += n;
    }
    if (at > plain)
        sink(to, str_sub(text, plain, at));
    return at;
}

void mask_feed(struct mask_stream *m, str bytes)
{
    if (m->len == 0) {              /* the usual case: nothing is copied */
        size_t done = scan(m->set, bytes, m->sink, m->to);
        bytes = str_sub(bytes, done, bytes.len);
        if (bytes.len == 0)
            return;
    }
    if (m->cap - m->len < bytes.len) {
        m->cap = m->len + bytes.len + 4096;
        m->held = must_grow(m->held, m->cap);
    }
    memcpy(m->held + m->len, bytes.ptr, bytes.len);
    m->len += bytes.len;
    size_t done = scan(m->set, (str){m->held, m->len}, m->sink, m->to);
    memmove(m->held, m->held + done, m->len - done);
    m->len -= done;
}

/* The secret that the held text is the beginning of will not come whole any more. */
static size_t whole_at_end(const struct mask_set *set, str text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    for (size_t i = set->start[first]; i < set->start[first + 1]; i++) {
        const struct mask *m = &set->items[i];
        if (m->len <= text.len && memcmp(m->bytes, text.ptr, m->len) == 0)
            return m->len;
        if (m->len > text.len && text.len >= HELD_IS_SECRET_BYTES &&
            memcmp(m->bytes, text.ptr, text.len) == 0)
            return text.len;
    }
    return 0;
}

void mask_flush(struct mask_stream *m)
{
    str left = {m->held, m->len};
    while (left.len > 0) {
        size_t n = whole_at_end(m->set, left);
        m->sink(m->to, n > 0 ? STR(MASK_TEXT) : str_sub(left, 0, 1));
        left = str_sub(left, n > 0 ? n : 1, left.len);
        size_t done = left.len > 0 ? scan(m->set, left, m->sink, m->to) : 0;
        left = str_sub(left, done, left.len);
    }
    if (m->held)
        secret_wipe(m->held, m->cap);
    free(m->held);
    m->held = NULL;
    m->len = m->cap = 0;
}

/* Would anything be masked of a text that is all there is? Then only is it copied. */
static bool has_secret(const struct mask_set *set, str text)
{
    for (size_t at = 0; at < text.len; at++) {
        bool waits = false;
        if (secret_at(set, text, at, &waits) > 0 ||
            (waits && whole_at_end(set, str_sub(text, at, text.len)) > 0))
            return true;
    }
    return false;
}

struct copied { char *ptr; size_t len; };

static void add_to_copy(void *to, str text)
{
    struct copied *c = to;
    memcpy(c->ptr + c->len, text.ptr, text.len);
    c->len += text.len;
}

str mask_text(struct arena *mem, const struct mask_set *set, str text)
{
    if (!has_secret(set, text))
        return text;
    /* A mask is never longer than what it stands for. */
    struct copied out = { arena_take(mem, text.len + 1, 1), 0 };
    struct mask_stream m = {.set = set, .sink = add_to_copy, .to = &out};
    mask_feed(&m, text);
    mask_flush(&m);
    return (str){ out.ptr, out.len };
}
