/*
 * markdown: hostile text made harmless. What could be structure becomes a numeric character
 * reference, which Markdown never takes for structure; what the forge would link after Markdown is
 * done (mentions, issues, shas, addresses) is broken by a zero-width space.
 */
#include "base/buf.h"
#include "domain/feedback_parts.h"

#define ZERO_WIDTH  "\xe2\x80\x8b"
#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS    "\xe2\x80\xa6"

static uint32_t code_point(str s, size_t at, size_t len)
{
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    switch (len) {
    case 1: return p[0];
    case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    }
}

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Controls, bidirectional marks and what has no width: they make text look like other text. */
static bool is_hidden(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } hidden[] = {
        { 0x00, 0x1f },       { 0x7f, 0x9f },     { 0xad, 0xad },     { 0x34f, 0x34f },
        { 0x61c, 0x61c },     { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
        { 0x200b, 0x200b },   { 0x200e, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x206f },
        { 0x3164, 0x3164 },   { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
        { 0xe0000, 0xe0fff },
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (c >= hidden[i].from && c <= hidden[i].to)
            return true;
    return false;
}

/* One line of valid, visible UTF-8 of at most max_chars characters: blanks folded, the rest
 * replaced, cut with an ellipsis. */
static str tidy(struct arena *mem, str s, size_t max_chars)
{
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    size_t chars = 0, keep = 0; /* keep: length of the result when the next character turns out to
                                   be one too many */
    bool gap = false;
    for (size_t at = 0, len; at < s.len; at += len) {
        len = str_utf8_step(s, at);
        uint32_t c = len ? code_point(s, at, len) : 0;
        if (len && is_blank(c)) {
            gap = chars > 0;
            continue;
        }
        size_t add = gap ? 2 : 1;
        if (chars + add > max_chars) {
            out.len = keep;
            buf_add(&out, STR(ELLIPSIS));
            break;
        }
        chars += add;
        if (gap)
            buf_char(&out, ' ');
        gap = false;
        if (len == 0 || is_hidden(c))
            buf_add(&out, STR(REPLACEMENT));
        else
            buf_add(&out, str_sub(s, at, at + len));
        if (chars < max_chars)
            keep = out.len;
        len = len ? len : 1;
    }
    return buf_str(&out);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_alnum(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }
static bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }
static char byte_at(str s, size_t at) { return at < s.len ? s.ptr[at] : '\0'; }
static char byte_before(str s, size_t at) { return at > 0 ? s.ptr[at - 1] : '\0'; }

/* Length of a word that the forge might take for a commit: 7 or more hex digits, one letter at
 * least, alone. 0: none begins here. */
static size_t sha_like(str s, size_t at)
{
    if (is_alnum(byte_before(s, at)) || byte_before(s, at) == '_')
        return 0;
    size_t n = at;
    bool letter = false;
    for (; is_hex(byte_at(s, n)); n++)
        letter |= !is_digit(s.ptr[n]);
    bool alone = !is_alnum(byte_at(s, n)) && byte_at(s, n) != '_';
    return alone && letter && n - at >= 7 ? n - at : 0;
}

static bool follows_nocase(str s, size_t at, const char *word)
{
    str w = str_of(word);
    return at >= w.len && str_eq_nocase(str_sub(s, at - w.len, at), w);
}

/* "1." and "1)" at the start would open a list. */
static bool ends_list_number(str s, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (!is_digit(s.ptr[i]))
            return false;
    return at > 0;
}

/* May this byte mean something to Markdown or HTML where it stands? */
static bool is_structure(str s, size_t at)
{
    char c = s.ptr[at];
    if (strchr("<>&|`*[]\\~$#\"", c))
        return true;
    if (c == '_')
        return !is_alnum(byte_before(s, at)) || !is_alnum(byte_at(s, at + 1));
    if (c == '-' || c == '+' || c == '=')
        return at == 0;
    return (c == '.' || c == ')') && ends_list_number(s, at);
}

/* Would the forge link from here on if nothing came between this byte and the next? */
static bool needs_break(str s, size_t at)
{
    switch (s.ptr[at]) {
    case '@':
    case '#': return true;
    case ':': return byte_at(s, at + 1) == '/' && byte_at(s, at + 2) == '/';
    case '-': return follows_nocase(s, at, "gh") && is_digit(byte_at(s, at + 1));
    case 'w':
    case 'W': return follows_nocase(s, at, "ww") && byte_at(s, at + 1) == '.';
    default: return false;
    }
}

str markdown_text(struct arena *mem, str hostile, size_t max_chars)
{
    str s = tidy(mem, hostile, max_chars);
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t at = 0; at < s.len; at++) {
        size_t sha = sha_like(s, at);
        if (sha) {
            for (size_t i = 0; i < sha; i += 6) {
                if (i)
                    buf_add(&out, STR(ZERO_WIDTH));
                buf_add(&out, str_sub(s, at + i, at + (i + 6 < sha ? i + 6 : sha)));
            }
            at += sha - 1;
            continue;
        }
        if (is_structure(s, at))
            buf_print(&out, "&#%d;", s.ptr[at]);
        else
            buf_char(&out, s.ptr[at]);
        if (needs_break(s, at))
            buf_add(&out, STR(ZERO_WIDTH));
    }
    return buf_str(&out);
}

static size_t longest_fence(str s)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < s.len; i++) {
        run = s.ptr[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* References are not read inside code, so what would end a table cell or look like a tag is shown
 * as its double. */
static void add_code(struct buf *out, str s)
{
    for (size_t at = 0; at < s.len; at++) {
        char c = s.ptr[at];
        switch (c) {
        case '<': buf_add(out, STR("\xe2\x80\xb9")); break; /* ‹ */
        case '>': buf_add(out, STR("\xe2\x80\xba")); break; /* › */
        case '|': buf_add(out, STR("\xe2\x88\xa3")); break; /* ∣ */
        case '@': buf_add(out, STR("@" ZERO_WIDTH)); break;
        default: buf_char(out, c);
        }
    }
}

str markdown_code(struct arena *mem, str hostile, size_t max_chars)
{
    str s = tidy(mem, hostile, max_chars);
    if (s.len == 0)
        return STR("(none)");
    size_t fence = longest_fence(s) + 1;
    bool pad = s.ptr[0] == '`' || s.ptr[s.len - 1] == '`';
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < fence; i++)
        buf_char(&out, '`');
    if (pad)
        buf_char(&out, ' ');
    add_code(&out, s);
    if (pad)
        buf_char(&out, ' ');
    for (size_t i = 0; i < fence; i++)
        buf_char(&out, '`');
    return buf_str(&out);
}

/* Only plain http(s) addresses; '@' is encoded so that no user part can disguise the host. */
bool markdown_url(struct arena *mem, str url, str *safe)
{
    if (url.len > URL_BYTES_MAX ||
        (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://"))))
        return false;
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];
        if (c == '&')
            buf_add(&out, STR("&amp;"));
        else if (is_alnum(c) || (c != '\0' && strchr("-._:/?#=%+,;!$~", c)))
            buf_char(&out, c);
        else
            buf_print(&out, "%%%02X", (unsigned)(unsigned char)c);
    }
    *safe = buf_str(&out);
    return safe->len <= URL_BYTES_MAX;
}

str markdown_link(struct arena *mem, str text, str url)
{
    str safe;
    if (!markdown_url(mem, url, &safe))
        return text;
    return arena_print(mem, "[%s](%s)", z(text), z(safe));
}
