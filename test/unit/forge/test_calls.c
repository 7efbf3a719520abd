/*
 * The port: for every kind of call, what is sent and what is made of the answer.
 */
#include "rig.h"

#define REPO "/repos/acme/infra"

/* ---- one request, one answer ---- */

static const struct {
    const char *name;
    struct forge_call call;
    const char *method, *target, *sent;     /* sent: must stand in the request */
    int status;
    const char *answer;
    enum forge_outcome outcome;
    const char *result;
} CALLS[] = {
    {"dispatch, with run details",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "\"return_run_details\":true",
     200,
     "{\"workflow_run_id\":30433642,\"run_url\":\"u\",\"html_url\":\"https://github.com/acme/infra/"
     "actions/runs/30433642\"}",
     FORGE_OK,
     "{\"run_id\":30433642,\"url\":\"https://github.com/acme/infra/actions/runs/30433642\"}"},
    {"dispatch, without",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "{\"ref\":\"main\",\"inputs\":{}",
     204,
     "",
     FORGE_OK,
     "{}"},
    {"dispatch of an unknown workflow",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("no.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/no.yaml/dispatches",
     "",
     404,
     "{\"message\":\"Not Found\"}",
     FORGE_NOT_FOUND,
     "{}"},
    {"dispatch that an inputs rule forbids",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     422,
     "{\"message\":\"Unexpected inputs provided: [\\\"x\\\"]\"}",
     FORGE_REFUSED,
     "{}"},
    {"dispatch answered by a proxy",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     200,
     "<html>welcome</html>",
     FORGE_LOST,
     "{}"},
    {"dispatch, 502 in HTML",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     502,
     "<html>Unicorn!</html>",
     FORGE_LOST,
     "{}"},
    {"dispatch, 500",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     500,
     "{\"message\":\"oops\"}",
     FORGE_LOST,
     "{}"},
    {"dispatch, timed out in a proxy",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     408,
     "",
     FORGE_LOST,
     "{}"},
    {"dispatch, cut",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     CLOSES,
     "",
     FORGE_LOST,
     "{}"},
    {"dispatch without the permission",
     {.kind = FORGE_DISPATCH, .file = STR_INIT("plan.yaml"), .ref = STR_INIT("main")},
     "POST",
     "=" REPO "/actions/workflows/plan.yaml/dispatches",
     "",
     403,
     "{\"message\":\"Resource not accessible by integration\"}",
     FORGE_NO_ACCESS,
     "{}"},
    {"a run",
     {.kind = FORGE_READ_RUN, .run_id = 30433642},
     "GET",
     "=" REPO "/actions/runs/30433642",
     "",
     200,
     "{\"id\":30433642,\"run_attempt\":2,\"status\":\"completed\",\"conclusion\":\"success\","
     "\"display_title\":\"plan vpc\","
     "\"path\":\".github/workflows/"
     "plan.yaml@main\",\"event\":\"workflow_dispatch\",\"html_url\":\"h\","
     "\"created_at\":\"2026-01-01T00:00:01Z\",\"run_started_at\":\"2026-01-01T00:00:02Z\","
     "\"updated_at\":\"2026-01-01T00:00:03Z\",\"actor\":{\"login\":\"signalbox-test[bot]\"}}",
     FORGE_OK,
     "{\"id\":30433642,\"attempt\":2,\"state\":\"completed\",\"conclusion\":\"success\",\"title\":"
     "\"plan vpc\","
     "\"path\":\"plan.yaml\",\"event\":\"workflow_dispatch\",\"url\":\"h\",\"created_ms\":"
     "1767225601000,"
     "\"started_ms\":1767225602000,\"updated_ms\":1767225603000,\"actor\":\"signalbox-test[bot]"
     "\"}"},
    {"a run that waits for a person",
     {.kind = FORGE_READ_RUN, .run_id = 1},
     "GET",
     "=" REPO "/actions/runs/1",
     "",
     200,
     "{\"id\":1,\"status\":\"waiting\",\"conclusion\":null}",
     FORGE_OK,
     "{\"id\":1,\"attempt\":1,\"state\":\"waiting\",\"conclusion\":\"\",\"title\":\"\",\"path\":"
     "\"\",\"event\":\"\",\"url\":\"\","
     "\"created_ms\":0,\"started_ms\":0,\"updated_ms\":0,\"actor\":\"\"}"},
    {"a run, cut: can be read again",
     {.kind = FORGE_READ_RUN, .run_id = 1},
     "GET",
     "=" REPO "/actions/runs/1",
     "",
     CLOSES,
     "",
     FORGE_NOT_SENT,
     "{}"},
    {"a run, 503: can be read again",
     {.kind = FORGE_READ_RUN, .run_id = 1},
     "GET",
     "=" REPO "/actions/runs/1",
     "",
     503,
     "",
     FORGE_NOT_SENT,
     "{}"},
    {"a run that is another object",
     {.kind = FORGE_READ_RUN, .run_id = 1},
     "GET",
     "=" REPO "/actions/runs/1",
     "",
     200,
     "{\"hello\":1}",
     FORGE_NOT_SENT,
     "{}"},
    {"a deleted run",
     {.kind = FORGE_READ_RUN, .run_id = 1},
     "GET",
     "=" REPO "/actions/runs/1",
     "",
     410,
     "{\"message\":\"Gone\"}",
     FORGE_NOT_FOUND,
     "{}"},
    {"cancel",
     {.kind = FORGE_CANCEL_RUN, .run_id = 9},
     "POST",
     "=" REPO "/actions/runs/9/cancel",
     "",
     202,
     "{}",
     FORGE_OK,
     "{}"},
    {"cancel what has ended",
     {.kind = FORGE_CANCEL_RUN, .run_id = 9},
     "POST",
     "=" REPO "/actions/runs/9/cancel",
     "",
     409,
     "{\"message\":\"Cannot cancel a workflow run that is completed.\"}",
     FORGE_OK,
     "{}"},
    {"run again",
     {.kind = FORGE_RERUN, .run_id = 9},
     "POST",
     "=" REPO "/actions/runs/9/rerun",
     "",
     201,
     "{}",
     FORGE_OK,
     "{}"},
    {"a file",
     {.kind = FORGE_READ_FILE,
      .path = STR_INIT(".github/workflows/a b.yaml"),
      .ref = STR_INIT("feature/x y"),
      .etag = STR_INIT("W/\"abc\"")},
     "GET",
     "=" REPO "/contents/.github/workflows/a%20b.yaml?ref=feature%2Fx%20y",
     "If-None-Match: W/\"abc\"\r\n",
     200,
     "{\"type\":\"file\",\"encoding\":\"base64\",\"sha\":\"b10b\",\"content\":\"b246IFtw\\ndXNoXQ=="
     "\\n\"}",
     FORGE_OK,
     "{\"found\":true,\"blob\":\"b10b\",\"text\":\"on: [push]\",\"etag\":\"\"}"},
    {"a file as it was",
     {.kind = FORGE_READ_FILE, .path = STR_INIT("a"), .etag = STR_INIT("\"e\"")},
     "GET",
     "=" REPO "/contents/a",
     "If-None-Match: \"e\"",
     304,
     "",
     FORGE_OK,
     "{\"unchanged\":true}"},
    {"no file",
     {.kind = FORGE_READ_FILE, .path = STR_INIT("a")},
     "GET",
     "=" REPO "/contents/a",
     "",
     404,
     "{\"message\":\"Not Found\"}",
     FORGE_OK,
     "{\"found\":false}"},
    {"a folder",
     {.kind = FORGE_READ_FILE, .path = STR_INIT("a")},
     "GET",
     "=" REPO "/contents/a",
     "",
     200,
     "[]",
     FORGE_OK,
     "{\"found\":false}"},
    {"a file of bytes",
     {.kind = FORGE_READ_FILE, .path = STR_INIT("a")},
     "GET",
     "=" REPO "/contents/a",
     "",
     200,
     "{\"type\":\"file\",\"encoding\":\"base64\",\"sha\":\"b\",\"content\":\"//4A\"}",
     FORGE_OK,
     "{\"found\":true,\"blob\":\"b\",\"text\":\"\",\"etag\":\"\",\"binary\":true}"},
    {"an empty file",
     {.kind = FORGE_READ_FILE, .path = STR_INIT("a")},
     "GET",
     "=" REPO "/contents/a",
     "",
     200,
     "{\"type\":\"file\",\"encoding\":\"base64\",\"sha\":\"b\",\"content\":\"\"}",
     FORGE_OK,
     "{\"found\":true,\"blob\":\"b\",\"text\":\"\",\"etag\":\"\"}"},
    {"a new check",
     {.kind = FORGE_PUT_CHECK, .body = STR_INIT("{\"name\":\"S\",\"head_sha\":\"abc\"}")},
     "POST",
     "=" REPO "/check-runs",
     "{\"name\":\"S\",\"head_sha\":\"abc\"}",
     201,
     "{\"id\":4}",
     FORGE_OK,
     "{\"id\":4}"},
    {"a check that is known",
     {.kind = FORGE_PUT_CHECK,
      .object = 4,
      .body = STR_INIT("{\"head_sha\":\"abc\",\"name\":\"S\"}")},
     "PATCH",
     "=" REPO "/check-runs/4",
     "\r\n\r\n{\"name\":\"S\"}",
     200,
     "{\"id\":4}",
     FORGE_OK,
     "{\"id\":4}"},
    {"a check that is gone",
     {.kind = FORGE_PUT_CHECK, .object = 4, .body = STR_INIT("{\"name\":\"S\"}")},
     "PATCH",
     "=" REPO "/check-runs/4",
     "",
     404,
     "{\"message\":\"Not Found\"}",
     FORGE_NOT_FOUND,
     "{}"},
    {"a review",
     {.kind = FORGE_REVIEW,
      .number = 7,
      .text = STR_INIT("fine"),
      .review = STR_INIT("APPROVE"),
      .sha = STR_INIT("abc")},
     "POST",
     "=" REPO "/pulls/7/reviews",
     "{\"commit_id\":\"abc\",\"body\":\"fine\",\"event\":\"APPROVE\"}",
     200,
     "{\"id\":80}",
     FORGE_OK,
     "{\"id\":80}"},
    {"a repository",
     {.kind = FORGE_READ_REPO},
     "GET",
     "=" REPO,
     "",
     200,
     "{\"id\":77,\"name\":\"infra\",\"owner\":{\"login\":\"acme\"},\"default_branch\":\"trunk\","
     "\"archived\":true}",
     FORGE_OK,
     "{\"id\":77,\"owner\":\"acme\",\"name\":\"infra\",\"default_branch\":\"trunk\",\"archived\":"
     "true}"},
    {"a commit",
     {.kind = FORGE_READ_COMMIT, .ref = STR_INIT("feature/x")},
     "GET",
     "=" REPO "/commits/feature%2Fx?per_page=1",
     "",
     200,
     "{\"sha\":\"c0\",\"commit\":{\"tree\":{\"sha\":\"7e\"}}}",
     FORGE_OK,
     "{\"sha\":\"c0\",\"tree\":\"7e\"}"},
    {"a permission",
     {.kind = FORGE_PERMISSION, .login = STR_INIT("mona[bot]")},
     "GET",
     "=" REPO "/collaborators/mona%5Bbot%5D/permission",
     "",
     200,
     "{\"permission\":\"write\",\"role_name\":\"maintain\",\"user\":{\"id\":1}}",
     FORGE_OK,
     "{\"permission\":\"write\",\"role\":\"maintain\",\"user_id\":1}"},
    {"installations",
     {.kind = FORGE_LIST_INSTALLATIONS},
     "GET",
     "=/app/installations?per_page=100",
     "Authorization: Bearer eyJ",
     200,
     "[{\"id\":5,\"account\":{\"login\":\"acme\"},\"suspended_at\":null},{\"id\":6,\"suspended_"
     "at\":\"2026-01-01T00:00:00Z\"}]",
     FORGE_OK,
     "{\"installations\":[{\"id\":5,\"account\":\"acme\",\"suspended\":false},{\"id\":6,"
     "\"account\":\"\",\"suspended\":true}]}"},
    {"redelivery",
     {.kind = FORGE_REDELIVER, .object = 12},
     "POST",
     "=/app/hook/deliveries/12/attempts",
     "",
     202,
     "",
     FORGE_OK,
     "{}"},
    {"pulls of an unknown commit",
     {.kind = FORGE_FIND_PULLS, .sha = STR_INIT("abc")},
     "GET",
     "=" REPO "/commits/abc/pulls?per_page=100",
     "",
     422,
     "{\"message\":\"No commit found for SHA: abc\"}",
     FORGE_NOT_FOUND,
     "{}"},
    {"refused with a list of errors",
     {.kind = FORGE_REVIEW, .number = 7},
     "POST",
     "=" REPO "/pulls/7/reviews",
     "",
     422,
     "{\"message\":\"Validation Failed\",\"errors\":[\"too "
     "long\",{\"resource\":\"Review\",\"field\":\"body\",\"code\":\"missing\"},"
     "{\"message\":\"no\"}]}",
     FORGE_REFUSED,
     "{}"},
};

static void each_call_sends_and_reads_what_github_documents(void **state)
{
    for (size_t i = 0; i < COUNT(CALLS); i++) {
        rig_forget();
        rig_when(CALLS[i].method, CALLS[i].target, CALLS[i].status, CALLS[i].answer);
        struct forge_answer a = rig_ask(CALLS[i].call);
        if (a.outcome != CALLS[i].outcome || !str_eq(a.result, str_of(CALLS[i].result)))
            fail_msg("%s: %s %.*s (%.*s)", CALLS[i].name, forge_outcome_name(a.outcome),
                     FMT_STR(a.result), FMT_STR(a.message));
        if (!str_has(rig_request(0), str_of(CALLS[i].sent)))
            fail_msg("%s: sent %.*s", CALLS[i].name, FMT_STR(rig_request(0)));
        assert_int_equal(a.status, a.outcome == FORGE_OK       ? 200
                                   : CALLS[i].status == CLOSES ? 0
                                                               : CALLS[i].status);
        assert_has(rig_request(0),
                   STR("Accept: application/vnd.github+json, application/json;q=0.9\r\n"));
        assert_has(rig_request(0), STR("X-GitHub-Api-Version: 2022-11-28\r\n"));
        assert_has(rig_request(0), STR("User-Agent: signalbox-test\r\n"));
    }
}

static void a_refusal_says_everything_that_github_says(void **state)
{
    rig_when("POST", REPO "/pulls/7/reviews", 422,
             "{\"message\":\"Validation Failed\",\"errors\":[\"too "
             "long\",{\"resource\":\"Review\",\"field\":\"body\","
             "\"code\":\"missing\"},{\"message\":\"no\"}]}");
    struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_REVIEW, .number = 7 });
    assert_str(a.message, STR("Validation Failed; too long; Review body: missing; no"));
    rig_forget();
    rig_when("GET", REPO "/pulls/7", 403,
             "{\"message\":\"Resource not accessible by integration\"}",
             "X-Accepted-GitHub-Permissions: pull_requests=read\r\n");
    a = rig_ask((struct forge_call){ .kind = FORGE_READ_PULL, .number = 7 });
    assert_int_equal(a.outcome, FORGE_NO_ACCESS);
    assert_str(a.message, STR("Resource not accessible by integration (needs pull_requests=read)"));
}

