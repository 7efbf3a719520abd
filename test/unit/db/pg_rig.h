/*
 * pg_rig: a PostgreSQL 15 of our own for tests: a fresh cluster in a temporary folder, reachable by
 * its unix socket there and by nothing else. A keeper process holds it by a pipe: when the test
 * ends, however it ends, the cluster stops and the folder goes.
 *
 *     db_open(pg_rig_fresh(pg_rig_shared(), mem), false, &db, &e)
 *
 * gives one cluster for each test executable and one database for each test.
 */
#ifndef SIGNALBOX_TEST_PG_RIG_H
#define SIGNALBOX_TEST_PG_RIG_H
#include "base/arena.h"
#include "base/err.h"

struct pg_rig;

bool pg_rig_start(struct pg_rig **out, struct err *e) MUST_CHECK;   /* takes about two seconds */
void pg_rig_stop(struct pg_rig *rig);                               /* NULL is fine */

/* The cluster of this test executable: started at the first call, stopped at exit. NULL (and the
 * reason on stderr) when it cannot start. */
struct pg_rig *pg_rig_shared(void);

str pg_rig_url(const struct pg_rig *rig);                           /* the database "postgres" */
/* A new, empty database; its URL in mem. Aborts when it cannot be made. */
str pg_rig_fresh(struct pg_rig *rig, struct arena *mem);

/* Bad days. kill: as if the power went (SIGKILL); revive: starts it again on the same data and
 * returns when it answers. */
void pg_rig_kill(struct pg_rig *rig);
void pg_rig_revive(struct pg_rig *rig);

#endif
