/*
 * Shared by the domain's tests: an arena a test, and JSON as one would write it by hand (single
 * quotes stand for double ones).
 */
#ifndef SIGNALBOX_TEST_DOMAIN_GIVEN_H
#define SIGNALBOX_TEST_DOMAIN_GIVEN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#undef fail                     /* cmocka has one of its own */
#include "base/json.h"

/* cmocka's fail_msg, which err.h's fail() would break. */
#define wrong(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

static struct arena *mem;

static inline int setup_mem(void **state)
{
    (void)state;
    mem = arena_new((size_t)1 << 30, (size_t)2 << 30);
    return 0;
}

static inline int drop_mem(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_mem, drop_mem)

static inline struct json given_raw(str text)
{
    struct json out;
    struct err e = { 0 };
    if (!json_parse(mem, text, 0, &out, &e))
        wrong("the test's own JSON is wrong: %s", e.text);
    return out;
}

static inline struct json given_json(const char *text)
{
    str copy = arena_copy(mem, str_of(text));
    for (size_t i = 0; i < copy.len; i++)
        if (copy.ptr[i] == '\'')
            ((char *)(uintptr_t)copy.ptr)[i] = '"';
    return given_raw(copy);
}

static inline void then_text(str got, const char *want)
{
    if (!str_eq(got, str_of(want)))
        wrong("expected \"%s\", got \"%.*s\"", want, (int)got.len, got.ptr ? got.ptr : "");
}

static inline void then_error(const struct err *e, enum err_code code, const char *part)
{
    if (e->code != code || !strstr(e->text, part))
        wrong("expected %s with \"%s\", got %s: %s", err_tag(code), part, err_tag(e->code),
              e->text);
}

static inline void then_detail(const struct err *e, unsigned at, const char *part)
{
    if (at >= e->details || !strstr(e->detail[at], part))
        wrong("expected detail %u with \"%s\", got \"%s\"", at, part,
              at < e->details ? e->detail[at] : "none");
}

/* No byte of it can break a line or turn the text around. */
static inline void then_plain(str s)
{
    assert_true(str_is_utf8(s));
    for (size_t i = 0; i < s.len; i++)
        assert_false((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f);
    static const char *const hostile[] = {"\u202e", "\u2066", "\u200f",
                                          "\u2028", "\u200b", "\ufeff"};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        assert_false(str_has(s, str_of(hostile[i])));
}

#endif
