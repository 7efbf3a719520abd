/* which: where a program is, as the job's children would find it. */
#ifndef SIGNALBOX_RUNNER_WHICH_H
#define SIGNALBOX_RUNNER_WHICH_H
#include "base/str.h"

/* A path as it is; a name is looked up in PATH. out may be NULL. */
bool which(str name, char *out, size_t room);
void which_start(void);     /* remembers PATH; before threads */

#endif
