/*
 * lane: one repository's facts, in order. lane_body is the middle of the house: load, apply, let
 * go, report, prepare what leaves.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/pack.h"
#include "base/scope.h"
#include "engine/inside.h"
#include "store/audit.h"

enum { FACT_BODY_BYTES_MAX = 64 << 20, LANE_RETRY_MS = 1000 };

/* ---- the table of lanes ---------------------------------------------------------------------- */

static bool lane_body(struct db *db, struct arena *mem, void *arg, struct err *e);
static void lane_done(void *arg, const struct err *e);

/* Callers hold engine.mutex or are the writer thread adding none. */
static struct lane *find_locked(struct engine *en, int64_t id, bool make)
{
    size_t lo = 0, hi = en->lane_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (en->lane[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < en->lane_count && en->lane[lo]->id == id)
        return en->lane[lo];
    if (!make)
        return NULL;
    if (en->lane_count == en->lane_cap) {
        en->lane_cap = en->lane_cap ? en->lane_cap * 2 : 16;
        en->lane = realloc(en->lane, en->lane_cap * sizeof *en->lane);
        if (!en->lane)
            abort();
    }
    struct lane *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->id = id;
    l->en = en;
    l->owned = en->kind == DB_SQLITE;
    memmove(en->lane + lo + 1, en->lane + lo, (en->lane_count - lo) * sizeof *en->lane);
    en->lane[lo] = l;
    en->lane_count++;
    return l;
}

struct lane *lane_find(struct engine *en, int64_t id, bool make)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    return find_locked(en, id, make);
}

void lane_poke_locked(struct engine *en, struct lane *l)
{
    if (atomic_load(&en->stopping))
        return;                         /* the next start finds what is left */
    if (l->queued) {
        l->again = true;
        return;
    }
    l->queued = true;
    work_submit_patient(en->work, lane_body, lane_done, l);
}

void engine_poke(struct engine *en, int64_t lane)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    lane_poke_locked(en, find_locked(en, lane, true));
}

struct reload_job { int64_t lane; };

static bool tell_owner(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct reload_job *x = arg;
    return db_notify(db, STR("signalbox_lane"), arena_print(mem, "reload %lld", (long long)x->lane),
                     e);
}

static void told_owner(void *arg, const struct err *e)
{
    if (e)
        log_warn("another server may use old settings until it reads its lane again",
                 LZ("why", e->text));
    free(arg);
}

void lane_reload(struct engine *en, int64_t lane)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    struct lane *l = find_locked(en, lane, true);
    atomic_store(&l->reload, true);
    lane_poke_locked(en, l);
}

void engine_settings_changed(struct engine *en, int64_t lane)
{
    lane_reload(en, lane);
    if (en->kind == DB_SQLITE)
        return;
    struct reload_job *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    x->lane = lane;
    work_submit(en->work, tell_owner, told_owner, x);
}

void engine_lock_changed(struct engine *en, str workspace_id, str folded_key)
{
    (void)workspace_id;
    (void)folded_key;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (size_t i = 0; i < en->lane_count; i++)
        if (atomic_load(&en->lane[i]->has_blocked)) {
            atomic_store(&en->lane[i]->recheck, true);
            lane_poke_locked(en, en->lane[i]);
        }
}

/*
 * Forgets what is in memory; rows are the truth. Effects under way stay in `inflight` until their
 * answers come.
 */
void lane_drop(struct lane *l)
{
    hot_drop_all(l);
    arena_free(l->mem);
    l->mem = NULL;
    l->loaded = l->has_repo = false;
}

/* ---- helpers of a step ----------------------------------------------------------------------- */

void step_wake_at(struct step *s, int64_t at_ms)
{
    if (at_ms && (!s->wake_ms || at_ms < s->wake_ms))
        s->wake_ms = at_ms;
}

void step_due_at(struct step *s, int64_t at_ms)
{
    if (at_ms && (!s->lane->due_ms || at_ms < s->lane->due_ms))
        s->lane->due_ms = at_ms;
    step_wake_at(s, at_ms);
}

