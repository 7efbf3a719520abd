/* The inbox: what came in, and what became of it. */
#include "base/id.h"
#include "base/pack.h"
#include "domain/mask.h"
#include "store/facts.h"
#include "store/query_inside.h"
#include "store/secrets.h"

enum { SHOWN_BYTES_MAX = 1 << 20, FACT_BYTES_MAX = 64 << 20, CAUSED_MAX = 20 };
#define FACT_COLUMNS                                                                               \
    "f.id, f.lane, f.kind, f.key, f.actor, f.trace, f.state, f.tries, f.note, f.received_ms, "     \
    "f.applied_ms"

static const str fact_states[] = {STR_INIT("pending"), STR_INIT("applied"), STR_INIT("set_aside"),
                                  STR_INIT("dropped")};
enum { FACT_STATES = sizeof fact_states / sizeof fact_states[0] };

static int64_t fact_state_of(str name)
{
    for (int64_t i = 0; i < FACT_STATES; i++)
        if (str_eq(fact_states[i], name))
            return i;
    return -1;
}

static void fact_fields(struct json_out *w, const struct db_rows *r, size_t i)
{
    int64_t state = row_i64(r, i, 6);
    query_i64(w, "id", db_at(r, i, 0));
    query_i64(w, "lane", db_at(r, i, 1));
    query_str(w, "kind", db_at(r, i, 2));
    query_str(w, "key", db_at(r, i, 3));
    query_str(w, "actor", db_at(r, i, 4));
    query_str(w, "traceId", db_at(r, i, 5));
    json_field_str(w, STR("state"),
                   state >= 0 && state < FACT_STATES ? fact_states[state] : STR("pending"));
    query_i64(w, "tries", db_at(r, i, 7));
    query_str(w, "note", db_at(r, i, 8));
    query_time(w, "receivedAt", db_at(r, i, 9));
    query_time(w, "appliedAt", db_at(r, i, 10));
}

bool query_facts(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                 str *next, struct err *e)
{
    struct db_rows r;
    struct query_span span;
    bool prefix = str_ends(q->kind, STR("."));
    if (!query_span_of(db, mem, q, QUERY_FACTS, &span, e) ||
        !db_query(
            db, mem, e, &r,
            "select " FACT_COLUMNS " from fact f"
            " where ((lane = 0 and $1 = 1) or (lane in (select id from repository where "
            "workspace_id = $2) and ($3 = 0 or +lane = $3))) and id < $4 and id >= $5 and ($6 = '' "
            "or kind = $6) and ($7 = '' or substr(kind, 1, length($7)) = $7) and ($8 < 0 or state "
            "= $8) and received_ms >= $9 and received_ms < $10 order by id desc limit $11",
            ARGS(A(q->house && !q->repository_id), A(q->workspace_id), A(q->repository_id),
                 A(span.before), A(span.from), A(prefix ? STR("") : text(q->kind)),
                 A(prefix ? q->kind : STR("")), A(q->state.len ? fact_state_of(q->state) : -1),
                 A(q->since_ms), A(q->until_ms ? q->until_ms : INT64_MAX), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        fact_fields(w, &r, i);
        json_end_object(w);
    }
    return true;
}

/* ---- one of them ----------------------------------------------------------------------------- */

/* Its kind and its key are made of them (api/webhooks.c). */
static void put_headers(struct json_out *w, str kind, str key)
{
    str guid, event;
    json_key(w, STR("headers"));
    json_begin_object(w);
    if (str_starts(kind, STR("webhook.")) && str_eq(str_cut(key, ':', &guid), STR("github"))) {
        (void)str_cut(kind, '.', &event);
        json_field_str(w, STR("X-GitHub-Event"), event);
        json_field_str(w, STR("X-GitHub-Delivery"), str_cut(guid, '@', &(str){ 0 }));
    }
    json_end_object(w);
}

/* What must not be shown: the values that this server knows, and what is named like a secret. */
static bool put_payload(struct db *db, struct arena *mem, const struct query *q, int64_t lane,
                        str packed, struct json_out *w, struct err *e)
{
    struct json v;
    struct err ignored = { 0 };
    str plain, *values = NULL;
    size_t count = 0;
    if (!unpack(mem, packed, FACT_BYTES_MAX, &plain, e) ||
        (lane > 0 && q->seal_key &&
         !secrets_values(db, mem, q->seal_key, lane, &values, &count, e)))
        return false;
    SCOPED(mask_set) struct mask_set set = mask_of(values, count);
    json_field_i64(w, STR("bytes"), (int64_t)plain.len);
    json_key(w, STR("payload"));
    if (plain.len > SHOWN_BYTES_MAX || !json_parse(mem, plain, 0, &v, &ignored))
        json_put_null(w);
    else
        json_put_raw(w, mask_json_named(mem, &set, v));
    return true;
}

static bool put_batch(struct db *db, struct arena *mem, const struct query *q, str id, str upload,
                      struct json_out *w, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select b.id, b.state, b.verdict from batch b join repository r on r.id = "
                  "b.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and (($3 <> "
                  "'' and b.id = $3) or ($4 <> '' and b.upload_id = $4)) order by b.seq limit $5",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(text(id)), A(text(upload)),
                       A((int64_t)CAUSED_MAX))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        json_begin_object(w);
        query_str(w, "id", db_at(&r, i, 0));
        query_str(w, "state", db_at(&r, i, 1));
        query_str(w, "verdict", db_at(&r, i, 2));
        json_end_object(w);
    }
    return true;
}

