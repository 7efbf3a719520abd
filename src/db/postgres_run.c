/*
 * Statements on PostgreSQL: prepared on the server once per connection, with the types of our
 * arguments declared, so that $1 - 1000 is 64-bit arithmetic whatever it is compared with.
 * Arguments travel in binary, results as text.
 */
#include "db/postgres.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26
};
enum { PIPELINE_ROWS = 256 };

struct pg_stmt {
    char   name[24];
    size_t args;
    Oid    type[DB_ARGS_MAX];           /* 0: only seen as null so far */
};

static Oid type_of(const struct arg *a)
{
    switch (a->kind) {
    case ARG_NULL: return 0;
    case ARG_I64:  return OID_INT8;
    case ARG_STR:  return OID_TEXT;
    case ARG_BLOB: return OID_BYTEA;
    }
    assert(false);                      /* a kind of argument that does not exist */
    return 0;
}

static bool fits(const struct pg_stmt *s, const struct arg *args)
{
    for (size_t i = 0; i < s->args; i++)
        if (args[i].kind != ARG_NULL && s->type[i] != type_of(&args[i]))
            return false;
    return true;
}

static bool deallocate(struct pg *p, struct pg_stmt *s, struct err *e)
{
    char sql[64];

    if (!s)
        return true;
    (void)!snprintf(sql, sizeof(sql), "deallocate %s", s->name);
    free(s);
    return pg_simple(p, sql, e);
}

/* The server does not mind arguments that the statement never mentions; SQLite does, and it is
 * always a slip. */
static size_t args_of(const char *sql)
{
    size_t most = 0;
    bool quoted = false;

    for (; *sql; sql++) {
        size_t n = 0;

        if (*sql == '\'')
            quoted = !quoted;
        if (*sql != '$' || quoted)
            continue;
        while (sql[1] >= '0' && sql[1] <= '9' && n <= DB_ARGS_MAX)
            n = n * 10 + (size_t)(*++sql - '0');
        most = n > most ? n : most;
    }
    return most;
}

/* A null tells nothing about its type, so a statement first seen with one is prepared anew when a
 * value comes. */
static struct pg_stmt *prepare(struct pg *p, const char *sql, const struct arg *args, size_t count,
                               struct err *e)
{
    struct pg_stmt *old = statements_find(&p->statements, sql), *s;

    if (old && old->args == count && fits(old, args))
        return old;
    if (args_of(sql) != count) {
        fail(e, ERR_INTERNAL, "a statement takes %zu arguments and got %zu: %.200s", args_of(sql),
             count, sql);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    assert(s);
    s->args = count;
    for (size_t i = 0; i < count; i++)
        s->type[i] =
            args[i].kind == ARG_NULL && old && i < old->args ? old->type[i] : type_of(&args[i]);
    (void)!snprintf(s->name, sizeof(s->name), "s%llu", (unsigned long long)++p->serial);
    RESULT r = PQprepare(p->conn, s->name, sql, (int)count, s->type);
    if (!pg_succeeded(p, r, sql, e)) {
        free(s);
        return NULL;
    }
    if (!deallocate(p, statements_take(&p->statements, sql), e) ||
        !deallocate(p, statements_add(&p->statements, sql, s), e))
        return NULL;
    return s;
}

struct bound {
    const char *value[DB_ARGS_MAX];
    int         length[DB_ARGS_MAX], format[DB_ARGS_MAX];
    uint64_t    number[DB_ARGS_MAX];
};

static bool bind(struct bound *b, const struct arg *args, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct arg *a = &args[i];

        b->format[i] = 1;
        b->value[i] = NULL;
        b->length[i] = 0;
        if (a->kind == ARG_I64) {
            b->number[i] = htobe64((uint64_t)a->i);
            b->value[i] = (const char *)&b->number[i];
            b->length[i] = (int)sizeof(b->number[i]);
        } else if (a->kind != ARG_NULL) {
            if (a->s.len > INT32_MAX / 2)
                return fail(e, ERR_LIMIT, "a value is too big for the database");
            b->value[i] = a->s.ptr;
            b->length[i] = (int)a->s.len;
        }
    }
    return true;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static str read_bytes(struct arena *mem, const char *hex, size_t len)
{
    size_t n;
    char *bytes;

    assert(len >= 2 && hex[0] == '\\' && hex[1] == 'x');     /* bytea_output is ours */
    n = (len - 2) / 2;
    bytes = arena_make(mem, char, n + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(hex_digit(hex[2 + 2 * i]) << 4 | hex_digit(hex[3 + 2 * i]));
    return (str){ bytes, n };
}

static struct db_value read_value(struct arena *mem, const PGresult *r, int row, int column)
{
    str text = { PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column) };
    struct db_value v = { 0 };

    if (PQgetisnull(r, row, column))
        return (struct db_value){ .null = true };
    switch (PQftype(r, column)) {
    case OID_BOOL:
        v.i = text.ptr[0] == 't';
        break;
    case OID_INT2: case OID_INT4: case OID_INT8: case OID_OID:
        v.i = value_i64(text);
        break;
    case OID_BYTEA:
        v.s = read_bytes(mem, text.ptr, text.len);
        break;
    default:
        v.s = arena_copy(mem, text);
        v.i = value_i64(text);
    }
    return v;
}

static void read_rows(struct arena *mem, const PGresult *r, struct db_rows *rows)
{
    size_t count = (size_t)PQntuples(r), columns = (size_t)PQnfields(r);
    struct db_value *values = arena_make(mem, struct db_value, count * columns);

    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < columns; c++)
            values[i * columns + c] = read_value(mem, r, (int)i, (int)c);
    *rows = (struct db_rows){ .count = count, .columns = columns, .values = values };
}

