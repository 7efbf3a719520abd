/* Whatever is accepted must be readable in all its parts, and reading its raw text again must give
 * the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t walk(struct json v, struct arena *mem, unsigned depth)
{
    size_t seen = 1;
    str key;
    struct json member;
    int64_t number;
    assert(json_kind(v) != JSON_ABSENT);
    assert(json_raw(v).len > 0);
    assert(str_is_utf8(json_str(v, mem)));
    (void)json_i64(v, &number);
    size_t count = 0;
    for (struct json_iter it = json_iter(v); json_next(&it, mem, &key, &member); count++) {
        if (key.ptr && count < 16)
            assert(json_get(v, key).at == member.at);
        seen += walk(member, mem, depth + 1);
    }
    assert(count == json_count(v));
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    struct err e = { .code = ERR_NONE };
    struct json v, again;
    if (json_parse(mem, (str){ (const char *)data, n }, 0, &v, &e)) {
        size_t seen = walk(v, mem, 0);
        bool ok = json_parse(mem, json_raw(v), 0, &again, &e);
        assert(ok);
        assert(walk(again, mem, 0) == seen);
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
        assert(str_is_utf8(str_of(e.text)));
    }
    arena_free(mem);
    return 0;
}
