#include <stdlib.h>

#include "base/log.h"
#include "forge/inside.h"
#include "forge/oidc_inside.h"

/* ---- a set of keys ---- */

static bool key_is_for_us(struct json jwk, struct arena *mem)
{
    str use = json_str(json_get(jwk, STR("use")), mem),
        alg = json_str(json_get(jwk, STR("alg")), mem);
    return str_eq(json_str(json_get(jwk, STR("kty")), mem), STR("RSA")) &&
           json_str(json_get(jwk, STR("kid")), mem).len && (!use.len || str_eq(use, STR("sig"))) &&
           (!alg.len || str_eq(alg, STR("RS256")));
}

static char *text_new(str s)
{
    char *z = malloc(s.len + 1);
    if (!z)
        abort();
    memcpy(z, s.ptr, s.len);
    z[s.len] = 0;
    return z;
}

struct keyset *keyset_read(struct arena *mem, str jwks)
{
    struct json doc, jwk;
    struct err ignored = { .code = ERR_NONE };
    str key;
    if (!json_parse(mem, jwks, 16, &doc, &ignored) ||
        json_kind(json_get(doc, STR("keys"))) != JSON_ARRAY)
        return NULL;
    struct keyset *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    atomic_init(&k->users, 1);
    for (struct json_iter it = json_iter(json_get(doc, STR("keys")));
         json_next(&it, mem, &key, &jwk);) {
        struct err e = { .code = ERR_NONE };
        if (k->count == OIDC_KEYS_MAX || !key_is_for_us(jwk, mem))
            continue;
        if (!jwt_key_from_jwk(jwk, mem, &k->key[k->count], &e)) {
            log_warn("a key of an OIDC issuer is not usable", LZ("why", e.text));
            continue;
        }
        k->kid[k->count++] = text_new(json_str(json_get(jwk, STR("kid")), mem));
    }
    return k;
}

struct jwt_key *keyset_find(const struct keyset *k, str kid)
{
    for (size_t i = 0; k && i < k->count; i++)
        if (str_eq(kid, str_of(k->kid[i])))
            return k->key[i];
    return NULL;
}

void keyset_drop(struct keyset *k)
{
    if (!k || atomic_fetch_sub(&k->users, 1) != 1)
        return;
    for (size_t i = 0; i < k->count; i++) {
        free(k->kid[i]);
        jwt_key_free(k->key[i]);
    }
    free(k);
}

/* ---- from the issuer ---- */

static bool get(struct http_client *client, struct arena *mem, str url, str *body, struct err *e)
{
    struct http_header accept = { STR("Accept"), STR("application/json") };
    struct http_answer a;
    http_call_wait(client, mem,
                   &(struct http_call){.method = HTTP_GET,
                                       .url = url,
                                       .headers = &accept,
                                       .header_count = 1,
                                       .timeout_ms = OIDC_CALL_MS,
                                       .body_max = 1 << 20,
                                       .follow = true},
                   &a);
    if (a.outcome != HTTP_ANSWERED)
        return fail(e, ERR_UPSTREAM,
                    "the issuer's keys cannot be had from " PRI_STR ": %s; try again later",
                    FMT_STR(url), a.why);
    if (a.status != 200 || a.cut)
        return fail(e, ERR_UPSTREAM,
                    "the issuer's keys cannot be had: " PRI_STR " answers %d; try again later",
                    FMT_STR(url), a.status);
    *body = a.body;
    return true;
}

/* The issuer's own words lead to its keys, but never away from its host (forges.md §2.11). */
static bool fetch(struct http_client *client, struct arena *mem, str issuer, struct keyset **out,
                  struct err *e)
{
    str body, name = issuer;
    struct json doc;
    struct err inner = { .code = ERR_NONE };
    while (str_ends(name, STR("/")))
        name = str_sub(name, 0, name.len - 1);
    str url = arena_print(mem, PRI_STR "/.well-known/openid-configuration", FMT_STR(name));
    if (!get(client, mem, url, &body, e))
        return false;
    if (!json_parse(mem, body, 16, &doc, &inner))
        return fail(e, ERR_UPSTREAM, "the issuer's discovery document at " PRI_STR " is no JSON",
                    FMT_STR(url));
    str keys = json_str(json_get(doc, STR("jwks_uri")), mem);
    if (!str_eq(json_str(json_get(doc, STR("issuer")), mem), issuer))
        return fail(e, ERR_UPSTREAM, "the discovery document at " PRI_STR " names another issuer",
                    FMT_STR(url));
    if (!address_same_origin(keys, issuer))
        return fail(e, ERR_UPSTREAM, "the issuer's keys would come from another host than " PRI_STR,
                    FMT_STR(issuer));
    if (!get(client, mem, keys, &body, e))
        return false;
    *out = keyset_read(mem, body);
    return *out || fail(e, ERR_UPSTREAM, "what the issuer offers at " PRI_STR " are no keys",
                        FMT_STR(keys));
}

