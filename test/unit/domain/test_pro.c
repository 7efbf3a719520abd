#include "given.h"
#include "domain/pro.h"

static void enabled_unless_boolean_false(void **state)
{
    static const struct { const char *pro; bool enabled; } row[] = {
        { "{}", true }, { "{'enabled':true}", true }, { "{'enabled':false}", false }, { "{'enabled':'false'}", true },
        { "{'enabled':0}", true }, { "{'enabled':null}", true }, { "null", false }, { "[]", false }, { "true", false },
        { "'enabled'", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_int_equal(pro_enabled(given_json(row[i].pro)), row[i].enabled);
    assert_false(pro_enabled((struct json){ 0 }));
}

/* "a.yml(1) b.yml": the files in order, with the number of inputs. */
static str files_text(const struct pro_workflow *w, size_t n)
{
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    for (size_t i = 0; i < n; i++)
        buf_print(&b, "%s" PRI_STR "(%zu)", i ? " " : "", FMT_STR(w[i].file),
                  json_count(w[i].inputs));
    return buf_str(&b);
}

static void workflows_of_a_trigger(void **state)
{
    static const struct { const char *why, *event, *activity, *pro, *want;
    } row[] = {
        {"nothing configured", "pull_request", "opened", "{}", ""},
        {"the usual layout", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'plan.yml':{'inputs':{'a':'1','b':2}}}}}}",
         "plan.yml(2)"},
        {"several files in document order", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'z.yml':{},'a.yaml':{'inputs':{}},'m.yml':null}}}"
         "}",
         "z.yml(0) a.yaml(0) m.yml(0)"},
        {"the layout without `workflows`", "pull_request", "opened",
         "{'pull_request':{'opened':{'plan.yml':{'inputs':{'a':'1'}},'x.yaml':null}}}",
         "plan.yml(1) x.yaml(0)"},
        {"there, unknown keys are not files", "pull_request", "opened",
         "{'pull_request':{'opened':{'note':{},'enabled':true,'plan.yml':{}}}}", "plan.yml(0)"},
        {"with `workflows`, other keys are unknown", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'a.yml':{}},'b.yml':{}}}}", "a.yml(0)"},
        {"another activity", "pull_request", "merged",
         "{'pull_request':{'opened':{'workflows':{'a.yml':{}}}}}", ""},
        {"any activity name of the forge", "pull_request", "ready_for_review",
         "{'pull_request':{'ready_for_review':{'workflows':{'a.yml':{}}}}}", "a.yml(0)"},
        {"release", "release", "published", "{'release':{'published':{'workflows':{'a.yml':{}}}}}",
         "a.yml(0)"},
        {"drift", "drift_detection", "detect",
         "{'drift_detection':{'enabled':true,'detect':{'workflows':{'d.yml':{}}}}}", "d.yml(0)"},
        {"disabled", "pull_request", "opened",
         "{'enabled':false,'pull_request':{'opened':{'workflows':{'a.yml':{}}}}}", ""},
        {"hostile names are handed on, to be refused by name", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'../../"
         "x.yml':{},'-rf':{},'.h.yml':{},'a\\nb':{}}}}}",
         "../../x.yml(0) -rf(0) .h.yml(0) a\nb(0)"},
        {"an empty name is nothing", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'':{}}}}}", ""},
        {"values that are no block are not guessed at", "pull_request", "opened",
         "{'pull_request':{'opened':{'workflows':{'a.yml':true,'b.yml':'x','c.yml':[],'d.yml':{'"
         "inputs':[1]}}}}}",
         "d.yml(0)"},
        {"wrong types on the way", "pull_request", "opened", "{'pull_request':[{'opened':1}]}", ""},
        {"an activity that is a text", "pull_request", "opened",
         "{'pull_request':{'opened':'plan.yml'}}", ""},
        {"merge_group has its own", "merge_group", "checks_requested",
         "{'merge_group':{'checks_requested':{'workflows':{'q.yml':{}}}},"
         "'pull_request':{'synchronize':{'workflows':{'p.yml':{}}}}}",
         "q.yml(0)"},
        {"merge_group falls back to synchronize", "merge_group", "checks_requested",
         "{'pull_request':{'synchronize':{'workflows':{'p.yml':{}}},'merged':{'workflows':{'apply."
         "yml':{}}}}}",
         "p.yml(0)"},
        {"also from a null block", "merge_group", "checks_requested",
         "{'merge_group':{'checks_requested':null},'pull_request':{'synchronize':{'workflows':{'p."
         "yml':{}}}}}",
         "p.yml(0)"},
        {"an own block without files says: none", "merge_group", "checks_requested",
         "{'merge_group':{'checks_requested':{'workflows':{}}},"
         "'pull_request':{'synchronize':{'workflows':{'p.yml':{}}}}}",
         ""},
        {"and so does an empty one", "merge_group", "checks_requested",
         "{'merge_group':{'checks_requested':{}},'pull_request':{'synchronize':{'workflows':{'p."
         "yml':{}}}}}",
         ""},
        {"and never to merged", "merge_group", "checks_requested",
         "{'pull_request':{'merged':{'workflows':{'apply.yml':{}}}}}", ""},
        {"nothing else falls back", "pull_request", "reopened",
         "{'pull_request':{'synchronize':{'workflows':{'p.yml':{}}}}}", ""},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        print_message("  %s\n", row[i].why);
        struct pro_workflow *w;
        struct trigger t = { str_of(row[i].event), str_of(row[i].activity) };
        size_t n = pro_workflows(mem, given_json(row[i].pro), t, &w);
        then_text(files_text(w, n), row[i].want);
    }
}

