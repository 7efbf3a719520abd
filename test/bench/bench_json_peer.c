#include "bench_json_peer.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"

uint64_t peer_round(const char *text, size_t n, int64_t *parse_us, int64_t *use_us,
                    int64_t *free_us)
{
    uint64_t sum = 0;
    size_t i;
    json_t *one;
    json_error_t why;
    int64_t at = clock_mono_us();
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (!v)
        abort();
    *parse_us = clock_mono_us() - at;
    at = clock_mono_us();
    json_array_foreach(json_object_get(v, "stacks"), i, one) {
        json_t *pro = json_object_get(json_object_get(one, "settings"), "pro");
        sum += json_string_length(json_object_get(one, "component")) +
               json_string_length(json_object_get(one, "stack")) +
               (uint64_t)json_integer_value(json_object_get(pro, "timeout")) +
               json_array_size(json_object_get(one, "dependents"));
    }
    *use_us = clock_mono_us() - at;
    at = clock_mono_us();
    json_decref(v);
    *free_us = clock_mono_us() - at;
    return sum;
}
