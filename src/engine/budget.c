/*
 * budget: what the lanes of an installation may spend, and the one scheduler that gives it out
 * again (atmos-pro.md §14).
 *
 * Every answer of the forge is noted in the step that applies it and written once, at its end: the
 * quota's row, and who spent what. A batch draws on its claim; whoever has none left asks for more
 * and, when there is no room, waits for the scheduler: lane -installation_id, owned by one server at
 * a time. The scheduler sleeps in its outbox: an effect "read_quota" that is not due before the
 * reported time is over. With the fresh numbers it adds to the claims and tells the lanes, in one
 * transaction.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/inside.h"
#include "store/budget.h"
#include "store/holds.h"

enum {
    RESET_SPARE_MS = 1100,          /* the forge counts in seconds, and its client waits one more */
    RESET_JITTER_MS = 1500,         /* not everybody at the same moment */
    UNKNOWN_AGAIN_MS = 60 * 1000,   /* the forge's numbers make no sense: asked again then */
    LIMIT_UNTOLD_MS = 60 * 1000,    /* a refusal that does not say how long (forges.md §2.12) */
};

/* ---- what answers said ----------------------------------------------------------------------- */

struct budget_note {
    struct budget_note *next;
    int64_t installation_id;
    struct quota_seen *seen;
    size_t  seen_count, seen_cap;
    int64_t blocked_until_ms;
    int64_t calls[SPEND_PURPOSE_COUNT], refused[SPEND_PURPOSE_COUNT];
};

static struct budget_note *note_of(struct step *s, int64_t installation_id)
{
    for (struct budget_note *n = s->budget; n; n = n->next)
        if (n->installation_id == installation_id)
            return n;
    struct budget_note *n = arena_make(s->mem, struct budget_note, 1);
    n->installation_id = installation_id;
    n->next = s->budget;
    return s->budget = n;
}

static enum spend_purpose purpose_of(str call)
{
    static const struct { const char *call; enum spend_purpose purpose; } known[] = {
        { "dispatch", SPEND_DISPATCH },     { "cancel_run", SPEND_DISPATCH },
        { "rerun", SPEND_DISPATCH },        { "put_comment", SPEND_COMMENT },
        { "put_check", SPEND_CHECK },       { "review", SPEND_REVIEW },
        { "find_runs", SPEND_POLL },        { "read_run", SPEND_POLL },
        { "permission", SPEND_PERMISSION }, { "read_quota", SPEND_QUOTA },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(call, str_of(known[i].call)))
            return known[i].purpose;
    return SPEND_READ;
}

static void note_quota(struct step *s, struct budget_note *n, struct json quota)
{
    str resource = json_str(json_get(quota, STR("resource")), s->mem);
    if (!json_present(quota) || (resource.len && !str_eq(resource, STR("core"))))
        return;
    if (n->seen_count == n->seen_cap) {
        size_t grown = n->seen_cap ? n->seen_cap * 2 : 8;
        n->seen = arena_grow(s->mem, n->seen, n->seen_cap, grown, sizeof *n->seen);
        n->seen_cap = grown;
    }
    n->seen[n->seen_count++] =
        (struct quota_seen){ .limit = json_i64_or(json_get(quota, STR("limit")), -1),
                             .remaining = json_i64_or(json_get(quota, STR("remaining")), -1),
                             .reset_ms = json_i64_or(json_get(quota, STR("resetMs")), -1),
                             .at_ms = s->now_ms };
}

void budget_heard(struct step *s, struct json answer)
{
    int64_t installation_id = json_i64_or(json_get(answer, STR("installation")), 0);
    int64_t calls = json_i64_or(json_get(answer, STR("calls")), 0), until_ms;
    bool limited = str_eq(json_str(json_get(answer, STR("outcome")), s->mem),
                          str_of(forge_outcome_name(FORGE_LIMITED)));
    enum spend_purpose p = purpose_of(json_str(json_get(answer, STR("call")), s->mem));
    if (!installation_id)
        return;
    struct budget_note *n = note_of(s, installation_id);
    n->calls[p] += calls;
    /* without a status the client did not even send it */
    n->refused[p] += limited && json_i64_or(json_get(answer, STR("status")), 0) > 0;
    note_quota(s, n, json_get(answer, STR("quota")));
    until_ms = json_i64_or(json_get(answer, STR("notBefore")), 0);
    /* one that is applied late may be over: it says nothing of a further minute */
    until_ms = until_ms > 0 ? until_ms : s->now_ms + LIMIT_UNTOLD_MS;
    if (limited && until_ms > n->blocked_until_ms)
        n->blocked_until_ms = until_ms;
}

