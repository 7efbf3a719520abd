/*
 * forge/inside: what the files of the GitHub port share.
 *
 * Confinement instead of locks: everything of struct github but `identity` belongs to the HTTP
 * client's thread. A call from elsewhere is copied into a job and carried over to that thread; from
 * then on the job goes from answer to answer, alone in its own arena, until job_end.
 */
#ifndef SIGNALBOX_FORGE_INSIDE_H
#define SIGNALBOX_FORGE_INSIDE_H
#include <pthread.h>

#include "base/jwt.h"
#include "forge/forge.h"
#include "http/client.h"

enum {
    PAGES_MAX = 20, PAGE_SIZE = 100, REDIRECTS_FOLLOWED_MAX = 3,
    TOKEN_SPARE_MS = 5 * 60 * 1000,     /* a token is renewed when less than this remains of it */
    /* GitHub takes a hundred at once of one caller, and there may be a second server. What waits
     * here has not left yet when a limit is told. */
    IN_FLIGHT_MAX = 48,
    LIMIT_FIRST_MS = 60 * 1000, LIMIT_LAST_MS = 15 * 60 * 1000,
    RESET_SANE_MS = 2 * 60 * 60 * 1000, /* a window is an hour; further away is nonsense */
    RETRY_SANE_S = 24 * 60 * 60,
    CALL_MS = 30 * 1000,
};

/* Who a request is from. */
enum github_auth { AUTH_NONE, AUTH_APP, AUTH_INSTALLATION };

/* Numbers of the last response about the primary limit, and what they and the message order. */
struct limit_order {
    struct forge_quota quota;
    bool    is_limit;           /* this answer is a refusal because of a limit */
    int64_t until_ms;           /* told by the answer; 0: it does not say */
    int64_t spent_until_ms;     /* a good answer, but the last of the quota until then; or 0 */
};
void limit_read(const struct http_answer *a, str message, int64_t now_ms, struct limit_order *out);

/* One installation, or the App itself (id 0). */
struct party {
    struct party *next;
    int64_t id;
    int64_t limited_until_ms;
    unsigned strikes;           /* refusals in a row that did not say how long */
    char   *token;              /* malloc; wiped when dropped */
    size_t  token_len;
    int64_t token_ends_ms;
    uint64_t generation;        /* of the token: is a 401 about the present one? */
    bool    fetching;
    struct job *waiting, **waiting_last;    /* for the token */
    unsigned in_flight;                     /* jobs that hold a slot */
    bool    draining;
    struct job *queue, **queue_last;        /* for a slot */
    struct pace *pace;                      /* malloc; NULL until something was sent */
};
bool party_limited(const struct party *p, int64_t now_ms);
/* What an answer orders. Returns until when to wait, for a refusal. */
int64_t party_told(struct party *p, const struct limit_order *o, bool success, int64_t now_ms);

struct github {
    struct http_client *client;
    str      api_base, origin, api_version;
    int64_t (*now_ms)(void *);
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
    int64_t  points, window_ms;             /* the pace; 0 points: none */
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

struct job;
typedef void job_take(struct job *j, const struct reply *r);

struct job {
    struct github *g;
    struct arena  *mem;
    struct forge_call call;
    forge_done    *done;
    void          *ctx;
    void         (*begin)(struct job *j);
    struct job    *next_waiting;            /* for a token or a slot */
    bool           has_slot;                /* from its first request to its end */
    int64_t        began_mono_ms;
    unsigned       calls;
    int64_t        charged;                 /* points of the request under way */
    struct forge_quota quota;

    /* the request under way */
    enum github_auth auth;
    enum http_method method;
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
/* Carries the job over to the client's thread, where `begin` is called. From any thread. After
 * github_stop it ends here. */
void job_post(struct job *j);
/* Sends a request; the answer comes to take. url: path and query below api_base, or a whole address
 * that begins with it. An effect is what is not a GET. */
void job_send(struct job *j, enum http_method method, str url, str body, job_take *take);
void job_send_now(struct job *j);           /* the request is complete but for its authorization */
/* Ends the job: `done` is called, the job is gone. */
void job_ok(struct job *j, str result);
void job_fail(struct job *j, enum forge_outcome outcome, int64_t status, str message);
void job_limited(struct job *j, int64_t status, str message, int64_t until_ms);
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

/* Gives slots to those that wait, in order and at GitHub's pace. */
void slots_drain(struct github *g, struct party *p);

/* ---- github_pace.c ---- */
/*
 * May its first request leave now? Otherwise *at_ms: when to look again; 0: when an answer comes.
 */
bool pace_allows(struct job *j, struct party *p, int64_t *at_ms);
void pace_charge(struct job *j, struct party *p);       /* it leaves */
void pace_answered(struct job *j, struct party *p);
void pace_refund(struct job *j, struct party *p);       /* it did not leave after all */
void pace_wait(struct github *g, int64_t at_ms);

/* ---- github_auth.c ---- */
/* Gives the request its authorization and sends it, perhaps after a token was fetched. */
void auth_then_send(struct job *j);
/* A 401: drops what was used. */
void auth_drop(struct job *j);
/* The header of the request, in j->mem; wiped by auth_header_wipe. False: ends the job. */
bool auth_app_token(struct github *g, str *out, struct err *e) MUST_CHECK;
void auth_free(struct github *g);

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
