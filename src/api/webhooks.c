/*
 * POST /webhooks/github (forges.md §1.1). The signature is checked over the raw bytes, the delivery
 * is on disk before the answer, its own id makes a second one a duplicate. Runs on the loop's
 * thread: parsing 9 KB takes microseconds, and the writer thread does the rest.
 */
#include "api/call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/lanes.h"

enum { ON_LOOP_BYTES_MAX = 256 << 10, LANES_FRESH_MS = 5000, NAME_MAX = 100 };
enum fate { FATE_STORED, FATE_DUPLICATE, FATE_DROPPED, FATE_REFUSED };
static const char *const fate_names[FATES] = { "stored", "duplicate", "dropped", "refused" };

/*
 * What the house has a use for (forge.h); of some events only these actions. Everything else is
 * counted and dropped.
 */
static const struct { const char *event, *actions;
} wanted[] = {
    {"pull_request", NULL},
    {"release", NULL},
    {"merge_group", NULL},
    {"push", NULL},
    {"workflow_run", NULL},
    {"workflow_job", "waiting"},
    {"check_run", "rerequested requested_action"},
    {"check_suite", "requested rerequested"},
    {"installation", NULL},
    {"installation_repositories", NULL},
    {"repository", NULL},
    {"issue_comment", NULL},
    {"deployment_review", NULL},
};
enum { WANTED = sizeof wanted / sizeof wanted[0], EVENT_PING = WANTED, EVENT_OTHER };
_Static_assert((int)EVENT_OTHER < (int)EVENT_NAMES, "raise EVENT_NAMES: it sizes the counters");

struct delivery {
    struct call *call;
    size_t       event;             /* index of the counters */
    int64_t      forge_id;          /* of the repository; 0: none */
    const char  *kind;
    str          key, payload, actor;
    struct fact_rest rest;
    int64_t      lane[LANES_OF_ONE_MAX];
    size_t       lanes;
    bool         stored;
};

bool webhook_on_loop(struct api *a, const struct http_request *r)
{
    int64_t length;
    (void)a;
    return str_to_i64(http_header_get(r, STR("Content-Length")), 0, ON_LOOP_BYTES_MAX, &length);
}

static size_t event_of(str name)
{
    for (size_t i = 0; i < WANTED; i++)
        if (str_eq(name, str_of(wanted[i].event)))
            return i;
    return str_eq(name, STR("ping")) ? EVENT_PING : EVENT_OTHER;
}

static void count(struct api *a, size_t event, enum fate fate)
{
    atomic_fetch_add_explicit(&a->events[event][fate], 1, memory_order_relaxed);
}

static enum outcome answer(struct call *c, size_t event, enum fate fate)
{
    count(c->api, event, fate);
    c->status = 202;
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("state"), str_of(fate_names[fate]));
    json_end_object(&c->data);
    return ANSWERED;
}

static enum outcome refuse(struct call *c, size_t event)
{
    count(c->api, event, FATE_REFUSED);
    return FAILED;
}

/* --- which lanes: one repository may be in several workspaces --- */

static bool lanes_cached(struct api *a, struct delivery *d)
{
    struct cached_lanes *k = &a->lanes[(uint64_t)d->forge_id % LANES_CACHED];
    pthread_mutex_lock(&a->lock);
    bool hit =
        d->forge_id && k->forge_id == d->forge_id && clock_mono_ms() - k->read_ms < LANES_FRESH_MS;
    if (hit) {
        d->lanes = k->count;
        memcpy(d->lane, k->lane, sizeof d->lane);
    }
    pthread_mutex_unlock(&a->lock);
    return hit;
}

/* Only what is known is kept: a repository that is imported this moment must not stay unknown. */
static void lanes_keep(struct api *a, const struct delivery *d)
{
    struct cached_lanes *k = &a->lanes[(uint64_t)d->forge_id % LANES_CACHED];
    if (!d->forge_id || !d->lanes || !d->lane[0])
        return;
    pthread_mutex_lock(&a->lock);
    *k = (struct cached_lanes){
        .forge_id = d->forge_id, .read_ms = clock_mono_ms(), .count = d->lanes};
    memcpy(k->lane, d->lane, sizeof k->lane);
    pthread_mutex_unlock(&a->lock);
}

