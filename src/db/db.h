/*
 * db: the port to the database. One connection, prepared statements, transactions. Two sides behind
 * it, SQLite and PostgreSQL; everything above writes one SQL dialect: $1, $2 …, on conflict,
 * returning, partial indexes, epoch milliseconds as integers,
 * 0/1 for booleans, JSON as text. No now(), no JSON operators, no serial.
 *
 * A connection belongs to one thread at a time. Statements are prepared once per connection and
 * found again by the address of their SQL, so the text must be a literal (the macros see to it).
 * Results are read whole into the arena: no statement stays open.
 */
#ifndef SIGNALBOX_DB_DB_H
#define SIGNALBOX_DB_DB_H
#include "base/arena.h"
#include "base/err.h"

enum db_kind { DB_SQLITE, DB_POSTGRES };

struct db;

/*
 * "sqlite:PATH", a bare path, ":memory:", or "postgres://…" / "postgresql://…" (any libpq URL, unix
 * sockets too). SQLite: WAL, synchronous=FULL, foreign_keys=ON, trusted_schema=OFF, busy timeout 5
 * s. read_only opens a reader connection. One process at a time has a file open for writing
 * (PATH.lock beside it); its own connections and readers of any process are free. ERR_STORAGE when
 * it cannot be reached, ERR_INVALID when the address makes no sense, with a text that says what to
 * do. The password of a URL never appears in a message.
 */
bool db_open(str url, bool read_only, struct db **out, struct err *e) MUST_CHECK;
/* NULL is fine; an open transaction is rolled back */
void db_close(struct db *db);
enum db_kind db_kind(const struct db *db);
bool db_alive(struct db *db);                       /* a cheap round trip */

struct arg {
    enum { ARG_NULL, ARG_I64, ARG_STR, ARG_BLOB } kind;
    int64_t i;
    str     s;
};
static inline struct arg arg_i64(int64_t v) { return (struct arg){ .kind = ARG_I64, .i = v }; }
static inline struct arg arg_bool(bool v)   { return (struct arg){ .kind = ARG_I64, .i = v }; }
/* A str with a NULL pointer is SQL null; an empty one with a pointer is ''. */
static inline struct arg arg_str(str v)
{
    return (struct arg){.kind = v.ptr ? ARG_STR : ARG_NULL, .s = v};
}
static inline struct arg arg_blob(str v)
{
    return (struct arg){.kind = v.ptr ? ARG_BLOB : ARG_NULL, .s = v};
}

#define A(v)                                                                                       \
    _Generic((v), str: arg_str, bool: arg_bool, int: arg_i64, unsigned: arg_i64, int64_t: arg_i64, \
             struct arg: arg_same)(v)
static inline struct arg arg_same(struct arg a) { return a; }
#define NO_ARGS (const struct arg *)0, (size_t)0
#define ARGS(...) \
    (const struct arg[]){ __VA_ARGS__ }, \
        sizeof((const struct arg[]){ __VA_ARGS__ }) / sizeof(struct arg)

/*
 * i: integers (and texts that are integers); s: text or bytes (of integers: STR_NONE). Comparisons
 * give 0 or 1 on both sides.
 */
struct db_value { bool null; int64_t i; str s; };
struct db_rows { size_t count, columns; const struct db_value *values; };
static inline const struct db_value *db_at(const struct db_rows *r, size_t row, size_t column)
{
    return &r->values[row * r->columns + column];
}

/* db_exec(db, e, &changed or NULL, "update … where id = $1", ARGS(A(id))) */
#define db_exec(db, e, changed, sql, ...) db_exec_((db), (e), (changed), "" sql, __VA_ARGS__)
/*
 * db_query(db, mem, e, &rows, "select …", ARGS(…) or NO_ARGS): every row, copied into mem; also for
 * … returning.
 */
#define db_query(db, mem, e, rows, sql, ...) \
    db_query_((db), (mem), (e), (rows), "" sql, __VA_ARGS__)
/*
 * db_insert(db, mem, e, &id, "insert into … values (…)", args): one row into a table with a column
 * `id`, and its id; 0 when a conflict left it out. On SQLite a third of what `returning` costs.
 */
