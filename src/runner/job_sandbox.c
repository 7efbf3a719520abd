#include "runner/job_sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/scope.h"
#include "runner/job_landlock.h"

enum { KEEP_MOST = 16, COVER_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC };

int process_clone(unsigned long namespaces)
{
    return (int)syscall(SYS_clone, namespaces | SIGCHLD, 0UL, 0UL, 0UL, 0UL);
}

/* ---- the user ---- */

static bool write_own(const char *name, const char *text, struct err *e)
{
    SCOPED(fd) int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(e, "%s: %m", name);
    return io_write_all(fd, str_of(text), e);
}

/* The same numbers as outside, so that files keep their owner. */
static bool map_user(unsigned uid, unsigned gid, struct err *e)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "%u %u 1", uid, uid);
    snprintf(groups, sizeof groups, "%u %u 1", gid, gid);
    return write_own("/proc/self/setgroups", "deny", e) &&
           write_own("/proc/self/uid_map", users, e) && write_own("/proc/self/gid_map", groups, e);
}

/* ---- what is covered, and what stays ---- */

struct kept { const char *path; int fd; struct stat st; };

static void self_path(int fd, char to[64]) { snprintf(to, 64, "/proc/self/fd/%d", fd); }

static bool open_kept(const struct sandbox *box, struct kept kept[KEEP_MOST], size_t *count,
                      struct err *e)
{
    for (const char **p = box->keep; *p && *count < KEEP_MOST; p++) {
        int fd = open(*p, O_PATH | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &kept[*count].st) < 0)
            return fail_errno(e, "%s: %m", *p);
        kept[*count].path = *p;
        kept[(*count)++].fd = fd;
    }
    return true;
}

static bool cover_tmp(const struct sandbox *box, struct err *e)
{
    static const char *const shared[] = {"/tmp", "/var/tmp"};
    SCOPED(fd) int fd = open(box->tmp, O_PATH | O_CLOEXEC);
    char from[64];
    self_path(fd, from);
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (mount(from, shared[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return fail_errno(e, "private %s: %m", shared[i]);
    return true;
}

static bool cover(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return true;                /* not there, or behind another cover */
    int got = S_ISDIR(st.st_mode)
                  ? mount("tmpfs", path, "tmpfs", COVER_FLAGS, "mode=0755,size=1m")
                  : mount("/dev/null", path, NULL, MS_BIND, NULL);
    return got == 0 || fail_errno(e, "hiding %s: %m", path);
}

/* The place where something is mounted again: the folders to it lie in our own covers. */
static bool make_place(const struct kept *k, struct err *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", k->path);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        (void)mkdir(path, 0755);
    }
    if (S_ISDIR(k->st.st_mode))
        return mkdir(path, 0755) == 0 || errno == EEXIST || fail_errno(e, "%s: %m", path);
    SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0 || fail_errno(e, "%s: %m", path);
}

static bool uncover(const struct kept *k, struct err *e)
{
    struct stat now;
    if (stat(k->path, &now) == 0 && now.st_dev == k->st.st_dev && now.st_ino == k->st.st_ino)
        return true;
    char from[64];
    self_path(k->fd, from);
    if (!make_place(k, e))
        return false;
    return mount(from, k->path, NULL, MS_BIND | MS_REC, NULL) == 0 ||
           fail_errno(e, "keeping %s: %m", k->path);
}

/* Our own processes only. Where part of /proc is covered already (a container), it stays as is. */
static bool own_proc(void)
{
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

bool sandbox_enter(const struct sandbox *box, unsigned uid, unsigned gid, struct err *e)
{
    struct kept kept[KEEP_MOST];
    size_t count = 0;
    /* The maps are ours to write only while we can be looked at; the caller has no secrets left. */
    prctl(PR_SET_DUMPABLE, 1);
    bool ok = map_user(uid, gid, e);
    prctl(PR_SET_DUMPABLE, 0);
    if (!ok || !box->tmp)
        return ok;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail_errno(e, "own mounts: %m");
    if (!open_kept(box, kept, &count, e) || !cover_tmp(box, e))
        return false;
    for (const char **p = box->hide; *p; p++)
        if (!cover(*p, e))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!uncover(&kept[i], e))
            return false;
    for (const char **p = box->hide; *p; p++)
        (void)mount(NULL, *p, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | COVER_FLAGS, NULL);
    for (size_t i = 0; i < count; i++)
        close(kept[i].fd);
    (void)own_proc();
    return true;
}

static bool limit(int what, const char *name, int64_t most, struct err *e)
{
    if (most <= 0)
        return true;
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) < 0)
        return fail_errno(e, "%s: %m", name);
    rlim_t wanted = (rlim_t)most < now.rlim_max ? (rlim_t)most : now.rlim_max;
    struct rlimit to = {.rlim_cur = wanted, .rlim_max = wanted};
    return setrlimit((__rlimit_resource_t)what, &to) == 0 || fail_errno(e, "%s: %m", name);
}

