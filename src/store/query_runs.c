/* Runs, and the uploads that batches come from. */
#include "base/id.h"
#include "domain/command.h"
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
    /* Of a run on a registered runner: which, and what it said of the end. */
    str runner = row_str(r, i, 35), said = row_str(r, i, 36);
    json_field_str(w, STR("runner"), runner.len ? runner : STR_NONE);
    json_field_raw(w, STR("metadata"), said.len ? said : STR("null"));
    struct trigger t = { .event = row_str(r, i, 37), .activity = row_str(r, i, 38) };
    json_field_str(w, STR("command"),
                   str_of(command_name(command_badge(t, query_command(row_str(r, i, 13)),
                                                     command_read(row_str(r, i, 14))))));
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

/* ---- where to look --------------------------------------------------------------------------- */

/*
 * Runs come newest first by their key. What is found often is found by that alone; what is found
 * seldom has to be looked for from another side, or a page would read all runs there are.
 */
enum drive {
    BY_TIME,            /* newest first, so many and no more */
    BY_INSTANCE,        /* the instances that are meant have few runs */
    BY_BATCH,           /* the batches that are meant have few runs, or one is meant */
    BY_TEXT,            /* what has the text has few runs */
    BY_LIVE, BY_DRIFT,  /* what is asked for has an index of its own */
    BY_UNWELL           /* so has this, and few have it */
};
enum { FEW_RUNS = 2000, WINDOW_FIRST = 1000, WINDOW_LAST = 4000 };

/* What every statement of the list is given, in this order. */
struct looked { struct arg at[15]; };
enum { BEFORE = 2, FROM, STACK, STACK_LIKE, COMPONENT, COMPONENT_LIKE, BATCH_ID = 10, ACTOR, CHANGE,
       TEXT, LOOKED = 15 };

/* command_badge, in SQL: what was reported, else guessed; drift has words of its own. */
#define RUN_SAID                                                                                   \
    "case when run.reported like '%plan' then 'plan' when run.reported like '%apply' or "          \
    "run.reported like '%deploy' then 'apply' when run.reported like '%detect' then 'detect' when " \
    "run.reported like '%remediate' then 'remediate' else run.guess end"
#define RUN_COMMAND                                                                                \
    "case b.event || ' ' || b.activity || ' ' || " RUN_SAID " when 'drift_detection detect plan' " \
    "then 'detect' when 'drift_detection remediate apply' then 'remediate' else " RUN_SAID " end"
/* With the numbers of their arguments. */
#define INSTANCE_NAMED(t, stack, stack_like, component, component_like)                            \
    "(" stack " = '' or " t ".stack = " stack ") and (" stack_like " = '' or " t ".stack like "    \
    stack_like " escape '\\') and (" component " = '' or " t ".component = " component ") and ("   \
    component_like " = '' or " t ".component like " component_like " escape '\\')"
#define BATCH_NAMED(id, actor, change)                                                             \
    "(" id " = '' or b.id = " id ") and (" actor " = '' or b.actor = " actor ") and (" change      \
    " = '' or c.key = " change ")"
#define INSTANCE_TEXT(t, text) "lower(" t ".stack || ' ' || " t ".component) like " text " escape '\\'"
#define CHANGE_TEXT(text) "lower(c.title) like " text " escape '\\'"
/* Runs of some instances, and of some batches, by an index of theirs. */
#define RUNS_OF_INSTANCES                                                                          \
    "instance i cross join repository r cross join run where r.id = i.repository_id and "          \
    "r.workspace_id = $1 and ($2 = 0 or r.id = $2) and run.repository_id = i.repository_id and "   \
    "run.stack = i.stack and run.component = i.component and "
#define RUNS_OF_BATCHES                                                                            \
    "batch b join repository r on r.id = +b.repository_id left join change c on c.id = "           \
    "b.change_id cross join run where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and "          \
    "run.batch_seq = b.seq and "
