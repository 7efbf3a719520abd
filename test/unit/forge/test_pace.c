/*
 * Pace: GitHub's written limits are kept before anybody is told (forges.md §2.12). Here: 12 points
 * in 40 ms of virtual time unless a test says otherwise; a change costs 5, a read 1. What the pace
 * itself does is test/unit/domain/test_budget_pace.c.
 */
#include <unistd.h>

#include "rig.h"

enum { POINTS = 12, WINDOW_MS = 40, SETTLE_US = 400000 };

static const struct forge_call DISPATCH = {.kind = FORGE_DISPATCH,
                                           .owner = STR_INIT("acme"),
                                           .name = STR_INIT("infra"),
                                           .installation_id = 5,
                                           .file = STR_INIT("a.yaml"),
                                           .ref = STR_INIT("m")};

static const struct forge_call COMMENT = {.kind = FORGE_PUT_COMMENT,
                                          .owner = STR_INIT("acme"),
                                          .name = STR_INIT("infra"),
                                          .installation_id = 5,
                                          .number = 7,
                                          .text = STR_INIT("hello")};

struct paced { struct http_client *client; struct github *github; struct forge_port port; };
static atomic_int answered, good, unsent;

static int64_t virtual_now(void *self) { return atomic_load(&rig.now_ms); }

static void came(void *ctx, const struct forge_answer *a)
{
    atomic_fetch_add(&good, a->outcome == FORGE_OK);
    atomic_fetch_add(&unsent, a->outcome == FORGE_NOT_SENT);
    atomic_fetch_add(&answered, 1);
}

static struct paced given_limits(struct pace_limits limits)
{
    struct paced p = { 0 };
    struct err e = { 0 };
    atomic_store(&answered, 0);
    atomic_store(&good, 0);
    atomic_store(&unsent, 0);
    rig_when("POST", "/app/installations/", 201,
             "{\"token\":\"ghs_1\",\"expires_at\":\"2099-01-01T00:00:00Z\"}");
    limits.window_ms = WINDOW_MS;
    if (!http_client_start(&(struct http_client_config){ .user_agent = "pace" }, &p.client, &e) ||
        !github_new(&(struct github_config){ .client = p.client, .api_base = str_of(rig.base),
                        .app_id = 1, .app_slug = STR("s"), .private_key_pem = str_of(rig_pem()),
                        .now_ms = virtual_now, .steady_ms = virtual_now,
                        .limits = limits },
                    &p.github, &e))
        fail_msg("%s", e.text);
    p.port = github_port(p.github);
    return p;
}

static struct paced given_a_paced_port(int64_t points)
{
    rig_when("POST", "/repos", 204, "");
    return given_limits((struct pace_limits){ .points_per_minute = points });
}

static void send_calls(struct paced *p, const struct forge_call *c, int n)
{
    for (int i = 0; i < n; i++)
        p->port.call(p->port.self, c, came, NULL);
}

static void send_many(struct paced *p, int n) { send_calls(p, &DISPATCH, n); }

static void wait_for(int n)
{
    for (int i = 0; i < 60000 && atomic_load(&answered) < n; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&answered), n);
}

/* Whether an answer is still to come, seen by the thread that hears the answers. */
struct look { struct github *github; atomic_int seen; };

static void look_now(void *ctx, const struct http_answer *a)
{
    struct look *l = ctx;
    struct pace_state s;
    pace_look(party_of(l->github, 5)->pace, virtual_now(NULL), &s);
    atomic_store(&l->seen, s.under_way ? 1 : 2);
}

static bool is_quiet(struct paced *p)
{
    static struct look look;                    /* outlives a test that gives up */
    look.github = p->github;
    atomic_store(&look.seen, 0);
    if (!client_post(p->github, look_now, &look))
        fail_msg("the client is gone");
    while (!atomic_load(&look.seen))
        usleep(1000);
    return atomic_load(&look.seen) == 2;
}

/* Time may go by only when what was let go has been heard of, and what comes of it stands in line. */
static void wait_for_request(struct paced *p, const char *part, int n)
{
    for (int i = 0; i < 60000 && (rig_seen(part) < n || !is_quiet(p)); i++)
        usleep(1000);
    assert_true(is_quiet(p));
    usleep(SETTLE_US);
    assert_int_equal(rig_seen(part), n);
}

/* And no more than so many. */
static void wait_for_just(int n)
{
    wait_for(n);
    usleep(SETTLE_US);
    assert_int_equal(atomic_load(&answered), n);
}

static void end(struct paced *p)
{
    http_client_stop(p->client);
    github_free(p->github);
}

static void what_an_earlier_life_sent_is_not_sent_on_top(void **state)
{
    static const int64_t before[CALL_CLASS_COUNT] = { [CALL_CHANGE] = 2 };
    struct paced p = given_a_paced_port(POINTS);
    p.port.recall(p.port.self, 5, before);
    send_many(&p, 3);
    wait_for_just(0);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for_just(2);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(3);
    end(&p);
}

