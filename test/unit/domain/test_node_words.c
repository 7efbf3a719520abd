/* Why a node stands as it does, in one sentence. */
#include "given.h"
#include "domain/node_words.h"

static void a_state_with_a_cause_has_words(void **state)
{
    static const struct { enum node_state state; const char *inert, *gate, *error, *want; } row[] = {
        { NODE_WAITING, "", "", "", "" },
        { NODE_RUNNING, "", "{'kind':'lock'}", "late", "" },
        { NODE_SUCCEEDED, "", "", "", "" },
        { NODE_BLOCKED, "", "{'kind':'lock','message':'moving','actor':'ann'}", "", "locked by ann: moving" },
        { NODE_BLOCKED, "", "{'kind':'lock','message':'','actor':''}", "", "locked" },
        { NODE_BLOCKED, "", "{'kind':'run','workflow':'apply.yaml'}", "",
          "waits for a live run of apply.yaml on the same instance" },
        { NODE_BLOCKED, "", "{'kind':'budget'}", "", "waits for the budget of its installation" },
        { NODE_BLOCKED, "", "not JSON", "", "behind a lock, or a live run of the same instance" },
        { NODE_APPROVAL, "", "", "", "waits for a reviewer at the forge" },
        { NODE_ERROR, "", "", "plan.yaml is not there", "plan.yaml is not there" },
        { NODE_FAILED, "", "", "", "" },
        { NODE_SKIPPED, "", "", "", "what it waits for did not succeed" },
        { NODE_SUPERSEDED, "", "", "", "a newer head took its place" },
        { NODE_INERT, "deleted", "", "", "deleted from the configuration" },
        { NODE_INERT, "of tomorrow", "", "", "of tomorrow" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str gate = arena_copy(mem, str_of(row[i].gate));
        for (size_t k = 0; k < gate.len; k++)
            if (gate.ptr[k] == '\'')
                ((char *)(uintptr_t)gate.ptr)[k] = '"';
        then_text(node_reason(mem, row[i].state, str_of(row[i].inert), gate, str_of(row[i].error)), row[i].want);
    }
}

static void hostile_words_are_made_plain(void **state)
{
    then_text(node_reason(mem, NODE_ERROR, STR(""), STR(""), STR("a\x1b[31m\nb")), "a\xef\xbf\xbd[31m\xef\xbf\xbd" "b");
    str long_one = arena_print(mem, "%0*d", 1000, 7);
    assert_true(node_reason(mem, NODE_FAILED, STR(""), STR(""), long_one).len <= 310);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_with_a_cause_has_words),
        TEST(hostile_words_are_made_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
