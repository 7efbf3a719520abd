#include "runner/flag_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "base/str.h"

enum { HELP_BYTES_MAX = 256 << 10 };

static int spawn(const char *atmos, int out, pid_t *pid)
{
    char name[] = "atmos", verb[] = "workflow", help[] = "--help", *argv[] = { name, verb, help, NULL };
    char lang[] = "LANG=C.UTF-8", ci[] = "CI=true", pager[] = "ATMOS_PAGER=false", home[] = "HOME=/",
         *env[] = { lang, ci, pager, home, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&files, out, 1);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&files, out, 2);
    rc = rc ? rc : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    rc = rc ? rc : posix_spawnattr_setpgroup(&attr, 0);
    rc = rc ? rc : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    rc = rc ? rc : posix_spawn(pid, atmos, &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static size_t read_help(int fd, int64_t until_ms, char *to, size_t room)
{
    size_t len = 0;
    while (len < room) {
        struct pollfd p = { fd, POLLIN, 0 };
        int64_t left = until_ms - clock_mono_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            break;
        ssize_t n = read(fd, to + len, room - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

bool flag_probe(const char *atmos, int64_t wait_ms, struct err *e)
{
    static char text[HELP_BYTES_MAX];
    int pair[2];
    pid_t pid;
    if (pipe2(pair, O_CLOEXEC))
        return fail_errno(e, "a pipe: %m");
    SCOPED(fd) int in = pair[0];
    int rc = spawn(atmos, pair[1], &pid);
    close(pair[1]);
    if (rc)
        return fail(e, ERR_INVALID, "ATMOS_BIN %s cannot be started: %s", atmos,
                    strerrordesc_np(rc));
    size_t len = read_help(in, clock_mono_ms() + wait_ms, text, sizeof text);
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (str_has((str){ text, len }, STR("--vars")))
        return true;
    return fail(e, ERR_INVALID, "VARS_MODE wants `atmos workflow --vars`, and %s has no such flag (no "
                "released Atmos has): set VARS_MODE=env", atmos);
}
