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

/* What an operator may allow. */
static const struct range INSIDE_4[] = {
    { { 10 }, 8 }, { { 100, 64 }, 10 }, { { 127 }, 8 }, { { 172, 16 }, 12 }, { { 192, 168 }, 16 },
};
static const struct range INSIDE_6[] = {
    { { 0xfc }, 7 },                                                        /* unique local */
    { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 128 },            /* loopback */
};

/* Metadata services that do not have a link-local address. */
static const struct range METADATA_4[] = {
    { { 100, 100, 100, 200 }, 32 },                 /* Alibaba */
    { { 168, 63, 129, 16 }, 32 },                   /* Azure */
    { { 192, 0, 0, 192 }, 32 },                     /* Oracle */
};
static const struct range METADATA_6[] = {
    { { 0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54 }, 128 },    /* Amazon */
    { { 0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54 }, 128 },    /* Google */
};
#define IN_ANY(address, ranges) in_any((address), (ranges), sizeof(ranges) / sizeof *(ranges))

static bool allowed_4(const uint8_t address[4], bool private_allowed)
{
    return !IN_ANY(address, METADATA_4) &&
           (is_public_4(address) || (private_allowed && IN_ANY(address, INSIDE_4)));
}

static bool allowed_6(const uint8_t address[16], bool private_allowed)
{
    static const struct range MAPPED = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96 };
    static const struct range NAT64 = { { 0, 0x64, 0xff, 0x9b }, 96 };
    if (within(address, &MAPPED) || within(address, &NAT64))
        return allowed_4(address + 12, private_allowed);
    return !IN_ANY(address, METADATA_6) &&
           (is_public_6(address) || (private_allowed && IN_ANY(address, INSIDE_6)));
}

bool http_address_allowed(const struct sockaddr *a, bool private_allowed)
{
    uint8_t bytes[16];
    if (a->sa_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return allowed_4(bytes, private_allowed);
    }
    if (a->sa_family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
        return allowed_6(bytes, private_allowed);
    }
    return false;
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
    if (f->call.public_only && !http_address_allowed(&to->addr, f->call.private_allowed)) {
        f->private_target = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}
