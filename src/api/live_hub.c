/*
 * The one thread that makes events. The first thing that happens is told at once; what follows is
 * gathered for a moment, so that a thousand nodes that move cost a thousand listeners ten events a
 * second and not a thousand.
 */
#include "api/live.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

enum {
    GAP_MS = 100,
    CROWD = 300,
    GAP_CROWD_MS = 200,
    GAP_SLOW_MS = 1000, /* of what only lists show, and comes with every webhook */
    BEAT_MS = 15 * 1000,
    SWEEP_MS = 1000,
    CHECK_MS = 20 * 1000,
    CHECK_SPREAD_MS = 8 * 1000, /* together below 30 s */
    SCOPE_KEPT_MS = 120 * 1000, /* without a listener, for those who come back */
    RETRY_MS = 500,
};
static const unsigned SLOW_KINDS = 1u << NEWS_FACTS | 1u << NEWS_AUDIT | 1u << NEWS_BUDGET;
static const unsigned BATCH_KINDS = 1u << NEWS_BATCHES | 1u << NEWS_RUNS;

struct hub {
    struct live *live;
    struct arena *mem; /* of the round */
    bool failing;
    int64_t now_ms, round_ms, slow_ms, beat_ms, sweep_ms, retry_ms;
};

/* ---- what the engine tells ---------------------------------------------------------------------- */

static void pend(struct pending *p, const struct engine_news *n)
{
    p->kinds |= n->kinds;
    p->lost |= n->lost;
    p->any_batch |= n->any_batch;
    p->more |= n->more || n->count == 0;
    for (size_t i = 0; i < n->count && !p->more; i++) {
        size_t k = p->count;
        while (k-- > 0 && (p->note[k].of != n->note[i].of || p->note[k].id != n->note[i].id))
            ;
        if (k != SIZE_MAX)
            continue;
        if (p->count == LIVE_NOTES_MAX)
            p->more = true;
        else
            p->note[p->count++] = n->note[i];
    }
}

static bool some_pending(const struct pending *p)
{
    return p->kinds || p->lost;
}

void live_told(void *arg, const struct engine_news *n)
{
    struct live *l = arg;
    pthread_mutex_lock(&l->lock);
    bool slow_before = !(l->pending.kinds & ~SLOW_KINDS) && !l->pending.lost;
    pend(&l->pending, n);
    if (slow_before)
        pthread_cond_signal(&l->woken);
    pthread_mutex_unlock(&l->lock);
}

/* ---- where things are ---------------------------------------------------------------------------- */

static bool repository_place(struct hub *h, struct db *db, int64_t id, int64_t *workspace,
                             struct err *e)
{
    struct place *p = &h->live->repositories[(uint64_t)id % PLACES_MAX];
    str ws;
    if (p->key != id) {
        if (!live_repository(db, h->mem, id, &ws, e))
            return false;
        *p = (struct place){.key = id, .workspace = ws.ptr ? (int64_t)str_hash(ws) : 0};
    }
    *workspace = p->workspace;
    return true;
}

static bool batch_place(struct hub *h, struct db *db, int64_t seq, const struct place **out,
                        struct err *e)
{
    struct place *p = &h->live->batches[(uint64_t)seq % PLACES_MAX];
    str id;
    int64_t repository, workspace = 0;
    *out = p;
    if (p->key == seq)
        return true;
    if (!live_batch_place(db, h->mem, seq, &id, &repository, e) ||
        (repository && !repository_place(h, db, repository, &workspace, e)))
        return false;
    *p = (struct place){.key = seq, .repository = repository, .workspace = workspace};
    if (id.len < sizeof p->id)
        memcpy(p->id, id.ptr ? id.ptr : "", id.len);
    return true;
}

/* Notes with where they lead. */
struct spot {
    enum db_note_of of;
    int64_t workspace, repository;
    str batch;
};

