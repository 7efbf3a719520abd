/*
 * holds: what stands in the way of a whole batch, looked at with everything that it depends on,
 * stored with its numbers, and lifted by whom the table says (domain/hold.h).
 */
#include "base/log.h"
#include "engine/inside.h"
#include "store/holds.h"

enum { PUSHES_MAX = 500 };

struct look {
    struct hold_question q;
    struct change        change;
    struct pause_row     pause;
    struct hold_rows     rows;
    struct budget        budget;
    struct holds         now;
};

static struct hold_row *row_of(struct hold_rows *rows, enum hold_kind kind)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->at[i].hold.kind == kind)
            return &rows->at[i];
    return NULL;
}

static bool stands(const struct hold_row *row) { return row && !row->lifted_ms; }

static bool by_person(const struct hold_row *row)
{
    return row && row->lifted_ms && !str_eq(row->lifted_from, STR("signalbox"));
}

static const struct hold *hold_of(const struct holds *h, enum hold_kind kind)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->at[i].kind == kind)
            return &h->at[i];
    return NULL;
}

static bool nothing_sent(const struct hot *h)
{
    for (uint32_t i = 0; i < h->count; i++)
        if (h->b->node[i].attempt > 0)
            return false;
    return true;
}

/* ---- audit ----------------------------------------------------------------------------------- */

/* What happens by itself is ordered by nobody but us. */
static const struct orderer by_itself = { .actor = STR_INIT("signalbox"),
                                          .type = STR_INIT("system"),
                                          .from = STR_INIT("signalbox") };

static bool audit_batch(struct step *s, const struct hot *h, const char *action,
                        const struct orderer *by, str description, struct err *e)
{
    return audit_order(s, by, "dispatch", action, STR("batch"), h->row.id, description, e);
}

static bool audit_change(struct step *s, const struct change *c, const char *action,
                         const struct orderer *by, str description, struct err *e)
{
    str target = arena_print(s->mem, PRI_STR "/" PRI_STR "#" PRI_STR, FMT_STR(s->lane->repo.owner),
                             FMT_STR(s->lane->repo.name), FMT_STR(c->key));
    return audit_order(s, by, "dispatch", action, STR("change"), target, description, e);
}

static str texts_of(struct step *s, const struct holds *h)
{
    str all = STR("");
    for (size_t i = 0; i < h->count; i++)
        all = arena_print(s->mem, PRI_STR "%s" PRI_STR, FMT_STR(all), i ? "; " : "",
                          FMT_STR(hold_text(s->mem, &h->at[i])));
    return all;
}

/* ---- the rapid-push breaker, which is of the pull request ------------------------------------ */

static bool read_pushes(struct step *s, int64_t change_id, struct look *l, struct err *e)
{
    int64_t *at_ms;
    if (!pauses_get(s->db, s->mem, change_id, &l->pause, e) ||
        !pauses_pushes(s->db, s->mem, change_id, l->pause.resumed_ms, PUSHES_MAX, &at_ms,
                       &l->q.push_count, e))
        return false;
    l->q.push_ms = at_ms;
    l->q.resumed_ms = l->pause.resumed_ms;
    l->q.paused = l->pause.paused_ms != 0;
    return true;
}

/* It trips with the newest push, and ends when the settings of now would not have let it trip. */
static bool breaker(struct step *s, const struct change *c, struct look *l, struct err *e)
{
    struct hold h;
    bool tripped = hold_tripped(&l->q, &h);
    if (tripped == l->q.paused)
        return true;
    l->q.paused = tripped;
    l->pause.paused_ms = tripped ? s->now_ms : 0;
    step_dirty(s, c->id);
    return pauses_save(s->db, c->id, &l->pause, e) &&
           audit_change(s, c, tripped ? "dispatch.paused" : "dispatch.resumed", &by_itself,
                        tripped ? hold_text(s->mem, &h)
                                : STR("the settings of now would not have paused it"),
                        e);
}

bool change_pushed(struct step *s, const struct change *c, struct err *e)
{
    struct look l = { .q = { .pull_request = str_eq(c->kind, STR("pull_request")),
                             .settings = &s->lane->settings,
                             .now_ms = s->now_ms } };
    return !l.q.pull_request || (read_pushes(s, c->id, &l, e) && breaker(s, c, &l, e));
}

/* ---- looking --------------------------------------------------------------------------------- */

/* Plans of pull requests; merges, releases, merge groups, drift and orders go by the budget alone. */
static bool of_pull_request(const struct hot *h)
{
    return str_eq(h->row.event, STR("pull_request")) && !str_eq(h->row.activity, STR("merged")) &&
           !str_eq(h->row.activity, STR("closed"));
}

