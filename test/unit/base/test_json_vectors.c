#include "given.h"

#include "base/json.h"

/*
 * The classes of the public JSON parsing test suite (y_ must be accepted, n_ refused), our own
 * rows. Where the suite leaves a choice (i_), ours is the strict one. Rows with NUL or open ends
 * give their length.
 */
struct row { bool ok; str text; };
#define Y(text) { true, STR_INIT(text) }
#define N(text) { false, STR_INIT(text) }

static const struct row arrays[] = {
    Y("[]"),
    Y("[[]]"),
    Y("[\"\"]"),
    Y("[1]"),
    Y("[1 ]"),
    Y("[ 1]"),
    Y("[null,1,\"a\",{},[]]"),
    Y("[1\n]"),
    Y("[1,null,null,2]"),
    Y("[false]"),
    Y("[[] ]"),
    Y("[    \"asd\"]"),
    Y("[[],[],[]]"),
    Y("[\t1\r,\n2]"),
    N("["),
    N("[1"),
    N("[1,"),
    N("[,"),
    N("[,1]"),
    N("[1,]"),
    N("[1,,2]"),
    N("[1,,]"),
    N("]"),
    N("[1]]"),
    N("[1 2]"),
    N("[1 true]"),
    N("[x"),
    N("[x]"),
    N("[\"\",]"),
    N("[\"a\" \"b\"]"),
    N("[:1]"),
    N("[1:2]"),
    N("[\"x\""),
    N("[[]"),
    N("[*]"),
    N("[{}"),
    N("[\"\"],"),
    N("[1,\n1\n,1"),
    N("[a"),
    N("[3[4]]"),
    N("[\v1]"),
    N("[\f]"),
    N("[1}"),
    N("[<null>]"),
    N("[}"),
    N("[[1]}"),
};

static const struct row objects[] = {
    Y("{}"),
    Y("{\"a\":1}"),
    Y("{ \"a\" : 1 }"),
    Y("{\"\":0}"),
    Y("{\"a\":[]}"),
    Y("{\"a\":{\"a\":{}}}"),
    Y("{\"a\":1,\"b\":2}"),
    Y("{\n\"a\": \"b\"\n}"),
    Y("{\"foo\\tbar\": 42}"),
    Y("{\"a\":\"b\",\"A\":\"c\"}"),
    N("{"),
    N("{\"a\"}"),
    N("{\"a\":}"),
    N("{\"a\" 1}"),
    N("{\"a\":1,}"),
    N("{,}"),
    N("{,\"a\":1}"),
    N("{\"a\":1,,\"b\":2}"),
    N("{a:1}"),
    N("{'a':1}"),
    N("{1:1}"),
    N("{null:1}"),
    N("{\"a\":1 \"b\":2}"),
    N("{\"a\":1"),
    N("{\"a\":"),
    N("{\"a\""),
    N("{\"a"),
    N("{\"a\"::1}"),
    N("{\"a\":1:2}"),
    N("{\"a\",1}"),
    N("{\"a\":1}}"),
    N("{\"a\":1}#"),
    N("{\"a\":1}/**/"),
    N("{\"a\":/*x*/1}"),
    N("{\"a\":1]"),
    N("{[]:1}"),
    N("{\"a\":\"b\"}//"),
    N("{\"a\":b}"),
    N("{\"x\", null}"),
    N("{\"id\":0,,,,,}"),
    N("{]"),
    N("{\"a\":1;\"b\":2}"),
    N("{\"a\"=1}"),
    N("{{}:1}"),
    N("{\"a\":1,\"a\":2}"),
    N("{\"a\":1,\"\\u0061\":2}"),
    N("{\"\":1,\"\":1}"),
    N("{\"b\":{},\"c\":[],\"b\":{}}"),
    N("[{\"x\":{\"y\":1,\"y\":1}}]"),
};

