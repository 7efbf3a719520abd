/*
 * /setup (forges.md §2.3): one page with one button that lets GitHub create the App from a
 * manifest; GitHub sends the browser back with a code, which becomes the App's keys. They are
 * sealed in the database before the browser is answered. Works once: then the page refuses.
 */
#include "api/call.h"

#include "store/audit.h"
#include "store/tokens.h"

enum { NONCE_BYTES = 16 };

static bool set_up_allowed(struct call *c)
{
    if (!c->api->config.github || !c->api->config.seal_key)
        return fail(&c->err, ERR_NOT_FOUND, "this server was configured without a set-up page");
    return !atomic_load(&c->api->app_ready) || fail(&c->err, ERR_CONFLICT,
                                                    "a GitHub App is set up already: remove its "
                                                    "configuration first if you want another one");
}

/*
 * Whoever creates the App owns the server's view of GitHub: only somebody who can read the server's
 * log may.
 */
static bool code_given(struct call *c)
{
    str code;
    if (!c->api->config.setup_code.len)
        return true;
    if (!query_text(c, "code", &code))
        return false;
    return secret_equal(code, c->api->config.setup_code) ||
           fail(&c->err, ERR_DENIED,
                "the set-up page opens with the address that the server printed at its start "
                "(/setup?code=…)");
}

static void escape(struct buf *b, str s)
{
    for (size_t i = 0; i < s.len; i++)
        switch (s.ptr[i]) {
        case '&': buf_add(b, STR("&amp;")); break;
        case '<': buf_add(b, STR("&lt;")); break;
        case '>': buf_add(b, STR("&gt;")); break;
        case '"': buf_add(b, STR("&quot;")); break;
        case '\'': buf_add(b, STR("&#39;")); break;
        default: buf_char(b, s.ptr[i]);
        }
}

static str state_of(struct call *c, str nonce)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256((str){ (const char *)c->api->state_key, sizeof c->api->state_key }, nonce, mac);
    return hex_write(c->mem, (str){ (const char *)mac, sizeof mac });
}

/* Allowed by its hash, so that nothing else that looks like a style is. */
#define STYLE                                                                                      \
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}"     \
    "button{font:inherit;padding:.6rem 1.2rem;border-radius:.4rem;border:0;background:#1f6feb;"    \
    "color:#fff;cursor:pointer}code{background:#8882;padding:0 .3em}"

static void page_begin(struct buf *b, const char *title)
{
    buf_print(b,
              "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
              "name=\"viewport\" content=\"width=device-width\"><title>%s</title><style>" STYLE
              "</style></head><body><h1>%s</h1>",
              title, title);
}

/* 'self' too: a browser holds the way back from the forge, which is a redirect, against the form. */
static enum outcome page(struct call *c, struct buf *b)
{
    uint8_t hash[SHA256_BYTES];
    buf_add(b, STR("</body></html>"));
    c->raw = buf_str(b);
    c->raw_type = STR("text/html; charset=utf-8");
    sha256(STR(STYLE), hash);
    str digest = base64_write(c->mem, (str){ (const char *)hash, sizeof hash });
    call_header(c, STR("Content-Security-Policy"),
                arena_print(c->mem,
                            "default-src 'none'; style-src 'sha256-" PRI_STR
                            "'; frame-ancestors 'none'; form-action 'self' " PRI_STR,
                            FMT_STR(digest), FMT_STR(c->api->config.forge_web)));
    return ANSWERED;
}

static bool name_ok(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') ||
              (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '-'))
            return false;
    return s.len <= 100;
}

