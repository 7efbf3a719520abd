/*
 * What people see: tables, records, times. Text of others is made harmless before it reaches a
 * line.
 */
#include "cli/inside.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/rfc3339.h"
#include "domain/text.h"

enum {
    SAFE_CHARS_MAX = 4096,
    CELL_CHARS_MAX = 200,
    COLUMN_LEAST = 8,
    COLUMNS_MAX = 12,
    SHA_SHOWN = 10
};

void say(struct cli *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(c->edge->err, fmt, ap);
    va_end(ap);
}

void put(struct cli *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(c->edge->out, fmt, ap);
    va_end(ap);
}

str safe(struct cli *c, str s)
{
    return text_plain(c->mem, s, SAFE_CHARS_MAX);
}

/* Numbers and truths as they are written, texts decoded. */
static str text_of(struct cli *c, struct json v)
{
    if (!json_present(v))
        return STR("");
    return json_kind(v) == JSON_STRING ? json_str(v, c->mem) : json_raw(v);
}

str safe_z(struct cli *c, struct json v, const char *dotted)
{
    return safe(c, text_of(c, json_path(v, dotted)));
}

/* --- colours --- */

const char *paint(const struct cli *c, const char *code)
{
    return c->colour ? arena_print(c->mem, "\033[%sm", code).ptr : "";
}

static const struct {
    const char *state, *code;
} state_colours[] = {
    {"success", "32"}, {"in_sync", "32"},   {"joined", "32"},           {"failure", "31"},
    {"error", "31"},   {"timed_out", "31"}, {"refused", "31"},          {"drifted", "33"},
    {"locked", "33"},  {"held", "33"},      {"waiting_approval", "33"}, {"cancelling", "33"},
    {"running", "36"}, {"queued", "36"},    {"dispatching", "36"},      {"preparing", "36"},
};

static const char *colour_of(str state)
{
    for (size_t i = 0; i < COUNT(state_colours); i++)
        if (str_eq(state, str_of(state_colours[i].state)))
            return state_colours[i].code;
    return "2";
}

str coloured_state(struct cli *c, str state)
{
    return arena_print(c->mem, "%s" PRI_STR "%s", paint(c, colour_of(state)), FMT_STR(state),
                       paint(c, "0"));
}

/* --- widths --- */

/* Close enough: East Asian wide forms and pictures take two cells, combining marks none. */
static size_t cells_of(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    if ((c >= 0x300 && c <= 0x36f) || (c >= 0xfe00 && c <= 0xfe0f))
        return 0;
    for (size_t i = 0; i < COUNT(wide); i++)
        if (c >= wide[i].from && c <= wide[i].to)
            return 2;
    return 1;
}

size_t text_width(str s)
{
    size_t cells = 0;
    for (size_t at = 0; at < s.len;) {
        size_t step = str_utf8_step(s, at);
        cells += step ? cells_of(str_utf8_char(s, at, step)) : 1;
        at += step ? step : 1;
    }
    return cells;
}

static str shorten(struct cli *c, str s, size_t cells)
{
    size_t at = 0, used = 0;
    if (text_width(s) <= cells)
        return s;
    while (at < s.len) {
        size_t step = str_utf8_step(s, at), w = step ? cells_of(str_utf8_char(s, at, step)) : 1;
        if (used + w > cells - 1)
            break;
        used += w;
        at += step ? step : 1;
    }
    return arena_print(c->mem, PRI_STR "\xe2\x80\xa6", FMT_STR(str_sub(s, 0, at)));
}

/* --- times --- */

int64_t time_of(struct cli *c, struct json v)
{
    int64_t ms;
    return rfc3339_read(json_str(v, c->mem), &ms) ? ms : 0;
}

str ago(struct cli *c, int64_t at_ms)
{
    return at_ms > c->now_ms ? STR("just now")
                             : arena_print(c->mem, PRI_STR " ago",
                                           FMT_STR(duration_write(c->mem, c->now_ms - at_ms)));
}

/* The last ten minutes to the second: somebody is waiting. */
str until(struct cli *c, int64_t at_ms)
{
    long long s = (at_ms - c->now_ms + 999) / 1000;
    if (s <= 0)
        return STR("expired");
    if (s >= 60 && s < 600 && s % 60)
        return arena_print(c->mem, "in %lld min %lld s", s / 60, s % 60);
    return arena_print(c->mem, "in " PRI_STR, FMT_STR(duration_write(c->mem, s * 1000)));
}

static str time_cell(struct cli *c, struct json v, bool future)
{
    int64_t at = time_of(c, v);
    if (!at)
        return STR("");
    if (c->plain)
        return rfc3339_write(c->mem, at);
    return future ? until(c, at) : ago(c, at);
}

static str cell_text(struct cli *c, struct json row, const struct column *col)
{
    struct json v = json_path(row, col->path);
    int64_t n;
    switch (col->cell) {
    case CELL_AGO:
        return time_cell(c, v, false);
    case CELL_UNTIL:
        return time_cell(c, v, true);
    case CELL_SHA:
        return c->plain ? safe(c, text_of(c, v)) : safe(c, str_sub(text_of(c, v), 0, SHA_SHOWN));
    case CELL_MS:
        return c->plain || !json_i64(v, &n) ? safe(c, text_of(c, v)) : duration_write(c->mem, n);
    case CELL_BOOL:
        return json_present(v) ? (json_bool_or(v, false) ? STR("yes") : STR("no")) : STR("");
    case CELL_TEXT:
    case CELL_NUMBER:
    case CELL_STATE:
        break;
    }
    return c->plain ? safe(c, text_of(c, v)) : text_plain(c->mem, text_of(c, v), CELL_CHARS_MAX);
}

/* --- tables --- */

