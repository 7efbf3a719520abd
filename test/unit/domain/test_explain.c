/*
 * Explanations: every state of a node, a batch and a change, told in a golden file (one heading a
 * world). UPDATE_GOLDEN=1 writes it anew; read the difference before you commit it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/json.h"
#include "domain/explain.h"
#include "domain/order.h"
#include "feedback_given.h"
#undef fail     /* of base/err.h: cmocka has its own */
#include <cmocka.h>

#define HOUR_MS (60 * MINUTE_MS)
enum { WHOLE = -1, CHANGE = -2 };      /* what is explained, when it is no node */

static struct arena *fresh(void) { return arena_new(SIZE_MAX / 4, SIZE_MAX / 4); }

/* ---- the worlds: a chain of four, vpc → roles → cluster → main, and more where needed -------- */

static void chain(struct given *g, struct arena *mem, const char *activity)
{
    given_batch(g, mem, 4, 4, activity);
    for (uint32_t i = 0; i < 4; i++) {
        g->node[i].changed_ms = NOON_MS - 30 * MINUTE_MS;
        g->node[i].learned = true;
        g->node[i].expected_ms = (3 + (int64_t)i) * MINUTE_MS;
    }
    g->batch[0].id = STR("batch_1");
    g->batch[0].url = STR("https://box.example/batches/batch_1");
    g->batch[0].created_ms = NOON_MS - 31 * MINUTE_MS;
    g->batch[0].started_ms = NOON_MS - 30 * MINUTE_MS;
    g->batch[0].slots = 20;
    g->batch[0].run_timeout_ms = 7 * HOUR_MS;
    g->change.repository = STR("acme/infra");
    g->change.state = STR("open");
}

static void first(struct given *g, enum node_state s, int64_t ago_ms)
{
    struct node_view *n = &g->node[0];
    n->state = s;
    n->changed_ms = NOON_MS - ago_ms;
    if (s == NODE_READY || s == NODE_BLOCKED || s == NODE_DISPATCHING)
        return;
    n->run_url = STR("https://github.example/acme/infra/actions/runs/7000");
    n->sent_ms = NOON_MS - ago_ms - 10000;
    if (s != NODE_QUEUED && s != NODE_APPROVAL)
        n->started_ms = NOON_MS - ago_ms;
}

static void ended(struct given *g, enum node_state s)
{
    first(g, s, 10 * MINUTE_MS);
    g->node[0].ended_ms = g->node[0].changed_ms = NOON_MS - 7 * MINUTE_MS;
}

static void behind_skipped(struct given *g)
{
    for (uint32_t i = 1; i < 4; i++)
        g->node[i].state = NODE_SKIPPED;
}

static void waits_running(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_RUNNING, MINUTE_MS);
}

static void waits_late(struct given *g, struct arena *mem)
{
    chain(g, mem, "synchronize");
    first(g, NODE_RUNNING, 40 * MINUTE_MS);
}

static void waits_unlearned(struct given *g, struct arena *mem)
{
    chain(g, mem, "synchronize");
    first(g, NODE_RUNNING, 40 * MINUTE_MS);
    g->node[0].learned = false;
}

static void waits_locked(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_BLOCKED, 5 * MINUTE_MS);
    g->node[0].lock_message = STR("migrating the state");
    g->node[0].lock_actor = STR("dana");
    g->node[0].lock_expires_ms = NOON_MS + 90 * MINUTE_MS;
}

static void waits_live_run(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_BLOCKED, 5 * MINUTE_MS);
    g->node[0].blocked_by = STR("apply.yaml");
    g->node[0].blocked_url = STR("https://github.example/acme/infra/actions/runs/6999");
}

static void waits_budget(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_BLOCKED, 5 * MINUTE_MS);
    g->node[0].waits_for_budget = true;
    g->node[0].budget_until_ms = NOON_MS + 25 * MINUTE_MS;
}

static void at_runner(struct given *g, struct arena *mem, enum node_state state)
{
    chain(g, mem, "merged");
    first(g, state, 2 * MINUTE_MS);
    g->batch[0].on_runner = true;
    g->node[0].run_url = STR("https://signalbox.example/runs/run_1");
}

static void runner_full(struct given *g, struct arena *mem)
{
    at_runner(g, mem, NODE_BLOCKED);
    g->node[0].run_url = STR("");
    g->node[0].waits_for_runner = STR("eu-1");
}

static void runner_away(struct given *g, struct arena *mem)
{
    at_runner(g, mem, NODE_READY);
    g->node[0].not_before_ms = NOON_MS + 4000;
    g->node[0].tries = 2;
    g->node[0].error_code = STR("runner_away");
    g->node[0].error_text = STR("no answer from the runner: connection refused");
}

static void runner_silent(struct given *g, struct arena *mem)
{
    at_runner(g, mem, NODE_DISPATCHING);
    g->node[0].call_tries = 3;
}

static void runner_queue(struct given *g, struct arena *mem) { at_runner(g, mem, NODE_QUEUED); }

