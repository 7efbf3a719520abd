/*
 * The client: what it sends, what it makes of answers, and above all what it says when there is
 * none.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "http/client_inside.h"
#include "peer.h"

static struct peer_server peer;
static struct http_client *client;
static struct arena *mem;

static const char *url_of(const struct peer_server *p, const char *path)
{
    return arena_print(mem, "%s://127.0.0.1:%u%s", p->tls ? "https" : "http", p->port, path).ptr;
}

static struct http_answer call(struct http_call c)
{
    struct http_answer a;
    if (!c.timeout_ms)
        c.timeout_ms = PATIENCE_MS;
    http_call_wait(client, mem, &c, &a);
    return a;
}

static struct http_answer get(const char *path)
{
    return call((struct http_call){ .method = HTTP_GET, .url = str_of(url_of(&peer, path)) });
}

/* ---- plain calls ---- */

static void an_answer_has_status_headers_and_body(void **state)
{
    struct http_answer a = get("/ok");
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_true(str_eq(a.body, STR("ok")));
    assert_true(str_eq(http_answer_header(&a, STR("x-peer")), STR("yes")));
    assert_null(http_answer_header(&a, STR("absent")).ptr);
    assert_false(a.cut);
}

static void interim_answers_are_not_mistaken_for_the_answer(void **state)
{
    struct http_answer a = get("/early");
    assert_int_equal(a.status, 200);
    assert_null(http_answer_header(&a, STR("x-early")).ptr);
}

static const struct { enum http_method method; const char *body; const char *seen; } SENT[] = {
    { HTTP_GET, NULL, " GET /ok {} \n" },
    { HTTP_HEAD, NULL, " HEAD /ok {} \n" },
    { HTTP_OPTIONS, NULL, " OPTIONS /ok {} \n" },
    { HTTP_POST, "one", " POST /ok {one} \n" },
    { HTTP_POST, NULL, " POST /ok {} \n" },
    { HTTP_PUT, "two", " PUT /ok {two} \n" },
    { HTTP_PATCH, "three", " PATCH /ok {three} \n" },
    { HTTP_DELETE, NULL, " DELETE /ok {} \n" },
    { HTTP_DELETE, "four", " DELETE /ok {four} \n" },
};

static void each_method_is_sent_as_asked(void **state)
{
    for (size_t i = 0; i < sizeof SENT / sizeof *SENT; i++) {
        int before = peer_seen(&peer, SENT[i].seen);
        struct http_answer a = call((struct http_call){ .method = SENT[i].method,
                                                        .url = str_of(url_of(&peer, "/ok")),
                                                        .body = str_of(SENT[i].body) });
        if (a.outcome != HTTP_ANSWERED || a.status != 200)
            fail_msg("%s: %s", SENT[i].seen, a.why);
        if (peer_seen(&peer, SENT[i].seen) != before + 1)
            fail_msg("not seen: %s\n%s", SENT[i].seen, peer.log);
    }
    struct http_header typed = { STR("Content-Type"), STR("application/json") };
    call((struct http_call){ .method = HTTP_POST,
                             .url = str_of(url_of(&peer, "/ok?typed")),
                             .body = STR("{}"),
                             .headers = &typed,
                             .header_count = 1 });
    assert_int_equal(peer_seen(&peer, " POST /ok?typed {{}} TYPED\n"), 1);
}

static void an_answer_past_its_bound_is_cut_and_said_so(void **state)
{
    struct http_answer a =
        call((struct http_call){ .url = str_of(url_of(&peer, "/flood")), .body_max = 1000 });
    assert_int_equal(a.outcome, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 1000);
    assert_true(a.cut);
    a = call((struct http_call){ .url = str_of(url_of(&peer, "/flood")), .body_max = 65536 });
    assert_int_equal(a.body.len, 65536);
    assert_false(a.cut);
}

/* ---- no answer ---- */

static const struct {
    const char *given;
    const char *path;
    enum http_method method;
    enum http_outcome outcome;
    int64_t timeout_ms;
} UNANSWERED[] = {
    { "the other side reads and closes", "/gone", HTTP_POST, HTTP_UNKNOWN, 0 },
    { "… a call that changes nothing", "/gone", HTTP_GET, HTTP_UNKNOWN, 0 },
    { "the other side says nothing", "/silent", HTTP_POST, HTTP_UNKNOWN, 4000 },
    { "the answer breaks off", "/cut", HTTP_GET, HTTP_UNKNOWN, 0 },
    { "too many header lines", "/headers", HTTP_GET, HTTP_UNKNOWN, 0 },
};

