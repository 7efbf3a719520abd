/* Jobs: started when there is room, heard, stopped, and cleared up after (the clerk's thread). */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "runner/job_workspace.h"
#include "runner/leftovers.h"
#include "runner/service.h"

enum { LOOK_AGAIN_MS = 20, LOST_AGAIN_MS = 200, SWEEP_ROUNDS = 100 };

static struct arena *scratch(void) { return arena_new((size_t)4 << 20, (size_t)64 << 20); }

/* ---- storing ---- */

bool run_store(struct service *s, struct run *r, int64_t now_ms)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct err e = { 0 };
    bool ok = journal_write(&s->journal, mem, r, &e);
    if (!ok) {
        log_error("how far a run is cannot be stored", LZ("run", r->id), LZ("why", e.text));
        COUNT_UP(s, storage_failures, 1);
    }
    atomic_store(&s->storage_failed, !ok);
    r->write_again_ms = ok ? 0 : now_ms + WRITE_AGAIN_MS;
    return ok;
}

static void stage_set(struct service *s, struct run *r, enum run_stage stage, enum run_phase phase)
{
    pthread_mutex_lock(&s->lock);
    run_stage_set(&s->queue, r, stage);
    r->phase = phase;
    pthread_mutex_unlock(&s->lock);
}

/* ---- the end ---- */

void run_ended(struct service *s, struct run *r, int64_t now_ms)
{
    struct outcome *o = &r->outcome;
    if (!o->finished_ms)
        o->finished_ms = now_ms;
    if (o->succeeded)
        COUNT_UP(s, succeeded, 1);
    else
        COUNT_UP(s, failed, 1);
    COUNT_UP(s, clone_ms, o->clone_ms);
    if (o->started_ms && o->finished_ms > o->started_ms)
        COUNT_UP(s, run_ms, o->finished_ms - o->started_ms);
    log_info("a run has ended", LZ("run", r->id), LZ("state", o->succeeded ? "succeeded" : "failed"),
             LZ("reason", run_reason_name(o->reason)), LI("exit_code", o->exit_code),
             LI("ms", o->started_ms ? o->finished_ms - o->started_ms : 0), LZ("error", o->error));
    stage_set(s, r, RUN_ENDED, PHASE_WAITING);
    r->attempt_ms = now_ms;
    (void)run_store(s, r, now_ms);
}

void run_failed(struct service *s, struct run *r, enum run_reason reason, const char *error,
                int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    r->outcome.succeeded = false;
    r->outcome.reason = reason;
    r->outcome.started_ms = r->started_ms;
    text_set(&r->outcome.error, str_of(error));
    pthread_mutex_unlock(&s->lock);
    run_ended(s, r, now_ms);
}

/* ---- starting ---- */

static int64_t deadline_of(const struct service *s, const struct run *r, const struct dispatch *d,
                           int64_t now_ms)
{
    int64_t end = now_ms + s->settings.run_timeout.n;
    if (d->timeout_ms && now_ms + d->timeout_ms < end)
        end = now_ms + d->timeout_ms;
    return r->expires_ms - TOKEN_MARGIN_MS < end ? r->expires_ms - TOKEN_MARGIN_MS : end;
}

static bool launch(struct service *s, struct run *r, int64_t now_ms, struct err *e)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct accepted a;
    if (!journal_accepted(&s->journal, mem, str_of(r->id), &a, e))
        return false;
    int64_t deadline_ms = deadline_of(s, r, &a.d, now_ms);
    str order = job_order_text(s, mem, r, &a, deadline_ms);
    bool ok = order.len > 0 ? job_link_start(s->program, order, &r->job, e)
                            : fail(e, ERR_LIMIT, "variables and environment are larger than 1 MiB");
    secret_wipe((char *)(uintptr_t)order.ptr, order.len);
    r->kill_ms = deadline_ms + s->settings.stop_grace.n + JOB_KILL_AFTER_MS + SERVICE_EXIT_MARGIN_MS;
    return ok;
}

/* Stored before it begins: whatever happens then, it never begins again. */
static bool start(struct service *s, struct run *r, int64_t now_ms)
{
    struct err e = { 0 };
    pthread_mutex_lock(&s->lock);
    r->started_ms = now_ms;
    run_stage_set(&s->queue, r, RUN_STARTED);
    r->phase = PHASE_STARTING;
    queue_busy_add(&s->queue, r);
    pthread_mutex_unlock(&s->lock);
    if (!run_store(s, r, now_ms)) {
        pthread_mutex_lock(&s->lock);
        r->started_ms = 0;
        run_stage_set(&s->queue, r, RUN_QUEUED);
        r->phase = PHASE_WAITING;
        queue_busy_remove(&s->queue, r);
        pthread_mutex_unlock(&s->lock);
        return false;
    }
    COUNT_UP(s, queue_wait_ms, now_ms - r->accepted_ms);
    if (launch(s, r, now_ms, &e)) {
        log_info("a job has started", LZ("run", r->id), LI("pid", job_link_pid(r->job)),
                 LI("waited_ms", now_ms - r->accepted_ms));
        return true;
    }
    log_error("a job cannot be started", LZ("run", r->id), LZ("why", e.text));
    run_failed(s, r, RUN_INTERNAL, "the runner could not start a job process: its log says why",
               now_ms);
    pthread_mutex_lock(&s->lock);
    queue_busy_remove(&s->queue, r);
    pthread_mutex_unlock(&s->lock);
    return true;
}

