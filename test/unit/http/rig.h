/*
 * rig: a server with a small application, and raw sockets against it.
 */
#ifndef SIGNALBOX_TEST_HTTP_RIG_H
#define SIGNALBOX_TEST_HTTP_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
/* cmocka's fail() and ours are different things; here fail_msg is enough. */
#undef fail
#undef fail_msg

#include "http/server.h"

/* How long a test waits for what must come: only a broken one ever waits so long. */
enum { PATIENCE_MS = 30000 };

#define fail_msg(...)                                                                              \
    (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

/* The application:
 *   /hello        {"ok":true}, on the loop
 *   /echo         method, path, query, body of what came, on the loop, bodies up to 1 MiB
 *   /work…        the same on a worker thread
 *   /company      whether others may be waiting, as http_round_events has it
 *   /later        the same, answered by a thread of its own
 *   /large        bodies up to 26,214,400 bytes; answers with length and sum
 *   /download     8 MiB of text
 *   /park         kept until rig_unpark
 *   /inject       a header whose value tries to end its line
 *   /nobody       accepts no body
 *   /stranger     refused by its head, 401
 *   /empty        204
 */
struct rig {
    struct http_server *server;
    struct http_hooks hooks;
    uint16_t port;
    atomic_int handled, refused;
    pthread_mutex_t lock;
    struct http_request *parked;
};

void rig_start(struct rig *rig, const struct http_server_config *config);
void rig_stop(struct rig *rig);
const struct http_hooks *rig_hooks(struct rig *rig);    /* for another server */
void rig_unpark(struct rig *rig);
bool rig_parked(struct rig *rig);              /* waits for a request to be parked */
void rig_latecomers_wait(void);                /* until the threads of /later have answered */
struct http_counts rig_counts(const struct rig *rig);

/* The raw client */
int  raw_connect(uint16_t port);
int  raw_connect_try(uint16_t port);           /* -1: nobody listens there (any more) */
void raw_send(int fd, str bytes);              /* all; a closed other side is no failure here */
struct raw_answer { char text[262144]; size_t len; bool closed; };
/* Reads until the other side closes, or until `quiet_ms` pass without a byte. */
void raw_read(int fd, int quiet_ms, struct raw_answer *out);
/* Reads until `want` whole responses have come, by their Content-Length, or the other side ends. */
void raw_read_answers(int fd, size_t want, struct raw_answer *out);
size_t raw_responses(const struct raw_answer *a, int *statuses, size_t max);
str  raw_body(const struct raw_answer *a);     /* of the first response */
int64_t raw_ms(void);

#endif
