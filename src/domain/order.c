/*
 * order: reading what people tick and write. One pass over lines, nothing is allocated, and nothing
 * of a body is copied, however large it is.
 */
#include "domain/order.h"

/* Larger comments do not exist on any forge (GitHub: 65,536 characters of at most 4 bytes). */
enum { BODY_BYTES_MAX = 4 * 65536, CONTROLS_MAX = 32, INDENT_MAX = 3 };

static const struct order_rule rules[ORDER_KIND_COUNT] = {
    [ORDER_DISPATCH] = { "dispatch", "dispatch", "dispatch the held batch anyway", true },
    [ORDER_RESUME] = { "resume", "resume", "go on after a burst of pushes, with the newest head",
                       true },
    [ORDER_PARTS] = { "parts", "parts",
                      "dispatch a batch larger than any budget in dependency levels", true },
    [ORDER_CANCEL] = { "cancel", "cancel", "cancel the newest batch", false },
    [ORDER_RETRY] = { "retry", "retry [stack component]",
                      "send what failed again, or one component alone", false },
    [ORDER_UNLOCK] = { "unlock", "unlock <key>", "release a lock of this repository", false },
    [ORDER_EXPLAIN] = { "explain", "explain", "say why nothing has run, or what it waits for",
                        false },
    [ORDER_HELP] = { "help", "help", "name the orders", false },
};

const struct order_rule *order_rule(enum order_kind k) { return &rules[k]; }

bool order_kind_read(str name, enum order_kind *out)
{
    for (int k = 0; k < ORDER_KIND_COUNT; k++)
        if (str_eq_nocase(name, str_of(rules[k].name))) {
            *out = (enum order_kind)k;
            return true;
        }
    return false;
}

bool order_eq(const struct order *a, const struct order *b)
{
    return a->kind == b->kind && str_eq(a->batch, b->batch) && str_eq(a->stack, b->stack) &&
           str_eq(a->component, b->component) && str_eq(a->key, b->key) && str_eq(a->word, b->word);
}

str order_usages(struct arena *mem)
{
    str all = STR("");
    for (int k = 0; k < ORDER_KIND_COUNT; k++)
        all = arena_print(mem, PRI_STR "%s%s", FMT_STR(all), k ? ", " : "", rules[k].usage);
    return all;
}

static bool orders_have(const struct orders *o, const struct order *one)
{
    for (size_t i = 0; i < o->count; i++)
        if (order_eq(&o->at[i], one))
            return true;
    return false;
}

static void orders_add(struct orders *o, const struct order *one)
{
    if (o->count < ORDERS_MAX && !orders_have(o, one))
        o->at[o->count++] = *one;
}

/* ---- lines and words ---------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Lines end in LF, CRLF or CR. */
static bool next_line(str *rest, str *line)
{
    if (rest->len == 0)
        return false;
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != '\n' && rest->ptr[end] != '\r')
        end++;
    *line = str_sub(*rest, 0, end);
    if (end + 1 < rest->len && rest->ptr[end] == '\r' && rest->ptr[end + 1] == '\n')
        end++;
    *rest = end < rest->len ? str_sub(*rest, end + 1, rest->len) : STR_NONE;
    return true;
}

static size_t indent_of(str line)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] == ' ')
        n++;
    return n;
}

static str next_word(str *rest)
{
    size_t from = 0, to;
    while (from < rest->len && is_blank(rest->ptr[from]))
        from++;
    for (to = from; to < rest->len && !is_blank(rest->ptr[to]); to++)
        ;
    str word = str_sub(*rest, from, to);
    *rest = str_sub(*rest, to, rest->len);
    return word;
}

/* Where `part` begins at or after `from`; s.len when nowhere. */
static size_t find_part(str s, str part, size_t from)
{
    for (size_t at = from; at + part.len <= s.len; at++) {
        at = str_find(s, part.ptr[0], at);
        if (at + part.len > s.len)
            break;
        if (memcmp(s.ptr + at, part.ptr, part.len) == 0)
            return at;
    }
    return s.len;
}

/* ---- ticks -------------------------------------------------------------------------------- */

struct control { struct order order; bool ticked; };
struct controls { struct control at[CONTROLS_MAX]; size_t count; };

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool batch_id_ok(str id)
{
    size_t n = 0;
    while (n < id.len && is_id_char(id.ptr[n]))
        n++;
    return n == id.len && n <= ORDER_BATCH_BYTES_MAX;
}

/* "- [x]" at the start; what stands after it in *rest. */
static bool read_box(str line, bool *ticked, str *rest)
{
    enum { BOX_BYTES = 5 };
    const char *box = line.ptr;
    if (line.len < BOX_BYTES || (box[0] != '-' && box[0] != '*' && box[0] != '+') ||
        box[1] != ' ' || box[2] != '[' || box[4] != ']')
        return false;
    *ticked = box[3] == 'x' || box[3] == 'X';
    *rest = str_sub(line, BOX_BYTES, line.len);
    return *ticked || box[3] == ' ';
}

