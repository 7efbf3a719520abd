/*
 * node_runner: nodes of a batch on a registered runner (runner.md §3, §5). A dispatch is known to the
 * runner by its run, so one whose answer was lost is sent again as it was, and runs once. What the
 * runner says of a run goes the way that GitHub's word goes (runs.c).
 *
 * Effects, keyed by our id of the run: "runner_dispatch", "runner_cancel", "runner_poll".
 */
#include "domain/node_dispatch.h"

#include <stdio.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "base/secret.h"
#include "domain/action.h"
#include "domain/action_run.h"
#include "domain/text.h"
#include "engine/inside.h"
#include "store/actions.h"
#include "store/secrets.h"

enum {
    ERROR_CHARS = 2000, METADATA_BYTES_MAX = 64 << 10,
    AWAY_TRIES_MAX = 15,                /* about ten minutes in which nothing listens there */
    STOP_TRIES_MAX = 10,
    FULL_MS = 15 * 1000, FULL_LEAST_MS = 1000, FULL_MOST_MS = 5 * 60 * 1000,
};

/* What a dispatch that left is for. */
#define FOR_FIRST "first"       /* nothing of this run has left before */
#define FOR_AGAIN "again"       /* an earlier one may have arrived */
#define FOR_STOP  "stop"        /* it is not wanted any more: whatever arrived shall stop */

bool on_runner(const struct hot *h)
{
    return str_eq(h->row.executor, str_of(executor_name(EXECUTOR_RUNNER)));
}

/* That of the setting, so that a retry can go elsewhere; the one of then when there is none now. */
static str runner_of(const struct step *s, const struct hot *h)
{
    const struct repo_settings *now = &s->lane->settings;
    return now->executor == EXECUTOR_RUNNER && now->runner.text[0] ? str_of(now->runner.text)
                                                                   : h->row.runner;
}

static bool want(struct step *s, const char *kind, str run_id, struct err *e)
{
    return step_effect(s, kind, run_id, STR("{}"), 0, e);
}

bool node_runner_stop(struct step *s, str run_id, struct err *e)
{
    return want(s, "runner_cancel", run_id, e);
}

/* ---- an attempt begins ----------------------------------------------------------------------- */

static str order_body(struct arena *mem, const struct node_order *o, int64_t expires_ms)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("workflow"), o->workflow);
    json_field_str(&w, STR("stack"), o->stack);
    json_field_str(&w, STR("ref"), o->ref);
    json_field_raw(&w, STR("vars"), o->vars);
    json_field_i64(&w, STR("minutes"), o->minutes);
    json_field_i64(&w, STR("expiresMs"), expires_ms);
    json_end_object(&w);
    return buf_str(&b);
}

static enum dispatch_error missing_runner(struct step *s, str name, str *why)
{
    *why = name.len
               ? arena_print(s->mem, "the repository has no registered runner " PRI_STR
                             ": signalbox runners set " PRI_STR " --endpoint …, then re-run",
                             FMT_STR(name), FMT_STR(name))
               : STR("the setting executor is runner, but the setting runner names none: signalbox "
                     "repo set runner=NAME, then re-run");
    return DISPATCH_NO_RUNNER;
}

bool node_runner_begin(struct step *s, struct hot *h, uint32_t node, const struct instance *i,
                       struct json inputs, struct run_row *r, str *body,
                       enum dispatch_error *refused, str *why, struct err *e)
{
    int64_t limit_ms = s->lane->settings.run_timeout_minutes * 60000;
    struct node_order o = { .stack = h->node[node].stack, .ref = h->row.head_sha,
                            .minutes = runner_minutes(limit_ms) };
    struct runner_row runner;
    bool found = false;
    *body = STR("{}");
    r->runner = runner_of(s, h);
    r->runner_run = node_run_uuid(s->mem, r->id);
    r->url = arena_print(s->mem, PRI_STR "/runs/" PRI_STR, FMT_STR(s->en->public_url),
                         FMT_STR(r->id));
    if (r->runner.len &&
        !runners_get(s->db, s->mem, s->lane->id, r->runner, &runner, &found, e))
        return false;
    *refused = found ? DISPATCH_OK : missing_runner(s, r->runner, why);
    if (*refused == DISPATCH_OK && !node_workflow(h->node[node].workflow, &o.workflow)) {
        *refused = DISPATCH_BAD_ATMOS_WORKFLOW;
        *why = arena_print(s->mem, PRI_STR " names no workflow that a runner takes: letters, digits, "
                           "blanks and ._/{}-, at most 128, with or without .yaml; and not help",
                           FMT_STR(text_plain(s->mem, h->node[node].workflow, 100)));
    }
    if (*refused == DISPATCH_OK)
        *refused = node_variables(s->mem, i, inputs, h->row.head_sha, r->id, &o.vars, why);
    if (*refused != DISPATCH_OK)
        return true;
    r->inputs = o.vars;
    *body = order_body(s->mem, &o, s->now_ms + limit_ms + NODE_TOKEN_SPARE_MS);
    return true;
}

