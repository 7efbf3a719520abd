/* /healthz, /readyz, /metrics: for load balancers and Prometheus. */
#include "api/call.h"

/* Health must answer while every worker waits for a database that is gone. */
bool always_on_loop(struct api *a, const struct http_request *r)
{
    (void)a;
    (void)r;
    return true;
}

enum outcome api_health(struct call *c)
{
    json_begin_object(&c->data);
    json_field_bool(&c->data, STR("ok"), true);
    json_end_object(&c->data);
    return ANSWERED;
}

enum outcome api_ready(struct call *c)
{
    struct engine_health h = { 0 };
    engine_health(c->api->config.engine, &h);
    if (!h.database_ok) {
        (void)fail(&c->err, ERR_STORAGE, "not ready: %s",
                   h.why[0] ? h.why : "the database cannot be used");
        return FAILED;
    }
    json_begin_object(&c->data);
    json_field_bool(&c->data, STR("ready"), true);
    json_field_i64(&c->data, STR("factsPending"), h.facts_pending);
    json_field_i64(&c->data, STR("effectsOpen"), h.effects_open);
    json_field_i64(&c->data, STR("oldestFactMs"), h.oldest_fact_ms);
    json_end_object(&c->data);
    return ANSWERED;
}

static const char *const method_label[] = {"GET",   "HEAD",   "POST",    "PUT",
                                           "PATCH", "DELETE", "OPTIONS", "OTHER"};

static void request_metrics(struct api *a, struct buf *b)
{
    buf_add(b, STR("# HELP signalbox_http_requests_total Requests by route and class of status.\n"
                   "# TYPE signalbox_http_requests_total counter\n"));
    for (size_t i = 0; i <= ROUTES_MAX; i++)
        for (size_t k = 1; k < 6; k++) {
            uint64_t n = atomic_load_explicit(&a->counts[i].by_class[k], memory_order_relaxed);
            if (n)
                buf_print(b,
                          "signalbox_http_requests_total{method=\"%s\",route=\"%s\",status=\"%"
                          "zuxx\"} %llu\n",
                          i < route_count ? method_label[routes[i].method] : "OTHER",
                          i < route_count ? routes[i].path : "none", k, (unsigned long long)n);
        }
    buf_add(b, STR("# HELP signalbox_http_request_seconds_total Time from the last byte of a "
                   "request to its answer.\n"
                   "# TYPE signalbox_http_request_seconds_total counter\n"));
    for (size_t i = 0; i < route_count; i++) {
        uint64_t us = atomic_load_explicit(&a->counts[i].micros, memory_order_relaxed);
        if (us)
            buf_print(
                b, "signalbox_http_request_seconds_total{method=\"%s\",route=\"%s\"} %llu.%06llu\n",
                method_label[routes[i].method], routes[i].path, (unsigned long long)(us / 1000000),
                (unsigned long long)(us % 1000000));
    }
}

static void one(struct buf *b, const char *name, const char *kind, const char *help, uint64_t value)
{
    buf_print(b, "# HELP signalbox_%s %s\n# TYPE signalbox_%s %s\nsignalbox_%s %llu\n", name, help,
              name, kind, name, (unsigned long long)value);
}

static void engine_metrics(struct api *a, struct buf *b)
{
    struct engine_counts n = { 0 };
    struct engine_health h = { 0 };
    engine_counts(a->config.engine, &n);
    engine_health(a->config.engine, &h);
    one(b, "facts_total", "counter", "Facts stored.", n.facts);
    one(b, "fact_duplicates_total", "counter", "Facts that were known already.", n.duplicates);
    one(b, "commits_total", "counter", "Commits of the writer.", n.commits);
    one(b, "bodies_total", "counter", "Changes in these commits.", n.bodies);
    one(b, "effects_done_total", "counter", "Effects carried out.", n.effects_done);
    one(b, "effects_failed_total", "counter", "Effects given up.", n.effects_failed);
    one(b, "lanes_owned", "gauge", "Lanes that this process works on.", n.lanes_owned);
    one(b, "database_up", "gauge", "1 when the database can be used.", h.database_ok);
    one(b, "facts_pending", "gauge", "Facts not applied yet.", (uint64_t)h.facts_pending);
    one(b, "effects_open", "gauge", "Effects not carried out yet.", (uint64_t)h.effects_open);
    one(b, "oldest_fact_milliseconds", "gauge", "Age of the oldest fact not applied yet.",
        (uint64_t)h.oldest_fact_ms);
}

/* The forge's quota, one line an installation; nothing while the database is away. */
static void budget_metrics(struct call *c, struct buf *b)
{
    static const struct { const char *name, *help; size_t column; } gauges[] = {
        {"budget_limit", "Calls in a window of the forge's quota.", 1},
        {"budget_remaining", "Calls that remained when the forge last said so.", 2},
        {"budget_claimed", "Calls given to batches and not yet spent.", 3},
        {"budget_waiting", "Batches that wait for budget.", 4},
    };
    struct db_rows r;
    struct err e = { 0 };
    struct db *db = engine_read(c->api->config.engine, &e);
    bool ok = db && db_query(db, c->mem, &e, &r,
                             "select q.installation_id, q.limit_count, q.remaining, (select "
                             "coalesce(sum(left_over), 0) from claim where installation_id = "
                             "q.installation_id and left_over > 0), (select count(*) from claim "
                             "where installation_id = q.installation_id and wanted > 0) from quota "
                             "q where q.resource = 'core' and q.known = 1 order by 1 limit 1000",
                             NO_ARGS);
    engine_read_done(c->api->config.engine, db);
    for (size_t g = 0; ok && r.count && g < sizeof gauges / sizeof gauges[0]; g++) {
        buf_print(b, "# HELP signalbox_%s %s\n# TYPE signalbox_%s gauge\n", gauges[g].name,
                  gauges[g].help, gauges[g].name);
        for (size_t i = 0; i < r.count; i++)
            buf_print(b, "signalbox_%s{installation=\"%lld\"} %lld\n", gauges[g].name,
                      (long long)db_at(&r, i, 0)->i,
                      (long long)db_at(&r, i, gauges[g].column)->i);
    }
}

static void server_metrics(struct api *a, struct buf *b)
{
    struct http_counts n = { 0 };
    if (!a->server)
        return;
    http_server_counts(a->server, &n);
    one(b, "connections_total", "counter", "Connections accepted.", n.accepted);
    one(b, "connections_open", "gauge", "Connections open now.", n.open);
    one(b, "requests_refused_total", "counter", "What was not even a request.", n.refused);
    one(b, "requests_timed_out_total", "counter", "Requests that came too slowly.", n.timed_out);
    one(b, "live_streams", "gauge", "Streams of changes that are open.", live_count(a->live));
    one(b, "received_bytes_total", "counter", "Bytes received.", n.bytes_in);
    one(b, "sent_bytes_total", "counter", "Bytes sent.", n.bytes_out);
}

enum outcome api_metrics(struct call *c)
{
    struct buf b;
    buf_init(&b, c->mem, 1 << 20);
    request_metrics(c->api, &b);
    webhook_metrics(c->api, &b);
    engine_metrics(c->api, &b);
    budget_metrics(c, &b);
    server_metrics(c->api, &b);
    c->raw = buf_str(&b);
    c->raw_type = STR("text/plain; version=0.0.4; charset=utf-8");
    return ANSWERED;
}
