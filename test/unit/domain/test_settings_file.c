/*
 * Settings kept in git: what a file may say, and which pushes may have changed it.
 */
#include "given.h"
#include "domain/settings_file.h"

static void a_file_says_what_it_names_and_nothing_else(void **state)
{
    static const struct { const char *text, *want; } row[] = {
        { "", "{}" },
        { "# nothing yet\n", "{}" },
        { "threshold: 80\n", "{\"threshold\":80}" },
        { "rapid_push_hold: true\nthreshold_hold: false\n",
          "{\"rapid_push_hold\":true,\"threshold_hold\":false}" },
        { "{\"threshold\": 7}", "{\"threshold\":7}" },      /* JSON is YAML */
        { "base: &n 5\n", NULL },
        { "threshold: 0\n", NULL },
        { "threshold: 50001\n", NULL },
        { "threshold: \"80\"\n", NULL },
        { "threshold_hold: 1\n", NULL },
        { "treshold: 80\n", NULL },
        { "- threshold\n", NULL },
        { "threshold\n", NULL },
        { "threshold: 80\nthreshold: 90\n", NULL },
        { "threshold: [\n", NULL },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        struct json actions;
        str out;
        bool ok = settings_file_read(mem, str_of(row[i].text), &out, &actions, &e);
        if (ok != (row[i].want != NULL))
            wrong("%s: %s", row[i].text, ok ? "taken" : e.text);
        if (ok)
            then_text(out, row[i].want);
        else
            assert_true(settings_file_wrong(mem, &e).len > 0);
    }
}

static void what_is_wrong_is_told_in_one_line(void **state)
{
    struct err e = { 0 };
    struct json actions;
    str out;
    assert_false(settings_file_read(mem, STR("threshold: 0\nrapid_pushes: x\nfoo: 1\n"), &out,
                                    &actions, &e));
    then_text(settings_file_wrong(mem, &e),
              "threshold must be between 1 and 50000, got 0; rapid_pushes must be a whole number between 1 and "
              "100, got \"x\"; there is no setting foo");
    struct err broken = { 0 };
    assert_false(settings_file_read(mem, STR("a: [\n"), &out, &actions, &broken));
    assert_true(str_has(settings_file_wrong(mem, &broken), STR("line")));
}

#define PROVISION \
    "actions:\n  provision:\n    parameters:\n      - name: id\n    trigger:\n      type: atmos-workflow\n" \
    "      workflow: w\n      stack: \"t-{{ parameters.id }}\"\n      runner: eu-1\n"

static void a_file_defines_actions_beside_settings(void **state)
{
    struct err e = { 0 };
    struct json actions;
    str out;
    if (!settings_file_read(mem, STR("threshold: 80\n" PROVISION "  ping:\n    trigger: {type: noop}\n"), &out,
                            &actions, &e))
        wrong("%s", e.detail[0]);
    then_text(out, "{\"threshold\":80}");
    assert_int_equal(json_count(actions), 2);
    then_text(json_str(json_path(actions, "provision.trigger.stack"), mem), "t-{{ parameters.id }}");
    assert_true(settings_file_read(mem, STR("actions:\n"), &out, &actions, &e));
    assert_int_equal(json_count(actions), 0);
}

static void an_action_that_is_wrong_spoils_the_file(void **state)
{
    struct err e = { 0 }, list = { 0 };
    struct json actions;
    str out;
    assert_false(settings_file_read(mem, STR("threshold: 0\n" PROVISION "  other:\n    trigger: {type: x}\n"),
                                    &out, &actions, &e));
    then_text(settings_file_wrong(mem, &e),
              "threshold must be between 1 and 50000, got 0; action other: trigger.type must be "
              "atmos-workflow or noop, got x");
    assert_false(settings_file_read(mem, STR("actions: [a]\n"), &out, &actions, &list));
    then_text(settings_file_wrong(mem, &list), "actions must be an object of names and definitions");
}

static void a_push_tells_whether_it_touched_the_file(void **state)
{
    static const struct { const char *push; bool want; } row[] = {
        { "{'commits':[{'added':[],'modified':['a.tf'],'removed':[]}]}", false },
        { "{'commits':[{'added':['.github/signalbox.yaml']}]}", true },
        { "{'commits':[{'modified':['x']},{'modified':['y','.github/signalbox.yaml']}]}", true },
        { "{'commits':[{'removed':['.github/signalbox.yaml']}]}", true },
        { "{'commits':[{'modified':['docs/.github/signalbox.yaml']}]}", false },
        /* not known: it may have */
        { "{'commits':[]}", true },
        { "{}", true },
        { "{'forced':true,'commits':[{'modified':['a']}]}", true },
        { "{'commits':[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", true },
        { "{'commits':[{'modified':[7,null,{}]},'x']}", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (settings_file_touched(mem, given_json(row[i].push)) != row[i].want)
            wrong("%s", row[i].push);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_says_what_it_names_and_nothing_else),
        TEST(what_is_wrong_is_told_in_one_line),
        TEST(a_file_defines_actions_beside_settings),
        TEST(an_action_that_is_wrong_spoils_the_file),
        TEST(a_push_tells_whether_it_touched_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