static void after_bytes_have_left_the_outcome_is_unknown(void **state)
{
    for (size_t i = 0; i < sizeof UNANSWERED / sizeof *UNANSWERED; i++) {
        struct http_answer a =
            call((struct http_call){ .method = UNANSWERED[i].method,
                                     .url = str_of(url_of(&peer, UNANSWERED[i].path)),
                                     .timeout_ms = UNANSWERED[i].timeout_ms });
        if (a.outcome != UNANSWERED[i].outcome || a.status != 0 || !a.why[0])
            fail_msg("%s: outcome %d, status %d, %s", UNANSWERED[i].given, (int)a.outcome, a.status,
                     a.why);
    }
}

static void what_never_left_is_not_sent(void **state)
{
    static const struct http_header LINE_END = { STR_INIT("X-A"), STR_INIT("b\r\nX-Planted: c") };
    static const struct http_header BAD_NAME = { STR_INIT("X A"), STR_INIT("b") };
    uint16_t refusing;
    int held = peer_refusing(&refusing);
    const char *closed = arena_print(mem, "http://127.0.0.1:%u/ok", refusing).ptr;
    const struct http_call calls[] = {
        { .url = str_of(closed), .method = HTTP_POST, .body = STR("x") },
        { .url = STR("ftp://127.0.0.1/x") },
        { .url = STR("file:///etc/passwd") },
        { .url = STR("127.0.0.1/x") },
        { .url = STR("http://127.0.0.1:99999/") },
        /* TLS with somebody who never says a word of it */
        { .url = str_of(arena_print(mem, "https://127.0.0.1:%u/ok", peer.port).ptr),
          .method = HTTP_POST, .body = STR("x"), .timeout_ms = 300 },
        { .url = str_of(url_of(&peer, "/blank here")) },
        { .url =
              str_of(arena_print(mem, "http://user:secret@127.0.0.1:%u/ok?user", peer.port).ptr) },
        { .url = str_of(url_of(&peer, "/ok?planted")), .headers = &LINE_END, .header_count = 1 },
        { .url = str_of(url_of(&peer, "/ok?planted")), .headers = &BAD_NAME, .header_count = 1 },
        { .url = str_of(url_of(&peer, "/ok?planted")), .method = HTTP_OTHER },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct http_answer a = call(calls[i]);
        if (a.outcome != HTTP_NOT_SENT || !a.why[0])
            fail_msg("call %zu: outcome %d, %s", i, (int)a.outcome, a.why);
    }
    assert_int_equal(peer_seen(&peer, "planted"), 0);
    assert_int_equal(peer_seen(&peer, "?user"), 0);
    close(held);
}

/* curl sends again by itself when a kept connection dies under a request. Then the first one may
 * have taken effect. */
static void
a_call_that_changes_something_is_sent_once_even_when_a_kept_connection_dies(void **state)
{
    static const enum http_method CHANGING[] = { HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };
    for (size_t i = 0; i < 8; i++) {
        struct peer_server one;
        peer_start(&one, NULL);
        struct http_answer a = call((struct http_call){ .url = str_of(url_of(&one, "/ok")) });
        assert_int_equal(a.status, 200);
        a = call((struct http_call){ .method = CHANGING[i % 4],
                                     .url = str_of(url_of(&one, "/gone")),
                                     .body = i < 4 ? STR("effect") : STR_NONE });
        assert_int_equal(peer_seen(&one, "#1 GET /ok"), 1);
        assert_int_equal(peer_seen(&one, "/gone"), 1);
        assert_int_equal(peer_seen(&one, i < 4 ? "/gone {effect}" : "/gone {}"), 1);
        assert_int_equal(a.outcome, HTTP_UNKNOWN);
        assert_non_null(strstr(a.why, "not sent again"));
        peer_stop(&one);
    }
}

static void reading_calls_are_repeated_on_a_fresh_connection(void **state)
{
    struct peer_server one;
    peer_start(&one, NULL);
    call((struct http_call){ .url = str_of(url_of(&one, "/ok")) });
    call((struct http_call){ .url = str_of(url_of(&one, "/gone")) });
    assert_int_equal(peer_seen(&one, "#1 GET /gone"), 1);
    assert_int_equal(peer_seen(&one, "#2 GET /gone"), 1);
    peer_stop(&one);
}

