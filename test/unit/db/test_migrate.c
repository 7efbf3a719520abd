/*
 * Migrations, on both databases.
 */
#include "both.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

#define SQL(n, text) { (n), (text), sizeof(text) - 1 }

static const struct embedded one[] = {
    SQL("0001_start.sql", "-- {id} and {blob} are words of ours, '{}' is not\n"
                          "create table item (id {id}, n {int} not null, name {text} not null "
                          "default '{}', body {blob}) {strict};\ncreate index item_n on item (n) "
                          "where n > 0;\ninsert into item (n) values (1);\n"),
};
static const struct embedded two[] = {
    SQL("0001_start.sql", "-- {id} and {blob} are words of ours, '{}' is not\n"
                          "create table item (id {id}, n {int} not null, name {text} not null "
                          "default '{}', body {blob}) {strict};\ncreate index item_n on item (n) "
                          "where n > 0;\ninsert into item (n) values (1);\n"),
    SQL("0002_more.sql", "alter table item add column extra {text};\nupdate item set extra = 'x', "
                         "n = 1790000000000;\n"),
};

static void given(struct both *b, const struct embedded *files, size_t count)
{
    good(b, migrate_with(b->db, files, count, 1790000000000, &b->e));
}

static void a_new_database_gets_them_all_in_order(void **state)
{
    struct both *b = *state;
    struct db_rows got;

    given(b, two, 2);
    good(b, db_query(b->db, b->mem, &b->e, &got,
                     "select version, name, applied_ms, length(sha256) from migration order by "
                     "version",
                     NO_ARGS));
    assert_int_equal(got.count, 2);
    assert_int_equal(db_at(&got, 1, 0)->i, 2);
    assert_text(db_at(&got, 1, 1)->s, "0002_more.sql");
    assert_true(db_at(&got, 1, 2)->i == INT64_C(1790000000000));
    assert_int_equal(db_at(&got, 1, 3)->i, 64);
    assert_int_equal(number(b,
                            "select count(*) from item where extra = 'x' and n = 1790000000000 and "
                            "name = '{}'",
                            NO_ARGS),
                     1);
}

static void the_second_start_changes_nothing(void **state)
{
    struct both *b = *state;

    given(b, one, 1);
    given(b, one, 1);
    given(b, two, 2);
    given(b, two, 2);
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);
    assert_int_equal(number(b, "select count(*) from migration", NO_ARGS), 2);
}

static void a_newer_database_is_refused_with_both_numbers(void **state)
{
    struct both *b = *state;

    given(b, two, 2);
    assert_false(migrate_with(b->db, one, 1, 0, &b->e));
    assert_non_null(strstr(b->e.text, "schema 2"));
    assert_non_null(strstr(b->e.text, "up to 1"));
    bad(b, ERR_STORAGE, false);
    assert_false(db_in_transaction(b->db));
}

static void a_changed_file_is_refused_by_name(void **state)
{
    static const struct embedded changed[] = { SQL("0001_start.sql", "create table item (id {id}) "
                                                                     "{strict};") };
    struct both *b = *state;

    given(b, one, 1);
    assert_false(migrate_with(b->db, changed, 1, 0, &b->e));
    assert_non_null(strstr(b->e.text, "0001_start.sql"));
    bad(b, ERR_STORAGE, false);
}

static void a_missing_one_in_the_middle_is_refused(void **state)
{
    struct both *b = *state;

    given(b, two, 2);
    run(b, "delete from migration where version = 1", NO_ARGS);
    bad(b, ERR_STORAGE, migrate_with(b->db, two, 2, 0, &b->e));
}

static void one_that_fails_leaves_nothing_behind(void **state)
{
    static const struct embedded broken[] = { SQL("0001_start.sql", "create table item (id {id}) "
                                                                    "{strict}; insert into item "
                                                                    "values (1); insert into "
                                                                    "nowhere values (1);") };
    static const struct embedded unknown[] = { SQL("0001_start.sql", "create table item (id "
                                                                     "{serial});") };
    static const struct embedded gap[] = { SQL("0002_start.sql", "create table item (id {id});") };
    struct both *b = *state;

    bad(b, ERR_INTERNAL, migrate_with(b->db, broken, 1, 0, &b->e));
    assert_false(db_in_transaction(b->db));
    bad(b, ERR_INTERNAL, migrate_with(b->db, unknown, 1, 0, &b->e));
    bad(b, ERR_INTERNAL, migrate_with(b->db, gap, 1, 0, &b->e));
    given(b, two, 2);
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);
}

static int child(struct both *b)
{
    struct db *mine = NULL;
    bool ok = db_open(b->url, false, &mine, &b->e) && migrate_with(mine, two, 2, 0, &b->e);

    if (!ok)
        print_error("%s\n", b->e.text);
    db_close(mine);
    return ok ? 0 : 1;
}

/* On SQLite the file belongs to one process, so there they come one after the other. */
static void programs_that_start_together_apply_each_once(void **state)
{
    struct both *b = *state;
    bool lite = db_kind(b->db) == DB_SQLITE;
    pid_t pid[4];

    if (lite) {
        db_close(b->db);
        b->db = NULL;
    }
    for (int i = 0; i < 4; i++) {
        int status = -1;

        pid[i] = fork();
        if (pid[i] == 0)
            _exit(child(b));
        if (lite) {
            assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
            assert_int_equal(status, 0);
        }
    }
    for (int i = 0; !lite && i < 4; i++) {
        int status = -1;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    if (lite)
        b->db = both_open(b, false);
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);
    assert_int_equal(number(b, "select count(*) from migration", NO_ARGS), 2);
}