void step_dirty(struct step *s, int64_t change_id)
{
    if (!change_id)
        return;
    for (size_t i = 0; i < s->dirty_count; i++)
        if (s->dirty[i] == change_id)
            return;
    push_i64(s->mem, &s->dirty, &s->dirty_count, &s->dirty_cap, change_id);
}

void step_urgent(struct step *s, int64_t change_id)
{
    step_dirty(s, change_id);
    push_i64(s->mem, &s->urgent, &s->urgent_count, &s->urgent_cap, change_id);
}

static bool is_urgent(const struct step *s, int64_t change_id)
{
    for (size_t i = 0; i < s->urgent_count; i++)
        if (s->urgent[i] == change_id)
            return true;
    return false;
}

static bool step_is_inflight(const struct step *s, int64_t effect_id)
{
    /*
     * First what this step sends: an effect whose answer it applied may be sent again by it, and
     * then only once.
     */
    for (struct outgoing *o = s->out; o; o = o->next)
        if (o->effect_id == effect_id)
            return true;
    for (size_t i = 0; i < s->gone_count; i++)
        if (s->gone[i] == effect_id)
            return false;
    for (size_t i = 0; i < s->lane->inflight_count; i++)
        if (s->lane->inflight[i] == effect_id)
            return true;
    return false;
}

bool step_effect(struct step *s, const char *kind, str key, str body, int64_t not_before_ms,
                 struct err *e)
{
    struct effect f = {.lane = s->lane->id,
                       .kind = str_of(kind),
                       .key = key,
                       .body = body,
                       .wanted = 1,
                       .not_before_ms = not_before_ms,
                       .created_ms = s->now_ms};
    if (!effects_want(s->db, s->mem, &f, e))
        return false;
    /* One that waits after an attempt goes on waiting: the forge may have said until when. */
    int64_t at_ms =
        f.attempts > 0 && f.not_before_ms > not_before_ms ? f.not_before_ms : not_before_ms;
    if (at_ms > s->now_ms) {
        step_due_at(s, at_ms);
        return true;
    }
    /* scan: the answer to something that was sent could not be stored; what is new never was */
    bool maybe_sent =
        (f.wanted > 1 && (s->lane->fresh || s->lane->scan)) || f.attempts > 0;
    return step_is_inflight(s, f.id) || outbox_prepare(s, &f, maybe_sent, e);
}

bool step_audit(struct step *s, const char *category, const char *action, const char *actor_type,
                str actor, str target_type, str target, str description, struct err *e)
{
    struct audit_entry a = { .workspace_id = s->lane->has_repo ? s->lane->repo.workspace_id : STR_NONE,
                             .repository_id = s->lane->id,
                             .category = str_of(category),
                             .action = str_of(action),
                             .actor_type = str_of(actor_type),
                             .actor = actor,
                             .target_type = target_type,
                             .target = target,
                             .description = description };
    return audit_add(s->db, s->mem, &a, s->now_ms, e);
}

/* ---- one job --------------------------------------------------------------------------------- */

static bool lane_load(struct step *s, struct err *e)
{
    struct lane *l = s->lane;
    if (l->loaded)
        return true;
    l->mem = arena_new((size_t)16 << 20, (size_t)64 << 20);
    if (!lanes_repo(s->db, l->mem, l->id, &l->repo, &l->has_repo, e))
        return false;
    struct err why = { 0 };
    view_settings(s->mem, &l->repo, &l->settings, &why);
    if (why.code != ERR_NONE)
        log_warn("stored settings are out of bounds; defaults are used", LI("repository", l->id),
                 LZ("why", why.text));
    l->fresh = l->scan = true;
    l->sweep_ms = 0;
    l->loaded = true;
    return hot_load_open(s, e);
}

struct fact_handler {
    const char *kind;
    bool (*apply)(struct step *, const struct fact *, str, str *, struct err *);
};

static bool parse_fact(struct step *s, str body, struct json *v, struct err *e)
{
    return json_parse(s->mem, body, 0, v, e);
}

