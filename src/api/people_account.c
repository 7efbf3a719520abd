/* One's own account: where one is signed in, and the password. */
#include "api/call.h"

enum outcome api_sessions(struct call *c)
{
    struct person_session *all;
    size_t n;
    if (!only_person(c))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = person_sessions_of(db, c->mem, c->who.person_id, c->now_ms, &all, &n, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    struct json_out *w = &c->data;
    json_begin_object(w);
    json_key(w, STR("items"));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_field_str(w, STR("id"), all[i].id);
        json_field_time(w, STR("createdAt"), all[i].created_ms);
        json_field_time(w, STR("seenAt"), all[i].seen_ms);
        json_field_time(w, STR("expiresAt"), all[i].expires_ms);
        json_field_str(w, STR("agent"), all[i].agent);
        json_field_str(w, STR("peer"), all[i].peer);
        json_field_bool(w, STR("current"), str_eq(all[i].id, c->who.session_id));
        json_end_object(w);
    }
    json_end_array(w);
    json_field_str(w, STR("nextCursor"), STR_NONE);
    json_end_object(w);
    return ANSWERED;
}

static bool revoke_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct call *c = arg;
    bool found;
    if (!person_sessions_end(db, c->who.person_id, c->path[0], &found, e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND, "you have no such session");
    struct audit_entry a = audit_of(c, 0, STR("session.revoked"), STR("session"), c->path[0]);
    return audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_session_revoke(struct call *c)
{
    if (!only_person(c) ||
        !engine_write_wait(c->api->config.engine, revoke_body, c, &c->err))
        return FAILED;
    person_forget(c->api, c->who.person_id);
    if (str_eq(c->path[0], c->who.session_id))
        session_cookie_clear(c);
    return ANSWERED;
}

/* --- the password --- */

struct password_call { struct call *call; str hash; };

static bool password_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct password_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a =
        audit_of(c, 0, STR("account.password_changed"), STR("person"), c->who.person_id);
    /* Whoever knew the old one is out. */
    return people_set_password(db, c->who.person_id, x->hash, c->now_ms, e) &&
           person_sessions_end_all(db, c->who.person_id, c->who.session_id, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_password(struct call *c)
{
    static const char *const known[] = { "old", "new", NULL };
    struct password_call x = { .call = c };
    str before, after;
    if (!only_person(c) || !only_known(c, known) || !read_password(c, "old", false, &before) ||
        !read_password(c, "new", true, &after))
        return FAILED;
    if (c->who.forge_id) {
        (void)fail(&c->err, ERR_CONFLICT, "you sign in with GitHub: there is no password here");
        return FAILED;
    }
    if (!password_guess(c, c->who.name, before) || !password_make(c, after, &x.hash) ||
        !engine_write_wait(c->api->config.engine, password_body, &x, &c->err))
        return FAILED;
    person_forget(c->api, c->who.person_id);
    return ANSWERED;
}