static void inputs_travel_as_strings(void **state)
{
    struct forge_input in[] = {{STR("stack"), STR("prod \"1\"")},
                               {STR("atmos_pro_run_id"), STR("run_1")}};
    rig_when("POST", REPO "/actions", 204, "");
    rig_ask((struct forge_call){.kind = FORGE_DISPATCH,
                                .file = STR("a.yaml"),
                                .ref = STR("main"),
                                .inputs = in,
                                .input_count = 2});
    assert_has(rig_request(0), STR("{\"ref\":\"main\",\"inputs\":{\"stack\":\"prod "
                                   "\\\"1\\\"\",\"atmos_pro_run_id\":\"run_1\"},"));
    assert_has(rig_request(0), STR("Content-Type: application/json\r\n"));
}

static void nothing_hostile_becomes_an_address(void **state)
{
    static const struct { const char *name; struct forge_call call; } bad[] = {
        { "owner with a slash", { .kind = FORGE_READ_REPO, .owner = STR_INIT("a/b") } },
        { "owner ..", { .kind = FORGE_READ_REPO, .owner = STR_INIT("..") } },
        { "empty name", { .kind = FORGE_READ_REPO, .name = STR_INIT("") } },
        { "name .", { .kind = FORGE_READ_REPO, .name = STR_INIT(".") } },
        { "line break", { .kind = FORGE_READ_REPO, .name = STR_INIT("a\r\nX: y") } },
        { "path upwards", { .kind = FORGE_READ_FILE, .path = STR_INIT("a/../../../other/contents/x") } },
        { "path with an empty part", { .kind = FORGE_READ_FILE, .path = STR_INIT("a//b") } },
        { "file upwards", { .kind = FORGE_DISPATCH, .file = STR_INIT(".."), .ref = STR_INIT("main") } },
        { "file with a slash", { .kind = FORGE_FIND_RUNS, .file = STR_INIT("a/b.yaml") } },
        { "login with a slash", { .kind = FORGE_PERMISSION, .login = STR_INIT("a/../b") } },
        { "sha with a slash", { .kind = FORGE_FIND_PULLS, .sha = STR_INIT("a/b") } },
        { "no number", { .kind = FORGE_READ_PULL } },
        { "negative run", { .kind = FORGE_CANCEL_RUN, .run_id = -1 } },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct forge_answer a = rig_ask(bad[i].call);
        if (a.outcome != FORGE_REFUSED || !a.message.len || rig_requests())
            fail_msg("%s: %s, %d requests", bad[i].name, forge_outcome_name(a.outcome),
                     rig_requests());
    }
    rig_when("GET", "=/repos/a%3Fb%23c%25/infra", 404, "{}");
    assert_int_equal(
        rig_ask((struct forge_call){.kind = FORGE_READ_REPO, .owner = STR("a?b#c%")}).outcome,
        FORGE_NOT_FOUND);
}

