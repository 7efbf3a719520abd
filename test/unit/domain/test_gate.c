#include "given.h"
#include "domain/gate.h"

static const struct { enum gate_kind kind; const char *text; } row[] = {
    { GATE_LOCK, "{\"kind\":\"lock\",\"message\":\"a \\\"b\\\" ü\"}" },
    { GATE_RUN, "{\"kind\":\"run\",\"message\":\"a \\\"b\\\" ü\"}" },
    { GATE_BUDGET, "{\"kind\":\"budget\",\"message\":\"a \\\"b\\\" ü\"}" },
    { GATE_RUNNER, "{\"kind\":\"runner\",\"message\":\"a \\\"b\\\" ü\"}" },
};

/* Rows of an earlier version hold such texts, too: they are not to change. */
static void each_kind_is_read_as_it_was_written(void **state)
{
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct buf b;
        struct json fields;
        struct json_out w = gate_begin(mem, &b, row[i].kind);
        json_field_str(&w, STR("message"), STR("a \"b\" ü"));
        json_end_object(&w);
        then_text(buf_str(&b), row[i].text);
        assert_int_equal(gate_kind(buf_str(&b)), row[i].kind);
        assert_int_equal(gate_read(mem, buf_str(&b), &fields), row[i].kind);
        then_text(json_str(json_get(fields, STR("message")), mem), "a \"b\" ü");
    }
}

static void what_is_no_gate_is_none(void **state)
{
    static const char *const text[] = {
        "", "{}", "lock", "{\"kind\":\"locksmith\"}", "{\"kind\":\"\"}", "{\"message\":\"{\\\"kind\\\":\\\"lock\\\"\"}",
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        struct json fields;
        assert_int_equal(gate_kind(str_of(text[i])), GATE_NONE);
        assert_int_equal(gate_read(mem, str_of(text[i]), &fields), GATE_NONE);
    }
    struct json fields;
    assert_int_equal(gate_read(mem, STR("{\"kind\":\"lock\",\"message\":\"cut o"), &fields), GATE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_read_as_it_was_written), TEST(what_is_no_gate_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
