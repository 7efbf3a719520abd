/*
 * Two versions of a comment with a NUL between them: few orders come out, each of a shape that the
 * engine may rely on, and what did not change orders nothing.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct orders *o, bool tick)
{
    assert(o->count <= ORDERS_MAX);
    for (size_t i = 0; i < o->count; i++) {
        const struct order *x = &o->at[i];
        assert(x->kind < ORDER_KIND_COUNT);
        assert(!tick || order_rule(x->kind)->tick);
        assert(tick || x->batch.len == 0);
        assert(x->batch.len <= ORDER_BATCH_BYTES_MAX);
        assert(x->stack.len <= ORDER_ARGUMENT_BYTES_MAX);
        assert((x->stack.len > 0) == (x->component.len > 0));
        assert(x->kind != ORDER_UNLOCK || x->key.len > 0);
        for (size_t k = 0; k < i; k++)
            assert(!order_eq(&o->at[k], x));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct orders o;
    str after, before = str_cut((str){ (const char *)data, n }, '\0', &after);
    orders_of_tick(before, after, &o);
    check(&o, true);
    orders_of_text(before, after, &o);
    check(&o, false);
    orders_of_tick(after, after, &o);
    assert(o.count == 0);
    orders_of_text(after, after, &o);
    assert(o.count == 0);
    return 0;
}
