/*
 * make: a batch is made of an upload and an event, or of a person's order. Domain decides (graph,
 * plan); here it becomes rows.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/pack.h"
#include "domain/join.h"
#include "domain/node_dispatch.h"
#include "domain/plan.h"
#include "engine/inside.h"
#include "store/uploads.h"

enum { UPLOAD_BYTES_MAX = 64 << 20 };

/* ---- learned durations: a small open-addressed table over (stack, component, workflow) ------- */

struct durations { const struct db_rows *rows; uint32_t *slot; size_t mask; };

static uint64_t duration_hash(str stack, str component, str workflow)
{
    return str_hash(stack) * 31 + str_hash(component) * 17 + str_hash(workflow);
}

static bool load_durations(struct step *s, struct durations *d, struct err *e)
{
    struct db_rows *r = arena_make(s->mem, struct db_rows, 1);
    if (!durations_of(s->db, s->mem, s->lane->id, r, e))
        return false;
    size_t size = 16;
    while (size < r->count * 2)
        size *= 2;
    *d =
        (struct durations){.rows = r, .slot = arena_make(s->mem, uint32_t, size), .mask = size - 1};
    for (size_t i = 0; i < r->count; i++) {
        size_t at =
            duration_hash(db_at(r, i, 0)->s, db_at(r, i, 1)->s, db_at(r, i, 2)->s) & d->mask;
        while (d->slot[at])
            at = (at + 1) & d->mask;
        d->slot[at] = (uint32_t)i + 1;
    }
    return true;
}

static int64_t expected_ms(const struct durations *d, str stack, str component, str workflow)
{
    for (size_t at = duration_hash(stack, component, workflow) & d->mask; d->slot[at];
         at = (at + 1) & d->mask) {
        size_t i = d->slot[at] - 1;
        if (str_eq(db_at(d->rows, i, 0)->s, stack) && str_eq(db_at(d->rows, i, 1)->s, component) &&
            str_eq(db_at(d->rows, i, 2)->s, workflow))
            return db_at(d->rows, i, 3)->i;
    }
    return EXPECTED_DEFAULT_MS;
}

/* ---- the rows of a plan ---------------------------------------------------------------------- */

/* What is kept for the moment of dispatch: {"inputs":{…},"vars":{…}}. */
static str stored_inputs(struct arena *mem, const struct instance *i, struct json inputs)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    if (json_kind(inputs) == JSON_OBJECT)
        json_field_raw(&w, STR("inputs"), json_raw(inputs));
    if (i->namespace_.len || i->tenant.len || i->environment.len || i->stage.len) {
        json_key(&w, STR("vars"));
        json_begin_object(&w);
        json_field_str(&w, STR("namespace"), i->namespace_);
        json_field_str(&w, STR("tenant"), i->tenant);
        json_field_str(&w, STR("environment"), i->environment);
        json_field_str(&w, STR("stage"), i->stage);
        json_end_object(&w);
    }
    json_end_object(&w);
    return buf_str(&b);
}

static str copy(struct hot *h, str s) { return arena_copy(h->mem, s.ptr ? s : STR("")); }

