/*
 * Deliveries of GitHub: the signature, the form some hooks send, and each event in our words
 * (forges.md §1).
 */
#include "base/secret.h"
#include "domain/join.h"
#include "forge/inside.h"

bool github_signature_ok(str header, str body, const str *secrets, size_t secret_count)
{
    str prefix = STR("sha256=");
    uint8_t said[SHA256_BYTES], mac[SHA256_BYTES];
    bool ok = false;
    if (!str_starts(header, prefix) || header.len != prefix.len + 2 * sizeof said)
        return false;
    for (size_t i = 0; i < sizeof said; i++) {
        int byte = 0;
        for (size_t k = 0; k < 2; k++) {
            char c = header.ptr[prefix.len + 2 * i + k];
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                return false;
            byte = byte * 16 + digit;
        }
        said[i] = (uint8_t)byte;
    }
    for (size_t i = 0; i < secret_count; i++) {
        if (!secrets[i].len)    /* an unset secret must not be one that everybody knows */
            continue;
        hmac_sha256(secrets[i], body, mac);
        ok |= secret_equal((str){ (const char *)said, sizeof said },
                           (str){ (const char *)mac, sizeof mac });
    }
    return ok;
}

bool github_form_payload(struct arena *mem, str body, str *payload)
{
    for (str rest = body; rest.len;) {
        str field = str_cut(rest, '&', &rest), value;
        str name = str_cut(field, '=', &value);
        if (str_eq(name, STR("payload")))
            return http_decode(mem, value, true, payload) && payload->len;
    }
    return false;
}

/* ---- one function an event ---- */

struct reading {
    struct arena *mem;
    struct json   payload;
    int64_t       app_id;
    str           bot_login;
};

static str text(const struct reading *r, const char *path)
{
    return json_str(json_path(r->payload, path), r->mem);
}
static int64_t number(const struct reading *r, const char *path)
{
    return github_id(json_path(r->payload, path), r->mem);
}
static int64_t when(const struct reading *r, const char *path)
{
    return github_time(json_path(r->payload, path), r->mem);
}
static bool is_bot(const struct reading *r, str login)
{
    return r->bot_login.len && str_eq_nocase(login, r->bot_login);
}

static enum forge_event_kind read_ping(const struct reading *r, struct forge_event *out)
{
    return FORGE_PING;
}

static enum forge_event_kind read_pull(const struct reading *r, struct forge_event *out)
{
    struct json pull = json_get(r->payload, STR("pull_request"));
    github_pull_read(r->mem, pull, out);
    if (!out->number || !out->head_sha.len || !out->action.len)
        return FORGE_IGNORED;
    out->before_sha = text(r, "before");
    bool merged = str_eq(out->action, STR("closed")) && str_eq(out->state, STR("merged"));
    out->activity = merged ? STR("merged") : out->action;
    return FORGE_PULL_REQUEST;
}

static enum forge_event_kind read_release(const struct reading *r, struct forge_event *out)
{
    int64_t id = number(r, "release.id");
    str target = text(r, "release.target_commitish");
    if (!id || !out->action.len)
        return FORGE_IGNORED;
    out->activity = out->action;
    out->key = arena_print(r->mem, "%lld", (long long)id);
    out->head_ref = text(r, "release.tag_name");
    out->title = text(r, "release.name");
    if (!out->title.len)
        out->title = out->head_ref;
    out->author = text(r, "release.author.login");
    out->url = text(r, "release.html_url");
    out->state = str_eq(out->action, STR("deleted")) || str_eq(out->action, STR("unpublished"))
                     ? STR("closed") : STR("open");
    out->draft = json_bool_or(json_path(r->payload, "release.draft"), false);
    /* Mostly a branch, which says nothing about the tag's commit (atmos-pro.md §16). */
    if (github_is_sha(target))
        out->head_sha = target;
    else
        out->base_ref = target;
    int64_t published_ms = when(r, "release.published_at");
    out->at_ms = when(r, "release.updated_at");
    if (!out->at_ms)
        out->at_ms = published_ms ? published_ms : when(r, "release.created_at");
    return FORGE_RELEASE;
}

