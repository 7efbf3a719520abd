#include "config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

enum kind { TEXT, NUMBER, SECRET };
struct setting {
    const char *name;
    enum kind kind;
    const char *init;
    int64_t min, max;
    const char *doc;
    size_t offset;
};

static const struct setting settings[] = {
#define X(name, kind, init, min, max, doc) \
    { #name, kind, init, min, max, doc, offsetof(struct config, name) },
    SERVE_SETTINGS(X)
#undef X
};
enum { SETTING_COUNT = sizeof settings / sizeof settings[0], FILE_BYTES_MAX = 1 << 20 };

static str *field(struct config *c, const struct setting *s)
{
    return (str *)((char *)c + s->offset);
}

static const struct setting *find(str name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (str_eq(name, str_of(settings[i].name)))
            return &settings[i];
    return NULL;
}

static bool set(struct arena *mem, struct config *c, str name, str value, const char *from,
                struct err *e)
{
    const struct setting *s = find(name);
    int64_t n;
    if (!s)
        return fail(e, ERR_INVALID,
                    "%s: there is no setting " PRI_STR "; `signalbox serve --help` lists them",
                    from, FMT_STR(name));
    if (s->kind == NUMBER && !str_to_i64(value, s->min, s->max, &n))
        return fail(e, ERR_INVALID, "%s: %s must be a number from %lld to %lld, got " PRI_STR, from,
                    s->name, (long long)s->min, (long long)s->max, FMT_STR(value));
    *field(c, s) = arena_copy(mem, value);
    return true;
}

/* "name = value" a line; # begins a comment; quotes around a value are taken off. */
static bool read_lines(struct arena *mem, struct config *c, str text, const char *path,
                       struct err *e)
{
    for (int line = 1; text.len; line++) {
        str rest, row = str_trim(str_cut(text, '\n', &rest)), value;
        text = rest;
        if (!row.len || row.ptr[0] == '#')
            continue;
        str name = str_trim(str_cut(row, '=', &value));
        const char *from = arena_z(mem, arena_print(mem, "%s line %d", path, line));
        if (!value.ptr)
            return fail(e, ERR_INVALID, "%s: expected name = value", from);
        value = str_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = str_sub(value, 1, value.len - 1);
        if (!set(mem, c, name, value, from, e))
            return false;
    }
    return true;
}

static bool read_file(struct arena *mem, struct config *c, const char *path, bool must_exist,
                      struct err *e)
{
    str text;
    struct err why = { 0 };
    if (io_read_file(mem, path, FILE_BYTES_MAX, &text, &why))
        return read_lines(mem, c, text, path, e);
    if (!must_exist && why.code == ERR_NOT_FOUND)
        return true;
    *e = why;
    return false;
}

static bool read_environment(struct arena *mem, struct config *c, struct err *e)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        str name = arena_print(mem, "SIGNALBOX_%s", settings[i].name);
        char *upper = (char *)(uintptr_t)name.ptr;
        for (size_t k = 0; k < name.len; k++)
            upper[k] = (char)toupper((unsigned char)upper[k]);
        const char *value = getenv(upper);
        if (value && !set(mem, c, str_of(settings[i].name), str_of(value), upper, e))
            return false;
    }
    return true;
}

/* --name=value, --name value, --config FILE. Dashes and underscores in names are one. */
static bool read_options(struct arena *mem, struct config *c, int argc, char **argv, str *file,
                         bool only_file, struct err *e)
{
    for (int i = 0; i < argc; i++) {
        str option = str_of(argv[i]), value;
        if (!str_starts(option, STR("--")))
            return fail(e, ERR_INVALID,
                        "unexpected argument %s; options look like --listen=127.0.0.1:8080",
                        argv[i]);
        str name = arena_copy(mem, str_cut(str_sub(option, 2, option.len), '=', &value));
        for (size_t k = 0; k < name.len; k++)
            if (name.ptr[k] == '-')
                ((char *)(uintptr_t)name.ptr)[k] = '_';
        if (!value.ptr && i + 1 < argc)
            value = str_of(argv[++i]);
        if (!value.ptr)
            return fail(e, ERR_INVALID, "%s needs a value", argv[i]);
        if (str_eq(name, STR("config")))
            *file = value;
        else if (!only_file && !set(mem, c, name, value, "command line", e))
            return false;
    }
    return true;
}

bool config_read(struct arena *mem, int argc, char **argv, struct config *out, struct err *e)
{
    str file = STR_NONE;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        *field(out, &settings[i]) = str_of(settings[i].init);
    const char *named = getenv("SIGNALBOX_CONFIG");
    if (named)
        file = str_of(named);
    if (!read_options(mem, out, argc, argv, &file, true, e))
        return false;
    return read_file(mem, out, file.len ? arena_z(mem, file) : "signalbox.conf", file.len > 0, e) &&
           read_environment(mem, out, e) && read_options(mem, out, argc, argv, &file, false, e);
}

int64_t config_number(str value)
{
    int64_t n = 0;
    return str_to_i64(value, INT64_MIN, INT64_MAX, &n) ? n : 0;
}

str config_help(struct arena *mem)
{
    struct buf b;
    buf_init(&b, mem, 1 << 16);
    buf_add(&b, STR("signalbox serve [--config FILE] [--NAME=VALUE …]\n\n"
                    "Settings, also as NAME = VALUE in signalbox.conf or as SIGNALBOX_NAME in the "
                    "environment:\n\n"));
    for (size_t i = 0; i < SETTING_COUNT; i++)
        buf_print(&b, "  --%-30s %s%s%s%s\n", settings[i].name, settings[i].doc,
                  settings[i].init[0] ? " [" : "", settings[i].init,
                  settings[i].init[0] ? "]" : "");
    return buf_str(&b);
}

str config_print(struct arena *mem)
{
    struct buf b;
    buf_init(&b, mem, 1 << 16);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        buf_print(&b, "# %s\n# %s = %s\n\n", settings[i].doc, settings[i].name, settings[i].init);
    return buf_str(&b);
}
