/*
 * check_holds: what is held sends nothing, what starts may start, and is covered whole. The rules of
 * the four holds are asked anew here, of the rows, in other words than the domain's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

/* What the repository's row says; the lane may have read it one commit ago. */
struct rules {
    int64_t threshold_hold, threshold, rapid_push_hold, rapid_pushes, rapid_push_minutes;
};
static struct rules rules, rules_before;

static int64_t setting(const char *name, int64_t unset)
{
    struct db_rows r;
    LOOK(&r, "select json_extract(settings, '$.' || $1) from repository where id = 1",
         ARGS(A(str_of(name))));
    return r.count && !db_at(&r, 0, 0)->null ? db_at(&r, 0, 0)->i : unset;
}

static void read_rules(void)
{
    rules_before = rules;
    rules = (struct rules){setting("threshold_hold", 0), setting("threshold", 50),
                           setting("rapid_push_hold", 0), setting("rapid_pushes", 3),
                           setting("rapid_push_minutes", 10)};
}

static bool lifted_by_person(int64_t batch, const char *kind)
{
    struct db_rows r;
    LOOK(&r,
         "select 1 from hold where batch_seq = $1 and kind = $2 and lifted_ms is not null and "
         "lifted_from <> 'signalbox'",
         ARGS(A(batch), A(str_of(kind))));
    return r.count > 0;
}

/* Pushes since the last resume that lie in one window with the newest of them. */
static int64_t newest_burst(int64_t change, int64_t window_ms)
{
    struct db_rows r;
    LOOK(&r,
         "select count(*) from change_event v join change c on c.id = v.change_id where c.id = $1 "
         "and v.activity = 'synchronize' and v.at_ms > c.resumed_ms and v.at_ms > $2 + (select "
         "max(w.at_ms) from change_event w where w.change_id = $1 and w.activity = 'synchronize')",
         ARGS(A(change), A(-window_ms)));
    return db_at(&r, 0, 0)->i;
}

struct starting {
    int64_t batch, change, dispatchable;
    bool plan, draft, paused, by_parts;
};

static const char *stands(const struct starting *b, const struct rules *is)
{
    int64_t window_ms = is->rapid_push_minutes * 60000;
    bool burst =
        is->rapid_push_hold && (b->paused || newest_burst(b->change, window_ms) > is->rapid_pushes);
    if (!b->plan)
        return NULL;
    if (b->draft && !lifted_by_person(b->batch, "draft"))
        return "a draft does not start";
    if (is->threshold_hold && b->dispatchable > is->threshold &&
        !lifted_by_person(b->batch, "threshold"))
        return "what is above the threshold does not start";
    return burst && !lifted_by_person(b->batch, "rapid_push") ? "what is paused does not start"
                                                              : NULL;
}

static void check_start(int64_t batch)
{
    struct db_rows r;
    LOOK(&r,
         "select coalesce(b.change_id, 0), b.dispatchable, b.event = 'pull_request' and b.activity "
         "not in ('merged', 'closed'), coalesce(c.draft, 0), coalesce(c.paused_ms, 0) <> 0, "
         "b.by_parts, (select count(*) from hold h where h.batch_seq = b.seq and h.lifted_ms is "
         "null and (h.kind <> 'rate_limit' or not b.by_parts)), b.dispatchable - (select count(*) "
         "from "
         "node n where n.batch_seq = b.seq and n.state not in ('waiting', 'ready', 'locked', "
         "'dispatching', 'not_dispatched')), "
         "coalesce((select left_over from claim k where k.batch_seq = b.seq), 0), b.executor = "
         "'runner' from batch b left join change c on c.id = b.change_id where b.seq = $1",
         ARGS(A(batch)));
    struct starting b = {batch,
                         db_at(&r, 0, 0)->i,
                         db_at(&r, 0, 1)->i,
                         db_at(&r, 0, 2)->i != 0,
                         db_at(&r, 0, 3)->i != 0,
                         db_at(&r, 0, 4)->i != 0,
                         db_at(&r, 0, 5)->i != 0};
    const char *why = stands(&b, &rules), *why_before = stands(&b, &rules_before);
    MUST(db_at(&r, 0, 6)->i == 0, "what starts is not held any more", batch, db_at(&r, 0, 6)->i);
    MUST(!why || !why_before, why, batch, b.dispatchable);
    MUST(b.by_parts || db_at(&r, 0, 9)->i || db_at(&r, 0, 8)->i >= db_at(&r, 0, 7)->i,
         "what starts has budget for the whole of it", db_at(&r, 0, 8)->i, db_at(&r, 0, 7)->i);
}

/* ---- after each commit ----------------------------------------------------------------------- */

/*
 * Settings of later do not stop what runs, and neither does a draft; what has ended and goes again
 * asks for its budget node by node.
 */
static void check_begun(void)
{
    struct db_rows r;
    LOOK(&r, "select seq, state from batch", NO_ARGS);
    for (size_t i = 0; i < r.count; i++) {
        int64_t batch = db_at(&r, i, 0)->i;
        str state = db_at(&r, i, 1)->s;
        MUST(batch < BATCHES, "the history fits the world", batch, BATCHES);
        if (str_eq(state, STR("running")) && !now->began[batch])
            check_start(batch);
        now->began[batch] = str_eq(state, STR("running")) || str_eq(state, STR("ended"));
    }
}

