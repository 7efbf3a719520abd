/*
 * sim_whole: histories of the whole engine, each from a seed.
 *   sim_whole --seeds 1..40     all of them; says how much happened
 *   sim_whole --seed 17 --trace one of them, step by step
 *   --twice                     each again, which has to be the same history
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
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

static void catch_ends(void)
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

struct sums {
    unsigned long long worlds, runs, commits, crashes, lost, requests, digest;
};

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
        free(w->paper[i].text);
    arena_free(w->mem);
    arena_free(w->look_mem);
    free(w);
}

static void run_seed(uint64_t seed, bool trace, struct sums *sums)
{
    now = calloc(1, sizeof *now);
    if (!now)
        abort();
    now->seed = seed;
    now->state = seed * 1000003;
    now->trace = trace;
    now->mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    now->look_mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    make_dir(now->dir);
    char *url = NULL;
    if (asprintf(&url, "sqlite:%s/sim.db", now->dir) < 0)
        abort();
    now->url = str_of(url);
    now->port = (struct forge_port){.self = now, .call = forge_call};
    machine = (struct machine){.now_ms = 1795000000000, .chance = seed};
    world_run(open_look);
    db_close(now->look);
    remove_dir(now->dir);
    sums->worlds++;
    sums->runs += now->runs;
    sums->commits += now->commits;
    sums->crashes += now->crashes;
    sums->lost += now->lost;
    sums->requests += now->requests;
    sums->digest ^= now->digest;
    free(url);
    free_world(now);
    now = NULL;
}

/*
 * Each world in a process of its own: what one leaves in memory (a pool of random bytes …) is no
 * part of the next one's history, and a seed alone is the same as among others.
 */
static bool play(uint64_t seed, bool trace, struct sums *sums)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_seed(seed, trace, sums);
        exit(0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The same seed, the same history: else a failure could not be looked at again. */
static bool same_again(uint64_t seed, struct sums *sums)
{
    uint64_t digest[2];
    for (int i = 0; i < 2; i++) {
        sums->digest = 0;
        if (!play(seed, false, sums))
            return false;
        digest[i] = sums->digest;
    }
    if (digest[0] != digest[1])
        fprintf(stderr, "seed %llu gave two histories\n", (unsigned long long)seed);
    return digest[0] == digest[1];
}

static int usage(void)
{
    fputs("usage: sim_whole --seeds A..B | --seed N [--trace] [--twice]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, to = 40;
    bool trace = false, twice = false;
    struct sums *sums = mmap(NULL, sizeof *sums, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (sums == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        char *rest = NULL;
        if (!strcmp(argv[i], "--trace")) {
            trace = true;
        } else if (!strcmp(argv[i], "--twice")) {
            twice = true;
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            from = to = strtoull(argv[++i], &rest, 10);
        } else if (!strcmp(argv[i], "--seeds") && i + 1 < argc) {
            from = strtoull(argv[++i], &rest, 10);
            to = strncmp(rest, "..", 2) == 0 ? strtoull(rest + 2, &rest, 10) : from;
        } else {
            return usage();
        }
        if (rest && *rest)
            return usage();
    }
    catch_ends();
    log_setup((enum log_level)(trace ? LOG_WARN : LOG_ERROR + 1), false);
    for (uint64_t seed = from; seed <= to; seed++)
        if (!(twice ? same_again(seed, sums) : play(seed, trace, sums)))
            return 1;
    printf("%llu worlds: %llu runs, %llu commits, %llu crashes, %llu lost answers, %llu orders\n",
           sums->worlds, sums->runs, sums->commits, sums->crashes, sums->lost, sums->requests);
    return 0;
}
