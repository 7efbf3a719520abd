/*
 * POST /affected-stacks (atmos-pro.md §4.3, §4.14): one fact for one upload, whatever the network
 * does.
 */
#include "rig.h"

#include "base/pack.h"

#define PATH "/api/v1/affected-stacks"
#define ENTRY(c) "{\"component\":\"" c "\",\"stack\":\"dev\",\"component_type\":\"\",\"affected_all\":null,\"dependents\":[],\"settings\":null}"

static const char *doc(struct rig *g, const char *stacks, const char *more)
{
    return arena_print(g->mem,
                       "{\"head_sha\":\"" HEAD_A "\",\"base_sha\":\"" BASE_A
                       "\",\"repo_url\":\"https://github.com/acme/infra\","
                       "\"repo_name\":\"infra\",\"repo_owner\":\"acme\",\"repo_host\":\"github."
                       "com\",\"stacks\":%s%s}",
                       stacks, more)
        .ptr;
}

static const char *chunk(struct rig *g, const char *id, int index, int total, const char *stacks)
{
    return doc(g, stacks,
               arena_print(g->mem, ",\"batch_id\":\"%s\",\"batch_index\":%d,\"batch_total\":%d", id,
                           index, total)
                   .ptr);
}

static str stored_stacks(struct rig *g)
{
    struct db_rows r;
    str plain;
    good(g->b, db_query(g->b->db, g->mem, &g->b->e, &r,
                        "select body from upload where state = 'complete'", NO_ARGS));
    assert_int_equal(r.count, 1);
    good(g->b, unpack(g->mem, db_at(&r, 0, 0)->s, 1 << 20, &plain, &g->b->e));
    return plain;
}

static void test_an_upload_becomes_a_row_and_a_fact_in_its_lane(void **state)
{
    struct rig *g = *state;
    struct answer a = ask(g, "POST", PATH, g->session, doc(g, "[" ENTRY("vpc") "]", ""));
    expect(a, 200, NULL);
    assert_text(at(g, a, "data.state"), "stored");
    assert_text(stored_stacks(g), "[[" ENTRY("vpc") "]]");
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'upload.affected'"), 1);
    assert_int_equal(g->engine.poked_lane, g->repo);
    struct answer l = ask(g, "GET", "/api/v1/uploads", g->member, NULL);
    assert_true(str_has(l.text, STR("\"affected\":1")));
    /* the session's claims are kept */
    assert_true(str_has(l.text, STR("\"run_id\":\"555\"")));
}

static void test_a_byte_identical_retry_is_the_same_upload(void **state)
{
    struct rig *g = *state;
    const char *body = doc(g, "[" ENTRY("vpc") "]", "");
    struct answer first = ask(g, "POST", PATH, g->session, body);
    g->engine.now_ms += 14 * 60 * 1000;
    struct answer again = ask(g, "POST", PATH, g->session, body);
    expect(again, 200, NULL);
    assert_text(at(g, again, "data.state"), "duplicate");
    assert_true(str_eq(at(g, first, "data.id"), at(g, again, "data.id")));
    assert_int_equal(count_rows(g, "select count(*) from upload"), 1);
    g->engine.now_ms += 2 * 60 * 1000;          /* 16 minutes after the first: somebody means it */
    expect(ask(g, "POST", PATH, g->session, body), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'upload.affected'"), 2);
}

static void test_chunks_count_when_all_are_there(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, chunk(g, "id-1", 0, 3, "[" ENTRY("a") "]")), 200, NULL);
    expect(ask(g, "POST", PATH, g->session, chunk(g, "id-1", 1, 3, "[" ENTRY("lost answer") "]")),
           200, NULL);
    struct answer again =
        ask(g, "POST", PATH, g->session, chunk(g, "id-1", 1, 3, "[" ENTRY("b") "]"));
    assert_text(at(g, again, "data.state"), "waiting_for_chunks");
    assert_int_equal(count_rows(g, "select count(*) from upload"), 0);
    struct answer last =
        ask(g, "POST", PATH, g->session, chunk(g, "id-1", 2, 3, "[" ENTRY("c") "]"));
    expect(last, 200, NULL);
    assert_text(at(g, last, "data.state"), "stored");
    assert_text(stored_stacks(g), "[[" ENTRY("a") "],[" ENTRY("b") "],[" ENTRY("c") "]]");
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 0);
    /* The answer was lost: the last chunk comes again and leaves nothing behind. */
    struct answer late =
        ask(g, "POST", PATH, g->session, chunk(g, "id-1", 2, 3, "[" ENTRY("c") "]"));
    assert_text(at(g, late, "data.state"), "duplicate");
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 0);
    assert_int_equal(count_rows(g, "select count(*) from fact where kind = 'upload.affected'"), 1);
}

