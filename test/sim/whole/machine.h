/*
 * machine: a computer without threads, whose time and chance are given. The engine runs on it as it
 * is, its writer and its clock included: what would wait for another thread takes that thread's
 * turn itself (the linker puts the functions of machine.c in the place of the real ones).
 */
#ifndef SIGNALBOX_TEST_SIM_MACHINE_H
#define SIGNALBOX_TEST_SIM_MACHINE_H
#include "db/db.h"
#include "engine/engine.h"

/* What becomes of a commit. */
enum commit_fate { COMMIT_WORKS, COMMIT_KILLED_BEFORE, COMMIT_KILLED_AFTER, COMMIT_FAILS, COMMIT_BUSY };

struct machine {
    int64_t          now_ms;
    uint64_t         chance;            /* what random bytes are made of */
    struct engine   *engine;            /* NULL: it does not run */
    bool             dead;              /* killed: machine_kill clears it away */
    enum commit_fate (*fate)(void);     /* asked before each commit; NULL: all is well */
    void           (*committed)(void);  /* after each commit of the engine */
};
extern struct machine machine;

bool machine_start(const struct engine_config *c, struct err *e) MUST_CHECK;
/* At most so many groups of the writer; ends early when nothing is queued, or all are dead. */
void machine_turns(uint32_t max);
bool machine_idle(void);
void machine_tick(void);                /* what the clock thread does now and then */
void machine_stop(void);                /* an orderly end */
/*
 * kill -9: nothing that is queued is carried out or stored, nobody is told, the lanes are not given
 * back; only the memory is.
 */
void machine_kill(void);

#endif
