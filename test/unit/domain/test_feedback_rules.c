/* Check, review, digest and bounds (atmos-pro.md §15.2, §15.4, peers.md §5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "domain/hold.h"
#include "feedback_given.h"
#undef fail     /* of base/err.h: cmocka has its own */
#include <cmocka.h>

static struct arena *fresh(void) { return arena_new(SIZE_MAX / 4, SIZE_MAX / 4); }

/*
 * One letter per node of a chain: S succeeded, F failed, T timed out, E error, C cancelled, K
 * skipped, U superseded, R running, Q queued, A approval, L locked, Y ready, W waiting, X deleted,
 * N no workflow.
 */
static void given_letters(struct given *g, struct arena *mem, const char *letters,
                          const char *activity)
{
    static const struct { char letter; enum node_state state; } map[] = {
        { 'S', NODE_SUCCEEDED }, { 'F', NODE_FAILED },  { 'T', NODE_TIMED_OUT }, { 'E', NODE_ERROR },  { 'C', NODE_CANCELLED },
        { 'K', NODE_SKIPPED },   { 'U', NODE_SUPERSEDED }, { 'R', NODE_RUNNING }, { 'Q', NODE_QUEUED }, { 'A', NODE_APPROVAL },
        { 'L', NODE_BLOCKED },   { 'Y', NODE_READY },   { 'W', NODE_WAITING },   { 'X', NODE_INERT },  { 'N', NODE_INERT },
    };
    uint32_t n = (uint32_t)strlen(letters);
    given_batch(g, mem, n, n ? n : 1, activity);
    for (uint32_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof map / sizeof *map; k++)
            if (map[k].letter == letters[i])
                g->node[i].state = map[k].state;
        g->node[i].inert = letters[i] == 'X'   ? STR("deleted")
                           : letters[i] == 'N' ? STR("no_workflow")
                                               : STR_NONE;
    }
}

