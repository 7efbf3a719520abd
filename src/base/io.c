#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret.h"

bool io_write_all(int fd, str data, struct err *e)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(e, "writing %zu bytes failed: %m", data.len);
        data = str_sub(data, (size_t)n, data.len);
    }
    return true;
}

static ssize_t read_some(int fd, char *to, size_t n)
{
    ssize_t got;
    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

bool io_read_open(struct arena *mem, int fd, const char *path, size_t max, str *out,
                  struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail_errno(e, "looking at %s failed: %m", path);
    if (S_ISDIR(st.st_mode))
        return fail(e, ERR_INVALID, "%s is a folder, not a file", path);

    /* The size is only a first guess: files of /proc say 0, and a file may grow while we read. */
    size_t cap = st.st_size > 0 && (uint64_t)st.st_size <= max ? (size_t)st.st_size + 1 : 4096;
    char *p = arena_take(mem, cap + 1, 1);
    size_t len = 0;
    for (;;) {
        ssize_t n = read_some(fd, p + len, cap - len);
        if (n < 0)
            return fail_errno(e, "reading %s failed: %m", path);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return fail(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
        if (len == cap) {
            p = arena_grow(mem, p, cap + 1, cap * 2 + 1, 1);
            cap *= 2;
        }
    }
    p[len] = '\0';
    *out = (str){ p, len };
    return true;
}

bool io_read_file(struct arena *mem, const char *path, size_t max, str *out, struct err *e)
{
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fail(e, ERR_NOT_FOUND, "there is no file %s", path);
    if (fd < 0)
        return fail_errno(e, "opening %s failed: %m", path);
    return io_read_open(mem, fd, path, max, out, e);
}

static bool sync_folder(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        abort();
    SCOPED(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0 || fsync(fd) < 0)
        return fail_errno(e, "syncing the folder of %s failed: %m", path);
    return true;
}

static bool write_synced(const char *path, str data, unsigned mode, struct err *e)
{
    SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(e, "creating %s failed: %m", path);
    if (!io_write_all(fd, data, e))
        return fail_ctx(e, "%s", path);
    /* fchmod, because open's mode is cut by the umask. */
    if (fchmod(fd, (mode_t)mode) < 0 || fsync(fd) < 0)
        return fail_errno(e, "syncing %s failed: %m", path);
    if (close(take_fd(&fd)) < 0)
        return fail_errno(e, "closing %s failed: %m", path);
    return true;
}

bool io_replace_file(const char *path, str data, unsigned mode, struct err *e)
{
    char *temp = NULL;
    if (asprintf(&temp, "%s.new-%016llx", path, (unsigned long long)random_u64()) < 0)
        abort();
    bool ok = write_synced(temp, data, mode, e);
    if (ok && rename(temp, path) < 0)
        ok = fail_errno(e, "renaming %s to %s failed: %m", temp, path);
    if (!ok)
        unlink(temp);
    free(temp);
    return ok && sync_folder(path, e);
}

void io_sanitize_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free number is the missing one, since we go upwards. Not close-on-exec:
         * children need their 0, 1, 2 as well. */
        int null = open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
        if (null != fd)
            abort();
    }
}