static bool ask_pull(struct step *s, const struct hot *h, struct look *l, struct err *e)
{
    bool found;
    if (!of_pull_request(h) || !h->row.change_id)
        return true;
    if (!changes_get(s->db, s->mem, h->row.change_id, &l->change, &found, e))
        return false;
    l->q.pull_request = found;
    l->q.draft = found && l->change.draft;
    return !found || (read_pushes(s, l->change.id, l, e) && breaker(s, &l->change, l, e));
}

static bool ask_budget(struct step *s, struct hot *h, struct look *l, struct err *e)
{
    if (!s->lane->repo.installation_id || !s->en->config.forge || on_runner(h))
        return true;
    l->q.budget = &l->budget;
    l->q.cost = budget_cost(h);
    if (!budget_ask(s, h, &l->budget, &l->q.has_claim, e))
        return false;
    l->q.by_parts = h->by_parts;        /* read with its claim */
    return true;
}

static bool gather(struct step *s, struct hot *h, struct look *l, struct err *e)
{
    *l = (struct look){ .q = { .dispatchable = (uint32_t)h->row.dispatchable,
                               .settings = &s->lane->settings,
                               .now_ms = s->now_ms } };
    if (!holds_of(s->db, s->mem, h->row.seq, &l->rows, e))
        return false;
    for (size_t i = 0; i < l->rows.count; i++)
        l->q.lifted[l->rows.at[i].hold.kind] = by_person(&l->rows.at[i]);
    return ask_pull(s, h, l, e) && ask_budget(s, h, l, e);
}

/* Rows follow what was found. *changed: something that people see. */
static bool store(struct step *s, const struct hot *h, struct look *l, bool *changed, str *ended,
                  struct err *e)
{
    *changed = false;
    *ended = STR("");
    for (int k = 0; k < HOLD_KIND_COUNT; k++) {
        struct hold_row *row = row_of(&l->rows, (enum hold_kind)k);
        const struct hold *now = hold_of(&l->now, (enum hold_kind)k);
        if (!now && !stands(row))
            continue;
        if (now && stands(row) &&
            str_eq(hold_json(s->mem, now), hold_json(s->mem, &row->hold)))
            continue;
        *changed = true;
        if (now && !holds_put(s->db, s->mem, h->row.seq, now, e))
            return false;
        if (now)
            continue;
        *ended = arena_print(s->mem, PRI_STR "%s%s", FMT_STR(*ended), ended->len ? ", " : "",
                             hold_rule((enum hold_kind)k)->name);
        if (!holds_lifted(s->db, h->row.seq, (enum hold_kind)k, STR("signalbox"),
                          STR("signalbox"), s->now_ms, e))
            return false;
    }
    return true;
}

static bool hold_batch(struct step *s, struct hot *h, struct look *l, struct err *e)
{
    struct decisions d = { .mem = s->mem };
    bool first = h->b->state != BATCH_HELD, alone = l->now.at[0].kind == HOLD_RATE_LIMIT;
    bool shown = hold_of(&l->now, HOLD_RATE_LIMIT), was_shown = stands(row_of(&l->rows, HOLD_RATE_LIMIT));
    /* In line for budget stands only what nothing else holds. */
    if (alone ? !budget_wanted(s, h, e) : shown && !was_shown && !budget_shown(s, e))
        return false;
    if (first) {
        step_urgent(s, h->row.change_id);
        log_info("batch held", LS("batch", h->row.id), LI("lane", s->lane->id),
                 LS("why", texts_of(s, &l->now)));
    }
    batch_hold(h->b, s->now_ms, &d);
    return batch_carry_out(s, h, &d, e) &&
           (!first || audit_batch(s, h, "dispatch.held", &by_itself, texts_of(s, &l->now), e));
}

bool holds_look(struct step *s, struct hot *h, bool *may_go, struct err *e)
{
    struct look l;
    bool changed;
    str ended;
    if (!gather(s, h, &l, e))
        return false;
    hold_evaluate(&l.q, &l.now);
    *may_go = l.now.count == 0;
    if (!store(s, h, &l, &changed, &ended, e))
        return false;
    if (changed)
        step_dirty(s, h->row.change_id);
    if (!*may_go)
        return hold_batch(s, h, &l, e);
    if (l.q.budget && !l.q.has_claim && l.q.cost > 0 && !budget_claim(s, h, l.q.cost, e))
        return false;
    return !ended.len ||
           audit_batch(s, h, "dispatch.released", &by_itself,
                       arena_print(s->mem, PRI_STR " ended by itself", FMT_STR(ended)), e);
}

