/* Where callbacks may go (runner.md §5.2). */
#include "given.h"

#include "runner/address.h"

static const char *const DEFAULTS[] = { NULL };
static const char *const HTTP[] = { "ALLOW_HTTP_CALLBACK", "true", "CALLBACK_ALLOWED_PORTS",
                                    "443,80", NULL };
static const char *const INSIDE[] = {
    "ALLOW_PRIVATE_CALLBACK", "true", "CALLBACK_ALLOWED_HOSTS",
    "127.0.0.1, localhost, 10.1.2.3,[::1],169.254.169.254,*.corp.example.com",
    "CALLBACK_ALLOWED_PORTS", "*", NULL,
};
static const char *const NAMED[] = { "CALLBACK_ALLOWED_HOSTS", "p.example.com,*.q.example.com",
                                     "CALLBACK_ALLOWED_PORTS", "443, 8443", NULL };

static const struct { const char *const *pairs, *url, *says; } ROWS[] = {
    { DEFAULTS, "https://p.example.com/callback", NULL },
    { DEFAULTS, "https://p.example.com", NULL },
    { DEFAULTS, "https://p.example.com?x=1", NULL },
    { DEFAULTS, "https://p.example.com:443/", NULL },
    { DEFAULTS, "https://140.82.121.4/", NULL },
    { DEFAULTS, "https://[2606:4700::1111]/", NULL },
    { DEFAULTS, "", "must begin with https" },
    { DEFAULTS, "HTTPS://p.example.com/", "must begin with https" },
    { DEFAULTS, "ftp://p.example.com/", "must begin with https" },
    { DEFAULTS, "http://p.example.com/", "must be https" },
    { DEFAULTS, "http://p.example.com:443/", "must be https" },
    { DEFAULTS, "http://127.0.0.1:443/", "not public" },
    { DEFAULTS, "https://", "no host" },
    { DEFAULTS, "https:///x", "no host" },
    { DEFAULTS, "https://:443/", "no host" },
    { DEFAULTS, "https://p.example.com:/", "no host" },
    { DEFAULTS, "https://p.example.com:0443/", "no host" },
    { DEFAULTS, "https://p.example.com:65536/", "no host" },
    { DEFAULTS, "https://p.example.com:+443/", "no host" },
    { DEFAULTS, "https://[::1/", "no host" },
    { DEFAULTS, "https://[::1]x/", "no host" },
    { DEFAULTS, "https://[::1]:/", "no host" },
    { DEFAULTS, "https://[p.example.com]/", "no host" },
    { DEFAULTS, "https://[fe80::1%25eth0]/", "no host" },
    { DEFAULTS, "https://p..example.com/", "no host" },
    { DEFAULTS, "https://p.example.com./", "no host" },
    { DEFAULTS, "https://-p.example.com/", "no host" },
    { DEFAULTS, "https://p%2eexample.com/", "no host" },
    { DEFAULTS, "https://user@p.example.com/", "user name" },
    { DEFAULTS, "https://user:word@p.example.com/", "user name" },
    { DEFAULTS, "https://p.example.com#@169.254.169.254/", "character" },
    { DEFAULTS, "https://p.example.com/#x", "character" },
    { DEFAULTS, "https://p.example.com\\@169.254.169.254/", "character" },
    { DEFAULTS, "https://p.example.com/ x", "character" },
    { DEFAULTS, "https://p.example.com/\r\nHost: x", "character" },
    { DEFAULTS, "https://p\xc3\xa9.example.com/", "character" },
    { DEFAULTS, "https://p.example.com:8443/", "CALLBACK_ALLOWED_PORTS" },
    { DEFAULTS, "https://169.254.169.254/latest/meta-data", "not public" },
    { DEFAULTS, "https://[::ffff:169.254.169.254]/", "not public" },
    { DEFAULTS, "https://[64:ff9b::a9fe:a9fe]/", "not public" },
    { DEFAULTS, "https://127.0.0.1/", "not public" },
    { DEFAULTS, "https://127.1/", "no host" },
    { DEFAULTS, "https://2130706433/", "no host" },
    { DEFAULTS, "https://0x7f000001/", "no host" },
    { DEFAULTS, "https://0177.0.0.1/", "no host" },
    { DEFAULTS, "https://10.0.0.1/", "not public" },
    { DEFAULTS, "https://192.168.1.1/", "not public" },
    { DEFAULTS, "https://[::1]/", "not public" },
    { DEFAULTS, "https://[fd00:ec2::254]/", "not public" },
    { DEFAULTS, "https://0.0.0.0/", "not public" },
    { DEFAULTS, "https://168.63.129.16/", "not public" },
    { HTTP, "http://p.example.com/", NULL },
    { HTTP, "http://127.0.0.1/", "not public" },
    { INSIDE, "http://127.0.0.1:9000/x", NULL },
    { INSIDE, "http://localhost:9000/x", NULL },
    { INSIDE, "http://[::1]:9000/x", NULL },
    { INSIDE, "https://10.1.2.3/x", NULL },
    { INSIDE, "http://10.1.2.3/x", "must be https" },
    { INSIDE, "https://a.corp.example.com/x", NULL },
    { INSIDE, "https://169.254.169.254/x", "not public" },
    { INSIDE, "https://10.1.2.4/x", "CALLBACK_ALLOWED_HOSTS" },
    { NAMED, "https://p.example.com/", NULL },
    { NAMED, "https://P.Example.COM/", NULL },
    { NAMED, "https://a.q.example.com:8443/", NULL },
    { NAMED, "https://q.example.com/", "CALLBACK_ALLOWED_HOSTS" },
    { NAMED, "https://aq.example.com/", "CALLBACK_ALLOWED_HOSTS" },
    { NAMED, "https://p.example.com.evil.net/", "CALLBACK_ALLOWED_HOSTS" },
};

