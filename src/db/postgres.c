/*
 * The PostgreSQL side. Statements are prepared on the server once per connection, with the types of our arguments declared, so that
 * $1 - 1000 is 64-bit arithmetic whatever it is compared with. Arguments travel in binary, results as text.
 */
#include <assert.h>
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/side.h"
#include "db/statements.h"

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25, OID_OID = 26 };
enum { CHANNELS_MAX = 8, CHANNEL_BYTES = 63, PAYLOAD_BYTES = 7999, PIPELINE_ROWS = 256 };

struct pg {
    struct db         db;
    char             *url;
    PGconn           *conn;
    bool              lost;
    uint64_t          serial;           /* names of prepared statements */
    struct statements statements;
    unsigned          channels;
    char              channel[CHANNELS_MAX][CHANNEL_BYTES + 1];
};

struct pg_stmt {
    char   name[24];
    size_t args;
    Oid    type[DB_ARGS_MAX];           /* 0: only seen as null so far */
};

static struct pg *pg_of(struct db *db)
{
    assert(db->kind == DB_POSTGRES);
    return (struct pg *)db;
}

/* --- errors --- */

/* libpq ends its messages with a newline and may use several lines: one line for us. */
static void one_line(char *out, size_t cap, const char *text)
{
    size_t n = 0;

    for (; text && *text && n + 1 < cap; text++)
        if (*text != '\n' && *text != '\t')
            out[n++] = *text;
        else if (text[1] && n && out[n - 1] != ' ')
            out[n++] = ' ';
    out[n] = '\0';
}

static bool fail_lost(struct pg *p, struct err *e)
{
    char what[256];

    p->lost = true;
    one_line(what, sizeof(what), p->conn ? PQerrorMessage(p->conn) : "");
    return fail(e, ERR_STORAGE, "the connection to the database was lost (%s), nothing was stored: see that PostgreSQL runs; "
                                "it is opened again by itself", what);
}

static bool in_class(const char *state, const char *class)
{
    return strncmp(state, class, strlen(class)) == 0;
}

static enum err_code code_of(const char *state)
{
    static const struct { const char *class; enum err_code code; } table[] = {
        { "23505", ERR_CONFLICT }, { "23503", ERR_CONFLICT },
        { "40001", ERR_BUSY },     { "40P01", ERR_BUSY },       /* serialization, deadlock */
        { "55P03", ERR_BUSY },     { "57014", ERR_BUSY },       /* lock_timeout, statement_timeout */
        { "26000", ERR_BUSY },     { "0A000", ERR_BUSY },       /* a prepared statement was overtaken by a migration: forgotten below */
        { "57P", ERR_STORAGE },    { "08", ERR_STORAGE },       /* shutting down, connection */
        { "53", ERR_STORAGE },     { "58", ERR_STORAGE },       /* disk full, out of memory, too many connections; system */
        { "25006", ERR_STORAGE },  { "25P03", ERR_STORAGE },    /* read-only; idle in a transaction for too long */
        { "XX001", ERR_STORAGE },  { "XX002", ERR_STORAGE },    /* damaged data */
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (in_class(state, table[i].class))
            return table[i].code;
    return ERR_INTERNAL;
}

static bool fail_result(struct pg *p, const PGresult *r, const char *sql, struct err *e)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL, *constraint;
    char what[256];

