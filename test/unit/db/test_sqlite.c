/*
 * What only SQLite has: the file, its lock, its disk.
 */
#include "both.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

#define LITE(f) { #f, f, both_sqlite, both_end, NULL }

static void items(struct both *b)
{
    run(b, "create table item (id integer primary key autoincrement, name text, body blob) strict",
        NO_ARGS);
}

static const char *path_of(struct both *b, const char *ending)
{
    return arena_print(b->mem, "%s/test.db%s", b->dir, ending).ptr;
}

/* --- one process writes --- */

static int in_child(struct both *b, int (*body)(struct both *))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(body(b));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_writer(struct both *b)
{
    struct db *db = NULL;

    if (db_open(b->url, false, &db, &b->e))
        return 0;
    return b->e.code == ERR_STORAGE &&
                   strstr(b->e.text, arena_print(b->mem, "process %ld", (long)getppid()).ptr)
               ? 1
               : 2;
}

static int open_reader(struct both *b)
{
    struct db *db = NULL;

    return db_open(b->url, true, &db, &b->e) ? 0 : 1;
}

static void a_second_process_is_told_whom_to_stop(void **state)
{
    struct both *b = *state;

    assert_int_equal(in_child(b, open_writer), 1);
    assert_int_equal(in_child(b, open_reader), 0);
    db_close(b->db);
    b->db = NULL;
    assert_int_equal(in_child(b, open_writer), 0);
}

static void the_lock_holds_until_the_last_connection_closes(void **state)
{
    struct both *b = *state;
    struct db *second = both_open(b, false), *third = both_open(b, false);

    db_close(b->db);
    b->db = NULL;
    assert_int_equal(in_child(b, open_writer), 1);
    db_close(second);
    assert_int_equal(in_child(b, open_writer), 1);
    db_close(third);
    assert_int_equal(in_child(b, open_writer), 0);
}

static void the_lock_is_met_through_a_link_too(void **state)
{
    struct both *b = *state;

    assert_int_equal(symlink("test.db", path_of(b, ".link")), 0);
    b->url = arena_print(b->mem, "%s/test.db.link", b->dir);
    assert_int_equal(in_child(b, open_writer), 1);
}

