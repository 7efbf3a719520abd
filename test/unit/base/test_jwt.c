#include "given.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/jwt.h"
#include "base/secret.h"

static EVP_PKEY *rsa;
static struct arena *keys;
static str pkcs1, pkcs8, public_pem, n_text, e_text;

static str bio_text(BIO *b)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    str s = arena_copy(keys, (str){ p, (size_t)n });
    BIO_free(b);
    return s;
}

static str number_text(const char *name)
{
    BIGNUM *n = NULL;
    EVP_PKEY_get_bn_param(rsa, name, &n);
    char bytes[1024];
    int len = BN_bn2bin(n, (unsigned char *)bytes);
    BN_free(n);
    return base64url_write(keys, (str){ bytes, (size_t)len });
}

static int make_keys(void **state)
{
    keys = arena_new(1 << 20, 1 << 20);
    rsa = EVP_RSA_gen(2048);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(b, rsa, NULL, NULL, 0, NULL, NULL);
    pkcs1 = bio_text(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, rsa, NULL, NULL, 0, NULL, NULL);
    pkcs8 = bio_text(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(b, rsa);
    public_pem = bio_text(b);
    n_text = number_text(OSSL_PKEY_PARAM_RSA_N);
    e_text = number_text(OSSL_PKEY_PARAM_RSA_E);
    return 0;
}

static int drop_keys(void **state)
{
    EVP_PKEY_free(rsa);
    arena_free(keys);
    return 0;
}

static void scope_key(struct jwt_key **k) { jwt_key_free(*k); }

static struct jwt_key *private_key(str pem)
{
    struct jwt_key *k = NULL;
    struct err e = { .code = ERR_NONE };
    if (!jwt_key_from_pem(pem, &k, &e))
        fail_msg("%s", e.text);
    return k;
}

static bool from_jwk(struct arena *a, str text, struct jwt_key **k)
{
    struct err e = { .code = ERR_NONE };
    struct json v;
    *k = NULL;
    if (!json_parse(a, text, 0, &v, &e))
        fail_msg("%s", e.text);
    bool ok = jwt_key_from_jwk(v, a, k, &e);
    assert_int_equal(e.code, ok ? ERR_NONE : ERR_INVALID);
    return ok;
}

static struct jwt_key *public_key(struct arena *a)
{
    struct jwt_key *k;
    assert_true(from_jwk(
        a,
        arena_print(a,
                    "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"n\":\"%s\",\"e\":\"%s\"}",
                    n_text.ptr, e_text.ptr),
        &k));
    return k;
}

static struct jwt_key *secret_key(str secret)
{
    struct jwt_key *k = NULL;
    struct err e = { .code = ERR_NONE };
    assert_true(jwt_key_from_secret(secret, &k, &e));
    return k;
}

static str signed_with(struct arena *a, const struct jwt_key *k, const char *payload)
{
    str token;
    struct err e = { .code = ERR_NONE };
    if (!jwt_sign(a, k, STR("key-1"), str_of(payload), &token, &e))
        fail_msg("%s", e.text);
    return token;
}

/* A token with any header, rightly signed by HS256: what an attacker with a key, or another
 * program, could send. */
static str hand_made(struct arena *a, str secret, const char *header, const char *payload)
{
    str text = arena_print(a, "%s.%s", base64url_write(a, str_of(header)).ptr,
                           base64url_write(a, str_of(payload)).ptr);
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(secret, text, mac);
    return arena_print(a, "%s.%s", text.ptr,
                       base64url_write(a, (str){ (const char *)mac, sizeof mac }).ptr);
}

static bool accepts(struct arena *a, const struct jwt_key *k, str token)
{
    struct err e = { .code = ERR_NONE };
    struct json claims;
    bool ok = jwt_verify(a, k, token, &claims, &e);
    assert_int_equal(e.code, ok ? ERR_NONE : ERR_TOKEN);
    return ok;
}

static const str shared = STR_INIT("0123456789abcdef0123456789abcdef");

static void a_token_signed_by_either_form_of_the_key_is_verified(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *one = private_key(pkcs1);
    SCOPED(key) struct jwt_key *eight = private_key(pkcs8);
    SCOPED(key) struct jwt_key *public = public_key(a);
    assert_true(str_has(pkcs1, STR("BEGIN RSA PRIVATE KEY")));
    assert_true(str_has(pkcs8, STR("BEGIN PRIVATE KEY")));
    str token = signed_with(a, one, "{\"iss\":\"123\",\"iat\":1}");
    assert_str(token, signed_with(a, eight, "{\"iss\":\"123\",\"iat\":1}"));
    struct err e = { .code = ERR_NONE };
    struct json claims;
    assert_true(jwt_verify(a, public, token, &claims, &e));
    assert_str(json_str(json_get(claims, STR("iss")), a), STR("123"));
    assert_true(accepts(a, one, token));
    str kid, alg;
    assert_true(jwt_peek(a, token, &kid, &alg, &e));
    assert_str(kid, STR("key-1"));
    assert_str(alg, STR("RS256"));
}

/* RFC 7515, appendix A.1. */
static void the_published_hs256_example_is_accepted(void **state)
{
    GIVEN_ARENA(a);
    str secret,
        token = STR("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p"
                    "c19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_true(base64url_read(a,
                               STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                                   "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                               &secret));
    SCOPED(key) struct jwt_key *k = secret_key(secret);
    assert_true(accepts(a, k, token));
}

static void the_algorithm_is_the_keys_never_the_tokens(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *private = private_key(pkcs1);
    SCOPED(key) struct jwt_key *public = public_key(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    assert_false(accepts(a, public, signed_with(a, hs, "{}")));
    assert_false(accepts(a, hs, signed_with(a, private, "{}")));
    /* the classic: HS256 with the text of the public key as the secret */
    assert_false(accepts(a, public, hand_made(a, public_pem, "{\"alg\":\"HS256\"}", "{}")));
    assert_false(accepts(a, public, hand_made(a, public_pem, "{\"alg\":\"RS256\"}", "{}")));
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",  "{\"alg\":\"None\"}",    "{\"alg\":\"\"}",
        "{\"alg\":\"hs256\"}", "{\"alg\":\"HS512\"}",   "{\"alg\":\"HS256 \"}",
        "{\"alg\":null}",      "{\"alg\":[\"HS256\"]}", "{}",
        "{\"typ\":\"JWT\"}",
    };
    for (size_t i = 0; i < COUNT(headers); i++)
        if (accepts(a, hs, hand_made(a, shared, headers[i], "{}")))
            fail_msg("%s", headers[i]);
    assert_true(accepts(a, hs, hand_made(a, shared, "{\"alg\":\"HS256\"}", "{}")));
    /* alg none with an empty signature */
    str bare = arena_print(a, "%s.%s.", base64url_write(a, STR("{\"alg\":\"none\"}")).ptr,
                           base64url_write(a, STR("{}")).ptr);
    assert_false(accepts(a, hs, bare));
    assert_false(accepts(a, public, bare));
}

static void headers_we_do_not_understand_are_refused(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    static const char *const headers[] = {
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\",\"kid\":5}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "[\"HS256\"]",
        "\"HS256\"",
        "not json",
        "",
        "{\"alg\":\"HS256\"}{}",
    };
    for (size_t i = 0; i < COUNT(headers); i++)
        if (accepts(a, hs, hand_made(a, shared, headers[i], "{}")))
            fail_msg("%s", headers[i]);
    static const char *const payloads[] = { "[]",          "5", "null", "", "{\"a\":1,\"a\":2}",
                                            "{\"a\":\xff}" };
    for (size_t i = 0; i < COUNT(payloads); i++)
        if (accepts(a, hs, hand_made(a, shared, "{\"alg\":\"HS256\"}", payloads[i])))
            fail_msg("%s", payloads[i]);
    assert_true(accepts(
        a, hs, hand_made(a, shared, "{\"alg\":\"HS256\",\"jwk\":{},\"x5u\":\"https://e\"}", "{}")));
}

static void the_shape_is_three_parts(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    str good = signed_with(a, hs, "{\"n\":1}");
    assert_true(accepts(a, hs, good));
    size_t first = str_find(good, '.', 0), second = str_find(good, '.', first + 1);
    const char *const bad[] = {
        "", ".", "..", "...", "a", "a.b", "a.b.c.d",
        arena_print(a, "%s.", good.ptr).ptr,
        arena_print(a, "%s=", good.ptr).ptr,
        arena_print(a, "%s ", good.ptr).ptr,
        arena_print(a, "%s\n", good.ptr).ptr,
        arena_print(a, "%sAAAA", good.ptr).ptr,
        arena_print(a, " %s", good.ptr).ptr,
        arena_print(a, ".%s", good.ptr).ptr,
        arena_z(a, str_sub(good, 0, second)),
        arena_z(a, str_sub(good, 0, second + 1)),
        arena_z(a, str_sub(good, first + 1, good.len)),
        arena_z(a, str_sub(good, 0, good.len - 1)),
        arena_print(a, "%.*s=.%s", (int)first, good.ptr, good.ptr + first + 1).ptr,
        arena_print(a, "Bearer %s", good.ptr).ptr,
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (accepts(a, hs, str_of(bad[i])))
            fail_msg("row %zu: %s", i, bad[i]);
    assert_false(accepts(a, hs, (str){ good.ptr, good.len + 1 }));     /* with the NUL */
    assert_false(accepts(a, hs, STR_NONE));
}

/* The last character of a part has spare bits: changing them must not give a second valid token. */
static void every_changed_character_is_noticed(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    SCOPED(key) struct jwt_key *private = private_key(pkcs8);
    const struct jwt_key *both[] = { hs, private };
    for (size_t k = 0; k < 2; k++) {
        str good = signed_with(a, both[k], "{\"sub\":\"repo:acme/infra\",\"n\":12345}");
        for (size_t i = 0; i < good.len; i++) {
            if (good.ptr[i] == '.')
                continue;
            str changed = arena_copy(a, good);
            static const char set[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            size_t at = (size_t)(strchr(set, good.ptr[i]) - set);
            ((char *)(size_t)changed.ptr)[i] = set[at ^ 1];
            if (accepts(a, both[k], changed))
                fail_msg("character %zu", i);
        }
    }
}

static void size_is_limited(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    char *big = arena_take(a, 20000, 1);
    memset(big, 'x', 19999);
    str payload = arena_print(a, "{\"a\":\"%s\"}", big);
    assert_false(accepts(a, hs, hand_made(a, shared, "{\"alg\":\"HS256\"}", payload.ptr)));
    struct err e = { .code = ERR_NONE };
    str token, kid, alg;
    assert_false(jwt_sign(a, hs, STR_NONE, payload, &token, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    err_clear(&e);
    assert_false(
        jwt_peek(a, hand_made(a, shared, "{\"alg\":\"HS256\"}", payload.ptr), &kid, &alg, &e));
    assert_int_equal(e.code, ERR_TOKEN);
}

static void keys_that_are_too_weak_or_wrong_are_refused(void **state)
{
    struct jwt_key *k = NULL;
    EVP_PKEY *small = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256");
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, small, NULL, NULL, 0, NULL, NULL);
    str small_pem = bio_text(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, ec, NULL, NULL, 0, NULL, NULL);
    str ec_pem = bio_text(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, rsa, EVP_aes_128_cbc(), (const unsigned char *)"pass", 4, NULL,
                             NULL);
    str locked_pem = bio_text(b);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    const str bad[] = { small_pem, ec_pem, locked_pem, public_pem, STR("no key"), STR(""), STR_NONE,
                        str_sub(pkcs8, 0, pkcs8.len / 2) };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct err e = { .code = ERR_NONE };
        if (jwt_key_from_pem(bad[i], &k, &e))
            fail_msg("row %zu", i);
        assert_int_equal(e.code, ERR_INVALID);
        assert_false(str_has(str_of(e.text), STR("PRIVATE KEY-----")));
    }
    struct err e = { .code = ERR_NONE };
    assert_false(jwt_key_from_secret(STR("0123456789abcdef0123456789abcde"), &k, &e));
    assert_int_equal(e.code, ERR_INVALID);
}

static void jwks_are_checked(void **state)
{
    GIVEN_ARENA(a);
    const char *n = n_text.ptr;
    const str bad[] = {
        STR("{}"), STR("[]"), STR("{\"kty\":\"RSA\"}"),
        arena_print(a, "{\"kty\":\"EC\",\"n\":\"%s\",\"e\":\"AQAB\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB=\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":65537}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAA\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"%s\",\"e\":\"AQAB\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"%s\",\"e\":\"AQAB\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"%.40s\",\"e\":\"AQAB\"}", n),
        arena_print(a, "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"}"),
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct jwt_key *k;
        if (from_jwk(a, bad[i], &k))
            fail_msg("row %zu", i);
    }
}

struct shared { const struct jwt_key *hs, *private, *public; unsigned wrong; };

static void *use_shared(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 30; i++) {
        GIVEN_ARENA(a);
        struct err e = { .code = ERR_NONE };
        struct json claims;
        str one, two;
        bool ok = jwt_sign(a, s->hs, STR_NONE, STR("{}"), &one, &e) &&
                  jwt_sign(a, s->private, STR_NONE, STR("{}"), &two, &e) &&
                  jwt_verify(a, s->hs, one, &claims, &e) &&
                  jwt_verify(a, s->public, two, &claims, &e);
        s->wrong += !ok;
    }
    return NULL;
}

static void keys_are_shared_by_threads(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *hs = secret_key(shared);
    SCOPED(key) struct jwt_key *private = private_key(pkcs8);
    SCOPED(key) struct jwt_key *public = public_key(a);
    pthread_t thread[4];
    struct shared use[4];
    for (size_t i = 0; i < COUNT(thread); i++) {
        use[i] = (struct shared){ hs, private, public, 0 };
        assert_int_equal(pthread_create(&thread[i], NULL, use_shared, &use[i]), 0);
    }
    for (size_t i = 0; i < COUNT(thread); i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(use[i].wrong, 0);
    }
}

static void sign_with_public(void *arg)
{
    GIVEN_ARENA(a);
    str token;
    struct err e = { .code = ERR_NONE };
    if (!jwt_sign(a, arg, STR_NONE, STR("{}"), &token, &e))
        exit(0);
}

static void signing_with_a_public_key_is_an_assertion(void **state)
{
    GIVEN_ARENA(a);
    SCOPED(key) struct jwt_key *public = public_key(a);
    assert_true(given_aborts(sign_with_public, public));
    jwt_key_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_signed_by_either_form_of_the_key_is_verified),
        cmocka_unit_test(the_published_hs256_example_is_accepted),
        cmocka_unit_test(the_algorithm_is_the_keys_never_the_tokens),
        cmocka_unit_test(headers_we_do_not_understand_are_refused),
        cmocka_unit_test(the_shape_is_three_parts),
        cmocka_unit_test(every_changed_character_is_noticed),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(keys_that_are_too_weak_or_wrong_are_refused),
        cmocka_unit_test(jwks_are_checked),
        cmocka_unit_test(signing_with_a_public_key_is_an_assertion),
        cmocka_unit_test(keys_are_shared_by_threads),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
