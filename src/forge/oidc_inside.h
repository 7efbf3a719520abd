/*
 * forge/oidc_inside: the keys of one issuer, and where they come from.
 */
#ifndef SIGNALBOX_FORGE_OIDC_INSIDE_H
#define SIGNALBOX_FORGE_OIDC_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "base/jwt.h"
#include "forge/forge.h"
#include "http/client.h"

enum {
    OIDC_LEEWAY_S = 60,
    OIDC_KEYS_MAX = 64,
    OIDC_FRESH_MS = 60 * 60 * 1000,         /* keys are fetched anew after this */
    OIDC_STALE_MS = 6 * 60 * 60 * 1000,     /* … and still good so long while that fails */
    OIDC_MISS_MS = 60 * 1000,               /* an unknown kid may ask for a fetch this often */
    OIDC_FAILED_MS = 10 * 1000,             /* a fetch that failed is tried again after this */
    OIDC_CALL_MS = 10 * 1000,
};

/* Immutable once published; counted, so that a verifier may go on with an older set. */
struct keyset {
    atomic_uint     users;
    size_t          count;
    char           *kid[OIDC_KEYS_MAX];
    struct jwt_key *key[OIDC_KEYS_MAX];
};
struct keyset *keyset_read(struct arena *mem, str jwks);    /* NULL: no JWKS */
struct jwt_key *keyset_find(const struct keyset *k, str kid);
void keyset_drop(struct keyset *k);                         /* NULL is fine */

struct issuer {
    str             name;
    pthread_mutex_t lock;           /* guards the next four; held for moments */
    struct keyset  *keys;
    int64_t         fetched_ms, tried_ms;
    bool            failed;         /* the last try */
    pthread_mutex_t fetching;       /* one fetch at a time; others wait for it */
};

/* The keys for a token with this kid, fetched when they are old or do not have it. *out is counted:
 * give it back with keyset_drop. *out may lack the kid: it was looked for. ERR_UPSTREAM. */
bool issuer_keys(struct issuer *i, struct http_client *client, struct arena *mem, str kid,
                 int64_t now_ms, struct keyset **out, struct err *e) MUST_CHECK;

#endif
