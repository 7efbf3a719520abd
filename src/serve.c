#include "serve.h"

#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/secret.h"
#include "config.h"
#include "engine/engine.h"
#include "exec/runner.h"
#include "forge/forge.h"
#include "http/client.h"
#include "http/server.h"
#include "store/people.h"
#include "store/repositories.h"
#include "store/tokens.h"

enum { LIST_MAX = 16, STOP_GRACE_MS = 5000, PEM_BYTES_MAX = 64 << 10, ARENAS_MAX = 2,
       DESCRIPTORS_WANTED = 16384, CONNECTIONS_MAX = 4096 };

struct serve {
    struct arena       *mem;
    struct config       config;
    uint8_t             key[SECRET_KEY_BYTES];
    struct jwt_key     *session_key;
    struct http_client *client;
    struct github      *github;
    struct forge_port   port;
    struct runners     *runners;
    struct runner_port  runner_port;
    uint8_t             callback_key[SHA256_BYTES], people_key[SHA256_BYTES];
    struct oidc        *oidc;
    struct engine      *engine;
    struct api         *api;
    struct http_server *server;
    str                 workspace, public_url, address, setup_code;
    str                 welcome;            /* code of the first account; empty: there is one */
    uint16_t            listen_port;
    int64_t             app_id;
    struct proxies      proxies;
    str                 app_slug, private_key, webhook_secret[2], client_id, client_secret;
    size_t              webhook_secrets;
};

static int64_t now_ms(void *self)
{
    (void)self;
    return clock_utc_ms();
}

/* ---- the parts, in the order of their start -------------------------------------------------- */

static bool is_postgres(str database)
{
    return str_starts(database, STR("postgres://")) || str_starts(database, STR("postgresql://"));
}

/*
 * The key beside an embedded database is made at the first start. Servers that share a PostgreSQL
 * have to be given one.
 */
static bool load_key(struct serve *s, struct err *e)
{
    str path = s->config.secret_key_file, text;
    if (!path.len && is_postgres(s->config.database))
        return fail(e, ERR_INVALID,
                    "with PostgreSQL set secret_key_file to a file of 32 random bytes that all "
                    "servers share (head -c 32 /dev/urandom > signalbox.key)");
    if (!path.len)
        path = arena_print(s->mem, PRI_STR ".key", FMT_STR(s->config.database));
    const char *z = arena_z(s->mem, path);
    struct err why = { 0 };
    if (!io_read_file(s->mem, z, 4096, &text, &why)) {
        if (why.code != ERR_NOT_FOUND || s->config.secret_key_file.len) {
            *e = why;
            return false;
        }
        random_bytes(s->key, sizeof s->key);
        return io_replace_file(z, (str){ (const char *)s->key, sizeof s->key }, 0600, e);
    }
    if (text.len != SECRET_KEY_BYTES)
        return fail(e, ERR_INVALID, "%s must hold exactly 32 bytes, it has %zu", z, text.len);
    memcpy(s->key, text.ptr, sizeof s->key);
    return true;
}

/* What is signed has keys of its own, derived: what seals the database never signs. */
static bool derive_keys(struct serve *s, struct err *e)
{
    uint8_t derived[SHA256_BYTES];
    hmac_sha256((str){ (const char *)s->key, sizeof s->key }, STR("signalbox session"), derived);
    bool ok = jwt_key_from_secret((str){(const char *)derived, sizeof derived}, &s->session_key, e);
    secret_wipe(derived, sizeof derived);
    hmac_sha256((str){ (const char *)s->key, sizeof s->key }, STR("signalbox callback"),
                s->callback_key);
    hmac_sha256((str){ (const char *)s->key, sizeof s->key }, STR("signalbox people"),
                s->people_key);
    return ok;
}