static bool fill_nodes(struct step *s, struct hot *h, const struct graph *g, const struct plan *p,
                       struct err *e)
{
    struct durations d;
    if (!load_durations(s, &d, e))
        return false;
    if (s->lane->settings.executor == EXECUTOR_RUNNER) {
        h->row.executor = str_of(executor_name(EXECUTOR_RUNNER));
        h->row.runner = copy(h, str_of(s->lane->settings.runner.text));
    }
    h->count = p->count;
    h->node = arena_make(h->mem, struct node_row, p->count + 1);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct plan_node *pn = &p->node[i];
        const struct instance *in = &g->instance[pn->instance];
        bool inert = pn->inert != INERT_NO;
        h->node[i] = (struct node_row){
            .stack = copy(h, in->stack),
            .component = copy(h, in->component),
            .workflow = copy(h, pn->workflow),
            .state = inert ? NODE_INERT : NODE_WAITING,
            .run_class = pn->run_class,
            .level = pn->level,
            .inert = str_of(inert ? inert_reason_name(pn->inert) : ""),
            .inputs = stored_inputs(h->mem, in, pn->inputs),
            .guess = str_of(command_name(pn->guess)),
            .expected_ms = expected_ms(&d, in->stack, in->component, pn->workflow),
            .changed_ms = s->now_ms,
        };
    }
    h->file_count = (uint32_t)p->file_count;
    h->file = arena_make(h->mem, str, p->file_count + 1);
    for (size_t i = 0; i < p->file_count; i++)
        h->file[i] = copy(h, p->files[i]);
    h->workflow = arena_make(h->mem, struct workflow, p->file_count + 1);
    h->file_error = arena_make(h->mem, enum dispatch_error, p->file_count + 1);
    return true;
}

static void build_core(struct hot *h, const struct plan *p)
{
    struct batch_node *n = arena_make(h->mem, struct batch_node, p->count + 1);
    for (uint32_t i = 0; i < p->count; i++)
        n[i] = (struct batch_node){ .state = h->node[i].state, .run_class = p->node[i].run_class,
                                    .expected_ms = h->node[i].expected_ms };
    h->b = batch_new(h->mem, n, p->count, p->edge, p->edge_count, h->row.strict_plans);
}

/*
 * Batches of the same change that this one replaces: another head, the same activity, or anything
 * once it is merged or closed.
 */
static bool replace_older(struct step *s, const struct hot *by, struct err *e)
{
    bool final = str_eq(by->row.activity, STR("merged")) || str_eq(by->row.activity, STR("closed"));
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        struct decisions d = { .mem = s->mem };
        if (h == by || h->row.change_id != by->row.change_id || !h->row.change_id ||
            h->b->state == BATCH_ENDED)
            continue;
        if (!final && str_eq(h->row.head_sha, by->row.head_sha) &&
            !str_eq(h->row.activity, by->row.activity))
            continue;
        h->row.superseded_by = copy(h, by->row.id);
        batch_supersede(h->b, s->lane->settings.cancel_superseded_runs != 0, s->now_ms, &d);
        if (!batch_carry_out(s, h, &d, e))
            return false;
    }
    return true;
}

/*
 * Stores the batch and everything in it, then lets it start as soon as its workflow files are
 * known.
 */
static bool store_batch(struct step *s, struct hot *h, const struct graph *g, const struct plan *p,
                        int64_t *stored_us, struct err *e)
{
    h->row.id = id_new(h->mem, "batch_", s->now_ms);
    h->row.repository_id = s->lane->id;
    h->row.created_ms = h->row.updated_ms = s->now_ms;
    h->row.node_count = p->count;
    h->row.dispatchable = p->dispatchable;
    h->row.strict_plans = s->lane->settings.strict_plans != 0;
    h->row.state = str_of(batch_state_name(BATCH_PREPARING));
    h->row.edges = edges_pack(s->mem, p->edge, p->edge_count);
    if (!fill_nodes(s, h, g, p, e))
        return false;
    build_core(h, p);
    if (!nodes_pack(s->mem, h->node, h->count, &h->row.made, e) ||
        !batches_add(s->db, s->mem, &h->row, &h->row.seq, e))
        return false;
    *stored_us = clock_mono_us();
    return replace_older(s, h, e) && batch_try_start(s, h, e);
}

/* ---- from an upload -------------------------------------------------------------------------- */

