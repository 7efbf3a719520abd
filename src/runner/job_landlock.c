#include "runner/job_landlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"

/* Newer than Debian's header. */
enum { TRUNCATE_ABI = 3, SCOPE_ABI = 6, REFER_ABI = 2 };
#define ACCESS_REFER    (1ULL << 13)
#define ACCESS_TRUNCATE (1ULL << 14)
#define SCOPE_SIGNAL    (1ULL << 1)

struct ruleset { uint64_t fs, net, scoped; };

static int64_t version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);
}

/* Before the second version files could not be moved between folders at all: too little. */
bool landlock_usable(void) { return version() >= REFER_ABI; }

static uint64_t all_access(int64_t abi)
{
    return ((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 + ACCESS_REFER +
           (abi >= TRUNCATE_ABI ? ACCESS_TRUNCATE : 0);
}

/* What a rule about a file may name. */
static uint64_t file_access(int64_t abi)
{
    return (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
            LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE) & all_access(abi);
}

static bool allow(int rules, const char *path, uint64_t access, int64_t abi)
{
    SCOPED(fd) int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || S_ISLNK(st.st_mode))
        return true;                /* gone, or a link: where it leads has a rule of its own */
    struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(st.st_mode) ? access : access & file_access(abi),
        .parent_fd = fd,
    };
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool leads_to(const char *path, const char *hidden)
{
    size_t n = strlen(path);
    return strncmp(hidden, path, n) == 0 && hidden[n] == '/';
}

enum fate { OPEN, ON_THE_WAY, HIDDEN };

static enum fate fate_of(const char *path, const char **hide)
{
    enum fate fate = OPEN;
    for (; *hide; hide++) {
        if (strcmp(path, *hide) == 0)
            return HIDDEN;
        if (leads_to(path, *hide))
            fate = ON_THE_WAY;
    }
    return fate;
}

/* Landlock only allows: so everything beside the hidden paths is. `path` is on the way to one. */
static bool allow_beside(int rules, const char *path, const char **hide, int64_t abi)
{
    DIR *d = opendir(*path ? path : "/");
    bool ok = true;
    for (struct dirent *one; d && ok && (one = readdir(d));) {
        char inner[PATH_MAX];
        int n = snprintf(inner, sizeof inner, "%s/%s", path, one->d_name);
        if (n >= PATH_MAX || strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0)
            continue;
        enum fate fate = fate_of(inner, hide);
        if (fate == OPEN)
            ok = allow(rules, inner, all_access(abi), abi);
        else if (fate == ON_THE_WAY)
            ok = allow_beside(rules, inner, hide, abi);
    }
    if (d)
        closedir(d);
    return ok;
}

bool landlock_hide(const char **hide, const char **keep, struct err *e)
{
    int64_t abi = version();
    if (abi < REFER_ABI)
        return true;
    struct ruleset set = {.fs = all_access(abi), .scoped = SCOPE_SIGNAL};
    size_t size = abi >= SCOPE_ABI ? sizeof set : sizeof set.fs;
    SCOPED(fd) int rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0)
        return fail_errno(e, "Landlock: %m");
    bool ok = allow(rules, "/", LANDLOCK_ACCESS_FS_READ_DIR, abi) &&
              allow_beside(rules, "", hide, abi);
    for (; ok && *keep; keep++)
        ok = allow(rules, *keep, all_access(abi), abi);
    if (!ok || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return fail_errno(e, "Landlock: %m");
    return true;
}
