/*
 * Who is behind a proxy: what trusted ones have added at the right of X-Forwarded-For counts, what
 * anybody may have written left of it does not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

#include "http/forwarded.h"

#define TEN "203.0.113.10"

static const struct { const char *trusted, *peer, *sent[4], *client; } CAME[] = {
    /* nobody is trusted, or not this one: what it says is what it says */
    { "", "198.51.100.7", { TEN }, "198.51.100.7" },
    { "", "unix", { TEN }, "unix" },
    { "10.0.0.0/8", "198.51.100.7", { TEN }, "198.51.100.7" },
    { "10.0.0.0/8", "unix", { TEN }, "unix" },
    { "unix", "127.0.0.1", { TEN }, "127.0.0.1" },
    /* one proxy */
    { "127.0.0.1", "127.0.0.1", { NULL }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { " , ,," }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { TEN }, TEN },
    { "unix", "unix", { TEN }, TEN },
    { "127.0.0.1", "127.0.0.1", { "  " TEN "\t" }, TEN },
    { "127.0.0.1", "127.0.0.1", { TEN ",," }, TEN },
    /* what stands left of it was sent by whoever came */
    { "127.0.0.1", "127.0.0.1", { "1.1.1.1, " TEN }, TEN },
    { "127.0.0.1", "127.0.0.1", { "127.0.0.1, " TEN }, TEN },
    { "127.0.0.1", "127.0.0.1", { "nonsense <b>, \"x\", " TEN }, TEN },
    { "127.0.0.1", "127.0.0.1", { "1.1.1.1", "2.2.2.2, 3.3.3.3", TEN }, TEN },
    /* a chain of trusted ones, in one header or in several */
    { "10.0.0.0/8 127.0.0.1", "127.0.0.1", { "6.6.6.6, " TEN ", 10.1.2.3" }, TEN },
    { "10.0.0.0/8,127.0.0.1", "127.0.0.1", { "6.6.6.6, " TEN, "10.1.2.3,10.4.5.6" }, TEN },
    { "10.0.0.0/8 127.0.0.1", "127.0.0.1", { TEN ", 11.0.0.1, 10.1.2.3" }, "11.0.0.1" },
    { "10.0.0.0/8", "10.0.0.1", { "10.0.0.3, 10.0.0.2" }, "10.0.0.3" },
    /* no address: whoever said so is the last one known */
    { "127.0.0.1", "127.0.0.1", { TEN ", unknown" }, "127.0.0.1" },
    { "127.0.0.1 10.0.0.0/8", "127.0.0.1", { TEN ", unknown, 10.0.0.9" }, "10.0.0.9" },
    { "127.0.0.1", "127.0.0.1", { TEN "/8" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "1.2.3" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "01.2.3.4" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "1.2.3.4.5" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "1.2.3.4 5.6.7.8" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "1.2.3.4;" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "unix" }, "127.0.0.1" },
    { "unix", "unix", { "unix, 0x7f.1" }, "unix" },
    /* ports, brackets, IPv6 */
    { "127.0.0.1", "127.0.0.1", { TEN ":51234" }, TEN },
    { "127.0.0.1", "127.0.0.1", { TEN ":" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { TEN ":65536" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { TEN ":1:2" }, "127.0.0.1" },
    { "127.0.0.1", "127.0.0.1", { "[" TEN "]:80" }, "127.0.0.1" },
    { "::1", "::1", { "2001:DB8:0::1" }, "2001:db8::1" },
    { "::1", "::1", { "[2001:db8::1]" }, "2001:db8::1" },
    { "::1", "::1", { "[2001:db8::1]:443" }, "2001:db8::1" },
    { "::1", "::1", { "[2001:db8::1" }, "::1" },
    { "::1", "::1", { "[]" }, "::1" },
    { "::1", "::1", { "[2001:db8::1]443" }, "::1" },
    { "::1", "::1", { "[2001:db8::1]:x" }, "::1" },
    { "::1", "::1", { "fe80::1%eth0" }, "::1" },
    { "::1", "::1", { "1:2:3:4:5:6:7:8:9" }, "::1" },
    { "2001:db8::/33", "2001:db8:7fff::1", { "2001:db8:8000::1" }, "2001:db8:8000::1" },
    { "2001:db8::/33", "2001:db8:8000::1", { TEN }, "2001:db8:8000::1" },
    /* one address, in both of its forms */
    { "127.0.0.1", "127.0.0.1", { "::ffff:203.0.113.10" }, TEN },
    { "::ffff:127.0.0.1", "127.0.0.1", { TEN }, TEN },
    { "10.0.0.0/8 127.0.0.1", "127.0.0.1", { TEN ", ::ffff:10.0.0.1" }, TEN },
    /* ranges end where they end */
    { "10.1.2.0/25", "10.1.2.127", { TEN }, TEN },
    { "10.1.2.0/25", "10.1.2.128", { TEN }, "10.1.2.128" },
    { "10.1.2.77/25", "10.1.2.3", { TEN }, TEN },
    { "10.1.2.3/32", "10.1.2.2", { TEN }, "10.1.2.2" },
    { "0.0.0.0/0", "10.1.2.3", { TEN ", 9.9.9.9" }, TEN },
    { "0.0.0.0/0", "2001:db8::1", { TEN }, "2001:db8::1" },
    { "::/0", "10.1.2.3", { TEN }, "10.1.2.3" },
    { "::1/64", "10.1.2.3", { TEN }, "10.1.2.3" },
};

static str client_of(struct arena *mem, const char *trusted, const char *peer,
                     const char *const *sent)
{
    struct proxies p;
    struct err e = { 0 };
    /* Others stand between and around them, and names have no case. */
    struct http_header h[16] = { { STR("Host"), STR("x") } };
    size_t n = 1;
    if (!proxies_read(mem, str_of(trusted), &p, &e))
        fail_msg("%s: %s", trusted, e.text);
    for (int i = 0; i < 4 && sent[i]; i++) {
        h[n++] = (struct http_header){ i ? STR("x-forwarded-FOR") : STR("X-Forwarded-For"),
                                       str_of(sent[i]) };
        h[n++] = (struct http_header){ STR("Forwarded"), STR("for=8.8.8.8") };
    }
    h[n++] = (struct http_header){ STR("X-Real-IP"), STR("8.8.4.4") };
    return forwarded_client(mem, &p, str_of(peer), h, n);
}

static void only_what_trusted_proxies_have_added_counts(void **state)
{
    struct arena *mem = arena_new(1 << 20, 1 << 20);
    for (size_t i = 0; i < sizeof CAME / sizeof *CAME; i++) {
        str got = client_of(mem, CAME[i].trusted, CAME[i].peer, CAME[i].sent);
        if (!str_eq(got, str_of(CAME[i].client)))
            fail_msg("row %zu: of \"%s\" by %s, where \"%s\" is trusted, came " PRI_STR
                     " instead of %s",
                     i, CAME[i].sent[0] ? CAME[i].sent[0] : "", CAME[i].peer, CAME[i].trusted,
                     FMT_STR(got), CAME[i].client);
    }
    arena_free(mem);
}

/* Whatever stands left of what a trusted proxy has added, the same one came. */
static void nothing_that_a_client_sends_changes_who_it_is(void **state)
{
    static const char letters[] = "0123456789abcdef.:,[]/ \t\"%unix-\x7f\xff";
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char sent[64];
        size_t len = 0, most = (seed = seed * 1103515245 + 12345) >> 16 & 31;
        while (len < most)
            sent[len++] = letters[((seed = seed * 1103515245 + 12345) >> 16) % (sizeof letters - 1)];
        snprintf(sent + len, sizeof sent - len, ", " TEN);
        struct arena *mem = arena_new(1 << 16, 1 << 16);
        const char *const all[4] = { sent };
        if (!str_eq(client_of(mem, "127.0.0.1 10.0.0.0/8", "127.0.0.1", all), STR(TEN)))
            fail_msg("%s", sent);
        snprintf(sent + len, sizeof sent - len, "%s", "");
        str any = client_of(mem, "127.0.0.1 10.0.0.0/8", "127.0.0.1", all);
        assert_in_range(any.len, 2, 45);        /* and what is garbage to its end is no more than an address */
        arena_free(mem);
    }
}

