#include "runner/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/rfc3339.h"
#include "base/secret.h"
#include "runner/settings_check.h"

enum kind { TEXT, SECRET, TEXTFILE, NUMBER, SIZE, DURATION, FLAG, LIST, CHOICE };
struct setting {
    const char *name;
    enum kind kind;
    const char *init;           /* of a CHOICE: all of them, the first is the default */
    int64_t min, max;
    const char *doc;
    size_t offset;
};

static const struct setting settings[] = {
#define X(field, name, kind, init, min, max, doc) \
    { #name, kind, init, min, max, doc, offsetof(struct runner_settings, field) },
    RUNNER_SETTINGS(X)
#undef X
};
enum { SETTING_COUNT = sizeof settings / sizeof settings[0], FILE_BYTES_MAX = 64 << 10 };

static struct setting_value *value_of(struct runner_settings *s, const struct setting *d)
{
    return (struct setting_value *)(void *)((char *)s + d->offset);
}

static bool has_file(const struct setting *d) { return d->kind == SECRET || d->kind == TEXTFILE; }

bool problem(struct arena *mem, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str text = arena_vprint(mem, fmt, ap);
    va_end(ap);
    if (e->code == ERR_NONE)
        fail(e, ERR_INVALID, "the settings are not right");
    err_detail(e, text.ptr);
    return false;
}

/* ---- one value ---- */

static bool size_read(str s, int64_t *out)
{
    int64_t unit = 1;
    char last = s.len ? s.ptr[s.len - 1] : '0';
    unsigned shift = last == 'K' ? 10 : last == 'M' ? 20 : last == 'G' ? 30 : 0;
    if (shift)
        s = str_sub(s, 0, s.len - 1);
    unit <<= shift;
    return str_to_i64(s, 0, INT64_MAX / unit, out) && !__builtin_mul_overflow(*out, unit, out);
}

static bool flag_read(str s, int64_t *out)
{
    static const char *const yes[] = { "true", "1", "yes" }, *const no[] = { "false", "0", "no" };
    for (size_t i = 0; i < 3; i++) {
        *out = str_eq(s, str_of(yes[i]));
        if (*out || str_eq(s, str_of(no[i])))
            return true;
    }
    return false;
}

static bool choice_has(str choices, str value)
{
    while (choices.len) {
        str rest, one = str_cut(choices, '|', &rest);
        if (str_eq(one, value))
            return true;
        choices = rest;
    }
    return false;
}

static bool within(const struct setting *d, int64_t n) { return n >= d->min && n <= d->max; }

/* What a value of this kind must look like; NULL when it does. */
static const char *wrong(const struct setting *d, struct setting_value *v)
{
    switch (d->kind) {
    case TEXT: case SECRET: case TEXTFILE: case LIST:
        return NULL;
    case NUMBER:
        return str_to_i64(v->text, d->min, d->max, &v->n) ? NULL : "a number";
    case SIZE:
        return size_read(v->text, &v->n) && within(d, v->n) ? NULL : "bytes, such as 512M or 10G";
    case DURATION:
        return duration_read(v->text, 1000, &v->n) && within(d, v->n) ? NULL
                                                                      : "a time, such as 90s or 5m";
    case FLAG:
        return flag_read(v->text, &v->n) ? NULL : "true or false";
    case CHOICE:
        return choice_has(str_of(d->init), v->text) ? NULL : d->init;
    }
    return "something else";
}

static str default_of(const struct setting *d)
{
    str rest, init = str_of(d->init);
    return d->kind == CHOICE ? str_cut(init, '|', &rest) : init;
}

static bool take(struct arena *mem, struct runner_settings *s, const struct setting *d, str text,
                 struct err *e)
{
    struct setting_value *v = value_of(s, d);
    v->text = arena_copy(mem, text);
    const char *why = wrong(d, v);
    if (!why)
        return true;
    if (d->kind == NUMBER)
        return problem(mem, e, "%s must be a number from %lld to %lld, it is " PRI_STR, d->name,
                       (long long)d->min, (long long)d->max, FMT_STR(str_clip(text, 100)));
    return problem(mem, e, "%s must be %s, it is " PRI_STR, d->name, why,
                   FMT_STR(str_clip(text, 100)));
}

/* ---- where it comes from ---- */

static const char *file_of(struct arena *mem, const struct setting *d)
{
    const char *path = has_file(d) ? getenv(arena_print(mem, "%s_FILE", d->name).ptr) : NULL;
    return path && *path ? path : NULL;
}

static bool take_file(struct arena *mem, struct runner_settings *s, const struct setting *d,
                      const char *path, struct err *e)
{
    str text;
    struct err why = { 0 };
    if (!io_read_file(mem, path, FILE_BYTES_MAX, &text, &why))
        return problem(mem, e, "%s_FILE: %s", d->name, why.text);
    return take(mem, s, d, str_trim(text), e);
}

/* Empty is as good as absent: so does a compose file pass on what nobody has set. */
static bool take_setting(struct arena *mem, struct runner_settings *s, const struct setting *d,
                         struct err *e)
{
    const char *value = getenv(d->name), *path = file_of(mem, d);
    if (value && !*value)
        value = NULL;
    if (value && path)
        return problem(mem, e, "%s and %s_FILE are both set: choose one", d->name, d->name);
    if (path)
        return take_file(mem, s, d, path, e);
    return take(mem, s, d, value ? str_of(value) : default_of(d), e);
}

bool settings_read(struct arena *mem, struct runner_settings *out, struct err *e)
{
    bool ok = true;
    *out = (struct runner_settings){ 0 };
    for (size_t i = 0; i < SETTING_COUNT; i++)
        ok &= take_setting(mem, out, &settings[i], e);
    return settings_check(mem, out, e) && ok;
}

bool settings_read_tokens(struct arena *mem, struct runner_settings *s, struct err *e)
{
    bool ok = true;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        struct setting_value *v = value_of(s, &settings[i]);
        const char *path = file_of(mem, &settings[i]);
        if ((v == &s->auth_token || v == &s->auth_token_previous) && path)
            ok &= take_file(mem, s, &settings[i], path, e);
    }
    return settings_check_tokens(mem, s, e) && ok;
}

