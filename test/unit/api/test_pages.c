/*
 * The pages: whatever was built in (the dashboard, or the page that says that it is not there), each
 * address shows it, no script of somebody else's runs in it, and no path leads anywhere else.
 */
#include "rig.h"

#include <zlib.h>

#include "base/embedded.h"

extern const struct embedded web_files[];
extern const size_t web_files_count;

static struct answer browse(struct rig *g, const char *method, const char *path, const char *coding)
{
    const struct http_header h[] = {
        { STR("Accept"), STR("text/html,application/xhtml+xml,*/*;q=0.8") },
        { STR("Accept-Encoding"), str_of(coding) } };
    return ask_with(g, method, path, h, 2, STR(""));
}

/* The value of a header; empty when it is not there. */
static str header(struct answer a, str name)
{
    str rest = a.headers, value;
    while (rest.len)
        if (str_eq_nocase(str_cut(str_cut(rest, '\n', &rest), ':', &value), name))
            return str_trim(value);
    return STR("");
}

static str nonce_of(struct answer a)
{
    str rest, policy = header(a, STR("Content-Security-Policy"));
    const char *at = memmem(policy.ptr, policy.len, "'nonce-", 7);
    assert_non_null(at);
    return str_cut((str){ at + 7, policy.len - (size_t)(at + 7 - policy.ptr) }, '\'', &rest);
}

static void expect_page(struct answer a, int status)
{
    assert_int_equal(a.status, status);
    assert_true(str_eq(a.type, STR("text/html; charset=utf-8")));
    assert_true(str_starts(a.text, STR("<!doctype html>")) || str_starts(a.text, STR("<!DOCTYPE html>")));
    assert_true(str_eq(header(a, STR("Cache-Control")), STR("no-cache")));
}

static void test_every_address_of_a_page_shows_it(void **state)
{
    struct rig *g = *state;
    static const char *const paths[] = {
        "/", "/deployments", "/batches/batch_1?node=7", "/changes/1", "/runs/run_1", "/repositories", "/repositories/1",
        "/repositories/1/settings", "/repositories/1/permissions", "/repositories/1/instances", "/repositories/1/uploads",
        "/repositories/1/webhooks", "/repositories/1/actions", "/instances", "/instances/1/ue1-dev/vpc",
        "/instances/1/ue1-dev/network/vpc", "/instances/1/a%20b/c%2Fd", "/instances/1/x/../y", "/locks", "/audit", "/budget", "/members",
        "/tokens", "/account", "/start", "/sign-in", "/welcome" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        expect_page(browse(g, "GET", paths[i], "gzip"), 200);
        expect_page(ask(g, "GET", paths[i], STR(""), NULL), 200);
        struct answer a = browse(g, "POST", paths[i], "gzip");
        expect(a, 405, "MethodNotAllowed");
        assert_true(str_eq(header(a, STR("Allow")), STR("GET, HEAD")));
    }
}

static void test_a_page_has_a_nonce_of_its_own(void **state)
{
    struct rig *g = *state;
    str before = STR("");
    for (int i = 0; i < 20; i++) {
        struct answer a = browse(g, "GET", "/", "gzip");
        str nonce = nonce_of(a), policy = header(a, STR("Content-Security-Policy"));
        assert_int_equal(nonce.len, 24);
        assert_false(str_eq(nonce, before));
        assert_true(str_has(a.text, nonce));
        assert_false(str_has(a.text, STR("__NONCE__")));
        assert_false(str_has(policy, STR("unsafe")));
        assert_true(str_starts(policy, STR("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-")));
        assert_true(str_has(policy, STR("frame-ancestors 'none'")));
        before = nonce;
    }
}

