/*
 * budget: what is known of an installation's quota, what was given to batches, and who spent what.
 * The numbers are domain/budget.h's.
 */
#ifndef SIGNALBOX_STORE_BUDGET_H
#define SIGNALBOX_STORE_BUDGET_H
#include "db/db.h"
#include "domain/budget.h"

/*
 * The budget of an installation (resource core), made when there is none; without claimed and spent.
 * On PostgreSQL its row is locked until the transaction ends, so that two servers never give out the
 * same calls.
 */
bool budget_lock(struct db *db, struct arena *mem, int64_t installation_id, struct budget *out,
                 struct err *e) MUST_CHECK;
/* claimed, and while nothing is known spent. */
bool budget_sum(struct db *db, struct arena *mem, int64_t installation_id, int64_t now_ms,
                struct budget *b, struct err *e) MUST_CHECK;
/* All of it, without the lock and without making it; an unknown one when there is none. */
bool budget_look(struct db *db, struct arena *mem, int64_t installation_id, int64_t now_ms,
                 struct budget *out, struct err *e) MUST_CHECK;
/* What the forge said: limit, remaining, reset, known, blocked, observed. */
bool budget_save(struct db *db, int64_t installation_id, const struct budget *b,
                 struct err *e) MUST_CHECK;
/* Until when the installation was told to wait; 0: it was not. */
bool budget_blocked(struct db *db, struct arena *mem, int64_t installation_id, int64_t *until_ms,
                    struct err *e) MUST_CHECK;
/* All that have been told to wait and are not through with it. */
struct budget_wait { int64_t installation_id, until_ms; };
bool budget_waits(struct db *db, struct arena *mem, int64_t now_ms, struct budget_wait **out,
                  size_t *count, struct err *e) MUST_CHECK;

/* What a batch of so many dispatches and workflow files will cost, at GitHub's written pace. */
bool budget_foresee(struct db *db, struct arena *mem, int64_t installation_id, int64_t dispatches,
                    int64_t files, int64_t now_ms, struct budget_forecast *out,
                    struct err *e) MUST_CHECK;

struct claim {
    int64_t batch_seq, installation_id;
    int64_t calls;              /* granted in all */
    int64_t left_over;          /* of it, not yet spent */
    int64_t granted_ms;
    int64_t wanted;             /* calls that it waits for; 0: for none */
    int64_t wanted_ms;          /* since when */
};
/* by_parts: of the batch: a person agreed that it may go so. */
bool claims_get(struct db *db, struct arena *mem, int64_t batch_seq, struct claim *out,
                bool *by_parts, bool *found, struct err *e) MUST_CHECK;
/*
 * Adds to what was granted and to what is left of it (negative: spent or given back), and sets what
 * it waits for. Differences, because the scheduler and the batch's lane both write.
 */
bool claims_add(struct db *db, int64_t batch_seq, int64_t installation_id, int64_t granted,
                int64_t left, int64_t wanted, int64_t now_ms, struct err *e) MUST_CHECK;
/* The same for many of an installation at once: they go together (db_exec_many). */
struct claim_change { int64_t batch_seq, granted, left, wanted; };
bool claims_add_many(struct db *db, struct arena *mem, int64_t installation_id,
                     const struct claim_change *change, size_t count, int64_t now_ms,
                     struct err *e) MUST_CHECK;

/*
 * Batches that wait for budget and for nothing else (other holds come first), of repositories that
 * the App can reach.
 */
struct claim_waiting {
    struct budget_held held;
    str     batch_id;
};
bool claims_waiting(struct db *db, struct arena *mem, int64_t installation_id,
                    struct claim_waiting **out, size_t *count, struct err *e) MUST_CHECK;
/*
 * Held batches for which the rate limit stands beside another reason: they are in no line, but their
 * figures are of the quota.
 */
struct claim_beside { int64_t batch_seq, repository_id; };
bool claims_beside(struct db *db, struct arena *mem, int64_t installation_id,
                   struct claim_beside **out, size_t *count, struct err *e) MUST_CHECK;
/* The batch has ended: it holds nothing and waits for nothing. */
bool claims_over(struct db *db, int64_t batch_seq, struct err *e) MUST_CHECK;
/* Does any batch but this one wait? */
bool claims_others_wait(struct db *db, struct arena *mem, int64_t installation_id,
                        int64_t batch_seq, bool *wait, struct err *e) MUST_CHECK;
/* Installations for which somebody waits. */
bool claims_installations(struct db *db, struct arena *mem, int64_t **ids, size_t *count,
                          struct err *e) MUST_CHECK;

enum spend_purpose {
    SPEND_DISPATCH, SPEND_COMMENT, SPEND_CHECK, SPEND_REVIEW, SPEND_POLL, SPEND_READ,
    SPEND_PERMISSION, SPEND_QUOTA, SPEND_PURPOSE_COUNT
};
const char *spend_purpose_name(enum spend_purpose p);
/* Adds to the ledger of this hour. */
bool spend_add(struct db *db, int64_t installation_id, enum spend_purpose p, int64_t calls,
               int64_t refused, int64_t now_ms, struct err *e) MUST_CHECK;
bool spend_purge(struct db *db, int64_t before_ms, struct err *e) MUST_CHECK;

#endif
