#include "domain/pattern.h"

#include <assert.h>

#include "domain/text.h"

/*
 * Thompson's construction: the pattern becomes a small program, and all its threads walk the text
 * side by side. A thread is a place in the program, so a character costs at most one visit of each
 * place: no backtracking.
 */
enum { PATTERN_BYTES_MAX = 200, REPEAT_MAX = 64, PROGRAM_MAX = 5000 };

/* ---- what was read ---- */

enum kind { EMPTY, SET, JOINED, EITHER, REPEAT, AT_START, AT_END };

struct range { uint32_t low, high; };

struct part {
    enum kind    kind;
    struct part *a, *b;         /* JOINED, EITHER: both; REPEAT: a */
    uint32_t     min, max;      /* REPEAT; max UNBOUNDED: no end */
    struct range *range;        /* SET */
    uint32_t     ranges, ranges_cap;
    bool         negated;
};
#define UNBOUNDED UINT32_MAX

struct reader {
    struct arena *mem;
    str           text;
    size_t        at, begin;    /* begin: of the alternative under way */
    struct err   *e;
};

static bool more(const struct reader *r) { return r->at < r->text.len; }
static char peek(const struct reader *r) { return more(r) ? r->text.ptr[r->at] : '\0'; }

static bool take(struct reader *r, char c)
{
    if (!more(r) || r->text.ptr[r->at] != c)
        return false;
    r->at++;
    return true;
}

static bool bad(struct reader *r, const char *what)
{
    str p = text_plain(r->mem, r->text, PATTERN_BYTES_MAX);
    return fail(r->e, ERR_INVALID,
                "the pattern \"" PRI_STR "\" cannot be used: %s (at character %zu)", FMT_STR(p),
                what, r->at + 1);
}

static struct part *no(struct reader *r, const char *what)
{
    bad(r, what);
    return NULL;
}

static struct part *part_new(struct reader *r, enum kind kind)
{
    struct part *p = arena_make(r->mem, struct part, 1);
    p->kind = kind;
    return p;
}

static struct part *part_two(struct reader *r, enum kind kind, struct part *a, struct part *b)
{
    struct part *p = part_new(r, kind);
    p->a = a;
    p->b = b;
    return p;
}

/* The character at s[*at]. Bytes that are no UTF-8 stand for themselves, above all characters. */
static uint32_t char_take(str s, size_t *at)
{
    size_t step = str_utf8_step(s, *at);
    unsigned char first = (unsigned char)s.ptr[*at];
    static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    if (step == 0) {
        ++*at;
        return 0x110000u + first;
    }
    uint32_t c = first & lead[step];
    for (size_t i = 1; i < step; i++)
        c = c << 6 | ((unsigned char)s.ptr[*at + i] & 0x3f);
    *at += step;
    return c;
}

static void range_add(struct arena *mem, struct part *set, uint32_t low, uint32_t high)
{
    if (set->ranges == set->ranges_cap) {
        uint32_t cap = set->ranges_cap ? set->ranges_cap * 2 : 1;
        set->range = arena_grow(mem, set->range, set->ranges_cap, cap, sizeof *set->range);
        set->ranges_cap = cap;
    }
    set->range[set->ranges++] = (struct range){ low, high };
}

/* \d \w \s into a set. */
static void class_add(struct arena *mem, struct part *set, char letter)
{
    static const struct { char letter; struct range range; } table[] = {
        { 'd', { '0', '9' } }, { 's', { '\t', '\r' } }, { 's', { ' ', ' ' } },
        { 'w', { '0', '9' } }, { 'w', { 'A', 'Z' } },   { 'w', { '_', '_' } },
        { 'w', { 'a', 'z' } },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].letter == letter)
            range_add(mem, set, table[i].range.low, table[i].range.high);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* After the backslash: a class letter (*letter), or one character (*c). */
