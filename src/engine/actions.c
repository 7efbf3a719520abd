/*
 * actions: something is set off, a runner is told, and what became of it (domain/action_run.h).
 * Secrets are opened when a call leaves, and live no longer than the step: no row and no fact has
 * them.
 */
#include "domain/action.h"

#include "base/log.h"
#include "base/secret.h"
#include "domain/action_run.h"
#include "domain/text.h"
#include "engine/inside.h"
#include "store/actions.h"
#include "store/secrets.h"

enum {
    ERROR_CHARS = 2000, METADATA_BYTES_MAX = 64 << 10,
    RETRY_WAIT_MAX_MS = 30000,          /* whatever a runner asks for: the token does not wait */
    STOP_TRIES_MAX = 10,
};

/* ---- the run moves --------------------------------------------------------------------------- */

static str delivery(struct arena *mem, const char *what, str message)
{
    return arena_print(mem, "[delivery] %s: " PRI_STR, what, FMT_STR(message));
}

static bool want_stop(struct step *s, str run_id, struct err *e)
{
    return step_effect(s, "action_cancel", run_id, STR("{}"), 0, e);
}

/*
 * *moved false: it came late, and nothing changed. Refused: ERR_CONFLICT. error: of a run that ends
 * badly, or empty.
 */
static bool move(struct step *s, struct action_run_row *r, enum action_event ev, str error,
                 bool *moved, struct err *e)
{
    enum action_state from = ACTION_PENDING;
    if (!action_state_read(r->state, &from))
        return fail(e, ERR_INTERNAL, "the run of an action is in no state: " PRI_STR,
                    FMT_STR(r->state));
    struct action_edge edge = action_edge(from, ev);
    *moved = edge.verdict == ACTION_MOVE;
    if (edge.verdict == ACTION_REFUSED)
        return fail(e, ERR_CONFLICT, "the run has ended: it is " PRI_STR, FMT_STR(r->state));
    if (!*moved)
        return true;
    r->state = str_of(action_state_name(edge.to));
    if (error.len)
        r->error = text_plain(s->mem, error, ERROR_CHARS);
    if (edge.to == ACTION_RUNNING && !r->taken_ms)
        r->taken_ms = s->now_ms;
    if (!action_state_ended(edge.to))
        return action_runs_save(s->db, r, e);
    r->ended_ms = s->now_ms;
    log_info("a run of an action has ended", LS("run", r->id), LS("action", r->action),
             LS("state", r->state), LI("lane", s->lane->id));
    return action_runs_save(s->db, r, e) &&
           step_audit(s, "action", "action.ended", "system", STR("signalbox"), STR("action_run"), r->id,
                      arena_print(s->mem, PRI_STR " of " PRI_STR, FMT_STR(r->state),
                                  FMT_STR(r->action)),
                      e);
}

static bool run_of(struct step *s, str id, struct action_run_row *r, bool *found, struct err *e)
{
    if (!action_runs_get(s->db, s->mem, id, r, found, e))
        return false;
    *found = *found && r->repository_id == s->lane->id;
    return true;
}

static bool definition_of(struct step *s, const struct action_run_row *r, struct action *a,
                          struct err *e)
{
    struct json v;
    return json_parse(s->mem, r->definition, ACTION_DEPTH_MAX, &v, e) &&
           action_read(s->mem, r->action, v, a, e);
}

/* ---- setting off, and stopping --------------------------------------------------------------- */

static void reap_at(struct step *s, int64_t at_ms)
{
    if (!s->lane->reap_ms || at_ms < s->lane->reap_ms)
        s->lane->reap_ms = at_ms;
}