bool pg_run(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed,
            const char *sql, const struct arg *args, size_t count, struct err *e)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s;
    struct bound b;

    if (p->lost)
        return pg_fail_lost(p, e);
    if (!bind(&b, args, count, e) || !(s = prepare(p, sql, args, count, e)))
        return false;
    RESULT r = PQexecPrepared(p->conn, s->name, (int)count, b.value, b.length, b.format, 0);
    if (!pg_succeeded(p, r, sql, e))
        return false;
    if (rows)
        read_rows(mem, r, rows);
    /* "SELECT 3" counts rows read, not rows changed. */
    if (changed && strncmp(PQcmdStatus(r), "SELECT", 6) != 0)
        *changed = value_i64(str_of(PQcmdTuples(r)));
    return true;
}

/* --- many rows: one pipeline --- */

/* The statement must know the types of all rows before the first is sent. */
static struct pg_stmt *prepare_many(struct pg *p, const char *sql, const struct arg *args,
                                    size_t per_row, size_t rows, struct err *e)
{
    struct arg sample[DB_ARGS_MAX] = { 0 };

    for (size_t i = 0; i < rows * per_row; i++) {
        struct arg *known = &sample[i % per_row];

        if (args[i].kind == ARG_NULL)
            continue;
        if (known->kind != ARG_NULL && known->kind != args[i].kind) {
            fail(e, ERR_INTERNAL, "argument %zu has different kinds in different rows: %.200s",
                 i % per_row + 1, sql);
            return NULL;
        }
        known->kind = args[i].kind;
    }
    return prepare(p, sql, sample, per_row, e);
}

static bool send_rows(struct pg *p, const struct pg_stmt *s, const struct arg *args, size_t per_row,
                      size_t rows, struct err *e)
{
    for (size_t i = 0; i < rows; i++) {
        struct bound b;

        if (!bind(&b, args + i * per_row, per_row, e))
            return false;
        if (!PQsendQueryPrepared(p->conn, s->name, (int)per_row, b.value, b.length, b.format, 0))
            return pg_fail_lost(p, e);
    }
    return true;
}

/* Reads every answer up to the sync, whatever they are, so that the connection is usable
 * afterwards. */
static bool read_answers(struct pg *p, const char *sql, struct err *e)
{
    bool ok = true, ended = false, pause = false;

    while (!ended) {
        RESULT r = PQgetResult(p->conn);
        ExecStatusType status = PQresultStatus(r);

        if (!r) {                       /* between the answers of two rows */
            if (pause || PQstatus(p->conn) != CONNECTION_OK)
                return pg_fail_lost(p, e);
            pause = true;
            continue;
        }
        pause = false;
        if (status == PGRES_PIPELINE_SYNC)
            ended = true;
        else if (status != PGRES_PIPELINE_ABORTED && !pg_succeeded(p, r, sql, e))
            ok = false;
        if (PQstatus(p->conn) != CONNECTION_OK)
            return pg_fail_lost(p, e);
    }
    return ok;
}

/* Answers are read after each few hundred rows: were both ends to write without reading, they would
 * wait for each other. */
bool pg_run_many(struct db *db, const char *sql, const struct arg *args, size_t per_row,
                 size_t rows, struct err *e)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s;
    bool ok = true;

    if (p->lost)
        return pg_fail_lost(p, e);
    s = prepare_many(p, sql, args, per_row, rows, e);
    if (!s)
        return false;
    if (!PQenterPipelineMode(p->conn))
        return pg_fail_lost(p, e);
    for (size_t at = 0; ok && at < rows; at += PIPELINE_ROWS) {
        size_t n = rows - at < PIPELINE_ROWS ? rows - at : PIPELINE_ROWS;

        ok = send_rows(p, s, args + at * per_row, per_row, n, e);
        if (p->lost)
            return false;
        if (!PQpipelineSync(p->conn))
            return pg_fail_lost(p, e);
        ok = read_answers(p, sql, e) && ok;
    }
    if (!p->lost && !PQexitPipelineMode(p->conn))
        return pg_fail_lost(p, e);
    return ok;
}
