#include "given.h"
#include "domain/workflow.h"

static struct workflow given_workflow(const char *yaml)
{
    struct workflow w;
    struct err e = { 0 };
    if (!workflow_read(mem, str_of(yaml), &w, &e))
        wrong("expected a workflow, got %s: %s", err_tag(e.code), e.text);
    return w;
}

static void the_dispatch_trigger_is_found_in_every_form(void **state)
{
    static const struct { const char *yaml; bool dispatchable; } row[] = {
        { "on: workflow_dispatch", true }, { "on: push", false }, { "on: [push, workflow_dispatch]", true },
        { "on: [push]", false }, { "on: [workflow_dispatch, push]", true }, { "on:\n  workflow_dispatch:\n", true }, { "on:\n  workflow_dispatch: {}\n", true },
        { "on:\n  push:\n  workflow_dispatch:\n    inputs:\n", true }, { "on:\n  push:\n    branches: [workflow_dispatch]\n", false },
        { "on: workflow_dispatch_x", false }, { "jobs: {}", false }, { "on: 7", false }, { "on:\n", false },
        { "on: [[workflow_dispatch]]", false }, { "'on': workflow_dispatch", true },
        { "on:\n  workflow_call:\n    inputs:\n      a: {type: string}\n", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %.40s\n", row[i].yaml);
        assert_int_equal(given_workflow(row[i].yaml).dispatchable, row[i].dispatchable);
    }
}

static void inputs_are_read(void **state)
{
    struct workflow w = given_workflow(
        "name: plan\non:\n  workflow_dispatch:\n    inputs:\n"
        "      component: {required: true, type: string, description: x}\n"
        "      stack: {required: true, default: dev}\n"
        "      free:\n"
        "      upload: {type: boolean, default: false}\n"
        "      level: {type: choice, options: [low, 7, true, 'no']}\n"
        "      odd: {required: 'true', type: [x], options: low}\n"
        "jobs: {}\n");
    static const struct { const char *name, *type; bool required, has_default; size_t options; } row[] = {
        { "component", "string", true, false, 0 }, { "stack", "string", true, true, 0 }, { "free", "string", false, false, 0 },
        { "upload", "boolean", false, true, 0 }, { "level", "choice", false, false, 4 }, { "odd", "string", false, false, 0 },
    };
    assert_int_equal(w.input_count, sizeof row / sizeof row[0]);
    for (size_t i = 0; i < w.input_count; i++) {
        then_text(w.input[i].name, row[i].name);
        then_text(w.input[i].type, row[i].type);
        assert_int_equal(w.input[i].required, row[i].required);
        assert_int_equal(w.input[i].has_default, row[i].has_default);
        assert_int_equal(w.input[i].option_count, row[i].options);
    }
    static const char *const option[] = { "low", "7", "true", "no" };
    for (size_t i = 0; i < 4; i++)
        then_text(w.input[4].options[i], option[i]);
}

static void the_run_id_in_the_run_name_is_seen(void **state)
{
    static const struct { const char *name; bool has; } row[] = {
        { "plan ${{ inputs.component }}/${{ inputs.atmos_pro_run_id }}", true },
        { "${{ github.event.inputs.atmos_pro_run_id }}", true },
        { "${{inputs.atmos_pro_run_id}}", true }, { "${{ Inputs.ATMOS_PRO_RUN_ID }}", true },
        { "${{ format('{0}', inputs.atmos_pro_run_id) }}", true },
        { "${{ inputs.atmos_pro_run_id || 'none' }}", true },
        { "inputs.atmos_pro_run_id", false }, { "${{ inputs.atmos_pro_run_id_old }}", false },
        { "${{ myinputs.atmos_pro_run_id }}", false }, { "${{ inputs.component }} inputs.atmos_pro_run_id", false },
        { "${{ inputs.atmos_pro_run_id", false }, { "${{", false }, { "", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].name);
        struct workflow w = given_workflow(
            arena_print(mem, "on: workflow_dispatch\nrun-name: \"%s\"\n", row[i].name).ptr);
        assert_int_equal(w.run_name_has_id, row[i].has);
    }
}

