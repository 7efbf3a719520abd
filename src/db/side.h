/*
 * side: what db.c, the two sides and the migrations share. Nobody outside src/db and its tests
 * includes this.
 */
#ifndef SIGNALBOX_DB_SIDE_H
#define SIGNALBOX_DB_SIDE_H
#include "base/embedded.h"
#include "db/db.h"

enum { DB_ARGS_MAX = 64, DB_STATEMENTS_MAX = 512 };

struct side {
    const char *begin, *begin_read;
    /* Outside a transaction: makes sure of a connection, opens it again if it was lost. */
    bool (*ready)(struct db *db, struct err *e);
    /* rows NULL: the caller wants no rows. changed may be NULL. */
    bool (*run)(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed,
                const char *sql, const struct arg *args, size_t count, struct err *e);
    bool (*run_many)(struct db *db, const char *sql, const struct arg *args, size_t per_row,
                     size_t rows, struct err *e);
    /* Transaction control; the text is a literal. A commit that did not is a failure. */
    bool (*control)(struct db *db, const char *sql, struct err *e);
    /* How many rows this connection has written so far; NULL: no marks. */
    int64_t (*written)(const struct db *db);
    /* The id of the row that was inserted last; NULL: only the statement itself can tell. */
    int64_t (*last_id)(const struct db *db);
    /* The pair of db_commit_soon and db_flush; NULL: a commit is always on disk. */
    bool (*commit_soon)(struct db *db, struct err *e);
    bool (*flush)(struct db *db, struct err *e);
    bool (*copy_back)(struct db *db, struct err *e);
    /* What can wait until the answers have left; NULL: nothing. */
    void (*tidy)(struct db *db);
    void (*tidy_apart)(struct db *db);
    bool (*untidy)(struct db *db);
    /* Several statements, for migrations. */
    bool (*script)(struct db *db, const char *sql, struct err *e);
    bool (*alive)(struct db *db);
    /* How long to wait for locks from now on. */
    bool (*patience)(struct db *db, int64_t lock_ms, struct err *e);
    bool (*notify)(struct db *db, str channel, str payload, struct err *e);
    bool (*listen)(struct db *db, str channel, struct err *e);
    bool (*wait)(struct db *db, struct arena *mem, int wake_fd, int64_t timeout_ms, str *payload);
    void (*close)(struct db *db);
};

/* The first member of both sides' own structs. */
struct db {
    const struct side *side;
    enum db_kind       kind;
    bool               read_only, in_transaction;
    unsigned           depth;       /* open savepoints */
    enum err_code      spoiled;     /* the first failure inside the open transaction */
    struct news       *news;        /* NULL: nobody wants to know what is written */
};

/* news.c */
bool news_wanted(const struct db *db);
void news_saw(struct db *db, const char *sql);
void news_free(struct db *db);

bool sqlite_open(str path, bool read_only, struct db **out, struct err *e) MUST_CHECK;
bool postgres_open(str url, bool read_only, struct db **out, struct err *e) MUST_CHECK;

enum { DB_LOCK_MS = 5000, DB_MIGRATE_LOCK_MS = 120000 };

/* db_migrate with a list of one's own. */
bool migrate_with(struct db *db, const struct embedded *files, size_t count, int64_t now_ms,
                  struct err *e) MUST_CHECK;

/* The text of a value that is a decimal integer, read the same way on both sides; 0 otherwise. */
int64_t value_i64(str text);

/* What the sides share of db_wait_notify: true when the connection's fd (-1: none) is readable;
 * *woken: wake_fd is. */
bool wait_fds(int fd, int wake_fd, int64_t timeout_ms, bool *woken);

#endif