static void a_server_that_is_not_there_was_sent_nothing(void **state)
{
    struct github_config c = { .api_base = STR("http://127.0.0.1:1"), .app_id = 1, .private_key_pem = str_of(rig_pem()) };
    struct forge_answer a = rig_ask_other(
        c, (struct forge_call){.kind = FORGE_DISPATCH, .file = STR("a.yaml"), .ref = STR("m")});
    assert_int_equal(a.outcome, FORGE_NOT_SENT);
    assert_has(a.message, STR("could not be reached"));
}

/* ---- dispatch on hosts that do not know the flag ---- */

#define DISPATCH ((struct forge_call){ .kind = FORGE_DISPATCH, .file = STR("a.yaml"), .ref = STR("m") })

static void an_old_host_is_asked_without_the_flag_and_that_is_remembered(void **state)
{
    struct rule *flag = rig_when(
        "POST", REPO "/actions", 422,
        "{\"message\":\"Invalid request. \\\"return_run_details\\\" is not a permitted key.\"}");
    flag->times = 1;
    rig_when("POST", REPO "/actions", 204, "");
    struct forge_answer a = rig_ask(DISPATCH);
    assert_int_equal(a.outcome, FORGE_OK);
    assert_int_equal(rig_seen("return_run_details"), 1);
    assert_int_equal(rig_seen("/dispatches"), 2);
    rig_ask(DISPATCH);
    assert_int_equal(rig_seen("return_run_details"), 1);
    assert_int_equal(rig_seen("/dispatches"), 3);
}