struct table {
    struct cli *c;
    const struct column *columns;
    size_t count, rows, cap;
    str *cell;
};

struct table *table_new(struct cli *c, const struct column *columns, size_t count)
{
    struct table *t = arena_make(c->mem, struct table, 1);
    *t = (struct table){
        .c = c, .columns = columns, .count = count < COLUMNS_MAX ? count : COLUMNS_MAX};
    return t;
}

void table_add(struct table *t, struct json row)
{
    if (t->rows == t->cap) {
        size_t more = t->cap ? t->cap * 2 : 64;
        t->cell =
            arena_grow(t->c->mem, t->cell, t->cap * t->count, more * t->count, sizeof *t->cell);
        t->cap = more;
    }
    for (size_t k = 0; k < t->count; k++)
        t->cell[t->rows * t->count + k] = cell_text(t->c, row, &t->columns[k]);
    t->rows++;
}

/* The widest texts give way until the line fits; half a number or time would be a wrong one. */
static void fit(const struct table *t, size_t width[COLUMNS_MAX])
{
    size_t total = 2 * (t->count - 1);
    for (size_t k = 0; k < t->count; k++)
        total += width[k];
    for (; t->c->edge->columns && total > t->c->edge->columns; total--) {
        size_t widest = t->count;
        for (size_t k = 0; k < t->count; k++)
            if (t->columns[k].cell == CELL_TEXT && width[k] > COLUMN_LEAST &&
                (widest == t->count || width[k] > width[widest]))
                widest = k;
        if (widest == t->count)
            return;
        width[widest]--;
    }
}

static void put_cell(const struct table *t, size_t k, str s, size_t width, bool head, bool last)
{
    struct cli *c = t->c;
    str shown = shorten(c, s, width);
    int pad = (int)(width - text_width(shown));
    bool right = t->columns[k].cell == CELL_NUMBER;
    const char *code = head ? "2" : t->columns[k].cell == CELL_STATE ? colour_of(s) : NULL;
    put(c, "%*s%s" PRI_STR "%s", right ? pad : 0, "", code ? paint(c, code) : "", FMT_STR(shown),
        code ? paint(c, "0") : "");
    if (!last)
        put(c, "%*s", right ? 2 : pad + 2, "");
}

/* No blanks at the end of a line: what follows the last text is left out. */
static void put_row(const struct table *t, const str *cells, const size_t *width, bool head)
{
    size_t last = t->count;
    while (last && !cells[last - 1].len)
        last--;
    for (size_t k = 0; k < last; k++)
        put_cell(t, k, cells[k], width[k], head, k + 1 == last);
    put(t->c, "\n");
}

static void show_plain(const struct table *t)
{
    for (size_t i = 0; i < t->rows; i++)
        for (size_t k = 0; k < t->count; k++)
            put(t->c, PRI_STR "%s", FMT_STR(t->cell[i * t->count + k]),
                k + 1 < t->count ? "\t" : "\n");
}

void table_show(struct table *t)
{
    size_t width[COLUMNS_MAX];
    str heads[COLUMNS_MAX];
    if (t->c->plain) {
        show_plain(t);
        return;
    }
    for (size_t k = 0; k < t->count; k++) {
        width[k] = text_width(str_of(t->columns[k].head));
        for (size_t i = 0; i < t->rows; i++) {
            size_t w = text_width(t->cell[i * t->count + k]);
            width[k] = w > width[k] ? w : width[k];
        }
    }
    fit(t, width);
    for (size_t k = 0; k < t->count; k++)
        heads[k] = str_of(t->columns[k].head);
    put_row(t, heads, width, true);
    for (size_t i = 0; i < t->rows; i++)
        put_row(t, &t->cell[i * t->count], width, false);
}

void record_show(struct cli *c, struct json v, const struct column *columns, size_t count)
{
    size_t width = 0;
    for (size_t k = 0; k < count; k++)
        width = text_width(str_of(columns[k].head)) > width ? text_width(str_of(columns[k].head))
                                                            : width;
    for (size_t k = 0; k < count; k++) {
        str s = cell_text(c, v, &columns[k]);
        if (c->plain)
            put(c, "%s\t" PRI_STR "\n", columns[k].head, FMT_STR(s));
        else if (s.len)
            put(c, "%s%-*s%s  " PRI_STR "\n", paint(c, "2"), (int)width, columns[k].head,
                paint(c, "0"), FMT_STR(columns[k].cell == CELL_STATE ? coloured_state(c, s) : s));
    }
}

/* --- JSON --- */

static void put_escaped(struct cli *c, uint32_t ch)
{
    if (ch < 0x10000)
        put(c, "\\u%04x", ch);
    else
        put(c, "\\u%04x\\u%04x", 0xd800 + ((ch - 0x10000) >> 10),
            0xdc00 + ((ch - 0x10000) & 0x3ff));
}

/* Strict JSON has what a terminal may obey in texts only: there an escape means the same. */
void json_show(struct cli *c, str raw)
{
    for (size_t at = 0; at < raw.len;) {
        if (!c->edge->out_terminal) {
            fwrite(raw.ptr, 1, raw.len, c->edge->out);
            break;
        }
        size_t step = str_utf8_step(raw, at);
        str one = str_sub(raw, at, at + (step ? step : 1));
        bool kept = (step == 1 && one.ptr[0] >= 0x20 && one.ptr[0] != 0x7f) ||
                    (step == 1 && strchr("\n\r\t", one.ptr[0])) ||
                    (step && str_eq(text_plain(c->mem, one, 1), one));
        if (kept)
            fwrite(one.ptr, 1, one.len, c->edge->out);
        else
            put_escaped(c, step ? str_utf8_char(raw, at, step) : 0xfffd);
        at += step ? step : 1;
    }
    put(c, "\n");
}
