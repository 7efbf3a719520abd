/*
 * Callbacks: one at a time for each run, the outcome until it is taken or nobody would take it any
 * more, progress once (the clerk's thread; answers come on the client's).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/scope.h"
#include "runner/callback.h"
#include "runner/service.h"

static struct arena *scratch(void) { return arena_new((size_t)1 << 20, (size_t)64 << 20); }

/* ---- sending ---- */

struct sent {
    struct service *service;
    char   id[RUN_ID_CHARS + 1];
    bool   outcome;
    enum run_phase phase;
};

/* On the client's thread: handed over, no more. */
static void done(void *ctx, const struct http_answer *a)
{
    struct sent *sent = ctx;
    struct service *s = sent->service;
    struct landed *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    memcpy(l->id, sent->id, sizeof l->id);
    l->outcome = sent->outcome;
    l->phase = sent->phase;
    l->answer = *a;
    l->answer.body = STR_NONE;
    l->answer.headers = NULL;
    l->answer.header_count = 0;
    str retry = str_clip(http_answer_header(a, STR("Retry-After")), sizeof l->retry_after - 1);
    memcpy(l->retry_after, retry.ptr ? retry.ptr : "", retry.len);
    free(sent);
    pthread_mutex_lock(&s->lock);
    l->next = s->landed;
    s->landed = l;
    pthread_mutex_unlock(&s->lock);
    service_wake(s);
}

static bool post(struct service *s, struct run *r, bool outcome, struct err *e)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct accepted a;
    struct callback_place place;
    if (!journal_accepted(&s->journal, mem, str_of(r->id), &a, e))
        return false;
    const char *why = callback_place(mem, &s->settings, a.d.callback_url, &place);
    if (why)
        return fail(e, ERR_INVALID, "its address %s", why);
    struct http_header headers[] = {
        { STR("Authorization"), arena_print(mem, "Bearer " PRI_STR, FMT_STR(a.d.callback_token)) },
        { STR("Content-Type"), STR("application/json") },
    };
    struct sent *sent = calloc(1, sizeof *sent);
    if (!sent)
        abort();
    *sent = (struct sent){ .service = s, .outcome = outcome, .phase = r->phase };
    memcpy(sent->id, r->id, sizeof sent->id);
    r->in_flight = true;
    http_call_start(s->client, &(struct http_call){
        .method = HTTP_POST, .url = a.d.callback_url, .headers = headers, .header_count = 2,
        .body = callback_body(mem, r), .timeout_ms = CALLBACK_TIMEOUT_MS,
        .body_max = CALLBACK_ANSWER_BYTES_MAX, .public_only = true,
        .private_allowed = place.private_allowed, .done = done, .ctx = sent });
    return true;
}

/* ---- the outcome ---- */

static void close_run(struct service *s, struct run *r, enum callback_state state, str why,
                      int64_t now_ms)
{
    static const char *const words[] = { "waits", "delivered", "refused", "expired" };
    pthread_mutex_lock(&s->lock);
    r->callback = state;
    snprintf(r->answer, sizeof r->answer, PRI_STR, FMT_STR(why));
    run_stage_set(&s->queue, r, RUN_CLOSED);
    free(r->outcome.tail);
    r->outcome.tail = NULL;
    pthread_mutex_unlock(&s->lock);
    log_at(state == CALLBACK_DELIVERED ? LOG_INFO : LOG_ERROR, "a callback is over",
           LZ("run", r->id), LZ("state", words[state]), LI("attempts", r->attempts),
           LS("answer", why));
    if (run_store(s, r, now_ms))
        journal_forget(&s->journal, str_of(r->id));
}

static void outcome_landed(struct service *s, struct run *r, const struct http_answer *a,
                           int64_t now_ms)
{
    SCOPED(arena) struct arena *mem = scratch();
    struct callback_verdict v = callback_judge(mem, a, r->attempts, random_u64());
    if (v.next == NEXT_DONE) {
        COUNT_UP(s, callback_delivered, 1);
        close_run(s, r, CALLBACK_DELIVERED, v.why, now_ms);
    } else if (v.next == NEXT_REFUSED) {
        COUNT_UP(s, callback_refused, 1);
        close_run(s, r, CALLBACK_REFUSED, v.why, now_ms);
    } else {
        COUNT_UP(s, callback_again, 1);
        log_warn("a callback is made again", LZ("run", r->id), LI("attempt", r->attempts),
                 LI("in_ms", v.wait_ms), LS("why", v.why));
        pthread_mutex_lock(&s->lock);
        snprintf(r->answer, sizeof r->answer, PRI_STR, FMT_STR(v.why));
        pthread_mutex_unlock(&s->lock);
        r->attempt_ms = now_ms + v.wait_ms;
    }
}

static void try_outcome(struct service *s, struct run *r, int64_t now_ms)
{
    struct err e = { 0 };
    if (now_ms >= callback_until_ms(r)) {
        COUNT_UP(s, callback_expired, 1);
        close_run(s, r, CALLBACK_EXPIRED, STR("the token has expired, or a day has passed"), now_ms);
        return;
    }
    pthread_mutex_lock(&s->lock);
    r->attempts++;
    pthread_mutex_unlock(&s->lock);
    if (post(s, r, true, &e))
        return;
    COUNT_UP(s, callback_refused, 1);
    close_run(s, r, CALLBACK_REFUSED, str_of(e.text), now_ms);
}

/* ---- progress ---- */

static bool has_news(const struct run *r)
{
    return r->progress && r->stage == RUN_STARTED && r->phase > r->told &&
           r->phase >= PHASE_CLONING && r->phase <= PHASE_RUNNING;
}

static void tell_progress(struct service *s, struct run *r)
{
    struct err e = { 0 };
    r->told = r->phase;
    if (!post(s, r, false, &e))
        log_warn("progress cannot be told", LZ("run", r->id), LZ("why", e.text));
}

/* ---- the clerk's round ---- */

void outbox_tend(struct service *s, struct run *r, int64_t now_ms)
{
    if (r->in_flight || r->write_again_ms)
        return;
    if (has_news(r))
        tell_progress(s, r);
    else if (r->stage == RUN_ENDED && now_ms >= r->attempt_ms)
        try_outcome(s, r, now_ms);
}

static void land(struct service *s, struct landed *l, int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    struct run *r = queue_find(&s->queue, str_of(l->id));
    pthread_mutex_unlock(&s->lock);
    struct http_header header = { STR("Retry-After"), str_of(l->retry_after) };
    if (!r)
        return;
    r->in_flight = false;
    if (l->retry_after[0]) {
        l->answer.headers = &header;
        l->answer.header_count = 1;
    }
    if (l->outcome && r->stage == RUN_ENDED)
        outcome_landed(s, r, &l->answer, now_ms);
    else if (!l->outcome && (l->answer.outcome != HTTP_ANSWERED || l->answer.status >= 300))
        log_warn("a progress callback was not taken", LZ("run", r->id),
                 LI("status", l->answer.status), LZ("why", l->answer.why));
}

void outbox_land(struct service *s, int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    struct landed *first = s->landed;
    s->landed = NULL;
    pthread_mutex_unlock(&s->lock);
    for (struct landed *l = first, *next; l; l = next) {
        next = l->next;
        land(s, l, now_ms);
        free(l);
    }
}
