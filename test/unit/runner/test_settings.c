/* What an operator may set, and what is said when it is wrong (runner.md §7). */
#include "given.h"

#include <unistd.h>

#include "base/io.h"
#include "runner/settings_check.h"

static bool has_problem(const struct err *e, const char *part)
{
    for (unsigned i = 0; i < e->details; i++)
        if (strstr(e->detail[i], part))
            return true;
    return false;
}

static void the_least_is_a_token_and_a_repository(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    given_right_settings(mem, NULL, &s);
    assert_str(s.repo_branch.text, STR("main"));
    assert_true(s.port.n == 8080);
    assert_true(s.run_timeout.n == 55 * 60000);
    assert_true(s.stop_grace.n == 120000);
    assert_true(s.log_max.n == 10 << 20);
    assert_str(s.vars_mode.text, STR("env"));
    assert_true(!s.clone_submodules.n && s.clone_depth.n == 1);
}

#define BASE "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL", "https://h.example.com/p"
#define SSH_URL "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL", "git@h.example.com:p.git"
#define OPEN_KEY                                                                                   \
    "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\\n" \
    "-----END OPENSSH PRIVATE KEY-----"
#define LOCKED_KEY                                                                                 \
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAA\n" \
    "-----END OPENSSH PRIVATE KEY-----"

static const struct { const char *pairs[12]; const char *says; } WRONG[] = {
    { { NULL }, "RUNNER_AUTH_TOKEN must be set" },
    { { "RUNNER_AUTH_TOKEN", "short" }, "shorter than 32" },
    { { "RUNNER_AUTH_TOKEN", AUTH_TOKEN " " AUTH_TOKEN }, "one word" },
    { { BASE, "RUNNER_AUTH_TOKEN_PREVIOUS", "short" }, "RUNNER_AUTH_TOKEN_PREVIOUS is shorter" },
    { { "RUNNER_AUTH_TOKEN", AUTH_TOKEN }, "ATMOS_REPO_URL must be set" },
    { { BASE, "PORT", "x" }, "PORT must be a number from 0 to 65535, it is x" },
    { { BASE, "PORT", "65536" }, "PORT must be a number" },
    { { BASE, "MAX_CONCURRENT_RUNS", "0" }, "MAX_CONCURRENT_RUNS must be a number" },
    { { BASE, "RUN_TIMEOUT", "soon" }, "RUN_TIMEOUT must be a time" },
    { { BASE, "RUN_TIMEOUT", "1ms" }, "RUN_TIMEOUT must be a time" },
    { { BASE, "LOG_MAX", "9999999999999G" }, "LOG_MAX must be bytes" },
    { { BASE, "ATMOS_CLONE_SUBMODULES", "maybe" }, "true or false" },
    { { BASE, "VARS_MODE", "shout" }, "VARS_MODE must be env|flag|both" },
    { { BASE, "ATMOS_REPO_BRANCH", "--upload-pack=x" }, "ATMOS_REPO_BRANCH" },
    { { BASE, "ATMOS_REPO_BRANCH", "a..b" }, "ATMOS_REPO_BRANCH" },
    { { BASE, "VARS_EXPORT_PLAIN", "region,PATH" }, "VARS_EXPORT_PLAIN: PATH" },
    { { BASE, "VARS_EXPORT_PLAIN", "LD_PRELOAD" }, "VARS_EXPORT_PLAIN: LD_PRELOAD" },
    { { BASE, "VARS_EXPORT_PLAIN", "a-b" }, "VARS_EXPORT_PLAIN: a-b" },
    { { BASE, "ALLOW_PRIVATE_CALLBACK", "true" }, "name them in CALLBACK_ALLOWED_HOSTS" },
    { { BASE, "CALLBACK_ALLOWED_HOSTS", "https://x" }, "neither a host" },
    { { BASE, "CALLBACK_ALLOWED_PORTS", "https" }, "no port" },
    { { BASE, "WORK_DIR", "work" }, "WORK_DIR must be an absolute path" },
    { { BASE, "WORK_DIR", "/" }, "WORK_DIR must be an absolute path" },
    { { BASE, "STATE_DIR", "/a/../b" }, "STATE_DIR must be an absolute path" },
    { { BASE, "STATE_DIR", "/a", "WORK_DIR", "/a/work" }, "must not lie in one another" },
    { { BASE, "STATE_DIR", "/a/b", "WORK_DIR", "/a" }, "must not lie in one another" },
    { { BASE, "GIT_SSH_KEY_FILE", "/no/such/file" }, "GIT_SSH_KEY_FILE: there is no file" },
    { { BASE, "GIT_SSH_KEY", "/home/me/.ssh/id" }, "use GIT_SSH_KEY_FILE" },
    { { BASE, "RUNNER_AUTH_TOKEN_FILE", "/dev/null" }, "both set" },
    { { SSH_URL }, "set GIT_SSH_KEY, too" },
    { { SSH_URL, "GIT_SSH_KEY", OPEN_KEY }, "set ATMOS_REPO_KNOWN_HOSTS" },
    { { SSH_URL, "GIT_SSH_KEY", LOCKED_KEY, "ATMOS_REPO_KNOWN_HOSTS", "h k" }, "passphrase" },
};