/* One marker, at the end of the line: with a second one on it, which is not ours, none counts. */
static bool read_control(str line, struct control *c)
{
    static const str open = STR_INIT("<!-- signalbox:"), close = STR_INIT(" -->");
    str rest, mark;
    line = str_trim(line);
    if (!str_ends(line, close) || !read_box(line, &c->ticked, &rest))
        return false;
    size_t at = find_part(rest, open, 0);
    if (at == rest.len || find_part(rest, open, at + open.len) != rest.len)
        return false;
    mark = str_sub(rest, at + open.len, rest.len - close.len);
    str word = next_word(&mark);
    c->order = (struct order){ .batch = next_word(&mark) };
    return order_kind_read(word, &c->order.kind) && rules[c->order.kind].tick &&
           batch_id_ok(c->order.batch) && next_word(&mark).len == 0;
}

/* The same control twice is ticked when one of the two is. */
static void read_controls(str body, struct controls *out)
{
    str line;
    out->count = 0;
    body = str_sub(body, 0, BODY_BYTES_MAX);
    while (next_line(&body, &line)) {
        struct control c;
        size_t i = 0;
        if (!read_control(line, &c))
            continue;
        while (i < out->count && !order_eq(&out->at[i].order, &c.order))
            i++;
        if (i < out->count)
            out->at[i].ticked |= c.ticked;
        else if (i < CONTROLS_MAX)
            out->at[out->count++] = c;
    }
}

void orders_of_tick(str before, str after, struct orders *out)
{
    struct controls old, new;
    out->count = 0;
    read_controls(before, &old);
    read_controls(after, &new);
    for (size_t i = 0; i < new.count; i++)
        for (size_t k = 0; k < old.count; k++)
            if (new.at[i].ticked && !old.at[k].ticked &&
                order_eq(&new.at[i].order, &old.at[k].order))
                orders_add(out, &new.at[i].order);
}

/* ---- text --------------------------------------------------------------------------------- */

/* What a line is inside of: a fenced block, or a comment of HTML that nobody sees. */
struct place { char fence; size_t fence_len; bool hidden; };

/* A fence opens or closes; true when the line is one, or stands inside of one. */
static bool in_code(struct place *p, str line)
{
    size_t at = indent_of(line), n = at;
    if (at > INDENT_MAX)                /* code by its indent */
        return true;
    char c = at < line.len ? line.ptr[at] : '\0';
    while ((c == '`' || c == '~') && n < line.len && line.ptr[n] == c)
        n++;
    size_t len = n - at;
    if (p->fence) {
        if (c == p->fence && len >= p->fence_len && str_trim(str_sub(line, n, line.len)).len == 0)
            p->fence = '\0';
        return true;
    }
    if (len < 3 || (c == '`' && str_find(line, '`', n) < line.len))
        return false;
    p->fence = c;
    p->fence_len = len;
    return true;
}

/* Follows "<!--" and "-->" along a line: is its beginning hidden? */
static bool is_hidden(struct place *p, str line)
{
    bool begins_hidden = p->hidden;
    for (size_t at = 0; at < line.len;) {
        str mark = p->hidden ? STR("-->") : STR("<!--");
        at = find_part(line, mark, at);
        if (at < line.len) {
            p->hidden = !p->hidden;
            at += mark.len;
        }
    }
    return begins_hidden;
}

static struct order help_with(str word)
{
    return (struct order){ .kind = ORDER_HELP, .word = str_clip(word, ORDER_ARGUMENT_BYTES_MAX) };
}

static bool argument_ok(str s) { return s.len > 0 && s.len <= ORDER_ARGUMENT_BYTES_MAX; }

static struct order read_order(str line)
{
    str rest = line, all = str_trim(line);
    struct order o = { 0 };
    str word = next_word(&rest);
    if (word.len == 0)
        return help_with(STR_NONE);
    if (!order_kind_read(word, &o.kind))
        return help_with(all);
    str first = next_word(&rest), second = next_word(&rest), third = next_word(&rest);
    if (o.kind == ORDER_RETRY && first.len) {
        o.stack = first;
        o.component = second;
        return argument_ok(first) && argument_ok(second) && !third.len ? o : help_with(all);
    }
    if (o.kind == ORDER_UNLOCK) {
        o.key = first;
        return argument_ok(first) && !second.len ? o : help_with(all);
    }
    return !first.len || o.kind == ORDER_HELP ? o : help_with(all);
}

static bool begins_order(str line, str *rest)
{
    static const str slash = STR_INIT("/signalbox");
    str shown = str_sub(line, indent_of(line), line.len);
    if (!str_eq_nocase(str_sub(shown, 0, slash.len), slash))
        return false;
    *rest = str_sub(shown, slash.len, shown.len);
    return rest->len == 0 || is_blank(rest->ptr[0]);
}

static void read_text(str body, struct orders *out)
{
    struct place place = { 0 };
    str line, rest;
    out->count = 0;
    body = str_sub(body, 0, BODY_BYTES_MAX);
    while (next_line(&body, &line)) {
        if ((!place.hidden && in_code(&place, line)) || is_hidden(&place, line) ||
            !begins_order(line, &rest))
            continue;
        struct order o = read_order(rest);
        orders_add(out, &o);
    }
}

void orders_of_text(str before, str after, struct orders *out)
{
    struct orders old, new;
    out->count = 0;
    read_text(before, &old);
    read_text(after, &new);
    /* Full: what was left out of it might be taken for new. */
    for (size_t i = 0; i < new.count && old.count < ORDERS_MAX; i++)
        if (!orders_have(&old, &new.at[i]))
            orders_add(out, &new.at[i]);
}
