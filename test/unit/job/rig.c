#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "runner/job_workspace.h"
#include "runner/runner.h"

#define RUN "01234567-89ab-4cde-8f01-23456789abcd"

const char *rig_path(struct rig *r, const char *name)
{
    return arena_print(r->mem, "%s/%s", r->dir, name).ptr;
}

const char *rig_work(struct rig *r) { return rig_path(r, "work/" RUN); }

str rig_read(struct rig *r, const char *path)
{
    str text = STR("");
    struct err e = {0};
    if (!io_read_file(r->mem, path, 64 << 20, &text, &e) && e.code != ERR_NOT_FOUND)
        fail_msg("%s", e.text);
    return text;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    struct err e = {0};
    if (!io_replace_file(path, str_of(text), mode, &e))
        fail_msg("%s", e.text);
}

str rig_call(struct rig *r, const char *const *argv)
{
    posix_spawn_file_actions_t act;
    posix_spawn_file_actions_init(&act);
    const char *out = rig_path(r, "call.out");
    posix_spawn_file_actions_addopen(&act, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&act, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&act, 1, 2);
    const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL=/dev/null",
                         "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c",
                         "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c", NULL};
    pid_t pid;
    int status, failed = posix_spawnp(&pid, argv[0], &act, NULL, (char *const *)(uintptr_t)argv,
                                      (char *const *)(uintptr_t)env);
    posix_spawn_file_actions_destroy(&act);
    assert_int_equal(failed, 0);
    waitpid(pid, &status, 0);
    str said = rig_read(r, out);
    if (status != 0)
        fail_msg("%s %s: " PRI_STR, argv[0], argv[1], FMT_STR(said));
    return str_trim(said);
}

#define CALL(r, ...) rig_call(r, (const char *const[]){__VA_ARGS__, NULL})

int rig_open(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->mem = arena_new(GIVEN_SOFT, GIVEN_HARD);
    r->fd = -1;
    snprintf(r->dir, sizeof r->dir, "/tmp/signalbox-job-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->marker, sizeof r->marker, "9%d%lld", getpid(), (long long)clock_mono_us());
    const char *folders[] = {"work", "state", "state/runs", ("state/runs/" RUN), "repo"};
    for (size_t i = 0; i < COUNT(folders); i++)
        assert_int_equal(mkdir(rig_path(r, folders[i]), 0700), 0);
    CALL(r, "git", "init", "--quiet", "-b", "main", rig_path(r, "repo"));
    *state = r;
    return 0;
}

int rig_close(void **state)
{
    struct rig *r = *state;
    struct err e = {0};
    if (r->fd >= 0)
        close(r->fd);
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    if (!workspace_remove(r->dir, &e))
        print_error("%s\n", e.text);
    arena_free(r->mem);
    free(r);
    return 0;
}

str rig_commit(struct rig *r, ...)
{
    va_list ap;
    va_start(ap, r);
    for (const char *name; (name = va_arg(ap, const char *));) {
        const char *path = rig_path(r, arena_print(r->mem, "repo/%s", name).ptr);
        char *folder = (char *)(uintptr_t)arena_z(r->mem, str_of(path));
        *strrchr(folder, '/') = '\0';
        CALL(r, "mkdir", "-p", folder);
        write_file(path, va_arg(ap, const char *), 0644);
    }
    va_end(ap);
    const char *repo = rig_path(r, "repo");
    CALL(r, "git", "-C", repo, "add", "-A");
    CALL(r, "git", "-C", repo, "commit", "--quiet", "--allow-empty", "-m", "a change");
    return CALL(r, "git", "-C", repo, "rev-parse", "HEAD");
}

void rig_atmos(struct rig *r, const char *script)
{
    str text = arena_print(r->mem, "#!/bin/bash\nMARK=%s\n%s\n", r->marker, script);
    write_file(rig_path(r, "atmos"), text.ptr, 0755);
}

static str order_text(struct rig *r, const struct given_order *o)
{
    const char *more = o->more ? o->more : "";
    const char *url = o->url ? o->url : rig_path(r, "repo");
    int64_t deadline = clock_utc_ms() + (o->deadline_in_ms ? o->deadline_in_ms : 600000);
    return arena_print(
        r->mem,
        "{\"runId\":\"" RUN "\",\"workflow\":\"%s\",\"stack\":\"dev\","
        "\"workDir\":\"%s\",\"logFile\":\"%s\",\"lockFile\":\"%s\","
        "\"repo\":{\"url\":\"%s\",\"branch\":\"%s\",\"allowLocal\":true%s},"
        "\"atmos\":\"%s\",\"deadlineMs\":%lld,\"hide\":[\"%s\",\"%s\"]"
        "%s%s}\n",
        o->workflow ? o->workflow : "deploy", rig_work(r), rig_path(r, "state/runs/" RUN "/log"),
        rig_path(r, "state/runs/" RUN "/job.lock"), url, o->branch ? o->branch : "main",
        o->repo_more ? o->repo_more : "", rig_path(r, "atmos"), (long long)deadline,
        rig_path(r, "state"), rig_path(r, "work"),
        strstr(more, "stopGraceMs") ? "" : ",\"stopGraceMs\":20000", more);
}

static void spawn_job(struct rig *r)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    posix_spawn_file_actions_t act;
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_adddup2(&act, pair[1], JOB_FD);
    posix_spawn_file_actions_addclosefrom_np(&act, JOB_FD + 1);
    const char *const argv[] = {"/proc/self/exe", "runner-job", NULL};
    const char *const env[] = {NULL};
    int failed = posix_spawn(&r->pid, argv[0], &act, NULL, (char *const *)(uintptr_t)argv,
                             (char *const *)(uintptr_t)env);
    posix_spawn_file_actions_destroy(&act);
    assert_int_equal(failed, 0);
    close(pair[1]);
    r->fd = pair[0];
}