static void test_every_part_comes_packed_or_as_it_is(void **state)
{
    struct rig *g = *state;
    for (size_t i = 0; i < web_files_count; i++) {
        str name = str_of(web_files[i].name);
        const char *path = arena_print(g->mem, "/" PRI_STR, FMT_STR(name)).ptr;
        if (str_eq(name, STR("index.html")))
            continue;
        struct answer packed = browse(g, "GET", path, "br;q=1.0, gzip"), plain = browse(g, "GET", path, "gzip;q=0, br");
        assert_int_equal(packed.status, 200);
        assert_int_equal(plain.status, 200);
        assert_true(str_eq(header(packed, STR("Content-Encoding")), STR("gzip")));
        assert_int_equal(header(plain, STR("Content-Encoding")).len, 0);
        assert_true(str_eq(header(plain, STR("Vary")), STR("Accept-Encoding")));
        assert_true(str_eq(packed.type, plain.type));
        assert_true(!str_starts(name, STR("assets/")) || str_has(header(plain, STR("Cache-Control")), STR("immutable")));
        unsigned char *out = (unsigned char *)arena_make(g->mem, char, plain.text.len + 1);
        z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.text.ptr, .avail_in = (uInt)packed.text.len,
                       .next_out = out, .avail_out = (uInt)plain.text.len + 1 };
        assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, plain.text.len);
        inflateEnd(&z);
        assert_memory_equal(out, plain.text.ptr, plain.text.len);
    }
}

static void test_no_path_leads_elsewhere(void **state)
{
    struct rig *g = *state;
    static const char *const paths[] = {
        "/index.html", "/assets", "/assets/", "/assets/nothing-12345678.js", "/assets/../index.html", "/../../etc/passwd", "/..",
        "//", "//evil.example/x", "/./", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/..%5c..%5c", "/\\..\\..",
        "/assets/%2e%2e/", "/deployments/", "/deployments/x", "/batches", "/batches/", "/repositories/1/secret", "/instances/1",
        "/Deployments", "/.git/config", "/.env", "/favicon.svg/", "/assets/..;/", "/web/src/main.tsx" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        expect(ask(g, "GET", paths[i], STR(""), NULL), 404, "NotFound");
        struct answer a = browse(g, "GET", paths[i], "gzip");
        if (str_starts(str_of(paths[i]), STR("/assets")))
            expect(a, 404, "NotFound");
        else
            expect_page(a, 404);
        expect(browse(g, "POST", paths[i], "gzip"), 404, "NotFound");
    }
    static const char *const broken[] = { "/batches/%00", "/batches/%zz", "/batches/%ff" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        expect(browse(g, "GET", broken[i], "gzip"), 400, "ValidationError");
    expect(browse(g, "GET", "/api/nothing", "gzip"), 404, "NotFound");
    expect_page(browse(g, "GET", "/apis", "gzip"), 404);
}

static void test_packed_only_for_who_takes_it(void **state)
{
    struct rig *g = *state;
    static const struct { const char *coding; bool packed; } table[] = {
        { "", false }, { "gzip", true }, { "GZIP", true }, { "deflate, gzip;q=1.0, *;q=0.5", true }, { "gzip;q=0", false },
        { "gzip; q=0.000", false }, { "gzip;q=0.001", true }, { "*", true }, { "*;q=0", false }, { "gzip;q=0, *", false },
        { "identity", false }, { "gzipped", false }, { ",,;,gzip", true }, { "br;q=0, gzip ; q=0.5", true } };
    const char *path = NULL;
    for (size_t i = 0; i < web_files_count; i++)
        if (strcmp(web_files[i].name, "index.html") != 0)
            path = arena_print(g->mem, "/%s", web_files[i].name).ptr;
    assert_non_null(path);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answer a = browse(g, "GET", path, table[i].coding);
        if (header(a, STR("Content-Encoding")).len != (table[i].packed ? 4 : 0))
            stop_test("wrong for Accept-Encoding: %s\n", table[i].coding);
    }
}

int main(void)
{
#define ONCE(f) { #f, f, rig_sqlite, rig_end, NULL }
    const struct CMUnitTest tests[] = {
        ONCE(test_every_address_of_a_page_shows_it), ONCE(test_a_page_has_a_nonce_of_its_own),
        ONCE(test_every_part_comes_packed_or_as_it_is), ONCE(test_no_path_leads_elsewhere), ONCE(test_packed_only_for_who_takes_it),
    };
    return cmocka_run_group_tests_name("api pages", tests, NULL, NULL);
}
