/*
 * Long-lived answers: what is sent comes, in order and once; who does not read is cut off and nobody
 * else notices; either side may go first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

enum { STREAMS_MAX = 256 };
#define ASK "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"

struct house {
    struct rig rig;
    struct http_hooks hooks;
    struct http_server *server;
    uint16_t port;
    pthread_mutex_t lock;
    struct http_stream *stream[STREAMS_MAX];
    size_t count;
};

static void handle(void *app, struct http_request *r)
{
    struct house *h = app;
    const struct http_response head = { .status = 200, .content_type = STR("text/event-stream") };
    pthread_mutex_lock(&h->lock);
    h->stream[h->count++] = http_stream_begin(r, &head);
    pthread_mutex_unlock(&h->lock);
}

static void classify(void *app, const struct http_request *r, struct http_class *out)
{
    out->on_loop = str_eq(r->query, STR("loop"));
}

static void refuse(void *app, struct arena *mem, int status, const char *why, struct http_response *out)
{
    out->body = STR("{}");
}

static void open_house(struct house *h, struct http_server_config config)
{
    struct err e = { 0 };
    memset(h, 0, sizeof *h);
    pthread_mutex_init(&h->lock, NULL);
    h->hooks = (struct http_hooks){ .app = h, .classify = classify, .handle = handle, .refuse = refuse };
    config.address = STR("127.0.0.1");
    assert_true(http_server_start(&config, &h->hooks, &h->server, &e));
    h->port = http_server_port(h->server);
}

static void close_house(struct house *h)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->stream[i])
            http_stream_end(h->stream[i]);
    http_server_stop(h->server, 2000);
    pthread_mutex_destroy(&h->lock);
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

/* A client whose stream has begun; its handle is the last of the house. */
static int listen_to(struct house *h, const char *request)
{
    size_t before = h->count, now = before;
    int fd = raw_connect(h->port);
    raw_send(fd, str_of(request));
    for (int i = 0; i < PATIENCE_MS / 5 && now == before; i++) {
        pthread_mutex_lock(&h->lock);
        now = h->count;
        pthread_mutex_unlock(&h->lock);
        if (now == before)
            pause_ms(5);
    }
    assert_int_equal(now, before + 1);
    return fd;
}

static void say(struct house *h, size_t i, const char *text)
{
    struct http_bytes *b = http_bytes_new(str_of(text));
    (void)http_stream_send(h->stream[i], b);
    http_bytes_drop(b);
}

/* Reads until these words have come. */
static void hear(int fd, struct raw_answer *a, const char *words)
{
    for (int64_t end = raw_ms() + PATIENCE_MS; raw_ms() < end;) {
        if (memmem(a->text, a->len, words, strlen(words)))
            return;
        ssize_t n = recv(fd, a->text + a->len, sizeof a->text - a->len - 1, 0);
        if (n <= 0)
            break;
        a->len += (size_t)n;
    }
    fail_msg("never heard '%s'", words);
}

/* Reads to the end; how many bytes came. */
static size_t hear_out(int fd)
{
    static char scrap[1 << 16];
    size_t all = 0;
    for (ssize_t n; (n = recv(fd, scrap, sizeof scrap, 0)) > 0;)
        all += (size_t)n;
    return all;
}

static bool becomes_closed(struct http_stream *s)
{
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (!http_stream_open(s))
            return true;
        pause_ms(5);
    }
    return false;
}

static struct raw_answer a;

