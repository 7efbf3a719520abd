#include "runner/callback.h"

#include "base/json.h"
#include "base/rfc3339.h"

enum { BODY_BYTES_MAX = 64 << 10 };

/* ---- what is said ---- */

static void put_known(struct json_out *w, const char *name, str s)
{
    if (s.len)
        json_field_str(w, str_of(name), s);
}

static void put_time(struct json_out *w, const char *name, int64_t ms)
{
    if (ms)
        json_field_time(w, str_of(name), ms);
}

static void put_metadata(struct json_out *w, const struct run *r, bool ended)
{
    const struct outcome *o = &r->outcome;
    json_field_str(w, STR("runId"), str_of(r->id));
    json_field_str(w, STR("workflow"), str_of(r->workflow));
    json_field_str(w, STR("stack"), str_of(r->stack));
    put_known(w, "commit", str_of(o->commit));
    put_time(w, "startedAt", o->started_ms ? o->started_ms : r->started_ms);
    json_field_str(w, STR("runnerVersion"), STR(RUNNER_VERSION));
    if (!ended) {
        json_field_str(w, STR("phase"), str_of(run_state_name(r)));
        return;
    }
    if (o->has_exit_code)
        json_field_i64(w, STR("exitCode"), o->exit_code);
    put_known(w, "signal", str_of(o->signal));
    put_known(w, "reason", str_of(run_reason_name(o->reason)));
    put_time(w, "finishedAt", o->finished_ms);
    if (o->started_ms && o->finished_ms >= o->started_ms)
        json_field_i64(w, STR("durationMs"), o->finished_ms - o->started_ms);
    if (o->clone_ms)
        json_field_i64(w, STR("cloneMs"), o->clone_ms);
    put_known(w, "failedStep", str_of(o->failed_step));
    put_known(w, "logTail", str_of(o->tail));
}

str callback_body(struct arena *mem, const struct run *r)
{
    struct buf b;
    struct json_out w;
    bool ended = r->stage == RUN_ENDED;
    buf_init(&b, mem, BODY_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("status"),
                   !ended ? STR("running")
                          : r->outcome.succeeded ? STR("succeeded") : STR("failed"));
    if (ended && !r->outcome.succeeded)
        json_field_str(&w, STR("error"),
                       r->outcome.error && r->outcome.error[0] ? str_of(r->outcome.error)
                                                               : STR("the workflow failed"));
    json_key(&w, STR("metadata"));
    json_begin_object(&w);
    put_metadata(&w, r, ended);
    json_end_object(&w);
    json_end_object(&w);
    return buf_str(&b);
}

/* ---- what the answer means ---- */

static bool is_temporary(int status)
{
    return status >= 500 || status == 408 || status == 425 || status == 429;
}

/* Full jitter: anything up to a bound that doubles. What the platform asks for is the least. */
static int64_t wait_of(const struct http_answer *a, int64_t attempts, uint64_t random)
{
    int64_t bound = CALLBACK_FIRST_MS, asked_s = 0;
    for (int64_t i = 1; i < attempts && bound < CALLBACK_LONGEST_MS; i++)
        bound *= 2;
    if (bound > CALLBACK_LONGEST_MS)
        bound = CALLBACK_LONGEST_MS;
    int64_t wait = (int64_t)(random % (uint64_t)bound);
    str asked = a->outcome == HTTP_ANSWERED ? http_answer_header(a, STR("Retry-After")) : STR_NONE;
    if (str_to_i64(asked, 0, 3600, &asked_s))
        wait += asked_s * 1000;
    return wait;
}

struct callback_verdict callback_judge(struct arena *mem, const struct http_answer *a,
                                       int64_t attempts, uint64_t random)
{
    struct callback_verdict v = { .next = NEXT_AGAIN };
    if (a->outcome != HTTP_ANSWERED) {
        v.why = arena_print(mem, "no answer: %s", a->why);
    } else {
        v.why = arena_print(mem, "answered %d", a->status);
        v.next = is_temporary(a->status) ? NEXT_AGAIN
                 : (a->status >= 200 && a->status < 300) || a->status == 409 ? NEXT_DONE
                                                                             : NEXT_REFUSED;
    }
    if (v.next == NEXT_AGAIN)
        v.wait_ms = wait_of(a, attempts, random);
    return v;
}

int64_t callback_until_ms(const struct run *r)
{
    int64_t day = r->outcome.finished_ms + CALLBACK_PATIENCE_MS;
    return r->expires_ms < day ? r->expires_ms : day;
}
