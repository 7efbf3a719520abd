/*
 * runs: what the forge says about runs, in whatever order it says it (atmos-pro.md §10.3, §10.5;
 * forges.md §2.5).
 */
#include <stdio.h>

#include "base/id.h"
#include "base/log.h"
#include "engine/inside.h"

enum { RUN_ID_BYTES = 32, SWEEP_READS_MAX = 5 };
/* GitHub's own limit of a run (§10.7) */
static const int64_t RUN_WAITS_FOR_APPROVAL_MS = 35LL * 24 * 3600 * 1000;

/* "apply vpc/prod/run_0123…": our id, wherever it stands in the title. */
static str id_in_title(str title)
{
    for (size_t i = 0; i + RUN_ID_BYTES <= title.len; i++) {
        str part = str_sub(title, i, i + RUN_ID_BYTES);
        if (part.ptr[0] == 'r' && id_valid(part, "run_"))
            return part;
    }
    return STR_NONE;
}

static enum node_event event_of(enum forge_run_state state, str conclusion)
{
    switch (state) {
    case FORGE_RUN_QUEUED: return NODE_RUN_QUEUED;
    case FORGE_RUN_WAITING: return NODE_RUN_APPROVAL;
    case FORGE_RUN_IN_PROGRESS: return NODE_RUN_STARTED;
    case FORGE_RUN_COMPLETED: break;
    }
    if (str_eq(conclusion, STR("success")) || str_eq(conclusion, STR("neutral")) ||
        str_eq(conclusion, STR("skipped")))
        return NODE_RUN_SUCCEEDED;
    if (str_eq(conclusion, STR("cancelled")) || str_eq(conclusion, STR("stale")))
        return NODE_RUN_CANCELLED;
    return str_eq(conclusion, STR("timed_out")) ? NODE_RUN_TIMED_OUT : NODE_RUN_FAILED;
}

static void remember(struct lane *l, const struct run_news *n)
{
    struct run_seen *at = &l->seen[l->seen_next++ % UNKNOWN_RUNS_KEPT];
    *at = (struct run_seen){.run_id = n->run_id, .attempt = n->attempt, .state = n->state};
    snprintf(at->conclusion, sizeof at->conclusion, PRI_STR, FMT_STR(n->conclusion));
    snprintf(at->url, sizeof at->url, PRI_STR, FMT_STR(n->url));
}

/*
 * A run that names no id belongs to a node only when exactly one dispatch of this file waits to
 * learn of its run.
 */
