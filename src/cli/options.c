/* Words on the command line, against the table of verbs. */
#include "base/rfc3339.h"
#include "cli/inside.h"

const struct option common_options[] = {
    {"server", 0, "URL", "Address of the server (SIGNALBOX_URL; default http://127.0.0.1:8080).",
     false},
    {"token-file", 0, "FILE",
     "File with the token, - for standard input (else SIGNALBOX_TOKEN, else "
     "~/.config/signalbox/token).",
     false},
    {"ca-file", 0, "FILE", "More certificate authorities to trust, as PEM (SIGNALBOX_CA_FILE).",
     false},
    {"timeout", 0, "TIME",
     "How long to wait for an answer (default 30s; a bare number is milliseconds).", false},
    {"json", 0, NULL, "Print the data of the API's answer.", false},
    {"plain", 0, NULL, "Values between tabs, exact times, no colours (also in a pipe).", false},
    {"help", 'h', NULL, "Explain the command.", false},
    OPTIONS_END};

/* --- verbs --- */

static bool names_verb(const struct verb *v, str first, str second, int *words)
{
    str rest, head = str_cut(str_of(v->name), ' ', &rest);
    *words = rest.len ? 2 : 1;
    return str_eq(head, first) && (!rest.len || str_eq(rest, second));
}

const struct verb *verb_find(str first, str second, int *words)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (names_verb(v, first, second, words))
            return v;
    return NULL;
}

/* --- typing errors --- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned word_distance(str a, str b)
{
    enum { LONGEST = 40 };
    unsigned d[LONGEST + 1][LONGEST + 1];
    if (a.len > LONGEST || b.len > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= a.len; i++)
        for (size_t k = 0; k <= b.len; k++) {
            if (!i || !k) {
                d[i][k] = (unsigned)(i + k);
                continue;
            }
            bool same = a.ptr[i - 1] == b.ptr[k - 1];
            d[i][k] = least(d[i - 1][k - 1] + !same, least(d[i - 1][k], d[i][k - 1]) + 1);
            if (i > 1 && k > 1 && a.ptr[i - 1] == b.ptr[k - 2] && a.ptr[i - 2] == b.ptr[k - 1])
                d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
        }
    return d[a.len][b.len];
}

str nearest_word(str wrong, const str *words, size_t count)
{
    str best = STR_NONE;
    unsigned near = wrong.len < 4 ? 2 : 3; /* short words are near to everything */
    for (size_t i = 0; i < count; i++) {
        unsigned d = word_distance(wrong, words[i]);
        if (d < near) {
            near = d;
            best = words[i];
        }
    }
    return best;
}

/* --- options --- */

static const struct option *in_table(const struct option *t, str name, char letter)
{
    for (; t && t->name; t++)
        if (letter ? t->letter == letter : str_eq(str_of(t->name), name))
            return t;
    return NULL;
}

const struct option *option_of(const struct verb *v, str name, char letter)
{
    const struct option *o = in_table(v->options, name, letter);
    return o ? o : in_table(common_options, name, letter);
}

static bool unknown_option(struct cli *c, str name, char letter, struct err *e)
{
    str all[64];
    size_t n = 0;
    for (const struct option *o = c->verb->options; o && o->name && n < COUNT(all); o++)
        all[n++] = str_of(o->name);
    for (const struct option *o = common_options; o->name && n < COUNT(all); o++)
        all[n++] = str_of(o->name);
    if (str_eq(name, STR("token")))
        return fail(e, ERR_INVALID,
                    "a token is never given as an option, where everybody can see it: "
                    "use SIGNALBOX_TOKEN or --token-file");
    if (letter)
        return fail(e, ERR_INVALID, "there is no option -%c here: see signalbox help %s", letter,
                    c->verb->name);
    str near = nearest_word(name, all, n);
    if (near.len)
        return fail(e, ERR_INVALID,
                    "there is no option --" PRI_STR " here: did you mean --" PRI_STR "?",
                    FMT_STR(safe(c, str_sub(name, 0, 60))), FMT_STR(near));
    return fail(e, ERR_INVALID, "there is no option --" PRI_STR " here: see signalbox help %s",
                FMT_STR(safe(c, str_sub(name, 0, 60))), c->verb->name);
}

