#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/pack.h"
#include "base/scope.h"
#include "domain/join.h"
#include "engine/inside.h"
#include "engine/ticks.h"
#include "store/feedback.h"
#include "store/uploads.h"

enum {
    READERS_DEFAULT = 4,
    LEASE_DEFAULT_MS = 6000,
    SWEEP_DEFAULT_MS = 60000,
    PACK_ARENA_BYTES = 256 << 20
};

int64_t engine_now_ms(struct engine *en)
{
    (void)en;
    return clock_utc_ms();
}

void engine_write(struct engine *en, engine_body *body, engine_done *done, void *arg)
{
    work_submit(en->work, body, done, arg);
}

void engine_write_here(struct engine *en, engine_body *body, engine_ready *ready, engine_done *done,
                       void *arg)
{
    if (en->kind == DB_SQLITE)
        work_submit_here(en->work, body, ready, done, arg);
    else
        work_submit(en->work, body, done, arg);
}

void engine_write_soon(struct engine *en, engine_body *body, engine_done *done, void *arg)
{
    work_submit_soon(en->work, body, done, arg);
}

struct waiter { pthread_mutex_t mutex; pthread_cond_t cond; bool over, ok; struct err e; };

struct waited { engine_body *body; void *arg; struct waiter w; };

static bool waited_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct waited *x = arg;
    return x->body(db, mem, x->arg, e);
}

static void waiter_done(void *arg, const struct err *e)
{
    struct waited *x = arg;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&x->w.mutex);
    x->w.ok = e == NULL;
    if (e)
        x->w.e = *e;
    x->w.over = true;
    pthread_cond_signal(&x->w.cond);
}

bool engine_write_wait(struct engine *en, engine_body *body, void *arg, struct err *e)
{
    assert(!work_on_writer(en->work));
    struct waited x = { .body = body, .arg = arg };
    pthread_mutex_init(&x.w.mutex, NULL);
    pthread_cond_init(&x.w.cond, NULL);
    work_submit(en->work, waited_body, waiter_done, &x);
    pthread_mutex_lock(&x.w.mutex);
    while (!x.w.over)
        pthread_cond_wait(&x.w.cond, &x.w.mutex);
    pthread_mutex_unlock(&x.w.mutex);
    pthread_mutex_destroy(&x.w.mutex);
    pthread_cond_destroy(&x.w.cond);
    if (!x.w.ok)
        *e = x.w.e;
    return x.w.ok;
}

/* ---- the inbox ------------------------------------------------------------------------------- */

struct submission {
    struct submission *next;        /* of those that go together */
    struct engine *en;
    struct fact    fact;
    struct fact_rest rest;
    fact_done     *done;
    void          *arg;
    int64_t        id;
    bool           rests;
    bool           borrowed;        /* not packed, in memory that ends when done is called */
    char           bytes[];         /* what the strings of `fact` point to */
};

static str keep(char **at, str s)
{
    if (!s.ptr)
        return STR_NONE;
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    str kept = { *at, s.len };
    *at += s.len;
    return kept;
}

/*
 * What those that go together need not ask or say again: nobody else writes between them. Many
 * deliveries at once are of one repository mostly.
 */
struct known {
    int64_t empty_lane;             /* in which nothing waits; 0: none is known */
    int64_t stale_lane;
    str     stale_ref;              /* whose files are told to be stale */
};

/*
 * Whether the lane has nothing to do with it. An embedded database has one server; elsewhere the
 * lane's owner may be at work on what came before.
 */
static bool may_rest(struct db *db, struct arena *mem, int64_t lane, const struct fact_rest *r,
                     struct known *k, bool *rests, struct err *e)
{
    bool some = false;
    *rests = r->note.len && lane > 0;      /* of a repository */
    if (!*rests || !r->stale_ref.len || k->empty_lane == lane)
        return true;
    if (db_kind(db) == DB_SQLITE && !facts_some(db, mem, lane, &some, e))
        return false;
    *rests = db_kind(db) == DB_SQLITE && !some;
    k->empty_lane = *rests ? lane : k->empty_lane;
    return true;
}

static bool tell_stale(struct db *db, int64_t lane, str ref, struct known *k, struct err *e)
{
    if (k->stale_lane == lane && str_eq(k->stale_ref, ref))
        return true;
    k->stale_lane = lane;
    k->stale_ref = ref;
    return workflows_stale(db, lane, ref, e);
}

