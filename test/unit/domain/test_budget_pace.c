/*
 * The pace in virtual time: what GitHub has written down is never exceeded as GitHub counts it,
 * nobody waits for ever, and a complaint slows us down for a while (forges.md §2.12).
 */
#include "given.h"
#include "domain/budget.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static struct pace_limits written(void)
{
    struct pace_limits l;
    pace_limits_written(&l);
    return l;
}

static struct pace *given(struct pace_limits l) { return pace_new(mem, &l); }

/* Only one class waits. */
static int64_t wait_of(struct pace *p, enum call_class c, int64_t now_ms)
{
    uint64_t turn[CALL_CLASS_COUNT] = { 0 };
    enum call_class got;
    int64_t at_ms;
    turn[c] = 1;
    if (!pace_pick(p, turn, now_ms, &got, &at_ms))
        return at_ms;
    assert_int_equal(got, c);
    return 0;
}

/* Sends as many as may go now, answered at once; how many that were. */
static int burst(struct pace *p, enum call_class c, int64_t now_ms)
{
    int n = 0;
    while (!wait_of(p, c, now_ms)) {
        pace_answered(p, pace_left(p, c, now_ms), false, now_ms);
        n++;
    }
    return n;
}

static int64_t level(struct pace *p)
{
    struct pace_state s;
    pace_look(p, 0, &s);
    return s.level_percent;
}

/* ---- the written limits, one by one ---- */

static void what_github_has_written_down(void **state)
{
    struct pace_limits l = written();
    assert_int_equal(l.points_per_minute, 900);
    assert_int_equal(l.content_per_minute, 80);
    assert_int_equal(l.content_per_hour, 500);
    assert_int_equal(l.concurrent, 100);
    assert_int_equal(l.window_ms, MINUTE_MS);
}

static void a_minute_has_points_for_so_many(void **state)
{
    static const struct { enum call_class c; int count; } row[] = {
        { CALL_READ, 900 }, { CALL_CHANGE, 180 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct pace *p = given(written());
        int n = 0;
        int64_t now_ms = 0;
        for (int64_t at_ms; now_ms < MINUTE_MS; now_ms = at_ms) {
            n += burst(p, row[i].c, now_ms);
            at_ms = wait_of(p, row[i].c, now_ms);
            assert_true(at_ms > now_ms);
        }
        assert_int_equal(n, row[i].count);
        assert_in_range(now_ms, MINUTE_MS, MINUTE_MS + MINUTE_MS / 256 + 1);
    }
}

static void four_fifths_go_at_once_and_the_rest_one_by_one(void **state)
{
    struct pace *p = given(written());
    assert_int_equal(burst(p, CALL_CHANGE, 0), 144);
    int64_t now_ms = 0;
    for (int i = 0; i < 36; i++) {
        int64_t next_ms = wait_of(p, CALL_CHANGE, now_ms);
        if (i)
            assert_int_equal(next_ms - now_ms, 20); /* sixteen times the mean rate */
        now_ms = next_ms;
        assert_int_equal(burst(p, CALL_CHANGE, now_ms), 1);
    }
    assert_in_range(wait_of(p, CALL_CHANGE, now_ms), MINUTE_MS, MINUTE_MS + MINUTE_MS / 256 + 1);
}

static void a_call_counts_from_its_departure_until_a_window_after_its_answer(void **state)
{
    struct pace *p = given((struct pace_limits){ .points_per_minute = 5, .window_ms = 100 });
    struct pace_call out = pace_left(p, CALL_CHANGE, 1000);
    assert_int_equal(wait_of(p, CALL_CHANGE, 1000), INT64_MAX);
    assert_int_equal(wait_of(p, CALL_CHANGE, 1099), INT64_MAX);     /* as long as it is out */
    pace_answered(p, out, false, 5000);
    assert_int_equal(wait_of(p, CALL_CHANGE, 5000), 5100);
    assert_int_equal(wait_of(p, CALL_CHANGE, 5099), 5100);
    assert_int_equal(wait_of(p, CALL_CHANGE, 5100), 0);
}

static void what_did_not_reach_the_forge_costs_nothing(void **state)
{
    struct pace *p = given((struct pace_limits){ .points_per_minute = 5, .content_per_minute = 1,
                                                 .content_per_hour = 1, .concurrent = 1,
                                                 .window_ms = 100 });
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wait_of(p, CALL_CONTENT, 0), 0);
        struct pace_call c = pace_left(p, CALL_CONTENT, 0);
        assert_int_equal(wait_of(p, CALL_CONTENT, 0), INT64_MAX);
        pace_not_sent(p, c);
    }
}

