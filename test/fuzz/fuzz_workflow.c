/*
 * A workflow file, a NUL, and configured inputs: what is sent is declared, whole and small, or
 * there is a sentence that says why not.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inputs_check(struct arena *mem, const struct workflow *w, struct json configured)
{
    struct instance in = { .stack = STR("prod"), .component = STR("vpc"), .stage = STR("s") };
    struct dispatch_inputs out;
    str why;
    enum dispatch_error d =
        workflow_inputs(mem, w, &in, configured, STR("5ha"), STR("run_1"), 25, &out, &why);
    assert((d == DISPATCH_OK) == (why.len == 0));
    if (d != DISPATCH_OK)
        return;
    assert(out.count <= 25 && out.count <= w->input_count);
    for (size_t i = 0; i < out.count; i++) {
        bool there = false;
        for (size_t k = 0; k < w->input_count; k++)
            there |= str_eq(w->input[k].name, out.at[i].name);
        assert(there);
        assert(!str_has(out.at[i].value, STR("{{")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 512 << 20);
    struct err e = { .code = ERR_NONE };
    str rest, yaml = str_cut((str){ (const char *)data, n }, '\0', &rest);
    struct workflow w;
    struct json configured = { 0 };
    if (workflow_read(mem, yaml, &w, &e)) {
        struct err ignored = { .code = ERR_NONE };
        if (!json_parse(mem, rest, 0, &configured, &ignored))
            configured = (struct json){ 0 };
        inputs_check(mem, &w, configured);
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
    }
    arena_free(mem);
    return 0;
}
