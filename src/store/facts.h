/*
 * facts: the inbox. Stored before anything is decided, applied once, in lane order
 * (docs/architecture.md §2, §7 no. 6).
 */
#ifndef SIGNALBOX_STORE_FACTS_H
#define SIGNALBOX_STORE_FACTS_H
#include "db/db.h"

enum fact_state { FACT_PENDING, FACT_APPLIED, FACT_SET_ASIDE, FACT_DROPPED };

struct fact {
    int64_t id, lane, received_ms, tries;
    str     kind, key, body, actor, trace;      /* body packed */
    str     note;                               /* of a new one: applied already, with this note */
};

/* *id is 0 when a fact with this key is there already. */
bool facts_add(struct db *db, struct arena *mem, const struct fact *f, int64_t *id,
               struct err *e) MUST_CHECK;
/* Many that have no key and wait for their lanes: they go together (db_exec_many), in order. */
bool facts_add_many(struct db *db, struct arena *mem, const struct fact *f, size_t count,
                    struct err *e) MUST_CHECK;
/* Whether the lane has any. */
bool facts_some(struct db *db, struct arena *mem, int64_t lane, bool *some,
                struct err *e) MUST_CHECK;
bool facts_pending(struct db *db, struct arena *mem, int64_t lane, size_t max, struct fact **out,
                   size_t *count, struct err *e) MUST_CHECK;
bool facts_end(struct db *db, int64_t id, enum fact_state state, str note, int64_t now_ms,
               struct err *e) MUST_CHECK;
bool facts_tried(struct db *db, int64_t id, struct err *e) MUST_CHECK;
/* Lanes that have pending facts. */
bool facts_lanes(struct db *db, struct arena *mem, int64_t **lanes, size_t *count,
                 struct err *e) MUST_CHECK;
bool facts_purge(struct db *db, int64_t before_ms, struct err *e) MUST_CHECK;

#endif
