/*
 * job_output: what a run says: masked, kept in its log with a cap (the beginning and the end stay),
 * and the last bytes for the report. Nothing reaches disk or the service but through the masks.
 */
#ifndef SIGNALBOX_RUNNER_JOB_OUTPUT_H
#define SIGNALBOX_RUNNER_JOB_OUTPUT_H
#include "base/err.h"
#include "base/mask.h"
#include "runner/runner.h"

struct job_output {
    int                fd;
    size_t             head_left;       /* what may still go straight to the file */
    struct mask_stream stream;
    char              *ring;            /* the end of what did not fit */
    size_t             ring_size, ring_at, ring_len;
    uint64_t           dropped;         /* bytes that neither beginning nor end holds */
    bool               disk_failed;
    char               last[2 * JOB_TAIL_BYTES_MAX];
    size_t             last_len;
};

/* Creates the log, mode 0600. The masks stay the caller's. */
bool output_open(struct job_output *o, const char *path, int64_t max_bytes,
                 const struct mask_set *masks, struct err *e) MUST_CHECK;
void output_add(void *output, str bytes);       /* a struct job_output; also for child_plan */
void output_flush(struct job_output *o);        /* the writer has ended: what is held goes out */
void output_close(struct job_output *o);        /* writes the end of a long log, too */
/* The last 4 KiB, whole characters; borrowed until the next add. */
str  output_tail(const struct job_output *o);

#endif
