/* Nodes are stored once as they were made, and by a row each when something becomes of them. */
#include "both.h"

#include "base/json.h"
#include "base/secret.h"
#include "store/batches.h"
#include "store/nodes.h"
#include "store/query.h"
#include "store/repositories.h"

enum { NODES = 7, MADE_MS = 1000, LATER_MS = 2000 };

static void prepare(struct both *b)
{
    good(b, secret_start(&b->e));
    good(b, db_migrate(b->db, 1, &b->e));
    good(b, workspaces_ensure(b->db, STR("ws_a"), STR("a"), 1, &b->e));
    run(b,
        "insert into repository (workspace_id, forge_id, host, owner, name, created_ms) values "
        "('ws_a', 1, 'h', 'acme', 'one', 1)",
        NO_ARGS);
}

/* The last one is not dispatched; texts of every length, and what UTF-8 has. */
static struct node_row *some_nodes(struct both *b)
{
    struct node_row *n = arena_make(b->mem, struct node_row, NODES);
    for (int i = 0; i < NODES; i++) {
        bool inert = i == NODES - 1;
        n[i] = (struct node_row){
            .stack = arena_print(b->mem, "plat-%0*d", 1 + 40 * i, i),
            .component = arena_print(b->mem, "vpc/ü-%d", i),
            .workflow = inert ? STR_NONE : arena_print(b->mem, "plan-%d.yaml", i % 2),
            .state = inert ? NODE_INERT : NODE_WAITING,
            .inert = inert ? STR("deleted") : STR(""),
            .inputs = STR("{\"inputs\":{\"a\":1}}"),
            .guess = STR("plan"),
            .run_class = i % 2,
            .level = i * 100,
            .expected_ms = (int64_t)1 << (i * 6),
        };
    }
    return n;
}

static int64_t given_batch(struct both *b, const struct node_row *n)
{
    int64_t seq;
    struct batch_row row = { .id = STR("batch_1"),
                             .repository_id = 1,
                             .event = STR("pull_request"),
                             .activity = STR("opened"),
                             .head_sha = STR("s"),
                             .state = STR("held"),
                             .upload_id = STR_NONE,
                             .node_count = NODES,
                             .dispatchable = NODES - 1,
                             .edges = STR("\0"),
                             .created_ms = MADE_MS };
    good(b, nodes_pack(b->mem, n, NODES, &row.made, &b->e));
    good(b, batches_add(b->db, b->mem, &row, &seq, &b->e));
    return seq;
}

static void expect_same(const struct node_row *got, const struct node_row *want)
{
    assert_true(str_eq(got->stack, want->stack) && str_eq(got->component, want->component));
    assert_true(str_eq(got->workflow, want->workflow) && str_eq(got->inert, want->inert));
    assert_true(str_eq(got->inputs, want->inputs) && str_eq(got->guess, want->guess));
    assert_int_equal(got->run_class, want->run_class);
    assert_int_equal(got->level, want->level);
    assert_int_equal(got->expected_ms, want->expected_ms);
    assert_int_equal(got->state, want->state);
    assert_int_equal(got->attempt, want->attempt);
    assert_true(str_eq(got->run_id, want->run_id) && str_eq(got->gate, want->gate));
    assert_int_equal(got->cancel_wanted, want->cancel_wanted);
    assert_int_equal(got->not_before_ms, want->not_before_ms);
    assert_int_equal(got->tries, want->tries);
    assert_true(str_eq(got->error_code, want->error_code));
    assert_true(str_eq(got->error_text, want->error_text));
}

static void what_was_made_is_read_again_without_a_row(void **state)
{
    struct both *b = *state;
    struct node_row *n, *got;
    size_t count;
    prepare(b);
    n = some_nodes(b);
    int64_t seq = given_batch(b, n);
    assert_int_equal(number(b, "select count(*) from node", NO_ARGS), 0);
    good(b, nodes_of(b->db, b->mem, seq, &got, &count, &b->e));
    assert_int_equal(count, NODES);
    for (size_t i = 0; i < count; i++) {
        expect_same(&got[i], &n[i]);
        assert_int_equal(got[i].changed_ms, MADE_MS);
    }
}

