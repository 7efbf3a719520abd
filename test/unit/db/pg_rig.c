#include "pg_rig.h"

#include <assert.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

struct pg_rig {
    pid_t    keeper;
    int      to, from;              /* the keeper's stdin and stdout */
    unsigned fresh;
    char     url[256];
};

/*
 * The keeper: $1 a folder of its own, $2 PostgreSQL's programs. Reads words from stdin and answers
 * each with a line; at the end of input (also when the test was killed) it takes everything down.
 * PostgreSQL refuses to be root, so it runs as its own user. Should the keeper itself be killed,
 * the kernel stops the server (pdeathsig). Tests end processes, not the machine, so nothing waits for
 * the disk; what is measured does (PG_FSYNC=on).
 */
static const char keeper[] =
    "dir=$1 bin=$2 pid=\n"
    "trap '' INT TERM HUP PIPE\n"
    "cd \"$dir\" || exit 1\n"
    "if [ \"$(id -u)\" = 0 ]; then\n"
    "    chown postgres \"$dir\"\n"
    "    as() { setpriv --reuid=postgres --regid=postgres --init-groups \"$@\"; }\n"
    "    serve='setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig QUIT'\n"
    "else\n"
    "    as() { \"$@\"; }\n"
    "    serve='setpriv --pdeathsig QUIT'\n"
    "fi\n"
    "launch() {\n"
    "    $serve \"$bin/postgres\" -D \"$dir/data\" -k \"$dir\" -c listen_addresses= -c "
    "shared_buffers=24MB -c max_connections=60 -c fsync=${PG_FSYNC:-off} \\\n"
    "        -c max_wal_size=256MB -c autovacuum_naptime=10s </dev/null >>\"$dir/log\" 2>&1 &\n"
    "    pid=$!\n"
    "}\n"
    /* After a kill the old backends may hold the shared memory for a moment: it is tried again. */
    "start() {\n"
    "    n=0\n"
    "    launch\n"
    "    until \"$bin/pg_isready\" -q -h \"$dir\" -d postgres -U postgres; do\n"
    "        n=$((n + 1))\n"
    "        if [ $n -gt 2400 ]; then tail -n 3 \"$dir/log\" >&2; echo failed; return; fi\n"
    "        sleep 0.05\n"
    "        kill -0 $pid 2>/dev/null || { sleep 0.2; n=$((n + 50)); launch; }\n"
    "    done\n"
    "    echo ready\n"
    "}\n"
    "end() { [ -z \"$pid\" ] || { kill -$1 $pid $2; wait $pid; pid=; } 2>/dev/null; }\n"
    /*
     * A killed postmaster leaves its children to find out by themselves: the power takes them all.
     */
    "power_off() {\n"
    "    read -r kids </proc/$pid/task/$pid/children\n"
    "    end KILL \"$kids\"\n"
    "    for k in $kids; do while [ -e /proc/$k/exe ]; do sleep 0.01; done; done\n"
    "    rm -f \"$dir/data/postmaster.pid\"\n"
    "    echo killed\n"
    "}\n"
    "as \"$bin/initdb\" -D \"$dir/data\" -U postgres -A trust -E UTF8 --locale=C --no-sync "
    ">\"$dir/log\" 2>&1 || tail -n 3 \"$dir/log\" >&2\n"
    "start\n"
    "while read -r word; do\n"
    "    case $word in\n"
    "    kill) power_off ;;\n"
    "    revive) start ;;\n"
    "    esac\n"
    "done\n"
    "end QUIT\n"
    "cd / && rm -rf \"$dir\"\n";

