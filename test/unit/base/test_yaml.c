#include "given.h"

#include "base/clock.h"
#include "base/yaml.h"

static str read_as(struct arena *a, str text)
{
    struct err e = { .code = ERR_NONE };
    struct json v;
    if (!yaml_parse(a, text, &v, &e))
        fail_msg("%s: %.*s", e.text, FMT_STR(text));
    return json_raw(v);
}

static void the_three_forms_of_on(void **state)
{
    static const struct { const char *yaml, *json;
    } rows[] = {
        { "on: workflow_dispatch\n", "{\"on\":\"workflow_dispatch\"}" },
        { "on: [push, workflow_dispatch]\n", "{\"on\":[\"push\",\"workflow_dispatch\"]}" },
        { "on:\n  workflow_dispatch:\n    inputs:\n      component:\n        required: true\n      "
          "  type: string\n",
          "{\"on\":{\"workflow_dispatch\":{\"inputs\":{\"component\":{\"required\":true,\"type\":"
          "\"string\"}}}}}" },
        { "on:\n  push:\n  workflow_dispatch:\n",
          "{\"on\":{\"push\":null,\"workflow_dispatch\":null}}" },
        { "'on':\n- push\n- workflow_dispatch\n", "{\"on\":[\"push\",\"workflow_dispatch\"]}" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(read_as(a, str_of(rows[i].yaml)), str_of(rows[i].json));
}

static void plain_words_follow_the_core_schema(void **state)
{
    static const struct { const char *yaml, *json;
    } rows[] = {
        { "yes", "\"yes\"" },
        { "no", "\"no\"" },
        { "on", "\"on\"" },
        { "off", "\"off\"" },
        { "y", "\"y\"" },
        { "Yes", "\"Yes\"" },
        { "true", "true" },
        { "True", "true" },
        { "TRUE", "true" },
        { "tRUE", "\"tRUE\"" },
        { "false", "false" },
        { "null", "null" },
        { "~", "null" },
        { "Null", "null" },
        { "NULL", "null" },
        { "nULL", "\"nULL\"" },
        { "\"true\"", "\"true\"" },
        { "'null'", "\"null\"" },
        { "\"\"", "\"\"" },
        { "''", "\"\"" },
        { "12", "12" },
        { "-12", "-12" },
        { "+12", "12" },
        { "007", "7" },
        { "000", "0" },
        { "-0", "-0" },
        { "1.5", "1.5" },
        { "1.20", "1.20" },
        { "1.", "1.0" },
        { ".5", "0.5" },
        { "-.5", "-0.5" },
        { "1e3", "1e3" },
        { "1.e3", "1.0e3" },
        { "6.02E+23", "6.02E+23" },
        { "'12'", "\"12\"" },
        { "0x1F", "31" },
        { "0o17", "15" },
        { "0b1", "\"0b1\"" },
        { "0x", "\"0x\"" },
        { "0xG", "\"0xG\"" },
        { "0o8", "\"0o8\"" },
        { "0x7fffffffffffffff", "9223372036854775807" },
        { "0xffffffffffffffffff", "\"0xffffffffffffffffff\"" },
        { "0x8000000000000000", "\"0x8000000000000000\"" },
        { ".inf", "\".inf\"" },
        { ".nan", "\".nan\"" },
        { "1_000", "\"1_000\"" },
        { "1e", "\"1e\"" },
        { ".", "\".\"" },
        { "-", "[null]" },
        { "+", "\"+\"" },
        { "1.2.3", "\"1.2.3\"" },
        { "2026-08-21", "\"2026-08-21\"" },
        { "12:30", "\"12:30\"" },
        { "e5", "\"e5\"" },
        { "!!str 12", "\"12\"" },
        { "!!str true", "\"true\"" },
        { "! 12", "\"12\"" },
        { "!!int 12", "12" },
        { "!custom word", "\"word\"" },
        { "|\n  a\n  b\n", "\"a\\nb\\n\"" },
        { ">\n  a\n  b\n", "\"a b\\n\"" },
        { "${{ github.sha }}", "\"${{ github.sha }}\"" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        str got = read_as(a, str_of(rows[i].yaml));
        if (!str_eq(got, str_of(rows[i].json)))
            fail_msg("%s gave %.*s", rows[i].yaml, FMT_STR(got));
    }
}

static void empty_documents_are_null(void **state)
{
    GIVEN_ARENA(a);
    assert_str(read_as(a, STR("")), STR("null"));
    assert_str(read_as(a, STR_NONE), STR("null"));
    assert_str(read_as(a, STR("# nothing but a remark\n")), STR("null"));
    assert_str(read_as(a, STR("---\n...\n")), STR("null"));
    assert_str(read_as(a, STR("\xef\xbb\xbf" "a: 1")), STR("{\"a\":1}"));
}

static void anchors_aliases_and_merges(void **state)
{
    static const struct { const char *yaml, *json;
    } rows[] = {
        { "a: &x 1\nb: *x", "{\"a\":1,\"b\":1}" },
        { "a: &x [1]\nb: [*x, *x]", "{\"a\":[1],\"b\":[[1],[1]]}" },
        { "a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}" },
        { "a: &x {k: 1, j: 2}\nb:\n  <<: *x\n  j: 3",
          "{\"a\":{\"k\":1,\"j\":2},\"b\":{\"j\":3,\"k\":1}}" },
        { "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc:\n  <<: [*x, *y]\n  n: 4",
          "{\"a\":{\"k\":1},\"b\":{\"k\":2,\"m\":3},\"c\":{\"n\":4,\"k\":1,\"m\":3}}" },
        { "a: {<<: {b: 1}}", "{\"a\":{\"b\":1}}" },
        { "a: &x {<<: {b: 1}, c: 2}\nd: {<<: *x, c: 3}",
          "{\"a\":{\"c\":2,\"b\":1},\"d\":{\"c\":3,\"b\":1}}" },
        { "a: {\"<<\": 1}", "{\"a\":{\"<<\":1}}" },
        { "&k a: 1\n", "{\"a\":1}" },
        { "x: &k a\n*k : 1", "{\"x\":\"a\",\"a\":1}" },
        { "1: a\ntrue: b", "{\"1\":\"a\",\"true\":\"b\"}" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        str got = read_as(a, str_of(rows[i].yaml));
        if (!str_eq(got, str_of(rows[i].json)))
            fail_msg("%s gave %.*s", rows[i].yaml, FMT_STR(got));
    }
}

static void what_is_refused_and_where(void **state)
{
    static const struct { str yaml; const char *place, *why; } rows[] = {
        { STR_INIT("a: 1\nb: 2\na: 3\n"), "line 3, column 1", "the key \"a\" stands twice" },
        { STR_INIT("x: {b: 1, \"b\": 2}"), "line 1, column 11", "the key \"b\" stands twice" },
        { STR_INIT("a: *nope"), "line 1, column 4", "anchor that does not exist" },
        { STR_INIT("a: &x [*x]"), "line 1, column 8", "inside of its own anchor" },
        { STR_INIT("a: &x {b: *x}"), "line 1, column 11", "inside of its own anchor" },
        { STR_INIT("a: [1"), "line 2, column 1", "','" },
        { STR_INIT("a: \"open"), "line 1, column 9", "end of stream" },
        { STR_INIT("a:\n\t- b"), "line 2, column 1", "" },
        { STR_INIT("? [a]\n: 1"), "line 1, column 3", "a key must be" },
        { STR_INIT("? {a: b}\n: 1"), "line 1, column 3", "a key must be" },
        { STR_INIT("a: {<<: 5}"), "line 1, column 5", "'<<' takes" },
        { STR_INIT("a: {<<: [{b: 1}, 2]}"), "line 1, column 5", "'<<' takes" },
        { STR_INIT("a: 1\n---\nb: 2\n"), "line 2, column 1", "second one begins" },
        { STR_INIT("a: \"\\0\""), "line 1, column 4", "NUL" },
        { STR_INIT("b: 1\na: \xff\n"), "line 2, column 4", "UTF-8" },
        { STR_INIT("a: b: c"), "line 1, column 5", "" },
        { STR_INIT("a: 1\n b: 2"), "line 2, column 3", "" },
        { STR_INIT("- a\nb: c"), "line 2, column 1", "" },
        { STR_INIT("%YAML 3.0\n---\na: 1"), "line 1, column 1", "" },
        { STR_INIT("a: @x"), "line 1, column 4", "" },
        { STR_INIT("a: \"\\ud800\""), "", "" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e = { .code = ERR_NONE };
        struct json v;
        if (yaml_parse(a, rows[i].yaml, &v, &e))
            fail_msg("accepted %.*s", FMT_STR(rows[i].yaml));
        assert_int_equal(e.code, ERR_INVALID);
        if (!strstr(e.text, rows[i].place) || !strstr(e.text, rows[i].why))
            fail_msg("%.*s gave %s", FMT_STR(rows[i].yaml), e.text);
    }
}

static str repeated(struct arena *a, const char *front, const char *part, size_t n,
                    const char *back)
{
    struct buf b;
    buf_init(&b, a, 8 << 20);
    buf_add(&b, str_of(front));
    for (size_t i = 0; i < n; i++)
        buf_add(&b, str_of(part));
    buf_add(&b, str_of(back));
    return buf_str(&b);
}

static void expect_limit(struct arena *a, str text)
{
    struct err e = { .code = ERR_NONE };
    struct json v;
    assert_false(yaml_parse(a, text, &v, &e));
    if (e.code != ERR_LIMIT)
        fail_msg("%s", e.text);
}

static void limits(void **state)
{
    GIVEN_ARENA(a);
    expect_limit(a, repeated(a, "", "# a remark\n", 200000, ""));
    expect_limit(a, repeated(a, "", "[", 100, ""));
    expect_limit(a, repeated(a, "[", "1,", 60000, "]"));
    expect_limit(a, repeated(a, "a: &x 1\nb: [", "*x,", 1001, "]"));
    assert_true(read_as(a, repeated(a, "a: &x 1\nb: [", "*x,", 1000, "]")).len > 2000);
    /* a billion laughs */
    expect_limit(
        a, STR("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
               "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
               "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"));
    /* deep only by aliases */
    struct buf b;
    buf_init(&b, a, 1 << 20);
    buf_add(&b, STR("k0: &k0 [1]\n"));
    for (int i = 1; i < 100; i++)
        buf_print(&b, "k%d: &k%d [*k%d]\n", i, i, i - 1);
    expect_limit(a, buf_str(&b));
}

static void too_much_for_the_arena_is_a_limit_not_an_abort(void **state)
{
    GIVEN_ARENA(texts);
    static const size_t room[] = { 1 << 10, 100 << 10, 1 << 20, 4 << 20, 20 << 20 };
    const str docs[] = {
        repeated(texts, "[", "1,", 20000, "]"),
        repeated(texts, "a: &x\n  b: 1\n", "  <<: *x\n", 0, "c:\n  <<: *x\n"),
        repeated(texts, "a: &x \"long long long long long long long long long\"\nb: [", "*x,", 1000,
                 "]"),
    };
    for (size_t i = 0; i < COUNT(room); i++)
        for (size_t k = 0; k < COUNT(docs); k++) {
            SCOPED(arena) struct arena *a = arena_new(room[i], room[i]);
            struct err e = { .code = ERR_NONE };
            struct json v;
            bool ok = yaml_parse(a, docs[k], &v, &e);
            assert_int_equal(e.code, ok ? ERR_NONE : ERR_LIMIT);
            assert_int_equal(ok, i == COUNT(room) - 1 || (ok && i > 0));
        }
}

static void many_keys_and_merges_stay_cheap(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    buf_init(&b, a, 4 << 20);
    buf_add(&b, STR("base: &x\n"));
    for (int i = 0; i < 8000; i++)
        buf_print(&b, "  a/common/prefix/%d: 1\n", i);
    buf_add(&b, STR("other:\n  <<: *x\n"));
    for (int i = 4000; i < 12000; i++)
        buf_print(&b, "  a/common/prefix/%d: 2\n", i);
    int64_t from_ms = clock_mono_ms();
    struct err e = { .code = ERR_NONE };
    struct json v;
    if (!yaml_parse(a, buf_str(&b), &v, &e))
        fail_msg("%s", e.text);
    assert_int_equal(json_count(json_get(v, STR("other"))), 12000);
    assert_int_equal(
        json_i64_or(json_get(json_get(v, STR("other")), STR("a/common/prefix/5000")), 0), 2);
    assert_in_range(clock_mono_ms() - from_ms, 0, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_on),
        cmocka_unit_test(plain_words_follow_the_core_schema),
        cmocka_unit_test(empty_documents_are_null),
        cmocka_unit_test(anchors_aliases_and_merges),
        cmocka_unit_test(what_is_refused_and_where),
        cmocka_unit_test(limits),
        cmocka_unit_test(too_much_for_the_arena_is_a_limit_not_an_abort),
        cmocka_unit_test(many_keys_and_merges_stay_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
