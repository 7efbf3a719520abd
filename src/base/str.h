/*
 * str: borrowed text with a length. The only string type below the edges.
 *
 * A str does not own its bytes and need not end in NUL; whoever made the bytes says how long they
 * live (usually: as long as the arena). The empty str is { NULL, 0 } or any pointer with len 0.
 */
#ifndef SIGNALBOX_BASE_STR_H
#define SIGNALBOX_BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct str {
    const char *ptr;
    size_t      len;
} str;

#define STR(literal)       ((str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)  { "" literal, sizeof(literal) - 1 }
#define STR_NONE           ((str){ NULL, 0 })
#define PRI_STR            "%.*s"
#define FMT_STR(s) \
    ((s).len > INT32_MAX ? INT32_MAX : (int)(s).len), ((s).ptr ? (s).ptr : "")

static inline str str_of(const char *z) { return (str){ z, z ? strlen(z) : 0 }; }

static inline bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
bool str_eq_nocase_(const char *a, const char *b, size_t len);
static inline bool str_eq_nocase(str a, str b)      /* ASCII letters only */
{
    return a.len == b.len && str_eq_nocase_(a.ptr, b.ptr, a.len);
}
int  str_cmp(str a, str b);                 /* bytewise, like memcmp, shorter first */
static inline bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
bool str_ends(str s, str suffix);
bool str_has(str s, str part);
bool str_has_nocase(str s, str part);
/* Index of the first `c` at or after `from`; s.len when there is none. */
size_t str_find(str s, char c, size_t from);
/* Bytes [from, to), clamped to s. */
static inline str str_sub(str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return (str){ s.ptr ? s.ptr + from : NULL, to - from };
}
str  str_trim(str s);                       /* blanks, tabs, CR, LF at both ends */
/* Cuts at the first `sep`: returns what stands before it, leaves what stands after it in *rest
 * (empty when there is no sep, and *rest is then empty with a NULL pointer). */
str  str_cut(str s, char sep, str *rest);
/* After the last `sep`; all of s when there is none. */
str  str_after_last(str s, char sep);
/* Decimal, an optional leading minus, nothing else. False when malformed or outside [min, max]. */
bool str_to_i64(str s, int64_t min, int64_t max, int64_t *out);
/* Decimal digits of n, written at the end of `to`; borrowed from it. */
enum { DIGITS_MAX = 20 };
str  str_digits(char to[DIGITS_MAX], int64_t n);
bool str_is_utf8(str s);                    /* valid UTF-8, surrogates and overlong forms refused */
/* Length of the valid UTF-8 sequence that starts at `at`; 0 when there is none or s ends there. */
size_t str_utf8_step(str s, size_t at);
/* The code point of the well-formed sequence of `step` bytes at `at`. */
uint32_t str_utf8_char(str s, size_t at, size_t step);
/* At most `max` bytes from the front, cut between characters. */
str  str_clip(str s, size_t max);
uint64_t str_hash(str s);                   /* FNV-1a, for tables in memory only */

#endif
