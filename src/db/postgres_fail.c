/*
 * PostgreSQL's failures, in our words.
 */
#include "db/postgres.h"

#include <stdlib.h>

void pg_one_line(char *out, size_t cap, const char *text)
{
    size_t n = 0;

    for (; text && *text && n + 1 < cap; text++)
        if (*text != '\n' && *text != '\t')
            out[n++] = *text;
        else if (text[1] && n && out[n - 1] != ' ')
            out[n++] = ' ';
    out[n] = '\0';
}

bool pg_fail_lost(struct pg *p, struct err *e)
{
    char what[256];

    p->lost = true;
    pg_one_line(what, sizeof(what), p->conn ? PQerrorMessage(p->conn) : "");
    return fail(e, ERR_STORAGE,
                "the connection to the database was lost (%s), nothing was stored: see that "
                "PostgreSQL runs; it is opened again by itself",
                what);
}

static bool in_class(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

static enum err_code code_of(const char *state)
{
    static const struct { const char *class; enum err_code code;
    } table[] = {
        { "23505", ERR_CONFLICT }, { "23503", ERR_CONFLICT }, { "40001", ERR_BUSY },
        { "40P01", ERR_BUSY },                            /* serialization, deadlock */
        { "55P03", ERR_BUSY },     { "57014", ERR_BUSY }, /* lock_timeout, statement_timeout */
        { "26000", ERR_BUSY },     { "0A000", ERR_BUSY }, /* a prepared statement was overtaken by a
                                                             migration: forgotten below */
        { "57P", ERR_STORAGE },    { "08", ERR_STORAGE }, /* shutting down, connection */
        { "53", ERR_STORAGE },     { "58", ERR_STORAGE }, /* disk full, out of memory, too many
                                                             connections; system */
        { "25006", ERR_STORAGE },  { "25P03", ERR_STORAGE }, /* read-only; idle in a transaction for
                                                                too long */
        { "XX001", ERR_STORAGE },  { "XX002", ERR_STORAGE }, /* damaged data */
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (in_class(state, table[i].class))
            return table[i].code;
    return ERR_INTERNAL;
}

bool pg_fail_result(struct pg *p, const PGresult *r, const char *sql, struct err *e)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL, *constraint;
    char what[256];

    if (!state || PQstatus(p->conn) == CONNECTION_BAD)
        return pg_fail_lost(p, e);
    pg_one_line(what, sizeof(what), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    switch ((int)code_of(state)) {
    case ERR_CONFLICT:
        return fail(e, ERR_CONFLICT,
                    "this conflicts with what is stored already (%s): read it again",
                    constraint ? constraint : what);
    case ERR_BUSY:
        return fail(e, ERR_BUSY,
                    "the database is busy with another writer (%s), nothing was stored: try again",
                    what);
    case ERR_STORAGE:
        p->lost =
            p->lost || in_class(state, "57P") || in_class(state, "08") || in_class(state, "25P03");
        return fail(e, ERR_STORAGE,
                    "the database cannot be used (%s; SQLSTATE %s), nothing was stored: see that "
                    "PostgreSQL runs, may be written to and has space",
                    what, state);
    default:
        return fail(e, ERR_INTERNAL, "the database refused a statement (%s; SQLSTATE %s): %.200s",
                    what, state, sql);
    }
}

static void pg_drop_statement(struct pg *p, const char *sql)
{
    free(statements_take(&p->statements, sql));
}

bool pg_succeeded(struct pg *p, const PGresult *r, const char *sql, struct err *e)
{
    ExecStatusType status = PQresultStatus(r);      /* NULL is a fatal error */
    const char *state;

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    if (state && (in_class(state, "26000") || in_class(state, "0A000")))
        pg_drop_statement(p, sql);
    return pg_fail_result(p, r, sql, e);
}

bool pg_simple(struct pg *p, const char *sql, struct err *e)
{
    RESULT r = PQexec(p->conn, sql);

    return pg_succeeded(p, r, sql, e);
}
