/* job_landlock: paths that a process and its children can no longer open (Linux 5.19 and later). */
#ifndef SIGNALBOX_RUNNER_JOB_LANDLOCK_H
#define SIGNALBOX_RUNNER_JOB_LANDLOCK_H
#include "base/arena.h"
#include "base/err.h"

bool landlock_usable(void);
/* Both lists end in NULL; paths absolute, without links. What does not exist is skipped. True also
 * where the kernel has no Landlock. */
bool landlock_hide(const char **hide, const char **keep, struct err *e) MUST_CHECK;

#endif
