/*
 * Percent-decoding and query look-ups against any bytes: what comes out is valid UTF-8 without NUL
 * and never longer than what went in.
 */
#include <stdlib.h>

#include "http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

static void check(str out, size_t most)
{
    MUST(out.len <= most && str_is_utf8(out) && (!out.len || !memchr(out.ptr, 0, out.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *mem = arena_new((size_t)64 << 20, (size_t)64 << 20);
    str text = { (const char *)data, size };
    str out;
    for (int plus = 0; plus < 2; plus++)
        if (http_decode(mem, text, plus, &out))
            check(out, size);
    struct http_request r = { .query = text, .mem = mem };
    if (http_query_get(&r, STR("a"), &out))
        check(out, size);
    arena_free(mem);
    return 0;
}
