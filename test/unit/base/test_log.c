#include "given.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/log.h"

/* Everything that `act` writes to stderr. */
static str heard(struct arena *a, void (*act)(void))
{
    FILE *to = tmpfile();
    int old = fcntl(2, F_DUPFD_CLOEXEC, 3);
    dup2(fileno(to), 2);
    act();
    dup2(old, 2);
    close(old);
    long n = lseek(fileno(to), 0, SEEK_END);
    char *p = arena_take(a, (size_t)n + 1, 1);
    assert_int_equal(pread(fileno(to), p, (size_t)n, 0), n);
    fclose(to);
    return (str){ p, (size_t)n };
}

static void say_plain(void)
{
    log_setup(LOG_INFO, false);
    log_info("webhook stored", LZ("event", "push"), LI("bytes", -12), LS("empty", STR_NONE),
             LZ("note", "a b"));
}

static void a_line_is_time_level_message_pairs(void **state)
{
    GIVEN_ARENA(a);
    str s = heard(a, say_plain);
    assert_true(
        str_ends(s, STR("Z info webhook stored event=push bytes=-12 empty=\"\" note=\"a b\"\n")));
    assert_int_equal(s.ptr[10], 'T');
    assert_int_equal(str_find(s, '\n', 0), s.len - 1);
}

static void say_evil(void)
{
    log_setup(LOG_INFO, false);
    log_warn("evil", LZ("a", "x\ny\x1b[31m\x7f\"\\"),
             LZ("c1", "\xc2\x9b"
                      "2J"),
             LZ("bad", "\xff\xc3("), LZ("eq", "a=b"));
}

static void controls_cannot_leave_their_value(void **state)
{
    GIVEN_ARENA(a);
    str s = heard(a, say_evil);
    assert_true(str_has(s, STR("a=\"x\\ny\\u001b[31m\\u007f\\\"\\\\\"")));
    assert_true(str_has(s, STR("c1=\"\xef\xbf\xbd" "2J\"")));
    assert_true(str_has(s, STR("bad=\"\xef\xbf\xbd\xef\xbf\xbd(\"")));
    assert_true(str_has(s, STR("eq=\"a=b\"")));
    assert_int_equal(str_find(s, '\n', 0), s.len - 1);
    assert_true(str_is_utf8(s));
}

static char long_text[5000];

static void say_json(void)
{
    log_setup(LOG_DEBUG, true);
    memset(long_text, 'x', sizeof long_text - 1);
    log_debug("evil", LZ("a", "x\ny\x1b[31m\"\\\xff"), LI("n", INT64_MIN), LZ("long", long_text));
}

static void json_lines_are_json(void **state)
{
    GIVEN_ARENA(a);
    struct err e = { .code = ERR_NONE };
    struct json v;
    assert_true(json_parse(a, heard(a, say_json), 0, &v, &e));
    assert_str(json_str(json_get(v, STR("level")), a), STR("debug"));
    assert_str(json_str(json_get(v, STR("message")), a), STR("evil"));
    assert_str(json_str(json_get(v, STR("a")), a), STR("x\ny\x1b[31m\"\\\xef\xbf\xbd"));
    assert_true(json_i64_or(json_get(v, STR("n")), 0) == INT64_MIN);
    assert_int_equal(json_str(json_get(v, STR("long")), a).len, 1024 + 3);
}

static void say_too_much(void)
{
    memset(long_text, '\n', sizeof long_text - 1);
    struct log_pair pairs[20];
    for (size_t i = 0; i < COUNT(pairs); i++)
        pairs[i] = LZ("key", long_text);
    log_setup(LOG_INFO, true);
    log_line(LOG_ERROR, "much", pairs, COUNT(pairs));
    log_setup(LOG_INFO, false);
    log_line(LOG_ERROR, "much", pairs, COUNT(pairs));
}

static void a_line_has_an_end(void **state)
{
    GIVEN_ARENA(a);
    str rest, first = str_cut(heard(a, say_too_much), '\n', &rest);
    assert_int_equal(first.ptr[first.len - 1], '}');
    assert_in_range(first.len, 8 << 10, 16 << 10);
    assert_in_range(rest.len, 8 << 10, 16 << 10);
    assert_int_equal(str_find(rest, '\n', 0), rest.len - 1);
}

static void say_levels(void)
{
    log_setup(LOG_WARN, false);
    log_info("no", LI("n", 1));
    log_warn("yes", LI("n", 2));
}

static void levels_below_the_least_are_silent(void **state)
{
    GIVEN_ARENA(a);
    str s = heard(a, say_levels);
    assert_false(str_has(s, STR("no n=1")));
    assert_true(str_has(s, STR("warn yes n=2")));
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_ERROR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_time_level_message_pairs),
        cmocka_unit_test(controls_cannot_leave_their_value),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(levels_below_the_least_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
