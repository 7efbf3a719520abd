/*
 * hot: batches in memory. A cache of rows: written through, dropped when in doubt, loaded again
 * from the database.
 */
#include <assert.h>

#include "base/log.h"
#include "base/pack.h"
#include "engine/inside.h"
#include "store/feedback.h"

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
    struct batch_whole w;
    if (!batch_whole_read(s->db, h->mem, s->lane->id, seq, &w, e)) {
        s->lane->hot = h->next;
        arena_free(h->mem);
        return false;
    }
    h->row = w.row;
    h->node = w.node;
    h->count = w.count;
    h->b = w.b;
    distinct_files(h);
    *out = h;
    return true;
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
    if (s->lane->id <= 0)
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
