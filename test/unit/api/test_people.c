/* People, where time matters: sessions that end, guesses that wait, what is kept in memory and for how long. */
#include "rig.h"

#include "store/people.h"

#define PASSWORD "correct horse battery"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct browser { str cookie, csrf; };

static str header_of(struct rig *g, struct answer a, const char *name)
{
    str rest = a.headers, line, value;
    while (rest.len) {
        line = str_cut(rest, '\n', &rest);
        if (str_eq_nocase(str_cut(line, ':', &value), str_of(name)))
            return arena_copy(g->mem, str_trim(value));
    }
    return STR("");
}

static struct browser browser_of(struct rig *g, struct answer a)
{
    str rest, line = header_of(g, a, "Set-Cookie");
    return (struct browser){ str_cut(line, ';', &rest), at(g, a, "data.csrf") };
}

static struct answer as(struct rig *g, struct browser b, const char *method, const char *path,
                        const char *body)
{
    const struct http_header h[] = {{STR("Cookie"), b.cookie},
                                    {STR("X-Signalbox-Csrf"), b.csrf},
                                    {STR("Content-Type"), STR("application/json")}};
    return ask_with(g, method, path, h, 3, body ? str_of(body) : STR(""));
}

static struct answer sign_in(struct rig *g, const char *name, const char *password)
{
    str body = arena_print(g->mem, "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    return ask(g, "POST", "/api/v1/session", STR(""), body.ptr);
}

static struct browser first_owner(struct rig *g)
{
    struct invitation i;
    good(g->b, invitations_first(g->b->db, g->mem, STR(WS), false, g->engine.now_ms, &i, &g->b->e));
    str body = arena_print(g->mem, "{\"code\":\"" PRI_STR "\",\"name\":\"ada\",\"password\":\"" PASSWORD "\"}",
                           FMT_STR(invitation_code(g->mem, g->api->people_key, i.id)));
    struct answer a = ask(g, "POST", "/api/v1/welcome", STR(""), body.ptr);
    expect(a, 201, NULL);
    return browser_of(g, a);
}

static void test_over_https_the_cookie_belongs_to_this_host(void **state)
{
    struct rig *g = *state;
    first_owner(g);
    str cookie = header_of(g, sign_in(g, "ada", PASSWORD), "Set-Cookie");
    assert_true(str_starts(cookie, STR("__Host-signalbox_session=")));
    assert_true(str_ends(cookie, STR("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure")));
}

static void test_a_session_is_read_once_and_counts_no_more_at_once(void **state)
{
    struct rig *g = *state;
    struct browser b = first_owner(g);
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 200, NULL);
    unsigned before = g->engine.reads;
    for (int i = 0; i < 20; i++)
        expect(as(g, b, "GET", "/api/v1/locks", NULL), 200, NULL);
    assert_int_equal(g->engine.reads - before, 20);         /* the list's own */
    expect(as(g, b, "DELETE", "/api/v1/session", NULL), 200, NULL);
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 401, "InvalidToken");
}

static void test_what_another_server_ended_counts_no_more_when_it_is_read_again(void **state)
{
    struct rig *g = *state;
    struct browser b = first_owner(g);
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 200, NULL);
    run(g->b, "delete from person_session", NO_ARGS);
    api_forget_cached(g->api);      /* as five seconds do */
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 401, "InvalidToken");
}

static void test_a_session_ends_when_nobody_uses_it_and_at_its_age(void **state)
{
    struct rig *g = *state;
    struct browser b = first_owner(g);
    int64_t begun_ms = g->engine.now_ms;
    for (int day = 13; day < 90; day += 13) {       /* in use: it lives */
        g->engine.now_ms = begun_ms + day * DAY_MS;
        api_forget_cached(g->api);
        expect(as(g, b, "GET", "/api/v1/locks", NULL), 200, NULL);
    }
    g->engine.now_ms = begun_ms + 90 * DAY_MS;
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 401, "InvalidToken");
    b = browser_of(g, sign_in(g, "ada", PASSWORD));
    g->engine.now_ms += 14 * DAY_MS + 1;
    api_forget_cached(g->api);
    expect(as(g, b, "GET", "/api/v1/locks", NULL), 401, "InvalidToken");
    good(g->b, people_purge(g->b->db, g->engine.now_ms, &g->b->e));
    assert_int_equal(count_rows(g, "select count(*) from person_session"), 0);
}

