/*
 * OIDC tokens of workflow runs (atmos-pro.md §6.1, forges.md §2.11). The issuer is the rig's
 * server.
 */
#include "forge/oidc_inside.h"
#include "rig.h"

enum { NOW_S = 1767225600 };
static const int64_t NOW_MS = (int64_t)NOW_S * 1000;
static struct oidc *oidc;

#define DISCOVERY "/.well-known/openid-configuration"

static void serve_keys(const char *kid)
{
    rig_when("GET", "=" DISCOVERY, 200, "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"{BASE}/keys\"}");
    rig_when("GET", "=/keys", 200,
             arena_print(rig.mem,
                         "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"ec\"},{\"kty\":\"RSA\",\"kid\":"
                         "\"bad\",\"n\":\"!\"}," PRI_STR "]}",
                         FMT_STR(rig_jwk(kid)))
                 .ptr);
}

static int setup(void **state)
{
    struct err e = { 0 };
    rig_setup(state);
    str issuers[] = { STR("https://token.actions.githubusercontent.com"), str_of(rig.base) };
    str audiences[] = { STR("atmos-pro.com"), STR("signalbox") };
    struct oidc_config c = {.client = rig.client,
                            .issuers = issuers,
                            .issuer_count = 2,
                            .audiences = audiences,
                            .audience_count = 2};
    if (!oidc_new(&c, &oidc, &e))
        fail_msg("%s", e.text);
    return 0;
}

static int teardown(void **state)
{
    oidc_free(oidc);
    return rig_teardown(state);
}

static str claims_of(const char *iss, const char *aud, int64_t iat, int64_t exp, const char *more)
{
    return arena_print(rig.mem, "{\"iss\":\"%s\",\"aud\":%s,\"iat\":%lld,\"exp\":%lld%s}", iss, aud,
                       (long long)iat, (long long)exp, more);
}

static str good_token(const char *kid)
{
    return rig_token(kid, claims_of(rig.base, "\"atmos-pro.com\"", NOW_S - 10, NOW_S + 290,
                                    ",\"jti\":\"j1\",\"nbf\":1767225000,\"repository_id\":\"10\"")
                              .ptr);
}

static struct err last;

static enum err_code verify(str token, int64_t now_ms)
{
    struct json claims;
    struct err e = { 0 };
    bool ok = oidc_verify(oidc, rig.mem, token, now_ms, &claims, &e);
    assert_int_equal(ok, e.code == ERR_NONE);
    assert_true(ok || e.text[0]);
    assert_false(strstr(e.text, "eyJ"));            /* no token in a message */
    last = e;
    return e.code;
}

static void a_good_token_gives_its_claims(void **state)
{
    struct json claims;
    struct err e = { 0 };
    serve_keys("k1");
    if (!oidc_verify(oidc, rig.mem, good_token("k1"), NOW_MS, &claims, &e))
        fail_msg("%s", e.text);
    assert_str(json_str(json_get(claims, STR("repository_id")), rig.mem), STR("10"));
    assert_false(str_has(rig_request(0), STR("Authorization")));
}

