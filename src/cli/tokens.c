/* token: create, list, revoke, through the API with an admin's token. */
#include "base/buf.h"
#include "base/io.h"
#include "base/rfc3339.h"
#include "cli/inside.h"

const struct option token_options[] = {
    {"name", 0, "TEXT", "What it is for.", false},
    {"role", 0, "member|admin", "What it may do (default member).", false},
    {"repo", 'r', "OWNER/NAME", "Only for this repository (default: all of the workspace).", false},
    {"ttl", 't', "TIME",
     "Until when, e.g. 90d; a bare number is milliseconds (default: until revoked).", false},
    {"output", 'o', "FILE", "Write the token there, readable by you alone, instead of showing it.",
     false},
    OPTIONS_END};

enum { TTL_LEAST_S = 60, TTL_MOST_S = 315360000 };

static bool token_body(struct cli *c, str *body)
{
    struct buf b;
    struct json_out w;
    int64_t ms = 0, repo = 0;
    str role = opt_text(c, "role");
    if (!opt_text(c, "name").len)
        return fail(&c->err, ERR_INVALID, "--name is missing: say what the token is for");
    if (role.ptr && !str_eq(role, STR("member")) && !str_eq(role, STR("admin")))
        return fail(&c->err, ERR_INVALID, "--role must be member or admin");
    if (!opt_ms(c, "ttl", &ms))
        return false;
    if (opt_given(c, "ttl") &&
        (ms < (int64_t)TTL_LEAST_S * 1000 || ms > (int64_t)TTL_MOST_S * 1000))
        return fail(&c->err, ERR_INVALID, "--ttl must be between a minute and ten years");
    if (opt_given(c, "repo") && !repo_id(c, opt_text(c, "repo"), &repo))
        return false;
    buf_init(&b, c->mem, ASK_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("name"), opt_text(c, "name"));
    if (role.ptr)
        json_field_str(&w, STR("role"), role);
    if (repo)
        json_field_i64(&w, STR("repositoryId"), repo);
    if (ms)
        json_field_i64(&w, STR("ttl"), ms / 1000 + (ms % 1000 ? 1 : 0));
    json_end_object(&w);
    *body = buf_str(&b);
    return true;
}

/* Somebody else's word that is going to be a line of a file or of a script. */
static bool token_sound(str t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.ptr[i] <= 0x20 || t.ptr[i] == 0x7f)
            return false;
    return t.len > 0;
}

static int keep_token(struct cli *c, str token)
{
    str file = opt_text(c, "output");
    struct err e = {0};
    if (!file.len) {
        put(c, PRI_STR "\n", FMT_STR(token));
        return 0;
    }
    if (io_replace_file(arena_z(c->mem, file), arena_print(c->mem, PRI_STR "\n", FMT_STR(token)),
                        0600, &e))
        return 0;
    say(c,
        "signalbox: the token could not be written to " PRI_STR
        ": %s. Revoke it, and make another one\n",
        FMT_STR(safe(c, file)), e.text);
    return err_exit(e.code);
}

int verb_token_create(struct cli *c)
{
    struct reply r;
    str body;
    if (!token_body(c, &body))
        return failed(c);
    struct ask a = {.method = HTTP_POST, .path = STR("/api/v1/tokens"), .body = body};
    if (!call_server(c, &a, &r))
        return report(c);
    str token = json_str(json_get(r.data, STR("token")), c->mem), id = safe_z(c, r.data, "id");
    int64_t ends = time_of(c, json_get(r.data, STR("expiresAt")));
    if (!token_sound(token)) {
        (void)fail(&c->err, ERR_UPSTREAM, "the server answered without a token");
        return report(c);
    }
    if (c->json && !opt_given(c, "output")) {
        json_show(c, json_raw(r.data));
        return 0;
    }
    int code = keep_token(c, token);
    say(c,
        "Token " PRI_STR " (" PRI_STR ")%s" PRI_STR
        ". It is not shown again; to end it: signalbox token revoke " PRI_STR "\n",
        FMT_STR(id), FMT_STR(safe_z(c, r.data, "role")), ends ? ", until " : "",
        FMT_STR(ends ? rfc3339_write(c->mem, ends) : STR("")), FMT_STR(id));
    return code;
}

int verb_token_list(struct cli *c)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_TEXT},
        {"NAME", "name", CELL_TEXT},
        {"ROLE", "role", CELL_TEXT},
        {"REPOSITORY", "repositoryId", CELL_NUMBER},
        {"CREATED", "createdAt", CELL_AGO},
        {"BY", "createdBy", CELL_TEXT},
        {"EXPIRES", "expiresAt", CELL_UNTIL},
        {"USED", "usedAt", CELL_AGO},
        {"REVOKED", "revokedAt", CELL_AGO},
    };
    struct list l = {.path = STR("/api/v1/tokens"),
                     .columns = columns,
                     .column_count = COUNT(columns),
                     .nothing = "There is no token"};
    return list_show(c, &l);
}

int verb_token_revoke(struct cli *c)
{
    struct reply r;
    struct ask a = {.method = HTTP_DELETE,
                    .path = arena_print(c->mem, "/api/v1/tokens/" PRI_STR,
                                        FMT_STR(path_part(c->mem, c->argument[0])))};
    if (!call_server(c, &a, &r))
        return report(c);
    say(c, "Revoked. Other servers of the workspace notice within seconds\n");
    return 0;
}