static void a_host_that_knows_the_flag_is_asked_with_it_every_time(void **state)
{
    rig_when("POST", REPO "/actions", 200, "{\"workflow_run_id\":1,\"html_url\":\"h\"}");
    for (int i = 0; i < 3; i++)
        rig_ask(DISPATCH);
    assert_int_equal(rig_seen("\"return_run_details\":true"), 3);
}

static void an_input_of_that_name_does_not_switch_the_flag_off(void **state)
{
    rig_when("POST", REPO "/actions", 422,
             "{\"message\":\"Unexpected inputs provided: [\\\"return_run_details\\\"]\"}");
    struct forge_answer a = rig_ask(DISPATCH);
    assert_int_equal(a.outcome, FORGE_REFUSED);
    assert_int_equal(rig_seen("/dispatches"), 2);
    rig_forget();
    rig_when("POST", REPO "/actions", 204, "");
    rig_ask(DISPATCH);
    assert_int_equal(rig_seen("\"return_run_details\":true"), 1);
}

/* ---- the check ---- */

#define SHA "1f2f4141f2f4141f2f4141f2f4141f2f4141f2f4"
#define CHECK ((struct forge_call){ .kind = FORGE_PUT_CHECK, .body = STR("{\"name\":\"S\",\"head_sha\":\"" SHA "\"}") })
#define CHECKS REPO "/commits/" SHA "/check-runs?app_id=4242&filter=all&per_page=100"

/* The answer to the first attempt was lost: the check may be there, and a second one would stand beside it for ever. */
static void a_check_that_may_exist_is_looked_for_by_its_id(void **state)
{
    rig_when("GET", "=" CHECKS, 200,
             "{\"total_count\":2,\"check_runs\":[{\"id\":3,\"external_id\":\"change-7\"},"
             "{\"id\":4,\"external_id\":\"change-8\"}]}");
    rig_when("PATCH", "=" REPO "/check-runs/4", 200, "{\"id\":4}");
    struct forge_call c = CHECK;
    c.sha = STR(SHA);
    c.marker = STR("change-8");
    assert_str(rig_ask(c).result, STR("{\"id\":4}"));
    assert_int_equal(rig_seen("POST " REPO "/check-runs"), 0);
}