static void many_files_are_read_in_linear_time(void **state)
{
    struct buf b;
    buf_init(&b, mem, 1 << 26);
    buf_add(&b, STR("{\"pull_request\":{\"opened\":{\"workflows\":{"));
    for (int i = 0; i < 200000; i++)
        buf_print(&b, "%s\"%d\":{}", i ? "," : "", i);
    buf_add(&b, STR("}}}}"));
    struct pro_workflow *w;
    struct trigger t = { STR("pull_request"), STR("opened") };
    assert_int_equal(pro_workflows(mem, given_raw(buf_str(&b)), t, &w), 200000);
}

#define DETECT "'detect':{'workflows':{'d.yml':{}}}"
#define REMEDIATE "'remediate':{'workflows':{'r.yml':{}}}"

static void drift_needs_both_workflows(void **state)
{
    static const struct { const char *pro; bool enabled; unsigned problems; const char *first; } row[] = {
        { "{}", false, 0, "" },
        { "{'drift_detection':{}}", false, 0, "" },
        { "{'drift_detection':{'enabled':'true'}}", false, 0, "" },
        { "{'drift_detection':{'enabled':false}}", false, 0, "" },
        { "{'enabled':false,'drift_detection':{'enabled':true}}", false, 0, "" },
        { "{'drift_detection':{'enabled':true," DETECT "," REMEDIATE "}}", true, 0, "" },
        { "{'drift_detection':{'enabled':true,'detect':{'d.yml':{}},'remediate':{'r.yml':{}}}}", true, 0, "" },
        { "{'drift_detection':{'enabled':true," DETECT "}}", true, 1, "drift_detection.remediate.workflows" },
        { "{'drift_detection':{'enabled':true," REMEDIATE "}}", true, 1, "drift_detection.detect.workflows" },
        { "{'drift_detection':{'enabled':true}}", true, 2, "drift_detection.detect.workflows" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct json pro = given_json(row[i].pro);
        struct err e = { 0 };
        assert_int_equal(pro_drift_enabled(pro), row[i].enabled);
        assert_int_equal(pro_drift_check(mem, STR("prod"), STR("vpc"), pro, &e),
                         row[i].problems == 0);
        assert_int_equal(e.details, row[i].problems);
        if (row[i].problems == 0)
            continue;
        then_error(&e, ERR_DRIFT, "drift detection");
        then_detail(&e, 0, "stack prod, component vpc: ");
        then_detail(&e, 0, row[i].first);
    }
}

static void drift_problems_of_many_instances_are_gathered_and_capped(void **state)
{
    struct err e = { 0 };
    struct json pro = given_json("{'drift_detection':{'enabled':true}}");
    for (int i = 0; i < 100; i++)
        assert_false(pro_drift_check(mem, arena_print(mem, "s%d\n\u202e", i), STR("vpc"), pro, &e));
    assert_int_equal(e.details, ERR_DETAILS_MAX);
    then_detail(&e, 2, "stack s1");
    then_detail(&e, ERR_DETAILS_MAX - 1, "and more");
    for (unsigned i = 0; i < e.details; i++)
        then_plain(str_of(e.detail[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enabled_unless_boolean_false), TEST(workflows_of_a_trigger), TEST(many_files_are_read_in_linear_time),
        TEST(drift_needs_both_workflows), TEST(drift_problems_of_many_instances_are_gathered_and_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