static void the_environment_input_is_seen(void **state)
{
    static const struct { const char *environment, *want; } row[] = {
        { "\"${{ inputs.github_environment }}\"", "github_environment" }, { "\"${{inputs.e}}\"", "e" },
        { "\"${{ github.event.inputs.e-1 }}\"", "e-1" }, { "{name: \"${{ inputs.e }}\", url: x}", "e" },
        { "production", "" }, { "\"${{ inputs.e }}-apply\"", "" }, { "\"x-${{ inputs.e }}\"", "" },
        { "\"${{ vars.e }}\"", "" }, { "\"${{ inputs.e || 'dev' }}\"", "" }, { "\"${{ inputs. }}\"", "" }, { "", "" }, { "[a]", "" },
        { "\"${{ inputs.e }}${{ inputs.f }}\"", "" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].environment);
        struct workflow w = given_workflow(
            arena_print(
                mem,
                "on: workflow_dispatch\njobs:\n  one: {runs-on: x}\n  two:\n    environment: %s\n",
                row[i].environment)
                .ptr);
        then_text(w.environment_input, row[i].want);
    }
    then_text(given_workflow("on: push\njobs: [1]\n").environment_input, "");
}

static void unreadable_files_are_refused(void **state)
{
    static const struct { const char *yaml, *why; } row[] = {
        { "on: [push", "line" }, { "- a\n- b\n", "top level must be a map" }, { "", "top level must be a map" },
        { "just text", "top level must be a map" }, { "on: push\non: push\n", "on" }, { "a: \x01\n", "" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct workflow w;
        struct err e = { 0 };
        assert_false(workflow_read(mem, str_of(row[i].yaml), &w, &e));
        then_error(&e, ERR_INVALID, row[i].why);
    }
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    buf_add(&b, STR("on:\n  workflow_dispatch:\n    inputs:\n"));
    for (int i = 0; i <= WORKFLOW_INPUTS_MAX; i++)
        buf_print(&b, "      i%d:\n", i);
    struct workflow w;
    struct err e = { 0 };
    assert_false(workflow_read(mem, buf_str(&b), &w, &e));
    then_error(&e, ERR_INVALID, "declares 101 inputs");
}

/* ---- one dispatch ---- */

static const struct instance INSTANCE = {.stack = STR_INIT("plat-ue1-prod"),
                                         .component = STR_INIT("network/vpc"),
                                         .tenant = STR_INIT("plat"),
                                         .stage = STR_INIT("prod")};

struct filled { enum dispatch_error error; struct dispatch_inputs in; str why; };

static struct filled when_filled(const char *inputs_yaml, const char *configured)
{
    struct workflow w = given_workflow(
        arena_print(mem, "on:\n  workflow_dispatch:\n    inputs: {%s}\n", inputs_yaml).ptr);
    struct filled f;
    f.error =
        workflow_inputs(mem, &w, &INSTANCE, configured ? given_json(configured) : (struct json){0},
                        STR("5ha"), STR("run_1"), 25, &f.in, &f.why);
    return f;
}

static str filled_text(const struct filled *f)
{
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (size_t i = 0; i < f->in.count; i++)
        buf_print(&b, "%s" PRI_STR "=" PRI_STR, i ? "|" : "", FMT_STR(f->in.at[i].name),
                  FMT_STR(f->in.at[i].value));
    for (size_t i = 0; i < f->in.dropped_count; i++)
        buf_print(&b, "|-" PRI_STR, FMT_STR(f->in.dropped[i]));
    return buf_str(&b);
}

static void inputs_are_rendered_filtered_and_completed(void **state)
{
    static const struct { const char *why, *yaml, *configured, *want;
    } row[] = {
        {"nothing at all", "", NULL, ""},
        {"no configured inputs, ours are added", "sha: , atmos_pro_run_id: ", NULL,
         "sha=5ha|atmos_pro_run_id=run_1"},
        {"texts stay", "a: ", "{'a':'x y'}", "a=x y"},
        {"booleans and numbers become text", "a: , b: , c: ", "{'a':true,'b':false,'c':1.50}",
         "a=true|b=false|c=1.50"},
        {"null is empty", "a: ", "{'a':null}", "a="},
        {"undeclared ones are dropped, not checked",
         "a: ", "{'a':'1','zz':'{{ .settings.x }}','yy':[1]}", "a=1|-zz|-yy"},
        {"the known templates", "a: ,b: ,c: ,d: ,e: ",
         "{'a':'{{ .atmos_component }}','b':'{{.atmos_stack}}','c':'{{   .sha\\t}}','d':'{{ "
         ".vars.tenant }}-{{ .vars.stage }}','e':'x{{.sha}}'}",
         "a=network/vpc|b=plat-ue1-prod|c=5ha|d=plat-prod|e=x5ha"},
        {"single braces are text", "a: ", "{'a':'{x} }} {'}", "a={x} }} {"},
        {"our names give way to nobody",
         "sha: , atmos_pro_run_id: , a: ", "{'sha':'<no value>','atmos_pro_run_id':'mine','a':'1'}",
         "a=1|sha=5ha|atmos_pro_run_id=run_1"},
        {"configured inputs of another type are none", "a: ", "['a']", ""},
        {"typed inputs that fit",
         "b: {type: boolean}, c: {type: choice, options: [x, y]}, n: {type: number}, e: {type: "
         "environment}",
         "{'b':'true','c':'y','n':-1.5e3,'e':'prod'}", "b=true|c=y|n=-1.5e3|e=prod"},
        {"a choice by template", "c: {type: choice, options: [prod]}", "{'c':'{{ .vars.stage }}'}",
         "c=prod"},
        {"required ones with a value or a default",
         "a: {required: true}, b: {required: true, default: x}", "{'a':''}", "a="},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct filled f = when_filled(row[i].yaml, row[i].configured);
        if (f.error != DISPATCH_OK)
            wrong("refused: %s: " PRI_STR, dispatch_error_name(f.error), FMT_STR(f.why));
        then_text(filled_text(&f), row[i].want);
        assert_int_equal(f.why.len, 0);
    }
    assert_true(when_filled("atmos_pro_run_id: ", NULL).in.carries_run_id);
    assert_false(when_filled("a: ", NULL).in.carries_run_id);
}

static void what_cannot_be_dispatched_says_why(void **state)
{
    static const struct { const char *yaml, *configured; enum dispatch_error error; const char *why; } row[] = {
        { "a: ", "{'a':'{{ .vars.namespace }}'}", DISPATCH_UNRENDERED, "\"a\" still holds a template: \"{{ .vars.namespace }}\"" },
        { "a: ", "{'a':'{{ .settings.x }}'}", DISPATCH_UNRENDERED, "templates.settings.enabled: true" },
        { "a: ", "{'a':'{{- .sha -}}'}", DISPATCH_UNRENDERED, "still holds" },
        { "a: ", "{'a':'{{ .sha | upper }}'}", DISPATCH_UNRENDERED, "still holds" },
        { "a: ", "{'a':'{{ .sha'}", DISPATCH_UNRENDERED, "still holds" },
        { "a: ", "{'a':'{{ {{ .sha }} }}'}", DISPATCH_UNRENDERED, "still holds" },
        { "a: ", "{'a':'{{ printf `%s` .sha }}'}", DISPATCH_UNRENDERED, "still holds" },
        { "a: ", "{'a':'<no value>'}", DISPATCH_UNRENDERED, "names something that the stack does not have" },
        { "a: ", "{'a':'x-<no value>-y'}", DISPATCH_UNRENDERED, "\"a\"" },
        { "a: {required: true}", "{}", DISPATCH_MISSING_INPUT, "requires input \"a\"" },
        { "a: {required: true}", NULL, DISPATCH_MISSING_INPUT, "requires input \"a\"" },
        { "a: {required: true}", "{'a':null}", DISPATCH_MISSING_INPUT, "requires input \"a\"" },
        { "a: {required: true}", "{'A':'x'}", DISPATCH_MISSING_INPUT, "requires input \"a\"" },
        { "a: {type: boolean}", "{'a':'yes'}", DISPATCH_BAD_CHOICE, "\"a\" is \"yes\", but the workflow takes true or false" },
        { "a: {type: boolean}", "{'a':'True'}", DISPATCH_BAD_CHOICE, "true or false" },
        { "a: {type: boolean}", "{'a':null}", DISPATCH_BAD_CHOICE, "true or false" },
        { "a: {type: number}", "{'a':'1x'}", DISPATCH_BAD_CHOICE, "takes a number" },
        { "a: {type: number}", "{'a':''}", DISPATCH_BAD_CHOICE, "takes a number" },
        { "a: {type: number}", "{'a':'1.'}", DISPATCH_BAD_CHOICE, "takes a number" },
        { "a: {type: number}", "{'a':'1e'}", DISPATCH_BAD_CHOICE, "takes a number" },
        { "a: {type: number}", "{'a':'0x10'}", DISPATCH_BAD_CHOICE, "takes a number" },
        { "a: {type: choice, options: [low, high]}", "{'a':'mid'}", DISPATCH_BAD_CHOICE, "takes one of low, high;" },
        { "a: {type: choice}", "{'a':'mid'}", DISPATCH_BAD_CHOICE, "takes one of" },
        { "a: {type: choice, options: [1,2,3,4,5,6,7,8,9,10]}", "{'a':'x'}", DISPATCH_BAD_CHOICE, "8 and 2 more" },
        { "a: ", "{'a':[1]}", DISPATCH_BAD_CHOICE, "\"a\" is a list" },
        { "a: ", "{'a':{'b':1}}", DISPATCH_BAD_CHOICE, "\"a\" is a map" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s %s\n", row[i].yaml, row[i].configured ? row[i].configured : "nothing");
        struct filled f = when_filled(row[i].yaml, row[i].configured);
        assert_string_equal(dispatch_error_name(f.error), dispatch_error_name(row[i].error));
        if (!str_has(f.why, str_of(row[i].why)))
            wrong("expected \"%s\" in: " PRI_STR, row[i].why, FMT_STR(f.why));
    }
    struct workflow push = given_workflow("on: push");
    struct dispatch_inputs in;
    str why;
    assert_int_equal(workflow_inputs(mem, &push, &INSTANCE, (struct json){ 0 }, STR("s"), STR("r"), 25, &in, &why),
                     DISPATCH_NOT_DISPATCHABLE);
    assert_true(str_has(why, STR("workflow_dispatch")));
}

static void counts_and_sizes_are_bounded(void **state)
{
    static const struct { int inputs; size_t max; bool ok; } count[] = { { 25, 25, true }, { 26, 25, false }, { 10, 10, true }, { 11, 10, false } };
    for (size_t i = 0; i < sizeof count / sizeof count[0]; i++) {
        struct buf y, c;
        buf_init(&y, mem, 1 << 16);
        buf_init(&c, mem, 1 << 16);
        buf_add(&y, STR("on:\n  workflow_dispatch:\n    inputs:\n"));
        buf_char(&c, '{');
        for (int k = 0; k < count[i].inputs; k++) {
            buf_print(&y, "      i%d:\n", k);
            buf_print(&c, "%s'i%d':'x'", k ? "," : "", k);
        }
        buf_char(&c, '}');
        struct workflow w = given_workflow(buf_str(&y).ptr);
        struct dispatch_inputs in;
        str why;
        enum dispatch_error d = workflow_inputs(mem, &w, &INSTANCE, given_json(buf_str(&c).ptr),
                                                STR("s"), STR("r"), count[i].max, &in, &why);
        assert_int_equal(d, count[i].ok ? DISPATCH_OK : DISPATCH_TOO_MANY_INPUTS);
    }
    static const struct { const char *unit; size_t times; bool ok; } size[] = {
        { "x", 65534, true }, { "x", 65535, false }, { "€", 65534, true }, { "€", 65535, false }, { "{{.sha}}", 30000, false },
        { "{{.atmos_component}}", 200000, false },
    };
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        struct buf b;
        buf_init(&b, mem, 1 << 24);
        buf_add(&b, STR("{'a':'"));
        for (size_t k = 0; k < size[i].times; k++)
            buf_add(&b, str_of(size[i].unit));
        buf_add(&b, STR("'}"));
        assert_true(buf_ok(&b));
        struct filled f = when_filled("a: ", buf_str(&b).ptr);
        assert_string_equal(dispatch_error_name(f.error), size[i].ok ? "" : "inputs_too_large");
    }
}

static void hostile_values_stay_data(void **state)
{
    static const char *const hostile[] = {"a\nb", "\u202etxt", "${ secrets.X }", "$(id)",
                                          "';--", "\x1b[31m",  "\u2028"};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct instance in = INSTANCE;
        in.component = str_of(hostile[i]);
        struct workflow w = given_workflow(
            "on:\n  workflow_dispatch:\n    inputs: {a: , c: {type: choice, options: [x]}}\n");
        struct dispatch_inputs out;
        str why;
        struct json j = given_json("{'a':'{{ .atmos_component }}'}");
        assert_int_equal(workflow_inputs(mem, &w, &in, j, STR("s"), STR("r"), 25, &out, &why),
                         DISPATCH_OK);
        then_text(out.at[0].value, hostile[i]);
        j = given_json("{'c':'{{ .atmos_component }}'}");
        assert_int_equal(workflow_inputs(mem, &w, &in, j, STR("s"), STR("r"), 25, &out, &why),
                         DISPATCH_BAD_CHOICE);
        then_plain(why);
    }
    /* What was put in is not rendered again. */
    struct instance in = INSTANCE;
    in.component = STR("{{ .sha }}");
    struct workflow w = given_workflow("on:\n  workflow_dispatch:\n    inputs: {a: }\n");
    struct dispatch_inputs out;
    str why;
    assert_int_equal(workflow_inputs(mem, &w, &in, given_json("{'a':'{{ .atmos_component }}'}"), STR("s"), STR("r"), 25, &out, &why),
                     DISPATCH_UNRENDERED);
}

