#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct link { struct peer_server *server; int fd, number; SSL *ssl; char buf[16384]; size_t len; };

static ssize_t link_read(struct link *l, char *to, size_t n)
{
    struct pollfd p = { .fd = l->fd, .events = POLLIN };
    while (!l->ssl || !SSL_pending(l->ssl)) {
        if (atomic_load(&l->server->stop))
            return 0;
        if (poll(&p, 1, 20) > 0)
            break;
    }
    return l->ssl ? SSL_read(l->ssl, to, (int)n) : recv(l->fd, to, n, 0);
}

static void link_write(struct link *l, const char *text, size_t n)
{
    if (l->ssl)
        SSL_write(l->ssl, text, (int)n);
    else
        raw_send(l->fd, (str){ text, n });
}

static void say(struct link *l, const char *text) { link_write(l, text, strlen(text)); }

static void answer_with(struct link *l, int status, const char *extra, const char *body)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nX-Peer: yes\r\n%s\r\n%s", status,
                     strlen(body), extra, body);
    link_write(l, text, (size_t)n);
}

static void hop(struct link *l, const char *path)
{
    int left = path[5] - '0';
    const char *status = path + 7;
    char where[64];
    if (left == 0) {
        answer_with(l, 200, "", "arrived");
        return;
    }
    snprintf(where, sizeof where, "Location: /hop/%d/%s\r\n", left - 1, status);
    answer_with(l, (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'), where, "");
}

static void flood(struct link *l)
{
    char block[4096];
    memset(block, 'f', sizeof block);
    say(l, "HTTP/1.1 200 X\r\nContent-Length: 65536\r\n\r\n");
    for (int i = 0; i < 16; i++)
        link_write(l, block, sizeof block);
}

static void many_headers(struct link *l)
{
    say(l, "HTTP/1.1 200 X\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 300; i++)
        say(l, "X-A: b\r\n");
    say(l, "\r\n");
}

static bool gathered(struct peer_server *p)
{
    pthread_mutex_lock(&p->lock);
    bool enough = p->most_at_once >= p->gather;
    pthread_mutex_unlock(&p->lock);
    return enough;
}

/* Together they come through at once; one after the other each would wait in vain. */
static void wait_for_others(struct peer_server *p)
{
    for (int i = 0; i < PATIENCE_MS / 10 && !gathered(p); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* False: close. */
static bool act(struct link *l, const char *path)
{
    char away[192];
    if (strncmp(path, "/hop/", 5) == 0) {
        hop(l, path);
    } else if (strcmp(path, "/away") == 0) {
        snprintf(away, sizeof away, "Location: %s\r\n", l->server->away);
        answer_with(l, 302, away, "");
    } else if (strcmp(path, "/gone") == 0) {
        return false;
    } else if (strcmp(path, "/silent") == 0) {
        char byte;
        while (link_read(l, &byte, 1) > 0)
            ;
        return false;
    } else if (strcmp(path, "/cut") == 0) {
        say(l, "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n0123456789");
        return false;
    } else if (strcmp(path, "/flood") == 0) {
        flood(l);
    } else if (strcmp(path, "/headers") == 0) {
        many_headers(l);
    } else {
        if (strcmp(path, "/slow") == 0)
            wait_for_others(l->server);
        if (strcmp(path, "/early") == 0)
            say(l, "HTTP/1.1 100 Continue\r\nX-Early: yes\r\n\r\n");
        answer_with(l, 200, "", "ok");
    }
    return true;
}

static void write_down(struct link *l, const char *method, const char *path, const char *head,
                       str body)
{
    struct peer_server *p = l->server;
    pthread_mutex_lock(&p->lock);
    int n = snprintf(p->log + p->log_len, sizeof p->log - p->log_len, "#%d %s %s {%.*s} %s%s\n",
                     l->number, method, path, (int)body.len, body.ptr,
                     strstr(head, "Expect:") ? "EXPECT " : "",
                     strstr(head, "Content-Type:") ? "TYPED" : "");
    p->log_len += (size_t)n;
    pthread_mutex_unlock(&p->lock);
}

static bool one_request(struct link *l)
{
    char *end;
    while (l->buf[l->len] = 0, !(end = strstr(l->buf, "\r\n\r\n"))) {
        ssize_t n = link_read(l, l->buf + l->len, sizeof l->buf - 1 - l->len);
        if (n <= 0)
            return false;
        l->len += (size_t)n;
    }
    const char *length = strstr(l->buf, "Content-Length: ");
    size_t want = length && length < end ? (size_t)strtoul(length + 16, NULL, 10) : 0;
    size_t head = (size_t)(end + 4 - l->buf);
    while (l->len < head + want) {
        ssize_t n = link_read(l, l->buf + l->len, sizeof l->buf - 1 - l->len);
        if (n <= 0)
            return false;
        l->len += (size_t)n;
    }
    *end = 0;
    char *method = l->buf;
    char *path = strchr(method, ' ');
    *path++ = 0;
    char *after = strchr(path, ' ');
    *after = 0;
    write_down(l, method, path, after + 1, (str){ l->buf + head, want });
    bool on = act(l, path);
    memmove(l->buf, l->buf + head + want, l->len - head - want);
    l->len -= head + want;
    return on;
}

static void *serve(void *arg)
{
    struct link *l = arg;
    struct peer_server *p = l->server;
    bool up = true;
    if (p->tls) {
        l->ssl = SSL_new(p->tls);
        SSL_set_fd(l->ssl, l->fd);
        up = SSL_accept(l->ssl) == 1;
    }
    while (up && one_request(l))
        ;
    if (l->ssl)
        SSL_free(l->ssl);
    close(l->fd);
    pthread_mutex_lock(&p->lock);
    p->now--;
    pthread_mutex_unlock(&p->lock);
    free(l);
    atomic_fetch_sub(&p->threads, 1);
    return NULL;
}

static void *listen_loop(void *arg)
{
    struct peer_server *p = arg;
    while (!atomic_load(&p->stop)) {
        struct pollfd w = { .fd = p->listener, .events = POLLIN };
        if (poll(&w, 1, 20) <= 0)
            continue;
        int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        struct link *l = calloc(1, sizeof *l);
        pthread_mutex_lock(&p->lock);
        p->now++;
        p->most_at_once = p->now > p->most_at_once ? p->now : p->most_at_once;
        *l = (struct link){ .server = p, .fd = fd, .number = ++p->connections };
        pthread_mutex_unlock(&p->lock);
        atomic_fetch_add(&p->threads, 1);
        pthread_t t;
        pthread_create(&t, NULL, serve, l);
        pthread_detach(t);
    }
    return NULL;
}

void peer_start(struct peer_server *p, const struct peer_cert *cert)
{
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(p->listener, 256), 0);
    getsockname(p->listener, (struct sockaddr *)&a, &len);
    p->port = ntohs(a.sin_port);
    if (cert) {
        p->tls = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(p->tls, cert->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(p->tls, cert->key), 1);
    }
    assert_int_equal(pthread_create(&p->thread, NULL, listen_loop, p), 0);
}

void peer_stop(struct peer_server *p)
{
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    while (atomic_load(&p->threads))
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    close(p->listener);
    SSL_CTX_free(p->tls);
    pthread_mutex_destroy(&p->lock);
}

int peer_refusing(uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    *port = ntohs(a.sin_port);
    return fd;
}

int peer_seen(struct peer_server *p, const char *part)
{
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (const char *at = p->log; (at = strstr(at, part)); at++)
        n++;
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* ---- certificates ---- */

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(x);
    X509_add_ext(cert, x, -1);
    X509_EXTENSION_free(x);
}

struct peer_cert cert_make(const struct cert_wish *w)
{
    static long serial = 1;
    struct peer_cert c = { X509_new(), EVP_EC_gen("P-256") };
    X509_set_version(c.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.cert), (long)w->from_days * 86400);
    X509_gmtime_adj(X509_getm_notAfter(c.cert), (long)w->to_days * 86400);
    X509_set_pubkey(c.cert, c.key);
    X509_NAME *name = X509_get_subject_name(c.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w->name, -1, -1, 0);
    X509_set_issuer_name(c.cert, w->issuer ? X509_get_subject_name(w->issuer->cert) : name);
    add_extension(c.cert, NID_basic_constraints, w->alternative ? "CA:FALSE" : "critical,CA:TRUE");
    if (w->alternative)
        add_extension(c.cert, NID_subject_alt_name, w->alternative);
    assert_true(X509_sign(c.cert, w->issuer ? w->issuer->key : c.key, EVP_sha256()) > 0);
    return c;
}

void cert_free(struct peer_cert *c)
{
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
}

void cert_write(const struct peer_cert *c, const char *path)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, c->cert), 1);
    fclose(f);
}
