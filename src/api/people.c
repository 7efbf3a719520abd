/*
 * Signing in and out, who I am, and the first account. argon2 is costly, so one works at a time;
 * an account and an address that failed often have to wait.
 */
#include "api/call.h"

#include "base/log.h"

enum { PASSWORDS_AT_ONCE = 1, PASSWORDS_WAITING_MAX = 3, PASSWORD_BYTES_MIN = 10,
       PASSWORD_BYTES_MAX = 1000 };

/* --- the gate before argon2: memory stays bounded, and workers stay free for others --- */

bool password_enter(struct call *c)
{
    struct api *a = c->api;
    pthread_mutex_lock(&a->password_lock);
    bool ok = a->passwords < PASSWORDS_AT_ONCE || a->passwords_waiting < PASSWORDS_WAITING_MAX;
    if (ok) {
        a->passwords_waiting++;
        while (a->passwords >= PASSWORDS_AT_ONCE)
            pthread_cond_wait(&a->password_free, &a->password_lock);
        a->passwords_waiting--;
        a->passwords++;
    }
    pthread_mutex_unlock(&a->password_lock);
    return ok || fail(&c->err, ERR_BUSY, "many people sign in at this moment: try again");
}

void password_leave(struct call *c)
{
    struct api *a = c->api;
    pthread_mutex_lock(&a->password_lock);
    a->passwords--;
    pthread_cond_signal(&a->password_free);
    pthread_mutex_unlock(&a->password_lock);
}

bool password_make(struct call *c, str password, str *hash)
{
    if (!password_enter(c))
        return false;
    bool ok = password_hash(c->mem, password, hash, &c->err);
    password_leave(c);
    return ok;
}

/* Any text but the empty one: the longer the better, and nobody is told which letters to use. */
bool read_password(struct call *c, const char *name, bool is_new, str *out)
{
    struct json v = json_get(c->body, str_of(name));
    *out = json_str(v, c->mem);
    if (json_kind(v) != JSON_STRING)
        return fail(&c->err, ERR_INVALID, "%s is missing", name);
    if (out->len > PASSWORD_BYTES_MAX)
        return fail(&c->err, ERR_INVALID, "%s is longer than %d bytes", name, PASSWORD_BYTES_MAX);
    return !is_new || out->len >= PASSWORD_BYTES_MIN ||
           fail(&c->err, ERR_INVALID, "%s is too short: take at least %d characters", name,
                PASSWORD_BYTES_MIN);
}

/* --- what a person is told --- */

static void put_rights(struct call *c)
{
    static const struct { enum right right; str name; } rights[] = {
        {RIGHT_READ, STR_INIT("read")},
        {RIGHT_OPERATE, STR_INIT("operate")},
        {RIGHT_ADMIN, STR_INIT("admin")}};
    json_key(&c->data, STR("rights"));
    json_begin_array(&c->data);
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++)
        if (c->who.right >= rights[i].right)
            json_put_str(&c->data, rights[i].name);
    json_end_array(&c->data);
}

static void put_person(struct call *c, const struct person *p)
{
    json_key(&c->data, STR("person"));
    if (!p->id.len) {
        json_put_null(&c->data);
        return;
    }
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("id"), p->id);
    json_field_str(&c->data, STR("name"), p->name.len ? p->name : p->login);
    json_field_str(&c->data, STR("login"), p->login);
    json_field_str(&c->data, STR("source"), p->source);
    json_end_object(&c->data);
}

static void put_workspace(struct json_out *w, const struct membership *m, bool with_role)
{
    json_begin_object(w);
    json_field_str(w, STR("id"), m->workspace_id);
    json_field_str(w, STR("name"), m->workspace);
    if (with_role)
        json_field_str(w, STR("role"), role_name(m->role));
    json_end_object(w);
}

struct me {
    struct person person;
    struct membership here, *all;
    size_t count;
    int64_t expires_ms;
};

static enum role role_of(const struct call *c)
{
    if (c->who.kind == CALLER_PERSON)
        return c->who.role;
    return c->who.right == RIGHT_ADMIN ? ROLE_ADMIN : ROLE_MEMBER;
}

/* Only the one it was made for, to whom a person is a stranger. */
static bool read_workspace(struct call *c, struct db *db, struct me *me)
{
    struct db_rows r;
    if (!db_query(db, c->mem, &c->err, &r, "select id, name from workspace where id = $1",
                  ARGS(A(c->who.workspace_id))))
        return false;
    if (!r.count)
        return fail(&c->err, ERR_NOT_FOUND, "the workspace is not there any more");
    me->here = (struct membership){.workspace_id = db_at(&r, 0, 0)->s,
                                   .workspace = db_at(&r, 0, 1)->s,
                                   .role = role_of(c)};
    return true;
}

