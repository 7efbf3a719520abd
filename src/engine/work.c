#include "engine/work_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/scope.h"

/*
 * Lanes, whose work nobody waits for, stand back while callers wait for an answer: a little at
 * first, longer while it goes on so.
 */
enum { STAND_BACK_FIRST_MS = 10, STAND_BACK_LAST_MS = 100, PROBE_EVERY_S = 1 };

/* A visitor that was held up this long by the disk: others give their work away for a while. */
enum { VISITOR_SLOW_MS = 20, VISITORS_PAUSE_MS = 1000 };

/* Called with the mutex held. */
static bool lanes_stand_back(struct work *w)
{
    const struct job *lane = NULL, *caller = NULL;
    for (const struct job *j = w->first; j && !(lane && caller); j = j->next)
        if (j->patient)
            lane = lane ? lane : j;
        else
            caller = caller ? caller : j;
    if (!caller) {
        w->stand_back_ms = STAND_BACK_FIRST_MS;
        return false;
    }
    if (!lane || clock_mono_ms() - lane->queued_ms < w->stand_back_ms)
        return true;
    w->stand_back_ms =
        w->stand_back_ms * 2 < STAND_BACK_LAST_MS ? w->stand_back_ms * 2 : STAND_BACK_LAST_MS;
    return false;
}

/* A row that comes and goes in one transaction: the pages are written all the same. */
static bool probe_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "insert into oidc_used (jti, expires_ms) values ('probe', 0) on conflict (jti) "
                   "do nothing",
                   NO_ARGS) &&
           db_exec(db, e, NULL, "delete from oidc_used where jti = 'probe'", NO_ARGS);
}

static bool nothing_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)db;
    (void)mem;
    (void)arg;
    (void)e;
    return true;
}

static struct job *job_of_ours(engine_body *body)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        abort();
    j->body = body;
    return j;
}

/* With the mutex held. False: nothing came. */
static bool wait_a_moment(struct work *w)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PROBE_EVERY_S;
    return pthread_cond_timedwait(&w->woken, &w->mutex, &until) != ETIMEDOUT;
}

/*
 * Takes at most WORK_GROUP_MAX jobs off the queue, in order; NULL when it is empty and the thread
 * shall end.
 */
static struct job *take_group(struct work *w)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    w->turning = false;
    while (w->visitor || (!w->first && !w->stopping && !w->untidy))
        if (w->visitor || atomic_load(&w->healthy))
            pthread_cond_wait(&w->woken, &w->mutex);
        else if (!wait_a_moment(w) && !w->visitor) {
            /* Who is not ready is sent nothing, so that nothing would ever show that the database
             * can be written again. */
            w->turning = true;
            return job_of_ours(probe_body);
        }
    w->turning = true;
    bool only_tidy = w->untidy && !w->first && !w->stopping;
    w->untidy = false;
    if (only_tidy)
        return job_of_ours(nothing_body);       /* what follows a turn is tidying */
    bool skip = lanes_stand_back(w);
    struct job *group = NULL, **last = &group, **at = &w->first;
    for (int n = 0; *at && n < WORK_GROUP_MAX;) {
        struct job *j = *at;
        if (skip && j->patient) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        j->next = NULL;
        *last = j;
        last = &j->next;
        n++;
    }
    if (!*at)
        w->last = at;
    return group;
}

/* ---- flushing on a thread of its own --------------------------------------------------------- */

static bool all_apart(const struct job *first)
{
    const struct job *j = first;
    while (j && j->apart)
        j = j->next;
    return !j;
}

/*
 * The next group's statements run while this one is flushed. One may wait behind it, not more: what
 * comes meanwhile grows into a larger group.
 */
static void hand_to_flusher(struct work *w, struct job *group)
{
    struct job **last = &group->next;
    while (*last)
        last = &(*last)->next;
    pthread_mutex_lock(&w->mutex);
    *w->owed_last = group;
    w->owed_last = last;
    bool idle = !w->flushing;
    while (w->owed && w->flushing)
        pthread_cond_wait(&w->flushed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    if (idle)
        pthread_cond_signal(&w->committed);
}

/* Until what was committed before is flushed and told. */
static void wait_for_flusher(struct work *w)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    while (w->owed || w->flushing)
        pthread_cond_wait(&w->flushed, &w->mutex);
}

