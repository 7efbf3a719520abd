#include "given.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#ifdef HAVE_JANSSON
#include "oracle.h"
#endif

static struct json parsed(struct arena *a, str text)
{
    struct err e = { .code = ERR_NONE };
    struct json v;
    if (!json_parse(a, text, 0, &v, &e))
        fail_msg("%s", e.text);
    return v;
}

static void error_of(struct arena *a, str text, unsigned depth, struct err *e)
{
    struct json v;
    err_clear(e);
    assert_false(json_parse(a, text, depth, &v, e));
}

static void members_are_reached_by_name_and_path(void **state)
{
    GIVEN_ARENA(a);
    struct json v =
        parsed(a, STR("{\"pull_request\":{\"head\":{\"sha\":\"abc\"},\"n\":7},\"x\":[1,2]}"));
    assert_str(json_str(json_path(v, "pull_request.head.sha"), a), STR("abc"));
    assert_int_equal(json_i64_or(json_path(v, "pull_request.n"), 0), 7);
    assert_int_equal(json_kind(json_path(v, "pull_request.head")), JSON_OBJECT);
    assert_int_equal(json_kind(json_path(v, "pull_request.no.sha")), JSON_ABSENT);
    assert_int_equal(json_kind(json_path(v, "x.sha")), JSON_ABSENT);
    assert_int_equal(json_kind(json_get(json_get(v, STR("nope")), STR("deeper"))), JSON_ABSENT);
    assert_int_equal(json_count(v), 2);
    assert_int_equal(json_count(json_get(v, STR("x"))), 2);
}

static void absent_values_are_accepted_everywhere(void **state)
{
    GIVEN_ARENA(a);
    struct json none = { NULL, 0 };
    str key;
    struct json value;
    int64_t n;
    assert_int_equal(json_kind(none), JSON_ABSENT);
    assert_false(json_present(none));
    assert_int_equal(json_count(none), 0);
    assert_null(json_str(none, a).ptr);
    assert_null(json_raw(none).ptr);
    assert_false(json_i64(none, &n));
    assert_int_equal(json_i64_or(none, 5), 5);
    assert_true(json_bool_or(none, true));
    assert_int_equal(json_kind(json_path(none, "a.b")), JSON_ABSENT);
    struct json_iter it = json_iter(none);
    assert_false(json_next(&it, a, &key, &value));
}

static void strings_are_borrowed_or_decoded(void **state)
{
    GIVEN_ARENA(a);
    str text = STR("[\"plain\",\"\",\"a\\n\\u00e9\\u20ac\\uD834\\uDD1E\\/\",5,null]");
    struct json_iter it = json_iter(parsed(a, text));
    struct json v;
    assert_true(json_next(&it, a, NULL, &v));
    str s = json_str(v, a);
    assert_str(s, STR("plain"));
    assert_ptr_equal(s.ptr, text.ptr + 2);
    assert_true(json_next(&it, a, NULL, &v));
    assert_non_null(json_str(v, a).ptr);                /* empty, not absent */
    assert_int_equal(json_str(v, a).len, 0);
    assert_true(json_next(&it, a, NULL, &v));
    assert_str(json_str(v, a), STR("a\n\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e/"));
    assert_true(json_next(&it, a, NULL, &v));
    assert_null(json_str(v, a).ptr);
    assert_true(json_next(&it, a, NULL, &v));
    assert_false(json_present(v));
    assert_int_equal(json_kind(v), JSON_NULL);
    assert_false(json_next(&it, a, NULL, &v));
}

static void escaped_keys_are_compared_decoded(void **state)
{
    GIVEN_ARENA(a);
    struct json v = parsed(a, STR("{\"\\u0061b\":1,\"\\\"\":2,\"\xc3\xa9\":3}"));
    assert_int_equal(json_i64_or(json_get(v, STR("ab")), 0), 1);
    assert_int_equal(json_i64_or(json_get(v, STR("\"")), 0), 2);
    assert_int_equal(json_i64_or(json_get(v, STR("\xc3\xa9")), 0), 3);
    assert_int_equal(json_kind(json_get(v, STR("a"))), JSON_ABSENT);
    assert_int_equal(json_kind(json_get(v, STR("abc"))), JSON_ABSENT);
    assert_int_equal(json_kind(json_get(v, STR("\\u0061b"))), JSON_ABSENT);
    struct json_iter it = json_iter(v);
    str key;
    assert_true(json_next(&it, a, &key, NULL));
    assert_str(key, STR("ab"));
}