#define db_insert(db, mem, e, id, sql, ...) \
    db_insert_((db), (mem), (e), (id), "" sql, "" sql " returning id", __VA_ARGS__)
/*
 * One statement for many argument rows, in order (PostgreSQL: one pipeline): args holds rows *
 * per_row values.
 */
#define db_exec_many(db, e, sql, args, per_row, rows) \
    db_exec_many_((db), (e), "" sql, (args), (per_row), (rows))

/*
 * Errors: ERR_CONFLICT unique or foreign key violation; ERR_BUSY lock, deadlock, serialization
 * (retry the transaction); ERR_STORAGE disk full, read-only, connection lost; ERR_INTERNAL anything
 * else (our SQL is wrong). After ERR_STORAGE on PostgreSQL the connection reconnects by itself at
 * the next db_begin or statement outside a transaction. Integers arrive as 64 bits: PostgreSQL's
 * functions that want 32 say cast($1 as int), e.g. substr. Conditions are comparisons, not bare
 * integers (where flag = 1). Text must be UTF-8 without NUL bytes: anything else is ERR_INVALID on
 * both sides before it reaches the database. Inside a transaction a failed statement spoils it, on
 * both sides: everything after it fails with the same code until db_rollback_to a savepoint or
 * db_rollback. db_exec_many is all or nothing, also outside a transaction.
 */
bool db_exec_(struct db *, struct err *, int64_t *changed, const char *sql, const struct arg *,
              size_t) MUST_CHECK;
bool db_query_(struct db *, struct arena *, struct err *, struct db_rows *, const char *sql,
               const struct arg *, size_t) MUST_CHECK;
bool db_insert_(struct db *, struct arena *, struct err *, int64_t *id, const char *sql,
                const char *returning, const struct arg *, size_t) MUST_CHECK;
bool db_exec_many_(struct db *, struct err *, const char *sql, const struct arg *, size_t per_row,
                   size_t rows) MUST_CHECK;

/*
 * Write transactions are `begin immediate` on SQLite, read committed on PostgreSQL. They do not
 * nest; savepoints do. On a read_only connection a transaction is one unmoving picture of the data.
 * After db_commit the transaction is over, also when it failed; ERR_STORAGE then means that nothing
 * was stored, or (connection lost in that moment, PostgreSQL only) that it is unknown.
 */
bool db_begin(struct db *db, struct err *e) MUST_CHECK;
bool db_commit(struct db *db, struct err *e) MUST_CHECK;
/*
 * A commit in two steps, so that the next transaction need not wait for the disk: db_commit_soon, as
 * db_commit; nobody may be told about it before a db_flush that began afterwards (any thread, while
 * the connection may be at work on another's). When that fails nobody knows what is on disk:
 * db_copy_back makes all of it durable, before it nothing else counts as stored. Where a commit
 * cannot be parted it is one, and the flush does nothing.
 */
bool db_commit_soon(struct db *db, struct err *e) MUST_CHECK;
bool db_flush(struct db *db, struct err *e) MUST_CHECK;
bool db_copy_back(struct db *db, struct err *e) MUST_CHECK;
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);
/* SQLite: how long a statement waits for a lock of another program; -1: the usual 5 s. */
void db_patience(struct db *db, int64_t lock_ms);
/*
 * Between transactions, when nobody waits for an answer: SQLite copies a log that has become long
 * back into the database, which takes a while. Who never calls it has it done by a commit, later.
 */
void db_tidy(struct db *db);
/*
 * The same, but most of it is done by a thread that begins with the first long log and ends with the
 * connection, while the next transactions run.
 */
void db_tidy_apart(struct db *db);
bool db_untidy(struct db *db);                      /* whether db_tidy_apart has something to do */
bool db_savepoint(struct db *db, struct err *e) MUST_CHECK;           /* nests by depth */
bool db_release(struct db *db, struct err *e) MUST_CHECK;
/* undoes and closes the innermost savepoint */
bool db_rollback_to(struct db *db, struct err *e) MUST_CHECK;

