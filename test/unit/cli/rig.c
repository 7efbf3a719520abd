#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct rig rig;
enum { STEPS_MAX = 256, WORDS = 40 };
static struct step kept[STEPS_MAX];

/* ---- the server ---- */

static void note(const struct http_request *r)
{
    str auth = http_header_get(r, STR("Authorization")),
        key = http_header_get(r, STR("Idempotency-Key"));
    int n = snprintf(rig.asked + rig.asked_len, sizeof rig.asked - rig.asked_len,
                     PRI_STR " " PRI_STR "%s" PRI_STR "\n", FMT_STR(r->method_text),
                     FMT_STR(r->target), r->body.len ? " " : "", FMT_STR(r->body));
    if (n > 0 && (size_t)n < sizeof rig.asked - rig.asked_len)
        rig.asked_len += (size_t)n;
    rig.authorized += str_eq(auth, STR("Bearer sbx_test"));
    if (key.len) {
        rig.same_key = rig.keyed == 0 || str_eq(key, str_of(rig.last_key));
        snprintf(rig.last_key, sizeof rig.last_key, PRI_STR, FMT_STR(key));
        rig.keyed++;
    }
}

static void handle(void *app, struct http_request *r)
{
    const struct step *s =
        &rig.steps[rig.requests < rig.step_count ? rig.requests : rig.step_count - 1];
    (void)app;
    note(r);
    rig.requests++;
    struct http_response a = {.status = s->status ? s->status : 200};
    if (s->envelope)
        a.body = str_of(s->envelope);
    else
        a.body = arena_print(r->mem,
                             "{\"status\":200,\"success\":true,\"data\":%s,\"traceId\":"
                             "\"req_1\"}",
                             s->data ? s->data : "null");
    http_reply(r, &a);
}

static void classify(void *app, const struct http_request *r, struct http_class *out)
{
    (void)app;
    (void)r;
    out->body_max = 1 << 20;
    out->on_loop = true;
}

static void refuse(void *app, struct arena *mem, int status, const char *why,
                   struct http_response *out)
{
    (void)app;
    (void)mem;
    (void)why;
    out->status = status;
}

/* ---- the machine ---- */

static const char *env_of(void *ctx, const char *name)
{
    (void)ctx;
    for (size_t i = 0; i < COUNT(rig.env); i++)
        if (rig.env[i][0] && strcmp(rig.env[i][0], name) == 0)
            return rig.env[i][1];
    return NULL;
}

static int64_t now_of(void *ctx)
{
    (void)ctx;
    return rig.now_ms;
}

static void sleep_of(void *ctx, int64_t ms)
{
    (void)ctx;
    rig.now_ms += ms;
    rig.slept_ms += ms;
}

void rig_env(const char *name, const char *value)
{
    for (size_t i = 0; i < COUNT(rig.env); i++)
        if (!rig.env[i][0] || strcmp(rig.env[i][0], name) == 0) {
            rig.env[i][0] = name;
            rig.env[i][1] = value;
            return;
        }
}

int rig_setup(void **state)
{
    struct err e = {0};
    struct http_server_config config = {.address = STR("127.0.0.1")};
    struct http_hooks hooks = {.classify = classify, .handle = handle, .refuse = refuse};
    (void)state;
    if (!secret_start(&e) || !http_server_start(&config, &hooks, &rig.server, &e))
        fail_msg("%s", e.text);
    snprintf(rig.url, sizeof rig.url, "http://127.0.0.1:%u", http_server_port(rig.server));
    return 0;
}

static void forget_output(void)
{
    free(rig.out);
    free(rig.err);
    rig.out = rig.err = NULL;
}

int rig_teardown(void **state)
{
    (void)state;
    forget_output();
    http_server_stop(rig.server, 1000);
    return 0;
}

int rig_fresh(void **state)
{
    (void)state;
    memset(rig.env, 0, sizeof rig.env);
    rig.terminal = rig.colours = false;
    rig.columns = 0;
    rig.start_ms = 0;
    rig.folder = NULL;
    rig.full = false;
    rig_env("SIGNALBOX_URL", rig.url);
    rig_env("SIGNALBOX_TOKEN", "sbx_test");
    SCRIPT({.data = "null"});
    return 0;
}

void script(const struct step *steps, size_t count)
{
    assert_true(count > 0 && count <= STEPS_MAX);
    memcpy(kept, steps, count * sizeof *steps);
    rig.steps = kept;
    rig.step_count = count;
}

/* ---- running ---- */

int run_words(const char *const *words)
{
    char *argv[WORDS + 2] = {(char *)(uintptr_t) "signalbox"};
    int argc = 1;
    size_t out_len, err_len;
    for (; words[argc - 1] && argc < WORDS; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    forget_output();
    rig.asked[0] = '\0';
    rig.asked_len = rig.requests = rig.authorized = rig.keyed = 0;
    rig.slept_ms = 0;
    rig.now_ms = rig.start_ms ? rig.start_ms : NOW_MS;
    if (!rig.colours)
        rig_env("NO_COLOR", "1");
    struct edge edge = {.out = rig.full ? fopen("/dev/full", "we")
                                        : open_memstream(&rig.out, &out_len),
                        .err = open_memstream(&rig.err, &err_len),
                        .out_terminal = rig.terminal,
                        .err_terminal = rig.terminal,
                        .columns = rig.columns,
                        .env = env_of,
                        .now_ms = now_of,
                        .sleep_ms = sleep_of,
                        .folder = rig.folder};
    rig.code = cli_run(&edge, argc, argv);
    fclose(edge.out);
    fclose(edge.err);
    return rig.code;
}

int run(const char *first, ...)
{
    const char *words[WORDS] = {first};
    va_list ap;
    va_start(ap, first);
    for (size_t n = 1; n < WORDS && (words[n] = va_arg(ap, const char *)); n++) {
    }
    va_end(ap);
    return run_words(words);
}

void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected to find:\n%s\nin:\n%s", part, text);
}

void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("expected not to find:\n%s\nin:\n%s", part, text);
}
