#include "given.h"

#include "base/buf.h"

static void output_grows_and_ends_in_nul(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    buf_init(&b, a, 1 << 20);
    assert_str(buf_str(&b), STR(""));
    for (int i = 0; i < 10000; i++) {
        buf_i64(&b, i % 10);
        buf_char(&b, ',');
    }
    buf_print(&b, "%s=%d", "end", 5);
    buf_add(&b, STR_NONE);
    assert_true(buf_ok(&b));
    str s = buf_str(&b);
    assert_int_equal(s.len, 20005);
    assert_int_equal(s.ptr[s.len], 0);
    assert_true(str_ends(s, STR("8,9,end=5")));
    for (size_t i = 0; i < 20000; i += 2)
        assert_int_equal(s.ptr[i], '0' + (i / 2) % 10);
}

static void integers_of_all_sizes(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    buf_init(&b, a, 1000);
    buf_i64(&b, INT64_MIN);
    buf_char(&b, ' ');
    buf_i64(&b, INT64_MAX);
    buf_char(&b, ' ');
    buf_i64(&b, 0);
    assert_str(buf_str(&b), STR("-9223372036854775808 9223372036854775807 0"));
}

static void the_first_overflow_sticks(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    buf_init(&b, a, 10);
    buf_add(&b, STR("0123456789"));
    assert_true(buf_ok(&b));            /* exactly full is fine */
    buf_char(&b, 'x');
    assert_false(buf_ok(&b));
    assert_str(buf_str(&b), STR("0123456789"));

    buf_init(&b, a, 10);
    buf_add(&b, STR("01234"));
    buf_print(&b, "%s", "too long");
    buf_char(&b, 'x');                  /* would fit, but the text already has a hole */
    assert_false(buf_ok(&b));
    assert_str(buf_str(&b), STR("01234"));
}

static void a_maximum_of_all_sizes_is_no_overflow(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    buf_init(&b, a, SIZE_MAX);
    buf_add(&b, STR("abc"));
    assert_true(buf_ok(&b));
    assert_str(buf_str(&b), STR("abc"));
    buf_init(&b, a, 0);
    buf_add(&b, STR(""));
    assert_true(buf_ok(&b));
    buf_char(&b, 'a');
    assert_false(buf_ok(&b));
    assert_str(buf_str(&b), STR(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_grows_and_ends_in_nul),
        cmocka_unit_test(integers_of_all_sizes),
        cmocka_unit_test(the_first_overflow_sticks),
        cmocka_unit_test(a_maximum_of_all_sizes_is_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