static void a_tenth_of_the_places_stays_free(void **state)
{
    struct pace *p = given(written());
    struct pace_call first = pace_left(p, CALL_READ, 0);
    for (int i = 1; i < 90; i++) {
        assert_int_equal(wait_of(p, CALL_READ, 0), 0);
        pace_left(p, CALL_READ, 0);
    }
    assert_int_equal(wait_of(p, CALL_READ, 0), INT64_MAX);
    pace_answered(p, first, false, 0);
    assert_int_equal(wait_of(p, CALL_READ, 0), 0);
}

/* A kind of content leaves a fifth to the other, of the minute and of the hour. */
static void the_last_word_has_a_share_of_its_own(void **state)
{
    static const struct { enum call_class greedy, other; } row[] = {
        { CALL_CONTENT, CALL_LAST_WORD }, { CALL_LAST_WORD, CALL_CONTENT },
    };
    for (size_t i = 0; i < 2; i++) {
        struct pace *p = given(written());
        assert_int_equal(burst(p, row[i].greedy, 0), 64);
        assert_int_equal(burst(p, row[i].other, 0), 16);
        int sent[2] = { 64, 16 };
        /* the greedy one for the rest of the hour; at its end there are a hundred left */
        for (int64_t now_ms = 0; now_ms < HOUR_MS; now_ms += 1000) {
            sent[0] += burst(p, row[i].greedy, now_ms);
            if (now_ms > HOUR_MS - 5 * MINUTE_MS)
                sent[1] += burst(p, row[i].other, now_ms);
        }
        assert_int_equal(sent[0], 400);
        assert_int_equal(sent[1], 100);
        assert_true(wait_of(p, row[i].greedy, HOUR_MS - 1) >= HOUR_MS);
        assert_true(burst(p, row[i].greedy, HOUR_MS + 15000) > 0);
    }
}

static void content_that_waits_lets_others_pass(void **state)
{
    struct pace *p = given(written());
    enum call_class got;
    int64_t at_ms;
    burst(p, CALL_CONTENT, 0);
    uint64_t turn[CALL_CLASS_COUNT] = { [CALL_CONTENT] = 1, [CALL_CHANGE] = 2, [CALL_READ] = 3 };
    assert_true(pace_pick(p, turn, 0, &got, &at_ms));
    assert_int_equal(got, CALL_CHANGE);
    turn[CALL_CHANGE] = turn[CALL_READ] = 0;
    assert_false(pace_pick(p, turn, 0, &got, &at_ms));
    assert_int_equal(at_ms, MINUTE_MS);
}

static void a_cheap_call_does_not_overtake_a_dear_one(void **state)
{
    struct pace *p = given((struct pace_limits){ .points_per_minute = 6, .window_ms = 100 });
    enum call_class got;
    int64_t at_ms;
    pace_answered(p, pace_left(p, CALL_READ, 0), false, 0);
    pace_answered(p, pace_left(p, CALL_READ, 0), false, 0);
    uint64_t turn[CALL_CLASS_COUNT] = { [CALL_CHANGE] = 7, [CALL_READ] = 8 };
    assert_false(pace_pick(p, turn, 50, &got, &at_ms));
    assert_int_equal(at_ms, 100);
    assert_true(pace_pick(p, turn, 100, &got, &at_ms));
    assert_int_equal(got, CALL_CHANGE);
}

