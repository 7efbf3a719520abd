#include "base/json.h"

#include <stdlib.h>

#include "base/json_scan.h"
#include "base/json_tape.h"

enum { FEW_KEYS = 16, SOME_KEYS = 256, PROBES_MAX = 24 };

struct sort_key { uint64_t hash; str key; };

struct parser {
    const unsigned char *text, *p, *end;
    struct arena    *mem;
    uint64_t        *tape;
    uint32_t         count, cap;
    unsigned         depth, depth_max;
    struct sort_key *keys; /* scratch for big objects, malloc: it is gone before parse returns */
    size_t           keys_cap;
    size_t           promised; /* arena bytes that the duplicate check will take for keys */
    struct err      *e;
};

__attribute__((cold)) static void place_of(const struct parser *s, const unsigned char *p,
                                           size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (const unsigned char *q = s->text; q < p; q++) {
        if (*q == '\n') {
            ++*line;
            *column = 1;
        } else if ((*q & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

/* What stands at p, printable, for messages. */
__attribute__((cold)) static const char *seen(const struct parser *s, const unsigned char *p,
                                              char out[16])
{
    if (p >= s->end)
        return "the end of the text";
    static const char hex[] = "0123456789abcdef";
    if (*p > ' ' && *p < 0x7f)
        memcpy(out, (char[]){ '\'', (char)*p, '\'', 0 }, 4);
    else
        memcpy(out, (char[]){ 'b', 'y', 't', 'e', ' ', '0', 'x', hex[*p >> 4], hex[*p & 15], 0 },
               10);
    return out;
}

__attribute__((cold)) static bool bad(struct parser *s, const unsigned char *p,
                                      const char *expected)
{
    size_t line, column;
    char what[16];
    place_of(s, p, &line, &column);
    return fail(s->e, ERR_INVALID, "not valid JSON at line %zu, column %zu: found %s, expected %s",
                line, column, seen(s, p, what), expected);
}

__attribute__((cold)) static bool bad_text(struct parser *s, const unsigned char *p,
                                           const char *why)
{
    size_t line, column;
    place_of(s, p, &line, &column);
    return fail(s->e, ERR_INVALID, "not valid JSON at line %zu, column %zu: %s", line, column, why);
}

/* The arena would abort; what a sender can cause must be an error. */
__attribute__((cold)) static bool too_large(struct parser *s)
{
    return fail(s->e, ERR_LIMIT,
                "the JSON document has too many values for the memory of this request: "
                "send it in smaller parts");
}

__attribute__((noinline, cold)) static bool tape_grow(struct parser *s)
{
    uint32_t cap = s->cap + s->cap / 2 + 64;
    if ((size_t)cap * sizeof *s->tape + s->promised > arena_left(s->mem))
        return too_large(s);
    s->tape = arena_grow(s->mem, s->tape, s->cap, cap, sizeof *s->tape);
    s->cap = cap;
    return true;
}

static inline bool push(struct parser *s, uint64_t entry)
{
    if (__builtin_expect(s->count == s->cap, 0) && !tape_grow(s))
        return false;
    s->tape[s->count++] = entry;
    return true;
}

static inline const unsigned char *skip_blank(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* p stands after "\u". Checks the code point, pairs included, and moves p behind it. */
static bool unicode_escape(struct parser *s, const unsigned char **at)
{
    const unsigned char *p = *at;
    int32_t a = json_hex4(p, s->end);
    if (a < 0)
        return bad_text(s, p, "\\u needs four hexadecimal digits");
    if (a == 0)
        return bad_text(s, p, "\\u0000 is not accepted in strings");
    p += 4;
    if (a >= 0xdc00 && a <= 0xdfff)
        return bad_text(s, *at, "a lone low surrogate is not a character");
    if (a >= 0xd800 && a <= 0xdbff) {
        int32_t b = s->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? json_hex4(p + 2, s->end) : -1;
        if (b < 0xdc00 || b > 0xdfff)
            return bad_text(s, *at, "a high surrogate needs a low one after it");
        p += 6;
    }
    *at = p;
    return true;
}

static bool escape(struct parser *s, const unsigned char **at)
{
    const unsigned char *p = *at + 1;
    if (p >= s->end)
        return bad(s, p, "the rest of an escape");
    switch (*p) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        *at = p + 1;
        return true;
    case 'u':
        *at = p + 1;
        return unicode_escape(s, at);
    default:
        return bad(s, p, "one of \" \\ / b f n r t u after a backslash");
    }
}

/* p stands on the opening quote. */
static inline bool string(struct parser *s, const unsigned char *p)
{
    const unsigned char *from = ++p;
    uint64_t escaped = 0;
    for (;;) {
        p = json_plain(p, s->end);
        if (p >= s->end)
            return bad(s, p, "the end of a string");
        if (__builtin_expect(*p == '"', 1))
            break;
        if (*p == '\\') {
            escaped = TAPE_ESCAPED;
            if (!escape(s, &p))
                return false;
        } else if (*p < ' ') {
            return bad(s, p, "no control character in a string (write it as an escape)");
        } else {
            size_t n = str_utf8_step((str){ (const char *)p, (size_t)(s->end - p) }, 0);
            if (n == 0)
                return bad(s, p, "UTF-8");
            p += n;
        }
    }
    s->p = p + 1;
    return push(s, tape_entry(TAPE_STRING, (uint64_t)(p - from), (uint64_t)(from - s->text)) |
                       escaped);
}

static inline bool is_digit(const unsigned char *p, const unsigned char *end)
{
    return p < end && (unsigned)(*p - '0') < 10;
}

static bool number(struct parser *s, const unsigned char *p)
{
    const unsigned char *from = p, *end = s->end;
    if (*p == '-')
        p++;
    if (!is_digit(p, end))
        return bad(s, p, "a digit");
    if (*p == '0')
        p++;
    else
        while (is_digit(p, end))
            p++;
    if (is_digit(p, end))
        return bad_text(s, p, "a number must not start with 0");
    if (p < end && *p == '.') {
        p++;
        if (!is_digit(p, end))
            return bad(s, p, "a digit after the point");
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            return bad(s, p, "a digit in the exponent");
        while (is_digit(p, end))
            p++;
    }
    s->p = p;
    return push(s, tape_entry(TAPE_NUMBER, (uint64_t)(p - from), (uint64_t)(from - s->text)));
}

static bool word(struct parser *s, const unsigned char *p, const char *name, size_t n,
                 enum tape_kind kind)
{
    if ((size_t)(s->end - p) < n || memcmp(p, name, n) != 0)
        return bad(s, p, "a value");
    s->p = p + n;
    return push(s, tape_entry(kind, n, (uint64_t)(p - s->text)));
}

static bool scalar(struct parser *s, const unsigned char *p)
{
    if (p >= s->end)
        return bad(s, p, "a value");
    switch (*p) {
    case '"':
        return string(s, p);
    case 't':
        return word(s, p, "true", 4, TAPE_TRUE);
    case 'f':
        return word(s, p, "false", 5, TAPE_FALSE);
    case 'n':
        return word(s, p, "null", 4, TAPE_NULL);
    default:
        return *p == '-' || is_digit(p, s->end) ? number(s, p) : bad(s, p, "a value");
    }
}

/* ---- duplicate keys ---- */

static str key_of(const struct parser *s, uint64_t e)
{
    str raw = tape_text(s->text, e);
    return e & TAPE_ESCAPED ? json_decode(s->mem, raw) : raw;
}

__attribute__((cold)) static bool twice(struct parser *s, str key)
{
    const unsigned char *p = (const unsigned char *)key.ptr;
    bool inside = p >= s->text && p < s->end;
    size_t line = 0, column = 0;
    if (inside)
        place_of(s, p - 1, &line, &column);
    key = str_clip(key, 100);
    return inside ? fail(s->e, ERR_INVALID,
                         "not valid JSON at line %zu, column %zu: the key \"" PRI_STR
                         "\" stands twice in one object",
                         line, column, FMT_STR(key))
                  : fail(s->e, ERR_INVALID,
                         "not valid JSON: the key \"" PRI_STR "\" stands twice in one object",
                         FMT_STR(key));
}

static int by_key(const void *x, const void *y)
{
    const struct sort_key *a = x, *b = y;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return str_cmp(a->key, b->key);
}

/* Sorted by hash and then by bytes: n log n whatever the keys are, no sender can make it slow. */
static bool many_keys(struct parser *s, uint32_t at, uint32_t n)
{
    if (n > s->keys_cap) {
        free(s->keys);
        s->keys_cap = (size_t)n + n / 2;
        s->keys = calloc(s->keys_cap, sizeof *s->keys);
        if (!s->keys)
            abort();
    }
    for (uint32_t i = 0; i < n; i++, at = tape_after(s->tape, at + 1)) {
        str key = key_of(s, s->tape[at]);
        s->keys[i] = (struct sort_key){ str_hash(key), key };
    }
    qsort(s->keys, n, sizeof *s->keys, by_key);
    for (uint32_t i = 1; i < n; i++)
        if (by_key(&s->keys[i - 1], &s->keys[i]) == 0)
            return twice(s, s->keys[i].key.ptr > s->keys[i - 1].key.ptr ? s->keys[i].key
                                                                        : s->keys[i - 1].key);
    return true;
}

/* Enough to tell the keys of honest documents apart; for the others see below. */
static uint32_t quick_hash(str key)
{
    uint64_t head = 0, tail = 0;
    size_t n = key.len < 8 ? key.len : 8;
    memcpy(&head, key.ptr, n);
    memcpy(&tail, key.ptr + key.len - n, n);
    uint64_t h = (head ^ (tail << 23 | tail >> 41) ^ key.len) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 40);
}

/* A table on the stack. Keys that were chosen to crowd together are sorted instead. */
static bool some_keys(struct parser *s, uint32_t first, uint32_t n)
{
    str      key[SOME_KEYS];
    uint16_t slot[2 * SOME_KEYS];
    uint32_t mask = 64, at = first, probes = 0;
    while (mask < 2 * n)
        mask *= 2;
    memset(slot, 0, mask * sizeof *slot);
    mask--;
    for (uint32_t i = 0; i < n; i++, at = tape_after(s->tape, at + 1)) {
        key[i] = key_of(s, s->tape[at]);
        uint32_t pos = key[i].len ? quick_hash(key[i]) & mask : 0;
        for (probes = 0; slot[pos]; pos = (pos + 1) & mask) {
            if (str_eq(key[slot[pos] - 1], key[i]))
                return twice(s, key[i]);
            if (++probes > PROBES_MAX)
                return many_keys(s, first, n);
        }
        slot[pos] = (uint16_t)(i + 1);
    }
    return true;
}

static bool few_keys(struct parser *s, uint32_t at, uint32_t n)
{
    str key[FEW_KEYS];
    uint64_t mark[FEW_KEYS];
    for (uint32_t i = 0; i < n; i++, at = tape_after(s->tape, at + 1)) {
        key[i] = key_of(s, s->tape[at]);
        /* Length and outer characters tell nearly all keys apart without touching the rest. */
        const char *p = key[i].ptr;
        size_t len = key[i].len;
        mark[i] = len == 0
                      ? 0
                      : (uint64_t)len << 24 | (uint64_t)(unsigned char)p[0] << 16 |
                            (uint64_t)(unsigned char)p[len / 2] << 8 | (unsigned char)p[len - 1];
        for (uint32_t k = 0; k < i; k++)
            if (mark[k] == mark[i] && str_eq(key[k], key[i]))
                return twice(s, key[i]);
    }
    return true;
}

/* ---- the loop ---- */

static bool open_container(struct parser *s, enum tape_kind kind, uint32_t *container,
                           const unsigned char *p)
{
    if (++s->depth > s->depth_max)
        return fail(s->e, ERR_LIMIT, "the JSON document nests deeper than %u levels", s->depth_max);
    uint32_t at = s->count;
    if (!push(s, tape_entry(kind, 0, (uint64_t)(p - s->text))) || !push(s, (uint64_t)*container))
        return false;
    *container = at;
    s->p = p + 1;
    return true;
}

/* s->p stands behind the closing bracket. */
static bool close_container(struct parser *s, uint32_t *container)
{
    uint32_t at = *container, n = tape_high(s->tape[at + 1]);
    *container = tape_low(s->tape[at + 1]);
    s->tape[at] |= (uint64_t)s->count << TAPE_BITS;
    s->tape[at + 1] = (uint64_t)n << TAPE_BITS | (uint64_t)(s->p - s->text);
    s->depth--;
    if (tape_kind_of(s->tape[at]) == TAPE_ARRAY || n < 2)
        return true;
    if (n <= FEW_KEYS)
        return few_keys(s, at + 2, n);
    return n <= SOME_KEYS ? some_keys(s, at + 2, n) : many_keys(s, at + 2, n);
}

/* A key and its colon; leaves s->p on the value. */
static inline bool member_key(struct parser *s, const unsigned char *p)
{
    if (p >= s->end || *p != '"')
        return bad(s, p, "a key in double quotes");
    if (!string(s, p))
        return false;
    uint64_t key = s->tape[s->count - 1];
    if (__builtin_expect((key & TAPE_ESCAPED) != 0, 0)) {
        s->promised += (size_t)tape_high(key) + 32;
        if (s->promised > arena_left(s->mem))
            return too_large(s);
    }
    p = skip_blank(s->p, s->end);
    if (p >= s->end || *p != ':')
        return bad(s, p, "':'");
    s->p = skip_blank(p + 1, s->end);
    return true;
}

static bool is_object(const struct parser *s, uint32_t at)
{
    return tape_kind_of(s->tape[at]) == TAPE_OBJECT;
}

/* After a value: closes containers and stands on the next value, or *done. */
static bool next_value(struct parser *s, uint32_t *container, bool *done)
{
    for (;;) {
        if (s->depth == 0) {
            *done = true;
            return true;
        }
        s->tape[*container + 1] += (uint64_t)1 << TAPE_BITS;
        bool object = is_object(s, *container);
        const unsigned char *p = skip_blank(s->p, s->end);
        if (p < s->end && *p == ',') {
            p = skip_blank(p + 1, s->end);
            s->p = p;
            return !object || member_key(s, p);
        }
        if (p >= s->end || *p != (object ? '}' : ']'))
            return bad(s, p, object ? "',' or '}'" : "',' or ']'");
        s->p = p + 1;
        if (!close_container(s, container))
            return false;
    }
}

/* An opening bracket at p; *empty when it closes at once. */
static bool enter(struct parser *s, const unsigned char *p, uint32_t *container, bool *empty)
{
    bool object = *p == '{';
    if (!open_container(s, object ? TAPE_OBJECT : TAPE_ARRAY, container, p))
        return false;
    p = skip_blank(s->p, s->end);
    *empty = p < s->end && *p == (object ? '}' : ']');
    if (*empty) {
        s->p = p + 1;
        return close_container(s, container);
    }
    s->p = p;
    return !object || member_key(s, p);
}

static bool document(struct parser *s)
{
    uint32_t container = 0;
    bool done = false;
    s->p = skip_blank(s->p, s->end);
    while (!done) {
        const unsigned char *p = s->p;
        if (p < s->end && (*p == '{' || *p == '[')) {
            bool empty;
            if (!enter(s, p, &container, &empty))
                return false;
            if (!empty)
                continue;
        } else if (!scalar(s, p)) {
            return false;
        }
        if (!next_value(s, &container, &done))
            return false;
    }
    s->p = skip_blank(s->p, s->end);
    return s->p == s->end || bad(s, s->p, "the end of the text");
}

bool json_parse(struct arena *mem, str text, unsigned depth_max, struct json *out, struct err *e)
{
    if (text.len > TAPE_TEXT_MAX)
        return fail(e, ERR_LIMIT, "the JSON document has %zu bytes, at most %d are read", text.len,
                    (int)TAPE_TEXT_MAX);
    const unsigned char *p = (const unsigned char *)(text.ptr ? text.ptr : "");
    struct parser s = {
        .text = p, .p = p, .end = p + text.len, .mem = mem, .e = e,
        .depth_max = depth_max ? depth_max : JSON_DEPTH_DEFAULT,
        .cap = (uint32_t)(text.len / 8) + 16,
    };
    size_t need = s.cap * sizeof *s.tape + sizeof(struct json_doc) + 64;
    if (need > arena_left(mem))
        return too_large(&s);
    struct json_doc *doc = arena_make(mem, struct json_doc, 1);
    s.tape = arena_make(mem, uint64_t, s.cap);
    bool ok = document(&s);
    free(s.keys);
    if (!ok)
        return false;
    *doc = (struct json_doc){ .text = { (const char *)p, text.len },
                              .tape = s.tape,
                              .count = s.count };
    *out = (struct json){ .doc = doc, .at = 0 };
    return true;
}
