/* What a dispatch may say, and what it may not (runner.md §3.3, §6.3, §6.4). */
#include "given.h"

#include "base/buf.h"
#include "runner/dispatch.h"

static bool read_with(struct arena *mem, const char *const pairs[], str body, struct dispatch *d,
                      struct dispatch_refusal *no)
{
    struct runner_settings s;
    given_right_settings(mem, pairs, &s);
    return dispatch_read(mem, &s, body, NOW_MS, d, no);
}

static str reason_of(const struct dispatch_refusal *no, const char *field)
{
    for (size_t i = 0; i < no->field_count; i++)
        if (str_eq(no->fields[i].name, str_of(field)))
            return no->fields[i].reason;
    return STR_NONE;
}

static void a_plain_dispatch_is_read(void **state)
{
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    str body = given_payload(mem, ", \"vars\": {\"customer\": \"acme\", \"size\": 3, \"on\": true, "
                                  "\"none\": null, \"list\": [1, \"a b\"]}, \"timeoutMinutes\": 5, "
                                  "\"dryRun\": true, \"progress\": true, \"workflowFile\": "
                                  "\"tenants/all.yaml\"");
    assert_true(read_with(mem, NULL, body, &d, &no));
    assert_str(d.run_id, STR(RUN_1));
    assert_str(d.workflow, STR("provision-tenant"));
    assert_str(d.stack, STR("tenant-42"));
    assert_str(d.workflow_file, STR("tenants/all.yaml"));
    assert_str(d.place.host, STR("platform.example.com"));
    assert_int_equal(d.place.port, 443);
    assert_str(d.callback_token, STR(TOKEN_OF(RUN_1)));
    assert_true(d.expires_ms == 1900000000000);
    assert_true(d.timeout_ms == 5 * 60000);
    assert_true(d.dry_run && d.progress && d.wait);
    static const char *const values[] = { "acme", "3", "true", "", "[1,\"a b\"]" };
    assert_int_equal(d.variable_count, COUNT(values));
    for (size_t i = 0; i < COUNT(values); i++)
        assert_str(d.variables[i].value, str_of(values[i]));
}

static void other_names_are_understood(void **state)
{
    static const char *const bodies[] = {
        "{\"run\": {\"id\": \"" RUN_1 "\", \"callbackUrl\": \"https://p.example.com/\", "
        "\"callbackToken\": \"" TOKEN_OF(RUN_1) "\"}, \"workflowName\": \"w\", \"stackName\": \"s\", "
        "\"parameters\": {\"a\": 1}}",
        "{\"run_id\": \"" RUN_1 "\", \"callback\": {\"url\": \"https://p.example.com/\", \"token\": "
        "\"" TOKEN_OF(RUN_1) "\"}, \"workflow\": \"w\", \"stack\": \"s\", \"variables\": {\"a\": 1}}",
        "{\"actionRunId\": \"" RUN_1 "\", \"callback_url\": \"https://p.example.com/\", "
        "\"callback_token\": \"" TOKEN_OF(RUN_1) "\", \"workflow\": \"w\", \"stack\": \"s\", "
        "\"vars\": {\"a\": 1}}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        GIVEN_ARENA(mem);
        struct dispatch d;
        struct dispatch_refusal no;
        if (!read_with(mem, NULL, str_of(bodies[i]), &d, &no))
            fail_msg("%zu: " PRI_STR " " PRI_STR, i, FMT_STR(no.fields[0].name),
                     FMT_STR(no.fields[0].reason));
        assert_str(d.workflow, STR("w"));
        assert_str(d.stack, STR("s"));
        assert_int_equal(d.variable_count, 1);
        assert_int_equal(d.unknown_fields, 0);
    }
}

static void two_names_must_agree(void **state)
{
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    assert_true(read_with(mem, NULL, given_payload(mem, ", \"run_id\": \"" RUN_1 "\""), &d, &no));
    assert_false(read_with(mem, NULL, given_payload(mem, ", \"run_id\": \"" RUN_2 "\""), &d, &no));
    assert_true(str_has(reason_of(&no, "runId"), STR("said twice")));
}

