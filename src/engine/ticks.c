#include "engine/ticks.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/inside.h"
#include "store/actions.h"
#include "store/budget.h"
#include "store/people.h"
#include "store/uploads.h"

enum {
    TICK_MS = 50,
    LEASE_TICK_MS = 1000,
    PURGE_TICK_MS = 60 * 1000,
    SERVER_ALIVE_MS = 5000,
    CLAIM_MAX = 64,
    LISTEN_MS = 1000,
    RECALLED_MS = 60 * 1000         /* the window of the forge's pace */
};
static const int64_t FACTS_KEPT_MS = 30LL * 24 * 3600 * 1000;       /* docs/architecture.md §5 */
static const int64_t EFFECTS_KEPT_MS = 7LL * 24 * 3600 * 1000;
static const int64_t CHUNKS_KEPT_MS = 15 * 60 * 1000;               /* atmos-pro.md §4.14 */

/* ---- leases (PostgreSQL) --------------------------------------------------------------------- */

struct lease_job {
    struct engine *en;
    int64_t *lane, *epoch, *give_back;
    size_t   count, give_count;
};

/* Our share of the lanes, rounded up; what is above it and idle goes back. */
static bool share_lanes(struct lease_job *x, struct db *db, struct arena *mem, int64_t now_ms,
                        size_t *want, struct err *e)
{
    int64_t lanes, servers, mine = 0;
    struct engine *en = x->en;
    if (!lanes_count(db, mem, now_ms, SERVER_ALIVE_MS, &lanes, &servers, e))
        return false;
    if (en->config.forge && en->config.forge->divide)
        en->config.forge->divide(en->config.forge->self, servers);
    atomic_store(&en->news.servers, servers);
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (size_t i = 0; i < en->lane_count; i++)
        mine += en->lane[i]->owned;
    int64_t share = (lanes + servers - 1) / (servers > 0 ? servers : 1);
    *want = mine < share ? (size_t)(share - mine) : 0;
    x->give_back = arena_make(mem, int64_t, en->lane_count + 1);
    x->give_count = 0;
    for (size_t i = en->lane_count; i-- > 0 && mine > share;) {
        struct lane *l = en->lane[i];
        if (!l->owned || l->inflight_count)
            continue;
        if (!lanes_release(db, en->server_id, l->id, e))
            return false;
        x->give_back[x->give_count++] = l->id;
        mine--;
    }
    return true;
}

bool ticks_told(struct engine *en, struct db *db, struct arena *mem, int64_t now_ms, struct err *e)
{
    struct budget_wait *wait;
    size_t count;
    if (!en->config.forge || !en->config.forge->told)
        return true;
    if (!budget_waits(db, mem, now_ms, &wait, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        en->config.forge->told(en->config.forge->self, wait[i].installation_id, wait[i].until_ms);
    return true;
}

/* Comments may be new ones: for a minute all are taken for such. The rest reads. */
static enum call_class class_of(str effect_kind)
{
    static const struct { const char *kind; enum call_class c; } known[] = {
        { "dispatch", CALL_CHANGE }, { "cancel_run", CALL_CHANGE }, { "check", CALL_CHANGE },
        { "redeliver", CALL_CHANGE }, { "comment", CALL_CONTENT },  { "reply", CALL_CONTENT },
        { "result", CALL_LAST_WORD }, { "review", CALL_LAST_WORD },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(effect_kind, str_of(known[i].kind)))
            return known[i].c;
    return CALL_READ;
}

bool ticks_recalled(struct engine *en, struct db *db, struct arena *mem, int64_t now_ms,
                    struct err *e)
{
    struct effects_sent *sent;
    size_t count;
    const struct forge_port *forge = en->config.forge;
    if (!forge || !forge->recall)
        return true;
    if (!effects_sent_since(db, mem, now_ms - RECALLED_MS, now_ms, &sent, &count, e))
        return false;
    for (size_t i = 0; i < count;) {
        int64_t calls[CALL_CLASS_COUNT] = { 0 }, installation_id = sent[i].installation_id;
        for (; i < count && sent[i].installation_id == installation_id; i++)
            calls[class_of(sent[i].kind)] += sent[i].calls;
        forge->recall(forge->self, installation_id, calls);
    }
    return true;
}

static bool lease_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct lease_job *x = arg;
    struct engine *en = x->en;
    int64_t now_ms;
    size_t want;
    x->count = 0;
    if (!lanes_now_ms(db, mem, engine_now_ms(en), &now_ms, e) ||
        !servers_seen(db, en->server_id, STR(SIGNALBOX_VERSION), now_ms, e) ||
        !db_exec(db, e, NULL,
                 "insert into lane (id) select id from repository where true on conflict (id) do "
                 "nothing",
                 NO_ARGS) ||
        !lanes_renew(db, en->server_id, now_ms + en->config.lease_ms, e) ||
        !ticks_told(en, db, mem, now_ms, e) ||
        !share_lanes(x, db, mem, now_ms, &want, e))
        return false;
    return want == 0 ||
           lanes_claim(db, mem, en->server_id, now_ms, en->config.lease_ms,
                       want < CLAIM_MAX ? want : CLAIM_MAX, &x->lane, &x->epoch, &x->count, e);
}

static void lease_done(void *arg, const struct err *e)
{
    struct lease_job *x = arg;
    struct engine *en = x->en;
    if (e)
        log_warn("leases could not be renewed", LZ("why", e->text));
    for (size_t i = 0; !e && i < x->give_count; i++) {
        struct lane *l = lane_find(en, x->give_back[i], true);
        l->owned = false;
        lane_drop(l);
        log_info("lane given to another server", LI("lane", l->id));
    }
    for (size_t i = 0; !e && i < x->count; i++) {
        struct lane *l = lane_find(en, x->lane[i], true);
        lane_drop(l);
        l->owned = true;
        l->epoch = x->epoch[i];
        log_info("lane claimed", LI("lane", l->id), LI("epoch", l->epoch));
        engine_poke(en, l->id);
    }
    free(x);
}

/* ---- purge ----------------------------------------------------------------------------------- */

static bool purge_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    int64_t now_ms = engine_now_ms(arg);
    (void)mem;
    return facts_purge(db, now_ms - FACTS_KEPT_MS, e) &&
           effects_purge(db, now_ms - EFFECTS_KEPT_MS, e) &&
           spend_purge(db, now_ms - FACTS_KEPT_MS, e) &&
           action_runs_purge(db, now_ms - FACTS_KEPT_MS, e) &&
           people_purge(db, now_ms, e) && uploads_purge_chunks(db, now_ms - CHUNKS_KEPT_MS, e) &&
           db_exec(db, e, NULL, "delete from oidc_used where expires_ms < $1", ARGS(A(now_ms))) &&
           db_exec(db, e, NULL,
                   "update lock set deleted_ms = expires_ms where deleted_ms is null and "
                   "expires_ms <= $1",
                   ARGS(A(now_ms)));
}

