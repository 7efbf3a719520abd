#include "runner/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/scope.h"
#include "http/client.h"

enum { HOST_BYTES_MAX = 253, LOOKUPS_MAX = 8, LOOKUP_STACK_BYTES = 256 << 10 };

/* ---- the text ---- */

static bool is_plain(str url)
{
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\\\"<>^`{|}#", c))
            return false;
    }
    return true;
}

static bool is_name(str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool edge = i == 0 || i + 1 == host.len || host.ptr[i - 1] == '.' || host.ptr[i + 1] == '.';
        if (!word && (edge || (c != '-' && c != '.' && c != '_')))
            return false;
    }
    return host.len > 0 && host.len <= HOST_BYTES_MAX;
}

/* "10.1" and "0x7f000001" are addresses to a resolver: what ends in a number must be a whole one. */
static bool ends_in_number(str host)
{
    str last = str_after_last(host, '.');
    return last.len && last.ptr[0] >= '0' && last.ptr[0] <= '9';
}

static bool read_literal(str host, bool v6, struct sockaddr_storage *out)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;
    if (host.len >= sizeof text)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    out->ss_family = v6 ? AF_INET6 : AF_INET;
    return inet_pton(out->ss_family, text, v6 ? (void *)&six->sin6_addr : &four->sin_addr) == 1;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six);
}

static bool host_listed(str hosts, str host)
{
    for (str item; list_next(&hosts, &item);) {
        if (item.ptr[0] == '[')
            item = str_sub(item, 1, item.len - 1);
        str suffix = str_sub(item, 1, item.len);
        if (str_eq_nocase(item, host))
            return true;
        if (str_starts(item, STR("*.")) && host.len > suffix.len &&
            str_eq_nocase(str_sub(host, host.len - suffix.len, host.len), suffix))
            return true;
    }
    return false;
}

static bool port_listed(str ports, uint16_t port)
{
    int64_t n;
    for (str item; list_next(&ports, &item);)
        if (str_eq(item, STR("*")) || (str_to_i64(item, 1, 65535, &n) && n == port))
            return true;
    return false;
}

/* Of scheme://authority: what stands in it. False when it is not written as it must be. */
static bool split(str authority, struct callback_place *out, bool *v6)
{
    int64_t port = out->is_https ? 443 : 80;
    str after;
    *v6 = authority.len && authority.ptr[0] == '[';
    if (*v6) {
        size_t end = str_find(authority, ']', 0);
        out->host = str_sub(authority, 1, end);
        after = str_sub(authority, end + 1, authority.len);
        if (end == authority.len || (after.len && after.ptr[0] != ':'))
            return false;
        after = after.len ? str_sub(after, 1, after.len) : STR_NONE;
        if (authority.len > end + 1 && !after.len)
            return false;
    } else {
        out->host = str_cut(authority, ':', &after);
        if (after.ptr && !after.len)
            return false;
    }
    if (after.len && (after.ptr[0] == '0' || !str_to_i64(after, 1, 65535, &port)))
        return false;
    out->port = (uint16_t)port;
    return true;
}

const char *callback_place(struct arena *mem, const struct runner_settings *s, str url,
                           struct callback_place *out)
{
    struct sockaddr_storage literal;
    bool v6;
    if (url.len > CALLBACK_URL_BYTES_MAX)
        return "is longer than 2048 bytes";
    out->is_https = str_starts(url, STR("https://"));
    if (!out->is_https && !str_starts(url, STR("http://")))
        return "must begin with https://";
    size_t from = out->is_https ? 8 : 7, end = from;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?')
        end++;
    str authority = str_sub(url, from, end);
    if (!is_plain(url))
        return "holds a character that must not stand in an address, or a fragment";
    if (str_has(authority, STR("@")))
        return "must not hold a user name or a password";
    if (!split(authority, out, &v6))
        return "has no host and port that can be read";
    out->host = arena_copy(mem, out->host);
    bool number = v6 || ends_in_number(out->host);
    if (number ? !read_literal(out->host, v6, &literal) : !is_name(out->host))
        return "has no host that can be read";
    bool loopback = number ? is_loopback(&literal) : str_eq_nocase(out->host, STR("localhost"));
    if (!out->is_https && !s->http_callback.n && !loopback)
        return "must be https (ALLOW_HTTP_CALLBACK allows http)";
    bool listed = host_listed(s->callback_hosts.text, out->host);
    if (s->callback_hosts.text.len && !listed)
        return "leads to a host that is not among CALLBACK_ALLOWED_HOSTS";
    if (!port_listed(s->callback_ports.text, out->port))
        return "leads to a port that is not among CALLBACK_ALLOWED_PORTS";
    out->private_allowed = listed && s->private_callback.n;
    if (number && !http_address_allowed((const struct sockaddr *)(const void *)&literal,
                                        out->private_allowed))
        return "leads to an address that is not public";
    return NULL;
}

/* ---- the name ---- */

/*
 * Resolvers block, some for longer than who dispatches will wait. So each look-up has a thread that
 * may outlive its caller; whoever is last frees what they share.
 */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t  done;
    char  host[HOST_BYTES_MAX + 1];
    bool  private_allowed, is_done, refused;
    int   owners;
};
static _Atomic int lookups;

static void lookup_leave(struct lookup *l)
{
    pthread_mutex_lock(&l->lock);
    int left = --l->owners;
    pthread_mutex_unlock(&l->lock);
    if (left)
        return;
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->done);
    free(l);
    atomic_fetch_sub(&lookups, 1);
}

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    bool refused = false;
    if (!getaddrinfo(l->host, NULL, &hints, &found))
        for (struct addrinfo *a = found; a; a = a->ai_next)
            refused |= !http_address_allowed(a->ai_addr, l->private_allowed);
    if (found)
        freeaddrinfo(found);
    pthread_mutex_lock(&l->lock);
    l->is_done = true;
    l->refused = refused;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->lock);
    lookup_leave(l);
    return NULL;
}

static bool lookup_start(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, LOOKUP_STACK_BYTES);
    bool ok = pthread_create(&thread, &attr, look_up, l) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

static struct lookup *lookup_new(const struct callback_place *place)
{
    pthread_condattr_t attr;
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->done, &attr);
    pthread_condattr_destroy(&attr);
    memcpy(l->host, place->host.ptr, place->host.len);
    l->private_allowed = place->private_allowed;
    l->owners = 2;
    return l;
}

static bool lookup_wait(struct lookup *l, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&l->lock);
    while (!l->is_done && pthread_cond_timedwait(&l->done, &l->lock, &until) == 0)
        ;
    bool refused = l->is_done && l->refused;
    pthread_mutex_unlock(&l->lock);
    return refused;
}

const char *callback_lookup(const struct callback_place *place, int64_t wait_ms)
{
    if (atomic_fetch_add(&lookups, 1) >= LOOKUPS_MAX) {
        atomic_fetch_sub(&lookups, 1);
        return NULL;
    }
    struct lookup *l = lookup_new(place);
    if (!lookup_start(l)) {
        l->owners = 1;
        lookup_leave(l);
        return NULL;
    }
    bool refused = lookup_wait(l, wait_ms);
    lookup_leave(l);
    return refused ? "has a name that leads to an address that is not public" : NULL;
}
