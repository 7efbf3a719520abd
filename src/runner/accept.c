/* A dispatch is taken, or refused in a way that its sender can act on (runner.md §3.4). */
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "runner/service.h"
#include "runner/which.h"

enum { LOOKUP_MS = 1500, ANSWER_BYTES_MAX = 64 << 10, FULL_RETRY_S = 15, UNREADY_RETRY_S = 10 };

/* ---- able to take work? ---- */

static bool disk_is_full(const char *path, int64_t least)
{
    struct statvfs v;
    if (statvfs(path, &v))
        return true;
    return (uint64_t)v.f_bavail * v.f_frsize < (uint64_t)least;
}

const char *service_unready(struct service *s)
{
    const struct runner_settings *c = &s->settings;
    if (atomic_load(&s->draining))
        return "draining: the runner is stopping";
    if (atomic_load(&s->storage_failed))
        return "what is accepted cannot be stored";
    if (disk_is_full(c->work_dir.text.ptr, c->disk_free_min.n) ||
        disk_is_full(c->state_dir.text.ptr, c->disk_free_min.n))
        return "too little space is left on a disk";
    if (!which(c->atmos_bin.text, NULL, 0))
        return "atmos was not found";
    if (!which(c->git_bin.text, NULL, 0))
        return "git was not found";
    return NULL;
}

/* ---- answers ---- */

static struct accept_answer answer_error(struct arena *mem, int status, const char *error,
                                         str message)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, ANSWER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("error"), str_of(error));
    if (message.len)
        json_field_str(&w, STR("message"), message);
    json_end_object(&w);
    return (struct accept_answer){ .status = status, .body = buf_str(&b) };
}

static struct accept_answer answer_refused(struct arena *mem, const struct dispatch_refusal *no)
{
    struct buf b;
    struct json_out w;
    if (no->status == 400)
        return answer_error(mem, 400, "bad_request", no->message);
    buf_init(&b, mem, ANSWER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("error"), STR("invalid"));
    json_key(&w, STR("fields"));
    json_begin_object(&w);
    for (size_t i = 0; i < no->field_count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= str_eq(no->fields[k].name, no->fields[i].name);
        if (!again)
            json_field_str(&w, no->fields[i].name, no->fields[i].reason);
    }
    json_end_object(&w);
    json_end_object(&w);
    return (struct accept_answer){ .status = 422, .body = buf_str(&b) };
}

static struct accept_answer answer_accepted(struct arena *mem, const struct run *r, bool duplicate)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, ANSWER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_bool(&w, STR("accepted"), true);
    if (duplicate)
        json_field_bool(&w, STR("duplicate"), true);
    json_field_str(&w, STR("runId"), str_of(r->id));
    json_field_str(&w, STR("state"), str_of(run_state_name(r)));
    json_end_object(&w);
    return (struct accept_answer){ .status = duplicate ? 200 : 202, .body = buf_str(&b) };
}

static struct accept_answer answer_later(struct arena *mem, int status, const char *error,
                                         const char *message, int64_t retry_after_s)
{
    struct accept_answer a = answer_error(mem, status, error, str_of(message));
    a.retry_after_s = retry_after_s;
    return a;
}

/* ---- taking ---- */

static void log_refused(const struct dispatch *d, const struct dispatch_refusal *no)
{
    for (size_t i = 0; i < no->field_count; i++)
        log_warn("a dispatch is refused", LS("run", d->run_id), LS("field", no->fields[i].name),
                 LS("why", no->fields[i].reason));
    if (no->status == 400)
        log_warn("a dispatch is refused", LS("why", no->message));
}

/* Known already: the same again, or another one under its name. */
static bool answer_known(struct service *s, struct arena *mem, const struct dispatch *d, str digest,
                         struct accept_answer *out)
{
    pthread_mutex_lock(&s->lock);
    const struct run *r = queue_find(&s->queue, d->run_id);
    bool same = r && str_eq(str_of(r->digest), digest);
    if (same)
        *out = answer_accepted(mem, r, true);
    pthread_mutex_unlock(&s->lock);
    if (!r)
        return false;
    if (same)
        COUNT_UP(s, duplicate, 1);
    else
        COUNT_UP(s, conflict, 1);
    if (!same)
        *out = answer_error(mem, 409, "conflict",
                            STR("another dispatch with this runId is known: give each its own"));
    return true;
}