static void what_is_sent_comes_in_order_and_once(void **state)
{
    static const char *const asks[] = { ASK, "GET /stream?loop HTTP/1.1\r\nHost: a\r\n\r\n" };
    struct house h;
    open_house(&h, (struct http_server_config){ 0 });
    for (size_t way = 0; way < 2; way++) {
        int fd = listen_to(&h, asks[way]);
        char text[32];
        a.len = 0;
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "piece %d\n", i);
            say(&h, way, text);
            if (i % 40 == 39)
                hear(fd, &a, text);
        }
        http_stream_end(h.stream[way]);
        h.stream[way] = NULL;
        for (ssize_t n; (n = recv(fd, a.text + a.len, sizeof a.text - a.len, 0)) > 0;)
            a.len += (size_t)n;
        close(fd);
        str got = { a.text, a.len };
        assert_true(str_starts(got, STR("HTTP/1.1 200 OK\r\n")));
        assert_true(str_has(got, STR("Content-Type: text/event-stream\r\n")));
        assert_true(str_has(got, STR("Connection: close\r\n")));
        assert_false(str_has(got, STR("Content-Length")));
        const char *body = memmem(a.text, a.len, "\r\n\r\n", 4);
        assert_non_null(body);
        str rest = { body + 4, a.len - (size_t)(body + 4 - a.text) };
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "piece %d", i);
            assert_true(str_eq(str_cut(rest, '\n', &rest), str_of(text)));
        }
        assert_int_equal(rest.len, 0);
    }
    close_house(&h);
}

static void one_piece_goes_to_many(void **state)
{
    struct house h;
    int fd[STREAMS_MAX];
    open_house(&h, (struct http_server_config){ 0 });
    for (size_t i = 0; i < 100; i++)
        fd[i] = listen_to(&h, ASK);
    struct http_bytes *b = http_bytes_new(STR("to everybody\n"));
    http_stream_send_all(h.stream, 100, b);
    http_bytes_drop(b);
    for (size_t i = 0; i < 100; i++) {
        a.len = 0;
        hear(fd[i], &a, "to everybody\n");
        close(fd[i]);
    }
    close_house(&h);
}

static void deadlines_are_not_for_streams(void **state)
{
    struct house h;
    open_house(&h, (struct http_server_config){ .header_ms = 100, .idle_ms = 100, .write_ms = 100 });
    int fd = listen_to(&h, ASK);
    pause_ms(700);
    assert_true(http_stream_open(h.stream[0]));
    a.len = 0;
    say(&h, 0, "still here\n");
    hear(fd, &a, "still here\n");
    close(fd);
    close_house(&h);
}

static void streams_leave_room_for_others_of_their_peer(void **state)
{
    struct house h;
    int fd[8];
    open_house(&h, (struct http_server_config){ .connections_per_peer_max = 2 });
    for (size_t i = 0; i < 8; i++) {
        fd[i] = listen_to(&h, ASK);
        a.len = 0;
        hear(fd[i], &a, "\r\n\r\n");
    }
    for (size_t i = 0; i < 8; i++)
        close(fd[i]);
    close_house(&h);
}

static void who_hangs_up_is_noticed(void **state)
{
    struct house h;
    open_house(&h, (struct http_server_config){ 0 });
    int fd = listen_to(&h, ASK);
    close(fd);
    assert_true(becomes_closed(h.stream[0]));
    struct http_bytes *b = http_bytes_new(STR("to nobody"));
    assert_false(http_stream_send(h.stream[0], b));
    http_bytes_drop(b);
    close_house(&h);
}

static void who_talks_back_is_not_listened_to(void **state)
{
    struct house h;
    open_house(&h, (struct http_server_config){ 0 });
    int fd = listen_to(&h, ASK);
    for (int i = 0; i < 100; i++)
        raw_send(fd, STR(ASK));
    a.len = 0;
    say(&h, 0, "one stream\n");
    hear(fd, &a, "one stream\n");
    assert_int_equal(h.count, 1);
    close(fd);
    close_house(&h);
}

static void who_does_not_read_is_cut_off_and_others_hear_all(void **state)
{
    enum { PIECES = 400, PIECE_BYTES = 64 << 10 };
    struct house h;
    open_house(&h, (struct http_server_config){ 0 });
    int slow = listen_to(&h, ASK), quick = listen_to(&h, ASK);
    char *text = malloc(PIECE_BYTES);
    assert_non_null(text);
    memset(text, 'x', PIECE_BYTES);
    struct http_bytes *b = http_bytes_new((str){ text, PIECE_BYTES });
    a.len = 0;
    hear(quick, &a, "\r\n\r\n");
    size_t heard = 0, ahead = a.len - (size_t)((char *)memmem(a.text, a.len, "\r\n\r\n", 4) + 4 - a.text);
    for (int i = 0; i < PIECES; i++) {
        static char scrap[PIECE_BYTES];
        http_stream_send_all(h.stream, 2, b);
        for (size_t left = PIECE_BYTES - ahead; left;) {
            ssize_t n = recv(quick, scrap, left, 0);
            assert_true(n > 0);
            left -= (size_t)n;
        }
        ahead = 0;
        heard += PIECE_BYTES;
    }
    assert_int_equal(heard, (size_t)PIECES * PIECE_BYTES);
    assert_false(http_stream_open(h.stream[0]));
    assert_true(http_stream_open(h.stream[1]));
    assert_true(hear_out(slow) < (size_t)PIECES * PIECE_BYTES);
    http_bytes_drop(b);
    free(text);
    close(slow);
    close(quick);
    close_house(&h);
}