static void slot(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_READY, MINUTE_MS);
    g->node[3].state = NODE_READY;
    g->node[3].expected_ms = HOUR_MS;
    g->node[3].parent_count = 0;
    g->batch[0].slots_busy = 20;
    g->batch[0].ready_before = 7;
}

static void ready(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_READY, 0);
}

static void put_back_limited(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_READY, MINUTE_MS);
    g->node[0].not_before_ms = NOON_MS + 12 * MINUTE_MS;
    g->node[0].tries = 3;
    g->node[0].error_code = STR("rate_limited");
    g->node[0].error_text = STR("You have exceeded a secondary rate limit.");
}

static void put_back_unreachable(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_READY, MINUTE_MS);
    g->node[0].not_before_ms = NOON_MS + 4000;
    g->node[0].tries = 1;
    g->node[0].error_code = STR("forge_unreachable");
}

static void dispatching(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_DISPATCHING, 2000);
    g->node[0].call_tries = 2;
}

static void call_lost(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_DISPATCHING, MINUTE_MS);
    g->node[0].call_note =
        STR("the answer was lost: looking for the run before anything is sent again");
    g->node[0].call_at_ms = NOON_MS + 2000;
}

static void queued(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_QUEUED, 8 * MINUTE_MS);
}

static void approval(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_APPROVAL, 26 * HOUR_MS);
}

static void cancelling(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_CANCELLING, MINUTE_MS);
    g->batch[0].cancelled = true;
}

static void succeeded(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_SUCCEEDED);
    given_counts(g, 0, 2, 1, 0, 0);
    first(g, NODE_SUCCEEDED, 10 * MINUTE_MS);
    g->node[0].ended_ms = NOON_MS - 7 * MINUTE_MS;
    g->node[1].state = NODE_READY;
}

/* Its wait was skipped, by people and with words that mean harm. */
static void skipped_wait(struct given *g, struct arena *mem)
{
    queued(g, mem);
    g->batch[0].skipped_by = STR("ana");
    g->batch[0].skipped_ms = NOON_MS - 3 * MINUTE_MS;
    g->batch[0].skipped_what =
        STR("ended the lock by bo until 2026-09-21T15:13:20Z: <b>hands off</b>\n# @everyone");
}

static void failed(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_FAILED);
    g->node[0].has_exit = true;
    g->node[0].exit_code = 1;
    behind_skipped(g);
    g->batch[0].state = "ended";
    g->batch[0].verdict = "failure";
    g->batch[0].ended_ms = NOON_MS - 7 * MINUTE_MS;
}

static void failed_strict_plan(struct given *g, struct arena *mem)
{
    chain(g, mem, "synchronize");
    ended(g, NODE_FAILED);
    behind_skipped(g);
    g->batch[0].strict = true;
    g->batch[0].state = "ended";
}

static void failed_and_superseded(struct given *g, struct arena *mem)
{
    failed(g, mem);
    g->batch[0].superseded_by = STR("batch_2");
}

static void timed_out_by_us(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_TIMED_OUT);
    g->node[0].started_ms = g->node[0].sent_ms = NOON_MS - 8 * HOUR_MS;
    behind_skipped(g);
}

static void timed_out_over_there(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_TIMED_OUT);
    behind_skipped(g);
}

static void timed_out_on_runner(struct given *g, struct arena *mem)
{
    timed_out_over_there(g, mem);
    g->batch[0].on_runner = true;
}

static void dispatch_error(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    first(g, NODE_ERROR, 3 * MINUTE_MS);
    g->node[0].started_ms = 0;
    g->node[0].run_url = STR("");
    g->node[0].error_code = STR("workflow_not_found");
    g->node[0].error_text = STR("apply.yaml is not in .github/workflows at the dispatch ref.");
    behind_skipped(g);
}

static void cancelled_by_a_person(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_CANCELLED);
    for (uint32_t i = 1; i < 4; i++)
        g->node[i].state = NODE_CANCELLED;
    g->batch[0].cancelled = true;
    g->batch[0].stopped_by = STR("dana");
    g->batch[0].stopped_ms = NOON_MS - 8 * MINUTE_MS;
    g->batch[0].state = "ended";
    g->batch[0].verdict = "cancelled";
    g->batch[0].ended_ms = NOON_MS - 7 * MINUTE_MS;
}

static void cancelled_by_closing(struct given *g, struct arena *mem)
{
    cancelled_by_a_person(g, mem);
    g->batch[0].stopped_by = STR("");
    g->batch[0].started_ms = 0;
    g->change.state = STR("closed");
    g->change.wait = WAIT_CLOSED;
    for (uint32_t i = 0; i < 4; i++)
        g->node[i].started_ms = g->node[i].ended_ms = g->node[i].sent_ms = 0;
}

static void cancelled_over_there(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    ended(g, NODE_CANCELLED);
    behind_skipped(g);
}

static void cancelled_on_runner(struct given *g, struct arena *mem)
{
    cancelled_over_there(g, mem);
    g->batch[0].on_runner = true;
}

