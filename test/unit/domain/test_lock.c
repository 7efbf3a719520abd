#include "given.h"
#include "domain/lock.h"

static void keys_are_folded(void **state)
{
    static const struct { const char *key, *want; } row[] = {
        { "Acme/Infra/Prod-UE1/Network/VPC", "acme/infra/Prod-UE1/Network/VPC" },
        { "acme/infra/prod/vpc", "acme/infra/prod/vpc" },
        { "A/B/C/D", "a/b/C/D" },
        { "A/B/C", "A/B/C" },                      /* three parts: not ours to interpret */
        { "Deploy", "Deploy" },
        { "A/B/C/", "a/b/C/" },
        { "//X/Y", "//X/Y" },
        { "ÄA/B/c/d", "Äa/b/c/d" },                 /* ASCII only: names of the forge are ASCII */
        { " a / b /c/d", " a / b /c/d" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str got, again;
        struct err e = { 0 };
        assert_true(lock_key_fold(mem, str_of(row[i].key), &got, &e));
        then_text(got, row[i].want);
        assert_true(lock_key_fold(mem, got, &again, &e));
        assert_true(str_eq(got, again));
    }
}

static void bad_keys_are_refused(void **state)
{
    static const struct { str key; const char *why; } row[] = {
        { STR_INIT(""), "empty" }, { STR_INIT("a\nb"), "control character at byte 2" },
        { STR_INIT("a\0b"), "control character at byte 2" }, { STR_INIT("\x7f"), "control character at byte 1" },
        { STR_INIT("a/\xff"), "UTF-8" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str got;
        struct err e = { 0 };
        assert_false(lock_key_fold(mem, row[i].key, &got, &e));
        then_error(&e, ERR_INVALID, row[i].why);
    }
    char *big = arena_take(mem, LOCK_KEY_BYTES_MAX + 1, 1);
    memset(big, 'k', LOCK_KEY_BYTES_MAX + 1);
    str got;
    struct err e = { 0 };
    assert_true(lock_key_fold(mem, (str){ big, LOCK_KEY_BYTES_MAX }, &got, &e));
    assert_false(lock_key_fold(mem, (str){ big, LOCK_KEY_BYTES_MAX + 1 }, &got, &e));
    then_error(&e, ERR_INVALID, "1025 bytes; at most 1024");
}

static void built_keys_equal_sent_ones(void **state)
{
    static const struct { const char *owner, *repo, *stack, *component; } row[] = {
        { "Acme", "Infra", "Prod", "VPC" }, { "acme", "infra", "plat-ue1-prod", "network/VPC" }, { "O", "R", "s", "c" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str sent = arena_print(mem, "%s/%s/%s/%s", row[i].owner, row[i].repo, row[i].stack,
                               row[i].component),
            folded;
        struct err e = { 0 };
        assert_true(lock_key_fold(mem, sent, &folded, &e));
        str built = lock_key_of(mem, str_of(row[i].owner), str_of(row[i].repo),
                                str_of(row[i].stack), str_of(row[i].component));
        assert_true(str_eq(built, folded));
    }
    then_text(lock_key_of(mem, STR("A"), STR("B"), STR("C"), STR("D/E")), "a/b/C/D/E");
}

static void times_to_live_are_bounded(void **state)
{
    static const struct { int64_t ttl_s; bool ok; } row[] = {
        { 0, false }, { -1, false }, { 1, true }, { 30, true }, { 172800, true }, { 2592000, true }, { 2592001, false },
        { INT64_MAX, false }, { INT64_MIN, false },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        assert_int_equal(lock_ttl_check(row[i].ttl_s, &e), row[i].ok);
        if (!row[i].ok)
            then_error(&e, ERR_INVALID, "between 1 and 2592000 seconds");
    }
}

static str given_repeated(const char *text, int times)
{
    struct buf b;
    buf_init(&b, mem, SIZE_MAX);
    for (int i = 0; i < times; i++)
        buf_add(&b, str_of(text));
    return buf_str(&b);
}

/* What names people give: one letter of two bytes, or of four, across the limit goes as a whole. */
static void its_words_are_cut_between_characters(void **state)
{
    const int64_t until_ms = 1790003600000;
    const struct { str actor, message; size_t max; str want; } row[] = {
        { STR_INIT("ana"), STR_INIT("db migration"), 200, STR_INIT(" by ana until 2026-09-21T15:13:20Z: db migration") },
        { STR_INIT(""), STR_INIT(""), 200, STR_INIT(" until 2026-09-21T15:13:20Z") },
        { STR_INIT("ana"), STR_INIT("größer"), 4, STR_INIT(" by ana until 2026-09-21T15:13:20Z: grö") },
        { STR_INIT("ana"), STR_INIT("größer"), 3, STR_INIT(" by ana until 2026-09-21T15:13:20Z: gr") },
        { STR_INIT("ana"), STR_INIT("🔒🔒"), 7, STR_INIT(" by ana until 2026-09-21T15:13:20Z: 🔒") },
        { given_repeated("ü", 30), STR_INIT(""), 200,
          arena_print(mem, " by " PRI_STR " until 2026-09-21T15:13:20Z", FMT_STR(given_repeated("ü", 30))) },
        { arena_print(mem, "a" PRI_STR, FMT_STR(given_repeated("ü", 30))), STR_INIT(""), 200,
          arena_print(mem, " by a" PRI_STR " until 2026-09-21T15:13:20Z", FMT_STR(given_repeated("ü", 29))) },
        { given_repeated("x", 61), given_repeated("y", 201), 200,
          arena_print(mem, " by " PRI_STR " until 2026-09-21T15:13:20Z: " PRI_STR,
                      FMT_STR(given_repeated("x", 60)), FMT_STR(given_repeated("y", 200))) },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str got = lock_words(mem, row[i].actor, until_ms, row[i].message, row[i].max);
        then_text(got, row[i].want.ptr);
        assert_true(str_is_utf8(got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_folded), TEST(bad_keys_are_refused), TEST(built_keys_equal_sent_ones), TEST(times_to_live_are_bounded),
        TEST(its_words_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