    if (!state || PQstatus(p->conn) == CONNECTION_BAD)
        return fail_lost(p, e);
    one_line(what, sizeof(what), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    switch ((int)code_of(state)) {
    case ERR_CONFLICT:
        return fail(e, ERR_CONFLICT, "this conflicts with what is stored already (%s): read it again", constraint ? constraint : what);
    case ERR_BUSY:
        return fail(e, ERR_BUSY, "the database is busy with another writer (%s), nothing was stored: try again", what);
    case ERR_STORAGE:
        p->lost = p->lost || in_class(state, "57P") || in_class(state, "08") || in_class(state, "25P03");
        return fail(e, ERR_STORAGE, "the database cannot be used (%s; SQLSTATE %s), nothing was stored: see that PostgreSQL runs, may be "
                                    "written to and has space", what, state);
    default:
        return fail(e, ERR_INTERNAL, "the database refused a statement (%s; SQLSTATE %s): %.200s", what, state, sql);
    }
}

static void scope_result(PGresult **r)
{
    PQclear(*r);
}
#define RESULT __attribute__((cleanup(scope_result))) PGresult *

static void drop_statement(struct pg *p, const char *sql)
{
    free(statements_take(&p->statements, sql));
}

static bool succeeded(struct pg *p, const PGresult *r, const char *sql, struct err *e)
{
    ExecStatusType status = PQresultStatus(r);      /* NULL is a fatal error */
    const char *state;

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    if (state && (in_class(state, "26000") || in_class(state, "0A000")))
        drop_statement(p, sql);
    return fail_result(p, r, sql, e);
}

static bool simple(struct pg *p, const char *sql, struct err *e)
{
    RESULT r = PQexec(p->conn, sql);

    return succeeded(p, r, sql, e);
}

/* --- the connection --- */

/* A server that ends an idle connection says so first and hangs up a moment later: the word is enough. */
static void notice(void *arg, const PGresult *r)
{
    struct pg *p = arg;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    char line[512];

    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        p->lost = true;
    one_line(line, sizeof(line), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    log_warn("the database says", LZ("severity", severity), LZ("notice", line));
}

static void forget_connection(struct pg *p)
{
    for (void *s; (s = statements_take(&p->statements, NULL)) != NULL;)
        free(s);
    PQfinish(p->conn);
    p->conn = NULL;
    p->lost = true;
}

/* The password never appears in a message, wherever libpq quotes it. */
static void hide(char *text, const char *secret)
{
    size_t n = secret ? strlen(secret) : 0;

    for (char *at = text; n && (at = strstr(at, secret)) != NULL; at += n)
        memset(at, '*', n);
}

static bool fail_connect(struct pg *p, struct err *e)
{
    char what[320];

    if (!p->conn)
        return fail(e, ERR_STORAGE, "the database cannot be reached: out of memory");
    one_line(what, sizeof(what), PQerrorMessage(p->conn));
    hide(what, PQpass(p->conn));
    return fail(e, ERR_STORAGE, "the database cannot be reached (%s): see that PostgreSQL runs and that address, user, password and "
                                "database name are right", what);
}

static bool listen_sql(struct pg *p, const char *channel, struct err *e)
{
    char sql[2 * CHANNEL_BYTES + 32];
    char *quoted = PQescapeIdentifier(p->conn, channel, strlen(channel));

    if (!quoted)
        return fail_lost(p, e);
    (void)!snprintf(sql, sizeof(sql), "listen %s", quoted);
    PQfreemem(quoted);
    return simple(p, sql, e);
}

static bool set_up(struct pg *p, struct err *e)
{
    /* A lock or a statement that takes longer than this is stuck; a transaction that idles holds up everybody else. */
    static const char common[] =
        "set client_min_messages = warning; set statement_timeout = '30s'; set lock_timeout = '5s';"
        "set idle_in_transaction_session_timeout = '60s'; set bytea_output = hex; set standard_conforming_strings = on;"
        "set default_transaction_isolation = 'read committed'";

    PQsetNoticeReceiver(p->conn, notice, p);
    if (!simple(p, common, e) || (p->db.read_only && !simple(p, "set default_transaction_read_only = on", e)))
        return false;
    for (unsigned i = 0; i < p->channels; i++)
        if (!listen_sql(p, p->channel[i], e))
            return false;
    return true;
}

static bool connect_now(struct pg *p, struct err *e)
{
    /* What stands before dbname may be overridden by the URL. Dead machines are noticed within half a minute. */
    static const char *const names[] = { "connect_timeout", "fallback_application_name", "keepalives_idle", "keepalives_interval",
                                         "keepalives_count", "tcp_user_timeout", "dbname", "client_encoding", NULL };
    const char *const values[] = { "5", "signalbox", "10", "5", "3", "20000", p->url, "UTF8", NULL };

    forget_connection(p);
    p->conn = PQconnectdbParams(names, values, 1);
    if (PQstatus(p->conn) != CONNECTION_OK)
        return fail_connect(p, e);
    p->lost = false;
    if (PQserverVersion(p->conn) < 130000)
        return fail(e, ERR_STORAGE, "this PostgreSQL is too old (%d): version 13 or newer is needed", PQserverVersion(p->conn) / 10000);
    return set_up(p, e);
}

/* Did the server hang up while the connection lay idle? Reads what has arrived, without waiting. */
static bool hung_up(struct pg *p)
{
    for (int i = 0; i < 8; i++) {
        struct pollfd fd = { .fd = PQsocket(p->conn), .events = POLLIN };

        if (poll(&fd, 1, 0) <= 0)
            return false;
        if (!PQconsumeInput(p->conn) || PQisBusy(p->conn) || PQstatus(p->conn) != CONNECTION_OK || p->lost)
            return true;
    }
    return false;
}

static bool pg_ready(struct db *db, struct err *e)
{
    struct pg *p = pg_of(db);

    if (!p->lost && p->conn && PQstatus(p->conn) == CONNECTION_OK && !hung_up(p))
        return true;
    if (!connect_now(p, e)) {
        p->lost = true;
        return false;
    }
    return true;
}

/* --- statements --- */

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
    return simple(p, sql, e);
}

/* The server does not mind arguments that the statement never mentions; SQLite does, and it is always a slip. */
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

/* A null tells nothing about its type, so a statement first seen with one is prepared anew when a value comes. */
static struct pg_stmt *prepare(struct pg *p, const char *sql, const struct arg *args, size_t count, struct err *e)
{
    struct pg_stmt *old = statements_find(&p->statements, sql), *s;

