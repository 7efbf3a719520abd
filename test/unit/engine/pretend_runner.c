#include "pretend_runner.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* ---- the clock ---- */

int64_t __real_clock_utc_ms(void);
int64_t __wrap_clock_utc_ms(void);
static atomic_int_fast64_t ahead_ms;

int64_t __wrap_clock_utc_ms(void)
{
    return __real_clock_utc_ms() + atomic_load(&ahead_ms);
}

void later(int64_t minutes)
{
    atomic_fetch_add(&ahead_ms, minutes * 60000);
}

/* ---- the runner ---- */

struct pretended runner;

static void copy(char *to, size_t room, str s)
{
    snprintf(to, room, PRI_STR, FMT_STR(s));
}

static void runner_call(void *self, const struct runner_call *c, runner_done *done, void *ctx)
{
    (void)self;
    struct runner_answer a = { .outcome = RUNNER_OK, .status = 202, .message = STR("as the test says"),
                               .code = STR("") };
    pthread_mutex_lock(&runner.mutex);
    if (runner.count == HEARD_MAX)
        stop_test("too many calls of the runner\n");
    struct heard *h = &runner.heard[runner.count++];
    copy(h->url, sizeof h->url, c->url);
    copy(h->token, sizeof h->token, c->token);
    copy(h->body, sizeof h->body, c->body);
    h->read = c->read;
    if (runner.nexts > 0) {
        a.outcome = runner.next[0];
        a.status = a.outcome == RUNNER_BUSY ? 429 : 0;
        memmove(runner.next, runner.next + 1, (size_t)--runner.nexts * sizeof *runner.next);
    }
    if (a.outcome == RUNNER_BUSY)
        a.wait_ms = runner.wait_ms;
    if (a.outcome != RUNNER_OK && runner.code)
        a.code = str_of(runner.code);
    a.result = str_of(a.outcome == RUNNER_OK && c->read && runner.result ? runner.result : "");
    bool silent = runner.silent;
    if (silent) {
        runner.silent = false;
        runner.done = done;
        runner.ctx = ctx;
    }
    pthread_mutex_unlock(&runner.mutex);
    if (!silent)
        done(ctx, &a);
}

struct runner_port runner_fresh(void)
{
    memset(&runner, 0, sizeof runner);
    pthread_mutex_init(&runner.mutex, NULL);
    return (struct runner_port){ .call = runner_call };
}

void answers(enum runner_outcome outcome)
{
    struct runner_answer a = { .outcome = outcome, .message = STR("as the test says") };
    pthread_mutex_lock(&runner.mutex);
    runner_done *done = runner.done;
    void *ctx = runner.ctx;
    runner.silent = false;
    runner.done = NULL;
    pthread_mutex_unlock(&runner.mutex);
    done(ctx, &a);
}

int calls(const char *part)
{
    int n = 0;
    pthread_mutex_lock(&runner.mutex);
    for (int i = 0; i < runner.count; i++)
        n += strstr(runner.heard[i].url, part) != NULL;
    pthread_mutex_unlock(&runner.mutex);
    return n;
}

void until_called(struct world *w, const char *part, int times)
{
    (void)w;
    for (int i = 0; i < 12000 && calls(part) != times; i++)       /* a minute */
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    if (calls(part) != times)
        stop_test("%d calls of %s, want %d\n", calls(part), part, times);
}
