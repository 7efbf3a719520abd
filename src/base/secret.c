#include "base/secret.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/random.h>

_Static_assert(SECRET_KEY_BYTES == crypto_secretbox_xchacha20poly1305_KEYBYTES, "key size");

/* Looked up once: a fetch by name costs more than the digest of a small text. Never freed. */
static EVP_MD *md_sha256;
static EVP_MAC_CTX *hmac_template;
static bool started;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (sodium_init() < 0)
        return;
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!md_sha256 || !mac)
        return;
    hmac_template = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    started = hmac_template && EVP_MAC_CTX_set_params(hmac_template, params) == 1;
}

bool secret_start(struct err *e)
{
    pthread_once(&once, start);
    if (!started)
        return fail(e, ERR_INTERNAL,
                    "the crypto libraries did not start: is OpenSSL's configuration broken?");
    return true;
}

/* For calls that fail only without memory or without secret_start's success. */
static void must(bool ok)
{
    if (!ok)
        abort();
}

static void ensure(void)
{
    pthread_once(&once, start);
    must(started);
}

void sha256(str data, uint8_t out[SHA256_BYTES])
{
    ensure();
    unsigned n = 0;
    must(EVP_Digest(data.ptr ? data.ptr : "", data.len, out, &n, md_sha256, NULL) == 1 &&
         n == SHA256_BYTES);
}

str sha256_hex(struct arena *mem, str data)
{
    uint8_t digest[SHA256_BYTES];
    sha256(data, digest);
    return hex_write(mem, (str){ (const char *)digest, sizeof digest });
}

/* struct hmac is OpenSSL's context under our name: nothing to add to it. */
static EVP_MAC_CTX *context(struct hmac *h) { return (EVP_MAC_CTX *)(void *)h; }

struct hmac *hmac_begin(str key)
{
    ensure();
    EVP_MAC_CTX *c = EVP_MAC_CTX_dup(hmac_template);
    must(c != NULL);
    /* A NULL key would mean "keep the old one" to OpenSSL, and there is none. */
    static const unsigned char none[1];
    must(EVP_MAC_init(c, key.len ? (const unsigned char *)key.ptr : none, key.len, NULL) == 1);
    return (struct hmac *)(void *)c;
}

void hmac_add(struct hmac *h, str data)
{
    if (data.len)
        must(EVP_MAC_update(context(h), (const unsigned char *)data.ptr, data.len) == 1);
}

void hmac_end(struct hmac *h, uint8_t out[SHA256_BYTES])
{
    size_t n = 0;
    must(EVP_MAC_final(context(h), out, &n, SHA256_BYTES) == 1 && n == SHA256_BYTES);
    EVP_MAC_CTX_free(context(h));
}

void hmac_drop(struct hmac *h) { EVP_MAC_CTX_free(context(h)); }

void hmac_sha256(str key, str data, uint8_t out[SHA256_BYTES])
{
    struct hmac *h = hmac_begin(key);
    hmac_add(h, data);
    hmac_end(h, out);
}

bool secret_equal(str a, str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void secret_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}

void random_bytes(void *p, size_t n)
{
    char *to = p;
    while (n > 0) {
        ssize_t got = getrandom(to, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        must(got > 0);
        to += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t n;
    random_bytes(&n, sizeof n);
    return n;
}

/* ---- text forms ---- */

str hex_write(struct arena *mem, str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_take(mem, bytes.len + 1, 2);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        out[i * 2] = digits[c >> 4];
        out[i * 2 + 1] = digits[c & 15];
    }
    return (str){ out, bytes.len * 2 };
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(struct arena *mem, str hex, str *bytes)
{
    if (hex.len % 2 != 0)
        return false;
    char *out = arena_take(mem, hex.len / 2 + 1, 1);
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_digit(hex.ptr[i]), low = hex_digit(hex.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (char)(high * 16 + low);
    }
    *bytes = (str){ out, hex.len / 2 };
    return true;
}

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char urlsafe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static str base64_any(struct arena *mem, str in, const char *alphabet, bool padded)
{
    char *out = arena_take(mem, in.len / 3 + 2, 4);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i += 3) {
        size_t have = in.len - i < 3 ? in.len - i : 3;
        uint32_t w = (uint32_t)(unsigned char)in.ptr[i] << 16;
        if (have > 1)
            w |= (uint32_t)(unsigned char)in.ptr[i + 1] << 8;
        if (have > 2)
            w |= (unsigned char)in.ptr[i + 2];
        for (size_t k = 0; k < 4; k++) {
            if (k <= have)
                out[n++] = alphabet[w >> (18 - 6 * k) & 63];
            else if (padded)
                out[n++] = '=';
        }
    }
    out[n] = '\0';
    return (str){ out, n };
}

str base64_write(struct arena *mem, str bytes)    { return base64_any(mem, bytes, standard, true); }
str base64url_write(struct arena *mem, str bytes) { return base64_any(mem, bytes, urlsafe, false); }

static int base64_digit(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

/* Digits without padding. Left-over bits must be zero: one value has one text, or signatures could
 * be rewritten. */
static bool base64_digits(struct arena *mem, str text, bool url, str *bytes)
{
    if (text.len % 4 == 1)
        return false;
    char *out = arena_take(mem, text.len / 4 + 1, 3);
    size_t n = 0;
    uint32_t w = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int d = base64_digit(text.ptr[i], url);
        if (d < 0)
            return false;
        w = w << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char)(w >> bits);
            w &= (1u << bits) - 1;
        }
    }
    if (w != 0)
        return false;
    *bytes = (str){ out, n };
    return true;
}

