#include "runner/job_child.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/scope.h"

enum { READ_BYTES = 64 << 10, LEFT_BEHIND_MS = 10000, POLL_MOST_MS = 60000, LAST_STAGE_MS = 5000 };

/* What a child says of itself before it is the program. */
struct cry { bool box; int sys; char text[200]; };

struct running {
    const struct child_plan *plan;
    struct job_line         *line;
    struct child_end        *end;
    int                      pid;       /* also its process group */
    int                      out, ended, status_in;
    bool                     reaped;
    size_t                   stage;     /* of stop_stages */
    int64_t                  stage_until_ms;
};

static int child_signals = -1;      /* a signalfd of SIGCHLD */

bool child_ready(struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return fail_errno(e, "blocking SIGCHLD: %m");
    if (child_signals < 0)
        child_signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (child_signals < 0)
        return fail_errno(e, "signalfd: %m");
    /* The service says when to stop, by its line; a signal to its whole group is not for us. */
    static const int not_ours[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof not_ours / sizeof not_ours[0]; i++)
        signal(not_ours[i], SIG_IGN);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail_errno(e, "prctl: %m");
    return true;
}

/* ---- the child's side ---- */

static _Noreturn void give_up(int cry_to, bool box, const struct err *e)
{
    struct cry cry = {.box = box, .sys = e->sys};
    snprintf(cry.text, sizeof cry.text, "%.190s", e->text);
    ssize_t n = write(cry_to, &cry, sizeof cry);
    _exit(n < 0 ? 126 : 127);
}

static void default_signals(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptors of the program: nothing, the pipe, the pipe, and one that was asked for. */
static bool own_descriptors(const struct child_plan *plan, int out, struct err *e)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return fail_errno(e, "its descriptors: %m");
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return fail_errno(e, "close_range: %m");
    if (plan->inherit_fd >= 0 && fcntl(plan->inherit_fd, F_SETFD, 0) < 0)
        return fail_errno(e, "descriptor %d: %m", plan->inherit_fd);
    return true;
}

static _Noreturn void become(const struct child_plan *plan, int out, int cry_to, bool in_namespaces)
{
    struct err e = {0};
    default_signals();
    if (own_descriptors(plan, out, &e) && (chdir(plan->cwd) == 0 || fail_errno(&e, "%s: %m", plan->cwd)) &&
        (!plan->box || sandbox_limit(plan->box, in_namespaces, &e))) {
        execve(plan->argv[0], (char *const *)(uintptr_t)plan->argv,
               (char *const *)(uintptr_t)plan->env);
        (void)fail_errno(&e, "%s: %m", plan->argv[0]);
    }
    give_up(cry_to, false, &e);
}

/* The first process of the namespace: waits for the program, tells how it ended; its own end is
 * the end of all that are left. */
static _Noreturn void be_first(int program, int status_to)
{
    if (status_to != 3)
        dup3(status_to, 3, O_CLOEXEC);
    close_range(4, ~0U, 0);
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    for (int pid = 0, status = 0; pid >= 0 || errno == EINTR;) {
        pid = waitpid(-1, &status, 0);
        if (pid == program) {
            ssize_t n = write(3, &status, sizeof status);
            _exit(n < 0);
        }
    }
    _exit(1);
}

/* The job may have died before the kernel was asked to tell us. */
static void die_with_parent(int to_parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct pollfd p = {.fd = to_parent};
    if (poll(&p, 1, 0) > 0 && (p.revents & POLLERR))
        _exit(127);
}

struct pipes { int out[2], cry[2], status[2]; };

static _Noreturn void be_child(const struct child_plan *plan, struct pipes *p, bool in_namespaces,
                               unsigned uid, unsigned gid)
{
    struct err e = {0};
    close(p->out[0]);
    close(p->cry[0]);
    close(p->status[0]);
    die_with_parent(p->cry[1]);
    setsid();
    if (plan->wipe)
        mask_wipe(plan->wipe);
    if (!in_namespaces)
        become(plan, p->out[1], p->cry[1], false);
    if (!sandbox_enter(plan->box, uid, gid, &e))
        give_up(p->cry[1], true, &e);
    int program = process_clone(0);
    if (program < 0) {
        (void)fail_errno(&e, "clone: %m");
        give_up(p->cry[1], true, &e);
    }
    if (program == 0)
        become(plan, p->out[1], p->cry[1], true);
    be_first(program, p->status[1]);
}