static void what_a_window_does_not_allow_waits_for_the_next(void **state)
{
    struct paced p = given_a_paced_port(POINTS);
    send_many(&p, 5);
    wait_for(2);                                /* two changes are 10 points; a third would be 15 */
    usleep(SETTLE_US);
    assert_int_equal(atomic_load(&answered), 2);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS - 1);
    usleep(SETTLE_US);
    assert_int_equal(atomic_load(&answered), 2);
    atomic_fetch_add(&rig.now_ms, 1);
    wait_for(4);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(5);
    assert_int_equal(atomic_load(&good), 5);
    end(&p);
}

static void every_page_waits_for_its_turn(void **state)
{
    struct forge_call list = DISPATCH;
    list.kind = FORGE_LIST_PULLS;
    rig_when("GET", "/repos/acme/infra/pulls", 200, "[]", "Link: <{BASE}/page>; rel=\"next\"\r\n");
    rig_when("GET", "/page", 200, "[]", "Link: <{BASE}/page>; rel=\"next\"\r\n", .times = 4);
    rig_when("GET", "/page", 200, "[]");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 3 });
    send_calls(&p, &list, 1);
    for (int pages = 3; pages <= 6; pages += 3, atomic_fetch_add(&rig.now_ms, WINDOW_MS)) {
        wait_for_request(&p, "GET /", pages);
    }
    wait_for(1);
    assert_int_equal(atomic_load(&good), 1);
    end(&p);
}

static void the_second_page_comes_before_calls_that_have_not_begun(void **state)
{
    struct forge_call list = DISPATCH, read = DISPATCH;
    list.kind = FORGE_LIST_PULLS;
    read.kind = FORGE_READ_REPO;
    rig_when("GET", "/repos/acme/infra/pulls", 200, "[]", "Link: <{BASE}/page>; rel=\"next\"\r\n");
    rig_when("GET", "/page", 200, "[]");
    rig_when("GET", "/repos/acme/infra", 200, "{\"id\":1}");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 1 });
    send_calls(&p, &list, 1);
    send_calls(&p, &read, 2);
    wait_for_request(&p, "GET /repos/acme/infra/pulls", 1);
    wait_for_just(0);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for_just(1);
    assert_int_equal(rig_seen("GET /page"), 1);
    for (int n = 2; n <= 3; n++) {
        atomic_fetch_add(&rig.now_ms, WINDOW_MS);
        wait_for_just(n);
    }
    end(&p);
}

static void what_has_begun_is_finished_first(void **state)
{
    struct forge_call comment = COMMENT;
    comment.marker = STR("<!-- m -->");
    rig_when("GET", "/repos/acme/infra/issues/7/comments", 200, "[]");
    rig_when("POST", "/repos/acme/infra/issues/7/comments", 201, "{\"id\":1}");
    rig_when("POST", "/repos", 204, "");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 6 });
    send_calls(&p, &comment, 1);
    send_many(&p, 2);                           /* looking for it and one dispatch: 6 points */
    wait_for_request(&p, "GET /repos/acme/infra/issues/7/comments", 1);
    wait_for_just(1);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);   /* now the comment is before the other dispatch */
    wait_for_just(2);
    assert_has(rig_request(0), STR("POST /repos/acme/infra/issues/7/comments"));
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(3);
    end(&p);
}

static void comments_wait_for_themselves_and_reviews_have_a_share(void **state)
{
    struct forge_call review = COMMENT, last = COMMENT, edit = COMMENT;
    review.kind = FORGE_REVIEW;
    last.last_word = true;
    edit.object = 9;
    rig_when("POST", "/repos/acme/infra/issues", 201, "{\"id\":1}");
    rig_when("POST", "/repos/acme/infra/pulls", 200, "{\"id\":2}");
    rig_when("PATCH", "/repos", 200, "{\"id\":9}");
    rig_when("POST", "/repos", 204, "");
    struct paced p = given_limits((struct pace_limits){ .content_per_minute = 10,
                                                        .content_per_hour = 13 });
    send_calls(&p, &COMMENT, 20);
    wait_for_just(8);
    send_calls(&p, &edit, 5);                   /* changes nobody is notified of */
    send_many(&p, 5);
    wait_for_just(18);
    send_calls(&p, &review, 2);
    send_calls(&p, &last, 2);
    wait_for_just(20);
    assert_int_equal(rig_seen("POST /repos/acme/infra/pulls/7/reviews"), 2);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);   /* the hour has three left */
    wait_for_just(23);
    assert_int_equal(rig_seen("POST /repos/acme/infra/issues/7/comments"), 11);
    atomic_fetch_add(&rig.now_ms, 60 * WINDOW_MS);
    wait_for_just(33);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(34);
    assert_int_equal(atomic_load(&good), 34);
    end(&p);
}