void rig_say(struct rig *r, const char *line)
{
    struct err e = {0};
    assert_true(io_write_all(r->fd, str_of(line), &e));
}

void rig_start(struct rig *r, const struct given_order *o)
{
    unlink(rig_path(r, "state/runs/" RUN "/log"));      /* of the run before */
    spawn_job(r);
    rig_say(r, order_text(r, o).ptr);
}

/* A line of the job; STR_NONE at its end. */
static str next_line(struct rig *r)
{
    char *line = arena_take(r->mem, JOB_EVENT_BYTES_MAX, 1);
    for (size_t n = 0; n < JOB_EVENT_BYTES_MAX; n++) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        if (poll(&p, 1, RIG_PATIENCE_MS) != 1)
            fail_msg("the job says nothing");
        if (read(r->fd, line + n, 1) <= 0)
            return STR_NONE;
        if (line[n] == '\n')
            return (str){line, n};
    }
    fail_msg("an event is too long");
    return STR_NONE;
}

void rig_await(struct rig *r, const char *event)
{
    for (;;) {
        str line = next_line(r);
        if (!line.ptr)
            fail_msg("the job ended without saying %s", event);
        if (str_has(line, arena_print(r->mem, "\"event\":\"%s\"", event)))
            return;
        if (str_has(line, STR("\"event\":\"ended\"")))
            fail_msg("instead of %s: " PRI_STR, event, FMT_STR(line));
    }
}

void rig_await_log(struct rig *r, const char *text)
{
    int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;
    while (!str_has(rig_read(r, rig_path(r, "state/runs/" RUN "/log")), str_of(text))) {
        if (clock_mono_ms() > until)
            fail_msg("the log never said %s", text);
        usleep(20000);
    }
}

static void take_ended(struct rig *r, str line, struct ended *out)
{
    struct json at;
    struct err e = {0};
    if (!json_parse(r->mem, line, 0, &at, &e))
        fail_msg("%s", e.text);
    out->outcome = json_str(json_get(at, STR("outcome")), r->mem);
    out->reason = json_str(json_get(at, STR("reason")), r->mem);
    out->signal = json_str(json_get(at, STR("signal")), r->mem);
    out->error = json_str(json_get(at, STR("error")), r->mem);
    out->failed_step = json_str(json_get(at, STR("failedStep")), r->mem);
    out->commit = json_str(json_get(at, STR("commit")), r->mem);
    out->tail = json_str(json_get(at, STR("logTail")), r->mem);
    out->exit_code = json_i64_or(json_get(at, STR("exitCode")), -1);
    assert_true(json_i64_or(json_get(at, STR("startedMs")), 0) > 0);
    assert_true(json_i64_or(json_get(at, STR("finishedMs")), 0) >=
                json_i64_or(json_get(at, STR("startedMs")), 0));
}

struct ended rig_end(struct rig *r)
{
    struct ended out = {.exit_code = -1};
    struct buf events;
    buf_init(&events, r->mem, 1 << 10);
    for (str line; (line = next_line(r)).ptr;) {
        struct json at;
        struct err e = {0};
        assert_true(json_parse(r->mem, line, 0, &at, &e));
        str event = json_str(json_get(at, STR("event")), r->mem);
        buf_print(&events, "%s" PRI_STR, events.len ? " " : "", FMT_STR(event));
        if (str_eq(event, STR("ended")))
            take_ended(r, line, &out);
    }
    waitpid(r->pid, &out.status, 0);
    r->pid = 0;
    out.events = buf_str(&events);
    out.log = rig_read(r, rig_path(r, "state/runs/" RUN "/log"));
    out.folder_left = access(rig_work(r), F_OK) == 0;
    return out;
}

struct ended rig_run(struct rig *r, const struct given_order *o)
{
    rig_start(r, o);
    return rig_end(r);
}

static bool has_marker(const char *pid, const char *marker)
{
    char path[300], text[4096];
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    return n > 0 && memmem(text, (size_t)n, marker, strlen(marker));
}

size_t rig_alive(struct rig *r)
{
    size_t found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *one; (one = readdir(proc));)
        found += one->d_name[0] >= '0' && one->d_name[0] <= '9' && has_marker(one->d_name, r->marker);
    closedir(proc);
    return found;
}

size_t rig_survivors(struct rig *r)
{
    int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;
    size_t found;
    while ((found = rig_alive(r)) > 0 && clock_mono_ms() < until)
        usleep(20000);
    return found;
}
