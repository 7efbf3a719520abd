#include "db/side.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

static _Atomic int64_t fault_left;
static atomic_bool     flush_fails;
static _Atomic(const char *) fault_words;

void db_fault_after(int64_t nth)
{
    atomic_store(&fault_words, NULL);
    atomic_store(&fault_left, nth);
}

void db_fault_at(const char *words)
{
    atomic_store(&fault_words, words);
    atomic_store(&fault_left, 1);
}

bool db_fault_armed(void)
{
    return atomic_load(&fault_left) > 0;
}

static bool fault_strikes(const char *sql, struct err *e)
{
    if (atomic_load(&fault_left) <= 0)
        return false;
    const char *words = atomic_load(&fault_words);
    if ((words && !strstr(sql, words)) || atomic_fetch_sub(&fault_left, 1) != 1)
        return false;
    fail(e, ERR_STORAGE, "the database failed because a test told it to: try again");
    return true;
}

void db_fault_flush(bool fails)
{
    atomic_store(&flush_fails, fails);
}

static bool flush_fault_strikes(struct err *e)
{
    if (!atomic_load(&flush_fails))
        return false;
    fail(e, ERR_STORAGE, "the disk failed because a test told it to: try again");
    return true;
}

static bool is_postgres(str url)
{
    return str_starts(url, STR("postgres://")) || str_starts(url, STR("postgresql://"));
}

bool db_open(str url, bool read_only, struct db **out, struct err *e)
{
    *out = NULL;
    if (is_postgres(url))
        return postgres_open(url, read_only, out, e);
    if (str_starts(url, STR("sqlite:")))
        return sqlite_open(str_sub(url, 7, url.len), read_only, out, e);
    if (str_has(url, STR("://")))       /* never shown whole: it may carry a password */
        return fail(e, ERR_INVALID,
                    "this kind of database is not known: give sqlite:PATH, a path, or "
                    "postgres://USER@HOST/NAME");
    return sqlite_open(url, read_only, out, e);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_rollback(db);
    news_free(db);
    db->side->close(db);
}

enum db_kind db_kind(const struct db *db)
{
    return db->kind;
}

bool db_alive(struct db *db)
{
    struct err e = { 0 };

    if (!db->in_transaction && !db->side->ready(db, &e))
        return false;
    return db->side->alive(db);
}

/* A failure spoils the open transaction: PostgreSQL does that by itself, and SQLite must not behave
 * differently. */
static bool spoil(struct db *db, struct err *e)
{
    if (db->in_transaction && db->spoiled == ERR_NONE)
        db->spoiled = e->code ? e->code : ERR_INTERNAL;
    return false;
}

static bool unspoiled(const struct db *db, struct err *e)
{
    if (db->spoiled == ERR_NONE)
        return true;
    return fail(e, db->spoiled,
                "a statement before this one failed, so this transaction can only be rolled back");
}

/* SQLite would store any bytes as text, PostgreSQL refuses them: hostile text fails the same way on
 * both. */
static bool args_valid(const struct arg *args, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (args[i].kind != ARG_STR)
            continue;
        if (memchr(args[i].s.ptr, '\0', args[i].s.len))
            return fail(e, ERR_INVALID, "a text to be stored has a NUL byte in it: remove it");
        if (!str_is_utf8(args[i].s))
            return fail(e, ERR_INVALID, "a text to be stored is not valid UTF-8: send it as UTF-8");
    }
    return true;
}

static bool run(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed,
                const char *sql, const struct arg *args, size_t count, struct err *e)
{
    int64_t rows_changed = 0;
    bool told = news_wanted(db);

    assert(count <= DB_ARGS_MAX);
    if (told && !changed && !rows)
        changed = &rows_changed;
    if (changed)
        *changed = 0;
    if (rows)
        *rows = (struct db_rows){ 0 };
    if (!unspoiled(db, e))
        return false;
    if (!args_valid(args, count, e) || fault_strikes(sql, e) ||
        (!db->in_transaction && !db->side->ready(db, e)) ||
        !db->side->run(db, mem, rows, changed, sql, args, count, e))
        return spoil(db, e);
    if (told && (changed ? *changed > 0 : rows->count > 0))
        news_saw(db, sql);
    return true;
}

bool db_exec_(struct db *db, struct err *e, int64_t *changed, const char *sql,
              const struct arg *args, size_t count)
{
    return run(db, NULL, NULL, changed, sql, args, count, e);
}

