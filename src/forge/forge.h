/*
 * forge: what we need from GitHub (later GitLab, Bitbucket, Gitea), in our words. Two halves: what
 * comes in (a delivery becomes a forge_event) and what goes out (a forge_call becomes requests; its
 * answer is JSON in our words, which the engine stores as a fact).
 */
#ifndef SIGNALBOX_FORGE_FORGE_H
#define SIGNALBOX_FORGE_FORGE_H
#include "base/json.h"
#include "domain/budget.h"

/* ---- in ---------------------------------------------------------------------------------- */

enum forge_event_kind {
    FORGE_IGNORED,          /* nothing for us: counted and dropped */
    FORGE_PING,
    /* any activity; closed with merged:true is `merged` (atmos-pro.md §8.2) */
    FORGE_PULL_REQUEST,
    FORGE_RELEASE,
    FORGE_MERGE_GROUP,      /* checks_requested, destroyed; also made of check_suite.requested on a
                               queue branch (§23) */
    FORGE_RUN,              /* workflow_run, and workflow_job only for `waiting` */
    FORGE_RERUN_ASKED,      /* check_run / check_suite rerequested of our own check */
    FORGE_PUSH,
    FORGE_INSTALLATION,     /* created, deleted, suspend, unsuspend, new_permissions_accepted */
    FORGE_INSTALLATION_REPOS,
    FORGE_REPOSITORY,       /* renamed, transferred, archived, deleted, edited (default branch) … */
    FORGE_COMMENT,          /* issue_comment on a pull request (orders come with issue 3; stored
                               and seen already) */
    FORGE_DEPLOYMENT_REVIEW
};

enum forge_run_state {
    FORGE_RUN_QUEUED, FORGE_RUN_WAITING, FORGE_RUN_IN_PROGRESS, FORGE_RUN_COMPLETED
};

struct forge_repo { int64_t id; str host, owner, name, default_branch; bool archived, is_private; };

struct forge_event {
    enum forge_event_kind kind;
    str     event, action;              /* as sent */
    int64_t installation_id;            /* 0: none */
    bool    has_repo;
    struct forge_repo repo;
    str     sender; bool sender_is_us;
    int64_t at_ms;                      /* the object's own version: updated_at where it has one */
    /* pull request, release, merge group */
    /* opened, synchronize, merged, published, checks_requested … */
    str     activity;
    int64_t number;
    str     key;                        /* change key: number, release id, queue head sha */
    str     title, author, url, state;  /* state: open, closed, merged */
    bool    draft, from_fork;
    str     head_sha, head_ref, base_sha, base_ref, merge_sha, before_sha;
    int64_t merged_ms;
    /* run */
    int64_t run_id, run_attempt;
    enum forge_run_state run_state;
    str     conclusion, run_title, run_path, run_event;     /* path: bare file name */
    int64_t run_created_ms, run_started_ms;
    /* check */
    int64_t check_id; str check_external_id;
    /* push */
    str     ref; bool deleted;
    /* installation */
    str     account; bool suspended;
    struct forge_repo *repos; size_t repo_count;    /* installation.created, …_repositories added */
    int64_t *removed; size_t removed_count;                 /* forge ids */
    str     permissions;                                    /* JSON */
    /* comment */
    int64_t comment_id; str comment_body, comment_before; bool comment_by_us;
};

/* Signature over the raw bytes, constant time; any of the (up to two) secrets may match. header:
 * value of X-Hub-Signature-256. */
bool github_signature_ok(str header, str body, const str *secrets, size_t secret_count);
/*
 * Turns a parsed delivery into our words. Lenient: only what we use is read, anything may be
 * missing or null (then FORGE_IGNORED, or empty fields: "" and never a null pointer); never fails
 * on the 329 published examples. app_id/bot_login: to know our own checks and comments.
 */
void github_event_read(struct arena *mem, str event, struct json payload, int64_t app_id,
                       str bot_login, struct forge_event *out);
/* application/x-www-form-urlencoded deliveries: the payload field. False when it is not there. */
bool github_form_payload(struct arena *mem, str body, str *payload);

/* ---- out --------------------------------------------------------------------------------- */

/* Beside each kind: what of struct forge_call it uses, and the result, a JSON object in our words.
 *
 *     RUN  = {"id","attempt","state","conclusion","title","path","event","url","created_ms",
 *             "started_ms","updated_ms","actor"}     state: queued, waiting, in_progress, completed
 *     PULL = {"number","title","author","url","state","draft","from_fork","head_sha","head_ref",
 *             "base_sha","base_ref","merge_sha","merged_ms","updated_ms"}
 *
 * Lists are read page by page, at most 20 of a hundred; what is cut there has "more":true beside
 * the list. Not so FIND_RUNS, whose "not listed" leads to a second dispatch: it is complete, or it
 * is no answer (FORGE_NOT_SENT). */
