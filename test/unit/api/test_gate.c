/*
 * The gate: whatever is asked, by whomever, the answer is one envelope with a status that tells
 * what to do.
 */
#include "rig.h"

#include "base/io.h"
#include "base/yaml.h"

static void test_every_error_has_the_envelope(void **state)
{
    struct rig *g = *state;
    const struct { const char *method, *path, *body; int status; const char *tag; } table[] = {
        { "GET",   "/nowhere", NULL, 404, "NotFound" },
        { "GET",   "/api/v1/locks/too/long", NULL, 404, "NotFound" },
        { "PUT",   "/api/v1/locks", "{}", 405, "MethodNotAllowed" },
        { "BREW",  "/api/v1/locks", "{}", 405, "MethodNotAllowed" },
        { "POST",  "/api/v1/locks", "", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "[]", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{\"key\":\"a\",\"key\":\"b\",\"ttl\":5}", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{\"key\":\"\xff\",\"ttl\":5}", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{\"key\":\"a\\u0007b\",\"ttl\":5}", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{\"key\":1,\"ttl\":5}", 400, "ValidationError" },
        { "POST",  "/api/v1/locks", "{\"ttl\":5}", 400, "ValidationError" },
        { "GET",   "/api/v1/batches?limit=0", NULL, 400, "ValidationError" },
        { "GET",   "/api/v1/batches?limit=501", NULL, 400, "ValidationError" },
        { "GET",   "/api/v1/batches?cursor=%25", NULL, 400, "ValidationError" },
        { "GET",   "/api/v1/batches?repo=%zz", NULL, 400, "ValidationError" },
        { "GET",   "/api/v1/batches/%00", NULL, 400, "ValidationError" },
        { "GET",   "/api/v1/batches/batch_x", NULL, 404, "NotFound" },
        { "GET",   "/api/v1/batches/batch_x/nodes", NULL, 404, "NotFound" },
        { "GET",   "/api/v1/repositories/0", NULL, 404, "NotFound" },
        { "PATCH", "/api/v1/repositories/1/settings", "{\"reviews\":true}", 403, "PermissionDenied" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answer a = ask(g, table[i].method, table[i].path, g->member, table[i].body);
        expect(a, table[i].status, table[i].tag);
        assert_true(at(g, a, "errorMessage").len > 0);
        assert_true(json_kind(json_get(a.body, STR("data"))) == JSON_NULL ||
                    json_kind(json_get(a.body, STR("data"))) == JSON_OBJECT);
    }
    assert_int_equal(count_rows(g, "select count(*) from lock"), 0);
}

static void test_a_wrong_method_names_the_right_ones(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(g, "PUT", "/api/v1/locks", g->member, "{}");
    assert_true(str_has(a.headers, STR("Allow: GET, POST, DELETE\n")));
}

static void test_only_json_is_read(void **state)
{
    struct rig *g = *state;
    const struct { const char *type; int status; } table[] = {
        { "application/json", 200 }, { "application/json; charset=utf-8", 200 }, { "application/vnd.x+json", 200 },
        { "text/plain", 415 }, { "application/x-www-form-urlencoded", 415 } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct http_header h[] = {
            {STR("Content-Type"), str_of(table[i].type)},
            {STR("Authorization"), arena_print(g->mem, "Bearer " PRI_STR, FMT_STR(g->member))}};
        str body = arena_print(g->mem, "{\"key\":\"k%zu\",\"ttl\":60}", i);
        expect(ask_with(g, "POST", "/api/v1/locks", h, 2, body), table[i].status,
               table[i].status == 415 ? "UnsupportedMediaType" : NULL);
    }
}

static void test_a_sane_request_id_is_kept_and_another_is_replaced(void **state)
{
    struct rig *g = *state;
    const struct { const char *given; bool kept; } table[] = { { "abc-123_.Z", true }, { "", false }, { "two words", false }, { "a\"b", false } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct http_header h[] = { { STR("X-Request-Id"), str_of(table[i].given) } };
        struct answer a = ask_with(g, "GET", "/healthz", h, 1, STR(""));
        assert_int_equal(str_eq(at(g, a, "traceId"), str_of(table[i].given)), table[i].kept);
        assert_true(at(g, a, "traceId").len > 0);
    }
}

static void test_every_route_refuses_strangers(void **state)
{
    struct rig *g = *state;
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    for (size_t i = 0; i < route_count; i++) {
        struct buf b;
        buf_init(&b, g->mem, 1000);
        for (const char *p = routes[i].path; *p; p++)
            if (*p == '{') {
                buf_char(&b, '1');
                p = strchr(p, '}');
            } else {
                buf_char(&b, *p);
            }
        const char *method = methods[routes[i].method];
        if (routes[i].needs != RIGHT_NOTHING) {
            expect(ask(g, method, buf_str(&b).ptr, STR(""), "{}"), 401, "InvalidToken");
            expect(ask(g, method, buf_str(&b).ptr, STR("sbx_tok_nonsense"), "{}"), 401,
                   "InvalidToken");
        }
        if (routes[i].needs >= RIGHT_OPERATE)
            expect(ask(g, method, buf_str(&b).ptr, g->session, "{}"), 403, "PermissionDenied");
        if (routes[i].needs == RIGHT_ADMIN)
            expect(ask(g, method, buf_str(&b).ptr, g->member, "{}"), 403, "PermissionDenied");
    }
}

static void test_what_is_no_request_gets_the_envelope_too(void **state)
{
    struct rig *g = *state;
    const struct { int status; const char *tag;
    } table[] = {{400, "ValidationError"},
                 {408, "RequestTimeout"},
                 {413, "PayloadTooLarge"},
                 {431, "HeadersTooLarge"},
                 {414, "HeadersTooLarge"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct http_response r = { 0 };
        struct err e = { 0 };
        g->hooks.refuse(g->hooks.app, g->mem, table[i].status, "two Content-Length headers", &r);
        struct answer a = { .status = r.status, .text = r.body, .type = STR("application/json") };
        good(g->b, json_parse(g->mem, r.body, 0, &a.body, &e));
        expect(a, table[i].status, table[i].tag);
    }
}

static void test_a_lost_database_is_503_and_readiness_false(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "GET", "/readyz", STR(""), NULL), 200, NULL);
    g->engine.database_gone = true;
    expect(ask(g, "GET", "/readyz", STR(""), NULL), 503, "StorageUnavailable");
    expect(ask(g, "GET", "/healthz", STR(""), NULL), 200, NULL);
    expect(ask(g, "GET", "/api/v1/batches", g->session, NULL), 503, "StorageUnavailable");
    expect(ask(g, "POST", "/api/v1/locks", g->session, "{\"key\":\"a\",\"ttl\":5}"), 503,
           "StorageUnavailable");
    g->engine.database_gone = false;
    expect(ask(g, "GET", "/readyz", STR(""), NULL), 200, NULL);
}

static void test_metrics_count_requests_and_deliveries(void **state)
{
    struct rig *g = *state;
    (void)deliver(g, "watch", "d-1", "new-secret", "{}");
    struct answer a = ask(g, "GET", "/metrics", STR(""), NULL);
    assert_int_equal(a.status, 200);
    assert_true(str_has(
        a.text, STR("signalbox_webhook_deliveries_total{event=\"other\",fate=\"dropped\"} 1\n")));
    assert_true(str_has(a.text, STR("signalbox_http_requests_total{method=\"POST\",route=\"/"
                                    "webhooks/github\",status=\"2xx\"} 1\n")));
    assert_true(str_has(a.text, STR("signalbox_facts_total 3\n")));
}

/* docs/openapi.yaml and the table describe the same API, in both directions. */
static void test_the_description_lists_exactly_the_routes(void **state)
{
    struct rig *g = *state;
    static const char *const methods[] = { "get", "head", "post", "put", "patch", "delete" };
    static const char *const needs[] = { "nothing", "session", "read", "operate", "admin" };
    str text, path;
    struct json doc, methods_of;
    size_t described = 0;
    good(g->b, io_read_file(g->mem, OPENAPI_FILE, 1 << 20, &text, &g->b->e));
    good(g->b, yaml_parse(g->mem, text, &doc, &g->b->e));
    struct json paths = json_get(doc, STR("paths"));
    struct json_iter it = json_iter(paths);
    while (json_next(&it, g->mem, &path, &methods_of))
        described += json_count(methods_of);
    for (size_t i = 0; i < route_count; i++) {
        str p = str_of(routes[i].path);
        if (str_ends(p, STR("*}")))
            p = arena_print(g->mem, PRI_STR "}", FMT_STR(str_sub(p, 0, p.len - 2)));
        struct json op = json_get(json_get(paths, p), str_of(methods[routes[i].method]));
        if (json_kind(op) != JSON_OBJECT)
            stop_test("not described: %s %s\n", methods[routes[i].method], routes[i].path);
        if (!str_eq(json_str(json_get(op, STR("x-needs")), g->mem), str_of(needs[routes[i].needs])))
            stop_test("described with other needs: %s %s\n", methods[routes[i].method],
                      routes[i].path);
    }
    assert_int_equal(described, route_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_every_error_has_the_envelope), API_BOTH(test_a_wrong_method_names_the_right_ones), API_BOTH(test_only_json_is_read),
        API_BOTH(test_a_sane_request_id_is_kept_and_another_is_replaced), API_BOTH(test_every_route_refuses_strangers),
        API_BOTH(test_what_is_no_request_gets_the_envelope_too), API_BOTH(test_a_lost_database_is_503_and_readiness_false),
        API_BOTH(test_metrics_count_requests_and_deliveries), API_BOTH(test_the_description_lists_exactly_the_routes),
    };
    return cmocka_run_group_tests_name("api gate", tests, NULL, NULL);
}
