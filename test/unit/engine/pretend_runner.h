/*
 * pretend_runner: a runner in memory that answers as the test says, and a clock that can be moved:
 * hours go by in a moment (the linker puts __wrap_clock_utc_ms in the place of the real one).
 */
#ifndef SIGNALBOX_TEST_UNIT_ENGINE_PRETEND_RUNNER_H
#define SIGNALBOX_TEST_UNIT_ENGINE_PRETEND_RUNNER_H
#include "world.h"

enum { HEARD_MAX = 64 };
struct heard { char url[200], token[100], body[4000]; bool read; };

struct pretended {
    pthread_mutex_t mutex;
    struct heard    heard[HEARD_MAX];
    int             count;
    enum runner_outcome next[HEARD_MAX];    /* of the next calls; then RUNNER_OK */
    int             nexts;
    int64_t         wait_ms;                /* what a busy one asks for */
    const char     *result;                 /* of calls that read */
    const char     *code;                   /* of errors */
    bool            silent;                 /* the next answer comes when the test says so */
    runner_done    *done;
    void           *ctx;
};
extern struct pretended runner;

struct runner_port runner_fresh(void);
void answers(enum runner_outcome outcome);
/* Calls whose address has this part. */
int  calls(const char *part);
void until_called(struct world *w, const char *part, int times);
void later(int64_t minutes);

#endif