/* Unary plus: SQLite goes by the key, not by an index of the repository and a sort of everything. */
#define RUN_FITS                                                                                   \
    "r.workspace_id = $1 and ($2 = 0 or +run.repository_id = $2) and run.id < $3 and run.id >= $4 " \
    "and " INSTANCE_NAMED("run", "$5", "$6", "$7", "$8") " and ($9 = '' or $9 like '%,' || "       \
    "run.state || ',%') and ($10 = '' or $10 like '%,' || " RUN_COMMAND " || ',%') and "           \
    BATCH_NAMED("$11", "$12", "$13") " and ($14 = '' or " INSTANCE_TEXT("run", "$14") " or "       \
    CHANGE_TEXT("$14") ")"
/* A cross join is done in the order in which it stands. */
#define RUNS_FROM(from, where)                                                                     \
    RUN_SELECT " where run.id in (select run.id from " from " where " where RUN_FITS               \
               " order by run.id desc limit $15) order by run.id desc"
#define MEANT(select) "(" select " limit 2001) m cross join run" RUN_JOINS
#define COUNT_OF(what) "select count(*) from (select 1 from " what " limit 2001) n"

static bool few(const struct db_rows *r) { return row_i64(r, 0, 0) <= FEW_RUNS; }

static bool few_instances(struct db *db, struct arena *mem, const struct looked *l, bool *yes,
                          struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, COUNT_OF(RUNS_OF_INSTANCES INSTANCE_NAMED("i", "$3", "$4", "$5", "$6")),
                  ARGS(l->at[0], l->at[1], l->at[STACK], l->at[STACK_LIKE], l->at[COMPONENT],
                       l->at[COMPONENT_LIKE])))
        return false;
    *yes = few(&r);
    return true;
}

static bool few_batches(struct db *db, struct arena *mem, const struct looked *l, bool *yes,
                        struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, COUNT_OF(RUNS_OF_BATCHES BATCH_NAMED("$3", "$4", "$5")),
                  ARGS(l->at[0], l->at[1], l->at[BATCH_ID], l->at[ACTOR], l->at[CHANGE])))
        return false;
    *yes = few(&r);
    return true;
}

static bool few_texts(struct db *db, struct arena *mem, const struct looked *l, bool *yes,
                      struct err *e)
{
    struct db_rows i, b;
    if (!db_query(db, mem, e, &i, COUNT_OF(RUNS_OF_INSTANCES INSTANCE_TEXT("i", "$3")),
                  ARGS(l->at[0], l->at[1], l->at[TEXT])) ||
        !db_query(db, mem, e, &b, COUNT_OF(RUNS_OF_BATCHES CHANGE_TEXT("$3")),
                  ARGS(l->at[0], l->at[1], l->at[TEXT])))
        return false;
    *yes = few(&i) && few(&b);
    return true;
}

/* Said twice: the databases must see that the index has all that is asked for. */
#define UNWELL "'failure', 'cancelled', 'timed_out', 'error', 'skipped', 'superseded'"
#define RUNS_UNWELL(states) "run where run.state in (" UNWELL ") and run.state in (" states ")"
enum { UNWELL_STATES = 6, LISTED_MAX = UNWELL_STATES };

/* The states of a list, the last one as often as it takes. */
static void states_of(str list, struct arg to[UNWELL_STATES])
{
    for (size_t i = 0; i < UNWELL_STATES; i++) {
        str rest, state = str_cut(list, ',', &rest);
        to[i] = A(text(state));
        list = rest.len ? rest : list;
    }
}

static bool few_unwell(struct db *db, struct arena *mem, const struct query *q, bool *yes,
                       struct err *e)
{
    struct db_rows r;
    struct arg states[UNWELL_STATES];
    states_of(q->state, states);
    if (!db_query(db, mem, e, &r, COUNT_OF(RUNS_UNWELL("$1, $2, $3, $4, $5, $6")), states,
                  (size_t)UNWELL_STATES))
        return false;
    *yes = few(&r);
    return true;
}

