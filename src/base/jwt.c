#include "base/jwt.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/scope.h"
#include "base/secret.h"

enum {
    TOKEN_MAX_BYTES = 16 << 10,
    JWT_DEPTH_MAX = 16,
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    SECRET_BYTES_MIN = 32,
    PEM_MAX_BYTES = 32 << 10,
};

/* Exactly one of pkey and secret is set, and that decides the algorithm. */
struct jwt_key {
    EVP_PKEY *pkey;                 /* RS256 */
    bool      can_sign;
    char     *secret;               /* HS256 */
    size_t    secret_len;
};

#define SCOPED_WITH(T, name, release) \
    static void scope_##name(T **p) { release(*p); }

SCOPED_WITH(BIO, bio, BIO_free)
SCOPED_WITH(BIGNUM, bignum, BN_free)
SCOPED_WITH(OSSL_PARAM_BLD, builder, OSSL_PARAM_BLD_free)
SCOPED_WITH(OSSL_PARAM, params, OSSL_PARAM_free)
SCOPED_WITH(EVP_PKEY_CTX, pkey_ctx, EVP_PKEY_CTX_free)
SCOPED_WITH(EVP_PKEY, pkey, EVP_PKEY_free)
SCOPED_WITH(EVP_MD_CTX, md_ctx, EVP_MD_CTX_free)

static void *taken(void *p)
{
    if (!p)
        abort();
    return p;
}

/* OpenSSL keeps a queue of errors a thread; left there, it would be reported for an unrelated call
 * later. */
static bool key_bad(struct err *e, const char *why)
{
    ERR_clear_error();
    return fail(e, ERR_INVALID, "the key cannot be used: %s", why);
}

static bool rsa_fits(const EVP_PKEY *k, struct err *e)
{
    if (EVP_PKEY_get_base_id(k) != EVP_PKEY_RSA)
        return key_bad(e, "it is not an RSA key; give an RSA key of 2048 bits or more");
    int bits = EVP_PKEY_get_bits(k);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return fail(e, ERR_INVALID,
                    "the key cannot be used: it has %d bits, RSA needs %d to %d; make a new one",
                    bits, RSA_BITS_MIN, RSA_BITS_MAX);
    return true;
}

static struct jwt_key *wrap(EVP_PKEY **k, bool can_sign)
{
    struct jwt_key *out = taken(calloc(1, sizeof *out));
    out->pkey = *k;
    out->can_sign = can_sign;
    *k = NULL;
    return out;
}

/* Without this an encrypted key would make OpenSSL ask at the terminal. */
static int no_passphrase(char *to, int n, int writing, void *u) { return -1; }

bool jwt_key_from_pem(str pem, struct jwt_key **out, struct err *e)
{
    if (pem.len == 0 || pem.len > PEM_MAX_BYTES)
        return key_bad(e, "it is empty or too long for a PEM file");
    if (str_has(pem, STR("ENCRYPTED")))
        return key_bad(e, "it is encrypted; give it without a passphrase");
    SCOPED(bio) BIO *in = taken(BIO_new_mem_buf(pem.ptr, (int)pem.len));
    SCOPED(pkey) EVP_PKEY *k = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    if (!k)
        return key_bad(
            e, "it is not a private key in PEM form (BEGIN RSA PRIVATE KEY or BEGIN PRIVATE KEY)");
    if (!rsa_fits(k, e))
        return false;
    ERR_clear_error();
    *out = wrap(&k, true);
    return true;
}

static bool jwk_number(struct json jwk, str name, struct arena *mem, BIGNUM **out)
{
    str bytes, text = json_str(json_get(jwk, name), mem);
    if (text.len == 0 || text.len > 2048 || !base64url_read(mem, text, &bytes))
        return false;
    *out = taken(BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, NULL));
    return true;
}

static EVP_PKEY *rsa_public(const BIGNUM *n, const BIGNUM *exponent)
{
    SCOPED(builder) OSSL_PARAM_BLD *b = taken(OSSL_PARAM_BLD_new());
    if (!OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) ||
        !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent))
        return NULL;
    SCOPED(params) OSSL_PARAM *p = taken(OSSL_PARAM_BLD_to_param(b));
    SCOPED(pkey_ctx) EVP_PKEY_CTX *c = taken(EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL));
    EVP_PKEY *k = NULL;
    if (EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, p) != 1)
        return NULL;
    return k;
}

