/*
 * both: one test, two databases. BOTH(f) lists f once for each side; it gets a struct both with an
 * open, empty database.
 */
#ifndef SIGNALBOX_TEST_BOTH_H
#define SIGNALBOX_TEST_BOTH_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#undef fail                 /* cmocka's; err.h has its own */

#include "base/arena.h"
#include "db/side.h"

struct both {
    struct arena *mem;
    str           url;
    char          dir[40];          /* SQLite only */
    struct db    *db;               /* a connection to it */
    struct err    e;
};

int both_sqlite(void **state);
int both_postgres(void **state);
int both_end(void **state);

/* Another connection to the same database; the test closes it. */
struct db *both_open(struct both *b, bool read_only);

#define BOTH(f)                                                         \
    { "sqlite:   " #f, f, both_sqlite, both_end, NULL },                \
    { "postgres: " #f, f, both_postgres, both_end, NULL }

/* The statement works, or the test stops with its text. */
#define good(b, call) good_((b), (call), #call, __FILE__, __LINE__)
void good_(struct both *b, bool ok, const char *what, const char *file, int line);
/* It fails with this code; the error is cleared for what comes next. */
#define bad(b, want, call) bad_((b), (want), (call), #call, __FILE__, __LINE__)
void bad_(struct both *b, enum err_code want, bool ok, const char *what, const char *file,
          int line);

#define run(b, sql, ...) good((b), db_exec((b)->db, &(b)->e, NULL, sql, __VA_ARGS__))
/* The one integer a query gives. */
#define number(b, sql, ...) number_((b), (b)->db, "" sql, __VA_ARGS__)
int64_t number_(struct both *b, struct db *db, const char *sql, const struct arg *args,
                size_t count);

#define assert_text(s, want) assert_text_((s), (want), __FILE__, __LINE__)
#define stop_test(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))
void assert_text_(str s, const char *want, const char *file, int line);

#endif
