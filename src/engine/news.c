/*
 * news: what was committed, told to those who look on. Which tables were written the connection
 * itself has seen (db_news), so nothing that changes can be forgotten here.
 *
 * Servers that share a PostgreSQL tell each other by NOTIFY, inside the transaction: what is
 * committed is told, what is not is not. Only while somebody listens somewhere, though, so that
 * webhooks pay nothing for a dashboard that nobody has open. Who listens says so when it begins and
 * every few seconds; who comes late to hear it makes the listeners read everything again.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/inside.h"

enum {
    SAY_EVERY_MS = 10 * 1000,
    BELIEVED_MS = 3 * SAY_EVERY_MS, /* others who said so and then nothing */
    DOUBT_MS = 2000,                /* until then others may not have heard that we listen */
};

#define CHANNEL STR("signalbox_live")

/* What a reader would ask for again when a table was written. */
static const struct {
    const char *table;
    enum news_kind kind;
    bool any_batch;
} told_of[] = {
    {"batch", NEWS_BATCHES, false},
    {"node", NEWS_BATCHES, false},
    {"hold", NEWS_BATCHES, true},
    {"change", NEWS_BATCHES, true},
    {"change_event", NEWS_BATCHES, true},
    {"run", NEWS_RUNS, false},
    {"lock", NEWS_LOCKS, false},
    {"upload", NEWS_UPLOADS, false},
    {"fact", NEWS_FACTS, false},
    {"audit", NEWS_AUDIT, false},
    {"instance", NEWS_INSTANCES, false},
    {"repository", NEWS_REPOSITORIES, false},
    {"permission", NEWS_REPOSITORIES, false},
    {"installation", NEWS_REPOSITORIES, false},
    {"secret", NEWS_ACTIONS, false},
    {"runner", NEWS_ACTIONS, false},
    {"action", NEWS_ACTIONS, false},
    {"action_run", NEWS_ACTIONS, false},
    {"quota", NEWS_BUDGET, false},
    {"claim", NEWS_BUDGET, false},
    {"person", NEWS_MEMBERS, false},
    {"member", NEWS_MEMBERS, false},
    {"invitation", NEWS_MEMBERS, false},
};
enum { TABLES = sizeof told_of / sizeof told_of[0] };
static const char *tables[TABLES];

static struct engine_news news_of(const struct db_news *n)
{
    struct engine_news out = {.more = n->more, .count = n->count, .note = n->note};
    for (size_t i = 0; i < TABLES; i++)
        if (n->tables >> i & 1) {
            out.kinds |= 1u << told_of[i].kind;
            out.any_batch |= told_of[i].any_batch;
        }
    return out;
}

/* ---- who listens ------------------------------------------------------------------------------ */

static bool others_listen(const struct engine *en)
{
    return en->kind == DB_POSTGRES && atomic_load(&en->news.others_until_ms) > clock_mono_ms();
}

static void want_if_needed(struct engine *en)
{
    work_want_news(en->work, atomic_load(&en->news.here) || others_listen(en));
}

static void tell_here(struct engine *en, const struct engine_news *n)
{
    if (!atomic_load(&en->news.here))
        return;
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&en->news.lock);
    if (en->news.told)
        en->news.told(en->news.arg, n);
}

static void committed(void *arg, const struct db_news *news)
{
    struct engine_news n = news_of(news);
    if (n.kinds)
        tell_here(arg, &n);
}

static bool tell_others(void *arg, struct db *db, struct arena *mem, struct err *e)
{
    struct engine *en = arg;
    struct db_news news;
    if (!others_listen(en) || !db_news_peek(db, &news))
        return true;
    struct engine_news n = news_of(&news);
    return db_notify(db, CHANNEL, news_write(mem, en->server_id, &n), e);
}

struct said {
    struct engine *en;
    bool lost;
};

static bool say_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct said *x = arg;
    struct engine_news n = {.lost = x->lost};
    return db_notify(db, CHANNEL, news_write(mem, x->en->server_id, &n), e);
}

static void said(void *arg, const struct err *e)
{
    if (e)
        log_warn("other servers could not be told who listens", LZ("why", e->text));
    free(arg);
}

/* A message without kinds says that we listen. */
static void say(struct engine *en, bool lost)
{
    struct said *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    *x = (struct said){en, lost};
    work_submit(en->work, say_body, said, x);
}

static void believe(struct engine *en)
{
    atomic_store(&en->news.others_until_ms, clock_mono_ms() + BELIEVED_MS);
    want_if_needed(en);
}

bool news_heard(struct engine *en, str payload)
{
    struct db_note note[DB_NOTES_MAX];
    struct engine_news n;
    str server;
    if (!news_read(payload, &server, &n, note))
        return false;
    if (str_eq(server, en->server_id))
        return true;
    if (!n.kinds)
        believe(en);
    if (n.kinds || n.lost)
        tell_here(en, &n);
    return true;
}

void news_lost(struct engine *en)
{
    struct engine_news n = {.lost = true};
    believe(en);
    say(en, true);
    tell_here(en, &n);
}

void news_turn(struct engine *en)
{
    struct news_desk *d = &en->news;
    int64_t now_ms = clock_mono_ms();
    bool here = atomic_load(&d->here);
    if (atomic_exchange(&d->began, false)) {
        d->say_ms = now_ms;
        d->doubt_ms = now_ms + DOUBT_MS;
    }
    if (here && now_ms >= d->say_ms) {
        say(en, false);
        d->say_ms = now_ms + SAY_EVERY_MS;
    }
    if (here && d->doubt_ms && now_ms >= d->doubt_ms) {
        struct engine_news n = {.lost = true};
        d->doubt_ms = 0;
        if (atomic_load(&d->servers) > 1)
            tell_here(en, &n);
    }
    want_if_needed(en);
}

static bool nothing_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)db;
    (void)mem;
    (void)arg;
    (void)e;
    return true;
}

bool engine_listen(struct engine *en, engine_told *told, void *arg, struct err *e)
{
    struct news_desk *d = &en->news;
    if (atomic_load(&d->deaf))
        return fail(e, ERR_BUSY, "what other servers do cannot be heard: ask again and again");
    pthread_mutex_lock(&d->lock);
    d->told = told;
    d->arg = arg;
    pthread_mutex_unlock(&d->lock);
    atomic_store(&d->here, true);
    work_want_news(en->work, true);
    if (en->kind == DB_POSTGRES) {
        atomic_store(&d->began, true);
        say(en, false);
    }
    /* The transaction under way may have begun before. */
    return engine_write_wait(en, nothing_body, NULL, e);
}

void engine_listen_end(struct engine *en)
{
    pthread_mutex_lock(&en->news.lock);
    en->news.told = NULL;
    pthread_mutex_unlock(&en->news.lock);
    atomic_store(&en->news.here, false);
    want_if_needed(en);
}

/* ---- start and end ------------------------------------------------------------------------------ */

void news_open(struct engine *en, struct db *writer)
{
    for (size_t i = 0; i < TABLES; i++)
        tables[i] = told_of[i].table;
    db_news_watch(writer, tables, TABLES);
    atomic_store(&en->news.servers, 2); /* until they were counted */
}

void news_start(struct engine *en)
{
    work_on_news(en->work,
                 &(struct work_news){.before = en->kind == DB_POSTGRES ? tell_others : NULL,
                                     .told = committed,
                                     .arg = en});
    /* Who listens had no way of telling us. */
    if (en->kind == DB_POSTGRES)
        believe(en);
}

void news_close(struct engine *en)
{
    pthread_mutex_destroy(&en->news.lock);
}
