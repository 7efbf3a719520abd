/* command.h: which Atmos command a run stands for, and what its report says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail                 /* cmocka's; err.h has its own */

#include "domain/command.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void a_file_name_gives_a_guess(void **state)
{
    (void)state;
    static const struct { const char *file; enum command want; } cases[] = {
        { "atmos-pro-terraform-plan.yaml", COMMAND_PLAN },
        { "atmos-pro-terraform-apply.yaml", COMMAND_APPLY },
        { "Apply.YML", COMMAND_APPLY },
        { "detect.yaml", COMMAND_DETECT },
        { "nightly-drift.yml", COMMAND_DETECT },
        { "plan-then-apply.yaml", COMMAND_APPLY },
        { "drift-plan.yaml", COMMAND_DETECT },
        { "drift-remediate-apply.yaml", COMMAND_REMEDIATE },
        { "deploy.yaml", COMMAND_UNKNOWN },
        { "", COMMAND_UNKNOWN },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_guess(str_of(cases[i].file)), cases[i].want);
}

static void the_last_word_of_a_report_counts(void **state)
{
    (void)state;
    static const struct { const char *said; enum command want; } cases[] = {
        { "plan", COMMAND_PLAN }, { "terraform plan", COMMAND_PLAN }, { "apply", COMMAND_APPLY },
        { "terraform deploy", COMMAND_APPLY }, { "remediate", COMMAND_REMEDIATE }, { " Apply ", COMMAND_APPLY },
        { "plan -out=apply", COMMAND_UNKNOWN }, { "planned", COMMAND_UNKNOWN }, { "", COMMAND_UNKNOWN },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_read(str_of(cases[i].said)), cases[i].want);
}

#define DETECT    { STR_INIT("drift_detection"), STR_INIT("detect") }
#define REMEDIATE { STR_INIT("drift_detection"), STR_INIT("remediate") }
#define PR(a)     { STR_INIT("pull_request"), STR_INIT(a) }

static void the_badge_keeps_why_it_ran(void **state)
{
    (void)state;
    static const struct { struct trigger t; enum command guess, reported, want; } cases[] = {
        { PR("opened"), COMMAND_PLAN,    COMMAND_UNKNOWN, COMMAND_PLAN },
        { PR("merged"), COMMAND_PLAN,    COMMAND_APPLY,   COMMAND_APPLY },
        { DETECT,       COMMAND_DETECT,  COMMAND_PLAN,    COMMAND_DETECT },
        { DETECT,       COMMAND_PLAN,    COMMAND_UNKNOWN, COMMAND_DETECT },
        { DETECT,       COMMAND_DETECT,  COMMAND_APPLY,   COMMAND_APPLY },
        { REMEDIATE,    COMMAND_UNKNOWN, COMMAND_APPLY,   COMMAND_REMEDIATE },
        { REMEDIATE,    COMMAND_UNKNOWN, COMMAND_PLAN,    COMMAND_PLAN },
        { PR("merged"), COMMAND_UNKNOWN, COMMAND_UNKNOWN, COMMAND_UNKNOWN },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_badge(cases[i].t, cases[i].guess, cases[i].reported),
                         cases[i].want);
}

static void what_is_not_surely_a_plan_is_an_apply(void **state)
{
    (void)state;
    static const struct { struct trigger t; enum command guess; enum run_class want; } cases[] = {
        { PR("opened"),      COMMAND_PLAN,      RUN_PLAN },
        /* the trigger cannot apply, whatever the file is called */
        { PR("synchronize"), COMMAND_APPLY,     RUN_PLAN },
        { PR("merged"),      COMMAND_APPLY,     RUN_APPLY },
        { PR("merged"),      COMMAND_UNKNOWN,   RUN_APPLY },
        { PR("merged"),      COMMAND_PLAN,      RUN_PLAN },
        { PR("closed"),      COMMAND_UNKNOWN,   RUN_APPLY },
        { { STR_INIT("merge_group"), STR_INIT("checks_requested") }, COMMAND_UNKNOWN, RUN_PLAN },
        { { STR_INIT("release"), STR_INIT("published") }, COMMAND_UNKNOWN, RUN_APPLY },
        { { STR_INIT("release"), STR_INIT("published") }, COMMAND_DETECT, RUN_PLAN },
        { DETECT,            COMMAND_UNKNOWN,   RUN_PLAN },
        { REMEDIATE,         COMMAND_REMEDIATE, RUN_APPLY },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_class(cases[i].t, cases[i].guess), cases[i].want);
}