static bool stored_app(struct serve *s, struct db *db, struct err *e)
{
    str id = STR_NONE, slug, key, secret;
    bool found;
    if (!app_value_get(db, s->mem, STR(APP_VALUE_ID), NULL, &id, &found, e))
        return false;
    if (!found)
        return true;
    if (!app_value_get(db, s->mem, STR(APP_VALUE_SLUG), NULL, &slug, &found, e) ||
        !app_value_get(db, s->mem, STR(APP_VALUE_PRIVATE_KEY), s->key, &key, &found, e) ||
        !app_value_get(db, s->mem, STR(APP_VALUE_WEBHOOK_SECRET), s->key, &secret, &found, e) ||
        !app_value_get(db, s->mem, STR(APP_VALUE_CLIENT_ID), s->key, &s->client_id, &found, e) ||
        !app_value_get(db, s->mem, STR(APP_VALUE_CLIENT_SECRET), s->key, &s->client_secret, &found,
                       e))
        return fail_ctx(
            e,
            "reading the App that the set-up page stored (is secret_key_file the same as then?)");
    if (!str_to_i64(id, 1, INT64_MAX, &s->app_id))
        return fail(e, ERR_INTERNAL, "the stored App id is no number");
    s->app_slug = slug;
    s->private_key = key;
    s->webhook_secret[s->webhook_secrets++] = secret;
    return true;
}

static bool configured_app(struct serve *s, struct err *e)
{
    const struct config *c = &s->config;
    s->app_id = config_number(c->github_app_id);
    s->app_slug = c->github_app_slug;
    s->client_id = c->github_client_id;
    s->client_secret = c->github_client_secret;
    if (!str_eq(c->github_sign_in, STR("invited")) && !str_eq(c->github_sign_in, STR("installed")))
        return fail(e, ERR_INVALID, "github_sign_in must be invited or installed, got " PRI_STR,
                    FMT_STR(c->github_sign_in));
    if (!s->client_id.len != !s->client_secret.len)
        return fail(e, ERR_INVALID,
                    "github_client_id and github_client_secret belong together: set both");
    if (c->github_private_key_file.len &&
        !io_read_file(s->mem, arena_z(s->mem, c->github_private_key_file), PEM_BYTES_MAX,
                      &s->private_key, e))
        return fail_ctx(e, "github_private_key_file");
    if (c->github_webhook_secret.len)
        s->webhook_secret[s->webhook_secrets++] = c->github_webhook_secret;
    if (c->github_webhook_secret_before.len)
        s->webhook_secret[s->webhook_secrets++] = c->github_webhook_secret_before;
    if (!s->app_id || s->private_key.len)
        return true;
    return fail(e, ERR_INVALID, "github_app_id is set, so github_private_key_file must be, too");
}

static bool choose_workspace(struct serve *s, struct db *db, struct err *e)
{
    struct db_rows r;
    s->workspace = s->config.workspace;
    if (!s->workspace.len) {
        if (!db_query(db, s->mem, e, &r, "select id from workspace order by created_ms, id limit 1",
                      NO_ARGS))
            return false;
        s->workspace = r.count ? db_at(&r, 0, 0)->s : id_new(s->mem, "ws_", clock_utc_ms());
    }
    return workspaces_ensure(db, s->workspace, STR("default"), clock_utc_ms(), e);
}

/* A house without people: whoever can read its log makes the first account. */
static bool choose_welcome(struct serve *s, struct db *db, struct err *e)
{
    struct invitation first;
    bool any, local;
    if (!people_are_there(db, s->mem, &any, &local, e))
        return false;
    if (any)
        return true;
    if (!invitations_first(db, s->mem, s->workspace, false, clock_utc_ms(), &first, e))
        return false;
    s->welcome = invitation_code(s->mem, s->people_key, first.id);
    return true;
}

/* Before the engine: migrations, the workspace, and the App that may be stored there. */
static bool prepare_database(struct serve *s, struct err *e)
{
    SCOPED(db) struct db *db = NULL;
    if (!db_open(s->config.database, false, &db, e) || !db_migrate(db, clock_utc_ms(), e) ||
        !db_begin(db, e))
        return false;
    /* Servers that start together on an empty database agree on one workspace. */
    if (db_kind(db) == DB_POSTGRES &&
        !db_exec(db, e, NULL, "select pg_advisory_xact_lock(126939327160685)", NO_ARGS))
        return false;
    if (!choose_workspace(s, db, e) || !(s->app_id || stored_app(s, db, e)) ||
        !choose_welcome(s, db, e))
        return false;
    return db_commit(db, e);
}

