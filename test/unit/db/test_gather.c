/*
 * What is written to the log through the gathering VFS is what a plain file would hold: always for
 * whoever reads through it, and for everybody else from the moment it is flushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/gather.h"

enum { MODEL_BYTES = 600000, ROUNDS = 20000 };

struct log { sqlite3_file *file; char path[64], database[64], dir[40]; };

static void log_open(struct log *l)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(gather_vfs());
    int given;
    snprintf(l->dir, sizeof l->dir, "/tmp/test_gather_XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    snprintf(l->database, sizeof l->database, "%s/x.db", l->dir);
    /* a log takes its mode from its database */
    close(open(l->database, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(l->path, sizeof l->path, "%s/x.db-wal", l->dir);
    l->file = calloc(1, (size_t)vfs->szOsFile);
    assert_int_equal(vfs->xOpen(vfs, l->path, l->file,
                                SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                &given),
                     SQLITE_OK);
}

static void log_close(struct log *l)
{
    assert_int_equal(l->file->pMethods->xClose(l->file), SQLITE_OK);
    free(l->file);
    unlink(l->path);
    unlink(l->database);
    rmdir(l->dir);
}

static uint64_t dice = 7;
static size_t roll(size_t sides)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(dice >> 33) % sides;
}

static size_t in_file(const struct log *l, char *to)
{
    int fd = open(l->path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    for (ssize_t n; fd >= 0 && (n = read(fd, to + got, MODEL_BYTES - got)) > 0;)
        got += (size_t)n;
    close(fd);
    return got;
}

static char model[MODEL_BYTES], other[MODEL_BYTES];

/* Frames one after the other mostly, as SQLite does; sometimes back, sometimes large. */
static size_t write_somewhere(const struct log *l, size_t *next, size_t size)
{
    static const size_t sizes[] = { 24, 4096, 32, 8, 1000, 65536, 200 };
    static char piece[65536];
    size_t n = sizes[roll(7)], at = roll(20) ? *next : roll(size + 1);
    if (at + n > MODEL_BYTES)
        at = 0;
    memset(piece, (int)roll(256), n);
    assert_int_equal(l->file->pMethods->xWrite(l->file, piece, (int)n, (sqlite3_int64)at),
                     SQLITE_OK);
    memcpy(model + at, piece, n);
    *next = at + n;
    return at + n > size ? at + n : size;
}

static void read_somewhere(const struct log *l, size_t size)
{
    size_t at = roll(size), n = 1 + roll(5000);
    n = n > size - at ? size - at : n;
    assert_int_equal(l->file->pMethods->xRead(l->file, other, (int)n, (sqlite3_int64)at),
                     SQLITE_OK);
    assert_memory_equal(other, model + at, n);
}

static void it_is_as_if_every_write_had_gone_to_the_file(void **state)
{
    struct log l;
    size_t size = 0, next = 0;
    log_open(&l);
    for (int i = 0; i < ROUNDS; i++) {
        size_t what = roll(200);
        sqlite3_int64 said;
        if (what == 0) {
            size = next = roll(size + 1);
            assert_int_equal(l.file->pMethods->xTruncate(l.file, (sqlite3_int64)size), SQLITE_OK);
            memset(model + size, 0, MODEL_BYTES - size);
        } else if (what == 1) {
            assert_int_equal(l.file->pMethods->xFileSize(l.file, &said), SQLITE_OK);
            assert_int_equal(said, size);
        } else if (what < 6) {
            assert_int_equal(l.file->pMethods->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
            assert_int_equal(in_file(&l, other), size);
            assert_memory_equal(other, model, size);
        } else if (what < 30 && size) {
            read_somewhere(&l, size);
        } else {
            size = write_somewhere(&l, &next, size);
        }
    }
    log_close(&l);
}

static size_t file_bytes(const struct log *l)
{
    struct stat st;
    assert_int_equal(stat(l->path, &st), 0);
    return (size_t)st.st_size;
}

static void frames_leave_together_at_the_flush(void **state)
{
    struct log l;
    log_open(&l);
    for (int i = 0; i < 20; i++)
        assert_int_equal(l.file->pMethods->xWrite(l.file, model, 4096, i * 4096), SQLITE_OK);
    assert_int_equal(file_bytes(&l), 0);
    assert_int_equal(l.file->pMethods->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(file_bytes(&l), 20 * 4096);
    log_close(&l);
}

/* The transaction fails with it; the next one begins at the same place with nothing left over. */
static void what_cannot_be_written_fails_at_the_flush_and_is_gone(void **state)
{
    struct log l;
    struct rlimit before, tight;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    log_open(&l);
    memset(model, 'a', 8192);
    assert_int_equal(l.file->pMethods->xWrite(l.file, model, 8192, 0), SQLITE_OK);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &tight);
    int rc = l.file->pMethods->xSync(l.file, SQLITE_SYNC_NORMAL);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_not_equal(rc, SQLITE_OK);
    memset(model, 'b', 100);
    assert_int_equal(l.file->pMethods->xWrite(l.file, model, 100, 0), SQLITE_OK);
    assert_int_equal(l.file->pMethods->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_true(file_bytes(&l) <= 4096);
    in_file(&l, other);
    assert_memory_equal(other, model, 100);
    log_close(&l);
    signal(SIGXFSZ, old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_if_every_write_had_gone_to_the_file),
        cmocka_unit_test(frames_leave_together_at_the_flush),
        cmocka_unit_test(what_cannot_be_written_fails_at_the_flush_and_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
