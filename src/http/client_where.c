/*
 * Where calls go: curl's sockets, close-on-exec, and for addresses that somebody typed only to the
 * public internet. Judged here and not in the URL, because a name may lead anywhere and may change
 * between two look-ups.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "http/client_inside.h"

struct range { uint8_t bytes[16]; unsigned bits; };

/* IANA's special-purpose registry, RFC 6890 and its updates. */
static const struct range SPECIAL_4[] = {
    { { 0 }, 8 },                   /* this network */
    { { 10 }, 8 },                  /* private */
    { { 100, 64 }, 10 },            /* carrier-grade NAT */
    { { 127 }, 8 },                 /* loopback */
    { { 169, 254 }, 16 },           /* link-local, cloud metadata */
    { { 172, 16 }, 12 },            /* private */
    { { 192, 0, 0 }, 24 },          /* protocol assignments */
    { { 192, 0, 2 }, 24 },          /* documentation */
    { { 192, 88, 99 }, 24 },        /* 6to4 relays */
    { { 192, 168 }, 16 },           /* private */
    { { 198, 18 }, 15 },            /* benchmarks */
    { { 198, 51, 100 }, 24 },       /* documentation */
    { { 203, 0, 113 }, 24 },        /* documentation */
    { { 224 }, 4 },                 /* multicast */
    { { 240 }, 4 },                 /* reserved, broadcast */
};

/* What is public in IPv6 is 2000::/3, less these. */
static const struct range SPECIAL_6[] = {
    { { 0x20, 0x01, 0 }, 23 },                      /* protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },             /* documentation */
    { { 0x20, 0x02 }, 16 },                         /* 6to4: an IPv4 address in disguise */
    { { 0x3f, 0xff }, 20 },                         /* documentation */
};

static bool within(const uint8_t *address, const struct range *r)
{
    for (unsigned bit = 0; bit < r->bits; bit++) {
        unsigned mask = 0x80u >> (bit % 8);
        if ((address[bit / 8] & mask) != (r->bytes[bit / 8] & mask))
            return false;
    }
    return true;
}

static bool in_any(const uint8_t *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (within(address, &ranges[i]))
            return true;
    return false;
}

static bool is_public_4(const uint8_t address[4])
{
    return !in_any(address, SPECIAL_4, sizeof SPECIAL_4 / sizeof *SPECIAL_4);
}

static bool is_public_6(const uint8_t address[16])
{
    static const struct range GLOBAL = { { 0x20 }, 3 };
    static const struct range MAPPED = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96 };
    static const struct range NAT64 = { { 0, 0x64, 0xff, 0x9b }, 96 };
    if (within(address, &MAPPED) || within(address, &NAT64))
        return is_public_4(address + 12);
    return within(address, &GLOBAL) &&
           !in_any(address, SPECIAL_6, sizeof SPECIAL_6 / sizeof *SPECIAL_6);
}

bool address_is_public(const struct sockaddr *a)
{
    uint8_t bytes[16];
    if (a->sa_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return is_public_4(bytes);
    }
    if (a->sa_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
        return is_public_6(bytes);
    }
    return false;
}

curl_socket_t socket_open(void *flight, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct flight *f = flight;
    if (f->call.public_only && !address_is_public(&to->addr)) {
        f->private_target = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}
