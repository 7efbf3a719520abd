/*
 * http/parse: bytes to requests, strictly. Pure: no I/O, no clock, no memory of its own; the fuzz
 * target lives on that.
 *
 * Refused by default (RFC 9112, libraries.md §2d): whatever two readers could understand
 * differently.
 */
#ifndef SIGNALBOX_HTTP_PARSE_H
#define SIGNALBOX_HTTP_PARSE_H
#include "http/server.h"

enum { HTTP_FIELDS_MAX = 100, HTTP_TARGET_BYTES_MAX = 8192, HTTP_HEAD_BYTES_DEFAULT = 16384 };

enum http_step {
    HTTP_MORE,          /* nothing wrong so far, bytes are missing */
    HTTP_DONE,
    HTTP_BAD,           /* see status and why */
};

/* A request line with its fields. All text is borrowed from the bytes that were given. */
struct http_head {
    enum http_method   method;
    str                method_text, target, path, query;
    size_t             field_count;
    size_t             bytes;             /* of the head, its empty last line included */
    bool               old;               /* HTTP/1.0 */
    bool               keep;              /* the connection may carry another request */
    bool               chunked, has_length, expects_continue;
    uint64_t           length;            /* of the body, when has_length */
    unsigned           hosts;
    bool               says_close, says_keep;
    int                status;            /* HTTP_BAD: 400, 414, 417 or 431 */
    const char        *why;
    struct http_header fields[HTTP_FIELDS_MAX];
};

/* `bytes` is all that has come since the request began; *seen (0 at first) remembers how far line
 * ends were looked for, so that a head which drips in is not read again for every byte. The answer
 * does not depend on how the bytes were cut. */
enum http_step http_head_read(str bytes, size_t head_bytes_max, size_t *seen,
                              struct http_head *out);

/* A body in chunks (RFC 9112 §7.1): extensions are skipped, trailers checked and dropped, both
 * within bounds. */
struct http_chunks {
    int         state;
    uint64_t    left;                     /* of the chunk under way */
    unsigned    digits;
    size_t      extra;                    /* bytes of extensions and trailers so far */
    const char *why;
};

/* Consumes bytes from the front of *in; *data is the next piece of the body, borrowed from *in,
 * possibly empty. Call it again while it says HTTP_MORE and *in is not empty. */
enum http_step http_chunks_read(struct http_chunks *c, str *in, str *data);

bool http_token_valid(str s);             /* RFC 9110 §5.6.2 */
bool http_value_valid(str s);             /* no control characters but the tab */

#endif
