/*
 * forge/inside: what the files of the GitHub port share.
 *
 * Confinement instead of locks: everything of struct github but `identity` and `servers` belongs
 * to the HTTP client's thread. A call from elsewhere is copied into a job and carried over to that
 * thread; from then on the job goes from answer to answer, alone in its own arena, until job_end.
 */
#ifndef SIGNALBOX_FORGE_INSIDE_H
#define SIGNALBOX_FORGE_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>

#include "base/jwt.h"
#include "domain/budget.h"
#include "forge/forge.h"
#include "http/client.h"

enum {
    PAGES_MAX = 20, PAGE_SIZE = 100, REDIRECTS_FOLLOWED_MAX = 3,
    TOKEN_SPARE_MS = 5 * 60 * 1000,     /* a token is renewed when less than this remains of it */
    CALL_MS = 30 * 1000,
};

struct job;

/* Who a request is from. */
enum github_auth { AUTH_NONE, AUTH_APP, AUTH_INSTALLATION };

/* What the numbers and words of a response order. */
struct limit_order {
    struct forge_quota quota;
    bool    is_limit;           /* this answer is a refusal because of a limit … */
    bool    too_fast;           /* … on the pace, not the end of the hour's quota */
    int64_t wait_ms;            /* told by the answer; 0: it does not say */
    int64_t spent_ms;           /* a good answer, but the last of the quota for so long; or 0 */
};

struct quota_word { int64_t limit, remaining, reset_ms; };      /* limit 0: none yet */

/* Requests of one class that wait for their turn, lowest first. */
struct line { struct job *first, *last; };

/* One installation, or the App itself (id 0). */
struct party {
    struct party *next;
    int64_t id;
    int64_t limited_until_ms;   /* of the steady clock */
    unsigned strikes;           /* refusals in a row that did not say how long */
    struct quota_word quota;    /* the last that was believed */
    struct quota_word doubt;    /* said since, but it ran backwards */
    char   *token;              /* malloc; wiped when dropped */
    size_t  token_len;
    int64_t token_ends_ms;      /* of the forge's clock */
    uint64_t generation;        /* of the token: is a 401 about the present one? */
    bool    fetching;
    struct job *waiting, **waiting_last;    /* for the token */
    struct line line[CALL_CLASS_COUNT];
    uint64_t turns;                         /* given out */
    bool    draining;
    struct arena *mem;                      /* of the pace; NULL until something was sent */
    struct pace *pace;
};

/* ---- github_limit.c ---- */
void limit_read(struct job *j, const struct http_answer *a, str message, struct limit_order *out);
/* Somebody else was told to wait. From any thread. */
void limit_post(struct github *g, int64_t installation_id, int64_t until_ms);
/* What is believed of such numbers; -1: missing or unreadable. */
void quota_judge(struct job *j, int64_t limit, int64_t remaining, int64_t reset_s, str resource,
                 struct forge_quota *out);
bool party_limited(const struct party *p, int64_t steady_ms);
/* What an answer orders. Returns until when to wait, for a refusal. */
int64_t party_told(struct party *p, const struct limit_order *o, bool success, int64_t steady_ms);

/* ---- github_clock.c ---- */
/* "Sun, 06 Nov 1994 08:49:37 GMT", the only form that is still sent (RFC 9110 §5.6.7). */
bool http_date_read(str s, int64_t *utc_ms);
void clock_learn(struct github *g, const struct http_answer *a);
int64_t clock_there_ms(const struct github *g);                     /* what it shows now */
int64_t clock_ours_ms(const struct github *g, int64_t there_ms);    /* 0 stays 0 */

struct github {
    struct http_client *client;
    str      api_base, origin, api_version;
    int64_t (*now_ms)(void *);
    int64_t (*steady_ms)(void *);           /* never set: what is waited for is measured by it */
    void    *now_self;
    struct arena *mem;                      /* the configuration */

