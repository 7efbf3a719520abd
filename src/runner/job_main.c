#include "runner/job.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/scope.h"
#include "runner/job_child.h"
#include "runner/job_clone.h"
#include "runner/job_env.h"
#include "runner/job_order.h"
#include "runner/job_output.h"
#include "runner/job_workspace.h"
#include "runner/runner.h"

enum { FIRST_LINE_MS = 30000, MEMORY_BYTES = 64 << 20, EVENT_BYTES = 64 << 10 };

struct job {
    struct arena     *mem;
    struct job_order  order;
    struct mask_set   masks;
    struct job_line   line;
    struct workspace  at;
    struct job_output output;
    int               lock;
    int64_t           started_ms, clone_ms, deadline_mono_ms;
    char              commit[65];
};

/* How it ended, for the last event. */
struct outcome {
    enum run_reason reason;
    int             exit_code;          /* -1: none */
    int             signal;             /* 0: none */
    str             error;              /* one line for people */
    str             failed_step;
};

static const char *const reasons[] = {
#define X(name, text) [name] = text,
    RUN_REASONS(X)
#undef X
};

/* ---- events ---- */

static void event_begin(struct job *j, struct buf *b, struct json_out *w, const char *event)
{
    buf_init(b, j->mem, EVENT_BYTES);
    json_out_init(w, b);
    json_begin_object(w);
    json_field_str(w, STR("event"), str_of(event));
}

static void event_end(struct job *j, struct buf *b, struct json_out *w)
{
    json_end_object(w);
    line_tell(&j->line, buf_str(b));
}

static void tell_cloning(struct job *j)
{
    struct buf b;
    struct json_out w;
    event_begin(j, &b, &w, JOB_EVENT_CLONING);
    event_end(j, &b, &w);
}

static void tell_cloned(struct job *j)
{
    struct buf b;
    struct json_out w;
    event_begin(j, &b, &w, JOB_EVENT_CLONED);
    json_field_str(&w, STR("commit"), str_of(j->commit));
    event_end(j, &b, &w);
}

static void tell_started(void *job, int pid)
{
    struct job *j = job;
    struct buf b;
    struct json_out w;
    event_begin(j, &b, &w, JOB_EVENT_STARTED);
    json_field_i64(&w, STR("pid"), pid);
    event_end(j, &b, &w);
}

static str one_line(struct job *j, str text)
{
    text = mask_text(j->mem, &j->masks, str_trim(text));
    char *copy = (char *)(uintptr_t)arena_z(j->mem, str_clip(text, JOB_ERROR_CHARS_MAX));
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return str_of(copy);
}

static void tell_ended(struct job *j, const struct outcome *end)
{
    struct buf b;
    struct json_out w;
    event_begin(j, &b, &w, JOB_EVENT_ENDED);
    json_field_str(&w, STR("outcome"), end->reason == RUN_OK ? STR("succeeded") : STR("failed"));
    json_field_str(&w, STR("reason"), str_of(reasons[end->reason]));
    if (end->exit_code >= 0)
        json_field_i64(&w, STR("exitCode"), end->exit_code);
    else
        json_field_raw(&w, STR("exitCode"), STR("null"));
    const char *name = end->signal > 0 ? sigabbrev_np(end->signal) : NULL;
    json_field_str(&w, STR("signal"), name ? arena_print(j->mem, "SIG%s", name) : STR(""));
    json_field_str(&w, STR("error"), one_line(j, end->error));
    json_field_str(&w, STR("failedStep"),
                   end->failed_step.ptr ? one_line(j, end->failed_step) : STR(""));
    json_field_str(&w, STR("commit"), str_of(j->commit));
    json_field_i64(&w, STR("startedMs"), j->started_ms);
    json_field_i64(&w, STR("finishedMs"), clock_utc_ms());
    json_field_i64(&w, STR("cloneMs"), j->clone_ms);
    json_field_str(&w, STR("logTail"), output_tail(&j->output));
    event_end(j, &b, &w);
}

/* ---- the parts of a run ---- */

