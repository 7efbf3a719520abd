/* The command line as one table. Parsing, help, completion and the documentation read from here. */
#include "cli/cli.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "base/secret.h"
#include "cli/inside.h"

const struct verb verbs[] = {
    {"lock", "[<key>] --ttl <time>", 0, 1, verb_lock, lock_options,
     "Lock an instance or a key, so that nothing is dispatched to it.",
     "lock acme/infra/prod/vpc --ttl 30m --message 'migrating the state'\nlock --component vpc "
     "--stack prod --repo acme/infra --ttl 2h",
     "A lock is advisory and has no owner: it ends when its time is over, or when anybody unlocks. "
     "A bare number is milliseconds\n"
     "(whole seconds are kept: 1500 becomes 2 s). When the key is locked already, the exit code is "
     "5 and the holder is shown."},
    {"unlock", "[<key>]", 0, 1, verb_unlock, unlock_options, "Release a lock, whoever took it.",
     "unlock acme/infra/prod/vpc\nunlock --component vpc --stack prod --repo acme/infra", NULL},
    {"locks", "[<key>]", 0, 1, verb_locks, locks_options, "List what is locked.",
     "locks\nlocks --repo acme/infra --json", "Columns: key, message, by, token, since, expires."},
    {"batches", "", 0, 0, verb_batches, batches_options, "List batches, newest first.",
     "batches --state running\nbatches --repo acme/infra --sha 1f2e3d4c",
     "Columns: batch, repository, change, event, activity, head, nodes, state, verdict, created."},
    {"batch", "<batch>", 1, 1, verb_batch, batch_options, "Show a batch, or follow it to its end.",
     "batch batch_0123\nbatch batch_0123 --watch\nbatch batch_0123 --nodes --state failure",
     "With --watch the exit code is 0 for success (or nothing to do), 1 for failure, 10 for "
     "cancelled, 11 for superseded. A terminal\n"
     "shows one line that is drawn again, and changes above it; a pipe gets the changes: time, "
     "stack, component, workflow, state, why, run.\n"
     "Columns of --nodes: position, stack, component, workflow, state, changed, why, run."},
    {"explain", "<batch>[/<position>] | <owner/name>#<number>", 1, 1, verb_explain, explain_options,
     "Say why something has not run, or has ended as it did.",
     "explain batch_0123\nexplain batch_0123/7\nexplain batch_0123 --component vpc --stack prod\n"
     "explain acme/infra#12\nexplain '#12'",
     "A chain of reasons: what decides about the whole, what needs a person, what waits and goes on "
     "by itself, what is under way, what\n"
     "went wrong. Each with its figures, since when, until when, what would change it (→), and where "
     "to look. A node that waits is\n"
     "followed to what it really waits for.\n"
     "Columns: number, code, since, until, text, what would change it, address.",},
    {"cancel", "<batch>", 1, 1, verb_cancel, watch_options, "Stop a batch.", "cancel batch_0123",
     NULL},
    {"retry", "<batch>", 1, 1, verb_retry, watch_options, "Send what failed in a batch again.",
     "retry batch_0123 --watch", NULL},
    {"rerun", "<batch> [<position>]", 1, 2, verb_rerun, node_options,
     "Run one node of a batch again.",
     "rerun batch_0123 7\nrerun batch_0123 --component vpc --stack prod", NULL},
    {"skip-wait", "<batch> [<position>]", 1, 2, verb_skip_wait, node_options,
     "End the lock that a node waits for, so that it goes.",
     "skip-wait batch_0123 7\nskip-wait batch_0123 --component vpc --stack prod",
     "Nothing is dispatched onto a locked instance, so the lock ends: the one that is shown, and no "
     "other that somebody takes meanwhile.\n"
     "The node goes on through whatever else it waits for. The audit says who ended whose lock. What "
     "waits so: signalbox batch <batch>\n"
     "--nodes --state locked. Exit code 5: it does not wait for a lock, or somebody else has it by "
     "now."},
    {"release", "<batch>", 1, 1, verb_release, release_options, "Let a held batch go.",
     "release batch_0123 --watch\nrelease batch_0123 --parts",
     "It lifts what a person may lift: a draft, a threshold, and the pause after quick pushes for "
     "this batch alone. The rate limit ends by itself.\n"
     "Exit code 5: nothing holds it that a person may lift."},
    {"resume", "<owner/name>#<number>", 1, 1, verb_resume, resume_options,
     "End the pause of a pull request that was pushed to in quick succession.",
     "resume acme/infra#12\nresume '#12'",
     "Only the newest commit goes, and pushes up to now count no more."},
    {"dispatch", "--stack <s> --component <c> --workflow <file>", 0, 0, verb_dispatch,
     dispatch_options, "Dispatch a workflow by hand.",
     "dispatch --repo acme/infra --stack prod --component vpc --workflow apply.yaml --input "
     "reason=hotfix\n"
     "dispatch --repo acme/infra --stack prod --component vpc --workflow plan.yaml "
     "--with-dependents --dry-run",
     "It goes through the same gates, locks and audit as every other dispatch. Columns of "
     "--dry-run: wave, stack, component, workflow, expected."},
    {"runs", "", 0, 0, verb_runs, runs_options, "List runs, newest first.",
     "runs --stack prod --component vpc\nruns --batch batch_0123 --state failure",
     "Columns: run, repository, stack, component, command, state, exit, attempt, created, url."},
    {"run", "<run>", 1, 1, verb_run, NULL, "Show a run.", "run run_0123", NULL},
    {"instances", "", 0, 0, verb_instances, instances_options,
     "List instances: components in stacks.", "instances --repo acme/infra --drift drifted",
     "Columns: repository, stack, component, drift, enabled, last command, exit, last run."},
    {"uploads", "", 0, 0, verb_uploads, uploads_options,
     "List what the atmos CLI uploaded, newest first.", "uploads --repo acme/infra",
     "Columns: upload, repository, head, base, state, instances, affected, received, note."},
    {"budget", "[<installation>]", 0, 1, verb_budget, page_options,
     "Show what the App may spend of GitHub's quota, and who spent it.", "budget\nbudget 12345",
     "Columns: installation, account, remaining, limit, safe, claimed, waiting, reset.\n"
     "Of one installation: its figures; what was spent this hour, and on what; which batches have a "
     "claim; which ones wait."},
    {"repo list", "", 0, 0, verb_repo_list, page_options, "List repositories.", "repo list",
     "Columns: id, owner, name, branch, forge, host, installation, since."},
    {"repo show", "<owner/name>", 1, 1, verb_repo_show, NULL, "Show a repository and its settings.",
     "repo show acme/infra", NULL},
    {"repo set", "<owner/name> <setting>=<value> …", 2, 100, verb_repo_set, NULL,
     "Change settings of a repository (admins).",
     "repo set acme/infra dispatch_concurrency=5 strict_plans=true",
     "The settings are listed by: signalbox repo show <owner/name>"},
    {"repo permissions", "<owner/name>", 1, 1, verb_repo_permissions, permissions_options,
     "List, add or remove permission rows (changes: admins).",
     "repo permissions acme/infra\nrepo permissions acme/infra --add 'Locks Create' --workflow "
     "'atmos-.*' --branch main\n"
     "repo permissions acme/infra --remove 12",
     "Columns: id, permission, workflow, branch, environment, since, by. * matches anything."},
    {"repo add", "<owner/name>", 1, 1, verb_repo_add, add_options,
     "Import a repository by hand (admins).",
     "repo add acme/infra --forge-id 123456 --installation 789",
     "A GitHub App that is installed on it does this by itself."},
    {"secrets set", "<name>", 1, 1, verb_secrets_set, secrets_set_options,
     "Set a secret of a repository (admins).",
     "secrets set atmos-runner-token --repo acme/infra < token\n"
     "secrets set atmos-runner-token --file token --description 'of the runner in eu-1'",
     "It is sealed on the server and never shown again. One line of input loses its line end; of "
     "several lines every byte counts."},
    {"secrets set-value", "<name>", 1, 1, verb_secrets_set, secrets_set_options,
     "The same as secrets set.", "secrets set-value atmos-runner-token --file token", NULL},
    {"secrets list", "", 0, 0, verb_secrets_list, of_repo_list_options,
     "List the secrets of a repository by name.", "secrets list --repo acme/infra",
     "Columns: name, description, created, changed, by."},
    {"secrets rm", "<name>", 1, 1, verb_secrets_rm, of_repo_options, "Remove a secret (admins).",
     "secrets rm atmos-runner-token", "An action that needs it fails from then on."},
    {"runners set", "<name>", 1, 1, verb_runners_set, runners_set_options,
     "Register a runner, for actions and settings to name (admins).",
     "runners set eu-1 --endpoint https://runner.example.com/dispatch --token-secret "
     "atmos-runner-token",
     NULL},
    {"runners list", "", 0, 0, verb_runners_list, of_repo_list_options, "List registered runners.",
     "runners list --repo acme/infra",
     "Columns: name, endpoint, token secret, whether that is set, changed, by."},
    {"runners rm", "<name>", 1, 1, verb_runners_rm, of_repo_options,
     "Remove a registered runner (admins).", "runners rm eu-1", NULL},
    {"actions list", "", 0, 0, verb_actions_list, of_repo_list_options,
     "List the actions of a repository.", "actions list --repo acme/infra",
     "Columns: name, source, type, workflow, stack, changed, by."},
    {"actions show", "<name>", 1, 1, verb_actions_show, of_repo_options, "Show an action.",
     "actions show provision-tenant --json", NULL},
    {"actions set", "<name>", 1, 1, verb_actions_set, actions_set_options,
     "Define an action (admins).", "actions set provision-tenant --file action.yaml",
     "What .github/signalbox.yaml of the repository defines is changed there. docs/actions.md "
     "explains definitions."},
    {"actions rm", "<name>", 1, 1, verb_actions_rm, of_repo_options, "Remove an action (admins).",
     "actions rm provision-tenant", NULL},
    {"actions run", "<name>", 1, 1, verb_actions_run, actions_run_options, "Set off an action.",
     "actions run provision-tenant --param customer_id=acme --wait\n"
     "actions run provision-tenant -r acme/infra -p customer_id=acme -p size=3",
     "With --wait the exit code is 0 when it succeeded, 10 when it was cancelled, 1 when it failed or "
     "was timed out."},
    {"action-runs list", "", 0, 0, verb_action_runs_list, action_runs_options,
     "List runs of actions, newest first.", "action-runs list --repo acme/infra --state running",
     "Columns: run, repository, action, state, created, ended, by, error."},
    {"action-runs show", "<run>", 1, 1, verb_action_runs_show, wait_options,
     "Show a run of an action, or follow it to its end.",
     "action-runs show 0198c7a0-1111-4abc-8def-0123456789ab\n"
     "action-runs show 0198c7a0-1111-4abc-8def-0123456789ab --wait",
     NULL},
    {"action-runs cancel", "<run>", 1, 1, verb_action_runs_cancel, wait_options,
     "Stop a run of an action.", "action-runs cancel 0198c7a0-1111-4abc-8def-0123456789ab --wait",
     "What no runner has taken is cancelled at once. Else its runner is told to stop it, and says when "
     "it has."},
    {"token create", "", 0, 0, verb_token_create, token_options, "Make an API token (admins).",
     "token create --name ci --repo acme/infra --ttl 90d --output ci.token",
     "The token is shown this once: on standard output, or in the file of --output."},
    {"token list", "", 0, 0, verb_token_list, page_options, "List API tokens (admins).",
     "token list", "Columns: id, name, role, repository, created, by, expires, used, revoked."},
    {"token revoke", "<id>", 1, 1, verb_token_revoke, NULL, "Revoke an API token (admins).",
     "token revoke tok_0123", NULL},
    {"members list", "", 0, 0, verb_members_list, page_options, "List who belongs to the workspace.",
     "members list", "Columns: id, login, name, source, role, since, invited by, seen."},
    {"members invite", "", 0, 0, verb_members_invite, invite_options,
     "Invite somebody to the workspace (admins).",
     "members invite --role admin\nmembers invite --login octocat",
     "The link is printed on standard output. It works once, for a week. Only owners invite owners, and a\n"
     "token is no owner: the first one, and one when all are lost, comes from signalbox bootstrap --link."},
    {"members invitations", "", 0, 0, verb_members_invitations, page_options,
     "List open invitations (admins).", "members invitations",
     "Columns: id, role, login, created, by, expires, link."},
    {"members uninvite", "<id>", 1, 1, verb_members_uninvite, NULL,
     "Take an invitation back (admins).", "members uninvite inv_0123", NULL},
    {"members role", "<member> <role>", 2, 2, verb_members_role, NULL,
     "Give a member another role (admins).", "members role octocat admin",
     "A member is named by login or id. Only owners make owners, or change them."},
    {"members rm", "<member>", 1, 1, verb_members_rm, NULL, "Remove a member (admins).",
     "members rm octocat", "Their sessions end; tokens that they made stay."},
    {"doctor", "", 0, 0, verb_doctor, NULL,
     "Say what is wrong with the set-up, and how to mend it.", "doctor",
     "Columns: ok, note or wrong; what; how to mend it."},
    {"completion", "bash", 1, 1, verb_completion, NULL, "Print completion for the shell.",
     "completion bash > /etc/bash_completion.d/signalbox", NULL},
    {"help", "[<command>]", 0, 2, verb_help, NULL, "Explain a command.", "help lock", NULL},
    {"version", "", 0, 0, verb_version, NULL, "Print the version.", "version", NULL},
    {.name = NULL},
};

