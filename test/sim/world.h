/*
 * world: one repository in virtual time, with everything that may go wrong with it, from one seed.
 *
 *   rows      what is stored: batches, nodes, locks, inbox, outbox. Survives a crash
 *   hot       batches in memory. Does not
 *   forge     the truth: which runs there are and how they go. Survives, and answers late, twice,
 *   or never
 *   network   messages on their way: reordered, doubled, dropped
 *
 * engine.c plays the engine over domain/batch.h, forge.c the forge and the network, check.c looks
 * at rows and truth after every step and shares no code with the domain, chance.c rolls what
 * happens next.
 */
#ifndef SIGNALBOX_TEST_SIM_WORLD_H
#define SIGNALBOX_TEST_SIM_WORLD_H
#include <stdbool.h>
#include <stdint.h>

#include "domain/batch.h"

enum {
    BATCHES = 6,
    NODES = 16,
    EDGES = 48,
    INSTANCES = 7,
    ATTEMPTS = 24,
    FACTS = 60000,
    EFFECTS = 4000,
    MAIL = 4000,
    FORGE_LAG_MS = 5000
};

struct node_row {
    enum node_state state;
    enum run_class  run_class;
    /* run_attempt: the highest heard of within this attempt */
    uint32_t        attempt, run_attempt;
    int64_t         expected_ms, not_before_ms;
    bool            cancel_wanted;
    uint32_t        instance;
};

struct batch_row {
    enum batch_state  state;
    bool              strict, cancelled, superseded;
    uint32_t          count;
    struct node_row   node[NODES];
    struct batch_edge edge[EDGES];
    size_t            edges;
    /* What only the checks remember. */
    bool              ever_cancelled, ever_started;
    uint32_t          may_run[NODES];           /* 1, and 1 more for each re-run that was taken */
};

enum fact_kind {
    FACT_NODE,
    FACT_START,
    FACT_HOLD,
    FACT_CANCEL,
    FACT_SUPERSEDE,
    FACT_STOP_AND_SUPERSEDE,
    FACT_RETRY
};
struct fact {
    uint64_t        id;
    enum fact_kind  kind;
    enum node_event event;
    uint32_t        batch, node, attempt, run_attempt;
    int64_t         not_before_ms;
};

enum effect_state { EFFECT_NEW, EFFECT_TRIED, EFFECT_DONE };
struct effect {
    bool              stop;                     /* else a dispatch */
    uint32_t          batch, node, attempt;
    enum effect_state state;
    int64_t           not_before_ms;
};

enum run_state { RUN_NONE, RUN_IS_QUEUED, RUN_IS_APPROVAL, RUN_IS_RUNNING, RUN_IS_ENDED };
struct run {
    enum run_state  state;
    uint32_t        run_attempt;
    bool            stop;
    enum node_event end;                        /* of the latest run_attempt, when ended */
    unsigned        ends_seen;                  /* bit per event */
};

struct world {
    uint64_t seed;
    bool     kind, trace;                       /* kind: nothing goes wrong any more */
    int64_t  now_ms;
    uint32_t slots, step;

    /* rows */
    struct batch_row batch[BATCHES];
    uint32_t         batches;
    int64_t          lock_until_ms[INSTANCES];
    struct fact      inbox[FACTS];
    uint32_t         inbox_head, inbox_count;
    bool             id_seen[FACTS + MAIL];
    uint64_t         ids;
    struct effect    effect[EFFECTS];
    uint32_t         effects, effects_open;     /* effects before effects_open are all done */

    /* hot */
    struct batch *hot[BATCHES];
    struct arena *hot_mem[BATCHES];
    struct arena *turn_mem;

    /* forge */
    struct run   run[BATCHES][NODES][ATTEMPTS];
    uint32_t     runs_created[BATCHES][NODES];
    struct fact  mail[MAIL];
    uint32_t     mails;

    struct fact  cause;                         /* of the turn that is checked */
    uint64_t     moves, stales, crashes, reruns_there;   /* did the world do what it is for? */
};

extern struct world *world_now;                 /* for MUST */
_Noreturn void world_broken(const char *file, int line, const char *what, const char *why,
                            long long a, long long b);
/* why: the rule in words; a and b: whatever numbers help. */
#define MUST(cond, why, a, b) ((cond) ? (void)0 : world_broken(__FILE__, __LINE__, #cond, (why), (long long)(a), (long long)(b)))
void tell(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* chance.c */
uint32_t roll(uint32_t n);                      /* 0 … n-1 */
/* of something bad: never while the world is kind */
bool     chance(const struct world *w, uint32_t percent);
void     world_run(struct world *w);
void     world_new_batch(struct world *w);

/* engine.c */
/* an id of 0 gets a new one; one seen before is dropped */
void engine_put_fact(struct world *w, struct fact f);
void engine_take_fact(struct world *w);                      /* the next of the lane */
void engine_pump(struct world *w);                           /* sends what may go */
void engine_crash(struct world *w);
/* tries what it must not be able to do */
void engine_confused(struct world *w);

/* forge.c */
void effect_perform(struct world *w, struct effect *e);
void forge_advance(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt);
void forge_run_again(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt);
void forge_sweep(struct world *w, uint32_t batch, uint32_t node);
void network_deliver(struct world *w, uint32_t at);
struct run *run_of(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt);
bool run_live(const struct run *r);

/* check.c */
bool row_live(enum node_state s);
bool row_ended(enum node_state s);
/* another apply of the instance is live */
bool instance_taken(const struct world *w, uint32_t batch, uint32_t node);
void check_turn(struct world *w, uint32_t batch, const struct batch_row *was,
                const struct decisions *out);
void check_next(const struct world *w, uint32_t batch, const uint32_t *nodes, uint32_t n,
                uint32_t max, int64_t wake_ms);
void check_created(struct world *w, uint32_t batch, uint32_t node, uint32_t attempt);
void check_world(struct world *w);
void check_end(struct world *w);

#endif
