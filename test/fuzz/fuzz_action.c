/*
 * A definition of an action and values for it, with a NUL between them: what is taken can be sent,
 * the host that gets the token is the one that stands in the definition, and no value that somebody
 * gives brings a secret out.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/action.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define SECRET "s3cret"

static bool secret(void *ctx, str name, str *value, bool *found, struct err *e)
{
    (void)e;
    assert(interpolate_name_ok(name));
    *(bool *)ctx = *found = true;
    *value = STR(SECRET);
    return true;
}

static void send(struct arena *mem, const struct action *a, str values)
{
    struct action_dispatch d;
    bool asked = false;
    struct err e = { 0 };
    struct interpolation in = { .secret = secret, .ctx = &asked };
    struct action_send s = { .run_id = STR("r"), .callback_url = STR("u"), .callback_token = STR("t"),
                             .repository = STR("o/n"), .values = values,
                             .runner_endpoint = STR("https://r/d"), .runner_token_secret = STR("x") };
    str written = json_str(json_path(a->trigger, "runner.endpoint"), mem);
    if (a->type != TRIGGER_ATMOS_WORKFLOW || !action_dispatch(mem, a, &s, &in, &d, &e))
        return;
    assert(asked);
    assert(a->runner.len || str_eq(endpoint_host(d.endpoint), endpoint_host(written)));
}

static void no_way_out(struct arena *mem, str values, str text)
{
    bool asked = false;
    struct err e = { 0 };
    str out;
    struct interpolation in = { .secret = secret, .ctx = &asked };
    if (!json_parse(mem, values, 0, &in.roots, &e) || interpolate_has(text, STR("secrets")))
        return;
    if (interpolate_text(mem, &in, text, &out, &e))
        assert(!asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    str rest, text = str_cut((str){ (const char *)data, n }, '\0', &rest), values;
    struct json v, given = { 0 };
    struct action a;
    struct err e = { 0 }, why = { 0 };
    if (json_parse(mem, text, ACTION_DEPTH_MAX, &v, &e) && action_read(mem, STR("a"), v, &a, &e)) {
        assert(a.timeout_ms >= 60000 && a.timeout_ms <= ACTION_TIMEOUT_MAX_MINUTES * 60000LL);
        if (!rest.len || !json_parse(mem, rest, ACTION_DEPTH_MAX, &given, &why))
            given = (struct json){ 0 };
        why = (struct err){ 0 };
        if (action_values(mem, &a, given, &values, &why))
            send(mem, &a, values);
    }
    no_way_out(mem, rest, text);
    (void)endpoint_check(text, &why);
    arena_free(mem);
    return 0;
}
