#include "given.h"
#include "domain/settings.h"

static void defaults_come_from_the_table(void **state)
{
    struct repo_settings s;
    memset(&s, 0x55, sizeof s);
    settings_default(&s);
#define IS_I64(name, first)      assert_int_equal(s.name, first)
#define IS_BOOL(name, first)     assert_int_equal(s.name, first)
#define IS_EXECUTOR(name, first) assert_int_equal(s.name, first)
#define IS_NAME(name, first)     assert_string_equal(s.name.text, "")
#define X(name, kind, first, min, max, group, doc) \
    IS_##kind(name, first); \
    assert_true((first) >= (min) && (first) <= (max)); \
    assert_true(strlen(doc) > 10);
    REPO_SETTINGS(X)
#undef X
}

static void changes_are_merged(void **state)
{
    struct repo_settings s;
    struct err e = { 0 };
    settings_default(&s);
    assert_true(settings_merge(mem, given_json("{}"), &s, &e));
    assert_true(settings_merge(
        mem, given_json("{'dispatch_concurrency':7,'strict_plans':true,'comment':false}"), &s, &e));
    assert_true(settings_merge(mem, given_json("{'reviews':true}"), &s, &e));
    assert_int_equal(s.reviews, 1);
    assert_int_equal(s.dispatch_concurrency, 7);
    assert_int_equal(s.strict_plans, 1);
    assert_int_equal(s.comment, 0);
    assert_int_equal(s.run_timeout_minutes, 420);
}

static void what_is_wrong_is_named_and_nothing_changes(void **state)
{
    static const struct { const char *changes; unsigned details; const char *first; } row[] = {
        { "{'dispatch_concurrency':500}", 1, "dispatch_concurrency must be between 1 and 100, got 500" },
        { "{'dispatch_concurrency':0}", 1, "got 0" },
        { "{'dispatch_concurrency':-9223372036854775808}", 1, "got -9223372036854775808" },
        { "{'dispatch_concurrency':99999999999999999999}", 1, "got 99999999999999999999" },
        { "{'dispatch_concurrency':1e1}", 1, "got 1e1" },
        { "{'dispatch_concurrency':7.0}", 1, "got 7.0" },
        { "{'dispatch_concurrency':'7'}", 1, "dispatch_concurrency must be a whole number between 1 and 100, got \"7\"" },
        { "{'dispatch_concurrency':null}", 1, "got null" },
        { "{'comment':1}", 1, "comment must be true or false, got 1" },
        { "{'comment':'yes'}", 1, "got \"yes\"" },
        { "{'executor':'jenkins'}", 1, "executor must be github_actions or runner, got \"jenkins\"" },
        { "{'executor':1}", 1, "executor must be github_actions or runner, got 1" },
        { "{'runner':'a b'}", 1, "runner must be a name of letters, digits, _ and -, got \"a b\"" },
        { "{'runner':null}", 1, "runner must be a name" },
        { "{'runner':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}", 1, "runner must be a name" },
        { "{'nope':1}", 1, "there is no setting nope" },
        { "{'':1}", 1, "there is no setting" },
        { "{'strict_plans':true,'a\\nb':1,'comment':[],'dispatch_concurrency':101}", 3, "there is no setting a\xef\xbf\xbd" "b" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct repo_settings s, before;
        struct err e = { 0 };
        settings_default(&s);
        before = s;
        assert_false(settings_merge(mem, given_json(row[i].changes), &s, &e));
        then_error(&e, ERR_INVALID, "nothing was changed");
        assert_int_equal(e.details, row[i].details);
        then_detail(&e, 0, row[i].first);
        assert_memory_equal(&s, &before, sizeof s);
    }
    static const char *const not_objects[] = { "[]", "null", "1", "'x'" };
    for (size_t i = 0; i < 4; i++) {
        struct repo_settings s;
        struct err e = { 0 };
        settings_default(&s);
        assert_false(settings_merge(mem, given_json(not_objects[i]), &s, &e));
        then_error(&e, ERR_INVALID, "must be an object");
    }
}

static void written_settings_read_back_the_same(void **state)
{
    struct repo_settings s, again;
    struct err e = { 0 };
    settings_default(&s);
    s.dispatch_concurrency = 99;
    s.reviews = 1;
    s.comment = 0;
    s.executor = EXECUTOR_RUNNER;
    memcpy(s.runner.text, "eu-1", 4);
    str text = settings_json(mem, &s);
    settings_default(&again);
    assert_true(settings_merge(mem, given_raw(text), &again, &e));
    assert_memory_equal(&s, &again, sizeof s);
    assert_true(str_has(text, STR("\"reviews\":true")));
    assert_true(str_has(text, STR("\"executor\":\"runner\",\"runner\":\"eu-1\"")));
    then_text(settings_changed_json(mem, &s), "{\"dispatch_concurrency\":99,\"reviews\":true,\"comment\":false,"
                                             "\"executor\":\"runner\",\"runner\":\"eu-1\"}");
    assert_true(settings_merge(mem, given_json("{'runner':'','executor':'github_actions'}"), &again, &e));
    then_text(settings_changed_json(mem, &again),
             "{\"dispatch_concurrency\":99,\"reviews\":true,\"comment\":false}");
    assert_true(str_has(text, STR("\"dispatch_concurrency\":99")));
}

static void the_table_can_be_read(void **state)
{
    struct json table = given_raw(settings_table_json(mem)), row;
    struct json_iter it = json_iter(table);
    str key;
    struct repo_settings s;
    settings_default(&s);
    assert_true(json_next(&it, mem, &key, &row));
    then_text(json_raw(row), "{\"name\":\"dispatch_concurrency\",\"type\":\"integer\",\"default\":20,\"min\":1,"
                             "\"max\":100,\"options\":[],\"doc\":\"Dispatch calls under way at once for this repository.\","
                             "\"group\":\"Dispatching\"}");
    assert_true(json_next(&it, mem, &key, &row));
    assert_int_equal(json_kind(json_get(row, STR("default"))), JSON_BOOL);
    assert_int_equal(json_kind(json_get(row, STR("min"))), JSON_NULL);
    assert_int_equal(json_count(table), json_count(given_raw(settings_json(mem, &s))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_come_from_the_table), TEST(changes_are_merged), TEST(what_is_wrong_is_named_and_nothing_changes),
        TEST(written_settings_read_back_the_same), TEST(the_table_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
