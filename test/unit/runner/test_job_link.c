/*
 * The line to a job. The job here is this program itself, started as the real one would be: it reads
 * its first line and does what "act" says.
 */
#include "given.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "runner/job_link.h"

enum { PATIENCE_MS = 30000 };

/* ---- the job ---- */

static void say(const char *line)
{
    struct err e = { 0 };
    if (!io_write_all(JOB_FD, str_of(line), &e))
        _exit(9);
}

static size_t read_line(char *to, size_t room)
{
    size_t n = 0;
    while (n < room && read(JOB_FD, to + n, 1) == 1)
        if (to[n++] == '\n')
            return n - 1;
    return 0;
}

static bool inherited(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static int act(const char *name, size_t order_len)
{
    char text[256];
    if (strcmp(name, "tell") == 0) {
        say("{\"event\":\"cloning\"}\n{\"event\":\"cloned\",\"commit\":\"abc\"}\n");
        say("{\"event\":\"started\",\"pid\":7}\n{\"event\":\"ended\",\"outcome\":\"failed\",");
        say("\"reason\":\"exit_code\",\"exitCode\":42,\"signal\":\"\",\"error\":\"e\",\"failedStep\""
            ":\"s\",\"commit\":\"abc\",\"startedMs\":1,\"finishedMs\":2,\"cloneMs\":3,\"logTail\":"
            "\"t\"}\n");
    } else if (strcmp(name, "nonsense") == 0) {
        static char huge[JOB_EVENT_BYTES_MAX * 2 + 10];
        say("no json\n{\"event\":\"dance\"}\n\n[]\n");
        memset(huge, 'x', sizeof huge - 1);
        say(huge);
        say("\n{\"event\":\"cloning\"}\n");
    } else if (strcmp(name, "echo") == 0) {
        size_t n = read_line(text, sizeof text);
        dprintf(JOB_FD, "{\"event\":\"cloned\",\"commit\":\"%d\"}\n",
                n && strstr(text, "\"cancel\"") ? 1 : 0);
    } else if (strcmp(name, "size") == 0) {
        dprintf(JOB_FD, "{\"event\":\"cloned\",\"commit\":\"%zu\"}\n", order_len);
    } else if (strcmp(name, "look") == 0) {
        int leaks = inherited(4) + inherited(5) + inherited(6) + (getenv("SECRET_OF_OURS") != NULL);
        sigset_t blocked;
        sigprocmask(SIG_BLOCK, NULL, &blocked);
        leaks += sigismember(&blocked, SIGTERM) + (getpgrp() != getpid());
        leaks += signal(SIGPIPE, SIG_DFL) != SIG_DFL;
        dprintf(JOB_FD, "{\"event\":\"cloned\",\"commit\":\"%d\"}\n", leaks);
    } else if (strcmp(name, "hang") == 0) {
        pause();
    }
    return 3;
}

static int job(void)
{
    static char line[JOB_ORDER_BYTES_MAX + 1];
    SCOPED(arena) struct arena *mem = arena_new(64 << 20, 512 << 20);
    struct json v;
    struct err e = { 0 };
    size_t n = read_line(line, sizeof line);
    if (!json_parse(mem, (str){ line, n }, 0, &v, &e))
        return 8;
    return act(arena_z(mem, json_str(json_get(v, STR("act")), mem)), n);
}

/* ---- the service ---- */

static struct job_link *given_job(const char *order)
{
    struct job_link *l;
    struct err e = { 0 };
    if (!job_link_start("/proc/self/exe", str_of(order), &l, &e))
        fail_msg("%s", e.text);
    return l;
}

/* Until the next event, or until there can be none. */
static bool hear(struct job_link *l, struct arena *mem, struct job_event *out)
{
    for (;;) {
        if (job_link_next(l, mem, out))
            return true;
        if (job_link_fd(l) < 0)
            return false;
        short wants = (short)(POLLIN | (job_link_wants_write(l) ? POLLOUT : 0));
        struct pollfd p = { job_link_fd(l), wants, 0 };
        if (poll(&p, 1, PATIENCE_MS) <= 0)
            fail_msg("the job says nothing");
        if (p.revents & POLLOUT)
            job_link_write(l);
        if (p.revents & (POLLIN | POLLHUP))
            job_link_read(l);
    }
}

static int end(struct job_link *l)
{
    int status, known;
    if (waitpid(job_link_pid(l), &status, 0) != job_link_pid(l))
        fail_msg("it is no child of ours");
    job_link_reaped(l, status);
    assert_true(job_link_is_reaped(l, &known));
    assert_int_equal(known, status);
    job_link_free(l);
    return status;
}

static void events_are_heard_in_their_order(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    struct job_link *l = given_job("{\"act\":\"tell\"}");
    assert_true(hear(l, mem, &v) && v.kind == JOB_CLONING);
    assert_true(hear(l, mem, &v) && v.kind == JOB_CLONED);
    assert_str(v.commit, STR("abc"));
    assert_true(hear(l, mem, &v) && v.kind == JOB_STARTED);
    assert_true(hear(l, mem, &v) && v.kind == JOB_ENDED);
    assert_false(v.succeeded);
    assert_int_equal(v.reason, RUN_EXIT_CODE);
    assert_true(v.has_exit_code && v.exit_code == 42);
    assert_true(v.started_ms == 1 && v.finished_ms == 2 && v.clone_ms == 3);
    assert_str(v.error, STR("e"));
    assert_str(v.failed_step, STR("s"));
    assert_str(v.tail, STR("t"));
    assert_false(hear(l, mem, &v));
    assert_int_equal(WEXITSTATUS(end(l)), 3);
}

static void what_is_not_understood_is_passed_over(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    struct job_link *l = given_job("{\"act\":\"nonsense\"}");
    assert_true(hear(l, mem, &v) && v.kind == JOB_CLONING);
    assert_false(hear(l, mem, &v));
    end(l);
}

static void orders_come_through(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    struct job_link *l = given_job("{\"act\":\"echo\"}");
    job_link_order(l, JOB_ORDER_CANCEL);
    assert_true(hear(l, mem, &v));
    assert_str(v.commit, STR("1"));
    assert_false(hear(l, mem, &v));
    job_link_order(l, JOB_ORDER_STOP);      /* nobody hears it, and that is no harm */
    end(l);
}

/* More than a socket takes at once. */
static void a_long_order_comes_whole(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    char *order = arena_take(mem, JOB_ORDER_BYTES_MAX, 1);
    int n = snprintf(order, 100, "{\"act\":\"size\",\"more\":\"");
    memset(order + n, 'x', JOB_ORDER_BYTES_MAX - 200);
    memcpy(order + n + JOB_ORDER_BYTES_MAX - 200, "\"}", 3);
    struct job_link *l = given_job(order);
    assert_true(hear(l, mem, &v));
    assert_str(v.commit, arena_print(mem, "%zu", strlen(order)));
    end(l);
}

static void a_job_gets_nothing_of_ours(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    setenv("SECRET_OF_OURS", "x", 1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int leak[8];
    for (int i = 0; i < 8; i++)
        leak[i] = dup(0);
    struct job_link *l = given_job("{\"act\":\"look\"}");
    assert_true(hear(l, mem, &v));
    assert_str(v.commit, STR("0"));
    end(l);
    for (int i = 0; i < 8; i++)
        close(leak[i]);
}

static void a_job_that_is_killed_is_noticed(void **state)
{
    GIVEN_ARENA(mem);
    struct job_event v;
    struct job_link *l = given_job("{\"act\":\"hang\"}");
    job_link_kill(l, SIGKILL);
    assert_false(hear(l, mem, &v));
    int status = end(l);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_program_that_is_missing_is_said(void **state)
{
    struct job_link *l;
    struct err e = { 0 };
    assert_false(job_link_start("/no/such/program", STR("{}"), &l, &e));
    assert_non_null(strstr(e.text, "cannot be started"));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "runner-job") == 0)
        return job();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_heard_in_their_order),
        cmocka_unit_test(what_is_not_understood_is_passed_over),
        cmocka_unit_test(orders_come_through),
        cmocka_unit_test(a_long_order_comes_whole),
        cmocka_unit_test(a_job_gets_nothing_of_ours),
        cmocka_unit_test(a_job_that_is_killed_is_noticed),
        cmocka_unit_test(a_program_that_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
