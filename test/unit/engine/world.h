/*
 * world: a real engine on a real database beside a forge in memory that does as the test says.
 */
#ifndef SIGNALBOX_TEST_UNIT_ENGINE_WORLD_H
#define SIGNALBOX_TEST_UNIT_ENGINE_WORLD_H
#include <pthread.h>

#include "both.h"
#include "engine/engine.h"
#include "exec/runner.h"
#include "forge/forge.h"

enum { RUNS_MAX = 4096 };

enum mood { KIND, LOSES_ANSWER_AFTER, LOSES_ANSWER_BEFORE, UNREACHABLE, LIMITS, REFUSES };

struct pretend_run {
    int64_t id;
    char run_id[40], component[64], stack[64], title[200], file[64];
    bool announced;
};

/* On the pull request's page, as people see it. */
enum { COMMENTS_MAX = 8, COMMENT_FIRST = 72, BACK_MAX = 8, PEOPLE_MAX = 8 };
struct pretend_comment { bool by_us, deleted; char text[70000]; };
struct pretend_person { const char *login, *permission; };
/* An answer that the forge has not given yet. */
struct pretend_answer { forge_done *done; void *ctx; int64_t id; };

struct world {
    struct both       *both;
    struct engine     *engine;
    struct forge_port  port;
    struct runner_port runner;          /* none: nothing of an action leaves */
    uint8_t            key[32];         /* seals secrets, makes tokens */
    pthread_mutex_t    mutex;
    enum mood          mood;            /* of the next `mood_left` dispatches; then KIND */
    int                mood_left;
    bool               title_has_id, answers_run_id, fault_after_dispatch;
    bool               draft;           /* what world_pull says of the pull request */
    bool               files_away;      /* workflow files cannot be read at the moment */
    const char        *workflow_text;
    const char        *settings_file;   /* .github/signalbox.yaml; NULL: there is none */
    struct pretend_run run[RUNS_MAX];
    int                before;          /* runs before the part that a test is about */
    int                runs, dispatch_calls, find_calls, check_calls, comment_calls, cancel_calls;
    int                review_calls;
    char               last_review[32];
    char               last_check[70000], last_comment[70000];
    /* comment i has the id COMMENT_FIRST + i */
    struct pretend_comment comment[COMMENTS_MAX];
    int                comments;
    struct pretend_person person[PEOPLE_MAX];
    int                permission_calls, permission_left;
    enum mood          permission_mood;     /* of the next `permission_left` questions */
    int                gone_edits;          /* of comments that had been deleted */
    int                comment_lost;        /* so many answers to writing a comment are lost */
    bool               answers_late;        /* comments are written; world_answer tells so */
    struct pretend_answer back[BACK_MAX];
    int                backs;
    struct forge_call  pull;            /* what FORGE_READ_PULL answers is pull_json */
    const char        *pull_json;
    const char        *merge_tree;      /* of the merge commit; every other commit has tree "same" */
    int64_t            next_delivery;
};

extern const char *const workflow_usual;
#define WORLD_PRO                                                                                        \
    "\"settings\":{\"pro\":{\"enabled\":true,\"pull_request\":{"                                   \
    "\"opened\":{\"workflows\":{\"plan.yaml\":{\"inputs\":{\"component\":\"{{ .atmos_component "   \
    "}}\",\"stack\":\"{{ .atmos_stack }}\"}}}},"                                                   \
    "\"synchronize\":{\"workflows\":{\"plan.yaml\":{\"inputs\":{\"component\":\"{{ "               \
    ".atmos_component }}\",\"stack\":\"{{ .atmos_stack }}\"}}}},"                                  \
    "\"merged\":{\"workflows\":{\"apply.yaml\":{\"inputs\":{\"component\":\"{{ .atmos_component "  \
    "}}\",\"stack\":\"{{ .atmos_stack }}\"}}}}}}}"
