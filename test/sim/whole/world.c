/*
 * world: it comes into being, tells what happens in it, and says so when a rule is broken.
 */
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/actions.h"
#include "store/secrets.h"
#include "whole.h"

struct world *now;

static void say_seed(void)
{
    if (now)
        dprintf(STDERR_FILENO,
                "seed %llu, step %u: stopped here; again: sim_whole --seed %llu --trace\n",
                (unsigned long long)now->seed, now->step, (unsigned long long)now->seed);
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d)) != NULL;)
        if (f->d_name[0] != '.')
            unlinkat(dirfd(d), f->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

_Noreturn void world_broken(const char *file, int line, const char *what, const char *why,
                            long long a, long long b)
{
    fflush(stdout);
    dprintf(STDERR_FILENO,
            "seed %llu, step %u: %s is not so (%s; %lld, %lld) at %s:%d\n  again: sim_whole --seed "
            "%llu --trace\n",
            (unsigned long long)now->seed, now->step, why, what, a, b, file, line,
            (unsigned long long)now->seed);
    if (now->trace)
        dprintf(STDERR_FILENO, "  its rows: %s/sim.db\n", now->dir);
    else
        remove_dir(now->dir);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void on_signal(int sig)
{
    say_seed();
    if (now)
        remove_dir(now->dir);
    signal(sig, SIG_DFL);
    raise(sig);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

void world_catch_ends(void)
{
    signal(SIGABRT, on_signal);
    signal(SIGTERM, on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_seed);
}

void narrate(const char *fmt, ...)
{
    char line[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    now->digest = (now->digest ^ str_hash(str_of(line)) ^ (uint64_t)machine.now_ms) *
                  UINT64_C(0x9e3779b97f4a7c15);
    if (now->trace)
        printf("%4u %8lld  %s\n", now->step, (long long)(machine.now_ms - 1795000000000), line);
}

/* On a file system in memory where there is one: the disk is not what is tried here. */
static void make_dir(char out[64])
{
    snprintf(out, 64, "%s/signalbox-sim-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(out)) {
        perror(out);
        exit(1);
    }
}

static void open_look(void)
{
    struct err e = {0};
    if (!db_open(now->url, true, &now->look, &e)) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
}

static void free_world(struct world *w)
{
    for (uint32_t i = 0; i < w->mails; i++)
        free(w->mail[i].body);
    for (uint32_t i = 0; i < w->uploads; i++)
        free(w->upload[i].stacks);
    for (uint32_t i = 0; i < w->papers; i++)
        free(w->paper[i].text), free(w->paper[i].older);
    for (uint32_t i = 0; i < w->remarks; i++)
        free(w->remark[i].text);
    arena_free(w->mem);
    arena_free(w->look_mem);
    free(w);
}

void world_open(uint64_t seed, bool trace)
{
    char *url = NULL;
    now = calloc(1, sizeof *now);
    if (!now)
        abort();
    now->seed = seed;
    now->state = seed * 1000003;
    now->trace = trace;
    now->mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    now->look_mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    make_dir(now->dir);
    if (asprintf(&url, "sqlite:%s/sim.db", now->dir) < 0)
        abort();
    now->url = str_of(url);
    now->port = (struct forge_port){.self = now, .call = forge_call, .told = client_told};
    now->runner_port = (struct runner_port){.self = now, .call = runner_call};
    now->room = 100;
    now->quota = (struct quota){.limit = 5000};
    client_dies();
    machine = (struct machine){.now_ms = 1795000000000, .chance = seed};
}

static bool put_runner(struct db *db, struct arena *mem, struct err *e)
{
    static const struct runner_row row = {STR_INIT("eu-1"),
                                          STR_INIT("https://runner.example/dispatch"),
                                          STR_INIT("token")};
    bool is_new;
    return runners_put(db, mem, 1, &row, STR("t"), 1, &is_new, e) &&
           secrets_put(db, mem, SEAL_KEY, 1, STR("token"), STR("runner-5ecret"), STR(""), STR("t"),
                       1, &is_new, e);
}

static bool furnish(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)arg;
    return db_exec(db, e, NULL,
                   "insert into workspace (id, name, created_ms) values ('ws_sim', 'sim', 1)",
                   NO_ARGS) &&
           db_exec(db, e, NULL,
                   "insert into repository (workspace_id, forge_id, host, owner, name, "
                   "installation_id, settings, created_ms) values ('ws_sim', 4711, 'github.com', "
                   "'acme', 'infra', 5, $1, 1)",
                   ARGS(A(settings_text(mem)))) &&
           put_runner(db, mem, e);
}

static enum commit_fate fate_of_commit(void)
{
    if (now->die_at && --now->die_at == 0)
        return now->die_how;
    if (!chance(now->bad_disk))
        return COMMIT_WORKS;
    enum commit_fate fate = (enum commit_fate)(1 + roll(4));
    narrate("the commit: fate %d", (int)fate);
    return fate;
}

static void committed(void)
{
    now->commits++;
    check_commit();
}

void world_furnish(void)
{
    struct err e = {0};
    bool kind = now->kind;
    for (int i = 0; i < PULLS; i++)
        now->pull[i].number = i + 1;
    machine.fate = fate_of_commit;
    machine.committed = committed;
    now->kind = true; /* in peace */
    server_start();
    MUST(engine_write_wait(machine.engine, furnish, NULL, &e), "the house is furnished", 0, 0);
    open_look();
    engine_poke(machine.engine, 1);
    turns(1000);
    now->kind = kind;
}

void world_close(void)
{
    char *url = (char *)(uintptr_t)now->url.ptr;
    client_dies();
    db_close(now->look);
    remove_dir(now->dir);
    free(url);
    free_world(now);
    now = NULL;
}