static const struct row numbers[] = {
    Y("0"),
    Y("-0"),
    Y("1"),
    Y("-1"),
    Y("123456789012345678901234567890"),
    Y("0.5"),
    Y("1.0"),
    Y("0e1"),
    Y("0e+1"),
    Y("1E22"),
    Y("1E-2"),
    Y("1e+2"),
    Y("123.456e78"),
    Y("-0.0"),
    Y("1.5E+9999"),
    Y("[-123]"),
    Y("20e1"),
    Y(" 4"),
    Y("10"),
    N("-"),
    N("+1"),
    N("01"),
    N("-01"),
    N("00"),
    N("-00"),
    N("1."),
    N(".5"),
    N("-.5"),
    N("1.e1"),
    N("1e"),
    N("1e+"),
    N("1E-"),
    N("0e"),
    N("0.e1"),
    N("1.2.3"),
    N("1e1.5"),
    N("1e1e1"),
    N("--1"),
    N("-a"),
    N("1a"),
    N("0x1"),
    N("0x"),
    N("1_000"),
    N("1,000"),
    N("NaN"),
    N("-NaN"),
    N("Infinity"),
    N("-Infinity"),
    N("Inf"),
    N("1 000"),
    N("[1.]"),
    N("[-]"),
    N("[- 1]"),
    N("[1+2]"),
    N("[0.3e]"),
    N("[1e1"),
    N("2.e+3"),
    N("0.1.2"),
    N("9.e"),
    N("1eE2"),
    N("\xef\xbc\x91"),
    N("-2."),
    N("++1234"),
    N("0.3e+"),
};

static const struct row strings[] = {
    Y("\"\""),
    Y("\"a\""),
    Y("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    Y("\"\\u0061\""),
    Y("\"\\u00e9\\u20AC\""),
    Y("\"\\uD834\\uDD1E\""),
    Y("\"\\uDBFF\\uDFFF\""),
    Y("\"\\uFFFF\""),
    Y("\"\xc3\xa9\""),
    Y("\"\xf0\x9d\x84\x9e\""),
    Y("\"\x7f\""),
    Y("\"\\\\u0000\""),
    Y("\"/*c*/\""),
    Y("\" \""),
    Y("\"\xe2\x80\xa8\""),
    Y("\"\xef\xbf\xbf\""),
    Y("\"0123456789abcdef\""),
    Y("\"0123456789abcdef0\""),
    Y("\"\\u0012\""),
    Y("\"\xf4\x8f\xbf\xbf\""),
    Y("\"\\uE000\""),
    N("\""),
    N("\"a"),
    N("a\""),
    N("'a'"),
    N("\"\\\""),
    N("\"\\"),
    N("\"\\x00\""),
    N("\"\\a\""),
    N("\"\\u\""),
    N("\"\\u12\""),
    N("\"\\u00A\""),
    N("\"\\u00G0\""),
    N("\"\\U0061\""),
    N("\"\\u0000\""),
    N("\"\\uD800\""),
    N("\"\\uDC00\""),
    N("\"\\uD800\\n\""),
    N("\"\\uD800\\uD800\""),
    N("\"\\uD800\\u\""),
    N("\"\\uD800\\u1\""),
    N("\"\\uD800x\""),
    N("\"\\uD800\\uE000\""),
    N("\"\t\""),
    N("\"\n\""),
    N("\"\x1f\""),
    N("\"a\0b\""),
    N("\"\x80\""),
    N("\"\xc0\x80\""),
    N("\"\xed\xa0\x80\""),
    N("\"\xf4\x90\x80\x80\""),
    N("\"\xe2\x82\""),
    N("\"\xff\""),
    N("\"\xe0\xff\""),
    N("\"a\"x"),
    N("\"\\ \""),
    N("\"\\\xc3\xa9\""),
    N("\"\\u-123\""),
    N("\"0123456789abcdef\x01\""),
    N("\"0123456789abcdef\xff\""),
    N("\"0123456789abcdef"),
    N("\"\\u 123\""),
    N("\\u0020\"a\""),
    N("\"\xf0\x9d\x84"),
    N("\"\\uDd1e\\uD834\""),
    N("\"\\uD83"),
    N("\"\\uD834\\uDD1\""),
};

