/*
 * oracle: jansson's reading of a text. In a file of its own, because its names and ours collide.
 */
#ifndef SIGNALBOX_TEST_UNIT_BASE_ORACLE_H
#define SIGNALBOX_TEST_UNIT_BASE_ORACLE_H
#include <stddef.h>

enum verdict { ORACLE_REFUSES, ORACLE_ACCEPTS, ORACLE_CANNOT_SAY };

/* *dump: every value in order, with its kind and decoded bytes; free it. CANNOT_SAY: numbers that
 * jansson cannot hold. */
enum verdict oracle_read(const char *text, size_t n, char **dump, size_t *dump_len);

#endif
