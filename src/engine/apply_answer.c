/*
 * apply_answer: what came of a call that we made. One function a kind of effect.
 */
#include "base/log.h"
#include "base/pack.h"
#include "domain/workflow.h"
#include "engine/inside.h"
#include "store/feedback.h"

enum { ANSWER_BYTES_MAX = 64 << 20 };

struct answer {
    struct effect      effect;
    enum forge_outcome outcome;
    struct json        result;
    str                call, message, memo;
    int64_t            not_before_ms;
};

static bool passing(enum forge_outcome o)
{
    return o == FORGE_NOT_SENT || o == FORGE_LOST || o == FORGE_LIMITED;
}

static struct run_news news_of(struct step *s, struct json run)
{
    struct run_news n = { .run_id = json_i64_or(json_get(run, STR("id")), 0),
                          .attempt = json_i64_or(json_get(run, STR("attempt")), 1),
                          .conclusion = json_str(json_get(run, STR("conclusion")), s->mem),
                          .title = json_str(json_get(run, STR("title")), s->mem),
                          .path = json_str(json_get(run, STR("path")), s->mem),
                          .url = json_str(json_get(run, STR("url")), s->mem),
                          .created_ms = json_i64_or(json_get(run, STR("created_ms")), 0),
                          .started_ms = json_i64_or(json_get(run, STR("started_ms")), 0),
                          .updated_ms = json_i64_or(json_get(run, STR("updated_ms")), 0) };
    str state = json_str(json_get(run, STR("state")), s->mem);
    n.state = str_eq(state, STR("completed"))     ? FORGE_RUN_COMPLETED
            : str_eq(state, STR("in_progress"))   ? FORGE_RUN_IN_PROGRESS
            : str_eq(state, STR("waiting"))       ? FORGE_RUN_WAITING
                                                  : FORGE_RUN_QUEUED;
    return n;
}

/* ---- dispatch: at most one run for one run id, whatever is lost (architecture.md §7 no. 4) --- */

static bool node_of_run(struct step *s, str run_id, struct run_row *r, struct hot **h, bool *found,
                        struct err *e)
{
    return runs_get(s->db, s->mem, run_id, r, found, e) &&
           (!*found || hot_get(s, r->batch_seq, h, e));
}

/* Nothing is wrong when it was the search that found none. */
static bool put_back(struct step *s, const struct answer *a, struct err *e)
{
    struct run_row r;
    struct hot *h;
    bool found, limited = a->outcome == FORGE_LIMITED, searched = a->outcome == FORGE_OK;
    if (!runs_get(s->db, s->mem, a->effect.key, &r, &found, e))
        return false;
    if (!found)
        return effect_end(s, &a->effect, false, STR("the run is gone"), e);
    return effect_end(s, &a->effect, false, a->message, e) &&
           run_put_back(s, &r, a->not_before_ms,
                        searched ? STR("") : limited ? STR("rate_limited") : STR("forge_unreachable"),
                        searched ? STR("") : a->message, &h, e) &&
           (!limited || budget_limited(s, h, e));
}

static bool refuse(struct step *s, const struct answer *a, enum dispatch_error code, str why,
                   struct err *e)
{
    struct run_row r;
    struct hot *h;
    bool found;
    if (!node_of_run(s, a->effect.key, &r, &h, &found, e))
        return false;
    if (found && (r.forge_run_id || r.ended_ms))
        return effect_end(s, &a->effect, false, STR("the run is known by now"), e);
    if (!effect_end(s, &a->effect, true, why, e))
        return false;
    return !found || node_refuse(s, h, (uint32_t)r.position, code, why, e);
}

static bool dispatch_answered(struct step *s, const struct answer *a, struct err *e)
{
    switch (a->outcome) {
    case FORGE_OK:
        return effect_end(s, &a->effect, false, STR("dispatched"), e) &&
               run_accepted(s, a->effect.key, json_i64_or(json_get(a->result, STR("run_id")), 0),
                            json_str(json_get(a->result, STR("url")), s->mem), e) &&
               step_audit(s, "workflow", "dispatched", "system", STR("signalbox"), STR("run"),
                          a->effect.key, STR(""), e);
    case FORGE_NOT_SENT:
    case FORGE_LIMITED:
        return put_back(s, a, e);
    case FORGE_LOST:
        step_due_at(s, s->now_ms + FIND_AGAIN_MS);
        return effects_later(
            s->db, a->effect.id, s->now_ms + FIND_AGAIN_MS,
            STR("the answer was lost: looking for the run before anything is sent again"), e);
    case FORGE_NOT_FOUND:
        return refuse(s, a, DISPATCH_WORKFLOW_NOT_FOUND,
                      arena_print(s->mem, "GitHub does not know this workflow: " PRI_STR,
                                  FMT_STR(a->message)),
                      e);
    case FORGE_NO_ACCESS:
        return refuse(
            s, a, DISPATCH_NO_ACCESS,
            arena_print(s->mem, "the App may not dispatch here (it needs Actions: write): " PRI_STR,
                        FMT_STR(a->message)),
            e);
    case FORGE_REFUSED:
        break;
    }
    return refuse(s, a, DISPATCH_REFUSED,
                  arena_print(s->mem, "GitHub refused the dispatch: " PRI_STR, FMT_STR(a->message)),
                  e);
}

