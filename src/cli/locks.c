/* lock, unlock, locks (seed 003; atmos-pro.md §12). */
#include "base/buf.h"
#include "base/rfc3339.h"
#include "cli/inside.h"
#include "domain/lock.h"

#define KEY_OPTIONS                                                                                \
    {"component", 'c', "NAME", "With --stack: lock this instance, instead of a key.", false},      \
        {"stack", 's', "NAME", "With --component.", false},                                        \
    {                                                                                              \
        "repo", 'r', "OWNER/NAME",                                                                 \
            "Its repository (SIGNALBOX_REPO, GITHUB_REPOSITORY, this clone, or the only one "      \
            "there is).",                                                                          \
            false                                                                                  \
    }

const struct option lock_options[] = {
    {"ttl", 't', "TIME", "How long: 90000 (milliseconds), 30s, 5m, 2h, 3d; at most 30 days.",
     false},
    {"message", 'm', "TEXT", "Why, for whoever meets the lock.", false},
    KEY_OPTIONS,
    OPTIONS_END};
const struct option unlock_options[] = {KEY_OPTIONS, OPTIONS_END};
const struct option locks_options[] = {
    {"prefix", 0, "TEXT", "Keys that begin so.", false},
    {"repo", 'r', "OWNER/NAME", "Keys of this repository.", false},
    PAGE_OPTIONS,
    OPTIONS_END};

/* --- the key --- */

static bool instance_key(struct cli *c, str *key)
{
    str stack = opt_text(c, "stack"), component = opt_text(c, "component"), owner, name;
    if (!stack.len || !component.len)
        return fail(&c->err, ERR_INVALID, "%s is missing: an instance is a component in a stack",
                    stack.len ? "--component" : "--stack");
    if (!repo_read(c, &owner, &name))
        return false;
    *key = lock_key_of(c->mem, owner, name, stack, component);
    return true;
}

static bool read_key(struct cli *c, str *key)
{
    str folded;
    bool instance = opt_given(c, "stack") || opt_given(c, "component");
    if (c->argument_count && instance)
        return fail(&c->err, ERR_INVALID, "give a key, or --component and --stack, not both");
    if (!c->argument_count && !instance)
        return fail(&c->err, ERR_INVALID,
                    "what is to be %s? Give a key, or --component and --stack",
                    str_eq(str_of(c->verb->name), STR("lock")) ? "locked" : "unlocked");
    if (instance && !instance_key(c, key))
        return false;
    if (c->argument_count)
        *key = c->argument[0];
    return lock_key_fold(c->mem, *key, &folded, &c->err);
}

/* Whole seconds go over the wire: never a shorter lock than asked for. */
static bool read_ttl(struct cli *c, int64_t *ttl_s)
{
    int64_t ms = 0;
    if (!opt_given(c, "ttl"))
        return fail(&c->err, ERR_INVALID,
                    "--ttl is missing: say how long, e.g. --ttl 30m. Every lock ends by itself");
    if (!opt_ms(c, "ttl", &ms))
        return false;
    *ttl_s = ms / 1000 + (ms % 1000 ? 1 : 0);
    return lock_ttl_check(*ttl_s, &c->err);
}

static void note_rounding(struct cli *c, int64_t ttl_s)
{
    int64_t ms = 0;
    str given = opt_text(c, "ttl");
    if (opt_ms(c, "ttl", &ms) && ms % 1000)
        say(c, "note: " PRI_STR "%s is rounded up to %lld s: locks count in whole seconds\n",
            FMT_STR(safe(c, given)),
            given.ptr[given.len - 1] >= '0' && given.ptr[given.len - 1] <= '9' ? " milliseconds"
                                                                               : "",
            (long long)ttl_s);
}

/* --- the holder --- */

static bool first_item(void *ctx, struct json item)
{
    *(struct json *)ctx = item;
    return false;
}

/* The refusal tells all but the token: that one is read, if it can be. */
static void show_holder(struct cli *c, struct reply *r, str key)
{
    struct json held = json_get(r->envelope, STR("context")), now = {0};
    struct buf path;
    struct page p;
    buf_init(&path, c->mem, ASK_BYTES_MAX);
    buf_add(&path, STR("/api/v1/locks"));
    query_add(&path, "key", key);
    (void)list_walk(c, buf_str(&path), 1, first_item, &now, &p);
    str message = now.doc ? safe_z(c, now, "lockMessage") : safe_z(c, held, "message");
    str actor = now.doc ? safe_z(c, now, "actor") : safe_z(c, held, "locked_by");
    int64_t ends =
        time_of(c, now.doc ? json_get(now, STR("expiresAt")) : json_get(held, STR("expires_at")));
    if (message.len)
        say(c, "  message  " PRI_STR "\n", FMT_STR(message));
    if (actor.len)
        say(c, "  by       " PRI_STR "\n", FMT_STR(actor));
    if (ends)
        say(c, "  expires  " PRI_STR " (" PRI_STR ")\n", FMT_STR(rfc3339_write(c->mem, ends)),
            FMT_STR(until(c, ends)));
    if (now.doc)
        say(c, "  token    " PRI_STR "\n", FMT_STR(safe_z(c, now, "token")));
}

