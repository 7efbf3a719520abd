/*
 * live: the inside of GET /api/v1/live. live.c is the door (who may listen, what they missed),
 * live_hub.c the one thread that makes events and sends them, live_events.c what stands in them.
 *
 * A scope is what its listeners may know of: a workspace, or one repository of it. Events of a scope
 * are made once and shared by its listeners; the last of them are kept in a ring, for those who come
 * back. What is told of a watched batch is the difference between its rows now and what was told
 * last; who comes new is told all that has moved.
 */
#ifndef SIGNALBOX_API_LIVE_H
#define SIGNALBOX_API_LIVE_H
#include "api/call.h"
#include "store/live.h"

enum {
    LIVE_NOTES_MAX = 256, RING_MAX = 1024, RING_BYTES_MAX = 8 << 20, PLACES_MAX = 1024,
    BOOT_CHARS = 12,
};

struct scope {
    struct scope *next;
    int64_t       workspace, repository;    /* hash of the id; 0: all of the workspace */
    uint64_t      since;                    /* all of its events after this one were made */
    unsigned      listeners;
    int64_t       left_ms;                  /* monotonic, when the last one went */
};

struct watched {
    struct watched *next;
    char      id[64];
    int64_t   workspace, repository, seq;
    unsigned  listeners;
    uint64_t *told;                         /* hash of what was told of each node; 0: nothing */
    uint64_t  told_head;
    size_t    nodes;
    bool      read;                         /* told is what the rows were once */
};

struct listener {
    struct listener    *next;
    struct http_stream *stream;
    struct scope       *scope;
    struct watched     *watched;            /* NULL: no batch */
    bool                wants_all;          /* of the watched batch */
    uint64_t            person;             /* whose streams are counted together */
    int64_t             check_ms;           /* when the right to listen is looked at again */
    char               *authorization, *cookie;
};

/* Of one scope, sent or not. */
struct past { uint64_t seq; int64_t workspace, repository; struct http_bytes *bytes; };

/* What was told by the engine and not yet by us. */
struct pending {
    unsigned       kinds;
    bool           lost, more, any_batch;
    size_t         count;
    struct db_note note[LIVE_NOTES_MAX];
};

/* Where batches and repositories are, which never changes. */
struct place { int64_t key, repository, workspace; char id[64]; };

struct live {
    struct api      *api;
    pthread_mutex_t  lock;                  /* of everything but `thread` and `places` */
    pthread_cond_t   woken;
    pthread_t        thread;
    bool             started, stopping;
    pthread_mutex_t  listen_lock;           /* one begins to listen, the others wait for it */
    atomic_bool      listening;
    char             boot[BOOT_CHARS + 1];
    uint64_t         seq;
    struct pending   pending;
    struct listener *listeners;
    struct scope    *scopes;
    struct watched  *watched;
    unsigned         count, streams_max, person_max;
    bool             some_want_all, check_now;
    struct past      ring[RING_MAX];
    size_t           ring_first, ring_count, ring_bytes;
    uint64_t         ring_lost;             /* the newest that had to make room */
    /* the thread's: by a batch's seq, by a repository's id */
    struct place     batches[PLACES_MAX], repositories[PLACES_MAX];
};

/* live.c; the lock is held */
void live_listener_gone(struct live *l, struct listener **at);
/* May it still listen? Asked without the lock. False only when surely not. */
bool live_may_listen(struct live *l, const struct listener *x);

/* live_hub.c */
void *live_hub(void *arg);
void live_told(void *arg, const struct engine_news *n);

/* live_events.c: an event as it goes out. id 0: none */
str live_event(struct live *l, struct arena *mem, uint64_t id, const char *name, str data);
/* "BOOT-SEQ" of this life of the server. */
bool live_id_read(const char *boot, str text, uint64_t *seq);
/* {"kinds":…} for one scope. */
struct live_where { const int64_t *repository; size_t repositories; const str *batch; size_t batches; };
str live_changed(struct arena *mem, unsigned kinds, const struct live_where *w);
/*
 * {"batchId":…} with the nodes of which something else was told before, and notes what is told now.
 * all: with every node that has moved. Empty: there is nothing new.
 */
str live_batch(struct arena *mem, struct watched *w, const struct live_batch *b, bool all);

#endif
