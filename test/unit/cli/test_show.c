/* What is shown: tables on a terminal, colours, times, and text that would like to do harm. */
#include "rig.h"

#include <string.h>

#define LIST(item) "{\"items\":[" item "],\"nextCursor\":null}"
#define ROW(key, message, by, token, since, until)                                                 \
    "{\"key\":\"" key "\",\"lockMessage\":\"" message "\",\"actor\":\"" by "\",\"token\":" token   \
    ",\"createdAt\":\"" since "\",\"expiresAt\":\"" until "\"}"
#define TWO                                                                                        \
    ROW("acme/infra/prod/vpc", "migrating the state", "ann", "7", "2026-11-21T11:00:00Z",          \
        "2026-11-21T12:04:10Z")                                                                    \
    "," ROW("k", "", "ci", "1204", "2026-11-21T11:59:30Z", "2026-11-23T14:00:00Z")

static void on_terminal(unsigned columns)
{
    rig.terminal = true;
    rig.columns = columns;
}

static void a_table_is_aligned_and_counts_down(void **state)
{
    on_terminal(100);
    SCRIPT({.data = LIST(TWO)});
    assert_int_equal(run("locks", NULL), 0);
    assert_string_equal(
        rig.out, "KEY                  MESSAGE              BY   TOKEN  SINCE    EXPIRES\n"
                 "acme/infra/prod/vpc  migrating the state  ann      7  1 h ago  in 4 min 10 s\n"
                 "k                                         ci    1204  30s ago  in 2 d 2 h\n");
}

static void a_narrow_terminal_shortens_the_widest_columns(void **state)
{
    on_terminal(60);
    SCRIPT({.data = LIST(TWO)});
    assert_int_equal(run("locks", NULL), 0);
    assert_string_equal(rig.out, "KEY          MESSAGE      BY   TOKEN  SINCE    EXPIRES\n"
                                 "acme/infra…  migrating …  ann      7  1 h ago  in 4 min 10 s\n"
                                 "k                         ci    1204  30s ago  in 2 d 2 h\n");
}

static void plain_is_exact_and_between_tabs_also_on_a_terminal(void **state)
{
    on_terminal(40);
    SCRIPT({.data = LIST(TWO)});
    assert_int_equal(run("locks", "--plain", NULL), 0);
    assert_string_equal(rig.out, "acme/infra/prod/vpc\tmigrating the "
                                 "state\tann\t7\t2026-11-21T11:00:00Z\t2026-11-21T12:04:10Z\n"
                                 "k\t\tci\t1204\t2026-11-21T11:59:30Z\t2026-11-23T14:00:00Z\n");
}

static void wide_letters_take_two_cells(void **state)
{
    on_terminal(100);
    SCRIPT({.data = LIST(
                ROW("日本", "é", "a", "1", "2026-11-21T11:59:30Z", "2026-11-21T12:00:30Z") "," ROW(
                    "abcd", "e", "b", "2", "2026-11-21T11:59:30Z", "2026-11-21T12:00:30Z"))});
    assert_int_equal(run("locks", NULL), 0);
    assert_string_equal(rig.out, "KEY   MESSAGE  BY  TOKEN  SINCE    EXPIRES\n"
                                 "日本  é        a       1  30s ago  in 30s\n"
                                 "abcd  e        b       2  30s ago  in 30s\n");
    assert_int_equal(text_width(STR("日本")), 4);
    assert_int_equal(text_width(STR("e\xcc\x81")), 1);
    assert_int_equal(text_width(STR("\xff\xfe")), 2);
}

static void states_have_colours_on_a_terminal_only(void **state)
{
    static const char run_data[] = "{\"id\":\"r\",\"state\":\"failure\"}";
    on_terminal(80);
    rig.colours = true;
    SCRIPT({.data = run_data});
    assert_int_equal(run("run", "r", NULL), 0);
    assert_has(rig.out, "\033[31mfailure\033[0m\n");
    assert_int_equal(run("run", "r", "--plain", NULL), 0);
    assert_lacks(rig.out, "\033");
    rig_env("NO_COLOR", "1");
    assert_int_equal(run("run", "r", NULL), 0);
    assert_lacks(rig.out, "\033");
    rig_env("NO_COLOR", ""); /* empty is as not set, says no-color.org */
    assert_int_equal(run("run", "r", NULL), 0);
    assert_has(rig.out, "\033");
    rig_env("TERM", "dumb");
    assert_int_equal(run("run", "r", NULL), 0);
    assert_lacks(rig.out, "\033");
    rig_env("TERM", NULL);
    rig.terminal = false;
    assert_int_equal(run("run", "r", NULL), 0);
    assert_lacks(rig.out, "\033");
}

