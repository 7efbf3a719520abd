/*
 * The SQLite side. One connection, never shared by threads at a time, so SQLite's own mutexes are
 * off.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "db/copier.h"
#include "db/filelock.h"
#include "db/gather.h"
#include "db/side.h"
#include "db/statements.h"

/*
 * The log is copied back between two transactions. Seldom, when the same pages are written again and
 * again: each is copied once. Often, when pages are new: all of them are copied, and who comes
 * meanwhile waits for it. Nobody tidied: by a commit.
 */
enum { LOG_PAGES_NEW = 750, LOG_PAGES_TIDY = 4000, LOG_PAGES_MAX = 6000 };

/*
 * With a thread for it (copier.h) the log is copied in parts of this size. When it has become long,
 * the last part is followed by the rest, which the writer copies, and the log begins anew.
 */
enum { LOG_PAGES_PART = 1000, LOG_PAGES_REST = 400 };

struct lite {
    struct db         db;
    sqlite3          *handle;
    struct filelock  *lock;
    int               log_pages;        /* after the last commit */
    int               file_pages;       /* when the log was copied back last */
    struct copier    *copier;           /* NULL before the first part */
    int               copied_pages;     /* of the log, by the copier, done or under way */
    bool              last_part;        /* is what the copier has: the writer copies the rest */
    sqlite3_file     *log;              /* to be flushed later; NULL before the first such commit */
    struct statements statements;
};

struct lite_stmt {
    sqlite3_stmt *stmt;
    size_t        args;                 /* the highest $n */
    int           slots;
    uint8_t       arg_of[DB_ARGS_MAX];  /* SQLite's number - 1 → ours - 1 */
};

static struct lite *lite_of(struct db *db)
{
    assert(db->kind == DB_SQLITE);
    return (struct lite *)db;
}

/* --- errors --- */

static bool fail_storage(struct lite *l, int rc, struct err *e)
{
    const char *what = sqlite3_errstr(rc), *next;

    switch (rc & 0xff) {
    case SQLITE_FULL:     next = "free some space on its disk"; break;
    case SQLITE_READONLY: next = "see that this user may write the file and its folder"; break;
    case SQLITE_CANTOPEN: next = "see that its folder exists and this user may write in it"; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:   next = "restore it from a backup, or give another file"; break;
    default:              next = "see that its disk is healthy and has space"; break;
    }
    return err_set(e, ERR_STORAGE, l->handle ? sqlite3_system_errno(l->handle) : 0, ERR_HERE,
                   "the database cannot be used (%s; SQLite %d), nothing was stored: %s", what, rc,
                   next);
}

static bool fail_lite(struct lite *l, int rc, const char *sql, struct err *e)
{
    const char *what = sqlite3_errmsg(l->handle);

    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(e, ERR_BUSY,
                    "the database is busy with another writer, nothing was stored: try again");
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS:
        return fail_storage(l, rc, e);
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
            rc == SQLITE_CONSTRAINT_ROWID || rc == SQLITE_CONSTRAINT_FOREIGNKEY)
            return fail(e, ERR_CONFLICT,
                        "this conflicts with what is stored already (%s): read it again", what);
        break;
    default:
        break;
    }
    return fail(e, ERR_INTERNAL, "the database refused a statement (%s; SQLite %d): %.200s", what,
                rc, sql);
}

/* SQLite undoes a transaction by itself on some errors; what follows must not run as if each
 * statement stood alone. */
static bool still_open(struct lite *l, struct err *e)
{
    if (!l->db.in_transaction || !sqlite3_get_autocommit(l->handle))
        return true;
    return fail(e, ERR_STORAGE,
                "the database undid this transaction, nothing was stored: try again");
}

/* --- statements --- */

static void stmt_free(struct lite_stmt *s)
{
    if (s) {
        sqlite3_finalize(s->stmt);
        free(s);
    }
}

/* SQLite numbers $2 by where it first appears and takes "$2" for a name: names are read once and
 * remembered. */
