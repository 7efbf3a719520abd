/*
 * The comment as a reader sees it: golden files, one per state of the world. UPDATE_GOLDEN=1 writes
 * them anew; read the difference before you commit it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/buf.h"
#include "domain/hold.h"
#include "feedback_given.h"
#undef fail     /* of base/err.h: cmocka has its own */
#include <cmocka.h>

static const char *const auth_error = "Error: configuring Terraform AWS Provider: no valid "
                                      "credential sources for profile acme_prod found.";

/* ---- the worlds ---- */

static void one_planned(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 1, 1, "opened");
    given_progress(g, 1, 0);
    given_counts(g, 0, 3, 1, 0, 0);
}

static void one_running(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 1, 1, "opened");
    given_progress(g, 0, 1);
    g->batch[0].forecast_ms = 2 * MINUTE_MS;
}

static void three_in_motion(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 3, 3, "synchronize");
    given_progress(g, 1, 1);
    given_counts(g, 0, 0, 0, 0, 0);
    g->batch[0].forecast_ms = 7 * MINUTE_MS;
}

static void three_failed(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 3, 3, "merged");
    given_failed(g, 0, NODE_FAILED, "");
}

static void three_done(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 3, 3, "opened");
    given_progress(g, 3, 0);
    given_counts(g, 0, 0, 0, 0, 0);
    given_counts(g, 1, 1, 2, 0, 0);
    given_counts(g, 2, 0, 0, 1, 1200);
}

static void plans_with_one_failure(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 24, 4, "opened");
    given_failed(g, 2, NODE_FAILED, auth_error);
    for (uint32_t i = 0; i < g->count; i++)     /* plans go on past a failed one */
        if (g->node[i].state == NODE_SKIPPED)
            g->node[i].state = NODE_WAITING;
    g->node[2].state = NODE_SUCCEEDED;
    given_progress(g, 24, 0);
    g->node[2].state = NODE_FAILED;
    for (uint32_t i = 3; i < 12; i++)
        given_counts(g, i, i % 4, i % 3, i == 5, i == 7 ? 2 : 0);
    g->node[12].has_exit = true;
    g->node[12].exit_code = 2;
}

/* One of each thing that can be waited for. */
static void apply_with_holds(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 24, 3, "merged");
    struct node_view *n = g->node;
    given_progress(g, 3, 0);
    n[3].state = NODE_APPROVAL;
    n[3].run_url = STR("https://github.example/acme/infra/actions/runs/7003");
    n[4].state = n[5].state = n[6].state = NODE_BLOCKED;
    n[4].lock_message = STR("Migration of the database, do not touch");
    n[4].lock_expires_ms = NOON_MS + 90 * MINUTE_MS;
    n[4].lock_actor = STR("dana");
    n[5].lock_message = STR("freeze | until Monday");
    n[5].lock_expires_ms = NOON_MS + 3 * 24 * 60 * MINUTE_MS;
    n[6].blocked_by = STR("apply of #11");
    given_failed(g, 7, NODE_ERROR, "The workflow apply.yaml is not on the default branch.");
    n[7].error_code = STR("workflow_not_found");
    given_progress(g, 0, 2);
    for (uint32_t i = 0; i < 24; i++)
        if (n[i].state == NODE_RUNNING && i > 12)
            n[i].state = NODE_QUEUED;
    n[22].state = NODE_READY;
    n[23].state = NODE_INERT;
    n[23].inert = STR("deleted");
    g->batch[0].forecast_ms = 25 * MINUTE_MS;
}

static struct node_view succeeded_plans[24];

static void merged_after_plan(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 24, 4, "opened");
    given_progress(g, 24, 0);
    given_counts(g, 1, 1, 0, 0, 4);
    memcpy(succeeded_plans, g->node, sizeof succeeded_plans);
    given_batch(g, mem, 24, 4, "merged");
    given_progress(g, 24, 0);
    given_counts(g, 1, 1, 0, 0, 4);
    given_counts(g, 2, 0, 0, 0, 0);
    g->batch[0].id = STR("bat_2");
    g->batch[0].url = STR("https://box.example/batches/bat_2");
    g->batch[0].tree_differs = true;
    g->batch[0].state = "ended";
    g->batch[0].verdict = "success";
    g->batch[1] = g->batch[0];
    g->batch[1].activity = STR("opened");
    g->batch[1].id = STR("bat_1");
    g->batch[1].url = STR("https://box.example/batches/bat_1");
    g->batch[1].node = succeeded_plans;
    given_batches(g, 2);
}

