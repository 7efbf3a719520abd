/* What stands in the stream of changes: ids, differences, and the words of servers among themselves. */
#include "both.h"

#include "api/live.h"
#include "engine/inside.h"

static struct arena *mem;

static void only_an_id_of_this_life_of_the_server_is_known(void **state)
{
    static const struct { const char *text; bool ok; uint64_t seq; } table[] = {
        { "0123456789ab-7", true, 7 }, { "0123456789ab-0", true, 0 }, { "0123456789ab-9223372036854775807", true, INT64_MAX },
        { "0123456789ab-9223372036854775808", false, 0 }, { "0123456789ab--1", false, 0 }, { "0123456789ab-", false, 0 },
        { "0123456789ab", false, 0 }, { "", false, 0 }, { "-", false, 0 }, { "ffffffffffff-7", false, 0 }, { "0123456789ab-7 ", false, 0 },
        { "0123456789ab-0x7", false, 0 }, { "0123456789AB-7", false, 0 }, { "0123456789ab-7\n", false, 0 } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint64_t seq = 0;
        if (live_id_read("0123456789ab", str_of(table[i].text), &seq) != table[i].ok || (table[i].ok && seq != table[i].seq))
            stop_test("wrong for '%s'\n", table[i].text);
    }
}

static struct live_node node(int64_t position, const char *state, const char *reason)
{
    return (struct live_node){ .position = position, .state = str_of(state), .reason = str_of(reason), .run_id = STR(""), .attempt = 1 };
}

static void a_batch_is_told_by_what_changed_since(void **state)
{
    uint64_t told[4] = { 0 };
    struct watched w = { .id = "batch_x", .told = told, .nodes = 4 };
    struct live_node nodes[4] = { node(0, "running", ""), node(2, "locked", "locked by \"ana\"\n<b>") };
    struct live_batch b = { .state = STR("running"), .hold = STR(""), .node = nodes, .count = 2, .nodes = 4 };
    b.counts[NODE_RUNNING] = 1;
    b.counts[NODE_WAITING] = 3;
    assert_text(live_batch(mem, &w, &b, false),
                "{\"batchId\":\"batch_x\",\"state\":\"running\",\"counts\":{\"waiting\":3,\"running\":1},\"hold\":null,\"nodes\":["
                "[0,\"running\",null,null,1,null,null],[2,\"locked\",\"locked by \\\"ana\\\"\\n<b>\",null,1,null,null]]}");
    /* The same again is no news. */
    assert_int_equal(live_batch(mem, &w, &b, false).len, 0);
    /* Who comes new is told all that has moved; that is nothing new to the others. */
    assert_true(str_has(live_batch(mem, &w, &b, true), STR("[2,\"locked\"")));
    assert_int_equal(live_batch(mem, &w, &b, false).len, 0);
    nodes[1] = node(2, "running", "");
    nodes[1].run_id = STR("run_1");
    nodes[1].started_ms = 1700000000123;
    str news = live_batch(mem, &w, &b, false);
    assert_true(str_has(news, STR("\"nodes\":[[2,\"running\",null,\"run_1\",1,1700000000123,null]]}")));
    /* The head alone is news, too, and a node that is none of the batch's is not told. */
    b.hold = STR("12 stacks");
    nodes[0].position = 9;
    assert_true(str_has(live_batch(mem, &w, &b, false), STR("\"hold\":\"12 stacks\",\"nodes\":[]}")));
}

static void what_changed_is_said_by_kind_and_place(void **state)
{
    const int64_t repositories[] = { 3, 12 };
    const str batches[] = { STR("batch_a") };
    struct live_where w = { repositories, 2, batches, 1 };
    assert_text(live_changed(mem, 1u << NEWS_BATCHES | 1u << NEWS_MEMBERS, &w),
                "{\"kinds\":[\"batches\",\"members\"],\"batches\":[\"batch_a\"],\"repositories\":[3,12]}");
    static struct live l;
    memcpy(l.boot, "0123456789ab", 13);
    assert_text(live_event(&l, mem, 5, "changed", STR("{}")), "id: 0123456789ab-5\nevent: changed\ndata: {}\n\n");
    assert_text(live_event(&l, mem, 0, "bye", STR("{}")), "event: bye\ndata: {}\n\n");
}

static void servers_understand_each_other(void **state)
{
    const struct db_note notes[] = { { DB_NOTE_WORKSPACE, INT64_MIN }, { DB_NOTE_REPOSITORY, 7 }, { DB_NOTE_BATCH, INT64_MAX } };
    const struct engine_news sent = { .kinds = 1u << NEWS_LOCKS | 1u << NEWS_RUNS, .any_batch = true, .count = 3, .note = notes };
    struct db_note note[DB_NOTES_MAX];
    struct engine_news got;
    str server;
    assert_true(news_read(news_write(mem, STR("srv_1"), &sent), &server, &got, note));
    assert_text(server, "srv_1");
    assert_int_equal(got.kinds, sent.kinds);
    assert_true(got.any_batch && !got.more && !got.lost);
    assert_int_equal(got.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(note[i].of == notes[i].of && note[i].id == notes[i].id);
}

static void a_message_that_is_not_understood_means_anything(void **state)
{
    static const struct { const char *text; bool ok, lost, more; unsigned kinds; } table[] = {
        { "live srv locks,  r1,", true, false, false, 1u << NEWS_LOCKS }, { "live srv locks,novel,  r1,", true, true, false, 1u << NEWS_LOCKS },
        { "live srv locks,  x1,", true, false, true, 1u << NEWS_LOCKS }, { "live srv locks,  r,", true, false, true, 1u << NEWS_LOCKS },
        { "live srv locks,  r99999999999999999999,", true, false, true, 1u << NEWS_LOCKS }, { "live srv  l ", true, true, false, 0 },
        { "live srv", true, false, false, 0 }, { "live ", false, false, false, 0 }, { "", false, false, false, 0 },
        { "12", false, false, false, 0 }, { "reload 3", false, false, false, 0 }, { "LIVE srv locks, ", false, false, false, 0 } };
    struct db_note note[DB_NOTES_MAX];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct engine_news n;
        str server;
        bool ok = news_read(str_of(table[i].text), &server, &n, note);
        if (ok != table[i].ok || (ok && (n.lost != table[i].lost || n.more != table[i].more || n.kinds != table[i].kinds)))
            stop_test("wrong for '%s'\n", table[i].text);
    }
}

int main(void)
{
    mem = arena_new(1 << 20, 1 << 24);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_id_of_this_life_of_the_server_is_known), cmocka_unit_test(a_batch_is_told_by_what_changed_since),
        cmocka_unit_test(what_changed_is_said_by_kind_and_place), cmocka_unit_test(servers_understand_each_other),
        cmocka_unit_test(a_message_that_is_not_understood_means_anything),
    };
    int failed = cmocka_run_group_tests_name("api live", tests, NULL, NULL);
    arena_free(mem);
    return failed;
}
