/*
 * The PostgreSQL side: connection, transactions, notifications.
 */
#include "db/postgres.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

struct pg *pg_of(struct db *db)
{
    assert(db->kind == DB_POSTGRES);
    return (struct pg *)db;
}

/* --- the connection --- */

/* A server that ends an idle connection says so first and hangs up a moment later: the word is
 * enough. */
static void notice(void *arg, const PGresult *r)
{
    struct pg *p = arg;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    char line[512];

    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        p->lost = true;
    pg_one_line(line, sizeof(line), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
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
    pg_one_line(what, sizeof(what), PQerrorMessage(p->conn));
    hide(what, PQpass(p->conn));
    return fail(e, ERR_STORAGE,
                "the database cannot be reached (%s): see that PostgreSQL runs and that address, "
                "user, password and database name are right",
                what);
}

static bool listen_sql(struct pg *p, const char *channel, struct err *e)
{
    char sql[2 * CHANNEL_BYTES + 32];
    char *quoted = PQescapeIdentifier(p->conn, channel, strlen(channel));

    if (!quoted)
        return pg_fail_lost(p, e);
    (void)!snprintf(sql, sizeof(sql), "listen %s", quoted);
    PQfreemem(quoted);
    return pg_simple(p, sql, e);
}

static bool set_up(struct pg *p, struct err *e)
{
    /* A lock or a statement that takes longer than this is stuck; a transaction that idles holds up
     * everybody else. */
    static const char common[] =
        "set client_min_messages = warning; set statement_timeout = '30s'; set lock_timeout = '5s';"
        "set idle_in_transaction_session_timeout = '60s'; set bytea_output = hex;"
        "set standard_conforming_strings = on; set default_transaction_isolation = 'read "
        "committed'";

    /*
     * Readers ask with many filters of which few are given: a plan for the values that came looks at
     * a page of rows where one for all values would look at all rows.
     */
    static const char reading[] =
        "set default_transaction_read_only = on; set plan_cache_mode = force_custom_plan; "
        "set random_page_cost = 1.1";

    PQsetNoticeReceiver(p->conn, notice, p);
    if (!pg_simple(p, common, e) || (p->db.read_only && !pg_simple(p, reading, e)))
        return false;
    for (unsigned i = 0; i < p->channels; i++)
        if (!listen_sql(p, p->channel[i], e))
            return false;
    return true;
}

static bool connect_now(struct pg *p, struct err *e)
{
    /* What stands before dbname may be overridden by the URL. Dead machines are noticed within half
     * a minute. */
    static const char *const names[] = {
        "connect_timeout", "fallback_application_name", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "gssencmode", "dbname", "client_encoding", NULL
    };
    const char *const values[] = {
        "5", "signalbox", "10", "5",
        "3", "20000", "disable", p->url, "UTF8", NULL
    };

    forget_connection(p);
    p->conn = PQconnectdbParams(names, values, 1);
    if (PQstatus(p->conn) != CONNECTION_OK)
        return fail_connect(p, e);
    p->lost = false;
    if (PQserverVersion(p->conn) < 130000)
        return fail(e, ERR_STORAGE,
                    "this PostgreSQL is too old (%d): version 13 or newer is needed",
                    PQserverVersion(p->conn) / 10000);
    return set_up(p, e);
}

/* Did the server hang up while the connection lay idle? Reads what has arrived, without waiting. */
static bool hung_up(struct pg *p)
{
    for (int i = 0; i < 8; i++) {
        struct pollfd fd = { .fd = PQsocket(p->conn), .events = POLLIN };

        if (poll(&fd, 1, 0) <= 0)
            return false;
        if (!PQconsumeInput(p->conn) || PQisBusy(p->conn) || PQstatus(p->conn) != CONNECTION_OK ||
            p->lost)
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

/* --- transactions --- */

static bool pg_control(struct db *db, const char *sql, struct err *e)
{
    struct pg *p = pg_of(db);
    bool commit = strcmp(sql, "commit") == 0;

    if (p->lost)
        return pg_fail_lost(p, e);
    RESULT r = PQexec(p->conn, sql);
    if (commit && PQstatus(p->conn) == CONNECTION_BAD) {
        p->lost = true;
        return fail(e, ERR_STORAGE,
                    "the connection to the database was lost while it committed: look whether it "
                    "was stored, then try again");
    }
    if (!pg_succeeded(p, r, sql, e))
        return false;
    /* The server answers "ROLLBACK" to the commit of a failed transaction, and calls that a
     * success. */
    if (commit && strcmp(PQcmdStatus(r), "COMMIT") != 0)
        return fail(e, ERR_INTERNAL,
                    "a transaction was committed in which a statement had failed: nothing was "
                    "stored");
    return true;
}

static bool pg_script(struct db *db, const char *sql, struct err *e)
{
    struct pg *p = pg_of(db);

    return p->lost ? pg_fail_lost(p, e) : pg_simple(p, sql, e);
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

    (void)!snprintf(sql, sizeof(sql), "set lock_timeout = %lld; set statement_timeout = %lld",
                    (long long)lock_ms, (long long)(lock_ms >= DB_MIGRATE_LOCK_MS ? 0 : 30000));
    return pg_script(db, sql, e);
}

/* --- notifications --- */

static bool pg_notify(struct db *db, str channel, str payload, struct err *e)
{
    if (channel.len == 0 || channel.len > CHANNEL_BYTES || payload.len > PAYLOAD_BYTES)
        return fail(e, ERR_LIMIT, "a notification has at most %d bytes on a channel of at most %d",
                    PAYLOAD_BYTES, CHANNEL_BYTES);
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
                /* What was sent meanwhile is gone: say that there may have been something. */
                *payload = arena_copy(mem, STR(""));
                return true;
            }
            p->lost = true;
            if (left_ms <= 0 ||
                (wait_fds(-1, wake_fd, left_ms < 500 ? left_ms : 500, &woken), woken))
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

/* libpq quotes a URL that it cannot read, password and all: its text is not passed on. */
static bool url_valid(const char *url, struct err *e)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);

    if (!options)
        return fail(e, ERR_INVALID,
                    "the address of the database is not a valid URL: give "
                    "postgres://USER:PASSWORD@HOST:PORT/NAME (special characters in the password "
                    "as %%XX)");
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
