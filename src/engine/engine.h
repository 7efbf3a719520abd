/*
 * engine: facts in, decisions out (docs/architecture.md §2). The one door through which anything
 * changes.
 *
 *     engine_submit   a fact: stored in the inbox, answered when it is on disk, then decided in its
 *     lane
 *     engine_write    a small change that needs no lane (locks, tokens, audit …): one body in a
 *     group commit
 *     engine_read     a reader connection for queries
 *
 * One writer thread runs every body; many bodies share one commit (group commit), and one that fails
 * takes nothing of the others with it.
 */
#ifndef SIGNALBOX_ENGINE_ENGINE_H
#define SIGNALBOX_ENGINE_ENGINE_H
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "db/db.h"

struct engine;

/*
 * A body reads and writes through db inside the open transaction, and touches nothing else but its
 * argument. It may run again when the transaction had to be repeated. mem lives until `done` has
 * returned.
 */
typedef bool engine_body(struct db *db, struct arena *mem, void *arg, struct err *e);
/*
 * After the commit (or the failure), on the writer thread: hand over, do not block. e is NULL when
 * all went well.
 */
typedef void engine_done(void *arg, const struct err *e);

/*
 * What `done` will need, made while the disk is still writing what a body did. It may be left out,
 * and the write may still fail after it: nobody is told anything.
 */
typedef void engine_ready(void *arg);

void engine_write(struct engine *en, engine_body *body, engine_done *done, void *arg);
/*
 * The same from a thread that has nothing else to do (the HTTP loop with one event): on SQLite, and
 * while the writer rests, body, ready and done run on it before this returns.
 */
void engine_write_here(struct engine *en, engine_body *body, engine_ready *ready, engine_done *done,
                       void *arg);
/*
 * The same from the HTTP loop when others came with it: they go together at engine_submit_kept, and
 * done is called on another thread than the writer's, when the body's mem has ended.
 */
void engine_write_soon(struct engine *en, engine_body *body, engine_done *done, void *arg);
/* The same, waiting for the answer. Not from the writer thread, not from the HTTP loop thread. */
bool engine_write_wait(struct engine *en, engine_body *body, void *arg, struct err *e) MUST_CHECK;

/*
 * A fact whose whole outcome is known when it comes: it is stored as applied, its lane is not
 * woken. With a branch in stale_ref that holds only while nothing waits in the lane, for facts of
 * a lane are applied in their order; otherwise the lane applies it as any other.
 */
struct fact_rest {
    str note;                   /* what came of it; STR_NONE: the lane will tell */
    str stale_ref;              /* its workflow files are to be read again */
};
/* What a webhook of a known repository comes to, as far as its payload alone says (any thread). */
void webhook_rest(struct arena *mem, str event, struct json payload, struct fact_rest *out);

struct fact_new {
    int64_t lane;               /* repository id; 0: the house */
    const char *kind;
    str     key;                /* STR_NONE: no identity, never a duplicate */
    str     body;               /* packed by the engine */
    str     actor, trace;
    struct fact_rest rest;
};
enum fact_fate { FACT_STORED, FACT_DUPLICATE };
typedef void fact_done(void *arg, enum fact_fate fate, int64_t fact_id, const struct err *e);
/* Everything is copied. done is called once it is on disk (writer thread). */
void engine_submit(struct engine *en, const struct fact_new *f, fact_done *done, void *arg);
/*
 * The same for one thread (the HTTP loop) that has many at once: they are kept until it says
 * engine_submit_kept, and go to the writer together, which packs the bodies. Nothing is copied: mem
 * and the strings live until `done` is called, on another thread than the writer's.
 */
void engine_submit_soon(struct engine *en, struct arena *mem, const struct fact_new *f,
                        fact_done *done, void *arg);
void engine_submit_kept(struct engine *en);
/*
 * Inside a body that already runs: stores the fact in the same transaction; call engine_poke(lane)
 * from done.
 */
bool engine_store_fact(struct engine *en, struct db *db, struct arena *mem,
                       const struct fact_new *f, enum fact_fate *fate, int64_t *id,
                       struct err *e) MUST_CHECK;
/* Many that have no key and cannot rest: they are stored together. */
bool engine_store_facts(struct engine *en, struct db *db, struct arena *mem,
                        const struct fact_new *f, size_t count, struct err *e) MUST_CHECK;
void engine_poke(struct engine *en, int64_t lane);
/*
 * Waits until a fact has been applied (or timeout): its note. For orders whose caller wants to
 * see the outcome.
 */
