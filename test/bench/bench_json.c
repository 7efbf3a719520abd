/*
 * bench_json: our reader beside jansson on the document it is made for, an affected-stacks upload
 * of ten thousand entries (about 3.9 MB). Prints medians and the ratio. Not a test: it fails only
 * when the two readers disagree.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "bench_json_peer.h"

enum { ENTRIES = 10000, ROUNDS = 15 };

static uint64_t seed = 88172645463325252u;
static uint64_t rnd(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void entry(struct json_out *w, struct arena *mem, unsigned i)
{
    json_begin_object(w);
    json_field_str(w, STR("component"), arena_print(mem, "component-%u", i % 400));
    json_field_str(w, STR("component_type"), STR("terraform"));
    json_field_str(w, STR("component_path"),
                   arena_print(mem, "components/terraform/component-%u", i % 400));
    json_field_str(w, STR("stack"), arena_print(mem, "acme-ue%u-prod-%u", i % 3, i / 400));
    json_field_str(w, STR("stack_slug"),
                   arena_print(mem, "acme-ue%u-prod-%u-component-%u", i % 3, i / 400, i % 400));
    json_field_str(w, STR("affected"), STR("stack.vars"));
    json_field_bool(w, STR("included_in_dependents"), i % 7 == 0);
    json_key(w, STR("settings"));
    json_begin_object(w);
    json_key(w, STR("pro"));
    json_begin_object(w);
    json_field_bool(w, STR("enabled"), true);
    json_field_i64(w, STR("timeout"), (int64_t)rnd(100000));
    json_end_object(w);
    json_end_object(w);
    json_key(w, STR("dependents"));
    json_begin_array(w);
    for (uint64_t n = 1 + rnd(3), k = 0; k < n; k++)
        json_put_str(w, arena_print(mem, "acme-prod-%u-dep-%u", (unsigned)rnd(100), (unsigned)k));
    json_end_array(w);
    json_end_object(w);
}

static str document(struct arena *mem)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 64 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("head_sha"), STR("0123456789abcdef0123456789abcdef01234567"));
    json_key(&w, STR("stacks"));
    json_begin_array(&w);
    for (unsigned i = 0; i < ENTRIES; i++)
        entry(&w, mem, i);
    json_end_array(&w);
    json_end_object(&w);
    return buf_str(&b);
}

/* Touches what a request touches: three strings and a number of each entry. */
static uint64_t sum_of(struct json v, struct arena *mem)
{
    uint64_t sum = 0;
    struct json one;
    for (struct json_iter it = json_iter(json_get(v, STR("stacks")));
         json_next(&it, mem, NULL, &one);)
        sum += json_str(json_get(one, STR("component")), mem).len +
               json_str(json_get(one, STR("stack")), mem).len +
               (uint64_t)json_i64_or(json_path(one, "settings.pro.timeout"), 0) +
               json_count(json_get(one, STR("dependents")));
    return sum;
}

static int by_size(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static int64_t median(int64_t *us)
{
    qsort(us, ROUNDS, sizeof *us, by_size);
    return us[ROUNDS / 2] ? us[ROUNDS / 2] : 1;
}

int main(void)
{
    struct arena *mem = arena_new(256 << 20, 512 << 20), *work = arena_new(256 << 20, 512 << 20);
    str text = document(mem);
    int64_t parse[ROUNDS], use[ROUNDS], peer_parse[ROUNDS], peer_use[ROUNDS], peer_free[ROUNDS];
    size_t heap = 0;
    for (int i = 0; i < ROUNDS;
         i++) { /* interleaved: a shared machine changes speed between runs */
        struct err e = { .code = ERR_NONE };
        struct json v;
        arena_reset(work);
        int64_t at = clock_mono_us();
        if (!json_parse(work, text, 0, &v, &e)) {
            fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        parse[i] = clock_mono_us() - at;
        heap = arena_used(work);
        at = clock_mono_us();
        uint64_t ours = sum_of(v, work);
        use[i] = clock_mono_us() - at;
        uint64_t theirs =
            peer_round(text.ptr, text.len, &peer_parse[i], &peer_use[i], &peer_free[i]);
        if (ours != theirs) {
            fprintf(stderr, "the sums differ: %llu and %llu\n", (unsigned long long)ours,
                    (unsigned long long)theirs);
            return 1;
        }
    }
    double mb = (double)text.len / 1e6;
    int64_t p = median(parse), u = median(use), pp = median(peer_parse), pu = median(peer_use),
            pf = median(peer_free);
    printf("document %.2f MB, %d entries, medians of %d\n", mb, ENTRIES, ROUNDS);
    printf("ours    parse %7.2f ms  %5.0f MB/s  access %5.2f ms  free  0.00 ms  memory %.2fx\n",
           (double)p / 1e3, mb * 1e6 / (double)p, (double)u / 1e3, (double)heap / (double)text.len);
    printf("jansson parse %7.2f ms  %5.0f MB/s  access %5.2f ms  free %5.2f ms\n", (double)pp / 1e3,
           mb * 1e6 / (double)pp, (double)pu / 1e3, (double)pf / 1e3);
    printf("ratio   parse %.1f, all %.1f\n", (double)pp / (double)p,
           (double)(pp + pu + pf) / (double)(p + u));
    arena_free(work);
    arena_free(mem);
    return 0;
}