static void forty_behind_one(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 300, 6, "merged");
    given_failed(g, 0, NODE_FAILED, "");
    given_failed(g, 1, NODE_TIMED_OUT, "");
    given_progress(g, 60, 12);
    g->batch[0].forecast_ms = 31 * MINUTE_MS;
}

static void one_error_three_hundred_times(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 300, 1, "opened");
    for (uint32_t i = 0; i < 300; i++)
        given_failed(g, i, i % 100 == 99 ? NODE_CANCELLED : NODE_FAILED,
                     i % 100 == 99 ? "" : auth_error);
}

static void three_thousand_in_motion(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 3000, 8, "merged");
    for (uint32_t i = 0; i < 20; i++)
        given_failed(g, i * 16, NODE_FAILED, i % 2 ? auth_error : "");
    for (uint32_t i = 0; i < 30; i++)
        g->node[i * 5 + 1].state =
            g->node[i * 5 + 1].state == NODE_WAITING ? NODE_APPROVAL : g->node[i * 5 + 1].state;
    given_progress(g, 1400, 100);
    for (uint32_t i = 0; i < 1400; i += 3)
        if (g->node[i].state == NODE_SUCCEEDED)
            given_counts(g, i, i % 5, i % 4, i % 97 == 0, i % 89 == 0 ? i % 7 : 0);
    for (uint32_t i = 2990; i < 3000; i++) {
        g->node[i].state = NODE_INERT;
        g->node[i].inert = i % 2 ? STR("deleted") : STR("disabled");
    }
    g->batch[0].forecast_ms = 95 * MINUTE_MS;
}

static void a_loop(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 0, 1, "opened");
    g->batch[0].error = STR("These wait for each other: network/vpc in prod → eks/cluster in prod "
                            "→ network/vpc in prod");
    g->batch[0].state = "ended";
}

static void superseded(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 8, 2, "synchronize");
    given_progress(g, 3, 0);
    for (uint32_t i = 3; i < 8; i++)
        g->node[i].state = NODE_SUPERSEDED;
    g->batch[0].superseded_by = STR("bat_9");
    g->change.head_sha = STR("ffffffff00000000ffffffff00000000ffffffff");
    g->change.wait = WAIT_UPLOAD;
    g->change.wait_until_ms = NOON_MS + 60 * MINUTE_MS;
}

static void only_removed(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 5, 1, "opened");
    for (uint32_t i = 0; i < 5; i++) {
        g->node[i].state = NODE_INERT;
        g->node[i].inert = i < 4 ? STR("deleted") : STR("no_workflow");
    }
}

static void cancelled(struct given *g, struct arena *mem)
{
    given_batch(g, mem, 12, 2, "merged");
    given_progress(g, 4, 0);
    for (uint32_t i = 4; i < 12; i++)
        g->node[i].state = NODE_CANCELLED;
    g->batch[0].state = "ended";
    g->batch[0].verdict = "cancelled";
}

static void held(struct given *g, struct arena *mem, uint32_t count, const struct hold *hold,
                 size_t holds)
{
    given_batch(g, mem, count, count < 10 ? 2 : 6, "opened");
    struct hold *copy = arena_make(mem, struct hold, holds);
    memcpy(copy, hold, holds * sizeof *hold);
    g->batch[0].state = "held";
    g->batch[0].hold = copy;
    g->batch[0].hold_count = holds;
    g->batch[0].forecast_ms = 20 * MINUTE_MS;
}

