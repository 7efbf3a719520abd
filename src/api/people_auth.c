/*
 * A person's browser: the cookie, the session behind it, and whether a request that changes
 * something comes from a page of ours. A session is read once and kept for at most PERSON_FRESH_MS,
 * so that one that was ended on another server counts soon; in this process it counts at once.
 */
#include "api/call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum { PERSON_FRESH_MS = 5000, SEEN_EVERY_MS = 60000, COOKIE_BYTES = 32 };

static bool is_https(const struct call *c)
{
    return str_starts(c->api->config.public_url, STR("https:"));
}

/* With the prefix, browsers see to it that it came over https and from this very host. */
static str cookie_name(const struct call *c)
{
    return is_https(c) ? STR("__Host-signalbox_session") : STR("signalbox_session");
}

str cookie_get(struct call *c, str name)
{
    str rest = http_header_get(c->request, STR("Cookie")), value;
    while (rest.len) {
        str pair = str_trim(str_cut(rest, ';', &rest));
        if (str_eq(str_cut(pair, '=', &value), name))
            return value.ptr ? value : STR("");
    }
    return STR("");
}

str person_cookie(struct call *c) { return cookie_get(c, cookie_name(c)); }

static void set_cookie(struct call *c, str value, int64_t age_ms)
{
    call_header(c, STR("Set-Cookie"),
                arena_print(c->mem, PRI_STR "=" PRI_STR
                            "; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                            FMT_STR(cookie_name(c)), FMT_STR(value), (long long)(age_ms / 1000),
                            is_https(c) ? "; Secure" : ""));
    call_header(c, STR("Cache-Control"), STR("no-store"));
}

void session_cookie_clear(struct call *c) { set_cookie(c, STR(""), 0); }

/* --- does it come from a page of ours? --- */

str csrf_of(struct call *c, str session_id)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256((str){ (const char *)c->api->people_key, sizeof c->api->people_key },
                arena_print(c->mem, "csrf " PRI_STR, FMT_STR(session_id)), mac);
    return base64url_write(c->mem, (str){ (const char *)mac, sizeof mac });
}

static str host_of(str origin)
{
    size_t at = str_find(origin, '/', 0);
    return at + 2 <= origin.len ? str_sub(origin, at + 2, origin.len) : STR("");
}

/* A browser says where a page is from, and a page cannot change what it says. */
bool from_our_page(struct call *c)
{
    str site = http_header_get(c->request, STR("Sec-Fetch-Site")),
        origin = http_header_get(c->request, STR("Origin"));
    if (site.len && !str_eq(site, STR("same-origin")) && !str_eq(site, STR("none")))
        return fail(&c->err, ERR_CSRF, "the request comes from a page of another site");
    if (origin.len && !str_eq_nocase(origin, c->api->config.public_url) &&
        !str_eq_nocase(host_of(origin), http_header_get(c->request, STR("Host"))))
        return fail(&c->err, ERR_CSRF, "the request comes from a page of another site");
    return true;
}

static bool is_safe(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS;
}

static bool page_is_ours(struct call *c)
{
    if (is_safe(c->request->method))
        return true;
    if (!from_our_page(c))
        return false;
    return secret_equal(http_header_get(c->request, STR("X-Signalbox-Csrf")),
                        csrf_of(c, c->who.session_id)) ||
           fail(&c->err, ERR_CSRF,
                "what changes something needs the header X-Signalbox-Csrf: GET /api/v1/session "
                "says what belongs there");
}

/* --- the cache --- */

static struct cached_person *slot_of(struct api *a, const uint8_t hash[SHA256_BYTES])
{
    return &a->person[(hash[0] | (unsigned)hash[1] << 8) % PERSONS_CACHED];
}

static void keep(char *to, size_t cap, str s)
{
    size_t n = s.len < cap - 1 ? s.len : cap - 1;
    if (n)
        memcpy(to, s.ptr, n);
    to[n] = '\0';
}

void person_forget(struct api *a, str person_id)
{
    pthread_mutex_lock(&a->lock);
    a->person_changes++;
    for (size_t i = 0; i < PERSONS_CACHED; i++)
        if (!person_id.len || str_eq(str_of(a->person[i].person_id), person_id))
            a->person[i].read_ms = 0;
    pthread_mutex_unlock(&a->lock);
    live_check_soon(a->live);
}

struct seen { struct api *api; char id[40]; };

static bool seen_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct seen *s = arg;
    (void)mem;
    return person_sessions_seen(db, str_of(s->id), engine_now_ms(s->api->config.engine), e);
}

static void seen_done(void *arg, const struct err *e)
{
    if (e)
        log_warn("the last use of a session could not be noted", LZ("why", e->text));
    free(arg);
}

static void note_seen(struct api *a, const char *id)
{
    struct seen *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->api = a;
    keep(s->id, sizeof s->id, str_of(id));
    engine_write(a->config.engine, seen_body, seen_done, s);
}

