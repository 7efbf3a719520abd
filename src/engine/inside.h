/*
 * inside: what the files of engine/ share. Nothing outside engine/ includes it.
 *
 * A lane is worked on only by the writer thread, inside lane_body (lane.c): load what is hot, apply
 * pending facts, let ready nodes go, render what is due. What has to leave the house is prepared
 * there and handed over after the commit.
 */
#ifndef SIGNALBOX_ENGINE_INSIDE_H
#define SIGNALBOX_ENGINE_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "domain/batch.h"
#include "domain/gate.h"
#include "domain/hold.h"
#include "domain/settings.h"
#include "domain/workflow.h"
#include "engine/engine.h"
#include "engine/view.h"
#include "engine/work.h"
#include "exec/runner.h"
#include "forge/forge.h"
#include "store/batches.h"
#include "store/budget.h"
#include "store/changes.h"
#include "store/effects.h"
#include "store/facts.h"
#include "store/lanes.h"
#include "store/nodes.h"

enum {
    FACTS_PER_STEP = 128,               /* bounds one transaction; the lane comes back for more */
    HOT_BATCHES_MAX = 64,               /* ended ones are dropped first */
    /* run states that came before the answer that names the run */
    UNKNOWN_RUNS_KEPT = 256,
    /* dispatch accepted → listed: p99 10 s (forges.md §8.3), doubled */
    FIND_SETTLE_MS = 20000,
    FIND_AGAIN_MS = 2000,
    EFFECT_TRIES_MAX = 30,
    RETRY_FIRST_MS = 2000, RETRY_LAST_MS = 60000,
    /* a push to the ref makes it stale at once; this is for a lost push */
    WORKFLOW_FRESH_MS = 10 * 60 * 1000,
    SILENT_RUN_MS = 2 * 60 * 1000,      /* §10.7: sweep over runs older than two minutes */
    /* then the forge is asked which pull request it belongs to */
    UNMATCHED_UPLOAD_MS = 30 * 1000,
    BLOCKED_LOOK_MS = 2000,             /* another server may have released the lock */
};

/* A batch in memory: a cache of its rows, dropped whenever a transaction fails. */
struct hot {
    struct hot       *next;
    struct arena     *mem;
    struct batch_row  row;
    struct batch     *b;
    struct node_row  *node;
    uint32_t          count;
    str              *file;             /* distinct workflow files */
    struct workflow  *workflow;
    enum dispatch_error *file_error;    /* DISPATCH_OK when workflow[i] can be used */
    uint32_t          file_count;
    bool              files_loaded;
    /* What it may spend (budget.c); the scheduler may have added to the row meanwhile. */
    struct claim      claim, claim_stored;
    bool              claim_known, by_parts;
    int64_t           claim_spent;          /* in this step */
    uint64_t          asked_step;           /* the last step that asked for more */
    str               asked_gate;           /* and what it came to */
};

struct run_seen {
    int64_t run_id, attempt;
    enum forge_run_state state;
    char conclusion[24];
    char url[256];
};

/* Which node was let go in a step to see whether a full runner has room again. */
struct full_try { uint64_t step; int64_t batch_seq; uint32_t node; };

struct lane {
    struct engine *en;
    int64_t id, epoch;
    bool    half_done;                  /* a step began and has not been committed */
    bool    careful;                    /* the step is a repetition: a savepoint for each fact */
    atomic_bool owned;                  /* written by the writer thread */
    bool    loaded;
    struct arena        *mem;           /* of repo and settings */
    bool                 has_repo;
    struct lane_repo     repo;
    struct repo_settings settings;
    struct hot          *hot;
    int64_t             *inflight;      /* effect ids that were handed over */
    size_t               inflight_count, inflight_cap;
    struct run_seen      seen[UNKNOWN_RUNS_KEPT];
    size_t               seen_next;
    atomic_int_fast64_t  wake_ms;       /* when something is due without a fact; 0: never */
    int64_t              sweep_ms;      /* when silent runs are next looked for */
    /* when blocked nodes are looked at again; 0: when something changes */
    int64_t              look_ms;
    /* when the first run of an action is over its time; 0: there is none */
    int64_t              reap_ms;
    /* the runner that said it was full, and until when nothing is sent there; 0: it has room */
    struct { char name[SETTING_NAME_BYTES_MAX + 1]; int64_t until_ms; struct full_try try; } full;
    int64_t              due_ms;        /* when an effect that waits is due; 0: none */
    bool                 scan;          /* look at every open effect, not only at the new ones */
    atomic_bool          recheck;       /* lock gate: look at blocked nodes */
    atomic_bool          has_blocked;
    atomic_bool          reload;        /* repository or settings changed: read them again */
    bool                 fresh;         /* just loaded: open dispatches may have been sent */
    uint64_t             steps;
    /* guarded by engine.mutex */
    bool                 queued, again;
    struct step         *step;          /* of the job under way (writer thread) */
};

