#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *tag;
    int         http, exit;
    bool        retry;
} table[ERR_CODES] = {
#define X(code, tag, http, exit, retry) [code] = { tag, http, exit, retry },
    ERR_TABLE(X)
#undef X
};

const char *err_tag(enum err_code c)
{
    assert(c < ERR_CODES);
    return table[c].tag;
}

int err_http(enum err_code c)
{
    assert(c < ERR_CODES);
    return table[c].http;
}

int err_exit(enum err_code c)
{
    assert(c < ERR_CODES);
    return table[c].exit;
}

bool err_retry(enum err_code c)
{
    assert(c < ERR_CODES);
    return table[c].retry;
}

/* A cut text must not end in half a character: the API could not send it as JSON. */
static void trim_utf8(char *text, size_t cap)
{
    size_t n = strlen(text);
    if (n + 1 < cap)
        return;
    size_t back = 0;
    while (back < 3 && back < n && ((unsigned char)text[n - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == n)
        return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    size_t need = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (need > back)
        text[n - 1 - back] = '\0';
}

bool err_set(struct err *e, enum err_code c, int sys, const char *where, const char *fmt, ...)
{
    assert(c != ERR_NONE);
    assert(c < ERR_CODES);
    if (e->code != ERR_NONE)
        return false;                   /* the first failure wins */
    e->code = c;
    e->sys = sys;
    e->where = where;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    trim_utf8(e->text, sizeof e->text);
    return false;
}

bool fail_ctx(struct err *e, const char *fmt, ...)
{
    assert(e->code != ERR_NONE);
    char old[ERR_TEXT_BYTES];
    memcpy(old, e->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->text)
        snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", old);
    trim_utf8(e->text, sizeof e->text);
    return false;
}

void err_detail(struct err *e, const char *text)
{
    if (e->details < ERR_DETAILS_MAX - 1)
        e->detail[e->details++] = text;
    else if (e->details == ERR_DETAILS_MAX - 1)
        e->detail[e->details++] = "… and more";
}

void err_clear(struct err *e) { *e = (struct err){ .code = ERR_NONE }; }