static bool spots_of(struct hub *h, struct db *db, const struct pending *p, struct spot *out,
                     struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct db_note *n = &p->note[i];
        const struct place *b;
        out[i] = (struct spot){.of = n->of};
        switch (n->of) {
        case DB_NOTE_WORKSPACE:
            out[i].workspace = n->id;
            break;
        case DB_NOTE_REPOSITORY:
            out[i].repository = n->id;
            if (!repository_place(h, db, n->id, &out[i].workspace, e))
                return false;
            break;
        case DB_NOTE_BATCH:
            if (!batch_place(h, db, n->id, &b, e))
                return false;
            out[i].repository = b->repository;
            out[i].workspace = b->workspace;
            out[i].batch = arena_copy(h->mem, str_of(b->id));
            break;
        }
    }
    return true;
}

/* ---- sending; the lock is held --------------------------------------------------------------------- */

static void ring_drop(struct live *l)
{
    struct past *p = &l->ring[l->ring_first];
    l->ring_lost = p->seq;
    l->ring_bytes -= http_bytes_text(p->bytes).len;
    http_bytes_drop(p->bytes);
    l->ring_first = (l->ring_first + 1) % RING_MAX;
    l->ring_count--;
}

static void ring_keep(struct live *l, const struct scope *s, uint64_t seq, struct http_bytes *b)
{
    size_t len = http_bytes_text(b).len;
    while (l->ring_count == RING_MAX || (l->ring_count && l->ring_bytes + len > RING_BYTES_MAX))
        ring_drop(l);
    l->ring[(l->ring_first + l->ring_count++) % RING_MAX] =
        (struct past){seq, s->workspace, s->repository, http_bytes_keep(b)};
    l->ring_bytes += len;
}

static void send_scope(struct hub *h, const struct scope *s, const char *name, str data)
{
    struct live *l = h->live;
    uint64_t seq = ++l->seq;
    struct http_bytes *b = http_bytes_new(live_event(l, h->mem, seq, name, data));
    struct http_stream **to = arena_make(h->mem, struct http_stream *, s->listeners + 1);
    size_t n = 0;
    for (struct listener *x = l->listeners; x; x = x->next)
        if (x->scope == s)
            to[n++] = x->stream;
    http_stream_send_all(to, n, b);
    ring_keep(l, s, seq, b);
    http_bytes_drop(b);
}

/* ---- "changed" ----------------------------------------------------------------------------------- */

/*
 * What of it this scope may know. False: nothing. What was said of a workspace alone may be of any
 * repository in it.
 */
static bool concerns(const struct scope *s, const struct pending *p, const struct spot *spot,
                     struct live_where *w, struct arena *mem)
{
    int64_t *repository = arena_make(mem, int64_t, p->count + 1);
    str *batch = arena_make(mem, str, p->count + 1);
    bool somewhere = p->more;
    *w = (struct live_where){.repository = repository, .batch = batch};
    for (size_t i = 0; i < p->count && !p->more; i++) {
        if (spot[i].workspace != s->workspace)
            continue;
        if (s->repository && spot[i].repository && spot[i].repository != s->repository)
            continue;
        somewhere = true;
        if (spot[i].of == DB_NOTE_REPOSITORY)
            repository[w->repositories++] = spot[i].repository;
        if (spot[i].of == DB_NOTE_BATCH && !p->any_batch)
            batch[w->batches++] = spot[i].batch;
    }
    return somewhere;
}

static void tell_changed(struct hub *h, const struct pending *p, const struct spot *spot)
{
    struct live_where w;
    for (struct scope *s = h->live->scopes; s; s = s->next)
        if (p->lost)
            send_scope(h, s, "resync", STR("{}"));
        else if (concerns(s, p, spot, &w, h->mem))
            send_scope(h, s, "changed", live_changed(h->mem, p->kinds, &w));
}

/* ---- "batch" ------------------------------------------------------------------------------------- */

static bool moved(const struct watched *w, const struct pending *p, const struct spot *spot)
{
    bool may = p->lost || (p->kinds & BATCH_KINDS && p->more);
    for (size_t i = 0; i < p->count && !may; i++)
        may = p->kinds & BATCH_KINDS &&
              (spot[i].repository == w->repository ||
               (spot[i].of == DB_NOTE_WORKSPACE && spot[i].workspace == w->workspace));
    return may;
}

