/*
 * forwarded: who is behind a proxy (X-Forwarded-For). Each proxy adds at the right who came to it, so
 * only what trusted ones have added can be believed; whatever stands left of that, anybody may have
 * written. Pure functions.
 */
#ifndef SIGNALBOX_HTTP_FORWARDED_H
#define SIGNALBOX_HTTP_FORWARDED_H
#include "http/server.h"

struct address_range { uint8_t at[16]; unsigned bits; };    /* IPv4 as ::ffff:1.2.3.4 */
struct proxies {
    struct address_range *range;
    size_t                count;
    bool                  on_socket;    /* whoever comes by the unix socket */
};

/*
 * "10.0.0.0/8 ::1 unix": addresses and ranges, separated by blanks or commas. In mem. ERR_INVALID
 * names the one that is none.
 */
bool proxies_read(struct arena *mem, str text, struct proxies *out, struct err *e) MUST_CHECK;

/*
 * Who came to the first trusted proxy: the right-most address in the headers (all of that name, as
 * one list) that is not a trusted one; when all are, the left-most. A peer that is not trusted is
 * who came, whatever it says. What is no address ends the list: whoever said so is the last one known.
 * An address as text, without port and brackets, in mem; or peer itself.
 */
str forwarded_client(struct arena *mem, const struct proxies *p, str peer,
                     const struct http_header *headers, size_t count);

#endif
