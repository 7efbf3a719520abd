#include "base/buf.h"

#include <stdio.h>

void buf_init(struct buf *b, struct arena *mem, size_t max)
{
    *b = (struct buf){ .mem = mem, .max = max };
}

bool buf_room_(struct buf *b, size_t n)
{
    if (b->over || n > b->max - b->len) {
        b->over = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need && !__builtin_mul_overflow(cap, (size_t)2, &cap))
        ;
    if (cap > b->max && b->max < SIZE_MAX)
        cap = b->max + 1;
    b->ptr = arena_grow(b->mem, b->ptr, b->cap, cap, 1);
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, str s)
{
    if (s.len == 0 || !buf_room(b, s.len))
        return;
    memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
}

void buf_i64(struct buf *b, int64_t n)
{
    char digits[DIGITS_MAX];
    buf_add(b, str_digits(digits, n));
}

void buf_print(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->over = true;
    else if (n > 0 && buf_room(b, (size_t)n)) {
        vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

bool buf_ok(const struct buf *b) { return !b->over; }

str buf_str(const struct buf *b)
{
    if (!b->ptr)
        return STR("");
    b->ptr[b->len] = '\0';
    return (str){ b->ptr, b->len };
}
