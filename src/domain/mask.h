/*
 * mask: values that must not be kept, taken out of JSON that comes from outside (base/mask.h says in
 * which forms they are known). A field whose name holds a value is left out.
 */
#ifndef SIGNALBOX_DOMAIN_MASK_H
#define SIGNALBOX_DOMAIN_MASK_H
#include "base/json.h"
#include "base/mask.h"

/* Every text of v, as JSON. */
str mask_json(struct arena *mem, const struct mask_set *set, struct json v);
/*
 * The same for showing it: texts whose field is named like a secret (token, password, private_key …)
 * are masked, too.
 */
str mask_json_named(struct arena *mem, const struct mask_set *set, struct json v);
/* The same for what the CLI reports: its fields "logs" are base64, and are masked inside of it. */
str mask_json_logs(struct arena *mem, const struct mask_set *set, struct json v);

#endif