bool verb_is_alone(const struct verb *v)
{
    return v->run == verb_help || v->run == verb_version || v->run == verb_completion;
}

static int unknown_verb(struct cli *c, str word)
{
    str heads[64];
    size_t n = 0;
    int code = help_group(word, c->edge->err);
    if (code >= 0)
        return code;
    for (const struct verb *v = verbs; v->name && n + 3 < COUNT(heads); v++) {
        str rest;
        heads[n++] = str_cut(str_of(v->name), ' ', &rest);
    }
    heads[n++] = STR("serve");
    heads[n++] = STR("bootstrap");
    heads[n++] = STR("runner");
    str near = nearest_word(word, heads, n);
    if (near.len)
        say(c, "signalbox: there is no command " PRI_STR ": did you mean " PRI_STR "?\n",
            FMT_STR(safe(c, str_sub(word, 0, 60))), FMT_STR(near));
    else
        say(c, "signalbox: there is no command " PRI_STR ": signalbox help lists them\n",
            FMT_STR(safe(c, str_sub(word, 0, 60))));
    return err_exit(ERR_INVALID);
}

static void read_looks(struct cli *c)
{
    const char *no_colour = c->edge->env(c->edge->ctx, "NO_COLOR"),
               *term = c->edge->env(c->edge->ctx, "TERM");
    bool colours = !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
    c->json = opt_given(c, "json");
    c->plain = opt_given(c, "plain") || !c->edge->out_terminal;
    c->colour = colours && !c->plain;
    c->colour_err = colours && c->edge->err_terminal && !opt_given(c, "plain");
}