static void without_limits_nothing_waits(void **state)
{
    struct pace_limits l = written();
    pace_limits_share(&l, 0);
    assert_int_equal(l.concurrent, 100);        /* so many at once is good for nobody */
    struct pace *p = given(l);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(wait_of(p, CALL_LAST_WORD, i / 100), 0);
        pace_answered(p, pace_left(p, CALL_LAST_WORD, i / 100), false, i / 100);
    }
}

static void several_may_share_the_limits(void **state)
{
    struct pace_limits l = written();
    pace_limits_share(&l, 50);
    assert_int_equal(l.points_per_minute, 450);
    assert_int_equal(l.content_per_minute, 40);
    assert_int_equal(l.content_per_hour, 250);
    assert_int_equal(l.concurrent, 50);
    l = written();
    pace_limits_share(&l, 1);
    assert_int_equal(l.content_per_minute, 1);  /* never to nothing */
}

static int64_t points_of(struct pace *p, int64_t now_ms)
{
    struct pace_state s;
    pace_look(p, now_ms, &s);
    return s.points_max;
}

static void others_may_come_and_go(void **state)
{
    struct pace *p = given(written());
    pace_divide(p, 1, 0);
    assert_int_equal(points_of(p, 0), 900);
    pace_divide(p, 3, 1000);                    /* at once … */
    assert_int_equal(points_of(p, 1000), 300);
    pace_divide(p, 3, 2000);
    pace_divide(p, 1, 3000);
    assert_int_equal(points_of(p, 3000), 300);  /* … but what they sent still counts */
    pace_divide(p, 1, 2000 + MINUTE_MS - 1);
    assert_int_equal(points_of(p, 2000 + MINUTE_MS - 1), 300);
    pace_divide(p, 1, 2000 + MINUTE_MS);
    assert_int_equal(points_of(p, 2000 + MINUTE_MS), 900);
    pace_divide(p, 0, 3 * MINUTE_MS);           /* nobody is not possible: we are there */
    assert_int_equal(points_of(p, 3 * MINUTE_MS), 900);
}

/* ---- complaints ---- */

static void a_complaint_halves_the_pace(void **state)
{
    struct pace *p = given(written());
    for (int want = 100, round = 0; round < 9; round++) {
        assert_in_range(level(p), want == 3 ? 3 : want, want);
        pace_answered(p, pace_left(p, CALL_CHANGE, 0), true, 0);
        want = want / 2 > 3 ? want / 2 : 3;     /* a thirtysecond remains */
    }
    struct pace_state s;
    pace_look(p, 10 * MINUTE_MS, &s);
    assert_int_equal(s.points_max, 27);
    assert_int_equal(s.under_way_max, 2);
    assert_true(burst(p, CALL_CHANGE, 10 * MINUTE_MS) > 0);
}

static void complaints_about_calls_that_were_out_already_are_one(void **state)
{
    struct pace *p = given(written());
    struct pace_call out[40];
    for (int i = 0; i < 40; i++)
        out[i] = pace_left(p, CALL_CHANGE, 0);
    for (int i = 0; i < 40; i++)
        pace_answered(p, out[i], true, i);
    assert_int_equal(level(p), 50);
    pace_answered(p, pace_left(p, CALL_CHANGE, 100), true, 200);
    assert_int_equal(level(p), 25);
}

static void the_pace_comes_back_slowly(void **state)
{
    struct pace *p = given(written());
    pace_answered(p, pace_left(p, CALL_CHANGE, 0), true, 0);
    /* time alone brings nothing back … */
    assert_int_equal(wait_of(p, CALL_READ, 600 * MINUTE_MS), 0);
    assert_int_equal(level(p), 50);
    /* … a window with good answers does, a twentieth of the whole each */
    int64_t now_ms = 600 * MINUTE_MS;
    for (int want = 55; want <= 100; want += 5, now_ms += MINUTE_MS) {
        for (int i = 0; i < 20; i++)
            pace_answered(p, pace_left(p, CALL_READ, now_ms + i), false, now_ms + i);
        assert_int_equal(level(p), want);
    }
    pace_answered(p, pace_left(p, CALL_READ, now_ms), false, now_ms + MINUTE_MS);
    assert_int_equal(level(p), 100);
}

