/* What is typed: verbs, options, times, typing errors, the token's and the server's place. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/scope.h"

#define LOCK_DATA                                                                                  \
    "{\"id\":\"lock_1\",\"key\":\"k\",\"lockMessage\":\"\",\"actor\":\"ci\",\"token\":7,"          \
    "\"expiresAt\":\"2026-11-21T12:05:00Z\"}"

/* ---- wrong calls: nothing is asked of the server, the exit code is 2 ---- */

static const struct {
    const char *words[12];
    const char *said;
} WRONG[] = {
    {{"lokc", "x"}, "there is no command lokc: did you mean lock?"},
    {{"batchs"}, "did you mean batches?"},
    {{"qqqqqq"}, "there is no command qqqqqq: signalbox help lists them"},
    {{"\033[31mx"}, "there is no command \xef\xbf\xbd[31mx"},
    {{"repo"}, "signalbox repo what?"},
    {{"repo", "lst"}, "repo list"},
    {{"lock", "x"}, "--ttl is missing"},
    {{"lock", "--ttl", "5m"}, "what is to be locked?"},
    {{"lock", "x", "y", "--ttl", "5m"}, "lock does not take y"},
    {{"lock", "x", "-c", "vpc", "--ttl", "5m"}, "not both"},
    {{"lock", "-c", "vpc", "--ttl", "5m"}, "--stack is missing"},
    {{"lock", "-s", "prod", "--ttl", "5m"}, "--component is missing"},
    {{"lock", "-s", "prod", "-c", "vpc", "--ttl", "5m", "--repo", "acme"},
     "owner/repository, got acme"},
    {{"lock", "-s", "prod", "-c", "vpc", "--ttl", "5m", "--repo", "a/b/c"},
     "owner/repository, got a/b/c"},
    {{"lock", "x", "--ttl", "5 minutes"}, "a bare number is milliseconds"},
    {{"lock", "x", "--ttl", "-5"}, "--ttl must be a time like"},
    {{"lock", "x", "--ttl", ""}, "--ttl must be a time like"},
    {{"lock", "x", "--ttl", "0"}, "between 1 and 2592000 seconds"},
    {{"lock", "x", "--ttl", "31d"}, "between 1 and 2592000 seconds"},
    {{"lock", "x", "--ttl", "99999999999999999999d"}, "--ttl must be a time like"},
    {{"lock", "x", "--ttl"}, "--ttl needs a value"},
    {{"lock", "x", "--ttl", "5m", "--ttl", "6m"}, "given twice"},
    {{"lock", "", "--ttl", "5m"}, "key is empty"},
    {{"lock", "a\tb", "--ttl", "5m"}, "control character"},
    {{"locks", "--jsno"}, "did you mean --json?"},
    {{"locks", "-z"}, "there is no option -z here"},
    {{"locks", "--json=yes"}, "--json takes no value"},
    {{"locks", "--limit", "0"}, "--limit must be a whole number between 1"},
    {{"locks", "--limit", "many"}, "--limit must be a whole number"},
    {{"locks", "--token", "sbx_test"}, "never given as an option"},
    {{"locks", "--timeout", "soon"}, "--timeout must be a time like"},
    {{"locks", "--timeout", "0"}, "--timeout must be longer"},
    {{"locks", "--server", "ftp://x"}, "must begin with https:// or http://"},
    {{"locks", "--server", "http://me:pw@x"}, "must not have a name or password"},
    {{"locks", "--repo", "a/b", "--prefix", "c"}, "not both"},
    {{"batch"}, "batch needs more: <batch>"},
    {{"rerun", "b"}, "which node?"},
    {{"rerun", "b", "1", "-s", "prod", "-c", "vpc"}, "which node?"},
    {{"rerun", "b", "-s", "prod"}, "--component is missing"},
    {{"rerun", "b", "first"}, "a whole number from 0, got first"},
    {{"skip-wait", "b"}, "which node?"},
    {{"skip-wait", "b", "1", "-s", "prod", "-c", "vpc"}, "which node?"},
    {{"skip-wait", "b", "-c", "vpc"}, "--stack is missing"},
    {{"skip-wait", "b", "-1"}, "there is no option -1 here"},
    {{"skip-wait", "b", "vpc"}, "a whole number from 0, got vpc"},
    {{"dispatch", "-c", "vpc", "-f", "p.yaml"}, "--stack is missing"},
    {{"dispatch", "-s", "prod", "-c", "vpc"}, "--workflow is missing"},
    {{"dispatch", "-s", "p", "-c", "v", "-f", "../p.yaml"}, "bare name"},
    {{"dispatch", "-s", "p", "-c", "v", "-f", "p.yaml", "-i", "x"}, "must be NAME=VALUE, got x"},
    {{"dispatch", "-s", "p", "-c", "v", "-f", "p.yaml", "-i", "x=1", "-i", "x=2"},
     "the input x is given twice"},
    {{"dispatch", "-s", "p", "-c", "v", "-f", "p.yaml", "--dry-run", "--watch"},
     "nothing to watch"},
    {{"repo", "set", "a/b", "strict_plan=on"}, "did you mean strict_plans?"},
    {{"repo", "set", "a/b", "strict_plans=perhaps"}, "must be true or false, got perhaps"},
    {{"repo", "set", "a/b", "dispatch_concurrency=ten"}, "must be a whole number, got ten"},
    {{"repo", "set", "a/b", "strict_plans"}, "name=value"},
    {{"repo", "permissions", "a/b", "--branch", "x"}, "belong to --add"},
    {{"repo", "permissions", "a/b", "--add", "x", "--remove", "1"}, "one thing at a time"},
    {{"repo", "add", "a/b"}, "--forge-id is missing"},
    {{"repo", "add", "ab", "--forge-id", "1"}, "owner/name"},
    {{"token", "create"}, "--name is missing"},
    {{"token", "create", "--name", "x", "--role", "king"}, "member or admin"},
    {{"token", "create", "--name", "x", "--ttl", "5s"}, "between a minute and ten years"},
    {{"completion", "tcsh"}, "bash only"},
    {{"help", "nothing-such"}, "there is no command nothing-such"},
};

