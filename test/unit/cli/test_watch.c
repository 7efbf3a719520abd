/* watch: in virtual time, against a server that tells a story. */
#include "rig.h"

#include <string.h>

#define BATCH(state, verdict, counts, at)                                                          \
    {                                                                                              \
        .data = "{\"id\":\"b1\",\"state\":\"" state "\",\"verdict\":\"" verdict                    \
                "\",\"error\":\"\",\"createdAt\":\"2026-11-21T11:59:00Z\","                        \
                "\"updatedAt\":\"" at "\",\"counts\":{" counts "}}"                                \
    }
#define NODES(items)                                                                               \
    {                                                                                              \
        .data = "{\"items\":[" items "],\"nextCursor\":null}"                                      \
    }
#define NODE(at, state)                                                                            \
    "{\"position\":" at ",\"stack\":\"prod\",\"component\":\"c" at                                 \
    "\",\"workflow\":\"p.yaml\",\"state\":\"" state "\"}"

#define STORY                                                                                      \
    BATCH("running", "", "\"waiting\":1,\"running\":1", "T1"),                                     \
        NODES(NODE("0", "running") "," NODE("1", "waiting")),                                      \
        BATCH("running", "", "\"waiting\":1,\"running\":1", "T1"),                                 \
        BATCH("running", "", "\"running\":1,\"success\":1", "T2"),                                 \
        NODES(NODE("0", "success") "," NODE("1", "running")),                                      \
        BATCH("ended", "failure", "\"failure\":1,\"success\":1", "T3"),                            \
        NODES(NODE("0", "success") ","                                                             \
                                   "{\"position\":1,\"stack\":\"prod\",\"component\":\"c1\","      \
                                   "\"workflow\":\"p.yaml\",\"state\":\"failure\","                \
                                   "\"errorText\":\"exit 1\",\"runUrl\":\"https://x/1\"}")

static void a_pipe_gets_only_the_changes(void **state)
{
    SCRIPT(STORY);
    assert_int_equal(run("batch", "b1", "--watch", NULL), 1);
    assert_string_equal(rig.out,
                        "2026-11-21T12:00:04Z\tprod\tc0\tp.yaml\tsuccess\t\t\n"
                        "2026-11-21T12:00:04Z\tprod\tc1\tp.yaml\trunning\t\t\n"
                        "2026-11-21T12:00:06Z\tprod\tc1\tp.yaml\tfailure\texit 1\thttps://x/1\n"
                        "2026-11-21T12:00:06Z\tended\tfailure\n");
    assert_int_equal(rig.requests, 7); /* where nothing changed, the nodes are not read again */
    assert_int_equal(rig.slept_ms, 6000);
}

static void a_terminal_has_one_line_that_is_drawn_again(void **state)
{
    rig.terminal = true;
    rig.columns = 100;
    SCRIPT(STORY);
    assert_int_equal(run("batch", "b1", "--watch", NULL), 1);
    assert_string_equal(
        rig.out, "running · 1 running · 1 waiting · 1 min"
                 "\r\033[K"
                 "running · 1 running · 1 waiting · 1 min"
                 "\r\033[K"
                 "c0 in prod (p.yaml): running → success\nc1 in prod (p.yaml): waiting → running\n"
                 "running · 1 running · 1 success · 1 min"
                 "\r\033[K"
                 "c1 in prod (p.yaml): running → failure  exit 1  https://x/1\n"
                 "failure: ended · 1 failure · 1 success · 1 min\n");
}

static void a_narrow_terminal_does_not_wrap_the_line(void **state)
{
    rig.terminal = true;
    rig.columns = 20;
    SCRIPT(STORY);
    assert_int_equal(run("batch", "b1", "--watch", NULL), 1);
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(rig.out, "\r"), rig.out);
    assert_true(text_width(str_of(first)) < 20);
}

static void json_is_the_batch_at_its_end(void **state)
{
    SCRIPT(STORY);
    assert_int_equal(run("batch", "b1", "--watch", "--json", NULL), 1);
    assert_has(rig.out, "\"verdict\":\"failure\"");
    assert_lacks(rig.out, "\"state\":\"running\"");
}

static void the_exit_code_is_the_verdict(void **state)
{
    static const struct {
        const char *verdict;
        int code;
    } exits[] = {{"success", 0},    {"empty", 0},       {"failure", 1},
                 {"cancelled", 10}, {"superseded", 11}, {"something newer", 1}};
    for (size_t i = 0; i < COUNT(exits); i++) {
        char data[256];
        snprintf(data, sizeof data,
                 "{\"id\":\"b1\",\"state\":\"ended\",\"verdict\":\"%s\",\"counts\":{},"
                 "\"updatedAt\":\"x\"}",
                 exits[i].verdict);
        SCRIPT({.data = data}, NODES(""));
        assert_int_equal(run("batch", "b1", "--watch", NULL), exits[i].code);
    }
}

