/*
 * journal: what must survive a restart, as files under STATE_DIR.
 *
 *     queue/ID.json        the dispatch as it was accepted, with its token and its variables; gone as
 *                          soon as the platform has the outcome, or will never have it
 *     runs/ID/state.json   how far the run is; there from its start on
 *     runs/ID/log          what it said (written by the job, masked)
 *     runs/ID/job.lock     locked by the job process while it lives
 *     lock                 locked by the service: one per STATE_DIR
 *
 * Files are replaced whole and synced: after a crash there is the old state or the new one.
 */
#ifndef SIGNALBOX_RUNNER_JOURNAL_H
#define SIGNALBOX_RUNNER_JOURNAL_H
#include "base/json.h"
#include "runner/queue.h"

struct journal { const char *dir; int lock; };

/* Makes the folders, takes the lock, removes half-written files. dir lives as long as j. */
bool journal_open(struct journal *j, const char *dir, struct err *e) MUST_CHECK;
void journal_close(struct journal *j);

/* One synced file. ERR_STORAGE when it cannot be: nothing was accepted then. */
bool journal_accept(struct journal *j, struct arena *mem, const struct run *r,
                    const struct dispatch *d, struct err *e) MUST_CHECK;
/* A dispatch that was accepted, not checked again; ERR_NOT_FOUND when it was forgotten. */
struct accepted { struct dispatch d; struct json variables; };
bool journal_accepted(struct journal *j, struct arena *mem, str id, struct accepted *out,
                      struct err *e) MUST_CHECK;
void journal_forget(struct journal *j, str id);         /* its token and its variables */

bool journal_write(struct journal *j, struct arena *mem, const struct run *r,
                   struct err *e) MUST_CHECK;
void journal_remove(struct journal *j, str id);         /* all of it */

/* Every run that is stored, into q: a file that cannot be read is put aside with a log line. */
bool journal_load(struct journal *j, struct queue *q, struct err *e) MUST_CHECK;

/* What was put aside before then goes: it may hold a token and variables. */
void journal_prune(struct journal *j, int64_t before_ms);

str  journal_log_path(struct journal *j, struct arena *mem, str id);
str  journal_lock_path(struct journal *j, struct arena *mem, str id);
/* Whether a job process of the run still lives. */
bool journal_job_lives(struct journal *j, str id);

#endif
