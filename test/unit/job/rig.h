/*
 * rig: a job process (this program, started once more as `runner-job`), driven over a socketpair as
 * the service does it; a repository of git's own; and a script in the place of atmos.
 *
 * The main of each test is JOB_TEST_MAIN: it becomes the job, its askpass or its ssh when it is
 * started as such.
 */
#ifndef SIGNALBOX_TEST_UNIT_JOB_RIG_H
#define SIGNALBOX_TEST_UNIT_JOB_RIG_H
#include "given.h"

#include "base/json.h"
#include "runner/job.h"

enum { RIG_PATIENCE_MS = 60000, RIG_EVENTS = 16 };

struct rig {
    struct arena *mem;
    char          dir[64];          /* of this test, removed at its end */
    int           pid, fd;
    char          marker[40];       /* in the argument list of processes that must not survive */
};

/* What the order says beside the defaults: JSON members, "" or ", \"a\": 1". */
struct given_order {
    const char *workflow, *more, *repo_more;
    const char *url;                /* default: the rig's repository */
    const char *branch;             /* default: main */
    int64_t     deadline_in_ms;     /* default: 60 s */
};

struct ended {
    str     outcome, reason, signal, error, failed_step, commit, tail;
    int64_t exit_code;              /* -1: null */
    str     events;                 /* "cloning cloned started ended" */
    str     log;                    /* the whole file */
    int     status;                 /* of the process */
    bool    folder_left;
};

int  rig_open(void **state);
int  rig_close(void **state);
/* Files of the repository: name, content, …, NULL; committed to main. Returns the commit. */
str  rig_commit(struct rig *r, ...) __attribute__((sentinel));
/* The script that stands for atmos. It finds $MARK to put into the arguments of what it leaves. */
void rig_atmos(struct rig *r, const char *script);
/* A path in the rig's folder; and in the folder of the run. */
const char *rig_path(struct rig *r, const char *name);
const char *rig_work(struct rig *r);

void rig_start(struct rig *r, const struct given_order *o);
void rig_say(struct rig *r, const char *line);
/* Waits until the job has told that event (once more). */
void rig_await(struct rig *r, const char *event);
/* Waits until the file in the rig's folder is there: a script says so that it has come so far. */
void rig_await_log(struct rig *r, const char *text);
struct ended rig_end(struct rig *r);
struct ended rig_run(struct rig *r, const struct given_order *o);
/* How many processes have the marker in their arguments; waits for none, up to the patience. */
size_t rig_survivors(struct rig *r);
size_t rig_alive(struct rig *r);
/* Runs a program to its end; its output. Fails the test when it fails. */
str  rig_call(struct rig *r, const char *const *argv);
str  rig_read(struct rig *r, const char *path);

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        str text_ = (text);                                                                        \
        if (!str_has(text_, str_of(part)))                                                         \
            fail_msg("\"%.*s\" does not say \"%s\"", FMT_STR(text_), part);                        \
    } while (0)
#define assert_silent(text, part)                                                                  \
    do {                                                                                           \
        str text_ = (text);                                                                        \
        if (str_has(text_, str_of(part)))                                                          \
            fail_msg("\"%.*s\" says \"%s\"", FMT_STR(text_), part);                                \
    } while (0)

#define JOB_TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
#define JOB_TEST_MAIN(tests)                                                                       \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        int code;                                                                                  \
        if (runner_job_helper(argc, argv, &code))                                                  \
            return code;                                                                           \
        if (argc == 2 && strcmp(argv[1], "runner-job") == 0)                                       \
            return runner_job_main();                                                              \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#endif
