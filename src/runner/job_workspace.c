#include "runner/job_workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"

enum { DEPTH_MOST = 64, ROUNDS_MOST = 100, ROUND_PAUSE_MS = 20 };

static void scope_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* ---- removing ---- */

/* Where the tree is being removed: folders too deep for the walk are moved up to its top. */
struct removal { int top; unsigned long moved; };

static bool remove_entries(struct removal *r, int folder, unsigned depth);

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* A folder that forbids us to read it is ours all the same. Not through a link: O_PATH is sure. */
static int open_folder(int at, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd >= 0 || errno != EACCES)
        return fd;
    SCOPED(fd) int path = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", path);
    if (path < 0 || chmod(self, 0700) < 0)
        return -1;
    return openat(at, name, flags);
}

/* Each level holds a descriptor; a tree may be deeper than we may have of them. */
static bool move_up(struct removal *r, int folder, const char *name)
{
    for (int tries = 0; tries < 1000; tries++) {
        char to[48];
        snprintf(to, sizeof to, ".deep-%lu", r->moved++);
        if (renameat2(folder, name, r->top, to, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EEXIST)
            return false;
    }
    return false;
}

static bool remove_entry(struct removal *r, int folder, const char *name, unsigned depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM && errno != EACCES)
        return false;
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0)
        return true;
    if (depth >= DEPTH_MOST)
        return move_up(r, folder, name);
    SCOPED(fd) int inner = open_folder(folder, name);
    return inner >= 0 && remove_entries(r, inner, depth + 1) &&
           unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool remove_entries(struct removal *r, int folder, unsigned depth)
{
    if (fchmod(folder, 0700) < 0)
        return false;
    int copy = fcntl(folder, F_DUPFD_CLOEXEC, 3);
    SCOPED(dir) DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d)
        return false;
    bool all = true;
    for (struct dirent *one; (one = readdir(d));)
        if (!is_dots(one->d_name) && !remove_entry(r, folder, one->d_name, depth))
            all = false;
    return all;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

bool workspace_remove(const char *dir, struct err *e)
{
    /* More than one round: folders that were moved up, and writers that are just being ended. */
    for (int round = 0; round < ROUNDS_MOST; round++) {
        SCOPED(fd) int top = open_folder(AT_FDCWD, dir);
        if (top < 0 && errno == ENOENT)
            return true;
        if (top < 0)
            return fail_errno(e, "the folder %s cannot be removed: %m", dir);
        struct removal r = {.top = top, .moved = (unsigned long)round * 1000000};
        bool all = remove_entries(&r, top, 0);
        if (rmdir(dir) == 0 || errno == ENOENT)
            return true;
        if (!all)
            pause_ms(ROUND_PAUSE_MS);
    }
    return fail_errno(e, "the folder %s cannot be removed: %m. Remove it by hand, and look who "
                         "owns what is in it", dir);
}

/* ---- making ---- */

static bool make_folder(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0)
        return true;
    return fail_errno(e, "the folder %s cannot be made: %m. Is WORK_DIR there, and ours?", path);
}

bool workspace_make(struct arena *mem, const char *dir, struct workspace *out, struct err *e)
{
    *out = (struct workspace){
        .dir = dir,
        .repo = arena_print(mem, "%s/repo", dir).ptr,
        .home = arena_print(mem, "%s/home", dir).ptr,
        .tmp = arena_print(mem, "%s/tmp", dir).ptr,
        .bin = arena_print(mem, "%s/bin", dir).ptr,
        .vars_file = arena_print(mem, "%s/vars.json", dir).ptr,
        .private_dir = arena_print(mem, "%s/private", dir).ptr,
    };
    if (!workspace_remove(dir, e))
        return false;
    const char *folders[] = {dir, out->home, out->tmp, out->bin, out->private_dir};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (!make_folder(folders[i], e))
            return false;
    return true;
}

bool program_find(struct arena *mem, const char *name, const char *path, const char *setting,
                  const char **out, struct err *e)
{
    char real[PATH_MAX];
    str rest = strchr(name, '/') ? STR_NONE : str_of(path);
    const char *candidate = name;
    do {
        if (rest.len > 0) {
            str folder = str_cut(rest, ':', &rest);
            candidate = arena_print(mem, PRI_STR "/%s", FMT_STR(folder), name).ptr;
        }
        if (strchr(candidate, '/') && access(candidate, X_OK) == 0 && realpath(candidate, real)) {
            *out = arena_z(mem, str_of(real));
            return true;
        }
    } while (rest.len > 0);
    return fail(e, ERR_NOT_FOUND, "there is no program %s%s%s. Install it, or set %s", name,
                strchr(name, '/') ? "" : " in ", strchr(name, '/') ? "" : path, setting);
}
