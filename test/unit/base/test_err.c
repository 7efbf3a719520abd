#include "given.h"

#include "base/err.h"
#include "base/str.h"

static void the_table_decides_tag_status_exit_and_retry(void **state)
{
    assert_string_equal(err_tag(ERR_LOCKED), "LockAlreadyExists");
    assert_int_equal(err_http(ERR_LOCKED), 409);
    assert_int_equal(err_exit(ERR_LOCKED), 5);
    assert_false(err_retry(ERR_LOCKED));
    assert_true(err_retry(ERR_BUSY));
    for (int c = 0; c < ERR_CODES; c++) {
        assert_non_null(err_tag((enum err_code)c));
        assert_in_range(err_http((enum err_code)c), 200, 599);
        assert_int_equal(err_exit((enum err_code)c) == 0, c == ERR_NONE);
    }
}

static void the_first_failure_wins(void **state)
{
    struct err e = { .code = ERR_NONE };
    assert_false(fail(&e, ERR_NOT_FOUND, "no lock %s", "vpc"));
    assert_false(fail(&e, ERR_BUSY, "something else"));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.text, "no lock vpc");
    assert_non_null(strstr(e.where, "test_err.c:"));
}

static void context_is_put_in_front_and_keeps_the_code(void **state)
{
    struct err e = { .code = ERR_NONE };
    errno = ENOSPC;
    fail_errno(&e, "writing");
    assert_int_equal(e.sys, ENOSPC);
    assert_int_equal(e.code, ERR_INTERNAL);
    assert_false(fail_ctx(&e, "claiming lane %d", 7));
    assert_string_equal(e.text, "claiming lane 7: writing");
    assert_int_equal(e.code, ERR_INTERNAL);
}

static void long_texts_are_cut_between_characters(void **state)
{
    char text[4 * ERR_TEXT_BYTES] = "";
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        struct err e = { .code = ERR_NONE };
        fail(&e, ERR_INVALID, "%s", text);
        assert_true(strlen(e.text) > ERR_TEXT_BYTES - 6);
        assert_true(str_is_utf8(str_of(e.text)));
        fail_ctx(&e, "in front");
        assert_true(str_is_utf8(str_of(e.text)));
        assert_memory_equal(e.text, "in front: ", 10);
    }
}

static void details_end_with_and_more(void **state)
{
    struct err e = { .code = ERR_NONE };
    for (int i = 0; i < 80; i++)
        err_detail(&e, "wrong");
    assert_int_equal(e.details, ERR_DETAILS_MAX);
    assert_string_equal(e.detail[ERR_DETAILS_MAX - 2], "wrong");
    assert_string_equal(e.detail[ERR_DETAILS_MAX - 1], "… and more");
    err_clear(&e);
    assert_int_equal(e.details, 0);
    assert_int_equal(e.code, ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_decides_tag_status_exit_and_retry),
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(context_is_put_in_front_and_keeps_the_code),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(details_end_with_and_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
