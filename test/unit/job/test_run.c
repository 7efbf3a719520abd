/* Whole runs: what the job clones, runs, tells and leaves. The forge is a folder, atmos a script. */
#include "rig.h"

#include <sys/stat.h>
#include <unistd.h>

static const struct given_order usual;

static void a_workflow_that_succeeds(void **state)
{
    struct rig *r = *state;
    str commit = rig_commit(r, "hello.txt", "from the repository\n", NULL);
    rig_atmos(r, "cat hello.txt; echo to stderr >&2");
    struct ended end = rig_run(r, &usual);
    assert_str(end.events, STR("cloning cloned started ended"));
    assert_str(end.outcome, STR("succeeded"));
    assert_str(end.reason, STR(""));
    assert_str(end.error, STR(""));
    assert_int_equal(end.exit_code, 0);
    assert_str(end.commit, commit);
    assert_str(end.log, STR("from the repository\nto stderr\n"));
    assert_str(end.tail, end.log);
    assert_false(end.folder_left);
    assert_int_equal(end.status, 0);
}

static void an_exit_code_arrives_with_the_step(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "echo; echo \" atmos workflow deploy -f w --from-step 'boom step' -s 'dev'\"; exit 42");
    struct ended end = rig_run(r, &usual);
    assert_str(end.outcome, STR("failed"));
    assert_str(end.reason, STR("exit_code"));
    assert_int_equal(end.exit_code, 42);
    assert_str(end.failed_step, STR("boom step"));
    assert_str(end.error, STR("step 'boom step' failed: exit code 42"));
    assert_false(end.folder_left);
}

static void a_signal_arrives_by_its_name(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "kill -KILL $$");
    struct ended end = rig_run(r, &(struct given_order){.more = ",\"sandbox\":false"});
    assert_str(end.reason, STR("signal"));
    assert_str(end.signal, STR("SIGKILL"));
    assert_int_equal(end.exit_code, -1);
}

static void a_signal_arrives_from_inside_namespaces(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "kill -SEGV $$");
    struct ended end = rig_run(r, &usual);
    assert_str(end.reason, STR("signal"));
    assert_str(end.signal, STR("SIGSEGV"));
}

static void variables_reach_the_child_and_nothing_else_does(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "printf '%s\\n' \"$ATMOS_RUNNER_VAR_x\" \"$#:$*\"; cat \"$ATMOS_RUNNER_VARS_FILE\"; echo;"
                 "stat -c %a \"$ATMOS_RUNNER_VARS_FILE\"; ls /proc/self/fd | tr '\\n' ' '; echo;"
                 "readlink /proc/self/fd/0; command -v atmos; pwd; env -u PATH true");
    struct ended end = rig_run(r, &(struct given_order){
        .more = ",\"vars\":{\"x\":\"\\\"; rm -rf ~ #\"}", .workflow = "; rm -rf /"});
    assert_str(end.outcome, STR("succeeded"));
    str wanted = arena_print(r->mem, "\"; rm -rf ~ #\n3:workflow ; rm -rf / --stack=dev\n"
                                     "{\"x\":\"\\\"; rm -rf ~ #\"}\n600\n0 1 2 3 \n/dev/null\n"
                                     "%s/bin/atmos\n%s/repo\n", rig_work(r), rig_work(r));
    assert_str(end.log, wanted);
}

static void secrets_leave_by_no_way(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "printf 'a hunter2-hun'; sleep 0.05; printf 'ter2 b\\n'; echo $ATMOS_RUNNER_VAR_db_password;"
                 "echo -n u:hunter2-hunter2 | base64; echo ghp_tokentoken;"
                 "echo \" --from-step 'uses hunter2-hunter2' -s 'x'\"; exit 1");
    struct ended end = rig_run(r, &(struct given_order){
        .more = ",\"mask\":[\"hunter2-hunter2\"],\"vars\":{\"db_password\":\"swordfish\"}",
        .repo_more = ",\"httpsToken\":\"ghp_tokentoken\""});
    assert_says(end.log, "a *** b\n***\n");
    static const char *const secrets[] = {"hunter2", "swordfish", "ghp_", "dTpodW50ZXIyLWh1bnRlcjI"};
    for (size_t i = 0; i < COUNT(secrets); i++) {
        assert_silent(end.log, secrets[i]);
        assert_silent(end.tail, secrets[i]);
        assert_silent(end.error, secrets[i]);
        assert_silent(end.failed_step, secrets[i]);
    }
    assert_str(end.failed_step, STR("uses ***"));
}