static void what_is_wrong_is_said(void **state)
{
    for (size_t i = 0; i < COUNT(WRONG); i++) {
        GIVEN_ARENA(mem);
        struct runner_settings s;
        struct err e = { 0 };
        if (given_settings(mem, WRONG[i].pairs, &s, &e) || !has_problem(&e, WRONG[i].says))
            fail_msg("%s: %s", WRONG[i].says, e.details ? e.detail[0] : "nothing said");
    }
}

static void every_problem_has_its_sentence(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    struct err e = { 0 };
    const char *pairs[] = { "PORT", "x", "RUN_TIMEOUT", "y", NULL };
    assert_false(given_settings(mem, pairs, &s, &e));
    assert_int_equal(e.details, 4);
}

static const struct { const char *url; bool ok; } URLS[] = {
    { "https://h.example.com/acme/infra.git", true },
    { "https://h.example.com:8443/p", true },
    { "http://h.example.com/p", false },
    { "git://h.example.com/p", false },
    { "file:///srv/p", false },
    { "/srv/p", false },
    { "ext::sh -c id", false },
    { "fd::17", false },
    { "https://user:word@h.example.com/p", false },
    { "https://token@h.example.com/p", false },
    { "https://h.example.com", false },
    { "https:///p", false },
    { "--upload-pack=touch x", false },
    { "-oProxyCommand=x", false },
    { "https://h.example.com/a b", false },
    { "https://h.example.com/a\nb", false },
    { "https://-h.example.com/p", false },
};

static void repositories_are_named_in_three_forms(void **state)
{
    for (size_t i = 0; i < COUNT(URLS); i++) {
        GIVEN_ARENA(mem);
        struct runner_settings s;
        struct err e = { 0 };
        const char *pairs[] = { "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL", URLS[i].url,
                                NULL };
        if (given_settings(mem, pairs, &s, &e) != URLS[i].ok)
            fail_msg("%s: %s", URLS[i].url, e.details ? e.detail[0] : "accepted");
    }
}

static const struct { const char *url; bool ok; } SSH_URLS[] = {
    { "git@github.com:acme/infra.git", true },
    { "ssh://git@github.com/acme/infra.git", true },
    { "ssh://git@github.com:2222/acme/infra.git", true },
    { "ssh://github.com/acme/infra.git", true },
    { "ssh://-oProxyCommand=x/p", false },
    { "ssh://-x@h.example.com/p", false },
    { "-git@github.com:acme", false },
    { "git@-oProxyCommand=x:acme", false },
    { "git@github.com:", false },
    { "git@github.com::acme", false },
};

