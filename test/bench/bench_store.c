/*
 * What the machine and a bare SQLite can do, without us: the anchors of the durable figures.
 *   bench_store fsync DIR SECONDS                  4 KB appended and flushed: microseconds, p50 and p99
 *   bench_store insert DIR BYTES GROUP SECONDS     rows of BYTES with a unique delivery id, GROUP a commit (WAL, synchronous=FULL)
 * Prints one line of JSON.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, SAMPLES_MAX = 1 << 20, PATH_BYTES = 4096 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure_fsync(const char *dir, double seconds)
{
    char path[PATH_BYTES], block[BLOCK_BYTES] = "block";
    double *took = calloc(SAMPLES_MAX, sizeof *took);
    size_t n = 0;
    (void)!snprintf(path, sizeof path, "%s/fsync-probe", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !took)
        die(path);
    for (double end = now_us() + seconds * 1e6; now_us() < end && n < SAMPLES_MAX;) {
        double begin = now_us();
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            die("fdatasync");
        took[n++] = now_us() - begin;
    }
    close(fd);
    unlink(path);
    qsort(took, n, sizeof *took, by_size);
    printf("{\"p50_us\":%.1f,\"p99_us\":%.1f}\n", took[n / 2], took[n * 99 / 100]);
    free(took);
    return 0;
}

static void must(sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
        return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3 *open_store(const char *dir)
{
    char path[PATH_BYTES];
    sqlite3 *db;
    (void)!snprintf(path, sizeof path, "%s/bare.db", dir);
    must(NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    must(db, sqlite3_exec(db, "pragma journal_mode=wal; pragma synchronous=full;"
                              "create table fact (id integer primary key, lane int, kind text, key text unique, body blob,"
                              " received_ms int)", NULL, NULL, NULL));
    return db;
}

static int measure_insert(const char *dir, int bytes, int group, double seconds)
{
    sqlite3 *db = open_store(dir);
    sqlite3_stmt *add;
    char *body = malloc((size_t)bytes), key[64];
    long rows = 0;
    if (!body)
        die("malloc");
    for (int i = 0; i < bytes; i++)
        body[i] = (char)('a' + i * 7 % 26);
    must(db, sqlite3_prepare_v2(db, "insert into fact (lane, kind, key, body, received_ms) values (1, 'webhook.push', ?1, ?2, 1)"
                                    " on conflict (key) do nothing", -1, &add, NULL));
    double begin = now_us();
    while (now_us() - begin < seconds * 1e6) {
        must(db, sqlite3_exec(db, "begin immediate", NULL, NULL, NULL));
        for (int i = 0; i < group; i++) {
            /* Keys in no order, as delivery ids are. */
            unsigned long long h = (unsigned long long)++rows * 0x9e3779b97f4a7c15ULL;
            (void)!snprintf(key, sizeof key, "github:%016llx-%016llx", h, h * 0xff51afd7ed558ccdULL);
            must(db, sqlite3_bind_text(add, 1, key, -1, SQLITE_STATIC));
            must(db, sqlite3_bind_blob(add, 2, body, bytes, SQLITE_STATIC));
            must(db, sqlite3_step(add));
            must(db, sqlite3_reset(add));
        }
        must(db, sqlite3_exec(db, "commit", NULL, NULL, NULL));
    }
    printf("{\"per_second\":%.0f}\n", (double)rows * 1e6 / (now_us() - begin));
    sqlite3_finalize(add);
    sqlite3_close(db);
    free(body);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fsync") == 0)
        return measure_fsync(argv[2], strtod(argv[3], NULL));
    if (argc == 6 && strcmp(argv[1], "insert") == 0)
        return measure_insert(argv[2], (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10), strtod(argv[5], NULL));
    fprintf(stderr, "usage: bench_store fsync DIR SECONDS | insert DIR BYTES GROUP SECONDS\n");
    return 2;
}
