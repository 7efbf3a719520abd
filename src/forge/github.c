/*
 * GitHub as a forge_port: one function a kind of call.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "forge/inside.h"

/* What a call must bring, so that nothing hostile or half-known ever becomes a URL. */
enum {
    REPO = 1, NUMBER = 2, RUN = 4, OBJECT = 8, BARE_FILE = 16, ANY_FILE = 32, REF = 64, SHA = 128,
    PATH = 256, LOGIN = 512,
};

static const struct {
    unsigned wants;
    enum github_auth auth;
    void (*begin)(struct job *);
} kinds[] = {
    [FORGE_DISPATCH]           = { REPO | BARE_FILE, AUTH_INSTALLATION, begin_dispatch },
    [FORGE_FIND_RUNS]          = { REPO | ANY_FILE, AUTH_INSTALLATION, begin_find_runs },
    [FORGE_READ_RUN]           = { REPO | RUN, AUTH_INSTALLATION, begin_read_run },
    [FORGE_CANCEL_RUN]         = { REPO | RUN, AUTH_INSTALLATION, begin_cancel_run },
    [FORGE_RERUN]              = { REPO | RUN, AUTH_INSTALLATION, begin_rerun },
    [FORGE_READ_FILE]          = { REPO | PATH, AUTH_INSTALLATION, begin_read_file },
    [FORGE_PUT_CHECK]          = { REPO, AUTH_INSTALLATION, begin_put_check },
    [FORGE_PUT_COMMENT]        = { REPO | NUMBER, AUTH_INSTALLATION, begin_put_comment },
    [FORGE_REVIEW]             = { REPO | NUMBER, AUTH_INSTALLATION, begin_review },
    [FORGE_READ_PULL]          = { REPO | NUMBER, AUTH_INSTALLATION, begin_read_pull },
    [FORGE_FIND_PULLS]         = { REPO | SHA, AUTH_INSTALLATION, begin_find_pulls },
    [FORGE_LIST_PULLS]         = { REPO, AUTH_INSTALLATION, begin_list_pulls },
    [FORGE_READ_REPO]          = { REPO, AUTH_INSTALLATION, begin_read_repo },
    [FORGE_READ_COMMIT]        = { REPO | REF, AUTH_INSTALLATION, begin_read_commit },
    [FORGE_PERMISSION]         = { REPO | LOGIN, AUTH_INSTALLATION, begin_permission },
    [FORGE_LIST_REPOS]         = { 0, AUTH_INSTALLATION, begin_list_repos },
    [FORGE_LIST_INSTALLATIONS] = { 0, AUTH_APP, begin_list_installations },
    [FORGE_LIST_DELIVERIES]    = { 0, AUTH_APP, begin_list_deliveries },
    [FORGE_REDELIVER]          = { OBJECT, AUTH_APP, begin_redeliver },
    [FORGE_READ_QUOTA]         = { 0, AUTH_INSTALLATION, begin_read_quota },
};

static const char *missing(const struct forge_call *c, unsigned wants)
{
    if ((wants & REPO) && (!address_segment_ok(c->owner) || !address_segment_ok(c->name)))
        return "the repository's owner or name cannot be one of GitHub's";
    if ((wants & NUMBER) && c->number <= 0)
        return "the pull request has no number";
    if ((wants & RUN) && c->run_id <= 0)
        return "the run has no number";
    if ((wants & OBJECT) && c->object <= 0)
        return "the object has no number";
    if ((wants & BARE_FILE) && !address_segment_ok(c->file))
        return "the workflow's file name cannot be one of GitHub's";
    if ((wants & ANY_FILE) && c->file.len && !address_segment_ok(c->file))
        return "the workflow's file name cannot be one of GitHub's";
    if ((wants & REF) && !address_path_ok(c->ref))
        return "the ref cannot be one of GitHub's";
    if ((wants & SHA) && !address_segment_ok(c->sha))
        return "the commit cannot be one of GitHub's";
    if ((wants & PATH) && !address_path_ok(c->path))
        return "the path cannot be one of a repository";
    if ((wants & LOGIN) && !address_segment_ok(c->login))
        return "the login cannot be one of GitHub's";
    return NULL;
}

void github_begin(struct job *j)
{
    assert(j->call.kind < sizeof kinds / sizeof kinds[0]);
    const char *why = missing(&j->call, kinds[j->call.kind].wants);
    j->auth = kinds[j->call.kind].auth;
    if (why)
        job_fail(j, FORGE_REFUSED, 0, str_of(why));
    else
        kinds[j->call.kind].begin(j);
}