/* ---- where to ---- */

static const struct { const char *address; bool is_public; } PLACES[] = {
    { "1.1.1.1", true },          { "140.82.121.4", true },       { "172.32.0.1", true },
    { "0.0.0.0", false },         { "10.1.2.3", false },          { "100.64.0.1", false },
    { "100.128.0.1", true },      { "127.0.0.1", false },         { "127.255.255.255", false },
    { "169.254.169.254", false }, { "172.16.0.1", false },        { "172.31.255.255", false },
    { "192.168.1.1", false },     { "192.169.1.1", true },        { "198.19.0.1", false },
    { "224.0.0.1", false },       { "255.255.255.255", false },   { "2606:4700::1111", true },
    { "::", false },              { "::1", false },               { "::ffff:10.0.0.1", false },
    { "::ffff:1.1.1.1", true },   { "64:ff9b::7f00:1", false },   { "64:ff9b::101:101", true },
    { "fe80::1", false },         { "fc00::1", false },           { "fd12::1", false },
    { "ff02::1", false },         { "2001:db8::1", false },       { "2002:7f00:1::", false },
    { "2001::1", false },         { "2001:4860:4860::8888", true }, { "::7f00:1", false },
};

static void addresses_inside_are_told_from_public_ones(void **state)
{
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        bool is_4 = inet_pton(AF_INET, PLACES[i].address, &v4.sin_addr) == 1;
        assert_true(is_4 || inet_pton(AF_INET6, PLACES[i].address, &v6.sin6_addr) == 1);
        const void *a = is_4 ? (void *)&v4 : (void *)&v6;
        if (address_is_public(a) != PLACES[i].is_public)
            fail_msg("%s", PLACES[i].address);
    }
}

static const struct { const char *address; bool allowed, with_private; } TYPED[] = {
    { "1.1.1.1", true, true },          { "127.0.0.1", false, true },     { "10.1.2.3", false, true },
    { "172.31.0.1", false, true },      { "192.168.1.1", false, true },   { "100.64.0.1", false, true },
    { "::1", false, true },             { "fd12::1", false, true },       { "::ffff:10.0.0.1", false, true },
    { "2606:4700::1111", true, true },  { "0.0.0.0", false, false },      { "224.0.0.1", false, false },
    { "169.254.169.254", false, false }, { "::ffff:169.254.169.254", false, false },
    { "64:ff9b::a9fe:a9fe", false, false }, { "fe80::1", false, false },  { "::", false, false },
    { "100.100.100.200", false, false }, { "168.63.129.16", false, false }, { "192.0.0.192", false, false },
    { "fd00:ec2::254", false, false },  { "fd20:ce::254", false, false }, { "ff02::1", false, false },
    { "198.18.0.1", false, false },     { "255.255.255.255", false, false },
};

static void an_operator_may_open_private_places_but_no_metadata(void **state)
{
    for (size_t i = 0; i < sizeof TYPED / sizeof *TYPED; i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        bool is_4 = inet_pton(AF_INET, TYPED[i].address, &v4.sin_addr) == 1;
        assert_true(is_4 || inet_pton(AF_INET6, TYPED[i].address, &v6.sin6_addr) == 1);
        const void *a = is_4 ? (void *)&v4 : (void *)&v6;
        if (http_address_allowed(a, false) != TYPED[i].allowed ||
            http_address_allowed(a, true) != TYPED[i].with_private)
            fail_msg("%s", TYPED[i].address);
    }
}

static void a_typed_address_never_leads_inside(void **state)
{
    int before = peer.connections;
    const char *ways[] = { "127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]" };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *url = arena_print(mem, "http://%s:%u/ok?typed", ways[i], peer.port).ptr;
        struct http_answer a = call((struct http_call){ .url = str_of(url), .public_only = true });
        if (a.outcome != HTTP_NOT_SENT || !strstr(a.why, "not a public one"))
            fail_msg("%s: %d, %s", ways[i], (int)a.outcome, a.why);
    }
    /* also not over a connection that a trusted call has left open */
    assert_int_equal(get("/ok").status, 200);
    struct http_answer a = call((struct http_call){ .url = str_of(url_of(&peer, "/ok?typed")),
                                                    .public_only = true });
    assert_int_equal(a.outcome, HTTP_NOT_SENT);
    assert_int_equal(peer_seen(&peer, "/ok?typed {"), peer_seen(&peer, "POST /ok?typed {"));
    assert_in_range(peer.connections, before, before + 1);
}