static void held_by_the_threshold(struct given *g, struct arena *mem)
{
    held(g, mem, 247, &(struct hold){ .kind = HOLD_THRESHOLD, .since_ms = NOON_MS,
                                      .dispatches = 247, .threshold = 50 }, 1);
    g->batch[0].forecast = STR("247 writes, about 2 minutes at the written limit; 3,503 remain for "
                               "approvals");
}

static void released_by_a_person(struct given *g, struct arena *mem)
{
    static const struct hold was[] = {
        { .kind = HOLD_DRAFT, .since_ms = NOON_MS },
        { .kind = HOLD_THRESHOLD, .since_ms = NOON_MS, .dispatches = 247, .threshold = 50 },
    };
    static const struct release_view by[] = {
        { &was[0], STR_INIT("@alice"), NOON_MS + 2 * MINUTE_MS },
        { &was[1], STR_INIT("bob"), NOON_MS + 4 * MINUTE_MS },
    };
    given_batch(g, mem, 8, 2, "opened");
    given_progress(g, 3, 2);
    g->batch[0].released = by;
    g->batch[0].released_count = 2;
}

static void paused_by_pushes(struct given *g, struct arena *mem)
{
    held(g, mem, 8, &(struct hold){ .kind = HOLD_RAPID_PUSH, .since_ms = NOON_MS, .pushes = 4,
                                    .pushes_max = 3, .window_ms = 10 * MINUTE_MS }, 1);
}

static void a_draft(struct given *g, struct arena *mem)
{
    held(g, mem, 8, &(struct hold){ .kind = HOLD_DRAFT, .since_ms = NOON_MS }, 1);
    g->change.draft = true;
}

static const struct hold limited = { .kind = HOLD_RATE_LIMIT, .since_ms = NOON_MS,
                                     .dispatches = 247, .safe = 120, .reserved = 40,
                                     .remaining = 160, .quota = 5000,
                                     .until_ms = NOON_MS + 32 * MINUTE_MS };

static void held_by_the_rate_limit(struct given *g, struct arena *mem)
{
    held(g, mem, 8, &limited, 1);
}

static void larger_than_any_budget(struct given *g, struct arena *mem)
{
    struct hold h = limited;
    h.dispatches = 4000;
    h.never_fits = true;
    held(g, mem, 8, &h, 1);
}

static void held_by_all_four(struct given *g, struct arena *mem)
{
    const struct hold all[] = {
        { .kind = HOLD_DRAFT, .since_ms = NOON_MS },
        { .kind = HOLD_RAPID_PUSH, .since_ms = NOON_MS, .pushes = 4, .pushes_max = 3,
          .window_ms = 10 * MINUTE_MS },
        { .kind = HOLD_THRESHOLD, .since_ms = NOON_MS, .dispatches = 247, .threshold = 50 },
        limited,
    };
    held(g, mem, 8, all, 4);
    g->change.draft = true;
}

/* Three ran before the forge said that it was too much. */
static void limited_half_way(struct given *g, struct arena *mem)
{
    held(g, mem, 8, &limited, 1);
    given_progress(g, 3, 0);
    g->batch[0].state = "running";
}

static const struct { const char *file; void (*make)(struct given *, struct arena *); } worlds[] = {
    { "1-running", one_running },
    { "1-planned", one_planned },
    { "3-in-motion", three_in_motion },
    { "3-failed", three_failed },
    { "3-done", three_done },
    { "24-plans-one-failed", plans_with_one_failure },
    { "24-apply-with-holds", apply_with_holds },
    { "24-merged-after-plan", merged_after_plan },
    { "300-behind-two-failures", forty_behind_one },
    { "300-one-error", one_error_three_hundred_times },
    { "3000-in-motion", three_thousand_in_motion },
    { "loop", a_loop },
    { "superseded", superseded },
    { "only-removed", only_removed },
    { "cancelled", cancelled },
    { "held-threshold", held_by_the_threshold },
    { "released", released_by_a_person },
    { "held-rapid-push", paused_by_pushes },
    { "held-draft", a_draft },
    { "held-rate-limit", held_by_the_rate_limit },
    { "held-never-fits", larger_than_any_budget },
    { "held-all", held_by_all_four },
    { "limited-half-way", limited_half_way },
};
enum { WORLDS = sizeof worlds / sizeof *worlds };

