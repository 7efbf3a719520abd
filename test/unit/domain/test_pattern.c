#include "given.h"
#include <time.h>
#include "domain/pattern.h"

static void patterns_match_the_whole_text(void **state)
{
    /* examples apart by blanks; "-" is the empty text */
    static const struct { const char *pattern, *yes, *no; } row[] = {
        { "*", "- a main a/b", "" },
        { "main", "main", "- maine amain Main mai" },
        { "^(main|develop)$", "main develop", "- mainx xdevelop main|develop" },
        { "^main$|^dev$", "main dev", "xmain devx" },
        { "(^a|b)c", "ac bc", "c aac" }, { "x(^a|b)", "xb", "xa a" }, { "(a$|b)x", "bx", "ax a" }, { "(^a)+", "a", "aa" },
        { ".*\\.yml$", "a.yml .yml x/y.yml", "ayml a.ymlx a.yaml" },
        { "prod.*", "prod prod-eu production", "xprod pro" },
        { "atmos-terraform-plan.yaml", "atmos-terraform-plan.yaml atmos-terraform-planxyaml", "atmos-terraform-plan-yaml-" },
        { "a|b|", "a b -", "ab c" },
        { "release/[0-9]+\\.[0-9]+", "release/1.2 release/10.20", "release/1 release/1.2.3 release/a.b" },
        { "[a-c]x", "ax bx cx", "dx x aax" },
        { "[^a-c]x", "dx zx éx", "ax x" },
        { "[]a]", "] a", "b -" }, { "[^]a]", "b", "] a" }, { "[a-]", "a -x", "b" }, { "[\\]\\-]", "] ", "a" },
        { "[\\d_]+", "1_2 9", "a -" }, { "\\d\\w", "1a 2_ 33", "a1 1" }, { "a\\sb", "", "ab a_b" },
        { "a{3}", "aaa", "a aa aaaa" }, { "a{2,}", "aa aaaaa", "a -" }, { "a{1,3}", "a aa aaa", "- aaaa" }, { "a{0}", "-", "a" },
        { "(ab){2}", "abab", "ab ababab" }, { "(a|b){1,2}c", "ac bc abc bac", "c abac" }, { "x{64}", "", "x" },
        { "a?b", "b ab", "aab a" }, { "a+?b", "ab aab", "b" }, { "a*?b", "b aab", "a" }, { "(?:ab)+", "ab abab", "a" },
        { "()*a", "a", "aa" }, { "(a*)*b", "b ab aaab", "a" }, { "(|a)+b", "b ab aab", "a" },
        { "a.b", "axb aéb a.b", "ab axxb" }, { "é+", "é éé", "e" }, { "[à-ï]", "é ç", "e z" },
        { "\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\^\\$\\.\\\\", "*+?()[]{}|^$.\\", "x" },
        { "feature/.+", "feature/x feature/a/b", "feature/ feature" },
        { "a-b", "a-b", "ab" }, { "a}b", "a}b", "ab" }, { "a]b", "a]b", "ab" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        if (!pattern_check(str_of(row[i].pattern), &e))
            wrong("%s: %s", row[i].pattern, e.text);
        for (int side = 0; side < 2; side++) {
            str rest = str_of(side ? row[i].no : row[i].yes);
            while (rest.len) {
                str text = str_cut(rest, ' ', &rest);
                if (str_eq(text, STR("-")))
                    text = STR("");
                if (str_eq(text, STR("-x")))
                    text = STR("-");
                if (pattern_match(mem, str_of(row[i].pattern), text) != !side)
                    wrong("%s should %smatch \"%.*s\"", row[i].pattern, side ? "not " : "",
                          (int)text.len, text.ptr);
            }
        }
    }
    assert_true(pattern_match(mem, STR("a\\sb"), STR("a b")));
    assert_true(pattern_match(mem, STR("a\\tb"), STR("a\tb")));
    assert_false(pattern_match(mem, STR(".*"), STR("a\nb")));
    char sixty_four[65];
    memset(sixty_four, 'x', 65);
    assert_true(pattern_match(mem, STR("x{64}"), (str){ sixty_four, 64 }));
    assert_false(pattern_match(mem, STR("x{64}"), (str){ sixty_four, 65 }));
}

static void unsupported_patterns_are_named(void **state)
{
    static const struct { const char *pattern, *why; } row[] = {
        { "", "it is empty" }, { "**", "nothing before this sign" }, { "+a", "nothing before" }, { "a|*", "nothing before" },
        { "(?a)", "only (?: is supported" }, { "(?=a)", "only (?:" }, { "(?P<n>a)", "only (?:" }, { "(?!a)", "only (?:" },
        { "(a", "a ( has no )" }, { "a)", "a ) has no (" }, { "[a", "a [ has no ]" }, { "[", "a [ has no ]" },
        { "[]", "a [ has no ]" }, { "[z-a]", "backwards" }, { "[a-\\d]", "cannot end in a class" }, { "[[:alpha:]]", "[:alpha:]" },
        { "a{65}", "over 64" }, { "a{1,999999999999999999999}", "over 64" }, { "a{2,1}", "backwards" }, { "a{", "must be {n}" },
        { "a{x}", "must be {n}" }, { "a{1", "must be {n}" }, { "a{,2}", "must be {n}" }, { "{1}", "nothing before {" },
        { "a**", "needs ( )" }, { "a{2}{2}", "needs ( )" }, { "a++", "needs ( )" },
        { "\\b", "escape is not supported" }, { "\\1", "escape is not supported" }, { "[\\p]", "escape is not supported" },
        { "a\\", "ends in a backslash" }, { "[\\", "ends in a backslash" },
        { "a^b", "^ can only stand at the beginning" }, { "a:^b", "^ can only" }, { "\\(^a", "^ can only" },
        { "a$b", "$ can only stand at the end" }, { "^*", "cannot be repeated" }, { "a$+", "$ can only" },
        { "((a{64}){64}){64}", "too large" }, { "(((((((((a{64}){64}){64}){64}){64}){64}){64}){64}){64}){64}", "too large" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        if (pattern_check(str_of(row[i].pattern), &e))
            wrong("%s should be refused", row[i].pattern);
        then_error(&e, ERR_INVALID, row[i].why);
        /* It matches nothing but itself. */
        assert_true(pattern_match(mem, str_of(row[i].pattern), str_of(row[i].pattern)));
        assert_false(pattern_match(mem, str_of(row[i].pattern), STR("a")));
    }
    char big[201];
    memset(big, 'a', sizeof big);
    struct err e = { 0 };
    assert_true(pattern_check((str){ big, 200 }, &e));
    assert_false(pattern_check((str){ big, 201 }, &e));
    then_error(&e, ERR_INVALID, "longer than 200 bytes");
    err_clear(&e);
    assert_false(pattern_check(STR("(\n\u202e"), &e));
    then_plain(str_of(e.text));
}

static void deep_groups_are_fine(void **state)
{
    char deep[200];
    memset(deep, '(', 99);
    deep[99] = deep[100] = 'a';
    memset(deep + 101, ')', 99);
    struct err e = { 0 };
    assert_true(pattern_check((str){ deep, 200 }, &e));
    assert_true(pattern_match(mem, (str){ deep, 200 }, STR("aa")));
}

static void catastrophic_patterns_take_linear_time(void **state)
{
    static const char *const pattern[] = {"(a+)+$",   "(a|a)*b",   "(a*)*(a*)*(a*)*b",
                                          "(a|aa)+$", "(.*a){20}", "(a?){60}a{60}b",
                                          "((a+)+)+b"};
    char *text = arena_take(mem, 100001, 1);
    memset(text, 'a', 100000);
    text[100000] = '!';
    for (size_t i = 0; i < sizeof pattern / sizeof pattern[0]; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        assert_false(pattern_match(mem, str_of(pattern[i]), (str){ text, 100001 }));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        assert_true(b.tv_sec - a.tv_sec < 5);
    }
    assert_true(pattern_match(mem, STR("(a+)+$"), (str){ text, 100000 }));
}

static void bytes_that_are_no_text(void **state)
{
    assert_true(pattern_match(mem, STR(".."), STR("\xff\xc3")));
    assert_true(pattern_match(mem, STR("[^a]"), STR("\x80")));
    assert_false(pattern_match(mem, STR("\xff"), STR("\xfe")));
    assert_true(pattern_match(mem, STR("\xff+"), STR("\xff\xff")));
    assert_true(pattern_match(mem, STR("a.b"), STR("a\0b")));
    assert_false(pattern_match(mem, STR("a"), STR("a\0")));
}

/*
 * The simple truth on a small alphabet: a backtracking matcher over a derivation of its own, for
 * a|b, (..), *, +, ?.
 */
struct back { const char *p; };
static const char *skip_one(const char *p)
{
    if (*p != '(')
        return p + 1;
    int depth = 0;
    do
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
    while (p++, depth);
    return p;
}
typedef uint32_t ends;          /* bit i: the text up to i can be used up */
static ends truth(const char *p, const char *stop, const char *text, ends from);
static ends truth_one(const char *p, const char *text, ends from)
{
    if (*p == '(')
        return truth(p + 1, skip_one(p) - 1, text, from);
    ends out = 0;
    for (size_t i = 0; i < strlen(text); i++)
        if (from >> i & 1 && text[i] == *p)
            out |= 1u << (i + 1);
    return out;
}
static ends truth(const char *p, const char *stop, const char *text, ends from)
{
    ends all = 0, now = from;
    while (p < stop) {
        if (*p == '|') {
            all |= now;
            now = from;
            p++;
            continue;
        }
        const char *after = skip_one(p);
        char sign = after < stop ? *after : 0;
        if (sign == '*' || sign == '+') {
            ends sum = sign == '*' ? now : 0, step = now;
            for (int i = 0; i < 12; i++)
                sum |= step = truth_one(p, text, step);
            now = sum;
        } else {
            now = truth_one(p, text, now) | (sign == '?' ? now : 0);
        }
        p = after + (sign == '*' || sign == '+' || sign == '?');
    }
    return all | now;
}

static size_t random_pattern(char *out, size_t room, uint64_t *seed, int depth)
{
    size_t n = 0;
    int parts = 1;
    for (int i = 0; i < parts && n + 8 < room; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        unsigned r = (unsigned)(*seed >> 40);
        if (r % 5 == 0 && depth < 3) {
            out[n++] = '(';
            n += random_pattern(out + n, room - n - 4, seed, depth + 1);
            out[n++] = ')';
        } else {
            out[n++] = r % 2 ? 'a' : 'b';
        }
        if (r / 8 % 6 < 3)
            out[n++] = "*+?"[r / 8 % 6];
        if (r / 64 % 3)
            parts++;
        if (r / 256 % 5 == 0 && n + 8 < room) {
            out[n++] = '|';
            parts += parts == i + 1;
        }
    }
    return n;
}

static void random_patterns_agree_with_the_simple_truth(void **state)
{
    static const char *const text[] = {"",    "a",   "b",   "ab",   "ba",   "aa",   "bb",
                                       "aab", "abb", "bab", "abab", "aabb", "bbbaa"};
    uint64_t seed = 7;
    int matches = 0;
    for (int round = 0; round < 4000; round++) {
        char p[64] = { 0 };
        p[random_pattern(p, sizeof p - 8, &seed, 0)] = 0;
        struct err e = { 0 };
        if (!pattern_check(str_of(p), &e))
            wrong("%s: %s", p, e.text);
        for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
            bool want = truth(p, p + strlen(p), text[i], 1) >> strlen(text[i]) & 1;
            if (pattern_match(mem, str_of(p), str_of(text[i])) != want)
                wrong("%s on \"%s\": the simple truth says %d", p, text[i], want);
            matches += want;
        }
    }
    assert_in_range(matches, 4000, 40000);
}

static void permissions(void **state)
{
    static const struct permission_row rows[] = {
        { STR_INIT("Affected Stacks Create"), STR_INIT("*"), STR_INIT("main"), STR_INIT("*") },
        { STR_INIT("Instances Create"), STR_INIT("inventory.yaml"), STR_INIT("main"), STR_INIT("*") },
        { STR_INIT("Instances Create"), STR_INIT("nightly-.*"), STR_INIT("^(main|develop)$"), STR_INIT("prod.*") },
        { STR_INIT("Instances Update"), STR_INIT("("), STR_INIT("*"), STR_INIT(".*") },
    };
    static const struct { const char *name, *workflow, *branch, *environment; bool granted; const char *why; } row[] = {
        { "Affected Stacks Create", "x.yml", "main", NULL, true, "" },
        { "Affected Stacks Create", "x.yml", "dev", NULL, false, "the branch \"dev\" does not match the pattern \"main\"" },
        { "Affected Stacks Create", "x.yml", "", NULL, false, "the branch \"\"" },
        { "Instances Create", "inventory.yaml", "main", "prod", true, "" },
        { "Instances Create", "nightly-1", "develop", "prod-eu", true, "" },
        { "Instances Create", "nightly-1", "develop", "dev", false, "environment \"dev\" does not match the pattern \"prod.*\"" },
        { "Instances Create", "nightly-1", "develop", NULL, false, "limited to the environment pattern \"prod.*\"" },
        { "Instances Create", "nightly-1", "main", "dev", false, "workflow \"nightly-1\" does not match the pattern \"inventory.yaml\"" },
        { "Instances Create", "inventory.yaml", "develop", "x", false, "branch \"develop\" does not match the pattern \"main\"" },
        { "Instances Create", "other.yaml", "dev", "x", false, "workflow \"other.yaml\" does not match the pattern \"inventory.yaml\"" },
        { "Instances Update", "(", "x", "prod", true, "" },
        { "Instances Update", "a", "x", "prod", false, "workflow \"a\" does not match the pattern \"(\"" },
        { "Instances Update", "(", "x", NULL, false, "this run has no environment" },
        { "Locks Create", "x", "main", NULL, false, "does not have the permission \"Locks Create\"" },
        { "instances create", "inventory.yaml", "main", NULL, false, "does not have the permission" },
        { "Affected Stacks Create", "x.yml", "a\n\u202e[x](y)", NULL, false, "branch \"a" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct permission_ask ask = {str_of(row[i].name), str_of(row[i].workflow),
                                     str_of(row[i].branch), str_of(row[i].environment),
                                     row[i].environment != NULL};
        str why = STR_NONE;
        assert_int_equal(permission_granted(mem, rows, sizeof rows / sizeof rows[0], &ask, &why),
                         row[i].granted);
        if (!str_has(why, str_of(row[i].why)))
            wrong("expected \"%s\" in: " PRI_STR, row[i].why, FMT_STR(why));
        then_plain(why);
    }
    struct permission_ask ask = { STR("x"), STR("x"), STR("x"), STR("x"), true };
    str why;
    assert_false(permission_granted(mem, NULL, 0, &ask, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patterns_match_the_whole_text), TEST(unsupported_patterns_are_named), TEST(deep_groups_are_fine),
        TEST(catastrophic_patterns_take_linear_time), TEST(bytes_that_are_no_text),
        TEST(random_patterns_agree_with_the_simple_truth), TEST(permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
