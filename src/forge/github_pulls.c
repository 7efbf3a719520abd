/*
 * Pull requests and what we write on them: the check, the one comment, the review
 * (forges.md §2.6, §2.7).
 */
#include "forge/inside.h"

/* Most answers to a write are an object of which only the id matters. */
static void id_take(struct job *j, const struct reply *r)
{
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    int64_t id = github_id(json_get(r->body, STR("id")), r->mem);
    if (!id) {
        job_garbage(j, r->status, "an object with an id");
        return;
    }
    result_begin(j);
    json_field_i64(&j->out, STR("id"), id);
    result_end(j);
}

/* ---- the check ---- */

/* The commit of a check cannot be changed, and GitHub refuses to be told it again. */
static bool without_head_sha(struct job *j, str *out)
{
    struct json body, v;
    struct err ignored = { .code = ERR_NONE };
    struct buf b;
    struct json_out w;
    str key;
    if (!json_parse(j->mem, j->call.body, 0, &body, &ignored) || json_kind(body) != JSON_OBJECT)
        return false;
    buf_init(&b, j->mem, j->call.body.len * 2 + 64);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (struct json_iter it = json_iter(body); json_next(&it, j->mem, &key, &v);)
        if (!str_eq(key, STR("head_sha")))
            json_field_raw(&w, key, json_raw(v));
    json_end_object(&w);
    *out = buf_str(&b);
    return buf_ok(&b);
}

static void check_edit(struct job *j, int64_t id)
{
    str body;
    if (!without_head_sha(j, &body))
        job_fail(j, FORGE_REFUSED, 0, STR("the check's fields are no JSON object"));
    else
        job_send(j, HTTP_PATCH, address_repo(j, "/check-runs/%lld", (long long)id), body, id_take);
}

static bool check_item(struct job *j, struct arena *mem, struct json v)
{
    if (str_eq(json_str(json_get(v, STR("external_id")), mem), j->call.marker))
        j->found = github_id(json_get(v, STR("id")), mem);
    return !j->found;
}

static void check_looked(struct job *j, bool more)
{
    if (j->found)
        check_edit(j, j->found);
    else
        job_send(j, HTTP_POST, address_repo(j, "/check-runs"), j->call.body, id_take);
}

static const struct job_list check_list = {
    .name = STR_INIT("checks"),
    .array = STR_INIT("check_runs"),
    .item = check_item,
    .end = check_looked,
};

/* The answer to an earlier attempt may have been lost: then the check is there already. */
void begin_put_check(struct job *j)
{
    if (j->call.object)
        check_edit(j, j->call.object);
    else if (j->call.marker.len && github_is_sha(j->call.sha))
        list_begin(
            j, &check_list,
            address_repo(j, "/commits/" PRI_STR "/check-runs?app_id=%lld&filter=all&per_page=%d",
                         FMT_STR(j->call.sha), (long long)j->g->app_id, PAGE_SIZE));
    else
        check_looked(j, false);
}

/* ---- the comment: PATCH the one that is known; else look for ours; else create ---- */

enum { COMMENT_KNOWN, COMMENT_FOUND, COMMENT_NEW };

static str one_field(struct job *j, const char *name, str value)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, j->mem, value.len * 6 + 64);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, str_of(name), value);
    json_end_object(&w);
    return buf_str(&b);
}

static void comment_look(struct job *j);
static void comment_create(struct job *j);

static void comment_take(struct job *j, const struct reply *r)
{
    bool gone = r->status == 404 || r->status == 410;
    if (gone && j->phase == COMMENT_KNOWN)
        comment_look(j);
    else if (gone && j->phase == COMMENT_FOUND)     /* deleted between looking and writing */
        comment_create(j);
    else
        id_take(j, r);
}

static void comment_edit(struct job *j, int64_t id, int phase)
{
    j->phase = phase;
    job_send(j, HTTP_PATCH, address_repo(j, "/issues/comments/%lld", (long long)id),
             one_field(j, "body", j->call.text), comment_take);
}

static void comment_create(struct job *j)
{
    j->phase = COMMENT_NEW;
    job_say(j, j->call.last_word,
            address_repo(j, "/issues/%lld/comments", (long long)j->call.number),
            one_field(j, "body", j->call.text), comment_take);
}

/* Anybody can paste the marker: only a comment of this App counts. */
static bool comment_is_ours(struct job *j, struct arena *mem, struct json v)
{
    int64_t app = github_id(json_path(v, "performed_via_github_app.id"), mem);
    str login = json_str(json_path(v, "user.login"), mem);
    pthread_mutex_lock(&j->g->identity);
    bool ours = (app && app == j->g->app_id) ||
                (login.len > STR("[bot]").len && str_eq_nocase(login, str_of(j->g->bot_login)));
    pthread_mutex_unlock(&j->g->identity);
    return ours && str_has(json_str(json_get(v, STR("body")), mem), j->call.marker);
}

