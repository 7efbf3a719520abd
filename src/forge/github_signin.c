/*
 * Signing in with GitHub: the code that a browser brought becomes a token of that person, the token
 * says who it is, and is dropped. None of it is the App's: it costs no quota of an installation.
 */
#include <stdlib.h>

#include "base/scope.h"
#include "base/secret.h"
#include "forge/inside.h"

enum { ANSWER_BYTES_MAX = 1 << 20, TOKEN_BYTES_MAX = 4096, INSTALLATIONS_MAX = 100 };

struct signing {
    struct github *g;
    struct arena  *mem;
    struct github_sign_in ask;
    forge_done    *done;
    void          *ctx;
    str            bearer;
    int64_t        user_id;
    str            login, name;
};

typedef void on_answer(void *ctx, const struct http_answer *a);

static void end(struct signing *s, enum forge_outcome o, int64_t status, str message, str result)
{
    struct forge_answer a = {.outcome = o,
                             .status = status,
                             .message = message,
                             .result = result.len ? result : STR("{}")};
    s->done(s->ctx, &a);
    if (s->bearer.len)
        secret_wipe((void *)(uintptr_t)s->bearer.ptr, s->bearer.len);
    secret_wipe((void *)(uintptr_t)s->ask.client_secret.ptr, s->ask.client_secret.len);
    arena_free(s->mem);
}

static void call(struct signing *s, enum http_method method, str url, str body, on_answer *then)
{
    struct http_header h[5] = {{STR("Accept"), STR("application/json")},
                               {STR("X-GitHub-Api-Version"), s->g->api_version}};
    size_t n = s->bearer.len ? 2 : 1;
    if (s->bearer.len)
        h[n++] = (struct http_header){ STR("Authorization"), s->bearer };
    if (body.len)
        h[n++] = (struct http_header){ STR("Content-Type"),
                                       STR("application/x-www-form-urlencoded") };
    struct http_call c = {.method = method,
                          .url = url,
                          .headers = h,
                          .header_count = n,
                          .body = body,
                          .timeout_ms = CALL_MS,
                          .body_max = ANSWER_BYTES_MAX,
                          .done = then,
                          .ctx = s};
    pthread_mutex_t *held = lock_mutex(&s->g->identity);
    bool stopped = s->g->stopped;
    if (!stopped)
        http_call_start(s->g->client, &c);
    pthread_mutex_unlock(held);
    if (stopped)
        end(s, FORGE_NOT_SENT, 0, STR("not sent: the server is stopping"), STR_NONE);
}

/* An answer that is JSON and no failure; else it is over. */
static bool read_answer(struct signing *s, const struct http_answer *a, struct json *v)
{
    struct err e = { .code = ERR_NONE };
    if (a->outcome != HTTP_ANSWERED) {
        end(s, FORGE_LOST, 0, arena_copy(s->mem, str_of(a->why)), STR_NONE);
        return false;
    }
    if (a->status != 200 || a->cut ||
        !json_parse(s->mem, arena_copy(s->mem, a->body), 0, v, &e)) {
        end(s, a->status >= 500 ? FORGE_LOST : FORGE_REFUSED, a->status,
            arena_print(s->mem, "GitHub answered %d", a->status), STR_NONE);
        return false;
    }
    return true;
}

static str member(struct signing *s, struct json v, const char *name)
{
    str t = json_str(json_get(v, str_of(name)), s->mem);
    return t.ptr ? t : STR("");
}

static void tell(struct signing *s, struct json installations)
{
    struct buf b;
    struct json_out w;
    struct json one;
    size_t n = 0;
    buf_init(&b, s->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("id"), s->user_id);
    json_field_str(&w, STR("login"), s->login);
    json_field_str(&w, STR("name"), s->name);
    json_key(&w, STR("installations"));
    json_begin_array(&w);
    for (struct json_iter it = json_iter(installations);
         n < INSTALLATIONS_MAX && json_next(&it, s->mem, &(str){ 0 }, &one); n++) {
        int64_t id = github_id(json_get(one, STR("id")), s->mem);
        if (id)
            json_put_i64(&w, id);
    }
    json_end_array(&w);
    json_end_object(&w);
    end(s, FORGE_OK, 200, STR(""), buf_str(&b));
}

