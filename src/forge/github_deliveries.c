/*
 * Deliveries that never arrived: those GUIDs of which no attempt succeeded (forges.md §1.1). First
 * the failures; only when there are some, the successes since the oldest of them.
 */
#include "forge/inside.h"

struct delivery { int64_t id, at_ms; str guid, event, action; bool arrived; };
struct deliveries { struct delivery *at; size_t count, cap; int64_t oldest_ms; bool second; };

static struct delivery *by_guid(struct deliveries *d, str guid)
{
    for (size_t i = 0; i < d->count; i++)
        if (str_eq(d->at[i].guid, guid))
            return &d->at[i];
    return NULL;
}

static void delivery_add(struct job *j, struct deliveries *d, struct delivery v)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 64;
        d->at = arena_grow(j->mem, d->at, d->cap, cap, sizeof *d->at);
        d->cap = cap;
    }
    v.guid = arena_copy(j->mem, v.guid);
    v.event = arena_copy(j->mem, v.event);
    v.action = arena_copy(j->mem, v.action);
    d->at[d->count++] = v;
}

static bool delivery_item(struct job *j, struct arena *mem, struct json v)
{
    struct deliveries *d = j->notes;
    int64_t status = json_i64_or(json_get(v, STR("status_code")), 0);
    struct delivery one = {
        .id = github_id(json_get(v, STR("id")), mem),
        .at_ms = github_time(json_get(v, STR("delivered_at")), mem),
        .guid = json_str(json_get(v, STR("guid")), mem),
        .event = json_str(json_get(v, STR("event")), mem),
        .action = json_str(json_get(v, STR("action")), mem),
        .arrived = status >= 200 && status < 300,
    };
    int64_t back_to_ms = d->second ? d->oldest_ms : j->call.since_ms;
    if (one.at_ms && one.at_ms < back_to_ms)
        return false;               /* newest first: the rest is older still */
    if (!one.id || !one.guid.len)
        return true;
    struct delivery *known = by_guid(d, one.guid);
    if (known) {
        known->arrived |= one.arrived;
    } else if (!d->second || !one.arrived) {
        delivery_add(j, d, one);
    }
    if (!one.arrived && one.at_ms && (!d->oldest_ms || one.at_ms < d->oldest_ms))
        d->oldest_ms = one.at_ms;
    return true;
}

static void deliveries_finish(struct job *j)
{
    const struct deliveries *d = j->notes;
    for (size_t i = 0; i < d->count; i++) {
        if (d->at[i].arrived)
            continue;
        json_begin_object(&j->out);
        json_field_i64(&j->out, STR("id"), d->at[i].id);
        json_field_str(&j->out, STR("guid"), d->at[i].guid);
        json_field_str(&j->out, STR("event"), d->at[i].event);
        json_field_str(&j->out, STR("action"), d->at[i].action);
        json_end_object(&j->out);
    }
    list_finish(j, false);
}

static void deliveries_end(struct job *j, bool more);
static const struct job_list list = {
    .name = STR_INIT("failed"), .array = STR_INIT(""), .item = delivery_item, .end = deliveries_end,
};

static void deliveries_page(struct job *j, const char *status)
{
    j->pages = 0;
    list_begin(
        j, &list,
        arena_print(j->mem, "/app/hook/deliveries?per_page=%d&status=%s", PAGE_SIZE, status));
}

static void deliveries_end(struct job *j, bool more)
{
    struct deliveries *d = j->notes;
    bool failed = false;
    for (size_t i = 0; i < d->count; i++)
        failed |= !d->at[i].arrived;
    if (!failed || d->second) {
        deliveries_finish(j);
        return;
    }
    d->second = true;
    deliveries_page(j, "success");
}

void begin_list_deliveries(struct job *j)
{
    j->notes = arena_make(j->mem, struct deliveries, 1);
    j->call.since_ms += j->g->ahead_ms;
    deliveries_page(j, "failure");
}