static size_t split(struct arena *mem, str list, str *out)
{
    size_t n = 0;
    while (list.len && n < LIST_MAX) {
        str rest, item = str_trim(str_cut(list, ' ', &rest));
        list = rest;
        if (item.len)
            out[n++] = arena_copy(mem, item);
    }
    return n;
}

static bool start_forge(struct serve *s, struct err *e)
{
    const struct config *c = &s->config;
    str *issuers = arena_make(s->mem, str, LIST_MAX),
        *audiences = arena_make(s->mem, str, LIST_MAX);
    struct http_client_config client = {.ca_file =
                                            c->ca_file.len ? arena_z(s->mem, c->ca_file) : NULL,
                                        .user_agent = "signalbox/" SIGNALBOX_VERSION,
                                        .per_host_max = 100};
    struct github_config github = {.api_base = c->github_api,
                                   .api_version = c->github_api_version,
                                   .app_id = s->app_id,
                                   .app_slug = s->app_slug,
                                   .private_key_pem = s->private_key,
                                   .now_ms = now_ms};
    struct oidc_config oidc = { .issuers = issuers, .audiences = audiences };
    pace_limits_written(&github.limits);
    github.limits.window_ms = config_number(c->github_minute_ms);
    pace_limits_share(&github.limits, config_number(c->github_pace));
    if (!http_client_start(&client, &s->client, e))
        return false;
    github.client = oidc.client = s->client;
    oidc.issuer_count = split(s->mem, c->oidc_issuers, issuers);
    oidc.audience_count = split(s->mem, c->oidc_audiences, audiences);
    if (!github_new(&github, &s->github, e) || !oidc_new(&oidc, &s->oidc, e))
        return false;
    s->port = github_port(s->github);
    s->runners = runners_new(s->client, c->runner_hosts);
    s->runner_port = runners_port(s->runners);
    return true;
}

/* "127.0.0.1:8080", "[::1]:8080", ":8080", "unix:/path" */
static bool split_listen(struct serve *s, struct err *e)
{
    str listen = s->config.listen, port = str_after_last(listen, ':');
    int64_t n;
    if (str_starts(listen, STR("unix:"))) {
        s->address = listen;
        return true;
    }
    if (port.len == listen.len || !str_to_i64(port, 0, 65535, &n))
        return fail(e, ERR_INVALID, "listen must be ADDRESS:PORT or unix:/path, got " PRI_STR,
                    FMT_STR(listen));
    s->listen_port = (uint16_t)n;
    s->address = str_sub(listen, 0, listen.len - port.len - 1);
    if (s->address.len > 1 && s->address.ptr[0] == '[')
        s->address = str_sub(s->address, 1, s->address.len - 1);
    if (!s->address.len)
        s->address = STR("0.0.0.0");
    return true;
}

static bool start_engine(struct serve *s, struct err *e)
{
    const struct config *c = &s->config;
    struct engine_config engine = {
        .database = c->database,
        .workspace_id = s->workspace,
        .public_url = s->public_url,
        .forge = &s->port,
        .runner = &s->runner_port,
        .seal_key = s->key,
        .callback_key = s->callback_key,
        .readers = (unsigned)config_number(c->readers),
        .lease_ms = config_number(c->lease_ms),
        .sweep_ms = config_number(c->sweep_ms),
        .silent_ms = config_number(c->silent_ms),
        .find_settle_ms = config_number(c->find_settle_ms),
        .app_id = s->app_id,
        .heal_deliveries = s->app_id != 0 && config_number(c->heal_deliveries) != 0,
        .bot_login = arena_print(s->mem, PRI_STR "[bot]", FMT_STR(s->app_slug)),
    };
    return engine_start(&engine, &s->engine, e);
}