static void sockets_are_not_inherited(void **state)
{
    assert_int_equal(get("/ok").status, 200);
    int found = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in a = { 0 };
        socklen_t len = sizeof a;
        if (getpeername(fd, (struct sockaddr *)&a, &len) || ntohs(a.sin_port) != peer.port)
            continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_true(found > 0);
}

/* ---- redirects ---- */

static const struct {
    const char *path;
    enum http_method method;
    bool follow;
    int status;
    const char *last;
} HOPS[] = {
    { "/hop/3/302", HTTP_GET, true, 200, "GET /hop/0/302" },
    { "/hop/4/301", HTTP_GET, true, 301, "GET /hop/1/301" },
    { "/hop/1/302", HTTP_GET, false, 302, "GET /hop/1/302" },
    { "/hop/1/307", HTTP_POST, true, 200, "POST /hop/0/307 {body}" },
    { "/hop/1/308", HTTP_POST, true, 200, "POST /hop/0/308 {body}" },
    { "/hop/1/302", HTTP_POST, true, 302, "POST /hop/1/302 {body}" },
    { "/hop/1/303", HTTP_POST, true, 200, "GET /hop/0/303 {}" },
};

static void redirects_are_followed_when_asked_three_times_within_the_host(void **state)
{
    for (size_t i = 0; i < sizeof HOPS / sizeof *HOPS; i++) {
        struct peer_server one;
        peer_start(&one, NULL);
        struct http_answer a = call(
            (struct http_call){ .method = HOPS[i].method,
                                .url = str_of(url_of(&one, HOPS[i].path)),
                                .follow = HOPS[i].follow,
                                .body = HOPS[i].method == HTTP_POST ? STR("body") : STR_NONE });
        const char *last = strstr(one.log, HOPS[i].last);
        if (a.status != HOPS[i].status || !last || !strchr(last, '\n') || strchr(last, '\n')[1])
            fail_msg("%s: %d\n%s", HOPS[i].path, a.status, one.log);
        peer_stop(&one);
    }
}

static void a_redirect_to_another_host_is_handed_back(void **state)
{
    struct peer_server other;
    peer_start(&other, NULL);
    snprintf(peer.away, sizeof peer.away, "%s", url_of(&other, "/ok"));
    struct http_answer a =
        call((struct http_call){ .url = str_of(url_of(&peer, "/away")), .follow = true });
    assert_int_equal(a.status, 302);
    assert_true(str_eq(http_answer_header(&a, STR("location")), str_of(peer.away)));
    snprintf(peer.away, sizeof peer.away, "file:///etc/passwd");
    a = call((struct http_call){ .url = str_of(url_of(&peer, "/away")), .follow = true });
    assert_int_equal(a.status, 302);
    assert_int_equal(other.connections, 0);
    peer_stop(&other);
}

/* ---- many at once, and the end ---- */

struct tally {
    atomic_int outcomes[3];
    atomic_int total;
    struct http_client *client;
    const char *next;
};

static void count_answer(void *ctx, const struct http_answer *a)
{
    struct tally *t = ctx;
    atomic_fetch_add(&t->outcomes[a->outcome], 1);
    atomic_fetch_add(&t->total, 1);
}

