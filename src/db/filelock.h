/*
 * filelock: one process writes a SQLite file. Connections of the same process share the lock.
 */
#ifndef SIGNALBOX_DB_FILELOCK_H
#define SIGNALBOX_DB_FILELOCK_H
#include "base/err.h"

struct filelock;

/* Locks PATH.lock (created beside the database, never removed). ERR_STORAGE names the process that
 * has it. */
bool filelock_take(const char *db_path, struct filelock **out, struct err *e) MUST_CHECK;
void filelock_drop(struct filelock *lock);          /* NULL is fine */

#endif
