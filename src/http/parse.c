#include "http/parse.h"

enum { EXTRA_BYTES_MAX = 16384, CHUNK_DIGITS_MAX = 15, LENGTH_DIGITS_MAX = 18 };

/* RFC 9110 §5.6.2: letters, digits and !#$%&'*+-.^_`|~ */
static const bool TOKEN_CHARS[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,
    ['#' ... '\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
    ['^' ... '`'] = true, ['|'] = true, ['~'] = true,
};

static bool is_token_char(unsigned char c) { return TOKEN_CHARS[c]; }

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

bool http_token_valid(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char((unsigned char)s.ptr[i]))
            return false;
    return s.len > 0;
}

bool http_value_valid(str s)
{
    /* To the end, whatever is found: many bytes are looked at at a time. */
    unsigned char bad = 0;
    for (size_t i = 0; i < s.len; i++)
        bad |= !is_value_char((unsigned char)s.ptr[i]);
    return !bad;
}

static enum http_step bad(struct http_head *h, int status, const char *why)
{
    h->status = status;
    h->why = why;
    return HTTP_BAD;
}

static str blanks_off(str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = (str){ s.ptr + 1, s.len - 1 };
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static enum http_method method_of(str s)
{
    static const struct { str name; enum http_method method; } KNOWN[] = {
        { STR_INIT("GET"), HTTP_GET },     { STR_INIT("HEAD"), HTTP_HEAD },
        { STR_INIT("POST"), HTTP_POST },   { STR_INIT("PUT"), HTTP_PUT },
        { STR_INIT("PATCH"), HTTP_PATCH }, { STR_INIT("DELETE"), HTTP_DELETE },
        { STR_INIT("OPTIONS"), HTTP_OPTIONS },
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (str_eq(s, KNOWN[i].name))
            return KNOWN[i].method;
    return HTTP_OTHER;
}

static enum http_step target_read(struct http_head *h, str target)
{
    if (target.len > HTTP_TARGET_BYTES_MAX)
        return bad(h, 414, "the request target is longer than 8 KiB");
    h->target = target;
    h->path = target;
    h->query = STR_NONE;
    if (h->method == HTTP_OPTIONS && str_eq(target, STR("*")))
        return HTTP_MORE;
    if (!target.len || target.ptr[0] != '/')
        return bad(h, 400, "the request target must be a path that begins with '/'");
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return bad(h, 400, "the request target holds a character that must be percent-encoded");
    }
    size_t mark = str_find(target, '?', 0);
    h->path = str_sub(target, 0, mark);
    if (mark < target.len)
        h->query = str_sub(target, mark + 1, target.len);
    return HTTP_MORE;
}

static enum http_step request_line_read(struct http_head *h, str line)
{
    size_t first = str_find(line, ' ', 0);
    h->method_text = str_sub(line, 0, first);
    if (first == line.len || first > 32 || !http_token_valid(h->method_text))
        return bad(h, 400,
                   "the request line must be: method, one blank, path, one blank, HTTP/1.1");
    h->method = method_of(h->method_text);
    size_t second = str_find(line, ' ', first + 1);
    enum http_step step = target_read(h, str_sub(line, first + 1, second));
    if (step == HTTP_BAD)
        return step;
    str version = second < line.len ? str_sub(line, second + 1, line.len) : STR_NONE;
    h->old = str_eq(version, STR("HTTP/1.0"));
    if (!h->old && !str_eq(version, STR("HTTP/1.1")))
        return bad(h, 400, "the protocol version must be HTTP/1.1 or HTTP/1.0");
    return HTTP_MORE;
}

static enum http_step length_read(struct http_head *h, str value)
{
    if (h->has_length)
        return bad(h, 400, "more than one Content-Length");
    if (!value.len || value.len > LENGTH_DIGITS_MAX)
        return bad(h, 400, "Content-Length is not a number of at most 18 digits");
    h->length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return bad(h, 400, "Content-Length must be digits alone");
        h->length = h->length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    h->has_length = true;
    return HTTP_MORE;
}

static const bool NOT_IN_HOST[256] = {
    [' '] = true, ['\t'] = true, ['/'] = true, ['\\'] = true, ['@'] = true, [','] = true,
    ['?'] = true, ['#'] = true, ['<'] = true, ['>'] = true, ['"'] = true,
};

static enum http_step host_read(struct http_head *h, str value)
{
    if (h->hosts++)
        return bad(h, 400, "more than one Host");
    for (size_t i = 0; i < value.len; i++)
        if (NOT_IN_HOST[(unsigned char)value.ptr[i]])
            return bad(h, 400, "Host is not a host name with an optional port");
    return HTTP_MORE;
}

static void connection_read(struct http_head *h, str value)
{
    for (str rest = value; rest.ptr;) {
        str word = blanks_off(str_cut(rest, ',', &rest));
        h->says_close |= str_eq_nocase(word, STR("close"));
        h->says_keep |= str_eq_nocase(word, STR("keep-alive"));
    }
}

/* The fields that decide where the request ends and who it is for; all others are the
 * application's. */
static enum http_step field_weigh(struct http_head *h, str name, str value)
{
    if (str_eq_nocase(name, STR("content-length")))
        return length_read(h, value);
    if (str_eq_nocase(name, STR("host")))
        return host_read(h, value);
    if (str_eq_nocase(name, STR("transfer-encoding"))) {
        if (h->chunked)
            return bad(h, 400, "more than one Transfer-Encoding");
        if (!str_eq_nocase(value, STR("chunked")))
            return bad(h, 400, "the only transfer coding understood is a single 'chunked'");
        h->chunked = true;
    } else if (str_eq_nocase(name, STR("connection"))) {
        connection_read(h, value);
    } else if (str_eq_nocase(name, STR("expect"))) {
        if (!str_eq_nocase(value, STR("100-continue")))
            return bad(h, 417, "the only expectation understood is 100-continue");
        h->expects_continue = true;
    }
    return HTTP_MORE;
}

static enum http_step field_read(struct http_head *h, str line)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return bad(h, 400, "folded header lines are not accepted");
    size_t colon = str_find(line, ':', 0);
    str name = str_sub(line, 0, colon);
    if (colon == line.len || !http_token_valid(name))
        return bad(h, 400, "a header line must be a name, a colon right after it, and a value");
    str value = blanks_off(str_sub(line, colon + 1, line.len));
    if (!http_value_valid(value))
        return bad(h, 400, "a header value holds a control character");
    if (h->field_count == HTTP_FIELDS_MAX)
        return bad(h, 431, "more than 100 header lines");
    h->fields[h->field_count++] = (struct http_header){ name, value };
    return field_weigh(h, name, value);
}

