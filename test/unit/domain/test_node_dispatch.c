#include "given.h"
#include "domain/action_run.h"
#include "domain/node_dispatch.h"

static void a_workflow_file_names_a_workflow(void **state)
{
    static const struct { const char *file, *name; } row[] = {
        { "plan.yaml", "plan" },
        { "plan.yml", "plan" },
        { "plan", "plan" },
        { "apply all.yaml", "apply all" },
        { "team/a-b_{c}.yaml", "team/a-b_{c}" },
        { "plan.yaml.yaml", "plan.yaml" },
        { "9lives.yml", "9lives" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str name;
        assert_true(node_workflow(str_of(row[i].file), &name));
        then_text(name, row[i].name);
    }
    static const char *const wrong_ones[] = {
        "", ".yaml", "help", "help.yaml", "-x.yaml", "../x.yaml", "a/../b", "a;b", "a\nb", "$(x)",
        "caf\xc3\xa9",
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.yaml"),
    };
    for (size_t i = 0; i < sizeof wrong_ones / sizeof wrong_ones[0]; i++) {
        str name;
        if (node_workflow(str_of(wrong_ones[i]), &name))
            wrong("taken: %s", wrong_ones[i]);
    }
}

static void a_run_has_one_uuid(void **state)
{
    str a = node_run_uuid(mem, STR("run_1")), b = node_run_uuid(mem, STR("run_2"));
    assert_true(action_run_id_ok(a));
    assert_true(action_run_id_ok(b));
    assert_false(str_eq(a, b));
    assert_true(str_eq(a, node_run_uuid(mem, STR("run_1"))));
    assert_int_equal(a.ptr[14], '8');
    assert_non_null(memchr("89ab", a.ptr[19], 4));
}

static const struct instance vpc = { .stack = STR_INIT("prod"), .component = STR_INIT("vpc"),
                                     .namespace_ = STR_INIT("acme") };

static void inputs_become_variables(void **state)
{
    str vars, why;
    struct json inputs = given_json("{'component':'{{ .atmos_component }}','n':3,'yes':true,'none':null,"
                                    "'sha':'theirs','ns':'{{ .vars.namespace }}'}");
    assert_int_equal(node_variables(mem, &vpc, inputs, STR("c0ffee"), STR("run_1"), &vars, &why), DISPATCH_OK);
    then_text(vars, "{\"sha\":\"c0ffee\",\"atmos_component\":\"vpc\",\"atmos_stack\":\"prod\","
                    "\"atmos_pro_run_id\":\"run_1\",\"component\":\"vpc\",\"n\":\"3\",\"yes\":\"true\","
                    "\"none\":\"\",\"ns\":\"acme\"}");
    assert_int_equal(node_variables(mem, &vpc, (struct json){ 0 }, STR(""), STR("run_1"), &vars, &why), DISPATCH_OK);
    then_text(vars, "{\"atmos_component\":\"vpc\",\"atmos_stack\":\"prod\",\"atmos_pro_run_id\":\"run_1\"}");
}

static void what_a_runner_would_refuse_is_refused_before(void **state)
{
    static const struct { const char *inputs; enum dispatch_error code; const char *why; } row[] = {
        { "{'a-b':'x'}", DISPATCH_BAD_VARIABLE, "Input \"a-b\" cannot be a variable" },
        { "{'9a':'x'}", DISPATCH_BAD_VARIABLE, "Rename it" },
        { "{'':'x'}", DISPATCH_BAD_VARIABLE, "Rename it" },
        { "{'x':'{{ .vars.nope }}'}", DISPATCH_UNRENDERED, "still holds a template" },
        { "{'x':['a']}", DISPATCH_BAD_CHOICE, "is a list" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str vars, why;
        assert_int_equal(node_variables(mem, &vpc, given_json(row[i].inputs), STR(""), STR("r"), &vars, &why),
                         row[i].code);
        if (!str_has(why, str_of(row[i].why)))
            wrong("no \"%s\" in %.*s", row[i].why, (int)why.len, why.ptr);
    }
    struct buf b;
    str vars, why;
    buf_init(&b, mem, 1 << 16);
    for (int i = 0; i < 97; i++)
        buf_print(&b, "%s'v%d':1", i ? "," : "{", i);
    buf_print(&b, "}");
    assert_int_equal(node_variables(mem, &vpc, given_json(arena_z(mem, buf_str(&b))), STR(""), STR("r"), &vars, &why),
                     DISPATCH_TOO_MANY_INPUTS);
}

static void a_runner_ends_before_its_time_is_over_here(void **state)
{
    static const struct { int64_t timeout, minutes; } row[] = {
        { 60, 55 }, { 1, 1 }, { 2, 1 }, { 12, 11 }, { 420, 385 }, { 50400, 1440 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_int_equal(runner_minutes(row[i].timeout * 60000), row[i].minutes);
}

static void the_dispatch_is_in_the_words_of_the_contract(void **state)
{
    struct node_order o = { .workflow = STR("plan"), .stack = STR("prod"), .ref = STR("c0ffee"),
                            .vars = STR("{\"a\":\"1\"}"), .project = STR("acme/infra"), .minutes = 55 };
    struct node_send s = { &o, STR("u"), STR("https://box/action-runs/u/callback"), STR("t") };
    str body;
    assert_true(node_dispatch_body(mem, &s, &body));
    then_text(body, "{\"runId\":\"u\",\"workflow\":\"plan\",\"stack\":\"prod\",\"vars\":{\"a\":\"1\"},"
                    "\"callbackUrl\":\"https://box/action-runs/u/callback\",\"callbackToken\":\"t\","
                    "\"waitForCompletion\":true,\"ref\":\"c0ffee\",\"timeoutMinutes\":55,\"progress\":true,"
                    "\"project\":\"acme/infra\"}");
    o.ref = STR("");
    assert_true(node_dispatch_body(mem, &s, &body));
    assert_false(str_has(body, STR("\"ref\"")));
    char *long_text = malloc(300 << 10);
    memset(long_text, 'x', 300 << 10);
    o.stack = (str){ long_text, 300 << 10 };
    assert_false(node_dispatch_body(mem, &s, &body));
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_workflow_file_names_a_workflow), TEST(a_run_has_one_uuid), TEST(inputs_become_variables),
        TEST(what_a_runner_would_refuse_is_refused_before), TEST(a_runner_ends_before_its_time_is_over_here),
        TEST(the_dispatch_is_in_the_words_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
