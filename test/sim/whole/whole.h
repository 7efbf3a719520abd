/*
 * whole: the whole engine in a pretended world, in virtual time, from one seed. The engine, its
 * store and its database are the real ones (machine.h); the forge, the people, the network and the
 * mishaps are made up here.
 *
 *   world.c    how it begins and ends
 *   machine.c  threads, time, chance, and the moment of a commit
 *   forge.c    the truth over there: pull requests, runs, checks, comments; answers that get lost
 *   runner.c   the truth on a self-hosted runner: what it takes, runs and says of it
 *   limits.c   it counts calls and refuses some; the client that obeys
 *   comments.c what people tick, write, edit and delete over there
 *   people.c   who pushes, merges, makes drafts ready, changes settings, locks and orders
 *   chance.c   what happens next: a hostile time, then kind days in which all must come to an end
 *   stage.c    … or stories, in which nothing happens by chance (test_*.c)
 *   check.c    the invariants of architecture.md §7, asked of the rows and of the truth after every
 *              commit; shares no code with the engine. check_holds.c: of what is held;
 *              check_orders.c: of orders; check_locks.c: of who ends whose lock; check_budget.c: of
 *              what may be spent
 */
#ifndef SIGNALBOX_TEST_SIM_WHOLE_H
#define SIGNALBOX_TEST_SIM_WHOLE_H
#include "base/arena.h"
#include "exec/runner.h"
#include "forge/forge.h"
#include "machine.h"

enum {
    PULLS = 3,
    HEADS = 8,
    INSTANCES = 6,
    RUNS = 2000,
    CALLS = 400,
    MAIL = 4000,
    UPLOADS = 80,
    PAPERS = 300,
    REMARKS = 200,
    ASKED = 400,
    ACCEPTED = 8000,
    SEEN = 4000,
    LOCKS = 16,
    GRANTS = 2000,
    SKIPS = 400,
    TALKS = 100,
    REPORTS = 4000,
    BATCHES = 4000,
    LISTED_AFTER_MS = 9000,     /* less than the engine's patience with a dispatch that is not listed */
};

struct pull {
    int         number, head;
    const char *state;                  /* open, closed, merged; NULL: not opened yet */
    bool        draft;
    int64_t     updated_ms, merged_ms;
};

struct run {
    int64_t     id, created_ms, listed_ms, started_ms, updated_ms;
    char        run_id[40], component[8], file[16], title[96];
    int         attempt;
    enum { RUN_QUEUED, RUN_WAITS, RUN_GOES, RUN_OVER } state;
    const char *conclusion;
    bool        stop, by_hand, apply;
    /* on a runner; forgotten: with its disk */
    char        uuid[40];
    const char *reason;
    uint64_t    digest;                 /* of what it was sent */
    bool        forgotten;
};

/* A call to the runner; what it is about to say of a run. */
struct talk { bool used, read; int64_t serial; char *url, *body; runner_done *done; void *ctx; };
struct report { bool waits; const struct run *run; const char *status, *reason; };

/* left: it is on the wire, and not in the client any more. */
struct call { bool used, left; int64_t serial; struct forge_call c; forge_done *done; void *ctx; char *bytes; };

struct mail {
    enum { MAIL_SENT, MAIL_FAILED, MAIL_STORED } state;
    int64_t     id, sent_ms;
    char        event[24], guid[24];
    bool        again;                  /* a copy is still on its way */
    char       *body;
};

struct upload { bool waits; char id[16], head[44], session[120]; char *stacks; };

/* A check or a comment of ours: whose it is, and what it says; older: before somebody's edit. */
struct paper { int64_t id; bool comment, refused, deleted; char of[128]; char *text, *older; };

/* Somebody's comment, or ours as the forge tells of it. */
#define OUR_LOGIN "signalbox[bot]"
struct remark { int64_t id, number; const char *author; char *text; };

/* How often a person ordered something on a pull request, and how often it was carried out. */
struct asked { char login[12], order[24], from[12]; int64_t number; uint32_t times, carried_out; };

/* How a secondary limit is told. */
enum told_form {
    TOLD_429_SECONDS, TOLD_403_SECONDS, TOLD_DATE, TOLD_RESET, TOLD_NOTHING, TOLD_FORMS
};
/* The truth about the installation's quota; what of it stands in our rows. */
struct quota {
    int64_t limit, remaining, reset_ms, told_until_ms;
    enum told_form form;
    int64_t tell_next, tell_ms;         /* a story: so many dispatches are told to wait so long */
    int64_t calls, refused, dispatches, windows;
};
struct quota_row { int64_t limit, remaining, reset_ms, blocked_until_ms, known; };

