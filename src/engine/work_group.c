#include "engine/work_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/scope.h"

static void note_health(struct work *w, bool ok, const struct err *e)
{
    if (ok == atomic_load(&w->healthy))
        return;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    snprintf(w->why, sizeof w->why, "%.199s", ok ? "" : e->text);
    atomic_store(&w->healthy, ok);
    if (ok)
        log_info("the database is back", LI("healthy", 1));
    else
        log_error("the database cannot be written", LZ("why", w->why));
    pthread_cond_signal(&w->woken);     /* a writer that sleeps until somebody comes shall probe */
}

/* How a body that fails is kept from what others in its transaction did. */
enum fence { FENCE_NONE /* it is alone */, FENCE_MARK, FENCE_SAVEPOINT };

/*
 * One body inside the open transaction. With company it has a mark, which tells that a failed body
 * wrote nothing, as most do that fail. *spoiled: it did write; the group begins again, each body in
 * a savepoint of its own.
 */
static void run_body(struct work *w, struct job *j, enum fence fence, bool *spoiled)
{
    struct err ignored = { 0 };
    int64_t mark = 0;
    err_clear(&j->e);
    if (fence == FENCE_MARK && !db_mark(w->db, &mark))
        fence = FENCE_SAVEPOINT;
    j->ok = fence != FENCE_SAVEPOINT || db_savepoint(w->db, &j->e);
    j->ok = j->ok && j->body(w->db, w->mem, j->arg, &j->e);
    assert(j->ok || j->e.code != ERR_NONE);
    if (fence == FENCE_MARK && !j->ok)
        *spoiled = !db_back_to(w->db, mark);
    if (fence != FENCE_SAVEPOINT)
        return;
    if (j->ok)
        j->ok = db_release(w->db, &j->e);
    else if (!db_rollback_to(w->db, &ignored) && j->e.code != ERR_BUSY)
        j->e.code = ERR_STORAGE;
}

static bool must_repeat(const struct job *j) { return !j->ok && j->e.code == ERR_BUSY; }

static void fail_all(struct job *first, const struct err *e)
{
    for (struct job *j = first; j; j = j->next) {
        j->ok = false;
        j->e = *e;
    }
}

/* After a flush that failed: what is in the log goes into the database before anything else does. */
static bool made_sure(struct work *w, struct err *e)
{
    if (!atomic_load(&w->unsure))
        return true;
    if (!db_copy_back(w->db, e))
        return false;
    atomic_store(&w->unsure, false);
    return true;
}

static bool news_before(struct work *w, struct err *e)
{
    return !w->news.before || w->news.before(w->news.arg, w->db, w->mem, e);
}

/* Told when the group is on disk; a flush may end several groups. */
void news_attach(struct work *w, struct job *first)
{
    struct db_news news;
    if (!db_news_take(w->db, &news))
        return;
    first->news = malloc(sizeof news);
    if (!first->news)
        abort();
    *first->news = news;
}

void news_told(struct work *w, struct job *first)
{
    for (struct job *j = first; j; j = j->next) {
        if (j->news && w->news.told)
            w->news.told(w->news.arg, j->news);
        free(j->news);
        j->news = NULL;
    }
}

/*
 * Every job of the list in one transaction. False: nothing was stored, and the reason asks for
 * another try.
 */
static bool run_fenced(struct work *w, struct job *first, enum fence fence)
{
    struct err e = { 0 };
    bool alone = fence == FENCE_NONE, repeat = false, spoiled = false;

    if (!made_sure(w, &e) || !db_begin(w->db, &e)) {
        fail_all(first, &e);
        note_health(w, e.code != ERR_STORAGE, &e);
        return e.code != ERR_BUSY;
    }
    for (struct job *j = first; j && !repeat && !spoiled; j = j->next) {
        run_body(w, j, fence, &spoiled);
        repeat = must_repeat(j);
    }
    if (spoiled && !repeat) {
        db_rollback(w->db);
        return run_fenced(w, first, FENCE_SAVEPOINT);
    }
    if (repeat || (alone && !first->ok)) {
        db_rollback(w->db);
        note_health(w, first->ok || first->e.code != ERR_STORAGE, &first->e);
        return !repeat;
    }
    if (!news_before(w, &e) ||
        !(w->soon ? db_commit_soon(w->db, &e) : db_commit(w->db, &e))) {
        db_rollback(w->db);
        fail_all(first, &e);
        note_health(w, e.code != ERR_STORAGE, &e);
        return e.code != ERR_BUSY;
    }
    atomic_fetch_add(&w->commits, 1);
    if (!atomic_load(&w->unsure))
        note_health(w, true, NULL);
    return true;
}

bool group_run(struct work *w, struct job *first)
{
    return run_fenced(w, first, first->next ? FENCE_MARK : FENCE_NONE);
}

/*
 * A group that met a deadlock or a lock is taken apart: each body alone, a few times, with a
 * growing pause.
 */
void group_run_apart(struct work *w, struct job *first)
{
    for (struct job *j = first, *next; j; j = next) {
        next = j->next;
        j->next = NULL;
        for (int try = 0; try < WORK_TRIES_MAX && !group_run(w, j); try++)
            nanosleep(&(struct timespec){ .tv_nsec = (long)(1 + try * try) * 2000000L }, NULL);
        j->next = next;
    }
}

void group_finish(struct work *w, struct job *first)
{
    news_told(w, first);
    for (struct job *j = first, *next; j; j = next) {
        next = j->next;
        atomic_fetch_add(&w->bodies, 1);
        if (j->done)
            j->done(j->arg, j->ok ? NULL : &j->e);
        free(j);
    }
}

void group_flush(struct work *w, struct job *first)
{
    struct err e = { 0 };
    if (atomic_load(&w->unsure))
        fail(&e, ERR_STORAGE,
             "the disk failed, and whether this was stored is not known: look, or try again");
    else if (!db_flush(w->db, &e))
        atomic_store(&w->unsure, true);
    if (e.code == ERR_NONE)
        return;
    note_health(w, false, &e);
    for (struct job *j = first; j; j = j->next) {
        j->e = j->ok ? e : j->e;
        j->ok = false;
    }
}
