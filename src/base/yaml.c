#include "base/yaml.h"

#include <stdlib.h>
#include <yaml.h>

/*
 * libyaml's events become a small tree (anchors and merge keys need one), the tree becomes JSON
 * text, and the text goes through json_parse: so the reader's handles, limits and checks are the
 * same for both languages.
 */
enum {
    TEXT_MAX = 1 << 20,
    DEPTH_MAX = 64,
    NODES_MAX = 50000,
    ALIASES_MAX = 1000,
    OUT_MAX = 16 << 20
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool           plain;           /* scalar without quotes and without !!str: may be a number */
    bool           open;            /* still being read: an alias to it would be endless */
    bool           is_merge;        /* a plain "<<" */
    str            text;
    struct node  **item;            /* map: key, value, key, value */
    size_t         count, cap;
    size_t         line, column;
    size_t         weight;          /* nodes in it, aliases expanded */
    unsigned       height;          /* levels below it, aliases expanded */
};

struct anchor {
    str            name;
    struct node   *node;
    struct anchor *older;
};

struct reader {
    yaml_parser_t  yaml;
    yaml_event_t   event;
    str            text;
    struct arena  *mem;
    struct anchor *anchors;
    size_t         nodes, aliases;
    struct err    *e;
};

static void mark_of(const struct reader *r, size_t *line, size_t *column)
{
    *line = r->event.start_mark.line + 1;
    *column = r->event.start_mark.column + 1;
}

__attribute__((cold)) static bool bad(struct reader *r, size_t line, size_t column, const char *why)
{
    return fail(r->e, ERR_INVALID, "not valid YAML at line %zu, column %zu: %s", line, column, why);
}

__attribute__((cold)) static bool bad_here(struct reader *r, const char *why)
{
    size_t line, column;
    mark_of(r, &line, &column);
    return bad(r, line, column, why);
}

/* Bytes that are no text have an offset only. */
static bool bad_bytes(struct reader *r)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < r->yaml.problem_offset && i < r->text.len; i++) {
        column = r->text.ptr[i] == '\n' ? 1 : column + 1;
        line += r->text.ptr[i] == '\n';
    }
    return bad(r, line, column, r->yaml.problem ? r->yaml.problem : "the bytes are not UTF-8");
}

static bool next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->yaml, &r->event))
        return true;
    memset(&r->event, 0, sizeof r->event);
    if (r->yaml.error == YAML_MEMORY_ERROR)
        abort();
    if (r->yaml.error == YAML_READER_ERROR)
        return bad_bytes(r);
    return bad(r, r->yaml.problem_mark.line + 1, r->yaml.problem_mark.column + 1,
               r->yaml.problem ? r->yaml.problem : "libyaml gives no reason");
}

static bool count_nodes(struct reader *r, size_t n)
{
    if (n > NODES_MAX - r->nodes)
        return fail(r->e, ERR_LIMIT, "the YAML document has more than %d values, aliases expanded",
                    NODES_MAX);
    r->nodes += n;
    return true;
}

static struct node *node_new(struct reader *r, enum node_kind kind)
{
    struct node *n = arena_make(r->mem, struct node, 1);
    n->kind = kind;
    n->weight = 1;
    mark_of(r, &n->line, &n->column);
    return n;
}

static void append(struct reader *r, struct node *to, struct node *item)
{
    if (to->count == to->cap) {
        size_t cap = to->cap ? to->cap * 2 : 8;
        to->item = arena_grow(r->mem, to->item, to->cap, cap, sizeof *to->item);
        to->cap = cap;
    }
    to->item[to->count++] = item;
    to->weight += item->weight;
    if (to->height <= item->height)
        to->height = item->height + 1;
}

static void name_anchor(struct reader *r, const yaml_char_t *name, struct node *n)
{
    if (!name)
        return;
    struct anchor *a = arena_make(r->mem, struct anchor, 1);
    a->name = arena_copy(r->mem, str_of((const char *)name));
    a->node = n;
    a->older = r->anchors;
    r->anchors = a;
}

static bool too_deep(struct reader *r)
{
    return fail(r->e, ERR_LIMIT, "the YAML document nests deeper than %d levels, aliases expanded",
                DEPTH_MAX);
}

static bool read_node(struct reader *r, unsigned depth, struct node **out);

