/* What is read as a time is written as the same second, and read again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rfc3339.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(1 << 20, 1 << 20);
    str s = { (const char *)data, n };
    int64_t ms, again;
    if (rfc3339_read(s, &ms)) {
        str text = rfc3339_write(mem, ms);
        bool ok = rfc3339_read(text, &again);
        assert(ok);
        assert(again == ms - ms % 1000);
    }
    if (duration_read(s, 1000, &ms)) {
        assert(ms >= 0);
        assert(duration_write(mem, ms).len > 0);
    }
    if (n >= sizeof ms) {
        memcpy(&ms, data, sizeof ms);
        assert(rfc3339_write(mem, ms).len == 20);
    }
    arena_free(mem);
    return 0;
}
