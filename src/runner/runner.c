#include "runner/runner.h"

#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "runner/flag_probe.h"
#include "runner/job_sandbox.h"
#include "runner/service.h"
#include "runner/which.h"

enum {
    EXIT_SETTINGS = 78,
    PROBE_MS = 30000,
    HEALTH_MS = 4000,           /* the image gives the question five seconds */
};

static int say_problems(const struct err *e)
{
    for (unsigned i = 0; i < e->details; i++)
        fprintf(stderr, "signalbox runner: %s\n", e->detail[i]);
    if (!e->details)
        fprintf(stderr, "signalbox runner: %s\n", e->text);
    return EXIT_SETTINGS;
}

static void log_setup_from(const struct runner_settings *c)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    for (int i = 0; i < 4; i++)
        if (str_eq(c->log_level.text, str_of(levels[i])))
            log_setup((enum log_level)i, str_eq(c->log_format.text, STR("json")));
}

/*
 * A workflow runs as the same user: it must not read our memory or what /proc shows of our
 * environment, and no core file may hold it.
 */
static void become_private(void)
{
    umask(077);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
    prctl(PR_SET_DUMPABLE, 0);
}

/* Where leaks are looked for at the end, the looking needs it; nothing secret is left by then. */
static void become_public(void)
{
#if defined __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 1);
#elif defined __has_feature
#if __has_feature(address_sanitizer)
    prctl(PR_SET_DUMPABLE, 1);
#endif
#endif
}

static bool check_user(const struct runner_settings *c, struct err *e)
{
    if (geteuid() != 0 || c->allow_root.n)
        return true;
    return fail(e, ERR_DENIED, "it is started as root, and workflows would be root: start it as a "
                               "user of its own (UID 1001 in the image), or set ALLOW_ROOT=true");
}

static bool check_flag(const struct runner_settings *c, struct err *e)
{
    char path[4096];
    if (str_eq(c->vars_mode.text, STR("env")))
        return true;
    if (!which(c->atmos_bin.text, path, sizeof path))
        return fail(e, ERR_INVALID, "VARS_MODE asks what atmos can, and ATMOS_BIN was not found");
    return flag_probe(path, PROBE_MS, e);
}

/* Code comes back when it is called; what only the start needed need not stay in memory. */
static int let_code_go(struct dl_phdr_info *info, size_t size, void *nothing)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (strstr(info->dlpi_name, "vdso"))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
        uintptr_t to = (info->dlpi_addr + h->p_vaddr + h->p_memsz + page - 1) & ~(page - 1);
        if (h->p_type == PT_LOAD && h->p_flags == (PF_R | PF_X))
            (void)madvise((void *)from, to - from, MADV_DONTNEED);      /* advice */
    }
    return 0;
}

/* Tried, not guessed; before there are threads, since it forks. */
static void say_sandbox(struct service *s)
{
    struct sandbox_parts parts;
    sandbox_probe(&parts);
    log_info("the sandbox of runs", LS("parts", sandbox_words(s->mem, &parts)));
}

static int serve(struct service *s)
{
    struct err e = { 0 };
    say_sandbox(s);
    bool ok = check_user(&s->settings, &e) && secret_start(&e) && service_start(s, &e);
    if (ok) {
        log_info("the runner listens", LS("address", s->settings.bind_address.text),
                 LI("port", http_server_port(s->server)), LZ("version", RUNNER_VERSION),
                 LS("repository", s->settings.repo_url.text),
                 LI("queued", s->queue.by_stage[RUN_QUEUED]));
        const char *why = service_unready(s);
        if (why)
            log_warn("not ready", LZ("why", why));
        malloc_trim(0);
        dl_iterate_phdr(let_code_go, NULL);
        service_run(s);
        log_info("the runner stops", LI("callbacks_left", s->queue.by_stage[RUN_ENDED]),
                 LI("queued", s->queue.by_stage[RUN_QUEUED]));
    } else {
        fprintf(stderr, "signalbox runner: cannot start: %s\n", e.text);
    }
    service_stop(s);
    return ok ? 0 : err_exit(e.code);
}

static void settings_wipe(struct runner_settings *c)
{
    struct setting_value *secrets[] = { &c->auth_token, &c->auth_token_previous, &c->ssh_key,
                                        &c->https_token };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        secret_wipe((char *)(uintptr_t)secrets[i]->text.ptr, secrets[i]->text.len);
}

/* What a container engine calls: one that is told to stop listens no more, and is not well. */
static int ask_health(const struct runner_settings *c, struct arena *mem)
{
    struct err e = { 0 };
    struct http_client *client;
    struct http_answer answer;
    str host = c->bind_address.text;
    if (str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("::")))
        host = STR("127.0.0.1");
    bool is_v6 = memchr(host.ptr, ':', host.len) != NULL;
    struct http_client_config config = { .user_agent = "signalbox/" RUNNER_VERSION };
    struct http_call call = {
        .url = arena_print(mem, is_v6 ? "http://[" PRI_STR "]:%lld/healthz"
                                      : "http://" PRI_STR ":%lld/healthz",
                           FMT_STR(host), (long long)c->port.n),
        .timeout_ms = HEALTH_MS,
    };
    if (!http_client_start(&config, &client, &e)) {
        fprintf(stderr, "signalbox runner: %s\n", e.text);
        return 1;
    }
    http_call_wait(client, mem, &call, &answer);
    http_client_stop(client);
    bool well = answer.outcome == HTTP_ANSWERED && answer.status == 200;
    if (!well)
        fprintf(stderr, "signalbox runner: not well: " PRI_STR " answered %d %s\n",
                FMT_STR(call.url), answer.status, answer.why);
    return well ? 0 : 1;
}

int runner_main(int argc, char **argv)
{
    SCOPED(arena) struct arena *mem = arena_new((size_t)1 << 20, (size_t)64 << 20);
    struct service *s = arena_make(mem, struct service, 1);
    struct err e = { 0 };
    if (argc == 1 && str_eq(str_of(argv[0]), STR("--help"))) {
        printf(PRI_STR, FMT_STR(settings_help(mem)));
        return 0;
    }
    bool check = argc == 1 && str_eq(str_of(argv[0]), STR("--check"));
    bool health = argc == 1 && str_eq(str_of(argv[0]), STR("--health"));
    if (argc && !check && !health) {
        fprintf(stderr, "signalbox runner: unexpected argument %s; it takes --check, --health or "
                        "--help, and its settings from the environment\n", argv[0]);
        return EXIT_SETTINGS;
    }
    become_private();
    s->mem = mem;
    which_start();
    if (!settings_read(mem, &s->settings, &e))
        return say_problems(&e);
    settings_forget_environment();
    if (!check_flag(&s->settings, &e))
        return say_problems(&e);
    if (check) {
        printf("the settings are fine\n");
        return 0;
    }
    if (health)
        return ask_health(&s->settings, mem);
    log_setup_from(&s->settings);
    int code = serve(s);
    settings_wipe(&s->settings);
    become_public();
    return code;
}
