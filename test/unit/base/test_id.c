#include "given.h"

#include "base/id.h"

static void ids_have_prefix_and_28_characters(void **state)
{
    GIVEN_ARENA(a);
    str id = id_new(a, "run_", 1787306400000);
    assert_int_equal(id.len, 4 + 28);
    assert_true(id_valid(id, "run_"));
    assert_false(id_valid(id, "lock_"));
    assert_false(id_valid(str_sub(id, 0, id.len - 1), "run_"));
    assert_false(id_valid(STR("run_"), "run_"));
    assert_false(id_valid(STR("run_0123456789012345678901234567"), "lock_"));
    assert_true(id_valid(STR("run_0123456789abcdefghijklmnopqz"), "run_"));
    static const char *const bad[] = {
        "run_0123456789abcdefghijklmnopqZ",  "run_0123456789abcdefghijklmnop-z",
        "run_0123456789abcdefghijklmnopqrs", "run_0123456789abcdefghijklmnopq",
        "Run_0123456789abcdefghijklmnopqr",  "run_0123456789abcdefghijklmnop'z",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (id_valid(str_of(bad[i]), "run_"))
            fail_msg("%s", bad[i]);
}

static void ids_rise_with_time(void **state)
{
    GIVEN_ARENA(a);
    str last = id_new(a, "x_", 0);
    for (int64_t ms = 1; ms < 253402300799999; ms = ms * 3 + 1) {
        str id = id_new(a, "x_", ms);
        assert_int_equal(str_cmp(last, id), -1);
        last = id;
    }
}

static int by_bytes(const void *x, const void *y)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

static void ids_of_one_moment_differ_in_every_place(void **state)
{
    GIVEN_ARENA(a);
    enum { N = 5000 };
    str *ids = arena_make(a, str, N);
    bool seen[28][36] = { 0 };
    for (size_t i = 0; i < N; i++) {
        ids[i] = id_new(a, "", 1787306400000);
        for (size_t k = 0; k < 28; k++) {
            char c = ids[i].ptr[k];
            seen[k][c <= '9' ? c - '0' : c - 'a' + 10] = true;
        }
    }
    qsort(ids, N, sizeof *ids, by_bytes);
    for (size_t i = 1; i < N; i++)
        assert_false(str_eq(ids[i - 1], ids[i]));
    for (size_t k = 10; k < 28; k++)
        for (size_t c = 0; c < 36; c++)
            if (!seen[k][c])
                fail_msg("place %zu never shows character %zu", k, c);
}

static void a_moment_stands_between_the_ids_before_and_after(void **state)
{
    GIVEN_ARENA(a);
    static const int64_t moments[] = { 1, 35, 36, 1787306400000, 1787306400001, 4102444800000 };
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        str least = id_least(a, "run_", moments[i]);
        assert_true(str_cmp(id_new(a, "run_", moments[i] - 1), least) < 0);
        assert_true(str_cmp(id_new(a, "run_", moments[i]), least) >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_prefix_and_28_characters), cmocka_unit_test(ids_rise_with_time),
        cmocka_unit_test(ids_of_one_moment_differ_in_every_place),
        cmocka_unit_test(a_moment_stands_between_the_ids_before_and_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
