/*
 * bearer: who may call (runner.md §3.2). Digests are compared, in constant time, with one or two
 * tokens. An address from where it failed ten times within a minute hears 429 for the rest of it. The
 * right token still passes: behind a proxy everybody has one address, and nobody shall be able to
 * lock the platform out. Thread-safe.
 */
#ifndef SIGNALBOX_RUNNER_BEARER_H
#define SIGNALBOX_RUNNER_BEARER_H
#include <pthread.h>

#include "base/secret.h"
#include "http/server.h"

enum { BEARER_FAILURES_MAX = 10, BEARER_WINDOW_MS = 60000, BEARER_PEERS = 1024 };

struct bearer {
    pthread_mutex_t lock;
    uint8_t digest[2][SHA256_BYTES];
    size_t  count;
    struct { uint64_t peer; int64_t since_ms; int failures; } peers[BEARER_PEERS];
};

enum bearer_verdict { BEARER_OK, BEARER_WRONG, BEARER_TOO_OFTEN };

void bearer_init(struct bearer *b, str token, str previous);
void bearer_change(struct bearer *b, str token, str previous);
/* now_ms: monotonic. */
enum bearer_verdict bearer_check(struct bearer *b, const struct http_request *r, int64_t now_ms);

#endif