static bool read_names(struct lite_stmt *s, const char *sql, struct err *e)
{
    s->slots = sqlite3_bind_parameter_count(s->stmt);
    if (s->slots > DB_ARGS_MAX)
        return fail(e, ERR_INTERNAL, "a statement has more than %d parameters: %.200s", DB_ARGS_MAX,
                    sql);
    for (int i = 1; i <= s->slots; i++) {
        const char *name = sqlite3_bind_parameter_name(s->stmt, i);
        int64_t n;

        if (!name || name[0] != '$' || !str_to_i64(str_of(name + 1), 1, DB_ARGS_MAX, &n))
            return fail(e, ERR_INTERNAL, "a statement has a parameter that is not $1, $2 …: %.200s",
                        sql);
        s->arg_of[i - 1] = (uint8_t)(n - 1);
        if ((size_t)n > s->args)
            s->args = (size_t)n;
    }
    return true;
}

static struct lite_stmt *prepare(struct lite *l, const char *sql, struct err *e)
{
    struct lite_stmt *s = statements_find(&l->statements, sql);
    const char *rest = NULL;
    int rc;

    if (s)
        return s;
    s = calloc(1, sizeof(*s));
    assert(s);
    rc = sqlite3_prepare_v3(l->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, &rest);
    if (rc != SQLITE_OK)
        fail_lite(l, rc, sql, e);
    else if (!s->stmt || str_trim(str_of(rest)).len)
        fail(e, ERR_INTERNAL, "one statement at a time: %.200s", sql);
    else if (read_names(s, sql, e)) {
        stmt_free(statements_add(&l->statements, sql, s));
        return s;
    }
    stmt_free(s);
    return NULL;
}

static int bind_one(sqlite3_stmt *stmt, int slot, const struct arg *a)
{
    switch (a->kind) {
    case ARG_NULL: return sqlite3_bind_null(stmt, slot);
    case ARG_I64:  return sqlite3_bind_int64(stmt, slot, a->i);
    case ARG_STR:
        return sqlite3_bind_text64(stmt, slot, a->s.ptr, a->s.len, SQLITE_STATIC, SQLITE_UTF8);
    case ARG_BLOB:
        return a->s.len ? sqlite3_bind_blob64(stmt, slot, a->s.ptr, a->s.len, SQLITE_STATIC)
                        : sqlite3_bind_zeroblob(stmt, slot, 0);
    }
    assert(false);                      /* a kind of argument that does not exist */
    return SQLITE_MISUSE;
}

static bool bind(struct lite *l, struct lite_stmt *s, const char *sql, const struct arg *args,
                 size_t count, struct err *e)
{
    if (s->args != count)
        return fail(e, ERR_INTERNAL, "a statement takes %zu arguments and got %zu: %.200s", s->args,
                    count, sql);
    for (int i = 0; i < s->slots; i++) {
        int rc = bind_one(s->stmt, i + 1, &args[s->arg_of[i]]);

        if (rc == SQLITE_TOOBIG)
            return fail(e, ERR_LIMIT, "a value is too big for the database");
        if (rc != SQLITE_OK)
            return fail_lite(l, rc, sql, e);
    }
    return true;
}

static struct db_value read_value(struct arena *mem, sqlite3_stmt *stmt, int column)
{
    struct db_value v = { 0 };
    int type = sqlite3_column_type(stmt, column);
    const char *p;

    if (type == SQLITE_NULL)
        return (struct db_value){ .null = true };
    if (type == SQLITE_INTEGER)
        return (struct db_value){ .i = sqlite3_column_int64(stmt, column) };
    p = type == SQLITE_BLOB ? sqlite3_column_blob(stmt, column)
                            : (const char *)sqlite3_column_text(stmt, column);
    v.s = arena_copy(mem, (str){ p ? p : "", (size_t)sqlite3_column_bytes(stmt, column) });
    if (type != SQLITE_BLOB)
        v.i = value_i64(v.s);
    return v;
}

struct row_list { struct db_value *values; size_t rows, columns, cap; };

static void read_row(struct row_list *list, struct arena *mem, sqlite3_stmt *stmt)
{
    if (list->rows == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;

        list->values = arena_grow(mem, list->values, list->cap * list->columns, cap * list->columns,
                                  sizeof(*list->values));
        list->cap = cap;
    }
    for (size_t c = 0; c < list->columns; c++)
        list->values[list->rows * list->columns + c] = read_value(mem, stmt, (int)c);
    list->rows++;
}

