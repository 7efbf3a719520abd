/*
 * embedded: files that are built into the program (tools/embed.c writes the tables).
 */
#ifndef SIGNALBOX_BASE_EMBEDDED_H
#define SIGNALBOX_BASE_EMBEDDED_H
#include <stddef.h>

/* Sorted by name, bytewise. `bytes` has a NUL after its last byte that is not counted. */
struct embedded {
    const char *name;
    const char *bytes;
    size_t      len;
};

#endif