static void an_exit_code_means_what_the_command_makes_of_it(void **state)
{
    (void)state;
    static const struct { enum command c; int64_t code; enum result want; } cases[] = {
        { COMMAND_PLAN, 0, RESULT_OK }, { COMMAND_PLAN, 1, RESULT_FAILED }, { COMMAND_PLAN, 2, RESULT_CHANGES },
        { COMMAND_DETECT, 2, RESULT_CHANGES }, { COMMAND_APPLY, 0, RESULT_OK }, { COMMAND_APPLY, 2, RESULT_FAILED },
        { COMMAND_REMEDIATE, 2, RESULT_FAILED }, { COMMAND_UNKNOWN, 2, RESULT_FAILED }, { COMMAND_PLAN, -1, RESULT_FAILED },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_result(cases[i].c, cases[i].code), cases[i].want);
}

static void a_report_sets_the_drift_status(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum drift before;
        bool enabled;
        enum command c;
        int64_t code;
        const char *legacy;
        bool of_default;
        enum drift want;
    } cases[] = {
        { "plan, same",            DRIFT_UNKNOWN, true,  COMMAND_PLAN,    0, "",        true,  DRIFT_IN_SYNC },
        { "plan, differs",         DRIFT_IN_SYNC, true,  COMMAND_PLAN,    2, "",        true,  DRIFT_DRIFTED },
        { "plan of a PR, differs", DRIFT_IN_SYNC, true,  COMMAND_PLAN,    2, "",        false, DRIFT_IN_SYNC },
        { "plan of a PR, differs, drifted before", DRIFT_DRIFTED, true, COMMAND_PLAN, 2, "", false, DRIFT_DRIFTED },
        { "plan failed",           DRIFT_IN_SYNC, true,  COMMAND_PLAN,    1, "",        true,  DRIFT_ERROR },
        { "apply",                 DRIFT_DRIFTED, true,  COMMAND_APPLY,   0, "",        true,  DRIFT_IN_SYNC },
        { "apply failed",          DRIFT_DRIFTED, true,  COMMAND_APPLY,   2, "",        false, DRIFT_ERROR },
        { "old CLI",               DRIFT_UNKNOWN, true,  COMMAND_UNKNOWN, 0, "drifted", true,  DRIFT_DRIFTED },
        { "old CLI, of a PR",      DRIFT_UNKNOWN, true,  COMMAND_UNKNOWN, 0, "drifted", false, DRIFT_UNKNOWN },
        { "old CLI, nonsense",     DRIFT_IN_SYNC, true,  COMMAND_UNKNOWN, 0, "odd",     true,  DRIFT_IN_SYNC },
        { "drift off",             DRIFT_DRIFTED, false, COMMAND_PLAN,    2, "",        true,  DRIFT_DISABLED },
        { "drift on again, PR",    DRIFT_DISABLED, true, COMMAND_PLAN,    2, "",        false, DRIFT_UNKNOWN },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum drift got = drift_after(cases[i].before, cases[i].enabled, cases[i].c, cases[i].code,
                                     str_of(cases[i].legacy), cases[i].of_default);
        if (got != cases[i].want)
            print_error("%s: got %s, want %s\n", cases[i].name, drift_name(got),
                        drift_name(cases[i].want));
        assert_int_equal(got, cases[i].want);
    }
}

static void names_read_back(void **state)
{
    (void)state;
    for (unsigned d = DRIFT_UNKNOWN; d <= DRIFT_DISABLED; d++) {
        enum drift got;
        assert_true(drift_read(str_of(drift_name((enum drift)d)), &got));
        assert_int_equal(got, d);
    }
    enum drift none;
    assert_false(drift_read(STR("sync"), &none));
    for (unsigned c = COMMAND_PLAN; c <= COMMAND_REMEDIATE; c++)
        assert_int_equal(command_read(str_of(command_name((enum command)c))), c);
    assert_string_equal(command_name(COMMAND_UNKNOWN), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_name_gives_a_guess),
        cmocka_unit_test(the_last_word_of_a_report_counts),
        cmocka_unit_test(the_badge_keeps_why_it_ran),
        cmocka_unit_test(what_is_not_surely_a_plan_is_an_apply),
        cmocka_unit_test(an_exit_code_means_what_the_command_makes_of_it),
        cmocka_unit_test(a_report_sets_the_drift_status),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
