#include "engine/view_inside.h"

#include "base/json.h"
#include "base/pack.h"
#include "domain/gate.h"
#include "store/budget.h"
#include "store/holds.h"

enum { EDGES_BYTES_MAX = 8 * BATCH_EDGES_MAX, BATCHES_SHOWN = 2 };

/* ---- a batch and its core -------------------------------------------------------------------- */

static bool edges_unpack(struct arena *mem, str packed, uint32_t nodes, struct batch_edge **out,
                         size_t *count, struct err *e)
{
    str plain;
    if (!unpack(mem, packed, EDGES_BYTES_MAX, &plain, e))
        return false;
    *count = plain.len / 8;
    *out = arena_make(mem, struct batch_edge, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        const uint8_t *b = (const uint8_t *)plain.ptr + i * 8;
        (*out)[i].parent =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        (*out)[i].child =
            (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
        if ((*out)[i].parent >= nodes || (*out)[i].child >= nodes)
            return fail(e, ERR_INTERNAL, "an edge names a node that the batch does not have");
    }
    return true;
}

static enum batch_state batch_state_of(str name)
{
    for (int i = BATCH_PREPARING; i <= BATCH_ENDED; i++)
        if (str_eq(name, str_of(batch_state_name((enum batch_state)i))))
            return (enum batch_state)i;
    return BATCH_ENDED;
}

bool batch_whole_read(struct db *db, struct arena *mem, int64_t repository_id, int64_t seq,
                      struct batch_whole *out, struct err *e)
{
    bool found;
    size_t count, edge_count;
    struct batch_edge *edge;
    *out = (struct batch_whole){ 0 };
    if (!batches_by_seq(db, mem, seq, &out->row, &found, e))
        return false;
    if (!found || out->row.repository_id != repository_id)
        return fail(e, ERR_NOT_FOUND, "no batch %lld in this repository", (long long)seq);
    if (!nodes_of(db, mem, seq, &out->node, &count, e) ||
        !edges_unpack(mem, out->row.edges, (uint32_t)count, &edge, &edge_count, e))
        return false;
    out->count = (uint32_t)count;
    struct batch_node *n = arena_make(mem, struct batch_node, count + 1);
    for (size_t i = 0; i < count; i++)
        n[i] = (struct batch_node){.state = out->node[i].state,
                                   .run_class = out->node[i].run_class ? RUN_APPLY : RUN_PLAN,
                                   .attempt = (uint32_t)out->node[i].attempt,
                                   .expected_ms = out->node[i].expected_ms,
                                   .cancel_wanted = out->node[i].cancel_wanted,
                                   .not_before_ms = out->node[i].not_before_ms};
    out->b = batch_load(mem, n, out->count, edge, edge_count, out->row.strict_plans,
                        batch_state_of(out->row.state), out->row.cancelled,
                        out->row.superseded_by.len > 0);
    return true;
}

/* ---- who looks ------------------------------------------------------------------------------- */

void view_settings(struct arena *mem, const struct lane_repo *r, struct repo_settings *out,
                   struct err *why)
{
    struct json changes;
    settings_default(out);
    if (json_parse(mem, r->settings.len ? r->settings : STR("{}"), 0, &changes, why) &&
        !settings_merge(mem, changes, out, why))
        settings_default(out);
    struct err ignored = { 0 };         /* what the file says was looked at when it was read */
    if (r->file_settings.len && json_parse(mem, r->file_settings, 0, &changes, &ignored))
        (void)!settings_merge(mem, changes, out, &ignored);
}

bool view_open(struct view *v, struct db *db, struct arena *mem, str public_url,
               int64_t repository_id, int64_t now_ms, struct err *e)
{
    struct err ignored = { 0 };
    bool found;
    *v = (struct view){
        .db = db, .mem = mem, .public_url = public_url, .now_ms = now_ms, .deep = true
    };
    if (!lanes_repo(db, mem, repository_id, &v->repo, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "there is no such repository");
    view_settings(mem, &v->repo, &v->settings, &ignored);
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void view_gate(struct arena *mem, const struct node_row *n, struct node_view *v)
{
    struct json gate;
    switch (gate_read(mem, n->gate, &gate)) {
    case GATE_NONE: break;
    case GATE_LOCK:
        v->lock_message = json_str(json_get(gate, STR("message")), mem);
        v->lock_actor = json_str(json_get(gate, STR("actor")), mem);
        v->lock_expires_ms = json_i64_or(json_get(gate, STR("expiresMs")), 0);
        if (!v->lock_message.ptr)
            v->lock_message = STR("");
        break;
    case GATE_BUDGET:
        v->waits_for_budget = true;
        v->budget_until_ms = json_i64_or(json_get(gate, STR("untilMs")), 0);
        break;
    case GATE_RUNNER:
        v->waits_for_runner = json_str(json_get(gate, STR("runner")), mem);
        break;
    case GATE_RUN:
        v->blocked_by = json_str(json_get(gate, STR("workflow")), mem);
        v->blocked_url = json_str(json_get(gate, STR("url")), mem);
        break;
    }
}

static void view_run(struct arena *mem, const struct run_row *r, struct trigger t,
                     enum command guess, struct node_view *v)
{
    struct json counts;
    struct err ignored = { 0 };
    v->run_url = r->url;
    if (r->runner.len && !v->error_text.len) {      /* a runner says why; GitHub does not */
        v->error_code = r->error_code;
        v->error_text = r->error_text;
    }
    v->sent_ms = r->dispatched_ms ? r->dispatched_ms : r->created_ms;
    v->started_ms = r->started_ms;
    v->ended_ms = r->ended_ms;
    v->has_exit = r->has_exit;
    v->exit_code = r->exit_code;
    v->badge = command_badge(t, guess, command_read(r->reported));
    if (!r->counts.len || !json_parse(mem, r->counts, 0, &counts, &ignored))
        return;
    v->has_counts = true;
    v->create = json_i64_or(json_get(counts, STR("create")), 0);
    v->change = json_i64_or(json_get(counts, STR("change")), 0);
    v->replace = json_i64_or(json_get(counts, STR("replace")), 0);
    v->destroy = json_i64_or(json_get(counts, STR("destroy")), 0);
}

static enum command guess_of(str name)
{
    for (int c = COMMAND_UNKNOWN; c <= COMMAND_REMEDIATE; c++)
        if (str_eq(name, str_of(command_name((enum command)c))))
            return (enum command)c;
    return COMMAND_UNKNOWN;
}

/* Parents of every node, from the children lists: two passes, one array. */
static void view_parents(struct arena *mem, const struct batch *b, struct node_view *v)
{
    uint32_t *count = arena_make(mem, uint32_t, b->count + 1);
    uint32_t **at = arena_make(mem, uint32_t *, b->count + 1);
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < b->node[i].child_count; k++)
            count[b->children[b->node[i].first_child + k]]++;
    for (uint32_t i = 0; i < b->count; i++)
        at[i] = arena_make(mem, uint32_t, count[i] + 1);
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < b->node[i].child_count; k++) {
            uint32_t child = b->children[b->node[i].first_child + k];
            at[child][v[child].parent_count++] = i;
        }
    for (uint32_t i = 0; i < b->count; i++)
        v[i].parents = at[i];
}

static struct node_view view_node(struct arena *mem, const struct node_row *n, struct trigger t)
{
    struct node_view v = {.stack = n->stack,
                          .component = n->component,
                          .workflow = n->workflow,
                          .state = n->state,
                          .inert = n->inert,
                          .error_code = n->error_code,
                          .error_text = n->error_text,
                          .expected_ms = n->expected_ms,
                          .learned = n->expected_ms != EXPECTED_DEFAULT_MS,
                          .level = (uint32_t)n->level,
                          .badge = command_badge(t, guess_of(n->guess), COMMAND_UNKNOWN),
                          .run_url = STR(""),
                          .lock_message = STR_NONE,
                          .lock_actor = STR(""),
                          .blocked_by = STR(""),
                          .changed_ms = n->changed_ms,
                          .not_before_ms = n->not_before_ms,
                          .attempt = n->attempt,
                          .tries = n->tries};
    view_gate(mem, n, &v);
    return v;
}

static bool view_nodes(const struct view *v, const struct batch_whole *w, struct batch_view *out,
                       struct err *e)
{
    struct run_row *run;
    size_t run_count;
    if (!runs_of_batch(v->db, v->mem, w->row.seq, &run, &run_count, e))
        return false;
    struct trigger t = { .event = w->row.event, .activity = w->row.activity };
    struct node_view *n = arena_make(v->mem, struct node_view, w->count + 1);
    for (uint32_t i = 0; i < w->count; i++) {
        n[i] = view_node(v->mem, &w->node[i], t);
        if (w->node[i].changed_ms > out->as_of_ms)
            out->as_of_ms = w->node[i].changed_ms;
    }
    for (size_t i = 0; i < run_count; i++) {
        int64_t at = run[i].position;
        if (at >= 0 && at < w->count && run[i].attempt == w->node[at].attempt)
            view_run(v->mem, &run[i], t, guess_of(w->node[at].guess), &n[at]);
    }
    view_parents(v->mem, w->b, n);
    out->node = n;
    out->count = w->count;
    return !v->deep || view_deep_batch(v, w, n, out, e);
}

/* ---- batches --------------------------------------------------------------------------------- */

static str page(const struct view *v, const char *what, str id)
{
    return arena_print(v->mem, PRI_STR "/%s/" PRI_STR, FMT_STR(v->public_url), what, FMT_STR(id));
}

static enum change_kind kind_of(str name)
{
    for (int k = CHANGE_PULL_REQUEST; k <= CHANGE_DRIFT; k++)
        if (str_eq(name, str_of(change_kind_name((enum change_kind)k))))
            return (enum change_kind)k;
    return CHANGE_PULL_REQUEST;
}

/* What holds it, or what is left of it; and who lifted what had held it. */
static bool view_holds(const struct view *v, const struct batch_whole *w, struct batch_view *out,
                       struct err *e)
{
    struct hold_rows *rows = arena_make(v->mem, struct hold_rows, 1);
    struct hold *hold = arena_make(v->mem, struct hold, HOLD_KIND_COUNT);
    struct release_view *released = arena_make(v->mem, struct release_view, HOLD_KIND_COUNT);
    if (!holds_of(v->db, v->mem, w->row.seq, rows, e))
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        const struct hold_row *r = &rows->at[i];
        int64_t at_ms = r->lifted_ms ? r->lifted_ms : r->hold.since_ms;
        bool stands = !r->lifted_ms && w->b->state != BATCH_ENDED;
        if (stands)
            hold[out->hold_count++] = r->hold;
        else if (hold_row_released(r))
            released[out->released_count++] =
                (struct release_view){ .hold = &r->hold, .by = r->lifted_by, .at_ms = at_ms };
        else
            continue;
        if (at_ms > out->as_of_ms)
            out->as_of_ms = at_ms;
    }
    out->hold = hold;
    out->released = released;
    return true;
}