/* ---- the job's side: starting ---- */

static void close_pair(int p[2])
{
    scope_fd(&p[0]);
    scope_fd(&p[1]);
}

static bool open_pipes(struct pipes *p, struct err *e)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->cry, O_CLOEXEC) < 0 ||
        pipe2(p->status, O_CLOEXEC) < 0 || fcntl(p->out[0], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(p->status[0], F_SETFL, O_NONBLOCK) < 0)
        return fail_errno(e, "pipes: %m");
    return true;
}

static void wait_gone(int pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* True once the program runs: then nobody holds the pipe of the cries any more. */
static bool heard_nothing(int in, struct cry *cry)
{
    ssize_t n;
    do
        n = read(in, cry, sizeof *cry);
    while (n < 0 && errno == EINTR);
    return n == 0;
}

static bool start(struct running *r, struct pipes *p, bool in_namespaces, struct cry *cry)
{
    unsigned uid = getuid(), gid = getgid();
    unsigned long own_files = r->plan->box && r->plan->box->tmp ? CLONE_NEWNS : 0;
    r->pid = process_clone(in_namespaces ? CLONE_NEWUSER | CLONE_NEWPID | own_files : 0);
    if (r->pid == 0)
        be_child(r->plan, p, in_namespaces, uid, gid);
    if (r->pid < 0) {
        *cry = (struct cry){.box = in_namespaces, .sys = errno};
        snprintf(cry->text, sizeof cry->text, "clone: %s", strerrordesc_np(errno));
        return false;
    }
    scope_fd(&p->out[1]);
    scope_fd(&p->cry[1]);
    scope_fd(&p->status[1]);
    if (heard_nothing(p->cry[0], cry))
        return true;
    wait_gone(r->pid);
    return false;
}

/* With namespaces, and without where they are refused. The pipes are left open on success. */
static bool start_somehow(struct running *r, struct pipes *p, struct err *e)
{
    bool wanted = r->plan->box && r->plan->box->namespaces;
    for (int with = wanted; with >= 0; with--) {
        struct cry cry = {0};
        if (!open_pipes(p, e))
            return false;
        r->end->in_namespaces = with;
        if (start(r, p, with, &cry))
            return true;
        for (int i = 0; i < 3; i++)
            close_pair(i == 0 ? p->out : i == 1 ? p->cry : p->status);
        errno = cry.sys;
        if (!cry.box)
            return fail_errno(e, "it could not be started: %s", cry.text);
        snprintf(r->end->box_refused, sizeof r->end->box_refused, "%s", cry.text);
    }
    return fail_errno(e, "it could not be started: %s", r->end->box_refused);
}

/* ---- the job's side: while it runs ---- */

static const struct { int signal; const char *name; } stop_stages[] = {
    {SIGINT, "INT"}, {SIGTERM, "TERM"}, {SIGKILL, "KILL"},
};
enum { STAGES = sizeof stop_stages / sizeof stop_stages[0] };

static void next_stage(struct running *r, int64_t now_ms)
{
    const int64_t wait_ms[STAGES] = {r->plan->grace_ms, r->plan->kill_ms, LAST_STAGE_MS};
    if (r->stage < STAGES) {
        kill(-r->pid, stop_stages[r->stage].signal);
        r->stage_until_ms = now_ms + wait_ms[r->stage];
    }
    r->stage++;
}

static enum child_stop why_stop(const struct running *r, int64_t now_ms)
{
    if (r->line->cancel)
        return STOP_CANCEL;
    if (r->line->stop)
        return STOP_SERVICE;
    if (r->line->gone)
        return STOP_GONE;
    return now_ms >= r->plan->until_mono_ms ? STOP_TIME : STOP_NOT;
}

static void watch_time(struct running *r)
{
    int64_t now = clock_mono_ms();
    if (r->end->stopped == STOP_NOT) {
        r->end->stopped = why_stop(r, now);
        if (r->end->stopped != STOP_NOT)
            next_stage(r, now);
    } else if (now >= r->stage_until_ms) {
        next_stage(r, now);
    }
}

static bool drain(struct running *r)
{
    static char bytes[READ_BYTES];
    ssize_t n = read(r->out, bytes, sizeof bytes);
    if (n > 0)
        r->plan->output(r->plan->to, (str){bytes, (size_t)n});
    if (n == 0)
        scope_fd(&r->out);
    return n > 0;
}

/* Also those that came to us because their parent ended. */
static void reap(struct running *r)
{
    struct signalfd_siginfo info[8];
    while (read(child_signals, info, sizeof info) > 0)
        ;
    for (int status = 0, pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == r->pid) {
            r->reaped = true;
            r->end->status = status;
        }
}

static int wait_ms(const struct running *r)
{
    int64_t until = r->end->stopped == STOP_NOT ? r->plan->until_mono_ms : r->stage_until_ms;
    int64_t left = until - clock_mono_ms();
    return left < 0 ? 0 : left > POLL_MOST_MS ? POLL_MOST_MS : (int)left;
}

static void watch(struct running *r)
{
    while (!r->reaped && r->stage <= STAGES) {
        struct pollfd on[] = {
            {.fd = child_signals, .events = POLLIN},
            {.fd = r->out, .events = POLLIN},
            {.fd = r->line->gone ? -1 : r->line->fd, .events = POLLIN},
        };
        if (poll(on, 3, wait_ms(r)) < 0 && errno != EINTR)
            break;
        if (on[1].revents)
            drain(r);
        if (on[2].revents)
            line_read(r->line);
        if (on[0].revents)
            reap(r);
        watch_time(r);
    }
}

/* ---- the job's side: after the end ---- */

static void kill_children_of_ours(void)
{
    DIR *proc = opendir("/proc");
    for (struct dirent *one; proc && (one = readdir(proc));) {
        int64_t pid, parent;
        char path[64];
        if (!str_to_i64(str_of(one->d_name), 2, INT32_MAX, &pid))
            continue;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        struct arena *mem = arena_new(16 << 10, 64 << 10);
        str stat, rest;
        struct err e = {0};
        /* "pid (name) state parent …": the name may hold anything, so from its end. */
        if (io_read_file(mem, path, 8 << 10, &stat, &e)) {
            rest = str_after_last(stat, ')');
            str_cut(str_trim(rest), ' ', &rest);
            if (str_to_i64(str_cut(rest, ' ', &rest), 0, INT32_MAX, &parent) && parent == getpid())
                kill((pid_t)pid, SIGKILL);
        }
        arena_free(mem);
    }
    if (proc)
        closedir(proc);
}

/* Each that is killed hands us its children, until there are none. */
static void end_all_left(struct running *r)
{
    int64_t until = clock_mono_ms() + LEFT_BEHIND_MS;
    kill(-r->pid, SIGKILL);
    for (;;) {
        reap(r);
        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
            return;
        if (clock_mono_ms() > until)
            break;
        kill_children_of_ours();
        struct pollfd on = {.fd = child_signals, .events = POLLIN};
        (void)poll(&on, 1, 50);
    }
    log_error("a process of a run cannot be killed");
}

/* In namespaces the first process tells how the program ended; silence means that it was killed. */
static void take_status(struct running *r)
{
    int status;
    if (!r->end->in_namespaces)
        return;
    r->end->status = SIGKILL;
    if (read(r->status_in, &status, sizeof status) == sizeof status)
        r->end->status = status;
}

bool child_run(const struct child_plan *plan, struct job_line *line, struct child_end *out,
               struct err *e)
{
    struct pipes p;
    *out = (struct child_end){0};
    struct running r = {.plan = plan, .line = line, .end = out};
    if (!start_somehow(&r, &p, e))
        return false;
    r.out = p.out[0];
    r.status_in = p.status[0];
    scope_fd(&p.cry[0]);
    if (plan->started)
        plan->started(plan->to, r.pid);
    watch(&r);
    end_all_left(&r);
    while (r.out >= 0 && drain(&r))
        ;
    take_status(&r);
    scope_fd(&r.out);
    scope_fd(&r.status_in);
    return true;
}