static void superseded(struct given *g, struct arena *mem)
{
    chain(g, mem, "synchronize");
    ended(g, NODE_SUCCEEDED);
    for (uint32_t i = 1; i < 4; i++)
        g->node[i].state = NODE_SUPERSEDED;
    g->batch[0].superseded_by = STR("batch_2");
    g->batch[0].state = "ended";
    g->batch[0].verdict = "superseded";
    g->batch[0].ended_ms = NOON_MS - 7 * MINUTE_MS;
}

static void inert(struct given *g, struct arena *mem)
{
    chain(g, mem, "opened");
    first(g, NODE_RUNNING, MINUTE_MS);
    for (uint32_t i = 1; i < 4; i++) {
        g->node[i].state = NODE_INERT;
        g->node[i].workflow = STR("");
    }
    g->node[1].inert = STR("deleted");
    g->node[2].inert = STR("disabled");
    g->node[3].inert = STR("no_workflow");
}

static void only_inert(struct given *g, struct arena *mem)
{
    inert(g, mem);
    g->node[0].state = NODE_INERT;
    g->node[0].inert = STR("no_workflow");
    g->batch[0].state = "ended";
    g->batch[0].verdict = "empty";
}

static const struct file_view files[] = {
    { .name = STR_INIT("plan.yaml"), .known = true },
    { .name = STR_INIT("apply.yaml"), .note = STR_INIT("502 Bad Gateway."),
      .since_ms = NOON_MS - MINUTE_MS, .next_ms = NOON_MS + 4000 },
};

static void preparing(struct given *g, struct arena *mem)
{
    chain(g, mem, "opened");
    g->batch[0].state = "preparing";
    g->batch[0].started_ms = 0;
    g->batch[0].created_ms = NOON_MS - MINUTE_MS;
    g->batch[0].ref = STR("main");
    g->batch[0].file = files;
    g->batch[0].file_count = 2;
}

static const struct hold four_holds[] = {
    { .kind = HOLD_DRAFT, .since_ms = NOON_MS - 50 * MINUTE_MS },
    { .kind = HOLD_RAPID_PUSH, .since_ms = NOON_MS - 20 * MINUTE_MS, .pushes = 5, .pushes_max = 3,
      .window_ms = 10 * MINUTE_MS },
    { .kind = HOLD_THRESHOLD, .since_ms = NOON_MS - 20 * MINUTE_MS, .dispatches = 247,
      .threshold = 50 },
    { .kind = HOLD_RATE_LIMIT, .since_ms = NOON_MS - 5 * MINUTE_MS, .dispatches = 247, .safe = 150,
      .reserved = 50, .remaining = 200, .quota = 5000, .until_ms = NOON_MS + 25 * MINUTE_MS },
};
static const struct hold never_fits = { .kind = HOLD_RATE_LIMIT, .since_ms = NOON_MS - MINUTE_MS,
    .dispatches = 9000, .safe = 3000, .reserved = 1000, .remaining = 4000, .quota = 5000,
    .until_ms = NOON_MS + 25 * MINUTE_MS, .never_fits = true };

static void held(struct given *g, struct arena *mem, const struct hold *h, size_t count)
{
    chain(g, mem, "opened");
    g->batch[0].state = "held";
    g->batch[0].started_ms = 0;
    g->batch[0].hold = h;
    g->batch[0].hold_count = count;
}
static void held_four_times(struct given *g, struct arena *mem)
{
    held(g, mem, four_holds, 4);
    g->batch[0].forecast = STR("247 writes, about 2 minutes at the written limit; 4,753 remain for "
                               "approvals");
}
static void held_by_size(struct given *g, struct arena *mem) { held(g, mem, &never_fits, 1); }
/* A freeze: each of the first five has its own lock, and the last waits for all of them. */
static void frozen(struct given *g, struct arena *mem)
{
    static const uint32_t all[] = { 0, 1, 2, 3, 4 };
    struct given named;
    chain(&named, mem, "merged");
    given_batch(g, mem, 6, 1, "merged");
    g->change = named.change;
    g->batch[0].started_ms = NOON_MS - 30 * MINUTE_MS;
    given_batches(g, 1);
    for (uint32_t i = 0; i < 5; i++) {
        g->node[i].state = NODE_BLOCKED;
        g->node[i].changed_ms = NOON_MS - 6 * MINUTE_MS;
        g->node[i].lock_message = STR("freeze");
        g->node[i].lock_actor = STR("dana");
        g->node[i].lock_expires_ms = NOON_MS + 90 * MINUTE_MS;
    }
    g->node[5].parents = all;
    g->node[5].parent_count = 5;
    g->node[5].changed_ms = NOON_MS - 30 * MINUTE_MS;
}

static void held_for_a_moment(struct given *g, struct arena *mem) { held(g, mem, NULL, 0); }

static void app_gone(struct given *g, struct arena *mem)
{
    ready(g, mem);
    g->batch[0].app_gone = true;
}

static void a_loop(struct given *g, struct arena *mem)
{
    chain(g, mem, "opened");
    g->batch[0].count = 0;
    g->batch[0].state = "ended";
    g->batch[0].verdict = "failure";
    g->batch[0].error = STR("These wait for each other: network/vpc in prod → eks/cluster in prod "
                            "→ network/vpc in prod");
}

