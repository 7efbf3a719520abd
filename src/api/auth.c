/*
 * Who calls: a session of a workflow (our own JWT, HS256), a static token, or else a person's browser
 * (people_auth.c). Sessions need no
 * database; static tokens are read once and kept for at most TOKEN_FRESH_MS, so that a revocation
 * in another process counts soon.
 */
#include "api/call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "store/tokens.h"

enum { TOKEN_FRESH_MS = 5000, TOKEN_USED_EVERY_MS = 60000, SESSION_LEEWAY_MS = 5000 };

#define SESSION_TYPE "ws:gh:action"

static bool bearer(const struct http_request *r, str *token)
{
    str header = http_header_get(r, STR("Authorization")), rest;
    if (!str_eq_nocase(str_cut(header, ' ', &rest), STR("Bearer")))
        return false;
    *token = str_trim(rest);
    return token->len > 0;
}

/* --- static tokens --- */

static struct cached_token *slot_of(struct api *a, str id)
{
    return &a->token[str_hash(id) % TOKENS_CACHED];
}

static bool cached_is(const struct cached_token *t, str id)
{
    return t->read_ms && str_eq(str_of(t->id), id);
}

static void keep(char *to, size_t cap, str s)
{
    size_t n = s.len < cap - 1 ? s.len : cap - 1;
    memcpy(to, s.ptr, n);
    to[n] = '\0';
}

bool token_is_cached(struct api *a, const struct http_request *r)
{
    str text, id, secret;
    if (!bearer(r, &text) || !token_split(text, &id, &secret))
        return false;
    pthread_mutex_lock(&a->lock);
    struct cached_token *t = slot_of(a, id);
    bool yes = cached_is(t, id) && clock_mono_ms() - t->read_ms < TOKEN_FRESH_MS;
    pthread_mutex_unlock(&a->lock);
    return yes;
}

void token_forget(struct api *a, str id)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < TOKENS_CACHED; i++)
        if (!id.len || cached_is(&a->token[i], id))
            a->token[i].read_ms = 0;
    pthread_mutex_unlock(&a->lock);
    live_check_soon(a->live);
}

struct used { struct api *api; char id[48]; };

static bool used_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct used *u = arg;
    (void)mem;
    return tokens_used(db, str_of(u->id), engine_now_ms(u->api->config.engine), e);
}

static void used_done(void *arg, const struct err *e)
{
    if (e)
        log_warn("the last use of a token could not be noted", LZ("why", e->text));
    free(arg);
}

static void note_use(struct api *a, str id)
{
    struct used *u = calloc(1, sizeof *u);
    if (!u)
        abort();
    u->api = a;
    keep(u->id, sizeof u->id, id);
    engine_write(a->config.engine, used_body, used_done, u);
}

static bool token_load(struct call *c, str id, bool *found)
{
    struct token t;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = tokens_get(db, c->mem, id, &t, found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok || !*found)
        return ok;
    if (t.workspace_id.len >= sizeof c->api->token[0].workspace_id || t.hash.len != SHA256_BYTES)
        return fail(&c->err, ERR_INTERNAL, "the stored token cannot be used");
    pthread_mutex_lock(&c->api->lock);
    struct cached_token *k = slot_of(c->api, id);
    bool same = cached_is(k, id);
    int64_t now = clock_mono_ms(), used = same ? k->used_ms : 0;
    bool note = !t.revoked_ms && (!used || now - used > TOKEN_USED_EVERY_MS);
    *k = (struct cached_token){.admin = str_eq(t.role, STR("admin")),
                               .gone = t.revoked_ms != 0,
                               .repository_id = t.repository_id,
                               .expires_ms = t.expires_ms,
                               .read_ms = now,
                               .used_ms = note ? now : used};
    keep(k->id, sizeof k->id, id);
    keep(k->workspace_id, sizeof k->workspace_id, t.workspace_id);
    keep(k->name, sizeof k->name, t.name);
    memcpy(k->hash, t.hash.ptr, SHA256_BYTES);
    pthread_mutex_unlock(&c->api->lock);
    if (note)
        note_use(c->api, id);
    return true;
}