static void every_claim_is_checked(void **state)
{
    static const struct { const char *name, *aud, *more; int iat, exp; enum err_code expect; } table[] = {
        { "good", "\"atmos-pro.com\"", ",\"jti\":\"j\"", 0, 300, ERR_NONE },
        { "the other audience", "\"signalbox\"", ",\"jti\":\"j\"", 0, 300, ERR_NONE },
        { "several audiences", "[\"x\",\"signalbox\"]", ",\"jti\":\"j\"", 0, 300, ERR_NONE },
        { "wrong audience", "\"atmos-pro.com.evil\"", ",\"jti\":\"j\"", 0, 300, ERR_TOKEN },
        { "no fitting audience", "[\"x\",1,null,[\"signalbox\"]]", ",\"jti\":\"j\"", 0, 300, ERR_TOKEN },
        { "audience of another kind", "{\"a\":\"signalbox\"}", ",\"jti\":\"j\"", 0, 300, ERR_TOKEN },
        { "empty audience", "\"\"", ",\"jti\":\"j\"", 0, 300, ERR_TOKEN },
        { "no jti", "\"signalbox\"", "", 0, 300, ERR_TOKEN },
        { "empty jti", "\"signalbox\"", ",\"jti\":\"\"", 0, 300, ERR_TOKEN },
        { "numeric jti", "\"signalbox\"", ",\"jti\":7", 0, 300, ERR_TOKEN },
        { "expired, within the leeway", "\"signalbox\"", ",\"jti\":\"j\"", -300, -59, ERR_NONE },
        { "expired", "\"signalbox\"", ",\"jti\":\"j\"", -300, -60, ERR_TOKEN_EXPIRED },
        { "from the future, within the leeway", "\"signalbox\"", ",\"jti\":\"j\"", 60, 300, ERR_NONE },
        { "from the future", "\"signalbox\"", ",\"jti\":\"j\"", 61, 300, ERR_TOKEN },
        { "not yet, within the leeway", "\"signalbox\"", ",\"jti\":\"j\",\"nbf\":1767225660", 0, 300, ERR_NONE },
        { "not yet", "\"signalbox\"", ",\"jti\":\"j\",\"nbf\":1767225661", 0, 300, ERR_TOKEN },
        { "nbf of another kind", "\"signalbox\"", ",\"jti\":\"j\",\"nbf\":\"1\"", 0, 300, ERR_TOKEN },
        { "exp without end", "\"signalbox\"", ",\"jti\":\"j\"", 0, INT32_MAX, ERR_NONE },
    };
    serve_keys("k1");
    for (size_t i = 0; i < COUNT(table); i++) {
        str claims = claims_of(rig.base, table[i].aud, NOW_S + (int64_t)table[i].iat,
                               NOW_S + (int64_t)table[i].exp, table[i].more);
        enum err_code code = verify(rig_token("k1", claims.ptr), NOW_MS);
        if (code != table[i].expect)
            fail_msg("%s: %s", table[i].name, err_tag(code));
    }
    assert_int_equal(rig_seen(DISCOVERY), 1);
}

static void times_must_be_there_and_be_numbers(void **state)
{
    static const char *const parts[] = {"",
                                        ",\"iat\":1767225600",
                                        ",\"exp\":1767225900",
                                        ",\"iat\":1767225600,\"exp\":\"1767225900\"",
                                        ",\"iat\":1767225600,\"exp\":9223372036854775807",
                                        ",\"iat\":-5,\"exp\":1767225900",
                                        ",\"iat\":1767225600,\"exp\":1.7e9"};
    serve_keys("k1");
    for (size_t i = 0; i < COUNT(parts); i++) {
        str claims = arena_print(rig.mem, "{\"iss\":\"%s\",\"aud\":\"signalbox\",\"jti\":\"j\"%s}",
                                 rig.base, parts[i]);
        if (verify(rig_token("k1", claims.ptr), NOW_MS) != ERR_TOKEN)
            fail_msg("%s", parts[i]);
    }
}

static void only_listed_issuers_are_asked_for_keys(void **state)
{
    static const char *const others[] = { "http://127.0.0.1:1", "", "%s/", "%sx", "https://token.actions.githubusercontent.com.evil.example" };
    serve_keys("k1");
    for (size_t i = 0; i < COUNT(others); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        const char *iss = arena_print(rig.mem, others[i], rig.base).ptr;
#pragma GCC diagnostic pop
        assert_int_equal(
            verify(rig_token(
                       "k1",
                       claims_of(iss, "\"signalbox\"", NOW_S, NOW_S + 300, ",\"jti\":\"j\"").ptr),
                   NOW_MS),
            ERR_TOKEN);
    }
    assert_int_equal(rig_requests(), 0);
}