static enum http_step head_finish(struct http_head *h, size_t bytes)
{
    h->bytes = bytes;
    if (h->chunked && h->has_length)
        return bad(h, 400, "Content-Length together with Transfer-Encoding");
    if (h->chunked && h->old)
        return bad(h, 400, "Transfer-Encoding in HTTP/1.0");
    if (!h->hosts && !h->old)
        return bad(h, 400, "HTTP/1.1 needs a Host header");
    h->keep = h->old ? h->says_keep && !h->says_close : !h->says_close;
    if (h->old)
        h->expects_continue = false;
    return HTTP_DONE;
}

/* One complete line, its LF at `end`. */
static enum http_step line_read(struct http_head *h, str bytes, size_t start, size_t end,
                                bool *began)
{
    if (end == start || bytes.ptr[end - 1] != '\r')
        return bad(h, 400, "a line must end in CR LF");
    str line = str_sub(bytes, start, end - 1);
    if (!*began) {
        /* RFC 9112 §2.2: one empty line before a request is to be forgiven. */
        if (!line.len && start == 0)
            return HTTP_MORE;
        *began = true;
        return request_line_read(h, line);
    }
    return line.len ? field_read(h, line) : head_finish(h, end + 1);
}

static enum http_step past_limit(struct http_head *h, bool began)
{
    return began ? bad(h, 431, "the header block is too large")
                 : bad(h, 414, "the request line is too long");
}

enum http_step http_head_read(str bytes, size_t head_bytes_max, size_t *seen, struct http_head *out)
{
    bool full = bytes.len >= head_bytes_max;
    str view = str_sub(bytes, 0, head_bytes_max);
    bool first_look = *seen == 0;
    if (first_look && view.len && !is_token_char((unsigned char)view.ptr[0]) &&
        view.ptr[0] != '\r') {
        memset(out, 0, offsetof(struct http_head, fields));
        return bad(out, 400, "this is not an HTTP request");
    }
    if (!full && str_find(view, '\n', *seen) == view.len) {
        *seen = view.len;
        return HTTP_MORE;
    }
    *seen = view.len;
    memset(out, 0, offsetof(struct http_head, fields));
    bool began = false;
    for (size_t start = 0;;) {
        size_t end = str_find(view, '\n', start);
        if (end == view.len)
            return full ? past_limit(out, began) : HTTP_MORE;
        enum http_step step = line_read(out, view, start, end, &began);
        if (step != HTTP_MORE)
            return step;
        start = end + 1;
    }
}

