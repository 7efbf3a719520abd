/*
 * Signing in with GitHub: /auth/github sends the browser there, /auth/github/callback takes it back.
 * What belongs together is in a sealed cookie, so any server of the house can take it back; the code
 * is worth nothing without the proof (PKCE) that is in it. Who may come in: members, the invited by
 * name, and, when the setting says so, whoever has access to an installation of the App.
 */
#include "api/call.h"

#include "base/log.h"

enum { PROOF_BYTES = 32, TRIP_MS = 10 * 60 * 1000, NEXT_BYTES_MAX = 2000 };

static bool is_https(const struct call *c)
{
    return str_starts(c->api->config.public_url, STR("https:"));
}

static str trip_cookie(const struct call *c)
{
    return is_https(c) ? STR("__Host-signalbox_trip") : STR("signalbox_trip");
}

bool github_client(struct call *c, str *id, str *secret)
{
    struct api *a = c->api;
    pthread_mutex_lock(&a->lock);
    *id = arena_copy(c->mem, a->config.github_client_id);
    if (secret)
        *secret = arena_copy(c->mem, a->config.github_client_secret);
    pthread_mutex_unlock(&a->lock);
    return a->config.github && id->len > 0;
}

/* A path of ours, and nothing that a browser takes for another host. */
bool path_is_ours(str path)
{
    if (!path.len || path.len > NEXT_BYTES_MAX || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || path.ptr[i] == '\\')
            return false;
    return path.len == 1 || path.ptr[1] != '/';
}

static enum outcome go_to(struct call *c, str where)
{
    c->status = 302;
    c->raw = STR("");
    c->raw_type = STR("text/plain; charset=utf-8");
    call_header(c, STR("Location"), where);
    call_header(c, STR("Cache-Control"), STR("no-store"));
    return ANSWERED;
}

/* The sign-in page has the words for it. */
static enum outcome problem(struct call *c, const char *which)
{
    c->note = str_of(which);
    return go_to(c, arena_print(c->mem, "/sign-in?problem=%s", which));
}

static str callback_url(struct call *c)
{
    return arena_print(c->mem, PRI_STR "/auth/github/callback", FMT_STR(c->api->config.public_url));
}

static void set_trip(struct call *c, str value, int64_t age_ms)
{
    call_header(c, STR("Set-Cookie"),
                arena_print(c->mem, PRI_STR "=" PRI_STR
                            "; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                            FMT_STR(trip_cookie(c)), FMT_STR(value), (long long)(age_ms / 1000),
                            is_https(c) ? "; Secure" : ""));
}

static str random_text(struct call *c)
{
    uint8_t bytes[PROOF_BYTES];
    random_bytes(bytes, sizeof bytes);
    return base64url_write(c->mem, (str){ (const char *)bytes, sizeof bytes });
}

enum outcome api_github_begin(struct call *c)
{
    str id, next;
    if (!query_text(c, "next", &next))
        return FAILED;
    if (!github_client(c, &id, NULL)) {
        (void)fail(&c->err, ERR_NOT_FOUND, "signing in with GitHub is not set up on this server");
        return FAILED;
    }
    struct github_authorize a = {.web = c->api->config.forge_web,
                                 .client_id = id,
                                 .redirect_uri = callback_url(c),
                                 .state = random_text(c),
                                 .verifier = random_text(c)};
    str trip = arena_print(c->mem, "%lld " PRI_STR " " PRI_STR " " PRI_STR,
                           (long long)(c->now_ms + TRIP_MS), FMT_STR(a.state), FMT_STR(a.verifier),
                           FMT_STR(path_is_ours(next) ? next : STR("/")));
    set_trip(c, base64url_write(c->mem, secret_seal(c->mem, c->api->people_key, trip)), TRIP_MS);
    return go_to(c, github_authorize_url(c->mem, &a));
}

/* --- and back --- */

struct trip { str state, verifier, next; };

static bool read_trip(struct call *c, struct trip *t)
{
    str sealed, plain, rest;
    int64_t ends_ms;
    struct err ignored = { 0 };
    str cookie = cookie_get(c, trip_cookie(c));
    if (!cookie.len || cookie.len > 8192 || !base64url_read(c->mem, cookie, &sealed) ||
        !secret_open(c->mem, c->api->people_key, sealed, &plain, &ignored))
        return false;
    str ends = str_cut(plain, ' ', &rest);
    t->state = str_cut(rest, ' ', &rest);
    t->verifier = str_cut(rest, ' ', &t->next);
    return str_to_i64(ends, 0, INT64_MAX, &ends_ms) && ends_ms > c->now_ms &&
           path_is_ours(t->next);
}