#define WORLD_NODE(c, deps) "{\"component\":\"" c "\",\"stack\":\"prod\"," WORLD_PRO ",\"dependents\":[" deps "]}"
/* vpc → eks → app, and dns alone: plan.yaml, and apply.yaml once merged. */
extern const char *const world_chain;
/* Who uploads: the workflow of pull request 7, and that of main after its merge. */
extern const char *const world_pull_session, *const world_merge_session;

/* engine, workspace ws_test, repository 1 acme/infra */
void world_start(struct world *w, struct both *b);
/* The same with a runner. */
void world_start_with(struct world *w, struct both *b, struct runner_port runner);
void world_stop(struct world *w);
/* stops the engine without letting it finish, starts another: again when an armed fault forbade it */
void world_crash(struct world *w);
/* Stops the engine, or goes on after a start that failed: true when the next one does, at the nth statement. */
bool world_start_fails(struct world *w, int64_t nth);

/*
 * A webhook of GitHub's, as it would be stored. guid NULL: a new one. Waits until it was applied.
 */
void world_webhook(struct world *w, const char *event, const char *guid, const char *json);
void world_pull(struct world *w, const char *action, int number, const char *head, bool merged,
                int64_t at_s);
/*
 * Settings as the API would store them (NULL: as they are); the lane reads its repository again.
 * more: a statement besides, NULL: none. A literal: statements are known by their address.
 */
void world_settings(struct world *w, const char *json, const char *more);
/* The document of `count` stacks that wait for nothing: plan.yaml, and apply.yaml once merged. */
const char *world_stacks(struct world *w, int count);
/* An upload of a chain or of what `stacks` says; waits until applied. session: JSON of claims. */
void world_upload(struct world *w, const char *id, const char *head, const char *session,
                  const char *stacks);
/* Somebody did something to a comment: "created", "edited" (from before to what stands there). */
void world_comment(struct world *w, const char *action, int comment, const char *sender,
                   const char *before, const char *guid);
/* A person's comment on pull request 7; its index. */
int world_writes(struct world *w, const char *sender, const char *text);
/* Ticks the control of this order in our comment, as a person would, once it is there; the forge tells. */
void world_tick(struct world *w, const char *order, const char *sender, const char *guid);
/* The answers that were late. */
void world_answer(struct world *w);
void world_run_webhook(struct world *w, int run, const char *status, const char *conclusion,
                       int attempt);
/* A fact of any kind; its note. */
str  world_fact(struct world *w, const char *kind, const char *json, bool *refused);
str  world_order(struct world *w, const char *json, bool *refused);

/* Waits of this file and its tests: 40 s at the least, for a loaded machine is no failure. */
enum { UNTIL_TRIES = 8000, APPLIED_MS = 60 * 1000 };
void world_moment(void);
/* Waits until the condition holds; it is looked at while the forge in memory stands still. */
#define until_so(w, condition)                                        \
    do {                                                              \
        for (int tries_ = 0;; tries_++) {                             \
            pthread_mutex_lock(&(w)->mutex);                          \
            bool so_ = (condition);                                   \
            pthread_mutex_unlock(&(w)->mutex);                        \
            if (so_)                                                  \
                break;                                                \
            if (tries_ == UNTIL_TRIES)                                \
                stop_test("it never came: %s\n", #condition);         \
            world_moment();                                           \
        }                                                             \
    } while (0)
/*
 * Waits until every fact is applied and every call that is due has been answered. A row is there before
 * its call leaves; what waits for a later time (a comment is not written all the time) may wait on.
 */
void world_rests(struct world *w);
/* Waits until the query gives this number; stops the test with what it gave. */
#define until(w, want, sql) until_((w), (want), "" sql, __FILE__, __LINE__)
void until_(struct world *w, int64_t want, const char *sql, const char *file, int line);
int64_t now_is(struct world *w, const char *sql);
str world_text(struct world *w, const char *sql);

#endif