static void a_check_that_was_looked_for_in_vain_is_made(void **state)
{
    rig_when("GET", "=" CHECKS, 200, "{\"total_count\":0,\"check_runs\":[]}");
    rig_when("POST", "=" REPO "/check-runs", 201, "{\"id\":5}");
    struct forge_call c = CHECK;
    c.sha = STR(SHA);
    c.marker = STR("change-8");
    assert_str(rig_ask(c).result, STR("{\"id\":5}"));
    assert_int_equal(rig_seen("POST " REPO "/check-runs"), 1);
}

/* ---- the comment ---- */

#define COMMENT ((struct forge_call){ .kind = FORGE_PUT_COMMENT, .number = 7, .text = STR("<!-- m --> \"hi\""), .marker = STR("<!-- m -->") })
#define COMMENTS REPO "/issues/7/comments"

static void a_known_comment_is_edited_by_one_call(void **state)
{
    rig_when("PATCH", "=" REPO "/issues/comments/31", 200, "{\"id\":31}");
    struct forge_call c = COMMENT;
    c.object = 31;
    struct forge_answer a = rig_ask(c);
    assert_str(a.result, STR("{\"id\":31}"));
    assert_has(rig_request(0), STR("\r\n\r\n{\"body\":\"<!-- m --> \\\"hi\\\"\"}"));
    assert_int_equal(a.calls, 2);       /* and one for the token */
}

static void without_a_known_comment_ours_is_looked_for_and_the_oldest_kept(void **state)
{
    rig_when("GET", "=" COMMENTS "?per_page=100", 200,
             "[{\"id\":1,\"body\":\"<!-- m --> forged\",\"user\":{\"login\":\"mallory\"}},"
             "{\"id\":2,\"body\":\"other\",\"user\":{\"login\":\"signalbox-test[bot]\"}},"
             "{\"id\":3,\"body\":\"<!-- m --> by "
             "app\",\"user\":{\"login\":\"x\"},\"performed_via_github_app\":{\"id\":1}}]",
             "Link: <{BASE}" COMMENTS
             "?per_page=100&page=2>; rel=\"next\", <{BASE}/x?page=2>; rel=\"last\"\r\n");
    rig_when("GET", "=" COMMENTS "?per_page=100&page=2", 200,
             "[{\"id\":4,\"body\":\"x <!-- m -->\",\"user\":{\"login\":\"Signalbox-Test[bot]\"}},"
             "{\"id\":5,\"body\":\"<!-- m -->\",\"performed_via_github_app\":{\"id\":4242}}]");
    rig_when("PATCH", "=" REPO "/issues/comments/4", 200, "{\"id\":4}");
    struct forge_answer a = rig_ask(COMMENT);
    assert_str(a.result, STR("{\"id\":4}"));
    assert_int_equal(rig_seen("POST " COMMENTS), 0);
}

static void a_comment_that_does_not_exist_is_made(void **state)
{
    rig_when("GET", COMMENTS, 200, "[]");
    rig_when("POST", "=" COMMENTS, 201, "{\"id\":9}");
    assert_str(rig_ask(COMMENT).result, STR("{\"id\":9}"));
}

static void a_deleted_comment_is_made_anew_once(void **state)
{
    rig_when("PATCH", REPO "/issues/comments/", 404, "{\"message\":\"Not Found\"}");
    rig_when("GET", COMMENTS, 200,
             "[{\"id\":8,\"body\":\"<!-- m -->\",\"performed_via_github_app\":{\"id\":4242}}]");
    rig_when("POST", COMMENTS, 404, "{\"message\":\"Not Found\"}");
    struct forge_call c = COMMENT;
    c.object = 31;
    assert_int_equal(rig_ask(c).outcome, FORGE_NOT_FOUND);
    assert_int_equal(rig_seen("POST " COMMENTS), 1);
    assert_int_equal(rig_seen("PATCH "), 2);
}

static void a_lost_creation_is_lost_and_a_lost_search_is_not(void **state)
{
    rig_when("GET", COMMENTS, 200, "[]", .times = 1);
    rig_when("POST", COMMENTS, CLOSES);
    assert_int_equal(rig_ask(COMMENT).outcome, FORGE_LOST);
    rig_forget();
    rig_when("GET", COMMENTS, CLOSES);
    assert_int_equal(rig_ask(COMMENT).outcome, FORGE_NOT_SENT);
}

/* ---- lists ---- */

static void pages_are_followed_by_their_links(void **state)
{
    rig_when("GET", "=/installation/repositories?per_page=100", 200,
             "{\"total_count\":2,\"repositories\":[{\"id\":1,\"full_name\":\"acme/"
             "a\",\"name\":\"a\",\"default_branch\":\"main\"}]}",
             "Link: <{BASE}/odd?cursor=x%2C>; rel=\"next\"\r\n");
    rig_when("GET", "=/odd?cursor=x%2C", 200,
             "{\"total_count\":2,\"repositories\":[{\"id\":2,\"name\":\"b\",\"owner\":{\"login\":"
             "\"acme\"}}]}",
             "Link: <{BASE}/first>; rel=\"prev\"\r\n");
    struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_LIST_REPOS });
    assert_str(a.result, STR("{\"repos\":[{\"id\":1,\"owner\":\"acme\",\"name\":\"a\",\"default_"
                             "branch\":\"main\",\"archived\":false},"
                             "{\"id\":2,\"owner\":\"acme\",\"name\":\"b\",\"default_branch\":\"\","
                             "\"archived\":false}]}"));
}