bool engine_fact_wait(struct engine *en, int64_t fact_id, int64_t timeout_ms, struct arena *mem,
                      str *note, bool *refused);

/* Locks changed (API): nodes that wait behind this folded key are looked at again. */
void engine_lock_changed(struct engine *en, str workspace_id, str folded_key);

/* Settings, name or installation of a repository changed (API): its lane reads them again. */
void engine_settings_changed(struct engine *en, int64_t lane);

/*
 * A pooled read-only connection; give it back. Blocks when all are out. NULL with e set when the
 * database is gone.
 */
struct db *engine_read(struct engine *en, struct err *e);
void engine_read_done(struct engine *en, struct db *db);

/*
 * What changed, for those who look on (docs/architecture.md §5). Kinds are what a reader would ask
 * for again; notes say where, as far as it is known: none of them, or `more`, means anywhere.
 */
#define NEWS_KINDS(X) \
    X(BATCHES, "batches") X(RUNS, "runs") X(LOCKS, "locks") X(UPLOADS, "uploads") X(FACTS, "facts") \
    X(AUDIT, "audit") X(INSTANCES, "instances") X(REPOSITORIES, "repositories") \
    X(ACTIONS, "actions") X(BUDGET, "budget") X(MEMBERS, "members")
enum news_kind {
#define X(name, text) NEWS_##name,
    NEWS_KINDS(X)
#undef X
    NEWS_KIND_COUNT
};
const char *news_kind_name(enum news_kind k);
struct engine_news {
    unsigned kinds;             /* bits */
    bool     lost;              /* what another server said was lost: read everything again */
    bool     more;
    bool     any_batch;         /* more batches than the notes say */
    size_t   count;
    const struct db_note *note;
};
/* On any thread, after the commit: hand over, do not block. */
typedef void engine_told(void *arg, const struct engine_news *news);
/*
 * From its return on, whatever is committed on any server of the database is told. Waits for the
 * transaction under way: not from the writer thread, not from the HTTP loop thread. ERR_BUSY: what
 * other servers do cannot be heard.
 */
bool engine_listen(struct engine *en, engine_told *told, void *arg, struct err *e) MUST_CHECK;
void engine_listen_end(struct engine *en);

int64_t engine_now_ms(struct engine *en);

struct forge_port;
struct runner_port;
struct http_client;
struct engine_config {
    str      database;              /* db_open's URL */
    str      server_id;             /* "" : made up */
    unsigned readers;               /* default 4 */
    str      workspace_id;          /* where repositories of the App are imported */
    str      public_url;            /* of the dashboard, for links: "https://signalbox.example" */
    struct forge_port *forge;       /* what effects are carried out with; NULL: they wait (tests) */
    /* what runners are called with, and the keys for it (SECRET_KEY_BYTES: opens secrets;
       SHA256_BYTES: makes tokens); NULL: runs of actions wait (tests) */
    struct runner_port *runner;
    const uint8_t *seal_key, *callback_key;
    int64_t  lease_ms;              /* PostgreSQL lanes; default 6000 */
    int64_t  sweep_ms;              /* default 60000 */
    /* runs without news for so long are asked about; default 120000 */
    int64_t  silent_ms;
    int64_t  app_id; str bot_login; /* to know our own checks and comments */
    bool     heal_deliveries;       /* re-read failed deliveries from the forge (needs an App) */
    /* how long a run may stay unlisted after a dispatch whose answer was lost; default 20000 */
    int64_t  find_settle_ms;
};
bool engine_start(const struct engine_config *c, struct engine **out, struct err *e) MUST_CHECK;
/*
 * An App was made by the set-up page: its checks and comments are ours from now on, and failed
 * deliveries are healed.
 */
void engine_set_app(struct engine *en, int64_t app_id, str slug);
/* Known only now: the port of the server was any free one. */
void engine_set_public_url(struct engine *en, str url);
/* No call of the forge leaves any more: before the client that carries them is stopped. */
void engine_quiet(struct engine *en);
/* finishes what is queued; leaves the rest for the next start */
void engine_stop(struct engine *en);

struct engine_health {
    bool database_ok;
    int64_t facts_pending, effects_open, oldest_fact_ms;
    char why[200];
};
void engine_health(struct engine *en, struct engine_health *out);
struct engine_counts {
    uint64_t facts, duplicates, commits, bodies, effects_done, effects_failed, lanes_owned;
};
void engine_counts(struct engine *en, struct engine_counts *out);

#endif
