/* The inventory and the reports of single runs (atmos-pro.md §4.4, §4.5, §13). */
#include "rig.h"

#define PATH "/api/v1/instances"
#define DRIFT \
    "\"settings\":{\"pro\":{\"enabled\":true,\"drift_detection\":{\"enabled\":true," \
    "\"detect\":{\"workflows\":{\"d.yaml\":{}}}," \
    "\"remediate\":{\"workflows\":{\"r.yaml\":{}}}}}}"
#define PLAIN "\"settings\":{\"pro\":{\"enabled\":true}}"
#define OFF   "\"settings\":{\"pro\":{\"enabled\":false}}"
#define INSTANCE(s, c, settings) "{\"stack\":\"" s "\",\"component\":\"" c "\",\"component_type\":\"terraform\"," settings "}"

static const char *doc(struct rig *g, const char *instances, const char *more)
{
    return arena_print(g->mem,
                       "{\"repo_owner\":\"acme\",\"repo_name\":\"infra\",\"instances\":[%s]%s}",
                       instances, more)
        .ptr;
}

static struct answer report(struct rig *g, str token, const char *query, const char *body)
{
    return ask(g, "PATCH", arena_print(g->mem, "/api/v1/repos/acme/infra/instances?%s", query).ptr,
               token, body);
}

static void test_transitions_are_seen(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", DRIFT), "")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance where enabled = 1 and "
                                   "drift_enabled = 1 and drift_status = 'unknown'"),
                     1);
    g->engine.now_ms += 5000;
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", OFF), "")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance where enabled = 0 and "
                                   "disabled_ms = 1790000005000 and drift_status = 'disabled'"),
                     1);
    g->engine.now_ms += 5000;
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", OFF), "")), 200, NULL);
    /* stamped once */
    assert_int_equal(count_rows(g, "select disabled_ms from instance"), 1790000005000);
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", DRIFT), "")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance where enabled = 1 and "
                                   "disabled_ms is null and drift_status = 'unknown'"),
                     1);
}

static void test_drift_without_its_workflows_refuses_the_whole(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(
        g, "POST", PATH, g->session,
        doc(g,
            INSTANCE("dev", "ok", PLAIN) ","
                                         "{\"stack\":\"prod\",\"component\":\"eks\",\"settings\":{"
                                         "\"pro\":{\"drift_detection\":{\"enabled\":true}}}}",
            ""));
    expect(a, 400, "DriftDetectionValidationError");
    assert_true(json_count(json_path(a.body, "data.validationErrors")) >= 1);
    assert_true(str_has(a.text, STR("prod")) && str_has(a.text, STR("eks")));
    assert_int_equal(count_rows(g, "select count(*) from instance"), 0);
}

static void test_who_is_orphaned_and_when(void **state)
{
    struct rig *g = *state;
    const char *four = INSTANCE("dev", "a", PLAIN) "," INSTANCE("dev", "b", PLAIN) "," INSTANCE(
        "dev", "c", PLAIN) "," INSTANCE("dev", "d", PLAIN);
    const char *three =
        INSTANCE("dev", "a", PLAIN) "," INSTANCE("dev", "b", PLAIN) "," INSTANCE("dev", "c", PLAIN);
    str topic = session_of(g, "topic", ",\"ref\":\"refs/heads/topic\"");
    const struct { const char *agent; str token; const char *instances; int64_t orphans; } table[] = {
        { "atmos/1.226.1 (linux; amd64)", g->session, four, 0 },
        /* uploaded only some, §4.15 */
        { "atmos/1.220.9 (linux; amd64)", g->session, three, 0 },
        { "curl/8", g->session, three, 0 },
        { "atmos/1.226.1 (linux; amd64)", topic, three, 0 },            /* not the default branch */
        /* no session says which branch */
        { "atmos/1.226.1 (linux; amd64)", g->member, three, 0 },
        /* less than half: a filter */
        { "atmos/1.226.1 (linux; amd64)", g->session, INSTANCE("dev", "a", PLAIN), 0 },
        { "atmos/v1.221.0 (linux; amd64)", g->session, three, 1 },
        { "atmos/1.226.1 (linux; amd64)", g->session, four, 0 },        /* seen again */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        g->engine.now_ms += 1000;
        g->agent = table[i].agent;
        expect(ask(g, "POST", PATH, table[i].token, doc(g, table[i].instances, "")), 200, NULL);
        if (count_rows(g, "select count(*) from instance where orphaned = 1") != table[i].orphans)
            stop_test("row %zu of the table\n", i);
    }
}