/*
 * A mark costs nothing where a savepoint keeps a copy of every page: it is gone back to for free
 * while nothing was written since. db_mark false: this side has none (PostgreSQL: any failure needs
 * a savepoint). db_back_to false: something was written, the whole transaction must be rolled back.
 */
bool db_mark(const struct db *db, int64_t *mark) MUST_CHECK;
bool db_back_to(struct db *db, int64_t mark) MUST_CHECK;

/*
 * PostgreSQL: LISTEN/NOTIFY between processes; on SQLite both do nothing (one process owns the
 * file).
 */
bool db_notify(struct db *db, str channel, str payload, struct err *e) MUST_CHECK;
bool db_notify_many(struct db *db, struct arena *mem, str channel, const str *payload, size_t count,
                    struct err *e) MUST_CHECK;      /* together, as db_exec_many */
bool db_listen(struct db *db, str channel, struct err *e) MUST_CHECK;
/*
 * Waits until a notification arrives, `wake_fd` becomes readable (-1: none), or the time is over.
 * True: a notification (payload in mem). An empty payload means that the connection was lost and is
 * back: some may have been missed, so look at everything.
 */
bool db_wait_notify(struct db *db, struct arena *mem, int wake_fd, int64_t timeout_ms,
                    str *payload);

/*
 * What a connection has written since it was last asked, for those who listen (engine/news.c): bit i
 * is the table with the name tables[i], which lives as long as the connection. Notes say of what:
 * they are hints, and more of them than DB_NOTES_MAX are `more`. What was rolled back may be told,
 * too; what was committed is never left out once it is wanted. While it is not, this costs a test.
 */
enum { DB_NOTES_MAX = 64 };
enum db_note_of { DB_NOTE_WORKSPACE /* str_hash of its id */, DB_NOTE_REPOSITORY, DB_NOTE_BATCH };
struct db_note { enum db_note_of of; int64_t id; };
struct db_news {
    uint64_t       tables;
    bool           more;
    size_t         count;
    struct db_note note[DB_NOTES_MAX];
};
void db_news_watch(struct db *db, const char *const *tables, size_t count);     /* once */
void db_news_want(struct db *db, bool wanted);                                  /* any thread */
bool db_news_peek(const struct db *db, struct db_news *out);    /* false: nothing was written */
bool db_news_take(struct db *db, struct db_news *out);          /* and forgotten */
void db_note(struct db *db, enum db_note_of of, int64_t id);
static inline void db_note_workspace(struct db *db, str id)
{
    db_note(db, DB_NOTE_WORKSPACE, (int64_t)str_hash(id));
}

/*
 * Migrations: numbered .sql files built into the program, one transaction each, under a lock. A
 * database that is newer than the program is refused (ERR_STORAGE, with both numbers and what to
 * do). The files say the sides' words in braces:
 *     {id}      an automatic 64-bit key, never given twice     integer primary key autoincrement |
 *     bigint … identity primary key
 *     {seq}     the same, but the last row's may come again     integer primary key | bigint …
 *     identity primary key
 *     {int}     a 64-bit integer                               integer | bigint  (STRICT knows no
 *     bigint, PG's integer has 32 bits)
 *     {text}    text that sorts by bytes                       text | text collate "C"
 *     {blob}    bytes                                          blob | bytea
 *     {strict}  after the closing parenthesis of a table       strict | nothing
 *     {lean}    the same, its rows in the primary key's tree   strict, without rowid | nothing
 *     {embedded} before a statement in one line                nothing | leaves the line out
 * Files are named 0001_words.sql.
 */
bool db_migrate(struct db *db, int64_t now_ms, struct err *e) MUST_CHECK;
int  db_schema_version(void);                       /* the newest migration built in */

/*
 * Tests, process-wide: one statement or commit fails with ERR_STORAGE, the nth from now on (0: none),
 * or the next with these words (a literal), whatever else happens meanwhile. Armed: it is yet to come.
 */
void db_fault_after(int64_t nth);
void db_fault_at(const char *words);
bool db_fault_armed(void);
/* From now on every db_flush and db_copy_back fails, or none. */
void db_fault_flush(bool fails);

static inline void scope_db(struct db **db) { db_close(*db); }

#endif
