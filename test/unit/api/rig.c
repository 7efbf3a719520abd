#include "rig.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/pack.h"
#include "store/facts.h"
#include "store/permissions.h"
#include "store/tokens.h"

/* --- the pretend server --- */

struct asked { struct http_request r; struct answer a; bool answered; };

void http_reply_prepare(struct http_request *r, const struct http_response *a)
{
    struct asked *x = (struct asked *)(void *)r;
    struct err e = { 0 };
    assert_false(x->answered);
    x->a.status = a->status;
    x->a.text = arena_copy(r->mem, a->body);
    x->a.type = a->content_type.len ? arena_copy(r->mem, a->content_type) : STR("application/json");
    x->a.headers = STR("");
    for (size_t i = 0; i < a->header_count; i++)
        x->a.headers = arena_print(r->mem, PRI_STR PRI_STR ": " PRI_STR "\n", FMT_STR(x->a.headers),
                                   FMT_STR(a->headers[i].name), FMT_STR(a->headers[i].value));
    if (!json_parse(r->mem, x->a.text, 0, &x->a.body, &e))
        x->a.body = (struct json){ 0 };
}

void http_reply_send(struct http_request *r)
{
    struct asked *x = (struct asked *)(void *)r;
    assert_false(x->answered);          /* exactly once */
    x->answered = true;
}

void http_reply(struct http_request *r, const struct http_response *a)
{
    http_reply_prepare(r, a);
    http_reply_send(r);
}

void http_server_counts(const struct http_server *s, struct http_counts *out)
{
    (void)s;
    *out = (struct http_counts){ .accepted = 7 };
}

/* --- the pretend engine: one body, one transaction --- */

static bool run_body(struct engine *en, engine_body *body, struct arena *mem, void *arg,
                     struct err *e)
{
    if (en->database_gone)
        return fail(e, ERR_STORAGE, "the database is gone: start it again");
    if (!db_begin(en->db, e))
        return false;
    if (body(en->db, mem, arg, e))
        return db_commit(en->db, e);
    db_rollback(en->db);
    return false;
}

void engine_write(struct engine *en, engine_body *body, engine_done *done, void *arg)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    struct err e = { 0 };
    bool ok = run_body(en, body, mem, arg, &e);
    done(arg, ok ? NULL : &e);
    arena_free(mem);
}

/* Asked in turn: on a worker, alone, in company. */
int http_round_events(const struct http_request *r)
{
    static int turn;
    (void)r;
    return turn++ % 3;
}

/* Every other write is prepared for, as by a visitor; the others are as after a writer's turn. */
void engine_write_here(struct engine *en, engine_body *body, engine_ready *ready, engine_done *done,
                       void *arg)
{
    static int turn;
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    struct err e = { 0 };
    bool ok = run_body(en, body, mem, arg, &e);
    if (ok && ready && turn++ % 2)
        ready(arg);
    done(arg, ok ? NULL : &e);
    arena_free(mem);
}

void engine_write_soon(struct engine *en, engine_body *body, engine_done *done, void *arg)
{
    engine_write(en, body, done, arg);
}

bool engine_write_wait(struct engine *en, engine_body *body, void *arg, struct err *e)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    bool ok = run_body(en, body, mem, arg, e);
    arena_free(mem);        /* what a handler keeps must not live here */
    return ok;
}

bool engine_store_fact(struct engine *en, struct db *db, struct arena *mem,
                       const struct fact_new *f, enum fact_fate *fate, int64_t *id, struct err *e)
{
    struct fact row = {.lane = f->lane,
                       .kind = str_of(f->kind),
                       .key = f->key,
                       .body = pack(mem, f->body),
                       .actor = f->actor,
                       .trace = f->trace,
                       .received_ms = en->now_ms};
    if (!facts_add(db, mem, &row, id, e))
        return false;
    *fate = *id ? FACT_STORED : FACT_DUPLICATE;
    en->facts_stored += *id != 0;
    return true;
}