static void purge_done(void *arg, const struct err *e)
{
    (void)arg;
    if (e)
        log_warn("old rows could not be purged", LZ("why", e->text));
}

/* ---- the threads ----------------------------------------------------------------------------- */

static void wake_due_lanes(struct engine *en, int64_t now_ms)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
    for (size_t i = 0; i < en->lane_count; i++) {
        int64_t at = atomic_load(&en->lane[i]->wake_ms);
        if (at && at <= now_ms) {
            atomic_store(&en->lane[i]->wake_ms, 0);
            lane_poke_locked(en, en->lane[i]);
        }
    }
}

void ticks_turn(struct engine *en, struct ticks_due *due)
{
    int64_t mono = clock_mono_ms();
    if (en->kind == DB_POSTGRES && mono >= due->lease_ms) {
        struct lease_job *x = calloc(1, sizeof *x);
        if (!x)
            abort();
        x->en = en;
        work_submit(en->work, lease_body, lease_done, x);
        due->lease_ms = mono + LEASE_TICK_MS;
    }
    if (mono >= due->purge_ms) {
        work_submit(en->work, purge_body, purge_done, en);
        due->purge_ms = mono + PURGE_TICK_MS;
    }
    wake_due_lanes(en, engine_now_ms(en));
}

static void *clock_thread(void *arg)
{
    struct engine *en = arg;
    struct ticks_due due = { .purge_ms = clock_mono_ms() + PURGE_TICK_MS };

    while (!atomic_load(&en->stopping)) {
        ticks_turn(en, &due);
        poll(&(struct pollfd){ .fd = en->wake_fd, .events = POLLIN }, 1, TICK_MS);
    }
    return NULL;
}

static void *listen_thread(void *arg)
{
    struct engine *en = arg;
    struct db *db = NULL;
    struct err e = { 0 };

    if (!db_open(en->database, true, &db, &e) || !db_listen(db, STR("signalbox_lane"), &e) ||
        !db_listen(db, STR("signalbox_live"), &e)) {
        log_warn("cannot listen for the facts of other servers; they are found every second",
                 LZ("why", e.text));
        atomic_store(&en->news.deaf, true);
        db_close(db);
        return NULL;
    }
    while (!atomic_load(&en->stopping)) {
        SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
        str payload;
        int64_t lane;
        bool told = db_wait_notify(db, mem, en->wake_fd, LISTEN_MS, &payload);
        news_turn(en);
        if (told && news_heard(en, payload))
            continue;
        if (told && !payload.len)
            news_lost(en);
        if (told && str_starts(payload, STR("reload ")) &&
            str_to_i64(str_sub(payload, STR("reload ").len, payload.len), 1, INT64_MAX, &lane)) {
            lane_reload(en, lane);
            continue;
        }
        if (told && str_to_i64(payload, INT64_MIN, INT64_MAX, &lane)) {
            engine_poke(en, lane);
            continue;
        }
        /* Nothing for a second, or the connection was lost: look at everything that is ours. */
        SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->mutex);
        for (size_t i = 0; i < en->lane_count; i++)
            if (en->lane[i]->owned)
                lane_poke_locked(en, en->lane[i]);
    }
    db_close(db);
    return NULL;
}

bool ticks_start(struct engine *en, struct err *e)
{
    if (pthread_create(&en->clock_thread, NULL, clock_thread, en) != 0)
        return fail(e, ERR_INTERNAL, "cannot start the clock thread");
    en->ticking = true;
    if (en->kind == DB_POSTGRES && pthread_create(&en->listen_thread, NULL, listen_thread, en) == 0)
        en->listening = true;
    if (en->kind == DB_POSTGRES && !en->listening)
        atomic_store(&en->news.deaf, true);
    return true;
}

void ticks_stop(struct engine *en)
{
    uint64_t one = 1;
    if (en->wake_fd >= 0 && write(en->wake_fd, &one, sizeof one) < 0)
        log_warn("cannot wake the clock thread", LI("errno", errno));
    if (en->ticking)
        pthread_join(en->clock_thread, NULL);
    if (en->listening)
        pthread_join(en->listen_thread, NULL);
    en->ticking = en->listening = false;
}
