/*
 * job_line: the job's end of the line to the service (descriptor JOB_FD): its orders come in, the
 * events of runner.h go out.
 */
#ifndef SIGNALBOX_RUNNER_JOB_LINE_H
#define SIGNALBOX_RUNNER_JOB_LINE_H
#include "base/arena.h"
#include "base/err.h"
#include "runner/runner.h"

struct job_line {
    int    fd;
    char  *in;                  /* what was read and is no whole line yet; JOB_ORDER_BYTES_MAX */
    size_t len;
    bool   gone;                /* the service has died, or closed its end */
    bool   cancel, stop;        /* what it ordered since */
};

/* Waits at most that long for the first line. It is borrowed from the line's buffer, writable. */
bool line_first(struct job_line *l, int64_t wait_ms, str *out, struct err *e) MUST_CHECK;
/* The first line is overwritten and forgotten; what came behind it stays. */
void line_first_done(struct job_line *l);
/* After that: reads what is there and sets gone, cancel, stop. Never waits. */
void line_read(struct job_line *l);
bool line_wants_end(const struct job_line *l);
/* Waits, and reads; true as soon as the service wants an end. */
bool line_pause(struct job_line *l, int64_t wait_ms);
/* One event: a JSON object. A service that does not take it within 30 s counts as gone. */
void line_tell(struct job_line *l, str object);
void line_close(struct job_line *l);

#endif
