/* explain: what is asked, and how the reasons look on a terminal, in a pipe and as JSON. */
#include "rig.h"

#include <string.h>

#define REPOS                                                                                      \
    "{\"items\":[{\"id\":7,\"owner\":\"acme\",\"name\":\"other\"},{\"id\":12,\"owner\":\"acme\","   \
    "\"name\":\"infra\"}],\"nextCursor\":null}"
#define SUBJECT(node)                                                                              \
    "\"repository\":\"acme/infra\",\"change\":{\"kind\":\"pull_request\",\"number\":12,"           \
    "\"title\":\"Larger cluster\",\"state\":\"open\",\"draft\":true,\"headSha\":\"1a2b\"},"        \
    "\"batch\":{\"id\":\"batch_1\",\"activity\":\"opened\",\"headSha\":\"1a2b\",\"state\":"        \
    "\"running\",\"verdict\":\"\",\"url\":\"https://b/1\"},\"node\":" node ",\"asOf\":\"" NOW "\""
#define NODE                                                                                       \
    "{\"position\":3,\"component\":\"app\",\"stack\":\"prod\",\"workflow\":\"p.yaml\",\"state\":"  \
    "\"waiting\"}"
#define WAITS                                                                                      \
    "{\"code\":\"waits_for_parent\",\"text\":\"app in prod waits for vpc in prod, running since "  \
    "11:57 UTC, usually 3 min; 1 other stands between: cluster in prod\",\"change\":\"it goes by " \
    "itself\",\"since\":\"2026-11-21T11:30:00Z\",\"until\":\"2026-11-21T12:06:00Z\",\"numbers\":"  \
    "{},\"url\":null}"
#define RUNS                                                                                       \
    "{\"code\":\"running\",\"text\":\"vpc in prod is running since 11:57 UTC\",\"change\":null,"   \
    "\"since\":\"2026-11-21T11:57:00Z\",\"until\":null,\"numbers\":{},\"url\":\"https://g/1\"}"
#define CHAIN "{\"kind\":\"node\"," SUBJECT(NODE) ",\"reasons\":[" WAITS "," RUNS "]}"