static bool escape_read(struct reader *r, char *letter, uint32_t *c)
{
    *letter = '\0';
    if (!more(r))
        return bad(r, "it ends in a backslash");
    char first = peek(r);
    if (first == 'd' || first == 'w' || first == 's') {
        *letter = first;
        r->at++;
        return true;
    }
    if (first == 't' || first == 'n') {
        *c = first == 't' ? '\t' : '\n';
        r->at++;
        return true;
    }
    if (is_alnum(first))
        return bad(r, "this escape is not supported; \\d \\w \\s \\t \\n and escaped signs are");
    *c = char_take(r->text, &r->at);
    return true;
}

/* One end of a range in a class; *letter when it is \d and the like. */
static bool member_read(struct reader *r, char *letter, uint32_t *c)
{
    *letter = '\0';
    if (take(r, '\\'))
        return escape_read(r, letter, c);
    *c = char_take(r->text, &r->at);
    return true;
}

static bool member_add(struct reader *r, struct part *set)
{
    char letter, other;
    uint32_t low = 0, high = 0;
    if (peek(r) == '[' && r->at + 1 < r->text.len && strchr(":.=", r->text.ptr[r->at + 1]))
        return bad(r, "named classes such as [:alpha:] are not supported; write the range, as in "
                     "[a-z]");
    if (!member_read(r, &letter, &low))
        return false;
    if (letter) {
        class_add(r->mem, set, letter);
        return true;
    }
    high = low;
    if (peek(r) == '-' && r->at + 1 < r->text.len && r->text.ptr[r->at + 1] != ']') {
        r->at++;
        if (!member_read(r, &other, &high))
            return false;
        if (other)
            return bad(r, "a range cannot end in a class");
        if (high < low)
            return bad(r, "a range goes backwards");
    }
    range_add(r->mem, set, low, high);
    return true;
}

/* After "[". A "]" in the first place is a member. */
static struct part *class_read(struct reader *r)
{
    struct part *set = part_new(r, SET);
    set->negated = take(r, '^');
    for (bool first = true; more(r) && (first || peek(r) != ']'); first = false)
        if (!member_add(r, set))
            return NULL;
    return take(r, ']') ? set : no(r, "a [ has no ]");
}

static struct part *any_read(struct reader *r)
{
    struct part *set = part_new(r, SET);
    set->negated = true;
    range_add(r->mem, set, '\n', '\n');
    return set;
}

static struct part *one_read(struct reader *r, bool escaped)
{
    uint32_t c = 0;
    char letter = '\0';
    if (!escaped)
        c = char_take(r->text, &r->at);
    else if (!escape_read(r, &letter, &c))
        return NULL;
    struct part *set = part_new(r, SET);
    if (letter)
        class_add(r->mem, set, letter);
    else
        range_add(r->mem, set, c, c);
    return set;
}

static struct part *either_read(struct reader *r);

/* After "(". */
static struct part *group_read(struct reader *r)
{
    if (take(r, '?') && !take(r, ':'))
        return no(r, "of the (? forms only (?: is supported");
    struct part *p = either_read(r);
    if (!p)
        return NULL;
    return take(r, ')') ? p : no(r, "a ( has no )");
}

static struct part *start_read(struct reader *r)
{
    return r->at - 1 == r->begin ? part_new(r, AT_START) :
           no(r, "^ can only stand at the beginning; write \\^ for the sign");
}

static struct part *end_read(struct reader *r)
{
    char next = more(r) ? peek(r) : ')';
    return next == ')' || next == '|'
               ? part_new(r, AT_END)
               : no(r, "$ can only stand at the end; write \\$ for the sign");
}

static struct part *atom_read(struct reader *r)
{
    switch (peek(r)) {
    case '(': r->at++; return group_read(r);
    case '[': r->at++; return class_read(r);
    case '.': r->at++; return any_read(r);
    case '^': r->at++; return start_read(r);
    case '$': r->at++; return end_read(r);
    case '*': case '+': case '?':
        return no(r, "there is nothing before this sign to repeat; a single * means anything, .* "
                     "is its regular expression");
    case '{':
        return no(r, "there is nothing before { to repeat; write \\{ for the sign");
    case '\\': r->at++; return one_read(r, true);
    default:   return one_read(r, false);
    }
}

