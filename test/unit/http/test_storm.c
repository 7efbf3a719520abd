/*
 * A storm of clients that do everything wrong at once: halves, resets, floods, junk. Afterwards the
 * server must be as it was: no connection left, every request answered, the next one served.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

enum { THREADS = 6, ROUNDS = 120 };

struct weather { struct rig *rig; uint64_t seed; atomic_bool *over; };

static uint64_t roll(struct weather *w, uint64_t sides)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (w->seed >> 33) % sides;
}

static const char *const PIECES[] = {
    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /work HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /download HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /download HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n",
    "POST /nobody HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    "GET /echo HTTP/1.0\r\n\r\n",
    "GET /work HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "\r\n",
    "junk\r\n\r\n",
    "hello",
};

static void do_something(struct weather *w, int fd)
{
    str piece = str_of(PIECES[roll(w, sizeof PIECES / sizeof *PIECES)]);
    char sink[32768];
    switch (roll(w, 10)) {
    case 0:
        raw_send(fd, str_sub(piece, 0, (size_t)roll(w, piece.len)));
        break;
    case 1:
        shutdown(fd, roll(w, 4) ? SHUT_WR : SHUT_RD);
        break;
    case 2:
        nanosleep(&(struct timespec){ .tv_nsec = (long)roll(w, 150) * 1000000 }, NULL);
        break;
    case 3:
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0 && roll(w, 10))
            ;
        break;
    default:
        send(fd, piece.ptr, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void *rage(void *arg)
{
    struct weather *w = arg;
    for (int i = 0; i < ROUNDS && !atomic_load(w->over); i++) {
        int fd = raw_connect_try(w->rig->port);
        if (fd < 0)
            break;      /* stopped under us; in the other test the number accepted tells */
        for (uint64_t left = 1 + roll(w, 12); left; left--)
            do_something(w, fd);
        struct linger reset = { 1, 0 };
        if (roll(w, 3) == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    return NULL;
}

static void let_loose(struct rig *rig, atomic_bool *over, int stop_after_ms)
{
    pthread_t threads[THREADS];
    struct weather weathers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        weathers[i] = (struct weather){ rig, 1000 + i, over };
        assert_int_equal(pthread_create(&threads[i], NULL, rage, &weathers[i]), 0);
    }
    if (stop_after_ms) {
        nanosleep(&(struct timespec){ .tv_nsec = stop_after_ms * 1000000L }, NULL);
        atomic_store(over, true);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static const struct http_server_config STORMY = {
    .workers = 3, .header_ms = 60, .idle_ms = 200, .write_ms = 60, .connections_max = 40,
};

/*
 * The last clients may be gone before the server has taken them out of the kernel's queue, where
 * they still stand in line: that no connection is open says nothing before all were accepted.
 */
static struct http_counts after_all_have_gone(const struct rig *rig)
{
    struct http_counts n = rig_counts(rig);
    bool all = false;
    for (int i = 0; i < PATIENCE_MS / 10 && !(all && n.open == 0); i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        all = n.accepted >= THREADS * ROUNDS;
        n = rig_counts(rig);
    }
    return n;
}

static void after_a_storm_everything_is_as_before(void **state)
{
    struct rig rig;
    atomic_bool over = false;
    rig_start(&rig, &STORMY);
    let_loose(&rig, &over, 0);
    struct http_counts n = after_all_have_gone(&rig);
    assert_int_equal(n.accepted, THREADS * ROUNDS);
    assert_int_equal(n.open, 0);
    assert_int_equal(n.requests, atomic_load(&rig.handled));
    print_message("           %llu requests, %llu refused, %llu cut\n",
                  (unsigned long long)n.requests, (unsigned long long)n.refused,
                  (unsigned long long)n.timed_out);
    assert_true(n.requests > 200 && n.refused > 50);
    static struct raw_answer answer;
    int fd = raw_connect(rig.port);
    raw_send(fd, STR("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    raw_read(fd, PATIENCE_MS, &answer);
    assert_true(answer.closed && strstr(answer.text, "{\"ok\":true}"));
    close(fd);
    rig_stop(&rig);
}

static void *stop_soon(void *arg)
{
    struct rig *rig = arg;
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    http_server_stop(rig->server, 100);
    return NULL;
}

static void a_server_may_be_stopped_in_the_middle_of_it(void **state)
{
    /* The clients are told to end a moment before, while what they began is still under way: the
     * port may be somebody else's soon. */
    for (int i = 0; i < 3; i++) {
        struct rig rig;
        atomic_bool over = false;
        rig_start(&rig, &STORMY);
        pthread_t t;
        pthread_create(&t, NULL, stop_soon, &rig);
        let_loose(&rig, &over, 250);
        pthread_join(t, NULL);
        rig_latecomers_wait();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_storm_everything_is_as_before),
        cmocka_unit_test(a_server_may_be_stopped_in_the_middle_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
