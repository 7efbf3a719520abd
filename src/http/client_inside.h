/*
 * http/client_inside: what client.c (the thread) and client_call.c (one call as curl sees) share.
 */
#ifndef SIGNALBOX_HTTP_CLIENT_INSIDE_H
#define SIGNALBOX_HTTP_CLIENT_INSIDE_H
#include <curl/curl.h>
#include <pthread.h>

#include "http/client.h"

enum {
    REDIRECTS_MAX = 3,
    CALL_MS_DEFAULT = 30000, CONNECT_MS_MAX = 10000,
    CONNECTION_IDLE_S = 50,     /* servers close at 60 s or later: do not meet them in the act */
    ANSWER_HEADERS_MAX = 200, ANSWER_HEADER_BYTES_MAX = 128 << 10,
    HANDLES_KEPT = 16, CONNECTIONS_KEPT = 100, CONNECTIONS_MAX = 200,
};

/* All strings are in mem. Belongs to the client's thread once queued. */
struct flight {
    struct flight *next, *prev;
    struct arena  *mem;
    struct http_call call;
    int64_t began_ms, end_ms;       /* monotonic */
    unsigned redirects;

    CURL  *easy;
    struct curl_slist *send_headers;
    char   why[CURL_ERROR_SIZE];
    bool   begun;                   /* a request may have left: set before its first byte does */
    bool   twice;                   /* curl wanted to send it again, and was stopped */
    bool   body_began, cut;
    const char *unfit;              /* not even to be tried */
    bool   private_target;          /* public_only, and the name led inside */
    int    status;
    struct http_header headers[ANSWER_HEADERS_MAX];
    size_t header_count, header_bytes;
    char  *body;
    size_t body_len, body_cap;
};

struct http_client {
    struct http_client_config config;
    char      ca_file[4096];
    char      user_agent[256];
    pthread_t thread;
    CURLM    *multi;
    int       epoll, wake;                /* curl's sockets, and an eventfd for the others */
    CURLSH   *share;                      /* TLS sessions; one thread, so no locks */

    pthread_mutex_t lock;
    struct flight *queue, **queue_last;   /* under lock */
    bool      stop;                       /* under lock */

    struct flight *flying;                /* the thread's own */
    int64_t   alarm_ms;                   /* the thread's own; 0: none */
    void    (*rang)(void *ctx, bool stopping);
    void     *rang_ctx;
    CURL     *handles[HANDLES_KEPT];
    size_t    handle_count;
};

/* client_where.c: opens curl's sockets, and knows which addresses are everybody's. */
bool address_is_public(const struct sockaddr *a);
curl_socket_t socket_open(void *flight, curlsocktype purpose, struct curl_sockaddr *to);

/* client_call.c */
struct flight *flight_new(const struct http_call *call);
void flight_free(struct flight *f);
/* False: f->unfit says why. */
bool flight_prepare(struct http_client *c, struct flight *f, int64_t now_ms);
/* After curl is done with it: true when it is to be prepared and sent again, to where the answer
 * pointed. */
bool flight_redirected(struct flight *f);
void flight_answer(struct flight *f, CURLcode rc, int64_t now_ms, struct http_answer *out);

#endif
