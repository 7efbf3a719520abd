/* Commands of people, what admins do, execution records, and the set-up page. */
#include "rig.h"

#include "base/pack.h"
#include "store/tokens.h"

#define path(g, format, n) arena_print((g)->mem, format, (long long)(n)).ptr

static void add_batch(struct rig *g, const char *id, int64_t repository_id)
{
    run(g->b,
        "insert into batch (id, repository_id, event, activity, head_sha, state, node_count, "
        "dispatchable, edges, created_ms, updated_ms)"
        " values ($1, $2, 'pull_request', 'opened', 'abc', 'running', 3, 3, $3, 1, 1)",
        ARGS(
            A(str_of(id)), A(repository_id),
            arg_blob(pack(g->mem, (str){"\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\2\0\0\0", 24}))));
    for (int i = 0; i < 3; i++)
        run(g->b,
            "insert into node (batch_seq, position, stack, component, workflow, state, run_class, "
            "changed_ms) select seq, $2, 'dev', $3, 'plan.yaml', 'waiting', 0, 1 from batch where "
            "id = $1",
            ARGS(A(str_of(id)), A(i), A(i == 2 ? STR("b") : STR("a"))));
}

/* The rows themselves: nobody reads there what no answer shows. */
static str only_body(struct rig *g, const struct db_rows *r)
{
    str plain;
    assert_int_equal(r->count, 1);
    good(g->b, unpack(g->mem, db_at(r, 0, 0)->s, 1 << 20, &plain, &g->b->e));
    return plain;
}

static str order_body(struct rig *g)
{
    struct db_rows r;
    good(g->b, db_query(g->b->db, g->mem, &g->b->e, &r,
                        "select body from fact where kind = 'order' order by id desc limit 1",
                        NO_ARGS));
    return only_body(g, &r);
}

static void test_a_command_is_a_fact_whose_outcome_is_the_answer(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    g->engine.note = "{\"batch\":\"batch_1\",\"live\":2}";
    struct answer a = ask(g, "POST", "/api/v1/batches/batch_1/cancel", g->member, NULL);
    expect(a, 200, NULL);
    assert_int_equal(num(a, "data.live"), 2);
    assert_text(order_body(g), "{\"order\":\"cancel\",\"actor\":\"laptop\",\"actorType\":"
                                 "\"token\",\"batch\":\"batch_1\"}");
    assert_int_equal(g->engine.poked_lane, g->repo);
    g->engine.refused = true;
    g->engine.note = "the batch has ended (success); there is nothing to cancel";
    a = ask(g, "POST", "/api/v1/batches/batch_1/cancel", g->member, NULL);
    expect(a, 409, "Conflict");
    assert_true(str_has(at(g, a, "errorMessage"), STR("nothing to cancel")));
    g->engine.note = NULL;
    a = ask(g, "POST", "/api/v1/batches/batch_1/retry", g->member, NULL);
    expect(a, 202, NULL);
    assert_text(at(g, a, "data.state"), "pending");
}

static void test_what_is_kept_in_git_is_not_set_by_api(void **state)
{
    struct rig *g = *state;
    str at_settings = arena_print(g->mem, "/api/v1/repositories/%lld/settings", (long long)g->repo),
        at_repo = arena_print(g->mem, "/api/v1/repositories/%lld", (long long)g->repo);
    run(g->b,
        "update repository set file_settings = '{\"threshold\":80}', file_note = 'there is no "
        "setting foo' where id = $1",
        ARGS(A(g->repo)));
    struct answer a = ask(g, "GET", at_settings.ptr, g->member, NULL);
    assert_int_equal(num(a, "data.threshold"), 80);
    a = ask(g, "PATCH", at_settings.ptr, g->admin, "{\"threshold\":90,\"rapid_pushes\":5}");
    expect(a, 409, "Conflict");
    assert_true(str_has(at(g, a, "errorMessage"), STR("threshold is kept in .github/signalbox.yaml")));
    a = ask(g, "PATCH", at_settings.ptr, g->admin, "{\"rapid_pushes\":5}");
    expect(a, 200, NULL);
    assert_int_equal(num(a, "data.threshold"), 80);
    assert_int_equal(num(a, "data.rapid_pushes"), 5);
    a = ask(g, "GET", at_repo.ptr, g->member, NULL);
    assert_int_equal(num(a, "data.settingsFile.settings.threshold"), 80);
    assert_text(at(g, a, "data.settingsFile.wrong"), "there is no setting foo");
    run(g->b, "update repository set file_settings = '{}', file_note = '' where id = $1",
        ARGS(A(g->repo)));
    a = ask(g, "GET", at_settings.ptr, g->member, NULL);
    assert_int_equal(num(a, "data.threshold"), 50);
    assert_int_equal(num(a, "data.rapid_pushes"), 5);
}