/* ---- hostile text ---- */

static const char *const HOSTILE[] = {
    "\\u001b[2Jgone",
    "\\u001b]0;title\\u0007",
    "a\\rb",
    "a\\nb",
    "a\\tb",
    "\\u009b31m",
    "\xc2\x9b"
    "31m",
    "\\u202egnp.exe",
    "\xe2\x80\xae"
    "evil",
    "\\u2066x",
    "\\u200b",
    "\\u2028",
    "\x7f",
    "\\ufeff",
    "\\udb40\\udc41",
};

static bool is_tame(const char *text)
{
    str s = str_of(text);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char b = (unsigned char)s.ptr[i],
                      next = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : 0;
        if ((b < 0x20 && b != '\n' && b != '\t') || b == 0x7f || (b == 0xc2 && next < 0xa0))
            return false;
    }
    return !strstr(text, "\xe2\x80\xae") && !strstr(text, "\xe2\x81\xa6") &&
           !strstr(text, "\xe2\x80\x8b") && !strstr(text, "\xe2\x80\xa8") &&
           !strstr(text, "\xef\xbb\xbf") && !strstr(text, "\xf3\xa0\x81\x81");
}

static size_t count_of(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

static void text_of_others_does_nothing_to_a_terminal(void **state)
{
    char data[1024];
    for (size_t i = 0; i < COUNT(HOSTILE); i++) {
        snprintf(data, sizeof data,
                 "{\"items\":[{\"key\":\"%s\",\"lockMessage\":\"%s\",\"actor\":\"%s\",\"token\":1}]"
                 ",\"nextCursor\":null}",
                 HOSTILE[i], HOSTILE[i], HOSTILE[i]);
        for (int terminal = 0; terminal < 2; terminal++) {
            rig.terminal = terminal;
            SCRIPT({.data = data});
            assert_int_equal(run("locks", NULL), 0);
            if (!is_tame(rig.out) || count_of(rig.out, '\n') != (terminal ? 2u : 1u) ||
                count_of(rig.out, '\t') != (terminal ? 0u : 5u))
                fail_msg("%s: %s", HOSTILE[i], rig.out);
        }
    }
}

static void errors_of_others_do_nothing_to_a_terminal(void **state)
{
    char body[1024];
    for (size_t i = 0; i < COUNT(HOSTILE); i++) {
        snprintf(
            body, sizeof body,
            "{\"success\":false,\"errorTag\":\"%s\",\"errorMessage\":\"%s\",\"traceId\":\"%s\","
            "\"data\":{\"validationErrors\":[\"%s\"]}}",
            HOSTILE[i], HOSTILE[i], HOSTILE[i], HOSTILE[i]);
        SCRIPT({.status = 400, .envelope = body});
        assert_int_equal(run("locks", NULL), 2);
        if (!is_tame(rig.err) || count_of(rig.err, '\n') != 3)
            fail_msg("%s: %s", HOSTILE[i], rig.err);
    }
}

static void json_is_the_server_s_in_a_pipe_and_the_same_value_on_a_terminal(void **state)
{
    static const char data[] = "{\"id\":\"a\\u001b\xe2\x80\xae\xc2\x9b\x7f\xf3\xa0\x81\x81é日\"}";
    SCRIPT({.data = data});
    assert_int_equal(run("run", "r", "--json", NULL), 0);
    assert_int_equal(strncmp(rig.out, data, strlen(data)), 0);
    on_terminal(80);
    assert_int_equal(run("run", "r", "--json", NULL), 0);
    assert_string_equal(rig.out, "{\"id\":\"a\\u001b\\u202e\\u009b\\u007f\\udb40\\udc41é日\"}\n");
}

static void a_long_text_does_not_fill_the_screen(void **state)
{
    char data[6000] = "{\"id\":\"r\",\"errorText\":\"";
    size_t n = strlen(data);
    memset(data + n, 'x', 5000);
    snprintf(data + n + 5000, sizeof data - n - 5000, "\"}");
    on_terminal(80);
    SCRIPT({.data = data});
    assert_int_equal(run("run", "r", NULL), 0);
    assert_has(rig.out, "xxx…\n");
    assert_true(strlen(rig.out) < 400);
}

/* ---- what is said beside it ---- */

static void a_lock_says_how_to_release_it(void **state)
{
    on_terminal(80);
    SCRIPT({.data =
                "{\"key\":\"my "
                "key\",\"token\":\"9007199254740993\",\"expiresAt\":\"2026-11-21T12:30:00Z\"}"});
    assert_int_equal(run("lock", "my 'key'", "--ttl", "30m", NULL), 0);
    assert_string_equal(
        rig.out, "Locked my key until 2026-11-21T12:30:00Z (in 30 min), token 9007199254740993\n");
    assert_string_equal(rig.err, "To release it: signalbox unlock 'my '\\''key'\\'''\n");
}

static void an_empty_list_is_said_and_prints_nothing(void **state)
{
    SCRIPT({.data = LIST("")});
    assert_int_equal(run("locks", NULL), 0);
    assert_string_equal(rig.out, "");
    assert_string_equal(rig.err, "Nothing is locked\n");
}

static void a_batch_shows_what_wants_attention(void **state)
{
    on_terminal(100);
    SCRIPT(
        {.data =
             "{\"id\":\"b1\",\"state\":\"running\",\"counts\":{\"failure\":1,\"success\":2000}}"},
        {.data = LIST("{\"position\":4,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p."
                      "yaml\",\"state\":\"failure\","
                      "\"errorText\":\"exit "
                      "1\",\"runUrl\":\"https://x/1\",\"changedAt\":\"2026-11-21T11:59:00Z\"}")});
    assert_int_equal(run("batch", "b1", NULL), 0);
    assert_string_equal(
        rig.asked, "GET /api/v1/batches/b1\nGET /api/v1/batches/b1/nodes?state=failure&limit=20\n");
    assert_string_equal(
        rig.out, "batch        b1\nstate        running\nnodes        1 failure, 2000 success\n\n"
                 "#  STACK  COMPONENT  WORKFLOW  STATE    CHANGED    WHY     RUN\n"
                 "4  prod   vpc        p.yaml    failure  1 min ago  exit 1  https://x/1\n");
}

static void a_dry_run_says_what_it_would_cost(void **state)
{
    on_terminal(100);
    SCRIPT({.data =
                "{\"dryRun\":true,\"dispatches\":2,\"apiCalls\":7,\"forecastMs\":180000,\"order\":["
                "{\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p.yaml\",\"level\":0,"
                "\"expectedMs\":90000},"
                "{\"stack\":\"prod\",\"component\":\"eks\",\"workflow\":\"p.yaml\",\"level\":1,"
                "\"expectedMs\":90000}]}"});
    assert_int_equal(
        run("dispatch", "-r", "a/b", "-s", "prod", "-c", "vpc", "-f", "p.yaml", "--dry-run", NULL),
        0);
    assert_string_equal(
        rig.out,
        "WAVE  STACK  COMPONENT  WORKFLOW  EXPECTED\n"
        "   0  prod   vpc        p.yaml    1 min\n   1  prod   eks        p.yaml    1 min\n");
    assert_string_equal(rig.err, "Nothing was sent. It would be 2 dispatches, about 3 min, and "
                                 "about 7 calls to the API of the forge\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, rig_fresh)
    const struct CMUnitTest tests[] = {
        T(a_table_is_aligned_and_counts_down),
        T(a_narrow_terminal_shortens_the_widest_columns),
        T(plain_is_exact_and_between_tabs_also_on_a_terminal),
        T(wide_letters_take_two_cells),
        T(states_have_colours_on_a_terminal_only),
        T(text_of_others_does_nothing_to_a_terminal),
        T(errors_of_others_do_nothing_to_a_terminal),
        T(json_is_the_server_s_in_a_pipe_and_the_same_value_on_a_terminal),
        T(a_long_text_does_not_fill_the_screen),
        T(a_lock_says_how_to_release_it),
        T(an_empty_list_is_said_and_prints_nothing),
        T(a_batch_shows_what_wants_attention),
        T(a_dry_run_says_what_it_would_cost),
    };
    return cmocka_run_group_tests_name("cli show", tests, rig_setup, rig_teardown);
}