static void test_chunks_of_an_inventory_are_one_inventory(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session,
               doc(g, INSTANCE("dev", "a", PLAIN),
                   ",\"batch_id\":\"x\",\"batch_index\":0,\"batch_total\":2")),
           200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance"), 0);
    expect(ask(g, "POST", PATH, g->session,
               doc(g, INSTANCE("dev", "b", PLAIN),
                   ",\"batch_id\":\"x\",\"batch_index\":1,\"batch_total\":2")),
           200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance where orphaned = 0"), 2);
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 0);
}

static void test_a_report_moves_the_drift_status(void **state)
{
    struct rig *g = *state;
    str pull = session_of(
        g, "pull", ",\"ref\":\"refs/pull/7/merge\",\"head_ref\":\"topic\",\"base_ref\":\"main\"");
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", DRIFT), "")), 200, NULL);
    const struct { str token; const char *body, *drift; } table[] = {
        { g->session, "{\"command\":\"plan\",\"exit_code\":0,\"last_run\":\"2026-09-21T14:13:20Z\"}", "in_sync" },
        /* a planned change is not drift */
        { pull,       "{\"command\":\"plan\",\"exit_code\":2,\"last_run\":\"2026-09-21T14:13:21Z\"}", "in_sync" },
        { g->session, "{\"command\":\"terraform plan\",\"exit_code\":2,\"last_run\":\"2026-09-21T14:13:22Z\"}", "drifted" },
        /* older than what is known */
        { g->session, "{\"command\":\"plan\",\"exit_code\":0,\"last_run\":\"2026-09-21T14:13:19Z\"}", "drifted" },
        { g->session, "{\"command\":\"apply\",\"exit_code\":1,\"last_run\":\"2026-09-21T14:13:23Z\"}", "error" },
        { g->session, "{\"command\":\"apply\",\"exit_code\":0,\"last_run\":\"2026-09-21T14:13:24Z\"}", "in_sync" },
        { g->session, "{\"status\":\"drifted\",\"last_run\":\"2026-09-21T14:13:25Z\"}", "drifted" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answer a = report(g, table[i].token, "stack=dev&component=vpc", table[i].body);
        expect(a, 200, NULL);
        if (!str_eq(at(g, a, "data.driftStatus"), str_of(table[i].drift)))
            stop_test("row %zu: " PRI_STR "\n", i, FMT_STR(a.text));
    }
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'report'"),
                     (int64_t)(sizeof table / sizeof table[0]));
    /* sent again: the same report */
    (void)report(g, g->session, "stack=dev&component=vpc", table[0].body);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'report'"),
                     (int64_t)(sizeof table / sizeof table[0]));
    assert_int_equal(
        count_rows(g, "select count(*) from audit where action = 'instance.drift_status_updated'"),
        5);
}