/* The row, and a word to the server that owns the lane. *id is 0 when the fact is there already. */
static bool store_row(struct db *db, struct arena *mem, const struct fact *given,
                      const struct fact_rest *r, struct known *k, int64_t *id, bool *rests,
                      struct err *e)
{
    struct fact row = *given;
    if (!may_rest(db, mem, row.lane, r, k, rests, e))
        return false;
    row.note = *rests ? r->note : STR_NONE;
    if (!facts_add(db, mem, &row, id, e))
        return false;
    if (*rests)
        return !*id || !r->stale_ref.len || tell_stale(db, row.lane, r->stale_ref, k, e);
    if (*id && k->empty_lane == row.lane)
        k->empty_lane = 0;
    return db_kind(db) == DB_SQLITE || !*id ||
           db_notify(db, STR("signalbox_lane"), arena_print(mem, "%lld", (long long)row.lane), e);
}

static bool store_submission(struct db *db, struct arena *mem, struct submission *x,
                             struct known *k, struct err *e)
{
    struct fact row = x->fact;
    if (x->borrowed)
        row.body = pack(mem, row.body);
    return store_row(db, mem, &row, &x->rest, k, &x->id, &x->rests, e);
}

static bool submission_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct known k = { 0 };
    return store_submission(db, mem, arg, &k, e);
}

static void submission_done(void *arg, const struct err *e)
{
    struct submission *x = arg;
    atomic_fetch_add(x->id ? &x->en->facts : &x->en->duplicates, e ? 0 : 1);
    if (!e && x->id && !x->rests)
        engine_poke(x->en, x->fact.lane);
    bool borrowed = x->borrowed;
    if (x->done)
        x->done(x->arg, x->id ? FACT_STORED : FACT_DUPLICATE, x->id, e);
    if (!borrowed)
        free(x);
}

/* A fact that came just now; everything borrowed, the body as it came. */
static struct fact fact_plain(struct engine *en, const struct fact_new *f)
{
    return (struct fact){ .lane = f->lane,
                          .kind = str_of(f->kind),
                          .key = f->key,
                          .body = f->body,
                          .actor = f->actor,
                          .trace = f->trace,
                          .received_ms = engine_now_ms(en) };
}

/* What is stored of it: the body packed in mem. */
static struct fact fact_row(struct engine *en, struct arena *mem, const struct fact_new *f)
{
    struct fact row = fact_plain(en, f);
    row.body = pack(mem, f->body);
    return row;
}

void engine_submit(struct engine *en, const struct fact_new *f, fact_done *done, void *arg)
{
    SCOPED(arena) struct arena *mem = arena_new(PACK_ARENA_BYTES, (size_t)1 << 30);
    struct fact row = fact_row(en, mem, f);
    struct submission *x =
        calloc(1, sizeof *x + row.kind.len + row.key.len + row.body.len + row.actor.len +
                      row.trace.len + f->rest.note.len + f->rest.stale_ref.len);
    if (!x)
        abort();
    char *at = x->bytes;
    x->en = en;
    x->done = done;
    x->arg = arg;
    x->fact = row;
    str *const texts[] = { &x->fact.kind, &x->fact.key, &x->fact.body, &x->fact.actor,
                           &x->fact.trace };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(&at, *texts[i]);
    x->rest = (struct fact_rest){ keep(&at, f->rest.note), keep(&at, f->rest.stale_ref) };
    work_submit(en->work, submission_body, submission_done, x);
}

static bool together_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct known k = { 0 };
    for (struct submission *x = arg; x; x = x->next)
        if (!store_submission(db, mem, x, &k, e))
            return false;
    return true;
}

/* One that cannot be stored must not take the others with it: then each goes alone. */
static void together_done(void *arg, const struct err *e)
{
    for (struct submission *x = arg, *next; x; x = next) {
        next = x->next;
        if (e)
            work_submit(x->en->work, submission_body, submission_done, x);
        else
            submission_done(x, NULL);
    }
}

void engine_submit_soon(struct engine *en, struct arena *mem, const struct fact_new *f,
                        fact_done *done, void *arg)
{
    struct submission *x = arena_make(mem, struct submission, 1);
    *x = (struct submission){ .en = en, .rest = f->rest, .done = done, .arg = arg,
                              .borrowed = true };
    x->fact = fact_plain(en, f);
    if (en->kept)
        en->kept_last->next = x;
    else
        en->kept = x;
    en->kept_last = x;
    if (++en->kept_count == WORK_KEPT_MAX)
        engine_submit_kept(en);
}

void engine_submit_kept(struct engine *en)
{
    struct submission *first = en->kept;
    en->kept = NULL;
    en->kept_count = 0;
    work_submit_kept(en->work);
    if (first && first->next)
        work_submit_apart(en->work, together_body, together_done, first);
    else if (first)
        work_submit_apart(en->work, submission_body, submission_done, first);
}

