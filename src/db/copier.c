#include "db/copier.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

struct copier {
    pthread_t       thread;
    pthread_mutex_t mutex;
    pthread_cond_t  told, rests;
    bool            busy, ends;         /* guarded by mutex */
    sqlite3        *handle;             /* the thread's own */
    char            path[];
};

static bool opened(struct copier *c)
{
    static const char set_up[] = "pragma synchronous=full; pragma mmap_size=0; pragma cache_size=-64;"
                                 "select count(*) from sqlite_schema;";
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE };

    if (c->handle)
        return true;
    if (sqlite3_open_v2(c->path, &c->handle, FLAGS, NULL) == SQLITE_OK &&
        sqlite3_exec(c->handle, set_up, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    sqlite3_close(c->handle);
    c->handle = NULL;
    return false;
}

/*
 * SQLite flushes the log before it copies, and the database only when it has copied all of the log.
 * The writer will do that; what has been flushed here it need not wait for.
 */
static void copy(struct copier *c)
{
    sqlite3_file *f = NULL;

    if (!opened(c) || sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                                NULL) != SQLITE_OK)
        return;
    if (sqlite3_file_control(c->handle, "main", SQLITE_FCNTL_FILE_POINTER, &f) == SQLITE_OK && f &&
        f->pMethods)
        (void)f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
}

static void *run(void *arg)
{
    struct copier *c = arg;

    pthread_mutex_lock(&c->mutex);
    for (;;) {
        while (!c->busy && !c->ends)
            pthread_cond_wait(&c->told, &c->mutex);
        if (!c->busy)
            break;
        pthread_mutex_unlock(&c->mutex);
        copy(c);
        pthread_mutex_lock(&c->mutex);
        c->busy = false;
        pthread_cond_signal(&c->rests);
    }
    pthread_mutex_unlock(&c->mutex);
    sqlite3_close(c->handle);
    return NULL;
}

static void dispose(struct copier *c)
{
    pthread_mutex_destroy(&c->mutex);
    pthread_cond_destroy(&c->told);
    pthread_cond_destroy(&c->rests);
    free(c);
}

/* Signals are for the main thread. */
static bool thread_began(struct copier *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

struct copier *copier_start(str path)
{
    struct copier *c = calloc(1, sizeof *c + path.len + 1);
    if (!c)
        return NULL;
    memcpy(c->path, path.ptr, path.len);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->told, NULL);
    pthread_cond_init(&c->rests, NULL);
    if (thread_began(c))
        return c;
    dispose(c);
    return NULL;
}

void copier_stop(struct copier *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->ends = true;
    pthread_cond_signal(&c->told);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    dispose(c);
}

bool copier_go(struct copier *c)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&c->mutex);
    if (c->busy)
        return false;
    c->busy = true;
    pthread_cond_signal(&c->told);
    return true;
}

bool copier_rests(struct copier *c)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&c->mutex);
    return !c->busy;
}

void copier_wait(struct copier *c)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&c->mutex);
    while (c->busy)
        pthread_cond_wait(&c->rests, &c->mutex);
}