static void ssh_is_told_by_its_address(void **state)
{
    for (size_t i = 0; i < COUNT(SSH_URLS); i++) {
        GIVEN_ARENA(mem);
        struct runner_settings s;
        struct err e = { 0 };
        const char *pairs[] = { "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL", SSH_URLS[i].url,
                                "GIT_SSH_KEY", OPEN_KEY, "ATMOS_REPO_KNOWN_HOSTS", "h k", NULL };
        if (given_settings(mem, pairs, &s, &e) != SSH_URLS[i].ok)
            fail_msg("%s: %s", SSH_URLS[i].url, e.details ? e.detail[0] : "accepted");
        if (SSH_URLS[i].ok)
            assert_true(str_has(s.ssh_key.text, STR("KEY-----\nb3Bl")));
    }
}

static void a_local_repository_has_to_be_allowed(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    struct err e = { 0 };
    const char *pairs[] = { "RUNNER_AUTH_TOKEN", AUTH_TOKEN, "ATMOS_REPO_URL", "/srv/p",
                            "ALLOW_LOCAL_REPO", "true", NULL };
    assert_true(given_settings(mem, pairs, &s, &e));
}

/* Also not in the block that the kernel shows to whoever may look. */
static void secrets_leave_the_environment(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    given_right_settings(mem, (const char *const[]){ "GIT_HTTPS_TOKEN", "the-token", NULL }, &s);
    const char *there = getenv("GIT_HTTPS_TOKEN");
    assert_string_equal(there, "the-token");
    settings_forget_environment();
    assert_null(getenv("GIT_HTTPS_TOKEN"));
    assert_null(getenv("RUNNER_AUTH_TOKEN"));
    assert_non_null(getenv("ATMOS_REPO_URL"));
    assert_str(s.https_token.text, STR("the-token"));
}

static void tokens_are_read_again_from_their_file(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    struct err e = { 0 };
    char path[] = "/tmp/signalbox-token-XXXXXX";
    close(mkstemp(path));
    assert_true(io_replace_file(path, STR(AUTH_TOKEN "\n"), 0600, &e));
    const char *pairs[] = { "RUNNER_AUTH_TOKEN_FILE", path, "ATMOS_REPO_URL",
                            "https://h.example.com/p", NULL };
    assert_true(given_settings(mem, pairs, &s, &e));
    assert_str(s.auth_token.text, STR(AUTH_TOKEN));
    assert_true(io_replace_file(path, STR("fedcba9876543210fedcba9876543210"), 0600, &e));
    assert_true(settings_read_tokens(mem, &s, &e));
    assert_str(s.auth_token.text, STR("fedcba9876543210fedcba9876543210"));
    unlink(path);
}

static const struct { const char *glob, *text; bool matches; } GLOBS[] = {
    { "*", "", true },          { "*", "anything", true },  { "", "", true },
    { "", "a", false },         { "a*", "abc", true },      { "*c", "abc", true },
    { "a*c", "abc", true },     { "a*c", "abd", false },    { "a?c", "abc", true },
    { "a?c", "ac", false },     { "a**b*c", "axbxc", true }, { "A*", "abc", false },
    { "*.example.com", "a.example.com", true }, { "*.example.com", "example.com", false },
};

static void globs_know_star_and_question_mark(void **state)
{
    for (size_t i = 0; i < COUNT(GLOBS); i++)
        if (glob_match(str_of(GLOBS[i].glob), str_of(GLOBS[i].text)) != GLOBS[i].matches)
            fail_msg("%s %s", GLOBS[i].glob, GLOBS[i].text);
}

static void help_names_every_setting(void **state)
{
    GIVEN_ARENA(mem);
    str help = settings_help(mem);
#define X(field, name, ...) assert_true(str_has(help, STR(#name)));
    RUNNER_SETTINGS(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_is_a_token_and_a_repository),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_problem_has_its_sentence),
        cmocka_unit_test(repositories_are_named_in_three_forms),
        cmocka_unit_test(ssh_is_told_by_its_address),
        cmocka_unit_test(a_local_repository_has_to_be_allowed),
        cmocka_unit_test(secrets_leave_the_environment),
        cmocka_unit_test(tokens_are_read_again_from_their_file),
        cmocka_unit_test(globs_know_star_and_question_mark),
        cmocka_unit_test(help_names_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