static void test_settings_out_of_bounds_change_nothing(void **state)
{
    struct rig *g = *state;
    str path = arena_print(g->mem, "/api/v1/repositories/%lld/settings", (long long)g->repo);
    struct answer a = ask(g, "PATCH", path.ptr, g->admin,
                          "{\"threshold_hold\":true,\"threshold\":0,\"rapid_push_minutes\":1441}");
    expect(a, 400, "ValidationError");
    assert_true(str_has(a.text, STR("threshold must be between 1 and 50000, got 0")));
    assert_true(str_has(a.text, STR("rapid_push_minutes must be between 1 and 1440, got 1441")));
    a = ask(g, "GET", path.ptr, g->member, NULL);
    assert_true(str_has(a.text, STR("\"threshold_hold\":false")) &&
                str_has(a.text, STR("\"threshold\":50")));
}

static void test_held_batches_are_released_by_order(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    g->engine.note = "{\"batch\":\"batch_1\",\"lifted\":[\"threshold\"],\"standing\":[]}";
    struct answer a = ask(g, "POST", "/api/v1/batches/batch_1/release", g->member, NULL);
    expect(a, 200, NULL);
    assert_true(str_has(a.text, STR("\"lifted\":[\"threshold\"]")));
    assert_text(order_body(g), "{\"order\":\"release\",\"actor\":\"laptop\",\"actorType\":"
                                 "\"token\",\"batch\":\"batch_1\"}");
    expect(ask(g, "POST", "/api/v1/batches/batch_1/parts", g->member, NULL), 200, NULL);
    assert_true(str_has(order_body(g), STR("\"order\":\"parts\"")));
    expect(ask(g, "POST", "/api/v1/batches/batch_9/release", g->member, NULL), 404, "NotFound");
    g->engine.refused = true;
    g->engine.note = "nothing holds this batch";
    expect(ask(g, "POST", "/api/v1/batches/batch_1/release", g->member, NULL), 409, "Conflict");
}

static void test_a_paused_pull_request_is_resumed_by_its_number(void **state)
{
    struct rig *g = *state;
    run(g->b,
        "insert into change (id, repository_id, kind, key, number, created_ms, updated_ms) values "
        "(41, $1, 'pull_request', '7', 7, 1, 1)",
        ARGS(A(g->repo)));
    g->engine.note = "{\"pull\":7}";
    str path = arena_print(g->mem, "/api/v1/repositories/%lld/pulls/7/resume", (long long)g->repo);
    expect(ask(g, "POST", path.ptr, g->member, NULL), 200, NULL);
    assert_text(order_body(g), "{\"order\":\"resume\",\"actor\":\"laptop\",\"actorType\":"
                                 "\"token\",\"change\":41}");
    assert_int_equal(g->engine.poked_lane, g->repo);
    static const char *const unknown[] = { "8", "0", "x", "-7", "99999999999999999999" };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        path = arena_print(g->mem, "/api/v1/repositories/%lld/pulls/%s/resume", (long long)g->repo,
                           unknown[i]);
        expect(ask(g, "POST", path.ptr, g->member, NULL), 404, "NotFound");
    }
    path = arena_print(g->mem, "/api/v1/repositories/%lld/pulls/7/resume", (long long)g->repo_other);
    expect(ask(g, "POST", path.ptr, g->member, NULL), 404, "NotFound");
}