struct budget_told { struct budget_told *next; int64_t installation_id, until_ms; };

static void note_told(struct step *s, int64_t installation_id, int64_t until_ms)
{
    struct budget_told *t = arena_make(s->mem, struct budget_told, 1);
    *t = (struct budget_told){ s->told, installation_id, until_ms };
    s->told = t;
}

/* The answer may be one that an earlier life of this server got: its port has not heard it. */
void budget_tell(struct step *s)
{
    const struct forge_port *port = s->en->config.forge;
    for (const struct budget_told *t = s->told; t && port && port->told; t = t->next)
        port->told(port->self, t->installation_id, t->until_ms);
}

/* Writes what was noted; the row is locked from here on. */
static bool settle(struct step *s, struct budget_note *n, struct budget *b, struct err *e)
{
    bool changed = false;
    if (!budget_lock(s->db, s->mem, n->installation_id, b, e))
        return false;
    for (size_t i = 0; i < n->seen_count; i++)
        changed = budget_observe(b, &n->seen[i]) || changed;
    if (n->blocked_until_ms > b->blocked_until_ms) {
        budget_block(b, n->blocked_until_ms);
        note_told(s, n->installation_id, n->blocked_until_ms);
        changed = true;
    }
    if ((changed || n->seen_count) && !budget_save(s->db, n->installation_id, b, e))
        return false;
    for (int p = 0; p < SPEND_PURPOSE_COUNT; p++)
        if ((n->calls[p] || n->refused[p]) &&
            !spend_add(s->db, n->installation_id, (enum spend_purpose)p, n->calls[p],
                       n->refused[p], s->now_ms, e))
            return false;
    *n = (struct budget_note){ .next = n->next, .installation_id = n->installation_id };
    return true;
}

bool budget_read(struct step *s, int64_t installation_id, struct budget *out, struct err *e)
{
    return settle(s, note_of(s, installation_id), out, e) &&
           budget_sum(s->db, s->mem, installation_id, s->now_ms, out, e);
}