static void *flusher(void *arg)
{
    struct work *w = arg;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (!w->owed && !w->flusher_ends)
            pthread_cond_wait(&w->committed, &w->mutex);
        struct job *first = w->owed;
        if (!first)
            break;
        w->owed = NULL;
        w->owed_last = &w->owed;
        w->flushing = true;
        pthread_mutex_unlock(&w->mutex);
        pthread_cond_signal(&w->flushed);
        group_flush(w, first);
        group_finish(w, first);
        pthread_mutex_lock(&w->mutex);
        w->flushing = false;
        if (w->owed)
            continue;
        pthread_mutex_unlock(&w->mutex);
        pthread_cond_signal(&w->flushed);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void flusher_stop(struct work *w)
{
    pthread_mutex_lock(&w->mutex);
    w->flusher_ends = true;
    pthread_cond_signal(&w->committed);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->flusher, NULL);
}

/* ---- the writer ------------------------------------------------------------------------------ */

static bool turn(struct work *w, bool has_flusher)
{
    struct job *group = take_group(w);
    if (!group)
        return false;
    w->soon = has_flusher && all_apart(group);
    if (!group_run(w, group))
        group_run_apart(w, group);
    news_attach(w, group);
    if (w->soon) {
        hand_to_flusher(w, group);
    } else {
        wait_for_flusher(w);            /* who came first is told first */
        if (atomic_load(&w->unsure))
            group_flush(w, group);
        group_finish(w, group);
    }
    w->soon = false;
    if (has_flusher)
        db_tidy_apart(w->db);
    else
        db_tidy(w->db);
    arena_reset(w->mem);
    return true;
}

bool work_turn(struct work *w) { return turn(w, false); }

bool work_idle(struct work *w)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    return w->first == NULL;
}

static void *writer(void *arg)
{
    while (turn(arg, true))
        ;
    return NULL;
}

bool work_start(struct db *db, struct work **out, struct err *e)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return fail(e, ERR_INTERNAL, "out of memory");
    w->db = db;
    w->last = &w->first;
    w->kept_last = &w->kept;
    w->owed_last = &w->owed;
    w->stand_back_ms = STAND_BACK_FIRST_MS;
    w->mem = arena_new((size_t)1 << 30, (size_t)4 << 30);
    atomic_init(&w->healthy, true);
    atomic_init(&w->unsure, false);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->woken, NULL);
    pthread_cond_init(&w->committed, NULL);
    pthread_cond_init(&w->flushed, NULL);
    if (pthread_create(&w->flusher, NULL, flusher, w) != 0) {
        arena_free(w->mem);
        free(w);
        return fail(e, ERR_INTERNAL, "cannot start the thread that flushes");
    }
    if (pthread_create(&w->thread, NULL, writer, w) != 0) {
        flusher_stop(w);
        arena_free(w->mem);
        free(w);
        return fail(e, ERR_INTERNAL, "cannot start the writer thread");
    }
    *out = w;
    return true;
}

static struct job *job_new(engine_body *body, engine_done *done, void *arg, bool patient)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        abort();
    *j = (struct job){ .body = body, .done = done, .arg = arg, .patient = patient,
                       .queued_ms = patient ? clock_mono_ms() : 0 };
    return j;
}

/* A chain of jobs; last is where it ends. */
static void enqueue(struct work *w, struct job *first, struct job **last)
{
    pthread_mutex_lock(&w->mutex);
    bool late = w->stopping;
    if (!late) {
        *w->last = first;
        w->last = last;
    }
    pthread_mutex_unlock(&w->mutex);
    /* Who is woken takes the mutex: it would fall asleep again while we hold it. */
    if (!late)
        pthread_cond_signal(&w->woken);
    for (struct job *j = late ? first : NULL, *next; j; j = next) {
        next = j->next;
        fail(&j->e, ERR_BUSY, "the server is stopping; try again");
        if (j->done)
            j->done(j->arg, &j->e);
        free(j);
    }
}