/* *known: there was an entry that is young enough. */
static bool token_check(struct call *c, str id, str secret, bool *known)
{
    uint8_t hash[SHA256_BYTES];
    sha256(secret, hash);
    pthread_mutex_lock(&c->api->lock);
    struct cached_token t = *slot_of(c->api, id);
    pthread_mutex_unlock(&c->api->lock);
    *known = cached_is(&t, id) && clock_mono_ms() - t.read_ms < TOKEN_FRESH_MS;
    if (!*known)
        return false;
    if (!secret_equal((str){(const char *)hash, sizeof hash},
                      (str){(const char *)t.hash, sizeof t.hash}))
        return fail(&c->err, ERR_TOKEN,
                    "this API token is not known: check that it was copied whole");
    if (t.gone)
        return fail(&c->err, ERR_TOKEN, "this API token was revoked: use another one");
    if (t.expires_ms && t.expires_ms <= c->now_ms)
        return fail(&c->err, ERR_TOKEN_EXPIRED, "this API token has expired: use another one");
    c->who = (struct caller){.kind = CALLER_TOKEN,
                             .right = t.admin ? RIGHT_ADMIN : RIGHT_OPERATE,
                             .workspace_id = arena_copy(c->mem, str_of(t.workspace_id)),
                             .repository_id = t.repository_id,
                             .type = STR("token"),
                             .name = arena_copy(c->mem, str_of(t.name)),
                             .token_id = arena_copy(c->mem, id)};
    return true;
}

static bool authenticate_token(struct call *c, str id, str secret)
{
    bool known, found;
    if (token_check(c, id, secret, &known))
        return true;
    if (known)
        return false;
    if (!token_load(c, id, &found))
        return false;
    if (!found)
        return fail(&c->err, ERR_TOKEN,
                    "this API token is not known: check that it was copied whole");
    if (token_check(c, id, secret, &known))
        return true;
    return known ? false : fail(&c->err, ERR_BUSY, "too many tokens are in use at once: try again");
}

/* --- sessions --- */

bool session_mint(struct call *c, str workspace_id, int64_t repository_id, struct json claims,
                  str *token)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("iss"), STR("signalbox"));
    json_field_str(&w, STR("typ"), STR(SESSION_TYPE));
    json_field_i64(&w, STR("iat"), c->now_ms / 1000);
    json_field_i64(&w, STR("exp"), (c->now_ms + c->api->config.session_ms) / 1000);
    json_field_str(&w, STR("jti"), id_new(c->mem, "ses_", c->now_ms));
    json_field_str(&w, STR("workspace"), workspace_id);
    json_field_i64(&w, STR("repository"), repository_id);
    c->who.claims = claims;
    json_field_raw(&w, STR("github"), call_session_json(c));
    json_end_object(&w);
    if (!buf_ok(&b))
        return fail(&c->err, ERR_INVALID, "the claims of the token are too large");
    return jwt_sign(c->mem, c->api->config.session_key, STR(""), buf_str(&b), token, &c->err);
}

static bool session_verify(struct call *c, str token, struct json *claims)
{
    const struct api_config *k = &c->api->config;
    struct err first = { 0 };
    if (jwt_verify(c->mem, k->session_key, token, claims, &first))
        return true;
    if (k->session_key_before && jwt_verify(c->mem, k->session_key_before, token, claims, &c->err))
        return true;
    err_clear(&c->err);
    return fail(
        &c->err, ERR_TOKEN,
        "this is neither a session of this server nor one of its API tokens: exchange a new one");
}

static bool authenticate_session(struct call *c, str token)
{
    struct json v;
    if (!session_verify(c, token, &v))
        return false;
    int64_t expires_s = json_i64_or(json_get(v, STR("exp")), 0);
    if (!str_eq(json_str(json_get(v, STR("typ")), c->mem), STR(SESSION_TYPE)))
        return fail(&c->err, ERR_NOT_ACTIONS,
                    "this call needs the session of a GitHub Actions workflow");
    if (expires_s <= (c->now_ms - SESSION_LEEWAY_MS) / 1000)
        return fail(&c->err, ERR_TOKEN_EXPIRED,
                    "the session has expired: exchange a new GitHub OIDC token");
    struct json claims = json_get(v, STR("github"));
    c->who = (struct caller){.kind = CALLER_SESSION,
                             .right = RIGHT_READ,
                             .workspace_id = json_str(json_get(v, STR("workspace")), c->mem),
                             .repository_id = json_i64_or(json_get(v, STR("repository")), 0),
                             .type = STR("workflow"),
                             .name = json_str(json_get(claims, STR("actor")), c->mem),
                             .claims = claims};
    if (!c->who.name.len)
        c->who.name = json_str(json_get(claims, STR("repository")), c->mem);
    if (!c->who.workspace_id.len || !c->who.repository_id)
        return fail(&c->err, ERR_TOKEN,
                    "the session lacks its workspace or repository: exchange a new one");
    return true;
}

bool authenticate(struct call *c)
{
    str token, id, secret;
    bool has_token = bearer(c->request, &token);
    if (!has_token && person_cookie(c).len)
        return authenticate_person(c);
    if (!has_token)
        return fail(&c->err, ERR_TOKEN,
                    "this needs a token: send `Authorization: Bearer …` (a session, or an API "
                    "token of this server), or sign in with a browser");
    if (token_split(token, &id, &secret))
        return authenticate_token(c, id, secret);
    return authenticate_session(c, token);
}