static const char *programs(void)
{
    static const char *const places[] = { "/usr/lib/postgresql/15/bin",
                                          "/usr/lib/postgresql/16/bin",
                                          "/usr/lib/postgresql/17/bin" };
    const char *told = getenv("PG_BIN");

    if (told)
        return told;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static bool answer_is(struct pg_rig *rig, const char *want)
{
    char line[32];
    size_t n = 0;

    while (n < sizeof(line) - 1 && read(rig->from, &line[n], 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    return strcmp(line, want) == 0;
}

static void tell(struct pg_rig *rig, const char *word, const char *want)
{
    ssize_t n = (ssize_t)strlen(word);

    if (write(rig->to, word, (size_t)n) == n && answer_is(rig, want))
        return;
    fprintf(stderr, "pg_rig: the keeper did not answer \"%s\" to %s", want, word);
    abort();
}

static bool spawn_keeper(struct pg_rig *rig, const char *dir, const char *bin, struct err *e)
{
    const char *argv[] = { "sh", "-c", keeper, "pg_rig", dir, bin, NULL };
    SCOPED(fd) int in_r = -1;
    SCOPED(fd) int out_w = -1;
    posix_spawn_file_actions_t files;
    int in[2], out[2], rc;

    if (pipe2(in, O_CLOEXEC) != 0)
        return fail_errno(e, "pipe");
    in_r = in[0];
    rig->to = in[1];
    if (pipe2(out, O_CLOEXEC) != 0)
        return fail_errno(e, "pipe");
    rig->from = out[0];
    out_w = out[1];
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in_r, 0);
    posix_spawn_file_actions_adddup2(&files, out_w, 1);
    rc =
        posix_spawn(&rig->keeper, "/bin/sh", &files, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (rc != 0)
        return err_set(e, ERR_INTERNAL, rc, ERR_HERE, "cannot start /bin/sh: %s", strerror(rc));
    return true;
}

bool pg_rig_start(struct pg_rig **out, struct err *e)
{
    char dir[] = "/tmp/signalbox-pg-XXXXXX";
    const char *bin = programs();
    struct pg_rig *rig;

    if (!bin)
        return fail(e, ERR_NOT_FOUND,
                    "PostgreSQL's programs are not installed: apt-get install postgresql-15");
    if (!mkdtemp(dir))
        return fail_errno(e, "cannot make a folder in /tmp");
    rig = calloc(1, sizeof(*rig));
    assert(rig);
    rig->to = rig->from = -1;
    (void)!snprintf(rig->url, sizeof(rig->url), "postgresql://postgres@/postgres?host=%s", dir);
    if (!spawn_keeper(rig, dir, bin, e) ||
        (!answer_is(rig, "ready") && !fail(e, ERR_STORAGE, "PostgreSQL did not start"))) {
        pg_rig_stop(rig);
        return false;
    }
    *out = rig;
    return true;
}

void pg_rig_stop(struct pg_rig *rig)
{
    if (!rig)
        return;
    scope_fd(&rig->to);                 /* the keeper reads the end of its input and cleans up */
    scope_fd(&rig->from);
    if (rig->keeper > 0)
        while (waitpid(rig->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    free(rig);
}

static struct pg_rig *shared;
static pid_t          shared_owner;

static void stop_shared(void)
{
    if (shared && shared_owner == getpid())     /* not in a child that a test forked */
        pg_rig_stop(shared);
    shared = NULL;
}

struct pg_rig *pg_rig_shared(void)
{
    struct err e = { 0 };

    if (shared)
        return shared;
    if (!pg_rig_start(&shared, &e)) {
        fprintf(stderr, "pg_rig: %s\n", e.text);
        return NULL;
    }
    shared_owner = getpid();
    atexit(stop_shared);
    return shared;
}

str pg_rig_url(const struct pg_rig *rig)
{
    return str_of(rig->url);
}

str pg_rig_fresh(struct pg_rig *rig, struct arena *mem)
{
    PGconn *conn = PQconnectdb(rig->url);
    str name = arena_print(mem, "fresh%u", ++rig->fresh);
    PGresult *r = PQexec(conn, arena_print(mem, "create database " PRI_STR, FMT_STR(name)).ptr);

    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
        fprintf(stderr, "pg_rig: %s\n", PQerrorMessage(conn));
        abort();
    }
    PQclear(r);
    PQfinish(conn);
    return arena_print(mem, "postgresql://postgres@/" PRI_STR "?%s", FMT_STR(name),
                       strchr(rig->url, '?') + 1);
}

void pg_rig_kill(struct pg_rig *rig)
{
    tell(rig, "kill\n", "killed");
}

void pg_rig_revive(struct pg_rig *rig)
{
    tell(rig, "revive\n", "ready");
}