bool engine_store_fact(struct engine *en, struct db *db, struct arena *mem,
                       const struct fact_new *f, enum fact_fate *fate, int64_t *id, struct err *e)
{
    struct fact row = fact_row(en, mem, f);
    bool rests;
    struct known k = { 0 };
    if (!store_row(db, mem, &row, &f->rest, &k, id, &rests, e))
        return false;
    *fate = *id ? FACT_STORED : FACT_DUPLICATE;
    return true;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A word for each lane, once. */
static bool tell_lanes(struct db *db, struct arena *mem, const struct fact *f, size_t count,
                       struct err *e)
{
    int64_t *lane = arena_make(mem, int64_t, count + 1);
    str *name = arena_make(mem, str, count + 1);
    size_t lanes = 0;
    if (db_kind(db) == DB_SQLITE)
        return true;
    for (size_t i = 0; i < count; i++)
        lane[i] = f[i].lane;
    qsort(lane, count, sizeof *lane, by_number);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || lane[i] != lane[i - 1])
            name[lanes++] = arena_print(mem, "%lld", (long long)lane[i]);
    return db_notify_many(db, mem, STR("signalbox_lane"), name, lanes, e);
}

bool engine_store_facts(struct engine *en, struct db *db, struct arena *mem,
                        const struct fact_new *f, size_t count, struct err *e)
{
    struct fact *row = arena_make(mem, struct fact, count + 1);
    for (size_t i = 0; i < count; i++) {
        assert(!f[i].key.ptr && !f[i].rest.note.len);
        row[i] = fact_row(en, mem, &f[i]);
    }
    return facts_add_many(db, mem, row, count, e) && tell_lanes(db, mem, row, count, e);
}

/*
 * A fact is looked up again whenever a lane has finished a round, and at least every 50 ms (another
 * server may own the lane).
 */
bool engine_fact_wait(struct engine *en, int64_t fact_id, int64_t timeout_ms, struct arena *mem,
                      str *note, bool *refused)
{
    for (int64_t until = clock_mono_ms() + timeout_ms;;) {
        struct err e = { 0 };
        struct db_rows r;
        struct db *db = engine_read(en, &e);
        bool ok = db && db_query(db, mem, &e, &r, "select state, note from fact where id = $1",
                                 ARGS(A(fact_id)));
        engine_read_done(en, db);
        if (ok && r.count && db_at(&r, 0, 0)->i != FACT_PENDING) {
            *note = db_at(&r, 0, 1)->null ? STR("") : db_at(&r, 0, 1)->s;
            *refused = db_at(&r, 0, 0)->i == FACT_SET_ASIDE;
            return true;
        }
        if (clock_mono_ms() >= until)
            return false;
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 50 * 1000000L;
        at.tv_sec += at.tv_nsec / 1000000000L;
        at.tv_nsec %= 1000000000L;
        SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
        pthread_cond_timedwait(&en->changed, &en->mutex, &at);
    }
}

/* ---- readers --------------------------------------------------------------------------------- */

/* A place of the table that nobody reads with: first one that is open, then one to open. */
static bool free_reader(const struct engine *en, unsigned *place)
{
    bool found = false;
    for (unsigned i = 0; i < en->readers_max; i++) {
        if (en->reader_out[i])
            continue;
        if (!found || en->reader[i])
            *place = i;
        found = true;
        if (en->reader[i])
            break;
    }
    return found;
}

struct db *engine_read(struct engine *en, struct err *e)
{
    unsigned mine = 0;
    pthread_mutex_lock(&en->mutex);
    while (!free_reader(en, &mine))
        pthread_cond_wait(&en->changed, &en->mutex);
    en->reader_out[mine] = true;
    struct db *db = en->reader[mine];
    pthread_mutex_unlock(&en->mutex);
    if (db)
        return db;

    bool ok = db_open(en->database, true, &db, e);
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    if (ok) {
        en->reader[mine] = db;
        return db;
    }
    en->reader_out[mine] = false;
    pthread_cond_broadcast(&en->changed);
    return NULL;
}

void engine_read_done(struct engine *en, struct db *db)
{
    if (!db)
        return;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (unsigned i = 0; i < en->readers_max; i++)
        if (en->reader[i] == db)
            en->reader_out[i] = false;
    pthread_cond_broadcast(&en->changed);
}

/* ---- health ---------------------------------------------------------------------------------- */

