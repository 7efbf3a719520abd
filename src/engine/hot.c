/*
 * hot: batches in memory. A cache of rows: written through, dropped when in doubt, loaded again
 * from the database.
 */
#include <assert.h>

#include "base/log.h"
#include "base/pack.h"
#include "engine/inside.h"
#include "store/feedback.h"

enum { EDGES_BYTES_MAX = 8 * BATCH_EDGES_MAX };

str edges_pack(struct arena *mem, const struct batch_edge *edge, size_t count)
{
    uint8_t *bytes = arena_take(mem, count + 1, 8);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 4; k++) {
            bytes[i * 8 + (size_t)k] = (uint8_t)(edge[i].parent >> (8 * k));
            bytes[i * 8 + 4 + (size_t)k] = (uint8_t)(edge[i].child >> (8 * k));
        }
    return pack(mem, (str){ (const char *)bytes, count * 8 });
}

static bool edges_unpack(struct arena *mem, str packed, uint32_t nodes, struct batch_edge **out,
                         size_t *count, struct err *e)
{
    str plain;
    if (!unpack(mem, packed, EDGES_BYTES_MAX, &plain, e))
        return false;
    *count = plain.len / 8;
    *out = arena_make(mem, struct batch_edge, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        const uint8_t *b = (const uint8_t *)plain.ptr + i * 8;
        (*out)[i].parent =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        (*out)[i].child =
            (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
        if ((*out)[i].parent >= nodes || (*out)[i].child >= nodes)
            return fail(e, ERR_INTERNAL, "an edge names a node that the batch does not have");
    }
    return true;
}

struct hot *hot_new(struct step *s)
{
    struct arena *mem = arena_new((size_t)512 << 20, (size_t)4 << 30);
    struct hot *h = arena_make(mem, struct hot, 1);
    h->mem = mem;
    h->next = s->lane->hot;
    s->lane->hot = h;
    return h;
}

void hot_drop_all(struct lane *l)
{
    for (struct hot *h = l->hot, *next; h; h = next) {
        next = h->next;
        arena_free(h->mem);
    }
    l->hot = NULL;
}

void hot_trim(struct lane *l)
{
    size_t count = 0;
    for (struct hot *h = l->hot; h; h = h->next)
        count++;
    for (struct hot **at = &l->hot; *at && count >= HOT_BATCHES_MAX;) {
        struct hot *h = *at;
        if (h->b->state != BATCH_ENDED) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        arena_free(h->mem);
        count--;
    }
}

static enum batch_state batch_state_of(str name)
{
    for (int i = BATCH_PREPARING; i <= BATCH_ENDED; i++)
        if (str_eq(name, str_of(batch_state_name((enum batch_state)i))))
            return (enum batch_state)i;
    return BATCH_ENDED;
}

static void distinct_files(struct hot *h)
{
    h->file = arena_make(h->mem, str, h->count + 1);
    for (uint32_t i = 0; i < h->count; i++) {
        bool known = h->node[i].workflow.len == 0;
        for (uint32_t f = 0; f < h->file_count && !known; f++)
            known = str_eq(h->file[f], h->node[i].workflow);
        if (!known)
            h->file[h->file_count++] = h->node[i].workflow;
    }
    h->workflow = arena_make(h->mem, struct workflow, h->file_count + 1);
    h->file_error = arena_make(h->mem, enum dispatch_error, h->file_count + 1);
}

static bool hot_load(struct step *s, int64_t seq, struct hot **out, struct err *e)
{
    struct hot *h = hot_new(s);
    bool found;
    size_t count, edge_count;
    struct batch_edge *edge;
    if (!batches_by_seq(s->db, h->mem, seq, &h->row, &found, e))
        goto failed;
    if (!found || h->row.repository_id != s->lane->id) {
        fail(e, ERR_NOT_FOUND, "no batch %lld in this repository", (long long)seq);
        goto failed;
    }
    if (!nodes_of(s->db, h->mem, seq, &h->node, &count, e) ||
        !edges_unpack(h->mem, h->row.edges, (uint32_t)count, &edge, &edge_count, e))
        goto failed;
    h->count = (uint32_t)count;
    struct batch_node *n = arena_make(h->mem, struct batch_node, count + 1);
    for (size_t i = 0; i < count; i++)
        n[i] = (struct batch_node){.state = h->node[i].state,
                                   .run_class = h->node[i].run_class ? RUN_APPLY : RUN_PLAN,
                                   .attempt = (uint32_t)h->node[i].attempt,
                                   .expected_ms = h->node[i].expected_ms,
                                   .cancel_wanted = h->node[i].cancel_wanted,
                                   .not_before_ms = h->node[i].not_before_ms};
    h->b = batch_load(h->mem, n, h->count, edge, edge_count, h->row.strict_plans,
                      batch_state_of(h->row.state), h->row.cancelled, h->row.superseded_by.len > 0);
    distinct_files(h);
    *out = h;
    return true;
failed:
    s->lane->hot = h->next;
    arena_free(h->mem);
    return false;
}

bool hot_get(struct step *s, int64_t batch_seq, struct hot **out, struct err *e)
{
    for (struct hot *h = s->lane->hot; h; h = h->next)
        if (h->row.seq == batch_seq) {
            *out = h;
            return true;
        }
    return hot_load(s, batch_seq, out, e);
}

bool hot_load_open(struct step *s, struct err *e)
{
    int64_t *seq;
    size_t count;
    struct hot *h;
    if (s->lane->id == 0)
        return true;
    if (!batches_open(s->db, s->mem, s->lane->id, &seq, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!hot_get(s, seq[i], &h, e))
            return false;
    return true;
}

int hot_file(const struct hot *h, str file)
{
    for (uint32_t i = 0; i < h->file_count; i++)
        if (str_eq(h->file[i], file))
            return (int)i;
    return -1;
}

/*
 * Parses the workflow files of the batch from the cache. All of them are there once the batch has
 * started.
 */
bool hot_workflows(struct step *s, struct hot *h, struct err *e)
{
    if (h->files_loaded)
        return true;
    for (uint32_t i = 0; i < h->file_count; i++) {
        struct workflow_row w;
        struct err why = { 0 };
        bool found;
        if (!workflows_get(s->db, h->mem, s->lane->id, h->row.ref, h->file[i], &w, &found, e))
            return false;
        if (!workflow_name_ok(h->file[i]))
            h->file_error[i] = DISPATCH_BAD_WORKFLOW_NAME;
        else if (!found || !w.blob.len)
            h->file_error[i] = DISPATCH_WORKFLOW_NOT_FOUND;
        else if (!workflow_read(h->mem, w.body, &h->workflow[i], &why))
            h->file_error[i] = DISPATCH_WORKFLOW_UNREADABLE;
        else
            h->file_error[i] =
                h->workflow[i].dispatchable ? DISPATCH_OK : DISPATCH_NOT_DISPATCHABLE;
    }
    h->files_loaded = true;
    return true;
}
