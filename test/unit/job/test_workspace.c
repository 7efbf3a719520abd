/* The folder of a run: made private, removed whatever is in it, and nothing beside it. */
#include "rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/job_workspace.h"

static void a_new_folder_is_private(void **state)
{
    struct rig *r = *state;
    struct workspace w;
    struct err e = {0};
    struct stat st;
    assert_true(workspace_make(r->mem, rig_path(r, "run"), &w, &e));
    const char *folders[] = {w.dir, w.home, w.tmp, w.bin, w.private_dir};
    for (size_t i = 0; i < COUNT(folders); i++) {
        assert_int_equal(stat(folders[i], &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
    assert_int_equal(access(w.repo, F_OK), -1);
}

static void what_an_earlier_job_left_is_removed_first(void **state)
{
    struct rig *r = *state;
    struct workspace w;
    struct err e = {0};
    mkdir(rig_path(r, "run"), 0700);
    mkdir(rig_path(r, "run/old"), 0700);
    assert_true(workspace_make(r->mem, rig_path(r, "run"), &w, &e));
    assert_int_equal(access(rig_path(r, "run/old"), F_OK), -1);
}

static void links_are_removed_and_not_followed(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    mkdir(rig_path(r, "outside"), 0755);
    close(open(rig_path(r, "outside/precious"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    mkdir(rig_path(r, "run"), 0700);
    assert_int_equal(symlink(rig_path(r, "outside"), rig_path(r, "run/link")), 0);
    assert_int_equal(symlink("/nowhere/at/all", rig_path(r, "run/broken")), 0);
    assert_int_equal(link(rig_path(r, "outside/precious"), rig_path(r, "run/hard")), 0);
    assert_true(workspace_remove(rig_path(r, "run"), &e));
    assert_int_equal(access(rig_path(r, "outside/precious"), F_OK), 0);
    assert_int_equal(access(rig_path(r, "run"), F_OK), -1);
}

static void a_link_in_the_place_of_the_folder_is_refused(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    mkdir(rig_path(r, "outside"), 0755);
    close(open(rig_path(r, "outside/precious"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    assert_int_equal(symlink(rig_path(r, "outside"), rig_path(r, "run")), 0);
    assert_false(workspace_remove(rig_path(r, "run"), &e));
    assert_int_equal(access(rig_path(r, "outside/precious"), F_OK), 0);
}

static void folders_without_permissions_are_removed(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    mkdir(rig_path(r, "run"), 0700);
    mkdir(rig_path(r, "run/a"), 0700);
    mkdir(rig_path(r, "run/a/b"), 0700);
    close(open(rig_path(r, "run/a/b/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0));
    chmod(rig_path(r, "run/a/b"), 0);
    chmod(rig_path(r, "run/a"), 0500);
    chmod(rig_path(r, "run"), 0);
    assert_true(workspace_remove(rig_path(r, "run"), &e));
    assert_int_equal(access(rig_path(r, "run"), F_OK), -1);
}

static void a_tree_deeper_than_any_path_is_removed(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    mkdir(rig_path(r, "run"), 0700);
    int at = open(rig_path(r, "run"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "deeper", 0700), 0);
        int next = openat(at, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    assert_true(workspace_remove(rig_path(r, "run"), &e));
    assert_int_equal(access(rig_path(r, "run"), F_OK), -1);
}

static void a_folder_that_is_not_there_is_gone_already(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    assert_true(workspace_remove(rig_path(r, "never-was"), &e));
}

static void programs_are_found_in_path_or_by_path(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    const char *found;
    rig_atmos(r, "exit 0");
    const char *path = arena_print(r->mem, "/nowhere:%s", r->dir).ptr;
    assert_true(program_find(r->mem, "atmos", path, "ATMOS_BIN", &found, &e));
    assert_string_equal(found, rig_path(r, "atmos"));
    assert_true(program_find(r->mem, rig_path(r, "atmos"), "/bin", "ATMOS_BIN", &found, &e));
    assert_string_equal(found, rig_path(r, "atmos"));
    assert_false(program_find(r->mem, "no-such-atmos", path, "ATMOS_BIN", &found, &e));
    assert_says(str_of(e.text), "set ATMOS_BIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(a_new_folder_is_private),
        JOB_TEST(what_an_earlier_job_left_is_removed_first),
        JOB_TEST(links_are_removed_and_not_followed),
        JOB_TEST(a_link_in_the_place_of_the_folder_is_refused),
        JOB_TEST(folders_without_permissions_are_removed),
        JOB_TEST(a_tree_deeper_than_any_path_is_removed),
        JOB_TEST(a_folder_that_is_not_there_is_gone_already),
        JOB_TEST(programs_are_found_in_path_or_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