static bool apply_upload_fact(struct step *s, const struct fact *f, str body, str *note,
                              struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) &&
           apply_upload(s, json_str(json_get(v, STR("upload")), s->mem), false, note, e);
}
static bool apply_answer_fact(struct step *s, const struct fact *f, str body, str *note,
                              struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) && apply_answer(s, v, note, e);
}
/* An older server called it "order" when something was asked for in a comment. */
static bool is_asked(struct json v) { return json_present(json_get(v, STR("orders"))); }

static bool apply_order_fact(struct step *s, const struct fact *f, str body, str *note,
                             struct err *e)
{
    struct json v;
    return parse_fact(s, body, &v, e) &&
           (is_asked(v) ? apply_asked(s, f, v, note, e) : apply_order(s, f, v, note, e));
}
static bool apply_report_fact(struct step *s, const struct fact *f, str body, str *note,
                              struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) && apply_report(s, v, note, e);
}

static bool apply_exec_fact(struct step *s, const struct fact *f, str body, str *note,
                            struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) && apply_exec(s, v, note, e);
}

static bool apply_budget_fact(struct step *s, const struct fact *f, str body, str *note,
                              struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) && apply_budget(s, v, note, e);
}

static bool apply_asked_fact(struct step *s, const struct fact *f, str body, str *note,
                             struct err *e)
{
    struct json v;
    return parse_fact(s, body, &v, e) && apply_asked(s, f, v, note, e);
}

static bool apply_settings_fact(struct step *s, const struct fact *f, str body, str *note,
                                struct err *e)
{
    (void)f;
    (void)body;
    *note = STR("the file of settings is read");
    return settings_file_want(s, e);
}

static bool apply_callback_fact(struct step *s, const struct fact *f, str body, str *note,
                                struct err *e)
{
    struct json v;
    (void)f;
    return parse_fact(s, body, &v, e) && apply_callback(s, v, note, e);
}

static const struct fact_handler handlers[] = {
    { "callback",        apply_callback_fact },
    { "upload.affected", apply_upload_fact },
    { "answer",          apply_answer_fact },
    { "order",           apply_order_fact },
    { "command",         apply_order_fact },        /* of an older server */
    { "report",          apply_report_fact },
    { "exec",            apply_exec_fact },
    { "budget",          apply_budget_fact },
    { "asked",           apply_asked_fact },
    { "settings",        apply_settings_fact },
};

static bool apply_one(struct step *s, const struct fact *f, str *note, struct err *e)
{
    str body;
    if (!unpack(s->mem, f->body, FACT_BODY_BYTES_MAX, &body, e))
        return false;
    if (str_starts(f->kind, STR("webhook.")))
        return apply_webhook(s, f, body, note, e);
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (str_eq(f->kind, str_of(handlers[i].kind)))
            return handlers[i].apply(s, f, body, note, e);
    *note = STR("no handler for this kind");
    return true;
}

static bool is_order(str kind)
{
    return str_eq(kind, STR("order")) || str_eq(kind, STR("command"));
}

/*
 * A fact that fails is rolled back alone; what is in memory is forgotten, for it may be half
 * changed. Twice: set aside, visible, the rest goes on.
 */
static bool fact_failed(struct step *s, const struct fact *f, const struct err *why, struct err *e)
{
    bool refusal = why->code == ERR_CONFLICT || why->code == ERR_INVALID ||
                   why->code == ERR_NOT_FOUND || why->code == ERR_DENIED || why->code == ERR_LIMIT;
    hot_drop_all(s->lane);
    if (!hot_load_open(s, e))
        return false;
    s->lane->scan = true;
    if (!refusal && f->tries == 0) {
        s->more = true;
        return facts_tried(s->db, f->id, e);
    }
    log_at(refusal ? LOG_INFO : LOG_ERROR, "fact set aside", LI("fact", f->id), LS("kind", f->kind),
           LI("lane", s->lane->id), LZ("why", why->text), LS("trace", f->trace));
    if (str_eq(f->kind, STR("answer")) && !answer_set_aside(s, f, e))
        return false;
    if (is_order(f->kind) && !order_refused(s, f, str_of(why->text), e))
        return false;
    return facts_end(s->db, f->id, FACT_SET_ASIDE, arena_copy(s->mem, str_of(why->text)), s->now_ms,
                     e);
}