    if (old && old->args == count && fits(old, args))
        return old;
    if (args_of(sql) != count) {
        fail(e, ERR_INTERNAL, "a statement takes %zu arguments and got %zu: %.200s", args_of(sql), count, sql);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    assert(s);
    s->args = count;
    for (size_t i = 0; i < count; i++)
        s->type[i] = args[i].kind == ARG_NULL && old && i < old->args ? old->type[i] : type_of(&args[i]);
    (void)!snprintf(s->name, sizeof(s->name), "s%llu", (unsigned long long)++p->serial);
    RESULT r = PQprepare(p->conn, s->name, sql, (int)count, s->type);
    if (!succeeded(p, r, sql, e)) {
        free(s);
        return NULL;
    }
    if (!deallocate(p, statements_take(&p->statements, sql), e) || !deallocate(p, statements_add(&p->statements, sql, s), e))
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

static bool pg_run(struct db *db, struct arena *mem, struct db_rows *rows, int64_t *changed, const char *sql, const struct arg *args,
                   size_t count, struct err *e)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s;
    struct bound b;

    if (p->lost)
        return fail_lost(p, e);
    if (!bind(&b, args, count, e) || !(s = prepare(p, sql, args, count, e)))
        return false;
    RESULT r = PQexecPrepared(p->conn, s->name, (int)count, b.value, b.length, b.format, 0);
    if (!succeeded(p, r, sql, e))
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
static struct pg_stmt *prepare_many(struct pg *p, const char *sql, const struct arg *args, size_t per_row, size_t rows, struct err *e)
{
    struct arg sample[DB_ARGS_MAX] = { 0 };

    for (size_t i = 0; i < rows * per_row; i++) {
        struct arg *known = &sample[i % per_row];

        if (args[i].kind == ARG_NULL)
            continue;
        if (known->kind != ARG_NULL && known->kind != args[i].kind) {
            fail(e, ERR_INTERNAL, "argument %zu has different kinds in different rows: %.200s", i % per_row + 1, sql);
            return NULL;
        }
        known->kind = args[i].kind;
    }
    return prepare(p, sql, sample, per_row, e);
}

static bool send_rows(struct pg *p, const struct pg_stmt *s, const struct arg *args, size_t per_row, size_t rows, struct err *e)
{
    for (size_t i = 0; i < rows; i++) {
        struct bound b;

        if (!bind(&b, args + i * per_row, per_row, e))
            return false;
        if (!PQsendQueryPrepared(p->conn, s->name, (int)per_row, b.value, b.length, b.format, 0))
            return fail_lost(p, e);
    }
    return true;
}

/* Reads every answer up to the sync, whatever they are, so that the connection is usable afterwards. */
static bool read_answers(struct pg *p, const char *sql, struct err *e)
{
    bool ok = true, ended = false, pause = false;

    while (!ended) {
        RESULT r = PQgetResult(p->conn);
        ExecStatusType status = PQresultStatus(r);

        if (!r) {                       /* between the answers of two rows */
            if (pause || PQstatus(p->conn) != CONNECTION_OK)
                return fail_lost(p, e);
            pause = true;
            continue;
        }
        pause = false;
        if (status == PGRES_PIPELINE_SYNC)
            ended = true;
        else if (status != PGRES_PIPELINE_ABORTED && !succeeded(p, r, sql, e))
            ok = false;
        if (PQstatus(p->conn) != CONNECTION_OK)
            return fail_lost(p, e);
    }
    return ok;
}

/* Answers are read after each few hundred rows: were both ends to write without reading, they would wait for each other. */
static bool pg_run_many(struct db *db, const char *sql, const struct arg *args, size_t per_row, size_t rows, struct err *e)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s;
    bool ok = true;

    if (p->lost)
        return fail_lost(p, e);
    s = prepare_many(p, sql, args, per_row, rows, e);
    if (!s)
        return false;
    if (!PQenterPipelineMode(p->conn))
        return fail_lost(p, e);
    for (size_t at = 0; ok && at < rows; at += PIPELINE_ROWS) {
        size_t n = rows - at < PIPELINE_ROWS ? rows - at : PIPELINE_ROWS;

        ok = send_rows(p, s, args + at * per_row, per_row, n, e);
        if (p->lost)
            return false;
        if (!PQpipelineSync(p->conn))
            return fail_lost(p, e);
        ok = read_answers(p, sql, e) && ok;
    }
    if (!p->lost && !PQexitPipelineMode(p->conn))
        return fail_lost(p, e);
    return ok;
}

/* --- transactions --- */

static bool pg_control(struct db *db, const char *sql, struct err *e)
{
    struct pg *p = pg_of(db);
    bool commit = strcmp(sql, "commit") == 0;

    if (p->lost)
        return fail_lost(p, e);
    RESULT r = PQexec(p->conn, sql);
    if (commit && PQstatus(p->conn) == CONNECTION_BAD) {
        p->lost = true;
        return fail(e, ERR_STORAGE, "the connection to the database was lost while it committed: look whether it was stored, "
                                    "then try again");
    }
    if (!succeeded(p, r, sql, e))
        return false;
    /* The server answers "ROLLBACK" to the commit of a failed transaction, and calls that a success. */
    if (commit && strcmp(PQcmdStatus(r), "COMMIT") != 0)
        return fail(e, ERR_INTERNAL, "a transaction was committed in which a statement had failed: nothing was stored");
    return true;
}

static bool pg_script(struct db *db, const char *sql, struct err *e)
{
    struct pg *p = pg_of(db);

    return p->lost ? fail_lost(p, e) : simple(p, sql, e);
}

static bool pg_alive(struct db *db)
{
    struct pg *p = pg_of(db);

    if (p->lost)
        return false;
    RESULT r = PQexec(p->conn, "");     /* answered even inside a failed transaction */
    return PQresultStatus(r) == PGRES_EMPTY_QUERY;
}

static bool pg_patience(struct db *db, int64_t lock_ms, struct err *e)
{
    char sql[128];

    (void)!snprintf(sql, sizeof(sql), "set lock_timeout = %lld; set statement_timeout = %lld", (long long)lock_ms,
                    (long long)(lock_ms >= DB_MIGRATE_LOCK_MS ? 0 : 30000));
    return pg_script(db, sql, e);
}

/* --- notifications --- */

static bool pg_notify(struct db *db, str channel, str payload, struct err *e)
{
    if (channel.len == 0 || channel.len > CHANNEL_BYTES || payload.len > PAYLOAD_BYTES)
        return fail(e, ERR_LIMIT, "a notification has at most %d bytes on a channel of at most %d", PAYLOAD_BYTES, CHANNEL_BYTES);
    return pg_run(db, NULL, NULL, NULL, "select pg_notify($1, $2)",
                  ARGS(arg_str(channel), arg_str(payload.ptr ? payload : STR(""))), e);
}

static bool pg_listen(struct db *db, str channel, struct err *e)
{
    struct pg *p = pg_of(db);
    char *name = p->channel[p->channels];

    assert(p->channels < CHANNELS_MAX && channel.len > 0 && channel.len <= CHANNEL_BYTES);
    memcpy(name, channel.ptr, channel.len);
    name[channel.len] = '\0';
    for (unsigned i = 0; i < p->channels; i++)
        if (strcmp(p->channel[i], name) == 0)
            return true;
    if (!listen_sql(p, name, e))
        return false;
    p->channels++;                      /* remembered, to listen again after a reconnect */
    return true;
}

static bool take_notification(struct pg *p, struct arena *mem, str *payload)
{
    PGnotify *n = PQnotifies(p->conn);

    if (!n)
        return false;
    *payload = arena_copy(mem, str_of(n->extra));
    PQfreemem(n);
    return true;
}

static bool pg_wait(struct db *db, struct arena *mem, int wake_fd, int64_t timeout_ms, str *payload)
{
    struct pg *p = pg_of(db);
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    bool woken = false;

    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        struct err ignored = { 0 };

        if (p->lost || !p->conn || PQstatus(p->conn) != CONNECTION_OK) {
            if (connect_now(p, &ignored)) {
                *payload = arena_copy(mem, STR(""));    /* what was sent meanwhile is gone: say that something may have been */
                return true;
            }
            p->lost = true;
            if (left_ms <= 0 || (wait_fds(-1, wake_fd, left_ms < 500 ? left_ms : 500, &woken), woken))
                return false;
            continue;
        }
        if (!PQconsumeInput(p->conn) || PQisBusy(p->conn)) {
            p->lost = true;
            continue;
        }
        if (take_notification(p, mem, payload))
            return true;
        if (left_ms <= 0)
            return false;
        if (!wait_fds(PQsocket(p->conn), wake_fd, left_ms, &woken) && woken)
            return false;
    }
}

/* --- opening --- */

static void pg_close(struct db *db)
{
    struct pg *p = pg_of(db);

    forget_connection(p);
    if (p->url)
        explicit_bzero(p->url, strlen(p->url));
    free(p->url);
    free(p);
}

static const struct side pg_side = {
    .begin = "begin",
    .begin_read = "begin isolation level repeatable read read only",
    .ready = pg_ready,
    .run = pg_run,
    .run_many = pg_run_many,
    .control = pg_control,
    .script = pg_script,
    .alive = pg_alive,
    .patience = pg_patience,
    .notify = pg_notify,
    .listen = pg_listen,
    .wait = pg_wait,
    .close = pg_close,
};

/* libpq quotes the whole URL, password and all, when it cannot read it: its text is not passed on. */
static bool url_valid(const char *url, struct err *e)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);

    if (!options)
        return fail(e, ERR_INVALID, "the address of the database is not a valid URL: give postgres://USER:PASSWORD@HOST:PORT/NAME "
                                    "(special characters in the password as %%XX)");
    PQconninfoFree(options);
    return true;
}

bool postgres_open(str url, bool read_only, struct db **out, struct err *e)
{
    struct pg *p = calloc(1, sizeof(*p));

    assert(p);
    p->db = (struct db){ .side = &pg_side, .kind = DB_POSTGRES, .read_only = read_only };
    p->lost = true;
    p->url = strndup(url.ptr, url.len);
    assert(p->url);
    if (!url_valid(p->url, e) || !connect_now(p, e)) {
        pg_close(&p->db);
        return false;
    }
    *out = &p->db;
    return true;
}
