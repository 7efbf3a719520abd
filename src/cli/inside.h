/*
 * inside: one call of the command line. Known inside cli/ alone.
 *
 * What the machine gives (streams, environment, clock) comes in through struct edge, so that tests
 * can hold all of it in their hands.
 */
#ifndef SIGNALBOX_CLI_INSIDE_H
#define SIGNALBOX_CLI_INSIDE_H
#include <stdio.h>

#include "base/json.h"
#include "http/client.h"

struct edge {
    FILE *out, *err; /* results; messages */
    bool out_terminal, err_terminal;
    unsigned columns;                                /* of the terminal; 0: not known */
    const char *(*env)(void *ctx, const char *name); /* NULL: not set */
    int64_t (*now_ms)(void *ctx);                    /* UTC */
    void (*sleep_ms)(void *ctx, int64_t ms);
    void *ctx;
    const char *folder; /* where we stand; NULL: not known */
};

/* --- what can be asked for --- */

struct option {
    const char *name;  /* without the dashes */
    char letter;       /* or 0 */
    const char *value; /* how the help calls it; NULL: a switch */
    const char *doc;
    bool repeats;
};

struct cli;
struct verb {
    const char *name;             /* one or two words */
    const char *arguments;        /* as the help shows them */
    size_t least, most;           /* how many arguments */
    int (*run)(struct cli *c);    /* exit code */
    const struct option *options; /* ends with an empty one; NULL: only the common ones */
    const char *line;             /* what it does, in a line */
    const char *examples;         /* first in the long help; one a line, without "signalbox" */
    const char *more;             /* the rest of the long help */
};
bool verb_is_alone(const struct verb *v); /* needs no server */
extern const struct verb verbs[];         /* ends with an empty one */
extern const struct option common_options[];
extern const struct option lock_options[], unlock_options[], locks_options[], batches_options[],
    batch_options[], watch_options[], node_options[], dispatch_options[], runs_options[],
    instances_options[], uploads_options[], page_options[], permissions_options[], add_options[],
    token_options[], explain_options[], release_options[], resume_options[], secrets_set_options[],
    of_repo_options[], of_repo_list_options[], runners_set_options[], actions_set_options[],
    actions_run_options[], action_runs_options[], wait_options[], invite_options[];
int verb_lock(struct cli *c), verb_unlock(struct cli *c), verb_locks(struct cli *c),
    verb_batches(struct cli *c), verb_batch(struct cli *c), verb_cancel(struct cli *c),
    verb_retry(struct cli *c), verb_release(struct cli *c),
    verb_resume(struct cli *c), verb_rerun(struct cli *c), verb_skip_wait(struct cli *c), verb_dispatch(struct cli *c),
    verb_runs(struct cli *c), verb_run(struct cli *c), verb_instances(struct cli *c),
    verb_uploads(struct cli *c), verb_repo_list(struct cli *c), verb_repo_show(struct cli *c),
    verb_repo_set(struct cli *c), verb_repo_permissions(struct cli *c),
    verb_repo_add(struct cli *c), verb_token_create(struct cli *c), verb_token_list(struct cli *c),
    verb_token_revoke(struct cli *c), verb_doctor(struct cli *c), verb_help(struct cli *c),
    verb_version(struct cli *c), verb_completion(struct cli *c), verb_explain(struct cli *c), verb_budget(struct cli *c);
int verb_secrets_set(struct cli *c), verb_secrets_list(struct cli *c), verb_secrets_rm(struct cli *c),
    verb_runners_set(struct cli *c), verb_runners_list(struct cli *c), verb_runners_rm(struct cli *c),
    verb_actions_set(struct cli *c), verb_actions_list(struct cli *c),
    verb_actions_show(struct cli *c), verb_actions_rm(struct cli *c),
    verb_actions_run(struct cli *c), verb_action_runs_list(struct cli *c),
    verb_action_runs_show(struct cli *c), verb_action_runs_cancel(struct cli *c);
int verb_members_list(struct cli *c), verb_members_invite(struct cli *c),
    verb_members_invitations(struct cli *c), verb_members_uninvite(struct cli *c),
    verb_members_role(struct cli *c), verb_members_rm(struct cli *c);

/* Two words of the greatest length that the system lets through, every byte escaped. */
enum { WORDS_MAX = 200, ASK_BYTES_MAX = 4 << 20 };
struct given {
    const struct option *option;
    str value;
};

struct cli {
    struct edge *edge;
    struct arena *mem;
    const struct verb *verb;
    str argument[WORDS_MAX];
    size_t argument_count;
    struct given given[WORDS_MAX];
    size_t given_count;
    bool json, plain; /* plain: also when stdout is no terminal */
    bool colour, colour_err;
    int64_t now_ms;
    /* the server */
    str server, token, token_from, repo;
    int64_t timeout_ms;
    struct http_client *client;
    struct err err;
    str trace;      /* of the request that was refused */
    bool by_server; /* err is what came of a request */
};

