/* flag_probe: does this atmos know `workflow --vars`? The real CLI does not (runner.md §6.2). */
#ifndef SIGNALBOX_RUNNER_FLAG_PROBE_H
#define SIGNALBOX_RUNNER_FLAG_PROBE_H
#include <stdint.h>

#include "base/err.h"

/* Runs `atmos workflow --help`, for at most wait_ms. ERR_INVALID when there is no such flag. */
bool flag_probe(const char *atmos, int64_t wait_ms, struct err *e) MUST_CHECK;

#endif
