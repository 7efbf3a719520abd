/* action_run.h: the table, pair by pair, and the token of a callback. */
#include "given.h"
#include "domain/action_run.h"
#include "base/secret.h"

static const char letter[] = "prSFCT";      /* one per state, in order; capitals are ends */
_Static_assert(sizeof letter == ACTION_STATE_COUNT + 1, "a letter per state");

static void the_table_is_exactly_this(void **state)
{
    static const char *const want[ACTION_STATE_COUNT] = {
        /* . late   - refused    acc done undel unprep progr succ fail stop cancel reap */
        [ACTION_PENDING]   = "    r   S    F     F      r     S    F    C    C      T",
        [ACTION_RUNNING]   = "    .   S    .     .      r     S    F    C    r      T",
        [ACTION_SUCCEEDED] = "    .   .    .     .      -     -    -    .    -      .",
        [ACTION_FAILED]    = "    .   .    .     .      -     -    -    .    -      .",
        [ACTION_CANCELLED] = "    .   .    .     .      -     -    -    .    -      .",
        [ACTION_TIMED_OUT] = "    .   .    .     .      -     -    -    .    -      .",
    };
    int bad = 0;
    for (unsigned s = 0; s < ACTION_STATE_COUNT; s++) {
        const char *w = want[s];
        for (unsigned ev = 0; ev < ACTION_EVENT_COUNT; ev++, w++) {
            w += strspn(w, " ");
            struct action_edge x = action_edge((enum action_state)s, (enum action_event)ev);
            char got = x.verdict == ACTION_MOVE ? letter[x.to] : x.verdict == ACTION_STALE ? '.' : '-';
            if (got != *w) {
                print_error("%s + %s: got %c, want %c\n", action_state_name((enum action_state)s),
                            action_event_name((enum action_event)ev), got, *w);
                bad++;
            }
        }
        assert_int_equal(*w, 0);
    }
    assert_int_equal(bad, 0);
}

static void what_has_ended_never_moves(void **state)
{
    for (unsigned s = 0; s < ACTION_STATE_COUNT; s++)
        for (unsigned ev = 0; ev < ACTION_EVENT_COUNT; ev++) {
            struct action_edge x = action_edge((enum action_state)s, (enum action_event)ev);
            assert_false(action_state_ended((enum action_state)s) && x.verdict == ACTION_MOVE);
            assert_false(x.verdict == ACTION_MOVE && x.to == ACTION_PENDING);
        }
}

static void names_are_read_back(void **state)
{
    enum action_state s = ACTION_STATE_COUNT;
    for (unsigned i = 0; i < ACTION_STATE_COUNT; i++) {
        assert_true(action_state_read(str_of(action_state_name((enum action_state)i)), &s));
        assert_int_equal(s, i);
    }
    assert_false(action_state_read(STR("done"), &s));
    assert_false(action_state_read(STR(""), &s));
}

static void ids_are_canonical(void **state)
{
    static const struct { const char *id; bool ok; } row[] = {
        { "0198c7a0-1111-7abc-8def-0123456789ab", true },
        { "0198C7A0-1111-7abc-8def-0123456789ab", false },
        { "0198c7a01111-7abc-8def-0123456789abcd", false },
        { "0198c7a0-1111-7abc-8def-0123456789a", false },
        { "0198c7a0-1111-7abc-8def-0123456789abc", false },
        { "0198c7a0-1111-7abc-8def-0123456789ag", false },
        { "{0198c7a0-1111-7abc-8def-0123456789a}", false },
        { "", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (action_run_id_ok(str_of(row[i].id)) != row[i].ok)
            wrong("%s", row[i].id);
}

#define ID "0198c7a0-1111-7abc-8def-0123456789ab"

static void a_token_is_bound_to_run_and_time(void **state)
{
    str id, token = action_token(mem, STR("key"), STR(ID), 1795000000000);
    int64_t expires_ms = 0;
    assert_true(str_starts(token, STR(ID ":1795000000000:")));
    assert_int_equal(token.len, sizeof ID ":1795000000000:" - 1 + 43);
    assert_true(action_token_read(token, &id, &expires_ms));
    then_text(id, ID);
    assert_int_equal(expires_ms, 1795000000000);
    assert_true(str_eq(token, action_token(mem, STR("key"), STR(ID), 1795000000000)));
    assert_false(str_eq(token, action_token(mem, STR("other"), STR(ID), 1795000000000)));
    assert_false(str_eq(token, action_token(mem, STR("key"), STR(ID), 1795000000001)));
    assert_false(str_eq(str_sub(token, 37, token.len),
                        str_sub(action_token(mem, STR("key"), STR("1198c7a0-1111-7abc-8def-0123456789ab"),
                                             1795000000000), 37, token.len)));
}

static void what_is_no_token_is_not_read(void **state)
{
    static const char *const row[] = {
        "", ":", "::", ID, ID ":", ID ":1795000000000", ID ":1795000000000:", ID ":1795000000000:short",
        ID ":0:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ID ":-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ID ":x:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ID ":99999999999999999999:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "nobody:1795000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str id;
        int64_t expires_ms;
        if (action_token_read(str_of(row[i]), &id, &expires_ms))
            wrong("%s", row[i]);
    }
}

int main(void)
{
    struct err e = { 0 };
    const struct CMUnitTest tests[] = {
        TEST(the_table_is_exactly_this),
        TEST(what_has_ended_never_moves),
        TEST(names_are_read_back),
        TEST(ids_are_canonical),
        TEST(a_token_is_bound_to_run_and_time),
        TEST(what_is_no_token_is_not_read),
    };
    if (!secret_start(&e))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
