/*
 * holds: why batches are held, with the numbers of the last look (domain/hold.h); and the pause of a
 * pull request that was pushed to too quickly.
 */
#ifndef SIGNALBOX_STORE_HOLDS_H
#define SIGNALBOX_STORE_HOLDS_H
#include "db/db.h"
#include "domain/hold.h"

struct hold_row {
    struct hold hold;
    int64_t     lifted_ms;              /* 0: it stands */
    str         lifted_by, lifted_from; /* "signalbox", "signalbox": it ended by itself */
};
/* By a person: by a release, or because they resumed the pull request. */
bool hold_row_released(const struct hold_row *r);
struct hold_rows { struct hold_row at[HOLD_KIND_COUNT]; size_t count; };

/* Of a batch, in the order of the kinds: what stands and what was lifted. */
bool holds_of(struct db *db, struct arena *mem, int64_t batch_seq, struct hold_rows *out,
              struct err *e) MUST_CHECK;
/* It stands, with these numbers; one that had been lifted stands again, since h->since_ms. */
bool holds_put(struct db *db, struct arena *mem, int64_t batch_seq, const struct hold *h,
               struct err *e) MUST_CHECK;
bool holds_lifted(struct db *db, int64_t batch_seq, enum hold_kind kind, str by, str from,
                  int64_t now_ms, struct err *e) MUST_CHECK;
/* Holds for rapid pushes that ended just now, with the pause of this pull request: who ended it. */
bool holds_resumed(struct db *db, int64_t change_id, str by, int64_t now_ms,
                   struct err *e) MUST_CHECK;

/* A person agreed that it goes in dependency levels. */
bool holds_by_parts(struct db *db, int64_t batch_seq, struct err *e) MUST_CHECK;
/* The batch has ended: nothing stands any more. */
bool holds_over(struct db *db, int64_t batch_seq, int64_t now_ms, struct err *e) MUST_CHECK;

/* The rapid-push breaker of a pull request; times of the forge but for paused_ms. */
struct pause_row { int64_t paused_ms, resumed_ms; };
bool pauses_get(struct db *db, struct arena *mem, int64_t change_id, struct pause_row *out,
                struct err *e) MUST_CHECK;
bool pauses_save(struct db *db, int64_t change_id, const struct pause_row *p,
                 struct err *e) MUST_CHECK;
/* When it was pushed to since then; the newest, at most max. */
bool pauses_pushes(struct db *db, struct arena *mem, int64_t change_id, int64_t since_ms,
                   size_t max, int64_t **at_ms, size_t *count, struct err *e) MUST_CHECK;

#endif