bool jwt_key_from_jwk(struct json jwk, struct arena *mem, struct jwt_key **out, struct err *e)
{
    if (!str_eq(json_str(json_get(jwk, STR("kty")), mem), STR("RSA")))
        return key_bad(e, "kty is not RSA");
    str alg = json_str(json_get(jwk, STR("alg")), mem);
    if (alg.ptr && !str_eq(alg, STR("RS256")))
        return key_bad(e, "alg is not RS256");
    str use = json_str(json_get(jwk, STR("use")), mem);
    if (use.ptr && !str_eq(use, STR("sig")))
        return key_bad(e, "use is not sig");
    SCOPED(bignum) BIGNUM *n = NULL;
    SCOPED(bignum) BIGNUM *exponent = NULL;
    if (!jwk_number(jwk, STR("n"), mem, &n) || !jwk_number(jwk, STR("e"), mem, &exponent))
        return key_bad(e, "n or e is missing or not base64url");
    if (!BN_is_odd(n) || !BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > 64)
        return key_bad(e, "n or e is no RSA number");
    SCOPED(pkey) EVP_PKEY *k = rsa_public(n, exponent);
    if (!k)
        return key_bad(e, "OpenSSL refuses n and e");
    if (!rsa_fits(k, e))
        return false;
    *out = wrap(&k, false);
    return true;
}

bool jwt_key_from_secret(str secret, struct jwt_key **out, struct err *e)
{
    if (secret.len < SECRET_BYTES_MIN)
        return fail(e, ERR_INVALID, "the session secret has %zu bytes, at least %d are needed",
                    secret.len, SECRET_BYTES_MIN);
    struct jwt_key *k = taken(calloc(1, sizeof *k));
    k->secret = taken(malloc(secret.len));
    memcpy(k->secret, secret.ptr, secret.len);
    k->secret_len = secret.len;
    k->can_sign = true;
    *out = k;
    return true;
}

void jwt_key_free(struct jwt_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    if (k->secret)
        secret_wipe(k->secret, k->secret_len);
    free(k->secret);
    free(k);
}

static str alg_of(const struct jwt_key *k) { return k->pkey ? STR("RS256") : STR("HS256"); }

/* ---- signing ---- */

static bool rsa_sign(struct arena *mem, const struct jwt_key *k, str text, str *out, struct err *e)
{
    SCOPED(md_ctx) EVP_MD_CTX *c = taken(EVP_MD_CTX_new());
    size_t n = (size_t)EVP_PKEY_get_size(k->pkey);
    unsigned char *sig = arena_take(mem, n, 1);
    if (EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, k->pkey) != 1 ||
        EVP_DigestSign(c, sig, &n, (const unsigned char *)text.ptr, text.len) != 1) {
        ERR_clear_error();
        return fail(e, ERR_INTERNAL, "OpenSSL could not sign with this key");
    }
    *out = (str){ (const char *)sig, n };
    return true;
}

static str header_text(struct arena *mem, const struct jwt_key *k, str kid)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 1 << 16);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("alg"), alg_of(k));
    json_field_str(&w, STR("typ"), STR("JWT"));
    if (kid.len)
        json_field_str(&w, STR("kid"), kid);
    json_end_object(&w);
    return buf_str(&b);
}

bool jwt_sign(struct arena *mem, const struct jwt_key *k, str kid, str payload, str *out,
              struct err *e)
{
    assert(k->can_sign);
    if (payload.len > TOKEN_MAX_BYTES / 2 || kid.len > 256)
        return fail(e, ERR_LIMIT, "the claims have %zu bytes, too many for a token", payload.len);
    str head = base64url_write(mem, header_text(mem, k, kid));
    str body = base64url_write(mem, payload);
    str text = arena_print(mem, PRI_STR "." PRI_STR, FMT_STR(head), FMT_STR(body));
    str sig;
    if (k->pkey) {
        if (!rsa_sign(mem, k, text, &sig, e))
            return false;
    } else {
        uint8_t mac[SHA256_BYTES];
        hmac_sha256((str){ k->secret, k->secret_len }, text, mac);
        sig = arena_copy(mem, (str){ (const char *)mac, sizeof mac });
    }
    str tail = base64url_write(mem, sig);
    *out = arena_print(mem, PRI_STR "." PRI_STR, FMT_STR(text), FMT_STR(tail));
    return true;
}