static bool load(struct call *c, const uint8_t hash[SHA256_BYTES], struct cached_person *out,
                 bool *found)
{
    struct api *a = c->api;
    struct person_session s;
    pthread_mutex_lock(&a->lock);
    uint64_t changes = a->person_changes;
    pthread_mutex_unlock(&a->lock);
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = person_sessions_find(db, c->mem, (str){ (const char *)hash, SHA256_BYTES }, c->now_ms,
                                   &s, found, &c->err);
    engine_read_done(a->config.engine, db);
    if (!ok || !*found)
        return ok;
    *out = (struct cached_person){.role = s.role,
                                  .forge_id = s.person.forge_id,
                                  .created_ms = s.created_ms,
                                  .seen_ms = s.seen_ms,
                                  .expires_ms = s.expires_ms,
                                  .read_ms = clock_mono_ms()};
    memcpy(out->hash, hash, SHA256_BYTES);
    keep(out->session_id, sizeof out->session_id, s.id);
    keep(out->person_id, sizeof out->person_id, s.person.id);
    keep(out->workspace_id, sizeof out->workspace_id, s.workspace_id);
    keep(out->login, sizeof out->login, s.person.login);
    bool note = c->now_ms - s.seen_ms > SEEN_EVERY_MS;
    if (note)
        out->seen_ms = c->now_ms;
    pthread_mutex_lock(&a->lock);
    if (changes == a->person_changes)
        *slot_of(a, hash) = *out;
    pthread_mutex_unlock(&a->lock);
    if (note)
        note_seen(a, out->session_id);
    return true;
}

static bool find(struct call *c, const uint8_t hash[SHA256_BYTES], struct cached_person *out,
                 bool *found)
{
    pthread_mutex_lock(&c->api->lock);
    *out = *slot_of(c->api, hash);
    pthread_mutex_unlock(&c->api->lock);
    *found = out->read_ms && clock_mono_ms() - out->read_ms < PERSON_FRESH_MS &&
             memcmp(out->hash, hash, SHA256_BYTES) == 0;
    return *found || load(c, hash, out, found);
}

enum right person_right(enum role role, int64_t forge_id)
{
    if (role >= ROLE_ADMIN)
        return RIGHT_ADMIN;
    /* which repositories: people_rights.c; nobody can say what a local account may write to */
    return role == ROLE_MEMBER && forge_id ? RIGHT_OPERATE : RIGHT_READ;
}

bool authenticate_person(struct call *c)
{
    uint8_t hash[SHA256_BYTES];
    struct cached_person p;
    bool found;
    str cookie = person_cookie(c);
    if (cookie.len > 200)
        return fail(&c->err, ERR_TOKEN, "this cookie is none of ours: sign in again");
    sha256(cookie, hash);
    if (!find(c, hash, &p, &found))
        return false;
    if (!found || p.expires_ms <= c->now_ms)
        return fail(&c->err, ERR_TOKEN, "you are not signed in any more: sign in again");
    if (p.role == ROLE_NONE)
        return fail(&c->err, ERR_TOKEN, "you do not belong to this workspace any more");
    c->who = (struct caller){.kind = CALLER_PERSON,
                             .right = person_right(p.role, p.forge_id),
                             .workspace_id = arena_copy(c->mem, str_of(p.workspace_id)),
                             .type = STR("person"),
                             .name = arena_copy(c->mem, str_of(p.login)),
                             .role = p.role,
                             .person_id = arena_copy(c->mem, str_of(p.person_id)),
                             .session_id = arena_copy(c->mem, str_of(p.session_id)),
                             .forge_id = p.forge_id};
    return page_is_ours(c);
}

/* --- a new one --- */

void new_session_begin(struct call *c, struct new_session *n)
{
    uint8_t bytes[COOKIE_BYTES], hash[SHA256_BYTES];
    str before = person_cookie(c);
    random_bytes(bytes, sizeof bytes);
    n->cookie = base64url_write(c->mem, (str){ (const char *)bytes, sizeof bytes });
    sha256(n->cookie, hash);
    n->row.hash = arena_copy(c->mem, (str){ (const char *)hash, sizeof hash });
    n->row.agent = str_clip(http_header_get(c->request, STR("User-Agent")), SESSION_AGENT_BYTES_MAX);
    if (!str_is_utf8(n->row.agent))
        n->row.agent = STR("");
    n->row.agent = arena_copy(c->mem, n->row.agent);
    n->row.peer = call_peer(c);
    n->before = STR_NONE;
    if (before.len) {
        sha256(before, hash);
        n->before = arena_copy(c->mem, (str){ (const char *)hash, sizeof hash });
    }
}

/* n->row.person and workspace_id are set. */
bool new_session_store(struct db *db, struct arena *mem, struct call *c, struct new_session *n,
                       struct err *e)
{
    struct person_session old;
    bool found = false;
    if (n->before.len &&
        !person_sessions_find(db, mem, n->before, c->now_ms, &old, &found, e))
        return false;
    if (found && !person_sessions_end(db, old.person.id, old.id, &found, e))
        return false;
    return person_sessions_add(db, c->mem, &n->row, c->now_ms, e);
}

void new_session_give(struct call *c, const struct new_session *n)
{
    if (n->before.len)
        person_forget(c->api, STR_NONE);
    c->who = (struct caller){.kind = CALLER_PERSON,
                             .right = person_right(n->row.role, n->row.person.forge_id),
                             .workspace_id = n->row.workspace_id,
                             .type = STR("person"),
                             .name = n->row.person.login,
                             .role = n->row.role,
                             .person_id = n->row.person.id,
                             .session_id = n->row.id,
                             .forge_id = n->row.person.forge_id};
    set_cookie(c, n->cookie, PERSON_ALIVE_MS);
}
