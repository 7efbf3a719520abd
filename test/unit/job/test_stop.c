/* How a run is stopped, and that nothing outlives it. With and without namespaces. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/job_sandbox.h"

/* A grandchild in a session of its own, deaf to all but KILL, with the marker in its arguments. */
#define DEAF                                                                                       \
    "(setsid bash -c \"trap '' INT TERM HUP; while :; do sleep 0.2; done\" $MARK >/dev/null 2>&1 &);"
/* `wait`, because bash loses an interrupt that comes just before it starts a program. */
#define AWAIT "while :; do sleep 100 & wait $!; done"
#define WITHOUT ",\"sandbox\":false"

static const char *const boxes[] = {"", WITHOUT};

static void each_box(struct rig *r, void (*check)(struct rig *r, const char *box))
{
    for (size_t i = 0; i < COUNT(boxes); i++) {
        check(r, boxes[i]);
        assert_int_equal(rig_survivors(r), 0);
        assert_int_equal(access(rig_work(r), F_OK), -1);
    }
}

static void cancel(struct rig *r, const char *box)
{
    rig_atmos(r, DEAF "trap 'echo interrupted; exit 5' INT; echo ready; " AWAIT);
    rig_start(r, &(struct given_order){.more = box});
    rig_await_log(r, "ready");
    rig_say(r, "{\"order\":\"cancel\"}\n");
    struct ended end = rig_end(r);
    assert_str(end.outcome, STR("failed"));
    assert_str(end.reason, STR("cancelled"));
    assert_int_equal(end.exit_code, 5);
    assert_says(end.log, "interrupted");
    assert_says(end.log, "[signalbox: cancelled]");
}

static void a_cancelled_run_is_interrupted_first(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, cancel);
}

static void drain(struct rig *r, const char *box)
{
    rig_atmos(r, "trap 'exit 5' INT; echo ready; " AWAIT);
    rig_start(r, &(struct given_order){.more = box});
    rig_await_log(r, "ready");
    rig_say(r, "{\"order\":\"stop\"}\n");
    struct ended end = rig_end(r);
    assert_str(end.reason, STR("stopped"));
    assert_str(end.error, STR("runner stopped"));
}

static void a_runner_that_drains_stops_it(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, drain);
}

/* Deaf to the interrupt, and then to TERM as well for a while: the stages follow each other. */
static void terminate(struct rig *r, const char *box)
{
    rig_atmos(r, DEAF "trap 'echo int' INT; trap 'echo term; exit 6' TERM; echo ready; " AWAIT);
    const char *more = arena_print(r->mem, "%s,\"stopGraceMs\":300", box).ptr;
    rig_start(r, &(struct given_order){.more = more});
    rig_await_log(r, "ready");
    rig_say(r, "{\"order\":\"cancel\"}\n");
    struct ended end = rig_end(r);
    assert_str(end.reason, STR("cancelled"));
    assert_int_equal(end.exit_code, 6);
    assert_says(end.log, "int\nterm\n");
}

static void after_the_grace_it_is_terminated(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, terminate);
}

static void kill_deaf(struct rig *r, const char *box)
{
    rig_atmos(r, "trap '' INT TERM HUP; echo ready; " AWAIT);
    const char *more = arena_print(r->mem, "%s,\"stopGraceMs\":100,\"killMs\":100", box).ptr;
    rig_start(r, &(struct given_order){.more = more});
    rig_await_log(r, "ready");
    rig_say(r, "{\"order\":\"cancel\"}\n");
    struct ended end = rig_end(r);
    assert_str(end.reason, STR("cancelled"));
    assert_str(end.signal, STR("SIGKILL"));
}

static void whoever_does_not_listen_is_killed(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, kill_deaf);
}

static void time_out(struct rig *r, const char *box)
{
    rig_atmos(r, DEAF "trap 'exit 7' INT; echo ready; " AWAIT);
    rig_start(r, &(struct given_order){.more = box, .deadline_in_ms = 3000});
    struct ended end = rig_end(r);
    assert_str(end.reason, STR("timeout"));
    assert_says(end.error, "time limit");
}

static void the_deadline_ends_it(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, time_out);
}

static void a_deadline_that_has_passed_starts_nothing(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "echo must not run");
    struct ended end = rig_run(r, &(struct given_order){.deadline_in_ms = -1});
    assert_str(end.events, STR("ended"));
    assert_str(end.reason, STR("timeout"));
    assert_false(end.folder_left);
}

static void background(struct rig *r, const char *box)
{
    rig_atmos(r, DEAF DEAF "echo done");
    struct ended end = rig_run(r, &(struct given_order){.more = box});
    assert_str(end.outcome, STR("succeeded"));
}

static void what_a_workflow_leaves_in_the_background_is_killed(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, background);
}

static void fork_storm(struct rig *r, const char *box)
{
    rig_atmos(r, "for i in $(seq 60); do " DEAF " done; echo done");
    struct ended end = rig_run(r, &(struct given_order){.more = box});
    assert_str(end.outcome, STR("succeeded"));
}

static void however_many_they_are(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, fork_storm);
}

static void wait_for_exit(struct rig *r)
{
    int status;
    waitpid(r->pid, &status, 0);
    r->pid = 0;
}

