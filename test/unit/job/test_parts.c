/* The parts of a job that need no process: addresses, what git says, environment, arguments. */
#include "given.h"

#include "runner/job_clone.h"
#include "runner/job_env.h"
#include "runner/job_git_words.h"
#include "runner/job_helper.h"

static void addresses_of_repositories(void **state)
{
    static const struct { const char *url; bool ok, local; } cases[] = {
        {"https://git.example.com/acme/infra.git", true, true},
        {"https://git.example.com:8443/acme/infra", true, true},
        {"ssh://git@git.example.com/acme/infra", true, true},
        {"ssh://git.example.com:2222/acme/infra", true, true},
        {"git@git.example.com:acme/infra.git", true, true},
        {"/srv/infra.git", false, true},
        {"file:///srv/infra.git", false, true},
        {"http://git.example.com/acme/infra", false, false},
        {"git://git.example.com/acme/infra", false, false},
        {"https://token@git.example.com/acme", false, false},
        {"https://user:token@git.example.com/acme", false, false},
        {"ssh://git:secret@git.example.com/acme", false, false},
        {"ssh://-oProxyCommand=id/x", false, false},
        {"ssh://git@-oProxyCommand=id/x", false, false},
        {"-oProxyCommand=id@host:x", false, false},
        {"git@-oProxyCommand=id:x", false, false},
        {"git@host:-x", false, false},
        {"ext::sh -c id", false, false},
        {"ext::id", false, false},
        {"fd::3", false, false},
        {"--upload-pack=id", false, false},
        {"https://git.example.com/a b", false, false},
        {"https://git.example.com/a\nb", false, false},
        {"https://git.example.com", false, false},
        {"https:///path", false, false},
        {"file://host/path", false, false},
        {"ssh://[::1]:22/r", true, true},
        {"https://[2001:db8::1]/r", true, true},
        {"ssh://[::1]x/r", false, false},
        {"ssh://[/r", false, false},
        {"ssh://://@h.example/r", false, false},
        {"ssh://h.example:/r", false, false},
        {"ssh://h.example:port/r", false, false},
        {"ssh://h.example:65536/r", false, false},
        {"https://h;id/r", false, false},
        {"https://$(id)/r", false, false},
        {"git@h;id:r", false, false},
        {"-x@h:r", false, false},
        {"relative/path", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int local = 0; local < 2; local++) {
            struct err e = {0};
            bool got = repo_address_check(str_of(cases[i].url), local, &e);
            if (got != (local ? cases[i].local : cases[i].ok))
                fail_msg("%s (local: %d): %s", cases[i].url, local, e.text);
        }
}

static void hosts_of_addresses(void **state)
{
    static const struct { const char *url, *host, *port; } cases[] = {
        {"https://git.example.com/a", "git.example.com", ""},
        {"https://git.example.com:8443/a", "git.example.com", "8443"},
        {"ssh://git@git.example.com:2222/a", "git.example.com", "2222"},
        {"ssh://git@[::1]:2222/a", "::1", "2222"},
        {"git@git.example.com:a/b", "git.example.com", ""},
        {"/srv/repo", "", ""},
        {"file:///srv/repo", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        GIVEN_ARENA(mem);
        str port, host = url_host(mem, str_of(cases[i].url), &port);
        assert_str(host, str_of(cases[i].host));
        assert_str(port, str_of(cases[i].port));
    }
}

#define SSH_URL "ssh://git@h.example:2222/r"

static void what_git_says_becomes_what_to_do(void **state)
{
    static const struct { const char *said, *text; bool network, branches; } cases[] = {
        {"debug1: Server host key: ssh-ed25519 SHA256:abc\nNo ED25519 host key is known for "
         "[h.example]:2222 and you have requested strict checking.\r\nHost key verification "
         "failed.\r\nfatal: Could not read from remote repository.\n",
         "the host key of h.example is not in ATMOS_REPO_KNOWN_HOSTS: it showed ssh-ed25519 "
         "SHA256:abc. When its owner confirms that fingerprint, add the line that `ssh-keyscan -p "
         "2222 h.example` prints", false, false},
        {"debug1: Server host key: ssh-ed25519 SHA256:new\n@@@\n@    WARNING: REMOTE HOST "
         "IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n",
         "the host key of h.example is another than the one in ATMOS_REPO_KNOWN_HOSTS: it showed "
         "ssh-ed25519 SHA256:new. Either somebody is in between, or the host has a new key: only "
         "when its owner confirms that fingerprint, replace the line of h.example there", false,
         false},
        {"git@h.example: Permission denied (publickey).\nfatal: Could not read from remote "
         "repository.\n", "h.example refused GIT_SSH_KEY: add its public half as a deploy key of "
         "the repository (" SSH_URL "), or correct the user name in ATMOS_REPO_URL", false, false},
        {"ssh: connect to host h.example port 2222: Connection refused\r\nfatal: Could not read "
         "from remote repository.\n", "h.example refuses connections", true, false},
        {"fatal: unable to access 'https://h/': Could not resolve host: h\n",
         "the name h.example cannot be resolved", true, false},
        {"error: RPC failed; curl 56\nfetch-pack: unexpected disconnect while reading sideband\n",
         "h.example broke the connection off", true, false},
        {"fatal: unable to access 'x': The requested URL returned error: 503\n",
         "h.example has an error of its own", true, false},
        {"fatal: Authentication failed for 'https://h/'\n",
         "h.example refused the token: GIT_HTTPS_TOKEN must be one that may read " SSH_URL, false,
         false},
        {"warning: Could not find remote branch next to clone.\nfatal: Remote branch next not "
         "found in upstream origin\n", SSH_URL " has no branch next", false, true},
        {"fatal: the sky fell\n", "git says: fatal: the sky fell", false, false},
        {"", "git failed and said nothing", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        GIVEN_ARENA(mem);
        struct git_trouble t =
            git_trouble(mem, str_of(cases[i].said), STR(SSH_URL), STR("next"));
        assert_str(t.text, str_of(cases[i].text));
        assert_int_equal(t.is_network, cases[i].network);
        assert_int_equal(t.asks_for_branches, cases[i].branches);
    }
}

static void the_token_is_for_one_host(void **state)
{
    static const struct { const char *prompt, *host; bool ok; } cases[] = {
        {"Password for 'https://x-access-token@h.example': ", "h.example", true},
        {"Username for 'https://h.example': ", "h.example", true},
        {"Password for 'https://u@h.example:8443': ", "h.example:8443", true},
        {"Password for 'https://u@h.example/acme/infra.git': ", "h.example", true},
        {"Password for 'https://u@evil.example': ", "h.example", false},
        {"Password for 'https://u@h.example:8443': ", "h.example", false},
        {"Password for 'https://h.example@evil.example': ", "h.example", false},
        {"Password for 'http://u@h.example': ", "h.example", false},
        {"Password for 'https://u@h.example.evil': ", "h.example", false},
        {"Password for 'https://': ", "", false},
        {"Enter passphrase for key '/x/id': ", "h.example", false},
        {"", "h.example", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (askpass_prompt_is_of(cases[i].prompt, cases[i].host) != cases[i].ok)
            fail_msg("%s for %s", cases[i].prompt, cases[i].host);
}

static const struct workspace place = {
    .dir = "/w", .repo = "/w/repo", .home = "/w/home", .tmp = "/w/tmp", .bin = "/w/bin",
    .vars_file = "/w/vars.json",
};

static const char *const no_names[] = {NULL};

static struct job_order order_with(struct job_var *vars, size_t count)
{
    return (struct job_order){
        .workflow = "deploy all", .stack = "plat-ue2-dev", .workflow_file = "",
        .vars = {vars, count}, .vars_env = true, .export_plain = (const char **)(uintptr_t)no_names,
    };
}

static bool has_item(const char *const *list, const char *item)
{
    for (; *list; list++)
        if (strcmp(*list, item) == 0)
            return true;
    return false;
}

static const char *value_of(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static void the_environment_is_made_from_nothing(void **state)
{
    GIVEN_ARENA(mem);
    struct job_var vars[] = {{"region", "eu \"; rm -rf ~ #"}, {"PATH", "/evil"}};
    struct job_order o = order_with(vars, 2);
    const char *const *env = env_of_atmos(mem, &o, &place);
    static const char *const wanted[] = {
        "LANG=C.UTF-8", "CI=true", "NO_COLOR=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0",
        "ATMOS_INTERACTIVE=false", "ATMOS_PAGER=false", "ATMOS_TELEMETRY_ENABLED=false",
        "ATMOS_VERSION_CHECK_ENABLED=false", ("PATH=/w/bin:" JOB_PATH), "HOME=/w/home",
        "TMPDIR=/w/tmp", "XDG_CACHE_HOME=/w/home/.cache", "XDG_CONFIG_HOME=/w/home/.config",
        "XDG_DATA_HOME=/w/home/.local/share", "XDG_STATE_HOME=/w/home/.local/state",
        "XDG_RUNTIME_DIR=/w/home/.run", "ATMOS_RUNNER_VARS_FILE=/w/vars.json",
        "ATMOS_RUNNER_VAR_region=eu \"; rm -rf ~ #", "ATMOS_RUNNER_VAR_PATH=/evil",
    };
    size_t count = 0;
    while (env[count])
        count++;
    assert_int_equal(count, COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (!has_item(env, wanted[i]))
            fail_msg("no %s", wanted[i]);
}

static void what_is_passed_does_not_replace_what_is_ours(void **state)
{
    GIVEN_ARENA(mem);
    struct job_var passed[] = {
        {"AWS_REGION", "eu-west-1"}, {"HOME", "/root"},       {"PATH", "/opt/bin:/bin"},
        {"GIT_SSH_KEY", "key"},      {"GIT_SSH_KEY_FILE", "f"}, {"RUNNER_AUTH_TOKEN", "t"},
        {"ATMOS_REPO_URL", "u"},     {"GIT_HTTPS_TOKEN", "t"}, {"CI", "false"},
    };
    struct job_order o = order_with(NULL, 0);
    o.env = (struct job_vars){passed, COUNT(passed)};
    const char *const *env = env_of_atmos(mem, &o, &place);
    assert_string_equal(value_of(env, "AWS_REGION"), "eu-west-1");
    assert_string_equal(value_of(env, "HOME"), "/w/home");
    assert_string_equal(value_of(env, "PATH"), "/w/bin:/opt/bin:/bin");
    assert_string_equal(value_of(env, "CI"), "true");
    static const char *const absent[] = {"GIT_SSH_KEY", "GIT_SSH_KEY_FILE", "RUNNER_AUTH_TOKEN",
                                         "ATMOS_REPO_URL", "GIT_HTTPS_TOKEN"};
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_null(value_of(env, absent[i]));
}

static void plain_names_and_terraform_names_on_request(void **state)
{
    GIVEN_ARENA(mem);
    struct job_var vars[] = {{"region", "eu"}, {"LD_PRELOAD", "/evil.so"}, {"TF_CLI_ARGS", "x"},
                             {"other", "y"}};
    const char *plain[] = {"region", "LD_PRELOAD", "TF_CLI_ARGS", "absent", NULL};
    struct job_order o = order_with(vars, 4);
    o.export_plain = plain;
    o.tfvar = true;
    const char *const *env = env_of_atmos(mem, &o, &place);
    assert_string_equal(value_of(env, "region"), "eu");
    assert_string_equal(value_of(env, "TF_VAR_other"), "y");
    assert_null(value_of(env, "LD_PRELOAD"));
    assert_null(value_of(env, "TF_CLI_ARGS"));
    assert_null(value_of(env, "other"));
    assert_null(value_of(env, "absent"));
}

static void the_command_line_of_atmos(void **state)
{
    GIVEN_ARENA(mem);
    struct job_var vars[] = {{"zone", "a b"}, {"name", "x=y"}};
    struct job_order o = order_with(vars, 2);
    static const char *const plain[] = {"/w/bin/atmos", "workflow", "deploy all",
                                        "--stack=plat-ue2-dev", NULL};
    static const char *const full[] = {
        "/w/bin/atmos", "workflow", "deploy all", "--stack=plat-ue2-dev", "--file=ops/deploy",
        "--dry-run", "--vars", "name=x=y", "--vars", "zone=a b", NULL};
    const char *const *argv = argv_of_atmos(mem, &o, &place);
    for (size_t i = 0; i < COUNT(plain); i++)
        assert_true(plain[i] ? strcmp(argv[i], plain[i]) == 0 : !argv[i]);
    o.workflow_file = "ops/deploy";
    o.dry_run = o.vars_flag = true;
    argv = argv_of_atmos(mem, &o, &place);
    for (size_t i = 0; i < COUNT(full); i++)
        assert_true(full[i] ? strcmp(argv[i], full[i]) == 0 : !argv[i]);
}

static void variables_as_a_file(void **state)
{
    GIVEN_ARENA(mem);
    struct job_var vars[] = {{"a", "x\n\"y\""}, {"b", ""}};
    struct job_order o = order_with(vars, 2);
    assert_str(vars_json(mem, &o), STR("{\"a\":\"x\\n\\\"y\\\"\",\"b\":\"\"}"));
}

static void the_step_that_failed(void **state)
{
    static const struct { const char *end, *step; } cases[] = {
        {" atmos workflow fail -f w --from-step 'boom step' -s 'dev'\n", "boom step"},
        {" atmos workflow ok -f w --from-step 'step1'\n", "step1"},
        {"--from-step 'a very long name that is\nbroken by atmos and isn't short' -s 'dev'\n",
         "a very long name that is broken by atmos and isn't short"},
        {"--from-step 'first' -s 'x'\nmore\n --from-step 'second' -s 'x'\n", "second"},
        {"no such thing", ""},
        {"--from-step 'cut", "cut"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        GIVEN_ARENA(mem);
        assert_str(failed_step(mem, str_of(cases[i].end)), str_of(cases[i].step));
    }
}

static void names_whose_values_are_masked(void **state)
{
    static const char *const secret[] = {"db_password", "API_KEY", "GithubToken", "clientSecret",
                                         "AWS_SECRET_ACCESS_KEY", "credentials"};
    static const char *const plain[] = {"region", "stack_name", "AWS_REGION", "customer_id"};
    for (size_t i = 0; i < COUNT(secret); i++)
        assert_true(job_name_is_secret(str_of(secret[i])));
    for (size_t i = 0; i < COUNT(plain); i++)
        assert_false(job_name_is_secret(str_of(plain[i])));
}

#define ORDER(more)                                                                                \
    "{\"runId\":\"r\",\"workflow\":\"w\",\"stack\":\"s\",\"workDir\":\"/w\",\"logFile\":\"/l\","   \
    "\"lockFile\":\"/k\",\"atmos\":\"atmos\",\"repo\":{\"url\":\"u\",\"branch\":\"b\"}" more "}"

static void an_order_that_is_not_usable_names_the_field(void **state)
{
    static const struct { const char *line, *says; } cases[] = {
        {"", "the order of the service"},
        {"[]", "\"runId\""},
        {"{\"runId\":1}", "\"runId\" is no text"},
        {ORDER(",\"runId\":\"x\""), "runId"},
        {ORDER(",\"deadlineMs\":\"x\""), "\"deadlineMs\" is no number"},
        {ORDER(",\"deadlineMs\":-1"), "\"deadlineMs\" is no number"},
        {ORDER(",\"vars\":{\"a\":1}"), "\"vars\" has a member"},
        {ORDER(",\"env\":{\"a=b\":\"c\"}"), "\"env\" has a member"},
        {ORDER(",\"exportPlain\":[1]"), "\"exportPlain\" has an item"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        GIVEN_ARENA(mem);
        struct mask_set masks = {0};
        struct job_order o;
        struct err e = {0};
        assert_false(job_order_read(mem, arena_copy(mem, str_of(cases[i].line)), &o, &masks, &e));
        if (!str_has(str_of(e.text), str_of(cases[i].says)))
            fail_msg("%s: \"%s\"", cases[i].line, e.text);
        mask_free(&masks);
    }
}

static void secrets_of_the_order_are_gone_from_the_line(void **state)
{
    GIVEN_ARENA(mem);
    str line = arena_copy(
        mem, STR("{\"runId\":\"r\",\"workflow\":\"w\",\"stack\":\"s\",\"workDir\":\"/w\","
                 "\"logFile\":\"/l\",\"lockFile\":\"/k\",\"atmos\":\"atmos\",\"mask\":[\"mask-me\","
                 "\"and\\nme-too\"],\"repo\":{\"url\":\"u\",\"branch\":\"b\",\"sshKey\":\"KEY-KEY\","
                 "\"httpsToken\":\"token-token\"}}"));
    struct mask_set masks = {0};
    struct job_order o;
    struct err e = {0};
    assert_true(job_order_read(mem, line, &o, &masks, &e));
    static const char *const secrets[] = {"mask-me", "me-too", "KEY-KEY", "token-token"};
    for (size_t i = 0; i < COUNT(secrets); i++) {
        assert_false(str_has(line, str_of(secrets[i])));
        str masked = mask_text(mem, &masks, arena_print(mem, "x and\nme-too mask-me KEY-KEY token-token"));
        assert_false(str_has(masked, str_of(secrets[i])));
    }
    assert_string_equal(o.repo.ssh_key, "KEY-KEY");
    assert_string_equal(o.repo.https_token, "token-token");
    mask_free(&masks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_repositories),
        cmocka_unit_test(hosts_of_addresses),
        cmocka_unit_test(what_git_says_becomes_what_to_do),
        cmocka_unit_test(the_token_is_for_one_host),
        cmocka_unit_test(the_environment_is_made_from_nothing),
        cmocka_unit_test(what_is_passed_does_not_replace_what_is_ours),
        cmocka_unit_test(plain_names_and_terraform_names_on_request),
        cmocka_unit_test(the_command_line_of_atmos),
        cmocka_unit_test(variables_as_a_file),
        cmocka_unit_test(the_step_that_failed),
        cmocka_unit_test(names_whose_values_are_masked),
        cmocka_unit_test(an_order_that_is_not_usable_names_the_field),
        cmocka_unit_test(secrets_of_the_order_are_gone_from_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