str query_batch_in(str note)
{
    enum { PREFIX = 6, WHOLE = PREFIX + 28 };
    for (size_t i = 0; i + WHOLE <= note.len; i++) {
        str s = str_sub(note, i, i + WHOLE);
        if (str_starts(s, STR("batch_")) && id_valid(s, "batch_"))
            return s;
    }
    return STR_NONE;
}

/* A note that is about a batch names it; an upload's batches name the upload. */
static bool put_caused(struct db *db, struct arena *mem, const struct query *q,
                       const struct db_rows *r, struct json_out *w, struct err *e)
{
    str plain, upload = STR_NONE, id = query_batch_in(row_str(r, 0, 8));
    struct json v;
    struct err ignored = { 0 };
    if (str_starts(row_str(r, 0, 2), STR("upload.")) &&
        unpack(mem, row_str(r, 0, 11), SHOWN_BYTES_MAX, &plain, &ignored) &&
        json_parse(mem, plain, 0, &v, &ignored))
        upload = json_str(json_get(v, STR("upload")), mem);
    json_key(w, STR("caused"));
    json_begin_object(w);
    json_key(w, STR("batches"));
    json_begin_array(w);
    if ((id.len || upload.len) && !put_batch(db, mem, q, id, upload, w, e))
        return false;
    json_end_array(w);
    json_end_object(w);
    return true;
}

bool query_fact(struct db *db, struct arena *mem, const struct query *q, str id,
                struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    int64_t number;
    *found = false;
    if (!str_to_i64(id, 1, INT64_MAX, &number))
        return true;
    if (!db_query(db, mem, e, &r,
                  "select " FACT_COLUMNS ", f.body, r.owner || '/' || r.name from fact f left join "
                  "repository r on r.id = f.lane where f.id = $4 and ((f.lane = 0 and $1 = 1) or "
                  "(r.workspace_id = $2 and ($3 = 0 or r.id = $3)))",
                  ARGS(A(q->house && !q->repository_id), A(q->workspace_id), A(q->repository_id),
                       A(number))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    json_begin_object(w);
    fact_fields(w, &r, 0);
    query_str(w, "repository", db_at(&r, 0, 12));
    put_headers(w, row_str(&r, 0, 2), row_str(&r, 0, 3));
    bool ok = put_payload(db, mem, q, row_i64(&r, 0, 1), row_str(&r, 0, 11), w, e) &&
              put_caused(db, mem, q, &r, w, e);
    json_end_object(w);
    return ok;
}