static void test_a_restart_under_a_new_id_leaves_no_residue(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, chunk(g, "given-up", 0, 2, "[" ENTRY("a") "]")), 200,
           NULL);
    expect(ask(g, "POST", PATH, g->session, chunk(g, "anew", 0, 1, "[" ENTRY("a") "]")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 0);
    assert_int_equal(count_rows(g, "select count(*) from upload"), 1);
}

static void test_a_newer_upload_of_the_same_commits_supersedes(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, doc(g, "[" ENTRY("a") "]", "")), 200, NULL);
    expect(ask(g, "POST", PATH, g->session, doc(g, "[" ENTRY("b") "]", "")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from upload where state = 'superseded'"), 1);
    assert_text(stored_stacks(g), "[[" ENTRY("b") "]]");
}

static void test_chunks_that_disagree_are_a_mismatch(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, chunk(g, "id", 0, 3, "[]")), 200, NULL);
    expect(ask(g, "POST", PATH, g->session, chunk(g, "id", 1, 4, "[]")), 409, "BatchMismatch");
    expect(ask(g, "POST", PATH, g->session, "{\"head_sha\":\"3333\",\"base_sha\":\"" BASE_A "\",\"stacks\":[],\"batch_id\":\"id\",\"batch_index\":1,\"batch_total\":3}"),
           409, "BatchMismatch");
    expect(ask(g, "POST", PATH, g->member,
               "{\"head_sha\":\"" HEAD_A "\",\"base_sha\":\"" BASE_A
               "\",\"repo_owner\":\"acme\",\"repo_name\":\"other\",\"stacks\":[],"
               "\"batch_id\":\"id\",\"batch_index\":1,\"batch_total\":3}"),
           409, "BatchMismatch");
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 1);
}