/* To those who listened before (all false), or to those who came since. */
static void send_batch(struct hub *h, struct watched *w, str data, bool all, uint64_t seq)
{
    struct live *l = h->live;
    struct http_bytes *b = http_bytes_new(live_event(l, h->mem, seq, "batch", data));
    struct http_stream **to = arena_make(h->mem, struct http_stream *, w->listeners + 1);
    size_t n = 0;
    for (struct listener *x = l->listeners; x; x = x->next)
        if (x->watched == w && x->wants_all == all) {
            to[n++] = x->stream;
            x->wants_all = false;
        }
    http_stream_send_all(to, n, b);
    http_bytes_drop(b);
}

static void tell_batch(struct hub *h, struct watched *w, const struct live_batch *b)
{
    struct live *l = h->live;
    bool new = false, old = false;
    if (w->nodes != b->nodes) {
        free(w->told);
        w->told = calloc(b->nodes + 1, sizeof *w->told);
        if (!w->told)
            abort();
        w->nodes = b->nodes;
        w->told_head = 0;
    }
    for (struct listener *x = l->listeners; x; x = x->next) {
        new |= x->watched == w && x->wants_all;
        old |= x->watched == w && !x->wants_all;
    }
    str news = live_batch(h->mem, w, b, false);
    if (old && news.len)
        send_batch(h, w, news, false, ++l->seq);
    if (new)
        send_batch(h, w, live_batch(h->mem, w, b, true), true, ++l->seq);
}

static bool wanted(const struct live *l, const struct watched *w)
{
    for (const struct listener *x = l->listeners; x; x = x->next)
        if (x->watched == w && x->wants_all)
            return true;
    return false;
}

/* Rows are read without the lock; who watches may have gone, or come, meanwhile. */
static bool tell_batches(struct hub *h, struct db *db, const struct pending *p,
                         const struct spot *spot, struct err *e)
{
    struct live *l = h->live;
    size_t n = 0, cap = 0;
    int64_t *seq = NULL;
    pthread_mutex_lock(&l->lock);
    l->some_want_all = false;
    for (struct watched *w = l->watched; w; w = w->next)
        if (moved(w, p, spot) || wanted(l, w)) {
            if (n == cap) {
                seq = arena_grow(h->mem, seq, cap, cap + 64, sizeof *seq);
                cap += 64;
            }
            seq[n++] = w->seq;
        }
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < n; i++) {
        struct live_batch b;
        if (!live_batch_read(db, h->mem, seq[i], &b, e))
            return false;
        pthread_mutex_lock(&l->lock);
        for (struct watched *w = l->watched; w; w = w->next)
            if (w->seq == seq[i])
                tell_batch(h, w, &b);
        pthread_mutex_unlock(&l->lock);
    }
    return true;
}

/* ---- rounds -------------------------------------------------------------------------------------- */

static bool round_told(struct hub *h, const struct pending *p, struct err *e)
{
    struct live *l = h->live;
    struct spot *spot = arena_make(h->mem, struct spot, p->count + 1);
    struct db *db = engine_read(l->api->config.engine, e);
    bool ok = db && spots_of(h, db, p, spot, e);
    if (ok && some_pending(p)) {
        pthread_mutex_lock(&l->lock);
        tell_changed(h, p, spot);
        pthread_mutex_unlock(&l->lock);
    }
    ok = ok && tell_batches(h, db, p, spot, e);
    engine_read_done(l->api->config.engine, db);
    return ok;
}

/* With the lock held, which it leaves and takes again. */
static void do_round(struct hub *h)
{
    struct live *l = h->live;
    struct pending p = l->pending;
    struct err e = {0};
    l->pending = (struct pending){0};
    pthread_mutex_unlock(&l->lock);
    bool ok = round_told(h, &p, &e);
    arena_reset(h->mem);
    pthread_mutex_lock(&l->lock);
    h->now_ms = h->round_ms = clock_mono_ms();
    h->slow_ms = p.kinds & SLOW_KINDS ? h->now_ms : h->slow_ms;
    bool was_failing = h->failing;
    h->failing = !ok;
    if (ok)
        return;
    if (!was_failing)
        log_warn("what changed could not be read: everybody who listens reads again",
                 LZ("why", e.text));
    l->pending.lost = l->some_want_all = true;
    h->retry_ms = h->now_ms + RETRY_MS;
}