static bool number_read(struct reader *r, uint32_t *out)
{
    size_t from = r->at;
    uint32_t n = 0;
    for (; peek(r) >= '0' && peek(r) <= '9' && n <= REPEAT_MAX; r->at++)
        n = n * 10 + (uint32_t)(peek(r) - '0');
    *out = n;
    return r->at > from;
}

/* After "{": n} n,} n,m}. */
static bool bounds_read(struct reader *r, uint32_t *min, uint32_t *max)
{
    bool ok = number_read(r, min);
    *max = *min;
    if (ok && take(r, ',')) {
        *max = UNBOUNDED;
        if (peek(r) != '}')
            ok = number_read(r, max);
    }
    if (*min > REPEAT_MAX || (*max != UNBOUNDED && *max > REPEAT_MAX))
        return bad(r, "a count in { } is over 64");
    if (!ok || !take(r, '}'))
        return bad(r, "{ must be {n}, {n,} or {n,m}; write \\{ for the sign");
    return *min <= *max || bad(r, "a count in { } goes backwards");
}

static struct part *repeat_read(struct reader *r)
{
    struct part *a = atom_read(r);
    uint32_t min = 0, max = UNBOUNDED;
    if (!a || !more(r) || !strchr("*+?{", peek(r)))
        return a;
    if (a->kind == AT_START || a->kind == AT_END)
        return no(r, "^ and $ cannot be repeated");
    char sign = peek(r);
    r->at++;
    if (sign == '{' && !bounds_read(r, &min, &max))
        return NULL;
    if (sign == '+')
        min = 1;
    if (sign == '?')
        max = 1;
    take(r, '?'); /* lazy: which of the possible matches is found does not matter here */
    if (more(r) && strchr("*+?{", peek(r)))
        return no(r, "a repetition of a repetition needs ( )");
    struct part *p = part_two(r, REPEAT, a, NULL);
    p->min = min;
    p->max = max;
    return p;
}

static struct part *joined_read(struct reader *r)
{
    struct part *all = part_new(r, EMPTY);
    r->begin = r->at;
    while (more(r) && peek(r) != '|' && peek(r) != ')') {
        struct part *next = repeat_read(r);
        if (!next)
            return NULL;
        all = all->kind == EMPTY ? next : part_two(r, JOINED, all, next);
    }
    return all;
}

static struct part *either_read(struct reader *r)
{
    struct part *all = joined_read(r);
    while (all && take(r, '|')) {
        struct part *next = joined_read(r);
        if (!next)
            return NULL;
        all = part_two(r, EITHER, all, next);
    }
    return all;
}

static struct part *pattern_read(struct reader *r)
{
    if (r->text.len == 0)
        return no(r, "it is empty; * means anything");
    if (r->text.len > PATTERN_BYTES_MAX)
        return no(r, "it is longer than 200 bytes");
    struct part *all = either_read(r);
    return all && more(r) ? no(r, "a ) has no (") : all;
}

/* ---- the program ---- */

enum op { OP_SET, OP_SPLIT, OP_START, OP_END, OP_DONE };

struct step {
    enum op            op;
    const struct part *set;
    uint32_t           to, or;          /* OP_SPLIT: both; the others go on at the next step */
};

struct program {
    struct step *step;
    uint32_t     count;
};

/* Steps that a part takes, PROGRAM_MAX when it is that many or more. */
static uint64_t size_of(const struct part *p)
{
    uint64_t n = 0, a = p->a ? size_of(p->a) : 0, b = p->b ? size_of(p->b) : 0;
    switch (p->kind) {
    case EMPTY:    n = 0; break;
    case SET:
    case AT_START:
    case AT_END:   n = 1; break;
    case JOINED:   n = a + b; break;
    case EITHER:   n = a + b + 2; break;
    case REPEAT:
        n = p->min * a + (p->max == UNBOUNDED ? a + 2 : (p->max - p->min) * (a + 1));
        break;
    }
    return n < PROGRAM_MAX ? n : PROGRAM_MAX;
}