static bool noted(const struct budget_note *n)
{
    bool any = n->seen_count || n->blocked_until_ms;
    for (int p = 0; p < SPEND_PURPOSE_COUNT; p++)
        any = any || n->calls[p] || n->refused[p];
    return any;
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* Not sent yet. What is being sent is covered by the claim until the forge answers. */
static int64_t unsent(const struct hot *h)
{
    if (on_runner(h))
        return 0;                       /* no call of the forge sends them */
    const uint32_t *n = h->b->by_state;
    return (int64_t)n[NODE_WAITING] + n[NODE_READY] + n[NODE_BLOCKED];
}

int64_t budget_cost(const struct hot *h) { return unsent(h); }

static int64_t room(const struct hot *h)
{
    return h->claim.left_over - (int64_t)h->b->by_state[NODE_DISPATCHING];
}

static bool claim_load(struct step *s, struct hot *h, struct err *e)
{
    bool found;
    if (!claims_get(s->db, s->mem, h->row.seq, &h->claim, &h->by_parts, &found, e))
        return false;
    h->claim_known = true;
    h->claim_stored = h->claim;
    return true;
}

bool budget_room(struct step *s, struct hot *h, int64_t *left, struct err *e)
{
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    *left = room(h);
    return true;
}

/* Differences only: the scheduler adds to the same row, perhaps on another server. */
static bool claim_save(struct step *s, struct hot *h, struct err *e)
{
    int64_t granted = h->claim.calls - h->claim_stored.calls,
            left = h->claim.left_over - h->claim_stored.left_over;
    if (!h->claim_known || (!granted && !left && h->claim.wanted == h->claim_stored.wanted))
        return true;
    if (!claims_add(s->db, h->row.seq, s->lane->repo.installation_id, granted, left,
                    h->claim.wanted, s->now_ms, e))
        return false;
    h->claim_stored = h->claim;
    return true;
}

/* The scheduler looks again. Its lane is there from the first time that somebody waits. */
static bool wake_scheduler(struct step *s, int64_t installation_id, struct err *e)
{
    enum fact_fate fate;
    int64_t id, lane = -installation_id;
    push_i64(s->mem, &s->poke, &s->poke_count, &s->poke_cap, lane);
    return lanes_ensure(s->db, lane, e) &&
           engine_store_fact(s->en, s->db, s->mem,
                             &(struct fact_new){ .lane = lane,
                                                 .kind = "budget",
                                                 .key = STR_NONE,
                                                 .body = STR("{}"),
                                                 .actor = STR("signalbox"),
                                                 .trace = STR("") },
                             &fate, &id, e);
}

bool budget_ask(struct step *s, struct hot *h, struct budget *b, bool *has_claim, struct err *e)
{
    /* in this order: the row is locked before the claim is read */
    if (!budget_read(s, s->lane->repo.installation_id, b, e) || !claim_save(s, h, e) ||
        !claim_load(s, h, e))
        return false;
    *has_claim = room(h) > 0;
    return true;
}

bool budget_claim(struct step *s, struct hot *h, int64_t calls, struct err *e)
{
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    h->claim.calls += calls;
    h->claim.left_over += calls;
    h->claim.wanted = 0;
    return claim_save(s, h, e);
}

bool budget_wanted(struct step *s, struct hot *h, struct err *e)
{
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    int64_t wanted = unsent(h) - (room(h) > 0 ? room(h) : 0);
    if (wanted < 1 || wanted == h->claim.wanted)
        return true;
    bool first = h->claim.wanted == 0;
    h->claim.wanted = wanted;
    return claim_save(s, h, e) &&
           (!first || wake_scheduler(s, s->lane->repo.installation_id, e));
}

bool budget_shown(struct step *s, struct err *e)
{
    return wake_scheduler(s, s->lane->repo.installation_id, e);
}

void budget_spent(struct hot *h)
{
    if (h->claim.left_over > 0)
        h->claim.left_over--;
    h->claim_spent++;
}

/* ---- told to wait ---------------------------------------------------------------------------- */

static bool rate_hold(struct step *s, const struct hot *h, struct hold_row *out, bool *stands,
                      struct err *e)
{
    struct hold_rows rows;
    *out = (struct hold_row){ .hold = { .kind = HOLD_RATE_LIMIT } };
    *stands = false;
    if (!holds_of(s->db, s->mem, h->row.seq, &rows, e))
        return false;
    for (size_t i = 0; i < rows.count; i++)
        if (rows.at[i].hold.kind == HOLD_RATE_LIMIT) {
            *out = rows.at[i];
            *stands = !out->lifted_ms;
        }
    return true;
}

/*
 * A batch that has begun shows its hold, too, with the new times. One that was stopped may have ended
 * with this answer: nothing holds it any more.
 */
static bool show_hold(struct step *s, struct hot *h, const struct budget *b, struct err *e)
{
    struct hold_row row;
    bool stands;
    if (h->b->state != BATCH_RUNNING)
        return true;
    if (!rate_hold(s, h, &row, &stands, e))
        return false;
    struct hold now = hold_of_budget(b, h->claim.wanted, h->by_parts, s->now_ms);
    if (stands)
        now.since_ms = row.hold.since_ms;
    if (stands && str_eq(hold_json(s->mem, &now), hold_json(s->mem, &row.hold)))
        return true;
    step_dirty(s, h->row.change_id);
    return holds_put(s->db, s->mem, h->row.seq, &now, e);
}

static bool end_hold(struct step *s, struct hot *h, struct err *e)
{
    struct hold_row row;
    bool stands;
    if (h->claim.wanted || h->b->state != BATCH_RUNNING || !rate_hold(s, h, &row, &stands, e) || !stands)
        return e->code == ERR_NONE;
    step_dirty(s, h->row.change_id);
    return holds_lifted(s->db, h->row.seq, HOLD_RATE_LIMIT, STR("signalbox"), STR("signalbox"),
                        s->now_ms, e);
}

/*
 * What the batch still had goes back, and it stands in line again with what it has not sent. The
 * order of the forge was noted with the answer.
 */
bool budget_limited(struct step *s, struct hot *h, struct err *e)
{
    struct budget b;
    bool has;
    if (!s->lane->repo.installation_id)
        return true;
    if (!budget_ask(s, h, &b, &has, e))
        return false;
    /* What is under way keeps what covers it: its answers would else spend what others are given. */
    int64_t under_way = (int64_t)h->b->by_state[NODE_DISPATCHING];
    if (h->claim.left_over > under_way)
        h->claim.left_over = under_way;
    return budget_wanted(s, h, e) && show_hold(s, h, &b, e);
}

/* ---- the gate of a batch that has begun ------------------------------------------------------- */

static str gate_text(struct step *s, const struct hot *h, const struct budget *b)
{
    struct buf buf;
    struct json_out w = gate_begin(s->mem, &buf, GATE_BUDGET);
    json_field_i64(&w, STR("waiting"), h->claim.wanted);
    json_field_i64(&w, STR("safe"), budget_safe(b, s->now_ms));
    json_field_i64(&w, STR("untilMs"), budget_wake_ms(b, s->now_ms));
    json_end_object(&w);
    return buf_str(&buf);
}

/*
 * Whoever stands in line waits for the scheduler. One that goes by parts gets in line where anybody
 * waits.
 */
static bool take_more(struct step *s, struct hot *h, const struct budget *b, struct err *e)
{
    int64_t need = unsent(h), part = budget_safe_parts(b, s->now_ms);
    bool others = false;
    if (h->claim.wanted > 0)
        return budget_wanted(s, h, e);
    if (h->by_parts && !claims_others_wait(s->db, s->mem, s->lane->repo.installation_id,
                                           h->row.seq, &others, e))
        return false;
    if (!others && budget_fits(b, need, s->now_ms))
        return budget_claim(s, h, need, e);
    if (h->by_parts && !others && part > 0 && !budget_claim(s, h, part, e))
        return false;
    return budget_wanted(s, h, e);
}

bool budget_gate(struct step *s, struct hot *h, str *gate, struct err *e)
{
    struct budget b;
    bool has;
    *gate = STR("");
    if (!s->lane->repo.installation_id || on_runner(h))
        return true;
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    if (room(h) > 0)
        return true;
    if (h->asked_step != s->number) {
        h->asked_step = s->number;
        if (!budget_ask(s, h, &b, &has, e) || (!has && !take_more(s, h, &b, e)) ||
            !(room(h) > 0 ? end_hold(s, h, e) : show_hold(s, h, &b, e)))
            return false;
        h->asked_gate = arena_copy(h->mem, gate_text(s, h, &b));
    }
    if (room(h) > 0)
        return true;
    *gate = h->asked_gate;
    return true;
}

bool budget_may_send(struct step *s, bool *may, struct err *e)
{
    int64_t until_ms = 0;
    *may = true;
    if (!s->lane->repo.installation_id)
        return true;
    if (!budget_blocked(s->db, s->mem, s->lane->repo.installation_id, &until_ms, e))
        return false;
    for (const struct budget_note *n = s->budget; n; n = n->next)
        if (n->installation_id == s->lane->repo.installation_id && n->blocked_until_ms > until_ms)
            until_ms = n->blocked_until_ms;
    *may = until_ms <= s->now_ms;
    if (!*may)
        step_wake_at(s, until_ms);
    return true;
}

/* Not left to the end of the step, which may not see it: a fact that fails empties the memory. */
bool budget_over(struct step *s, struct hot *h, struct err *e)
{
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    s->budget_freed = s->budget_freed || h->claim_stored.left_over > 0;
    h->claim.left_over = h->claim_stored.left_over = 0;
    h->claim.wanted = h->claim_stored.wanted = 0;
    return claims_over(s->db, h->row.seq, e);
}

/* ---- the end of a step ----------------------------------------------------------------------- */

/* Nodes wait for budget, and nobody has asked for it: it was spent on others of the batch. */
static bool forgotten(const struct hot *h)
{
    if (h->b->state != BATCH_RUNNING || !h->b->by_state[NODE_BLOCKED] || h->claim.wanted ||
        room(h) > 0)
        return false;
    for (uint32_t i = 0; i < h->count; i++)
        if (h->b->node[i].state == NODE_BLOCKED && gate_kind(h->node[i].gate) == GATE_BUDGET)
            return true;
    return false;
}

/* What skips, cancels and ends leave unspent goes back. */
static bool refresh(struct step *s, struct hot *h, bool *freed, struct err *e)
{
    bool gone = s->lane->repo.removed || s->lane->repo.suspended;
    bool stopped = gone || h->b->state == BATCH_ENDED || h->b->state == BATCH_HELD;
    int64_t open = unsent(h), most = open + (int64_t)h->b->by_state[NODE_DISPATCHING];
    if (!h->claim_known && !claim_load(s, h, e))
        return false;
    int64_t before = h->claim_stored.left_over;
    if (stopped || h->claim.left_over > most)
        h->claim.left_over = stopped ? 0 : most;
    if (h->b->state == BATCH_ENDED)
        h->claim.wanted = 0;
    else if (h->claim.wanted > open)
        h->claim.wanted = open;
    /* a quarter of what is spent becomes safe again: worth a look once all of it is */
    *freed = *freed || before - h->claim.left_over > h->claim_spent ||
             (before > 0 && h->claim.left_over == 0);
    h->claim_spent = 0;
    return claim_save(s, h, e) && (gone || !forgotten(h) || budget_wanted(s, h, e));
}

bool budget_end_step(struct step *s, struct err *e)
{
    bool freed = s->budget_freed, others = false;
    for (struct hot *h = s->lane->hot; h && s->lane->repo.installation_id; h = h->next)
        if (!refresh(s, h, &freed, e))
            return false;
    if (freed && !claims_others_wait(s->db, s->mem, s->lane->repo.installation_id, 0, &others, e))
        return false;
    if (others && !wake_scheduler(s, s->lane->repo.installation_id, e))
        return false;
    for (struct budget_note *n = s->budget; n; n = n->next) {
        struct budget b;
        if (noted(n) && !settle(s, n, &b, e))
            return false;
    }
    return true;
}

/* ---- the scheduler --------------------------------------------------------------------------- */

/* The same for the same moment, so that asking twice does not bring it forward. */
static int64_t after(int64_t installation_id, int64_t at_ms)
{
    uint64_t mixed = ((uint64_t)installation_id ^ (uint64_t)at_ms) * UINT64_C(0x9e3779b97f4a7c15);
    return at_ms + RESET_SPARE_MS + (int64_t)((mixed >> 32) % RESET_JITTER_MS);
}

static bool read_quota_at(struct step *s, int64_t installation_id, int64_t at_ms, struct err *e)
{
    return step_effect(s, "read_quota", arena_print(s->mem, "%lld", (long long)installation_id),
                       STR("{}"), at_ms, e);
}

/* The batch's lane looks at it again; so many calls are its own now. */
static struct fact_new word(struct step *s, int64_t repository_id, int64_t batch_seq,
                            int64_t calls)
{
    push_i64(s->mem, &s->poke, &s->poke_count, &s->poke_cap, repository_id);
    return (struct fact_new){ .lane = repository_id,
                              .kind = "budget",
                              .key = STR_NONE,
                              .body = arena_print(s->mem, "{\"batch\":%lld,\"calls\":%lld}",
                                                  (long long)batch_seq, (long long)calls),
                              .actor = STR("signalbox"),
                              .trace = STR("") };
}

static int by_seq(const void *a, const void *b)
{
    int64_t x = ((const struct claim_waiting *)a)->held.batch_seq,
            y = ((const struct claim_waiting *)b)->held.batch_seq;
    return (x > y) - (x < y);
}

static bool share(struct step *s, int64_t installation_id, const struct budget *b,
                  const struct claim_waiting *w, size_t count, size_t *granted, struct err *e)
{
    struct budget_held *held = arena_make(s->mem, struct budget_held, count + 1);
    struct budget_grant *g;
    int64_t calls = 0;
    for (size_t i = 0; i < count; i++)
        held[i] = w[i].held;
    int64_t began_us = clock_mono_us();
    size_t grants = budget_share(s->mem, b, held, count, s->now_ms, &g);
    struct claim_change *claim = arena_make(s->mem, struct claim_change, grants + 1);
    struct fact_new *fact = arena_make(s->mem, struct fact_new, grants + 1);
    *granted = 0;
    for (size_t i = 0; i < grants; i++) {
        struct claim_waiting key = { .held = { .batch_seq = g[i].batch_seq } };
        const struct claim_waiting *of = bsearch(&key, w, count, sizeof *w, by_seq);
        assert(of);
        claim[i] = (struct claim_change){ .batch_seq = g[i].batch_seq, .granted = g[i].calls,
                                          .left = g[i].calls,
                                          .wanted = of->held.cost - g[i].calls };
        fact[i] = word(s, of->held.repository_id, of->held.batch_seq, g[i].calls);
        *granted += of->held.cost == g[i].calls;
        calls += g[i].calls;
    }
    /* all of them in the transaction that read the budget */
    if (!claims_add_many(s->db, s->mem, installation_id, claim, grants, s->now_ms, e) ||
        !engine_store_facts(s->en, s->db, s->mem, fact, grants, e))
        return false;
    if (grants)
        log_info("budget given out", LI("installation", installation_id),
                 LI("batches", (int64_t)grants), LI("calls", calls),
                 LI("waiting", (int64_t)(count - *granted)), LI("remaining", b->remaining),
                 LI("took_us", clock_mono_us() - began_us));
    return true;
}

/* Nothing is given out on old numbers; on none only when the forge was asked just now. */
static bool fresh(const struct step *s, const struct budget *b)
{
    return b->blocked_until_ms <= s->now_ms &&
           (budget_current(b, s->now_ms) ||
            (!b->known && b->observed_ms > s->now_ms - UNKNOWN_AGAIN_MS));
}

static bool tell_beside(struct step *s, const struct claim_beside *beside, size_t count,
                        struct err *e)
{
    struct fact_new *fact = arena_make(s->mem, struct fact_new, count + 1);
    for (size_t i = 0; i < count; i++)
        fact[i] = word(s, beside[i].repository_id, beside[i].batch_seq, 0);
    return engine_store_facts(s->en, s->db, s->mem, fact, count, e);
}

/* just_read: the forge has told what there is, in this step. */
static bool schedule(struct step *s, bool just_read, struct err *e)
{
    int64_t installation_id = -s->lane->id, wake_ms;
    struct claim_waiting *w;
    struct claim_beside *beside;
    struct budget b;
    size_t count, beside_count, granted = 0;
    if (!budget_read(s, installation_id, &b, e) ||
        !claims_waiting(s->db, s->mem, installation_id, &w, &count, e) ||
        !claims_beside(s->db, s->mem, installation_id, &beside, &beside_count, e))
        return false;
    bool current = fresh(s, &b);
    if (count && current && !share(s, installation_id, &b, w, count, &granted, e))
        return false;
    if (just_read && !tell_beside(s, beside, beside_count, e))
        return false;
    if (granted == count && !beside_count)
        return true;
    wake_ms = budget_wake_ms(&b, s->now_ms);
    if (!b.known && current && (!wake_ms || wake_ms > s->now_ms + UNKNOWN_AGAIN_MS))
        wake_ms = s->now_ms + UNKNOWN_AGAIN_MS;
    return read_quota_at(s, installation_id, wake_ms ? after(installation_id, wake_ms) : 0, e);
}

bool budget_schedule(struct step *s, struct err *e) { return schedule(s, false, e); }

bool budget_quota_read(struct step *s, enum forge_outcome outcome, struct json result,
                       struct err *e)
{
    struct budget_note *n = note_of(s, -s->lane->id);
    struct buf buf;
    struct json_out w;
    struct json quota;
    bool unlimited = json_bool_or(json_get(result, STR("unlimited")), false);
    buf_init(&buf, s->mem, 1 << 16);
    json_out_init(&w, &buf);
    json_begin_object(&w);
    if (outcome == FORGE_OK) {
        int64_t none = unlimited ? BUDGET_UNLIMITED : -1;
        json_field_i64(&w, STR("limit"), json_i64_or(json_get(result, STR("limit")), none));
        json_field_i64(&w, STR("remaining"), json_i64_or(json_get(result, STR("remaining")), none));
        json_field_i64(&w, STR("resetMs"), json_i64_or(json_get(result, STR("reset_ms")),
                                                       unlimited ? s->now_ms + BUDGET_WINDOW_MS : -1));
    }
    json_end_object(&w);
    if (!json_parse(s->mem, buf_str(&buf), 0, &quota, e))
        return false;
    note_quota(s, n, quota);
    return schedule(s, true, e);
}

bool apply_budget(struct step *s, struct json body, str *note, struct err *e)
{
    struct hot *h;
    struct budget b;
    bool has;
    int64_t seq = json_i64_or(json_get(body, STR("batch")), 0);
    if (s->lane->id < 0) {
        *note = STR("a batch waits, or budget came back");
        s->schedule = true;
        return true;
    }
    int64_t calls = json_i64_or(json_get(body, STR("calls")), 0);
    *note = calls ? arena_print(s->mem, "%lld calls", (long long)calls)
                  : STR("the quota was read: new figures");
    if (!hot_get(s, seq, &h, e) || !budget_ask(s, h, &b, &has, e))
        return false;
    s->step_recheck = true;
    if (h->b->state == BATCH_HELD)
        return batch_try_start(s, h, e);
    return h->claim.wanted ? show_hold(s, h, &b, e) : end_hold(s, h, e);
}
