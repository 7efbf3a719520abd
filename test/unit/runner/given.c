#include "given.h"

bool given_settings(struct arena *mem, const char *const pairs[], struct runner_settings *out,
                    struct err *e)
{
    clearenv();
    for (size_t i = 0; pairs[i]; i += 2)
        setenv(pairs[i], pairs[i + 1], 1);
    return settings_read(mem, out, e);
}

void given_right_settings(struct arena *mem, const char *const pairs[],
                          struct runner_settings *out)
{
    const char *all[64] = { "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL",
                            "https://git.example.com/acme/infra.git" };
    size_t n = 4;
    for (size_t i = 0; pairs && pairs[i]; i++)
        all[n++] = pairs[i];
    struct err e = { 0 };
    if (!given_settings(mem, all, out, &e))
        fail_msg("%s", e.details ? e.detail[0] : e.text);
}

str given_payload(struct arena *mem, const char *more)
{
    return arena_print(mem,
                       "{\"runId\": \"" RUN_1 "\", \"workflow\": \"provision-tenant\", "
                       "\"stack\": \"tenant-42\", \"callbackUrl\": "
                       "\"https://platform.example.com/action-runs/" RUN_1 "/callback\", "
                       "\"callbackToken\": \"" TOKEN_OF(RUN_1) "\"%s}",
                       more);
}