/*
 * A savepoint copies every page before it changes, so there is one for each fact only where a mark
 * will not do: on PostgreSQL, and in a step that is repeated because a fact failed after it had
 * written something.
 */
static bool fact_begins(struct step *s, bool *marked, int64_t *mark, struct err *e)
{
    *marked = !s->lane->careful && db_mark(s->db, mark);
    return *marked || db_savepoint(s->db, e);
}

static bool fact_undone(struct step *s, bool marked, int64_t mark, struct err *e)
{
    if (!marked)
        return db_rollback_to(s->db, e);
    if (db_back_to(s->db, mark))
        return true;
    s->lane->careful = true;
    return fail(e, ERR_BUSY, "a fact failed halfway: the step begins again");
}

static bool apply_facts(struct step *s, struct err *e)
{
    struct fact *fact;
    size_t count;
    int64_t written = 0;
    bool marked;
    if (!facts_pending(s->db, s->mem, s->lane->id, FACTS_PER_STEP, &fact, &count, e))
        return false;
    s->more = count == FACTS_PER_STEP;
    for (size_t i = 0; i < count; i++) {
        struct err why = { 0 };
        struct outgoing **mark = s->out_last;
        size_t dirty = s->dirty_count, gone = s->gone_count;
        str note = STR_NONE;
        if (!fact_begins(s, &marked, &written, e))
            return false;
        if (apply_one(s, &fact[i], &note, &why)) {
            if (!facts_end(s->db, fact[i].id, FACT_APPLIED, note, s->now_ms, e) ||
                (!marked && !db_release(s->db, e)))
                return false;
            continue;
        }
        if (why.code == ERR_BUSY || why.code == ERR_STORAGE) {
            *e = why;
            return false;
        }
        *mark = NULL;
        s->out_last = mark;
        s->dirty_count = dirty;
        /* its answer was not applied: the effect is still under way */
        s->gone_count = gone;
        if (!fact_undone(s, marked, written, e) || !fact_failed(s, &fact[i], &why, e))
            return false;
        if (fact[i].tries == 0 && s->more)
            return true;
    }
    return true;
}

/*
 * Every open effect whose time has come and that is not under way. Whatever is found here may have
 * been carried out in an earlier life, or its answer was lost on the way into the inbox: dispatches
 * are looked for before anything is sent.
 */
static bool scan_effects(struct step *s, struct err *e)
{
    struct effect *f;
    size_t count;
    int64_t next_ms;
    if (!effects_due(s->db, s->mem, s->lane->id, s->now_ms, &f, &count, &next_ms, e))
        return false;
    s->lane->due_ms = 0;
    step_due_at(s, next_ms);
    for (size_t i = 0; i < count; i++)
        if (!step_is_inflight(s, f[i].id) && !outbox_prepare(s, &f[i], true, e))
            return false;
    return true;
}

