/*
 * mask: values that must not be kept, taken out of text that comes from outside. Each value is
 * looked for as it is, line by line when it has several, and in base64.
 */
#ifndef SIGNALBOX_DOMAIN_MASK_H
#define SIGNALBOX_DOMAIN_MASK_H
#include "base/json.h"

/* Shorter values would blot out text that has nothing to do with them. */
enum { MASK_BYTES_MIN = 6 };
#define MASKED "***"

str mask_out(struct arena *mem, str text, const str *values, size_t count);
/* Every text of v, as JSON; a field whose name holds a value is left out. */
str mask_out_json(struct arena *mem, struct json v, const str *values, size_t count);

/*
 * The same for showing it: texts whose field is named like a secret (token, password, private_key …)
 * are masked, too.
 */
str mask_out_named(struct arena *mem, struct json v, const str *values, size_t count);

#endif
