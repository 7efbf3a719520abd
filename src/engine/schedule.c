/*
 * schedule: the bridge between the core and the rows. The only callers of batch_step and its
 * siblings outside the tests.
 */
#include <assert.h>

#include "base/id.h"
#include "base/log.h"
#include "domain/command.h"
#include "domain/lock.h"
#include "engine/inside.h"
#include "store/feedback.h"
#include "store/holds.h"

enum { INPUTS_MAX = 25, NODES_PER_STEP = 256 };

static const char *const file_sentences[DISPATCH_ERROR_COUNT] = {
    [DISPATCH_WORKFLOW_NOT_FOUND] =
        "is not in .github/workflows at the dispatch ref; add it to the default branch",
    [DISPATCH_NOT_DISPATCHABLE] =
        "has no workflow_dispatch trigger; add `on: workflow_dispatch:` with its inputs",
    [DISPATCH_WORKFLOW_UNREADABLE] = "is not valid YAML; mend it on the default branch",
    [DISPATCH_BAD_WORKFLOW_NAME] =
        "is not a name that can be dispatched: a bare file name that ends in .yml or .yaml",
};

/* ---- decisions into rows --------------------------------------------------------------------- */

static str inputs_json(struct arena *mem, const struct dispatch_inputs *in)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < in->count; i++)
        json_field_str(&w, in->at[i].name, in->at[i].value.ptr ? in->at[i].value : STR(""));
    json_end_object(&w);
    return buf_str(&b);
}

static str dispatch_body(struct step *s, const struct hot *h, uint32_t node, str run_id, str inputs)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("run"), run_id);
    json_field_str(&w, STR("file"), h->node[node].workflow);
    json_field_str(&w, STR("ref"), h->row.ref);
    json_field_raw(&w, STR("inputs"), inputs);
    json_end_object(&w);
    return buf_str(&b);
}

/*
 * What the small second rendering pass may know of an instance (older CLIs sent these fields beside
 * the entry).
 */
static struct instance instance_of(struct step *s, const struct node_row *n, struct json stored)
{
    return (struct instance){ .stack = n->stack, .component = n->component,
                              .namespace_ = json_str(json_get(stored, STR("namespace")), s->mem),
                              .tenant = json_str(json_get(stored, STR("tenant")), s->mem),
                              .environment = json_str(json_get(stored, STR("environment")), s->mem),
                              .stage = json_str(json_get(stored, STR("stage")), s->mem) };
}

static bool begin_at_forge(struct step *s, struct hot *h, uint32_t node, const struct instance *i,
                           struct json inputs, struct run_row *r, str *body,
                           enum dispatch_error *refused, str *why, struct err *e)
{
    int file = hot_file(h, h->node[node].workflow);
    struct dispatch_inputs in = { 0 };
    assert(file >= 0);
    if (!hot_workflows(s, h, e))
        return false;
    *refused = h->file_error[file];
    if (*refused != DISPATCH_OK) {
        *why = arena_print(s->mem, PRI_STR " %s", FMT_STR(h->node[node].workflow),
                           file_sentences[*refused]);
    } else {
        *refused = workflow_inputs(s->mem, &h->workflow[file], i, inputs, h->row.head_sha, r->id,
                                   INPUTS_MAX, &in, why);
        r->inputs = inputs_json(s->mem, &in);
    }
    r->findable = in.carries_run_id && h->workflow[file].run_name_has_id;
    *body = dispatch_body(s, h, node, r->id, r->inputs);
    return true;
}

/*
 * Makes the run row and the dispatch effect of the attempt that just began. *refused: the inputs
 * cannot be sent.
 */
static bool begin_attempt(struct step *s, struct hot *h, uint32_t node,
                          enum dispatch_error *refused, str *why, struct err *e)
{
    struct node_row *n = &h->node[node];
    str body;
    struct json stored;
    struct run_row r = {.batch_seq = h->row.seq,
                        .position = node,
                        .attempt = h->b->node[node].attempt,
                        .repository_id = s->lane->id,
                        .stack = n->stack,
                        .component = n->component,
                        .workflow = n->workflow,
                        .ref = h->row.ref,
                        .sha = h->row.head_sha,
                        .trigger_event = h->row.event,
                        .guess = n->guess,
                        .state = NODE_DISPATCHING,
                        .created_ms = s->now_ms,
                        .inputs = STR("{}")};

