#include "machine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/secret.h"
#include "engine/ticks.h"
#include "engine/work.h"

struct machine machine;
static struct work *work;
static struct ticks_due due;

/* ---- time and chance ------------------------------------------------------------------------- */

int64_t __wrap_clock_utc_ms(void);
int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_us(void);
void __wrap_random_bytes(void *p, size_t n);
uint64_t __wrap_random_u64(void);

int64_t __wrap_clock_utc_ms(void)
{
    return machine.now_ms;
}
int64_t __wrap_clock_mono_ms(void)
{
    return machine.now_ms;
}
int64_t __wrap_clock_mono_us(void)
{
    return machine.now_ms * 1000;
}

uint64_t __wrap_random_u64(void)
{
    uint64_t z = machine.chance += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void __wrap_random_bytes(void *p, size_t n)
{
    uint8_t *to = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(__wrap_random_u64() >> 24);
}

/* ---- threads: there are none ----------------------------------------------------------------- */

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_join(pthread_t t, void **result);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
bool __real_work_start(struct db *writer, struct work **out, struct err *e);
bool __wrap_work_start(struct db *writer, struct work **out, struct err *e);

bool __wrap_work_start(struct db *writer, struct work **out, struct err *e)
{
    bool ok = __real_work_start(writer, out, e);
    work = ok ? *out : NULL;
    return ok;
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    (void)a;
    (void)run;
    (void)arg;
    *t = (pthread_t)0;
    return 0;
}

int __wrap_pthread_join(pthread_t t, void **result)
{
    (void)t;
    (void)result;
    while (work && !work_idle(work))
        work_turn(work);
    return 0;
}

/* Whoever waits does the writer's work meanwhile. */
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    (void)c;
    if (!work || work_idle(work)) {
        fputs("somebody waits for a thread that has nothing to do\n", stderr);
        abort();
    }
    pthread_mutex_unlock(m);
    work_turn(work);
    return pthread_mutex_lock(m);
}

/* ---- the database, as far as it is mortal ---------------------------------------------------- */

bool __real_db_begin(struct db *db, struct err *e);
bool __wrap_db_begin(struct db *db, struct err *e);
bool __real_db_commit(struct db *db, struct err *e);
bool __wrap_db_commit(struct db *db, struct err *e);

bool __wrap_db_begin(struct db *db, struct err *e)
{
    if (machine.dead)
        return fail(e, ERR_STORAGE, "killed");
    return __real_db_begin(db, e);
}

bool __wrap_db_commit(struct db *db, struct err *e)
{
    enum commit_fate fate = machine.fate ? machine.fate() : COMMIT_WORKS;
    if (fate == COMMIT_WORKS || fate == COMMIT_KILLED_AFTER) {
        if (!__real_db_commit(db, e))
            return false;
        if (machine.committed)
            machine.committed();
        if (fate == COMMIT_WORKS)
            return true;
    } else {
        db_rollback(db);
    }
    machine.dead = fate == COMMIT_KILLED_BEFORE || fate == COMMIT_KILLED_AFTER;
    return fail(e, fate == COMMIT_BUSY ? ERR_BUSY : ERR_STORAGE, "as the seed says");
}

/* ---- the machine ----------------------------------------------------------------------------- */

bool machine_start(const struct engine_config *c, struct err *e)
{
    enum commit_fate (*fate)(void) = machine.fate;
    machine.fate = NULL;
    machine.dead = false;
    due = (struct ticks_due){.purge_ms = machine.now_ms + 60000};
    bool ok = engine_start(c, &machine.engine, e);
    if (!ok)
        work = NULL;
    machine.fate = fate;
    return ok;
}

bool machine_idle(void)
{
    return !work || work_idle(work);
}

void machine_turns(uint32_t max)
{
    for (uint32_t i = 0; i < max && !machine.dead && !machine_idle(); i++)
        work_turn(work);
}

void machine_tick(void)
{
    if (machine.engine && !machine.dead)
        ticks_turn(machine.engine, &due);
}

void machine_stop(void)
{
    enum commit_fate (*fate)(void) = machine.fate;
    machine.fate = NULL;
    engine_stop(machine.engine);
    machine.engine = NULL;
    work = NULL;
    machine.dead = false;
    machine.fate = fate;
}

void machine_kill(void)
{
    machine.dead = true;
    machine_stop();
}