/* Three levels, 24 nodes, one of each. */
static void busy(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 24, 3, "merged");
    struct node_view *n = g->node;
    struct given named;
    chain(&named, mem, "merged");
    named.batch[0].node = n;
    named.batch[0].count = 24;
    g->batch[0] = named.batch[0];
    g->change.repository = STR("acme/infra");
    g->change.state = STR("open");
    given_progress(g, 1, 0);
    for (uint32_t i = 0; i < 24; i++) {
        n[i].learned = true;
        n[i].changed_ms = NOON_MS - 6 * MINUTE_MS;
    }
    n[1].state = n[2].state = NODE_BLOCKED;
    n[1].lock_message = n[2].lock_message = STR("freeze");
    n[3].state = NODE_APPROVAL;
    n[4].state = NODE_READY;
    n[4].not_before_ms = NOON_MS + MINUTE_MS;
    n[4].error_code = STR("rate_limited");
    n[5].state = n[6].state = NODE_RUNNING;
    n[5].started_ms = n[6].started_ms = NOON_MS - 3 * MINUTE_MS;
    n[7].state = NODE_QUEUED;
    given_failed(g, 0, NODE_FAILED, "");
    g->batch[0].forecast_ms = 25 * MINUTE_MS;
}

static void all_succeeded(struct given *g, struct arena *mem)
{
    chain(g, mem, "merged");
    for (uint32_t i = 0; i < 4; i++)
        g->node[i].state = NODE_SUCCEEDED;
    g->batch[0].state = "ended";
    g->batch[0].verdict = "success";
    g->batch[0].ended_ms = NOON_MS - MINUTE_MS;
}

/* ---- changes */

static void head(struct given *g, struct arena *mem, enum wait_kind wait)
{
    chain(g, mem, "opened");
    given_batches(g, 0);
    g->change.wait = wait;
    g->change.wait_activity = STR("synchronize");
    g->change.wait_since_ms = NOON_MS - 20 * MINUTE_MS;
    g->change.wait_until_ms = NOON_MS + 40 * MINUTE_MS;
}
static void wait_upload(struct given *g, struct arena *mem)
{
    head(g, mem, WAIT_UPLOAD);
    g->change.uploader = STR("atmos-affected.yaml");
    g->change.uploader_ms = NOON_MS - 26 * HOUR_MS;
}
static void wait_first_upload(struct given *g, struct arena *mem) { head(g, mem, WAIT_UPLOAD); }
static void no_upload(struct given *g, struct arena *mem)
{
    head(g, mem, WAIT_NO_UPLOAD);
    g->change.wait_until_ms = NOON_MS - MINUTE_MS;
}
static void from_fork(struct given *g, struct arena *mem) { head(g, mem, WAIT_FORK); }
static void no_batch(struct given *g, struct arena *mem)
{
    head(g, mem, WAIT_NONE);
    g->change.wait_activity = STR("");
    g->change.wait_since_ms = 0;
}

static const struct event_view events[] = {
    { STR_INIT("labeled"), STR_INIT("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"), STR_INIT("ignored"),
      STR_INIT("no upload for this head yet: nothing to do for this activity"), STR_INIT(""),
      NOON_MS - 2 * MINUTE_MS, NOON_MS },
    { STR_INIT("synchronize"), STR_INIT("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"), STR_INIT("ignored"),
      STR_INIT("3 affected, none has a workflow for pull_request.synchronize"), STR_INIT(""),
      NOON_MS - 20 * MINUTE_MS, NOON_MS },
    { STR_INIT("opened"), STR_INIT("ffffffff5e6f708192a3b4c5d6e7f8091a2b3c4d"), STR_INIT("expired"),
      STR_INIT(""), STR_INIT(""), NOON_MS - 3 * HOUR_MS, NOON_MS },
};
static struct event_view many_events[12];

static void nothing_affected(struct given *g, struct arena *mem)
{
    head(g, mem, WAIT_NOTHING_AFFECTED);
    g->change.event = events;
    g->change.event_count = 3;
}

static void many_without_work(struct given *g, struct arena *mem)
{
    waits_running(g, mem);
    for (size_t i = 0; i < 12; i++)
        many_events[i] = events[0];
    g->change.event = many_events;
    g->change.event_count = 12;
}

static void newer_head_waits(struct given *g, struct arena *mem)
{
    superseded(g, mem);
    g->change.wait = WAIT_UPLOAD;
    g->change.wait_activity = STR("synchronize");
    g->change.wait_since_ms = NOON_MS - MINUTE_MS;
    g->change.wait_until_ms = NOON_MS + 59 * MINUTE_MS;
    g->change.head_sha = STR("ffffffff00000000ffffffff00000000ffffffff");
}