static struct arena *fresh(void) { return arena_new(SIZE_MAX / 4, SIZE_MAX / 4); }

/* ---- golden files ---- */

static str read_golden(struct arena *mem, const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        fail_msg("no golden file %s: run once with UPDATE_GOLDEN=1 and read what it wrote", path);
    struct buf b;
    buf_init(&b, mem, 1 << 20);
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(&b, (str){ part, n });
    fclose(f);
    return buf_str(&b);
}

static void same_as_golden(struct arena *mem, const char *name, str got)
{
    const char *path = arena_print(mem, "%s/%s.md", GOLDEN_DIR, name).ptr;
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "wbe");
        assert_non_null(f);
        fwrite(got.ptr, 1, got.len, f);
        fclose(f);
    }
    if (!str_eq(read_golden(mem, path), got))
        fail_msg("%s differs from what was rendered:\n" PRI_STR, path, FMT_STR(got));
}

static void comments_are_as_in_the_golden_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        worlds[i].make(&g, mem);
        same_as_golden(mem, worlds[i].file, feedback_comment(mem, &g.change));
        arena_free(mem);
    }
}

/* What came of an apply, in a comment of its own. */
static void results_are_as_in_the_golden_files(void **state)
{
    (void)state;
    static const struct { const char *file; void (*make)(struct given *, struct arena *); } ended[] = {
        { "result-succeeded", merged_after_plan },
        { "result-failed", three_failed },
        { "result-cancelled", cancelled },
        { "result-300-behind-two-failures", forty_behind_one },
    };
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        struct arena *mem = fresh();
        struct given g;
        ended[i].make(&g, mem);
        for (uint32_t n = 0; n < g.count; n++)  /* whatever still moved has been stopped */
            if (!node_is_final(g.node[n].state))
                g.node[n].state = NODE_CANCELLED;
        g.batch[0].state = "ended";
        const struct batch_view *b = feedback_result_batch(&g.change);
        assert_ptr_equal(b, &g.batch[0]);
        str text = feedback_result(mem, &g.change, b);
        same_as_golden(mem, ended[i].file, text);
        assert_true(given_visible_lines(text) <= 16);
        assert_true(str_eq(text, feedback_result(mem, &g.change, b)));
        arena_free(mem);
    }
}

/* Plans are told of by the one comment, and what has not ended has no result. */
static void only_an_apply_that_ended_has_a_result(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    merged_after_plan(&g, mem);
    assert_non_null(feedback_result_batch(&g.change));
    g.batch[0].state = "running";
    assert_null(feedback_result_batch(&g.change));
    three_done(&g, mem);
    g.batch[0].state = "ended";
    assert_null(feedback_result_batch(&g.change));
    given_batch(&g, mem, 3, 3, "merged");
    for (uint32_t i = 0; i < 3; i++)
        g.node[i].state = NODE_CANCELLED;
    g.batch[0].state = "ended";
    assert_null(feedback_result_batch(&g.change));
    cancelled(&g, mem);
    g.change.number = 0;
    assert_null(feedback_result_batch(&g.change));
    arena_free(mem);
}

static str check_as_text(struct arena *mem, const struct change_view *c)
{
    struct check_view v;
    feedback_check(mem, c, &v);
    return arena_print(mem, "%s / %s\n\n# " PRI_STR "\n\n" PRI_STR "\n\n---\n\n" PRI_STR, v.status,
                       v.conclusion ? v.conclusion : "-", FMT_STR(v.title), FMT_STR(v.summary),
                       FMT_STR(v.text));
}

