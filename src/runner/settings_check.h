/* settings_check: what one value alone does not show. */
#ifndef SIGNALBOX_RUNNER_SETTINGS_CHECK_H
#define SIGNALBOX_RUNNER_SETTINGS_CHECK_H
#include "runner/settings.h"

/* Adds one sentence to the list of problems; false. */
bool problem(struct arena *mem, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool settings_check(struct arena *mem, struct runner_settings *s, struct err *e) MUST_CHECK;
bool settings_check_tokens(struct arena *mem, const struct runner_settings *s,
                           struct err *e) MUST_CHECK;

/* A branch, tag or commit that git takes and that cannot be taken for an option. */
bool ref_valid(str ref);
/* runner.md §6.4: names that VARS_EXPORT_PLAIN must not hand to a child. */
bool variable_name_valid(str name);
bool variable_may_be_plain(str name);

#endif