static void test_a_held_batch_tells_what_holds_it(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    run(g->b, "update batch set state = 'held' where id = 'batch_1'", NO_ARGS);
    run(g->b,
        "insert into hold (batch_seq, kind, numbers, since_ms, lifted_ms) select seq, 'draft', '{}', 5, 6 from "
        "batch where id = 'batch_1'",
        NO_ARGS);
    run(g->b,
        "insert into hold (batch_seq, kind, numbers, since_ms) select seq, 'threshold', "
        "'{\"dispatches\":247,\"threshold\":50}', 60000 from batch where id = 'batch_1'",
        NO_ARGS);
    struct answer a = ask(g, "GET", "/api/v1/batches/batch_1", g->member, NULL);
    expect(a, 200, NULL);
    assert_int_equal(json_count(json_path(a.body, "data.holds")), 1);
    assert_true(str_has(
        a.text,
        STR("\"holds\":[{\"kind\":\"threshold\",\"text\":\"would dispatch 247 stacks, the threshold is 50\","
            "\"wayOut\":\"somebody with write access dispatches anyway, or the threshold is raised\","
            "\"control\":\"Dispatch all 247 stacks anyway\",\"since\":\"1970-01-01T00:01:00Z\",\"until\":null,"
            "\"numbers\":{\"dispatches\":247,\"threshold\":50}}]")));
    run(g->b, "update batch set state = 'ended' where id = 'batch_1'", NO_ARGS);
    a = ask(g, "GET", "/api/v1/batches/batch_1", g->member, NULL);
    assert_int_equal(json_count(json_path(a.body, "data.holds")), 0);
}

static void test_an_idempotency_key_makes_it_one_command(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    g->engine.note = "{\"again\":2}";
    struct http_header h[] = {
        {STR("Authorization"), arena_print(g->mem, "Bearer " PRI_STR, FMT_STR(g->member))},
        {STR("Idempotency-Key"), STR("k1")}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            num(ask_with(g, "POST", "/api/v1/batches/batch_1/retry", h, 2, STR("")), "data.again"),
            2);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'order'"), 1);
    h[1].value = STR("k2");
    expect(ask_with(g, "POST", "/api/v1/batches/batch_1/retry", h, 2, STR("")), 200, NULL);
    h[1].value = STR("a\tb");
    expect(ask_with(g, "POST", "/api/v1/batches/batch_1/retry", h, 2, STR("")), 400,
           "ValidationError");
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'order'"), 2);
}

static void test_reruns_name_their_node(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    g->engine.note = "{}";
    expect(ask(g, "POST", "/api/v1/batches/batch_1/nodes/2/rerun", g->member, NULL), 200, NULL);
    assert_true(str_has(order_body(g), STR("\"node\":2")));
    expect(ask(g, "POST", "/api/v1/batches/batch_1/nodes/3/rerun", g->member, NULL), 404,
           "NotFound");
    expect(ask(g, "POST", "/api/v1/batches/batch_2/nodes/0/rerun", g->member, NULL), 404,
           "NotFound");
    expect(ask(g, "POST", "/api/v1/batches/batch_1/rerun", g->member,
               "{\"stack\":\"dev\",\"component\":\"b\"}"),
           200, NULL);
    assert_true(str_has(order_body(g), STR("\"node\":2")));
    expect(ask(g, "POST", "/api/v1/batches/batch_1/rerun", g->member,
               "{\"stack\":\"dev\",\"component\":\"a\"}"),
           400, "ValidationError");
    expect(ask(g, "POST", "/api/v1/batches/batch_1/rerun", g->member,
               "{\"stack\":\"dev\",\"component\":\"c\"}"),
           404, "NotFound");
}