static void installations_came(void *ctx, const struct http_answer *a)
{
    struct signing *s = ctx;
    struct json v;
    if (read_answer(s, a, &v))
        tell(s, json_get(v, STR("installations")));
}

static void user_came(void *ctx, const struct http_answer *a)
{
    struct signing *s = ctx;
    struct json v;
    if (!read_answer(s, a, &v))
        return;
    s->user_id = github_id(json_get(v, STR("id")), s->mem);
    s->login = member(s, v, "login");
    s->name = member(s, v, "name");
    if (!s->user_id || !address_segment_ok(s->login)) {
        end(s, FORGE_REFUSED, a->status, STR("GitHub did not say who that is"), STR_NONE);
        return;
    }
    if (s->ask.installations)
        call(s, HTTP_GET, arena_print(s->mem, PRI_STR "/user/installations?per_page=100",
                                      FMT_STR(s->g->api_base)),
             STR_NONE, installations_came);
    else
        tell(s, (struct json){ 0 });
}

static bool token_sane(str t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.ptr[i] <= ' ' || t.ptr[i] > '~')
            return false;
    return t.len && t.len <= TOKEN_BYTES_MAX;
}

static void token_came(void *ctx, const struct http_answer *a)
{
    struct signing *s = ctx;
    struct json v;
    if (!read_answer(s, a, &v))
        return;
    /* What is wrong comes as 200, too. */
    str token = member(s, v, "access_token"), wrong = member(s, v, "error");
    if (!token_sane(token)) {
        end(s, FORGE_REFUSED, a->status, wrong.len ? wrong : STR("GitHub gave no token"), STR_NONE);
        return;
    }
    s->bearer = arena_print(s->mem, "Bearer " PRI_STR, FMT_STR(token));
    call(s, HTTP_GET, arena_print(s->mem, PRI_STR "/user", FMT_STR(s->g->api_base)), STR_NONE,
         user_came);
}

static void form_add(struct buf *b, const char *name, str value)
{
    buf_print(b, "%s%s=" PRI_STR, b->len ? "&" : "", name,
              FMT_STR(address_escape(b->mem, value, false)));
}

void github_sign_in(struct github *g, const struct github_sign_in *ask, forge_done *done, void *ctx)
{
    struct arena *mem = arena_new((size_t)4 << 20, (size_t)16 << 20);
    struct signing *s = arena_make(mem, struct signing, 1);
    struct buf b;
    *s = (struct signing){ .g = g, .mem = mem, .ask = *ask, .done = done, .ctx = ctx };
    s->ask.client_secret = arena_copy(mem, ask->client_secret);
    buf_init(&b, mem, 64 << 10);
    form_add(&b, "client_id", ask->client_id);
    form_add(&b, "client_secret", s->ask.client_secret);
    form_add(&b, "code", ask->code);
    form_add(&b, "redirect_uri", ask->redirect_uri);
    form_add(&b, "code_verifier", ask->verifier);
    call(s, HTTP_POST,
         arena_print(mem, PRI_STR "/login/oauth/access_token", FMT_STR(ask->web)), buf_str(&b),
         token_came);
}

str github_authorize_url(struct arena *mem, const struct github_authorize *a)
{
    struct buf b;
    uint8_t hash[SHA256_BYTES];
    sha256(a->verifier, hash);
    buf_init(&b, mem, 64 << 10);
    form_add(&b, "client_id", a->client_id);
    form_add(&b, "redirect_uri", a->redirect_uri);
    form_add(&b, "state", a->state);
    form_add(&b, "code_challenge",
             base64url_write(mem, (str){ (const char *)hash, sizeof hash }));
    form_add(&b, "code_challenge_method", STR("S256"));
    return arena_print(mem, PRI_STR "/login/oauth/authorize?" PRI_STR, FMT_STR(a->web),
                       FMT_STR(buf_str(&b)));
}
