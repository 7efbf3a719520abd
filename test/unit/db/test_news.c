/* What a connection says it has written: every table that was, none that was not, and only when somebody asked. */
#include "both.h"

static const char *const tables[] = { "a", "b", "a_longer_name" };
enum { A_BIT = 1, B_BIT = 2, LONG_BIT = 4 };

static void watched(struct both *b)
{
    run(b, "create table a (id bigint primary key, n bigint)", NO_ARGS);
    run(b, "create table b (id bigint primary key)", NO_ARGS);
    run(b, "create table a_longer_name (id bigint primary key)", NO_ARGS);
    run(b, "create table c (id bigint primary key)", NO_ARGS);
    db_news_watch(b->db, tables, 3);
    db_news_want(b->db, true);
}

static uint64_t taken(struct both *b)
{
    struct db_news n;
    return db_news_take(b->db, &n) ? n.tables : 0;
}

static void every_table_that_is_written_is_named(void **state)
{
    struct both *b = *state;
    struct db_rows r;
    int64_t id;
    watched(b);
    run(b, "insert into a (id, n) values (1, 1)", NO_ARGS);
    assert_int_equal(taken(b), A_BIT);
    run(b, "insert into a (id, n) values (1, 2) on conflict (id) do update set n = excluded.n", NO_ARGS);
    assert_int_equal(taken(b), A_BIT);
    good(b, db_insert(b->db, b->mem, &b->e, &id, "insert into b (id) values (7)", NO_ARGS));
    assert_int_equal(taken(b), B_BIT);
    good(b, db_query(b->db, b->mem, &b->e, &r, "update a set n = 3 where id = 1 returning n", NO_ARGS));
    assert_int_equal(taken(b), A_BIT);
    const struct arg many[] = { A(8), A(9) };
    good(b, db_exec_many(b->db, &b->e, "insert into a_longer_name (id) values ($1)", many, 1, 2));
    assert_int_equal(taken(b), LONG_BIT);
    run(b, "delete from b where id in (select id from a) or id = 7", NO_ARGS);
    assert_int_equal(taken(b), B_BIT);
    run(b, "insert into c (id) values (1)", NO_ARGS);
    good(b, db_query(b->db, b->mem, &b->e, &r, "select n from a, b, c", NO_ARGS));
    assert_int_equal(taken(b), 0);
}

static void what_changed_no_row_is_no_news(void **state)
{
    struct both *b = *state;
    struct db_rows r;
    watched(b);
    run(b, "update a set n = 3 where id = 99", NO_ARGS);
    run(b, "delete from b", NO_ARGS);
    good(b, db_query(b->db, b->mem, &b->e, &r, "update a set n = 3 where id = 99 returning n", NO_ARGS));
    assert_int_equal(taken(b), 0);
}

static void news_gather_until_they_are_taken(void **state)
{
    struct both *b = *state;
    struct db_news n;
    watched(b);
    good(b, db_begin(b->db, &b->e));
    run(b, "insert into a (id, n) values (1, 1)", NO_ARGS);
    run(b, "insert into b (id) values (1)", NO_ARGS);
    db_note(b->db, DB_NOTE_REPOSITORY, 5);
    db_note(b->db, DB_NOTE_BATCH, 5);
    db_note(b->db, DB_NOTE_REPOSITORY, 5);
    assert_true(db_news_peek(b->db, &n));
    good(b, db_commit(b->db, &b->e));
    assert_true(db_news_take(b->db, &n));
    assert_int_equal(n.tables, A_BIT | B_BIT);
    assert_int_equal(n.count, 2);
    assert_false(n.more);
    assert_false(db_news_take(b->db, &n));
    for (int64_t i = 0; i <= DB_NOTES_MAX; i++)
        db_note(b->db, DB_NOTE_BATCH, i);
    run(b, "insert into b (id) values (2)", NO_ARGS);
    assert_true(db_news_take(b->db, &n));
    assert_true(n.more);
}

static void who_does_not_ask_is_told_nothing(void **state)
{
    struct both *b = *state;
    struct db_news n;
    db_note(b->db, DB_NOTE_BATCH, 1);           /* nobody watches at all */
    assert_false(db_news_take(b->db, &n));
    watched(b);
    db_news_want(b->db, false);
    run(b, "insert into a (id, n) values (1, 1)", NO_ARGS);
    db_note(b->db, DB_NOTE_BATCH, 1);
    assert_false(db_news_take(b->db, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(every_table_that_is_written_is_named),
        BOTH(what_changed_no_row_is_no_news),
        BOTH(news_gather_until_they_are_taken),
        BOTH(who_does_not_ask_is_told_nothing),
    };
    return cmocka_run_group_tests_name("db news", tests, NULL, NULL);
}
