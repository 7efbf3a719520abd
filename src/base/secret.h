/*
 * secret: digests, signatures, random, and secrets at rest. OpenSSL EVP and libsodium are known to
 * secret.c and jwt.c alone.
 */
#ifndef SIGNALBOX_BASE_SECRET_H
#define SIGNALBOX_BASE_SECRET_H
#include "base/arena.h"
#include "base/err.h"

enum { SHA256_BYTES = 32, SECRET_KEY_BYTES = 32 };

bool secret_start(struct err *e) MUST_CHECK;         /* once, before threads */
void sha256(str data, uint8_t out[SHA256_BYTES]);
str  sha256_hex(struct arena *mem, str data);
/* Streaming form for bodies that arrive in pieces. */
struct hmac;
struct hmac *hmac_begin(str key);
void hmac_add(struct hmac *h, str data);
void hmac_end(struct hmac *h, uint8_t out[SHA256_BYTES]);     /* frees h */
void hmac_drop(struct hmac *h); /* frees h without an answer; NULL is fine */
void hmac_sha256(str key, str data, uint8_t out[SHA256_BYTES]);
bool secret_equal(str a, str b); /* constant time in the contents; lengths may leak */
void secret_wipe(void *p, size_t n);
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

str  hex_write(struct arena *mem, str bytes);        /* lower case */
bool hex_read(struct arena *mem, str hex, str *bytes);
str  base64_write(struct arena *mem, str bytes);     /* standard alphabet, padded */
/* Standard, padded; line breaks are allowed, since GitHub wraps its contents. */
bool base64_read(struct arena *mem, str text, str *bytes);
str  base64url_write(struct arena *mem, str bytes);  /* unpadded */
bool base64url_read(struct arena *mem, str text, str *bytes);/* unpadded, strict */

/* Secrets at rest: XChaCha20-Poly1305 (libsodium secretbox), random nonce in front. */
str  secret_seal(struct arena *mem, const uint8_t key[SECRET_KEY_BYTES], str plain);
bool secret_open(struct arena *mem, const uint8_t key[SECRET_KEY_BYTES], str sealed, str *plain,
                 struct err *e) MUST_CHECK;

/*
 * Passwords: argon2id (libsodium), 64 MiB and some 50 ms each: the caller bounds how many at once.
 * The hash names its parameters and salt. ERR_BUSY: no memory.
 */
bool password_hash(struct arena *mem, str password, str *hash, struct err *e) MUST_CHECK;
/* hash empty: there is no such account; false, after as long as with one. */
bool password_ok(struct arena *mem, str hash, str password);

#endif
