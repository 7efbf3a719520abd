#include "runner/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/str.h"

enum { STAT_BYTES = 1024, ENVIRON_BYTES = 256 << 10 };

static size_t read_proc(pid_t pid, const char *name, char *to, size_t room)
{
    char path[64];
    size_t len = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && len < room && (n = read(fd, to + len, room - len)) > 0;)
        len += (size_t)n;
    return len;
}

/* "pid (name) state parent …", and the name may hold anything. */
static pid_t parent_of(pid_t pid, char *state)
{
    char text[STAT_BYTES];
    int64_t parent;
    str rest, s = { text, read_proc(pid, "stat", text, sizeof text) };
    s = str_after_last(s, ')');
    if (s.len < 4)
        return 0;
    *state = s.ptr[1];
    s = str_cut(str_sub(s, 3, s.len), ' ', &rest);
    return str_to_i64(s, 0, INT32_MAX, &parent) ? (pid_t)parent : 0;
}

static bool link_lies_in(pid_t pid, const char *name, str dir)
{
    char path[64], to[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    ssize_t n = readlink(path, to, sizeof to);
    str target = { to, n > 0 ? (size_t)n : 0 };
    return str_starts(target, dir) && (target.len == dir.len || target.ptr[dir.len] == '/' ||
                                       target.ptr[dir.len] == ' ');     /* " (deleted)" */
}

static bool lies_in(pid_t pid, str dir)
{
    static char environment[ENVIRON_BYTES];     /* one thread looks */
    if (link_lies_in(pid, "cwd", dir) || link_lies_in(pid, "root", dir) ||
        link_lies_in(pid, "exe", dir))
        return true;
    str all = { environment, read_proc(pid, "environ", environment, sizeof environment) };
    return str_has(all, dir);
}

size_t leftovers_end(const char *dir, bool (*is_job)(void *ctx, pid_t pid), void *ctx)
{
    size_t count = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *entry; d && (entry = readdir(d));) {
        int64_t n;
        char state = 0;
        if (!str_to_i64(str_of(entry->d_name), 2, INT32_MAX, &n) || n == getpid())
            continue;
        pid_t pid = (pid_t)n;
        bool ours = parent_of(pid, &state) == getpid();
        if (state == 0 || state == 'Z' || is_job(ctx, pid) || (!ours && !lies_in(pid, str_of(dir))))
            continue;
        count++;
        (void)kill(pid, SIGKILL);
    }
    if (d)
        closedir(d);
    return count;
}