static void a_page_on_another_host_gets_no_token(void **state)
{
    rig_when("GET", REPO "/pulls", 200, "[]", "Link: <http://127.0.0.1:1/pulls?page=2>; rel=\"next\"\r\n");
    struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_LIST_PULLS });
    assert_int_equal(a.outcome, FORGE_NOT_SENT);
    assert_has(a.message, STR("same host"));
}

static void endless_pages_end(void **state)
{
    rig_when("GET", REPO "/pulls", 200, "[{\"number\":1}]",
             "Link: <{BASE}" REPO "/pulls?again>; rel=\"next\"\r\n");
    struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_LIST_PULLS });
    assert_int_equal(a.outcome, FORGE_OK);
    assert_int_equal(rig_seen("GET " REPO "/pulls"), PAGES_MAX);
    assert_true(json_bool_or(json_get(rig_json(a.result), STR("more")), false));
}

#define RUNS REPO "/actions/workflows/a.yaml/runs?event=workflow_dispatch&created="
#define FIND ((struct forge_call){ .kind = FORGE_FIND_RUNS, .file = STR("a.yaml"), .since_ms = 1767225600000 })

static void runs_are_searched_from_two_minutes_before(void **state)
{
    rig_when("GET",
             "=" RUNS "%3E%3D2025-12-31T23%3A58%3A00Z&per_page=100&exclude_pull_requests=true", 200,
             "{\"total_count\":2,\"workflow_runs\":[{\"id\":2,\"event\":\"workflow_dispatch\","
             "\"display_title\":\"run_x\","
             "\"path\":\".github/workflows/a.yaml\"},{\"id\":3,\"event\":\"push\"}]}");
    struct forge_answer a = rig_ask(FIND);
    struct json runs = json_get(rig_json(a.result), STR("runs"));
    assert_int_equal(json_count(runs), 1);
    assert_has(a.result, STR("\"title\":\"run_x\",\"path\":\"a.yaml\""));
    rig_forget();
    rig_when("GET",
             "=" REPO "/actions/"
                      "runs?event=workflow_dispatch&created=%3E%3D2025-12-31T23%3A58%3A00Z&per_"
                      "page=100&exclude_pull_requests=true",
             200, "{\"total_count\":0,\"workflow_runs\":[]}");
    struct forge_call all = FIND;
    all.file = STR("");
    assert_str(rig_ask(all).result, STR("{\"runs\":[]}"));
}

static void a_search_that_was_cut_off_is_continued_before_the_oldest(void **state)
{
    rig_when(
        "GET", RUNS "%3E", 200,
        "{\"total_count\":3,\"workflow_runs\":[{\"id\":3,\"created_at\":\"2026-01-01T00:00:09Z\"},"
        "{\"id\":2,\"created_at\":\"2026-01-01T00:00:05Z\"}]}");
    rig_when(
        "GET", RUNS "2025-12-31T23%3A58%3A00Z..2026-01-01T00%3A00%3A05Z", 200,
        "{\"total_count\":2,\"workflow_runs\":[{\"id\":2,\"created_at\":\"2026-01-01T00:00:05Z\"},"
        "{\"id\":1,\"created_at\":\"2026-01-01T00:00:01Z\"}]}");
    struct forge_answer a = rig_ask(FIND);
    assert_int_equal(a.outcome, FORGE_OK);
    assert_has(a.result, STR("{\"id\":1,"));
}

static void runs_of_a_workflow_that_was_deleted_are_searched_among_all(void **state)
{
    rig_when("GET", RUNS, 404, "{\"message\":\"Not Found\"}");
    rig_when(
        "GET", REPO "/actions/runs?event=workflow_dispatch&created=%3E", 200,
        "{\"total_count\":1,\"workflow_runs\":[{\"id\":2,\"path\":\".github/workflows/a.yaml\"}]}");
    struct forge_answer a = rig_ask(FIND);
    assert_has(a.result, STR("{\"runs\":[{\"id\":2,"));
    rig_forget();
    rig_when("GET", REPO "/actions", 404, "{\"message\":\"Not Found\"}");
    assert_int_equal(rig_ask(FIND).outcome, FORGE_NOT_FOUND);
}

static void a_search_that_stays_incomplete_is_no_answer(void **state)
{
    rig_when("GET", RUNS, 200,
             "{\"total_count\":9,\"workflow_runs\":[{\"id\":3,\"created_at\":\"2026-01-01T00:00:"
             "09Z\"}]}");
    assert_int_equal(rig_ask(FIND).outcome, FORGE_NOT_SENT);
}

static const char PULL[] = "{\"number\":7,\"title\":\"t\",\"user\":{\"login\":\"mona\"},\"html_"
                           "url\":\"h\",\"state\":\"closed\",\"draft\":false,"
                           "\"head\":{\"sha\":\"a1\",\"ref\":\"feature\",\"repo\":null},\"base\":{"
                           "\"sha\":\"b2\",\"ref\":\"main\",\"repo\":{\"id\":1}},"
                           "\"merge_commit_sha\":\"c3\",\"merged_at\":\"2026-01-01T00:00:00Z\","
                           "\"updated_at\":\"2026-01-01T00:00:01Z\"}";
static const char PULL_OURS[] = "{\"number\":7,\"title\":\"t\",\"author\":\"mona\",\"url\":\"h\","
                                "\"state\":\"merged\",\"draft\":false,\"from_fork\":true,"
                                "\"head_sha\":\"a1\",\"head_ref\":\"feature\",\"base_sha\":\"b2\","
                                "\"base_ref\":\"main\",\"merge_sha\":\"c3\","
                                "\"merged_ms\":1767225600000,\"updated_ms\":1767225601000}";

