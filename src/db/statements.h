/*
 * statements: prepared statements of one connection, found again by the address of their SQL.
 * Bounded: the one that was not used for the longest time makes room.
 */
#ifndef SIGNALBOX_DB_STATEMENTS_H
#define SIGNALBOX_DB_STATEMENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATEMENTS_MAX = 512, STATEMENT_BUCKETS = 1024 };

struct statement_slot {
    const char *sql;
    void       *prepared;
    uint64_t    used;
    uint16_t    next;               /* index + 1 in the same bucket; 0: the last */
};

struct statements {
    uint16_t              bucket[STATEMENT_BUCKETS];    /* index + 1; 0: empty */
    struct statement_slot slot[STATEMENTS_MAX];
    size_t                count;
    uint64_t              clock;
};

void *statements_find(struct statements *s, const char *sql);      /* NULL: not prepared yet */
/* Remembers a new one. Returns the one that had to make room, for the caller to free, or NULL. */
void *statements_add(struct statements *s, const char *sql, void *prepared);
/* Takes one out (NULL when unknown); with sql NULL any one, NULL when there are none left. */
void *statements_take(struct statements *s, const char *sql);

#endif
