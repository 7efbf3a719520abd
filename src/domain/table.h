/*
 * table: a small hash table from keys to indexes, for use inside one function's arena. Keys stay
 * with the caller:
 *
 *     for (uint32_t i = table_first(t, hash, &at); i != TABLE_END; i = table_next(t, hash, &at))
 *         if (str_eq(key[i], k)) return i;
 *     table_put(t, hash);                       it gets the next index: 0, 1, 2 …
 *
 * The seed comes from where the arena lies. It keeps an uploader from choosing keys that collide,
 * and it never shows in a result, because indexes are given by the order of arrival.
 */
#ifndef SIGNALBOX_DOMAIN_TABLE_H
#define SIGNALBOX_DOMAIN_TABLE_H
#include "base/arena.h"

struct table {
    struct arena *mem;
    uint64_t      seed;
    uint32_t     *slot;             /* index + 1; 0 is free */
    uint64_t     *hash;             /* by index */
    uint32_t      slots, count, cap;
};
#define TABLE_END UINT32_MAX

void table_init(struct table *t, struct arena *mem);
uint64_t table_hash(const struct table *t, str key);
uint64_t table_mix(const struct table *t, uint64_t a, uint64_t b);
uint32_t table_first(const struct table *t, uint64_t hash, uint32_t *at);
uint32_t table_next(const struct table *t, uint64_t hash, uint32_t *at);
void table_put(struct table *t, uint64_t hash);      /* for index t->count */

#endif