static bool step_all(struct lite *l, struct lite_stmt *s, struct arena *mem, struct db_rows *rows,
                     const char *sql, struct err *e)
{
    struct row_list list = { .columns = (size_t)sqlite3_column_count(s->stmt) };
    int rc;

    while ((rc = sqlite3_step(s->stmt)) == SQLITE_ROW)
        if (rows)
            read_row(&list, mem, s->stmt);
    if (rc != SQLITE_DONE)
        return fail_lite(l, rc, sql, e);
    if (rows)
        *rows =
            (struct db_rows){ .count = list.rows, .columns = list.columns, .values = list.values };
    return true;
}

static bool lite_run(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed,
                     const char *sql, const struct arg *args, size_t count, struct err *e)
{
    struct lite *l = lite_of(db);
    struct lite_stmt *s;
    int64_t before = sqlite3_total_changes64(l->handle);
    bool ok;

    if (!still_open(l, e) || !(s = prepare(l, sql, e)))
        return false;
    ok = bind(l, s, sql, args, count, e) && step_all(l, s, mem, rows, sql, e);
    sqlite3_reset(s->stmt);
    sqlite3_clear_bindings(s->stmt);    /* they point into the caller's memory */
    /* sqlite3_changes keeps the old number for statements that change nothing. */
    if (ok && changed && sqlite3_total_changes64(l->handle) != before)
        *changed = sqlite3_changes64(l->handle);
    return ok;
}

static bool lite_run_many(struct db *db, const char *sql, const struct arg *args, size_t per_row,
                          size_t rows, struct err *e)
{
    for (size_t i = 0; i < rows; i++)
        if (!lite_run(db, NULL, NULL, NULL, sql, args + i * per_row, per_row, e))
            return false;
    return true;
}