enum outcome api_setup(struct call *c)
{
    const struct api_config *k = &c->api->config;
    uint8_t bytes[NONCE_BYTES];
    struct buf b;
    str organization;
    if (!set_up_allowed(c) || !code_given(c) || !query_text(c, "organization", &organization))
        return FAILED;
    if (!name_ok(organization)) {
        (void)fail(&c->err, ERR_INVALID, "organization is not the name of one");
        return FAILED;
    }
    random_bytes(bytes, sizeof bytes);
    str nonce = hex_write(c->mem, (str){ (const char *)bytes, sizeof bytes });
    call_header(
        c, STR("Set-Cookie"),
        arena_print(c->mem,
                    "sbx_setup=" PRI_STR "; Path=/setup; Max-Age=3600; HttpOnly; SameSite=Lax%s",
                    FMT_STR(nonce), str_starts(k->public_url, STR("https:")) ? "; Secure" : ""));
    buf_init(&b, c->mem, 256 << 10);
    page_begin(&b, "Connect GitHub");
    buf_add(&b, STR("<p>Signalbox works through a GitHub App of your own. GitHub creates it with "
                    "the right permissions, and its keys are stored encrypted here.</p><form "
                    "method=\"post\" action=\""));
    escape(&b, organization.len
                   ? arena_print(c->mem, PRI_STR "/organizations/" PRI_STR "/settings/apps/new",
                                 FMT_STR(k->forge_web), FMT_STR(organization))
                   : arena_print(c->mem, PRI_STR "/settings/apps/new", FMT_STR(k->forge_web)));
    buf_print(&b, "?state=" PRI_STR "\"><input type=\"hidden\" name=\"manifest\" value=\"",
              FMT_STR(state_of(c, nonce)));
    escape(&b, github_manifest(c->mem, k->app_name, k->public_url));
    buf_add(&b, STR("\"><button type=\"submit\">Create the GitHub App</button></form><p>For an "
                    "organization, open this address with <code>&amp;organization=its-name</code> "
                    "at its end instead.</p>"));
    return page(c, &b);
}

/* --- coming back --- */

struct exchange {
    struct call        *call;
    pthread_mutex_t     lock;
    pthread_cond_t      some;
    bool                done, ok;
    str                 why;
    struct app_identity app;
    str                 client_id, client_secret;
};

static str member(struct call *c, struct json v, const char *name)
{
    return arena_copy(c->mem, json_str(json_get(v, str_of(name)), c->mem));
}

/* On the client's thread, while the worker waits. */
static void exchanged(void *ctx, const struct forge_answer *a)
{
    struct exchange *x = ctx;
    struct call *c = x->call;
    struct json v;
    struct err e = { 0 };
    pthread_mutex_lock(&x->lock);
    if (a->outcome != FORGE_OK) {
        x->why = arena_copy(c->mem, a->message);
    } else if (json_parse(c->mem, arena_copy(c->mem, a->result), 0, &v, &e)) {
        x->app = (struct app_identity){.id = json_i64_or(json_get(v, STR("id")), 0),
                                       .slug = member(c, v, "slug"),
                                       .private_key_pem = member(c, v, "pem"),
                                       .webhook_secret = member(c, v, "webhook_secret"),
                                       .html_url = member(c, v, "html_url")};
        x->client_id = member(c, v, "client_id");
        x->client_secret = member(c, v, "client_secret");
        x->ok = x->app.id > 0 && x->app.private_key_pem.len && x->app.webhook_secret.len;
    }
    x->done = true;
    pthread_cond_signal(&x->some);
    pthread_mutex_unlock(&x->lock);
}

static bool exchange_code(struct call *c, struct exchange *x, str code)
{
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->some, NULL);
    github_manifest_exchange(c->api->config.github, code, exchanged, x);
    pthread_mutex_lock(&x->lock);
    while (!x->done)        /* the client answers every call, at the latest when it times out */
        pthread_cond_wait(&x->some, &x->lock);
    pthread_mutex_unlock(&x->lock);
    pthread_cond_destroy(&x->some);
    pthread_mutex_destroy(&x->lock);
    return x->ok || fail(&c->err, ERR_UPSTREAM,
                         "GitHub did not hand over the App (" PRI_STR
                         "): open /setup again, a code works once and for an hour",
                         FMT_STR(str_sub(x->why, 0, 200)));
}