static void only_rs256_by_the_named_key_counts(void **state)
{
    struct jwt_key *secret;
    struct err e = { 0 };
    str claims = claims_of(rig.base, "\"signalbox\"", NOW_S, NOW_S + 300, ",\"jti\":\"j\""), hs;
    serve_keys("k1");
    assert_true(jwt_key_from_secret(STR("0123456789abcdef0123456789abcdef"), &secret, &e));
    assert_true(jwt_sign(rig.mem, secret, STR("k1"), claims, &hs, &e));
    jwt_key_free(secret);
    assert_int_equal(verify(hs, NOW_MS), ERR_TOKEN);
    assert_int_equal(verify(STR("eyJhbGciOiJub25lIn0.e30."), NOW_MS), ERR_TOKEN);
    assert_int_equal(verify(rig_token("", claims.ptr), NOW_MS), ERR_TOKEN);
    assert_int_equal(verify(STR("x"), NOW_MS), ERR_TOKEN);
    assert_int_equal(verify(STR(""), NOW_MS), ERR_TOKEN);
    assert_int_equal(rig_requests(), 0);            /* none of them was worth a fetch */
    str good = good_token("k1");
    char *bent = arena_make(rig.mem, char, good.len);
    memcpy(bent, good.ptr, good.len);
    bent[good.len - 20] = bent[good.len - 20] == 'A' ? 'B' : 'A';
    assert_int_equal(verify((str){ bent, good.len }, NOW_MS), ERR_TOKEN);
}

static void keys_are_kept_for_an_hour(void **state)
{
    serve_keys("k1");
    str late = rig_token(
        "k1", claims_of(rig.base, "\"signalbox\"", NOW_S, NOW_S + 86400, ",\"jti\":\"j\"").ptr);
    assert_int_equal(verify(late, NOW_MS), ERR_NONE);
    assert_int_equal(verify(late, NOW_MS + OIDC_FRESH_MS - 1), ERR_NONE);
    assert_int_equal(rig_seen(DISCOVERY), 1);
    assert_int_equal(verify(late, NOW_MS + OIDC_FRESH_MS), ERR_NONE);
    assert_int_equal(rig_seen(DISCOVERY), 2);
}

static void an_unknown_key_asks_again_at_most_once_a_minute(void **state)
{
    serve_keys("k1");
    assert_int_equal(verify(good_token("k1"), NOW_MS), ERR_NONE);
    for (int i = 0; i < 5; i++)
        assert_int_equal(verify(good_token("k2"), NOW_MS + 1000), ERR_TOKEN);
    assert_int_equal(rig_seen(DISCOVERY), 1);
    rig_forget();
    serve_keys("k2");                               /* rotated */
    assert_int_equal(verify(good_token("k2"), NOW_MS + OIDC_MISS_MS), ERR_NONE);
    assert_int_equal(rig_seen(DISCOVERY), 1);
    assert_int_equal(verify(good_token("k1"), NOW_MS + OIDC_MISS_MS), ERR_TOKEN);
    assert_int_equal(rig_seen(DISCOVERY), 1);
}

