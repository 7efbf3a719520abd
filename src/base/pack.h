/*
 * pack: bodies at rest, zstd level 1. Small bodies may stay plain; the first byte tells.
 */
#ifndef SIGNALBOX_BASE_PACK_H
#define SIGNALBOX_BASE_PACK_H
#include "base/arena.h"
#include "base/err.h"

str  pack(struct arena *mem, str plain);
/* ERR_INTERNAL when the bytes are damaged; ERR_LIMIT past max bytes of plain text. */
bool unpack(struct arena *mem, str packed, size_t max, str *plain, struct err *e) MUST_CHECK;

#endif
