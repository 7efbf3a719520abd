/*
 * ticks: time as events. One thread wakes lanes whose time has come, keeps this server's leases,
 * and purges what is old; on PostgreSQL a second one listens for facts that other servers stored in
 * our lanes.
 */
#ifndef SIGNALBOX_ENGINE_TICKS_H
#define SIGNALBOX_ENGINE_TICKS_H
#include "base/err.h"

struct engine;
bool ticks_start(struct engine *en, struct err *e) MUST_CHECK;
void ticks_stop(struct engine *en);

#endif
