/* members: who belongs to the workspace, who was invited, and which roles they have. */
#include "base/buf.h"
#include "cli/inside.h"

const struct option invite_options[] = {
    {"role", 0, "owner|admin|member", "What they may do (default member).", false},
    {"login", 0, "NAME", "Only for who is called so at GitHub (default: a local account).", false},
    OPTIONS_END};

static bool role_ok(struct cli *c, str role)
{
    return str_eq(role, STR("owner")) || str_eq(role, STR("admin")) ||
           str_eq(role, STR("member")) ||
           fail(&c->err, ERR_INVALID, "the role must be owner, admin or member");
}

int verb_members_list(struct cli *c)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_TEXT},        {"LOGIN", "login", CELL_TEXT},
        {"NAME", "name", CELL_TEXT},    {"SOURCE", "source", CELL_TEXT},
        {"ROLE", "role", CELL_TEXT},    {"SINCE", "createdAt", CELL_AGO},
        {"BY", "invitedBy", CELL_TEXT}, {"SEEN", "seenAt", CELL_AGO},
    };
    struct list l = {.path = STR("/api/v1/members"),
                     .columns = columns,
                     .column_count = COUNT(columns),
                     .nothing = "Nobody has an account yet: the log of the server has a link for "
                                "the first one"};
    return list_show(c, &l);
}

int verb_members_invitations(struct cli *c)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_TEXT},        {"ROLE", "role", CELL_TEXT},
        {"LOGIN", "login", CELL_TEXT},  {"CREATED", "createdAt", CELL_AGO},
        {"BY", "createdBy", CELL_TEXT}, {"EXPIRES", "expiresAt", CELL_UNTIL},
        {"LINK", "url", CELL_TEXT},
    };
    struct list l = {.path = STR("/api/v1/invitations"),
                     .columns = columns,
                     .column_count = COUNT(columns),
                     .nothing = "There is no open invitation"};
    return list_show(c, &l);
}

int verb_members_invite(struct cli *c)
{
    struct reply r;
    struct buf b;
    struct json_out w;
    str role = opt_text(c, "role"), login = opt_text(c, "login");
    if (role.ptr && !role_ok(c, role))
        return failed(c);
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("role"), role.ptr ? role : STR("member"));
    if (login.len)
        json_field_str(&w, STR("login"), login);
    json_end_object(&w);
    struct ask a = {.method = HTTP_POST, .path = STR("/api/v1/invitations"), .body = buf_str(&b)};
    if (!call_server(c, &a, &r))
        return report(c);
    if (c->json) {
        json_show(c, json_raw(r.data));
        return 0;
    }
    put(c, PRI_STR "\n", FMT_STR(safe_z(c, r.data, "url")));
    say(c, "Whoever opens it%s" PRI_STR " becomes %s" PRI_STR
        ", once, within a week. To take it back: signalbox members uninvite " PRI_STR "\n",
        login.len ? " as " : "", FMT_STR(safe(c, login)), role.ptr ? "" : "member",
        FMT_STR(role.ptr ? role : STR("")), FMT_STR(safe_z(c, r.data, "id")));
    return 0;
}

int verb_members_uninvite(struct cli *c)
{
    struct reply r;
    struct ask a = {.method = HTTP_DELETE,
                    .path = arena_print(c->mem, "/api/v1/invitations/" PRI_STR,
                                        FMT_STR(path_part(c->mem, c->argument[0])))};
    if (!call_server(c, &a, &r))
        return report(c);
    say(c, "The link does not work any more\n");
    return 0;
}

/* --- one member, by id or login --- */

struct wanted { struct cli *c; str text, id; unsigned count; };

static bool see_member(void *ctx, struct json item)
{
    struct wanted *x = ctx;
    struct arena *mem = x->c->mem;
    if (str_eq_nocase(json_str(json_get(item, STR("login")), mem), x->text)) {
        x->id = arena_copy(mem, json_str(json_get(item, STR("id")), mem));
        x->count++;
    }
    return true;
}

static bool member_path(struct cli *c, str *path)
{
    struct wanted x = {.c = c, .text = c->argument[0]};
    struct page p;
    if (str_starts(x.text, STR("per_"))) {
        x.id = x.text;
    } else {
        if (!list_walk(c, STR("/api/v1/members"), 0, see_member, &x, &p))
            return false;
        if (x.count != 1)
            return fail(&c->err, ERR_NOT_FOUND,
                        x.count ? "several members are called " PRI_STR
                                  ": say which by its id (signalbox members list)"
                                : "no member is called " PRI_STR ": signalbox members list",
                        FMT_STR(safe(c, str_sub(x.text, 0, 60))));
    }
    *path = arena_print(c->mem, "/api/v1/members/" PRI_STR, FMT_STR(path_part(c->mem, x.id)));
    return true;
}

int verb_members_role(struct cli *c)
{
    struct reply r;
    struct ask a = {.method = HTTP_PATCH};
    str role = c->argument[1];
    if (!role_ok(c, role))
        return failed(c);
    if (!member_path(c, &a.path))
        return report(c);
    a.body = arena_print(c->mem, "{\"role\":\"" PRI_STR "\"}", FMT_STR(role));
    if (!call_server(c, &a, &r))
        return report(c);
    say(c, PRI_STR " is %s" PRI_STR " now\n", FMT_STR(safe_z(c, r.data, "login")),
        str_eq(role, STR("member")) ? "a " : "an ", FMT_STR(role));
    return 0;
}

int verb_members_rm(struct cli *c)
{
    struct reply r;
    struct ask a = {.method = HTTP_DELETE};
    if (!member_path(c, &a.path) || !call_server(c, &a, &r))
        return report(c);
    say(c, "Removed. Other servers of the workspace notice within seconds\n");
    return 0;
}
