#include "given.h"

#include "base/json.h"

static void documents_are_written(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    struct json_out w;
    buf_init(&b, a, 1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("s"), STR("x"));
    json_field_str(&w, STR("empty"), STR(""));
    json_field_str(&w, STR("none"), STR_NONE);
    json_field_i64(&w, STR("n"), -5);
    json_field_bool(&w, STR("b"), false);
    json_field_raw(&w, STR("raw"), STR("[1]"));
    json_field_time(&w, STR("at"), 1787306400000);
    json_field_time(&w, STR("never"), 0);
    json_key(&w, STR("list"));
    json_begin_array(&w);
    json_put_null(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_put_bool(&w, true);
    json_put_raw(&w, STR("{}"));
    json_end_array(&w);
    json_key(&w, STR("o"));
    json_begin_object(&w);
    json_field_i64(&w, STR("in"), 1);
    json_end_object(&w);
    json_end_object(&w);
    assert_str(buf_str(&b),
               STR("{\"s\":\"x\",\"empty\":\"\",\"none\":null,\"n\":-5,\"b\":false,\"raw\":[1],"
                   "\"at\":\"2026-08-21T10:00:00Z\",\"never\":null,"
                   "\"list\":[null,{},[],true,{}],\"o\":{\"in\":1}}"));
}

static str text_of(struct arena *a, str s)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, a, 1 << 20);
    json_out_init(&w, &b);
    json_put_str(&w, s);
    return buf_str(&b);
}

static void strings_are_escaped(void **state)
{
    static const struct { str in, want; } rows[] = {
        { STR_INIT("a\"b\\c/"), STR_INIT("\"a\\\"b\\\\c/\"") },
        { STR_INIT("\n\r\t\b\x01\x1f\x7f"), STR_INIT("\"\\n\\r\\t\\u0008\\u0001\\u001f\\u007f\"") },
        { STR_INIT("\xc3\xa9\xf0\x9f\x98\x80"), STR_INIT("\"\xc3\xa9\xf0\x9f\x98\x80\"") },
        { STR_INIT("a\xff" "b"), STR_INIT("\"a\xef\xbf\xbd" "b\"") },
        { STR_INIT("\xed\xa0\x80"), STR_INIT("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
        { STR_INIT("\xe2\x82"), STR_INIT("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
        { STR_INIT("a\0b"), STR_INIT("\"a\xef\xbf\xbd" "b\"") },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_str(text_of(a, rows[i].in), rows[i].want);
}

/* Bytes are looked at many at a time: none may be missed, wherever it stands. */
static void a_byte_is_escaped_wherever_it_stands(void **state)
{
    static const struct { char in; str want; } rows[] = {
        { '"', STR_INIT("\\\"") },      { '\\', STR_INIT("\\\\") },
        { '\n', STR_INIT("\\n") },      { '\x1f', STR_INIT("\\u001f") },
        { '\x7f', STR_INIT("\\u007f") }, { '\x80', STR_INIT("\xef\xbf\xbd") },
        { '\xff', STR_INIT("\xef\xbf\xbd") },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t len = 1; len <= 40; len++)
            for (size_t at = 0; at < len; at++) {
                GIVEN_ARENA(a);
                char text[40];
                memset(text, ' ', sizeof text / 2);
                memset(text + sizeof text / 2, '~', sizeof text / 2);
                text[at] = rows[i].in;
                assert_str(text_of(a, (str){ text, len }),
                           arena_print(a, "\"" PRI_STR PRI_STR PRI_STR "\"", (int)at, text,
                                       FMT_STR(rows[i].want), (int)(len - at - 1), text + at + 1));
            }
}

static void whatever_is_written_can_be_read(void **state)
{
    SCOPED(arena) struct arena *a = arena_new(GIVEN_SOFT, GIVEN_HARD);
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        char bytes[40];
        for (size_t i = 0; i < sizeof bytes; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[i] = (char)(round % 2 ? x >> 20 : x >> 20 & 0x7f);
        }
        str in = { bytes, x % sizeof bytes };
        struct err e = { .code = ERR_NONE };
        struct json v;
        if (!json_parse(a, text_of(a, in), 0, &v, &e))
            fail_msg("%s", e.text);
        if (str_is_utf8(in) && str_find(in, '\0', 0) == in.len)
            assert_str(json_str(v, a), in);
        arena_reset(a);
    }
}

static void integers_javascript_would_round_are_strings(void **state)
{
    static const struct { int64_t n; const char *want; } rows[] = {
        { 0, "0" },
        { 9007199254740992, "9007199254740992" },
        { 9007199254740993, "\"9007199254740993\"" },
        { -9007199254740992, "-9007199254740992" },
        { -9007199254740993, "\"-9007199254740993\"" },
        { INT64_MAX, "\"9223372036854775807\"" },
        { INT64_MIN, "\"-9223372036854775808\"" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b;
        struct json_out w;
        buf_init(&b, a, 1 << 10);
        json_out_init(&w, &b);
        json_put_i64(&w, rows[i].n);
        assert_str(buf_str(&b), str_of(rows[i].want));
    }
}

static void depth_has_no_limit(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    struct json_out w;
    buf_init(&b, a, 1 << 20);
    json_out_init(&w, &b);
    for (int i = 0; i < 200; i++) {
        json_begin_object(&w);
        json_field_i64(&w, STR("n"), i);
        json_key(&w, STR("x"));
        json_begin_array(&w);
    }
    for (int i = 0; i < 200; i++) {
        json_end_array(&w);
        json_end_object(&w);
    }
    struct err e = { .code = ERR_NONE };
    struct json v;
    assert_true(json_parse(a, buf_str(&b), 400, &v, &e));
}

static void a_full_buffer_is_told_at_the_end(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    struct json_out w;
    buf_init(&b, a, 20);
    json_out_init(&w, &b);
    json_begin_array(&w);
    for (int i = 0; i < 100; i++)
        json_put_i64(&w, i);
    json_end_array(&w);
    assert_false(buf_ok(&b));
}

static void end_without_begin(void *arg)
{
    struct json_out *w = arg;
    json_end_array(w);
}
static void end_after_key(void *arg)
{
    struct json_out *w = arg;
    json_begin_object(w);
    json_key(w, STR("a"));
    json_end_object(w);
}
static void two_documents(void *arg)
{
    struct json_out *w = arg;
    json_put_null(w);
    json_put_null(w);
}

static void misuse_is_an_assertion(void **state)
{
    GIVEN_ARENA(a);
    struct buf b;
    struct json_out w;
    buf_init(&b, a, 1000);
    json_out_init(&w, &b);
    assert_true(given_aborts(end_without_begin, &w));
    assert_true(given_aborts(end_after_key, &w));
    assert_true(given_aborts(two_documents, &w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_written),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(a_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(whatever_is_written_can_be_read),
        cmocka_unit_test(integers_javascript_would_round_are_strings),
        cmocka_unit_test(depth_has_no_limit),
        cmocka_unit_test(a_full_buffer_is_told_at_the_end),
        cmocka_unit_test(misuse_is_an_assertion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