void engine_health(struct engine *en, struct engine_health *out)
{
    *out = (struct engine_health){ .database_ok = true };
    struct err e = { 0 };
    struct db_rows r;
    SCOPED(arena) struct arena *mem = arena_new(1 << 20, 1 << 24);
    struct db *db = engine_read(en, &e);
    bool ok =
        db &&
        db_query(db, mem, &e, &r,
                 "select (select count(*) from fact where state = 0), (select count(*) from effect "
                 "where state = 0), (select min(received_ms) from fact where state = 0)",
                 NO_ARGS);
    engine_read_done(en, db);
    if (!ok) {
        out->database_ok = false;
        snprintf(out->why, sizeof out->why, "%.199s", e.text);
        return;
    }
    out->facts_pending = db_at(&r, 0, 0)->i;
    out->effects_open = db_at(&r, 0, 1)->i;
    out->oldest_fact_ms = db_at(&r, 0, 2)->null ? 0 : db_at(&r, 0, 2)->i;
    out->database_ok = work_healthy(en->work, out->why);
}

void engine_counts(struct engine *en, struct engine_counts *out)
{
    *out = (struct engine_counts){.facts = atomic_load(&en->facts),
                                  .duplicates = atomic_load(&en->duplicates),
                                  .effects_done = atomic_load(&en->effects_done),
                                  .effects_failed = atomic_load(&en->effects_failed)};
    work_counts(en->work, &out->commits, &out->bodies);
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (size_t i = 0; i < en->lane_count; i++)
        out->lanes_owned += en->lane[i]->owned;
}

/* ---- start and stop -------------------------------------------------------------------------- */

struct start_job { struct engine *en; int64_t *lanes; size_t count; };

/*
 * Under one write transaction: the lanes of an embedded database are ours; the house has its lane.
 */
static bool start_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct engine *en = arg;
    return lanes_ensure(db, 0, e) &&
           servers_seen(db, en->server_id, STR(SIGNALBOX_VERSION), engine_now_ms(en), e) &&
           ticks_told(en, db, mem, engine_now_ms(en), e) &&
           ticks_recalled(en, db, mem, engine_now_ms(en), e) &&
           (db_kind(db) != DB_SQLITE || lanes_take_all(db, mem, en->server_id, e));
}

/* Lanes with something left over from before the start. */
static bool leftovers_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct start_job *x = arg;
    int64_t *facts, *effects, *waited, *open;
    size_t facts_count, effects_count, waited_count;
    struct db_rows r;
    if (!facts_lanes(db, mem, &facts, &facts_count, e) ||
        !effects_lanes(db, mem, &effects, &effects_count, e) ||
        !claims_installations(db, mem, &waited, &waited_count, e) ||
        !db_query(db, mem, e, &r,
                  "select repository_id from batch where state <> 'ended' union select "
                  "c.repository_id from change_event v join change c on c.id = v.change_id where "
                  "v.state = 'waiting' union select repository_id from upload where state = "
                  "'complete' and received_ms > $1 union select repository_id from action_run where "
                  "ended_ms is null",
                  ARGS(A(engine_now_ms(x->en) - 2 * JOIN_UPLOAD_EXPIRES_MS))))
        return false;
    open = arena_make(x->en->mem, int64_t, facts_count + effects_count + waited_count + r.count + 2);
    x->count = 0;
    for (size_t i = 0; i < facts_count; i++)
        open[x->count++] = facts[i];
    for (size_t i = 0; i < effects_count; i++)
        open[x->count++] = effects[i];
    for (size_t i = 0; i < waited_count; i++)
        open[x->count++] = -waited[i];
    for (size_t i = 0; i < r.count; i++)
        open[x->count++] = db_at(&r, i, 0)->i;
    open[x->count++] = 0;
    x->lanes = open;
    return true;
}

static bool open_writer(struct engine *en, struct err *e)
{
    struct db *db = NULL;
    if (!db_open(en->database, false, &db, e))
        return false;
    en->kind = db_kind(db);
    news_open(en, db);
    if (!db_migrate(db, engine_now_ms(en), e) || !work_start(db, &en->work, e)) {
        db_close(db);
        return false;
    }
    news_start(en);
    return true;
}