struct arrival {
    struct call *call;
    pthread_mutex_t lock;
    pthread_cond_t  some;
    bool   done;
    enum forge_outcome outcome;
    str    why;
    struct json told;
    struct person person;
    bool   known, stranger;
    struct new_session session;
};

static void came(void *ctx, const struct forge_answer *a)
{
    struct arrival *x = ctx;
    struct call *c = x->call;
    struct err e = { 0 };
    pthread_mutex_lock(&x->lock);
    x->outcome = a->outcome;
    x->why = arena_copy(c->mem, a->message);
    if (a->outcome == FORGE_OK && !json_parse(c->mem, arena_copy(c->mem, a->result), 0, &x->told, &e))
        x->outcome = FORGE_REFUSED;
    x->done = true;
    pthread_cond_signal(&x->some);
    pthread_mutex_unlock(&x->lock);
}

static bool ask_who(struct call *c, struct arrival *x, const struct trip *t, str code)
{
    struct github_sign_in ask = {.web = c->api->config.forge_web,
                                 .code = code,
                                 .verifier = t->verifier,
                                 .redirect_uri = callback_url(c),
                                 .installations = c->api->config.sign_in_installed};
    if (!github_client(c, &ask.client_id, &ask.client_secret))
        return false;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->some, NULL);
    github_sign_in(c->api->config.github, &ask, came, x);
    pthread_mutex_lock(&x->lock);
    while (!x->done)        /* the client answers every call, at the latest when it times out */
        pthread_cond_wait(&x->some, &x->lock);
    pthread_mutex_unlock(&x->lock);
    pthread_cond_destroy(&x->some);
    pthread_mutex_destroy(&x->lock);
    if (x->outcome != FORGE_OK) {
        log_info("signing in with GitHub failed", LS("why", x->why));
        return false;
    }
    x->person = (struct person){.source = STR(PERSON_GITHUB),
                                .forge_id = json_i64_or(json_get(x->told, STR("id")), 0),
                                .login = json_str(json_get(x->told, STR("login")), c->mem),
                                .name = str_clip(json_str(json_get(x->told, STR("name")), c->mem),
                                                 PERSON_NAME_BYTES_MAX)};
    return x->person.forge_id > 0 && x->person.login.len > 0 &&
           x->person.login.len <= LOGIN_BYTES_MAX;
}

static bool ensure_person(struct arrival *x, struct db *db, struct arena *mem, struct err *e)
{
    int64_t now_ms = x->call->now_ms;
    struct person told = x->person;
    if (!people_of_forge(db, mem, told.source, told.forge_id, &x->person, &x->known, e))
        return false;
    if (!x->known) {
        x->person = told;
        return true;
    }
    x->person.login = told.login;
    x->person.name = told.name;
    return people_renamed(db, x->person.id, told.login, told.name, now_ms, e);
}