/* ---- chunks ---- */

enum {
    CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF,
    TRAILER_START, TRAILER_NAME, TRAILER_VALUE, TRAILER_LF, TRAILER_END_LF, CHUNKS_DONE
};

static int hex_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *size_byte(struct http_chunks *c, unsigned char b)
{
    int digit = hex_of(b);
    if (digit >= 0) {
        if (++c->digits > CHUNK_DIGITS_MAX)
            return "a chunk size has more than 15 digits";
        c->left = c->left * 16 + (uint64_t)digit;
        return NULL;
    }
    if (!c->digits || (b != '\r' && b != ';'))
        return "a chunk size must be hexadecimal digits alone";
    c->state = b == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
    return NULL;
}

static const char *trailer_byte(struct http_chunks *c, unsigned char b)
{
    if (c->state == TRAILER_START) {
        c->state = b == '\r' ? TRAILER_END_LF : TRAILER_NAME;
        return b == '\r' || is_token_char(b) ? NULL : "a trailer line must begin with a name";
    }
    if (c->state == TRAILER_NAME) {
        c->state = b == ':' ? TRAILER_VALUE : TRAILER_NAME;
        return b == ':' || is_token_char(b) ? NULL : "a trailer name must be followed by a colon";
    }
    c->state = b == '\r' ? TRAILER_LF : TRAILER_VALUE;
    return b == '\r' || is_value_char(b) ? NULL : "a trailer value holds a control character";
}

static const char *framing_byte(struct http_chunks *c, unsigned char b)
{
    switch (c->state) {
    case CHUNK_SIZE:
        return size_byte(c, b);
    case CHUNK_EXTENSION:
        c->state = b == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
        return b == '\r' || is_value_char(b) ? NULL : "a chunk extension holds a control character";
    case CHUNK_SIZE_LF:
        c->state = c->left ? CHUNK_DATA : TRAILER_START;
        return b == '\n' ? NULL : "a chunk size must be followed by CR LF";
    case CHUNK_DATA_CR:
        c->state = CHUNK_DATA_LF;
        return b == '\r' ? NULL : "chunk data must be followed by CR LF";
    case CHUNK_DATA_LF:
        c->state = CHUNK_SIZE;
        c->digits = 0;
        return b == '\n' ? NULL : "chunk data must be followed by CR LF";
    case TRAILER_LF:
        c->state = TRAILER_START;
        return b == '\n' ? NULL : "a trailer line must end in CR LF";
    case TRAILER_END_LF:
        c->state = CHUNKS_DONE;
        return b == '\n' ? NULL : "the trailers must end in CR LF";
    default:
        return trailer_byte(c, b);
    }
}

static bool is_extra(int state)
{
    return state == CHUNK_EXTENSION || (state >= TRAILER_START && state < CHUNKS_DONE);
}

enum http_step http_chunks_read(struct http_chunks *c, str *in, str *data)
{
    *data = STR_NONE;
    while (in->len && c->state != CHUNKS_DONE && !c->why) {
        if (c->state == CHUNK_DATA) {
            size_t n = in->len < c->left ? in->len : (size_t)c->left;
            *data = (str){ in->ptr, n };
            *in = (str){ in->ptr + n, in->len - n };
            c->left -= n;
            c->state = c->left ? CHUNK_DATA : CHUNK_DATA_CR;
            return HTTP_MORE;
        }
        if (is_extra(c->state) && ++c->extra > EXTRA_BYTES_MAX)
            c->why = "chunk extensions and trailers are larger than 16 KiB";
        else
            c->why = framing_byte(c, (unsigned char)in->ptr[0]);
        if (!c->why)
            *in = (str){ in->ptr + 1, in->len - 1 };
    }
    if (c->why)
        return HTTP_BAD;
    return c->state == CHUNKS_DONE ? HTTP_DONE : HTTP_MORE;
}