static void the_check_concludes_as_in_this_table(void **state)
{
    (void)state;
    static const struct { const char *nodes, *batch_state, *error; enum wait_kind wait; const char *status, *conclusion, *title; } rows[] = {
        { "SSS", "ended", "", WAIT_NONE, "completed", "success", "3 succeeded" },
        { "SRWW", "running", "", WAIT_NONE, "in_progress", NULL, "1 of 4 done" },
        { "WWW", "running", "", WAIT_NONE, "queued", NULL, "0 of 3 done" },
        { "FKK", "ended", "", WAIT_NONE, "completed", "failure", "1 failed, 2 skipped" },
        { "SSFR", "running", "", WAIT_NONE, "in_progress", NULL, "3 of 4 done, 1 failed" },
        { "ST", "ended", "", WAIT_NONE, "completed", "failure", "1 timed out, 1 succeeded" },
        { "SE", "ended", "", WAIT_NONE, "completed", "failure", "1 could not be dispatched, 1 succeeded" },
        { "SC", "ended", "", WAIT_NONE, "completed", "cancelled", "1 cancelled, 1 succeeded" },
        { "FC", "ended", "", WAIT_NONE, "completed", "failure", "1 failed, 1 cancelled" },
        { "SK", "ended", "", WAIT_NONE, "completed", "failure", "1 skipped, 1 succeeded" },
        { "SU", "ended", "", WAIT_NONE, "completed", "neutral", "1 succeeded, 1 superseded" },
        { "SAW", "running", "", WAIT_NONE, "in_progress", NULL, "1 of 3 done, 1 waiting for approval" },
        { "SLW", "running", "", WAIT_NONE, "in_progress", NULL, "1 of 3 done, 1 locked" },
        { "WWW", "held", "", WAIT_NONE, "completed", "action_required", "Held: a person must let it go. 0 of 3 done" },
        { "NN", "ended", "", WAIT_NONE, "completed", "neutral", "No affected stacks with a workflow" },
        { "XN", "ended", "", WAIT_NONE, "completed", "neutral", "No affected stacks with a workflow" },
        { "SX", "ended", "", WAIT_NONE, "completed", "success", "1 succeeded" },
        { "", "ended", "", WAIT_NONE, "completed", "neutral", "No affected stacks with a workflow" },
        { "", "ended", "a loop", WAIT_NONE, "completed", "failure", "Not planned: the configuration needs mending" },
        /* the same head, and another event of it still wants its upload */
        { "SS", "ended", "", WAIT_UPLOAD, "in_progress", NULL, "Waiting for the affected stacks; before: 2 succeeded" },
        { "SF", "ended", "", WAIT_NO_UPLOAD, "completed", "failure", "1 failed, 1 succeeded" },
        { "SS", "ended", "", WAIT_CLOSED, "completed", "success", "2 succeeded" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct check_view v;
        given_letters(&g, mem, rows[i].nodes, "opened");
        g.batch[0].state = rows[i].batch_state;
        g.batch[0].error = str_of(rows[i].error);
        g.change.wait = rows[i].wait;
        feedback_check(mem, &g.change, &v);
        bool same = strcmp(v.status, rows[i].status) == 0 && !v.conclusion == !rows[i].conclusion &&
                    (!v.conclusion || strcmp(v.conclusion, rows[i].conclusion) == 0) &&
                    str_eq(v.title, str_of(rows[i].title));
        if (!same)
            fail_msg("row %zu (%s): %s / %s / " PRI_STR, i, rows[i].nodes, v.status,
                     v.conclusion ? v.conclusion : "-", FMT_STR(v.title));
        assert_true(v.summary.len > 0);
        arena_free(mem);
    }
}

static void a_head_that_waits_shows_nothing_of_the_head_before_it(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    struct check_view v;
    given_letters(&g, mem, "FKK", "opened");
    g.change.head_sha = STR("bbbbbbbbbbbbbbbb");
    g.change.wait = WAIT_UPLOAD;
    feedback_check(mem, &g.change, &v);
    assert_string_equal(v.status, "queued");
    assert_true(str_eq(v.text, STR("")));
    g.change.wait = WAIT_NO_UPLOAD;
    feedback_check(mem, &g.change, &v);
    assert_string_equal(v.conclusion, "neutral");
    arena_free(mem);
}

static void every_wait_teaches_what_to_look_at(void **state)
{
    (void)state;
    static const struct { enum wait_kind wait; const char *says; } rows[] = {
        { WAIT_NONE, "describe affected --upload" },  { WAIT_UPLOAD, "2026-09-21 13:00 UTC" },       { WAIT_NO_UPLOAD, "id-token: write" },
        { WAIT_NO_UPLOAD, "ATMOS_PRO_BASE_URL" },     { WAIT_NOTHING_AFFECTED, "describe affected" }, { WAIT_FORK, "fork_dispatch" },
        { WAIT_CLOSED, "Nothing more" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct check_view v;
        given_letters(&g, mem, "", "opened");
        given_batches(&g, 0);
        g.change.wait = rows[i].wait;
        g.change.wait_until_ms = NOON_MS + 60 * MINUTE_MS;
        feedback_check(mem, &g.change, &v);
        assert_true(given_has(v.summary, rows[i].says));
        assert_true(str_eq(v.details_url, g.change.page_url));
        assert_true(str_eq(feedback_comment(mem, &g.change), STR("")));
        arena_free(mem);
    }
}

static void there_is_a_comment_only_when_there_is_something_to_tell(void **state)
{
    (void)state;
    static const struct { const char *nodes; enum change_kind kind; int64_t number; bool comment; } rows[] = {
        { "", CHANGE_PULL_REQUEST, 12, false },  { "N", CHANGE_PULL_REQUEST, 12, false },  { "X", CHANGE_PULL_REQUEST, 12, true },
        { "S", CHANGE_PULL_REQUEST, 12, true },  { "W", CHANGE_MERGE_GROUP, 12, true },    { "S", CHANGE_RELEASE, 12, false },
        { "S", CHANGE_MANUAL, 0, false },        { "S", CHANGE_DRIFT, 0, false },          { "S", CHANGE_PULL_REQUEST, 0, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        given_letters(&g, mem, rows[i].nodes, "opened");
        g.change.kind = rows[i].kind;
        g.change.number = rows[i].number;
        if ((feedback_comment(mem, &g.change).len > 0) != rows[i].comment)
            fail_msg("row %zu", i);
        arena_free(mem);
    }
}

static void an_empty_batch_does_not_hide_the_one_behind_it(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_letters(&g, mem, "SF", "opened");
    g.batch[1] = g.batch[0];
    g.batch[0].node = NULL;
    g.batch[0].count = 0;
    g.batch[0].activity = STR("labeled");
    given_batches(&g, 2);
    assert_true(given_has(feedback_comment(mem, &g.change), "❌ 1 failed, 1 succeeded"));
    arena_free(mem);
}

static void a_failed_parent_and_all_behind_it_are_one_line(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_batch(&g, mem, 41, 41, "merged");    /* a chain: one parent, forty behind it */
    given_failed(&g, 0, NODE_FAILED, "");
    str comment = feedback_comment(mem, &g.change);
    assert_true(given_has(comment, "### ❌ 1 failed, 40 skipped — apply of 1a2b3c4\n"));
    assert_true(
        given_has(comment, "`network/vpc` in `plat-ue1-prod` failed after 3 min (exit code 1)."));
    assert_true(given_has(comment, "40 dependents skipped."));
    assert_true(given_visible_lines(comment) <= 6);
    arena_free(mem);
}

static void every_skipped_node_is_counted_once(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_letters(&g, mem, "FFK", "merged");
    static const uint32_t both[] = { 0, 1 };
    g.node[1].parent_count = 0;
    g.node[2].parents = both;
    g.node[2].parent_count = 2;
    str comment = feedback_comment(mem, &g.change);
    assert_int_equal(given_times(comment, "1 dependent skipped."), 1);
    g.node[2].parent_count = 0;     /* a view that does not say why */
    assert_true(given_has(feedback_comment(mem, &g.change), "1 skipped: something before"));
    arena_free(mem);
}

static void two_workflows_of_one_instance_are_told_apart(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_letters(&g, mem, "FSR", "merged");
    for (uint32_t i = 0; i < 3; i++) {
        g.node[i].component = STR("vpc");
        g.node[i].stack = STR("prod");
        g.node[i].workflow = i == 0 ? STR("c.yaml") : i == 1 ? STR("a.yaml") : STR("b.yaml");
        g.node[i].parent_count = 0;
        g.node[i].level = 0;
    }
    str comment = feedback_comment(mem, &g.change);
    assert_true(given_has(comment, "❌ `vpc` in `prod` by `c.yaml` failed"));
    assert_true(given_has(comment, "🔄 `vpc` in `prod` by `b.yaml` running"));
    for (uint64_t seed = 1; seed < 6; seed++) {
        given_shuffled(&g, seed);
        assert_true(str_eq(comment, feedback_comment(mem, &g.change)));
    }
    for (uint32_t i = 0; i < 3; i++)
        g.node[i].state = NODE_FAILED;  /* nothing but the workflow tells them apart now */
    comment = feedback_comment(mem, &g.change);
    for (uint64_t seed = 1; seed < 6; seed++) {
        given_shuffled(&g, seed);
        assert_true(str_eq(comment, feedback_comment(mem, &g.change)));
    }
    arena_free(mem);
}

static void what_needs_a_person_explains_a_wait_before_what_only_takes_time(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_letters(&g, mem, "RAW", "merged");
    static const uint32_t both[] = { 0, 1 };
    g.node[1].parent_count = 0;
    g.node[2].parents = both;
    g.node[2].parent_count = 2;
    str comment = feedback_comment(mem, &g.change);
    assert_true(given_has(comment, "is waiting for approval. 1 waits behind it."));
    assert_false(given_has(comment, "waits for it."));
    arena_free(mem);
}

static void a_broken_view_is_rendered_all_the_same(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    given_letters(&g, mem, "KWKW", "merged");
    static const uint32_t loop[4][2] = { { 2, 9 }, { 3, UINT32_MAX }, { 0, 2 }, { 1, 3 } };
    for (uint32_t i = 0; i < 4; i++) {
        g.node[i].parents = loop[i];
        g.node[i].parent_count = 2;
        given_counts(&g, i, INT64_MAX, INT64_MIN, -1, INT64_MAX);
        g.node[i].started_ms = INT64_MAX;
        g.node[i].ended_ms = INT64_MIN;
        g.node[i].expected_ms = INT64_MAX;
        g.node[i].level = UINT32_MAX - 1;
    }
    g.batch[0].as_of_ms = INT64_MAX;
    g.batch[0].forecast_ms = INT64_MAX;
    g.batch[0].head_sha = STR_NONE;
    assert_true(feedback_comment(mem, &g.change).len > 0);
    arena_free(mem);
}

static void reviews_are_due_as_in_this_table(void **state)
{
    (void)state;
    static const struct { const char *nodes, *activity, *error; enum wait_kind wait; bool other_head; const char *want; } rows[] = {
        { "SSS", "opened", "", WAIT_NONE, false, "APPROVE" },
        { "SFS", "synchronize", "", WAIT_NONE, false, "REQUEST_CHANGES" },
        { "FKK", "opened", "", WAIT_NONE, false, "REQUEST_CHANGES" },
        { "SRS", "opened", "", WAIT_NONE, false, NULL },
        { "FRW", "opened", "", WAIT_NONE, false, NULL },
        { "SC", "opened", "", WAIT_NONE, false, NULL },
        { "SU", "opened", "", WAIT_NONE, false, NULL },
        { "", "opened", "a loop", WAIT_NONE, false, "REQUEST_CHANGES" },
        /* touches no component */
        { "", "opened", "", WAIT_NONE, false, "APPROVE" },
        { "", "opened", "", WAIT_NOTHING_AFFECTED, false, "APPROVE" },
        /* failures of the head before */
        { "FF", "opened", "", WAIT_NOTHING_AFFECTED, true, "APPROVE" },
        /* affected, but nothing looked at it */
        { "N", "opened", "", WAIT_NONE, false, NULL },
        { "X", "opened", "", WAIT_NONE, false, NULL },
        /* not the current head */
        { "SS", "opened", "", WAIT_NONE, true, NULL },
        { "SS", "opened", "", WAIT_UPLOAD, false, NULL },
        { "", "opened", "", WAIT_NO_UPLOAD, false, NULL },
        { "", "opened", "", WAIT_FORK, false, NULL },
        /* nobody reviews what is merged */
        { "SS", "merged", "", WAIT_NONE, false, NULL },
        { "FF", "closed", "", WAIT_NONE, false, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        str body;
        given_letters(&g, mem, rows[i].nodes, rows[i].activity);
        g.batch[0].error = str_of(rows[i].error);
        g.change.wait = rows[i].wait;
        if (rows[i].other_head)
            g.change.head_sha = STR("bbbbbbbbbbbbbbbb");
        const char *got = feedback_review(mem, &g.change, &body);
        if (!got != !rows[i].want || (got && strcmp(got, rows[i].want) != 0))
            fail_msg("row %zu (%s): %s", i, rows[i].nodes, got ? got : "none");
        assert_int_equal(got != NULL, body.len > 0);
        g.change.kind = CHANGE_RELEASE;
        assert_null(feedback_review(mem, &g.change, &body));
        arena_free(mem);
    }
}

/* Holds of the kinds that stand, and who of the controls is offered. */
static void each_order_has_one_control_and_a_spinner_is_never_shown(void **state)
{
    (void)state;
    static const struct hold draft = { .kind = HOLD_DRAFT },
                             push = { .kind = HOLD_RAPID_PUSH, .pushes = 4, .pushes_max = 3, .window_ms = 600000 },
                             many = { .kind = HOLD_THRESHOLD, .dispatches = 51, .threshold = 50 },
                             limit = { .kind = HOLD_RATE_LIMIT, .dispatches = 51, .remaining = 10, .quota = 5000 },
                             never = { .kind = HOLD_RATE_LIMIT, .dispatches = 9000, .remaining = 10, .quota = 5000, .never_fits = true };
    static const struct { const struct hold *hold[4]; const char *controls; const char *title; } rows[] = {
        { { &draft }, "dispatch", "Held: the pull request is a draft" },
        { { &push }, "resume", "Paused: 4 pushes within 10 minutes, the limit is 3" },
        { { &many }, "dispatch", "Held: would dispatch 51 stacks, the threshold is 50" },
        { { &limit }, "", "Held: would dispatch 51 stacks, the safe budget is 0 calls (10 of 5,000 remain" },
        { { &never }, "parts", "Held: would dispatch 9,000 stacks" },
        { { &draft, &many }, "dispatch", "Held for 2 reasons: the pull request is a draft; and 1 more" },
        { { &draft, &push, &many, &never }, "dispatch resume parts", "Held for 4 reasons: the pull request is a draft; and 3 more" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct check_view v;
        struct hold hold[4];
        size_t n = 0;
        for (; n < 4 && rows[i].hold[n]; n++)
            hold[n] = *rows[i].hold[n];
        given_letters(&g, mem, "WWW", "opened");
        g.batch[0].state = "held";
        g.batch[0].hold = hold;
        g.batch[0].hold_count = n;
        str comment = feedback_comment(mem, &g.change);
        assert_int_equal(given_times(comment, "- [ ] **"), rows[i].controls[0] ? 1 + given_times(str_of(rows[i].controls), " ") : 0);
        for (str word, rest = str_of(rows[i].controls); rest.len;) {
            word = str_cut(rest, ' ', &rest);
            assert_true(given_has(comment, arena_print(mem, "** <!-- signalbox:" PRI_STR " bat_1 -->\n", FMT_STR(word)).ptr));
        }
        feedback_check(mem, &g.change, &v);
        assert_string_equal(v.status, "completed");
        assert_string_equal(v.conclusion, "action_required");
        assert_true(str_starts(v.title, str_of(rows[i].title)) && v.title.len <= 255);
        assert_true(str_eq(v.details_url, g.batch[0].url));
        assert_false(given_has(v.summary, "- [ ]"));           /* a check has no boxes to tick */
        assert_true(given_has(v.summary, "[!WARNING]"));
        /* a newer head waits, or it is closed: nothing of the old one may be ordered any more */
        g.change.wait = WAIT_CLOSED;
        assert_false(given_has(feedback_comment(mem, &g.change), "- [ ]"));
        g.change.wait = WAIT_UPLOAD;
        g.change.head_sha = STR("ffffffff00000000ffffffff00000000ffffffff");
        assert_false(given_has(feedback_comment(mem, &g.change), "- [ ]"));
        arena_free(mem);
    }
}

static void new_figures_of_a_hold_are_urgent(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    struct hold hold = { .kind = HOLD_THRESHOLD, .dispatches = 51, .threshold = 50 };
    given_letters(&g, mem, "WWW", "opened");
    str free_digest = feedback_digest(mem, &g.change);
    g.batch[0].state = "held";
    g.batch[0].hold = &hold;
    g.batch[0].hold_count = 1;
    str before = feedback_digest(mem, &g.change);
    assert_false(str_eq(free_digest, before));
    hold.threshold = 40;
    assert_false(str_eq(before, feedback_digest(mem, &g.change)));
    arena_free(mem);
}

static void a_wrong_file_of_settings_is_told_by_the_check(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    struct check_view v;
    given_letters(&g, mem, "SSS", "opened");
    feedback_check(mem, &g.change, &v);
    assert_false(given_has(v.summary, "signalbox.yaml"));
    g.change.settings_wrong = STR("there is no setting <b>foo</b> @everyone");
    feedback_check(mem, &g.change, &v);
    assert_true(given_has(v.summary, "`.github/signalbox.yaml` is not used: there is no setting"));
    assert_false(given_has(v.summary, "<b>"));
    assert_false(given_has(v.summary, "@everyone"));
    assert_string_equal(v.conclusion, "success");       /* it says so, and judges nothing by it */
    arena_free(mem);
}

static void a_draft_is_never_reviewed(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    str body;
    given_letters(&g, mem, "SSS", "opened");
    assert_non_null(feedback_review(mem, &g.change, &body));
    g.change.draft = true;
    assert_null(feedback_review(mem, &g.change, &body));
    given_letters(&g, mem, "SFS", "opened");
    g.change.draft = true;
    assert_null(feedback_review(mem, &g.change, &body));
    arena_free(mem);
}

static void a_held_batch_is_never_approved(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    struct given g;
    str body;
    given_letters(&g, mem, "SSS", "opened");
    g.batch[0].state = "held";
    assert_null(feedback_review(mem, &g.change, &body));
    arena_free(mem);
}

static void an_edit_is_urgent_when_the_tone_or_a_failure_changed(void **state)
{
    (void)state;
    static const struct { const char *before, *after; bool urgent; } rows[] = {
        { "SRWW", "SSRW", false }, { "WWW", "RWW", true },  { "SRWW", "SFKK", true }, { "SSR", "SSS", true },   { "FRW", "FSR", false },
        { "FRW", "FFK", true },    { "RAW", "RSR", true },  { "RLW", "RRW", true },   { "FRW", "FEK", true },   { "RRRR", "SRRR", false },
        { "FR", "FS", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        given_letters(&g, mem, rows[i].before, "merged");
        str before = feedback_digest(mem, &g.change);
        given_letters(&g, mem, rows[i].after, "merged");
        if (str_eq(before, feedback_digest(mem, &g.change)) == rows[i].urgent)
            fail_msg("%s → %s", rows[i].before, rows[i].after);
        assert_int_equal(before.len, 16);
        arena_free(mem);
    }
}

static void an_edit_is_urgent_when_what_is_told_of_a_node_changed(void **state)
{
    (void)state;
    struct arena *mem = fresh();
    for (int field = 0; field < 7; field++) {
        struct given g;
        given_letters(&g, mem, "FLR", "merged");
        str before = feedback_digest(mem, &g.change);
        struct node_view *f = &g.node[0], *l = &g.node[1];
        str *const fields[] = {&f->error_text, &f->error_code,   &f->component, &f->stack,
                               &f->workflow,   &l->lock_message, &l->blocked_by};
        *fields[field] = STR("something else");
        assert_false(str_eq(before, feedback_digest(mem, &g.change)));
    }
    arena_free(mem);
}

static void edits_wait_longer_the_larger_the_batch(void **state)
{
    (void)state;
    static const struct { uint32_t nodes; bool terminal; int64_t ms; } rows[] = {
        { 0, false, 10000 }, { 20, false, 10000 }, { 260, false, 20000 }, { 500, false, 30000 }, { 50000, false, 30000 }, { 50000, true, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(feedback_debounce_ms(rows[i].nodes, rows[i].terminal), rows[i].ms);
}

/* ---- bounds ---- */

static str long_name(struct arena *mem, const char *part, uint32_t i)
{
    size_t len = strlen(part), n = 0;
    char *p = arena_make(mem, char, 4096 + 16);
    n += (size_t)snprintf(p, 16, "%05u", i);
    for (; n + len <= 4096; n += len)
        memcpy(p + n, part, len);
    return (str){ p, n };
}

/* 50,000 nodes; those with 4 KB names share 500 of them, or the test would only measure memory. */
static void given_giant(struct given *g, struct arena *mem, const char *part, enum node_state state)
{
    str names[500];
    given_batch(g, mem, 50000, 500, "merged");
    for (uint32_t i = 0; i < 500; i++)
        names[i] = long_name(mem, part, i);
    for (uint32_t i = 0; i < 50000; i++) {
        struct node_view *n = &g->node[i];
        n->state = state == NODE_STATE_COUNT ? (enum node_state)(i % NODE_STATE_COUNT) : state;
        n->component = names[i % 500];
        n->stack = names[i / 500];
        n->error_text = n->lock_message = n->lock_actor = n->blocked_by = n->error_code =
            names[i * 7 % 500];
        n->run_url = STR("https://github.example/acme/infra/actions/runs/1");
        n->inert = i % 2 ? STR("deleted") : names[0];
        given_counts(g, i, i, i, i, i);
    }
    g->batch[0].error = names[3];
    g->batch[0].superseded_by = names[4];
    g->batch[0].tree_differs = true;
    g->batch[1] = g->batch[2] = g->batch[0];
    given_batches(g, 3);
}

static void everything_stays_within_its_length_at_fifty_thousand_nodes(void **state)
{
    (void)state;
    static const struct { const char *part; enum node_state state; } rows[] = {
        { "x", NODE_STATE_COUNT }, { "#`|", NODE_STATE_COUNT }, { "👩‍🚀", NODE_FAILED }, { "@#<", NODE_BLOCKED }, { "`", NODE_RUNNING },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        struct check_view v;
        str body;
        given_giant(&g, mem, rows[i].part, rows[i].state);
        str comment = feedback_comment(mem, &g.change);
        assert_true(comment.len > 10000 && comment.len <= 60000);
        assert_true(str_is_utf8(comment));
        assert_true(given_visible_lines(comment) <= 40);
        assert_int_equal(given_times(comment, "<details"), given_times(comment, "</details>"));
        assert_true(given_has(comment, " more: [see all](https://box.example/batches/bat_1)"));
        assert_true(str_ends(comment, STR("</sub>\n")));
        feedback_check(mem, &g.change, &v);
        assert_true(v.title.len > 0 && v.title.len <= 255);
        assert_true(v.summary.len > 1000 && v.summary.len <= 65535);
        assert_true(v.text.len > 1000 && v.text.len <= 65535);
        assert_true(str_is_utf8(v.summary) && str_is_utf8(v.text));
        assert_true(given_has(v.text, " more: [see all]"));
        feedback_review(mem, &g.change, &body);
        assert_true(body.len <= 60000);
        arena_free(mem);
    }
}

/*
 * Whatever the last row that fitted left over, there is room for the line that says how many more
 * there are.
 */
static void a_table_cut_by_its_bytes_says_so(void **state)
{
    (void)state;
    char url[590];
    memset(url, 'u', sizeof url);
    memcpy(url, "https://box.example/", 20);
    for (uint32_t extra = 0; extra < 30; extra++) {
        struct arena *mem = fresh();
        struct given g;
        struct check_view v;
        given_batch(&g, mem, 700, 1, "opened");
        for (uint32_t i = 0; i < 700; i++) {
            char *name = arena_make(mem, char, 64);
            memset(name, '@', 30 + extra);
            g.node[i].component =
                (str){name, (size_t)snprintf(name + 30 + extra, 8, "%03u", i) + 30 + extra};
            g.node[i].run_url = (str){ url, 300 };
        }
        g.batch[0].url = (str){ url, sizeof url };
        feedback_check(mem, &g.change, &v);
        assert_true(given_has(v.text, " more: [see all]("));
        assert_true(v.text.len > 60000 && v.text.len <= 65535);
        str comment = feedback_comment(mem, &g.change);
        assert_true(given_has(comment, " more: [see all]("));
        assert_true(comment.len > 55000 && comment.len <= 60000);
        arena_free(mem);
    }
}

static void a_freeze_of_several_names_the_way_out_of_each(void **state)
{
    (void)state;
    static const struct { const char *nodes, *way; bool odd; } rows[] = {
        { "LS", "To go on now: `signalbox unlock --repo acme/infra --component network/vpc --stack plat-ue1-prod`.", false },
        { "LL", "To go on now: `signalbox unlock --repo acme/infra --component iam/roles --stack plat-ue1-prod`, "
                "`signalbox unlock --repo acme/infra --component network/vpc --stack plat-ue1-prod`.", false },
        { "LLLLL", "--component iam/roles --stack plat-ue1-prod` and 2 more.", false },
        { "LL", "To go on now, release the lock.", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *mem = fresh();
        struct given g;
        given_letters(&g, mem, rows[i].nodes, "merged");
        for (uint32_t k = 0; k < g.count; k++) {
            g.node[k].lock_message = STR("freeze");
            if (rows[i].odd)
                g.node[k].component = arena_print(mem, "a component; rm -rf %u", k);
        }
        str comment = feedback_comment(mem, &g.change);
        if (!given_has(comment, rows[i].way))
            fail_msg("%s: no \"%s\" in\n" PRI_STR, rows[i].nodes, rows[i].way, FMT_STR(comment));
        arena_free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_concludes_as_in_this_table),
        cmocka_unit_test(a_head_that_waits_shows_nothing_of_the_head_before_it),
        cmocka_unit_test(every_wait_teaches_what_to_look_at),
        cmocka_unit_test(there_is_a_comment_only_when_there_is_something_to_tell),
        cmocka_unit_test(an_empty_batch_does_not_hide_the_one_behind_it),
        cmocka_unit_test(a_failed_parent_and_all_behind_it_are_one_line),
        cmocka_unit_test(every_skipped_node_is_counted_once),
        cmocka_unit_test(two_workflows_of_one_instance_are_told_apart),
        cmocka_unit_test(what_needs_a_person_explains_a_wait_before_what_only_takes_time),
        cmocka_unit_test(a_broken_view_is_rendered_all_the_same),
        cmocka_unit_test(reviews_are_due_as_in_this_table),
        cmocka_unit_test(each_order_has_one_control_and_a_spinner_is_never_shown),
        cmocka_unit_test(new_figures_of_a_hold_are_urgent),
        cmocka_unit_test(a_wrong_file_of_settings_is_told_by_the_check),
        cmocka_unit_test(a_draft_is_never_reviewed),
        cmocka_unit_test(a_held_batch_is_never_approved),
        cmocka_unit_test(an_edit_is_urgent_when_the_tone_or_a_failure_changed),
        cmocka_unit_test(an_edit_is_urgent_when_what_is_told_of_a_node_changed),
        cmocka_unit_test(a_freeze_of_several_names_the_way_out_of_each),
        cmocka_unit_test(edits_wait_longer_the_larger_the_batch),
        cmocka_unit_test(a_table_cut_by_its_bytes_says_so),
        cmocka_unit_test(everything_stays_within_its_length_at_fifty_thousand_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
