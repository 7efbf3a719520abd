/*
 * json_tape: the inside of a parsed document, known to json.c (which writes it) and json_read.c
 * (which reads it) alone.
 */
#ifndef SIGNALBOX_BASE_JSON_TAPE_H
#define SIGNALBOX_BASE_JSON_TAPE_H
#include "base/json.h"

/*
 * The tape. One 64-bit entry a scalar or key, two a container, in source order:
 *
 *     kind:4 | escaped:1 | unused:3 | length or end:28 | offset:28
 *
 * `offset` points into the source text (after the quote for strings). For containers the 28 bits
 * hold the tape index after the last descendant, which makes skipping one step; their second entry
 * is count:28 | source end:28. While a container is open, its second entry holds count:28 |
 * parent:28, so that the parser needs no stack.
 */
enum { TAPE_BITS = 28, TAPE_TEXT_MAX = (1 << TAPE_BITS) - 16 };
#define TAPE_FIELD   (((uint64_t)1 << TAPE_BITS) - 1)
#define TAPE_ESCAPED ((uint64_t)1 << 59)

enum tape_kind {
    TAPE_NULL = 1,
    TAPE_FALSE,
    TAPE_TRUE,
    TAPE_NUMBER,
    TAPE_STRING,
    TAPE_ARRAY,
    TAPE_OBJECT
};

struct json_doc {
    str             text;
    const uint64_t *tape;
    uint32_t        count;
};

static inline uint64_t tape_entry(enum tape_kind k, uint64_t high, uint64_t low)
{
    return (uint64_t)k << 60 | high << TAPE_BITS | low;
}
static inline enum tape_kind tape_kind_of(uint64_t e) { return (enum tape_kind)(e >> 60); }
static inline uint32_t tape_high(uint64_t e) { return (uint32_t)(e >> TAPE_BITS & TAPE_FIELD); }
static inline uint32_t tape_low(uint64_t e) { return (uint32_t)(e & TAPE_FIELD); }
static inline bool tape_is_container(uint64_t e) { return tape_kind_of(e) >= TAPE_ARRAY; }
static inline uint32_t tape_after(const uint64_t *tape, uint32_t at)
{
    return tape_is_container(tape[at]) ? tape_high(tape[at]) : at + 1;
}

/* Scalars and keys only. */
static inline str tape_text(const unsigned char *text, uint64_t e)
{
    return (str){ (const char *)text + tape_low(e), tape_high(e) };
}

/* The text of a string with escapes, which the parser has checked. */
str json_decode(struct arena *mem, str raw);
/* Four hex digits at p; -1 when they are not. */
int32_t json_hex4(const unsigned char *p, const unsigned char *end);

#endif