static void test_names_are_opaque(void **state)
{
    struct rig *g = *state;
    const char *plan = "{\"command\":\"plan\",\"exit_code\":0}";
    expect(
        ask(g, "POST", PATH, g->session, doc(g, INSTANCE("org/a b+c", "eks/cluster", PLAIN), "")),
        200, NULL);
    expect(report(g, g->session, "stack=org%2Fa+b%2Bc&component=eks%2Fcluster", plan), 200, NULL);
    expect(report(g, g->session, "component=eks%2Fcluster&stack=org%2Fa%20b%2Bc", plan), 200, NULL);
    expect(report(g, g->session, "component=eks%2Fcluster&stack=org%2Fa", plan), 404,
           "InstanceNotFound");
    expect(report(g, g->session, "component=eks%2Fcluster", plan), 400, "ValidationError");
    struct answer a =
        ask(g, "PATCH", "/api/v1/repos/acme/infra/instances/org%2Fa%20b%2Bc/eks/cluster",
            g->session, plan);
    expect(a, 200, NULL);
    assert_true(str_has(a.headers, STR("Deprecation: ")));
    expect(
        ask(g, "PATCH", "/api/v1/repos/acme/other/instances?stack=a&component=b", g->session, plan),
        403, "RepositoryMismatch");
}

/* CLIs before the fix of #3102 cut `foo/bar/baz` to `baz`. */
static void test_a_cut_name_finds_the_only_one_it_can_be(void **state)
{
    struct rig *g = *state;
    const char *plan = "{\"command\":\"plan\",\"exit_code\":0}";
    expect(ask(g, "POST", PATH, g->session,
               doc(g,
                   INSTANCE("dev", "foo/bar/baz", PLAIN) "," INSTANCE(
                       "prod", "x/baz", PLAIN) "," INSTANCE("prod", "y/baz", PLAIN),
                   "")),
           200, NULL);
    expect(report(g, g->session, "stack=dev&component=baz", plan), 200, NULL);
    expect(report(g, g->session, "stack=dev&component=az", plan), 404, "InstanceNotFound");
    /* two it could be */
    expect(report(g, g->session, "stack=prod&component=baz", plan), 404, "InstanceNotFound");
}

static void test_the_source_of_a_result_is_known(void **state)
{
    struct rig *g = *state;
    const char *plan = "{\"command\":\"plan\",\"exit_code\":0}";
    expect(ask(g, "POST", PATH, g->session,
               doc(g, INSTANCE("dev", "x/vpc", PLAIN) "," INSTANCE("dev", "y/vpc", PLAIN), "")),
           200, NULL);
    expect(report(g, g->session, "stack=dev&component=x%2Fvpc", plan), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from instance where last_source = 'external'"),
                     1);
    run(g->b,
        "insert into batch (id, repository_id, event, activity, head_sha, state, edges, "
        "created_ms, updated_ms)"
        " values ('batch_1', $1, 'pull_request', 'opened', 'abc', 'running', $2, 1, 1)",
        ARGS(A(g->repo), arg_blob(STR(""))));
    run(g->b,
        "insert into run (id, batch_seq, position, attempt, repository_id, stack, component, "
        "workflow, ref, sha, state, forge_run_id, created_ms, seen_ms) select 'run_1', seq, 0, 1, "
        "repository_id, 'dev', 'y/vpc', 'plan.yaml', 'main', 'abc', 'running', 555, 1, 1 from "
        "batch",
        NO_ARGS);
    /* a cut name: the one this run was dispatched for */
    expect(report(g, g->session, "stack=dev&component=vpc", plan), 200, NULL);
    assert_int_equal(
        count_rows(
            g, "select count(*) from instance where last_source = 'run_1' and component = 'y/vpc'"),
        1);
}