static void who_reads_too_slowly_is_closed_in_time(void **state)
{
    struct house h;
    open_house(&h, (struct http_server_config){ .write_ms = 200 });
    int fd = listen_to(&h, ASK);
    size_t big = (size_t)3 << 20;       /* more than the sockets hold, less than may wait */
    char *text = malloc(big);
    assert_non_null(text);
    memset(text, 'x', big);
    struct http_bytes *b = http_bytes_new((str){ text, big });
    for (int i = 0; i < 4; i++)
        (void)http_stream_send(h.stream[0], b);
    http_bytes_drop(b);
    free(text);
    assert_true(becomes_closed(h.stream[0]));
    close(fd);
    close_house(&h);
}

static void the_server_may_go_first(void **state)
{
    struct house h;
    open_house(&h, (struct http_server_config){ 0 });
    int fd = listen_to(&h, ASK), other = listen_to(&h, ASK);
    say(&h, 0, "bye\n");
    http_stream_end(h.stream[0]);
    http_server_stop(h.server, 2000);
    a.len = 0;
    hear(fd, &a, "bye\n");
    assert_false(http_stream_open(h.stream[1]));
    say(&h, 1, "to nobody");
    http_stream_end(h.stream[1]);
    close(fd);
    close(other);
    pthread_mutex_destroy(&h.lock);
}

struct shouter { struct house *h; atomic_bool stop; };

static void *shout(void *arg)
{
    struct shouter *x = arg;
    struct http_bytes *b = http_bytes_new(STR("again and again\n"));
    while (!atomic_load(&x->stop)) {
        pthread_mutex_lock(&x->h->lock);
        http_stream_send_all(x->h->stream, x->h->count, b);
        pthread_mutex_unlock(&x->h->lock);
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    }
    http_bytes_drop(b);
    return NULL;
}

static void clients_come_and_go_while_others_send(void **state)
{
    struct house h;
    pthread_t t;
    open_house(&h, (struct http_server_config){ 0 });
    struct shouter x = { .h = &h };
    assert_int_equal(pthread_create(&t, NULL, shout, &x), 0);
    for (int i = 0; i < 60; i++) {
        int fd = listen_to(&h, ASK);
        if (i % 2)
            (void)recv(fd, a.text, sizeof a.text, 0);
        close(fd);
    }
    /* The server ends while somebody still sends. */
    http_server_stop(h.server, 0);
    atomic_store(&x.stop, true);
    pthread_join(t, NULL);
    for (size_t i = 0; i < h.count; i++)
        http_stream_end(h.stream[i]);
    pthread_mutex_destroy(&h.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_comes_in_order_and_once),
        cmocka_unit_test(one_piece_goes_to_many),
        cmocka_unit_test(deadlines_are_not_for_streams),
        cmocka_unit_test(streams_leave_room_for_others_of_their_peer),
        cmocka_unit_test(who_hangs_up_is_noticed),
        cmocka_unit_test(who_talks_back_is_not_listened_to),
        cmocka_unit_test(who_does_not_read_is_cut_off_and_others_hear_all),
        cmocka_unit_test(who_reads_too_slowly_is_closed_in_time),
        cmocka_unit_test(the_server_may_go_first),
        cmocka_unit_test(clients_come_and_go_while_others_send),
    };
    return cmocka_run_group_tests_name("http stream", tests, NULL, NULL);
}
