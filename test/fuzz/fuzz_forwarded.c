/*
 * X-Forwarded-For against any bytes: what a client sends never changes who a trusted proxy says it is,
 * and what comes out is an address that the same list gives again.
 */
#include <stdlib.h>

#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

static str came(struct arena *mem, str one, str two)
{
    struct proxies p;
    struct err e = { 0 };
    const struct http_header h[] = { { STR("X-Forwarded-For"), one }, { STR("x-forwarded-for"), two } };
    MUST(proxies_read(mem, STR("127.0.0.1 10.0.0.0/8 2001:db8::/33"), &p, &e));
    return forwarded_client(mem, &p, STR("127.0.0.1"), h, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *mem = arena_new((size_t)1 << 20, (size_t)4 << 20);
    str text = { (const char *)data, size };
    struct proxies any;
    struct err e = { 0 };
    MUST(str_eq(came(mem, text, STR("203.0.113.9")), STR("203.0.113.9")));
    str who = came(mem, STR(""), text);
    MUST(who.len >= 2 && who.len <= 45);
    MUST(str_eq(came(mem, STR(""), who), who));
    if (proxies_read(mem, text, &any, &e))
        MUST(any.count <= size);
    arena_free(mem);
    return 0;
}