static bool total_becomes(struct tally *t, int want)
{
    for (int i = 0; i < PATIENCE_MS / 10 && atomic_load(&t->total) < want; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return atomic_load(&t->total) == want;
}

static void start_many(struct http_client *c, struct tally *t, const char *url, int n)
{
    for (int i = 0; i < n; i++)
        http_call_start(c, &(struct http_call){ .method = HTTP_POST,
                                                .url = str_of(url),
                                                .body = STR("x"),
                                                .done = count_answer,
                                                .ctx = t,
                                                .timeout_ms = 2 * PATIENCE_MS });
}

static void a_hundred_calls_run_at_once(void **state)
{
    struct peer_server one;
    peer_start(&one, NULL);
    struct tally t = { 0 };
    one.gather = 51;
    start_many(client, &t, url_of(&one, "/slow"), 100);
    assert_true(total_becomes(&t, 100));
    assert_int_equal(atomic_load(&t.outcomes[HTTP_ANSWERED]), 100);
    assert_true(one.most_at_once > 50);
    peer_stop(&one);
}

static void connections_to_one_host_are_bounded(void **state)
{
    struct peer_server one;
    peer_start(&one, NULL);
    struct http_client *few;
    struct err e = { 0 };
    assert_true(http_client_start(&(struct http_client_config){ .per_host_max = 3 }, &few, &e));
    struct tally t = { 0 };
    one.gather = 3;
    start_many(few, &t, url_of(&one, "/slow"), 12);
    assert_true(total_becomes(&t, 12));
    assert_int_equal(atomic_load(&t.outcomes[HTTP_ANSWERED]), 12);
    assert_int_equal(one.most_at_once, 3);
    http_client_stop(few);
    peer_stop(&one);
}

static void stopping_answers_every_call_once_and_truthfully(void **state)
{
    struct peer_server one;
    peer_start(&one, NULL);
    struct http_client *few;
    struct err e = { 0 };
    assert_true(http_client_start(&(struct http_client_config){ .per_host_max = 2 }, &few, &e));
    struct tally t = { 0 };
    start_many(few, &t, url_of(&one, "/silent"), 10);
    for (int i = 0; i < PATIENCE_MS / 10 && peer_seen(&one, "POST /silent {x}") < 2; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    int64_t began = raw_ms();
    http_client_stop(few);
    assert_true(raw_ms() - began < PATIENCE_MS);
    assert_int_equal(atomic_load(&t.total), 10);
    assert_int_equal(atomic_load(&t.outcomes[HTTP_UNKNOWN]), 2);
    assert_int_equal(atomic_load(&t.outcomes[HTTP_NOT_SENT]), 8);
    peer_stop(&one);
}

static void again_until_three(void *ctx, const struct http_answer *a)
{
    struct tally *t = ctx;
    atomic_fetch_add(&t->outcomes[a->outcome], 1);
    if (atomic_fetch_add(&t->total, 1) < 2)
        http_call_start(
            t->client,
            &(struct http_call){ .url = str_of(t->next), .done = again_until_three, .ctx = t });
}

static void an_answer_may_start_the_next_call(void **state)
{
    struct tally t = { .client = client, .next = url_of(&peer, "/ok") };
    http_call_start(
        client, &(struct http_call){ .url = str_of(t.next), .done = again_until_three, .ctx = &t });
    assert_true(total_becomes(&t, 3));
    assert_int_equal(atomic_load(&t.outcomes[HTTP_ANSWERED]), 3);
}

static void *wait_often(void *arg)
{
    struct arena *own = arena_new((size_t)64 << 20, (size_t)256 << 20);
    size_t bad = 0;
    for (int i = 0; i < 40; i++) {
        struct http_answer a;
        struct http_call c = { .method = HTTP_POST, .url = str_of(arg), .body = STR("x") };
        http_call_wait(client, own, &c, &a);
        bad += a.status != 200 || !str_ends(a.body, STR("x"));
    }
    arena_free(own);
    return (void *)bad;
}

static void many_threads_may_wait_at_once(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 2 });
    const char *url = arena_print(mem, "http://127.0.0.1:%u/work", rig.port).ptr;
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, wait_often, (void *)(uintptr_t)url);
    for (size_t i = 0; i < 8; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(rig_counts(&rig).requests, 320);
    rig_stop(&rig);
}

static void it_talks_to_our_own_server(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct http_server_config){ .workers = 2 });
    for (int i = 0; i < 20; i++) {
        const char *url =
            arena_print(mem, "http://127.0.0.1:%u/%s", rig.port, i % 2 ? "work" : "echo").ptr;
        struct http_answer a = call(
            (struct http_call){ .method = HTTP_POST, .url = str_of(url), .body = STR("hello") });
        assert_int_equal(a.status, 200);
        assert_true(str_ends(a.body, STR("[] hello")));
    }
    assert_int_equal(rig_counts(&rig).accepted, 1);
    rig_stop(&rig);
}

/* ---- TLS ---- */

