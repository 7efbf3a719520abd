/*
 * A pattern, a NUL, and a text: it compiles or says why not, matches itself, and comes to an end
 * soon.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(16 << 20, 64 << 20);
    struct err e = { .code = ERR_NONE };
    str text, pattern = str_cut((str){ (const char *)data, n }, '\0', &text);
    bool ok = pattern_check(pattern, &e);
    assert(ok == (e.code == ERR_NONE));
    assert(pattern_match(mem, pattern, pattern));
    bool match = pattern_match(mem, pattern, text);
    assert(ok || !match || str_eq(pattern, text));
    arena_free(mem);
    return 0;
}
