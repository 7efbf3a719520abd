/*
 * A dispatch from anybody who holds the token: what is accepted keeps the rules that its consumers
 * rely on, what is refused says why.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void settings_make(struct runner_settings *s)
{
    s->allowed_workflows.text = s->allowed_stacks.text = STR("*");
    s->allowed_refs.text = STR("v*,main");
    s->callback_ports.text = STR("443,8443");
}

static void accepted_check(const struct dispatch *d, int64_t now_ms)
{
    assert(run_id_valid(d->run_id) && str_starts(d->callback_token, d->run_id));
    assert(d->expires_ms > now_ms && d->timeout_ms >= 0);
    str words[] = { d->workflow, d->stack, d->workflow_file, d->ref, d->callback_url };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert(i > 1 || words[i].len);
        assert(!words[i].len || words[i].ptr[0] != '-');
        assert(!str_has(words[i], STR("..")) || i == 4);
        assert(!str_has(words[i], STR("{{")));
        for (size_t k = 0; k < words[i].len; k++)
            assert((unsigned char)words[i].ptr[k] >= ' ' && (unsigned char)words[i].ptr[k] < 0x7f);
    }
    assert(!str_eq(d->workflow, STR("help")));
    assert(d->place.is_https && d->place.host.len && (d->place.port == 443 || d->place.port == 8443));
    assert(d->variable_count <= VARIABLES_MAX);
    for (size_t i = 0; i < d->variable_count; i++) {
        assert(d->variables[i].name.len && d->variables[i].name.len <= 64);
        assert(!memchr(d->variables[i].value.ptr ? d->variables[i].value.ptr : "", 0,
                       d->variables[i].value.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 512 << 20);
    struct runner_settings s = { 0 };
    struct dispatch d;
    struct dispatch_refusal no;
    settings_make(&s);
    if (dispatch_read(mem, &s, (str){ (const char *)data, n }, 1795000000000, &d, &no))
        accepted_check(&d, 1795000000000);
    else
        assert(no.status == 400 ? no.message.len > 0 : no.status == 422 && no.field_count > 0);
    arena_free(mem);
    return 0;
}