static void test_of_what_is_wrong_nothing_is_stored_but_why_it_was_refused(void **state)
{
    struct rig *g = *state;
    struct buf deep;
    buf_init(&deep, g->mem, 1 << 20);
    for (int i = 0; i < 102; i++)
        buf_add(&deep, STR("[{\"component\":\"c\",\"stack\":\"s\",\"dependents\":"));
    buf_add(&deep, STR("[]"));
    for (int i = 0; i < 102; i++)
        buf_add(&deep, STR("}]"));
    const char *const table[] = {
        "{\"base_sha\":\"x\",\"stacks\":[]}",
        "{\"head_sha\":\"x\",\"base_sha\":\"y\"}",
        "{\"head_sha\":\"\",\"base_sha\":\"y\",\"stacks\":[]}",
        doc(g, "{}", ""),
        doc(g, "[{}]", ""),
        doc(g, "[{\"component\":\"vpc\"}]", ""),
        doc(g, "[{\"component\":\"\",\"stack\":\"dev\"}]", ""),
        doc(g, "[{\"component\":\"a\\u0001\",\"stack\":\"dev\"}]", ""),
        doc(g, "[7]", ""),
        doc(g, "[]", ",\"batch_index\":0,\"batch_total\":2"),
        doc(g, "[]", ",\"batch_id\":\"x\",\"batch_index\":2,\"batch_total\":2"),
        doc(g, "[]", ",\"batch_id\":\"x\",\"batch_index\":-1,\"batch_total\":2"),
        doc(g, "[]", ",\"batch_id\":\"x\",\"batch_index\":0,\"batch_total\":0"),
        doc(g, "[]", ",\"batch_id\":\"x\",\"batch_index\":0"),
        doc(g, buf_str(&deep).ptr, ""),
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    {
        if (ask(g, "POST", PATH, g->session, table[i]).status != 400)
            stop_test("row %zu: %.200s\n", i, table[i]);
        expect(ask(g, "POST", PATH, g->session, table[i]), 400, "ValidationError");
    }
    assert_int_equal(count_rows(g, "select count(*) from upload where state <> 'refused'"), 0);
    /* six of them name a commit and are wrong in what they list; each was sent twice */
    assert_int_equal(count_rows(g, "select count(*) from upload"), 12);
    assert_int_equal(count_rows(g, "select count(*) from upload where note = '' or affected > 0 or "
                                   "length(body) > 32"), 0);
    assert_int_equal(count_rows(g, "select count(*) from upload_chunk"), 0);
    assert_int_equal(g->engine.facts_stored, 0);
}

static void test_an_empty_set_is_an_upload_too(void **state)
{
    struct rig *g = *state;
    expect(ask(g, "POST", PATH, g->session, doc(g, "[]", "")), 200, NULL);
    /* a nil slice of Go */
    expect(ask(g, "POST", PATH, g->session, doc(g, "null", "")), 200, NULL);
    assert_int_equal(count_rows(g, "select count(*) from upload"), 2);
}

static void test_whose_repository_it_is(void **state)
{
    struct rig *g = *state;
    const struct { str token; const char *owner, *name; int status; const char *tag; } table[] = {
        { g->session, "acme", "infra", 200, NULL },      { g->session, "ACME", "Infra", 200, NULL }, { g->session, "", "", 200, NULL },
        { g->session, "acme", "other", 403, "RepositoryMismatch" }, { g->repo_member, "acme", "other", 403, "RepositoryMismatch" },
        { g->repo_member, "", "", 200, NULL },           { g->member, "acme", "other", 200, NULL },
        { g->member, "acme", "nowhere", 403, "RepositoryNotInWorkspace" },  { g->member, "", "", 400, "ValidationError" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        expect(ask(g, "POST", PATH, table[i].token,
                   arena_print(g->mem,
                               "{\"head_sha\":\"%zu\",\"base_sha\":\"b\",\"repo_owner\":\"%s\","
                               "\"repo_name\":\"%s\",\"stacks\":[]}",
                               i, table[i].owner, table[i].name)
                       .ptr),
               table[i].status, table[i].tag);
}

static void test_rows_of_permission_say_which_workflow_and_branch(void **state)
{
    struct rig *g = *state;
    const struct { const char *workflow, *branch, *claims; int status; } table[] = {
        { "atmos.yaml", "*", "", 200 }, { "other.yaml", "*", "", 403 }, { "*", "main", ",\"ref\":\"refs/heads/main\"", 200 },
        { "*", "main", ",\"ref\":\"refs/heads/topic\"", 403 },
        /* held against its base */
        { "*", "main", ",\"ref\":\"refs/pull/7/merge\",\"head_ref\":\"topic\",\"base_ref\":\"main\"", 200 },
        { "*", "main", ",\"ref\":\"refs/heads/gh-readonly-queue/main/pr-7-" HEAD_A "\"", 200 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        run(g->b,
            "update permission set workflow = $1, branch = $2 where name = 'Affected Stacks "
            "Create'",
            ARGS(A(str_of(table[i].workflow)), A(str_of(table[i].branch))));
        str session = session_of(g, arena_print(g->mem, "perm-%zu", i).ptr, table[i].claims);
        expect(ask(g, "POST", PATH, session, doc(g, "[]", "")), table[i].status, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_BOTH(test_an_upload_becomes_a_row_and_a_fact_in_its_lane), API_BOTH(test_a_byte_identical_retry_is_the_same_upload),
        API_BOTH(test_chunks_count_when_all_are_there), API_BOTH(test_a_restart_under_a_new_id_leaves_no_residue),
        API_BOTH(test_a_newer_upload_of_the_same_commits_supersedes), API_BOTH(test_chunks_that_disagree_are_a_mismatch),
        API_BOTH(test_of_what_is_wrong_nothing_is_stored_but_why_it_was_refused), API_BOTH(test_an_empty_set_is_an_upload_too),
        API_BOTH(test_whose_repository_it_is), API_BOTH(test_rows_of_permission_say_which_workflow_and_branch),
    };
    return cmocka_run_group_tests_name("api uploads", tests, NULL, NULL);
}