static void a_long_log_keeps_its_beginning_and_its_end(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "echo the beginning; for i in $(seq 40000); do echo \"line $i\"; done; echo the end");
    struct ended end = rig_run(r, &(struct given_order){.more = ",\"logMaxBytes\":65536"});
    assert_true(end.log.len <= 65536 && end.log.len > 60000);
    assert_true(str_starts(end.log, STR("the beginning\nline 1\n")));
    assert_true(str_ends(end.log, STR("line 40000\nthe end\n")));
    assert_says(end.log, " bytes are left out here");
    assert_true(end.tail.len <= 4096 && str_ends(end.tail, STR("the end\n")));
}

static void the_tail_is_cut_between_characters(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "for i in $(seq 3000); do printf '\\342\\202\\254'; done; printf 'x'");
    struct ended end = rig_run(r, &usual);
    assert_true(str_is_utf8(end.tail));
    assert_true(str_starts(end.tail, STR("\342\202\254")) && str_ends(end.tail, STR("\254x")));
    assert_int_equal(end.tail.len, 4096 / 3 * 3 + 1);
}

/* ---- what is cloned ---- */

static void only_the_last_commit_of_one_branch_is_cloned(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "a", "1", NULL);
    rig_call(r, (const char *const[]){"git", "-C", rig_path(r, "repo"), "branch", "other", NULL});
    rig_commit(r, "a", "2", NULL);
    rig_atmos(r, "git rev-list --all --count; git for-each-ref --format='%(refname)'; cat .git/config;"
                 "ls -A .git/hooks 2>/dev/null | wc -l");
    struct ended end = rig_run(r, &usual);
    assert_true(str_starts(end.log, STR("1\nrefs/heads/main\n")));
    assert_silent(end.log, "other");
    assert_true(str_ends(end.log, STR("0\n")));
}

static void all_of_the_history_on_request(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "a", "1", NULL);
    rig_commit(r, "a", "2", NULL);
    rig_atmos(r, "git rev-list HEAD --count");
    struct ended end = rig_run(r, &(struct given_order){.repo_more = ",\"depth\":0"});
    assert_str(end.log, STR("2\n"));
}

static void submodules_on_request(void **state)
{
    struct rig *r = *state;
    const char *repo = rig_path(r, "repo"), *other = rig_path(r, "modules");
    const char *address = arena_print(r->mem, "file://%s", other).ptr;
    rig_call(r, (const char *const[]){"git", "init", "--quiet", "-b", "main", other, NULL});
    rig_call(r, (const char *const[]){"cp", "/etc/hostname", arena_print(r->mem, "%s/inside", other).ptr, NULL});
    rig_call(r, (const char *const[]){"git", "-C", other, "add", "-A", NULL});
    rig_call(r, (const char *const[]){"git", "-C", other, "commit", "--quiet", "-m", "a module", NULL});
    rig_call(r, (const char *const[]){"git", "-c", "protocol.file.allow=always", "-C", repo, "submodule", "--quiet",
                                      "add", address, "vendor", NULL});
    str commit = rig_commit(r, "a", "1", NULL);
    rig_atmos(r, "ls vendor | tr '\\n' ' '; echo .");
    struct ended end = rig_run(r, &usual);
    assert_str(end.log, STR(".\n"));
    const char *ref = arena_print(r->mem, ",\"submodules\":true,\"ref\":\"" PRI_STR "\"", FMT_STR(commit)).ptr;
    const char *more[] = {",\"submodules\":true", ",\"submodules\":true,\"depth\":0", ref};
    for (size_t i = 0; i < COUNT(more); i++) {
        end = rig_run(r, &(struct given_order){.repo_more = more[i]});
        assert_str(end.error, STR(""));
        assert_str(end.log, STR("inside .\n"));
    }
}

