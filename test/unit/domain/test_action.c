/* Actions: what may be written, what may be given, and what a runner is sent. */
#include "given.h"
#include "domain/action.h"

#define RUNNER "'runner':{'endpoint':'https://r.example/dispatch','auth':{'type':'bearer','token':'{{ secrets.t }}'}}"
#define TRIGGER "{'type':'atmos-workflow','workflow':'w','stack':'s'," RUNNER "}"
#define ACTION(parameters) "{'parameters':" parameters ",'trigger':" TRIGGER "}"

static struct action given_action(const char *text)
{
    struct err e = { 0 };
    struct action a;
    if (!action_read(mem, STR("provision"), given_json(text), &a, &e))
        wrong("%s: %s: %s", text, e.text, e.details ? e.detail[0] : "");
    return a;
}

static void an_action_says_what_it_says(void **state)
{
    struct action a = given_action(
        "{'kind':'Action','name':'provision','displayName':'Provision','description':'d',"
        "'parameters':[{'name':'customer_id','required':true}],'trigger':{'type':'atmos-workflow',"
        "'workflow':'provision-tenant','stack':'tenant-{{ parameters.customer_id }}'," RUNNER ","
        "'waitForCompletion':false,'retry':{'maxAttempts':5,'backoff':'fixed','initialDelayMs':200}},"
        "'timeout':90}");
    then_text(a.title, "Provision");
    assert_int_equal(a.timeout_ms, 90 * 60000);
    assert_false(a.wait);
    assert_int_equal(a.retry.attempts, 5);
    assert_true(a.retry.fixed);
    assert_int_equal(a.type, TRIGGER_ATMOS_WORKFLOW);
}

static void what_is_left_out_has_its_default(void **state)
{
    struct action a = given_action("{'trigger':" TRIGGER "}");
    assert_int_equal(a.timeout_ms, 3600000);
    assert_true(a.wait);
    assert_int_equal(a.retry.attempts, 3);
    assert_int_equal(a.retry.delay_ms, 1000);
    assert_false(a.retry.fixed);
    then_text(a.runner, "");
    a = given_action("{'trigger':{'type':'noop'}}");
    assert_int_equal(a.type, TRIGGER_NOOP);
    a = given_action("{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','runner':'prod'}}");
    then_text(a.runner, "prod");
}