static void a_complaint_halves_the_pace(void **state)
{
    rig_when("POST", "/repos", 403, "{}", "Retry-After: 1\r\n", .times = 1);
    rig_when("POST", "/repos", 204, "");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 100 });
    send_many(&p, 1);
    wait_for(1);
    assert_int_equal(atomic_load(&good), 0);
    atomic_fetch_add(&rig.now_ms, 1000);
    send_many(&p, 25);
    wait_for_just(1 + 11);                      /* half, and a twentieth for a good window */
    end(&p);
}

static void the_end_of_the_quota_is_no_complaint_about_the_pace(void **state)
{
    char headers[160];
    snprintf(headers, sizeof headers, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: %lld\r\n",
             (long long)(atomic_load(&rig.now_ms) / 1000 + 10));
    rig_when("POST", "/repos", 403, "{\"message\":\"API rate limit exceeded\"}", headers,
             .times = 1);
    rig_when("POST", "/repos", 204, "");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 100 });
    send_many(&p, 1);
    wait_for(1);
    atomic_fetch_add(&rig.now_ms, 12000);
    send_many(&p, 25);
    wait_for_just(1 + 20);
    end(&p);
}

static void who_is_only_to_be_told_to_wait_need_not_wait_for_it(void **state)
{
    rig_when("POST", "/repos", 204, "", .times = 1);
    rig_when("POST", "/repos", 403, "{}", "Retry-After: 1\r\n");
    struct paced p = given_a_paced_port(POINTS);
    send_many(&p, 6);
    wait_for(6);
    assert_int_equal(atomic_load(&good), 1);
    assert_int_equal(rig_seen("POST /repos"), 2);
    end(&p);
}

static void without_points_there_is_no_pace(void **state)
{
    struct paced p = given_a_paced_port(0);
    send_many(&p, 20);
    wait_for(20);
    assert_int_equal(atomic_load(&good), 20);
    end(&p);
}

static void a_call_without_an_answer_counts_like_one_with(void **state)
{
    rig_when("POST", "/repos", CLOSES, "", .times = 1);
    rig_when("POST", "/repos", 204, "");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 5 });
    send_many(&p, 2);
    wait_for_just(1);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(2);
    end(&p);
}

static void what_cannot_be_sent_costs_nothing(void **state)
{
    rig_when("POST", "/app/installations/", CLOSES, "", .times = 4);
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 5 });
    rig_when("POST", "/repos", 204, "");
    for (int n = 1; n <= 4; n++) {
        send_many(&p, 1);
        wait_for(n);
    }
    assert_int_equal(rig_seen("access_tokens"), 4);
    assert_int_equal(atomic_load(&unsent), 4);
    send_many(&p, 1);
    wait_for(5);
    assert_int_equal(atomic_load(&good), 1);
    end(&p);
}

static void several_servers_divide_the_pace(void **state)
{
    struct paced p = given_a_paced_port(2 * POINTS);
    p.port.divide(p.port.self, 2);
    send_many(&p, 4);
    wait_for_just(2);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(4);
    end(&p);
}

static void the_app_itself_has_no_pace(void **state)
{
    struct forge_call list = { .kind = FORGE_LIST_INSTALLATIONS };
    rig_when("GET", "/app/installations", 200, "[]");
    struct paced p = given_limits((struct pace_limits){ .points_per_minute = 1 });
    send_calls(&p, &list, 5);
    wait_for(5);
    assert_int_equal(atomic_load(&good), 5);
    end(&p);
}

static void a_change_that_costs_more_than_a_window_goes_alone(void **state)
{
    struct paced p = given_a_paced_port(3);
    send_many(&p, 2);
    wait_for(1);
    usleep(SETTLE_US);
    assert_int_equal(atomic_load(&answered), 1);
    atomic_fetch_add(&rig.now_ms, WINDOW_MS);
    wait_for(2);
    end(&p);
}

static void a_stop_answers_what_still_waits(void **state)
{
    struct paced p = given_a_paced_port(POINTS);
    send_many(&p, 6);
    wait_for(2);
    usleep(SETTLE_US);
    end(&p);
    assert_int_equal(atomic_load(&answered), 6);
    assert_int_equal(atomic_load(&unsent), 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_an_earlier_life_sent_is_not_sent_on_top),
        T(what_a_window_does_not_allow_waits_for_the_next),
        T(every_page_waits_for_its_turn),
        T(the_second_page_comes_before_calls_that_have_not_begun),
        T(what_has_begun_is_finished_first),
        T(comments_wait_for_themselves_and_reviews_have_a_share),
        T(a_complaint_halves_the_pace),
        T(the_end_of_the_quota_is_no_complaint_about_the_pace),
        T(who_is_only_to_be_told_to_wait_need_not_wait_for_it),
        T(without_points_there_is_no_pace),
        T(a_call_without_an_answer_counts_like_one_with),
        T(what_cannot_be_sent_costs_nothing),
        T(several_servers_divide_the_pace),
        T(the_app_itself_has_no_pace),
        T(a_change_that_costs_more_than_a_window_goes_alone),
        T(a_stop_answers_what_still_waits),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