static int64_t round_due_ms(const struct hub *h)
{
    const struct live *l = h->live;
    const struct pending *p = &l->pending;
    int64_t gap = l->count > CROWD ? GAP_CROWD_MS : GAP_MS, due = INT64_MAX;
    if (l->some_want_all || p->lost || p->kinds & ~SLOW_KINDS)
        due = h->round_ms + gap;
    else if (p->kinds)
        due = h->slow_ms + GAP_SLOW_MS;
    return due < h->retry_ms ? h->retry_ms : due;
}

static void beat(struct hub *h)
{
    struct live *l = h->live;
    struct http_bytes *b = http_bytes_new(STR(": .\n\n"));
    struct http_stream **to = arena_make(h->mem, struct http_stream *, l->count + 1);
    size_t n = 0;
    for (struct listener *x = l->listeners; x; x = x->next)
        to[n++] = x->stream;
    http_stream_send_all(to, n, b);
    http_bytes_drop(b);
    arena_reset(h->mem);
}

static struct listener *due_for_check(struct hub *h)
{
    for (struct listener *x = h->live->listeners; x; x = x->next)
        if (x->check_ms <= h->now_ms)
            return x;
    return NULL;
}

static void check_one(struct hub *h, struct listener *x)
{
    struct live *l = h->live;
    uint16_t chance;
    random_bytes(&chance, sizeof chance);
    x->check_ms = h->now_ms + CHECK_MS + chance % CHECK_SPREAD_MS;
    /* Only this thread takes listeners away. */
    pthread_mutex_unlock(&l->lock);
    bool may = live_may_listen(l, x);
    pthread_mutex_lock(&l->lock);
    if (may)
        return;
    struct listener **at = &l->listeners;
    while (*at != x)
        at = &(*at)->next;
    live_listener_gone(l, at);
}

static void sweep(struct hub *h)
{
    struct live *l = h->live;
    for (struct listener **at = &l->listeners; *at;)
        if (http_stream_open((*at)->stream))
            at = &(*at)->next;
        else
            live_listener_gone(l, at);
    for (struct listener *x; !l->stopping && (x = due_for_check(h));)
        check_one(h, x);
    for (struct scope **at = &l->scopes, *s; (s = *at);)
        if (s->listeners || h->now_ms - s->left_ms < SCOPE_KEPT_MS) {
            at = &s->next;
        } else {
            *at = s->next;
            free(s);
        }
}

/* Nobody has listened for a while: the engine need not tell. */
static void rest(struct hub *h)
{
    struct live *l = h->live;
    if (l->scopes || !atomic_load(&l->listening))
        return;
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_lock(&l->listen_lock);
    pthread_mutex_lock(&l->lock);
    bool nobody = !l->scopes;
    pthread_mutex_unlock(&l->lock);
    if (nobody) {
        engine_listen_end(l->api->config.engine);
        atomic_store(&l->listening, false);
    }
    pthread_mutex_unlock(&l->listen_lock);
    pthread_mutex_lock(&l->lock);
}

static void wait_until(struct live *l, int64_t mono_ms)
{
    struct timespec at = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    pthread_cond_timedwait(&l->woken, &l->lock, &at);
}

void *live_hub(void *arg)
{
    struct hub h = {.live = arg, .mem = arena_new((size_t)64 << 20, (size_t)512 << 20)};
    struct live *l = arg;
    pthread_mutex_lock(&l->lock);
    h.beat_ms = h.sweep_ms = clock_mono_ms();
    while (!l->stopping) {
        h.now_ms = clock_mono_ms();
        int64_t due = round_due_ms(&h);
        if (h.now_ms >= due) {
            do_round(&h);
            continue;
        }
        if (h.now_ms >= h.beat_ms) {
            beat(&h);
            h.beat_ms = h.now_ms + BEAT_MS;
        }
        if (h.now_ms >= h.sweep_ms || l->check_now) {
            l->check_now = false;
            sweep(&h);
            rest(&h);
            h.sweep_ms = h.now_ms + SWEEP_MS;
            continue;
        }
        int64_t until = l->listeners || l->scopes ? h.sweep_ms : h.now_ms + 3600 * 1000;
        wait_until(l, due < until ? due : until);
    }
    pthread_mutex_unlock(&l->lock);
    arena_free(h.mem);
    return NULL;
}