static bool has_room(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->queue.by_stage[RUN_QUEUED] < (size_t)s->settings.max_queue.n;
    pthread_mutex_unlock(&s->lock);
    return room;
}

static struct run *run_of(struct service *s, const struct dispatch *d, str digest, int64_t now_ms)
{
    struct run *r = run_new(d->run_id, d->workflow, d->stack, digest);
    r->accepted_ms = now_ms;
    r->expires_ms = d->expires_ms;
    r->dry_run = d->dry_run;
    r->progress = d->progress;
    pthread_mutex_lock(&s->lock);
    r->sequence = ++s->queue.sequence;
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* Stored first, then known: what was answered 202 is not lost. */
static struct accept_answer take(struct service *s, struct arena *mem, const struct dispatch *d,
                                 str digest, int64_t now_ms)
{
    struct err e = { 0 };
    struct run *r = run_of(s, d, digest, now_ms);
    if (!journal_accept(&s->journal, mem, r, d, &e)) {
        log_error("a dispatch cannot be stored", LS("run", d->run_id), LZ("why", e.text));
        COUNT_UP(s, storage_failures, 1);
        run_free(r);
        return answer_later(mem, 503, "unavailable", "the dispatch could not be stored: try again",
                            UNREADY_RETRY_S);
    }
    log_info("a dispatch is accepted", LS("run", d->run_id), LS("workflow", d->workflow),
             LS("stack", d->stack), LI("variables", d->variable_count),
             LS("callback_host", d->place.host), LI("unknown_fields", d->unknown_fields));
    struct accept_answer a = answer_accepted(mem, r, false);
    pthread_mutex_lock(&s->lock);
    queue_add(&s->queue, r);
    pthread_mutex_unlock(&s->lock);
    COUNT_UP(s, accepted, 1);
    COUNT_UP(s, unknown_fields, d->unknown_fields);
    service_wake(s);
    return a;
}

static struct accept_answer take_or_not(struct service *s, struct arena *mem,
                                        const struct dispatch *d, str digest, int64_t now_ms)
{
    struct accept_answer a;
    const char *unready = service_unready(s);
    if (answer_known(s, mem, d, digest, &a))
        return a;
    if (!unready && has_room(s))
        return take(s, mem, d, digest, now_ms);
    COUNT_UP(s, busy, 1);
    if (unready)
        return answer_later(mem, 503, "unavailable", unready, UNREADY_RETRY_S);
    return answer_later(mem, 429, "queue_full", "as many runs wait as may: try again later",
                        FULL_RETRY_S);
}

struct accept_answer service_accept(struct service *s, struct arena *mem, str body, int64_t now_ms)
{
    struct dispatch d;
    struct dispatch_refusal no;
    struct accept_answer a;
    str digest = sha256_hex(mem, body);
    bool ok = dispatch_read(mem, &s->settings, body, now_ms, &d, &no);
    /* A repeated dispatch is answered alike, also when its token has expired since. */
    if (d.run_id.len && answer_known(s, mem, &d, digest, &a))
        return a;
    const char *why = ok ? callback_lookup(&d.place, LOOKUP_MS) : NULL;
    if (why) {
        no.fields[no.field_count].name = STR("callbackUrl");
        no.fields[no.field_count++].reason = str_of(why);
        no.status = 422;
    }
    if (!ok || why) {
        log_refused(&d, &no);
        COUNT_UP(s, refused, 1);
        return answer_refused(mem, &no);
    }
    pthread_mutex_lock(&s->accept_lock);
    a = take_or_not(s, mem, &d, digest, now_ms);
    pthread_mutex_unlock(&s->accept_lock);
    return a;
}
