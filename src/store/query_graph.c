/* A batch drawn whole: nodes in short, edges, levels, and the path that takes longest. */
#include "base/pack.h"
#include "domain/command.h"
#include "domain/settings.h"
#include "store/query_inside.h"

enum { EDGES_BYTES_MAX = BATCH_EDGES_MAX * 8, LEFT_LEAST_MS = 1000 };

/* ---- reading --------------------------------------------------------------------------------- */

static bool edges_read(struct arena *mem, str packed, struct drawn *d, struct err *e)
{
    str plain;
    if (!unpack(mem, packed, EDGES_BYTES_MAX, &plain, e))
        return false;
    struct batch_edge *edge = arena_make(mem, struct batch_edge, plain.len / 8 + 1);
    d->edge = edge;
    d->edge_count = plain.len / 8;
    for (size_t i = 0; i < d->edge_count; i++) {
        const uint8_t *b = (const uint8_t *)plain.ptr + i * 8;
        edge[i].parent =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        edge[i].child =
            (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
        if (edge[i].parent >= d->count || edge[i].child >= d->count)
            return fail(e, ERR_INTERNAL, "an edge names a node that the batch does not have");
    }
    return true;
}

/* Of present attempts alone: news of an earlier one is told where a node is shown whole. */
static bool took_read(struct db *db, struct arena *mem, struct drawn *d, struct err *e)
{
    struct db_rows r;
    d->took = arena_make(mem, struct node_took, d->count + 1);
    if (!db_query(db, mem, e, &r,
                  "select position, attempt, id, url, reported, counts, started_ms, ended_ms from "
                  "run where batch_seq = $1",
                  ARGS(A(d->seq))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        int64_t at = row_i64(&r, i, 0);
        if (at < 0 || at >= (int64_t)d->count || row_i64(&r, i, 1) != d->node[at].attempt)
            continue;
        d->took[at] = (struct node_took){ .run_id = row_str(&r, i, 2),
                                          .url = row_str(&r, i, 3),
                                          .reported = row_str(&r, i, 4),
                                          .counts = row_str(&r, i, 5),
                                          .started_ms = row_i64(&r, i, 6),
                                          .ended_ms = row_i64(&r, i, 7) };
    }
    return true;
}

/* What its run took; before it ended, what it is expected to take. */
static int64_t duration_ms(const struct drawn *d, size_t i)
{
    const struct node_took *t = &d->took[i];
    bool ended = node_is_final(d->node[i].state) && t->started_ms && t->ended_ms;
    return ended ? t->ended_ms - t->started_ms : d->node[i].expected_ms;
}

static struct batch *weigh(struct arena *mem, const struct drawn *d,
                           int64_t (*weight)(const struct drawn *d, size_t i, int64_t now_ms),
                           int64_t now_ms)
{
    struct batch_node *n = arena_make(mem, struct batch_node, d->count + 1);
    for (size_t i = 0; i < d->count; i++)
        n[i] = (struct batch_node){ .state = d->node[i].state,
                                    .expected_ms = weight(d, i, now_ms) };
    return batch_load(mem, n, (uint32_t)d->count, d->edge, d->edge_count, false, BATCH_RUNNING,
                      false, false);
}

static int64_t weight_whole(const struct drawn *d, size_t i, int64_t now_ms)
{
    (void)now_ms;
    /* What is never run takes no time: no path is longer for it. */
    return d->node[i].state == NODE_INERT ? 0 : duration_ms(d, i);
}

static int64_t weight_left(const struct drawn *d, size_t i, int64_t now_ms)
{
    int64_t began_ms = d->took[i].started_ms, all_ms = d->node[i].expected_ms;
    int64_t left_ms = node_is_live(d->node[i].state) && began_ms && now_ms > began_ms
                          ? all_ms - (now_ms - began_ms)
                          : all_ms;
    return left_ms > LEFT_LEAST_MS ? left_ms : LEFT_LEAST_MS;
}

bool drawn_read(struct db *db, struct arena *mem, const struct query *q, str id, struct drawn *out,
                bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.seq, b.repository_id, b.id, r.owner, r.name, b.state, b.event, "
                  "b.activity, r.settings, b.edges from batch b join repository r on r.id = "
                  "b.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and b.id = "
                  "$3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    *out = (struct drawn){ .seq = row_i64(&r, 0, 0),      .repository_id = row_i64(&r, 0, 1),
                           .id = row_str(&r, 0, 2),       .owner = row_str(&r, 0, 3),
                           .name = row_str(&r, 0, 4),     .state = row_str(&r, 0, 5),
                           .event = row_str(&r, 0, 6),    .activity = row_str(&r, 0, 7),
                           .settings = row_str(&r, 0, 8) };
    out->repository =
        arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(out->owner), FMT_STR(out->name));
    if (!nodes_of(db, mem, out->seq, &out->node, &out->count, e) ||
        !took_read(db, mem, out, e) || !edges_read(mem, row_str(&r, 0, 9), out, e))
        return false;
    out->b = weigh(mem, out, weight_whole, 0);
    return true;
}