static bool comment_item(struct job *j, struct arena *mem, struct json v)
{
    if (comment_is_ours(j, mem, v))
        j->found = github_id(json_get(v, STR("id")), mem);
    return !j->found;       /* listed by rising id: the first is the oldest */
}

static void comment_looked(struct job *j, bool more)
{
    if (j->found)
        comment_edit(j, j->found, COMMENT_FOUND);
    else
        comment_create(j);
}

static const struct job_list comment_list = {
    .name = STR_INIT("comments"),
    .array = STR_INIT(""),
    .item = comment_item,
    .end = comment_looked,
};

static void comment_look(struct job *j)
{
    if (!j->call.marker.len)
        comment_create(j);
    else
        list_begin(j, &comment_list, address_repo(j, "/issues/%lld/comments?per_page=%d",
                                                  (long long)j->call.number, PAGE_SIZE));
}

void begin_put_comment(struct job *j)
{
    if (j->call.object)
        comment_edit(j, j->call.object, COMMENT_KNOWN);
    else
        comment_look(j);
}

/* ---- the review ---- */

void begin_review(struct job *j)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, j->mem, j->call.text.len * 6 + 4096);
    json_out_init(&w, &b);
    json_begin_object(&w);
    if (j->call.sha.len)
        json_field_str(&w, STR("commit_id"), j->call.sha);
    json_field_str(&w, STR("body"), j->call.text);
    json_field_str(&w, STR("event"), j->call.review);
    json_end_object(&w);
    job_say(j, true, address_repo(j, "/pulls/%lld/reviews", (long long)j->call.number),
            buf_str(&b), id_take);
}

/* ---- reading ---- */

static bool pull_fields(struct job *j, struct arena *mem, struct json pull)
{
    struct forge_event v = { .kind = FORGE_PULL_REQUEST };
    struct json_out *w = &j->out;
    github_pull_read(mem, pull, &v);
    github_event_blank(&v);
    if (!v.number)
        return false;
    json_field_i64(w, STR("number"), v.number);
    json_field_str(w, STR("title"), v.title);
    json_field_str(w, STR("author"), v.author);
    json_field_str(w, STR("url"), v.url);
    json_field_str(w, STR("state"), v.state);
    json_field_bool(w, STR("draft"), v.draft);
    json_field_bool(w, STR("from_fork"), v.from_fork);
    json_field_str(w, STR("head_sha"), v.head_sha);
    json_field_str(w, STR("head_ref"), v.head_ref);
    json_field_str(w, STR("base_sha"), v.base_sha);
    json_field_str(w, STR("base_ref"), v.base_ref);
    json_field_str(w, STR("merge_sha"), v.merge_sha);
    json_field_i64(w, STR("merged_ms"), v.merged_ms);
    json_field_i64(w, STR("updated_ms"), v.at_ms);
    return true;
}

static void pull_take(struct job *j, const struct reply *r)
{
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    result_begin(j);
    if (pull_fields(j, r->mem, r->body))
        result_end(j);
    else
        job_garbage(j, r->status, "a pull request");
}

void begin_read_pull(struct job *j)
{
    job_send(j, HTTP_GET, address_repo(j, "/pulls/%lld", (long long)j->call.number), STR_NONE,
             pull_take);
}

static bool pull_item(struct job *j, struct arena *mem, struct json v)
{
    json_begin_object(&j->out);
    (void)pull_fields(j, mem, v);
    json_end_object(&j->out);
    return true;
}

/* A commit that GitHub does not know, or not yet: 422 with a sentence. */
static bool pulls_missing(struct job *j, const struct reply *r)
{
    if (r->status != 422 || j->call.kind != FORGE_FIND_PULLS)
        return false;
    job_fail(j, FORGE_NOT_FOUND, r->status, arena_copy(j->mem, r->message));
    return true;
}

static const struct job_list pull_list = {
    .name = STR_INIT("pulls"), .array = STR_INIT(""), .item = pull_item,
    .missing = pulls_missing,
};

void begin_find_pulls(struct job *j)
{
    str sha = address_escape(j->mem, j->call.sha, false);
    list_begin(j, &pull_list,
               address_repo(j, "/commits/" PRI_STR "/pulls?per_page=%d", FMT_STR(sha), PAGE_SIZE));
}

void begin_list_pulls(struct job *j)
{
    list_begin(j, &pull_list, address_repo(j, "/pulls?state=open&per_page=%d", PAGE_SIZE));
}