static bool read_alias(struct reader *r, unsigned depth, struct node **out)
{
    if (++r->aliases > ALIASES_MAX)
        return fail(r->e, ERR_LIMIT, "the YAML document has more than %d aliases", ALIASES_MAX);
    str name = str_of((const char *)r->event.data.alias.anchor);
    for (struct anchor *a = r->anchors; a; a = a->older) {
        if (!str_eq(a->name, name))
            continue;
        if (a->node->open)
            return bad_here(r, "an alias inside of its own anchor has no end");
        if (depth + a->node->height > DEPTH_MAX)
            return too_deep(r);
        *out = a->node;
        return count_nodes(r, a->node->weight);
    }
    return bad_here(r, "an alias to an anchor that does not exist");
}

static bool read_scalar(struct reader *r, struct node **out)
{
    struct node *n = node_new(r, NODE_SCALAR);
    n->text = arena_copy(r->mem, (str){ (const char *)r->event.data.scalar.value,
                                        r->event.data.scalar.length });
    if (str_find(n->text, '\0', 0) != n->text.len)
        return bad_here(r, "a NUL character is not accepted in strings");
    bool unquoted = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char *tag = (const char *)r->event.data.scalar.tag;
    n->plain = unquoted &&
               !(tag && (str_eq(str_of(tag), STR(YAML_STR_TAG)) || str_eq(str_of(tag), STR("!"))));
    n->is_merge = n->plain && str_eq(n->text, STR("<<"));
    name_anchor(r, r->event.data.scalar.anchor, n);
    *out = n;
    return count_nodes(r, 1);
}

static bool read_list(struct reader *r, unsigned depth, struct node **out)
{
    struct node *n = node_new(r, NODE_LIST), *item;
    name_anchor(r, r->event.data.sequence_start.anchor, n);
    n->open = true;
    if (!count_nodes(r, 1) || !next(r))
        return false;
    while (r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (!read_node(r, depth + 1, &item) || !next(r))
            return false;
        append(r, n, item);
    }
    n->open = false;
    *out = n;
    return true;
}

static int by_text(const void *x, const void *y)
{
    const struct node *const *a = x, *const *b = y;
    int c = str_cmp((*a)->text, (*b)->text);
    if (c != 0)
        return c;
    return (*a)->line != (*b)->line ? ((*a)->line < (*b)->line ? -1 : 1)
                                    : ((*a)->column > (*b)->column) - ((*a)->column < (*b)->column);
}

static bool keys_differ(struct reader *r, const struct node *map)
{
    size_t keys = map->count / 2, used = 0;
    struct node **sorted = arena_make(r->mem, struct node *, keys + 1);
    for (size_t i = 0; i < keys; i++)
        if (!map->item[i * 2]->is_merge)
            sorted[used++] = map->item[i * 2];
    qsort(sorted, used, sizeof *sorted, by_text);
    for (size_t i = 1; i < used; i++)
        if (str_eq(sorted[i - 1]->text, sorted[i]->text)) {
            str key = str_clip(sorted[i]->text, 100);
            return fail(r->e, ERR_INVALID,
                        "not valid YAML at line %zu, column %zu: the key \"" PRI_STR
                        "\" stands twice in one mapping",
                        sorted[i]->line, sorted[i]->column, FMT_STR(key));
        }
    return true;
}

/* Keys of the mapping itself win over merged ones, earlier merged ones over later ones
 * (yaml.org/type/merge). */
struct member { struct node *key, *value; size_t rank; bool hidden; };

static int by_key(const void *x, const void *y)
{
    const struct member *const *a = x, *const *b = y;
    int c = str_cmp((*a)->key->text, (*b)->key->text);
    return c != 0 ? c : ((*a)->rank > (*b)->rank) - ((*a)->rank < (*b)->rank);
}

static void add_members(const struct node *map, struct member *to, size_t *n)
{
    for (size_t i = 0; i < map->count; i += 2) {
        if (map->item[i]->is_merge)
            continue;
        to[*n] = (struct member){ map->item[i], map->item[i + 1], *n, false };
        ++*n;
    }
}

/* How many members the sources of a "<<" bring; false when one is not a mapping. */
static bool sources_fit(struct reader *r, const struct node *at, const struct node *from, size_t *n)
{
    if (from->kind == NODE_MAP) {
        *n += from->count / 2;
        return true;
    }
    for (size_t i = 0; from->kind == NODE_LIST && i < from->count; i++) {
        if (from->item[i]->kind != NODE_MAP)
            return bad(r, at->line, at->column, "'<<' takes a mapping or a list of mappings");
        *n += from->item[i]->count / 2;
    }
    return from->kind == NODE_LIST ||
           bad(r, at->line, at->column, "'<<' takes a mapping or a list of mappings");
}