static bool only_candidate(struct step *s, const struct run_news *n, struct run_row *out,
                           bool *found, struct err *e)
{
    struct run_row *r;
    size_t count, fit = 0;
    *found = false;
    if (!n->path.len)
        return true;
    if (!runs_unmatched(s->db, s->mem, s->lane->id, n->path, &r, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (r[i].findable || !r[i].dispatched_ms || n->created_ms < r[i].created_ms - 60000)
            continue;
        *out = r[i];
        fit++;
    }
    *found = fit == 1;
    return true;
}

static bool find_row(struct step *s, const struct run_news *n, struct run_row *r, bool *found,
                     struct err *e)
{
    str id = id_in_title(n->title);
    if (!runs_by_forge(s->db, s->mem, s->lane->id, n->run_id, r, found, e) || *found)
        return e->code == ERR_NONE;
    if (!id.len)
        return only_candidate(s, n, r, found, e);
    if (!runs_get(s->db, s->mem, id, r, found, e))
        return false;
    /* A copied title proves nothing: the row must be of this repository and still without a run. */
    *found = *found && r->repository_id == s->lane->id && !r->runner.len &&
             (!r->forge_run_id || r->forge_run_id == n->run_id);
    return true;
}

static bool learn(struct step *s, const struct run_row *r, enum node_state state, struct err *e)
{
    if (state != NODE_SUCCEEDED || !r->started_ms || r->ended_ms <= r->started_ms)
        return true;
    return durations_learn(s->db, s->lane->id, r->stack, r->component, r->workflow,
                           r->ended_ms - r->started_ms, e);
}

static bool audit_end(struct step *s, const struct run_row *r, enum node_state state, struct err *e)
{
    str text = arena_print(s->mem, PRI_STR " in " PRI_STR ": %s", FMT_STR(r->component),
                           FMT_STR(r->stack), node_state_name(state));
    return step_audit(s, "workflow", state == NODE_SUCCEEDED ? "completed" : "failed",
                      r->runner.len ? "runner" : "forge", r->runner.len ? r->runner : STR("github"),
                      STR("run"), r->id, text, e);
}

/* Writes what the core made of it into the run's row. */
static bool row_follows(struct step *s, struct hot *h, struct run_row *r, const struct run_news *n,
                        struct err *e)
{
    enum node_state state = h->b->node[r->position].state;
    if (state == NODE_RUNNING && !r->started_ms)
        r->started_ms = n->started_ms ? n->started_ms : s->now_ms;
    r->state = state;
    r->seen_ms = s->now_ms;
    if (node_is_final(state) && !r->ended_ms) {
        if (!r->started_ms)
            r->started_ms = n->started_ms;
        r->ended_ms = n->updated_ms > r->started_ms ? n->updated_ms : s->now_ms;
        s->run_ended = true;
        if (!learn(s, r, state, e) || !audit_end(s, r, state, e))
            return false;
    } else if (!node_is_final(state)) {
        r->ended_ms = 0;
    }
    return runs_save(s->db, r, e);
}

/* What a run that no node stands for is, as the forge says it. */
static enum node_state state_of(const struct run_news *n)
{
    enum node_event ev = event_of(n->state, n->conclusion);
    return ev == NODE_RUN_QUEUED ? NODE_QUEUED : node_edge(NODE_QUEUED, ev).to;
}

/*
 * The node has gone on without this run, and somebody re-ran it over there: nothing follows from
 * it, but its instance is not free while it goes.
 */
static bool row_alone(struct step *s, struct run_row *r, const struct run_news *n, bool newer,
                      struct err *e)
{
    r->seen_ms = s->now_ms;
    if (n->state == FORGE_RUN_COMPLETED && !r->ended_ms) {
        r->ended_ms = n->updated_ms > r->started_ms ? n->updated_ms : s->now_ms;
        s->run_ended = true;
        newer = true;
    }
    if (newer)
        r->state = state_of(n);
    return runs_save(s->db, r, e);
}

bool run_heard(struct step *s, const struct run_news *n, str *note, struct err *e)
{
    struct run_row r;
    bool found;
    if (!find_row(s, n, &r, &found, e))
        return false;
    if (!found) {
        remember(s->lane, n);
        *note = STR("a run that nobody here dispatched, or not known yet");
        return true;
    }
    if (n->attempt < r.forge_attempt) {
        *note = STR("late: about an earlier attempt of the run");
        return true;
    }
    return run_told(s, &r, n, note, e);
}

bool run_told(struct step *s, struct run_row *row, const struct run_news *n, str *note,
              struct err *e)
{
    struct run_row r = *row;
    struct hot *h;
    enum node_verdict verdict;
    if (!hot_get(s, r.batch_seq, &h, e))
        return false;
    bool newer = n->attempt > r.forge_attempt && r.forge_attempt, again = newer;
    if (newer) {
        if (!node_tell(s, h,
                       (struct node_message){.event = NODE_RUN_AGAIN,
                                             .node = (uint32_t)r.position,
                                             .attempt = (uint32_t)r.attempt},
                       &verdict, e))
            return false;
        again = verdict == NODE_MOVE;
        r.ended_ms = r.started_ms = 0;
        r.dispatched_ms = s->now_ms;        /* the time limit of the run counts anew */
    }
    r.forge_run_id = n->run_id;
    r.forge_attempt = n->attempt;
    if (n->url.len)
        r.url = n->url;
    if (!r.dispatched_ms)
        r.dispatched_ms = s->now_ms;
    if (!node_tell(s, h,
                   (struct node_message){.event = event_of(n->state, n->conclusion),
                                         .node = (uint32_t)r.position,
                                         .attempt = (uint32_t)r.attempt},
                   &verdict, e))
        return false;
    *note = verdict == NODE_MOVE || again
                ? arena_print(s->mem, "run " PRI_STR " is %s", FMT_STR(r.id),
                              node_state_name(h->b->node[r.position].state))
                : STR("late or twice: nothing changed");
    return verdict == NODE_MOVE || again ? row_follows(s, h, &r, n, e)
                                         : row_alone(s, &r, n, newer, e);
}

/* What was heard before the answer that names the run. */
static bool heard_before(struct step *s, int64_t forge_run_id, struct err *e)
{
    for (size_t i = 0; i < UNKNOWN_RUNS_KEPT; i++) {
        struct run_seen *at = &s->lane->seen[i];
        if (at->run_id != forge_run_id)
            continue;
        struct run_news n = {.run_id = at->run_id,
                             .attempt = at->attempt,
                             .state = at->state,
                             .conclusion = str_of(at->conclusion),
                             .url = str_of(at->url),
                             .title = STR(""),
                             .path = STR("")};
        str note;
        if (!run_heard(s, &n, &note, e))
            return false;
    }
    return true;
}

bool run_accepted(struct step *s, str run_id, int64_t forge_run_id, str url, struct err *e)
{
    struct run_row r, other;
    struct hot *h;
    bool found, taken = false;
    enum node_verdict verdict;

    if (!runs_get(s->db, s->mem, run_id, &r, &found, e) || !found)
        return e->code == ERR_NONE;
    if (forge_run_id && !runs_by_forge(s->db, s->mem, s->lane->id, forge_run_id, &other, &taken, e))
        return false;
    if (taken && !str_eq(other.id, r.id))
        log_warn("two dispatches name one run; the second is left to be matched by its title",
                 LS("run", r.id), LI("forge_run", forge_run_id));
    else if (forge_run_id)
        r.forge_run_id = forge_run_id;
    if (url.len)
        r.url = url;
    r.seen_ms = s->now_ms;
    if (!r.dispatched_ms)
        r.dispatched_ms = s->now_ms;
    if (!hot_get(s, r.batch_seq, &h, e) ||
        !node_tell(s, h,
                   (struct node_message){.event = NODE_ACCEPTED,
                                         .node = (uint32_t)r.position,
                                         .attempt = (uint32_t)r.attempt},
                   &verdict, e))
        return false;
    if (verdict == NODE_MOVE) {
        r.state = h->b->node[r.position].state;
        h->node[r.position].tries = 0;
    }
    return runs_save(s->db, &r, e) && (!forge_run_id || heard_before(s, forge_run_id, e));
}

bool run_put_back(struct step *s, const struct run_row *r, int64_t not_before_ms, str code,
                  str text, struct hot **out, struct err *e)
{
    struct hot *h;
    enum node_verdict verdict;
    if (!hot_get(s, r->batch_seq, &h, e))
        return false;
    *out = h;
    struct node_row *n = &h->node[r->position];
    int64_t wait_ms = RETRY_FIRST_MS << (n->tries < 5 ? n->tries : 5);
    if (wait_ms > RETRY_LAST_MS)
        wait_ms = RETRY_LAST_MS;
    /* spread them without chance: the same history gives the same times */
    wait_ms += wait_ms * (int64_t)(r->position % 7) / 14;
    int64_t at_ms = not_before_ms >= s->now_ms ? not_before_ms : s->now_ms + wait_ms;
    n->tries++;
    n->run_id = STR_NONE;
    s->run_ended = true;                /* another batch's node may have the instance meanwhile */
    step_wake_at(s, at_ms);
    if (!db_exec(s->db, e, NULL, "delete from run where id = $1", ARGS(A(r->id))) ||
        !node_tell(s, h,
                   (struct node_message){.event = NODE_PUT_BACK,
                                         .node = (uint32_t)r->position,
                                         .attempt = (uint32_t)r->attempt,
                                         .not_before_ms = at_ms},
                   &verdict, e))
        return false;
    if (code.len) {
        n->error_code = arena_copy(h->mem, code);
        n->error_text = arena_copy(h->mem, text);
    }
    return nodes_save(s->db, h->row.seq, r->position, n, s->now_ms, e);
}

/* ---- the sweep: a lost webhook never leaves a spinner ---------------------------------------- */

static bool time_out(struct step *s, struct run_row *r, bool *out, struct err *e)
{
    int64_t limit_ms = r->state == NODE_APPROVAL ? RUN_WAITS_FOR_APPROVAL_MS
                                                 : s->lane->settings.run_timeout_minutes * 60000;
    struct hot *h;
    enum node_verdict verdict;
    struct run_news n = {.state = FORGE_RUN_COMPLETED,
                         .conclusion = STR("timed_out"),
                         .updated_ms = s->now_ms};
    int64_t since_ms = r->dispatched_ms ? r->dispatched_ms : r->created_ms;
    *out = s->now_ms - since_ms > limit_ms && r->state != NODE_DISPATCHING;
    if (!*out)
        return true;
    if (!hot_get(s, r->batch_seq, &h, e) ||
        !node_tell(s, h,
                   (struct node_message){.event = NODE_RUN_TIMED_OUT,
                                         .node = (uint32_t)r->position,
                                         .attempt = (uint32_t)r->attempt},
                   &verdict, e))
        return false;
    return (verdict == NODE_MOVE ? row_follows(s, h, r, &n, e) : row_alone(s, r, &n, false, e)) &&
           (!r->runner.len || node_runner_stop(s, r->id, e));
}

/* Runners are asked one by one: that costs nobody's quota. */
static bool ask_runner(struct step *s, const struct run_row *r, struct err *e)
{
    return !s->en->config.runner || step_effect(s, "runner_poll", r->id, STR("{}"), 0, e);
}

bool runs_sweep(struct step *s, struct err *e)
{
    struct run_row *r;
    size_t count, late = 0;
    int64_t oldest_ms = 0;
    if (!s->lane->has_repo || (!s->en->config.forge && !s->en->config.runner))
        return true;
    if (!runs_silent(s->db, s->mem, s->lane->id, s->now_ms - s->en->config.silent_ms, &r, &count,
                     e))
        return false;
    for (size_t i = 0; i < count; i++) {
        bool over;
        if (!time_out(s, &r[i], &over, e))
            return false;
        if (over || r[i].state == NODE_DISPATCHING)
            continue;
        if (r[i].runner.len) {
            if (!ask_runner(s, &r[i], e))
                return false;
            continue;
        }
        late++;
        if (!oldest_ms || r[i].created_ms < oldest_ms)
            oldest_ms = r[i].created_ms;
        if (r[i].forge_run_id && late <= SWEEP_READS_MAX &&
            !step_effect(s, "poll_run", arena_print(s->mem, "%lld", (long long)r[i].forge_run_id),
                         STR("{}"), 0, e))
            return false;
        if (!r[i].forge_run_id)
            late = SWEEP_READS_MAX + 1;
    }
    /*
     * Many at once, or some whose run is not known: one listing in pages of a hundred costs less
     * than a call each.
     */
    return late <= SWEEP_READS_MAX ||
           step_effect(s, "find_runs", STR("sweep"),
                       arena_print(s->mem, "{\"since\":%lld}", (long long)oldest_ms), 0, e);
}