static bool look_unwell(struct db *db, struct arena *mem, const struct query *q,
                        const struct looked *l, struct db_rows *r, struct err *e)
{
    struct arg all[LOOKED + UNWELL_STATES];
    memcpy(all, l->at, sizeof l->at);
    states_of(q->state, all + LOOKED);
    return db_query(db, mem, e, r,
                    RUNS_FROM(MEANT("select run.id as of_id from " RUNS_UNWELL(
                                  "$16, $17, $18, $19, $20, $21")),
                              "run.id = m.of_id and "),
                    all, (size_t)LOOKED + UNWELL_STATES);
}

/* Of at most so many. */
static bool all_of(str list, const char *names)
{
    size_t count = 0;
    while (list.len) {
        if (++count > LISTED_MAX)
            return false;
        str name = str_cut(list, ',', &list), rest = str_of(names);
        bool known = false;
        while (rest.len && !known)
            known = str_eq(str_cut(rest, ',', &rest), name);
        if (!known)
            return false;
    }
    return true;
}

static bool drive_of(struct db *db, struct arena *mem, const struct query *q,
                     const struct looked *l, enum drive *drive, struct err *e)
{
    bool yes = false;
    *drive = q->batch_id.len ? BY_BATCH : BY_TIME;
    if (*drive == BY_TIME && (q->stack.len || q->component.len)) {
        if (!few_instances(db, mem, l, &yes, e))
            return false;
        *drive = yes ? BY_INSTANCE : BY_TIME;
    }
    if (*drive == BY_TIME && (q->actor.len || q->change.len)) {
        if (!few_batches(db, mem, l, &yes, e))
            return false;
        *drive = yes ? BY_BATCH : BY_TIME;
    }
    if (*drive == BY_TIME && q->q.len) {
        if (!few_texts(db, mem, l, &yes, e))
            return false;
        *drive = yes ? BY_TEXT : BY_TIME;
    }
    if (*drive == BY_TIME && q->state.len)
        *drive = all_of(q->state, "waiting,ready,locked,dispatching,queued,running,"
                                  "waiting_approval,cancelling")
                     ? BY_LIVE
                 : all_of(q->state, "failure,cancelled,timed_out,error,skipped,superseded")
                     ? BY_UNWELL
                     : BY_TIME;
    if (*drive == BY_UNWELL && !few_unwell(db, mem, q, &yes, e))
        return false;
    if (*drive == BY_UNWELL && !yes)
        *drive = BY_TIME;
    if (*drive == BY_TIME && q->command.len && all_of(q->command, "detect,remediate"))
        *drive = BY_DRIFT;
    return true;
}

/* ---- the list -------------------------------------------------------------------------------- */

static bool look(struct db *db, struct arena *mem, enum drive drive, const struct query *q,
                 const struct looked *l, struct db_rows *r, struct err *e)
{
    switch (drive) {
    case BY_TIME:
        return db_query(db, mem, e, r, RUNS_FROM("run" RUN_JOINS, ""), l->at, (size_t)LOOKED);
    case BY_INSTANCE:
        return db_query(db, mem, e, r,
                        RUNS_FROM(MEANT("select run.id as of_id from " RUNS_OF_INSTANCES
                                        INSTANCE_NAMED("i", "$5", "$6", "$7", "$8")),
                                  "run.id = m.of_id and "),
                        l->at, (size_t)LOOKED);
    case BY_BATCH:
        return db_query(db, mem, e, r,
                        RUNS_FROM("(select run.id as of_id from " RUNS_OF_BATCHES
                                  BATCH_NAMED("$11", "$12", "$13") ") m cross join run" RUN_JOINS,
                                  "run.id = m.of_id and "),
                        l->at, (size_t)LOOKED);
    case BY_TEXT:
        return db_query(db, mem, e, r,
                        RUNS_FROM(MEANT("select run.id as of_id from " RUNS_OF_INSTANCES
                                        INSTANCE_TEXT("i", "$14") " union select run.id from "
                                        RUNS_OF_BATCHES CHANGE_TEXT("$14")),
                                  "run.id = m.of_id and "),
                        l->at, (size_t)LOOKED);
    case BY_LIVE:
        return db_query(db, mem, e, r,
                        RUNS_FROM("(select id as of_id from run where repository_id > 0 and "
                                  "ended_ms is null limit 1000000) m cross join run" RUN_JOINS,
                                  "run.id = m.of_id and "),
                        l->at, (size_t)LOOKED);
    case BY_UNWELL:
        return look_unwell(db, mem, q, l, r, e);
    case BY_DRIFT:
        return db_query(db, mem, e, r,
                        RUNS_FROM("run" RUN_JOINS,
                                  "(run.trigger_event = 'drift_detection' or run.guess in "
                                  "('detect', 'remediate') or run.reported in ('detect', "
                                  "'remediate')) and "),
                        l->at, (size_t)LOOKED);
    }
    return true;
}

