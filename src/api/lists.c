/* The GET forms: pages of things, and one thing. What they show is in store/query*.c. */
#include "api/call.h"

#include "base/rfc3339.h"
#include "domain/lock.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 500 };

static bool read_limit(struct call *c, struct query *q)
{
    str text;
    q->limit = LIMIT_DEFAULT;
    if (!query_text(c, "limit", &text))
        return false;
    return !text.len || str_to_i64(text, 1, LIMIT_MAX, &q->limit)
        || fail(&c->err, ERR_INVALID, "limit must be a whole number between 1 and %d", LIMIT_MAX);
}

static bool read_cursor(struct call *c, struct query *q)
{
    str text;
    if (!query_text(c, "cursor", &text))
        return false;
    if (!text.len)
        return true;
    if (!base64url_read(c->mem, text, &q->after) || !q->after.len || !str_is_utf8(q->after) ||
        memchr(q->after.ptr, 0, q->after.len))
        return fail(&c->err, ERR_INVALID,
                    "the cursor is not one of ours: use the nextCursor of the page before");
    return true;
}

static bool read_orphaned(struct call *c, struct query *q)
{
    str text;
    q->orphaned = -1;
    if (!query_text(c, "orphaned", &text))
        return false;
    if (text.len && !str_eq(text, STR("true")) && !str_eq(text, STR("false")))
        return fail(&c->err, ERR_INVALID, "orphaned must be true or false");
    if (text.len)
        q->orphaned = str_eq(text, STR("true"));
    return true;
}

static bool read_when(struct call *c, const char *name, int64_t *ms)
{
    str text;
    if (!query_text(c, name, &text))
        return false;
    return !text.len || (rfc3339_read(text, ms) && *ms > 0) ||
           fail(&c->err, ERR_INVALID, "%s is not a time like 2026-08-21T10:00:00Z", name);
}

bool call_filters(struct call *c, struct query *q)
{
    const struct { const char *name; str *to;
    } filter[] = {
        {"stack", &q->stack},     {"component", &q->component}, {"state", &q->state},
        {"command", &q->command}, {"change", &q->change},       {"head_sha", &q->head_sha},
        {"batch", &q->batch_id},  {"drift", &q->drift},         {"kind", &q->kind},
        {"action", &q->action},   {"category", &q->category},   {"key", &q->key},
        {"prefix", &q->prefix},   {"actor", &q->actor},         {"target", &q->target},
        {"q", &q->q}};
    for (size_t i = 0; i < sizeof filter / sizeof filter[0]; i++)
        if (!query_text(c, filter[i].name, filter[i].to))
            return false;
    if (q->key.len && !lock_key_fold(c->mem, q->key, &q->key, &c->err))
        return false;
    return read_limit(c, q) && read_cursor(c, q) && read_orphaned(c, q) &&
           read_when(c, "since", &q->since_ms) && read_when(c, "until", &q->until_ms);
}

bool call_scope(struct call *c, struct db *db, struct query *q)
{
    str repo;
    struct repository r;
    if (!query_text(c, "repo", &repo))
        return false;
    if (!repo.len)
        return true;
    if (!call_find_repository(c, db, repo, &r))
        return false;
    q->repository_id = r.id;
    return true;
}

struct query call_query(struct call *c)
{
    return (struct query){.workspace_id = c->who.workspace_id,
                          .repository_id = c->who.repository_id,
                          .now_ms = c->now_ms,
                          .orphaned = -1,
                          .limit = LIMIT_DEFAULT,
                          .seal_key = c->api->config.seal_key,
                          .house = c->who.right == RIGHT_ADMIN};
}

static bool page(struct call *c, query_list *list, struct db *db, const struct query *q)
{
    str next;
    json_begin_object(&c->data);
    json_key(&c->data, STR("items"));
    json_begin_array(&c->data);
    if (!list(db, c->mem, q, &c->data, &next, &c->err))
        return false;
    json_end_array(&c->data);
    json_field_str(&c->data, STR("nextCursor"),
                   next.len ? base64url_write(c->mem, next) : STR_NONE);
    json_end_object(&c->data);
    return true;
}

enum outcome api_list(struct call *c)
{
    struct query q = call_query(c);
    if (!call_filters(c, &q))
        return FAILED;
    /* nodes of a batch are the only list below one thing that comes here */
    if (c->path[0].ptr)
        q.batch_id = c->path[0];
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_scope(c, db, &q) && page(c, c->route->list, db, &q);
    engine_read_done(c->api->config.engine, db);
    return ok ? ANSWERED : FAILED;
}

/* A list below one repository. */
enum outcome api_list_of_repository(struct call *c)
{
    struct query q = call_query(c);
    struct repository r;
    if (!call_filters(c, &q))
        return FAILED;
    /* not with a reader in hand: a forge may be asked */
    if (c->route->needs == RIGHT_OPERATE &&
        (!call_path_repository(c, &r) || !call_may_operate(c, r.id)))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_find_repository(c, db, c->path[0], &r);
    if (ok) {
        q.repository_id = r.id;
        ok = page(c, c->route->list, db, &q);
    }
    engine_read_done(c->api->config.engine, db);
    return ok ? ANSWERED : FAILED;
}

enum outcome api_one(struct call *c)
{
    struct query q = call_query(c);
    bool found;
    q.part = c->path[1];
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = c->route->one(db, c->mem, &q, c->path[0], &c->data, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && !found)
        ok = fail(&c->err, ERR_NOT_FOUND,
                  "there is nothing of this id in the workspace, or the token does not cover it");
    return ok ? ANSWERED : FAILED;
}