static bool graph_of_upload(struct step *s, str upload_id, struct upload *u, struct graph *g,
                            struct err *e)
{
    bool found;
    str body, key;
    struct json chunks, stacks;
    if (!uploads_get(s->db, s->mem, upload_id, u, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "upload " PRI_STR " is gone", FMT_STR(upload_id));
    if (!unpack(s->mem, u->body, UPLOAD_BYTES_MAX, &body, e) ||
        !json_parse(s->mem, body, 0, &chunks, e))
        return false;
    struct graph_builder *b = graph_begin(s->mem);
    struct json_iter it = json_iter(chunks);
    while (json_next(&it, s->mem, &key, &stacks))
        if (!graph_add(b, stacks, e))
            return false;
    graph_finish(b, g);
    return true;
}

static str event_key(const struct change *c) { return c->kind; }

static void choose_ref(struct step *s, struct hot *h, const struct change *c, str activity)
{
    bool merged = str_eq(activity, STR("merged")), pull = str_eq(c->kind, STR("pull_request"));
    h->row.ref = copy(h, s->lane->repo.default_branch);
    if (pull && !merged && s->lane->settings.plan_on_head_branch && !c->from_fork &&
        c->head_ref.len)
        h->row.ref = copy(h, c->head_ref);
    if (merged && s->lane->settings.apply_merge_commit && c->merge_sha.len)
        h->row.head_sha = copy(h, c->merge_sha);
}

/* A loop, or an upload that cannot be read: shown as a failed batch without nodes. */
static bool store_refused(struct step *s, const struct change *c, const struct change_event *ev,
                          const struct upload *u, const struct err *why, str *batch_id,
                          struct err *e)
{
    struct batch_row row = {.id = id_new(s->mem, "batch_", s->now_ms),
                            .repository_id = s->lane->id,
                            .change_id = c->id,
                            .upload_id = u->id,
                            .event = event_key(c),
                            .activity = ev->activity,
                            .head_sha = u->head_sha,
                            .base_sha = u->base_sha,
                            .state = STR("ended"),
                            .verdict = STR("failure"),
                            .error = arena_copy(s->mem, str_of(why->text)),
                            .edges = edges_pack(s->mem, NULL, 0),
                            .created_ms = s->now_ms,
                            .ended_ms = s->now_ms};
    *batch_id = row.id;
    return batches_add(s->db, s->mem, &row, &row.seq, e);
}

/*
 * A re-run of the uploading workflow: what failed goes again in the batch that is there; a batch
 * that succeeded, or was stopped before it began, is made anew (§24 no. 36).
 */
static bool retry_instead(struct step *s, const struct change *c, const struct change_event *ev,
                          bool *handled, str *batch_id, struct err *e)
{
    struct batch_row *old;
    size_t count;
    *handled = false;
    if (!batches_of_change(s->db, s->mem, c->id, 8, &old, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct hot *h;
        struct decisions d = { .mem = s->mem };
        if (!str_eq(old[i].activity, ev->activity) || !str_eq(old[i].head_sha, ev->head_sha))
            continue;
        if (old[i].error.len || str_eq(old[i].verdict, STR("success")))
            return true;
        if (!hot_get(s, old[i].seq, &h, e))
            return false;
        if (holds_never_began(h))
            return true;
        uint32_t again = batch_retry(h->b, s->now_ms, &d);
        *handled = again > 0 || h->b->state != BATCH_ENDED;
        *batch_id = old[i].id;
        return batch_carry_out(s, h, &d, e);
    }
    return true;
}

/* "2,000 writes, about 11 minutes at the written limit; …"; empty without an App. */
static bool forecast_text(struct step *s, const struct plan *p, str *out, struct err *e)
{
    struct budget_forecast f;
    *out = STR("");
    if (!s->lane->repo.installation_id || s->lane->settings.executor == EXECUTOR_RUNNER)
        return true;
    if (!budget_foresee(s->db, s->mem, s->lane->repo.installation_id, p->dispatchable,
                        (int64_t)p->file_count, s->now_ms, &f, e))
        return false;
    *out = budget_forecast_text(s->mem, &f);
    return true;
}

bool batch_make(struct step *s, const struct change *c, const struct change_event *ev,
                str upload_id, bool again, str *batch_id, str *note, struct err *e)
{
    struct upload u;
    struct graph g;
    struct plan p;
    str forecast;
    struct err why = { 0 };
    bool handled = false;
    step_dirty(s, c->id);
    if (again && !retry_instead(s, c, ev, &handled, batch_id, e))
        return false;
    if (handled) {
        *note = STR("a re-run of the upload: what had not succeeded goes again");
        return change_events_end(s->db, ev->id, STR("joined"), *batch_id, *note, e);
    }
    struct trigger t = { .event = event_key(c), .activity = ev->activity };
    bool ok = graph_of_upload(s, upload_id, &u, &g, &why);
    int64_t graph_us = clock_mono_us(), stored_us = 0;      /* for the log alone */
    ok = ok && plan_make(s->mem, &g, t, &p, &why);
    if (!ok && (why.code == ERR_STORAGE || why.code == ERR_BUSY || why.code == ERR_INTERNAL)) {
        *e = why;
        return false;
    }
    if (!ok) {
        *note = arena_copy(s->mem, str_of(why.text));
        return store_refused(s, c, ev, &u, &why, batch_id, e) &&
               change_events_end(s->db, ev->id, STR("joined"), *batch_id, *note, e);
    }
    if (p.dispatchable == 0) {
        *note = arena_print(s->mem, "%u affected, none has a workflow for " PRI_STR "." PRI_STR,
                            g.count, FMT_STR(t.event), FMT_STR(t.activity));
        return change_events_end(s->db, ev->id, STR("ignored"), STR_NONE, *note, e);
    }
    struct hot *h = hot_new(s);
    h->row = (struct batch_row){.change_id = c->id,
                                .upload_id = copy(h, u.id),
                                .event = copy(h, t.event),
                                .activity = copy(h, ev->activity),
                                .head_sha = copy(h, u.head_sha),
                                .base_sha = copy(h, u.base_sha),
                                .actor = copy(h, c->author)};
    choose_ref(s, h, c, ev->activity);
    if (!store_batch(s, h, &g, &p, &stored_us, e) || !trees_want(s, h, c, e))
        return false;
    *batch_id = h->row.id;
    *note = arena_print(s->mem, "batch " PRI_STR ": %u of %u dispatchable", FMT_STR(h->row.id),
                        p.dispatchable, p.count);
    if (!forecast_text(s, &p, &forecast, e))
        return false;
    log_info("batch made", LS("batch", h->row.id), LI("lane", s->lane->id), LS("event", t.event),
             LS("activity", t.activity), LI("nodes", p.count), LI("dispatchable", p.dispatchable),
             LS("forecast", forecast), LS("state", h->row.state), LI("rows_us", stored_us - graph_us),
             LI("look_us", clock_mono_us() - stored_us));
    return change_events_end(s->db, ev->id, STR("joined"), h->row.id, STR_NONE, e);
}

/* ---- a person's order (seed 000: an emergency fix, a one-off task, a test) ------------------- */

/* The newest graph that names the instance, for its dependents. */
static bool graph_with(struct step *s, str stack, str component, struct graph *g, uint32_t *at,
                       bool *found, struct err *e)
{
    struct db_rows r;
    *found = false;
    if (!db_query(
            s->db, s->mem, e, &r,
            "select id from upload where repository_id = $1 and state <> 'refused' order by "
            "received_ms desc limit 20",
            ARGS(A(s->lane->id))))
        return false;
    for (size_t i = 0; i < r.count && !*found; i++) {
        struct upload u;
        if (!graph_of_upload(s, db_at(&r, i, 0)->s, &u, g, e))
            return false;
        for (uint32_t k = 0; k < g->count && !*found; k++)
            if (str_eq(g->instance[k].stack, stack) &&
                str_eq(g->instance[k].component, component)) {
                *at = k;
                *found = true;
            }
    }
    return true;
}

/*
 * The instance and what comes after it, in a graph of its own, all with the workflow and inputs
 * that the person named.
 */
static void cut_graph(struct arena *mem, const struct graph *from, uint32_t root, bool dependents,
                      struct graph *out)
{
    uint32_t *place = arena_make(mem, uint32_t, from->count + 1),
             *queue = arena_make(mem, uint32_t, from->count + 1);
    uint32_t head = 0, tail = 0;
    out->instance = arena_make(mem, struct instance, from->count + 1);
    out->edge = arena_make(mem, struct batch_edge, from->edge_count + 1);
    out->count = 0;
    out->edge_count = 0;
    queue[tail++] = root;
    place[root] = ++out->count;
    out->instance[0] = from->instance[root];
    while (head < tail && dependents) {
        uint32_t at = queue[head++];
        for (size_t i = 0; i < from->edge_count; i++) {
            uint32_t child = from->edge[i].child;
            if (from->edge[i].parent != at)
                continue;
            if (!place[child]) {
                out->instance[out->count] = from->instance[child];
                place[child] = ++out->count;
                queue[tail++] = child;
            }
            out->edge[out->edge_count++] = (struct batch_edge){ place[at] - 1, place[child] - 1 };
        }
    }
}

/*
 * What was ordered; a workflow file is told component and stack of each node besides, where it
 * declares them, unless the order says otherwise. A runner is told them anyway.
 */
static void manual_inputs(struct step *s, struct json inputs, struct json_out *w)
{
    static const struct {
        const char *name, *value;
    } own[] = { { "component", "{{ .atmos_component }}" }, { "stack", "{{ .atmos_stack }}" } };
    struct json_iter it = json_iter(inputs);
    struct json value;
    str name;
    json_begin_object(w);
    while (json_next(&it, s->mem, &name, &value))
        json_field_raw(w, name, json_raw(value));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (s->lane->settings.executor != EXECUTOR_RUNNER &&
            json_kind(json_get(inputs, str_of(own[i].name))) == JSON_ABSENT)
            json_field_str(w, str_of(own[i].name), str_of(own[i].value));
    json_end_object(w);
}

static bool manual_pro(struct step *s, str workflow, struct json inputs, struct json *pro,
                       struct err *e)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("manual"));
    json_begin_object(&w);
    json_key(&w, STR("dispatch"));
    json_begin_object(&w);
    json_key(&w, STR("workflows"));
    json_begin_object(&w);
    json_key(&w, workflow);
    json_begin_object(&w);
    json_key(&w, STR("inputs"));
    manual_inputs(s, inputs, &w);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    return json_parse(s->mem, buf_str(&b), 0, pro, e);
}