/* ---- a wave of two thousand nodes ---- */

static char before[1 << 20], after[1 << 20];

static void wave(char *to, size_t cap, size_t from, size_t count, const char *state,
                 const char *next)
{
    size_t n = (size_t)snprintf(to, cap, "{\"items\":[");
    for (size_t i = from; i < from + count; i++)
        n += (size_t)snprintf(to + n, cap - n,
                              "%s{\"position\":%zu,\"stack\":\"s\",\"component\":\"c%zu\","
                              "\"workflow\":\"p.yaml\",\"state\":\"%s\"}",
                              i > from ? "," : "", i, i, state);
    snprintf(to + n, cap - n, "],\"nextCursor\":%s%s%s}", next ? "\"" : "", next ? next : "null",
             next ? "\"" : "");
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void two_thousand_changes_are_a_line(void **state)
{
    rig.terminal = true;
    rig.columns = 100;
    wave(before, sizeof before, 0, 2000, "waiting", NULL);
    wave(after, sizeof after, 0, 2000, "success", NULL);
    SCRIPT(BATCH("running", "", "\"waiting\":2000", "T1"), {.data = before},
           BATCH("ended", "success", "\"success\":2000", "T2"), {.data = after});
    assert_int_equal(run("batch", "b1", "--watch", NULL), 0);
    assert_has(rig.out, "2000 nodes: waiting → success\n");
    assert_int_equal(lines_of(rig.out), 2);
}

static void many_failures_are_ten_lines_and_a_number(void **state)
{
    rig.terminal = true;
    rig.columns = 100;
    wave(before, sizeof before, 0, 2000, "running", NULL);
    wave(after, sizeof after, 0, 2000, "failure", NULL);
    SCRIPT(BATCH("running", "", "\"running\":2000", "T1"), {.data = before},
           BATCH("ended", "failure", "\"failure\":2000", "T2"), {.data = after});
    assert_int_equal(run("batch", "b1", "--watch", NULL), 1);
    assert_has(rig.out, "c9 in s (p.yaml): running → failure\nand 1990 more that failed\n");
    assert_int_equal(lines_of(rig.out), 12);
}

static void nodes_come_in_pages(void **state)
{
    wave(before, sizeof before, 0, 500, "running", "c1");
    wave(after, sizeof after, 500, 3, "failure", NULL);
    SCRIPT(BATCH("ended", "failure", "\"running\":500,\"failure\":3", "T1"), {.data = before},
           {.data = after});
    assert_int_equal(run("batch", "b1", "--watch", NULL), 1);
    assert_has(rig.asked, "GET /api/v1/batches/b1/nodes?limit=500&cursor=c1\n");
    assert_int_equal(lines_of(rig.out), 4); /* what is wrong already when we come is news */
}

/* ---- bad days ---- */

#define BUSY                                                                                       \
    {                                                                                              \
        .status = 503,                                                                             \
        .envelope =                                                                                \
            "{\"success\":false,\"errorTag\":\"StorageUnavailable\",\"errorMessage\":\"no disk\"}" \
    }
#define THRICE BUSY, BUSY, BUSY

static void a_server_that_goes_and_comes_is_waited_for(void **state)
{
    SCRIPT(BATCH("running", "", "\"waiting\":1", "T1"), NODES(NODE("0", "waiting")), THRICE, THRICE,
           BATCH("ended", "success", "\"success\":1", "T2"), NODES(NODE("0", "success")));
    assert_int_equal(run("batch", "b1", "--watch", NULL), 0);
    assert_string_equal(rig.err, "signalbox: no disk. Waiting for it\n");
}

#define TEN_TIMES(x) x, x, x, x, x, x, x, x, x, x

static void each_absence_is_counted_for_itself(void **state)
{
    SCRIPT(BATCH("running", "", "\"waiting\":1", "T1"), NODES(NODE("0", "waiting")),
           TEN_TIMES(THRICE), TEN_TIMES(THRICE), BATCH("running", "", "\"waiting\":1", "T1"),
           TEN_TIMES(THRICE), TEN_TIMES(THRICE), BATCH("ended", "success", "\"success\":1", "T2"),
           NODES(NODE("0", "success")));
    assert_int_equal(run("batch", "b1", "--watch", NULL), 0);
}

static void a_batch_that_may_no_longer_be_seen_is_left(void **state)
{
    SCRIPT(
        BATCH("running", "", "\"waiting\":1", "T1"), NODES(NODE("0", "waiting")),
        {.status = 403,
         .envelope =
             "{\"success\":false,\"errorTag\":\"PermissionDenied\",\"errorMessage\":\"not you\"}"});
    assert_int_equal(run("batch", "b1", "--watch", NULL), 3);
    assert_int_equal(rig.requests, 3);
}

static void a_server_that_stays_away_is_given_up(void **state)
{
    SCRIPT(BATCH("running", "", "\"waiting\":1", "T1"), NODES(NODE("0", "waiting")), BUSY);
    assert_int_equal(run("batch", "b1", "--watch", NULL), 7);
    assert_true(rig.slept_ms >= 60000);
}

static void a_batch_that_is_not_there_is_not_waited_for(void **state)
{
    SCRIPT(
        {.status = 404,
         .envelope =
             "{\"success\":false,\"errorTag\":\"NotFound\",\"errorMessage\":\"no such batch\"}"});
    assert_int_equal(run("batch", "b1", "--watch", NULL), 4);
    assert_int_equal(rig.requests, 1);
    SCRIPT(BUSY); /* nor is a server that was away from the start */
    assert_int_equal(run("batch", "b1", "--watch", NULL), 7);
    assert_int_equal(rig.requests, 3);
}

static void hostile_names_stay_text(void **state)
{
    rig.terminal = true;
    SCRIPT(BATCH("running", "", "\"waiting\":1", "T1"),
           NODES("{\"position\":0,\"stack\":\"\\u001b[2J\",\"component\":\"\\u202e\",\"state\":"
                 "\"waiting\"}"),
           BATCH("ended", "success", "\"success\":1", "T2"),
           NODES("{\"position\":0,\"stack\":\"\\u001b[2J\",\"component\":\"\\u202e\",\"state\":"
                 "\"success\"}"));
    assert_int_equal(run("batch", "b1", "--watch", NULL), 0);
    assert_lacks(rig.out, "\033[2J");
    assert_lacks(rig.out, "\xe2\x80\xae");
}

static void nodes_out_of_reason_are_passed_over(void **state)
{
    SCRIPT(BATCH("running", "", "\"waiting\":1", "T1"), NODES(NODE("0", "waiting")),
           BATCH("ended", "success", "", "T2"),
           NODES("{\"position\":-1,\"state\":\"failure\"},{\"position\":9223372036854775807,"
                 "\"state\":\"failure\"},"
                 "{\"state\":\"failure\"},{\"position\":0,\"state\":\"a state with far too long a "
                 "name for any table\"}"));
    assert_int_equal(run("batch", "b1", "--watch", NULL), 0);
    assert_int_equal(lines_of(rig.out), 1);
}

/* ---- orders that are watched ---- */

static void an_order_can_be_followed_to_its_end(void **state)
{
    SCRIPT({.data = "{\"batch\":\"b1\",\"dispatches\":1}"},
           BATCH("ended", "cancelled", "\"cancelled\":1", "T1"), NODES(""));
    assert_int_equal(
        run("dispatch", "-r", "a/b", "-s", "p", "-c", "v", "-f", "p.yaml", "--watch", NULL), 10);
    assert_has(rig.asked, "GET /api/v1/batches/b1\n");
    SCRIPT({.data = "{\"batch\":\"b1\"}"}, BATCH("ended", "success", "\"success\":1", "T1"),
           NODES(""));
    assert_int_equal(run("retry", "b1", "--watch", NULL), 0);
    assert_int_equal(rig.requests, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, rig_fresh)
    const struct CMUnitTest tests[] = {
        T(a_pipe_gets_only_the_changes),
        T(a_terminal_has_one_line_that_is_drawn_again),
        T(a_narrow_terminal_does_not_wrap_the_line),
        T(json_is_the_batch_at_its_end),
        T(the_exit_code_is_the_verdict),
        T(two_thousand_changes_are_a_line),
        T(many_failures_are_ten_lines_and_a_number),
        T(nodes_come_in_pages),
        T(a_server_that_goes_and_comes_is_waited_for),
        T(each_absence_is_counted_for_itself),
        T(a_batch_that_may_no_longer_be_seen_is_left),
        T(a_server_that_stays_away_is_given_up),
        T(a_batch_that_is_not_there_is_not_waited_for),
        T(hostile_names_stay_text),
        T(nodes_out_of_reason_are_passed_over),
        T(an_order_can_be_followed_to_its_end),
    };
    return cmocka_run_group_tests_name("cli watch", tests, rig_setup, rig_teardown);
}
