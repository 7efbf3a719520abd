/*
 * buf: growing output over an arena, with a hard maximum. The first overflow sticks; look once, at
 * the end (buf_ok).
 */
#ifndef SIGNALBOX_BASE_BUF_H
#define SIGNALBOX_BASE_BUF_H
#include "base/arena.h"

struct buf {
    struct arena *mem;
    char         *ptr;
    size_t        len, cap, max;
    bool          over;             /* something did not fit into max; ptr[0..len) is still valid */
};

void buf_init(struct buf *b, struct arena *mem, size_t max);
void buf_add(struct buf *b, str s);
/* Room for n more bytes and the NUL; false, and sticky, when the maximum stands against it. */
bool buf_room_(struct buf *b, size_t n);
static inline bool buf_room(struct buf *b, size_t n)
{
    return (n < b->cap - b->len && !b->over) || buf_room_(b, n);
}
static inline void buf_char(struct buf *b, char c)
{
    if (buf_room(b, 1))
        b->ptr[b->len++] = c;
}
void buf_i64(struct buf *b, int64_t n);
void buf_print(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_ok(const struct buf *b);
str  buf_str(const struct buf *b);   /* NUL-terminated view, valid until the next add */

#endif
