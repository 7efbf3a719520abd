#include "given.h"

#include "base/secret.h"

static str hmac_hex(struct arena *a, str key, str data)
{
    uint8_t out[SHA256_BYTES];
    hmac_sha256(key, data, out);
    return hex_write(a, (str){ (const char *)out, sizeof out });
}

static void digests_match_the_published_vectors(void **state)
{
    GIVEN_ARENA(a);
    assert_str(sha256_hex(a, STR("")),
               STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    assert_str(sha256_hex(a, STR_NONE),
               STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    assert_str(sha256_hex(a, STR("abc")),
               STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    /* GitHub's own example (forges.md §1.1) */
    assert_str(hmac_hex(a, STR("It's a Secret to Everybody"), STR("Hello, World!")),
               STR("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"));
    /* RFC 4231, cases 2 and 6 */
    assert_str(hmac_hex(a, STR("Jefe"), STR("what do ya want for nothing?")),
               STR("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    char key[131];
    memset(key, 0xaa, sizeof key);
    assert_str(hmac_hex(a, (str){ key, sizeof key },
                        STR("Test Using Larger Than Block-Size Key - Hash Key First")),
               STR("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    assert_str(hmac_hex(a, STR_NONE, STR_NONE),
               STR("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

static void a_body_in_pieces_has_the_same_signature(void **state)
{
    str body = STR(
        "Hello, World! and a little more than a block of sixty-four bytes, to cross its border");
    uint8_t whole[SHA256_BYTES], parts[SHA256_BYTES];
    hmac_sha256(STR("key"), body, whole);
    for (size_t step = 1; step < body.len; step++) {
        struct hmac *h = hmac_begin(STR("key"));
        hmac_add(h, STR_NONE);
        for (size_t i = 0; i < body.len; i += step)
            hmac_add(h, str_sub(body, i, i + step));
        hmac_end(h, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
    hmac_drop(hmac_begin(STR("key")));
    hmac_drop(NULL);
}

static void comparison(void **state)
{
    assert_true(secret_equal(STR("abc"), STR("abc")));
    assert_false(secret_equal(STR("abc"), STR("abd")));
    assert_false(secret_equal(STR("abc"), STR("ab")));
    assert_true(secret_equal(STR_NONE, STR("")));
    char wiped[4] = "abc";
    secret_wipe(wiped, sizeof wiped);
    assert_memory_equal(wiped, "\0\0\0", 4);
    secret_wipe(NULL, 0);
}

static void random_is_not_constant(void **state)
{
    uint8_t a[1000] = { 0 }, b[1000] = { 0 };
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(random_u64() != random_u64());
    unsigned ones = 0;
    for (size_t i = 0; i < sizeof a; i++)
        ones += (unsigned)__builtin_popcount(a[i]);
    assert_in_range(ones, 3600, 4400);          /* 8000 coins, nine standard deviations */
}

static void hex_both_ways(void **state)
{
    GIVEN_ARENA(a);
    str got;
    assert_str(hex_write(a, (str){ "\x00\xff\x1a", 3 }), STR("00ff1a"));
    assert_true(hex_read(a, STR("00fF1A"), &got));
    assert_str(got, ((str){ "\x00\xff\x1a", 3 }));
    assert_true(hex_read(a, STR(""), &got));
    assert_int_equal(got.len, 0);
    static const char *const bad[] = { "0", "0g", "g0", "0x", " 0", "000", "--", "@A", "`a" };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (hex_read(a, str_of(bad[i]), &got))
            fail_msg("%s", bad[i]);
}

static void base64_rfc4648(void **state)
{
    static const struct { const char *plain, *text, *url;
    } rows[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xfe", "+//+", "-__-" },
    };
    GIVEN_ARENA(a);
    for (size_t i = 0; i < COUNT(rows); i++) {
        str got;
        assert_str(base64_write(a, str_of(rows[i].plain)), str_of(rows[i].text));
        assert_str(base64url_write(a, str_of(rows[i].plain)), str_of(rows[i].url));
        assert_true(base64_read(a, str_of(rows[i].text), &got));
        assert_str(got, str_of(rows[i].plain));
        assert_true(base64url_read(a, str_of(rows[i].url), &got));
        assert_str(got, str_of(rows[i].plain));
    }
}

static void base64_refuses_what_has_a_second_form(void **state)
{
    GIVEN_ARENA(a);
    str got;
    static const char *const bad[] = { "Z",     "Zg",       "Zg=",   "Zg===", "Zh==",  "Zm9=",
                                       "Z g==", "Zg==Zg==", "=",     "====",  "Zm9v=", "-__-",
                                       "Zm9v!", "Zg=a",     "Zm9vZ", "=Zm9" };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (base64_read(a, str_of(bad[i]), &got))
            fail_msg("base64 %s", bad[i]);
    static const char *const bad_url[] = { "Z",    "Zg==",  "Zh",  "Zm9",   "+//+",
                                           "Zg\n", "Zm9v.", " Zg", "Zm9vZ", "Z\xc3\xa9" };
    for (size_t i = 0; i < COUNT(bad_url); i++)
        if (base64url_read(a, str_of(bad_url[i]), &got))
            fail_msg("base64url %s", bad_url[i]);
    assert_false(base64url_read(a, (str){ "Zg\0", 3 }, &got));
    /* GitHub wraps the contents of files */
    assert_true(base64_read(a, STR("Zm9v\r\nYmE=\n"), &got));
    assert_str(got, STR("fooba"));
}

static void sealed_secrets_open_with_their_key_alone(void **state)
{
    GIVEN_ARENA(a);
    uint8_t key[SECRET_KEY_BYTES], other[SECRET_KEY_BYTES];
    random_bytes(key, sizeof key);
    random_bytes(other, sizeof other);
    str sealed = secret_seal(a, key, STR("token")), plain;
    assert_false(str_has(sealed, STR("token")));
    struct err e = { .code = ERR_NONE };
    assert_true(secret_open(a, key, sealed, &plain, &e));
    assert_str(plain, STR("token"));
    assert_false(
        str_eq(sealed, secret_seal(a, key, STR("token")))); /* a nonce of its own each time */
    assert_false(secret_open(a, other, sealed, &plain, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    for (size_t i = 0; i < sealed.len; i++) {
        str damaged = arena_copy(a, sealed);
        ((char *)(size_t)damaged.ptr)[i] ^= 1;
        err_clear(&e);
        assert_false(secret_open(a, key, damaged, &plain, &e));
        err_clear(&e);
        assert_false(secret_open(a, key, str_sub(sealed, 0, i), &plain, &e));
    }
    err_clear(&e);
    assert_true(secret_open(a, key, secret_seal(a, key, STR_NONE), &plain, &e));
    assert_int_equal(plain.len, 0);
}

static void start_can_be_called_again(void **state)
{
    struct err e = { .code = ERR_NONE };
    assert_true(secret_start(&e));
    assert_true(secret_start(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_the_published_vectors),
        cmocka_unit_test(a_body_in_pieces_has_the_same_signature),
        cmocka_unit_test(comparison),
        cmocka_unit_test(random_is_not_constant),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(base64_rfc4648),
        cmocka_unit_test(base64_refuses_what_has_a_second_form),
        cmocka_unit_test(sealed_secrets_open_with_their_key_alone),
        cmocka_unit_test(start_can_be_called_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
