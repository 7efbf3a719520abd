/* Deliveries of any shape: read without a crash, every field there, and numbers that mean something
 * or nothing. The first byte chooses the event. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "forge/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const str events[] = {
    STR_INIT("pull_request"), STR_INIT("release"), STR_INIT("merge_group"), STR_INIT("check_suite"),
    STR_INIT("check_run"), STR_INIT("workflow_run"), STR_INIT("workflow_job"), STR_INIT("push"),
    STR_INIT("installation"), STR_INIT("installation_repositories"), STR_INIT("repository"),
    STR_INIT("issue_comment"), STR_INIT("deployment_review"), STR_INIT("ping"), STR_INIT("other"),
};

static void read_event(struct arena *mem, str event, str text)
{
    struct err e = { .code = ERR_NONE };
    struct forge_event v;
    struct json payload;
    if (!json_parse(mem, text, 0, &payload, &e))
        return;
    github_event_read(mem, event, payload, 7, STR("bot[bot]"), &v);
    assert(v.kind <= FORGE_DEPLOYMENT_REVIEW);
    assert(v.head_sha.ptr && v.key.ptr && v.activity.ptr && v.run_path.ptr && v.repo.owner.ptr);
    assert(v.number >= 0 && v.run_id >= 0 && v.installation_id >= 0 && v.at_ms >= 0);
    assert(str_find(v.run_path, '/', 0) == v.run_path.len);
    assert(v.kind != FORGE_PULL_REQUEST ||
           (v.number && v.key.len && v.head_sha.len && v.activity.len));
    assert(v.kind != FORGE_RUN || (v.run_id && v.run_attempt));
    assert(v.kind != FORGE_MERGE_GROUP || (v.number && str_eq(v.key, v.head_sha)));
    for (size_t i = 0; i < v.repo_count; i++)
        assert(v.repos[i].id > 0 && v.repos[i].name.ptr);
    for (size_t i = 0; i < v.removed_count; i++)
        assert(v.removed[i] > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    str secret = STR("s"), payload = STR("");
    if (n) {
        str text = { (const char *)data + 1, n - 1 };
        read_event(mem, events[data[0] % (sizeof events / sizeof events[0])], text);
        (void)github_form_payload(mem, text, &payload);
        assert(!github_signature_ok(text, STR("body"), &secret, 1));
        str next = address_next_page(text);
        assert(!next.len || (next.ptr >= text.ptr && next.ptr + next.len <= text.ptr + text.len));
        assert(address_origin(text).len <= text.len);
    }
    arena_free(mem);
    return 0;
}