void forget_lanes(struct api *a)
{
    pthread_mutex_lock(&a->lock);
    memset(a->lanes, 0, sizeof a->lanes);
    pthread_mutex_unlock(&a->lock);
}

static bool lanes_find(struct delivery *d, struct db *db, struct arena *mem, struct err *e)
{
    int64_t *lanes;
    size_t n;
    d->lanes = 1;
    d->lane[0] = 0;
    if (!d->forge_id)
        return true;
    if (!lanes_of_forge_repo(db, mem, d->forge_id, &lanes, &n, e))
        return false;
    for (size_t i = 0; i < n && i < LANES_OF_ONE_MAX; i++) {
        d->lane[i] = lanes[i];
        d->lanes = i + 1;
    }
    return true;
}

/* --- storing --- */

static struct fact_new fact_of(const struct delivery *d, int64_t lane, str key)
{
    return (struct fact_new){.lane = lane,
                             .kind = d->kind,
                             .key = key,
                             .body = d->payload,
                             .actor = d->actor,
                             .trace = d->call->trace,
                             .rest = d->rest};
}

static bool store_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct delivery *d = arg;
    if (!lanes_find(d, db, mem, e))
        return false;
    d->stored = false;
    for (size_t i = 0; i < d->lanes; i++) {
        str key =
            i ? arena_print(mem, PRI_STR "@%lld", FMT_STR(d->key), (long long)d->lane[i]) : d->key;
        struct fact_new f = fact_of(d, d->lane[i], key);
        enum fact_fate fate;
        int64_t id;
        if (!engine_store_fact(d->call->api->config.engine, db, mem, &f, &fate, &id, e))
            return false;
        d->stored = d->stored || fate == FACT_STORED;
    }
    return true;
}

static void finish(struct delivery *d, const struct err *e)
{
    struct call *c = d->call;
    if (e) {
        c->err = *e;
        (void)refuse(c, d->event);
    } else {
        (void)answer(c, d->event, d->stored ? FATE_STORED : FATE_DUPLICATE);
    }
    call_answer(c, e == NULL);
}

static void store_done(void *arg, const struct err *e)
{
    struct delivery *d = arg;
    struct api *a = d->call->api;
    if (!e) {
        lanes_keep(a, d);
        for (size_t i = 0; d->stored && i < d->lanes; i++)
            engine_poke(a->config.engine, d->lane[i]);
    }
    finish(d, e);
}

static void submit_done(void *arg, enum fact_fate fate, int64_t fact_id, const struct err *e)
{
    struct delivery *d = arg;
    (void)fact_id;
    d->stored = fate == FACT_STORED;
    finish(d, e);
}

/* --- the delivery --- */

