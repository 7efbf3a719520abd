/*
 * check: the invariants of architecture.md §7, of the rows and the truth alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/pack.h"
#include "check.h"

void look(struct db_rows *r, const char *sql, const struct arg *args, size_t count)
{
    struct err e = {0};
    db_fault_after(0); /* it is meant for the engine's own statements */
    if (!db_query_(now->look, now->look_mem, &e, r, sql, args, count)) {
        fprintf(stderr, "%s: %s\n", sql, e.text);
        abort();
    }
}

int64_t ask_(const char *sql, const struct arg *args, size_t count)
{
    struct db_rows r;
    look(&r, sql, args, count);
    return r.count ? db_at(&r, 0, 0)->i : -1;
}

str ask_text_(const char *sql, const struct arg *args, size_t count)
{
    struct db_rows r;
    look(&r, sql, args, count);
    return r.count && !db_at(&r, 0, 0)->null ? arena_copy(now->mem, db_at(&r, 0, 0)->s) : STR("");
}

/* ---- a run that was just decided on ---------------------------------------------------------- */

struct fresh {
    str id, component, state, batch_state;
    int64_t batch, position, run_class, created_ms, strict, on_runner;
};

static bool is_good(str state)
{
    return str_eq(state, STR("success")) || str_eq(state, STR("not_dispatched"));
}

static bool is_over(str state)
{
    static const char *const over[] = {"success", "failure", "cancelled",  "timed_out",
                                       "skipped", "error",   "superseded", "not_dispatched"};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++)
        if (str_eq(state, str_of(over[i])))
            return true;
    return false;
}

/* A node without a row has not moved since it was made; what is inert from the start has no edges. */
static str state_at(const struct db_rows *nodes, int64_t position)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (db_at(nodes, i, 0)->i == position)
            return db_at(nodes, i, 1)->s;
    return STR("waiting");
}

/* Invariant 1. */
static void check_parents(const struct fresh *f)
{
    struct db_rows b, n;
    struct err e = {0};
    str edges;
    LOOK(&b, "select edges from batch where seq = $1", ARGS(A(f->batch)));
    LOOK(&n, "select position, state from node where batch_seq = $1", ARGS(A(f->batch)));
    MUST(unpack(now->look_mem, db_at(&b, 0, 0)->s, 1 << 20, &edges, &e), "edges can be read", 0, 0);
    for (size_t i = 0; i + 8 <= edges.len; i += 8) {
        const uint8_t *at = (const uint8_t *)edges.ptr + i;
        size_t parent = at[0] | (size_t)at[1] << 8, child = at[4] | (size_t)at[5] << 8;
        if ((int64_t)child != f->position)
            continue;
        str state = state_at(&n, (int64_t)parent);
        bool lenient = f->run_class == 0 && !f->strict;
        if (!(lenient ? is_over(state) : is_good(state)))
            fprintf(stderr, PRI_STR " of batch %lld behind one that is " PRI_STR "\n",
                    FMT_STR(f->component), (long long)f->batch, FMT_STR(state));
        MUST(lenient ? is_over(state) : is_good(state),
             "a node starts only when all it waits for succeeded", f->position, parent);
    }
}

/*
 * Invariant 2, both halves. A lock counts when it stood before this commit and stands after it: the
 * same one, not what somebody took in the same commit when it had ended and the node had gone.
 */
static void check_free(const struct fresh *f, const struct lock *was, uint32_t was_count)
{
    struct db_rows r;
    char key[64];
    snprintf(key, sizeof key, "acme/infra/prod/" PRI_STR, FMT_STR(f->component));
    for (uint32_t i = 0; i < was_count; i++)
        for (uint32_t k = 0; k < now->locks; k++)
            MUST(strcmp(was[i].folded, key) != 0 || strcmp(now->lock[k].folded, key) != 0 ||
                     was[i].serial != now->lock[k].serial ||
                     was[i].expires_ms <= f->created_ms || now->lock[k].expires_ms <= f->created_ms,
                 "no new dispatch onto a locked instance", f->batch, f->position);
    if (f->run_class == 0)
        return;
    LOOK(&r,
         "select r.id, r.state, n.state, r.attempt, n.attempt from run r join node n on "
         "n.batch_seq = r.batch_seq and n.position = r.position where r.component = $1 and r.id <> "
         "$2 and r.ended_ms is null and n.run_class = 1",
         ARGS(A(f->component), A(f->id)));
    if (r.count)
        fprintf(stderr, PRI_STR " beside " PRI_STR " (%s, %s)\n", FMT_STR(f->id),
                FMT_STR(db_at(&r, 0, 0)->s), arena_z(now->look_mem, db_at(&r, 0, 1)->s),
                arena_z(now->look_mem, db_at(&r, 0, 2)->s));
    MUST(r.count == 0, "never two live applies on one instance", f->batch, f->position);
}

