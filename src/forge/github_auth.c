/*
 * Who we are to GitHub: the App by a token it signs itself, an installation by one it is given for
 * an hour (forges.md §2.2). One fetch an installation at a time; who comes meanwhile waits for it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "base/secret.h"
#include "forge/inside.h"

/* GitHub allows ten minutes, and its clock may be behind ours: begun a minute ago, nine to go. */
enum { APP_TOKEN_BACK_S = 60, APP_TOKEN_S = 9 * 60, APP_TOKEN_SPARE_MS = 60 * 1000 };

static void wipe(char **text, size_t *len)
{
    if (*text)
        secret_wipe(*text, *len);
    free(*text);
    *text = NULL;
    *len = 0;
}

static void keep(char **text, size_t *len, str from)
{
    wipe(text, len);
    *text = malloc(from.len + 1);
    if (!*text)
        abort();
    memcpy(*text, from.ptr, from.len);
    *len = from.len;
}

void auth_free(struct github *g)
{
    wipe(&g->app_token, &g->app_token_len);
    for (size_t i = 0; i < sizeof g->parties / sizeof g->parties[0]; i++)
        for (struct party *p = g->parties[i], *next; p; p = next) {
            next = p->next;
            wipe(&p->token, &p->token_len);
            arena_free(p->mem);
            free(p);
        }
}

struct party *party_of(struct github *g, int64_t id)
{
    struct party **at = &g->parties[(uint64_t)id % (sizeof g->parties / sizeof g->parties[0])];
    for (struct party *p = *at; p; p = p->next)
        if (p->id == id)
            return p;
    struct party *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->id = id;
    p->waiting_last = &p->waiting;
    p->next = *at;
    *at = p;
    return p;
}

struct party *job_party(struct job *j)
{
    return party_of(j->g, j->auth == AUTH_INSTALLATION ? j->call.installation_id : 0);
}

/* ---- the App ---- */

static bool app_token_make(struct github *g, int64_t now_ms, struct err *e)
{
    struct arena *mem = arena_new(1 << 20, 4 << 20);
    str token;
    pthread_mutex_lock(&g->identity);
    str claims = arena_print(mem, "{\"iat\":%lld,\"exp\":%lld,\"iss\":%lld}",
                             (long long)(now_ms / 1000 - APP_TOKEN_BACK_S),
                             (long long)(now_ms / 1000 + APP_TOKEN_S), (long long)g->app_id);
    bool ok = g->key ? jwt_sign(mem, g->key, STR_NONE, claims, &token, e)
                     : fail(e, ERR_INVALID, "there is no private key of the App yet");
    pthread_mutex_unlock(&g->identity);
    if (ok) {
        keep(&g->app_token, &g->app_token_len, token);
        g->app_token_ends_ms = now_ms + APP_TOKEN_S * 1000;
        secret_wipe((char *)token.ptr, token.len);
    }
    arena_free(mem);
    return ok;
}

/* Another App, or another key: nothing that the old one was given holds any more. */
static void identity_look(struct github *g)
{
    pthread_mutex_lock(&g->identity);
    bool same = g->seen_generation == g->key_generation;
    g->seen_generation = g->key_generation;
    pthread_mutex_unlock(&g->identity);
    if (same)
        return;
    wipe(&g->app_token, &g->app_token_len);
    for (size_t i = 0; i < sizeof g->parties / sizeof g->parties[0]; i++)
        for (struct party *p = g->parties[i]; p; p = p->next)
            wipe(&p->token, &p->token_len);
}

bool auth_app_token(struct github *g, str *out, struct err *e)
{
    int64_t now_ms = clock_there_ms(g);
    identity_look(g);
    bool stale = !g->app_token || g->app_token_ends_ms - now_ms < APP_TOKEN_SPARE_MS ||
                 g->app_token_ends_ms - now_ms > APP_TOKEN_S * 1000; /* the clock was set back */
    if (stale && !app_token_make(g, now_ms, e))
        return false;
    *out = (str){ g->app_token, g->app_token_len };
    return true;
}

/* ---- installations ---- */

