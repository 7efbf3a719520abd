/*
 * given: what every test of the runner starts with: one include, settings as an operator would give
 * them, and payloads.
 */
#ifndef SIGNALBOX_TEST_UNIT_RUNNER_GIVEN_H
#define SIGNALBOX_TEST_UNIT_RUNNER_GIVEN_H
#include "../base/given.h"

#include "runner/settings.h"

#define RUN_1 "0e2a8f3c-1111-4222-8333-444455556666"
#define RUN_2 "0e2a8f3c-2222-4222-8333-444455556666"
#define SIGNATURE "4f6c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7"
#define TOKEN_OF(id) id ":1900000000000:" SIGNATURE
#define AUTH_TOKEN "0123456789abcdef0123456789abcdef"
enum { NOW_S = 1795000000 };                    /* before 1900000000000 ms */
#define NOW_MS ((int64_t)NOW_S * 1000)

/* Pairs of name and value, ended by NULL; what is not named is as good as unset. */
bool given_settings(struct arena *mem, const char *const pairs[], struct runner_settings *out,
                    struct err *e);
/* The least that works, and these; must be right. */
void given_right_settings(struct arena *mem, const char *const pairs[],
                          struct runner_settings *out);
/* A dispatch of run RUN_1 with these members at its end: ", \"a\": 1". */
str given_payload(struct arena *mem, const char *more);

#endif