static bool expire_events(struct step *s, struct err *e)
{
    struct change_event *v;
    size_t count;
    int64_t next_ms;
    if (!change_events_expired(s->db, s->mem, s->lane->id, s->now_ms, &v, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        step_dirty(s, v[i].change_id);
        if (!change_events_end(s->db, v[i].id, STR("expired"), STR_NONE,
                               STR("no upload arrived in time"), e))
            return false;
    }
    if (!change_events_next_ms(s->db, s->mem, s->lane->id, &next_ms, e))
        return false;
    step_wake_at(s, next_ms);
    return true;
}

static bool lane_sweep(struct step *s, struct err *e)
{
    if (s->now_ms < s->lane->sweep_ms) {
        step_wake_at(s, s->lane->sweep_ms);
        return true;
    }
    s->lane->sweep_ms = s->now_ms + s->en->config.sweep_ms;
    step_wake_at(s, s->lane->sweep_ms);
    if (s->lane->id == 0)
        return s->en->config.forge == NULL || !s->en->config.heal_deliveries ||
               step_effect(s, "deliveries", STR("failed"), STR("{}"), 0, e);
    if (s->lane->id < 0) {
        s->schedule = true;
        return true;
    }
    return expire_events(s, e) && uploads_sweep(s, e) && runs_sweep(s, e);
}

/* Settings may have changed, or time has gone by. */
static bool look_at_holds(struct step *s, struct err *e)
{
    return !s->lane->fresh || holds_look_again(s, 0, e);
}

static bool lane_work(struct step *s, struct err *e)
{
    hot_trim(s->lane);
    if (!lane_load(s, e) || !apply_facts(s, e) || !actions_reap(s, e) || !look_at_holds(s, e) ||
        !lane_sweep(s, e) ||
        !lane_let_go(s, e))
        return false;
    if (!budget_end_step(s, e) || (s->schedule && !budget_schedule(s, e)))
        return false;
    for (size_t i = 0; i < s->dirty_count; i++)
        if (!report_want(s, s->dirty[i], is_urgent(s, s->dirty[i]), e))
            return false;
    bool due = s->lane->due_ms && s->now_ms >= s->lane->due_ms;
    if (!due)
        step_wake_at(s, s->lane->due_ms);
    return !(due || s->lane->scan) || scan_effects(s, e);
}

static bool lane_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct lane *l = arg;
    if (!l->owned)
        return true;
    if (atomic_exchange(&l->reload, false))
        lane_drop(l);
    /* an earlier try of this job was rolled back: memory may be ahead of the rows */
    if (l->half_done)
        lane_drop(l);
    struct step *s = arena_make(mem, struct step, 1);
    *s =
        (struct step){.en = l->en, .lane = l, .db = db, .mem = mem, .now_ms = engine_now_ms(l->en)};
    s->out_last = &s->out;
    s->number = ++l->steps;
    s->step_recheck = atomic_exchange(&l->recheck, false);
    l->step = s;
    l->half_done = true;
    if (l->id > 0)
        db_note(db, DB_NOTE_REPOSITORY, l->id);
    if (db_kind(db) == DB_POSTGRES) {
        bool mine;
        if (!lanes_fence(db, l->en->server_id, l->id, l->epoch, &mine, e))
            return false;
        if (!mine) {
            log_warn("lane lost to another server", LI("lane", l->id), LI("epoch", l->epoch));
            l->owned = false;
            lane_drop(l);
            l->step = NULL;
            l->half_done = false;
            return true;
        }
    }
    return lane_work(s, e);
}

static void forget_gone(struct lane *l, const struct step *s)
{
    for (size_t g = 0; g < s->gone_count; g++)
        for (size_t i = 0; i < l->inflight_count; i++)
            if (l->inflight[i] == s->gone[g]) {
                l->inflight[i] = l->inflight[--l->inflight_count];
                break;
            }
}

static void lane_done(void *arg, const struct err *e)
{
    struct lane *l = arg;
    struct engine *en = l->en;
    struct step *s = l->step;
    bool more = false;

    l->step = NULL;
    if (e) {
        log_error("a lane's step failed and will be repeated", LI("lane", l->id),
                  LZ("why", e->text), LZ("where", e->where));
        lane_drop(l);
        atomic_store(&l->wake_ms, engine_now_ms(en) + LANE_RETRY_MS);
    } else if (s) {
        forget_gone(l, s);
        l->fresh = l->scan = false;
        if (s->wake_ms)
            atomic_store(&l->wake_ms, s->wake_ms > s->now_ms ? s->wake_ms : s->now_ms + 1);
        budget_tell(s);
        outbox_hand_over(s);
        more = s->more;
    }
    l->half_done = l->careful = false;

    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (size_t i = 0; s && !e && i < s->poke_count; i++)
        if (s->poke[i] != l->id) {
            struct lane *other = find_locked(en, s->poke[i], true);
            if (s->reload_poked)
                atomic_store(&other->reload, true);
            lane_poke_locked(en, other);
        }
    l->queued = false;
    if (l->again || more) {
        l->again = false;
        lane_poke_locked(en, l);
    }
    pthread_cond_broadcast(&en->changed);
}
