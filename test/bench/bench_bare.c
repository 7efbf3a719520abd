/*
 * bench_bare: what this machine can do at the most. A server of one thread that takes requests,
 * appends their bodies to a file that is long enough already, flushes once for all that came
 * together, and then answers. It understands nothing, has no database, and forgets. Says that it is
 * ready.
 *
 *     bench_bare webhooks PORT FILE SECRET    X-Hub-Signature-256 is checked; answers like ours
 *     bench_bare locks PORT FILE              answers as long as ours
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/str.h"

enum {
    CONNECTIONS_MAX = 256,
    REQUEST_BYTES_MAX = 16 << 10,
    FILE_BYTES = 64 << 20,         /* begun again when it is full */
    PIECE_BYTES = 1 << 20,
    LOCK_ANSWER_BYTES = 480,
    WEBHOOK_ANSWER_BYTES = 64,
    DIGEST_BYTES = 32,
};

struct connection {
    int    fd;
    size_t have;
    char   in[REQUEST_BYTES_MAX + 1];
};

struct bare {
    int           port_fd, watch, file;
    size_t        at;                       /* in the file */
    char         *held;                     /* bodies of this round */
    size_t        held_len;
    int           waiting[CONNECTIONS_MAX]; /* for the flush */
    int           waiting_count;
    char          answer[1024];
    size_t        answer_len;
    EVP_MAC_CTX  *keyed;                    /* NULL: no signature */
};

static void die(const char *what)
{
    fprintf(stderr, "bench_bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

static EVP_MAC_CTX *keyed(const char *secret)
{
    char digest[] = "SHA256";
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
    OSSL_PARAM with[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                          OSSL_PARAM_construct_end() };
    if (!c || !EVP_MAC_init(c, (const unsigned char *)secret, strlen(secret), with))
        die("cannot make a MAC");
    EVP_MAC_free(mac);
    return c;
}

static bool signature_ok(const struct bare *b, const char *head, size_t head_len, str body)
{
    static const char digits[] = "0123456789abcdef", name[] = "sha256=";
    unsigned char sum[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES];
    size_t n;
    EVP_MAC_CTX *c = EVP_MAC_CTX_dup(b->keyed);
    if (!c || !EVP_MAC_update(c, (const unsigned char *)body.ptr, body.len) ||
        !EVP_MAC_final(c, sum, &n, sizeof sum))
        die("cannot sign");
    EVP_MAC_CTX_free(c);
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    const char *given = memmem(head, head_len, name, sizeof name - 1);
    return given && (size_t)(head + head_len - given) > sizeof name + sizeof hex &&
           memcmp(given + sizeof name - 1, hex, sizeof hex) == 0;
}

/* Everything of one request; none: more has to come. */
static bool request_whole(const struct connection *c, size_t *head_len, str *body)
{
    static const char name[] = "Content-Length: ";
    const char *end = memmem(c->in, c->have, "\r\n\r\n", 4), *at;
    int64_t length = 0;
    if (!end)
        return false;
    *head_len = (size_t)(end + 4 - c->in);
    at = memmem(c->in, *head_len, name, sizeof name - 1);
    at = at ? at + sizeof name - 1 : end;
    if (!str_to_i64((str){ at, strspn(at, "0123456789") }, 0, REQUEST_BYTES_MAX, &length) ||
        *head_len + (size_t)length > REQUEST_BYTES_MAX)
        die("a request that is too long for this server");
    *body = (str){ c->in + *head_len, (size_t)length };
    return c->have == *head_len + (size_t)length;
}

static void take(struct bare *b, struct connection *c)
{
    size_t head_len;
    str body;
    ssize_t n = recv(c->fd, c->in + c->have, REQUEST_BYTES_MAX - c->have, 0);
    if (n <= 0) {
        close(c->fd);
        free(c);
        return;
    }
    c->have += (size_t)n;
    c->in[c->have] = '\0';
    if (!request_whole(c, &head_len, &body))
        return;
    if (b->keyed && !signature_ok(b, c->in, head_len, body))
        die("a signature is wrong");
    memcpy(b->held + b->held_len, body.ptr, body.len);
    b->held_len += body.len;
    c->have = 0;
    b->waiting[b->waiting_count++] = c->fd;
}

static void flush_and_answer(struct bare *b)
{
    if (!b->waiting_count)
        return;
    if (b->at + b->held_len > FILE_BYTES)
        b->at = 0;
    if (pwrite(b->file, b->held, b->held_len, (off_t)b->at) != (ssize_t)b->held_len ||
        fdatasync(b->file))
        die("cannot store");
    b->at += b->held_len;
    b->held_len = 0;
    /* Who has gone meanwhile shows at the next recv. */
    for (int i = 0; i < b->waiting_count; i++)
        (void)!send(b->waiting[i], b->answer, b->answer_len, MSG_NOSIGNAL);
    b->waiting_count = 0;
}

static void let_in(struct bare *b)
{
    int one = 1;
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
    if (!c)
        die("a connection");
    c->fd = accept4(b->port_fd, NULL, NULL, SOCK_CLOEXEC);
    if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
        epoll_ctl(b->watch, EPOLL_CTL_ADD, c->fd, &ev))
        die("a connection");
}

static void file_open(struct bare *b, const char *path)
{
    char *zeros = calloc(1, PIECE_BYTES);
    b->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!zeros || b->file < 0)
        die(path);
    for (off_t at = 0; at < FILE_BYTES; at += PIECE_BYTES)
        if (pwrite(b->file, zeros, PIECE_BYTES, at) != PIECE_BYTES)
            die(path);
    if (fsync(b->file))
        die(path);
    free(zeros);
}

static void port_open(struct bare *b, const char *text)
{
    int64_t port;
    int one = 1;
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    if (!str_to_i64(str_of(text), 1, 65535, &port))
        die("which port?");
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    b->port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    b->watch = epoll_create1(EPOLL_CLOEXEC);
    if (setsockopt(b->port_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(b->port_fd, (struct sockaddr *)&to, sizeof to) || listen(b->port_fd, 64) ||
        epoll_ctl(b->watch, EPOLL_CTL_ADD, b->port_fd, &ev))
        die("cannot listen");
}

int main(int argc, char **argv)
{
    static struct bare b;
    bool webhooks = argc == 5 && !strcmp(argv[1], "webhooks");
    if (!webhooks && !(argc == 4 && !strcmp(argv[1], "locks")))
        die("bench_bare webhooks PORT FILE SECRET | locks PORT FILE");
    b.keyed = webhooks ? keyed(argv[4]) : NULL;
    b.held = malloc((size_t)CONNECTIONS_MAX * REQUEST_BYTES_MAX);
    int bytes = webhooks ? WEBHOOK_ANSWER_BYTES : LOCK_ANSWER_BYTES;
    b.answer_len = (size_t)snprintf(b.answer, sizeof b.answer,
                                    "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                                    "Content-Length: %d\r\n\r\n%*s",
                                    webhooks ? "202 Accepted" : "200 OK", bytes, bytes, "{}");
    file_open(&b, argv[3]);
    port_open(&b, argv[2]);
    puts("ready");
    if (fflush(stdout))
        die("cannot say so");
    for (;;) {
        struct epoll_event events[CONNECTIONS_MAX];
        int n = epoll_wait(b.watch, events, CONNECTIONS_MAX, -1);
        if (n < 0 && errno != EINTR)
            die("epoll");
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr)
                take(&b, events[i].data.ptr);
            else
                let_in(&b);
        flush_and_answer(&b);
    }
}
