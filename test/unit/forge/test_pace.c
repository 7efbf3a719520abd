/*
 * Pace: GitHub's written limit on points is kept before anybody is told (forges.md §2.12). Here: 12
 * points in 40 ms of virtual time; a change costs 5, a read 1.
 */
#include <unistd.h>

#include "rig.h"

enum { POINTS = 12, WINDOW_MS = 40, SETTLE_US = 150000 };

static const struct forge_call DISPATCH = {.kind = FORGE_DISPATCH,
                                           .owner = STR_INIT("acme"),
                                           .name = STR_INIT("infra"),
                                           .installation_id = 5,
                                           .file = STR_INIT("a.yaml"),
                                           .ref = STR_INIT("m")};

struct paced { struct http_client *client; struct github *github; struct forge_port port; };
static atomic_int answered, good, unsent;

static int64_t virtual_now(void *self) { return atomic_load(&rig.now_ms); }

static void came(void *ctx, const struct forge_answer *a)
{
    atomic_fetch_add(&good, a->outcome == FORGE_OK);
    atomic_fetch_add(&unsent, a->outcome == FORGE_NOT_SENT);
    atomic_fetch_add(&answered, 1);
}

static struct paced given_a_paced_port(int64_t points)
{
    struct paced p = { 0 };
    struct err e = { 0 };
    atomic_store(&answered, 0);
    atomic_store(&good, 0);
    atomic_store(&unsent, 0);
    rig_when("POST", "/app/installations/", 201,
             "{\"token\":\"ghs_1\",\"expires_at\":\"2099-01-01T00:00:00Z\"}");
    rig_when("POST", "/repos", 204, "");
    if (!http_client_start(&(struct http_client_config){ .user_agent = "pace" }, &p.client, &e) ||
        !github_new(&(struct github_config){ .client = p.client, .api_base = str_of(rig.base),
                        .app_id = 1, .app_slug = STR("s"), .private_key_pem = str_of(rig_pem()),
                        .now_ms = virtual_now, .steady_ms = virtual_now,
                        .limits = { .points_per_minute = points, .window_ms = WINDOW_MS } },
                    &p.github, &e))
        fail_msg("%s", e.text);
    p.port = github_port(p.github);
    return p;
}

static void send_many(struct paced *p, int n)
{
    for (int i = 0; i < n; i++)
        p->port.call(p->port.self, &DISPATCH, came, NULL);
}

static void wait_for(int n)
{
    for (int i = 0; i < 5000 && atomic_load(&answered) < n; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&answered), n);
}

static void end(struct paced *p)
{
    http_client_stop(p->client);
    github_free(p->github);
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

static void without_points_there_is_no_pace(void **state)
{
    struct paced p = given_a_paced_port(0);
    send_many(&p, 20);
    wait_for(20);
    assert_int_equal(atomic_load(&good), 20);
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
        T(what_a_window_does_not_allow_waits_for_the_next),
        T(without_points_there_is_no_pace),
        T(a_change_that_costs_more_than_a_window_goes_alone),
        T(a_stop_answers_what_still_waits),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
