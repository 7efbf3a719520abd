/* /welcome: an invitation becomes an account. The first of all comes with the first start. */
#include "api/call.h"

struct welcome {
    struct call *call;
    str code, login, password;
    struct invitation invitation;
    str workspace;
    struct person person;
    struct new_session session;
};

static bool gone(struct err *e)
{
    return fail(e, ERR_NOT_FOUND,
                "this invitation is not known, was used, or has ended: ask for a new one");
}

static bool find_invitation(struct call *c, struct db *db, struct arena *mem, struct welcome *x,
                            struct err *e)
{
    str id;
    bool found = false;
    struct db_rows r;
    if (!invitation_code_read(mem, c->api->people_key, x->code, &id))
        return gone(e);
    if (!invitations_get(db, mem, id, c->now_ms, &x->invitation, &found, e))
        return false;
    if (!found)
        return gone(e);
    if (!db_query(db, mem, e, &r, "select name from workspace where id = $1",
                  ARGS(A(x->invitation.workspace_id))))
        return false;
    x->workspace = r.count ? db_at(&r, 0, 0)->s : STR("");
    return true;
}

enum outcome api_welcome_get(struct call *c)
{
    struct welcome x = { .call = c };
    if (!query_text(c, "code", &x.code))
        return FAILED;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = find_invitation(c, db, c->mem, &x, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    const struct invitation *i = &x.invitation;
    call_header(c, STR("Cache-Control"), STR("no-store"));
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("role"), role_name(i->role));
    json_field_str(&c->data, STR("invitedBy"), i->first_start ? STR_NONE : i->created_by);
    json_key(&c->data, STR("workspace"));
    json_begin_object(&c->data);
    json_field_str(&c->data, STR("id"), i->workspace_id);
    json_field_str(&c->data, STR("name"), x.workspace);
    json_end_object(&c->data);
    json_field_str(&c->data, STR("source"), i->login.len ? STR(PERSON_GITHUB) : STR(PERSON_LOCAL));
    json_field_str(&c->data, STR("login"), i->login.len ? i->login : STR_NONE);
    json_field_time(&c->data, STR("expiresAt"), i->expires_ms);
    json_end_object(&c->data);
    return ANSWERED;
}

/* Signs that are not seen, or turn round what stands beside them: two names would look alike. */
static bool is_hidden(uint32_t ch)
{
    return ch == 0xad || ch == 0x61c || ch == 0x180e || (ch >= 0x200b && ch <= 0x200f) ||
           (ch >= 0x2028 && ch <= 0x202e) || (ch >= 0x2060 && ch <= 0x206f) || ch == 0xfeff ||
           (ch >= 0xfff9 && ch <= 0xfffb) || (ch >= 0xe0000 && ch <= 0xe0fff);
}

bool login_ok(struct call *c, str login)
{
    for (size_t i = 0, step; i < login.len; i += step) {
        step = str_utf8_step(login, i);
        if (is_hidden(str_utf8_char(login, i, step)))
            return fail(&c->err, ERR_INVALID, "name has a sign that cannot be seen: take it out");
    }
    return login.len > 0 || fail(&c->err, ERR_INVALID, "name is empty");
}

static bool welcome_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct welcome *x = arg;
    struct call *c = x->call;
    struct person taken;
    bool found;
    /* Again: it may have been used since. */
    if (!find_invitation(c, db, c->mem, x, e) ||
        !people_local(db, mem, x->person.login, &taken, &found, e))
        return false;
    if (found)
        return fail(e, ERR_CONFLICT, "somebody has this name already: take another one");
    const struct invitation *i = &x->invitation;
    if (!people_add(db, c->mem, &x->person, c->now_ms, e) ||
        !members_put(db, i->workspace_id, x->person.id, i->role, i->created_by, c->now_ms, e) ||
        !invitations_use(db, i->id, x->person.id, c->now_ms, &found, e))
        return false;
    if (!found)
        return gone(e);
    x->session.row.person = x->person;
    x->session.row.workspace_id = i->workspace_id;
    x->session.row.role = i->role;
    struct audit_entry a = {.workspace_id = i->workspace_id,
                            .action = STR("member.joined"),
                            .actor_type = STR("person"),
                            .actor = x->person.login,
                            .target_type = STR("person"),
                            .target = x->person.id,
                            .description = arena_print(mem, PRI_STR ", invited by " PRI_STR,
                                                       FMT_STR(role_name(i->role)),
                                                       FMT_STR(i->created_by))};
    return new_session_store(db, mem, c, &x->session, e) && audit_add(db, mem, &a, c->now_ms, e);
}

static bool may_be_local(struct call *c, struct welcome *x)
{
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = find_invitation(c, db, c->mem, x, &c->err);
    engine_read_done(c->api->config.engine, db);
    return ok && (!x->invitation.login.len ||
                  fail(&c->err, ERR_CONFLICT,
                       "this invitation is for " PRI_STR " at GitHub: sign in with GitHub",
                       FMT_STR(x->invitation.login)));
}

enum outcome api_welcome(struct call *c)
{
    static const char *const known[] = { "code", "name", "password", NULL };
    struct welcome x = { .call = c };
    if (!from_our_page(c) || !only_known(c, known) || !read_text(c, "code", true, 200, &x.code) ||
        !read_text(c, "name", true, LOGIN_BYTES_MAX, &x.login) ||
        !read_password(c, "password", true, &x.password))
        return FAILED;
    x.person = (struct person){ .source = STR(PERSON_LOCAL), .login = str_trim(x.login) };
    if (!login_ok(c, x.person.login) || !may_be_local(c, &x) ||
        !password_make(c, x.password, &x.person.password))
        return FAILED;
    new_session_begin(c, &x.session);
    if (!engine_write_wait(c->api->config.engine, welcome_body, &x, &c->err))
        return FAILED;
    new_session_give(c, &x.session);
    c->status = 201;
    return show_me(c);
}
