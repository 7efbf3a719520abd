/*
 * role: what people may do in a workspace (atmos-pro.md §17.2), and how long who guesses waits.
 */
#ifndef SIGNALBOX_DOMAIN_ROLE_H
#define SIGNALBOX_DOMAIN_ROLE_H
#include "base/err.h"
#include "base/str.h"

/* Highest last. What is not a role is none. */
enum role { ROLE_NONE, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };
enum role role_read(str name);
str       role_name(enum role r);

/*
 * May `by` make a `from` a `to` (ROLE_NONE: from or to being no member)? owners: how many the
 * workspace has. ERR_DENIED: only owners touch owners. ERR_CONFLICT: the last owner stays one.
 */
bool role_may_change(enum role by, enum role from, enum role to, int64_t owners,
                     struct err *e) MUST_CHECK;

/* How long after so many failures in a row: 0 below `free`, then doubling from 1 s to 15 min. */
int64_t sign_in_wait_ms(int64_t failures, int64_t free);

#endif