static void an_address_is_judged_by_its_text(void **state)
{
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        GIVEN_ARENA(mem);
        struct runner_settings s;
        struct callback_place place;
        given_right_settings(mem, ROWS[i].pairs, &s);
        const char *why = callback_place(mem, &s, str_of(ROWS[i].url), &place);
        if (ROWS[i].says ? !why || !strstr(why, ROWS[i].says) : why != NULL)
            fail_msg("%s: %s", ROWS[i].url, why ? why : "accepted");
    }
}

static void a_long_address_is_refused(void **state)
{
    GIVEN_ARENA(mem);
    struct runner_settings s;
    struct callback_place place;
    given_right_settings(mem, NULL, &s);
    str url = arena_print(mem, "https://p.example.com/%02048d", 0);
    assert_non_null(callback_place(mem, &s, url, &place));
}

static void only_named_hosts_may_be_private(void **state)
{
    static const struct { const char *url; bool allowed; } row[] = {
        { "https://10.1.2.3/", true }, { "https://a.corp.example.com/", true },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        GIVEN_ARENA(mem);
        struct runner_settings s;
        struct callback_place place;
        given_right_settings(mem, INSIDE, &s);
        assert_null(callback_place(mem, &s, str_of(row[i].url), &place));
        assert_true(place.private_allowed == row[i].allowed);
        given_right_settings(mem, DEFAULTS, &s);
        if (!callback_place(mem, &s, str_of(row[i].url), &place))
            assert_false(place.private_allowed);
    }
}

/* localhost is in every resolver's own files: no network is needed. */
static void a_name_that_leads_inside_is_found_out(void **state)
{
    struct callback_place place = { .host = STR("localhost"), .port = 443, .is_https = true };
    const char *why = callback_lookup(&place, 30000);
    assert_non_null(why);
    assert_non_null(strstr(why, "not public"));
    place.private_allowed = true;
    assert_null(callback_lookup(&place, 30000));
}

/* Whether it can be looked up at all is not known here: the call will tell. */
static void a_name_that_is_not_known_in_time_is_not_refused(void **state)
{
    struct callback_place place = { .host = STR("no-such-host.invalid"), .port = 443 };
    assert_null(callback_lookup(&place, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_judged_by_its_text),
        cmocka_unit_test(a_long_address_is_refused),
        cmocka_unit_test(only_named_hosts_may_be_private),
        cmocka_unit_test(a_name_that_leads_inside_is_found_out),
        cmocka_unit_test(a_name_that_is_not_known_in_time_is_not_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