    if (!json_parse(s->mem, n->inputs.len ? n->inputs : STR("{}"), 0, &stored, e))
        return false;
    r.id = n->run_id = id_new(h->mem, "run_", s->now_ms);
    struct instance i = instance_of(s, n, json_get(stored, STR("vars")));
    struct json inputs = json_get(stored, STR("inputs"));
    if (!(on_runner(h) ? node_runner_begin(s, h, node, &i, inputs, &r, &body, refused, why, e)
                       : begin_at_forge(s, h, node, &i, inputs, &r, &body, refused, why, e)))
        return false;
    bool grant = h->b->node[node].run_class == RUN_APPLY;
    if (!instance_fence(s->db, s->mem, s->lane->id, n->stack, n->component, grant, s->now_ms,
                        &r.fence, e) ||
        !runs_add(s->db, &r, e))
        return false;
    return *refused != DISPATCH_OK ||
           step_effect(s, on_runner(h) ? "runner_dispatch" : "dispatch", r.id, body, 0, e);
}

static bool cancel_run(struct step *s, struct hot *h, uint32_t node, struct err *e)
{
    if (on_runner(h))
        return node_runner_stop(s, h->node[node].run_id, e);
    return step_effect(s, "cancel_run", h->node[node].run_id, STR("{}"), 0, e);
}

static bool save_node(struct step *s, struct hot *h, uint32_t i, struct err *e)
{
    const struct batch_node *b = &h->b->node[i];
    struct node_row *n = &h->node[i];
    if (b->state != NODE_BLOCKED)
        n->gate = STR("");
    if (b->state == NODE_WAITING || b->state == NODE_READY) {
        n->error_code = n->error_text = STR("");
    }
    n->state = b->state;
    n->attempt = b->attempt;
    n->cancel_wanted = b->cancel_wanted;
    n->not_before_ms = b->not_before_ms;
    n->changed_ms = s->now_ms;
    return nodes_save(s->db, h->row.seq, i, n, s->now_ms, e);
}

/* For lists: what has ended need not be counted again. */
static str counts_json(struct arena *mem, const struct batch *b)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, mem, 4096);
    json_out_init(&w, &text);
    json_begin_object(&w);
    for (int k = 0; k < NODE_STATE_COUNT; k++)
        if (b->by_state[k])
            json_field_i64(&w, str_of(node_state_name((enum node_state)k)), b->by_state[k]);
    json_end_object(&w);
    return buf_str(&text);
}

static bool save_batch(struct step *s, struct hot *h, struct err *e)
{
    h->row.state = str_of(batch_state_name(h->b->state));
    enum batch_verdict verdict = batch_verdict(h->b);
    h->row.verdict = verdict == VERDICT_NONE ? STR("") : str_of(batch_verdict_name(verdict));
    h->row.cancelled = h->b->cancelled;
    if (h->b->state == BATCH_RUNNING && !h->row.started_ms)
        h->row.started_ms = s->now_ms;
    h->row.ended_ms = h->b->state == BATCH_ENDED ? s->now_ms : 0;
    h->row.counts = h->b->state == BATCH_ENDED ? counts_json(h->mem, h->b) : STR("");
    return batches_save(s->db, &h->row, s->now_ms, e) &&
           (h->b->state != BATCH_ENDED || (holds_over(s->db, h->row.seq, s->now_ms, e) && budget_over(s, h, e)));
}

struct refusal { uint32_t node; enum dispatch_error code; str why; };