static bool join(struct arrival *x, struct db *db, struct arena *mem, str workspace_id,
                 enum role role, str by, struct err *e)
{
    struct call *c = x->call;
    enum role had = ROLE_NONE;
    if (!x->known && !people_add(db, c->mem, &x->person, c->now_ms, e))
        return false;
    x->known = true;
    if (!members_role(db, mem, workspace_id, x->person.id, &had, e))
        return false;
    if (had >= role)
        return true;
    struct audit_entry a = {.workspace_id = workspace_id,
                            .action = STR("member.joined"),
                            .actor_type = STR("person"),
                            .actor = x->person.login,
                            .target_type = STR("person"),
                            .target = x->person.id,
                            .description = arena_print(mem, PRI_STR ", " PRI_STR,
                                                       FMT_STR(role_name(role)), FMT_STR(by))};
    return members_put(db, workspace_id, x->person.id, role, by, c->now_ms, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

static bool accept_invitations(struct arrival *x, struct db *db, struct arena *mem, struct err *e)
{
    struct call *c = x->call;
    struct invitation i;
    bool found = true;
    while (found) {
        if (!invitations_of_login(db, mem, x->person.login, c->now_ms, &i, &found, e))
            return false;
        if (found && (!join(x, db, mem, i.workspace_id, i.role,
                            arena_print(mem, "invited by " PRI_STR, FMT_STR(i.created_by)), e) ||
                      !invitations_use(db, i.id, x->person.id, c->now_ms, &found, e)))
            return false;
    }
    return true;
}

#define BY_ACCESS "has access to a repository at GitHub"

/* Who came in by what he can see over there, and sees it no more, goes. */
static bool leave_installed(struct arrival *x, struct db *db, struct arena *mem, struct err *e)
{
    struct membership *all;
    struct json id;
    size_t n = 0;
    if (x->known && !members_of(db, mem, x->person.id, &all, &n, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool sees = false;
        for (struct json_iter it = json_iter(json_get(x->told, STR("installations")));
             !sees && json_next(&it, mem, &(str){ 0 }, &id);) {
            str workspace_id;
            if (!people_workspace_of_installation(db, mem, json_i64_or(id, 0), &workspace_id, e))
                return false;
            sees = str_eq(workspace_id, all[i].workspace_id);
        }
        if (!sees && all[i].role == ROLE_MEMBER && str_eq(all[i].created_by, STR(BY_ACCESS)) &&
            !members_remove(db, all[i].workspace_id, x->person.id, e))
            return false;
    }
    return true;
}

/* Whoever can see a repository of ours over there. */
static bool join_installed(struct arrival *x, struct db *db, struct arena *mem, struct err *e)
{
    struct json id;
    for (struct json_iter it = json_iter(json_get(x->told, STR("installations")));
         json_next(&it, mem, &(str){ 0 }, &id);) {
        str workspace_id;
        if (!people_workspace_of_installation(db, mem, json_i64_or(id, 0), &workspace_id, e))
            return false;
        if (workspace_id.len && !join(x, db, mem, workspace_id, ROLE_MEMBER,
                                      STR(BY_ACCESS), e))
            return false;
    }
    return true;
}

static bool arrive_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct arrival *x = arg;
    struct call *c = x->call;
    struct membership *all;
    size_t n = 0;
    struct person told = x->person;
    if (!ensure_person(x, db, c->mem, e) || !accept_invitations(x, db, mem, e) ||
        (c->api->config.sign_in_installed &&
         !(join_installed(x, db, mem, e) && leave_installed(x, db, mem, e))) ||
        (x->known && !members_of(db, c->mem, x->person.id, &all, &n, e)))
        return false;
    x->stranger = n == 0;
    if (x->stranger) {
        x->person = told;
        return true;
    }
    x->session.row.person = x->person;
    x->session.row.workspace_id = all[0].workspace_id;
    x->session.row.role = all[0].role;
    struct audit_entry a = {.workspace_id = all[0].workspace_id,
                            .action = STR("session.created"),
                            .actor_type = STR("person"),
                            .actor = x->person.login,
                            .target_type = STR("person"),
                            .target = x->person.id,
                            .description = call_peer(c)};
    bool ok = new_session_store(db, mem, c, &x->session, e) && audit_add(db, mem, &a, c->now_ms, e);
    x->person = told;       /* the body may run again */
    return ok;
}

enum outcome api_github_callback(struct call *c)
{
    struct arrival x = { .call = c };
    struct trip t;
    str code, state, error;
    if (!query_text(c, "code", &code) || !query_text(c, "state", &state) ||
        !query_text(c, "error", &error))
        return FAILED;
    bool ours = read_trip(c, &t) && secret_equal(state, t.state);
    set_trip(c, STR(""), 0);
    if (!ours)
        return problem(c, "expired");
    if (error.len || !code.len)
        return problem(c, "denied");
    if (!outside_enter(c))
        return FAILED;
    bool told = ask_who(c, &x, &t, code);
    outside_leave(c);
    if (!told)
        return problem(c, "github");
    new_session_begin(c, &x.session);
    if (!engine_write_wait(c->api->config.engine, arrive_body, &x, &c->err))
        return FAILED;
    if (x.stranger) {
        person_forget(c->api, STR_NONE);
        log_info("somebody unknown signed in at GitHub", LS("login", x.person.login));
        return problem(c, "stranger");
    }
    new_session_give(c, &x.session);
    return go_to(c, t.next);
}
