#include "domain/table.h"

enum { FIRST_SLOTS = 64 };

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

void table_init(struct table *t, struct arena *mem)
{
    *t = (struct table){ .mem = mem, .slots = FIRST_SLOTS, .cap = FIRST_SLOTS / 2 };
    t->slot = arena_make(mem, uint32_t, t->slots);
    t->hash = arena_make(mem, uint64_t, t->cap);
    t->seed = fold((uintptr_t)t->slot ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u) | 1;
}

uint64_t table_mix(const struct table *t, uint64_t a, uint64_t b)
{
    return fold(fold(a ^ t->seed, 0x9e3779b97f4a7c15u) ^ b, t->seed ^ 0xa0761d6478bd642fu);
}

uint64_t table_hash(const struct table *t, str key)
{
    uint64_t h = t->seed ^ key.len;
    size_t i = 0;
    for (; key.len - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, key.ptr + i, 8);
        h = fold(h ^ w, 0x9e3779b97f4a7c15u);
    }
    uint64_t w = 0;
    if (i < key.len)
        memcpy(&w, key.ptr + i, key.len - i);
    return fold(h ^ w, t->seed ^ 0xa0761d6478bd642fu);
}

static uint32_t probe(const struct table *t, uint64_t hash, uint32_t *at)
{
    for (;; *at = (*at + 1) & (t->slots - 1)) {
        uint32_t s = t->slot[*at];
        if (s == 0)
            return TABLE_END;
        if (t->hash[s - 1] == hash)
            return s - 1;
    }
}

uint32_t table_first(const struct table *t, uint64_t hash, uint32_t *at)
{
    *at = (uint32_t)(hash >> 32) & (t->slots - 1);
    return probe(t, hash, at);
}

uint32_t table_next(const struct table *t, uint64_t hash, uint32_t *at)
{
    *at = (*at + 1) & (t->slots - 1);
    return probe(t, hash, at);
}

static void place(struct table *t, uint32_t index)
{
    uint32_t at = (uint32_t)(t->hash[index] >> 32) & (t->slots - 1);
    while (t->slot[at])
        at = (at + 1) & (t->slots - 1);
    t->slot[at] = index + 1;
}

void table_put(struct table *t, uint64_t hash)
{
    if (t->count == t->cap) {
        t->hash = arena_grow(t->mem, t->hash, t->cap, (size_t)t->cap * 2, sizeof *t->hash);
        t->cap *= 2;
        t->slots *= 2;
        t->slot = arena_make(t->mem, uint32_t, t->slots);
        for (uint32_t i = 0; i < t->count; i++)
            place(t, i);
    }
    t->hash[t->count] = hash;
    place(t, t->count++);
}
