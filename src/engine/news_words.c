/* What servers that share a database tell each other: live SERVER KINDS FLAGS NOTES */
#include "engine/inside.h"

enum { MESSAGE_BYTES_MAX = 7900 }; /* of PostgreSQL's 8000 */

const char *news_kind_name(enum news_kind k)
{
    static const char *const names[] = {
#define X(name, text) text,
        NEWS_KINDS(X)
#undef X
    };
    return names[k];
}

str news_write(struct arena *mem, str server, const struct engine_news *n)
{
    static const char of[] = {'w', 'r', 'b'};
    struct buf b;
    buf_init(&b, mem, MESSAGE_BYTES_MAX);
    buf_print(&b, "live " PRI_STR " ", FMT_STR(server));
    for (unsigned k = 0; k < NEWS_KIND_COUNT; k++)
        if (n->kinds >> k & 1)
            buf_print(&b, "%s,", news_kind_name((enum news_kind)k));
    buf_print(&b, " %s%s%s ", n->lost ? "l" : "", n->more ? "m" : "", n->any_batch ? "a" : "");
    for (size_t i = 0; i < n->count; i++)
        buf_print(&b, "%c%lld,", of[n->note[i].of], (long long)n->note[i].id);
    return buf_str(&b);
}

static bool note_read(str text, struct db_note *out)
{
    if (text.len < 2)
        return false;
    switch (text.ptr[0]) {
    case 'w':
        out->of = DB_NOTE_WORKSPACE;
        break;
    case 'r':
        out->of = DB_NOTE_REPOSITORY;
        break;
    case 'b':
        out->of = DB_NOTE_BATCH;
        break;
    default:
        return false;
    }
    return str_to_i64(str_sub(text, 1, text.len), INT64_MIN, INT64_MAX, &out->id);
}

/* Of another version there may be words that are not known: then it is anything. */
bool news_read(str payload, str *server, struct engine_news *out, struct db_note note[DB_NOTES_MAX])
{
    str rest = payload, kinds, flags, word;
    *out = (struct engine_news){.note = note};
    if (!str_eq(str_cut(rest, ' ', &rest), STR("live")))
        return false;
    *server = str_cut(rest, ' ', &rest);
    kinds = str_cut(rest, ' ', &rest);
    flags = str_cut(rest, ' ', &rest);
    while (kinds.len) {
        bool known = false;
        word = str_cut(kinds, ',', &kinds);
        for (unsigned k = 0; k < NEWS_KIND_COUNT; k++)
            if (str_eq(word, str_of(news_kind_name((enum news_kind)k)))) {
                out->kinds |= 1u << k;
                known = true;
            }
        out->lost |= !known;
    }
    out->lost |= str_has(flags, STR("l"));
    out->more = str_has(flags, STR("m"));
    out->any_batch = str_has(flags, STR("a"));
    while (rest.len && !out->more) {
        word = str_cut(rest, ',', &rest);
        if (out->count == DB_NOTES_MAX || !note_read(word, &note[out->count++]))
            out->more = true;
    }
    if (out->more)
        out->count = 0;
    return server->len > 0;
}
