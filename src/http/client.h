/*
 * http/client: calls to other servers, by libcurl multi on one thread of its own. Connections are
 * reused; HTTP/2 where offered.
 *
 * TLS verification is never off (a private CA file may be added). Redirects are followed only when
 * asked, only within the same scheme, host and port (another host: the answer is handed back), at
 * most 3. The answer to every call is delivered exactly once, on the client's thread: hand it over,
 * do not block. A call that changes something (not GET, HEAD, OPTIONS) is never sent twice, also
 * not by curl when a kept connection dies under it: that is HTTP_UNKNOWN, and repeating it is the
 * caller's decision.
 */
#ifndef SIGNALBOX_HTTP_CLIENT_H
#define SIGNALBOX_HTTP_CLIENT_H
#include "base/arena.h"
#include "base/err.h"
#include "http/server.h"

struct http_client_config {
    const char *ca_file;            /* extra trusted CAs (PEM); NULL: the system's only */
    const char *user_agent;
    unsigned    per_host_max;       /* connections to one host; default 100 */
};

/* What is known about a call that brought no answer. */
enum http_outcome {
    HTTP_ANSWERED,      /* there is a status */
    HTTP_NOT_SENT,      /* refused, no route, no name, TLS refused: the other side did nothing */
    HTTP_UNKNOWN,       /* cut or timed out after bytes had left: it may have taken effect */
};

struct http_answer {
    enum http_outcome         outcome;
    int                       status;        /* 0 unless HTTP_ANSWERED */
    str                       body;          /* cut at body_max: then `cut` is set */
    bool                      cut;
    const struct http_header *headers;
    size_t                    header_count;
    int64_t                   took_ms;
    char                      why[200];      /* what curl said, when there is no answer */
};
str http_answer_header(const struct http_answer *a, str name);

struct http_call {
    enum http_method          method;
    str                       url;           /* http:// or https:// */
    const struct http_header *headers;
    size_t                    header_count;
    str                       body;          /* sent when it has a pointer */
    int64_t                   timeout_ms;    /* whole call; default 30 s; connecting 10 s of it */
    size_t                    body_max;      /* of the answer; default 8 MiB */
    bool                      follow;
    bool                      public_only;   /* somebody typed the address: see below */
    bool                      private_allowed;   /* with it: see http_address_allowed */
    void (*done)(void *ctx, const struct http_answer *a);    /* answer valid only during it */
    void *ctx;
};

/*
 * Whether what somebody typed may lead there: to public addresses, and with private_allowed to
 * private and loopback ones. Never to link-local ones or to a cloud's metadata service.
 */
struct sockaddr;
bool http_address_allowed(const struct sockaddr *a, bool private_allowed);

/* public_only: private, loopback, link-local and other special addresses are refused at the moment
 * of connecting, when the name has been resolved for good (architecture.md §6). Such a call uses
 * no proxy and no kept connection. HTTP_NOT_SENT when refused. */

struct http_client;
bool http_client_start(const struct http_client_config *c, struct http_client **out,
                       struct err *e) MUST_CHECK;
/* Unfinished calls are answered HTTP_UNKNOWN (or HTTP_NOT_SENT when they had not begun), then the
 * thread ends. Nobody may start calls any more but their answers' own `done`. */
void http_client_stop(struct http_client *c);
/* Everything in `call` is copied. Thread-safe. Never fails: failures are answers. */
void http_call_start(struct http_client *c, const struct http_call *call);
/*
 * One alarm: `rang` is called on the client's thread at this monotonic time, or with `stopping`
 * when the client stops before. A new one takes the place of the old. On the client's thread only.
 */
void http_client_alarm(struct http_client *c, int64_t at_mono_ms,
                       void (*rang)(void *ctx, bool stopping), void *ctx);
/* For the command line and for start-up: waits for the answer; strings live in mem. */
void http_call_wait(struct http_client *c, struct arena *mem, const struct http_call *call,
                    struct http_answer *out);

#endif