/* serial: of all that were ever taken, which its message says. */
struct lock { char folded[64]; int64_t expires_ms, serial; };

/* A node behind a lock, as somebody saw it, and the order not to wait for that lock. */
struct wait { char batch[44], component[8]; int64_t node, token, serial; };
struct skip { const char *who; struct wait seen; bool carried_out; };

struct world {
    uint64_t      seed, state;
    bool          trace, kind;          /* kind: nothing goes wrong any more */
    bool          staged;               /* a story: nothing happens by chance */
    uint32_t      die_at;               /* so many commits later; 0: not */
    enum commit_fate die_how;
    uint32_t      step;
    struct arena *mem, *look_mem;
    char          dir[64];
    str           url;
    struct db    *look;
    struct forge_port port;
    struct runner_port runner_port;
    /* of this seed */
    bool          titles, answers_id, again, slow;
    bool          comments;             /* are wanted */
    bool          holds;                /* drafts, bursts of pushes, thresholds */
    bool          people;               /* tick, write, edit and delete comments */
    bool          limits;               /* a small quota, and hours that go by */
    bool          runners;              /* some nodes go to a runner */
    uint32_t      room;                 /* that so many may wait on */
    int64_t       skew_ms;              /* of the forge's clock */
    uint32_t      told_percent, nonsense;   /* of its answers */
    const char   *settings;             /* NULL: as chance says */
    uint32_t      wide;                 /* some batches are so much larger */
    uint32_t      mishaps, bad_disk;    /* percent of calls, of commits, that go wrong */
    bool          edge[INSTANCES][INSTANCES];

    /* the truth */
    struct pull   pull[PULLS];
    struct run    run[RUNS];
    uint32_t      runs;
    struct mail   mail[MAIL];
    uint32_t      mails;
    struct upload upload[UPLOADS];
    uint32_t      uploads;
    struct paper  paper[PAPERS];
    uint32_t      papers, unwritten;    /* unwritten: refused before there was one */
    struct remark remark[REMARKS];
    uint32_t      remarks;
    struct asked  asked[ASKED];
    uint32_t      askeds;
    int64_t       grants;
    struct quota  quota;
    int64_t       turned_away;      /* calls that were answered before the quota was asked */
    struct call   call[CALLS];
    struct talk   talk[TALKS];
    struct report report[REPORTS];
    uint32_t      reports, on_runner;
    int64_t       away_until_ms;
    int64_t       serial;

    /* what the checks remember */
    int64_t       accepted[ACCEPTED];
    uint32_t      accepted_count;
    char          seen[SEEN][40];
    uint32_t      seen_count;
    struct lock   lock[LOCKS];
    uint32_t      locks;
    /* of each grant: somebody may have given it back; the audit says that it was ended */
    bool          given_back[GRANTS], ended[GRANTS];
    struct skip   skip[SKIPS];
    uint32_t      skips;
    struct wait   wait;                 /* of a while ago */
    int64_t       applied_upto, applied_sum;
    bool          began[BATCHES];       /* batches that run */
    int64_t       audited;              /* rows that were looked at */
    int64_t       given, blocked_before_ms;
    struct quota_row word;

    uint64_t      digest;               /* of everything that was told: the same seed, the same history */
    uint64_t      commits, crashes, lost, requests, held, obeyed, skipped;
};
extern struct world *now;

_Noreturn void world_broken(const char *file, int line, const char *what, const char *why,
                            long long a, long long b);
