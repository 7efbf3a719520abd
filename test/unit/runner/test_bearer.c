/* Who may call (runner.md §3.2). */
#include "given.h"

#include "runner/bearer.h"

#define OTHER_TOKEN "fedcba9876543210fedcba9876543210"

static enum bearer_verdict ask(struct bearer *b, const char *peer, const char *const values[],
                               int64_t now_ms)
{
    struct http_header headers[4];
    struct http_request r = { .headers = headers, .peer = str_of(peer) };
    for (; values[r.header_count]; r.header_count++)
        headers[r.header_count] =
            (struct http_header){ STR("Authorization"), str_of(values[r.header_count]) };
    return bearer_check(b, &r, now_ms);
}

static enum bearer_verdict one(struct bearer *b, const char *value)
{
    static int64_t now_ms = 0;
    now_ms += BEARER_WINDOW_MS;         /* nobody is too often here */
    return ask(b, "10.0.0.1", (const char *const[]){ value, NULL }, now_ms);
}

static void the_header_has_one_form(void **state)
{
    static struct bearer b;
    bearer_init(&b, STR(AUTH_TOKEN), STR_NONE);
    static const struct { const char *value; bool ok; } row[] = {
        { "Bearer " AUTH_TOKEN, true },         { "bearer " AUTH_TOKEN, true },
        { "BEARER " AUTH_TOKEN, true },         { "Bearer  " AUTH_TOKEN, false },
        { "Bearer " AUTH_TOKEN " ", false },    { "Bearer", false },
        { "Bearer ", false },                   { "", false },
        { AUTH_TOKEN, false },                  { "Basic " AUTH_TOKEN, false },
        { "Bearer " AUTH_TOKEN "x", false },    { "Bearer " OTHER_TOKEN, false },
        { "Bearer " AUTH_TOKEN " " AUTH_TOKEN, false },
    };
    for (size_t i = 0; i < COUNT(row); i++)
        if ((one(&b, row[i].value) == BEARER_OK) != row[i].ok)
            fail_msg("%s", row[i].value);
    assert_int_equal(one(&b, NULL), BEARER_WRONG);
    assert_int_equal(ask(&b, "10.9.9.9",
                         (const char *const[]){ "Bearer " AUTH_TOKEN, "Bearer " AUTH_TOKEN, NULL },
                         1),
                     BEARER_WRONG);
}

static void two_tokens_are_right_while_one_is_replaced(void **state)
{
    static struct bearer b;
    bearer_init(&b, STR(OTHER_TOKEN), STR(AUTH_TOKEN));
    assert_int_equal(one(&b, "Bearer " AUTH_TOKEN), BEARER_OK);
    assert_int_equal(one(&b, "Bearer " OTHER_TOKEN), BEARER_OK);
    bearer_change(&b, STR(OTHER_TOKEN), STR_NONE);
    assert_int_equal(one(&b, "Bearer " AUTH_TOKEN), BEARER_WRONG);
    assert_int_equal(one(&b, "Bearer " OTHER_TOKEN), BEARER_OK);
    assert_int_equal(one(&b, "Bearer "), BEARER_WRONG);
}

static void guessing_has_a_limit_per_address_and_minute(void **state)
{
    static struct bearer b;
    static const char *const wrong[] = { "Bearer x", NULL }, *const right[] = { "Bearer " AUTH_TOKEN,
                                                                                NULL };
    bearer_init(&b, STR(AUTH_TOKEN), STR_NONE);
    for (int i = 0; i < BEARER_FAILURES_MAX; i++)
        assert_int_equal(ask(&b, "10.0.0.7", wrong, 1000), BEARER_WRONG);
    assert_int_equal(ask(&b, "10.0.0.7", wrong, 1000), BEARER_TOO_OFTEN);
    assert_int_equal(ask(&b, "10.0.0.7", right, 1000), BEARER_OK);
    assert_int_equal(ask(&b, "10.0.0.8", wrong, 1000), BEARER_WRONG);
    assert_int_equal(ask(&b, "10.0.0.7", wrong, 1000 + BEARER_WINDOW_MS - 1), BEARER_TOO_OFTEN);
    assert_int_equal(ask(&b, "10.0.0.7", wrong, 1000 + BEARER_WINDOW_MS), BEARER_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_has_one_form),
        cmocka_unit_test(two_tokens_are_right_while_one_is_replaced),
        cmocka_unit_test(guessing_has_a_limit_per_address_and_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
