/*
 * call: one request after HTTP and before the envelope. Known inside api/ alone.
 *
 * A handler gets an authenticated caller with the rights that its route needs, and the body as
 * JSON; it fills `data` and returns ANSWERED, or fills `err` and returns FAILED. LATER: it handed
 * the call over and call_answer will be called, from any thread; then neither it nor the gate
 * touches the call again.
 */
#ifndef SIGNALBOX_API_CALL_H
#define SIGNALBOX_API_CALL_H
#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "base/mask.h"
#include "base/secret.h"
#include "store/audit.h"
#include "store/people.h"
#include "store/query.h"
#include "store/repositories.h"

enum right { RIGHT_NOTHING, RIGHT_SESSION, RIGHT_READ, RIGHT_OPERATE, RIGHT_ADMIN };

struct call;
enum outcome { ANSWERED, FAILED, LATER };
typedef enum outcome handler(struct call *c);

struct route {
    enum http_method method;
    const char      *path;          /* {name}: one part, {name*}: all that is left */
    handler         *run;
    enum right       needs;
    const char      *permission;    /* row that a session needs (§6.2), or NULL */
    size_t           body_max;      /* 0: BODY_DEFAULT */
    /* the body must be JSON and is parsed before the handler runs */
    bool             json;
    /* NULL: a worker thread runs it */
    bool           (*on_loop)(struct api *a, const struct http_request *r);
    bool             people;        /* RIGHT_SESSION: people call it, too */
    bool             forge_write;   /* wants write access at the forge, whatever one's role */
    query_list      *list;          /* api_list: what it lists */
    query_one       *one;           /* api_one */
    const char      *doc;
};
extern const struct route routes[];
extern const size_t route_count;
/* Of every page of the dashboard, and of its parts (pages.c); not in the table above. */
extern const struct route page_route;
enum { ROUTES_MAX = 192, PATH_PARTS_MAX = 4, CALL_HEADERS_MAX = 12 };
/* Bodies: uploads and execution records are bounded by configuration. */
enum { BODY_DEFAULT = 1 << 20, BODY_WEBHOOK = 25 << 20, BODY_UPLOAD = 1 };

/* SESSION: of a workflow. PERSON: a browser with our cookie. */
enum caller_kind { CALLER_NOBODY, CALLER_SESSION, CALLER_TOKEN, CALLER_PERSON };
struct caller {
    enum caller_kind kind;
    enum right       right;
    str              workspace_id;
    int64_t          repository_id;     /* 0: every one of the workspace */
    str              type, name;        /* audit: "workflow" login, "token" name, "person" login */
    str              token_id;
    /* a person */
    enum role        role;
    str              person_id, session_id;
    int64_t          forge_id;          /* 0: an account of this house */
    struct json      claims;            /* sessions: GitHub's claims (§6.1) */
};

struct call {
    struct api          *api;
    struct http_request *request;
    const struct route  *route;         /* NULL: none matched */
    struct arena        *mem;
    str                  path[PATH_PARTS_MAX];
    str                  trace;
    int64_t              now_ms;
    struct caller        who;
    struct json          body;
    struct err           err;
    /* the answer */
    int                  status;        /* default 200 */
    struct buf           buf;
    struct json_out      data;          /* what stands under `data`; nothing written: null */
    str                  context;       /* JSON, with an error */
    str                  top;           /* more fields beside `data`: `"url":"…"` */
    str                  raw, raw_type; /* instead of the envelope */
    struct http_header   headers[CALL_HEADERS_MAX];
    size_t               header_count;
    int                  prepared;      /* the status of a prepared answer; 0: none */
    str                  note;          /* for the log line */
};

void call_answer(struct call *c, bool ok);      /* replies and logs; c is gone afterwards */
/* The work of a call_answer that all goes well for, ahead of it. */
void call_prepare(struct call *c);
void call_header(struct call *c, str name, str value);
/* Who calls, by address: behind a proxy that is trusted whom that one names. */
str  call_peer(const struct call *c);
/* Instead of call_answer: 200 and a long-lived answer of this type; c is gone afterwards. */
struct http_stream *call_stream(struct call *c, str type);
bool path_matches(const char *template, str path, str parts[PATH_PARTS_MAX]);

/* auth.c */
bool authenticate(struct call *c) MUST_CHECK;
/* can this call be authenticated without the database? */
bool token_is_cached(struct api *a, const struct http_request *r);
void token_forget(struct api *a, str id);
/* Sessions: claims → token text. */
bool session_mint(struct call *c, str workspace_id, int64_t repository_id, struct json claims,
                  str *token) MUST_CHECK;

/* people_auth.c: persons and their browsers */
/* Sets c->who by the cookie; for what changes something, the page must be ours. */
bool authenticate_person(struct call *c) MUST_CHECK;
/* The cookie that says who somebody is; empty: none. */
str  person_cookie(struct call *c);
str  cookie_get(struct call *c, str name);
bool from_our_page(struct call *c) MUST_CHECK;
/* Of this person (empty: of everybody): the next call looks into the database. */
void person_forget(struct api *a, str person_id);
str  csrf_of(struct call *c, str session_id);
/* Makes a session in the body of a write; then gives the browser its cookie. */
struct new_session { str cookie, before /* hash of the one that it takes the place of */; struct person_session row; };
void new_session_begin(struct call *c, struct new_session *n);
bool new_session_store(struct db *db, struct arena *mem, struct call *c, struct new_session *n,
                       struct err *e) MUST_CHECK;
