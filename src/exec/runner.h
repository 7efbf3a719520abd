/*
 * runner: calls to runners (runner.md §3): a dispatch, and the routes beside it. The address was
 * typed by somebody: it leads to the public internet only, over TLS, unless its host is one that
 * the operator named. Redirects are not followed.
 */
#ifndef SIGNALBOX_EXEC_RUNNER_H
#define SIGNALBOX_EXEC_RUNNER_H
#include "base/err.h"
#include "http/client.h"

enum runner_outcome {
    RUNNER_OK,              /* 2xx */
    RUNNER_NOT_SENT,        /* nothing reached it: repeat */
    RUNNER_LOST,            /* cut, timed out, or 5xx: it may have taken effect; repeat, it knows its runs */
    RUNNER_BUSY,            /* 429: this call surely had no effect, nor was a run looked for; repeat after wait_ms */
    RUNNER_NOT_FOUND,       /* 404 */
    RUNNER_NO_ACCESS,       /* 401, 403 */
    RUNNER_CONFLICT,        /* 409 */
    RUNNER_REFUSED          /* anything else that repeating will not change */
};

struct runner_call {
    str url, token, body;
    bool read;                              /* GET, and the answer's JSON is wanted */
    const str *mask; size_t mask_count;     /* never in the answer's message, whatever it echoes */
};

struct runner_answer {
    enum runner_outcome outcome;
    int64_t status;                 /* 0: none */
    str     message;                /* one line for people */
    str     code;                   /* of an error in the runner's own words ("unknown_run"), or empty */
    str     result;                 /* of a call that reads: a JSON object, masked; else empty */
    int64_t wait_ms;                /* what it asked for; 0: nothing */
    int64_t took_ms;
};
/* On the client's thread; the answer is valid only during the call. */
typedef void runner_done(void *ctx, const struct runner_answer *a);

/* The port: runner.c implements it over http/client, tests in memory. Thread-safe; everything is
 * copied, and wiped afterwards. Never fails: failures are answers. */
struct runner_port {
    void *self;
    void (*call)(void *self, const struct runner_call *c, runner_done *done, void *ctx);
};

struct runners;
/* private_hosts: blank-separated, "*.suffix" too; copied. */
struct runners *runners_new(struct http_client *client, str private_hosts);
/* From now on calls are answered RUNNER_NOT_SENT at once: before http_client_stop. NULL is fine. */
void runners_stop(struct runners *r);
void runners_free(struct runners *r);       /* after the client has stopped; NULL is fine */
struct runner_port runners_port(struct runners *r);

#endif