static const struct row structures[] = {
    Y("true"),
    Y("false"),
    Y("null"),
    Y(" true "),
    Y("\n\t\r null\n"),
    Y("\"x\""),
    Y("42"),
    Y("[true,false,null]"),
    N(""),
    N(" "),
    N("\n"),
    N("tru"),
    N("True"),
    N("TRUE"),
    N("nul"),
    N("NULL"),
    N("fals"),
    N("truee"),
    N("nulll"),
    N("true false"),
    N("\xef\xbb\xbf{}"),
    N("\xef\xbb\xbf"),
    N("{}{}"),
    N("[][]"),
    N("1 1"),
    N("{} x"),
    N("\0"),
    N("[]\0"),
    N("123\0"),
    N("\xc2\xa0[]"),
    N("\xe2\x81\xa0"),
    N("#1"),
    N("// x\n1"),
    N("undefined"),
    N("(1)"),
    N("<.>"),
    N("[1],"),
    N("\\"),
    N("\xe5"),
    N("[true"),
    N("t"),
    N("[tru]"),
    N("{\"a\":nul}"),
    N("*"),
    N(","),
    N(":"),
    N("\x0b"),
    N("[\x0c]"),
    N("[\xc2\x85]"),
    N("nan"),
    N("{\"a\":true,"),
};

static bool parses(str text, struct err *e)
{
    GIVEN_ARENA(a);
    /* A malloc of exactly the text, so that AddressSanitizer sees one byte too many being read. */
    char *exact = malloc(text.len + 1);
    assert_non_null(exact);
    char *from = exact + 1;
    if (text.len)
        memcpy(from, text.ptr, text.len);
    struct json v;
    bool ok = json_parse(a, (str){ from, text.len }, 0, &v, e);
    if (ok) {
        str raw = json_raw(v);
        assert_true(raw.len > 0 && raw.len <= text.len);
    }
    free(exact);
    return ok;
}

static void judge(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err e = { .code = ERR_NONE };
        bool ok = parses(rows[i].text, &e);
        if (ok != rows[i].ok)
            fail_msg("%s: %.*s (%s)", ok ? "accepted" : "refused", FMT_STR(rows[i].text), e.text);
        assert_int_equal(e.code, ok ? ERR_NONE : ERR_INVALID);
        assert_true(ok || strstr(e.text, "not valid JSON"));
        assert_true(str_is_utf8(str_of(e.text)));
    }
}

static void arrays_rows(void **state)     { judge(arrays, COUNT(arrays)); }
static void objects_rows(void **state)    { judge(objects, COUNT(objects)); }
static void numbers_rows(void **state)    { judge(numbers, COUNT(numbers)); }
static void strings_rows(void **state)    { judge(strings, COUNT(strings)); }
static void structures_rows(void **state) { judge(structures, COUNT(structures)); }

/* A document cut anywhere is refused: nothing of a lost connection may look complete. */
static void every_prefix_is_refused(void **state)
{
    str whole = STR("{\"a\":[1,-2.5e+3,true,null,\"x\\u00e9\\uD834\\uDD1E\xf0\x9d\x84\x9e\"],\"b\":"
                    "{\"c\":false}}");
    for (size_t n = 0; n < whole.len; n++) {
        struct err e = { .code = ERR_NONE };
        if (parses(str_sub(whole, 0, n), &e))
            fail_msg("accepted the first %zu bytes", n);
    }
    struct err e = { .code = ERR_NONE };
    assert_true(parses(whole, &e));
}

/* Each byte that must not stand raw in a string is refused at each place around the 16-byte steps
 * of the scanner. */
static void the_scanner_sees_every_place(void **state)
{
    for (size_t len = 1; len < 50; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                if (len > 20 && c % 16 > 2 && c != '"' && c != '\\')
                    continue;
                char text[64];
                memset(text, 'x', sizeof text);
                text[0] = '"';
                text[at + 1] = (char)c;
                text[len + 1] = '"';
                struct err e = { .code = ERR_NONE };
                bool want = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                if (parses((str){ text, len + 2 }, &e) != want)
                    fail_msg("byte %02x at %zu of %zu", c, at, len);
            }
}

int main(void)
{
    size_t rows =
        COUNT(arrays) + COUNT(objects) + COUNT(numbers) + COUNT(strings) + COUNT(structures);
    printf("# %zu rows\n", rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_rows),
        cmocka_unit_test(objects_rows),
        cmocka_unit_test(numbers_rows),
        cmocka_unit_test(strings_rows),
        cmocka_unit_test(structures_rows),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(the_scanner_sees_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