enum forge_call_kind {
    FORGE_DISPATCH,    /* file, ref, inputs: {"run_id":1,"url":"…"}, or {} (204) */
    FORGE_FIND_RUNS,   /* file or empty, since_ms: {"runs":[RUN…]}, of event workflow_dispatch,
                               created ≥ since − 2 min */
    FORGE_READ_RUN,    /* run_id: RUN */
    FORGE_CANCEL_RUN,  /* run_id: {}; a run that has ended already (409) is fine */
    FORGE_RERUN,       /* run_id: {} */
    FORGE_READ_FILE,   /* path, ref, etag: {"found":true,"blob":"…","text":"…","etag":"…"}
                               (and "binary":true, text empty: no UTF-8, or over 1 MiB), or
                               {"found":false}, or {"unchanged":true} */
    FORGE_PUT_CHECK,   /* object (0: create), body = check fields: {"id":1}. With sha and marker
                               (the external_id) create first looks for our own check there */
    FORGE_PUT_COMMENT, /* number, object (0: create), text, marker: {"id":1}. Create first looks
                               for our own comment with the marker; a deleted one is made anew once */
    FORGE_REVIEW,      /* number, text, review (event), sha: {"id":1} */
    FORGE_READ_PULL,   /* number: PULL */
    FORGE_FIND_PULLS,  /* sha: {"pulls":[PULL…]} */
    FORGE_LIST_PULLS,  /* open ones: {"pulls":[PULL…]} */
    FORGE_READ_REPO,   /* {"id","owner","name","default_branch","archived"} */
    FORGE_READ_COMMIT, /* ref: {"sha","tree"} */
    FORGE_PERMISSION,  /* login: {"permission":"write","role":"maintain","user_id":1} */
    FORGE_LIST_REPOS,  /* of the installation:
                               {"repos":[{"id","owner","name","default_branch","archived"}…]} */
    FORGE_LIST_INSTALLATIONS, /* the App's: {"installations":[{"id","account","suspended"}…]} */
    FORGE_LIST_DELIVERIES, /* the App's; since_ms: {"failed":[{"id","guid","event","action"}…]},
                               only GUIDs without any attempt that arrived */
    FORGE_REDELIVER,       /* the App's; object = delivery id: {} */
    FORGE_READ_QUOTA,      /* of the installation; costs nothing:
                               {"limit","remaining","reset_ms"} of calls (resource core), or
                               {"unlimited":true}: this host keeps no such limit (Enterprise
                               Servers), or {}: its numbers make no sense */
};

enum forge_outcome {
    FORGE_OK,
    FORGE_NOT_SENT,         /* nothing reached the forge: repeat when it is reachable */
    FORGE_LOST,             /* may have taken effect (cut, timed out, 5xx after the bytes left) */
    FORGE_LIMITED,          /* told to wait until not_before_ms; surely no effect */
    FORGE_NOT_FOUND,        /* 404, 410 */
    FORGE_NO_ACCESS,        /* 401 after a fresh token, 403 that is no limit, installation suspended
                               or gone */
    FORGE_REFUSED           /* 4xx that repeats will not change; message says why */
};
const char *forge_outcome_name(enum forge_outcome o);
bool forge_outcome_read(str name, enum forge_outcome *out);

struct forge_input { str name, value; };

struct forge_call {
    enum forge_call_kind kind;
    int64_t installation_id;
    str     owner, name;
    str     file, ref, path, etag, text, marker, body, sha, login, review;
    const struct forge_input *inputs; size_t input_count;
    int64_t number, run_id, object, since_ms;
    bool    last_word;              /* of a comment: it says how things ended */
};

/*
 * What a response said about the primary limit. reset_ms is in our time, whatever the forge's clock
 * shows, and stays the same within a window. Not known: the numbers were missing, or made no sense
 * (negative, absurd, backwards).
 */
struct forge_quota {
    bool    said;                   /* there was a response that could have said it */
    bool    known;
    str     resource;               /* "core" and the like; empty when not known */
    int64_t limit, remaining, reset_ms;
};

