/* Masking: a secret leaves in no form, wherever the chunks of the output are cut. */
#include "given.h"

#include "base/buf.h"
#include "base/secret.h"
#include "base/mask.h"

static void to_buf(void *to, str text) { buf_add(to, text); }

static struct mask_set set_of(const char *const *secrets)
{
    struct mask_set set = {0};
    for (; *secrets; secrets++)
        mask_add(&set, str_of(*secrets));
    mask_ready(&set);
    return set;
}

#define SECRETS(...) set_of((const char *const[]){__VA_ARGS__, NULL})

/* The text in chunks of that many bytes. */
static str fed(struct arena *mem, const struct mask_set *set, str text, size_t chunk)
{
    struct buf out;
    buf_init(&out, mem, 1 << 20);
    struct mask_stream m = {.set = set, .sink = to_buf, .to = &out};
    for (size_t at = 0; at < text.len; at += chunk)
        mask_feed(&m, str_sub(text, at, at + chunk));
    mask_flush(&m);
    return buf_str(&out);
}

static const struct { const char *secrets[4], *in, *out; } cases[] = {
    {{"hunter2!"}, "the word is hunter2! and no other", "the word is *** and no other"},
    {{"hunter2!"}, "hunter2!hunter2!", "******"},
    {{"hunter2!"}, "hunter2 hunter hunter2", "hunter2 hunter hunter2"},
    {{"hunter2!"}, "hunthunter2!", "hunt***"},
    {{"aaab"}, "aaaaaab", "aaa***"},
    {{"abcd", "abcdefgh"}, "abcdefgh abcdefg abcd", "*** ***efg ***"},
    {{"abcd", "cdef"}, "abcdef", "***ef"},
    {{"tiny", "no"}, "tiny no", "*** no"},
    {{"line one of it\nline two of it"}, "x line two of it y", "x *** y"},
    {{"line one of it\nline two of it"}, "line one of it\nline two of it", "***"},
    {{"p@ss word/1"}, "https://u:p%40ss%20word%2F1@h/", "https://u:***@h/"},
    {{"  padded-secret\n"}, "padded-secret", "***"},
    {{""}, "nothing is masked", "nothing is masked"},
    {{"password-5ecret"}, "cGFzc3dvcmQtNWVjcmV0", "***"},
    {{"password-5ecret1"}, "cGFzc3dvcmQtNWVjcmV0MQ== and cGFzc3dvcmQtNWVjcmV0MQ.", "*** and ***."},
    {{"password-5ecret12"}, "cGFzc3dvcmQtNWVjcmV0MTI= and cGFzc3dvcmQtNWVjcmV0MTI.", "*** and ***."},
    {{"-----BEGIN KEY-----\nbGluZS1vbmU\nbGluZS10d28=\n-----END KEY-----\n"},
     "-----BEGIN KEY-----\r\nbGluZS1vbmU\r\nbGluZS10d28=\r\n-----END KEY-----",
     "***\r\n***\r\n***\r\n***"},
    {{"-----BEGIN KEY-----\nbGluZS1vbmU\nbGluZS10d28=\n-----END KEY-----\n"}, "key: bGluZS1vbmU", "key: ***"},
};

static void each_secret_is_masked_whatever_the_chunks(void **state)
{
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t chunk = 1; chunk <= 40; chunk++) {
            GIVEN_ARENA(mem);
            struct mask_set set = set_of(cases[i].secrets);
            assert_str(fed(mem, &set, str_of(cases[i].in), chunk), str_of(cases[i].out));
            assert_str(mask_text(mem, &set, str_of(cases[i].in)), str_of(cases[i].out));
            mask_free(&set);
        }
}

/* As in the header that git or curl print: "Basic base64(user:token)". */
static void base64_is_masked_at_every_offset(void **state)
{
    const char *users[] = {"", "u:", "us:", "use:", "user:"}, *ends[] = {"", "x", "xy", "xyz"};
    for (size_t i = 0; i < COUNT(users) * COUNT(ends); i++) {
        GIVEN_ARENA(mem);
        struct mask_set set = SECRETS("gh~p_Zz>?secret-token");
        str plain = arena_print(mem, "%sgh~p_Zz>?secret-token%s", users[i % 5], ends[i / 5]);
        str forms[] = {base64_write(mem, plain), base64url_write(mem, plain)};
        for (size_t f = 0; f < 2; f++) {
            str out = fed(mem, &set, forms[f], 7);
            assert_true(str_has(out, STR(MASK_TEXT)));
            /* What is left are at most the characters that also hold bits of the neighbours. */
            assert_true(out.len <= 3 + 8 + 8);
        }
        mask_free(&set);
    }
}

static void the_beginning_of_a_secret_at_the_end_is_masked(void **state)
{
    GIVEN_ARENA(mem);
    struct mask_set set = SECRETS("0123456789abcdef");
    assert_str(fed(mem, &set, STR("cut off: 0123456789"), 5), STR("cut off: ***"));
    assert_str(fed(mem, &set, STR("only a few: 012"), 5), STR("only a few: 012"));
    assert_str(mask_text(mem, &set, STR("cut off: 0123456789")), STR("cut off: ***"));
    str few = STR("only a few: 012");
    assert_ptr_equal(mask_text(mem, &set, few).ptr, few.ptr);       /* nothing is copied for nothing */
    mask_free(&set);
}

static void after_a_wipe_no_secret_is_in_memory(void **state)
{
    struct mask_set set = SECRETS("0123456789abcdef");
    mask_wipe(&set);
    for (size_t i = 0; i < set.count; i++)
        for (size_t b = 0; b < set.items[i].len; b++)
            assert_int_equal(set.items[i].bytes[b], 0);
    mask_free(&set);
}

static void many_secrets_and_much_text(void **state)
{
    GIVEN_ARENA(mem);
    struct mask_set set = {0};
    for (int i = 0; i < 300; i++)
        mask_add(&set, arena_print(mem, "secret-number-%d-of-many", i));
    mask_ready(&set);
    struct buf in;
    buf_init(&in, mem, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_print(&in, "plain text s se sec secret-number-%d-of-many\n", i % 300);
    str out = fed(mem, &set, buf_str(&in), 4096);
    assert_false(str_has(out, STR("-of-many")));
    assert_int_equal(out.len, 3000 * strlen("plain text s se sec ***\n"));
    mask_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_secret_is_masked_whatever_the_chunks),
        cmocka_unit_test(base64_is_masked_at_every_offset),
        cmocka_unit_test(the_beginning_of_a_secret_at_the_end_is_masked),
        cmocka_unit_test(after_a_wipe_no_secret_is_in_memory),
        cmocka_unit_test(many_secrets_and_much_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
