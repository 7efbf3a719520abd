/* Who may make whom what, and how long who guesses waits. */
#include "given.h"

#include "domain/role.h"

static void names_are_read_and_written(void **state)
{
    for (enum role r = ROLE_MEMBER; r <= ROLE_OWNER; r++)
        assert_int_equal(role_read(role_name(r)), r);
    assert_int_equal(role_read(STR("")), ROLE_NONE);
    assert_int_equal(role_read(STR("Owner")), ROLE_NONE);
    assert_int_equal(role_read(STR("root")), ROLE_NONE);
}

static void owners_touch_owners_and_one_stays(void **state)
{
    static const struct { enum role by, from, to; int64_t owners; enum err_code want; } table[] = {
        {ROLE_MEMBER, ROLE_MEMBER, ROLE_NONE, 1, ERR_DENIED},
        {ROLE_NONE, ROLE_MEMBER, ROLE_NONE, 1, ERR_DENIED},
        {ROLE_ADMIN, ROLE_MEMBER, ROLE_ADMIN, 1, ERR_NONE},
        {ROLE_ADMIN, ROLE_ADMIN, ROLE_NONE, 1, ERR_NONE},
        {ROLE_ADMIN, ROLE_NONE, ROLE_ADMIN, 1, ERR_NONE},
        {ROLE_ADMIN, ROLE_NONE, ROLE_OWNER, 1, ERR_DENIED},
        {ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, 1, ERR_DENIED},
        {ROLE_ADMIN, ROLE_OWNER, ROLE_MEMBER, 5, ERR_DENIED},
        {ROLE_ADMIN, ROLE_OWNER, ROLE_NONE, 5, ERR_DENIED},
        {ROLE_OWNER, ROLE_MEMBER, ROLE_OWNER, 1, ERR_NONE},
        {ROLE_OWNER, ROLE_OWNER, ROLE_OWNER, 1, ERR_NONE},
        {ROLE_OWNER, ROLE_OWNER, ROLE_ADMIN, 2, ERR_NONE},
        {ROLE_OWNER, ROLE_OWNER, ROLE_ADMIN, 1, ERR_CONFLICT},
        {ROLE_OWNER, ROLE_OWNER, ROLE_NONE, 1, ERR_CONFLICT},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct err e = { .code = ERR_NONE };
        bool ok = role_may_change(table[i].by, table[i].from, table[i].to, table[i].owners, &e);
        assert_int_equal(e.code, table[i].want);
        assert_int_equal(ok, table[i].want == ERR_NONE);
    }
}

static void waits_double_up_to_a_quarter_of_an_hour(void **state)
{
    static const struct { int64_t failures, free, want_ms; } table[] = {
        {0, 5, 0}, {4, 5, 0}, {5, 5, 1000}, {6, 5, 2000}, {7, 5, 4000}, {14, 5, 512000},
        {15, 5, 900000}, {16, 5, 900000}, {1000000, 5, 900000}, {19, 20, 0}, {20, 20, 1000},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(sign_in_wait_ms(table[i].failures, table[i].free), table[i].want_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(owners_touch_owners_and_one_stays),
        cmocka_unit_test(waits_double_up_to_a_quarter_of_an_hour),
    };
    return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