static void integers_never_pass_through_a_double(void **state)
{
    static const struct { const char *text; bool ok; int64_t want; } rows[] = {
        { "9007199254740993", true, 9007199254740993 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "-0", true, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "\"1\"", false, 0 },
        { "true", false, 0 },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t n = 77;
        bool ok = json_i64(parsed(a, str_of(rows[i].text)), &n);
        if (ok != rows[i].ok || n != (ok ? rows[i].want : 77))
            fail_msg("%s", rows[i].text);
    }
}

static void raw_text_is_the_source(void **state)
{
    GIVEN_ARENA(a);
    struct json v =
        parsed(a,
               STR(" { \"a\" : [ 1 , {\"b\":\"x\\n\"} ] , \"n\":-1.5e3,\"t\":true,\"z\":null } "));
    assert_str(json_raw(json_get(v, STR("a"))), STR("[ 1 , {\"b\":\"x\\n\"} ]"));
    assert_str(json_raw(json_get(v, STR("n"))), STR("-1.5e3"));
    assert_str(json_raw(json_get(v, STR("t"))), STR("true"));
    assert_str(json_raw(json_get(v, STR("z"))), STR("null"));
    assert_str(json_raw(v),
               STR("{ \"a\" : [ 1 , {\"b\":\"x\\n\"} ] , \"n\":-1.5e3,\"t\":true,\"z\":null }"));
    assert_str(json_raw(parsed(a, STR(" \"q\" "))), STR("\"q\""));
}

static void iteration_skips_what_is_inside(void **state)
{
    GIVEN_ARENA(a);
    struct json v = parsed(a, STR("{\"a\":{\"x\":[1,[2]]},\"b\":[],\"c\":{},\"d\":4}"));
    struct json_iter it = json_iter(v);
    char keys[8] = "";
    str key;
    struct json value;
    while (json_next(&it, a, &key, &value))
        strncat(keys, key.ptr, 1);
    assert_string_equal(keys, "abcd");
    it = json_iter(json_path(v, "a.x"));
    assert_true(json_next(&it, a, &key, &value));
    assert_null(key.ptr);
    assert_int_equal(json_i64_or(value, 0), 1);
    it = json_iter(json_get(v, STR("d")));
    assert_false(json_next(&it, a, &key, &value));
}

