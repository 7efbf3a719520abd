#include "db/filelock.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/scope.h"

struct filelock {
    struct filelock *next;
    dev_t            dev;
    ino_t            ino;
    pid_t pid; /* a forked child inherits this list, but not the right to write */
    int              fd;
    unsigned         users;
};

static pthread_mutex_t  locks_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct filelock *locks;

/* flock is tied to the open file: a second open in this process would be refused, so the first is
 * shared. */
static struct filelock *find(const struct stat *st)
{
    for (struct filelock *l = locks; l; l = l->next)
        if (l->dev == st->st_dev && l->ino == st->st_ino && l->pid == getpid())
            return l;
    return NULL;
}

static bool refuse(int fd, const char *db_path, struct err *e)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    if (!*pid)
        return fail(e, ERR_STORAGE,
                    "another signalbox is using the database %s: stop it first, or give this one "
                    "another file",
                    db_path);
    return fail(e, ERR_STORAGE,
                "another signalbox (process %s) is using the database %s: stop it first (kill %s), "
                "or give this one another file",
                pid, db_path, pid);
}

static void write_pid(int fd)
{
    char pid[24];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    /* Only for the message above; the lock holds without it, also on a full disk. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) != n)
        (void)!ftruncate(fd, 0);
}

bool filelock_take(const char *db_path, struct filelock **out, struct err *e)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&locks_mutex);
    SCOPED(fd) int fd = -1;
    char path[PATH_MAX];
    struct stat st;
    struct filelock *l;

    assert(held);
    if (snprintf(path, sizeof(path), "%s.lock", db_path) >= (int)sizeof(path))
        return fail(e, ERR_STORAGE, "the path of the database is too long: give a shorter one");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(e, ERR_STORAGE, errno, ERR_HERE,
                       "cannot open %s (%s): see that the folder exists and can be written by this "
                       "user",
                       path, strerror(errno));
    l = find(&st);
    if (!l) {
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            return refuse(fd, db_path, e);
        l = calloc(1, sizeof(*l));
        assert(l);
        write_pid(fd);
        *l = (struct filelock){
            .next = locks, .dev = st.st_dev, .ino = st.st_ino, .pid = getpid(), .fd = TAKE_FD(fd)
        };
        locks = l;
    }
    l->users++;
    *out = l;
    return true;
}

void filelock_drop(struct filelock *lock)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&locks_mutex);

    assert(held);
    if (!lock || --lock->users > 0)
        return;
    for (struct filelock **at = &locks; *at; at = &(*at)->next) {
        if (*at == lock) {
            *at = lock->next;
            break;
        }
    }
    close(lock->fd);                    /* the kernel drops the lock with it */
    free(lock);
}