static void app_created(void *self, const struct app_identity *app)
{
    struct serve *s = self;
    engine_set_app(s->engine, app->id, app->slug);
}

static void choose_setup_code(struct serve *s)
{
    uint8_t bytes[16];
    s->setup_code = s->config.setup_code;
    if (s->setup_code.len)
        return;
    random_bytes(bytes, sizeof bytes);
    s->setup_code = hex_write(s->mem, (str){ (const char *)bytes, sizeof bytes });
}

static bool start_api(struct serve *s, struct err *e)
{
    struct api_config api = {
        .engine = s->engine,
        .oidc = s->oidc,
        .github = s->github,
        .session_key = s->session_key,
        .seal_key = s->key,
        .callback_key = s->callback_key,
        .people_key = s->people_key,
        .webhook_secrets = s->webhook_secret,
        .webhook_secret_count = s->webhook_secrets,
        .default_workspace = s->workspace,
        .public_url = s->public_url,
        .forge_web = s->config.github_web,
        .github_client_id = s->client_id,
        .github_client_secret = s->client_secret,
        .github_private_key = s->private_key,
        .sign_in_installed = str_eq(s->config.github_sign_in, STR("installed")),
        .proxies = s->proxies,
        .version = STR(SIGNALBOX_VERSION),
        .app_ready = s->app_id != 0,
        .upload_bytes_max = (size_t)config_number(s->config.upload_bytes_max),
        .live_streams_max = (unsigned)config_number(s->config.live_streams_max),
        .live_streams_person_max = (unsigned)config_number(s->config.live_streams_person_max),
        .setup_code = s->setup_code,
        .app_slug = s->app_slug,
        .app_created = app_created,
        .app_created_self = s,
    };
    return api_new(&api, &s->api, e);
}

static bool start_http(struct serve *s, struct err *e)
{
    struct http_server_config http = { .address = s->address, .port = s->listen_port,
                                       .workers = (unsigned)config_number(s->config.workers) };
    http.connections_max = CONNECTIONS_MAX + (unsigned)config_number(s->config.live_streams_max);
    struct http_hooks hooks = api_hooks(s->api);
    if (!http_server_start(&http, &hooks, &s->server, e))
        return false;
    api_attach(s->api, s->server);
    return true;
}

static str own_url(struct serve *s)
{
    bool v6 = str_has(s->address, STR(":"));
    if (str_starts(s->address, STR("unix:")))
        return s->address;
    return arena_print(s->mem, "http://%s" PRI_STR "%s:%u", v6 ? "[" : "", FMT_STR(s->address), v6 ? "]" : "",
                       (unsigned)(s->server ? http_server_port(s->server) : s->listen_port));
}

/* With port 0 the links are known when the server listens. */
static void choose_public_url(struct serve *s)
{
    s->public_url = s->config.public_url.len ? s->config.public_url : own_url(s);
    if (!s->server || s->config.public_url.len || s->listen_port)
        return;
    engine_set_public_url(s->engine, s->public_url);
    api_set_public_url(s->api, s->public_url);
}

static bool start_all(struct serve *s, struct err *e)
{
    if (!split_listen(s, e) || !proxies_read(s->mem, s->config.trusted_proxies, &s->proxies, e) ||
        !load_key(s, e) || !derive_keys(s, e) || !configured_app(s, e) ||
        !prepare_database(s, e))
        return false;
    choose_public_url(s);
    choose_setup_code(s);
    if (!start_forge(s, e) || !start_engine(s, e) || !start_api(s, e) || !start_http(s, e))
        return false;
    choose_public_url(s);
    return true;
}

/* Nothing new comes in, what is stored stays stored, calls under way are answered or given up. */
static void stop_all(struct serve *s)
{
    api_say_bye(s->api);
    http_server_stop(s->server, STOP_GRACE_MS);
    engine_quiet(s->engine);
    /* the engine still makes calls until it has stopped, and needs their answers */
    github_stop(s->github);
    runners_stop(s->runners);
    http_client_stop(s->client);
    engine_stop(s->engine);
    api_free(s->api);
    github_free(s->github);
    runners_free(s->runners);
    oidc_free(s->oidc);
    jwt_key_free(s->session_key);
    secret_wipe(s->key, sizeof s->key);
    secret_wipe(s->callback_key, sizeof s->callback_key);
    secret_wipe(s->people_key, sizeof s->people_key);
    arena_free(s->mem);
}

