/*
 * work_inside: what the writer's files share. Nobody else includes it.
 *
 * work.c has the threads and the queue; work_group.c runs a group's bodies in one transaction,
 * flushes it and tells what became of each.
 */
#ifndef SIGNALBOX_ENGINE_WORK_INSIDE_H
#define SIGNALBOX_ENGINE_WORK_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "engine/work.h"

struct job {
    struct job  *next;
    bool         patient;               /* a lane's: stands back while callers wait */
    bool         apart;                 /* `done` may be called while others are at work */
    int64_t      queued_ms;             /* of patient ones */
    engine_body *body;
    engine_done *done;
    void        *arg;
    bool         ok;
    struct db_news *news;               /* of the whole group; its first job has them */
    struct err   e;
};

struct work {
    struct db      *db;
    pthread_t       thread;
    pthread_mutex_t mutex;
    pthread_cond_t  woken;
    struct job     *first, **last;      /* guarded by mutex */
    struct job     *kept, **kept_last;  /* of the one thread that calls work_submit_soon */
    int             kept_count;
    bool            stopping;           /* guarded by mutex */
    bool            turning, visitor;   /* guarded by mutex: who has the connection */
    bool            untidy;             /* guarded by mutex: a visitor left something to tidy */
    int64_t         no_visitors_ms;     /* guarded by mutex: until then (monotonic) */
    int64_t         stand_back_ms;      /* guarded by mutex */
    struct arena   *mem;                /* of the group under way */
    struct work_news news;
    pthread_t       flusher;
    pthread_cond_t  committed, flushed;
    struct job     *owed, **owed_last;  /* guarded by mutex: committed, to be flushed */
    bool            flushing;           /* guarded by mutex */
    bool            flusher_ends;       /* guarded by mutex */
    bool            soon;               /* of the group under way: another thread flushes it */
    atomic_bool     unsure;             /* a flush failed: nothing counts as stored before all is */
    atomic_bool     healthy;
    char            why[200];           /* guarded by mutex */
    atomic_uint_fast64_t commits, bodies;
};

/* work_group.c: `first` is a list of jobs, and whoever calls has the connection */

/* False: nothing was stored, and the reason asks for another try. */
bool group_run(struct work *w, struct job *first);
void group_run_apart(struct work *w, struct job *first);    /* each alone, a few times */
void group_flush(struct work *w, struct job *first);        /* those that were stored fail with it */
void news_attach(struct work *w, struct job *first);
void news_told(struct work *w, struct job *first);
void group_finish(struct work *w, struct job *first);       /* `done` of each; frees them */

#endif
