/*
 * repositories: workspaces and the repositories in them. A repository may be in several workspaces:
 * one row in each (atmos-pro.md §1.1).
 */
#ifndef SIGNALBOX_STORE_REPOSITORIES_H
#define SIGNALBOX_STORE_REPOSITORIES_H
#include "db/db.h"

struct repository {
    int64_t id, forge_id, installation_id /* 0: none */, created_ms, removed_ms;
    str     workspace_id, forge, host, owner, name, default_branch, settings,
        file_settings, file_note;       /* of .github/signalbox.yaml, and what is wrong with it */
};

bool workspaces_ensure(struct db *db, str id, str name, int64_t now_ms, struct err *e) MUST_CHECK;
bool workspaces_exists(struct db *db, struct arena *mem, str id, bool *found,
                       struct err *e) MUST_CHECK;

/*
 * All of these see repositories that were not removed, of one workspace. Names are compared without
 * case.
 */
bool repositories_get(struct db *db, struct arena *mem, str workspace_id, int64_t id,
                      struct repository *out, bool *found, struct err *e) MUST_CHECK;
bool repositories_by_forge(struct db *db, struct arena *mem, str workspace_id, int64_t forge_id,
                           struct repository *out, bool *found, struct err *e) MUST_CHECK;
bool repositories_by_name(struct db *db, struct arena *mem, str workspace_id, str owner, str name,
                          struct repository *out, bool *found, struct err *e) MUST_CHECK;

/*
 * Inserts, or brings a known one (same workspace and forge_id) up to date and back from removal;
 * r->id and *is_new are set. A new one gets its default permission rows (permissions.h), audited
 * (§17.1).
 */
bool repositories_import(struct db *db, struct arena *mem, struct repository *r, str actor_type,
                         str actor, int64_t now_ms, bool *is_new, struct err *e) MUST_CHECK;
bool repositories_set_file(struct db *db, int64_t id, str settings, str note,
                           struct err *e) MUST_CHECK;
bool repositories_set_settings(struct db *db, int64_t id, str settings, struct err *e) MUST_CHECK;

#endif