/* What leaves after the commit. */
struct outgoing {
    struct outgoing  *next;
    int64_t           effect_id;
    struct forge_call call;
    struct runner_call *runner;         /* a call of a runner instead */
    /* goes into the answer fact: e.g. the hash of what was sent */
    str               memo;
};

/* news.c: who listens. Others are other servers of the database. */
struct news_desk {
    pthread_mutex_t lock;
    engine_told    *told;               /* under lock; NULL: nobody here */
    void           *arg;
    atomic_bool     here;
    atomic_int_fast64_t others_until_ms;    /* monotonic; until then somebody listens elsewhere */
    atomic_int_fast64_t servers;            /* alive, ours included */
    atomic_bool     deaf;               /* what others say cannot be heard */
    int64_t         say_ms, doubt_ms;   /* of the listening thread */
    atomic_bool     began;              /* just now: say so */
};

struct engine {
    struct engine_config config;
    str                 database, server_id, public_url, workspace_id;
    struct arena       *mem;
    struct work        *work;
    enum db_kind        kind;
    pthread_mutex_t     mutex;          /* lanes table, readers, fact waiters */
    pthread_cond_t      changed;
    /* sorted by id; grows; entries live until the engine stops */
    struct lane       **lane;
    size_t              lane_count, lane_cap;
    struct db         **reader; bool *reader_out; unsigned readers_max;
    pthread_t           clock_thread, listen_thread;
    bool                listening, ticking;
    atomic_bool         stopping, quiet;
    int                 wake_fd;
    atomic_int_fast64_t find_settle_ms;
    atomic_uint_fast64_t facts, duplicates, effects_done, effects_failed;
    struct submission  *kept, *kept_last;           /* of the one thread that submits soon */
    int                 kept_count;
    struct news_desk    news;
};

/* One job of one lane. */
struct step {
    struct engine   *en;
    struct lane     *lane;
    struct db       *db;
    struct arena    *mem;
    int64_t          now_ms;
    struct outgoing *out, **out_last;
    /* change ids whose feedback may differ now */
    int64_t         *dirty; size_t dirty_count, dirty_cap;
    /* of them, those that a person waits for */
    int64_t         *urgent; size_t urgent_count, urgent_cap;
    /* effects whose answer was applied: no longer in flight */
    int64_t         *gone; size_t gone_count, gone_cap;
    /* other lanes that got facts in this transaction */
    int64_t         *poke; size_t poke_count, poke_cap;
    /* earliest time that matters; 0: none */
    int64_t          wake_ms;
    /* the poked lanes read their repository again */
    bool             reload_poked;
    bool             run_ended;                                 /* an instance may be free again */
    /* locks changed: look at blocked nodes */
    bool             step_recheck;
    bool             more;                                      /* facts were left */
    uint64_t         number;                                    /* of the lane's steps */
    struct budget_note *budget;                                 /* what answers said of quotas */
    struct budget_told *told;                                   /* whom they told to wait */
    bool             budget_freed;                              /* a batch ended with a claim */
    bool             schedule;                                  /* the scheduler has to look */
};

/* lane.c */
struct lane *lane_find(struct engine *en, int64_t id, bool make);
void lane_drop(struct lane *l);
/* Its next job reads repository and settings again. */
void lane_reload(struct engine *en, int64_t lane);
void lane_poke_locked(struct engine *en, struct lane *l);
void step_wake_at(struct step *s, int64_t at_ms);
/* An effect waits until then. */
void step_due_at(struct step *s, int64_t at_ms);
void step_dirty(struct step *s, int64_t change_id);
/* The same, at once: a person looks at it. */
void step_urgent(struct step *s, int64_t change_id);
/* Stores an effect and, when it is due, prepares it to leave. body is JSON. */
bool step_effect(struct step *s, const char *kind, str key, str body, int64_t not_before_ms,
                 struct err *e) MUST_CHECK;