static void test_guesses_wait_ever_longer_and_the_right_one_ends_it(void **state)
{
    struct rig *g = *state;
    first_owner(g);
    for (int i = 0; i < 5; i++)
        expect(sign_in(g, "ada", "wrong"), 401, "SignInRefused");
    for (int64_t wait_s = 1; wait_s <= 8; wait_s *= 2) {
        struct answer a = sign_in(g, "ADA", PASSWORD);      /* the right one waits, too */
        expect(a, 429, "TooManyAttempts");
        assert_text(header_of(g, a, "Retry-After"),
                    arena_print(g->mem, "%lld", (long long)wait_s).ptr);
        g->engine.now_ms += wait_s * 1000 - 1;
        expect(sign_in(g, "ada", PASSWORD), 429, "TooManyAttempts");
        g->engine.now_ms += 1;
        expect(sign_in(g, "ada", "wrong"), 401, "SignInRefused");
    }
    assert_true(count_rows(g, "select count(*) from audit where action = 'session.locked_out'") > 0);
    g->engine.now_ms += 16000;
    expect(sign_in(g, "ada", PASSWORD), 200, NULL);
    for (int i = 0; i < 4; i++)
        expect(sign_in(g, "ada", "wrong"), 401, "SignInRefused");
    expect(sign_in(g, "ada", PASSWORD), 200, NULL);
}

static void test_one_address_that_tries_many_names_waits_too(void **state)
{
    struct rig *g = *state;
    first_owner(g);
    for (int i = 0; i < 20; i++)
        expect(sign_in(g, arena_print(g->mem, "nobody%d", i).ptr, "wrong"), 401, "SignInRefused");
    expect(sign_in(g, "nobody-else", "wrong"), 429, "TooManyAttempts");
    expect(sign_in(g, "ada", PASSWORD), 429, "TooManyAttempts");
    g->engine.now_ms += 1000;
    expect(sign_in(g, "ada", PASSWORD), 200, NULL);
}

static void test_an_invitation_ends_after_a_week(void **state)
{
    struct rig *g = *state;
    struct browser b = first_owner(g);
    struct answer a = as(g, b, "POST", "/api/v1/invitations", "{\"role\":\"admin\"}");
    expect(a, 201, NULL);
    str code = str_after_last(at(g, a, "data.url"), '=');
    const char *path = arena_print(g->mem, "/api/v1/welcome?code=" PRI_STR, FMT_STR(code)).ptr;
    expect(ask(g, "GET", path, STR(""), NULL), 200, NULL);
    g->engine.now_ms += 7 * DAY_MS;
    expect(ask(g, "GET", path, STR(""), NULL), 404, "NotFound");
}

static void test_the_first_link_is_the_same_until_it_is_used_or_made_anew(void **state)
{
    struct rig *g = *state;
    struct invitation a, b, c;
    int64_t now_ms = g->engine.now_ms;
    good(g->b, invitations_first(g->b->db, g->mem, STR(WS), false, now_ms, &a, &g->b->e));
    good(g->b, invitations_first(g->b->db, g->mem, STR(WS), false, now_ms + DAY_MS, &b, &g->b->e));
    assert_text(a.id, b.id.ptr);
    good(g->b, invitations_first(g->b->db, g->mem, STR(WS), true, now_ms, &c, &g->b->e));
    assert_false(str_eq(a.id, c.id));
    str body = arena_print(g->mem, "{\"code\":\"" PRI_STR "\",\"name\":\"eve\",\"password\":\"" PASSWORD "\"}",
                           FMT_STR(invitation_code(g->mem, g->api->people_key, a.id)));
    expect(ask(g, "POST", "/api/v1/welcome", STR(""), body.ptr), 404, "NotFound");
}

