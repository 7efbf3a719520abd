/*
 * api: the whole HTTP API, between http/ (bytes) and engine/ (facts, writes, reads).
 * docs/openapi.yaml describes it, routes.c is its table.
 *
 *     api_new → hooks = api_hooks → http_server_start(…, &hooks, …) → api_attach(server)      main
 *     wires it
 */
#ifndef SIGNALBOX_API_API_H
#define SIGNALBOX_API_API_H
#include "base/jwt.h"
#include "engine/engine.h"
#include "forge/forge.h"
#include "http/forwarded.h"
#include "http/server.h"

/*
 * What the set-up page stored, or what configuration gave: names of app_value rows
 * (store/tokens.h). All but the first two are sealed.
 */
#define APP_VALUE_ID             "github.app_id"
#define APP_VALUE_SLUG           "github.app_slug"
#define APP_VALUE_PRIVATE_KEY    "github.private_key"
#define APP_VALUE_WEBHOOK_SECRET "github.webhook_secret"
#define APP_VALUE_CLIENT_ID      "github.client_id"
#define APP_VALUE_CLIENT_SECRET  "github.client_secret"

struct app_identity { int64_t id; str slug, private_key_pem, webhook_secret, html_url; };

struct api_config {
    struct engine        *engine;
    struct oidc          *oidc;                 /* NULL: no token exchange, static tokens only */
    struct github        *github;               /* NULL: no set-up page */
    const struct jwt_key *session_key;          /* signs sessions; HS256 */
    const struct jwt_key *session_key_before;   /* still accepted while rotating; may be NULL */
    /* SECRET_KEY_BYTES, for what the set-up page stores; NULL: no set-up page */
    const uint8_t        *seal_key;
    /* SHA256_BYTES: what tokens of callbacks are checked with; NULL: no callback is believed */
    const uint8_t        *callback_key;
    /* SHA256_BYTES: signs invitations and what pages send with a cookie; NULL: made up, for one
       process */
    const uint8_t        *people_key;
    /* at most two; none: /webhooks/github answers 404 until the set-up page made one */
    const str            *webhook_secrets;
    size_t                webhook_secret_count;
    str                   default_workspace;    /* of repositories that come with the App */
    /* "https://signalbox.example", without a slash at the end */
    str                   public_url;
    /* suggested on the set-up page; default "signalbox" */
    str                   app_name;
    str                   forge_web;            /* default "https://github.com" */
    /* of the App, for signing in; empty: until the set-up page made one */
    str                   github_client_id, github_client_secret;
    str                   github_private_key;   /* only to be masked, should a run say it */
    bool                  sign_in_installed;    /* who has access to an installation becomes a member */
    struct proxies        proxies;              /* who may say whom they speak for; its ranges live on */
    str                   version;
    /* /setup asks for it (?code=…): it stands in the server's log; empty: nobody is asked */
    str                   setup_code;
    str                   app_slug;             /* of the configured App; empty: not known */
    bool                  app_ready;            /* an App is configured: the set-up page refuses */
    size_t                upload_bytes_max;     /* default 32 MiB, at least 8 */
    int64_t               session_ms;           /* default one hour */
    /* how long an order's caller waits for its outcome; default 10 s */
    int64_t               outcome_ms;
    /* of GET /api/v1/live, in all and for one person */
    unsigned              live_streams_max, live_streams_person_max;
    /*
     * After the set-up page has made and stored an App: on a worker thread. github_reconfigure and
     * the webhook secret are done already.
     */
    void                (*app_created)(void *self, const struct app_identity *app);
    void                 *app_created_self;
};

struct api;
/* Everything but the keys and the handles is copied. */
bool api_new(const struct api_config *c, struct api **out, struct err *e) MUST_CHECK;
/* Before the server stops: who listens is told to come back. */
void api_say_bye(struct api *a);
/* after the server and the engine have stopped */
void api_free(struct api *a);
struct http_hooks api_hooks(struct api *a);
void api_attach(struct api *a, struct http_server *s);      /* for /metrics */
/* Before anybody has been told of the server: its port was any free one. */
void api_set_public_url(struct api *a, str url);

/* Rotation, from any thread: at most two are accepted from now on. */
void api_set_github_app(struct api *a, str client_id, str client_secret, str private_key);
void api_set_webhook_secrets(struct api *a, const str *secrets, size_t count);
/* A token was revoked elsewhere in this process, or repositories changed: forget what is cached. */
void api_forget_cached(struct api *a);

#endif
