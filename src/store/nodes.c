#include "store/nodes.h"

#include "base/pack.h"
#include "store/rows.h"

/*
 * The packed piece: FORM, how many, and each: its texts, every one behind its length, then its
 * numbers. Integers are LEB128, 7 bits a byte, the lowest first.
 */
enum { FORM = 1, INTEGER_BYTES = 10, MADE_BYTES_MAX = 1 << 30 };

/* ---- writing --------------------------------------------------------------------------------- */

static char *put_u64(char *to, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        *to++ = (char)(n | 0x80);
    *to++ = (char)n;
    return to;
}

static char *put_text(char *to, str s)
{
    to = put_u64(to, s.len);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

static size_t most_bytes(const struct node_row *n)
{
    return n->stack.len + n->component.len + n->workflow.len + n->inert.len + n->inputs.len +
           n->guess.len + 9 * (size_t)INTEGER_BYTES;
}

static char *put_node(char *to, const struct node_row *n)
{
    to = put_text(to, n->stack);
    to = put_text(to, n->component);
    to = put_text(to, n->workflow);
    to = put_text(to, n->inert);
    to = put_text(to, n->inputs);
    to = put_text(to, n->guess);
    to = put_u64(to, (uint64_t)n->run_class);
    to = put_u64(to, (uint64_t)n->level);
    return put_u64(to, (uint64_t)n->expected_ms);
}

/* A row of its own would be refused for it, later, when it is too late to say so. */
static bool storable(const struct node_row *n)
{
    const str texts[] = { n->stack, n->component, n->workflow };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].len && memchr(texts[i].ptr, '\0', texts[i].len))
            return false;
    return true;
}

bool nodes_pack(struct arena *mem, const struct node_row *n, size_t count, str *made,
                struct err *e)
{
    size_t most = 1 + INTEGER_BYTES;
    for (size_t i = 0; i < count; i++) {
        most += most_bytes(&n[i]);
        if (!storable(&n[i]))
            return fail(e, ERR_INVALID,
                        "a stack, component or workflow has a NUL byte in its name: remove it");
    }
    char *plain = arena_take(mem, most, 1), *to = plain;
    *to++ = FORM;
    to = put_u64(to, count);
    for (size_t i = 0; i < count; i++)
        to = put_node(to, &n[i]);
    *made = pack(mem, (str){ plain, (size_t)(to - plain) });
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader { const char *at, *end; bool bad; };

static uint64_t take_u64(struct reader *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        uint8_t b = (uint8_t)*r->at++;
        n |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return n;
    }
    r->bad = true;
    return 0;
}

static int64_t take_i64(struct reader *r) { return (int64_t)take_u64(r); }

/* Points into the unpacked bytes. */
static str take_text(struct reader *r)
{
    uint64_t n = take_u64(r);
    if (n > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        n = 0;
    }
    str s = { r->at, (size_t)n };
    r->at += n;
    return s;
}

static struct node_row take_node(struct reader *r, int64_t made_ms)
{
    struct node_row n = { .changed_ms = made_ms };
    n.stack = take_text(r);
    n.component = take_text(r);
    n.workflow = take_text(r);
    n.inert = take_text(r);
    n.inputs = take_text(r);
    n.guess = take_text(r);
    n.run_class = take_i64(r);
    n.level = take_i64(r);
    n.expected_ms = take_i64(r);
    n.state = n.inert.len ? NODE_INERT : NODE_WAITING;
    n.run_id = n.gate = n.error_code = n.error_text = STR("");
    return n;
}

static bool read_made(struct arena *mem, str made, int64_t made_ms, struct node_row **out,
                      size_t *count, struct err *e)
{
    str plain;
    if (!unpack(mem, made, MADE_BYTES_MAX, &plain, e))
        return false;
    struct reader r = { .at = plain.ptr, .end = plain.ptr + plain.len };
    bool known = take_u64(&r) == FORM;
    uint64_t n = take_u64(&r);
    if (!known || n > BATCH_NODES_MAX)
        return fail(e, ERR_INTERNAL, "the stored nodes of a batch are in no known form");
    *out = arena_make(mem, struct node_row, n + 1);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = take_node(&r, made_ms);
    *count = n;
    return (!r.bad && r.at == r.end) ||
           fail(e, ERR_INTERNAL, "the stored nodes of a batch are damaged");
}