static void unknown_fields_are_counted(void **state)
{
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    assert_true(read_with(mem, NULL,
                          given_payload(mem, ", \"entity\": {\"id\": 1}, \"new\": 1, \"newer\": {}"),
                          &d, &no));
    assert_int_equal(d.unknown_fields, 2);
}

/* Each replaces a member of a dispatch that is otherwise right. */
static const struct { const char *field, *name, *value, *says; } REFUSED[] = {
    { "workflow", "workflow", "\"; rm -rf /\"", "must be a name" },
    { "workflow", "workflow", "\"--help\"", "must be a name" },
    { "workflow", "workflow", "\"-x\"", "must be a name" },
    { "workflow", "workflow", "\"../x\"", "must be a name" },
    { "workflow", "workflow", "\"a/../b\"", "must be a name" },
    { "workflow", "workflow", "\"\"", "must be a name" },
    { "workflow", "workflow", "\"  \"", "must be a name" },
    { "workflow", "workflow", "\"a\\nb\"", "must be a name" },
    { "workflow", "workflow", "\"$(id)\"", "must be a name" },
    { "workflow", "workflow", "\"caf\xc3\xa9\"", "must be a name" },
    { "workflow", "workflow", "\"help\"", "must not be help" },
    { "workflow", "workflow", "\" help \"", "must not be help" },
    { "workflow", "workflow", "\"w-{{ parameters.x }}\"", "unresolved_interpolation" },
    { "workflow", "workflow", "7", "must be a string" },
    { "workflow", "workflow", "null", "is missing" },
    { "stack", "stack", "\"a\\nb\"", "must be a name" },
    { "stack", "stack", "\"a b\"", "must be a name" },
    { "stack", "stack", "\"--stack=b\"", "must be a name" },
    { "stack", "stack", "\"../../etc\"", "must be a name" },
    { "stack", "stack", "\"tenant-{{ parameters.customer_id }}\"", "unresolved_interpolation" },
    { "workflowFile", "workflowFile", "\"/etc/passwd\"", "inside the folder" },
    { "workflowFile", "workflowFile", "\"-f\"", "inside the folder" },
    { "workflowFile", "file", "\"a/../../b\"", "inside the folder" },
    { "ref", "ref", "\"main\"", "not among ALLOWED_REFS" },
    { "ref", "ref", "\"--upload-pack=x\"", "no branch" },
    { "ref", "sha", "\"a..b\"", "no branch" },
    { "runId", "runId", "\"0E2A8F3C-1111-4222-8333-444455556666\"", "lower case" },
    { "runId", "runId", "\"../../../../etc/passwd\"", "lower case" },
    { "runId", "runId", "\"\"", "lower case" },
    { "callbackToken", "callbackToken", "\"" TOKEN_OF(RUN_2) "\"", "another run" },
    { "callbackToken", "callbackToken", "\"" RUN_1 ":1600000000000:" SIGNATURE "\"", "expired" },
    { "callbackToken", "callbackToken", "\"" RUN_1 ":1900000000000:short\"", "RUN_ID:EXPIRES" },
    { "callbackToken", "callbackToken", "\"" RUN_1 ":1900000000000:" SIGNATURE "\\r\\nX: y\"",
      "RUN_ID:EXPIRES" },
    { "callbackToken", "callbackToken", "\"\"", "RUN_ID:EXPIRES" },
    { "callbackUrl", "callbackUrl", "\"https://169.254.169.254/latest\"", "not public" },
    { "callbackUrl", "callbackUrl", "\"http://platform.example.com/\"", "must be https" },
    { "callbackUrl", "callbackUrl", "\"file:///etc/passwd\"", "must begin with https" },
    { "vars", "vars", "[]", "must be an object" },
    { "vars.a-b", "vars", "{\"a-b\": 1}", "must have a name" },
    { "vars.1a", "vars", "{\"1a\": 1}", "must have a name" },
    { "vars.", "vars", "{\"\": 1}", "must have a name" },
    { "vars.a{{b}}", "vars", "{\"a{{b}}\": 1}", "unresolved_interpolation" },
    { "vars.a", "vars", "{\"a\": \"{{ .x }}\"}", "unresolved_interpolation" },
    { "vars.a", "vars", "{\"a\": {\"b\": \"{{ .x }}\"}}", "unresolved_interpolation" },
    { "vars.a", "vars", "{\"a\": \"x\\u0007\"}", "control character" },
    { "vars.a", "vars", "{\"a\": \"x\\u001b[2J\"}", "control character" },
    { "timeoutMinutes", "timeoutMinutes", "0", "from 1 to 1440" },
    { "timeoutMinutes", "timeout", "1441", "from 1 to 1440" },
    { "timeoutMinutes", "timeout", "1.5", "from 1 to 1440" },
    { "timeoutMinutes", "timeout", "99999999999999999999", "from 1 to 1440" },
    { "dryRun", "dryRun", "\"true\"", "true or false" },
    { "progress", "progress", "1", "true or false" },
};