struct submitted { struct engine *en; const struct fact_new *f; enum fact_fate fate; int64_t id; };

static bool submit_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct submitted *x = arg;
    return engine_store_fact(x->en, db, mem, x->f, &x->fate, &x->id, e);
}

void engine_submit(struct engine *en, const struct fact_new *f, fact_done *done, void *arg)
{
    struct submitted x = { .en = en, .f = f };
    struct err e = { 0 };
    bool ok = engine_write_wait(en, submit_body, &x, &e);
    done(arg, x.fate, x.id, ok ? NULL : &e);
}

void engine_submit_soon(struct engine *en, struct arena *mem, const struct fact_new *f,
                        fact_done *done, void *arg)
{
    (void)mem;
    engine_submit(en, f, done, arg);
}

void engine_submit_kept(struct engine *en) { (void)en; }

bool engine_listen(struct engine *en, engine_told *told, void *arg, struct err *e)
{
    (void)en;
    (void)told;
    (void)arg;
    return fail(e, ERR_BUSY, "nothing is told here");
}

void engine_listen_end(struct engine *en) { (void)en; }

/* Streams are the real server's: test/api/live.test.ts. */
struct http_stream *http_stream_begin(struct http_request *r, const struct http_response *head)
{
    (void)r;
    (void)head;
    abort();
}
bool http_stream_send(struct http_stream *s, struct http_bytes *b) { abort(); }
void http_stream_send_all(struct http_stream *const *s, size_t n, struct http_bytes *b) { abort(); }
bool http_stream_open(struct http_stream *s) { abort(); }
void http_stream_end(struct http_stream *s) { abort(); }
struct http_bytes *http_bytes_new(str copied) { abort(); }
struct http_bytes *http_bytes_keep(struct http_bytes *b) { abort(); }
void http_bytes_drop(struct http_bytes *b) { abort(); }
str http_bytes_text(const struct http_bytes *b) { abort(); }

void webhook_rest(struct arena *mem, str event, struct json payload, struct fact_rest *out)
{
    (void)mem;
    (void)event;
    (void)payload;
    *out = (struct fact_rest){ .note = STR_NONE };
}

void engine_poke(struct engine *en, int64_t lane) { en->pokes++; en->poked_lane = lane; }

void engine_settings_changed(struct engine *en, int64_t lane)
{
    (void)lane;
    en->settings_changes++;
}

bool engine_fact_wait(struct engine *en, int64_t fact_id, int64_t timeout_ms, struct arena *mem,
                      str *note, bool *refused)
{
    (void)fact_id, (void)timeout_ms, (void)mem;
    *note = str_of(en->note ? en->note : "");
    *refused = en->refused;
    return en->note != NULL;
}

void engine_lock_changed(struct engine *en, str workspace_id, str folded)
{
    (void)workspace_id, (void)folded;
    en->lock_changes++;
}

struct db *engine_read(struct engine *en, struct err *e)
{
    en->reads++;
    if (en->database_gone)
        (void)fail(e, ERR_STORAGE, "the database is gone: start it again");
    return en->database_gone ? NULL : en->db;
}

void engine_read_done(struct engine *en, struct db *db) { (void)en, (void)db; }
int64_t engine_now_ms(struct engine *en) { return en->now_ms; }
void engine_health(struct engine *en, struct engine_health *out)
{
    *out = (struct engine_health){.database_ok = !en->database_gone};
}
void engine_counts(struct engine *en, struct engine_counts *out)
{
    (void)en;
    *out = (struct engine_counts){.facts = 3};
}

/* --- the pretend forge --- */

bool oidc_verify(struct oidc *o, struct arena *mem, str token, int64_t now_ms, struct json *claims,
                 struct err *e)
{
    (void)o, (void)now_ms;
    if (str_eq(token, STR("keys-unreachable")))
        return fail(e, ERR_UPSTREAM, "the keys of the issuer cannot be had: try again");
    if (!str_starts(token, STR("oidc:")))
        return fail(e, ERR_TOKEN, "this is no token of GitHub Actions");
    return json_parse(mem, str_sub(token, 5, token.len), 0, claims, e);
}