bool batch_carry_out(struct step *s, struct hot *h, struct decisions *d, struct err *e)
{
    struct refusal *refused = arena_make(s->mem, struct refusal, d->count + 1);
    size_t refused_count = 0;

    for (size_t i = 0; i < d->count; i++) {
        uint32_t node = d->at[i].node;
        if (d->at[i].kind == DO_DISPATCH) {
            struct refusal *r = &refused[refused_count];
            r->node = node;
            if (!begin_attempt(s, h, node, &r->code, &r->why, e))
                return false;
            refused_count += r->code != DISPATCH_OK;
        } else if (d->at[i].kind == DO_CANCEL_RUN && !cancel_run(s, h, node, e)) {
            return false;
        }
    }
    for (size_t i = 0; i < d->count; i++) {
        if (d->at[i].kind == DO_SAVE_NODE && !save_node(s, h, d->at[i].node, e))
            return false;
        if (d->at[i].kind == DO_SAVE_BATCH && !save_batch(s, h, e))
            return false;
        if (d->at[i].kind == DO_REPORT)
            step_dirty(s, h->row.change_id);
    }
    for (size_t i = 0; i < refused_count; i++)
        if (!node_refuse(s, h, refused[i].node, refused[i].code, refused[i].why, e))
            return false;
    return true;
}

bool node_tell(struct step *s, struct hot *h, struct node_message m, enum node_verdict *verdict,
               struct err *e)
{
    struct decisions d = { .mem = s->mem };
    m.now_ms = s->now_ms;
    bool sending = h->b->node[m.node].state == NODE_DISPATCHING;
    *verdict = batch_step(h->b, m, &d);
    if (sending && !on_runner(h) && h->b->node[m.node].state != NODE_DISPATCHING && m.event != NODE_PUT_BACK)
        budget_spent(h);
    return batch_carry_out(s, h, &d, e);
}

bool node_refuse(struct step *s, struct hot *h, uint32_t node, enum dispatch_error code, str why,
                 struct err *e)
{
    enum node_verdict verdict;
    struct run_row r;
    bool found;
    struct node_row *n = &h->node[node];
    n->error_code = str_of(dispatch_error_name(code));
    n->error_text = arena_copy(h->mem, why);
    if (!runs_get(s->db, s->mem, n->run_id, &r, &found, e))
        return false;
    if (found) {
        s->run_ended = true;            /* whoever waits for this instance is looked at again */
        r.state = NODE_ERROR;
        r.ended_ms = r.seen_ms = s->now_ms;
        r.error_code = n->error_code;
        r.error_text = n->error_text;
        if (!runs_save(s->db, &r, e))
            return false;
    }
    return node_tell(s, h,
                     (struct node_message){
                         .event = NODE_REFUSED, .node = node, .attempt = h->b->node[node].attempt},
                     &verdict, e);
}

/* ---- starting a batch ------------------------------------------------------------------------ */

/* Asks for the workflow files that are not known, or not fresh. */
static bool want_files(struct step *s, const struct hot *h, bool *missing, struct err *e)
{
    *missing = false;
    for (uint32_t i = 0; i < h->file_count; i++) {
        struct workflow_row w;
        bool found;
        if (!workflow_name_ok(h->file[i]))
            continue;
        if (!workflows_get(s->db, s->mem, s->lane->id, h->row.ref, h->file[i], &w, &found, e))
            return false;
        if (found && !w.stale && s->now_ms - w.read_ms < WORKFLOW_FRESH_MS)
            continue;
        *missing = true;
        struct buf b;
        struct json_out j;
        buf_init(&b, s->mem, 1 << 16);
        json_out_init(&j, &b);
        json_begin_object(&j);
        json_field_str(&j, STR("file"), h->file[i]);
        json_field_str(&j, STR("ref"), h->row.ref);
        json_end_object(&j);
        if (!step_effect(
                s, "read_workflow",
                arena_print(s->mem, PRI_STR " " PRI_STR, FMT_STR(h->row.ref), FMT_STR(h->file[i])),
                buf_str(&b), 0, e))
            return false;
    }
    return true;
}

/*
 * Nothing holds it, and every workflow file is known and fresh: the batch starts. Otherwise it is
 * held, or asks for what is missing.
 */
