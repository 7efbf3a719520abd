/*
 * What was written, for those who listen: which tables, seen by the statements themselves, so that
 * nothing that is written is forgotten; and notes of those who know more.
 */
#include "db/side.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SEEN_MAX = 1024 }; /* a power of two, more than there are statements */

struct news {
    const char *const *tables;
    size_t table_count;
    atomic_bool wanted;
    struct db_news so_far;
    /* Statements by the address of their text, as they are prepared. */
    struct {
        const char *sql;
        uint64_t tables;
    } seen[SEEN_MAX];
    size_t seen_count;
};

void db_news_watch(struct db *db, const char *const *tables, size_t count)
{
    assert(count <= 64 && !db->news);
    db->news = calloc(1, sizeof *db->news);
    if (!db->news)
        abort();
    db->news->tables = tables;
    db->news->table_count = count;
}

void news_free(struct db *db)
{
    free(db->news);
    db->news = NULL;
}

void db_news_want(struct db *db, bool wanted)
{
    if (db->news)
        atomic_store(&db->news->wanted, wanted);
}

bool news_wanted(const struct db *db)
{
    return db->news && atomic_load_explicit(&db->news->wanted, memory_order_relaxed);
}

static uint64_t table_bit(const struct news *n, str name)
{
    for (size_t i = 0; i < n->table_count; i++)
        if (str_eq(name, str_of(n->tables[i])))
            return UINT64_C(1) << i;
    return 0;
}

static str word_at(const char *sql)
{
    size_t len = 0;
    while (islower((unsigned char)sql[len]) || sql[len] == '_')
        len++;
    return (str){sql, len};
}

/* Every table that is written by any part of it; "do update set" and "for update" name none. */
static uint64_t tables_of(const struct news *n, const char *sql)
{
    static const char *const verbs[] = {"insert into ", "update ", "delete from "};
    uint64_t tables = 0;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        for (const char *at = sql; (at = strstr(at, verbs[i]));) {
            at += strlen(verbs[i]);
            tables |= table_bit(n, word_at(at));
        }
    return tables;
}

/* When the table of statements is full the rest is looked at anew each time. */
void news_saw(struct db *db, const char *sql)
{
    struct news *n = db->news;
    size_t at = (size_t)((uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15) >> 54);
    while (n->seen[at].sql && n->seen[at].sql != sql)
        at = (at + 1) % SEEN_MAX;
    if (!n->seen[at].sql) {
        if (n->seen_count + 1 == SEEN_MAX) {
            n->so_far.tables |= tables_of(n, sql);
            return;
        }
        n->seen[at].sql = sql;
        n->seen[at].tables = tables_of(n, sql);
        n->seen_count++;
    }
    n->so_far.tables |= n->seen[at].tables;
}

void db_note(struct db *db, enum db_note_of of, int64_t id)
{
    if (!news_wanted(db))
        return;
    struct db_news *n = &db->news->so_far;
    for (size_t i = n->count; i-- > 0;)
        if (n->note[i].of == of && n->note[i].id == id)
            return;
    if (n->count == DB_NOTES_MAX)
        n->more = true;
    else
        n->note[n->count++] = (struct db_note){of, id};
}

bool db_news_peek(const struct db *db, struct db_news *out)
{
    if (!db->news || !db->news->so_far.tables)
        return false;
    *out = db->news->so_far;
    return true;
}

bool db_news_take(struct db *db, struct db_news *out)
{
    if (!db->news || !(db->news->so_far.tables || db->news->so_far.count))
        return false;
    bool some = db_news_peek(db, out);
    db->news->so_far = (struct db_news){0};
    return some;
}
