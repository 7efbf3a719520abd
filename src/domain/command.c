#include "domain/command.h"

#include <assert.h>

static const char *const names[] = {
    [COMMAND_UNKNOWN] = "", [COMMAND_PLAN] = "plan", [COMMAND_APPLY] = "apply",
    [COMMAND_DETECT] = "detect", [COMMAND_REMEDIATE] = "remediate",
};

const char *command_name(enum command c)
{
    assert(c < sizeof names / sizeof names[0]);
    return names[c];
}

enum command command_guess(str workflow_file)
{
    /* The order is the priority: "remediate-drift-apply.yaml" remediates. */
    static const struct { str word; enum command means; } words[] = {
        { STR_INIT("remediate"), COMMAND_REMEDIATE },
        { STR_INIT("detect"),    COMMAND_DETECT },
        { STR_INIT("drift"),     COMMAND_DETECT },
        { STR_INIT("apply"),     COMMAND_APPLY },
        { STR_INIT("plan"),      COMMAND_PLAN },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (str_has_nocase(workflow_file, words[i].word))
            return words[i].means;
    return COMMAND_UNKNOWN;
}

enum command command_read(str reported)
{
    str word = str_after_last(str_trim(reported), ' ');

    for (unsigned c = COMMAND_PLAN; c <= COMMAND_REMEDIATE; c++)
        if (str_eq_nocase(word, str_of(names[c])))
            return (enum command)c;
    return str_eq_nocase(word, STR("deploy")) ? COMMAND_APPLY : COMMAND_UNKNOWN;
}

static bool triggered_by(struct trigger t, str event, str activity)
{
    return str_eq(t.event, event) && str_eq(t.activity, activity);
}

enum command command_badge(struct trigger t, enum command guess, enum command reported)
{
    enum command c = reported != COMMAND_UNKNOWN ? reported : guess;

    if (c == COMMAND_PLAN && triggered_by(t, STR("drift_detection"), STR("detect")))
        return COMMAND_DETECT;
    if (c == COMMAND_APPLY && triggered_by(t, STR("drift_detection"), STR("remediate")))
        return COMMAND_REMEDIATE;
    return c;
}

enum run_class command_class(struct trigger t, enum command guess)
{
    bool merged = str_eq(t.activity, STR("merged")) || str_eq(t.activity, STR("closed"));

    if (str_eq(t.event, STR("pull_request")) && !merged)
        return RUN_PLAN;
    if (str_eq(t.event, STR("merge_group")))
        return RUN_PLAN;
    if (triggered_by(t, STR("drift_detection"), STR("detect")))
        return RUN_PLAN;
    return guess == COMMAND_PLAN || guess == COMMAND_DETECT ? RUN_PLAN : RUN_APPLY;
}

static bool is_plan(enum command c) { return c == COMMAND_PLAN || c == COMMAND_DETECT; }

enum result command_result(enum command c, int64_t exit_code)
{
    if (exit_code == 0)
        return RESULT_OK;
    return is_plan(c) && exit_code == 2 ? RESULT_CHANGES : RESULT_FAILED;
}

static const char *const drift_names[] = {
    [DRIFT_UNKNOWN] = "unknown", [DRIFT_IN_SYNC] = "in_sync", [DRIFT_DRIFTED] = "drifted",
    [DRIFT_ERROR] = "error", [DRIFT_DISABLED] = "disabled",
};

const char *drift_name(enum drift d)
{
    assert(d < sizeof drift_names / sizeof drift_names[0]);
    return drift_names[d];
}

bool drift_read(str name, enum drift *out)
{
    for (unsigned d = 0; d < sizeof drift_names / sizeof drift_names[0]; d++) {
        if (str_eq(name, str_of(drift_names[d]))) {
            *out = (enum drift)d;
            return true;
        }
    }
    return false;
}

enum drift drift_after(enum drift before, bool drift_enabled, enum command c, int64_t exit_code,
                       str legacy, bool of_default_branch)
{
    enum drift said;

    if (!drift_enabled)
        return DRIFT_DISABLED;
    if (before == DRIFT_DISABLED)
        before = DRIFT_UNKNOWN;             /* switched on again, nothing known yet */
    if (c == COMMAND_UNKNOWN) {
        if (!drift_read(legacy, &said))
            return before;
    } else {
        enum result r = command_result(c, exit_code);
        said = r == RESULT_OK ? DRIFT_IN_SYNC : r == RESULT_CHANGES ? DRIFT_DRIFTED : DRIFT_ERROR;
    }
    /* A plan of a pull request speaks of a planned change: what it finds different is not drift. */
    bool planned = !of_default_branch && (is_plan(c) || c == COMMAND_UNKNOWN);
    return planned && said == DRIFT_DRIFTED ? before : said;
}