static void a_good_answer_to_an_older_call_brings_nothing_back(void **state)
{
    struct pace *p = given(written());
    struct pace_call slow = pace_left(p, CALL_READ, 0);
    pace_answered(p, pace_left(p, CALL_CHANGE, 0), true, 0);
    pace_answered(p, slow, false, 5 * MINUTE_MS);
    assert_int_equal(level(p), 50);
}

/* ---- clocks ---- */

static void a_clock_that_is_set_back_stands_still(void **state)
{
    struct pace *p = given((struct pace_limits){ .points_per_minute = 5, .window_ms = 100 });
    pace_answered(p, pace_left(p, CALL_CHANGE, HOUR_MS), false, HOUR_MS);
    assert_int_equal(wait_of(p, CALL_CHANGE, 40), 140);
    assert_int_equal(wait_of(p, CALL_CHANGE, 139), 140);
    assert_int_equal(wait_of(p, CALL_CHANGE, 140), 0);
}

/* ---- throughput and memory ---- */

/* 2,000 dispatches with 500 checks between them: the bare limit allows the last one at 13 minutes. */
static void what_the_limits_allow_is_used(void **state)
{
    enum { MANY = 2500, TRIP_MS = 150 };
    struct pace *p = given(written());
    struct pace_call out[MANY];
    int64_t left_ms[MANY], now_ms = 0;
    int sent = 0, back = 0;
    size_t before = arena_used(mem);
    while (sent < MANY) {
        int64_t at_ms = 0;
        while (sent < MANY && !(at_ms = wait_of(p, CALL_CHANGE, now_ms))) {
            out[sent] = pace_left(p, CALL_CHANGE, now_ms);
            left_ms[sent++] = now_ms;
        }
        if (sent == MANY)
            break;
        if (back < sent && left_ms[back] + TRIP_MS <= at_ms) {
            now_ms = left_ms[back] + TRIP_MS;
            pace_answered(p, out[back++], false, now_ms);
        } else {
            now_ms = at_ms;
        }
    }
    int64_t least_ms = (MANY * 5 + 899) / 900 * MINUTE_MS - MINUTE_MS;
    if (now_ms < least_ms || now_ms > least_ms * 105 / 100)
        wrong("%lld ms, the limits allow %lld", (long long)now_ms, (long long)least_ms);
    assert_int_equal(arena_used(mem), before);
}

static void an_installation_takes_little_memory(void **state)
{
    size_t before = arena_used(mem);
    given(written());
    assert_in_range(arena_used(mem) - before, 1, 24 << 10);
}

/* ---- any history at all ---- */

enum { CALLS = 250, HISTORIES = 2000 };

struct call { enum call_class c; int64_t came_ms, counted_ms, back_ms; bool refused; };

struct history {
    uint64_t chance;
    struct pace_limits limits;
    struct pace *pace;
    struct call call[CALLS];
    struct pace_call sent[CALLS];
    int order[CALLS], came, left, back, most_under_way;     /* order: as they left */
    bool is_out[CALLS], is_back[CALLS];
};

static int64_t upto(struct history *h, int64_t max)
{
    h->chance = h->chance * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((h->chance >> 33) % (uint64_t)(max + 1));
}

static void history_make(struct history *h, uint64_t seed)
{
    *h = (struct history){ .chance = seed * 0x9e3779b97f4a7c15u + 1 };
    bool rough = upto(h, 2) == 0;
    h->limits = (struct pace_limits){
        .points_per_minute = 5 + upto(h, 200), .content_per_minute = 1 + upto(h, 20),
        .content_per_hour = 5 + upto(h, 60), .concurrent = 1 + upto(h, 20),
        .window_ms = 200 + upto(h, 2000),
    };
    h->pace = given(h->limits);
    int64_t at_ms = upto(h, 1000000), gap_ms = upto(h, 200);
    for (int i = 0; i < CALLS; i++) {
        struct call *c = &h->call[i];
        at_ms += upto(h, 9) ? upto(h, gap_ms) : upto(h, 3 * h->limits.window_ms);
        c->c = (enum call_class)(upto(h, 2) ? upto(h, 1) : upto(h, CALL_CLASS_COUNT - 1));
        c->came_ms = at_ms;
        c->refused = rough && upto(h, 10) == 0;
    }
}