void new_session_give(struct call *c, const struct new_session *n);
void session_cookie_clear(struct call *c);
/* What a role comes to; a forge's members operate where they may write (people_rights.c). */
enum right person_right(enum role role, int64_t forge_id);
/* secrets.c */
/*
 * What must not be kept of what a run says: the secrets of its repository, those of this server, and
 * what is secret of the token that the caller has. The caller frees the set.
 */
bool call_masks(struct call *c, struct db *db, int64_t repository_id,
                struct mask_set *set) MUST_CHECK;

/* people.c */
/* argon2 costs 64 MiB: few at once, and few that wait; ERR_BUSY past that. */
bool password_enter(struct call *c) MUST_CHECK;
void password_leave(struct call *c);
bool password_make(struct call *c, str password, str *hash) MUST_CHECK;
bool read_password(struct call *c, const char *name, bool is_new, str *out) MUST_CHECK;
bool only_person(struct call *c) MUST_CHECK;
/* Is it this local account's? Failures count, and whoever guesses waits. */
bool password_guess(struct call *c, str login, str password) MUST_CHECK;
enum outcome show_me(struct call *c);       /* the caller, as GET /session tells */
/* people_welcome.c */
bool login_ok(struct call *c, str login) MUST_CHECK;
/* people_github.c */
bool github_client(struct call *c, str *id, str *secret);   /* false: GitHub is no way to sign in */
bool path_is_ours(str path);
/* people_rights.c */
/* May this caller operate in this repository? ERR_DENIED says why not. Asks the forge. */
bool call_may_operate(struct call *c, int64_t repository_id) MUST_CHECK;
bool call_may_lock(struct call *c, str key) MUST_CHECK;
/* A worker is about to wait for a forge: not all of them at once; ERR_BUSY. */
bool outside_enter(struct call *c) MUST_CHECK;
void outside_leave(struct call *c);

/* rights.c */
/*
 * The repository of a call by the names in its body or path (blank: the session's own); fails with
 * RepositoryMismatch, RepositoryNotInWorkspace.
 */
bool call_repository(struct call *c, struct db *db, str owner, str name,
                     struct repository *out) MUST_CHECK;
/* Repository of the workspace that the caller may see, by number or owner/name. */
bool call_find_repository(struct call *c, struct db *db, str text,
                          struct repository *out) MUST_CHECK;
/* The permission row of the route, for sessions. */
bool call_permitted(struct call *c, struct db *db, int64_t repository_id) MUST_CHECK;
/* Claims worth keeping with an upload, as JSON text. */
str  call_session_json(struct call *c);
int64_t call_forge_run(const struct call *c);

/* admin.c */
/* What the caller changed, for audit_add in the same transaction. */
struct audit_entry audit_of(struct call *c, int64_t repository_id, str action, str target_type,
                            str target);
/* The repository of the first part of the path. */
bool call_path_repository(struct call *c, struct repository *r) MUST_CHECK;

/* orders.c */
/* The body of a fact of kind "order", begun: {"order":name,"actor",…} */
struct json_out order_begin(struct call *c, struct buf *b, const char *name);
/*
 * Stores a fact in this lane and waits for its note (empty: FAILED, or 202 has been written). An
 * order may carry an Idempotency-Key.
 */
enum outcome call_fact(struct call *c, int64_t lane, const char *kind, str body, str *note);

/* secrets.c */
/* The one row of a list below a repository that has this name; ERR_NOT_FOUND. */
bool call_show_named(struct call *c, query_list *list, int64_t repository_id,
                     str name) MUST_CHECK;
bool call_name_ok(struct call *c, str name) MUST_CHECK;

/* read.c: small readers of request parts; fail with ERR_INVALID and the name of the part. */
bool read_text(struct call *c, const char *name, bool required, size_t max, str *out) MUST_CHECK;
bool text_clean(struct call *c, const char *name, str s) MUST_CHECK;    /* no control characters */
bool read_int(struct call *c, const char *name, int64_t min, int64_t max, bool required,
              int64_t *out) MUST_CHECK;
bool query_text(struct call *c, const char *name, str *out) MUST_CHECK; /* empty when absent */
/* routes of ours refuse unknown fields; NULL ends the list */
bool only_known(struct call *c, const char *const *names) MUST_CHECK;
void log_unknown_once(struct api *a, const char *what, str name);

