/*
 * ticks: time as events. One thread wakes lanes whose time has come, keeps this server's leases,
 * and purges what is old; on PostgreSQL a second one listens for facts that other servers stored in
 * our lanes.
 */
#ifndef SIGNALBOX_ENGINE_TICKS_H
#define SIGNALBOX_ENGINE_TICKS_H
#include <stdint.h>

#include "base/err.h"

struct arena;
struct db;
struct engine;
/* When the clock does next what it does now and then (monotonic). */
struct ticks_due { int64_t lease_ms, purge_ms; };
/* What the clock thread does every 50 ms; the simulation calls it in the thread's place. */
void ticks_turn(struct engine *en, struct ticks_due *due);
bool ticks_start(struct engine *en, struct err *e) MUST_CHECK;
void ticks_stop(struct engine *en);
/* The port learns what other servers, or an earlier life of this one, were told to wait for. */
bool ticks_told(struct engine *en, struct db *db, struct arena *mem, int64_t now_ms,
                struct err *e) MUST_CHECK;
/* The port learns what was sent in the last minute before the start. */
bool ticks_recalled(struct engine *en, struct db *db, struct arena *mem, int64_t now_ms,
                    struct err *e) MUST_CHECK;

#endif