bool batch_try_start(struct step *s, struct hot *h, struct err *e)
{
    struct decisions d = { .mem = s->mem };
    bool missing, may_go, held = h->b->state == BATCH_HELD;
    if (h->b->state != BATCH_PREPARING && !held)
        return true;
    /* Nothing would be sent: what is held stays so until the App is back. */
    if (held && (s->lane->repo.removed || s->lane->repo.suspended))
        return true;
    if (!holds_look(s, h, &may_go, e))
        return false;
    if (!may_go)
        return true;
    /* The workflows of a runner are in its clone, and not looked at here. */
    if (on_runner(h))
        missing = false;
    else if (!want_files(s, h, &missing, e))
        return false;
    if (missing)
        batch_prepare(h->b, &d);
    else
        batch_start(h->b, s->now_ms, &d);
    return batch_carry_out(s, h, &d, e);
}

bool batch_reopen(struct step *s, struct hot *h, struct err *e)
{
    if (!holds_refuse_again(s, h, e))
        return false;
    if (h->row.started_ms)
        return true;
    return fail(e, ERR_CONFLICT,
                "the batch was stopped before its workflow files were read; push again, or re-run "
                "the workflow that uploads, to get a new one (batch " PRI_STR ")",
                FMT_STR(h->row.id));
}

/* ---- the lock gate and the slots ------------------------------------------------------------- */

static str gate_lock(struct step *s, str message, str actor, int64_t expires_ms)
{
    struct buf b;
    struct json_out w = gate_begin(s->mem, &b, GATE_LOCK);
    json_field_str(&w, STR("message"), message);
    json_field_str(&w, STR("actor"), actor);
    json_field_i64(&w, STR("expiresMs"), expires_ms);
    json_end_object(&w);
    return buf_str(&b);
}

static str gate_run(struct step *s, const struct run_row *r)
{
    struct buf b;
    struct json_out w = gate_begin(s->mem, &b, GATE_RUN);
    json_field_str(&w, STR("run"), r->id);
    json_field_str(&w, STR("workflow"), r->workflow);
    json_field_str(&w, STR("url"), r->url);
    json_end_object(&w);
    return buf_str(&b);
}

void lane_look_at(struct step *s, int64_t at_ms)
{
    if (!s->lane->look_ms || at_ms < s->lane->look_ms)
        s->lane->look_ms = at_ms;
    step_wake_at(s, at_ms);
}

/*
 * Why the node may not go now: empty when it may (atmos-pro.md §12.3: explicit locks, and one live
 * apply per instance).
 */
static bool lock_gate(struct step *s, struct hot *h, uint32_t node, str *gate, struct err *e)
{
    const struct node_row *n = &h->node[node];
    struct db_rows r;
    struct run_row other;
    bool found;
    *gate = STR("");
    str key = lock_key_of(s->mem, s->lane->repo.owner, s->lane->repo.name, n->stack, n->component);
    if (!db_query(s->db, s->mem, e, &r,
                  "select message, actor, expires_ms from lock where workspace_id = $1 and folded "
                  "= $2 and deleted_ms is null and expires_ms > $3",
                  ARGS(A(s->lane->repo.workspace_id), A(key), A(s->now_ms))))
        return false;
    if (r.count) {
        lane_look_at(s, db_at(&r, 0, 2)->i);
        *gate = gate_lock(s, db_at(&r, 0, 0)->s, db_at(&r, 0, 1)->s, db_at(&r, 0, 2)->i);
        return true;
    }
    bool for_apply = h->b->node[node].run_class == RUN_APPLY;
    if (!runs_in_way(s->db, s->mem, s->lane->id, n->stack, n->component, for_apply, &other,
                     &found, e))
        return false;
    if (found)
        *gate = gate_run(s, &other);
    return true;
}

static bool recheck_blocked(struct step *s, struct hot *h, struct err *e)
{
    int64_t room;
    if (!budget_room(s, h, &room, e))
        return false;
    for (uint32_t i = 0; i < h->count && h->b->by_state[NODE_BLOCKED]; i++) {
        str gate;
        enum node_verdict verdict;
        if (h->b->node[i].state != NODE_BLOCKED)
            continue;
        if (gate_kind(h->node[i].gate) == GATE_BUDGET && room-- <= 0)
            continue;
        if (!lock_gate(s, h, i, &gate, e))
            return false;
        if (!gate.len)
            node_runner_gate(s, h, i, &gate);
        if (!gate.len) {
            if (!node_tell(s, h, (struct node_message){.event = NODE_UNBLOCK, .node = i}, &verdict,
                           e))
                return false;
        } else if (!str_eq(gate, h->node[i].gate)) {
            h->node[i].gate = arena_copy(h->mem, gate);
            step_dirty(s, h->row.change_id);
            if (!nodes_save(s->db, h->row.seq, i, &h->node[i], s->now_ms, e))
                return false;
        }
    }
    return true;
}