static void test_another_workspaces_batch_does_not_exist(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo_other);
    expect(ask(g, "GET", "/api/v1/batches/batch_1", g->member, NULL), 200, NULL);
    expect(ask(g, "GET", "/api/v1/batches/batch_1", g->repo_member, NULL), 404, NULL);
    expect(ask(g, "POST", "/api/v1/batches/batch_1/cancel", g->repo_member, NULL), 404, NULL);
    run(g->b, "update repository set workspace_id = $1 where id = $2",
        ARGS(A(STR(WS_OTHER)), A(g->repo_other)));
    expect(ask(g, "GET", "/api/v1/batches/batch_1", g->member, NULL), 404, NULL);
    expect(ask(g, "GET", "/api/v1/batches/batch_1/nodes", g->member, NULL), 404, NULL);
    expect(ask(g, "POST", "/api/v1/batches/batch_1/cancel", g->admin, NULL), 404, NULL);
    assert_int_equal(
        json_count(json_path(ask(g, "GET", "/api/v1/batches", g->admin, NULL).body, "data.items")),
        0);
}

static void test_nodes_say_what_they_wait_for(void **state)
{
    struct rig *g = *state;
    add_batch(g, "batch_1", g->repo);
    struct answer a = ask(g, "GET", "/api/v1/batches/batch_1/nodes?limit=2", g->member, NULL);
    expect(a, 200, NULL);
    assert_true(str_has(a.text, STR("\"position\":0")) && str_has(a.text, STR("\"position\":1")));
    assert_true(str_has(a.text, STR("\"waitsFor\":[]")) &&
                str_has(a.text, STR("\"waitsFor\":[0]")));
    struct answer rest =
        ask(g, "GET",
            arena_print(g->mem, "/api/v1/batches/batch_1/nodes?limit=2&cursor=" PRI_STR,
                        FMT_STR(at(g, a, "data.nextCursor")))
                .ptr,
            g->member, NULL);
    assert_true(str_has(rest.text, STR("\"waitsFor\":[0,1]")));
    assert_int_equal(json_kind(json_path(rest.body, "data.nextCursor")), JSON_NULL);
    assert_int_equal(
        num(ask(g, "GET", "/api/v1/batches/batch_1", g->member, NULL), "data.counts.waiting"), 3);
}

