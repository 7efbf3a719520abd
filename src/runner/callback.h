/*
 * callback: telling the platform (runner.md §5.1): what is said, and what its answer means. No clock,
 * no network: service_callback.c sends.
 */
#ifndef SIGNALBOX_RUNNER_CALLBACK_H
#define SIGNALBOX_RUNNER_CALLBACK_H
#include "http/client.h"
#include "runner/queue.h"

enum {
    CALLBACK_FIRST_MS = 1000, CALLBACK_LONGEST_MS = 60000, CALLBACK_TIMEOUT_MS = 30000,
    CALLBACK_ANSWER_BYTES_MAX = 64 << 10, CALLBACK_PATIENCE_MS = 24 * 3600 * 1000,
};

/* The body: {"status": …}. Without an outcome it says how far the run is. */
str callback_body(struct arena *mem, const struct run *r);

enum callback_next { NEXT_DONE, NEXT_REFUSED, NEXT_AGAIN };
struct callback_verdict {
    enum callback_next next;
    int64_t wait_ms;            /* of NEXT_AGAIN; random is any number */
    str     why;                /* for the log and for people, in mem */
};
/* attempts: made so far, this one included. */
struct callback_verdict callback_judge(struct arena *mem, const struct http_answer *a,
                                       int64_t attempts, uint64_t random);
/* Past it nobody would listen: the token's end, or a day after the run ended. */
int64_t callback_until_ms(const struct run *r);

#endif
