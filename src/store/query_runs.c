/* Runs, and the uploads that batches come from. */
#include "base/id.h"
#include "store/query_inside.h"

static int64_t duration_ms(const struct db_rows *r, size_t i, int64_t now_ms)
{
    int64_t sent_ms = row_i64(r, i, 25), began_ms = row_i64(r, i, 26), ended_ms = row_i64(r, i, 27);
    int64_t from_ms = began_ms ? began_ms : sent_ms, to_ms = ended_ms ? ended_ms : now_ms;
    return !from_ms ? -1 : to_ms > from_ms ? to_ms - from_ms : 0;
}

static void change_short(struct json_out *w, const struct db_rows *r, size_t i)
{
    json_key(w, STR("change"));
    if (row_null(r, i, 30)) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    query_i64(w, "id", db_at(r, i, 30));
    query_str(w, "kind", db_at(r, i, 31));
    query_i64(w, "number", db_at(r, i, 32));
    query_str(w, "title", db_at(r, i, 33));
    query_str(w, "url", db_at(r, i, 34));
    json_end_object(w);
}

void query_run_fields(struct json_out *w, const struct db_rows *r, size_t i, int64_t now_ms)
{
    enum { TEXT, NUMBER, JSON, TIME };
    static const struct { const char *name; int kind;
    } field[] = {{"id", TEXT},
                 {"batchId", TEXT},
                 {"position", NUMBER},
                 {"attempt", NUMBER},
                 {"repositoryId", NUMBER},
                 {"repository", TEXT},
                 {"stack", TEXT},
                 {"component", TEXT},
                 {"workflow", TEXT},
                 {"ref", TEXT},
                 {"sha", TEXT},
                 {"inputs", JSON},
                 {"trigger", TEXT},
                 {"guess", TEXT},
                 {"reported", TEXT},
                 {"exitCode", NUMBER},
                 {"state", TEXT},
                 {"fence", NUMBER},
                 {"forgeRunId", NUMBER},
                 {"forgeAttempt", NUMBER},
                 {"url", TEXT},
                 {"errorCode", TEXT},
                 {"errorText", TEXT},
                 {"counts", JSON},
                 {"createdAt", TIME},
                 {"dispatchedAt", TIME},
                 {"startedAt", TIME},
                 {"endedAt", TIME},
                 {"seenAt", TIME},
                 {"actor", TEXT}};

    for (size_t k = 0; k < sizeof field / sizeof field[0]; k++)
        (field[k].kind == TEXT     ? query_str
         : field[k].kind == NUMBER ? query_i64
         : field[k].kind == JSON   ? query_json
                                   : query_time)(w, field[k].name, db_at(r, i, k));
    str reported = row_str(r, i, 14);
    json_field_str(w, STR("command"), reported.len ? reported : row_str(r, i, 13));
    /* Of a run on a registered runner: which, and what it said of the end. */
    str runner = row_str(r, i, 35), said = row_str(r, i, 36);
    json_field_str(w, STR("runner"), runner.len ? runner : STR_NONE);
    json_field_raw(w, STR("metadata"), said.len ? said : STR("null"));
    change_short(w, r, i);
    int64_t took_ms = duration_ms(r, i, now_ms);
    json_key(w, STR("durationMs"));
    if (took_ms < 0)
        json_put_null(w);
    else
        json_put_i64(w, took_ms);
}

void query_run_object(struct json_out *w, const struct db_rows *r, size_t i, int64_t now_ms)
{
    json_begin_object(w);
    query_run_fields(w, r, i, now_ms);
    json_end_object(w);
}

/* ",a,b," of a list with commas: `$n like '%,' || value || ',%'` finds one of it. */
static str listed(struct arena *mem, str s)
{
    return s.len ? arena_print(mem, "," PRI_STR ",", FMT_STR(s)) : s;
}

/* For like … escape '\\': a star is any text, everything else is itself. */
static str like_of(struct arena *mem, str s)
{
    struct buf b;
    buf_init(&b, mem, 2 * s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%' || c == '_' || c == '\\')
            buf_char(&b, '\\');
        buf_char(&b, c == '*' ? '%' : c);
    }
    return buf_str(&b);
}

