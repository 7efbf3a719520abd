/*
 * POST and DELETE /locks (atmos-pro.md §4.6, §4.7, §5, §12; seed 003). The fast path of the house:
 * with an API token that was seen lately the call stays on the loop's thread, hands one body to the
 * writer and is answered after its commit; nothing else is asked of the database.
 */
#include "api/call.h"

#include "domain/lock.h"
#include "store/audit.h"
#include "store/locks.h"

enum { ON_LOOP_BYTES_MAX = 16 << 10, PROPERTIES_MAX = 16 << 10 };

struct lock_call {
    struct call *call;
    struct lock  lock;
    int64_t      ttl_s;
    bool         take;
    int64_t token;      /* unlock only this grant; 0: whichever */
};

bool lock_on_loop(struct api *a, const struct http_request *r)
{
    int64_t length;
    return str_to_i64(http_header_get(r, STR("Content-Length")), 0, ON_LOOP_BYTES_MAX, &length) &&
           token_is_cached(a, r);
}

static bool lock_audit(struct lock_call *x, struct db *db, struct arena *mem, struct err *e)
{
    struct call *c = x->call;
    struct audit_entry a = {.workspace_id = c->who.workspace_id,
                            .repository_id = c->who.repository_id,
                            .action = x->take ? STR("lock.created") : STR("lock.deleted"),
                            .actor_type = c->who.type,
                            .actor = c->who.name,
                            .target_type = STR("lock"),
                            .target = x->lock.key,
                            .description = x->lock.message};
    return audit_add(db, mem, &a, c->now_ms, e);
}

/* In call->mem: the answer is made of it. */
static struct lock kept(struct arena *mem, const struct lock *l)
{
    struct lock k = *l;
    str *const text[] = {&k.id,      &k.workspace_id, &k.key,  &k.folded,
                         &k.message, &k.properties,   &k.actor};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        *text[i] = arena_copy(mem, *text[i]);
    return k;
}

static void holder_context(struct call *c, const struct lock *l)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, c->mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("locked_by"), l->actor);
    json_field_time(&w, STR("locked_at"), l->created_ms);
    json_field_time(&w, STR("expires_at"), l->expires_ms);
    json_field_str(&w, STR("message"), l->message);
    json_field_i64(&w, STR("token"), l->token);
    json_end_object(&w);
    c->context = buf_str(&b);
}

static bool take_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct lock_call *x = arg;
    struct call *c = x->call;
    struct lock l = x->lock;
    bool taken;
    /* Whole seconds go over the wire: the lock lives until the second that is shown. */
    l.expires_ms = (c->now_ms / 1000 + x->ttl_s) * 1000 + (c->now_ms % 1000 ? 1000 : 0);
    if (!locks_take(db, mem, &l, c->now_ms, &taken, e))
        return false;
    if (!taken) {
        holder_context(c, &l);
        return fail(e, ERR_LOCKED, PRI_STR " is locked" PRI_STR, FMT_STR(str_clip(l.key, 120)),
                    FMT_STR(lock_words(mem, l.actor, l.expires_ms, l.message, 200)));
    }
    x->lock = kept(c->mem, &l);
    return lock_audit(x, db, mem, e);
}

static bool release_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct lock_call *x = arg;
    struct call *c = x->call;
    struct lock l;
    bool found;
    if (!locks_release(db, mem, c->who.workspace_id, x->lock.folded, x->token, c->now_ms, &l,
                       &found, e))
        return false;
    if (!found)
        return fail(e, ERR_LOCK_UNKNOWN,
                    "there is no lock on " PRI_STR ": it was not found or has expired already",
                    FMT_STR(str_clip(x->lock.key, 200)));
    if (x->token && x->token != l.token)
        return fail(e, ERR_CONFLICT,
                    PRI_STR " is held under token %lld now, not under %lld: this lock was lost, "
                            "and somebody else has it",
                    FMT_STR(str_clip(l.key, 200)), (long long)l.token, (long long)x->token);
    x->lock = kept(c->mem, &l);
    return lock_audit(x, db, mem, e);
}

static void put_lock(struct call *c, const struct lock *l)
{
    struct json_out *w = &c->data;
    json_begin_object(w);
    json_field_str(w, STR("id"), l->id);
    json_field_str(w, STR("workspaceId"), l->workspace_id);
    json_field_str(w, STR("key"), l->key);
    json_field_str(w, STR("lockMessage"), l->message);
    json_field_raw(w, STR("properties"), l->properties);
    json_field_str(w, STR("actor"), l->actor);
    json_field_i64(w, STR("token"), l->token);
    json_field_time(w, STR("createdAt"), l->created_ms);
    json_field_time(w, STR("updatedAt"), l->updated_ms);
    json_field_time(w, STR("expiresAt"), l->expires_ms);
    json_field_time(w, STR("deletedAt"), l->deleted_ms);
    json_end_object(w);
}

static void lock_ready(void *arg)
{
    struct lock_call *x = arg;
    put_lock(x->call, &x->lock);
    call_prepare(x->call);
}