static void test_pages_show_each_row_once(void **state)
{
    struct rig *g = *state;
    int seen = 0;
    for (int i = 0; i < 7; i++)
        add_batch(g, arena_print(g->mem, "batch_%d", i).ptr, i % 2 ? g->repo : g->repo_other);
    str cursor = STR("");
    for (int page = 0; page < 10; page++) {
        struct answer a =
            ask(g, "GET",
                arena_print(g->mem, "/api/v1/batches?limit=3&cursor=" PRI_STR, FMT_STR(cursor)).ptr,
                g->member, NULL);
        expect(a, 200, NULL);
        seen += (int)json_count(json_path(a.body, "data.items"));
        cursor = at(g, a, "data.nextCursor");
        if (!cursor.len)
            break;
    }
    assert_int_equal(seen, 7);
    assert_int_equal(
        json_count(json_path(ask(g, "GET", "/api/v1/batches?repo=acme/infra", g->member, NULL).body,
                             "data.items")),
        3);
    /* its own repository */
    assert_int_equal(json_count(json_path(ask(g, "GET", "/api/v1/batches", g->session, NULL).body,
                                          "data.items")),
                     3);
    assert_int_equal(
        json_count(json_path(ask(g, "GET", "/api/v1/batches?state=ended", g->member, NULL).body,
                             "data.items")),
        0);
    expect(ask(g, "GET", "/api/v1/batches?repo=acme/none", g->member, NULL), 404, NULL);
    static const char *const lists[] = {
        "workspaces",
        "repositories",
        "runs",
        "instances",
        "locks",
        "uploads",
        "facts",
        "facts?kind=webhook.&state=applied",
        "audit?action=token.created",
        "tokens",
        "runs?stack=a&component=b&state=success&command=plan&batch=x"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        expect(ask(g, "GET", arena_print(g->mem, "/api/v1/%s", lists[i]).ptr, g->admin, NULL), 200,
               NULL);
}

static void test_dispatch_by_hand_is_checked_first(void **state)
{
    struct rig *g = *state;
    g->engine.note = "{\"batch\":\"batch_9\",\"dispatches\":1}";
    const struct { const char *body; int status; } table[] = {
        { "{\"repo\":\"acme/infra\",\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"fix.yaml\",\"inputs\":{\"a\":1,\"b\":\"x\"},\"dryRun\":true}", 200 },
        { "{\"repo\":\"acme/none\",\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"fix.yaml\"}", 404 },
        { "{\"repo\":\"acme/infra\",\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"../fix.yaml\"}", 400 },
        { "{\"repo\":\"acme/infra\",\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"fix.yaml\",\"inputs\":{\"a\":[]}}", 400 },
        { "{\"repo\":\"acme/infra\",\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"fix.yaml\",\"dryrun\":true}", 400 },
        { "{\"repo\":\"acme/infra\",\"stack\":\"\",\"component\":\"vpc\",\"workflow\":\"fix.yaml\"}", 400 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        expect(ask(g, "POST", "/api/v1/dispatch", g->member, table[i].body), table[i].status, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'order'"), 1);
    assert_true(str_has(order_body(g), STR("\"inputs\":{\"a\":1,\"b\":\"x\"}")) &&
                str_has(order_body(g), STR("\"dryRun\":true")));
}

static void test_settings(void **state)
{
    struct rig *g = *state;
    const char *where = path(g, "/api/v1/repositories/%lld/settings", g->repo);
    struct answer a = ask(g, "GET", where, g->member, NULL);
    assert_int_equal(num(a, "data.dispatch_concurrency"), 20);
    expect(ask(g, "PATCH", where, g->admin, "{\"dispatch_concurrency\":5,\"reviews\":true}"), 200,
           NULL);
    a = ask(g, "PATCH", where, g->admin, "{\"comment\":false}");
    expect(a, 200, NULL);
    assert_int_equal(num(a, "data.dispatch_concurrency"), 5);
    a = ask(g, "PATCH", where, g->admin, "{\"dispatch_concurrency\":500,\"colour\":1}");
    expect(a, 400, "ValidationError");
    assert_int_equal(json_count(json_path(a.body, "data.validationErrors")), 2);
    assert_int_equal(num(ask(g, "GET", where, g->member, NULL), "data.dispatch_concurrency"), 5);
    assert_int_equal(
        count_rows(g, "select count(*) from audit where action = 'repository.settings_changed'"),
        2);
    /* the lane, which keeps them in memory, was told */
    assert_int_equal(g->engine.settings_changes, 2);
    assert_int_equal(
        count_rows(g, "select count(*) from repository where settings = "
                      "'{\"dispatch_concurrency\":5,\"reviews\":true,\"comment\":false}'"),
        1);
}

static void test_permission_rows(void **state)
{
    struct rig *g = *state;
    const char *where = path(g, "/api/v1/repositories/%lld/permissions", g->repo);
    struct answer a = ask(g, "GET", where, g->member, NULL);
    assert_int_equal(json_count(json_path(a.body, "data.items")), 5);       /* the default ones */
    assert_int_equal(
        count_rows(g, "select count(*) from audit where action = 'permission.default_created'"),
        10);
    a = ask(g, "POST", where, g->admin,
            "{\"name\":\"Locks Create\",\"branch\":\"^(main|develop)$\"}");
    expect(a, 201, NULL);
    expect(ask(g, "POST", where, g->admin, "{\"name\":\"Locks Create\",\"branch\":\"(\"}"), 400,
           "ValidationError");
    expect(ask(g, "POST", where, g->admin, "{\"name\":\"Everything\"}"), 400, "ValidationError");
    const char *one = arena_print(g->mem, "%s/%lld", where, (long long)num(a, "data.id")).ptr;
    expect(ask(g, "DELETE", one, g->admin, NULL), 200, NULL);
    expect(ask(g, "DELETE", one, g->admin, NULL), 404, NULL);
    expect(ask(g, "DELETE", arena_print(g->mem, "%s/x", where).ptr, g->admin, NULL), 404, NULL);
}

static void test_importing_again_changes_the_same_repository(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(g, "POST", "/api/v1/repositories", g->admin,
                          "{\"owner\":\"acme\",\"name\":\"fresh\",\"forgeId\":4242}");
    expect(a, 201, NULL);
    struct answer again = ask(
        g, "POST", "/api/v1/repositories", g->admin,
        "{\"owner\":\"acme\",\"name\":\"renamed\",\"forgeId\":4242,\"defaultBranch\":\"trunk\"}");
    expect(again, 201, NULL);
    assert_int_equal(num(a, "data.id"), num(again, "data.id"));
    assert_text(at(g, again, "data.name"), "renamed");
    assert_int_equal(count_rows(g, "select count(*) from permission p join repository r on r.id = "
                                   "p.repository_id where r.forge_id = 4242"),
                     5);
    expect(ask(g, "POST", "/api/v1/repositories", g->admin,
               "{\"owner\":\"a/b\",\"name\":\"x\",\"forgeId\":1}"),
           400, NULL);
}

static void test_tokens_are_shown_once(void **state)
{
    struct rig *g = *state;
    struct answer a =
        ask(g, "POST", "/api/v1/tokens", g->admin,
            arena_print(g->mem, "{\"name\":\"ci\",\"role\":\"member\",\"repositoryId\":%lld}",
                        (long long)g->repo)
                .ptr);
    expect(a, 201, NULL);
    str token = at(g, a, "data.token");
    expect(ask(g, "GET", "/api/v1/repositories", token, NULL), 200, NULL);
    assert_false(
        str_has(ask(g, "GET", "/api/v1/tokens", g->admin, NULL).text, str_after_last(token, '_')));
    expect(ask(g, "POST", "/api/v1/tokens", g->admin, "{\"name\":\"x\",\"role\":\"owner\"}"), 400,
           NULL);
    expect(ask(g, "POST", "/api/v1/tokens", g->admin, "{\"name\":\"x\",\"repositoryId\":99999}"),
           404, NULL);
}

static void test_a_fact_can_be_applied_again(void **state)
{
    struct rig *g = *state;
    (void)deliver(g, "push", "f1", "new-secret", "{\"repository\":{\"id\":9001}}");
    int64_t id = count_rows(g, "select id from fact where key = 'github:f1'");
    /* still to be applied */
    expect(ask(g, "POST", path(g, "/api/v1/facts/%lld/replay", id), g->admin, NULL), 409,
           "Conflict");
    run(g->b, "update fact set state = 2, note = 'odd' where id = $1", ARGS(A(id)));
    expect(ask(g, "POST", path(g, "/api/v1/facts/%lld/replay", id), g->admin, NULL), 200, NULL);
    assert_int_equal(count_rows(g, "select state from fact where key = 'github:f1'"), 0);
    expect(ask(g, "POST", "/api/v1/facts/987654/replay", g->admin, NULL), 404, NULL);
}

static void test_execution_records_and_their_large_part(void **state)
{
    struct rig *g = *state;
    struct answer d = ask(g, "POST", "/api/v1/atmos/exec/data", g->session,
                          "{\"execution_id\":\"e1\",\"data\":{\"version\":1,\"components\":[]}}");
    expect(d, 200, NULL);
    str url = at(g, d, "url");
    assert_true(str_starts(url, STR("https://signalbox.test/api/v1/atmos/exec/data/exd_")));
    const char *body =
        arena_print(g->mem,
                    "{\"execution_id\":\"e1\",\"command\":\"terraform "
                    "plan\",\"exit_code\":2,\"metrics\":{},\"data\":\"" PRI_STR "\"}",
                    FMT_STR(url))
            .ptr;
    for (int i = 0; i < 2; i++)
        expect(ask(g, "POST", "/api/v1/atmos/exec", g->session, body), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from exec_record"), 1);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'exec'"), 1);
    struct answer back = ask(g, "GET", arena_z(g->mem, str_sub(url, 22, url.len)), g->member, NULL);
    expect(back, 200, NULL);
    assert_int_equal(num(back, "data.data.version"), 1);
    /* The first shape: no execution id, items in chunks. */
    expect(ask(g, "POST", "/api/v1/atmos/exec", g->repo_member,
               "{\"command\":\"atmos terraform "
               "plan\",\"exit_code\":0,\"batch_id\":\"b\",\"batch_index\":0,\"batch_total\":2,"
               "\"data_items\":[{}]}"),
           200, NULL);
    expect(ask(g, "POST", "/api/v1/atmos/exec", g->repo_member,
               "{\"command\":\"atmos terraform "
               "plan\",\"exit_code\":0,\"batch_id\":\"b\",\"batch_index\":1,\"batch_total\":2,"
               "\"data_items\":[{}]}"),
           200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from exec_record"), 3);
    expect(ask(g, "POST", "/api/v1/atmos/exec", g->session, "{\"command\":\"x\",\"exit_code\":0,\"data\":\"http://169.254.169.254/\"}"), 400, "ValidationError");
}

static str log_of(struct rig *g, str record, bool inside_data)
{
    struct json v, part;
    struct err e = { 0 };
    str key, plain;
    assert_true(json_parse(g->mem, record, 0, &v, &e));
    struct json_iter it =
        json_iter(json_get(inside_data ? json_get(v, STR("data")) : v, STR("components")));
    assert_true(json_next(&it, g->mem, &key, &part));
    assert_true(base64_read(g->mem, json_str(json_get(part, STR("logs")), g->mem), &plain));
    return plain;
}

static void test_what_a_run_says_is_kept_without_secrets(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "PUT", path(g, "/api/v1/repositories/%lld/secrets/runner-token", g->repo), g->admin,
               "{\"value\":\"r-t0ken-of-eu-1\"}"),
           201, NULL);
    str log = base64_write(
        g->mem, arena_print(g->mem, "+ r-t0ken-of-eu-1\n+ new-secret, old-secret\n"
                                    "MIIEpAIBAAKCAQEAbrEad\nBearer " PRI_STR "\n+ vpc-1\n",
                            FMT_STR(g->session)));
    const char *data =
        arena_print(g->mem, "{\"version\":1,\"components\":[{\"logs\":\"" PRI_STR
                            "\",\"errors\":[\"no r-t0ken-of-eu-1\"]}]}", FMT_STR(log)).ptr;
    expect(ask(g, "POST", "/api/v1/atmos/exec", g->session,
               arena_print(g->mem, "{\"execution_id\":\"e1\",\"command\":\"plan -var "
                                   "r-t0ken-of-eu-1\",\"exit_code\":2,\"data\":%s}", data).ptr),
           200, NULL);
    expect(ask(g, "POST", "/api/v1/atmos/exec/data", g->session,
               arena_print(g->mem, "{\"execution_id\":\"e1\",\"data\":%s}", data).ptr),
           200, NULL);
    str token = str_after_last(g->session, '.'),
        want = arena_print(g->mem, "+ ***\n+ ***, ***\n***\nBearer " PRI_STR "***\n+ vpc-1\n",
                           FMT_STR(str_sub(g->session, 0, g->session.len - token.len)));
    struct db_rows records, larges;
    good(g->b, db_query(g->b->db, g->mem, &g->b->e, &records, "select body from exec_record", NO_ARGS));
    good(g->b, db_query(g->b->db, g->mem, &g->b->e, &larges, "select body from exec_data", NO_ARGS));
    str record = only_body(g, &records), large = only_body(g, &larges);
    assert_true(str_eq(log_of(g, record, true), want));
    assert_true(str_eq(log_of(g, large, false), want));
    assert_false(str_has(record, STR("t0ken")) || str_has(large, STR("t0ken")));
    assert_int_equal(count_rows(g, "select count(*) from exec_record where command = 'plan -var ***'"),
                     1);
}

static void test_the_set_up_page_makes_one_app(void **state)
{
    struct rig *g = *state;
    /* the code stands in the server's log */
    expect(ask(g, "GET", "/setup", STR(""), NULL), 403, "PermissionDenied");
    expect(ask(g, "GET", "/setup?code=wrong", STR(""), NULL), 403, "PermissionDenied");
    struct answer page = ask(g, "GET", "/setup?code=c0de", STR(""), NULL);
    assert_int_equal(page.status, 200);
    assert_true(str_has(page.text, STR("action=\"https://github.com/settings/apps/new?state=")) && str_has(page.text, STR("value=\"{&quot;name&quot;")));
    assert_true(str_has(page.headers, STR("HttpOnly; SameSite=Lax; Secure")));
    str rest, text = page.text, cookie;
    size_t from = 0;
    while (!str_starts(str_sub(text, from, text.len), STR("?state=")))
        from++;
    str state_text = str_sub(text, from + 7, from + 7 + 64);
    from = 0;
    while (!str_starts(str_sub(page.headers, from, page.headers.len), STR("sbx_setup=")))
        from++;
    cookie = str_cut(str_sub(page.headers, from, page.headers.len), ';', &rest);
    const struct http_header mine[] = {{STR("Cookie"), cookie}},
                             other[] = {{STR("Cookie"),
                                         STR("sbx_setup=00000000000000000000000000000000")}};
    const char *good_code =
        arena_print(g->mem, "/setup/callback?code=good&state=" PRI_STR, FMT_STR(state_text)).ptr;
    /* another browser */
    expect(ask_with(g, "GET", good_code, other, 1, STR("")), 400, "ValidationError");
    expect(ask_with(g, "GET", good_code, NULL, 0, STR("")), 400, "ValidationError");
    expect(
        ask_with(
            g, "GET",
            arena_print(g->mem, "/setup/callback?code=bad&state=" PRI_STR, FMT_STR(state_text)).ptr,
            mine, 1, STR("")),
        502, "UpstreamError");
    assert_int_equal(count_rows(g, "select count(*) from app_value"), 0);
    assert_int_equal(ask_with(g, "GET", good_code, mine, 1, STR("")).status, 200);
    assert_int_equal(count_rows(g, "select count(*) from app_value where secret = 1"), 4);
    /* the new secret counts at once */
    expect(deliver(g, "push", "1", "fresh-secret", "{}"), 202, NULL);
    expect(ask(g, "GET", "/setup", STR(""), NULL), 409, "Conflict");
    expect(ask_with(g, "GET", good_code, mine, 1, STR("")), 409, "Conflict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_a_command_is_a_fact_whose_outcome_is_the_answer), API_BOTH(test_what_is_kept_in_git_is_not_set_by_api),
        API_BOTH(test_settings_out_of_bounds_change_nothing),
        API_BOTH(test_held_batches_are_released_by_order),
        API_BOTH(test_a_paused_pull_request_is_resumed_by_its_number),
        API_BOTH(test_a_held_batch_tells_what_holds_it),
        API_BOTH(test_an_idempotency_key_makes_it_one_command), API_BOTH(test_reruns_name_their_node),
        API_BOTH(test_another_workspaces_batch_does_not_exist), API_BOTH(test_nodes_say_what_they_wait_for), API_BOTH(test_pages_show_each_row_once),
        API_BOTH(test_dispatch_by_hand_is_checked_first), API_BOTH(test_settings), API_BOTH(test_permission_rows),
        API_BOTH(test_importing_again_changes_the_same_repository), API_BOTH(test_tokens_are_shown_once), API_BOTH(test_a_fact_can_be_applied_again),
        API_BOTH(test_execution_records_and_their_large_part),
        API_BOTH(test_what_a_run_says_is_kept_without_secrets), API_BOTH(test_the_set_up_page_makes_one_app),
    };
    return cmocka_run_group_tests_name("api admin", tests, NULL, NULL);
}