int64_t drawn_expected_end_ms(struct arena *mem, const struct drawn *d, int64_t now_ms)
{
    struct repo_settings settings;
    struct json changes;
    struct err ignored = { 0 };
    if (!str_eq(d->state, STR("running")) ||
        (batch_live(d->b) == 0 && d->b->by_state[NODE_READY] == 0))
        return 0;
    settings_default(&settings);
    if (json_parse(mem, d->settings.len ? d->settings : STR("{}"), 0, &changes, &ignored))
        (void)!settings_merge(mem, changes, &settings, &ignored);
    return now_ms + batch_forecast_ms(weigh(mem, d, weight_left, now_ms),
                                      (uint32_t)settings.dispatch_concurrency);
}

enum command query_command(str name)
{
    for (int c = COMMAND_UNKNOWN; c <= COMMAND_REMEDIATE; c++)
        if (str_eq(name, str_of(command_name((enum command)c))))
            return (enum command)c;
    return COMMAND_UNKNOWN;
}

str drawn_command(const struct drawn *d, size_t node)
{
    struct trigger t = { .event = d->event, .activity = d->activity };
    return str_of(command_name(command_badge(t, query_command(d->node[node].guess),
                                             command_read(d->took[node].reported))));
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_known(struct json_out *w, const char *key, str s)
{
    if (s.len)
        json_field_str(w, str_of(key), s);
}

static void put_node(struct arena *mem, struct json_out *w, const struct drawn *d, size_t i)
{
    const struct node_row *n = &d->node[i];
    const struct node_took *t = &d->took[i];
    json_begin_object(w);
    json_field_i64(w, STR("position"), (int64_t)i);
    json_field_str(w, STR("stack"), n->stack);
    json_field_str(w, STR("component"), n->component);
    json_field_str(w, STR("workflow"), n->workflow);
    json_field_str(w, STR("state"), str_of(node_state_name(n->state)));
    json_field_str(w, STR("class"), n->run_class == RUN_PLAN ? STR("plan") : STR("apply"));
    json_field_str(w, STR("command"), drawn_command(d, i));
    json_field_i64(w, STR("level"), n->level);
    json_field_i64(w, STR("durationMs"), duration_ms(d, i));
    json_field_i64(w, STR("attempt"), n->attempt);
    put_known(w, "reason", node_reason(mem, n->state, n->inert, n->gate, n->error_text));
    put_known(w, "runId", n->run_id);
    put_known(w, "runUrl", t->url);
    if (t->started_ms)
        json_field_i64(w, STR("startedMs"), t->started_ms);
    if (t->ended_ms)
        json_field_i64(w, STR("endedMs"), t->ended_ms);
    if (t->counts.len)
        json_field_raw(w, STR("counts"), t->counts);
    json_end_object(w);
}

static void put_edges(struct json_out *w, const struct drawn *d)
{
    json_key(w, STR("edges"));
    json_begin_array(w);
    for (size_t i = 0; i < d->edge_count; i++) {
        json_begin_array(w);
        json_put_i64(w, d->edge[i].parent);
        json_put_i64(w, d->edge[i].child);
        json_end_array(w);
    }
    json_end_array(w);
}

static void put_critical(struct arena *mem, struct json_out *w, const struct drawn *d)
{
    uint32_t *path = arena_make(mem, uint32_t, d->count + 1);
    uint32_t n = batch_longest(d->b, path);
    json_key(w, STR("critical"));
    json_begin_array(w);
    for (uint32_t i = 0; i < n; i++)
        json_put_i64(w, path[i]);
    json_end_array(w);
}

bool query_graph(struct db *db, struct arena *mem, const struct query *q, str id,
                 struct json_out *w, bool *found, struct err *e)
{
    struct drawn d;
    int64_t levels = 0;
    if (!drawn_read(db, mem, q, id, &d, found, e) || !*found)
        return e->code == ERR_NONE;
    for (size_t i = 0; i < d.count; i++)
        levels = d.node[i].level >= levels ? d.node[i].level + 1 : levels;
    json_begin_object(w);
    json_field_str(w, STR("batchId"), d.id);
    json_field_str(w, STR("state"), d.state);
    json_field_i64(w, STR("levels"), levels);
    json_field_time(w, STR("expectedEndAt"), drawn_expected_end_ms(mem, &d, q->now_ms));
    json_key(w, STR("nodes"));
    json_begin_array(w);
    for (size_t i = 0; i < d.count; i++)
        put_node(mem, w, &d, i);
    json_end_array(w);
    put_edges(w, &d);
    put_critical(mem, w, &d);
    json_end_object(w);
    return true;
}