/* The first three were lifted. */
static const struct release_view three_released[] = {
    { &four_holds[0], STR_INIT("alice"), NOON_MS - 8 * MINUTE_MS },
    { &four_holds[1], STR_INIT("al\xc2\xad" "ice \x1b[31m"), NOON_MS - 7 * MINUTE_MS },
    { &four_holds[2], STR_INIT("alice"), NOON_MS - 24 * HOUR_MS },
};
static void released(struct given *g, struct arena *mem)
{
    waits_running(g, mem);
    g->batch[0].released = three_released;
    g->batch[0].released_count = 3;
}
static void released_and_held(struct given *g, struct arena *mem)
{
    held(g, mem, &four_holds[3], 1);
    g->batch[0].released = three_released;
    g->batch[0].released_count = 1;
}
static void released_and_over(struct given *g, struct arena *mem)
{
    all_succeeded(g, mem);
    g->batch[0].released = three_released;
    g->batch[0].released_count = 1;
}

static const struct { const char *name; void (*make)(struct given *, struct arena *); int what; } worlds[] = {
    { "a node behind a running one, two between", waits_running, 3 },
    { "a plan behind one that runs longer than usual", waits_late, 1 },
    { "behind one that has never run before", waits_unlearned, 1 },
    { "behind a lock", waits_locked, 3 },
    { "behind five locks", frozen, 5 },
    { "behind a live run of the same instance", waits_live_run, 2 },
    { "behind one that waits for budget", waits_budget, 1 },
    { "its runner is full", runner_full, 0 },
    { "behind one whose runner is full", runner_full, 1 },
    { "put back, the runner is away", runner_away, 0 },
    { "a runner gives no answer", runner_silent, 0 },
    { "queued at a runner", runner_queue, 0 },
    { "behind one that is queued at a runner", runner_queue, 1 },
    { "timed out on a runner", timed_out_on_runner, 0 },
    { "cancelled on a runner", cancelled_on_runner, 0 },
    { "ready, no slot", slot, 0 },
    { "ready", ready, 0 },
    { "put back by a limit", put_back_limited, 0 },
    { "behind one that was put back", put_back_limited, 1 },
    { "put back, GitHub unreachable", put_back_unreachable, 0 },
    { "being dispatched", dispatching, 0 },
    { "answer lost", call_lost, 0 },
    { "queued", queued, 0 },
    { "queued, its wait for a lock was skipped", skipped_wait, 0 },
    { "waiting for a reviewer since yesterday", approval, 0 },
    { "behind one that waits for a reviewer", approval, 3 },
    { "being cancelled", cancelling, 0 },
    { "succeeded", succeeded, 0 },
    { "failed", failed, 0 },
    { "skipped", failed, 3 },
    { "skipped plan, strict", failed_strict_plan, 2 },
    { "failed in a superseded batch", failed_and_superseded, 0 },
    { "timed out by us", timed_out_by_us, 0 },
    { "timed out at GitHub", timed_out_over_there, 0 },
    { "could not be dispatched", dispatch_error, 0 },
    { "skipped behind one that could not be dispatched", dispatch_error, 1 },
    { "cancelled by a person", cancelled_by_a_person, 0 },
    { "cancelled before it started, pull request closed", cancelled_by_closing, 2 },
    { "cancelled at GitHub", cancelled_over_there, 0 },
    { "superseded node", superseded, 2 },
    { "deleted", inert, 1 },
    { "disabled", inert, 2 },
    { "no workflow", inert, 3 },
    { "node of a batch being prepared", preparing, 1 },
    { "node of a held batch", held_four_times, 1 },
    { "ready, the App is gone", app_gone, 0 },
    { "batch being prepared", preparing, WHOLE },
    { "batch held for four reasons", held_four_times, WHOLE },
    { "batch larger than any budget", held_by_size, WHOLE },
    { "batch held, reasons not stored yet", held_for_a_moment, WHOLE },
    { "batch of a repository without the App", app_gone, WHOLE },
    { "batch with a loop", a_loop, WHOLE },
    { "batch under way", waits_running, WHOLE },
    { "batch under way, released by people", released, WHOLE },
    { "batch released by a person, and held", released_and_held, WHOLE },
    { "batch released by a person, and over", released_and_over, WHOLE },
    { "batch with one of each", busy, WHOLE },
    { "batch behind a freeze", frozen, WHOLE },
    { "batch failed", failed, WHOLE },
    { "batch cancelled", cancelled_by_a_person, WHOLE },
    { "batch superseded", superseded, WHOLE },
    { "batch succeeded", all_succeeded, WHOLE },
    { "batch with nothing to dispatch", only_inert, WHOLE },
    { "batch with some never dispatched", inert, WHOLE },
    { "batch without a slot", slot, WHOLE },
    { "batch with a lost answer", call_lost, WHOLE },
    { "change waits for its upload", wait_upload, CHANGE },
    { "change waits for the first upload ever", wait_first_upload, CHANGE },
    { "change without an upload", no_upload, CHANGE },
    { "change that affects nothing", nothing_affected, CHANGE },
    { "change from a fork", from_fork, CHANGE },
    { "change closed", cancelled_by_closing, CHANGE },
    { "change without a batch", no_batch, CHANGE },
    { "change whose newer head waits", newer_head_waits, CHANGE },
    { "change with many events without effect", many_without_work, CHANGE },
};
enum { WORLDS = sizeof worlds / sizeof *worlds };