static int run_verb(struct cli *c, int argc, char **argv)
{
    if (!options_read(c, argc, argv, &c->err))
        return usage(c, "%s", c->err.text);
    read_looks(c);
    if (opt_given(c, "help"))
        return help_verb(c, c->verb, c->edge->out);
    if (c->argument_count < c->verb->least)
        return usage(c, "%s needs more: %s", c->verb->name, c->verb->arguments);
    if (c->argument_count > c->verb->most)
        return usage(c, "%s does not take " PRI_STR, c->verb->name,
                     FMT_STR(safe(c, str_sub(c->argument[c->verb->most], 0, 60))));
    if (!verb_is_alone(c->verb) && !connection_read(c))
        return report(c);
    return c->verb->run(c);
}

static bool asks_help(str word)
{
    return str_eq(word, STR("--help")) || str_eq(word, STR("-h"));
}

static int run_words(struct cli *c, int argc, char **argv)
{
    int words = 0;
    str first = argc > 1 ? str_of(argv[1]) : STR_NONE;
    if (argc < 2)
        return help_all(c, c->edge->err), err_exit(ERR_INVALID);
    if (asks_help(first))
        return help_all(c, c->edge->out);
    if (str_eq(first, STR("--version")) || str_eq(first, STR("-V")))
        return verb_version(c);
    c->verb = verb_find(first, argc > 2 ? str_of(argv[2]) : STR_NONE, &words);
    if (!c->verb && argc == 3 && asks_help(str_of(argv[2])) &&
        help_group(first, c->edge->out) >= 0)
        return 0;
    if (!c->verb)
        return unknown_verb(c, first);
    return run_verb(c, argc - 1 - words, argv + 1 + words);
}

