/* Any bytes: an answer or an error with a reason, in bounded memory. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    struct err e = { .code = ERR_NONE };
    struct json v;
    if (yaml_parse(mem, (str){ (const char *)data, n }, &v, &e)) {
        str raw = json_raw(v);
        assert(raw.len > 0);
        assert(str_is_utf8(raw));
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
        assert(e.text[0] != '\0');
    }
    arena_free(mem);
    return 0;
}
