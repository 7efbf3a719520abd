/*
 * bench_pairs: one client for both servers. CLIENTS connections, each with a key of its own, as
 * deployments have it: take it, wait for the answer, give it back, wait for the answer, and again.
 *
 *     bench_pairs http PORT CLIENTS SECONDS TOKEN     POST and DELETE /api/v1/locks
 *     bench_pairs redis PORT CLIENTS SECONDS          SET … NX PX and DEL
 *
 * Prints pairs, microseconds, the latency of one call and how many answers were not as they should.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { CLIENTS_MAX = 512, REQUEST_BYTES = 1024, ANSWER_BYTES = 16 << 10, SLOWEST_US = 1 << 20 };

struct request {
    char   text[REQUEST_BYTES];
    size_t len;
};

struct client {
    int            fd;
    struct request take, give;
    bool           gives;           /* what it waits for */
    int64_t        asked_us;
    char           answer[ANSWER_BYTES];
    size_t         have;
};

struct load {
    bool     http;
    int64_t  end_us;
    uint64_t pairs, bad;
    int      left;                      /* clients that go on */
    uint32_t took_us[SLOWEST_US];       /* how many calls took so long */
    struct client client[CLIENTS_MAX];
};

static void die(const char *what)
{
    fprintf(stderr, "bench_pairs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void request_set(struct request *r, const char *text, int len)
{
    if (len < 0 || len >= REQUEST_BYTES)
        die("a request is too long");
    memcpy(r->text, text, (size_t)len);
    r->len = (size_t)len;
}

static void http_requests(struct client *c, const char *port, const char *token, int number)
{
    static const char *const verbs[] = { "POST", "DELETE" };
    static const char *const rests[] = { ",\"ttl\":300,\"lockMessage\":\"apply\"", "" };
    for (int i = 0; i < 2; i++) {
        char body[256], text[REQUEST_BYTES];
        int n = snprintf(body, sizeof body, "{\"key\":\"acme/infra/prod-%03d/vpc\"%s}", number,
                         rests[i]);
        int all = snprintf(text, sizeof text,
                           "%s /api/v1/locks HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n"
                           "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                           "Content-Length: %d\r\n\r\n%s",
                           verbs[i], port, token, n, body);
        request_set(i ? &c->give : &c->take, text, all);
    }
}

static void redis_requests(struct client *c, int number)
{
    char key[64], text[REQUEST_BYTES];
    int n = snprintf(key, sizeof key, "lock:acme/infra/prod-%03d/vpc", number);
    int all = snprintf(text, sizeof text,
                       "*6\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$5\r\ntoken\r\n$2\r\nNX\r\n$2\r\nPX\r\n"
                       "$6\r\n300000\r\n",
                       n, key);
    request_set(&c->take, text, all);
    all = snprintf(text, sizeof text, "*2\r\n$3\r\nDEL\r\n$%d\r\n%s\r\n", n, key);
    request_set(&c->give, text, all);
}

static void ask(struct client *c)
{
    const struct request *r = c->gives ? &c->give : &c->take;
    c->have = 0;
    c->asked_us = clock_mono_us();
    if (send(c->fd, r->text, r->len, MSG_NOSIGNAL) != (ssize_t)r->len)
        die("a request was not taken");
}

/* 0: there is more to come; 1: as it should be; -1: not so. */
static int http_answer(const struct client *c)
{
    static const char name[] = "Content-Length: ";
    const char *end = memmem(c->answer, c->have, "\r\n\r\n", 4), *at;
    int64_t length;
    if (!end)
        return 0;
    at = memmem(c->answer, (size_t)(end - c->answer), name, sizeof name - 1);
    at = at ? at + sizeof name - 1 : end;
    str digits = { at, strspn(at, "0123456789") };
    if (!str_to_i64(digits, 0, ANSWER_BYTES, &length))
        return -1;
    if (c->have < (size_t)(end + 4 - c->answer) + (size_t)length)
        return 0;
    return str_starts((str){ c->answer, c->have }, STR("HTTP/1.1 200")) ? 1 : -1;
}

static int redis_answer(const struct client *c)
{
    str all = { c->answer, c->have };
    if (!str_ends(all, STR("\r\n")))
        return 0;
    return str_eq(all, c->gives ? STR(":1\r\n") : STR("+OK\r\n")) ? 1 : -1;
}

static void take_answer(struct load *l, struct client *c)
{
    ssize_t n = recv(c->fd, c->answer + c->have, sizeof c->answer - c->have, 0);
    if (n <= 0)
        die("the server hung up");
    c->have += (size_t)n;
    int verdict = l->http ? http_answer(c) : redis_answer(c);
    if (verdict == 0)
        return;
    int64_t now_us = clock_mono_us(), took_us = now_us - c->asked_us;
    l->took_us[took_us < SLOWEST_US ? took_us : SLOWEST_US - 1]++;
    l->bad += verdict < 0;
    l->pairs += c->gives;
    c->gives = !c->gives;
    /* What was taken is given back, also after the end. */
    if (now_us < l->end_us || c->gives)
        ask(c);
    else
        l->left--;
}

static int dial(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
        die("cannot connect");
    return fd;
}

static int64_t percentile_us(const struct load *l, int percent)
{
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < SLOWEST_US; i++)
        all += l->took_us[i];
    for (int i = 0; i < SLOWEST_US; i++) {
        seen += l->took_us[i];
        if (seen * 100 >= all * (uint64_t)percent)
            return i;
    }
    return SLOWEST_US;
}

static int number(const char *text, int most)
{
    int64_t n;
    if (!str_to_i64(str_of(text), 1, most, &n))
        die("PORT, CLIENTS and SECONDS are numbers");
    return (int)n;
}

int main(int argc, char **argv)
{
    static struct load l;
    bool http = argc == 6 && !strcmp(argv[1], "http");
    if (!http && !(argc == 5 && !strcmp(argv[1], "redis")))
        die("bench_pairs http PORT CLIENTS SECONDS TOKEN | redis PORT CLIENTS SECONDS");
    int port = number(argv[2], 65535), clients = number(argv[3], CLIENTS_MAX);
    int seconds = number(argv[4], 3600), watch = epoll_create1(EPOLL_CLOEXEC);
    l.http = http;
    for (int i = 0; i < clients; i++) {
        struct client *c = &l.client[i];
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
        c->fd = dial(port);
        if (http)
            http_requests(c, argv[2], argv[5], i);
        else
            redis_requests(c, i);
        if (epoll_ctl(watch, EPOLL_CTL_ADD, c->fd, &ev))
            die("epoll");
    }
    int64_t began_us = clock_mono_us();
    l.end_us = began_us + (int64_t)seconds * 1000000;
    l.left = clients;
    for (int i = 0; i < clients; i++)
        ask(&l.client[i]);
    while (l.left > 0) {
        struct epoll_event events[CLIENTS_MAX];
        int n = epoll_wait(watch, events, CLIENTS_MAX, 10000);
        if (n == 0)
            die("no answer for ten seconds");
        for (int i = 0; i < n; i++)
            take_answer(&l, events[i].data.ptr);
    }
    printf("{\"pairs\":%llu,\"micros\":%lld,\"p50_us\":%lld,\"p99_us\":%lld,\"bad\":%llu}\n",
           (unsigned long long)l.pairs, (long long)(clock_mono_us() - began_us),
           (long long)percentile_us(&l, 50), (long long)percentile_us(&l, 99),
           (unsigned long long)l.bad);
    return 0;
}