static void errors_name_the_place(void **state)
{
    static const struct { const char *text, *line_column, *what;
    } rows[] = {
        { "{\n  \"a\": 1,\n  b: 2\n}", "line 3, column 3",
          "found 'b', expected a key in double quotes" },
        { "[1,\n2", "line 2, column 2", "found the end of the text, expected ',' or ']'" },
        { "{\"\xc3\xa9\":tru}", "line 1, column 6", "expected a value" },
        { "\"a\x01\"", "line 1, column 3", "found byte 0x01" },
        { "01", "line 1, column 2", "must not start with 0" },
        { "{\"a\":1,\n\"a\":2}", "line 2, column 1", "the key \"a\" stands twice" },
        { "\"\\ud800\"", "line 1, column 4", "surrogate" },
        { "{\"a\" 1}", "line 1, column 6", "found '1', expected ':'" },
        { "[] x", "line 1, column 4", "expected the end of the text" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err e;
        error_of(a, str_of(rows[i].text), 0, &e);
        if (!strstr(e.text, rows[i].line_column) || !strstr(e.text, rows[i].what))
            fail_msg("%s gave %s", rows[i].text, e.text);
    }
}

static void depth_is_limited(void **state)
{
    GIVEN_ARENA(a);
    struct err e = { .code = ERR_NONE };
    struct json v;
    static char deep[200000];
    for (unsigned n = 1; n < 400; n += 37) {
        memset(deep, '[', n);
        memset(deep + n, ']', n);
        assert_true(json_parse(a, (str){ deep, 2 * n }, n, &v, &e));
        if (n > 1) {
            error_of(a, (str){ deep, 2 * n }, n - 1, &e);
            assert_int_equal(e.code, ERR_LIMIT);
            err_clear(&e);
        }
    }
    memset(deep, '[', sizeof deep);
    error_of(a, (str){ deep, sizeof deep }, 0, &e);
    assert_int_equal(e.code, ERR_LIMIT);
    err_clear(&e);
    /* with the limit out of the way there is no stack to overflow */
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    assert_true(json_parse(a, (str){ deep, sizeof deep }, UINT32_MAX, &v, &e));
}

static str object_of(struct arena *a, size_t n, size_t twice, const char *prefix)
{
    struct buf b;
    buf_init(&b, a, 64 << 20);
    buf_char(&b, '{');
    for (size_t i = 0; i < n; i++)
        buf_print(&b, "%s\"%s%zu\":{\"in\":%zu}", i ? "," : "", prefix, i, i);
    if (twice < n)
        buf_print(&b, ",\"%s%zu\":null", prefix, twice);
    buf_char(&b, '}');
    assert_true(buf_ok(&b));
    return buf_str(&b);
}

static void a_key_twice_is_found_at_every_size(void **state)
{
    GIVEN_ARENA(a);
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 18, 100, 1000 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct json v = parsed(a, object_of(a, sizes[i], SIZE_MAX, "k"));
        assert_int_equal(json_count(v), sizes[i]);
        for (size_t twice = 0; twice < sizes[i]; twice += sizes[i] / 7 + 1) {
            struct err e;
            error_of(a, object_of(a, sizes[i], twice, "k"), 0, &e);
            assert_int_equal(e.code, ERR_INVALID);
            char want[64];
            snprintf(want, sizeof want, "\"k%zu\" stands twice", twice);
            if (!strstr(e.text, want))
                fail_msg("%s", e.text);
        }
    }
    /* one written plainly and one with an escape, among many */
    struct buf b;
    buf_init(&b, a, 1 << 20);
    str most = object_of(a, 50, SIZE_MAX, "k");
    buf_add(&b, str_sub(most, 0, most.len - 1));
    buf_add(&b, STR(",\"\\u006b7\":1}"));
    struct err e;
    error_of(a, buf_str(&b), 0, &e);
    assert_non_null(strstr(e.text, "\"k7\" stands twice"));
}

/* 200,000 keys: quadratic work would take minutes. */
static void many_keys_stay_cheap(void **state)
{
    GIVEN_ARENA(a);
    str text = object_of(a, 200000, SIZE_MAX, "a/long/common/prefix/of/all/the/keys/in/here/");
    int64_t from_ms = clock_mono_ms();
    struct json v = parsed(a, text);
    assert_int_equal(json_count(v), 200000);
    assert_in_range(clock_mono_ms() - from_ms, 0, 20000);
}

static void a_long_key_is_clipped_in_the_message(void **state)
{
    GIVEN_ARENA(a);
    for (int shift = 0; shift < 3; shift++) {
        struct buf b;
        buf_init(&b, a, 1 << 20);
        buf_char(&b, '{');
        for (int twice = 0; twice < 2; twice++) {
            buf_print(&b, "%s\"%.*s", twice ? "," : "", shift, "xx");
            for (int i = 0; i < 200; i++)
                buf_add(&b, STR("\xe2\x82\xac"));
            buf_add(&b, STR("\":1"));
        }
        buf_char(&b, '}');
        struct err e;
        error_of(a, buf_str(&b), 0, &e);
        assert_true(str_is_utf8(str_of(e.text)));
        assert_in_range(strlen(e.text), 150, 200);
    }
}

static void refuse_for_memory(const char *front, const char *part, const char *back)
{
    SCOPED(arena) struct arena *a = arena_new(1 << 20, 2 << 20);
    SCOPED(arena) struct arena *texts = arena_new(GIVEN_SOFT, GIVEN_HARD);
    struct buf b;
    buf_init(&b, texts, 8 << 20);
    buf_add(&b, str_of(front));
    for (int i = 0; i < 100000; i++)
        buf_print(&b, "%s%s%d%s", i ? "," : "", part, i, back);
    buf_add(&b, front[0] == '[' ? STR("]") : STR("}"));
    struct err e = { .code = ERR_NONE };
    struct json v;
    assert_false(json_parse(a, buf_str(&b), 0, &v, &e));
    if (e.code != ERR_LIMIT)
        fail_msg("%s", e.text);
}

