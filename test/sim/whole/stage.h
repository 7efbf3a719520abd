/*
 * stage: one world of whole.h, in which nothing happens by chance. A story says what people do; the
 * engine, its database and the checks after every commit are those of the histories by chance.
 */
#ifndef SIGNALBOX_TEST_SIM_STAGE_H
#define SIGNALBOX_TEST_SIM_STAGE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#undef fail

#include "whole.h"

/* Before and after each story: what runs ends well then, and all must be right and stay so. */
int stage_begin(void **state);
int stage_end(void **state);
#define STORY(f) cmocka_unit_test_setup_teardown(f, stage_begin, stage_end)

/* A server, a repository with these settings (JSON). */
void given(const char *settings);
/* Pull request 1, 2 or 3, and what its workflow uploads: so many stacks; 0: it is not run. */
struct pull *opens(int number, bool draft, uint32_t stacks);
void pushes(struct pull *p, uint32_t stacks);
void merges(struct pull *p, uint32_t stacks);
/* "closed", "reopened", "ready_for_review", "converted_to_draft" … */
void tells(struct pull *p, const char *action);
void uploads(const struct pull *p, uint32_t stacks);
/* A minute in which all that is on its way arrives. */
void rest(void);
void later(int64_t ms);                /* the same, in steps of five seconds, or of minutes */
void runs_end(const char *conclusion); /* those that are live */
/* By API, of the newest batch of this pull request (0: of all); of the pull request itself. */
void orders(const char *command, int number);
void runner_will(enum runner_way way);  /* with its next call; then it answers as it should */
void dies(void); /* kill -9, and another start */

void is_(int64_t want, const char *sql, const char *file, int line);
#define is(want, sql) is_((want), "" sql, __FILE__, __LINE__)
/* What our comment on it, and its check, say. */
void comment_says(int number, const char *part);
void check_says(const struct pull *p, const char *part);

#define HELD     "select count(*) from batch where state = 'held'"
#define STANDING "select count(*) from hold where lifted_ms is null"
#define GOING    "select count(*) from node where state in ('queued', 'running', 'dispatching')"

#endif