static void leave(struct history *h, int i, int64_t now_ms)
{
    struct call *c = &h->call[i];
    int64_t trip_ms = upto(h, 20) ? upto(h, 60) : upto(h, 2 * h->limits.window_ms);
    c->counted_ms = now_ms + upto(h, trip_ms);
    c->back_ms = now_ms + trip_ms;
    h->sent[i] = pace_left(h->pace, c->c, now_ms);
    h->is_out[i] = true;
    h->order[h->left++] = i;
    int under_way = h->left - h->back;
    if (under_way > h->most_under_way)
        h->most_under_way = under_way;
}

/* The first that has come and not left, of one class. */
static int first_of(const struct history *h, enum call_class c)
{
    for (int i = 0; i < h->came; i++)
        if (!h->is_out[i] && h->call[i].c == c)
            return i;
    return -1;
}

/* Lets go who may; when to come back. */
static int64_t let_go(struct history *h, int64_t now_ms)
{
    for (;;) {
        uint64_t turn[CALL_CLASS_COUNT] = { 0 };
        enum call_class c;
        int64_t at_ms;
        for (int k = 0; k < CALL_CLASS_COUNT; k++)
            turn[k] = (uint64_t)(first_of(h, (enum call_class)k) + 1);
        if (!pace_pick(h->pace, turn, now_ms, &c, &at_ms)) {
            if (at_ms <= now_ms)
                wrong("asked to come back at %lld, it is %lld", (long long)at_ms,
                      (long long)now_ms);
            return at_ms;
        }
        /* in order, but for content that is not allowed yet */
        for (int k = 0; k <= CALL_CHANGE; k++)
            if (turn[k] && turn[k] < turn[c])
                wrong("call %d was overtaken by call %d", (int)turn[k], (int)turn[c]);
        leave(h, (int)turn[c] - 1, now_ms);
    }
}

static int next_back(const struct history *h)
{
    int best = -1;
    for (int at = 0; at < h->left; at++) {
        int i = h->order[at];
        if (!h->is_back[i] && (best < 0 || h->call[i].back_ms < h->call[best].back_ms))
            best = i;
    }
    return best;
}

/* Until the last is answered. Nobody waits for longer than all that came before him would take at
 * the lowest level, one after the other. */
static void history_play(struct history *h)
{
    const int64_t hours_ms = 60 * h->limits.window_ms * CALLS * 2;
    int64_t now_ms = 0;
    while (h->back < CALLS) {
        int64_t next_ms = let_go(h, now_ms);
        int back = next_back(h);
        if (h->came < CALLS && h->call[h->came].came_ms < next_ms)
            next_ms = h->call[h->came].came_ms;
        if (back >= 0 && h->call[back].back_ms <= next_ms)
            next_ms = h->call[back].back_ms;
        if (next_ms == INT64_MAX)
            wrong("%d calls wait, and nothing will ever happen", h->came - h->left);
        now_ms = next_ms > now_ms ? next_ms : now_ms;
        if (now_ms > h->call[CALLS - 1].came_ms + hours_ms)
            wrong("%d calls starve", h->came - h->left);
        while (h->came < CALLS && h->call[h->came].came_ms <= now_ms)
            h->came++;
        if (back >= 0 && h->call[back].back_ms <= now_ms) {
            pace_answered(h->pace, h->sent[back], h->call[back].refused, now_ms);
            h->is_back[back] = true;
            h->back++;
        }
    }
}

static int by_counted(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return (x->counted_ms > y->counted_ms) - (x->counted_ms < y->counted_ms);
}

static int64_t weight(const struct call *c, bool content)
{
    if (content)
        return c->c >= CALL_CONTENT;
    return c->c == CALL_READ ? 1 : 5;
}

