#include "given.h"

#include "base/pack.h"

static void bodies_come_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 129, 1000, 100000, 3000000 };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *p = arena_take(a, sizes[i] + 1, 1);
        for (size_t k = 0; k < sizes[i]; k++)
            p[k] = (char)("{\"a\":1},"[k % 8]);
        str plain = { p, sizes[i] }, back;
        str packed = pack(a, plain);
        struct err e = { .code = ERR_NONE };
        assert_true(unpack(a, packed, sizes[i], &back, &e));
        assert_str(back, plain);
        if (sizes[i] >= 1000)
            assert_true(packed.len < plain.len / 5);
        else
            assert_true(packed.len <= plain.len + 1);
    }
}

static void what_does_not_compress_stays_plain(void **state)
{
    GIVEN_ARENA(a);
    char noise[5000];
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < sizeof noise; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (char)(x >> 32);
    }
    str packed = pack(a, (str){ noise, sizeof noise }), back;
    assert_int_equal(packed.len, sizeof noise + 1);
    struct err e = { .code = ERR_NONE };
    assert_true(unpack(a, packed, sizeof noise, &back, &e));
    assert_memory_equal(back.ptr, noise, sizeof noise);
}

static void the_limit_is_on_the_plain_size(void **state)
{
    GIVEN_ARENA(a);
    char *zeros = arena_take(a, 1000000, 1);
    str packed = pack(a, (str){ zeros, 1000000 }), back;
    assert_true(packed.len < 1000);
    struct err e = { .code = ERR_NONE };
    assert_false(unpack(a, packed, 999999, &back, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    err_clear(&e);
    assert_false(unpack(a, pack(a, STR("abc")), 2, &back, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

static void damage_is_told(void **state)
{
    GIVEN_ARENA(a);
    char text[2000];
    memset(text, 'x', sizeof text);
    str packed = pack(a, (str){ text, sizeof text }), back;
    struct err e = { .code = ERR_NONE };
    static const char *const bad[] = { "", "\x02" "abc", "\x01", "\x01" "not zstd at all" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        err_clear(&e);
        assert_false(unpack(a, str_of(bad[i]), 10000, &back, &e));
        assert_int_equal(e.code, ERR_INTERNAL);
    }
    for (size_t n = 0; n < packed.len; n++) {
        err_clear(&e);
        assert_false(unpack(a, str_sub(packed, 0, n), 10000, &back, &e));
        assert_int_equal(e.code, ERR_INTERNAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_back), cmocka_unit_test(what_does_not_compress_stays_plain),
        cmocka_unit_test(the_limit_is_on_the_plain_size), cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
