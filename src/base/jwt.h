/*
 * jwt: compact JWS over OpenSSL EVP. The algorithm is fixed by the key, never by the token:
 * RS256 for GitHub (App JWTs out, OIDC tokens in), HS256 for sessions of our own. `crit` is
 * refused. Keys are decoded once.
 */
#ifndef SIGNALBOX_BASE_JWT_H
#define SIGNALBOX_BASE_JWT_H
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct jwt_key; /* immutable after creation: may be shared by threads */
/* An RSA private key, PKCS#1 or PKCS#8, at least 2048 bits. ERR_INVALID. */
bool jwt_key_from_pem(str pem, struct jwt_key **out, struct err *e) MUST_CHECK;
/* An RSA public key: kty, n, e. ERR_INVALID. */
bool jwt_key_from_jwk(struct json jwk, struct arena *mem, struct jwt_key **out,
                      struct err *e) MUST_CHECK;
/* HS256, at least 32 bytes. ERR_INVALID. */
bool jwt_key_from_secret(str secret, struct jwt_key **out, struct err *e) MUST_CHECK;
void jwt_key_free(struct jwt_key *k);

/* header.payload.signature; payload is the JSON text of the claims; kid may be empty. */
bool jwt_sign(struct arena *mem, const struct jwt_key *k, str kid, str payload, str *out,
              struct err *e) MUST_CHECK;
/* Reads the header without trusting it: kid and alg, to choose a key. ERR_TOKEN when it is not a
 * JWT or longer than 16 KiB. */
bool jwt_peek(struct arena *mem, str token, str *kid, str *alg, struct err *e) MUST_CHECK;
/* Checks shape, alg against the key, signature; returns the claims. Time and audience are the
 * caller's to check. ERR_TOKEN. */
bool jwt_verify(struct arena *mem, const struct jwt_key *k, str token, struct json *claims,
                struct err *e) MUST_CHECK;

#endif
