/* The words and forms of an explanation: figures, names, times, JSON, numbered lines. */
#include "base/rfc3339.h"
#include "domain/explain_parts.h"

const char *reason_code_name(enum reason_code k)
{
    static const char *const name[REASON_CODE_COUNT] = {
#define X(id, wire, ...) wire,
        REASONS(X)
#undef X
    };
    return name[k];
}

/* ---- reasons --------------------------------------------------------------------------------- */

struct telling telling_of(const struct change_view *c, const struct batch_view *b, int64_t now_ms,
                          struct reasons *out)
{
    struct telling t = { .mem = out->mem, .c = c, .b = b, .now_ms = now_ms, .out = out };
    if (b)
        summary_make(t.mem, b, &t.s);
    return t;
}

struct reason *tell(struct telling *t, enum reason_code code, str text)
{
    struct reasons *r = t->out;
    if (r->count == r->cap) {
        size_t grown = r->cap ? r->cap * 2 : 8;
        r->at = arena_grow(r->mem, r->at, r->cap, grown, sizeof *r->at);
        r->cap = grown;
    }
    r->at[r->count] = (struct reason){ .code = code, .text = text, .change = STR(""),
                                       .numbers = STR("{}"), .url = STR("") };
    return &r->at[r->count++];
}

/* ---- figures --------------------------------------------------------------------------------- */

void numbers_begin(struct numbers *n, struct arena *mem)
{
    buf_init(&n->b, mem, (size_t)1 << 20);
    json_out_init(&n->w, &n->b);
    json_begin_object(&n->w);
}

void number_put(struct numbers *n, const char *name, int64_t v)
{
    if (v >= 0)
        json_field_i64(&n->w, str_of(name), v);
}

void number_text(struct numbers *n, const char *name, str s)
{
    if (s.len)
        json_field_str(&n->w, str_of(name), s);
}

void number_node(struct numbers *n, const struct telling *t, uint32_t node)
{
    const struct node_view *v = &t->b->node[node];
    number_text(n, "batch", t->b->id);
    number_put(n, "position", node);
    number_text(n, "component", v->component);
    number_text(n, "stack", v->stack);
    number_text(n, "workflow", v->workflow);
    number_text(n, "state", str_of(node_state_name(v->state)));
    if (t->s.behind[node])
        number_put(n, "behind", t->s.behind[node]);
}

str numbers_end(struct numbers *n)
{
    json_end_object(&n->w);
    return buf_str(&n->b);
}

/* ---- words ----------------------------------------------------------------------------------- */

str plain_cat(struct arena *mem, str a, str b)
{
    return arena_print(mem, PRI_STR PRI_STR, FMT_STR(a), FMT_STR(b));
}

str plain_node(const struct telling *t, uint32_t node)
{
    const struct node_view *n = &t->b->node[node];
    str component = text_plain(t->mem, n->component, NAME_CHARS_MAX),
        stack = text_plain(t->mem, n->stack, NAME_CHARS_MAX);
    str name = arena_print(t->mem, PRI_STR " in " PRI_STR, FMT_STR(component), FMT_STR(stack));
    if (!t->s.twin[node] || !n->workflow.len)
        return name;
    str by = text_plain(t->mem, n->workflow, NAME_CHARS_MAX);
    return arena_print(t->mem, PRI_STR " by " PRI_STR, FMT_STR(name), FMT_STR(by));
}

str plain_nodes(const struct telling *t, const uint32_t *at, uint32_t count, uint32_t max)
{
    struct buf out;
    buf_init(&out, t->mem, SIZE_MAX);
    for (uint32_t i = 0; i < count && i < max; i++)
        buf_print(&out, "%s" PRI_STR, i ? ", " : "", FMT_STR(plain_node(t, at[i])));
    if (count > max)
        buf_print(&out, " and " PRI_STR " more", FMT_STR(text_number(t->mem, count - max)));
    return buf_str(&out);
}

str plain_time(const struct telling *t, int64_t at_ms)
{
    return words_time(t->mem, at_ms, t->now_ms);
}

str since_text(const struct telling *t, int64_t at_ms)
{
    if (at_ms <= 0)
        return STR("");
    return arena_print(t->mem, " since " PRI_STR, FMT_STR(plain_time(t, at_ms)));
}

str plain_sha(struct arena *mem, str sha) { return text_plain(mem, str_sub(sha, 0, 7), 7); }

str plain_note(struct arena *mem, str hostile)
{
    str s = str_trim(hostile);
    while (s.len && s.ptr[s.len - 1] == '.')
        s.len--;
    return text_plain(mem, s, NOTE_CHARS_MAX);
}

/* Hints are sentences for a forge: `code` marks go, and here they follow an arrow. */
str plain_hint(struct arena *mem, str error_code)
{
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (const char *p = words_hint(error_code); *p; p++)
        if (*p != '`')
            buf_char(&out, out.len == 0 && *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
    str s = buf_str(&out);
    while (s.len && s.ptr[s.len - 1] == '.')
        s.len--;
    return s;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static str or_null(str s) { return s.len ? s : STR_NONE; }

str reasons_json(struct arena *mem, const struct reasons *r)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)16 << 20);
    json_out_init(&w, &b);
    json_begin_array(&w);
    for (size_t i = 0; i < r->count; i++) {
        const struct reason *one = &r->at[i];
        json_begin_object(&w);
        json_field_str(&w, STR("code"), str_of(reason_code_name(one->code)));
        json_field_str(&w, STR("text"), one->text);
        json_field_str(&w, STR("change"), or_null(one->change));
        json_field_time(&w, STR("since"), one->since_ms);
        json_field_time(&w, STR("until"), one->until_ms);
        json_field_raw(&w, STR("numbers"), one->numbers);
        json_field_str(&w, STR("url"), or_null(one->url));
        json_end_object(&w);
    }
    json_end_array(&w);
    return buf_str(&b);
}

static void line(struct buf *out, str s, const char *end)
{
    buf_add(out, s);
    buf_add(out, str_of(end));
}

static str escaped(struct arena *mem, str s, bool markdown)
{
    return markdown ? markdown_text(mem, s, SIZE_MAX / 8) : s;
}

str reasons_text(struct arena *mem, const struct reasons *r, bool markdown)
{
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < r->count; i++) {
        const struct reason *one = &r->at[i];
        const char *indent = markdown || i < 9 ? "   " : "    ";
        str link = markdown ? STR("") : one->url;
        buf_print(&out, "%zu. ", i + 1);
        line(&out, escaped(mem, one->text, markdown), "");
        if (markdown && markdown_url(mem, one->url, &link))
            buf_print(&out, ". [Look](" PRI_STR ")", FMT_STR(link));
        buf_char(&out, '\n');
        if (one->change.len) {
            buf_print(&out, "%s%s ", indent, markdown ? "→ *What changes it:*" : "→");
            line(&out, escaped(mem, one->change, markdown), "\n");
        }
        if (!markdown && link.len) {
            buf_add(&out, str_of(indent));
            line(&out, text_plain(mem, link, URL_BYTES_MAX), "\n");
        }
    }
    return buf_str(&out);
}
