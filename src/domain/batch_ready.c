/* The ready heap: longest expected path first. */
#include <assert.h>

#include "domain/batch_core.h"

/* Ties go to the lowest index, so that the same batch always goes in the same order. */
static bool goes_before(const struct batch *b, uint32_t i, uint32_t k)
{
    int64_t a = b->node[i].tail_ms, c = b->node[k].tail_ms;
    return a != c ? a > c : i < k;
}

static void put_at(struct batch *b, uint32_t at, uint32_t i)
{
    b->ready[at] = i;
    b->node[i].heap_at = at + 1;
}

static void rise(struct batch *b, uint32_t at, uint32_t i)
{
    while (at > 0 && goes_before(b, i, b->ready[(at - 1) / 2])) {
        put_at(b, at, b->ready[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put_at(b, at, i);
}

static void sink(struct batch *b, uint32_t at, uint32_t i)
{
    for (;;) {
        uint32_t kid = 2 * at + 1;
        if (kid >= b->ready_count)
            break;
        if (kid + 1 < b->ready_count && goes_before(b, b->ready[kid + 1], b->ready[kid]))
            kid++;
        if (!goes_before(b, b->ready[kid], i))
            break;
        put_at(b, at, b->ready[kid]);
        at = kid;
    }
    put_at(b, at, i);
}

void ready_add(struct batch *b, uint32_t i)
{
    assert(b->node[i].heap_at == 0);
    assert(b->ready_count < b->count);
    rise(b, b->ready_count++, i);
}

void ready_remove(struct batch *b, uint32_t i)
{
    assert(b->node[i].heap_at > 0);
    uint32_t at = b->node[i].heap_at - 1, last = b->ready[--b->ready_count];

    assert(b->ready[at] == i || last == i);
    b->node[i].heap_at = 0;
    if (last == i)
        return;
    if (at > 0 && goes_before(b, last, b->ready[(at - 1) / 2]))
        rise(b, at, last);
    else
        sink(b, at, last);
}

/* Places in the ready heap whose parents were looked at: a small heap over the large one, so that
 * the best few are found without disturbing it. */
struct front { const struct batch *b; uint32_t *at, count; };

static bool front_before(const struct front *f, uint32_t x, uint32_t y)
{
    return goes_before(f->b, f->b->ready[f->at[x]], f->b->ready[f->at[y]]);
}

static void front_swap(struct front *f, uint32_t x, uint32_t y)
{
    uint32_t keep = f->at[x];
    f->at[x] = f->at[y];
    f->at[y] = keep;
}

static void front_add(struct front *f, uint32_t place)
{
    if (place >= f->b->ready_count)
        return;
    uint32_t x = f->count++;
    f->at[x] = place;
    for (; x > 0 && front_before(f, x, (x - 1) / 2); x = (x - 1) / 2)
        front_swap(f, x, (x - 1) / 2);
}

static uint32_t front_pop(struct front *f)
{
    uint32_t best = f->at[0], x = 0;

    f->at[0] = f->at[--f->count];
    for (;;) {
        uint32_t kid = 2 * x + 1;
        if (kid + 1 < f->count && front_before(f, kid + 1, kid))
            kid++;
        if (kid >= f->count || !front_before(f, kid, x))
            return best;
        front_swap(f, x, kid);
        x = kid;
    }
}

uint32_t batch_next(const struct batch *b, uint32_t max, int64_t now_ms, uint32_t *nodes,
                    int64_t *wake_ms)
{
    uint32_t     found = 0;
    struct front f = { .b = b, .at = b->queue };    /* idle between turns, one place a node */

    assert(b->queue_count == 0);
    *wake_ms = 0;
    if (b->state != BATCH_RUNNING)
        return 0;
    front_add(&f, 0);
    while (f.count > 0 && found < max) {
        uint32_t                 place = front_pop(&f);
        const struct batch_node *n = &b->node[b->ready[place]];
        if (n->not_before_ms <= now_ms)
            nodes[found++] = b->ready[place];
        else if (*wake_ms == 0 || n->not_before_ms < *wake_ms)
            *wake_ms = n->not_before_ms;
        front_add(&f, 2 * place + 1);
        front_add(&f, 2 * place + 2);
    }
    return found;
}
