/* http1.h -- the reader of HTTP/1.1 responses (RFC 9112), strict, pure, incremental.
 *
 * Bytes in, pieces out; the same bytes give the same pieces however they are cut. It refuses what is known to allow response smuggling, or to exhaust memory: two
 * Content-Lengths, Content-Length with Transfer-Encoding, `5x`, obs-fold, bare LF, NUL, bad chunk sizes, more than HTTP1_HEAD_MAX
 * bytes or HTTP1_HEADERS_MAX lines of head, endless 1xx. Bytes behind the end of a response are reported, so that the
 * connection is not used again.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H
#include "base/bytes.h"

enum { HTTP1_HEAD_MAX = 64 * 1024, HTTP1_HEADERS_MAX = 100, HTTP1_INTERIM_MAX = 8 };

struct http1_header {
    struct slice name, value;
};

struct http1_head {
    int status;
    unsigned header_count;
    struct http1_header headers[HTTP1_HEADERS_MAX]; /* slices borrowed until the head was handled */
    bool keep_alive;                                /* by version and Connection */
    bool has_body;
    int64_t content_length; /* -1: chunked or until close */
};

enum http1_piece {
    HTTP1_MORE,  /* everything fed was used up: feed more */
    HTTP1_HEAD,  /* *head is filled (1xx other than 101 are skipped) */
    HTTP1_DATA,  /* *data: body bytes, a slice of what was fed */
    HTTP1_END,   /* the response is complete */
    HTTP1_ERROR, /* not a response: http1_error says why. Sticky */
};

/* The fields are private, but for head_request. No other memory than head_bytes, and that only while a head comes in pieces. */
struct http1 {
    struct buffer head_bytes; /* a head that came in pieces */
    struct slice input;       /* what was fed and is not used up */
    uint64_t left;            /* of the body or of this chunk; once complete: the excess */
    const char *error;
    unsigned line_bytes, lines; /* of the head, of a chunk's size line, of the trailer */
    unsigned char state, digits, interim, last;
    bool has_body, chunked, until_close;
    bool head_request; /* may be set after init: the answer to HEAD has no body whatever its head says */
};

void http1_init(struct http1 *http1);
void http1_free(struct http1 *http1);
void http1_feed(struct http1 *http1, struct slice bytes); /* valid until HTTP1_MORE, HTTP1_END or HTTP1_ERROR came back */
enum http1_piece http1_next(struct http1 *http1, struct http1_head *head, struct slice *data);
/* The peer closed: true: that is the regular end of the response (a body delimited by close); false: it was cut. */
bool http1_finish(struct http1 *http1);
/* Bytes that came behind the end of the response. */
size_t http1_excess(const struct http1 *http1);
const char *http1_error(const struct http1 *http1);
/* The value of the first header of that name (case folded), or SLICE_NONE. */
struct slice http1_header(const struct http1_head *head, struct slice name);
#endif