static bool lite_script(struct db *db, const char *sql, struct err *e)
{
    struct lite *l = lite_of(db);
    int rc;

    if (!still_open(l, e))
        return false;
    rc = sqlite3_exec(l->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail_lite(l, rc, sql, e);
}

static bool lite_control(struct db *db, const char *sql, struct err *e)
{
    struct lite *l = lite_of(db);

    if (str_eq(str_of(sql), STR("rollback")) && sqlite3_get_autocommit(l->handle))
        return true;
    return still_open(l, e) && lite_run(db, NULL, NULL, NULL, sql, NULL, 0, e);
}

static int64_t lite_written(const struct db *db)
{
    return sqlite3_total_changes64(((const struct lite *)db)->handle);
}

/* One that fails leaves the log as it is: the next one tries again. */
static void copy_back(struct lite *l)
{
    l->log_pages = 0;
    if (l->log)
        gather_put_off(l->log, false);  /* the database must not be ahead of its log */
    (void)sqlite3_wal_checkpoint_v2(l->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int log_grew(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct lite *l = arg;

    (void)handle;
    (void)name;
    l->log_pages = pages;
    if (pages >= LOG_PAGES_MAX && !l->copier)
        copy_back(l);
    return SQLITE_OK;
}

/* The log's file stays the same while the connection is open. */
static sqlite3_file *log_of(struct lite *l)
{
    sqlite3_file *f = NULL;
    if (!l->log &&
        sqlite3_file_control(l->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) == SQLITE_OK &&
        f && f->pMethods)
        l->log = f;
    return l->log;
}

static bool lite_commit_soon(struct db *db, struct err *e)
{
    struct lite *l = lite_of(db);
    sqlite3_file *log = log_of(l);
    if (log)
        gather_put_off(log, true);
    bool ok = lite_control(db, "commit", e);
    if (log)
        gather_put_off(log, false);
    return ok;
}

static bool lite_flush(struct db *db, struct err *e)
{
    struct lite *l = lite_of(db);
    if (!l->log || gather_flush(l->log))
        return true;
    return err_set(e, ERR_STORAGE, errno, ERR_HERE,
                   "the disk failed (%s), and whether this was stored is not known: look, or try "
                   "again",
                   strerror(errno));
}

static bool lite_copy_back(struct db *db, struct err *e)
{
    struct lite *l = lite_of(db);
    if (l->copier)
        copier_wait(l->copier);         /* SQLite does not wait for another who copies */
    int rc = sqlite3_wal_checkpoint_v2(l->handle, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
    return rc == SQLITE_OK || fail_lite(l, rc, "copying the log back", e);
}

static int pages_now(struct lite *l)
{
    struct err ignored = { 0 };
    struct lite_stmt *s = prepare(l, "pragma page_count", &ignored);
    int n = s && sqlite3_step(s->stmt) == SQLITE_ROW ? sqlite3_column_int(s->stmt, 0) : 0;

    if (s)
        sqlite3_reset(s->stmt);
    return n;
}

static void lite_tidy(struct db *db)
{
    struct lite *l = lite_of(db);

    if (l->log_pages < LOG_PAGES_TIDY &&
        (l->log_pages < LOG_PAGES_NEW || pages_now(l) - l->file_pages < LOG_PAGES_NEW))
        return;
    copy_back(l);
    l->file_pages = pages_now(l);
}

static bool part_begins(struct lite *l)
{
    const char *path = sqlite3_db_filename(l->handle, "main");

    if (!l->copier && path && *path)
        l->copier = copier_start(str_of(path));
    return l->copier && copier_go(l->copier);
}

static bool part_is_due(const struct lite *l)
{
    return l->log_pages - l->copied_pages >=
           (l->log_pages >= LOG_PAGES_TIDY ? LOG_PAGES_REST : LOG_PAGES_PART);
}

static bool lite_untidy(struct db *db)
{
    struct lite *l = lite_of(db);

    return l->last_part || part_is_due(l);
}

static void lite_tidy_apart(struct db *db)
{
    struct lite *l = lite_of(db);

    if (l->log_pages < l->copied_pages)         /* it began anew */
        l->copied_pages = 0;
    if (l->last_part && copier_rests(l->copier)) {
        l->last_part = false;
        copy_back(l);
    } else if (!part_is_due(l)) {
        return;
    } else if (part_begins(l)) {
        l->copied_pages = l->log_pages;
        l->last_part = l->log_pages >= LOG_PAGES_TIDY;
    } else if (!l->copier) {
        lite_tidy(db);
    } else if (l->log_pages >= LOG_PAGES_MAX) {
        copier_wait(l->copier);                 /* else nobody would bound the log */
    }
}

static int64_t lite_last_id(const struct db *db)
{
    return sqlite3_last_insert_rowid(((const struct lite *)db)->handle);
}

/* --- opening --- */

static bool lite_ready(struct db *db, struct err *e)
{
    return true;
}

static bool lite_alive(struct db *db)
{
    return sqlite3_exec(lite_of(db)->handle, "select count(*) from sqlite_schema", NULL, NULL,
                        NULL) == SQLITE_OK;
}

static bool lite_patience(struct db *db, int64_t lock_ms, struct err *e)
{
    sqlite3_busy_timeout(lite_of(db)->handle, lock_ms > INT32_MAX ? INT32_MAX : (int)lock_ms);
    return true;
}

static bool lite_notify(struct db *db, str channel, str payload, struct err *e)
{
    return true;
}

static bool lite_listen(struct db *db, str channel, struct err *e)
{
    return true;
}

static bool lite_wait(struct db *db, struct arena *mem, int wake_fd, int64_t timeout_ms,
                      str *payload)
{
    bool woken;

    return wait_fds(-1, wake_fd, timeout_ms, &woken);
}

static void lite_close(struct db *db)
{
    struct lite *l = lite_of(db);

    copier_stop(l->copier);
    for (struct lite_stmt *s; (s = statements_take(&l->statements, NULL)) != NULL;)
        stmt_free(s);
    if (l->handle) {
        int rc = sqlite3_close(l->handle);

        assert(rc == SQLITE_OK);
    }
    filelock_drop(l->lock);
    free(l);
}

static const struct side lite_side = {
    .begin = "begin immediate",
    .begin_read = "begin",
    .ready = lite_ready,
    .run = lite_run,
    .run_many = lite_run_many,
    .control = lite_control,
    .written = lite_written,
    .last_id = lite_last_id,
    .commit_soon = lite_commit_soon,
    .flush = lite_flush,
    .copy_back = lite_copy_back,
    .tidy = lite_tidy,
    .tidy_apart = lite_tidy_apart,
    .untidy = lite_untidy,
    .script = lite_script,
    .alive = lite_alive,
    .patience = lite_patience,
    .notify = lite_notify,
    .listen = lite_listen,
    .wait = lite_wait,
    .close = lite_close,
};

/* PostgreSQL's name for bytewise order, so that both sides know it. */
static int collate_bytes(void *nothing, int a_len, const void *a, int b_len, const void *b)
{
    return str_cmp((str){ a, (size_t)a_len }, (str){ b, (size_t)b_len });
}

static bool set_up(struct lite *l, struct err *e)
{
    /* Caches are small: every reader has its own, and the kernel's is shared. like tells capitals
     * apart, as PostgreSQL's does. */
    static const char always[] =
        "pragma foreign_keys=on; pragma trusted_schema=off; pragma mmap_size=0;"
        "pragma cache_size=-1024; pragma case_sensitive_like=on;";
    /* temp_store: savepoints keep the pages they would restore in memory; in a file they are two
     * thirds of all writes. */
    /* A commit into a part of the WAL that is there already is half as dear as one that makes the
     * file longer, and a page that changes in many commits is copied into the database once a
     * checkpoint: so the WAL goes round in 16 MB, and is cut only when it got twice as long. */
    static const char writer[] =
        "pragma journal_mode=wal; pragma synchronous=full; pragma temp_store=memory;"
        "pragma journal_size_limit=33554432;";
    static const char reader[] = "pragma query_only=on; pragma cache_size=-512; select count(*) "
                                 "from sqlite_schema;";
    int rc;

    sqlite3_busy_timeout(l->handle, DB_LOCK_MS);
    sqlite3_db_config(l->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    sqlite3_db_config(l->handle, SQLITE_DBCONFIG_DQS_DML, 0, (int *)0);
    sqlite3_db_config(l->handle, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)0);
    rc = sqlite3_create_collation(l->handle, "C", SQLITE_UTF8, NULL, collate_bytes);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(l->handle, always, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(l->handle, l->db.read_only ? reader : writer, NULL, NULL, NULL);
    if (!l->db.read_only)
        (void)sqlite3_wal_hook(l->handle, log_grew, l);
    return rc == SQLITE_OK || fail_lite(l, rc, "opening", e);
}

/* Made by us with mode 0600 before SQLite would make it readable for all; its companions copy the
 * mode. A file that is there is not opened: closing it would drop the locks that other connections
 * of this process hold on it (POSIX). */
static bool make_file(const char *path, struct err *e)
{
    SCOPED(fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0 || errno == EEXIST)
        return true;
    return err_set(e, ERR_STORAGE, errno, ERR_HERE,
                   "cannot make the database %s (%s): see that its folder exists and this user may "
                   "write in it",
                   path, strerror(errno));
}

static bool open_handle(struct lite *l, const char *path, struct err *e)
{
    bool memory = strcmp(path, ":memory:") == 0;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (l->db.read_only && !memory ? SQLITE_OPEN_READONLY
                                            : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int rc;

    if (!memory && !l->db.read_only && (!filelock_take(path, &l->lock, e) || !make_file(path, e)))
        return false;
    rc = sqlite3_open_v2(path, &l->handle, flags, l->db.read_only ? NULL : gather_vfs());
    if (rc != SQLITE_OK)
        return fail_lite(l, rc, "opening", e);
    return set_up(l, e);
}

/* SQLite counts its memory under a lock that all connections share; nobody reads the count. */
static void count_no_memory(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool sqlite_open(str path, bool read_only, struct db **out, struct err *e)
{
    char given[PATH_MAX], z[PATH_MAX];
    struct lite *l;

    if (path.len == 0 || path.len >= sizeof(z) || memchr(path.ptr, '\0', path.len))
        return fail(e, ERR_INVALID,
                    "the database needs a path: give sqlite:PATH, a path, or "
                    "postgres://USER@HOST/NAME");
    if (str_starts(path, STR("file:"))) /* SQLite would read options out of it, and our lock would
                                           stand elsewhere */
        return fail(e, ERR_INVALID,
                    "file: addresses are not understood: give sqlite:PATH or a path");
    memcpy(given, path.ptr, path.len);
    given[path.len] = '\0';
    if (!realpath(given,
                  z)) /* two links to one file must meet at one lock; a new file has no links yet */
        memcpy(z, given, sizeof(z));
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, count_no_memory);
    l = calloc(1, sizeof(*l));
    assert(l);
    l->db = (struct db){ .side = &lite_side, .kind = DB_SQLITE, .read_only = read_only };
    if (!open_handle(l, z, e)) {
        lite_close(&l->db);
        return fail_ctx(e, "opening %s", z);
    }
    *out = &l->db;
    return true;
}
