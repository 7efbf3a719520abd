#include "runner/bearer.h"

void bearer_change(struct bearer *b, str token, str previous)
{
    pthread_mutex_lock(&b->lock);
    b->count = 0;
    sha256(token, b->digest[b->count++]);
    if (previous.len)
        sha256(previous, b->digest[b->count++]);
    pthread_mutex_unlock(&b->lock);
}

void bearer_init(struct bearer *b, str token, str previous)
{
    pthread_mutex_init(&b->lock, NULL);
    bearer_change(b, token, previous);
}

/* The one word after Bearer; nothing when there are two such headers, or two words. */
static str token_of(const struct http_request *r)
{
    str value = STR_NONE;
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq_nocase(r->headers[i].name, STR("authorization"))) {
            if (value.ptr)
                return STR_NONE;
            value = r->headers[i].value;
        }
    str rest, scheme = str_cut(value, ' ', &rest);
    return str_eq_nocase(scheme, STR("bearer")) && str_find(rest, ' ', 0) == rest.len ? rest
                                                                                      : STR_NONE;
}

/* Every token is compared, whichever fits. */
static bool is_known(struct bearer *b, str token)
{
    uint8_t digest[SHA256_BYTES];
    bool known = false;
    sha256(token, digest);
    str given = { (const char *)digest, sizeof digest };
    for (size_t i = 0; i < b->count; i++)
        known |= secret_equal(given, (str){ (const char *)b->digest[i], SHA256_BYTES });
    return known && token.len > 0;
}

enum bearer_verdict bearer_check(struct bearer *b, const struct http_request *r, int64_t now_ms)
{
    uint64_t peer = str_hash(r->peer);
    enum bearer_verdict verdict = BEARER_WRONG;
    pthread_mutex_lock(&b->lock);
    size_t at = peer % BEARER_PEERS;
    if (b->peers[at].peer != peer || now_ms - b->peers[at].since_ms >= BEARER_WINDOW_MS) {
        b->peers[at].peer = peer;
        b->peers[at].since_ms = now_ms;
        b->peers[at].failures = 0;
    }
    if (is_known(b, token_of(r)))
        verdict = BEARER_OK;
    else if (b->peers[at].failures >= BEARER_FAILURES_MAX)
        verdict = BEARER_TOO_OFTEN;
    else
        b->peers[at].failures++;
    pthread_mutex_unlock(&b->lock);
    return verdict;
}