static void a_wrong_call_is_explained_and_asks_nothing(void **state)
{
    for (size_t i = 0; i < COUNT(WRONG); i++) {
        int code = run_words(WRONG[i].words);
        if (code != 2 || rig.requests || !strstr(rig.err, WRONG[i].said) || rig.out[0])
            fail_msg("case %zu (%s %s): exit %d, %zu requests\nexpected: %s\ngot: %s%s", i,
                     WRONG[i].words[0], WRONG[i].words[1] ? WRONG[i].words[1] : "", code,
                     rig.requests, WRONG[i].said, rig.err, rig.out);
    }
}

static void without_words_the_commands_are_listed(void **state)
{
    assert_int_equal(run(NULL, NULL), 2);
    assert_has(rig.err, "Examples:\n  signalbox lock");
    assert_int_equal(run("help", NULL), 0);
    for (const struct verb *v = verbs; v->name; v++)
        assert_has(rig.out, v->name);
    assert_int_equal(run("--help", NULL), 0);
    assert_int_equal(run("--version", NULL), 0);
    assert_string_equal(rig.out, "signalbox " CLI_VERSION "\n");
}

static void help_shows_examples_first_and_every_option(void **state)
{
    for (const struct verb *v = verbs; v->name; v++) {
        char name[32];
        snprintf(name, sizeof name, "%s", v->name);
        char *second = strchr(name, ' ');
        if (second)
            *second++ = '\0';
        assert_int_equal(run("help", name, second, NULL), 0);
        const char *examples = strstr(rig.out, "Examples:"), *usage_at = strstr(rig.out, "Usage: ");
        assert_non_null(examples);
        assert_true(usage_at > examples);
        for (const struct option *o = v->options; o && o->name; o++)
            assert_has(rig.out, o->name);
        /* the same by the option */
        assert_int_equal(second ? run(name, second, "--help", NULL) : run(name, "--help", NULL), 0);
        assert_has(rig.out, "Usage: ");
        assert_int_equal(rig.requests, 0);
    }
}