bool nodes_made(struct db *db, struct arena *mem, int64_t batch_seq, struct node_row **out,
                size_t *count, struct err *e)
{
    struct db_rows r;
    *out = NULL;
    *count = 0;
    if (!db_query(db, mem, e, &r, "select made, created_ms from batch where seq = $1",
                  ARGS(A(batch_seq))))
        return false;
    return r.count == 0 || row_null(&r, 0, 0) ||
           read_made(mem, row_str(&r, 0, 0), row_i64(&r, 0, 1), out, count, e);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool became(const struct db_rows *r, size_t i, struct node_row *n)
{
    n->attempt = row_i64(r, i, 2);
    n->run_id = row_str(r, i, 3);
    n->cancel_wanted = row_bool(r, i, 4);
    n->not_before_ms = row_i64(r, i, 5);
    n->tries = row_i64(r, i, 6);
    n->gate = row_str(r, i, 7);
    n->error_code = row_str(r, i, 8);
    n->error_text = row_str(r, i, 9);
    n->changed_ms = row_i64(r, i, 10);
    return node_state_read(row_str(r, i, 1), &n->state);
}

#define BECAME                                                                             \
    "position, state, attempt, run_id, cancel_wanted, not_before_ms, tries, gate, error_code, " \
    "error_text, changed_ms"

/* Of an older batch. */
static bool whole_rows(struct db *db, struct arena *mem, int64_t batch_seq, struct node_row **out,
                       size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " BECAME ", stack, component, workflow, run_class, level, inert, inputs, "
                  "guess, expected_ms from node where batch_seq = $1 order by position",
                  ARGS(A(batch_seq))))
        return false;
    *out = arena_make(mem, struct node_row, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++) {
        struct node_row *n = &(*out)[i];
        *n = (struct node_row){
            .stack = row_str(&r, i, 11),
            .component = row_str(&r, i, 12),
            .workflow = row_str(&r, i, 13),
            .run_class = row_i64(&r, i, 14),
            .level = row_i64(&r, i, 15),
            .inert = row_str(&r, i, 16),
            .inputs = row_str(&r, i, 17),
            .guess = row_str(&r, i, 18),
            .expected_ms = row_i64(&r, i, 19),
        };
        if (!became(&r, i, n))
            return fail(e, ERR_INTERNAL, "node %zu of batch %lld has an unknown state", i,
                        (long long)batch_seq);
    }
    return true;
}

bool nodes_of(struct db *db, struct arena *mem, int64_t batch_seq, struct node_row **out,
              size_t *count, struct err *e)
{
    struct db_rows r;
    if (!nodes_made(db, mem, batch_seq, out, count, e))
        return false;
    if (*count == 0)
        return whole_rows(db, mem, batch_seq, out, count, e);
    if (!db_query(db, mem, e, &r, "select " BECAME " from node where batch_seq = $1",
                  ARGS(A(batch_seq))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        int64_t at = row_i64(&r, i, 0);
        if (at < 0 || at >= (int64_t)*count || !became(&r, i, &(*out)[at]))
            return fail(e, ERR_INTERNAL, "row %lld of batch %lld is no node of it, or has an "
                        "unknown state", (long long)at, (long long)batch_seq);
    }
    return true;
}

bool nodes_save(struct db *db, int64_t batch_seq, int64_t position, const struct node_row *n,
                int64_t now_ms, struct err *e)
{
    db_note(db, DB_NOTE_BATCH, batch_seq);
    return db_exec(
        db, e, NULL,
        "insert into node (batch_seq, position, state, attempt, run_id, cancel_wanted, "
        "not_before_ms, tries, gate, error_code, error_text, changed_ms, stack, component, "
        "workflow, run_class) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
        "$14, $15, $16) on conflict (batch_seq, position) do update set state = excluded.state, "
        "attempt = excluded.attempt, run_id = excluded.run_id, cancel_wanted = "
        "excluded.cancel_wanted, not_before_ms = excluded.not_before_ms, tries = excluded.tries, "
        "gate = excluded.gate, error_code = excluded.error_code, error_text = "
        "excluded.error_text, changed_ms = excluded.changed_ms",
        ARGS(A(batch_seq), A(position), A(str_of(node_state_name(n->state))), A(n->attempt),
             n->run_id.len ? A(n->run_id) : (struct arg){ 0 }, A(n->cancel_wanted),
             A(n->not_before_ms), A(n->tries), A(text(n->gate)), A(text(n->error_code)),
             A(text(n->error_text)), A(now_ms), A(text(n->stack)), A(text(n->component)),
             A(text(n->workflow)), A(n->run_class)));
}