/* ---- when ---- */

enum want { ENOUGH, FETCH, FETCH_OR_STALE, TOO_SOON };

static int64_t since(int64_t then_ms, int64_t now_ms)
{
    return now_ms >= then_ms ? now_ms - then_ms : INT64_MAX;
}

static enum want wanted(const struct issuer *i, str kid, int64_t now_ms)
{
    bool fresh = i->keys && since(i->fetched_ms, now_ms) < OIDC_FRESH_MS;
    bool stale = i->keys && since(i->fetched_ms, now_ms) < OIDC_STALE_MS;
    bool known = keyset_find(i->keys, kid) != NULL;
    if (fresh && known)
        return ENOUGH;
    if (fresh)      /* a kid nobody knows: a new key, or somebody who makes us ask */
        return i->tried_ms && since(i->tried_ms, now_ms) < OIDC_MISS_MS ? ENOUGH : FETCH_OR_STALE;
    if (i->failed && since(i->tried_ms, now_ms) < OIDC_FAILED_MS)
        return stale && known ? ENOUGH : TOO_SOON;
    return stale && known ? FETCH_OR_STALE : FETCH;
}

static enum want look(struct issuer *i, str kid, int64_t now_ms, struct keyset **out)
{
    pthread_mutex_lock(&i->lock);
    enum want w = wanted(i, kid, now_ms);
    *out = i->keys;
    if (*out)
        atomic_fetch_add(&(*out)->users, 1);
    pthread_mutex_unlock(&i->lock);
    return w;
}

static void publish(struct issuer *i, struct keyset *fresh, int64_t now_ms)
{
    struct keyset *old = NULL;
    pthread_mutex_lock(&i->lock);
    i->tried_ms = now_ms;
    i->failed = !fresh;
    if (fresh) {
        old = i->keys;
        i->keys = fresh;
        i->fetched_ms = now_ms;
    }
    pthread_mutex_unlock(&i->lock);
    keyset_drop(old);
}

static bool fetch_and_look(struct issuer *i, struct http_client *client, struct arena *mem, str kid,
                           int64_t now_ms, struct keyset **out, struct err *e)
{
    struct keyset *fresh = NULL;
    enum want w = look(i, kid, now_ms, out);    /* somebody else may have fetched meanwhile */
    if (w == ENOUGH)
        return true;
    if (w == TOO_SOON) {
        keyset_drop(*out);
        return fail(e, ERR_UPSTREAM,
                    "the keys of " PRI_STR " could not be had a moment ago; try again later",
                    FMT_STR(i->name));
    }
    struct err why = { .code = ERR_NONE };
    bool ok = fetch(client, mem, i->name, &fresh, &why);
    publish(i, fresh, now_ms);
    if (!ok && w == FETCH_OR_STALE && keyset_find(*out, kid)) {
        log_warn("the keys of an OIDC issuer cannot be renewed; the older ones go on",
                 LS("issuer", i->name), LZ("why", why.text));
        return true;
    }
    keyset_drop(*out);
    if (!ok) {
        *e = why;
        return false;
    }
    (void)look(i, kid, now_ms, out);
    return true;
}

bool issuer_keys(struct issuer *i, struct http_client *client, struct arena *mem, str kid,
                 int64_t now_ms, struct keyset **out, struct err *e)
{
    if (look(i, kid, now_ms, out) == ENOUGH)
        return true;
    keyset_drop(*out);
    pthread_mutex_lock(&i->fetching);
    bool ok = fetch_and_look(i, client, mem, kid, now_ms, out, e);
    pthread_mutex_unlock(&i->fetching);
    return ok;
}
