/* What is shown of runs and of the service: no variables, no token. */
#include "runner/service.h"

enum { VIEW_BYTES_MAX = 8 << 20, RUNS_SHOWN_MAX = 500 };

static void put_time(struct json_out *w, const char *name, int64_t ms)
{
    json_field_time(w, str_of(name), ms);
}

static void put_outcome(struct json_out *w, const struct outcome *o)
{
    json_field_str(w, STR("reason"), str_of(run_reason_name(o->reason)));
    json_key(w, STR("exitCode"));
    if (o->has_exit_code)
        json_put_i64(w, o->exit_code);
    else
        json_put_null(w);
    json_field_str(w, STR("signal"), str_of(o->signal));
    json_field_str(w, STR("error"), str_of(o->error));
    json_field_str(w, STR("failedStep"), str_of(o->failed_step));
    put_time(w, "finishedAt", o->finished_ms);
}

static void put_callback(struct json_out *w, const struct run *r)
{
    static const char *const states[] = { "waiting", "delivered", "refused", "expired" };
    json_key(w, STR("callback"));
    json_begin_object(w);
    json_field_str(w, STR("state"), str_of(states[r->callback]));
    json_field_i64(w, STR("attempts"), r->attempts);
    json_field_str(w, STR("answer"), str_of(r->answer));
    json_end_object(w);
}

static void put_run(struct json_out *w, const struct service *s, const struct run *r)
{
    bool ended = r->stage == RUN_ENDED || r->stage == RUN_CLOSED;
    json_begin_object(w);
    json_field_str(w, STR("runId"), str_of(r->id));
    json_field_str(w, STR("state"), str_of(run_state_name(r)));
    json_field_str(w, STR("workflow"), str_of(r->workflow));
    json_field_str(w, STR("stack"), str_of(r->stack));
    json_field_bool(w, STR("dryRun"), r->dry_run);
    put_time(w, "acceptedAt", r->accepted_ms);
    put_time(w, "startedAt", r->started_ms);
    json_field_str(w, STR("commit"), r->outcome.commit[0] ? str_of(r->outcome.commit) : STR_NONE);
    if (r->stage == RUN_QUEUED)
        json_field_i64(w, STR("position"), (int64_t)queue_position(&s->queue, r));
    if (r->cancel && !ended)
        json_field_bool(w, STR("cancelRequested"), true);
    if (ended) {
        put_outcome(w, &r->outcome);
        put_callback(w, r);
    }
    json_end_object(w);
}

str run_view(struct service *s, struct arena *mem, const struct run *r)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, VIEW_BYTES_MAX);
    json_out_init(&w, &b);
    put_run(&w, s, r);
    return buf_str(&b);
}

/* The newest ones, in the order of their arrival. */
str runs_view(struct service *s, struct arena *mem)
{
    struct buf b;
    struct json_out w;
    size_t skip = s->queue.count > RUNS_SHOWN_MAX ? s->queue.count - RUNS_SHOWN_MAX : 0;
    buf_init(&b, mem, VIEW_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("runs"));
    json_begin_array(&w);
    for (const struct run *r = s->queue.first; r; r = r->next)
        if (skip)
            skip--;
        else
            put_run(&w, s, r);
    json_end_array(&w);
    json_field_i64(&w, STR("queued"), (int64_t)s->queue.by_stage[RUN_QUEUED]);
    json_field_i64(&w, STR("active"), (int64_t)s->queue.busy_count);
    json_end_object(&w);
    return buf_str(&b);
}

/* ---- metrics ---- */

static const struct {
    const char *text;
    size_t      offset;
} counters[] = {
#define X(name, text) { text, offsetof(struct service_counters, name) },
    SERVICE_COUNTERS(X)
#undef X
};

static uint64_t counter_value(const struct service *s, size_t i)
{
    const char *at = (const char *)&s->counters + counters[i].offset;
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)at, memory_order_relaxed);
}

static str family(const char *text)
{
    return str_sub(str_of(text), 0, str_find(str_of(text), '{', 0));
}

static void gauge(struct buf *b, const char *name, uint64_t value)
{
    buf_print(b, "# TYPE signalbox_runner_%s gauge\nsignalbox_runner_%s %llu\n", name, name,
              (unsigned long long)value);
}

str metrics_view(struct service *s, struct arena *mem)
{
    struct buf b;
    struct http_counts http = { 0 };
    buf_init(&b, mem, 1 << 20);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        str name = family(counters[i].text);
        if (i == 0 || !str_eq(name, family(counters[i - 1].text)))
            buf_print(&b, "# TYPE signalbox_runner_" PRI_STR " counter\n", FMT_STR(name));
        buf_print(&b, "signalbox_runner_%s %llu\n", counters[i].text,
                  (unsigned long long)counter_value(s, i));
    }
    gauge(&b, "runs_queued", s->queue.by_stage[RUN_QUEUED]);
    gauge(&b, "runs_active", s->queue.busy_count);
    gauge(&b, "callbacks_pending", s->queue.by_stage[RUN_ENDED]);
    gauge(&b, "draining", atomic_load(&s->draining));
    if (s->server)
        http_server_counts(s->server, &http);
    gauge(&b, "connections_open", http.open);
    return buf_str(&b);
}