static void what_became_of_one_is_its_row(void **state)
{
    struct both *b = *state;
    struct node_row *n, *got;
    size_t count;
    prepare(b);
    n = some_nodes(b);
    int64_t seq = given_batch(b, n);
    n[3].state = NODE_BLOCKED;
    n[3].gate = STR("{\"kind\":\"lock\"}");
    good(b, nodes_save(b->db, seq, 3, &n[3], LATER_MS, &b->e));
    n[3] = (struct node_row){ .stack = n[3].stack, .component = n[3].component,
                              .workflow = n[3].workflow, .inert = n[3].inert,
                              .inputs = n[3].inputs, .guess = n[3].guess,
                              .run_class = n[3].run_class, .level = n[3].level,
                              .expected_ms = n[3].expected_ms, .state = NODE_DISPATCHING,
                              .attempt = 2, .run_id = STR("run_1"), .cancel_wanted = true,
                              .not_before_ms = 77, .tries = 5, .error_code = STR("rate_limited"),
                              .error_text = STR("told to wait") };
    good(b, nodes_save(b->db, seq, 3, &n[3], LATER_MS + 1, &b->e));
    assert_int_equal(number(b, "select count(*) from node", NO_ARGS), 1);
    assert_int_equal(number(b,
                            "select count(*) from node where batch_seq = 1 and position = 3 and "
                            "component = 'vpc/ü-3' and workflow = 'plan-1.yaml' and run_class = 1 "
                            "and state = 'dispatching'",
                            NO_ARGS),
                     1);
    good(b, nodes_of(b->db, b->mem, seq, &got, &count, &b->e));
    for (size_t i = 0; i < count; i++)
        expect_same(&got[i], &n[i]);
    assert_int_equal(got[3].changed_ms, LATER_MS + 1);
    good(b, nodes_made(b->db, b->mem, seq, &got, &count, &b->e));
    assert_int_equal(got[3].state, NODE_WAITING);
}

static void an_older_batch_has_a_row_for_each(void **state)
{
    struct both *b = *state;
    struct node_row *got;
    size_t count;
    prepare(b);
    int64_t seq = given_batch(b, some_nodes(b));
    run(b, "update batch set made = null", NO_ARGS);
    for (int i = 0; i < 2; i++)
        run(b,
            "insert into node (batch_seq, position, stack, component, workflow, state, run_class, "
            "level, inputs, guess, expected_ms, changed_ms) values ($1, $2, 'dev', 'a', 'w.yaml', "
            "'waiting', 1, 4, '{}', 'apply', 9, 1)",
            ARGS(A(seq), A(i)));
    good(b, nodes_made(b->db, b->mem, seq, &got, &count, &b->e));
    assert_int_equal(count, 0);
    good(b, nodes_of(b->db, b->mem, seq, &got, &count, &b->e));
    assert_int_equal(count, 2);
    struct node_row want = { .stack = STR("dev"), .component = STR("a"), .workflow = STR("w.yaml"),
                             .state = NODE_WAITING, .run_class = 1, .level = 4,
                             .inputs = STR("{}"), .guess = STR("apply"), .expected_ms = 9 };
    expect_same(&got[1], &want);
    got[1].state = NODE_READY;
    good(b, nodes_save(b->db, seq, 1, &got[1], LATER_MS, &b->e));
    want.state = NODE_READY;
    good(b, nodes_of(b->db, b->mem, seq, &got, &count, &b->e));
    assert_int_equal(count, 2);
    expect_same(&got[1], &want);
}

static void what_a_row_could_not_hold_is_not_packed(void **state)
{
    struct both *b = *state;
    struct node_row *n = some_nodes(b);
    str made;
    n[2].workflow = STR("a\0b");
    bad(b, ERR_INVALID, nodes_pack(b->mem, n, NODES, &made, &b->e));
}

