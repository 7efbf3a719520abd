/*
 * bench_json_peer: the same round with jansson, in a file of its own because its names and ours
 * collide.
 */
#ifndef SIGNALBOX_TEST_BENCH_JSON_PEER_H
#define SIGNALBOX_TEST_BENCH_JSON_PEER_H
#include <stddef.h>
#include <stdint.h>

uint64_t peer_round(const char *text, size_t n, int64_t *parse_us, int64_t *use_us,
                    int64_t *free_us);

#endif