/* A merge group is known by two events; both give the same (atmos-pro.md §23). */
static enum forge_event_kind queue_entry(const struct reading *r, str branch,
                                         struct forge_event *out)
{
    str base;
    if (!out->head_sha.len || !join_queue_branch(branch, &base, &out->number))
        return FORGE_IGNORED;
    out->activity = out->action;
    out->key = out->head_sha;
    out->head_ref = github_bare_ref(branch);
    out->base_ref = base;
    out->title = arena_print(r->mem, "Merge queue: #%lld", (long long)out->number);
    out->author = out->sender;
    out->state = str_eq(out->action, STR("destroyed")) ? STR("closed") : STR("open");
    return FORGE_MERGE_GROUP;
}

static enum forge_event_kind read_merge_group(const struct reading *r, struct forge_event *out)
{
    out->head_sha = text(r, "merge_group.head_sha");
    out->base_sha = text(r, "merge_group.base_sha");
    out->at_ms = when(r, "merge_group.head_commit.timestamp");
    return queue_entry(r, text(r, "merge_group.head_ref"), out);
}

static enum forge_event_kind read_check_suite(const struct reading *r, struct forge_event *out)
{
    out->head_sha = text(r, "check_suite.head_sha");
    out->check_id = number(r, "check_suite.id");
    out->at_ms = when(r, "check_suite.updated_at");
    if (str_eq(out->action, STR("rerequested"))) {
        out->head_ref = text(r, "check_suite.head_branch");
        bool ours = r->app_id && number(r, "check_suite.app.id") == r->app_id;
        return ours && out->head_sha.len ? FORGE_RERUN_ASKED : FORGE_IGNORED;
    }
    if (!str_eq(out->action, STR("requested")))
        return FORGE_IGNORED;
    out->action = STR("checks_requested");
    out->base_sha = text(r, "check_suite.before");
    return queue_entry(r, text(r, "check_suite.head_branch"), out);
}

static enum forge_event_kind read_check_run(const struct reading *r, struct forge_event *out)
{
    bool ours = r->app_id && number(r, "check_run.app.id") == r->app_id;
    out->head_sha = text(r, "check_run.head_sha");
    out->check_id = number(r, "check_run.id");
    out->check_external_id = text(r, "check_run.external_id");
    out->at_ms = when(r, "check_run.completed_at");
    return ours && str_eq(out->action, STR("rerequested")) && out->head_sha.len ? FORGE_RERUN_ASKED
                                                                               : FORGE_IGNORED;
}

static enum forge_event_kind read_run(const struct reading *r, struct forge_event *out)
{
    /* The state is what the object says: `requested` may carry a run that has ended (§1.2). */
    github_run_read(r->mem, json_get(r->payload, STR("workflow_run")), out);
    return out->run_id ? FORGE_RUN : FORGE_IGNORED;
}

/* A job in a protected environment: the run's own event does not tell that it waits. */
static enum forge_event_kind read_job(const struct reading *r, struct forge_event *out)
{
    int64_t attempt = number(r, "workflow_job.run_attempt");
    str status = text(r, "workflow_job.status");
    if (!str_eq(status.len ? status : out->action, STR("waiting")))
        return FORGE_IGNORED;
    out->run_id = number(r, "workflow_job.run_id");
    out->run_attempt = attempt ? attempt : 1;
    out->run_state = FORGE_RUN_WAITING;
    out->head_sha = text(r, "workflow_job.head_sha");
    out->head_ref = text(r, "workflow_job.head_branch");
    out->at_ms = when(r, "workflow_job.created_at");
    return out->run_id ? FORGE_RUN : FORGE_IGNORED;
}

static enum forge_event_kind read_push(const struct reading *r, struct forge_event *out)
{
    out->ref = text(r, "ref");
    out->before_sha = text(r, "before");
    out->head_sha = text(r, "after");
    out->deleted = json_bool_or(json_path(r->payload, "deleted"), false);
    out->at_ms = when(r, "head_commit.timestamp");
    return out->ref.len ? FORGE_PUSH : FORGE_IGNORED;
}

static void read_repos(const struct reading *r, const char *path, struct forge_event *out)
{
    struct json list = json_path(r->payload, path), v;
    struct json_iter it = json_iter(list);
    str key;
    if (json_kind(list) != JSON_ARRAY)
        return;
    out->repos = arena_make(r->mem, struct forge_repo, json_count(list) + 1);
    while (json_next(&it, r->mem, &key, &v))
        if (github_repo_read(r->mem, v, &out->repos[out->repo_count]))
            out->repo_count++;
}

