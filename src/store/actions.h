/*
 * actions: what can be set off in a repository, the runners that it can be sent to, and its runs.
 */
#ifndef SIGNALBOX_STORE_ACTIONS_H
#define SIGNALBOX_STORE_ACTIONS_H
#include "db/db.h"
#include "domain/action.h"

enum { RUNNERS_OF_REPOSITORY_MAX = 50 };
#define ACTION_FROM_API  "api"
#define ACTION_FROM_FILE "file"

/* ---- definitions ---- */

struct action_row { str name, source, definition; };

/* The definition that counts: the file's, when it has one of this name. */
bool actions_get(struct db *db, struct arena *mem, int64_t repository_id, str name,
                 struct action_row *out, bool *found, struct err *e) MUST_CHECK;
bool actions_of(struct db *db, struct arena *mem, int64_t repository_id, str source,
                struct action_row **out, size_t *count, struct err *e) MUST_CHECK;
bool actions_put(struct db *db, struct arena *mem, int64_t repository_id,
                 const struct action_row *a, str by, int64_t now_ms, bool *is_new,
                 struct err *e) MUST_CHECK;
bool actions_remove(struct db *db, int64_t repository_id, str name, str source, bool *found,
                    struct err *e) MUST_CHECK;

/* ---- registered runners ---- */

struct runner_row { str name, endpoint, token_secret; };

bool runners_get(struct db *db, struct arena *mem, int64_t repository_id, str name,
                 struct runner_row *out, bool *found, struct err *e) MUST_CHECK;
bool runners_put(struct db *db, struct arena *mem, int64_t repository_id,
                 const struct runner_row *r, str by, int64_t now_ms, bool *is_new,
                 struct err *e) MUST_CHECK;
bool runners_remove(struct db *db, int64_t repository_id, str name, bool *found,
                    struct err *e) MUST_CHECK;

/* ---- runs ---- */

struct action_run_row {
    str     id, action, definition, parameters, state, error, metadata, actor, actor_type, stop_by;
    int64_t repository_id, created_ms, deadline_ms, expires_ms;
    int64_t sent_ms, taken_ms, ended_ms, stop_ms;       /* 0: not yet */
};

/* A run of the same id that is there already stays as it is: *is_new false. */
bool action_runs_add(struct db *db, const struct action_run_row *r, bool *is_new,
                     struct err *e) MUST_CHECK;
bool action_runs_get(struct db *db, struct arena *mem, str id, struct action_run_row *out,
                     bool *found, struct err *e) MUST_CHECK;
/* What changes in its life: state, error, metadata, the times, and who stopped it. */
bool action_runs_save(struct db *db, const struct action_run_row *r, struct err *e) MUST_CHECK;
/* Runs of a lane whose time is over; *next_ms: when the next one's will be (0: none). */
bool action_runs_over(struct db *db, struct arena *mem, int64_t repository_id, int64_t now_ms,
                      str **ids, size_t *count, int64_t *next_ms, struct err *e) MUST_CHECK;
/* Those that ended before then are gone, as facts are; what has not ended stays. */
bool action_runs_purge(struct db *db, int64_t before_ms, struct err *e) MUST_CHECK;

#endif