static void submit(struct work *w, engine_body *body, engine_done *done, void *arg, bool patient)
{
    struct job *j = job_new(body, done, arg, patient);
    enqueue(w, j, &j->next);
}

void work_submit_soon(struct work *w, engine_body *body, engine_done *done, void *arg)
{
    struct job *j = job_new(body, done, arg, false);
    j->apart = true;
    *w->kept_last = j;
    w->kept_last = &j->next;
    if (++w->kept_count == WORK_KEPT_MAX)
        work_submit_kept(w);
}

void work_submit_kept(struct work *w)
{
    struct job *first = w->kept, **last = w->kept_last;
    w->kept = NULL;
    w->kept_last = &w->kept;
    w->kept_count = 0;
    if (first)
        enqueue(w, first, last);
}

void work_submit(struct work *w, engine_body *body, engine_done *done, void *arg)
{
    submit(w, body, done, arg, false);
}

void work_submit_apart(struct work *w, engine_body *body, engine_done *done, void *arg)
{
    struct job *j = job_new(body, done, arg, false);
    j->apart = true;
    enqueue(w, j, &j->next);
}

void work_submit_patient(struct work *w, engine_body *body, engine_done *done, void *arg)
{
    submit(w, body, done, arg, true);
}

/* Nobody has the connection, and nobody waits for it. */
static bool visitor_enters(struct work *w)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    if (w->turning || w->visitor || w->first || w->owed || w->flushing || w->stopping ||
        !atomic_load(&w->healthy) || clock_mono_ms() < w->no_visitors_ms)
        return false;
    w->visitor = true;
    return true;
}

static void visitor_leaves(struct work *w, int64_t entered_ms)
{
    bool untidy = db_untidy(w->db);
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&w->mutex);
    int64_t now_ms = clock_mono_ms();
    if (now_ms - entered_ms >= VISITOR_SLOW_MS)
        w->no_visitors_ms = now_ms + VISITORS_PAUSE_MS;
    w->visitor = false;
    w->untidy = untidy;
    if (w->first || w->stopping || w->untidy)
        pthread_cond_signal(&w->woken);
}

void work_submit_here(struct work *w, engine_body *body, engine_ready *ready, engine_done *done,
                      void *arg)
{
    struct job j = { .body = body, .arg = arg };
    if (!visitor_enters(w)) {
        submit(w, body, done, arg, false);
        return;
    }
    int64_t entered_ms = clock_mono_ms();
    db_patience(w->db, 0);
    w->soon = true;
    bool over = group_run(w, &j);
    w->soon = false;
    db_patience(w->db, -1);
    if (over) {
        news_attach(w, &j);
        if (j.ok && ready)
            ready(arg);
        if (j.ok)
            group_flush(w, &j);
        news_told(w, &j);
        atomic_fetch_add(&w->bodies, 1);
        if (done)
            done(arg, j.ok ? NULL : &j.e);
    }
    arena_reset(w->mem);
    visitor_leaves(w, entered_ms);
    if (!over)
        submit(w, body, done, arg, false);
}

void work_on_news(struct work *w, const struct work_news *n) { w->news = *n; }

void work_want_news(struct work *w, bool wanted) { db_news_want(w->db, wanted); }

bool work_on_writer(const struct work *w) { return pthread_equal(pthread_self(), w->thread); }

bool work_healthy(const struct work *w, char why[200])
{
    struct work *mine = (struct work *)w;       /* the mutex is the one thing that is not const */
    if (atomic_load(&mine->healthy))
        return true;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&mine->mutex);
    snprintf(why, 200, "%s", mine->why);
    return false;
}

void work_counts(const struct work *w, uint64_t *commits, uint64_t *bodies)
{
    *commits = atomic_load(&((struct work *)w)->commits);
    *bodies = atomic_load(&((struct work *)w)->bodies);
}

void work_stop(struct work *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    flusher_stop(w);
    work_submit_kept(w);                /* too late: they are told so */
    db_close(w->db);
    arena_free(w->mem);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->woken);
    pthread_cond_destroy(&w->committed);
    pthread_cond_destroy(&w->flushed);
    free(w);
}