static enum forge_event_kind read_installation(const struct reading *r, struct forge_event *out)
{
    out->account = text(r, "installation.account.login");
    out->suspended = json_present(json_path(r->payload, "installation.suspended_at"));
    if (str_eq(out->action, STR("suspend")))
        out->suspended = true;
    if (str_eq(out->action, STR("unsuspend")))
        out->suspended = false;
    out->permissions = json_raw(json_path(r->payload, "installation.permissions"));
    out->at_ms = when(r, "installation.updated_at");
    read_repos(r, "repositories", out);
    return out->installation_id && out->action.len ? FORGE_INSTALLATION : FORGE_IGNORED;
}

static enum forge_event_kind read_installation_repos(const struct reading *r,
                                                     struct forge_event *out)
{
    struct json list = json_path(r->payload, "repositories_removed"), v;
    struct json_iter it = json_iter(list);
    str key;
    (void)read_installation(r, out);
    read_repos(r, "repositories_added", out);
    if (json_kind(list) == JSON_ARRAY)
        out->removed = arena_make(r->mem, int64_t, json_count(list) + 1);
    while (out->removed && json_next(&it, r->mem, &key, &v)) {
        int64_t id = github_id(json_get(v, STR("id")), r->mem);
        if (id)
            out->removed[out->removed_count++] = id;
    }
    return out->installation_id ? FORGE_INSTALLATION_REPOS : FORGE_IGNORED;
}

static enum forge_event_kind read_repository(const struct reading *r, struct forge_event *out)
{
    out->at_ms = when(r, "repository.updated_at");
    return out->has_repo && out->action.len ? FORGE_REPOSITORY : FORGE_IGNORED;
}

static enum forge_event_kind read_comment(const struct reading *r, struct forge_event *out)
{
    int64_t app = number(r, "comment.performed_via_github_app.id");
    out->number = number(r, "issue.number");
    out->comment_id = number(r, "comment.id");
    if (!json_present(json_path(r->payload, "issue.pull_request")) || !out->number ||
        !out->comment_id)
        return FORGE_IGNORED;
    out->key = arena_print(r->mem, "%lld", (long long)out->number);
    out->title = text(r, "issue.title");
    out->author = text(r, "comment.user.login");
    out->url = text(r, "comment.html_url");
    out->comment_body = text(r, "comment.body");
    out->comment_before = text(r, "changes.body.from");
    out->comment_by_us = (r->app_id && app == r->app_id) || is_bot(r, out->author);
    out->at_ms = when(r, "comment.updated_at");
    return FORGE_COMMENT;
}

static enum forge_event_kind read_deployment_review(const struct reading *r,
                                                    struct forge_event *out)
{
    github_run_read(r->mem, json_get(r->payload, STR("workflow_run")), out);
    return out->run_id ? FORGE_DEPLOYMENT_REVIEW : FORGE_IGNORED;
}

static const struct {
    str event;
    enum forge_event_kind (*read)(const struct reading *, struct forge_event *);
} events[] = {
    { STR_INIT("ping"), read_ping },
    { STR_INIT("pull_request"), read_pull },
    { STR_INIT("release"), read_release },
    { STR_INIT("merge_group"), read_merge_group },
    { STR_INIT("check_suite"), read_check_suite },
    { STR_INIT("check_run"), read_check_run },
    { STR_INIT("workflow_run"), read_run },
    { STR_INIT("workflow_job"), read_job },
    { STR_INIT("push"), read_push },
    { STR_INIT("installation"), read_installation },
    { STR_INIT("installation_repositories"), read_installation_repos },
    { STR_INIT("repository"), read_repository },
    { STR_INIT("issue_comment"), read_comment },
    { STR_INIT("deployment_review"), read_deployment_review },
};

void github_event_read(struct arena *mem, str event, struct json payload, int64_t app_id,
                       str bot_login, struct forge_event *out)
{
    struct reading r = { .mem = mem, .payload = payload, .app_id = app_id, .bot_login = bot_login };
    *out = (struct forge_event){ .kind = FORGE_IGNORED, .event = event };
    out->action = text(&r, "action");
    out->installation_id = number(&r, "installation.id");
    out->has_repo = github_repo_read(mem, json_get(payload, STR("repository")), &out->repo);
    out->sender = text(&r, "sender.login");
    out->sender_is_us = is_bot(&r, out->sender);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (str_eq(event, events[i].event))
            out->kind = events[i].read(&r, out);
    github_event_blank(out);
}
