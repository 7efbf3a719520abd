/*
 * What comes in: signatures, forms, and every event in our words. The published examples are read
 * from the npm package @octokit/webhooks-examples, when it is installed.
 */
#include "base/rfc3339.h"
#include "base/secret.h"
#include "rig.h"

enum { APP = 4242 };
static const str BOT = STR_INIT("signalbox-test[bot]");
static struct arena *mem;

static int mem_new(void **state)
{
    mem = rig.mem = arena_new((size_t)256 << 20, (size_t)1 << 30);
    return 0;
}
static int mem_free(void **state) { arena_free(mem); return 0; }

static struct forge_event read_event(const char *event, const char *payload)
{
    struct forge_event v;
    github_event_read(mem, str_of(event), rig_json(str_of(payload)), APP, BOT, &v);
    return v;
}

/* ---- signature ---- */

static str signature_of(str secret, str body)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(secret, body, mac);
    return arena_print(mem, "sha256=" PRI_STR,
                       FMT_STR(hex_write(mem, (str){(const char *)mac, sizeof mac})));
}

static void the_published_signature_is_accepted(void **state)
{
    str secret = STR("It's a Secret to Everybody");
    assert_true(github_signature_ok(STR("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
                                    STR("Hello, World!"), &secret, 1));
}

static void either_of_two_secrets_may_have_signed(void **state)
{
    str secrets[] = { STR("new"), STR("old") }, body = STR("{}");
    assert_true(github_signature_ok(signature_of(STR("new"), body), body, secrets, 2));
    assert_true(github_signature_ok(signature_of(STR("old"), body), body, secrets, 2));
    assert_false(github_signature_ok(signature_of(STR("older"), body), body, secrets, 2));
    assert_false(github_signature_ok(signature_of(STR("new"), body), STR("{} "), secrets, 2));
    assert_false(github_signature_ok(signature_of(STR("new"), body), body, secrets, 0));
}

static void an_unset_secret_signs_nothing(void **state)
{
    str secrets[] = { STR(""), STR_NONE };
    assert_false(github_signature_ok(signature_of(STR(""), STR("{}")), STR("{}"), secrets, 2));
}

static void malformed_signatures_are_refused(void **state)
{
    str secret = STR("s"), good = signature_of(secret, STR("{}"));
    assert_true(github_signature_ok(good, STR("{}"), &secret, 1));
    char upper[80];
    snprintf(upper, sizeof upper, PRI_STR, FMT_STR(good));
    for (char *c = upper + 7; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 32 : *c);
    const str bad[] = {
        STR_INIT(""),
        STR_INIT("sha256="),
        STR_INIT("sha1=00"),
        str_sub(good, 7, good.len),
        str_sub(good, 0, good.len - 1),
        arena_print(mem, PRI_STR "0", FMT_STR(good)),
        str_of(upper),
        STR_INIT("sha256=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")};
    for (size_t i = 0; i < COUNT(bad); i++)
        if (github_signature_ok(bad[i], STR("{}"), &secret, 1))
            fail_msg("accepted: %.*s", FMT_STR(bad[i]));
}

static void forms_carry_the_payload_in_one_field(void **state)
{
    static const struct { const char *body; bool ok; const char *payload; } forms[] = {
        { "payload=%7B%22a%22%3A%22b+c%22%7D", true, "{\"a\":\"b c\"}" },
        { "x=1&payload=%7B%7D&y=2", true, "{}" },
        { "payload2=%7B%7D", false, "" },
        { "payload=", false, "" },
        { "payload=%7", false, "" },
        { "{\"payload\":1}", false, "" },
        { "", false, "" },
    };
    for (size_t i = 0; i < COUNT(forms); i++) {
        str payload = STR("");
        if (github_form_payload(mem, str_of(forms[i].body), &payload) != forms[i].ok)
            fail_msg("%s", forms[i].body);
        if (forms[i].ok)
            assert_str(payload, str_of(forms[i].payload));
    }
}

/* ---- pull requests ---- */

static struct forge_event pull(const char *action, const char *more, const char *head_repo)
{
    return read_event(
        "pull_request",
        arena_print(
            mem,
            "{\"action\":\"%s\",\"installation\":{\"id\":5},\"repository\":{\"id\":10,\"name\":"
            "\"infra\",\"full_name\":\"acme/infra\","
            "\"html_url\":\"https://github.com/acme/"
            "infra\",\"owner\":{\"login\":\"acme\"},\"default_branch\":\"main\",\"private\":true},"
            "\"sender\":{\"login\":\"mona\"},\"before\":\"b0\",\"pull_request\":{\"number\":7,"
            "\"title\":\"T\",\"user\":{\"login\":\"mona\"},"
            "\"html_url\":\"u\",\"updated_at\":\"2026-01-01T00:00:05Z\",\"merge_commit_sha\":"
            "\"c3\","
            "\"head\":{\"sha\":\"a1\",\"ref\":\"feature\",\"repo\":%s},"
            "\"base\":{\"sha\":\"b2\",\"ref\":\"main\",\"repo\":{\"id\":10}},%s}}",
            action, head_repo, more)
            .ptr);
}

static void a_pull_request_in_our_words(void **state)
{
    struct forge_event v =
        pull("synchronize", "\"state\":\"open\",\"merged\":false,\"draft\":true", "{\"id\":10}");
    assert_int_equal(v.kind, FORGE_PULL_REQUEST);
    assert_str(v.activity, STR("synchronize"));
    assert_str(v.key, STR("7"));
    assert_int_equal(v.number, 7);
    assert_int_equal(v.installation_id, 5);
    assert_int_equal(v.repo.id, 10);
    assert_str(v.repo.owner, STR("acme"));
    assert_str(v.repo.name, STR("infra"));
    assert_str(v.repo.host, STR("github.com"));
    assert_true(v.has_repo && v.repo.is_private && v.draft && !v.from_fork && !v.sender_is_us);
    assert_str(v.head_sha, STR("a1"));
    assert_str(v.head_ref, STR("feature"));
    assert_str(v.base_sha, STR("b2"));
    assert_str(v.base_ref, STR("main"));
    assert_str(v.before_sha, STR("b0"));
    assert_str(v.state, STR("open"));
    assert_str(v.merge_sha, STR(""));           /* GitHub's try, not a merge */
    assert_int_equal(v.at_ms, 1767225605000);
}

static void closing_is_a_merge_only_when_it_is_one(void **state)
{
    static const struct { const char *action, *more, *activity, *state, *merge; int64_t merged_ms; } table[] = {
        { "closed", "\"state\":\"closed\",\"merged\":true,\"merged_at\":\"2026-01-01T00:00:01Z\"", "merged", "merged", "c3", 1767225601000 },
        { "closed", "\"state\":\"closed\",\"merged\":false,\"merged_at\":null", "closed", "closed", "", 0 },
        { "closed", "\"state\":\"closed\"", "closed", "closed", "", 0 },
        { "labeled", "\"state\":\"closed\",\"merged\":true,\"merged_at\":\"2026-01-01T00:00:01Z\"", "labeled", "merged", "c3", 1767225601000 },
        { "reopened", "\"state\":\"open\",\"merged\":false", "reopened", "open", "", 0 },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct forge_event v = pull(table[i].action, table[i].more, "{\"id\":10}");
        assert_str(v.action, str_of(table[i].action));
        assert_str(v.activity, str_of(table[i].activity));
        assert_str(v.state, str_of(table[i].state));
        assert_str(v.merge_sha, str_of(table[i].merge));
        assert_int_equal(v.merged_ms, table[i].merged_ms);
    }
}

static void a_fork_is_another_repository_or_none_any_more(void **state)
{
    assert_false(pull("opened", "\"x\":1", "{\"id\":10}").from_fork);
    assert_true(pull("opened", "\"x\":1", "{\"id\":11}").from_fork);
    assert_true(pull("opened", "\"x\":1", "null").from_fork);
    assert_true(pull("opened", "\"x\":1", "{}").from_fork);
    /* Nothing known of either: code from outside is assumed. */
    assert_true(
        read_event(
            "pull_request",
            "{\"action\":\"opened\",\"pull_request\":{\"number\":7,\"head\":{\"sha\":\"a1\"}}}")
            .from_fork);
}

/* ---- the merge queue, releases, runs, checks ---- */

#define SHA "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"
#define QUEUE "gh-readonly-queue/release/1.x/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64"

static void a_merge_group_has_two_faces_and_one_meaning(void **state)
{
    static const struct { const char *event, *payload;
    } faces[] = {
        {"merge_group", "{\"action\":\"checks_requested\",\"merge_group\":{\"head_sha\":\"" SHA
                        "\",\"head_ref\":\"refs/heads/" QUEUE
                        "\",\"base_sha\":\"b0\",\"base_ref\":\"refs/heads/release/1.x\"}}"},
        {"check_suite",
         "{\"action\":\"requested\",\"check_suite\":{\"id\":1,\"head_branch\":\"" QUEUE
         "\",\"head_sha\":\"" SHA "\",\"before\":\"b0\",\"updated_at\":\"2026-01-01T00:00:00Z\"}}"},
    };
    for (size_t i = 0; i < COUNT(faces); i++) {
        struct forge_event v = read_event(faces[i].event, faces[i].payload);
        assert_int_equal(v.kind, FORGE_MERGE_GROUP);
        assert_str(v.activity, STR("checks_requested"));
        assert_str(v.action, STR("checks_requested"));
        assert_str(v.key, STR(SHA));
        assert_str(v.head_sha, STR(SHA));
        assert_str(v.base_ref, STR("release/1.x"));
        assert_str(v.head_ref, STR(QUEUE));
        assert_str(v.base_sha, STR("b0"));
        assert_str(v.state, STR("open"));
        assert_int_equal(v.number, 104);
    }
    struct forge_event v = read_event(
        "merge_group",
        "{\"action\":\"destroyed\",\"reason\":\"merged\",\"merge_group\":{\"head_sha\":\"" SHA
        "\",\"head_ref\":\"refs/heads/" QUEUE "\"}}");
    assert_str(v.action, STR("destroyed"));
    assert_str(v.state, STR("closed"));
    v = read_event(
        "check_suite",
        "{\"action\":\"requested\",\"check_suite\":{\"head_branch\":\"main\",\"head_sha\":\"" SHA
        "\"}}");
    assert_int_equal(v.kind, FORGE_IGNORED);
}

static void a_release_has_a_commit_only_when_it_was_made_of_one(void **state)
{
    struct forge_event v =
        read_event("release", "{\"action\":\"published\",\"release\":{\"id\":17372790,\"tag_name\":"
                              "\"v1\",\"name\":\"One\","
                              "\"target_commitish\":\"main\",\"published_at\":\"2026-01-01T00:00:"
                              "00Z\",\"author\":{\"login\":\"mona\"},\"html_url\":\"u\"}}");
    assert_int_equal(v.kind, FORGE_RELEASE);
    assert_str(v.key, STR("17372790"));
    assert_str(v.activity, STR("published"));
    assert_str(v.title, STR("One"));
    assert_str(v.head_ref, STR("v1"));
    assert_str(v.base_ref, STR("main"));
    assert_str(v.head_sha, STR(""));
    assert_int_equal(v.at_ms, 1767225600000);
    v = read_event("release", "{\"action\":\"released\",\"release\":{\"id\":1,\"tag_name\":\"v1\","
                              "\"name\":null,\"target_commitish\":\"" SHA "\"}}");
    assert_str(v.head_sha, STR(SHA));
    assert_str(v.title, STR("v1"));
}

static void the_state_of_a_run_is_what_the_run_says(void **state)
{
    static const struct { const char *action, *status; enum forge_run_state expect; } table[] = {
        { "requested", "requested", FORGE_RUN_QUEUED }, { "requested", "queued", FORGE_RUN_QUEUED },
        { "requested", "pending", FORGE_RUN_QUEUED },   { "requested", "completed", FORGE_RUN_COMPLETED },
        { "completed", "queued", FORGE_RUN_QUEUED },    { "in_progress", "in_progress", FORGE_RUN_IN_PROGRESS },
        { "requested", "waiting", FORGE_RUN_WAITING },  { "completed", "completed", FORGE_RUN_COMPLETED },
        { "completed", "something new", FORGE_RUN_QUEUED },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct forge_event v = read_event(
            "workflow_run", arena_print(mem,
                                        "{\"action\":\"%s\",\"workflow_run\":{\"id\":30433642099,"
                                        "\"run_attempt\":3,\"status\":\"%s\",\"conclusion\":null,"
                                        "\"display_title\":\"plan\",\"path\":\".github/workflows/"
                                        "a@b.yml@refs/heads/x\",\"event\":\"workflow_dispatch\"}}",
                                        table[i].action, table[i].status)
                                .ptr);
        assert_int_equal(v.kind, FORGE_RUN);
        assert_int_equal(v.run_state, table[i].expect);
        assert_int_equal(v.run_id, 30433642099);
        assert_int_equal(v.run_attempt, 3);
        assert_str(v.run_path, STR("a@b.yml"));
    }
}

static void a_job_matters_only_while_it_waits_for_a_person(void **state)
{
    static const struct { const char *action, *status; enum forge_event_kind kind; } table[] = {
        { "waiting", "waiting", FORGE_RUN }, { "queued", "waiting", FORGE_RUN }, { "queued", "queued", FORGE_IGNORED },
        { "waiting", "completed", FORGE_IGNORED }, { "completed", "completed", FORGE_IGNORED },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct forge_event v = read_event(
            "workflow_job", arena_print(mem,
                                        "{\"action\":\"%s\",\"workflow_job\":{\"id\":1,\"run_id\":"
                                        "99,\"run_attempt\":2,\"status\":\"%s\"}}",
                                        table[i].action, table[i].status)
                                .ptr);
        assert_int_equal(v.kind, table[i].kind);
        if (v.kind == FORGE_RUN)
            assert_true(v.run_id == 99 && v.run_attempt == 2 && v.run_state == FORGE_RUN_WAITING);
    }
}

static void only_our_own_check_can_be_asked_for_again(void **state)
{
    static const struct { const char *event, *action; int app; enum forge_event_kind kind; } table[] = {
        { "check_run", "rerequested", APP, FORGE_RERUN_ASKED }, { "check_run", "rerequested", 1, FORGE_IGNORED },
        { "check_run", "completed", APP, FORGE_IGNORED },       { "check_suite", "rerequested", APP, FORGE_RERUN_ASKED },
        { "check_suite", "rerequested", 1, FORGE_IGNORED },     { "check_suite", "completed", APP, FORGE_IGNORED },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct forge_event v = read_event(
            table[i].event, arena_print(mem,
                                        "{\"action\":\"%s\",\"%s\":{\"id\":3,\"head_sha\":\"a1\","
                                        "\"external_id\":\"change-9\",\"app\":{\"id\":%d}},"
                                        "\"sender\":{\"login\":\"mona\"}}",
                                        table[i].action, table[i].event, table[i].app)
                                .ptr);
        if (v.kind != table[i].kind)
            fail_msg("%s %s of app %d", table[i].event, table[i].action, table[i].app);
        if (v.kind == FORGE_RERUN_ASKED) {
            assert_str(v.head_sha, STR("a1"));
            assert_int_equal(v.check_id, 3);
        }
    }
}

static void a_comment_counts_on_pull_requests_and_knows_its_author(void **state)
{
    const char *text =
        "{\"action\":\"edited\",\"issue\":{\"number\":7%s},\"comment\":{\"id\":31,\"body\":\"new\","
        "\"user\":{\"login\":\"%s\"}%s},"
        "\"changes\":{\"body\":{\"from\":\"old\"}},\"sender\":{\"login\":\"SIGNALBOX-test[bot]\"}}";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    struct forge_event v =
        read_event("issue_comment", arena_print(mem, text, ",\"pull_request\":{}", "mona", "").ptr);
    assert_int_equal(v.kind, FORGE_COMMENT);
    assert_str(v.comment_body, STR("new"));
    assert_str(v.comment_before, STR("old"));
    assert_true(v.comment_id == 31 && v.number == 7 && !v.comment_by_us && v.sender_is_us);
    v = read_event("issue_comment", arena_print(mem, text, ",\"pull_request\":{}", "x",
                                                ",\"performed_via_github_app\":{\"id\":4242}")
                                        .ptr);
    assert_true(v.comment_by_us);
    v = read_event("issue_comment",
                   arena_print(mem, text, ",\"pull_request\":{}", "signalbox-test[bot]", "").ptr);
    assert_true(v.comment_by_us);
    assert_int_equal(read_event("issue_comment", arena_print(mem, text, "", "mona", "").ptr).kind,
                     FORGE_IGNORED);
#pragma GCC diagnostic pop
}

static void installations_bring_and_take_repositories(void **state)
{
    struct forge_event v = read_event(
        "installation",
        "{\"action\":\"created\",\"installation\":{\"id\":5,\"account\":{\"login\":\"acme\"},"
        "\"permissions\":{\"checks\":\"write\"},\"suspended_at\":null},\"repositories\":[{\"id\":1,"
        "\"name\":\"a\",\"full_name\":\"acme/a\"},"
        "{\"name\":\"no id\"},7]}");
    assert_int_equal(v.kind, FORGE_INSTALLATION);
    assert_str(v.account, STR("acme"));
    assert_str(v.permissions, STR("{\"checks\":\"write\"}"));
    assert_int_equal(v.repo_count, 1);
    assert_str(v.repos[0].owner, STR("acme"));
    assert_str(v.repos[0].default_branch, STR(""));
    v = read_event("installation_repositories",
                   "{\"action\":\"removed\",\"installation\":{\"id\":5},\"repositories_added\":[{"
                   "\"id\":3,\"name\":\"c\","
                   "\"full_name\":\"acme/c\"}],\"repositories_removed\":[{\"id\":1},{\"id\":2}]}");
    assert_int_equal(v.kind, FORGE_INSTALLATION_REPOS);
    assert_true(v.repo_count == 1 && v.repos[0].id == 3 && v.removed_count == 2 &&
                v.removed[1] == 2);
    v = read_event("installation", "{\"action\":\"suspend\",\"installation\":{\"id\":5}}");
    assert_true(v.suspended);
    v = read_event("installation", "{\"action\":\"unsuspend\",\"installation\":{\"id\":5,"
                                   "\"suspended_at\":\"2026-01-01T00:00:00Z\"}}");
    assert_false(v.suspended);
}

static void what_nobody_needs_is_ignored(void **state)
{
    static const char *const payloads[] = {"{}", "[]", "1", "null",
                                           "{\"action\":5,\"repository\":[],\"sender\":\"x\"}"};
    static const char *const events[] = {"star",
                                         "",
                                         "pull_request",
                                         "release",
                                         "merge_group",
                                         "check_suite",
                                         "check_run",
                                         "workflow_run",
                                         "workflow_job",
                                         "push",
                                         "installation",
                                         "installation_repositories",
                                         "repository",
                                         "issue_comment",
                                         "deployment_review"};
    for (size_t i = 0; i < COUNT(payloads); i++)
        for (size_t k = 0; k < COUNT(events); k++)
            if (read_event(events[k], payloads[i]).kind != FORGE_IGNORED)
                fail_msg("%s %s", events[k], payloads[i]);
    assert_int_equal(read_event("ping", "{\"zen\":\"x\"}").kind, FORGE_PING);
}

/* ---- the published examples ---- */

static bool examples_load(struct json *out)
{
    FILE *f = fopen(WEBHOOK_EXAMPLES, "rbe");
    if (!f) {
        print_message("SKIPPED: %s is missing; npm ci --prefix test brings it\n", WEBHOOK_EXAMPLES);
        return false;
    }
    size_t room = (size_t)32 << 20;
    char *text = arena_make(mem, char, room);
    size_t n = fread(text, 1, room, f);
    fclose(f);
    *out = rig_json((str){ text, n });
    return true;
}

static const struct {
    const char *event;
    int example;
    enum forge_event_kind kind;
    const char *activity, *key, *state, *head_sha;
} EXPECTED[] = {
    {"pull_request", 0, FORGE_PULL_REQUEST, "opened", "2", "open",
     "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    {"pull_request", 3, FORGE_PULL_REQUEST, "closed", "2", "closed",
     "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    {"pull_request", 5, FORGE_PULL_REQUEST, "converted_to_draft", "2", "open",
     "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    {"pull_request", 22, FORGE_PULL_REQUEST, "synchronize", "2", "open",
     "ec26c3e57ca3a959ca5aad62de7213c562f8c821"},
    {"release", 0, FORGE_RELEASE, "published", "17372790", "open", ""},
    {"release", 4, FORGE_RELEASE, "deleted", "17372790", "closed", ""},
    {"release", 12, FORGE_RELEASE, "released", "17372790", "open", ""},
    {"merge_group", 0, FORGE_MERGE_GROUP, "checks_requested",
     "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d", "open",
     "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"},
    {"workflow_run", 0, FORGE_RUN, "", "", "", "5779607b49aab1200488439f02372c57b4f75444"},
    {"check_suite", 0, FORGE_IGNORED, "", "", "", NULL},
    {"check_run", 7, FORGE_IGNORED, "", "", "", NULL},
    {"workflow_job", 6, FORGE_RUN, "", "", "", NULL},
    {"workflow_job", 7, FORGE_RUN, "", "", "", NULL},
    {"workflow_job", 0, FORGE_IGNORED, "", "", "", NULL},
    {"push", 0, FORGE_PUSH, "", "", "", "6113728f27ae82c7b1a177c8d03f9e96e0adf246"},
    {"installation", 0, FORGE_INSTALLATION, "", "", "", ""},
    {"installation_repositories", 2, FORGE_INSTALLATION_REPOS, "", "", "", ""},
    {"repository", 9, FORGE_REPOSITORY, "", "", "", ""},
    {"issue_comment", 0, FORGE_IGNORED, "", NULL, "", ""},
    {"deployment_review", 0, FORGE_DEPLOYMENT_REVIEW, "", "", "", NULL},
    {"ping", 0, FORGE_PING, "", "", "", ""},
    {"issues", 0, FORGE_IGNORED, "", "", "", ""},
};

static void expect(const char *event, int example, const struct forge_event *v)
{
    for (size_t i = 0; i < COUNT(EXPECTED); i++) {
        if (strcmp(EXPECTED[i].event, event) != 0 || EXPECTED[i].example != example)
            continue;
        if (v->kind != EXPECTED[i].kind)
            fail_msg("%s %d: kind %d", event, example, v->kind);
        if (EXPECTED[i].kind == FORGE_IGNORED)
            continue;
        assert_str(v->activity, str_of(EXPECTED[i].activity));
        assert_str(v->key, str_of(EXPECTED[i].key));
        assert_str(v->state, str_of(EXPECTED[i].state));
        if (EXPECTED[i].head_sha)
            assert_str(v->head_sha, str_of(EXPECTED[i].head_sha));
    }
}

/* Which events have to come out as something, whatever the example. */
static bool must_be_read(const char *event)
{
    static const char *const ours[] = {"pull_request",
                                       "release",
                                       "merge_group",
                                       "workflow_run",
                                       "push",
                                       "installation",
                                       "installation_repositories",
                                       "repository",
                                       "ping",
                                       "deployment_review"};
    for (size_t i = 0; i < COUNT(ours); i++)
        if (strcmp(event, ours[i]) == 0)
            return true;
    return false;
}

static void all_329_published_examples_are_read(void **state)
{
    struct json all, entry, example;
    str key;
    int count = 0;
    if (!examples_load(&all))
        skip();
    for (struct json_iter it = json_iter(all); json_next(&it, mem, &key, &entry);) {
        const char *event = arena_z(mem, json_str(json_get(entry, STR("name")), mem));
        int n = 0;
        for (struct json_iter ex = json_iter(json_get(entry, STR("examples")));
             json_next(&ex, mem, &key, &example); n++, count++) {
            struct forge_event v;
            github_event_read(mem, str_of(event), example, APP, BOT, &v);
            if (must_be_read(event) && v.kind == FORGE_IGNORED)
                fail_msg("%s %d is ignored", event, n);
            expect(event, n, &v);
            if (json_present(json_get(example, STR("repository"))))
                assert_true(v.has_repo && v.repo.owner.len && v.repo.name.len);
            assert_int_equal(v.installation_id,
                             json_i64_or(json_path(example, "installation.id"), 0));
        }
    }
    assert_int_equal(count, 329);
}

/* ---- a payload with one hole at a time ---- */

/* Writes v without its `skip`-th member (counted over the whole tree), or with it set to null or to
 * something of another kind. */
static void write_holed(struct json_out *w, struct json v, int *at, int hole, const char *instead)
{
    struct json_iter it = json_iter(v);
    struct json member;
    str key;
    if (json_kind(v) != JSON_OBJECT && json_kind(v) != JSON_ARRAY) {
        json_put_raw(w, json_raw(v));
        return;
    }
    bool object = json_kind(v) == JSON_OBJECT;
    object ? json_begin_object(w) : json_begin_array(w);
    while (json_next(&it, mem, &key, &member)) {
        bool here = ++*at == hole;
        if (here && !instead)
            continue;
        if (object)
            json_key(w, key);
        if (here)
            json_put_raw(w, str_of(instead));
        else
            write_holed(w, member, at, hole, instead);
    }
    object ? json_end_object(w) : json_end_array(w);
}

static int read_holed(const char *event, struct json example, int hole, const char *instead)
{
    struct arena *whole = mem;
    struct buf b;
    struct json_out w;
    struct forge_event v;
    int at = 0;
    mem = rig.mem = arena_new((size_t)16 << 20, (size_t)64 << 20);
    buf_init(&b, mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    write_holed(&w, example, &at, hole, instead);
    github_event_read(mem, str_of(event), rig_json(buf_str(&b)), APP, BOT, &v);
    assert_true(v.kind <= FORGE_DEPLOYMENT_REVIEW);
    assert_non_null(v.head_sha.ptr);
    arena_free(mem);
    mem = rig.mem = whole;
    return at;
}

static void any_field_may_be_missing_null_or_of_another_kind(void **state)
{
    static const char *const instead[] = {NULL, "null", "{\"id\":-1}", "[[]]",
                                          "9223372036854775807"};
    static const char *const ours[] = {"pull_request",     "release",
                                       "merge_group",      "check_suite",
                                       "check_run",        "workflow_run",
                                       "workflow_job",     "push",
                                       "installation",     "installation_repositories",
                                       "repository",       "issue_comment",
                                       "deployment_review"};
    struct json all, entry;
    str key;
    if (!examples_load(&all))
        skip();
    for (struct json_iter it = json_iter(all); json_next(&it, mem, &key, &entry);) {
        const char *event = arena_z(mem, json_str(json_get(entry, STR("name")), mem));
        bool wanted = false;
        for (size_t i = 0; i < COUNT(ours); i++)
            wanted |= strcmp(event, ours[i]) == 0;
        struct json_iter ex = json_iter(json_get(entry, STR("examples")));
        struct json example;
        if (!wanted || !json_next(&ex, mem, &key, &example))
            continue;
        for (size_t i = 0; i < COUNT(instead); i++)
            for (int hole = 1, members = 2; hole <= members; hole++)
                members = read_holed(event, example, hole, instead[i]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, mem_new, mem_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_published_signature_is_accepted),
        T(either_of_two_secrets_may_have_signed),
        T(an_unset_secret_signs_nothing),
        T(malformed_signatures_are_refused),
        T(forms_carry_the_payload_in_one_field),
        T(a_pull_request_in_our_words),
        T(closing_is_a_merge_only_when_it_is_one),
        T(a_fork_is_another_repository_or_none_any_more),
        T(a_merge_group_has_two_faces_and_one_meaning),
        T(a_release_has_a_commit_only_when_it_was_made_of_one),
        T(the_state_of_a_run_is_what_the_run_says),
        T(a_job_matters_only_while_it_waits_for_a_person),
        T(only_our_own_check_can_be_asked_for_again),
        T(a_comment_counts_on_pull_requests_and_knows_its_author),
        T(installations_bring_and_take_repositories),
        T(what_nobody_needs_is_ignored),
        T(all_329_published_examples_are_read),
        T(any_field_may_be_missing_null_or_of_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