static bool token_fresh(const struct party *p, int64_t now_ms)
{
    return p->token && p->token_ends_ms - now_ms >= TOKEN_SPARE_MS;
}

static struct job *waiting_take(struct party *p)
{
    struct job *list = p->waiting;
    p->waiting = NULL;
    p->waiting_last = &p->waiting;
    p->fetching = false;
    return list;
}

/* The fetch is a job of its own; its end wakes those that wait. */
struct fetch { struct github *g; int64_t installation_id; };

static void fetched(void *ctx, const struct forge_answer *a)
{
    struct fetch *f = ctx;
    struct party *p = party_of(f->g, f->installation_id);
    for (struct job *j = waiting_take(p), *next; j; j = next) {
        next = j->next_waiting;
        j->calls += a->calls;
        if (a->outcome == FORGE_OK && p->token) {
            j->generation = p->generation;
            job_send_now(j);
        } else if (a->outcome == FORGE_LIMITED) {
            job_limited(j, a->status, a->message,
                        a->not_before_ms - f->g->now_ms(f->g->now_self));
        } else {
            /* Nothing of the call itself has left. */
            enum forge_outcome o = a->outcome == FORGE_LOST ? FORGE_NOT_SENT
                                   : a->outcome == FORGE_NOT_FOUND || a->outcome == FORGE_REFUSED
                                       ? FORGE_NO_ACCESS : a->outcome;
            job_fail(j, o, a->status, a->message);
        }
    }
    free(f);
}

static bool token_sane(str t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.ptr[i] <= ' ' || t.ptr[i] > '~')
            return false;
    return t.len && t.len <= 16384;
}

static void fetch_take(struct job *j, const struct reply *r)
{
    if (!reply_ok(r)) {
        if (r->status == 404)
            job_fail(j, FORGE_NO_ACCESS, 404,
                     STR("GitHub does not know this installation of the App: it was removed there, "
                         "or the App's id and key belong to another one"));
        else
            job_refused(j, r);
        return;
    }
    str token = json_str(json_get(r->body, STR("token")), r->mem);
    int64_t ends_ms = github_time(json_get(r->body, STR("expires_at")), r->mem);
    struct party *p = party_of(j->g, j->call.installation_id);
    if (!token_sane(token)) {
        job_garbage(j, r->status, "an installation token");
        return;
    }
    keep(&p->token, &p->token_len, token);
    p->token_ends_ms = ends_ms ? ends_ms : clock_there_ms(j->g) + 10 * 60 * 1000;
    p->generation++;
    job_ok(j, STR("{}"));
}

static void fetch_begin(struct job *j)
{
    j->auth = AUTH_APP;
    job_send(j, HTTP_POST,
             arena_print(j->mem, "/app/installations/%lld/access_tokens",
                         (long long)j->call.installation_id),
             STR("{}"), fetch_take);
}

static void fetch_start(struct github *g, int64_t installation_id)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    *f = (struct fetch){ .g = g, .installation_id = installation_id };
    struct forge_call c = { .installation_id = installation_id };
    fetch_begin(job_new(g, &c, fetch_begin, fetched, f));
}

/* ---- for every request ---- */

void auth_then_send(struct job *j)
{
    if (j->auth != AUTH_INSTALLATION) {
        job_send_now(j);
        return;
    }
    struct party *p = job_party(j);
    identity_look(j->g);
    if (token_fresh(p, clock_there_ms(j->g))) {
        j->generation = p->generation;
        job_send_now(j);
        return;
    }
    j->next_waiting = NULL;
    *p->waiting_last = j;
    p->waiting_last = &j->next_waiting;
    if (p->fetching)
        return;
    p->fetching = true;
    fetch_start(j->g, j->call.installation_id);
}

void auth_drop(struct job *j)
{
    struct party *p = job_party(j);
    if (j->auth == AUTH_APP)
        wipe(&j->g->app_token, &j->g->app_token_len);
    else if (j->auth == AUTH_INSTALLATION && j->generation == p->generation)
        wipe(&p->token, &p->token_len);
}