/* Runs of this file that no row of ours has claimed. */
static bool unclaimed(struct step *s, struct json runs, const struct run_row *r, int64_t since_ms,
                      int64_t *only, size_t *count, struct err *e)
{
    struct json_iter it = json_iter(runs);
    struct json v;
    str key;
    *count = 0;
    while (json_next(&it, s->mem, &key, &v)) {
        struct run_news n = news_of(s, v);
        struct run_row other;
        bool taken;
        if (!str_eq(n.path, r->workflow) || n.created_ms < since_ms - 5000)
            continue;
        if (!runs_by_forge(s->db, s->mem, s->lane->id, n.run_id, &other, &taken, e))
            return false;
        if (!taken) {
            *only = n.run_id;
            ++*count;
        }
    }
    return true;
}

static bool send_again(struct step *s, const struct answer *a, struct err *e)
{
    struct effect f = a->effect;
    log_info("a dispatch left no run behind; it is sent again under the same run id",
             LS("run", f.key));
    f.attempts = 0;
    f.created_ms = s->now_ms;
    return effects_restart(s->db, f.id, s->now_ms, e) && outbox_prepare(s, &f, false, e);
}

/* There is no run. Who was cancelled meanwhile, or superseded, gets none any more. */
static bool gone(struct step *s, const struct answer *a, const struct hot *h,
                 const struct run_row *r, struct err *e)
{
    const struct batch_node *n = &h->b->node[r->position];
    bool wanted = !n->cancel_wanted && !h->b->superseded;
    return wanted ? send_again(s, a, e) : put_back(s, a, e);
}

/* In a moment, and not before whoever told us to wait said so. */
static bool look_again(struct step *s, const struct answer *a, struct err *e)
{
    int64_t at_ms = s->now_ms + FIND_AGAIN_MS;
    at_ms = a->not_before_ms > at_ms ? a->not_before_ms : at_ms;
    step_due_at(s, at_ms);
    return effects_later(s->db, a->effect.id, at_ms, STR("looking for the run"), e);
}

