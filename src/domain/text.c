#include "domain/text.h"

#include "base/buf.h"

/* What would break the line, or show something else than what is there. */
static bool is_hostile(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

str text_plain(struct arena *mem, str s, size_t max_chars)
{
    static const str BAD = STR_INIT("\xef\xbf\xbd"), CUT = STR_INIT("\xe2\x80\xa6");
    size_t bytes = s.len < max_chars ? s.len : max_chars;
    char *out = arena_take(mem, bytes * 4 + CUT.len + 1, 1);
    size_t n = 0, last = 0, chars = 0;
    for (size_t at = 0; at < s.len; chars++) {
        if (chars == max_chars) {
            memcpy(out + last, CUT.ptr, CUT.len);
            return (str){ out, last + CUT.len };
        }
        size_t step = str_utf8_step(s, at);
        bool bad = step == 0 || is_hostile(str_utf8_char(s, at, step));
        str piece = bad ? BAD : str_sub(s, at, at + step);
        last = n;
        memcpy(out + n, piece.ptr, piece.len);
        n += piece.len;
        at += step ? step : 1;
    }
    return (str){ out, n };
}

bool text_is_word(str s, size_t max)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || !strchr("._/-", c)))
            return false;
    }
    return s.len > 0 && s.len <= max && s.ptr[0] != '-';
}

str text_number(struct arena *mem, int64_t n)
{
    str plain = arena_print(mem, "%lld", (long long)n);
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < plain.len; i++) {
        if (i && (plain.len - i) % 3 == 0 && plain.ptr[i - 1] != '-')
            buf_char(&out, ',');
        buf_char(&out, plain.ptr[i]);
    }
    return buf_str(&out);
}

str text_count(struct arena *mem, int64_t n, const char *one, const char *many)
{
    return arena_print(mem, PRI_STR " %s", FMT_STR(text_number(mem, n)), n == 1 ? one : many);
}

bool text_row(str name, const void *rows, size_t row_bytes, unsigned count, unsigned *at)
{
    for (*at = 0; *at < count; ++*at) {
        const char *const *row = (const void *)((const char *)rows + *at * row_bytes);
        if (str_eq(name, str_of(*row)))
            return true;
    }
    return false;
}
