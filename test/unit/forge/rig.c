#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "base/secret.h"

enum { RULES_MAX = 64, REQUESTS_MAX = 512, REQUEST_BYTES = 1 << 18 };

struct rig rig;

static EVP_PKEY *rsa;
static char pem[8192];
static struct rule rules[RULES_MAX];
static size_t rule_count;
static char *requests[REQUESTS_MAX];
static int request_count, tokens_made;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static atomic_bool stop;
static int listener;

/* ---- keys ---- */

int rig_group_setup(void **state)
{
    log_setup(LOG_ERROR, false);
    rsa = EVP_RSA_gen(2048);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(b, rsa, NULL, NULL, 0, NULL, NULL);
    int n = BIO_read(b, pem, sizeof pem - 1);
    BIO_free(b);
    pem[n > 0 ? n : 0] = 0;
    return n > 0 ? 0 : -1;
}

int rig_group_teardown(void **state)
{
    EVP_PKEY_free(rsa);
    return 0;
}

const char *rig_pem(void) { return pem; }

static str number_of(const char *name)
{
    BIGNUM *n = NULL;
    EVP_PKEY_get_bn_param(rsa, name, &n);
    char bytes[512];
    int len = BN_bn2bin(n, (unsigned char *)bytes);
    BN_free(n);
    return base64url_write(rig.mem, (str){ bytes, (size_t)len });
}

str rig_jwk(const char *kid)
{
    return arena_print(
        rig.mem,
        "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"%s\",\"n\":\"" PRI_STR
        "\",\"e\":\"" PRI_STR "\"}",
        kid, FMT_STR(number_of(OSSL_PKEY_PARAM_RSA_N)), FMT_STR(number_of(OSSL_PKEY_PARAM_RSA_E)));
}

str rig_token(const char *kid, const char *claims_json)
{
    struct jwt_key *key;
    struct err e = { 0 };
    str token = STR_NONE;
    if (!jwt_key_from_pem(str_of(pem), &key, &e) ||
        !jwt_sign(rig.mem, key, str_of(kid), str_of(claims_json), &token, &e))
        fail_msg("%s", e.text);
    jwt_key_free(key);
    return token;
}

/* ---- the server: one request a connection ---- */

static void write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

/* Replaces "{BASE}". */
static char *filled(const char *text)
{
    size_t n = strlen(text), base = strlen(rig.base), room = n + 1;
    for (const char *at = text; (at = strstr(at, "{BASE}")); at++)
        room += base;
    char *out = malloc(room), *to = out;
    while (*text) {
        if (strncmp(text, "{BASE}", 6) == 0) {
            memcpy(to, rig.base, base);
            to += base;
            text += 6;
        } else {
            *to++ = *text++;
        }
    }
    *to = 0;
    return out;
}

static bool fits(const struct rule *r, const char *method, const char *target)
{
    if ((r->times && r->used >= r->times) || strcmp(r->method, method) != 0)
        return false;
    return r->target[0] == '=' ? strcmp(r->target + 1, target) == 0
                               : strncmp(r->target, target, strlen(r->target)) == 0;
}

static struct rule rule_for(const char *method, const char *target)
{
    static char token[256];
    struct rule r = { .status = 599, .body = "{\"message\":\"no rule for this request\"}" };
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < rule_count; i++)
        if (fits(&rules[i], method, target)) {
            rules[i].used++;
            r = rules[i];
            pthread_mutex_unlock(&lock);
            return r;
        }
    if (strncmp(target, "/app/installations/", 19) == 0 && strcmp(method, "POST") == 0) {
        struct arena *mem = arena_new(1 << 16, 1 << 20);
        str ends = rfc3339_write(mem, atomic_load(&rig.now_ms) + 3600000);
        snprintf(token, sizeof token, "{\"token\":\"ghs_token%d\",\"expires_at\":\"%.*s\"}",
                 ++tokens_made, FMT_STR(ends));
        r = (struct rule){ .status = 201, .body = token };
        arena_free(mem);
    }
    /* Enterprise Servers without limits answer so; rules come before it. */
    if (strcmp(target, "/rate_limit") == 0 && r.status == 599)
        r = (struct rule){ .status = 404, .body = "{\"message\":\"Rate limiting is not enabled.\"}" };
    pthread_mutex_unlock(&lock);
    return r;
}

static void answer(int fd, const char *method, const char *target)
{
    struct rule r = rule_for(method, target);
    if (r.status == CLOSES)
        return;
    char *body = filled(r.body ? r.body : ""), *headers = filled(r.headers ? r.headers : "");
    char head[1024];
    int n =
        snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n",
                 r.status, r.status == 304 ? 0 : strlen(body));
    write_all(fd, head, (size_t)n);
    write_all(fd, headers, strlen(headers));
    write_all(fd, "\r\n", 2);
    write_all(fd, body, strlen(body));
    free(body);
    free(headers);
}