bool sandbox_limit(const struct sandbox *box, bool in_namespaces, struct err *e)
{
    struct rlimit none = {0};
    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return fail_errno(e, "no core dumps: %m");
    /* What is written to, not address space: programs in Go reserve much more than they use. */
    if (!limit(RLIMIT_DATA, "MEMORY_MAX", box->limits.memory_bytes, e) ||
        !limit(RLIMIT_NPROC, "PROCESSES_MAX", box->limits.processes, e) ||
        !limit(RLIMIT_FSIZE, "FILE_SIZE_MAX", box->limits.file_bytes, e))
        return false;
    if (!in_namespaces && box->landlock)
        return landlock_hide(box->hide, box->keep, e);
    return true;
}

/* ---- what is on ---- */

static void probe_inside(int to, const struct sandbox *box, unsigned uid, unsigned gid)
{
    struct sandbox_parts parts = {0};
    struct err e = {0};
    parts.namespaces = sandbox_enter(box, uid, gid, &e);
    parts.private_proc = parts.namespaces && access("/proc/1/exe", F_OK) == 0 && getpid() == 1;
    snprintf(parts.why, sizeof parts.why, "%.200s", e.text);
    ssize_t n = write(to, &parts, sizeof parts);
    _exit(n == sizeof parts ? 0 : 1);
}

static bool probe_namespaces(const struct sandbox *box, struct sandbox_parts *out)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0)
        return false;
    SCOPED(fd) int in = p[0];
    SCOPED(fd) int to = p[1];
    unsigned uid = getuid(), gid = getgid();
    int pid = process_clone(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
    if (pid == 0)
        probe_inside(to, box, uid, gid);
    if (pid < 0) {
        snprintf(out->why, sizeof out->why, "user namespaces: %s", strerrordesc_np(errno));
        return false;
    }
    close(take_fd(&to));
    struct sandbox_parts told;
    ssize_t n = read(in, &told, sizeof told);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n != sizeof told) {
        snprintf(out->why, sizeof out->why, "the trial in a namespace ended early");
        return false;
    }
    *out = told;
    return told.namespaces;
}

void sandbox_probe(struct sandbox_parts *out)
{
    static const char *none[] = {NULL};
    struct sandbox box = {.tmp = "/tmp", .hide = none, .keep = none};
    *out = (struct sandbox_parts){0};
    bool namespaces = probe_namespaces(&box, out);
    out->namespaces = namespaces;
    out->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0;
    out->landlock = landlock_usable();
}

str sandbox_words(struct arena *mem, const struct sandbox_parts *p)
{
    return arena_print(mem, "no new privileges: %s, private processes and /tmp: %s%s%s%s, "
                            "private /proc: %s, Landlock: %s",
                       p->no_new_privs ? "on" : "off", p->namespaces ? "on" : "off",
                       p->why[0] ? " (" : "", p->why, p->why[0] ? ")" : "",
                       p->private_proc ? "on" : "off",
                       !p->landlock ? "not in this kernel" : p->namespaces ? "not needed" : "on");
}
