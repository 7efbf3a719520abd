/*
 * rfc3339: times on the wire. Pure (no clock, no locale, no time zone tables), so domain/ may use
 * it.
 */
#ifndef SIGNALBOX_BASE_RFC3339_H
#define SIGNALBOX_BASE_RFC3339_H
#include "base/arena.h"

/*
 * "2026-08-21T10:00:00Z": whole seconds and Z, as the CLI's contract demands (atmos-pro.md §4.6).
 * Times before 1970 and after 9999 are clamped.
 */
str  rfc3339_write(struct arena *mem, int64_t utc_ms);
/* The calendar fields of a time, UTC. Times before 1970 and after 9999 are clamped to these
 * years. */
struct rfc3339_parts { int64_t year, month, day, hour, minute, second; };
struct rfc3339_parts rfc3339_parts(int64_t utc_ms);
/* Accepts fractions and offsets. False when malformed or out of years 1970–9999. */
bool rfc3339_read(str s, int64_t *utc_ms);
/* "90" (plain: unit_ms each), "30s", "5m", "2h", "3d", "250ms". False when malformed, negative or
 * overflowing. */
bool duration_read(str s, int64_t unit_ms, int64_t *out_ms);
/* "45s", "3 min", "2 h 5 min": for people. */
str  duration_write(struct arena *mem, int64_t ms);

#endif