bool github_signature_ok(str header, str body, const str *secrets, size_t count)
{
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    bool ok = false;
    for (size_t i = 0; i < count; i++) {
        uint8_t mac[SHA256_BYTES];
        hmac_sha256(secrets[i], body, mac);
        ok = ok ||
             str_eq(header,
                    arena_print(mem, "sha256=" PRI_STR,
                                FMT_STR(hex_write(mem, (str){(const char *)mac, sizeof mac}))));
    }
    arena_free(mem);
    return ok;
}

bool github_form_payload(struct arena *mem, str body, str *payload)
{
    return str_starts(body, STR("payload=")) &&
           http_decode(mem, str_sub(body, 8, body.len), true, payload);
}

str github_manifest(struct arena *mem, str app_name, str public_url)
{
    return arena_print(mem, "{\"name\":\"" PRI_STR "\",\"url\":\"" PRI_STR "\"}", FMT_STR(app_name),
                       FMT_STR(public_url));
}

void github_manifest_exchange(struct github *g, str code, forge_done *done, void *ctx)
{
    struct forge_answer a = {
        .outcome = FORGE_OK,
        .status = 201,
        .result = STR("{\"id\":77,\"slug\":\"sbx\",\"client_id\":\"Iv1\",\"client_secret\":\"cs\","
                      "\"webhook_secret\":\"fresh-secret\",\"pem\":\"PEM\",\"html_url\":\"https://"
                      "github.test/apps/sbx\"}")};
    (void)g;
    if (!str_eq(code, STR("good")))
        a = (struct forge_answer){.outcome = FORGE_NOT_FOUND,
                                  .status = 404,
                                  .message = STR("Not Found"),
                                  .result = STR("{}")};
    done(ctx, &a);
}

static void forge_call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    struct rig *g = self;
    char text[200];
    assert_int_equal(c->kind, FORGE_PERMISSION);
    g->forge.asked++;
    snprintf(text, sizeof text, "{\"permission\":\"%s\",\"user_id\":%lld}",
             g->forge.permission ? g->forge.permission : "none", (long long)g->forge.user_id);
    struct forge_answer a = {.outcome = g->forge.outcome, .status = 200, .result = str_of(text)};
    done(ctx, &a);
}

struct forge_port github_port(struct github *g)
{
    return (struct forge_port){ .self = g, .call = forge_call };
}

str github_authorize_url(struct arena *mem, const struct github_authorize *a)
{
    return arena_print(mem, PRI_STR "/login/oauth/authorize?state=" PRI_STR, FMT_STR(a->web),
                       FMT_STR(a->state));
}

void github_sign_in(struct github *g, const struct github_sign_in *ask, forge_done *done, void *ctx)
{
    struct rig *rig = (struct rig *)(void *)g;
    struct forge_answer a = { .outcome = FORGE_REFUSED, .message = STR("bad_verification_code") };
    if (str_eq(ask->code, STR("good")) && rig->forge.who)
        a = (struct forge_answer){ .outcome = FORGE_OK, .result = str_of(rig->forge.who) };
    done(ctx, &a);
}

bool github_reconfigure(struct github *g, int64_t app_id, str slug, str pem, struct err *e)
{
    (void)g, (void)slug, (void)e;
    return app_id == 77 && str_eq(pem, STR("PEM"));
}

/* --- asking --- */

struct answer ask_with(struct rig *g, const char *method, const char *path,
                       const struct http_header *headers, size_t header_count, str body)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    struct asked *x = arena_make(g->mem, struct asked, 1);
    str query, p = str_cut(str_of(path), '?', &query);
    x->r = (struct http_request){.method = HTTP_OTHER,
                                 .method_text = str_of(method),
                                 .target = str_of(path),
                                 .path = p,
                                 .query = query,
                                 .headers = headers,
                                 .header_count = header_count,
                                 .body = body,
                                 .peer = STR("127.0.0.1"),
                                 .mem = g->mem};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], method) == 0)
            x->r.method = (enum http_method)i;
    struct http_class class = { 0 };
    g->hooks.classify(g->hooks.app, &x->r, &class);
    assert_true(class.body_max > 0 && class.body_ms > 0);
    g->hooks.handle(g->hooks.app, &x->r);
    assert_true(x->answered);
    return x->a;
}

