/*
 * Threads for handlers that may block. What waits here is bounded by the number of connections:
 * each has one request under way.
 */
#include "http/inside.h"

#include <assert.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

bool thread_start(pthread_t *out, size_t stack_bytes, const char *name, void *(*run)(void *),
                  void *arg, struct err *e)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr))
        return fail(e, ERR_INTERNAL, "cannot prepare thread %s", name);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    /* Signals are for the main thread, and SIGPIPE (OpenSSL writes without MSG_NOSIGNAL) for
     * nobody. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(out, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc) {
        errno = rc;
        return fail_errno(e, "cannot start thread %s", name);
    }
    pthread_setname_np(*out, name);
    return true;
}

static struct conn *take(struct work_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->stop)
        pthread_cond_wait(&q->some, &q->lock);
    struct conn *c = q->first;
    if (c) {
        q->first = c->queue_next;
        if (!q->first)
            q->last = &q->first;
        c->queue_next = NULL;
    }
    pthread_mutex_unlock(&q->lock);
    return c;
}

static void *work(void *arg)
{
    struct http_server *s = arg;
    for (struct conn *c; (c = take(&s->work));)
        s->hooks.handle(s->hooks.app, &c->request);
    return NULL;
}

bool workers_start(struct http_server *s, struct err *e)
{
    struct work_queue *q = &s->work;
    q->last = &q->first;
    q->stop = false;
    unsigned want = s->config.workers;
    q->threads = calloc(want ? want : 1, sizeof *q->threads);
    if (!q->threads)
        return fail(e, ERR_INTERNAL, "no memory for %u threads", want);
    for (q->thread_count = 0; q->thread_count < want; q->thread_count++)
        if (!thread_start(&q->threads[q->thread_count], WORKER_STACK_BYTES, "http-worker", work, s,
                          e))
            return false;
    return true;
}

void workers_put(struct http_server *s, struct conn *c)
{
    struct work_queue *q = &s->work;
    assert(q->thread_count);
    pthread_mutex_lock(&q->lock);
    c->queue_next = NULL;
    *q->last = c;
    q->last = &c->queue_next;
    pthread_cond_signal(&q->some);
    pthread_mutex_unlock(&q->lock);
}

void workers_stop(struct http_server *s)
{
    struct work_queue *q = &s->work;
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->some);
    pthread_mutex_unlock(&q->lock);
    for (unsigned i = 0; i < q->thread_count; i++)
        pthread_join(q->threads[i], NULL);
    free(q->threads);
    q->threads = NULL;
    q->thread_count = 0;
}