/*
 * What it will cost, while it can still be stopped. In the forge's time, which is also the time of
 * the numbers: the same rows give the same words.
 */
static bool view_forecast(const struct view *v, const struct batch_whole *w,
                          struct batch_view *out, struct err *e)
{
    struct budget b;
    struct pace_limits limits;
    struct budget_forecast f;
    bool open = w->b->state == BATCH_PREPARING || w->b->state == BATCH_HELD;
    if (!open || !v->repo.installation_id || !w->row.dispatchable)
        return true;
    if (!budget_look(v->db, v->mem, v->repo.installation_id, 0, &b, e))
        return false;
    pace_limits_written(&limits);
    budget_forecast(&b, &limits, w->row.dispatchable, 0, b.observed_ms, &f);
    out->forecast = budget_forecast_text(v->mem, &f);
    return true;
}

bool view_batch(const struct view *v, const struct change *c, const struct batch_row *row,
                struct batch_view *out, struct err *e)
{
    struct batch_whole w;
    if (!(v->whole ? v->whole(v->ctx, row->seq, &w, e)
                   : batch_whole_read(v->db, v->mem, v->repo.id, row->seq, &w, e)))
        return false;
    *out = (struct batch_view){
        .id = row->id,
        .url = page(v, "batches", row->id),
        .on_runner = row->executor.len > 0,
        .repository = arena_print(v->mem, PRI_STR "/" PRI_STR, FMT_STR(v->repo.owner),
                                  FMT_STR(v->repo.name)),
        .activity = row->activity,
        .head_sha = row->head_sha,
        .state = batch_state_name(w.b->state),
        .verdict = batch_verdict_name(batch_verdict(w.b)),
        .error = row->error,
        .as_of_ms = row->created_ms,
        .tree_differs = row->tree_differs,
        .superseded_by = w.row.superseded_by,
        .kind = kind_of(c->kind),
        .forecast_ms = batch_forecast_ms(w.b, (uint32_t)v->settings.dispatch_concurrency),
        .created_ms = row->created_ms,
        .started_ms = row->started_ms,
        .ended_ms = row->ended_ms,
        .ref = row->ref,
        .slots = v->settings.dispatch_concurrency,
        .run_timeout_ms = v->settings.run_timeout_minutes * 60000,
        .strict = row->strict_plans,
        .cancelled = w.b->cancelled,
        .app_gone = v->repo.removed || v->repo.suspended,
    };
    if (row->error.len) {
        out->state = "ended";
        out->verdict = "failure";
    }
    return view_holds(v, &w, out, e) && view_forecast(v, &w, out, e) && view_nodes(v, &w, out, e);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Of the head, not left to a newer one: the newest that waits, else the newest that decides. */
static const struct change_event *deciding_event(const struct change *c,
                                                 const struct change_event *ev, size_t count)
{
    const struct change_event *loud = NULL, *any = NULL;
    for (size_t i = count; i-- > 0;) {
        if (!str_eq(ev[i].head_sha, c->head_sha) || str_eq(ev[i].state, STR("superseded")))
            continue;
        if (str_eq(ev[i].state, STR("waiting")))
            return &ev[i];
        /* A label on a pull request says nothing about what is affected. */
        if (!loud && join_brings_upload(ev[i].activity))
            loud = &ev[i];
        if (!any)
            any = &ev[i];
    }
    return loud ? loud : any;
}

static bool view_wait(const struct view *v, const struct change *c, struct change_view *out,
                      struct err *e)
{
    struct change_event *all;
    size_t count;
    if (!change_events_of(v->db, v->mem, c->id, &all, &count, e))
        return false;
    if (v->deep && !view_deep_change(v, all, count, out, e))
        return false;
    out->wait = str_eq(c->state, STR("closed")) ? WAIT_CLOSED : WAIT_NONE;
    const struct change_event *ev = out->wait ? NULL : deciding_event(c, all, count);
    if (!ev)
        return true;
    out->wait_since_ms = ev->at_ms;
    out->wait_until_ms = ev->expires_ms;
    out->wait_activity = ev->activity;
    if (str_eq(ev->state, STR("waiting")))
        out->wait = WAIT_UPLOAD;
    else if (str_eq(ev->state, STR("expired")))
        out->wait = WAIT_NO_UPLOAD;
    else if (str_eq(ev->state, STR("ignored")))
        out->wait = str_starts(ev->note, STR("from a fork")) ? WAIT_FORK : WAIT_NOTHING_AFFECTED;
    return true;
}

bool view_change_alone(const struct view *v, const struct change *c, struct change_view *out,
                       struct err *e)
{
    struct notice_view *notice = arena_make(v->mem, struct notice_view, 1);
    *out =
        (struct change_view){.product = STR("Signalbox"),
                             .kind = kind_of(c->kind),
                             .number = c->number,
                             .title = c->title,
                             .head_sha = c->head_sha,
                             .page_url = arena_print(v->mem, PRI_STR "/changes/%lld",
                                                     FMT_STR(v->public_url), (long long)c->id),
                             .repository =
                                 arena_print(v->mem, PRI_STR "/" PRI_STR, FMT_STR(v->repo.owner),
                                             FMT_STR(v->repo.name)),
                             .settings_wrong = v->repo.file_note,
                             .state = c->state,
                             .draft = c->draft,
                             .notice = notice_read(v->mem, c->notice, notice) ? notice : NULL};
    return view_wait(v, c, out, e);
}

bool view_change(const struct view *v, const struct change *c, struct change_view *out,
                 struct err *e)
{
    struct batch_row *row;
    size_t row_count;
    struct batch_view *b = arena_make(v->mem, struct batch_view, BATCHES_SHOWN + 1);
    if (!view_change_alone(v, c, out, e) ||
        !batches_of_change(v->db, v->mem, c->id, BATCHES_SHOWN, &row, &row_count, e))
        return false;
    out->batch = b;
    /*
     * Newest first; also those of an older head, so that a comment that exists goes on telling the
     * truth about them.
     */
    for (size_t i = 0; i < row_count; i++)
        if (!view_batch(v, c, &row[i], &b[out->batch_count++], e))
            return false;
    return true;
}