/* As the forge counts: any stretch that is shorter than the window. */
static void then_no_window_exceeds(const struct history *h, bool content, int64_t window_ms,
                                   int64_t max)
{
    int64_t sum = 0;
    for (int i = 0, from = 0; i < CALLS; i++) {
        sum += weight(&h->call[i], content);
        for (; h->call[from].counted_ms <= h->call[i].counted_ms - window_ms; from++)
            sum -= weight(&h->call[from], content);
        if (sum > max)
            wrong("%lld of %lld within %lld ms", (long long)sum, (long long)max,
                  (long long)window_ms);
    }
}

static void no_history_exceeds_a_limit_or_starves_a_call(void **state)
{
    struct history *h = arena_make(mem, struct history, 1);
    struct arena *outer = mem;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        mem = arena_new(1 << 20, 1 << 20);
        history_make(h, seed);
        history_play(h);
        arena_free(mem);
        mem = outer;
        const struct pace_limits *l = &h->limits;
        qsort(h->call, CALLS, sizeof h->call[0], by_counted);
        then_no_window_exceeds(h, false, l->window_ms, l->points_per_minute);
        then_no_window_exceeds(h, true, l->window_ms, l->content_per_minute);
        then_no_window_exceeds(h, true, l->window_ms * 60, l->content_per_hour);
        assert_in_range(h->most_under_way, 1, l->concurrent);
    }
}

/* A minute that began in an earlier life is not begun again. */
static void what_an_earlier_life_sent_counts_for_a_window(void **state)
{
    static const struct { enum call_class was; int64_t calls; enum call_class c; int at_once; } row[] = {
        { CALL_CHANGE, 100, CALL_CHANGE, 44 },      /* up to four fifths of 180 at once */
        { CALL_CHANGE, 180, CALL_READ, 0 },
        { CALL_READ, 720, CALL_CHANGE, 1 },
        { CALL_READ, 1000000000000, CALL_CHANGE, 0 },
        { CALL_CONTENT, 60, CALL_CONTENT, 4 },      /* four fifths of 80 */
        { CALL_LAST_WORD, 80, CALL_CONTENT, 0 },
        { CALL_CHANGE, 0, CALL_CHANGE, 144 },       /* nothing to remember */
        { CALL_CHANGE, -5, CALL_CHANGE, 144 },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct pace *p = given(written());
        pace_recall(p, row[i].was, row[i].calls, 1000);
        assert_int_equal(burst(p, row[i].c, 1000), row[i].at_once);
        p = given(written());
        pace_recall(p, row[i].was, row[i].calls, 1000);
        assert_true(burst(p, row[i].c, 1000 + MINUTE_MS + MINUTE_MS / 256 + 1) > (row[i].c >= CALL_CONTENT ? 60 : 140));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_github_has_written_down),
        TEST(a_minute_has_points_for_so_many),
        TEST(four_fifths_go_at_once_and_the_rest_one_by_one),
        TEST(a_call_counts_from_its_departure_until_a_window_after_its_answer),
        TEST(what_did_not_reach_the_forge_costs_nothing),
        TEST(a_tenth_of_the_places_stays_free),
        TEST(the_last_word_has_a_share_of_its_own),
        TEST(content_that_waits_lets_others_pass),
        TEST(a_cheap_call_does_not_overtake_a_dear_one),
        TEST(without_limits_nothing_waits),
        TEST(several_may_share_the_limits),
        TEST(others_may_come_and_go),
        TEST(a_complaint_halves_the_pace),
        TEST(complaints_about_calls_that_were_out_already_are_one),
        TEST(the_pace_comes_back_slowly),
        TEST(a_good_answer_to_an_older_call_brings_nothing_back),
        TEST(a_clock_that_is_set_back_stands_still),
        TEST(what_the_limits_allow_is_used),
        TEST(what_an_earlier_life_sent_counts_for_a_window),
        TEST(an_installation_takes_little_memory),
        TEST(no_history_exceeds_a_limit_or_starves_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