static bool look_again(struct step *s, struct hot *h, struct err *e)
{
    bool may_go;
    switch (h->b->state) {
    case BATCH_HELD:
        return batch_try_start(s, h, e);
    case BATCH_PREPARING:               /* its workflow files are being read: it starts with them */
        return holds_look(s, h, &may_go, e);
    case BATCH_RUNNING:
        return !nothing_sent(h) || holds_look(s, h, &may_go, e);
    case BATCH_ENDED:
        break;
    }
    return true;
}

bool holds_look_again(struct step *s, int64_t change_id, struct err *e)
{
    if (!s->lane->has_repo || s->lane->repo.removed || s->lane->repo.suspended)
        return true;
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        bool asked = change_id ? h->row.change_id == change_id : h->b->state == BATCH_HELD;
        if (asked && !look_again(s, h, e))
            return false;
    }
    return true;
}

bool holds_supersede(struct step *s, int64_t change_id, str by, struct err *e)
{
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        struct decisions d = { .mem = s->mem };
        if (h->row.change_id != change_id || h->b->state != BATCH_HELD || !of_pull_request(h))
            continue;
        h->row.superseded_by = arena_copy(h->mem, by);
        batch_supersede(h->b, false, s->now_ms, &d);
        if (!batch_carry_out(s, h, &d, e))
            return false;
    }
    return true;
}

/* ---- people ---------------------------------------------------------------------------------- */

bool holds_never_began(const struct hot *h)
{
    return h->b->state == BATCH_ENDED && nothing_sent(h);
}

bool holds_again(struct step *s, struct hot *h, str *why, struct err *e)
{
    struct look l;
    *why = STR("");
    if (!holds_never_began(h))
        return true;
    if (!gather(s, h, &l, e))
        return false;
    l.q.budget = NULL;                  /* its nodes ask for that themselves */
    hold_evaluate(&l.q, &l.now);
    *why = texts_of(s, &l.now);
    return true;
}

bool holds_refuse_again(struct step *s, struct hot *h, struct err *e)
{
    struct hold_rows rows;
    str why;
    if (!holds_again(s, h, &why, e))
        return false;
    if (why.len)
        return fail(e, ERR_CONFLICT,
                    "the batch was stopped before anything of it was sent, and would be held (" PRI_STR
                    "); push again, or re-run the workflow that uploads, to get a new one",
                    FMT_STR(why));
    if (h->b->state != BATCH_HELD)
        return true;
    if (!holds_of(s->db, s->mem, h->row.seq, &rows, e))
        return false;
    for (size_t i = 0; i < rows.count; i++)
        if (stands(&rows.at[i]))
            return fail(e, ERR_CONFLICT,
                        "nothing of this batch was sent yet: it is held (" PRI_STR "); " PRI_STR,
                        FMT_STR(hold_text(s->mem, &rows.at[i].hold)),
                        FMT_STR(hold_way_out(s->mem, &rows.at[i].hold)));
    return true;
}

/* Why there is nothing to lift. */
static bool nothing_to_lift(struct step *s, const struct hot *h, struct hold_rows *rows,
                            struct err *e)
{
    struct hold_row *limit = row_of(rows, HOLD_RATE_LIMIT);
    if (h->row.superseded_by.len)
        return fail(e, ERR_CONFLICT, "a newer head took the place of this batch");
    if (h->b->state == BATCH_ENDED)
        return fail(e, ERR_CONFLICT, "the batch has ended (" PRI_STR ")", FMT_STR(h->row.verdict));
    if (stands(limit))
        return fail(e, ERR_CONFLICT, "only the rate limit holds this batch: " PRI_STR,
                    FMT_STR(hold_way_out(s->mem, &limit->hold)));
    return fail(e, ERR_CONFLICT, "nothing holds this batch");
}

static void put_kinds(struct json_out *w, const char *name, const struct hold_rows *rows,
                      bool standing, const bool lifted[HOLD_KIND_COUNT])
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < rows->count; i++)
        if (standing ? stands(&rows->at[i]) : lifted[rows->at[i].hold.kind])
            json_put_str(w, str_of(hold_rule(rows->at[i].hold.kind)->name));
    json_end_array(w);
}

static str lift_note(struct step *s, const struct hot *h, const struct hold_rows *rows,
                     const bool lifted[HOLD_KIND_COUNT])
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, 1 << 16);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("batch"), h->row.id);
    put_kinds(&w, "lifted", rows, false, lifted);
    put_kinds(&w, "standing", rows, true, lifted);
    json_field_i64(&w, STR("dispatches"), h->row.dispatchable);
    json_field_str(&w, STR("state"), str_of(batch_state_name(h->b->state)));
    json_end_object(&w);
    return buf_str(&b);
}

