/*
 * Addresses: what people, payloads and headers say goes into a URL only escaped, and a credential
 * goes nowhere but to the configured origin.
 */
#include <stdio.h>

#include "forge/inside.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

str address_escape(struct arena *mem, str text, bool keep_slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = arena_make(mem, char, text.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved((char)c) || (keep_slashes && c == '/')) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = digits[c >> 4];
            to[n++] = digits[c & 15];
        }
    }
    return (str){ to, n };
}

bool address_segment_ok(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f || text.ptr[i] == '/' ||
            text.ptr[i] == '\\')
            return false;
    return text.len && text.len <= 1024 && !str_eq(text, STR(".")) && !str_eq(text, STR(".."));
}

bool address_path_ok(str text)
{
    str rest = text;
    do {
        if (!address_segment_ok(str_cut(rest, '/', &rest)))
            return false;
    } while (rest.ptr);
    return true;
}

str address_origin(str url)
{
    size_t colon = str_find(url, ':', 0);
    if (!str_starts(str_sub(url, colon, url.len), STR("://")))
        return STR_NONE;
    size_t end = colon + 3;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    return str_sub(url, 0, end);
}

/* Without the port that the scheme implies. */
static str plain_origin(str url)
{
    str o = address_origin(url);
    if (str_starts(o, STR("https://")) && str_ends(o, STR(":443")))
        return str_sub(o, 0, o.len - 4);
    if (str_starts(o, STR("http://")) && str_ends(o, STR(":80")))
        return str_sub(o, 0, o.len - 3);
    return o;
}

bool address_same_origin(str a, str b)
{
    str x = plain_origin(a), y = plain_origin(b);
    return x.len && str_eq_nocase(x, y);
}

str address_next_page(str header)
{
    /* <https://…?page=2>; rel="next", <https://…>; rel="last" */
    while (header.len) {
        size_t open = str_find(header, '<', 0), close = str_find(header, '>', open);
        if (close >= header.len)
            break;
        size_t next = str_find(header, '<', close);
        str said = str_sub(header, close + 1, next);
        if (str_has(said, STR("rel=\"next\"")) || str_has(said, STR("rel=next")))
            return str_sub(header, open + 1, close);
        header = str_sub(header, next, header.len);
    }
    return STR_NONE;
}

str address_repo(struct job *j, const char *fmt, ...)
{
    char rest[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof rest)
        return STR_NONE;
    return arena_print(j->mem, "/repos/" PRI_STR "/" PRI_STR "%s",
                       FMT_STR(address_escape(j->mem, j->call.owner, false)),
                       FMT_STR(address_escape(j->mem, j->call.name, false)), rest);
}