/* ---- the program ----------------------------------------------------------------------------- */

static bool log_setup_from(const struct config *c, struct err *e)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    for (int i = 0; i < 4; i++)
        if (str_eq(c->log_level, str_of(levels[i]))) {
            log_setup((enum log_level)i, str_eq(c->log_format, STR("json")));
            return true;
        }
    return fail(e, ERR_INVALID, "log_level must be debug, info, warn or error, got " PRI_STR,
                FMT_STR(c->log_level));
}

/* Each open page is a descriptor; shells give a thousand and let programs take more. */
static void take_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= DESCRIPTORS_WANTED)
        return;
    r.rlim_cur = r.rlim_max < DESCRIPTORS_WANTED ? r.rlim_max : DESCRIPTORS_WANTED;
    setrlimit(RLIMIT_NOFILE, &r);
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Code is mapped from files and comes back when it is called; what only the start needed need not
 * stay in memory. Never data: relocations have changed it. */
static int let_code_go(struct dl_phdr_info *info, size_t size, void *nothing)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)nothing;
    if (strstr(info->dlpi_name, "vdso"))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
        uintptr_t to = (info->dlpi_addr + h->p_vaddr + h->p_memsz + page - 1) & ~(page - 1);
        if (h->p_type == PT_LOAD && h->p_flags == (PF_R | PF_X))
            (void)madvise((void *)from, to - from, MADV_DONTNEED);      /* advice */
    }
    return 0;
}

static int failed(struct arena *mem, const struct err *e)
{
    fprintf(stderr, "signalbox: %s\n", e->text);
    int code = err_exit(e->code);
    arena_free(mem);
    return code;
}

int serve_main(int argc, char **argv)
{
    struct serve s = { .mem = arena_new((size_t)16 << 20, (size_t)256 << 20) };
    struct err e = { 0 };
    struct signalfd_siginfo info;

    if (argc == 1 && str_eq(str_of(argv[0]), STR("--help"))) {
        printf(PRI_STR, FMT_STR(config_help(s.mem)));
        arena_free(s.mem);
        return 0;
    }
    if (argc == 1 && str_eq(str_of(argv[0]), STR("--print-settings"))) {
        printf(PRI_STR, FMT_STR(config_print(s.mem)));
        arena_free(s.mem);
        return 0;
    }
    if (!config_read(s.mem, argc, argv, &s.config, &e) || !log_setup_from(&s.config, &e) ||
        !secret_start(&e))
        return failed(s.mem, &e);
    /* Few malloc arenas: a dozen threads would otherwise keep a dozen of them. */
    mallopt(M_ARENA_MAX, ARENAS_MAX);
    umask(077);
    /* A core file would hold keys and tokens. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
    take_descriptors();
    SCOPED(fd) int signals = block_signals();
    if (signals < 0)
        fail_errno(&e, "signalfd");
    if (signals < 0 || !start_all(&s, &e)) {
        fprintf(stderr, "signalbox: cannot start: %s\n", e.text);
        int code = err_exit(e.code);
        stop_all(&s);
        return code;
    }
    /* before the word that everybody waits for */
    if (s.welcome.len)
        log_info("nobody has an account yet: open this address to make the first one",
                 LS("welcome", arena_print(s.mem, PRI_STR "/welcome#code=" PRI_STR,
                                           FMT_STR(s.public_url), FMT_STR(s.welcome))));
    log_info("serving", LS("url", own_url(&s)), LS("workspace", s.workspace),
             LS("version", STR(SIGNALBOX_VERSION)),
             LZ("app", s.app_id ? "configured" : "none yet"));
    if (!s.app_id)
        log_info("no GitHub App yet: open this address to create one",
                 LS("setup", arena_print(s.mem, PRI_STR "/setup?code=" PRI_STR,
                                         FMT_STR(s.public_url), FMT_STR(s.setup_code))));
    dl_iterate_phdr(let_code_go, NULL);
    while (read(signals, &info, sizeof info) < 0 && errno == EINTR) {
    }
    log_info("stopping", LI("signal", info.ssi_signo));
    stop_all(&s);
    return 0;
}