bool holds_lift(struct step *s, struct hot *h, enum hold_kind kind, const struct orderer *by,
                str *note, struct err *e)
{
    struct hold_rows rows;
    bool lifted[HOLD_KIND_COUNT] = { false };
    str names = STR("");
    bool open = h->b->state == BATCH_HELD && !h->row.superseded_by.len;
    if (!holds_of(s->db, s->mem, h->row.seq, &rows, e))
        return false;
    for (size_t i = 0; i < rows.count && open; i++) {
        enum hold_kind k = rows.at[i].hold.kind;
        if (!stands(&rows.at[i]) || (kind != HOLD_KIND_COUNT && kind != k) ||
            hold_rule(k)->release != RELEASE_BY_PERSON)
            continue;
        if (!holds_lifted(s->db, h->row.seq, k, by->actor, by->from, s->now_ms, e))
            return false;
        lifted[k] = true;
        names = arena_print(s->mem, PRI_STR "%s%s", FMT_STR(names), names.len ? ", " : "",
                            hold_rule(k)->name);
    }
    if (!names.len)
        return nothing_to_lift(s, h, &rows, e);
    step_dirty(s, h->row.change_id);
    if (!audit_batch(s, h, "dispatch.released", by,
                     arena_print(s->mem, PRI_STR " lifted from " PRI_STR, FMT_STR(names),
                                 FMT_STR(by->from)),
                     e) ||
        !batch_try_start(s, h, e) || !holds_of(s->db, s->mem, h->row.seq, &rows, e))
        return false;
    *note = lift_note(s, h, &rows, lifted);
    return true;
}

/* Larger than any safe budget: what is looked at is the last look, whose numbers people have seen. */
static bool may_go_in_parts(struct step *s, const struct hot *h, struct err *e)
{
    struct hold_rows rows;
    if (h->b->state == BATCH_ENDED || h->row.superseded_by.len)
        return fail(e, ERR_CONFLICT, "the batch has ended");
    if (h->by_parts)
        return fail(e, ERR_CONFLICT, "the batch goes in dependency levels already");
    if (!holds_of(s->db, s->mem, h->row.seq, &rows, e))
        return false;
    const struct hold_row *limit = row_of(&rows, HOLD_RATE_LIMIT);
    if (!stands(limit))
        return fail(e, ERR_CONFLICT, "the rate limit does not hold this batch");
    return limit->hold.never_fits ||
           fail(e, ERR_CONFLICT, "the batch fits the budget whole: " PRI_STR,
                FMT_STR(hold_way_out(s->mem, &limit->hold)));
}

bool holds_parts(struct step *s, struct hot *h, const struct orderer *by, str *note,
                 struct err *e)
{
    int64_t left;
    if (!budget_room(s, h, &left, e) || !may_go_in_parts(s, h, e) ||
        !holds_by_parts(s->db, h->row.seq, e))
        return false;
    h->by_parts = true;
    h->claim.wanted = 0;                /* it stands in line anew, as one that takes what there is */
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"byParts\":true}", FMT_STR(h->row.id));
    step_dirty(s, h->row.change_id);
    return audit_batch(s, h, "dispatch.parts", by,
                       arena_print(s->mem, "may go in dependency levels, from " PRI_STR,
                                   FMT_STR(by->from)),
                       e) &&
           (h->b->state == BATCH_RUNNING ? budget_wanted(s, h, e) : batch_try_start(s, h, e));
}

bool change_resume(struct step *s, int64_t change_id, const struct orderer *by, str *note,
                   struct err *e)
{
    struct look l = { 0 };
    struct change c;
    bool found;
    int64_t newest_ms = 0;
    if (!changes_get(s->db, s->mem, change_id, &c, &found, e))
        return false;
    if (!found || c.repository_id != s->lane->id)
        return fail(e, ERR_NOT_FOUND, "no such pull request");
    if (!read_pushes(s, change_id, &l, e))
        return false;
    if (!l.pause.paused_ms)
        return fail(e, ERR_CONFLICT, "#" PRI_STR " is not paused", FMT_STR(c.key));
    /* In the forge's time, like the pushes that are compared with it. */
    for (size_t i = 0; i < l.q.push_count; i++)
        newest_ms = l.q.push_ms[i] > newest_ms ? l.q.push_ms[i] : newest_ms;
    l.pause = (struct pause_row){ .resumed_ms = newest_ms ? newest_ms : s->now_ms };
    step_dirty(s, change_id);
    *note = arena_print(s->mem, "{\"pull\":%lld,\"head\":\"" PRI_STR "\"}", (long long)c.number,
                        FMT_STR(c.head_sha));
    return pauses_save(s->db, change_id, &l.pause, e) &&
           audit_change(s, &c, "dispatch.resumed", by,
                        arena_print(s->mem, "dispatches resumed from " PRI_STR, FMT_STR(by->from)),
                        e) &&
           holds_look_again(s, change_id, e) &&
           holds_resumed(s->db, change_id, by->actor, s->now_ms, e);
}
