#include <assert.h>
#include <stdlib.h>

#include "base/json_tape.h"

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int32_t json_hex4(const unsigned char *p, const unsigned char *end)
{
    int32_t n = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0)
            return -1;
        n = n * 16 + d;
    }
    return n;
}

static uint64_t entry(struct json v)
{
    assert(v.at < v.doc->count);
    return v.doc->tape[v.at];
}

enum json_kind json_kind(struct json v)
{
    if (!v.doc)
        return JSON_ABSENT;
    switch (tape_kind_of(entry(v))) {
    case TAPE_NULL:   return JSON_NULL;
    case TAPE_FALSE:
    case TAPE_TRUE:   return JSON_BOOL;
    case TAPE_NUMBER: return JSON_NUMBER;
    case TAPE_STRING: return JSON_STRING;
    case TAPE_ARRAY:  return JSON_ARRAY;
    case TAPE_OBJECT: return JSON_OBJECT;
    }
    abort();
}

bool json_present(struct json v) { return v.doc && tape_kind_of(entry(v)) != TAPE_NULL; }

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static char short_escape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default:  return c;
    }
}

/* One character or escape of a checked string: its bytes to `to`, returns how many; moves *p. */
static size_t decode_step(const unsigned char **p, const unsigned char *end, char to[4])
{
    if (**p != '\\') {
        to[0] = (char)*(*p)++;
        return 1;
    }
    ++*p;
    char c = (char)*(*p)++;
    if (c != 'u') {
        to[0] = short_escape(c);
        return 1;
    }
    uint32_t a = (uint32_t)json_hex4(*p, end);
    *p += 4;
    if (a >= 0xd800 && a <= 0xdbff) {
        uint32_t b = (uint32_t)json_hex4(*p + 2, end);
        *p += 6;
        a = 0x10000 + ((a - 0xd800) << 10) + (b - 0xdc00);
    }
    return put_utf8(to, a);
}

/* Decoding never makes a string longer. */
str json_decode(struct arena *mem, str raw)
{
    const unsigned char *p = (const unsigned char *)raw.ptr, *end = p + raw.len;
    char *out = arena_take(mem, raw.len + 1, 1);
    size_t n = 0;
    while (p < end) {
        char few[4];
        size_t k = decode_step(&p, end, few);
        memcpy(out + n, few, k);
        n += k;
    }
    return (str){ out, n };
}

static bool escaped_eq(str raw, str key)
{
    const unsigned char *p = (const unsigned char *)raw.ptr, *end = p + raw.len;
    size_t n = 0;
    while (p < end) {
        char few[4];
        size_t k = decode_step(&p, end, few);
        if (key.len - n < k || memcmp(key.ptr + n, few, k) != 0)
            return false;
        n += k;
    }
    return n == key.len;
}

struct json json_get(struct json object, str key)
{
    const struct json_doc *d = object.doc;
    if (!d || tape_kind_of(entry(object)) != TAPE_OBJECT)
        return (struct json){ NULL, 0 };
    uint32_t end = tape_high(entry(object));
    for (uint32_t at = object.at + 2; at < end; at = tape_after(d->tape, at + 1)) {
        uint64_t e = d->tape[at];
        str raw = tape_text((const unsigned char *)d->text.ptr, e);
        if (e & TAPE_ESCAPED ? escaped_eq(raw, key) : str_eq(raw, key))
            return (struct json){ d, at + 1 };
    }
    return (struct json){ NULL, 0 };
}

struct json json_path(struct json v, const char *dotted)
{
    str rest = str_of(dotted);
    do
        v = json_get(v, str_cut(rest, '.', &rest));
    while (rest.ptr);
    return v;
}

size_t json_count(struct json v)
{
    return v.doc && tape_is_container(entry(v)) ? tape_high(v.doc->tape[v.at + 1]) : 0;
}

str json_str(struct json v, struct arena *mem)
{
    if (!v.doc || tape_kind_of(entry(v)) != TAPE_STRING)
        return STR_NONE;
    str raw = tape_text((const unsigned char *)v.doc->text.ptr, entry(v));
    return entry(v) & TAPE_ESCAPED ? json_decode(mem, raw) : raw;
}

bool json_i64(struct json v, int64_t *out)
{
    if (!v.doc || tape_kind_of(entry(v)) != TAPE_NUMBER)
        return false;
    return str_to_i64(tape_text((const unsigned char *)v.doc->text.ptr, entry(v)), INT64_MIN,
                      INT64_MAX, out);
}

int64_t json_i64_or(struct json v, int64_t other)
{
    int64_t n;
    return json_i64(v, &n) ? n : other;
}

bool json_bool_or(struct json v, bool other)
{
    if (json_kind(v) != JSON_BOOL)
        return other;
    return tape_kind_of(entry(v)) == TAPE_TRUE;
}

str json_raw(struct json v)
{
    if (!v.doc)
        return STR_NONE;
    uint64_t e = entry(v);
    if (tape_is_container(e))
        return str_sub(v.doc->text, tape_low(e), tape_low(v.doc->tape[v.at + 1]));
    if (tape_kind_of(e) == TAPE_STRING)
        return str_sub(v.doc->text, tape_low(e) - 1, (size_t)tape_low(e) + tape_high(e) + 1);
    return str_sub(v.doc->text, tape_low(e), (size_t)tape_low(e) + tape_high(e));
}

struct json_iter json_iter(struct json v)
{
    if (!v.doc || !tape_is_container(entry(v)))
        return (struct json_iter){ NULL, 0, 0, false };
    return (struct json_iter){ v.doc, v.at + 2, tape_high(entry(v)),
                               tape_kind_of(entry(v)) == TAPE_OBJECT };
}

bool json_next(struct json_iter *it, struct arena *mem, str *key, struct json *value)
{
    if (!it->doc || it->at >= it->end)
        return false;
    str k = STR_NONE;
    if (it->object)
        k = json_str((struct json){ it->doc, it->at++ }, mem);
    if (key)
        *key = k;
    if (value)
        *value = (struct json){ it->doc, it->at };
    it->at = tape_after(it->doc->tape, it->at);
    return true;
}