void check_holds(void)
{
    read_rules();
    check_begun();
    MUST(ask("select count(*) from batch b join run r on r.batch_seq = b.seq where b.state = "
             "'held' and r.ended_ms is null") == 0,
         "a held batch has nothing under way", 0, 0);
    MUST(ask("select count(*) from batch b where b.state = 'held' and not exists (select 1 from "
             "hold h where h.batch_seq = b.seq and h.lifted_ms is null)") == 0,
         "what is held says by what", 0, 0);
    MUST(ask("select count(*) from batch b join hold h on h.batch_seq = b.seq where b.state = "
             "'ended' and h.lifted_ms is null") == 0,
         "what has ended is not held", 0, 0);
}

void check_call_of_held(str run_id)
{
    struct db_rows r;
    LOOK(
        &r,
        "select b.state from run r join batch b on b.seq = r.batch_seq where r.id = $1 and b.state "
        "in ('held', 'preparing')",
        ARGS(A(run_id)));
    MUST(r.count == 0, "a held batch sends nothing", 0, 0);
}

/* Nobody reviews a draft. */
void check_call_review(int64_t number)
{
    struct db_rows r;
    LOOK(&r, "select draft from change where kind = 'pull_request' and number = $1",
         ARGS(A(number)));
    MUST(r.count == 1 && db_at(&r, 0, 0)->i == 0, "no formal review of a draft", number, 0);
}

/* ---- at rest --------------------------------------------------------------------------------- */

static const struct pull *pull_numbered(int64_t number)
{
    for (int i = 0; i < PULLS; i++)
        if (now->pull[i].number == number)
            return &now->pull[i];
    return NULL;
}

static void check_reason(str kind, int64_t batch, int64_t number, int64_t dispatchable,
                         int64_t paused, int64_t wanted)
{
    const struct pull *p = pull_numbered(number);
    if (str_eq(kind, STR("draft")))
        MUST(p && p->draft, "only a draft is held as one", batch, number);
    else if (str_eq(kind, STR("threshold")))
        MUST(rules.threshold_hold && dispatchable > rules.threshold,
             "only what is above the threshold is held by it", batch, dispatchable);
    else if (str_eq(kind, STR("rapid_push")))
        MUST(rules.rapid_push_hold && paused, "only what is paused is held by a burst", batch,
             number);
    else
        MUST(wanted > 0, "what the budget holds stands in line for it", batch, wanted);
}

/* What people see of it: a check that has ended, with a page; a comment with the control. */
static void check_seen(str batch, str kind, str head, int64_t number)
{
    static const struct {
        const char *kind, *order;
    } controls[] = {{"draft", "dispatch"}, {"rapid_push", "resume"}, {"threshold", "dispatch"}};
    const struct paper *check = paper_like(false, head), *comment;
    comment = paper_like(
        true, arena_print(now->look_mem, "<!-- signalbox:change:%lld -->", (long long)number));
    if (check && !check->refused) {
        MUST(strstr(check->text, "\"conclusion\":\"action_required\""),
             "the check of what is held asks for somebody", number, 0);
        MUST(strstr(check->text,
                    arena_print(now->look_mem, "/batches/" PRI_STR, FMT_STR(batch)).ptr),
             "the check of what is held leads to its page", number, 0);
    }
    for (size_t i = 0; comment && !comment->refused && i < sizeof controls / sizeof *controls; i++)
        if (str_eq(kind, str_of(controls[i].kind)))
            MUST(strstr(comment->text,
                        arena_print(now->look_mem, "<!-- signalbox:%s " PRI_STR " -->",
                                    controls[i].order, FMT_STR(batch))
                            .ptr),
                 "the comment of what is held offers to let it go", number, 0);
}

void check_held(void)
{
    struct db_rows r;
    LOOK(&r,
         "select b.id, b.seq, h.kind, b.head_sha, coalesce(c.number, 0), b.dispatchable, "
         "coalesce(c.paused_ms, 0), case when exists (select 1 from hold o where o.batch_seq = "
         "b.seq and "
         "o.lifted_ms is null and o.kind <> 'rate_limit') then 1 else coalesce(k.wanted, 0) end, "
         "b.head_sha = c.head_sha and b.seq = "
         "(select max(o.seq) from batch o where o.change_id = c.id) and not exists (select 1 from "
         "change_event v where v.change_id = c.id and v.state = 'waiting') and not exists (select "
         "1 from effect f where f.state = 0 and f.kind in ('check', 'comment') and f.key = "
         "cast(c.id "
         "as text)) from hold h join batch b on b.seq = h.batch_seq left join change c on c.id = "
         "b.change_id left join claim k on k.batch_seq = b.seq where b.state = 'held' and "
         "h.lifted_ms is null",
         NO_ARGS);
    read_rules();
    for (size_t i = 0; i < r.count; i++) {
        str kind = db_at(&r, i, 2)->s;
        check_reason(kind, db_at(&r, i, 1)->i, db_at(&r, i, 4)->i, db_at(&r, i, 5)->i,
                     db_at(&r, i, 6)->i, db_at(&r, i, 7)->i);
        if (!db_at(&r, i, 8)->null && db_at(&r, i, 8)->i && db_at(&r, i, 4)->i)
            check_seen(db_at(&r, i, 0)->s, kind, db_at(&r, i, 3)->s, db_at(&r, i, 4)->i);
        now->held++;
    }
    MUST(ask("select count(*) from batch b join claim k on k.batch_seq = b.seq where b.state in "
             "('held', 'preparing') and k.left_over > 0 and exists (select 1 from hold h where "
             "h.batch_seq = b.seq and h.lifted_ms is null)") == 0,
         "what is held keeps no budget from others", 0, 0);
    arena_reset(now->look_mem);
}