static bool read_person(struct call *c, struct db *db, struct me *me)
{
    bool found;
    if (c->who.kind != CALLER_PERSON) {
        me->all = &me->here;
        me->count = 1;
        return true;
    }
    return people_get(db, c->mem, c->who.person_id, &me->person, &found, &c->err) &&
           person_sessions_ends(db, c->mem, c->who.session_id, &me->expires_ms, &c->err) &&
           members_of(db, c->mem, c->who.person_id, &me->all, &me->count, &c->err);
}

enum outcome show_me(struct call *c)
{
    struct me me = { 0 };
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = read_workspace(c, db, &me) && read_person(c, db, &me);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    json_begin_object(&c->data);
    put_person(c, &me.person);
    json_key(&c->data, STR("token"));
    if (c->who.kind == CALLER_TOKEN) {
        json_begin_object(&c->data);
        json_field_str(&c->data, STR("name"), c->who.name);
        json_end_object(&c->data);
    } else {
        json_put_null(&c->data);
    }
    json_key(&c->data, STR("workspace"));
    put_workspace(&c->data, &me.here, false);
    json_key(&c->data, STR("workspaces"));
    json_begin_array(&c->data);
    for (size_t i = 0; i < me.count; i++)
        put_workspace(&c->data, &me.all[i], true);
    json_end_array(&c->data);
    json_field_str(&c->data, STR("role"), role_name(role_of(c)));
    json_field_str(&c->data, STR("csrf"),
                   c->who.kind == CALLER_PERSON ? csrf_of(c, c->who.session_id) : STR_NONE);
    put_rights(c);
    json_field_time(&c->data, STR("expiresAt"), me.expires_ms);
    json_end_object(&c->data);
    return ANSWERED;
}

enum outcome api_session_get(struct call *c)
{
    call_header(c, STR("Cache-Control"), STR("no-store"));
    return show_me(c);
}

enum outcome api_sign_in(struct call *c)
{
    bool any, local;
    str id;
    bool github = github_client(c, &id, NULL);
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = people_are_there(db, c->mem, &any, &local, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    json_begin_object(&c->data);
    json_field_bool(&c->data, STR("local"), local || !any);
    json_field_bool(&c->data, STR("github"), github);
    json_field_str(&c->data, STR("githubUrl"), github ? STR("/auth/github") : STR_NONE);
    json_field_bool(&c->data, STR("needsWelcome"), !any);
    json_end_object(&c->data);
    return ANSWERED;
}

/* --- signing in --- */

struct sign_in {
    struct call *call;
    struct person person;
    bool   known;
    str    login, password, account_key, peer_key;
    int64_t until_ms;
    struct new_session session;
};

/* Not the login itself: it is what a stranger typed. */
static str attempt_key(struct call *c, const char *kind, str of)
{
    return arena_print(c->mem, "%s:" PRI_STR, kind,
                       FMT_STR(str_sub(sha256_hex(c->mem, login_fold(c->mem, of)), 0, 32)));
}

static bool wait_refused(struct call *c, int64_t until_ms)
{
    int64_t left_s = (until_ms - c->now_ms + 999) / 1000;
    call_header(c, STR("Retry-After"), arena_print(c->mem, "%lld", (long long)left_s));
    return fail(&c->err, ERR_ATTEMPTS, "too many attempts failed: try again in %lld s",
                (long long)left_s);
}

static bool look_up(struct call *c, struct sign_in *x)
{
    int64_t account_ms, peer_ms;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = sign_in_until(db, c->mem, x->account_key, &account_ms, &c->err) &&
              sign_in_until(db, c->mem, x->peer_key, &peer_ms, &c->err) &&
              people_local(db, c->mem, x->login, &x->person, &x->known, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return false;
    int64_t until_ms = account_ms > peer_ms ? account_ms : peer_ms;
    return until_ms <= c->now_ms || wait_refused(c, until_ms);
}

static bool failed_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct sign_in *x = arg;
    struct call *c = x->call;
    int64_t account_ms, peer_ms;
    if (!sign_in_failed(db, mem, x->account_key, c->now_ms, 5, &account_ms, e) ||
        !sign_in_failed(db, mem, x->peer_key, c->now_ms, 20, &peer_ms, e))
        return false;
    x->until_ms = account_ms > peer_ms ? account_ms : peer_ms;
    if (!account_ms || !x->known)
        return true;
    struct membership *all;
    size_t n;
    if (!members_of(db, mem, x->person.id, &all, &n, e))
        return false;
    struct audit_entry a = {.workspace_id = n ? all[0].workspace_id : STR(""),
                            .action = STR("session.locked_out"),
                            .actor_type = STR("system"),
                            .actor = call_peer(c),
                            .target_type = STR("person"),
                            .target = x->person.id,
                            .description = x->person.login};
    return audit_add(db, mem, &a, c->now_ms, e);
}

static bool signed_in_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct sign_in *x = arg;
    struct call *c = x->call;
    struct membership *all;
    size_t n;
    if (!members_of(db, c->mem, x->person.id, &all, &n, e))
        return false;
    if (!n)
        return fail(e, ERR_SIGN_IN, "you belong to no workspace any more: ask for an invitation");
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
    return sign_in_forgotten(db, x->account_key, e) &&
           new_session_store(db, mem, c, &x->session, e) && audit_add(db, mem, &a, c->now_ms, e);
}