static struct looked looked_of(struct arena *mem, const struct query *q)
{
    struct named stack = named(mem, q->stack), component = named(mem, q->component);
    str until = q->until_ms ? id_least(mem, "run_", q->until_ms) : STR("~");
    str after = query_after_text(q, STR("~"));
    str since = q->since_ms ? id_least(mem, "run_", q->since_ms) : STR("");
    return (struct looked){ { A(q->workspace_id), A(q->repository_id),
                              A(str_cmp(after, until) < 0 ? after : until), A(since),
                              A(stack.exact), A(stack.like), A(component.exact),
                              A(component.like), A(text(listed(mem, q->state))),
                              A(text(listed(mem, q->command))), A(text(q->batch_id)),
                              A(text(q->actor)), A(text(q->change)), A(part_of(mem, q->q)),
                              A(q->limit + 1) } };
}

/* At most `room` of them; *last: the key of the last one, when there are more. */
static int64_t put_runs(struct json_out *w, const struct query *q, const struct db_rows *r,
                        int64_t room, str *last)
{
    int64_t n = (int64_t)r->count < room ? (int64_t)r->count : room;
    for (int64_t i = 0; i < n; i++)
        query_run_object(w, r, (size_t)i, q->now_ms);
    *last = (int64_t)r->count > room ? row_str(r, (size_t)n - 1, 0) : STR_NONE;
    return n;
}

/* The key of the row so many further on; empty: they end before. */
static bool window(struct db *db, struct arena *mem, const struct looked *l, int64_t rows,
                   str *floor, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id from run where id < $1 and id >= $2 order by id desc limit 1 offset $3",
                  ARGS(l->at[BEFORE], l->at[FROM], A(rows - 1))))
        return false;
    *floor = r.count ? row_str(&r, 0, 0) : STR_NONE;
    return true;
}

/*
 * Newest first, in windows that grow, until the page is full or enough was looked at: what is found
 * often is in the first of them.
 */
static bool by_time(struct db *db, struct arena *mem, const struct query *q, struct looked *l,
                    struct json_out *w, str *next, struct err *e)
{
    int64_t room = q->limit;
    struct arg since = l->at[FROM];
    for (int64_t rows = WINDOW_FIRST; rows <= WINDOW_LAST; rows *= 4) {
        struct db_rows r;
        str floor;
        l->at[FROM] = since;
        if (!window(db, mem, l, rows, &floor, e))
            return false;
        if (floor.len)
            l->at[FROM] = A(floor);
        l->at[LOOKED - 1] = A(room + 1);
        if (!look(db, mem, BY_TIME, q, l, &r, e))
            return false;
        room -= put_runs(w, q, &r, room, next);
        if (next->len || !floor.len)
            return true;
        *next = floor;
        l->at[BEFORE] = A(floor);
        if (!room)
            return true;
    }
    return true;
}

bool query_runs(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                str *next, struct err *e)
{
    struct db_rows r;
    struct looked l = looked_of(mem, q);
    enum drive drive;
    *next = STR("");
    if (!drive_of(db, mem, q, &l, &drive, e))
        return false;
    if (drive == BY_TIME)
        return by_time(db, mem, q, &l, w, next, e);
    if (!look(db, mem, drive, q, &l, &r, e))
        return false;
    (void)put_runs(w, q, &r, q->limit, next);
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