static str dry_run_note(struct step *s, const struct graph *g, const struct plan *p,
                        const struct hot *h, str forecast)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, (size_t)8 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_bool(&w, STR("dryRun"), true);
    json_field_i64(&w, STR("dispatches"), p->dispatchable);
    /*
     * One dispatch each, a check and a comment at start and end, a listing per hundred runs in case
     * webhooks are lost.
     */
    json_field_i64(&w, STR("apiCalls"),
                   on_runner(h) ? 4
                                : (int64_t)p->dispatchable + 4 + (int64_t)p->file_count +
                                      p->dispatchable / 100);
    json_field_i64(&w, STR("forecastMs"),
                   batch_forecast_ms(h->b, (uint32_t)s->lane->settings.dispatch_concurrency));
    json_field_str(&w, STR("forecast"), forecast);
    json_key(&w, STR("order"));
    json_begin_array(&w);
    for (uint32_t k = 0; k < h->b->count; k++) {
        uint32_t i = h->b->order[k];
        const struct instance *in = &g->instance[p->node[i].instance];
        json_begin_object(&w);
        json_field_str(&w, STR("stack"), in->stack);
        json_field_str(&w, STR("component"), in->component);
        json_field_str(&w, STR("workflow"), p->node[i].workflow);
        json_field_i64(&w, STR("level"), p->node[i].level);
        json_field_i64(&w, STR("expectedMs"), h->node[i].expected_ms);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    return buf_str(&b);
}

