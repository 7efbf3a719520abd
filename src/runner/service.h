/*
 * service: the long-lived process of the runner, as its files share it. Nobody else includes it.
 *
 * Threads of the HTTP server answer questions and accept dispatches (routes.c, accept.c). One thread,
 * the clerk (service.c), does everything else: it alone starts jobs, hears them, makes callbacks
 * and changes runs. The queue and its runs are read and changed under `lock`; the clerk reads them
 * without it, since nobody else changes what is there (accept.c adds runs, routes.c sets
 * `cancel`). Files are written without it.
 */
#ifndef SIGNALBOX_RUNNER_SERVICE_H
#define SIGNALBOX_RUNNER_SERVICE_H
#include <pthread.h>
#include <stdatomic.h>

#include "http/client.h"
#include "http/server.h"
#include "runner/bearer.h"
#include "runner/job_link.h"
#include "runner/journal.h"

enum {
    SERVICE_EXIT_MARGIN_MS = 60000,     /* past its deadline and grace, a job itself hangs */
    WRITE_AGAIN_MS = 5000,
    TOKEN_MARGIN_MS = 60000,            /* a run ends so long before its token does (§6.7) */
    FOLLOW_MS = 20000, FOLLOWERS_MAX = 64,
    LANDING_MS = 5000,                  /* for the last callbacks, when the service stops */
};

#define SERVICE_COUNTERS(X) \
    X(accepted,            "dispatches_total{result=\"accepted\"}") \
    X(duplicate,           "dispatches_total{result=\"duplicate\"}") \
    X(conflict,            "dispatches_total{result=\"conflict\"}") \
    X(refused,             "dispatches_total{result=\"refused\"}") \
    X(busy,                "dispatches_total{result=\"busy\"}") \
    X(unknown_fields,      "dispatch_unknown_fields_total") \
    X(unauthorized,        "unauthorized_total") \
    X(succeeded,           "runs_total{outcome=\"succeeded\"}") \
    X(failed,              "runs_total{outcome=\"failed\"}") \
    X(callback_delivered,  "callbacks_total{result=\"delivered\"}") \
    X(callback_again,      "callbacks_total{result=\"again\"}") \
    X(callback_refused,    "callbacks_total{result=\"refused\"}") \
    X(callback_expired,    "callbacks_total{result=\"expired\"}") \
    X(queue_wait_ms,       "queue_wait_milliseconds_total") \
    X(clone_ms,            "clone_milliseconds_total") \
    X(run_ms,              "run_milliseconds_total") \
    X(storage_failures,    "storage_failures_total") \
    X(rounds,              "clerk_rounds_total")

struct service_counters {
#define X(name, text) _Atomic uint64_t name;
    SERVICE_COUNTERS(X)
#undef X
};
#define COUNT_UP(s, name, n) \
    atomic_fetch_add_explicit(&(s)->counters.name, (uint64_t)(n), memory_order_relaxed)

/* An answer to a callback, on its way from the client's thread to the clerk. */
struct landed {
    struct landed *next;
    char   id[RUN_ID_CHARS + 1];
    bool   outcome;             /* of the outcome, not of progress */
    enum run_phase phase;
    struct http_answer answer;  /* without body */
    char   retry_after[16];
};

/* Somebody who waits for more of a log. */
struct follower {
    struct follower *next;
    struct http_request *request;
    char    id[RUN_ID_CHARS + 1];
    int64_t from, until_ms;     /* until: monotonic */
};

struct service {
    struct arena           *mem;
    struct runner_settings  settings;
    const char             *program;    /* what is started as `runner-job` */
    str                     passed_env; /* JSON object: what PASS_ENV lets through */
    str                     hidden;     /* JSON array: what no run may reach */
    struct bearer           bearer;
    struct journal          journal;
    struct http_server     *server;
    struct http_client     *client;
    int                     wake;       /* eventfd: something for the clerk */
    int                     signals;    /* signalfd */

    pthread_mutex_t  accept_lock;       /* one dispatch is stored at a time */
    pthread_mutex_t  lock;
    struct queue     queue;             /* under lock */
    struct landed   *landed;            /* under lock */
    struct follower *followers;         /* under lock */
    size_t           follower_count;

    struct service_counters counters;
    _Atomic bool     draining, storage_failed;
    bool             stop_now;          /* the clerk's own */
    int64_t          drain_end_ms, landing_end_ms, prune_ms;
};

void service_wake(struct service *s);

/* accept.c: a dispatch, on a server's thread. The answer's status, body and Retry-After (0: none). */
struct accept_answer { int status; str body; int64_t retry_after_s; };
struct accept_answer service_accept(struct service *s, struct arena *mem, str body, int64_t now_ms);
/* NULL, or why no work can be taken; reveals nothing of the settings. */
const char *service_unready(struct service *s);

/* routes.c */
struct http_hooks service_hooks(struct service *s);
void followers_tend(struct service *s, bool all);       /* answers those who have waited enough */

/* jobs.c: the clerk's own */
void jobs_start(struct service *s, int64_t now_ms);             /* as many as there is room for */
void job_heard(struct service *s, struct run *r, int64_t now_ms);
void jobs_reap(struct service *s, int64_t now_ms);
void job_tend(struct service *s, struct run *r, int64_t now_ms);    /* cancel, watch, clear up */
void jobs_adopt(struct service *s, int64_t now_ms);     /* at the start: what an earlier life left */
void workspaces_sweep(struct service *s);               /* folders that no run of now has */
void run_ended(struct service *s, struct run *r, int64_t now_ms);   /* outcome is filled */
void run_failed(struct service *s, struct run *r, enum run_reason reason, const char *error,
                int64_t now_ms);
bool run_store(struct service *s, struct run *r, int64_t now_ms);

/* order.c: the first line to a job */
str  job_order_text(struct service *s, struct arena *mem, const struct run *r,
                    const struct accepted *a, int64_t deadline_ms);
str  hidden_paths(struct arena *mem, const struct runner_settings *c);
str  passed_environment(struct arena *mem, str globs);

/* outbox.c: the clerk's own */
void outbox_tend(struct service *s, struct run *r, int64_t now_ms);
void outbox_land(struct service *s, int64_t now_ms);    /* takes what has landed */

/* view.c: what is shown of runs; under lock */
str  run_view(struct service *s, struct arena *mem, const struct run *r);
str  runs_view(struct service *s, struct arena *mem);
str  metrics_view(struct service *s, struct arena *mem);

/* service.c */
bool service_start(struct service *s, struct err *e) MUST_CHECK;
void service_run(struct service *s);        /* until a signal says so */
void service_stop(struct service *s);

#endif
