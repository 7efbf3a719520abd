/*
 * Deadlines in slots of 100 ms. A later deadline leaves the connection where it stands; it is moved
 * when its slot comes up. So a busy keep-alive connection, whose deadline only ever moves away,
 * costs nothing per request.
 */
#include "http/inside.h"

#include <assert.h>

static int64_t tick_of(int64_t ms) { return (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS; }

static void insert(struct wheel *w, struct conn *c, int64_t tick)
{
    int slot = (int)(tick % WHEEL_SLOTS);
    c->slot = slot;
    c->timer_prev = NULL;
    c->timer_next = w->slots[slot];
    if (c->timer_next)
        c->timer_next->timer_prev = c;
    w->slots[slot] = c;
    w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    w->count++;
}

void wheel_drop(struct wheel *w, struct conn *c)
{
    if (c->slot < 0)
        return;
    if (c->timer_prev)
        c->timer_prev->timer_next = c->timer_next;
    else
        w->slots[c->slot] = c->timer_next;
    if (c->timer_next)
        c->timer_next->timer_prev = c->timer_prev;
    if (!w->slots[c->slot])
        w->used[c->slot / 64] &= ~(UINT64_C(1) << (c->slot % 64));
    c->slot = -1;
    w->count--;
}

/* How far ahead of the wheel's hand a slot lies, 0 … WHEEL_SLOTS - 1. */
static int64_t ahead(const struct wheel *w, int slot)
{
    return (slot - w->tick % WHEEL_SLOTS + WHEEL_SLOTS) % WHEEL_SLOTS;
}

static int64_t place_for(const struct wheel *w, int64_t deadline_ms)
{
    int64_t tick = tick_of(deadline_ms);
    if (tick < w->tick)
        return w->tick;
    return tick > w->tick + WHEEL_SLOTS - 1 ? w->tick + WHEEL_SLOTS - 1 : tick;
}

void wheel_set(struct wheel *w, struct conn *c, int64_t now_ms, int64_t deadline_ms)
{
    /* An empty wheel may be far behind; nothing in it, so its hand can jump. */
    if (!w->count)
        w->tick = now_ms / WHEEL_TICK_MS;
    c->deadline_ms = deadline_ms;
    int64_t tick = place_for(w, deadline_ms);
    if (c->slot >= 0) {
        if (w->tick + ahead(w, c->slot) <= tick)
            return;
        wheel_drop(w, c);
    }
    insert(w, c, tick);
}

struct conn *wheel_due(struct wheel *w, int64_t now_ms)
{
    while (w->count && w->tick <= now_ms / WHEEL_TICK_MS) {
        struct conn *c = w->slots[w->tick % WHEEL_SLOTS];
        if (!c) {
            w->tick++;
            continue;
        }
        wheel_drop(w, c);
        if (c->deadline_ms <= now_ms)
            return c;
        int64_t tick = place_for(w, c->deadline_ms);
        insert(w, c, tick > w->tick ? tick : w->tick + 1);
    }
    return NULL;
}

int wheel_wait_ms(const struct wheel *w, int64_t now_ms)
{
    if (!w->count)
        return -1;
    for (int64_t i = 0; i < WHEEL_SLOTS;) {
        int slot = (int)((w->tick + i) % WHEEL_SLOTS);
        uint64_t rest = w->used[slot / 64] >> (slot % 64);
        if (!rest) {
            i += 64 - slot % 64;
            continue;
        }
        int64_t tick = w->tick + i + __builtin_ctzll(rest);
        int64_t wait = tick * WHEEL_TICK_MS - now_ms;
        return wait < 1 ? 1 : (int)wait;
    }
    assert(false && "the wheel counts connections but has none");
    return WHEEL_TICK_MS;
}