const char *settings_secret_file(struct arena *mem, size_t *i)
{
    while (*i < SETTING_COUNT) {
        const struct setting *d = &settings[(*i)++];
        const char *path = d->kind == SECRET ? file_of(mem, d) : NULL;
        if (path)
            return path;
    }
    return NULL;
}

/* The block that the kernel made is what /proc/PID/environ shows, so its bytes go, too. */
void settings_forget_environment(void)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char *value = settings[i].kind == SECRET ? getenv(settings[i].name) : NULL;
        if (!value)
            continue;
        secret_wipe(value, strlen(value));
        unsetenv(settings[i].name);
    }
}

str settings_help(struct arena *mem)
{
    struct buf b;
    buf_init(&b, mem, 1 << 16);
    buf_add(&b, STR("signalbox runner [--check | --help]\n\n"
                    "Takes dispatches over HTTP, clones a repository, runs one Atmos workflow, "
                    "calls back.\n--check: say what is wrong with the settings, and end.\n\n"
                    "Settings are environment variables. Those marked * may also come from a file "
                    "that NAME_FILE names.\n\n"));
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *d = &settings[i];
        str init = default_of(d);
        buf_print(&b, "  %-26s%s %s%s" PRI_STR "%s%s%s\n", d->name, has_file(d) ? "*" : " ", d->doc,
                  init.len ? " [" : "", FMT_STR(init), init.len ? "]" : "",
                  d->kind == CHOICE && str_has(str_of(d->init), STR("|")) ? " One of " : "",
                  d->kind == CHOICE && str_has(str_of(d->init), STR("|")) ? d->init : "");
    }
    return buf_str(&b);
}

/* ---- lists ---- */

bool list_next(str *list, str *item)
{
    while (list->len) {
        str rest;
        *item = str_trim(str_cut(*list, ',', &rest));
        *list = rest;
        if (item->len)
            return true;
    }
    return false;
}

/* Linear in practice: only the last star is ever gone back to. */
bool glob_match(str pattern, str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool list_matches(str list, str text)
{
    for (str item; list_next(&list, &item);)
        if (glob_match(item, text))
            return true;
    return false;
}