/* Sorted, so that mappings made to be slow are not. */
static void hide_overridden(struct reader *r, struct member *m, size_t n)
{
    struct member **sorted = arena_make(r->mem, struct member *, n + 1);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &m[i];
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++)
        sorted[i]->hidden = str_eq(sorted[i]->key->text, sorted[i - 1]->key->text);
}

static bool merge(struct reader *r, struct node *map)
{
    size_t n = map->count / 2, got = 0;
    bool any = false;
    for (size_t i = 0; i < map->count; i += 2)
        if (map->item[i]->is_merge) {
            any = true;
            if (!sources_fit(r, map->item[i], map->item[i + 1], &n))
                return false;
        }
    if (!any)
        return true;
    struct member *m = arena_make(r->mem, struct member, n + 1);
    add_members(map, m, &got);
    for (size_t i = 0; i < map->count; i += 2) {
        const struct node *from = map->item[i + 1];
        if (!map->item[i]->is_merge)
            continue;
        if (from->kind == NODE_MAP)
            add_members(from, m, &got);
        for (size_t k = 0; from->kind == NODE_LIST && k < from->count; k++)
            add_members(from->item[k], m, &got);
    }
    hide_overridden(r, m, got);
    map->item = NULL;
    map->count = map->cap = 0;
    map->weight = 1;
    for (size_t i = 0; i < got; i++)
        if (!m[i].hidden) {
            append(r, map, m[i].key);
            append(r, map, m[i].value);
        }
    return true;
}

static bool read_map(struct reader *r, unsigned depth, struct node **out)
{
    struct node *n = node_new(r, NODE_MAP), *key, *value;
    name_anchor(r, r->event.data.mapping_start.anchor, n);
    n->open = true;
    if (!count_nodes(r, 1) || !next(r))
        return false;
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        size_t line, column;
        mark_of(r, &line, &column);
        if (!read_node(r, depth + 1, &key))
            return false;
        if (key->kind != NODE_SCALAR)
            return bad(r, line, column, "a key must be a single word or text");
        if (!next(r) || !read_node(r, depth + 1, &value) || !next(r))
            return false;
        append(r, n, key);
        append(r, n, value);
    }
    if (!keys_differ(r, n) || !merge(r, n))
        return false;
    n->open = false;
    *out = n;
    return true;
}

/* The event of the node's start is current; leaves the one of its end. */
static bool read_node(struct reader *r, unsigned depth, struct node **out)
{
    if (depth > DEPTH_MAX)
        return too_deep(r);
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, depth, out);
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, depth, out);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, depth, out);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: case YAML_SEQUENCE_END_EVENT: case YAML_MAPPING_END_EVENT:
        break;
    }
    return bad_here(r, "a value is missing");
}

/* ---- plain scalars: YAML 1.2 core schema ---- */

static bool is_one_of(str s, const char *const *names)
{
    for (; *names; names++)
        if (str_eq(s, str_of(*names)))
            return true;
    return false;
}

static size_t digits_at(str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && s.ptr[at + n] >= '0' && s.ptr[at + n] <= '9')
        n++;
    return n;
}

/* 0o17 and 0x1F. Beyond int64 the text stays a string: no value is better than a wrong one. */
static bool write_radix(struct json_out *w, str s)
{
    unsigned shift = str_starts(s, STR("0x")) ? 4 : str_starts(s, STR("0o")) ? 3 : 0;
    if (shift == 0 || s.len == 2)
        return false;
    uint64_t n = 0;
    for (size_t i = 2; i < s.len; i++) {
        char c = s.ptr[i], low = (char)(c | 0x20);
        unsigned d = c >= '0' && c <= '9'       ? (unsigned)(c - '0')
                     : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
                                                : 99;
        if (d >= 1u << shift || n >> (63 - shift) != 0)
            return false;
        n = n << shift | d;
    }
    struct buf *to = w->to;
    struct buf text;
    buf_init(&text, to->mem, 32);
    buf_i64(&text, (int64_t)n);
    json_put_raw(w, buf_str(&text));
    return true;
}

/* [-+]? ( \. digits | digits ( \. digits? )? ) ( [eE] [-+]? digits )?  as JSON writes it: no plus,
 * no leading zeros, digits on both sides of the point. */
