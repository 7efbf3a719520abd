/*
 * Steps of the engine one by one: what may happen within one of them, which no test with threads
 * can bring about on purpose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail

#include "base/log.h"
#include "machine.h"
#include "forge/forge.h"

enum { CALLS = 64 };

/* Calls wait here until the test answers them. */
struct under_way {
    enum forge_call_kind kind;
    char component[16];
    forge_done *done;
    void *ctx;
};

static struct under_way under_way[CALLS];
static size_t calls;
static char dir[64], url[96];

static void call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    struct under_way *u = &under_way[calls++];
    (void)self;
    assert_true(calls < CALLS);
    *u = (struct under_way){.kind = c->kind, .done = done, .ctx = ctx};
    for (size_t i = 0; i < c->input_count; i++)
        if (str_eq(c->inputs[i].name, STR("component")))
            snprintf(u->component, sizeof u->component, PRI_STR, FMT_STR(c->inputs[i].value));
}

static int64_t not_before_ms;

static void answer(struct under_way *u, enum forge_outcome outcome, const char *result)
{
    struct forge_answer a = {.outcome = outcome,
                             .status = 200,
                             .result = str_of(result),
                             .message = STR("so it is"),
                             .not_before_ms = outcome == FORGE_LIMITED ? not_before_ms : 0};
    forge_done *done = u->done;
    assert_non_null(done);
    u->done = NULL;
    done(u->ctx, &a);
}

static bool furnish(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "insert into workspace (id, name, created_ms) values ('ws', 'w', 1)", NO_ARGS) &&
           db_exec(db, e, NULL,
                   "insert into repository (workspace_id, forge_id, host, owner, name, "
                   "installation_id, created_ms) values ('ws', 1, 'github.com', 'acme', 'infra', "
                   "5, 1)",
                   NO_ARGS);
}

static struct forge_port port = {.call = call};