static void a_fault_in_the_middle_is_survived_by_the_next_start(void **state)
{
    struct both *b = *state;
    int faults = 0;

    for (int nth = 1; nth < 40; nth++) {
        db_fault_after(nth);
        if (migrate_with(b->db, two, 2, 0, &b->e))
            break;
        faults++;
        bad(b, ERR_STORAGE, false);
        assert_false(db_in_transaction(b->db));
    }
    db_fault_after(0);
    assert_in_range(faults, 4, 38);
    assert_int_equal(number(b, "select count(*) from item", NO_ARGS), 1);
}

static void ours_apply_and_mean_the_same_on_both(void **state)
{
    struct both *b = *state;

    good(b, db_migrate(b->db, 1, &b->e));
    good(b, db_migrate(b->db, 2, &b->e));
    assert_true(db_schema_version() >= 1);
    assert_int_equal(number(b, "select max(version) from migration", NO_ARGS), db_schema_version());
    if (db_kind(b->db) == DB_SQLITE) {
        /* strict, or SQLite would store anything anywhere */
        assert_int_equal(number(b,
                                "select count(*) from pragma_table_list where schema = 'main' and "
                                "type = 'table' and strict = 0 and name not like 'sqlite%' and "
                                "name <> 'migration'",
                                NO_ARGS),
                         0);
        return;
    }
    /* no 32-bit columns, no text that sorts by the taste of the server */
    assert_int_equal(number(b,
                            "select count(*) from information_schema.columns where table_schema = "
                            "'public' and data_type not in ('bigint', 'text', 'bytea')",
                            NO_ARGS),
                     0);
    assert_int_equal(number(b,
                            "select count(*) from information_schema.columns where table_schema = "
                            "'public' and data_type = 'text' and collation_name is distinct from "
                            "'C' and table_name <> 'migration'",
                            NO_ARGS),
                     0);
}

extern const struct embedded db_migrations[];

static void the_old_lock_is_there(struct both *b)
{
    assert_int_equal(number(b,
                            "select count(*) from lock where id = 'lock_1' and key = 'K' and "
                            "folded = 'k' and message = 'mine' and properties = '{\"a\":1}' and "
                            "actor = 'ada' and token = 7 and session_repository = 5 and "
                            "session_ref = 'refs/x' and created_ms = 10 and updated_ms = 11 and "
                            "expires_ms = 12 and deleted_ms is null",
                            NO_ARGS),
                     1);
}

/*
 * 0004 moves the rows of two tables, 0006 those of one: nothing is lost, and the audit keeps its
 * order.
 */
static void locks_and_audit_of_an_older_house_are_kept(void **state)
{
    struct both *b = *state;
    struct db_rows got;

    given(b, db_migrations, 3);
    run(b, "insert into workspace (id, name, created_ms) values ('ws_a', 'a', 1)", NO_ARGS);
    run(b,
        "insert into lock (id, workspace_id, key, folded, message, properties, actor, token, "
        "session_repository, session_ref, created_ms, updated_ms, expires_ms, deleted_ms) values "
        "('lock_1', 'ws_a', 'K', 'k', 'mine', '{\"a\":1}', 'ada', 7, 5, 'refs/x', 10, 11, 12, "
        "null)",
        NO_ARGS);
    for (int64_t i = 1; i <= 3; i++)
        run(b,
            "insert into audit (id, workspace_id, repository_id, at_ms, category, action, "
            "actor_type, actor, target_type, target, description, metadata) values ($1, 'ws_a', "
            "$2, $3, 'lock', 'lock.created', 'token', 'ada', 'lock', 'K', 'mine', '{}')",
            ARGS(A(arena_print(b->mem, "aud_%d", (int)(9 - i))), A(i), A(100 - i)));
    run(b, "delete from audit where repository_id = 2", NO_ARGS);
    given(b, db_migrations, 4);
    the_old_lock_is_there(b);
    given(b, db_migrations, 6);
    the_old_lock_is_there(b);
    run(b,
        "insert into audit (id, workspace_id, at_ms, category, action, actor_type, actor) values "
        "('aud_new', 'ws_a', 1, 'lock', 'lock.deleted', 'token', 'ada')",
        NO_ARGS);
    good(b, db_query(b->db, b->mem, &b->e, &got,
                     "select id, at_ms from audit where workspace_id = 'ws_a' order by seq",
                     NO_ARGS));
    assert_int_equal(got.count, 3);
    assert_text(db_at(&got, 0, 0)->s, "aud_8");
    assert_int_equal(db_at(&got, 0, 1)->i, 99);
    assert_text(db_at(&got, 1, 0)->s, "aud_6");
    assert_text(db_at(&got, 2, 0)->s, "aud_new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_new_database_gets_them_all_in_order),
        BOTH(the_second_start_changes_nothing),
        BOTH(a_newer_database_is_refused_with_both_numbers),
        BOTH(a_changed_file_is_refused_by_name),
        BOTH(a_missing_one_in_the_middle_is_refused),
        BOTH(one_that_fails_leaves_nothing_behind),
        BOTH(programs_that_start_together_apply_each_once),
        BOTH(a_fault_in_the_middle_is_survived_by_the_next_start),
        BOTH(ours_apply_and_mean_the_same_on_both),
        BOTH(locks_and_audit_of_an_older_house_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