static bool manual_graph(struct step *s, struct json order, struct graph *g, struct err *e)
{
    str stack = json_str(json_get(order, STR("stack")), s->mem),
        component = json_str(json_get(order, STR("component")), s->mem);
    str workflow = json_str(json_get(order, STR("workflow")), s->mem);
    bool dependents = json_bool_or(json_get(order, STR("withDependents")), false), found = false;
    struct graph whole = { 0 };
    uint32_t at = 0;
    struct json pro;
    bool away = s->lane->settings.executor == EXECUTOR_RUNNER;
    str ignored;
    if (!stack.len || !component.len ||
        !(away ? node_workflow(workflow, &ignored) : workflow_name_ok(workflow)))
        return fail(e, ERR_INVALID, "a dispatch needs stack, component and workflow (%s)",
                    away ? "of the atmos CLI" : "a file name under .github/workflows");
    if (dependents && !graph_with(s, stack, component, &whole, &at, &found, e))
        return false;
    if (dependents && !found)
        return fail(e, ERR_NOT_FOUND,
                    "no upload names " PRI_STR " in " PRI_STR
                    ", so its dependents are not known; dispatch it without --with-dependents",
                    FMT_STR(component), FMT_STR(stack));
    if (!found) {
        whole.instance = arena_make(s->mem, struct instance, 1);
        whole.instance[0] =
            (struct instance){.stack = stack, .component = component, .affected = true};
        whole.count = 1;
    }
    cut_graph(s->mem, &whole, at, dependents, g);
    if (!manual_pro(s, workflow, json_get(order, STR("inputs")), &pro, e))
        return false;
    for (uint32_t i = 0; i < g->count; i++) {
        g->instance[i].pro = pro;
        g->instance[i].deleted = false;
    }
    return true;
}