static void github_call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    job_post(job_new(self, c, github_begin, done, ctx));
}

static void github_divide(void *self, int64_t servers)
{
    struct github *g = self;
    atomic_store(&g->servers, servers);
}

static void github_told(void *self, int64_t installation_id, int64_t until_ms)
{
    limit_post(self, installation_id, until_ms);
}

static void github_recall(void *self, int64_t installation_id,
                          const int64_t calls[CALL_CLASS_COUNT])
{
    pace_post(self, installation_id, calls);
}

struct forge_port github_port(struct github *g)
{
    return (struct forge_port){ .self = g,
                                .call = github_call,
                                .divide = github_divide,
                                .told = github_told,
                                .recall = github_recall };
}

/* ---- its life ---- */

static int64_t real_now(void *self) { return clock_utc_ms(); }
static int64_t real_steady(void *self) { return clock_mono_ms(); }

static char *text_new(str s)
{
    char *z = malloc(s.len + 1);
    if (!z)
        abort();
    if (s.len)
        memcpy(z, s.ptr, s.len);
    z[s.len] = 0;
    return z;
}

bool github_reconfigure(struct github *g, int64_t app_id, str app_slug, str private_key_pem,
                        struct err *e)
{
    struct jwt_key *key;
    if (app_id <= 0)
        return fail(e, ERR_INVALID, "the App's id must be a positive number");
    if (!jwt_key_from_pem(private_key_pem, &key, e))
        return fail_ctx(e, "the App's private key");
    char *login = malloc(app_slug.len + sizeof "[bot]");
    if (!login)
        abort();
    if (app_slug.len)
        memcpy(login, app_slug.ptr, app_slug.len);
    memcpy(login + app_slug.len, "[bot]", sizeof "[bot]");
    pthread_mutex_lock(&g->identity);
    struct jwt_key *old = g->key;
    char *old_login = g->bot_login;
    g->app_id = app_id;
    g->bot_login = login;
    g->key = key;
    g->key_generation++;
    pthread_mutex_unlock(&g->identity);
    jwt_key_free(old);
    free(old_login);
    return true;
}

static bool api_base_ok(str base)
{
    return address_origin(base).len > sizeof "https://" - 1 &&
           (str_starts(base, STR("https://")) || str_starts(base, STR("http://")));
}

bool github_new(const struct github_config *c, struct github **out, struct err *e)
{
    str base = c->api_base.len ? c->api_base : STR("https://api.github.com");
    while (str_ends(base, STR("/")))
        base = str_sub(base, 0, base.len - 1);
    if (!api_base_ok(base))
        return fail(e, ERR_INVALID,
                    "the address of GitHub's API must begin with https://, not \"" PRI_STR "\"",
                    FMT_STR(str_clip(base, 100)));
    struct github *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    g->mem = arena_new(1 << 20, 4 << 20);
    g->client = c->client;
    g->api_base = arena_copy(g->mem, base);
    g->origin = address_origin(g->api_base);
    g->api_version = arena_copy(g->mem, c->api_version.len ? c->api_version : STR("2022-11-28"));
    g->now_ms = c->now_ms ? c->now_ms : real_now;
    g->now_self = c->now_self;
    g->steady_ms = c->steady_ms ? c->steady_ms : real_steady;
    pace_limits_written(&g->limits);
    if (c->limits.window_ms)
        g->limits = c->limits;
    else
        pace_limits_share(&g->limits, 0);
    atomic_init(&g->servers, 1);
    g->bot_login = text_new(STR(""));
    pthread_mutex_init(&g->identity, NULL);
    /* Without an App yet: the set-up page makes one (forges.md §2.3). */
    bool has_app = c->app_id || c->private_key_pem.len;
    if (has_app && !github_reconfigure(g, c->app_id, c->app_slug, c->private_key_pem, e)) {
        github_free(g);
        return false;
    }
    *out = g;
    return true;
}

void github_stop(struct github *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->identity);
    g->stopped = true;
    pthread_mutex_unlock(&g->identity);
}

void github_free(struct github *g)
{
    if (!g)
        return;
    auth_free(g);
    jwt_key_free(g->key);
    free(g->bot_login);
    pthread_mutex_destroy(&g->identity);
    arena_free(g->mem);
    free(g);
}
