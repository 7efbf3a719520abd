/*
 * sim_whole: histories of the whole engine, each from a seed.
 *   sim_whole --seeds 1..40     all of them; says how much happened
 *   sim_whole --seed 17 --trace one of them, step by step
 *   --twice                     each again, which has to be the same history
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "whole.h"

struct sums {
    unsigned long long worlds, runs, on_runner, commits, crashes, lost, requests, held, obeyed, skipped, digest;
};

static void run_seed(uint64_t seed, bool trace, struct sums *sums)
{
    world_open(seed, trace);
    world_run();
    sums->worlds++;
    sums->runs += now->runs;
    sums->on_runner += now->on_runner;
    sums->commits += now->commits;
    sums->crashes += now->crashes;
    sums->lost += now->lost;
    sums->requests += now->requests;
    sums->held += now->held;
    sums->obeyed += now->obeyed;
    sums->skipped += now->skipped;
    sums->digest ^= now->digest;
    world_close();
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
    struct sums *sums =
        mmap(NULL, sizeof *sums, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

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
    world_catch_ends();
    log_setup((enum log_level)(trace ? LOG_WARN : LOG_ERROR + 1), false);
    for (uint64_t seed = from; seed <= to; seed++)
        if (!(twice ? same_again(seed, sums) : play(seed, trace, sums)))
            return 1;
    printf("%llu worlds: %llu runs, %llu of them on a runner, %llu commits, %llu crashes, %llu lost answers, %llu orders, "
           "%llu of them carried out, %llu waits for a lock skipped, %llu reasons to hold looked at\n",
           sums->worlds, sums->runs, sums->on_runner, sums->commits, sums->crashes, sums->lost, sums->requests,
           sums->obeyed, sums->skipped, sums->held);
    return 0;
}
