/*
 * The App, made by GitHub from a form (forges.md §2.3, atmos-pro.md §23).
 */
#include "forge/inside.h"

static const struct { str name, level; } permissions[] = {
    { STR_INIT("actions"), STR_INIT("write") },         /* dispatch, read and cancel runs */
    { STR_INIT("checks"), STR_INIT("write") },
    { STR_INIT("contents"), STR_INIT("write") },        /* workflow files; commits from CI */
    { STR_INIT("deployments"), STR_INIT("read") },
    { STR_INIT("environments"), STR_INIT("read") },
    { STR_INIT("issues"), STR_INIT("write") },          /* comments on pull requests */
    { STR_INIT("members"), STR_INIT("read") },
    { STR_INIT("merge_queues"), STR_INIT("read") },
    { STR_INIT("metadata"), STR_INIT("read") },
    { STR_INIT("pull_requests"), STR_INIT("write") },
};

/* installation and installation_repositories come without being asked for. */
static const str events[] = {
    STR_INIT("check_run"), STR_INIT("check_suite"), STR_INIT("deployment_review"),
    STR_INIT("issue_comment"), STR_INIT("merge_group"), STR_INIT("pull_request"), STR_INIT("push"),
    STR_INIT("release"), STR_INIT("repository"), STR_INIT("workflow_job"), STR_INIT("workflow_run"),
};

str github_manifest(struct arena *mem, str app_name, str public_url)
{
    struct buf b;
    struct json_out w;
    while (str_ends(public_url, STR("/")))
        public_url = str_sub(public_url, 0, public_url.len - 1);
    buf_init(&b, mem, 64 << 10);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("name"), app_name);
    json_field_str(&w, STR("url"), public_url);
    json_field_str(&w, STR("description"), STR("Ordered plans and applies of Atmos stacks"));
    json_field_bool(&w, STR("public"), false);
    json_key(&w, STR("hook_attributes"));
    json_begin_object(&w);
    json_field_str(&w, STR("url"),
                   arena_print(mem, PRI_STR "/webhooks/github", FMT_STR(public_url)));
    json_field_bool(&w, STR("active"), true);
    json_end_object(&w);
    json_field_str(&w, STR("redirect_url"),
                   arena_print(mem, PRI_STR "/setup/callback", FMT_STR(public_url)));
    json_key(&w, STR("callback_urls"));
    json_begin_array(&w);
    json_put_str(&w, arena_print(mem, PRI_STR "/auth/github/callback", FMT_STR(public_url)));
    json_end_array(&w);
    json_key(&w, STR("default_permissions"));
    json_begin_object(&w);
    for (size_t i = 0; i < sizeof permissions / sizeof permissions[0]; i++)
        json_field_str(&w, permissions[i].name, permissions[i].level);
    json_end_object(&w);
    json_key(&w, STR("default_events"));
    json_begin_array(&w);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        json_put_str(&w, events[i]);
    json_end_array(&w);
    json_end_object(&w);
    return buf_str(&b);
}

static void exchange_take(struct job *j, const struct reply *r)
{
    static const str fields[] = {
        STR_INIT("slug"), STR_INIT("client_id"), STR_INIT("client_secret"),
        STR_INIT("webhook_secret"), STR_INIT("pem"), STR_INIT("html_url"),
    };
    int64_t id = github_id(json_get(r->body, STR("id")), r->mem);
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    if (!id || !json_str(json_get(r->body, STR("pem")), r->mem).len) {
        job_garbage(j, r->status, "an App");
        return;
    }
    result_begin(j);
    json_field_i64(&j->out, STR("id"), id);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        str v = json_str(json_get(r->body, fields[i]), r->mem);
        json_field_str(&j->out, fields[i], v.ptr ? v : STR(""));
    }
    result_end(j);
}

/* The code travels in call.ref. */
static void exchange_begin(struct job *j)
{
    j->auth = AUTH_NONE;
    if (!address_segment_ok(j->call.ref)) {
        job_fail(j, FORGE_REFUSED, 0, STR("this is not a code of GitHub's"));
        return;
    }
    job_send(j, HTTP_POST, arena_print(j->mem, "/app-manifests/" PRI_STR "/conversions",
                                       FMT_STR(address_escape(j->mem, j->call.ref, false))),
             STR("{}"), exchange_take);
}

void github_manifest_exchange(struct github *g, str code, forge_done *done, void *ctx)
{
    job_post(job_new(g, &(struct forge_call){ .ref = code }, exchange_begin, done, ctx));
}