static void issuers_that_cannot_answer_are_the_issuers_fault(void **state)
{
    static const struct { const char *name, *discovery; int status; const char *keys; int keys_status; } table[] = {
        { "cut", "", CLOSES, "", 200 },
        { "not found", "{}", 404, "", 200 },
        { "HTML", "<html>", 200, "", 200 },
        { "another issuer's document", "{\"issuer\":\"https://x\",\"jwks_uri\":\"{BASE}/keys\"}", 200, "{\"keys\":[]}", 200 },
        { "keys elsewhere", "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"http://127.0.0.1:1/keys\"}", 200, "{\"keys\":[]}", 200 },
        { "keys elsewhere, hidden", "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"{BASE}@127.0.0.1:1/keys\"}", 200, "{\"keys\":[]}", 200 },
        { "no keys", "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"{BASE}/keys\"}", 200, "{}", 500 },
        { "keys are HTML", "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"{BASE}/keys\"}", 200, "<html>", 200 },
        { "no list", "{\"issuer\":\"{BASE}\",\"jwks_uri\":\"{BASE}/keys\"}", 200, "{\"keys\":{}}", 200 },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        rig_forget();
        rig_when("GET", "=" DISCOVERY, table[i].status, table[i].discovery);
        rig_when("GET", "=/keys", table[i].keys_status, table[i].keys);
        int64_t now_ms = NOW_MS + (int64_t)i * OIDC_FAILED_MS;
        if (verify(good_token("k1"), now_ms) != ERR_UPSTREAM)
            fail_msg("%s", table[i].name);
        if (str_starts(str_of(table[i].name), STR("keys elsewhere")))
            assert_has(str_of(last.text), STR("another host"));
        int before = rig_requests();
        /* not asked again at once */
        assert_int_equal(verify(good_token("k1"), now_ms + 1), ERR_UPSTREAM);
        assert_int_equal(rig_requests(), before);
    }
}

static void older_keys_go_on_for_a_while_when_the_issuer_is_down(void **state)
{
    serve_keys("k1");
    str late = rig_token(
        "k1", claims_of(rig.base, "\"signalbox\"", NOW_S, NOW_S + 864000, ",\"jti\":\"j\"").ptr);
    assert_int_equal(verify(late, NOW_MS), ERR_NONE);
    rig_forget();
    rig_when("GET", DISCOVERY, 503, "");
    assert_int_equal(verify(late, NOW_MS + OIDC_FRESH_MS), ERR_NONE);
    assert_int_equal(verify(late, NOW_MS + OIDC_FRESH_MS + 1), ERR_NONE);
    assert_int_equal(rig_seen(DISCOVERY), 1);
    assert_int_equal(verify(late, NOW_MS + OIDC_STALE_MS), ERR_UPSTREAM);
}

static void *verify_many(void *ok)
{
    for (int i = 0; i < 20; i++) {
        struct arena *mem = arena_new((size_t)4 << 20, (size_t)64 << 20);
        struct json claims;
        struct err e = { 0 };
        if (!oidc_verify(oidc, mem, *(str *)ok, NOW_MS + i * INT64_C(1800000), &claims, &e))
            *(str *)ok = STR("");
        arena_free(mem);
    }
    return NULL;
}

static void threads_share_the_keys_and_the_fetch(void **state)
{
    pthread_t t[4];
    str token[4];
    serve_keys("k1");
    for (size_t i = 0; i < COUNT(t); i++)
        token[i] = rig_token(
            "k1",
            claims_of(rig.base, "\"signalbox\"", NOW_S, NOW_S + 864000, ",\"jti\":\"j\"").ptr);
    for (size_t i = 0; i < COUNT(t); i++)
        pthread_create(&t[i], NULL, verify_many, &token[i]);
    for (size_t i = 0; i < COUNT(t); i++)
        pthread_join(t[i], NULL);
    for (size_t i = 0; i < COUNT(t); i++)
        assert_true(token[i].len);
}

static void the_configuration_is_checked(void **state)
{
    static const struct { const char *issuer, *audience; bool ok; } table[] = {
        { "https://ghes.example/_services/token", "a", true }, { "http://127.0.0.1:8080", "a", true },
        { "http://[::1]:8080", "a", true },                    { "http://localhost", "a", true },
        { "http://ghes.example", "a", false },                 { "http://127.0.0.1.evil.example", "a", false },
        { "http://localhost.evil.example:80", "a", false },    { "https://", "a", false },
        { "token.actions.githubusercontent.com", "a", false }, { "https://x", "", false },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        str issuer = str_of(table[i].issuer), audience = str_of(table[i].audience);
        struct oidc_config c = {.client = rig.client,
                                .issuers = &issuer,
                                .issuer_count = 1,
                                .audiences = &audience,
                                .audience_count = 1};
        struct oidc *o = NULL;
        struct err e = { 0 };
        if (oidc_new(&c, &o, &e) != table[i].ok)
            fail_msg("%s", table[i].issuer);
        oidc_free(o);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_good_token_gives_its_claims),
        T(every_claim_is_checked),
        T(times_must_be_there_and_be_numbers),
        T(only_listed_issuers_are_asked_for_keys),
        T(only_rs256_by_the_named_key_counts),
        T(keys_are_kept_for_an_hour),
        T(an_unknown_key_asks_again_at_most_once_a_minute),
        T(issuers_that_cannot_answer_are_the_issuers_fault),
        T(older_keys_go_on_for_a_while_when_the_issuer_is_down),
        T(threads_share_the_keys_and_the_fetch),
        T(the_configuration_is_checked),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
