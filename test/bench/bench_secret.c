/*
 * bench_secret: signatures and tokens, microseconds an operation, best of five runs.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/jwt.h"
#include "base/secret.h"

enum { RUNS = 5 };

struct input {
    struct arena   *mem;
    str             body;
    struct jwt_key *key;
    str             token;
};

static void hmac_once(struct input *in)
{
    uint8_t out[SHA256_BYTES];
    hmac_sha256(STR("a webhook secret of usual length"), in->body, out);
}

static void sign_once(struct input *in)
{
    struct err e = { .code = ERR_NONE };
    if (!jwt_sign(in->mem, in->key, STR("kid"), STR("{\"iss\":\"1\",\"iat\":1,\"exp\":600}"),
                  &in->token, &e))
        abort();
    arena_reset(in->mem);
}

static void verify_once(struct input *in)
{
    struct err e = { .code = ERR_NONE };
    struct json claims;
    if (!jwt_verify(in->mem, in->key, in->token, &claims, &e))
        abort();
    arena_reset(in->mem);
}

static double best_us(void (*once)(struct input *), struct input *in, int times)
{
    double best = 1e12;
    for (int r = 0; r < RUNS; r++) {
        int64_t at = clock_mono_us();
        for (int i = 0; i < times; i++)
            once(in);
        double us = (double)(clock_mono_us() - at) / times;
        best = us < best ? us : best;
    }
    return best;
}

static struct jwt_key *new_key(struct arena *mem)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    BIO *b = BIO_new(BIO_s_mem());
    struct jwt_key *k = NULL;
    struct err e = { .code = ERR_NONE };
    char *p;
    if (!rsa || !b || PEM_write_bio_PrivateKey(b, rsa, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    long n = BIO_get_mem_data(b, &p);
    if (!jwt_key_from_pem((str){ p, (size_t)n }, &k, &e))
        abort();
    BIO_free(b);
    EVP_PKEY_free(rsa);
    return k;
}

int main(void)
{
    struct arena *mem = arena_new(64 << 20, 64 << 20), *kept = arena_new(64 << 20, 64 << 20);
    struct input in = { .mem = mem, .key = new_key(mem) };
    static const struct { const char *name; size_t bytes; int times; } sizes[] = {
        { "HMAC-SHA256 of 16 B", 16, 100000 }, { "HMAC-SHA256 of 8 KB", 8192, 5000 },
        { "HMAC-SHA256 of 25 MB", 25000000, 2 },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        in.body = (str){ arena_take(kept, sizes[i].bytes, 1), sizes[i].bytes };
        double us = best_us(hmac_once, &in, sizes[i].times);
        printf("%-22s %10.2f us  %6.0f MB/s\n", sizes[i].name, us, (double)sizes[i].bytes / us);
    }
    printf("%-22s %10.2f us\n", "RS256 sign", best_us(sign_once, &in, 300));
    struct err e = { .code = ERR_NONE };
    if (!jwt_sign(kept, in.key, STR("kid"), STR("{\"iss\":\"1\",\"iat\":1,\"exp\":600}"), &in.token,
                  &e))
        return 1;
    printf("%-22s %10.2f us\n", "RS256 verify", best_us(verify_once, &in, 3000));
    jwt_key_free(in.key);
    arena_free(mem);
    arena_free(kept);
    return 0;
}