static void a_ref_of_the_payload_is_cloned_instead(void **state)
{
    struct rig *r = *state;
    const char *repo = rig_path(r, "repo");
    str first = rig_commit(r, "a", "first\n", NULL);
    rig_call(r, (const char *const[]){"git", "-C", repo, "tag", "v1", NULL});
    rig_call(r, (const char *const[]){"git", "-C", repo, "branch", "old", NULL});
    rig_commit(r, "a", "second\n", NULL);
    rig_atmos(r, "cat a; git remote get-url origin");
    const char *refs[] = {arena_z(r->mem, first), "v1", "old", "refs/tags/v1"};
    for (size_t i = 0; i < COUNT(refs); i++) {
        const char *more = arena_print(r->mem, ",\"ref\":\"%s\"", refs[i]).ptr;
        struct ended end = rig_run(r, &(struct given_order){.repo_more = more});
        assert_str(end.error, STR(""));
        assert_str(end.commit, first);
        assert_says(end.log, "first\n");
        assert_says(end.log, "/repo\n");
        assert_str(end.outcome, STR("succeeded"));
    }
}

static const struct failing {
    const char *what, *url, *branch, *more, *says;
} failing[] = {
    {"a branch that is not there", NULL, "next", "", "has no branch next. It has: main"},
    {"no repository", "/tmp/signalbox-no-such-folder", NULL, "", "there is no git repository at"},
    {"a protocol of programs", "ext::sh -c id", NULL, "", "the address of the repository"},
    {"an option as address", "--upload-pack=id", NULL, "", "the address of the repository"},
    {"a port where nobody listens", "https://127.0.0.1:1/x", NULL, "", "in 3 attempts"},
    {"a commit that is not there", NULL, NULL,
     ",\"ref\":\"0123456789012345678901234567890123456789\"", "has no commit 0123456789"},
    {"a ref that is not there", NULL, NULL, ",\"ref\":\"nope\"", "has no nope. It has: main"},
};

static void clones_that_fail_say_what_to_do(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "echo must not run");
    for (size_t i = 0; i < COUNT(failing); i++) {
        const struct failing *f = &failing[i];
        struct ended end = rig_run(r, &(struct given_order){
            .url = f->url, .branch = f->branch, .repo_more = f->more});
        assert_str(end.events, STR("cloning ended"));
        assert_str(end.outcome, STR("failed"));
        if (!str_eq(end.reason, STR("clone_failed")))
            fail_msg("%s: " PRI_STR, f->what, FMT_STR(end.reason));
        assert_true(str_starts(end.error, STR("clone failed: ")));
        assert_says(end.error, f->says);
        assert_says(end.log, f->says);
        assert_silent(end.log, "must not run");
        assert_false(end.folder_left);
    }
}

static void an_empty_repository_says_so(void **state)
{
    struct rig *r = *state;
    rig_atmos(r, "echo must not run");
    struct ended end = rig_run(r, &usual);
    assert_str(end.reason, STR("clone_failed"));
    assert_says(end.error, "has no branch main: it is empty. Push a first commit");
    assert_false(end.folder_left);
}

static void a_missing_program_is_named(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    struct ended end = rig_run(r, &usual);
    assert_str(end.reason, STR("internal"));
    assert_says(end.error, "/atmos. Install it, or set ATMOS_BIN");
    assert_false(end.folder_left);
    rig_atmos(r, "exit 0");
    end = rig_run(r, &(struct given_order){.more = ",\"env\":{\"PATH\":\"/nowhere\"}"});
    assert_says(end.error, "there is no program git in /nowhere. Install it, or set GIT_BIN");
}

