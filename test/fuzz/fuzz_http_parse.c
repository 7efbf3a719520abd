/*
 * The request parser and the chunk reader against any bytes. Beyond not crashing: however the bytes
 * are cut, the verdict is the same; what is accepted has exactly one reading; nothing points
 * outside of what was given.
 */
#include <stdlib.h>

#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

static struct http_head whole, dripped;

static bool inside(str part, str all)
{
    return !part.len || (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
}

/* A second opinion that shares no code with the parser. */
static void check_accepted(const struct http_head *h, str bytes)
{
    MUST(h->bytes >= 4 && h->bytes <= bytes.len);
    MUST(memcmp(bytes.ptr + h->bytes - 4, "\r\n\r\n", 4) == 0);
    MUST(!(h->chunked && h->has_length));
    for (size_t i = 0; i < h->bytes; i++) {
        MUST(bytes.ptr[i] != 0);
        MUST(bytes.ptr[i] != '\n' || (i && bytes.ptr[i - 1] == '\r'));
        MUST(bytes.ptr[i] != '\r' || bytes.ptr[i + 1] == '\n');
    }
    size_t lengths = 0;
    size_t hosts = 0;
    size_t codings = 0;
    for (size_t i = 0; i < h->field_count; i++) {
        MUST(inside(h->fields[i].name, bytes) && inside(h->fields[i].value, bytes));
        MUST(h->fields[i].name.len && !str_has(h->fields[i].name, STR(" ")));
        lengths += str_eq_nocase(h->fields[i].name, STR("content-length"));
        hosts += str_eq_nocase(h->fields[i].name, STR("host"));
        codings += str_eq_nocase(h->fields[i].name, STR("transfer-encoding"));
    }
    MUST(lengths == (h->has_length ? 1 : 0) && codings == (h->chunked ? 1 : 0) && hosts <= 1 &&
         (hosts || h->old));
    MUST(inside(h->target, bytes) && inside(h->path, bytes) && inside(h->query, bytes));
    MUST(h->target.len && (h->target.ptr[0] == '/' || h->method == HTTP_OPTIONS));
}

static void heads(str bytes)
{
    enum { MAX = 2048 };
    size_t seen = 0;
    enum http_step at_once = http_head_read(bytes, MAX, &seen, &whole);
    enum http_step step = HTTP_MORE;
    seen = 0;
    for (size_t n = 1; n <= bytes.len && step == HTTP_MORE; n++)
        step = http_head_read(str_sub(bytes, 0, n), MAX, &seen, &dripped);
    MUST(bytes.len == 0 || step == at_once);
    if (at_once == HTTP_BAD)
        MUST(whole.status == dripped.status && whole.why == dripped.why);
    if (at_once == HTTP_DONE) {
        check_accepted(&whole, bytes);
        MUST(whole.bytes == dripped.bytes && whole.field_count == dripped.field_count &&
             whole.keep == dripped.keep);
        MUST(whole.length == dripped.length && whole.chunked == dripped.chunked &&
             whole.method == dripped.method);
    }
}

struct outcome { enum http_step step; size_t used, body; uint64_t sum; };

static struct outcome chunks(str bytes, size_t piece)
{
    struct outcome o = { .step = HTTP_MORE };
    struct http_chunks c = { 0 };
    for (size_t at = 0; at < bytes.len && o.step == HTTP_MORE; at += piece) {
        str in = str_sub(bytes, at, at + piece);
        size_t given = in.len;
        while (o.step == HTTP_MORE && in.len) {
            str data;
            o.step = http_chunks_read(&c, &in, &data);
            MUST(inside(data, bytes));
            o.body += data.len;
            for (size_t i = 0; i < data.len; i++)
                o.sum = o.sum * 31 + (unsigned char)data.ptr[i];
        }
        o.used += given - in.len;
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str bytes = { (const char *)data, size };
    heads(bytes);
    struct outcome all = chunks(bytes, size ? size : 1);
    struct outcome one = chunks(bytes, 1);
    struct outcome few = chunks(bytes, 3);
    MUST(all.step == one.step && all.used == one.used && all.body == one.body &&
         all.sum == one.sum);
    MUST(all.step == few.step && all.used == few.used && all.body == few.body &&
         all.sum == few.sum);
    MUST(all.body <= all.used && all.used <= size);
    return 0;
}
