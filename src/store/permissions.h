/*
 * permissions: what workflows of a repository may do (atmos-pro.md §6.2, §17.1).
 */
#ifndef SIGNALBOX_STORE_PERMISSIONS_H
#define SIGNALBOX_STORE_PERMISSIONS_H
#include "domain/pattern.h"
#include "store/repositories.h"

/* The names that exist: "Affected Stacks Create" … */
bool permission_name_known(str name);
/* Rows of one name, or of all when name is empty. */
bool permissions_of(struct db *db, struct arena *mem, int64_t repository_id, str name,
                    struct permission_row **out, size_t *count, struct err *e) MUST_CHECK;
/*
 * ERR_INVALID for an unknown name or a pattern that does not compile. Audited as
 * permission.assigned.
 */
bool permissions_add(struct db *db, struct arena *mem, const struct repository *r,
                     const struct permission_row *row, str actor_type, str actor, int64_t now_ms,
                     int64_t *id, struct err *e) MUST_CHECK;
bool permissions_remove(struct db *db, struct arena *mem, const struct repository *r, int64_t id,
                        str actor_type, str actor, int64_t now_ms, bool *found,
                        struct err *e) MUST_CHECK;
/* The rows of a normal set-up, everything '*'. Audited as permission.default_created. */
bool permissions_default(struct db *db, struct arena *mem, const struct repository *r,
                         str actor_type, str actor, int64_t now_ms, struct err *e) MUST_CHECK;

#endif
