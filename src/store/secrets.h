/*
 * secrets: values of a repository that only the server reads. Sealed with its key before they come
 * here, each with its place, so that one row's value is none in another's.
 */
#ifndef SIGNALBOX_STORE_SECRETS_H
#define SIGNALBOX_STORE_SECRETS_H
#include "base/secret.h"
#include "db/db.h"

enum { SECRETS_OF_REPOSITORY_MAX = 200, SECRET_VALUE_BYTES_MAX = 64 << 10 };

/* key: SECRET_KEY_BYTES. A description without a pointer stays as it was. ERR_LIMIT: too many. */
bool secrets_put(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                 str name, str value, str description, str by, int64_t now_ms, bool *is_new,
                 struct err *e) MUST_CHECK;
/* The value in clear, in mem: for what leaves at once, never for a row or a log. */
bool secrets_get(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                 str name, str *value, bool *found, struct err *e) MUST_CHECK;
/* All values of a repository: what must be masked in text that comes from outside. There is room
 * for one more. */
bool secrets_values(struct db *db, struct arena *mem, const uint8_t *key, int64_t repository_id,
                    str **values, size_t *count, struct err *e) MUST_CHECK;
bool secrets_remove(struct db *db, int64_t repository_id, str name, bool *found,
                    struct err *e) MUST_CHECK;

#endif