static bool write_number(struct json_out *w, str s)
{
    size_t at = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    bool minus = at && s.ptr[0] == '-';
    size_t whole_from = at, whole = digits_at(s, at);
    at += whole;
    size_t part_from = at, part = 0;
    bool point = at < s.len && s.ptr[at] == '.';
    if (point) {
        part_from = at + 1;
        part = digits_at(s, part_from);
        at = part_from + part;
    }
    if (whole == 0 && part == 0)
        return false;
    size_t exp_from = at;
    if (at < s.len && (s.ptr[at] | 0x20) == 'e') {
        at++;
        at += at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+');
        size_t n = digits_at(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    if (at != s.len)
        return false;
    while (whole > 1 && s.ptr[whole_from] == '0') {
        whole_from++;
        whole--;
    }
    struct buf text;
    buf_init(&text, w->to->mem, s.len + 4);
    if (minus)
        buf_char(&text, '-');
    buf_add(&text, whole ? str_sub(s, whole_from, whole_from + whole) : STR("0"));
    if (point) {
        buf_char(&text, '.');
        buf_add(&text, part ? str_sub(s, part_from, part_from + part) : STR("0"));
    }
    buf_add(&text, str_sub(s, exp_from, s.len));
    json_put_raw(w, buf_str(&text));
    return true;
}

static void write_scalar(struct json_out *w, const struct node *n)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    if (!n->plain)
        json_put_str(w, n->text);
    else if (is_one_of(n->text, nulls))
        json_put_null(w);
    else if (is_one_of(n->text, trues))
        json_put_bool(w, true);
    else if (is_one_of(n->text, falses))
        json_put_bool(w, false);
    else if (!write_radix(w, n->text) && !write_number(w, n->text))
        json_put_str(w, n->text);
}

static void write_node(struct json_out *w, const struct node *n)
{
    switch (n->kind) {
    case NODE_SCALAR:
        write_scalar(w, n);
        return;
    case NODE_LIST:
        json_begin_array(w);
        for (size_t i = 0; i < n->count; i++)
            write_node(w, n->item[i]);
        json_end_array(w);
        return;
    case NODE_MAP:
        json_begin_object(w);
        for (size_t i = 0; i < n->count; i += 2) {
            json_key(w, n->item[i]->text);
            write_node(w, n->item[i + 1]);
        }
        json_end_object(w);
        return;
    }
}

/* ---- the document ---- */

static bool read_document(struct reader *r, struct node **root)
{
    *root = NULL;
    if (!next(r) || !next(r))           /* stream start, then document start or the end */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next(r) || !read_node(r, 1, root) || !next(r) || !next(r))
        return false;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return bad_here(r, "one document is expected, a second one begins");
    return true;
}

static bool tree_to_json(struct reader *r, const struct node *root, struct json *out)
{
    /* A growing buffer takes twice its size, each number a few bytes beside it. */
    size_t left = arena_left(r->mem), numbers = r->nodes * 48;
    size_t max = left > numbers ? (left - numbers) / 4 : 0;
    struct buf b;
    struct json_out w;
    buf_init(&b, r->mem, max < OUT_MAX ? max : OUT_MAX);
    json_out_init(&w, &b);
    if (root)
        write_node(&w, root);
    else
        json_put_null(&w);
    if (!buf_ok(&b))
        return fail(
            r->e, ERR_LIMIT,
            "the YAML document is too large for the memory of this request, aliases expanded");
    return json_parse(r->mem, buf_str(&b), DEPTH_MAX * 2, out, r->e);
}

/* What the tree can take at most: the arena would abort, and what a sender can cause must be an
 * error. */
static size_t tree_bytes_max(str text)
{
    size_t nodes = text.len < NODES_MAX * 2 ? text.len : NODES_MAX * 2;
    return nodes * 128 + text.len * 4 + (64 << 10) +
           (str_has(text, STR("<<")) ? NODES_MAX * 128 : 0);
}

bool yaml_parse(struct arena *mem, str text, struct json *out, struct err *e)
{
    if (text.len > TEXT_MAX)
        return fail(e, ERR_LIMIT, "the YAML document has %zu bytes, at most %d are read", text.len,
                    (int)TEXT_MAX);
    if (tree_bytes_max(text) > arena_left(mem))
        return fail(e, ERR_LIMIT, "the YAML document is too large for the memory of this request");
    struct reader r = { .text = text, .mem = mem, .e = e };
    if (!yaml_parser_initialize(&r.yaml))
        abort();
    yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)(text.ptr ? text.ptr : ""),
                                 text.len);
    struct node *root;
    bool ok = read_document(&r, &root) && tree_to_json(&r, root, out);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.yaml);
    return ok;
}
