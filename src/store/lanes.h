/*
 * lanes: who works on which repository, and what a lane needs to know of its repository.
 */
#ifndef SIGNALBOX_STORE_LANES_H
#define SIGNALBOX_STORE_LANES_H
#include "db/db.h"

struct lane_repo {
    int64_t id, forge_id, installation_id;
    str     workspace_id, host, owner, name, default_branch, settings, file_settings, file_note;
    bool    removed, suspended;
};
/* *found false: no such repository (or lane 0). */
bool lanes_repo(struct db *db, struct arena *mem, int64_t lane, struct lane_repo *out, bool *found,
                struct err *e) MUST_CHECK;
/* Rows of every workspace for one repository of the forge. */
bool lanes_of_forge_repo(struct db *db, struct arena *mem, int64_t forge_id, int64_t **lanes,
                         size_t *count, struct err *e) MUST_CHECK;

bool lanes_ensure(struct db *db, int64_t lane, struct err *e) MUST_CHECK;
/* Everything, whoever had it: SQLite, where one process owns the file. */
bool lanes_take_all(struct db *db, struct arena *mem, str server, struct err *e) MUST_CHECK;
/* At most max lanes whose lease is over; epoch rises. */
bool lanes_claim(struct db *db, struct arena *mem, str server, int64_t now_ms, int64_t lease_ms,
                 size_t max, int64_t **lanes, int64_t **epochs, size_t *count,
                 struct err *e) MUST_CHECK;
bool lanes_renew(struct db *db, str server, int64_t lease_until_ms, struct err *e) MUST_CHECK;
bool lanes_release(struct db *db, str server, int64_t lane, struct err *e) MUST_CHECK;
bool lanes_release_all(struct db *db, str server, struct err *e) MUST_CHECK;
/*
 * The fence: true in *mine only while this server holds this epoch (locks the row until the
 * commit).
 */
bool lanes_fence(struct db *db, str server, int64_t lane, int64_t epoch, bool *mine,
                 struct err *e) MUST_CHECK;
bool lanes_count(struct db *db, struct arena *mem, int64_t now_ms, int64_t alive_ms, int64_t *lanes,
                 int64_t *servers, struct err *e) MUST_CHECK;
bool servers_seen(struct db *db, str server, str version, int64_t now_ms, struct err *e) MUST_CHECK;
/* The database's clock where many machines share it, else ours. */
bool lanes_now_ms(struct db *db, struct arena *mem, int64_t ours_ms, int64_t *now_ms,
                  struct err *e) MUST_CHECK;

#endif
