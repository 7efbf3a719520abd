/*
 * What is written to the log through the gathering VFS is what a plain file would hold: always for
 * whoever reads through it, and for everybody else from the moment it is flushed. Behind it there
 * are zeros, which no recovery takes for a part of it.
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

#include <sys/syscall.h>

#include "db/gather.h"

static int flushes;

/* SQLite's and ours, counted. */
int fdatasync(int fd)
{
    flushes++;
    return (int)syscall(SYS_fdatasync, fd);
}

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

static char model[MODEL_BYTES], other[MODEL_BYTES];      /* zeros behind what was written */

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
            assert_true(said >= (sqlite3_int64)size);
        } else if (what < 6) {
            assert_int_equal(l.file->pMethods->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
            size_t got = in_file(&l, other);
            assert_true(got >= size);
            assert_memory_equal(other, model, got);
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

static void flush(const struct log *l)
{
    assert_int_equal(l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
}

static void frames_leave_together_at_the_flush(void **state)
{
    struct log l;
    log_open(&l);
    memset(model, 'f', sizeof model);
    for (int i = 0; i < 20; i++)
        assert_int_equal(l.file->pMethods->xWrite(l.file, model, 4096, i * 4096), SQLITE_OK);
    assert_int_equal(file_bytes(&l), 0);
    flush(&l);
    assert_true(in_file(&l, other) >= 20 * 4096);
    assert_memory_equal(other, model, 20 * 4096);
    log_close(&l);
}

static void zeros_stand_behind_the_log_so_that_few_flushes_make_the_file_longer(void **state)
{
    struct log l;
    size_t longer = 0, size = 0;
    log_open(&l);
    memset(model, 'z', 4096);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(l.file->pMethods->xWrite(l.file, model, 4096, i * 4096), SQLITE_OK);
        flush(&l);
        longer += file_bytes(&l) > size;
        size = file_bytes(&l);
        size_t got = in_file(&l, other), written = (size_t)(i + 1) * 4096;
        for (size_t at = written; at < got; at++)
            assert_int_equal(other[at], 0);
    }
    assert_in_range(longer, 1, 8);
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
    size_t got = in_file(&l, other);
    assert_memory_equal(other, model, 100);
    for (size_t at = 4096; at < got; at++)
        assert_int_equal(other[at], 0);
    log_close(&l);
    signal(SIGXFSZ, old);
}

static int flush_within(const struct log *l, rlim_t bytes_max)
{
    struct rlimit before, tight;
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = bytes_max;
    setrlimit(RLIMIT_FSIZE, &tight);
    int rc = l->file->pMethods->xSync(l->file, SQLITE_SYNC_NORMAL);
    setrlimit(RLIMIT_FSIZE, &before);
    return rc;
}

static void a_disk_without_room_for_zeros_is_no_failure(void **state)
{
    struct log l;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    log_open(&l);
    memset(model, 'd', sizeof model);
    for (int i = 0; i < 40; i++) {
        rlim_t room = (rlim_t)(i + 1) * 4096 + (i % 2 ? 0 : 1000);
        assert_int_equal(l.file->pMethods->xWrite(l.file, model, 4096, i * 4096), SQLITE_OK);
        assert_int_equal(flush_within(&l, room), SQLITE_OK);
        assert_true(file_bytes(&l) <= room);
    }
    in_file(&l, other);
    assert_memory_equal(other, model, 40 * 4096);
    log_close(&l);
    signal(SIGXFSZ, old);
}

/* ---- what SQLite makes of it after a power cut ---- */

enum { ROWS = 300, LOG_BYTES_MAX = 4 << 20 };

struct cut {
    char   dir[40], from[64], to[64];
    char  *base, *log;
    size_t base_bytes, log_bytes, zeros_at;
};

static sqlite3 *base_open(const char *path, const char *vfs)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                     SQLITE_OK);
    return db;
}