struct answer ask(struct rig *g, const char *method, const char *path, str token, const char *body)
{
    struct http_header h[4] = {{STR("Host"), STR("signalbox.test")},
                               {STR("User-Agent"), str_of(g->agent)}};
    size_t n = 2;
    if (body)
        h[n++] = (struct http_header){ STR("Content-Type"), STR("application/json") };
    if (token.len)
        h[n++] = (struct http_header){STR("Authorization"),
                                      arena_print(g->mem, "Bearer " PRI_STR, FMT_STR(token))};
    return ask_with(g, method, path, h, n, body ? str_of(body) : STR(""));
}

struct answer deliver(struct rig *g, const char *event, const char *guid, const char *secret,
                      const char *payload)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(str_of(secret), str_of(payload), mac);
    const struct http_header h[] = {
        {STR("Content-Type"), STR("application/json")},
        {STR("X-GitHub-Event"), str_of(event)},
        {STR("X-GitHub-Delivery"), str_of(guid)},
        {STR("X-Hub-Signature-256"),
         arena_print(g->mem, "sha256=" PRI_STR,
                     FMT_STR(hex_write(g->mem, (str){(const char *)mac, sizeof mac})))}};
    return ask_with(g, "POST", "/webhooks/github", h, sizeof h / sizeof h[0], str_of(payload));
}

str oidc_token(struct rig *g, const char *jti, const char *more)
{
    return arena_print(
        g->mem,
        "oidc:{\"jti\":\"%s\",\"exp\":%lld,\"repository\":\"acme/"
        "infra\",\"repository_id\":\"9001\",\"repository_owner\":\"acme\","
        "\"actor\":\"octocat\",\"run_id\":\"555\",\"run_attempt\":\"1\",\"event_name\":\"push\","
        "\"workflow_ref\":\"acme/infra/.github/workflows/atmos.yaml@refs/heads/main\"%s}",
        jti, (long long)(g->engine.now_ms / 1000 + 300), more);
}

str session_of(struct rig *g, const char *jti, const char *more)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, g->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("token"), oidc_token(g, jti, more));
    json_field_str(&w, STR("workspaceId"), STR(WS));
    json_end_object(&w);
    struct answer a = ask(g, "POST", "/api/v1/auth/github-oidc", STR(""), buf_str(&b).ptr);
    expect(a, 200, NULL);
    return at(g, a, "data.token");
}

void expect_(struct answer a, int status, const char *tag, const char *file, int line)
{
    struct arena *mem = arena_new(1 << 20, 1 << 24);
    str got = json_str(json_get(a.body, STR("errorTag")), mem);
    bool enveloped = json_i64_or(json_get(a.body, STR("status")), 0) == a.status &&
                     json_str(json_get(a.body, STR("traceId")), mem).len &&
                     json_bool_or(json_get(a.body, STR("success")), false) == (a.status < 400);
    bool ok = a.status == status && (!str_eq(a.type, STR("application/json")) || enveloped) &&
              (!tag || str_eq(got, str_of(tag)));
    arena_free(mem);
    if (ok)
        return;
    print_error("wanted %d %s, got %d: " PRI_STR "\n", status, tag ? tag : "", a.status,
                FMT_STR(str_sub(a.text, 0, 2000)));
    _fail(file, line);
}

str at(struct rig *g, struct answer a, const char *dotted)
{
    return json_str(json_path(a.body, dotted), g->mem);
}

int64_t num(struct answer a, const char *dotted)
{
    return json_i64_or(json_path(a.body, dotted), -999);
}

/* --- setting up --- */