static void a_damaged_piece_is_refused(void **state)
{
    struct both *b = *state;
    struct node_row *got;
    size_t count;
    prepare(b);
    int64_t seq = given_batch(b, some_nodes(b));
    static const str damaged[] = {
        STR_INIT(""),                       STR_INIT("\0"),      STR_INIT("\0\1"),
        STR_INIT("\0\2\0"),                 STR_INIT("\0\1\1"),  STR_INIT("\0\1\0x"),
        STR_INIT("\0\1\1\1a\1b\x7f"),       STR_INIT("\0\1\xff\xff\xff\xff\x0f"),
        STR_INIT("\0\1\1\1a\1b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        run(b, "update batch set made = $1", ARGS(arg_blob(damaged[i])));
        bad(b, ERR_INTERNAL, nodes_of(b->db, b->mem, seq, &got, &count, &b->e));
    }
}

/* ---- what is shown --------------------------------------------------------------------------- */

/* The positions on a page, as "0,1,2", and where the next one begins. */
static str page(struct both *b, const char *state, int64_t limit, str *next)
{
    struct query q = { .workspace_id = STR("ws_a"), .batch_id = STR("batch_1"),
                       .state = str_of(state), .limit = limit, .after = *next };
    struct buf out, positions;
    struct json_out w;
    struct json items, one;
    buf_init(&out, b->mem, 1 << 20);
    buf_init(&positions, b->mem, 1 << 10);
    json_out_init(&w, &out);
    json_begin_array(&w);
    good(b, query_nodes(b->db, b->mem, &q, &w, next, &b->e));
    json_end_array(&w);
    good(b, json_parse(b->mem, buf_str(&out), 0, &items, &b->e));
    for (struct json_iter it = json_iter(items); json_next(&it, b->mem, NULL, &one);) {
        if (positions.len)
            buf_char(&positions, ',');
        buf_i64(&positions, json_i64_or(json_get(one, STR("position")), -1));
        if (state[0])
            assert_text(json_str(json_get(one, STR("state")), b->mem), state);
        assert_int_equal(json_i64_or(json_get(one, STR("level")), -1),
                         100 * json_i64_or(json_get(one, STR("position")), -1));
        assert_text(json_str(json_get(one, STR("guess")), b->mem), "plan");
    }
    return buf_str(&positions);
}

static void pages_show_each_node_once_with_its_row_or_without(void **state)
{
    struct both *b = *state;
    prepare(b);
    struct node_row *n = some_nodes(b);
    int64_t seq = given_batch(b, n);
    static const struct { int position; enum node_state state; } moved[] = {
        { 1, NODE_READY }, { 2, NODE_WAITING }, { 4, NODE_READY },
    };
    for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        n[moved[i].position].state = moved[i].state;
        good(b, nodes_save(b->db, seq, moved[i].position, &n[moved[i].position], 9, &b->e));
    }
    static const struct { const char *state; int64_t limit; const char *pages[5]; } table[] = {
        { "", 3, { "0,1,2", "3,4,5", "6" } },
        { "", 7, { "0,1,2,3,4,5,6" } },
        { "", 500, { "0,1,2,3,4,5,6" } },
        { "", 2, { "0,1", "2,3", "4,5", "6" } },
        { "waiting", 2, { "0,2", "3,5" } },
        { "waiting", 3, { "0,2,3", "5" } },
        { "ready", 1, { "1", "4" } },
        { "not_dispatched", 5, { "6" } },
        { "success", 5, { "" } },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        str next = STR("");
        for (int k = 0; k == 0 || next.len; k++) {
            assert_non_null(table[i].pages[k]);
            assert_text(page(b, table[i].state, table[i].limit, &next), table[i].pages[k]);
            assert_true(!next.len == !table[i].pages[k + 1]);
        }
    }
    /* Cursors that nobody gave out. */
    str after = STR("9223372036854775807");
    assert_text(page(b, "", 3, &after), "");
    after = STR("-9223372036854775808");
    assert_text(page(b, "", 3, &after), "0,1,2");
}

static void a_batch_counts_all_of_its_nodes(void **state)
{
    struct both *b = *state;
    prepare(b);
    struct node_row *n = some_nodes(b);
    int64_t seq = given_batch(b, n), *at;
    struct query q = { .workspace_id = STR("ws_a"), .limit = 1, .now_ms = LATER_MS };
    size_t count;
    for (int round = 0; round < 2; round++) {
        struct buf out;
        struct json_out w;
        struct json one;
        bool found;
        buf_init(&out, b->mem, 1 << 20);
        json_out_init(&w, &out);
        good(b, query_batch(b->db, b->mem, &q, STR("batch_1"), &w, &found, &b->e));
        good(b, json_parse(b->mem, buf_str(&out), 0, &one, &b->e));
        assert_true(found);
        assert_text(json_raw(json_get(one, STR("counts"))),
                    round ? "{\"waiting\":5,\"ready\":1,\"not_dispatched\":1}"
                          : "{\"waiting\":6,\"not_dispatched\":1}");
        n[5].state = NODE_READY;
        good(b, nodes_save(b->db, seq, 5, &n[5], LATER_MS, &b->e));
    }
    good(b, query_batch_positions(b->db, b->mem, seq, n[4].stack, n[4].component, STR(""), &at,
                                  &count, &b->e));
    assert_int_equal(count, 1);
    assert_int_equal(at[0], 4);
    good(b, query_batch_positions(b->db, b->mem, seq, n[4].stack, n[4].component,
                                  STR("plan-1.yaml"), &at, &count, &b->e));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_was_made_is_read_again_without_a_row), BOTH(what_became_of_one_is_its_row),
        BOTH(an_older_batch_has_a_row_for_each), BOTH(what_a_row_could_not_hold_is_not_packed),
        BOTH(a_damaged_piece_is_refused),
        BOTH(pages_show_each_node_once_with_its_row_or_without),
        BOTH(a_batch_counts_all_of_its_nodes),
    };
    return cmocka_run_group_tests_name("store nodes", tests, NULL, NULL);
}