/* Everything but the process: also for tests. argv[0] is the program's name. */
int cli_run(struct edge *edge, int argc, char **argv);

/* options.c */
const struct verb *verb_find(str first, str second, int *words);
bool options_read(struct cli *c, int argc, char **argv, struct err *e) MUST_CHECK;
const struct option *option_of(const struct verb *v, str name, char letter);
bool opt_given(const struct cli *c, const char *name);
str opt_text(const struct cli *c, const char *name); /* STR_NONE without it */
/* A whole number or a duration ("30s"; a bare number is milliseconds); *out is left alone without
 * the option. */
bool opt_i64(struct cli *c, const char *name, int64_t min, int64_t max, int64_t *out);
bool opt_ms(struct cli *c, const char *name, int64_t *out);
unsigned word_distance(str a, str b); /* letters to change, swaps count one */
str nearest_word(str wrong, const str *words, size_t count); /* STR_NONE: none is near */

/* help.c */
int help_verb(struct cli *c, const struct verb *v, FILE *to);
int help_all(struct cli *c, FILE *to);
int help_group(str first, FILE *to); /* verbs of two words; -1: no such group */

/* connect.c: one request to the server */
struct ask {
    enum http_method method;
    str path;  /* with the query, encoded */
    str body;  /* JSON; STR_NONE: none */
    bool once; /* carries an Idempotency-Key, so it may be repeated */
    bool open; /* needs no token */
};
struct reply {
    int status; /* 0: no answer */
    struct json envelope, data;
    str server_date, body;
    enum http_outcome outcome;
};
/* False: c->err says why, and r what came (also the context of a refusal). */
bool call_server(struct cli *c, const struct ask *a, struct reply *r);
bool get_data(struct cli *c, str path, struct reply *r);
bool connection_read(struct cli *c); /* address and token, from options and environment */
bool have_token(struct cli *c);
void connection_close(struct cli *c);
str path_part(struct arena *mem, str s);                       /* percent-encoded */
void query_add(struct buf *path, const char *name, str value); /* nothing for an empty value */
/* Prints the error with its list, trace and hint; the exit code. */
int report(struct cli *c);
/* The same; with the usage when it was the words that were wrong, and not what the server said. */
int failed(struct cli *c);
int usage(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* names.c: which repository is meant, and which node */
bool repo_read(struct cli *c, str *owner,
               str *name); /* --repo, environment, the only one there is */
bool repo_id(struct cli *c, str text, int64_t *id);
/* "owner/name#12", "#12" of the repository that is meant, "https://…/owner/name/pull/12" */
bool pull_read(struct cli *c, str text, int64_t *repository_id, str *number);
bool name_ok(str s);
/* The address of a thing of this kind below the repository that is meant; STR_NONE: of the list. */
bool below_repo(struct cli *c, const char *kind, str name, str *path);
/* --component and --stack; ERR_INVALID when there is but one of them. */
bool instance_named(struct cli *c, bool *named);
bool position_read(struct cli *c, str text, int64_t *position);

/* show.c */
enum cell {
    CELL_TEXT,
    CELL_NUMBER,
    CELL_STATE,
    CELL_AGO,
    CELL_UNTIL,
    CELL_SHA,
    CELL_BOOL,
    CELL_MS
};
struct column {
    const char *head, *path;
    enum cell cell;
};
struct table; /* rows gathered, then shown at once */
struct table *table_new(struct cli *c, const struct column *columns, size_t count);
void table_add(struct table *t, struct json row);
void table_show(struct table *t);
void record_show(struct cli *c, struct json v, const struct column *columns, size_t count);
void json_show(struct cli *c, str raw);
str safe(struct cli *c, str s); /* fit for a line of a terminal */
str safe_z(struct cli *c, struct json v, const char *dotted);
str coloured_state(struct cli *c, str state);
const char *paint(const struct cli *c, const char *code); /* "" without colours */
size_t text_width(str s);                                 /* cells of a terminal */
int64_t time_of(struct cli *c, struct json v);            /* 0: none */
str ago(struct cli *c, int64_t at_ms);
str until(struct cli *c, int64_t at_ms);
void say(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void put(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* lists.c: pages of the API as a table */
struct list {
    str path;
    const char *const *filters; /* option, query name, option, query name, …, NULL */
    const struct column *columns;
    size_t column_count;
    const char *nothing; /* what to say when there is none */
};
int list_show(struct cli *c, const struct list *l);
/* All items in turn; stops when `each` says false. Limit 0: all there are. */
struct page {
    str next;
    size_t seen;
};
bool list_walk(struct cli *c, str path, int64_t limit, bool (*each)(void *ctx, struct json item),
               void *ctx, struct page *end);

/* watch.c */
int watch_batch(struct cli *c, str id);
int verdict_exit(str verdict);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OPTIONS_END                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define PAGE_OPTIONS                                                                               \
    {"limit", 'n', "N", "At most so many (default 50).", false},                                   \
    {                                                                                              \
        "all", 0, NULL, "All there are.", false                                                    \
    }

#endif
