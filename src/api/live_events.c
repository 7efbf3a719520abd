#include "api/live.h"

enum { EVENT_BYTES_MAX = 8 << 20 };

str live_event(struct live *l, struct arena *mem, uint64_t id, const char *name, str data)
{
    struct buf b;
    buf_init(&b, mem, EVENT_BYTES_MAX);
    if (id)
        buf_print(&b, "id: %s-%llu\n", l->boot, (unsigned long long)id);
    buf_print(&b, "event: %s\ndata: ", name);
    buf_add(&b, data);
    buf_add(&b, STR("\n\n"));
    return buf_str(&b);
}

bool live_id_read(const char *boot, str text, uint64_t *seq)
{
    int64_t n;
    str rest;
    if (!str_eq(str_cut(text, '-', &rest), str_of(boot)) || !str_to_i64(rest, 0, INT64_MAX, &n))
        return false;
    *seq = (uint64_t)n;
    return true;
}

str live_changed(struct arena *mem, unsigned kinds, const struct live_where *w)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, mem, EVENT_BYTES_MAX);
    json_out_init(&o, &b);
    json_begin_object(&o);
    json_key(&o, STR("kinds"));
    json_begin_array(&o);
    for (unsigned k = 0; k < NEWS_KIND_COUNT; k++)
        if (kinds >> k & 1)
            json_put_str(&o, str_of(news_kind_name((enum news_kind)k)));
    json_end_array(&o);
    json_key(&o, STR("batches"));
    json_begin_array(&o);
    for (size_t i = 0; i < w->batches; i++)
        json_put_str(&o, w->batch[i]);
    json_end_array(&o);
    json_key(&o, STR("repositories"));
    json_begin_array(&o);
    for (size_t i = 0; i < w->repositories; i++)
        json_put_i64(&o, w->repository[i]);
    json_end_array(&o);
    json_end_object(&o);
    return buf_str(&b);
}

static void put_text_or_null(struct json_out *o, str s)
{
    if (s.len)
        json_put_str(o, s);
    else
        json_put_null(o);
}

static void put_i64_or_null(struct json_out *o, int64_t n)
{
    if (n)
        json_put_i64(o, n);
    else
        json_put_null(o);
}

static void put_node(struct json_out *o, const struct live_node *n)
{
    json_begin_array(o);
    json_put_i64(o, n->position);
    json_put_str(o, n->state);
    put_text_or_null(o, n->reason);
    put_text_or_null(o, n->run_id);
    json_put_i64(o, n->attempt);
    put_i64_or_null(o, n->started_ms);
    put_i64_or_null(o, n->ended_ms);
    json_end_array(o);
}

static void put_head(struct json_out *o, const struct watched *w, const struct live_batch *b)
{
    json_field_str(o, STR("batchId"), str_of(w->id));
    json_field_str(o, STR("state"), b->state);
    json_key(o, STR("counts"));
    json_begin_object(o);
    for (int k = 0; k < NODE_STATE_COUNT; k++)
        if (b->counts[k])
            json_field_i64(o, str_of(node_state_name((enum node_state)k)), b->counts[k]);
    json_end_object(o);
    json_key(o, STR("hold"));
    put_text_or_null(o, b->hold);
}

static uint64_t mix(uint64_t h, uint64_t n)
{
    return (h ^ n) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Never 0, which is "nothing was told". */
static uint64_t node_hash(const struct live_node *n)
{
    uint64_t h = mix(str_hash(n->state), str_hash(n->reason));
    h = mix(mix(h, str_hash(n->run_id)), (uint64_t)n->attempt);
    return mix(mix(h, (uint64_t)n->started_ms), (uint64_t)n->ended_ms) | 1;
}

static uint64_t head_hash(const struct live_batch *b)
{
    uint64_t h = mix(str_hash(b->state), str_hash(b->hold));
    for (int k = 0; k < NODE_STATE_COUNT; k++)
        h = mix(h, (uint64_t)b->counts[k]);
    return h | 1;
}

str live_batch(struct arena *mem, struct watched *w, const struct live_batch *b, bool all)
{
    struct buf buf;
    struct json_out o;
    uint64_t head = head_hash(b);
    bool news = head != w->told_head;
    buf_init(&buf, mem, EVENT_BYTES_MAX);
    json_out_init(&o, &buf);
    json_begin_object(&o);
    put_head(&o, w, b);
    json_key(&o, STR("nodes"));
    json_begin_array(&o);
    for (size_t i = 0; i < b->count; i++) {
        size_t at = (size_t)b->node[i].position;
        if (at >= w->nodes)
            continue;
        uint64_t hash = node_hash(&b->node[i]);
        bool new = hash != w->told[at];
        if (new || all)
            put_node(&o, &b->node[i]);
        if (!all)
            w->told[at] = hash;
        news |= new;
    }
    json_end_array(&o);
    json_end_object(&o);
    if (!all)
        w->told_head = head;
    return news || all ? buf_str(&buf) : STR_NONE;
}