bool step_audit(struct step *s, const char *category, const char *action, const char *actor_type,
                str actor, str target_type, str target, str description, struct err *e) MUST_CHECK;

/* hot.c */
bool hot_get(struct step *s, int64_t batch_seq, struct hot **out, struct err *e) MUST_CHECK;
bool hot_load_open(struct step *s, struct err *e) MUST_CHECK;
void hot_drop_all(struct lane *l);
/* Ended batches give way when there are many. Between two jobs: within one they are pointed to. */
void hot_trim(struct lane *l);
struct hot *hot_new(struct step *s);
bool hot_workflows(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
int  hot_file(const struct hot *h, str file);
str  edges_pack(struct arena *mem, const struct batch_edge *edge, size_t count);

/* news.c */
void news_open(struct engine *en, struct db *writer);   /* before work_start */
void news_start(struct engine *en);                     /* after it */
void news_close(struct engine *en);
/* What another server said (the listening thread). */
bool news_heard(struct engine *en, str payload);
/* Messages may have been lost in both directions. */
void news_lost(struct engine *en);
/* At least once a second. */
void news_turn(struct engine *en);
/* For tests: what stands in a message between servers. */
bool news_read(str payload, str *server, struct engine_news *out, struct db_note note[DB_NOTES_MAX]);
str  news_write(struct arena *mem, str server, const struct engine_news *n);

/* schedule.c: the only callers of batch_step outside the tests */
bool node_tell(struct step *s, struct hot *h, struct node_message m, enum node_verdict *verdict,
               struct err *e) MUST_CHECK;
bool node_refuse(struct step *s, struct hot *h, uint32_t node, enum dispatch_error code, str why,
                 struct err *e) MUST_CHECK;
bool batch_carry_out(struct step *s, struct hot *h, struct decisions *d, struct err *e) MUST_CHECK;
bool batch_try_start(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
/*
 * Before anything of an ended batch is sent again: one that was cancelled before it ever started
 * still lacks its workflow files.
 */
bool batch_reopen(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
bool lane_let_go(struct step *s, struct err *e) MUST_CHECK;
/* Blocked nodes are looked at again then: a lock runs out, or another server may have released one. */
void lane_look_at(struct step *s, int64_t at_ms);

/* Whoever orders something, and from where: "api", "checkbox", "comment"; "signalbox": by itself. */
struct orderer { str actor, type /* "token", "user", "system" … */, from; };

/* holds.c: what stands in the way of a whole batch (domain/hold.h) */
/*
 * Looks at every reason again, stores what stands with its numbers, holds the batch or lets it start
 * (batch_try_start calls it last). Claims the budget when nothing else stands. *may_go: nothing does.
 */
bool holds_look(struct step *s, struct hot *h, bool *may_go, struct err *e) MUST_CHECK;
/*
 * Batches of one change of which nothing was sent are looked at again (0: the held ones of the
 * lane), and start when nothing stands.
 */
bool holds_look_again(struct step *s, int64_t change_id, struct err *e) MUST_CHECK;
/*
 * A person lifts what a person may lift (kind HOLD_KIND_COUNT: all of it). ERR_CONFLICT when nothing
 * stands that a person may lift.
 */
bool holds_lift(struct step *s, struct hot *h, enum hold_kind kind, const struct orderer *by,
                str *note, struct err *e) MUST_CHECK;
/*
 * A person agrees that a batch larger than any safe budget goes in dependency levels. ERR_CONFLICT
 * when it need not.
 */
bool holds_parts(struct step *s, struct hot *h, const struct orderer *by, str *note,
                 struct err *e) MUST_CHECK;
/* It was merged: plans that are held need not go any more. */
bool holds_supersede(struct step *s, int64_t change_id, str by, struct err *e) MUST_CHECK;
/* ERR_CONFLICT for orders that mean something which was sent before: the batch is held. */
bool holds_refuse_again(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
/* It ended before anything of it was sent. */
bool holds_never_began(const struct hot *h);
/* What would hold such a batch if it were sent now, but for the budget; empty: nothing. */
bool holds_again(struct step *s, struct hot *h, str *why, struct err *e) MUST_CHECK;
/* A pull request was pushed to: the rapid-push breaker may trip. */
bool change_pushed(struct step *s, const struct change *c, struct err *e) MUST_CHECK;
/* Ends the rapid-push pause of a pull request; its newest head goes on. */
bool change_resume(struct step *s, int64_t change_id, const struct orderer *by, str *note,
                   struct err *e) MUST_CHECK;

/* budget.c: the installation's quota, shared by all lanes of all servers */
/* The row is locked until the transaction ends, so that two lanes never claim the same calls. */
bool budget_read(struct step *s, int64_t installation_id, struct budget *out, struct err *e) MUST_CHECK;
/* What a batch will draw from the safe budget: its dispatches. */
int64_t budget_cost(const struct hot *h);
/*
 * budget_read of the batch's installation, and whether the batch has a claim that is not spent:
 * asked together, because the scheduler may have granted one since.
 */
bool budget_ask(struct step *s, struct hot *h, struct budget *out, bool *has_claim,
                struct err *e) MUST_CHECK;
/* Gives the calls to the batch. The caller has asked budget_fits. */
bool budget_claim(struct step *s, struct hot *h, int64_t calls, struct err *e) MUST_CHECK;
/* The batch waits for budget: the scheduler of its installation is told. */
bool budget_wanted(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
/* It does not wait in line, but shows the quota's figures: the scheduler sees to it that they are new. */
bool budget_shown(struct step *s, struct err *e) MUST_CHECK;
/* An answer of the forge, as the fact tells it. Written by budget_end_step, once. */
void budget_heard(struct step *s, struct json answer);
/* A dispatch of the batch was answered: a call of its claim is spent. */
void budget_spent(struct hot *h);
/* The forge took no dispatch of the batch but told it to wait: it stands in line again. */
bool budget_limited(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
/* Why a node may not be sent for want of budget; empty when it may. Asks once a step. */
bool budget_gate(struct step *s, struct hot *h, str *gate, struct err *e) MUST_CHECK;
/* Nodes that its claim lets go now. */
bool budget_room(struct step *s, struct hot *h, int64_t *room, struct err *e) MUST_CHECK;
/* False: the installation was told to wait. */
bool budget_may_send(struct step *s, bool *may, struct err *e) MUST_CHECK;
/* The batch has ended: its row keeps nothing, whatever becomes of the batch in memory. */
bool budget_over(struct step *s, struct hot *h, struct err *e) MUST_CHECK;
bool budget_end_step(struct step *s, struct err *e) MUST_CHECK;
/* After the commit, before anything leaves: the port hears of orders to wait. */
void budget_tell(struct step *s);
/* Lane -installation_id: gives out what is safe, and sees to it that it is woken for the rest. */
bool budget_schedule(struct step *s, struct err *e) MUST_CHECK;
bool budget_quota_read(struct step *s, enum forge_outcome outcome, struct json result,
                       struct err *e) MUST_CHECK;
/* Fact "budget": a grant for a batch, or in the scheduler's lane a reason to look. */
bool apply_budget(struct step *s, struct json body, str *note, struct err *e) MUST_CHECK;

/* apply_order.c */
struct orderer orderer_of(struct step *s, const struct fact *f, struct json order);
/* The audit row that every order leaves: who, when, what, and from where. */
bool audit_order(struct step *s, const struct orderer *by, const char *category,
                 const char *action, str target_type, str target, str description,
                 struct err *e) MUST_CHECK;

/* settings_file.c: settings kept in git (domain/settings_file.h) */
bool settings_file_want(struct step *s, struct err *e) MUST_CHECK;
bool settings_file_prepare(struct step *s, const struct effect *f);
bool settings_file_answered(struct step *s, enum forge_outcome outcome, struct json result,
                            str message, struct err *e) MUST_CHECK;

/* orders.c: what people tick and write on the forge */
bool apply_comment(struct step *s, const struct forge_event *v, str *note, struct err *e) MUST_CHECK;
/* Fact "asked": ticks and texts of one version of one comment; the forge is asked who may. */
bool apply_asked(struct step *s, const struct fact *f, struct json body, str *note,
                 struct err *e) MUST_CHECK;
/* Effects "permission" and "reply". */
bool order_prepare(struct step *s, const struct effect *f, struct json body,
                   struct err *e) MUST_CHECK;
/* The forge's word about the permission (not one that passes): what was asked for is ordered, or nothing. */
bool permission_answered(struct step *s, const struct effect *f, enum forge_outcome outcome,
                         struct json result, str message, struct err *e) MUST_CHECK;
/* What came of an order that was given on the forge is told there. order: its body. */
bool order_carried_out(struct step *s, struct json order, const struct orderer *by,
                       struct err *e) MUST_CHECK;
bool order_refused(struct step *s, const struct fact *f, str why, struct err *e) MUST_CHECK;
/* Orders that only comments give. */
bool order_explain(struct step *s, struct json order, const struct orderer *by, str *note,
                   struct err *e) MUST_CHECK;
bool order_help(struct step *s, struct json order, const struct orderer *by, str *note,
                struct err *e) MUST_CHECK;

/* make.c */
bool batch_make(struct step *s, const struct change *c, const struct change_event *v, str upload_id,
                bool again, str *batch_id, str *note, struct err *e) MUST_CHECK;
bool batch_make_manual(struct step *s, struct json order, str actor, bool dry_run, str *note,
                       struct err *e) MUST_CHECK;

/* apply_*.c: one fact each; *note is what came of it */
bool apply_webhook(struct step *s, const struct fact *f, str body, str *note,
                   struct err *e) MUST_CHECK;
bool apply_house(struct step *s, const struct forge_event *v, str *note, struct err *e) MUST_CHECK;
/* Repositories of an installation: imported into the workspace, or brought up to date. */
bool house_import(struct step *s, str installation_id, struct json repos, struct err *e) MUST_CHECK;
bool apply_upload(struct step *s, str upload_id, bool asked, str *note, struct err *e) MUST_CHECK;
/* Uploads without an event: asked about, or given up after a day. */
bool uploads_sweep(struct step *s, struct err *e) MUST_CHECK;
bool apply_answer(struct step *s, struct json body, str *note, struct err *e) MUST_CHECK;
/* An answer that cannot be applied: its effect is no longer under way and is looked at again in a while. */
bool answer_set_aside(struct step *s, const struct fact *f, struct err *e) MUST_CHECK;
/* Fact "order", from wherever it was given. */
bool apply_order(struct step *s, const struct fact *f, struct json body, str *note,
                 struct err *e) MUST_CHECK;
bool apply_exec(struct step *s, struct json fact, str *note, struct err *e) MUST_CHECK;
bool apply_report(struct step *s, struct json body, str *note, struct err *e) MUST_CHECK;
bool apply_pull(struct step *s, const struct forge_event *v, str *note, struct err *e) MUST_CHECK;

/* actions.c: what is set off in a repository, and runs on a runner */
struct runner_news {
    enum runner_outcome outcome;
    int64_t wait_ms;
    str message, code, memo;            /* memo: what went along when the call was prepared */
    struct json result;
};
/* In its own words: a 404 alone may be of a proxy, or of a runner that has no such route. */
bool runner_knows_no_such_run(const struct runner_news *n);
bool action_start(struct step *s, struct json order, const struct orderer *by, str *note,
                  struct err *e);
bool action_stop(struct step *s, struct json order, const struct orderer *by, str *note,
                 struct err *e);
/* Effects "action_dispatch" and "action_cancel": the key is the id of the run. */
bool action_prepare(struct step *s, const struct effect *f, struct err *e) MUST_CHECK;
bool action_answered(struct step *s, const struct effect *f, const struct runner_news *n,
                     struct err *e) MUST_CHECK;
/* Where a runner reports what becomes of this run, and its token for that. */
bool action_callback(struct step *s, str run_id, int64_t expires_ms, str *url, str *token,
                     struct err *e) MUST_CHECK;
/* Fact "callback": what a runner reports, of actions and of nodes. ERR_CONFLICT when the run has ended. */
bool apply_callback(struct step *s, struct json body, str *note, struct err *e) MUST_CHECK;
/* Runs whose time is over; wakes the lane for the next one. */
bool actions_reap(struct step *s, struct err *e) MUST_CHECK;

/* node_runner.c: nodes of a batch on a registered runner */
bool on_runner(const struct hot *h);
/*
 * An attempt on a runner: fills what the run's row lacks, and the body of its effect
 * "runner_dispatch". *refused: it cannot be sent, *why.
 */
bool node_runner_begin(struct step *s, struct hot *h, uint32_t node, const struct instance *i,
                       struct json inputs, struct run_row *r, str *body,
                       enum dispatch_error *refused, str *why, struct err *e) MUST_CHECK;
/* Effect "runner_cancel": its process group ends, if it is there. */
bool node_runner_stop(struct step *s, str run_id, struct err *e) MUST_CHECK;
/* Why a node may not be sent to its runner now, which is full; empty when it may. */
void node_runner_gate(struct step *s, const struct hot *h, uint32_t node, str *gate);
bool node_runner_prepare(struct step *s, const struct effect *f, struct json body, bool maybe_sent,
                         struct err *e) MUST_CHECK;
bool node_runner_answered(struct step *s, const struct effect *f, const struct runner_news *n,
                          struct err *e) MUST_CHECK;
/* A callback about a node's run. ERR_CONFLICT when it has ended. */
bool node_runner_heard(struct step *s, struct run_row *r, struct json body, str *note,
                       struct err *e) MUST_CHECK;

/* trees.c: is what a merge applies what is on the base branch now? */
bool trees_want(struct step *s, const struct hot *h, const struct change *c,
                struct err *e) MUST_CHECK;
bool trees_prepare(struct step *s, const struct effect *f, struct json body, bool maybe_sent,
                   struct err *e) MUST_CHECK;
/* tree: empty when the commit could not be read; nobody is warned then. */
bool trees_answered(struct step *s, const struct effect *f, str tree, struct err *e) MUST_CHECK;

/* runs.c: the word of the forge about a run */
struct run_news {
    int64_t run_id, attempt;
    enum forge_run_state state;
    str conclusion, title, path, url;
    int64_t created_ms, started_ms, updated_ms;
};
bool run_heard(struct step *s, const struct run_news *n, str *note, struct err *e) MUST_CHECK;
/* The run of a dispatch is known now (or the dispatch is known to have taken effect, run_id 0). */
bool run_accepted(struct step *s, str run_id, int64_t forge_run_id, str url,
                  struct err *e) MUST_CHECK;
/* The same about a run that is known: what the core and the rows make of it. */
bool run_told(struct step *s, struct run_row *r, const struct run_news *n, str *note,
              struct err *e) MUST_CHECK;
/*
 * Surely no effect: the attempt is taken back, the node is ready again, not before then (0: after a
 * while that grows with the tries). Nothing of it exists anywhere, so its row goes too. code and
 * text, or empty: why, for the node.
 */
bool run_put_back(struct step *s, const struct run_row *r, int64_t not_before_ms, str code,
                  str text, struct hot **out, struct err *e) MUST_CHECK;
bool runs_sweep(struct step *s, struct err *e) MUST_CHECK;

/* report.c: check and comment */
bool report_want(struct step *s, int64_t change_id, bool urgent, struct err *e) MUST_CHECK;
bool report_prepare(struct step *s, const struct effect *f, bool maybe_sent,
                    struct err *e) MUST_CHECK;
/*
 * memo: what report_prepare sent along. ok false: the object is gone over there and is made anew.
 */
bool report_answered(struct step *s, const struct effect *f, struct json memo, bool ok,
                     int64_t forge_object, struct err *e) MUST_CHECK;
/* The forge said no for good: whether an earlier try made the object is not known. */
bool report_refused(struct step *s, const struct effect *f, struct json memo,
                    struct err *e) MUST_CHECK;

/* outbox.c */
/*
 * maybe_sent: an earlier life of this server may have carried it out already (dispatches and new
 * checks care: they are looked for first).
 */
bool outbox_prepare(struct step *s, const struct effect *f, bool maybe_sent,
                    struct err *e) MUST_CHECK;
void outbox_add(struct step *s, int64_t effect_id, const struct forge_call *call, str memo);
/*
 * Body, token and mask live in the step's memory: they are wiped once they were handed over. memo
 * comes back with the answer.
 */
void outbox_add_runner(struct step *s, int64_t effect_id, const struct runner_call *call, str memo);
/* An effect is over, one way or the other: counted, and in the log when it came to nothing. */
bool effect_end(struct step *s, const struct effect *f, bool given_up, str note,
                struct err *e) MUST_CHECK;
/*
 * The forge did not do it: another try later, with back-off and jitter; given up after
 * EFFECT_TRIES_MAX.
 */
bool outbox_later(struct step *s, const struct effect *f, int64_t not_before_ms, str note,
                  struct err *e) MUST_CHECK;
void outbox_hand_over(struct step *s);

static inline bool push_i64(struct arena *mem, int64_t **at, size_t *count, size_t *cap, int64_t v)
{
    if (*count == *cap) {
        size_t grown = *cap ? *cap * 2 : 8;
        *at = arena_grow(mem, *at, *cap, grown, sizeof **at);
        *cap = grown;
    }
    (*at)[(*count)++] = v;
    return true;
}

#endif