static void checks_are_as_in_the_golden_files(void **state)
{
    (void)state;
    static const struct { enum wait_kind wait; const char *name; } waits[] = {
        { WAIT_UPLOAD, "check-wait-upload" }, { WAIT_NO_UPLOAD, "check-no-upload" }, { WAIT_NOTHING_AFFECTED, "check-nothing-affected" },
        { WAIT_FORK, "check-fork" },          { WAIT_CLOSED, "check-closed" },
    };
    struct arena *mem = fresh();
    struct given g;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        given_batch(&g, mem, 0, 1, "opened");
        given_batches(&g, 0);
        g.change.wait = waits[i].wait;
        g.change.wait_until_ms = NOON_MS + 60 * MINUTE_MS;
        same_as_golden(mem, waits[i].name, check_as_text(mem, &g.change));
    }
    held_by_all_four(&g, mem);
    same_as_golden(mem, "check-held-all", check_as_text(mem, &g.change));
    held_by_the_rate_limit(&g, mem);
    same_as_golden(mem, "check-held-rate-limit", check_as_text(mem, &g.change));
    apply_with_holds(&g, mem);
    same_as_golden(mem, "check-24-apply-with-holds", check_as_text(mem, &g.change));
    arena_free(mem);
}

/* ---- what holds in every world ---- */

static void rendering_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g, again;
        worlds[i].make(&g, mem);
        worlds[i].make(&again, mem);
        assert_true(str_eq(feedback_comment(mem, &g.change), feedback_comment(mem, &again.change)));
        assert_true(str_eq(check_as_text(mem, &g.change), check_as_text(mem, &again.change)));
        assert_true(str_eq(feedback_digest(mem, &g.change), feedback_digest(mem, &again.change)));
        arena_free(mem);
    }
}

static void the_order_of_the_input_never_shows(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct arena *mem = fresh();
            struct given g;
            worlds[i].make(&g, mem);
            str comment = feedback_comment(mem, &g.change), check = check_as_text(mem, &g.change),
                digest = feedback_digest(mem, &g.change);
            given_shuffled(&g, seed);
            assert_true(str_eq(comment, feedback_comment(mem, &g.change)));
            assert_true(str_eq(check, check_as_text(mem, &g.change)));
            assert_true(str_eq(digest, feedback_digest(mem, &g.change)));
            arena_free(mem);
        }
}

static void about_forty_lines_at_any_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        worlds[i].make(&g, mem);
        str comment = feedback_comment(mem, &g.change);
        size_t lines = given_visible_lines(comment);
        if (lines > 40)
            fail_msg("%s: %zu visible lines", worlds[i].file, lines);
        assert_true(lines >= 2);
        assert_true(comment.len <= 60000);
        assert_true(str_starts(comment, feedback_marker(mem, 12)));
        arena_free(mem);
    }
}

static void a_status_is_always_an_icon_and_a_word(void **state)
{
    (void)state;
    static const struct { const char *icon; const char *words[6]; } pairs[] = {
        { "❌", { "failed", "not planned", "could not be dispatched" } }, { "✅", { "succeeded", "nothing is affected" } },
        { "🔄", { "running" } },               { "⏭️", { "skipped" } },
        { "🔒", { "locked", "waits", "wait" } }, { "✋", { "approval", "held", "paused" } },
        { "⌛", { "timed out" } },             { "❗", { "could not be dispatched" } },
    };
    for (size_t i = 0; i < WORLDS; i++) {
        struct arena *mem = fresh();
        struct given g;
        worlds[i].make(&g, mem);
        for (str line, rest = feedback_comment(mem, &g.change); rest.len;) {
            line = str_cut(rest, '\n', &rest);
            for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
                bool word = !given_has(line, pairs[p].icon);
                for (size_t w = 0; pairs[p].words[w]; w++)
                    word |= given_has(line, pairs[p].words[w]);
                if (!word)
                    fail_msg("%s: no word beside %s: " PRI_STR, worlds[i].file, pairs[p].icon,
                             FMT_STR(line));
            }
        }
        arena_free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_are_as_in_the_golden_files),
        cmocka_unit_test(results_are_as_in_the_golden_files),
        cmocka_unit_test(only_an_apply_that_ended_has_a_result),
        cmocka_unit_test(checks_are_as_in_the_golden_files),
        cmocka_unit_test(rendering_twice_gives_the_same_bytes),
        cmocka_unit_test(the_order_of_the_input_never_shows),
        cmocka_unit_test(about_forty_lines_at_any_size),
        cmocka_unit_test(a_status_is_always_an_icon_and_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
