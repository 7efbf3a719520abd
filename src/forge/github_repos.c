/*
 * Repositories, files, people, and the App's own affairs.
 */
#include "base/secret.h"
#include "forge/inside.h"

/* ---- a file ---- */

static void file_absent(struct job *j)
{
    job_ok(j, STR("{\"found\":false}"));
}

static bool is_text(str s)
{
    return !memchr(s.len ? s.ptr : "", 0, s.len) && str_is_utf8(s);
}

static void file_fields(struct job *j, const struct reply *r)
{
    struct json_out *w = &j->out;
    str encoding = json_str(json_get(r->body, STR("encoding")), r->mem), text = STR_NONE;
    str blob = json_str(json_get(r->body, STR("sha")), r->mem);
    str etag = http_answer_header(r->http, STR("etag"));
    /* Files over 1 MiB come without their content. */
    bool whole = str_eq(encoding, STR("base64")) &&
                 base64_read(r->mem, json_str(json_get(r->body, STR("content")), r->mem), &text) &&
                 is_text(text);
    json_field_bool(w, STR("found"), true);
    json_field_str(w, STR("blob"), blob.ptr ? blob : STR(""));
    json_field_str(w, STR("text"), whole && text.len ? text : STR(""));
    json_field_str(w, STR("etag"), etag.ptr ? etag : STR(""));
    if (!whole)
        json_field_bool(w, STR("binary"), true);
}

static void file_take(struct job *j, const struct reply *r)
{
    if (r->status == 304) {
        job_ok(j, STR("{\"unchanged\":true}"));
    } else if (r->status == 404) {
        file_absent(j);
    } else if (!reply_ok(r)) {
        job_refused(j, r);
    } else if (json_kind(r->body) != JSON_OBJECT && json_kind(r->body) != JSON_ARRAY) {
        job_garbage(j, r->status, "a file");
    } else if (!str_eq(json_str(json_get(r->body, STR("type")), r->mem), STR("file"))) {
        file_absent(j);         /* a folder or a submodule */
    } else {
        result_begin(j);
        file_fields(j, r);
        result_end(j);
    }
}

void begin_read_file(struct job *j)
{
    str path = address_escape(j->mem, j->call.path, true);
    str ref = j->call.ref.len ? arena_print(j->mem, "?ref=" PRI_STR,
                                            FMT_STR(address_escape(j->mem, j->call.ref, false)))
                              : STR("");
    j->etag = j->call.etag;
    job_send(j, HTTP_GET,
             address_repo(j, "/contents/" PRI_STR PRI_STR, FMT_STR(path), FMT_STR(ref)), STR_NONE,
             file_take);
}

/* ---- a repository, a commit, a person ---- */

static bool repo_fields(struct job *j, struct arena *mem, struct json v)
{
    struct forge_event e = { .kind = FORGE_REPOSITORY };
    bool ok = github_repo_read(mem, v, &e.repo);
    github_event_blank(&e);
    json_field_i64(&j->out, STR("id"), e.repo.id);
    json_field_str(&j->out, STR("owner"), e.repo.owner);
    json_field_str(&j->out, STR("name"), e.repo.name);
    json_field_str(&j->out, STR("default_branch"), e.repo.default_branch);
    json_field_bool(&j->out, STR("archived"), e.repo.archived);
    return ok;
}

static void repo_take(struct job *j, const struct reply *r)
{
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    result_begin(j);
    if (repo_fields(j, r->mem, r->body))
        result_end(j);
    else
        job_garbage(j, r->status, "a repository");
}

void begin_read_repo(struct job *j)
{
    job_send(j, HTTP_GET, address_repo(j, "%s", ""), STR_NONE, repo_take);
}

static void commit_take(struct job *j, const struct reply *r)
{
    str sha = json_str(json_get(r->body, STR("sha")), r->mem);
    str tree = json_str(json_path(r->body, "commit.tree.sha"), r->mem);
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    if (!sha.len || !tree.len) {
        job_garbage(j, r->status, "a commit");
        return;
    }
    result_begin(j);
    json_field_str(&j->out, STR("sha"), sha);
    json_field_str(&j->out, STR("tree"), tree);
    result_end(j);
}

void begin_read_commit(struct job *j)
{
    /* A page of one: the list of changed files may be megabytes. */
    str ref = address_escape(j->mem, j->call.ref, false);
    job_send(j, HTTP_GET, address_repo(j, "/commits/" PRI_STR "?per_page=1", FMT_STR(ref)),
             STR_NONE, commit_take);
}

static void permission_take(struct job *j, const struct reply *r)
{
    str permission = json_str(json_get(r->body, STR("permission")), r->mem);
    str role = json_str(json_get(r->body, STR("role_name")), r->mem);
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    if (!permission.len) {
        job_garbage(j, r->status, "a permission");
        return;
    }
    result_begin(j);
    json_field_str(&j->out, STR("permission"), permission);
    json_field_str(&j->out, STR("role"), role.ptr ? role : STR(""));
    json_field_i64(&j->out, STR("user_id"), github_id(json_path(r->body, "user.id"), r->mem));
    result_end(j);
}

void begin_permission(struct job *j)
{
    str login = address_escape(j->mem, j->call.login, false);
    job_send(j, HTTP_GET, address_repo(j, "/collaborators/" PRI_STR "/permission", FMT_STR(login)),
             STR_NONE, permission_take);
}

/* ---- the App's affairs ---- */

static bool repo_item(struct job *j, struct arena *mem, struct json v)
{
    json_begin_object(&j->out);
    (void)repo_fields(j, mem, v);
    json_end_object(&j->out);
    return true;
}

static const struct job_list repo_list = {
    .name = STR_INIT("repos"), .array = STR_INIT("repositories"), .item = repo_item,
};

void begin_list_repos(struct job *j)
{
    list_begin(j, &repo_list,
               arena_print(j->mem, "/installation/repositories?per_page=%d", PAGE_SIZE));
}

static bool installation_item(struct job *j, struct arena *mem, struct json v)
{
    str account = json_str(json_path(v, "account.login"), mem);
    json_begin_object(&j->out);
    json_field_i64(&j->out, STR("id"), github_id(json_get(v, STR("id")), mem));
    json_field_str(&j->out, STR("account"), account.ptr ? account : STR(""));
    json_field_bool(&j->out, STR("suspended"), json_present(json_get(v, STR("suspended_at"))));
    json_end_object(&j->out);
    return true;
}

static const struct job_list installation_list = {
    .name = STR_INIT("installations"), .array = STR_INIT(""), .item = installation_item,
};

void begin_list_installations(struct job *j)
{
    list_begin(j, &installation_list,
               arena_print(j->mem, "/app/installations?per_page=%d", PAGE_SIZE));
}

static void redeliver_take(struct job *j, const struct reply *r)
{
    if (reply_ok(r))
        job_ok(j, STR("{}"));
    else
        job_refused(j, r);
}

void begin_redeliver(struct job *j)
{
    job_send(j, HTTP_POST,
             arena_print(j->mem, "/app/hook/deliveries/%lld/attempts", (long long)j->call.object),
             STR("{}"), redeliver_take);
}