static void one_request(int fd)
{
    char *text = calloc(1, REQUEST_BYTES), *end = NULL;
    size_t len = 0, want = 0;
    while (len < REQUEST_BYTES - 1 && (!end || len < want)) {
        ssize_t n = recv(fd, text + len, REQUEST_BYTES - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (!end && (end = strstr(text, "\r\n\r\n"))) {
            const char *length = strstr(text, "Content-Length: ");
            want = (size_t)(end + 4 - text) +
                   (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    if (!end) {
        free(text);
        return;
    }
    char method[16], target[4096];
    if (sscanf(text, "%15s %4095s", method, target) != 2)
        abort();
    pthread_mutex_lock(&lock);
    if (request_count < REQUESTS_MAX)
        requests[request_count++] = text;
    pthread_mutex_unlock(&lock);
    answer(fd, method, target);
}

static void *serve(void *arg)
{
    while (!atomic_load(&stop)) {
        struct pollfd p = { .fd = listener, .events = POLLIN };
        if (poll(&p, 1, 20) <= 0)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        one_request(fd);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

/* ---- fixtures ---- */

static int64_t virtual_steady(void *self) { return atomic_load(&rig.now_ms); }
static int64_t virtual_now(void *self)
{
    return atomic_load(&rig.now_ms) + atomic_load(&rig.shift_ms);
}

static void listen_start(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    rig.port = ntohs(a.sin_port);
    snprintf(rig.base, sizeof rig.base, "http://127.0.0.1:%u", rig.port);
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

int rig_setup(void **state)
{
    struct err e = { 0 };
    rig.mem = arena_new((size_t)64 << 20, (size_t)512 << 20);
    atomic_store(&rig.now_ms, INT64_C(1767225600000));      /* 2026-01-01T00:00:00Z */
    atomic_store(&rig.shift_ms, 0);
    tokens_made = 0;
    rig_forget();
    listen_start();
    if (!http_client_start(&(struct http_client_config){.user_agent = "signalbox-test"},
                           &rig.client, &e))
        fail_msg("%s", e.text);
    struct github_config c = { .client = rig.client, .api_base = str_of(rig.base), .app_id = 4242,
                               .app_slug = STR("signalbox-test"), .private_key_pem = str_of(pem),
                               .now_ms = virtual_now, .steady_ms = virtual_steady };
    if (!github_new(&c, &rig.github, &e))
        fail_msg("%s", e.text);
    rig.forge = github_port(rig.github);
    return 0;
}

int rig_teardown(void **state)
{
    http_client_stop(rig.client);
    github_free(rig.github);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    close(listener);
    rig_forget();
    arena_free(rig.mem);
    return 0;
}

struct rule *rig_rule(struct rule r)
{
    pthread_mutex_lock(&lock);
    assert_true(rule_count < RULES_MAX);
    struct rule *at = &rules[rule_count++];
    *at = r;
    pthread_mutex_unlock(&lock);
    return at;
}

void rig_forget(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < request_count; i++)
        free(requests[i]);
    request_count = 0;
    rule_count = 0;
    pthread_mutex_unlock(&lock);
}

int rig_seen(const char *part)
{
    int n = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < request_count; i++)
        n += strstr(requests[i], part) != NULL;
    pthread_mutex_unlock(&lock);
    return n;
}

int rig_requests(void)
{
    pthread_mutex_lock(&lock);
    int n = request_count;
    pthread_mutex_unlock(&lock);
    return n;
}

str rig_request(int n)
{
    pthread_mutex_lock(&lock);
    assert_true(n < request_count);
    str text = str_of(requests[request_count - 1 - n]);
    pthread_mutex_unlock(&lock);
    return text;
}

/* ---- asking ---- */

struct asked { pthread_mutex_t lock; pthread_cond_t there; bool is_there; struct forge_answer a; };

static void asked_done(void *ctx, const struct forge_answer *a)
{
    struct asked *q = ctx;
    pthread_mutex_lock(&q->lock);
    q->a = *a;
    q->a.message = arena_copy(rig.mem, a->message);
    q->a.result = arena_copy(rig.mem, a->result);
    q->a.quota.resource = arena_copy(rig.mem, a->quota.resource);
    q->is_there = true;
    pthread_cond_signal(&q->there);
    pthread_mutex_unlock(&q->lock);
}

struct forge_answer rig_ask(struct forge_call c)
{
    struct asked q = { .lock = PTHREAD_MUTEX_INITIALIZER, .there = PTHREAD_COND_INITIALIZER };
    if (!c.owner.ptr)
        c.owner = STR("acme");
    if (!c.name.ptr)
        c.name = STR("infra");
    if (!c.installation_id)
        c.installation_id = 5;
    rig.forge.call(rig.forge.self, &c, asked_done, &q);
    pthread_mutex_lock(&q.lock);
    while (!q.is_there)
        pthread_cond_wait(&q.there, &q.lock);
    pthread_mutex_unlock(&q.lock);
    return q.a;
}

struct forge_answer rig_ask_other(struct github_config config, struct forge_call c)
{
    struct err e = { 0 };
    struct github *g = NULL;
    struct forge_port before = rig.forge;
    config.now_ms = virtual_now;
    config.steady_ms = virtual_steady;
    if (!http_client_start(&(struct http_client_config){.user_agent = "other"}, &config.client,
                           &e) ||
        !github_new(&config, &g, &e))
        fail_msg("%s", e.text);
    rig.forge = github_port(g);
    struct forge_answer a = rig_ask(c);
    rig.forge = before;
    http_client_stop(config.client);
    github_free(g);
    return a;
}

struct json rig_json(str text)
{
    struct json v;
    struct err e = { 0 };
    if (!json_parse(rig.mem, text, 0, &v, &e))
        fail_msg("%s in %.*s", e.text, FMT_STR(text));
    return v;
}

str rig_time(int64_t at_ms) { return rfc3339_write(rig.mem, at_ms); }