static bool keep_option(struct cli *c, const struct option *o, str value, struct err *e)
{
    for (size_t i = 0; i < c->given_count && !o->repeats; i++)
        if (c->given[i].option == o)
            return fail(e, ERR_INVALID, "--%s is given twice: once is enough", o->name);
    if (c->given_count == WORDS_MAX)
        return fail(e, ERR_INVALID, "there are more than %d options", WORDS_MAX);
    c->given[c->given_count++] = (struct given){o, value};
    return true;
}

/* Returns how many words were taken, 0 for an error. */
static int read_option(struct cli *c, str word, const char *next, struct err *e)
{
    bool is_long = str_starts(word, STR("--"));
    str value = STR_NONE, name;
    char letter = 0;
    if (is_long) {
        name = str_cut(str_sub(word, 2, word.len), '=', &value);
    } else {
        letter = word.ptr[1];
        name = str_sub(word, 1, 2);
        if (word.len > 2)
            value = str_sub(word, word.ptr[2] == '=' ? 3 : 2, word.len);
    }
    const struct option *o = option_of(c->verb, name, letter);
    if (!o)
        return unknown_option(c, name, letter, e) ? 1 : 0;
    bool joined = is_long ? str_find(word, '=', 0) < word.len : word.len > 2;
    if (!o->value && joined)
        return fail(e, ERR_INVALID, "--%s takes no value", o->name) ? 1 : 0;
    if (!o->value || joined)
        return keep_option(c, o, value.ptr ? value : STR(""), e) ? 1 : 0;
    if (!next)
        return fail(e, ERR_INVALID, "--%s needs a value: --%s %s", o->name, o->name, o->value) ? 1
                                                                                               : 0;
    return keep_option(c, o, str_of(next), e) ? 2 : 0;
}

bool options_read(struct cli *c, int argc, char **argv, struct err *e)
{
    bool only_words = false;
    for (int i = 0; i < argc;) {
        str word = str_of(argv[i]);
        if (!only_words && str_eq(word, STR("--"))) {
            only_words = true;
            i++;
        } else if (!only_words && word.len > 1 && word.ptr[0] == '-') {
            int taken = read_option(c, word, i + 1 < argc ? argv[i + 1] : NULL, e);
            if (!taken)
                return false;
            i += taken;
        } else {
            if (c->argument_count == WORDS_MAX)
                return fail(e, ERR_INVALID, "there are more than %d words", WORDS_MAX);
            c->argument[c->argument_count++] = word;
            i++;
        }
    }
    return true;
}

/* --- their values --- */

bool opt_given(const struct cli *c, const char *name)
{
    return opt_text(c, name).ptr != NULL;
}

str opt_text(const struct cli *c, const char *name)
{
    for (size_t i = 0; i < c->given_count; i++)
        if (str_eq(str_of(c->given[i].option->name), str_of(name)))
            return c->given[i].value;
    return STR_NONE;
}

bool opt_i64(struct cli *c, const char *name, int64_t min, int64_t max, int64_t *out)
{
    str s = opt_text(c, name);
    return !s.ptr || str_to_i64(s, min, max, out) ||
           fail(&c->err, ERR_INVALID,
                "--%s must be a whole number between %lld and %lld, got " PRI_STR, name,
                (long long)min, (long long)max, FMT_STR(safe(c, str_sub(s, 0, 60))));
}

bool opt_ms(struct cli *c, const char *name, int64_t *out)
{
    str s = opt_text(c, name);
    return !s.ptr || duration_read(s, 1, out) ||
           fail(&c->err, ERR_INVALID,
                "--%s must be a time like 30s, 5m or 2h (a bare number is milliseconds), "
                "got " PRI_STR,
                name, FMT_STR(safe(c, str_sub(s, 0, 60))));
}
