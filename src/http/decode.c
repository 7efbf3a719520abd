/*
 * Percent-decoding and look-ups in requests. Pure; fuzzed together with the parser.
 */
#include "http/server.h"

str http_header_get(const struct http_request *r, str name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    return STR_NONE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool http_decode(struct arena *mem, str s, bool plus_is_blank, str *out)
{
    char *to = arena_make(mem, char, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3)
                return false;
            int high = hex_digit(s.ptr[i + 1]);
            int low = hex_digit(s.ptr[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == 0)
            return false;
        to[n++] = c;
    }
    str plain = { to, n };
    if (!str_is_utf8(plain))
        return false;
    *out = plain;
    return true;
}

bool http_query_get(const struct http_request *r, str name, str *out)
{
    for (str rest = r->query; rest.ptr;) {
        str value;
        str key = str_cut(str_cut(rest, '&', &rest), '=', &value);
        str plain;
        if (http_decode(r->mem, key, true, &plain) && str_eq(plain, name))
            return http_decode(r->mem, value, true, out);
    }
    return false;
}