static void every_way_of_asking_finds_its_path(void **state)
{
    static const struct {
        const char *words[8];
        const char *asked;
    } table[] = {
        {{"batch_1"}, "GET /api/v1/batches/batch_1/explain\n"},
        {{"batch_1/3"}, "GET /api/v1/batches/batch_1/nodes/3/explain\n"},
        {{"batch_1", "-c", "a/b", "-s", "x y"},
         "GET /api/v1/batches/batch_1/explain?component=a%2Fb&stack=x%20y\n"},
        {{"batch_1", "-c", "a", "-s", "b", "-f", "p.yaml"},
         "GET /api/v1/batches/batch_1/explain?component=a&stack=b&workflow=p.yaml\n"},
        {{"acme/infra#12"},
         "GET /api/v1/repositories?limit=500\nGET /api/v1/repositories/12/pulls/12/explain\n"},
        {{"ACME/Infra#12"},
         "GET /api/v1/repositories?limit=500\nGET /api/v1/repositories/12/pulls/12/explain\n"},
        {{"#12", "--repo", "acme/infra"},
         "GET /api/v1/repositories?limit=500\nGET /api/v1/repositories/12/pulls/12/explain\n"},
        {{"https://github.com/acme/infra/pull/12/files"},
         "GET /api/v1/repositories?limit=500\nGET /api/v1/repositories/12/pulls/12/explain\n"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *words[10] = {"explain"};
        bool pull = strstr(table[i].asked, "repositories") != NULL;
        for (size_t k = 0; table[i].words[k]; k++)
            words[k + 1] = table[i].words[k];
        if (pull)
            SCRIPT({.data = REPOS}, {.data = CHAIN});
        else
            SCRIPT({.data = CHAIN});
        if (run_words(words) != 0 || strcmp(rig.asked, table[i].asked) != 0)
            fail_msg("%s asked\n%s%s", words[1], rig.asked, rig.err);
    }
}

static void a_wrong_question_is_not_asked(void **state)
{
    static const struct {
        const char *words[8];
        const char *says;
    } table[] = {
        {{"explain"}, "explain needs more"},
        {{"explain", "batch_1/x"}, "a whole number from 0"},
        {{"explain", "batch_1/-1"}, "a whole number from 0"},
        {{"explain", "batch_1/"}, "a whole number from 0"},
        {{"explain", "batch_1", "-c", "vpc"}, "--stack is missing"},
        {{"explain", "batch_1", "-s", "prod"}, "--component is missing"},
        {{"explain", "batch_1/3", "-c", "a", "-s", "b"}, "not both"},
        {{"explain", "acme/infra#x"}, "a pull request is owner/repository#12"},
        {{"explain", "acme/infra#"}, "a pull request is owner/repository#12"},
        {{"explain", "infra#12"}, "must be owner/repository"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        SCRIPT({.data = CHAIN});
        assert_int_equal(run_words(table[i].words), 2);
        assert_has(rig.err, table[i].says);
        assert_int_equal(rig.requests, 0);
    }
}

static void a_terminal_shows_a_chain_with_times_from_now_and_exact_ones(void **state)
{
    rig.terminal = true;
    rig.columns = 70;
    SCRIPT({.data = CHAIN});
    assert_int_equal(run("explain", "batch_1/3", NULL), 0);
    assert_string_equal(
        rig.out, "acme/infra#12  app in prod  batch_1  running  draft  Larger cluster\n"
                 "\n"
                 "1. app in prod waits for vpc in prod, running since 11:57 UTC, usually\n"
                 "   3 min; 1 other stands between: cluster in prod\n"
                 "   →       it goes by itself\n"
                 "   since   30 min ago (2026-11-21T11:30:00Z)\n"
                 "   until   in 6 min (2026-11-21T12:06:00Z)\n"
                 "2. vpc in prod is running since 11:57 UTC\n"
                 "   since   3 min ago (2026-11-21T11:57:00Z)\n"
                 "   look    https://g/1\n");
}

static void the_clock_of_the_server_counts(void **state)
{
    rig.terminal = true;
    rig.start_ms = NOW_MS + 3600 * 1000;            /* ours is an hour fast */
    SCRIPT({.data = CHAIN});
    assert_int_equal(run("explain", "batch_1/3", NULL), 0);
    assert_has(rig.out, "since   30 min ago");
    assert_has(rig.out, "until   in 6 min");
}

static void colours_are_for_terminals_only(void **state)
{
    rig.terminal = rig.colours = true;
    SCRIPT({.data = CHAIN});
    assert_int_equal(run("explain", "batch_1/3", NULL), 0);
    assert_has(rig.out, "\033[36m2. \033[0mvpc in prod is running");
    assert_has(rig.out, "\033[2msince\033[0m   ");
    rig.terminal = false;
    assert_int_equal(run("explain", "batch_1/3", NULL), 0);
    assert_lacks(rig.out, "\033");
}

static void a_pipe_gets_a_reason_a_line(void **state)
{
    SCRIPT({.data = CHAIN});
    assert_int_equal(run("explain", "batch_1/3", NULL), 0);
    assert_string_equal(
        rig.out,
        "1\twaits_for_parent\t2026-11-21T11:30:00Z\t2026-11-21T12:06:00Z\tapp in prod waits for vpc "
        "in prod, running since 11:57 UTC, usually 3 min; 1 other stands between: cluster in "
        "prod\tit goes by itself\t\n"
        "2\trunning\t2026-11-21T11:57:00Z\t\tvpc in prod is running since 11:57 UTC\t\thttps://g/1\n");
    assert_int_equal(run("explain", "batch_1/3", "--json", NULL), 0);
    assert_string_equal(rig.out, CHAIN "\n");
}

static void a_change_without_a_batch_has_a_header_too(void **state)
{
    rig.terminal = true;
    SCRIPT({.data = REPOS},
           {.data = "{\"kind\":\"change\",\"repository\":\"acme/infra\",\"change\":{\"number\":12,"
                    "\"title\":\"\",\"draft\":false},\"batch\":null,\"node\":null,\"asOf\":\"" NOW
                    "\",\"reasons\":[" RUNS "]}"});
    assert_int_equal(run("explain", "acme/infra#12", NULL), 0);
    assert_has(rig.out, "acme/infra#12\n\n1. vpc in prod");
}

static void text_of_others_does_nothing_to_a_terminal(void **state)
{
    rig.terminal = true;
    SCRIPT({.data = "{\"repository\":\"a\\u001b[2J\",\"change\":{\"number\":null,\"title\":\"\\u202ex\"},"
                    "\"batch\":null,\"node\":null,\"reasons\":[{\"code\":\"x\\u0007\",\"text\":\"a\\nb "
                    "\\u001b]0;t\\u0007\",\"change\":\"\\u2028\",\"since\":\"soon\",\"until\":7,"
                    "\"numbers\":[],\"url\":\"\\u001b\"}]}"});
    assert_int_equal(run("explain", "batch_1", NULL), 0);
    assert_lacks(rig.out, "\033");
    assert_lacks(rig.out, "\007");
    assert_lacks(rig.out, "\xe2\x80\xae");
    assert_has(rig.out, "1. a\xef\xbf\xbd" "b ");
}

#define FRESH(f) cmocka_unit_test_setup(f, rig_fresh)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(every_way_of_asking_finds_its_path),
        FRESH(a_wrong_question_is_not_asked),
        FRESH(a_terminal_shows_a_chain_with_times_from_now_and_exact_ones),
        FRESH(the_clock_of_the_server_counts),
        FRESH(colours_are_for_terminals_only),
        FRESH(a_pipe_gets_a_reason_a_line),
        FRESH(a_change_without_a_batch_has_a_header_too),
        FRESH(text_of_others_does_nothing_to_a_terminal),
    };
    return cmocka_run_group_tests_name("cli explain", tests, rig_setup, rig_teardown);
}