static void a_failed_run_is_kept_on_request(void **state)
{
    struct rig *r = *state;
    struct stat st;
    rig_commit(r, "a", "1", NULL);
    rig_atmos(r, "exit 3");
    struct ended end = rig_run(r, &(struct given_order){.more = ",\"keepWorkspace\":\"on-failure\""});
    assert_true(end.folder_left);
    assert_int_equal(stat(arena_print(r->mem, "%s/repo/a", rig_work(r)).ptr, &st), 0);
    assert_int_equal(stat(arena_print(r->mem, "%s/private", rig_work(r)).ptr, &st), -1);
    rig_atmos(r, "exit 0");
    end = rig_run(r, &(struct given_order){.more = ",\"keepWorkspace\":\"on-failure\""});
    assert_false(end.folder_left);
}

static void hostile_files_in_the_clone_are_removed_and_nothing_beside(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "a/b", "1", NULL);
    rig_call(r, (const char *const[]){"mkdir", rig_path(r, "precious"), NULL});
    rig_call(r, (const char *const[]){"touch", rig_path(r, "precious/file"), NULL});
    rig_atmos(r, arena_print(r->mem,
        "ln -s %s/precious out; ln -s / root; mkfifo pipe; mkdir -p locked/in; touch locked/in/x;"
        "p=d; for i in $(seq 150); do mkdir $p && cd $p || exit 9; done; cd ../../..;"
        "printf x > $'new\\nline'; printf x > -rf; cd $OLDPWD; chmod 0 $HOME; chmod -R 0 $TMPDIR/../repo/locked;"
        "exit 0", r->dir).ptr);
    struct ended end = rig_run(r, &usual);
    assert_str(end.outcome, STR("succeeded"));
    assert_false(end.folder_left);
    assert_int_equal(access(rig_path(r, "precious/file"), F_OK), 0);
}

static void an_order_that_cannot_be_read_ends_the_job(void **state)
{
    struct rig *r = *state;
    rig_commit(r, NULL);
    rig_atmos(r, "exit 0");
    static const char *const more[] = {",\"varsMode\":1", ",\"stopGraceMs\":\"x\"", ",\"vars\":[1", ",\"hide\":[1]"};
    for (size_t i = 0; i < COUNT(more); i++) {
        struct ended end = rig_run(r, &(struct given_order){.more = more[i]});
        assert_str(end.events, STR("ended"));
        assert_str(end.reason, STR("internal"));
        assert_says(end.error, "the order of the service");
        assert_int_equal(end.status, 0);
    }
    struct ended end = rig_run(r, &(struct given_order){.workflow = "help"});
    assert_says(end.error, "\"workflow\" is no workflow");
    end = rig_run(r, &(struct given_order){.workflow = "--help"});
    assert_says(end.error, "\"workflow\" is no workflow");
}

static const struct CMUnitTest tests[] = {
    JOB_TEST(a_workflow_that_succeeds),
    JOB_TEST(an_exit_code_arrives_with_the_step),
    JOB_TEST(a_signal_arrives_by_its_name),
    JOB_TEST(a_signal_arrives_from_inside_namespaces),
    JOB_TEST(variables_reach_the_child_and_nothing_else_does),
    JOB_TEST(secrets_leave_by_no_way),
    JOB_TEST(a_long_log_keeps_its_beginning_and_its_end),
    JOB_TEST(the_tail_is_cut_between_characters),
    JOB_TEST(only_the_last_commit_of_one_branch_is_cloned),
    JOB_TEST(submodules_on_request),
    JOB_TEST(all_of_the_history_on_request),
    JOB_TEST(a_ref_of_the_payload_is_cloned_instead),
    JOB_TEST(clones_that_fail_say_what_to_do),
    JOB_TEST(an_empty_repository_says_so),
    JOB_TEST(a_missing_program_is_named),
    JOB_TEST(a_failed_run_is_kept_on_request),
    JOB_TEST(hostile_files_in_the_clone_are_removed_and_nothing_beside),
    JOB_TEST(an_order_that_cannot_be_read_ends_the_job),
};

JOB_TEST_MAIN(tests)