/* Inside the gate, so that not many guesses are under way when the first is counted. */
static bool guess_inside(struct call *c, struct sign_in *x)
{
    if (!look_up(c, x))
        return false;
    if (password_ok(c->mem, x->known ? x->person.password : STR(""), x->password))
        return true;
    if (!engine_write_wait(c->api->config.engine, failed_body, x, &c->err))
        return false;
    return fail(&c->err, ERR_SIGN_IN, "the name or the password is wrong");
}

static bool guess(struct call *c, struct sign_in *x)
{
    x->account_key = attempt_key(c, "account", x->login);
    x->peer_key = attempt_key(c, "peer", call_peer(c));
    if (!look_up(c, x) || !password_enter(c))
        return false;
    bool ok = guess_inside(c, x);
    password_leave(c);
    return ok;
}

bool password_guess(struct call *c, str login, str password)
{
    struct sign_in x = { .call = c, .login = login, .password = password };
    return guess(c, &x);
}

enum outcome api_session_make(struct call *c)
{
    static const char *const known[] = { "name", "password", NULL };
    struct sign_in x = { .call = c };
    if (!from_our_page(c) || !only_known(c, known) ||
        !read_text(c, "name", true, LOGIN_BYTES_MAX, &x.login) ||
        !read_password(c, "password", false, &x.password))
        return FAILED;
    x.login = str_trim(x.login);
    if (!guess(c, &x))
        return FAILED;
    new_session_begin(c, &x.session);
    if (!engine_write_wait(c->api->config.engine, signed_in_body, &x, &c->err))
        return FAILED;
    new_session_give(c, &x.session);
    return show_me(c);
}

/* --- and out --- */

bool only_person(struct call *c)
{
    return c->who.kind == CALLER_PERSON ||
           fail(&c->err, ERR_INVALID,
                "this is about the person who signed in with a browser, and you came with a token");
}

struct end_session { struct call *call; bool found; };

static bool end_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct end_session *x = arg;
    struct call *c = x->call;
    struct audit_entry a = audit_of(c, 0, STR("session.ended"), STR("person"), c->who.person_id);
    return person_sessions_end(db, c->who.person_id, c->who.session_id, &x->found, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_session_end(struct call *c)
{
    struct end_session x = { .call = c };
    if (!only_person(c) || !engine_write_wait(c->api->config.engine, end_body, &x, &c->err))
        return FAILED;
    person_forget(c->api, c->who.person_id);
    session_cookie_clear(c);
    return ANSWERED;
}

struct look_at { struct call *call; str workspace_id; enum role role; };

static bool look_at_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct look_at *x = arg;
    struct call *c = x->call;
    if (!members_role(db, mem, x->workspace_id, c->who.person_id, &x->role, e))
        return false;
    if (x->role == ROLE_NONE)
        return fail(e, ERR_WORKSPACE_UNKNOWN, "you belong to no workspace of this id");
    return person_sessions_look_at(db, c->who.session_id, x->workspace_id, e);
}

enum outcome api_session_workspace(struct call *c)
{
    static const char *const known[] = { "workspaceId", NULL };
    struct look_at x = { .call = c };
    if (!only_person(c) || !only_known(c, known) ||
        !read_text(c, "workspaceId", true, 127, &x.workspace_id) ||
        !engine_write_wait(c->api->config.engine, look_at_body, &x, &c->err))
        return FAILED;
    person_forget(c->api, c->who.person_id);
    c->who.workspace_id = x.workspace_id;
    c->who.role = x.role;
    c->who.right = person_right(x.role, c->who.forge_id);
    return show_me(c);
}
