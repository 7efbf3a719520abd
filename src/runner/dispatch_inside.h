/* dispatch_inside: what dispatch.c and variables.c share. */
#ifndef SIGNALBOX_RUNNER_DISPATCH_INSIDE_H
#define SIGNALBOX_RUNNER_DISPATCH_INSIDE_H
#include "base/json.h"
#include "runner/dispatch.h"

bool dispatch_refuse(struct dispatch_refusal *no, str name, str reason);     /* false */
bool dispatch_unresolved(str s);            /* {{ or }} is in it */
void variables_read(struct arena *mem, struct json vars, bool templates_allowed,
                    struct dispatch *out, struct dispatch_refusal *no);

#endif