int cli_run(struct edge *edge, int argc, char **argv)
{
    struct arena *mem = arena_new((size_t)256 << 20, (size_t)1 << 30);
    struct cli *c = arena_make(mem, struct cli, 1);
    c->edge = edge;
    c->mem = mem;
    c->now_ms = edge->now_ms(edge->ctx);
    int code = run_words(c, argc, argv);
    connection_close(c);
    if (fflush(edge->out) != 0 || ferror(edge->out)) {
        say(c, "signalbox: the output could not be written\n");
        code = code ? code : err_exit(ERR_INTERNAL);
    }
    arena_free(mem);
    return code;
}

/* --- the machine --- */

static const char *real_env(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

static int64_t real_now(void *ctx)
{
    (void)ctx;
    return clock_utc_ms();
}

static void real_sleep(void *ctx, int64_t ms)
{
    (void)ctx;
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

int cli_main(int argc, char **argv)
{
    struct winsize size = {0};
    char folder[4096];
    struct err e = {0};
    struct edge edge = {.out = stdout,
                        .err = stderr,
                        .out_terminal = isatty(STDOUT_FILENO),
                        .err_terminal = isatty(STDERR_FILENO),
                        .env = real_env,
                        .now_ms = real_now,
                        .sleep_ms = real_sleep,
                        .folder = getcwd(folder, sizeof folder)};
    if (edge.out_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        edge.columns = size.ws_col;
    if (!secret_start(&e)) {
        fprintf(stderr, "signalbox: %s\n", e.text);
        return err_exit(e.code);
    }
    return cli_run(&edge, argc, argv);
}