static void only_valid_certificates_are_trusted(void **state)
{
    struct peer_cert ca = cert_make(&(struct cert_wish){ "Our CA", NULL, -1, 30, NULL });
    struct peer_cert foreign_ca =
        cert_make(&(struct cert_wish){ "Foreign CA", NULL, -1, 30, NULL });
    const struct { const char *given; struct cert_wish wish; bool accepted;
    } rows[] = {
        { "signed by our CA", { "server", "IP:127.0.0.1", -1, 30, &ca }, true },
        { "for another host", { "server", "DNS:elsewhere.test", -1, 30, &ca }, false },
        { "expired", { "server", "IP:127.0.0.1", -30, -1, &ca }, false },
        { "not valid yet", { "server", "IP:127.0.0.1", 1, 30, &ca }, false },
        { "self-signed", { "server", "IP:127.0.0.1", -1, 30, NULL }, false },
        { "signed by a CA we do not know",
          { "server", "IP:127.0.0.1", -1, 30, &foreign_ca },
          false },
    };
    char path[64];
    snprintf(path, sizeof path, "/tmp/test_http_ca_%d.pem", (int)getpid());
    cert_write(&ca, path);
    struct http_client *with_ca;
    struct http_client *before = client;
    struct err e = { 0 };
    assert_true(http_client_start(&(struct http_client_config){ .ca_file = path }, &with_ca, &e));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct peer_cert cert = cert_make(&rows[i].wish);
        struct peer_server tls;
        peer_start(&tls, &cert);
        client = with_ca;
        struct http_call c = { .method = HTTP_POST,
                               .url = str_of(url_of(&tls, "/ok")),
                               .body = STR("x") };
        struct http_answer a = call(c);
        client = before;
        if (a.outcome != (rows[i].accepted ? HTTP_ANSWERED : HTTP_NOT_SENT))
            fail_msg("%s: outcome %d, %s", rows[i].given, (int)a.outcome, a.why);
        /* nobody is trusted without the CA file */
        assert_int_equal(call(c).outcome, HTTP_NOT_SENT);
        assert_int_equal(peer_seen(&tls, "POST"), rows[i].accepted);
        peer_stop(&tls);
        cert_free(&cert);
    }
    http_client_stop(with_ca);
    unlink(path);
    cert_free(&ca);
    cert_free(&foreign_ca);
}

static void a_missing_ca_file_is_said_at_the_start(void **state)
{
    struct http_client *none;
    struct err e = { 0 };
    struct http_client_config c = { .ca_file = "/nowhere/ca.pem" };
    assert_false(http_client_start(&c, &none, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.text, "/nowhere/ca.pem"));
}

static int start(void **state)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    signal(SIGPIPE, SIG_IGN);       /* for the scripted server's TLS */
    mem = arena_new((size_t)64 << 20, (size_t)256 << 20);
    peer_start(&peer, NULL);
    struct err e = { 0 };
    return http_client_start(&(struct http_client_config){ .user_agent = "signalbox-test" },
                             &client, &e)
               ? 0
               : -1;
}

static int stop(void **state)
{
    http_client_stop(client);
    peer_stop(&peer);
    arena_free(mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_headers_and_body),
        cmocka_unit_test(interim_answers_are_not_mistaken_for_the_answer),
        cmocka_unit_test(each_method_is_sent_as_asked),
        cmocka_unit_test(an_answer_past_its_bound_is_cut_and_said_so),
        cmocka_unit_test(after_bytes_have_left_the_outcome_is_unknown),
        cmocka_unit_test(what_never_left_is_not_sent),
        cmocka_unit_test(
            a_call_that_changes_something_is_sent_once_even_when_a_kept_connection_dies),
        cmocka_unit_test(reading_calls_are_repeated_on_a_fresh_connection),
        cmocka_unit_test(addresses_inside_are_told_from_public_ones),
        cmocka_unit_test(an_operator_may_open_private_places_but_no_metadata),
        cmocka_unit_test(a_typed_address_never_leads_inside),
        cmocka_unit_test(sockets_are_not_inherited),
        cmocka_unit_test(redirects_are_followed_when_asked_three_times_within_the_host),
        cmocka_unit_test(a_redirect_to_another_host_is_handed_back),
        cmocka_unit_test(a_hundred_calls_run_at_once),
        cmocka_unit_test(connections_to_one_host_are_bounded),
        cmocka_unit_test(stopping_answers_every_call_once_and_truthfully),
        cmocka_unit_test(an_answer_may_start_the_next_call),
        cmocka_unit_test(many_threads_may_wait_at_once),
        cmocka_unit_test(it_talks_to_our_own_server),
        cmocka_unit_test(only_valid_certificates_are_trusted),
        cmocka_unit_test(a_missing_ca_file_is_said_at_the_start),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