    pthread_mutex_t identity;               /* guards the next five: changed while running */
    bool     stopped;
    int64_t  app_id;
    char    *bot_login;
    struct jwt_key *key;
    uint64_t key_generation;

    struct party *parties[64];
    char    *app_token;                     /* malloc, wiped when dropped */
    size_t   app_token_len;
    int64_t  app_token_ends_ms;
    uint64_t seen_generation;               /* of the key that all tokens here come from */
    bool     no_run_details;                /* this host refuses `return_run_details` (GHES) */
    struct pace_limits limits;
    atomic_int_fast64_t servers;            /* that divide them; set by any thread */
    bool     clock_known;                   /* the forge has shown its clock … */
    int64_t  ahead_ms;                      /* … which is so much ahead of ours */
    bool     unpaced;                       /* stopping: what waits ends now */
    /* when what waits is looked at again; 0: nothing waits */
    int64_t  alarm_ms;
};

/* A response that is the job's to interpret: anything but limits, 401s, redirects, lost answers. */
struct reply {
    struct arena *mem;                      /* dies after take */
    int           status;
    struct json   body;                     /* absent when there was none */
    str           message;                  /* of an error */
    const struct http_answer *http;
};

typedef void job_take(struct job *j, const struct reply *r);

struct job {
    struct github *g;
    struct arena  *mem;
    struct forge_call call;
    forge_done    *done;
    void          *ctx;
    void         (*begin)(struct job *j);
    struct job    *next_waiting;            /* for a token or its turn */
    uint64_t       turn;                    /* kept from its first request to its end */
    int64_t        began_mono_ms;
    unsigned       calls;
    struct forge_quota quota;

    /* the request under way */
    enum github_auth auth;
    enum http_method method;
    enum call_class  class;
    struct pace_call sent;
    bool       is_out;                      /* the pace has been told that it left */
    str        url, body, etag;
    job_take  *take;
    bool       fresh_token;                 /* already repeated after a 401 */
    unsigned   redirects;
    uint64_t   generation;

    /* what the steps gather */
    struct buf      buf;
    struct json_out out;
    unsigned pages;
    const struct job_list *list;
    int      phase;
    int64_t  found, oldest_ms, total, seen;
    void    *notes;
};

/* ---- github_job.c: the life of a job ---- */
struct job *job_new(struct github *g, const struct forge_call *c, void (*begin)(struct job *),
                    forge_done *done, void *ctx);
/* Has `there` called on the client's thread. From any thread. False after github_stop. */
bool client_post(struct github *g, void (*there)(void *ctx, const struct http_answer *a),
                 void *ctx);
/* Carries the job over to the client's thread, where `begin` is called. From any thread. After
 * github_stop it ends here. */
void job_post(struct job *j);
/* Sends a request; the answer comes to take. url: path and query below api_base, or a whole address
 * that begins with it. An effect is what is not a GET. */
void job_send(struct job *j, enum http_method method, str url, str body, job_take *take);
/* POSTs something that notifies people. */
void job_say(struct job *j, bool last_word, str url, str body, job_take *take);
void job_depart(struct job *j, struct party *p);    /* its turn has come */
void job_send_now(struct job *j);           /* the request is complete but for its authorization */
/* Ends the job: `done` is called, the job is gone. */
void job_ok(struct job *j, str result);
void job_fail(struct job *j, enum forge_outcome outcome, int64_t status, str message);
void job_limited(struct job *j, int64_t status, str message, int64_t wait_ms);
/* Status ≥ 300 by the common rules. */
void job_refused(struct job *j, const struct reply *r);
static inline bool reply_ok(const struct reply *r) { return r->status >= 200 && r->status < 300; }
struct party *job_party(struct job *j);
/* An answer that is not what GitHub sends. */
void job_garbage(struct job *j, int64_t status, const char *what);

/* Lists: pages by Link rel=next. `item` is called for each element of the array under `array` (or
 * of the whole body when array is empty) and writes it into j->out, or says to end early. */
