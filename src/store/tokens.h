/*
 * tokens: static API tokens `sbx_<id>_<secret>` (atmos-pro.md §6.1: for use outside GitHub), stored
 * hashed; used ids of GitHub's OIDC tokens; and settings of the installation itself, sealed where
 * they are secret.
 */
#ifndef SIGNALBOX_STORE_TOKENS_H
#define SIGNALBOX_STORE_TOKENS_H
#include "base/secret.h"
#include "db/db.h"

struct token {
    /* role: member, admin; hash: SHA-256 of the secret part */
    str     id, workspace_id, name, role, hash, created_by;
    /* 0: every repository of the workspace */
    int64_t repository_id;
    int64_t created_ms, expires_ms, revoked_ms;                 /* 0: never */
};

/*
 * Makes a token and stores its hash; *secret_text is the only copy of the token itself. ERR_INVALID
 * for a bad role or name.
 */
bool tokens_create(struct db *db, struct arena *mem, struct token *t, int64_t now_ms,
                   str *secret_text, struct err *e) MUST_CHECK;
bool tokens_get(struct db *db, struct arena *mem, str id, struct token *out, bool *found,
                struct err *e) MUST_CHECK;
/* *found false: no live token of this id in the workspace. */
bool tokens_revoke(struct db *db, str workspace_id, str id, int64_t now_ms, bool *found,
                   struct err *e) MUST_CHECK;
bool tokens_used(struct db *db, str id, int64_t now_ms, struct err *e) MUST_CHECK;
/* Splits `sbx_<id>_<secret>`; false when it is not of that form. */
bool token_split(str text, str *id, str *secret);

/* Each OIDC token once: ERR_TOKEN_REPLAYED when this one was accepted before (§6.1 step 3). */
bool oidc_use(struct db *db, str jti, int64_t expires_ms, struct err *e) MUST_CHECK;
bool oidc_purge(struct db *db, int64_t now_ms, struct err *e) MUST_CHECK;

/* key NULL: stored and read as it is. A sealed value that the key does not open is ERR_INTERNAL. */
bool app_value_put(struct db *db, struct arena *mem, str name, str value, const uint8_t *key,
                   int64_t now_ms, struct err *e) MUST_CHECK;
bool app_value_get(struct db *db, struct arena *mem, str name, const uint8_t *key, str *value,
                   bool *found, struct err *e) MUST_CHECK;

#endif