static str make_token(struct rig *g, const char *name, const char *role, int64_t repository_id)
{
    struct token t = {.workspace_id = STR(WS),
                      .name = str_of(name),
                      .role = str_of(role),
                      .repository_id = repository_id};
    str text;
    good(g->b, tokens_create(g->b->db, g->mem, &t, g->engine.now_ms, &text, &g->b->e));
    return text;
}

static int64_t make_repository(struct rig *g, const char *workspace, const char *name,
                               int64_t forge_id)
{
    struct repository r = {.workspace_id = str_of(workspace),
                           .forge = STR("github"),
                           .forge_id = forge_id,
                           .host = STR("github.com"),
                           .owner = STR("acme"),
                           .name = str_of(name),
                           .default_branch = STR("main")};
    bool is_new;
    good(g->b, repositories_import(g->b->db, g->mem, &r, STR("system"), STR("test"),
                                   g->engine.now_ms, &is_new, &g->b->e));
    assert_true(is_new);
    return r.id;
}

static int begin(void **state)
{
    struct rig *g = calloc(1, sizeof *g);
    g->b = *state;
    log_setup(LOG_ERROR, false);
    g->mem = g->b->mem;
    g->agent = "atmos/1.226.1 (linux; amd64)";
    *state = g;
    g->engine = (struct engine){ .db = g->b->db, .now_ms = 1790000000000 };
    good(g->b, secret_start(&g->b->e));
    good(g->b, db_migrate(g->b->db, g->engine.now_ms, &g->b->e));
    good(g->b, workspaces_ensure(g->b->db, STR(WS), STR("acme"), g->engine.now_ms, &g->b->e));
    good(g->b,
         workspaces_ensure(g->b->db, STR(WS_OTHER), STR("other"), g->engine.now_ms, &g->b->e));
    good(g->b, jwt_key_from_secret(STR("0123456789abcdef0123456789abcdef"), &g->key, &g->b->e));
    good(g->b,
         jwt_key_from_secret(STR("fedcba9876543210fedcba9876543210"), &g->key_before, &g->b->e));
    static const str secrets[] = { STR_INIT("new-secret"), STR_INIT("old-secret") };
    static const uint8_t seal[SECRET_KEY_BYTES] = { 1, 2, 3 };
    struct api_config c = {.engine = &g->engine,
                           .oidc = (struct oidc *)(void *)g,
                           .github = (struct github *)(void *)g,
                           .session_key = g->key,
                           .session_key_before = g->key_before,
                           .seal_key = seal,
                           .webhook_secrets = secrets,
                           .webhook_secret_count = 2,
                           .default_workspace = STR(WS),
                           .public_url = STR("https://signalbox.test"),
                           .version = STR("test"),
                           .github_client_id = STR("Iv1"),
                           .github_client_secret = STR("cs"),
                           .github_private_key = STR("-----BEGIN RSA PRIVATE KEY-----\n"
                                                     "MIIEpAIBAAKCAQEAbrEad\n"
                                                     "-----END RSA PRIVATE KEY-----\n"),
                           .setup_code = STR("c0de")};
    good(g->b, api_new(&c, &g->api, &g->b->e));
    g->hooks = api_hooks(g->api);
    g->repo = make_repository(g, WS, "infra", 9001);
    g->repo_other = make_repository(g, WS, "other", 9002);
    g->member = make_token(g, "laptop", "member", 0);
    g->admin = make_token(g, "boss", "admin", 0);
    g->repo_member = make_token(g, "narrow", "member", g->repo);
    g->session = session_of(g, "first", ",\"ref\":\"refs/heads/main\"");
    return 0;
}

int rig_sqlite(void **state)   { return both_sqlite(state) ? -1 : begin(state); }
int rig_postgres(void **state) { return both_postgres(state) ? -1 : begin(state); }

int rig_end(void **state)
{
    struct rig *g = *state;
    *state = g->b;
    api_free(g->api);
    jwt_key_free(g->key);
    jwt_key_free(g->key_before);
    free(g);
    return both_end(state);
}
