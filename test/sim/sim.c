/*
 * sim: thousands of histories of one repository, each from a seed, in virtual time.
 *   sim --seeds 1..300     all of them; says how much happened
 *   sim --seed 17 --trace  one of them, step by step
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

struct world *world_now;

/* Unbuffered and before abort: what is in a buffer then is lost. */
_Noreturn void world_broken(const char *file, int line, const char *what, const char *why,
                            long long a, long long b)
{
    dprintf(STDERR_FILENO,
            "seed %llu, step %u: %s is not so (%s; %lld, %lld) at %s:%d\n  again: sim --seed %llu "
            "--trace\n",
            (unsigned long long)world_now->seed, world_now->step, why, what, a, b, file, line,
            (unsigned long long)world_now->seed);
    fflush(stdout);
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* An assertion of the domain, a sanitizer, or a time limit: which seed was it? */
static void say_seed(void)
{
    if (world_now)
        dprintf(STDERR_FILENO, "seed %llu, step %u: stopped here; again: sim --seed %llu --trace\n",
                (unsigned long long)world_now->seed, world_now->step,
                (unsigned long long)world_now->seed);
}

static void on_signal(int sig)
{
    say_seed();
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

void tell(const struct world *w, const char *fmt, ...)
{
    if (!w->trace)
        return;
    va_list ap;
    printf("%4u %8lld  ", w->step, (long long)(w->now_ms - 1700000000000));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

struct sums { unsigned long long worlds, moves, stales, crashes, reruns, runs; };

static void run_seed(uint64_t seed, bool trace, struct sums *sums)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    world_now = w;
    w->seed = seed;
    w->trace = trace;
    w->turn_mem = arena_new(1 << 24, 1 << 28);
    world_run(w);
    sums->worlds++;
    sums->moves += w->moves;
    sums->stales += w->stales;
    sums->crashes += w->crashes;
    sums->reruns += w->reruns_there;
    for (uint32_t k = 0; k < w->batches; k++) {
        arena_free(w->hot_mem[k]);
        for (uint32_t i = 0; i < w->batch[k].count; i++)
            sums->runs += w->runs_created[k][i];
    }
    arena_free(w->turn_mem);
    world_now = NULL;
    free(w);
}

static int usage(void)
{
    fputs("usage: sim --seeds A..B | --seed N [--trace]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t    from = 1, to = 300;
    bool        trace = false;
    struct sums sums = { 0 };

    for (int i = 1; i < argc; i++) {
        char *rest = NULL;
        if (!strcmp(argv[i], "--trace")) {
            trace = true;
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
    for (uint64_t seed = from; seed <= to; seed++)
        run_seed(seed, trace, &sums);
    printf("%llu worlds: %llu runs, %llu moves, %llu messages in vain, %llu crashes, %llu re-runs "
           "over there\n",
           sums.worlds, sums.runs, sums.moves, sums.stales, sums.crashes, sums.reruns);
    return 0;
}