static str with(struct arena *mem, const char *name, const char *value)
{
    static const char *const right[][2] = {
        { "runId", "\"" RUN_1 "\"" }, { "workflow", "\"w\"" }, { "stack", "\"s\"" },
        { "callbackUrl", "\"https://platform.example.com/\"" },
        { "callbackToken", "\"" TOKEN_OF(RUN_1) "\"" },
    };
    str members = arena_print(mem, "\"%s\": %s", name, value);
    for (size_t i = 0; i < COUNT(right); i++)
        if (strcmp(right[i][0], name) != 0)
            members = arena_print(mem, PRI_STR ", \"%s\": %s", FMT_STR(members), right[i][0],
                                  right[i][1]);
    return arena_print(mem, "{" PRI_STR "}", FMT_STR(members));
}

static void what_is_not_right_is_refused_by_name(void **state)
{
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        GIVEN_ARENA(mem);
        struct dispatch d;
        struct dispatch_refusal no;
        bool ok = read_with(mem, NULL, with(mem, REFUSED[i].name, REFUSED[i].value), &d, &no);
        str reason = reason_of(&no, REFUSED[i].field);
        if (ok || no.status != 422 || !str_has(reason, str_of(REFUSED[i].says)))
            fail_msg("%s %s: %d " PRI_STR, REFUSED[i].name, REFUSED[i].value, no.status,
                     FMT_STR(reason));
    }
}

static void all_that_is_wrong_is_said_at_once(void **state)
{
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    assert_false(read_with(mem, NULL, STR("{}"), &d, &no));
    static const char *const fields[] = { "runId", "workflow", "stack", "callbackUrl",
                                          "callbackToken" };
    assert_int_equal(no.field_count, COUNT(fields));
    for (size_t i = 0; i < COUNT(fields); i++)
        assert_true(str_eq(reason_of(&no, fields[i]), STR("is missing")));
}

static void what_is_not_json_is_a_bad_request(void **state)
{
    static const char *const bodies[] = {
        "", "[]", "null", "{", "{\"runId\": 1, \"runId\": 2}", "\xef\xbb\xbf{}", "{\"a\": \"\xff\"}",
        "{\"a\": \"\\u0000\"}", "{'a': 1}", "{} {}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        GIVEN_ARENA(mem);
        struct dispatch d;
        struct dispatch_refusal no;
        if (read_with(mem, NULL, str_of(bodies[i]), &d, &no) || no.status != 400 || !no.message.len)
            fail_msg("%s: %d", bodies[i], no.status);
    }
}

/* No name can become one of the child's own: the prefix is what protects, not a list. */
static void variables_may_have_any_name_that_is_one(void **state)
{
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    assert_true(read_with(mem, NULL, given_payload(mem, ", \"vars\": {\"PATH\": \"/tmp\", "
                                                        "\"LD_PRELOAD\": \"/tmp/x.so\"}"),
                          &d, &no));
    assert_int_equal(d.variable_count, 2);
}

