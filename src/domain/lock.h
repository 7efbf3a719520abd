/*
 * lock: advisory claims on keys (atmos-pro.md §12, seed 003).
 */
#ifndef SIGNALBOX_DOMAIN_LOCK_H
#define SIGNALBOX_DOMAIN_LOCK_H
#include "base/arena.h"
#include "base/err.h"

enum { LOCK_TTL_MIN_S = 1, LOCK_TTL_MAX_S = 30 * 24 * 3600,    /* §12.2 */
       LOCK_KEY_BYTES_MAX = 1024, LOCK_MESSAGE_BYTES_MAX = 4096 };

/*
 * Checks and normalises: owner and repository (the first two parts of a key with at least four) are
 * lower-cased, the rest is kept byte for byte. Control characters, empty keys and keys over the
 * limit are ERR_INVALID.
 */
bool lock_key_fold(struct arena *mem, str key, str *folded, struct err *e) MUST_CHECK;
/* owner/repo/stack/component as the CLI builds it, folded. */
str  lock_key_of(struct arena *mem, str owner, str repo, str stack, str component);
bool lock_ttl_check(int64_t ttl_s, struct err *e) MUST_CHECK;
/*
 * What follows "… is locked": " by ana until 2026-09-21T15:13:20Z: db migration". A long name and
 * what is over the bytes of the message are cut, between characters.
 */
str  lock_words(struct arena *mem, str actor, int64_t expires_ms, str message,
                size_t message_bytes_max);

#endif