/* A name, or a pattern of names when there is a star in it; the other one is empty. */
struct named { str exact, like; };

static struct named named(struct arena *mem, str s)
{
    bool star = s.len && memchr(s.ptr, '*', s.len);
    return (struct named){ .exact = star ? STR("") : text(s),
                           .like = star ? like_of(mem, s) : STR("") };
}

/* Part of a text in any case, as both databases understand it: ASCII letters alone. */
static str part_of(struct arena *mem, str s)
{
    if (!s.len)
        return STR("");
    str like = like_of(mem, arena_print(mem, "*" PRI_STR "*", FMT_STR(s)));
    char *low = arena_take(mem, like.len + 1, 1);
    for (size_t i = 0; i < like.len; i++)
        low[i] = like.ptr[i] >= 'A' && like.ptr[i] <= 'Z' ? (char)(like.ptr[i] + 32) : like.ptr[i];
    return (str){ low, like.len };
}

bool query_runs(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                str *next, struct err *e)
{
    struct db_rows r;
    struct named stack = named(mem, q->stack), component = named(mem, q->component);
    str until = q->until_ms ? id_least(mem, "run_", q->until_ms) : STR("~");
    str after = query_after_text(q, STR("~"));
    /*
     * The + keeps SQLite on the primary key, newest first, instead of an index of the repository
     * and a sort of everything. Ids rise with time.
     */
    if (!db_query(
            db, mem, e, &r,
            RUN_SELECT
            " where r.workspace_id = $1 and ($2 = 0 or +run.repository_id = $2) and run.id < $3 and "
            "run.id >= $4 and ($5 = '' or run.stack = $5) and ($6 = '' or run.stack like $6 escape "
            "'\\') and ($7 = '' or run.component = $7) and ($8 = '' or run.component like $8 "
            "escape '\\') and ($9 = '' or $9 like '%,' || run.state || ',%') and ($10 = '' or $10 "
            "like '%,' || case when run.reported <> '' then run.reported else run.guess end || "
            "',%') and ($11 = '' or b.id = $11) and ($12 = '' or b.actor = $12) and ($13 = '' or "
            "c.key = $13) and ($14 = '' or lower(run.stack || ' ' || run.component || ' ' || "
            "run.workflow || ' ' || coalesce(c.title, '')) like $14 escape '\\') order by run.id "
            "desc limit $15",
            ARGS(A(q->workspace_id), A(q->repository_id),
                 A(str_cmp(after, until) < 0 ? after : until),
                 A(q->since_ms ? id_least(mem, "run_", q->since_ms) : STR("")), A(stack.exact),
                 A(stack.like), A(component.exact), A(component.like),
                 A(text(listed(mem, q->state))), A(text(listed(mem, q->command))),
                 A(text(q->batch_id)), A(text(q->actor)), A(text(q->change)),
                 A(part_of(mem, q->q)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        query_run_object(w, &r, i, q->now_ms);
    return true;
}

bool query_run(struct db *db, struct arena *mem, const struct query *q, str id, struct json_out *w,
               bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  RUN_SELECT " where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and run.id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        query_run_object(w, &r, 0, q->now_ms);
    return true;
}

/* --- uploads --- */

void query_upload_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    static const char *const names[] = {"id",      "repositoryId", "repository", "headSha",
                                        "baseSha", "state",        "instances",  "affected",
                                        "session", "changeId",     "note",       "asked"};

    json_begin_object(w);
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        (k == 8                                            ? query_json
         : k == 1 || k == 6 || k == 7 || k == 9 || k == 11 ? query_i64
                                                           : query_str)(w, names[k],
                                                                        db_at(r, i, k));
    query_time(w, "askAt", db_at(r, i, 12));
    query_time(w, "receivedAt", db_at(r, i, 13));
    json_end_object(w);
}

bool query_uploads(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  UPLOAD_SELECT
                  " where r.workspace_id = $1 and ($2 = 0 or +u.repository_id = $2) and u.id < $3 "
                  "and ($4 = '' or u.head_sha = $4) and ($5 = '' or u.state = $5) order by u.id "
                  "desc limit $6",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_text(q, STR("~"))),
                       A(text(q->head_sha)), A(text(q->state)), A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        query_upload_object(w, &r, i);
    return true;
}