static void a_group_asked_for_help_lists_its_verbs(void **state)
{
    static const char *const ways[][4] = {
        {"repo", "--help"}, {"members", "-h"}, {"help", "token"}};
    for (size_t i = 0; i < COUNT(ways); i++) {
        assert_int_equal(run_words(ways[i]), 0);
        assert_has(rig.out, " what?\n\n");
        assert_string_equal(rig.err, "");
    }
}

static void no_verb_hides_a_common_option_and_no_letter_means_two_things(void **state)
{
    for (const struct verb *v = verbs; v->name; v++)
        for (const struct option *o = v->options; o && o->name; o++) {
            for (const struct option *p = common_options; p->name; p++)
                if (strcmp(p->name, o->name) == 0 || (o->letter && p->letter == o->letter))
                    fail_msg("%s: --%s and the common --%s", v->name, o->name, p->name);
            for (const struct option *p = o + 1; p->name; p++)
                if (strcmp(p->name, o->name) == 0 || (o->letter && p->letter == o->letter))
                    fail_msg("%s: --%s and --%s", v->name, o->name, p->name);
        }
}

/* docs/cli.md ends with what `signalbox help <command>` prints. */
static void every_verb_is_in_the_documentation(void **state)
{
    struct err e = {0};
    str page;
    SCOPED(arena) struct arena *mem = arena_new((size_t)1 << 20, (size_t)4 << 20);
    assert_true(io_read_file(mem, DOC_FILE, 1 << 20, &page, &e));
    for (const struct verb *v = verbs; v->name; v++) {
        char name[32];
        snprintf(name, sizeof name, "%s", v->name);
        char *second = strchr(name, ' ');
        if (second)
            *second++ = '\0';
        assert_int_equal(run("help", name, second, NULL), 0);
        char *common = strstr(rig.out, "\nFor every command:");
        assert_non_null(common);
        *common = '\0';
        if (!str_has(page, str_of(rig.out)))
            fail_msg("docs/cli.md does not have:\n%s", rig.out);
    }
}

/* ---- the same said in several ways ---- */

static void options_may_stand_anywhere_and_be_joined(void **state)
{
    static const char *const ways[][8] = {
        {"lock", "k", "--ttl", "5m", "--message", "m"}, {"lock", "--ttl=5m", "--message=m", "k"},
        {"lock", "-t", "5m", "k", "-m", "m"},           {"lock", "-t5m", "-mm", "k"},
        {"lock", "-t=5m", "-m=m", "--", "k"},
    };
    for (size_t i = 0; i < COUNT(ways); i++) {
        SCRIPT({.data = LOCK_DATA});
        assert_int_equal(run_words(ways[i]), 0);
        assert_string_equal(
            rig.asked, "POST /api/v1/locks {\"key\":\"k\",\"ttl\":300,\"lockMessage\":\"m\"}\n");
    }
}

static void after_two_dashes_nothing_is_an_option(void **state)
{
    SCRIPT({.data = LOCK_DATA});
    assert_int_equal(run("unlock", "--", "--force", NULL), 0);
    assert_string_equal(rig.asked, "DELETE /api/v1/locks {\"key\":\"--force\"}\n");
}

/* ---- times: seed 003 says milliseconds, the wire says seconds ---- */

static const struct {
    const char *ttl;
    int seconds;
    const char *note;
} TTL[] = {
    {"1000", 1, NULL},
    {"300000", 300, NULL},
    {"30s", 30, NULL},
    {"5m", 300, NULL},
    {"2h", 7200, NULL},
    {"3d", 259200, NULL},
    {"2000ms", 2, NULL},
    {"2592000000", 2592000, NULL},
    {"1", 1, "1 milliseconds is rounded up to 1 s"},
    {"1001", 2, "1001 milliseconds is rounded up to 2 s"},
    {"1500ms", 2, "1500ms is rounded up to 2 s"},
};