/* ---- a runner that is full ------------------------------------------------------------------- */

static bool is_full(const struct step *s, const struct hot *h)
{
    return s->lane->full.until_ms && str_eq(str_of(s->lane->full.name), runner_of(s, h));
}

static bool trying(const struct lane *l)
{
    for (const struct hot *h = l->hot; h; h = h->next)
        if (on_runner(h) && h->b->by_state[NODE_DISPATCHING])
            return true;
    return false;
}

/* When its time is over, one is sent to try, and the others wait for what comes of it. */
void node_runner_gate(struct step *s, const struct hot *h, uint32_t node, str *gate)
{
    struct lane *l = s->lane;
    struct full_try *try = &l->full.try;
    *gate = STR("");
    if (!on_runner(h) || !is_full(s, h))
        return;
    bool mine = try->step == s->number && try->batch_seq == h->row.seq && try->node == node;
    bool taken = trying(l) || (try->step == s->number && !mine);
    if (s->now_ms >= l->full.until_ms && !taken) {
        *try = (struct full_try){ s->number, h->row.seq, node };
        return;
    }
    if (s->now_ms < l->full.until_ms)
        lane_look_at(s, l->full.until_ms);
    /* without a time: the text of a gate is shown, and a runner is tried often */
    struct buf b;
    struct json_out w = gate_begin(s->mem, &b, GATE_RUNNER);
    json_field_str(&w, STR("runner"), str_of(l->full.name));
    json_end_object(&w);
    *gate = buf_str(&b);
}

static void note_full(struct step *s, str runner, int64_t wait_ms)
{
    struct lane *l = s->lane;
    wait_ms = wait_ms ? wait_ms : FULL_MS;
    wait_ms = wait_ms < FULL_LEAST_MS ? FULL_LEAST_MS : wait_ms > FULL_MOST_MS ? FULL_MOST_MS : wait_ms;
    snprintf(l->full.name, sizeof l->full.name, PRI_STR, FMT_STR(runner));
    l->full.until_ms = s->now_ms + wait_ms;
    log_info("a runner is full", LS("runner", runner), LI("lane", l->id), LI("wait_ms", wait_ms));
}

static void note_room(struct step *s)
{
    if (!s->lane->full.until_ms)
        return;
    s->lane->full.until_ms = 0;
    s->step_recheck = true;
}

/* A run of it has ended: somebody tries at once. */
static void maybe_room(struct step *s, str runner)
{
    struct lane *l = s->lane;
    if (!l->full.until_ms || !str_eq(str_of(l->full.name), runner))
        return;
    l->full.until_ms = s->now_ms;
    s->step_recheck = true;
}

/* ---- what leaves ----------------------------------------------------------------------------- */

struct door { str endpoint, token; str *mask; size_t mask_count; };