static void service_dies(struct rig *r, const char *box)
{
    rig_atmos(r, DEAF "trap 'exit 5' INT; echo ready; " AWAIT);
    rig_start(r, &(struct given_order){.more = box});
    rig_await_log(r, "ready");
    close(r->fd);
    r->fd = -1;
    wait_for_exit(r);
}

static void when_the_service_dies_the_run_ends_and_its_folder_goes(void **state)
{
    rig_commit(*state, NULL);
    each_box(*state, service_dies);
}

/* Nobody is left to clean up, but the kernel: the folder is the restarted service's (sweep). */
static void a_job_that_is_killed_takes_its_namespace_with_it(void **state)
{
    struct rig *r = *state;
    struct sandbox_parts here;
    sandbox_probe(&here);
    if (!here.namespaces)
        skip();                 /* then the service's sweep ends them */
    rig_commit(r, NULL);
    rig_atmos(r, DEAF "trap '' INT TERM; echo ready; exec bash -c 'while :; do sleep 0.05; done' $MARK");
    rig_start(r, &(struct given_order){0});
    rig_await_log(r, "ready");
    kill(r->pid, SIGKILL);
    wait_for_exit(r);
    assert_int_equal(rig_survivors(r), 0);
}

static void the_lock_is_held_for_the_whole_life(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "echo ready; " AWAIT);
    rig_start(r, &(struct given_order){0});
    rig_await_log(r, "ready");
    struct rig other = *r;
    struct ended second = rig_run(&other, &(struct given_order){0});
    assert_str(second.reason, STR("internal"));
    assert_says(second.error, "another process still works on this run");
    assert_true(second.folder_left);
    rig_say(r, "{\"order\":\"cancel\"}\n");
    struct ended first = rig_end(r);
    assert_str(first.reason, STR("cancelled"));
    assert_false(first.folder_left);
}

/* A git that hangs: the time limit of the clone, a cancel, and the death of the service. */
static const char *hanging_git(struct rig *r, const char *more)
{
    const char *path = rig_path(r, "git");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    dprintf(fd, "#!/bin/bash\nexec bash -c 'trap \"\" INT; while :; do sleep 0.05; done' %s\n", r->marker);
    close(fd);
    return arena_print(r->mem, ",\"git\":\"%s\"%s", path, more).ptr;
}

static void a_clone_has_a_time_limit(void **state)
{
    struct rig *r = *state;
    rig_atmos(r, "echo must not run");
    const char *more = hanging_git(r, ",\"cloneTimeoutMs\":300");
    struct ended end = rig_run(r, &(struct given_order){.more = more});
    assert_str(end.reason, STR("clone_failed"));
    assert_says(end.error, "CLONE_TIMEOUT");
    assert_int_equal(rig_survivors(r), 0);
    assert_false(end.folder_left);
}

static void a_clone_can_be_cancelled(void **state)
{
    struct rig *r = *state;
    rig_atmos(r, "echo must not run");
    rig_start(r, &(struct given_order){.more = hanging_git(r, "")});
    rig_await(r, "cloning");
    rig_say(r, "{\"order\":\"cancel\"}\n");
    struct ended end = rig_end(r);
    assert_str(end.reason, STR("cancelled"));
    assert_int_equal(rig_survivors(r), 0);
    assert_false(end.folder_left);
}

static void a_service_that_dies_during_the_clone(void **state)
{
    struct rig *r = *state;
    rig_atmos(r, "echo must not run");
    rig_start(r, &(struct given_order){.more = hanging_git(r, "")});
    rig_await(r, "cloning");
    close(r->fd);
    r->fd = -1;
    wait_for_exit(r);
    assert_int_equal(rig_survivors(r), 0);
    assert_int_equal(access(rig_work(r), F_OK), -1);
}

static void a_service_that_dies_at_once(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, DEAF "sleep 30");
    rig_start(r, &(struct given_order){0});
    close(r->fd);
    r->fd = -1;
    wait_for_exit(r);
    assert_int_equal(rig_survivors(r), 0);
    assert_int_equal(access(rig_work(r), F_OK), -1);
}

static const struct CMUnitTest tests[] = {
    JOB_TEST(a_cancelled_run_is_interrupted_first),
    JOB_TEST(a_runner_that_drains_stops_it),
    JOB_TEST(after_the_grace_it_is_terminated),
    JOB_TEST(whoever_does_not_listen_is_killed),
    JOB_TEST(the_deadline_ends_it),
    JOB_TEST(a_deadline_that_has_passed_starts_nothing),
    JOB_TEST(what_a_workflow_leaves_in_the_background_is_killed),
    JOB_TEST(however_many_they_are),
    JOB_TEST(when_the_service_dies_the_run_ends_and_its_folder_goes),
    JOB_TEST(a_job_that_is_killed_takes_its_namespace_with_it),
    JOB_TEST(the_lock_is_held_for_the_whole_life),
    JOB_TEST(a_clone_has_a_time_limit),
    JOB_TEST(a_clone_can_be_cancelled),
    JOB_TEST(a_service_that_dies_during_the_clone),
    JOB_TEST(a_service_that_dies_at_once),
};

JOB_TEST_MAIN(tests)