static void what_is_no_address_and_no_range_is_refused(void **state)
{
    static const char *const wrong[] = { "x", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/", "10.0.0.0/a",
                                         "/8", "[::1]", "127.0.0.1:80", "example.com", "10.0.0.1 x", "Unix",
                                         "1.2.3.4\t5.6.7.8", "10.0.0.0/8/8", "10.0.0.0/-1" };
    struct arena *mem = arena_new(1 << 20, 1 << 20);
    struct proxies p;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = { 0 };
        if (proxies_read(mem, str_of(wrong[i]), &p, &e))
            fail_msg("%s was taken", wrong[i]);
        assert_int_equal(e.code, ERR_INVALID);
        assert_true(str_has(str_of(e.text), STR("trusted_proxies must be")));
    }
    struct err e = { 0 };
    assert_true(proxies_read(mem, STR("  10.0.0.0/8,,::1   unix , 1.2.3.4 "), &p, &e));
    assert_int_equal(p.count, 3);
    assert_true(p.on_socket);
    assert_true(proxies_read(mem, STR(""), &p, &e));
    assert_int_equal(p.count, 0);
    assert_false(p.on_socket);
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_trusted_proxies_have_added_counts),
        cmocka_unit_test(nothing_that_a_client_sends_changes_who_it_is),
        cmocka_unit_test(what_is_no_address_and_no_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