static void base_run(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int base_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

static size_t bytes_read(const char *path, char *to, size_t max)
{
    FILE *f = fopen(path, "rbe");
    assert_non_null(f);
    size_t n = fread(to, 1, max, f);
    fclose(f);
    return n;
}

static void bytes_write(const char *path, const char *from, size_t n)
{
    FILE *f = fopen(path, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(from, 1, n, f), n);
    fclose(f);
}

static const char *beside(const char *path, const char *ending)
{
    static char name[80];
    snprintf(name, sizeof name, "%s%s", path, ending);
    return name;
}

/* A commit for each row, in a log that went round once; then the files as a power cut leaves them. */
static void cut_power(struct cut *c)
{
    snprintf(c->dir, sizeof c->dir, "/tmp/test_gather_XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->from, sizeof c->from, "%s/from.db", c->dir);
    snprintf(c->to, sizeof c->to, "%s/to.db", c->dir);
    sqlite3 *db = base_open(c->from, gather_vfs());
    base_run(db, "pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=0;"
                 "create table item (id integer primary key, name text) strict");
    for (int i = 0; i < ROWS; i++) {
        base_run(db, "insert into item (name) values ('x')");
        if (i == ROWS / 3)
            base_run(db, "pragma wal_checkpoint(full)");
    }
    c->base = calloc(1, LOG_BYTES_MAX);
    c->log = calloc(1, LOG_BYTES_MAX);
    assert_true(c->base && c->log);
    c->base_bytes = bytes_read(c->from, c->base, LOG_BYTES_MAX);
    c->log_bytes = bytes_read(beside(c->from, "-wal"), c->log, LOG_BYTES_MAX);
    for (c->zeros_at = c->log_bytes; c->zeros_at && !c->log[c->zeros_at - 1];)
        c->zeros_at--;
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void recovers_all(const struct cut *c, const char *log, size_t bytes, const char *vfs)
{
    bytes_write(c->to, c->base, c->base_bytes);
    bytes_write(beside(c->to, "-wal"), log, bytes);
    unlink(beside(c->to, "-shm"));
    sqlite3 *db = base_open(c->to, vfs);
    assert_int_equal(base_number(db, "select count(*) from item"), ROWS);
    assert_int_equal(base_number(db, "select count(*) from pragma_integrity_check where "
                                     "integrity_check <> 'ok'"), 0);
    base_run(db, "insert into item (name) values ('after')");
    assert_int_equal(base_number(db, "select count(*) from item"), ROWS + 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void cut_end(struct cut *c)
{
    static const char *const endings[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < 3; i++) {
        unlink(beside(c->from, endings[i]));
        unlink(beside(c->to, endings[i]));
    }
    rmdir(c->dir);
    free(c->base);
    free(c->log);
}

static void recovery_finds_every_commit_and_stops_at_the_zeros(void **state)
{
    struct cut c;
    cut_power(&c);
    assert_true(c.zeros_at < c.log_bytes);
    recovers_all(&c, c.log, c.log_bytes, gather_vfs());
    recovers_all(&c, c.log, c.log_bytes, NULL);
    cut_end(&c);
}

static void zeros_that_were_cut_short_are_no_part_of_the_log(void **state)
{
    struct cut c;
    cut_power(&c);
    for (size_t i = 0; i < 20; i++)
        recovers_all(&c, c.log, c.zeros_at + roll(c.log_bytes - c.zeros_at + 1),
                     i % 2 ? gather_vfs() : NULL);
    cut_end(&c);
}

/* Blocks that were given to the file but not written yet may hold what was deleted before. */
static void what_the_disk_had_in_place_of_the_zeros_is_no_part_of_the_log(void **state)
{
    struct cut c;
    cut_power(&c);
    char *log = malloc(c.log_bytes);
    assert_non_null(log);
    for (size_t i = 0; i < 20; i++) {
        size_t frame = 32 + (4096 + 24) * roll(50);
        memcpy(log, c.log, c.log_bytes);
        for (size_t at = c.zeros_at; at < c.log_bytes; at++)
            log[at] = i % 2 ? (char)roll(256) : c.log[(frame + at - c.zeros_at) % c.zeros_at];
        recovers_all(&c, log, c.log_bytes, i % 4 < 2 ? gather_vfs() : NULL);
    }
    free(log);
    cut_end(&c);
}

/* ---- commits that are flushed later ---- */

static sqlite3_file *log_of(sqlite3 *db)
{
    sqlite3_file *f = NULL;
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f), SQLITE_OK);
    assert_non_null(f);
    return f;
}

static int flushes_of(sqlite3 *db, const char *sql, bool put_off)
{
    int before = flushes;
    gather_put_off(log_of(db), put_off);
    base_run(db, sql);
    gather_put_off(log_of(db), false);
    return flushes - before;
}

static void a_commit_that_is_put_off_is_flushed_when_it_is_told_to(void **state)
{
    static const char add[] = "insert into item (name) values ('x')";
    struct cut c;
    snprintf(c.dir, sizeof c.dir, "/tmp/test_gather_XXXXXX");
    assert_non_null(mkdtemp(c.dir));
    snprintf(c.from, sizeof c.from, "%s/from.db", c.dir);
    sqlite3 *db = base_open(c.from, gather_vfs());
    base_run(db, "pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=0;"
                 "create table item (id integer primary key, name text) strict");
    assert_int_equal(flushes_of(db, add, false), 1);
    assert_int_equal(flushes_of(db, add, true), 0);
    assert_int_equal(flushes_of(db, add, true), 0);
    int before = flushes;
    assert_true(gather_flush(log_of(db)));
    assert_int_equal(flushes, before + 1);
    assert_int_equal(flushes_of(db, add, false), 1);

    /* The log begins again: its new head must be on disk before what stands behind it. */
    base_run(db, "pragma wal_checkpoint(full)");
    assert_int_equal(flushes_of(db, add, true), 1);
    assert_int_equal(flushes_of(db, add, true), 0);
    /* and the log before the database */
    before = flushes;
    base_run(db, "pragma wal_checkpoint(full)");
    assert_true(flushes - before >= 2);

    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    unlink(c.from);
    rmdir(c.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_if_every_write_had_gone_to_the_file),
        cmocka_unit_test(frames_leave_together_at_the_flush),
        cmocka_unit_test(what_cannot_be_written_fails_at_the_flush_and_is_gone),
        cmocka_unit_test(zeros_stand_behind_the_log_so_that_few_flushes_make_the_file_longer),
        cmocka_unit_test(a_disk_without_room_for_zeros_is_no_failure),
        cmocka_unit_test(recovery_finds_every_commit_and_stops_at_the_zeros),
        cmocka_unit_test(zeros_that_were_cut_short_are_no_part_of_the_log),
        cmocka_unit_test(what_the_disk_had_in_place_of_the_zeros_is_no_part_of_the_log),
        cmocka_unit_test(a_commit_that_is_put_off_is_flushed_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
