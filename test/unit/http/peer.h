/*
 * peer: the other side of the client's calls: a small scripted server, plain or with TLS, that
 * writes down what it was sent.
 *
 *   /ok               200 "ok"                       /gone             reads, closes without a word
 *   /silent           reads, never answers           /cut              10 of 100 bytes, then closes
 *   /flood            200 with 64 KB                 /slow             200 when `gather` are there
 *   /hop/N/STATUS     redirects to /hop/N-1/STATUS; at 0: 200
 *   /away             302 to the address in `away`   /early            100 Continue, then 200
 *   /headers          200 with 300 header lines
 */
#ifndef SIGNALBOX_TEST_HTTP_PEER_H
#define SIGNALBOX_TEST_HTTP_PEER_H
#include <openssl/ssl.h>

#include "rig.h"

struct peer_cert { X509 *cert; EVP_PKEY *key; };

struct peer_server {
    int         listener;
    uint16_t    port;
    pthread_t   thread;
    atomic_bool stop;
    SSL_CTX    *tls;                /* NULL: plain */
    char        away[128];
    pthread_mutex_t lock;
    char        log[65536];         /* a line per request: connection number, method, path, body */
    size_t      log_len;
    int         connections, now, most_at_once, gather;
    atomic_int  threads;
};

void peer_start(struct peer_server *p, const struct peer_cert *cert);
void peer_stop(struct peer_server *p);
int  peer_refusing(uint16_t *port);          /* a descriptor; its port refuses connections */
int  peer_seen(struct peer_server *p, const char *part);    /* how often `part` stands in the log */

struct cert_wish {
    const char *name, *alternative;
    int from_days, to_days;
    const struct peer_cert *issuer;
};
struct peer_cert cert_make(const struct cert_wish *w);
void cert_free(struct peer_cert *c);
void cert_write(const struct peer_cert *c, const char *path);

#endif