/* Somebody from GitHub, as the callback makes him. */
static struct browser from_github(struct rig *g, const char *role)
{
    struct person p = { .source = STR(PERSON_GITHUB), .login = STR("mona"), .forge_id = 7 };
    struct person_session s = { .workspace_id = STR(WS) };
    uint8_t hash[SHA256_BYTES];
    str cookie = STR("0123456789012345678901234567890123456789012");
    good(g->b, people_add(g->b->db, g->mem, &p, g->engine.now_ms, &g->b->e));
    good(g->b, members_put(g->b->db, STR(WS), p.id, role_read(str_of(role)), STR("x"),
                           g->engine.now_ms, &g->b->e));
    sha256(cookie, hash);
    s.person = p;
    s.hash = (str){ (const char *)hash, sizeof hash };
    good(g->b, person_sessions_add(g->b->db, g->mem, &s, g->engine.now_ms, &g->b->e));
    str header = arena_print(g->mem, "__Host-signalbox_session=" PRI_STR, FMT_STR(cookie));
    struct browser b = { header, STR("") };
    struct answer a = as(g, b, "GET", "/api/v1/session", NULL);
    expect(a, 200, NULL);
    b.csrf = at(g, a, "data.csrf");
    return b;
}

static bool may_operate(struct rig *g, struct browser b)
{
    str path = arena_print(g->mem, "/api/v1/repositories/%lld/rights", (long long)g->repo);
    struct answer a = as(g, b, "GET", path.ptr, NULL);
    expect(a, 200, NULL);
    return str_has(a.text, STR("\"operate\":true"));
}

static void test_the_forge_is_asked_once_a_minute_who_may_write(void **state)
{
    struct rig *g = *state;
    run(g->b, "update repository set installation_id = 5", NO_ARGS);
    struct browser b = from_github(g, "member");
    g->forge.permission = "write";
    g->forge.user_id = 7;
    for (int i = 0; i < 5; i++)
        assert_true(may_operate(g, b));
    assert_int_equal(g->forge.asked, 1);
}

static void test_a_login_that_is_somebody_elses_by_now_writes_nothing(void **state)
{
    struct rig *g = *state;
    run(g->b, "update repository set installation_id = 5", NO_ARGS);
    struct browser b = from_github(g, "member");
    g->forge.permission = "admin";
    g->forge.user_id = 8;
    assert_false(may_operate(g, b));
}

static void test_a_forge_that_does_not_answer_lets_nobody_through(void **state)
{
    struct rig *g = *state;
    run(g->b, "update repository set installation_id = 5", NO_ARGS);
    struct browser b = from_github(g, "member");
    str path = arena_print(g->mem, "/api/v1/repositories/%lld/rights", (long long)g->repo);
    g->forge.permission = "admin";
    for (enum forge_outcome o = FORGE_NOT_SENT; o <= FORGE_LIMITED; o++) {
        g->forge.outcome = o;
        expect(as(g, b, "GET", path.ptr, NULL), 502, "UpstreamError");
    }
    for (enum forge_outcome o = FORGE_NOT_FOUND; o <= FORGE_REFUSED; o++) {
        g->forge.outcome = o;
        assert_false(may_operate(g, b));
    }
    run(g->b, "update repository set installation_id = null", NO_ARGS);
    assert_false(may_operate(g, b));
}

static void test_only_paths_of_ours_are_gone_on_to(void **state)
{
    static const struct { const char *path; bool ours; } table[] = {
        {"/", true}, {"/batches/b?node=1#x", true}, {"/a//b", true}, {"", false}, {"a", false},
        {"//evil", false}, {"/\\evil", false}, {"/a\\b", false}, {"/\tevil", false}, {"/a b", false},
        {"https://evil", false}, {"/\x7f", false}, {"/\xc3\xa4", false}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(path_is_ours(str_of(table[i].path)), table[i].ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_over_https_the_cookie_belongs_to_this_host),
        API_BOTH(test_a_session_is_read_once_and_counts_no_more_at_once),
        API_BOTH(test_what_another_server_ended_counts_no_more_when_it_is_read_again),
        API_BOTH(test_a_session_ends_when_nobody_uses_it_and_at_its_age),
        API_BOTH(test_guesses_wait_ever_longer_and_the_right_one_ends_it),
        API_BOTH(test_one_address_that_tries_many_names_waits_too),
        API_BOTH(test_an_invitation_ends_after_a_week),
        API_BOTH(test_the_first_link_is_the_same_until_it_is_used_or_made_anew),
        API_BOTH(test_the_forge_is_asked_once_a_minute_who_may_write),
        API_BOTH(test_a_login_that_is_somebody_elses_by_now_writes_nothing),
        API_BOTH(test_a_forge_that_does_not_answer_lets_nobody_through),
        cmocka_unit_test(test_only_paths_of_ours_are_gone_on_to),
    };
    return cmocka_run_group_tests_name("api people", tests, NULL, NULL);
}