void jobs_start(struct service *s, int64_t now_ms)
{
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct run *r = queue_next(&s->queue, (size_t)s->settings.max_concurrent_runs.n);
        pthread_mutex_unlock(&s->lock);
        if (!r || !start(s, r, now_ms))
            return;
    }
}

/* ---- hearing ---- */

static void take_outcome(struct service *s, struct run *r, const struct job_event *v)
{
    struct outcome *o = &r->outcome;
    pthread_mutex_lock(&s->lock);
    o->succeeded = v->succeeded;
    o->reason = v->succeeded ? RUN_OK : v->reason == RUN_OK ? RUN_INTERNAL : v->reason;
    o->has_exit_code = v->has_exit_code;
    o->exit_code = v->exit_code;
    o->started_ms = v->started_ms ? v->started_ms : r->started_ms;
    o->finished_ms = v->finished_ms;
    o->clone_ms = v->clone_ms;
    str signal = str_clip(v->signal, sizeof o->signal - 1);
    memcpy(o->signal, signal.ptr ? signal.ptr : "", signal.len);
    if (v->error.len)
        text_set(&o->error, v->error);
    if (v->failed_step.len)
        text_set(&o->failed_step, v->failed_step);
    text_set(&o->tail, v->tail);
    pthread_mutex_unlock(&s->lock);
}

static void take_commit(struct service *s, struct run *r, str commit)
{
    commit = str_clip(commit, sizeof r->outcome.commit - 1);
    if (!commit.len)
        return;
    pthread_mutex_lock(&s->lock);
    memcpy(r->outcome.commit, commit.ptr, commit.len);
    r->outcome.commit[commit.len] = 0;
    pthread_mutex_unlock(&s->lock);
}

static void phase_set(struct service *s, struct run *r, enum run_phase phase)
{
    pthread_mutex_lock(&s->lock);
    if (r->phase < phase)
        r->phase = phase;
    pthread_mutex_unlock(&s->lock);
}

static void take_event(struct service *s, struct run *r, const struct job_event *v, int64_t now_ms)
{
    if (r->stage != RUN_STARTED)
        return;
    take_commit(s, r, v->commit);
    switch (v->kind) {
    case JOB_CLONING:
        phase_set(s, r, PHASE_CLONING);
        break;
    case JOB_CLONED:
        log_info("a repository is cloned", LZ("run", r->id), LS("commit", v->commit));
        break;
    case JOB_STARTED:
        phase_set(s, r, PHASE_RUNNING);
        log_info("a workflow has started", LZ("run", r->id), LI("after_ms", now_ms - r->accepted_ms));
        break;
    case JOB_ENDED:
        take_outcome(s, r, v);
        run_ended(s, r, now_ms);
        break;
    }
}

void job_heard(struct service *s, struct run *r, int64_t now_ms)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct job_event v;
    int fd;
    do {
        fd = job_link_fd(r->job);
        job_link_read(r->job);
        while (job_link_next(r->job, mem, &v))
            take_event(s, r, &v, now_ms);
    } while (fd >= 0 && job_link_fd(r->job) < 0);
}

/* ---- stopping ---- */

static void order_stop(struct service *s, struct run *r, const char *order, int64_t now_ms)
{
    int64_t kill_ms =
        now_ms + s->settings.stop_grace.n + JOB_KILL_AFTER_MS + SERVICE_EXIT_MARGIN_MS;
    job_link_order(r->job, order);
    phase_set(s, r, PHASE_STOPPING);
    if (kill_ms < r->kill_ms)
        r->kill_ms = kill_ms;
    log_info("a job is told to stop", LZ("run", r->id), LZ("order", order));
}

static bool is_job(void *ctx, pid_t pid)
{
    struct service *s = ctx;
    for (struct run *r = s->queue.busy; r; r = r->busy_next)
        if (r->job && job_link_pid(r->job) == pid)
            return true;
    return false;
}

/* ---- clearing up ---- */