static void pulls_are_read_in_our_words(void **state)
{
    rig_when("GET", "=" REPO "/pulls/7", 200, PULL);
    rig_when("GET", "=" REPO "/commits/a1/pulls?per_page=100", 200,
             arena_print(rig.mem, "[%s]", PULL).ptr);
    rig_when("GET", "=" REPO "/pulls?state=open&per_page=100", 200, "[]");
    assert_str(rig_ask((struct forge_call){.kind = FORGE_READ_PULL, .number = 7}).result,
               str_of(PULL_OURS));
    assert_str(rig_ask((struct forge_call){ .kind = FORGE_FIND_PULLS, .sha = STR("a1") }).result,
               arena_print(rig.mem, "{\"pulls\":[%s]}", PULL_OURS));
    assert_str(rig_ask((struct forge_call){.kind = FORGE_LIST_PULLS}).result,
               STR("{\"pulls\":[]}"));
}

/* ---- deliveries ---- */

#define DELIVERIES "/app/hook/deliveries?per_page=100&status="
#define SINCE ((struct forge_call){ .kind = FORGE_LIST_DELIVERIES, .since_ms = 1767225600000 })

static void without_failures_one_call_is_enough(void **state)
{
    rig_when("GET", "=" DELIVERIES "failure", 200, "[]");
    struct forge_answer a = rig_ask(SINCE);
    assert_str(a.result, STR("{\"failed\":[]}"));
    assert_int_equal(a.calls, 1);
}

static void only_what_never_arrived_is_named_and_once(void **state)
{
    rig_when("GET", "=" DELIVERIES "failure", 200,
             "[{\"id\":9,\"guid\":\"g1\",\"delivered_at\":\"2026-01-01T00:09:00Z\",\"status_code\":"
             "500,\"event\":\"push\",\"action\":null},"
             "{\"id\":8,\"guid\":\"g2\",\"delivered_at\":\"2026-01-01T00:08:00Z\",\"status_code\":"
             "0,\"event\":\"pull_request\",\"action\":\"opened\"},"
             "{\"id\":7,\"guid\":\"g1\",\"delivered_at\":\"2026-01-01T00:07:00Z\",\"status_code\":"
             "502,\"event\":\"push\"},"
             "{\"id\":1,\"guid\":\"g0\",\"delivered_at\":\"2025-12-31T00:00:00Z\",\"status_code\":"
             "502,\"event\":\"push\"}]",
             "Link: <{BASE}/never>; rel=\"next\"\r\n");
    rig_when("GET", "=" DELIVERIES "success", 200,
             "[{\"id\":10,\"guid\":\"g1\",\"delivered_at\":\"2026-01-01T00:10:00Z\",\"status_"
             "code\":202,\"event\":\"push\"},"
             "{\"id\":2,\"guid\":\"g2\",\"delivered_at\":\"2026-01-01T00:06:59Z\",\"status_code\":"
             "202,\"event\":\"x\"}]");
    struct forge_answer a = rig_ask(SINCE);
    assert_str(a.result, STR("{\"failed\":[{\"id\":8,\"guid\":\"g2\",\"event\":\"pull_request\","
                             "\"action\":\"opened\"}]}"));
    assert_int_equal(rig_seen("/never"), 0);
}

static void a_host_that_does_not_sort_by_status_is_understood_too(void **state)
{
    const char *both = "[{\"id\":10,\"guid\":\"g1\",\"delivered_at\":\"2026-01-01T00:10:00Z\","
                       "\"status_code\":202,\"event\":\"push\"},"
                       "{\"id\":9,\"guid\":\"g2\",\"delivered_at\":\"2026-01-01T00:09:00Z\","
                       "\"status_code\":502,\"event\":\"push\"},"
                       "{\"id\":8,\"guid\":\"g1\",\"delivered_at\":\"2026-01-01T00:08:00Z\","
                       "\"status_code\":502,\"event\":\"push\"}]";
    rig_when("GET", DELIVERIES, 200, both);
    assert_str(rig_ask(SINCE).result,
               STR("{\"failed\":[{\"id\":9,\"guid\":\"g2\",\"event\":\"push\",\"action\":\"\"}]}"));
}

/* ---- redirects ---- */

static void a_renamed_repository_is_followed_with_the_same_method(void **state)
{
    static const int statuses[] = { 301, 302, 307, 308 };
    for (size_t i = 0; i < COUNT(statuses); i++) {
        rig_forget();
        rig_when("POST", REPO "/actions", statuses[i], "{\"message\":\"Moved Permanently\"}",
                 i % 2 ? "Location: /repositories/77/actions/d\r\n"
                       : "Location: {BASE}/repositories/77/actions/d\r\n");
        rig_when("POST", "=/repositories/77/actions/d", 204, "");
        assert_int_equal(rig_ask(DISPATCH).outcome, FORGE_OK);
        assert_int_equal(rig_seen("POST /repositories/77"), 1);
        assert_has(rig_request(0), STR("Authorization: Bearer ghs_"));
        assert_has(rig_request(0), STR("{\"ref\":\"m\""));
    }
}