static void a_lock_is_never_shorter_than_asked_for(void **state)
{
    for (size_t i = 0; i < COUNT(TTL); i++) {
        char body[128];
        SCRIPT({.data = LOCK_DATA});
        assert_int_equal(run("lock", "k", "--ttl", TTL[i].ttl, NULL), 0);
        snprintf(body, sizeof body, "{\"key\":\"k\",\"ttl\":%d,\"lockMessage\":\"\"}\n",
                 TTL[i].seconds);
        assert_has(rig.asked, body);
        if (TTL[i].note)
            assert_has(rig.err, TTL[i].note);
        else
            assert_lacks(rig.err, "rounded");
    }
}

/* ---- typing errors ---- */

static void distance_counts_letters_and_swaps(void **state)
{
    assert_int_equal(word_distance(STR("lock"), STR("lock")), 0);
    assert_int_equal(word_distance(STR("lokc"), STR("lock")), 1);
    assert_int_equal(word_distance(STR("loc"), STR("lock")), 1);
    assert_int_equal(word_distance(STR("locks"), STR("lock")), 1);
    assert_int_equal(word_distance(STR("dispach"), STR("dispatch")), 1);
    assert_int_equal(word_distance(STR(""), STR("lock")), 4);
    str words[] = {STR_INIT("run"), STR_INIT("runs"), STR_INIT("retry")};
    assert_true(str_eq(nearest_word(STR("rnus"), words, 3), STR("runs")));
    assert_null(nearest_word(STR("xyzzy"), words, 3).ptr);
    char longer[3000];
    memset(longer, 'a', sizeof longer);
    assert_null(nearest_word((str){longer, sizeof longer}, words, 3).ptr);
}

/* ---- where the token comes from ---- */

static void write_file(const char *path, const char *text, unsigned mode)
{
    struct err e = {0};
    assert_true(io_replace_file(path, str_of(text), mode, &e));
}

