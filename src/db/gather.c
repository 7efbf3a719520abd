#include "db/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A commit of some thirty frames; a larger one goes out in several pieces. SQLite's own files take
 * less than 128 KiB at once. */
enum { HELD_BYTES_MAX = 124 << 10 };

/* How far the file is made longer ahead of the log: as much as there is, between these. */
enum { HEAD_BYTES = 32 };        /* of a log; its frames follow */
enum { AHEAD_BYTES_LEAST = 64 << 10, AHEAD_BYTES_MOST = 1 << 20, ZEROS_BYTES = 64 << 10 };

struct log_file {
    sqlite3_file  base;         /* first: SQLite's handle is ours */
    char         *held;
    sqlite3_int64 at;           /* where in the file the held bytes begin */
    int           len;
    sqlite3_int64 end;          /* of what was written to the file */
    sqlite3_int64 ready;        /* up to here it is longer than the log, as far as it can be */
    sqlite3_int64 new_from, new_to;     /* what was written since the last flush or start of one */
    int           fd;           /* of our own, to flush from another thread; -1: none */
    bool          put_off;
    bool          new_head;     /* written, not flushed */
    alignas(void *) char real[];        /* SQLite aligns files to 8 bytes */
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs ours;

static struct log_file *log_of(sqlite3_file *f) { return (struct log_file *)f; }
static sqlite3_file *real_of(sqlite3_file *f) { return (sqlite3_file *)log_of(f)->real; }

static int put(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    struct log_file *l = log_of(f);
    if (at + n > l->end)
        l->end = at + n;
    if (l->new_from == l->new_to)
        l->new_from = l->new_to = at;
    l->new_from = at < l->new_from ? at : l->new_from;
    l->new_to = at + n > l->new_to ? at + n : l->new_to;
    return real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

/* What could not be written belongs to a transaction that fails with it: it is not tried again. */
static int let_go(sqlite3_file *f)
{
    struct log_file *l = log_of(f);
    int n = l->len;
    l->len = 0;
    return n ? put(f, l->held, n, l->at) : SQLITE_OK;
}

/*
 * Zeros behind the log: a flush into what is there already costs half of one that makes the file
 * longer, since the file's length and blocks need not be written with it. Nobody takes zeros for a
 * frame (a frame has a page number and the log's salt). A disk that has no room for them is no
 * failure: the log goes on as if there were none.
 */
static void fill_ahead(sqlite3_file *f)
{
    static const char zeros[ZEROS_BYTES];
    struct log_file *l = log_of(f);
    sqlite3_int64 at = 0, more = l->end;
    if (l->end <= l->ready || real_of(f)->pMethods->xFileSize(real_of(f), &at) != SQLITE_OK)
        return;
    more = more < AHEAD_BYTES_LEAST ? AHEAD_BYTES_LEAST : more;
    more = more > AHEAD_BYTES_MOST ? AHEAD_BYTES_MOST : more;
    l->ready = at > l->end ? at : l->end + more;
    for (; at < l->ready; at += ZEROS_BYTES) {
        sqlite3_int64 left = l->ready - at;
        int n = left < ZEROS_BYTES ? (int)left : ZEROS_BYTES;
        if (real_of(f)->pMethods->xWrite(real_of(f), zeros, n, at) != SQLITE_OK)
            return;
    }
}

static int log_close(sqlite3_file *f)
{
    int rc = let_go(f);
    int closed = real_of(f)->pMethods->xClose(real_of(f));
    if (log_of(f)->fd >= 0)
        close(log_of(f)->fd);
    free(log_of(f)->held);
    return rc ? rc : closed;
}

static int log_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    struct log_file *l = log_of(f);
    if (l->len && at >= l->at && at + n <= l->at + l->len) {
        memcpy(to, l->held + (at - l->at), (size_t)n);
        return SQLITE_OK;
    }
    int rc = let_go(f);
    return rc ? rc : real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static int log_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    struct log_file *l = log_of(f);
    l->new_head = l->new_head || at < HEAD_BYTES;
    if (l->len && (at != l->at + l->len || n > HELD_BYTES_MAX - l->len)) {
        int rc = let_go(f);
        if (rc)
            return rc;
    }
    if (!l->held)
        l->held = malloc(HELD_BYTES_MAX);
    if (!l->held || n > HELD_BYTES_MAX)
        return put(f, from, n, at);
    if (!l->len)
        l->at = at;
    memcpy(l->held + l->len, from, (size_t)n);
    l->len += n;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = let_go(f);
    log_of(f)->end = log_of(f)->ready = 0;
    return rc ? rc : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/*
 * The disk begins with what a flush will ask for while its caller still does other things; a third
 * of the flush is over by then. What fails here, the flush will tell.
 */
static void start_writing(struct log_file *l)
{
    (void)sync_file_range(l->fd, l->new_from, l->new_to - l->new_from, SYNC_FILE_RANGE_WRITE);
}

/*
 * Frames before their new head would stand behind an old one after a power cut, in place of a part
 * of what that one is the head of: never put off. Frames at the end may come in any order.
 */
static int log_sync(sqlite3_file *f, int flags)
{
    struct log_file *l = log_of(f);
    int rc = let_go(f);
    if (rc)
        return rc;
    fill_ahead(f);
    if (l->put_off && !l->new_head && l->fd >= 0)
        start_writing(l);
    else
        rc = real_of(f)->pMethods->xSync(real_of(f), flags);
    l->new_from = l->new_to = 0;
    l->new_head = l->new_head && rc;
    return rc;
}

static int log_size(sqlite3_file *f, sqlite3_int64 *size)
{
    int rc = let_go(f);
    return rc ? rc : real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int log_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int log_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int log_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int log_control(sqlite3_file *f, int op, void *arg)
{
    int rc = let_go(f);
    return rc ? rc : real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int log_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }

static int log_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_traits,
};

void gather_put_off(struct sqlite3_file *log, bool put_off)
{
    if (log->pMethods == &log_methods)
        log_of(log)->put_off = put_off;
}

bool gather_flush(struct sqlite3_file *log)
{
    int rc;
    if (log->pMethods != &log_methods || log_of(log)->fd < 0) {
        errno = EBADF;
        return false;
    }
    do
        rc = fdatasync(log_of(log)->fd);
    while (rc && errno == EINTR);
    return rc == 0;
}

/* Everything but the log is the system's own file, as if we were not there. */
static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *given)
{
    (void)vfs;
    if (!(flags & SQLITE_OPEN_WAL))
        return system_vfs->xOpen(system_vfs, name, f, flags, given);
    *log_of(f) = (struct log_file){ .fd = -1 };
    int rc = system_vfs->xOpen(system_vfs, name, real_of(f), flags, given);
    /* SQLite closes only what has methods. */
    if (rc == SQLITE_OK) {
        f->pMethods = &log_methods;
        log_of(f)->fd = open(name, O_RDONLY | O_CLOEXEC);
    } else if (real_of(f)->pMethods)
        real_of(f)->pMethods->xClose(real_of(f));
    return rc;
}

static void make(void)
{
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (!found)
        return;
    ours = *found;
    ours.pNext = NULL;
    ours.zName = "signalbox-gather";
    ours.szOsFile = (int)sizeof(struct log_file) + found->szOsFile;
    ours.xOpen = open_file;
    if (sqlite3_vfs_register(&ours, 0) == SQLITE_OK)
        system_vfs = found;
}

const char *gather_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
    return system_vfs ? ours.zName : NULL;
}
