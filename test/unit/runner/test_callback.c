/* What is said to the platform, and what its answer means (runner.md §5.1). */
#include "given.h"

#include "base/json.h"
#include "runner/callback.h"

static struct run *given_ended(struct run *r)
{
    *r = (struct run){ .stage = RUN_ENDED, .expires_ms = NOW_MS + 3600000 };
    memcpy(r->id, RUN_1, sizeof RUN_1);
    text_set(&r->workflow, STR("w"));
    text_set(&r->stack, STR("s"));
    r->outcome.started_ms = NOW_MS;
    r->outcome.finished_ms = NOW_MS + 1500;
    return r;
}

static void drop(struct run *r)
{
    free(r->workflow);
    free(r->stack);
    free(r->outcome.error);
    free(r->outcome.failed_step);
    free(r->outcome.tail);
}

static struct json body_of(struct arena *mem, const struct run *r)
{
    struct json v;
    struct err e = { 0 };
    if (!json_parse(mem, callback_body(mem, r), 0, &v, &e))
        fail_msg("%s", e.text);
    return v;
}

static str said(struct arena *mem, struct json v, const char *path)
{
    return json_str(json_path(v, path), mem);
}

static void success_is_told_with_its_figures(void **state)
{
    GIVEN_ARENA(mem);
    struct run r;
    given_ended(&r)->outcome.succeeded = true;
    r.outcome.has_exit_code = true;
    memcpy(r.outcome.commit, "abc", 4);
    text_set(&r.outcome.tail, STR("done\n"));
    struct json v = body_of(mem, &r);
    assert_str(said(mem, v, "status"), STR("succeeded"));
    assert_false(json_present(json_get(v, STR("error"))));
    assert_str(said(mem, v, "metadata.runId"), STR(RUN_1));
    assert_str(said(mem, v, "metadata.commit"), STR("abc"));
    assert_str(said(mem, v, "metadata.logTail"), STR("done\n"));
    assert_int_equal(json_i64_or(json_path(v, "metadata.durationMs"), 0), 1500);
    assert_int_equal(json_i64_or(json_path(v, "metadata.exitCode"), -1), 0);
    drop(&r);
}

static void failure_is_told_with_a_sentence(void **state)
{
    GIVEN_ARENA(mem);
    struct run r;
    given_ended(&r)->outcome.reason = RUN_EXIT_CODE;
    r.outcome.has_exit_code = true;
    r.outcome.exit_code = 42;
    text_set(&r.outcome.error, STR("step \"apply\" ended with 42"));
    text_set(&r.outcome.failed_step, STR("apply"));
    struct json v = body_of(mem, &r);
    assert_str(said(mem, v, "status"), STR("failed"));
    assert_str(said(mem, v, "error"), STR("step \"apply\" ended with 42"));
    assert_str(said(mem, v, "metadata.reason"), STR("exit_code"));
    assert_str(said(mem, v, "metadata.failedStep"), STR("apply"));
    assert_int_equal(json_i64_or(json_path(v, "metadata.exitCode"), -1), 42);
    drop(&r);
    given_ended(&r)->outcome.reason = RUN_INTERNAL;
    assert_true(said(mem, body_of(mem, &r), "error").len > 0);
    drop(&r);
}

static void progress_is_told_by_its_phase(void **state)
{
    GIVEN_ARENA(mem);
    struct run r;
    given_ended(&r)->stage = RUN_STARTED;
    r.phase = PHASE_RUNNING;
    struct json v = body_of(mem, &r);
    assert_str(said(mem, v, "status"), STR("running"));
    assert_str(said(mem, v, "metadata.phase"), STR("running"));
    assert_false(json_present(json_path(v, "metadata.finishedAt")));
    drop(&r);
}