/* ERR_NOT_FOUND: there is no such runner, or no token for it. */
static bool open_door(struct step *s, str name, struct door *d, struct err *e)
{
    struct runner_row runner;
    bool found;
    if (!runners_get(s->db, s->mem, s->lane->id, name, &runner, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "there is no registered runner " PRI_STR " any more",
                    FMT_STR(name));
    if (!secrets_get(s->db, s->mem, s->en->config.seal_key, s->lane->id, runner.token_secret,
                     &d->token, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "the secret " PRI_STR ", the token of runner " PRI_STR
                    ", is not set: signalbox secrets set " PRI_STR, FMT_STR(runner.token_secret),
                    FMT_STR(name), FMT_STR(runner.token_secret));
    d->endpoint = runner.endpoint;
    return secrets_values(s->db, s->mem, s->en->config.seal_key, s->lane->id, &d->mask,
                          &d->mask_count, e);
}

static void leave(struct step *s, const struct effect *f, const struct door *d, str url, str body,
                  bool read, str memo)
{
    outbox_add_runner(s, f->id, &(struct runner_call){ .url = url,
                                                       .token = d->token,
                                                       .body = body,
                                                       .read = read,
                                                       .mask = d->mask,
                                                       .mask_count = d->mask_count },
                      memo);
}

static str run_route(struct step *s, const struct door *d, const struct run_row *r, const char *rest)
{
    return endpoint_route(s->mem, d->endpoint, arena_print(s->mem, "runs/" PRI_STR "%s",
                                                           FMT_STR(r->runner_run), rest));
}

static bool refuse(struct step *s, const struct effect *f, const struct run_row *r,
                   enum dispatch_error code, str why, bool maybe_there, struct err *e)
{
    struct hot *h;
    why = arena_copy(s->mem, why);
    return effect_end(s, f, true, why, e) && hot_get(s, r->batch_seq, &h, e) &&
           node_refuse(s, h, (uint32_t)r->position, code, why, e) &&
           (!maybe_there || node_runner_stop(s, r->id, e));
}

static bool send(struct step *s, const struct effect *f, const struct run_row *r, struct json body,
                 struct door *d, bool again, struct err *e)
{
    struct node_order o = { .workflow = json_str(json_get(body, STR("workflow")), s->mem),
                            .stack = json_str(json_get(body, STR("stack")), s->mem),
                            .ref = json_str(json_get(body, STR("ref")), s->mem),
                            .vars = json_raw(json_get(body, STR("vars"))),
                            .minutes = json_i64_or(json_get(body, STR("minutes")), 1),
                            .project = arena_print(s->mem, PRI_STR "/" PRI_STR,
                                                   FMT_STR(s->lane->repo.owner),
                                                   FMT_STR(s->lane->repo.name)) };
    struct node_send out = { .order = &o, .run_id = r->runner_run };
    str text;
    if (!action_callback(s, r->runner_run, json_i64_or(json_get(body, STR("expiresMs")), 0),
                         &out.callback_url, &out.callback_token, e))
        return false;
    if (!node_dispatch_body(s->mem, &out, &text))
        return refuse(s, f, r, DISPATCH_INPUTS_TOO_LARGE,
                      STR("with its variables the dispatch is longer than 256 KiB"), false, e);
    d->mask[d->mask_count++] = str_after_last(out.callback_token, ':');     /* room: secrets_values left one */
    leave(s, f, d, d->endpoint, text, false, again ? STR(FOR_AGAIN) : STR(FOR_FIRST));
    return true;
}

static bool prepare_dispatch(struct step *s, const struct effect *f, const struct run_row *r,
                             struct json body, bool maybe_sent, struct err *e)
{
    struct err why = { 0 };
    struct hot *h;
    struct door d = { 0 };
    bool again = maybe_sent || f->attempts > 0;
    if (!hot_get(s, r->batch_seq, &h, e))
        return false;
    const struct batch_node *n = &h->b->node[r->position];
    if (r->ended_ms || n->state != NODE_DISPATCHING || n->attempt != (uint32_t)r->attempt)
        return effect_end(s, f, false, STR("the run is known by now"), e);
    if (!open_door(s, r->runner, &d, &why)) {
        if (why.code != ERR_BUSY && why.code != ERR_STORAGE)
            return refuse(s, f, r, DISPATCH_NO_RUNNER, str_of(why.text), again, e);
        *e = why;
        return false;
    }
    if (again && (n->cancel_wanted || h->b->superseded)) {
        leave(s, f, &d, run_route(s, &d, r, "/cancel"), STR(""), false, STR(FOR_STOP));
        return true;
    }
    return send(s, f, r, body, &d, again, e);
}

/* A run that was given up is told to stop all the same. */
static bool needs_no_stop(const struct run_row *r)
{
    return r->ended_ms && r->state != NODE_TIMED_OUT && r->state != NODE_ERROR;
}

static bool prepare_beside(struct step *s, const struct effect *f, const struct run_row *r,
                           bool stop, struct err *e)
{
    struct err why = { 0 };
    struct door d = { 0 };
    if (stop ? needs_no_stop(r) : r->ended_ms != 0)
        return effect_end(s, f, false, STR("the run had ended"), e);
    if (!open_door(s, r->runner, &d, &why)) {
        if (why.code != ERR_BUSY && why.code != ERR_STORAGE)
            return effect_end(s, f, true, arena_copy(s->mem, str_of(why.text)), e);
        *e = why;
        return false;
    }
    leave(s, f, &d, run_route(s, &d, r, stop ? "/cancel" : ""), STR(""), !stop, STR(""));
    return true;
}

static bool run_of(struct step *s, str id, struct run_row *r, bool *found, struct err *e)
{
    if (!runs_get(s->db, s->mem, id, r, found, e))
        return false;
    *found = *found && r->repository_id == s->lane->id && r->runner_run.len;
    return true;
}

bool node_runner_prepare(struct step *s, const struct effect *f, struct json body, bool maybe_sent,
                         struct err *e)
{
    struct run_row r;
    bool found;
    if (!run_of(s, f->key, &r, &found, e))
        return false;
    if (!found || !s->lane->has_repo)
        return effect_end(s, f, false, STR("the run is gone"), e);
    if (str_eq(f->kind, STR("runner_dispatch")))
        return prepare_dispatch(s, f, &r, body, maybe_sent, e);
    return prepare_beside(s, f, &r, str_eq(f->kind, STR("runner_cancel")), e);
}

/* ---- what a runner says of a run ------------------------------------------------------------- */

static int64_t time_in(struct step *s, struct json said, const char *name)
{
    int64_t at_ms;
    str text = json_str(json_get(said, str_of(name)), s->mem);
    return text.len && rfc3339_read(text, &at_ms) && at_ms <= s->now_ms ? at_ms : 0;
}

static const char *conclusion_of(str reason)
{
    return str_eq(reason, STR("cancelled")) ? "cancelled"
           : str_eq(reason, STR("timeout")) ? "timed_out"
                                            : "failure";
}

/* said: the metadata of a callback, or what GET /runs/{id} showed. */
static bool ended(struct step *s, struct run_row *r, bool ok, struct json said, str error,
                  str *note, struct err *e)
{
    str reason = json_str(json_get(said, STR("reason")), s->mem);
    struct run_news n = { .attempt = 1, .state = FORGE_RUN_COMPLETED,
                          .conclusion = str_of(ok ? "success" : conclusion_of(reason)),
                          .title = STR(""), .path = STR(""), .url = STR(""),
                          .started_ms = time_in(s, said, "startedAt"),
                          .updated_ms = time_in(s, said, "finishedAt") };
    if (json_i64(json_get(said, STR("exitCode")), &r->exit_code))
        r->has_exit = true;
    if (!ok) {
        r->error_code = reason.len ? text_plain(s->mem, reason, 40) : STR("failed");
        r->error_text = text_plain(s->mem, error.len ? error
                                           : STR("the runner says that it failed, and not why"),
                                   ERROR_CHARS);
    }
    if (json_kind(said) == JSON_OBJECT && json_raw(said).len <= METADATA_BYTES_MAX)
        r->metadata = json_raw(said);
    maybe_room(s, r->runner);
    return run_told(s, r, &n, note, e);
}

static bool is_at_work(struct step *s, struct run_row *r, bool started, str *note, struct err *e)
{
    struct run_news n = { .attempt = 1,
                          .state = started ? FORGE_RUN_IN_PROGRESS : FORGE_RUN_QUEUED,
                          .conclusion = STR(""), .title = STR(""), .path = STR(""),
                          .url = STR("") };
    return run_told(s, r, &n, note, e);
}

bool node_runner_heard(struct step *s, struct run_row *r, struct json body, str *note, struct err *e)
{
    str status = json_str(json_get(body, STR("status")), s->mem), ignored;
    struct json metadata = json_get(body, STR("metadata"));
    if (r->ended_ms)
        return fail(e, ERR_CONFLICT, "the run has ended: it is %s", node_state_name(r->state));
    *note = arena_print(s->mem, "{\"nodeRun\":\"" PRI_STR "\"}", FMT_STR(r->id));
    if (str_eq(status, STR("running")))
        return is_at_work(s, r, true, &ignored, e);
    return ended(s, r, str_eq(status, STR("succeeded")), metadata,
                 json_str(json_get(body, STR("error")), s->mem), &ignored, e);
}

/* ---- what came of a call --------------------------------------------------------------------- */

static bool passing(enum runner_outcome o)
{
    return o == RUNNER_NOT_SENT || o == RUNNER_LOST || o == RUNNER_BUSY;
}

static bool later(struct step *s, const struct effect *f, const struct runner_news *n, struct err *e)
{
    static const struct action_retry patient = { .delay_ms = RETRY_FIRST_MS };
    int64_t wait_ms = action_retry_ms(&patient, f->attempts + 1, random_u64());
    wait_ms = n->wait_ms > wait_ms ? n->wait_ms : wait_ms;
    wait_ms = wait_ms < RETRY_LAST_MS ? wait_ms : RETRY_LAST_MS;
    step_due_at(s, s->now_ms + wait_ms);
    return effects_later(s->db, f->id, s->now_ms + wait_ms, n->message, e);
}

static bool accepted(struct step *s, const struct effect *f, const struct run_row *r, str note,
                     struct err *e)
{
    note_room(s);
    return effect_end(s, f, false, note, e) && run_accepted(s, r->id, 0, STR(""), e) &&
           step_audit(s, "workflow", "dispatched", "system", STR("signalbox"), STR("run"), r->id,
                      arena_print(s->mem, "to runner " PRI_STR, FMT_STR(r->runner)), e);
}

/* Surely not there: the node may go again, or ends when nobody wants it any more. */
static bool put_back(struct step *s, const struct effect *f, const struct run_row *r,
                     const struct runner_news *n, struct err *e)
{
    struct hot *h;
    bool full = n->outcome == RUNNER_BUSY, away = n->outcome == RUNNER_NOT_SENT;
    if (full)
        note_full(s, r->runner, n->wait_ms);
    return effect_end(s, f, false, n->message, e) &&
           run_put_back(s, r, full ? s->now_ms : 0, away ? STR("runner_away") : STR(""),
                        away ? n->message : STR(""), &h, e);
}

static bool away(struct step *s, const struct effect *f, const struct run_row *r,
                 const struct runner_news *n, bool maybe_there, struct err *e)
{
    return refuse(s, f, r, DISPATCH_RUNNER_AWAY,
                  arena_print(s->mem, "runner " PRI_STR " cannot be reached: " PRI_STR
                              "; look whether it runs and what signalbox runners list says of its "
                              "endpoint, then re-run", FMT_STR(r->runner), FMT_STR(n->message)),
                  maybe_there, e);
}

static bool no_for_good(struct step *s, const struct effect *f, const struct run_row *r,
                        const struct runner_news *n, bool maybe_there, struct err *e)
{
    return refuse(s, f, r, DISPATCH_REFUSED_BY_RUNNER,
                  arena_print(s->mem, "runner " PRI_STR " refused the dispatch: " PRI_STR,
                              FMT_STR(r->runner), FMT_STR(n->message)),
                  maybe_there, e);
}

/* It was not wanted any more, and what may have arrived was told to stop. */
static bool stop_instead(struct step *s, const struct effect *f, const struct run_row *r,
                         const struct runner_news *n, struct err *e)
{
    if (passing(n->outcome))
        return later(s, f, n, e);
    if (runner_knows_no_such_run(n))
        return put_back(s, f, r, n, e);
    if (n->outcome != RUNNER_OK && n->outcome != RUNNER_CONFLICT)
        return no_for_good(s, f, r, n, false, e);
    return accepted(s, f, r, STR("it is there, and told to stop"), e) &&
           (n->outcome == RUNNER_OK || want(s, "runner_poll", r->id, e));
}

static bool tried_for_too_long(const struct step *s, const struct run_row *r)
{
    return s->now_ms - r->created_ms > s->lane->settings.run_timeout_minutes * 60000;
}

static bool dispatch_answered(struct step *s, const struct effect *f, const struct run_row *r,
                              const struct runner_news *n, struct err *e)
{
    struct hot *h;
    bool again = !str_eq(n->memo, STR(FOR_FIRST));
    if (!hot_get(s, r->batch_seq, &h, e))
        return false;
    if (r->ended_ms || h->b->node[r->position].state != NODE_DISPATCHING)
        return effect_end(s, f, false, STR("the run is known by now"), e);
    if (str_eq(n->memo, STR(FOR_STOP)))
        return stop_instead(s, f, r, n, e);
    switch (n->outcome) {
    case RUNNER_OK:
    case RUNNER_CONFLICT:               /* it is there; our address has changed meanwhile */
        return accepted(s, f, r, STR("taken"), e);
    case RUNNER_BUSY:
        if (!again)
            return put_back(s, f, r, n, e);
        break;                          /* says nothing of the earlier one: it may not have been looked for */
    case RUNNER_NOT_SENT:
        if (!again)
            return h->node[r->position].tries >= AWAY_TRIES_MAX ? away(s, f, r, n, false, e)
                                                                : put_back(s, f, r, n, e);
        break;
    case RUNNER_LOST:
        break;
    case RUNNER_NOT_FOUND:
    case RUNNER_NO_ACCESS:
    case RUNNER_REFUSED:
        return no_for_good(s, f, r, n, again, e);
    }
    return tried_for_too_long(s, r) ? away(s, f, r, n, true, e) : later(s, f, n, e);
}

static bool cancel_answered(struct step *s, const struct effect *f, struct run_row *r,
                            const struct runner_news *n, struct err *e)
{
    str ignored;
    if (passing(n->outcome) && f->attempts + 1 < STOP_TRIES_MAX)
        return later(s, f, n, e);
    bool lost = runner_knows_no_such_run(n);
    bool fine = n->outcome == RUNNER_OK || n->outcome == RUNNER_CONFLICT || lost;
    if (!effect_end(s, f, !fine, n->message, e) || r->ended_ms)
        return e->code == ERR_NONE;
    if (n->outcome == RUNNER_CONFLICT)              /* it has ended: how, is to be asked */
        return want(s, "runner_poll", r->id, e);
    if (!lost)
        return true;
    struct run_news gone = { .attempt = 1, .state = FORGE_RUN_COMPLETED,
                             .conclusion = STR("cancelled"), .title = STR(""), .path = STR(""),
                             .url = STR(""), .updated_ms = s->now_ms };
    r->error_text = STR("the runner does not know this run");
    return run_told(s, r, &gone, &ignored, e);
}

static bool poll_answered(struct step *s, const struct effect *f, struct run_row *r,
                          const struct runner_news *n, struct err *e)
{
    str state = json_str(json_get(n->result, STR("state")), s->mem), ignored;
    bool lost = runner_knows_no_such_run(n);
    bool over = str_eq(state, STR("succeeded")) || str_eq(state, STR("failed"));
    if (!effect_end(s, f, n->outcome != RUNNER_OK && !lost && !passing(n->outcome), n->message, e) ||
        r->ended_ms)
        return e->code == ERR_NONE;
    if (lost)
        return ended(s, r, false, (struct json){ 0 },
                     STR("the runner does not know this run any more: its state was lost, or "
                         "another runner has its address; look at what it has changed, then re-run"),
                     &ignored, e);
    if (n->outcome != RUNNER_OK || !state.len)
        return true;                    /* the next sweep asks again, until its time is over */
    if (over)
        return ended(s, r, str_eq(state, STR("succeeded")), n->result,
                     json_str(json_get(n->result, STR("error")), s->mem), &ignored, e);
    return is_at_work(s, r, !str_eq(state, STR("queued")), &ignored, e);
}

bool node_runner_answered(struct step *s, const struct effect *f, const struct runner_news *n,
                          struct err *e)
{
    struct run_row r;
    bool found;
    if (!run_of(s, f->key, &r, &found, e))
        return false;
    if (!found)
        return effect_end(s, f, false, STR("the run is gone"), e);
    if (str_eq(f->kind, STR("runner_dispatch")))
        return dispatch_answered(s, f, &r, n, e);
    return str_eq(f->kind, STR("runner_cancel")) ? cancel_answered(s, f, &r, n, e)
                                                 : poll_answered(s, f, &r, n, e);
}