static void the_token_is_the_option_s_file_then_the_environment_then_the_usual_file(void **state)
{
    char folder[] = "/tmp/signalbox-cli-XXXXXX", path[128], usual[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/signalbox", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(usual, sizeof usual, "%s/signalbox/token", folder);
    write_file(usual, "sbx_test\n", 0600);
    snprintf(path, sizeof path, "%s/other", folder);
    write_file(path, "  sbx_test\n", 0644);
    SCRIPT({.data = "{\"items\":[],\"nextCursor\":null}"});

    rig_env("SIGNALBOX_TOKEN", NULL);
    rig_env("XDG_CONFIG_HOME", folder);
    assert_int_equal(run("locks", NULL), 0);
    assert_int_equal(rig.authorized, 1);
    assert_lacks(rig.err, "others can read");

    rig_env("SIGNALBOX_TOKEN", "wrong");
    assert_int_equal(run("locks", NULL), 0);
    assert_int_equal(rig.authorized, 0);

    assert_int_equal(run("locks", "--token-file", path, NULL), 0);
    assert_int_equal(rig.authorized, 1);
    assert_has(rig.err, "others can read");

    rig_env("SIGNALBOX_TOKEN", NULL);
    assert_int_equal(run("locks", "--token-file", "/nonexistent/token", NULL), 3);
    assert_has(rig.err, "there is no file /nonexistent/token");
    assert_int_equal(rig.requests, 0);

    rig_env("XDG_CONFIG_HOME", "relative"); /* to be ignored, by the XDG's rule */
    rig_env("HOME", folder);
    assert_int_equal(run("locks", NULL), 3);
    assert_has(rig.err, "there is no token: set SIGNALBOX_TOKEN, or put it into");
    assert_has(rig.err, "/.config/signalbox/token");

    rig_env("SIGNALBOX_TOKEN", "two\r\nX-Evil: 1");
    assert_int_equal(run("locks", NULL), 3);
    assert_has(rig.err, "characters that no token has");
    assert_lacks(rig.err, "Evil");
    assert_int_equal(rig.requests, 0);
    unlink(usual);
    unlink(path);
    snprintf(path, sizeof path, "%s/signalbox", folder);
    rmdir(path);
    rmdir(folder);
}

static void a_token_that_goes_far_in_clear_text_is_said(void **state)
{
    rig_env("SIGNALBOX_TOKEN", "sbx_test");
    /* a wrong call: nothing is sent */
    assert_int_equal(run("lock", "x", "--server", "http://signalbox.example", NULL), 2);
    assert_has(rig.err, "clear text: use https");
    SCRIPT({.data = "{\"items\":[]}"});
    assert_int_equal(run("locks", NULL), 0);
    assert_lacks(rig.err, "clear text");
}

/* ---- the repository of --component and --stack ---- */

static void the_repository_is_the_option_s_then_the_environment_s_then_the_only_one(void **state)
{
    SCRIPT({.data = LOCK_DATA});
    rig_env("SIGNALBOX_REPO", "Acme/Two");
    assert_int_equal(
        run("unlock", "--component", "vpc", "--stack", "prod", "--repo", "Acme/One", NULL), 0);
    assert_string_equal(rig.asked, "DELETE /api/v1/locks {\"key\":\"acme/one/prod/vpc\"}\n");
    assert_int_equal(run("unlock", "--component", "vpc", "--stack", "Prod", NULL), 0);
    assert_string_equal(rig.asked, "DELETE /api/v1/locks {\"key\":\"acme/two/Prod/vpc\"}\n");
    rig_env("SIGNALBOX_REPO", NULL);
    SCRIPT(
        {.data =
             "{\"items\":[{\"id\":1,\"owner\":\"Acme\",\"name\":\"Only\"}],\"nextCursor\":null}"},
        {.data = LOCK_DATA});
    assert_int_equal(run("unlock", "-c", "vpc", "-s", "prod", NULL), 0);
    assert_string_equal(rig.asked, "GET /api/v1/repositories?limit=2\nDELETE /api/v1/locks "
                                   "{\"key\":\"acme/only/prod/vpc\"}\n");
    SCRIPT({.data =
                "{\"items\":[{\"owner\":\"a\",\"name\":\"b\"},{\"owner\":\"a\",\"name\":\"c\"}]}"});
    assert_int_equal(run("unlock", "-c", "vpc", "-s", "prod", NULL), 2);
    assert_has(rig.err, "which repository? There are several");
    assert_has(rig.err, "usage: signalbox unlock");
    assert_int_equal(rig.requests, 1);
    SCRIPT({.data = "{\"items\":[]}"});
    assert_int_equal(run("unlock", "-c", "vpc", "-s", "prod", NULL), 2);
    assert_has(rig.err, "no repository yet");
}

static const struct {
    const char *config, *key;
} CLONES[] = {
    {"[core]\n\tbare = false\n[remote \"origin\"]\n\turl = git@github.com:Acme/Infra.git\n\tfetch "
     "= +x\n",
     "acme/infra/prod/vpc"},
    {"[remote \"origin\"]\nurl=https://github.com/acme/infra\n", "acme/infra/prod/vpc"},
    {"[remote \"origin\"]\r\n\turl = ssh://git@ghe.example:22/acme/my.infra.git\r\n",
     "acme/my.infra/prod/vpc"},
    {"[remote \"other\"]\n\turl = git@github.com:acme/other.git\n", NULL},
    {"[remote \"origin\"]\n\turl = nothing\n", NULL},
    {"[remote \"origin\"]\n\turl = /infra.git\n", NULL},
    {"", NULL},
};

static void in_a_clone_its_repository_is_meant(void **state)
{
    char top[] = "/tmp/signalbox-cli-XXXXXX", git[64], config[64], below[64];
    assert_non_null(mkdtemp(top));
    snprintf(git, sizeof git, "%s/.git", top);
    snprintf(config, sizeof config, "%s/.git/config", top);
    snprintf(below, sizeof below, "%s/stacks/prod", top);
    assert_int_equal(mkdir(git, 0700), 0);
    rig.folder = below; /* the clone is found from below */
    for (size_t i = 0; i < COUNT(CLONES); i++) {
        write_file(config, CLONES[i].config, 0600);
        SCRIPT({.data = LOCK_DATA});
        int code = run("unlock", "-c", "vpc", "-s", "prod", NULL);
        if (!CLONES[i].key) {
            assert_has(rig.asked, "GET /api/v1/repositories");
            continue;
        }
        assert_int_equal(code, 0);
        assert_has(rig.asked, CLONES[i].key);
        assert_has(rig.err, "as the clone here says");
    }
    write_file(config, CLONES[0].config, 0600);
    rig_env("GITHUB_REPOSITORY", "acme/named");
    assert_int_equal(run("unlock", "-c", "vpc", "-s", "prod", NULL), 0);
    assert_has(rig.asked, "acme/named/prod/vpc");
    unlink(config);
    rmdir(git);
    rmdir(top);
}

static void help_and_version_need_no_sound_surroundings(void **state)
{
    rig_env("SIGNALBOX_URL", "nonsense");
    rig_env("SIGNALBOX_TOKEN", "two words");
    assert_int_equal(run("help", "lock", NULL), 0);
    assert_int_equal(run("version", NULL), 0);
    assert_int_equal(run("completion", "bash", NULL), 0);
    assert_has(rig.out, "complete -F _signalbox signalbox");
    assert_int_equal(run("locks", NULL), 2);
    assert_has(rig.err, "must begin with https:// or http://");
}

static void what_is_typed_cannot_climb_out_of_its_place_in_a_path(void **state)
{
    static const struct {
        const char *id, *asked;
    } ids[] = {
        {"../tokens", "GET /api/v1/batches/..%2Ftokens\n"},
        {"..", "GET /api/v1/batches/%2E%2E\n"},
        {"a?b#c%d", "GET /api/v1/batches/a%3Fb%23c%25d\n"},
        {"\xc3\xa4 b", "GET /api/v1/batches/%C3%A4%20b\n"},
    };
    for (size_t i = 0; i < COUNT(ids); i++) {
        SCRIPT({.data = "{}"});
        run("batch", ids[i].id, "--json", NULL);
        /* curl may write %2E as a dot again; what matters is that no level is climbed */
        if (strcmp(rig.asked, ids[i].asked) != 0)
            fail_msg("%s: %s", ids[i].id, rig.asked);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, rig_fresh)
    const struct CMUnitTest tests[] = {
        T(a_wrong_call_is_explained_and_asks_nothing),
        T(without_words_the_commands_are_listed),
        T(help_shows_examples_first_and_every_option),
        T(a_group_asked_for_help_lists_its_verbs),
        T(no_verb_hides_a_common_option_and_no_letter_means_two_things),
        T(every_verb_is_in_the_documentation),
        T(options_may_stand_anywhere_and_be_joined),
        T(after_two_dashes_nothing_is_an_option),
        T(a_lock_is_never_shorter_than_asked_for),
        T(distance_counts_letters_and_swaps),
        T(the_token_is_the_option_s_file_then_the_environment_then_the_usual_file),
        T(a_token_that_goes_far_in_clear_text_is_said),
        T(the_repository_is_the_option_s_then_the_environment_s_then_the_only_one),
        T(in_a_clone_its_repository_is_meant),
        T(help_and_version_need_no_sound_surroundings),
        T(what_is_typed_cannot_climb_out_of_its_place_in_a_path),
    };
    return cmocka_run_group_tests_name("cli words", tests, rig_setup, rig_teardown);
}