static void explain(struct given *g, int what, struct reasons *out)
{
    if (what == CHANGE)
        explain_change(&g->change, NOON_MS, out);
    else if (what == WHOLE)
        explain_batch(&g->change, &g->batch[0], NOON_MS, out);
    else
        explain_node(&g->change, &g->batch[0], (uint32_t)what, NOON_MS, out);
}

/* ---- the golden file ------------------------------------------------------------------------- */

static void write_time(struct buf *b, const char *name, int64_t ms)
{
    if (ms)
        buf_print(b, " %s%+lld min", name, (long long)((ms - NOON_MS) / 60000));
}

static void write_world(struct buf *b, struct arena *mem, size_t i)
{
    struct given g;
    struct reasons r = { .mem = mem };
    worlds[i].make(&g, mem);
    explain(&g, worlds[i].what, &r);
    buf_print(b, "## %s\n\n", worlds[i].name);
    for (size_t k = 0; k < r.count; k++) {
        const struct reason *one = &r.at[k];
        buf_print(b, "%zu. `%s` " PRI_STR "\n", k + 1, reason_code_name(one->code), FMT_STR(one->text));
        if (one->change.len)
            buf_print(b, "   → " PRI_STR "\n", FMT_STR(one->change));
        buf_print(b, "  ");
        write_time(b, "since", one->since_ms);
        write_time(b, "until", one->until_ms);
        buf_print(b, " `" PRI_STR "` " PRI_STR "\n", FMT_STR(one->numbers), FMT_STR(one->url));
    }
    buf_char(b, '\n');
}

static str read_golden(struct arena *mem, const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return STR("");
    struct buf b;
    buf_init(&b, mem, 1 << 22);
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(&b, (str){ part, n });
    fclose(f);
    return buf_str(&b);
}

static void every_world_is_explained_as_in_the_golden_file(void **state)
{
    (void)state;
    static const char path[] = GOLDEN_DIR "/explain.md";
    struct arena *mem = fresh();
    struct buf b;
    buf_init(&b, mem, 1 << 22);
    buf_print(&b, "What explain says at 12:00 UTC, in every state.\n\n");
    for (size_t i = 0; i < WORLDS; i++)
        write_world(&b, mem, i);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "wbe");
        assert_non_null(f);
        fwrite(b.ptr, 1, b.len, f);
        fclose(f);
    }
    str got = buf_str(&b), want = read_golden(mem, path);
    while (got.len && want.len) {
        str g = str_cut(got, '\n', &got), w = str_cut(want, '\n', &want);
        if (!str_eq(g, w))
            fail_msg("golden/explain.md says\n" PRI_STR "\nand now it is\n" PRI_STR, FMT_STR(w), FMT_STR(g));
    }
    assert_int_equal(got.len, want.len);
    arena_free(mem);
}

/* ---- what holds in every world --------------------------------------------------------------- */

static void every_reason_there_is_was_seen(void **state)
{
    (void)state;
    bool seen[REASON_CODE_COUNT] = { false };
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct reasons r = { .mem = mem };
        worlds[i].make(&g, mem);
        explain(&g, worlds[i].what, &r);
        assert_true(r.count > 0);
        for (size_t k = 0; k < r.count; k++)
            seen[r.at[k].code] = true;
        arena_free(mem);
    }
    for (int k = 0; k < REASON_CODE_COUNT; k++)
        if (!seen[k])
            fail_msg("no world shows %s", reason_code_name((enum reason_code)k));
}

static void every_state_of_a_node_has_a_reason_of_its_own(void **state)
{
    (void)state;
    for (int s = 0; s < NODE_STATE_COUNT; s++) {
        struct arena *mem = fresh();
        struct given g;
        struct reasons r = { .mem = mem };
        chain(&g, mem, "merged");
        g.node[0].state = (enum node_state)s;
        explain(&g, 0, &r);
        assert_true(r.count > 0);
        assert_true(str_starts(r.at[0].text, STR("network/vpc in plat-ue1-prod ")));
        arena_free(mem);
    }
}

static void explaining_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g, again;
        struct reasons a = { .mem = mem }, b = { .mem = mem };
        worlds[i].make(&g, mem);
        worlds[i].make(&again, mem);
        explain(&g, worlds[i].what, &a);
        explain(&again, worlds[i].what, &b);
        assert_true(str_eq(reasons_json(mem, &a), reasons_json(mem, &b)));
        assert_true(str_eq(reasons_text(mem, &a, true), reasons_text(mem, &b, true)));
        assert_true(str_eq(reasons_text(mem, &a, false), reasons_text(mem, &b, false)));
        arena_free(mem);
    }
}

