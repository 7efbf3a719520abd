#include "runner/job_link.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/secret.h"
#include "runner/queue.h"

struct job_link {
    pid_t  pid;
    int    fd;
    bool   reaped;
    int    status;
    char  *out;                 /* still to be sent */
    size_t out_len, out_at;
    char   in[JOB_EVENT_BYTES_MAX];
    size_t in_len;
    bool   skipping;            /* a line that was too long: up to its end */
};

/* ---- starting ---- */

/*
 * 0 and 1 lead nowhere, 2 is the service's own, 3 is the line, everything else is closed. Signals are
 * as they are for any program, and the process group is its own: what a terminal sends to the
 * service is not for the job.
 */
static int spawn(const char *program, int fd, pid_t *pid)
{
    static const char *const kept[] = { "PATH", "TZ", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS" };
    char name[] = "signalbox", command[] = "runner-job", *argv[] = { name, command, NULL };
    char *env[sizeof kept / sizeof *kept + 1];
    size_t n = 0;
    for (char **each = environ; *each; each++)
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            size_t len = strlen(kept[i]);
            if (strncmp(*each, kept[i], len) == 0 && (*each)[len] == '=' &&
                n < sizeof kept / sizeof *kept)
                env[n++] = *each;
        }
    env[n] = NULL;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = posix_spawn_file_actions_adddup2(&files, fd, JOB_FD);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&files, JOB_FD + 1);
    rc = rc ? rc : posix_spawnattr_setsigmask(&attr, &none);
    rc = rc ? rc : posix_spawnattr_setsigdefault(&attr, &all);
    rc = rc ? rc : posix_spawnattr_setpgroup(&attr, 0);
    rc = rc ? rc : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETPGROUP);
    rc = rc ? rc : posix_spawn(pid, program, &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static void queue_bytes(struct job_link *l, str bytes)
{
    l->out = realloc(l->out, l->out_len + bytes.len + 1);
    if (!l->out)
        abort();
    memcpy(l->out + l->out_len, bytes.ptr, bytes.len);
    l->out[l->out_len + bytes.len] = '\n';
    l->out_len += bytes.len + 1;
}

bool job_link_start(const char *program, str order, struct job_link **out, struct err *e)
{
    int pair[2];
    assert(order.len < JOB_ORDER_BYTES_MAX);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return fail_errno(e, "a socket for the job: %m");
    struct job_link *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->fd = pair[0];
    int rc = spawn(program, pair[1], &l->pid);
    close(pair[1]);
    if (rc) {
        close(l->fd);
        free(l);
        errno = rc;
        return fail_errno(e, "the job process cannot be started: %m");
    }
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
    queue_bytes(l, order);
    job_link_write(l);
    *out = l;
    return true;
}

static void forget_out(struct job_link *l)
{
    if (l->out)
        secret_wipe(l->out, l->out_len);        /* the order holds secrets */
    free(l->out);
    l->out = NULL;
    l->out_len = l->out_at = 0;
}

static void hang_up(struct job_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    forget_out(l);
}

void job_link_free(struct job_link *l)
{
    if (!l)
        return;
    assert(l->reaped);
    hang_up(l);
    free(l);
}

pid_t job_link_pid(const struct job_link *l) { return l->pid; }
int job_link_fd(const struct job_link *l) { return l->fd; }
bool job_link_wants_write(const struct job_link *l) { return l->out_at < l->out_len; }

void job_link_kill(struct job_link *l, int signal)
{
    if (!l->reaped)
        (void)kill(l->pid, signal);
}

void job_link_reaped(struct job_link *l, int status)
{
    l->reaped = true;
    l->status = status;
}

bool job_link_is_reaped(const struct job_link *l, int *status)
{
    *status = l->status;
    return l->reaped;
}

/* ---- orders ---- */

void job_link_write(struct job_link *l)
{
    while (l->fd >= 0 && l->out_at < l->out_len) {
        ssize_t n = send(l->fd, l->out + l->out_at, l->out_len - l->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;              /* its end is noticed by reading */
        l->out_at += (size_t)n;
    }
    forget_out(l);
}

void job_link_order(struct job_link *l, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "{\"order\":\"%s\"}", name);
    if (l->fd < 0)
        return;
    queue_bytes(l, str_of(line));
    job_link_write(l);
}

/* ---- events ---- */

void job_link_read(struct job_link *l)
{
    while (l->fd >= 0 && l->in_len < sizeof l->in) {
        ssize_t n = recv(l->fd, l->in + l->in_len, sizeof l->in - l->in_len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            hang_up(l);
            return;
        }
        l->in_len += (size_t)n;
    }
}

static str text_of(struct json v, const char *name, struct arena *mem)
{
    return arena_copy(mem, json_str(json_get(v, str_of(name)), mem));
}

static bool event_read(struct arena *mem, str line, struct job_event *out)
{
    static const char *const kinds[] = {
        [JOB_CLONING] = JOB_EVENT_CLONING, [JOB_CLONED] = JOB_EVENT_CLONED,
        [JOB_STARTED] = JOB_EVENT_STARTED, [JOB_ENDED] = JOB_EVENT_ENDED,
    };
    struct err e = { 0 };
    struct json v;
    size_t kind = 0;
    if (!json_parse(mem, line, 0, &v, &e))
        return false;
    str name = json_str(json_get(v, STR("event")), mem);
    while (kind <= JOB_ENDED && !str_eq(name, str_of(kinds[kind])))
        kind++;
    if (kind > JOB_ENDED)
        return false;
    *out = (struct job_event){ .kind = (enum job_event_kind)kind };
    out->commit = text_of(v, "commit", mem);
    out->signal = text_of(v, "signal", mem);
    out->error = str_clip(text_of(v, "error", mem), JOB_ERROR_CHARS_MAX);
    out->failed_step = str_clip(text_of(v, "failedStep", mem), JOB_ERROR_CHARS_MAX);
    out->tail = str_clip(text_of(v, "logTail", mem), JOB_TAIL_BYTES_MAX * 2);
    out->succeeded = str_eq(text_of(v, "outcome", mem), STR("succeeded"));
    out->has_exit_code = json_i64(json_get(v, STR("exitCode")), &out->exit_code);
    out->started_ms = json_i64_or(json_get(v, STR("startedMs")), 0);
    out->finished_ms = json_i64_or(json_get(v, STR("finishedMs")), 0);
    out->clone_ms = json_i64_or(json_get(v, STR("cloneMs")), 0);
    if (!run_reason_read(text_of(v, "reason", mem), &out->reason))
        out->reason = RUN_INTERNAL;
    return true;
}

static void drop(struct job_link *l, size_t n)
{
    l->in_len -= n;
    memmove(l->in, l->in + n, l->in_len);
}

bool job_link_next(struct job_link *l, struct arena *mem, struct job_event *out)
{
    for (;;) {
        size_t end = str_find((str){ l->in, l->in_len }, '\n', 0);
        bool whole = end < l->in_len, skipped = l->skipping;
        if (!whole && end < sizeof l->in)
            return false;
        l->skipping = !whole;
        bool ok = whole && !skipped && event_read(mem, arena_copy(mem, (str){ l->in, end }), out);
        drop(l, whole ? end + 1 : end);
        if (ok)
            return true;
        log_error("a job says what is not understood", LI("pid", l->pid), LI("bytes", end));
    }
}