static void file_names(void **state)
{
    static const struct { const char *name; bool ok; } row[] = {
        { "plan.yml", true }, { "atmos-terraform-apply.yaml", true }, { "a b.yml", false }, { "plan.yml.txt", false },
        { ".yml", false }, { ".hidden.yml", false }, { "-rf.yml", false }, { "../plan.yml", false }, { "a/plan.yml", false },
        { "a\\plan.yml", false }, { "plän.yml", false }, { "plan.yml\n", false }, { "", false }, { "plan", false },
        { "plan.YML", false }, { "x..yml", true }, { "p%2f.yml", true },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_int_equal(workflow_name_ok(str_of(row[i].name)), row[i].ok);
    char big[256];
    memset(big, 'x', sizeof big);
    memcpy(big + 251, ".yml", 4);
    assert_true(workflow_name_ok((str){ big, 255 }));
    memcpy(big + 252, ".yml", 4);
    assert_false(workflow_name_ok((str){ big, 256 }));
}

static void every_error_has_its_own_name(void **state)
{
    for (int i = 1; i < DISPATCH_ERROR_COUNT; i++) {
        assert_true(strlen(dispatch_error_name((enum dispatch_error)i)) > 3);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(dispatch_error_name((enum dispatch_error)i),
                                    dispatch_error_name((enum dispatch_error)k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_dispatch_trigger_is_found_in_every_form), TEST(inputs_are_read), TEST(the_run_id_in_the_run_name_is_seen),
        TEST(the_environment_input_is_seen), TEST(unreadable_files_are_refused),
        TEST(inputs_are_rendered_filtered_and_completed), TEST(what_cannot_be_dispatched_says_why),
        TEST(counts_and_sizes_are_bounded), TEST(hostile_values_stay_data), TEST(file_names), TEST(every_error_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
