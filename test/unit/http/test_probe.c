/*
 * Raw requests, one a row: what comes back, how many requests were executed (a smuggled one would
 * be one too many), and that a refusal speaks in the application's envelope and ends the
 * connection. libraries.md §2d.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

#define END "Connection: close\r\n\r\n"
#define NEXT "GET /smuggled HTTP/1.1\r\nHost: a\r\n" END

struct probe {
    const char *given;
    str         bytes;
    int         statuses[4];        /* in order; 0 ends */
    int         handled;
    const char *body_holds;         /* NULL: not looked at */
    bool        half_close;         /* the client ends its half after sending */
};

/* clang-format off */
#define ROW(given_, bytes_, handled_, holds_, ...) \
    { .given = (given_), .bytes = STR_INIT(bytes_), .handled = (handled_), \
      .body_holds = (holds_), .statuses = { __VA_ARGS__ } }
#define ENDED(given_, bytes_, handled_, holds_, ...) \
    { .given = (given_), .bytes = STR_INIT(bytes_), .handled = (handled_), \
      .body_holds = (holds_), .statuses = { __VA_ARGS__ }, .half_close = true }

#define GET "GET /echo HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define DELETE "DELETE /echo HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n"

static const struct probe ACCEPTED[] = {
    ROW("a plain request",
        "GET /echo?a=1&b HTTP/1.1\r\nHost: a\r\n" END, 1, "GET /echo [a=1&b] ", 200),
    ROW("pipelined requests, answered in order",
        "GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /later?2 HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /work?3 HTTP/1.1\r\nHost: a\r\n" END,
        3, "/later [2]", 200, 200, 200),
    ROW("pipelined bodies",
        POST "Content-Length: 3\r\n\r\none" CHUNKED "\r\n3\r\ntwo\r\n0\r\n\r\n" GET END,
        3, "two", 200, 200, 200),
    ROW("HTTP/1.0 without Host, closed after",
        "GET /echo HTTP/1.0\r\n\r\n" NEXT, 1, "GET /echo", 200),
    ROW("HTTP/1.0 kept on request",
        "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n",
        2, NULL, 200, 200),
    ROW("Connection: close among other words",
        GET "Connection: te , Close\r\n\r\n" NEXT, 1, NULL, 200),
    ENDED("a half-closed client still gets its answer",
        "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 1, "GET /later", 200),
    ENDED("… and all of its pipelined ones",
        "GET /work HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        2, NULL, 200, 200),
    ENDED("a body, then the end of the client's half",
        POST "Content-Length: 2\r\n\r\nhi", 1, "hi", 200),
    ROW("HEAD: the length but no body", "HEAD /hello HTTP/1.1\r\nHost: a\r\n" END, 1, NULL, 200),
    ROW("204 has neither body nor length",
        "GET /empty HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n" END,
        2, NULL, 204, 200),
    ROW("GET with a body", GET "Content-Length: 2\r\n" END "hi", 1, "GET /echo [] hi", 200),
    ROW("DELETE with a body",
        DELETE "Content-Length: 2\r\n" END "hi", 1, "DELETE /echo [] hi", 200),
    ROW("an unknown method is the application's to refuse",
        "BREW /echo HTTP/1.1\r\nHost: a\r\n" END, 1, "BREW /echo", 200),
    ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" END, 1, "OPTIONS * []", 200),
    ROW("an empty line before the request",
        "\r\nGET /echo HTTP/1.1\r\nHost: a\r\n" END, 1, NULL, 200),
    ROW("chunks", CHUNKED END "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 1, "hello!", 200),
    ROW("Chunked, in any case of letters",
        POST "Transfer-Encoding: Chunked\r\n" END "1\r\nx\r\n0\r\n\r\n", 1, "x", 200),
    ROW("chunk extensions", CHUNKED END "3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", 1, "abc", 200),
    ROW("trailers are dropped", CHUNKED END
        "1\r\nx\r\n0\r\nContent-Length: 9\r\nX-A: b\r\n\r\n", 1, "x", 200),
    ROW("an empty chunked body", CHUNKED END "0\r\n\r\n", 1, "POST /echo [] ", 200),
    ROW("Content-Length: 0", POST "Content-Length: 0\r\n" END, 1, NULL, 200),
    ROW("Expect: 100-continue, body following unasked",
        POST "Content-Length: 2\r\nExpect: 100-continue\r\n" END "hi",
        1, "hi", 200),
    ROW("bytes above ASCII in a value", GET "X-Name: Zo\xc3\xab\r\n" END, 1, NULL, 200),
};

static const struct probe REFUSED[] = {
    ROW("Content-Length with Transfer-Encoding",
        POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
        0, "together", 400),
    ROW("… in the other order",
        CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n" NEXT, 0, "together", 400),
    ROW("two different Content-Lengths",
        POST "Content-Length: 1\r\nContent-Length: 70\r\n\r\nx" NEXT, 0, NULL, 400),
    ROW("two equal Content-Lengths",
        POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" NEXT, 0, NULL, 400),
    ROW("a list as Content-Length", POST "Content-Length: 1, 1\r\n\r\nx" NEXT, 0, NULL, 400),
    ROW("Content-Length: +5", POST "Content-Length: +5\r\n\r\nhello" NEXT, 0, "digits", 400),
    ROW("Content-Length: -1", POST "Content-Length: -1\r\n\r\nhello" NEXT, 0, NULL, 400),
    ROW("Content-Length: 0x5", POST "Content-Length: 0x5\r\n\r\nhello" NEXT, 0, NULL, 400),
    ROW("an empty Content-Length", POST "Content-Length:\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("Content-Length past 2^64",
        POST "Content-Length: 18446744073709551617\r\n\r\nx" NEXT, 0, NULL, 400),
    ROW("an unknown transfer coding",
        POST "Transfer-Encoding: gzip\r\n\r\n" NEXT, 0, "chunked", 400),
    ROW("gzip, chunked",
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("chunked, identity",
        POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("two Transfer-Encodings", CHUNKED "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
        0, NULL, 400),
    ROW("a tab inside chunked",
        POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("Transfer-Encoding in HTTP/1.0",
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a blank before the colon", POST "Content-Length : 5\r\n\r\nhello" NEXT, 0, "colon", 400),
    ROW("a tab before the colon", GET "X-A\t: 5\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a blank in a name", GET "X A: 5\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("an empty name", GET ": 5\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a line without colon", GET "nonsense\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("chunk size 5g", CHUNKED "\r\n5g\r\nhello\r\n0\r\n\r\n" NEXT, 0, "hexadecimal", 400),
    ROW("chunk size +5", CHUNKED "\r\n+5\r\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("chunk size 0x5", CHUNKED "\r\n0x5\r\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("an empty chunk size", CHUNKED "\r\n\r\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a chunk size past 2^60", CHUNKED "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" NEXT,
        0, NULL, 400),
    ROW("a chunk size ended by LF", CHUNKED "\r\n5\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("an LF inside a chunk extension", CHUNKED "\r\n5;a\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("chunk data not followed by CR LF", CHUNKED "\r\n5\r\nhelloXX0\r\n\r\n" NEXT,
        0, "followed", 400),
    ROW("a trailer without name", CHUNKED "\r\n0\r\n: x\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a folded trailer", CHUNKED "\r\n0\r\nA: b\r\n c\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("NUL in a value", GET "X-A: a\0b\r\n\r\n" NEXT, 0, "control", 400),
    ROW("NUL in a name", GET "X\0A: ab\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("NUL in the target", "GET /ec\0ho HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a bare CR in a value", GET "X-A: a\rb\r\n\r\n" NEXT, 0, "control", 400),
    ROW("a bare LF ends a header line",
        "GET /echo HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n" NEXT, 0, "CR LF", 400),
    ROW("a bare LF ends the request line",
        "GET /echo HTTP/1.1\nHost: a\r\n\r\n" NEXT, 0, "CR LF", 400),
    ROW("a bare LF ends the head", GET "\n" NEXT, 0, NULL, 400),
    ROW("a folded header", GET "X-A: b\r\n c\r\n\r\n" NEXT, 0, "folded", 400),
    ROW("a blank line first of the headers",
        "GET /echo HTTP/1.1\r\n Host: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("no Host", "GET /echo HTTP/1.1\r\n\r\n" NEXT, 0, "Host", 400),
    ROW("two Hosts", GET "Host: a\r\n\r\n" NEXT, 0, "Host", 400),
    ROW("a Host with a path", "GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a Host with a user", "GET /echo HTTP/1.1\r\nHost: u@a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, NULL, 400),
    ROW("HTTP/1.2", "GET /echo HTTP/1.2\r\nHost: a\r\n\r\n" NEXT, 0, "version", 400),
    ROW("http/1.1 in small letters", "GET /echo http/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("HTTP/0.9", "GET /echo\r\n\r\n", 0, NULL, 400),
    ROW("two blanks in the request line",
        "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a blank after the version", "GET /echo HTTP/1.1 \r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a tab in the request line", "GET\t/echo HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("a target in absolute form",
        "GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, "path", 400),
    ROW("a target in authority form",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, "path", 400),
    ROW("* for something else than OPTIONS",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("raw UTF-8 in the target", "GET /\xc3\xab HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, NULL, 400),
    ROW("TLS spoken to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0, NULL, 400),
    ROW("an unknown expectation",
        POST "Expect: the-moon\r\nContent-Length: 1\r\n\r\nx" NEXT, 0, NULL, 417),
    ROW("a body larger than the call accepts",
        POST "Content-Length: 1048577\r\n\r\n" NEXT, 0, "larger", 413),
    ROW("… waiting for 100: the answer is final",
        "POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 26214401\r\n"
        "Expect: 100-continue\r\n\r\n",
        0, NULL, 413),
    ROW("… in one huge chunk", "POST /nobody HTTP/1.1\r\nHost: a\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" NEXT, 0, NULL, 413),
    ROW("a stranger, whose body nobody waits for",
        "POST /stranger HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", 0, "who are you",
        401),
    ROW("… waiting for 100: the answer is final",
        "POST /stranger HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        "Expect: 100-continue\r\n\r\n",
        0, "who are you", 401),
    ROW("… in chunks", "POST /stranger HTTP/1.1\r\nHost: a\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" NEXT, 0, "who are you", 401),
    ROW("… without a body", "GET /stranger HTTP/1.1\r\nHost: a\r\n\r\n" NEXT, 0, "who are you", 401),
    ENDED("the client ends inside the header", "GET /echo HTTP/1.1\r\nHo", 0, "middle", 400),
    ENDED("the client ends inside the body", POST "Content-Length: 5\r\n\r\nhe", 0, "middle", 400),
    ENDED("the client ends inside a chunk", CHUNKED "\r\n5\r\nhe", 0, "middle", 400),
};
/* clang-format on */

static struct rig rig;
static struct raw_answer answer;

static void run(const struct probe *p, bool refused)
{
    int handled_before = atomic_load(&rig.handled);
    int refused_before = atomic_load(&rig.refused);
    answer.len = 0;
    int fd = raw_connect(rig.port);
    raw_send(fd, p->bytes);
    if (p->half_close)
        shutdown(fd, SHUT_WR);
    raw_read(fd, PATIENCE_MS, &answer);
    close(fd);
    int statuses[5] = { 0 };
    /* A HEAD answer announces a length without having it. */
    size_t got = raw_responses(&answer, statuses, 5);
    for (size_t i = 0; i < 4; i++)
        if (statuses[i] != p->statuses[i])
            fail_msg("%s: response %zu is %d and not %d:\n%s", p->given, i + 1, statuses[i],
                     p->statuses[i], answer.text);
    if (got > 4 || !answer.closed)
        fail_msg("%s: %s", p->given,
                 answer.closed ? "too many responses" : "the connection stays open");
    if (atomic_load(&rig.handled) - handled_before != p->handled)
        fail_msg("%s: %d requests were executed and not %d", p->given,
                 atomic_load(&rig.handled) - handled_before, p->handled);
    if (p->body_holds && !strstr(answer.text, p->body_holds))
        fail_msg("%s: no \"%s\" in:\n%s", p->given, p->body_holds, answer.text);
    if (refused && (atomic_load(&rig.refused) != refused_before + 1 ||
                    !str_starts(raw_body(&answer), STR("{\"success\":false"))))
        fail_msg("%s: not refused in the application's words:\n%s", p->given, answer.text);
}

static void legal_requests_are_served(void **state)
{
    for (size_t i = 0; i < sizeof ACCEPTED / sizeof *ACCEPTED; i++)
        run(&ACCEPTED[i], false);
}

static void ambiguous_requests_are_refused_once_and_the_connection_ends(void **state)
{
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        run(&REFUSED[i], true);
}

/* Whatever the network cuts, the answer is the same. */
static void requests_that_arrive_byte_by_byte_are_judged_alike(void **state)
{
    for (size_t i = 0; i < sizeof ACCEPTED / sizeof *ACCEPTED; i++) {
        const struct probe *p = &ACCEPTED[i];
        int before = atomic_load(&rig.handled);
        answer.len = 0;
        int fd = raw_connect(rig.port);
        for (size_t k = 0; k < p->bytes.len; k++) {
            raw_send(fd, str_sub(p->bytes, k, k + 1));
            if (k % 7 == 0)
                sched_yield();
        }
        if (p->half_close)
            shutdown(fd, SHUT_WR);
        raw_read(fd, PATIENCE_MS, &answer);
        close(fd);
        if (atomic_load(&rig.handled) - before != p->handled || !answer.closed)
            fail_msg("%s, byte by byte: %d executed\n%s", p->given,
                     atomic_load(&rig.handled) - before, answer.text);
    }
}

static void send_filler(int fd, const char *before, size_t n, const char *after)
{
    char *filler = malloc(n);
    memset(filler, 'a', n);
    raw_send(fd, str_of(before));
    raw_send(fd, (str){ filler, n });
    raw_send(fd, str_of(after));
    free(filler);
}

static int status_of(int fd)
{
    int status = 0;
    answer.len = 0;
    raw_read(fd, PATIENCE_MS, &answer);
    close(fd);
    raw_responses(&answer, &status, 1);
    assert_true(answer.closed);
    return status;
}

static void oversized_heads_have_their_own_answers(void **state)
{
    int fd = raw_connect(rig.port);
    send_filler(fd, "GET /", 8192, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(status_of(fd), 414);

    fd = raw_connect(rig.port);
    send_filler(fd, "GET /", 30000, "");
    assert_int_equal(status_of(fd), 414);

    fd = raw_connect(rig.port);
    send_filler(fd, "GET / HTTP/1.1\r\nHost: a\r\nX-A: ", 16384, "\r\n\r\n");
    assert_int_equal(status_of(fd), 431);

    fd = raw_connect(rig.port);
    raw_send(fd, STR("GET / HTTP/1.1\r\nHost: a\r\n"));
    for (int i = 0; i < 100; i++)
        raw_send(fd, STR("A: b\r\n"));
    raw_send(fd, STR("\r\n"));
    assert_int_equal(status_of(fd), 431);

    fd = raw_connect(rig.port);
    send_filler(fd, "GET /", 8100, " HTTP/1.1\r\nHost: a\r\n" END);
    assert_int_equal(status_of(fd), 200);

    fd = raw_connect(rig.port);
    send_filler(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", 20000,
                "\r\nx\r\n0\r\n\r\n");
    assert_int_equal(status_of(fd), 400);
}

static void the_application_cannot_be_made_to_split_a_response(void **state)
{
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /inject HTTP/1.1\r\nHost: a\r\n" END));
    assert_int_equal(status_of(fd), 200);
    assert_null(strstr(answer.text, "\r\nX-Planted"));
    assert_non_null(strstr(answer.text, "X-From-Outside: a  X-Planted: yes"));
}

static void json_is_not_cached_or_sniffed_and_is_dated(void **state)
{
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /hello HTTP/1.1\r\nHost: a\r\n" END));
    assert_int_equal(status_of(fd), 200);
    assert_non_null(strstr(answer.text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(answer.text, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answer.text, "\r\nX-Content-Type-Options: nosniff\r\n"));
    const char *date = strstr(answer.text, "\r\nDate: ");
    char want[40];
    time_t now = time(NULL);
    bool right = false;
    for (time_t t = now - 60; t <= now; t++) {
        struct tm tm;
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
        right |= date && strncmp(date + 8, want, strlen(want)) == 0;
    }
    assert_true(right);
}

static int start(void **state)
{
    rig_start(&rig, &(struct http_server_config){ .workers = 2 });
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_requests_are_served),
        cmocka_unit_test(ambiguous_requests_are_refused_once_and_the_connection_ends),
        cmocka_unit_test(requests_that_arrive_byte_by_byte_are_judged_alike),
        cmocka_unit_test(oversized_heads_have_their_own_answers),
        cmocka_unit_test(the_application_cannot_be_made_to_split_a_response),
        cmocka_unit_test(json_is_not_cached_or_sniffed_and_is_dated),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