bool engine_start(const struct engine_config *c, struct engine **out, struct err *e)
{
    struct engine *en = calloc(1, sizeof *en);
    if (!en)
        return fail(e, ERR_INTERNAL, "out of memory");
    en->mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    en->config = *c;
    en->config.lease_ms = c->lease_ms ? c->lease_ms : LEASE_DEFAULT_MS;
    en->config.sweep_ms = c->sweep_ms ? c->sweep_ms : SWEEP_DEFAULT_MS;
    en->config.silent_ms = c->silent_ms ? c->silent_ms : SILENT_RUN_MS;
    en->database = arena_copy(en->mem, c->database);
    en->workspace_id = arena_copy(en->mem, c->workspace_id);
    en->config.bot_login = arena_copy(en->mem, c->bot_login);
    en->public_url = arena_copy(en->mem, c->public_url);
    en->server_id = c->server_id.len ? arena_copy(en->mem, c->server_id)
                                     : id_new(en->mem, "srv_", clock_utc_ms());
    en->readers_max = c->readers ? c->readers : READERS_DEFAULT;
    en->reader = arena_make(en->mem, struct db *, en->readers_max);
    en->reader_out = arena_make(en->mem, bool, en->readers_max);
    atomic_init(&en->find_settle_ms, c->find_settle_ms ? c->find_settle_ms : FIND_SETTLE_MS);
    pthread_mutex_init(&en->mutex, NULL);
    pthread_cond_init(&en->changed, NULL);
    pthread_mutex_init(&en->news.lock, NULL);
    en->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    struct start_job left = { .en = en };
    if (en->wake_fd < 0 || !open_writer(en, e) || !engine_write_wait(en, start_body, en, e) ||
        !engine_write_wait(en, leftovers_body, &left, e) || !ticks_start(en, e)) {
        if (e->code == ERR_NONE)
            fail_errno(e, "eventfd");
        engine_stop(en);
        return false;
    }
    for (size_t i = 0; i < left.count; i++)
        engine_poke(en, left.lanes[i]);
    *out = en;
    return true;
}

struct app_job { struct engine *en; int64_t app_id; str bot_login; };

/* On the writer thread, where everybody reads them. */
static bool app_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct app_job *x = arg;
    (void)db;
    (void)mem;
    (void)e;
    x->en->config.app_id = x->app_id;
    x->en->config.bot_login = x->bot_login;
    x->en->config.heal_deliveries = true;
    return true;
}

void engine_set_app(struct engine *en, int64_t app_id, str slug)
{
    struct err ignored = { 0 };
    pthread_mutex_lock(&en->mutex);
    struct app_job x = {.en = en,
                        .app_id = app_id,
                        .bot_login = arena_print(en->mem, PRI_STR "[bot]", FMT_STR(slug))};
    pthread_mutex_unlock(&en->mutex);
    if (!engine_write_wait(en, app_body, &x, &ignored))
        log_warn("the new App is known after the next start", LZ("why", ignored.text));
}

struct url_job { struct engine *en; str url; };

static bool url_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct url_job *x = arg;
    (void)db;
    (void)mem;
    (void)e;
    x->en->public_url = x->url;
    return true;
}

void engine_set_public_url(struct engine *en, str url)
{
    struct err ignored = { 0 };
    pthread_mutex_lock(&en->mutex);
    struct url_job x = { en, arena_copy(en->mem, url) };
    pthread_mutex_unlock(&en->mutex);
    if (!engine_write_wait(en, url_body, &x, &ignored))
        log_warn("links of comments and checks lack the port", LZ("why", ignored.text));
}

static bool stop_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct engine *en = arg;
    (void)mem;
    return lanes_release_all(db, en->server_id, e);
}

static bool nothing_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)db;
    (void)mem;
    (void)arg;
    (void)e;
    return true;
}

void engine_quiet(struct engine *en)
{
    struct err ignored = { 0 };
    if (!en)
        return;
    atomic_store(&en->quiet, true);
    /* Whatever the writer was about to hand over has left when this body is done. */
    if (en->work && !engine_write_wait(en, nothing_body, NULL, &ignored))
        log_warn("the database was away while the server stopped", LZ("why", ignored.text));
}

void engine_stop(struct engine *en)
{
    if (!en)
        return;
    struct err ignored = { 0 };
    /* Under the mutex: whoever found it false has submitted by now, so that no job comes when the writer has gone. */
    pthread_mutex_lock(&en->mutex);
    atomic_store(&en->stopping, true);
    pthread_mutex_unlock(&en->mutex);
    ticks_stop(en);
    if (en->work && !engine_write_wait(en, stop_body, en, &ignored))
        log_warn("lanes could not be given back; they move when the lease is over",
                 LZ("why", ignored.text));
    work_stop(en->work);
    for (unsigned i = 0; i < en->readers_max; i++)
        db_close(en->reader[i]);
    for (size_t i = 0; i < en->lane_count; i++) {
        lane_drop(en->lane[i]);
        free(en->lane[i]->inflight);
        free(en->lane[i]);
    }
    free(en->lane);
    if (en->wake_fd >= 0)
        close(en->wake_fd);
    news_close(en);
    pthread_mutex_destroy(&en->mutex);
    pthread_cond_destroy(&en->changed);
    arena_free(en->mem);
    free(en);
}
