/*
 * clock: the only place that asks the machine for the time. domain/ never includes this; it gets
 * now_ms as an argument.
 */
#ifndef SIGNALBOX_BASE_CLOCK_H
#define SIGNALBOX_BASE_CLOCK_H
#include "base/arena.h"

int64_t clock_utc_ms(void);         /* wall time, milliseconds since 1970 UTC */
int64_t clock_mono_ms(void);        /* monotonic, for timeouts within this process */
int64_t clock_mono_us(void);

#endif
