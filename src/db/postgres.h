/*
 * The inside of the PostgreSQL side: postgres.c (connection, transactions, notifications),
 * postgres_run.c (statements), postgres_fail.c (errors).
 */
#ifndef SIGNALBOX_DB_POSTGRES_H
#define SIGNALBOX_DB_POSTGRES_H
#include <libpq-fe.h>

#include "db/side.h"
#include "db/statements.h"

enum { CHANNELS_MAX = 8, CHANNEL_BYTES = 63, PAYLOAD_BYTES = 7999 };

struct pg {
    struct db         db;
    char             *url;
    PGconn           *conn;
    bool              lost;             /* opened again at the next chance */
    uint64_t          serial;           /* names of prepared statements */
    struct statements statements;       /* of struct pg_stmt, each one malloc */
    unsigned          channels;
    char              channel[CHANNELS_MAX][CHANNEL_BYTES + 1];
};

struct pg *pg_of(struct db *db);

static inline void scope_pg_result(PGresult **r) { PQclear(*r); }
#define RESULT __attribute__((cleanup(scope_pg_result))) PGresult *

/* libpq ends its messages with a newline and may use several lines: one line for us. */
void pg_one_line(char *out, size_t cap, const char *text);
/* These fill in the error and return false; both notice that the connection is lost. */
bool pg_fail_lost(struct pg *p, struct err *e);
bool pg_fail_result(struct pg *p, const PGresult *r, const char *sql, struct err *e);
/* True for an answer that is a success; r may be NULL. */
bool pg_succeeded(struct pg *p, const PGresult *r, const char *sql, struct err *e) MUST_CHECK;
/* Sends text as it is. */
bool pg_simple(struct pg *p, const char *sql, struct err *e) MUST_CHECK;

bool pg_run(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed,
            const char *sql, const struct arg *args, size_t count, struct err *e) MUST_CHECK;
bool pg_run_many(struct db *db, const char *sql, const struct arg *args, size_t per_row,
                 size_t rows, struct err *e) MUST_CHECK;

#endif