static bool seen_before(str id)
{
    for (uint32_t i = now->seen_count; i-- > 0;)
        if (str_eq(id, str_of(now->seen[i])))
            return true;
    MUST(now->seen_count < SEEN, "the history fits the world", SEEN, 0);
    snprintf(now->seen[now->seen_count++], sizeof now->seen[0], PRI_STR, FMT_STR(id));
    return false;
}

static void check_fresh_runs(const struct lock *was, uint32_t was_count)
{
    struct db_rows r;
    LOOK(&r,
         "select r.id, r.component, n.state, b.state, r.batch_seq, r.position, n.run_class, "
         "r.created_ms, b.strict_plans, r.runner <> '' from run r join node n on n.batch_seq = r.batch_seq and "
         "n.position = r.position join batch b on b.seq = r.batch_seq where r.dispatched_ms is "
         "null and r.ended_ms is null",
         NO_ARGS);
    for (size_t i = 0; i < r.count; i++) {
        struct fresh f = {db_at(&r, i, 0)->s, db_at(&r, i, 1)->s, db_at(&r, i, 2)->s,
                          db_at(&r, i, 3)->s, db_at(&r, i, 4)->i, db_at(&r, i, 5)->i,
                          db_at(&r, i, 6)->i, db_at(&r, i, 7)->i, db_at(&r, i, 8)->i,
                          db_at(&r, i, 9)->i};
        if (seen_before(f.id))
            continue;
        /* Invariant 3. */
        MUST(str_eq(f.batch_state, STR("running")), "only a batch that runs dispatches", f.batch,
             f.position);
        if (!f.on_runner)
            check_fresh_is_covered(f.batch, f.created_ms);
        check_parents(&f);
        check_free(&f, was, was_count);
    }
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* Invariant 6: in order, once, and what was applied stays applied. */
static void check_facts(void)
{
    struct db_rows r;
    LOOK(&r, "select coalesce(sum(applied_ms), 0) from fact where state <> 0 and id <= $1",
         ARGS(A(now->applied_upto)));
    MUST(db_at(&r, 0, 0)->i == now->applied_sum, "a fact is applied once", db_at(&r, 0, 0)->i,
         now->applied_sum);
    LOOK(&r,
         "select min(case when state = 0 then id end), max(case when state <> 0 then id end), "
         "sum(case when state = 2 and kind not in ('order', 'command', 'report') and not (kind = "
         "'callback' and note like 'the run has ended%') then 1 else 0 end) from "
         "fact where lane = 1",
         NO_ARGS);
    const struct db_value *pending = db_at(&r, 0, 0), *applied = db_at(&r, 0, 1);
    MUST(pending->null || applied->null || pending->i > applied->i, "facts are applied in order",
         pending->i, applied->i);
    if (db_at(&r, 0, 2)->i)
        fprintf(stderr, "set aside: " PRI_STR "\n",
                FMT_STR(ask_text("select kind || ': ' || note from fact where state = 2 and kind "
                                 "not in ('order', 'command', 'report') order by note like 'the "
                                 "run has ended%' limit 1")));
    MUST(db_at(&r, 0, 2)->i == 0, "every accepted fact is applied", db_at(&r, 0, 2)->i, 0);
    now->applied_upto = ask("select coalesce((select min(id) - 1 from fact where state = 0), "
                            "(select max(id) from fact), 0)");
    LOOK(&r, "select coalesce(sum(applied_ms), 0) from fact where state <> 0 and id <= $1",
         ARGS(A(now->applied_upto)));
    now->applied_sum = db_at(&r, 0, 0)->i;
}

static uint32_t read_locks(struct lock *out)
{
    struct db_rows r;
    LOOK(&r, "select folded, expires_ms, message from lock where deleted_ms is null", NO_ARGS);
    uint32_t n = 0;
    for (size_t i = 0; i < r.count && n < LOCKS; i++, n++) {
        snprintf(out[n].folded, sizeof out[n].folded, PRI_STR, FMT_STR(db_at(&r, i, 0)->s));
        out[n].expires_ms = db_at(&r, i, 1)->i;
        out[n].serial = grant_in(db_at(&r, i, 2)->s);
    }
    return n;
}

void check_commit(void)
{
    struct lock was[LOCKS];
    uint32_t was_count = now->locks;
    if (!now->look)
        return;
    memcpy(was, now->lock, sizeof was);
    now->locks = read_locks(now->lock);
    check_budget();
    check_holds();
    check_orders();
    check_locks(was, was_count);
    check_fresh_runs(was, was_count);
    check_facts();
    /* Invariant 7. */
    MUST(ask("select count(*) from node where state = 'locked' and gate = ''") == 0,
         "what is held back says by what", 0, 0);
    arena_reset(now->look_mem);
}

/* ---- over there ------------------------------------------------------------------------------ */

/* The engine's row of a run over there: empty when it has none. */
static str row_state(const char *run_id, str *error)
{
    struct db_rows r;
    LOOK(&r, "select state, error_code, ended_ms from run where id = $1", ARGS(A(str_of(run_id))));
    *error = r.count ? db_at(&r, 0, 1)->s : STR("");
    return r.count ? db_at(&r, 0, 0)->s : STR("");
}

void check_run_made(const struct run *r)
{
    MUST(r->run_id[0] && r->component[0], "a run has its id and its component", r->id, 0);
    for (uint32_t i = 0; i < now->runs; i++) {
        const struct run *other = &now->run[i];
        /* Invariant 4. */
        MUST(strcmp(other->run_id, r->run_id) != 0 || other->forgotten, "one run for one run id",
             other->id, r->id);
        if (!r->apply || !other->apply || !run_is_live(other) || other->by_hand ||
            strcmp(other->component, r->component) != 0)
            continue;
        /* Invariant 2, seen from over there. */
        str error, state = row_state(other->run_id, &error);
        bool given_up = other->uuid[0] && str_eq(state, STR("error"));
        MUST(str_eq(error, STR("outcome_unknown")) || str_eq(state, STR("timed_out")) || given_up,
             "never two live applies on one instance over there", other->id, r->id);
    }
}

static str dispatched_id(const struct forge_call *c)
{
    for (size_t i = 0; c->kind == FORGE_DISPATCH && i < c->input_count; i++)
        if (str_eq(c->inputs[i].name, STR("atmos_pro_run_id")))
            return c->inputs[i].value;
    return STR_NONE;
}

void check_call(const struct forge_call *c)
{
    str id = dispatched_id(c);
    if (id.len)
        check_call_of_held(id);
    if (c->kind == FORGE_REVIEW)
        check_call_review(c->number);
    for (uint32_t i = 0; id.len && i < CALLS; i++)
        MUST(!now->call[i].used || !str_eq(dispatched_id(&now->call[i].c), id),
             "one call for one dispatch under way", now->call[i].serial, now->serial);
}

void check_sent_to_runner(str uuid)
{
    str id = ask_text_of("select id from run where runner_run = $1", A(uuid));
    MUST(id.len, "what is sent to a runner is a run", 0, 0);
    check_call_of_held(id);
}

/* ---- the end --------------------------------------------------------------------------------- */

static const char *state_of_end(const struct run *r)
{
    return !strcmp(r->conclusion, "success")     ? "success"
           : !strcmp(r->conclusion, "cancelled") ? "cancelled"
           : !strcmp(r->conclusion, "timed_out") ? "timed_out"
                                                 : "failure";
}

void check_end(void)
{
    for (uint32_t i = 0; i < now->runs; i++) {
        const struct run *r = &now->run[i];
        str error, state = row_state(r->run_id, &error);
        if (str_eq(state, STR("error")) || str_eq(state, STR("timed_out")) || r->forgotten)
            continue;
        if (!str_eq(state, str_of(state_of_end(r))))
            fprintf(stderr, "run %lld (%s): %s over there, " PRI_STR " here\n", (long long)r->id,
                    r->run_id, r->conclusion, FMT_STR(state));
        MUST(str_eq(state, str_of(state_of_end(r))), "the row says what the forge says", r->id, 0);
    }
    for (uint32_t i = 0; i < now->accepted_count; i++) {
        struct db_rows r;
        LOOK(&r, "select state from fact where id = $1", ARGS(A(now->accepted[i])));
        MUST(r.count == 1 && db_at(&r, 0, 0)->i != 0, "every accepted fact is applied",
             now->accepted[i], 0);
    }
    MUST(ask("select count(*) from batch b join change c on c.id = b.change_id where "
             "b.tree_differs = 1 and c.number % 2 = 0") == 0,
         "nobody is warned of a merge that is what was planned", 0, 0);
    check_orders_end();
    check_budget_end();
    if (!now->again) {
        str twice =
            ask_text("select r.id || ' (' || r.state || ') and ' || o.id from run r join run o "
                     "on o.batch_seq = r.batch_seq and o.position = r.position and "
                     "o.attempt > r.attempt where r.state not in ('failure', 'cancelled', "
                     "'error', 'timed_out') limit 1");
        if (twice.len)
            fprintf(stderr, PRI_STR "\n", FMT_STR(twice));
        MUST(twice.len == 0, "each node is dispatched once", 0, 0);
    }
    arena_reset(now->look_mem);
}

/* Forgets what was sent and wishes for everything again. */
static bool wish_all(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL, "update feedback set sent_hash = ''", NO_ARGS) &&
           db_exec(
               db, e, NULL,
               "insert into effect (lane, kind, key, created_ms) select 1, f.kind, cast(c.id as "
               "text), 1 from feedback f join change c on f.key = case when f.kind = 'check' "
               "then c.head_sha else cast(c.id as text) end where f.kind in ('check', "
               "'comment') union select 1, 'result', cast(b.change_id as text), 1 from feedback f "
               "join batch b on b.id = f.key where f.kind = 'result' on conflict do nothing",
               NO_ARGS);
}

