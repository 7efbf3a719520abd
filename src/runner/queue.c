#include "runner/queue.h"

#include <assert.h>
#include <stdlib.h>

static void copy_fixed(char *to, size_t room, str from)
{
    assert(from.len < room);
    if (from.len)
        memcpy(to, from.ptr, from.len);
    to[from.len] = 0;
}

void text_set(char **to, str text)
{
    char *copy = malloc(text.len + 1);
    if (!copy)
        abort();
    copy_fixed(copy, text.len + 1, text);
    free(*to);
    *to = copy;
}

struct run *run_new(str id, str workflow, str stack, str digest_hex)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    copy_fixed(r->id, sizeof r->id, id);
    copy_fixed(r->digest, sizeof r->digest, digest_hex);
    text_set(&r->workflow, workflow);
    text_set(&r->stack, stack);
    return r;
}

void run_free(struct run *r)
{
    assert(!r->job && !r->in_flight);
    free(r->workflow);
    free(r->stack);
    free(r->outcome.error);
    free(r->outcome.failed_step);
    free(r->outcome.tail);
    free(r);
}

/* ---- the list ---- */

/* Mostly the last one; after a restart files are read in any order. */
void queue_add(struct queue *q, struct run *r)
{
    struct run **at = &q->first;
    if (q->last && q->last->sequence <= r->sequence)
        at = &q->last->next;
    while (*at && (*at)->sequence <= r->sequence)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    if (!r->next)
        q->last = r;
    if (r->sequence > q->sequence)
        q->sequence = r->sequence;
    q->count++;
    q->by_stage[r->stage]++;
}

void queue_remove(struct queue *q, struct run *r)
{
    struct run *before = NULL;
    struct run **at = &q->first;
    while (*at != r) {
        before = *at;
        at = &(*at)->next;
    }
    *at = r->next;
    if (q->last == r)
        q->last = before;
    q->count--;
    q->by_stage[r->stage]--;
    run_free(r);
}

void queue_free(struct queue *q)
{
    while (q->first)
        queue_remove(q, q->first);
}

struct run *queue_find(const struct queue *q, str id)
{
    for (struct run *r = q->first; r; r = r->next)
        if (str_eq(str_of(r->id), id))
            return r;
    return NULL;
}

void run_stage_set(struct queue *q, struct run *r, enum run_stage stage)
{
    q->by_stage[r->stage]--;
    r->stage = stage;
    q->by_stage[stage]++;
}

void queue_busy_add(struct queue *q, struct run *r)
{
    r->busy_next = q->busy;
    q->busy = r;
    q->busy_count++;
}

void queue_busy_remove(struct queue *q, struct run *r)
{
    struct run **at = &q->busy;
    while (*at != r)
        at = &(*at)->busy_next;
    *at = r->busy_next;
    r->busy_next = NULL;
    q->busy_count--;
}

/* A state of Terraform can be locked by one run alone: a second one of its stack would only wait
 * there. */
static bool stack_is_busy(const struct queue *q, const char *stack)
{
    for (const struct run *r = q->busy; r; r = r->busy_next)
        if (strcmp(r->stack, stack) == 0)
            return true;
    return false;
}

struct run *queue_next(const struct queue *q, size_t concurrent_max)
{
    if (q->busy_count >= concurrent_max || !q->by_stage[RUN_QUEUED])
        return NULL;
    for (struct run *r = q->first; r; r = r->next)
        if (r->stage == RUN_QUEUED && !r->write_again_ms && !stack_is_busy(q, r->stack))
            return r;
    return NULL;
}

size_t queue_position(const struct queue *q, const struct run *r)
{
    size_t n = 0;
    for (const struct run *other = q->first; other && other != r; other = other->next)
        n += other->stage == RUN_QUEUED;
    return n;
}

struct run *queue_stale(const struct queue *q, size_t keep, int64_t before_ms)
{
    for (struct run *r = q->first; r; r = r->next)
        if (r->stage == RUN_CLOSED && !r->in_flight && !r->job && !r->write_again_ms &&
            (q->by_stage[RUN_CLOSED] > keep || r->outcome.finished_ms < before_ms))
            return r;
    return NULL;
}

/* ---- names ---- */

const char *run_state_name(const struct run *r)
{
    static const char *const phases[] = {
        [PHASE_WAITING] = "queued",  [PHASE_STARTING] = "cloning", [PHASE_CLONING] = "cloning",
        [PHASE_RUNNING] = "running", [PHASE_STOPPING] = "stopping",
    };
    switch (r->stage) {
    case RUN_QUEUED: return "queued";
    case RUN_STARTED: return phases[r->phase];
    case RUN_LOST: return "stopping";
    case RUN_ENDED: case RUN_CLOSED: break;
    }
    return r->outcome.succeeded ? "succeeded" : "failed";
}

static const char *const reasons[] = {
#define X(name, text) [name] = text,
    RUN_REASONS(X)
#undef X
};

const char *run_reason_name(enum run_reason reason) { return reasons[reason]; }

bool run_reason_read(str name, enum run_reason *out)
{
    for (int i = 0; i < RUN_REASON_COUNT; i++)
        if (str_eq(name, str_of(reasons[i]))) {
            *out = (enum run_reason)i;
            return true;
        }
    return false;
}