static uint32_t emit(struct program *g, enum op op)
{
    g->step[g->count] = (struct step){ .op = op };
    return g->count++;
}

static void compile(struct program *g, const struct part *p);

static void compile_repeat(struct program *g, const struct part *p)
{
    for (uint32_t i = 0; i < p->min; i++)
        compile(g, p->a);
    if (p->max == UNBOUNDED) {
        uint32_t split = emit(g, OP_SPLIT);
        compile(g, p->a);
        uint32_t back = emit(g, OP_SPLIT);
        g->step[back].to = g->step[back].or = split;
        g->step[split].to = split + 1;
        g->step[split].or = g->count;
        return;
    }
    for (uint32_t i = p->min; i < p->max; i++) {
        uint32_t split = emit(g, OP_SPLIT);
        compile(g, p->a);
        g->step[split].to = split + 1;
        g->step[split].or = g->count;
    }
}

static void compile(struct program *g, const struct part *p)
{
    uint32_t split, jump;
    switch (p->kind) {
    case EMPTY:
        break;
    case SET:
        g->step[emit(g, OP_SET)].set = p;
        break;
    case AT_START:
        emit(g, OP_START);
        break;
    case AT_END:
        emit(g, OP_END);
        break;
    case JOINED:
        compile(g, p->a);
        compile(g, p->b);
        break;
    case EITHER:
        split = emit(g, OP_SPLIT);
        compile(g, p->a);
        jump = emit(g, OP_SPLIT);
        g->step[split].to = split + 1;
        g->step[split].or = g->count;
        compile(g, p->b);
        g->step[jump].to = g->step[jump].or = g->count;
        break;
    case REPEAT:
        compile_repeat(g, p);
        break;
    }
}

static bool program_make(struct arena *mem, str pattern, struct program *g, struct err *e)
{
    struct reader r = { .mem = mem, .text = pattern, .e = e };
    struct part *all = pattern_read(&r);
    if (!all)
        return false;
    uint64_t size = size_of(all) + 1;
    if (size > PROGRAM_MAX)
        return bad(&r, "its repetitions make it too large");
    *g = (struct program){ arena_make(mem, struct step, size), 0 };
    compile(g, all);
    emit(g, OP_DONE);
    assert(g->count == size);
    return true;
}

/* ---- the walk ---- */

struct threads {
    uint32_t *at, count;
    uint32_t *seen, round;          /* by step: the round in which it was visited */
    uint32_t *stack;
    bool      done;
};

/* Visits a step and what can be reached from it without a character. */
static void thread_add(struct threads *t, const struct program *g, uint32_t first, bool at_start,
                       bool at_end)
{
    uint32_t depth = 0;
    t->stack[depth++] = first;
    while (depth) {
        uint32_t i = t->stack[--depth];
        if (t->seen[i] == t->round)
            continue;
        t->seen[i] = t->round;
        const struct step *s = &g->step[i];
        if (s->op == OP_SPLIT) {
            t->stack[depth++] = s->or;
            t->stack[depth++] = s->to;
        } else if ((s->op == OP_START && at_start) || (s->op == OP_END && at_end)) {
            t->stack[depth++] = i + 1;
        } else if (s->op == OP_SET) {
            t->at[t->count++] = i;
        } else if (s->op == OP_DONE) {
            t->done |= at_end;
        }
    }
}

static bool set_has(const struct part *set, uint32_t c)
{
    bool in = false;
    for (uint32_t i = 0; i < set->ranges && !in; i++)
        in = c >= set->range[i].low && c <= set->range[i].high;
    return in != set->negated;
}

