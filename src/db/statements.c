#include "db/statements.h"

#include <assert.h>
#include <string.h>

static uint16_t *bucket_of(struct statements *s, const char *sql)
{
    uint64_t h = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);

    return &s->bucket[h >> 54];
}

void *statements_find(struct statements *s, const char *sql)
{
    for (uint16_t i = *bucket_of(s, sql); i; i = s->slot[i - 1].next) {
        struct statement_slot *slot = &s->slot[i - 1];

        if (slot->sql == sql) {
            slot->used = ++s->clock;
            return slot->prepared;
        }
    }
    return NULL;
}

static void unlink_slot(struct statements *s, uint16_t index)
{
    uint16_t *at = bucket_of(s, s->slot[index - 1].sql);

    while (*at != index)
        at = &s->slot[*at - 1].next;
    *at = s->slot[index - 1].next;
}

static void link_slot(struct statements *s, uint16_t index)
{
    uint16_t *head = bucket_of(s, s->slot[index - 1].sql);

    s->slot[index - 1].next = *head;
    *head = index;
}

static uint16_t oldest(const struct statements *s)
{
    size_t best = 0;

    for (size_t i = 1; i < s->count; i++)
        if (s->slot[i].used < s->slot[best].used)
            best = i;
    return (uint16_t)(best + 1);
}

/* Slots stay dense: the last one moves into the hole. */
static void *take_at(struct statements *s, uint16_t index)
{
    void *prepared = s->slot[index - 1].prepared;
    uint16_t last = (uint16_t)s->count;

    unlink_slot(s, index);
    if (index != last) {
        unlink_slot(s, last);
        s->slot[index - 1] = s->slot[last - 1];
        link_slot(s, index);
    }
    s->count--;
    return prepared;
}

void *statements_add(struct statements *s, const char *sql, void *prepared)
{
    void *gone = NULL;

    assert(!statements_find(s, sql));
    if (s->count == STATEMENTS_MAX)
        gone = take_at(s, oldest(s));
    s->slot[s->count] =
        (struct statement_slot){ .sql = sql, .prepared = prepared, .used = ++s->clock };
    link_slot(s, (uint16_t)++s->count);
    return gone;
}

void *statements_take(struct statements *s, const char *sql)
{
    if (!sql)
        return s->count ? take_at(s, (uint16_t)s->count) : NULL;
    for (uint16_t i = *bucket_of(s, sql); i; i = s->slot[i - 1].next)
        if (s->slot[i - 1].sql == sql)
            return take_at(s, i);
    return NULL;
}
