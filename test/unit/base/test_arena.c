#include "given.h"

#include <stdalign.h>

#include "base/arena.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    GIVEN_ARENA(a);
    for (size_t n = 1; n < 3000; n += 7) {
        unsigned char *p = arena_take(a, n, 1);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xaa, n);
    }
}

static void memory_is_zeroed_again_after_reset(void **state)
{
    GIVEN_ARENA(a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            unsigned char *p = arena_take(a, 100, 7);
            for (size_t k = 0; k < 700; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xff, 700);
        }
        unsigned char *big = arena_take(a, 1, 300000);
        assert_int_equal(big[0] | big[299999], 0);
        memset(big, 0xff, 300000);
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
}

static void takings_do_not_overlap(void **state)
{
    GIVEN_ARENA(a);
    enum { N = 400 };
    unsigned char *p[N];
    size_t size[N];
    for (size_t i = 0; i < N; i++) {
        size[i] = (i * 7919) % 20000 + 1;
        p[i] = arena_take(a, size[i], 1);
        memset(p[i], (int)(i & 0xff), size[i]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            if (p[i][k] != (i & 0xff))
                fail_msg("taking %zu was overwritten at %zu", i, k);
}

static void growing_keeps_the_old_and_zeroes_the_new(void **state)
{
    GIVEN_ARENA(a);
    uint32_t *p = NULL;
    size_t n = 0;
    for (size_t grown = 1; grown < 100000; grown = grown * 3 / 2 + 1) {
        p = arena_grow(a, p, n, grown, sizeof *p);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], i + 1);
        for (size_t i = n; i < grown; i++) {
            assert_int_equal(p[i], 0);
            p[i] = (uint32_t)i + 1;
        }
        n = grown;
    }
    /* and when something else was taken in between */
    char *text = arena_grow(a, NULL, 0, 4, 1);
    memcpy(text, "abcd", 4);
    char *other = arena_take(a, 4, 1);
    memcpy(other, "wxyz", 4);
    text = arena_grow(a, text, 4, 64, 1);
    assert_memory_equal(text, "abcd\0\0", 6);
    assert_memory_equal(other, "wxyz", 4);
}

static void soft_limit_is_remembered(void **state)
{
    SCOPED(arena) struct arena *a = arena_new(1000, 100000);
    arena_take(a, 900, 1);
    assert_false(arena_over(a));
    arena_take(a, 200, 1);
    assert_true(arena_over(a));
    assert_true(arena_used(a) >= 1100);
    assert_int_equal(arena_left(a), 100000 - arena_used(a));
    arena_reset(a);
    assert_false(arena_over(a));
}

static void take_past_hard(void *arg)  { arena_take(arg, 100001, 1); }
/* volatile: the compiler would see these sizes and refuse them itself. */
static volatile size_t half = SIZE_MAX / 2, all = SIZE_MAX - 3;
static void take_overflow(void *arg)   { arena_take(arg, half, 3); }
static void take_huge(void *arg)       { arena_take(arg, all, 1); }
static void grow_past_hard(void *arg)  { arena_grow(arg, NULL, 0, SIZE_MAX / 4, 8); }
static void take_twice(void *arg)
{
    arena_take(arg, 60000, 1);
    arena_take(arg, 60000, 1);
}
static void take_little(void *arg)     { arena_take(arg, 99000, 1); }

static void hard_limit_and_overflow_abort(void **state)
{
    SCOPED(arena) struct arena *a = arena_new(1000, 100000);
    assert_false(given_aborts(take_little, a));
    assert_true(given_aborts(take_past_hard, a));
    assert_true(given_aborts(take_twice, a));
    assert_true(given_aborts(take_overflow, a));
    assert_true(given_aborts(take_huge, a));
    assert_true(given_aborts(grow_past_hard, a));
}

static void texts_end_in_nul(void **state)
{
    GIVEN_ARENA(a);
    str s = arena_copy(a, str_sub(STR("hello world"), 0, 5));
    assert_str(s, STR("hello"));
    assert_int_equal(s.ptr[5], 0);
    assert_string_equal(arena_z(a, STR_NONE), "");
    assert_str(arena_print(a, "%s-%d", "run", 42), STR("run-42"));
    assert_int_equal(arena_print(a, "%5000d", 1).len, 5000);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(memory_is_zeroed_again_after_reset),
        cmocka_unit_test(takings_do_not_overlap),
        cmocka_unit_test(growing_keeps_the_old_and_zeroes_the_new),
        cmocka_unit_test(soft_limit_is_remembered),
        cmocka_unit_test(hard_limit_and_overflow_abort),
        cmocka_unit_test(texts_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
