/* Members, their roles, and whom they invite. Owners alone touch owners; one of them always stays. */
#include "api/call.h"

enum { INVITATION_MS = 7 * 24 * 3600 * 1000 };

static enum role own_role(const struct call *c)
{
    return c->who.kind == CALLER_PERSON ? c->who.role : ROLE_ADMIN;
}

static bool whole_workspace(struct call *c)
{
    return !c->who.repository_id ||
           fail(&c->err, ERR_DENIED,
                "this needs a token of the whole workspace, and yours is for one repository");
}

static bool read_role(struct call *c, bool required, enum role *out)
{
    str name;
    if (!read_text(c, "role", required, 20, &name))
        return false;
    *out = name.len ? role_read(name) : ROLE_MEMBER;
    return *out != ROLE_NONE ||
           fail(&c->err, ERR_INVALID, "role must be owner, admin or member");
}

/* --- members --- */

struct change { struct call *call; str person_id; enum role from, to; bool leaves; };

static bool change_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct change *x = arg;
    struct call *c = x->call;
    struct person p;
    int64_t owners;
    bool found;
    if (!members_owners(db, mem, c->who.workspace_id, &owners, e) ||
        !members_role(db, mem, c->who.workspace_id, x->person_id, &x->from, e) ||
        !people_get(db, mem, x->person_id, &p, &found, e))
        return false;
    if (!found || x->from == ROLE_NONE)
        return fail(e, ERR_NOT_FOUND, "the workspace has no such member");
    if (!role_may_change(x->leaves ? ROLE_OWNER : own_role(c), x->from, x->to, owners, e))
        return false;
    if (x->from == x->to)
        return true;
    struct audit_entry a =
        audit_of(c, 0, x->to == ROLE_NONE ? STR("member.removed") : STR("member.role_changed"),
                 STR("person"), x->person_id);
    a.description = x->to == ROLE_NONE
                        ? p.login
                        : arena_print(mem, PRI_STR ": " PRI_STR ", was " PRI_STR, FMT_STR(p.login),
                                      FMT_STR(role_name(x->to)), FMT_STR(role_name(x->from)));
    bool ok = x->to == ROLE_NONE
                  ? members_remove(db, c->who.workspace_id, x->person_id, e)
                  : members_put(db, c->who.workspace_id, x->person_id, x->to, c->who.name,
                                c->now_ms, e);
    return ok && audit_add(db, mem, &a, c->now_ms, e);
}

static bool change_member(struct call *c, struct change *x)
{
    if (!whole_workspace(c) || !engine_write_wait(c->api->config.engine, change_body, x, &c->err))
        return false;
    person_forget(c->api, x->person_id);
    return true;
}

enum outcome api_member_change(struct call *c)
{
    static const char *const known[] = { "role", NULL };
    struct change x = { .call = c, .person_id = c->path[0] };
    struct query q = { .workspace_id = c->who.workspace_id };
    bool found = false;
    if (!only_known(c, known) || !read_role(c, true, &x.to) || !change_member(c, &x))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = query_member(db, c->mem, &q, c->path[0], &c->data, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && !found)
        ok = fail(&c->err, ERR_NOT_FOUND, "the member was removed this moment");
    return ok ? ANSWERED : FAILED;
}

enum outcome api_member_remove(struct call *c)
{
    struct change x = { .call = c, .person_id = c->path[0] };
    return change_member(c, &x) ? ANSWERED : FAILED;
}

enum outcome api_leave(struct call *c)
{
    struct change x = { .call = c, .leaves = true };
    if (!only_person(c))
        return FAILED;
    x.person_id = c->who.person_id;
    if (!change_member(c, &x))
        return FAILED;
    session_cookie_clear(c);
    return ANSWERED;
}

/* --- invitations --- */