bool db_query_(struct db *db, struct arena *mem, struct err *e, struct db_rows *rows,
               const char *sql, const struct arg *args, size_t count)
{
    return run(db, mem, rows, NULL, sql, args, count, e);
}

bool db_insert_(struct db *db, struct arena *mem, struct err *e, int64_t *id, const char *sql,
                const char *returning, const struct arg *args, size_t count)
{
    struct db_rows r;
    int64_t changed;

    *id = 0;
    if (!db->side->last_id) {
        if (!run(db, mem, &r, NULL, returning, args, count, e))
            return false;
        *id = r.count ? db_at(&r, 0, 0)->i : 0;
        return true;
    }
    if (!run(db, NULL, NULL, &changed, sql, args, count, e))
        return false;
    *id = changed ? db->side->last_id(db) : 0;
    return true;
}

static bool exec_many(struct db *db, struct err *e, const char *sql, const struct arg *args,
                      size_t per_row, size_t rows)
{
    if (!unspoiled(db, e))
        return false;
    if (!args_valid(args, per_row * rows, e) || fault_strikes(sql, e) ||
        !db->side->run_many(db, sql, args, per_row, rows, e))
        return spoil(db, e);
    if (news_wanted(db))
        news_saw(db, sql);
    return true;
}

bool db_exec_many_(struct db *db, struct err *e, const char *sql, const struct arg *args,
                   size_t per_row, size_t rows)
{
    assert(per_row <= DB_ARGS_MAX);
    if (rows == 0)
        return true;
    if (db->in_transaction)
        return exec_many(db, e, sql, args, per_row, rows);
    if (!db_begin(db, e))
        return false;
    if (!exec_many(db, e, sql, args, per_row, rows)) {
        db_rollback(db);
        return false;
    }
    return db_commit(db, e);
}

bool db_begin(struct db *db, struct err *e)
{
    const char *sql = db->read_only ? db->side->begin_read : db->side->begin;
    struct err first = { 0 };

    assert(!db->in_transaction);
    if (!db->side->ready(db, e))
        return false;
    /* Nothing has been done yet, so a connection that was lost while it lay idle may be opened
     * again without anybody noticing. */
    if (!db->side->control(db, sql, &first)) {
        if (first.code != ERR_STORAGE || !db->side->ready(db, e) ||
            !db->side->control(db, sql, e)) {
            if (e->code == ERR_NONE)
                *e = first;
            return false;
        }
    }
    db->in_transaction = true;
    db->depth = 0;
    db->spoiled = ERR_NONE;
    return true;
}

static void end_transaction(struct db *db)
{
    db->in_transaction = false;
    db->depth = 0;
    db->spoiled = ERR_NONE;
}

static bool commit(struct db *db, bool soon, struct err *e)
{
    assert(db->in_transaction);
    if (!unspoiled(db, e) || fault_strikes("commit", e) ||
        !(soon ? db->side->commit_soon(db, e) : db->side->control(db, "commit", e))) {
        db_rollback(db);
        return false;
    }
    end_transaction(db);
    return true;
}

bool db_commit(struct db *db, struct err *e)
{
    return commit(db, false, e);
}

bool db_commit_soon(struct db *db, struct err *e)
{
    return commit(db, db->side->commit_soon != NULL, e);
}

bool db_flush(struct db *db, struct err *e)
{
    return !flush_fault_strikes(e) && (!db->side->flush || db->side->flush(db, e));
}

bool db_copy_back(struct db *db, struct err *e)
{
    assert(!db->in_transaction);
    return !flush_fault_strikes(e) && (!db->side->copy_back || db->side->copy_back(db, e));
}

void db_rollback(struct db *db)
{
    struct err ignored = { 0 };

    if (!db->in_transaction)
        return;
    (void)!db->side->control(db, "rollback", &ignored);
    end_transaction(db);
}

void db_tidy(struct db *db)
{
    assert(!db->in_transaction);
    if (db->side->tidy)
        db->side->tidy(db);
}

void db_tidy_apart(struct db *db)
{
    assert(!db->in_transaction);
    if (db->side->tidy_apart)
        db->side->tidy_apart(db);
}

bool db_untidy(struct db *db)
{
    assert(!db->in_transaction);
    return db->side->untidy && db->side->untidy(db);
}

