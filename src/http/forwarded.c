#include "http/forwarded.h"

#include <arpa/inet.h>
#include <string.h>

enum { ADDRESS_TEXT_MAX = 45, MAPPED_BITS = 96 };
static const uint8_t mapped[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

/* ---- addresses ------------------------------------------------------------------------------- */

static bool address_read(str text, uint8_t out[16], bool *is_v4)
{
    char z[ADDRESS_TEXT_MAX + 1];
    if (!text.len || text.len > ADDRESS_TEXT_MAX || memchr(text.ptr, 0, text.len))
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    memcpy(out, mapped, sizeof mapped);
    *is_v4 = inet_pton(AF_INET, z, out + 12) == 1;
    return *is_v4 || inet_pton(AF_INET6, z, out) == 1;
}

static str address_write(struct arena *mem, const uint8_t at[16])
{
    char z[INET6_ADDRSTRLEN] = "";
    if (memcmp(at, mapped, sizeof mapped) == 0)
        inet_ntop(AF_INET, at + 12, z, sizeof z);
    else
        inet_ntop(AF_INET6, at, z, sizeof z);
    return arena_copy(mem, str_of(z));
}

/* "1.2.3.4", "1.2.3.4:5678", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443" */
static bool hop_read(str text, uint8_t out[16])
{
    str port = STR_NONE, rest, host = text;
    bool is_v4;
    int64_t ignored;
    if (text.len && text.ptr[0] == '[') {
        host = str_cut(str_sub(text, 1, text.len), ']', &port);
        if (!port.ptr || (port.len && port.ptr[0] != ':'))
            return false;
        port = port.len ? str_sub(port, 1, port.len) : STR_NONE;
        return (!port.ptr || str_to_i64(port, 0, 65535, &ignored)) &&
               address_read(host, out, &is_v4) && !is_v4;
    }
    if (address_read(text, out, &is_v4))
        return true;
    host = str_cut(text, ':', &rest);
    return rest.ptr && str_to_i64(rest, 0, 65535, &ignored) && address_read(host, out, &is_v4) &&
           is_v4;
}

/* ---- whom to believe ------------------------------------------------------------------------- */

static bool range_read(str text, struct address_range *out)
{
    str bits, host = str_cut(text, '/', &bits);
    bool is_v4;
    int64_t n = 0;
    if (!address_read(host, out->at, &is_v4) ||
        (bits.ptr && !str_to_i64(bits, 0, is_v4 ? 32 : 128, &n)))
        return false;
    out->bits = !bits.ptr ? 128 : (unsigned)n + (is_v4 ? MAPPED_BITS : 0);
    return true;
}

bool proxies_read(struct arena *mem, str text, struct proxies *out, struct err *e)
{
    *out = (struct proxies){ .range = arena_make(mem, struct address_range, text.len / 2 + 1) };
    while (text.len) {
        size_t n = 0;
        while (n < text.len && text.ptr[n] != ' ' && text.ptr[n] != ',')
            n++;
        str one = str_sub(text, 0, n);
        text = n < text.len ? str_sub(text, n + 1, text.len) : STR("");
        if (!one.len)
            continue;
        if (str_eq(one, STR("unix")))
            out->on_socket = true;
        else if (!range_read(one, &out->range[out->count++]))
            return fail(e, ERR_INVALID,
                        "trusted_proxies must be addresses or ranges like 10.0.0.0/8 or ::1, or unix; "
                        "got " PRI_STR,
                        FMT_STR(str_sub(one, 0, 60)));
    }
    return true;
}

static bool in_range(const struct address_range *r, const uint8_t at[16])
{
    unsigned whole = r->bits / 8, left = r->bits % 8;
    /* All of IPv4 lies inside ::/64, and nobody means that who writes it. */
    if (r->bits < MAPPED_BITS && memcmp(at, mapped, sizeof mapped) == 0)
        return false;
    return memcmp(r->at, at, whole) == 0 &&
           (!left || ((r->at[whole] ^ at[whole]) & (0xff00U >> left) & 0xffU) == 0);
}

static bool is_trusted(const struct proxies *p, const uint8_t at[16])
{
    for (size_t i = 0; i < p->count; i++)
        if (in_range(&p->range[i], at))
            return true;
    return false;
}

/* ---- who came -------------------------------------------------------------------------------- */

/* The last of a list, which is cut off it. */
static str last_cut(str *list)
{
    size_t at = list->len;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    str last = str_trim(str_sub(*list, at, list->len));
    *list = str_sub(*list, 0, at ? at - 1 : 0);
    return last;
}

str forwarded_client(struct arena *mem, const struct proxies *p, str peer,
                     const struct http_header *headers, size_t count)
{
    uint8_t at[16], next[16];
    bool is_v4, known = address_read(peer, at, &is_v4);
    if (known ? !is_trusted(p, at) : !(p->on_socket && str_eq(peer, STR("unix"))))
        return peer;
    bool moved = false;
    for (size_t i = count; i-- > 0;) {
        str list = headers[i].value;
        if (!str_eq_nocase(headers[i].name, STR("X-Forwarded-For")))
            continue;
        while (list.len) {
            str hop = last_cut(&list);
            if (!hop.len)               /* a list may have empty places */
                continue;
            if (!hop_read(hop, next))
                return moved ? address_write(mem, at) : peer;
            memcpy(at, next, sizeof at);
            moved = true;
            if (!is_trusted(p, at))
                return address_write(mem, at);
        }
    }
    return moved ? address_write(mem, at) : peer;
}
