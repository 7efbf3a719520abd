/*
 * id: names of rows that leave the house: a prefix and 28 characters of [0-9a-z] (atmos-pro.md
 * §1.2), the first ten of which rise with time so that indexes stay compact; the other eighteen are
 * random (93 bits).
 */
#ifndef SIGNALBOX_BASE_ID_H
#define SIGNALBOX_BASE_ID_H
#include "base/arena.h"

str id_new(struct arena *mem, const char *prefix, int64_t now_ms);     /* "run_" + 28 */
/* Not above any id of that moment or later, above all of moments before. */
str id_least(struct arena *mem, const char *prefix, int64_t now_ms);
bool id_valid(str id, const char *prefix);

#endif