static void the_json_is_strict_and_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct reasons r = { .mem = mem };
        struct json v, one;
        struct err e = { 0 };
        str key;
        worlds[i].make(&g, mem);
        explain(&g, worlds[i].what, &r);
        assert_true(json_parse(mem, reasons_json(mem, &r), 0, &v, &e));
        assert_int_equal(json_count(v), r.count);
        struct json_iter it = json_iter(v);
        for (size_t k = 0; json_next(&it, mem, &key, &one); k++) {
            assert_true(str_eq(json_str(json_get(one, STR("text")), mem), r.at[k].text));
            assert_int_equal(json_kind(json_get(one, STR("numbers"))), JSON_OBJECT);
            assert_int_equal(json_count(one), 7);
        }
        arena_free(mem);
    }
}

/* Sentences: no full stop at the end, no doubled blanks, no empty brackets, nothing left of a format. */
static void the_words_are_clean(void **state)
{
    (void)state;
    static const char *const wrong[] = { "  ", "()", " ,", " :", "..", "(null)", "%", "waiting waiting", "since since", ": ;", "::" };
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct reasons r = { .mem = mem };
        worlds[i].make(&g, mem);
        explain(&g, worlds[i].what, &r);
        for (size_t k = 0; k < r.count; k++)
            for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
                if (given_has(r.at[k].text, wrong[w]) || given_has(r.at[k].change, wrong[w]) ||
                    str_ends(r.at[k].text, STR(".")) || str_ends(r.at[k].change, STR(".")))
                    fail_msg("%s: \"%s\" in: " PRI_STR " / " PRI_STR, worlds[i].name, wrong[w],
                             FMT_STR(r.at[k].text), FMT_STR(r.at[k].change));
        arena_free(mem);
    }
}

/* ---- text of strangers ----------------------------------------------------------------------- */

static const str hostile[] = {
    STR_INIT("\x1b[2Jgone"), STR_INIT("a\nb"), STR_INIT("a\rb"), STR_INIT("\u202egnp.exe"),
    STR_INIT("\u2066x"), STR_INIT("\xff\xfe"), STR_INIT("\u2028"), STR_INIT("@everyone"),
    STR_INIT("[x](javascript:alert(1))"), STR_INIT("<img src=x>"), STR_INIT("`; rm -rf /`"),
    STR_INIT("$(reboot)"), STR_INIT("--all"), STR_INIT("a b"), STR_INIT("% s%n%d"), STR_INIT(""),
};

static void hostile_world(struct given *g, struct arena *mem, size_t world, str bad)
{
    worlds[world].make(g, mem);
    for (uint32_t i = 0; i < g->batch[0].count; i++) {
        struct node_view *n = &g->node[i];
        n->component = n->stack = n->workflow = bad;
        if (n->error_text.len)
            n->error_text = bad;
        if (n->lock_message.len)
            n->lock_message = n->lock_actor = bad;
        if (n->blocked_by.len)
            n->blocked_by = bad.len ? bad : STR("x");
        if (n->run_url.len)
            n->run_url = bad;
    }
    g->change.title = g->change.repository = g->change.wait_activity = g->change.uploader = bad;
    g->batch[0].activity = g->batch[0].ref = bad;
    if (g->batch[0].stopped_by.len)
        g->batch[0].stopped_by = bad;
    if (g->batch[0].error.len)
        g->batch[0].error = bad.len ? bad : STR("x");
}

static bool is_tame(str s)
{
    if (!str_is_utf8(s))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return !given_has(s, "\u202e") && !given_has(s, "\u2066") && !given_has(s, "\u2028");
}

static void names_of_strangers_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++)
        for (size_t h = 0; h < sizeof hostile / sizeof *hostile; h++) {
            struct arena *mem = fresh();
            struct given g;
            struct reasons r = { .mem = mem };
            struct json v;
            struct err e = { 0 };
            hostile_world(&g, mem, i, hostile[h]);
            explain(&g, worlds[i].what, &r);
            for (size_t k = 0; k < r.count; k++) {
                assert_true(is_tame(r.at[k].text) && is_tame(r.at[k].change));
                /* a command that can be pasted never holds a name that a shell would read otherwise */
                assert_false(given_has(r.at[k].change, "--component") && h < 14);
            }
            str md = reasons_text(mem, &r, true), plain = reasons_text(mem, &r, false);
            assert_true(str_is_utf8(md) && str_is_utf8(plain));
            assert_false(given_has(plain, "\x1b"));
            assert_false(given_has(md, "@everyone") || given_has(md, "<img") || given_has(md, "](javascript:"));
            assert_true(json_parse(mem, reasons_json(mem, &r), 0, &v, &e));
            arena_free(mem);
        }
}

/* ---- size ------------------------------------------------------------------------------------ */

enum { MANY = 50000, LINES_MAX = 30, BYTES_MAX = 20000 };

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Every third thing is something of note; each needs a line, if there were no end to lines. */
static void many(struct given *g, struct arena *mem)
{
    given_batch(g, mem, MANY, 50, "merged");
    g->batch[0].slots = 20;
    given_progress(g, MANY / 2, 400);
    for (uint32_t i = 0; i < MANY; i++) {
        struct node_view *n = &g->node[i];
        n->changed_ms = NOON_MS - MINUTE_MS;
        if (n->state == NODE_SUCCEEDED && i % 3 == 0) {
            n->state = i % 2 ? NODE_FAILED : NODE_BLOCKED;
            n->error_text = n->lock_message = n->component;
        } else if (n->state == NODE_SUCCEEDED && i % 3 == 1) {
            n->state = i % 2 ? NODE_APPROVAL : NODE_READY;
        }
    }
}

