/*
 * arena: memory that dies together.
 *
 * One arena per unit of work: an HTTP request, a fact, a rendered comment. Everything built for it
 * lives in the arena; nothing is freed one by one, so the work has no cleanup code and cannot leak.
 *
 * Allocation cannot fail from the caller's point of view:
 *   - past `soft` bytes the arena keeps working but remembers it (arena_over), and the caller turns
 *     the finished work into ERR_LIMIT;
 *   - past `hard` bytes, or when malloc fails, the process aborts. State lives in the database,
 *     so a crash is a restart, not a loss.
 *
 * Not thread-safe: an arena belongs to one thread at a time. Never store an arena pointer in
 * anything that outlives the unit of work. Under AddressSanitizer every arena_take is a malloc of
 * its own, so that overruns are found.
 */
#ifndef SIGNALBOX_BASE_ARENA_H
#define SIGNALBOX_BASE_ARENA_H
#include <stdarg.h>
#include "base/str.h"

struct arena;

struct arena *arena_new(size_t soft, size_t hard);
void          arena_free(struct arena *a);          /* NULL is fine */
void          arena_reset(struct arena *a);         /* empty it, keep the first block */
bool          arena_over(const struct arena *a);    /* did it pass `soft`? */
size_t        arena_used(const struct arena *a);    /* bytes handed out since new or reset */
/* before `hard`: parsers of outside bytes look first */
size_t        arena_left(const struct arena *a);

/* Zeroed, aligned for any type, never NULL. Aborts if count * size overflows. */
void *arena_take(struct arena *a, size_t count, size_t size)
    __attribute__((returns_nonnull, alloc_size(2, 3)));
/* Grows an array taken from `a` (copies; the old bytes stay until the arena dies). New bytes are
 * zeroed. */
void *arena_grow(struct arena *a, void *old, size_t old_count, size_t new_count, size_t size)
    __attribute__((returns_nonnull));
#define arena_make(a, T, n) ((T *)arena_take((a), (n), sizeof(T)))

str         arena_copy(struct arena *a, str s);      /* keeps a NUL after the last byte */
const char *arena_z(struct arena *a, str s);         /* a NUL-terminated copy, for libraries */
str arena_print(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
str arena_vprint(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static inline void scope_arena(struct arena **a) { arena_free(*a); }

#endif