/* ---- reading ---- */

struct parts { str head, body, sig, signed_text; };

/* What is wrong is told in general only: a token's bytes belong into no message and no log. */
static bool no_token(struct err *e, const char *why)
{
    return fail(e, ERR_TOKEN, "the token is not valid: %s", why);
}

static bool split(str token, struct parts *out, struct err *e)
{
    if (token.len > TOKEN_MAX_BYTES)
        return no_token(e, "it is longer than 16 KiB");
    size_t a = str_find(token, '.', 0), b = str_find(token, '.', a + 1);
    if (a >= token.len || b >= token.len || str_find(token, '.', b + 1) != token.len)
        return no_token(e, "it has not three parts");
    *out = (struct parts){ str_sub(token, 0, a), str_sub(token, a + 1, b),
                           str_sub(token, b + 1, token.len), str_sub(token, 0, b) };
    if (out->head.len == 0 || out->body.len == 0)
        return no_token(e, "a part is empty");
    return true;
}

static bool part_json(struct arena *mem, str part, struct json *out, struct err *e)
{
    str text;
    struct err inner = { .code = ERR_NONE };
    if (!base64url_read(mem, part, &text))
        return no_token(e, "a part is not base64url");
    if (!json_parse(mem, text, JWT_DEPTH_MAX, out, &inner) || json_kind(*out) != JSON_OBJECT)
        return no_token(e, "a part is not a JSON object");
    return true;
}

static bool read_header(struct arena *mem, str part, str *kid, str *alg, struct err *e)
{
    struct json head;
    if (!part_json(mem, part, &head, e))
        return false;
    if (json_kind(json_get(head, STR("crit"))) != JSON_ABSENT)
        return no_token(e, "it demands an extension (crit)");
    if (json_kind(json_get(head, STR("alg"))) != JSON_STRING)
        return no_token(e, "alg is missing");
    struct json id = json_get(head, STR("kid"));
    if (json_present(id) && json_kind(id) != JSON_STRING)
        return no_token(e, "kid is not a string");
    *alg = json_str(json_get(head, STR("alg")), mem);
    *kid = json_str(id, mem);
    return true;
}

bool jwt_peek(struct arena *mem, str token, str *kid, str *alg, struct err *e)
{
    struct parts p = { 0 };
    return split(token, &p, e) && read_header(mem, p.head, kid, alg, e);
}

static bool signature_fits(const struct jwt_key *k, str text, str sig)
{
    if (!k->pkey) {
        uint8_t mac[SHA256_BYTES];
        hmac_sha256((str){ k->secret, k->secret_len }, text, mac);
        return secret_equal((str){ (const char *)mac, sizeof mac }, sig);
    }
    SCOPED(md_ctx) EVP_MD_CTX *c = taken(EVP_MD_CTX_new());
    bool fits = EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
                EVP_DigestVerify(c, (const unsigned char *)sig.ptr, sig.len,
                                 (const unsigned char *)text.ptr, text.len) == 1;
    ERR_clear_error();
    return fits;
}

bool jwt_verify(struct arena *mem, const struct jwt_key *k, str token, struct json *claims,
                struct err *e)
{
    struct parts p = { 0 };
    str kid, alg, sig;
    if (!split(token, &p, e) || !read_header(mem, p.head, &kid, &alg, e))
        return false;
    if (!str_eq(alg, alg_of(k)))
        return no_token(e, "its algorithm is not the one of the key");
    if (!base64url_read(mem, p.sig, &sig))
        return no_token(e, "a part is not base64url");
    if (!signature_fits(k, p.signed_text, sig))
        return no_token(e, "the signature does not fit");
    return part_json(mem, p.body, claims, e);
}
