#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SPREAD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SPREAD 1
#endif
#endif
#ifndef ARENA_SPREAD
#define ARENA_SPREAD 0
#endif

enum { FIRST_BLOCK = 8 << 10, LARGEST_BLOCK = 1 << 20, ALIGN = alignof(max_align_t) };

struct block {
    struct block *next;
    size_t        size, used;
    size_t        dirty;        /* bytes below this may be non-zero: what take must clear */
    alignas(max_align_t) char bytes[];
};

struct arena {
    size_t        soft, hard, used;
    size_t        block_size;   /* of the next block */
    struct block *top;          /* newest; the first one is last in the list */
    void         *last;         /* the newest taking, which can still grow where it is */
    struct block *last_block;
};

__attribute__((cold)) static _Noreturn void die(const char *why, size_t n)
{
    fprintf(stderr, "arena: %s (%zu bytes): aborting\n", why, n);
    abort();
}

/* A big block comes from calloc: the kernel's fresh pages are zero already and are not touched
 * twice. */
static struct block *block_new(size_t size, bool zeroed)
{
    size_t whole;
    if (__builtin_add_overflow(size, sizeof(struct block), &whole))
        die("size overflows", size);
    struct block *b = zeroed ? calloc(1, whole) : malloc(whole);
    if (!b)
        die("out of memory", whole);
    b->next = NULL;
    b->size = size;
    b->used = 0;
    b->dirty = zeroed ? 0 : size;
    return b;
}

struct arena *arena_new(size_t soft, size_t hard)
{
    assert(soft <= hard);
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        die("out of memory", sizeof *a);
    a->soft = soft;
    a->hard = hard;
    a->block_size = FIRST_BLOCK;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->top, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void arena_reset(struct arena *a)
{
    struct block *b = a->top;
    while (b && (b->next || ARENA_SPREAD)) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    if (b) {
        if (b->dirty < b->used)
            b->dirty = b->used;
        b->used = 0;
    }
    a->top = b;
    a->used = 0;
    a->last = NULL;
    a->last_block = NULL;
    a->block_size = FIRST_BLOCK;
}

bool   arena_over(const struct arena *a) { return a->used > a->soft; }
size_t arena_used(const struct arena *a) { return a->used; }
size_t arena_left(const struct arena *a) { return a->hard - a->used; }

static void count_in(struct arena *a, size_t n)
{
    if (n > a->hard - a->used)
        die("past the hard limit", n);
    a->used += n;
}

__attribute__((noinline, cold)) static struct block *more_room(struct arena *a, size_t n)
{
    struct block *b = a->top;
    if (ARENA_SPREAD || n > a->block_size / 2) {
        /* Stands behind the current block, so that what is free there stays usable. */
        bool big = n >= LARGEST_BLOCK / 8;
        struct block *own = block_new(n, big);
        if (b && !ARENA_SPREAD) {
            own->next = b->next;
            b->next = own;
        } else {
            own->next = b;
            a->top = own;
        }
        return own;
    }
    struct block *fresh = block_new(a->block_size, false);
    fresh->next = b;
    a->top = fresh;
    if (a->block_size < LARGEST_BLOCK)
        a->block_size *= 2;
    return fresh;
}

static struct block *room_for(struct arena *a, size_t n)
{
    struct block *b = a->top;
    return b && b->size - b->used >= n ? b : more_room(a, n);
}

static size_t rounded(size_t n)
{
    size_t up;
    if (__builtin_add_overflow(n, (size_t)ALIGN - 1, &up))
        die("size overflows", n);
    return up & ~((size_t)ALIGN - 1);
}

/* *dirty: how many of the n bytes may be non-zero. */
static char *take(struct arena *a, size_t n, size_t *dirty)
{
    size_t whole = ARENA_SPREAD ? n : rounded(n);
    count_in(a, whole);
    struct block *b = room_for(a, whole);
    char *p = b->bytes + b->used;
    size_t left = b->used < b->dirty ? b->dirty - b->used : 0;
    *dirty = n < left ? n : left;
    b->used += whole;
    a->last = p;
    a->last_block = b;
    return p;
}

void *arena_take(struct arena *a, size_t count, size_t size)
{
    size_t n, dirty;
    if (__builtin_mul_overflow(count, size, &n))
        die("size overflows", count);
    char *p = take(a, n, &dirty);
    if (dirty)
        memset(p, 0, dirty);
    return p;
}

/* The newest taking may grow without moving when its block has room: buffers live from this. */
static bool grow_in_place(struct arena *a, void *old, size_t old_bytes, size_t new_bytes)
{
    struct block *b = a->last_block;
    if (ARENA_SPREAD || old == NULL || old != a->last)
        return false;
    size_t start = (size_t)((char *)old - b->bytes);
    size_t end;
    if (__builtin_add_overflow(start, rounded(new_bytes), &end) || end > b->size)
        return false;
    if (end > b->used) {
        count_in(a, end - b->used);
        b->used = end;
    }
    memset((char *)old + old_bytes, 0, new_bytes - old_bytes);
    return true;
}

void *arena_grow(struct arena *a, void *old, size_t old_count, size_t new_count, size_t size)
{
    assert(new_count >= old_count);
    size_t old_bytes, new_bytes;
    if (__builtin_mul_overflow(old_count, size, &old_bytes) ||
        __builtin_mul_overflow(new_count, size, &new_bytes))
        die("size overflows", new_count);
    if (grow_in_place(a, old, old_bytes, new_bytes))
        return old;
    void *fresh = arena_take(a, new_count, size);
    if (old_bytes)
        memcpy(fresh, old, old_bytes);
    return fresh;
}

str arena_copy(struct arena *a, str s)
{
    size_t dirty;
    char *p = take(a, s.len + 1, &dirty);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return (str){ p, s.len };
}

const char *arena_z(struct arena *a, str s) { return arena_copy(a, s).ptr; }

str arena_vprint(struct arena *a, const char *fmt, va_list ap)
{
    assert(fmt);
    char few[128];
    size_t dirty;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(few, sizeof few, fmt, ap);
    if (n < 0)
        die("format failed", 0);
    char *p = take(a, (size_t)n + 1, &dirty);
    if ((size_t)n < sizeof few)
        memcpy(p, few, (size_t)n + 1);
    else
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (str){ p, (size_t)n };
}

str arena_print(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str text = arena_vprint(a, fmt, ap);
    va_end(ap);
    return text;
}