/* A word that a shell takes as it is. */
static str shell_word(struct cli *c, str s)
{
    struct buf b;
    bool plain = s.len > 0 && s.ptr[0] != '-';
    for (size_t i = 0; i < s.len; i++)
        plain = plain && (memchr("._/@:+=-", s.ptr[i], 8) || (s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
                          ((s.ptr[i] | 0x20) >= 'a' && (s.ptr[i] | 0x20) <= 'z'));
    if (plain)
        return s;
    buf_init(&b, c->mem, s.len * 4 + 3);
    buf_char(&b, '\'');
    for (size_t i = 0; i < s.len; i++)
        buf_add(&b, s.ptr[i] == '\'' ? STR("'\\''") : str_sub(s, i, i + 1));
    buf_char(&b, '\'');
    return buf_str(&b);
}

/* --- verbs --- */

static str lock_body(struct cli *c, str key, int64_t ttl_s)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("key"), key);
    if (ttl_s) {
        json_field_i64(&w, STR("ttl"), ttl_s);
        json_field_str(&w, STR("lockMessage"),
                       opt_text(c, "message").ptr ? opt_text(c, "message") : STR(""));
    }
    json_end_object(&w);
    return buf_str(&b);
}

static const struct column lock_record[] = {
    {"key", "key", CELL_TEXT},
    {"expires", "expiresAt", CELL_UNTIL},
    {"token", "token", CELL_NUMBER},
    {"id", "id", CELL_TEXT},
};

int verb_lock(struct cli *c)
{
    str key;
    int64_t ttl_s = 0;
    struct reply r;
    if (!read_ttl(c, &ttl_s) || !read_key(c, &key))
        return failed(c);
    note_rounding(c, ttl_s);
    struct ask a = {
        .method = HTTP_POST, .path = STR("/api/v1/locks"), .body = lock_body(c, key, ttl_s)};
    if (!call_server(c, &a, &r)) {
        bool held = c->err.code == ERR_LOCKED;
        int code = report(c);
        if (held)
            show_holder(c, &r, key);
        return code;
    }
    if (c->json) {
        json_show(c, json_raw(r.data));
    } else if (c->plain) {
        record_show(c, r.data, lock_record, COUNT(lock_record));
    } else {
        int64_t ends = time_of(c, json_get(r.data, STR("expiresAt")));
        put(c, "Locked " PRI_STR " until " PRI_STR " (" PRI_STR "), token " PRI_STR "\n",
            FMT_STR(safe_z(c, r.data, "key")), FMT_STR(rfc3339_write(c->mem, ends)),
            FMT_STR(until(c, ends)), FMT_STR(safe_z(c, r.data, "token")));
        say(c, "To release it: signalbox unlock " PRI_STR "\n",
            FMT_STR(shell_word(c, safe(c, key))));
    }
    return 0;
}

int verb_unlock(struct cli *c)
{
    str key;
    struct reply r;
    if (!read_key(c, &key))
        return failed(c);
    struct ask a = {
        .method = HTTP_DELETE, .path = STR("/api/v1/locks"), .body = lock_body(c, key, 0)};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json)
        json_show(c, json_raw(r.data));
    else if (c->plain)
        record_show(c, r.data, lock_record, COUNT(lock_record));
    else
        put(c, "Unlocked " PRI_STR ". What waited for it goes on by itself\n",
            FMT_STR(safe_z(c, r.data, "key")));
    return 0;
}

int verb_locks(struct cli *c)
{
    static const struct column columns[] = {
        {"KEY", "key", CELL_TEXT},        {"MESSAGE", "lockMessage", CELL_TEXT},
        {"BY", "actor", CELL_TEXT},       {"TOKEN", "token", CELL_NUMBER},
        {"SINCE", "createdAt", CELL_AGO}, {"EXPIRES", "expiresAt", CELL_UNTIL},
    };
    struct buf path;
    str owner, name, prefix = opt_text(c, "prefix");
    if (opt_given(c, "repo")) {
        if (prefix.len)
            return usage(c, "give --repo or --prefix, not both");
        if (!repo_read(c, &owner, &name))
            return usage(c, "%s", c->err.text);
        prefix = lock_key_of(c->mem, owner, name, STR(""), STR(""));
        prefix = str_sub(prefix, 0, prefix.len - 1);
    }
    buf_init(&path, c->mem, ASK_BYTES_MAX);
    buf_add(&path, STR("/api/v1/locks"));
    if (c->argument_count)
        query_add(&path, "key", c->argument[0]);
    query_add(&path, "prefix", prefix);
    struct list l = {.path = buf_str(&path),
                     .columns = columns,
                     .column_count = COUNT(columns),
                     .nothing = "Nothing is locked"};
    return list_show(c, &l);
}