static int begin(void **state)
{
    struct err e = {0};
    (void)state;
    calls = 0;
    not_before_ms = 0;
    log_setup((enum log_level)(LOG_ERROR + 1), false);
    snprintf(dir, sizeof dir, "/tmp/signalbox-turns-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(url, sizeof url, "sqlite:%s/t.db", dir);
    machine = (struct machine){.now_ms = 1795000000000, .chance = 7};
    struct engine_config c = {.database = str_of(url),
                              .workspace_id = STR("ws"),
                              .public_url = STR("https://box.example"),
                              .forge = &port,
                              .find_settle_ms = 2000};
    if (!machine_start(&c, &e) || !engine_write_wait(machine.engine, furnish, NULL, &e)) {
        print_error("%s\n", e.text);
        return -1;
    }
    machine_turns(100);
    return 0;
}

static int end(void **state)
{
    char path[128];
    (void)state;
    for (size_t i = 0; i < calls; i++)
        if (under_way[i].done)
            answer(&under_way[i], FORGE_NOT_SENT, "{}");
    machine_stop();
    const char *const files[] = {"t.db", "t.db-wal", "t.db-shm", "t.db.lock"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static void command(const char *json)
{
    engine_submit(machine.engine,
                  &(struct fact_new){.lane = 1, .kind = "order", .body = str_of(json)}, NULL,
                  NULL);
    machine_turns(100);
}

static void order(const char *component)
{
    char json[300];
    snprintf(json, sizeof json,
             "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"%s\",\"workflow\":"
             "\"apply.yaml\",\"inputs\":{\"component\":\"%s\"}}",
             component, component);
    command(json);
}

/* The one number that it gives; the one text, in `text`. */
static int64_t ask(const char *sql, char *text, size_t size)
{
    struct err e = {0};
    struct db_rows r;
    struct arena *mem = arena_new(1 << 16, 1 << 20);
    struct db *db = engine_read(machine.engine, &e);
    assert_non_null(db);
    assert_true(db_query_(db, mem, &e, &r, sql, NULL, 0));
    engine_read_done(machine.engine, db);
    int64_t n = r.count ? db_at(&r, 0, 0)->i : -1;
    if (r.count && text)
        snprintf(text, size, PRI_STR, FMT_STR(db_at(&r, 0, 0)->s));
    arena_free(mem);
    return n;
}

/* The newest call of this kind that is still under way. */
static struct under_way *latest(enum forge_call_kind kind)
{
    for (size_t i = calls; i-- > 0;)
        if (under_way[i].kind == kind && under_way[i].done)
            return &under_way[i];
    return NULL;
}

static size_t count(size_t from, enum forge_call_kind kind)
{
    size_t n = 0;
    for (size_t i = from; i < calls; i++)
        n += under_way[i].kind == kind;
    return n;
}

static void later(int64_t ms)
{
    machine.now_ms += ms;
    machine_tick();
    machine_turns(100);
}

static void workflow_is_read(void)
{
    struct under_way *u = latest(FORGE_READ_FILE);
    assert_non_null(u);
    answer(u, FORGE_OK,
           "{\"found\":true,\"blob\":\"b\",\"etag\":\"e\",\"text\":\"run-name: ${{ "
           "inputs.atmos_pro_run_id }}\\non:\\n  workflow_dispatch:\\n    inputs:\\n      "
           "component: {type: string}\\n      atmos_pro_run_id: {type: string}\\njobs: {}\\n\"}");
    machine_turns(100);
}

/*
 * A dispatch that is sent again is an effect whose time has come: the look at all open effects, in
 * the same step, must leave it alone.
 */
static void an_effect_prepared_in_one_step_is_not_prepared_again_in_it(void **state)
{
    (void)state;
    /* Given two dispatches whose answers were lost, and both runs looked for. */
    order("a");
    workflow_is_read();
    order("b");
    struct under_way *a = &under_way[calls - 2], *b = &under_way[calls - 1];
    assert_string_equal(a->component, "a");
    assert_string_equal(b->component, "b");
    answer(a, FORGE_LOST, "{}");
    answer(b, FORGE_LOST, "{}");
    machine_turns(100);
    later(2000);
    b = latest(FORGE_FIND_RUNS);
    answer(b, FORGE_LOST, "{}");
    machine_turns(100);
    a = latest(FORGE_FIND_RUNS);

    /* When the first is known to be missing just as it is time to look for the second again. */
    size_t before = calls;
    machine.now_ms += 2000;
    answer(a, FORGE_OK, "{\"runs\":[]}");
    machine_turns(100);

    /* Then each is called for once. */
    assert_int_equal(count(before, FORGE_DISPATCH), 1);
    assert_int_equal(count(before, FORGE_FIND_RUNS), 1);
    assert_int_equal(calls - before, 2);
}

static void a_dispatch_that_is_refused_lets_the_next_one_have_the_instance(void **state)
{
    (void)state;
    order("a");
    workflow_is_read();
    order("a");
    assert_int_equal(count(0, FORGE_DISPATCH), 1);
    answer(latest(FORGE_DISPATCH), FORGE_REFUSED, "{}");
    machine_turns(100);
    assert_int_equal(count(0, FORGE_DISPATCH), 2);
}

static void a_dispatch_that_was_not_sent_lets_the_next_one_have_the_instance(void **state)
{
    (void)state;
    order("a");
    workflow_is_read();
    order("a");
    answer(latest(FORGE_DISPATCH), FORGE_NOT_SENT, "{}");
    machine_turns(100);
    assert_int_equal(count(0, FORGE_DISPATCH), 2);
}

/* The last answer of a batch that was cancelled: it is over, and waits for no budget. */
static void a_batch_that_ends_while_it_is_told_to_wait_is_not_held(void **state)
{
    char id[64] = "", json[128];
    (void)state;
    order("a");
    workflow_is_read();
    ask("select id from batch", id, sizeof id);
    snprintf(json, sizeof json, "{\"order\":\"cancel\",\"batch\":\"%s\"}", id);
    command(json);
    answer(latest(FORGE_DISPATCH), FORGE_LIMITED, "{}");
    machine_turns(100);
    assert_int_equal(ask("select count(*) from batch where state = 'ended'", NULL, 0), 1);
    assert_int_equal(ask("select count(*) from hold where lifted_ms is null", NULL, 0), 0);
    assert_int_equal(ask("select count(*) from claim where wanted > 0", NULL, 0), 0);
}

/* The forge is not asked every two seconds for an hour. */
static void who_looks_for_a_run_waits_as_long_as_was_told(void **state)
{
    (void)state;
    order("a");
    workflow_is_read();
    answer(latest(FORGE_DISPATCH), FORGE_LOST, "{}");
    machine_turns(100);
    later(2000);
    not_before_ms = machine.now_ms + 3600000;
    answer(latest(FORGE_FIND_RUNS), FORGE_LIMITED, "{}");
    machine_turns(100);
    size_t before = calls;
    for (int i = 0; i < 10; i++)
        later(60000);
    assert_int_equal(count(before, FORGE_FIND_RUNS), 0);
    later(3600000);
    assert_int_equal(count(before, FORGE_FIND_RUNS), 1);
}

/* Its time is over when its answer is applied: the next one may go at once. */
static void an_order_to_wait_that_is_applied_late_waits_no_longer(void **state)
{
    (void)state;
    order("a");
    workflow_is_read();
    not_before_ms = machine.now_ms + 1000;
    answer(latest(FORGE_DISPATCH), FORGE_LIMITED, "{}");
    machine.now_ms += 5000;
    machine_turns(100);
    assert_true(ask("select blocked_until_ms from quota", NULL, 0) <= machine.now_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_effect_prepared_in_one_step_is_not_prepared_again_in_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_dispatch_that_is_refused_lets_the_next_one_have_the_instance, begin, end),
        cmocka_unit_test_setup_teardown(
            a_dispatch_that_was_not_sent_lets_the_next_one_have_the_instance, begin, end),
        cmocka_unit_test_setup_teardown(who_looks_for_a_run_waits_as_long_as_was_told, begin, end),
        cmocka_unit_test_setup_teardown(an_order_to_wait_that_is_applied_late_waits_no_longer,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_batch_that_ends_while_it_is_told_to_wait_is_not_held,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
