#include "runner/job_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

enum { RING_MOST_BYTES = 1 << 20, NOTE_BYTES = 128 };

/* A full disk must not end a run: the log then misses lines, and the service's log says so once. */
static void to_disk(struct job_output *o, str text)
{
    struct err e = {0};
    if (o->fd < 0 || o->disk_failed || io_write_all(o->fd, text, &e))
        return;
    o->disk_failed = true;
    log_error("the log of a run is incomplete", LZ("error", e.text));
}

static void to_ring(struct job_output *o, str text)
{
    if (!o->ring) {
        o->ring = malloc(o->ring_size);
        if (!o->ring)
            abort();
    }
    if (text.len > o->ring_size) {
        o->dropped += text.len - o->ring_size;
        text = str_sub(text, text.len - o->ring_size, text.len);
    }
    if (o->ring_len + text.len > o->ring_size) {
        o->dropped += o->ring_len + text.len - o->ring_size;
        o->ring_len = o->ring_size - text.len;
    }
    size_t first = o->ring_size - o->ring_at;
    if (first > text.len)
        first = text.len;
    memcpy(o->ring + o->ring_at, text.ptr, first);
    memcpy(o->ring, text.ptr + first, text.len - first);
    o->ring_at = (o->ring_at + text.len) % o->ring_size;
    o->ring_len += text.len;
}

static void to_last(struct job_output *o, str text)
{
    if (text.len > JOB_TAIL_BYTES_MAX)
        text = str_sub(text, text.len - JOB_TAIL_BYTES_MAX, text.len);
    if (o->last_len + text.len > sizeof o->last) {
        memmove(o->last, o->last + o->last_len - JOB_TAIL_BYTES_MAX, JOB_TAIL_BYTES_MAX);
        o->last_len = JOB_TAIL_BYTES_MAX;
    }
    memcpy(o->last + o->last_len, text.ptr, text.len);
    o->last_len += text.len;
}

static void masked(void *output, str text)
{
    struct job_output *o = output;
    if (text.len == 0)
        return;
    to_last(o, text);
    size_t fits = text.len < o->head_left ? text.len : o->head_left;
    to_disk(o, str_sub(text, 0, fits));
    o->head_left -= fits;
    if (fits < text.len)
        to_ring(o, str_sub(text, fits, text.len));
}

bool output_open(struct job_output *o, const char *path, int64_t max_bytes,
                 const struct mask_set *masks, struct err *e)
{
    size_t max = max_bytes < 4096 ? 4096 : (size_t)max_bytes;
    *o = (struct job_output){.ring_size = max / 4};
    if (o->ring_size > RING_MOST_BYTES)
        o->ring_size = RING_MOST_BYTES;
    o->head_left = max - o->ring_size - NOTE_BYTES;
    o->stream = (struct mask_stream){.set = masks, .sink = masked, .to = o};
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (o->fd < 0)
        return fail_errno(e, "the log %s cannot be written: %m", path);
    return true;
}

void output_add(void *output, str bytes)
{
    struct job_output *o = output;
    mask_feed(&o->stream, bytes);
}

void output_flush(struct job_output *o) { mask_flush(&o->stream); }

static void write_ring(struct job_output *o)
{
    char note[NOTE_BYTES];
    if (o->dropped > 0) {
        int n = snprintf(note, sizeof note, "\n[... %llu bytes are left out here ...]\n",
                         (unsigned long long)o->dropped);
        to_disk(o, (str){note, (size_t)n});
    }
    size_t from = (o->ring_at + o->ring_size - o->ring_len) % o->ring_size;
    size_t first = o->ring_size - from;
    if (first > o->ring_len)
        first = o->ring_len;
    to_disk(o, (str){o->ring + from, first});
    to_disk(o, (str){o->ring, o->ring_len - first});
}

void output_close(struct job_output *o)
{
    if (!o->stream.sink)
        return;
    output_flush(o);
    if (o->ring)
        write_ring(o);
    free(o->ring);
    o->ring = NULL;
    o->ring_len = 0;
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}

str output_tail(const struct job_output *o)
{
    str all = {o->last, o->last_len};
    str tail = str_sub(all, all.len > JOB_TAIL_BYTES_MAX ? all.len - JOB_TAIL_BYTES_MAX : 0, all.len);
    while (tail.len > 0 && tail.len < all.len && ((unsigned char)tail.ptr[0] & 0xc0) == 0x80)
        tail = str_sub(tail, 1, tail.len);
    return tail;
}
