/*
 * json: strict reader (a tape over the source text, no tree) and streaming writer.
 *
 * Reader: RFC 8259, UTF-8 checked, depth and size limited, lone surrogates and \u0000 refused,
 * numbers keep their source text (int64 by json_i64, never through a double), duplicate keys
 * refused and named. Errors name line, column and what was expected. A `struct json` is a small
 * handle by value into a document that lives in the arena; absent values are JSON_ABSENT and every
 * reader function accepts them, so that  json_get(json_get(v, STR("a")), STR("b"))  needs no checks
 * in between. The source text must outlive the document (strings without escapes are borrowed from
 * it).
 */
#ifndef SIGNALBOX_BASE_JSON_H
#define SIGNALBOX_BASE_JSON_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum json_kind {
    JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT
};

struct json_doc;
struct json {
    const struct json_doc *doc;     /* NULL: absent */
    uint32_t               at;
};

/* Dependents nest to 64 by our rule, 100 in the contract's tests, and each level costs two. */
enum { JSON_DEPTH_DEFAULT = 256 };

/* Parses one document that fills `text` (blanks around it allowed). depth_max 0 means
 * JSON_DEPTH_DEFAULT. ERR_INVALID for anything that is not strict JSON, ERR_LIMIT past the
 * depth, or when the arena has no room for the values. */
bool json_parse(struct arena *mem, str text, unsigned depth_max, struct json *out,
                struct err *e) MUST_CHECK;

enum json_kind json_kind(struct json v);
bool        json_present(struct json v);             /* neither absent nor null */
struct json json_get(struct json object, str key);   /* absent when no such key or not an object */
struct json json_path(struct json v, const char *dotted);   /* "pull_request.head.sha" */
size_t      json_count(struct json v);               /* members or items; 0 for scalars */
/* Strings: decoded (arena used only when there are escapes). Anything else: STR_NONE. */
str         json_str(struct json v, struct arena *mem);
bool        json_i64(struct json v, int64_t *out);   /* only integers in int64: no 1e3, no 1.0 */
int64_t     json_i64_or(struct json v, int64_t other);
bool        json_bool_or(struct json v, bool other);
/* its source text, e.g. to store it unchanged */
str         json_raw(struct json v);

/* struct json_iter it = json_iter(v); while (json_next(&it, mem, &key, &value)) …   key is STR_NONE
 * for arrays. */
struct json_iter { const struct json_doc *doc; uint32_t at, end; bool object; };
struct json_iter json_iter(struct json v);
bool json_next(struct json_iter *it, struct arena *mem, str *key, struct json *value);

/* Writer: commas and escaping are its business. Begin/end must balance (asserted). Non-UTF-8 bytes
 * and NUL become U+FFFD. Integers beyond 2^53 are written as strings (JavaScript would round
 * them). */
struct json_out { struct buf *to; unsigned depth; bool has_item, after_key; };
void json_out_init(struct json_out *w, struct buf *to);
void json_begin_object(struct json_out *w);
void json_end_object(struct json_out *w);
void json_begin_array(struct json_out *w);
void json_end_array(struct json_out *w);
void json_key(struct json_out *w, str key);
void json_put_str(struct json_out *w, str s);
void json_put_i64(struct json_out *w, int64_t n);
void json_put_bool(struct json_out *w, bool b);
void json_put_null(struct json_out *w);
void json_put_raw(struct json_out *w, str json_text); /* trusted JSON of ours, copied unchanged */
/* key and value at once */
void json_field_str(struct json_out *w, str key, str s);          /* STR_NONE pointer → null */
void json_field_i64(struct json_out *w, str key, int64_t n);
void json_field_bool(struct json_out *w, str key, bool b);
void json_field_raw(struct json_out *w, str key, str json_text);
void json_field_time(struct json_out *w, str key, int64_t utc_ms); /* RFC 3339, Z; 0 → null */

#endif