static void a_redirect_elsewhere_or_in_a_circle_is_not_followed(void **state)
{
    static const char *const places[] = { "Location: http://127.0.0.1:1/x\r\n", "Location: //127.0.0.1:1/x\r\n", "",
                                          "Location: https://127.0.0.1/x\r\n", "Location: ftp:x\r\n" };
    for (size_t i = 0; i < COUNT(places); i++) {
        rig_forget();
        rig_when("GET", REPO, 301, "{}", places[i]);
        struct forge_answer a = rig_ask((struct forge_call){ .kind = FORGE_READ_REPO });
        assert_int_equal(a.outcome, FORGE_REFUSED);
        assert_has(a.message, STR("another host"));
    }
    rig_forget();
    rig_when("GET", REPO, 301, "{}", "Location: {BASE}" REPO "\r\n");
    assert_int_equal(rig_ask((struct forge_call){.kind = FORGE_READ_REPO}).outcome, FORGE_REFUSED);
    assert_int_equal(rig_seen("GET " REPO), 1 + REDIRECTS_FOLLOWED_MAX);
}

/* ---- the App from a form ---- */

struct waiting { atomic_bool done; enum forge_outcome outcome; str result; };
static void exchanged(void *ctx, const struct forge_answer *a)
{
    struct waiting *w = ctx;
    w->outcome = a->outcome;
    w->result = arena_copy(rig.mem, a->result);
    atomic_store(&w->done, true);
}

static void the_code_of_a_manifest_becomes_an_app(void **state)
{
    struct waiting w = { 0 };
    rig_when("POST", "=/app-manifests/c%3Fode/conversions", 201,
             "{\"id\":4,\"slug\":\"s\",\"client_id\":\"Iv1\",\"client_secret\":\"cs\",\"webhook_"
             "secret\":\"ws\",\"pem\":\"P\\n\","
             "\"html_url\":\"h\",\"other\":1}");
    github_manifest_exchange(rig.github, STR("c?ode"), exchanged, &w);
    while (!atomic_load(&w.done))
        ;
    assert_str(w.result, STR("{\"id\":4,\"slug\":\"s\",\"client_id\":\"Iv1\",\"client_secret\":"
                             "\"cs\",\"webhook_secret\":\"ws\","
                             "\"pem\":\"P\\n\",\"html_url\":\"h\"}"));
    assert_false(str_has(rig_request(0), STR("Authorization")));
}

static void the_manifest_asks_for_what_is_used_and_no_more(void **state)
{
    struct json m = rig_json(github_manifest(rig.mem, STR("My \"box\""), STR("https://sb.example/")));
    assert_str(json_str(json_path(m, "hook_attributes.url"), rig.mem), STR("https://sb.example/webhooks/github"));
    assert_str(json_str(json_get(m, STR("redirect_url")), rig.mem), STR("https://sb.example/setup/callback"));
    assert_str(json_str(json_get(m, STR("name")), rig.mem), STR("My \"box\""));
    assert_str(json_str(json_path(m, "default_permissions.actions"), rig.mem), STR("write"));
    assert_int_equal(json_kind(json_path(m, "default_permissions.workflows")), JSON_ABSENT);
    assert_int_equal(json_kind(json_path(m, "default_permissions.administration")), JSON_ABSENT);
    str events = json_raw(json_get(m, STR("default_events")));
    assert_true(str_has(events, STR("\"workflow_run\"")) &&
                str_has(events, STR("\"pull_request\"")));
    assert_false(str_has(events, STR("installation")));
}

static void outcomes_have_names_both_ways(void **state)
{
    enum forge_outcome o;
    for (int i = FORGE_OK; i <= FORGE_REFUSED; i++) {
        assert_true(forge_outcome_read(str_of(forge_outcome_name((enum forge_outcome)i)), &o));
        assert_int_equal(o, i);
    }
    assert_false(forge_outcome_read(STR("well"), &o));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_call_sends_and_reads_what_github_documents),
        T(a_refusal_says_everything_that_github_says),
        T(inputs_travel_as_strings),
        T(nothing_hostile_becomes_an_address),
        T(a_server_that_is_not_there_was_sent_nothing),
        T(an_old_host_is_asked_without_the_flag_and_that_is_remembered),
        T(a_host_that_knows_the_flag_is_asked_with_it_every_time),
        T(an_input_of_that_name_does_not_switch_the_flag_off),
        T(a_check_that_may_exist_is_looked_for_by_its_id),
        T(a_check_that_was_looked_for_in_vain_is_made),
        T(a_known_comment_is_edited_by_one_call),
        T(without_a_known_comment_ours_is_looked_for_and_the_oldest_kept),
        T(a_comment_that_does_not_exist_is_made),
        T(a_deleted_comment_is_made_anew_once),
        T(a_lost_creation_is_lost_and_a_lost_search_is_not),
        T(pages_are_followed_by_their_links),
        T(a_page_on_another_host_gets_no_token),
        T(endless_pages_end),
        T(runs_are_searched_from_two_minutes_before),
        T(a_search_that_was_cut_off_is_continued_before_the_oldest),
        T(runs_of_a_workflow_that_was_deleted_are_searched_among_all),
        T(a_search_that_stays_incomplete_is_no_answer),
        T(pulls_are_read_in_our_words),
        T(without_failures_one_call_is_enough),
        T(only_what_never_arrived_is_named_and_once),
        T(a_host_that_does_not_sort_by_status_is_understood_too),
        T(a_renamed_repository_is_followed_with_the_same_method),
        T(a_redirect_elsewhere_or_in_a_circle_is_not_followed),
        T(the_code_of_a_manifest_becomes_an_app),
        T(the_manifest_asks_for_what_is_used_and_no_more),
        T(outcomes_have_names_both_ways),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