static void what_is_wrong_is_named(void **state)
{
#define ENDPOINT(e) "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','runner':{'endpoint':'" e "','auth':{'type':'bearer','token':'{{ secrets.t }}'}}}}"
#define AUTH(a) "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','runner':{'endpoint':'https://r/d','auth':" a "}}}"
    static const struct { const char *text, *want; } row[] = {
        { "[]", "it must be an object" },
        { "{}", "trigger is missing" },
        { "{'trigger':{}}", "trigger.type is missing" },
        { "{'trigger':{'type':'webhook'}}", "trigger.type must be atmos-workflow or noop, got webhook" },
        { "{'trigger':{'type':'noop','x':1}}", "there is no field trigger.x" },
        { "{'conditions':[],'trigger':{'type':'noop'}}", "there is no field conditions" },
        { "{'kind':'Cell','trigger':{'type':'noop'}}", "kind must be Action" },
        { "{'name':'other','trigger':{'type':'noop'}}", "name must be provision" },
        { "{'timeout':0,'trigger':{'type':'noop'}}", "timeout must be a whole number between 1 and 1440" },
        { "{'timeout':1.5,'trigger':{'type':'noop'}}", "timeout must be" },
        { "{'trigger':{'type':'atmos-workflow'}}", "trigger.workflow is missing" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w'," RUNNER "}}", "trigger.stack is missing" },
        { "{'trigger':{'type':'atmos-workflow','workflow':7,'stack':'s'," RUNNER "}}", "trigger.workflow must be a text" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'a\\nb','stack':'s'," RUNNER "}}", "trigger.workflow has a character" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s'}}", "trigger.runner is missing" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','runner':'a b'}}", "trigger.runner must be the name" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','vars':[]," RUNNER "}}", "trigger.vars must be an object" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','waitForCompletion':'yes'," RUNNER "}}", "trigger.waitForCompletion must be true or false" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','retry':{'backoff':'none'}," RUNNER "}}", "trigger.retry.backoff" },
        { "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s','retry':{'maxAttempts':0}," RUNNER "}}", "trigger.retry.maxAttempts" },
        { ENDPOINT("r.example/dispatch"), "must be an address like" },
        { ENDPOINT("ftp://r.example/"), "must be an address like" },
        { ENDPOINT("https:///dispatch"), "must be an address like" },
        { ENDPOINT("https://{{ parameters.host }}/dispatch"), "must be written out" },
        { ENDPOINT("https://u:p@r.example/dispatch"), "must not name a user" },
        { ENDPOINT("https://r.example/dispatch#x"), "must not have a fragment" },
        { ENDPOINT("https://r example/"), "host is none" },
        { ENDPOINT("https://r.example\\\\@evil/"), NULL },          /* a path, and no other host */
        { AUTH("null"), "trigger.runner.auth.type is missing" },
        { AUTH("{'type':'basic','token':'{{ secrets.t }}'}"), "must be bearer" },
        { AUTH("{'type':'bearer','token':'plain-text'}"), "must come from a secret" },
        { AUTH("{'type':'bearer','token':'{{ parameters.t }}'}"), "must come from a secret" },
        { AUTH("{'type':'bearer','token':'{{ secrets.t }}','x':1}"), "no field trigger.runner.auth.x" },
        { ACTION("{}"), "parameters must be a list" },
        { ACTION("['x']"), "parameters[0] must be an object" },
        { ACTION("[{}]"), "parameters[0].name is missing" },
        { ACTION("[{'name':'a.b'}]"), "parameters[0].name must be letters" },
        { ACTION("[{'name':'1a'}]"), "parameters[0].name must be letters" },
        { ACTION("[{'name':'__proto__'}]"), "parameters[0].name must be letters" },
        { ACTION("[{'name':'a'},{'name':'a'}]"), "parameters[0].name is there twice" },
        { ACTION("[{'name':'a','type':'list'}]"), "parameters[0].type must be" },
        { ACTION("[{'name':'a','default':1}]"), "parameters[0].default must be a string, got 1" },
        { ACTION("[{'name':'a','type':'number','enum':['x']}]"), "parameters[0].enum has a value that is no number" },
        { ACTION("[{'name':'a','enum':['x'],'default':'y'}]"), "parameters[0].default must be a string of its enum" },
        { ACTION("[{'name':'a','secret':true}]"), "there is no field parameters[0].secret" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        struct action a;
        bool ok = action_read(mem, STR("provision"), given_json(row[i].text), &a, &e);
        if (ok != (row[i].want == NULL))
            wrong("%s: %s", row[i].text, ok ? "taken" : e.text);
        if (!ok && (e.code != ERR_INVALID || !e.details || !strstr(e.detail[0], row[i].want)))
            wrong("%s: %s", row[i].text, e.details ? e.detail[0] : e.text);
    }
}

static void names_of_actions_are_bounded(void **state)
{
    struct err e = { 0 };
    struct action a;
    assert_false(action_read(mem, STR("a b"), given_json("{'trigger':{'type':'noop'}}"), &a, &e));
    then_detail(&e, 0, "the name of an action");
}