static bool begin_run(struct step *s, struct json order, const struct orderer *by,
                      struct action_run_row *r, struct action *a, struct err *e)
{
    struct action_row row;
    struct json v;
    bool found;
    str name = json_str(json_get(order, STR("action")), s->mem);
    if (!actions_get(s->db, s->mem, s->lane->id, name, &row, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "the repository has no action " PRI_STR,
                    FMT_STR(text_plain(s->mem, name, 64)));
    *r = (struct action_run_row){ .id = json_str(json_get(order, STR("run")), s->mem),
                                  .repository_id = s->lane->id,
                                  .action = row.name,
                                  .definition = row.definition,
                                  .state = str_of(action_state_name(ACTION_PENDING)),
                                  .metadata = STR("{}"),
                                  .actor = by->actor,
                                  .actor_type = by->type,
                                  .created_ms = s->now_ms };
    if (!action_run_id_ok(r->id))
        return fail(e, ERR_INVALID, "the id of a run must be a UUID");
    if (!json_parse(s->mem, row.definition, ACTION_DEPTH_MAX, &v, e) ||
        !action_read(s->mem, row.name, v, a, e) ||
        !action_values(s->mem, a, json_get(order, STR("parameters")), &r->parameters, e))
        return false;
    r->deadline_ms = s->now_ms + a->timeout_ms;
    r->expires_ms = r->deadline_ms + ACTION_TOKEN_SPARE_MS;
    return true;
}

bool action_start(struct step *s, struct json order, const struct orderer *by, str *note,
                  struct err *e)
{
    struct action_run_row r;
    struct action a;
    bool is_new, moved;
    if (!begin_run(s, order, by, &r, &a, e) || !action_runs_add(s->db, &r, &is_new, e))
        return false;
    *note = arena_print(s->mem, "{\"run\":\"" PRI_STR "\"}", FMT_STR(r.id));
    if (!is_new)
        return true;                    /* the order of before, applied again */
    if (!audit_order(s, by, "action", "action.run", STR("action_run"), r.id, r.action, e))
        return false;
    if (a.type == TRIGGER_NOOP)
        return move(s, &r, ACTION_DONE, STR(""), &moved, e);
    reap_at(s, r.deadline_ms);
    return step_effect(s, "action_dispatch", r.id, STR("{}"), 0, e);
}

bool action_stop(struct step *s, struct json order, const struct orderer *by, str *note,
                 struct err *e)
{
    struct action_run_row r;
    bool found, moved;
    str id = json_str(json_get(order, STR("run")), s->mem);
    if (!run_of(s, id, &r, &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "there is no such run of an action");
    *note = arena_print(s->mem, "{\"run\":\"" PRI_STR "\"}", FMT_STR(r.id));
    if (!r.stop_ms) {
        r.stop_ms = s->now_ms;
        r.stop_by = by->actor;
    }
    if (!move(s, &r, ACTION_CANCEL, STR(""), &moved, e) ||
        !audit_order(s, by, "action", "action.cancelled", STR("action_run"), r.id, r.action, e))
        return false;
    /* A dispatch that is under way is looked at when it is answered: a stop would overtake it. */
    return !r.taken_ms || want_stop(s, r.id, e);
}

/* ---- what leaves ----------------------------------------------------------------------------- */

/* The secrets that a call was made with: to be wiped, and to be masked in what comes back. */
struct opened { struct step *s; str value[SECRETS_OF_REPOSITORY_MAX + 1]; size_t count; };

static bool open_secret(void *ctx, str name, str *value, bool *found, struct err *e)
{
    struct opened *o = ctx;
    if (!secrets_get(o->s->db, o->s->mem, o->s->en->config.seal_key, o->s->lane->id, name, value,
                     found, e))
        return false;
    if (*found && o->count < SECRETS_OF_REPOSITORY_MAX)
        o->value[o->count++] = *value;
    return true;
}

bool action_callback(struct step *s, str run_id, int64_t expires_ms, str *url, str *token,
                     struct err *e)
{
    const uint8_t *key = s->en->config.callback_key;
    if (!key)
        return fail(e, ERR_INTERNAL, "this server has no key to make tokens with");
    *token = action_token(s->mem, (str){ (const char *)key, SHA256_BYTES }, run_id, expires_ms);
    *url = arena_print(s->mem, PRI_STR "/action-runs/" PRI_STR "/callback",
                       FMT_STR(s->en->public_url), FMT_STR(run_id));
    return true;
}

/* Puts together what a runner is sent. */
static bool assemble(struct step *s, const struct action_run_row *r, struct opened *o,
                     struct action_dispatch *d, struct err *e)
{
    struct action a;
    struct runner_row runner;
    bool found;
    struct interpolation in = { .secret = open_secret, .ctx = o };
    struct action_send send = {
        .run_id = r->id,
        .action = r->action,
        .values = r->parameters,
        .repository = arena_print(s->mem, PRI_STR "/" PRI_STR, FMT_STR(s->lane->repo.owner),
                                  FMT_STR(s->lane->repo.name)),
    };
    o->s = s;
    if (!definition_of(s, r, &a, e) || !action_callback(s, r->id, r->expires_ms, &send.callback_url,
                                                        &send.callback_token, e))
        return false;
    if (a.runner.len) {
        if (!runners_get(s->db, s->mem, s->lane->id, a.runner, &runner, &found, e))
            return false;
        if (!found)
            return fail(e, ERR_NOT_FOUND, "there is no registered runner " PRI_STR,
                        FMT_STR(a.runner));
        send.runner_endpoint = runner.endpoint;
        send.runner_token_secret = runner.token_secret;
    }
    if (!action_dispatch(s->mem, &a, &send, &in, d, e))
        return false;
    o->value[o->count++] = str_after_last(send.callback_token, ':');
    return true;
}

/* Also a secret that was sealed with another key: asking again does not open it. */
static bool never(const struct err *e)
{
    return e->code != ERR_BUSY && e->code != ERR_STORAGE;
}

static bool prepare_dispatch(struct step *s, const struct effect *f, struct action_run_row *r,
                             struct err *e)
{
    struct opened *o = arena_make(s->mem, struct opened, 1);
    struct action_dispatch d;
    struct err why = { 0 };
    bool moved;
    if (r->ended_ms)                    /* between two attempts: one of them may have arrived */
        return effects_done(s->db, f->id, false, STR("the run had ended"), s->now_ms, e) &&
               (!r->sent_ms || want_stop(s, r->id, e));
    if (!assemble(s, r, o, &d, &why)) {
        if (!never(&why)) {
            *e = why;
            return false;
        }
        return move(s, r, ACTION_UNPREPARED, str_of(why.text), &moved, e) &&
               effects_done(s->db, f->id, true, arena_copy(s->mem, str_of(why.text)), s->now_ms, e);
    }
    if (!r->sent_ms) {
        r->sent_ms = s->now_ms;
        if (!action_runs_save(s->db, r, e))
            return false;
    }
    outbox_add_runner(s, f->id, &(struct runner_call){ .url = d.endpoint,
                                                       .token = d.token,
                                                       .body = d.body,
                                                       .mask = o->value,
                                                       .mask_count = o->count },
                      STR(""));
    return true;
}

static bool prepare_stop(struct step *s, const struct effect *f, struct action_run_row *r,
                         struct err *e)
{
    struct opened *o = arena_make(s->mem, struct opened, 1);
    struct action_dispatch d;
    struct err why = { 0 };
    if (!assemble(s, r, o, &d, &why)) {
        if (!never(&why)) {
            *e = why;
            return false;
        }
        return effects_done(s->db, f->id, true, arena_copy(s->mem, str_of(why.text)), s->now_ms, e);
    }
    str route = arena_print(s->mem, "runs/" PRI_STR "/cancel", FMT_STR(r->id));
    outbox_add_runner(s, f->id,
                      &(struct runner_call){ .url = endpoint_route(s->mem, d.endpoint, route),
                                             .token = d.token,
                                             .mask = o->value,
                                             .mask_count = o->count },
                      STR(""));
    return true;
}

bool action_prepare(struct step *s, const struct effect *f, struct err *e)
{
    struct action_run_row r;
    bool found;
    if (!run_of(s, f->key, &r, &found, e))
        return false;
    if (!found || !s->lane->has_repo)
        return effects_done(s->db, f->id, false, STR("the run is gone"), s->now_ms, e);
    return str_eq(f->kind, STR("action_dispatch")) ? prepare_dispatch(s, f, &r, e)
                                                   : prepare_stop(s, f, &r, e);
}

/* ---- what came of it ------------------------------------------------------------------------- */

static bool again(struct step *s, const struct effect *f, const struct action_retry *retry,
                  const struct runner_news *n, struct err *e)
{
    int64_t wait_ms = action_retry_ms(retry, f->attempts + 1, random_u64());
    if (n->wait_ms > wait_ms)
        wait_ms = n->wait_ms < RETRY_WAIT_MAX_MS ? n->wait_ms : RETRY_WAIT_MAX_MS;
    step_due_at(s, s->now_ms + wait_ms);
    return effects_later(s->db, f->id, s->now_ms + wait_ms, n->message, e);
}

static bool passing(enum runner_outcome o)
{
    return o == RUNNER_NOT_SENT || o == RUNNER_LOST || o == RUNNER_BUSY;
}

/* The run ended while its dispatch was under way: what took it has to stop. */
static bool came_too_late(struct step *s, const struct effect *f, const struct runner_news *n,
                          struct err *e)
{
    return effect_end(s, f, false, STR("the run had ended"), e) &&
           ((n->outcome != RUNNER_OK && n->outcome != RUNNER_LOST) || want_stop(s, f->key, e));
}

static bool dispatch_answered(struct step *s, const struct effect *f, struct action_run_row *r,
                              const struct runner_news *n, struct err *e)
{
    struct action a;
    bool moved;
    if (r->ended_ms)
        return came_too_late(s, f, n, e);
    if (!definition_of(s, r, &a, e))
        return false;
    if (n->outcome == RUNNER_OK && !r->taken_ms)
        r->deadline_ms = s->now_ms + a.timeout_ms;          /* §8.4: measured from the dispatch */
    if (n->outcome == RUNNER_OK)
        return effect_end(s, f, false, STR("taken"), e) &&
               move(s, r, a.wait ? ACTION_ACCEPTED : ACTION_DONE, STR(""), &moved, e);
    if (passing(n->outcome) && f->attempts + 1 < a.retry.attempts)
        return again(s, f, &a.retry, n, e);
    str error = delivery(s->mem, passing(n->outcome) ? "no runner took it" : "the runner refused it",
                         n->message);
    if (!effect_end(s, f, true, n->message, e) ||
        !move(s, r, ACTION_UNDELIVERED, error, &moved, e))
        return false;
    /* It may have arrived all the same. */
    return n->outcome != RUNNER_LOST || !moved || want_stop(s, f->key, e);
}

bool runner_knows_no_such_run(const struct runner_news *n)
{
    return n->outcome == RUNNER_NOT_FOUND && str_eq(n->code, STR("unknown_run"));
}

static bool stop_answered(struct step *s, const struct effect *f, struct action_run_row *r,
                          const struct runner_news *n, struct err *e)
{
    static const struct action_retry patient = { .delay_ms = RETRY_FIRST_MS };
    bool moved;
    if (passing(n->outcome) && f->attempts + 1 < STOP_TRIES_MAX)
        return again(s, f, &patient, n, e);
    bool lost = runner_knows_no_such_run(n);
    bool fine = n->outcome == RUNNER_OK || n->outcome == RUNNER_CONFLICT || lost;
    if (!effect_end(s, f, !fine, n->message, e))
        return false;
    /* Nobody else will say how it ended. */
    return !lost || !r->stop_ms ||
           move(s, r, ACTION_STOPPED, STR("the runner does not know this run"), &moved, e);
}

bool action_answered(struct step *s, const struct effect *f, const struct runner_news *n,
                     struct err *e)
{
    struct action_run_row r;
    bool found;
    if (!run_of(s, f->key, &r, &found, e))
        return false;
    if (!found)
        return effect_end(s, f, false, STR("the run is gone"), e);
    return str_eq(f->kind, STR("action_dispatch")) ? dispatch_answered(s, f, &r, n, e)
                                                   : stop_answered(s, f, &r, n, e);
}

/* ---- what a runner reports ------------------------------------------------------------------- */

/* A failure of a run that somebody wanted stopped: that is what stopped it, unless the runner says
 * otherwise. */
static enum action_event event_of(struct step *s, const struct action_run_row *r, str status,
                                  struct json metadata)
{
    str reason = json_str(json_get(metadata, STR("reason")), s->mem);
    if (str_eq(status, STR("succeeded")))
        return ACTION_SUCCEED;
    if (str_eq(status, STR("running")))
        return ACTION_PROGRESS;
    return r->stop_ms && (!reason.len || str_eq(reason, STR("cancelled"))) ? ACTION_STOPPED
                                                                           : ACTION_FAIL;
}

static bool callback_of_node(struct step *s, struct json body, str *note, struct err *e)
{
    struct run_row r;
    bool found;
    if (!runs_by_runner(s->db, s->mem, json_str(json_get(body, STR("run")), s->mem), &r, &found, e))
        return false;
    if (!found || r.repository_id != s->lane->id)
        return fail(e, ERR_NOT_FOUND, "there is no such run");
    return node_runner_heard(s, &r, body, note, e);
}

bool apply_callback(struct step *s, struct json body, str *note, struct err *e)
{
    struct action_run_row r;
    bool found, moved;
    struct json metadata = json_get(body, STR("metadata"));
    str status = json_str(json_get(body, STR("status")), s->mem),
        error = json_str(json_get(body, STR("error")), s->mem);
    if (!run_of(s, json_str(json_get(body, STR("run")), s->mem), &r, &found, e))
        return false;
    if (!found)
        return callback_of_node(s, body, note, e);
    enum action_event ev = event_of(s, &r, status, metadata);
    if (ev == ACTION_FAIL && !error.len)
        error = STR("the runner says that it failed, and not why");
    if (json_kind(metadata) == JSON_OBJECT && json_raw(metadata).len <= METADATA_BYTES_MAX)
        r.metadata = json_raw(metadata);
    *note = arena_print(s->mem, "{\"run\":\"" PRI_STR "\"}", FMT_STR(r.id));
    return move(s, &r, ev, ev == ACTION_SUCCEED ? STR("") : error, &moved, e);
}

/* ---- the reaper ------------------------------------------------------------------------------ */

static bool reap(struct step *s, str id, struct err *e)
{
    struct action_run_row r;
    bool found, moved;
    if (!run_of(s, id, &r, &found, e) || !found)
        return e->code == ERR_NONE;
    str error = arena_print(s->mem, "no word of its end within %lld minutes",
                            (long long)((r.expires_ms - ACTION_TOKEN_SPARE_MS - r.created_ms) / 60000));
    return move(s, &r, ACTION_REAP, error, &moved, e) &&
           (!moved || !r.taken_ms || want_stop(s, r.id, e));
}

bool actions_reap(struct step *s, struct err *e)
{
    str *ids;
    size_t count;
    int64_t next_ms;
    if (s->lane->id <= 0)
        return true;
    if (!s->lane->fresh && (!s->lane->reap_ms || s->now_ms < s->lane->reap_ms)) {
        step_wake_at(s, s->lane->reap_ms);
        return true;
    }
    if (!action_runs_over(s->db, s->mem, s->lane->id, s->now_ms, &ids, &count, &next_ms, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!reap(s, ids[i], e))
            return false;
    s->lane->reap_ms = next_ms;
    step_wake_at(s, next_ms);
    return true;
}
