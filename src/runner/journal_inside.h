/* journal_inside: the text of the journal's files; records.c knows it alone. */
#ifndef SIGNALBOX_RUNNER_JOURNAL_INSIDE_H
#define SIGNALBOX_RUNNER_JOURNAL_INSIDE_H
#include "runner/journal.h"

str  accepted_text(struct arena *mem, const struct run *r, const struct dispatch *d);
bool accepted_read(struct arena *mem, struct json v, struct accepted *out, struct err *e) MUST_CHECK;
/* The run that waits; a new one. */
bool accepted_run(struct arena *mem, struct json v, const struct accepted *a, struct run **out,
                  struct err *e) MUST_CHECK;
str  run_text(struct arena *mem, const struct run *r);
/* Into *r when it is not NULL, else into a new one; its stage is left to the caller. */
bool run_read(struct arena *mem, struct json v, str id, struct run **r, enum run_stage *stage,
              struct err *e) MUST_CHECK;

#endif
