/* No bytes without our key are a token; what was signed by us stays one only unchanged. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct jwt_key *key_once(void)
{
    static struct jwt_key *key;
    struct err e = { .code = ERR_NONE };
    if (!key) {
        bool ok = jwt_key_from_secret(STR("a secret that no fuzzer will guess, of good length"),
                                      &key, &e);
        assert(ok);
    }
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(4 << 20, 64 << 20);
    str token = { (const char *)data, n }, kid, alg, good;
    struct err e = { .code = ERR_NONE };
    struct json claims, jwk;
    struct jwt_key *from_jwk = NULL;
    (void)!jwt_peek(mem, token, &kid, &alg, &e);
    err_clear(&e);
    assert(!jwt_verify(mem, key_once(), token, &claims, &e));
    assert(e.code == ERR_TOKEN);
    err_clear(&e);
    if (n > 0 && jwt_sign(mem, key_once(), STR_NONE, STR("{\"a\":1}"), &good, &e)) {
        str changed = arena_copy(mem, good);
        size_t at = data[0] % good.len;
        ((char *)(size_t)changed.ptr)[at] = (char)data[n - 1];
        bool ok = jwt_verify(mem, key_once(), changed, &claims, &e);
        assert(ok == str_eq(changed, good));
    }
    err_clear(&e);
    if (json_parse(mem, token, 0, &jwk, &e) && jwt_key_from_jwk(jwk, mem, &from_jwk, &e))
        jwt_key_free(from_jwk);
    arena_free(mem);
    return 0;
}