static void say_death(struct service *s, struct run *r, int status, int64_t now_ms)
{
    char why[200];
    if (r->stage == RUN_LOST) {
        run_failed(s, r, RUN_INTERNAL, "runner restarted: it was stopped while this run was under "
                   "way, and the run with it. Look at what it has changed, then start it again",
                   now_ms);
        return;
    }
    snprintf(why, sizeof why, "the job process died (%s %d) and took the run with it. Look at what "
             "the run has changed, then start it again", WIFSIGNALED(status) ? "signal" : "exit",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    run_failed(s, r, RUN_INTERNAL, why, now_ms);
}

static void release(struct service *s, struct run *r)
{
    pthread_mutex_lock(&s->lock);
    queue_busy_remove(&s->queue, r);
    struct job_link *job = r->job;
    r->job = NULL;
    r->kill_ms = 0;
    pthread_mutex_unlock(&s->lock);
    job_link_free(job);
}

/* Nothing of the run lives and its folder is gone before its stack is free again. */
static void clear_up(struct service *s, struct run *r, int status, int64_t now_ms)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct err e = { 0 };
    const char *dir = arena_print(mem, PRI_STR "/%s", FMT_STR(s->settings.work_dir.text), r->id).ptr;
    r->kill_ms = now_ms + (r->job ? LOOK_AGAIN_MS : LOST_AGAIN_MS);
    if (journal_job_lives(&s->journal, str_of(r->id)))
        return;
    if (leftovers_end(dir, is_job, s) > 0) {
        r->kill_ms = now_ms + LOOK_AGAIN_MS;
        return;
    }
    if (!workspace_remove(dir, &e))
        log_error("the folder of a run cannot be removed", LZ("run", r->id), LZ("why", e.text));
    if (r->stage == RUN_STARTED || r->stage == RUN_LOST)
        say_death(s, r, status, now_ms);
    release(s, r);
}

static void job_ended(struct service *s, struct run *r, int status, int64_t now_ms)
{
    job_heard(s, r, now_ms);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && r->stage != RUN_STARTED)
        release(s, r);
    else
        clear_up(s, r, status, now_ms);
}

/* Also of what came to us when its job died: we are its reaper then. */
void jobs_reap(struct service *s, int64_t now_ms)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (struct run *r = s->queue.busy, *next; r; r = next) {
            next = r->busy_next;
            if (!r->job || job_link_pid(r->job) != pid)
                continue;
            job_link_reaped(r->job, status);
            r->kill_ms = now_ms;
        }
}

void job_tend(struct service *s, struct run *r, int64_t now_ms)
{
    int status = 0;
    if (!r->job) {
        if (now_ms >= r->kill_ms)
            clear_up(s, r, 0, now_ms);
        return;
    }
    if (job_link_is_reaped(r->job, &status)) {
        if (now_ms >= r->kill_ms)
            job_ended(s, r, status, now_ms);
        return;
    }
    if (r->cancel && r->phase != PHASE_STOPPING && r->stage == RUN_STARTED)
        order_stop(s, r, JOB_ORDER_CANCEL, now_ms);
    if (s->stop_now && r->phase != PHASE_STOPPING && r->stage == RUN_STARTED)
        order_stop(s, r, JOB_ORDER_STOP, now_ms);
    if (now_ms >= r->kill_ms) {
        log_error("a job does not end: it is killed", LZ("run", r->id));
        job_link_kill(r->job, SIGKILL);
        r->kill_ms = now_ms + SERVICE_EXIT_MARGIN_MS;
    }
}

/* ---- the start ---- */

void jobs_adopt(struct service *s, int64_t now_ms)
{
    for (struct run *r = s->queue.first; r; r = r->next) {
        if (r->stage == RUN_STARTED)
            run_stage_set(&s->queue, r, RUN_LOST);
        if (r->stage != RUN_LOST && !journal_job_lives(&s->journal, str_of(r->id)))
            continue;
        log_warn("a run of an earlier life", LZ("run", r->id), LZ("state", run_state_name(r)));
        queue_busy_add(&s->queue, r);
        r->kill_ms = now_ms;
    }
}

static bool is_busy(const struct service *s, str id)
{
    for (const struct run *r = s->queue.busy; r; r = r->busy_next)
        if (str_eq(str_of(r->id), id))
            return true;
    return false;
}

static void sweep_one(struct service *s, const char *name)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct err e = { 0 };
    const char *dir =
        arena_print(mem, PRI_STR "/%s", FMT_STR(s->settings.work_dir.text), name).ptr;
    for (int i = 0; i < SWEEP_ROUNDS && leftovers_end(dir, is_job, s) > 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_MS * 1000000 }, NULL);
    if (workspace_remove(dir, &e))
        log_info("a folder of an earlier life is removed", LZ("path", dir));
    else
        log_error("a folder of an earlier life cannot be removed", LZ("path", dir),
                  LZ("why", e.text));
}

void workspaces_sweep(struct service *s)
{
    DIR *d = opendir(s->settings.work_dir.text.ptr);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (run_id_valid(str_of(entry->d_name)) && !is_busy(s, str_of(entry->d_name)))
            sweep_one(s, entry->d_name);
    if (d)
        closedir(d);
}