static bool word(str s)
{
    if (!s.len || s.len > NAME_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static bool has_word(const char *words, str w)
{
    str rest = str_of(words);
    while (rest.len)
        if (str_eq(str_cut(rest, ' ', &rest), w))
            return true;
    return false;
}

static bool signature_ok(struct call *c)
{
    const struct secrets *s = atomic_load(&c->api->secrets);
    if (!s->count)
        return fail(&c->err, ERR_NOT_FOUND,
                    "no webhook secret is configured here yet: set up the GitHub App first");
    str header = http_header_get(c->request, STR("X-Hub-Signature-256"));
    return github_signature_ok(header, c->request->body, s->at, s->count) ||
           fail(&c->err, ERR_SIGNATURE,
                "the signature of this delivery is missing or wrong: the App's webhook secret and "
                "ours must be the same");
}

static bool payload_of(struct call *c, str *payload)
{
    str rest,
        type = str_trim(str_cut(http_header_get(c->request, STR("Content-Type")), ';', &rest));
    *payload = c->request->body;
    if (str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
        return github_form_payload(c->mem, c->request->body, payload)
            || fail(&c->err, ERR_INVALID, "the form has no payload field");
    if (type.len && !str_eq_nocase(type, STR("application/json")))
        return fail(&c->err, ERR_MEDIA,
                    "a delivery is application/json or application/x-www-form-urlencoded");
    return true;
}

static bool delivery_read(struct delivery *d, str *event, str *guid, struct json *v)
{
    struct call *c = d->call;
    if (!signature_ok(c))
        return false;
    *event = http_header_get(c->request, STR("X-GitHub-Event"));
    *guid = http_header_get(c->request, STR("X-GitHub-Delivery"));
    if (!word(*event) || !word(*guid))
        return fail(&c->err, ERR_INVALID,
                    "a delivery needs the headers X-GitHub-Event and X-GitHub-Delivery");
    d->event = event_of(*event);
    if (!payload_of(c, &d->payload))
        return false;
    if (!json_parse(c->mem, d->payload, 0, v, &c->err)) {
        /* too deep is a wrong document, not one that is too large */
        if (c->err.code == ERR_LIMIT)
            c->err.code = ERR_INVALID;
        return fail_ctx(&c->err, "the payload cannot be read");
    }
    return json_kind(*v) == JSON_OBJECT ||
           fail(&c->err, ERR_INVALID, "the payload must be a JSON object");
}

static bool has_use(const struct delivery *d, str event, struct json v)
{
    if (d->event == EVENT_OTHER)
        log_unknown_once(d->call->api, "webhook event", event);
    return d->event < WANTED &&
           (!wanted[d->event].actions ||
            has_word(wanted[d->event].actions, json_str(json_get(v, STR("action")), d->call->mem)));
}

enum outcome api_webhook(struct call *c)
{
    struct delivery *d = arena_make(c->mem, struct delivery, 1);
    struct json v;
    str event, guid;
    d->call = c;
    d->event = EVENT_OTHER;
    if (!delivery_read(d, &event, &guid, &v))
        return refuse(c, d->event);
    c->note = guid;
    c->who.name = d->actor = json_str(json_path(v, "sender.login"), c->mem);
    if (!has_use(d, event, v))
        return answer(c, d->event, FATE_DROPPED);
    d->kind = arena_print(c->mem, "webhook." PRI_STR, FMT_STR(event)).ptr;
    d->key = arena_print(c->mem, "github:" PRI_STR, FMT_STR(guid));
    d->forge_id = json_i64_or(json_path(v, "repository.id"), 0);
    webhook_rest(c->mem, event, v, &d->rest);
    if (lanes_cached(c->api, d) && d->lanes == 1) {
        struct fact_new f = fact_of(d, d->lane[0], d->key);
        if (webhook_on_loop(c->api, c->request))
            engine_submit_soon(c->api->config.engine, c->mem, &f, submit_done, d);
        else
            engine_submit(c->api->config.engine, &f, submit_done, d);
    } else {
        engine_write(c->api->config.engine, store_body, store_done, d);
    }
    return LATER;
}

void webhook_metrics(struct api *a, struct buf *b)
{
    buf_add(b, STR("# HELP signalbox_webhook_deliveries_total Deliveries by event and what became "
                   "of them.\n"
                   "# TYPE signalbox_webhook_deliveries_total counter\n"));
    for (size_t i = 0; i <= EVENT_OTHER; i++)
        for (size_t f = 0; f < FATES; f++) {
            uint64_t n = atomic_load_explicit(&a->events[i][f], memory_order_relaxed);
            if (n)
                buf_print(b, "signalbox_webhook_deliveries_total{event=\"%s\",fate=\"%s\"} %llu\n",
                          i < WANTED        ? wanted[i].event
                          : i == EVENT_PING ? "ping"
                                            : "other",
                          fate_names[f], (unsigned long long)n);
        }
}