static void test_a_result_under_an_older_token_is_refused(void **state)
{
    struct rig *g = *state;
    const char *apply = "{\"command\":\"apply\",\"exit_code\":0}";
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", PLAIN), "")), 200, NULL);
    run(g->b,
        "insert into batch (id, repository_id, event, activity, head_sha, state, edges, "
        "created_ms, updated_ms)"
        " values ('batch_1', $1, 'pull_request', 'merged', 'abc', 'running', $2, 1, 1)",
        ARGS(A(g->repo), arg_blob(STR(""))));
    run(g->b,
        "insert into run (id, batch_seq, position, attempt, repository_id, stack, component, "
        "workflow, ref, sha, state, forge_run_id, fence, created_ms, seen_ms) select 'run_1', seq, "
        "0, 1, repository_id, 'dev', 'vpc', 'apply.yaml', 'main', 'abc', 'running', 555, 4, 1, 1 "
        "from batch",
        NO_ARGS);
    run(g->b, "update instance set fence = 4", NO_ARGS);
    expect(report(g, g->session, "stack=dev&component=vpc", apply), 200, NULL);
    /* the next apply has begun */
    run(g->b, "update instance set fence = 5", NO_ARGS);
    expect(
        report(g, g->session, "stack=dev&component=vpc", "{\"command\":\"apply\",\"exit_code\":1}"),
        409, "Conflict");
    assert_int_equal(count_rows(g, "select count(*) from instance where last_exit_code = 0"), 1);
    run(g->b, "update instance set fence = 4", NO_ARGS);

    /* A lock taken by hand: its token may come back with the result. */
    const char *lock = "{\"key\":\"acme/infra/dev/vpc\",\"ttl\":60}",
               *unlock_second = "{\"key\":\"acme/infra/dev/vpc\",\"token\":2}";
    expect(ask(g, "POST", "/api/v1/locks", g->member, lock), 200, NULL);
    expect(ask(g, "DELETE", "/api/v1/locks", g->member,
               "{\"key\":\"acme/infra/dev/vpc\",\"token\":1}"),
           200, NULL);
    expect(ask(g, "POST", "/api/v1/locks", g->member, lock), 200, NULL);
    expect(report(g, g->session, "stack=dev&component=vpc",
                  "{\"command\":\"apply\",\"exit_code\":0,\"lock_token\":1}"),
           409, "Conflict");
    expect(report(g, g->session, "stack=dev&component=vpc",
                  "{\"command\":\"apply\",\"exit_code\":0,\"lock_token\":2}"),
           200, NULL);
    expect(ask(g, "DELETE", "/api/v1/locks", g->member,
               "{\"key\":\"acme/infra/dev/vpc\",\"token\":1}"),
           409, "Conflict");
    expect(ask(g, "DELETE", "/api/v1/locks", g->member, unlock_second), 200, NULL);
}

static void test_bad_reports(void **state)
{
    struct rig *g = *state;
    const char *const table[] = {
        "{}",
        "{\"command\":\"plan\"}",
        "{\"command\":\"dance\",\"exit_code\":0}",
        "{\"command\":\"plan\",\"exit_code\":\"0\"}",
        "{\"status\":\"fine\"}",
        "{\"command\":\"plan\",\"exit_code\":0,\"last_run\":\"yesterday\"}",
        "{\"command\":\"plan\",\"exit_code\":99999999999}"};
    expect(ask(g, "POST", PATH, g->session, doc(g, INSTANCE("dev", "vpc", PLAIN), "")), 200, NULL);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        expect(report(g, g->session, "stack=dev&component=vpc", table[i]), 400, "ValidationError");
    assert_int_equal(count_rows(g, "select count(*) from instance where last_run_ms is not null"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_transitions_are_seen), API_BOTH(test_drift_without_its_workflows_refuses_the_whole), API_BOTH(test_who_is_orphaned_and_when),
        API_BOTH(test_chunks_of_an_inventory_are_one_inventory), API_BOTH(test_a_report_moves_the_drift_status), API_BOTH(test_names_are_opaque),
        API_BOTH(test_a_cut_name_finds_the_only_one_it_can_be), API_BOTH(test_the_source_of_a_result_is_known), API_BOTH(test_bad_reports),
        API_BOTH(test_a_result_under_an_older_token_is_refused),
    };
    return cmocka_run_group_tests_name("api inventory", tests, NULL, NULL);
}