static bool program_run(struct arena *mem, const struct program *g, str text)
{
    size_t n = g->count;
    struct threads t = { .seen = arena_make(mem, uint32_t, n),
                         .stack = arena_make(mem, uint32_t, 2 * n + 2),
                         .round = 1 };
    uint32_t *now = arena_make(mem, uint32_t, n), *next = arena_make(mem, uint32_t, n);
    t.at = now;
    thread_add(&t, g, 0, true, text.len == 0);
    for (size_t at = 0; at < text.len && t.count;) {
        uint32_t c = char_take(text, &at);
        uint32_t *from = t.at, count = t.count;
        t.at = from == now ? next : now;
        t.count = 0;
        t.round++;
        for (uint32_t i = 0; i < count; i++)
            if (set_has(g->step[from[i]].set, c))
                thread_add(&t, g, from[i] + 1, false, at == text.len);
    }
    return t.done;
}

/* ---- the rules ---- */

bool pattern_check(str pattern, struct err *e)
{
    if (str_eq(pattern, STR("*")))
        return true;
    struct arena *mem = arena_new(1 << 20, 16 << 20);
    struct program g;
    bool ok = program_make(mem, pattern, &g, e);
    arena_free(mem);
    return ok;
}

bool pattern_match(struct arena *mem, str pattern, str text)
{
    struct err ignored = { 0 };
    struct program g;
    if (str_eq(pattern, STR("*")) || str_eq(pattern, text))
        return true;
    return program_make(mem, pattern, &g, &ignored) && program_run(mem, &g, text);
}

/* How many of the three match; *failed: the first that does not. */
static int row_score(struct arena *mem, const struct permission_row *row,
                     const struct permission_ask *ask, int *failed)
{
    bool match[3] = {
        pattern_match(mem, row->workflow, ask->workflow),
        pattern_match(mem, row->branch, ask->branch),
        /* A run without an environment is only covered by a row for any. */
        ask->has_environment ? pattern_match(mem, row->environment, ask->environment)
                             : str_eq(row->environment, STR("*")),
    };
    int score = 0;
    for (int i = 2; i >= 0; i--) {
        score += match[i];
        if (!match[i])
            *failed = i;
    }
    return score;
}

static str refusal(struct arena *mem, const struct permission_row *row, int failed,
                   const struct permission_ask *ask)
{
    static const char *const name[] = { "workflow", "branch", "environment" };
    str pattern[] = { row->workflow, row->branch, row->environment };
    str asked[] = { ask->workflow, ask->branch, ask->environment };
    str permission = text_plain(mem, ask->name, 60),
        p = text_plain(mem, pattern[failed], PATTERN_BYTES_MAX);
    str a = text_plain(mem, asked[failed], 120);
    if (failed == 2 && !ask->has_environment)
        return arena_print(mem,
                           "The permission \"" PRI_STR
                           "\" is limited to the environment pattern \"" PRI_STR
                           "\", and this run has no environment.",
                           FMT_STR(permission), FMT_STR(p));
    return arena_print(mem,
                       "The permission \"" PRI_STR "\" does not cover this run: the %s \"" PRI_STR
                       "\" does not match the pattern \"" PRI_STR "\".",
                       FMT_STR(permission), name[failed], FMT_STR(a), FMT_STR(p));
}

bool permission_granted(struct arena *mem, const struct permission_row *rows, size_t count,
                        const struct permission_ask *ask, str *why)
{
    int best = -1;
    str text = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        int failed = 0;
        if (!str_eq(rows[i].name, ask->name))
            continue;
        int score = row_score(mem, &rows[i], ask, &failed);
        if (score == 3)
            return true;
        if (score > best) {
            best = score;
            text = refusal(mem, &rows[i], failed, ask);
        }
    }
    if (best < 0) {
        str permission = text_plain(mem, ask->name, 60);
        text = arena_print(mem,
                           "The repository does not have the permission \"" PRI_STR
                           "\"; add it in the repository's "
                           "permissions.",
                           FMT_STR(permission));
    }
    *why = text;
    return false;
}
