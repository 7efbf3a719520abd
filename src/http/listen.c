/*
 * Where connections come from: the listening socket, who the other side is, and what to do when
 * descriptors run out.
 */
#include "http/inside.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"

enum { BACKLOG = 1024 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static bool address_read(struct http_server *s, union address *to, socklen_t *len, struct err *e)
{
    str text = s->config.address;
    memset(to, 0, sizeof *to);
    if (str_starts(text, STR("unix:"))) {
        str path = str_sub(text, 5, text.len);
        if (!path.len || path.len >= sizeof to->local.sun_path)
            return fail(e, ERR_INVALID,
                        "the socket path '" PRI_STR "' is empty or longer than 107 bytes",
                        FMT_STR(path));
        to->local.sun_family = AF_UNIX;
        memcpy(to->local.sun_path, path.ptr, path.len);
        *len = sizeof to->local;
        s->is_unix = true;
        return true;
    }
    if (inet_pton(AF_INET, s->address_text, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(s->config.port);
        *len = sizeof to->v4;
        return true;
    }
    if (inet_pton(AF_INET6, s->address_text, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(s->config.port);
        *len = sizeof to->v6;
        return true;
    }
    return fail(e, ERR_INVALID,
                "'%s' is not an address to listen on: give an IPv4 or IPv6 address or unix:/path",
                s->address_text);
}

/* A socket file whose server has died stands in the way of bind; one that answers is somebody's. */
static bool stale_removed(const union address *a, socklen_t len)
{
    SCOPED(fd) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0 || connect(probe, &a->any, len) == 0 || errno != ECONNREFUSED)
        return false;
    return unlink(a->local.sun_path) == 0;
}

static bool bound(struct http_server *s, int fd, const union address *a, socklen_t len)
{
    if (bind(fd, &a->any, len) == 0)
        return true;
    if (errno != EADDRINUSE || !s->is_unix || !stale_removed(a, len)) {
        errno = EADDRINUSE;
        return false;
    }
    return bind(fd, &a->any, len) == 0;
}

bool listen_start(struct http_server *s, struct err *e)
{
    union address a;
    socklen_t len = 0;
    if (!address_read(s, &a, &len, e))
        return false;
    SCOPED(fd) int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(e, "cannot create a socket for %s", s->address_text);
    int on = 1;
    /* TCP_NODELAY is inherited by what is accepted, which saves a system call a connection. */
    if (!s->is_unix && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
                        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)))
        return fail_errno(e, "cannot prepare the socket for %s", s->address_text);
    if (!bound(s, fd, &a, len) || listen(fd, BACKLOG))
        return fail_errno(e, "cannot listen on %s port %u: is another server running there?",
                          s->address_text, (unsigned)s->config.port);
    if (!s->is_unix) {
        len = sizeof a;
        if (getsockname(fd, &a.any, &len))
            return fail_errno(e, "cannot ask for the port of %s", s->address_text);
        s->port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    }
    s->listener = TAKE_FD(fd);
    return true;
}

void listen_stop(struct http_server *s)
{
    if (s->listener < 0)
        return;
    close(s->listener);
    s->listener = -1;
    if (s->is_unix)
        unlink(s->address_text + 5);
}

/* ---- who is there ---- */

static void key_of(const union address *a, uint8_t key[16], char text[48])
{
    memset(key, 0, 16);
    text[0] = 0;
    if (a->any.sa_family == AF_INET) {
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &a->v4.sin_addr, 4);
        inet_ntop(AF_INET, &a->v4.sin_addr, text, 48);
    } else if (a->any.sa_family == AF_INET6) {
        memcpy(key, &a->v6.sin6_addr, 16);
        /* An IPv4 client of a socket for both looks like ::ffff:1.2.3.4; people and logs know it
         * as 1.2.3.4. */
        if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
            inet_ntop(AF_INET, key + 12, text, 48);
        else
            inet_ntop(AF_INET6, key, text, 48);
    } else {
        memcpy(text, "unix", sizeof "unix");
    }
}

static struct peer **bucket_of(struct http_server *s, const uint8_t key[16])
{
    return &s->peers[str_hash((str){ (const char *)key, 16 }) % PEER_BUCKETS];
}

static struct peer *peer_enter(struct http_server *s, const union address *a)
{
    uint8_t key[16];
    char text[48];
    key_of(a, key, text);
    struct peer **bucket = bucket_of(s, key);
    struct peer *p = *bucket;
    while (p && memcmp(p->key, key, sizeof key) != 0)
        p = p->next;
    /* Behind a unix socket stands a proxy, one peer for all. */
    if (p && !s->is_unix && p->count >= s->config.connections_per_peer_max)
        return NULL;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return NULL;
        memcpy(p->key, key, sizeof key);
        memcpy(p->text, text, sizeof text);
        p->next = *bucket;
        *bucket = p;
    }
    p->count++;
    return p;
}

void peer_leave(struct http_server *s, struct peer *p)
{
    if (--p->count)
        return;
    struct peer **at = bucket_of(s, p->key);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p);
}

/* ---- accepting ---- */

/* Without a free descriptor the caller would wait in the backlog for ever and wake the loop each
 * round: tell it to go. */
static void shed(struct http_server *s)
{
    if (s->spare >= 0)
        close(s->spare);
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* False: no more for now. */
static bool accept_one(struct http_server *s)
{
    union address a;
    socklen_t len = sizeof a;
    memset(&a, 0, sizeof a);
    int fd = accept4(s->listener, &a.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            shed(s);
            return true;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            return true;
        /* Out of memory for sockets, say: not at once again. */
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            s->listen_again_ms = s->now_ms + WHEEL_TICK_MS;
        return false;
    }
    struct peer *p = peer_enter(s, &a);
    if (!p) {
        close(fd);
        count_add(&s->counts.refused, 1);
        return true;
    }
    /* Counted open before it is counted accepted: who sees all accepted misses none open. */
    server_conn_new(s, fd, p);
    count_add(&s->counts.accepted, 1);
    return true;
}

void listen_accept(struct http_server *s)
{
    for (int i = 0; i < 64 && s->conn_count < s->config.connections_max; i++)
        if (!accept_one(s))
            return;
}
