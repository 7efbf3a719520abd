#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rfc3339.h"

enum { LINE_MAX_BYTES = 16 << 10, VALUE_MAX_BYTES = 1024 };

static _Atomic int  least_level = LOG_INFO;
static _Atomic bool json_mode;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error",
};

/* A fixed buffer, not an arena: a log line must be possible where there is no arena, and when
 * memory is short. */
struct line {
    char   text[LINE_MAX_BYTES];
    size_t len;
};

void log_setup(enum log_level least, bool as_json)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&json_mode, as_json);
}

bool log_wants(enum log_level level) { return (int)level >= atomic_load(&least_level); }

/* The last bytes are kept for what must close the line. */
static void put(struct line *l, const char *p, size_t n)
{
    size_t room = LINE_MAX_BYTES - 8 - l->len;
    if (n > room)
        n = room;
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static void put_z(struct line *l, const char *z) { put(l, z, strlen(z)); }

static void put_number(struct line *l, int64_t n)
{
    char digits[DIGITS_MAX];
    str d = str_digits(digits, n);
    put(l, d.ptr, d.len);
}

static void put_padded(struct line *l, int64_t n, size_t width)
{
    char d[4];
    for (size_t i = width; i-- > 0; n /= 10)
        d[i] = (char)('0' + n % 10);
    put(l, d, width);
}

/* Both forms escape alike: a control character in a value must never start a new line or colour a
 * terminal. */
static void put_escaped(struct line *l, str s)
{
    static const char hex[] = "0123456789abcdef";
    bool cut = s.len > VALUE_MAX_BYTES;
    s = str_clip(s, VALUE_MAX_BYTES);
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = str_utf8_step(s, i);
        /* C1 controls steer terminals too. */
        bool c1 = n == 2 && c == 0xc2 && (unsigned char)s.ptr[i + 1] < 0xa0;
        if (n == 0 || c1) {
            put(l, "\xef\xbf\xbd", 3);
            i += n ? n : 1;
            continue;
        }
        if (c == '"' || c == '\\') {
            put(l, (char[]){ '\\', (char)c }, 2);
        } else if (c == '\n') {
            put(l, "\\n", 2);
        } else if (c < 0x20 || c == 0x7f) {
            put(l, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
        } else {
            put(l, s.ptr + i, n);
        }
        i += n;
    }
    if (cut)
        put(l, "…", strlen("…"));
}

static void put_quoted(struct line *l, str s)
{
    put(l, "\"", 1);
    put_escaped(l, s);
    put(l, "\"", 1);
}

static bool is_plain(str s)
{
    if (s.len == 0 || s.len > VALUE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_time(struct line *l)
{
    int64_t now = clock_utc_ms();
    struct rfc3339_parts t = rfc3339_parts(now);
    put_padded(l, t.year, 4);
    put(l, "-", 1);
    put_padded(l, t.month, 2);
    put(l, "-", 1);
    put_padded(l, t.day, 2);
    put(l, "T", 1);
    put_padded(l, t.hour, 2);
    put(l, ":", 1);
    put_padded(l, t.minute, 2);
    put(l, ":", 1);
    put_padded(l, t.second, 2);
    put(l, ".", 1);
    put_padded(l, now % 1000, 3);
    put(l, "Z", 1);
}

static void text_line(struct line *l, enum log_level level, const char *message,
                      const struct log_pair *pairs, size_t count)
{
    put_time(l);
    put(l, " ", 1);
    put_z(l, level_names[level]);
    put(l, " ", 1);
    put_z(l, message);
    for (size_t i = 0; i < count; i++) {
        put(l, " ", 1);
        put_z(l, pairs[i].key);
        put(l, "=", 1);
        if (pairs[i].is_number)
            put_number(l, pairs[i].n);
        else if (is_plain(pairs[i].s))
            put(l, pairs[i].s.ptr, pairs[i].s.len);
        else
            put_quoted(l, pairs[i].s);
    }
}

/* Pairs that no longer fit are left out whole, so that the line stays valid JSON. */
static void json_line(struct line *l, enum log_level level, const char *message,
                      const struct log_pair *pairs, size_t count)
{
    put_z(l, "{\"time\":\"");
    put_time(l);
    put_z(l, "\",\"level\":");
    put_quoted(l, str_of(level_names[level]));
    put_z(l, ",\"message\":");
    put_quoted(l, str_of(message));
    for (size_t i = 0; i < count; i++) {
        size_t before = l->len;
        put(l, ",", 1);
        put_quoted(l, str_of(pairs[i].key));
        put(l, ":", 1);
        if (pairs[i].is_number)
            put_number(l, pairs[i].n);
        else
            put_quoted(l, pairs[i].s);
        if (l->len >= LINE_MAX_BYTES - 8) {
            l->len = before;
            break;
        }
    }
    put(l, "}", 1);
}

void log_line(enum log_level level, const char *message, const struct log_pair *pairs, size_t count)
{
    int saved = errno;
    struct line l;
    l.len = 0;
    if (atomic_load(&json_mode))
        json_line(&l, level, message, pairs, count);
    else
        text_line(&l, level, message, pairs, count);
    l.text[l.len++] = '\n';
    /* One write, so that lines of threads and processes never mix. A log that cannot be written is
     * lost: there is nowhere to say so. */
    ssize_t n;
    do
        n = write(STDERR_FILENO, l.text, l.len);
    while (n < 0 && errno == EINTR);
    errno = saved;
}
