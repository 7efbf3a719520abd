/* The audit: pages of it, and the same as lines of a file. */
#include "base/rfc3339.h"
#include "store/query_inside.h"

static bool read_page(struct db *db, struct arena *mem, const struct query *q, struct db_rows *r,
                      struct err *e)
{
    struct query_span span;
    if (!query_span_of(db, mem, q, QUERY_AUDIT, &span, e))
        return false;
    return db_query(db, mem, e, r,
                    "select seq, id, at_ms, category, action, actor_type, actor, target_type, "
                    "target, repository_id, description, metadata"
                    " from audit where workspace_id = $1 and ($2 = 0 or repository_id = $2) and "
                    "seq < $3 and seq >= $4 and ($5 = '' or action = $5) and ($6 = '' or category "
                    "= $6) and ($7 = '' or actor = $7) and ($8 = '' or target = $8) and at_ms >= $9 "
                    "and at_ms < $10 order by seq desc limit $11",
                    ARGS(A(q->workspace_id), A(q->repository_id), A(span.before), A(span.from),
                         A(text(q->action)), A(text(q->category)), A(text(q->actor)),
                         A(text(q->target)), A(q->since_ms),
                         A(q->until_ms ? q->until_ms : INT64_MAX), A(q->limit + 1)));
}

static void pair_object(struct json_out *w, const char *name, const struct db_value *type,
                        const struct db_value *id)
{
    json_key(w, str_of(name));
    json_begin_object(w);
    query_str(w, "type", type);
    query_str(w, "id", id);
    json_end_object(w);
}

static void audit_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    json_begin_object(w);
    query_str(w, "id", db_at(r, i, 1));
    query_time(w, "at", db_at(r, i, 2));
    query_str(w, "category", db_at(r, i, 3));
    query_str(w, "action", db_at(r, i, 4));
    pair_object(w, "actor", db_at(r, i, 5), db_at(r, i, 6));
    pair_object(w, "target", db_at(r, i, 7), db_at(r, i, 8));
    query_i64(w, "repositoryId", db_at(r, i, 9));
    query_str(w, "description", db_at(r, i, 10));
    query_json(w, "metadata", db_at(r, i, 11));
    json_end_object(w);
}

bool query_audit(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows r;
    if (!read_page(db, mem, q, &r, e))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        audit_object(w, &r, i);
    return true;
}

/* ---- lines of a file ------------------------------------------------------------------------- */

/* What a spreadsheet would take for a formula begins with a quote instead. */
static bool is_formula(str s)
{
    return s.len && memchr("=+-@\t\r", s.ptr[0], 6);
}

static void cell(struct buf *b, str s, char end)
{
    buf_char(b, '"');
    if (is_formula(s))
        buf_char(b, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            buf_char(b, '"');
        buf_char(b, s.ptr[i]);
    }
    buf_char(b, '"');
    buf_char(b, end);
}

static void csv_line(struct arena *mem, struct buf *b, const struct db_rows *r, size_t i)
{
    enum { FIRST_TEXT = 3, REPOSITORY = 9, LAST = 11 };
    cell(b, rfc3339_write(mem, row_i64(r, i, 2)), ',');
    for (size_t k = FIRST_TEXT; k <= LAST; k++)
        if (k != REPOSITORY)
            cell(b, row_str(r, i, k), ',');
        else if (row_null(r, i, k))
            buf_char(b, ',');
        else
            buf_print(b, "%lld,", (long long)row_i64(r, i, k));
    cell(b, row_str(r, i, 1), '\r');
    buf_char(b, '\n');
}

bool query_audit_lines(struct db *db, struct arena *mem, const struct query *q, bool csv,
                       struct buf *to, str *next, struct err *e)
{
    struct db_rows r;
    struct json_out w;
    if (!read_page(db, mem, q, &r, e))
        return false;
    if (csv && !q->after.len)
        buf_add(to, STR("at,category,action,actorType,actor,targetType,target,repositoryId,"
                        "description,metadata,id\r\n"));
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        if (csv) {
            csv_line(mem, to, &r, i);
            continue;
        }
        json_out_init(&w, to);
        audit_object(&w, &r, i);
        buf_char(to, '\n');
    }
    return true;
}