static bool store_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct exchange *x = arg;
    struct call *c = x->call;
    const uint8_t *key = c->api->config.seal_key;
    bool found;
    str ignored;
    if (!app_value_get(db, mem, STR(APP_VALUE_ID), NULL, &ignored, &found, e))
        return false;
    if (found)
        return fail(e, ERR_CONFLICT, "another App was set up this moment");
    struct audit_entry a = {.action = STR("app.created"),
                            .actor_type = STR("system"),
                            .actor = c->request->peer,
                            .target_type = STR("app"),
                            .target = x->app.slug};
    return app_value_put(db, mem, STR(APP_VALUE_ID), arena_print(mem, "%lld", (long long)x->app.id),
                         NULL, c->now_ms, e) &&
           app_value_put(db, mem, STR(APP_VALUE_SLUG), x->app.slug, NULL, c->now_ms, e) &&
           app_value_put(db, mem, STR(APP_VALUE_PRIVATE_KEY), x->app.private_key_pem, key,
                         c->now_ms, e) &&
           app_value_put(db, mem, STR(APP_VALUE_WEBHOOK_SECRET), x->app.webhook_secret, key,
                         c->now_ms, e) &&
           app_value_put(db, mem, STR(APP_VALUE_CLIENT_ID), x->client_id, key, c->now_ms, e) &&
           app_value_put(db, mem, STR(APP_VALUE_CLIENT_SECRET), x->client_secret, key, c->now_ms,
                         e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

static bool came_from_us(struct call *c, str *code)
{
    str state, nonce = cookie_get(c, STR("sbx_setup"));
    if (!query_text(c, "code", code) || !query_text(c, "state", &state))
        return false;
    if (nonce.len != NONCE_BYTES * 2 || !secret_equal(state, state_of(c, nonce)))
        return fail(
            &c->err, ERR_INVALID,
            "this answer does not belong to a page of ours: open /setup again in this browser");
    return code->len || fail(&c->err, ERR_INVALID, "GitHub sent no code: open /setup again");
}

static bool create(struct call *c, struct exchange *x, str code)
{
    struct api *a = c->api;
    if (!exchange_code(c, x, code) ||
        !engine_write_wait(a->config.engine, store_body, x, &c->err) ||
        !github_reconfigure(a->config.github, x->app.id, x->app.slug, x->app.private_key_pem,
                            &c->err))
        return false;
    api_set_webhook_secrets(a, &x->app.webhook_secret, 1);
    api_set_github_app(a, x->client_id, x->client_secret, x->app.private_key_pem);
    atomic_store(&a->app_ready, true);
    if (a->config.app_created)
        a->config.app_created(a->config.app_created_self, &x->app);
    return true;
}

enum outcome api_setup_callback(struct call *c)
{
    struct exchange x = { .call = c };
    struct buf b;
    str code;
    if (!set_up_allowed(c) || !came_from_us(c, &code))
        return FAILED;
    if (atomic_exchange(&c->api->setting_up, true)) {
        (void)fail(&c->err, ERR_CONFLICT, "the App is being set up in another window");
        return FAILED;
    }
    bool ok = create(c, &x, code);
    atomic_store(&c->api->setting_up, false);
    if (!ok)
        return FAILED;
    call_header(c, STR("Set-Cookie"),
                STR("sbx_setup=; Path=/setup; Max-Age=0; HttpOnly; SameSite=Lax"));
    buf_init(&b, c->mem, 64 << 10);
    page_begin(&b, "The App is ready");
    buf_add(&b, STR("<p>Its keys are stored. Now choose the repositories it may work on:</p><p><a "
                    "href=\""));
    escape(&b, arena_print(c->mem, PRI_STR "/installations/new", FMT_STR(x.app.html_url)));
    buf_add(&b, STR("\">Install the App</a></p>"));
    return page(c, &b);
}
