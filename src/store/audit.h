/*
 * audit: what a person or a token changed (atmos-pro.md §18). Written in the transaction of the
 * change itself.
 */
#ifndef SIGNALBOX_STORE_AUDIT_H
#define SIGNALBOX_STORE_AUDIT_H
#include "db/db.h"

struct audit_entry {
    str     workspace_id;           /* empty: the house */
    int64_t repository_id;          /* 0: none */
    str     category;               /* empty: what stands before the first dot of the action */
    str     action;                 /* "lock.created" */
    /* "token" "tok_…", "workflow" "owner/name", "system" "signalbox" */
    str     actor_type, actor;
    str     target_type, target, description;
    str     metadata;               /* JSON object; empty: {} */
};

bool audit_add(struct db *db, struct arena *mem, const struct audit_entry *a, int64_t now_ms,
               struct err *e) MUST_CHECK;

#endif