/* webhooks.c */
void forget_lanes(struct api *a);
bool webhook_on_loop(struct api *a, const struct http_request *r);
void webhook_metrics(struct api *a, struct buf *b);
/* locks.c */
bool lock_on_loop(struct api *a, const struct http_request *r);
/* pages.c */
/* Does this path show a page, or is it one of their parts? */
bool page_known(str path);
bool page_on_loop(const struct http_request *r);
/* A browser that asks for what is not there gets a page that says so, with 404. */
bool page_for_unknown(const struct http_request *r);
struct pages *pages_new(void);
void pages_free(struct pages *p);
/* live.c */
struct live *live_new(struct api *a);
void live_say_bye(struct live *l);              /* and nobody is let in any more */
unsigned live_count(struct live *l);
void live_check_soon(struct live *l);           /* somebody may have lost the right to listen */
void live_free(struct live *l);
/* house.c */
bool always_on_loop(struct api *a, const struct http_request *r);

/* A reader connection of the pool; give it back with engine_read_done. NULL: c->err is set. */
struct db *call_read(struct call *c) MUST_CHECK;

/* lists.c: what the caller may see and asks for; fail with ERR_INVALID, ERR_NOT_FOUND. */
struct query call_query(struct call *c);
bool call_filters(struct call *c, struct query *q) MUST_CHECK;
bool call_scope(struct call *c, struct db *db, struct query *q) MUST_CHECK;

/* reads.c, onboarding.c */
handler api_run_output, api_audit_export, api_settings_table, api_instance, api_onboarding;

handler api_exchange, api_affected, api_instances, api_report, api_report_old, api_lock, api_unlock,
    api_exec, api_exec_data, api_exec_read, api_webhook, api_health, api_ready, api_metrics,
    api_list, api_one, api_cancel, api_retry, api_release, api_parts, api_resume, api_rerun, api_cancel_node,
    api_skip_wait,
    api_rerun_instance, api_dispatch,
    api_settings_get, api_settings_set, api_permission_add, api_permission_remove, api_list_of_repository,
    api_import, api_token_create, api_token_revoke, api_replay, api_setup, api_setup_callback,
    api_secret_put, api_secret_remove, api_action_get, api_action_put, api_action_remove,
    api_runner_put, api_runner_remove, api_action_start, api_action_stop, api_callback,
    api_explain_batch, api_explain_node, api_explain_pull, api_page, api_live;
handler api_sign_in, api_session_get, api_session_make, api_session_end, api_session_workspace,
    api_welcome_get, api_welcome, api_member_change, api_member_remove, api_leave, api_invitations,
    api_invite, api_invitation_revoke, api_sessions, api_session_revoke, api_password, api_rights,
    api_github_begin, api_github_callback;

/* --- the inside of struct api --- */

enum {
    TOKENS_CACHED = 256,
    PERSONS_CACHED = 1024,
    RIGHTS_CACHED = 1024,
    LANES_CACHED = 1024,
    LANES_OF_ONE_MAX = 4,
    SECRETS_MAX = 2,
    UNKNOWN_NAMES = 128,
    EVENT_NAMES = 24,
    FATES = 4
};

struct secrets { struct secrets *next; size_t count; str at[SECRETS_MAX]; };
struct cached_token {
    char     id[48], workspace_id[128], name[208];
    uint8_t  hash[SHA256_BYTES];
    bool     admin, gone;
    /* read: monotonic; used: when used_ms was last written */
    int64_t  repository_id, expires_ms, read_ms, used_ms;
};
struct cached_person {
    uint8_t  hash[SHA256_BYTES];        /* of the cookie */
    char     session_id[40], person_id[40], workspace_id[128], login[LOGIN_BYTES_MAX + 1];
    enum role role;
    int64_t  forge_id, created_ms, seen_ms, expires_ms;
    int64_t  read_ms;                   /* monotonic; 0: empty */
};
struct cached_right { int64_t forge_id, repository_id, read_ms; bool writes; };
struct cached_lanes { int64_t forge_id, read_ms; size_t count; int64_t lane[LANES_OF_ONE_MAX]; };
struct route_count { _Atomic uint64_t by_class[6], micros; };

struct api {
    struct api_config    config;
    struct arena        *mem;           /* of the copied configuration */
    _Atomic(struct http_server *) server;       /* set when it listens already */
    _Atomic(struct secrets *) secrets;  /* replaced as a whole; old ones are freed at the end */
    pthread_mutex_t      lock;          /* of the caches and the list of unknown names */
    struct cached_token  token[TOKENS_CACHED];
    struct cached_person person[PERSONS_CACHED];
    struct cached_right  right[RIGHTS_CACHED];
    uint64_t             person_changes;        /* what was read before one is not kept */
    pthread_mutex_t      password_lock;
    pthread_cond_t       password_free;
    unsigned             passwords, passwords_waiting;  /* at work */
    unsigned             outside;       /* workers that wait for a forge, for people */
    uint8_t              people_key[SHA256_BYTES];
    struct cached_lanes  lanes[LANES_CACHED];
    uint64_t             unknown[UNKNOWN_NAMES];
    size_t               unknown_count;
    atomic_bool          app_ready, setting_up;
    struct route_count   counts[ROUTES_MAX + 1];
    struct pages        *pages;
    struct live         *live;
    _Atomic uint64_t     events[EVENT_NAMES][FATES];
    /* of the set-up page's cookie: new at each start */
    uint8_t              state_key[SHA256_BYTES];
};

#endif
