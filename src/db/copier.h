/*
 * copier: a thread with a connection of its own that copies SQLite's log back into the database
 * while the writer goes on. It never waits for the writer and never holds it up. What is committed
 * meanwhile stays in the log, so that the log begins anew only after the writer has copied the rest
 * itself, which is little then.
 */
#ifndef SIGNALBOX_DB_COPIER_H
#define SIGNALBOX_DB_COPIER_H
#include "base/str.h"

struct copier;

/* NULL: there is no thread to be had; then the writer copies all by itself. */
struct copier *copier_start(str path);
/* Lets it finish what is under way. NULL is fine. */
void copier_stop(struct copier *c);
/* Copies what is in the log by now; false: it is at work still. */
bool copier_go(struct copier *c);
bool copier_rests(struct copier *c);
void copier_wait(struct copier *c);                 /* until it rests */

#endif