static void lock_done(void *arg, const struct err *e)
{
    struct lock_call *x = arg;
    struct call *c = x->call;
    if (e) {
        c->err = *e;
    } else {
        if (!c->prepared)
            lock_ready(x);
        engine_lock_changed(c->api->config.engine, c->who.workspace_id, x->lock.folded);
    }
    call_answer(c, e == NULL);
}

/* An object as it is; the older list of {key, value} as an object (§5). */
static bool read_properties(struct call *c, str *out)
{
    struct json v = json_get(c->body, STR("properties")), item;
    struct buf b;
    struct json_out w;
    str key;
    *out = STR("{}");
    if (!json_present(v))
        return true;
    if (json_raw(v).len > PROPERTIES_MAX)
        return fail(&c->err, ERR_INVALID, "properties are larger than %d bytes", PROPERTIES_MAX);
    if (json_kind(v) == JSON_OBJECT) {
        *out = json_raw(v);
        return true;
    }
    if (json_kind(v) != JSON_ARRAY)
        return fail(&c->err, ERR_INVALID,
                    "properties must be an object, or a list of {key, value}");
    buf_init(&b, c->mem, (size_t)PROPERTIES_MAX * 2);
    json_out_init(&w, &b);
    json_begin_object(&w);
    struct json_iter it = json_iter(v);
    while (json_next(&it, c->mem, &key, &item)) {
        str name = json_str(json_get(item, STR("key")), c->mem);
        if (!name.len)
            return fail(&c->err, ERR_INVALID, "each of the properties needs a key");
        json_key(&w, name);
        if (json_present(json_get(item, STR("value"))))
            json_put_raw(&w, json_raw(json_get(item, STR("value"))));
        else
            json_put_null(&w);
    }
    json_end_object(&w);
    *out = buf_str(&b);
    return true;
}

static bool lock_permitted(struct call *c, str key)
{
    if (c->who.kind == CALLER_PERSON)
        return call_may_lock(c, key);
    if (c->who.kind != CALLER_SESSION)
        return true;
    struct db *db = call_read(c);
    if (!db)
        return false;
    struct repository r;
    bool ok = call_repository(c, db, STR(""), STR(""), &r) && call_permitted(c, db, r.id);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

/*
 * What a pull request's workflows took is nobody's after its end; a run that we dispatched is known
 * by its id, its ref is the default branch.
 */
static void note_session(struct call *c, struct lock *l)
{
    str run_id = json_str(json_get(c->who.claims, STR("run_id")), c->mem);
    if (c->who.kind != CALLER_SESSION)
        return;
    l->session_repository = c->who.repository_id;
    l->session_ref = json_str(json_get(c->who.claims, STR("ref")), c->mem);
    if (run_id.len && str_eq(json_str(json_get(c->who.claims, STR("event_name")), c->mem),
                             STR("workflow_dispatch")))
        l->session_ref = arena_print(c->mem, "run/" PRI_STR, FMT_STR(run_id));
}

static enum outcome lock_write(struct lock_call *x, engine_body *body)
{
    struct engine *en = x->call->api->config.engine;
    switch (http_round_events(x->call->request)) {
    case 0:  engine_write(en, body, lock_done, x); break;
    case 1:  engine_write_here(en, body, lock_ready, lock_done, x); break;
    default: engine_write_soon(en, body, lock_done, x); break;
    }
    return LATER;
}

static struct lock_call *lock_begin(struct call *c)
{
    struct lock_call *x = arena_make(c->mem, struct lock_call, 1);
    x->call = c;
    x->lock.workspace_id = c->who.workspace_id;
    x->lock.actor = c->who.name;
    if (!read_text(c, "key", true, LOCK_KEY_BYTES_MAX, &x->lock.key) ||
        !lock_key_fold(c->mem, x->lock.key, &x->lock.folded, &c->err))
        return NULL;
    return x;
}

enum outcome api_lock(struct call *c)
{
    struct lock_call *x = lock_begin(c);
    const char *message =
        json_present(json_get(c->body, STR("lockMessage"))) ? "lockMessage" : "message";
    struct json text = json_get(c->body, str_of(message));
    if (!x || !read_int(c, "ttl", INT32_MIN, INT32_MAX, true, &x->ttl_s) ||
        !lock_ttl_check(x->ttl_s, &c->err) || !read_properties(c, &x->lock.properties))
        return FAILED;
    x->lock.message = json_str(text, c->mem);
    if (json_present(text) &&
        (json_kind(text) != JSON_STRING || x->lock.message.len > LOCK_MESSAGE_BYTES_MAX)) {
        (void)fail(&c->err, ERR_INVALID, "%s must be a text of at most %d bytes", message,
                   LOCK_MESSAGE_BYTES_MAX);
        return FAILED;
    }
    if (!lock_permitted(c, x->lock.key))
        return FAILED;
    note_session(c, &x->lock);
    x->take = true;
    return lock_write(x, take_body);
}

enum outcome api_unlock(struct call *c)
{
    struct lock_call *x = lock_begin(c);
    if (!x || !read_int(c, "token", 1, INT64_MAX, false, &x->token) || !lock_permitted(c, x->lock.key))
        return FAILED;
    return lock_write(x, release_body);
}