/* Dispatch calls under way in this repository. */
static uint32_t dispatching(const struct lane *l)
{
    uint32_t n = 0;
    for (const struct hot *h = l->hot; h; h = h->next)
        n += h->b->by_state[NODE_DISPATCHING];
    return n;
}

static bool let_one_go(struct step *s, struct hot *h, uint32_t node, bool *sent, struct err *e)
{
    enum node_verdict verdict;
    str gate;
    if (!lock_gate(s, h, node, &gate, e) || (!gate.len && !budget_gate(s, h, &gate, e)))
        return false;
    if (!gate.len)
        node_runner_gate(s, h, node, &gate);
    *sent = gate.len == 0;
    if (gate.len)
        h->node[node].gate = arena_copy(h->mem, gate);
    return node_tell(
        s, h, (struct node_message){.event = gate.len ? NODE_BLOCK : NODE_SEND, .node = node},
        &verdict, e);
}

/*
 * Applies before plans, then the order of the batches; within a batch the longest expected path
 * first.
 */
static bool let_batch_go(struct step *s, struct hot *h, uint32_t *slots, struct err *e)
{
    while (*slots) {
        uint32_t ready[NODES_PER_STEP];
        int64_t wake_ms = 0;
        uint32_t want = *slots < NODES_PER_STEP ? *slots : NODES_PER_STEP;
        uint32_t count = batch_next(h->b, want, s->now_ms, ready, &wake_ms);
        step_wake_at(s, wake_ms);
        for (uint32_t i = 0; i < count; i++) {
            bool sent;
            if (!let_one_go(s, h, ready[i], &sent, e))
                return false;
            if (sent && h->b->node[ready[i]].state == NODE_DISPATCHING)
                --*slots;
        }
        if (count < want)
            return true;
    }
    return true;
}

static bool any_ready(const struct lane *l)
{
    for (const struct hot *h = l->hot; h; h = h->next)
        if (h->b->state == BATCH_RUNNING && h->b->ready_count)
            return true;
    return false;
}

bool lane_let_go(struct step *s, struct err *e)
{
    struct lane *l = s->lane;
    bool blocked = false;
    if (!l->has_repo || l->repo.removed || l->repo.suspended)
        return true;
    bool look =
        s->step_recheck || s->run_ended || l->fresh || (l->look_ms && s->now_ms >= l->look_ms);
    if (look)
        l->look_ms = 0;
    for (struct hot *h = l->hot; h && look; h = h->next)
        if (h->b->by_state[NODE_BLOCKED] && !recheck_blocked(s, h, e))
            return false;
    uint32_t limit = (uint32_t)l->settings.dispatch_concurrency, busy = dispatching(l);
    uint32_t slots = busy < limit ? limit - busy : 0;
    bool may = true;
    if (slots && any_ready(l) && !budget_may_send(s, &may, e))
        return false;
    for (int applies = 1; applies >= 0; applies--)
        for (struct hot *h = l->hot; h && slots; h = h->next) {
            bool apply_batch = str_eq(h->row.activity, STR("merged")) ||
                               !str_eq(h->row.event, STR("pull_request"));
            if (h->b->state == BATCH_RUNNING && apply_batch == (applies == 1) &&
                (may || on_runner(h)) && !let_batch_go(s, h, &slots, e))
                return false;
        }
    for (struct hot *h = l->hot; h; h = h->next)
        blocked = blocked || h->b->by_state[NODE_BLOCKED];
    atomic_store(&l->has_blocked, blocked);
    if (blocked && s->en->kind == DB_POSTGRES)
        lane_look_at(s, s->now_ms + BLOCKED_LOOK_MS);
    else
        step_wake_at(s, l->look_ms);
    return true;
}
