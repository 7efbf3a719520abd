#include "given.h"

#include "base/str.h"

static void equal_means_same_bytes(void **state)
{
    assert_true(str_eq(STR("abc"), STR("abc")));
    assert_false(str_eq(STR("abc"), STR("abC")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eq((str){ "a\0b", 3 }, (str){ "a\0b", 3 }));
    assert_false(str_eq((str){ "a\0b", 3 }, (str){ "a\0c", 3 }));
    assert_true(str_eq_nocase(STR("X-Hub-Signature"), STR("x-hub-SIGNATURE")));
    assert_false(str_eq_nocase(STR("["), STR("{")));            /* 32 apart, but no letters */
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4")));      /* ASCII only */
}

static void order_is_bytewise_and_shorter_first(void **state)
{
    assert_int_equal(str_cmp(STR("a"), STR("b")), -1);
    assert_int_equal(str_cmp(STR("b"), STR("a")), 1);
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_int_equal(str_cmp(STR("a"), STR("ab")), -1);
    assert_int_equal(str_cmp(STR("\xff"), STR("a")), 1);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
}

static void numbers_have_their_digits(void **state)
{
    static const struct { int64_t n; const char *text; } row[] = {
        { 0, "0" },
        { 7, "7" },
        { -1, "-1" },
        { 1795000000000, "1795000000000" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char to[DIGITS_MAX];
        assert_true(str_eq(str_digits(to, row[i].n), str_of(row[i].text)));
    }
}

static void parts_are_found(void **state)
{
    assert_true(str_starts(STR("sha256=ab"), STR("sha256=")));
    assert_false(str_starts(STR("sha"), STR("sha256=")));
    assert_true(str_starts(STR_NONE, STR("")));
    assert_true(str_ends(STR("a.yaml"), STR(".yaml")));
    assert_false(str_ends(STR("yaml"), STR(".yaml")));
    assert_true(str_has(STR("a/b/c"), STR("b/")));
    assert_false(str_has(STR("a/b/c"), STR("bc")));
    assert_true(str_has(STR_NONE, STR("")));
    assert_true(str_has_nocase(STR("text/HTML; x"), STR("html")));
    assert_false(str_has_nocase(STR("htm"), STR("html")));
    assert_int_equal(str_find(STR("a.b.c"), '.', 0), 1);
    assert_int_equal(str_find(STR("a.b.c"), '.', 2), 3);
    assert_int_equal(str_find(STR("a.b.c"), '.', 4), 5);
    assert_int_equal(str_find(STR("a"), 'a', 9), 1);
    assert_int_equal(str_find(STR_NONE, 'a', 0), 0);
}

static void slices_are_clamped(void **state)
{
    assert_str(str_sub(STR("hello"), 1, 3), STR("el"));
    assert_str(str_sub(STR("hello"), 3, 99), STR("lo"));
    assert_str(str_sub(STR("hello"), 4, 2), STR(""));
    assert_str(str_sub(STR("hello"), 99, 100), STR(""));
    assert_str(str_sub(STR_NONE, 0, 5), STR(""));
    assert_str(str_trim(STR(" \t a b\r\n")), STR("a b"));
    assert_str(str_trim(STR(" \n")), STR(""));
}

static void cutting_leaves_the_rest(void **state)
{
    str rest;
    assert_str(str_cut(STR("a=b=c"), '=', &rest), STR("a"));
    assert_str(rest, STR("b=c"));
    assert_str(str_cut(STR("a="), '=', &rest), STR("a"));
    assert_int_equal(rest.len, 0);
    assert_non_null(rest.ptr);
    assert_str(str_cut(STR("abc"), '=', &rest), STR("abc"));
    assert_null(rest.ptr);
    assert_str(str_after_last(STR("a/b/c"), '/'), STR("c"));
    assert_str(str_after_last(STR("abc"), '/'), STR("abc"));
    assert_str(str_after_last(STR("a/"), '/'), STR(""));
    assert_str(str_after_last(STR_NONE, '/'), STR(""));
}

static void integers_are_bounded(void **state)
{
    static const struct { str text; int64_t min, max; bool ok; int64_t want; } rows[] = {
        { STR_INIT("0"), 0, 10, true, 0 },
        { STR_INIT("10"), 0, 10, true, 10 },
        { STR_INIT("11"), 0, 10, false, 0 },
        { STR_INIT("-1"), 0, 10, false, 0 },
        { STR_INIT("-0"), 0, 10, true, 0 },
        { STR_INIT("007"), 0, 10, true, 7 },
        { STR_INIT("9223372036854775807"), INT64_MIN, INT64_MAX, true, INT64_MAX },
        { STR_INIT("9223372036854775808"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("-9223372036854775808"), INT64_MIN, INT64_MAX, true, INT64_MIN },
        { STR_INIT("-9223372036854775809"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("99999999999999999999"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT(""), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("-"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("+1"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT(" 1"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("1 "), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("1a"), INT64_MIN, INT64_MAX, false, 0 },
        { STR_INIT("0x1"), INT64_MIN, INT64_MAX, false, 0 },
        { { "1\0", 2 }, INT64_MIN, INT64_MAX, false, 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t got = 77;
        bool ok = str_to_i64(rows[i].text, rows[i].min, rows[i].max, &got);
        if (ok != rows[i].ok || got != (ok ? rows[i].want : 77))
            fail_msg("\"%.*s\": ok %d, value %lld", FMT_STR(rows[i].text), ok, (long long)got);
    }
}

static void utf8_follows_unicode_table_3_7(void **state)
{
    static const struct { const char *text; bool ok; } rows[] = {
        { "", true },                     { "plain ascii, longer than eight", true },
        { "\x7f", true },                 { "\x80", false },
        { "\xc2\x80", true },             { "\xc1\xbf", false },
        { "\xc0\x80", false },            { "\xdf\xbf", true },
        { "\xdf", false },                { "\xe0\xa0\x80", true },
        { "\xe0\x9f\xbf", false },        { "\xed\x9f\xbf", true },
        { "\xed\xa0\x80", false },        { "\xed\xbf\xbf", false },
        { "\xee\x80\x80", true },         { "\xef\xbf\xbf", true },
        { "\xef\xbf", false },            { "\xf0\x90\x80\x80", true },
        { "\xf0\x8f\xbf\xbf", false },    { "\xf4\x8f\xbf\xbf", true },
        { "\xf4\x90\x80\x80", false },    { "\xf5\x80\x80\x80", false },
        { "\xf8\x88\x80\x80\x80", false },{ "\xff", false },
        { "12345678\xff", false },        { "1234567\xc3\xa4", true },
        { "\xe2\x82\xac\xe2\x82", false },{ "\xc3(", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (str_is_utf8(str_of(rows[i].text)) != rows[i].ok)
            fail_msg("row %zu", i);
    assert_int_equal(str_utf8_step(STR("\xe2\x82\xac!"), 0), 3);
    assert_int_equal(str_utf8_step(STR("\xe2\x82\xac!"), 3), 1);
    assert_int_equal(str_utf8_step(STR("\xe2\x82\xac!"), 1), 0);
    assert_int_equal(str_utf8_step(STR("a"), 1), 0);
}

static void clipping_cuts_between_characters(void **state)
{
    str euros = STR("a\xe2\x82\xac\xe2\x82\xac");
    assert_int_equal(str_clip(euros, 7).len, 7);
    assert_int_equal(str_clip(euros, 99).len, 7);
    assert_int_equal(str_clip(euros, 6).len, 4);
    assert_int_equal(str_clip(euros, 4).len, 4);
    assert_int_equal(str_clip(euros, 3).len, 1);
    assert_int_equal(str_clip(euros, 0).len, 0);
    assert_int_equal(str_clip(STR_NONE, 0).len, 0);
}

static void hash_is_fnv_1a(void **state)
{
    assert_true(str_hash(STR("")) == 0xcbf29ce484222325u);
    assert_true(str_hash(STR("a")) == 0xaf63dc4c8601ec8cu);
    assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_means_same_bytes),
        cmocka_unit_test(order_is_bytewise_and_shorter_first),
        cmocka_unit_test(numbers_have_their_digits),
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(slices_are_clamped),
        cmocka_unit_test(cutting_leaves_the_rest),
        cmocka_unit_test(integers_are_bounded),
        cmocka_unit_test(utf8_follows_unicode_table_3_7),
        cmocka_unit_test(hash_is_fnv_1a),
        cmocka_unit_test(clipping_cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
