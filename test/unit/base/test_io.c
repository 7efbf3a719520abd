#include "given.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"

static char folder[64];

static int make_folder(void **state)
{
    strncpy(folder, "/tmp/signalbox-io-XXXXXX", sizeof folder - 1);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    DIR *d = opendir(folder);
    for (struct dirent *one; d && (one = readdir(d));)
        unlinkat(dirfd(d), one->d_name, 0);
    closedir(d);
    return rmdir(folder);
}

static const char *in_folder(struct arena *a, const char *name)
{
    return arena_print(a, "%s/%s", folder, name).ptr;
}

static unsigned files_in_folder(void)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *one; (one = readdir(d));)
        n += one->d_name[0] != '.';
    closedir(d);
    return n;
}

static void a_file_is_replaced_whole(void **state)
{
    GIVEN_ARENA(a);
    struct err e = { .code = ERR_NONE };
    const char *path = in_folder(a, "state");
    str got;
    mode_t old = umask(077);
    assert_true(io_replace_file(path, STR("first"), 0640, &e));
    umask(old);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_true(io_replace_file(path, STR("second, and longer"), 0600, &e));
    assert_true(io_read_file(a, path, 100, &got, &e));
    assert_str(got, STR("second, and longer"));
    assert_int_equal(got.ptr[got.len], 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(files_in_folder(), 1);
}

static void a_failed_replacement_leaves_nothing_behind(void **state)
{
    GIVEN_ARENA(a);
    struct err e = { .code = ERR_NONE };
    const char *path = in_folder(a, "is-a-folder");
    assert_int_equal(mkdir(path, 0700), 0);
    unsigned before = files_in_folder();
    assert_false(io_replace_file(path, STR("x"), 0600, &e));
    assert_int_equal(files_in_folder(), before);
    assert_int_equal(rmdir(path), 0);
    err_clear(&e);
    assert_false(io_replace_file(in_folder(a, "no/such/place"), STR("x"), 0600, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    assert_int_equal(e.sys, ENOENT);
}

static void reading_tells_missing_large_and_folder(void **state)
{
    GIVEN_ARENA(a);
    struct err e = { .code = ERR_NONE };
    str got;
    assert_false(io_read_file(a, in_folder(a, "missing"), 10, &got, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    err_clear(&e);
    assert_false(io_read_file(a, folder, 10, &got, &e));
    assert_int_equal(e.code, ERR_INVALID);
    err_clear(&e);
    const char *path = in_folder(a, "ten");
    assert_true(io_replace_file(path, STR("0123456789"), 0600, &e));
    assert_true(io_read_file(a, path, 10, &got, &e));
    assert_int_equal(got.len, 10);
    assert_false(io_read_file(a, path, 9, &got, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    err_clear(&e);
    assert_true(io_replace_file(path, STR(""), 0600, &e));
    assert_true(io_read_file(a, path, 0, &got, &e));
    assert_int_equal(got.len, 0);
    /* says size 0, has content */
    assert_true(io_read_file(a, "/proc/self/status", 1 << 20, &got, &e));
    assert_true(got.len > 100);
    err_clear(&e);
    assert_false(io_read_file(a, "/dev/zero", 100000, &got, &e));
    assert_int_equal(e.code, ERR_LIMIT);
}

struct drain { int fd; size_t got; };

static void *drain(void *arg)
{
    struct drain *d = arg;
    char part[1000];
    for (ssize_t n; (n = read(d->fd, part, sizeof part)) > 0;)
        d->got += (size_t)n;
    return NULL;
}

static void a_write_is_whole_even_through_a_small_pipe(void **state)
{
    GIVEN_ARENA(a);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct drain d = { ends[0], 0 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, drain, &d), 0);
    struct err e = { .code = ERR_NONE };
    assert_true(io_write_all(ends[1], (str){ arena_take(a, 1000000, 1), 1000000 }, &e));
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
    assert_int_equal(d.got, 1000000);
    assert_false(io_write_all(-1, STR("x"), &e));
    assert_int_equal(e.sys, EBADF);
}

/* A file size limit makes the kernel take a part of the write only, and then nothing. */
static void a_write_that_is_cut_is_a_failure(void **state)
{
    GIVEN_ARENA(a);
    const char *path = in_folder(a, "cut");
    struct rlimit old, small;
    struct err e = { .code = ERR_NONE };
    SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = io_write_all(fd, (str){ arena_take(a, 5000, 1), 5000 }, &e);
    bool replaced = io_replace_file(in_folder(a, "other"), (str){ arena_take(a, 5000, 1), 5000 },
                                    0600, &(struct err){ .code = ERR_NONE });
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_false(ok);
    assert_false(replaced);
    assert_int_equal(e.sys, EFBIG);
    assert_int_equal(lseek(fd, 0, SEEK_END), 1000);
    assert_int_equal(access(in_folder(a, "other"), F_OK), -1);
}

static void missing_standard_descriptors_are_filled(void **state)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(0);
        close(2);
        io_sanitize_fds();
        int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
        bool fine = next > 2 && fcntl(0, F_GETFD) == 0 && fcntl(2, F_GETFD) == 0;
        _exit(fine ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(a_failed_replacement_leaves_nothing_behind),
        cmocka_unit_test(reading_tells_missing_large_and_folder),
        cmocka_unit_test(a_write_is_whole_even_through_a_small_pipe),
        cmocka_unit_test(a_write_that_is_cut_is_a_failure),
        cmocka_unit_test(missing_standard_descriptors_are_filled),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