/* Held for our whole life: by it a service that was started anew knows that we are still here. */
static bool take_lock(struct job *j, struct err *e)
{
    j->lock = open(j->order.lock_file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (j->lock < 0)
        return fail_errno(e, "the lock %s cannot be opened: %m", j->order.lock_file);
    if (flock(j->lock, LOCK_EX | LOCK_NB) < 0)
        return fail(e, ERR_CONFLICT, "another process still works on this run (%s)",
                    j->order.lock_file);
    return true;
}

static bool write_vars(struct job *j, struct err *e)
{
    SCOPED(fd) int fd = open(j->at.vars_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(e, "%s: %m", j->at.vars_file);
    return io_write_all(fd, vars_json(j->mem, &j->order), e);
}

/* What must be there for a run, before anything is fetched. */
static bool prepare(struct job *j, struct err *e)
{
    const char *path = env_path(&j->order);
    if (!take_lock(j, e) ||
        !output_open(&j->output, j->order.log_file, j->order.log_max_bytes, &j->masks, e) ||
        !workspace_make(j->mem, j->order.work_dir, &j->at, e) ||
        !program_find(j->mem, j->order.atmos, path, "ATMOS_BIN", &j->order.atmos, e) ||
        !program_find(j->mem, j->order.git, path, "GIT_BIN", &j->order.git, e))
        return false;
    const char *link = arena_print(j->mem, "%s/atmos", j->at.bin).ptr;
    return symlink(j->order.atmos, link) == 0 || fail_errno(e, "%s: %m", link);
}

static struct outcome failed(enum run_reason reason, str error)
{
    return (struct outcome){.reason = reason, .exit_code = -1, .error = error};
}

static struct outcome internal(struct job *j, const struct err *e)
{
    return failed(RUN_INTERNAL, arena_copy(j->mem, str_of(e->text)));
}

static struct outcome was_stopped(struct job *j, enum child_stop why)
{
    switch (why) {
    case STOP_TIME: {
        int64_t took = clock_utc_ms() - j->started_ms;
        return failed(RUN_TIMEOUT, arena_print(j->mem, "it was stopped at its time limit, after "
                                                       "%lld s. If it needs longer, raise "
                                                       "RUN_TIMEOUT and the Action's timeout",
                                               (long long)(took / 1000)));
    }
    case STOP_CANCEL: return failed(RUN_CANCELLED, STR("cancelled"));
    case STOP_SERVICE:
    case STOP_GONE: return failed(RUN_STOPPED, STR("runner stopped"));
    case STOP_NOT: break;
    }
    return failed(RUN_INTERNAL, STR("it was stopped for no reason"));
}

static bool clone_repo(struct job *j, struct outcome *end)
{
    struct cloned cloned;
    struct err e = {0};
    int64_t began_ms = clock_mono_ms();
    tell_cloning(j);
    bool ok = job_clone(j->mem, &j->order, &j->at, &j->line, j->deadline_mono_ms, &cloned, &e);
    j->clone_ms = clock_mono_ms() - began_ms;
    if (ok) {
        memcpy(j->commit, cloned.commit, sizeof j->commit);
        tell_cloned(j);
        return true;
    }
    *end = cloned.stopped != STOP_NOT
               ? was_stopped(j, cloned.stopped)
               : failed(RUN_CLONE_FAILED, arena_print(j->mem, "clone failed: %s", e.text));
    output_add(&j->output, one_line(j, end->error));
    output_add(&j->output, STR("\n"));
    return false;
}

/* ---- atmos ---- */

static void note(struct job *j, const char *text, const char *more)
{
    output_add(&j->output, arena_print(j->mem, "[%s%s%s]\n", text, *more ? ": " : "", more));
}

static struct outcome outcome_of(struct job *j, const struct child_end *child)
{
    bool exited = WIFEXITED(child->status);
    struct outcome end = {.exit_code = exited ? WEXITSTATUS(child->status) : -1,
                          .signal = exited ? 0 : WTERMSIG(child->status)};
    if (child->stopped != STOP_NOT) {
        struct outcome why = was_stopped(j, child->stopped);
        end.reason = why.reason;
        end.error = why.error;
    } else if (!exited) {
        end.reason = RUN_SIGNAL;
        const char *name = sigabbrev_np(end.signal);
        end.error = arena_print(j->mem, "atmos was ended by signal SIG%s%s", name ? name : "?",
                                end.signal == SIGKILL ? ": is there too little memory?" : "");
    } else if (end.exit_code != 0) {
        end.reason = RUN_EXIT_CODE;
        end.failed_step = failed_step(j->mem, output_tail(&j->output));
        end.error = end.failed_step.len > 0
            ? arena_print(j->mem, "step '" PRI_STR "' failed: exit code %d",
                          FMT_STR(end.failed_step), end.exit_code)
            : arena_print(j->mem, "atmos ended with exit code %d", end.exit_code);
    }
    return end;
}

static void atmos_output(void *job, str bytes) { output_add(&((struct job *)job)->output, bytes); }

/* As the kernel knows them: without links. What is not there needs no hiding. */
static const char **hidden_paths(struct job *j)
{
    size_t count = 0, kept = 0;
    while (j->order.hide[count])
        count++;
    const char **out = arena_make(j->mem, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        char real[PATH_MAX];
        if (realpath(j->order.hide[i], real) && strcmp(real, "/") != 0)
            out[kept++] = arena_z(j->mem, str_of(real));
    }
    return out;
}

static struct outcome run_atmos(struct job *j)
{
    struct err e = {0};
    const char *keep[] = {j->at.dir, j->order.atmos, NULL};
    struct sandbox box = {
        .tmp = j->at.tmp, .hide = hidden_paths(j), .keep = keep, .limits = j->order.limits,
        .namespaces = j->order.namespaces, .landlock = j->order.landlock,
    };
    struct child_plan plan = {
        .argv = argv_of_atmos(j->mem, &j->order, &j->at),
        .env = env_of_atmos(j->mem, &j->order, &j->at),
        .cwd = j->at.repo, .box = &box, .wipe = &j->masks, .inherit_fd = -1,
        .until_mono_ms = j->deadline_mono_ms,
        .grace_ms = j->order.stop_grace_ms, .kill_ms = j->order.kill_ms,
        .output = atmos_output, .started = tell_started, .to = j,
    };
    struct child_end child;
    if (!write_vars(j, &e) || !child_run(&plan, &j->line, &child, &e)) {
        (void)fail_ctx(&e, "atmos (%s)", j->order.atmos);
        return internal(j, &e);
    }
    output_flush(&j->output);
    if (child.box_refused[0])
        log_info("a run without namespaces", LZ("run", j->order.run_id), LZ("why", child.box_refused));
    struct outcome end = outcome_of(j, &child);
    if (child.stopped != STOP_NOT)
        note(j, "signalbox", arena_z(j->mem, end.error));
    return end;
}

static struct outcome run(struct job *j)
{
    struct err e = {0};
    struct outcome end;
    j->started_ms = clock_utc_ms();
    j->deadline_mono_ms = clock_mono_ms() + (j->order.deadline_ms - j->started_ms);
    if (!prepare(j, &e))
        return internal(j, &e);
    if (line_wants_end(&j->line) || j->order.deadline_ms <= j->started_ms)
        return was_stopped(j, j->line.cancel ? STOP_CANCEL : j->line.stop ? STOP_SERVICE
                              : j->line.gone ? STOP_GONE : STOP_TIME);
    if (!clone_repo(j, &end))
        return end;
    return run_atmos(j);
}

/* ---- the process ---- */

static void clean_up(struct job *j, const struct outcome *end)
{
    struct err e = {0};
    if (!j->at.dir)
        return;
    if (j->order.keep_failed && end->reason != RUN_OK && !j->line.gone) {
        log_info("the folder of a run is kept", LZ("run", j->order.run_id), LZ("folder", j->at.dir));
        return;
    }
    if (!workspace_remove(j->at.dir, &e))
        log_error("the folder of a run is left behind", LZ("run", j->order.run_id),
                  LZ("error", e.text));
}

static bool first_order(struct job *j, struct err *e)
{
    str line;
    if (!line_first(&j->line, FIRST_LINE_MS, &line, e))
        return false;
    bool ok = job_order_read(j->mem, line, &j->order, &j->masks, e);
    line_first_done(&j->line);
    line_read(&j->line);
    return ok;
}

int runner_job_main(void)
{
    struct job j = {.line = {.fd = JOB_FD}, .lock = -1, .output = {.fd = -1}};
    struct err e = {0};
    struct outcome end;
    j.mem = arena_new(MEMORY_BYTES, MEMORY_BYTES * 2);
    if (fcntl(JOB_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fputs("signalbox runner-job is started by signalbox runner, not by people\n", stderr);
        arena_free(j.mem);
        return 2;
    }
    setsid();
    j.started_ms = clock_utc_ms();
    if (!child_ready(&e) || !first_order(&j, &e))
        end = internal(&j, &e);
    else
        end = run(&j);
    output_close(&j.output);
    tell_ended(&j, &end);
    clean_up(&j, &end);
    mask_free(&j.masks);
    line_close(&j.line);
    if (j.lock >= 0)
        close(j.lock);
    arena_free(j.mem);
    return 0;
}