bool base64url_read(struct arena *mem, str text, str *bytes)
{
    return base64_digits(mem, text, true, bytes);
}

bool base64_read(struct arena *mem, str text, str *bytes)
{
    char *packed = arena_take(mem, text.len + 1, 1);
    size_t n = 0, pad = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r')
            continue;
        if (c == '=')
            pad++;
        else if (pad)
            return false;
        else
            packed[n++] = c;
    }
    return pad <= 2 && (n + pad) % 4 == 0 && base64_digits(mem, (str){ packed, n }, false, bytes);
}

/* ---- secrets at rest ---- */

enum {
    NONCE = crypto_secretbox_xchacha20poly1305_NONCEBYTES,
    TAG = crypto_secretbox_xchacha20poly1305_MACBYTES,
};

str secret_seal(struct arena *mem, const uint8_t key[SECRET_KEY_BYTES], str plain)
{
    ensure();
    size_t n;
    must(!__builtin_add_overflow(plain.len, (size_t)(NONCE + TAG), &n));
    unsigned char *out = arena_take(mem, n, 1);
    random_bytes(out, NONCE);
    must(crypto_secretbox_xchacha20poly1305_easy(
             out + NONCE, (const unsigned char *)(plain.ptr ? plain.ptr : ""), plain.len, out,
             key) == 0);
    return (str){ (const char *)out, n };
}

bool secret_open(struct arena *mem, const uint8_t key[SECRET_KEY_BYTES], str sealed, str *plain,
                 struct err *e)
{
    ensure();
    if (sealed.len < NONCE + TAG)
        return fail(e, ERR_INTERNAL,
                    "a sealed secret is too short: it was damaged, enter it again");
    const unsigned char *in = (const unsigned char *)sealed.ptr;
    size_t n = sealed.len - NONCE - TAG;
    unsigned char *out = arena_take(mem, n + 1, 1);
    if (crypto_secretbox_xchacha20poly1305_open_easy(out, in + NONCE, sealed.len - NONCE, in,
                                                     key) != 0)
        return fail(e, ERR_INTERNAL, "a sealed secret does not open with this key: "
                    "give the key it was sealed with, or enter the secret again");
    *plain = (str){ (const char *)out, n };
    return true;
}

/* ---- passwords ---- */

bool password_hash(struct arena *mem, str password, str *hash, struct err *e)
{
    char *out = arena_make(mem, char, crypto_pwhash_STRBYTES);
    ensure();
    if (crypto_pwhash_str_alg(out, password.ptr ? password.ptr : "", password.len,
                              crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return fail(e, ERR_BUSY, "there is not enough memory to keep a password safely: try again");
    *hash = str_of(out);
    return true;
}

bool password_ok(struct arena *mem, str hash, str password)
{
    /* Of no password: what is compared with when there is no account. */
    static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c2lnbmFsYm94LW5vYm9keQ$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    ensure();
    const char *z = hash.len ? arena_z(mem, hash) : nobody;
    return crypto_pwhash_str_verify(z, password.ptr ? password.ptr : "", password.len) == 0 &&
           hash.len > 0;
}