static void a_killed_process_leaves_no_lock(void **state)
{
    struct both *b = *state;
    int ready[2];
    pid_t pid;
    char c;

    db_close(b->db);
    b->db = NULL;
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        (void)!write(ready[1], open_writer(b) == 0 ? "y" : "n", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_false(db_open(b->url, false, &b->db, &b->e));
    bad(b, ERR_STORAGE, false);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    b->db = both_open(b, false);
    close(ready[0]);
    close(ready[1]);
}

static void the_files_are_ours_alone(void **state)
{
    static const char *const endings[] = { "", "-wal", "-shm", ".lock" };
    struct both *b = *state;

    items(b);
    for (size_t i = 0; i < 4; i++) {
        struct stat st;

        assert_int_equal(stat(path_of(b, endings[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

/* --- settings --- */

static void the_file_is_safe_by_its_settings(void **state)
{
    static const struct { const char *pragma; int64_t is; } rows[] = {
        { "pragma foreign_keys", 1 },
        { "pragma synchronous", 2 },
        { "pragma trusted_schema", 0 },
        { "pragma mmap_size", 0 },
        { "pragma busy_timeout", 5000 },
        { "pragma journal_size_limit", 32 << 20 },
    };
    struct both *b = *state;
    struct db_rows got;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        good(b, db_query_(b->db, b->mem, &b->e, &got, rows[i].pragma, NO_ARGS));
        /* mmap_size answers nothing where it was compiled out */
        assert_int_equal(got.count ? db_at(&got, 0, 0)->i : 0, rows[i].is);
    }
    good(b, db_query(b->db, b->mem, &b->e, &got, "pragma journal_mode", NO_ARGS));
    assert_text(db_at(&got, 0, 0)->s, "wal");
}

static void wrong_kinds_of_values_are_refused(void **state)
{
    struct both *b = *state;

    items(b);
    bad(b, ERR_INTERNAL,
        db_exec(b->db, &b->e, NULL, "insert into item (name) values ($1)",
                ARGS(arg_blob(STR("bytes")))));
    bad(b, ERR_INTERNAL,
        db_exec(b->db, &b->e, NULL, "insert into item (body) values ($1)", ARGS(A(STR("text")))));
    bad(b, ERR_INTERNAL,
        db_exec(b->db, &b->e, NULL, "insert into item (name) values (?)", ARGS(A(STR("x")))));
    bad(b, ERR_INTERNAL,
        db_exec(b->db, &b->e, NULL, "insert into item (name) values (:name)", ARGS(A(STR("x")))));
}

static void a_database_in_memory_has_no_lock(void **state)
{
    static const str urls[] = { STR_INIT(":memory:"), STR_INIT("sqlite::memory:") };
    struct both *b = *state;

    for (size_t i = 0; i < 2; i++) {
        SCOPED(db) struct db *first = NULL;
        SCOPED(db) struct db *second = NULL;

        good(b, db_open(urls[i], false, &first, &b->e));
        good(b, db_open(urls[i], false, &second, &b->e));
        good(b, db_exec(first, &b->e, NULL, "create table only_here (n integer) strict", NO_ARGS));
        bad(b, ERR_INTERNAL, db_exec(second, &b->e, NULL, "select * from only_here", NO_ARGS));
    }
    assert_int_not_equal(access(":memory:.lock", F_OK), 0);
}

/* --- bad days --- */

static str kilobytes(struct both *b, size_t n)
{
    return (str){ arena_make(b->mem, char, n << 10), n << 10 };
}

static void a_full_database_refuses_and_recovers(void **state)
{
    struct both *b = *state;
    str big = kilobytes(b, 64);
    bool full = false;

    items(b);
    run(b, "insert into item (name) values ('before')", NO_ARGS);
    run(b, "pragma max_page_count = 40", NO_ARGS);
    good(b, db_begin(b->db, &b->e));
    run(b, "insert into item (name) values ('half')", NO_ARGS);
    for (int i = 0; i < 10 && !full; i++)
        full = !db_exec(b->db, &b->e, NULL, "insert into item (body) values ($1)",
                        ARGS(arg_blob(big)));
    bad(b, ERR_STORAGE, !full);
    /* What follows must not be stored as if it stood alone. */
    bad(b, ERR_STORAGE,
        db_exec(b->db, &b->e, NULL, "insert into item (name) values ('stray')", NO_ARGS));
    bad(b, ERR_STORAGE, db_commit(b->db, &b->e));
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);

    run(b, "pragma max_page_count = 100000", NO_ARGS);
    run(b, "insert into item (body) values ($1)", ARGS(arg_blob(big)));
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 2);
}

/* A limit on the size of files stands in for a full disk: the log cannot grow, writing fails in the
 * kernel. */
static int fill_the_disk(struct both *b)
{
    struct rlimit small = { .rlim_cur = 256 << 10, .rlim_max = RLIM_INFINITY },
                  wide = { RLIM_INFINITY, RLIM_INFINITY };
    SCOPED(db) struct db *db = NULL;
    str big = kilobytes(b, 512);

    signal(SIGXFSZ, SIG_IGN);
    if (!db_open(b->url, false, &db, &b->e) ||
        !db_exec(db, &b->e, NULL, "create table item (id integer primary key, body blob) strict",
                 NO_ARGS) ||
        setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 1;
    if (db_exec(db, &b->e, NULL, "insert into item (body) values ($1)", ARGS(arg_blob(big))) ||
        b->e.code != ERR_STORAGE)
        return 2;
    err_clear(&b->e);
    if (number_(b, db, "select count(*) from item", NO_ARGS) != 0)
        return 3;
    if (setrlimit(RLIMIT_FSIZE, &wide) != 0 ||
        !db_exec(db, &b->e, NULL, "insert into item (body) values ($1)", ARGS(arg_blob(big))))
        return 4;
    return number_(b, db, "select count(*) from item", NO_ARGS) == 1 ? 0 : 5;
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    struct both *b = *state;

    db_close(b->db);
    b->db = NULL;
    assert_int_equal(in_child(b, fill_the_disk), 0);
}

static int die_in_the_middle(struct both *b)
{
    struct db *db = NULL;

    if (!db_open(b->url, false, &db, &b->e) ||
        !db_exec(db, &b->e, NULL, "insert into item (name) values ('kept')", NO_ARGS) ||
        !db_begin(db, &b->e) ||
        !db_exec(db, &b->e, NULL, "insert into item (name) values ('lost')", NO_ARGS))
        return 1;
    _exit(0);                               /* no close, as after kill -9 */
}

enum { LARGE_PAGES = 400, PAGE_BYTES = 4096, FRAME_BYTES = PAGE_BYTES + 24 };

static void write_pages(struct both *b, bool is_new, int round)
{
    static char body[LARGE_PAGES * PAGE_BYTES];

    memset(body, 'a' + round % 26, sizeof body);
    good(b, db_begin(b->db, &b->e));
    if (is_new)
        good(b, db_exec(b->db, &b->e, NULL, "insert into item (body) values ($1)",
                        ARGS(arg_blob((str){ body, sizeof body }))));
    else
        good(b, db_exec(b->db, &b->e, NULL, "update item set body = $1 where id = 1",
                        ARGS(arg_blob((str){ body, sizeof body }))));
    good(b, db_commit(b->db, &b->e));
}

static void write_large(struct both *b, bool is_new, int round)
{
    write_pages(b, is_new, round);
    db_tidy(b->db);
}

static int log_frames(struct both *b)
{
    struct stat st;

    assert_int_equal(stat(path_of(b, "-wal"), &st), 0);
    return (int)(st.st_size / FRAME_BYTES);
}

static void a_log_of_new_pages_is_copied_back_soon_one_of_old_pages_late(void **state)
{
    struct both *b = *state;

    items(b);
    for (int i = 0; i < 8; i++)
        write_large(b, true, i);
    assert_in_range(log_frames(b), 700, 1600);
    for (int i = 0; i < 7; i++)
        write_large(b, false, i);
    assert_in_range(log_frames(b), 1800, 4500);
}

static bool is_whole(struct both *b)
{
    return number(b, "select count(*) from pragma_integrity_check where integrity_check = 'ok'",
                  NO_ARGS) == 1;
}

/* With a thread that copies: however slow it is, the log stays under a bound, and nobody sees it. */
static void a_log_that_is_copied_apart_is_bounded_and_reads_stay_whole(void **state)
{
    enum { ROUNDS = 30, FRAMES_MAX = 9000 };    /* of 12,000 that are written */
    struct both *b = *state;
    struct db *reader;

    items(b);
    write_pages(b, true, 0);
    reader = both_open(b, true);
    for (int i = 1; i <= ROUNDS; i++) {
        write_pages(b, false, i);
        db_tidy_apart(b->db);
        assert_int_equal(number_(b, reader,
                                 "select count(*) from item where length(body) = $1 and "
                                 "substr(body, 1, 1) = $2 and substr(body, -1, 1) = $2",
                                 ARGS(A(LARGE_PAGES * PAGE_BYTES),
                                      arg_blob((str){ &"abcdefghijklmnopqrstuvwxyz"[i % 26], 1 }))),
                         1);
    }
    assert_in_range(log_frames(b), 1, FRAMES_MAX);
    db_close(reader);
    db_close(b->db);
    b->db = both_open(b, false);
    assert_true(is_whole(b));
    assert_int_equal(number(b, "select count(*) from item where substr(body, -1, 1) = $1",
                            ARGS(arg_blob((str){ &"abcdefghijklmnopqrstuvwxyz"[ROUNDS % 26], 1 }))),
                     1);
}

/* Killed while the log is copied, by whichever thread. */
static int die_while_copying(struct both *b)
{
    b->db = both_open(b, false);
    for (int i = 1; i <= 12; i++) {
        write_pages(b, true, i);
        db_tidy_apart(b->db);
    }
    _exit(0);
}

static void what_was_committed_survives_a_kill_while_it_is_copied(void **state)
{
    struct both *b = *state;

    items(b);
    db_close(b->db);
    b->db = NULL;
    assert_int_equal(in_child(b, die_while_copying), 0);
    b->db = both_open(b, false);
    assert_int_equal(number(b, "select count(*) from item where length(body) = $1",
                            ARGS(A(LARGE_PAGES * PAGE_BYTES))),
                     12);
    assert_true(is_whole(b));
}

static void what_was_committed_survives_a_killed_process(void **state)
{
    struct both *b = *state;

    items(b);
    db_close(b->db);
    b->db = NULL;
    assert_int_equal(in_child(b, die_in_the_middle), 0);
    b->db = both_open(b, false);
    assert_int_equal(number(b, "select count(*) from item where name = 'kept'", NO_ARGS), 1);
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LITE(a_second_process_is_told_whom_to_stop),
        LITE(the_lock_holds_until_the_last_connection_closes),
        LITE(the_lock_is_met_through_a_link_too),
        LITE(a_killed_process_leaves_no_lock),
        LITE(the_files_are_ours_alone),
        LITE(the_file_is_safe_by_its_settings),
        LITE(wrong_kinds_of_values_are_refused),
        LITE(a_database_in_memory_has_no_lock),
        LITE(a_full_database_refuses_and_recovers),
        LITE(a_full_disk_refuses_and_recovers),
        LITE(a_log_of_new_pages_is_copied_back_soon_one_of_old_pages_late),
        LITE(a_log_that_is_copied_apart_is_bounded_and_reads_stay_whole),
        LITE(what_was_committed_survives_a_kill_while_it_is_copied),
        LITE(what_was_committed_survives_a_killed_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
