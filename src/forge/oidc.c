/*
 * Tokens that GitHub Actions gives to a workflow run (atmos-pro.md §6.1, forges.md §2.11).
 */
#include <stdlib.h>

#include "base/secret.h"
#include "forge/inside.h"
#include "forge/oidc_inside.h"

struct oidc {
    struct arena  *mem;
    struct http_client *client;
    struct issuer *issuer;
    size_t         issuer_count;
    const str     *audience;
    size_t         audience_count;
};

/* Over plain HTTP anybody on the way could hand out keys; on this machine nobody is on the way. */
static bool issuer_ok(str name)
{
    static const str here[] = {
        STR_INIT("http://127.0.0.1"), STR_INIT("http://localhost"), STR_INIT("http://[::1]"),
    };
    str origin = address_origin(name);
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        if (str_eq(origin, here[i]) ||
            (str_starts(origin, here[i]) && origin.ptr[here[i].len] == ':'))
            return true;
    return str_starts(name, STR("https://")) && origin.len > sizeof "https://" - 1;
}

bool oidc_new(const struct oidc_config *c, struct oidc **out, struct err *e)
{
    for (size_t i = 0; i < c->issuer_count; i++)
        if (!issuer_ok(c->issuers[i]))
            return fail(e, ERR_INVALID, "the OIDC issuer \"" PRI_STR "\" must begin with https://",
                        FMT_STR(str_clip(c->issuers[i], 200)));
    for (size_t i = 0; i < c->audience_count; i++)
        if (!c->audiences[i].len)
            return fail(e, ERR_INVALID, "an OIDC audience is empty");
    if (!c->issuer_count || !c->audience_count)
        return fail(e, ERR_INVALID, "OIDC needs an issuer and an audience");
    struct arena *mem = arena_new(1 << 20, 8 << 20);
    struct oidc *o = arena_make(mem, struct oidc, 1);
    *o = (struct oidc){ .mem = mem, .client = c->client, .issuer_count = c->issuer_count,
                        .audience_count = c->audience_count };
    o->issuer = arena_make(mem, struct issuer, c->issuer_count);
    for (size_t i = 0; i < c->issuer_count; i++) {
        o->issuer[i].name = arena_copy(mem, c->issuers[i]);
        pthread_mutex_init(&o->issuer[i].lock, NULL);
        pthread_mutex_init(&o->issuer[i].fetching, NULL);
    }
    str *audience = arena_make(mem, str, c->audience_count);
    for (size_t i = 0; i < c->audience_count; i++)
        audience[i] = arena_copy(mem, c->audiences[i]);
    o->audience = audience;
    *out = o;
    return true;
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->issuer_count; i++) {
        keyset_drop(o->issuer[i].keys);
        pthread_mutex_destroy(&o->issuer[i].lock);
        pthread_mutex_destroy(&o->issuer[i].fetching);
    }
    arena_free(o->mem);
}

/* ---- checks ---- */

static bool refused(struct err *e, const char *why)
{
    return fail(e, ERR_TOKEN, "the OIDC token is not accepted: %s", why);
}

/* Whose token it says it is, unproven: only to choose the keys. */
static bool peek_issuer(struct oidc *o, struct arena *mem, str token, struct issuer **out,
                        struct err *e)
{
    str rest, claims;
    struct json v;
    struct err inner = { .code = ERR_NONE };
    (void)str_cut(token, '.', &rest);
    if (!base64url_read(mem, str_cut(rest, '.', &rest), &claims) ||
        !json_parse(mem, claims, 16, &v, &inner))
        return refused(e, "its claims cannot be read");
    str name = json_str(json_get(v, STR("iss")), mem);
    for (size_t i = 0; i < o->issuer_count; i++)
        if (str_eq(name, o->issuer[i].name)) {
            *out = &o->issuer[i];
            return true;
        }
    return refused(e, "its issuer is not one of those this server trusts");
}

static bool audience_listed(const struct oidc *o, struct json v, struct arena *mem)
{
    str text = json_str(v, mem);
    for (size_t i = 0; i < o->audience_count; i++)
        if (json_kind(v) == JSON_STRING && str_eq(text, o->audience[i]))
            return true;
    return false;
}

static bool audience_ok(const struct oidc *o, struct json aud, struct arena *mem)
{
    struct json v;
    str key;
    if (json_kind(aud) != JSON_ARRAY)
        return audience_listed(o, aud, mem);
    for (struct json_iter it = json_iter(aud); json_next(&it, mem, &key, &v);)
        if (audience_listed(o, v, mem))
            return true;
    return false;
}

static bool time_of(struct json claims, str name, int64_t *out)
{
    return json_i64(json_get(claims, name), out) && *out >= 0 && *out < INT64_C(253402300800);
}

static bool times_ok(struct json claims, int64_t now_ms, struct err *e)
{
    int64_t now_s = now_ms / 1000, exp, iat, nbf;
    if (!time_of(claims, STR("exp"), &exp) || !time_of(claims, STR("iat"), &iat))
        return refused(e, "exp or iat is missing");
    if (json_kind(json_get(claims, STR("nbf"))) != JSON_ABSENT &&
        (!time_of(claims, STR("nbf"), &nbf) || nbf > now_s + OIDC_LEEWAY_S))
        return refused(e, "it is not valid yet; compare the clocks");
    if (iat > now_s + OIDC_LEEWAY_S)
        return refused(e, "it is from the future; compare the clocks");
    if (exp <= now_s - OIDC_LEEWAY_S)
        return fail(e, ERR_TOKEN_EXPIRED,
                    "the OIDC token has expired; ask the runner for a new one");
    return true;
}

static bool claims_ok(const struct oidc *o, const struct issuer *i, struct arena *mem,
                      struct json claims, int64_t now_ms, struct err *e)
{
    if (!str_eq(json_str(json_get(claims, STR("iss")), mem), i->name))
        return refused(e, "its issuer is not one of those this server trusts");
    if (!audience_ok(o, json_get(claims, STR("aud")), mem))
        return refused(e, "it was made for another audience");
    if (!json_str(json_get(claims, STR("jti")), mem).len)
        return refused(e, "jti is missing");
    return times_ok(claims, now_ms, e);
}

bool oidc_verify(struct oidc *o, struct arena *mem, str token, int64_t now_ms, struct json *claims,
                 struct err *e)
{
    str kid, alg;
    struct issuer *i;
    struct keyset *keys;
    if (!jwt_peek(mem, token, &kid, &alg, e))
        return false;
    if (!str_eq(alg, STR("RS256")) || !kid.len)
        return refused(e, "it is not signed with RS256 by a named key");
    if (!peek_issuer(o, mem, token, &i, e) ||
        !issuer_keys(i, o->client, mem, kid, now_ms, &keys, e))
        return false;
    const struct jwt_key *key = keyset_find(keys, kid);
    bool ok = key ? jwt_verify(mem, key, token, claims, e)
                  : refused(e, "the issuer does not know its key");
    keyset_drop(keys);
    return ok && claims_ok(o, i, mem, *claims, now_ms, e);
}
