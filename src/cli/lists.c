/* Lists of the API: page after page, as a table or as JSON. */
#include "cli/inside.h"

#include "base/buf.h"

enum { PAGE_MAX = 500, LIMIT_DEFAULT = 50, LIST_BYTES_MAX = 64 << 20 };

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool walk_page(struct cli *c, str path, int64_t limit, bool (*each)(void *, struct json),
                      void *ctx, struct page *p, bool *stopped)
{
    struct buf b;
    struct reply r;
    struct json item;
    str key;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    buf_add(&b, path);
    query_add(
        &b, "limit",
        arena_print(c->mem, "%lld",
                    (long long)(limit ? at_most(limit - (int64_t)p->seen, PAGE_MAX) : PAGE_MAX)));
    query_add(&b, "cursor", p->next);
    if (!get_data(c, buf_str(&b), &r))
        return false;
    struct json_iter it = json_iter(json_get(r.data, STR("items")));
    size_t before = p->seen;
    while (!*stopped && json_next(&it, c->mem, &key, &item)) {
        p->seen++;
        *stopped = !each(ctx, item);
    }
    str next = json_str(json_get(r.data, STR("nextCursor")), c->mem);
    if (str_eq(next, p->next) ||
        p->seen == before) /* a server that turns in circles does not turn us */
        next = STR_NONE;
    p->next = next;
    return true;
}

bool list_walk(struct cli *c, str path, int64_t limit, bool (*each)(void *ctx, struct json item),
               void *ctx, struct page *end)
{
    bool stopped = false;
    *end = (struct page){.next = STR_NONE};
    do {
        if (!walk_page(c, path, limit, each, ctx, end, &stopped))
            return false;
    } while (!stopped && end->next.len && (!limit || (int64_t)end->seen < limit));
    return true;
}

struct gathered {
    struct table *table;
    struct json_out *json;
};

static bool gather(void *ctx, struct json item)
{
    struct gathered *g = ctx;
    if (g->json)
        json_put_raw(g->json, json_raw(item));
    else
        table_add(g->table, item);
    return true;
}

static str list_path(struct cli *c, const struct list *l)
{
    struct buf b;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    buf_add(&b, l->path);
    for (const char *const *f = l->filters; f && f[0]; f += 2)
        query_add(&b, f[1], opt_text(c, f[0]));
    return buf_str(&b);
}

static void show_json_list(struct cli *c, struct buf *b, struct json_out *w, const struct page *p)
{
    json_end_array(w);
    json_field_str(w, STR("nextCursor"), p->next.len ? p->next : STR_NONE);
    json_end_object(w);
    json_show(c, buf_str(b));
}

int list_show(struct cli *c, const struct list *l)
{
    int64_t limit = LIMIT_DEFAULT;
    struct page p;
    struct buf b;
    struct json_out w;
    struct gathered g = {.table = table_new(c, l->columns, l->column_count),
                         .json = c->json ? &w : NULL};
    if (!opt_i64(c, "limit", 1, 1000000, &limit))
        return usage(c, "%s", c->err.text);
    if (opt_given(c, "all"))
        limit = 0;
    buf_init(&b, c->mem, LIST_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("items"));
    json_begin_array(&w);
    if (!list_walk(c, list_path(c, l), limit, gather, &g, &p))
        return report(c);
    if (!buf_ok(&b)) {
        (void)fail(&c->err, ERR_LIMIT, "the list is larger than %d MiB: ask for less with --limit",
                   LIST_BYTES_MAX >> 20);
        return report(c);
    }
    if (c->json) {
        show_json_list(c, &b, &w, &p);
        return 0;
    }
    if (p.seen)
        table_show(g.table);
    else
        say(c, "%s\n", l->nothing);
    if (p.next.len && !opt_given(c, "limit"))
        say(c, "These are the first %zu; there are more: --limit %zu, or --all\n", p.seen,
            p.seen * 4);
    return 0;
}