/* Renders everything anew; answers until nothing is left to do. */
static void render_again(void)
{
    struct err e = {0};
    if (!engine_write_wait(machine.engine, wish_all, NULL, &e))
        fprintf(stderr, "%s\n", e.text);
    MUST(e.code == ERR_NONE, "it can be wished for", 0, 0);
    machine_kill();
    machine.now_ms += 3 * 3600 * 1000;
    server_start();
    for (int day = 0; day < 50 && ask("select count(*) from effect where state = 0"); day++) {
        machine_turns(1000);
        for (struct call *c; (c = forge_waiting(0)) != NULL;) {
            forge_answer(c);
            machine_turns(1000);
        }
        machine.now_ms += 10000;
        machine_tick();
    }
}

/* What is left of the quota when a held batch goes is another number at another time. */
static char *without_forecast(const char *text)
{
    char *copy = strdup(text), *at = copy;
    if (!copy)
        abort();
    while ((at = strstr(at, "When it goes: ")) != NULL)
        for (at += 14; *at && *at != '\n' && *at != '\\'; at++)
            *at = '-';
    return copy;
}

static bool same_text(const char *a, const char *b)
{
    char *x = without_forecast(a), *y = without_forecast(b);
    const char *p = x, *q = y;
    while (*p && *p == *q) {
        p += *p == '-' ? strspn(p, "-") : 1;
        q += *q == '-' ? strspn(q, "-") : 1;
    }
    bool same = *p == *q;
    free(x);
    free(y);
    return same;
}

/*
 * Invariant 8: what was written while it went on, and what another server writes hours later from
 * the rows alone, are the same bytes.
 */
void check_same_bytes(void)
{
    char *before[PAPERS];
    bool stale[PAPERS]; /* the last word was refused over there */
    uint32_t papers = now->papers;
    for (uint32_t i = 0; i < papers; i++) {
        before[i] = strdup(now->paper[i].text);
        stale[i] = now->paper[i].refused || now->paper[i].deleted;
    }
    render_again();
    MUST(now->papers <= papers + now->unwritten, "nothing new is written", now->papers, papers);
    for (uint32_t i = 0; i < papers; i++) {
        if (!stale[i] && !same_text(before[i], now->paper[i].text))
            fprintf(stderr, "was: %s\n\nis: %s\n", before[i], now->paper[i].text);
        MUST(stale[i] || same_text(before[i], now->paper[i].text),
             "rendering twice gives the same bytes", i, 0);
        free(before[i]);
    }
}
