#include "given.h"

#include <time.h>

#include "base/clock.h"

static void clocks_agree_with_the_system(void **state)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    assert_in_range(clock_utc_ms() - now_ms + 2000, 0, 62000);
    int64_t ms = clock_mono_ms(), us = clock_mono_us();
    assert_in_range(us / 1000 - ms, 0, 60000);
}

static void monotonic_never_goes_back(void **state)
{
    int64_t last = clock_mono_us();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_mono_us();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree_with_the_system), cmocka_unit_test(monotonic_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
