/*
 * interpolate: `{{ parameters.x }}` and `{{ secrets.x }}` in the fields of an action's trigger
 * (runner.md §8.8). Two passes: secrets first, all the rest second; what a pass has put in is never
 * read again, so a parameter cannot ask for a secret, and a secret cannot ask for anything.
 *
 *     {{ path }}      path: letters, digits, `_`, `.`, `-`; blanks around it; nothing else
 *
 * A secret that is not set is an error. Any other path without a value stays as it is, as does all
 * that only looks like an expression.
 */
#ifndef SIGNALBOX_DOMAIN_INTERPOLATE_H
#define SIGNALBOX_DOMAIN_INTERPOLATE_H
#include "base/json.h"

enum { INTERPOLATE_BYTES_MAX = 512 << 10 };     /* of one result */

struct interpolation {
    struct json roots;              /* {"parameters":{…},"run":{…}}: a path is looked up here */
    /* The value of a secret; *found false: it is not set. False: e says why. NULL: none is set. */
    bool (*secret)(void *ctx, str name, str *value, bool *found, struct err *e);
    void *ctx;
};

/* ERR_NOT_FOUND names the secret that is missing; ERR_LIMIT past INTERPOLATE_BYTES_MAX. */
bool interpolate_text(struct arena *mem, const struct interpolation *in, str text, str *out,
                      struct err *e) MUST_CHECK;
/* The same for every text in v, however deep, as JSON. Names of fields stay as they are. */
bool interpolate_json(struct arena *mem, const struct interpolation *in, struct json v, str *out,
                      struct err *e) MUST_CHECK;
/* Has an expression whose path begins with this root: "secrets". Empty: any expression. */
bool interpolate_has(str text, str root);
/* Could be taken for the beginning or the end of an expression. */
bool interpolate_marks(str text);
/* A name that an expression can hold as one part of its path: ^[A-Za-z0-9_][A-Za-z0-9_-]*$, at most
 * 64 bytes, and none of those that never resolve (__proto__, constructor, prototype). */
bool interpolate_name_ok(str name);

#endif
