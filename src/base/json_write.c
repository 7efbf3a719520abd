#include <assert.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/rfc3339.h"

static const int64_t JS_SAFE = (int64_t)1 << 53;

void json_out_init(struct json_out *w, struct buf *to)
{
    *w = (struct json_out){ .to = to };
}

/* A comma before every item but the first; none between key and value. What was written last tells
 * which it is, so that depth needs no bookkeeping: no complete value ends in an opening bracket. */
static void item(struct json_out *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0) {
        assert(!w->has_item);
        w->has_item = true;
        return;
    }
    char last = w->to->len ? w->to->ptr[w->to->len - 1] : '[';
    if (last != '[' && last != '{')
        buf_char(w->to, ',');
}

static void begin(struct json_out *w, char c)
{
    item(w);
    buf_char(w->to, c);
    w->depth++;
}

static void end(struct json_out *w, char c)
{
    assert(w->depth > 0);
    assert(!w->after_key);
    w->depth--;
    buf_char(w->to, c);
}

void json_begin_object(struct json_out *w) { begin(w, '{'); }
void json_end_object(struct json_out *w)   { end(w, '}'); }
void json_begin_array(struct json_out *w)  { begin(w, '['); }
void json_end_array(struct json_out *w)    { end(w, ']'); }

static void put_escape(struct buf *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    /* Readers that refuse U+0000, ours and PostgreSQL's among them, must be able to read what we
     * write. */
    case '\0': buf_add(to, STR("\xef\xbf\xbd")); return;
    case '"':  buf_add(to, STR("\\\"")); return;
    case '\\': buf_add(to, STR("\\\\")); return;
    case '\n': buf_add(to, STR("\\n")); return;
    case '\r': buf_add(to, STR("\\r")); return;
    case '\t': buf_add(to, STR("\\t")); return;
    default:   buf_add(to, (str){ (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6 });
    }
}

/* Nearly every text: nothing in it has to be escaped. */
static bool put_plain(struct buf *to, str s)
{
    const unsigned char *text = (const unsigned char *)s.ptr;
    if (!s.len || json_plain(text, text + s.len) != text + s.len || !buf_room(to, s.len + 2))
        return false;
    char *p = to->ptr + to->len;
    *p = '"';
    memcpy(p + 1, s.ptr, s.len);
    p[s.len + 1] = '"';
    to->len += s.len + 2;
    return true;
}

static void put_text(struct buf *to, str s)
{
    if (put_plain(to, s))
        return;
    const unsigned char *text = (const unsigned char *)s.ptr;
    buf_char(to, '"');
    for (size_t i = 0; i < s.len;) {
        size_t from = i;
        i = (size_t)(json_plain(text + i, text + s.len) - text);
        buf_add(to, str_sub(s, from, i));
        if (i == s.len)
            break;
        unsigned char c = text[i];
        if (c < 0x80) {
            put_escape(to, c);
            i++;
            continue;
        }
        size_t n = str_utf8_step(s, i);
        buf_add(to, n ? str_sub(s, i, i + n) : STR("\xef\xbf\xbd"));
        i += n ? n : 1;
    }
    buf_char(to, '"');
}

void json_key(struct json_out *w, str key)
{
    assert(w->depth > 0);
    assert(!w->after_key);
    item(w);
    put_text(w->to, key);
    buf_char(w->to, ':');
    w->after_key = true;
}

void json_put_str(struct json_out *w, str s)
{
    item(w);
    put_text(w->to, s);
}

void json_put_i64(struct json_out *w, int64_t n)
{
    item(w);
    bool quoted = n > JS_SAFE || n < -JS_SAFE;
    if (quoted)
        buf_char(w->to, '"');
    buf_i64(w->to, n);
    if (quoted)
        buf_char(w->to, '"');
}

void json_put_bool(struct json_out *w, bool b)
{
    item(w);
    buf_add(w->to, b ? STR("true") : STR("false"));
}

void json_put_null(struct json_out *w)
{
    item(w);
    buf_add(w->to, STR("null"));
}

void json_put_raw(struct json_out *w, str json_text)
{
    item(w);
    buf_add(w->to, json_text);
}

void json_field_str(struct json_out *w, str key, str s)
{
    json_key(w, key);
    if (s.ptr)
        json_put_str(w, s);
    else
        json_put_null(w);
}

void json_field_i64(struct json_out *w, str key, int64_t n)
{
    json_key(w, key);
    json_put_i64(w, n);
}

void json_field_bool(struct json_out *w, str key, bool b)
{
    json_key(w, key);
    json_put_bool(w, b);
}

void json_field_raw(struct json_out *w, str key, str json_text)
{
    json_key(w, key);
    json_put_raw(w, json_text);
}

void json_field_time(struct json_out *w, str key, int64_t utc_ms)
{
    json_key(w, key);
    if (utc_ms == 0) {
        json_put_null(w);
        return;
    }
    json_put_str(w, rfc3339_write(w->to->mem, utc_ms));
}