static void values_are_checked_and_completed(void **state)
{
    static const char *const parameters = ACTION(
        "[{'name':'id','required':true},{'name':'size','type':'number','default':3},"
        "{'name':'live','type':'boolean'},{'name':'env','enum':['dev','prod'],'default':'dev'}]");
    static const struct { const char *given, *want, *why; } row[] = {
        { "{'id':'7'}", "{\"id\":\"7\",\"size\":3,\"env\":\"dev\"}", NULL },
        { "{'env':'prod','live':true,'size':1.5,'id':''}",
          "{\"id\":\"\",\"size\":1.5,\"live\":true,\"env\":\"prod\"}", NULL },
        { "{'id':'{{ secrets.x }}'}", "{\"id\":\"{{ secrets.x }}\",\"size\":3,\"env\":\"dev\"}", NULL },
        { "{'id':'x','size':null}", "{\"id\":\"x\",\"size\":3,\"env\":\"dev\"}", NULL },
        { "{}", NULL, "id is missing" },
        { "{'id':null}", NULL, "id is missing" },
        { "{'id':7}", NULL, "id must be a string" },
        { "{'id':'a\\u0007'}", NULL, "id must be a string" },
        { "{'id':'a','size':'3'}", NULL, "size must be a number" },
        { "{'id':'a','live':'yes'}", NULL, "live must be a boolean" },
        { "{'id':'a','env':'stage'}", NULL, "env must be one of" },
        { "{'id':'a','x':1}", NULL, "the action has no parameter x" },
        { "[]", NULL, "" },
    };
    struct action a = given_action(parameters);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        str out;
        bool ok = action_values(mem, &a, given_json(row[i].given), &out, &e);
        if (ok != (row[i].want != NULL))
            wrong("%s: %s", row[i].given, ok ? "taken" : e.text);
        if (ok)
            then_text(out, row[i].want);
        else if (e.code != ERR_INVALID || (*row[i].why && !strstr(e.detail[0], row[i].why)))
            wrong("%s: %s", row[i].given, e.details ? e.detail[0] : e.text);
    }
    struct err e = { 0 };
    str out;
    a = given_action("{'trigger':{'type':'noop'}}");
    assert_true(action_values(mem, &a, (struct json){ 0 }, &out, &e));
    then_text(out, "{}");
}

/* ---- what a runner is sent ---- */

static bool secret(void *ctx, str name, str *value, bool *found, struct err *e)
{
    (void)ctx;
    (void)e;
    *found = str_eq(name, STR("t")) || str_eq(name, STR("two-words"));
    *value = str_eq(name, STR("t")) ? STR("t0ken") : STR("two words");
    return true;
}

static bool dispatch(const char *text, const char *values, struct action_dispatch *out, struct err *e)
{
    struct action a = given_action(text);
    struct interpolation in = { .secret = secret };
    struct action_send s = { .run_id = STR("0198c7a0-1111-7abc-8def-0123456789ab"),
                             .callback_url = STR("https://box/action-runs/x/callback"),
                             .callback_token = STR("id:1:mac"),
                             .repository = STR("acme/infra"),
                             .values = str_of(values),
                             .runner_endpoint = STR("https://registered.example/dispatch"),
                             .runner_token_secret = STR("t") };
    return action_dispatch(mem, &a, &s, &in, out, e);
}

static void a_runner_is_sent_the_whole_of_it(void **state)
{
    struct action_dispatch d;
    struct err e = { 0 };
    assert_true(dispatch(
        "{'parameters':[{'name':'id'}],'trigger':{'type':'atmos-workflow','workflow':'provision',"
        "'stack':'tenant-{{ parameters.id }}','workflowFile':'tenants.yaml','vars':{'key':'{{ secrets.t }}',"
        "'n':7,'url':'{{ run.callbackUrl }}','who':'{{ repository.owner }}'}," RUNNER "}}",
        "{\"id\":\"a {{ secrets.t }}\"}", &d, &e));
    then_text(d.endpoint, "https://r.example/dispatch");
    then_text(d.token, "t0ken");
    then_text(d.body,
              "{\"runId\":\"0198c7a0-1111-7abc-8def-0123456789ab\",\"workflow\":\"provision\","
              "\"stack\":\"tenant-a {{ secrets.t }}\",\"vars\":{\"key\":\"t0ken\",\"n\":7,"
              "\"url\":\"https://box/action-runs/x/callback\",\"who\":\"acme\"},"
              "\"callbackUrl\":\"https://box/action-runs/x/callback\",\"callbackToken\":\"id:1:mac\","
              "\"waitForCompletion\":true,\"workflowFile\":\"tenants.yaml\",\"timeoutMinutes\":55,"
              "\"progress\":true,\"action\":\"provision\",\"project\":\"acme/infra\"}");
}