static const struct { int status; enum callback_next next; } ANSWERS[] = {
    { 200, NEXT_DONE },     { 202, NEXT_DONE },     { 204, NEXT_DONE },     { 409, NEXT_DONE },
    { 400, NEXT_REFUSED },  { 401, NEXT_REFUSED },  { 403, NEXT_REFUSED },  { 404, NEXT_REFUSED },
    { 410, NEXT_REFUSED },  { 422, NEXT_REFUSED },  { 301, NEXT_REFUSED },  { 307, NEXT_REFUSED },
    { 408, NEXT_AGAIN },    { 425, NEXT_AGAIN },    { 429, NEXT_AGAIN },    { 500, NEXT_AGAIN },
    { 502, NEXT_AGAIN },    { 503, NEXT_AGAIN },    { 599, NEXT_AGAIN },
};

static void an_answer_means_done_never_or_again(void **state)
{
    GIVEN_ARENA(mem);
    for (size_t i = 0; i < COUNT(ANSWERS); i++) {
        struct http_answer a = { .outcome = HTTP_ANSWERED, .status = ANSWERS[i].status };
        if (callback_judge(mem, &a, 1, 0).next != ANSWERS[i].next)
            fail_msg("%d", ANSWERS[i].status);
    }
    struct http_answer silent[] = { { .outcome = HTTP_NOT_SENT }, { .outcome = HTTP_UNKNOWN } };
    for (size_t i = 0; i < COUNT(silent); i++)
        assert_int_equal(callback_judge(mem, &silent[i], 1, 0).next, NEXT_AGAIN);
}

/* Full jitter: anything below a bound that doubles up to a minute. */
static void attempts_become_rarer_and_are_scattered(void **state)
{
    GIVEN_ARENA(mem);
    struct http_answer a = { .outcome = HTTP_ANSWERED, .status = 503 };
    static const struct { int64_t attempts, bound_ms; } row[] = {
        { 1, 1000 }, { 2, 2000 }, { 3, 4000 }, { 6, 32000 }, { 7, 60000 }, { 1000000, 60000 },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        uint64_t bound = (uint64_t)row[i].bound_ms;
        assert_true(callback_judge(mem, &a, row[i].attempts, bound - 1).wait_ms ==
                    row[i].bound_ms - 1);
        assert_true(callback_judge(mem, &a, row[i].attempts, bound).wait_ms == 0);
        assert_true(callback_judge(mem, &a, row[i].attempts, UINT64_MAX).wait_ms < row[i].bound_ms);
    }
}

static void who_asks_for_time_gets_it(void **state)
{
    GIVEN_ARENA(mem);
    struct http_header header = { STR("retry-after"), STR("7") };
    struct http_answer a = { .outcome = HTTP_ANSWERED, .status = 503, .headers = &header,
                             .header_count = 1 };
    assert_true(callback_judge(mem, &a, 1, 500).wait_ms == 7500);
    header.value = STR("Wed, 21 Oct 2026 07:28:00 GMT");
    assert_true(callback_judge(mem, &a, 1, 500).wait_ms == 500);
    header.value = STR("99999999");
    assert_true(callback_judge(mem, &a, 1, 500).wait_ms == 500);
}

static void it_is_tried_until_nobody_would_listen(void **state)
{
    struct run r;
    given_ended(&r);
    assert_true(callback_until_ms(&r) == NOW_MS + 3600000);
    r.expires_ms = NOW_MS + 10 * (int64_t)CALLBACK_PATIENCE_MS;
    assert_true(callback_until_ms(&r) == NOW_MS + 1500 + CALLBACK_PATIENCE_MS);
    drop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_told_with_its_figures),
        cmocka_unit_test(failure_is_told_with_a_sentence),
        cmocka_unit_test(progress_is_told_by_its_phase),
        cmocka_unit_test(an_answer_means_done_never_or_again),
        cmocka_unit_test(attempts_become_rarer_and_are_scattered),
        cmocka_unit_test(who_asks_for_time_gets_it),
        cmocka_unit_test(it_is_tried_until_nobody_would_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