/* ---- the first of all ------------------------------------------------------------------------ */

/* Before it counts: what nobody has seen is worth nothing to anybody. */
static bool shown(str text, str otherwise, struct err *e)
{
    printf(PRI_STR "\n", FMT_STR(text));
    return fflush(stdout) == 0 || fail(e, ERR_INTERNAL, "standard output takes nothing: " PRI_STR,
                                       FMT_STR(otherwise));
}

/* The first token has to come from somewhere: whoever can write the database may have one. */
static bool bootstrap_token(struct serve *s, struct db *db, struct err *e)
{
    str text;
    struct token t = {.workspace_id = s->workspace,
                      .name = STR("bootstrap"),
                      .role = STR("admin"),
                      .created_by = STR("bootstrap")};
    if (!tokens_create(db, s->mem, &t, clock_utc_ms(), &text, e) ||
        !shown(text, STR("a token that nobody has seen is not made"), e) || !db_commit(db, e))
        return false;
    fprintf(stderr, "An admin token of workspace " PRI_STR ". It is not shown again.\n",
            FMT_STR(s->workspace));
    return true;
}

/* So has the first owner; and one when all owners have lost their passwords. */
static bool bootstrap_link(struct serve *s, struct db *db, struct err *e)
{
    struct invitation first;
    if (!split_listen(s, e) || !load_key(s, e) || !derive_keys(s, e) ||
        !invitations_first(db, s->mem, s->workspace, true, clock_utc_ms(), &first, e))
        return false;
    choose_public_url(s);
    str link = arena_print(s->mem, PRI_STR "/welcome#code=" PRI_STR, FMT_STR(s->public_url),
                           FMT_STR(invitation_code(s->mem, s->people_key, first.id)));
    if (!shown(link, STR("earlier links work as before"), e) || !db_commit(db, e))
        return false;
    fprintf(stderr,
            "Whoever opens it first makes an account that owns workspace " PRI_STR
            ". Earlier links do not work any more.\n",
            FMT_STR(s->workspace));
    return true;
}

static const char bootstrap_help[] =
    "signalbox bootstrap [--link] [--config FILE] [--NAME=VALUE …]\n\n"
    "Makes an admin token in the server's database and prints it, once.\n"
    "--link: instead, a link; whoever opens it first makes an account that owns the workspace. Earlier "
    "links end.\n\n"
    "Settings are those of the server (signalbox serve --help), above all --database; for a link "
    "--public_url, too.\n"
    "An SQLite file is one process's: stop the server first. With PostgreSQL it may run.\n";

int bootstrap_main(int argc, char **argv)
{
    if (argc == 1 && str_eq(str_of(argv[0]), STR("--help"))) {
        printf("%s", bootstrap_help);
        return 0;
    }
    struct serve s = { .mem = arena_new((size_t)16 << 20, (size_t)64 << 20) };
    struct err e = { 0 };
    SCOPED(db) struct db *db = NULL;
    bool link = argc && str_eq(str_of(argv[0]), STR("--link"));
    if (!config_read(s.mem, argc - link, argv + link, &s.config, &e) || !secret_start(&e) ||
        !db_open(s.config.database, false, &db, &e) || !db_migrate(db, clock_utc_ms(), &e) ||
        !db_begin(db, &e) || !choose_workspace(&s, db, &e) ||
        !(link ? bootstrap_link(&s, db, &e) : bootstrap_token(&s, db, &e)))
        return failed(s.mem, &e);
    jwt_key_free(s.session_key);
    secret_wipe(s.key, sizeof s.key);
    db_close(db);
    db = NULL;
    arena_free(s.mem);
    return 0;
}
