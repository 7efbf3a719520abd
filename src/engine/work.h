/*
 * work: the one writer thread. Bodies queue up; whatever waits goes into one transaction (group
 * commit), a body that fails is kept from the others (the group may run again with a savepoint for
 * each), and `done` of each is called after the commit.
 * Every change to the database happens inside group_run (work_group.c), so "what was committed" and
 * "who gets told" are decided in one place.
 */
#ifndef SIGNALBOX_ENGINE_WORK_H
#define SIGNALBOX_ENGINE_WORK_H
#include "engine/engine.h"

/* bodies in one commit: bounds what one failing commit takes with it */
enum { WORK_GROUP_MAX = 512,
       WORK_KEPT_MAX = 16,          /* the writer begins with these while more of them are read */
       WORK_TRIES_MAX = 5 };        /* of a body whose transaction met a deadlock or a busy lock */

struct work;
/* Of what was written (db_news): `before` inside each transaction, `told` when it is on disk. */
struct work_news {
    bool (*before)(void *arg, struct db *db, struct arena *mem, struct err *e);
    void (*told)(void *arg, const struct db_news *news);
    void  *arg;
};
/* owns the connection from now on */
bool work_start(struct db *writer, struct work **out, struct err *e) MUST_CHECK;
void work_on_news(struct work *w, const struct work_news *n);       /* before any job */
void work_want_news(struct work *w, bool wanted);                   /* any thread */
void work_submit(struct work *w, engine_body *body, engine_done *done, void *arg);
/*
 * The same, but that `done` may be called on another thread, while the next group is at work, and
 * when the body's mem has ended. A group of such jobs is flushed on a thread of its own, so that the
 * disk and the statements of the next group do not wait for each other.
 */
void work_submit_apart(struct work *w, engine_body *body, engine_done *done, void *arg);
/*
 * The same for the one thread that has many at once (the HTTP loop): they go together, and the
 * writer is woken once for up to WORK_KEPT_MAX, at the latest when it calls work_submit_kept.
 */
void work_submit_soon(struct work *w, engine_body *body, engine_done *done, void *arg);
void work_submit_kept(struct work *w);
/*
 * For a caller whose thread has nothing else to do: while the writer rests the body runs at once on
 * this thread, and so do `ready` (NULL: none) and `done`, which spares two hand-overs. Else it is
 * queued like any other, and `ready` is not called.
 * It never waits for a lock of another program, and a slow disk ends such visits for a while.
 */
void work_submit_here(struct work *w, engine_body *body, engine_ready *ready, engine_done *done,
                      void *arg);
/*
 * The same for lanes: while others wait for their answer, this one stands back, for 100 ms at most.
 */
void work_submit_patient(struct work *w, engine_body *body, engine_done *done, void *arg);
bool work_on_writer(const struct work *w);          /* is the caller the writer thread? */
/*
 * What the writer thread does for ever: waits for work, runs one group. False: told to end. The
 * simulation, which has no threads, calls it in the thread's place; then every group is flushed
 * before it returns.
 */
bool work_turn(struct work *w);
bool work_idle(struct work *w);                     /* nothing is queued */
bool work_healthy(const struct work *w, char why[200]);
void work_counts(const struct work *w, uint64_t *commits, uint64_t *bodies);
/*
 * Runs what is queued, then ends the thread and closes the connection. Bodies submitted later fail
 * with ERR_BUSY.
 */
void work_stop(struct work *w);

#endif