static str many(struct arena *mem, size_t count, size_t bytes)
{
    struct buf b;
    buf_init(&b, mem, 32 << 20);
    buf_add(&b, STR(", \"vars\": {"));
    for (size_t i = 0; i < count; i++) {
        buf_print(&b, "%s\"v%zu\": \"", i ? ", " : "", i);
        for (size_t k = 0; k < bytes; k++)
            buf_char(&b, 'x');
        buf_char(&b, '"');
    }
    buf_char(&b, '}');
    return given_payload(mem, buf_str(&b).ptr);
}

static void variables_have_limits(void **state)
{
    static const struct { size_t count, bytes; const char *field, *says; } row[] = {
        { 100, 600, NULL, NULL },
        { 101, 1, "vars", "more than 100" },
        { 1, 16 << 10, NULL, NULL },
        { 1, (16 << 10) + 1, "vars.v0", "longer than 16 KiB" },
        { 5, 15 << 10, "vars", "larger than 64 KiB" },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        GIVEN_ARENA(mem);
        struct dispatch d;
        struct dispatch_refusal no;
        bool ok = read_with(mem, NULL, many(mem, row[i].count, row[i].bytes), &d, &no);
        if (ok != !row[i].field ||
            (!ok && !str_has(reason_of(&no, row[i].field), str_of(row[i].says))))
            fail_msg("%zu variables of %zu bytes", row[i].count, row[i].bytes);
    }
}

static void an_operator_may_narrow_and_widen(void **state)
{
    static const char *const narrow[] = { "ALLOWED_WORKFLOWS", "plan-*, apply", "ALLOWED_STACKS",
                                          "tenant-??", NULL };
    static const char *const wide[] = { "ALLOWED_REFS", "release/*,v?", "ALLOW_TEMPLATE_VALUES",
                                        "true", NULL };
    static const struct { const char *const *pairs, *name, *value; bool ok; } row[] = {
        { narrow, "workflow", "\"plan-all\"", false },      /* its stack is "s" */
        { narrow, "stack", "\"tenant-42\"", false },        /* its workflow is "w" */
        { wide, "ref", "\"release/7\"", true },
        { wide, "ref", "\"v1\"", true },
        { wide, "ref", "\"v10\"", false },
        { wide, "ref", "\"main\"", false },
        { wide, "vars", "{\"a\": \"{{ .x }}\"}", true },
        { wide, "vars", "{\"{{a}}\": 1}", false },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        GIVEN_ARENA(mem);
        struct dispatch d;
        struct dispatch_refusal no;
        if (read_with(mem, row[i].pairs, with(mem, row[i].name, row[i].value), &d, &no) !=
            row[i].ok)
            fail_msg("%s %s", row[i].name, row[i].value);
    }
    GIVEN_ARENA(mem);
    struct dispatch d;
    struct dispatch_refusal no;
    str body = given_payload(mem, "");
    static const char *const fits[] = { "ALLOWED_WORKFLOWS", "plan-*,provision-*", "ALLOWED_STACKS",
                                        "tenant-??", NULL };
    assert_true(read_with(mem, fits, body, &d, &no));
}

static void names_tell_what_is_secret(void **state)
{
    static const char *const secret[] = { "db_password", "API_KEY", "githubToken", "aws_credentials",
                                          "SECRET" };
    static const char *const open[] = { "customer", "region", "" };
    for (size_t i = 0; i < COUNT(secret); i++)
        assert_true(name_is_secret(str_of(secret[i])));
    for (size_t i = 0; i < COUNT(open); i++)
        assert_false(name_is_secret(str_of(open[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_dispatch_is_read),
        cmocka_unit_test(other_names_are_understood),
        cmocka_unit_test(two_names_must_agree),
        cmocka_unit_test(unknown_fields_are_counted),
        cmocka_unit_test(what_is_not_right_is_refused_by_name),
        cmocka_unit_test(all_that_is_wrong_is_said_at_once),
        cmocka_unit_test(what_is_not_json_is_a_bad_request),
        cmocka_unit_test(variables_may_have_any_name_that_is_one),
        cmocka_unit_test(variables_have_limits),
        cmocka_unit_test(an_operator_may_narrow_and_widen),
        cmocka_unit_test(names_tell_what_is_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