/* Few values, long keys with escapes: what is short is the room to decode them. */
static void refuse_long_keys(void)
{
    SCOPED(arena) struct arena *a = arena_new(1 << 20, 2 << 20);
    SCOPED(arena) struct arena *texts = arena_new(GIVEN_SOFT, GIVEN_HARD);
    struct buf b;
    buf_init(&b, texts, 8 << 20);
    for (int key = 0; key < 5; key++) {
        buf_print(&b, "%s\"%d", key ? "," : "{", key);
        for (int i = 0; i < 150000; i++)
            buf_add(&b, STR("\\n"));
        buf_add(&b, STR("\":1"));
    }
    buf_char(&b, '}');
    struct err e;
    error_of(a, buf_str(&b), 0, &e);
    assert_int_equal(e.code, ERR_LIMIT);
}

static void too_much_for_the_arena_is_a_limit_not_an_abort(void **state)
{
    refuse_long_keys();
    refuse_for_memory("[", "[[]],", "");
    refuse_for_memory("{", "\"\\n", "\":1");       /* keys that must be decoded */
    refuse_for_memory("[", "{\"\\n\":1},", "");
}

/* ---- the oracle: jansson, on generated documents ---- */

static uint64_t seed;
static uint64_t rnd(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void blank(struct buf *b)
{
    static const char *const some[] = { "", "", "", " ", "\n  ", "\t", "\r\n" };
    buf_add(b, str_of(some[rnd(COUNT(some))]));
}

static void random_string(struct buf *b, uint64_t unique)
{
    static const char *const bits[] = { "a",
                                        "component",
                                        "\\n",
                                        "\\u00e9",
                                        "\\uD834\\uDD1E",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\\\\",
                                        "\\\"",
                                        "/",
                                        "\\/",
                                        "vpc-",
                                        "0123456789abcdef",
                                        " ",
                                        "\xf0\x9f\x98\x80" };
    buf_char(b, '"');
    if (unique != UINT64_MAX)
        buf_print(b, "%" PRIu64, unique);
    for (uint64_t n = rnd(8); n > 0; n--)
        buf_add(b, str_of(bits[rnd(COUNT(bits))]));
    buf_char(b, '"');
}

static void random_value(struct buf *b, unsigned depth)
{
    static const char *const scalars[] = {
        "true", "false",    "null", "0", "-1", "1234567890123", "-9223372036854775808",
        "1.5",  "-0.25e-3", "1E5"
    };
    uint64_t kind = rnd(depth > 6 ? 2 : 4), n = rnd(depth == 0 ? 40 : 7);
    blank(b);
    if (kind == 0)
        buf_add(b, str_of(scalars[rnd(COUNT(scalars))]));
    else if (kind == 1)
        random_string(b, UINT64_MAX);
    else {
        buf_char(b, kind == 2 ? '[' : '{');
        for (uint64_t i = 0; i < n; i++) {
            if (i)
                buf_char(b, ',');
            blank(b);
            if (kind == 3) {
                random_string(b, i);
                blank(b);
                buf_char(b, ':');
            }
            random_value(b, depth + 1);
        }
        blank(b);
        buf_char(b, kind == 2 ? ']' : '}');
    }
    blank(b);
}

#ifdef HAVE_JANSSON
/* Same form as the oracle's. */
static void dump(struct arena *a, FILE *to, struct json v)
{
    struct json_iter it = json_iter(v);
    struct json member;
    str key, text;
    int64_t n;
    switch (json_kind(v)) {
    case JSON_OBJECT:
        fprintf(to, "o%zu{", json_count(v));
        while (json_next(&it, a, &key, &member)) {
            fprintf(to, "%.*s=", FMT_STR(key));
            struct json again = json_get(v, key);
            assert_true(again.doc == member.doc && again.at == member.at);
            dump(a, to, member);
        }
        fputc('}', to);
        return;
    case JSON_ARRAY:
        fprintf(to, "a%zu[", json_count(v));
        while (json_next(&it, a, &key, &member))
            dump(a, to, member);
        fputc(']', to);
        return;
    case JSON_STRING:
        text = json_str(v, a);
        fprintf(to, "s%zu:%.*s", text.len, FMT_STR(text));
        return;
    case JSON_NUMBER:
        if (json_i64(v, &n))
            fprintf(to, "i%lld;", (long long)n);
        else
            fprintf(to, "r%.17g;", strtod(arena_z(a, json_raw(v)), NULL));
        return;
    case JSON_BOOL:
        fputc(json_bool_or(v, false) ? 'T' : 'F', to);
        return;
    case JSON_NULL:
        fputc('N', to);
        return;
    case JSON_ABSENT:
        fail_msg("a value is absent");
    }
}

static bool compare(struct arena *a, str text)
{
    char *theirs = NULL, *ours = NULL;
    size_t theirs_len = 0, ours_len = 0;
    enum verdict verdict = oracle_read(text.ptr, text.len, &theirs, &theirs_len);
    struct err e = { .code = ERR_NONE };
    struct json v;
    bool ok = json_parse(a, text, 0, &v, &e);
    if (verdict != ORACLE_CANNOT_SAY && ok != (verdict == ORACLE_ACCEPTS))
        fail_msg("we %s (%s), jansson does not: %.*s", ok ? "accept" : "refuse", e.text,
                 FMT_STR(text));
    if (verdict == ORACLE_ACCEPTS) {
        FILE *to = open_memstream(&ours, &ours_len);
        assert_non_null(to);
        dump(a, to, v);
        fclose(to);
        if (ours_len != theirs_len || memcmp(ours, theirs, ours_len) != 0)
            fail_msg("read differently: %.*s\n%s\n%s", FMT_STR(text), ours, theirs);
        free(ours);
        free(theirs);
    }
    return ok;
}

static void generated_documents_read_as_jansson_reads_them(void **state)
{
    SCOPED(arena) struct arena *a = arena_new(GIVEN_SOFT, GIVEN_HARD);
    size_t bytes = 0;
    for (seed = 1; seed < 3000; seed++) {
        uint64_t kept = seed;
        seed = seed * 0x9e3779b97f4a7c15u | 1;
        struct buf b;
        buf_init(&b, a, 8 << 20);
        random_value(&b, 0);
        seed = kept;
        bytes += buf_str(&b).len;
        if (!compare(a, buf_str(&b)))
            fail_msg("seed %" PRIu64 " made no JSON", kept);
        arena_reset(a);
    }
    assert_true(bytes > 100000);
}

/* One byte changed, taken away or put in: both readers must agree on what is still JSON. */
static void damaged_documents_are_judged_as_jansson_judges_them(void **state)
{
    static const char bytes[] =
        "{}[],:\"\\0123456789eE+-.truefalsn \n\t\x01\x7f\x80\xc3\xed\xf4\xff/u";
    SCOPED(arena) struct arena *a = arena_new(GIVEN_SOFT, GIVEN_HARD);
    size_t accepted = 0, refused = 0;
    for (uint64_t round = 1; round < 12000; round++) {
        seed = round * 0x9e3779b97f4a7c15u | 1;
        struct buf b;
        buf_init(&b, a, 8 << 20);
        random_value(&b, 4);
        str text = buf_str(&b);
        size_t at = rnd(text.len);
        char c = bytes[rnd(sizeof bytes - 1)];
        str middle = rnd(3) == 0 ? STR_NONE : (str){ &c, 1 };
        str rest = str_sub(text, at + (rnd(2) ? 1 : 0), text.len), front = str_sub(text, 0, at);
        struct buf damaged;
        buf_init(&damaged, a, 8 << 20);
        buf_add(&damaged, front);
        buf_add(&damaged, middle);
        buf_add(&damaged, rest);
        if (compare(a, buf_str(&damaged)))
            accepted++;
        else
            refused++;
        arena_reset(a);
    }
    assert_true(accepted > 1000);
    assert_true(refused > 1000);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_reached_by_name_and_path),
        cmocka_unit_test(absent_values_are_accepted_everywhere),
        cmocka_unit_test(strings_are_borrowed_or_decoded),
        cmocka_unit_test(escaped_keys_are_compared_decoded),
        cmocka_unit_test(integers_never_pass_through_a_double),
        cmocka_unit_test(raw_text_is_the_source),
        cmocka_unit_test(iteration_skips_what_is_inside),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(a_key_twice_is_found_at_every_size),
        cmocka_unit_test(many_keys_stay_cheap),
        cmocka_unit_test(a_long_key_is_clipped_in_the_message),
        cmocka_unit_test(too_much_for_the_arena_is_a_limit_not_an_abort),
#ifdef HAVE_JANSSON
        cmocka_unit_test(generated_documents_read_as_jansson_reads_them),
        cmocka_unit_test(damaged_documents_are_judged_as_jansson_judges_them),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
