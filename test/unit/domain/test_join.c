#include "given.h"
#include "domain/join.h"

static void pull_refs(void **state)
{
    static const struct { const char *ref; int64_t number; } row[] = {
        { "refs/pull/7/merge", 7 }, { "refs/pull/123456/head", 123456 }, { "refs/heads/main", 0 }, { "", 0 }, { "refs/pull/", 0 },
        { "refs/pull/7", 0 }, { "refs/pull/7/x", 0 }, { "refs/pull/7/merge/x", 0 }, { "refs/pull/-7/merge", 0 }, { "refs/pull/0/merge", 0 },
        { "refs/pull/99999999999999999999/merge", 0 }, { "refs/pull/7x/merge", 0 }, { "xrefs/pull/7/merge", 0 }, { "refs/pull//merge", 0 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        assert_int_equal(join_pull_number(str_of(row[i].ref)), row[i].number);
}

static void queue_branches(void **state)
{
    static const struct { const char *ref, *base; int64_t number; } row[] = {
        { "refs/heads/gh-readonly-queue/main/pr-12-0123456789abcdef0123456789abcdef01234567", "main", 12 },
        { "gh-readonly-queue/main/pr-12-0123456789abcdef0123456789abcdef01234567", "main", 12 },
        { "gh-readonly-queue/release/1.2/pr-1-0123456", "release/1.2", 1 },
        { "gh-readonly-queue/pr-1-0123456", NULL, 0 }, { "gh-readonly-queue//pr-1-0123456", NULL, 0 },
        { "gh-readonly-queue/main/pr-x-0123456", NULL, 0 }, { "gh-readonly-queue/main/pr-0-0123456", NULL, 0 },
        { "gh-readonly-queue/main/pr--1-0123456", NULL, 0 }, { "gh-readonly-queue/main/pr-1-xyz", NULL, 0 },
        { "gh-readonly-queue/main/pr-1", NULL, 0 }, { "gh-readonly-queue/main/1-0123456", NULL, 0 }, { "main", NULL, 0 }, { "", NULL, 0 },
        { "refs/tags/gh-readonly-queue/main/pr-12-0123456", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str base = STR("untouched");
        int64_t number = -1;
        assert_int_equal(join_queue_branch(str_of(row[i].ref), &base, &number),
                         row[i].base != NULL);
        if (row[i].base) {
            then_text(base, row[i].base);
            assert_int_equal(number, row[i].number);
        } else {
            assert_int_equal(number, -1);
        }
    }
}

static void tags(void **state)
{
    then_text(join_tag(STR("refs/tags/v1.2")), "v1.2");
    then_text(join_tag(STR("refs/tags/a/b")), "a/b");
    then_text(join_tag(STR("refs/heads/v1.2")), "");
    then_text(join_tag(STR_NONE), "");
}

static void kinds_have_names(void **state)
{
    static const char *const name[] = {"pull_request", "release", "merge_group", "manual", "drift"};
    for (int i = 0; i < 5; i++)
        assert_string_equal(change_kind_name((enum change_kind)i), name[i]);
}

/*
 * The world of a row.
 *   change    PR, GROUP, RELEASE, MANUAL, DRIFT, or - for none; then the state (open, closed,
 *   merged, merged-sometime) and the head it stands at
 *   events    oldest first, "activity:head", with + behind when no longer waiting
 *   upload    head it is for, session (none: static token; pr: on refs/pull/7/merge; base:
 *   pull_request on refs/heads/main;
 *             target: pull_request_target; group; release; else the event name itself), run id
 *   earlier   joined uploads of the head: "run:time", the merge is at time 1000
 */
struct row {
    const char *why, *change, *events, *upload, *earlier;
    bool asked;
    enum join_kind kind;
    uint64_t bits;
    const char *activity;
};

static const struct row PULLS[] = {
    /* event first */
    { "opened, then its upload", "PR open A", "opened:A", "A pr 1", "", false, JOIN_EVENTS, 1, "opened" },
    { "synchronize", "PR open B", "opened:A+ synchronize:B", "B pr 2", "", false, JOIN_EVENTS, 2, "synchronize" },
    { "reopened at the same head: a new event, a new upload", "PR open A", "opened:A+ closed:A+ reopened:A", "A pr 3", "1:10", false, JOIN_EVENTS, 4, "reopened" },
    { "opened and labeled are served by one upload", "PR open A", "opened:A labeled:A", "A pr 1", "", false, JOIN_EVENTS, 3, "labeled" },
    { "labeled later, by a run of its own", "PR open A", "opened:A+ labeled:A", "A pr 2", "1:10", false, JOIN_EVENTS, 2, "labeled" },
    { "closed without a merge", "PR closed A", "opened:A+ closed:A", "A pr 2", "1:10", false, JOIN_EVENTS, 2, "closed" },
    { "what was asked for before the end is not wanted any more", "PR closed A", "opened:A synchronize:A closed:A", "A pr 2", "", false, JOIN_EVENTS, 4, "closed" },
    { "closed, and another run of its head: ask", "PR closed A", "opened:A+", "A pr 2", "1:10", false, JOIN_ASK, 0, "" },
    { "asked, and it is closed", "PR closed A", "opened:A+", "A pr 2", "1:10", true, JOIN_NONE, 0, "" },
    { "asked, and it is closed, though an event waits that came late", "PR closed A", "opened:A", "A pr 2", "", true, JOIN_NONE, 0, "" },
    { "the plan's run again after the end", "PR closed A", "opened:A+", "A pr 1", "1:10", true, JOIN_NONE, 0, "" },
    { "the closing's run again", "PR closed A", "opened:A+ closed:A+", "A pr 1", "1:10", false, JOIN_AGAIN, 0, "closed" },
    { "asked, and it was opened again: once more", "PR open A", "opened:A+ closed:A+", "A pr 2", "1:10", true, JOIN_AGAIN, 0, "reopened" },
    { "pull_request_target runs on the base branch always", "PR open A", "opened:A", "A target 1", "", false, JOIN_EVENTS, 1, "opened" },
    { "events of other heads are left alone", "PR open B", "opened:A synchronize:B", "B pr 1", "", false, JOIN_EVENTS, 2, "synchronize" },
    /* upload first */
    { "nothing is known yet", "-", "", "A pr 1", "", false, JOIN_WAIT, 0, "" },
    { "nothing is known, the forge was asked", "-", "", "A pr 1", "", true, JOIN_WAIT, 0, "" },
    { "the push's webhook is on its way", "PR open A", "opened:A+", "B pr 2", "1:10", false, JOIN_WAIT, 0, "" },
    { "and comes", "PR open B", "opened:A+ synchronize:B", "B pr 2", "", false, JOIN_EVENTS, 2, "synchronize" },
    { "a static token waits too", "PR open A", "opened:A+", "B none", "", false, JOIN_WAIT, 0, "" },
    /* lost webhooks */
    { "the change is known, its event is not: ask", "PR open B", "opened:A+", "B pr 2", "", false, JOIN_ASK, 0, "" },
    { "asked: it was a push", "PR open B", "opened:A+", "B pr 2", "", true, JOIN_AGAIN, 0, "synchronize" },
    { "asked: it is new to us", "PR open A", "", "A pr 2", "", true, JOIN_AGAIN, 0, "opened" },
    { "asked: it was merged meanwhile, and this is its upload", "PR merged A", "", "A base 2", "", true, JOIN_AGAIN, 0, "merged" },
    { "asked: it was merged meanwhile, and this is a plan's", "PR merged A", "", "A pr 2", "", true, JOIN_NONE, 0, "" },
    { "a merge whose event expired, and a plan's run", "PR merged A", "opened:A+", "A pr 2", "1:10", true, JOIN_NONE, 0, "" },
    { "a push to the branch of a merged pull request", "PR merged A", "merged:A+", "B pr 2", "", false, JOIN_WAIT, 0, "" },
    { "asked: it was closed", "PR closed A", "", "A pr 2", "", true, JOIN_NONE, 0, "" },
    { "the merge's webhook is lost", "PR merged A", "opened:A+", "A base 2", "1:10", false, JOIN_ASK, 0, "" },
    { "asked: merged", "PR merged A", "opened:A+", "A base 2", "1:10", true, JOIN_AGAIN, 0, "merged" },
    /* older heads */
    { "a newer push has overtaken the upload", "PR open B", "opened:A synchronize:B", "A pr 1", "", false, JOIN_NONE, 0, "" },
    { "also when its events are joined", "PR open B", "opened:A+ synchronize:B+", "A pr 1", "1:10", false, JOIN_NONE, 0, "" },
    { "pushed back to an older head", "PR open A", "opened:A+ synchronize:B+ synchronize:A", "A pr 3", "1:10", false, JOIN_EVENTS, 4, "synchronize" },
    /* the merge: same head as the last plan */
    { "merged, then the merge's upload", "PR merged A", "opened:A+ merged:A", "A base 2", "1:10", false, JOIN_EVENTS, 2, "merged" },
    { "the same where the forge keeps the pull ref", "PR merged A", "opened:A+ merged:A", "A pr 2", "1:10", false, JOIN_EVENTS, 2, "merged" },
    { "the same with a static token", "PR merged A", "opened:A+ merged:A", "A none", "", false, JOIN_EVENTS, 2, "merged" },
    { "the merge does not take plans along that never had an upload", "PR merged A", "opened:A merged:A", "A base 2", "", false, JOIN_EVENTS, 2, "merged" },
    { "the merge's upload before its webhook: ask", "PR open A", "opened:A+", "A base 2", "1:10", false, JOIN_ASK, 0, "" },
    { "ask too when the plan still waits", "PR open A", "opened:A", "A base 2", "", false, JOIN_ASK, 0, "" },
    { "asked, and the merge is there", "PR merged A", "opened:A+ merged:A", "A base 2", "1:10", true, JOIN_EVENTS, 2, "merged" },
    { "asked, and it is open: a forge that runs on the base branch always", "PR open A", "opened:A", "A base 2", "", true, JOIN_EVENTS, 1, "opened" },
    { "without a ref, another run after all is joined: ask", "PR open A", "opened:A+", "A none", "1:10", false, JOIN_ASK, 0, "" },
    { "asked, and it is open: once more", "PR open A", "opened:A+", "A none", "1:10", true, JOIN_AGAIN, 0, "opened" },
    { "a slow plan whose pull request was merged meanwhile", "PR merged A", "opened:A merged:A", "A pr 1", "", false, JOIN_NONE, 0, "" },
    { "the event says merged before the change does", "PR open A", "opened:A+ merged:A", "A base 2", "1:10", false, JOIN_EVENTS, 2, "merged" },
    /* re-runs */
    { "the plan's run again", "PR open A", "opened:A+", "A pr 1", "1:10", false, JOIN_AGAIN, 0, "opened" },
    { "the plan's run again, while another activity waits", "PR open A", "opened:A+ labeled:A", "A pr 1", "1:10", false, JOIN_AGAIN, 0, "opened" },
    { "the newest of what was joined", "PR open A", "opened:A+ reopened:A+", "A pr 2", "1:10 2:20", false, JOIN_AGAIN, 0, "reopened" },
    { "the plan's run again after the merge", "PR merged A", "opened:A+ merged:A", "A pr 1", "1:10", false, JOIN_NONE, 0, "" },
    { "the same, the merge being served", "PR merged A", "opened:A+ merged:A+", "A pr 1", "1:10 2:1010", false, JOIN_NONE, 0, "" },
    { "the same, on a ref that says nothing", "PR merged A", "opened:A+ merged:A", "A target 1", "1:10", false, JOIN_NONE, 0, "" },
    { "the merge's run again", "PR merged A", "opened:A+ merged:A+", "A base 2", "1:10 2:1010", false, JOIN_AGAIN, 0, "merged" },
    { "the plan's run again after the merge, its events being forgotten", "PR merged A", "", "A pr 1", "1:10", true, JOIN_NONE, 0, "" },
    { "the plan's run again, its event never came", "PR open A", "", "A pr 1", "1:10", false, JOIN_AGAIN, 0, "opened" },
    { "the same, not knowing when the merge was", "PR merged-sometime A", "opened:A+", "A pr 1", "1:10", true, JOIN_NONE, 0, "" },
    { "uploads without a run are not the same run", "PR open A", "opened:A+ labeled:A", "A none", ":10", false, JOIN_EVENTS, 2, "labeled" },
    { "another run after the merge was served", "PR merged A", "opened:A+ merged:A+", "A base 3", "1:10 2:1010", false, JOIN_NONE, 0, "" },
    { "another run, by static token", "PR merged A", "merged:A+", "A none", "", false, JOIN_NONE, 0, "" },
    { "the event's time stands in for the change's", "PR open A", "opened:A+ merged:A", "A pr 1", "1:10", false, JOIN_NONE, 0, "" },
    { "a late upload after its event expired", "PR open A", "opened:A+", "A pr 1", "", true, JOIN_AGAIN, 0, "opened" },
    /* sessions that never join */
    { "push", "PR open A", "opened:A", "A push 1", "", false, JOIN_NONE, 0, "" },
    { "workflow_dispatch", "PR open A", "opened:A", "A workflow_dispatch 1", "", false, JOIN_NONE, 0, "" },
    { "schedule, nothing known", "-", "", "A schedule 1", "", false, JOIN_NONE, 0, "" },
    { "an event name of tomorrow", "PR open A", "opened:A", "A telepathy 1", "", true, JOIN_NONE, 0, "" },
    { "a session of another kind of change", "PR open A", "opened:A", "A group 1", "", false, JOIN_WAIT, 0, "" },
    { "a release's session at a pull request", "PR open A", "opened:A", "A release 1", "", false, JOIN_WAIT, 0, "" },
};

static const struct row OTHERS[] = {
    { "the queue's check", "GROUP open Q", "checks_requested:Q", "Q group 1", "", false, JOIN_EVENTS, 1, "checks_requested" },
    { "by static token", "GROUP open Q", "checks_requested:Q", "Q none", "", false, JOIN_EVENTS, 1, "checks_requested" },
    { "the queue's upload first", "-", "", "Q group 1", "", false, JOIN_WAIT, 0, "" },
    { "the queue's run again", "GROUP open Q", "checks_requested:Q+", "Q group 1", "1:10", false, JOIN_AGAIN, 0, "checks_requested" },
    { "another run", "GROUP open Q", "checks_requested:Q+", "Q group 2", "1:10", false, JOIN_AGAIN, 0, "checks_requested" },
    { "its webhook is lost", "GROUP open Q", "", "Q group 1", "", false, JOIN_ASK, 0, "" },
    { "asked", "GROUP open Q", "", "Q group 1", "", true, JOIN_AGAIN, 0, "checks_requested" },
    { "a pull request's session at a group", "GROUP open Q", "checks_requested:Q", "Q pr 1", "", false, JOIN_WAIT, 0, "" },
    { "a release by its tag, whatever its head", "RELEASE open ", "published:", "T release 1", "", false, JOIN_EVENTS, 1, "published" },
    { "also when the webhook named another commit", "RELEASE open X", "published:X", "T release 1", "", false, JOIN_EVENTS, 1, "published" },
    { "published and released are one", "RELEASE open ", "published: released:", "T release 1", "", false, JOIN_EVENTS, 3, "published" },
    { "released comes later and is part of the batch that is there", "RELEASE open ", "published:+ released:", "T release 2", "1:10", false, JOIN_NONE, 0, "" },
    { "released, when published had no workflows", "RELEASE open ", "released:", "T release 2", "1:10", false, JOIN_EVENTS, 1, "released" },
    { "the run for released, when both are joined, applies nothing again", "RELEASE open ", "published:+ released:+", "T release 2", "1:10", false, JOIN_NONE, 0, "" },
    { "the release's run again", "RELEASE open ", "published:+ released:+", "T release 1", "1:10", false, JOIN_AGAIN, 0, "released" },
    { "by static token, by commit", "RELEASE open T", "published:T", "T none", "", false, JOIN_EVENTS, 1, "published" },
    { "by static token, another commit", "RELEASE open X", "published:X", "T none", "", false, JOIN_WAIT, 0, "" },
    { "the release's webhook is lost", "RELEASE open T", "", "T release 1", "", false, JOIN_ASK, 0, "" },
    { "asked", "RELEASE open T", "", "T release 1", "", true, JOIN_AGAIN, 0, "published" },
    { "manual batches take no uploads", "MANUAL open A", "", "A none", "", false, JOIN_NONE, 0, "" },
    { "nor do drift batches", "DRIFT open A", "", "A none", "", true, JOIN_NONE, 0, "" },
};

static str word(str *rest) { return str_cut(*rest, ' ', rest); }

static bool given_change(const struct row *r, struct known_change *c)
{
    static const char *const kind[] = { "PR", "RELEASE", "GROUP", "MANUAL", "DRIFT" };
    str rest = str_of(r->change), k = word(&rest), state = word(&rest);
    if (str_eq(k, STR("-")))
        return false;
    *c = (struct known_change){.head_sha = rest,
                               .open = str_eq(state, STR("open")),
                               .merged = str_eq(state, STR("merged"))};
    c->merged_ms = c->merged ? 1000 : 0;
    c->merged |= str_eq(state, STR("merged-sometime"));
    while (!str_eq(str_of(kind[c->kind]), k))
        c->kind++;
    struct waiting_event *events = arena_make(mem, struct waiting_event, 8);
    for (rest = str_of(r->events); rest.len;) {
        str head, one = word(&rest), activity = str_cut(one, ':', &head);
        bool joined = str_ends(head, STR("+"));
        head = str_sub(head, 0, head.len - joined);
        events[c->event_count] = (struct waiting_event){
            activity, head, str_eq(activity, STR("merged")) ? 1000 : 5, joined};
        c->event_count++;
    }
    c->events = events;
    return true;
}

static struct upload_facts given_upload(const struct row *r)
{
    static const struct { str word, event, ref; } table[] = {
        { STR_INIT("none"), STR_INIT(""), STR_INIT("") },
        { STR_INIT("pr"), STR_INIT("pull_request"), STR_INIT("refs/pull/7/merge") },
        { STR_INIT("base"), STR_INIT("pull_request"), STR_INIT("refs/heads/main") },
        { STR_INIT("target"), STR_INIT("pull_request_target"), STR_INIT("refs/heads/main") },
        { STR_INIT("group"), STR_INIT("merge_group"), STR_INIT("refs/heads/gh-readonly-queue/main/pr-7-0123456") },
        { STR_INIT("release"), STR_INIT("release"), STR_INIT("refs/tags/v1") },
    };
    str rest = str_of(r->upload);
    struct upload_facts u = {.head_sha = word(&rest), .base_sha = STR("base"), .received_ms = 2000};
    str session = word(&rest);
    u.session.event_name = session;
    u.session.run_id = rest;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (str_eq(session, table[i].word)) {
            u.session.event_name = table[i].event;
            u.session.ref = table[i].ref;
        }
    return u;
}

static size_t given_earlier(const struct row *r, struct earlier_upload *out)
{
    size_t n = 0;
    for (str rest = str_of(r->earlier); rest.len; n++) {
        str time, run = word(&rest);
        run = str_cut(run, ':', &time);
        out[n] = (struct earlier_upload){ .run_id = run, .joined = true };
        assert_true(str_to_i64(time, 0, INT64_MAX, &out[n].received_ms));
    }
    return n;
}

static const char *const KINDS[] = { "EVENTS", "AGAIN", "ASK", "WAIT", "NONE" };

static void then_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct known_change c;
        struct earlier_upload earlier[4];
        bool known = given_change(&rows[i], &c);
        size_t n = given_earlier(&rows[i], earlier);
        struct upload_facts u = given_upload(&rows[i]);
        struct join j = join_upload(known ? &c : NULL, &u, earlier, n, rows[i].asked);
        if (j.kind != rows[i].kind || j.events != rows[i].bits ||
            !str_eq(j.activity, str_of(rows[i].activity)))
            wrong("%s: expected %s %llu %s, got %s %llu %.*s (%s)", rows[i].why,
                  KINDS[rows[i].kind], (unsigned long long)rows[i].bits, rows[i].activity,
                  KINDS[j.kind], (unsigned long long)j.events, (int)j.activity.len,
                  j.activity.ptr ? j.activity.ptr : "", j.why);
        assert_true(j.why && strlen(j.why) > 10);
    }
}

static void uploads_of_pull_requests(void **state)
{
    then_rows(PULLS, sizeof PULLS / sizeof PULLS[0]);
}
static void uploads_of_merge_groups_and_releases(void **state)
{
    then_rows(OTHERS, sizeof OTHERS / sizeof OTHERS[0]);
}

/*
 * Whatever is known: nothing is asked twice, an upload from before the merge never applies, a
 * served merge never applies again.
 */
static void rules_hold_for_every_combination(void **state)
{
    static const char *const session[] = {"none",  "pr",      "base", "target",
                                          "group", "release", "push"};
    static const char *const change[] = {"PR open A", "PR closed A",  "PR merged A",
                                         "PR open B", "GROUP open A", "RELEASE open A",
                                         "-"};
    static const char *const event[] = {"",
                                        "opened:A",
                                        "opened:A+",
                                        "opened:A+ labeled:A",
                                        "opened:A merged:A",
                                        "opened:A+ merged:A",
                                        "opened:A+ merged:A+",
                                        "opened:A+ synchronize:B"};
    static const char *const earlier_text[] = { "", "1:10", "1:10 2:1010" };
    for (size_t bits = 0; bits < 7 * 7 * 8 * 3 * 3 * 2; bits++) {
        size_t b = bits;
        const char *s = session[b % 7];
        b /= 7;
        struct row r = { .change = change[b % 7] };
        b /= 7;
        r.events = event[b % 8];
        b /= 8;
        r.earlier = earlier_text[b % 3];
        b /= 3;
        r.upload = arena_print(mem, "A %s %zu", s, b % 3 + 1).ptr;
        r.asked = b / 3 % 2;
        if (r.change[0] != 'P' && strstr(r.events, "merged"))
            continue;           /* only pull requests are merged */
        struct known_change c = { 0 };
        struct earlier_upload earlier[4];
        bool known = given_change(&r, &c);
        size_t n = given_earlier(&r, earlier);
        struct upload_facts u = given_upload(&r);
        struct join j = join_upload(known ? &c : NULL, &u, earlier, n, r.asked);
        bool merged = str_eq(j.activity, STR("merged"));
        assert_false(r.asked && j.kind == JOIN_ASK);
        assert_int_equal(j.kind == JOIN_EVENTS, j.events != 0);
        assert_int_equal(j.activity.len > 0, j.kind == JOIN_EVENTS || j.kind == JOIN_AGAIN);
        assert_true((j.events >> c.event_count) == 0);
        for (size_t i = 0; i < c.event_count; i++)
            assert_false((j.events >> i & 1) && c.events[i].joined);
        if (strcmp(s, "push") == 0)
            assert_int_equal(j.kind, JOIN_NONE);
        if (n && str_eq(u.session.run_id, STR("1")))
            assert_false(merged);
        /*
         * A run on the pull request's own ref is the merge's only when nothing but the merge waits,
         * or it is its run again.
         */
        if (merged && strcmp(s, "pr") == 0 && j.kind == JOIN_EVENTS)
            assert_null(strstr(r.events, "opened:A "));
        if (merged && strcmp(s, "pr") == 0 && j.kind == JOIN_AGAIN)
            assert_true(n == 2 && str_eq(u.session.run_id, STR("2")));
        if (strstr(r.events, "merged:A+") && merged)
            assert_int_equal(j.kind, JOIN_AGAIN);
        if (merged)
            assert_true(c.kind == CHANGE_PULL_REQUEST && (c.merged || strstr(r.events, "merged")));
    }
}

static void of_many_events_the_newest_are_looked_at(void **state)
{
    enum { N = 100 };
    struct waiting_event *events = arena_make(mem, struct waiting_event, N);
    for (int i = 0; i < N; i++)
        events[i] = (struct waiting_event){ STR("labeled"), STR("A"), i, i < N - 1 };
    struct known_change c = {
        .head_sha = STR("A"), .open = true, .events = events, .event_count = N};
    struct upload_facts u = {
        .head_sha = STR("A"),
        .session = {.event_name = STR("pull_request"), .ref = STR("refs/pull/1/merge")}};
    struct join j = join_upload(&c, &u, NULL, 0, false);
    assert_int_equal(j.kind, JOIN_EVENTS);
    assert_true(j.events == (uint64_t)1 << 63);
}

static void the_forge_is_asked_less_and_less_often(void **state)
{
    static const struct { int64_t asked, minutes; } rows[] = {
        { 1, 1 }, { 2, 2 }, { 3, 5 }, { 4, 15 }, { 5, 60 }, { 6, 60 }, { INT64_MAX, 60 }, { 0, 1 }, { -1, 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(join_ask_again_ms(rows[i].asked), rows[i].minutes * 60 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pull_refs), TEST(queue_branches), TEST(tags), TEST(kinds_have_names), TEST(uploads_of_pull_requests),
        TEST(uploads_of_merge_groups_and_releases), TEST(rules_hold_for_every_combination),
        TEST(of_many_events_the_newest_are_looked_at), TEST(the_forge_is_asked_less_and_less_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
