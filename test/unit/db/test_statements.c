/*
 * The memory of prepared statements, against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "db/statements.h"

static const char texts[2000][2];

static void what_was_added_is_found_and_nothing_else(void **state)
{
    struct statements *s = calloc(1, sizeof(*s));
    int a, b;

    assert_null(statements_find(s, texts[0]));
    assert_null(statements_add(s, texts[0], &a));
    assert_null(statements_add(s, texts[1], &b));
    assert_ptr_equal(statements_find(s, texts[0]), &a);
    assert_ptr_equal(statements_find(s, texts[1]), &b);
    assert_null(statements_find(s, texts[2]));
    assert_ptr_equal(statements_take(s, texts[0]), &a);
    assert_null(statements_find(s, texts[0]));
    assert_null(statements_take(s, texts[0]));
    assert_ptr_equal(statements_find(s, texts[1]), &b);
    free(s);
}

static void the_one_unused_for_longest_makes_room(void **state)
{
    struct statements *s = calloc(1, sizeof(*s));
    static char mark[STATEMENTS_MAX + 2];

    for (int i = 0; i < STATEMENTS_MAX; i++)
        assert_null(statements_add(s, texts[i], &mark[i]));
    assert_non_null(statements_find(s, texts[0]));          /* used again: now 1 is the oldest */
    assert_ptr_equal(statements_add(s, texts[STATEMENTS_MAX], &mark[STATEMENTS_MAX]), &mark[1]);
    assert_ptr_equal(statements_add(s, texts[STATEMENTS_MAX + 1], &mark[STATEMENTS_MAX + 1]),
                     &mark[2]);
    assert_ptr_equal(statements_find(s, texts[0]), &mark[0]);
    assert_null(statements_find(s, texts[1]));
    free(s);
}

static void a_long_random_life_agrees_with_the_model(void **state)
{
    struct statements *s = calloc(1, sizeof(*s));
    static char mark[2000];
    static bool in[2000];
    size_t count = 0;
    uint64_t dice = 1;

    for (int step = 0; step < 100000; step++) {
        size_t i;

        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        i = (size_t)(dice >> 33) % 2000;
        assert_ptr_equal(statements_find(s, texts[i]), in[i] ? &mark[i] : NULL);
        if (in[i]) {
            assert_ptr_equal(statements_take(s, texts[i]), &mark[i]);
            in[i] = false;
            count--;
        } else {
            char *gone = statements_add(s, texts[i], &mark[i]);

            assert_int_equal(gone != NULL, count == STATEMENTS_MAX);
            if (gone) {
                assert_true(in[gone - mark]);
                in[gone - mark] = false;
                count--;
            }
            in[i] = true;
            count++;
        }
    }
    for (void *p; (p = statements_take(s, NULL)) != NULL; count--)
        assert_true(in[(char *)p - mark]);
    assert_int_equal(count, 0);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_nothing_else),
        cmocka_unit_test(the_one_unused_for_longest_makes_room),
        cmocka_unit_test(a_long_random_life_agrees_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