bool db_in_transaction(const struct db *db)
{
    return db->in_transaction;
}

/* Literals, so that a side can keep them prepared: they frame every fact. */
enum { SAVEPOINTS_MAX = 8 };
#define LEVELS(verb)                                                                               \
    {                                                                                              \
        verb " level1", verb " level2", verb " level3", verb " level4", verb " level5",            \
            verb " level6", verb " level7", verb " level8"                                         \
    }
static const char *const savepoint_sql[SAVEPOINTS_MAX] = LEVELS("savepoint");
static const char *const release_sql[SAVEPOINTS_MAX] = LEVELS("release savepoint");
static const char *const rollback_sql[SAVEPOINTS_MAX] = LEVELS("rollback to savepoint");

bool db_savepoint(struct db *db, struct err *e)
{
    assert(db->in_transaction);
    if (!unspoiled(db, e))
        return false;
    assert(db->depth < SAVEPOINTS_MAX);
    if (!db->side->control(db, savepoint_sql[db->depth], e))
        return spoil(db, e);
    db->depth++;
    return true;
}

bool db_release(struct db *db, struct err *e)
{
    assert(db->in_transaction && db->depth > 0);
    if (!unspoiled(db, e))
        return false;
    if (!db->side->control(db, release_sql[db->depth - 1], e))
        return spoil(db, e);
    db->depth--;
    return true;
}

bool db_rollback_to(struct db *db, struct err *e)
{
    assert(db->in_transaction && db->depth > 0);
    if (!db->side->control(db, rollback_sql[db->depth - 1], e) ||
        !db->side->control(db, release_sql[db->depth - 1], e))
        return spoil(db, e);
    db->depth--;
    db->spoiled = ERR_NONE;
    return true;
}

void db_patience(struct db *db, int64_t lock_ms)
{
    struct err ignored = { 0 };

    if (db->kind == DB_SQLITE)
        (void)!db->side->patience(db, lock_ms < 0 ? DB_LOCK_MS : lock_ms, &ignored);
}

bool db_mark(const struct db *db, int64_t *mark)
{
    assert(db->in_transaction);
    if (!db->side->written)
        return false;
    *mark = db->side->written(db);
    return true;
}

bool db_back_to(struct db *db, int64_t mark)
{
    assert(db->in_transaction);
    if (db->depth || db->side->written(db) != mark)
        return false;
    db->spoiled = ERR_NONE;
    return true;
}

bool db_notify(struct db *db, str channel, str payload, struct err *e)
{
    if (!unspoiled(db, e))
        return false;
    if ((!db->in_transaction && !db->side->ready(db, e)) ||
        !db->side->notify(db, channel, payload, e))
        return spoil(db, e);
    return true;
}

bool db_notify_many(struct db *db, struct arena *mem, str channel, const str *payload, size_t count,
                    struct err *e)
{
    if (db->kind == DB_SQLITE)
        return unspoiled(db, e);
    struct arg *args = arena_make(mem, struct arg, count * 2 + 1);
    for (size_t i = 0; i < count; i++) {
        args[2 * i] = arg_str(channel);
        args[2 * i + 1] = arg_str(payload[i]);
    }
    return db_exec_many(db, e, "select pg_notify($1, $2)", args, 2, count);
}

bool db_listen(struct db *db, str channel, struct err *e)
{
    assert(!db->in_transaction);
    return db->side->ready(db, e) && db->side->listen(db, channel, e);
}

bool db_wait_notify(struct db *db, struct arena *mem, int wake_fd, int64_t timeout_ms, str *payload)
{
    assert(!db->in_transaction);
    *payload = STR_NONE;
    return db->side->wait(db, mem, wake_fd, timeout_ms, payload);
}

int64_t value_i64(str text)
{
    int64_t n;

    return str_to_i64(text, INT64_MIN, INT64_MAX, &n) ? n : 0;
}

bool wait_fds(int fd, int wake_fd, int64_t timeout_ms, bool *woken)
{
    struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = wake_fd, .events = POLLIN } };
    int64_t until_ms = clock_mono_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    int n;

    do {
        int64_t left_ms = until_ms - clock_mono_ms();

        left_ms = left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : left_ms;
        n = poll(p, 2, (int)left_ms);
    } while (n < 0 && errno == EINTR);
    *woken = n > 0 && p[1].revents;
    return n > 0 && p[0].revents;
}
