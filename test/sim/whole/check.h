/* check: what the files of the checks share. */
#ifndef SIGNALBOX_TEST_SIM_WHOLE_CHECK_H
#define SIGNALBOX_TEST_SIM_WHOLE_CHECK_H
#include "whole.h"

void look(struct db_rows *r, const char *sql, const struct arg *args, size_t count);
#define LOOK(r, sql, ...) look((r), "" sql, __VA_ARGS__)

/* check_budget.c */
void check_budget(void);                /* after each commit */
void check_fresh_is_covered(int64_t batch, int64_t created_ms);
void check_budget_end(void);

/* check_orders.c */
void check_orders(void);                /* after each commit */
void check_orders_end(void);

/* check_locks.c */
void check_lock_audited(str actor, str category, str action, str target, str description);
void check_locks(const struct lock *was, uint32_t was_count); /* after each commit */

/* check_holds.c */
void check_holds(void); /* after each commit */
void check_call_of_held(str run_id);
void check_call_review(int64_t number);

#endif
