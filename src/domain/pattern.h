/*
 * pattern: the patterns of repository permission rows (atmos-pro.md §17.1): "*" is anything; equal
 * bytes match; otherwise an anchored regular expression, matched in linear time (no backtracking),
 * at most 200 bytes.
 */
#ifndef SIGNALBOX_DOMAIN_PATTERN_H
#define SIGNALBOX_DOMAIN_PATTERN_H
#include "base/arena.h"
#include "base/err.h"

/*
 * Supported: literals, . * + ? | ( ) [a-z] [^x] \d \w \s \. and other escapes, {n} {n,} {n,m} with
 * bounds ≤ 64, ^ and $ at the ends. ERR_INVALID names what is not supported (when a row is saved).
 */
bool pattern_check(str pattern, struct err *e) MUST_CHECK;
/* A pattern that does not compile matches nothing but itself. */
bool pattern_match(struct arena *mem, str pattern, str text);

struct permission_row { str name, workflow, branch, environment; };
struct permission_ask { str name, workflow, branch, environment; bool has_environment; };
/*
 * §6.2: any row that matches in all three grants. On refusal *why names the permission, and the
 * pattern that failed in the best row.
 */
bool permission_granted(struct arena *mem, const struct permission_row *rows, size_t count,
                        const struct permission_ask *ask, str *why);

#endif
