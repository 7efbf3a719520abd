/* What a workflow is kept from: other processes, the runner's files, more memory than it may have. */
#include "rig.h"

#include <unistd.h>

#include "runner/job_sandbox.h"

static struct sandbox_parts here;

static bool need(bool part)
{
    if (!part)
        skip();
    return part;
}

static void nothing_of_the_runner_can_be_read(void **state)
{
    struct rig *r = *state;
    need(here.namespaces || here.landlock);
    rig_commit(r, NULL);
    rig_call(r, (const char *const[]){"mkdir", rig_path(r, "work/another-run"), NULL});
    rig_call(r, (const char *const[]){"touch", rig_path(r, "work/another-run/id"), NULL});
    rig_atmos(r, arena_print(r->mem,
        "cat %1$s/state/runs/*/log %1$s/work/another-run/id; ls -d %1$s/state/runs/*;"
        "echo x > %1$s/state/new; echo x > $TMPDIR/fine && cat $TMPDIR/fine && cat %1$s/atmos | head -1", r->dir).ptr);
    struct ended end = rig_run(r, &(struct given_order){0});
    assert_true(str_ends(end.log, STR("x\n#!/bin/bash\n")));
    assert_silent(end.log, "01234567-89ab-4cde-8f01-23456789abcd/log\n");
    assert_str(rig_read(r, rig_path(r, "state/new")), STR(""));
    assert_str(end.outcome, STR("succeeded"));
}

static void tmp_is_its_own(void **state)
{
    struct rig *r = *state;
    need(here.namespaces);
    rig_commit(r, NULL);
    const char *mark = arena_print(r->mem, "/tmp/signalbox-mark-%s", r->marker).ptr;
    rig_atmos(r, arena_print(r->mem, "touch %s && ls %s && ls %s/repo", mark, mark, r->dir).ptr);
    struct ended end = rig_run(r, &(struct given_order){0});
    assert_says(end.log, mark);
    assert_str(end.reason, STR("exit_code"));       /* the repository is not there */
    assert_int_equal(access(mark, F_OK), -1);
    assert_false(end.folder_left);
}

static void other_processes_are_out_of_reach(void **state)
{
    struct rig *r = *state;
    need(here.namespaces);
    rig_commit(r, NULL);
    rig_atmos(r, arena_print(r->mem, "kill -0 %d && echo reached; kill -KILL -1; echo still here", getpid()).ptr);
    struct ended end = rig_run(r, &(struct given_order){0});
    assert_silent(end.log, "reached");
    assert_str(end.reason, STR(""));
}

static void no_privileges_can_be_gained(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "grep NoNewPrivs /proc/self/status; ulimit -c");
    struct ended end = rig_run(r, &(struct given_order){0});
    assert_str(end.log, STR("NoNewPrivs:\t1\n0\n"));
}

static void limits_are_the_childs(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "ulimit -d; ulimit -u; ulimit -f; head -c 3000000 /dev/zero > $TMPDIR/big; stat -c %s $TMPDIR/big; exit 0");
    struct ended end = rig_run(r, &(struct given_order){
        .more = ",\"limits\":{\"memoryBytes\":536870912,\"processes\":3000,\"fileBytes\":1048576}"});
    assert_says(end.log, "524288\n3000\n1024\n");
    assert_says(end.log, "\n1048576\n");
    assert_str(end.outcome, STR("succeeded"));
}

static void without_namespaces_landlock_hides(void **state)
{
    struct rig *r = *state;
    need(here.landlock);
    rig_commit(r, NULL);
    rig_call(r, (const char *const[]){"touch", rig_path(r, "state/secret"), NULL});
    rig_atmos(r, arena_print(r->mem,
        "cat %1$s/state/secret 2>/dev/null && echo read; echo x 2>/dev/null > %1$s/state/secret && echo written;"
        "rm -f %1$s/state/secret 2>/dev/null; echo y > file && mv file $HOME/moved && cat $HOME/moved;"
        "git log --oneline | wc -l; ls %1$s >/dev/null && echo listed", r->dir).ptr);
    struct ended end = rig_run(r, &(struct given_order){.more = ",\"sandbox\":\"landlock\""});
    assert_str(end.log, STR("y\n1\nlisted\n"));
    assert_int_equal(access(rig_path(r, "state/secret"), F_OK), 0);
}

static void what_is_on_is_said(void **state)
{
    struct rig *r = *state;
    str words = sandbox_words(r->mem, &here);
    assert_says(words, "no new privileges: on");
    assert_says(words, here.namespaces ? "private processes and /tmp: on" : "private processes and /tmp: off (");
}

static int look(void **state)
{
    sandbox_probe(&here);
    return 0;
}

static const struct CMUnitTest tests[] = {
    JOB_TEST(nothing_of_the_runner_can_be_read),
    JOB_TEST(tmp_is_its_own),
    JOB_TEST(other_processes_are_out_of_reach),
    JOB_TEST(no_privileges_can_be_gained),
    JOB_TEST(limits_are_the_childs),
    JOB_TEST(without_namespaces_landlock_hides),
    JOB_TEST(what_is_on_is_said),
};

int main(int argc, char **argv)
{
    int code;
    if (runner_job_helper(argc, argv, &code))
        return code;
    if (argc == 2 && strcmp(argv[1], "runner-job") == 0)
        return runner_job_main();
    return cmocka_run_group_tests(tests, look, NULL);
}
