/*
 * watch: a batch until it has ended. On a terminal one line is drawn again and again, and what
 * changed is written above it; in a pipe there are only the changes. A wave of two thousand nodes
 * is a line, not two thousand.
 */
#include "base/buf.h"
#include "base/rfc3339.h"
#include "cli/inside.h"

enum { EVERY_MS = 2000, SILENT_TRIES = 30, EACH_MOST = 10, STATE_BYTES = 24, NODES_MAX = 1 << 20 };

struct seen {
    char state[STATE_BYTES];
};
struct change {
    str from, to, stack, component, workflow, why, url;
};

struct watch {
    struct cli *c;
    struct arena *keep; /* what is known of the nodes; c->mem begins anew with each look */
    struct seen *seen;
    size_t seen_cap;
    str id, was_counts, was_updated;
    struct change *changes;
    size_t change_count, change_cap;
    bool first, drawn;
};

int verdict_exit(str verdict)
{
    static const struct {
        const char *verdict;
        int code;
    } exits[] = {
        {"success", 0}, {"empty", 0}, {"failure", 1}, {"cancelled", 10}, {"superseded", 11}};
    for (size_t i = 0; i < COUNT(exits); i++)
        if (str_eq(verdict, str_of(exits[i].verdict)))
            return exits[i].code;
    return 1;
}

/* --- what changed --- */

static bool is_bad(str state)
{
    return str_eq(state, STR("failure")) || str_eq(state, STR("error")) ||
           str_eq(state, STR("timed_out"));
}

static void keep_change(struct watch *w, struct json node, str from, str to)
{
    struct arena *mem = w->c->mem;
    if (w->change_count == w->change_cap) {
        size_t more = w->change_cap ? w->change_cap * 2 : 64;
        w->changes = arena_grow(mem, w->changes, w->change_cap, more, sizeof *w->changes);
        w->change_cap = more;
    }
    w->changes[w->change_count++] =
        (struct change){arena_copy(mem, from),          to,
                        safe_z(w->c, node, "stack"),    safe_z(w->c, node, "component"),
                        safe_z(w->c, node, "workflow"), safe_z(w->c, node, "errorText"),
                        safe_z(w->c, node, "runUrl")};
}

static bool see_node(void *ctx, struct json node)
{
    struct watch *w = ctx;
    int64_t at = json_i64_or(json_get(node, STR("position")), -1);
    str state = safe_z(w->c, node, "state");
    if (at < 0 || at >= NODES_MAX || !state.len || state.len >= STATE_BYTES)
        return true;
    if ((size_t)at >= w->seen_cap) {
        size_t more = (size_t)at * 2 + 256;
        w->seen = arena_grow(w->keep, w->seen, w->seen_cap, more, sizeof *w->seen);
        w->seen_cap = more;
    }
    struct seen *s = &w->seen[at];
    str was = str_of(s->state);
    /* At the start only what is wrong already is news. */
    if (!str_eq(was, state) && (!w->first || is_bad(state)))
        keep_change(w, node, was, state);
    memset(s->state, 0, sizeof s->state);
    memcpy(s->state, state.ptr, state.len);
    return true;
}

/* --- showing it --- */

static void clear_line(struct watch *w)
{
    if (w->drawn)
        put(w->c, "\r\033[K");
    w->drawn = false;
}

static void put_change(struct watch *w, const struct change *x)
{
    struct cli *c = w->c;
    if (c->plain) {
        put(c,
            PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR
                    "\n",
            FMT_STR(rfc3339_write(c->mem, c->now_ms)), FMT_STR(x->stack), FMT_STR(x->component),
            FMT_STR(x->workflow), FMT_STR(x->to), FMT_STR(x->why), FMT_STR(x->url));
        return;
    }
    put(c, PRI_STR " in " PRI_STR " (" PRI_STR "): ", FMT_STR(x->component), FMT_STR(x->stack),
        FMT_STR(x->workflow));
    if (x->from.len)
        put(c, PRI_STR " → ", FMT_STR(x->from));
    put(c, PRI_STR "%s" PRI_STR "%s" PRI_STR "\n", FMT_STR(coloured_state(c, x->to)),
        x->why.len ? "  " : "", FMT_STR(x->why), x->url.len ? "  " : "", FMT_STR(x->url));
}

static size_t alike(const struct watch *w, size_t i, bool *earlier)
{
    size_t n = 0;
    *earlier = false;
    for (size_t k = 0; k < w->change_count; k++)
        if (str_eq(w->changes[k].from, w->changes[i].from) &&
            str_eq(w->changes[k].to, w->changes[i].to)) {
            *earlier = *earlier || k < i;
            n++;
        }
    return n;
}

/* Failures one by one; the others too while they are few, else as a number. */
static void show_changes(struct watch *w)
{
    size_t one_by_one = 0, bad = 0;
    for (size_t i = 0; i < w->change_count; i++)
        bad += is_bad(w->changes[i].to);
    bool many = w->change_count - bad > EACH_MOST && !w->c->plain;
    for (size_t i = 0; i < w->change_count; i++) {
        const struct change *x = &w->changes[i];
        bool earlier;
        if (is_bad(x->to) ? one_by_one++ < EACH_MOST || w->c->plain : !many) {
            put_change(w, x);
            continue;
        }
        size_t n = many || is_bad(x->to) ? alike(w, i, &earlier) : 0;
        if (is_bad(x->to) ? one_by_one == EACH_MOST + 1 : n && !earlier) {
            size_t shown = is_bad(x->to) ? bad - EACH_MOST : n;
            if (is_bad(x->to))
                put(w->c, "and %zu more that failed\n", shown);
            else
                put(w->c, "%zu nodes: " PRI_STR " → " PRI_STR "\n", shown, FMT_STR(x->from),
                    FMT_STR(coloured_state(w->c, x->to)));
        }
    }
}