static void fifty_thousand_nodes_are_a_page_and_take_no_time(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    many(&g, mem);
    for (int what = CHANGE; what < MANY; what = what < 0 ? what + 1 : what + 16661) {
        struct reasons r = { .mem = mem };
        int64_t from = cpu_ms();
        explain(&g, what, &r);
        str text = reasons_text(mem, &r, true);
        if (cpu_ms() - from > 3000)
            fail_msg("%d took %lld ms", what, (long long)(cpu_ms() - from));
        if (r.count == 0 || r.count > LINES_MAX || text.len > BYTES_MAX)
            fail_msg("%d: %zu reasons, %zu bytes", what, r.count, text.len);
    }
    arena_free(mem);
}

/* Parents of a row that is broken, or that wait for each other: an explanation still ends. */
static void a_loop_in_the_view_ends(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    chain(&g, mem, "merged");
    uint32_t last[] = { 3, 77777 };
    g.node[0].parents = last;
    g.node[0].parent_count = 2;
    for (int i = WHOLE; i < 4; i++) {
        struct reasons r = { .mem = mem };
        explain(&g, i, &r);
        assert_true(r.count > 0);
    }
    struct reasons none = { .mem = mem };
    explain_node(&g.change, &g.batch[0], 4, NOON_MS, &none);
    assert_int_equal(none.count, 0);
    arena_free(mem);
}

/* The time that it could go is the longest of the ways, and nobody guesses about people. */
static void the_expected_time_is_that_of_the_longest_way(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    struct reasons r = { .mem = mem };
    chain(&g, mem, "merged");
    first(&g, NODE_RUNNING, MINUTE_MS);         /* 2 min left, then 4 and 5 */
    explain(&g, 3, &r);
    assert_int_equal(r.at[0].until_ms, NOON_MS + 11 * MINUTE_MS);
    r.count = 0;
    uint32_t both[] = { 0, 2 };
    g.node[3].parents = both;                   /* the short way beside the long one */
    g.node[3].parent_count = 2;
    explain(&g, 3, &r);
    assert_int_equal(r.at[0].until_ms, NOON_MS + 11 * MINUTE_MS);
    r.count = 0;
    g.node[0].state = NODE_APPROVAL;
    explain(&g, 3, &r);
    assert_int_equal(r.at[0].until_ms, 0);
    arena_free(mem);
}

/* ---- the pages ------------------------------------------------------------------------------- */

static void the_description_of_the_api_lists_every_code_with_its_words(void **state)
{
    (void)state;
    static const struct { const char *code, *says; } all[] = {
#define X(id, code, says) { code, says },
        REASONS(X)
#undef X
    };
    struct arena *mem = fresh();
    str page = read_golden(mem, DOCS_DIR "/api.md");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!str_has(page, arena_print(mem, "| `%s` | %s |", all[i].code, all[i].says)))
            fail_msg("docs/api.md does not have: | `%s` | %s |", all[i].code, all[i].says);
    arena_free(mem);
}

static void the_guide_lists_every_hold_and_order_with_its_words(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    str page = read_golden(mem, DOCS_DIR "/guide.md");
    for (int k = 0; k < HOLD_KIND_COUNT; k++) {
        const struct hold_rule *r = hold_rule((enum hold_kind)k);
        if (!str_has(page, arena_print(mem, "| `%s` | %s |", r->name, r->summary)))
            fail_msg("docs/guide.md does not have: | `%s` | %s |", r->name, r->summary);
    }
    for (int k = 0; k < ORDER_KIND_COUNT; k++) {
        const struct order_rule *r = order_rule((enum order_kind)k);
        if (!str_has(page, arena_print(mem, "`/signalbox %s` | %s |", r->usage, r->summary)))
            fail_msg("docs/guide.md does not have: `/signalbox %s` | %s |", r->usage, r->summary);
    }
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_of_the_api_lists_every_code_with_its_words),
        cmocka_unit_test(the_guide_lists_every_hold_and_order_with_its_words),
        cmocka_unit_test(every_world_is_explained_as_in_the_golden_file),
        cmocka_unit_test(every_reason_there_is_was_seen),
        cmocka_unit_test(every_state_of_a_node_has_a_reason_of_its_own),
        cmocka_unit_test(explaining_twice_gives_the_same_bytes),
        cmocka_unit_test(the_json_is_strict_and_complete),
        cmocka_unit_test(the_words_are_clean),
        cmocka_unit_test(names_of_strangers_do_no_harm),
        cmocka_unit_test(fifty_thousand_nodes_are_a_page_and_take_no_time),
        cmocka_unit_test(a_loop_in_the_view_ends),
        cmocka_unit_test(the_expected_time_is_that_of_the_longest_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