/* why: the rule in words; a and b: whatever numbers help. */
#define MUST(cond, why, a, b) ((cond) ? (void)0 : world_broken(__FILE__, __LINE__, #cond, (why), (long long)(a), (long long)(b)))
void narrate(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* world.c */
void world_catch_ends(void);            /* whatever ends the program: the seed is said */
void world_open(uint64_t seed, bool trace);
void world_furnish(void);               /* a server, a repository; then `now->kind` as it was */
void world_close(void);

/* chance.c */
uint32_t roll(uint32_t n);              /* 0 … n-1 */
bool     chance(uint32_t percent);      /* of something bad: never while the world is kind */
void     server_start(void);
void     server_dies(void);
void     turns(uint32_t max);           /* of the writer; a machine that died is started again */
struct mail *some_mail(void);           /* that is on its way; NULL: none */
void     mail_deliver(struct mail *m);
void     some_upload(void);
bool     nothing_is_on_its_way(void);
void     head_name(char out[44], const struct pull *p, int head);
/* The CI workflow of the pull request runs the CLI. wide: that many stacks, or 0. */
void     affect(const struct pull *p, uint32_t wide);
void     world_run(void);               /* a history by chance */

/* people.c */
str  settings_text(struct arena *mem);
void settings_change(str text);
void command_by(const char *who, const char *json);
void command(const char *json);
void some_command(void);
void many_orders(uint32_t count);       /* of one stack each */
void let_go_one(const char *batch);
void people_let_go(void);
void some_lock(bool take, uint32_t i);
void some_lock_of(const char *component);
int64_t grant_in(str message);          /* which of all locks it is of; 0: of none */
bool some_wait(struct wait *w);         /* a node behind a lock; false: there is none */
void skip_wait(const char *who, const struct wait *w);
void some_skip(void);
void some_pull(void);
void check_rerequested(void);
struct run *some_live_run(void);

/* comments.c */
const char *permission_of(str login);   /* NULL: nobody knows them */
bool may_order(str login);
struct asked *asked_of(str login, str order, str from, int64_t number);
void comment_mail(const char *action, const struct remark *c, const char *before,
                  const char *sender);
/*
 * The nth control of our comment that is not ticked; `also`: somebody who does the same and sees the
 * same text. False: there is none.
 */
bool person_ticks(struct paper *p, const char *who, uint32_t nth, const char *also);
void person_edits(struct paper *p, const char *who, const char *text);
void person_deletes(struct paper *p, const char *who);
struct remark *person_writes(int64_t number, const char *who, const char *text);
void person_rewrites(struct remark *c, const char *who, const char *text);
void some_comment(void);

/* forge.c */
void forge_call(void *self, const struct forge_call *c, forge_done *done, void *ctx);
void forge_answer(struct call *c);      /* carries it out, or loses it */
void forge_dies(void);                  /* of calls under way some arrived; nobody hears of them */
struct call *forge_waiting(uint32_t nth);
uint32_t forge_waiting_count(void);
void run_advance(struct run *r);
void run_by_hand(struct run *r);
void run_ends(struct run *r, const char *conclusion);
void pull_mail(const struct pull *p, const char *action);
void mail_send(const char *event, str body);
bool run_is_live(const struct run *r);
/* The check of this commit; our comment that begins like this. */
struct paper *paper_like(bool comment, str part);

/* Not counted yet: check_run_made, then now->runs++. */
struct run *run_new(str run_id, str component, str file);

/* runner.c */
#define SEAL_KEY ((const uint8_t *)"thirty-two bytes, as keys have..")
enum runner_way {
    RUNNER_HEARD, RUNNER_UNHEARD, RUNNER_TWICE, RUNNER_CUT, RUNNER_AWAY, RUNNER_TOO_OFTEN,
    RUNNER_DENIES, RUNNER_ELSEWHERE
};
void runner_call(void *self, const struct runner_call *c, runner_done *done, void *ctx);
void runner_answers(struct talk *t, enum runner_way way);
void runner_unheard(void);              /* a server died: of its calls some arrived */
struct talk *runner_waiting(uint32_t nth);
uint32_t runner_waiting_count(void);
void runner_run_advances(struct run *r);
void runner_run_ends(struct run *r, const char *conclusion);
void runner_dies(int64_t away_ms);
void runner_forgets(void);
struct report *some_report(void);       /* that it is about to say; NULL: none */
void report_deliver(struct report *p);
void runner_happens(void);              /* by chance */

/* limits.c */
enum leaving { LEAVES, STAYS, TOLD_TO_WAIT };
void client_dies(void);
void client_told(void *self, int64_t installation_id, int64_t until_ms);
enum leaving client_lets(struct call *c, struct forge_answer *a);
/* It has arrived, and is counted. False: refused because of a limit; *a says so. */
bool forge_takes(struct arena *mem, const struct forge_call *c, struct forge_answer *a);
int64_t forge_now_ms(void);             /* what its clock shows */

/* check.c */
void check_departure(const struct forge_call *c);
void check_commit(void);
void check_run_made(const struct run *r);
void check_call(const struct forge_call *c);
void check_sent_to_runner(str uuid);    /* a dispatch */
void check_end(void);
void check_held(void);                  /* at rest: what is held is held rightly, and says so */
void check_same_bytes(void);
/* The one number, or text, that it gives. A statement is known by its address: it is a literal. */
int64_t ask_(const char *sql, const struct arg *args, size_t count);
str  ask_text_(const char *sql, const struct arg *args, size_t count);
#define ask(sql) ask_("" sql, NO_ARGS)
#define ask_text(sql) ask_text_("" sql, NO_ARGS)
#define ask_of(sql, ...) ask_("" sql, ARGS(__VA_ARGS__))
#define ask_text_of(sql, ...) ask_text_("" sql, ARGS(__VA_ARGS__))

#endif