static str summary(struct watch *w, struct json batch)
{
    static const char *const order[] = {"failure",          "error",     "timed_out", "locked",
                                        "waiting_approval", "running",   "queued",    "dispatching",
                                        "cancelling",       "ready",     "waiting",   "success",
                                        "skipped",          "cancelled", "superseded"};
    struct cli *c = w->c;
    struct buf b;
    struct json counts = json_get(batch, STR("counts"));
    buf_init(&b, c->mem, 64 << 10);
    int64_t since = time_of(c, json_get(batch, STR("createdAt")));
    buf_add(&b, safe_z(c, batch, "state"));
    for (size_t i = 0; i < COUNT(order); i++) {
        int64_t n = json_i64_or(json_get(counts, str_of(order[i])), 0);
        if (n)
            buf_print(&b, " · %lld %s", (long long)n, order[i]);
    }
    if (since)
        buf_print(&b, " · " PRI_STR, FMT_STR(duration_write(c->mem, c->now_ms - since)));
    return buf_str(&b);
}

/* A line that wrapped could not be taken back. */
static str cut_to_line(struct cli *c, str s)
{
    size_t cells = c->edge->columns ? c->edge->columns : 80, end = 0, at = 0;
    while (at < s.len && text_width(str_sub(s, 0, at)) < cells - 1) {
        end = at;
        at += str_utf8_step(s, at) ? str_utf8_step(s, at) : 1;
    }
    return at < s.len ? str_sub(s, 0, end) : s;
}

/* --- looking --- */

static bool look(struct watch *w, struct reply *r)
{
    struct cli *c = w->c;
    struct page p;
    str path = arena_print(c->mem, "/api/v1/batches/" PRI_STR, FMT_STR(path_part(c->mem, w->id)));
    if (!get_data(c, path, r))
        return false;
    str counts = json_raw(json_get(r->data, STR("counts"))),
        updated = json_str(json_get(r->data, STR("updatedAt")), c->mem);
    w->changes = NULL;
    w->change_count = w->change_cap = 0;
    if (str_eq(counts, w->was_counts) && str_eq(updated, w->was_updated) && !w->first)
        return true;
    if (!list_walk(c, arena_print(c->mem, PRI_STR "/nodes", FMT_STR(path)), 0, see_node, w, &p))
        return false;
    if (arena_used(w->keep) > (size_t)128 << 20) /* two thousand looks at large batches */
        return fail(&c->err, ERR_LIMIT,
                    "the batch is too large to be watched: look with signalbox batch");
    w->was_counts = arena_copy(w->keep, counts);
    w->was_updated = arena_copy(w->keep, updated);
    w->first = false;
    return true;
}

static int ended(struct watch *w, struct json batch)
{
    struct cli *c = w->c;
    str verdict = safe_z(c, batch, "verdict"), why = safe_z(c, batch, "error");
    if (c->json)
        json_show(c, json_raw(batch));
    else if (c->plain)
        put(c, PRI_STR "\tended\t" PRI_STR "\n", FMT_STR(rfc3339_write(c->mem, c->now_ms)),
            FMT_STR(verdict));
    else
        put(c, PRI_STR ": " PRI_STR "%s" PRI_STR "\n", FMT_STR(coloured_state(c, verdict)),
            FMT_STR(summary(w, batch)), why.len ? " · " : "", FMT_STR(why));
    return verdict_exit(json_str(json_get(batch, STR("verdict")), c->mem));
}

static bool passing(enum err_code k)
{
    return err_retry(k) || k == ERR_TIMEOUT;
}

/* -1: go on. */
static int turn(struct watch *w, unsigned *silent)
{
    struct cli *c = w->c;
    struct reply r;
    if (!look(w, &r)) {
        if (!passing(c->err.code) || ++*silent == SILENT_TRIES || w->first)
            return clear_line(w), report(c);
        if (*silent == 1) {
            clear_line(w);
            say(c, "signalbox: %s. Waiting for it\n", c->err.text);
        }
        return -1;
    }
    *silent = 0;
    clear_line(w);
    if (!c->json)
        show_changes(w);
    if (str_eq(json_str(json_get(r.data, STR("state")), c->mem), STR("ended")))
        return ended(w, r.data);
    if (c->edge->out_terminal && !c->plain && !c->json) {
        put(c, PRI_STR, FMT_STR(cut_to_line(c, summary(w, r.data))));
        w->drawn = true;
    }
    return -1;
}

int watch_batch(struct cli *c, str id)
{
    struct arena *own = c->mem, *keep = arena_new((size_t)256 << 20, (size_t)512 << 20);
    struct arena *each = arena_new((size_t)256 << 20, (size_t)1 << 30);
    struct watch w = {.c = c, .keep = keep, .id = id, .first = true};
    unsigned silent = 0;
    int code;
    c->mem = each;
    while ((code = turn(&w, &silent)) < 0) {
        fflush(c->edge->out);
        c->edge->sleep_ms(c->edge->ctx, EVERY_MS);
        arena_reset(each);
    }
    c->mem = own;
    arena_free(each);
    arena_free(keep);
    return code;
}