struct job_list {
    str    name;                            /* of the array in the result */
    str    array;
    bool (*item)(struct job *j, struct arena *mem, struct json v);      /* false: enough */
    /* An answer that is no page; false: by the common rules. NULL: likewise. */
    bool (*missing)(struct job *j, const struct reply *r);
    /* After the last page; NULL: ends the job with the result. `more`: the cap was reached. */
    void (*end)(struct job *j, bool more);
};
void list_begin(struct job *j, const struct job_list *l, str url);
void list_finish(struct job *j, bool more);
void result_begin(struct job *j);           /* j->out is a fresh object */
void result_end(struct job *j);             /* closes it and ends the job with it */

/* ---- github_pace.c ---- */
void line_up(struct job *j);                        /* its request waits for its turn */
void line_drain(struct github *g, struct party *p); /* who may leave, leaves */
void pace_leaves(struct job *j, struct party *p);
/* reached: the forge may have seen it. */
void pace_returns(struct job *j, struct party *p, bool reached, bool refused);
int64_t pace_percent(struct party *p, int64_t steady_ms);       /* of a party that has sent */
void pace_wait(struct github *g, int64_t at_ms);
/* What an earlier life did. From any thread. */
void pace_post(struct github *g, int64_t installation_id, const int64_t calls[CALL_CLASS_COUNT]);

/* ---- github_auth.c ---- */
/* Gives the request its authorization and sends it, perhaps after a token was fetched. */
void auth_then_send(struct job *j);
/* A 401: drops what was used. */
void auth_drop(struct job *j);
/* The header of the request, in j->mem; wiped by auth_header_wipe. False: ends the job. */
bool auth_app_token(struct github *g, str *out, struct err *e) MUST_CHECK;
void auth_free(struct github *g);
struct party *party_of(struct github *g, int64_t id);

/* ---- github_address.c ---- */
str  address_escape(struct arena *mem, str text, bool keep_slashes);
bool address_segment_ok(str text);          /* may stand between two slashes */
bool address_path_ok(str text);
str  address_origin(str url);               /* "https://host:port" */
bool address_same_origin(str a, str b);
str  address_next_page(str link_header);    /* rel="next"; empty when there is none */
/* "/repos/{owner}/{name}" + what the format says. */
str  address_repo(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the kinds of calls ---- */
void github_begin(struct job *j);
void begin_dispatch(struct job *j);
void begin_find_runs(struct job *j);
void begin_read_run(struct job *j);
void begin_cancel_run(struct job *j);
void begin_rerun(struct job *j);
void begin_read_file(struct job *j);
void begin_put_check(struct job *j);
void begin_put_comment(struct job *j);
void begin_review(struct job *j);
void begin_read_pull(struct job *j);
void begin_find_pulls(struct job *j);
void begin_list_pulls(struct job *j);
void begin_read_repo(struct job *j);
void begin_read_commit(struct job *j);
void begin_permission(struct job *j);
void begin_list_repos(struct job *j);
void begin_list_installations(struct job *j);
void begin_list_deliveries(struct job *j);
void begin_redeliver(struct job *j);
void begin_read_quota(struct job *j);

/* ---- github_read.c: GitHub's objects in our words, from webhooks and answers alike ---- */
/* What is not there is empty, never a null pointer: columns and JSON take it as it is. */
void    github_event_blank(struct forge_event *v);
int64_t github_time(struct json v, struct arena *mem);          /* RFC 3339 or epoch seconds; 0 */
int64_t github_id(struct json v, struct arena *mem);            /* number or digits; 0 */
bool    github_is_sha(str s);
str     github_bare_ref(str ref);                               /* without refs/heads/ */
/* ".github/workflows/a.yml@main" → "a.yml" */
str     github_workflow_file(str path);
void    github_pull_read(struct arena *mem, struct json pull, struct forge_event *out);
void    github_run_read(struct arena *mem, struct json run, struct forge_event *out);
bool    github_repo_read(struct arena *mem, struct json repo, struct forge_repo *out);

#endif
