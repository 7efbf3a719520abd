/* The clerk: one thread that waits for whatever happens and does what is due. */
#include "runner/service.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "runner/job_workspace.h"

enum { POLL_MAX = 160, PRUNE_MS = 60000, FOLLOW_LOOK_MS = 200, IDLE_MS = 60000, WORKERS = 4,
       CONNECTIONS_MAX = 256, HTTP_GRACE_MS = 2000 };

void service_wake(struct service *s)
{
    uint64_t one = 1;
    while (write(s->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* ---- what is due ---- */

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t run_due_ms(const struct run *r)
{
    int64_t due = INT64_MAX;
    if (r->write_again_ms)
        due = earlier(due, r->write_again_ms);
    if (r->stage == RUN_ENDED && !r->in_flight && !r->write_again_ms)
        due = earlier(due, r->attempt_ms);
    if (r->stage == RUN_QUEUED)
        due = earlier(due, r->expires_ms - TOKEN_MARGIN_MS);
    if (r->kill_ms)
        due = earlier(due, r->kill_ms);
    return due;
}

static int64_t due_ms(struct service *s, int64_t now_ms)
{
    int64_t due = earlier(s->prune_ms, now_ms + IDLE_MS);
    for (const struct run *r = s->queue.first; r; r = r->next)
        due = earlier(due, run_due_ms(r));
    if (s->followers)
        due = earlier(due, now_ms + FOLLOW_LOOK_MS);
    if (s->drain_end_ms && !s->stop_now)
        due = earlier(due, s->drain_end_ms);
    if (s->landing_end_ms)
        due = earlier(due, s->landing_end_ms);
    return due;
}

/* ---- doing it ---- */

static void queued_tend(struct service *s, struct run *r, int64_t now_ms)
{
    if (r->cancel)
        run_failed(s, r, RUN_CANCELLED, "the run was cancelled before it began", now_ms);
    else if (now_ms >= r->expires_ms - TOKEN_MARGIN_MS)
        run_failed(s, r, RUN_TIMEOUT, "the run waited in the runner's queue until its time was "
                   "over: raise MAX_CONCURRENT_RUNS, or the timeout of the action", now_ms);
}

static void run_tend(struct service *s, struct run *r, int64_t now_ms)
{
    if (r->write_again_ms && now_ms >= r->write_again_ms && run_store(s, r, now_ms) &&
        r->stage == RUN_CLOSED)
        journal_forget(&s->journal, str_of(r->id));
    if (r->stage == RUN_QUEUED)
        queued_tend(s, r, now_ms);
    outbox_tend(s, r, now_ms);
}

static void prune(struct service *s, int64_t now_ms)
{
    s->prune_ms = now_ms + PRUNE_MS;
    journal_prune(&s->journal, now_ms - s->settings.keep_time.n);
    for (;;) {
        struct err e = { 0 };
        pthread_mutex_lock(&s->lock);
        struct run *r = queue_stale(&s->queue, (size_t)s->settings.keep_runs.n,
                                    now_ms - s->settings.keep_time.n);
        pthread_mutex_unlock(&s->lock);
        if (!r)
            return;
        SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
        str dir = arena_print(mem, PRI_STR "/%s", FMT_STR(s->settings.work_dir.text), r->id);
        if (!workspace_remove(dir.ptr, &e))
            log_error("the folder of a run cannot be removed", LZ("run", r->id), LZ("why", e.text));
        journal_remove(&s->journal, str_of(r->id));
        pthread_mutex_lock(&s->lock);
        queue_remove(&s->queue, r);
        pthread_mutex_unlock(&s->lock);
    }
}

/* Runs are added at the end by others meanwhile, and removed by us alone. */
static struct run *run_after(struct service *s, const struct run *r)
{
    pthread_mutex_lock(&s->lock);
    struct run *next = r ? r->next : s->queue.first;
    pthread_mutex_unlock(&s->lock);
    return next;
}

static void tend(struct service *s)
{
    int64_t now_ms = clock_utc_ms();
    COUNT_UP(s, rounds, 1);
    s->stop_now |= atomic_load(&s->draining) && now_ms >= s->drain_end_ms;
    outbox_land(s, now_ms);
    for (struct run *r = s->queue.busy, *next; r; r = next) {
        next = r->busy_next;
        job_tend(s, r, now_ms);
    }
    for (struct run *r = run_after(s, NULL); r; r = run_after(s, r))
        run_tend(s, r, now_ms);
    if (!atomic_load(&s->draining))
        jobs_start(s, now_ms);
    if (now_ms >= s->prune_ms)
        prune(s, now_ms);
    followers_tend(s, false);
}

/* ---- signals ---- */

static void read_tokens(struct service *s)
{
    struct err e = { 0 };
    if (settings_read_tokens(s->mem, &s->settings, &e)) {
        bearer_change(&s->bearer, s->settings.auth_token.text,
                      s->settings.auth_token_previous.text);
        log_info("the tokens were read again", LI("count", s->bearer.count));
        return;
    }
    for (unsigned i = 0; i < e.details; i++)
        log_error("the tokens stay as they were", LZ("why", e.detail[i]));
}

static void drain(struct service *s, int64_t now_ms)
{
    bool again = atomic_exchange(&s->draining, true);
    s->drain_end_ms = again ? now_ms : now_ms + s->settings.drain_timeout.n;
    log_info(again ? "stopping now" : "draining: nothing new is taken, runs may end",
             LI("active", s->queue.busy_count), LI("for_ms", s->drain_end_ms - now_ms));
    followers_tend(s, true);
}

static void signals_take(struct service *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info)
        switch (info.ssi_signo) {
        case SIGCHLD: jobs_reap(s, clock_utc_ms()); break;
        case SIGHUP: read_tokens(s); break;
        default: drain(s, clock_utc_ms()); break;
        }
}

/* Runs of an earlier life are waited for by the next one, too. */
static bool has_jobs(const struct service *s)
{
    for (const struct run *r = s->queue.busy; r; r = r->busy_next)
        if (r->job)
            return true;
    return false;
}

static bool is_over(struct service *s)
{
    int64_t now_ms = clock_utc_ms();
    if (!atomic_load(&s->draining))
        return false;
    if (has_jobs(s))
        return false;
    if (!s->landing_end_ms)
        s->landing_end_ms = now_ms + LANDING_MS;
    return s->queue.by_stage[RUN_ENDED] == 0 || now_ms >= s->landing_end_ms;
}

/* ---- waiting ---- */

static void wait_for_news(struct service *s)
{
    struct pollfd fds[POLL_MAX] = { { s->wake, POLLIN, 0 }, { s->signals, POLLIN, 0 } };
    struct run *runs[POLL_MAX];
    nfds_t n = 2;
    for (struct run *r = s->queue.busy; r && n < POLL_MAX; r = r->busy_next)
        if (r->job && job_link_fd(r->job) >= 0) {
            short out = job_link_wants_write(r->job) ? POLLOUT : 0;
            runs[n] = r;
            fds[n++] = (struct pollfd){ job_link_fd(r->job), (short)(POLLIN | out), 0 };
        }
    pthread_mutex_lock(&s->lock);
    int64_t now_ms = clock_utc_ms(), left = due_ms(s, now_ms) - now_ms;
    pthread_mutex_unlock(&s->lock);
    left = left < 0 ? 0 : left > IDLE_MS ? IDLE_MS : left + 1;
    if (poll(fds, n, (int)left) <= 0)
        return;
    if (fds[0].revents) {
        uint64_t drop;
        while (read(s->wake, &drop, sizeof drop) < 0 && errno == EINTR)
            ;
    }
    for (nfds_t i = 2; i < n; i++) {
        if (fds[i].revents & POLLOUT)
            job_link_write(runs[i]->job);
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
            job_heard(s, runs[i], clock_utc_ms());
    }
    if (fds[1].revents)
        signals_take(s);
}

void service_run(struct service *s)
{
    tend(s);
    while (!is_over(s)) {
        wait_for_news(s);
        tend(s);
    }
}

/* ---- life ---- */

static bool open_signals(struct service *s, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&set, taken[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->signals >= 0 && s->wake >= 0 ? true : fail_errno(e, "signals: %m");
}

static bool open_folders(struct service *s, struct err *e)
{
    const char *work = s->settings.work_dir.text.ptr;
    if (mkdir(work, 0700) && errno != EEXIST)
        return fail(e, ERR_STORAGE, "cannot make WORK_DIR %s: %s", work, strerrordesc_np(errno));
    if (access(work, W_OK | X_OK))
        return fail(e, ERR_STORAGE, "cannot write to WORK_DIR %s: %s", work,
                    strerrordesc_np(errno));
    return journal_open(&s->journal, s->settings.state_dir.text.ptr, e) &&
           journal_load(&s->journal, &s->queue, e);
}

/* Without links: what is hidden from runs is hidden by its true name. */
static bool real_folder(struct service *s, str *path, struct err *e)
{
    char real[PATH_MAX];
    if (!realpath(path->ptr, real))
        return fail_errno(e, "%s: %m", path->ptr);
    *path = arena_copy(s->mem, str_of(real));
    return true;
}

static bool open_http(struct service *s, struct err *e)
{
    const struct runner_settings *c = &s->settings;
    struct http_client_config client = {
        .ca_file = c->ca_file.text.len ? c->ca_file.text.ptr : NULL,
        .user_agent = "signalbox-runner/" RUNNER_VERSION,
        .per_host_max = 16,
    };
    struct http_server_config server = {
        .address = c->bind_address.text, .port = (uint16_t)c->port.n, .workers = WORKERS,
        .connections_max = CONNECTIONS_MAX, .connections_per_peer_max = CONNECTIONS_MAX,
        .bodies_bytes_max = (size_t)32 << 20,
    };
    struct http_hooks hooks = service_hooks(s);
    return http_client_start(&client, &s->client, e) &&
           http_server_start(&server, &hooks, &s->server, e);
}

bool service_start(struct service *s, struct err *e)
{
    const struct runner_settings *c = &s->settings;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->accept_lock, NULL);
    s->wake = s->signals = s->journal.lock = -1;
    if (!s->program)
        s->program = "/proc/self/exe";
    s->passed_env = passed_environment(s->mem, c->pass_env.text);
    bearer_init(&s->bearer, c->auth_token.text, c->auth_token_previous.text);
    /* What a job leaves when it is killed comes to us, and we end it (leftovers.c). */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!open_signals(s, e) || !open_folders(s, e))
        return false;
    if (!real_folder(s, &s->settings.work_dir.text, e) ||
        !real_folder(s, &s->settings.state_dir.text, e))
        return false;
    s->hidden = hidden_paths(s->mem, c);
    jobs_adopt(s, clock_utc_ms());
    if (str_eq(c->keep_workspace.text, STR("never")))
        workspaces_sweep(s);
    return open_http(s, e);
}

void service_stop(struct service *s)
{
    followers_tend(s, true);
    if (s->server)
        http_server_stop(s->server, HTTP_GRACE_MS);
    http_client_stop(s->client);
    outbox_land(s, clock_utc_ms());
    queue_free(&s->queue);
    journal_close(&s->journal);
    if (s->wake >= 0)
        close(s->wake);
    if (s->signals >= 0)
        close(s->signals);
}
