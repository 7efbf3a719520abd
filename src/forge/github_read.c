/*
 * GitHub's objects, as they stand in webhooks and answers alike. Lenient: whatever is missing, null
 * or of another kind is empty (forges.md §1.2).
 */
#include "base/rfc3339.h"
#include "forge/inside.h"

static void blank(str *s)
{
    if (!s->ptr)
        *s = STR("");
}

static void repo_blank(struct forge_repo *r)
{
    str *all[] = { &r->host, &r->owner, &r->name, &r->default_branch };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        blank(all[i]);
}

void github_event_blank(struct forge_event *v)
{
    str *all[] = {
        &v->event, &v->action, &v->sender, &v->activity, &v->key, &v->title, &v->author, &v->url,
        &v->state, &v->head_sha, &v->head_ref, &v->base_sha, &v->base_ref, &v->merge_sha,
        &v->before_sha, &v->conclusion, &v->run_title, &v->run_path, &v->run_event,
        &v->check_external_id, &v->ref, &v->account, &v->permissions, &v->comment_body,
        &v->comment_before,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        blank(all[i]);
    repo_blank(&v->repo);
    for (size_t i = 0; i < v->repo_count; i++)
        repo_blank(&v->repos[i]);
}

int64_t github_time(struct json v, struct arena *mem)
{
    int64_t n;
    if (json_i64(v, &n))
        return n > 0 && n < INT64_C(253402300800) ? n * 1000 : 0;
    return rfc3339_read(json_str(v, mem), &n) ? n : 0;
}

int64_t github_id(struct json v, struct arena *mem)
{
    int64_t n;
    if (json_i64(v, &n))
        return n > 0 ? n : 0;
    return str_to_i64(json_str(v, mem), 1, INT64_MAX, &n) ? n : 0;
}

bool github_is_sha(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len == 40 || s.len == 64;
}

str github_bare_ref(str ref)
{
    str heads = STR("refs/heads/");
    return str_starts(ref, heads) ? str_sub(ref, heads.len, ref.len) : ref;
}

str github_workflow_file(str path)
{
    static const str ends[] = { STR_INIT(".yml@"), STR_INIT(".yaml@") };
    for (size_t at = str_find(path, '@', 0); at < path.len; at = str_find(path, '@', at + 1)) {
        str head = str_sub(path, 0, at + 1);
        if (str_ends(head, ends[0]) || str_ends(head, ends[1])) {
            path = str_sub(path, 0, at);
            break;
        }
    }
    return str_after_last(path, '/');
}

static bool is_fork(struct arena *mem, struct json pull)
{
    struct json head = json_path(pull, "head.repo");
    int64_t head_id = github_id(json_get(head, STR("id")), mem);
    int64_t base_id = github_id(json_path(pull, "base.repo.id"), mem);
    return !json_present(head) || !head_id || head_id != base_id;
}

void github_pull_read(struct arena *mem, struct json pull, struct forge_event *out)
{
    out->number = github_id(json_get(pull, STR("number")), mem);
    if (out->number)
        out->key = arena_print(mem, "%lld", (long long)out->number);
    out->title = json_str(json_get(pull, STR("title")), mem);
    out->author = json_str(json_path(pull, "user.login"), mem);
    out->url = json_str(json_get(pull, STR("html_url")), mem);
    out->draft = json_bool_or(json_get(pull, STR("draft")), false);
    out->from_fork = is_fork(mem, pull);
    out->head_sha = json_str(json_path(pull, "head.sha"), mem);
    out->head_ref = json_str(json_path(pull, "head.ref"), mem);
    out->base_sha = json_str(json_path(pull, "base.sha"), mem);
    out->base_ref = json_str(json_path(pull, "base.ref"), mem);
    out->merged_ms = github_time(json_get(pull, STR("merged_at")), mem);
    out->at_ms = github_time(json_get(pull, STR("updated_at")), mem);
    /* Lists have no `merged`, and an open pull's merge commit is only a try. */
    bool merged = json_bool_or(json_get(pull, STR("merged")), out->merged_ms != 0);
    if (merged)
        out->merge_sha = json_str(json_get(pull, STR("merge_commit_sha")), mem);
    if (merged && !out->merged_ms)
        out->merged_ms = out->at_ms;
    bool closed = str_eq(json_str(json_get(pull, STR("state")), mem), STR("closed"));
    out->state = merged ? STR("merged") : closed ? STR("closed") : STR("open");
}

static enum forge_run_state run_state(str status)
{
    if (str_eq(status, STR("completed")))
        return FORGE_RUN_COMPLETED;
    if (str_eq(status, STR("in_progress")))
        return FORGE_RUN_IN_PROGRESS;
    /* `pending` waits for a concurrency group, not for a person. */
    return str_eq(status, STR("waiting")) ? FORGE_RUN_WAITING : FORGE_RUN_QUEUED;
}

void github_run_read(struct arena *mem, struct json run, struct forge_event *out)
{
    int64_t attempt = github_id(json_get(run, STR("run_attempt")), mem);
    out->run_id = github_id(json_get(run, STR("id")), mem);
    out->run_attempt = attempt ? attempt : 1;
    out->run_state = run_state(json_str(json_get(run, STR("status")), mem));
    out->conclusion = json_str(json_get(run, STR("conclusion")), mem);
    out->run_title = json_str(json_get(run, STR("display_title")), mem);
    out->run_path = github_workflow_file(json_str(json_get(run, STR("path")), mem));
    out->run_event = json_str(json_get(run, STR("event")), mem);
    out->url = json_str(json_get(run, STR("html_url")), mem);
    out->head_sha = json_str(json_get(run, STR("head_sha")), mem);
    out->head_ref = json_str(json_get(run, STR("head_branch")), mem);
    out->run_created_ms = github_time(json_get(run, STR("created_at")), mem);
    out->run_started_ms = github_time(json_get(run, STR("run_started_at")), mem);
    out->at_ms = github_time(json_get(run, STR("updated_at")), mem);
}

/* "https://github.com/acme/infra" → "github.com" */
static str host_of(str url)
{
    size_t at = str_find(url, ':', 0);
    if (at + 3 > url.len || !str_starts(str_sub(url, at, url.len), STR("://")))
        return STR_NONE;
    str rest;
    return str_cut(str_sub(url, at + 3, url.len), '/', &rest);
}

bool github_repo_read(struct arena *mem, struct json repo, struct forge_repo *out)
{
    str full = json_str(json_get(repo, STR("full_name")), mem), rest;
    str owner = json_str(json_path(repo, "owner.login"), mem);
    str name = json_str(json_get(repo, STR("name")), mem);
    if (!owner.len && str_find(full, '/', 0) < full.len)
        owner = str_cut(full, '/', &rest);
    if (!owner.len)         /* push: the owner's `name` is the login */
        owner = json_str(json_path(repo, "owner.name"), mem);
    *out = (struct forge_repo){
        .id = github_id(json_get(repo, STR("id")), mem),
        .host = host_of(json_str(json_get(repo, STR("html_url")), mem)),
        .owner = owner,
        .name = name,
        .default_branch = json_str(json_get(repo, STR("default_branch")), mem),
        .archived = json_bool_or(json_get(repo, STR("archived")), false),
        .is_private = json_bool_or(json_get(repo, STR("private")), false),
    };
    return out->id != 0;
}