static void a_registered_runner_is_used_by_its_name(void **state)
{
    struct action_dispatch d;
    struct err e = { 0 };
    assert_true(dispatch("{'timeout':1,'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s',"
                         "'runner':'prod'}}", "{}", &d, &e));
    then_text(d.endpoint, "https://registered.example/dispatch");
    then_text(d.token, "t0ken");
    assert_true(str_has(d.body, STR("\"timeoutMinutes\":1,")));
}

static void what_cannot_be_sent_says_why(void **state)
{
    static const struct { const char *token; enum err_code code; const char *why; } row[] = {
        { "{{ secrets.gone }}", ERR_NOT_FOUND, "the secret gone is not set" },
        { "{{ secrets.two-words }}", ERR_INVALID, "one word" },
        { "{{ secrets.t }}\xc3\xa4", ERR_INVALID, "one word" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct action_dispatch d;
        struct err e = { 0 };
        str text = arena_print(mem, "{'trigger':{'type':'atmos-workflow','workflow':'w','stack':'s',"
                                    "'runner':{'endpoint':'https://r/d','auth':{'type':'bearer','token':'%s'}}}}",
                               row[i].token);
        assert_false(dispatch(text.ptr, "{}", &d, &e));
        then_error(&e, row[i].code, row[i].why);
    }
}

static void other_routes_of_a_runner_lie_beside_the_dispatch(void **state)
{
    static const struct { const char *endpoint, *want, *host; } row[] = {
        { "https://r.example/dispatch", "https://r.example/runs/1/cancel", "r.example" },
        { "https://r.example:8443/a/b/dispatch", "https://r.example:8443/a/b/runs/1/cancel", "r.example" },
        { "https://r.example/dispatch?x=/y", "https://r.example/runs/1/cancel", "r.example" },
        { "https://r.example", "https://r.example/runs/1/cancel", "r.example" },
        { "https://r.example/", "https://r.example/runs/1/cancel", "r.example" },
        { "http://[::1]:80/dispatch", "http://[::1]:80/runs/1/cancel", "::1" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        then_text(endpoint_route(mem, str_of(row[i].endpoint), STR("runs/1/cancel")), row[i].want);
        then_text(endpoint_host(str_of(row[i].endpoint)), row[i].host);
    }
}

static void hosts_are_listed_exactly_or_by_their_end(void **state)
{
    static const struct { const char *host, *list; bool want; } row[] = {
        { "r.example", "", false },
        { "r.example", "r.example", true },
        { "R.Example", "r.example", true },
        { "r.example", "a.example  r.example", true },
        { "x.r.example", "r.example", false },
        { "x.r.example", "*.r.example", true },
        { "r.example", "*.r.example", false },
        { "evilr.example", "*.r.example", false },
        { "r.example.evil", "r.example *.r.example", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "anything", "*", false },
        { "anything", "*.", false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        if (endpoint_host_in(str_of(row[i].host), str_of(row[i].list)) != row[i].want)
            wrong("%s in \"%s\"", row[i].host, row[i].list);
}

static void another_try_waits_longer_each_time(void **state)
{
    struct action_retry r = { .attempts = 3, .delay_ms = 1000 }, fixed = { 3, 1000, true };
    assert_int_equal(action_retry_ms(&r, 1, 0), 1000);
    assert_int_equal(action_retry_ms(&r, 2, 0), 2000);
    assert_int_equal(action_retry_ms(&r, 3, 0), 4000);
    assert_int_equal(action_retry_ms(&fixed, 3, 0), 1000);
    for (uint64_t chance = 0; chance < 100; chance++) {
        int64_t ms = action_retry_ms(&r, 2, chance * 997);
        assert_true(ms >= 2000 && ms <= 3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_action_says_what_it_says),
        TEST(what_is_left_out_has_its_default),
        TEST(what_is_wrong_is_named),
        TEST(names_of_actions_are_bounded),
        TEST(values_are_checked_and_completed),
        TEST(a_runner_is_sent_the_whole_of_it),
        TEST(a_registered_runner_is_used_by_its_name),
        TEST(what_cannot_be_sent_says_why),
        TEST(other_routes_of_a_runner_lie_beside_the_dispatch),
        TEST(hosts_are_listed_exactly_or_by_their_end),
        TEST(another_try_waits_longer_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