struct forge_answer {
    enum forge_outcome outcome;
    int64_t     status;             /* HTTP, 0 when none */
    str         message;            /* for people: the forge's words or ours */
    /* JSON object in our words; "{}" when there is nothing to say */
    str         result;
    int64_t     not_before_ms;      /* FORGE_LIMITED */
    struct forge_quota quota;       /* of the last response */
    unsigned    calls;              /* how many HTTP calls it took */
    int64_t     took_ms;
};
/* On the client's thread; the answer is valid only during the call. */
typedef void forge_done(void *ctx, const struct forge_answer *a);

/* The port: github.c implements it over http/client; tests implement it in memory. Thread-safe;
 * everything is copied. Never fails: failures are answers. */
struct forge_port {
    void *self;
    void (*call)(void *self, const struct forge_call *c, forge_done *done, void *ctx);
    /* So many servers use the same installations, and each takes its part of the limits. Or NULL. */
    void (*divide)(void *self, int64_t servers);
    /* Another server, or an earlier life of this one, was told to wait. Never shortens. Or NULL. */
    void (*told)(void *self, int64_t installation_id, int64_t until_ms);
    /* Within the last minute an earlier life of this server made so many calls of each class. Or NULL. */
    void (*recall)(void *self, int64_t installation_id, const int64_t calls[CALL_CLASS_COUNT]);
};

/* ---- GitHub ------------------------------------------------------------------------------ */

struct github_config {
    struct http_client *client;
    str      api_base;              /* "https://api.github.com" or "https://ghes/api/v3" */
    str      api_version;           /* default "2022-11-28" */
    int64_t  app_id; str app_slug;
    str      private_key_pem;
    int64_t (*now_ms)(void *);      /* UTC; NULL: the real one */
    int64_t (*steady_ms)(void *);   /* never set back or forth; NULL: the real one */
    void    *now_self;
    struct pace_limits limits;      /* of one installation; window_ms 0: no pace, but for
                                       how many are under way at once */
};
struct github;
/* Secrets may be replaced while running (set-up page, rotation). Without app_id and key: every call
 * is answered FORGE_NO_ACCESS until github_reconfigure brings them. ERR_INVALID when the key is no
 * RSA key. */
bool github_new(const struct github_config *c, struct github **out, struct err *e) MUST_CHECK;
/* From now on calls are answered FORGE_NOT_SENT at once, on the caller's thread, and the client is
 * left alone: to be called before http_client_stop when somebody may still make calls. */
void github_stop(struct github *g);
void github_free(struct github *g);     /* after the http client has stopped */
struct forge_port github_port(struct github *g);
bool github_reconfigure(struct github *g, int64_t app_id, str app_slug, str private_key_pem,
                        struct err *e) MUST_CHECK;

/* Manifest flow (forges.md §2.3): the JSON for the form, and the exchange of the code (no
 * authorization). */
str  github_manifest(struct arena *mem, str app_name, str public_url);
/* result: {"id","slug","client_id","client_secret","webhook_secret","pem","html_url"} */
void github_manifest_exchange(struct github *g, str code, forge_done *done, void *ctx);

/*
 * Signing in with GitHub (OAuth of a GitHub App, with PKCE). The browser goes to the first address
 * and comes back with a code; the second turns it into {"id","login","name","installations":[1]}
 * (the last only when asked for: those of the App that this person has access to). The person's
 * token is not kept.
 */
struct github_authorize { str web, client_id, redirect_uri, state, verifier; };
str  github_authorize_url(struct arena *mem, const struct github_authorize *a);
struct github_sign_in {
    str  web, client_id, client_secret, code, verifier, redirect_uri;   /* web: "https://github.com" */
    bool installations;
};
void github_sign_in(struct github *g, const struct github_sign_in *ask, forge_done *done, void *ctx);

/*
 * GitHub Actions OIDC (atmos-pro.md §6.1, forges.md §2.11). Issuers are an allow-list of
 * configuration; JWKS come only from the configured issuer, over https (on this machine also http).
 */
struct oidc_config {
    struct http_client *client;
    const str *issuers; size_t issuer_count;
    const str *audiences; size_t audience_count;
};
struct oidc;
bool oidc_new(const struct oidc_config *c, struct oidc **out, struct err *e) MUST_CHECK;
void oidc_free(struct oidc *o);
/* Blocking (worker thread): fetches keys when needed (kept an hour; unknown kid: at most once a
 * minute). Checks RS256, iss, aud, exp/nbf/iat with 60 s leeway, jti present. ERR_TOKEN,
 * ERR_TOKEN_EXPIRED, ERR_UPSTREAM (keys not to be had: try again later → for the CLI ERR_BUSY). */
bool oidc_verify(struct oidc *o, struct arena *mem, str token, int64_t now_ms, struct json *claims,
                 struct err *e) MUST_CHECK;

#endif