/* Looked for the run of a dispatch whose answer is not known. */
static bool dispatch_looked_for(struct step *s, const struct answer *a, struct err *e)
{
    struct run_row r;
    struct hot *h;
    bool found;
    size_t count;
    int64_t only = 0, settle_ms = atomic_load(&s->en->find_settle_ms);
    struct json runs = json_get(a->result, STR("runs")), v;
    struct json_iter it = json_iter(runs);
    str key;

    if (a->outcome == FORGE_NO_ACCESS || a->outcome == FORGE_REFUSED)
        return refuse(s, a, DISPATCH_OUTCOME_UNKNOWN,
                      arena_print(s->mem, "the answer to the dispatch was lost, and GitHub does not let us look for its run: " PRI_STR,
                                  FMT_STR(a->message)), e);
    if (a->outcome != FORGE_OK)
        return look_again(s, a, e);
    if (!node_of_run(s, a->effect.key, &r, &h, &found, e))
        return false;
    if (!found || r.forge_run_id || r.ended_ms)
        return effect_end(s, &a->effect, false, STR("the run is known by now"), e) &&
               (!found || run_accepted(s, r.id, 0, STR(""), e));
    while (json_next(&it, s->mem, &key, &v)) {
        struct run_news n = news_of(s, v);
        str note;
        if (str_has(n.title, r.id))
            return effect_end(s, &a->effect, false, STR("found by its title"), e) &&
                   run_accepted(s, r.id, n.run_id, n.url, e) && run_heard(s, &n, &note, e);
    }
    /*
     * Not listed. That is an answer only after the forge has had time to list it, counted from the
     * first look: a call may be under way for long, and have arrived in the moment of a crash.
     */
    if (a->effect.attempts * FIND_AGAIN_MS < settle_ms)
        return look_again(s, a, e);
    if (r.findable)
        return gone(s, a, h, &r, e);
    struct run_row *waiting;
    size_t waiting_count;
    if (!unclaimed(s, runs, &r, r.created_ms, &only, &count, e) ||
        !runs_unmatched(s->db, s->mem, s->lane->id, r.workflow, &waiting, &waiting_count, e))
        return false;
    if (count == 0)
        return gone(s, a, h, &r, e);
    if (count == 1 && waiting_count == 1)
        return effect_end(s, &a->effect, false, STR("the only run it can be"), e) &&
               run_accepted(s, r.id, only, STR(""), e);
    return refuse(s, a, DISPATCH_OUTCOME_UNKNOWN,
                  STR("the answer to the dispatch was lost and several runs could be it; look at "
                      "the runs on GitHub, then re-run this node. Echo inputs.atmos_pro_run_id in "
                      "the workflow's run-name, and this cannot happen"),
                  e);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool workflow_answered(struct step *s, const struct answer *a, struct err *e)
{
    struct json body;
    if (!json_parse(s->mem, a->effect.body, 0, &body, e))
        return false;
    str file = json_str(json_get(body, STR("file")), s->mem),
        ref = json_str(json_get(body, STR("ref")), s->mem);
    struct workflow_row w = { .blob = STR(""), .body = STR(""), .etag = STR("") };
    bool known;
    if (!workflows_get(s->db, s->mem, s->lane->id, ref, file, &w, &known, e))
        return false;
    if (a->outcome != FORGE_OK || !json_bool_or(json_get(a->result, STR("unchanged")), false))
        w = (struct workflow_row){ .blob = json_str(json_get(a->result, STR("blob")), s->mem),
                                   .body = json_str(json_get(a->result, STR("text")), s->mem),
                                   .etag = json_str(json_get(a->result, STR("etag")), s->mem) };
    w.read_ms = s->now_ms;
    if (!workflows_put(s->db, s->lane->id, ref, file, &w, e) ||
        !effect_end(s, &a->effect, false, STR("read"), e))
        return false;
    for (struct hot *h = s->lane->hot; h; h = h->next)
        if (h->b->state == BATCH_PREPARING && str_eq(h->row.ref, ref) && !batch_try_start(s, h, e))
            return false;
    return true;
}

static bool settings_answered(struct step *s, const struct answer *a, struct err *e)
{
    return effect_end(s, &a->effect, false, STR("read"), e) &&
           settings_file_answered(s, a->outcome, a->result, a->message, e);
}

static bool cancel_answered(struct step *s, const struct answer *a, struct err *e)
{
    struct run_news n = {.attempt = 1,
                         .state = FORGE_RUN_COMPLETED,
                         .conclusion = STR("cancelled"),
                         .title = STR(""),
                         .path = STR(""),
                         .url = STR(""),
                         .updated_ms = s->now_ms};
    struct run_row r;
    bool found;
    str note;
    bool failed = a->outcome != FORGE_OK && a->outcome != FORGE_NOT_FOUND;
    if (!effect_end(s, &a->effect, failed, a->message, e) ||
        a->outcome != FORGE_NOT_FOUND)
        return e->code == ERR_NONE;
    if (!runs_get(s->db, s->mem, a->effect.key, &r, &found, e) || !found)
        return e->code == ERR_NONE;
    n.run_id = r.forge_run_id;
    n.attempt = r.forge_attempt;
    return run_heard(s, &n, &note, e);
}

/* A run that was deleted over there can never report: it counts as failed, and says so. */
static bool poll_answered(struct step *s, const struct answer *a, struct err *e)
{
    struct run_news n = {.attempt = INT32_MAX,
                         .state = FORGE_RUN_COMPLETED,
                         .conclusion = STR("deleted"),
                         .title = STR(""),
                         .path = STR(""),
                         .url = STR(""),
                         .updated_ms = s->now_ms};
    str note;
    if (a->outcome == FORGE_OK)
        n = news_of(s, a->result);
    else if (a->outcome != FORGE_NOT_FOUND || !str_to_i64(a->effect.key, 1, INT64_MAX, &n.run_id))
        return effect_end(s, &a->effect, true, a->message, e);
    if (a->outcome == FORGE_NOT_FOUND) {
        struct run_row r;
        bool found;
        if (!runs_by_forge(s->db, s->mem, s->lane->id, n.run_id, &r, &found, e))
            return false;
        n.attempt = found ? r.forge_attempt : 1;
    }
    return effect_end(s, &a->effect, false, STR("read"), e) && run_heard(s, &n, &note, e);
}

static bool found_runs(struct step *s, const struct answer *a, struct err *e)
{
    struct json_iter it = json_iter(json_get(a->result, STR("runs")));
    struct json v;
    str key, note;
    while (json_next(&it, s->mem, &key, &v)) {
        struct run_news n = news_of(s, v);
        if (!run_heard(s, &n, &note, e))
            return false;
    }
    return effect_end(s, &a->effect, a->outcome != FORGE_OK, a->message, e);
}

static bool pull_read(struct step *s, struct json pull, struct err *e)
{
    struct forge_event v = {
        .kind = FORGE_PULL_REQUEST,
        .event = STR("pull_request"),
        .action = STR("read"),
        .activity = STR(""),
        .number = json_i64_or(json_get(pull, STR("number")), 0),
        .title = json_str(json_get(pull, STR("title")), s->mem),
        .author = json_str(json_get(pull, STR("author")), s->mem),
        .url = json_str(json_get(pull, STR("url")), s->mem),
        .state = json_str(json_get(pull, STR("state")), s->mem),
        .draft = json_bool_or(json_get(pull, STR("draft")), false),
        .from_fork = json_bool_or(json_get(pull, STR("from_fork")), false),
        .head_sha = json_str(json_get(pull, STR("head_sha")), s->mem),
        .head_ref = json_str(json_get(pull, STR("head_ref")), s->mem),
        .base_sha = json_str(json_get(pull, STR("base_sha")), s->mem),
        .base_ref = json_str(json_get(pull, STR("base_ref")), s->mem),
        .merge_sha = json_str(json_get(pull, STR("merge_sha")), s->mem),
        .merged_ms = json_i64_or(json_get(pull, STR("merged_ms")), 0),
        .at_ms = json_i64_or(json_get(pull, STR("updated_ms")), 0),
    };
    str note;
    v.key = arena_print(s->mem, "%lld", (long long)v.number);
    return apply_pull(s, &v, &note, e);
}

static bool pulls_answered(struct step *s, const struct answer *a, struct err *e)
{
    if (a->outcome != FORGE_OK)
        return effect_end(s, &a->effect, a->outcome != FORGE_NOT_FOUND, a->message, e);
    if (!effect_end(s, &a->effect, false, STR("read"), e))
        return false;
    if (str_eq(a->effect.kind, STR("read_pull")))
        return pull_read(s, a->result, e);
    struct json_iter it = json_iter(json_get(a->result, STR("pulls")));
    struct json v;
    str key;
    while (json_next(&it, s->mem, &key, &v))
        if (!pull_read(s, v, e))
            return false;
    return true;
}

static bool deliveries_answered(struct step *s, const struct answer *a, struct err *e)
{
    struct json_iter it = json_iter(json_get(a->result, STR("failed")));
    struct json v;
    str key;
    while (json_next(&it, s->mem, &key, &v)) {
        int64_t id = json_i64_or(json_get(v, STR("id")), 0);
        log_info("a delivery that never arrived is asked for again", LI("delivery", id),
                 LS("event", json_str(json_get(v, STR("event")), s->mem)));
        if (!step_effect(s, "redeliver", arena_print(s->mem, "%lld", (long long)id), STR("{}"), 0,
                         e))
            return false;
    }
    return effect_end(s, &a->effect, a->outcome != FORGE_OK, a->message, e);
}

static bool commit_read(struct step *s, const struct answer *a, struct err *e)
{
    bool ok = a->outcome == FORGE_OK;
    return effect_end(s, &a->effect, !ok && a->outcome != FORGE_NOT_FOUND, a->message, e) &&
           trees_answered(s, &a->effect,
                          ok ? json_str(json_get(a->result, STR("tree")), s->mem) : STR(""), e);
}

static bool just_ended(struct step *s, const struct answer *a, struct err *e)
{
    return effect_end(s, &a->effect, a->outcome != FORGE_OK, a->message, e);
}

static bool report_done(struct step *s, const struct answer *a, struct err *e)
{
    struct json memo;
    if (!json_parse(s->mem, a->memo, 0, &memo, e))
        return false;
    if (a->outcome != FORGE_OK && a->outcome != FORGE_NOT_FOUND)
        return report_refused(s, &a->effect, memo, e) &&
               effect_end(s, &a->effect, true, a->message, e);
    return report_answered(s, &a->effect, memo, a->outcome == FORGE_OK,
                           json_i64_or(json_get(a->result, STR("id")), 0), e);
}

static bool repos_answered(struct step *s, const struct answer *a, struct err *e)
{
    if (a->outcome == FORGE_OK &&
        !house_import(s, a->effect.key, json_get(a->result, STR("repos")), e))
        return false;
    return effect_end(s, &a->effect, a->outcome != FORGE_OK, a->message, e);
}

static bool quota_answered(struct step *s, const struct answer *a, struct err *e)
{
    return effect_end(s, &a->effect, a->outcome != FORGE_OK, a->message, e) &&
           budget_quota_read(s, a->outcome, a->result, e);
}

static bool permission_read(struct step *s, const struct answer *a, struct err *e)
{
    return permission_answered(s, &a->effect, a->outcome, a->result, a->message, e);
}

static const struct {
    const char *kind;
    bool (*apply)(struct step *, const struct answer *, struct err *);
} kinds[] = {
    {"read_quota", quota_answered},
    {"read_workflow", workflow_answered},
    {"read_settings", settings_answered},
    {"cancel_run", cancel_answered},
    {"poll_run", poll_answered},
    {"find_runs", found_runs},
    {"read_pull", pulls_answered},
    {"find_pulls", pulls_answered},
    {"deliveries", deliveries_answered},
    {"redeliver", just_ended},
    {"read_commit", commit_read},
    {"list_repos", repos_answered},
    {"check", report_done},
    {"comment", report_done},
    {"result", report_done},
    {"review", report_done},
    {"permission", permission_read},
    {"reply", just_ended},
};

bool apply_answer(struct step *s, struct json body, str *note, struct err *e)
{
    struct answer a = {.result = json_get(body, STR("result")),
                       .call = json_str(json_get(body, STR("call")), s->mem),
                       .message = json_str(json_get(body, STR("message")), s->mem),
                       .memo = json_str(json_get(body, STR("memo")), s->mem),
                       .not_before_ms = json_i64_or(json_get(body, STR("notBefore")), 0)};
    int64_t id = json_i64_or(json_get(body, STR("effect")), 0);
    bool open;
    if (!forge_outcome_read(json_str(json_get(body, STR("outcome")), s->mem), &a.outcome))
        return fail(e, ERR_INVALID, "an answer without an outcome");
    push_i64(s->mem, &s->gone, &s->gone_count, &s->gone_cap, id);
    if (!effects_get(s->db, s->mem, id, &a.effect, &open, e))
        return false;
    a.effect.status = json_i64_or(json_get(body, STR("status")), 0);
    budget_heard(s, body);
    *note =
        arena_print(s->mem, PRI_STR " of " PRI_STR " " PRI_STR ": %s", FMT_STR(a.call),
                    FMT_STR(a.effect.kind), FMT_STR(a.effect.key), forge_outcome_name(a.outcome));
    if (!open)
        return true;
    if (str_eq(a.effect.kind, STR("dispatch")))
        return str_eq(a.call, STR("dispatch")) ? dispatch_answered(s, &a, e)
                                               : dispatch_looked_for(s, &a, e);
    bool action = str_starts(a.effect.kind, STR("action_"));
    if (action || str_starts(a.effect.kind, STR("runner_"))) {
        struct runner_news n = { .message = a.message, .memo = a.memo, .result = a.result,
                                 .code = json_str(json_get(body, STR("code")), s->mem) };
        int64_t outcome = json_i64_or(json_get(body, STR("runner")), RUNNER_REFUSED);
        n.outcome = outcome >= 0 && outcome <= RUNNER_REFUSED ? (enum runner_outcome)outcome
                                                              : RUNNER_REFUSED;
        n.wait_ms = json_i64_or(json_get(body, STR("waitMs")), 0);
        return action ? action_answered(s, &a.effect, &n, e)
                      : node_runner_answered(s, &a.effect, &n, e);
    }
    /* Who ordered something is told when it is given up. */
    bool last = str_eq(a.effect.kind, STR("permission")) && a.effect.attempts >= EFFECT_TRIES_MAX;
    if (passing(a.outcome) && !last)
        return outbox_later(s, &a.effect, a.not_before_ms, a.message, e);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_eq(a.effect.kind, str_of(kinds[i].kind)))
            return kinds[i].apply(s, &a, e);
    return effect_end(s, &a.effect, true, STR("no handler for this answer"), e);
}

bool answer_set_aside(struct step *s, const struct fact *f, struct err *e)
{
    struct err ignored = { 0 };
    struct json body;
    str plain;
    int64_t id = 0;
    if (unpack(s->mem, f->body, ANSWER_BYTES_MAX, &plain, &ignored) && json_parse(s->mem, plain, 0, &body, &ignored))
        id = json_i64_or(json_get(body, STR("effect")), 0);
    push_i64(s->mem, &s->gone, &s->gone_count, &s->gone_cap, id);
    step_due_at(s, s->now_ms + RETRY_LAST_MS);
    return effects_later(s->db, id, s->now_ms + RETRY_LAST_MS, STR("its answer could not be applied"), e);
}
