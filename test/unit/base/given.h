/*
 * given: what every test of base starts with: one include, one arena.
 */
#ifndef SIGNALBOX_TEST_UNIT_BASE_GIVEN_H
#define SIGNALBOX_TEST_UNIT_BASE_GIVEN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `fail` is ours (base/err.h); cmocka's macro of that name gives way, and fail_msg must not depend
 * on it. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        print_error("ERROR: " __VA_ARGS__);                                                        \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

#include "base/arena.h"
#include "base/err.h"
#include "base/scope.h"

enum { GIVEN_SOFT = 64 << 20, GIVEN_HARD = 512 << 20 };
#define GIVEN_ARENA(name) SCOPED(arena) struct arena *name = arena_new(GIVEN_SOFT, GIVEN_HARD)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        str got_ = (got), want_ = (want);                                                          \
        if (!str_eq(got_, want_))                                                                  \
            fail_msg("got \"%.*s\", want \"%.*s\"", FMT_STR(got_), FMT_STR(want_));                \
    } while (0)

/* Runs `act` in a child; true when it ended by abort. */
bool given_aborts(void (*act)(void *), void *arg);

#endif
