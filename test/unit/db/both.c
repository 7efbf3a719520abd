#include "both.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "pg_rig.h"

static struct both *begin(void **state)
{
    struct both *b = calloc(1, sizeof(*b));

    b->mem = arena_new(16 << 20, 256 << 20);
    *state = b;
    return b;
}

static int open_it(struct both *b)
{
    if (db_open(b->url, false, &b->db, &b->e))
        return 0;
    print_error("%s\n", b->e.text);
    return -1;
}

int both_sqlite(void **state)
{
    struct both *b = begin(state);

    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/signalbox-db-XXXXXX");
    if (!mkdtemp(b->dir))
        return -1;
    b->url = arena_print(b->mem, "sqlite:%s/test.db", b->dir);
    return open_it(b);
}

int both_postgres(void **state)
{
    struct both *b = begin(state);
    struct pg_rig *rig = pg_rig_shared();

    if (!rig)
        return -1;
    b->url = pg_rig_fresh(rig, b->mem);
    return open_it(b);
}

static void remove_dir(struct both *b)
{
    DIR *d = opendir(b->dir);

    for (struct dirent *f; d && (f = readdir(d)) != NULL;)
        if (f->d_name[0] != '.')
            unlinkat(dirfd(d), f->d_name, 0);
    if (d)
        closedir(d);
    rmdir(b->dir);
}

int both_end(void **state)
{
    struct both *b = *state;

    db_fault_after(0);
    db_close(b->db);
    if (b->dir[0])
        remove_dir(b);
    arena_free(b->mem);
    free(b);
    return 0;
}

struct db *both_open(struct both *b, bool read_only)
{
    struct db *db = NULL;

    good(b, db_open(b->url, read_only, &db, &b->e));
    return db;
}

void good_(struct both *b, bool ok, const char *what, const char *file, int line)
{
    if (ok)
        return;
    print_error("%s: %s: %s\n", what, err_tag(b->e.code), b->e.text);
    _fail(file, line);
}

void bad_(struct both *b, enum err_code want, bool ok, const char *what, const char *file, int line)
{
    if (!ok && b->e.code == want && b->e.text[0]) {
        err_clear(&b->e);
        return;
    }
    print_error("%s: wanted %s, got %s: %s\n", what, err_tag(want),
                ok ? "success" : err_tag(b->e.code), b->e.text);
    _fail(file, line);
}

int64_t number_(struct both *b, struct db *db, const char *sql, const struct arg *args,
                size_t count)
{
    struct db_rows rows;

    good_(b, db_query_(db, b->mem, &b->e, &rows, sql, args, count), sql, __FILE__, __LINE__);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.columns, 1);
    assert_false(db_at(&rows, 0, 0)->null);
    return db_at(&rows, 0, 0)->i;
}

void assert_text_(str s, const char *want, const char *file, int line)
{
    if (str_eq(s, str_of(want)))
        return;
    print_error("\"" PRI_STR "\" is not \"%s\"\n", FMT_STR(s), want);
    _fail(file, line);
}