static bool manual_change(struct step *s, struct hot *h, str actor, struct err *e)
{
    struct change put = {.repository_id = s->lane->id,
                         .kind = STR("manual"),
                         .key = id_new(s->mem, "man_", s->now_ms),
                         .title = STR("manual dispatch"),
                         .author = actor,
                         .state = STR("open"),
                         .head_sha = h->row.head_sha,
                         .forge_updated_ms = s->now_ms},
                  c;
    if (!changes_put(s->db, s->mem, &put, s->now_ms, &c, e))
        return false;
    h->row.change_id = c.id;
    return true;
}

bool batch_make_manual(struct step *s, struct json order, str actor, bool dry_run, str *note,
                       struct err *e)
{
    struct graph g = { 0 };
    struct plan p;
    int64_t stored_us;
    str sha = json_str(json_get(order, STR("sha")), s->mem);
    if (!manual_graph(s, order, &g, e) ||
        !plan_make(s->mem, &g, (struct trigger){ STR("manual"), STR("dispatch") }, &p, e))
        return false;
    if (p.dispatchable == 0)
        return fail(e, ERR_INVALID, "nothing in it can be dispatched");
    struct hot *h = hot_new(s);
    h->row = (struct batch_row){.event = STR("manual"),
                                .activity = STR("dispatch"),
                                .head_sha = copy(h, sha),
                                .ref = copy(h, s->lane->repo.default_branch),
                                .actor = copy(h, actor),
                                .upload_id = STR_NONE};
    if (dry_run) {
        if (!fill_nodes(s, h, &g, &p, e))
            return false;
        build_core(h, &p);
        str forecast;
        if (!forecast_text(s, &p, &forecast, e))
            return false;
        *note = dry_run_note(s, &g, &p, h, forecast);
        s->lane->hot = h->next;
        arena_free(h->mem);
        return true;
    }
    if (!manual_change(s, h, actor, e) || !store_batch(s, h, &g, &p, &stored_us, e))
        return false;
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"dispatches\":%u}", FMT_STR(h->row.id),
                        p.dispatchable);
    return step_audit(s, "workflow", "ordered", "token", actor, STR("batch"), h->row.id,
                      arena_print(s->mem, "manual dispatch of %u", p.dispatchable), e);
}