static void put_invitation(struct call *c, const struct invitation *i)
{
    /* Whoever has an owner's link could become one. */
    bool hidden = i->role == ROLE_OWNER && own_role(c) != ROLE_OWNER;
    struct json_out *w = &c->data;
    json_begin_object(w);
    json_field_str(w, STR("id"), i->id);
    json_field_str(w, STR("role"), role_name(i->role));
    json_field_str(w, STR("login"), i->login.len ? i->login : STR_NONE);
    json_field_str(w, STR("source"), i->login.len ? STR(PERSON_GITHUB) : STR(PERSON_LOCAL));
    json_field_str(w, STR("url"),
                   hidden ? STR_NONE
                          : arena_print(c->mem, PRI_STR "/welcome#code=" PRI_STR,
                                        FMT_STR(c->api->config.public_url),
                                        FMT_STR(invitation_code(c->mem, c->api->people_key, i->id))));
    json_field_time(w, STR("createdAt"), i->created_ms);
    json_field_str(w, STR("createdBy"), i->created_by);
    json_field_time(w, STR("expiresAt"), i->expires_ms);
    json_end_object(w);
}

enum outcome api_invitations(struct call *c)
{
    struct invitation *all;
    size_t n;
    if (!whole_workspace(c))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = invitations_open(db, c->mem, c->who.workspace_id, c->now_ms, &all, &n, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    call_header(c, STR("Cache-Control"), STR("no-store"));
    json_begin_object(&c->data);
    json_key(&c->data, STR("items"));
    json_begin_array(&c->data);
    for (size_t i = 0; i < n; i++)
        put_invitation(c, &all[i]);
    json_end_array(&c->data);
    json_field_str(&c->data, STR("nextCursor"), STR_NONE);
    json_end_object(&c->data);
    return ANSWERED;
}

struct invite { struct call *call; struct invitation row; };

static bool invite_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct invite *x = arg;
    struct call *c = x->call;
    if (!invitations_add(db, c->mem, &x->row, c->now_ms, e))
        return false;
    struct audit_entry a = audit_of(c, 0, STR("member.invited"), STR("invitation"), x->row.id);
    a.description = arena_print(mem, PRI_STR "%s" PRI_STR, FMT_STR(role_name(x->row.role)),
                                x->row.login.len ? ": " : "", FMT_STR(x->row.login));
    return audit_add(db, mem, &a, c->now_ms, e);
}

static bool forge_login_ok(struct call *c, str login)
{
    for (size_t i = 0; i < login.len; i++) {
        char ch = login.ptr[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-' || ch == '_'))
            return fail(&c->err, ERR_INVALID, "login must be what GitHub calls somebody");
    }
    return true;
}

enum outcome api_invite(struct call *c)
{
    static const char *const known[] = { "role", "login", NULL };
    struct invite x = { .call = c };
    if (!whole_workspace(c) || !only_known(c, known) || !read_role(c, false, &x.row.role) ||
        !read_text(c, "login", false, LOGIN_BYTES_MAX, &x.row.login) ||
        !forge_login_ok(c, x.row.login) ||
        !role_may_change(own_role(c), ROLE_NONE, x.row.role, 1, &c->err))
        return FAILED;
    str id;
    if (x.row.login.len && !github_client(c, &id, NULL)) {
        (void)fail(&c->err, ERR_CONFLICT,
                   "signing in with GitHub is not set up on this server, so nobody could use the "
                   "invitation: leave login out for a local account");
        return FAILED;
    }
    x.row.workspace_id = c->who.workspace_id;
    x.row.created_by = c->who.name;
    x.row.expires_ms = c->now_ms + INVITATION_MS;
    if (!engine_write_wait(c->api->config.engine, invite_body, &x, &c->err))
        return FAILED;
    c->status = 201;
    call_header(c, STR("Cache-Control"), STR("no-store"));
    put_invitation(c, &x.row);
    return ANSWERED;
}

static bool revoke_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct call *c = arg;
    struct invitation i;
    bool found;
    if (!invitations_get(db, mem, c->path[0], c->now_ms, &i, &found, e))
        return false;
    found = found && str_eq(i.workspace_id, c->who.workspace_id);
    if (!found)
        return fail(e, ERR_NOT_FOUND,
                    "the workspace has no such invitation, or it was used already");
    struct audit_entry a =
        audit_of(c, 0, STR("member.invitation_revoked"), STR("invitation"), i.id);
    return role_may_change(own_role(c), ROLE_NONE, i.role, 1, e) &&
           invitations_revoke(db, c->who.workspace_id, i.id, c->now_ms, &found, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_invitation_revoke(struct call *c)
{
    return whole_workspace(c) && engine_write_wait(c->api->config.engine, revoke_body, c, &c->err)
               ? ANSWERED
               : FAILED;
}
